"""`vmap` against a loop over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value, grad, ops, vmap
from autograd_lite.errors import CompileError
from autograd_lite.ops.record import TABLE
from nn.scalar import MLP

RNG = np.random.default_rng(0)


def _by_loop(f: Any, *args: Any) -> Any:
    rows = [f(*(Value(float(a[i])) if a.ndim == 1 else Tensor(a[i]) for a in args)) for i in range(len(args[0]))]
    return np.stack([ag.graph.data_of(r) if isinstance(r, (Value, Tensor)) else r for r in rows])


_CASES = [(name, k) for name, op in TABLE.items() if not op.is_elementwise for k in range(len(op.cases))]


@pytest.mark.parametrize(("name", "k"), _CASES)
def test_every_structural_op_over_lanes_equals_a_loop(name: str, k: int) -> None:
    op, rng = TABLE[name], np.random.default_rng(k)
    case = op.cases[k]
    samples = []
    for _ in range(3):
        operands = case.make(rng) if case.make is not None else [rng.normal(size=s) for s in case.shapes]
        samples.append([np.asarray(x) for x in operands])
    if any(x.dtype.kind != "f" for s in samples for x in s):
        pytest.skip("an operand that is data")
    one = [np.stack(column) for column in zip(*samples, strict=True)]

    def f(*xs: Any) -> Any:
        arrays = xs if name == "from_values" else [Tensor(x) if isinstance(x, Value) else x for x in xs]
        return op(*arrays, **case.params)

    expected = np.stack([np.asarray(op.forward(*s, **case.params)) for s in samples])
    np.testing.assert_allclose(vmap(f)(*one), expected, rtol=1e-12, atol=1e-12)
    for shared in range(len(one)) if len(one) > 1 else ():
        args = [x[0] if i == shared else x for i, x in enumerate(one)]
        axes = [None if i == shared else 0 for i in range(len(one))]
        rows = [
            op.forward(*(samples[0][i] if i == shared else s[i] for i in range(len(s))), **case.params) for s in samples
        ]
        np.testing.assert_allclose(vmap(f, in_axes=axes)(*args), np.stack(rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, op in TABLE.items() if op.is_elementwise])
def test_every_elementwise_op_over_lanes_equals_numpy(name: str) -> None:
    op = TABLE[name]
    columns = [np.random.default_rng(i).uniform(low, high, 5) for i, (low, high) in enumerate(op.domain)]
    np.testing.assert_allclose(vmap(op)(*columns), op.forward(*columns), rtol=1e-13)


def test_the_scalar_network_runs_on_all_samples() -> None:
    model = MLP(2, [4, 1], generator=np.random.default_rng(0))
    x = RNG.normal(size=(7, 2))
    expected = [model([Value(a), Value(b)]).data for a, b in x.tolist()]
    result = vmap(lambda row: model(row))(x)
    assert isinstance(result, Tensor)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-13)


def test_gradients_reach_captured_values() -> None:
    model = MLP(2, [4, 1], generator=np.random.default_rng(0))
    x, y = RNG.normal(size=(7, 2)), RNG.normal(size=7)

    def loss(row: Any, target: Any) -> Any:
        return (model(row) - target) ** 2

    vmap(loss)(x, y).sum().backward()
    fast = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    total = sum((loss([Value(a), Value(b)], t) for (a, b), t in zip(x.tolist(), y.tolist(), strict=True)), Value(0.0))
    total.backward()
    np.testing.assert_allclose(fast, [p.grad for p in model.parameters()], rtol=1e-12)


def test_gradients_a_sample() -> None:
    w = RNG.normal(size=3)

    def loss(w: Any, x: Any) -> Any:
        return np.tanh(x @ w) ** 2

    x = RNG.normal(size=(5, 3))
    expected = np.stack([grad(loss)(w, row) for row in x])
    np.testing.assert_allclose(vmap(grad(loss), in_axes=(None, 0))(w, x), expected, rtol=1e-12)
    summed = grad(lambda w: np.sum(vmap(lambda row: loss(w, row))(x)))(w)
    np.testing.assert_allclose(summed, expected.sum(0), rtol=1e-12)


def test_second_derivatives_and_maps_of_maps() -> None:
    x, y = RNG.normal(size=4), RNG.normal(size=3)

    def f(a: Any, b: Any) -> Any:
        return (a * b).tanh() * a

    table = vmap(lambda a: vmap(lambda b: f(a, b))(y))(x)
    np.testing.assert_allclose(table, np.tanh(np.outer(x, y)) * x[:, None], rtol=1e-12)
    second = vmap(grad(grad(f)), in_axes=(0, None))(x, 0.7)
    np.testing.assert_allclose(second, [grad(grad(f))(float(a), 0.7) for a in x], rtol=1e-11)


def test_axes_and_containers() -> None:
    x = RNG.normal(size=(3, 5))
    tree = {"a": RNG.normal(size=(5, 2)), "b": [RNG.normal(size=5)]}
    result = vmap(lambda c, t, s: (c.sum() + t["a"].sum() * s, {"b": t["b"][0] * c}), in_axes=(1, 0, None))(
        x, tree, 2.0
    )
    np.testing.assert_allclose(result[0], x.sum(0) + 2 * tree["a"].sum(1))
    np.testing.assert_allclose(result[1]["b"], (x * tree["b"][0]).T)
    np.testing.assert_allclose(vmap(lambda c: c * 2, in_axes=1, out_axes=1)(x), 2 * x)
    np.testing.assert_allclose(vmap(lambda c: Value(1.0) * 3.0)(x), [3.0] * 3)


def test_conditions_are_taken_a_sample() -> None:
    x = np.array([-1.0, 2.0, -3.0, 4.0])
    np.testing.assert_array_equal(vmap(lambda a: ag.where(a > 0, a, 0 * a))(x), [0, 2, 0, 4])
    np.testing.assert_array_equal(vmap(lambda r: r[ag.argmax(r)] if False else r.max())(x.reshape(2, 2)), [2, 4])
    with pytest.raises(CompileError, match="test_vmap"):
        vmap(lambda a: a if a > 0 else -a)(x)
    with pytest.raises(CompileError, match="float"):
        vmap(lambda a: a * float(a))(x)


def test_detached_parts_stay_detached() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    vmap(lambda a: a.detach() * a)(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 2.0])
    x.grad = None

    def half(a: Any) -> Any:
        with ag.no_grad():
            b = a * a
        return a * b

    vmap(half)(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 4.0])


def test_modules_map_too() -> None:
    layer = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = RNG.normal(size=(6, 3))
    np.testing.assert_allclose(vmap(lambda row: layer(row))(x).numpy(), layer(Tensor(x)).numpy(), rtol=1e-12)
    batches = RNG.normal(size=(4, 5, 1, 6, 6))
    conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    expected = np.stack([conv(Tensor(b)).numpy() for b in batches])
    np.testing.assert_allclose(vmap(lambda b: conv(b))(batches).numpy(), expected, rtol=1e-12)


def test_draws_are_made_for_each_sample() -> None:
    drop = nn.Dropout(0.5, generator=np.random.default_rng(0))
    y = vmap(lambda row: drop(row))(np.ones((8, 16)))
    assert len({tuple(row) for row in np.asarray(y).tolist()}) > 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vmap(lambda a, b: a + b)(np.ones(3), np.ones(4)), "different numbers of samples"),
        (lambda: vmap(lambda a: a)(np.ones(0)), "no samples"),
        (lambda: vmap(lambda a: a, in_axes=None)(np.ones(3)), "no argument has an axis"),
        (lambda: vmap(lambda a, b: a)(np.ones(3), 2.0), "shape \\(\\)"),
        (lambda: vmap(lambda a: a, in_axes=(0, 0))(np.ones(3)), "2 entries for 1 arguments"),
    ],
)
def test_bad_calls_say_what_is_wrong(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_backward_inside_is_refused() -> None:
    w = Value(2.0)

    def f(a: Any) -> Any:
        (w * a).backward()
        return w.grad

    with pytest.raises(CompileError, match="backward"):
        vmap(f)(np.ones(3))
    assert w.grad is None


def test_a_refusal_leaves_everything_as_it_was() -> None:
    w, norm = Value(2.0), nn.BatchNorm1d(3)
    w.grad = 7.0
    before = norm.running_mean.numpy().copy()

    def write(a: Any) -> Any:
        w.data = a * 2.0
        return w * a

    for f, samples, said in [
        (lambda a: a if w * a > 0 else -a, np.ones(3), "where"),
        (write, np.ones(3), "writes a leaf"),
        (lambda batch: norm(batch), np.random.default_rng(0).normal(size=(2, 4, 3)), "outside"),
    ]:
        with pytest.raises(CompileError, match=said):
            vmap(f)(samples)
        assert (w.data, w.grad) == (2.0, 7.0)
    np.testing.assert_array_equal(norm.running_mean.numpy(), before)


def test_results_of_lanes_compile() -> None:
    model = MLP(2, [3, 1], generator=np.random.default_rng(0))
    x, y = RNG.normal(size=(9, 2)), RNG.normal(size=9)

    def step(x: Any, y: Any) -> Any:
        losses = vmap(lambda row, target: (model(row) - target) ** 2)(x, y)
        for p in model.parameters():
            p.grad = None
        loss = losses.mean()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        return loss

    start = [p.data for p in model.parameters()]
    eager = [step(x, y).item() for _ in range(6)]
    for p, old in zip(model.parameters(), start, strict=True):
        p.data = old
        p.grad = None
    fast = ag.compile(step)
    np.testing.assert_allclose([fast(x, y).item() for _ in range(6)], eager, rtol=1e-12)
    assert fast.recordings <= 4  # without gradients, with them, and each once more to be sure


def test_ops_are_applied_to_lanes_of_integers() -> None:
    labels = np.array([2, 0, 1])
    logits = RNG.normal(size=(3, 4))
    expected = np.array([ops.cross_entropy(Tensor(a), b).item() for a, b in zip(logits, labels, strict=True)])
    result = vmap(lambda a, b: nn.functional.cross_entropy(a, b))(logits, labels)
    np.testing.assert_allclose(result, expected, rtol=1e-12)
