"""A line search for the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6).

Trial steps come from cubic interpolation, with the safeguards of Schmidt's minFunc (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

_DECREASE = 1e-4  # of the decrease that the slope promises, what must come true
_FLATTER = 0.9  # of the slope at the start, what may be left


class Point(NamedTuple):
    """A place on the line: the step that leads there, the loss, the gradient, and its slope along the line."""

    step: float
    loss: float
    gradient: np.ndarray[Any, Any]
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    step: float,
    longest: float,
    most: int = 25,
    tolerance: float = 1e-9,
) -> tuple[Point, int]:
    """Find a step that lowers the loss enough and flattens its slope enough.

    An infinite loss counts as too high, so that the search turns back.

    Parameters
    ----------
    evaluate : callable
        From a step to its `Point`.
    start : Point
        That of step 0; its slope is negative.
    step : float
        The first to try.
    longest : float
        The largest entry of the direction: intervals that move no entry by more than the tolerance are not divided.
    most : int, optional
        How often to look further than the first step.
    tolerance : float, optional

    Returns
    -------
    Point
        The lowest that was found.
    int
        How many points were evaluated.
    """

    def too_high(point: Point) -> bool:
        return not point.loss <= start.loss + _DECREASE * point.step * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -_FLATTER * start.slope

    before, here = start, evaluate(step)
    tries = 0
    while True:  # go out until the line is known to rise again
        if tries >= most:
            return _sorted(start, here)[0], tries + 1
        if too_high(here) or (tries > 1 and not here.loss < before.loss):
            break
        if flat(here):
            return here, tries + 1
        if here.slope >= 0:
            break
        bounds = here.step + 0.01 * (here.step - before.step), here.step * 10
        before, here = here, evaluate(_cubic_minimum(before, here, bounds))
        tries += 1

    ends = [before, here]
    low, high = _sorted(before, here)
    stuck = False
    while tries < most and abs(high.step - low.step) * longest >= tolerance:
        first, last = sorted(point.step for point in ends)
        step = _cubic_minimum(ends[0], ends[1], (first, last))
        margin = 0.1 * (last - first)
        near_an_end = min(last - step, step - first) < margin
        if near_an_end and (stuck or step >= last or step <= first):
            step = last - margin if abs(step - last) < abs(step - first) else first + margin
            near_an_end = False
        stuck = near_an_end
        here = evaluate(step)
        tries += 1
        if too_high(here) or not here.loss < low.loss:
            ends[_index(ends, high)] = here
            low, high = _sorted(*ends)
            continue
        if flat(here):
            return here, tries + 1
        where = _index(ends, low)
        if here.slope * (high.step - low.step) >= 0:
            ends[1 - where] = high = low
        ends[where] = low = here
    return low, tries + 1


def _index(ends: list[Point], point: Point) -> int:
    return 0 if ends[0] is point else 1


def _sorted(a: Point, b: Point) -> tuple[Point, Point]:
    """Return the lower of two points first."""
    return (b, a) if b.loss < a.loss else (a, b)


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through two points with their slopes is lowest, within bounds; else their middle."""
    left, right = (a, b) if a.step <= b.step else (b, a)
    chord = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = chord * chord - a.slope * b.slope
    if not 0 <= square < math.inf:
        return (bounds[0] + bounds[1]) / 2
    root = math.sqrt(square)
    over, under = right.slope + root - chord, right.slope - left.slope + 2 * root
    if under == 0:  # a straight line
        return bounds[1] if over < 0 else bounds[0]
    share = over / under
    return min(max(right.step - (right.step - left.step) * share, bounds[0]), bounds[1])
