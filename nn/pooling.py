"""Pooling: MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, and the same as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import graph, ops
from nn.errors import ShapeError
from nn.module import Module

__all__ = ["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d", "adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]

Pair = int | tuple[int, int]


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return first, second


def _image(name: str, input: Any) -> Any:
    x = graph.operand(input)
    if np.ndim(x) not in (3, 4):
        raise ValueError(f"{name} takes an input of shape (N, C, height, width), N optional, got {np.shape(x)}")
    return x


def _excess(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return by how much the last window of ``ceil_mode`` looks beyond the padding; it must start inside the image."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = -(-room // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    return max((count - 1) * stride - room, 0)


def _widened(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: float) -> Any:
    """Return the image with what the last windows of ``ceil_mode`` look at beyond it."""
    settings = zip(np.shape(x)[-2:], kernel, stride, padding, dilation, strict=True)
    extra = [(0, _excess(*numbers)) for numbers in settings]
    if not np.any(extra):
        return x
    return ops.pad(x, [(0, 0)] * (np.ndim(x) - 2) + extra, constant_values=fill)


def max_pool2d(
    input: Any,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum in each window of an image; see `autograd_lite.max_pool2d`.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    kernel_size, stride, padding, dilation : int or pair of int
        The window, its steps (by default its size), the frame around the image, and steps within the window.
    ceil_mode : bool, optional
        Whether a last window may look beyond the image.
    return_indices : bool, optional
        Whether to return with each maximum where in its channel, flattened, it first is.

    Examples
    --------
    >>> max_pool2d([[[1.0, 2.0, 3.0]]], (1, 2), ceil_mode=True)
    array([[[2., 3.]]])
    """
    x = _image("max_pool2d", input)
    kernel, border, spacing = _pair(kernel_size), _pair(padding), _pair(dilation)
    steps = kernel if stride is None else _pair(stride)
    size = np.shape(x)[-2:]
    x = _widened(x, kernel, steps, border, spacing, -np.inf) if ceil_mode else x
    y = ops.max_pool2d(x, kernel, steps, border, spacing)
    if not return_indices:
        return y
    return y, _places(graph.data_of(x), np.shape(y)[-2:], size, kernel, steps, border, spacing)


