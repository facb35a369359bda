"""Functions that `autograd_lite.compile` recorded, beside hand-written NumPy and other compilers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autograd_lite
import nn
from benchmarks import cnn, mlp, scalar
from benchmarks.peers import load, torch
from benchmarks.row import NUMPY, OURS, Array, Row, Target, Work, works

__all__ = ["rows"]

_UNCOMPILED = "as written"


def _step(model: Any, optimizer: Any, criterion: Any, compiled: bool) -> Callable[..., Any]:
    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return autograd_lite.compile(step) if compiled else step


def _warm(run: Callable[[], Any], parameters: list[Any], start: list[Array]) -> None:
    """Let the first calls record, and go back to the start."""
    for _ in range(3):
        run()
    for p, array in zip(parameters, start, strict=True):
        p.data = array


def _small(compiled: bool) -> Callable[..., Work]:
    def make(x: Array, t: Array, start: list[Array]) -> Work:
        model = nn.Sequential(nn.Linear(30, 64, nn.ReLU()), nn.Linear(64, 32, nn.ReLU()), nn.Linear(32, 1))
        parameters = list(model.parameters())
        step = _step(model, nn.optim.SGD(parameters, lr=mlp.RATE), nn.BCEWithLogitsLoss(), compiled)
        for p, array in zip(parameters, start, strict=True):
            p.data = array
        _warm(lambda: step(x, t), parameters, start)
        return Work(lambda: step(x, t), lambda: [p.numpy() for p in parameters])

    return make


def _digits(compiled: bool) -> Callable[..., Work]:
    def make(images: Array, labels: Array, start: list[Array]) -> Work:
        parameters = [nn.Parameter(array) for array in start]
        optimizer = nn.optim.SGD(parameters, lr=cnn.RATE)

        def step(images: Any, labels: Any) -> Any:
            optimizer.zero_grad()
            loss = cnn.loss_of(autograd_lite, parameters, images, labels)
            loss.backward()
            optimizer.step()
            return loss

        f = autograd_lite.compile(step) if compiled else step
        _warm(lambda: f(images, labels), parameters, start)
        return Work(lambda: f(images, labels), lambda: [p.numpy() for p in parameters])

    return make


_WIDE = (784, 256, 128, 10)


def _wide(library: Any, optim: Any, tensor: Any, compiled: bool, x: Array, t: Array, start: list[Array]) -> Work:
    """Train the wide classifier by our ``nn`` or by PyTorch's."""
    layers = []
    for i, o in itertools.pairwise(_WIDE):
        options = {} if library is not nn else {"dtype": np.float32}
        layers += [library.Linear(i, o, **options), library.ReLU()]
    model = library.Sequential(*layers[:-1])
    parameters = list(model.parameters())
    arrays = [tensor(array) for array in start]
    for p, array in zip(parameters, arrays, strict=True):
        p.data = array
    step = _step(model, optim.SGD(parameters, lr=0.01), library.CrossEntropyLoss(), compiled)
    inputs, targets = tensor(x), tensor(t)
    if compiled:
        _warm(lambda: step(inputs, targets), parameters, arrays)
    return Work(lambda: step(inputs, targets), lambda: [p.detach().numpy() for p in parameters])


def _wide_torch(*problem: Any) -> Work:
    library = torch()
    return _wide(library.nn, library.optim, library.tensor, False, *problem)


class _Recurrent:
    """An LSTM and a linear layer on its last state, of our ``nn`` or PyTorch's."""

    def __init__(self, library: Any, **options: Any) -> None:
        self.cells = library.LSTM(16, 64, batch_first=True, **options)
        self.head = library.Linear(64, 4, **options)

    def __call__(self, x: Any) -> Any:
        return self.head(self.cells(x)[0][:, -1])

    def parameters(self) -> list[Any]:
        return [*self.cells.parameters(), *self.head.parameters()]


