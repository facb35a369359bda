"""Layers, losses, optimisers and initial values beside PyTorch's; skipped where it is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    ag.manual_seed(0)
    torch.manual_seed(0)
    rng.bit_generator.state = np.random.default_rng(0).bit_generator.state


def theirs(array: Any, requires_grad: bool = False) -> Any:
    return torch.tensor(np.asarray(array), requires_grad=requires_grad)


def assert_same(ours: Any, torch_tensor: Any, rtol: float = 1e-10) -> None:
    array = ours.numpy() if isinstance(ours, ag.Tensor) else np.asarray(ours)
    np.testing.assert_allclose(array, torch_tensor.detach().numpy(), rtol=rtol, atol=1e-12)


ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("CELU", {}), ("CELU", {"alpha": 0.5}), ("ELU", {}), ("ELU", {"alpha": 0.7}), ("GELU", {}),
    ("GELU", {"approximate": "tanh"}), ("Hardtanh", {}), ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.2}), ("LogSigmoid", {}), ("LogSoftmax", {"dim": 1}),
    ("LogSoftmax", {"dim": 0}), ("Mish", {}), ("ReLU", {}), ("SELU", {}), ("SiLU", {}), ("Sigmoid", {}),
    ("Softmax", {"dim": -1}), ("Softmax", {"dim": 0}), ("Softplus", {}), ("Softplus", {"beta": 2.0, "threshold": 3.0}),
    ("Softsign", {}), ("Tanh", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), ACTIVATIONS)
def test_activation(name: str, settings: dict[str, Any]) -> None:
    x = np.concatenate([rng.normal(size=(4, 5)) * 3, np.linspace(-40, 40, 10).reshape(2, 5)])
    upstream = rng.normal(size=x.shape)
    ours, reference = ag.Tensor(x, requires_grad=True), theirs(x, True)
    layer, torch_layer = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    y, z = layer(ours), torch_layer(reference)
    y.backward(upstream)
    z.backward(theirs(upstream))
    assert_same(y, z)
    assert_same(ours.grad, reference.grad)
    assert repr(layer) == repr(torch_layer)


def test_every_activation_is_compared() -> None:
    assert {name for name, _ in ACTIVATIONS} == set(nn.activation.__all__)


def pair(ours: nn.Module, reference: Any) -> Any:
    """Give PyTorch's layer our weights: keys, shapes and layouts must agree."""
    reference = reference.double()
    reference.load_state_dict({key: theirs(x) for key, x in ours.state_dict().items()}, strict=True)
    return reference


