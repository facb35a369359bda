"""Every layer beside PyTorch's of the same name: outputs, gradients, weights in both directions, settings, defaults."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, manual_seed
from nn import functional_layers, pooling, reshape
from nn.embedding import embedding

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

RNG = np.random.default_rng(11)
TOLERANCE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    RNG.bit_generator.state = np.random.default_rng(11).bit_generator.state
    manual_seed(11)
    torch.manual_seed(11)


def flat(results: Any) -> list[Any]:
    """Return the arrays in nested tuples."""
    if isinstance(results, (tuple, list)):
        return [x for result in results for x in flat(result)]
    return [] if results is None else [results]


def their(x: Any, requires_grad: bool = False) -> Any:
    if isinstance(x, tuple):
        return tuple(their(e, requires_grad) for e in x)
    if not isinstance(x, np.ndarray):
        return x
    return torch.tensor(x, requires_grad=requires_grad and x.dtype.kind == "f")


def our(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(our, x))
    return Tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def compare(mine: Any, other: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Compare results and gradients of two functions (or modules)."""
    ours, theirs = [our(x) for x in inputs], [their(x, requires_grad=True) for x in inputs]
    results = flat(mine(*ours, **options)), flat(other(*theirs, **{k: their(v) for k, v in options.items()}))
    assert len(results[0]) == len(results[1])
    mine_loss: Any = 0.0
    their_loss: Any = 0.0
    for y, expected in zip(*results, strict=True):
        got = y.numpy() if isinstance(y, Tensor) else np.asarray(y)
        assert got.shape == tuple(expected.shape)
        np.testing.assert_allclose(got, expected.detach().numpy(), **TOLERANCE)
        if expected.requires_grad:
            weights = RNG.normal(size=got.shape)
            mine_loss, their_loss = (
                mine_loss + (y * weights).sum(),
                their_loss + (expected * torch.tensor(weights)).sum(),
            )
    mine_loss.backward()
    their_loss.backward()
    for x, y in zip(flat(ours), flat(theirs), strict=True):
        if isinstance(x, Tensor) and y.grad is not None:
            np.testing.assert_allclose(x.grad, y.grad.numpy(), **TOLERANCE)


