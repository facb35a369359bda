"""Ops whose own functions look at data or at memory, written for Symbols: the same numbers in primitive steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.ops.class_losses import _class_axis, _entropy_slope, _log_probabilities, _over_samples
from autograd_lite.ops.window import Window
from autograd_lite.replay.plan_symbol import Symbol, symbol_of

__all__ = ["FORWARD", "VJP"]

# Op name -> its forward; (op name, operand) -> its rule. The others run as they are.
FORWARD: dict[str, Callable[..., Any]] = {}
VJP: dict[tuple[str, int], Callable[..., Any]] = {}


def _astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def _from_values(*values: Any, shape: tuple[int, ...]) -> Any:
    builder = next(v.builder for v in values if isinstance(v, Symbol))
    made = Symbol(builder, builder.temp((len(values),), np.float64))
    for i, v in enumerate(values):
        made[i] = v
    return made.reshape(shape)


def _from_values_vjp(g: Any, y: Any, *values: Any, shape: tuple[int, ...]) -> Any:
    return list(g.reshape(-1))


FORWARD |= {
    "astype": _astype,
    "from_values": _from_values,
}
VJP["from_values", 0] = _from_values_vjp
VJP["astype", 0] = lambda g, y, x, dtype: g.astype(x.dtype)


# Cross-entropy of labels: the distribution over the classes comes from comparing labels with class numbers.


def _check_labels(labels: Any, classes: int, ignore_index: int) -> Any:
    counted = labels[labels != ignore_index]
    if counted.size and not 0 <= counted.min() <= counted.max() < classes:
        wrong = counted.min() if counted.min() < 0 else counted.max()
        raise ValueError(f"class {wrong} in the targets, but there are {classes} classes (0 to {classes - 1})")
    return np.zeros(())


def _labelled(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Return the distribution (weighted, its classes the axis of ``x``), each sample's weight, and their sum."""
    axis = _class_axis(x)
    target, classes = symbol_of(x.builder, target), x.shape[axis]
    counted = np.not_equal(target, ignore_index)
    numbers = np.arange(classes).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    hot = np.equal(np.expand_dims(np.where(counted, target, 0), axis), numbers)
    if np.ndim(weight):
        by_class = weight.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        weight = np.add.reduce(np.where(hot, by_class, 0), axis=axis)
    weights = counted * weight
    return hot, weights, np.add.reduce(weights, axis=None)


def _cost(
    logp: Any, target: Any, weight: Any, *, reduction: Any, ignore_index: int, label_smoothing: float = 0.0
) -> Any:
    axis = _class_axis(logp)
    checked = functools.partial(_check_labels, classes=logp.shape[axis], ignore_index=ignore_index)
    labels = symbol_of(logp.builder, target).number
    logp.builder.called(checked, (labels,), [np.zeros(())], False, "check_labels")
    hot, weights, count = _labelled(logp, target, weight, ignore_index)
    if label_smoothing:
        q = _smoothed(logp, target, weight, hot, weights, ignore_index, label_smoothing)
    else:
        q = np.where(hot, np.expand_dims(weights.astype(logp.dtype), axis), 0)
    costs = np.add.reduce(-q * np.where(q != 0, logp, 0), axis=axis)
    return _over_samples(costs, reduction, count.astype(logp.dtype))


def _smoothed(
    x: Any, target: Any, weight: Any, hot: Any, weights: Any, ignore_index: int, label_smoothing: float
) -> Any:
    axis = _class_axis(x)
    q = np.where(hot, np.expand_dims((weights * (1 - label_smoothing)).astype(x.dtype), axis), 0)
    if not label_smoothing:
        return q
    counted = np.expand_dims(np.not_equal(target, ignore_index), axis)
    if np.ndim(weight):
        weight = weight.astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return q + (label_smoothing / x.shape[axis] * weight * counted).astype(x.dtype)


def _share_of(g: Any, x: Any, reduction: Any, count: Any) -> Any:
    if reduction == "none":
        return np.expand_dims(g, _class_axis(x))
    return g / np.where(count == 0, 1, count).astype(x.dtype) if reduction == "mean" else g


def _cross_entropy_vjp(
    g: Any, y: Any, x: Any, target: Any, weight: Any, *, reduction: Any, ignore_index: int, label_smoothing: float
) -> Any:
    hot, weights, count = _labelled(x, target, weight, ignore_index)
    q = _smoothed(x, target, weight, hot, weights, ignore_index, label_smoothing)
    return _entropy_slope(x, q) * _share_of(g, x, reduction, count)


def _nll_vjp(g: Any, y: Any, logp: Any, target: Any, weight: Any, *, reduction: Any, ignore_index: int) -> Any:
    hot, weights, count = _labelled(logp, target, weight, ignore_index)
    q = _smoothed(logp, target, weight, hot, weights, ignore_index, 0.0)
    return _share_of(g, logp, reduction, count) * -q


