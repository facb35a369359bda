"""What writes the figures of a run down: CSV files, TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_lite import graph
from nn.callbacks.base import Callback

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["CSVLogger", "TensorBoard"]


class CSVLogger(Callback):
    """Write the history to a CSV file, a line an epoch as it ends.

    Parameters
    ----------
    path : path-like
        Overwritten; the rows of a resumed run are in it again.
    """

    def __init__(self, path: Any) -> None:
        self.path = path
        self._columns: list[str] | None = None

    def on_train_begin(self, run: Run) -> None:
        self._columns = None

    def on_epoch_end(self, run: Run) -> None:
        if not run.leads:
            return
        columns = run.history.columns
        whole = columns != self._columns
        self._columns = columns
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if whole else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if whole:
                writer.writeheader()
            writer.writerows(run.history.rows if whole else run.history.rows[-1:])


class TensorBoard(Callback):
    """Write scalars, and histograms of weights and gradients, for TensorBoard; needs tensorboardX.

    Parameters
    ----------
    folder : path-like
    histograms : int, optional
        Every how many epochs to write histograms; 0 writes none.
    """

    def __init__(self, folder: Any, histograms: int = 1) -> None:
        self.folder, self.histograms = folder, histograms
        self._writer: Any = None

    def on_train_begin(self, run: Run) -> None:
        if not run.leads:
            return
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError("the TensorBoard callback needs tensorboardX: install it") from None
        self._writer = SummaryWriter(str(self.folder))

    def on_epoch_end(self, run: Run) -> None:
        if self._writer is None:
            return
        for name, x in run.figures.items():
            if name != "epoch" and isinstance(x, (int, float)):
                part, _, plain = name.partition("_")
                tag = f"{plain}/validation" if part == "val" else f"{name}/training"
                self._writer.add_scalar(tag, x, run.epoch)
        if self.histograms and run.epoch % self.histograms == 0:
            for name, p in run.model.named_parameters():
                self._writer.add_histogram(f"weights/{name}", p.numpy(), run.epoch)
                if p.grad is not None:
                    self._writer.add_histogram(f"gradients/{name}", np.asarray(graph.data_of(p.grad)), run.epoch)
        self._writer.flush()

    def on_train_end(self, run: Run) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
