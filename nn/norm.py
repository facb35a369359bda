"""Normalisation: BatchNorm1d, BatchNorm2d, LayerNorm, GroupNorm, RMSNorm."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import Tensor, graph
from autograd_lite.taped import effect
from nn import functional, functional_layers
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "RMSNorm"]


class _BatchNorm(Module):
    """Batch normalisation of any number of axes behind the channels; a subclass says which it takes."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _optional_keys = frozenset({"num_batches_tracked"})
    _shapes: ClassVar[dict[int, str]] = {}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget the running mean and variance."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                buffer._data[...] = value
            graph.mark_written((self.running_mean, self.running_var, self.num_batches_tracked))

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        if len(shape) not in self._shapes or shape[1] != self.num_features:
            self._explain(shape)
        momentum: Any = self.momentum
        if momentum is None and self.training and self.num_batches_tracked is not None:
            momentum = self._part_of_next
        y = functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if momentum is None else momentum,
            self.eps,
        )
        if self.training and self.num_batches_tracked is not None:
            effect(self._count, (), (self.num_batches_tracked,))
        return y

    def _part_of_next(self) -> float:
        """Return what part of the mean over all batches the next one makes up."""
        return 1 / (int(self.num_batches_tracked._data) + 1)  # type: ignore[union-attr]

    def _count(self) -> None:
        self.num_batches_tracked._data += 1  # type: ignore[union-attr]

    def _explain(self, shape: tuple[int, ...]) -> None:
        expected = "an input of shape " + " or ".join(self._shapes.values()).replace("C", str(self.num_features))
        if len(shape) not in self._shapes:
            fix = "Put samples along the first axis and channels along the second."
        else:
            fix = f"Make it {type(self).__name__}({shape[1]}), or give the layer before it {self.num_features} outputs."
        raise ShapeError(self, expected, str(shape), fix)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) (Ioffe and Szegedy 2015).

    Parameters
    ----------
    num_features : int
        The number C of channels.
    eps : float, optional
        Added to the variance.
    momentum : float or None, optional
        How far the running statistics move towards those of a batch; None makes them the mean over all batches.
    affine : bool, optional
        Whether there are a ``weight`` and a ``bias``, each of shape (C,).
    track_running_stats : bool, optional
        False normalises by the batch in evaluation too.
    bias : bool, optional
        Whether an affine layer has a ``bias``.
    dtype : dtype, optional
        Of parameters and statistics; float64 by default.

    Notes
    -----
    A batch is normalised by its biased variance; ``running_var`` follows the unbiased one, as in PyTorch.

    Examples
    --------
    >>> import nn
    >>> layer = nn.BatchNorm1d(1)
    >>> layer([[0.0], [2.0]]).numpy().round(3)
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean, layer.running_var
    (Tensor([0.1]), Tensor([1.1]))
    """

    _shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, height, width), a mean and a variance a channel (Ioffe and Szegedy 2015).

    Parameters
    ----------
    num_features : int
        The number C of channels.
    eps, momentum, affine, track_running_stats, bias, dtype
        As in `BatchNorm1d`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.BatchNorm2d(3)(np.zeros((8, 3, 4, 4))).shape
    (8, 3, 4, 4)
    """

    _shapes: ClassVar = {4: "(N, C, height, width)"}


class _LastAxes(Module):
    """Normalisation of the last axes of each sample."""

    weight: Parameter | None
    bias: Parameter | None = None

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float | None, affine: bool, dtype: DTypeLike
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else normalized_shape
        self.normalized_shape, self.eps, self.elementwise_affine = tuple(int(n) for n in shape), eps, affine
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if affine else None

    def _explain(self, shape: tuple[int, ...]) -> None:
        wanted = self.normalized_shape
        if shape[len(shape) - len(wanted) :] == wanted and len(shape) >= len(wanted):
            return
        name, sizes = type(self).__name__, ", ".join(map(str, wanted))
        got = shape[-len(wanted) :]
        fix = f"Make it {name}({got[0] if len(got) == 1 else got}), or change what the layer before it gives."
        if wanted and len(wanted) == 1 and wanted[0] in shape[1:-1]:
            fix = f"It normalises the last axis: move the axis of {wanted[0]} there, or take nn.GroupNorm for channels."
        raise ShapeError(self, f"an input of shape (..., {sizes})", str(shape), fix) from None

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LayerNorm(_LastAxes):
    """Bring the last axes of each sample to mean 0 and variance 1 (Ba et al. 2016).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The shape of the last axes.
    eps : float, optional
        Added to the (biased) variance.
    elementwise_affine : bool, optional
        Whether there are a ``weight`` and a ``bias``, each of the normalised shape.
    bias : bool, optional
        Whether an affine layer has a ``bias``.
    dtype : dtype, optional
        Of the parameters; float64 by default.

    Raises
    ------
    ShapeError
        When called with an array whose last axes are not of the normalised shape.

    Examples
    --------
    >>> import nn
    >>> nn.LayerNorm(2)([[1.0, 3.0], [0.0, 10.0]]).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    eps: float

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, dtype)
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        try:
            return functional_layers.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        except ValueError:
            self._explain(np.shape(x))
            raise

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class RMSNorm(_LastAxes):
    """Divide the last axes of each sample by their root mean square (Zhang and Sennrich 2019).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The shape of the last axes.
    eps : float, optional
        Added to the mean square; by default the machine epsilon of the input's dtype.
    elementwise_affine : bool, optional
        Whether there is a ``weight`` of the normalised shape.
    dtype : dtype, optional
        Of the weight; float64 by default.

    Raises
    ------
    ShapeError
        When called with an array whose last axes are not of the normalised shape.

    Examples
    --------
    >>> import nn
    >>> nn.RMSNorm(2)([[3.0, 4.0]]).numpy().round(4)
    array([[0.8485, 1.1314]])
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, dtype)

    def forward(self, x: Any) -> Any:
        try:
            return functional_layers.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        except ValueError:
            self._explain(np.shape(x))
            raise


class GroupNorm(Module):
    """Bring each group of channels of each sample to mean 0 and variance 1 (Wu and He 2018).

    Parameters
    ----------
    num_groups, num_channels : int
        The number C of channels is a multiple of the number of groups.
    eps : float, optional
        Added to the (biased) variance.
    affine : bool, optional
        Whether there are a ``weight`` and a ``bias``, each of shape (C,).
    bias : bool, optional
        Whether an affine layer has a ``bias``.
    dtype : dtype, optional
        Of the parameters; float64 by default.

    Raises
    ------
    ShapeError
        When called with anything but (N, C, ...).

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.GroupNorm(2, 6)(np.zeros((8, 6, 4, 4))).shape
    (8, 6, 4, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels={num_channels} must be a multiple of num_groups={num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        if len(shape) < 2 or shape[1] != self.num_channels:
            c = self.num_channels
            fix = "Put samples along the first axis and channels along the second."
            if len(shape) > 1 and shape[1] % self.num_groups == 0:
                fix = f"Make it GroupNorm({self.num_groups}, {shape[1]}), or give the layer before it {c} channels."
            raise ShapeError(self, f"an input of shape (N, {c}, ...)", str(shape), fix)
        return functional_layers.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}"
