"""`compile` never gives a stale answer: it records again, or refuses and says where."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import CompileError, Tensor, Value
from tests.compiling import assert_same

X = np.array([1.0, -2.0, 3.0])
SCALE = 2.0
GLOBAL = SimpleNamespace(power=2, table=np.array([1.0, 2.0, 3.0]), names=["a"], nested={"k": [1.0, {"z": 3.0}]})


def _branch(x: Any) -> Any:
    return x if x[0] > 0 else -x


LEAVES: dict[str, Callable[[Any], Any]] = {
    "if": _branch,
    "while": lambda x: [x for _ in iter(lambda: bool(np.sum(x) > 0), False)],
    "float": lambda x: x * float(x[0]),
    "int": lambda x: x * int(x[0]),
    "item": lambda x: x * x[0].item(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x * x.numpy(),
    "asarray": lambda x: x * np.asarray(x),
    "contains": lambda x: x if 1.0 in x else -x,
    "condition as index": lambda x: x[x > 0],
    "nonzero": lambda x: x[np.nonzero(x)[0]],
    "unique": lambda x: np.unique(x),
    "index": lambda x: [1, 2, 3, 4, 5, 6][np.argmax(x)],
    "format": lambda x: f"{x[0]:.3f}",
    "range": lambda x: [x for _ in range(np.argmax(x))],
    "copy": lambda x: copy.copy(x),
    "deepcopy": lambda x: copy.deepcopy(x),
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "max": lambda x: max(x),
    "sorted": lambda x: sorted(x),
    "and": lambda x: (x[0] > 0) and x,
    "chained": lambda x: x if 0 < x[0] < 1 else -x,
    "written array": lambda x: _written(x),
    "repetitions": lambda x: ag.repeat(x, ag.astype(np.abs(x), int), axis=0),
    "parameter": lambda x: ag.leaky_relu(x, x[0]) if False else ag.clip(x, 0.0, 1.0) * float(np.max(x)),
    "isclose": lambda x: x if np.allclose(x, 0) else -x,
    "array_equal": lambda x: x if np.array_equal(x, X) else -x,
    "assert": lambda x: _asserted(x),
    "generator": lambda x: next(v for v in x if v > 0),
    "equal": lambda x: x if all(a == b for a, b in zip(x, X, strict=True)) else -x,
    "pad": lambda x: np.pad(x, 1, constant_values=x[0]),
    "str of array": lambda x: np.array2string(x),
    "dictionary": lambda x: {1.0: x}[x[0].item()],
}


def _written(x: Any) -> Any:
    out = np.zeros(3)
    out[0] = x[0]
    return out


def _asserted(x: Any) -> Any:
    assert x[0] > -5
    return x


@pytest.mark.parametrize("way", LEAVES)
def test_ways_out_are_refused_with_the_line(way: str) -> None:
    with pytest.raises(CompileError) as caught:
        ag.compile(LEAVES[way])(X)
    assert "test_compile_refusals.py:" in str(caught.value)
    assert len(str(caught.value).splitlines()) >= 2


@pytest.mark.parametrize("way", ["if", "float", "item", "and"])
def test_ways_out_of_values_are_refused(way: str) -> None:
    f: dict[str, Callable[[Any], Any]] = {
        "if": lambda v: v if v > 0 else -v,
        "float": lambda v: v * float(v),
        "item": lambda v: v * v.item(),
        "and": lambda v: v and v * 2,
    }
    with pytest.raises(CompileError, match=r"test_compile_refusals.py:.*frozen"):
        ag.compile(f[way])(2.0)


def test_an_error_leaves_no_trace() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (w * w).sum().backward()
    before = w.grad

    def f(x: Any) -> Any:
        (w * x).sum().backward()
        return float(x[0])

    with pytest.raises(CompileError):
        ag.compile(f)(X)
    assert type(w.grad) is np.ndarray
    np.testing.assert_array_equal(w.grad, before + X)
    assert ag.is_recording()
    (w * w).sum().backward()


def watched(f: Callable[..., Any], changes: list[Callable[[], Any]], *args: Any) -> Any:
    """Call a compiled function and the function itself, three times after each change, and compare."""
    step = ag.compile(f)
    for change in (lambda: None, *changes):
        change()
        for _ in range(3):
            assert_same(step(*args), f(*args))
    return step


def test_globals_and_closures_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    local, box = 1.0, [3.0]

    def helper(x: Any) -> Any:
        return x * GLOBAL.power + GLOBAL.nested["k"][1]["z"]

    def f(x: Any, y: float = 5.0) -> Any:
        return helper(x) * SCALE + local * box[0] + GLOBAL.table * y

    def rebind() -> None:
        nonlocal local
        local = -1.0

    def redefine() -> None:
        f.__defaults__ = (7.0,)

    step = watched(
        f,
        [
            rebind,
            lambda: box.__setitem__(0, 4.0),
            lambda: monkeypatch.setitem(globals(), "SCALE", 3.0),
            lambda: monkeypatch.setattr(GLOBAL, "power", 3),
            lambda: GLOBAL.table.__setitem__(0, 9.0),
            lambda: GLOBAL.nested["k"][1].__setitem__("z", 4.0),
            redefine,
        ],
        X,
    )
    assert step.recordings == 16


def test_functions_that_are_redefined_are_watched() -> None:
    space = SimpleNamespace(f=lambda x: x * 2)

    def g(x: Any) -> Any:
        return space.f(x)

    watched(g, [lambda: setattr(space, "f", lambda x: x * 3)], X)


class _Model(nn.Module):
    factor = 2.0

    def __init__(self) -> None:
        self.linear, self.extra, self.calls = nn.Linear(3, 2), 1.0, 0

    def forward(self, x: Any) -> Any:
        return self.linear(x) * self.extra * self.factor * (2.0 if self.training else 1.0)


def test_attributes_of_modules_are_watched() -> None:
    model = _Model()
    watched(
        lambda x: model(x).detach(),
        [
            lambda: setattr(model, "extra", 3.0),
            model.eval,
            lambda: setattr(_Model, "factor", 5.0),
            lambda: setattr(model, "linear", nn.Linear(3, 2)),
            lambda: model.register_forward_hook(lambda m, args, y: y * 2),
            lambda: setattr(model.linear, "bias", None),
        ],
        X,
    )
    _Model.factor = 2.0


def test_a_module_as_an_argument() -> None:
    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    step = ag.compile(lambda model, x: model(x).detach())
    for _ in range(3):
        for model in (one, two):
            assert_same(step(model, X), model(X).detach())
    one.weight.data = one.weight.data * 2
    assert_same(step(one, X), one(X).detach())


def test_gradient_mode_is_watched() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    step = ag.compile(lambda x: x * w)
    for _ in range(3):
        assert step(X).requires_grad
        with ag.no_grad():
            assert not step(X).requires_grad


def test_arguments_of_other_types_are_recorded_anew() -> None:
    step = ag.compile(lambda x, flag=True: x * 2 if flag else x * 3)
    for x in (X, X.astype(np.float32), Tensor(X), 2.0, Value(2.0), np.float64(3.0), [1.0][0], np.array(2.0)):
        for flag in (True, False):
            for _ in range(3):
                got = step(x, flag)
                wanted = x * 2 if flag else x * 3
                if not isinstance(x, np.floating):
                    assert type(got) is type(wanted)
                assert np.asarray(ag.graph.data_of(got)).dtype == np.asarray(ag.graph.data_of(wanted)).dtype
                np.testing.assert_array_equal(ag.graph.data_of(got), ag.graph.data_of(wanted))


def test_nested_arguments_and_results() -> None:
    def f(batch: Any, *, weights: Any) -> Any:
        return {"sum": batch["x"] + weights[0], "pair": (weights[1] * 2, None, "text", 3), "list": [batch["y"]]}

    step = ag.compile(f)
    for k in range(4):
        batch = {"x": X * k, "y": 1.5 * k}
        assert_same(step(batch, weights=(X, float(k))), f(batch, weights=(X, float(k))))


def test_static_arguments() -> None:
    def power(x: Any, n: float) -> Any:
        return x**2 if n > 1 else x

    step = ag.compile(power, static_argnums=1)
    for n in (1.0, 2.0, 1.0, 2.0, 1.0, 2.0):
        assert_same(step(X, n), power(X, n))
    assert step.recordings == 4
    assert len(step.programs) == 2
    step.cache_clear()
    assert not step.programs


def test_results_are_the_callers_own() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        y = w * x
        np.sum(y).backward()
        return y.detach(), x, x[:2], w.data, np.reshape(x, (3, 1))

    step = ag.compile(f)
    kept = [step(X * k) for k in range(1, 5)]
    for k, (y, x, part, data, shaped) in enumerate(kept, 1):
        np.testing.assert_array_equal(y.numpy(), w.numpy() * X * k)
        np.testing.assert_array_equal(x, X * k)
        np.testing.assert_array_equal(part, X[:2] * k)
        np.testing.assert_array_equal(data, w.numpy())
        shaped[:] = -1
    gradient = w.grad
    step(X)
    np.testing.assert_array_equal(gradient, X * 4)


def test_results_have_no_history() -> None:
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    step = ag.compile(lambda x: np.sum(w * x))
    for _ in range(3):
        loss = step(X)
        assert loss.requires_grad
        with pytest.raises(ag.AutogradError, match=r"(?s)compiled function.*inside the compiled"):
            (loss * 2).backward()


def test_part_of_a_larger_graph_runs_as_it_is() -> None:
    square = ag.compile(lambda x: x * x)
    assert ag.grad(lambda v: square(v) * 3)(2.0) == 12.0
    w = Tensor([1.0, 2.0], requires_grad=True)
    np.sum(square(w * 2)).backward()
    np.testing.assert_array_equal(w.grad, [8.0, 16.0])
    outer = ag.compile(lambda x: np.sum(square(x)))
    for _ in range(3):
        assert outer(X) == 14.0


def test_a_leaf_argument_gets_its_gradient() -> None:
    def f(w: Any, x: Any) -> Any:
        loss = np.sum(np.sin(w * x))
        loss.backward()
        return loss.detach()

    step = ag.compile(f)
    for k in range(1, 5):
        ours, theirs = (Tensor(X * k, requires_grad=True) for _ in range(2))
        for _ in range(2):
            assert_same(step(ours, X), f(theirs, X))
            np.testing.assert_array_equal(ours.grad, theirs.grad)


def test_random_numbers_that_a_replay_would_repeat() -> None:
    generator = np.random.default_rng(0)
    for f in (
        lambda x: x * np.random.rand(3),  # noqa: NPY002
        lambda x: x * random.random(),
        lambda x: x * generator.normal(size=3),
        lambda x: x * ag.default_generator().normal(size=3),
    ):
        with pytest.raises(CompileError, match=r"(?s)draws random numbers from .*taped.draw"):
            ag.compile(f)(X)


def test_random_numbers_of_the_tapes() -> None:
    def f(x: Any, generator: Any) -> Any:
        return x * ag.taped.draw(generator, "normal", 0.0, 1.0, 3)

    step, ours, theirs = ag.compile(f), np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(5):
        assert_same(step(X, ours), f(X, theirs))


def test_what_changes_unseen_is_noticed_in_the_second_call() -> None:
    numbers = iter([1.0, 2.0, 3.0])
    step = ag.compile(lambda x: x * next(numbers))
    step(X)
    with pytest.raises(CompileError, match=r"a constant that 'multiply' reads at .*: 1.0 and 2.0"):
        step(X)


def test_a_leak_of_data_is_noticed_in_the_second_call() -> None:
    step = ag.compile(lambda x: x * Tensor(x._data * 2))
    step(X)
    with pytest.raises(CompileError, match=r"a constant that .* reads"):
        step(X + 1)


def test_state_that_the_function_changes_is_recorded_anew() -> None:
    model = _Model()

    def f(x: Any) -> Any:
        model.calls += 1
        return x * model.calls

    step = ag.compile(f)
    for k in range(1, 6):
        np.testing.assert_array_equal(step(X), X * k)


def test_a_function_that_is_never_replayed_is_told_of() -> None:
    model = _Model()

    def f(x: Any) -> Any:
        model.calls += 1
        return x * model.calls

    step = ag.compile(f)
    for _ in range(50):
        step(X)
    with pytest.warns(UserWarning, match=r"recorded 50 times and replayed 0 times.*calls"):
        step(X)
    step(X)


def test_anomalies_are_looked_for_in_the_function_itself() -> None:
    step = ag.compile(lambda v: np.log(v) * 2)
    for _ in range(3):
        with ag.detect_anomaly(), np.errstate(all="ignore"), pytest.raises(ag.AnomalyError, match="log"):
            step(Value(-1.0))
    with pytest.raises(CompileError, match="around the call"):
        ag.compile(lambda x: _anomaly(x))(X)


def _anomaly(x: Any) -> Any:
    with ag.detect_anomaly():
        return x * 2


def test_hooks_are_refused() -> None:
    w = Tensor([1.0], requires_grad=True)
    step = ag.compile(lambda x: np.sum(w * x).backward())
    for _ in range(4):
        step(X)
    handle = w.register_hook(lambda g: g * 2)
    with pytest.raises(CompileError, match="hook"):
        step(X)
    handle.remove()
    step(X)


def test_writes_into_arguments_are_refused() -> None:
    def add(x: Any) -> Any:
        x += 1
        return x

    with pytest.raises(CompileError, match="caller's array"):
        ag.compile(add)(X.copy())
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(CompileError, match="in place"):
        ag.compile(lambda x: nn.init.zeros_(w))(X)


def test_an_optimiser_that_looks_at_the_loss_is_refused() -> None:
    w = nn.Parameter([1.0, 2.0, 3.0])
    optimizer = nn.optim.LBFGS([w])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = np.sum(w * w)
        loss.backward()
        return loss

    with pytest.raises(CompileError):
        ag.compile(lambda x: optimizer.step(closure))(X)


def test_threads_share_a_compiled_function() -> None:
    from concurrent.futures import ThreadPoolExecutor

    f = ag.value_and_grad(lambda x: np.sum(np.sin(x) * x))
    step = ag.compile(f)
    inputs = [X * k for k in range(1, 41)]
    with ThreadPoolExecutor(4) as pool:
        for got, x in zip(pool.map(step, inputs), inputs, strict=True):
            assert_same(got, f(x))


def test_methods_and_decorators() -> None:
    class Scaler:
        def __init__(self, k: float) -> None:
            self.k = k

        @ag.compile
        def scaled(self, x: Any) -> Any:
            return x * self.k

    two, three = Scaler(2.0), Scaler(3.0)
    for _ in range(3):
        np.testing.assert_array_equal(two.scaled(X), X * 2)
        np.testing.assert_array_equal(three.scaled(X), X * 3)
    two.k = 5.0
    np.testing.assert_array_equal(two.scaled(X), X * 5)
