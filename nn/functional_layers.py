"""The normalisations, channel dropout and attention as plain functions; `nn.functional` has them too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import default_generator, graph, ops
from autograd_lite.taped import draw, plainly

__all__ = ["dropout2d", "group_norm", "layer_norm", "rms_norm", "scaled_dot_product_attention"]


def _last_axes(name: str, x: Any, normalized_shape: Any) -> tuple[int, ...]:
    """Return the axes that a normalised shape stands for: the last ones of the input."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{name}: expected an input whose last axes are {shape}, got shape {x.shape}")
    return tuple(range(-len(shape), 0))


def _floating(dtype: Any) -> np.dtype[Any]:
    """Return the dtype that computing with numbers of this one gives: float64 for whole numbers and truth values."""
    return np.dtype(np.float64 if np.dtype(dtype).kind in "biu" else dtype)


def _normalized(x: Any, axes: tuple[int, ...], eps: float, centered: bool = True) -> Any:
    """Bring the mean over some axes to 0, if asked to, and the mean square to 1."""
    if centered:
        x = x - np.mean(x, axis=axes, keepdims=True)
    return x * (1 / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + eps))


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Bring the last axes of each sample to mean 0 and variance 1, then to ``weight`` and ``bias`` (Ba et al. 2016).

    Parameters
    ----------
    input : array_like
        Shape (..., *normalized_shape).
    normalized_shape : int or tuple of int
    weight, bias : array_like, optional
        Of the normalised shape.
    eps : float, optional
        Added to the (biased) variance.

    Raises
    ------
    ValueError
        When the last axes of the input are not of the normalised shape.

    Examples
    --------
    >>> layer_norm([[1.0, 3.0], [0.0, 10.0]], 2, eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x = graph.operand(input)
    return _affine(_normalized(x, _last_axes("layer_norm", x, normalized_shape), eps), weight, bias)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Divide the last axes of each sample by their root mean square, multiply by ``weight`` (Zhang, Sennrich 2019).

    Parameters
    ----------
    input : array_like
        Shape (..., *normalized_shape).
    normalized_shape : int or tuple of int
    weight : array_like, optional
        Of the normalised shape.
    eps : float, optional
        Added to the mean square; by default the machine epsilon of the input's dtype.

    Raises
    ------
    ValueError
        When the last axes of the input are not of the normalised shape.

    Examples
    --------
    >>> rms_norm([[3.0, 4.0], [1.0, 1.0]], 2).round(4)
    array([[0.8485, 1.1314],
           [1.    , 1.    ]])
    """
    x = graph.operand(input)
    eps = float(np.finfo(_floating(x.dtype)).eps) if eps is None else eps
    return _affine(_normalized(x, _last_axes("rms_norm", x, normalized_shape), eps, centered=False), weight, None)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Bring each group of channels of each sample to mean 0 and variance 1, then channels to ``weight`` and ``bias``.

    Parameters
    ----------
    input : array_like
        Shape (N, C, ...).
    num_groups : int
        A divisor of C.
    weight, bias : array_like, optional
        Shape (C,).
    eps : float, optional
        Added to the (biased) variance.

    Raises
    ------
    ValueError
        When the number of channels is no multiple of the number of groups.

    Notes
    -----
    Wu and He 2018. One group is layer normalisation over all but the samples, C groups are instance normalisation.

    Examples
    --------
    >>> group_norm([[1.0, 3.0, 5.0, 5.0]], 2).round(3)
    array([[-1.,  1.,  0.,  0.]])
    """
    x = graph.operand(input)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: expected an input of shape (N, C, ...), C a multiple of {num_groups}, got {x.shape}"
        )
    count, channels = x.shape[:2]
    grouped = np.reshape(x, (count, num_groups, channels // num_groups, *x.shape[2:]))
    y = np.reshape(_normalized(grouped, tuple(range(2, grouped.ndim)), eps), x.shape)
    column = (channels, *(1,) * (x.ndim - 2))
    return _affine(y, *(None if p is None else np.reshape(p, column) for p in (weight, bias)))


def noise(shape: tuple[int, ...], p: float, dtype: Any, generator: np.random.Generator | None) -> Any:
    """Return what dropout multiplies by: 0 with probability ``p``, else 1 / (1 - p)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return plainly(_mask, draw(generator or default_generator(), "random", shape), p, _floating(dtype))


def _mask(numbers: Any, p: float, dtype: Any) -> Any:
    return np.multiply(numbers >= p, 0.0 if p == 1 else 1 / (1 - p), dtype=dtype)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Any:
    """Zero whole channels with probability ``p`` and divide the others by ``1 - p`` (Tompson et al. 2015).

    Parameters
    ----------
    input : array_like
        Shape (N, C, height, width) or (N, C, length).
    p : float, optional
    training : bool, optional
        False gives the input back.
    generator : numpy.random.Generator, optional
        Default: `autograd_lite.default_generator`.

    Raises
    ------
    ValueError
        For an input without channels, and a probability outside of [0, 1].

    Examples
    --------
    >>> dropout2d(np.ones((1, 3, 1, 2)), generator=np.random.default_rng(0))
    array([[[[2., 2.]],
    <BLANKLINE>
            [[0., 0.]],
    <BLANKLINE>
            [[0., 0.]]]])
    """
    x = graph.operand(input)
    if x.ndim not in (3, 4):
        raise ValueError(f"dropout2d takes an input of shape (N, C, height, width) or (N, C, length), got {x.shape}")
    kept = noise(x.shape[:2] + (1,) * (x.ndim - 2), p, x.dtype, generator)
    return x * kept if training and p else input


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: np.random.Generator | None = None,
) -> Any:
    """Return, for each query, the mean of the values weighted by how well their keys fit (Vaswani et al. 2017).

    Parameters
    ----------
    query : array_like
        Shape (..., L, E).
    key, value : array_like
        Shapes (..., S, E) and (..., S, V).
    attn_mask : array_like, optional
        Broadcasts to (..., L, S). Truth values say which keys take part; numbers are added to the scores.
    dropout_p : float, optional
        The probability with which a weight is dropped.
    is_causal : bool, optional
        Whether query i sees the first i + 1 keys only.
    scale : float, optional
        Of the products; by default 1 / sqrt(E).
    generator : numpy.random.Generator, optional
        For the dropout.

    Returns
    -------
    ndarray or Tensor
        Shape (..., L, V). A query that may see no key at all gets zeros.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> q, k, v = np.zeros((1, 2)), np.ones((2, 2)), [[1.0], [3.0]]
    >>> scaled_dot_product_attention(q, k, v)
    array([[2.]])
    >>> scaled_dot_product_attention(q, k, v, is_causal=True)
    array([[1.]])
    """
    q, k, v = (graph.operand(x) for x in (query, key, value))
    mask = 0.0 if attn_mask is None else added(attn_mask, q.dtype, hides=False)
    if is_causal:
        mask = mask + causal_mask(q.shape[-2], k.shape[-2], q.dtype)
    return attention_weights(q, k, None if type(mask) is float else mask, dropout_p, scale, generator) @ v


def attention_weights(
    q: Any, k: Any, mask: Any, dropout_p: float, scale: float | None, generator: np.random.Generator | None
) -> Any:
    """Return the weights of the values, shape (..., L, S); ``mask`` is added to the scores."""
    if min(q.ndim, k.ndim) < 2 or q.shape[-1] != k.shape[-1]:
        raise ValueError(f"attention: queries of shape {q.shape} and keys of shape {k.shape} differ in their last axis")
    scores = (q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)) @ np.swapaxes(k, -1, -2)
    weights = ops.softmax(scores if mask is None else scores + mask, axis=-1)
    return weights * noise(weights.shape, dropout_p, weights.dtype, generator) if dropout_p else weights


def added(mask: Any, dtype: Any, hides: bool) -> Any:
    """Return what a mask adds to scores: its numbers, or -inf where its truth values equal ``hides``."""
    mask = graph.operand(mask)
    if mask.dtype.kind != "b":
        return mask
    hidden = plainly(np.equal, mask, hides)
    return np.where(hidden, -np.inf, 0.0).astype(dtype if np.dtype(dtype).kind == "f" else np.float64)


def causal_mask(queries: int, keys: int, dtype: Any) -> Any:
    """Return the mask that hides the keys behind each query's own place."""
    return added(np.triu(np.ones((queries, keys), dtype=bool), 1), dtype, hides=True)
