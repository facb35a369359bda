"""Elementwise operations over a block of lanes: one switch, one loop that the compiler vectorises for each of them.

A lane is one position of the array that a group of operations makes. Numbers of any kind are kept as floats while
they are in a block: conditions as 1.0 and 0.0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from autograd_lite.replay import machine_math as fast

__all__ = ["BARE", "OPCODES", "apply", "float32_at", "float64_at", "int32_at", "int64_at", "like_at", "uint8_at"]

_NAMES = """
copy negative absolute sign sqrt square reciprocal exp expm1 log log1p tanh sigmoid sin cos tan arcsin arccos arctan
sinh cosh arcsinh arccosh arctanh exp2 log2 log10 floor ceil rint trunc isfinite isnan logical_not
add subtract multiply divide power maximum minimum arctan2 hypot fmod copysign
greater greater_equal less less_equal equal not_equal logical_and logical_or where
relu step cbrt remainder logaddexp heaviside isinf
"""
OPCODES = {name: i for i, name in enumerate(_NAMES.split())}

(
    _COPY, _NEGATIVE, _ABSOLUTE, _SIGN, _SQRT, _SQUARE, _RECIPROCAL, _EXP, _EXPM1, _LOG, _LOG1P, _TANH, _SIGMOID, _SIN,
    _COS, _TAN, _ARCSIN, _ARCCOS, _ARCTAN, _SINH, _COSH, _ARCSINH, _ARCCOSH, _ARCTANH, _EXP2, _LOG2, _LOG10, _FLOOR,
    _CEIL, _RINT, _TRUNC, _ISFINITE, _ISNAN, _LOGICAL_NOT, _ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _POWER, _MAXIMUM,
    _MINIMUM, _ARCTAN2, _HYPOT, _FMOD, _COPYSIGN, _GREATER, _GREATER_EQUAL, _LESS, _LESS_EQUAL, _EQUAL, _NOT_EQUAL,
    _LOGICAL_AND, _LOGICAL_OR, _WHERE, _RELU, _STEP, _CBRT, _REMAINDER, _LOGADDEXP, _HEAVISIDE, _ISINF,
) = range(len(OPCODES))  # fmt: skip

BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # what only compiled code calls


def _pointer(kind: Any) -> Any:
    @intrinsic
    def at(typing: Any, address: Any) -> Any:
        """Return the address as a pointer to numbers of one type."""

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), build

    return at


float64_at, float32_at, uint8_at, int32_at, int64_at = map(
    _pointer, (types.float64, types.float32, types.uint8, types.int32, types.int64)
)


@intrinsic
def like_at(typing: Any, zero: Any, address: Any) -> Any:
    """Return the address as a pointer to numbers of the type of ``zero``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[1], context.get_value_type(types.CPointer(zero)))

    return types.CPointer(zero)(zero, types.int64), build


