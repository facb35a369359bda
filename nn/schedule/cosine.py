"""Schedules along a cosine."""

from __future__ import annotations

import math

from autograd_lite.taped import effect
from nn.optim import Optimizer
from nn.schedule.base import LRScheduler

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Down to ``eta_min`` in ``T_max`` epochs along a cosine, and up again (Loshchilov and Hutter 2017).

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float, optional
    last_epoch : int, optional

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=10)
    >>> for _ in range(5):
    ...     optimizer.step()
    ...     schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.25
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        epoch, bottom = self.last_epoch, self.eta_min
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up from the bottom, where no ratio helps
            return lr + (self.base_lrs[i] - bottom) * (1 - math.cos(math.pi / self.T_max)) / 2
        heights = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch, epoch - 1))
        return next(heights) / next(heights) * (lr - bottom) + bottom


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down to ``eta_min`` along a cosine, again and again: SGDR (Loshchilov and Hutter 2017).

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        After how many epochs it starts again.
    T_mult : int, optional
        How many times as long each round is as the one before.
    eta_min : float, optional
    last_epoch : int, optional

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.5, 0.25, 0.5, 0.25]
    """

    _remembers = False

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self._time: float = last_epoch + 1
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: float) -> float:
        gone, length = self._time, self.T_0
        if self.T_mult == 1:
            gone %= length
        while gone >= length:
            gone, length = gone - length, length * self.T_mult
        return self.eta_min + (self.base_lrs[i] - self.eta_min) * (1 + math.cos(math.pi * gone / length)) / 2

    def _begin(self) -> None:
        self._time = 0
        super()._begin()

    def _advance(self) -> None:
        self._time += 1
        super()._advance()

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next rate, or to that of an epoch, which may be fractional: ``epoch + batch / batches``."""
        if epoch is not None and epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        self._check_order()
        if epoch is None:
            effect(self._go_on)
            return
        effect(lambda: self._go_to(epoch))

    def _go_to(self, epoch: float) -> None:
        self._stepped = True
        self._time, self.last_epoch = epoch, math.floor(epoch)
        self._set(self._rates(self._next))
