"""NumPy for floats: the namespace in which the table's elementwise rules run on a `Value`'s numbers.

A rule says ``np.cos(x)``; on a Python float NumPy takes ten times as long as ``math.cos``. So each rule is bound a
second time, to this namespace instead of NumPy: the source stays one, and the ``math`` functions are the records' own
``scalar``. What has none (and what ``math`` refuses, such as ``log(0)``) falls back on NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from autograd_lite.ops.record import TABLE, Op, Rule

__all__ = ["bind_rules", "evaluate"]


class _FloatNumPy(ModuleType):
    """A stand-in for the numpy module; what it lacks is looked up in NumPy."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


floats = _FloatNumPy("floats")


def evaluate(op: Op, args: Any) -> float:
    """Compute an elementwise op on floats: by its ``math`` function, or by NumPy where that refuses."""
    if op.scalar is not None:
        try:
            return op.scalar(*args)
        except (ArithmeticError, ValueError):
            pass
    return float(op.forward(*map(np.float64, args)))


def _where(condition: Any, x: float, y: float) -> float:
    return x if condition else y


def _sign(x: float) -> float:
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x  # 0 and NaN stay


def _as_function(op: Op) -> Callable[..., float]:
    def function(*args: float) -> float:
        return evaluate(op, args)

    return function


def _bound(rule: Rule) -> Rule:
    if not isinstance(rule, FunctionType):
        return rule
    namespace = {**rule.__globals__, "np": floats}
    return FunctionType(rule.__code__, namespace, rule.__name__, rule.__defaults__, rule.__closure__)


def bind_rules() -> None:
    """Give every elementwise record its ``float_rules``; called once, when the table is complete."""
    for op in TABLE.values():
        if op.is_elementwise and op.scalar is not None:
            setattr(floats, op.name, _as_function(op))
    floats.where = _where  # type: ignore[attr-defined]
    floats.sign = _sign  # type: ignore[attr-defined]
    floats.abs = abs  # type: ignore[attr-defined]
    floats.isfinite = math.isfinite  # type: ignore[attr-defined]
    for op in TABLE.values():
        if op.is_elementwise:
            object.__setattr__(op, "float_rules", tuple(_bound(rule) for rule in op.rules))
