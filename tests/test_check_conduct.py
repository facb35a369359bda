"""What a gradient check tells without numeric derivatives: troubles of conduct, each with a sentence of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, Value, custom_op, gradcheck, ops, stop_gradient
from autograd_lite.check import conduct
from autograd_lite.check.problem import Problem

_X = np.array([0.3, -1.2, 2.5, 0.01])
_M = np.array([[0.3, -1.2, 0.7], [2.5, 0.1, -0.4]])


def _sin(rule: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    return custom_op(np.sin, rule, name="mine", **more)


def _noisy_rule() -> Callable[..., Any]:
    rng = np.random.default_rng(0)
    return _sin(lambda g, y, x: g * np.cos(x) * (1 + 1e-15 * rng.integers(1, 9)))


def _in_place(g: Any, y: Any, x: Any) -> Any:
    g *= np.cos(x)
    return g


def _overwriting(g: Any, y: Any, x: Any) -> Any:
    share = g * np.cos(x)
    x[0] += 1
    return share


def _noisy(rng: np.random.Generator) -> Callable[..., Any]:
    return lambda x: x * rng.standard_normal(4)


def _vandal(x: Any) -> Any:
    x._data[0] += 1.0
    return x * 2


TROUBLES: dict[str, tuple[Callable[..., Any], str]] = {
    "another result": (_noisy(np.random.default_rng(0)), "another result for the same input: is dropout on"),
    "another gradient": (_noisy_rule(), "another gradient for the same input"),
    "changed input": (_vandal, "changed its input 0"),
    "shape": (_sin(lambda g, y, x: np.sum(g)), "of shape (), but the operand has shape (4,)"),
    "dtype": (_sin(lambda g, y, x: (g * np.cos(x)).astype(np.float32)), "of dtype float32"),
    "not used": (_sin(lambda g, y, x: np.cos(x)), "with an incoming gradient of zero the gradient of input 0"),
    "constant added": (_sin(lambda g, y, x: g * np.cos(x) + 1e-13), "with an incoming gradient of zero"),
    "used twice": (_sin(lambda g, y, x: g * g * np.cos(x)), "grows fourfold"),
    "not linear": (_sin(lambda g, y, x: g * np.abs(g) ** 0.5 * np.cos(x)), "does not double"),
    "absolute value": (_sin(lambda g, y, x: np.abs(g) * np.cos(x)), "for a sum of incoming gradients"),
    "detached": (lambda x: stop_gradient(x) * 3.0, "no gradient reaches input 0 (it is None), but the result depends"),
    "recording": (lambda x: x * (3.0 if ag.is_recording() else 2.0), "another value when its gradient is recorded"),
    "forward mode": (
        _sin(lambda g, y, x: g * np.cos(x), jvp=lambda t, y, x: t[0] * np.sin(x)),
        "forward mode (jvp) and reverse mode (vjp) disagree",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_has_its_own_sentence(trouble: str) -> None:
    f, sentence = TROUBLES[trouble]
    report = gradcheck(f, _X)
    assert not report.ok
    assert any(sentence in problem for problem in report.problems), report.problems
    others = [s for name, (_, s) in TROUBLES.items() if s != sentence and name not in ("not used", "constant added")]
    assert not [s for s in others for problem in report.problems if s in problem]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (_in_place, "a rule of 'mine' changed the incoming gradient"),
        (_overwriting, "a rule of 'mine' changed operand 0"),
    ],
)
def test_a_rule_of_the_table_that_writes_into_what_it_reads(rule: Any, sentence: str) -> None:
    mine = ops.Op("mine", "m", "np.sin(x)", np.sin, (rule,))
    report = gradcheck(lambda x: mine(x * 1.0), _X)
    assert not report.ok
    assert sentence in report.problems[0]


def test_none_is_right_for_what_the_result_does_not_depend_on() -> None:
    report = gradcheck(lambda x, w: np.sum(x), _X, 2 * _X)
    assert report.ok, str(report)
    assert report.notes == ["no gradient reaches input 1 (it is None): the result does not depend on it"]
    assert gradcheck(lambda x, w: np.sum(x) + 0.0 * np.sum(w), _X, _X).notes == []


def test_a_rule_left_out_is_a_missing_gradient() -> None:
    f = custom_op(lambda a, b: a * b, (lambda g, y, a, b: g * b, None), name="mine")
    report = gradcheck(f, _X, 2 * _X)
    assert not report.ok
    assert "no gradient reaches input 1" in report.problems[0]
    assert report.diagnoses[0].kind == "detached"


def test_the_matrix_of_second_derivatives_is_symmetric() -> None:
    matrix = np.array([[1.0, 2.0], [0.5, 1.0]])
    problem = Problem(lambda x: matrix @ x, [np.ones(2)])
    found = conduct.symmetry(problem, problem.run(), np.random.default_rng(0))
    assert "not symmetric" in found[0]
    problem = Problem(lambda x: (matrix + matrix.T) @ x, [np.ones(2)])
    assert conduct.symmetry(problem, problem.run(), np.random.default_rng(0)) == []


def test_a_rule_whose_own_derivative_is_cut_off_on_one_side_is_not_symmetric() -> None:
    rules = (lambda g, y, a, b: g * b, lambda g, y, a, b: g * stop_gradient(a))
    f = custom_op(lambda a, b: a * b, rules, name="mine")
    assert gradcheck(f, _X, 2 * _X)
    report = gradcheck(f, _X, 2 * _X, order=2)
    assert any("matrix of second derivatives is not symmetric" in problem for problem in report.problems)


def test_single_precision_is_noted() -> None:
    def rule(g: Any, y: Any, x: Any) -> Any:
        return g * np.cos(x) if np.asarray(g).dtype == np.float64 else g * np.cos(x) * np.float32(1.001)

    report = gradcheck(_sin(rule), _X)
    assert report.ok
    assert any("in single precision the gradient of input 0 is right to 0.001 only" in n for n in report.notes)
    report = gradcheck(_sin(lambda g, y, x: np.float64(1) * g.astype(np.float64) * np.cos(x.astype(np.float64))), _X)
    assert any("with float32 inputs it raises GradientError" in note for note in report.notes)
    assert gradcheck(ag.sin, _X).notes == []


def test_kinks_and_forward_mode_are_noted() -> None:
    report = gradcheck(ag.relu, np.array([0.0, 1.0]))
    assert report.notes == ["1 of the entries lie at a kink: any value between the slopes of its sides is right"]

    def rule(g: Any, y: Any, x: Any) -> Any:
        return np.asarray([float(v) for v in np.asarray(g * np.cos(x))])

    report = gradcheck(_sin(rule), _X)
    assert report.ok
    assert any("forward mode was not checked, it raised" in note for note in report.notes)


def test_single_numbers_and_nodes_behave_alike() -> None:
    for x in (0.7, Value(0.7), Tensor(0.7), np.array(0.7)):
        report = gradcheck(lambda v: v * v.exp() if hasattr(v, "exp") else v * np.exp(v), x, order=2)
        assert report.ok, str(report)
        assert report.notes == []
    report = gradcheck(_sin(lambda g, y, x: g * g * np.cos(x)), 0.7)
    assert "grows fourfold" in report.problems[0]
