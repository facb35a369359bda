"""Losses, optimisers, schedules, clipping and initial values beside PyTorch's; skipped where it is not installed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
import nn.functional as F  # noqa: N812

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _double() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # in single precision NAdam keeps its momentum product in it too
    yield
    torch.set_default_dtype(before)


def theirs(array: Any, requires_grad: bool = False) -> Any:
    return torch.tensor(np.asarray(array), requires_grad=requires_grad)


def assert_same(ours: Any, reference: Any, rtol: float) -> None:
    array = ours.numpy() if isinstance(ours, ag.Tensor) else np.asarray(ours)
    np.testing.assert_allclose(array, reference.detach().numpy(), rtol=rtol, atol=rtol)


rng = np.random.default_rng(0)
SIGNS = np.where(rng.random((6, 3)) < 0.5, 1, -1)
WIDE = np.concatenate([rng.normal(size=(5, 3)), [[-50.0, 30.0, 0.7]]])
ROWS = rng.random((6, 3)) + 0.1
ROWS /= ROWS.sum(axis=1, keepdims=True)
LOG_P = np.log(ROWS[::-1])
LABELS = rng.integers(0, 3, 6)
WEIGHT = rng.uniform(0.5, 2, 3)

# name, settings, inputs, target
LOSSES: list[tuple[str, dict[str, Any], list[Any], Any]] = [
    ("SmoothL1Loss", {}, [WIDE], ROWS),
    ("SmoothL1Loss", {"beta": 0.3}, [WIDE], ROWS),
    ("SmoothL1Loss", {"beta": 0.0}, [WIDE], ROWS),
    ("HuberLoss", {}, [WIDE], ROWS),
    ("HuberLoss", {"delta": 0.3}, [WIDE], ROWS),
    ("KLDivLoss", {}, [LOG_P], ROWS),
    ("KLDivLoss", {}, [LOG_P], np.where(ROWS > 0.3, ROWS, 0)),
    ("KLDivLoss", {"log_target": True}, [LOG_P], np.log(ROWS)),
    ("HingeEmbeddingLoss", {}, [np.abs(WIDE)], SIGNS),
    ("HingeEmbeddingLoss", {"margin": 0.4}, [WIDE], SIGNS),
    ("CosineEmbeddingLoss", {}, [WIDE, ROWS], SIGNS[:, 0]),
    ("CosineEmbeddingLoss", {"margin": 0.5}, [WIDE, ROWS], SIGNS[:, 0]),
    ("CosineEmbeddingLoss", {}, [WIDE[0], ROWS[0]], SIGNS[0, 0]),
    ("BCELoss", {"weight": WEIGHT}, [ROWS], (SIGNS + 1) / 2),
    ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, [WIDE], (SIGNS + 1) / 2),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": 1 / WEIGHT}, [WIDE], ROWS),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 1}, [LOG_P], LABELS),
    ("NLLLoss", {}, [LOG_P.reshape(2, 3, 3)], LABELS.reshape(2, 3)),
    ("CrossEntropyLoss", {"weight": WEIGHT}, [WIDE], LABELS),
    ("CrossEntropyLoss", {"label_smoothing": 0.2}, [WIDE], LABELS),
    ("CrossEntropyLoss", {"ignore_index": 2, "label_smoothing": 0.2, "weight": WEIGHT}, [WIDE], LABELS),
    ("CrossEntropyLoss", {"label_smoothing": 0.2, "weight": WEIGHT}, [WIDE], ROWS),
    ("CrossEntropyLoss", {"weight": WEIGHT}, [WIDE.reshape(2, 3, 3)], LABELS.reshape(2, 3)),
    ("CrossEntropyLoss", {}, [WIDE[5]], LABELS[5]),
]


REDUCED = [(r, *case) for case in LOSSES for r in ("mean", "sum", "none", "batchmean")]


@pytest.mark.parametrize(
    ("reduction", "name", "settings", "inputs", "target"),
    [case for case in REDUCED if case[0] != "batchmean" or case[1] == "KLDivLoss"],
)
def test_loss(reduction: str, name: str, settings: dict[str, Any], inputs: list[Any], target: Any) -> None:
    ours = [ag.Tensor(x, requires_grad=True) for x in inputs]
    reference = [theirs(x, True) for x in inputs]
    torch_settings = {k: theirs(v) if isinstance(v, np.ndarray) else v for k, v in settings.items()}
    y = getattr(nn, name)(reduction=reduction, **settings)(*ours, target)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="reduction: 'mean' divides")
        z = getattr(torch.nn, name)(reduction=reduction, **torch_settings)(*reference, theirs(target))
    upstream = np.random.default_rng(1).normal(size=y.shape)
    y.backward(upstream)
    z.backward(theirs(upstream))
    assert_same(y, z, 1e-11)
    for a, b in zip(ours, reference, strict=True):
        assert_same(a.grad, b.grad, 1e-11)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "arguments", "target"),
    [
        ("smooth_l1_loss", {"beta": 0.5}, ROWS),
        ("huber_loss", {"delta": 0.5}, ROWS),
        ("kl_div", {"log_target": True}, np.log(ROWS)),
        ("hinge_embedding_loss", {"margin": 0.5}, SIGNS),
    ],
)
def test_functional_forms(name: str, arguments: dict[str, Any], target: Any, reduction: str) -> None:
    y = getattr(F, name)(WIDE, target, reduction=reduction, **arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="reduction: 'mean' divides")
        z = getattr(torch.nn.functional, name)(theirs(WIDE), theirs(target), reduction=reduction, **arguments)
    assert_same(y, z, 1e-11)


def torch_focal(x: Any, t: Any, alpha: float, gamma: float) -> Any:
    """The formulas of Lin et al. 2017, as torchvision writes them."""
    p = torch.sigmoid(x)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    truth = p * t + (1 - p) * (1 - t)
    loss = entropy * (1 - truth) ** gamma
    return loss * (alpha * t + (1 - alpha) * (1 - t)) if alpha >= 0 else loss


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (-1, 2.0), (0.7, 0.0), (0.5, 1.5)])
def test_sigmoid_focal_loss(alpha: float, gamma: float) -> None:
    x, t = rng.normal(size=(6, 3)) * 2, (SIGNS + 1) / 2
    ours, reference = ag.Tensor(x, requires_grad=True), theirs(x, True)
    y = nn.SigmoidFocalLoss(alpha, gamma)(ours, t)
    z = torch_focal(reference, theirs(t), alpha, gamma).mean()
    y.backward()
    z.backward()
    assert_same(y, z, 1e-11)
    assert_same(ours.grad, reference.grad, 1e-11)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_focal_loss(gamma: float) -> None:
    x = rng.normal(size=(6, 3)) * 2
    ours, reference = ag.Tensor(x, requires_grad=True), theirs(x, True)
    y = nn.FocalLoss(WEIGHT, gamma, ignore_index=2)(ours, LABELS)
    log_p = torch.log_softmax(reference, 1).gather(1, theirs(LABELS)[:, None])[:, 0]
    weights = theirs(WEIGHT * [1, 1, 0])[LABELS]
    z = (-weights * (1 - log_p.exp()) ** gamma * log_p).sum() / weights.sum()
    y.backward()
    z.backward()
    assert_same(y, z, 1e-11)
    assert_same(ours.grad, reference.grad, 1e-11)


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1, "momentum_decay": 0.1, "eps": 1e-3}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.8, "centered": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "maximize": True}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.5}),
]
X, T = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))


def twins(name: str, settings: dict[str, Any], grouped: bool = False) -> tuple[Any, ...]:
    ag.manual_seed(2)
    ours = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    reference = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    reference.load_state_dict({key: theirs(x) for key, x in ours.state_dict().items()})
    optimizers = []
    for module, model in ((nn, ours), (torch, reference)):
        params: Any = list(model.parameters())
        if grouped:
            params = [{"params": params[:1]}, {"params": params[1:], "lr": 0.004}]
        optimizers.append(getattr(module.optim, name)(params, **settings))
    return ours, reference, *optimizers


def step_both(ours: Any, reference: Any, mine: Any, other: Any, missing: bool = False) -> None:
    mine.zero_grad()
    other.zero_grad()
    ag.tanh(ag.mean(ag.square(ours(X) - T))).backward()
    ((reference(theirs(X)) - theirs(T)) ** 2).mean().tanh().backward()
    if missing:
        ours[0].weight.grad = ours[2].bias.grad = None
        reference[0].weight.grad = reference[2].bias.grad = None
    mine.step()
    other.step()


def assert_same_states(ours: Any, reference: Any, mine: Any, other: Any) -> None:
    for key, array in reference.state_dict().items():
        assert_same(ours.state_dict()[key], array, 1e-10)
    a, b = mine.state_dict(), other.state_dict()
    assert a["state"].keys() == b["state"].keys()
    for i, own in b["state"].items():
        assert a["state"][i].keys() == {k for k, v in own.items() if v is not None}
        for key, value in a["state"][i].items():
            assert_same(value, own[key], 1e-10)
    assert [group["params"] for group in a["param_groups"]] == [group["params"] for group in b["param_groups"]]
    assert all(b["param_groups"][0][k] == v for k, v in a["param_groups"][0].items())


@pytest.mark.parametrize("case", ["plain", "missing", "grouped"])
@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_over_100_steps(name: str, settings: dict[str, Any], case: str) -> None:
    both = twins(name, settings, grouped=case == "grouped")
    for step in range(100):
        step_both(*both, case == "missing" and step % 3 == 0)
    assert_same_states(*both)


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_state_moves_both_ways(name: str, settings: dict[str, Any]) -> None:
    ours, reference, mine, other = twins(name, settings)
    for _ in range(3):
        step_both(ours, reference, mine, other)
    resumed = getattr(nn.optim, name)(ours.parameters(), lr=1.0)
    resumed.load_state_dict(other.state_dict())
    state = mine.state_dict()
    state["state"] = {i: {k: theirs(x) for k, x in own.items()} for i, own in state["state"].items()}
    other.load_state_dict(state)
    for _ in range(3):
        step_both(ours, reference, resumed, other)
    assert_same_states(ours, reference, resumed, other)


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer_on_values(name: str, settings: dict[str, Any]) -> None:
    start = np.random.default_rng(5).normal(size=5)
    values, reference = [ag.Value(x) for x in start], theirs(start, True)
    mine, other = getattr(nn.optim, name)(values, **settings), getattr(torch.optim, name)([reference], **settings)
    for _ in range(100):
        mine.zero_grad()
        other.zero_grad()
        sum((v * v * (i + 1) for i, v in enumerate(values)), ag.Value(0.0)).backward()
        (reference**2 * torch.arange(1, 6)).sum().backward()
        mine.step()
        other.step()
    assert_same([v.data for v in values], reference, 1e-10)
    assert all(type(v.data) is float for v in values)


def rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.001},
        {"lr": 0.01, "history_size": 3, "max_iter": 5},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "lr": 0.1, "history_size": 2, "max_iter": 6},
        {"line_search_fn": "strong_wolfe", "lr": 30.0, "max_eval": 7},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "tolerance_change": 1e-3},
    ],
)
def test_lbfgs(settings: dict[str, Any]) -> None:
    ours, reference = nn.Parameter([-1.2, 1.0]), theirs([-1.2, 1.0], True)
    mine, other = nn.optim.LBFGS([ours], **settings), torch.optim.LBFGS([reference], **settings)

    def loss(x: Any, optimizer: Any) -> Any:
        optimizer.zero_grad()
        y = rosenbrock(x[0], x[1])
        y.backward()
        return y

    for _ in range(6):
        a, b = mine.step(lambda: loss(ours, mine)), other.step(lambda: loss(reference, other))
        assert_same(a, b, 1e-9)
        assert_same(ours, reference, 1e-9)
    (own,), (expected,) = mine.state.values(), other.state.values()
    for name in ("n_iter", "func_evals", "d", "prev_flat_grad"):
        np.testing.assert_allclose(own[name], np.asarray(expected[name]), rtol=1e-5, atol=1e-9)


def test_lbfgs_on_a_network() -> None:
    ours, reference, mine, other = twins("LBFGS", {"line_search_fn": "strong_wolfe", "max_iter": 6})

    def closure() -> Any:
        mine.zero_grad()
        loss = ag.mean(ag.square(ours(X) - T))
        loss.backward()
        return loss

    def torch_closure() -> Any:
        other.zero_grad()
        loss = ((reference(theirs(X)) - theirs(T)) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(2):
        mine.step(closure)
        other.step(torch_closure)
    for key, array in reference.state_dict().items():
        assert_same(ours.state_dict()[key], array, 1e-8)
    resumed = nn.optim.LBFGS(ours.parameters())
    resumed.load_state_dict(other.state_dict())
    assert resumed.state_dict()["param_groups"][0]["line_search_fn"] == "strong_wolfe"
    for name, x in mine.state[ours[0].weight].items():
        np.testing.assert_allclose(resumed.state[ours[0].weight][name], x, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AdamW", {"lr": -1.0}), ("NAdam", {"momentum_decay": -1.0}), ("NAdam", {"betas": (1.0, 0.9)}),
        ("NAdam", {"eps": -1.0}), ("Adagrad", {"lr_decay": -1.0}), ("Adagrad", {"initial_accumulator_value": -1.0}),
        ("RMSprop", {"alpha": -1.0}), ("RMSprop", {"momentum": -1.0}), ("RMSprop", {"weight_decay": -1.0}),
        ("LBFGS", {"lr": -1.0}),
    ],
)  # fmt: skip
def test_error_texts(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w") as reference:
        getattr(torch.optim, name)([theirs([1.0], True)], **settings)
    with pytest.raises(ValueError, match=r"\w") as ours:
        getattr(nn.optim, name)([nn.Parameter([1.0])], **settings)
    assert str(ours.value) == str(reference.value)


def halving(epoch: int) -> float:
    return 1 / (1 + epoch)


def wobbling(epoch: int) -> float:
    return 0.99 + 0.02 * (epoch % 2)


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": halving}),
    ("LambdaLR", {"lr_lambda": [halving, wobbling]}),
    ("MultiplicativeLR", {"lr_lambda": wobbling}),
    ("StepLR", {"step_size": 30}),
    ("StepLR", {"step_size": 1, "gamma": 0.99}),
    ("MultiStepLR", {"milestones": [100, 20, 20, 150], "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [0, 3]}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 50}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.0, "total_iters": 60}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 150, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 10}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.001}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 13}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.3, 0.2], "step_size_up": 8, "step_size_down": 21}),
    ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": 0.3, "step_size_up": 21, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 8, "mode": "exp_range", "gamma": 0.99}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 8, "scale_fn": halving, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 8, "scale_fn": halving, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 201}),
    ("OneCycleLR", {"max_lr": [0.3, 0.2], "epochs": 20, "steps_per_epoch": 11, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 201, "three_phase": True, "pct_start": 0.2, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 201, "pct_start": 0.0, "div_factor": 5.0, "final_div_factor": 10.0}),
    ("ReduceLROnPlateau", {"patience": 3}),
    ("ReduceLROnPlateau", {"mode": "max", "threshold_mode": "abs", "threshold": 0.2, "cooldown": 4, "min_lr": 0.001}),
    ("ReduceLROnPlateau", {"patience": 0, "factor": 0.7, "threshold": 0.1, "min_lr": [0.01, 0.02]}),
]  # fmt: skip
CHAINS: list[tuple[str, list[tuple[str, dict[str, Any]]], Any]] = [
    ("SequentialLR", [("LinearLR", {"total_iters": 20}), ("CosineAnnealingLR", {"T_max": 60})], [20]),
    ("SequentialLR", [("ConstantLR", {}), ("ExponentialLR", {"gamma": 0.9}), ("StepLR", {"step_size": 9})], [30, 100]),
    ("SequentialLR", [("LambdaLR", {"lr_lambda": wobbling}), ("CosineAnnealingWarmRestarts", {"T_0": 9})], [50]),
    ("SequentialLR", [("PolynomialLR", {}), ("OneCycleLR", {"max_lr": 0.3, "total_steps": 170})], [40]),
    ("SequentialLR", [("LinearLR", {}), ("MultiStepLR", {"milestones": [5, 90]}), ("LinearLR", {})], [10, 120]),
    ("ChainedScheduler", [("ConstantLR", {"total_iters": 60}), ("ExponentialLR", {"gamma": 0.98})], None),
    ("ChainedScheduler", [("LinearLR", {"total_iters": 60}), ("CosineAnnealingLR", {"T_max": 80})], None),
    ("ChainedScheduler", [("PolynomialLR", {"total_iters": 300}), ("StepLR", {"step_size": 50})], None),
]  # fmt: skip
METRICS = np.random.default_rng(2).normal(size=300).cumsum() / 5


def optimizers(name: str) -> tuple[Any, Any]:
    """Two optimisers of two groups: SGD, or Adam, whose momentum is the first of the betas."""
    settings: dict[str, Any] = {"momentum": 0.5} if name == "SGD" else {}
    made = []
    for module, parameter in ((nn, nn.Parameter), (torch, torch.nn.Parameter)):
        data: Any = np.ones(1) if module is nn else torch.ones(1, dtype=torch.float64)
        groups = [{"params": [parameter(data)]}, {"params": [parameter(data)], "lr": 0.05}]
        made.append(getattr(module.optim, name)(groups, lr=0.1, **settings))
    return made[0], made[1]


def make(name: str, settings: Any, mine: Any, other: Any, milestones: Any = None) -> tuple[Any, Any]:
    theirs_ = torch.optim.lr_scheduler
    if not isinstance(settings, list):
        return getattr(nn.schedule, name)(mine, **settings), getattr(theirs_, name)(other, **settings)
    pairs = [make(*inner, mine, other) for inner in settings]
    ours, reference = ([pair[i] for pair in pairs] for i in (0, 1))
    if name == "ChainedScheduler":
        return nn.schedule.ChainedScheduler(ours), theirs_.ChainedScheduler(reference)
    return nn.schedule.SequentialLR(mine, ours, milestones), theirs_.SequentialLR(other, reference, milestones)


ALL = [("SGD", *case) for case in [(name, settings, None) for name, settings in SCHEDULES] + CHAINS]
ALL += [("Adam", *case) for _, *case in ALL if case[0] in ("CyclicLR", "OneCycleLR")]


@pytest.mark.filterwarnings("ignore:.*optimizer.step.*")
@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(("optimizer", "name", "settings", "milestones"), ALL)
def test_schedule_over_200_steps(optimizer: str, name: str, settings: Any, milestones: Any, resumed: bool) -> None:
    mine, other = optimizers(optimizer)
    ours, reference = make(name, settings, mine, other, milestones)
    for step in range(200):
        for a, b in zip(mine.param_groups, other.param_groups, strict=True):
            for key in ("lr", "momentum", "betas"):
                if key in a:
                    np.testing.assert_allclose(a[key], b[key], rtol=1e-12, atol=1e-18, err_msg=f"{key} at {step}")
        np.testing.assert_allclose(ours.get_last_lr(), reference.get_last_lr(), rtol=1e-12, atol=1e-18)
        mine.step()
        arguments = (METRICS[step],) if name == "ReduceLROnPlateau" else ()
        ours.step(*arguments)
        reference.step(*arguments)
        if resumed and step in (0, 37, 119):
            saved, schedule = mine.state_dict(), ours.state_dict()
            mine = optimizers(optimizer)[0]
            ours = make(name, settings, mine, optimizers(optimizer)[1], milestones)[0]
            mine.load_state_dict(saved)
            ours.load_state_dict(schedule)


@pytest.mark.filterwarnings("ignore:.*optimizer.step.*")
def test_fractional_epochs_of_warm_restarts() -> None:
    mine, other = optimizers("SGD")
    ours, reference = make("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}, mine, other)
    for i in range(100):
        ours.step(i / 7)
        reference.step(i / 7)
        np.testing.assert_allclose(ours.get_last_lr(), reference.get_last_lr(), rtol=1e-12)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf"), 3.0])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clipping_by_norm(norm_type: float, max_norm: float) -> None:
    shapes: list[tuple[int, ...]] = [(3, 4), (), (5,)]
    gradients = [rng.normal(size=shape) * 3 for shape in shapes]
    ours = [nn.Parameter(np.zeros(shape)) for shape in (*shapes, (2,))]
    reference = [theirs(np.zeros(shape), True) for shape in (*shapes, (2,))]
    for p, q, g in zip(ours, reference, gradients, strict=False):
        p.grad, q.grad = g.copy(), theirs(g)
    total = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(reference, max_norm, norm_type)
    np.testing.assert_allclose(total, expected.item(), rtol=1e-13)
    for p, q in zip(ours[:3], reference, strict=False):
        assert_same(p.grad, q.grad, 1e-13)
    nn.utils.clip_grad_value_(ours, 0.1)
    torch.nn.utils.clip_grad_value_(reference, 0.1)
    for p, q in zip(ours[:3], reference, strict=False):
        assert_same(p.grad, q.grad, 1e-13)
    assert ours[3].grad is None


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 1), ((4, 2, 3, 4), 2), ((2, 4, 5, 1, 3), 1), ((6, 3, 2), 3)])
def test_dirac(shape: tuple[int, ...], groups: int) -> None:
    ours, reference = nn.Parameter(np.ones(shape)), torch.ones(shape, dtype=torch.float64)
    nn.init.dirac_(ours, groups)
    torch.nn.init.dirac_(reference, groups)
    np.testing.assert_array_equal(ours.numpy(), reference.numpy())


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.9, 1.0])
def test_sparse(sparsity: float) -> None:
    ours, reference = nn.Parameter(np.ones((30, 50))), torch.ones(30, 50)
    nn.init.sparse_(ours, sparsity, std=2.0)
    torch.nn.init.sparse_(reference, sparsity, std=2.0)
    np.testing.assert_array_equal((ours.numpy() == 0).sum(axis=0), (reference.numpy() == 0).sum(axis=0))
    assert abs(ours.numpy().std() - reference.numpy().std()) < 0.15


def test_vectors() -> None:
    ours, reference = nn.Linear(3, 2), torch.nn.Linear(3, 2).double()
    reference.load_state_dict({key: theirs(x) for key, x in ours.state_dict().items()})
    vector = nn.utils.parameters_to_vector(ours.parameters())
    assert_same(vector, torch.nn.utils.parameters_to_vector(reference.parameters()), 0)
    nn.utils.vector_to_parameters(vector * 2, ours.parameters())
    torch.nn.utils.vector_to_parameters(theirs(vector.numpy() * 2), reference.parameters())
    for key, x in reference.state_dict().items():
        assert_same(ours.state_dict()[key], x, 0)
