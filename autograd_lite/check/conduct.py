"""How a function and its backward pass behave, told without any numeric derivative: cheap tests, and exact ones.

Each takes a run and returns what is wrong, in sentences; all of them look at one and the same random upstream gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import passes
from autograd_lite.check.problem import Problem, Run, dense
from autograd_lite.graph import Node, data_of

__all__ = ["determinism", "forward_mode", "linearity", "purity", "recording", "shapes", "single_precision", "symmetry"]

_COPIED = 1_000_000  # entries of an array that is kept to compare with
_SUBNORMAL = 1e-290
_TOLERANCE = {8: 1e-7, 4: 1e-3, 2: 1e-1}  # by the bytes of a number: for what is equal but for rounding
_ROUNDING = 1e-4  # of that tolerance, for what may have cancelled, in terms of the function's own values


def determinism(problem: Problem, run: Run, weights: Sequence[Any]) -> list[str]:
    """Forward twice and backward twice: bit by bit the same."""
    again = problem.run()
    if not _all_same(run.values(), again.values()):
        return [
            "the function gave another result for the same input: is dropout on, or a generator not seeded? "
            "Call eval(), or fix the seed inside of the function"
        ]
    first = run.pull(weights)
    if _all_same(first, run.pull(weights)) and _all_same(first, again.pull(weights)):
        return []
    return ["the backward pass gave another gradient for the same input: does a rule draw random numbers?"]


@np.errstate(all="ignore")  # as in every backward pass
def purity(problem: Problem, run: Run, weights: Sequence[Any]) -> list[str]:
    """Neither pass writes into what it was given, or into what the other one saved."""
    found = [
        f"the function changed its input {name}: compute a new array instead of writing into it"
        for name, node, x in zip(problem.names, run.inputs, problem.primals, strict=True)
        if not _same(data_of(node), x)
    ]
    inputs, pending = frozenset(run.inputs), run.seeds(weights)
    for node in reversed(run.order):
        if node.op is None or node in inputs or node not in pending:
            continue
        read = [pending[node], node._data, *node.args]
        before = [x.copy() if _is_array(x) and x.size <= _COPIED else None for x in read]
        for x, share in passes.shares(node, pending[node], False):
            share = dense(x, share)
            pending[x] = pending[x] + share if x in pending else share
        for i, (x, kept) in enumerate(zip(read, before, strict=True)):
            if kept is not None and not _same(x, kept):
                what = ("the incoming gradient", "the result", f"operand {i - 2}")[min(i, 2)]
                found.append(f"a rule of {node.op.name!r} changed {what}, which others may still need: copy it first")
    return found


def shapes(problem: Problem, gradients: Sequence[Any]) -> list[str]:
    """Every gradient has the shape and dtype of its input."""
    return [
        f"the gradient of input {name} has shape {np.shape(g)} and dtype {np.asarray(g).dtype}, "
        f"the input has {np.shape(x)} and {np.asarray(x).dtype}"
        for name, x, g in zip(problem.names, problem.primals, gradients, strict=True)
        if g is not None and (np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype)
    ]


def linearity(problem: Problem, run: Run, weights: Sequence[Any], rng: np.random.Generator) -> list[str]:
    """A backward pass is linear in the incoming gradient: twice of it and zero exactly, a sum to rounding."""
    once, twice = run.pull(weights), run.pull([2 * w for w in weights])
    nothing = run.pull([0 * w for w in weights])
    others = [np.asarray(rng.standard_normal(np.shape(w)), dtype=np.asarray(w).dtype)[()] for w in weights]
    other, both = run.pull(others), run.pull([w + v for w, v in zip(weights, others, strict=True)])
    rtol, atol = _tolerance(problem, run.values())
    found = []
    for name, g, g2, g0, h, gh in zip(problem.names, once, twice, nothing, other, both, strict=True):
        if g is None or not np.all(np.isfinite(g)):
            continue
        if np.any(g0):
            found.append(f"with an incoming gradient of zero the gradient of input {name} is not zero: a term lacks it")
        elif not _same(np.where(np.abs(g) < _SUBNORMAL, 0, g2), np.where(np.abs(g) < _SUBNORMAL, 0, 2 * g)):
            if _same(g2, g):
                how = "stays the same: the incoming gradient is not used"
            elif np.allclose(g2, 4 * g, rtol=1e-6):
                how = "grows fourfold: the incoming gradient is used twice"
            else:
                how = "does not double"
            found.append(f"with twice the incoming gradient the gradient of input {name} {how}")
        elif np.all(np.isfinite(gh)) and np.all(np.isfinite(h)):
            size = max(float(np.max(np.abs(x), initial=0.0)) for x in (g, h))
            off = float(np.max(np.abs(gh - (g + h)), initial=0.0))
            if off > rtol * size + atol:
                found.append(f"the gradient of input {name} for a sum of incoming gradients is not the sum of those")
    return found


def recording(problem: Problem, run: Run) -> list[str]:
    """The value is the same with and without a recorded graph, but for the rounding of another order of sums."""
    recorded, plain = run.values(), problem.values()
    if len(recorded) == len(plain) and all(map(_near, recorded, plain)):
        return []
    return ["the function gives another value when its gradient is recorded than under no_grad()"]


def forward_mode(
    problem: Problem, gradients: Sequence[Any], weights: Sequence[Any], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Forward mode agrees with reverse mode, ``<u, J t> = <J' u, t>``: what is wrong, and notes."""
    directions = [np.asarray(rng.standard_normal(np.shape(x)), dtype=np.asarray(x).dtype) for x in problem.primals]
    try:
        with np.errstate(all="ignore"):
            tangents = problem.tangents([d if d.ndim else d[()] for d in directions])
    except Exception as error:
        return [], [f"forward mode was not checked, it raised {type(error).__name__}: {error}"]
    with np.errstate(all="ignore"):
        pushed = np.concatenate([np.zeros(0), *(np.ravel(w * t) for w, t in zip(weights, tangents, strict=True))])
        pulled = [np.ravel(g * d) for g, d in zip(gradients, directions, strict=True)]
        across = np.concatenate([np.zeros(0), *pulled])
        forward, reverse = float(np.sum(pushed)), float(np.sum(across))
        size = float(np.sum(np.abs(pushed)) + np.sum(np.abs(across)))
    rtol, atol = _tolerance(problem, problem.values())
    if not np.isfinite(size) or abs(forward - reverse) <= rtol * size + atol:
        return [], []
    along = "along a random direction"
    return [f"forward mode (jvp) and reverse mode (vjp) disagree: {forward:.12g} and {reverse:.12g} {along}"], []


