"""The diagnosis: from wrong gradients to the name of the mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import custom_op, gradcheck, ops, stop_gradient

_RNG = np.random.default_rng(7)
_V = _RNG.standard_normal(5)
_M = _RNG.standard_normal((4, 3))
_S = _RNG.standard_normal((3, 3))
_T = _RNG.standard_normal((3, 3))


class Broken(NamedTuple):
    """A function whose backward pass has a mistake of a known kind."""

    kind: str
    f: Callable[..., Any]
    inputs: tuple[Any, ...]


def _op(kind: str, forward: Callable[..., Any], rules: Any, *inputs: Any) -> Broken:
    return Broken(kind, custom_op(forward, rules, name="mine"), inputs)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _norm(x: Any) -> Any:
    d = x - np.mean(x, axis=-1, keepdims=True)
    return d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + 1e-5)


def _norm_rule(mean: Any, g: Any, y: Any, x: Any) -> Any:
    s = np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5)
    return (g - np.mean(g, axis=-1, keepdims=True) - y * mean(g * y, axis=-1, keepdims=True)) / s


def _layer(x: Any, w: Any, b: Any) -> Any:
    return np.tanh(x @ w + b)


def _linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


_LINEAR = (lambda g, y, x, w, b: g @ w.T, lambda g, y, x, w, b: x.T @ g, lambda g, y, x, w, b: g.sum(0))
_X, _W, _B = _RNG.standard_normal((4, 3)), _RNG.standard_normal((3, 2)), _RNG.standard_normal(2)
_INDEX = np.array([0, 2, 2, 1, 0])
_LABELS = np.array([1, 0, 2, 1])


def _cross_entropy(x: Any) -> Any:
    e = np.exp(x)
    return -np.mean(np.log((e / np.sum(e, axis=1, keepdims=True))[np.arange(4), _LABELS]))


def _gathered(x: Any) -> Any:
    return x[_INDEX]


def _assigned(g: Any, y: Any, x: Any) -> Any:
    d = np.zeros(np.shape(x))
    d[_INDEX] = g
    return d


BROKEN: dict[str, Broken] = {
    "minus forgotten in cos": _op("sign", np.cos, lambda g, y, x: g * np.sin(x), _V),
    "subtract as add": _op("sign", np.subtract, (lambda g, y, a, b: g, lambda g, y, a, b: g), _V, 2 * _V),
    "softmax with plus": _op("sign", _softmax, lambda g, y, x: y * (g + np.sum(g * y, axis=-1, keepdims=True)), _M),
    "a number's sign": _op("sign", np.reciprocal, lambda g, y, x: g * y * y, np.array(0.7)),
    "square without 2": _op("factor", np.square, lambda g, y, x: g * x, _V),
    "twice": _op("factor", np.tanh, lambda g, y, x: 2 * g * (1 - y * y), _M),
    "times N": _op("factor", lambda x: np.mean(x * x), lambda g, y, x: 2 * g * x, _V),
    "times 1/N": _op("factor", lambda x: np.sum(np.sin(x)), lambda g, y, x: g * np.cos(x) / x.size, _M),
    "matmul a": _op("transposed", np.matmul, (lambda g, y, a, b: g @ b, lambda g, y, a, b: a.T @ g), _S, _T),
    "matmul b": _op("transposed", np.matmul, (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a @ g), _S, _T),
    "weight": _op("transposed", lambda x, w: x @ w.T, (lambda g, y, x, w: g @ w, lambda g, y, x, w: x.T @ g), _S, _T),
    "inverse": _op("transposed", np.linalg.inv, lambda g, y, x: -y @ g @ y.T, _S + 3 * np.eye(3)),
    "determinant": _op("transposed", np.linalg.det, lambda g, y, x: g * y * np.linalg.inv(x), _S),
    "wrong way in a transposed shape": _op("transposed", np.transpose, lambda g, y, x: g, _S),
    "shape of a weight": _op("transposed", lambda w: 2 * w, lambda g, y, w: 2 * g.T, _M),
    "bias of the first row": _op("broadcast", _linear, (*_LINEAR[:2], lambda g, y, x, w, b: g[0]), _X, _W, _B),
    "bias without sum": _op("broadcast", _linear, (*_LINEAR[:2], lambda g, y, x, w, b: g), _X, _W, _B),
    "summed over the other axis": _op(
        "broadcast", np.add, (lambda g, y, a, b: g, lambda g, y, a, b: g.sum(1)), _S, _S[0]
    ),
    "column": _op(
        "broadcast", np.multiply, (lambda g, y, a, b: g * b, lambda g, y, a, b: (g * a)[:, :1]), _M, _M[:, :1] + 2
    ),
    "bias mean": _op("mean", _linear, (*_LINEAR[:2], lambda g, y, x, w, b: g.mean(0)), _X, _W, _B),
    "mean as sum": _op("mean", np.mean, lambda g, y, x: np.broadcast_to(g, np.shape(x)) + 0.0, _M),
    "layer norm": _op("mean", _norm, lambda g, y, x: _norm_rule(np.sum, g, y, x), _M),
    "softmax mean": _op("mean", _softmax, lambda g, y, x: y * (g - np.mean(g * y, axis=-1, keepdims=True)), _M),
    "no upstream": _op("upstream", np.tanh, lambda g, y, x: 1 - y * y, _M),
    "upstream twice": _op("upstream", np.sin, lambda g, y, x: g * g * np.cos(x), _M),
    "upstream's sum": _op("upstream", np.sin, lambda g, y, x: np.sum(g) * np.cos(x), _V),
    "loss": _op("upstream", lambda x: np.sum(x * x), lambda g, y, x: 2 * x, _V),
    "upstream of one term": _op("upstream", lambda x: x + np.exp(x), lambda g, y, x: g + y, _V),
    "tanh of x": _op("input-output", np.tanh, lambda g, y, x: g * (1 - x * x), _M),
    "sigmoid of x": _op("input-output", _sigmoid, lambda g, y, x: g * x * (1 - x), _V),
    "exp of x": _op("input-output", np.exp, lambda g, y, x: g * x, _V),
    "sqrt of x": _op("input-output", np.sqrt, lambda g, y, x: g / (2 * x), np.abs(_V)),
    "log of y": _op("input-output", np.log, lambda g, y, x: g / y, np.abs(_V) + 0.3),
    "square of y": _op("input-output", np.square, lambda g, y, x: 2 * g * y, _V),
    "softmax of x": _op("input-output", _softmax, lambda g, y, x: x * (g - np.sum(g * x, axis=-1, keepdims=True)), _M),
    "layer's tanh": _op(
        "input-output",
        _layer,
        (
            lambda g, y, x, w, b: (g * (1 - (x @ w + b) ** 2)) @ w.T,
            lambda g, y, x, w, b: x.T @ (g * (1 - (x @ w + b) ** 2)),
            lambda g, y, x, w, b: (g * (1 - (x @ w + b) ** 2)).sum(0),
        ),
        _X,
        _W,
        _B,
    ),
    "x * x": _op("last-use", lambda x: x * x, lambda g, y, x: g * x, _V),
    "x * tanh x": _op("last-use", lambda x: x * np.tanh(x), lambda g, y, x: g * x * (1 - np.tanh(x) ** 2), _V),
    "x + sin x": _op("last-use", lambda x: x + np.sin(x), lambda g, y, x: g * np.cos(x), _V),
    "gather": _op("last-use", _gathered, _assigned, _M),
    "three uses": _op("last-use", lambda x: x * np.sin(x) * np.exp(x), lambda g, y, x: g * y, _V),
    "cumsum": _op("off-by-one", np.cumsum, lambda g, y, x: np.cumsum(g[::-1])[::-1] - g, _V),
    "slice": _op("off-by-one", lambda x: x[1:] * 2, lambda g, y, x: np.append(2 * g, 0.0), _V),
    "rolled slope": _op("off-by-one", np.sin, lambda g, y, x: g * np.cos(np.roll(x, 1)), _V),
    "rolled gradient": _op("off-by-one", np.sin, lambda g, y, x: np.roll(g, 1, axis=0) * np.cos(x), _M),
    "label": _op(
        "off-by-one", _cross_entropy, lambda g, y, x: g * (_softmax(x) - np.eye(3)[(_LABELS + 1) % 3]) / 4, _M
    ),
    "multiply": _op("wrong-operand", np.multiply, (lambda g, y, a, b: g * a, lambda g, y, a, b: g * b), _V, 2 + _V),
    "divide": _op(
        "wrong-operand", np.divide, (lambda g, y, a, b: -g * a / b**2, lambda g, y, a, b: g / b), _V, 2 + np.abs(_V)
    ),
    "one of hypot": _op(
        "wrong-operand", np.hypot, (lambda g, y, a, b: g * b / y, lambda g, y, a, b: g * b / y), _V, 2 + _V
    ),
    "mask": _op(
        "wrong-operand", np.maximum, (lambda g, y, a, b: g * (b > a), lambda g, y, a, b: g * (a > b)), _V, 0.1 - _V
    ),
    "zero": _op("detached", np.sin, lambda g, y, x: 0 * g, _V),
    "stopped": Broken("detached", lambda x: np.sum(stop_gradient(np.sin(x)) * np.exp(x)), (_V,)),
    "stopped as a whole": Broken("detached", lambda x, w: np.sum(stop_gradient(x) * w), (_V, 2 * _V)),
    "no rule": _op("detached", lambda a, b: a * b, (lambda g, y, a, b: g * b, None), _V, 2 * _V),
    "inside a network": Broken(
        "input-output",
        lambda x, w: np.sum(custom_op(np.tanh, lambda g, y, x: g * (1 - x * x), name="mine")(np.sin(x) @ w) ** 2),
        (_X, _W),
    ),
    "a scalar inside of a sum": _op(
        "wrong-operand", np.multiply, (lambda g, y, a, b: g * a, lambda g, y, a, b: g * b), 0.7, 1.9
    ),
}

TABLE: list[tuple[str, str, int, Any, Callable[..., Any], tuple[Any, ...]]] = [
    ("sign", "cos", 0, lambda y, x: np.sin(x), ag.cos, (_V,)),
    ("sign", "subtract", 1, 1.0, lambda x, y: x * (x - y), (_V, 2 * _V)),
    ("factor", "square", 0, lambda y, x: x, lambda x: np.sum(np.square(x) * x), (_V,)),
    ("input-output", "tanh", 0, lambda y, x: 1 - x * x, lambda x: np.exp(ag.tanh(x)), (_M,)),
    ("input-output", "exp", 0, lambda y, x: x, ag.exp, (0.7,)),
    ("wrong-operand", "multiply", 0, lambda y, a, b: a, lambda x: x * np.sin(x) + x, (_V,)),
    ("transposed", "matmul", 0, lambda g, y, a, b: g @ b, lambda a, b: np.sum(np.tanh(a @ b)), (_S, _T)),
    ("mean", "mean", 0, lambda g, y, a, axis, keepdims: np.broadcast_to(g, np.shape(a)), ag.mean, (_M,)),
]


def _kinds(report: Any) -> list[str]:
    return [diagnosis.kind for diagnosis in report.diagnoses]


@pytest.mark.parametrize("case", BROKEN)
def test_the_mistake_is_among_the_first_two(case: str) -> None:
    kind, f, inputs = BROKEN[case]
    report = gradcheck(f, *inputs)
    assert not report.ok
    assert kind in _kinds(report)[:2], [(d.kind, d.likelihood, d.sentence) for d in report.diagnoses]


@pytest.mark.parametrize("row", [row for row in TABLE if row[5]], ids=lambda row: f"{row[1]}-{row[0]}")
def test_a_broken_rule_of_the_table_is_named(row: Any) -> None:
    kind, name, operand, rule, f, inputs = row
    with ops.overridden(name, operand, rule):
        report = gradcheck(f, *inputs)
    assert not report.ok
    assert kind in _kinds(report)[:2], [(d.kind, d.likelihood, d.sentence) for d in report.diagnoses]
    assert f"the rule of '{name}' for operand {operand}" in report.diagnoses[0].sentence


def test_a_mistake_in_a_large_array_is_diagnosed_on_a_few_of_its_entries() -> None:
    x, w = np.ones((80, 90)) / 3, np.full((90, 2), 0.1)
    f = custom_op(np.matmul, (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: 2 * a.T @ g), name="mine")
    report = gradcheck(lambda a, b: ag.tanh(f(a, b)), x, w)
    assert {entry.input for entry in report.failures} == {"1"}
    assert _kinds(report)[0] == "factor"


def test_one_wrong_entry_of_a_large_array_is_a_special_case() -> None:
    def rule(g: Any, y: Any, x: Any) -> Any:
        return g * np.cos(x) * np.where(np.arange(np.size(x)) == 7000, 2, 1)

    report = gradcheck(custom_op(np.sin, rule, name="mine"), np.linspace(-1, 1, 9000))
    assert _kinds(report) == ["few-entries"]
    assert "for fewer entries the same rule is right" in report.diagnoses[0].sentence
    assert report.diagnoses[0].index == (7000,)


def test_a_right_rule_at_its_kink_is_not_accused() -> None:
    broken = custom_op(np.sin, lambda g, y, x: -g * np.cos(x), name="mine")
    report = gradcheck(lambda x: ag.relu(x - 1.0) + broken(x), np.array([1.0, 0.5, 2.0]))
    assert _kinds(report)[0] == "sign"
    assert all("'mine'" in diagnosis.sentence for diagnosis in report.diagnoses)


def test_kinks_do_not_hide_a_mistake() -> None:
    broken = custom_op(lambda x: np.maximum(x, 0), lambda g, y, x: 2 * g * (x > 0), name="mine")
    report = gradcheck(broken, np.array([0.0, 0.0, 1.0, -1.0, 2.0]))
    assert "factor" in _kinds(report)[:2]


def test_what_has_no_name_is_told_to_have_none() -> None:
    f = custom_op(np.sin, lambda g, y, x: g * (0.1 + np.cos(x) ** 3), name="mine")
    report = gradcheck(f, _V)
    assert _kinds(report) == ["unknown"]
    assert report.diagnoses[0].likelihood < 0.5
    assert report.diagnoses[0].index is not None


def test_a_second_order_that_is_cut_off_is_detached() -> None:
    f = custom_op(np.sin, lambda g, y, x: g * np.cos(stop_gradient(x)), name="mine")
    report = gradcheck(f, _V, order=2)
    assert _kinds(report)[0] == "detached"


def test_right_gradients_have_no_diagnosis() -> None:
    assert gradcheck(ag.tanh, _V, order=2).diagnoses == []


def test_what_is_nearly_right_is_a_loss_of_precision_wherever_it_comes_from() -> None:
    def f(x: Any) -> Any:
        return stop_gradient(1e-6 * np.sin(x)) + np.exp(x)

    assert _kinds(gradcheck(f, _V))[0] == "rounded"
