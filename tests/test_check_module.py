"""Gradient checks of models: by parameter, for anything with named parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import GradientError, Tensor, Value, gradcheck, gradcheck_module, manual_seed, ops

_X = np.random.default_rng(0).standard_normal((4, 3))


def _loss(y: Any) -> Any:
    return (y * y).sum()


def _model() -> nn.Module:
    manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_every_parameter_and_the_input_is_checked() -> None:
    report = gradcheck_module(_model(), _X, _loss, order=2)
    assert report.ok, str(report)
    assert set(report.errors) == {"0.weight", "0.bias", "2.weight", "2.bias", "x"}
    assert report.errors["0.weight"].shape == (4, 3)
    assert sum(entry.order == 1 for entry in report.entries) == 12 + 4 + 8 + 2 + 12


def test_a_wrong_parameter_is_named() -> None:
    with ops.overridden("linear", 1, lambda g, y, x, w, b: (g.T @ x) * 2):
        report = gradcheck_module(_model(), _X, _loss)
    assert {entry.input for entry in report.failures} == {"0.weight", "2.weight"}
    assert report.diagnoses[0].kind == "factor"
    with (
        ops.overridden("linear", 1, lambda g, y, x, w, b: (g.T @ x) * 2),
        pytest.raises(GradientError, match=r"input \d.weight"),
    ):
        gradcheck_module(_model(), _X, _loss, raise_on_fail=True)


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    parameters = dict(model.named_parameters())
    before = {name: value.copy() for name, value in model.state_dict().items()}
    assert gradcheck_module(model, _X, _loss, order=2)
    assert all(p is parameters[name] for name, p in model.named_parameters())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert all(p.grad is None for p in model.parameters())
    model(_X)
    assert not np.array_equal(model.state_dict()["1.running_mean"], before["1.running_mean"])


def test_tied_frozen_and_several_inputs() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.one = nn.Linear(3, 3)
            self.two = nn.Linear(3, 3)
            self.two.weight = self.one.weight
            self.one.bias.requires_grad_(False)

        def forward(self, x: Any, shift: Any) -> Any:
            return self.two(self.one(x).tanh()) + shift

    report = gradcheck_module(Tied(), (_X, 0.5), _loss, order=2)
    assert report.ok, str(report)
    assert set(report.errors) == {"one.weight", "two.bias", "x[0]", "x[1]"}


def test_dropout_is_recognised() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    report = gradcheck_module(model, _X, _loss)
    assert not report
    assert "eval()" in report.problems[0]
    assert gradcheck_module(model.eval(), _X, _loss)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (lambda: nn.LSTM(2, 3, num_layers=2), _X[:, :2, None].transpose(0, 2, 1)[:, :1]),
        (lambda: nn.MultiheadAttention(4, 2), None),
        (lambda: nn.Conv2d(1, 2, 2), _X.reshape(1, 1, 4, 3)),
        (lambda: nn.LayerNorm(3), _X),
        (lambda: nn.Embedding(5, 2), np.array([0, 3, 3])),
    ],
    ids=["LSTM", "MultiheadAttention", "Conv2d", "LayerNorm", "Embedding"],
)
def test_layers_of_every_kind(layer: Any, x: Any) -> None:
    manual_seed(1)
    module = layer()
    if x is None:
        q = np.random.default_rng(1).standard_normal((2, 1, 4))
        x = (q, q + 1, q - 1)
    report = gradcheck_module(module, x, lambda y: y[0] if isinstance(y, tuple) else y, max_entries=20)
    assert report.ok, str(report)
    assert {name for name, _ in module.named_parameters()} <= {entry.input for entry in report.entries}


class _Plain:
    """No nn.Module, only named parameters, in a list and in a dict."""

    def __init__(self) -> None:
        self.values = [Value(0.5), Value(-1.0)]
        self.tensors = {"w": Tensor(_X[0], requires_grad=True)}

    def named_parameters(self) -> Any:
        yield from ((f"values.{i}", v) for i, v in enumerate(self.values))
        yield "w", self.tensors["w"]

    def __call__(self, x: Any) -> Any:
        return (x @ self.tensors["w"] * self.values[0] + self.values[1]).tanh()


def test_anything_with_named_parameters() -> None:
    report = gradcheck_module(_Plain(), _X, order=2)
    assert report.ok, str(report)
    assert {entry.input for entry in report.entries} == {"values.0", "values.1", "w", "x"}


def test_a_tied_parameter_moves_in_all_places_together() -> None:
    class Square(_Plain):
        def __init__(self) -> None:
            self.one = self.other = Tensor(3.0, requires_grad=True)

        def named_parameters(self) -> Any:
            yield "w", self.one

        def __call__(self, x: Any) -> Any:
            return x * self.one * self.other

    by_name = {entry.input: entry.numeric for entry in gradcheck_module(Square(), 2.0).entries}
    np.testing.assert_allclose(by_name["w"] / by_name["x"], 2 * 2.0 * 3.0 / 3.0**2)


def test_what_cannot_be_checked() -> None:
    with pytest.raises(GradientError, match="no named_parameters"):
        gradcheck_module(np.sin, _X)

    class Hidden(_Plain):
        def named_parameters(self) -> Any:
            yield "made up", Tensor(_X, requires_grad=True)

    with pytest.raises(GradientError, match="'made up' is in no attribute"):
        gradcheck_module(Hidden(), _X)


def test_a_function_that_closes_over_tracked_parameters() -> None:
    layer = nn.Linear(3, 2, nn.Tanh())
    report = gradcheck(layer, _X, order=2)
    assert report.ok, str(report)
    assert {entry.input for entry in report.entries} == {"0"}
    assert all(p.grad is None for p in layer.parameters())
