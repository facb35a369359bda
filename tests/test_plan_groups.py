"""Groups: the same results, and nothing in memory that one group alone reads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor
from autograd_lite.graph import data_of
from autograd_lite.replay.buffers import lay_out
from autograd_lite.replay.lower import lower
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan import memory_of
from autograd_lite.replay.plan_groups import grouped
from autograd_lite.replay.plan_steps import perform
from autograd_lite.replay.primitive import Array, Elementwise, Group, Plan
from tests.plans import close, program_of
from tests.test_plan import FUNCTIONS, MODELS, B, W, X, tensor


def run_by_step(plan: Plan, inputs: list[Any]) -> list[Any]:
    """Run a plan step by step, with all of its memory where it was laid out."""
    arrays = memory_of(plan, inputs)
    with np.errstate(all="ignore"):
        for step in plan.steps:
            perform(step, arrays)
    return [np.array(arrays[n]) for n in plan.outputs]


def check(f: Any, inputs: list[Any], leaves: list[Any]) -> Plan:
    program, expected = program_of(f, inputs, leaves)
    plan = grouped(optimise(lower(program)))
    lay_out(plan)
    found = run_by_step(plan, [data_of(x) for x in inputs])
    close(found, [np.asarray(x) for x in expected])
    return plan


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_groups(name: str) -> None:
    check(FUNCTIONS[name], [X], [W, B] if "layer" in name else [W] if name in ("joined", "einsum") else [])


@pytest.mark.parametrize("name", MODELS)
def test_models_in_groups(name: str) -> None:
    make, shape, loss = MODELS[name]
    model = make().eval() if name == "MLP" else make()
    check(lambda x: loss(model(x)), [tensor(*shape)], list(model.parameters()))


def test_a_chain_with_its_sum_is_one_group_without_memory() -> None:
    x = tensor(50, 40)
    plan = check(lambda x: ag.sum(np.tanh(x * 2.0 + 1.0) * np.exp(-x)), [x], [])
    groups = [s for s in plan.steps if isinstance(s, Group)]
    assert len(plan.steps) == len(groups) <= 2
    stored = [w for g in groups for w in g.stores]
    made = [s.write for g in groups for s in g.steps]
    assert len(stored) < len(made) / 2
    assert plan.arena + sum(plan.arrays[n].nbytes for n in plan.fresh) <= 6 * x.nbytes


def test_nothing_moves_across_a_write() -> None:
    x = tensor(6, 5)

    def f(x: Tensor) -> Any:
        parts = [x[:, i] for i in range(5)]  # their gradients are added into one array, piece by piece
        return sum(ag.sum(p * p * q) for p, q in itertools.pairwise(parts))

    check(f, [x], [])


def test_a_step_does_not_move_past_a_write_to_what_it_reads() -> None:
    one = Array((3,), np.dtype(np.float64))
    plan = Plan([Array((3,), one.dtype, "input", 0), one, one, one])
    plan.steps = [
        Elementwise("copy", (0,), 1),
        Elementwise("exp", (1,), 2),
        Elementwise("add", (1, 0), 1),
        Elementwise("multiply", (2, 1), 3),
    ]
    plan.outputs = [3]
    plan = grouped(plan)
    lay_out(plan)
    x = np.array([0.1, 0.2, 0.3])
    close(run_by_step(plan, [x]), [np.exp(x) * 2 * x])


def test_a_group_computes_in_one_floating_point_type() -> None:
    x = Tensor(np.linspace(-1, 1, 6, dtype=np.float32), requires_grad=True)
    program, expected = program_of(lambda x: ag.sum(np.exp(ag.astype(np.tanh(x * x), "float64")) ** 2), [x])
    plan = grouped(optimise(lower(program)))
    lay_out(plan)
    close(run_by_step(plan, [x._data]), [np.asarray(e) for e in expected], 1e-6)
    groups = [s for s in plan.steps if isinstance(s, Group)]
    assert groups
    for group in groups:
        kinds = {plan.arrays[n].dtype for s in group.steps for n in (*s.reads, s.write)}
        assert len(kinds & {np.dtype(np.float32), np.dtype(np.float64)}) == 1
