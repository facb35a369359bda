"""Convolution in one and two dimensions, forward and transposed.

A convolution is bilinear, and the number ``sum(g * conv(x, w))`` is linear in image, kernel and gradient alike. So
three records, each the derivative of the other two, are closed under differentiation: to any order.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_lite.graph import operand
from autograd_lite.ops.record import Case, Op, structural
from autograd_lite.ops.window import Pair, Window, batched, pair, slide

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


class _Scratch(threading.local):
    """Memory for columns, which are read at once and never kept: asking the system anew costs more than filling it."""

    most = 1 << 22  # bytes that stay with a thread
    memory = np.empty(0, np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Return an array of any content, valid until the next one is asked for."""
        size = math.prod(shape) * dtype.itemsize
        if size > self.most or dtype.hasobject:
            return np.empty(shape, dtype)
        if size > self.memory.size:
            self.memory = np.empty(size, np.uint8)
        return np.ndarray(shape, dtype, buffer=self.memory)


_scratch = _Scratch()


# In memory an image is laid out as (C, height, width, N): NumPy's inner loops are then long for small images too.


def _batch_last(x: Any) -> Any:
    return x.transpose(1, 2, 3, 0)


def _batch_first(x: Any) -> Any:
    return x.transpose(3, 0, 1, 2)


