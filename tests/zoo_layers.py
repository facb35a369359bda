"""Hand-written layers with right backward passes: what the zoo of broken rules breaks.

Each is written as people write them in notebooks: NumPy forwards, one rule an operand, ``rule(g, y, *operands)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["LABELS", "LAYERS", "MASK", "ONE_HOT", "ROWS", "Layer", "Sample", "layer_norm", "normal", "positive"]
__all__ += ["pulled_softmax", "recurrent_states", "scattered", "sigmoid", "softmax", "unit"]

Sample = Callable[[np.random.Generator], Any]
LABELS = np.array([2, 0, 1, 2, 0])
ONE_HOT = np.eye(3)[LABELS]
ROWS = np.array([1, 0, 3, 1])
MASK = np.array([[True, False, True], [False, True, True]])
DROPPED = np.array([[0.0, 1.25, 1.25], [1.25, 1.25, 0.0]])


class Layer(NamedTuple):
    """A forward pass, one rule an operand, and how to draw the operands."""

    forward: Callable[..., Any]
    rules: tuple[Callable[..., Any], ...]
    samples: tuple[Sample, ...]


def normal(*shape: int) -> Sample:
    """Draw normal numbers; a float without a shape."""
    return lambda rng: rng.standard_normal(shape) if shape else float(rng.standard_normal())


def positive(*shape: int) -> Sample:
    """Draw from 0.5 to 2.5."""
    return lambda rng: rng.uniform(0.5, 2.5, shape) if shape else float(rng.uniform(0.5, 2.5))


def unit(*shape: int) -> Sample:
    """Draw from 0.1 to 0.9: probabilities."""
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def sigmoid(x: Any) -> Any:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-x))


def softmax(x: Any, axis: int = -1) -> Any:
    """Return the softmax along an axis."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def pulled_softmax(g: Any, p: Any) -> Any:
    """Pull a gradient back through a softmax along the last axis."""
    return p * (g - np.sum(g * p, axis=-1, keepdims=True))


def _unary(forward: Any, slope: Any, sample: Sample) -> Layer:
    return Layer(forward, (lambda g, y, x: g * slope(y, x),), (sample,))


def scattered(g: Any, rows: Any, shape: Any) -> Any:
    out = np.zeros(shape, dtype=g.dtype)
    np.add.at(out, rows, g)
    return out


def _along(x: Any, g: Any, index: Any) -> Any:
    out = np.zeros_like(x)
    np.put_along_axis(out, np.expand_dims(index, -1), np.expand_dims(g, -1), axis=-1)
    return out


def _layer_norm_input(g: Any, y: Any, x: Any) -> Any:
    s = np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5)
    return (g - np.mean(g, axis=-1, keepdims=True) - y * np.mean(g * y, axis=-1, keepdims=True)) / s


def layer_norm(x: Any, axis: int = -1) -> Any:
    """Return ``x`` with mean 0 and variance 1 along an axis."""
    return (x - np.mean(x, axis=axis, keepdims=True)) / np.sqrt(np.var(x, axis=axis, keepdims=True) + 1e-5)


def _batch_norm_input(g: Any, y: Any, x: Any) -> Any:
    return _layer_norm_input(g.T, y.T, x.T).T


def _conv1d(x: Any, w: Any) -> Any:
    return np.stack([np.sum(x[i : i + w.shape[0]] * w) for i in range(x.shape[0] - w.shape[0] + 1)])


def _conv1d_input(g: Any, y: Any, x: Any, w: Any) -> Any:
    return np.convolve(g, w)


def _conv1d_weight(g: Any, y: Any, x: Any, w: Any) -> Any:
    return np.correlate(x, g, mode="valid")


def _conv2d(x: Any, w: Any, b: Any) -> Any:
    return np.einsum("chwij,ocij->ohw", sliding_window_view(x, w.shape[2:], axis=(1, 2)), w) + b[:, None, None]


