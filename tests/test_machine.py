"""The machine against NumPy: random plans of every kind of step that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

from autograd_lite.replay.machine import Machine
from autograd_lite.replay.machine_lanes import OPCODES
from autograd_lite.replay.plan_builder import Builder
from autograd_lite.replay.primitive import (
    SCALAR_NAMES,
    Array,
    Call,
    Effect,
    Elementwise,
    Fill,
    Group,
    Matmul,
    Plan,
    Reduce,
    Scalars,
)

_OWN = {
    "where": np.where,
    "copy": np.positive,
    "sigmoid": lambda x: np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))),
    "relu": lambda x: np.where(x < 0, 0.0, x),
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
}
_UNARY = "negative absolute sign sqrt square reciprocal exp expm1 log log1p tanh sigmoid sin cos tan arctan sinh cosh "
_UNARY += "arcsinh exp2 log2 log10 floor ceil rint trunc relu step cbrt copy arcsin arccos arctanh arccosh"
_BINARY = "add subtract multiply divide power maximum minimum arctan2 hypot fmod copysign remainder logaddexp heaviside"
_TESTS = "greater greater_equal less less_equal equal not_equal isfinite isnan isinf"


def _function(name: str) -> Any:
    return _OWN.get(name) or getattr(np, name)


def _interpret(step: Any, arrays: list[Any]) -> None:
    """Run one step by NumPy alone."""
    match step:
        case Elementwise("astype", (read,), write):
            arrays[write][...] = arrays[read].astype(arrays[write].dtype)
        case Elementwise(name, reads, write):
            arrays[write][...] = _function(name)(*(arrays[n] for n in reads))
        case Reduce(name, read, write, axes):
            arrays[write][...] = getattr(np, name).reduce(arrays[read], axis=axes)
        case Matmul(a, b, write, accumulate):
            arrays[write][...] = arrays[a] @ arrays[b] + (arrays[write] if accumulate else 0)
        case Fill(value, write):
            arrays[write][...] = value
        case Call(function, reads, (write,)):
            arrays[write][...] = function(*(arrays[n] for n in reads))
        case Effect(function, reads):
            function(*(arrays[n] for n in reads))
        case Group(steps, _, _, sums):
            for inner in (*steps, *sums):
                _interpret(inner, arrays)
        case Scalars():
            for code, a, b, c, write in zip(step.codes, step.a, step.b, step.c, step.writes, strict=True):
                arrays[write][...] = _function(SCALAR_NAMES[code])(*(arrays[n] for n in (a, b, c) if n >= 0))


def _laid_out(builder: Builder) -> Plan:
    """Give every temp memory of its own."""
    plan = builder.plan
    for number, array in enumerate(plan.arrays):
        if array.owner == "temp":
            plan.places[number] = plan.arena
            plan.arena += -(-max(array.nbytes, 1) // 64) * 64
    return plan


def _expected(plan: Plan, inputs: list[Any]) -> list[Any]:
    arrays: list[Any] = []
    for array in plan.arrays:
        if array.owner == "input":
            arrays.append(np.array(inputs[array.source]))
        elif array.owner == "constant":
            arrays.append(array.source)
        elif array.owner == "view":
            width = arrays[array.source].dtype.itemsize
            flat = arrays[array.source].reshape(-1)[array.offset :]
            strides = [s * width for s in array.strides]
            arrays.append(np.lib.stride_tricks.as_strided(flat, array.shape, strides))
        else:
            arrays.append(np.zeros(array.shape, array.dtype))
    with np.errstate(all="ignore"):
        for step in plan.steps:
            _interpret(step, arrays)
    return [arrays[n] for n in plan.outputs]


def _compare(plan: Plan, inputs: list[Any], rtol: float = 1e-12, machine_only: bool = True) -> Machine:
    machine = Machine(plan, [True] * len(plan.outputs))
    if machine_only:
        assert not machine.refused
    for _ in range(2):
        for got, expected in zip(machine(inputs), _expected(plan, inputs), strict=True):
            assert got.dtype == expected.dtype
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)
    return machine


@pytest.mark.parametrize("name", (_UNARY + " " + _BINARY + " " + _TESTS).split())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_operation_equals_numpys(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    arity = 1 if name in _UNARY.split() or name.startswith("is") else 2
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 2.0, 1e-8, -1e-8, 700.0, -700.0, 1.5, 2.5]
    points = np.concatenate([special, rng.normal(size=300) * 3, rng.uniform(-1, 1, 300)]).astype(dtype)
    inputs = [points, rng.permutation(points)][:arity]
    builder = Builder()
    reads = [builder.add(Array(points.shape, np.dtype(dtype), "input", k)) for k in range(arity)]
    write = builder.temp(points.shape, np.bool_ if name in _TESTS.split() else dtype)
    builder.plan.steps.append(Elementwise(name, tuple(reads), write))
    builder.plan.outputs.append(write)
    _compare(_laid_out(builder), inputs, rtol=1e-12 if dtype is np.float64 else 1e-6)


def test_the_names_of_the_plan_are_known_to_the_machine() -> None:
    assert set(SCALAR_NAMES) - {"positive"} <= set(OPCODES)


def _random_group(seed: int) -> tuple[Plan, list[Any]]:
    rng = np.random.default_rng(seed)
    dtype = np.dtype(rng.choice(["f8", "f4"]))
    shape = tuple(int(n) for n in rng.integers(1, rng.choice([4, 40]), size=rng.integers(0, 4)))
    builder, inputs = Builder(), []
    values: list[int] = []
    for k in range(int(rng.integers(1, 4))):
        kind = rng.integers(4)
        own = shape
        if kind == 1:
            own = tuple(n if rng.random() < 0.5 else 1 for n in shape)[int(rng.integers(len(shape) + 1)) :]
        if kind == 2:
            own = shape[::-1]
        inputs.append(rng.normal(size=own).astype(dtype))
        number = builder.add(Array(own, dtype, "input", k))
        if kind == 2:
            number = builder.transposed(number, range(len(own))[::-1])
        if kind == 3 and shape:
            wider = (*shape[:-1], 2 * shape[-1] + 1)
            inputs[-1] = rng.normal(size=wider).astype(dtype)
            builder.plan.arrays[number] = Array(wider, dtype, "input", k)
            steps = tuple(np.array(inputs[-1].strides) // dtype.itemsize)
            number = builder.view(number, shape, 1, (*steps[:-1], 2))
        values.append(number)
    whole = [builder.broadcast(n, shape) for n in values]
    steps: list[Elementwise] = []
    for _ in range(int(rng.integers(1, 12))):
        if rng.random() < 0.2:
            test, made = builder.temp(shape, np.bool_), builder.temp(shape, dtype)
            steps.append(Elementwise("greater", tuple(int(n) for n in rng.choice(values, 2)), test))
            steps.append(Elementwise("where", (test, *(int(n) for n in rng.choice(values, 2))), made))
        else:
            name = str(
                rng.choice(["add", "subtract", "multiply", "tanh", "sigmoid", "maximum", "negative", "exp", "square"])
            )
            name = "tanh" if name in ("exp", "square") and rng.random() < 0.5 else name
            made = builder.temp(shape, dtype)
            arity = 1 if name in _UNARY.split() else 2
            steps.append(Elementwise(name, tuple(int(n) for n in rng.choice(values, arity)), made))
        values.append(made)
    made = [s.write for s in steps]
    stores = [n for n in made if rng.random() < 0.4] or made[-1:]
    sums = []
    for _ in range(int(rng.integers(0, 3))):
        axes = tuple(a for a in range(len(shape)) if rng.random() < 0.6)
        read = int(rng.choice([*made, *whole]))
        if builder.plan.arrays[read].dtype == dtype:
            rest = tuple(n for a, n in enumerate(shape) if a not in axes)
            sums.append(Reduce(str(rng.choice(["add", "maximum", "minimum"])), read, builder.temp(rest, dtype), axes))
    builder.plan.steps.append(Group(tuple(steps), shape, tuple(stores), tuple(sums)))
    builder.plan.outputs += [*stores, *(s.write for s in sums)]
    return _laid_out(builder), inputs


@pytest.mark.parametrize("seed", range(150))
def test_random_groups(seed: int) -> None:
    plan, inputs = _random_group(seed)
    single = plan.arrays[plan.outputs[0]].dtype == np.float32 or any(x.dtype == np.float32 for x in inputs)
    _compare(plan, inputs, rtol=2e-4 if single else 1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "shape", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 5), (3, 1, 1), (1, 1, 1), (32, 30, 64)]
)
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("stack", [(), (4,)])
def test_matrix_products(dtype: Any, shape: tuple[int, int, int], transposed: tuple[bool, bool], stack: Any) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    builder, inputs, factors = Builder(), [], []
    for i, (own, turned) in enumerate(zip(((m, k), (k, n)), transposed, strict=True)):
        own = own[::-1] if turned else own
        inputs.append(rng.normal(size=(*stack, *own)).astype(dtype))
        number = builder.add(Array((*stack, *own), np.dtype(dtype), "input", i))
        axes = (*range(len(stack)), len(stack) + 1, len(stack))
        factors.append(builder.transposed(number, axes) if turned else number)
    out = builder.temp((*stack, m, n), dtype)
    builder.plan.steps += [
        Fill(0.5, out),
        Matmul(*factors, out, accumulate=True),
        Matmul(*factors, out, accumulate=True),
    ]
    builder.plan.outputs.append(out)
    _compare(_laid_out(builder), inputs, rtol=1e-12 if dtype is np.float64 else 2e-5)


def test_a_tape_of_numbers_reuses_its_cells() -> None:
    rng = np.random.default_rng(0)
    builder = Builder()
    values = [builder.add(Array((), np.dtype(float), "input", k)) for k in range(3)]
    rows = []
    for _ in range(500):
        name = str(rng.choice(["add", "multiply", "tanh", "subtract", "maximum", "where", "sin", "greater"]))
        arity = {"tanh": 1, "sin": 1, "where": 3}.get(name, 2)
        reads = [int(n) for n in rng.choice(values[-6:], arity)] + [-1] * (3 - arity)
        values.append(builder.temp((), float))
        rows.append((SCALAR_NAMES.index(name), *reads, values[-1]))
    codes, a, b, c, writes = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    builder.plan.steps.append(Scalars(codes.astype(np.uint8), a, b, c, writes))
    builder.plan.outputs += values[-6:]
    machine = _compare(_laid_out(builder), [0.5, -0.3, 1.2])
    assert len(machine._memory._kept[0]) < 40


def test_python_runs_between_stretches_of_machine_code() -> None:
    class Leaf:
        is_array = True
        _data = np.arange(3.0)

    leaf, told = Leaf(), []
    builder = Builder()
    x = builder.add(Array((3,), np.dtype(float), "input", 0))
    before = builder.add(Array((3,), np.dtype(float), "leaf", leaf))
    after = builder.add(Array((3,), np.dtype(float), "leaf", leaf))
    a, b, c = (builder.temp((3,), float) for _ in range(3))

    def write(value: Any) -> None:
        told.append(value.copy())
        leaf._data = leaf._data + value

    builder.plan.steps += [
        Elementwise("multiply", (x, before), a),
        Call(np.sort, (a,), (b,)),
        Effect(write, (b,), (after,)),
        Elementwise("add", (after, b), c),
    ]
    builder.plan.outputs.append(c)
    machine = Machine(_laid_out(builder), [True])
    assert len(machine.refused) == 2
    for _ in range(2):
        start, given = leaf._data, np.array([3.0, -2.0, 1.0])
        (result,) = machine([given])
        np.testing.assert_array_equal(told[-1], np.sort(given * start))
        np.testing.assert_array_equal(result, start + 2 * np.sort(given * start))


def test_integers_and_truth_values_are_read_and_written() -> None:
    labels = np.array([0, 2, 1, 2])
    builder = Builder()
    x = builder.add(Array((4, 1), labels.dtype, "input", 0))
    classes = builder.add(Array((3,), labels.dtype, "constant", np.arange(3), frozen=True))
    hit, out = builder.temp((4, 3), np.bool_), builder.temp((4, 3), float)
    builder.plan.steps += [Elementwise("equal", (x, classes), hit), Elementwise("astype", (hit,), out)]
    builder.plan.outputs += [hit, out]
    _compare(_laid_out(builder), [labels[:, None]])


def test_types_are_converted_and_short_axes_turned_inside_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3, 2))
    builder = Builder()
    number = builder.add(Array(x.shape, x.dtype, "input", 0))
    turned = builder.transposed(number, (1, 0, 2))
    single, total = builder.temp((3, 40, 2), np.float32), builder.temp((3,), np.float32)
    builder.plan.steps += [Elementwise("astype", (turned,), single), Reduce("add", single, total, (1, 2))]
    builder.plan.outputs += [single, total]
    _compare(_laid_out(builder), [x], rtol=1e-5)


def test_what_it_does_not_know_is_refused_before_anything_is_added() -> None:
    builder = Builder()
    x = builder.add(Array((4,), np.dtype(complex), "input", 0))
    out = builder.temp((4,), complex)
    builder.plan.steps.append(Elementwise("add", (x, x), out))
    builder.plan.outputs.append(out)
    machine = _compare(_laid_out(builder), [np.ones(4) * 1j], machine_only=False)
    assert [why for _, why in machine.refused] == ["dtype complex128"]


def test_a_group_that_writes_over_what_it_reads() -> None:
    builder = Builder()
    x = builder.add(Array((50, 70), np.dtype(float), "input", 0))
    a, y, z = (builder.temp((50, 70), float) for _ in range(3))
    builder.plan.steps += [
        Elementwise("tanh", (x,), a),
        Group((Elementwise("add", (a, x), y), Elementwise("multiply", (a, y), z)), (50, 70), (y, z)),
    ]
    builder.plan.outputs += [y, z]
    plan = _laid_out(builder)
    plan.places[y] = plan.places[a]
    _compare(plan, [np.random.default_rng(0).normal(size=(50, 70))])
