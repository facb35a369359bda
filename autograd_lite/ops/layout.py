"""Ops that lay entries out anew along their axes: flip, roll, tile, repeat and pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import modes
from autograd_lite.graph import data_of, operand
from autograd_lite.ops.index import getitem, scatter_add
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.shape import Axis, along, broadcast_to, calls, line, pure, reshape

__all__ = ["flip", "pad", "repeat", "roll", "tile"]


_flip = structural(
    "flip",
    "flip",
    "np.flip(x, axis)",
    lambda a, axis: np.flip(a, axis),
    lambda g, y, a, axis: np.flip(g, axis),
    linear=True,
    cases=calls((2, 3), {"axis": None}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}),
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
    cases=calls((2, 5), {"shift": 3, "axis": None}, {"shift": -2, "axis": 1}, {"shift": (1, 7), "axis": (0, -1)}),
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
    return _roll(a, shift=pure(shift), axis=None if axis is None else pure(axis))


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
        modes.leave(repeats, "the numbers of repetitions, and so a shape,")
        return getitem(a, along(axis, np.repeat(np.arange(n), data_of(repeats))))
    apart = broadcast_to(reshape(a, (*before, n, 1, *after)), (*before, n, repeats, *after))
    return reshape(apart, (*before, n * repeats, *after))


Widths = tuple[tuple[int, int], ...]


def _pad_vjp(g: Any, y: Any, a: Any, pad_width: Widths, mode: str) -> Any:
    shape = np.shape(a)
    if mode == "constant":
        return g[tuple(slice(before, before + n) for (before, _), n in zip(pad_width, shape, strict=True))]
    sources = (np.pad(np.arange(n), width, mode=mode) for width, n in zip(pad_width, shape, strict=True))  # type: ignore[call-overload]
    return scatter_add(g, shape, np.ix_(*sources))


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
