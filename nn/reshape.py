"""Layers that rearrange what they are given: Unflatten and Upsample, and the same as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import graph, ops
from nn.errors import ShapeError
from nn.module import Module

__all__ = ["Unflatten", "Upsample", "interpolate", "unflatten"]


def unflatten(input: Any, dim: int, sizes: tuple[int, ...]) -> Any:
    """Split one axis into several.

    Parameters
    ----------
    input : array_like
    dim : int
        The axis.
    sizes : tuple of int
        The sizes it is split into, of the same product; one may be -1.

    Raises
    ------
    ValueError
        When the sizes do not multiply to that of the axis.

    Examples
    --------
    >>> unflatten(np.zeros((2, 12)), 1, (3, -1)).shape
    (2, 3, 4)
    """
    shape = np.shape(input)
    if not -len(shape) <= dim < len(shape):
        raise ValueError(f"unflatten: an input of shape {shape} has no axis {dim}")
    dim %= len(shape)
    known = math.prod(n for n in sizes if n != -1)
    rest = shape[dim] // known if known else 0
    whole = tuple(rest if n == -1 else n for n in sizes)
    if list(sizes).count(-1) > 1 or math.prod(whole) != shape[dim]:
        raise ValueError(f"unflatten: sizes {tuple(sizes)} do not multiply to {shape[dim]}, the size of axis {dim}")
    return ops.reshape(input, (*shape[:dim], *whole, *shape[dim + 1 :]))


def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> Any:
    """Enlarge (or shrink) signals, images or volumes by repeating (or picking) the nearest entry.

    Parameters
    ----------
    input : array_like
        Shape (N, C, length), (N, C, height, width) or (N, C, depth, height, width).
    size : int or tuple of int, optional
        The size of the result.
    scale_factor : float or tuple of float, optional
        By how much larger the result is; give this or the size.
    mode : {"nearest"}, optional

    Raises
    ------
    ValueError
        For another mode, for both or neither of size and scale_factor, and for an input of another number of axes.

    Examples
    --------
    >>> interpolate([[[1.0, 2.0]]], scale_factor=2)
    array([[[1., 1., 2., 2.]]])
    """
    x = graph.operand(input)
    rank = np.ndim(x) - 2
    if mode != "nearest":
        raise ValueError(f"interpolate knows mode 'nearest', not {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate takes either size or scale_factor")
    if rank not in (1, 2, 3):
        raise ValueError(f"interpolate takes an input of shape (N, C, ...) with 1 to 3 more axes, got {np.shape(x)}")
    for axis, (n, wanted) in enumerate(zip(np.shape(x)[2:], _each(size or scale_factor, rank), strict=True), 2):
        out = wanted if scale_factor is None else math.floor(n * wanted)
        if out and out % n == 0 and wanted in (out, out // n):
            x = ops.repeat(x, out // n, axis)
        else:
            x = ops.take(x, _nearest(n, out, None if scale_factor is None else wanted), axis)
    return x


def _each(value: Any, rank: int) -> tuple[Any, ...]:
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(numbers) != rank:
        raise ValueError(f"interpolate: expected one number, or {rank}, got {value!r}")
    return numbers


def _nearest(n: int, out: int, factor: float | None) -> Any:
    """Return which entry each place of the result shows, rounded in single precision as PyTorch does."""
    step = np.float32(n / out if factor is None else 1 / factor)
    return np.minimum((np.arange(out, dtype=np.float32) * step).astype(np.intp), n - 1)


class Unflatten(Module):
    """Split one axis into several: the contrary of `Flatten`.

    Parameters
    ----------
    dim : int
        The axis.
    unflattened_size : tuple of int
        The sizes it is split into, of the same product; one may be -1.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.Unflatten(1, (1, 28, 28))(np.zeros((5, 784))).shape
    (5, 1, 28, 28)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        try:
            return unflatten(x, self.dim, self.unflattened_size)
        except ValueError:
            shape = np.shape(x)
            total = math.prod(self.unflattened_size)
            wanted = f"a size of {total}" if total >= 0 else f"a multiple of {-total}"
            fix = "Change unflattened_size, or the outputs of the layer before it."
            raise ShapeError(self, f"{wanted} along axis {self.dim}", f"an input of shape {shape}", fix) from None

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Upsample(Module):
    """Enlarge signals, images or volumes by repeating the nearest entry.

    Parameters
    ----------
    size : int or tuple of int, optional
        The size of the result.
    scale_factor : float or tuple of float, optional
        By how much larger the result is; give this or the size.
    mode : {"nearest"}, optional

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.Upsample(scale_factor=2)(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> None:
        if mode != "nearest":
            raise ValueError(f"Upsample knows mode 'nearest', not {mode!r}")
        if (size is None) == (scale_factor is None):
            raise ValueError("Upsample takes either size or scale_factor")
        self.size, self.scale_factor, self.mode = size, scale_factor, mode

    def forward(self, x: Any) -> Any:
        if np.ndim(x) not in (3, 4, 5):
            fix = "Add the axes of samples and channels: x[None, None]."
            raise ShapeError(self, "an input of shape (N, C, ...), 3 to 5 axes", str(np.shape(x)), fix)
        return interpolate(x, self.size, self.scale_factor, self.mode)

    def extra_repr(self) -> str:
        given = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{given}, mode={self.mode!r}"
