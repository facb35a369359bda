"""Which rule of which operation is wrong: every operation of a recorded graph is checked by itself."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite.check.evidence import Evidence, jacobian, near
from autograd_lite.check.judge import between, trusted
from autograd_lite.check.numeric import Array, ridders, slope
from autograd_lite.check.problem import dense
from autograd_lite.graph import Node, unbroadcast

__all__ = ["Culprit", "culprits", "misshapen"]

_NODES = 400
_ALIKE = 2  # nodes looked at that have the same op and shapes
_ENTRIES = 600  # of the operand, and of the whole Jacobian in squares
_SHOWN = 3
_PULLS = 64


class Culprit:
    """A wrong rule: the node, and the operand.

    Attributes
    ----------
    node : Node
    number : int
        The operand.
    """

    def __init__(self, node: Node, number: int, operands: list[Any] | None = None) -> None:
        self.node, self.number = node, number
        self.operands = [_plain(x) for x in node.args] if operands is None else operands
        y = node._data if operands is None else self.forward(*operands)
        self.output = np.asarray(y, dtype=np.float64)

    @property
    def title(self) -> str:
        """How the rule is called in a sentence."""
        assert self.node.op is not None
        return f"the rule of {self.node.op.name!r} for operand {self.number}"

    @property
    def is_small(self) -> bool:
        """Whether the whole Jacobian can be looked at."""
        size = int(np.size(self.operands[self.number]))
        return 0 < size <= _ENTRIES and size * self.output.size <= _ENTRIES**2

    def forward(self, *operands: Any) -> Any:
        """Apply the operation."""
        assert self.node.op is not None
        return self.node.op.forward(*operands, **self.node.params)

    def rule(self, g: Any, y: Any, operands: list[Any]) -> Array:
        """Return what the rule gives for these values."""
        share = raw_share(self.node, self.number, g, y, operands)
        if np.shape(share) != np.shape(self.operands[self.number]):
            share = unbroadcast(np.asarray(share), np.shape(self.operands[self.number]))
        return np.asarray(share, dtype=np.float64)

    def suspicious(self, rng: np.random.Generator, retry: bool = True) -> bool:
        """Return whether the rule disagrees with the operation along a random direction."""
        u = rng.standard_normal(self.output.shape)
        x = np.asarray(self.operands[self.number], dtype=np.float64)
        d = rng.standard_normal(x.shape)
        claim = self.rule(u, self._given(self.output), self._all_given())

        def path(t: Any) -> Array:
            moved = [x + t * d if i == self.number else v for i, v in enumerate(self.operands)]
            y = np.ravel(np.asarray(self.forward(*moved)))
            return y.astype(np.result_type(y.dtype, np.float64))

        scale = float(np.median(np.abs(x))) if x.size else 1.0
        value, error = slope(path, scale).dot(np.ravel(u))
        mine = float(np.sum(claim * d))
        allowed = 1e-9 * max(abs(mine), abs(value)) + 1e-13 * float(np.sum(np.abs(claim * d))) + 1e-12
        if abs(mine - value) <= allowed + 8 * error:
            return False
        sides = ridders(path, scale, 1), ridders(path, scale, -1)
        low, high, error = between(sides, [], np.ravel(u), 0.0)
        if retry and trusted(sides, np.ravel(u)) and high - low > allowed + 8 * error:
            apart = self.nearby(rng)  # from the kink here, which may hide a mistake, or look like one
            return apart is None or apart.suspicious(rng, retry=False)
        return True

    def smaller(self) -> Culprit | None:
        """Return the same rule on the first few entries of the operands, equal lengths staying equal."""
        lengths = sorted({n for x in self.operands for n in np.shape(x)})
        short = {n: min(n, 2 + k) for k, n in enumerate(lengths)}
        cropped = [x[tuple(slice(short[n]) for n in np.shape(x))] if np.ndim(x) else x for x in self.operands]
        return self._elsewhere(cropped)

    def nearby(self, rng: np.random.Generator) -> Culprit | None:
        """Return the same rule a little away from here, and so from every kink."""
        floats = [np.asarray(x).dtype.kind == "f" for x in self.operands]
        moved = [
            x + 1e-2 * rng.standard_normal(np.shape(x)) * (np.abs(x) + 1e-2) if is_float else x
            for x, is_float in zip(self.operands, floats, strict=True)
        ]
        return self._elsewhere(moved)

    def _elsewhere(self, operands: list[Any]) -> Culprit | None:
        try:
            other = Culprit(self.node, self.number, operands)
        except Exception:  # out of its domain, or of shapes that its parameters do not fit
            return None
        return other if other.output.ndim == np.ndim(self.node._data) else None

    def evidence(self, rng: np.random.Generator) -> Evidence | None:
        """Return what a diagnosis can look at; None if it is right entry by entry."""
        u = rng.standard_normal(self.output.shape)
        derivatives = {}
        for i in self._others():
            derivatives[i] = jacobian(self.forward, self.operands, i)
        truths = {i: (np.ravel(u) @ d).reshape(np.shape(self.operands[i])) for i, d in derivatives.items()}
        given, y = self._all_given(), self._given(self.output)
        claim = self.rule(u, y, given)
        if near(claim, truths[self.number], 1e-9):
            return None
        return Evidence(
            claim,
            truths[self.number],
            self.operands,
            self.number,
            output=self.output,
            upstream=u,
            doubled=self.rule(2 * u, y, given),
            jacobian=derivatives[self.number],
            claimed=self._claimed(),
            truths=truths,
            rule=self.rule,
            forward=self.forward,
        )

    def _claimed(self) -> Array | None:
        """Return the rule as a matrix: what it gives for each entry of the incoming gradient alone."""
        if not 0 < self.output.size <= _PULLS:
            return None
        units = np.eye(self.output.size).reshape(self.output.size, *self.output.shape)
        given, y = self._all_given(), self._given(self.output)
        return np.stack([np.ravel(self.rule(unit, y, given)) for unit in units])

    def _others(self) -> list[int]:
        """Return the operands whose true gradients are worth knowing: those of the same shape."""
        shape = np.shape(self.operands[self.number])
        alike = [i for i in self.node.edges if np.shape(self.operands[i]) == shape and i != self.number]
        return [self.number, *alike[:3]]

    def _given(self, x: Array) -> Any:
        return x if self.node.is_array else np.float64(x)

    def _all_given(self) -> list[Any]:
        return list(self.operands)


def culprits(order: Sequence[Node], rng: np.random.Generator) -> Iterator[Culprit]:
    """Yield the wrong rules in a graph, a few that are alike at most."""
    seen: Counter[Any] = Counter()
    found = 0
    for node in list(order)[:_NODES]:
        if node.op is None:
            continue
        for i in node.edges:
            if not node.op.variadic and node.op.rules[i] is None:
                continue
            key = (node.op, i, tuple(map(np.shape, node.args)))
            seen[key] += 1
            if seen[key] > _ALIKE:
                continue
            candidate = Culprit(node, i)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    wrong = candidate.suspicious(rng)
                except Exception:  # an operation that does not run on numbers alone, as a checkpoint
                    continue
            if wrong:
                yield candidate
                found += 1
                seen[key] = _ALIKE
                if found == _SHOWN:
                    return


def misshapen(order: Sequence[Node]) -> Iterator[tuple[Culprit, Array]]:
    """Yield the rules whose result has not the shape of their operand, with that result for random incoming numbers."""
    rng = np.random.default_rng(0)
    for node in order:
        if node.op is None or node.op.is_elementwise:
            continue
        for i in node.edges:
            candidate = Culprit(node, i)
            u = rng.standard_normal(candidate.output.shape)
            try:
                share = np.asarray(raw_share(node, i, u, candidate.output, candidate.operands))
            except Exception:  # that one will be told by itself
                continue
            if share.shape != np.shape(candidate.operands[i]):
                yield candidate, share


def raw_share(node: Node, number: int, g: Any, y: Any, operands: list[Any]) -> Any:
    """Return what a node's rule gives for other values than its own, in whatever shape."""
    op: Any = node.op
    if op.variadic:
        return dense(operands[number], op.rules[0](g, y, *operands, **node.params)[number])
    rule = op.rules[number]
    if op.is_elementwise:
        return g * (rule(y, *operands) if callable(rule) else rule)
    return dense(operands[number], rule(g, y, *operands, **node.params))


def _plain(x: Any) -> Any:
    if isinstance(x, (float, np.generic)) and np.asarray(x).dtype.kind == "f":
        return np.float64(x)
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return x.astype(np.float64)
    return x
