"""Recurrent layers and cells, and the scans under them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, Value, gradcheck, manual_seed, ops
from autograd_lite.ops import cells
from tests.test_nn_layers import check_gradients, normal, reseed

LAYERS: dict[str, Callable[..., nn.Module]] = {
    "RNN": nn.RNN,
    "RNN relu": lambda *sizes, **more: nn.RNN(*sizes, nonlinearity="relu", **more),
    "LSTM": nn.LSTM,
    "LSTM projected": lambda *sizes, **more: nn.LSTM(*sizes, proj_size=2, **more),
    "GRU": nn.GRU,
}
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    reseed()


def start(layer: Any, count: int, total: int = 1) -> Any:
    """Return a random state to start from."""
    sizes = [getattr(layer, "proj_size", 0) or layer.hidden_size, layer.hidden_size][: layer._states]
    states = tuple(normal(total, count, size) for size in sizes)
    return states if len(states) > 1 else states[0]


def first(state: Any) -> Any:
    return state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name: str) -> None:
    layer = LAYERS[name](2, 3)
    check_gradients(layer, normal(3, 2, 2), start(layer, 2), max_entries=4)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_stacked_layers_in_both_directions(name: str) -> None:
    layer = LAYERS[name](2, 3, num_layers=2, bidirectional=True, batch_first=True)
    report = gradcheck(layer.requires_grad_(False), normal(1, 2, 2), start(layer, 1, 4), max_entries=0)
    assert report.ok, report


def test_gradients_of_every_weight_of_stacked_layers() -> None:
    layer = nn.LSTM(1, 2, num_layers=2, bidirectional=True)
    check_gradients(layer, normal(2, 1, 1), max_entries=0)


@pytest.mark.parametrize("name", LAYERS)
def test_second_gradients(name: str) -> None:
    layer = LAYERS[name](2, 3)
    check_gradients(layer, normal(2, 1, 2), start(layer, 1), order=2, max_entries=0)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_cells(name: str) -> None:
    cell = CELLS[name](2, 3, bias=name != "GRU")
    states = start(cell, 2)
    hx = tuple(s[0] for s in states) if isinstance(states, tuple) else states[0]
    check_gradients(cell, normal(2, 2), hx, max_entries=3)
    check_gradients(cell, normal(2, 2), hx, order=2, max_entries=0)


@pytest.mark.parametrize("name", CELLS)
def test_a_layer_is_its_cell_step_by_step(name: str) -> None:
    layer, cell, x = LAYERS[name](2, 3), CELLS[name](2, 3), normal(4, 2, 2)
    cell.load_state_dict({key.removesuffix("_l0"): array for key, array in layer.state_dict().items()})
    output, final = layer(x)
    state = None
    for step, expected in zip(x, output.numpy(), strict=True):
        state = cell(step, state)
        np.testing.assert_allclose(first(state).numpy(), expected, atol=1e-14)
    np.testing.assert_allclose(first(final).numpy()[0], first(state).numpy(), atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_with_and_without_batch(name: str) -> None:
    layer = LAYERS[name](2, 3, num_layers=2, bidirectional=True)
    size = getattr(layer, "proj_size", 0) or 3
    x = normal(5, 4, 2)
    output, final = layer(x)
    assert output.shape == (5, 4, 2 * size)
    assert first(final).shape == (4, 4, size)
    single, last = layer(x[:, 1])
    np.testing.assert_allclose(single.numpy(), output.numpy()[:, 1], atol=1e-14)
    np.testing.assert_allclose(first(last).numpy(), first(final).numpy()[:, 1], atol=1e-14)
    layer.batch_first = True
    turned, last = layer(np.swapaxes(x, 0, 1))
    np.testing.assert_allclose(np.swapaxes(turned.numpy(), 0, 1), output.numpy(), atol=1e-14)
    np.testing.assert_allclose(first(last).numpy(), first(final).numpy(), atol=1e-14)
    assert layer(np.zeros((0, 5, 2)))[0].shape == (0, 5, 2 * size)


@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_may_be_cut_and_resumed(name: str) -> None:
    layer, x = LAYERS[name](2, 3, num_layers=2), normal(6, 2, 2)
    whole, final = layer(x)
    early, state = layer(x[:4])
    late, last = layer(x[4:], state)
    np.testing.assert_allclose(np.concatenate([early.numpy(), late.numpy()]), whole.numpy(), atol=1e-14)
    np.testing.assert_allclose(first(last).numpy(), first(final).numpy(), atol=1e-14)


def test_the_second_direction_is_the_first_on_the_reversed_sequence() -> None:
    both, one, x = nn.GRU(2, 3, bidirectional=True), nn.GRU(2, 3), normal(4, 2, 2)
    weights = both.state_dict()
    one.load_state_dict({key: weights[f"{key}_reverse"] for key in one.state_dict()})
    np.testing.assert_allclose(both(x)[0].numpy()[..., 3:], one(x[::-1])[0].numpy()[::-1], atol=1e-14)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_and_plain_arrays(name: str) -> None:
    layer = LAYERS[name](2, 3, dtype="float32")
    x = Tensor(normal(3, 2, 2).astype(np.float32), requires_grad=True)
    output, final = layer(x)
    (output * output).sum().backward()
    assert output.dtype == first(final).dtype == x.grad.dtype == np.float32
    assert all(p.grad.dtype == np.float32 for p in layer.parameters())
    layer.requires_grad_(False)
    np.testing.assert_array_equal(layer(x.detach())[0].numpy(), output.numpy())


@pytest.mark.parametrize("name", LAYERS)
def test_extreme_inputs_stay_finite(name: str) -> None:
    layer = LAYERS[name](1, 3, bias=False)
    for value in (-1e4, 1e4):
        x = Tensor(np.full((3, 2, 1), value), requires_grad=True)
        output = layer(x)[0]
        output.sum().backward()
        assert np.all(np.isfinite(output.numpy()))
        assert np.all(np.isfinite(x.grad))


def test_names_and_initial_values() -> None:
    layer = nn.LSTM(3, 100, num_layers=2, bidirectional=True, proj_size=5, generator=np.random.default_rng(0))
    shapes = {key: value.shape for key, value in layer.state_dict().items()}
    assert list(shapes)[:6] == [
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0", "weight_ih_l0_reverse",
    ]  # fmt: skip
    assert shapes["weight_ih_l0"] == (400, 3)
    assert shapes["weight_hh_l1_reverse"] == (400, 5)
    assert shapes["weight_ih_l1"] == (400, 10)
    assert shapes["weight_hr_l1"] == (5, 100)
    assert all(np.abs(p.numpy()).max() <= 0.1 for p in layer.parameters())
    assert np.abs(layer.weight_hh_l0.numpy()).max() > 0.099
    assert repr(layer).startswith("LSTM(3, 100, proj_size=5, num_layers=2, bidirectional=True)")
    assert not any("bias" in key for key in nn.GRU(2, 3, bias=False).state_dict())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(np.ones((2, 1, 3)))[0].numpy(), layer(np.ones((2, 1, 3)))[0].numpy())


def test_dropout_acts_between_layers_in_training_only() -> None:
    layer = nn.LSTM(2, 50, num_layers=2, dropout=0.5, generator=np.random.default_rng(0))
    x = normal(3, 4, 2)
    seen: list[Any] = []
    original = layer._scan
    layer.__dict__["_scan"] = lambda x, *rest: seen.append(x) or original(x, *rest)
    layer(x)
    assert 0.4 < np.mean(seen[1].numpy() == 0) < 0.6
    np.testing.assert_array_equal(layer.eval()(x)[0].numpy(), layer(x)[0].numpy())
    with pytest.warns(UserWarning, match="with num_layers=1 it does nothing"):
        nn.GRU(2, 3, dropout=0.5)


SHAPE_ERRORS = [
    (lambda: nn.LSTM(3, 5)(np.zeros((7, 2, 4))), "(T, N, 3) or (T, 3), got (7, 2, 4).\nMake it LSTM(4, 5), or give"),
    (lambda: nn.GRU(3, 5, batch_first=True)(np.zeros((7, 2, 4))), "(N, T, 3)"),
    (lambda: nn.GRU(1, 5)(np.zeros((7, 2))), "Add the axis of the single feature: x[..., None]."),
    (lambda: nn.RNN(3, 5)(np.zeros(3)), "Reshape it to three axes"),
    (lambda: nn.RNN(3, 5)(np.zeros((0, 2, 3))), "A sequence needs at least one step."),
    (lambda: nn.LSTM(3, 5)(np.zeros((7, 2, 3)), (np.zeros((1, 2, 5)), np.zeros((2, 5)))), "c_0 of shape (1, 2, 5)"),
    (lambda: nn.GRU(3, 5)(np.zeros((7, 3)), np.zeros((1, 1, 5))), "h_0 of shape (1, 5), got (1, 1, 5)"),
    (lambda: nn.GRUCell(3, 5)(np.zeros((2, 4))), "shape (N, 3) or (3,), got (2, 4).\nMake it GRUCell(4, 5)."),
    (lambda: nn.GRUCell(3, 5)(np.zeros((7, 2, 3))), "Pass one step at a time."),
    (lambda: nn.RNNCell(3, 5)(np.zeros((2, 3)), np.zeros(5)), "a state of shape (2, 5), got (5,)"),
]


@pytest.mark.parametrize(("call", "text"), SHAPE_ERRORS)
def test_wrong_shapes_are_explained(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(nn.ShapeError) as caught:
        call()
    assert text in str(caught.value)


BAD_SETTINGS = [
    (lambda: nn.LSTM(3, 0), "hidden_size must be greater than zero"),
    (lambda: nn.LSTM(3, 5, 0), "num_layers must be greater than zero"),
    (lambda: nn.LSTM(3, 5, 2, dropout=2.0), "range [0, 1], got 2.0"),
    (lambda: nn.LSTM(3, 5, proj_size=5), "proj_size must be 0 or below hidden_size=5"),
    (lambda: nn.RNN(3, 5, nonlinearity="sigmoid"), "must be 'tanh' or 'relu', got 'sigmoid'"),
    (lambda: nn.RNNCell(3, 5, nonlinearity="sigmoid"), "must be 'tanh' or 'relu', got 'sigmoid'"),
    (lambda: cells.rnn_scan(np.ones((1, 1, 1)), [[1.0]], [[0.0]], "none"), "must be 'tanh' or 'relu', got 'none'"),
    (lambda: cells.rnn_scan(np.ones((0, 1, 1)), [[1.0]], [[0.0]]), "with T > 0"),
    (lambda: cells.lstm_scan(np.ones((2, 1, 3)), np.ones((4, 1)), [[0.0]], [[0.0]]), "a weight of (4 * H, H), and"),
    (lambda: cells.gru_scan(np.ones((2, 1, 3)), np.ones((3, 1)), 0.0, [[0.0]]), "a bias of (3 * H,)"),
    (lambda: cells.gru_scan(1.0, 1.0, 1.0, 1.0), "got (), (), (), ()"),
]


@pytest.mark.parametrize(("call", "text"), BAD_SETTINGS)
def test_wrong_settings_are_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        call()
    assert text in str(caught.value)


def test_an_lstm_starts_from_a_pair() -> None:
    with pytest.raises(TypeError, match=r"a pair of states, \(h_0, c_0\), got ndarray"):
        nn.LSTM(3, 5)(np.zeros((7, 2, 3)), np.zeros((1, 2, 5)))


def test_scans_run_on_arrays_of_values() -> None:
    """The forwards are plain NumPy, so they run on scalar graphs too, and give the same gradients."""
    gates, w, h, c = normal(2, 1, 8), normal(8, 2), normal(1, 2), normal(1, 2)
    leaves = [Tensor(x, requires_grad=True) for x in (gates, w, h, c)]
    cells.lstm_scan(*leaves).sum().backward()
    values = [np.vectorize(Value, otypes=[object])(x) for x in (gates, w, h, c)]
    y = ops.TABLE["lstm_scan"].forward(*values)[..., :4]
    y.sum().backward()
    for leaf, array in zip(leaves, values, strict=True):
        np.testing.assert_allclose(np.vectorize(lambda v: v.grad)(array), leaf.grad, rtol=1e-12, atol=1e-14)


def test_a_relu_state_that_is_nan_has_a_nan_gradient() -> None:
    gates = Tensor([[[np.nan]], [[1.0]]], requires_grad=True)
    cells.rnn_scan(gates, [[1.0]], [[0.0]], "relu").sum().backward()
    assert np.all(np.isnan(gates.grad[0]))


def test_long_sequences_remember() -> None:
    """A GRU learns to say at the end what it saw at the start."""
    manual_seed(1)
    x = np.zeros((12, 16, 1))
    labels = np.arange(16) % 2
    x[0, :, 0] = 2 * labels - 1
    gru, out = nn.GRU(1, 8), nn.Linear(8, 2)
    optimizer, loss_of = nn.optim.Adam([*gru.parameters(), *out.parameters()], 0.05), nn.CrossEntropyLoss()
    for _ in range(40):
        optimizer.zero_grad()
        loss = loss_of(out(gru(x)[1][0]), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_gradients_reach_values_in_a_list() -> None:
    report = gradcheck(lambda a, b: nn.RNNCell(1, 1, generator=np.random.default_rng(0))([[a * b]]), 0.3, -0.7)
    assert report.ok, report
