"""Optimisers inside compiled steps: written out where they can be, and the same as outside whatever happens to them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.optim.move import Move

_OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: nn.optim.SGD(p, lr=0.1),
    "momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "dampened climb": lambda p: nn.optim.SGD(p, lr=0.01, momentum=0.5, dampening=0.2, maximize=True),
    "adam": lambda p: nn.optim.Adam(p, lr=0.02),
    "amsgrad": lambda p: nn.optim.Adam(p, lr=0.02, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: nn.optim.AdamW(p, lr=0.02),
    "nadam": lambda p: nn.optim.NAdam(p, lr=0.02),
    "rmsprop": lambda p: nn.optim.RMSprop(p, lr=0.01, momentum=0.3, centered=True),
    "adagrad": lambda p: nn.optim.Adagrad(p, lr=0.1, lr_decay=0.1),
}


def _backends() -> list[Any]:
    needs = pytest.mark.skipif(not _has_numba(), reason="numba is not installed")
    return ["numpy", pytest.param("machine", marks=needs)]


def _has_numba() -> bool:
    try:
        import numba  # noqa: F401
        import scipy  # noqa: F401
    except ImportError:
        return False
    return True


class _Setting:
    """A network in training, twice: as it is and compiled."""

    def __init__(self, make: Callable[[Any], Any], backend: str, dtype: Any = np.float64) -> None:
        ag.manual_seed(0)
        first = nn.Sequential(nn.Linear(4, 5, dtype=dtype), nn.Tanh(), nn.Linear(5, 2, dtype=dtype))
        self.models = [first, copy.deepcopy(first)]
        self.optimizers = [make(m.parameters()) for m in self.models]
        self.steps = [self._step(m, o) for m, o in zip(self.models, self.optimizers, strict=True)]
        self.steps[1] = ag.compile(self.steps[1], backend=backend)
        self.rng, self.dtype = np.random.default_rng(1), dtype

    def _step(self, model: Any, optimizer: Any) -> Any:
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def go(self, count: int, rtol: float = 1e-10) -> None:
        for _ in range(count):
            x, y = (self.rng.normal(size=(8, n)).astype(self.dtype) for n in (4, 2))
            losses = [step(x, y).item() for step in self.steps]
            np.testing.assert_allclose(losses[1], losses[0], rtol=rtol)
        for a, b in zip(*(m.parameters() for m in self.models), strict=True):
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=rtol, atol=rtol * 1e-2)
            np.testing.assert_allclose(b.grad, a.grad, rtol=rtol, atol=rtol)
        mine, theirs = (o.state_dict()["state"] for o in self.optimizers)
        assert mine.keys() == theirs.keys()
        for key in mine:
            for name, x in mine[key].items():
                np.testing.assert_allclose(theirs[key][name], x, rtol=rtol, atol=rtol * 1e-2, err_msg=name)


@pytest.mark.parametrize("backend", _backends())
@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_every_optimiser_moves_as_it_does_uncompiled(name: str, backend: str) -> None:
    setting = _Setting(_OPTIMIZERS[name], backend)
    setting.go(5)
    for optimizer in setting.optimizers:
        optimizer.param_groups[0]["lr"] *= 0.3
    setting.go(4)
    for i, optimizer in enumerate(setting.optimizers):
        optimizer.load_state_dict(copy.deepcopy(setting.optimizers[0].state_dict()) if i else optimizer.state_dict())
    setting.go(3)


@pytest.mark.parametrize("backend", _backends())
def test_single_precision_stays_single(backend: str) -> None:
    setting = _Setting(_OPTIMIZERS["adam"], backend, np.float32)
    setting.go(6, rtol=2e-4)
    assert all(p.dtype == np.float32 for p in setting.models[1].parameters())


@pytest.mark.parametrize("backend", _backends())
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_parameters_bound_anew_between_steps_are_the_ones_that_move(name: str, backend: str) -> None:
    setting = _Setting(_OPTIMIZERS[name], backend)
    setting.go(4)
    for model in setting.models:
        for p in model.parameters():
            p.data = p.data * 0.5
    setting.go(4)


@pytest.mark.parametrize("backend", _backends())
def test_an_option_that_is_switched_on_counts_from_then_on(backend: str) -> None:
    setting = _Setting(_OPTIMIZERS["adam"], backend)
    setting.go(4)
    for optimizer in setting.optimizers:
        optimizer.param_groups[0]["weight_decay"] = 0.1
    setting.go(4)
    for optimizer in setting.optimizers:
        optimizer.param_groups[0]["maximize"] = True
    setting.go(4)


@pytest.mark.parametrize("backend", _backends())
def test_two_groups_with_rates_of_their_own(backend: str) -> None:
    def make(params: Any) -> Any:
        first, *rest = params
        return nn.optim.Adam([{"params": [first], "lr": 0.1}, {"params": rest, "betas": (0.5, 0.9)}], lr=0.01)

    _Setting(make, backend).go(8)


def test_steps_are_written_out_and_not_only_called() -> None:
    pytest.importorskip("numba")
    from autograd_lite.replay.primitive import Elementwise, Group

    setting = _Setting(_OPTIMIZERS["adam"], "machine")
    setting.go(5)
    plan = next(
        r.executor.plan for found in setting.steps[1]._recordings.values() for r in found if r.executor is not None
    )
    names = {s.name for g in plan.steps if isinstance(g, Group) for s in g.steps}
    names |= {s.name for s in plan.steps if isinstance(s, Elementwise)}
    assert "sqrt" in names


def test_a_step_without_some_gradients_is_called() -> None:
    p, q = nn.Parameter([1.0]), nn.Parameter([2.0])
    optimizer = nn.optim.Adam([p, q])
    p.grad = np.ones(1)
    assert Move(optimizer).unfold(None) is False
