"""Schedules that move rate and momentum against each other (Smith 2017; Smith and Topin 2018)."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any, Literal

from nn.optim import Optimizer
from nn.schedule.base import Function, LRScheduler, each

__all__ = ["CyclicLR", "OneCycleLR"]


class _WithMomentum(LRScheduler):
    """A schedule that sets the momentum too: ``momentum``, or the first of the ``betas``."""

    _remembers = False

    def _take_momentum(self, optimizer: Optimizer, cycle_momentum: bool, base: Any, highest: Any) -> None:
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.cycle_momentum = cycle_momentum
        self.base_momentums: list[float] = each("base_momentum", base, optimizer)
        self.max_momentums: list[float] = each("max_momentum", highest, optimizer)

    def _momentum(self, i: int) -> float:
        """Return the momentum of group ``i`` at ``last_epoch``."""
        raise NotImplementedError

    def _set(self, rates: list[float]) -> None:
        super()._set(rates)
        if self.cycle_momentum:
            for i, group in enumerate(self.optimizer.param_groups):
                if "betas" in group:
                    group["betas"] = (self._momentum(i), *group["betas"][1:])
                else:
                    group["momentum"] = self._momentum(i)


class CyclicLR(_WithMomentum):
    """Up to ``max_lr`` and down to ``base_lr``, straight, again and again (Smith 2017).

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float or list of float
    step_size_up : int, optional
        How many steps it takes up.
    step_size_down : int, optional
        How many down; as many by default.
    mode : {"triangular", "triangular2", "exp_range"}, optional
        Whether cycles stay as high, are half as high as the one before, or ``gamma**step`` times as high.
    gamma : float, optional
    scale_fn : callable, optional
        The height instead, from the number of the cycle (1, 2, ...) or of the step.
    scale_mode : {"cycle", "iterations"}, optional
        Which of them.
    cycle_momentum : bool, optional
        Whether the momentum goes down from ``max_momentum`` to ``base_momentum`` as the rate goes up.
    base_momentum, max_momentum : float or list of float, optional
    last_epoch : int, optional

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], momentum=0.9)
    >>> schedule = CyclicLR(optimizer, base_lr=0.1, max_lr=0.5, step_size_up=2)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> [round(rate, 6) for rate in rates]
    [0.1, 0.3, 0.5, 0.3, 0.1]
    """

    _functions = ("_scale_fns",)

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Function | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        self._take_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        self.max_lrs: list[float] = each("max_lr", max_lr, optimizer)
        self.mode, self.gamma = mode, gamma
        self._scale_fns = [] if scale_fn is None else [scale_fn]
        self.scale_mode = scale_mode if scale_fn is not None or mode != "exp_range" else "iterations"
        self.total_size = step_size_up + (step_size_up if step_size_down is None else step_size_down)
        self.step_ratio = step_size_up / self.total_size
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, each("base_lr", base_lr, optimizer), strict=True):
                group["lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = each("base_lr", base_lr, optimizer)  # the groups may hold another schedule's initial rates
        self._set(self._rates(self._next))

    def _height(self) -> float:
        """Return where in the cycle we are, between the base (0) and the top of the first cycle (1)."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        count = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fns:
            return part * self._scale_fns[0](count)
        if self.mode == "exp_range":
            return part * math.pow(self.gamma, count)
        return part if self.mode == "triangular" else part * 2.0 ** (1 - cycle)

    def _next(self, i: int, lr: float) -> float:
        low, high = self.base_lrs[i], self.max_lrs[i]
        return low + (high - low) * self._height()

    def _momentum(self, i: int) -> float:
        low, high = self.base_momentums[i], self.max_momentums[i]
        return high - (high - low) * self._height()


class OneCycleLR(_WithMomentum):
    """Up from ``max_lr / div_factor`` to ``max_lr``, then far down: one cycle for a whole run (Smith and Topin 2018).

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float or list of float
    total_steps : int, optional
        The length of the run; or give ``epochs`` and ``steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
    pct_start : float, optional
        What part of the steps goes up.
    anneal_strategy : {"cos", "linear"}, optional
    cycle_momentum : bool, optional
        Whether the momentum goes down from ``max_momentum`` to ``base_momentum`` and up again.
    base_momentum, max_momentum : float or list of float, optional
    div_factor, final_div_factor : float, optional
        How many times as low as ``max_lr`` the rate is at first, and how many times as low again at last.
    three_phase : bool, optional
        Come down as fast as up, and only then far down.
    last_epoch : int, optional

    Raises
    ------
    ValueError
        Also when a step is made after the last one.

    Examples
    --------
    >>> import nn
    >>> optimizer = nn.optim.SGD([nn.Parameter([1.0])], momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0 or not isinstance(total_steps, int):
            raise ValueError(f"Expected positive integer total_steps, but got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._take_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        self.max_lrs = each("max_lr", max_lr, optimizer)
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.final_div_factor, self.three_phase = final_div_factor, three_phase
        up = pct_start * total_steps
        self._turns = [up - 1, 2 * up - 2, total_steps - 1] if three_phase else [up - 1, total_steps - 1]
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group["initial_lr"] = highest / div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, levels: list[float]) -> float:
        """Return where we are on the way from level to level, one at the start and one at each turn."""
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. The specified number of total steps is {self.total_steps}"
            )
        phase = min(bisect_left(self._turns, self.last_epoch), len(self._turns) - 1)
        begin = self._turns[phase - 1] if phase else 0.0
        part = (self.last_epoch - begin) / ((self._turns[phase] - begin) or 1.0)
        start, end = levels[phase], levels[phase + 1]
        if self.anneal_strategy == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)

    def _next(self, i: int, lr: float) -> float:
        first, highest = self.base_lrs[i], self.max_lrs[i]
        last = first / self.final_div_factor
        return self._between([first, highest, first, last] if self.three_phase else [first, highest, last])

    def _momentum(self, i: int) -> float:
        low, high = self.base_momentums[i], self.max_momentums[i]
        return self._between([high, low, high, high] if self.three_phase else [high, low, high])
