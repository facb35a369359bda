"""Module, containers and layers: what they hold, save, say and refuse."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn


class Net(nn.Module):
    scale: ag.Tensor

    def __init__(self) -> None:
        self.fc1 = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.fc2 = nn.Linear(4, 2, bias=False)
        self.register_buffer("scale", np.ones(2))
        self.register_buffer("scratch", np.zeros(1), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.fc2(ag.relu(self.norm(self.fc1(x)))) * self.scale


def test_what_a_module_holds() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "fc1.weight", "fc1.bias", "norm.weight", "norm.bias", "fc2.weight",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == [
        "scale", "scratch", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    ]  # fmt: skip
    assert [name for name, _ in net.named_modules(prefix="net")] == ["net", "net.fc1", "net.norm", "net.fc2"]
    assert [name for name, _ in net.named_parameters(prefix="p", recurse=False)] == []
    assert list(net.children()) == [net.fc1, net.norm, net.fc2]
    assert net.get_submodule("fc1") is net.fc1
    assert net.get_submodule("") is net
    assert net.get_parameter("fc2.weight") is net.fc2.weight
    assert "scratch" not in net.state_dict()
    assert list(net.state_dict(prefix="a.")) == ["a." + key for key in net.state_dict()]
    with pytest.raises(AttributeError, match=r"no 'fc3' \(did you mean 'fc"):
        net.get_submodule("fc3")


def test_a_subclass_need_not_call_super_init_and_still_nests() -> None:
    net = nn.Sequential(Net(), nn.ReLU())
    assert len(list(net.parameters())) == 5
    assert net([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]).shape == (2, 2)


def test_state_dict_holds_copies() -> None:
    net = Net()
    state = net.state_dict()
    state["fc1.weight"][:] = 7.0
    assert not (net.fc1.weight.numpy() == 7.0).any()
    assert net.state_dict(keep_vars=True)["fc1.weight"] is net.fc1.weight
    assert state["norm.num_batches_tracked"].dtype == np.int64


def test_load_state_dict_names_every_problem_and_loads_nothing() -> None:
    net = Net()
    before = net.state_dict()
    state = {key: x + 1 for key, x in before.items()}
    state["fc1.wieght"] = state.pop("fc1.weight")
    state["fc2.weight"] = state["fc2.weight"].T
    state["norm.bias"] = state["norm.bias"] * 1j
    with pytest.raises(nn.StateDictError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert "Missing key(s): 'fc1.weight'" in text
    assert "'fc1.wieght' (did you mean 'fc1.weight'?)" in text
    assert "Size mismatch for 'fc2.weight': the module has shape (2, 4), got (4, 2) (transposed?)" in text
    assert "Real numbers expected for 'norm.bias'" in text
    for key, x in net.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


def test_load_state_dict_that_is_not_strict() -> None:
    net = Net()
    missing, unexpected = net.load_state_dict({"fc1.bias": np.ones(4, np.float32), "other": 1.0}, strict=False)
    assert "fc1.weight" in missing
    assert unexpected == ["other"]
    assert (net.fc1.bias.numpy() == 1).all()  # type: ignore[union-attr]
    assert net.fc1.bias.dtype == np.float64  # type: ignore[union-attr]
    with pytest.raises(nn.StateDictError):
        net.load_state_dict({"fc1.bias": np.ones(5)}, strict=False)
    state = net.state_dict()
    del state["norm.num_batches_tracked"]
    assert net.load_state_dict(state) == ([], [])


def test_loading_makes_old_graphs_stale() -> None:
    layer = nn.Linear(2, 1)
    x = ag.Tensor([[1.0, 2.0]], requires_grad=True)
    y = ag.sum(layer(x))
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(ag.StaleError):
        y.backward()


def test_tied_parameters_count_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 1
    assert len(list(net.named_parameters(remove_duplicate=False))) == 2
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    assert repr(net).startswith("Sequential(  # 9 parameters")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin[0].weight is twin[1].weight
        assert twin[0].weight is not net[0].weight


def test_a_shared_module_appears_once() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    assert len(net) == 3
    assert len(list(net.modules())) == 3
    assert net([1.0, 2.0]).shape == (2,)


def test_copies_are_independent_and_alike() -> None:
    net = Net()
    x = np.random.default_rng(0).normal(size=(5, 3))
    net(x)
    net.eval()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert not twin.training
        assert all(isinstance(p, nn.Parameter) and p.requires_grad and p.is_leaf for p in twin.parameters())
        np.testing.assert_array_equal(twin(x).numpy(), net(x).numpy())
        nn.init.zeros_(twin.fc2.weight)
        assert net.fc2.weight.numpy().any()


def test_a_module_cannot_contain_itself() -> None:
    outer = nn.Sequential(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="contain itself"):
        outer.append(outer)
    with pytest.raises(ValueError, match="contain itself"):
        outer[0].inner = outer


def test_parameters_are_not_lost_by_assignment() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="no longer be trained"):
        layer.weight = layer.weight * 2
    with pytest.raises(TypeError, match="as buffer"):
        Net().scale = 3.0  # type: ignore[assignment]
    layer.weight = nn.Parameter(np.ones((2, 2)))
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_parameters_in_a_plain_list_are_reported() -> None:
    class Bad(nn.Module):
        def __init__(self) -> None:
            self.layers = [nn.Linear(2, 2)]

    with pytest.warns(UserWarning, match=r"Bad.layers is a plain list: the 2 parameters in it are neither"):
        list(Bad().parameters())

    class Fine(nn.Module):
        def __init__(self) -> None:
            self.kept = nn.ModuleList([nn.Linear(2, 2)])
            self.same = [self.kept[0]]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(Fine().parameters())) == 2


def test_names_are_checked() -> None:
    net = Net()
    with pytest.raises(KeyError, match="dot"):
        net.add_module("a.b", nn.ReLU())
    with pytest.raises(KeyError, match="another kind"):
        net.register_buffer("forward", np.ones(1))
    with pytest.raises(TypeError, match=r"must be an nn.Module"):
        net.add_module("x", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be an nn.Parameter"):
        net.register_parameter("x", ag.Tensor(1.0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="activation module"):
        nn.Linear(2, 3, False)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="floating-point"):
        nn.Parameter(np.arange(3))


def test_modes_apply_freeze_and_zero_grad() -> None:
    net = Net()
    assert net.eval() is net
    assert not net.norm.training
    assert net.train().norm.training
    seen: list[nn.Module] = []
    assert net.apply(seen.append) is net
    assert seen == [net.fc1, net.norm, net.fc2, net]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert "frozen" in repr(net)
    net.requires_grad_()
    ag.sum(net(np.eye(3))).backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_to_another_dtype() -> None:
    net = Net().to(np.float32)
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    assert net.norm.num_batches_tracked is not None
    assert net.norm.num_batches_tracked.dtype == np.int64
    y = net(np.eye(3, dtype=np.float32))
    assert y.dtype == np.float32
    ag.sum(y).backward()
    assert {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float32)}


def test_hooks_see_and_change_inputs_and_outputs() -> None:
    layer = nn.Identity()
    calls = []

    def before(module: nn.Module, args: tuple[Any, ...]) -> Any:
        calls.append("before")
        return args[0] + 1

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        calls.append("after")
        return output * 10

    first = layer.register_forward_pre_hook(before)
    second = layer.register_forward_hook(after)
    assert layer(1.0) == 20.0
    first.remove()
    first.remove()
    assert layer(1.0) == 10.0
    second.remove()
    assert layer(1.0) == 1.0
    assert calls == ["before", "after", "after"]


def test_a_wrong_shape_is_explained() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.body = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(9, 1))

        def forward(self, x: Any) -> Any:
            return self.body(x)

    cases: list[tuple[nn.Module, tuple[int, ...], str]] = [
        (Model(), (5, 30), r"Linear\(in_features=9.*\(the layer 'body.2' of Model\) expected an input of shape "
         r"\(\.\.\., 9\), got \(5, 8\)\.\nMake it Linear\(8, 1\)"),
        (Model(), (30, 5), "pass x.T"),
        (nn.Linear(12, 1), (5, 3, 4), "Flatten"),
        (nn.Linear(12, 1), (), "12 features"),
        (nn.BatchNorm1d(3), (4, 5), r"expected an input of shape \(N, 3\) or \(N, 3, L\), got \(4, 5\)"),
        (nn.BatchNorm1d(3), (4,), "samples along the first axis"),
    ]  # fmt: skip
    for module, shape, text in cases:
        with pytest.raises(nn.ShapeError, match=text) as error:
            module(np.ones(shape))
        assert pickle.loads(pickle.dumps(error.value)).args[1:] == error.value.args[1:]


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Empty has no forward\(\)"):
        type("Empty", (nn.Module,), {})()(1.0)


def test_containers() -> None:
    a, b, c = nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert net[-1] is c
    assert list(net[1:]) == [b, c]
    tail = net[1:].append(nn.Tanh())
    assert isinstance(tail, nn.Sequential)
    assert [name for name, _ in tail.named_children()] == ["1", "2", "3"]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    named = nn.Sequential({"first": a, "last": c})
    assert list(named.state_dict()) == ["first.weight", "first.bias", "last.weight", "last.bias"]
    assert named[0] is a
    items = nn.ModuleList([a])
    items.extend([b, c])
    assert len(items[:2]) == 2
    heads = nn.ModuleDict({"x": a})
    heads["y"] = c
    assert "y" in heads
    assert len(heads) == 2
    assert list(heads.keys()) == ["x", "y"]
    assert list(heads.values()) == [a, c]
    assert dict(heads.items()) == {"x": a, "y": c}
    del heads["x"]
    assert list(heads) == ["y"]
    with pytest.raises(KeyError):
        del heads["x"]


def test_mlp_builds_what_it_says() -> None:
    net = nn.MLP(5, [4, 3], 2, activation=nn.Tanh, dropout=0.1, batch_norm=True)
    kinds = [type(layer).__name__ for layer in net]
    block = ["Linear", "BatchNorm1d", "Tanh", "Dropout"]
    assert kinds == [*block, *block, "Linear"]
    assert [p.shape for p in nn.MLP(5, [], 2).parameters()] == [(2, 5), (2,)]
    assert nn.MLP(5, [4], 2, dtype=np.float32)[0].weight.dtype == np.float32


def test_the_same_seed_gives_the_same_bits() -> None:
    def build() -> list[Any]:
        ag.manual_seed(3)
        net = nn.MLP(4, [5], 1, dropout=0.5)
        return [net(np.ones((7, 4))).numpy(), *net.state_dict().values()]

    for x, y in zip(build(), build(), strict=True):
        np.testing.assert_array_equal(x, y)
    a, b = (nn.Linear(2, 2, generator=np.random.default_rng(1)).weight.numpy() for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_dropout_keeps_the_mean_and_the_gradient_follows_the_mask() -> None:
    x = ag.Tensor(np.ones(20_000), requires_grad=True)
    layer = nn.Dropout(0.3, generator=np.random.default_rng(0))
    y = layer(x)
    assert abs(y.numpy().mean() - 1) < 0.02
    assert set(np.unique(y.numpy())) == {0.0, 1 / 0.7}
    ag.sum(y).backward()
    np.testing.assert_array_equal(x.grad, y.numpy())
    assert nn.functional.dropout(np.ones(3, np.float32), 0.5).dtype == np.float32
    assert not nn.Dropout(1.0)(x).numpy().any()
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match="between 0 and 1"):
        nn.Dropout(1.5)


def test_batch_norm_as_documented() -> None:
    layer = nn.BatchNorm1d(1)
    layer([[0.0], [2.0]])
    assert layer.running_mean is not None
    assert layer.running_var is not None
    np.testing.assert_allclose([layer.running_mean.item(), layer.running_var.item()], [0.1, 1.1])
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer([[0.0]])
    assert layer.eval()([[0.0]]).shape == (1, 1)
    layer.reset_running_stats()
    assert layer.running_mean.item() == 0
    mean = nn.BatchNorm1d(1, momentum=None)
    for batch in ([[0.0], [2.0]], [[4.0], [4.0]]):
        mean(batch)
    assert mean.running_mean is not None
    assert mean.running_mean.item() == 2.5


def test_batch_norm_in_evaluation_keeps_the_statistics_that_it_used() -> None:
    layer = nn.BatchNorm1d(2).eval()
    x = ag.Tensor(np.eye(2), requires_grad=True)
    y = ag.sum(layer(x) * np.array([[1.0, 2.0], [3.0, 4.0]]))
    layer.train()(5 * np.random.default_rng(0).normal(size=(4, 2)))
    y.backward()
    np.testing.assert_allclose(x.grad, np.array([[1.0, 2.0], [3.0, 4.0]]) / np.sqrt(1 + 1e-5))


def test_activation_settings() -> None:
    assert nn.LeakyReLU(0.2).negative_slope == 0.2
    assert nn.ReLU(inplace=True)(np.array(-1.0)) == 0
    assert repr(nn.Softplus(2.0)) == "Softplus(beta=2.0, threshold=20.0)"
    assert pickle.loads(pickle.dumps(nn.ELU(0.5))).alpha == 0.5
    with pytest.raises(TypeError, match="unexpected keyword"):
        nn.ELU(slope=0.5)
    with pytest.raises(TypeError, match="too many"):
        nn.Tanh(1, 2)
    with pytest.raises(ValueError, match="say along which"):
        nn.Softmax()(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="approximate"):
        nn.GELU("fast")(1.0)
    with pytest.raises(AttributeError, match="'ReLU' object has no attribute 'alpha'"):
        _ = nn.ReLU().alpha


def test_losses_refuse_shapes_that_would_broadcast() -> None:
    for loss in (nn.MSELoss(), nn.L1Loss(), nn.BCEWithLogitsLoss(), nn.BCELoss()):
        with pytest.raises(ValueError, match="shape"):
            loss(np.full((4, 1), 0.5), np.ones(4))
    with pytest.raises(ValueError, match="reduction"):
        nn.MSELoss(reduction="average")
    assert nn.BCELoss()([0.0], [1.0]) == 100
    assert list(nn.CrossEntropyLoss(weight=[1.0, 2.0]).state_dict()) == ["weight"]


def test_init_refuses_what_has_no_fans_and_results() -> None:
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_uniform_(nn.Parameter([1.0]))
    with pytest.raises(ValueError, match="2 dimensions"):
        nn.init.eye_(nn.Parameter([1.0]))
    with pytest.raises(ValueError, match="or more dimensions"):
        nn.init.orthogonal_(nn.Parameter([1.0]))
    with pytest.raises(ValueError, match="Unsupported nonlinearity"):
        nn.init.calculate_gain("swish")
    with pytest.raises(ValueError, match="only leaves"):
        nn.init.zeros_(nn.Parameter([1.0]) * 2)
    w = nn.Parameter(np.zeros((3, 2), np.float32))
    assert nn.init.normal_(w, generator=np.random.default_rng(0)).dtype == np.float32
    assert w.numpy().any()
