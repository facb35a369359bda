"""What a wrong gradient looks like beside the true one: every test compares arrays, and yields what fits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from autograd_lite.check.evidence import Evidence, Finding, near
from autograd_lite.check.numeric import Array

__all__ = ["SYMPTOMS", "Symptom", "shifts"]

Symptom = Callable[[Evidence], Iterator[Finding]]
_PERMUTED_AXES = 5


def _overflow(e: Evidence) -> Iterator[Finding]:
    if not np.all(np.isfinite(e.claim)) and np.all(np.isfinite(e.truth)):
        yield Finding("overflow", 0.99, "there is NaN or infinity where the truth is finite")


def _linear(e: Evidence) -> Iterator[Finding]:
    if e.doubled is None or not np.any(e.claim):
        return
    if near(e.doubled, e.claim):
        yield Finding("upstream", 0.99, "it is not used: the numbers should double with it, and stay the same")
    elif near(e.doubled, 4 * e.claim):
        yield Finding("upstream", 0.99, "it is used twice: the numbers should double with it, and grow fourfold")
    elif not near(e.doubled, 2 * e.claim, 1e-9):
        yield Finding("upstream", 0.97, "the numbers should double with it, and do not: a term lacks it")


def _one_upstream(e: Evidence) -> Iterator[Finding]:
    """One number (a sum, a mean, a single entry, 1) in the place of the whole incoming gradient."""
    if e.jacobian is None or e.upstream is None or e.jacobian.shape[0] < 2:
        return
    summed = np.sum(e.jacobian, axis=0).reshape(e.claim.shape)
    if e.claim.size > 1 and _ratio(e.claim, summed) is not None:
        yield Finding("upstream", 0.8, "one number stands in the place of the whole incoming gradient")
    elif near(e.claim, summed):
        yield Finding("upstream", 0.9, "these are the numbers for an incoming gradient of ones")


def _zero(e: Evidence) -> Iterator[Finding]:
    if not np.any(e.claim):
        yield Finding("detached", 0.98, "nothing at all arrives (all zeros)")
    elif np.any(missing := (e.claim == 0) & (e.truth != 0)) and near(e.claim[~missing], e.truth[~missing]):
        count = int(np.sum(missing))
        yield Finding("detached", 0.5, f"nothing arrives at {count} of {e.claim.size} entries, the others are right")


def _factor(e: Evidence) -> Iterator[Finding]:
    factor = _ratio(e.claim, e.truth)
    if factor is None:
        return
    lengths = e.lengths()
    pointwise = e.jacobian is not None and all(
        np.max(np.count_nonzero(e.jacobian, axis=k), initial=0) <= 1 for k in (0, 1)
    )
    if abs(factor + 1) < 1e-6:
        yield Finding("sign", 0.98, "the numbers are minus the true ones", -1.0)
        return
    for n, what in lengths.items():
        for size, words in ((n, f"{n} times"), (1 / n, f"1/{n} of")):
            if abs(abs(factor) - size) < 1e-6 * size:
                meant = "a sum where a mean is needed" if size > 1 else "a mean where a sum is needed"
                likelihood = 0.5 if pointwise and n == 2 else 0.86 if n == 2 else 0.92
                yield Finding("mean", likelihood, f"{meant}: the numbers are {words} the true ones, and {what}", factor)
    simple = any(abs(abs(factor) - k) < 1e-6 for k in (2.0, 0.5))
    named = simple or any(abs(abs(factor) - k) < 1e-6 * k for n in lengths for k in (n, 1 / n))
    if e.claim.size > 1 or named:
        words = "half" if factor == 0.5 else f"{factor:.6g} times"
        yield Finding("factor", 0.9 if named else 0.7, f"the numbers are {words} the true ones", factor)
    if factor < 0 and (e.claim.size > 1 or named):
        yield Finding("sign", 0.65, "the numbers have the opposite sign", factor)
    if abs(factor - 0.5) < 1e-6:
        yield Finding("last-use", 0.7, "half of the gradient is missing, as if one of two uses were not counted", 0.5)


def _ratio(a: Array, b: Array) -> float | None:
    """Return k with ``a == k * b``, if there is one."""
    square = float(np.sum(b * b))
    if not np.isfinite(square) or square == 0:
        return None
    k = float(np.sum(a * b)) / square
    return k if k and near(a, k * b) else None


def _permuted(e: Evidence) -> Iterator[Finding]:
    axes = range(e.claim.ndim)
    for order in itertools.permutations(axes) if e.claim.ndim <= 4 else ():
        if order != tuple(axes) and near(np.transpose(e.claim, order), e.truth):
            yield Finding("transposed", 0.95, "the numbers are the true ones with their axes exchanged")
            return


def _operator(e: Evidence) -> Iterator[Finding]:
    """The linear map that the rule applies to its incoming gradient is the true one with axes exchanged."""
    if e.jacobian is None or e.output is None or e.upstream is None:
        return
    shape = (*e.output.shape, *e.claim.shape)
    axes = tuple(range(len(shape)))
    if not 2 <= len(shape) <= _PERMUTED_AXES + 1:
        return
    tensor = e.jacobian.reshape(shape)
    for order in itertools.permutations(axes):
        if order == axes or (len(shape) > _PERMUTED_AXES and sum(i != k for i, k in enumerate(order)) > 2):
            continue
        if tuple(shape[k] for k in order) == shape:
            turned = np.transpose(tensor, order).reshape(e.jacobian.shape)
            if e.explains((np.ravel(e.upstream) @ turned).reshape(e.claim.shape)):
                yield Finding("transposed", 0.88, "a matrix on the way is used transposed (or the other way round)")
                return


def _other_gradient(e: Evidence) -> Iterator[Finding]:
    for j, truth in e.truths.items():
        if j != e.number and e.claim.size and near(e.claim, truth):
            yield Finding("wrong-operand", 0.93, f"this is the gradient of {e.name(j)}")
            return


def shifts(x: Array) -> Iterator[Array]:
    """Yield an array shifted by one along each axis, either way, wrapped around or with zeros moved in."""
    for axis in range(np.ndim(x)):
        for step in (1, -1):
            if x.shape[axis] > 1:
                wrapped = np.roll(x, step, axis)
                yield wrapped
                filled = wrapped.copy()
                filled[(slice(None),) * axis + (0 if step == 1 else -1,)] = 0
                yield filled


def _shifted(e: Evidence) -> Iterator[Finding]:
    pairs = [(e.claim, e.truth, 0.92)]
    if e.upstream is not None and e.upstream.shape == e.claim.shape and np.all(e.upstream):
        pairs.append((e.claim / e.upstream, e.truth / e.upstream, 0.88))
    for claim, truth, likelihood in pairs:
        if any(_is_shift(claim, truth, axis) for axis in range(claim.ndim)):
            yield Finding("off-by-one", likelihood, "the numbers are the true ones, one place further")
            return
    if e.jacobian is not None and e.upstream is not None:
        for moved in shifts(e.upstream):
            if e.explains((np.ravel(moved) @ e.jacobian).reshape(e.claim.shape)):
                yield Finding("off-by-one", 0.88, "the incoming gradient is read one place further")
                return
    if _moved_pairs(e.claim - e.truth, float(np.max(np.abs(e.truth), initial=0.0))):
        yield Finding("off-by-one", 0.85, "a part of the gradient arrives one place further")


def _is_shift(claim: Array, truth: Array, axis: int) -> bool:
    """Return whether an array is another one shifted along an axis, whatever was moved in at the border."""
    c, t = np.moveaxis(claim, axis, 0), np.moveaxis(truth, axis, 0)
    if len(c) < 2 or (c[1:].size < 2 and not near(np.roll(t, 1, 0), c)) or near(t[1:], t[:-1]):
        return False
    return bool((np.any(t[:-1]) and near(c[1:], t[:-1])) or (np.any(t[1:]) and near(c[:-1], t[1:])))


def _moved_pairs(residual: Array, size: float) -> bool:
    """Return whether a difference consists of amounts that were taken away here and added next to it."""
    residual = np.where(np.abs(residual) <= 1e-6 * size, 0.0, residual)
    for axis in range(residual.ndim):
        lines = np.moveaxis(residual, axis, -1).reshape(-1, residual.shape[axis])
        lines = lines[np.any(lines, axis=1)]
        if residual.shape[axis] < 3 or not len(lines) or np.any(np.count_nonzero(lines, axis=1) != 2):
            continue
        next_to = [np.diff(np.flatnonzero(line))[0] in (1, line.size - 1) for line in lines]
        if all(next_to) and near(np.sum(lines, axis=1) + size, np.full(len(lines), size)):
            return True
    return False


# Slopes as they are written in terms of one number, which may be the input or the output.
_SLOPES: tuple[Callable[[Array], Array], ...] = (
    lambda v: v,
    lambda v: 1 / v,
    lambda v: 1 - v,
    lambda v: 1 - v * v,
    lambda v: v * (1 - v),
    lambda v: v * v,
    lambda v: 1 / (v * v),
    np.exp,
    np.cos,
    np.sin,
    lambda v: 1 + v * v,
    np.log,
)


def _written_in(e: Evidence) -> Iterator[Finding]:
    """The slope is the true one written in terms of something else: h(this) where the truth has h(that)."""
    if e.output is None or not e.operands or near(e.claim, e.truth):
        return
    shape = e.claim.shape
    named = [(e.name(i), np.asarray(x)) for i, x in enumerate(e.operands) if np.shape(x) == shape]
    named.append(("the output", e.output))
    fitting = [(name, v.astype(np.float64)) for name, v in named if v.shape == shape and v.dtype.kind == "f"]
    ratio = e.claim / e.truth
    for (used, v), (right, w) in itertools.permutations(fitting, 2):
        if any(not near(h(v), h(w)) and near(ratio, h(v) / h(w)) for h in _SLOPES):
            kind = "input-output" if "the output" in (used, right) else "wrong-operand"
            yield Finding(kind, 0.85, f"the slope is written in terms of {used} where {right} belongs")


def _rounded(e: Evidence) -> Iterator[Finding]:
    if near(e.claim, e.truth, 1e-4):
        if np.array_equal(e.claim.astype(np.float32), e.claim):
            yield Finding("rounded", 0.96, "all of the numbers are float32 numbers, right to 7 digits")
        else:
            yield Finding("rounded", 0.9, "the numbers are nearly right: a rounded constant, or a measured slope")


def _reordered(e: Evidence) -> Iterator[Finding]:
    if e.claim.size > 1 and near(np.sort(e.claim, axis=None), np.sort(e.truth, axis=None)):
        yield Finding("reordered", 0.6, "the numbers are the true ones, in other places")


def _signs(e: Evidence) -> Iterator[Finding]:
    if near(np.abs(e.claim), np.abs(e.truth)) and not near(e.claim, -e.truth):
        yield Finding("sign", 0.8, "some of the numbers have the wrong sign, all of them the right size")


def _few(e: Evidence) -> Iterator[Finding]:
    with np.errstate(invalid="ignore"):
        size = float(np.max(np.abs(e.truth), initial=0.0))
        wrong = ~(np.abs(e.claim - e.truth) <= 1e-7 * np.maximum(np.abs(e.truth), 1e-5 * size))
    count = int(np.sum(wrong))
    if 0 < count <= e.claim.size // 2:
        where = ", ".join(str(tuple(int(i) for i in index)) for index in np.argwhere(wrong)[:4])
        more = " ..." if count > 4 else ""
        yield Finding("few-entries", 0.4, f"{count} of {e.claim.size} entries are wrong, at {where}{more}")


SYMPTOMS: tuple[Symptom, ...] = (
    _overflow,
    _rounded,
    _linear,
    _one_upstream,
    _zero,
    _factor,
    _permuted,
    _operator,
    _other_gradient,
    _shifted,
    _written_in,
    _signs,
    _reordered,
    _few,
)
