"""How a kernel slides over an image: the geometry that convolution and pooling share."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.graph import operand

__all__ = ["Pair", "Window", "batched", "pair", "slide"]

Pair = tuple[int, int]


class Window(NamedTuple):
    """How a kernel slides over an image, every number as (height, width).

    Attributes
    ----------
    size, kernel, out : pair of int
        The sizes of the image, of the kernel, and of the result.
    stride, dilation : pair of int
        Steps between positions of the kernel, and between its entries.
    before, after : pair of int
        Rows and columns of padding on either side.
    """

    size: Pair
    kernel: Pair
    out: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    after: Pair = (0, 0)

    def padded(self, x: Any, fill: float = 0.0) -> Any:
        """Return the images with their padding, or themselves when they have none."""
        if not any(self.before + self.after):
            return x
        big = self.blank(x, np.result_type(x.dtype, fill), fill)
        big[self.inside] = x
        return big

    def blank(self, like: Any, dtype: Any, fill: float = 0.0) -> Any:
        """Return padded images that are all ``fill``, as many as those given and laid out in memory like them."""
        (top, left), (height, width), (bottom, right) = self.before, self.size, self.after
        shape = (*like.shape[:-2], top + height + bottom, left + width + right)
        blank = np.empty_like(like, dtype, shape=shape)
        blank.fill(fill)
        return blank

    @property
    def inside(self) -> Any:
        """Where in the padded image the image is."""
        (top, left), (height, width) = self.before, self.size
        return (..., slice(top, top + height), slice(left, left + width))

    def entries(self) -> tuple[tuple[int, int, Any], ...]:
        """For each entry of the kernel: its row and column, and the part of the padded image that it meets."""
        return _entries(self.kernel, self.out, self.stride, self.dilation)

    @property
    def disjoint(self) -> bool:
        """Whether no entry of the image meets the kernel twice."""
        return self.dilation == (1, 1) and all(s >= k for s, k in zip(self.stride, self.kernel, strict=True))


@functools.lru_cache(maxsize=256)
def _entries(kernel: Pair, out: Pair, stride: Pair, dilation: Pair) -> tuple[tuple[int, int, Any], ...]:
    rows, columns = (
        [slice(k * d, k * d + (n - 1) * s + 1, s) for k in range(size)]
        for size, n, s, d in zip(kernel, out, stride, dilation, strict=True)
    )
    return tuple((i, j, (..., row, column)) for i, row in enumerate(rows) for j, column in enumerate(columns))


def pair(what: str, value: Any, rank: int, least: int) -> Pair:
    """Read an int, or one int an axis, as (height, width); with one axis the height is the neutral ``least``."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(numbers) != rank or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) for n in numbers):
        raise ValueError(f"{what} must be an int or {rank} ints, got {value!r}")
    if min(numbers) < least:
        raise ValueError(f"{what} must be at least {least}, got {value!r}")
    height, width = numbers if rank == 2 else (least, numbers[0])
    return int(height), int(width)


def batched(name: str, x: Any, rank: int) -> tuple[Any, tuple[int, ...]]:
    """Bring an input to the shape (N, C, height, width); return with it the axes that were added."""
    x = operand(x)
    if np.ndim(x) not in (rank + 1, rank + 2):
        axes = "N, C, length" if rank == 1 else "N, C, height, width"
        raise ValueError(f"{name} takes an input of shape ({axes}), N optional, got {np.shape(x)}")
    added = (*((0,) if np.ndim(x) == rank + 1 else ()), *((-2,) if rank == 1 else ()))
    return (np.expand_dims(x, added) if added else x), added


@functools.lru_cache(maxsize=256)
def slide(name: str, size: Pair, kernel: Pair, stride: Pair, dilation: Pair, before: Pair, after: Pair) -> Window:
    """Make a window, computing the size of the result; refuse a kernel that is larger than the padded image."""
    padded = tuple(b + n + a for b, n, a in zip(before, size, after, strict=True))
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    if any(span > n for span, n in zip(spans, padded, strict=True)):
        raise ValueError(
            f"{name}: a kernel of size {kernel} with dilation {dilation} spans {spans}, "
            f"more than the input of size {size} padded to {padded}"
        )
    height, width = ((n - span) // s + 1 for n, span, s in zip(padded, spans, stride, strict=True))
    return Window(size, kernel, (height, width), stride, dilation, before, after)