def _conv2d_input(g: Any, y: Any, x: Any, w: Any, b: Any) -> Any:
    kh, kw = w.shape[2:]
    padded = np.pad(g, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    return np.einsum("ohwij,ocij->chw", sliding_window_view(padded, (kh, kw), axis=(1, 2)), w[:, :, ::-1, ::-1])


def _conv2d_weight(g: Any, y: Any, x: Any, w: Any, b: Any) -> Any:
    return np.einsum("chwij,ohw->ocij", sliding_window_view(x, w.shape[2:], axis=(1, 2)), g)


def _weights(q: Any, k: Any) -> Any:
    return softmax(q @ k.T / 2.0)


def _attention_query(g: Any, y: Any, q: Any, k: Any, v: Any) -> Any:
    return pulled_softmax(g @ v.T, _weights(q, k)) @ k / 2.0


def _attention_key(g: Any, y: Any, q: Any, k: Any, v: Any) -> Any:
    return pulled_softmax(g @ v.T, _weights(q, k)).T @ q / 2.0


def recurrent_states(x: Any, w: Any) -> list[Any]:
    """Return the hidden states of a plain recurrent net without input weights, the first being 0."""
    h = [np.zeros(w.shape[0])]
    for row in x:
        h.append(np.tanh(row + w @ h[-1]))
    return h


def _recurrent_weight(g: Any, y: Any, x: Any, w: Any) -> Any:
    h, out = recurrent_states(x, w), np.zeros_like(w)
    for t in range(len(x), 0, -1):
        before = g * (1 - h[t] ** 2)
        out, g = out + np.outer(before, h[t - 1]), w.T @ before
    return out


def _recurrent_input(g: Any, y: Any, x: Any, w: Any) -> Any:
    h, out = recurrent_states(x, w), np.zeros_like(x)
    for t in range(len(x), 0, -1):
        out[t - 1] = g * (1 - h[t] ** 2)
        g = w.T @ out[t - 1]
    return out


def _normalised(g: Any, y: Any, x: Any) -> Any:
    return (g - y * np.sum(g * y, axis=-1, keepdims=True)) / np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


def _max_pool(x: Any) -> Any:
    return np.max(x.reshape(3, 2), axis=1)


_ELEMENTWISE: dict[str, Layer] = {
    "exp": _unary(np.exp, lambda y, x: y, normal(4)),
    "exp2": _unary(np.exp2, lambda y, x: y * np.log(2.0), normal(4)),
    "expm1": _unary(np.expm1, lambda y, x: y + 1, normal(2, 3)),
    "log": _unary(np.log, lambda y, x: 1 / x, positive(4)),
    "log1p": _unary(np.log1p, lambda y, x: 1 / (1 + x), positive(2, 2)),
    "sqrt": _unary(np.sqrt, lambda y, x: 1 / (2 * y), positive(5)),
    "rsqrt": _unary(lambda x: 1 / np.sqrt(x), lambda y, x: -(y**3) / 2, positive(4)),
    "cbrt": _unary(np.cbrt, lambda y, x: 1 / (3 * y * y), positive(4)),
    "square": _unary(np.square, lambda y, x: 2 * x, normal(2, 3)),
    "cube": _unary(lambda x: x**3, lambda y, x: 3 * x * x, normal(4)),
    "reciprocal": _unary(lambda x: 1 / x, lambda y, x: -y * y, positive(4)),
    "sin": _unary(np.sin, lambda y, x: np.cos(x), normal(4)),
    "cos": _unary(np.cos, lambda y, x: -np.sin(x), normal(3, 2)),
    "tan": _unary(np.tan, lambda y, x: 1 + y * y, unit(4)),
    "arctan": _unary(np.arctan, lambda y, x: 1 / (1 + x * x), normal(4)),
    "arccos": _unary(np.arccos, lambda y, x: -1 / np.sqrt(1 - x * x), unit(4)),
    "tanh": _unary(np.tanh, lambda y, x: 1 - y * y, normal(2, 3)),
    "sigmoid": _unary(sigmoid, lambda y, x: y * (1 - y), normal(2, 3)),
    "logsigmoid": _unary(lambda x: -np.log1p(np.exp(-x)), lambda y, x: sigmoid(-x), normal(4)),
    "softplus": _unary(lambda x: np.log1p(np.exp(x)), lambda y, x: sigmoid(x), normal(4)),
    "relu": _unary(lambda x: np.maximum(x, 0), lambda y, x: x > 0, normal(2, 4)),
    "leaky relu": _unary(lambda x: np.where(x > 0, x, 0.1 * x), lambda y, x: np.where(x > 0, 1, 0.1), normal(6)),
    "abs": _unary(np.abs, lambda y, x: np.sign(x), normal(5)),
    "silu": _unary(lambda x: x * sigmoid(x), lambda y, x: sigmoid(x) * (1 + x * (1 - sigmoid(x))), normal(4)),
    "x tanh x": _unary(lambda x: x * np.tanh(x), lambda y, x: np.tanh(x) + x / np.cosh(x) ** 2, normal(4)),
    "x log x": _unary(lambda x: x * np.log(x), lambda y, x: np.log(x) + 1, positive(5)),
    "residual": _unary(lambda x: x + np.tanh(x), lambda y, x: 1 + 1 / np.cosh(x) ** 2, normal(2, 3)),
    "horner": _unary(lambda x: (2 * x + 3) * x - 1, lambda y, x: 4 * x + 3, normal(4)),
    "dropout": _unary(lambda x: x * DROPPED, lambda y, x: DROPPED, normal(2, 3)),
    "gaussian": _unary(lambda x: np.exp(-x * x), lambda y, x: -2 * x * y, normal(4)),
}

_PAIRS: dict[str, Layer] = {
    "add": Layer(lambda a, b: a + b, (lambda g, y, a, b: g, lambda g, y, a, b: g), (normal(2, 3), normal(2, 3))),
    "subtract": Layer(lambda a, b: a - b, (lambda g, y, a, b: g, lambda g, y, a, b: -g), (normal(4), normal(4))),
    "multiply": Layer(
        lambda a, b: a * b, (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a), (normal(2, 3), normal(2, 3))
    ),
    "divide": Layer(
        lambda a, b: a / b, (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b), (normal(4), positive(4))
    ),
    "power": Layer(
        lambda a, b: a**b,
        (lambda g, y, a, b: g * b * a ** (b - 1), lambda g, y, a, b: g * y * np.log(a)),
        (positive(4), positive(4)),
    ),
    "hypot": Layer(np.hypot, (lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y), (positive(4), positive(4))),
    "arctan2": Layer(
        np.arctan2,
        (lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b)),
        (positive(4), positive(4)),
    ),
    "maximum": Layer(
        np.maximum, (lambda g, y, a, b: g * (a > b), lambda g, y, a, b: g * (b > a)), (normal(6), normal(6))
    ),
    "where": Layer(
        lambda a, b: np.where(MASK, a, b),
        (lambda g, y, a, b: np.where(MASK, g, 0), lambda g, y, a, b: np.where(MASK, 0, g)),
        (normal(2, 3), normal(2, 3)),
    ),
    "logaddexp": Layer(
        np.logaddexp,
        (lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
        (normal(4), normal(4)),
    ),
    "lerp": Layer(
        lambda a, b, t: a * (1 - t) + b * t,
        (lambda g, y, a, b, t: g * (1 - t), lambda g, y, a, b, t: g * t, lambda g, y, a, b, t: g * (b - a)),
        (normal(4), normal(4), unit(4)),
    ),
    "gate": Layer(
        lambda c, o: sigmoid(o) * np.tanh(c),
        (
            lambda g, y, c, o: g * sigmoid(o) * (1 - np.tanh(c) ** 2),
            lambda g, y, c, o: g * np.tanh(c) * sigmoid(o) * (1 - sigmoid(o)),
        ),
        (normal(4), normal(4)),
    ),
    "shift": Layer(
        lambda x, b: x + b, (lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g, axis=0)), (normal(4, 3), normal(3))
    ),
    "scale": Layer(
        lambda x, s: x * s,
        (lambda g, y, x, s: g * s, lambda g, y, x, s: np.sum(g * x, axis=0)),
        (normal(4, 3), normal(3)),
    ),
    "column shift": Layer(
        lambda x, b: x + b,
        (lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g, axis=1, keepdims=True)),
        (normal(3, 4), normal(3, 1)),
    ),
    "table": Layer(
        lambda r, c: r * c,
        (
            lambda g, y, r, c: np.sum(g * c, axis=1, keepdims=True),
            lambda g, y, r, c: np.sum(g * r, axis=0, keepdims=True),
        ),
        (normal(3, 1), normal(1, 3)),
    ),
    "square shift": Layer(
        lambda x, b: x + b, (lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g, axis=0)), (normal(3, 3), normal(3))
    ),
    "stretch": Layer(
        lambda x: x * np.ones((4, 1)), (lambda g, y, x: np.sum(g, axis=0, keepdims=True),), (normal(1, 3),)
    ),
    "temperature": Layer(
        lambda x, t: x * t,
        (lambda g, y, x, t: g * t, lambda g, y, x, t: np.reshape(np.sum(g * x), (1,))),
        (normal(2, 3), positive(1)),
    ),
    "centre": Layer(
        lambda x, c: x - c, (lambda g, y, x, c: g, lambda g, y, x, c: -np.sum(g, axis=0)), (normal(5, 2), normal(2))
    ),
    "channel shift": Layer(
        lambda x, b: x + b[:, None, None],
        (lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g, axis=(1, 2))),
        (normal(3, 2, 2), normal(3)),
    ),
    "batched shift": Layer(
        lambda x, b: x + b,
        (lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g, axis=0)),
        (normal(3, 2, 2), normal(2, 2)),
    ),
}