def _cross_entropy(x: Any, target: Any, weight: Any, **settings: Any) -> Any:
    return _cost(_log_probabilities(x), target, weight, **settings)


FORWARD |= {"cross_entropy": _cross_entropy, "nll_loss": _cost}
VJP["cross_entropy", 0] = _cross_entropy_vjp
VJP["nll_loss", 0] = _nll_vjp


# Binary cross-entropy of probabilities: the check is a call.


def _check_probabilities(p: Any) -> Any:
    if np.any(p < 0) or np.any(p > 1):
        raise ValueError("bce takes probabilities between 0 and 1; for logits there is bce_with_logits")
    return np.zeros(())


def _bce_each(p: Any, t: Any) -> Any:
    if isinstance(p, Symbol):
        p.builder.called(_check_probabilities, (p.number,), [np.zeros(())], False, "check_probabilities")
    return -(t * np.maximum(np.log(p), -100.0) + (1 - t) * np.maximum(np.log(1 - p), -100.0))


def _bce(p: Any, t: Any, reduction: Any) -> Any:
    total = np.add.reduce(_bce_each(p, t), axis=None)
    return total / p.size if reduction == "mean" else total


FORWARD |= {"bce_each": _bce_each, "bce": _bce}


# Convolution, laid out as `ops.conv` has it: images as (C, height, width, N), each patch a column.


def _batch_last(x: Any) -> Any:
    return x.transpose(1, 2, 3, 0)


def _batch_first(x: Any) -> Any:
    return x.transpose(3, 0, 1, 2)


def _columns(x: Any, window: Window, groups: int) -> Any:
    builder, image = x.builder, _batch_last(x)
    channels, height, width, count = image.shape
    if any(window.before + window.after):
        (top, left), (bottom, right) = window.before, window.after
        big = (channels, top + height + bottom, left + width + right, count)
        framed = x.fresh(builder.filled(big, x.dtype, 0))
        framed[:, top : top + height, left : left + width] = image
        image = framed
    elif image.array.owner == "view":
        image = x.fresh(builder.copied(image.number))
    owner, offset, (by_channel, by_row, by_column, by_sample) = builder.layout(image.number)
    (height, width), (down, right), (spread_down, spread_right) = window.kernel, window.stride, window.dilation
    patches = builder.view(
        owner,
        (channels, height, width, *window.out, count),
        offset,
        (by_channel, spread_down * by_row, spread_right * by_column, down * by_row, right * by_column, by_sample),
    )
    shape = (groups, channels // groups * height * width, math.prod(window.out) * count)
    return x.fresh(builder.copied(patches)).reshape(shape)


def _rows(x: Any, groups: int) -> Any:
    count, channels, height, width = x.shape
    return _batch_last(x).reshape(groups, channels // groups, height * width * count)


def _filters(w: Any, groups: int) -> Any:
    return w.reshape(groups, w.shape[0] // groups, w.shape[1] * w.shape[2] * w.shape[3])


def _conv(x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    y = (_filters(w, groups) @ _columns(x, window, groups)).reshape(w.shape[0], *window.out, x.shape[0])
    return _batch_first(y if b is None else y + b.reshape(w.shape[0], 1, 1, 1))


def _conv_input(g: Any, w: Any, window: Window, groups: int) -> Any:
    count, channels = g.shape[0], groups * w.shape[1]
    columns = np.swapaxes(_filters(w, groups), -1, -2) @ _rows(g, groups)
    parts = np.moveaxis(columns.reshape(channels, *window.kernel, *window.out, count), (1, 2, -1), (0, 1, 2))
    image = window.blank(parts[0, 0], parts.dtype)
    for i, j, part in window.entries():
        image[part] += parts[i, j]
    return image[window.inside]


def _conv_weight(x: Any, g: Any, window: Window, groups: int) -> Any:
    w = _rows(g, groups) @ np.swapaxes(_columns(x, window, groups), -1, -2)
    return w.reshape(g.shape[1], x.shape[1] // groups, *window.kernel)


def _by_image(g: Any, y: Any, x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    return _conv_input(g, w, window, groups)


def _by_kernel(g: Any, y: Any, x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Any:
    return _conv_weight(x, g, window, groups)


FORWARD |= {"conv": _conv, "conv_bias": _conv, "conv_input": _conv_input, "conv_weight": _conv_weight}
VJP |= {(name, i): rule for name in ("conv", "conv_bias") for i, rule in enumerate((_by_image, _by_kernel))}
VJP["conv_input", 0] = lambda g, y, x, w, window, groups: _conv(g, w, window=window, groups=groups)
VJP["conv_input", 1] = lambda g, y, x, w, window, groups: _conv_weight(g, x, window, groups)
VJP["conv_weight", 0] = lambda g, y, x, h, window, groups: _conv_input(h, g, window, groups)
VJP["conv_weight", 1] = lambda g, y, x, h, window, groups: _conv(x, g, window=window, groups=groups)
