"""Losses as modules; the functions are in `nn.functional`."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor
from nn import functional
from nn.module import Module

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]


class Loss(Module):
    """The base of the losses.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What becomes of the losses of the single entries.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def extra_repr(self) -> str:
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """The squared error ``(input - target)**2``.

    Examples
    --------
    >>> import nn
    >>> float(nn.MSELoss()([1.0, 3.0], [0.0, 0.0]))
    5.0
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The absolute error ``|input - target|``.

    Examples
    --------
    >>> import nn
    >>> float(nn.L1Loss()([1.0, -3.0], [0.0, 0.0]))
    2.0
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.l1_loss(input, target, reduction=self.reduction)


class _WeightedLoss(Loss):
    weight: Tensor | None

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


class BCELoss(_WeightedLoss):
    """The binary cross-entropy of probabilities, each logarithm at least -100.

    Parameters
    ----------
    weight : array_like, optional
        Multiplies the losses; of a shape that broadcasts to theirs.
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> round(float(nn.BCELoss()([0.5, 0.5], [0.0, 1.0])), 4)
    0.6931
    """

    def forward(self, input: Any, target: Any) -> Any:
        return functional.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """The binary cross-entropy of ``sigmoid(input)``, stable for inputs of any size.

    Parameters
    ----------
    weight : array_like, optional
        Multiplies the losses; of a shape that broadcasts to theirs.
    reduction : {"mean", "sum", "none"}, optional
    pos_weight : array_like, optional
        Multiplies the part of the positive targets.

    Examples
    --------
    >>> import nn
    >>> float(nn.BCEWithLogitsLoss()([1e4, -1e4], [0.0, 1.0]))
    10000.0
    """

    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight, reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return functional.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of log-probabilities (N, C, ...) for class indices (N, ...).

    Parameters
    ----------
    weight : array_like, optional
        One for each class; the mean is divided by the sum of the picked weights.
    ignore_index : int, optional
        The target that does not count.
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> float(nn.NLLLoss()([[-1.0, -2.0]], [1]))
    2.0
    """

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return functional.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """The cross-entropy of ``softmax(input)``, for class indices (N, ...) or probabilities (N, C, ...).

    Parameters
    ----------
    weight : array_like, optional
        One for each class; with class indices the mean is divided by the sum of the picked weights.
    ignore_index : int, optional
        The class index that does not count.
    reduction : {"mean", "sum", "none"}, optional
    label_smoothing : float, optional
        The part of each target that is spread over all classes.

    Examples
    --------
    >>> import nn
    >>> round(float(nn.CrossEntropyLoss()([[0.0, 0.0]], [1])), 4)
    0.6931
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return functional.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )
