"""Reductions over any axes: sum, mean, var, std, max, min, prod and norm; any, all and count_nonzero as plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd_lite.graph import data_of
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.shape import Axis, operand

__all__ = ["all", "any", "count_nonzero", "max", "mean", "min", "norm", "prod", "std", "sum", "var"]

# Without np.sum's own overhead, and without its type, which knows no keepdims that is a variable.
_total: Any = np.add.reduce


def kept(x: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    """Give what was reduced from ``a`` its lost axes back, with length one, so that it broadcasts against ``a``."""
    if keepdims or axis is None or np.ndim(a) == 0:
        return x
    return np.expand_dims(x, axis)


def reduction_cases(*more: Case, **params: Any) -> tuple[Case, ...]:
    """Return the calls that every reduction is tested with, and ``more``."""
    calls: tuple[tuple[tuple[int, ...], Axis, bool], ...] = (
        ((3, 4), None, False),
        ((3, 4), 1, False),
        ((2, 3, 4), (0, 2), True),
        ((2, 3, 4), (-1, 0), False),
        ((1, 5), -2, False),
        ((), None, False),
    )
    made = (Case(shapes=(s,), params={"axis": axis, "keepdims": keep, **params}) for s, axis, keep in calls)
    return (*made, *more)


def _count(a: Any, axis: Axis) -> int:
    """Return how many entries go into one result."""
    shape = np.shape(a)
    axes = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    return math.prod(shape[i] for i in axes)


def _inverse(y: Any) -> Any:
    """Return 1 / y, but 0 where y is 0, derivatives included: so std and norm have slope 0 at their kink."""
    return np.where(y == 0, 0, 1 / np.where(y == 0, 1, y))


_EMPTY = Case(shapes=((0, 3),), params={"axis": 0, "keepdims": False})

_sum = structural(
    "sum",
    "Σ",
    "np.sum(x, axis=axis, keepdims=keepdims)",
    lambda a, axis, keepdims: _total(a, axis=axis, keepdims=keepdims),
    lambda g, y, a, axis, keepdims: np.broadcast_to(kept(g, a, axis, keepdims), np.shape(a)),
    linear=True,
    cases=reduction_cases(_EMPTY),
)


def sum(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the sum over one, several or all axes.

    Parameters
    ----------
    a : array_like
        Array, Tensor, number, or nested lists of those; any shape.
    axis : int or tuple of int, optional
        The axes to reduce, negative ones counted from the last; all of them by default.
    keepdims : bool, optional
        Whether reduced axes stay, with length one.

    Raises
    ------
    numpy.exceptions.AxisError
        When ``a`` has no such axis.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
    """
    return _sum(a, axis=axis, keepdims=keepdims)


def _mean_forward(a: Any, axis: Axis, keepdims: bool) -> Any:
    if getattr(a, "dtype", None) == np.float16:
        return np.mean(a, axis=axis, keepdims=keepdims)  # adds up in float32, where the sum does not overflow
    return _total(a, axis=axis, keepdims=keepdims) / _count(a, axis)


_mean = structural(
    "mean",
    "mean",
    "np.mean(x, axis=axis, keepdims=keepdims)",
    _mean_forward,
    lambda g, y, a, axis, keepdims: np.broadcast_to(kept(g, a, axis, keepdims) / _count(a, axis), np.shape(a)),
    linear=True,
    cases=reduction_cases(),
)


