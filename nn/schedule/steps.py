"""Schedules that multiply the rate, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from nn.optim import Optimizer
from nn.schedule.base import Function, LRScheduler, each

__all__ = [
    "ConstantLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "PolynomialLR", "StepLR",
]  # fmt: skip


class LambdaLR(LRScheduler):
    """The initial rate times ``lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callable
        One for all groups, or one for each.
    last_epoch : int, optional

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    _remembers = False
    _functions = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        self.lr_lambdas: list[Function] = each("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        return self.base_lrs[i] * self.lr_lambdas[i](self.last_epoch)


class MultiplicativeLR(LRScheduler):
    """The last rate times ``lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callable
        One for all groups, or one for each.
    last_epoch : int, optional
    """

    _functions = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        self.lr_lambdas: list[Function] = each("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        return lr * self.lr_lambdas[i](self.last_epoch)


class StepLR(LRScheduler):
    """Times ``gamma`` every ``step_size`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, optional
    last_epoch : int, optional

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        return lr if self.last_epoch % self.step_size else lr * self.gamma


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of some epochs; twice at one that is there twice.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
    gamma : float, optional
    last_epoch : int, optional
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _first(self, i: int, lr: float) -> float:
        return self._next(i, lr)

    def _next(self, i: int, lr: float) -> float:
        return lr * self.gamma ** self.milestones.count(self.last_epoch)


class ConstantLR(LRScheduler):
    """Times ``factor`` for the first ``total_iters`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float, optional
        Between 0 and 1.
    total_iters : int, optional
    last_epoch : int, optional
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < factor <= 1:
            raise ValueError("Constant multiplicative factor expected to be greater than 0 and less or equal to 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _first(self, i: int, lr: float) -> float:
        return lr * self.factor

    def _next(self, i: int, lr: float) -> float:
        return lr * (1 / self.factor) if self.last_epoch == self.total_iters else lr


class LinearLR(LRScheduler):
    """Times a factor that goes straight from ``start_factor`` to ``end_factor``: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float, optional
        Between 0 and 1.
    total_iters : int, optional
        How many epochs it takes.
    last_epoch : int, optional
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _first(self, i: int, lr: float) -> float:
        return lr * self.start_factor

    def _next(self, i: int, lr: float) -> float:
        if self.last_epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))


class ExponentialLR(LRScheduler):
    """Times ``gamma`` every epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int, optional
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        return lr * self.gamma


class PolynomialLR(LRScheduler):
    """Times ``(1 - epoch / total_iters) ** power``; 0 from then on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int, optional
    power : float, optional
    last_epoch : int, optional
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        if self.last_epoch > self.total_iters:
            return lr
        left = 1 - self.last_epoch / self.total_iters
        return lr * math.pow(left / (left + 1 / self.total_iters), self.power)