_REDUCTIONS: dict[str, Layer] = {
    "sum": Layer(np.sum, (lambda g, y, x: np.broadcast_to(g, x.shape),), (normal(2, 3),)),
    "row sum": Layer(
        lambda x: np.sum(x, axis=1), (lambda g, y, x: np.broadcast_to(g[:, None], x.shape),), (normal(3, 4),)
    ),
    "mean": Layer(np.mean, (lambda g, y, x: np.broadcast_to(g / x.size, x.shape),), (normal(2, 3),)),
    "column mean": Layer(
        lambda x: np.mean(x, axis=0), (lambda g, y, x: np.broadcast_to(g / len(x), x.shape),), (normal(5, 3),)
    ),
    "square mean": Layer(
        lambda x: np.mean(x, axis=0), (lambda g, y, x: np.broadcast_to(g / len(x), x.shape),), (normal(3, 3),)
    ),
    "pooling": Layer(
        lambda x: np.mean(x, axis=(1, 2)),
        (lambda g, y, x: np.broadcast_to(g[:, None, None] / 4, x.shape),),
        (normal(3, 2, 2),),
    ),
    "max": Layer(lambda x: np.max(x, axis=-1), (lambda g, y, x: _along(x, g, np.argmax(x, axis=-1)),), (normal(3, 4),)),
    "max pool": Layer(
        _max_pool, (lambda g, y, x: _along(x.reshape(3, 2), g, np.argmax(x.reshape(3, 2), 1)).ravel(),), (normal(6),)
    ),
    "prod": Layer(np.prod, (lambda g, y, x: g * y / x,), (positive(4),)),
    "norm": Layer(lambda x: np.sqrt(np.sum(x * x)), (lambda g, y, x: g * x / y,), (normal(4),)),
    "energy": Layer(lambda x: np.sum(x * x) / 2, (lambda g, y, x: g * x,), (normal(4),)),
    "sum of squares": Layer(lambda x: np.sum(x * x), (lambda g, y, x: 2 * g * x,), (normal(3, 2),)),
    "variance": Layer(np.var, (lambda g, y, x: 2 * g * (x - np.mean(x)) / x.size,), (normal(5),)),
    "logsumexp": Layer(
        lambda x: np.log(np.sum(np.exp(x), axis=-1)),
        (lambda g, y, x: g[:, None] * np.exp(x - y[:, None]),),
        (normal(2, 3),),
    ),
    "centring": Layer(lambda x: x - np.mean(x), (lambda g, y, x: g - np.mean(g),), (normal(4),)),
    "proportions": Layer(
        lambda x: x / np.sum(x),
        (lambda g, y, x: (g - np.sum(g * y)) / np.sum(x),),
        (positive(4),),
    ),
    "normalise": Layer(lambda x: x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True)), (_normalised,), (normal(2, 3),)),
}

