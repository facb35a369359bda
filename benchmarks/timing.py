"""How a row is measured: everybody in turn, round after round, so that a noisy moment meets all alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.row import Row, Work

__all__ = ["Clock", "Measured", "measure"]

Clock = Callable[[], float]

_BATCH = 0.02  # seconds: runs shorter than this are timed several at a time
_BUDGET = 12.0  # seconds for the rounds of one row; a slow row has fewer rounds, but at least three
_LEAST = 3


@dataclass(frozen=True)
class Measured:
    """A row's figures: for each contender one a round, the rounds side by side."""

    row: Row
    samples: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Return a contender's median figure."""
        return statistics.median(self.samples[name])

    def spread(self, name: str) -> float:
        """Return half the distance between the quartiles, relative to the median."""
        low, middle, high = np.quantile(self.samples[name], (0.25, 0.5, 0.75))
        return float((high - low) / 2 / middle)

    def ratio(self, name: str, other: str) -> float:
        """Return by which factor a contender's figure exceeds another's: the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.samples[name], self.samples[other], strict=True))


def measure(row: Row, rounds: int, clock: Clock = time.perf_counter) -> Measured:
    """Check that all contenders come to the same result, then time them.

    Parameters
    ----------
    row : Row
    rounds : int
        How often each takes its turn.
    clock : callable, optional
        What tells the seconds.

    Raises
    ------
    AssertionError
        When two contenders disagree: then they do not do the same work.
    """
    names = list(row.works)
    _agree(row)
    loops = {name: _loops(row, row.works[name], clock) for name in names}
    samples: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.freeze()  # the collector is on, as in normal use, but does not search what the peers imported
    start = time.perf_counter()
    turn = 0
    while turn < rounds:
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()  # nobody pays for the cycles that another left behind
            samples[name].append(_figure(row, row.works[name], loops[name], clock) / row.per)
        turn += 1
        if row.unit == "B" or (turn >= _LEAST and time.perf_counter() - start > _BUDGET):
            break
    gc.unfreeze()
    return Measured(row, samples)


def _figure(row: Row, work: Work, loops: int, clock: Clock) -> float:
    if row.unit == "B":
        return float(work.run())
    run = work.run
    start = clock()
    for _ in range(loops):
        run()
    return (clock() - start) / loops


def _agree(row: Row) -> None:
    """Run every contender for the first time and compare what they came to."""
    results = {}
    for name, work in row.works.items():
        if row.unit == "s":
            work.run()
        results[name] = work.result()
    first, expected = next(iter(results.items()))
    for name, result in results.items():
        for i, (mine, theirs) in enumerate(zip(result, expected, strict=True)):
            error = float(np.max(np.abs(mine - theirs)) / np.max(np.abs(theirs)))
            assert error <= row.rtol, f"{row.title}: {name} and {first} differ by {error:.1e} in result {i}"


def _loops(row: Row, work: Work, clock: Clock) -> int:
    """Return how many runs make a sample that is long enough for the clock."""
    loops = 3 if row.unit == "s" else 1  # more than one, so that everybody meets the garbage of its own last run
    while row.unit == "s":
        seconds = _figure(row, work, loops, clock)
        if seconds * loops >= _BATCH / 2:
            break
        loops = math.ceil(min(_BATCH / seconds, 100 * loops))
    return loops
