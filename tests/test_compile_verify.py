"""`compile(..., verify=True)`: it lets pass what is right, and names what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import CompileError, Tensor
from autograd_lite.ops import overridden
from autograd_lite.replay import recording, run
from tests.compiling import compare
from tests.test_compile_state import BATCHES, CASES, mlp, trainer

X = np.array([1.0, -2.0, 3.0])


@pytest.mark.parametrize("name", CASES)
def test_training_steps_pass(name: str) -> None:
    make, batches = CASES[name]
    compare(make, batches[:4], rtol=0.0, verify=True)


def _one_wrong(program: Any, backend: str) -> Any:
    """Return an executor with a wrong rule for tanh."""
    with overridden("tanh", 0, lambda y, x: 1 - y * y + 1e-6):
        return run.build(program)


def test_a_wrong_executor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "built", _one_wrong)
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def f(x: Any) -> Any:
        w.zero_grad()
        y = np.sum(np.tanh(w * x))
        y.backward()
        return y

    with pytest.raises(CompileError, match=r"(?s)the gradient of .*the vjp of 'tanh' at .*test_compile_verify.py"):
        ag.compile(f, verify=True)(X)


def test_a_leak_is_noticed() -> None:
    step = ag.compile(lambda x: x * Tensor(x._data * 2), verify=True)
    step(X)
    with pytest.raises(CompileError, match=r"a constant that .* reads"):
        step(X + 1)


def test_state_is_changed_once() -> None:
    def make() -> Any:
        return trainer(mlp())()

    compare(make, BATCHES, verify=True)