_LINEAR: dict[str, Layer] = {
    "matmul": Layer(
        lambda a, b: a @ b, (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g), (normal(2, 3), normal(3, 4))
    ),
    "square matmul": Layer(
        lambda a, b: a @ b, (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g), (normal(3, 3), normal(3, 3))
    ),
    "matvec": Layer(
        lambda a, v: a @ v, (lambda g, y, a, v: np.outer(g, v), lambda g, y, a, v: a.T @ g), (normal(3, 3), normal(3))
    ),
    "dot": Layer(lambda a, b: a @ b, (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a), (normal(4), normal(4))),
    "outer": Layer(np.outer, (lambda g, y, a, b: g @ b, lambda g, y, a, b: a @ g), (normal(3), normal(3))),
    "linear": Layer(
        lambda x, w, b: x @ w.T + b,
        (lambda g, y, x, w, b: g @ w, lambda g, y, x, w, b: g.T @ x, lambda g, y, x, w, b: np.sum(g, axis=0)),
        (normal(5, 3), normal(2, 3), normal(2)),
    ),
    "square linear": Layer(
        lambda x, w, b: x @ w.T + b,
        (lambda g, y, x, w, b: g @ w, lambda g, y, x, w, b: g.T @ x, lambda g, y, x, w, b: np.sum(g, axis=0)),
        (normal(4, 3), normal(3, 3), normal(3)),
    ),
    "batched matmul": Layer(
        lambda a, b: a @ b,
        (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: np.sum(np.swapaxes(a, 1, 2) @ g, axis=0)),
        (normal(3, 2, 2), normal(2, 2)),
    ),
    "bilinear": Layer(
        lambda a, m, b: a @ m @ b,
        (lambda g, y, a, m, b: g * (m @ b), lambda g, y, a, m, b: g * np.outer(a, b), lambda g, y, a, m, b: g * a @ m),
        (normal(3), normal(3, 3), normal(3)),
    ),
    "quadratic form": Layer(
        lambda x, a: x @ a @ x,
        (lambda g, y, x, a: g * (a @ x + a.T @ x), lambda g, y, x, a: g * np.outer(x, x)),
        (normal(3), normal(3, 3)),
    ),
    "gram": Layer(lambda x: x @ x.T, (lambda g, y, x: (g + g.T) @ x,), (normal(3, 2),)),
    "matrix square": Layer(lambda a: a @ a, (lambda g, y, a: g @ a.T + a.T @ g,), (normal(3, 3),)),
    "transpose": Layer(np.transpose, (lambda g, y, x: g.T,), (normal(3, 3),)),
    "inverse": Layer(
        np.linalg.inv, (lambda g, y, a: -y.T @ g @ y.T,), (lambda rng: rng.normal(size=(3, 3)) + 3 * np.eye(3),)
    ),
    "solve": Layer(
        np.linalg.solve,
        (
            lambda g, y, a, b: -np.outer(np.linalg.solve(a.T, g), y),
            lambda g, y, a, b: np.linalg.solve(a.T, g),
        ),
        (lambda rng: rng.normal(size=(3, 3)) + 3 * np.eye(3), normal(3)),
    ),
    "tied autoencoder": Layer(
        lambda x, w: x @ w @ w.T,
        (lambda g, y, x, w: g @ w @ w.T, lambda g, y, x, w: x.T @ (g @ w) + g.T @ (x @ w)),
        (normal(4, 3), normal(3, 2)),
    ),
    "swap axes": Layer(lambda x: np.swapaxes(x, 0, 1), (lambda g, y, x: np.swapaxes(g, 0, 1),), (normal(2, 2, 3),)),
    "fold": Layer(lambda x: x.reshape(9), (lambda g, y, x: g.reshape(3, 3),), (normal(3, 3),)),
    "attention": Layer(
        lambda q, k, v: _weights(q, k) @ v,
        (_attention_query, _attention_key, lambda g, y, q, k, v: _weights(q, k).T @ g),
        (normal(3, 4), normal(3, 4), normal(3, 4)),
    ),
    "scores": Layer(
        lambda q, k: q @ k.T / 2,
        (lambda g, y, q, k: g @ k / 2, lambda g, y, q, k: g.T @ q / 2),
        (normal(3, 4), normal(3, 4)),
    ),
    "recurrent": Layer(
        lambda x, w: recurrent_states(x, w)[-1], (_recurrent_input, _recurrent_weight), (normal(4, 3), normal(3, 3))
    ),
    "cross": Layer(
        np.cross, (lambda g, y, a, b: np.cross(b, g), lambda g, y, a, b: np.cross(g, a)), (normal(3), normal(3))
    ),
}

