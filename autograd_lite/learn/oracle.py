"""The truth about a gradient exercise: numeric derivatives of its forward function, with their own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite.check.numeric import Array, complex_step, ridders, slope
from autograd_lite.learn.child import Case

__all__ = ["Oracle"]

_RTOL, _ATOL = 1e-9, 1e-12
_EPS = float(np.finfo(np.float64).eps)
_DIRECTIONS = 6


@dataclass(frozen=True)
class Derivative:
    """The slope of the loss along a direction: the lowest and highest that are right (one number but at a kink)."""

    low: float
    high: float
    error: float

    def accepts(self, claim: float) -> bool:
        """Return whether a claimed slope is right within the tolerance and the numbers' own error."""
        allowed = _ATOL + _RTOL * max(abs(claim), abs(self.low), abs(self.high)) + 4 * self.error
        return self.low - allowed <= claim <= self.high + allowed


class Oracle:
    """Judges the gradients of one case, where the loss is ``sum(g * y)``.

    Attributes
    ----------
    forward : callable
        The function, of the case's inputs by name.
    truth : dict of str to ndarray
        The gradient of each input that asks for one, by its name (``dx``). At a kink the mean of the two slopes.
    error : dict of str to ndarray
        A bound on the error of each of its entries.
    """

    def __init__(self, forward: Callable[..., Any], case: Case, names: list[str]) -> None:
        self.forward, self._case = forward, case
        upstream = case.upstream if isinstance(case.upstream, tuple) else (case.upstream,)
        self._weights = np.concatenate([np.ravel(g) for g in upstream])
        self.truth: dict[str, Array] = {}
        self.error: dict[str, Array] = {}
        for name in names:
            shape = np.shape(case.inputs[name[1:]])
            units = _units(name, shape)
            pairs = self._stepped(name, units) or [self._slope(unit) for unit in units]
            self.truth[name] = np.array([value for value, _ in pairs]).reshape(shape)
            self.error[name] = np.array([error for _, error in pairs]).reshape(shape)

    def right(self, name: str, claim: Array) -> tuple[Array, int]:
        """Return which entries of a claimed gradient are right, and how many lie at a kink."""
        truth = self.truth[name]
        right = np.abs(claim - truth) <= _ATOL + _RTOL * np.maximum(np.abs(claim), np.abs(truth)) + 4 * self.error[name]
        kinks = 0
        for unit, index in zip(_units(name, truth.shape), np.ndindex(*truth.shape), strict=True):
            if not right[index]:
                sides = self._sides(unit)
                if sides.high - sides.low > 8 * sides.error + 1e-7:
                    right[index], kinks = sides.accepts(float(claim[index])), kinks + 1
        return right, kinks

    def together(self, claims: dict[str, Array]) -> bool:
        """Return whether gradients that are right entry by entry are right in their sum, which matters at kinks."""
        rng = np.random.default_rng(0)
        for k in range(_DIRECTIONS):
            signs = [1.0, 1.0] if k == 0 else [-1.0, 1.0]
            along = {name: rng.choice(signs, claim.shape) for name, claim in claims.items()}
            total = math.fsum(float(np.sum(claims[name] * along[name])) for name in claims)
            if not self._sides(along).accepts(total):
                return False
        return True

    def loss(self, name: str | None = None, index: tuple[int, ...] = (), step: float = 0.0) -> float:
        """Return the loss, perhaps with one entry of one input raised."""
        if name is None:
            return float(np.sum(self._path({})(0.0) * self._weights))
        unit = np.zeros(np.shape(self._case.inputs[name[1:]]))
        unit[index] = 1.0
        return float(np.sum(self._path({name: unit})(step) * self._weights))

    def _slope(self, along: dict[str, Array]) -> tuple[float, float]:
        return slope(self._path(along), self._scale(along)).dot(self._weights)

    def _stepped(self, name: str, units: list[dict[str, Array]]) -> list[tuple[float, float]]:
        """Return the gradient by complex steps alone, if Ridders' extrapolation confirms it along random directions."""
        steps = [complex_step(self._path(unit)) for unit in units]
        if not units or any(step is None for step in steps):
            return []
        terms = [self._weights * step for step in steps if step is not None]
        pairs = [(float(np.sum(t)), 8 * _EPS * float(np.sum(np.abs(t)))) for t in terms]
        rng = np.random.default_rng(0)
        for _ in range(2):
            signs = rng.choice([-1.0, 1.0], len(units))
            value, error = self._slope({name: np.sum([s * u[name] for s, u in zip(signs, units, strict=True)], axis=0)})
            total = math.fsum(s * v for s, (v, _) in zip(signs, pairs, strict=True))
            if not abs(total - value) <= 4 * error + math.fsum(e for _, e in pairs):
                return []
        return pairs

    def _path(self, along: dict[str, Array]) -> Callable[[Any], Array]:
        inputs = self._case.inputs

        def at(t: Any) -> Array:
            steps = {name[1:]: t * direction for name, direction in along.items()}
            outputs = self.forward(**{name: x + steps[name] if name in steps else x for name, x in inputs.items()})
            return np.concatenate([np.ravel(y) for y in (outputs if isinstance(outputs, tuple) else (outputs,))])

        return at

    def _scale(self, along: dict[str, Array]) -> float:
        moved = [np.abs(np.asarray(self._case.inputs[name[1:]]))[d != 0] for name, d in along.items()]
        return float(np.median(np.concatenate(moved))) or 1.0

    def _sides(self, along: dict[str, Array]) -> Derivative:
        path, scale = self._path(along), self._scale(along)
        right, left = ridders(path, scale, 1), ridders(path, scale, -1)
        a, b = self._weights * right.value, self._weights * left.value
        error = float(np.sum(np.abs(self._weights) * (right.error + left.error)))
        if not error <= 1e-5 * float(np.sum(np.abs(a) + np.abs(b))) + 1e-6:
            return Derivative(math.nan, math.nan, 0.0)
        return Derivative(float(np.sum(np.minimum(a, b))), float(np.sum(np.maximum(a, b))), error)


def _units(name: str, shape: tuple[int, ...]) -> list[dict[str, Array]]:
    units = []
    for index in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        units.append({name: unit})
    return units
