"""Ops that give an array another shape: every entry of the result is an entry of the operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd_lite.graph import Node, data_of, operand
from autograd_lite.ops.bridge import astype
from autograd_lite.ops.record import Case, structural

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "full_like",
    "meshgrid",
    "moveaxis",
    "ones_like",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
    "zeros_like",
]

Axis = int | tuple[int, ...] | None


def pure(x: int | Sequence[int]) -> int | tuple[int, ...]:
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


def calls(shape: tuple[int, ...], *params: dict[str, Any]) -> tuple[Case, ...]:
    """Return test cases of one shape, one for each set of parameters."""
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
        *calls((2, 6), {"shape": (3, 4)}, {"shape": (2, -1, 2)}, {"shape": -1}),
        *calls((), {"shape": (1, 1)}),
        *calls((0, 3), {"shape": (3, 0)}),
    ),
)
_expand_dims = structural(
    "expand_dims",
    "expand_dims",
    "np.expand_dims(x, axis)",
    lambda a, axis: np.expand_dims(a, axis),
    _reshape_vjp,
    linear=True,
    cases=(*calls((2, 3), {"axis": 0}, {"axis": -1}, {"axis": (1, 3)}), *calls((), {"axis": 0})),
)
_squeeze = structural(
    "squeeze",
    "squeeze",
    "np.squeeze(x, axis)",
    lambda a, axis: np.squeeze(a, axis),
    _reshape_vjp,
    linear=True,
    cases=(*calls((1, 3, 1), {"axis": None}, {"axis": 0}, {"axis": (-1, 0)}), *calls((1,), {"axis": None})),
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
    return _reshape(a, shape=pure(shape))


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
    cases=(*calls((2, 3, 4), {"axes": None}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, 1)}), *calls((), {"axes": None})),
)
_swapaxes = structural(
    "swapaxes",
    "swapaxes",
    "np.swapaxes(x, axis1, axis2)",
    lambda a, axis1, axis2: np.swapaxes(a, axis1, axis2),
    lambda g, y, a, axis1, axis2: np.swapaxes(g, axis1, axis2),
    linear=True,
    cases=calls((2, 3, 4), {"axis1": 0, "axis2": 2}, {"axis1": -1, "axis2": -2}, {"axis1": 1, "axis2": 1}),
)
_moveaxis = structural(
    "moveaxis",
    "moveaxis",
    "np.moveaxis(x, source, destination)",
    lambda a, source, destination: np.moveaxis(a, source, destination),
    lambda g, y, a, source, destination: np.moveaxis(g, destination, source),
    linear=True,
    cases=calls((2, 3, 4), {"source": 0, "destination": -1}, {"source": (0, 1), "destination": (-1, 0)}),
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
    return _moveaxis(a, source=pure(source), destination=pure(destination))


_broadcast_to = structural(
    "broadcast_to",
    "broadcast",
    "np.broadcast_to(x, shape)",
    lambda a, shape: np.broadcast_to(a, shape),
    lambda g, y, a, shape: sum_to(g, np.shape(a)),
    linear=True,
    cases=(
        *calls((3, 1), {"shape": (3, 4)}, {"shape": (2, 3, 2)}, {"shape": (3, 1)}, {"shape": (3, 0)}),
        *calls((), {"shape": (2, 2)}),
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
    return _broadcast_to(array, shape=pure(shape))


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
