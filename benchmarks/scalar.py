"""One training step of micrograd's demo: a 2-16-16-1 network of scalars on two moons, max-margin loss, L2 penalty."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_lite import Value
from benchmarks.peers import load
from benchmarks.row import NUMPY, OURS, Array, Row, Target, Work, works
from nn.scalar import MLP

__all__ = ["SIZES", "moons", "rows", "start_of"]

SIZES = (2, 16, 16, 1)
_RATE = 0.02
_PENALTY = 1e-4


def moons(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return points on two interleaved half circles, with noise, and the labels 1 and -1."""
    angle = np.linspace(0.0, np.pi, n // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + 0.1 * rng.standard_normal((n, 2))
    return points, np.repeat([1.0, -1.0], n // 2)


def start_of(rng: np.random.Generator) -> list[Array]:
    """Return a matrix a layer, (out, in + 1): each row a neuron's weights and bias, as ``parameters()`` lists them."""
    return [rng.uniform(-1.0, 1.0, (o, i + 1)) for i, o in itertools.pairwise(SIZES)]


def _micrograd_style(value: Any, model: Any, points: Array, labels: Array, start: list[Array]) -> Work:
    """Train as micrograd's demo does; the code serves its `Value` and ours alike."""
    parameters = model.parameters()
    for p, number in zip(parameters, np.concatenate([w.ravel() for w in start]).tolist(), strict=True):
        p.data = number
    inputs, targets = points.tolist(), labels.tolist()

    def run() -> None:
        scores = [model([value(x) for x in row]) for row in inputs]
        losses = [(1 + -t * score).relu() for t, score in zip(targets, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + _PENALTY * sum(p * p for p in parameters)
        model.zero_grad()
        loss.backward()
        for p in parameters:
            p.data -= _RATE * p.grad

    return Work(run, lambda: [np.array([p.data for p in parameters])])


def _ours(*problem: Any) -> Work:
    return _micrograd_style(Value, MLP(2, [16, 16, 1]), *problem)


def _micrograd(*problem: Any) -> Work:
    return _micrograd_style(load("micrograd.engine").Value, load("micrograd.nn").MLP(2, [16, 16, 1]), *problem)


def _xad(points: Array, labels: Array, start: list[Array]) -> Work:
    """Train on XAD's C++ tape. Its numbers are immutable, so each step makes the parameters anew."""
    adjoint, maximum = load("xad.adj_1st"), load("xad.math").max
    real = adjoint.Real
    numbers = np.concatenate([w.ravel() for w in start]).tolist()
    inputs, targets = points.tolist(), labels.tolist()

    def scores(parameters: list[Any]) -> list[Any]:
        rest = iter(parameters)
        layers = [[[next(rest) for _ in range(i + 1)] for _ in range(o)] for i, o in itertools.pairwise(SIZES)]
        out = []
        for row in inputs:
            x: list[Any] = row
            for layer in layers:
                sums = []
                for *weights, total in layer:
                    for w, xi in zip(weights, x, strict=True):
                        total = total + w * xi
                    sums.append(total)
                x = sums if layer is layers[-1] else [maximum(s, 0.0) for s in sums]
            out.append(x[0])
        return out

    def run() -> None:
        with adjoint.Tape() as tape:
            parameters = [real(x) for x in numbers]
            for p in parameters:
                tape.registerInput(p)
            tape.newRecording()
            losses = [maximum(1.0 - t * score, 0.0) for t, score in zip(targets, scores(parameters), strict=True)]
            loss = sum(losses) * (1.0 / len(losses)) + _PENALTY * sum(p * p for p in parameters)
            tape.registerOutput(loss)
            loss.derivative = 1.0
            tape.computeAdjoints()
            numbers[:] = [x - _RATE * p.derivative for x, p in zip(numbers, parameters, strict=True)]

    return Work(run, lambda: [np.array(numbers)])


def _by_hand(points: Array, labels: Array, start: list[Array]) -> Work:
    """Train with whole arrays, gradients written out: what the scalars cost."""
    flat = np.concatenate([w.ravel() for w in start])
    ends = np.cumsum([w.size for w in start])[:-1]
    layers = [part.reshape(w.shape) for part, w in zip(np.split(flat, ends), start, strict=True)]

    def run() -> None:
        (w1, b1), (w2, b2), (w3, b3) = ((w[:, :-1], w[:, -1]) for w in layers)
        h1 = np.maximum(points @ w1.T + b1, 0.0)
        h2 = np.maximum(h1 @ w2.T + b2, 0.0)
        margin = 1.0 - labels[:, None] * (h2 @ w3.T + b3)
        np.maximum(margin, 0.0).mean() + _PENALTY * (flat @ flat)
        g3 = np.where(margin > 0.0, -labels[:, None] / len(labels), 0.0)
        g2 = (g3 @ w3) * (h2 > 0.0)
        g1 = (g2 @ w2) * (h1 > 0.0)
        flat[:] *= 1.0 - 2.0 * _PENALTY * _RATE
        for w, g, x in ((layers[0], g1, points), (layers[1], g2, h1), (layers[2], g3, h2)):
            w[:, :-1] -= _RATE * (g.T @ x)
            w[:, -1] -= _RATE * g.sum(axis=0)

    return Work(run, lambda: [flat])


def rows() -> Iterator[Row]:
    """Yield the scalar network's row."""
    rng = np.random.default_rng(0)
    points, labels = moons(100, rng)
    yield Row(
        "training step, 2-16-16-1 MLP of scalars, 100 moons",
        works({OURS: _ours, "micrograd": _micrograd, "XAD": _xad, NUMPY: _by_hand}, points, labels, start_of(rng)),
        targets=(Target(1 / 12, "micrograd"), Target(1.3, "XAD")),
    )
