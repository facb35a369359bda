"""One training step of a 30-64-32-1 network: batch of 32, float64, binary cross-entropy of logits, plain SGD."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor
from benchmarks.peers import jax, load, torch
from benchmarks.row import NUMPY, OURS, Array, Row, Target, Work, works

__all__ = ["RATE", "by_hand", "by_jax", "by_torch", "rows", "start_of"]

_SIZES = (30, 64, 32, 1)
RATE = 0.01


def start_of(rng: np.random.Generator) -> list[Array]:
    """Return weight and bias of each layer, in PyTorch's layout (out, in)."""
    arrays = []
    for i, o in itertools.pairwise(_SIZES):
        bound = i**-0.5
        arrays += [rng.uniform(-bound, bound, (o, i)), rng.uniform(-bound, bound, o)]
    return arrays


def _torch_style(nn: Any, optim: Any, tensor: Any, x: Array, t: Array, start: list[Array]) -> Work:
    """Train as PyTorch's users do; the code serves ``torch.nn`` and our ``nn`` alike."""
    model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    for p, array in zip(model.parameters(), start, strict=True):
        p.data = tensor(array)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = optim.SGD(model.parameters(), lr=RATE)
    inputs, targets = tensor(x), tensor(t)

    def run() -> None:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()

    return Work(run, lambda: [p.detach().numpy() for p in model.parameters()])


def _ours(*problem: Any) -> Work:
    return _torch_style(nn, nn.optim, Tensor, *problem)


def by_torch(*problem: Any) -> Work:
    library = torch()
    return _torch_style(library.nn, library.optim, library.tensor, *problem)


def by_hand(x: Array, t: Array, start: list[Array]) -> Work:
    w1, b1, w2, b2, w3, b3 = parameters = [array.copy() for array in start]

    def run() -> float:
        h1 = x @ w1.T
        h1 += b1
        np.maximum(h1, 0.0, out=h1)
        h2 = h1 @ w2.T
        h2 += b2
        np.maximum(h2, 0.0, out=h2)
        z = h2 @ w3.T
        z += b3
        small = np.exp(-np.abs(z))
        loss = (np.maximum(z, 0.0) - z * t + np.log1p(small)).mean()
        g3 = (np.where(z >= 0.0, 1.0, small) / (1.0 + small) - t) / z.size
        g2 = g3 @ w3
        g2 *= h2 > 0.0
        g1 = g2 @ w2
        g1 *= h1 > 0.0
        gradients = (g1.T @ x, g1.sum(axis=0), g2.T @ h1, g2.sum(axis=0), g3.T @ h2, g3.sum(axis=0))
        for p, gradient in zip(parameters, gradients, strict=True):
            gradient *= RATE
            p -= gradient
        return float(loss)

    return Work(run, lambda: parameters)


def _functional(np: Any, parameters: Any, x: Any, t: Any) -> Any:
    """Return the loss in whichever NumPy is given."""
    w1, b1, w2, b2, w3, b3 = parameters
    h = np.maximum(x @ w1.T + b1, 0.0)
    h = np.maximum(h @ w2.T + b2, 0.0)
    z = h @ w3.T + b3
    return np.mean(np.logaddexp(0.0, z) - z * t)


def by_jax(x: Array, t: Array, start: list[Array]) -> Work:
    library = jax()
    np = library.numpy
    x, t, parameters = np.asarray(x), np.asarray(t), [np.asarray(array) for array in start]

    def step(parameters: Any, x: Any, t: Any) -> Any:
        loss, gradients = library.value_and_grad(lambda p: _functional(np, p, x, t))(parameters)
        return loss, [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]

    compiled = library.jit(step)

    def run() -> None:
        nonlocal parameters
        _, parameters = library.block_until_ready(compiled(parameters, x, t))

    return Work(run, lambda: list(parameters))


def _hips(x: Array, t: Array, start: list[Array]) -> Work:
    np = load("autograd.numpy")
    value_and_grad = load("autograd").value_and_grad(lambda p: _functional(np, p, x, t))
    parameters = [array.copy() for array in start]

    def run() -> None:
        _, gradients = value_and_grad(parameters)
        for p, gradient in zip(parameters, gradients, strict=True):
            p -= RATE * gradient

    return Work(run, lambda: parameters)


def _mygrad(x: Array, t: Array, start: list[Array]) -> Work:
    library = load("mygrad")
    parameters = [library.tensor(array) for array in start]

    def run() -> None:
        loss = _functional(library, parameters, x, t)
        loss.backward()
        for p in parameters:
            p.data -= RATE * p.grad

    return Work(run, lambda: [p.data for p in parameters])


def rows() -> Iterator[Row]:
    """Yield the row of the small classifier."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((32, 30)), rng.integers(0, 2, (32, 1)).astype(float)
    makers = {
        OURS: _ours,
        NUMPY: by_hand,
        "PyTorch": by_torch,
        "JAX (jit)": by_jax,
        "HIPS autograd": _hips,
        "MyGrad": _mygrad,
    }
    yield Row(
        "training step, 30-64-32-1 MLP, batch 32, BCE, SGD",
        works(makers, x, t, start_of(rng)),
        targets=(
            Target(1.4, NUMPY),
            Target(1 / 3, "PyTorch"),
            Target(1 / 6, "HIPS autograd"),
            Target(1 / 4, "MyGrad"),
            Target(1.0, "JAX (jit)"),
        ),
    )
