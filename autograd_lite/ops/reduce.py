"""Reductions over any axes: sum, mean, var, std, max, min and prod; any, all and count_nonzero as plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from autograd_lite.graph import data_of, operand
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.shape import Axis
from autograd_lite.taped import plainly

__all__ = ["all", "any", "count_nonzero", "max", "mean", "min", "prod", "std", "sum", "var"]

# Without np.sum's own overhead, and without its type, which knows no keepdims that is a variable.
total: Any = np.add.reduce


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


def inverse(y: Any) -> Any:
    """Return 1 / y, but 0 where y is 0, derivatives included: so std and norm have slope 0 at their kink."""
    return np.where(y == 0, 0, 1 / np.where(y == 0, 1, y))


EMPTY = Case(shapes=((0, 3),), params={"axis": 0, "keepdims": False})

_sum = structural(
    "sum",
    "Σ",
    "np.sum(x, axis=axis, keepdims=keepdims)",
    lambda a, axis, keepdims: total(a, axis=axis, keepdims=keepdims),
    lambda g, y, a, axis, keepdims: np.broadcast_to(kept(g, a, axis, keepdims), np.shape(a)),
    linear=True,
    cases=reduction_cases(EMPTY),
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
    return total(a, axis=axis, keepdims=keepdims) / _count(a, axis)


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
    return total(d * d, axis=axis, keepdims=keepdims) / _freedom(a, axis, ddof)


def _var_vjp(g: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return kept(2 * g / _freedom(a, axis, ddof), a, axis, keepdims) * _centred(a, axis)


def _var_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return 2 * np.sum(tangents[0] * _centred(a, axis), axis=axis, keepdims=keepdims) / _freedom(a, axis, ddof)


def _std_vjp(g: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return kept(g * inverse(y) / _freedom(a, axis, ddof), a, axis, keepdims) * _centred(a, axis)


def _std_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ddof: float) -> Any:
    return _var_jvp(tangents, y, a, axis, keepdims, ddof) * inverse(y) / 2


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
    return plainly(_shared_by_ties, y, a, axis, keepdims)


def _shared_by_ties(y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    weights = np.equal(a, kept(y, a, axis, keepdims)).astype(np.result_type(a))
    return weights / total(weights, axis=axis, keepdims=True)


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
    cases=reduction_cases(EMPTY, Case(shapes=((4, 4),), params={"axis": 1, "keepdims": False}, make=_with_zeros)),
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


def any(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether an entry is not 0, as plain data; parameters as in `sum`."""
    return plainly(np.any, operand(a), axis=axis, keepdims=keepdims)


def all(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether no entry is 0, as plain data; parameters as in `sum`."""
    return plainly(np.all, operand(a), axis=axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return how many entries are not 0, as plain data; parameters as in `sum`."""
    return plainly(np.count_nonzero, operand(a), axis=axis, keepdims=keepdims)
