"""MultiheadAttention, TransformerEncoderLayer and the function under them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, gradcheck, manual_seed
from nn.functional_layers import scaled_dot_product_attention
from tests.test_nn_layers import check_gradients, normal, reseed

ATTENTIONS: dict[str, dict[str, Any]] = {
    "self": {},
    "batch first, no bias": {"batch_first": True, "bias": False},
    "other sizes": {"kdim": 3, "vdim": 5},
    "extra keys": {"add_bias_kv": True, "add_zero_attn": True},
}


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    reseed()


def inputs(layer: nn.MultiheadAttention, queries: int = 2, keys: int = 3, count: int = 2) -> list[Any]:
    arrays = [normal(queries, count, layer.embed_dim), normal(keys, count, layer.kdim), normal(keys, count, layer.vdim)]
    return [np.swapaxes(x, 0, 1) for x in arrays] if layer.batch_first else arrays


@pytest.mark.parametrize("name", ATTENTIONS)
def test_gradients(name: str) -> None:
    layer = nn.MultiheadAttention(4, 2, **ATTENTIONS[name])
    check_gradients(layer, *inputs(layer), max_entries=3)


def test_gradients_of_self_attention_with_masks() -> None:
    layer = nn.MultiheadAttention(4, 2)

    class Itself(nn.Module):
        def __init__(self) -> None:
            self.inner = layer

        def forward(self, x: Any, mask: Any) -> Any:
            padding = np.array([[False, False, True], [True, True, True]])
            return self.inner(x, x, x, attn_mask=mask, key_padding_mask=padding, average_attn_weights=False)

    check_gradients(Itself(), normal(3, 2, 4), normal(3, 3), max_entries=4)
    check_gradients(Itself(), normal(3, 2, 4), normal(3, 3), order=2, max_entries=0)


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_of_the_encoder_layer(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0, activation="gelu", norm_first=norm_first)
    check_gradients(layer, normal(3, 2, 4), max_entries=0, is_causal=True)


def test_a_query_sees_what_the_masks_leave() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    q, k, v = inputs(layer, 3, 3)
    hidden = np.triu(np.ones((3, 3), bool), 1)
    padding = np.array([[False, False, True], [False, False, False]])
    _, weights = layer(q, k, v, key_padding_mask=padding, attn_mask=hidden)
    weights = weights.numpy()
    assert np.all(weights[:, hidden] == 0)
    assert np.all(weights[0, :, 2] == 0)
    np.testing.assert_allclose(weights.sum(-1), 1)
    same = [
        layer(q, k, v, padding, attn_mask=np.where(hidden, -np.inf, 0.0)),
        layer(q, k, v, np.where(padding, -np.inf, 0.0), is_causal=True),
        layer(q, k, v, padding, attn_mask=np.broadcast_to(hidden, (4, 3, 3)), is_causal=True),
    ]
    assert np.all(layer(q, k, v, attn_mask=normal(3, 3), is_causal=True)[1].numpy()[:, hidden] == 0)
    for _, other in same:
        np.testing.assert_array_equal(other.numpy(), weights)


def test_a_query_that_sees_nothing_gets_zeros() -> None:
    layer = nn.MultiheadAttention(4, 2, bias=False)
    q, k, v = (Tensor(x, requires_grad=True) for x in inputs(layer))
    output, weights = layer(q, k, v, key_padding_mask=np.array([[True, True, True], [False, False, True]]))
    output.sum().backward()
    np.testing.assert_array_equal(weights.numpy()[0], 0)
    np.testing.assert_array_equal(output.numpy()[:, 0], 0)
    for x in (q, k, v):
        assert np.all(np.isfinite(x.grad))
        np.testing.assert_array_equal(x.grad[:, 0], 0)
    np.testing.assert_array_equal(scaled_dot_product_attention([[1.0]], [[1.0]], [[1.0]], [[False]]), [[0.0]])


def test_shapes_of_results() -> None:
    layer = nn.MultiheadAttention(4, 2)
    q, k, v = inputs(layer)
    output, weights = layer(q, k, v)
    assert output.shape == (2, 2, 4)
    assert weights.shape == (2, 2, 3)
    each = layer(q, k, v, average_attn_weights=False)[1]
    assert each.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(each.numpy().mean(1), weights.numpy())
    assert layer(q, k, v, need_weights=False)[1] is None
    single, alone = layer(q[:, 1], k[:, 1], v[:, 1], key_padding_mask=np.zeros(3, bool))
    np.testing.assert_allclose(single.numpy(), output.numpy()[:, 1])
    np.testing.assert_allclose(alone.numpy(), weights.numpy()[1])
    turned = nn.MultiheadAttention(4, 2, batch_first=True)
    turned.load_state_dict(layer.state_dict())
    swapped = turned(*(np.swapaxes(x, 0, 1) for x in (q, k, v)))[0]
    np.testing.assert_allclose(np.swapaxes(swapped.numpy(), 0, 1), output.numpy())


def test_self_attention_in_one_product_equals_three() -> None:
    layer, x = nn.MultiheadAttention(4, 2), normal(3, 2, 4)
    np.testing.assert_allclose(layer(x, x, x)[0].numpy(), layer(x, x.copy(), x)[0].numpy(), atol=1e-14)


def test_keys_and_initial_values() -> None:
    layer = nn.MultiheadAttention(64, 4)
    assert list(layer.state_dict()) == ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    bound = np.sqrt(6 / (4 * 64))
    assert 0.99 * bound < np.abs(layer.in_proj_weight.numpy()).max() <= bound
    assert not np.any(layer.in_proj_bias.numpy())
    assert not np.any(layer.out_proj.bias.numpy())
    assert np.abs(layer.out_proj.weight.numpy()).max() <= 1 / 8
    other = nn.MultiheadAttention(4, 2, bias=False, add_bias_kv=True, vdim=3)
    names = ["q_proj_weight", "k_proj_weight", "v_proj_weight", "bias_k", "bias_v", "out_proj.weight"]
    assert list(other.state_dict()) == names
    encoder = nn.TransformerEncoderLayer(4, 2, 8)
    assert list(encoder.state_dict()) == [
        "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
        "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
        "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
    ]  # fmt: skip
    twin = pickle.loads(pickle.dumps(encoder.eval()))
    np.testing.assert_array_equal(twin(np.ones((3, 1, 4))).numpy(), encoder(np.ones((3, 1, 4))).numpy())


def test_dropout_in_training_only() -> None:
    layer = nn.MultiheadAttention(4, 1, dropout=0.5, generator=np.random.default_rng(0))
    x = normal(30, 2, 4)
    assert 0.4 < np.mean(layer(x, x, x)[1].numpy() == 0) < 0.6
    np.testing.assert_array_equal(layer.eval()(x, x, x)[0].numpy(), layer(x, x, x)[0].numpy())
    encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5)
    assert not np.array_equal(encoder(x).numpy(), encoder(x).numpy())
    np.testing.assert_array_equal(encoder.eval()(x).numpy(), encoder(x).numpy())


def test_float32_stays() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dtype="float32")
    x = Tensor(normal(3, 2, 4).astype(np.float32), requires_grad=True)
    y = layer(x, is_causal=True)
    (y * y).sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    assert all(p.grad.dtype == np.float32 for p in layer.parameters())


def test_the_function() -> None:
    q, k, v = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 6)
    for options in ({}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": np.arange(15).reshape(3, 5) % 4 > 0}):
        report = gradcheck(lambda *x, o=options: scaled_dot_product_attention(*x, **o), q, k, v, max_entries=3)
        assert report.ok, report
    shown = np.arange(15).reshape(3, 5) % 4 > 0
    scores = np.where(shown, q @ np.swapaxes(k, 1, 2) / 2, -np.inf)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(scaled_dot_product_attention(q, k, v, shown), weights @ v)
    both = scaled_dot_product_attention(q, k, v, shown, is_causal=True)
    np.testing.assert_allclose(both, scaled_dot_product_attention(q, k, v, np.tril(shown)))
    dropped = scaled_dot_product_attention(q, k, np.ones((2, 5, 1)), dropout_p=0.5, generator=np.random.default_rng(0))
    assert np.ptp(dropped) > 0.1
    with pytest.raises(ValueError, match=r"queries of shape \(2, 3, 4\) and keys of shape \(2, 5, 6\) differ"):
        scaled_dot_product_attention(q, v, v)


def _attend(*shapes: tuple[int, ...], sizes: dict[str, Any] | None = None, **more: Any) -> Callable[[], Any]:
    return lambda: nn.MultiheadAttention(4, 2, **(sizes or {}))(*map(np.zeros, shapes), **more)


SHAPE_ERRORS = [
    (_attend((3, 2, 5), (3, 2, 4), (3, 2, 4)), "a query of shape (L, N, 4) or (L, 4), got (3, 2, 5)"),
    (_attend((3, 2, 4), (3, 2, 5), (3, 2, 4), sizes={"batch_first": True}), "a key of shape (N, S, 4) or (S, 4)"),
    (_attend((3, 2, 4), (3, 2, 4), (3, 2, 4), sizes={"vdim": 7}), "a value of shape (S, N, 7)"),
    (_attend((4,), (4,), (4,)), "a query of shape"),
    (_attend((3, 2, 4), (3, 1, 4), (3, 1, 4)), "With batch_first=True samples come first, else second."),
    (_attend((3, 2, 4), (3, 2, 4), (2, 2, 4)), "keys and values of one length"),
    (_attend((3, 2, 4), (3, 4), (3, 4)), "of as many samples as queries, got (3, 2, 4), (3, 4) and (3, 4)"),
    (_attend((3, 2, 4), (5, 2, 4), (5, 2, 4), attn_mask=np.zeros((5, 3))), "attn_mask of shape (3, 5) or (4, 3, 5)"),
    (_attend((3, 2, 4), (5, 2, 4), (5, 2, 4), key_padding_mask=np.zeros((5, 2))), "key_padding_mask of shape (2, 5)"),
]


@pytest.mark.parametrize(("call", "text"), SHAPE_ERRORS)
def test_wrong_shapes_are_explained(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(nn.ShapeError) as caught:
        call()
    assert text in str(caught.value)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="positive multiple of num_heads, got 4 and 3"):
        nn.MultiheadAttention(4, 3)
    with pytest.raises(ValueError, match="'relu', 'gelu' or a function, got 'swish'"):
        nn.TransformerEncoderLayer(4, 2, activation="swish")
    with pytest.raises(TypeError, match=r"truth values .* got dtype int64"):
        _attend((3, 2, 4), (3, 2, 4), (3, 2, 4), attn_mask=np.eye(3, dtype=int))()


def test_an_encoder_learns_to_find_a_token() -> None:
    manual_seed(0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 6, (32, 7))
    labels = np.arange(32) % 2
    tokens[labels == 1, rng.integers(0, 7, 16)] = 0
    embed, encoder, out = (
        nn.Embedding(6, 8),
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True),
        nn.Linear(8, 2),
    )
    model = nn.ModuleList([embed, encoder, out])
    optimizer, loss_of = nn.optim.Adam(model.parameters(), 0.01), nn.CrossEntropyLoss()
    for _ in range(40):
        optimizer.zero_grad()
        loss = loss_of(out(np.mean(encoder(embed(tokens)), axis=1)), labels)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
