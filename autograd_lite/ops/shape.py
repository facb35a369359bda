"""Ops that rearrange an array or join several: every entry of the result is an entry of an operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd_lite.graph import Node, data_of, plain
from autograd_lite.ops.bridge import astype
from autograd_lite.ops.record import Case, structural

__all__ = [
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "column_stack",
    "concatenate",
    "dstack",
    "expand_dims",
    "flip",
    "full_like",
    "hstack",
    "meshgrid",
    "moveaxis",
    "ones_like",
    "ravel",
    "reshape",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "tril",
    "triu",
    "unstack",
    "vstack",
    "zeros_like",
]

Axis = int | tuple[int, ...] | None


def operand(x: Any) -> Any:
    """Return array_like data as what has a shape: a node, a number or an array; lists of nodes are stacked."""
    return x if isinstance(x, Node) else plain(x)


def _pure(x: int | Sequence[int]) -> int | tuple[int, ...]:
    """Return a number as an int, and several as a tuple that nobody else can change."""
    return int(x) if isinstance(x, (int, np.integer)) else tuple(x)


def line(a: Any, axis: int | None) -> tuple[Any, int]:
    """Return an operand and the axis, counted from the first, to work along: flattened for None and for a number."""
    a = operand(a)
    shape = np.shape(a) or (1,)
    if axis is None or len(shape) == 1:
        return ravel(a), 0 if axis is None else normalize_axis_index(axis, 1)
    return a, normalize_axis_index(axis, len(shape))


def along(axis: int, index: Any) -> tuple[Any, ...]:
    """Return the index that applies ``index`` to one axis."""
    return (slice(None),) * axis + (index,)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which an array of this shape was broadcast to the shape of ``g``."""
    lead = np.ndim(g) - len(shape)
    axes = tuple(i for i, n in enumerate(np.shape(g)) if i < lead or (shape[i - lead] == 1 and n != 1))
    return np.reshape(np.sum(g, axis=axes) if axes else g, shape)


def _cases(shape: tuple[int, ...], *params: dict[str, Any]) -> tuple[Case, ...]:
    return tuple(Case(shapes=(shape,), params=p) for p in params)


def _reshape_vjp(g: Any, y: Any, a: Any, **_: Any) -> Any:
    return np.reshape(g, np.shape(a))


_reshape = structural(
    "reshape",
    "reshape",
    "np.reshape(x, shape)",
    lambda a, shape: np.reshape(a, shape),
    _reshape_vjp,
    linear=True,
    cases=(
        *_cases((2, 6), {"shape": (3, 4)}, {"shape": (2, -1, 2)}, {"shape": -1}),
        *_cases((), {"shape": (1, 1)}),
        *_cases((0, 3), {"shape": (3, 0)}),
    ),
)
_expand_dims = structural(
    "expand_dims",
    "expand_dims",
    "np.expand_dims(x, axis)",
    lambda a, axis: np.expand_dims(a, axis),
    _reshape_vjp,
    linear=True,
    cases=(*_cases((2, 3), {"axis": 0}, {"axis": -1}, {"axis": (1, 3)}), *_cases((), {"axis": 0})),
)
_squeeze = structural(
    "squeeze",
    "squeeze",
    "np.squeeze(x, axis)",
    lambda a, axis: np.squeeze(a, axis),
    _reshape_vjp,
    linear=True,
    cases=(*_cases((1, 3, 1), {"axis": None}, {"axis": 0}, {"axis": (-1, 0)}), *_cases((1,), {"axis": None})),
)


