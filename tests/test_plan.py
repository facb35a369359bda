"""Programs lowered to plans of primitive steps give what the engine gives, on these data and on others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value, ops
from autograd_lite.check.sample import samples
from autograd_lite.graph import data_of
from autograd_lite.replay.plan import build
from autograd_lite.replay.primitive import Call
from tests.plans import close, program_of

LABELS = np.array([0, 2, 1, 4, 3, 0, 1, 2])
CLASSES = (np.arange(40).reshape(8, 5) % 3 == 0).astype(float)


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng([seed, *shape]).normal(size=shape), requires_grad=True)


def check(f: Any, inputs: list[Any], leaves: Any = (), opaque: tuple[str, ...] = ()) -> None:
    """Compare a plan of ``f`` with the engine, twice on the same data and once on others."""
    leaves = list(leaves)
    program, expected = program_of(f, inputs, leaves)
    run: Any = build(program)
    for _ in range(2):
        close(run([data_of(x) for x in inputs]), expected)
    rng = np.random.default_rng(5)
    others = [Tensor(rng.normal(size=x.shape), requires_grad=True) if isinstance(x, Tensor) else x for x in inputs]
    for leaf in leaves:
        leaf.data = leaf.data * 0.9 + 0.01
    _, expected = program_of(f, others, leaves)
    close(run([data_of(x) for x in others]), expected)
    calls = {s.name for s in run.plan.steps if isinstance(s, Call)}
    assert calls == set(opaque), f"calls of {calls}, expected {opaque}"


W, B, X = tensor(4, 5), tensor(4), tensor(8, 5)
TARGET = np.random.default_rng(1).normal(size=(8, 4))

FUNCTIONS: dict[str, Any] = {
    "relu layer": lambda x: ag.mse_loss(ag.relu(ag.linear(x, W, B)), TARGET),
    "tanh layer": lambda x: ag.sum(np.tanh(ag.linear(x, W, B)) ** 2),
    "sum, mean, max": lambda x: ag.sum(ag.max(x, axis=1) * ag.mean(x, axis=1)) + ag.min(x),
    "var, std": lambda x: ag.sum(ag.var(x, axis=0) * ag.std(x, axis=0)),
    "softmax": lambda x: ag.sum(ag.softmax(x) * x),
    "log_softmax": lambda x: ag.sum(ag.log_softmax(x, axis=0) * x),
    "logsumexp": lambda x: ag.sum(ag.logsumexp(x, axis=1)),
    "bce_with_logits": lambda x: ag.bce_with_logits(x, CLASSES),
    "slices": lambda x: ag.sum(x[1:3, ::2] ** 2) + ag.sum(x[0]) + ag.sum(x[:, 1] * x[::-1, 2]),
    "joined": lambda x: ag.sum(np.concatenate([x, x * 2, W]) ** 2) + ag.sum(np.stack([x, x], axis=1) ** 3),
    "split": lambda x: sum(ag.sum(p**3) * i for i, p in enumerate(ag.split(x, 4))),
    "transposed": lambda x: ag.sum((x.T @ x).reshape(-1) ** 2),
    "padded": lambda x: ag.sum(np.pad(x, ((1, 1), (0, 2))) ** 2),
    "einsum": lambda x: ag.sum(np.einsum("ij,kj->ik", x, W) ** 2),
    "where": lambda x: ag.sum(np.where(CLASSES, np.sqrt(np.abs(x)), x * x)),
    "strong zero": lambda x: ag.sum(ag.where(CLASSES, np.sqrt(np.maximum(x, 0.0)), 0.0) ** 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_common_functions_have_no_opaque_step(name: str) -> None:
    check(FUNCTIONS[name], [X], [W, B] if "layer" in name else [W] if name in ("joined", "einsum") else [])


@pytest.mark.parametrize("name", "relu tanh sigmoid gelu gelu_tanh silu softplus elu selu logsigmoid mish".split())
def test_activations_have_no_opaque_step(name: str) -> None:
    check(lambda x: ag.mean(getattr(ag, name)(x) * 2.5), [X])


def test_losses_of_labels_call_only_their_check() -> None:
    weights = np.arange(1.0, 6.0)
    for f in (
        lambda x: ag.cross_entropy(x, LABELS),
        lambda x: ag.cross_entropy(x, LABELS, weight=weights, label_smoothing=0.1, ignore_index=2),
        lambda x: ag.nll_loss(ag.log_softmax(x), LABELS, reduction="sum"),
    ):
        check(f, [X], opaque=("check_labels",))


@pytest.mark.parametrize("name", ops.TABLE)
def test_every_op_gives_the_engines_gradients(name: str) -> None:
    op = ops.TABLE[name]
    for sample in samples(op):
        if not sample.is_differentiable:
            continue
        nodes = [Tensor(x, requires_grad=True) for x in sample.primals]
        weights = np.random.default_rng(3).normal(size=sample.value.shape)
        program, expected = program_of(lambda *xs, s=sample, w=weights: ag.sum(s(*xs) * w), nodes)
        run = build(program)
        for _ in range(2):
            close(run([x._data for x in nodes]), expected)


def _mlp() -> Any:
    rng = np.random.default_rng(0)
    layers = [nn.Linear(5, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 7), nn.Tanh(), nn.LayerNorm(7)]
    return nn.Sequential(*layers, nn.Dropout(0.3, generator=rng), nn.Linear(7, 1), nn.Sigmoid())


MODELS: dict[str, Any] = {
    "MLP": (_mlp, (8, 5), lambda y: ag.mse_loss(y, np.ones((8, 1)))),
    "CNN": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, stride=2), nn.Tanh(),
            nn.AvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
        ),
        (8, 1, 8, 8),
        lambda y: ag.cross_entropy(y, LABELS),
    ),
    "LSTM": (lambda: nn.LSTM(4, 5), (6, 3, 4), lambda y: ag.sum(y[0] ** 2)),
    "GRU": (lambda: nn.GRU(4, 5, num_layers=2), (6, 3, 4), lambda y: ag.sum(y[0] ** 2)),
    "RNN": (lambda: nn.RNN(4, 5), (6, 3, 4), lambda y: ag.sum(y[0] ** 2)),
    "attention": (lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), (6, 3, 4), lambda y: ag.sum(y**3)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_engines_gradients(name: str) -> None:
    make, shape, loss = MODELS[name]
    ag.manual_seed(0)
    model = make()
    if name == "MLP":  # a mask that stays: draws are the business of a recording
        model[6] = nn.Identity()
    check(lambda x: loss(model(x)), [tensor(*shape)], model.parameters(), ("check_labels",) if name == "CNN" else ())


def test_numbers_and_arrays_mix() -> None:
    a, b, c = Value(0.3), Value(-0.7), Value(1.2)
    check(lambda x, a, b, c: (a * b + c).tanh() * a + (c / a).relu() + c**3 + ag.sum(x * a + b) * c, [X, a, b, c])
    check(lambda *v: ag.sum(Tensor(list(v)) ** 2), [a, b, c])
    check(lambda x: sum(v * v for v in x[0].to_values()), [X])
    narrow = Tensor(np.linspace(-1, 1, 6, dtype=np.float32), requires_grad=True)
    program, expected = program_of(lambda x: ag.sum(x * a * 0.5 + ag.astype(x, "float64")), [narrow], [a])
    close(build(program)([narrow._data]), expected, 1e-6)


def test_an_embedding_gathers_and_scatters() -> None:
    table = nn.Embedding(7, 4)
    rows = np.array([[1, 2], [2, 6]])
    check(lambda: ag.sum(table(rows) ** 2), [], table.parameters(), ("gather", "getitem vjp"))
