"""The progress bar of a training run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Bar", "progress_bar"]

_PAUSE = 0.1  # seconds between two updates of the figures


class Bar:
    """A bar of tqdm's with the figures of a run behind it, or nothing at all.

    Parameters
    ----------
    bar : tqdm.tqdm or None
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._shown = 0.0

    def advance(self, run: Any) -> None:
        """Count a batch, and show the means of the epoch so far now and then."""
        if self._bar is not None:
            self._bar.update()
            if time.perf_counter() - self._shown > _PAUSE:
                self.show(run, run.so_far())

    def show(self, run: Any, figures: Mapping[str, Any]) -> None:
        """Show these figures and the learning rate."""
        if self._bar is not None:
            self._shown = time.perf_counter()
            self._bar.set_description(f"epoch {run.epoch}/{run.epochs}", refresh=False)
            numbers = {name: x for name, x in figures.items() if isinstance(x, (int, float))}
            shown = {name: f"{x:.4g}" for name, x in numbers.items() if name not in ("epoch", "seconds")}
            self._bar.set_postfix({**shown, "lr": f"{run.lr:.4g}"}, refresh=False)


@contextlib.contextmanager
def progress_bar(total: int | None, shown: bool, done: int = 0) -> Iterator[Bar]:
    """Give a bar of so many batches, with the time left as tqdm estimates it; it needs tqdm if it is ``shown``."""
    if not shown:
        yield Bar(None)
        return
    try:
        from tqdm import tqdm
    except ImportError:
        raise ImportError("the progress bar needs tqdm: install it, or pass progress=False") from None
    with tqdm(total=total, initial=done, unit="batch", dynamic_ncols=True) as bar:
        yield Bar(bar)
