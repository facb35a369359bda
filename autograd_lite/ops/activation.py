"""Activations, under PyTorch's names, and the special functions that they are made of.

The rows read as those of the elementwise family do. All of them are stable: exact limits, and no warning, at +-1e4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.ops.elementwise import clip
from autograd_lite.ops.record import elementwise

# Rows of a table, laid out by hand.
# fmt: off

__all__ = [
    "celu", "elu", "erf", "erfc", "gelu", "gelu_tanh", "hardtanh", "leaky_relu", "logaddexp", "logsigmoid", "mish",
    "relu", "selu", "sigmoid", "silu", "softplus", "softsign",
]

_LN2 = math.log(2.0)
_SQRT_HALF = math.sqrt(0.5)
_wide = (-3.0, 3.0)


# The logistic function, and what has it for its slope.


@np.errstate(over="ignore")
def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-1.0 * x))  # -1.0, since -x wraps round in unsigned integers; 1 / inf is the right limit


sigmoid = elementwise(
    "sigmoid", "sigmoid", "np.exp(x) / (1 + np.exp(x))", _sigmoid, lambda y, x: y * (1 - y),
    scalar=lambda x: 1.0 / (1.0 + math.exp(-x)), needs="output", domain=(_wide,),
)
logsigmoid = elementwise(
    "logsigmoid", "logsigmoid", "-np.log(1 + np.exp(-x))",
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(np.minimum(x, -1.0 * x))), lambda y, x: sigmoid(-x),
    scalar=lambda x: min(x, 0.0) - math.log1p(math.exp(-abs(x))), needs="operands", domain=(_wide,),
)


def _first_weight(y: Any, a: Any, b: Any) -> Any:
    return sigmoid(np.where((a != b) | np.isfinite(a), a - b, 0))


def _second_weight(y: Any, a: Any, b: Any) -> Any:
    return sigmoid(np.where((a != b) | np.isfinite(a), b - a, 0))


logaddexp = elementwise(
    "logaddexp", "logaddexp", "np.log(np.exp(x) + np.exp(y))", np.logaddexp, _first_weight, _second_weight,
    scalar=lambda a, b: a + _LN2 if a == b else max(a, b) + math.log1p(math.exp(-abs(a - b))),
    needs="operands", domain=(_wide, _wide), kinks="slopes 1/2 and 1/2 for equal infinities",
)


def _softplus_of(x: Any, beta: Any) -> Any:
    t = beta * x
    return (np.maximum(t, 0) + np.log1p(np.exp(np.minimum(t, -t)))) / beta


_softplus = elementwise(
    "softplus", "softplus", "np.log(1 + np.exp(y * x)) / y", _softplus_of,
    lambda y, x, beta: sigmoid(beta * x), lambda y, x, beta: (x * sigmoid(beta * x) - y) / beta,
    scalar=lambda x, beta: (max(beta * x, 0.0) + math.log1p(math.exp(-abs(beta * x)))) / beta,
    domain=(_wide, (0.5, 2.0)),
)


def softplus(x: Any, beta: Any = 1.0) -> Any:
    """Return ``log(1 + exp(beta x)) / beta``, a smooth ``relu``, elementwise.

    Parameters
    ----------
    x : number, array_like, Value or Tensor
        Of any shape.
    beta : number, array_like, Value or Tensor, optional
        The sharpness, not zero; differentiable too.

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> softplus([-1e4, 1e4])
    array([    0., 10000.])
    """
    return _softplus(x, beta)


# Rectifiers: linear for x > 0. At the kink they take the slope of the left side.

relu = elementwise(
    "relu", "relu", "np.where(x > 0, x, 0)", lambda x: np.maximum(x, 0), lambda y, x: np.sign(y),
    scalar=lambda x: x if x > 0 or x != x else 0.0, needs="output", domain=(_wide,), kinks="slope 0 at 0",
)
_leaky_relu = elementwise(
    "leaky_relu", "leaky_relu", "np.where(x > 0, x, y * x)", lambda x, slope: np.where(x > 0, x, slope * x),
    lambda y, x, slope: np.heaviside(x, 0) + slope * np.heaviside(-x, 1), lambda y, x, slope: np.minimum(x, 0),
    scalar=lambda x, slope: x if x > 0 else slope * x,
    needs="operands", domain=(_wide, (0.01, 0.5)), kinks="slope y at x = 0",
)


def _below(x: Any) -> Any:
    return np.where(x > 0, 0, x)


def _elu_of(x: Any, alpha: Any) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(_below(x)))


_elu = elementwise(
    "elu", "elu", "np.where(x > 0, x, y * (np.exp(x) - 1))", _elu_of,
    lambda y, x, alpha: np.where(x > 0, 1, alpha * np.exp(_below(x))), lambda y, x, alpha: np.expm1(_below(x)),
    scalar=lambda x, alpha: x if x > 0 else alpha * math.expm1(x),
    needs="operands", domain=(_wide, (0.5, 2.0)), kinks="slope y at x = 0",
)


def _celu_by_alpha(y: Any, x: Any, alpha: Any) -> Any:
    u = _below(x) / alpha
    return np.expm1(u) - u * np.exp(u)


_celu = elementwise(
    "celu", "celu", "np.where(x > 0, x, y * (np.exp(x / y) - 1))",
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(_below(x) / alpha)),
    lambda y, x, alpha: np.where(x > 0, 1, np.exp(_below(x) / alpha)), _celu_by_alpha,
    scalar=lambda x, alpha: x if x > 0 else alpha * math.expm1(x / alpha),
    needs="operands", domain=(_wide, (0.5, 2.0)), kinks="second derivative 1/y at x = 0",
)

# The fixed point of Klambauer et al. 2017, "Self-normalizing neural networks", appendix A4.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946

selu = elementwise(
    "selu", "selu", "1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1))",
    lambda x: _SELU_SCALE * _elu_of(x, _SELU_ALPHA),
    lambda y, x: np.where(x > 0, _SELU_SCALE, _SELU_SCALE * _SELU_ALPHA * np.exp(_below(x))),
    scalar=lambda x: _SELU_SCALE * (x if x > 0 else _SELU_ALPHA * math.expm1(x)),
    needs="operands", domain=(_wide,), kinks="slope 1.0507 * 1.6733 at 0",
)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """Return ``x`` where it is positive and ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x : number, array_like, Value or Tensor
        Of any shape.
    negative_slope : number, array_like, Value or Tensor, optional
        Of a shape that broadcasts with ``x``; differentiable too (a learned one makes this ``prelu``).

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> leaky_relu([-2.0, 3.0])
    array([-0.02,  3.  ])
    """
    return _leaky_relu(x, negative_slope)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """Return ``x`` where it is positive and ``alpha (exp(x) - 1)`` elsewhere (Clevert et al. 2016).

    Parameters
    ----------
    x : number, array_like, Value or Tensor
        Of any shape.
    alpha : number, array_like, Value or Tensor, optional
        Minus the limit at -inf; differentiable too.

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> elu([-1e4, 3.0], alpha=0.5)
    array([-0.5,  3. ])
    """
    return _elu(x, alpha)


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """Return ``x`` where it is positive and ``alpha (exp(x / alpha) - 1)`` elsewhere (Barron 2017).

    Unlike `elu`, its slope is continuous for every ``alpha``.

    Parameters
    ----------
    x : number, array_like, Value or Tensor
        Of any shape.
    alpha : number, array_like, Value or Tensor, optional
        Minus the limit at -inf, positive; differentiable too.

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> celu([-1e4, 3.0], alpha=0.5)
    array([-0.5,  3. ])
    """
    return _celu(x, alpha)


def hardtanh(x: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Any:
    """Return ``x`` limited to the closed interval from ``min_val`` to ``max_val``: `clip` under its other name.

    Parameters
    ----------
    x, min_val, max_val : number, array_like, Value or Tensor
        Of any shapes that broadcast.

    Returns
    -------
    number, ndarray, Value or Tensor
        Of the broadcast shape.

    Examples
    --------
    >>> hardtanh([-2.0, 0.5, 3.0])
    array([-1. ,  0.5,  1. ])
    """
    return clip(x, min_val, max_val)


# The error function, and the activations that weigh x by a probability.


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """Lift a function of the math module to arrays, in the dtype that a ufunc would return."""

    def lifted(x: Any) -> Any:
        if getattr(x, "is_symbolic", False):
            return x.applied(function.__name__)
        x = np.asarray(x)
        dtype = np.result_type(x.dtype, np.float16)
        return np.fromiter(map(function, x.ravel().tolist()), dtype, x.size).reshape(x.shape)[()]

    return lifted


erf = elementwise(
    "erf", "erf", "np.vectorize(math.erf)(x)", _each(math.erf), lambda y, x: 2 / math.sqrt(math.pi) * np.exp(-x * x),
    scalar=math.erf, needs="operands", domain=(_wide,),
)
erfc = elementwise(
    "erfc", "erfc", "1 - np.vectorize(math.erf)(x)", _each(math.erfc),
    lambda y, x: -2 / math.sqrt(math.pi) * np.exp(-x * x), scalar=math.erfc, needs="operands", domain=(_wide,),
)


def _gelu_slope(y: Any, x: Any) -> Any:
    """Return Φ(x) + x φ(x), of the normal distribution function and density."""
    return 0.5 * erfc(-_SQRT_HALF * x) + x * (np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


gelu = elementwise(
    "gelu", "gelu", "x * (1 + np.vectorize(math.erf)(x / np.sqrt(2))) / 2",
    lambda x: 0.5 * x * erfc.forward(-_SQRT_HALF * x), _gelu_slope,
    scalar=lambda x: 0.5 * x * math.erfc(-_SQRT_HALF * x), needs="operands", domain=(_wide,),
)

# With (1 + tanh u) / 2 = sigmoid(2 u), which keeps its digits where tanh u is close to -1; these make 2 u.
_GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715 * _GELU_LINEAR


def _gelu_tanh_slope(y: Any, x: Any) -> Any:
    s = sigmoid(x * (_GELU_LINEAR + _GELU_CUBIC * x * x))
    return s + y * (1 - s) * (_GELU_LINEAR + 3 * _GELU_CUBIC * x * x)


gelu_tanh = elementwise(
    "gelu_tanh", "gelu", "0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))",
    lambda x: x * _sigmoid(x * (_GELU_LINEAR + _GELU_CUBIC * x * x)), _gelu_tanh_slope, domain=(_wide,),
)


def _silu_slope(y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return s + y * (1 - s)


silu = elementwise(
    "silu", "silu", "x / (1 + np.exp(-x))", lambda x: x * _sigmoid(x), _silu_slope,
    scalar=lambda x: x / (1.0 + math.exp(-x)), domain=(_wide,),
)


def _mish_slope(y: Any, x: Any) -> Any:
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


mish = elementwise(
    "mish", "mish", "x * np.tanh(np.log(1 + np.exp(x)))", lambda x: x * np.tanh(_softplus_of(x, 1.0)), _mish_slope,
    scalar=lambda x: x * math.tanh(math.log1p(math.exp(x))), needs="operands", domain=(_wide,),
)
softsign = elementwise(
    "softsign", "softsign", "x / (1 + np.abs(x))", lambda x: x / (1 + np.maximum(x, -1.0 * x)),
    lambda y, x: 1 / np.square(1 + np.abs(x)),
    scalar=lambda x: x / (1.0 + abs(x)), needs="operands", domain=(_wide,), kinks="second derivative 0 at 0",
)
