"""Exponentials and logarithms without branches, so that the compiler turns loops over them into vector code.

Each is right to about 2 units in the last place over the whole range, denormals, infinities and NaN included.
The polynomials are those of fdlibm (Sun Microsystems, 1993) and of Cephes (S. Moshier, 1989).
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["exp", "expm1", "log", "log1p", "sigmoid", "tanh"]

_MAGIC = 6755399441055744.0  # 1.5 * 2**52: added to a small float it leaves the nearest integer in the low bits
_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10


@intrinsic
def _bits(typing: Any, x: Any) -> Any:
    """Return the bits of a double as an integer."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), build


@intrinsic
def _double(typing: Any, bits: Any) -> Any:
    """Return the double that has these bits."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), build


@njit(inline="always")
def _expm1_reduced(r: float) -> float:
    """Return exp(r) - 1 for abs(r) <= ln(2) / 2, by the Taylor polynomial of degree 14."""
    p = 1.1470745597729725e-11
    p = p * r + 1.6059043836821613e-10
    p = p * r + 2.0876756987868100e-09
    p = p * r + 2.5052108385441720e-08
    p = p * r + 2.7557319223985890e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.4801587301587302e-05
    p = p * r + 1.9841269841269841e-04
    p = p * r + 1.3888888888888889e-03
    p = p * r + 8.3333333333333332e-03
    p = p * r + 4.1666666666666664e-02
    p = p * r + 1.6666666666666666e-01
    p = p * r + 0.5
    return r + r * r * p


@njit(inline="always")
def exp(x: float) -> float:
    c = x if x < 710.0 else 710.0
    c = c if c > -746.0 else -746.0
    t = c * _LOG2E + _MAGIC
    k = t - _MAGIC
    r = (c - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 + _expm1_reduced(r)
    n = _bits(t) << 52 >> 52
    half = n >> 1  # two factors: neither over- nor underflows where the product does not
    y = p * _double((half + 1023) << 52) * _double((n - half + 1023) << 52)
    return y if x == x else x


@njit(inline="always")
def expm1(x: float) -> float:
    c = x if x < 710.0 else 710.0
    c = c if c > -50.0 else -50.0
    t = c * _LOG2E + _MAGIC
    k = t - _MAGIC
    r = (c - k * _LN2_HIGH) - k * _LN2_LOW
    n = _bits(t) << 52 >> 52
    half = n >> 1
    scale = _double((half + 1023) << 52)
    rest = _double((n - half + 1023) << 52)
    p = _expm1_reduced(r)
    small = scale * rest
    y = p * small + (small - 1.0) if n < 1000 else (p + 1.0) * scale * rest - 1.0
    y = x if n == 0 and p == 0.0 else y  # keeps the sign of zero, and denormals
    return y if x == x else x


@njit(inline="always")
def tanh(x: float) -> float:
    a = abs(x)
    c = a if a < 22.0 else 22.0
    e = expm1(2.0 * c)
    y = e / (e + 2.0)
    y = -y if x < 0.0 else y
    y = x if a < 1e-9 else y
    return y if x == x else x


@njit(inline="always")
def sigmoid(x: float) -> float:
    e = exp(-abs(x))
    y = 1.0 / (1.0 + e)
    return y if x >= 0.0 else (e * y if x == x else x)


@njit(inline="always")
def log(x: float) -> float:
    tiny = x < 2.2250738585072014e-308
    scaled = x * 18014398509481984.0 if tiny else x
    bits = _bits(scaled)
    # Centre the mantissa on 1, between sqrt(1/2) and sqrt(2).
    offset = bits - 0x3FE6A09E667F3BCD
    n = offset >> 52
    f = _double(bits - (n << 52)) - 1.0
    k = float(n) - (54.0 if tiny else 0.0)
    s = f / (2.0 + f)
    z = s * s
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    p = p * z
    h = 0.5 * f * f
    y = k * _LN2_HIGH - ((h - (s * (h + p) + k * _LN2_LOW)) - f)
    y = y if x < 1.7976931348623157e308 or x == 1.7976931348623157e308 else x
    y = y if x > 0.0 else (-float("inf") if x == 0.0 else float("nan"))
    return y if x == x else x


@njit(inline="always")
def log1p(x: float) -> float:
    u = 1.0 + x
    y = log(u) + (x - (u - 1.0)) / u
    y = x if abs(x) < 1e-17 else y
    return y if 1e300 > x > -1.0 else log(u)
