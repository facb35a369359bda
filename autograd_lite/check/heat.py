"""Where a gradient is wrong: the relative error of every entry of an input, as a table that fits a screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autograd_lite.check.numeric import Array
from autograd_lite.check.report import Entry, Report

__all__ = ["BOUNDS", "Heat", "heats", "level", "short"]

# A wrong entry is of the highest level whose bound its relative error reaches; 0 is for those that are right.
BOUNDS = (0.0, 1e-6, 1e-3, 0.1)
_TELLING = 0.05
_SUSPECT = 1e-6  # from where an entry counts as wrong that was located without a comparison of its own


@dataclass(frozen=True)
class Heat:
    """The errors of one input's gradient, as a matrix.

    Attributes
    ----------
    input : str
    order : int
    shape : tuple of int
        Of the input.
    error : ndarray
        Two-dimensional: the relative errors, NaN where nothing was compared. All axes but the last are rows.
    wrong : ndarray of bool
        Which of them fail.
    block : tuple of int
        How many rows and columns of entries stand in one cell, which shows the worst of them.
    """

    input: str
    order: int
    shape: tuple[int, ...]
    error: Array
    wrong: Array
    block: tuple[int, int] = (1, 1)

    @property
    def rows(self) -> list[str]:
        """The labels of the rows: the leading indices of their first entry."""
        leading = self.shape[:-1]
        places = [np.unravel_index(i * self.block[0], leading) for i in range(len(self.error))] if leading else [()]
        return [", ".join(str(int(i)) for i in place) for place in places]

    @property
    def columns(self) -> list[str]:
        """The labels of the columns: the last index of their first entry."""
        return [str(j * self.block[1]) for j in range(self.error.shape[1])]

    @property
    def is_telling(self) -> bool:
        """Whether there is a pattern to be seen: several entries, of which more than a few were compared."""
        known = int(np.count_nonzero(~np.isnan(self.error)))
        return self.error.size > 1 and known >= _TELLING * self.error.size

    def folded(self, rows: int, columns: int) -> Heat:
        """Return the same errors in at most so many rows and columns."""
        sides = zip(self.error.shape, (rows, columns), strict=True)
        down, across = (max(1, math.ceil(size / most)) for size, most in sides)
        if (down, across) == (1, 1):
            return self
        error = _worst(np.where(np.isnan(self.error), -1.0, self.error), down, across, -1.0)
        wrong = _worst(self.wrong, down, across, False)
        failing = _worst(np.where(self.wrong, self.error, -1.0), down, across, -1.0)
        error = np.where(wrong, failing, error)
        return Heat(self.input, self.order, self.shape, np.where(error < 0, np.nan, error), wrong, (down, across))


def heats(report: Report) -> list[Heat]:
    """Return a table for every input, and order, of which single entries were compared; those with failures first."""
    groups: dict[tuple[str, int], list[Entry]] = {}
    for entry in report.entries:
        if entry.index:
            groups.setdefault((entry.input, entry.order), []).append(entry)
    for name, errors in report.errors.items():
        if np.ndim(errors) and not np.all(np.isnan(errors)):
            groups.setdefault((name, 1), [])
    found = [_heat(name, order, entries, report) for (name, order), entries in groups.items()]
    return sorted(found, key=lambda heat: not np.any(heat.wrong))


def _heat(name: str, order: int, entries: list[Entry], report: Report) -> Heat:
    known = report.errors.get(name)
    if known is None:
        indices = [entry.index for entry in entries if entry.index]
        known = np.full(tuple(1 + max(along) for along in zip(*indices, strict=True)), np.nan)
    error = np.array(known, dtype=np.float64) if order == 1 else np.full(np.shape(known), np.nan)
    wrong = error > _SUSPECT
    for entry in entries:
        assert entry.index is not None
        error[entry.index] = math.inf if math.isnan(entry.rel) else entry.rel
        wrong[entry.index] = not entry.ok
    flat = (-1, error.shape[-1])
    return Heat(name, order, error.shape, error.reshape(flat), wrong.reshape(flat))


def _worst(x: Array, down: int, across: int, filling: float) -> Array:
    """Return the largest number of every block of so many rows and columns."""
    padding = [(0, -size % step) for size, step in zip(x.shape, (down, across), strict=True)]
    whole = np.pad(x, padding, constant_values=filling)
    blocks = whole.reshape(whole.shape[0] // down, down, whole.shape[1] // across, across)
    return np.asarray(np.max(blocks, axis=(1, 3)))


def level(error: float, wrong: bool) -> int | None:
    """Return how wrong an entry is: 0 for right, 1 to 4 by the size of its error, None for not compared."""
    if math.isnan(error):
        return None
    return sum(error >= bound for bound in BOUNDS) if wrong else 0


def short(error: float) -> str:
    """Write an error in a few letters: ``2``, ``0.5``, ``1e-16``.

    Examples
    --------
    >>> short(2.04), short(1.2e-16), short(0.0)
    ('2', '1e-16', '0')
    """
    text = f"{error:.1g}"
    return text.replace("e-0", "e-").replace("e+0", "e")