def _lstm(library: Any, optim: Any, tensor: Any, compiled: bool, x: Array, t: Array, start: list[Array]) -> Work:
    model = _Recurrent(library, dtype=np.float64 if library is nn else load("torch").float64)
    parameters = model.parameters()
    arrays = [tensor(array) for array in start]
    for p, array in zip(parameters, arrays, strict=True):
        p.data = array
    step = _step(model, optim.SGD(parameters, lr=0.01), library.CrossEntropyLoss(), compiled)
    inputs, targets = tensor(x), tensor(t)
    if compiled:
        _warm(lambda: step(inputs, targets), parameters, arrays)
    return Work(lambda: step(inputs, targets), lambda: [p.detach().numpy() for p in parameters])


def _lstm_torch(*problem: Any) -> Work:
    library = torch()
    return _lstm(library.nn, library.optim, library.tensor, False, *problem)


# The scalar network: the mean over samples of a margin loss, and its gradient, from a list of 337 numbers.


def _margin(numbers: Any, point: Any, label: Any, maximum: Callable[[Any], Any]) -> Any:
    """Return the loss of one sample, in whatever numbers."""
    rest = iter(numbers)
    sizes = list(itertools.pairwise(scalar.SIZES))
    x = point
    for k, (inputs, outputs) in enumerate(sizes):
        sums = []
        for _ in range(outputs):
            weights = [next(rest) for _ in range(inputs)]
            total = next(rest)
            for w, xi in zip(weights, x, strict=True):
                total = total + w * xi
            sums.append(total if k == len(sizes) - 1 else maximum(total))
        x = sums
    return maximum(1.0 - label * x[0])


def _scalar_ours(points: Array, labels: Array, numbers: Array) -> Work:
    losses = autograd_lite.vmap(lambda p, x, t: _margin(p, x, t, lambda v: v.relu()), in_axes=(None, 0, 0))
    both = autograd_lite.value_and_grad(lambda p, x, t: np.mean(losses(p, x, t)))
    f = autograd_lite.compile(both)
    parameters, columns = numbers.tolist(), [points[:, 0].copy(), points[:, 1].copy()]
    found: list[Any] = []

    def run() -> None:
        found[:] = f(parameters, columns, labels)

    for _ in range(3):
        run()
    return Work(run, lambda: [np.array(float(found[0])), np.array(found[1])])


def _scalar_casadi(points: Array, labels: Array, numbers: Array) -> Work:
    casadi = load("casadi")
    p, x, t = casadi.SX.sym("p", len(numbers)), casadi.SX.sym("x", 2), casadi.SX.sym("t")
    loss = _margin([p[i] for i in range(len(numbers))], [x[0], x[1]], t, lambda v: casadi.fmax(v, 0))
    f = casadi.Function("f", [p, x, t], [loss, casadi.gradient(loss, p)])
    mapped = f.map(len(points))
    columns = points.T.copy()
    found: list[Array] = []

    def run() -> None:
        losses, gradients = mapped(numbers, columns, labels)
        found[:] = [np.array(np.asarray(losses).mean()), np.asarray(gradients).mean(axis=1)]

    return Work(run, lambda: found)


def _scalar_micrograd(points: Array, labels: Array, numbers: Array) -> Work:
    value = load("micrograd.engine").Value
    found: list[Array] = []

    def run() -> None:
        parameters = [value(x) for x in numbers.tolist()]
        pairs = zip(points.tolist(), labels.tolist(), strict=True)
        losses = [_margin(parameters, x, t, lambda v: v.relu()) for x, t in pairs]
        loss = sum(losses) * (1.0 / len(losses))
        loss.backward()
        found[:] = [np.array(loss.data), np.array([p.grad for p in parameters])]

    return Work(run, lambda: found)


# Long graphs of scalars: how much a node costs.


