"""Elementwise arithmetic and functions of one, two and three numbers, under NumPy's names.

Each statement is a row of the derivative table: name, symbol, formula, value, and a partial derivative an operand.
In a formula the operands are called x, y, z in order; in a rule y is the output, and the operands are x, or a and b.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from autograd_lite.ops.record import Case, elementwise

# Rows of a table, laid out by hand.
# fmt: off

__all__ = [
    "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "ceil", "clip",
    "cos", "cosh", "deg2rad", "divide", "exp", "exp2", "expm1", "floor", "fmod", "heaviside", "hypot", "log", "log1p",
    "log2", "log10", "maximum", "minimum", "multiply", "negative", "positive", "power", "rad2deg", "reciprocal",
    "remainder", "rint", "round", "sign", "sin", "sinc", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc",
    "where",
]

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_wide = (-3.0, 3.0)


# Arithmetic.

add = elementwise("add", "+", "x + y", np.add, 1, 1, scalar=operator.add, domain=(_wide, _wide))
subtract = elementwise("subtract", "−", "x - y", np.subtract, 1, -1, scalar=operator.sub, domain=(_wide, _wide))
multiply = elementwise(
    "multiply", "×", "x * y", np.multiply, lambda y, a, b: b, lambda y, a, b: a,
    scalar=operator.mul, needs="operands", domain=(_wide, _wide),
)
divide = elementwise(
    "divide", "÷", "x / y", np.divide, lambda y, a, b: 1 / b, lambda y, a, b: -y / b,
    scalar=operator.truediv, singular=True, domain=(_wide, (0.5, 3.0)), kinks="slopes inf or NaN where y = 0",
)
negative = elementwise("negative", "−", "-x", np.negative, -1, scalar=operator.neg, domain=(_wide,))
positive = elementwise("positive", "+", "+x", np.positive, 1, scalar=operator.pos, domain=(_wide,))
reciprocal = elementwise(
    "reciprocal", "1/x", "1 / x", np.reciprocal, lambda y, x: -y * y,
    scalar=lambda x: 1.0 / x, singular=True, needs="output", domain=((0.3, 3.0),), kinks="slope -inf at 0",
)
absolute = elementwise(
    "absolute", "|x|", "np.sqrt(x * x)", np.absolute, lambda y, x: np.sign(x),
    scalar=abs, needs="operands", domain=(_wide,), kinks="slope 0 at 0",
)


def _power_by_base(y: Any, a: Any, b: Any) -> Any:
    # Where both are 0 the slope is 0, and so are all further ones: 0 * 1**-1, never 0 * 0**-1.
    return b * np.power(np.where((a == 0) & (b == 0), 1, a), b - 1)


def _power_by_exponent(y: Any, a: Any, b: Any) -> Any:
    # The limit of a**b log a is 0 at the base 0; 1 + 0 * y is a one of the output's own dtype.
    return y * np.log(np.where((a == 0) & (b >= 0), 1 + 0 * y, a))


power = elementwise(
    "power", "^", "x**y", np.power, _power_by_base, _power_by_exponent,
    scalar=math.pow, singular=True, domain=((0.3, 3.0), (-2.0, 3.0)),
    kinks="0**0: slopes 0 and 0; 0**y: slope inf in x for y < 1, 0 in y for y > 0; x < 0: slope NaN in y",
)
square = elementwise(
    "square", "x²", "x * x", np.square, lambda y, x: 2 * x,
    scalar=lambda x: x * x, needs="operands", domain=(_wide,),
)
sqrt = elementwise(
    "sqrt", "√", "x**0.5", np.sqrt, lambda y, x: 0.5 / y,
    scalar=math.sqrt, singular=True, needs="output", domain=((0.1, 4.0),), kinks="slope inf at 0",
)
cbrt = elementwise(
    "cbrt", "∛", "np.sign(x) * np.abs(x) ** (1 / 3)", np.cbrt, lambda y, x: 1 / (3 * y * y),
    scalar=math.cbrt, singular=True, needs="output", domain=((0.2, 4.0),), kinks="slope inf at 0",
)


# Signs and rounding: steps, whose slope is 0 everywhere, at the jumps too.

sign = elementwise(
    "sign", "sgn", "np.sign(x)", np.sign, 0,
    scalar=lambda x: math.copysign(1.0, x) if x and x == x else x, domain=(_wide,), kinks="slope 0 at 0, a jump",
)
heaviside = elementwise(
    "heaviside", "step", "np.where(x == 0, y, x > 0)", np.heaviside, 0, lambda y, a, b: a == 0,
    needs="operands", domain=(_wide, (0.0, 1.0)), kinks="slope 0 in x at 0, a jump",
)
floor = elementwise(
    "floor", "⌊x⌋", "np.floor(x)", np.floor, 0,
    scalar=lambda x: float(math.floor(x)), domain=((1.1, 1.9),), kinks="slope 0 at the integers, jumps",
)
ceil = elementwise(
    "ceil", "⌈x⌉", "np.ceil(x)", np.ceil, 0,
    scalar=lambda x: float(math.ceil(x)), domain=((1.1, 1.9),), kinks="slope 0 at the integers, jumps",
)
trunc = elementwise(
    "trunc", "trunc", "np.sign(x) * np.floor(np.abs(x))", np.trunc, 0,
    scalar=lambda x: float(math.trunc(x)), domain=((-1.9, -1.1),), kinks="slope 0 at the integers, jumps",
)
rint = elementwise(
    "rint", "round", "np.floor(x + 0.5)", np.rint, 0,
    scalar=lambda x: float(round(x)), domain=((0.6, 1.4),), kinks="slope 0 half way between integers, jumps",
)
_quotients = Case(make=lambda rng: [np.array([5.3, -7.1, 11.4]), np.array([2.1, 1.7, 3.4])])
remainder = elementwise(
    "remainder", "mod", "x - np.floor(x / y) * y", np.remainder, 1, lambda y, a, b: np.rint((y - a) / b),
    scalar=operator.mod, singular=True, domain=((-5.8, -5.2), (2.0, 2.5)), cases=(_quotients,),
    kinks="the slopes ignore the jumps, where x is a multiple of y; NaN in y at y = 0",
)
fmod = elementwise(
    "fmod", "fmod", "x - np.trunc(x / y) * y", np.fmod, 1, lambda y, a, b: np.rint((y - a) / b),
    scalar=math.fmod, singular=True, domain=((-5.8, -5.2), (2.0, 2.5)), cases=(_quotients,),
    kinks="the slopes ignore the jumps, where x is a multiple of y; NaN in y at y = 0",
)


# Exponentials and logarithms.

exp = elementwise(
    "exp", "exp", "np.exp(x)", np.exp, lambda y, x: y, scalar=math.exp, needs="output", domain=(_wide,)
)
exp2 = elementwise(
    "exp2", "2^", "2.0**x", np.exp2, lambda y, x: y * _LN2, scalar=math.exp2, needs="output", domain=(_wide,)
)
expm1 = elementwise(
    "expm1", "expm1", "np.exp(x) - 1", np.expm1, lambda y, x: np.exp(x),
    scalar=math.expm1, needs="operands", domain=(_wide,),
)
log = elementwise(
    "log", "ln", "np.log(x)", np.log, lambda y, x: 1 / x,
    scalar=math.log, singular=True, needs="operands", domain=((0.2, 4.0),), kinks="slope inf at 0",
)
log2 = elementwise(
    "log2", "log₂", "np.log(x) / np.log(2)", np.log2, lambda y, x: 1 / (_LN2 * x),
    scalar=math.log2, singular=True, needs="operands", domain=((0.2, 4.0),), kinks="slope inf at 0",
)
log10 = elementwise(
    "log10", "log₁₀", "np.log(x) / np.log(10)", np.log10, lambda y, x: 1 / (_LN10 * x),
    scalar=math.log10, singular=True, needs="operands", domain=((0.2, 4.0),), kinks="slope inf at 0",
)
log1p = elementwise(
    "log1p", "log1p", "np.log(1 + x)", np.log1p, lambda y, x: 1 / (1 + x),
    scalar=math.log1p, singular=True, needs="operands", domain=((-0.8, 3.0),), kinks="slope inf at -1",
)


# Trigonometry.

sin = elementwise(
    "sin", "sin", "np.sin(x)", np.sin, lambda y, x: np.cos(x), scalar=math.sin, needs="operands", domain=(_wide,)
)
cos = elementwise(
    "cos", "cos", "np.cos(x)", np.cos, lambda y, x: -np.sin(x), scalar=math.cos, needs="operands", domain=(_wide,)
)
tan = elementwise(
    "tan", "tan", "np.sin(x) / np.cos(x)", np.tan, lambda y, x: 1 + y * y,
    scalar=math.tan, needs="output", domain=((-1.3, 1.3),),
)
arcsin = elementwise(
    "arcsin", "arcsin", "np.arctan2(x, np.sqrt(1 - x * x))", np.arcsin, lambda y, x: 1 / np.sqrt((1 - x) * (1 + x)),
    scalar=math.asin, singular=True, needs="operands", domain=((-0.9, 0.9),), kinks="slope inf at -1 and 1",
)
arccos = elementwise(
    "arccos", "arccos", "np.arctan2(np.sqrt(1 - x * x), x)", np.arccos, lambda y, x: -1 / np.sqrt((1 - x) * (1 + x)),
    scalar=math.acos, singular=True, needs="operands", domain=((-0.9, 0.9),), kinks="slope -inf at -1 and 1",
)
arctan = elementwise(
    "arctan", "arctan", "np.arctan2(x, 1)", np.arctan, lambda y, x: 1 / (1 + x * x),
    scalar=math.atan, needs="operands", domain=(_wide,),
)
deg2rad = elementwise(
    "deg2rad", "rad", "x * np.pi / 180", lambda x: x * (math.pi / 180), math.pi / 180,
    scalar=math.radians, domain=((-180.0, 180.0),),
)
rad2deg = elementwise(
    "rad2deg", "deg", "x * 180 / np.pi", lambda x: x * (180 / math.pi), 180 / math.pi,
    scalar=math.degrees, domain=(_wide,),
)


def _arctan2_slope(opposite: Any, a: Any, b: Any) -> Any:
    radius = np.hypot(a, b)
    return np.where(radius == 0, 0, opposite / radius / radius)  # dividing twice cannot overflow


arctan2 = elementwise(
    "arctan2", "arctan2", "np.angle(y + 1j * x)", np.arctan2,
    lambda y, a, b: _arctan2_slope(b, a, b), lambda y, a, b: _arctan2_slope(-a, a, b),
    scalar=math.atan2, singular=True, needs="operands", domain=(_wide, (0.3, 3.0)),
    kinks="slopes 0 at the origin; the jump on the negative axis, y < 0, does not count",
)
hypot = elementwise(
    "hypot", "hypot", "np.sqrt(x * x + y * y)", np.hypot,
    lambda y, a, b: np.where(y == 0, 0, a / y), lambda y, a, b: np.where(y == 0, 0, b / y),
    scalar=math.hypot, domain=(_wide, (0.3, 3.0)), kinks="slopes 0 and 0 at the origin",
)

# The power series of (cos u - sin u / u) / u is u times these coefficients of u², the lowest first.
_sinc_series = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 12)]


def _sinc_slope(y: Any, x: Any) -> Any:
    """Return (cos πx - sinc x) / x, by its power series where that cancels: so the further slopes are right too."""
    near = (x > -0.4) & (x < 0.4)
    u = math.pi * np.where(near, x, 0)
    series = _sinc_series[-1]
    for coefficient in _sinc_series[-2::-1]:
        series = coefficient + series * (u * u)
    far = np.where(near, 1, x)
    return np.where(near, math.pi * u * series, (np.cos(math.pi * far) - y) / far)


sinc = elementwise(
    "sinc", "sinc", "np.sin(np.pi * x) / (np.pi * x)", np.sinc, _sinc_slope,
    scalar=lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0,
    domain=(_wide,), kinks="removable at 0: value 1, slope 0, second derivative -π²/3",
)


# Hyperbolic functions.

sinh = elementwise(
    "sinh", "sinh", "(np.exp(x) - np.exp(-x)) / 2", np.sinh, lambda y, x: np.cosh(x),
    scalar=math.sinh, needs="operands", domain=(_wide,),
)
cosh = elementwise(
    "cosh", "cosh", "(np.exp(x) + np.exp(-x)) / 2", np.cosh, lambda y, x: np.sinh(x),
    scalar=math.cosh, needs="operands", domain=(_wide,),
)
tanh = elementwise(
    "tanh", "tanh", "np.sinh(x) / np.cosh(x)", np.tanh, lambda y, x: 1 - y * y,
    scalar=math.tanh, needs="output", domain=(_wide,),
)
arcsinh = elementwise(
    "arcsinh", "arcsinh", "np.log(x + np.sqrt(x * x + 1))", np.arcsinh, lambda y, x: 1 / np.hypot(x, 1),
    scalar=math.asinh, needs="operands", domain=(_wide,),
)
arccosh = elementwise(
    "arccosh", "arccosh", "np.log(x + np.sqrt(x * x - 1))", np.arccosh,
    lambda y, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),
    scalar=math.acosh, singular=True, needs="operands", domain=((1.2, 4.0),), kinks="slope inf at 1",
)
arctanh = elementwise(
    "arctanh", "arctanh", "np.log((1 + x) / (1 - x)) / 2", np.arctanh, lambda y, x: 1 / ((1 - x) * (1 + x)),
    scalar=math.atanh, singular=True, needs="operands", domain=((-0.9, 0.9),), kinks="slope inf at -1 and 1",
)


# Choices between operands.


def _first_leads(y: Any, a: Any, b: Any) -> Any:
    """Return 1 where a > b, 1/2 in a tie (of infinities too), else 0; NaN beside a NaN; in the operands' own dtype."""
    return np.heaviside(np.where(a == b, 0, a - b), 0.5)


