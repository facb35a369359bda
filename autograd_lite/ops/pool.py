"""Pooling: the maximum or the mean of what a window meets.

Both have slopes that do not depend on the incoming gradient: shares of the maximum, or one over the size of the window.
So two linear records, a weighted sum over windows and its transpose, are all the calculus there is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.ops.record import Case, Op, structural
from autograd_lite.ops.window import Pair, Window, batched, pair, slide
from autograd_lite.taped import plainly

__all__ = ["avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"]


def _parts(x: Any, window: Window, fill: float = 0.0) -> list[Any]:
    """For each entry of the window: what it meets, as a view of the shape of the result."""
    image = window.padded(x, fill)
    return [image[part] for _, _, part in window.entries()]


def _sum_forward(x: Any, weights: Any, window: Window) -> Any:
    parts = _parts(x, window)
    shared = len(weights) == 1
    total = parts[0] * (1 if shared else weights[0])
    for i, part in enumerate(parts[1:], 1):
        total += part if shared else part * weights[i]
    return total * weights[0] if shared else total


def _spread_forward(g: Any, weights: Any, window: Window) -> Any:
    image = window.blank(weights[0] if weights[0].shape == g.shape else g, np.result_type(g, weights))
    for (_, _, part), weight in zip(window.entries(), itertools.cycle(weights), strict=False):  # one each, or for all
        if window.disjoint:
            np.multiply(g, weight, out=image[part])
        else:
            image[part] += g * weight
    return image[window.inside]


def _cases(spread: bool) -> tuple[Case, ...]:
    def case(window: Window, weights: tuple[int, ...]) -> Case:
        return Case(
            params={"window": window},
            make=lambda rng: [
                rng.normal(size=(2, 1, *(window.out if spread else window.size))),
                rng.normal(size=weights),
            ],
        )

    return (
        case(Window((4, 6), (2, 3), (2, 2), stride=(2, 3)), (1,)),
        case(Window((3, 4), (2, 2), (2, 3)), (4, 2, 1, 2, 3)),
        case(Window((3, 3), (3, 2), (2, 2), stride=(2, 2), before=(1, 1), after=(1, 1)), (1, 2, 2)),
        case(Window((5, 3), (2, 2), (3, 1), dilation=(2, 2)), (4, 1, 1, 3, 1)),
    )


# weights: for each entry of the window, or one for all, an array that broadcasts to the result. They are data.
_window_sum: Op = structural(
    "window_sum",
    "Σ▫",
    "sum of weights[k] * (what entry k of the window meets in x)",
    _sum_forward,
    lambda g, y, x, weights, window: _window_spread(g, weights, window=window),
    None,
    multilinear=True,
    cases=_cases(spread=False),
)

_window_spread: Op = structural(
    "window_spread",
    "Σ▫ᵀ",
    "the transpose of window_sum",
    _spread_forward,
    lambda g, y, x, weights, window: _window_sum(g, weights, window=window),
    None,
    multilinear=True,
    cases=_cases(spread=True),
)


def _max_forward(x: Any, window: Window) -> Any:
    first, *others = _parts(x, window, -np.inf)
    y = first.copy(order="K")
    for part in others:
        np.maximum(y, part, out=y)
    return y


def _hits(x: Any, y: Any, window: Window) -> tuple[Any, Any]:
    """Return, for each entry of the window, 1 where it meets the maximum, and how often the maximum is met."""
    return plainly(_hits_of, x, y, window)  # type: ignore[no-any-return]


def _hits_of(x: Any, y: Any, window: Window) -> tuple[Any, Any]:
    parts = _parts(x, window, np.nan)  # padding never hits
    hits = np.concatenate([(part == y)[np.newaxis] for part in parts], dtype=x.dtype)
    return hits, np.add.reduce(hits)


def _max_vjp(g: Any, y: Any, x: Any, window: Window) -> Any:
    hits, ties = _hits(x, y, window)
    return _window_spread(g / ties, hits, window=window)


def _max_jvp(tangents: Sequence[Any], y: Any, x: Any, window: Window) -> Any:
    hits, ties = _hits(x, y, window)
    return _window_sum(tangents[0], hits, window=window) / ties


_max_pool = structural(
    "max_pool",
    "max▫",
    "the maximum of what the window meets in x",
    _max_forward,
    _max_vjp,
    jvp=_max_jvp,
    kinks="entries that tie for the maximum share the gradient equally (PyTorch gives it all to the first)",
    cases=(
        Case(((2, 2, 4, 6),), {"window": Window((4, 6), (2, 3), (2, 2), stride=(2, 3))}),
        Case(((1, 2, 4, 4),), {"window": Window((4, 4), (3, 2), (2, 3))}),
        Case(((2, 1, 3, 3),), {"window": Window((3, 3), (3, 2), (2, 2), (2, 2), before=(1, 1), after=(1, 1))}),
        Case(((1, 1, 5, 4),), {"window": Window((5, 4), (2, 2), (3, 2), dilation=(2, 2))}),
        Case(((0, 1, 2, 2),), {"window": Window((2, 2), (2, 2), (1, 1))}),
    ),
)


def _placed(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, rank: int
) -> tuple[Any, tuple[int, ...], Window]:
    """Return the input as (N, C, height, width), the axes added to it, and the window."""
    x, added = batched(name, x, rank)
    kernel = pair("kernel_size", kernel_size, rank, 1)
    steps = kernel if stride is None else pair("stride", stride, rank, 1)
    spacing: Pair = pair("dilation", dilation, rank, 1)
    border = pair("padding", padding, rank, 0)
    if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(border, kernel, spacing, strict=True)):
        raise ValueError(f"{name}: padding {border} must be at most half the kernel's size {kernel} (times dilation)")
    return x, added, slide(name, x.shape[2:], kernel, steps, spacing, border, border)


def _max_pooled(name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, rank: int) -> Any:
    x, added, window = _placed(name, x, kernel_size, stride, padding, dilation, rank)
    y = _max_pool(x, window=window)
    return np.squeeze(y, added) if added else y


def _avg_pooled(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, count_include_pad: bool, rank: int
) -> Any:
    x, added, window = _placed(name, x, kernel_size, stride, padding, 1, rank)
    one = np.ones(1)
    counts = one * (window.kernel[0] * window.kernel[1])
    if not count_include_pad and any(window.before):
        counts = np.expand_dims(_sum_forward(np.ones(window.size), one, window), 0)
    y = _window_sum(x, (1 / counts).astype(np.result_type(x.dtype, 1.0)), window=window)
    return np.squeeze(y, added) if added else y


def max_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """Return the maximum in each window of a signal: `max_pool2d` with one axis.

    Examples
    --------
    >>> max_pool1d([[1.0, 3.0, 2.0, 5.0]], 2)
    array([[3., 5.]])
    """
    return _max_pooled("max_pool1d", input, kernel_size, stride, padding, dilation, 1)


def max_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """Return the maximum in each window of an image.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        By default the kernel size: windows side by side.
    padding : int or pair of int, optional
        At most half the window; padding is never the maximum.
    dilation : int or pair of int, optional
        Steps between the entries of a window.

    Returns
    -------
    ndarray or Tensor
        Shape (N, C, (height + 2 * padding - dilation * (kernel height - 1) - 1) // stride + 1, ...).

    Raises
    ------
    ValueError
        When the window is larger than the padded image, or the padding than half the window.

    Notes
    -----
    Entries that tie for the maximum share the gradient equally, as in `max`; PyTorch gives it all to the first.

    Examples
    --------
    >>> max_pool2d([[[1.0, 2.0], [4.0, 3.0]]], 2)
    array([[[4.]]])
    """
    return _max_pooled("max_pool2d", input, kernel_size, stride, padding, dilation, 2)


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *, count_include_pad: bool = True
) -> Any:
    """Return the mean of each window of a signal: `avg_pool2d` with one axis.

    Examples
    --------
    >>> avg_pool1d([[1.0, 3.0, 2.0, 5.0]], 2)
    array([[2. , 3.5]])
    """
    return _avg_pooled("avg_pool1d", input, kernel_size, stride, padding, count_include_pad, 1)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *, count_include_pad: bool = True
) -> Any:
    """Return the mean of each window of an image.

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width), or (C, height, width).
    kernel_size, stride, padding : int or pair of int
        As in `max_pool2d`.
    count_include_pad : bool, optional
        Whether the zeros of the padding count as entries.

    Returns
    -------
    ndarray or Tensor
        Shape (N, C, (height + 2 * padding - kernel height) // stride + 1, ...).

    Raises
    ------
    ValueError
        When the window is larger than the padded image, or the padding than half the window.

    Examples
    --------
    >>> avg_pool2d([[[1.0, 2.0], [4.0, 3.0]]], 2)
    array([[[2.5]]])
    """
    return _avg_pooled("avg_pool2d", input, kernel_size, stride, padding, count_include_pad, 2)
