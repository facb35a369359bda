"""What the engine tells the anomaly watch and the tape of `compile`: each op and leaf, once, with its own operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from autograd_lite import AutogradError, Tensor, Value, graph, ops
from autograd_lite.context import current
from autograd_lite.graph import Node
from autograd_lite.modes import Mode


class Listener:
    """Takes the place of a watch or a tape, and notes what it is told."""

    def __init__(self, **answers: Any) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            if name != "may_call":
                self.heard.append((name, *args, *kwargs.items()))
            return self._answers.get(name)

        return note


@contextmanager
def listening(recording: bool = True, watch: bool = False, **answers: Any) -> Iterator[Listener]:
    """Let a listener be the tape (or the watch) of a block."""
    listener: Any = Listener(**answers)
    mode = Mode(recording, listener, None) if watch else Mode(recording, None, listener)
    token = current.set(mode)
    try:
        yield listener
    finally:
        current.reset(token)


def same(a: Any, b: Any) -> bool:
    """Compare what was heard: nodes and records by identity, arrays by their entries."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Node) or isinstance(b, Node):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and bool(np.array_equal(a, b))
    return type(a) is type(b) and bool(a == b)


OF_VALUES: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (lambda x, y: x + y, lambda x, y: (x, y)),
    "add a number": (lambda x, y: x + 2.0, lambda x, y: (x, 2.0)),
    "multiply": (lambda x, y: x * y, lambda x, y: (x, y)),
    "subtract": (lambda x, y: x - y, lambda x, y: (x, y)),
    "subtract a number": (lambda x, y: x - 2.0, lambda x, y: (x, 2.0)),
    "divide a number": (lambda x, y: 2.0 / x, lambda x, y: (2.0, x)),
    "negative": (lambda x, y: -x, lambda x, y: (x,)),
    "relu": (lambda x, y: x.relu(), lambda x, y: (x,)),
    "tanh": (lambda x, y: x.tanh(), lambda x, y: (x,)),
    "exp": (lambda x, y: x.exp(), lambda x, y: (x,)),
    "where": (lambda x, y: ops.where(1.0, x, y), lambda x, y: (1.0, x, y)),
}


@pytest.mark.parametrize("recording", [True, False], ids=["recording", "not recording"])
@pytest.mark.parametrize("name", OF_VALUES)
def test_the_tape_hears_of_each_op_of_values(name: str, recording: bool) -> None:
    f, operands = OF_VALUES[name]
    x, y = Value(1.5), Value(-0.5)
    with listening(recording) as tape:
        z = f(x, y)
    op = ops.TABLE[name.split()[0]]
    made: list[Any] = [] if recording else [("made", z)]
    assert same(tape.heard, [*made, ("forward", op, operands(x, y), {}, z)])
    assert z.op is (op if recording else None)
    assert z.operands == (operands(x, y) if recording else ())


@pytest.mark.parametrize("recording", [True, False], ids=["recording", "not recording"])
@pytest.mark.parametrize("name", OF_VALUES)
def test_the_watch_hears_of_each_op_of_values(name: str, recording: bool) -> None:
    f, operands = OF_VALUES[name]
    x, y = Value(1.5), Value(-0.5)
    with listening(recording, watch=True) as watch:
        z = f(x, y)
    op, given = ops.TABLE[name.split()[0]], operands(x, y)
    made = [("made", z)] if recording else []
    numbers = [float(graph.data_of(v)) for v in given]
    assert same(watch.heard, [("forward", op, given, numbers, z._data), *made])


T = np.array([[1.0, 2.0], [3.0, 4.0]])
OF_TENSORS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], dict[str, Any]]] = {
    "multiply": (lambda x, v: x * v, lambda x, v: (x, v), {}),
    "add a number": (lambda x, v: x + 2.0, lambda x, v: (x, 2.0), {}),
    "multiply by an array": (lambda x, v: x * T, lambda x, v: (x, T), {}),
    "multiply a list": (lambda x, v: ops.multiply([[1.0, 2.0]], x), lambda x, v: (T[:1], x), {}),
    "multiply by a list": (lambda x, v: ops.multiply(x, [[1.0, 2.0]]), lambda x, v: (x, T[:1]), {}),
    "transpose": (lambda x, v: x.T, lambda x, v: (x,), {"axes": None}),
    "at_set some": (lambda x, v: x.at[0].set(v), lambda x, v: (x, v), {"index": 0}),
}


@pytest.mark.parametrize("recording", [True, False], ids=["recording", "not recording"])
@pytest.mark.parametrize("name", OF_TENSORS)
def test_the_tape_and_the_watch_hear_of_each_op_of_tensors(name: str, recording: bool) -> None:
    f, operands, params = OF_TENSORS[name]
    x, v = Tensor(T, requires_grad=True), Value(-0.5)
    given, op = operands(x, v), ops.TABLE[name.split()[0]]
    with listening(recording) as tape:
        z = f(x, v)
    assert len(tape.heard) == 1
    way, told, inputs, options, node = tape.heard[0]
    assert way == "forward"
    assert told is op
    assert node is z
    assert same(tuple(inputs), given)
    assert dict(options).items() >= params.items()
    assert z.requires_grad is recording
    with listening(recording, watch=True) as watch:
        z = f(x, v)
    heard = [("forward", op, given, [graph.data_of(g) for g in given], z._data)]
    assert same(watch.heard, [*heard, ("made", z)] if recording else heard)


def test_an_untracked_result_is_told_too() -> None:
    x, w = Tensor(T), Tensor(T, requires_grad=True)
    with listening() as tape:
        y = x * T
        z = ops.astype(w, np.dtype(int))
    assert same(tape.heard[0], ("forward", ops.multiply, (x, T), {}, y))
    assert same(tape.heard[1], ("forward", ops.TABLE["astype"], (w,), {"dtype": np.dtype(int)}, z))
    assert not z.requires_grad


