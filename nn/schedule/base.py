"""LRScheduler: how a schedule begins, advances, and is saved."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from autograd_lite.taped import effect
from nn.optim import Optimizer

__all__ = ["Function", "LRScheduler", "each"]

Function = Callable[[Any], float]


class LRScheduler:
    """The base of the schedules: a subclass defines ``_next``.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' ``"lr"`` is what changes; the rate that it has now is kept as ``"initial_lr"``.
    last_epoch : int, optional
        The last epoch of a run that is resumed, whose groups hold ``"initial_lr"``; -1 starts anew.

    Attributes
    ----------
    last_epoch : int
        How many steps were taken.
    base_lrs : list of float
        The rates that the schedule starts from.

    Raises
    ------
    KeyError
        When resuming with groups that hold no ``"initial_lr"``.
    """

    _remembers: ClassVar[bool] = True  # whether the next rate is made from the last one
    _functions: ClassVar[tuple[str, ...]] = ()  # attributes that hold lists of functions, which a file cannot

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming with last_epoch >= 0: "
                    "load the optimizer's state first, or give the group an 'initial_lr'"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        if self.last_epoch == 0:
            self._begin()
        else:
            self._set(self._rates((lambda i, lr: lr) if self._remembers else self._next))

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        self._stepped = False

    def _first(self, i: int, lr: float) -> float:
        """Return the rate of group ``i`` at epoch 0, from the one it has."""
        return lr if self._remembers else self._next(i, lr)

    def _next(self, i: int, lr: float) -> float:
        """Return the rate of group ``i`` at ``last_epoch``, from the one it has."""
        raise NotImplementedError

    def _rates(self, rule: Callable[[int, float], float]) -> list[float]:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ValueError(
                f"the optimizer had {len(self.base_lrs)} parameter groups when this {type(self).__name__} was made, "
                f"now it has {len(groups)}.\nMake the schedule anew after add_param_group."
            )
        return [rule(i, group["lr"]) for i, group in enumerate(groups)]

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def _begin(self) -> None:
        """Set the rates of epoch 0, on top of what other schedules did."""
        self.last_epoch = 0
        self._set(self._rates(self._first))

    def _restart(self) -> None:
        """Set the rates of epoch 0, whatever they are now."""
        self._set(list(self.base_lrs))
        self._begin()

    def _advance(self) -> None:
        """Set the rates of the next epoch."""
        self.last_epoch += 1
        self._set(self._rates(self._next))

    def step(self) -> None:
        """Go on to the next rate.

        Warns
        -----
        UserWarning
            When the optimiser has not made a step yet.
        """
        self._check_order()
        effect(self._go_on)

    def _go_on(self) -> None:
        self._stepped = True
        self._advance()

    def _replay_reads(self) -> Any:
        """Return what a recording depends on: not the rates, which each step reads anew."""
        return (self.optimizer,)

    def _check_order(self) -> None:
        if not (self._stepped or self.last_epoch or self.optimizer.has_stepped):
            warnings.warn(
                "schedule.step() before optimizer.step(): the first rate of the schedule is never used.\n"
                "Call optimizer.step() first, schedule.step() then.",
                stacklevel=3,
            )
        self._stepped = True

    def get_last_lr(self) -> list[float]:
        """Return the rate of each group that was set last."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state: numbers, strings, and lists and dicts of them.

        Functions are left out; of callable objects the attributes are kept.
        """
        state = {k: _copied(x) for k, x in vars(self).items() if k not in ("optimizer", *self._functions)}
        for name in self._functions:
            state[name] = [None if isinstance(f, _FUNCTIONS) else dict(vars(f)) for f in vars(self)[name]]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state, and set the rates that it was saved with: all or, after an error, nothing.

        Parameters
        ----------
        state_dict : mapping
            As ``state_dict()`` of the same kind of schedule makes.
        """
        self._check_state(state_dict)
        self._load(state_dict)

    def _check_state(self, state_dict: Mapping[str, Any]) -> None:
        wrong = sorted(state_dict.keys() ^ (vars(self).keys() - {"optimizer"}))
        if wrong:
            raise ValueError(f"this is no state dict of a {type(self).__name__}: look at {', '.join(map(repr, wrong))}")
        saved, groups = len(state_dict["_last_lr"]), len(self.optimizer.param_groups)
        if saved != groups:
            raise ValueError(f"the state dict has rates for {saved} parameter groups, the optimizer has {groups}")

    def _load(self, state_dict: Mapping[str, Any]) -> None:
        for name, x in state_dict.items():
            if name not in self._functions:
                setattr(self, name, _copied(x))
                continue
            for function, attributes in zip(getattr(self, name), x, strict=True):
                if attributes is not None:
                    vars(function).update(attributes)
        self._set(self._last_lr)


_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def _copied(x: Any) -> Any:
    return list(x) if isinstance(x, (list, tuple)) else x


def each(name: str, x: Any, optimizer: Optimizer) -> list[Any]:
    """Return a setting for each parameter group, of one for all or a list of them."""
    count = len(optimizer.param_groups)
    if not isinstance(x, (list, tuple)):
        return [x] * count
    if len(x) != count:
        raise ValueError(f"{name}: expected one for each of {count} parameter groups, got {len(x)}")
    return list(x)
