"""Derivatives by numbers alone, each with a bound on its own error.

Everything here sees a *path*: ``path(t)`` is the flat array of a function's outputs after a step ``t`` along some
direction. Three oracles answer for its slope at 0: the complex step (exact to rounding, but only for a function that
is analytic as written), Ridders' extrapolation of central differences, and extrapolated one-sided differences at kinks.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Slope", "complex_step", "ridders", "slope"]

Array = np.ndarray[Any, np.dtype[Any]]
Path = Callable[[Any], Array]

_EPS = float(np.finfo(np.float64).eps)
_LEVELS = 12
_TINY_STEP = 1e-20
_UNSEEN = 1e-12  # of the largest output: what may be rounding inside of a function, where intermediate results cancel


class Slope(NamedTuple):
    """The derivative of every output along a path: its value, a bound on its error, and where it is exact."""

    value: Array
    error: Array
    exact: Array

    def dot(self, weights: Array) -> tuple[float, float]:
        """Return the weighted sum over the outputs, and a bound on its error."""
        used = weights != 0
        terms = weights[used] * self.value[used]
        error = np.abs(weights[used]) * self.error[used]
        return float(np.sum(terms)), float(np.sum(error) + 4 * _EPS * np.sum(np.abs(terms)))


def slope(path: Path, scale: float = 1.0) -> Slope:
    """Return the slope at 0: by the complex step for the outputs where Ridders' extrapolation confirms it.

    Some functions are no functions of a complex number (``abs``), and some conjugate silently (``np.vdot``), hence the
    second opinion.

    Parameters
    ----------
    path : callable
        ``path(t)`` gives the outputs, a 1-D array, for real and (perhaps) for complex ``t``.
    scale : float
        The typical magnitude of what the step is added to.
    """
    value, error, doubt = _differences(path, scale, 0)
    found = Slope(value, np.maximum(error, doubt), np.zeros(value.shape, bool))
    stepped = complex_step(path)
    if stepped is None or stepped.shape != value.shape:
        return found
    with np.errstate(all="ignore"):
        rounding = 8 * _EPS * np.abs(stepped)
        agree = np.abs(stepped - value) <= 4 * error + rounding  # what is doubtful confirms nothing
    return Slope(np.where(agree, stepped, value), np.where(agree, rounding, found.error), agree)


def complex_step(path: Path) -> Array | None:
    """Return ``path(ih).imag / h`` for a tiny h, or None for a function that does not take complex numbers.

    References
    ----------
    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            outputs = path(complex(0.0, _TINY_STEP))
    except Exception:  # whatever a user's function makes of complex numbers: Ridders answers alone
        return None
    return outputs.imag / _TINY_STEP if np.iscomplexobj(outputs) else None


def ridders(path: Path, scale: float = 1.0, side: int = 0) -> Slope:
    """Extrapolate difference quotients to step 0; for each output the step and order with the smallest error bound win.

    Steps halve, from 1/8 and, as long as the bound is not near rounding, from ever smaller starts.

    Parameters
    ----------
    path, scale
        As for `slope`.
    side : {0, 1, -1}
        0 for the two-sided derivative; 1 and -1 for the slope to the right and to the left.

    References
    ----------
    C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4 (1982).
    """
    value, error, doubt = _differences(path, scale, side)
    return Slope(value, np.maximum(error, doubt), np.zeros(value.shape, bool))


