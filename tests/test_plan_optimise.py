"""What is left out of a plan, what must not be, and the memory of what remains."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, ops
from autograd_lite.replay.buffers import lay_out, lives
from autograd_lite.replay.lower import lower
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan import build
from autograd_lite.replay.primitive import Call, Effect, Elementwise, Fill, Plan, Reduce
from autograd_lite.replay.program import Instruction, Program, Spot
from tests.plans import close, program_of
from tests.test_plan import MODELS, B, W, X, tensor

FLOAT = np.dtype(np.float64)


def program(spots: list[Spot], instructions: list[Instruction], outputs: list[int]) -> Program:
    return Program(spots, instructions, outputs)


def given(role: str, source: Any, shape: tuple[int, ...] = (3,)) -> Spot:
    return Spot(shape, FLOAT, role, source)


RESULT = Spot((3,), FLOAT)


def names(plan: Plan) -> list[str]:
    return [s.name if isinstance(s, (Elementwise, Reduce)) else type(s).__name__ for s in plan.steps]


def optimised(f: Any, *inputs: Any) -> Plan:
    return optimise(lower(program_of(f, list(inputs))[0]))


def forward(f: Any) -> list[str]:
    recorded, _ = program_of(lambda x: ag.sum(f(x)), [tensor(3)])
    recorded.outputs = recorded.outputs[:1]
    return names(optimise(lower(recorded)))


def test_equal_steps_are_done_once() -> None:
    assert forward(lambda x: np.exp(x) * np.exp(x) + np.exp(x)).count("exp") == 1


def test_constants_are_computed_ahead() -> None:
    frozen = np.ones(3)
    frozen.flags.writeable = False
    assert forward(lambda x: x * (np.float64(2.0) * 3.0)) == ["multiply", "add"]
    recorded = program(
        [given("input", 0), given("constant", frozen), RESULT, RESULT],
        [Instruction("forward", (1,), (2,), ops.exp), Instruction("forward", (0, 2), (3,), ops.multiply)],
        [3],
    )
    assert names(optimise(lower(recorded))) == ["multiply"]
    close(build(recorded)([np.arange(3.0)]), [np.arange(3.0) * np.e])


def test_a_constant_that_somebody_can_write_is_read_in_each_run() -> None:
    owned = np.ones(3)
    recorded = program(
        [given("input", 0), given("constant", owned), RESULT, RESULT],
        [Instruction("forward", (1,), (2,), ops.exp), Instruction("forward", (0, 2), (3,), ops.multiply)],
        [3],
    )
    run = build(recorded)
    owned[:] = 2.0
    close(run([np.ones(3)]), [np.exp(owned)])


@pytest.mark.parametrize(
    ("f", "kept"),
    [
        (lambda x: x * 1.0, False),
        (lambda x: x / 1.0, False),
        (lambda x: x - 0.0, False),
        (lambda x: x - (-0.0), True),
        (lambda x: x + 0.0, True),  # -0.0 becomes 0.0
        (lambda x: x * 0.0, True),  # NaN stays NaN
        (lambda x: 1.0 / x, True),
    ],
)
def test_algebra_leaves_out_only_what_changes_no_bit(f: Any, kept: bool) -> None:
    assert len(forward(f)) == 1 + kept
    recorded, _ = program_of(lambda x: ag.sum(f(x) * np.array([1.0, 0.0, 0.0])), [tensor(3)])
    recorded.outputs = [recorded.instructions[0].writes[0]]
    x = np.array([-0.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(build(recorded)([x])[0].view(np.int64), np.asarray(f(x)).view(np.int64))


def test_what_nobody_reads_is_not_computed_but_calls_with_effects_are() -> None:
    seen: list[int] = []

    def draw() -> Any:
        seen.append(1)
        return np.zeros(3)

    recorded = program(
        [given("input", 0), RESULT, RESULT, RESULT, RESULT],
        [
            Instruction("call", (), (1,), run=draw, pure=False),
            Instruction("call", (0,), (2,), run=lambda x: pytest.fail("nobody reads this")),
            Instruction("forward", (0,), (3,), ops.exp),
            Instruction("forward", (0,), (4,), ops.sin),
        ],
        [4],
    )
    run: Any = build(recorded)
    run([np.ones(3)])
    assert names(run.plan) == ["Call", "sin"]
    assert seen == [1]


def test_nothing_is_shared_across_a_write_to_a_leaf() -> None:
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def double() -> None:
        leaf._data *= 2.0

    recorded = program(
        [given("leaf", leaf), RESULT, RESULT],
        [
            Instruction("forward", (0,), (1,), ops.exp),
            Instruction("effect", (), run=double, overwrites=(0,)),
            Instruction("forward", (0,), (2,), ops.exp),
        ],
        [1, 2],
    )
    run = build(recorded)
    for _ in range(2):
        before = leaf._data.copy()
        close(run([]), [np.exp(before), np.exp(before * 2)])


def test_nothing_is_shared_across_an_effect_that_writes_what_it_holds() -> None:
    held = np.ones(3)

    def double() -> None:
        held[:] *= 2.0

    recorded = program(
        [given("constant", held), RESULT, RESULT],
        [
            Instruction("forward", (0,), (1,), ops.exp),
            Instruction("effect", (), run=double),
            Instruction("forward", (0,), (2,), ops.exp),
        ],
        [1, 2],
    )
    close(build(recorded)([]), [np.exp(np.ones(3)), np.exp(np.full(3, 2.0))])


def test_a_copy_of_a_leaf_outlives_its_write() -> None:
    leaf = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def clear() -> None:
        leaf._data[:] = 0.0

    recorded = program(
        [given("leaf", leaf), RESULT, RESULT],
        [
            Instruction("forward", (0,), (1,), ops.positive),
            Instruction("effect", (), run=clear, overwrites=(0,)),
            Instruction("forward", (1,), (2,), ops.negative),
        ],
        [1, 2],
    )
    close(build(recorded)([]), [np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0])])


def test_leaves_that_are_bound_anew_and_that_lie_otherwise_in_memory() -> None:
    w = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    recorded, expected = program_of(lambda x: ag.sum(np.tanh(x @ w.T) ** 2), [tensor(5, 4)], [w])
    run = build(recorded)
    x = tensor(5, 4)._data
    close(run([x]), expected)
    for data in (
        np.ones((3, 4)),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24.0).reshape(3, 8)[:, ::2],
    ):
        w._data = data / 10
        y = Tensor(x, requires_grad=True)
        _, expected = program_of(lambda x: ag.sum(np.tanh(x @ w.T) ** 2), [y], [w])
        close(run([np.asfortranarray(x)]), expected)
        w._data *= 0.5  # in place: the views must show it
        close(run([x[::-1][::-1]]), program_of(lambda x: ag.sum(np.tanh(x @ w.T) ** 2), [y], [w])[1])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ag.sum(np.tanh(ag.linear(x, W, B)).reshape(-1) ** 2),
        lambda x: ag.sum(np.tanh(x @ (W + B.reshape(4, 1)).T)),
        lambda x: ag.sum(x + 0.0) + ag.sum(W + W) + ag.sum(B * 1.0),
    ],
)
def test_results_are_nobody_elses_memory(f: Any) -> None:
    recorded, _ = program_of(f, [X], [W, B])
    run: Any = build(recorded)
    first = run([X._data])
    kept = [np.copy(x) for x in first]
    for x in first:
        x[...] = 7.0
    second = run([X._data * 2])
    for x, y in zip(first, second, strict=True):
        assert not np.shares_memory(x, y)
        assert (x == 7.0).all()
    close(run([X._data]), kept)


def test_what_an_effect_is_given_stays_as_it_is() -> None:
    kept: list[Any] = []
    recorded = program(
        [given("input", 0), RESULT, RESULT],
        [
            Instruction("forward", (0,), (1,), ops.exp),
            Instruction("effect", (1, 0), run=lambda *arrays: kept.append(arrays)),
            Instruction("forward", (1,), (2,), ops.negative),
        ],
        [2],
    )
    run = build(recorded)
    x = np.ones(3)
    run([x])
    x[:] = 2.0
    run([x])
    close([a[0] for a in kept], [np.full(3, np.e), np.exp(np.full(3, 2.0))])
    close([a[1] for a in kept], [np.ones(3), np.full(3, 2.0)])


@pytest.mark.parametrize("name", MODELS)
def test_arrays_that_live_at_the_same_time_lie_apart(name: str) -> None:
    make, shape, loss = MODELS[name]
    model = make().eval() if name == "MLP" else make()
    recorded, _ = program_of(lambda x: loss(model(x)), [tensor(*shape)], list(model.parameters()))
    plan = optimise(lower(recorded))
    lay_out(plan)
    first, last = lives(plan)
    placed = sorted(plan.places, key=lambda n: first[n])
    assert all(plan.places[n] % 64 == 0 for n in placed)
    assert max(plan.places[n] + plan.arrays[n].nbytes for n in placed) <= plan.arena
    total = sum(plan.arrays[n].nbytes for n in placed)
    assert plan.arena < 0.75 * total
    for i, a in enumerate(placed):
        for b in placed[i + 1 :]:
            if (
                first[b] < last[a] and plan.arrays[a].size and plan.arrays[b].size
            ):  # at the end of one the other may begin, in place
                start, stop = plan.places[a], plan.places[a] + plan.arrays[a].nbytes
                assert plan.places[b] >= stop or plan.places[b] + plan.arrays[b].nbytes <= start


def test_the_states_of_a_recurrence_are_computed_where_they_are_collected() -> None:
    def f(x: Any) -> Any:
        h, states = x[0], []
        for i in range(4):
            h = np.tanh(x[i] + h[::-1])
            states.append(h)
        return ag.sum(np.stack(states, axis=1) ** 2)

    recorded, expected = program_of(f, [tensor(4, 3)])
    run: Any = build(recorded)
    close(run([tensor(4, 3)._data]), expected)
    steps = [s for s in run.plan.steps if isinstance(s, Elementwise)]
    stacked = {run.plan.owner(s.write) for s in steps if s.name == "tanh"}
    assert len(stacked) == 1
    assert not any(s.name == "copy" and run.plan.owner(s.write) in stacked for s in steps)


def test_memory_is_computed_on_where_it_is() -> None:
    make, shape, loss = MODELS["LSTM"]
    model = make()
    recorded, _ = program_of(lambda x: loss(model(x)), [tensor(*shape)], list(model.parameters()))
    whole, plan = lower(recorded), optimise(lower(recorded))
    assert names(plan).count("copy") < names(whole).count("copy") / 2


def test_gradients_of_slices_are_put_in_place_and_not_added_to_zeros() -> None:
    def f(x: Any) -> Any:
        return sum(ag.sum(x[:, i] ** 2) * float(i) for i in range(4))

    recorded, expected = program_of(f, [tensor(3, 4)])
    run: Any = build(recorded)
    close(run([tensor(3, 4)._data]), expected)
    assert not any(isinstance(s, Fill) for s in run.plan.steps)
    half, expected = program_of(lambda x: ag.sum(x[:, 1] ** 2) + ag.sum(x[0, 2:]), [tensor(3, 4)])
    close(build(half)([tensor(3, 4)._data]), expected)
    crossing, expected = program_of(lambda x: ag.sum(x[:, 1:3] ** 2) + ag.sum(x[1] ** 3), [tensor(3, 4)])
    close(build(crossing)([tensor(3, 4)._data]), expected)


def test_a_shape_that_comes_to_depend_on_data_is_refused() -> None:
    recorded = program(
        [given("input", 0), RESULT], [Instruction("call", (0,), (1,), run=lambda x: x[x > 0], pure=False)], [1]
    )
    run = build(recorded)
    close(run([np.ones(3)]), [np.ones(3)])
    with pytest.raises(ValueError, match="its shape depends on data"):
        run([np.array([1.0, -1.0, 1.0])])
    close(run([np.ones(3)]), [np.ones(3)])


def test_threads_do_not_meet() -> None:
    recorded, _ = program_of(lambda x: ag.sum(np.tanh(x @ x.T) ** 2), [tensor(30, 30)])
    run: Any = build(recorded)
    inputs = [np.full((30, 30), k / 100) for k in range(4)]
    expected = [run([x]) for x in inputs]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(50):
            found = run([inputs[k]])
            if any((a != b).any() for a, b in zip(found, expected[k], strict=True)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_plan_calls_itself_from_an_effect() -> None:
    depth = 0
    run: Any = None
    inner: list[Any] = []

    def again(x: Any) -> None:
        nonlocal depth
        if depth < 2:
            depth += 1
            inner.append(run([x + 1.0])[0])

    recorded = program(
        [given("input", 0), RESULT, RESULT],
        [
            Instruction("forward", (0,), (1,), ops.exp),
            Instruction("effect", (0,), run=again),
            Instruction("forward", (1,), (2,), ops.negative),
        ],
        [2],
    )
    run = build(recorded)
    close(run([np.zeros(3)]), [np.full(3, -1.0)])
    close(inner, [np.full(3, -np.exp(2.0)), np.full(3, -np.e)])


def test_calls_are_for_what_looks_at_entries() -> None:
    plan = optimised(lambda x: ag.sum(ag.sort(x) * np.arange(3.0)), tensor(3))
    assert [s.name for s in plan.steps if isinstance(s, Call)] == ["sort", "argsort", "argsort", "take_along_axis"]
    assert not any(isinstance(s, Effect) for s in plan.steps)
