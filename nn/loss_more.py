"""Robust, margin and focal losses as modules; the functions are in `nn.functional`."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor
from nn import functional
from nn.loss import Loss

__all__ = [
    "CosineEmbeddingLoss", "FocalLoss", "HingeEmbeddingLoss", "HingeLoss", "HuberLoss", "KLDivLoss",
    "SigmoidFocalLoss", "SmoothL1Loss",
]  # fmt: skip


class SmoothL1Loss(Loss):
    """The absolute error, rounded off within ``beta``: `HuberLoss` divided by ``beta``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
    beta : float, optional
        0 makes it `L1Loss`.

    Examples
    --------
    >>> import nn
    >>> float(nn.SmoothL1Loss()([0.0], [10.0]))
    9.5
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return functional.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(Loss):
    """Half the squared error, but growing straight from an error of ``delta`` on (Huber 1964).

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
    delta : float, optional
        Greater than 0.

    Examples
    --------
    >>> import nn
    >>> float(nn.HuberLoss(delta=2.0)([0.0], [10.0]))
    18.0
    """

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return functional.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence ``target * (log(target) - input)`` of log-probabilities from probabilities.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}, optional
        ``"batchmean"`` divides by the number of samples, which is the divergence; ``"mean"`` by that of all entries.
    log_target : bool, optional
        Whether the targets are logarithms too.

    Examples
    --------
    >>> import nn
    >>> float(nn.KLDivLoss(reduction="batchmean")([[-1.0, -1.0]], [[0.0, 1.0]]))
    1.0
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction="mean" if reduction == "batchmean" else reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Any, target: Any) -> Any:
        return functional.kl_div(input, target, self.reduction, self.log_target)


class _MarginLoss(Loss):
    def __init__(self, margin: float, reduction: str) -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def extra_repr(self) -> str:
        return ", ".join(filter(None, (f"margin={self.margin}", super().extra_repr())))


class HingeLoss(_MarginLoss):
    """``max(0, margin - target * input)`` for targets 1 and -1: a support vector machine's loss (not in PyTorch).

    Parameters
    ----------
    margin : float, optional
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> float(nn.HingeLoss()([2.0, 0.5], [1, 1]))
    0.25
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return functional.hinge_loss(input, target, self.margin, self.reduction)


class HingeEmbeddingLoss(_MarginLoss):
    """The distance of pairs that are alike (1), and ``max(0, margin - distance)`` of those that are not (-1).

    Parameters
    ----------
    margin : float, optional
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> float(nn.HingeEmbeddingLoss()([0.25, 0.25], [1, -1]))
    0.5
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return functional.hinge_embedding_loss(input, target, self.margin, self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """``1 - cos`` of the angle between vectors that are alike (1), ``max(0, cos - margin)`` of those not (-1).

    Parameters
    ----------
    margin : float, optional
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> float(nn.CosineEmbeddingLoss()([[1.0, 0.0]], [[0.0, 2.0]], [1]))
    1.0
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return functional.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class SigmoidFocalLoss(Loss):
    """The focal loss of logits for targets 0 and 1 (Lin et al. 2017): what is easy counts little.

    Parameters
    ----------
    alpha : float, optional
        The weight of the positive targets; that of the negative ones is ``1 - alpha``. A negative number weighs none.
    gamma : float, optional
        How little.
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> round(float(nn.SigmoidFocalLoss()([0.0], [1.0])), 6)
    0.043322
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, input: Any, target: Any) -> Any:
        return functional.sigmoid_focal_loss(input, target, self.alpha, self.gamma, self.reduction)


class FocalLoss(Loss):
    """The focal loss of scores (N, C, ...) for class indices (N, ...) (Lin et al. 2017): what is easy counts little.

    Parameters
    ----------
    weight : array_like, optional
        One for each class; the mean is divided by the sum of the picked weights.
    gamma : float, optional
        How little; 0 makes it `CrossEntropyLoss`.
    ignore_index : int, optional
        The class index that does not count.
    reduction : {"mean", "sum", "none"}, optional

    Examples
    --------
    >>> import nn
    >>> round(float(nn.FocalLoss()([[0.0, 0.0]], [1])), 6)
    0.173287
    """

    weight: Tensor | None

    def __init__(
        self, weight: Any = None, gamma: float = 2.0, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.gamma, self.ignore_index = gamma, ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return functional.focal_loss(input, target, self.weight, self.gamma, self.ignore_index, self.reduction)
