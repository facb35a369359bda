"""Schedules of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from nn.optim import Optimizer
from nn.schedule.base import LRScheduler
from nn.schedule.plateau import ReduceLROnPlateau

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Combined(LRScheduler):
    """Several schedules of one optimiser."""

    def __init__(self, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name} expects at least one scheduler, but got none")
        for i, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler):
                raise TypeError(f"{name}: the scheduler at index {i} is a {type(schedule).__name__}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"{name} does not support ReduceLROnPlateau, whose step needs a metric")
            if schedule.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ValueError(f"{name}: the scheduler at index {i} belongs to another optimizer")
        self._attach(optimizer or schedulers[0].optimizer)
        self._schedulers = list(schedulers)
        self.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
        self.last_epoch = 0

    def _note(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state, with that of each schedule."""
        return {**super().state_dict(), "_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        super()._check_state(state_dict)
        if len(state_dict["_schedulers"]) != len(self._schedulers):
            raise ValueError(f"the state dict is that of {len(state_dict['_schedulers'])} schedules, not of ours")
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            schedule._check_state(state)

    def _load(self, state_dict: Mapping[str, Any]) -> None:
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            schedule._load(state)
        super()._load({name: x for name, x in state_dict.items() if name != "_schedulers"})


class SequentialLR(_Combined):
    """One schedule after another, each from its own beginning.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
    milestones : list of int
        The epochs at which the second, the third ... schedule takes over.

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.5)
    >>> warmup = nn.schedule.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = nn.schedule.ExponentialLR(optimizer, gamma=0.1)
    >>> schedule = SequentialLR(optimizer, [warmup, decay], milestones=[2])
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> [round(rate, 6) for rate in rates]
    [0.25, 0.375, 0.5, 0.05]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        super().__init__(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR expects a milestone between any two schedulers, but got {len(schedulers)} schedulers "
                f"and {len(milestones)} milestones"
            )
        self._milestones = list(milestones)
        self._restart()

    def _begin(self) -> None:
        self.last_epoch = 0
        self._schedulers[bisect_right(self._milestones, 0)]._begin()
        self._note()

    def _advance(self) -> None:
        self.last_epoch += 1
        schedule = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch in self._milestones:
            schedule._restart()
        else:
            schedule._advance()
        self._note()


class ChainedScheduler(_Combined):
    """Several schedules at once, each changing the rate that the one before leaves.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
    optimizer : Optimizer, optional
        That of the schedules by default.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        super().__init__(optimizer, schedulers)
        self._note()

    def _begin(self) -> None:
        self.last_epoch = 0
        for schedule in self._schedulers:
            schedule._begin()
        self._note()

    def _advance(self) -> None:
        self.last_epoch += 1
        for schedule in self._schedulers:
            schedule._advance()
        self._note()
