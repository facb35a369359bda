"""Networks unrolled into single numbers: the same outputs and the same gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value
from nn.scalar import unroll

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def values(array: Any) -> Any:
    objects = np.empty(np.shape(array), dtype=object)
    for place in np.ndindex(objects.shape):
        objects[place] = Value(float(array[place]))
    return objects


def numbers(objects: Any, attribute: str = "data") -> Any:
    found = [getattr(x, attribute) for x in np.ravel(objects)]
    return np.reshape([0.0 if x is None else x for x in found], np.shape(objects))  # None: nothing depends on it


def parts(tree: Any) -> list[Any]:
    return [part for branch in tree for part in parts(branch)] if isinstance(tree, tuple) else [tree]


def compare(model: nn.Module, *inputs: Any) -> Any:
    """Compare outputs and the gradients of parameters and inputs, for the same random weights on the outputs."""
    model.zero_grad()
    tensors = [tuple(map(tracked, x)) if isinstance(x, tuple) else tracked(x) for x in inputs]
    objects = [tuple(map(values, x)) if isinstance(x, tuple) else values(x) for x in inputs]
    scalar = unroll(model)
    wanted, got = parts(model(*tensors)), parts(scalar(*objects))
    rng = np.random.default_rng(1)
    total: Any = 0.0
    scalar_total: Any = 0.0
    for y, z in zip(wanted, got, strict=True):
        np.testing.assert_allclose(numbers(z), y.numpy(), rtol=1e-12, atol=1e-12)
        weights = rng.normal(size=y.shape)
        total = total + ag.sum(y * weights)
        scalar_total = scalar_total + sum((w * v for w, v in zip(weights.flat, np.ravel(z), strict=True)), Value(0.0))
    total.backward()
    scalar_total.backward()
    flat_tensors = parts(tuple(tensors))
    flat_objects = parts(tuple(objects))
    pairs = [(x.grad, v) for x, v in zip(flat_tensors, flat_objects, strict=True)]
    named = dict(scalar.named_parameters())
    pairs += [(p.grad, named[name]) for name, p in model.named_parameters()]
    for gradient, objects_of in pairs:
        np.testing.assert_allclose(numbers(objects_of, "grad"), gradient, rtol=1e-12, atol=1e-12)
    return scalar


def tracked(x: Any) -> Tensor:
    return Tensor(x, requires_grad=True)


def test_a_fully_connected_network() -> None:
    compare(nn.MLP(3, [5, 4], 2, activation=nn.Tanh), normal(4, 3))


@pytest.mark.parametrize("activation", ["ReLU", "GELU", "SiLU", "ELU", "Softplus", "Sigmoid", "LeakyReLU", "Mish"])
def test_activations(activation: str) -> None:
    compare(nn.MLP(2, [3], 1, activation=getattr(nn, activation)), normal(3, 2))


def test_batch_normalisation_in_evaluation_and_in_training() -> None:
    model = nn.MLP(3, [4], 2, batch_norm=True)
    for _ in range(3):
        model(normal(6, 3))
    before = model.state_dict()
    compare(model.eval(), normal(4, 3))
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    compare(model.train(), normal(4, 3))


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells(cell: Any) -> None:
    state = (normal(2, 4), normal(2, 4)) if cell is nn.LSTMCell else normal(2, 4)
    compare(cell(3, 4), normal(2, 3), state)


def test_a_recurrent_layer_over_a_sequence() -> None:
    compare(nn.LSTM(2, 3, num_layers=2, bidirectional=True), normal(3, 1, 2))


def test_a_small_convolutional_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 2), nn.AvgPool2d(1), nn.Flatten(),
        nn.Linear(2, 3), nn.LogSoftmax(dim=1),
    )  # fmt: skip
    compare(model, normal(2, 1, 4, 4))


def test_convolutions_of_every_kind() -> None:
    compare(nn.Conv2d(4, 6, (2, 3), stride=(2, 1), padding=1, dilation=(1, 2), groups=2), normal(1, 4, 4, 5))
    compare(nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1, groups=2), normal(1, 4, 2, 2))
    compare(nn.Conv1d(2, 3, 2), normal(2, 2, 4))


def test_entries_that_tie_for_a_maximum_share_it_here_too() -> None:
    compare(nn.MaxPool2d(2), np.array([[[[1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 0.0, 0.0]]]]))

    class Max(nn.Module):
        def forward(self, x: Any) -> Any:
            return ag.max(x, axis=1), ag.min(x)

    compare(Max(), np.array([[1.0, 1.0], [0.0, 1.0]]))


def test_attention_and_layer_normalisation() -> None:
    compare(nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0).eval(), normal(3, 1, 4))


def test_losses() -> None:
    for loss, target in ((nn.MSELoss(), normal(3, 1)), (nn.BCEWithLogitsLoss(), np.ones((3, 1)))):
        outputs = normal(3, 1)
        scalar = unroll(loss)
        inputs = values(outputs)
        total = scalar(inputs, target)
        assert isinstance(total, Value)
        total.backward()
        tensor = tracked(outputs)
        loss(tensor, target).backward()
        np.testing.assert_allclose(numbers(inputs, "grad"), tensor.grad, rtol=1e-12)


def test_the_unrolled_network_learns_on_its_own() -> None:
    model = nn.MLP(2, [3], 1, activation=nn.Tanh)
    before = model.state_dict()
    scalar = unroll(model)
    x, y = normal(5, 2), normal(5, 1)
    twin = nn.MLP(2, [3], 1, activation=nn.Tanh)
    twin.load_state_dict(before)
    optimizers = nn.optim.Adam(scalar.parameters(), lr=0.1), nn.optim.Adam(twin.parameters(), lr=0.1)
    for _ in range(5):
        optimizers[0].zero_grad()
        sum((z - t) * (z - t) for z, t in zip(scalar(x).flat, y.flat, strict=True)).backward()  # type: ignore[union-attr]
        optimizers[0].step()
        optimizers[1].zero_grad()
        ag.sum((twin(x) - y) ** 2).backward()
        optimizers[1].step()
    for name, p in twin.named_parameters():
        np.testing.assert_allclose(numbers(dict(scalar.named_parameters())[name]), p.numpy(), rtol=1e-9)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_parameters_are_labelled_and_gradients_forgotten() -> None:
    scalar = unroll(nn.MLP(2, [], 1))
    assert [p.label for p in scalar.parameters()] == ["0.weight[0, 0]", "0.weight[0, 1]", "0.bias[0]"]
    scalar([[1.0, 2.0]])[0, 0].backward()
    scalar.zero_grad()
    assert all(p.grad is None for p in scalar.parameters())
    assert repr(scalar).startswith("Unrolled(MLP(")


def test_a_gradient_that_would_be_lost_is_refused() -> None:
    with pytest.raises(ag.NoRuleError, match="its gradient would be lost"):
        unroll(nn.Linear(2, 1))(tracked(normal(1, 2)))
    y = unroll(nn.Linear(2, 1))(Tensor(normal(1, 2)))
    assert isinstance(y[0, 0], Value)


def test_an_op_without_a_scalar_form_is_refused() -> None:
    class Inverse(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter(np.eye(2))

        def forward(self, x: Any) -> Any:
            return ag.inv(self.w) @ x

    with pytest.raises(ag.NoRuleError, match="'inv' has no scalar form"):
        unroll(Inverse())(normal(2, 1))