def _second_leads(y: Any, a: Any, b: Any) -> Any:
    return np.heaviside(np.where(a == b, 0, b - a), 0.5)


maximum = elementwise(
    "maximum", "max", "np.where(x >= y, x, y)", np.maximum, _first_leads, _second_leads,
    scalar=lambda a, b: float(a if a >= b or a != a else b),
    needs="operands", domain=(_wide, _wide), kinks="slopes 1/2 and 1/2 where x = y",
)
minimum = elementwise(
    "minimum", "min", "np.where(x <= y, x, y)", np.minimum, _second_leads, _first_leads,
    scalar=lambda a, b: float(a if a <= b or a != a else b),
    needs="operands", domain=(_wide, _wide), kinks="slopes 1/2 and 1/2 where x = y",
)
where = elementwise(
    "where", "where", "np.where(x, y, z)", np.where, None, lambda y, c, a, b: c != 0, lambda y, c, a, b: c == 0,
    scalar=lambda c, a, b: float(a if c else b), needs="operands", domain=((0.0, 1.0), _wide, _wide),
)
_clip = elementwise(
    "clip", "clip", "np.minimum(np.maximum(x, y), z)", np.clip,
    lambda y, x, lo, hi: np.where((lo <= x) & (x <= hi), 1, 0 * y),
    lambda y, x, lo, hi: (x < lo) & (lo <= hi), lambda y, x, lo, hi: (x > hi) | (lo > hi),
    scalar=lambda x, lo, hi: float(min(max(x, lo), hi)), domain=(_wide, (-2.0, -0.5), (0.5, 2.0)),
    kinks="slope 1 in x, and 0 in the bounds, inside the closed interval [y, z]",
)


def round(a: Any, decimals: int = 0) -> Any:
    """Round to a number of decimals, halves to even; the gradient is zero.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.round(ag.Tensor([1.25, 2.375]), 1)
    Tensor([1.2, 2.4])
    """
    scale = 10.0**decimals
    return rint(a) if decimals == 0 else divide(rint(multiply(a, scale)), scale)


def clip(x: Any, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None) -> Any:
    """Limit ``x`` to the closed interval from ``min`` to ``max``, elementwise.

    Parameters
    ----------
    x, min, max : number, array_like, Value or Tensor
        Of any shapes that broadcast. A bound that is None does not limit; all three may be differentiated.
    a_min, a_max : optional
        NumPy's other names for ``min`` and ``max``.

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape. The slope in ``x`` is 1 inside and on the bounds, 0 outside.

    Examples
    --------
    >>> clip([-2.0, 0.5, 3.0], 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    lo = a_min if min is None else min
    hi = a_max if max is None else max
    return _clip(x, -math.inf if lo is None else lo, math.inf if hi is None else hi)