def _columns(x: Any, window: Window, groups: int) -> Any:
    """Lay out the patch under each kernel position as a column: shape (groups, C / groups * kernel, out * N)."""
    image = window.padded(_batch_first(np.ascontiguousarray(_batch_last(x))))
    count, channels, _, _ = image.shape
    by_sample, by_channel, by_row, by_column = image.strides
    (height, width), (down, right), (spread_down, spread_right) = window.kernel, window.stride, window.dilation
    patches = as_strided(
        image,
        (channels, height, width, *window.out, count),
        (by_channel, spread_down * by_row, spread_right * by_column, down * by_row, right * by_column, by_sample),
    )
    columns = _scratch.array(patches.shape, x.dtype)
    np.copyto(columns, patches)
    return columns.reshape(groups, channels // groups * height * width, math.prod(window.out) * count)


def _rows(x: Any, groups: int) -> Any:
    """Bring a result (N, O, height, width) to the shape (groups, O / groups, height * width * N)."""
    count, channels, height, width = x.shape
    return _batch_last(x).reshape(groups, channels // groups, height * width * count)


def _filters(w: Any, groups: int) -> Any:
    """Bring a kernel (O, C / groups, height, width) to the shape (groups, O / groups, C / groups * kernel)."""
    return w.reshape(groups, w.shape[0] // groups, w.shape[1] * w.shape[2] * w.shape[3])


def _conv_forward(x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    y = (_filters(w, groups) @ _columns(x, window, groups)).reshape(w.shape[0], *window.out, x.shape[0])
    if b is not None:
        b = b.reshape(w.shape[0], 1, 1, 1)
        y = np.add(y, b, out=y) if y.dtype == b.dtype else y + b
    return _batch_first(y)


def _input_forward(g: Any, w: Any, window: Window, groups: int) -> Any:
    count, channels = g.shape[0], groups * w.shape[1]
    filters, rows = np.swapaxes(_filters(w, groups), -1, -2), _rows(g, groups)
    columns = _scratch.array((*filters.shape[:2], rows.shape[-1]), np.result_type(g, w))
    np.matmul(filters, rows, out=columns)
    parts = np.moveaxis(columns.reshape(channels, *window.kernel, *window.out, count), (1, 2, -1), (0, 1, 2))
    image = window.blank(parts[0, 0], parts.dtype)
    for i, j, part in window.entries():
        image[part] += parts[i, j]
    return image[window.inside]


def _weight_forward(x: Any, g: Any, window: Window, groups: int) -> Any:
    w = _rows(g, groups) @ np.swapaxes(_columns(x, window, groups), -1, -2)
    return w.reshape(g.shape[1], x.shape[1] // groups, *window.kernel)


def _cases(*order: int) -> tuple[Case, ...]:
    """Test cases from the shapes of image, kernel and result, of which a record takes two."""

    def case(image: tuple[int, ...], out: Pair, kernel: tuple[int, ...], groups: int = 1, **window: Pair) -> Case:
        shapes = (image, kernel, (image[0], kernel[0], *out))
        params = {"window": Window(image[2:], kernel[2:], out, **window), "groups": groups}  # type: ignore[arg-type]
        return Case(shapes=tuple(shapes[i] for i in order), params=params)

    return (
        case((2, 2, 4, 5), (3, 3), (3, 2, 2, 3)),
        case((1, 2, 5, 4), (3, 2), (2, 2, 2, 3), stride=(2, 3), before=(1, 1), after=(1, 1)),
        case((2, 1, 5, 6), (3, 2), (2, 1, 2, 3), dilation=(2, 2)),
        case((1, 4, 3, 3), (2, 2), (6, 2, 2, 2), groups=2),
        case((2, 3, 3, 3), (3, 3), (3, 1, 2, 2), groups=3, after=(1, 1)),
        case((2, 3, 2, 2), (2, 2), (2, 3, 1, 1)),
        case((0, 2, 3, 3), (2, 2), (2, 2, 2, 2)),
    )


def _conv_by_image(g: Any, y: Any, x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    return _conv_input(g, w, window=window, groups=groups)


def _conv_by_kernel(g: Any, y: Any, x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    return _conv_weight(x, g, window=window, groups=groups)


def _biased_jvp(tangents: Sequence[Any], y: Any, x: Any, w: Any, b: Any, *, window: Window, groups: int) -> Any:
    dx, dw, db = tangents
    terms = [_conv(dx, w, window=window, groups=groups)] if dx is not None else []
    terms += [_conv(x, dw, window=window, groups=groups)] if dw is not None else []
    terms += [np.reshape(db, (w.shape[0], 1, 1))] if db is not None else []
    return sum(terms[1:], terms[0])


_conv: Op = structural(
    "conv",
    "conv",
    "conv2d(x, y)",
    _conv_forward,
    _conv_by_image,
    _conv_by_kernel,
    multilinear=True,
    cases=_cases(0, 1),
)

_biased_conv: Op = structural(
    "conv_bias",
    "conv + b",
    "conv2d(x, y) + np.reshape(z, (-1, 1, 1))",
    _conv_forward,
    _conv_by_image,
    _conv_by_kernel,
    lambda g, y, x, w, b, window, groups: np.add.reduce(g, axis=(0, 2, 3)),
    jvp=_biased_jvp,
    needs="operands",
    cases=tuple(replace(case, shapes=(*case.shapes, case.shapes[1][:1])) for case in _cases(0, 1)),
)

_conv_input: Op = structural(
    "conv_input",
    "convᵀ",
    "conv_transpose2d(x, y)",
    _input_forward,
    lambda g, y, x, w, window, groups: _conv(g, w, window=window, groups=groups),
    lambda g, y, x, w, window, groups: _conv_weight(g, x, window=window, groups=groups),
    multilinear=True,
    cases=_cases(2, 1),
)

_conv_weight: Op = structural(
    "conv_weight",
    "convʷ",
    "the gradient of sum(y * conv2d(x, w)) with respect to w",
    _weight_forward,
    lambda g, y, x, h, window, groups: _conv_input(h, g, window=window, groups=groups),
    lambda g, y, x, h, window, groups: _conv(x, g, window=window, groups=groups),
    multilinear=True,
    cases=_cases(0, 2),
)


def _kernel(name: str, weight: Any, rank: int) -> Any:
    weight = operand(weight)
    if np.ndim(weight) != rank + 2 or 0 in np.shape(weight):
        raise ValueError(f"{name} takes a weight of {rank + 2} axes, none empty, got shape {np.shape(weight)}")
    return weight if rank == 2 else np.expand_dims(weight, -2)


def _check_bias(name: str, bias: Any, filters: int) -> None:
    if bias is not None and np.shape(bias) != (filters,):
        raise ValueError(f"{name}: expected a bias of shape ({filters},), got {np.shape(bias)}")


def _convolved(
    name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, rank: int
) -> Any:
    x, added = batched(name, x, rank)
    w = _kernel(name, weight, rank)
    stride, dilation = pair("stride", stride, rank, 1), pair("dilation", dilation, rank, 1)
    channels, filters, kernel = x.shape[1], w.shape[0], w.shape[2:]
    if groups < 1 or channels != groups * w.shape[1] or filters % groups:
        raise ValueError(
            f"{name}: an input of {channels} channels and a weight of shape {np.shape(weight)} do not fit {groups} "
            f"group(s); the weight needs input channels = {w.shape[1]} * groups, and its {filters} filters a multiple "
            "of groups"
        )
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        before = (total[0] // 2, total[1] // 2)  # an odd total pads one more after, as PyTorch does
        after = (total[0] - before[0], total[1] - before[1])
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"{name}: padding must be 'same', 'valid' or numbers, got {padding!r}")
    else:
        before = after = pair("padding", 0 if padding == "valid" else padding, rank, 0)
    _check_bias(name, bias, filters)
    geometry = {"window": slide(name, x.shape[2:], kernel, stride, dilation, before, after), "groups": groups}
    y = _conv(x, w, **geometry) if bias is None else _biased_conv(x, w, bias, **geometry)
    return np.squeeze(y, added) if added else y


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Slide filters along a signal: `conv2d` with one axis.

    Parameters
    ----------
    input : array_like
        Shape (N, C, length), or (C, length).
    weight : array_like
        Shape (O, C / groups, kernel length).
    bias, stride, padding, dilation, groups
        As in `conv2d`.

    Returns
    -------
    ndarray or Tensor
        Shape (N, O, length of the result).

    Examples
    --------
    >>> conv1d([[1.0, 2.0, 4.0, 8.0]], [[[-1.0, 1.0]]])
    array([[1., 2., 4.]])
    """
    return _convolved("conv1d", input, weight, bias, stride, padding, dilation, groups, 1)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Slide filters over images (the cross-correlation that deep learning calls convolution).

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width) for one image.
    weight : array_like
        Shape (O, C / groups, kernel height, kernel width).
    bias : array_like, optional
        Shape (O,).
    stride, dilation : int or pair of int, optional
        Steps between positions of the kernel, and between its entries.
    padding : int, pair of int, "valid" or "same", optional
        Zeros around the image; "same" keeps its size and needs stride 1.
    groups : int, optional
        The channels and the filters are divided into so many groups, which do not see each other.

    Returns
    -------
    ndarray or Tensor
        Shape (N, O, (height + 2 * padding - dilation * (kernel height - 1) - 1) // stride + 1, ...).

    Raises
    ------
    ValueError
        When sizes do not fit; the message names them.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as ag
    >>> image = ag.Tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True)
    >>> y = ag.conv2d(image, np.ones((1, 1, 2, 2)))
    >>> y.numpy()
    array([[[[ 8., 12.],
             [20., 24.]]]])
    >>> y.backward(np.ones((1, 1, 2, 2)))
    >>> image.grad
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    return _convolved("conv2d", input, weight, bias, stride, padding, dilation, groups, 2)


def _transposed(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
    rank: int,
) -> Any:
    x, added = batched(name, x, rank)
    w = _kernel(name, weight, rank)
    stride, dilation = pair("stride", stride, rank, 1), pair("dilation", dilation, rank, 1)
    before, extra = pair("padding", padding, rank, 0), pair("output_padding", output_padding, rank, 0)
    if groups < 1 or x.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise ValueError(
            f"{name}: an input of {x.shape[1]} channels and a weight of shape {np.shape(weight)} do not fit {groups} "
            f"group(s); the input needs {w.shape[0]} channels, a multiple of groups"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(f"{name}: output_padding {extra} must be below stride {stride} or dilation {dilation}")
    out, kernel = x.shape[2:], w.shape[2:]
    spans = [
        (n - 1) * s + d * (k - 1) + 1 + e for n, s, d, k, e in zip(out, stride, dilation, kernel, extra, strict=True)
    ]
    size = (spans[0] - 2 * before[0], spans[1] - 2 * before[1])
    if 0 in out or min(size) < 1:
        raise ValueError(
            f"{name}: an input of size {out} and a kernel of size {kernel} with stride {stride}, dilation {dilation} "
            f"and padding {before} would give a result of size {size}"
        )
    filters = groups * w.shape[1]
    _check_bias(name, bias, filters)
    y = _conv_input(x, w, window=Window(size, kernel, out, stride, dilation, before, before), groups=groups)
    if bias is not None:
        y = np.add(y, np.reshape(bias, (filters, 1, 1)))
    return np.squeeze(y, added) if added else y


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Spread a signal by filters: `conv_transpose2d` with one axis.

    Examples
    --------
    >>> conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0]]], stride=2)
    array([[ 1., 10.,  2., 20.]])
    """
    return _transposed("conv_transpose1d", input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Apply the transpose of `conv2d` (its gradient map): every entry spreads a multiple of the kernel.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    weight : array_like
        Shape (C, O / groups, kernel height, kernel width): that of the convolution from O to C channels.
    bias : array_like, optional
        Shape (O,).
    stride, padding, dilation, groups
        Those of the convolution that is transposed.
    output_padding : int or pair of int, optional
        Rows and columns to add to the result, as several sizes convolve to the same one.

    Returns
    -------
    ndarray or Tensor
        Shape (N, O, (height - 1) * stride - 2 * padding + dilation * (kernel height - 1) + output_padding + 1, ...).

    Raises
    ------
    ValueError
        When sizes do not fit; the message names them.

    Examples
    --------
    >>> conv_transpose2d([[[1.0, 2.0]]], [[[[1.0, 10.0]]]])
    array([[[ 1., 12., 20.]]])
    """
    return _transposed("conv_transpose2d", input, weight, bias, stride, padding, output_padding, groups, dilation, 2)
