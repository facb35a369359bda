"""Schedules: their shapes, states, order, and errors; the sequences are compared with PyTorch's elsewhere."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import nn
from nn import schedule


def optimizer(groups: int = 1, **settings: Any) -> nn.optim.SGD:
    made = nn.optim.SGD([{"params": [nn.Parameter([1.0])]} for _ in range(groups)], lr=1.0, **settings)
    made.step()
    return made


def run(made: Any, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates += made.get_last_lr()[:1]
        made.step()
    return rates


class Decay:
    """A function with a state."""

    def __init__(self) -> None:
        self.rate = 0.5

    def __call__(self, epoch: int) -> float:
        return self.rate**epoch


def sequence(o: Any) -> Any:
    parts = [schedule.LinearLR(o, 0.5, total_iters=3), schedule.CosineAnnealingLR(o, 5), schedule.StepLR(o, 2)]
    return schedule.SequentialLR(o, parts, [3, 8])


MAKERS: list[Any] = [
    lambda o: schedule.LambdaLR(o, Decay()),
    lambda o: schedule.MultiplicativeLR(o, lambda epoch: 0.9),
    lambda o: schedule.StepLR(o, 3),
    lambda o: schedule.MultiStepLR(o, (2, 5)),
    lambda o: schedule.ConstantLR(o),
    lambda o: schedule.LinearLR(o, total_iters=20),
    lambda o: schedule.ExponentialLR(o, 0.9),
    lambda o: schedule.PolynomialLR(o, 15, 2.0),
    lambda o: schedule.CosineAnnealingLR(o, 7),
    lambda o: schedule.CosineAnnealingWarmRestarts(o, 2, 2),
    lambda o: schedule.CyclicLR(o, 0.1, 0.5, 3),
    lambda o: schedule.CyclicLR(o, 0.1, 0.5, 3, scale_fn=Decay(), cycle_momentum=False),
    lambda o: schedule.OneCycleLR(o, 0.5, total_steps=30),
    sequence,
    lambda o: schedule.ChainedScheduler([schedule.ConstantLR(o), schedule.ExponentialLR(o, 0.9)]),
]


@pytest.mark.parametrize("make", MAKERS)
def test_state_survives_a_file_bit_for_bit(make: Any) -> None:
    o = optimizer(momentum=0.9)
    made = make(o)
    run(made, 9)
    saved = json.loads(json.dumps(made.state_dict()))
    expected = run(made, 12)
    again = make(optimizer(momentum=0.9))
    again.load_state_dict(saved)
    assert run(again, 12) == expected


@pytest.mark.parametrize("make", MAKERS)
def test_the_state_is_a_copy(make: Any) -> None:
    made = make(optimizer(momentum=0.9))
    state = made.state_dict()
    before = json.dumps(state)
    made.load_state_dict(state)
    run(made, 5)
    assert json.dumps(state) == before


def test_pickle() -> None:
    made = schedule.OneCycleLR(optimizer(momentum=0.9), 0.5, total_steps=30)
    run(made, 4)
    twin = pickle.loads(pickle.dumps(made))
    assert twin.optimizer.param_groups[0]["lr"] == made.optimizer.param_groups[0]["lr"]
    assert run(twin, 5) == run(made, 5)


def test_plateau_state() -> None:
    metrics = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0, float("nan"), 1.0]
    made = schedule.ReduceLROnPlateau(optimizer(), patience=1, cooldown=1, factor=0.5)
    rates = []
    for i, metric in enumerate(metrics):
        made.step(metric)
        rates += made.get_last_lr()
        if i == 5:
            saved = json.loads(json.dumps(made.state_dict()))
    again = schedule.ReduceLROnPlateau(optimizer(), patience=9, factor=0.1)
    again.load_state_dict(saved)
    resumed = []
    for metric in metrics[6:]:
        again.step(metric)
        resumed += again.get_last_lr()
    assert resumed == rates[6:]
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_changes_by_hand_add_up() -> None:
    o = optimizer()
    made = schedule.ExponentialLR(o, 0.5)
    made.step()
    o.param_groups[0]["lr"] *= 10
    made.step()
    assert made.get_last_lr() == [2.5]


def test_resuming_by_epoch() -> None:
    for make in (lambda o, e: schedule.ExponentialLR(o, 0.5, e), lambda o, e: schedule.LambdaLR(o, Decay(), e)):
        o = optimizer()
        first: Any = make(o, -1)
        run(first, 3)
        resumed = optimizer()
        resumed.load_state_dict(o.state_dict())
        again: Any = make(resumed, first.last_epoch - 1)
        assert run(again, 4) == run(first, 4)
    o = nn.optim.SGD([{"params": [nn.Parameter([1.0])], "initial_lr": 0.5}], lr=0.5)
    restarts = schedule.CosineAnnealingWarmRestarts(o, 3, 2, last_epoch=4)
    assert restarts.get_last_lr() == [0.5 * (1 + np.cos(np.pi * 2 / 6)) / 2]
    with pytest.raises(KeyError, match="'initial_lr' is not specified"):
        schedule.ExponentialLR(optimizer(), 0.5, last_epoch=3)


def test_momentum_moves_against_the_rate() -> None:
    for settings, key in (({"momentum": 0.9}, "momentum"), ({}, "betas")):
        kind = nn.optim.SGD if key == "momentum" else nn.optim.Adam
        o = kind([nn.Parameter([1.0])], **settings)  # type: ignore[arg-type]
        o.step()
        made = schedule.OneCycleLR(o, 0.5, total_steps=10)
        seen = []
        for _ in range(10):
            seen.append(np.atleast_1d(o.param_groups[0][key])[0])
            made.step()
        assert seen[0] == 0.95
        assert min(seen) == 0.85
        assert abs(seen[9] - 0.95) < 1e-12


def test_a_step_out_of_order_warns_once() -> None:
    o = nn.optim.SGD([nn.Parameter([1.0])])
    made = schedule.ExponentialLR(o, 0.5)
    with pytest.warns(UserWarning, match="before optimizer.step") as seen:
        made.step()
    assert seen[0].filename == __file__
    made.step()


def test_one_cycle_ends() -> None:
    made = schedule.OneCycleLR(optimizer(momentum=0.9), 0.5, epochs=2, steps_per_epoch=3)
    run(made, 6)
    with pytest.raises(ValueError, match="Tried to step 7 times"):
        made.step()


def test_a_group_that_came_later() -> None:
    o = optimizer()
    made = schedule.StepLR(o, 1)
    o.add_param_group({"params": [nn.Parameter([1.0])]})
    with pytest.raises(ValueError, match="had 1 parameter groups when this StepLR was made, now it has 2"):
        made.step()


def test_nested() -> None:
    o = optimizer()
    chain = schedule.ChainedScheduler([schedule.ExponentialLR(o, 0.5), schedule.ConstantLR(o, 0.1, 2)])
    made = schedule.SequentialLR(o, [schedule.ConstantLR(o, 0.5, 100), chain], [2])
    np.testing.assert_allclose(run(made, 6), [0.5, 0.5, 0.1, 0.05, 0.25, 0.125])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda o: schedule.StepLR(3, 1), TypeError, "int is not an Optimizer"),  # type: ignore[arg-type]
        (lambda o: schedule.LambdaLR(o, [Decay()] * 3), ValueError, "one for each of 1 parameter groups, got 3"),
        (lambda o: schedule.ConstantLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: schedule.LinearLR(o, 0.0), ValueError, "Starting multiplicative factor"),
        (lambda o: schedule.LinearLR(o, 0.5, 2.0), ValueError, "Ending multiplicative factor"),
        (lambda o: schedule.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
        (lambda o: schedule.CosineAnnealingWarmRestarts(o, 3, 0), ValueError, "T_mult >= 1"),
        (lambda o: schedule.CosineAnnealingWarmRestarts(o, 3).step(-1), ValueError, "non-negative epoch"),
        (lambda o: schedule.CyclicLR(o, 0.1, 0.2, mode="sine"), ValueError, "mode must be"),
        (lambda o: schedule.OneCycleLR(o, 0.1), ValueError, "either total_steps OR"),
        (lambda o: schedule.OneCycleLR(o, 0.1, total_steps=0), ValueError, "positive integer total_steps"),
        (lambda o: schedule.OneCycleLR(o, 0.1, total_steps=5, pct_start=2.0), ValueError, "pct_start"),
        (lambda o: schedule.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="up"), ValueError, "anneal_strategy"),
        (lambda o: schedule.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: schedule.ReduceLROnPlateau(o, mode="low"), ValueError, "mode must be"),
        (lambda o: schedule.ReduceLROnPlateau(o, threshold_mode="low"), ValueError, "threshold_mode must be"),
        (lambda o: schedule.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: schedule.SequentialLR(o, [schedule.StepLR(o, 1)], [3]), ValueError, "a milestone between"),
        (
            lambda o: schedule.SequentialLR(o, [schedule.ReduceLROnPlateau(o)], []),
            ValueError,
            "does not support Reduce",
        ),
        (lambda o: schedule.ChainedScheduler([schedule.StepLR(optimizer(), 1)], o), ValueError, "another optimizer"),
        (lambda o: schedule.ChainedScheduler([3]), TypeError, "index 0 is a int"),  # type: ignore[list-item]
    ],
)
def test_errors(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(optimizer(momentum=0.9))


def test_momentum_must_be_there() -> None:
    o = nn.optim.Adagrad([nn.Parameter([1.0])])
    with pytest.raises(ValueError, match="must support momentum or beta1"):
        schedule.CyclicLR(o, 0.1, 0.2)
    schedule.CyclicLR(o, 0.1, 0.2, cycle_momentum=False)


def test_states_that_do_not_fit_change_nothing() -> None:
    made = sequence(optimizer())
    run(made, 2)
    before = made.state_dict()
    with pytest.raises(ValueError, match="no state dict of a SequentialLR"):
        made.load_state_dict(schedule.StepLR(optimizer(), 1).state_dict())
    with pytest.raises(ValueError, match="rates for 2 parameter groups, the optimizer has 1"):
        made.load_state_dict(sequence(optimizer(groups=2)).state_dict())
    broken = made.state_dict()
    broken["_schedulers"][2]["nonsense"] = 1
    with pytest.raises(ValueError, match="no state dict of a StepLR: look at 'nonsense'"):
        made.load_state_dict(broken)
    with pytest.raises(ValueError, match="that of 2 schedules"):
        made.load_state_dict({**before, "_schedulers": before["_schedulers"][:2]})
    assert made.state_dict() == before
