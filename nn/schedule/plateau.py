"""A schedule that watches a metric."""

from __future__ import annotations

import math
from typing import Any, Literal

from autograd_lite.taped import effect
from nn.optim import Optimizer
from nn.schedule.base import LRScheduler, each

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` when a metric has not improved for more than ``patience`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}, optional
        Whether the metric is to fall or to rise.
    factor : float, optional
        Less than 1.
    patience : int, optional
    threshold : float, optional
        What counts as better: ``best * (1 - threshold)``, or with the mode ``"abs"`` ``best - threshold``.
    threshold_mode : {"rel", "abs"}, optional
    cooldown : int, optional
        How many epochs after a cut do not count.
    min_lr : float or list of float, optional
    eps : float, optional
        A cut by less is not made.

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (1.0, 0.5, 0.6, 0.6):
    ...     optimizer.step()
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self._attach(optimizer)
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = each("min_lr", min_lr, optimizer)
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = list(self.base_lrs)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take note of an epoch's metric, and cut the rates if it is time.

        Parameters
        ----------
        metrics : float, Value or Tensor
            NaN counts as no improvement.
        """
        effect(self._take, (metrics,))

    def _take(self, metrics: Any) -> None:
        self.last_epoch += 1
        current = float(metrics)
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            self._set(self._rates(self._next))
        else:
            self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _is_better(self, current: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return current > bound if self.mode == "max" else current < bound

    def _next(self, i: int, lr: float) -> float:
        cut = max(lr * self.factor, self.min_lrs[i])
        return cut if lr - cut > self.eps else lr
