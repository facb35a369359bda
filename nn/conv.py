"""Convolutions: Conv1d, Conv2d, ConvTranspose2d."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import default_generator, ops
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose2d"]

# PyTorch's names of paddings, and NumPy's.
_PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Conv(Module):
    """What convolutions share: filters, their initial values, and the explanation of a wrong shape."""

    weight: Parameter
    bias: Parameter | None
    _rank: ClassVar[int] = 2
    _transposed: ClassVar[bool] = False
    output_padding: tuple[int, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: in_channels={in_channels}, out_channels={out_channels} must be multiples of groups={groups}"
            )
        if padding_mode not in _PADDING_MODES or (self._transposed and padding_mode != "zeros"):
            known = "'zeros'" if self._transposed else ", ".join(map(repr, _PADDING_MODES))
            raise ValueError(f"{name}: padding_mode must be {known}, got {padding_mode!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride, self.dilation = (self._each(v) for v in (kernel_size, stride, dilation))
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.groups, self.padding_mode = groups, padding_mode
        outer, inner = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        shape = (outer, inner // groups, *self.kernel_size)
        bound = 1 / math.sqrt(max(math.prod(shape[1:]), 1))
        draw = (generator or default_generator()).uniform
        self.weight = Parameter(draw(-bound, bound, shape), dtype=dtype)
        self.bias = Parameter(draw(-bound, bound, out_channels), dtype=dtype) if bias else None

    def _each(self, value: int | tuple[int, ...]) -> tuple[int, ...]:
        """Return one int an axis."""
        numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self._rank
        if len(numbers) != self._rank:
            raise ValueError(f"{type(self).__name__} takes an int or {self._rank} ints, got {value!r}")
        return numbers

    def _explain(self, x: Any) -> None:
        """Raise a ShapeError if the shape of the input is wrong."""
        shape, rank, c = np.shape(x), self._rank, self.in_channels
        n, name = len(shape), type(self).__name__
        if n in (rank + 1, rank + 2) and shape[-1 - rank] == c:
            return
        if c == 1 and n in (rank, rank + 1):
            fix = f"Add the axis of the channel: {'x[None]' if n == rank else 'x[:, None]'}."
        elif n not in (rank + 1, rank + 2):
            fix = f"Reshape it to {rank + 2} axes, samples and channels first."
        elif shape[-1] == c:
            order = (*range(n - 1 - rank), n - 1, *range(n - 1 - rank, n - 1))
            fix = f"The channels are along the last axis: pass np.transpose(x, {order})."
        else:
            got = shape[-1 - rank]
            fix = f"Make it {name}({got}, {self.out_channels}, ...), or give the layer before it {c} channels."
        size = "length" if rank == 1 else "height, width"
        self._refuse(f"an input of shape (N, {c}, {size}), N optional", str(shape), fix)

    def _refuse(self, expected: str, got: str, fix: str) -> NoReturn:
        raise ShapeError(self, expected, got, fix) from None

    def _convolved(self, convolution: Any, x: Any) -> Any:
        try:
            if self.padding_mode == "zeros":
                return convolution(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
            self._explain(x)
            frame = [(0, 0)] * (np.ndim(x) - self._rank) + self._frame()
            x = ops.pad(x, frame, _PADDING_MODES[self.padding_mode])
            return convolution(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        except ValueError as error:
            self._explain(x)
            self._explain_size(x, error)
            raise

    def _frame(self) -> list[tuple[int, int]]:
        """Return the padding before and after each axis."""
        if self.padding == "valid":
            return [(0, 0)] * self._rank
        if isinstance(self.padding, str):
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(n // 2, n - n // 2) for n in total]
        return [(n, n) for n in self.padding]

    def _explain_size(self, x: Any, error: ValueError) -> None:
        size = np.shape(x)[-self._rank :]
        spans = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        least = tuple(max(s - sum(f), 1) for s, f in zip(spans, self._frame(), strict=True))
        if any(n < m for n, m in zip(size, least, strict=True)):
            fix = "Pad it more (padding=), pool less before it, or take a smaller kernel."
            self._refuse(f"an image of at least {least} for its kernel of {self.kernel_size}", str(size), fix)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0,) * self._rank else ""
        text += f", dilation={self.dilation}" if self.dilation != (1,) * self._rank else ""
        text += f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv1d(_Conv):
    """Filters that slide along signals.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype, generator
        As in `Conv2d`, with one axis.

    Attributes
    ----------
    weight : Parameter
        Shape (out_channels, in_channels / groups, kernel_size).
    bias : Parameter or None
        Shape (out_channels,).

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.Conv1d(2, 4, 3, padding="same")(np.zeros((8, 2, 10))).shape
    (8, 4, 10)
    """

    _rank = 1

    def forward(self, x: Any) -> Any:
        return self._convolved(ops.conv1d, x)


class Conv2d(_Conv):
    """Filters that slide over images.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride, dilation : int or pair of int, optional
        Steps between positions of a filter, and between its entries.
    padding : int, pair of int, "valid" or "same", optional
        The width of the frame around the image; "same" keeps its size and needs stride 1.
    groups : int, optional
        Channels and filters are divided into so many groups, which do not see each other.
    bias : bool, optional
        Whether to add a bias.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, optional
        What the frame holds.
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values, uniform between plus and minus 1/sqrt(in_channels / groups * entries of the kernel).

    Attributes
    ----------
    weight : Parameter
        Shape (out_channels, in_channels / groups, height, width).
    bias : Parameter or None
        Shape (out_channels,).

    Raises
    ------
    ShapeError
        When called with anything but (N, in_channels, height, width) or (in_channels, height, width), and with an
        image that is smaller than the kernel.

    Examples
    --------
    >>> import numpy as np, nn
    >>> layer = nn.Conv2d(1, 8, 3, padding=1)
    >>> layer
    Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))  # 80 parameters
    >>> layer(np.zeros((5, 1, 28, 28))).shape
    (5, 8, 28, 28)
    """

    def forward(self, x: Any) -> Any:
        return self._convolved(ops.conv2d, x)


class ConvTranspose2d(_Conv):
    """The transpose of `Conv2d` (its gradient map): it enlarges images where that shrinks them.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, groups, bias, dilation, dtype, generator
        Those of the convolution that is transposed, with numbers for the padding.
    output_padding : int or pair of int, optional
        Rows and columns to add to the result, as several sizes convolve to the same one.
    padding_mode : {"zeros"}, optional

    Attributes
    ----------
    weight : Parameter
        Shape (in_channels, out_channels / groups, height, width).
    bias : Parameter or None
        Shape (out_channels,).

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.ConvTranspose2d(8, 3, 2, stride=2)(np.zeros((5, 8, 14, 14))).shape
    (5, 3, 28, 28)
    """

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(f"ConvTranspose2d: padding must be numbers, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            dtype=dtype, generator=generator,
        )  # fmt: skip
        self.output_padding = self._each(output_padding)

    def forward(self, x: Any, output_size: tuple[int, int] | None = None) -> Any:
        """Apply the layer; ``output_size``, if given, chooses the output padding."""
        self._explain(x)
        extra = self.output_padding if output_size is None else self._padding_to(np.shape(x)[-2:], output_size)
        return ops.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _padding_to(self, size: tuple[int, ...], wanted: tuple[int, int]) -> tuple[int, ...]:
        settings = zip(size, self.stride, self._frame(), self.dilation, self.kernel_size, strict=True)
        least = tuple((n - 1) * s - sum(f) + d * (k - 1) + 1 for n, s, f, d, k in settings)
        extra = tuple(w - n for w, n in zip(wanted[-2:], least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            self._refuse(
                f"an output_size between {least} and {most}", str(tuple(wanted)), "Leave it out for the least."
            )
        return extra