def reshape(a: Any, shape: int | Sequence[int]) -> Any:
    """Return the entries, in C order, as an array of another shape; one length may be -1.

    Raises
    ------
    ValueError
        When the shapes differ in size.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.reshape([1.0, 2.0, 3.0, 4.0], (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    return _reshape(a, shape=_pure(shape))


def ravel(a: Any) -> Any:
    """Return the entries, in C order, as a 1-D array.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.ravel([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """
    return _reshape(a, shape=-1)


def expand_dims(a: Any, axis: int | tuple[int, ...]) -> Any:
    """Return the array with new axes of length one at these places of the result.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.expand_dims([1.0, 2.0], (0, -1)).shape
    (1, 2, 1)
    """
    return _expand_dims(a, axis=axis)


def squeeze(a: Any, axis: Axis = None) -> Any:
    """Return the array without the given axes of length one, by default without all of them.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.squeeze([[[1.0], [2.0]]]).shape
    (2,)
    """
    return _squeeze(a, axis=axis)


def atleast_1d(*arys: Any) -> Any:
    """Return a number as an array of shape (1,), arrays as they are; a tuple for several operands."""
    return _each(lambda a: reshape(a, (1,)) if np.ndim(a) == 0 else a, arys)


def atleast_2d(*arys: Any) -> Any:
    """Return arrays with leading axes of length one up to two axes; a tuple for several operands."""
    return _each(lambda a: reshape(a, (1, -1)) if np.ndim(a) < 2 else a, arys)


def atleast_3d(*arys: Any) -> Any:
    """Return arrays of three axes: N as (1, N, 1), M by N as (M, N, 1); a tuple for several operands.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.atleast_3d([1.0, 2.0]).shape
    (1, 2, 1)
    """
    return _each(lambda a: expand_dims(atleast_2d(a), -1) if np.ndim(a) < 3 else a, arys)


def _each(function: Any, arys: tuple[Any, ...]) -> Any:
    done = tuple(function(operand(a)) for a in arys)
    return done[0] if len(done) == 1 else done


def _transpose_vjp(g: Any, y: Any, a: Any, axes: tuple[int, ...] | None) -> Any:
    return np.transpose(g, axes if axes is None else tuple(np.argsort([i % np.ndim(a) for i in axes]).tolist()))


_transpose = structural(
    "transpose",
    "T",
    "np.transpose(x, axes)",
    lambda a, axes: np.transpose(a, axes),
    _transpose_vjp,
    linear=True,
    cases=(*_cases((2, 3, 4), {"axes": None}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, 1)}), *_cases((), {"axes": None})),
)
_swapaxes = structural(
    "swapaxes",
    "swapaxes",
    "np.swapaxes(x, axis1, axis2)",
    lambda a, axis1, axis2: np.swapaxes(a, axis1, axis2),
    lambda g, y, a, axis1, axis2: np.swapaxes(g, axis1, axis2),
    linear=True,
    cases=_cases((2, 3, 4), {"axis1": 0, "axis2": 2}, {"axis1": -1, "axis2": -2}, {"axis1": 1, "axis2": 1}),
)
_moveaxis = structural(
    "moveaxis",
    "moveaxis",
    "np.moveaxis(x, source, destination)",
    lambda a, source, destination: np.moveaxis(a, source, destination),
    lambda g, y, a, source, destination: np.moveaxis(g, destination, source),
    linear=True,
    cases=_cases((2, 3, 4), {"source": 0, "destination": -1}, {"source": (0, 1), "destination": (-1, 0)}),
)


def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """Return the array with its axes in this order, by default in the reverse one.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.transpose([[1.0, 2.0, 3.0]]).shape
    (3, 1)
    """
    return _transpose(a, axes=None if axes is None else tuple(axes))


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Return the array with two axes exchanged."""
    return _swapaxes(a, axis1=axis1, axis2=axis2)


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Return the array with the source axes at the destination places, and the others in their order."""
    return _moveaxis(a, source=_pure(source), destination=_pure(destination))


_broadcast_to = structural(
    "broadcast_to",
    "broadcast",
    "np.broadcast_to(x, shape)",
    lambda a, shape: np.broadcast_to(a, shape),
    lambda g, y, a, shape: sum_to(g, np.shape(a)),
    linear=True,
    cases=(
        *_cases((3, 1), {"shape": (3, 4)}, {"shape": (2, 3, 2)}, {"shape": (3, 1)}, {"shape": (3, 0)}),
        *_cases((), {"shape": (2, 2)}),
    ),
)


def broadcast_to(array: Any, shape: int | Sequence[int]) -> Any:
    """Return the array repeated along new leading axes and axes of length one, to this shape.

    Raises
    ------
    ValueError
        When NumPy's broadcasting rules do not allow it.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.broadcast_to([1.0, 2.0], (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    return _broadcast_to(array, shape=_pure(shape))


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Return the operands, each broadcast to the shape that they have together."""
    arrays = [operand(a) for a in args]
    shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    return tuple(a if np.shape(a) == shape else broadcast_to(a, shape) for a in arrays)


def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> tuple[Any, ...]:
    """Return coordinate arrays from coordinate vectors.

    Parameters
    ----------
    *xi : array_like
        One vector (or number) a coordinate.
    indexing : {"xy", "ij"}, optional
        Whether the first coordinate runs along the second axis (Cartesian), or along the first (matrix).
    sparse : bool, optional
        Whether the axes of the other coordinates keep length one.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0])[1].shape
    (3, 2)
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing must be 'xy' or 'ij', got {indexing!r}")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = 1, 0
    lines = tuple(reshape(x, [-1 if i == axis else 1 for i in axes]) for x, axis in zip(xi, sorted(axes), strict=True))
    return lines if sparse else broadcast_arrays(*lines)