def check(mine: nn.Module, other: Any, *inputs: Any, **options: Any) -> None:
    """Load one's weights into the other, both ways, and compare all there is."""
    other = other.double().train(mine.training)
    for p in other.parameters():
        torch.nn.init.normal_(p, std=0.4)
    for buffer in other.buffers():
        if buffer.dtype.is_floating_point:
            buffer.uniform_(0.5, 1.5)
    mine.load_state_dict(other.state_dict())
    compare(mine, other, inputs, options)
    grads = {name: p.grad for name, p in other.named_parameters()}
    assert [name for name, _ in mine.named_parameters()] == list(grads)
    for name, p in mine.named_parameters():
        if grads[name] is not None:
            np.testing.assert_allclose(p.grad, grads[name].numpy(), **TOLERANCE, err_msg=name)
    state = mine.state_dict()
    assert list(state) == list(other.state_dict())
    for key, value in other.state_dict().items():
        np.testing.assert_allclose(state[key], value.numpy(), **TOLERANCE, err_msg=key)
    other.load_state_dict({key: torch.tensor(value) for key, value in state.items()}, strict=True)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def both(name: str, *args: Any, **kwargs: Any) -> tuple[nn.Module, Any]:
    return getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (2, 4, 9)),
    ("Conv1d", (2, 3, 4), {"padding": "same", "dilation": 2, "bias": False}, (2, 2, 9)),
    ("Conv1d", (2, 3, 3), {"padding": 2, "padding_mode": "replicate"}, (2, 5)),
    ("Conv2d", (3, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}, (2, 3, 7, 6)),
    ("Conv2d", (4, 4, 3), {"groups": 4, "padding": "valid"}, (2, 4, 5, 5)),
    ("Conv2d", (2, 3, 3), {"padding": "same", "padding_mode": "reflect"}, (2, 2, 5, 4)),
    ("Conv2d", (2, 3, 4), {"padding": "same", "padding_mode": "circular"}, (2, 5, 4)),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 3, 4)),
    ("ConvTranspose2d", (2, 3, (2, 3)), {"stride": (1, 2), "dilation": (2, 1), "bias": False}, (2, 3, 4)),
    ("MaxPool2d", (2,), {}, (2, 3, 5, 6)),
    ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "ceil_mode": True}, (2, 3, 6, 6)),
    ("MaxPool2d", (3, 2, 1), {"return_indices": True}, (3, 6, 7)),
    ("MaxPool2d", (2, 3), {"ceil_mode": True, "return_indices": True}, (2, 3, 5, 7)),
    ("AvgPool2d", (2,), {}, (2, 3, 5, 6)),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 5, 6)),
    ("AvgPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 6, 5)),
    ("AvgPool2d", ((2, 3), 2, 1), {"ceil_mode": True, "count_include_pad": False}, (3, 6, 5)),
    ("AvgPool2d", (2,), {"divisor_override": 3, "padding": 1}, (2, 3, 4, 4)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 5, 6)),
    ("AdaptiveAvgPool2d", ((3, 4),), {}, (2, 3, 5, 6)),
    ("AdaptiveAvgPool2d", ((None, 8),), {}, (3, 5, 6)),
    ("BatchNorm2d", (3,), {}, (4, 3, 2, 5)),
    ("BatchNorm2d", (3,), {"momentum": None, "affine": False}, (4, 3, 2, 5)),
    ("BatchNorm2d", (3, 0.1, 0.3), {"track_running_stats": False}, (4, 3, 2, 5)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5),), {"eps": 0.1, "bias": False}, (2, 3, 5)),
    ("LayerNorm", (5,), {"elementwise_affine": False}, (5,)),
    ("RMSNorm", (5,), {}, (2, 3, 5)),
    ("RMSNorm", ((3, 5), 0.1), {"elementwise_affine": False}, (2, 3, 5)),
    ("GroupNorm", (2, 6), {}, (3, 6, 2, 2)),
    ("GroupNorm", (3, 6), {"eps": 0.1, "affine": False}, (3, 6)),
    ("Unflatten", (1, (2, -1)), {}, (3, 6, 2)),
    ("Upsample", (None, 2), {}, (2, 3, 4, 5)),
    ("Upsample", (7,), {}, (2, 3, 4)),
    ("Upsample", ((3, 9),), {}, (2, 3, 4, 5)),
    ("Upsample", (None, (1.5, 0.7)), {}, (2, 3, 4, 5)),
    ("Upsample", (None, 2.6), {}, (2, 3, 7)),
    ("Upsample", (None, (1, 2, 3)), {}, (1, 2, 2, 2, 2)),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), CASES)
def test_layers(name: str, args: Any, kwargs: Any, shape: tuple[int, ...]) -> None:
    mine, other = both(name, *args, **kwargs)
    check(mine, other, normal(*shape))
    if "BatchNorm" in name:
        check(mine.eval(), other, normal(*shape))


def test_output_size_of_transposed_convolution() -> None:
    mine, other = both("ConvTranspose2d", 2, 3, 3, stride=2)
    check(mine, other, normal(1, 2, 4, 4), output_size=(10, 9))