def mean(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the arithmetic mean; parameters as in `sum`. Of nothing it is NaN, with NumPy's warning.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.mean([[1.0, 2.0], [3.0, 5.0]], axis=1)
    array([1.5, 4. ])
    """
    return _mean(a, axis=axis, keepdims=keepdims)


def _freedom(a: Any, axis: Axis, ddof: float) -> float:
    n = _count(a, axis) - ddof
    return n if n > 0 else 0


def _centred(a: Any, axis: Axis) -> Any:
    return a - np.mean(a, axis=axis, keepdims=True)


def _var_forward(a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    d = a - _mean_forward(a, axis, True)
    return _total(d * d, axis=axis, keepdims=keepdims) / _freedom(a, axis, ddof)


def _var_vjp(g: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return kept(2 * g / _freedom(a, axis, ddof), a, axis, keepdims) * _centred(a, axis)


def _var_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return 2 * np.sum(tangents[0] * _centred(a, axis), axis=axis, keepdims=keepdims) / _freedom(a, axis, ddof)


def _std_vjp(g: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return kept(g * _inverse(y) / _freedom(a, axis, ddof), a, axis, keepdims) * _centred(a, axis)


def _std_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return _var_jvp(tangents, y, a, axis, keepdims, ddof) * _inverse(y) / 2


_UNBIASED = Case(shapes=((3, 4),), params={"axis": 0, "keepdims": False, "ddof": 1})

_var = structural(
    "var",
    "var",
    "np.var(x, axis=axis, keepdims=keepdims, ddof=ddof)",
    _var_forward,
    _var_vjp,
    jvp=_var_jvp,
    needs="operands",
    cases=reduction_cases(_UNBIASED, ddof=0),
)
_std = structural(
    "std",
    "std",
    "np.std(x, axis=axis, keepdims=keepdims, ddof=ddof)",
    lambda a, axis, keepdims, ddof: np.sqrt(_var_forward(a, axis, keepdims, ddof)),
    _std_vjp,
    jvp=_std_jvp,
    kinks="the entries all equal: 0",
    cases=reduction_cases(_UNBIASED, ddof=0),
)


def var(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the variance: squared deviations from the mean, summed and divided by ``n - ddof``.

    Parameters
    ----------
    a, axis, keepdims
        As in `sum`.
    ddof : float, optional
        "Delta degrees of freedom": 0 for the variance of a population, 1 for the unbiased estimate from a sample.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.var([[1.0, 3.0], [2.0, 6.0]], axis=1, ddof=1)
    array([2., 8.])
    """
    return _var(a, axis=axis, keepdims=keepdims, ddof=ddof)


def std(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation, the root of `var`; the gradient is 0 where all entries are equal.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.std([[1.0, 3.0], [2.0, 6.0]], axis=1)
    array([1., 2.])
    """
    return _std(a, axis=axis, keepdims=keepdims, ddof=ddof)


def _tie_weights(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    """Return the weights, 1 in sum, with which the entries equal to the extreme share its gradient."""
    a, y = data_of(a), data_of(y)
    weights = np.equal(a, kept(y, a, axis, keepdims)).astype(np.result_type(a))
    return weights / _total(weights, axis=axis, keepdims=True)


def _extreme_vjp(g: Any, y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    return kept(g, a, axis, keepdims) * _tie_weights(y, a, axis, keepdims)


def _extreme_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    return np.sum(tangents[0] * _tie_weights(y, a, axis, keepdims), axis=axis, keepdims=keepdims)


_max = structural(
    "max",
    "max",
    "np.max(x, axis=axis, keepdims=keepdims)",
    lambda a, axis, keepdims: np.maximum.reduce(a, axis=axis, keepdims=keepdims),
    _extreme_vjp,
    jvp=_extreme_jvp,
    kinks="k entries tied for the maximum: 1/k each",
    cases=reduction_cases(),
)
_min = structural(
    "min",
    "min",
    "np.min(x, axis=axis, keepdims=keepdims)",
    lambda a, axis, keepdims: np.minimum.reduce(a, axis=axis, keepdims=keepdims),
    _extreme_vjp,
    jvp=_extreme_jvp,
    kinks="k entries tied for the minimum: 1/k each",
    cases=reduction_cases(),
)


def max(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the largest entry; tied entries share the gradient equally. Parameters as in `sum`.

    Raises
    ------
    ValueError
        When a reduced axis is empty.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([2.0, 2.0, 1.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    array([0.5, 0.5, 0. ])
    """
    return _max(a, axis=axis, keepdims=keepdims)


def min(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the smallest entry; tied entries share the gradient equally. Parameters as in `sum`, errors as in `max`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.min([[1.0, 2.0], [4.0, 3.0]], axis=1)
    array([1., 3.])
    """
    return _min(a, axis=axis, keepdims=keepdims)


def led_by_one(a: Any) -> Any:
    """Move the entries of the last axis one place on: a 1 comes in front and the last one falls off."""
    ones = np.ones((*np.shape(a)[:-1], 1), dtype=np.result_type(data_of(a)))
    return np.concatenate([ones, a], axis=-1)[..., :-1]


def _others(a: Any, axis: Axis) -> Any:
    """Return, for each entry, the product of the others of its slice.

    Products from the left times products from the right: a polynomial, so zeros (however many) need no care.
    """
    ndim = np.ndim(a)
    axes = range(ndim) if axis is None or ndim == 0 else normalize_axis_tuple(axis, ndim)
    last = range(-len(axes), 0)
    moved = np.moveaxis(a, tuple(axes), tuple(last))
    shape = np.shape(moved)
    lines = np.reshape(moved, (*shape[: ndim - len(axes)], _count(a, tuple(axes))))
    left = np.cumprod(led_by_one(lines), axis=-1)
    right = np.flip(np.cumprod(led_by_one(np.flip(lines, axis=-1)), axis=-1), axis=-1)
    return np.moveaxis(np.reshape(left * right, shape), tuple(last), tuple(axes))


def _with_zeros(rng: np.random.Generator) -> list[Any]:
    a = rng.normal(size=(4, 4))
    a[1, :1] = a[2, :2] = a[3, :3] = 0.0
    return [a]


_prod = structural(
    "prod",
    "Π",
    "np.prod(x, axis=axis, keepdims=keepdims)",
    lambda a, axis, keepdims: np.multiply.reduce(a, axis=axis, keepdims=keepdims),
    lambda g, y, a, axis, keepdims: kept(g, a, axis, keepdims) * _others(a, axis),
    jvp=lambda t, y, a, axis, keepdims: np.sum(t[0] * _others(a, axis), axis=axis, keepdims=keepdims),
    needs="operands",
    cases=reduction_cases(_EMPTY, Case(shapes=((4, 4),), params={"axis": 1, "keepdims": False}, make=_with_zeros)),
)


def prod(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the product; its gradients of all orders are exact with any number of zeros. Parameters as in `sum`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> ag.prod(x).backward()
    >>> x.grad
    array([6., 0., 0.])
    """
    return _prod(a, axis=axis, keepdims=keepdims)


def _norm_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    return np.sum(tangents[0] * a, axis=axis, keepdims=keepdims) * _inverse(y)


_norm = structural(
    "norm",
    "‖·‖",
    "np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))",
    lambda a, axis, keepdims: np.sqrt(_total(a * a, axis=axis, keepdims=keepdims)),
    lambda g, y, a, axis, keepdims: kept(g * _inverse(y), a, axis, keepdims) * a,
    jvp=_norm_jvp,
    kinks="the entries all 0: 0",
    cases=reduction_cases(_EMPTY),
)


def _p_norm_forward(a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    size = np.where(a < 0, -a, a) if np.iscomplexobj(a) else np.abs(a)  # complex: continued from the real axis
    return _total(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def _p_norm_slope(y: Any, a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    y = kept(y, a, axis, keepdims)
    ratio = np.where(a == 0, 1, np.abs(a)) / np.where(y == 0, 1, y)
    return np.where(y == 0, 0, np.sign(a) * ratio ** (ord - 1))


def _p_norm_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    return np.sum(tangents[0] * _p_norm_slope(y, a, axis, keepdims, ord), axis=axis, keepdims=keepdims)


_p_norm = structural(
    "p_norm",
    "‖·‖ₚ",
    "np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)",
    _p_norm_forward,
    lambda g, y, a, axis, keepdims, ord: kept(g, a, axis, keepdims) * _p_norm_slope(y, a, axis, keepdims, ord),
    jvp=_p_norm_jvp,
    kinks="an entry that is 0: 0 for it",
    cases=reduction_cases(Case(shapes=((2, 3),), params={"axis": 1, "keepdims": True, "ord": 1.5}), ord=3.0),
)


def norm(x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return a norm of vectors or matrices, as `numpy.linalg.norm` does.

    Parameters
    ----------
    x : array_like
        Of any shape if ``axis`` and ``ord`` are None, else one or two axes are reduced.
    ord : number, inf, -inf or "fro", optional
        Of vectors: 2 by default; p stands for ``sum(abs(x) ** p) ** (1 / p)``, 0 counts the nonzero entries (plain
        data), inf and -inf take the largest and the smallest magnitude. Of matrices: "fro" (Frobenius) by default,
        1 and -1 (column sums), inf and -inf (row sums).
    axis : int or pair of int, optional
        The axis of the vectors, or the axes of the matrices.
    keepdims : bool, optional
        Whether reduced axes stay, with length one.

    Raises
    ------
    ValueError
        For more than two axes, and for an order without a derivative rule (those that need singular values).

    Notes
    -----
    At the zero vector the gradient is 0; for p-norms it is 0 for every entry that is 0.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> ag.norm(x).backward()
    >>> x.grad
    array([0.6, 0.8])
    """
    x = operand(x)
    if axis is None and ord is None:
        return _norm(x, axis=None, keepdims=keepdims)
    axes = tuple(range(np.ndim(x))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) not in (1, 2):
        raise ValueError(f"a norm of order {ord!r} reduces one axis or two, not {len(axes)}; give axis=.")
    if ord is None or (ord == 2 and len(axes) == 1) or (ord in ("fro", "f") and len(axes) == 2):
        return _norm(x, axis=axes, keepdims=keepdims)
    if isinstance(ord, str) or (len(axes) == 2 and abs(ord) not in (1, np.inf)):
        raise ValueError(f"a norm of order {ord!r} over {len(axes)} axes is unknown, or has no derivative rule.")
    if ord == 0:
        return np.sum(data_of(x) != 0, axis=axes, keepdims=keepdims, dtype=np.result_type(data_of(x), np.float16))
    if len(axes) == 2:
        sums = sum(np.abs(x), axis=axes[0] if abs(ord) == 1 else axes[1], keepdims=True)
        return (max if ord > 0 else min)(sums, axis=axes, keepdims=keepdims)
    if ord == 1:
        return sum(np.abs(x), axis=axes, keepdims=keepdims)
    if abs(ord) == np.inf:
        return (max if ord > 0 else min)(np.abs(x), axis=axes, keepdims=keepdims)
    return _p_norm(x, axis=axes, keepdims=keepdims, ord=float(ord))


def any(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether an entry is not 0, as plain data; parameters as in `sum`."""
    return np.any(data_of(operand(a)), axis=axis, keepdims=keepdims)


def all(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether no entry is 0, as plain data; parameters as in `sum`."""
    return np.all(data_of(operand(a)), axis=axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return how many entries are not 0, as plain data; parameters as in `sum`."""
    return np.count_nonzero(data_of(operand(a)), axis=axis, keepdims=keepdims)
