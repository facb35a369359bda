"""Numbers and arrays of a graph as what a record keeps of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.drawing.record import Numbers, Summary

__all__ = ["SMALL", "idle_share", "norm", "numbers_of"]

SMALL = 64  # arrays of at most so many entries are recorded whole

# Where an activation's output says that its slope is next to nothing: dead, or saturated.
_IDLE: dict[str, Callable[[Any], Any]] = {
    "relu": lambda y: y == 0,
    "tanh": lambda y: np.abs(y) > 0.99,
    "sigmoid": lambda y: np.abs(y - 0.5) > 0.49,
    "softsign": lambda y: np.abs(y) > 0.9,
    "erf": lambda y: np.abs(y) > 0.99,
}


def numbers_of(x: Any) -> Numbers:
    """Return a number as it is and an array as its summary."""
    if type(x) is float:
        return x
    array = np.asarray(x)
    if array.ndim == 0 and array.dtype.kind != "c":
        return float(array)
    if array.dtype.kind == "c":
        return Summary(norm(np.abs(array)))
    with np.errstate(all="ignore"):
        array = array.astype(np.float64, copy=False)
        return _summary(array)


def _summary(array: Any) -> Summary:
    size = array.size
    data = tuple(array.ravel().tolist()) if size <= SMALL else None
    if not size:
        return Summary(0.0, data=data)
    low, high, mean = float(array.min()), float(array.max()), float(array.mean())
    zeros = 1.0 - np.count_nonzero(array) / size
    if math.isfinite(low) and math.isfinite(high) and math.isfinite(mean):
        return Summary(norm(array), low, mean, high, zeros, data=data)
    good = array[np.isfinite(array)]
    nan = int(np.count_nonzero(np.isnan(array)))
    inf = size - good.size - nan
    total = math.nan if nan else math.inf if inf else norm(array)
    if not good.size:
        return Summary(total, None, None, None, zeros, nan, inf, data)
    low, high = float(good.min()), float(good.max())
    scale = max(-low, high) or 1.0
    return Summary(total, low, float((good / scale).mean()) * scale, high, zeros, nan, inf, data)


def norm(array: Any) -> float:
    """Return the Euclidean norm of all entries, safe from overflow."""
    flat = array.ravel()
    square = float(flat @ flat)
    if 1e-250 < square < math.inf or square != square or not flat.size:
        return math.sqrt(square)
    scale = float(np.max(np.abs(flat)))
    if scale == 0.0 or scale == math.inf:
        return scale
    flat = flat / scale
    return math.sqrt(float(flat @ flat)) * scale


def idle_share(op: str, data: Any) -> float | None:
    """Return the share of an activation's units that are dead or saturated; along a batch, in all its samples."""
    test = _IDLE.get(op)
    if test is None:
        return None
    if type(data) is float:
        return float(test(data))
    idle = np.asarray(test(data), dtype=bool)
    if idle.ndim > 1:
        idle = np.asarray(idle.all(axis=(0, *range(2, idle.ndim))))
    return float(idle.mean()) if idle.size else 0.0
