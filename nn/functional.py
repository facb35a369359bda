"""The layers and losses as plain functions, under the names and signatures of ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, graph, ops
from autograd_lite.taped import effect
from nn.embedding import embedding as embedding
from nn.functional_layers import (
    dropout2d as dropout2d,
    group_norm as group_norm,
    layer_norm as layer_norm,
    noise as _noise,
    rms_norm as rms_norm,
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from nn.functional_losses import (
    cosine_embedding_loss as cosine_embedding_loss,
    focal_loss as focal_loss,
    hinge_embedding_loss as hinge_embedding_loss,
    hinge_loss as hinge_loss,
    huber_loss as huber_loss,
    kl_div as kl_div,
    sigmoid_focal_loss as sigmoid_focal_loss,
    smooth_l1_loss as smooth_l1_loss,
)
from nn.pooling import (
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    avg_pool2d as avg_pool2d,
    max_pool2d as max_pool2d,
)
from nn.reshape import interpolate as interpolate, unflatten as unflatten

celu, elu, hardtanh, leaky_relu, linear = ops.celu, ops.elu, ops.hardtanh, ops.leaky_relu, ops.linear
logsigmoid, mish, relu, selu, sigmoid = ops.logsigmoid, ops.mish, ops.relu, ops.selu, ops.sigmoid
silu, softsign, tanh = ops.silu, ops.softsign, ops.tanh
conv1d, conv2d, conv_transpose1d = ops.conv1d, ops.conv2d, ops.conv_transpose1d
conv_transpose2d = ops.conv_transpose2d
cross_entropy, l1_loss, mse_loss, nll_loss = ops.cross_entropy, ops.l1_loss, ops.mse_loss, ops.nll_loss

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "celu", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "cosine_embedding_loss", "cross_entropy",
    "dropout", "dropout2d", "elu", "embedding", "flatten", "focal_loss", "gelu", "group_norm", "hardtanh",
    "hinge_embedding_loss", "hinge_loss", "huber_loss", "interpolate", "kl_div", "l1_loss", "layer_norm",
    "leaky_relu", "linear", "log_softmax", "logsigmoid", "max_pool2d", "mish", "mse_loss", "nll_loss", "relu",
    "rms_norm", "scaled_dot_product_attention", "selu", "sigmoid", "sigmoid_focal_loss", "silu", "smooth_l1_loss",
    "softmax", "softplus", "softsign", "tanh", "unflatten",
]  # fmt: skip


def gelu(input: Any, approximate: str = "none") -> Any:
    """Return ``x Φ(x)`` with the normal distribution function Φ (Hendrycks and Gimpel 2016).

    Parameters
    ----------
    input : array_like
    approximate : {"none", "tanh"}, optional
        ``"tanh"`` takes the authors' approximation.

    Examples
    --------
    >>> round(float(gelu(1.0)), 4), round(float(gelu(1.0, approximate="tanh")), 4)
    (0.8413, 0.8412)
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return ops.gelu(input) if approximate == "none" else ops.gelu_tanh(input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return ``log(1 + exp(beta x)) / beta``, and ``x`` itself where ``beta x > threshold``.

    Examples
    --------
    >>> softplus([0.0, 30.0]).round(4)
    array([ 0.6931, 30.    ])
    """
    x: Any = graph.operand(input)
    return np.where(graph.data_of(x) * beta > threshold, x, ops.softplus(x, beta))


def softmax(input: Any, dim: int | None = None) -> Any:
    """Return ``exp(x) / sum(exp(x))`` along ``dim``: the last axis by default, for at most two of them.

    Examples
    --------
    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    return ops.softmax(input, axis=_class_axis("softmax", input, dim))


def log_softmax(input: Any, dim: int | None = None) -> Any:
    """Return ``log(softmax(x, dim))``, exact where softmax itself would underflow.

    Examples
    --------
    >>> log_softmax([0.0, 0.0]).round(4)
    array([-0.6931, -0.6931])
    """
    return ops.log_softmax(input, axis=_class_axis("log_softmax", input, dim))


def _class_axis(name: str, x: Any, dim: int | None) -> int:
    if dim is None and np.ndim(x) > 2:
        raise ValueError(f"{name} of an array of {np.ndim(x)} axes: say along which, as in {name}(x, dim=1)")
    return -1 if dim is None else dim


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Merge the axes from ``start_dim`` to ``end_dim``, both included, into one.

    Examples
    --------
    >>> flatten(np.zeros((2, 3, 4)), start_dim=1).shape
    (2, 12)
    """
    shape = np.shape(input) or (1,)
    if not all(-len(shape) <= d < len(shape) for d in (start_dim, end_dim)):
        raise IndexError(f"flatten: an input of shape {shape} has no axes from {start_dim} to {end_dim}")
    start, end = (range(len(shape))[d] for d in (start_dim, end_dim))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in shape {shape}")
    return ops.reshape(input, (*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]))


def dropout(input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Any:
    """Zero each entry with probability ``p`` and divide the others by ``1 - p`` (Srivastava et al. 2014).

    Parameters
    ----------
    input : array_like
    p : float, optional
    training : bool, optional
        False gives the input back.
    generator : numpy.random.Generator, optional
        Default: `autograd_lite.default_generator`.

    Examples
    --------
    >>> dropout(np.ones(6), p=0.5, generator=np.random.default_rng(0))
    array([2., 0., 0., 0., 2., 2.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    x: Any = graph.operand(input)
    return x * _noise(np.shape(x), p, getattr(x, "dtype", np.float64), generator)


def batch_norm(
    input: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Bring each channel (axis 1) to mean 0 and variance 1 (Ioffe and Szegedy 2015), then to ``weight`` and ``bias``.

    Parameters
    ----------
    input : array_like
        Shape (N, C) or (N, C, ...).
    running_mean, running_var : Tensor or None
        Shape (C,). Without ``training`` they are what is subtracted and divided by; with it they move towards the
        batch's by ``momentum``: the variance towards the unbiased one, though the biased one normalises.
    weight, bias : array_like, optional
        Shape (C,).
    training : bool, optional
        Whether to normalise by the batch itself.
    momentum, eps : float, optional

    Raises
    ------
    ValueError
        When training on a single value a channel, whose variance says nothing.

    Examples
    --------
    >>> batch_norm([[0.0], [2.0]], None, None, training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    x: Any = graph.operand(input)
    column = (-1, *(1,) * (x.ndim - 2))
    if training:
        axes = (0, *range(2, x.ndim))
        count = x.size // max(x.shape[1], 1)
        if count == 1:
            raise ValueError(
                f"batch_norm: expected more than 1 value per channel when training, got input size {x.shape}.\n"
                "Drop the last batch (DataLoader(..., drop_last=True)), or call model.eval() to predict."
            )
        some = x if count else np.zeros((1, *x.shape[1:2], *(1,) * (x.ndim - 2)), x.dtype)  # nothing has no mean
        mean = np.mean(some, axis=axes, keepdims=True)
        centered = x - mean
        variance = np.mean(centered * centered, axis=axes, keepdims=True) if count else mean
        if count and running_mean is not None and running_var is not None:
            _follow(running_mean, running_var, mean, variance, momentum, count / (count - 1))
    else:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm without running statistics can only be called with training=True")
        centered = x - np.reshape(running_mean, column)
        variance = np.reshape(running_var, column)
    scale = 1 / np.sqrt(variance + eps)
    if weight is not None:
        scale = scale * np.reshape(weight, column)
    y = centered * scale
    return y if bias is None else y + np.reshape(bias, column)


def _follow(
    running_mean: Tensor, running_var: Tensor, mean: Any, variance: Any, momentum: Any, unbiased: float
) -> None:
    """Move running statistics towards those of a batch, by ``momentum`` or what it returns when it is called."""

    def move(mean: Any, variance: Any) -> None:
        part = momentum() if callable(momentum) else momentum
        for running, batch in ((running_mean, mean.ravel()), (running_var, variance.ravel() * unbiased)):
            running._data *= 1 - part
            running._data += part * batch
        graph.mark_written((running_mean, running_var))

    effect(move, (mean, variance), (running_mean, running_var))


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: Any = "mean") -> Any:
    """Return ``-(t log p + (1 - t) log(1 - p))`` of probabilities, the logarithms at least -100; see `ops.bce`.

    Examples
    --------
    >>> float(binary_cross_entropy([0.0], [1.0]))
    100.0
    """
    return ops.bce(input, target, weight=weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Any = "mean", pos_weight: Any = None
) -> Any:
    """Return the binary cross-entropy of ``sigmoid(input)``, stably; see `ops.bce_with_logits`.

    Examples
    --------
    >>> float(binary_cross_entropy_with_logits([-1e4], [1.0]))
    10000.0
    """
    return ops.bce_with_logits(input, target, weight=weight, reduction=reduction, pos_weight=pos_weight)