_MOVING: dict[str, Layer] = {
    "cumsum": Layer(np.cumsum, (lambda g, y, x: np.cumsum(g[::-1])[::-1],), (normal(5),)),
    "cumprod": Layer(np.cumprod, (lambda g, y, x: np.cumsum((g * y)[::-1])[::-1] / x,), (positive(4),)),
    "diff": Layer(np.diff, (lambda g, y, x: np.pad(g, (1, 0)) - np.pad(g, (0, 1)),), (normal(5),)),
    "roll": Layer(lambda x: np.roll(x, 2), (lambda g, y, x: np.roll(g, -2),), (normal(5),)),
    "slice": Layer(lambda x: x[1:4], (lambda g, y, x: np.pad(g, (1, 2)),), (normal(6),)),
    "strided": Layer(lambda x: x[::2], (lambda g, y, x: np.stack([g, 0 * g], 1).ravel(),), (normal(6),)),
    "pad": Layer(lambda x: np.pad(x, 1), (lambda g, y, x: g[1:-1],), (normal(4),)),
    "pad matrix": Layer(lambda x: np.pad(x, ((1, 1), (0, 0))), (lambda g, y, x: g[1:-1],), (normal(3, 2),)),
    "flip": Layer(lambda x: x[::-1], (lambda g, y, x: g[::-1],), (normal(5),)),
    "rows": Layer(lambda w: w[ROWS], (lambda g, y, w: scattered(g, ROWS, w.shape),), (normal(4, 2),)),
    "join": Layer(
        lambda a, b: np.concatenate([a, b]),
        (lambda g, y, a, b: g[: len(a)], lambda g, y, a, b: g[len(a) :]),
        (normal(3), normal(3)),
    ),
    "stack": Layer(
        lambda a, b: np.stack([a, b]), (lambda g, y, a, b: g[0], lambda g, y, a, b: g[1]), (normal(3), normal(3))
    ),
    "sort": Layer(np.sort, (lambda g, y, x: g[np.argsort(np.argsort(x))],), (normal(5),)),
    "conv1d": Layer(_conv1d, (_conv1d_input, _conv1d_weight), (normal(7), normal(3))),
    "conv2d": Layer(
        _conv2d,
        (_conv2d_input, _conv2d_weight, lambda g, y, x, w, b: np.sum(g, axis=(1, 2))),
        (normal(2, 4, 4), normal(3, 2, 2, 2), normal(3)),
    ),
    "moving sum": Layer(
        lambda x: x[:-1] + x[1:], (lambda g, y, x: np.pad(g, (0, 1)) + np.pad(g, (1, 0)),), (normal(5),)
    ),
    "trapezium": Layer(
        lambda x: np.sum(x[1:] + x[:-1]) / 2,
        (lambda g, y, x: g * np.concatenate([[0.5], np.ones(len(x) - 2), [0.5]]),),
        (normal(5),),
    ),
}

