"""Derivatives at kinks and singular points, to second order, for Values and Tensors: what the table states."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, Value, grad, ops

inf, nan = math.inf, math.nan


class Kink(NamedTuple):
    """A function of one number, a point, and its first and second derivative there."""

    f: Callable[[Any], Any]
    x: float
    first: float
    second: float


_OF_ONE: dict[str, Kink] = {
    "absolute": Kink(ag.absolute, 0.0, 0.0, 0.0),
    "maximum, of a constant": Kink(lambda x: ag.maximum(x, 1.0), 1.0, 0.5, 0.0),
    "maximum, of itself": Kink(lambda x: ag.maximum(x, x), 3.0, 1.0, 0.0),
    "minimum": Kink(lambda x: ag.minimum(1.0, x), 1.0, 0.5, 0.0),
    "clip, lower bound": Kink(lambda x: ag.clip(x, 0.0, 1.0), 0.0, 1.0, 0.0),
    "clip, upper bound": Kink(lambda x: ag.clip(x, 0.0, 1.0), 1.0, 1.0, 0.0),
    "clip, outside": Kink(lambda x: ag.clip(x, 0.0, 1.0), 1.5, 0.0, 0.0),
    "clip, no lower bound": Kink(lambda x: ag.clip(x, None, 1.0), -1e300, 1.0, 0.0),
    "hardtanh": Kink(ag.hardtanh, -1.0, 1.0, 0.0),
    "relu": Kink(ag.relu, 0.0, 0.0, 0.0),
    "relu, negative zero": Kink(ag.relu, -0.0, 0.0, 0.0),
    "relu, NaN": Kink(ag.relu, nan, nan, nan),
    "leaky_relu": Kink(lambda x: ag.leaky_relu(x, 0.1), 0.0, 0.1, 0.0),
    "softsign": Kink(ag.softsign, 0.0, 1.0, 0.0),
    "sign": Kink(ag.sign, 0.0, 0.0, 0.0),
    "floor": Kink(ag.floor, 2.0, 0.0, 0.0),
    "hypot, with 0": Kink(lambda x: ag.hypot(x, 0.0), 0.0, 0.0, 0.0),
    "arctan2, of 0": Kink(lambda x: ag.arctan2(x, 0.0), 0.0, 0.0, 0.0),
    "sinc": Kink(ag.sinc, 0.0, 0.0, -(math.pi**2) / 3),
    "sinc, close to 0": Kink(ag.sinc, 1e-9, -3.2898681336964526e-9, -(math.pi**2) / 3),
    "x**2": Kink(lambda x: x**2.0, 0.0, 0.0, 2.0),
    "x**2, an integer": Kink(lambda x: x**2, 0.0, 0.0, 2.0),
    "x**3": Kink(lambda x: x**3.0, 0.0, 0.0, 0.0),
    "x**1": Kink(lambda x: x**1.0, 0.0, 1.0, 0.0),
    "x**0": Kink(lambda x: x**0.0, 0.0, 0.0, 0.0),
    "(-2)**3": Kink(lambda x: x**3.0, -2.0, 12.0, -12.0),
    "0**x at 0": Kink(lambda x: ag.power(0.0, x), 0.0, 0.0, 0.0),
    "0**x at 2": Kink(lambda x: ag.power(0.0, x), 2.0, 0.0, 0.0),
    "softplus, far left": Kink(ag.softplus, -1000.0, 0.0, 0.0),
    "softplus, far right": Kink(ag.softplus, 1000.0, 1.0, 0.0),
    "logaddexp with 0, far left": Kink(lambda x: ag.logaddexp(x, 0.0), -1000.0, 0.0, 0.0),
    "logaddexp of -inf": Kink(lambda x: ag.logaddexp(x, -inf), -inf, 0.5, 0.0),
    "sqrt": Kink(ag.sqrt, 0.0, inf, -inf),
    "where(x > 0, sqrt(x), 0) at 0": Kink(lambda x: ag.where(x > 0, ag.sqrt(x), 0.0), 0.0, 0.0, 0.0),
    "where(x > 0, log(x), x)": Kink(lambda x: ag.where(x > 0, ag.log(x), x), 0.0, 1.0, 0.0),
    "where(x != 0, sin(x) / x, 1)": Kink(lambda x: ag.where(x != 0, ag.sin(x) / x, 1.0), 0.0, 0.0, 0.0),
    "0 * sqrt(x)": Kink(lambda x: 0.0 * ag.sqrt(x), 0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("face", ["Value", "0-d Tensor", "1-d Tensor"])
@pytest.mark.parametrize("case", _OF_ONE)
def test_kinks_of_one_number(case: str, face: str) -> None:
    f, x, first, second = _OF_ONE[case]
    point: Any = x if face == "Value" else np.array(x) if face == "0-d Tensor" else np.array([x, x])

    def total(y: Any) -> Any:
        return np.sum(y) if np.ndim(y) else y

    with np.errstate(all="ignore"):
        slope = grad(lambda v: total(f(v)))
        curvature = grad(lambda v: total(slope(v)))
        np.testing.assert_allclose(slope(point), np.full(np.shape(point), first), rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(curvature(point), np.full(np.shape(point), second), rtol=1e-9, atol=1e-15)
        leaf = Value(x) if face == "Value" else Tensor(point, requires_grad=True)
        total(f(leaf)).backward()
        np.testing.assert_allclose(leaf.grad, slope(point), rtol=1e-15)


def test_third_derivative_of_a_square_is_zero() -> None:
    for x in (0.0, np.array(0.0), np.array(1.5)):
        assert grad(grad(grad(lambda v: v**2.0)))(x) == 0
        assert grad(grad(grad(lambda v: ag.power(v, 2.0))))(x) == 0
        assert grad(grad(grad(lambda v: v**3.0)))(x) == 6


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["hypot", "arctan2"])
def test_the_origin(name: str, order: int) -> None:
    f: Callable[..., Any] = getattr(ag, name)
    if order == 1:
        assert grad(f, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
        return
    for i in range(2):
        for j in range(2):
            assert grad(lambda a, b, i=i: grad(f, argnums=i)(a, b), argnums=j)(0.0, 0.0) == 0.0


def test_ties_between_two() -> None:
    for f in (ag.maximum, ag.minimum):
        assert grad(f, argnums=(0, 1))(2.0, 2.0) == (0.5, 0.5)
        a, b = grad(lambda x, y, f=f: np.sum(f(x, y)), argnums=(0, 1))(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
        np.testing.assert_array_equal(a + b, [1.0, 1.0])
    assert grad(ag.logaddexp, argnums=(0, 1))(-inf, -inf) == (0.5, 0.5)
    assert grad(ag.logaddexp, argnums=(0, 1))(inf, inf) == (0.5, 0.5)
    assert grad(ag.logaddexp, argnums=(0, 1))(-inf, 3.0) == (0.0, 1.0)


def test_power_of_zero_to_the_zero() -> None:
    assert grad(ag.power, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    base, exponent = Value(0.0), Value(0.0)
    (base**exponent).backward()
    assert (base.grad, exponent.grad) == (0.0, 0.0)
    by_exponent = grad(lambda x, y: x**y, argnums=1)
    assert by_exponent(0.0, 2.0) == 0.0
    assert math.isnan(by_exponent(-2.0, 3.0))
    assert grad(lambda x: x**0.5)(0.0) == inf


_OF_ARRAYS: dict[str, tuple[Callable[[Any], Any], list[float], list[float], float]] = {
    "max of [2, 2, 1]": (ag.max, [2.0, 2.0, 1.0], [0.5, 0.5, 0.0], 0.0),
    "min of [1, 1, 1]": (ag.min, [1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3], 0.0),
    "norm of 0": (ag.norm, [0.0, 0.0], [0.0, 0.0], 0.0),
    "norm with a 0": (ag.norm, [3.0, 0.0], [1.0, 0.0], 1 / 3),
    "norm 1 of 0": (lambda x: ag.norm(x, 1), [0.0, -2.0], [0.0, -1.0], 0.0),
    "norm 3 of 0": (lambda x: ag.norm(x, 3), [0.0, 0.0], [0.0, 0.0], 0.0),
    "norm inf, a tie": (lambda x: ag.norm(x, inf), [2.0, -2.0], [0.5, -0.5], 0.0),
    "std of a constant": (ag.std, [4.0, 4.0, 4.0], [0.0, 0.0, 0.0], 0.0),
    "var of a constant": (ag.var, [4.0, 4.0, 4.0], [0.0, 0.0, 0.0], 0.0),
    "prod with one 0": (ag.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0], 10.0),
    "prod with two": (ag.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], 6.0),
    "prod with three": (ag.prod, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 0.0),
    "cumprod with one 0": (lambda x: np.sum(ag.cumprod(x)), [2.0, 0.0, 3.0], [1.0, 8.0, 0.0], 12.0),
    "cumprod with two": (lambda x: np.sum(ag.cumprod(x)), [0.0, 0.0, 3.0], [1.0, 0.0, 0.0], 8.0),
    "sort of a tie": (lambda x: np.sum(ag.sort(x) * np.array([1.0, 2.0, 4.0])), [1.0, 1.0, 0.0], [2.0, 4.0, 1.0], 0.0),
    "logsumexp of -inf": (ag.logsumexp, [-inf, -inf], [0.0, 0.0], 0.0),
    "softmax of -inf": (lambda x: np.sum(ag.softmax(x) * np.array([1.0, 2.0])), [-inf, -inf], [0.0, 0.0], 0.0),
    "softmax, masked": (lambda x: np.sum(ag.softmax(x)[0]), [0.0, -inf, 0.0], [0.25, 0.0, -0.25], 0.0),
}


@pytest.mark.parametrize("case", _OF_ARRAYS)
def test_kinks_of_arrays(case: str) -> None:
    f, x, first, second = _OF_ARRAYS[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(grad(f)(np.array(x)), first, rtol=1e-14, atol=0)
    curvature = grad(lambda v: np.sum(grad(f)(v)))(np.array(x))
    assert np.all(np.isfinite(curvature)), curvature
    np.testing.assert_allclose(np.sum(curvature), second, rtol=1e-12, atol=1e-14)


# Extremes: exact limits at ±1e4, without a warning.

_LIMITS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    # name: ((value, slope) at -1e4, (value, slope) at 1e4)
    "sigmoid": ((0.0, 0.0), (1.0, 0.0)),
    "logsigmoid": ((-1e4, 1.0), (0.0, 0.0)),
    "softplus": ((0.0, 0.0), (1e4, 1.0)),
    "relu": ((0.0, 0.0), (1e4, 1.0)),
    "leaky_relu": ((-100.0, 0.01), (1e4, 1.0)),
    "elu": ((-1.0, 0.0), (1e4, 1.0)),
    "celu": ((-1.0, 0.0), (1e4, 1.0)),
    "selu": ((-1.7580993408473766, 0.0), (10507.009873554805, 1.0507009873554805)),
    "gelu": ((0.0, 0.0), (1e4, 1.0)),
    "gelu_tanh": ((0.0, 0.0), (1e4, 1.0)),
    "silu": ((0.0, 0.0), (1e4, 1.0)),
    "mish": ((0.0, 0.0), (1e4, 1.0)),
    "softsign": ((-1e4 / 10001, 1 / 10001**2), (1e4 / 10001, 1 / 10001**2)),
    "hardtanh": ((-1.0, 0.0), (1.0, 0.0)),
    "tanh": ((-1.0, 0.0), (1.0, 0.0)),
    "erf": ((-1.0, 0.0), (1.0, 0.0)),
    "erfc": ((2.0, 0.0), (0.0, 0.0)),
    "arctan": ((math.atan(-1e4), 1 / (1 + 1e8)), (math.atan(1e4), 1 / (1 + 1e8))),
    "arcsinh": ((math.asinh(-1e4), 1 / math.hypot(1e4, 1)), (math.asinh(1e4), 1 / math.hypot(1e4, 1))),
}


@pytest.mark.parametrize("name", _LIMITS)
def test_limits(name: str) -> None:
    f = getattr(ag, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x, (value, slope) in zip((-1e4, 1e4), _LIMITS[name], strict=True):
            for dtype, rtol in ((np.float64, 1e-14), (np.float32, 1e-6)):
                t = Tensor(np.array([x], dtype=dtype), requires_grad=True)
                y = f(t)
                y.backward(np.ones(1, dtype))
                np.testing.assert_allclose(y.numpy(), [value], rtol=rtol, atol=1e-300)
                np.testing.assert_allclose(t.grad, [slope], rtol=rtol, atol=1e-300)
            v = Value(x)
            w = f(v)
            w.backward()
            np.testing.assert_allclose((w.data, v.grad), (value, slope), rtol=1e-14, atol=1e-300)
            assert math.isfinite(grad(grad(f))(x))


def test_losses_with_certain_and_wrong_logits() -> None:
    logits = Tensor([-1e4, 1e4, 1e4, 0.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = ag.bce_with_logits(logits, np.array([0.0, 1.0, 0.0, 0.5]), reduction="sum")
        loss.backward()
        assert loss.item() == 1e4 + math.log(2)
        np.testing.assert_array_equal(logits.grad, [0.0, 0.0, 1.0, 0.0])
        scores = Tensor([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4]], requires_grad=True)
        loss = ag.cross_entropy(scores, np.array([0, 0]), reduction="sum")
        loss.backward()
        assert loss.item() == 2e4
        np.testing.assert_array_equal(scores.grad, [[0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]])
        for f in (ag.logsumexp, lambda s: ag.sum(ag.log_softmax(s)), lambda s: ag.sum(ag.softmax(s))):
            assert np.all(np.isfinite(grad(f)(np.array([1e4, -1e4, 1e4]))))


def test_kinks_are_stated_in_the_table() -> None:
    stated = {name for name, op in ops.TABLE.items() if op.kinks}
    kinked = (
        "absolute maximum minimum clip relu leaky_relu hypot arctan2 sinc power sqrt sign floor max min norm std sort"
    )
    assert set(kinked.split()) <= stated
    assert {name for name, op in ops.TABLE.items() if op.singular and not op.kinks} == set()
