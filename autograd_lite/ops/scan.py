"""Ops along an axis: running sums and products, sort, and the softmax family (logsumexp, softmax, log_softmax)."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.graph import operand
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.reduce import kept, led_by_one, reduction_cases
from autograd_lite.ops.shape import Axis, line, ravel
from autograd_lite.taped import plainly

__all__ = ["argmax", "argmin", "argsort", "cumprod", "cumsum", "log_softmax", "logsumexp", "softmax", "sort"]


def _along(*calls: tuple[tuple[int, ...], Any]) -> tuple[Case, ...]:
    return tuple(Case(shapes=(shape,), params={"axis": axis}) for shape, axis in calls)


_LINES = _along(((5,), 0), ((1,), -1), ((3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((0, 3), 0))


_cumsum = structural(
    "cumsum",
    "cumsum",
    "np.cumsum(x, axis=axis)",
    lambda a, axis: np.add.accumulate(a, axis=axis),
    lambda g, y, a, axis: np.flip(np.cumsum(np.flip(g, axis=axis), axis=axis), axis=axis),
    linear=True,
    cases=_LINES,
)


def cumsum(a: Any, axis: int | None = None) -> Any:
    """Return the running sums along an axis, of the flattened array by default.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.cumsum([[1.0, 2.0], [3.0, 4.0]], axis=1)
    array([[1., 3.],
           [3., 7.]])
    """
    a, axis = line(a, axis)
    return _cumsum(a, axis=axis)


def _recurrence(m: Any, b: Any) -> Any:
    """Solve ``s[k] = b[k] + m[k] * s[k - 1]`` along the last axis (m[0] is not used).

    By doubling, in log2(n) passes (Hillis and Steele, "Data parallel algorithms", 1986): after the pass with a given
    step, ``s`` is right where k < 2 * step, and ``m[k]`` is the product of the last 2 * step multipliers.
    """
    step = 1
    while step < np.shape(b)[-1]:
        b = np.concatenate([b[..., :step], b[..., step:] + m[..., step:] * b[..., :-step]], axis=-1)
        m = np.concatenate([m[..., :step], m[..., step:] * m[..., :-step]], axis=-1)
        step *= 2
    return b


def _cumprod_vjp(g: Any, y: Any, a: Any, axis: int) -> Any:
    lines, g = np.moveaxis(a, axis, -1), np.flip(np.moveaxis(g, axis, -1), axis=-1)
    before = np.cumprod(led_by_one(lines), axis=-1)
    behind = np.flip(_recurrence(led_by_one(np.flip(lines, axis=-1)), g), axis=-1)
    return np.moveaxis(before * behind, -1, axis)


def _cumprod_jvp(tangents: Any, y: Any, a: Any, axis: int) -> Any:
    lines, t = np.moveaxis(a, axis, -1), np.moveaxis(tangents[0], axis, -1)
    before = np.cumprod(led_by_one(lines), axis=-1)
    return np.moveaxis(_recurrence(lines, before * t), -1, axis)


def _zeros_in_a_row(rng: np.random.Generator) -> list[Any]:
    a = rng.normal(size=(4, 5))
    a[1, 1:2] = a[2, 1:3] = a[3, :3] = 0.0
    return [a]


_cumprod = structural(
    "cumprod",
    "cumprod",
    "np.cumprod(x, axis=axis)",
    lambda a, axis: np.multiply.accumulate(a, axis=axis),
    _cumprod_vjp,
    jvp=_cumprod_jvp,
    needs="operands",
    cases=(*_LINES, Case(shapes=((4, 5),), params={"axis": 1}, make=_zeros_in_a_row)),
)


def cumprod(a: Any, axis: int | None = None) -> Any:
    """Return the running products along an axis, of the flattened array by default.

    Its gradients of all orders are exact with any number of zeros.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ag.sum(ag.cumprod(x)).backward()
    >>> x.grad
    array([1., 8., 0.])
    """
    a, axis = line(a, axis)
    return _cumprod(a, axis=axis)


def _order(a: Any, axis: int) -> Any:
    return plainly(np.argsort, a, axis=axis, kind="stable")


_sort = structural(
    "sort",
    "sort",
    "np.sort(x, axis=axis)",
    lambda a, axis: np.sort(a, axis=axis),
    lambda g, y, a, axis: np.take_along_axis(g, np.argsort(_order(a, axis), axis=axis), axis=axis),
    jvp=lambda tangents, y, a, axis: np.take_along_axis(tangents[0], _order(a, axis), axis=axis),
    needs="operands",
    kinks="tied entries: each takes the slope of its place in the stable order",
    cases=_LINES,
)


def sort(a: Any, axis: int | None = -1) -> Any:
    """Return the entries in ascending order along an axis (None: of the flattened array); NaN comes last.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.sort([3.0, 1.0, 2.0])
    array([1., 2., 3.])
    """
    return _sort(ravel(a), axis=0) if axis is None else _sort(a, axis=axis)


def argsort(a: Any, axis: int | None = -1) -> Any:
    """Return the indices that would sort along an axis, as plain data; tied entries keep their order."""
    return plainly(np.argsort, operand(a), axis=axis, kind="stable")


def argmax(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return the index of the largest entry (the first of tied ones), as plain data."""
    return plainly(np.argmax, operand(a), axis=axis, keepdims=keepdims)


