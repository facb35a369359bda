"""The formulas of nn, value by value, beside slow and obvious NumPy of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
import nn.functional as F  # noqa: N812

RNG = np.random.default_rng(11)
X = RNG.normal(size=(5, 4)) * 2
Y = RNG.normal(size=(5, 4))
T = RNG.uniform(0.05, 0.95, (5, 4))
SIGNS = np.where(RNG.random((5, 4)) > 0.5, 1, -1)
LABELS = np.array([2, 0, 3, 1, 2])
WEIGHT = np.array([0.5, 1.0, 2.0, 0.25])


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Any) -> Any:
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def _huber(d: float, delta: float) -> float:
    return d * d / 2 if abs(d) <= delta else delta * (abs(d) - delta / 2)


def _cosine(a: Any, b: Any) -> float:
    return float(sum(a * b) / math.sqrt(sum(a * a)) / math.sqrt(sum(b * b)))


def _focal(p: float, gamma: float) -> float:
    return -math.pow(1 - p, gamma) * math.log(p)


def _each(f: Any, *arrays: Any) -> Any:
    return np.array([[f(*entries) for entries in zip(*rows, strict=True)] for rows in zip(*arrays, strict=True)])


def _kl_of_logarithms() -> Any:
    return _each(lambda x, t: math.exp(t) * (t - x), X, Y)


_FAR = X * 3
_LOSSES: dict[str, tuple[Any, Any]] = {
    "huber": (lambda r: F.huber_loss(X, Y, r, delta=0.7), _each(lambda x, y: _huber(x - y, 0.7), X, Y)),
    "smooth l1": (lambda r: F.smooth_l1_loss(X, Y, r, beta=0.5), _each(lambda x, y: _huber(x - y, 0.5) / 0.5, X, Y)),
    "smooth l1 sharp": (lambda r: F.smooth_l1_loss(X, Y, r, beta=0), _each(lambda x, y: abs(x - y), X, Y)),
    "kl": (lambda r: F.kl_div(X, T, r), _each(lambda x, t: t * (math.log(t) - x), X, T)),
    "kl of logarithms": (lambda r: F.kl_div(X, Y, r, log_target=True), _kl_of_logarithms()),
    "hinge": (lambda r: F.hinge_loss(X, SIGNS, 1.5, r), _each(lambda x, s: max(0.0, 1.5 - s * x), X, SIGNS)),
    "hinge embedding": (
        lambda r: F.hinge_embedding_loss(X, SIGNS, 1.5, r),
        _each(lambda x, s: x if s > 0 else max(0.0, 1.5 - x), X, SIGNS),
    ),
    "cosine embedding": (
        lambda r: F.cosine_embedding_loss(X, Y, SIGNS[:, 0], -0.9, r),
        np.array(
            [
                1 - _cosine(x, y) if s > 0 else max(0.0, _cosine(x, y) + 0.9)
                for x, y, s in zip(X, Y, SIGNS[:, 0], strict=True)
            ]
        ),
    ),
    "sigmoid focal": (
        lambda r: F.sigmoid_focal_loss(X, SIGNS > 0, 0.3, 1.5, r),
        _each(lambda p, s: 0.3 * _focal(p, 1.5) if s > 0 else 0.7 * _focal(1 - p, 1.5), _sigmoid(X), SIGNS),
    ),
    "sigmoid focal between 0 and 1": (
        lambda r: F.sigmoid_focal_loss(X, T, 0.3, 1.5, r),
        _each(
            lambda p, t: (
                (0.3 * t + 0.7 * (1 - t))
                * (p * (1 - t) + (1 - p) * t) ** 1.5
                * -(t * math.log(p) + (1 - t) * math.log(1 - p))
            ),
            _sigmoid(X),
            T,
        ),
    ),
    "sigmoid focal without alpha": (
        lambda r: F.sigmoid_focal_loss(X, SIGNS > 0, -1, 2.0, r),
        _each(lambda p, s: _focal(p if s > 0 else 1 - p, 2.0), _sigmoid(X), SIGNS),
    ),
    "focal": (
        lambda r: F.focal_loss(X, LABELS, None, 1.5, reduction=r),
        np.array([_focal(p[k], 1.5) for p, k in zip(_softmax(X), LABELS, strict=True)]),
    ),
    "bce": (lambda r: F.binary_cross_entropy(T, Y, None, r), -(Y * np.log(T) + (1 - Y) * np.log(1 - T))),
}


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("name", _LOSSES)
def test_losses(name: str, reduction: str) -> None:
    loss, each = _LOSSES[name]
    wanted = {"none": each, "sum": np.sum(each), "mean": np.mean(each)}[reduction]
    np.testing.assert_allclose(loss(reduction), wanted, rtol=1e-12)


def test_kl_by_samples_and_where_probabilities_are_zero() -> None:
    sparse = np.where(SIGNS > 0, T, 0.0)
    each = _each(lambda x, t: t * (math.log(t) - x) if t else 0.0, X, sparse)
    np.testing.assert_allclose(F.kl_div(X, sparse, "batchmean"), each.sum() / 5)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(F.kl_div(X, np.log(sparse), "none", log_target=True), each, atol=1e-15)


def test_cosine_embedding_of_single_vectors_and_of_nothing() -> None:
    np.testing.assert_allclose(F.cosine_embedding_loss(X[0], Y[0], 1), 1 - _cosine(X[0], Y[0]))
    assert F.cosine_embedding_loss(np.zeros(3), X[0, :3], 1) == 1.0


def test_cosine_embedding_of_tiny_vectors() -> None:
    """What is added to each squared length keeps a vector of 1e-6 at half the cosine that it has."""
    tiny = np.array([1e-6, 0.0])
    np.testing.assert_allclose(F.cosine_embedding_loss(tiny, tiny, 1), 0.5, rtol=1e-9)
    np.testing.assert_allclose(F.cosine_embedding_loss(tiny, [3.0, 4.0], 1), 1 - 0.6 / math.sqrt(2), rtol=1e-9)
    np.testing.assert_allclose(F.cosine_embedding_loss([3.0, 4.0], tiny, 1), 1 - 0.6 / math.sqrt(2), rtol=1e-9)


def test_focal_with_weights_and_ignored_samples() -> None:
    labels = np.array([2, -1, 3, 1, 2])
    each = [0.0 if k < 0 else WEIGHT[k] * _focal(p[k], 2.0) for p, k in zip(_softmax(X), labels, strict=True)]
    total = sum(WEIGHT[k] for k in labels if k >= 0)
    np.testing.assert_allclose(F.focal_loss(X, labels, WEIGHT, ignore_index=-1, reduction="none"), each, atol=1e-15)
    np.testing.assert_allclose(F.focal_loss(X, labels, WEIGHT, ignore_index=-1), sum(each) / total)
    one = _focal(_softmax(X[0])[2], 2.0)
    assert F.cross_entropy(X[0], 2) == F.cross_entropy(X[:1], [2])
    np.testing.assert_allclose(F.focal_loss(X[0], 2, WEIGHT, reduction="sum"), 2.0 * one)
    volume = np.stack([X, Y], axis=2)
    both = [F.focal_loss(a, LABELS, WEIGHT, reduction="none") for a in (X, Y)]
    np.testing.assert_allclose(
        F.focal_loss(volume, np.stack([LABELS] * 2, 1), WEIGHT, reduction="none"), np.stack(both, 1)
    )


# Activations and normalisations.


def test_activations() -> None:
    phi = np.array([[0.5 * (1 + math.erf(x / math.sqrt(2))) for x in row] for row in X])
    np.testing.assert_allclose(F.gelu(X), X * phi, atol=1e-14)
    inner = math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)
    np.testing.assert_allclose(F.gelu(X, approximate="tanh"), X * 0.5 * (1 + np.tanh(inner)), atol=1e-14)
    np.testing.assert_allclose(nn.GELU("tanh")(X), F.gelu(X, approximate="tanh"))
    np.testing.assert_allclose(F.softplus(X, beta=2.0), np.log(1 + np.exp(2 * X)) / 2)
    # Far below the default threshold, so that what takes over there shows.
    np.testing.assert_allclose(F.softplus([0.4, 0.6], beta=2.0, threshold=1.0), [np.log(1 + np.exp(0.8)) / 2, 0.6])
    np.testing.assert_allclose(nn.Softplus(2.0, 1.0)([0.4, 0.6]), F.softplus([0.4, 0.6], beta=2.0, threshold=1.0))


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 2), (2, 3, 2, 2)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x, weight, bias = RNG.normal(size=shape) + 1, RNG.normal(size=3), RNG.normal(size=3)
    mean, variance = RNG.normal(size=3), RNG.uniform(0.5, 2, 3)
    running = ag.Tensor(mean), ag.Tensor(variance)
    evaluated = F.batch_norm(x, *running, weight, bias, eps=0.01)
    y = F.batch_norm(x, *running, weight, bias, training=True, momentum=0.2, eps=0.01)
    for c in range(3):
        entries = x[:, c]
        n, m, v = entries.size, entries.mean(), entries.var()
        np.testing.assert_allclose(y[:, c], (entries - m) / math.sqrt(v + 0.01) * weight[c] + bias[c])
        np.testing.assert_allclose(
            evaluated.numpy()[:, c], (entries - mean[c]) / math.sqrt(variance[c] + 0.01) * weight[c] + bias[c]
        )
        np.testing.assert_allclose(running[0].numpy()[c], 0.8 * mean[c] + 0.2 * m)
        np.testing.assert_allclose(running[1].numpy()[c], 0.8 * variance[c] + 0.2 * v * n / (n - 1))


def test_batch_norm_without_momentum_averages_all_batches() -> None:
    layer, batches = nn.BatchNorm1d(3, momentum=None), [RNG.normal(size=(5, 3)) for _ in range(3)]
    for x in batches:
        layer(x)
    assert layer.running_mean is not None
    np.testing.assert_allclose(layer.running_mean.numpy(), np.mean([x.mean(0) for x in batches], axis=0))


def test_other_normalisations() -> None:
    x, weight, bias = RNG.normal(size=(2, 6, 3)) + 1, RNG.normal(size=3), RNG.normal(size=3)
    layer, rms = np.empty_like(x), np.empty_like(x)
    for place in np.ndindex(2, 6):
        row = x[place]
        layer[place] = (row - row.mean()) / math.sqrt(row.var() + 0.01) * weight + bias
        rms[place] = row / math.sqrt(sum(row * row) / 3 + 0.01) * weight
    np.testing.assert_allclose(F.layer_norm(x, 3, weight, bias, eps=0.01), layer)
    np.testing.assert_allclose(F.rms_norm(x, 3, weight, eps=0.01), rms)
    for shape in [(2, 6), (2, 6, 3), (2, 6, 2, 2)]:
        x, weight, bias = RNG.normal(size=shape) + 1, RNG.normal(size=6), RNG.normal(size=6)
        y = F.group_norm(x, 3, weight, bias, eps=0.01)
        for i, c in np.ndindex(2, 6):
            group = x[i, c // 2 * 2 : c // 2 * 2 + 2]
            wanted = (x[i, c] - group.mean()) / math.sqrt(group.var() + 0.01) * weight[c] + bias[c]
            np.testing.assert_allclose(y[i, c], wanted)


def test_dropout_of_everything_and_its_scale() -> None:
    assert not np.any(F.dropout(np.ones(9), p=1.0))
    assert not np.any(F.dropout2d(np.ones((2, 3, 4)), p=1.0))
    for y in (F.dropout(np.ones(99), p=0.2), F.dropout2d(np.ones((9, 9, 1)), p=0.2)):
        assert set(np.unique(y)) == {0.0, 1.25}
    for shape in [(8, 8, 5), (8, 8, 3, 2)]:
        y = F.dropout2d(np.ones(shape))
        assert {len(np.unique(channel)) for channel in np.reshape(y, (64, -1))} == {1}


# Attention.


def _attended(q: Any, k: Any, v: Any, mask: Any = None, scale: float | None = None) -> Any:
    scores = q @ k.T * (1 / math.sqrt(q.shape[1]) if scale is None else scale)
    return _softmax(scores if mask is None else scores + mask) @ v


def test_attention() -> None:
    q, k, v, mask = (RNG.normal(size=s) for s in [(3, 4), (5, 4), (5, 2), (3, 5)])
    allowed = mask > -1
    allowed[:, 0] = True
    attention = F.scaled_dot_product_attention
    np.testing.assert_allclose(attention(q, k, v), _attended(q, k, v))
    np.testing.assert_allclose(attention(q, k, v, mask, scale=0.3), _attended(q, k, v, mask, 0.3))
    np.testing.assert_allclose(attention(q, k, v, allowed), _attended(q, k, v, np.where(allowed, 0.0, -1e9)))
    causal = np.where(np.arange(5) <= np.arange(3)[:, None], 0.0, -1e9)
    np.testing.assert_allclose(attention(q, k, v, is_causal=True), _attended(q, k, v, causal))
    np.testing.assert_allclose(attention(q, k, v, mask, is_causal=True), _attended(q, k, v, mask + causal))


@pytest.mark.parametrize("extra", [0, 1, 2], ids=["plain", "trained key", "trained key and zeros"])
def test_multihead_attention(extra: int) -> None:
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=extra > 0, add_zero_attn=extra > 1, batch_first=True)
    x, mask = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(3, 3))
    assert layer.in_proj_weight is not None
    assert layer.in_proj_bias is not None
    layer.in_proj_bias._data[...] = RNG.normal(size=12)
    weights = np.split(layer.in_proj_weight.numpy(), 3)
    biases = np.split(layer.in_proj_bias.numpy(), 3)
    given = layer(x, x, x, attn_mask=mask, need_weights=False)[0].numpy()
    for i in range(2):
        q, k, v = (x[i] @ w.T + b for w, b in zip(weights, biases, strict=True))
        if extra:
            assert layer.bias_k is not None
            assert layer.bias_v is not None
            k, v = np.vstack([k, layer.bias_k.numpy()[0]]), np.vstack([v, layer.bias_v.numpy()[0]])
        if extra > 1:
            k, v = np.vstack([k, np.zeros(4)]), np.vstack([v, np.zeros(4)])
        seen = np.hstack([mask, np.zeros((3, extra))])
        heads = [_attended(q[:, s], k[:, s], v[:, s], seen) for s in (slice(0, 2), slice(2, 4))]
        out = layer.out_proj
        assert out.bias is not None
        np.testing.assert_allclose(given[i], np.hstack(heads) @ out.weight.numpy().T + out.bias.numpy())


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=norm_first).eval()
    x = RNG.normal(size=(2, 3, 4))

    def attend(z: Any) -> Any:
        return layer.self_attn(z, z, z, need_weights=False)[0].numpy()

    def feed(z: Any) -> Any:
        return layer.linear2(np.maximum(layer.linear1(z).numpy(), 0)).numpy()

    def norm(z: Any) -> Any:
        return layer.norm1(z).numpy()

    if norm_first:
        middle = x + attend(norm(x))
        wanted = middle + feed(norm(middle))
    else:
        middle = norm(x + attend(x))
        wanted = norm(middle + feed(middle))
    np.testing.assert_allclose(layer(x).numpy(), wanted)


# Images.


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> list[list[int]]:
    """Return the places that each window along an axis looks at, those beyond the image included."""
    span, starts = dilation * (kernel - 1) + 1, []
    start = -padding
    while start + span <= size + padding or (ceil_mode and start < size and start + span - stride < size + padding):
        starts.append(start)
        start += stride
    return [[s + dilation * i for i in range(kernel)] for s in starts]


_POOLS = [
    # size, kernel, stride, padding, dilation, ceil_mode
    ((5, 7), (2, 3), (2, 2), (1, 1), (1, 1), False),
    ((5, 7), (2, 3), (2, 3), (0, 1), (1, 1), True),
    ((6, 5), (3, 2), (2, 3), (1, 0), (1, 1), True),
    ((7, 6), (2, 2), (3, 4), (1, 1), (2, 3), True),
    ((8, 7), (3, 2), (3, 2), (1, 1), (2, 1), True),
    ((4, 4), (2, 2), (2, 2), (1, 1), (1, 1), True),
    ((6, 9), (3, 4), (5, 5), (0, 2), (1, 2), True),
    ((9, 8), (2, 3), (4, 3), (1, 0), (3, 2), False),
    ((3, 3), (1, 1), (3, 4), (0, 0), (1, 1), True),
    ((10, 7), (2, 3), (7, 3), (1, 1), (1, 1), True),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation", "ceil_mode"), _POOLS)
def test_max_pooling(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    for x in (RNG.normal(size=(2, 2, *size)) - 5, RNG.normal(size=(2, *size)) - 5):
        y, places = F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
        rows, columns = (
            _windows(n, k, s, p, d, ceil_mode)
            for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
        )
        assert np.shape(y) == np.shape(places) == (*x.shape[:-2], len(rows), len(columns))
        for *lead, i, j in np.ndindex(*np.shape(y)):
            seen = [(a, b) for a in rows[i] for b in columns[j] if 0 <= a < size[0] and 0 <= b < size[1]]
            image = x[tuple(lead)]
            best = max(seen, key=lambda place, image=image: image[place])  # type: ignore[misc]
            assert y[(*lead, i, j)] == image[best]
            assert places[(*lead, i, j)] == best[0] * size[1] + best[1]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("row", [row for row in _POOLS if row[4] == (1, 1)])
def test_average_pooling(row: Any, counted: bool) -> None:
    size, kernel, stride, padding, dilation, ceil_mode = row
    x = RNG.normal(size=(2, *size))
    y = F.avg_pool2d(x, kernel, stride, padding, ceil_mode, counted)
    overridden = F.avg_pool2d(x, kernel, stride, padding, ceil_mode, counted, divisor_override=5)
    rows, columns = (
        _windows(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    frame = padding if counted else (0, 0)
    assert np.shape(y) == (2, len(rows), len(columns))
    for c, i, j in np.ndindex(*np.shape(y)):
        seen = [(a, b) for a in rows[i] for b in columns[j] if 0 <= a < size[0] and 0 <= b < size[1]]
        total = sum(x[c][place] for place in seen)
        count = math.prod(
            sum(-f <= a < n + f for a in places)
            for places, n, f in zip((rows[i], columns[j]), size, frame, strict=True)
        )
        np.testing.assert_allclose(y[c, i, j], total / count)
        np.testing.assert_allclose(overridden[c, i, j], total / 5)


@pytest.mark.parametrize("out", [(1, 1), (2, 3), (4, 7), (5, 2), (7, 8)])
def test_adaptive_pooling(out: tuple[int, int]) -> None:
    x = RNG.normal(size=(2, 5, 7))
    y = F.adaptive_avg_pool2d(x, out)
    for c, i, j in np.ndindex(2, *out):
        rows = slice(i * 5 // out[0], math.ceil((i + 1) * 5 / out[0]))
        columns = slice(j * 7 // out[1], math.ceil((j + 1) * 7 / out[1]))
        np.testing.assert_allclose(y[c, i, j], x[c, rows, columns].mean())


@pytest.mark.parametrize("out", [3, 4, 6, 7, 12])
def test_interpolation(out: int) -> None:
    x = RNG.normal(size=(2, 1, 6))
    np.testing.assert_array_equal(F.interpolate(x, out), x[..., [i * 6 // out for i in range(out)]])
    image = RNG.normal(size=(1, 2, 3, 6))
    shown = image[:, :, [i * 3 // 5 for i in range(5)]][..., [i * 6 // out for i in range(out)]]
    np.testing.assert_array_equal(F.interpolate(image, (5, out)), shown)


@pytest.mark.parametrize("factor", [0.5, 0.4, 1.5, 2, 2.5, 3.0])
def test_interpolation_by_a_factor(factor: float) -> None:
    x = RNG.normal(size=(2, 1, 7))
    wanted = x[..., [min(int(i / factor), 6) for i in range(math.floor(7 * factor))]]
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=factor), wanted)


@pytest.mark.parametrize(("mode", "by_numpy"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
@pytest.mark.parametrize("padding", ["same", "valid", (1, 2)])
def test_padding_modes_of_convolutions(mode: str, by_numpy: Any, padding: Any) -> None:
    layer = nn.Conv2d(2, 3, (4, 3), padding=padding, dilation=(1, 2), padding_mode=mode)
    x = RNG.normal(size=(2, 2, 5, 6))
    frame = (
        {"same": [(1, 2), (2, 2)], "valid": [(0, 0)] * 2}.get(padding) if isinstance(padding, str) else [(1, 1), (2, 2)]
    )
    assert frame is not None
    padded = np.pad(x, [(0, 0), (0, 0), *frame], by_numpy)
    wanted = F.conv2d(padded, layer.weight, layer.bias, dilation=(1, 2))
    np.testing.assert_allclose(layer(x).numpy(), wanted.numpy())
    np.testing.assert_allclose(layer(x[0]).numpy(), wanted.numpy()[0])


def test_transposed_convolutions_of_a_chosen_size() -> None:
    layer = nn.ConvTranspose2d(1, 1, (3, 2), stride=(3, 2), padding=(1, 0), dilation=(2, 3))
    x = RNG.normal(size=(1, 1, 3, 4))
    least = layer(x).shape[-2:]
    assert least == ((3 - 1) * 3 - 2 + 2 * 2 + 1, (4 - 1) * 2 + 3 * 1 + 1)
    assert layer(x, output_size=(least[0] + 2, least[1] + 1)).shape[-2:] == (least[0] + 2, least[1] + 1)
    with pytest.raises(nn.ShapeError):
        layer(x, output_size=(least[0] + 3, least[1]))


def test_embedding_shortens_to_the_norm_and_leaves_the_rest() -> None:
    table = ag.Tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], requires_grad=True)
    found = F.embedding([0, 1], table, max_norm=1.0)
    np.testing.assert_allclose(found.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-7)
    assert np.linalg.norm(table.numpy()[0]) == pytest.approx(5 / (5 + 1e-7), rel=1e-12)
    np.testing.assert_array_equal(table.numpy()[2], [6.0, 8.0])
    F.embedding([2], table, max_norm=2.0, norm_type=1.0)
    np.testing.assert_allclose(np.abs(table.numpy()[2]).sum(), 2.0, rtol=1e-7)


# What happens at the edges, and what errors say.


def test_attention_drops_nothing_outside_of_training() -> None:
    layer = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True).eval()
    x = RNG.normal(size=(2, 3, 4))
    output, weights = layer(x, x, x)
    np.testing.assert_allclose(weights.numpy().sum(-1), 1.0)
    layer.dropout = 0.0
    np.testing.assert_array_equal(layer.train()(x, x, x)[0].numpy(), output.numpy())


def test_masks_of_every_head_leave_added_keys_in_sight() -> None:
    layer = nn.MultiheadAttention(4, 2, add_zero_attn=True, batch_first=True)
    x, mask = RNG.normal(size=(3, 2, 4)), np.ones((6, 2, 2), dtype=bool)
    weights = layer(x, x, x, attn_mask=mask)[1].numpy()
    np.testing.assert_array_equal(weights, np.broadcast_to([0.0, 0.0, 1.0], (3, 2, 3)))
    padding = np.array([[False, True], [True, False], [False, False]])
    weights = layer(x, x, x, key_padding_mask=padding)[1].numpy()
    np.testing.assert_array_equal(
        weights == 0, np.concatenate([padding, np.zeros((3, 1), bool)], 1)[:, None].repeat(2, 1)
    )


@pytest.mark.parametrize("cls", [nn.RNN, nn.LSTM, nn.GRU])
def test_initial_weights_spread_evenly_around_zero(cls: Any) -> None:
    weights = np.concatenate([p.numpy().ravel() for p in cls(16, 25).parameters()])
    assert abs(weights.mean()) < 0.02
    np.testing.assert_allclose([weights.min(), weights.max()], [-0.2, 0.2], rtol=0.02)


@pytest.mark.parametrize("layer", [nn.MaxPool2d(5, padding=3), nn.AvgPool2d(5, padding=3)], ids=str)
def test_an_image_that_is_large_enough_is_not_to_blame(layer: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"padding \(3, 3\) must be at most half the kernel's size"):
        layer(np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3), (4, 5, 2, 3)])
def test_an_input_of_the_right_shape_is_not_to_blame(shape: tuple[int, ...]) -> None:
    layer = nn.LayerNorm((2, 3))
    assert layer.weight is not None
    layer.weight._data = np.ones((7, 3))
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        layer(np.zeros(shape))
    assert not isinstance(caught.value, nn.ShapeError)


def test_a_kernel_is_as_wide_as_its_dilation_makes_it() -> None:
    layer = nn.Conv2d(1, 1, (3, 2), dilation=(2, 1))
    assert layer(np.zeros((1, 1, 5, 2))).shape == (1, 1, 1, 1)
    for image in [(4, 2), (5, 1)]:
        with pytest.raises(nn.ShapeError, match=r"at least \(5, 2\) for its kernel of \(3, 2\), got \(\d, \d\)"):
            layer(np.zeros((1, 1, *image)))
        with pytest.raises(nn.ShapeError, match=r"at least \(5, 2\)"):
            layer(np.zeros((1, *image)))


def test_masks_of_the_wrong_shape_are_told_apart() -> None:
    layer, x = nn.MultiheadAttention(4, 2), np.zeros((3, 1, 4))
    with pytest.raises(nn.ShapeError, match="an entry for each key of each sequence"):
        layer(x, x, x, key_padding_mask=np.zeros(2))
    with pytest.raises(nn.ShapeError, match="an entry for each query"):
        layer(x, x, x, attn_mask=np.zeros((2, 2)))


def test_dropping_channels_keeps_the_shape() -> None:
    for shape in [(2, 3, 4), (2, 3, 4, 5)]:
        assert F.dropout2d(np.ones(shape)).shape == shape


_DERIVED: dict[str, tuple[Any, list[Any]]] = {
    "relu": (F.relu, [X]),
    "hardtanh": (F.hardtanh, [X / 4]),
    "huber": (lambda x, y: F.huber_loss(x, y, "sum"), [X, X + np.linspace(-2, 0.5, 20).reshape(5, 4)]),
    "average pooling": (lambda x: F.avg_pool2d(x, 2, 1), [X[None]]),
    "convolution": (lambda x, w: F.conv2d(x, w, padding=1), [X[None, None], Y[None, None, :2, :2]]),
}


@pytest.mark.parametrize("name", _DERIVED)
def test_derivatives_to_the_last_digit(name: str) -> None:
    f, inputs = _DERIVED[name]
    ag.gradcheck(f, *inputs, order=2, raise_on_fail=True)
