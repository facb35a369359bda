"""Large inputs: random directions that see a single wrong entry, and bisection that names it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite.check.judge import Judge
from autograd_lite.check.report import Entry

__all__ = ["along_directions", "locate"]

_DIRECTIONS = 3
_NOISE = 16.0  # times the rounding that is to be expected of a sum: more is worth a search


def along_directions(
    judge: Judge, number: int, gradient: Any, rng: np.random.Generator
) -> tuple[list[Entry], list[str]]:
    """Compare an input's gradient along directions of +-1; return the comparisons, and notes.

    A direction can pass within the tolerance for its large sum while one entry is off by more than the tolerance for
    that entry. So whatever exceeds rounding starts a search for the entry, which then is judged by itself.
    """
    shape, name = np.shape(gradient), judge.problem.names[number]
    entries: list[Entry] = []
    notes: list[str] = []
    exact = searched = False
    for _ in range(_DIRECTIONS):
        direction = rng.choice([-1.0, 1.0], shape)
        along = _only(judge, number, direction)
        entry = judge(name, None, along, gradient, exact=exact)
        exact = entry.method == "complex-step"
        off, noise = judge.deviation(along, gradient, exact) if exact or not entry.ok else (0.0, 0.0)
        if (not entry.ok or abs(off) > _NOISE * noise) and not searched:
            searched = True
            index, count = locate(judge, number, direction, gradient, off, exact)
            unit = np.zeros(shape)
            unit[index] = 1.0
            found = judge(name, index, _only(judge, number, unit), gradient)
            if not found.ok:
                notes.append(
                    f"entry {index} of input {name} was found among {math.prod(shape):,} by {count} evaluations"
                )
                entry = found
        entries.append(entry)
    return entries, notes


def locate(
    judge: Judge, number: int, direction: Any, gradient: Any, off: float, exact: bool
) -> tuple[tuple[int, ...], int]:
    """Return the entry that a deviation along a direction comes from, and in how many evaluations it was found.

    Halves of the direction are set to zero, and the half that deviates more is halved again.
    """
    flat = np.ravel(direction)
    low, high, count = 0, flat.size, 0
    while high - low > 1:
        middle = (low + high) // 2
        part = np.zeros(flat.size)
        part[low:middle] = flat[low:middle]
        left, _ = judge.deviation(_only(judge, number, part.reshape(np.shape(direction))), gradient, exact)
        count += 1
        if abs(left) >= abs(off - left):
            high, off = middle, left
        else:
            low, off = middle, off - left
    return tuple(int(i) for i in np.unravel_index(low, np.shape(direction))), count


def _only(judge: Judge, number: int, direction: Any) -> list[Any]:
    return [direction if j == number else None for j in range(len(judge.problem.primals))]