def compare(ours: nn.Module, reference: Any, x: Any) -> None:
    a, b = ag.Tensor(x, requires_grad=True), theirs(x, True)
    y, z = ours(a), reference(b)
    upstream = rng.normal(size=y.shape)
    y.backward(upstream)
    z.backward(theirs(upstream))
    assert_same(y, z, 1e-9)
    assert_same(a.grad, b.grad, 1e-8)
    for (key, p), (their_key, q) in zip(ours.named_parameters(), reference.named_parameters(), strict=True):
        assert key == their_key
        assert_same(p.grad, q.grad, 1e-8)
    for key, array in reference.state_dict().items():
        assert_same(ours.state_dict()[key], array)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(3, 4, bias=bias)
    compare(layer, pair(layer, torch.nn.Linear(3, 4, bias=bias)), rng.normal(size=shape))


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": None},
        {"momentum": 0.3, "eps": 1e-2},
        {"affine": False},
        {"track_running_stats": False},
        {"bias": False},
    ],
)
def test_batch_norm(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    layer = nn.BatchNorm1d(3, **settings)
    if layer.weight is not None:
        nn.init.uniform_(layer.weight, 0.5, 2.0)
    reference = pair(layer, torch.nn.BatchNorm1d(3, **settings))
    for _ in range(3):
        layer.zero_grad()
        reference.zero_grad()
        compare(layer, reference, 2 + 3 * rng.normal(size=shape))
    layer.eval()
    reference.eval()
    x = rng.normal(size=shape)
    assert_same(layer(ag.Tensor(x)), reference(theirs(x)))


def test_flatten_and_identity() -> None:
    x = rng.normal(size=(2, 3, 4, 5))
    for arguments in [(), (0,), (2, 3), (1, -2)]:
        assert_same(nn.Flatten(*arguments)(ag.Tensor(x)), torch.nn.Flatten(*arguments)(theirs(x)))
    assert nn.Identity(3, key=4)(x) is x


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "NLLLoss", "CrossEntropyLoss"])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss(name: str, reduction: str, weighted: bool) -> None:
    if weighted and name in ("MSELoss", "L1Loss"):
        pytest.skip("takes no weight")
    classes = name in ("NLLLoss", "CrossEntropyLoss")
    x = rng.uniform(0.05, 0.95, (6, 3)) if name == "BCELoss" else rng.normal(size=(6, 3))
    target: Any = rng.integers(0, 3, 6) if classes else rng.uniform(size=(6, 3))
    settings: dict[str, Any] = {"weight": rng.uniform(0.5, 2, 3)} if weighted else {}
    if weighted and name == "BCEWithLogitsLoss":
        settings["pos_weight"] = rng.uniform(0.5, 2, 3)
    if classes:
        settings["ignore_index"] = int(target[0])
    if name == "CrossEntropyLoss":
        settings["label_smoothing"] = 0.1
    theirs_settings = {k: theirs(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    a, b = ag.Tensor(x, requires_grad=True), theirs(x, True)
    y = getattr(nn, name)(reduction=reduction, **settings)(a, ag.Tensor(target))
    z = getattr(torch.nn, name)(reduction=reduction, **theirs_settings)(b, theirs(target))
    upstream = rng.normal(size=y.shape)
    y.backward(upstream)
    z.backward(theirs(upstream))
    assert_same(y, z)
    assert_same(a.grad, b.grad)


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]


def train_both(name: str, settings: dict[str, Any], steps: int, partial: bool = False) -> tuple[Any, ...]:
    x, t = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    ours = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    reference = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    pair(ours, reference)
    mine, other = (
        getattr(nn.optim, name)(ours.parameters(), **settings),
        getattr(torch.optim, name)(reference.parameters(), **settings),
    )
    for step in range(steps):
        mine.zero_grad()
        other.zero_grad()
        ag.tanh(ag.mean(ag.square(ours(x) - t))).backward()
        ((reference(theirs(x)) - theirs(t)) ** 2).mean().tanh().backward()
        if partial and step % 3 == 0:
            ours[0].weight.grad = ours[2].bias.grad = None
            reference[0].weight.grad = reference[2].bias.grad = None
        mine.step()
        other.step()
    return ours, reference, mine, other


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_over_100_steps(name: str, settings: dict[str, Any], partial: bool) -> None:
    ours, reference, mine, other = train_both(name, settings, 100, partial)
    for key, array in reference.state_dict().items():
        assert_same(ours.state_dict()[key], array)
    a, b = mine.state_dict(), other.state_dict()
    assert a["state"].keys() == b["state"].keys()
    for i, own in b["state"].items():
        assert a["state"][i].keys() == {k for k, v in own.items() if v is not None}
        for key, value in a["state"][i].items():
            assert_same(value, own[key])
    assert [group["params"] for group in a["param_groups"]] == [group["params"] for group in b["param_groups"]]
    assert all(b["param_groups"][0][k] == v for k, v in a["param_groups"][0].items())


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_state_moves_both_ways(name: str, settings: dict[str, Any]) -> None:
    ours, reference, mine, other = train_both(name, settings, 3)
    resumed = getattr(nn.optim, name)(ours.parameters(), lr=1.0)
    resumed.load_state_dict(other.state_dict())
    state = mine.state_dict()
    state["state"] = {i: {k: theirs(x) for k, x in own.items()} for i, own in state["state"].items()}
    other.load_state_dict(state)
    for p, q in zip(ours.parameters(), reference.parameters(), strict=True):
        p.grad = rng.normal(size=p.shape)
        q.grad = theirs(p.grad)
    resumed.step()
    other.step()
    for key, array in reference.state_dict().items():
        assert_same(ours.state_dict()[key], array)


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_on_values(name: str, settings: dict[str, Any]) -> None:
    start = rng.normal(size=5)
    values = [ag.Value(x) for x in start]
    reference = theirs(start, True)
    mine = getattr(nn.optim, name)(values, **settings)
    other = getattr(torch.optim, name)([reference], **settings)
    for _ in range(100):
        mine.zero_grad()
        other.zero_grad()
        total = sum((v * v * (i + 1) for i, v in enumerate(values)), ag.Value(0.0)).tanh()
        total.backward()
        (reference**2 * torch.arange(1, 6)).sum().tanh().backward()
        mine.step()
        other.step()
    assert_same([v.data for v in values], reference)
    assert all(type(v.data) is float for v in values)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("uniform_", {"a": -2.0, "b": 3.0}), ("normal_", {"mean": 1.0, "std": 2.0}), ("constant_", {"val": 0.3}),
        ("zeros_", {}), ("ones_", {}), ("eye_", {}), ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}),
        ("kaiming_uniform_", {"a": 5**0.5}), ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("orthogonal_", {"gain": 1.5}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(200, 50), (30, 120), (20, 8, 3, 3)])
