"""`compile` on training steps: results and all state are those of the function itself, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value
from tests.compiling import assert_same, compare, parameters_of

RNG = np.random.default_rng(0)


def normal(*shape: int, dtype: Any = np.float64) -> Any:
    return RNG.normal(size=shape).astype(dtype)


def labels(n: int = 6, k: int = 4) -> Any:
    return RNG.integers(0, k, size=n)


BATCHES = [(normal(6, 3), labels()) for _ in range(6)]


def trainer(
    model: Callable[[], Any],
    optimizer: Any = nn.optim.Adam,
    loss: Callable[..., Any] = nn.functional.cross_entropy,
    clip: Callable[..., Any] | None = None,
    schedule: Callable[..., Any] | None = None,
) -> Callable[[], Any]:
    """Return what makes a training step, what shows all state, and the parts."""

    def make() -> Any:
        module = model()
        chosen = optimizer(module.parameters(), lr=0.05)
        rates = schedule(chosen) if schedule is not None else None

        def step(*batch: Any) -> Any:
            *inputs, target = batch
            chosen.zero_grad()
            output = module(*inputs)
            cost = loss(output, target)
            cost.backward()
            norm = clip(module.parameters()) if clip is not None else None
            chosen.step()
            if rates is not None:
                rates.step()
            return cost, {"output": output, "norm": norm}

        def state() -> Any:
            moments = [x for own in chosen.state_dict()["state"].values() for x in own.values()]
            drawn = ag.default_generator().bit_generator.state["state"]["state"]
            gradients = [p.grad for p in module.parameters()]
            return [*module.state_dict().values(), *gradients, *moments, chosen.param_groups[0]["lr"], str(drawn)]

        return step, state, module, chosen

    return make


def mlp(*between: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: nn.Sequential(nn.Linear(3, 5), *[f() for f in between], nn.Linear(5, 4))


class LastStep(nn.Module):
    def __init__(self, kind: Any) -> None:
        self.cells, self.head = kind(3, 5, batch_first=True), nn.Linear(5, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.cells(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        self.layer, self.head = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[:, -1])


def embedded(**options: Any) -> Callable[[], Any]:
    return lambda: nn.Sequential(nn.Embedding(7, 5, **options), nn.Flatten(), nn.Linear(15, 4))


def image_network(dtype: Any) -> Callable[[], Any]:
    def make() -> Any:
        first = (
            nn.Conv2d(1, 4, 3, bias=False, dtype=dtype),
            nn.BatchNorm2d(4, dtype=dtype),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        return nn.Sequential(*first, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 4, dtype=dtype))

    return make


PLACES = [(RNG.integers(0, 7, size=(6, 3)), t) for _, t in BATCHES]
SERIES = [(normal(6, 5, 3), t) for _, t in BATCHES]
CASES = {
    "relu": (trainer(mlp(nn.ReLU)), BATCHES),
    "gelu": (trainer(mlp(nn.GELU)), BATCHES),
    "batch norm": (trainer(mlp(lambda: nn.BatchNorm1d(5), nn.ReLU)), BATCHES),
    "batch norm, mean of all": (trainer(mlp(lambda: nn.BatchNorm1d(5, momentum=None))), BATCHES),
    "layer norm": (trainer(mlp(lambda: nn.LayerNorm(5), nn.Tanh)), BATCHES),
    "dropout": (trainer(mlp(lambda: nn.Dropout(0.3), nn.Tanh)), BATCHES),
    "momentum": (trainer(mlp(nn.Tanh), lambda p, lr: nn.optim.SGD(p, lr=lr, momentum=0.9)), BATCHES),
    "rmsprop": (trainer(mlp(nn.Tanh), nn.optim.RMSprop), BATCHES),
    "clipped norm": (trainer(mlp(nn.Tanh), clip=lambda p: nn.utils.clip_grad_norm_(p, 0.1)), BATCHES),
    "clipped values": (trainer(mlp(nn.Tanh), clip=lambda p: nn.utils.clip_grad_value_(p, 0.01)), BATCHES),
    "schedule": (trainer(mlp(nn.Tanh), schedule=lambda o: nn.schedule.StepLR(o, 2)), BATCHES),
    "embedding": (trainer(embedded()), PLACES),
    "embedding, short rows": (trainer(embedded(max_norm=1.0, padding_idx=0)), PLACES),
    "embedding, by frequency": (trainer(embedded(scale_grad_by_freq=True)), PLACES),
    "convolutions": (trainer(image_network("float64")), [(normal(6, 1, 8, 8), t) for _, t in BATCHES]),
    "float32": (trainer(image_network("float32")), [(normal(6, 1, 8, 8, dtype=np.float32), t) for _, t in BATCHES]),
    "rnn": (trainer(lambda: LastStep(nn.RNN)), SERIES),
    "lstm": (trainer(lambda: LastStep(nn.LSTM)), SERIES),
    "gru": (trainer(lambda: LastStep(nn.GRU)), SERIES),
    "attention": (trainer(Attention, nn.optim.SGD), [(normal(6, 5, 4), t) for _, t in BATCHES]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", ["plain", "numpy", "machine"])
def test_training_steps(name: str, backend: str) -> None:
    if backend == "machine":
        pytest.importorskip("numba")
    make, batches = CASES[name]
    about = 0.0 if backend == "plain" else 1e-4 if name == "float32" else 1e-8  # Adam magnifies rounding errors
    step = compare(make, batches, rtol=about, backend=backend)
    assert step.recordings == 3, "one without gradients, one with, and one to confirm it"


def test_learning_rate_that_changes() -> None:
    def halve(step: Any, state: Any, module: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["lr"] *= 0.5

    step = compare(trainer(mlp(nn.Tanh)), [*BATCHES, halve, *BATCHES, halve, *BATCHES[:2]])
    assert step.recordings == 3


def test_mode_switch() -> None:
    def switch(step: Any, state: Any, module: Any, optimizer: Any) -> None:
        module.train(not module.training)

    make = trainer(mlp(lambda: nn.BatchNorm1d(5), lambda: nn.Dropout(0.3)))
    compare(make, [*BATCHES[:4], switch, *BATCHES[:4], switch, *BATCHES])


def test_shapes_that_change() -> None:
    small = [(x[:2], t[:2]) for x, t in BATCHES]
    step = compare(trainer(mlp(nn.Tanh)), [*BATCHES[:4], *small, *BATCHES, *small])
    assert step.recordings == 5


def test_a_frozen_layer_is_noticed() -> None:
    def freeze(step: Any, state: Any, module: Any, optimizer: Any) -> None:
        module[0].weight.requires_grad_(False)
        module[0].weight.grad = None

    compare(trainer(mlp(nn.Tanh)), [*BATCHES, freeze, *BATCHES])


def test_weights_loaded_between() -> None:
    def load(step: Any, state: Any, module: Any, optimizer: Any) -> None:
        module.load_state_dict({k: x * 0.5 for k, x in module.state_dict().items()})

    compare(trainer(mlp(nn.Tanh)), [*BATCHES, load, *BATCHES])


def test_gradients_that_accumulate() -> None:
    def make() -> Any:
        w = Tensor([1.0, 2.0], requires_grad=True)

        def step(x: Any) -> Any:
            loss = np.sum(np.sin(w * x))
            loss.backward()
            loss.backward()
            return loss

        return step, parameters_of(w), w

    def clear(step: Any, state: Any, w: Any) -> None:
        w.zero_grad()

    calls = [(normal(2),) for _ in range(4)]
    compare(make, [*calls, clear, *calls])


def test_two_functions_share_gradients() -> None:
    def make() -> Any:
        w = Tensor([1.0, 2.0], requires_grad=True)
        wrapped: dict[str, Any] = {}

        def accumulate(x: Any) -> Any:
            np.sum(w * w * x).backward()

        def update(lr: float) -> None:
            w.data = w.data - lr * w.grad
            w.grad = None

        wrapped["first"], wrapped["second"] = ag.compile(accumulate), ag.compile(update)

        def both(x: Any, compiled: bool) -> Any:
            (wrapped["first"] if compiled else accumulate)(x)
            (wrapped["first"] if compiled else accumulate)(2 * x)
            (wrapped["second"] if compiled else update)(0.1)

        return both, w

    (f, w), (g, v) = make(), make()
    for x in normal(8, 2):
        f(x, False)
        g(x, True)
        np.testing.assert_array_equal(w.numpy(), v.numpy())
        assert v.grad is None


def test_values_in_micrograds_style() -> None:
    def make() -> Any:
        mlp = nn.scalar.MLP(2, [4, 1])
        params = list(mlp.parameters())

        def step(xs: Any, ys: Any) -> Any:
            losses = [
                (1 - y * mlp(x)[0] if isinstance(mlp(x), list) else 1 - y * mlp(x)).relu()
                for x, y in zip(xs, ys, strict=True)
            ]
            loss = sum(losses) * (1.0 / len(losses))
            for p in params:
                p.grad = None
            loss.backward()
            for p in params:
                p.data -= 0.1 * p.grad
            return loss

        return step, parameters_of(*params)

    calls = [(normal(5, 2).tolist(), RNG.choice([-1.0, 1.0], size=5).tolist()) for _ in range(6)]
    compare(make, calls, rtol=1e-12)


def test_second_order_steps() -> None:
    def make() -> Any:
        w = Tensor([0.5, -1.0], requires_grad=True)

        def step(x: Any) -> Any:
            w.grad = None
            y = np.sum(np.sin(w * x) ** 3)
            y.backward(create_graph=True)
            gradient = w.grad
            w.grad = None
            np.sum(gradient * gradient).backward()
            w.data = w.data - 0.01 * w.grad
            return y, gradient

        return step, parameters_of(w)

    compare(make, [(normal(2),) for _ in range(6)], rtol=1e-13)


def test_value_and_tensor_in_one_graph() -> None:
    def make() -> Any:
        s, w = Value(0.7), Tensor([[0.5, -1.0], [2.0, 0.1]], requires_grad=True)

        def step(x: Any, scale: float) -> Any:
            s.grad = w.grad = None
            entries = (w * x).to_values()
            y = sum((v * s).tanh() for v in entries.ravel()) * scale + np.sum(Tensor([s, s * 2.0]) * w)
            y.backward()
            return y

        return step, parameters_of(s, w)

    compare(make, [(normal(2, 2), float(normal())) for _ in range(6)], rtol=1e-13)


TRANSFORMED: dict[str, Callable[[Any], Any]] = {
    "grad": lambda x: ag.grad(lambda a: np.sum(a * a * a))(x),
    "an argument that is not used": lambda x: ag.grad(lambda a, b: np.sum(b * b), (0, 1))(x, x),
    "grad of grad": lambda x: ag.grad(lambda a: np.sum(ag.grad(lambda b: np.sum(b * b * b))(a) * a))(x),
    "vjp": lambda x: ag.vjp(lambda a: a * a, x)[1](x * 3.0),
    "vjp of a constant": lambda x: ag.vjp(lambda a: a * a, x)[1](np.ones(np.shape(x))),
    "jvp": lambda x: ag.jvp(lambda a: a * a, (x,), (x * 3.0,)),
    "jvp of a constant": lambda x: ag.jvp(lambda a: a * a, (x,), (np.ones(np.shape(x)),)),
    "jacobian": lambda x: ag.jacobian(lambda a: a * a * 2.0)(x),
    "constants": lambda x: (x, ag.grad(lambda a: a * a)(3.0)),
    "hvp": lambda x: ag.hvp(lambda a: np.sum(a * a * a), (x,), (x,)),
}


@pytest.mark.parametrize(
    "make",
    [
        float,
        Value,
        lambda n: np.array([n, 2 * n]),
        lambda n: Tensor([n, -n], requires_grad=True),
        lambda n: Tensor([n, -n]),
        lambda n: Tensor(n),
    ],
    ids=["float", "Value", "array", "Tensor", "untracked Tensor", "untracked number"],
)
@pytest.mark.parametrize("name", TRANSFORMED)
def test_transforms_give_the_same_faces_compiled(name: str, make: Callable[[float], Any]) -> None:
    f = TRANSFORMED[name]
    step = ag.compile(f, backend="plain")
    for number in (2.0, 3.0, -1.5):
        assert_same(step(make(number)), f(make(number)), rtol=1e-14)


FACES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "result of an untracked Tensor": (lambda x: ag.vjp(lambda a: a * a, x)[0], Tensor([1.0, 2.0])),
    "gradient beside an untracked Tensor": (lambda x: ag.grad(lambda a: np.sum(a * x))(3.0), Tensor([1.0, 2.0])),
    "cotangent that is a sum": (lambda x: ag.vjp(lambda a: a * 3.0, 2.0)[1](np.sum(x))[0], 2.0),
}


@pytest.mark.parametrize("name", FACES)
def test_plain_stays_plain_in_compiled_transforms(name: str) -> None:
    f, x = FACES[name]
    assert_same(ag.compile(f, backend="plain")(x), f(x))