def symmetry(gradient: Problem, run: Run, rng: np.random.Generator) -> list[str]:
    """The matrix of second derivatives is symmetric, ``u' H v = v' H u``."""
    u, v = (
        [np.asarray(rng.standard_normal(np.shape(x)), np.asarray(x).dtype)[()] for x in gradient.primals]
        for _ in range(2)
    )
    with np.errstate(all="ignore"):
        pairs = [zip(left, run.pull(right), strict=True) for left, right in ((u, v), (v, u))]
        terms = [np.concatenate([np.ravel(a * h) for a, h in pair if h is not None] or [np.zeros(1)]) for pair in pairs]
        one, other = (float(np.sum(t)) for t in terms)
        size = sum(float(np.sum(np.abs(t))) for t in terms)
    rtol, atol = _tolerance(gradient, run.values())
    if not np.isfinite(size) or abs(one - other) <= rtol * size + atol:
        return []
    return [f"the matrix of second derivatives is not symmetric: u'Hv = {one:.12g}, v'Hu = {other:.12g}"]


def single_precision(problem: Problem, weights: Sequence[Any]) -> list[str]:
    """Notes on a run with the arrays in float32, whose gradients should be those of double precision to 1e-5."""
    rounded = problem.cast(np.float32)
    if not any(np.asarray(x).dtype == np.float32 for x in rounded.primals):
        return []
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            coarse = rounded.run().pull(weights)
        except Exception as error:
            return [f"with float32 inputs it raises {type(error).__name__}: {str(error).splitlines()[0]}"]
        exact = rounded.cast(np.float64).run().pull(weights)
        notes = []
        for name, g, h in zip(problem.names, coarse, exact, strict=True):
            if g is None or h is None or not np.all(np.isfinite(h)):
                continue
            size = float(np.max(np.abs(h), initial=0.0))
            off = float(np.max(np.abs(g - h), initial=0.0)) / size if size else 0.0
            if not off <= 1e-5:
                notes.append(f"in single precision the gradient of input {name} is right to {off:.1g} only")
    return notes


def _tolerance(problem: Problem, values: Sequence[Any]) -> tuple[float, float]:
    """Return the relative tolerance of the narrowest dtype, and an absolute one for what may have cancelled."""
    relative = _TOLERANCE[min([8, *(np.asarray(x).itemsize for x in (*problem.primals, *values))])]
    largest = max([1.0, *(float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y))) for y in values)])
    return relative, _ROUNDING * relative * largest


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind in "fiub"


def _same(x: Any, y: Any) -> bool:
    x, y = data_of(x), data_of(y)
    if x is None or y is None:
        return x is y
    return bool(np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind in "fc"))


def _near(x: Any, y: Any) -> bool:
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.dtype.kind not in "fc":
        return _same(x, y)
    size = float(np.max(np.abs(x[np.isfinite(x)]), initial=0.0))
    rounding = 100 * float(np.finfo(x.dtype).eps) * size
    return bool(np.allclose(x, y, rtol=0, atol=rounding, equal_nan=True))


def _all_same(xs: Sequence[Node | Any], ys: Sequence[Node | Any]) -> bool:
    return len(xs) == len(ys) and all(map(_same, xs, ys))
