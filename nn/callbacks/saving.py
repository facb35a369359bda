"""Checkpoints of a run, and going on from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn.callbacks.base import Callback
from nn.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["Checkpoint", "newest_checkpoint"]


class Checkpoint(Callback):
    """Save the whole state of the run after epochs, and go on from the newest one: run the same program again.

    A killed run that is started again goes on after its last checkpoint and gives, bit for bit, what it would have
    given: weights, optimiser, schedule and other callbacks, every random generator of the run, and the history are in
    the file. It has to be set up as it was, with as many epochs or more.

    Parameters
    ----------
    folder : path-like
        For ``epoch-0001.safetensors`` and so on.
    every : int, optional
        Every how many epochs to save; the last one is saved in any case.
    keep : int or None, optional
        How many of the newest files to keep; None keeps all.
    resume : bool, optional
        False begins anew, over what is there.

    Notes
    -----
    A file is written under another name, brought to the disk, and then renamed: it is whole, or not there. One that
    was damaged later is passed over with a warning, and the one before it taken.
    """

    order = 1

    def __init__(self, folder: Any, every: int = 1, keep: int | None = 3, resume: bool = True) -> None:
        if every < 1 or (keep is not None and keep < 1):
            raise ValueError(f"every and keep must be at least 1, got {every} and {keep}")
        self.folder, self.every, self.keep, self.resume = folder, every, keep, resume

    def on_train_begin(self, run: Run) -> None:
        if not run.leads:
            return
        for left_over in Path(self.folder).glob(".epoch-*.tmp"):
            left_over.unlink(missing_ok=True)
        if self.resume:
            state = newest_checkpoint(self.folder)
            if state is not None:
                run.load_state_dict(state)
        else:
            for old in _numbered(self.folder):
                old.unlink(missing_ok=True)

    def on_epoch_end(self, run: Run) -> None:
        if run.leads and (run.epoch % self.every == 0 or run.epoch == run.epochs or run.stop):
            save_checkpoint(Path(self.folder) / f"epoch-{run.epoch:04d}.safetensors", run.state_dict())
            for old in _numbered(self.folder)[self.keep :] if self.keep else ():
                old.unlink(missing_ok=True)


def newest_checkpoint(folder: Any) -> dict[str, Any] | None:
    """Return the newest state in a folder of checkpoints; None if there is none.

    Parameters
    ----------
    folder : path-like

    Raises
    ------
    CheckpointError
        When there are files, but none can be read.
    """
    files = _numbered(folder)
    for i, file in enumerate(files):
        try:
            return load_checkpoint(file)
        except CheckpointError as error:
            if i + 1 == len(files):
                raise
            warnings.warn(f"{error}\nThe checkpoint before it is taken, {files[i + 1].name}.", stacklevel=2)
    return None


def _numbered(folder: Any) -> list[Path]:
    """Return the checkpoints in a folder, the newest first."""
    numbers = {path: path.stem.removeprefix("epoch-") for path in Path(folder).glob("epoch-*.safetensors")}
    return sorted((path for path, n in numbers.items() if n.isdecimal()), key=lambda p: -int(numbers[p]))
