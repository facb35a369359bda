"""What goes in and out of a compiled function: memory of every layout, empty arrays, views, the same object twice."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value
from tests.compiling import assert_same

BACKENDS = ["plain", "numpy"]
BACKENDS += ["machine"] if importlib.util.find_spec("numba") else []
pytestmark = pytest.mark.parametrize("backend", BACKENDS)
RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(4, 4))


def agree(f: Any, calls: list[tuple[Any, ...]], backend: str) -> None:
    step = ag.compile(f, backend=backend)
    for args in calls:
        assert_same(step(*args), f(*args), rtol=1e-13)


def test_memory_of_every_layout(backend: str) -> None:
    wide = RNG.normal(size=(8, 8))
    read_only = SQUARE.copy()
    read_only.flags.writeable = False
    views = [SQUARE, SQUARE.T, wide[::2, ::2], wide[::-2, 1:5], np.asfortranarray(SQUARE), read_only]
    views += [np.broadcast_to(SQUARE[0], (4, 4)), SQUARE.astype(">f8").astype("f8")]
    agree(ag.value_and_grad(lambda x: np.sum(np.tanh(x @ x.T) + x)), [(x,) for x in views], backend)


def test_empty_arrays_and_single_numbers(backend: str) -> None:
    f = ag.value_and_grad(lambda x: np.sum(np.exp(x) * 2.0))
    for x in (np.zeros((0, 3)), np.zeros((2, 0)), np.array(1.5), np.ones((1, 1))):
        agree(f, [(x,)] * 4, backend)


def test_integers_and_truth_values(backend: str) -> None:
    def f(numbers: Any, truths: Any) -> Any:
        return np.where(truths, numbers * 2, -numbers), numbers > 1, numbers % 3, truths & (numbers == 2)

    calls = [(RNG.integers(0, 5, 6), RNG.random(6) > 0.5) for _ in range(5)]
    agree(f, calls, backend)


def test_looked_up_by_numbers(backend: str) -> None:
    table = Tensor(RNG.normal(size=(5, 3)), requires_grad=True)

    def f(i: Any, j: Any) -> Any:
        table.grad = None
        y = np.sum(table[i] * 2.0) + np.sum(np.take(table, j, axis=1) ** 2) + np.sum(table[i, j[: len(i)]])
        y.backward()
        return y.detach(), table.grad

    agree(f, [(RNG.integers(0, 5, 3), RNG.integers(0, 3, 4)) for _ in range(5)], backend)


def test_the_same_object_twice(backend: str) -> None:
    def f(a: Any, b: Any) -> Any:
        np.sum(a * b * b).backward()
        return a.grad

    step = ag.compile(f, backend=backend)
    for k in range(1, 5):
        for same in (True, False):
            ours = [Tensor(SQUARE[0] * k, requires_grad=True) for _ in range(2)]
            theirs = [Tensor(SQUARE[0] * k, requires_grad=True) for _ in range(2)]
            np.testing.assert_allclose(step(ours[0], ours[not same]), f(theirs[0], theirs[not same]), rtol=1e-14)


def test_what_data_shows_after_a_write(backend: str) -> None:
    def make() -> Any:
        w, v = Tensor([1.0, 2.0], requires_grad=True), Value(3.0)
        optimizer = nn.optim.SGD([w], lr=0.1)

        def f(x: Any) -> Any:
            w.grad = v.grad = None
            np.sum(w * x * v).backward()
            before, number = w.data, v.data
            copied = w.detach()
            optimizer.step()
            v.data -= 0.1 * v.grad
            return before, number, copied, w.data, v.data, w.data * 2

        return f

    ours, theirs = make(), make()
    step = ag.compile(ours, backend=backend)
    for k in range(1, 6):
        got, wanted = step(np.array([1.0, k])), theirs(np.array([1.0, k]))
        for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
            if i != 0:  # eager gives a view there, which shows what was written into it since
                np.testing.assert_allclose(ag.graph.data_of(a), ag.graph.data_of(b), rtol=1e-13)


def test_results_may_be_written_and_kept(backend: str) -> None:
    w = Tensor(SQUARE, requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        y = np.tanh(x @ w)
        np.sum(y * y).backward()
        return y.detach().reshape(-1), w.data, x.T

    step = ag.compile(f, backend=backend)
    kept: list[Any] = []
    for k in range(6):
        x = SQUARE * k
        results = step(x)
        kept.append((results, w.grad, [np.array(ag.graph.data_of(r)) for r in results], w.grad.copy()))
        x[:] = np.nan
    for results, gradient, copies, gradient_copy in kept:
        for r, c in zip(results, copies, strict=True):
            np.testing.assert_array_equal(ag.graph.data_of(r), c)
        np.testing.assert_array_equal(gradient, gradient_copy)
