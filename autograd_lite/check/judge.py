"""The verdict on one derivative: the rules against the numbers, at kinks between the slopes of either side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.check.numeric import Array, Slope, complex_step, ridders, slope
from autograd_lite.check.problem import Problem
from autograd_lite.check.report import Entry

__all__ = ["Judge", "between", "trusted"]

_POINTS, _MORE_POINTS = 8, 48  # around a kink
_WIDENING = 4.0
_ROUGH = 1e-6  # the relative error of a slope at such a point


class Judge:
    """Compares derivatives of one problem, each along one direction.

    Parameters
    ----------
    problem : Problem
    weights : ndarray
        What the outputs are weighted with, as one flat array.
    order : int
        To be noted in the entries.
    rtol, atol : float
        See `gradcheck`.
    """

    def __init__(self, problem: Problem, weights: Array, order: int, rtol: float, atol: float) -> None:
        self.problem, self.weights, self.order, self.rtol, self.atol = problem, weights, order, rtol, atol

    def __call__(
        self,
        name: str,
        index: tuple[int, ...] | None,
        along: list[Any],
        gradient: Any,
        kinked: bool = False,
        exact: bool = False,
    ) -> Entry:
        """Compare along a direction: of one input, whose gradient is given, or, ``kinked``, of all of them together.

        ``exact`` says that the complex step was confirmed along another direction: it is believed when it agrees.
        """
        gradients = gradient if kinked else [gradient if d is not None else None for d in along]
        analytic, rounding = _dot(gradients, along)
        path = self.problem.path(along)
        scale = _scale(self.problem.primals, along)
        found = _stepped(path) if exact else None
        if found is None or not self._ratio(analytic, *_plus(found.dot(self.weights), rounding)) <= 1:
            found = slope(path, scale)
        numeric, error = found.dot(self.weights)
        method = "complex-step" if np.all(found.exact | (self.weights == 0) | (found.error == 0)) else "ridders"
        lowest = highest = numeric
        vague = not error <= 1e-3 * abs(numeric) + 1e-6
        right = self._ratio(analytic, numeric, error + rounding) <= 1
        confirmed = bool(np.all(found.exact | (self.weights == 0)))  # which at a kink it is not
        if kinked or vague or not (right or confirmed):
            sides = ridders(path, scale, 1), ridders(path, scale, -1)
            if trusted(sides, self.weights):
                nearby = self._nearby(along, scale, _POINTS) if kinked else []
                low, high, kink_error = between(sides, nearby, self.weights, _WIDENING)
                if kinked or high - low > 8 * kink_error + 1e-7 * max(abs(low), abs(high)):
                    method, lowest, highest, error = "kink", low, high, kink_error
                elif abs((low + high) / 2 - numeric) > 4 * (error + kink_error):
                    numeric, error = (low + high) / 2, kink_error  # the two sides agree: a kink close by, not here
            elif vague or kinked:
                method = "undefined"
        nearest = min(max(analytic, lowest), highest) if method == "kink" else numeric
        if method == "kink" and not kinked and not self._ratio(analytic, nearest, error + rounding) <= 1:
            # Of three tied entries, a sort may put this one in the middle: only steps to all sides see that.
            around = self._nearby(along, scale, _MORE_POINTS)
            low, high, _ = between(sides, around, self.weights, 0.0)
            nearest = min(max(analytic, low), high)
            error += 0.0 if lowest <= nearest <= highest else _ROUGH * max(abs(low), abs(high))
        ratio = 0.0 if method == "undefined" else self._ratio(analytic, nearest, error + rounding)
        return Entry(name, index, analytic, nearest, error, method, self.order, ratio)

    def deviation(self, along: list[Any], gradient: Any, exact: bool) -> tuple[float, float]:
        """Return by how much a gradient is off along a direction, and how much of it may be rounding."""
        path = self.problem.path(along)
        found = _stepped(path) if exact else None
        if found is None:
            found = slope(path, _scale(self.problem.primals, along))
        direction = next(d for d in along if d is not None)
        used = (self.weights != 0) & (found.value != 0)
        terms = self.weights[used] * found.value[used]
        mine = np.asarray(gradient, dtype=np.float64)[direction != 0] * direction[direction != 0]
        with np.errstate(all="ignore"):
            off = float(np.sum(mine, dtype=np.longdouble) - np.sum(terms, dtype=np.longdouble))
            return off, float(np.finfo(np.float64).eps * math.sqrt(np.sum(mine * mine) + np.sum(terms * terms)))

    def _nearby(self, along: list[Any], scale: float, points: int) -> list[Array]:
        """Return rough slopes along a direction at points around, each on some side of every kink."""
        rng = np.random.default_rng(0)
        far, near = 1e-6 * max(scale, 1e-6), 1e-8 * max(scale, 1e-6)
        slopes = []
        for k in range(points):
            shapes = [np.shape(x) for x in self.problem.primals]
            starts = [far * ((1 - 2 * k) * np.ones(s) if k < 2 else rng.uniform(-1, 1, s)) for s in shapes]
            ends = [s if d is None else s + near * d for s, d in zip(starts, along, strict=True)]
            with np.errstate(all="ignore"):
                slopes.append((self.problem.path(ends)(1.0) - self.problem.path(starts)(1.0)) / near)
        return slopes

    def _ratio(self, analytic: float, numeric: float, error: float) -> float:
        if not (math.isfinite(analytic) and math.isfinite(numeric)):
            return 0.0 if analytic == numeric else math.inf
        if error == math.inf:
            return math.inf
        allowed = self.atol + self.rtol * max(abs(analytic), abs(numeric)) + 4 * error
        return abs(analytic - numeric) / allowed if allowed else (math.inf if analytic != numeric else 0.0)


def _stepped(path: Any) -> Slope | None:
    """Return the complex step unconfirmed."""
    value = complex_step(path)
    if value is None:
        return None
    return Slope(value, 8 * float(np.finfo(np.float64).eps) * np.abs(value), np.ones(value.shape, bool))


def _plus(pair: tuple[float, float], error: float) -> tuple[float, float]:
    return pair[0], pair[1] + error


def _dot(gradients: Sequence[Any], along: Sequence[Any]) -> tuple[float, float]:
    """Return the derivative along a direction that gradients give, and a bound on its rounding error."""
    terms = [
        np.asarray(g, dtype=np.float64)[d != 0] * d[d != 0]
        for g, d in zip(gradients, along, strict=True)
        if d is not None
    ]
    total = float(sum(np.sum(t) for t in terms))
    size = sum(t.size for t in terms)
    return total, float(np.finfo(np.float64).eps * sum(np.sum(np.abs(t)) for t in terms)) if size > 1 else 0.0


def _scale(primals: Sequence[Any], along: Sequence[Any]) -> float:
    moved = [
        np.abs(np.asarray(x, dtype=np.float64)[d != 0]) for x, d in zip(primals, along, strict=True) if d is not None
    ]
    sizes = np.concatenate(moved) if moved else np.zeros(0)
    return float(np.median(sizes)) if sizes.size else 1.0


def trusted(sides: tuple[Slope, Slope], weights: Array) -> bool:
    """Return whether both one-sided slopes exist and are known well enough to judge by."""
    used = weights != 0
    return all(bool(np.all(side.error[used] <= 1e-4 * np.abs(side.value[used]) + 1e-6)) for side in sides)


def between(
    sides: tuple[Slope, Slope], nearby: list[Array], weights: Array, widening: float
) -> tuple[float, float, float]:
    """Return the lowest and highest derivative that a choice between the slopes around a kink gives, output by output.

    Several kinks may meet in one output, and a few points nearby do not show all combinations of their sides: where
    the slopes nearby differ, the interval is widened.
    """
    used = weights != 0
    slopes = weights[used] * np.array([side.value[used] for side in sides])
    low, high = np.min(slopes, axis=0), np.max(slopes, axis=0)
    if nearby:
        around = np.concatenate([slopes, weights[used] * np.array([d[used] for d in nearby])])
        low, high = (low, high) if widening else (np.min(around, axis=0), np.max(around, axis=0))
        spread = np.ptp(around, axis=0)
        spread[spread <= 1e-4 * np.max(np.abs(around), axis=0, initial=1e-4)] = 0.0
        low, high = low - widening * spread, high + widening * spread
    error = np.sum(np.abs(weights[used]) * sum(side.error[used] for side in sides))
    return float(np.sum(low)), float(np.sum(high)), float(error)
