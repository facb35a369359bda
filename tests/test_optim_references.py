"""The optimisers' formulas, number by number, beside their papers' written for single floats."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn import optim
from nn.optim.line_search import Point, _cubic_minimum, strong_wolfe

RNG = np.random.default_rng(5)
START = RNG.normal(size=(2, 3))
GRADIENTS = RNG.normal(size=(6, 2, 3))
Path = Callable[..., float]


def _sgd(
    w: float, gs: Sequence[float], lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
) -> float:
    b = 0.0
    for t, g in enumerate(gs):
        g = g + weight_decay * w
        b = g if t == 0 else momentum * b + (1 - dampening) * g
        w -= lr * (g + momentum * b if nesterov else b if momentum else g)
    return w


def _adam(
    w: float,
    gs: Sequence[float],
    lr: float,
    betas: Any,
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    decoupled: bool,
) -> float:
    m = v = most = 0.0
    for t, g in enumerate(gs, 1):
        if decoupled:
            w *= 1 - lr * weight_decay
        else:
            g = g + weight_decay * w
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        most = max(most, v) if amsgrad else v
        w -= lr * (m / (1 - betas[0] ** t)) / (math.sqrt(most / (1 - betas[1] ** t)) + eps)
    return w


def _nadam(
    w: float, gs: Sequence[float], lr: float, betas: Any, eps: float, weight_decay: float, psi: float, decoupled: bool
) -> float:
    m, v, product = 0.0, 0.0, 1.0
    for t, g in enumerate(gs, 1):
        if decoupled:
            w *= 1 - lr * weight_decay
        else:
            g = g + weight_decay * w
        mu, after = (betas[0] * (1 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
        product *= mu
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2
        ahead = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
        w -= lr * ahead / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
    return w


def _adagrad(
    w: float, gs: Sequence[float], lr: float, lr_decay: float, weight_decay: float, initial: float, eps: float
) -> float:
    total = initial
    for t, g in enumerate(gs, 1):
        g = g + weight_decay * w
        total += g**2
        w -= lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(total) + eps)
    return w


def _rmsprop(
    w: float,
    gs: Sequence[float],
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> float:
    square = mean = b = 0.0
    for g in gs:
        g = g + weight_decay * w
        square, mean = alpha * square + (1 - alpha) * g**2, alpha * mean + (1 - alpha) * g
        b = momentum * b + g / (math.sqrt(square - mean**2 if centered else square) + eps)
        w -= lr * b
    return w


_ADAM = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 0.01}
_SQUARES = {"lr": 0.1, "alpha": 0.9, "eps": 0.01, "weight_decay": 0.1}
_GRADES = {"lr": 0.3, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 0.01}

# optimiser, its options, and the reference from a number and its gradients
_CASES: dict[str, tuple[type[optim.Optimizer], dict[str, Any], Path]] = {
    "sgd": (optim.SGD, {"lr": 0.1, "weight_decay": 0.3}, lambda w, g: _sgd(w, g, 0.1, 0, 0, 0.3, False)),
    "momentum": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.3},
        lambda w, g: _sgd(w, g, 0.1, 0.7, 0, 0.3, False),
    ),
    "dampening": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.7, "dampening": 0.4},
        lambda w, g: _sgd(w, g, 0.1, 0.7, 0.4, 0, False),
    ),
    "nesterov": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.3, "nesterov": True},
        lambda w, g: _sgd(w, g, 0.1, 0.7, 0, 0.3, True),
    ),
    "adam": (optim.Adam, _ADAM, lambda w, g: _adam(w, g, 0.1, (0.8, 0.95), 0.01, 0, False, False)),
    "adam with decay": (
        optim.Adam,
        {**_ADAM, "weight_decay": 0.3},
        lambda w, g: _adam(w, g, 0.1, (0.8, 0.95), 0.01, 0.3, False, False),
    ),
    "adam with decoupled decay": (
        optim.Adam,
        {**_ADAM, "weight_decay": 0.3, "decoupled_weight_decay": True},
        lambda w, g: _adam(w, g, 0.1, (0.8, 0.95), 0.01, 0.3, False, True),
    ),
    "amsgrad": (
        optim.Adam,
        {**_ADAM, "betas": (0.8, 0.5), "amsgrad": True},
        lambda w, g: _adam(w, g, 0.1, (0.8, 0.5), 0.01, 0, True, False),
    ),
    "adamw": (
        optim.AdamW,
        {**_ADAM, "weight_decay": 0.3, "amsgrad": True},
        lambda w, g: _adam(w, g, 0.1, (0.8, 0.95), 0.01, 0.3, True, True),
    ),
    "nadam": (
        optim.NAdam,
        {**_ADAM, "weight_decay": 0.3, "momentum_decay": 2.0},
        lambda w, g: _nadam(w, g, 0.1, (0.8, 0.95), 0.01, 0.3, 2.0, False),
    ),
    "nadam with decoupled decay": (
        optim.NAdam,
        {**_ADAM, "weight_decay": 0.3, "decoupled_weight_decay": True},
        lambda w, g: _nadam(w, g, 0.1, (0.8, 0.95), 0.01, 0.3, 0.004, True),
    ),
    "adagrad": (optim.Adagrad, _GRADES, lambda w, g: _adagrad(w, g, 0.3, 0.2, 0.1, 0.5, 0.01)),
    "rmsprop": (optim.RMSprop, _SQUARES, lambda w, g: _rmsprop(w, g, 0.1, 0.9, 0.01, 0.1, 0, False)),
    "rmsprop with momentum": (
        optim.RMSprop,
        {**_SQUARES, "momentum": 0.6},
        lambda w, g: _rmsprop(w, g, 0.1, 0.9, 0.01, 0.1, 0.6, False),
    ),
    "rmsprop centred": (
        optim.RMSprop,
        {**_SQUARES, "momentum": 0.6, "centered": True},
        lambda w, g: _rmsprop(w, g, 0.1, 0.9, 0.01, 0.1, 0.6, True),
    ),
}


def _reached(make: Any, sign: float = 1.0) -> Any:
    w = nn.Parameter(START)
    optimizer = make([w])
    for g in GRADIENTS:
        w.grad = sign * g
        optimizer.step()
    return w.numpy()


@pytest.mark.parametrize("name", _CASES)
def test_steps_follow_the_formula(name: str) -> None:
    cls, options, reference = _CASES[name]
    wanted = [[reference(START[i], GRADIENTS[(slice(None), *i)]) for i in ((r, c) for c in range(3))] for r in range(2)]
    np.testing.assert_allclose(_reached(lambda p: cls(p, **options)), wanted, rtol=1e-12)
    climbing = _reached(lambda p: cls(p, **options, maximize=True), -1.0)  # type: ignore[call-arg]
    np.testing.assert_allclose(climbing, wanted, rtol=1e-12)


# The documented defaults, which are PyTorch's.
_DEFAULTS: dict[Any, dict[str, Any]] = {
    optim.SGD: {
        "lr": 0.001, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False,
    },
    optim.Adam: {
        "lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False,
        "decoupled_weight_decay": False,
    },
    optim.AdamW: {
        "lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False, "maximize": False,
        "decoupled_weight_decay": True,
    },
    optim.NAdam: {
        "lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 0.004,
        "decoupled_weight_decay": False, "maximize": False,
    },
    optim.Adagrad: {
        "lr": 0.01, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10, "maximize": False,
    },
    optim.RMSprop: {
        "lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False, "maximize": False,
    },
    optim.LBFGS: {
        "lr": 1, "max_iter": 20, "max_eval": 25, "tolerance_grad": 1e-7, "tolerance_change": 1e-9,
        "history_size": 100, "line_search_fn": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("cls", _DEFAULTS)
def test_defaults(cls: Any) -> None:
    group = cls([nn.Parameter([1.0])]).param_groups[0]
    assert {name: x for name, x in group.items() if name != "params"} == _DEFAULTS[cls]
    assert set(inspect.signature(cls).parameters) - {"params"} <= set(_DEFAULTS[cls])


# What all optimisers share.


def test_has_stepped_and_what_step_returns() -> None:
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w])
    assert optimizer.has_stepped is False
    assert optimizer.step() is None
    assert optimizer.has_stepped is True
    assert optimizer.step(lambda: "loss") == "loss"


def test_groups_may_come_from_an_iterator_and_have_a_name() -> None:
    w, v = nn.Parameter([1.0]), nn.Parameter([2.0])
    optimizer = optim.SGD([w])
    optimizer.add_param_group({"params": iter([v]), "name": "head", "initial_lr": 0.5})
    group = optimizer.param_groups[1]
    assert (group["params"], group["name"], group["initial_lr"]) == ([v], "head", 0.5)


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, 1.5)])
def test_betas_lie_below_one(betas: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Invalid beta parameter at index"):
        optim.Adam([nn.Parameter([1.0])], betas=betas)
    optim.Adam([nn.Parameter([1.0])], betas=(0.0, 0.0))


@pytest.mark.parametrize("options", [{"momentum": 0}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_a_plain_momentum(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Nesterov momentum requires a momentum and zero dampening"):
        optim.SGD([nn.Parameter([1.0])], nesterov=True, **options)  # type: ignore[arg-type]


def test_zeroed_gradients_have_the_shape_and_dtype_of_their_parameter() -> None:
    single, value = nn.Parameter(np.ones((2, 1), np.float32)), ag.Value(1.0)
    optimizer = optim.SGD([single, value])
    single.grad, value.grad = np.ones((2, 1), np.float32), 1.0
    optimizer.zero_grad(set_to_none=False)
    assert (single.grad.shape, single.grad.dtype, single.grad.any()) == ((2, 1), np.float32, False)
    assert type(value.grad) is float
    assert value.grad == 0


def test_options_are_printed_one_a_line() -> None:
    lines = repr(optim.SGD([{"params": [nn.Parameter([1.0])], "lr": 0.5}, {"params": [nn.Parameter([1.0])]}])).split(
        "\n"
    )
    options = ["dampening: 0", "lr: 0.5", "maximize: False", "momentum: 0", "nesterov: False", "weight_decay: 0"]
    assert lines[:8] == ["SGD (", "Parameter Group 0", *(f"    {text}" for text in options)]
    assert lines[8] == "Parameter Group 1"
    assert lines[10] == "    lr: 0.001"
    assert lines[-1] == ")"
    assert len(lines) == 16


def test_values_that_did_not_move_keep_their_graphs() -> None:
    moved, still = ag.Value(2.0), ag.Value(3.0)
    y, z = moved * moved, still * still
    optimizer = optim.SGD([moved, still], lr=0.1)
    moved.grad = 1.0
    optimizer.step()
    assert moved.data == pytest.approx(1.9)
    assert still.data == 3.0
    z.backward()
    assert still.grad == 6.0
    with pytest.raises(ag.StaleError):
        y.backward()


def test_state_that_was_not_saved_starts_afresh() -> None:
    w = nn.Parameter([1.0, 2.0])
    optimizer = optim.Adagrad([w], lr=1.0, initial_accumulator_value=3.0, eps=0.0)
    fresh = optimizer.state_dict()
    w.grad = np.ones(2)
    optimizer.step()
    optimizer.load_state_dict(fresh)
    before = w.numpy().copy()
    w.grad = np.ones(2)
    optimizer.step()
    np.testing.assert_allclose(before - w.numpy(), [0.5, 0.5])
    other, nadam = nn.Parameter(w.numpy()), optim.NAdam([w])
    w.grad = other.grad = np.ones(2)
    nadam.load_state_dict(nadam.state_dict())
    nadam.step()
    optim.NAdam([other]).step()
    np.testing.assert_array_equal(w.numpy(), other.numpy())


# L-BFGS.


def _quasi_newton(x: Any, f: Any, iterations: int, lr: float, history: int) -> list[Any]:
    """Return the points of L-BFGS with a fixed step, from the inverse Hessian written out as a matrix."""
    eye, points = np.eye(len(x)), [x]
    pairs: list[Any] = []
    g = f(x)
    for k in range(iterations):
        inverse = eye
        if pairs:
            s, y = pairs[-1]
            inverse = eye * (s @ y) / (y @ y)
            for s, y in pairs:
                flip = eye - np.outer(s, y) / (s @ y)
                inverse = flip @ inverse @ flip.T + np.outer(s, s) / (s @ y)
        step = lr * (min(1.0, 1 / np.abs(g).sum()) if k == 0 else 1)
        moved = -step * inverse @ g
        after = f(x + moved)
        if moved @ (after - g) > 1e-10:
            pairs = [*pairs, (moved, after - g)][-history:]
        x, g = x + moved, after
        points.append(x)
    return points


@pytest.mark.parametrize("history", [1, 3, 100])
def test_lbfgs_follows_the_inverse_hessian(history: int) -> None:
    a = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, 0.5], [0.2, 0.5, 1.0]])
    start = np.array([4.0, -2.0, 3.0])
    x = nn.Parameter(start)
    optimizer = optim.LBFGS([x], lr=0.7, max_iter=1, history_size=history)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = 0.5 * (x @ (a @ x)) + 0.1 * ag.sum(x**4)
        loss.backward()
        return loss

    wanted = _quasi_newton(start, lambda p: a @ p + 0.4 * p**3, 6, 0.7, history)
    for point in wanted[1:]:
        optimizer.step(closure)
        np.testing.assert_allclose(x.numpy(), point, rtol=1e-9)


def _points(f: Any, slope: Any, *steps: float) -> list[Point]:
    return [Point(t, f(t), np.zeros(1), slope(t)) for t in steps]


def test_the_minimum_of_a_cubic() -> None:
    a, b = _points(lambda t: t**3 - 3 * t, lambda t: 3 * t * t - 3, 0.25, 3.0)
    assert _cubic_minimum(a, b, (0.25, 3.0)) == pytest.approx(1.0)
    assert _cubic_minimum(b, a, (0.25, 3.0)) == pytest.approx(1.0)
    assert _cubic_minimum(a, b, (1.5, 3.0)) == 1.5
    assert _cubic_minimum(a, b, (0.25, 0.75)) == 0.75
    left, right = _points(lambda t: t**3 + 3 * t, lambda t: 3 * t * t + 3, 1.0, 2.0)  # without a minimum
    assert _cubic_minimum(left, right, (1.0, 2.0)) == 1.5
    down, on = _points(lambda t: -2 * t, lambda t: -2.0, 1.0, 2.0)
    assert _cubic_minimum(down, on, (1.5, 7.0)) == 7.0
    up, further = _points(lambda t: 2 * t, lambda t: 2.0, 1.0, 2.0)
    assert _cubic_minimum(up, further, (0.5, 7.0)) == 0.5
    high = Point(2.0, math.inf, np.zeros(1), math.inf)
    assert _cubic_minimum(down, high, (1.0, 2.0)) == 1.5


def _waves(rng: np.random.Generator) -> tuple[Any, Any]:
    c, w, p = rng.normal(size=5), rng.uniform(0.5, 9, 3), rng.uniform(0, 6, 3)
    return (
        lambda t: float(c[0] * t + 0.1 * c[1] ** 2 * t * t + c[2:] @ np.sin(w * t + p)),
        lambda t: float(c[0] + 0.2 * c[1] ** 2 * t + (c[2:] * w) @ np.cos(w * t + p)),
    )


def _wall(a: float, b: float, c: float) -> tuple[Any, Any]:
    return (
        lambda t: -a * t + math.exp(min(b * (t - c), 300.0)),
        lambda t: -a + b * math.exp(min(b * (t - c), 300.0)),
    )


def _corner(a: float, b: float, c: float) -> tuple[Any, Any]:
    return (
        lambda t: math.hypot(t - c, 0.03) + 0.1 * a * t,
        lambda t: (t - c) / math.hypot(t - c, 0.03) + 0.1 * a,
    )


def _cliff(a: float, b: float, c: float) -> tuple[Any, Any]:
    return (
        lambda t: -a * math.tanh(b * (t - c)) + 0.05 * t * t,
        lambda t: -a * b * (1 - math.tanh(b * (t - c)) ** 2) + 0.1 * t,
    )


def _random_searches() -> list[tuple[Any, Any, float, float, int]]:
    """Return functions with their slopes, a first step, a tolerance, and how many points may be tried."""
    rng = np.random.default_rng(3)
    found: list[tuple[Any, Any, float, float, int]] = []
    while len(found) < 400:
        numbers = float(rng.uniform(0.2, 2)), float(10 ** rng.uniform(-1, 1.5)), float(rng.uniform(0.05, 3))
        shapes = [_waves(rng), _wall(*numbers), _corner(*numbers), _cliff(*numbers)]
        f, slope = shapes[len(found) % 4]
        if slope(0.0) < -0.01:
            step, tolerance = 10 ** rng.uniform(-3, 2), rng.choice([1e-9, 1e-9, 0.1, 0.5])
            found.append((f, slope, float(step), float(tolerance), int(rng.choice([1, 2, 4, 25, 25, 25]))))
    return found


def test_the_line_search_tries_what_pytorch_tries() -> None:
    search = pytest.importorskip("torch.optim.lbfgs")._strong_wolfe
    import torch

    direction = torch.tensor([0.5], dtype=torch.float64)
    for f, slope, step, tolerance, most in _random_searches():
        ours: list[float] = []
        theirs: list[float] = []

        def evaluate(t: float, f: Any = f, slope: Any = slope, tried: Any = ours) -> Point:
            tried.append(t)
            return Point(t, f(t), np.array([slope(t)]), slope(t))

        def objective(x: Any, t: Any, d: Any, f: Any = f, slope: Any = slope, tried: Any = theirs) -> Any:
            tried.append(float(t))
            return f(float(t)), torch.tensor([2 * slope(float(t))], dtype=torch.float64)

        start = Point(0.0, f(0.0), np.array([slope(0.0)]), slope(0.0))
        found, tried = strong_wolfe(evaluate, start, step, 0.5, most, tolerance)
        gradient = torch.tensor([2 * slope(0.0)], dtype=torch.float64)
        loss, _, t, count = search(
            objective, None, step, direction, f(0.0), gradient, slope(0.0), tolerance_change=tolerance, max_ls=most
        )
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)
        assert tried == len(ours) == count
        assert (found.step, found.loss) == pytest.approx((float(t), float(loss)), rel=1e-6, abs=1e-9)


_LBFGS_OPTIONS: list[dict[str, Any]] = [
    {"max_iter": 1},
    {"max_iter": 4},
    {"max_iter": 4, "max_eval": 3},
    {"max_iter": 3, "max_eval": 99, "line_search_fn": "strong_wolfe"},
    {"max_iter": 8, "history_size": 2},
    {"max_iter": 30, "lr": 0.5, "tolerance_change": 1e-2},
    {"max_iter": 30, "lr": 0.5, "tolerance_grad": 1e-1},
    {"max_iter": 30, "line_search_fn": "strong_wolfe", "max_eval": 7},
    {"max_iter": 30, "line_search_fn": "strong_wolfe", "tolerance_change": 1e-3},
    {"max_iter": 5, "line_search_fn": "strong_wolfe", "history_size": 2},
    {"line_search_fn": "strong_wolfe", "lr": 30.0},
]


@pytest.mark.parametrize("scale", [1.0, 30.0, 0.05])
@pytest.mark.parametrize("options", _LBFGS_OPTIONS, ids=str)
def test_lbfgs_goes_where_pytorch_goes(options: dict[str, Any], scale: float) -> None:
    torch = pytest.importorskip("torch")
    a = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, 0.5], [0.2, 0.5, 1.0]]) * scale
    x, y = nn.Parameter([0.4, -0.2, 0.3]), torch.tensor([0.4, -0.2, 0.3], dtype=torch.float64, requires_grad=True)
    ours, theirs = optim.LBFGS([x], **options), torch.optim.LBFGS([y], **options)
    calls = [0, 0]

    def our_loss() -> Any:
        ours.zero_grad()
        calls[0] += 1
        loss = 0.5 * (x @ (a @ x)) + ag.sum((x - 0.3) ** 4)
        loss.backward()
        return loss

    def their_loss() -> Any:
        theirs.zero_grad()
        calls[1] += 1
        loss = 0.5 * (y @ (torch.tensor(a) @ y)) + torch.sum((y - 0.3) ** 4)
        loss.backward()
        return loss

    for _ in range(3):
        assert ours.step(our_loss).item() == pytest.approx(theirs.step(their_loss).item(), rel=1e-6)
        np.testing.assert_allclose(x.numpy(), y.detach().numpy(), rtol=1e-6, atol=1e-9)
        assert calls[0] == calls[1]
        (memory,) = theirs.state.values()
        assert ours.state[x]["n_iter"] == memory["n_iter"]
        assert ours.state[x]["func_evals"] == memory["func_evals"] == calls[0]
        np.testing.assert_allclose(ours.state[x]["H_diag"], float(memory["H_diag"]), rtol=1e-5)


def test_lbfgs_forgets_when_a_fresh_state_is_loaded() -> None:
    x = nn.Parameter([3.0, 1.0])
    optimizer = optim.LBFGS([x], max_iter=3)
    fresh = optimizer.state_dict()

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ag.sum(x**4)
        loss.backward()
        return loss

    optimizer.step(closure)
    first = optimizer.state[x]
    optimizer.load_state_dict(fresh)
    assert optimizer.state == {}
    x.data = np.array([3.0, 1.0])
    optimizer.step(closure)
    again = optimizer.state[x]
    assert first.keys() == again.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda p: optim.SGD(p), set()),
        (lambda p: optim.SGD(p, momentum=0.9), {"momentum_buffer"}),
        (lambda p: optim.Adam(p), {"step", "exp_avg", "exp_avg_sq"}),
        (lambda p: optim.Adam(p, amsgrad=True), {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
        (lambda p: optim.RMSprop(p, momentum=0.9), {"step", "square_avg", "momentum_buffer"}),
        (lambda p: optim.RMSprop(p, centered=True), {"step", "square_avg", "grad_avg"}),
    ],
)
def test_the_state_holds_what_the_options_need(make: Any, names: set[str]) -> None:
    w = nn.Parameter([1.0])
    optimizer = make([w])
    w.grad = np.ones(1)
    optimizer.step()
    assert set(optimizer.state_dict()["state"].get(0, {})) == names


def _minimised(optimizer: optim.LBFGS, x: Any, loss: Any) -> tuple[float, int]:
    """Make one step; return the loss that it gives back, and how often it was computed."""
    calls = 0

    def closure() -> Any:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        y = loss(x)
        y.backward()
        return y

    return optimizer.step(closure).item(), calls


def test_lbfgs_searches_within_what_is_left_of_the_evaluations() -> None:
    x = nn.Parameter([3.0])
    optimizer = optim.LBFGS([x], lr=1e-9, max_eval=4, line_search_fn="strong_wolfe")
    assert _minimised(optimizer, x, lambda x: ag.sum(x * x))[1] <= 5


def test_lbfgs_stops_at_a_small_move_and_returns_the_first_loss() -> None:
    x = nn.Parameter([1e-4])
    optimizer = optim.LBFGS([x], tolerance_change=1e-3, line_search_fn="strong_wolfe")
    first, calls = _minimised(optimizer, x, lambda x: ag.sum(1e6 * x * x))
    assert first == pytest.approx(0.01)
    assert calls < 20
    assert abs(x.item()) < 1e-5


def test_lbfgs_of_a_single_number_goes_on_from_its_state() -> None:
    x, y = nn.Parameter([3.0]), nn.Parameter([3.0])
    ours, theirs = (optim.LBFGS([p], lr=0.1, max_iter=4) for p in (x, y))
    for p, optimizer in ((x, ours), (y, theirs)):
        _minimised(optimizer, p, lambda p: ag.sum(p**4))
    fresh = optim.LBFGS([y], lr=0.1, max_iter=4)
    state = theirs.state_dict()
    state["state"][0]["old_dirs"] = [ag.Tensor(row) for row in state["state"][0]["old_dirs"]]
    fresh.load_state_dict(state)
    for p, optimizer in ((x, ours), (y, fresh)):
        _minimised(optimizer, p, lambda p: ag.sum(p**4))
    np.testing.assert_array_equal(x.numpy(), y.numpy())


def _searched(f: Any, slope: Any, step: float, most: int = 25) -> tuple[Point, list[float]]:
    tried: list[float] = []

    def evaluate(t: float) -> Point:
        tried.append(t)
        return Point(t, f(t), np.zeros(1), slope(t))

    found, count = strong_wolfe(evaluate, Point(0.0, f(0.0), np.zeros(1), slope(0.0)), step, 1.0, most)
    assert count == len(tried)
    return found, tried


def test_a_flat_point_above_the_start_is_not_taken() -> None:
    found, tried = _searched(
        lambda t: -t + 2.00015 * t**2 - 1.0001 * t**3, lambda t: -1 + 4.0003 * t - 3.0003 * t**2, 1.0
    )
    assert tried[0] == 1.0
    assert found.loss <= -1e-4 * found.step < 0


def test_the_search_turns_back_from_the_third_point_that_is_no_lower() -> None:
    found, tried = _searched(lambda t: -t if t < 0.5 else -0.05, lambda t: -1.0, 0.01, 6)
    assert tried[:3] == pytest.approx([0.01, 0.1, 1.0])
    assert max(tried) <= 1.0
    assert found.loss <= -0.1


def test_a_gradient_of_another_shape_is_refused_at_every_step() -> None:
    w = nn.Parameter(np.ones((2, 3)))
    optimizer = optim.SGD([w], lr=0.1)
    for _ in range(2):
        w.grad = np.ones((2, 3))
        optimizer.step()
    w.grad = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"has shape \(3, 2\): it was set by hand"):
        optimizer.step()
    np.testing.assert_allclose(w.numpy(), 0.8)


def test_momentum_goes_on_where_it_was_switched_off() -> None:
    w, g = nn.Parameter([1.0]), [0.5, 0.25, 2.0]
    optimizer = optim.SGD([w], lr=1.0, momentum=0.9)
    for momentum, gradient in zip((0.9, 0.0, 0.9), g, strict=True):
        optimizer.param_groups[0]["momentum"] = momentum
        w.grad = np.array([gradient])
        optimizer.step()
    assert w.item() == pytest.approx(1 - g[0] - g[1] - (0.9 * g[0] + g[2]))


def test_amsgrad_switched_on_later_keeps_the_moments() -> None:
    models = [[nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])] for _ in range(2)]
    one, other = (optim.Adam(params, lr=0.1) for params in models)
    for step in range(2):
        for params, optimizer in zip(models, (one, other), strict=True):
            for p in params:
                p.grad = np.arange(1.0, p.size + 1) * (step + 1)
            optimizer.step()
        other.param_groups[0]["amsgrad"] = True
    for i, (plain, p) in enumerate(zip(*models, strict=True)):
        np.testing.assert_array_equal(p.numpy(), plain.numpy())
        for name in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_array_equal(other.state_dict()["state"][i][name], one.state_dict()["state"][i][name])