def tile(A: Any, reps: int | Sequence[int]) -> Any:  # noqa: N803
    """Return the array repeated as a whole, this many times along each axis.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.tile([1.0, 2.0], 2)
    array([1., 2., 1., 2.])
    """
    a = operand(A)
    times = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    ndim = np.ndim(a)
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (len(times) - ndim) + np.shape(a)
    apart = broadcast_to(
        reshape(a, [k for n in shape for k in (1, n)]), [k for pair in zip(times, shape, strict=True) for k in pair]
    )
    return reshape(apart, [r * n for r, n in zip(times, shape, strict=True)])


_flip = structural(
    "flip",
    "flip",
    "np.flip(x, axis)",
    lambda a, axis: np.flip(a, axis),
    lambda g, y, a, axis: np.flip(g, axis),
    linear=True,
    cases=_cases((2, 3), {"axis": None}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}),
)


def _roll_vjp(g: Any, y: Any, a: Any, shift: Any, axis: Axis) -> Any:
    return np.roll(g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis)


_roll = structural(
    "roll",
    "roll",
    "np.roll(x, shift, axis)",
    lambda a, shift, axis: np.roll(a, shift, axis),
    _roll_vjp,
    linear=True,
    cases=_cases((2, 5), {"shift": 3, "axis": None}, {"shift": -2, "axis": 1}, {"shift": (1, 7), "axis": (0, -1)}),
)
_tril = structural(
    "tril",
    "tril",
    "np.tril(x, k)",
    lambda m, k: np.tril(m, k),
    lambda g, y, m, k: sum_to(np.tril(g, k), np.shape(m)),
    linear=True,
    cases=(*_cases((3, 4), {"k": 0}, {"k": -1}), *_cases((2, 3, 3), {"k": 1}), *_cases((3,), {"k": 0})),
)
_triu = structural(
    "triu",
    "triu",
    "np.triu(x, k)",
    lambda m, k: np.triu(m, k),
    lambda g, y, m, k: sum_to(np.triu(g, k), np.shape(m)),
    linear=True,
    cases=(*_cases((3, 4), {"k": 0}, {"k": -1}), *_cases((2, 3, 3), {"k": 1}), *_cases((3,), {"k": 0})),
)


def flip(m: Any, axis: Axis = None) -> Any:
    """Return the array with the entries along one, several or all axes in reverse order."""
    return _flip(m, axis=axis)


def roll(a: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Return the array with its entries moved on along an axis; what leaves at the end comes back at the front.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.roll([1.0, 2.0, 3.0], 1)
    array([3., 1., 2.])
    """
    return _roll(a, shift=_pure(shift), axis=None if axis is None else _pure(axis))


def tril(m: Any, k: int = 0) -> Any:
    """Return the matrices (of the last two axes) with zeros above their k-th diagonal.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.tril([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 0.],
           [3., 4.]])
    """
    return _tril(m, k=k)


def triu(m: Any, k: int = 0) -> Any:
    """Return the matrices (of the last two axes) with zeros below their k-th diagonal."""
    return _triu(m, k=k)


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


def full_like(a: Any, fill_value: Any) -> Any:
    """Return an array of the shape and dtype of ``a``, filled with a number, or with an array_like broadcast to it.

    A Tensor or Value gets its gradient; it keeps its own dtype where that of ``a`` is not floating.
    """
    a, fill = data_of(operand(a)), operand(fill_value)
    if not isinstance(fill, Node):
        return np.full_like(a, fill)
    filled, dtype = broadcast_to(fill, np.shape(a)), np.result_type(a)
    return astype(filled, dtype) if dtype.kind == "f" and dtype != filled.dtype else filled


def zeros_like(a: Any) -> Any:
    """Return zeros of the shape and dtype of ``a``, as plain data."""
    return np.zeros_like(data_of(operand(a)))


def ones_like(a: Any) -> Any:
    """Return ones of the shape and dtype of ``a``, as plain data."""
    return np.ones_like(data_of(operand(a)))
