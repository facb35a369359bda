"""More optimisers, their states and parts; L-BFGS and its line search; clipping, vectors and initial values."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn import optim
from nn.optim.line_search import Point, strong_wolfe

MAKERS: list[Any] = [
    lambda params: optim.SGD(params, lr=0.05, momentum=0.9),
    lambda params: optim.AdamW(params, lr=0.05, amsgrad=True),
    lambda params: optim.NAdam(params, lr=0.05, momentum_decay=0.1),
    lambda params: optim.Adagrad(params, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    lambda params: optim.RMSprop(params, lr=0.02, momentum=0.9, centered=True),
    lambda params: optim.LBFGS(params, max_iter=4, history_size=3, line_search_fn="strong_wolfe"),
]


def network() -> nn.Sequential:
    generator = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(3, 4, nn.Tanh(), generator=generator), nn.Linear(4, 2, generator=generator))


def train(model: nn.Module, optimizer: Any, steps: int, seed: int = 0, frozen: int | None = None) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x = rng.normal(size=(6, 3))

        def closure(x: Any = x) -> Any:
            optimizer.zero_grad()
            loss = ag.mean(ag.square(model(x) - 1))
            loss.backward()
            if frozen is not None:
                list(model.parameters())[frozen].grad = None
            return loss

        optimizer.step(closure)


def assert_equal_states(a: nn.Module, b: nn.Module) -> None:
    for key, x in a.state_dict().items():
        np.testing.assert_array_equal(x, b.state_dict()[key], err_msg=key)


@pytest.mark.parametrize("make", MAKERS)
def test_state_dict_resumes_bit_for_bit(make: Any) -> None:
    a, b = network(), network()
    optimizer, first = make(a.parameters()), make(b.parameters())
    for model, o in ((a, optimizer), (b, first)):
        train(model, o, 5, seed=1, frozen=1)
        train(model, o, 2, seed=2)
    second = type(first)(b.parameters(), lr=9.0)
    second.load_state_dict(first.state_dict())
    assert repr(second) == repr(optimizer)
    for (i, own), (j, other) in zip(first.state.items(), second.state.items(), strict=True):
        assert i is j
        for name, x in own.items():
            np.testing.assert_array_equal(x, other[name])
    train(a, optimizer, 5, seed=3, frozen=2)
    train(b, second, 5, seed=3, frozen=2)
    assert_equal_states(a, b)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_train_on_by_themselves(make: Any, twin: Any) -> None:
    a = network()
    optimizer = make(a.parameters())
    train(a, optimizer, 3, seed=1)
    b, copied = twin((a, optimizer))
    assert copied.has_stepped
    train(a, optimizer, 3, seed=2)
    assert not np.array_equal(a[0].weight.numpy(), b[0].weight.numpy())
    train(b, copied, 3, seed=2)
    assert_equal_states(a, b)


@pytest.mark.parametrize("make", MAKERS[:5])
def test_parameters_that_move_at_different_times_are_as_if_alone(make: Any) -> None:
    rng = np.random.default_rng(0)
    together = [nn.Parameter(np.ones(n)) for n in (3, 1, 2, 4)]
    alone = [nn.Parameter(np.ones(n)) for n in (3, 1, 2, 4)]
    optimizer, others = make(together), [make([p]) for p in alone]
    for step in range(12):
        for i, (p, q) in enumerate(zip(together, alone, strict=True)):
            p.grad = q.grad = rng.normal(size=p.shape) if (step + i) % (i + 1) == 0 else None
        optimizer.step()
        for other in others:
            other.step()
        for p, q in zip(together, alone, strict=True):
            np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_frozen_layer_costs_no_more_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = optim.Adam._update

    def counted(self: Any, *args: Any) -> None:
        calls.append(args[0].size)
        original(self, *args)

    monkeypatch.setattr(optim.Adam, "_update", counted)
    params = [nn.Parameter(np.ones(n)) for n in range(1, 11)]
    optimizer = optim.Adam(params)
    for _ in range(2):
        for p in params[5:]:
            p.grad = np.ones(p.shape)
        optimizer.step()
    assert calls == [sum(range(6, 11))] * 2


def test_momentum_switched_on_later_starts_afresh() -> None:
    w = nn.Parameter([0.0])
    optimizer = optim.SGD([w], lr=1.0)
    w.grad = np.ones(1)
    optimizer.step()
    optimizer.param_groups[0].update(momentum=0.5, dampening=0.5)
    optimizer.step()
    assert w.item() == -2.0
    optimizer.step()
    assert w.item() == -3.0


def test_rebound_data_leaves_the_old_array_alone() -> None:
    w = nn.Parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=1.0)
    w.grad = np.ones(2)
    optimizer.step()
    held = w._data
    w.data = np.array([5.0, 6.0])
    optimizer.step()
    np.testing.assert_array_equal(held, [0.0, 1.0])
    np.testing.assert_array_equal(w.numpy(), [4.0, 5.0])


def test_gradients_that_are_tensors() -> None:
    w, v = nn.Parameter([1.0, 2.0]), nn.Parameter([[3.0]])
    optimizer = optim.SGD([w, v], lr=0.5)
    (ag.sum(w * w) + ag.sum(v * v)).backward(create_graph=True)
    assert isinstance(w.grad, ag.Tensor)
    optimizer.step()
    np.testing.assert_array_equal(w.numpy(), [0.0, 0.0])
    np.testing.assert_array_equal(v.numpy(), [[0.0]])


def test_gradients_of_another_order_in_memory() -> None:
    w = nn.Parameter(np.zeros((2, 3)))
    w.grad = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_array_equal(w.numpy(), -np.arange(6.0).reshape(2, 3))


def test_changed_dtypes_are_refused() -> None:
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD(layer.parameters(), lr=1.0)
    layer.to(np.float32)
    with pytest.raises(ValueError, match="Make the optimizer after"):
        optimizer.step()


def test_mu_product_is_checked() -> None:
    w = nn.Parameter(np.zeros(3))
    optimizer = optim.NAdam([w])
    w.grad = np.ones(3)
    optimizer.step()
    state = optimizer.state_dict()
    assert state["state"][0]["mu_product"].shape == ()
    state["state"][0]["mu_product"] = np.ones(3)
    with pytest.raises(ValueError, match=r"'mu_product' of parameter 0 has shape \(3,\), expected \(\)"):
        optimizer.load_state_dict(state)


def rosenbrock(x: Any) -> Any:
    return ag.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def minimise(params: list[Any], optimizer: Any, loss: Any, steps: int) -> int:
    calls = 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        y = loss(*params)
        y.backward()
        return y

    for _ in range(steps):
        optimizer.step(closure)
    return calls


def test_lbfgs_solves_rosenbrock() -> None:
    x = nn.Parameter(np.full(20, -1.0))
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=500, max_eval=1000, tolerance_change=1e-14)
    calls = minimise([x], optimizer, rosenbrock, 1)
    np.testing.assert_allclose(x.numpy(), np.ones(20), atol=1e-7)
    assert calls < 250
    assert optimizer.state[x]["func_evals"] == calls


def test_lbfgs_on_values_and_mixed_kinds() -> None:
    a, b, c = ag.Value(-1.0), nn.Parameter([2.0]), nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.LBFGS([a, b, c], line_search_fn="strong_wolfe", max_iter=200)

    def loss(a: Any, b: Any, c: Any) -> Any:
        return ag.sum((1 - a) ** 2 + 100 * (b - a * a) ** 2) + ag.sum(c * c)

    minimise([a, b, c], optimizer, loss, 3)
    assert type(a.data) is float
    assert c.dtype == np.float32
    np.testing.assert_allclose([a.data, b.item(), *c.numpy()], [1, 1, 0, 0], atol=1e-4)
    y = loss(a, b, c)
    optimizer.param_groups[0].update(line_search_fn=None, tolerance_grad=-1.0, tolerance_change=-1.0)
    minimise([a, b, c], optimizer, loss, 1)
    with pytest.raises(ag.StaleError):
        y.backward()


def test_lbfgs_skips_what_has_no_gradient() -> None:
    x, unused = nn.Parameter([3.0]), nn.Parameter([7.0, 8.0])
    optimizer = optim.LBFGS([unused, x], line_search_fn="strong_wolfe")
    minimise([x], optimizer, lambda x: ag.sum((x - 1) ** 4), 3)
    np.testing.assert_array_equal(unused.numpy(), [7.0, 8.0])
    assert abs(x.item() - 1) < 0.05


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_lbfgs_turns_back_where_the_loss_is_not_finite(bad: float) -> None:
    x = nn.Parameter([-0.5])
    optimizer = optim.LBFGS([x], lr=100.0, line_search_fn="strong_wolfe", max_iter=50)

    def loss(x: Any) -> Any:
        y = ag.sum((x - 1) ** 2 * (1 + (x - 1) ** 2))
        return y if abs(x.item()) < 2 else y * bad

    minimise([x], optimizer, loss, 1)
    np.testing.assert_allclose(x.numpy(), [1.0], atol=1e-5)


def test_lbfgs_is_back_where_it_was_when_a_closure_raises() -> None:
    x = nn.Parameter([-1.0, 2.0, 3.0])
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    calls = 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        y = rosenbrock(x)
        y.backward()
        return y

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    np.testing.assert_array_equal(x.numpy(), [-1.0, 2.0, 3.0])


def test_lbfgs_errors() -> None:
    x, y = nn.Parameter([1.0]), nn.Parameter([1.0])
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": [x]}, {"params": [y]}])
    with pytest.raises(ValueError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([x], line_search_fn="armijo")
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([x]).step()
    optimizer = optim.LBFGS([x])
    minimise([x], optimizer, lambda x: ag.sum(x**4), 1)
    state = optimizer.state_dict()
    state["state"][0]["d"] = np.ones(2)
    with pytest.raises(ValueError, match=r"'d' has shape \(2,\), expected \(1,\)"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    ("loss", "slope", "step"),
    [
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3), 1e-3),
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3), 1e3),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2, 1e-2),
        (
            lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
            lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3,
            10.0,
        ),
    ],
)  # the last two are functions of Moré and Thuente 1994
def test_the_line_search_meets_the_strong_wolfe_conditions(loss: Any, slope: Any, step: float) -> None:
    def evaluate(t: float) -> Point:
        return Point(t, loss(t), np.array([slope(t)]), slope(t))

    start = evaluate(0.0)
    found, tried = strong_wolfe(evaluate, start, step, 1.0)
    assert found.loss <= start.loss + 1e-4 * found.step * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert tried <= 26


def test_the_line_search_gives_up_on_a_slope_without_end() -> None:
    found, tried = strong_wolfe(
        lambda t: Point(t, -t, np.array([-1.0]), -1.0), Point(0.0, 0.0, np.ones(1), -1.0), 1.0, 1.0
    )
    assert found.step > 1e20
    assert tried == 26


def test_clipping() -> None:
    w, v, unused = nn.Parameter([0.0, 0.0]), ag.Value(0.0), nn.Parameter([1.0])
    w.grad, v.grad = np.array([3.0, 0.0]), 4.0
    held = w.grad
    assert nn.utils.clip_grad_norm_([w, v, unused], 10.0) == 5.0
    assert w.grad is held
    assert nn.utils.clip_grad_norm_((p for p in (w, v, unused)), 1.0) == 5.0
    np.testing.assert_allclose([*w.grad, v.grad], [0.6, 0.0, 0.8], rtol=1e-6)
    assert type(v.grad) is float
    assert held[0] == 3.0
    nn.utils.clip_grad_value_([w, v, unused], 0.7)
    assert (*w.grad, v.grad) == (pytest.approx(0.6), 0.0, 0.7)
    assert unused.grad is None
    assert nn.utils.clip_grad_norm_([unused], 1.0) == 0.0
    w.grad = np.array([np.nan, 1.0], np.float32)
    with pytest.raises(RuntimeError, match="is nan, so it cannot be clipped"):
        nn.utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
    assert math.isnan(nn.utils.clip_grad_norm_(w, 1.0))
    assert np.isnan(w.grad).all()
    assert w.grad.dtype == np.float32


def test_clipping_recorded_gradients() -> None:
    w = nn.Parameter([3.0, 4.0])
    ag.sum(w * w).backward(create_graph=True)
    nn.utils.clip_grad_norm_(w, 1.0)
    nn.utils.clip_grad_value_(w, 0.7)
    assert isinstance(w.grad, ag.Tensor)
    assert not w.grad.requires_grad
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.7], rtol=1e-6)


def test_vectors_are_differentiable_and_checked() -> None:
    w, v = nn.Parameter([[1.0, 2.0]]), ag.Value(3.0)
    vector = nn.utils.parameters_to_vector([w, v])
    ag.sum(vector * vector).backward()
    np.testing.assert_array_equal(w.grad, [[2.0, 4.0]])
    assert v.grad == 6.0
    nn.utils.vector_to_parameters(vector.numpy() + 1, [w, v])
    assert (w.numpy().tolist(), v.data) == ([[2.0, 3.0]], 4.0)
    with pytest.raises(ValueError, match=r"expected a vector of 3 numbers, got shape \(4,\)"):
        nn.utils.vector_to_parameters(np.ones(4), [w, v])
    y = ag.sum(w * w)
    nn.utils.vector_to_parameters(np.ones(3), [w, v])
    with pytest.raises(ag.StaleError):
        y.backward()


@pytest.mark.parametrize(
    "bounds", [(-2.0, 2.0), (0.5, 3.0), (-0.1, 0.1), (3.0, 9.0), (-math.inf, 1.0), (40.0, math.inf)]
)
def test_trunc_normal_has_its_distribution(bounds: tuple[float, float]) -> None:
    a, b = bounds
    mean, std, n = 0.3, 0.8, 4000
    x = nn.init.trunc_normal_(
        nn.Parameter(np.empty((40, n // 40))), mean, std, a, b, generator=np.random.default_rng(1)
    )
    values = np.sort(x.numpy().ravel())
    assert a <= values[0]
    assert values[-1] <= b
    above = [math.erfc((t - mean) / (std * math.sqrt(2))) for t in (a, *values, b)]
    share = (above[0] - np.array(above[1:-1])) / (above[0] - above[-1]) if above[0] > 0 else None
    if share is not None:  # Kolmogorov and Smirnov, at 0.1 %
        assert np.abs(share - (np.arange(n) + 0.5) / n).max() < 1.95 / math.sqrt(n)
    else:
        assert values[-1] < 40.2


def test_more_inits() -> None:
    w = nn.Parameter(np.ones((10, 4), np.float32))
    seeds = [np.random.default_rng(1), np.random.default_rng(1)]
    first, second = (nn.init.sparse_(w, 0.3, generator=seed).numpy().copy() for seed in seeds)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 5))
    weight = nn.init.dirac_(nn.Parameter(np.empty((4, 2, 3, 3))), groups=2)
    np.testing.assert_array_equal(ag.conv2d(x, weight, padding=1, groups=2).numpy(), x)
    for call, text in (
        (lambda: nn.init.dirac_(w), "3, 4, or 5 dimensions"),
        (lambda: nn.init.dirac_(nn.Parameter(np.ones((3, 2, 2))), 2), "divisible by groups"),
        (lambda: nn.init.sparse_(nn.Parameter(np.ones(3)), 0.5), "2 dimensions"),
        (lambda: nn.init.trunc_normal_(w, a=1.0, b=1.0), "a < b"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
