"""The affine map of a linear layer, as one op."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.ops.record import Case, structural

__all__ = ["linear"]


def _linear_forward(x: Any, w: Any, b: Any = None) -> Any:
    try:
        _, _ = w.shape  # two axes: a weight of another rank might multiply, with another meaning
        y = x @ w.T
    except (AttributeError, ValueError):
        raise ValueError(
            f"linear: an input of shape {np.shape(x)} and a weight of shape {np.shape(w)} do not fit; "
            "the last axis of the input must be the last of the weight (out, in)"
        ) from None
    if b is None:
        return y
    if np.shape(b) != w.shape[:1]:
        raise ValueError(f"linear: expected a bias of shape {w.shape[:1]}, got {np.shape(b)}")
    return np.add(y, b, out=y) if y.dtype == b.dtype else y + b


def _linear_input(g: Any, y: Any, x: Any, w: Any, b: Any = None) -> Any:
    return g @ w


def _linear_weight(g: Any, y: Any, x: Any, w: Any, b: Any = None) -> Any:
    if x.ndim != 2:
        rows = math.prod(x.shape[:-1])
        g, x = np.reshape(g, (rows, w.shape[0])), np.reshape(x, (rows, w.shape[1]))
    return g.T @ x


@functools.lru_cache(maxsize=64)
def _ones(n: int, dtype: Any) -> Any:
    return np.ones(n, dtype)


def _linear_bias(g: Any, y: Any, x: Any, w: Any, b: Any) -> Any:
    if type(g) is np.ndarray and g.ndim == 2:
        return np.dot(_ones(len(g), g.dtype), g)  # a small batch is summed faster by BLAS
    return np.add.reduce(g, axis=0 if g.ndim == 2 else tuple(range(g.ndim - 1)))


def _linear_jvp(tangents: Sequence[Any], y: Any, x: Any, w: Any, b: Any) -> Any:
    dx, dw, db = tangents
    terms = [db] if db is not None else []
    terms += [dx @ w.T] if dx is not None else []
    terms += [x @ dw.T] if dw is not None else []
    total = terms.pop()
    for term in terms:
        total = total + term
    return total


_linear_shapes = [((5, 3), (4, 3)), ((3,), (4, 3)), ((2, 5, 3), (4, 3)), ((0, 3), (2, 3)), ((1, 1), (1, 1))]

_linear = structural(
    "linear",
    "xWᵀ + b",
    "x @ y.T + z",
    _linear_forward,
    _linear_input,
    _linear_weight,
    _linear_bias,
    jvp=_linear_jvp,
    needs="operands",
    cases=tuple(Case(shapes=(x, w, w[:1])) for x, w in _linear_shapes),
)

_linear_map = structural(
    "linear_map",
    "xWᵀ",
    "x @ y.T",
    _linear_forward,
    _linear_input,
    _linear_weight,
    multilinear=True,
    cases=tuple(Case(shapes=shapes) for shapes in _linear_shapes),
)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Apply an affine map to the last axis: ``input @ weight.T + bias``.

    Parameters
    ----------
    input : array_like
        Shape (..., in).
    weight : array_like
        Shape (out, in), as PyTorch has it.
    bias : array_like, optional
        Shape (out,).

    Returns
    -------
    ndarray or Tensor
        Shape (..., out).

    Raises
    ------
    ValueError
        When sizes do not fit; the message names them.

    Examples
    --------
    >>> linear([1.0, 2.0], [[1.0, 1.0], [1.0, -1.0]], [10.0, 20.0])
    array([13., 19.])
    """
    return _linear_map(input, weight) if bias is None else _linear(input, weight, bias)
