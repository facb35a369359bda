"""What changes the steps: learning-rate schedules and gradient clipping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from nn import utils
from nn.callbacks.base import Callback, monitored

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["GradientClipping", "Schedule"]


class Schedule(Callback):
    """Take the steps of a learning-rate schedule.

    Parameters
    ----------
    schedule : object
        One of `nn.schedule`, or anything else with ``step()``.
    per : {"epoch", "batch"}, optional
        How often to take a step. `OneCycleLR` per batch is over after ``total_steps``: make that epochs times batches,
        ``epochs * len(loader)``, of all the training that is to come.
    monitor : str, optional
        The column of the history that ``step(figure)`` is given, for `ReduceLROnPlateau`.
    """

    def __init__(self, schedule: Any, per: Literal["epoch", "batch"] = "epoch", monitor: str | None = None) -> None:
        if per not in ("epoch", "batch"):
            raise ValueError(f"per must be 'epoch' or 'batch', got {per!r}")
        if monitor is not None and per == "batch":
            raise ValueError("a schedule that watches a figure takes its steps per epoch")
        self.schedule, self.per, self.monitor = schedule, per, monitor

    def on_batch_end(self, run: Run) -> None:
        if self.per == "batch":
            self.schedule.step()

    def on_epoch_end(self, run: Run) -> None:
        if self.per == "epoch":
            self.schedule.step(*() if self.monitor is None else (monitored(run, self.monitor),))

    def state_dict(self) -> dict[str, Any]:
        return dict(self.schedule.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.schedule.load_state_dict(state)


class GradientClipping(Callback):
    """Bound the gradient before each step.

    Parameters
    ----------
    max_norm : float, optional
        Scale all gradients together so that their norm is at most this (Pascanu et al. 2013).
    value : float, optional
        Cut each entry to between plus and minus this.
    norm_type : float, optional
    """

    def __init__(self, max_norm: float | None = None, value: float | None = None, norm_type: float = 2.0) -> None:
        if (max_norm is None) == (value is None):
            raise ValueError("give either max_norm or value")
        self.max_norm, self.value, self.norm_type = max_norm, value, norm_type

    def on_gradients(self, run: Run) -> None:
        params = [p for group in run.optimizer.param_groups for p in group["params"]]
        if self.max_norm is not None:
            utils.clip_grad_norm_(params, self.max_norm, self.norm_type)
        if self.value is not None:
            utils.clip_grad_value_(params, self.value)
