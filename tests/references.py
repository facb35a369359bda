"""Slow, obvious NumPy for the ops whose formula is a sketch: what the tests compare values with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["REFERENCES"]


def _meetings(window: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int] | None]]:
    """Yield (place in the result, entry of the kernel, pixel that it meets; None for padding)."""
    for i, j in np.ndindex(*window.out):
        for a, b in np.ndindex(*window.kernel):
            row = i * window.stride[0] + a * window.dilation[0] - window.before[0]
            column = j * window.stride[1] + b * window.dilation[1] - window.before[1]
            inside = 0 <= row < window.size[0] and 0 <= column < window.size[1]
            yield (i, j), (a, b), (row, column) if inside else None


def _connected(w: Any, groups: int, channels: int) -> Iterator[tuple[int, int, int]]:
    """Yield (output channel, input channel, its place in the kernel)."""
    for o, c in itertools.product(range(w.shape[0]), range(w.shape[1])):
        yield o, o // (w.shape[0] // groups) * (channels // groups) + c, c


def conv(x: Any, w: Any, window: Any, groups: int) -> Any:
    y = np.zeros((x.shape[0], w.shape[0], *window.out))
    for (i, j), (a, b), pixel in _meetings(window):
        if pixel is not None:
            for o, channel, c in _connected(w, groups, x.shape[1]):
                y[:, o, i, j] += w[o, c, a, b] * x[:, channel, pixel[0], pixel[1]]
    return y


def conv_input(g: Any, w: Any, window: Any, groups: int) -> Any:
    x = np.zeros((g.shape[0], groups * w.shape[1], *window.size))
    for (i, j), (a, b), pixel in _meetings(window):
        if pixel is not None:
            for o, channel, c in _connected(w, groups, x.shape[1]):
                x[:, channel, pixel[0], pixel[1]] += w[o, c, a, b] * g[:, o, i, j]
    return x


def conv_weight(x: Any, g: Any, window: Any, groups: int) -> Any:
    w = np.zeros((g.shape[1], x.shape[1] // groups, *window.kernel))
    for (i, j), (a, b), pixel in _meetings(window):
        if pixel is not None:
            for o, channel, c in _connected(w, groups, x.shape[1]):
                w[o, c, a, b] += np.sum(x[:, channel, pixel[0], pixel[1]] * g[:, o, i, j])
    return w


def window_sum(x: Any, weights: Any, window: Any) -> Any:
    shares = np.broadcast_to(weights, (window.kernel[0] * window.kernel[1], *weights.shape[1:]))
    y = np.zeros((*x.shape[:-2], *window.out))
    for (i, j), (a, b), pixel in _meetings(window):
        if pixel is not None:
            share = np.broadcast_to(shares[a * window.kernel[1] + b], y.shape)[..., i, j]
            y[..., i, j] += share * x[..., pixel[0], pixel[1]]
    return y


def window_spread(g: Any, weights: Any, window: Any) -> Any:
    shares = np.broadcast_to(weights, (window.kernel[0] * window.kernel[1], *weights.shape[1:]))
    x = np.zeros((*g.shape[:-2], *window.size))
    for (i, j), (a, b), pixel in _meetings(window):
        if pixel is not None:
            share = np.broadcast_to(shares[a * window.kernel[1] + b], g.shape)[..., i, j]
            x[..., pixel[0], pixel[1]] += share * g[..., i, j]
    return x


def max_pool(x: Any, window: Any) -> Any:
    y = np.full((*x.shape[:-2], *window.out), -np.inf)
    for (i, j), _, pixel in _meetings(window):
        if pixel is not None:
            y[..., i, j] = np.maximum(y[..., i, j], x[..., pixel[0], pixel[1]])
    return y


def _classes_last(x: Any) -> Any:
    return x[None, :] if x.ndim == 1 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _log_softmax(rows: Any) -> Any:
    return rows - np.log(np.sum(np.exp(rows), axis=-1, keepdims=True))


def _finished(losses: Any, count: float, reduction: str, shape: tuple[int, ...]) -> Any:
    if reduction == "none":
        return np.reshape(losses, shape)
    return np.sum(losses) / (count if reduction == "mean" else 1)


def nll_loss(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int, rows: Any = None) -> Any:
    rows = _classes_last(x) if rows is None else rows
    weights = np.broadcast_to(weight, rows.shape[-1])
    losses = [0.0 if t == ignore_index else -weights[t] * row[t] for row, t in zip(rows, np.ravel(target), strict=True)]
    count = sum(weights[t] for t in np.ravel(target) if t != ignore_index)
    return _finished(losses, count, reduction, np.shape(target))


def cross_entropy(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int, label_smoothing: float) -> Any:
    rows = _log_softmax(_classes_last(x))
    sharp = nll_loss(x, target, weight, reduction, ignore_index, rows)
    counted = (np.ravel(target) != ignore_index)[:, None]
    losses = -np.sum(rows * weight * counted, axis=-1) / rows.shape[-1]
    weights = np.broadcast_to(weight, rows.shape[-1])
    count = sum(weights[t] for t in np.ravel(target) if t != ignore_index)
    blurred = _finished(losses, count, reduction, np.shape(target))
    return (1 - label_smoothing) * sharp + label_smoothing * blurred


def soft_cross_entropy(x: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Any:
    rows, q = _log_softmax(_classes_last(x)), _classes_last(target)
    q = q * (1 - label_smoothing) + label_smoothing / q.shape[-1]
    shape = (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    return _finished(-np.sum(weight * q * rows, axis=-1), len(rows), reduction, shape)


def _index(form: Any, places: Any) -> Any:
    return tuple(places if type(part) is str else part for part in form)


def _scattered(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    zeros = np.zeros(shape)
    np.add.at(zeros, index, x)
    return zeros


def _set(x: Any, value: Any, index: Any) -> Any:
    copy = np.array(x)
    copy[index] = value
    return copy


def _added(x: Any, value: Any, index: Any) -> Any:
    copy = np.array(x)
    np.add.at(copy, index, value)
    return copy


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def rnn_scan(gates: Any, w: Any, h: Any, nonlinearity: str) -> Any:
    states = []
    for gate in gates:
        h = gate + h @ w.T
        h = np.tanh(h) if nonlinearity == "tanh" else np.where(h > 0, h, 0)
        states.append(h)
    return np.array(states)


def lstm_scan(gates: Any, w: Any, h: Any, c: Any) -> Any:
    states = []
    for gate in gates:
        i, f, u, o = np.split(gate + h @ w.T, 4, axis=1)
        i, f, u, o = _sigmoid(i), _sigmoid(f), np.tanh(u), _sigmoid(o)
        c = f * c + i * u
        h = o * np.tanh(c)
        states.append(np.concatenate([h, c, i, f, u, o], axis=1))
    return np.array(states)


def gru_scan(gates: Any, w: Any, b: Any, h: Any) -> Any:
    states = []
    for gate in gates:
        (r, z, u), (inner_r, inner_z, v) = np.split(gate, 3, axis=1), np.split(h @ w.T + b, 3, axis=1)
        r, z = _sigmoid(r + inner_r), _sigmoid(z + inner_z)
        u = np.tanh(u + r * v)
        h = (1 - z) * u + z * h
        states.append(np.concatenate([h, r, z, u, v], axis=1))
    return np.array(states)


def _reduced(each: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, t, reduction: np.sum(each(x, t)) / (np.size(x) if reduction == "mean" else 1)


REFERENCES: dict[str, Callable[..., Any]] = {
    "gru_scan": gru_scan,
    "lstm_scan": lstm_scan,
    "rnn_scan": rnn_scan,
    "conv": conv,
    "conv_bias": lambda x, w, b, window, groups: conv(x, w, window, groups) + b.reshape(-1, 1, 1),
    "conv_input": conv_input,
    "conv_weight": conv_weight,
    "window_sum": window_sum,
    "window_spread": window_spread,
    "max_pool": max_pool,
    "cross_entropy": cross_entropy,
    "soft_cross_entropy": soft_cross_entropy,
    "nll_loss": nll_loss,
    "scatter_add": _scattered,
    "gather": lambda x, i, form: x[_index(form, i)],
    "spread": lambda x, i, shape, form: _scattered(x, _index(form, i), shape),
    "at_set": _set,
    "at_add": _added,
    "bce_with_logits": _reduced(lambda x, t: np.log(1 + np.exp(x)) - x * t),
    "bce": _reduced(lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p)),
    "mse_loss": _reduced(lambda x, t: (x - t) ** 2),
    "l1_loss": _reduced(lambda x, t: np.abs(x - t)),
}