def _chain(x: Any, count: int, sin: Callable[[Any], Any]) -> Any:
    """Return a number that ``count`` operations make of another: products, sums and sines by turns."""
    a, b = x, x * 0.5
    for k in range(count // 4):
        a, b = sin(a * 0.9 + b), a - b * (0.1 + 0.2 * (k % 3))
    return a + b


def _chain_ours(x: float, count: int) -> Work:
    f = autograd_lite.compile(autograd_lite.value_and_grad(lambda v: _chain(v, count, autograd_lite.sin)))
    found: list[Any] = []

    def run() -> None:
        found[:] = f(x)

    for _ in range(3):
        run()
    return Work(run, lambda: [np.array(found)])


def _chain_casadi(x: float, count: int) -> Work:
    casadi = load("casadi")
    v = casadi.SX.sym("v")
    y = _chain(v, count, casadi.sin)
    f = casadi.Function("f", [v], [y, casadi.gradient(y, v)])
    found: list[Any] = []

    def run() -> None:
        found[:] = [float(r) for r in f(x)]

    return Work(run, lambda: [np.array(found)])


def rows() -> Iterator[Row]:
    """Yield the rows of compiled functions."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((32, 30)), rng.integers(0, 2, (32, 1)).astype(float)
    start = mlp.start_of(rng)
    makers: dict[str, Callable[..., Work]] = {
        OURS: _small(True),
        _UNCOMPILED: _small(False),
        NUMPY: mlp.by_hand,
        "PyTorch": mlp.by_torch,
        "JAX (jit)": mlp.by_jax,
    }
    yield Row(
        "compiled step, 30-64-32-1 MLP, batch 32, float64",
        works(makers, x, t, start),
        targets=(Target(0.6, NUMPY), Target(1 / 3, "JAX (jit)"), Target(1 / 8, "PyTorch")),
    )
    images, labels = rng.standard_normal((32, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 32)
    makers = {OURS: _digits(True), _UNCOMPILED: _digits(False), "PyTorch": cnn.by_torch}
    yield Row(
        "compiled step, CNN on 8x8 digits, batch 32, float32",
        works(makers, images, labels, cnn.start_of(rng, "float32")),
        targets=(Target(1.0, "PyTorch"),),
        rtol=1e-3,
    )
    pairs = list(itertools.pairwise(_WIDE))
    wide = [a.astype(np.float32) for i, o in pairs for a in (rng.normal(0, i**-0.5, (o, i)), np.zeros(o))]
    wide_x, wide_t = rng.standard_normal((256, 784)).astype(np.float32), rng.integers(0, 10, 256)
    makers = {
        OURS: lambda *problem: _wide(nn, nn.optim, np.asarray, True, *problem),
        "PyTorch": _wide_torch,
    }
    yield Row(
        "compiled step, 784-256-128-10 MLP, batch 256, float32",
        works(makers, wide_x, wide_t, wide),
        targets=(Target(1.15, "PyTorch"),),
        rtol=1e-3,
    )
    shapes = [p.shape for p in _Recurrent(nn).parameters()]
    lstm = [rng.normal(0, 0.1, shape) for shape in shapes]
    makers = {OURS: lambda *problem: _lstm(nn, nn.optim, np.asarray, True, *problem), "PyTorch": _lstm_torch}
    yield Row(
        "compiled step, LSTM of 64, 32 steps, batch 16, float64",
        works(makers, rng.standard_normal((16, 32, 16)), rng.integers(0, 4, 16), lstm),
        targets=(Target(1.0, "PyTorch"),),
        rtol=1e-6,
    )
    points, signs = scalar.moons(100, rng)
    numbers = np.concatenate([w.ravel() for w in scalar.start_of(rng)])
    makers = {OURS: _scalar_ours, "CasADi (SX)": _scalar_casadi, "micrograd": _scalar_micrograd}
    yield Row(
        "compiled loss and gradient, 2-16-16-1 MLP of scalars, 100 samples",
        works(makers, points, signs, numbers),
        targets=(Target(1 / 3, "CasADi (SX)"), Target(1 / 1000, "micrograd")),
    )
    for count in (1_000, 10_000, 100_000, 1_000_000):
        makers = {OURS: _chain_ours, "CasADi (SX)": _chain_casadi}
        yield Row(
            f"value and slope of a graph of {count:,} scalars, a node",
            works(makers, 0.3, count),
            targets=(Target(1.0, "CasADi (SX)"),),
            per=count,
        )
