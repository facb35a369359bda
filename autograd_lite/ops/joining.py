"""Ops that join arrays and cut them apart: concatenate, stack, split and their kin; differences along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.graph import operand
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.shape import along, atleast_1d, atleast_2d, atleast_3d, broadcast_to, moveaxis, ravel, reshape

__all__ = [
    "array_split",
    "column_stack",
    "concatenate",
    "diff",
    "dstack",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vstack",
]


def _concatenate_vjp(g: Any, y: Any, *arrays: Any, axis: int) -> list[Any]:
    axis %= np.ndim(g)
    ends = np.cumsum([np.shape(a)[axis] for a in arrays]).tolist()
    return [g[along(axis, slice(i, j))] for i, j in zip([0, *ends], ends, strict=False)]


_concatenate = structural(
    "concatenate",
    "concat",
    "np.concatenate([x, ...], axis)",
    lambda *arrays, axis: np.concatenate(arrays, axis),
    _concatenate_vjp,
    variadic=True,
    linear=True,
    cases=(
        Case(shapes=((2, 3), (1, 3), (3, 3)), params={"axis": 0}),
        Case(shapes=((2, 1, 3), (2, 2, 3)), params={"axis": -2}),
        Case(shapes=((3,), (0,)), params={"axis": 0}),
        Case(shapes=((2,),), params={"axis": -1}),
    ),
)
_stack = structural(
    "stack",
    "stack",
    "np.stack([x, ...], axis)",
    lambda *arrays, axis: np.stack(arrays, axis),
    lambda g, y, *arrays, axis: list(np.moveaxis(g, axis, 0)),
    variadic=True,
    linear=True,
    cases=(
        Case(shapes=((2, 3), (2, 3)), params={"axis": 0}),
        Case(shapes=((2, 3), (2, 3), (2, 3)), params={"axis": -1}),
        Case(shapes=((), ()), params={"axis": 0}),
        Case(shapes=((0,), (0,)), params={"axis": 1}),
    ),
)


def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Join arrays along an axis that they have; all of them flattened for ``axis=None``.

    Parameters
    ----------
    arrays : sequence of array_like
        Equal in shape but for the axis to join along.
    axis : int or None, optional
        The axis.

    Raises
    ------
    ValueError
        When the shapes do not fit, and for no arrays.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    if axis is None:
        return _concatenate(*map(ravel, arrays), axis=0)
    return _concatenate(*arrays, axis=axis)


def stack(arrays: Any, axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis.

    Raises
    ------
    ValueError
        When the shapes differ, and for no arrays.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return _stack(*arrays, axis=axis)


def hstack(tup: Any) -> Any:
    """Join arrays along the second axis; 1-D arrays, and numbers, along the first."""
    arrays = [atleast_1d(a) for a in tup]
    return concatenate(arrays, axis=0 if arrays and np.ndim(arrays[0]) == 1 else 1)


def vstack(tup: Any) -> Any:
    """Join arrays along the first axis; 1-D arrays, and numbers, as rows."""
    return concatenate([atleast_2d(a) for a in tup], axis=0)


def dstack(tup: Any) -> Any:
    """Join arrays along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], axis=2)


def column_stack(tup: Any) -> Any:
    """Join arrays along the second axis; 1-D arrays, and numbers, as columns."""
    arrays = [operand(a) for a in tup]
    return concatenate([reshape(a, (-1, 1)) if np.ndim(a) < 2 else a for a in arrays], axis=1)


def unstack(x: Any, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the slices along an axis, which they lose: the inverse of `stack`."""
    return tuple(moveaxis(x, axis, 0))


def array_split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return consecutive parts along an axis, as `split` does, but of unequal lengths where it must be.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> [len(part) for part in ag.array_split([1.0, 2.0, 3.0, 4.0, 5.0], 3)]
    [2, 2, 1]
    """
    a = operand(ary)
    n = np.shape(a)[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1:
            raise ValueError(f"the number of sections must be at least 1, got {indices_or_sections}")
        size, longer = divmod(n, indices_or_sections)
        cuts = [i * size + (i if i < longer else longer) for i in range(1, indices_or_sections)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    return [a[along(axis % np.ndim(a), slice(i, j))] for i, j in zip([0, *cuts], [*cuts, n], strict=True)]


def split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Return consecutive parts along an axis: so many of equal length, or cut before these indices.

    Raises
    ------
    ValueError
        When the axis cannot be divided into parts of equal length.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.split([1.0, 2.0, 3.0, 4.0], [1, 3])
    [array([1.]), array([2., 3.]), array([4.])]
    """
    ary = operand(ary)
    n = np.shape(ary)[axis]
    if isinstance(indices_or_sections, (int, np.integer)) and indices_or_sections > 0 and n % indices_or_sections:
        raise ValueError(
            f"an axis of length {n} does not divide into {indices_or_sections} equal parts; array_split takes any."
        )
    return array_split(ary, indices_or_sections, axis)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the differences of neighbours along an axis, ``n`` times over.

    Parameters
    ----------
    a : array_like
        At least one axis.
    n : int, optional
    axis : int, optional
    prepend, append : array_like, optional
        Joined to ``a`` first: a number, or an array of the same shape but for this axis.

    Raises
    ------
    ValueError
        For a negative ``n``, and for an array without an axis.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.diff([1.0, 4.0, 9.0, 16.0], 2)
    array([2., 2.])
    """
    x = operand(a)
    if n < 0 or not np.ndim(x):
        raise ValueError(f"diff takes n of at least 0 and an array of at least one axis, got {n} and {np.shape(x)}")
    axis = range(np.ndim(x))[axis]
    parts = [x if end is None else operand(end) for end in (prepend, None, append)]
    present = [part for part, end in zip(parts, (prepend, x, append), strict=True) if end is not None]
    if n and len(present) > 1:
        one = (*np.shape(x)[:axis], 1, *np.shape(x)[axis + 1 :])
        x = concatenate([part if np.ndim(part) else broadcast_to(part, one) for part in present], axis)
    for _ in range(n):
        later, earlier = (x[along(axis, part)] for part in (slice(1, None), slice(None, -1)))
        x = np.not_equal(later, earlier) if x.dtype == bool else later - earlier
    return x