def argmin(a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return the index of the smallest entry (the first of tied ones), as plain data."""
    return plainly(np.argmin, operand(a), axis=axis, keepdims=keepdims)


def _top(a: Any, axis: Axis) -> Any:
    """Return the maximum, with the axes kept; of nothing it is -inf."""
    return np.maximum.reduce(a, axis=axis, keepdims=True, initial=None if np.size(a) else -np.inf)


def _shifted_exp(a: Any, axis: Axis) -> tuple[Any, Any, Any]:
    """Return the shift that keeps ``exp`` from overflowing, the exponentials, and their sums."""
    top = _top(a, axis)
    shift = np.where(np.isinf(top), 0, top)
    e = np.exp(a - shift)
    return shift, e, np.add.reduce(e, axis=axis, keepdims=True)


def _nonzero(total: Any) -> Any:
    """Replace the sum of nothing but exp(-inf) by 1; every other sum is at least 1."""
    return np.where(total == 0, 1, total)


def _logsumexp_forward(a: Any, axis: Axis, keepdims: bool) -> Any:
    shift, _, total = _shifted_exp(a, axis)
    result = np.where(total == 0, -np.inf, np.log(_nonzero(total)) + shift)
    return result if keepdims else np.squeeze(result, axis=axis)


def _logsumexp_slope(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    y = kept(y, a, axis, keepdims)
    return np.exp(a - np.where(y == -np.inf, 0, y))


def _logsumexp_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    return np.sum(tangents[0] * _logsumexp_slope(y, a, axis, keepdims), axis=axis, keepdims=keepdims)


_logsumexp = structural(
    "logsumexp",
    "logΣexp",
    "np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))",
    _logsumexp_forward,
    lambda g, y, a, axis, keepdims: kept(g, a, axis, keepdims) * _logsumexp_slope(y, a, axis, keepdims),
    jvp=_logsumexp_jvp,
    kinks="the entries all -inf: 0",
    cases=reduction_cases(),
)


def logsumexp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return ``log(sum(exp(a)))`` over one, several or all axes, without overflow; -inf of nothing but -inf.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.logsumexp([[1e4, 1e4], [-1e4, 0.0]], axis=1)
    array([10000.69314718,     0.        ])
    """
    return _logsumexp(a, axis=axis, keepdims=keepdims)


def _softmax_forward(a: Any, axis: Axis) -> Any:
    _, e, total = _shifted_exp(a, axis)
    return e / _nonzero(total)


def _softmax_vjp(g: Any, y: Any, a: Any, axis: Axis) -> Any:
    return y * (g - np.sum(g * y, axis=axis, keepdims=True))


_SOFT = _along(((5,), -1), ((3, 4), 0), ((2, 3, 4), (0, -1)), ((3, 2), None), ((2, 1), 1), ((), -1), ((0, 3), 1))

_softmax = structural(
    "softmax",
    "softmax",
    "np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)",
    _softmax_forward,
    _softmax_vjp,
    jvp=lambda tangents, y, a, axis: _softmax_vjp(tangents[0], y, a, axis),  # the Jacobian is symmetric
    needs="output",
    kinks="the entries all -inf: 0",
    cases=_SOFT,
)


def softmax(a: Any, axis: Axis = -1) -> Any:
    """Return ``exp(a) / sum(exp(a))`` along an axis (or several), without overflow; 0 for nothing but -inf.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.softmax([1e4, 1e4, -1e4])
    array([0.5, 0.5, 0. ])
    """
    return _softmax(a, axis=axis)


def _log_softmax_forward(a: Any, axis: Axis) -> Any:
    shift, _, total = _shifted_exp(a, axis)
    return a - shift - np.log(_nonzero(total))


def _log_softmax_vjp(g: Any, y: Any, a: Any, axis: Axis) -> Any:
    return np.where(_dead(y, axis), 0, g - np.exp(y) * np.sum(g, axis=axis, keepdims=True))


def _log_softmax_jvp(tangents: Any, y: Any, a: Any, axis: Axis) -> Any:
    t = tangents[0]
    return np.where(_dead(y, axis), 0, t - np.sum(np.exp(y) * t, axis=axis, keepdims=True))


def _dead(y: Any, axis: Axis) -> Any:
    """Return where everything along the axis is -inf."""
    return plainly(_all_minus_inf, y, axis)


def _all_minus_inf(y: Any, axis: Axis) -> Any:
    return _top(y, axis) == -np.inf


_log_softmax = structural(
    "log_softmax",
    "log softmax",
    "x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))",
    _log_softmax_forward,
    _log_softmax_vjp,
    jvp=_log_softmax_jvp,
    needs="output",
    kinks="the entries all -inf: 0",
    cases=_SOFT,
)


def log_softmax(a: Any, axis: Axis = -1) -> Any:
    """Return ``log(softmax(a))`` along an axis (or several), exact where softmax itself would underflow.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.log_softmax([1e4, -1e4])
    array([     0., -20000.])
    """
    return _log_softmax(a, axis=axis)
