"""Callback: the base of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["AfterEpoch", "Callback", "monitored"]


class Callback:
    """What is told of the course of a run; override what you need.

    A callback with a memory gives it in ``state_dict()`` and takes it back in ``load_state_dict()``, so that a
    resumed run goes on as if it had never stopped. It is to be made of what `copy.deepcopy` and `pickle` can copy: open
    files in ``on_train_begin`` and close them in ``on_train_end``.

    Attributes
    ----------
    order : int
        Callbacks are told in this order, and then in that in which they were given.
    leads : bool
        Whether this process is the one that writes files and shows progress.
    """

    order: int = 0
    leads: bool = True

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_ready(self, run: Run) -> None:
        """After every ``on_train_begin``, when a saved state is loaded."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_gradients(self, run: Run) -> None:
        """Between ``backward()`` and the optimiser's step."""

    def on_batch_end(self, run: Run) -> None:
        """After the optimiser's step."""

    def on_epoch_end(self, run: Run) -> None:
        """After validation, when the row of the history is complete."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback remembers: numbers, texts, arrays, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict()`` returned."""


class AfterEpoch(Callback):
    """A function that is called with the run after each epoch.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def monitored(run: Run, name: str) -> float:
    """Return the figure of this name of the epoch that just ended."""
    if name not in run.figures:
        known = ", ".join(x for x in run.figures if x not in ("epoch", "seconds"))
        hint = "\nPass validation=... to fit." if name.startswith("val_") else ""
        raise KeyError(f"there is no figure {name!r} to watch; there are {known}{hint}")
    return float(run.figures[name])
