"""What a wrong gradient looks like, where no known wrong answer has the same numbers: a guess, and told as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.check.numeric import Array

__all__ = ["likely"]


def likely(claim: Array, truth: Array, inputs: dict[str, Any], upstream: Any, doubled: Array | None) -> str:
    """Return what a wrong gradient is likely to be, or nothing.

    Parameters
    ----------
    claim, truth : ndarray
        The wrong gradient and the true one, of the same shape.
    inputs : dict
        The inputs by name: the lengths of their axes explain factors.
    upstream : float or ndarray or tuple of them, or None
        The incoming gradient.
    doubled : ndarray or None
        What the same code gives for twice the incoming gradient.
    """
    for test in (_not_a_number, _rounded, _linear, _factor, _transposed, _reordered, _masked):
        found = test(claim, truth, inputs, upstream, doubled)
        if found:
            return found
    return ""


def _near(a: Array, b: Array, rtol: float = 1e-7) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=rtol, atol=1e-12))


def _not_a_number(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Any) -> str:
    if np.all(np.isfinite(claim)) or not np.all(np.isfinite(truth)):
        return ""
    return "an overflow or a division by zero on the way: you have NaN or infinity where the truth is finite."


def _linear(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Array | None) -> str:
    if upstream is None:
        return ""
    if doubled is not None and doubled.shape == claim.shape and np.any(claim):
        if _near(doubled, claim):
            return "the incoming gradient g is not used: your numbers should double when g doubles, and stay the same."
        if _near(doubled, 4 * claim):
            return (
                "the incoming gradient g is used twice: your numbers should double when g doubles, and grow fourfold."
            )
    return ""


def _factor(claim: Array, truth: Array, inputs: dict[str, Any], upstream: Any, doubled: Any) -> str:
    if not np.any(claim):
        return "nothing at all arrives here (all zeros): a path from the loss is cut off."
    biggest = np.unravel_index(int(np.argmax(np.abs(truth))), truth.shape)
    factor = float(claim[biggest] / truth[biggest]) if truth[biggest] else 0.0
    if not np.isfinite(factor) or truth.size < 2 or not _near(claim, factor * truth):
        return ""
    if abs(factor + 1) < 1e-7:
        return "a sign: your numbers are minus the true ones."
    for name, x in inputs.items():
        for axis, n in enumerate(np.shape(x)):
            if n > 1 and min(abs(factor * n - 1), abs(factor / n - 1)) < 1e-7:
                word = "a mean where a sum is needed" if factor < 1 else "a sum where a mean is needed"
                ratio = f"1/{n} of" if factor < 1 else f"{n} times"
                return f"{word}: your numbers are {ratio} the true ones, and {name} has {n} entries along axis {axis}."
    return f"a constant factor: your numbers are {factor:.6g} times the true ones."


def _transposed(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Any) -> str:
    if claim.ndim == 2 and _near(claim.T, truth):
        return "a transposition: your numbers are the true ones with rows and columns exchanged."
    return ""


def _rounded(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Any) -> str:
    if not _near(claim, truth, 1e-4):
        return ""
    if np.array_equal(claim.astype(np.float32), claim):
        return "single precision: all of your numbers are float32 numbers, right to 7 digits."
    return "a slope that was measured (finite differences), or a rounded constant: your numbers are nearly right."


def _reordered(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Any) -> str:
    if claim.size > 1 and _near(np.sort(claim, axis=None), np.sort(truth, axis=None)):
        return "an index: your numbers are the true ones, in other places."
    return ""


def _masked(claim: Array, truth: Array, inputs: Any, upstream: Any, doubled: Any) -> str:
    wrong = ~np.isclose(claim, truth, rtol=1e-7, atol=1e-12)
    if 0 < np.sum(wrong) <= claim.size // 2:
        where = ", ".join(str(tuple(int(i) for i in index)) for index in np.argwhere(wrong)[:4])
        return f"a special case: {int(np.sum(wrong))} of {claim.size} entries are wrong, at {where}."
    return ""
