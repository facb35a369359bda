"""Ops that pick and place entries: indexing of every kind, take, repeat, diagonals and padding."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from autograd_lite.graph import data_of
from autograd_lite.ops.record import Case, Op, structural
from autograd_lite.ops.shape import along, broadcast_to, line, moveaxis, operand, reshape, sum_to

__all__ = [
    "at_add",
    "at_set",
    "diag",
    "diagonal",
    "getitem",
    "pad",
    "repeat",
    "scatter_add",
    "take",
    "take_along_axis",
    "trace",
]


def _static(index: Any) -> Any:
    """Return an index with its lists as arrays and its Tensors as plain data."""
    if isinstance(index, tuple):
        return tuple(map(_static, index))
    if index is None or isinstance(index, (int, slice, np.integer, EllipsisType)):
        return index
    index = data_of(index)
    return np.asarray(index, dtype=np.intp if isinstance(index, list) and not index else None)


def _may_repeat(index: Any) -> bool:
    """Return whether an index can name an entry twice: only one with an array of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray) and part.dtype != bool and part.size > 1 for part in parts)


def _scatter_add_forward(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    out = np.zeros(shape, dtype=np.result_type(g))
    if _may_repeat(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


_ROWS, _COLUMNS = np.array([[0, 2], [2, 2]]), np.array([1, -1])
_INDICES: tuple[Any, ...] = (
    1,
    (slice(None, None, -2), None, 2),
    (Ellipsis, slice(1, 1)),
    np.array([0, 2, 2, -1]),
    (_ROWS, _COLUMNS),
    (slice(1, None), _ROWS),
    np.arange(12).reshape(3, 4) % 3 == 0,
    (np.array([True, False, True]), _COLUMNS),
)

_scatter_add = structural(
    "scatter_add",
    "scatter",
    "np.add.at(np.zeros(shape), index, x)",
    _scatter_add_forward,
    lambda h, y, g, shape, index: h[index],
    linear=True,
    cases=tuple(Case(shapes=(np.empty((3, 4))[i].shape,), params={"shape": (3, 4), "index": i}) for i in _INDICES),
)
_getitem = structural(
    "getitem",
    "[]",
    "x[index]",
    lambda a, index: a[index],
    lambda g, y, a, index: _scatter_add(g, shape=np.shape(a), index=index),
    linear=True,
    cases=(
        *(Case(shapes=((3, 4),), params={"index": i}) for i in _INDICES),
        Case(shapes=((2, 3, 4),), params={"index": (np.array([1, 1]), slice(None), np.array([0, 0]))}),
        Case(shapes=((),), params={"index": Ellipsis}),
    ),
)


def getitem(a: Any, index: Any) -> Any:
    """Return ``a[index]`` for NumPy indices of every kind; entries that an index names twice get both gradients.

    Parameters
    ----------
    a : array_like
        Array, Tensor, or nested lists; any shape.
    index : int, slice, None, Ellipsis, integer or boolean array_like, or a tuple of those
        Where; copied, so that writing into it later changes no gradient.

    Raises
    ------
    IndexError
        When ``a`` has no such entries, and for an index that holds neither integers nor booleans.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> ag.sum(x[[0, 0, 2]]).backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    return _getitem(a, index=_static(index))


def scatter_add(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Return zeros of this shape with ``g`` added at an index, once for every repetition: the transpose of `getitem`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.scatter_add([1.0, 2.0, 4.0], (3,), [0, 2, 2])
    array([1., 0., 6.])
    """
    return _scatter_add(g, shape=tuple(shape), index=_static(index))


def _writable(a: Any, v: Any) -> Any:
    """Return a copy of ``a`` that ``v`` can be written into, wider only if ``v`` is of a higher kind of number."""
    dtype, other = np.result_type(a), np.result_type(v)
    return np.array(a, dtype=dtype if np.can_cast(other, dtype, "same_kind") else np.result_type(dtype, other))


def _at_set_forward(a: Any, v: Any, index: Any) -> Any:
    out = _writable(a, v)
    out[index] = v
    return out


def _at_add_forward(a: Any, v: Any, index: Any) -> Any:
    out = _writable(a, v)
    if _may_repeat(index):
        np.add.at(out, index, v)
    else:
        out[index] += v
    return out


def _last_writes(shape: tuple[int, ...], index: Any) -> Any:
    """Mark the places of an index whose write stays, where several places name one entry."""
    entries = np.zeros(shape, dtype=np.intp)
    places = np.arange(entries[index].size).reshape(entries[index].shape)
    entries[index] = places
    return entries[index] == places


def _at_set_vjp(g: Any, y: Any, a: Any, v: Any, index: Any) -> Any:
    picked = g[index]
    if _may_repeat(index):
        picked = np.where(_last_writes(np.shape(g), index), picked, 0)
    return sum_to(picked, np.shape(v))


_AT_CASES = (
    *(Case(shapes=((3, 4), ()), params={"index": i}) for i in _INDICES),
    Case(shapes=((3, 4), (4,)), params={"index": np.array([2, 0])}),
    Case(shapes=((3, 4), (2, 1)), params={"index": (slice(0, 2), slice(1, 4))}),
    Case(shapes=((3, 4), (4,)), params={"index": np.arange(12).reshape(3, 4) % 3 == 0}),
)

_at_set: Op = structural(
    "at_set",
    "at.set",
    "x.at[index].set(y)",
    _at_set_forward,
    lambda g, y, a, v, index: _at_set(g, 0.0, index=index),
    _at_set_vjp,
    linear=True,
    cases=_AT_CASES,
)
_at_add = structural(
    "at_add",
    "at.add",
    "x.at[index].add(y)",
    _at_add_forward,
    lambda g, y, a, v, index: g,
    lambda g, y, a, v, index: sum_to(g[index], np.shape(v)),
    linear=True,
    cases=_AT_CASES,
)


def at_set(a: Any, v: Any, index: Any) -> Any:
    """Return a copy of ``a`` with ``v``, broadcast, written at an index; gradients flow to both.

    What was overwritten gets no gradient, nor does an entry of ``v`` whose write was overwritten by a later one.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.at_set([1.0, 2.0, 3.0], 9.0, slice(1, None))
    array([1., 9., 9.])
    """
    return _at_set(a, v, index=_static(index))


def at_add(a: Any, v: Any, index: Any) -> Any:
    """Return a copy of ``a`` with ``v``, broadcast, added at an index, once for every repetition.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.at_add([1.0, 2.0, 3.0], 10.0, [0, 0])
    array([21.,  2.,  3.])
    """
    return _at_add(a, v, index=_static(index))


def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """Return the entries (or slices, along an axis) at these indices.

    Parameters
    ----------
    a : array_like
        Any shape.
    indices : array_like of int
        Any shape, which takes the place of the axis in the result.
    axis : int, optional
        The axis; by default ``a`` is flattened.
    mode : {"raise", "wrap", "clip"}, optional
        What happens to an index that is out of range: an error, counting on from the start, or the nearest index.

    Raises
    ------
    IndexError
        When an index is out of range and ``mode`` is "raise".

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.take([1.0, 2.0, 3.0], [2, 3, -1], mode="wrap")
    array([3., 1., 3.])
    """
    a, axis = line(a, axis)
    places, n = np.asarray(_static(indices)), np.shape(a)[axis]
    if mode == "wrap" and n:
        places = places % n
    elif mode == "clip" and n:
        places = np.clip(places, 0, n - 1)
    elif mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return _getitem(a, index=along(axis, places))


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return, for each slice along an axis, the entries at its own indices, as `argsort` and `argmax` give them.

    Parameters
    ----------
    arr : array_like
        Any shape.
    indices : array_like of int
        With as many axes; apart from the given axis, both are broadcast against each other.
    axis : int or None, optional
        The axis; None flattens ``arr``.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.take_along_axis([[3.0, 1.0], [5.0, 7.0]], [[1], [0]], axis=1)
    array([[1.],
           [5.]])
    """
    a, axis = line(arr, axis)
    places = np.asarray(_static(indices))
    if places.ndim != np.ndim(a):
        raise ValueError(f"indices must have as many axes as the array, {np.ndim(a)}, not {places.ndim}")
    index = list(np.ogrid[tuple(slice(n) for n in np.shape(a))])
    index[axis] = places
    return _getitem(a, index=tuple(index))


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Return the array with each entry (or slice, along an axis) repeated in its place.

    Parameters
    ----------
    a : array_like
        Any shape; flattened if no axis is given.
    repeats : int or array_like of int
        How many times: all alike, or one number for each.
    axis : int, optional
        The axis.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.repeat([1.0, 2.0], [1, 3])
    array([1., 2., 2., 2.])
    """
    a, axis = line(a, axis)
    shape = np.shape(a)
    before, n, after = shape[:axis], shape[axis], shape[axis + 1 :]
    if not isinstance(repeats, int):
        return _getitem(a, index=along(axis, np.repeat(np.arange(n), data_of(repeats))))
    apart = broadcast_to(reshape(a, (*before, n, 1, *after)), (*before, n, repeats, *after))
    return reshape(apart, (*before, n * repeats, *after))


def _diagonal_slice(m: int, n: int, offset: int) -> slice:
    """Return where the diagonal of an m by n matrix lies in its flattened entries."""
    start = offset if offset >= 0 else -offset * n
    length = max(min(m, n - offset) if offset >= 0 else min(m + offset, n), 0)
    return slice(start, start + length * (n + 1), n + 1) if length else slice(0, 0)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices of two axes, as the last axis of the result.

    Parameters
    ----------
    a : array_like
        Of two axes or more.
    offset : int, optional
        How far right of the main diagonal (left, if negative).
    axis1, axis2 : int, optional
        The row and the column axis of the matrices.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.diagonal([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], offset=1)
    array([2., 6.])
    """
    moved = moveaxis(a, (axis1, axis2), (-2, -1))
    *lead, m, n = np.shape(moved)
    return _getitem(reshape(moved, (*lead, m * n)), index=(Ellipsis, _diagonal_slice(m, n, offset)))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum along the diagonals; parameters as in `diagonal`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> float(ag.trace([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


def diag(v: Any, k: int = 0) -> Any:
    """Return the k-th diagonal of a matrix, or the matrix that has a vector for its k-th diagonal.

    Raises
    ------
    ValueError
        For anything but one or two axes.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    """
    v = operand(v)
    if np.ndim(v) == 2:
        return diagonal(v, k)
    if np.ndim(v) != 1:
        raise ValueError(f"diag takes a vector or a matrix, not an array of {np.ndim(v)} axes")
    n = np.shape(v)[0] + abs(k)
    return reshape(_scatter_add(v, shape=(n * n,), index=_diagonal_slice(n, n, k)), (n, n))


Widths = tuple[tuple[int, int], ...]


def _pad_vjp(g: Any, y: Any, a: Any, pad_width: Widths, mode: str) -> Any:
    shape = np.shape(a)
    if mode == "constant":
        return g[tuple(slice(before, before + n) for (before, _), n in zip(pad_width, shape, strict=True))]
    sources = (np.pad(np.arange(n), width, mode=mode) for width, n in zip(pad_width, shape, strict=True))  # type: ignore[call-overload]
    return _scatter_add(g, shape=shape, index=np.ix_(*sources))


_pad = structural(
    "pad",
    "pad",
    "np.pad(x, pad_width, mode)",
    lambda array, pad_width, mode: np.pad(array, pad_width or 0, mode=mode),
    _pad_vjp,
    linear=True,
    cases=tuple(
        Case(shapes=((3, 4),), params={"pad_width": ((1, 2), (0, 5)), "mode": mode})
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap")
    ),
)


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Return the array in a frame.

    Parameters
    ----------
    array : array_like
        Any shape.
    pad_width : int, (before, after), or one such pair an axis
        The width of the frame.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}, optional
        What the frame holds: constants, the nearest entry, the mirror image without and with the edge itself, or
        the entries counted on from the other side.
    constant_values : number, (before, after), or one such pair an axis, optional
        The constants; data, to which no gradient flows.

    Raises
    ------
    ValueError
        For an unknown mode, and for a width that fits no axis.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.pad([1.0, 2.0, 3.0], (0, 2), "reflect")
    array([1., 2., 3., 2., 1.])
    """
    a = operand(array)
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"pad has no rule for mode {mode!r}, but for constant, edge, reflect, symmetric and wrap.")
    if mode != "constant" and np.any(np.asarray(constant_values) != 0):
        raise ValueError(f"constant_values has no meaning for mode {mode!r}")
    widths = tuple((int(i), int(j)) for i, j in np.broadcast_to(pad_width, (np.ndim(a), 2)))
    padded = _pad(a, pad_width=widths, mode=mode)
    if np.all(np.asarray(constant_values) == 0):
        return padded
    hole = np.zeros(np.shape(a), dtype=np.result_type(data_of(a)))
    return padded + np.pad(hole, widths or 0, constant_values=constant_values)