def test_init_has_the_same_distribution(name: str, settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    if name == "eye_" and len(shape) > 2:
        pytest.skip("for matrices")
    ours, reference = nn.Parameter(np.zeros(shape)), torch.zeros(shape, dtype=torch.float64)
    assert getattr(nn.init, name)(ours, **settings) is ours
    getattr(torch.nn.init, name)(reference, **settings)
    a, b = ours.numpy(), reference.numpy()
    if "uniform" in name:
        assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.02
    assert abs(a.std() - b.std()) < 0.1 * b.std() + 1e-12
    assert abs(a.mean() - b.mean()) < 0.15 * b.std() + 1e-12
    if name == "orthogonal_":
        flat, other = a.reshape(shape[0], -1), b.reshape(shape[0], -1)
        np.testing.assert_allclose(np.linalg.svd(flat)[1], np.linalg.svd(other)[1], rtol=1e-9)
    if name in ("constant_", "zeros_", "ones_", "eye_"):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("nonlinearity", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(nonlinearity: str) -> None:
    assert nn.init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)
    assert nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_default_init_has_the_same_bounds() -> None:
    ours, reference = nn.Linear(100, 200), torch.nn.Linear(100, 200)
    for p, q in ((ours.weight, reference.weight), (ours.bias, reference.bias)):
        assert p is not None
        assert 0.098 < np.abs(p.numpy()).max() <= 0.1
        assert 0.098 < q.abs().max().item() <= 0.1


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"lr": -1.0}), ("SGD", {"momentum": -1.0}), ("SGD", {"weight_decay": -1.0}),
        ("SGD", {"nesterov": True}), ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("Adam", {"lr": -1.0}), ("Adam", {"eps": -1.0}), ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": (0.9, -0.1)}), ("Adam", {"weight_decay": -1.0}),
    ],
)  # fmt: skip
def test_error_texts(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w") as reference:
        getattr(torch.optim, name)([theirs([1.0], True)], **settings)
    with pytest.raises(ValueError, match=r"\w") as ours:
        getattr(nn.optim, name)([nn.Parameter([1.0])], **settings)
    assert str(ours.value) == str(reference.value)


def test_state_dict_of_a_model_moves_both_ways() -> None:
    ours = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    layers = torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.Linear(3, 2)
    reference = torch.nn.Sequential(*layers).double()
    reference(torch.randn(8, 4, dtype=torch.float64))
    assert ours.load_state_dict(reference.state_dict()) == ([], [])
    assert list(ours.state_dict()) == list(reference.state_dict())
    x = rng.normal(size=(5, 4))
    assert_same(ours.eval()(x), reference.eval()(theirs(x)))
    pair(ours, reference)


def test_split_gives_the_same_sizes() -> None:
    data = list(range(11))
    for lengths in ([5, 6], [0.5, 0.5], [0.3, 0.3, 0.4]):
        reference = torch.utils.data.random_split(data, lengths)
        assert [len(part) for part in nn.random_split(data, lengths)] == [len(part) for part in reference]
