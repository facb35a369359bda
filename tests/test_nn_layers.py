"""Convolution, pooling, normalisation, embedding and reshaping layers: gradients, behaviour, and what errors say."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, gradcheck, graph, manual_seed
from nn import functional_layers, pooling, reshape
from nn.embedding import embedding

RNG = np.random.default_rng(7)


def reseed() -> None:
    """Make the numbers and the initial weights of a test the same however many tests ran before it."""
    RNG.bit_generator.state = np.random.default_rng(7).bit_generator.state
    manual_seed(7)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    reseed()


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@contextmanager
def standing_in(layer: nn.Module, parameters: Any) -> Iterator[None]:
    """Let nodes or arrays stand in for the parameters of a layer, in the order of ``named_parameters``."""
    kept = dict(layer.named_parameters())
    try:
        for path, x in zip(kept, parameters, strict=True):
            owner, _, name = path.rpartition(".")
            layer.get_submodule(owner).__dict__[name] = x
        yield
    finally:
        for path, p in kept.items():
            owner, _, name = path.rpartition(".")
            layer.get_submodule(owner).__dict__[name] = p


def check_gradients(layer: nn.Module, *inputs: Any, order: int = 1, max_entries: int = 6, **options: Any) -> None:
    """Compare the gradients of a layer with numeric ones, by its inputs and by every parameter."""
    count = len(inputs)
    values = [p.numpy().copy() + 0.1 * normal(*p.shape) for p in layer.parameters()]

    def function(*active: Any) -> Any:
        with standing_in(layer, active[count:]):
            return layer(*active[:count], **options)

    rtol = 1e-9 if order == 1 else 1e-7  # second derivatives are extrapolated from first ones
    report = gradcheck(function, *inputs, *values, order=order, max_entries=max_entries, rtol=rtol)
    assert report.ok, f"{layer!r}\n{report}"


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 6)),
    "Conv1d circular": (lambda: nn.Conv1d(2, 3, 3, padding="same", padding_mode="circular"), (2, 2, 5)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0), dilation=(1, 2)), (2, 2, 4, 5)),
    "Conv2d reflect": (lambda: nn.Conv2d(1, 2, 3, padding=2, padding_mode="reflect", bias=False), (2, 1, 3, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), (1, 4, 3, 2)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 2, 5, 3)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (1, 2, 4, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, None)), (2, 1, 5, 3)),
    "AdaptiveAvgPool2d(1)": (lambda: nn.AdaptiveAvgPool2d(1), (2, 2, 3, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2, track_running_stats=False), (2, 2, 2, 3)),
    "BatchNorm2d eval": (lambda: nn.BatchNorm2d(2).eval(), (2, 2, 2, 3)),
    "LayerNorm": (lambda: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(3), (4, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, -1)), (3, 6)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), (1, 2, 2, 3)),
    "Upsample shrinking": (lambda: nn.Upsample(size=(2, 5)), (1, 2, 3, 3)),
    "Dropout2d eval": (lambda: nn.Dropout2d().eval(), (2, 2, 2, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name: str) -> None:
    make, shape = LAYERS[name]
    check_gradients(make(), normal(*shape))


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d", "LayerNorm", "GroupNorm", "RMSNorm", "AvgPool2d"])
def test_second_gradients(name: str) -> None:
    make, shape = LAYERS[name]
    check_gradients(make(), normal(*shape), order=2, max_entries=0)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_and_arrays_may_be_lists(name: str) -> None:
    make, shape = LAYERS[name]
    layer, x = make().to("float32"), normal(*shape).astype(np.float32)
    leaf = Tensor(x, requires_grad=True)
    y = layer(leaf)
    (y * y).sum().backward()
    assert y.dtype == leaf.grad.dtype == np.float32
    assert all(p.grad.dtype == np.float32 for p in layer.parameters())
    layer.to("float64")
    np.testing.assert_array_equal(_plain(layer(x.tolist())), _plain(layer(x.astype(np.float64))))


def _plain(y: Any) -> Any:
    return y.numpy() if isinstance(y, Tensor) else y


@pytest.mark.parametrize("name", LAYERS)
def test_layers_copy_pickle_and_reload(name: str) -> None:
    make, shape = LAYERS[name]
    x, layer, other = normal(*shape), make(), make()
    other.load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other):
        assert repr(twin) == repr(layer)
        np.testing.assert_array_equal(_plain(twin(x)), _plain(layer(x)))


SHAPE_ERRORS = [
    (nn.Conv1d(3, 4, 2), (8, 4, 9), "shape (N, 3, length), N optional, got (8, 4, 9).\nMake it Conv1d(4, 4, ...)"),
    (nn.Conv2d(3, 4, 2), (8, 9, 9, 3), "channels are along the last axis: pass np.transpose(x, (0, 3, 1, 2))"),
    (nn.Conv2d(3, 4, 2), (9, 9, 3), "np.transpose(x, (2, 0, 1))"),
    (nn.Conv2d(1, 4, 2), (28, 28), "Add the axis of the channel: x[None]."),
    (nn.Conv2d(1, 4, 2), (60, 28, 28), "Add the axis of the channel: x[:, None]."),
    (nn.Conv2d(3, 4, 2), (60,), "Reshape it to 4 axes, samples and channels first."),
    (nn.Conv2d(1, 4, 5, padding=1), (1, 1, 9, 2), "an image of at least (3, 3) for its kernel of (5, 5), got (9, 2)"),
    (nn.Conv2d(1, 4, 9, padding_mode="reflect"), (1, 1, 8, 9), "an image of at least (9, 9)"),
    (nn.ConvTranspose2d(3, 4, 2), (8, 5, 9, 9), "Make it ConvTranspose2d(5, 4, ...), or give the layer before it 3 ch"),
    (nn.MaxPool2d(2), (8, 8), "Add the axis of channels: x[None]."),
    (nn.MaxPool2d(4), (1, 3, 8), "an image of at least (4, 4), got (3, 8)"),
    (nn.AvgPool2d(4), (3, 8, 2), "Pool less before it"),
    (nn.AdaptiveAvgPool2d(4), (3,), "(N, C, height, width), N optional, got (3,)"),
    (nn.BatchNorm2d(3), (8, 3), "an input of shape (N, 3, height, width), got (8, 3)"),
    (nn.BatchNorm2d(3), (8, 4, 2, 2), "Make it BatchNorm2d(4)"),
    (nn.LayerNorm(3), (8, 4), "an input of shape (..., 3), got (8, 4).\nMake it LayerNorm(4)"),
    (nn.LayerNorm((2, 3)), (8, 3, 2), "Make it LayerNorm((3, 2))"),
    (nn.LayerNorm(3), (8, 3, 4), "move the axis of 3 there, or take nn.GroupNorm"),
    (nn.RMSNorm(3), (), "an input of shape (..., 3), got ()"),
    (nn.GroupNorm(2, 4), (8, 6), "Make it GroupNorm(2, 6)"),
    (nn.GroupNorm(2, 4), (8,), "channels along the second"),
    (nn.Unflatten(1, (2, 3)), (8, 5), "a size of 6 along axis 1, got an input of shape (8, 5)"),
    (nn.Unflatten(1, (2, -1)), (8, 5), "a multiple of 2 along axis 1"),
    (nn.Unflatten(3, (2, -1)), (8, 5), "along axis 3"),
    (nn.Upsample(size=3), (8, 5), "3 to 5 axes, got (8, 5)"),
    (nn.Dropout2d(), (8, 5), "Use nn.Dropout"),
]


@pytest.mark.parametrize(("layer", "shape", "text"), SHAPE_ERRORS)
def test_wrong_shapes_are_explained(layer: nn.Module, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(nn.ShapeError) as caught:
        layer(np.zeros(shape))
    assert text in str(caught.value)
    assert str(caught.value).startswith(type(layer).__name__)
    with pytest.raises(nn.ShapeError, match=r"the layer '1' of Sequential"):
        nn.Sequential(nn.Identity(), layer)(np.zeros(shape))


BAD_SETTINGS = [
    (lambda: nn.Conv2d(3, 4, 2, groups=2), "must be multiples of groups=2"),
    (lambda: nn.Conv2d(3, 4, (2, 2, 2)), "an int or 2 ints"),
    (lambda: nn.Conv2d(3, 4, 2, padding_mode="mirror"), "'zeros', 'reflect', 'replicate', 'circular', got 'mirror'"),
    (lambda: nn.Conv2d(3, 4, 2, padding="some")(np.zeros((1, 3, 4, 4))), "'same', 'valid' or numbers"),
    (lambda: nn.Conv2d(3, 4, 2, padding="same", stride=2)(np.zeros((1, 3, 4, 4))), "needs stride 1"),
    (lambda: nn.ConvTranspose2d(3, 4, 2, padding_mode="reflect"), "padding_mode must be 'zeros'"),
    (lambda: nn.ConvTranspose2d(3, 4, 2, padding="same"), "padding must be numbers"),  # type: ignore[arg-type]
    (lambda: nn.ConvTranspose2d(3, 4, 2)(np.zeros((1, 3, 4, 4)), (9, 9)), "an output_size between (5, 5) and (5, 5)"),
    (lambda: nn.AvgPool2d(2, divisor_override=0)(np.zeros((1, 4, 4))), "divisor must be not zero"),
    (lambda: nn.GroupNorm(2, 3), "num_channels=3 must be a multiple of num_groups=2"),
    (lambda: nn.Upsample(), "either size or scale_factor"),
    (lambda: nn.Upsample(2, mode="bilinear"), "mode 'nearest', not 'bilinear'"),
    (lambda: reshape.interpolate(np.zeros((1, 1, 2)), 2, 2), "either size or scale_factor"),
    (lambda: reshape.interpolate(np.zeros((1, 1, 2)), (2, 2)), "expected one number, or 1"),
    (lambda: reshape.interpolate(np.zeros((1, 1, 2)), 2, mode="area"), "not 'area'"),
    (lambda: reshape.interpolate(np.zeros(2), 2), "1 to 3 more axes"),
    (lambda: reshape.unflatten(np.zeros((4, 6)), 1, (-1, -1)), "do not multiply to 6"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx must be within num_embeddings=3, got 3"),
    (lambda: nn.Dropout2d(1.5), "between 0 and 1, but got 1.5"),
    (lambda: functional_layers.dropout2d(np.zeros((1, 2, 2)), p=-1), "between 0 and 1, but got -1"),
    (lambda: functional_layers.dropout2d(np.zeros(2)), "height, width"),
    (lambda: functional_layers.group_norm(np.zeros((2, 3)), 2), "C a multiple of 2"),
    (lambda: functional_layers.layer_norm(np.zeros((2, 3)), 2), "last axes are (2,), got shape (2, 3)"),
]


@pytest.mark.parametrize(("call", "text"), BAD_SETTINGS)
def test_wrong_settings_are_refused(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        call()
    assert text in str(caught.value)


def test_a_convolution_finds_an_edge() -> None:
    layer = nn.Conv2d(1, 1, (1, 2), bias=False)
    nn.init.constant_(layer.weight, 1.0)
    layer.weight.data = [[[[-1.0, 1.0]]]]
    np.testing.assert_array_equal(layer([[[0.0, 0.0, 5.0, 5.0]]]).numpy(), [[[0.0, 5.0, 0.0]]])


def test_transposed_convolution_is_the_transpose() -> None:
    down, up = nn.Conv2d(2, 3, 3, 2, 1, bias=False), nn.ConvTranspose2d(3, 2, 3, 2, 1, bias=False)
    up.weight.data = down.weight.data
    x, y = normal(1, 2, 5, 7), normal(1, 3, 3, 4)
    assert np.vdot(down(x).numpy(), y) == pytest.approx(np.vdot(x, up(y).numpy()), rel=1e-12)


def test_output_size_chooses_the_output_padding() -> None:
    up = nn.ConvTranspose2d(1, 1, 3, 2, 1)
    assert up(np.zeros((1, 1, 4, 4))).shape == (1, 1, 7, 7)
    assert up(np.zeros((1, 1, 4, 4)), output_size=(8, 7)).shape == (1, 1, 8, 7)
    assert up(np.zeros((1, 1, 4, 4)), output_size=(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_initial_values_are_bounded_and_seeded() -> None:
    for make in (
        lambda g: nn.Conv2d(4, 50, 5, generator=g),
        lambda g: nn.Conv1d(100, 50, 1, generator=g),
        lambda g: nn.ConvTranspose2d(50, 4, 5, generator=g),
    ):
        layer = make(np.random.default_rng(0))
        bound = 0.1
        assert 0.99 * bound < np.abs(layer.weight.numpy()).max() <= bound
        assert np.abs(layer.bias.numpy()).max() <= bound
        np.testing.assert_array_equal(layer.weight.numpy(), make(np.random.default_rng(0)).weight.numpy())
    manual_seed(3)
    first = nn.Conv2d(1, 1, 3).weight.numpy()
    manual_seed(3)
    np.testing.assert_array_equal(first, nn.Conv2d(1, 1, 3).weight.numpy())


def test_max_pool_shares_ties_and_ignores_padding() -> None:
    x = Tensor(-np.ones((1, 1, 2, 2)), requires_grad=True)
    y = nn.MaxPool2d(2)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.full((1, 1, 2, 2), 0.25))
    np.testing.assert_array_equal(nn.MaxPool2d(3, 1, 1)(x).numpy(), -np.ones((1, 1, 2, 2)))


def test_max_pool_indices_point_at_the_first_maximum() -> None:
    x = np.array([[[1.0, 5.0, 5.0, 0.0], [2.0, 0.0, 0.0, 7.0]]])
    y, places = nn.MaxPool2d(2, return_indices=True)(x)
    np.testing.assert_array_equal(y, [[[5.0, 7.0]]])
    np.testing.assert_array_equal(places, [[[1, 7]]])
    np.testing.assert_array_equal(x.reshape(-1)[places], y)


def test_average_pooling_counts_what_it_should() -> None:
    x = np.ones((1, 1, 3, 3))
    np.testing.assert_allclose(nn.AvgPool2d(2, 2, 1)(x)[0, 0], [[0.25, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(nn.AvgPool2d(2, 2, 1, count_include_pad=False)(x)[0, 0], np.ones((2, 2)))
    np.testing.assert_allclose(nn.AvgPool2d(2, ceil_mode=True)(x)[0, 0], np.ones((2, 2)))
    np.testing.assert_allclose(nn.AvgPool2d(3, divisor_override=3)(x)[0, 0], [[3.0]])


def test_adaptive_pooling_of_every_size_keeps_the_mean_of_ones() -> None:
    for size in (1, 2, 3, 5, 8):
        np.testing.assert_allclose(pooling.adaptive_avg_pool2d(np.ones((2, 5, 4)), size), np.ones((2, size, size)))


def test_layer_and_group_normalisation_agree() -> None:
    x = normal(4, 6, 3)
    whole = nn.LayerNorm((6, 3), elementwise_affine=False)(x)
    np.testing.assert_allclose(nn.GroupNorm(1, 6, affine=False)(x), whole, atol=1e-12)
    np.testing.assert_allclose(whole.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(whole.var(axis=(1, 2)), 1, atol=1e-4)
    assert nn.LayerNorm(6, bias=False).bias is None
    assert nn.GroupNorm(2, 6, bias=False).bias is None


def test_normalisation_of_constants_is_finite() -> None:
    for layer in (nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.RMSNorm(3)):
        x = Tensor(np.zeros((2, 3)), requires_grad=True)
        y = layer(x)
        y.sum().backward()
        assert np.all(np.isfinite(y.numpy()))
        assert np.all(np.isfinite(x.grad))


def test_batch_norm2d_follows_unbiased_statistics() -> None:
    layer = nn.BatchNorm2d(1)
    layer([[[[0.0, 2.0]]]])
    assert layer.running_mean.numpy() == pytest.approx([0.1])
    assert layer.running_var.numpy() == pytest.approx([1.1])
    assert int(layer.num_batches_tracked.numpy()) == 1


def test_dropout2d_drops_whole_channels_and_keeps_the_mean() -> None:
    layer = nn.Dropout2d(0.25, generator=np.random.default_rng(0))
    y = layer(np.ones((200, 30, 2, 2)))
    np.testing.assert_array_equal(y, y[..., :1, :1] + np.zeros((2, 2)))
    flat = layer(np.ones((4, 30, 5)))
    np.testing.assert_array_equal(flat, flat[..., :1] + np.zeros(5))
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert np.mean(y) == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(nn.Dropout2d(1.0)(np.ones((3, 2, 2))), 0)
    x = np.ones((3, 2, 2))
    assert nn.Dropout2d(0.0)(x) is x
    assert layer.eval()(x) is x


def test_embedding_gradients() -> None:
    report = gradcheck(lambda w: embedding([[0, 1, 1], [3, 3, 3]], w), normal(4, 3), order=2)
    assert report.ok, report
    for settings in ({}, {"padding_idx": 1}, {"padding_idx": -1}):
        layer, numbers = nn.Embedding(4, 3, **settings), np.array([[0, 1, 1], [3, 3, 3]])
        layer(numbers).sum().backward()
        counts = np.array([1.0, 2.0, 0.0, 3.0])
        if settings:
            counts[settings["padding_idx"]] = 0
        np.testing.assert_array_equal(layer.weight.grad, counts[:, None] + np.zeros(3))


def test_embedding_options() -> None:
    layer = nn.Embedding(4, 3, padding_idx=-1, scale_grad_by_freq=True)
    np.testing.assert_array_equal(layer.weight.numpy()[3], 0)
    numbers = [0, 1, 1, 3]
    np.testing.assert_array_equal(layer(numbers).numpy(), layer.weight.numpy()[numbers])
    layer(numbers).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, np.array([1.0, 1.0, 0.0, 0.0])[:, None] + np.zeros(3))
    short = nn.Embedding(4, 3, max_norm=0.5)
    before = short.weight.numpy().copy()
    assert np.all(np.linalg.norm(short([0, 2]).numpy(), axis=1) < 0.5 + 1e-6)
    np.testing.assert_array_equal(short.weight.numpy()[[1, 3]], before[[1, 3]])
    frozen = nn.Embedding.from_pretrained(np.arange(6.0).reshape(3, 2))
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(frozen([2]), np.array([[4.0, 5.0]]))
    assert nn.Embedding.from_pretrained([[1, 2]], freeze=False).weight.requires_grad
    assert nn.Embedding(5, 2)([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.Embedding(3, 2)([0, 3]), IndexError, r"number 3 is out of range for a table of 3 rows \(0 to 2\)"),
        (lambda: nn.Embedding(3, 2)([-1, 2]), IndexError, r"number -1 is out of range"),
        (lambda: nn.Embedding(3, 2)([0.5]), TypeError, r"looks up integers, got dtype float64; write x.astype\(int\)"),
        (lambda: embedding([0], np.ones((1, 2)), max_norm=1.0), TypeError, r"a Tensor and a leaf"),
        (
            lambda: nn.Embedding.from_pretrained([1.0]),
            nn.ShapeError,
            r"vectors of shape \(number, length\), got \(1,\)",
        ),
    ],
)
def test_embedding_refuses(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_small_convolutional_network_learns() -> None:
    manual_seed(0)
    images = np.zeros((16, 1, 6, 6))
    labels = np.arange(16) % 2
    for image, label, place in zip(images, labels, np.arange(16) % 6, strict=True):
        image[0, place if label else slice(None), slice(None) if label else place] = 1  # a row or a column
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    )  # fmt: skip
    optimizer, loss_of = nn.optim.Adam(model.parameters(), 0.02), nn.CrossEntropyLoss()
    for _ in range(30):
        optimizer.zero_grad()
        loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
    assert np.all(model.eval()(images).numpy().argmax(1) == labels)


def test_whole_numbers_are_normalised_and_dropped_as_floats() -> None:
    whole = np.arange(12).reshape(2, 3, 2)
    makers: tuple[Any, ...] = (
        lambda rng: nn.RMSNorm(2),
        lambda rng: nn.Dropout(generator=rng),
        lambda rng: nn.Dropout2d(generator=rng),
    )
    for make in makers:
        ours, expected = (make(np.random.default_rng(0))(x) for x in (whole, whole.astype(np.float64)))
        np.testing.assert_array_equal(graph.data_of(ours), graph.data_of(expected))


def test_flatten_says_which_axes_it_misses() -> None:
    with pytest.raises(
        nn.ShapeError, match=r"Flatten\(start_dim=1, end_dim=-1\) expected axes from 1 to -1, got \(3,\)"
    ):
        nn.Flatten()(np.ones(3))
    with pytest.raises(IndexError, match=r"shape \(3, 2\) has no axes from 0 to 2"):
        nn.functional.flatten(np.ones((3, 2)), 0, 2)