@njit(error_model="numpy", **BARE)
def apply(op: int, d: Any, a: Any, b: Any, c: Any, n: int) -> None:
    """Compute ``d[i] = op(a[i], b[i], c[i])`` for n lanes; d overlaps none of the others, or is one of them."""
    if op == _MULTIPLY:
        for i in range(n):
            d[i] = a[i] * b[i]
    elif op == _ADD:
        for i in range(n):
            d[i] = a[i] + b[i]
    elif op == _SUBTRACT:
        for i in range(n):
            d[i] = a[i] - b[i]
    elif op == _DIVIDE:
        for i in range(n):
            d[i] = a[i] / b[i]
    elif op == _COPY:
        for i in range(n):
            d[i] = a[i]
    elif op == _NEGATIVE:
        for i in range(n):
            d[i] = -a[i]
    elif op == _SQUARE:
        for i in range(n):
            d[i] = a[i] * a[i]
    elif op == _WHERE:
        for i in range(n):
            d[i] = b[i] if a[i] != 0 else c[i]
    elif op == _RELU:
        for i in range(n):
            d[i] = 0.0 if a[i] < 0 else a[i]
    elif op == _STEP:
        for i in range(n):
            d[i] = 1.0 if a[i] > 0 else 0.0
    elif op == _MAXIMUM:
        for i in range(n):
            x, y = a[i], b[i]
            d[i] = x if x > y or x != x else y
    elif op == _MINIMUM:
        for i in range(n):
            x, y = a[i], b[i]
            d[i] = x if x < y or x != x else y
    elif op == _GREATER:
        for i in range(n):
            d[i] = 1.0 if a[i] > b[i] else 0.0
    elif op == _GREATER_EQUAL:
        for i in range(n):
            d[i] = 1.0 if a[i] >= b[i] else 0.0
    elif op == _LESS:
        for i in range(n):
            d[i] = 1.0 if a[i] < b[i] else 0.0
    elif op == _LESS_EQUAL:
        for i in range(n):
            d[i] = 1.0 if a[i] <= b[i] else 0.0
    elif op == _EQUAL:
        for i in range(n):
            d[i] = 1.0 if a[i] == b[i] else 0.0
    elif op == _NOT_EQUAL:
        for i in range(n):
            d[i] = 1.0 if a[i] != b[i] else 0.0
    elif op == _LOGICAL_AND:
        for i in range(n):
            d[i] = 1.0 if (a[i] != 0) & (b[i] != 0) else 0.0
    elif op == _LOGICAL_OR:
        for i in range(n):
            d[i] = 1.0 if (a[i] != 0) | (b[i] != 0) else 0.0
    elif op == _LOGICAL_NOT:
        for i in range(n):
            d[i] = 1.0 if a[i] == 0 else 0.0
    elif op == _TANH:
        for i in range(n):
            d[i] = fast.tanh(a[i])
    elif op == _SIGMOID:
        for i in range(n):
            d[i] = fast.sigmoid(a[i])
    elif op == _EXP:
        for i in range(n):
            d[i] = fast.exp(a[i])
    elif op == _EXPM1:
        for i in range(n):
            d[i] = fast.expm1(a[i])
    elif op == _LOG:
        for i in range(n):
            d[i] = fast.log(a[i])
    elif op == _LOG1P:
        for i in range(n):
            d[i] = fast.log1p(a[i])
    elif op == _SQRT:
        for i in range(n):
            d[i] = math.sqrt(a[i])
    elif op == _RECIPROCAL:
        for i in range(n):
            d[i] = 1 / a[i]
    elif op == _ABSOLUTE:
        for i in range(n):
            d[i] = abs(a[i])
    elif op == _SIGN:
        for i in range(n):
            x = a[i]
            d[i] = 1.0 if x > 0 else (-1.0 if x < 0 else x * 0.0)
    elif op == _ISFINITE:
        for i in range(n):
            d[i] = 1.0 if abs(a[i]) < math.inf else 0.0
    elif op == _ISINF:
        for i in range(n):
            d[i] = 1.0 if abs(a[i]) == math.inf else 0.0
    elif op == _ISNAN:
        for i in range(n):
            d[i] = 1.0 if a[i] != a[i] else 0.0
    else:
        _apply_rare(op, d, a, b, c, n)


@njit(error_model="numpy", **BARE)
def _apply_rare(op: int, d: Any, a: Any, b: Any, c: Any, n: int) -> None:
    for i in range(n):
        x, y = a[i], b[i]
        if op == _SIN:
            d[i] = math.sin(x)
        elif op == _COS:
            d[i] = math.cos(x)
        elif op == _TAN:
            d[i] = math.tan(x)
        elif op == _ARCSIN:
            d[i] = math.asin(x)
        elif op == _ARCCOS:
            d[i] = math.acos(x)
        elif op == _ARCTAN:
            d[i] = math.atan(x)
        elif op == _SINH:
            d[i] = math.sinh(x)
        elif op == _COSH:
            d[i] = math.cosh(x)
        elif op == _ARCSINH:
            d[i] = math.asinh(x)
        elif op == _ARCCOSH:
            d[i] = math.acosh(x)
        elif op == _ARCTANH:
            d[i] = math.atanh(x)
        elif op == _EXP2:
            d[i] = 2.0**x
        elif op == _LOG2:
            d[i] = math.log2(x)
        elif op == _LOG10:
            d[i] = math.log10(x)
        elif op == _FLOOR:
            d[i] = np.floor(x)
        elif op == _CEIL:
            d[i] = np.ceil(x)
        elif op == _RINT:
            d[i] = np.rint(x)
        elif op == _TRUNC:
            d[i] = np.trunc(x)
        elif op == _POWER:
            d[i] = x**y
        elif op == _ARCTAN2:
            d[i] = math.atan2(x, y)
        elif op == _HYPOT:
            d[i] = math.hypot(x, y)
        elif op == _FMOD:
            d[i] = np.fmod(x, y)
        elif op == _COPYSIGN:
            d[i] = math.copysign(x, y)
        elif op == _CBRT:
            d[i] = np.cbrt(x)
        elif op == _REMAINDER:
            d[i] = np.remainder(x, y)
        elif op == _LOGADDEXP:
            d[i] = np.logaddexp(x, y)
        elif op == _HEAVISIDE:
            d[i] = x if x != x else (0.0 if x < 0 else (1.0 if x > 0 else y))