_LOSSES: dict[str, Layer] = {
    "softmax": Layer(softmax, (lambda g, y, x: pulled_softmax(g, y),), (normal(2, 4),)),
    "log softmax": Layer(
        lambda x: x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True)),
        (lambda g, y, x: g - np.exp(y) * np.sum(g, axis=-1, keepdims=True),),
        (normal(2, 3),),
    ),
    "cross entropy": Layer(
        lambda x: -np.mean(np.log(np.sum(ONE_HOT * softmax(x), axis=1))),
        (lambda g, y, x: g * (softmax(x) - ONE_HOT) / len(x),),
        (normal(5, 3),),
    ),
    "nll": Layer(lambda x: -np.sum(ONE_HOT * x), (lambda g, y, x: -g * ONE_HOT,), (normal(5, 3),)),
    "mse": Layer(
        lambda p, t: np.mean((p - t) ** 2),
        (lambda g, y, p, t: 2 * g * (p - t) / p.size, lambda g, y, p, t: 2 * g * (t - p) / p.size),
        (normal(3, 2), normal(3, 2)),
    ),
    "squared error": Layer(
        lambda p, t: np.sum((p - t) ** 2),
        (lambda g, y, p, t: 2 * g * (p - t), lambda g, y, p, t: 2 * g * (t - p)),
        (normal(4), normal(4)),
    ),
    "mae": Layer(
        lambda p, t: np.mean(np.abs(p - t)),
        (lambda g, y, p, t: g * np.sign(p - t) / p.size, lambda g, y, p, t: g * np.sign(t - p) / p.size),
        (normal(5), normal(5)),
    ),
    "bce": Layer(
        lambda p, t: -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)),
        (
            lambda g, y, p, t: g * (p - t) / (p * (1 - p)) / p.size,
            lambda g, y, p, t: g * (np.log(1 - p) - np.log(p)) / p.size,
        ),
        (unit(5), unit(5)),
    ),
    "logistic loss": Layer(
        lambda x, t: np.mean(np.log1p(np.exp(x)) - x * t),
        (lambda g, y, x, t: g * (sigmoid(x) - t) / x.size, lambda g, y, x, t: -g * x / x.size),
        (normal(6), unit(6)),
    ),
    "hinge": Layer(
        lambda x: np.mean(np.maximum(0, 1 - x * ONE_HOT)),
        (lambda g, y, x: -g * ONE_HOT * (x < 1) / x.size,),
        (normal(5, 3),),
    ),
    "kl": Layer(
        lambda p, q: np.sum(p * (np.log(p) - np.log(q))),
        (lambda g, y, p, q: g * (np.log(p) - np.log(q) + 1), lambda g, y, p, q: -g * p / q),
        (unit(4), unit(4)),
    ),
    "entropy": Layer(lambda p: -np.sum(p * np.log(p)), (lambda g, y, p: -g * (np.log(p) + 1),), (unit(5),)),
    "cosine": Layer(
        lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)),
        (
            lambda g, y, a, b: g * (b / np.sqrt((a @ a) * (b @ b)) - y * a / (a @ a)),
            lambda g, y, a, b: g * (a / np.sqrt((a @ a) * (b @ b)) - y * b / (b @ b)),
        ),
        (normal(4), normal(4)),
    ),
    "layer norm": Layer(layer_norm, (_layer_norm_input,), (normal(2, 4),)),
    "affine layer norm": Layer(
        lambda x, s, b: layer_norm(x) * s + b,
        (
            lambda g, y, x, s, b: _layer_norm_input(g * s, layer_norm(x), x),
            lambda g, y, x, s, b: np.sum(g * layer_norm(x), axis=0),
            lambda g, y, x, s, b: np.sum(g, axis=0),
        ),
        (normal(3, 4), positive(4), normal(4)),
    ),
    "batch norm": Layer(lambda x: layer_norm(x, 0), (_batch_norm_input,), (normal(5, 2),)),
    "scaled tanh": Layer(
        lambda x, w: np.tanh(x * w),
        (lambda g, y, x, w: g * w * (1 - y * y), lambda g, y, x, w: g * x * (1 - y * y)),
        (normal(4), normal(4)),
    ),
}

LAYERS: dict[str, Layer] = {**_ELEMENTWISE, **_PAIRS, **_REDUCTIONS, **_LINEAR, **_MOVING, **_LOSSES}
