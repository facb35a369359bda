"""Optimisers: flat storage, skipped parameters, groups, state, and Values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.optim import SGD, Adam

MAKERS: list[Any] = [
    lambda params: SGD(params, lr=0.1),
    lambda params: SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda params: Adam(params, lr=0.1, amsgrad=True),
]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4, nn.Tanh(), generator=np.random.default_rng(0)), nn.Linear(4, 2, bias=False))


def train(model: nn.Module, optimizer: Any, steps: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        ag.mean(ag.square(model(rng.normal(size=(6, 3))) - 1)).backward()
        optimizer.step()


def assert_equal_states(a: nn.Module, b: nn.Module) -> None:
    for key, x in a.state_dict().items():
        np.testing.assert_array_equal(x, b.state_dict()[key], err_msg=key)


def test_one_step_by_hand() -> None:
    w, v = nn.Parameter([1.0, 2.0]), nn.Parameter([[3.0]])
    w.grad, v.grad = np.array([10.0, 20.0]), np.array([[30.0]])
    SGD([w, v], lr=0.1, weight_decay=1.0).step()
    np.testing.assert_allclose(w.numpy(), [-0.1, -0.2])
    np.testing.assert_allclose(v.numpy(), [[-0.3]])


def test_the_data_of_all_parameters_lie_in_one_array() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    bases = {id(p._data.base) for p in model.parameters()}
    assert len(bases) == 1


@pytest.mark.parametrize("make", MAKERS)
def test_rebound_data_is_noticed(make: Any) -> None:
    a, b = network(), network()
    b.load_state_dict(a.state_dict())
    first, second = make(a.parameters()), make(b.parameters())
    train(a, first, 4)
    train(b, second, 2)
    for p in b.parameters():
        p.data = p.data.copy()
    state = b.state_dict()
    nn.init.zeros_(b[0].weight)
    b.load_state_dict(state)
    rng = np.random.default_rng(0)
    for _ in range(2):
        rng.normal(size=(6, 3))
    for _ in range(2):
        second.zero_grad()
        ag.mean(ag.square(b(rng.normal(size=(6, 3))) - 1)).backward()
        second.step()
    assert_equal_states(a, b)


def test_two_optimisers_may_share_parameters() -> None:
    model = network()
    one, other = SGD(model.parameters(), lr=0.1), SGD(model.parameters(), lr=0.2)
    before = model[1].weight.numpy().copy()
    for p in model.parameters():
        p.grad = np.ones(p.shape)
    for optimizer in (one, other, one, other):
        optimizer.step()
    np.testing.assert_allclose(model[1].weight.numpy(), before - 0.6)


def test_parameters_without_gradient_are_skipped() -> None:
    w, v = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = Adam([w, v], lr=0.1)
    w.grad = np.ones(1)
    optimizer.step()
    assert v.item() == 1.0
    assert list(optimizer.state) == [w]
    v.grad = np.ones(1)
    optimizer.step()
    assert [float(own["step"]) for own in optimizer.state.values()] == [2.0, 1.0]
    np.testing.assert_allclose(v.item(), 0.9)


def test_dtypes_stay() -> None:
    params = [nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2)), nn.Parameter(np.ones(3, np.float32))]
    optimizer = Adam(params, lr=0.1)
    ag.sum(params[0] * 2).backward()
    ag.sum(params[1] * 2).backward()
    ag.sum(params[2] * 2).backward()
    optimizer.step()
    assert [p.dtype for p in params] == [np.float32, np.float64, np.float32]
    assert all(np.allclose(p.numpy(), 0.9) for p in params)


def test_values_and_tensors_train_alike() -> None:
    start = [0.5, -1.5]
    tensor = nn.Parameter(start)
    values = [ag.Value(x) for x in start]
    for make in MAKERS:
        on_tensor, on_values = make([tensor]), make(values)
        for _ in range(20):
            on_tensor.zero_grad()
            on_values.zero_grad()
            ag.sum(tensor * tensor * tensor * tensor).backward()
            (values[0] ** 4 + values[1] ** 4).backward()
            on_tensor.step()
            on_values.step()
        np.testing.assert_allclose([v.data for v in values], tensor.numpy(), rtol=1e-13)


def test_values_without_gradient_keep_their_bits() -> None:
    a, b = ag.Value(1.0), ag.Value(0.1)
    optimizer = SGD([a, b], lr=0.5, momentum=0.9)
    (a * 3).backward()
    optimizer.step()
    assert (a.data, b.data) == (-0.5, 0.1)


def test_a_step_makes_old_graphs_stale() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    loss = ag.sum(ag.square(model(np.ones((2, 3)))))
    loss.backward()
    optimizer.step()
    with pytest.raises(ag.StaleError):
        loss.backward()
    value = ag.Value(2.0)
    y = value * value
    y.backward()
    SGD([value], lr=0.1).step()
    with pytest.raises(ag.StaleError):
        y.backward()


def test_groups_have_their_own_options() -> None:
    w, v, u = (nn.Parameter([1.0]) for _ in range(3))
    optimizer = SGD([{"params": [w]}, {"params": v, "lr": 1.0}], lr=0.1)
    optimizer.add_param_group({"params": [u], "momentum": 0.5})
    for p in (w, v, u):
        p.grad = np.ones(1)
    optimizer.step()
    assert [p.item() for p in (w, v, u)] == [0.9, 0.0, 0.9]
    optimizer.param_groups[1]["lr"] = 2.0
    optimizer.step()
    np.testing.assert_allclose([p.item() for p in (w, v, u)], [0.8, -2.0, 0.75])
    assert repr(optimizer).count("Parameter Group") == 3


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        ([], ValueError, "empty parameter list"),
        (nn.Parameter([1.0]), TypeError, "iterable of Tensors or dicts"),
        (3, TypeError, "iterable of Tensors or dicts"),
        ([1.0], TypeError, "can only optimize Tensors"),
        ([nn.Parameter([1.0]) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        ([{"params": [], "lrate": 1.0}], ValueError, "no option 'lrate'"),
    ],
)
def test_errors(params: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        SGD(params)


def test_duplicates_are_refused() -> None:
    w = nn.Parameter([1.0])
    with pytest.raises(ValueError, match="duplicate parameters"):
        SGD([w, w])
    with pytest.raises(ValueError, match="more than one parameter group"):
        SGD([{"params": [w]}, {"params": [w]}])
    optimizer = SGD([w])
    with pytest.raises(TypeError, match="must be a dict"):
        optimizer.add_param_group([w])  # type: ignore[arg-type]


def test_a_gradient_of_the_wrong_shape_is_refused() -> None:
    w, v = nn.Parameter(np.ones((2, 3))), nn.Parameter(np.ones(2))
    optimizer = SGD([v, w])
    v.grad, w.grad = np.ones(2), np.ones((3, 2))
    with pytest.raises(ValueError, match="set by hand"):
        optimizer.step()
    assert (v.numpy() == 1).all()


def test_a_closure_is_called_with_recording() -> None:
    w = nn.Parameter([2.0])
    optimizer = SGD([w], lr=0.25)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ag.sum(w * w)
        loss.backward()
        return loss

    with ag.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 4.0
    assert w.item() == 1.0


def test_zero_grad() -> None:
    w, v = nn.Parameter([2.0]), ag.Value(1.0)
    optimizer = SGD([w, v])
    (ag.sum(w) * v).backward()
    optimizer.zero_grad(set_to_none=False)
    assert w.grad == np.zeros(1)
    assert v.grad == 0.0
    optimizer.zero_grad()
    assert w.grad is None
    assert v.grad is None


@pytest.mark.parametrize("make", MAKERS)
def test_state_dict_resumes_bit_for_bit(make: Any) -> None:
    a, b = network(), network()
    b.load_state_dict(a.state_dict())
    optimizer = make(a.parameters())
    train(a, optimizer, 5, seed=1)
    train(a, optimizer, 5, seed=2)
    first = make(b.parameters())
    train(b, first, 5, seed=1)
    second = SGD(b.parameters(), lr=9.0) if isinstance(first, SGD) else Adam(b.parameters(), lr=9.0)
    second.load_state_dict(first.state_dict())
    train(b, second, 5, seed=2)
    assert_equal_states(a, b)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_train_on_by_themselves(make: Any, twin: Any) -> None:
    a = network()
    optimizer = make(a.parameters())
    train(a, optimizer, 3, seed=1)
    b, copied = twin((a, optimizer))
    train(a, optimizer, 3, seed=2)
    assert not np.array_equal(a[0].weight.numpy(), b[0].weight.numpy())
    train(b, copied, 3, seed=2)
    assert_equal_states(a, b)


def test_load_state_dict_errors_change_nothing() -> None:
    w = nn.Parameter([1.0, 2.0])
    optimizer = SGD([w], lr=0.1, momentum=0.9)
    w.grad = np.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    bad = copy.deepcopy(state)
    bad["state"][0]["momentum_buffer"] = np.ones(3)
    bad["param_groups"][0]["lr"] = 5.0
    with pytest.raises(ValueError, match=r"'momentum_buffer' of parameter 0 has shape \(3,\)"):
        optimizer.load_state_dict(bad)
    assert optimizer.param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="doesn't match the size"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_a_step_makes_few_numpy_calls_however_many_parameters_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = SGD._update

    def counted(self: SGD, *args: Any) -> None:
        calls.append(args[0].size)
        original(self, *args)

    monkeypatch.setattr(SGD, "_update", counted)
    params = [nn.Parameter(np.ones(n)) for n in range(1, 51)]
    optimizer = SGD(params, lr=0.1)
    for p in params:
        p.grad = np.ones(p.shape)
    optimizer.step()
    assert calls == [sum(range(1, 51))]
