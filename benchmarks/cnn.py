"""One training step of a small convolutional network on 8x8 digits: batch of 32, cross-entropy, plain SGD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd_lite
import nn
from benchmarks.peers import load, torch
from benchmarks.row import NUMPY, OURS, Array, Row, Work, works

__all__ = ["RATE", "by_torch", "loss_of", "rows", "start_of"]

RATE = 0.01
_SHAPES = ((8, 1, 3, 3), (8,), (16, 8, 3, 3), (16,), (10, 64), (10,))


def start_of(rng: np.random.Generator, dtype: str) -> list[Array]:
    return [rng.normal(0.0, 0.2, shape).astype(dtype) for shape in _SHAPES]


def loss_of(functions: Any, parameters: Any, images: Any, labels: Any) -> Any:
    """Return the loss by the functions of ``torch.nn.functional``, which are ours too."""
    k1, b1, k2, b2, w, b = parameters
    h = functions.max_pool2d(functions.relu(functions.conv2d(images, k1, b1, padding=1)), 2)
    h = functions.max_pool2d(functions.relu(functions.conv2d(h, k2, b2, padding=1)), 2)
    return functions.cross_entropy(functions.linear(h.reshape(len(images), -1), w, b), labels)


def _trained(functions: Any, optim: Any, parameters: list[Any], images: Any, labels: Any) -> Work:
    optimizer = optim.SGD(parameters, lr=RATE)

    def run() -> None:
        optimizer.zero_grad()
        loss_of(functions, parameters, images, labels).backward()
        optimizer.step()

    return Work(run, lambda: [p.detach().numpy() for p in parameters])


def _ours(images: Array, labels: Array, start: list[Array]) -> Work:
    parameters = [nn.Parameter(array) for array in start]
    return _trained(autograd_lite, nn.optim, parameters, autograd_lite.Tensor(images), labels)


def by_torch(images: Array, labels: Array, start: list[Array]) -> Work:
    library = torch()
    parameters = [library.tensor(array, requires_grad=True) for array in start]
    functions = load("torch.nn.functional")
    return _trained(functions, library.optim, parameters, library.tensor(images), library.tensor(labels))


def _columns(x: Array) -> Array:
    """Return the 3x3 neighbourhoods of a padded image batch as a matrix: (N H W, C 9)."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)


def _images(columns: Array, shape: tuple[int, ...]) -> Array:
    """Add neighbourhoods back to where `_columns` took them from."""
    n, c, h, w = shape
    windows = columns.reshape(n, h, w, c, 3, 3).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2, w + 2), columns.dtype)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + h, j : j + w] += windows[:, :, i, j]
    return padded[:, :, 1:-1, 1:-1]


def _convolved(x: Array, kernel: Array, bias: Array) -> tuple[Array, Array, Array]:
    """Return the columns, relu(conv2d(x)) split into 2x2 blocks (N, O, H/2, W/2, 4), and each block's argmax."""
    n, _, h, w = x.shape
    columns = _columns(x)
    y = columns @ kernel.reshape(len(kernel), -1).T
    y += bias
    np.maximum(y, 0.0, out=y)
    blocks = y.reshape(n, h // 2, 2, w // 2, 2, -1).transpose(0, 5, 1, 3, 2, 4).reshape(n, -1, h // 2, w // 2, 4)
    return columns, blocks, blocks.argmax(axis=-1)[..., None]


def _convolved_back(g: Array, blocks: Array, largest: Array) -> Array:
    """Return the gradient of the convolution's result as (N H W, O)."""
    n, o, h, w, _ = blocks.shape
    spread = np.zeros_like(blocks)
    np.put_along_axis(spread, largest, g[..., None], axis=-1)
    spread *= blocks > 0.0
    return spread.reshape(n, o, h, w, 2, 2).transpose(0, 2, 4, 3, 5, 1).reshape(-1, o)


def _by_hand(images: Array, labels: Array, start: list[Array]) -> Work:
    k1, b1, k2, b2, w, b = parameters = [array.copy() for array in start]
    n = len(labels)
    everyone = np.arange(n)

    def run() -> float:
        columns1, blocks1, largest1 = _convolved(images, k1, b1)
        h1 = np.take_along_axis(blocks1, largest1, axis=-1)[..., 0]
        columns2, blocks2, largest2 = _convolved(h1, k2, b2)
        h2 = np.take_along_axis(blocks2, largest2, axis=-1).reshape(n, -1)
        z = h2 @ w.T + b
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[everyone, labels]).mean()
        p /= total
        p[everyone, labels] -= 1.0
        p /= n
        g2 = _convolved_back((p @ w).reshape(blocks2.shape[:-1]), blocks2, largest2)
        g1 = _convolved_back(_images(g2 @ k2.reshape(16, -1), h1.shape), blocks1, largest1)
        gradients = (
            *((g1.T @ columns1).reshape(k1.shape), g1.sum(axis=0)),
            *((g2.T @ columns2).reshape(k2.shape), g2.sum(axis=0)),
            *(p.T @ h2, p.sum(axis=0)),
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= RATE * gradient
        return float(loss)

    return Work(run, lambda: parameters)


def rows() -> Iterator[Row]:
    """Yield the network's row in float32 and in float64."""
    digits = load("sklearn.datasets").load_digits()
    labels = digits.target[:32]
    for dtype, rtol in (("float32", 1e-4), ("float64", 1e-9)):
        images = (digits.images[:32, None] / 16.0).astype(dtype)
        yield Row(
            f"training step, CNN on 8x8 digits, batch 32, {dtype}",
            works(
                {OURS: _ours, NUMPY: _by_hand, "PyTorch": by_torch},
                images,
                labels,
                start_of(np.random.default_rng(0), dtype),
            ),
            rtol=rtol,
        )