def _places(x: Any, out: Any, size: Any, kernel: Any, steps: Any, border: Any, spacing: Any) -> Any:
    """Return the flat index, in an image of this size, of the first maximum in each window."""
    framed = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(b, b) for b in border], constant_values=-np.inf)
    rows, columns = (
        (np.arange(n) * s)[:, None] + np.arange(k) * d for n, s, k, d in zip(out, steps, kernel, spacing, strict=True)
    )
    windows = framed[..., rows[:, None, :, None], columns[None, :, None, :]]
    best = np.argmax(windows.reshape(*windows.shape[:-2], -1), axis=-1)
    row = rows[np.arange(out[0])[:, None], best // kernel[1]] - border[0]
    column = columns[np.arange(out[1]), best % kernel[1]] - border[1]
    return row * size[1] + column


def avg_pool2d(
    input: Any,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of an image; see `autograd_lite.avg_pool2d`.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    kernel_size, stride, padding : int or pair of int
        The window, its steps (by default its size), and the frame of zeros around the image.
    ceil_mode : bool, optional
        Whether a last window may look beyond the image; what lies beyond the frame is not counted.
    count_include_pad : bool, optional
        Whether the zeros of the frame count as entries.
    divisor_override : int, optional
        What to divide sums by, instead of the number of entries.

    Examples
    --------
    >>> avg_pool2d([[[1.0, 3.0, 5.0]]], (1, 2), ceil_mode=True)
    array([[[2., 5.]]])
    """
    x = _image("avg_pool2d", input)
    kernel, border = _pair(kernel_size), _pair(padding)
    steps = kernel if stride is None else _pair(stride)
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor must be not zero")
    if not ceil_mode and divisor_override is None:
        return ops.avg_pool2d(x, kernel, steps, border, count_include_pad=count_include_pad)
    size = np.shape(x)[-2:]
    y = ops.avg_pool2d(_widened(x, kernel, steps, border, (1, 1), 0.0) if ceil_mode else x, kernel, steps, border)
    divisor: Any = divisor_override
    if divisor is None:
        frame = border if count_include_pad else (0, 0)
        settings = zip(np.shape(y)[-2:], size, kernel, steps, border, frame, strict=True)
        divisor = np.multiply.outer(*(_entries(*numbers) for numbers in settings))
    return y * (math.prod(kernel) / np.asarray(divisor, dtype=np.float64)).astype(np.result_type(y.dtype, 1.0))


def _entries(out: int, size: int, kernel: int, stride: int, padding: int, frame: int) -> Any:
    """Return how many entries of an axis, with a frame around it, each window meets."""
    starts = np.arange(out) * stride - padding
    return np.minimum(starts + kernel, size + frame) - np.maximum(starts, -frame)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Return an image of a given size whose pixels are the means of about equal parts of the input.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    output_size : int or pair of int or None
        None keeps the size of an axis.

    Examples
    --------
    >>> adaptive_avg_pool2d([[[1.0, 3.0, 5.0]]], (1, 2))
    array([[[2., 4.]]])
    """
    x = _image("adaptive_avg_pool2d", input)
    sizes = [n if out is None else out for n, out in zip(np.shape(x)[-2:], _pair(output_size), strict=True)]
    if sizes == [1, 1]:
        return np.mean(x, axis=(-2, -1), keepdims=True)
    rows, columns = (_means(n, out, x.dtype) for n, out in zip(np.shape(x)[-2:], sizes, strict=True))
    return rows @ x @ columns.T


def _means(size: int, out: int, dtype: Any) -> Any:
    """Return the (out, size) matrix of means from ``floor(i size / out)`` to ``ceil((i + 1) size / out)``."""
    place, i = np.arange(size), np.arange(out)[:, None]
    inside = (place >= i * size // out) & (place < -(-(i + 1) * size // out))
    return (inside / np.sum(inside, axis=1, keepdims=True)).astype(dtype if np.dtype(dtype).kind == "f" else np.float64)


class _Pool(Module):
    """What pooling layers share: the explanation of a wrong shape."""

    kernel_size: Any = 1
    padding: Any = 0

    def _explain(self, x: Any) -> None:
        shape = np.shape(x)
        if len(shape) not in (3, 4):
            fix = "Add the axis of channels: x[None]." if len(shape) == 2 else "Put nn.Unflatten before it."
            raise ShapeError(self, "an input of shape (N, C, height, width), N optional", str(shape), fix) from None
        if any(n + 2 * p < k for n, p, k in zip(shape[-2:], _pair(self.padding), _pair(self.kernel_size), strict=True)):
            fix = "Pool less before it, or take a smaller kernel."
            raise ShapeError(self, f"an image of at least {_pair(self.kernel_size)}", str(shape[-2:]), fix) from None


class MaxPool2d(_Pool):
    """The maximum in each window of an image.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        By default the kernel size: windows side by side.
    padding, dilation : int or pair of int, optional
        The frame around the image, which is never the maximum, and the steps between the entries of a window.
    return_indices : bool, optional
        Whether to return with the maxima their flat places in the image.
    ceil_mode : bool, optional
        Whether a last window may look beyond the image.

    Notes
    -----
    Entries that tie for the maximum share the gradient equally; PyTorch gives it all to the first.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Any) -> Any:
        try:
            return max_pool2d(
                x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
            )
        except ValueError:
            self._explain(x)
            raise

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(_Pool):
    """The mean of each window of an image.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        By default the kernel size: windows side by side.
    padding : int or pair of int, optional
        The frame of zeros around the image.
    ceil_mode : bool, optional
        Whether a last window may look beyond the image.
    count_include_pad : bool, optional
        Whether the zeros of the frame count as entries.
    divisor_override : int, optional
        What to divide sums by, instead of the number of entries.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x: Any) -> Any:
        try:
            return avg_pool2d(
                x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                self.divisor_override,
            )  # fmt: skip
        except ValueError:
            self._explain(x)
            raise

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(_Pool):
    """The mean of about equal parts of an image, as many as asked for, whatever its size.

    Parameters
    ----------
    output_size : int or pair of int or None
        None keeps the size of an axis.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.AdaptiveAvgPool2d((1, 3))(np.zeros((8, 16, 7, 5))).shape
    (8, 16, 1, 3)
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        try:
            return adaptive_avg_pool2d(x, self.output_size)
        except ValueError:
            self._explain(x)
            raise

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