LEAVING: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "item()": (lambda x: x.item(), 2.5),
    "float()": (float, 2.5),
    "int()": (int, 2),
    "bool()": (bool, True),
    "format()": (lambda x: f"{x:.2f}", "2.50"),
}
LEAVING_TENSORS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "numpy()": (lambda x: x.numpy().tolist(), 2.5),
    "tolist()": (lambda x: x.tolist(), 2.5),
    "`in`": (lambda x: 2.5 in x, True),
    "np.asarray()": (lambda x: np.asarray(x).item(), 2.5),
}


@pytest.mark.parametrize("way", LEAVING)
def test_leaving_a_value_is_told(way: str) -> None:
    f, expected = LEAVING[way]
    x = Value(2.5)
    with listening() as tape:
        assert f(x) == expected
    assert same(tape.heard, [("leave", x, way)])


@pytest.mark.parametrize("way", [*LEAVING, *LEAVING_TENSORS])
def test_leaving_a_tensor_is_told_first(way: str) -> None:
    f, expected = {**LEAVING, **LEAVING_TENSORS}[way]
    x = Tensor(np.array(2.5))
    with listening() as tape:
        assert f(x) == expected
    assert same(tape.heard[0], ("leave", x, way))
    assert all(h[0] == "leave" and h[1] is x for h in tape.heard)


def test_a_tensor_used_as_an_index_is_told() -> None:
    x = Tensor(np.array(1))
    with listening() as tape:
        assert [3, 4][x] == 4
    assert same(tape.heard, [("leave", x, "an index")])


@pytest.mark.parametrize(
    "make", [lambda: Value(2.0), lambda: Tensor([2.0], requires_grad=True)], ids=["Value", "Tensor"]
)
def test_the_tape_answers_for_data_and_detached(make: Callable[[], Any]) -> None:
    x, answer = make(), object()
    before = x._data
    with listening(data=answer, detached=answer) as tape:
        assert x.data is answer
        assert x.detach() is answer
        x.data = 5.0
        x.backward(3.0 if x.ndim == 0 else [3.0], True)
        x.backward()
    assert x._data is before
    assert x.grad is None
    first = 1.0 if x.ndim == 0 else None
    assert same(
        tape.heard,
        [
            ("data", x),
            ("detached", x),
            ("write", x, 5.0),
            ("backward", x, 3.0 if x.ndim == 0 else [3.0], True),
            ("backward", x, first, False),
        ],
    )


def test_the_tape_hears_of_the_leaves_that_are_made() -> None:
    source = Tensor(T, requires_grad=True)
    with listening() as tape:
        v = Value(2.0)
        t = Tensor([1.0, 2.0])
        copied = Tensor(source)
    assert same(tape.heard, [("made", v), ("made", t, [1.0, 2.0]), ("made", copied, source)])
    assert copied.operands == (source,)


def test_the_tape_may_refuse_switches_and_writes() -> None:
    x, v = Tensor([1.0, 2.0], requires_grad=True), Value(1.0)
    with listening() as tape:
        x.requires_grad_(False)
        x.requires_grad_()
        x.register_hook(print)
        graph.mark_written((x, v))
        graph.mark_written(())
    assert same(
        tape.heard,
        [
            ("refuse_switch", x, "requires_grad_()"),
            ("refuse_switch", x, "requires_grad_()"),
            ("refuse_switch", x, "register_hook()", ("always", True)),
            ("refuse_write", (x, v)),
        ],
    )


SIGNS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "+=": ("add", lambda x, y: x.__iadd__(y)),
    "-=": ("subtract", lambda x, y: x.__isub__(y)),
    "*=": ("multiply", lambda x, y: x.__imul__(y)),
    "/=": ("divide", lambda x, y: x.__itruediv__(y)),
    "**=": ("power", lambda x, y: x.__ipow__(y)),
    "@=": ("matmul", lambda x, y: x.__imatmul__(y)),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_writing_with_a_sign_rebinds_and_is_told(sign: str) -> None:
    name, f = SIGNS[sign]
    x, y = Tensor(T, requires_grad=True), Tensor(T + 1)
    with listening() as tape:
        z = f(x, y)
    assert same(tape.heard, [("refuse_inplace", x, sign), ("forward", ops.TABLE[name], (x, y), {}, z)])
    np.testing.assert_array_equal(z._data, ops.TABLE[name].forward(T, T + 1))
    with listening(recording=False, watch=True), pytest.raises(AutogradError) as caught:
        f(x, y)
    assert f"`t {sign} ...`" in str(caught.value)
    assert f"t.data = t.data {sign[:-1]} ..." in str(caught.value)


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_the_entries_of_a_tensor_are_told(tracked: bool) -> None:
    flat = Tensor([1.0, 2.0], requires_grad=tracked)
    with listening(recording=False) as tape:
        values = flat.to_values()
    entries = [h for h in tape.heard if h[0] == "forward" and h[1] is ops.TABLE["entry"]]
    assert [h[2][1] for h in entries] == [0, 1]
    assert same([h[4] for h in entries], list(values))
    assert all(h[3] == {} for h in entries)


@pytest.mark.parametrize("face", [Value, lambda x: Tensor(x, requires_grad=True)], ids=["Value", "Tensor"])
def test_the_watch_hears_of_the_backward_pass(face: Callable[[float], Any]) -> None:
    x = face(3.0)
    y = x * x
    with listening(watch=True) as watch:
        y.backward()
    assert [h[:2] for h in watch.heard if h[0] == "backward"] == [("backward", y)]
    assert float(x.grad) == 6.0