@pytest.mark.parametrize("settings", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
def test_embedding(settings: dict[str, Any]) -> None:
    mine, other = both("Embedding", 5, 3, **settings)
    check(mine, other, np.array([[0, 2, 2], [4, 4, 4]]))


def test_embedding_max_norm() -> None:
    mine, other = both("Embedding", 5, 3, max_norm=0.3)
    check(mine, other, np.array([0, 2, 2]))


RECURRENT: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2}),
    ("LSTM", {"bias": False, "proj_size": 3}),
    ("GRU", {}),
    ("GRU", {"num_layers": 3, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False}),
]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(("name", "settings"), RECURRENT)
def test_recurrent_layers(name: str, settings: dict[str, Any], batched: bool) -> None:
    mine, other = both(name, 3, 4, **settings)
    steps, count = 5, 2
    layers = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    order = (count, steps) if settings.get("batch_first") else (steps, count)
    x = normal(*(order if batched else (steps,)), 3)
    middle = (count,) if batched else ()
    h, c = normal(layers, *middle, settings.get("proj_size") or 4), normal(layers, *middle, 4)
    check(mine, other, x)
    check(mine, other, x, (h, c) if name == "LSTM" else h)


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("RNNCell", {}),
        ("RNNCell", {"nonlinearity": "relu"}),
        ("LSTMCell", {}),
        ("GRUCell", {}),
        ("GRUCell", {"bias": False}),
    ],
)
def test_recurrent_cells(name: str, settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    mine, other = both(name, 3, 4, **settings)
    h, c = normal(*shape[:-1], 4), normal(*shape[:-1], 4)
    check(mine, other, normal(*shape))
    check(mine, other, normal(*shape), (h, c) if name == "LSTMCell" else h)


HIDDEN = np.array([[False, True, False], [False, False, True]])
ATTENTION: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"bias": False, "batch_first": True}, {"average_attn_weights": False}),
    ({"kdim": 3, "vdim": 5}, {"need_weights": False}),
    ({"add_bias_kv": True, "add_zero_attn": True}, {"attn_mask": HIDDEN}),
    ({}, {"attn_mask": np.triu(np.ones((2, 3), bool), 1), "is_causal": True}),
    ({}, {"key_padding_mask": np.array([[False, False, True], [False, True, False]])}),
    ({}, {"attn_mask": RNG.normal(size=(4, 2, 3)), "key_padding_mask": RNG.normal(size=(2, 3))}),
]


@pytest.mark.parametrize(("settings", "options"), ATTENTION)
def test_attention(settings: dict[str, Any], options: dict[str, Any]) -> None:
    mine, other = both("MultiheadAttention", 4, 2, **settings)
    shapes = [(2, 2, 4), (3, 2, mine.kdim), (3, 2, mine.vdim)]
    if settings.get("batch_first"):
        shapes = [(b, a, c) for a, b, c in shapes]
    check(mine, other, *(normal(*shape) for shape in shapes), **options)


def test_self_attention_of_a_single_sequence() -> None:
    mine, other = both("MultiheadAttention", 4, 2)
    x, y = (np.random.default_rng(0).normal(size=(3, 4)) for _ in range(2))
    check(mine, other, x, y, y)
    state = mine.state_dict()
    for p in mine.parameters():
        p.zero_grad()
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    other.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    mine(ours, ours, ours)[0].sum().backward()
    other(theirs, theirs, theirs)[0].sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), **TOLERANCE)


@pytest.mark.parametrize(
    "settings",
    [{}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "bias": False, "layer_norm_eps": 0.1}],
)
def test_encoder_layer(settings: dict[str, Any]) -> None:
    mine, other = both("TransformerEncoderLayer", 4, 2, 6, dropout=0.0, **settings)
    check(mine, other, normal(3, 3, 4))
    check(mine, other, normal(3, 3, 4), src_mask=np.triu(np.ones((3, 3), bool), 1))
    check(mine, other, normal(3, 3, 4), src_key_padding_mask=np.array([[False, True, False]] * 3))


def test_functions() -> None:
    theirs, x = torch.nn.functional, normal(2, 4, 3)
    w, b = normal(4, 3), normal(4, 3)
    compare(functional_layers.layer_norm, theirs.layer_norm, (x, (4, 3), w, b, 0.01), {})
    compare(functional_layers.rms_norm, theirs.rms_norm, (x, (4, 3), w), {})
    compare(functional_layers.group_norm, theirs.group_norm, (x, 2, w[:, 0].copy(), b[:, 0].copy()), {})
    compare(pooling.adaptive_avg_pool2d, theirs.adaptive_avg_pool2d, (x, (3, 2)), {})
    compare(pooling.avg_pool2d, theirs.avg_pool2d, (x, 2, 1), {})
    compare(pooling.max_pool2d, theirs.max_pool2d, (x, 2, 1), {})
    compare(reshape.interpolate, theirs.interpolate, (x, 5), {})
    compare(
        lambda w: embedding([[3, 1, 1]], w, 1), lambda w: theirs.embedding(torch.tensor([[3, 1, 1]]), w, 1), (w,), {}
    )
    q, k, v = normal(2, 2, 4), normal(2, 3, 4), normal(2, 3, 5)
    ours, attend = functional_layers.scaled_dot_product_attention, theirs.scaled_dot_product_attention
    for options in (
        {},
        {"attn_mask": ~HIDDEN},
        {"attn_mask": RNG.normal(size=(2, 3))},
        {"is_causal": True},
        {"scale": 2.0},
    ):
        compare(ours, attend, (q, k, v), options)