def _differences(path: Path, scale: float, side: int) -> tuple[Array, Array, Array]:
    """Return values, the bounds that their tables give, and by how much other tables contradict them."""
    with np.errstate(all="ignore"):
        middle = path(0.0)
        value, error, step = (np.full(middle.shape, x) for x in (np.nan, np.inf, np.inf))
        constant, doubt = np.ones(middle.shape, bool), np.zeros(middle.shape)
        largest = _UNSEEN * float(np.max(np.abs(middle), initial=0.0, where=np.isfinite(middle)))
        for start, enough in _starts(scale):
            found = _extrapolated(path, middle, constant, start, scale, side)
            # Two answers that exclude each other: the finer step saw a detail that the coarse one missed. But a
            # difference that is lost among the rounding errors may as well come of those, so neither is sure.
            between = np.abs(found[0] - value)
            apart, finer = between > 4 * (found[1] + error), found[2] < step
            visible = between * np.minimum(found[2], step) > largest
            better = np.where(apart, finer == visible, found[1] < error)
            value, error, step = (
                np.where(better, new, old) for new, old in zip(found, (value, error, step), strict=True)
            )
            doubt = np.where(apart, np.where(visible, 0.0, np.maximum(doubt, between)), doubt)
            if np.all((np.maximum(error, doubt) <= enough * np.abs(value) + 1e-14) | ~np.isfinite(middle)):
                break
    return value, error, doubt


def _starts(scale: float) -> list[tuple[float, float]]:
    """Return the steps to begin with, and the relative error bound that makes the next ones needless.

    The small ones are for a kink close by; in a function that rounds much they would see nothing but rounding.
    """
    scale = scale if 0 < scale < math.inf else 1.0
    starts: dict[int, float] = {}
    for h, enough in ((0.125, 1e-11), (0.125 * scale, 1e-8), (1e-4, 1e-8), (1e-4 * scale, 1e-8), (1e-7, 1e-8)):
        exponent = math.floor(math.log2(max(h, 1e-290)))  # adding a power of two rounds least
        near = next((other for other in starts if abs(other - exponent) <= 2), exponent)
        starts[near] = enough
    return [(2.0**exponent, enough) for exponent, enough in starts.items()]


def _extrapolated(
    path: Path, middle: Array, constant: Array, h: float, scale: float, side: int
) -> tuple[Array, Array, Array]:
    """Return the best entry of one extrapolation table, output by output: its value, error bound and step.

    In ``constant`` it keeps track of the outputs that no step has changed yet. They alone have no rounding error: where
    only small steps change nothing, they may be too small.
    """

    def at(t: float) -> Array:
        try:
            return path(t)
        except (ArithmeticError, ValueError):  # a function that refuses what lies outside of its domain
            return np.full(middle.shape, np.nan)

    def quotient(h: float) -> tuple[Array, Array]:
        above, below = (at(side * h), middle) if side else (at(h), at(-h))
        np.logical_and(constant, above == below, out=constant)
        moved = np.where(above == below, 0.0, above - below)
        slope = moved * side / h if side else moved / (2 * h)
        rounding = _EPS * (np.maximum(np.abs(above), np.abs(below)) + scale * np.abs(slope)) / h
        return slope, np.where(constant, 0.0, rounding)

    known = np.isfinite(middle)
    ratio = 2.0 if side else 4.0
    value, error, step = (np.full(middle.shape, x) for x in (np.nan, np.inf, np.inf))
    row: list[Array] = []
    for _ in range(_LEVELS):
        slope, noise = quotient(h)
        for _ in range(40):
            if np.all(np.isfinite(slope) | ~known):
                break
            h /= 8  # outside of the domain: come closer, and begin the table again
            row = []
            slope, noise = quotient(h)
        new = [slope]
        for j, older in enumerate(row):
            entry = new[j] + (new[j] - older) / (ratio ** (j + 1) - 1)
            bound = np.maximum(np.maximum(np.abs(entry - new[j]), np.abs(entry - older)), noise)
            better = bound < error
            value, error = np.where(better, entry, value), np.where(better, bound, error)
            step = np.where(better, h, step)
            new.append(entry)
        row = new
        if len(row) > 2 and np.all((error <= np.maximum(1e-14 * np.abs(value), 2 * noise)) | ~known):
            break
        h /= 2
    # Rounding inside the function does not show in its result (1e6 + sin x - 1e6): measure it with two tiny steps.
    hidden = np.zeros(middle.shape)
    for tiny in (h * 2.0**-10, h * 2.0**-11):
        hidden = np.fmax(hidden, np.abs(quotient(tiny)[0] - value) * tiny)
    return value, np.fmax(error, hidden / step), step
