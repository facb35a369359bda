"""Large inputs: one wrong entry among very many is seen, and found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import custom_op, gradcheck
from autograd_lite.check.judge import Judge
from autograd_lite.check.problem import Problem
from autograd_lite.check.search import along_directions, locate


def _off(place: int, size: float) -> Any:
    """Return the sine with one entry of its gradient too large by a relative error."""

    def rule(g: Any, y: Any, x: Any) -> Any:
        share = g * np.cos(x)
        share.flat[place] *= 1 + size
        return share

    return custom_op(np.sin, rule, name="mine")


@pytest.mark.parametrize(("seed", "size"), [(0, 1e-6), (1, 1e-6), (2, 1e-6), (3, 1e-7), (4, 1e-8)])
def test_one_entry_of_100_000_wrong_by_a_millionth_or_less(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    place = int(rng.integers(100_000))
    x = rng.standard_normal((100, 1000))
    report = gradcheck(_off(place, size), x, seed=seed)
    index = np.unravel_index(place, x.shape)
    assert not report.ok
    assert report.worst is not None
    assert report.worst.index == index
    assert abs(report.worst.rel - size / (1 + size)) < 1e-13
    assert any(f"entry {tuple(map(int, index))} of input 0 was found among 100,000" in note for note in report.notes)


def test_one_entry_of_1_000_000_is_named_within_25_evaluations() -> None:
    rng = np.random.default_rng(0)
    x, place, calls = rng.standard_normal(1_000_000), 654_321, 0

    def counted(v: Any) -> Any:
        nonlocal calls
        calls += 1
        return _off(place, 1e-6)(v)

    problem = Problem(counted, [x])
    weights = problem.weights(rng)
    gradient = problem.run().pull(weights)[0]
    judge = Judge(problem, weights[0], 1, 1e-9, 1e-12)
    direction = rng.choice([-1.0, 1.0], x.shape)
    calls = 0
    off, noise = judge.deviation([direction], gradient, exact=True)
    index, count = locate(judge, 0, direction, gradient, off, exact=True)
    assert abs(off) > 16 * noise
    assert index == (place,)
    assert calls == count + 1 <= 25


def test_right_gradients_of_large_inputs_pass() -> None:
    x = np.random.default_rng(1).standard_normal((60, 100))
    for f in (
        lambda v: ag.tanh(v @ np.ones((100, 3))),
        lambda v: 1e8 + ag.sin(v),
        lambda v: ag.absolute(v) * ag.exp(v),
        lambda v: ag.softmax(v),
        lambda v: np.sum(v * v) ** 0.5,
    ):
        report = gradcheck(f, x)
        assert report.ok, str(report)
        assert not report.notes


def test_an_entry_is_found_without_the_complex_step() -> None:
    def rule(g: Any, y: Any, x: Any) -> Any:
        share = g * np.sign(x)
        share[4321] *= 2
        return share

    x = np.random.default_rng(2).standard_normal(5000) + 3
    report = gradcheck(custom_op(np.abs, rule, name="mine"), x)
    assert not report.ok
    assert report.worst is not None
    assert report.worst.index == (4321,)
    assert "ridders" in report.method_counts


def test_a_gradient_that_is_wrong_everywhere_names_some_entry() -> None:
    x = np.random.default_rng(3).standard_normal(5000)
    report = gradcheck(custom_op(np.sin, lambda g, y, v: 2 * g * np.cos(v), name="mine"), x)
    assert report.worst is not None
    assert report.worst.index is not None
    assert abs(report.worst.rel - 0.5) < 1e-9


def test_only_the_wrong_one_of_several_inputs_fails() -> None:
    def rule(g: Any, y: Any, a: Any, b: Any) -> Any:
        share = g * a
        share[77] += 1e-6
        return share

    f = custom_op(np.multiply, (lambda g, y, a, b: g * b, rule), name="mine")
    rng = np.random.default_rng(4)
    report = gradcheck(f, rng.standard_normal(5000), rng.standard_normal(5000))
    assert {entry.input for entry in report.failures} == {"1"}
    assert {entry.index for entry in report.failures} >= {(77,)}


def test_directions_that_pass_are_not_searched() -> None:
    problem = Problem(ag.sin, [np.random.default_rng(5).standard_normal(5000)])
    weights = problem.weights(np.random.default_rng(6))
    judge = Judge(problem, weights[0], 1, 1e-9, 1e-12)
    entries, notes = along_directions(judge, 0, problem.run().pull(weights)[0], np.random.default_rng(7))
    assert [entry.ok for entry in entries] == [True] * 3
    assert notes == []