LAYERS = (
    "Conv1d Conv2d ConvTranspose2d MaxPool2d AvgPool2d AdaptiveAvgPool2d BatchNorm2d LayerNorm GroupNorm RMSNorm "
    "Dropout2d Embedding LSTM GRU RNN RNNCell LSTMCell GRUCell MultiheadAttention "
    "TransformerEncoderLayer Unflatten Upsample"
).split()
# Parameters of PyTorch's that have no place here: where arrays live, and private or unsupported ones.
_NOT_OURS = {
    "device",
    "dtype",
    "_weight",
    "_freeze",
    "align_corners",
    "recompute_scale_factor",
    "args",
    "kwargs",
    "mode",
}
_LSTM_LIKE = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size"]


@pytest.mark.parametrize("name", LAYERS)
def test_signatures_and_defaults(name: str) -> None:
    mine = inspect.signature(getattr(nn, name).__init__).parameters
    theirs = inspect.signature(getattr(torch.nn, name).__init__).parameters
    names = [n for n in theirs if n not in _NOT_OURS]
    if name in ("LSTM", "GRU", "RNN"):  # PyTorch's are spelled out in its documentation only
        names = ["self", *_LSTM_LIKE[: 8 if name == "LSTM" else 7]]
        if name == "RNN":
            names.insert(4, "nonlinearity")
    assert [n for n in mine if n not in ("dtype", "generator", "mode")] == names
    for n in names:
        if n in theirs and n != "activation":
            mine_default, their_default = mine[n].default, theirs[n].default
            assert mine_default == their_default or (mine_default, their_default) == (0, None), n


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Conv1d", (4, 16, 25)),
        ("Conv2d", (4, 16, 5)),
        ("ConvTranspose2d", (16, 4, 5)),
        ("Embedding", (60, 70)),
        ("LSTM", (40, 50)),
        ("GRU", (40, 50)),
        ("RNN", (40, 50)),
        ("MultiheadAttention", (60, 3)),
        ("LayerNorm", (4,)),
        ("BatchNorm2d", (4,)),
        ("GroupNorm", (2, 4)),
        ("RMSNorm", (4,)),
    ],
)
def test_initial_values_have_the_same_spread(name: str, args: tuple[Any, ...]) -> None:
    mine, other = both(name, *args)
    for key, value in other.state_dict().items():
        got, expected = mine.state_dict()[key], value.numpy()
        assert got.shape == expected.shape
        few = got.size < 1000
        assert np.std(got) == pytest.approx(np.std(expected), rel=0.5 if few else 0.05, abs=1e-12), key
        if name != "Embedding" and not few:
            assert np.abs(got).max() == pytest.approx(np.abs(expected).max(), rel=0.01), key


def test_representations() -> None:
    for name, args, kwargs in [
        ("Conv2d", (3, 4, 2), {"padding": 1, "bias": False}),
        ("ConvTranspose2d", (4, 2, 3), {"stride": 2, "output_padding": 1, "groups": 2}),
        ("Conv1d", (3, 4, 2), {"padding": "same", "padding_mode": "circular"}),
        ("MaxPool2d", (2,), {}),
        ("AvgPool2d", (2,), {}),
        ("AdaptiveAvgPool2d", (2,), {}),
        ("BatchNorm2d", (3,), {}),
        ("LayerNorm", (3,), {}),
        ("GroupNorm", (2, 4), {}),
        ("RMSNorm", (3,), {}),
        ("Dropout2d", (0.2,), {}),
        ("Embedding", (4, 3), {"padding_idx": 1}),
        ("Unflatten", (1, (2, 3)), {}),
        ("Upsample", (), {"scale_factor": 2}),
        ("GRUCell", (3, 4), {}),
        ("GRU", (3, 4), {"num_layers": 2, "batch_first": True}),
    ]:
        mine, other = both(name, *args, **kwargs)
        assert repr(mine).split("  #")[0].replace(".0", "") == repr(other).replace(".0", ""), name
