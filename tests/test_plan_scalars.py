"""Graphs of Values: the engine's numbers from tables of steps, wide ones and long ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Value, ops
from autograd_lite.replay.lower import lower
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan import build
from autograd_lite.replay.plan_scalars import Levels
from autograd_lite.replay.primitive import SCALAR_NAMES, Plan, Scalars
from nn.scalar import MLP
from tests.plans import close, program_of


def check(f: Any, values: list[Value], others: list[float]) -> Plan:
    program, expected = program_of(f, values)
    run: Any = build(program)
    close(run([x.data for x in values]), expected)
    assert all(type(x) is float for x in run([x.data for x in values]))
    _, expected = program_of(f, [Value(x) for x in others])
    close(run(others), expected)
    return run.plan  # type: ignore[no-any-return]


SINGLE = [name for name, op in ops.TABLE.items() if op.is_elementwise and op.scalar is not None]


@pytest.mark.parametrize("name", SINGLE)
def test_every_scalar_op(name: str) -> None:
    op = ops.TABLE[name]
    rng = np.random.default_rng(0)
    draws = [[float(rng.uniform(low, high)) for low, high in op.domain] for _ in range(2)]
    if op.rules[0] is None:
        condition = draws[0].pop(0)
        draws[1].pop(0)
        check(lambda *x: op(condition, *x) * 2.0, [Value(x) for x in draws[0]], draws[1])
    else:
        check(lambda *x: op(*x) * 2.0, [Value(x) for x in draws[0]], draws[1])


def test_slopes_that_are_infinite_give_way_to_an_exact_zero() -> None:
    check(lambda x, y: ag.where(1.0, x, ag.sqrt(y)) * 3.0, [Value(2.0), Value(0.0)], [1.0, 0.0])
    check(lambda x, y: x * ag.log(y) * 0.0, [Value(2.0), Value(0.5)], [1.0, 0.25])


def test_a_network_of_values_is_a_few_calls() -> None:
    ag.manual_seed(0)
    network = MLP(2, [6, 6, 1])
    rows = np.random.default_rng(1).normal(size=(12, 2)).tolist()

    def loss() -> Any:
        return sum((1.0 - network(row)).relu() ** 2 for row in rows)

    leaves = network.parameters()
    program, expected = program_of(loss, [], leaves)
    run: Any = build(program)
    close(run([]), expected)
    for p in leaves:
        p.data = p.data * 0.9
    close(run([]), program_of(loss, [], leaves)[1])
    (table,) = (s for s in run.plan.steps if isinstance(s, Scalars))
    assert len(table.codes) > 2000
    assert len(Levels(table).batches) < 100


def test_a_long_chain_runs_one_by_one() -> None:
    def chain(x: Value, y: Value) -> Any:
        for i in range(300):
            x = (x * y).tanh() + 1.0 / (i + 1) if i % 3 else ag.where(x > 0, x.sqrt(), y) * 1.5
        return x

    values = [Value(0.5), Value(0.8)]
    program, expected = program_of(chain, values)
    run: Any = build(program)
    assert any(levels.chain for _, levels in run._tables)
    close(run([0.5, 0.8]), expected)


def test_what_divides_by_zero_is_infinite_and_not_an_error() -> None:
    def f(x: Value, y: Value) -> Any:
        for _ in range(4):
            x = x.exp() / y
        return x

    program, _ = program_of(f, [Value(0.1), Value(2.0)])
    run = build(program)
    value, *_ = run([1.0, 0.0])
    assert value == np.inf


def test_numbers_that_nobody_reads_are_left_out() -> None:
    def f(x: Value, y: Value) -> Any:
        return x * y + x.tanh() + y.exp() * x.sin() + x * x * y

    program, _ = program_of(f, [Value(0.3), Value(0.4)])
    whole = sum(len(s.codes) for s in lower(program).steps if isinstance(s, Scalars))
    program.outputs = program.outputs[:1]
    (table,) = (s for s in optimise(lower(program)).steps if isinstance(s, Scalars))
    assert len(table.codes) == 10 < whole
    assert {SCALAR_NAMES[c] for c in table.codes} == {"multiply", "add", "tanh", "exp", "sin"}
