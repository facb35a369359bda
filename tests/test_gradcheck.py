"""The gradient checker itself: it catches what is wrong, passes what is right, and knows how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import GradientError, Tensor, Value, custom_op, gradcheck, ops
from autograd_lite.check import assert_gradients
from autograd_lite.check.numeric import complex_step, ridders, slope

_X = np.array([0.3, -1.2, 2.5, 0.01])
_M = np.array([[0.3, -1.2, 0.7], [2.5, 0.1, -0.4]])


# Numeric derivatives.


def _cancelling_slope(x: float) -> float:
    return sum(k * x ** (k - 1) / math.factorial(k + 1) for k in range(1, 20))


_KNOWN: list[tuple[str, Callable[[Any], Any], Callable[[float], float], list[float]]] = [
    ("exp", np.exp, math.exp, [-30.0, 0.0, 1.0, 300.0]),
    ("log", np.log, lambda x: 1 / x, [1e-9, 1e-3, 1.0, 1e8]),
    ("sin 1000x", lambda x: np.sin(1000 * x), lambda x: 1000 * math.cos(1000 * x), [0.3, 1.0]),
    ("1/x", lambda x: 1 / x, lambda x: -1 / x / x, [1e-5, 1.0, 1e5]),
    ("sqrt", np.sqrt, lambda x: 0.5 / math.sqrt(x), [1e-8, 1.0, 1e10]),
    ("tanh", np.tanh, lambda x: 1 / math.cosh(x) ** 2, [-8.0, 0.0, 0.1, 3.0]),
    ("1e8 + sin x", lambda x: 1e8 + np.sin(x), math.cos, [1.0, 2.0]),
    ("1e6 + sin x - 1e6", lambda x: 1e6 + np.sin(x) - 1e6, math.cos, [1.0, 2.0]),
    ("x³", lambda x: x * x * x, lambda x: 3 * x * x, [0.0, 1e-4, 3.0, 1e4]),
    ("sin far out", np.sin, math.cos, [1e5, 1e8]),
    ("cbrt", np.cbrt, lambda x: 1 / (3 * math.cbrt(x) ** 2), [1e-6, 2.0, 1e6]),
    ("|x|", np.abs, lambda x: math.copysign(1.0, x), [1e-12, 1e-7, -3.0]),
    ("relu", lambda x: np.maximum(x, 0), lambda x: float(x > 0), [1e-7, -1e-7, 0.01, -2.0]),
    ("clip near the bound", lambda x: np.minimum(x, 1.0), lambda x: float(x < 1), [1 - 1e-7, 1 + 1e-7]),
    ("cancelling", lambda x: (np.exp(x) - 1) / x, _cancelling_slope, [1e-5, 1e-3, 1.0]),
    ("fine structure", lambda x: x + 1e-3 * np.sin(1e6 * x), lambda x: 1 + 1e3 * math.cos(1e6 * x), [0.3]),
]


@pytest.mark.parametrize(("f", "derivative", "points"), [row[1:] for row in _KNOWN], ids=[row[0] for row in _KNOWN])
def test_ridders_bounds_its_own_error(
    f: Callable[[Any], Any], derivative: Callable[[float], float], points: list[float]
) -> None:
    for x in points:
        found = ridders(lambda t, x=x: np.atleast_1d(f(np.asarray(x) + t)), abs(x))
        truth = derivative(x)
        assert abs(found.value[0] - truth) <= 4 * found.error[0] + 1e-14 * abs(truth), (x, found, truth)
        assert found.error[0] <= 2e-6 * abs(truth) + 1e-8, (x, found)


def test_ridders_sees_each_side_of_a_kink() -> None:
    def path(t: Any) -> Any:
        return np.atleast_1d(np.maximum(t, 0) + 2 * np.minimum(t, 0) + np.sin(t))

    right, left = ridders(path, side=1), ridders(path, side=-1)
    assert abs(right.value[0] - 2) < 1e-10 > right.error[0]
    assert abs(left.value[0] - 3) < 1e-10 > left.error[0]


def test_ridders_doubts_what_rounding_inside_may_have_made() -> None:
    def path(t: Any) -> Any:
        return np.array([(1 + 1e-8 * np.sin(math.sqrt(2) + t)) - 1, 0.1])

    found = ridders(path)
    slope_there = 1e-8 * math.cos(math.sqrt(2))
    assert abs(found.value[0] / slope_there - 1) < 1e-5
    assert 0.01 < found.error[0] / slope_there < 10


def test_ridders_stays_inside_the_domain() -> None:
    def refusing(t: float) -> Any:
        if not 0.999 < 0.9995 + t < 1:
            raise ValueError("outside")
        return np.array([math.log(0.9995 + t)])

    found = ridders(refusing)
    assert abs(found.value[0] - 1 / 0.9995) < 4 * found.error[0] + 1e-15 < 1e-8


def test_complex_step_is_taken_only_where_confirmed() -> None:
    z = np.array([0.3, -0.4])

    def path(t: Any) -> Any:
        x = z + t
        return np.array([np.exp(x[0]), (x[0] * np.conj(x[0])), np.vdot(x, x) + 0 * t])

    assert complex_step(path) is not None
    found = slope(path)
    assert found.exact.tolist() == [True, False, False]
    np.testing.assert_allclose(found.value, [math.exp(0.3), 0.6, -0.2], rtol=1e-12)
    assert complex_step(lambda t: np.array([float(t)])) is None
    assert complex_step(lambda t: np.abs(1 + np.array([t]))) is None


# Right gradients pass.

_RIGHT: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "relu at 0": (ag.relu, [np.array([0.0, 0.0])]),
    "relu near 0": (ag.relu, [np.array([1e-7, -1e-7])]),
    "abs at 0": (ag.absolute, [np.array([0.0])]),
    "abs near 0": (ag.absolute, [np.array([1e-7, -1e-7])]),
    "abs next to 0": (ag.absolute, [np.array([1e-38, -1e-30])]),
    "clip at its bounds": (lambda x: ag.clip(x, -1.0, 1.0), [np.array([-1.0, 1.0])]),
    "clip near its bounds": (lambda x: ag.clip(x, -1.0, 1.0), [np.array([-1 + 1e-7, 1 - 1e-7])]),
    "max of a tie": (ag.max, [np.array([2.0, 2.0, 1.0])]),
    "maximum of a tie": (ag.maximum, [np.array([1.0, 2.0]), np.array([1.0, 2.0])]),
    "sort of a tie": (lambda x: ag.sort(x) * np.array([1.0, 2.0, 3.0]), [np.array([1.0, 1.0, 2.0])]),
    "offset 1e8": (lambda x: 1e8 + ag.sin(x), [_X]),
    "sin 1000x": (lambda x: ag.sin(1000 * x), [_X]),
    "x³ at 1e4": (lambda x: x**3, [np.array([1e4])]),
    "log at 1e-9": (ag.log, [np.array([1e-9])]),
    "1/x at 1e-5": (lambda x: 1 / x, [np.array([1e-5])]),
    "sqrt at 1e-8": (ag.sqrt, [np.array([1e-8])]),
    "norm at 1e-6": (ag.norm, [np.array([1e-6, -2e-6])]),
    "exp at 30": (ag.exp, [np.array([30.0])]),
    "softplus at ±40": (ag.softplus, [np.array([-40.0, 40.0])]),
    "mixed kinks in one sum": (lambda x: np.sum(np.array([1.0, -1.0, 2.0]) * ag.relu(x)), [np.zeros(3)]),
    "many kinks in one sum": (lambda x: np.sum(ag.relu(x) + ag.absolute(x)), [np.zeros(30)]),
    "norm at the origin": (ag.norm, [np.zeros(3)]),
}


@pytest.mark.parametrize("case", _RIGHT)
def test_no_false_alarm(case: str) -> None:
    f, inputs = _RIGHT[case]
    report = gradcheck(f, *inputs)
    assert report.ok, str(report)
    assert "undefined" not in report.method_counts


def test_containers_of_every_kind() -> None:
    def f(weights: dict[str, Any], pair: tuple[Any, list[Any]], exponent: int, flag: bool) -> Any:
        assert type(exponent) is int
        assert flag is True
        x, (v, t) = pair
        hidden = ag.tanh(weights["w"] @ x + weights["b"]) * v
        return {"a": hidden**exponent, "b": [t * v, hidden.sum()], "steps": np.arange(3)}

    inputs = ({"w": _M, "b": Tensor([0.1, -0.2])}, (np.array([1.0, 2.0, 3.0]), [Value(0.7), 2.0]), 2, True)
    report = gradcheck(f, *inputs, order=2)
    assert report.ok, str(report)
    names = {entry.input for entry in report.entries}
    assert names == {"0['w']", "0['b']", "1[0]", "1[1][0]", "1[1][1]"}
    assert report.method_counts["complex-step"] >= 13


def test_functions_of_values() -> None:
    def neuron(w: list[Value], b: Value, x: list[float]) -> Value:
        activation = b
        for wi, xi in zip(w, x, strict=True):
            assert isinstance(wi, Value | Tensor)
            activation = activation + wi * xi
        return activation.tanh()

    report = gradcheck(neuron, [Value(0.5), Value(-1.0)], Value(0.1), [0.3, 2.0], order=2)
    assert report.ok, str(report)
    assert len(report.entries) == 10
    assert gradcheck(lambda x: x.exp() if x > 0 else x * x, 0.5).ok


def test_plain_results_have_gradient_zero() -> None:
    assert gradcheck(lambda x: 1.0, 2.0).ok
    report = gradcheck(lambda x: x.detach() * 3.0 if isinstance(x, Tensor) else x, np.ones(2))
    assert not report.ok
    assert report.worst is not None
    assert report.worst.analytic == 0


# Wrong gradients fail, whatever is wrong.


def _wrong(forward: Callable[..., Any], *rules: Any) -> Callable[..., Any]:
    return custom_op(forward, rules if len(rules) > 1 else rules[0], name="wrong")


def _scaled(factor: float) -> Callable[..., Any]:
    return _wrong(np.sin, lambda g, y, x: factor * g * np.cos(x))


def _doubled_entry(g: Any, y: Any, x: Any) -> Any:
    mask = np.ones(np.shape(x))
    mask[1] = 2.0
    return g * np.cos(x) * mask


_WRONG: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "sign": (_scaled(-1.0), [_X]),
    "factor 2": (_scaled(2.0), [_X]),
    "factor 1.001": (_scaled(1.001), [_X]),
    "factor 1 + 1e-6": (_scaled(1 + 1e-6), [_X]),
    "factor 1 + 1e-8": (_scaled(1 + 1e-8), [_X]),
    "zero": (_scaled(0.0), [_X]),
    "one entry": (_wrong(np.sin, _doubled_entry), [_X]),
    "upstream ignored": (_wrong(np.sin, lambda g, y, x: np.cos(x)), [_X]),
    "upstream squared": (_wrong(np.sin, lambda g, y, x: g * g * np.cos(x)), [_X]),
    "output for input": (_wrong(np.tanh, lambda g, y, x: g * (1 - x * x)), [_X]),
    "single precision": (_wrong(np.tanh, lambda g, y, x: (g * (1 - y * y)).astype(np.float32).astype(float)), [_X]),
    "reversed": (_wrong(np.cumsum, lambda g, y, x: np.cumsum(g)), [_X]),
    "shifted": (_wrong(np.sin, lambda g, y, x: g * np.roll(np.cos(x), 1)), [_X]),
    "tiny slope lost": (_wrong(lambda x: 1e-6 * x, lambda g, y, x: 0 * g), [_X]),
    "constant of gelu": (
        _wrong(
            lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
            lambda g, y, x: (
                g
                * ag.vjp(lambda v: 0.5 * v * (1 + np.tanh(math.sqrt(2 / math.pi) * (v + 0.0447 * v * v * v))), x)[1](
                    np.ones(np.shape(x))
                )[0]
            ),
        ),
        [_X],
    ),
    "mean for sum": (_wrong(np.sum, lambda g, y, x: np.broadcast_to(g / np.size(x), np.shape(x))), [_X]),
    "operands swapped": (_wrong(np.multiply, lambda g, y, a, b: g * a, lambda g, y, a, b: g * b), [_X, 2 * _X + 1]),
    "softmax without its mean": (
        _wrong(lambda x: np.exp(x) / np.sum(np.exp(x)), lambda g, y, x: g * y * (1 - y)),
        [_X],
    ),
    "tie counted twice": (_wrong(np.max, lambda g, y, x: g * (x == y)), [np.array([2.0, 2.0, 1.0])]),
    "tie not counted": (
        _wrong(np.maximum, lambda g, y, a, b: g * (a > b), lambda g, y, a, b: g * (b > a)),
        [np.array([1.0, 2.0]), np.array([1.0, 1.0])],
    ),
    "beyond the kink": (_wrong(lambda x: np.maximum(x, 0), lambda g, y, x: 1.5 * g), [np.zeros(2)]),
    "relu by > 1": (_wrong(lambda x: np.maximum(x, 0), lambda g, y, x: g * (x > 1)), [np.array([0.5, 2.0])]),
    "nan": (_wrong(np.sin, lambda g, y, x: g * np.nan), [_X]),
}


@pytest.mark.parametrize("case", _WRONG)
def test_mistakes_are_caught(case: str) -> None:
    f, inputs = _WRONG[case]
    report = gradcheck(f, *inputs)
    assert not report, str(report)
    assert report.failures
    with pytest.raises(GradientError, match="gradients are WRONG"):
        assert_gradients(f, *inputs)


def test_the_worst_entry_is_named() -> None:
    f, inputs = _WRONG["one entry"]
    worst = gradcheck(f, *inputs).worst
    assert worst is not None
    assert (worst.input, worst.index, worst.order) == ("0", (1,), 1)
    assert math.isclose(worst.analytic, 2 * worst.numeric, rel_tol=1e-12)
    assert math.isclose(worst.rel, 0.5, rel_tol=1e-12)
    assert "gradient of input 0 at index (1,)" in str(worst)


def test_a_wrong_second_derivative_is_caught() -> None:
    def sloppy(g: Any, y: Any, x: Any) -> Any:
        return g * np.cos(ag.stop_gradient(x))

    f = _wrong(np.sin, sloppy)
    assert gradcheck(f, _X).ok
    report = gradcheck(f, _X, order=2)
    assert not report.ok
    assert {entry.order for entry in report.failures} == {2}


def test_wrong_shape_and_dtype_are_told() -> None:
    report = gradcheck(_wrong(np.sum, lambda g, y, x: g), _X)
    assert not report
    assert "of shape (), but the operand has shape (4,)" in report.problems[0]
    report = gradcheck(_wrong(np.sin, lambda g, y, x: (g * np.cos(x)).astype(np.float32)), _X)
    assert not report
    assert "dtype float32" in report.problems[0]
    with pytest.raises(GradientError, match="dtype"):
        assert_gradients(_wrong(np.sin, lambda g, y, x: (g * np.cos(x)).astype(np.float32)), _X)


def test_an_input_that_changes_is_noticed() -> None:
    mine = np.ones(3)
    report = gradcheck(lambda x: x * 2, mine)
    assert report.ok
    np.testing.assert_array_equal(mine, np.ones(3))

    def vandal(x: Any) -> Any:
        x._data[0] += 1.0
        return x * 2

    report = gradcheck(vandal, mine)
    assert not report.ok
    assert "changed its input 0" in str(report)
    np.testing.assert_array_equal(mine, np.ones(3))


def test_a_function_that_gives_another_result_each_time_is_noticed() -> None:
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * rng.standard_normal(3), np.ones(3))
    assert not report.ok
    assert "another result" in str(report)


# Large inputs, single precision, and what cannot be checked.


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0])
def test_one_wrong_entry_among_100_000(size: float) -> None:
    x = np.random.default_rng(0).standard_normal(100_000)

    def rule(g: Any, y: Any, a: Any) -> Any:
        mask = np.ones(100_000)
        mask[54_321] += size
        return g * np.cos(a) * mask

    assert gradcheck(ag.sin, x).ok
    report = gradcheck(_wrong(np.sin, rule), x)
    assert not report.ok
    assert report.worst is not None
    assert report.worst.index == (54_321,)


def test_single_precision_is_checked_at_its_own_accuracy() -> None:
    x = _X.astype(np.float32)
    report = gradcheck(lambda a: ag.tanh(a) * ag.exp(a), x)
    assert report.ok, str(report)
    assert not gradcheck(_scaled(1.001), x).ok
    assert "single precision" in str(report)


def test_jumps_and_poles_are_undefined_and_said_to_be() -> None:
    for f, x in [(ag.sign, 0.0), (ag.sqrt, 0.0), (ag.floor, 2.0), (lambda x: 1 / x, 0.0)]:
        with np.errstate(all="ignore"):
            report = gradcheck(f, np.array([x]))
        assert report.ok, str(report)
        assert report.method_counts == {"undefined": 1}
        assert "1 by undefined" not in str(report)
        assert "1 undefined" in str(report)


def test_arguments() -> None:
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        gradcheck(ag.sin, 1.0, order=3)
    with pytest.raises(GradientError, match="none of the inputs"):
        gradcheck(ag.sin, 1)
    assert gradcheck(ag.sin, np.zeros((0, 3))).entries == []
    assert gradcheck(ag.sin, _X, seed=1).worst != gradcheck(ag.sin, _X, seed=2).worst


def test_rules_broken_in_the_table_are_caught() -> None:
    with ops.overridden("tanh", 0, lambda y, x: 1 - y):
        assert not gradcheck(ag.tanh, _X).ok
        assert not gradcheck(ag.tanh, 0.7).ok
    assert gradcheck(ag.tanh, _X).ok
