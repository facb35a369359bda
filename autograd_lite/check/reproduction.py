"""Reproductions: make one mistake in the right backward pass, and see which mistake gives the wrong numbers.

The function is run on nodes, so that what it is composed of can be seen; then its backward pass is repeated with one
share of one operation spoilt at a time, in the ways in which people spoil them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_lite import passes
from autograd_lite.check.evidence import Evidence, Finding, near
from autograd_lite.check.problem import dense
from autograd_lite.check.symptoms import shifts
from autograd_lite.check.uses import broadcast_axes
from autograd_lite.graph import Node, data_of, topological, unbroadcast
from autograd_lite.modes import enable_grad
from autograd_lite.tensor import Tensor

__all__ = ["reproduced"]

_NODES = 60
Share = np.ndarray[Any, np.dtype[Any]]
Spoil = Callable[[Evidence, Node, int, Any, Share], Iterator[Share]]


def reproduced(e: Evidence) -> Iterator[Finding]:
    """Yield the kinds of mistake that lead to the claim."""
    if e.forward is None or e.upstream is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tape = _Tape(e)
        except Exception:  # not written in what has a derivative rule
            return
        if 1 < len(tape.edges) <= _NODES and near(tape.gradient(), e.truth):
            for kind, likelihood, detail, spoil in _MISTAKES:
                if any(map(e.explains, tape.spoilt(spoil))):
                    yield Finding(kind, likelihood, detail)
            yield from tape.uses()


class _Tape:
    """A function's recorded run, and its backward pass with mistakes."""

    def __init__(self, e: Evidence) -> None:
        assert e.forward is not None
        self._e = e
        chosen = [Tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") for x in e.operands]
        self._wanted = chosen[e.number]
        with enable_grad():
            y = e.forward(*chosen)
        if not (isinstance(y, Tensor) and y.requires_grad):
            raise ValueError("nothing recorded")
        self._root = y
        self._upstream = np.asarray(e.upstream, dtype=np.float64).reshape(y.shape)
        self._order = topological([y])
        self._idle: set[Node] = set()
        self._idle = self._idlers()
        needed: set[Node] = {self._wanted}
        for node in self._order:
            if any(node.operands[i] in needed for i in node.edges):
                needed.add(node)
        self.edges = [(n, i) for n in self._order if n.op is not None for i in n.edges if n.operands[i] in needed]

    def gradient(self, spoilt: dict[tuple[Node, int], Share] | None = None) -> Share:
        """Return the gradient of the wanted operand, with given shares in the place of the right ones."""
        return np.asarray(self.arriving(spoilt).get(self._wanted, np.zeros(self._wanted.shape)))

    def arriving(self, spoilt: dict[tuple[Node, int], Share] | None = None) -> dict[Node, Any]:
        """Return the gradient of every node, with given shares in the place of the right ones."""
        pending: dict[Node, Any] = {self._root: self._upstream}
        for node in reversed(self._order):
            if node.op is None or node not in pending or node in self._idle:
                continue
            for i, share in self._shares(node, pending[node]):
                if spoilt is not None and (node, i) in spoilt:
                    share = spoilt[node, i]
                x = node.operands[i]
                pending[x] = pending[x] + share if x in pending else share
        return pending

    def _idlers(self) -> set[Node]:
        """Return the nodes that the result does not depend on after all, as the maximum that a softmax subtracts.

        Who writes the backward pass by hand leaves them out, so a mistake elsewhere must not wake them.
        """
        arriving = self.arriving()
        size = {node: float(np.max(np.abs(g), initial=0.0)) for node, g in arriving.items()}
        largest = max(size.values(), default=0.0)
        return {node for node, n in size.items() if n <= 1e-12 * largest and node is not self._wanted}

    def _shares(self, node: Node, g: Any) -> list[tuple[int, Share]]:
        pairs = passes.shares(node, g, False)
        return [(i, dense(x, share)) for i, (x, share) in zip(node.edges, pairs, strict=True)]

    def spoilt(self, spoil: Spoil) -> Iterator[Share]:
        """Yield the gradients that come of spoiling one share at a time."""
        arriving = self.arriving()
        for node, i in self.edges:
            g = arriving.get(node)
            if g is None:
                continue
            right = dict(self._shares(node, g))[i]
            for wrong in spoil(self._e, node, i, g, right):
                if wrong.shape == right.shape:
                    yield self.gradient({(node, i): wrong})

    def uses(self) -> Iterator[Finding]:
        """Yield findings for what is used several times, where some of the uses are not counted."""
        users: dict[Node, list[tuple[Node, int]]] = {}
        for node, i in self.edges:
            users.setdefault(node.operands[i], []).append((node, i))
        for x, edges in users.items():
            if len(edges) < 2:
                continue
            nothing = np.zeros(np.shape(data_of(x)))
            for number, edge in enumerate(edges):
                what = "an input" if x.op is None else f"the result of {x.op.name!r}"
                others = edges[:number] + edges[number + 1 :]
                if self._e.explains(self.gradient(dict.fromkeys(others, nothing))):
                    last = number == len(edges) - 1
                    detail = f"{what} is used {len(edges)} times, and only one use is counted"
                    yield Finding("last-use", 0.92 if last else 0.88, detail)
                elif self._e.explains(self.gradient({edge: nothing})):
                    detail = f"{what} is used {len(edges)} times, and one use is not counted"
                    yield Finding("last-use", 0.87, detail)


def _times(*factors: float) -> Spoil:
    def spoil(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
        for factor in factors:
            yield factor * right

    return spoil


def _lengths(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    sizes = {n for shape in (np.shape(g), right.shape) for n in shape} | {np.size(g), right.size}
    if right.size and np.size(g):
        sizes |= {max(np.size(g) // right.size, right.size // np.size(g))}
    for n in sorted(sizes - {0, 1}):
        yield right * n
        yield right / n


def _rule(node: Node, i: int) -> Any:
    """Return the rule for one operand; None where one rule serves all operands."""
    assert node.op is not None
    return None if node.op.variadic else node.op.rules[i]


def _full(node: Node, i: int, g: Any) -> Share | None:
    """Return what an elementwise rule gives before the sum over the axes that were broadcast."""
    assert node.op is not None
    rule = _rule(node, i)
    if not node.op.is_elementwise or rule is None or np.shape(node.args[i]) == np.shape(g):
        return None
    return np.broadcast_to(g * (rule(node._data, *node.args) if callable(rule) else rule), np.shape(g))


def _unsummed(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    full = _full(node, i, g)
    if full is None:
        return
    for axis in broadcast_axes(right.shape, full.shape):
        for k in (0, -1):
            yield np.asarray(unbroadcast(np.take(full, [k], axis=axis), right.shape))


def _averaged(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    full = _full(node, i, g)
    if full is not None and right.size:
        yield right * right.size / full.size


def _exchanged(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    """The input in the place of the output, or the reverse."""
    assert node.op is not None
    x, y, rule = node.args[i], node._data, _rule(node, i)
    if np.shape(x) != np.shape(y) or not callable(rule):
        return
    outer = [data_of(v) for v in (*e.operands, e.output)]  # of the whole function, whose insides were forgotten
    alike = [v for v in outer if np.shape(v) == np.shape(x) and np.asarray(v).dtype.kind == "f"]
    for read, written in ((x, x), (y, y), (x, y), *((v, x) for v in alike), *((y, v) for v in alike)):
        operands = [written if k == i else v for k, v in enumerate(node.args)]
        if node.op.is_elementwise:
            yield np.asarray(g * rule(read, *operands))
        else:
            yield np.asarray(rule(g, read, *operands, **node.params))


def _swapped(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    """The rule of another operand, or the operands exchanged."""
    assert node.op is not None
    if len(node.args) != 2 or node.op.variadic:
        return
    for rule, operands in ((node.op.rules[1 - i], node.args), (node.op.rules[i], node.args[::-1])):
        if node.op.is_elementwise and rule is not None:
            slope = rule(node._data, *operands) if callable(rule) else rule
            yield np.asarray(unbroadcast(np.asarray(g * slope), right.shape))
        elif callable(rule):
            try:
                yield np.asarray(rule(g, node._data, *operands, **node.params))
            except Exception:  # shapes that do not fit
                continue


def _turned(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    if right.ndim >= 2:
        yield np.swapaxes(right, -1, -2)
    assert node.op is not None
    rule = _rule(node, i)
    for k, x in enumerate(node.args):
        if callable(rule) and not node.op.is_elementwise and np.ndim(x) >= 2:
            try:
                operands = [np.swapaxes(v, -1, -2) if j == k else v for j, v in enumerate(node.args)]
                yield np.asarray(rule(g, node._data, *operands, **node.params))
            except Exception:  # shapes that do not fit
                continue


def _moved(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    yield from shifts(right)


def _unused(e: Evidence, node: Node, i: int, g: Any, right: Share) -> Iterator[Share]:
    """The share for an incoming gradient of ones."""
    yield dict(zip(node.edges, (dense(x, s) for x, s in passes.shares(node, np.ones_like(g), False)), strict=True))[i]


_MISTAKES: tuple[tuple[str, float, str, Spoil], ...] = (
    ("sign", 0.9, "with one sign flipped the right backward pass gives these numbers", _times(-1.0)),
    ("input-output", 0.9, "with an input in the place of an output, or the reverse, it gives them", _exchanged),
    ("broadcast", 0.88, "without a sum over a broadcast axis the right backward pass gives these numbers", _unsummed),
    ("mean", 0.87, "with a mean for a sum over a broadcast axis it gives these numbers", _averaged),
    ("mean", 0.84, "with a mean for a sum, or the reverse, it gives these numbers", _lengths),
    ("factor", 0.83, "with one factor of 2 too many or missing it gives these numbers", _times(2.0, 0.5)),
    ("wrong-operand", 0.86, "with the derivative of the other operand it gives these numbers", _swapped),
    ("transposed", 0.85, "with one matrix transposed it gives these numbers", _turned),
    ("off-by-one", 0.84, "with one gradient moved by one place it gives these numbers", _moved),
    ("upstream", 0.83, "with one incoming gradient left out it gives these numbers", _unused),
    ("detached", 0.7, "with one path cut off it gives these numbers", _times(0.0)),
)
