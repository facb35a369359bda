"""Early stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from nn.callbacks.base import Callback, monitored

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """End the run when a figure no longer gets better, and go back to the weights with which it was best.

    Parameters
    ----------
    monitor : str, optional
        A column of the history.
    patience : int, optional
        How many epochs in a row may bring nothing better.
    min_delta : float, optional
        By how much a figure must be better to count.
    mode : {"auto", "min", "max"}, optional
        Whether less is better; ``"auto"`` takes it to be so for names with "loss" or "error" in them.
    restore_best : bool, optional
        False leaves the weights as they are at the end.

    Attributes
    ----------
    best : float
        The best figure.
    best_epoch : int
        Its epoch; 0 before there is one.

    Examples
    --------
    >>> import numpy as np, autograd_lite as ag, nn
    >>> from nn.train import fit
    >>> _ = ag.manual_seed(0)
    >>> x = np.linspace(-1, 1, 20).reshape(-1, 1)
    >>> model = nn.Linear(1, 1)
    >>> optimizer = nn.optim.SGD(model.parameters(), lr=0.5)
    >>> stopping = EarlyStopping(monitor="loss", patience=3, min_delta=1e-6)
    >>> history = fit(model, nn.MSELoss(), optimizer, (x, 2 * x), epochs=500, callbacks=[stopping], progress=False)
    >>> len(history) < 100
    True
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["auto", "min", "max"] = "auto",
        restore_best: bool = True,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        less = mode == "min" or (mode == "auto" and any(word in monitor for word in ("loss", "error")))
        self.sign, self.restore_best = (1.0 if less else -1.0), restore_best
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch, self.waited = self.sign * math.inf, 0, 0
        self._weights: dict[str, Any] | None = None

    def on_train_begin(self, run: Run) -> None:
        self._forget()

    def on_epoch_end(self, run: Run) -> None:
        figure = monitored(run, self.monitor)
        if self.sign * figure < self.sign * self.best - self.min_delta:
            self.best, self.best_epoch, self.waited = figure, run.epoch, 0
            if self.restore_best:
                self._weights = run.model.state_dict()
            return
        self.waited += 1
        if self.waited >= self.patience:
            run.stop = True
            run.history.ended = f"stopped early: no better {self.monitor} than in epoch {self.best_epoch}"

    def on_train_end(self, run: Run) -> None:
        if self._weights is not None:
            run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        self._weights = state["weights"]
