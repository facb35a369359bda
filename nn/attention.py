"""Attention: MultiheadAttention and TransformerEncoderLayer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import graph, ops
from nn import init
from nn.dropout import Dropout
from nn.errors import ShapeError
from nn.functional_layers import added, attention_weights, causal_mask
from nn.linear import Linear
from nn.module import Module, Parameter
from nn.norm import LayerNorm

__all__ = ["MultiheadAttention", "TransformerEncoderLayer"]


class MultiheadAttention(Module):
    """Attention with several heads, each on its own projections (Vaswani et al. 2017).

    Parameters
    ----------
    embed_dim, num_heads : int
        The number of features, a multiple of the number of heads.
    dropout : float, optional
        The probability with which a weight is dropped in training.
    bias : bool, optional
        Whether the projections have biases.
    add_bias_kv : bool, optional
        Whether to add a trained key and value to every sequence.
    add_zero_attn : bool, optional
        Whether to add a key and a value of zeros to every sequence.
    kdim, vdim : int, optional
        The number of features of keys and of values; by default ``embed_dim``.
    batch_first : bool, optional
        Whether arrays are (N, L, features) instead of (L, N, features).
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values and the dropout.

    Attributes
    ----------
    in_proj_weight, in_proj_bias : Parameter
        Shapes (3 * embed_dim, embed_dim) and (3 * embed_dim,): rows for queries, keys and values.
    q_proj_weight, k_proj_weight, v_proj_weight : Parameter
        In place of ``in_proj_weight`` where keys or values have another number of features.
    out_proj : Linear

    Raises
    ------
    ShapeError
        When called with arrays or masks of the wrong shape.

    Examples
    --------
    >>> import numpy as np, nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = np.zeros((3, 5, 8))
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"embed_dim must be a positive multiple of num_heads, got {embed_dim} and {num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.generator = generator

        def xavier(*shape: int) -> Parameter:
            fill = init.xavier_uniform_ if len(shape) == 2 else init.xavier_normal_
            weight = Parameter(np.empty(shape, dtype))
            fill(weight, generator=generator)
            return weight

        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = xavier(3 * embed_dim, embed_dim)
            self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        else:
            self.q_proj_weight, self.k_proj_weight, self.v_proj_weight = (
                xavier(embed_dim, n) for n in (embed_dim, self.kdim, self.vdim)
            )
            self.in_proj_weight = None
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.bias_k, self.bias_v = (xavier(1, 1, embed_dim) if add_bias_kv else None for _ in range(2))
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype, generator=generator)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Return the outputs and, if asked for, the weights.

        Parameters
        ----------
        query : array_like
            Shape (L, N, embed_dim); (N, L, embed_dim) if ``batch_first``; (L, embed_dim) for a single sequence.
        key, value : array_like
            Shapes (S, N, kdim) and (S, N, vdim), or accordingly.
        key_padding_mask : array_like, optional
            Shape (N, S), or (S,) for a single sequence: true for keys to ignore, or numbers to add to their scores.
        need_weights : bool, optional
            Whether to return the weights.
        attn_mask : array_like, optional
            Shape (L, S) or (N * num_heads, L, S): true where a query may not see a key, or numbers to add to scores.
        average_attn_weights : bool, optional
            Whether to return the mean of the heads' weights.
        is_causal : bool, optional
            Whether a query sees no later key, whatever the masks say. (PyTorch takes it for a hint beside a mask.)

        Returns
        -------
        output : ndarray or Tensor
            Of the query's shape.
        weights : ndarray, Tensor or None
            Shape (N, L, S), or (N, num_heads, L, S) if not averaged; without N for a single sequence.

        Notes
        -----
        A query that may see no key at all gets weights of zero, not NaN as in PyTorch.
        """
        same = query is key is value
        q, k, v = (graph.operand(x) for x in (query, key, value))
        batched = np.ndim(q) == 3
        self._check(np.shape(q), np.shape(k), np.shape(v))
        if not batched:
            q, k, v = (np.expand_dims(x, 0) for x in (q, k, v))
        elif not self.batch_first:
            q, k, v = (np.swapaxes(x, 0, 1) for x in (q, k, v))
        q, k, v = self._heads_of(q, k, v, same)
        mask = self._mask(q, k, key_padding_mask, attn_mask, is_causal, batched)
        k, v, mask = self._extended(k, v, mask)
        weights = attention_weights(q, k, mask, self.dropout if self.training else 0.0, None, self.generator)
        mixed = np.swapaxes(weights @ v, 1, 2)
        output = self.out_proj(np.reshape(mixed, (*mixed.shape[:2], self.embed_dim)))
        if not batched:
            output = output[0]
        elif not self.batch_first:
            output = np.swapaxes(output, 0, 1)
        if not need_weights:
            return output, None
        weights = np.mean(weights, axis=1) if average_attn_weights else weights
        return output, weights if batched else weights[0]

    def _split(self, x: Any) -> Any:
        """Bring (N, L, embed_dim) to (N, heads, L, head_dim)."""
        return np.swapaxes(np.reshape(x, (*x.shape[:2], self.num_heads, self.head_dim)), 1, 2)

    def _heads_of(self, q: Any, k: Any, v: Any, same: bool) -> tuple[Any, Any, Any]:
        """Return the projected queries, keys and values, each of shape (N, heads, length, head_dim)."""
        n, weight, bias = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if weight is not None and same:
            together = ops.linear(q, weight, bias)
            parts: Any = (together[..., i * n : (i + 1) * n] for i in range(3))
        else:
            weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            if weight is not None:
                weights = (weight[i * n : (i + 1) * n] for i in range(3))
            biases = (None if bias is None else bias[i * n : (i + 1) * n] for i in range(3))
            parts = map(ops.linear, (q, k, v), weights, biases)
        q, k, v = map(self._split, parts)
        return q, k, v

    def _extended(self, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Add the trained key and value and those of zeros; every query sees them."""
        shape = (k.shape[0], self.num_heads, 1, self.head_dim)
        zeros = np.zeros(shape, dtype=k.dtype)
        extra: list[tuple[Any, Any]] = []
        if self.bias_k is not None and self.bias_v is not None:
            own = (self._split(np.broadcast_to(b, (shape[0], 1, self.embed_dim))) for b in (self.bias_k, self.bias_v))
            extra.append((next(own), next(own)))
        if self.add_zero_attn:
            extra.append((zeros, zeros))
        for more_k, more_v in extra:
            k, v = np.concatenate([k, more_k], axis=2), np.concatenate([v, more_v], axis=2)
        if extra and mask is not None:
            mask = ops.pad(mask, [(0, 0)] * (np.ndim(mask) - 1) + [(0, len(extra))])
        return k, v, mask

    def _mask(self, q: Any, k: Any, padding: Any, attn_mask: Any, is_causal: bool, batched: bool) -> Any:
        """Return what to add to the scores, broadcast to (N, heads, L, S), or None."""
        (count, heads, queries, _), keys = q.shape, k.shape[2]
        whole = (count, heads, queries, keys)
        terms = []
        if padding is not None:
            shape = (count, keys) if batched else (keys,)
            terms.append(self._numbers("key_padding_mask", padding, q.dtype, [shape], (count, 1, 1, keys)))
        if attn_mask is not None:
            allowed = [(queries, keys), (count * heads, queries, keys)]
            target = (queries, keys) if np.ndim(attn_mask) == 2 else whole
            terms.append(self._numbers("attn_mask", attn_mask, q.dtype, allowed, target))
        if is_causal:
            terms.append(causal_mask(queries, keys, q.dtype))
        return sum(terms[1:], terms[0]) if terms else None

    def _numbers(self, name: str, mask: Any, dtype: Any, allowed: list[Any], shape: tuple[int, ...]) -> Any:
        mask = graph.operand(mask)
        if np.shape(mask) not in allowed:
            each = "key of each sequence" if name == "key_padding_mask" else "query (a row) and key (a column)"
            fix = f"It holds an entry for each {each}."
            raise ShapeError(self, f"{name} of shape {' or '.join(map(str, allowed))}", str(np.shape(mask)), fix)
        if mask.dtype.kind not in "bf":
            raise TypeError(f"{name} holds truth values (true: hidden) or numbers to add, got dtype {mask.dtype}")
        return np.reshape(added(mask, dtype, hides=True), shape)

    def _check(self, q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None:
        settings = {"query": (q, "L", "embed_dim"), "key": (k, "S", "kdim"), "value": (v, "S", "vdim")}
        for name, (shape, length, setting) in settings.items():
            size = getattr(self, setting)
            if len(shape) not in (2, 3) or shape[-1] != size:
                axes = f"N, {length}" if self.batch_first else f"{length}, N"
                fix = f"Features go along the last axis: {size}, or as many as {setting} says."
                raise ShapeError(self, f"a {name} of shape ({axes}, {size}) or ({length}, {size})", str(shape), fix)
        samples = 0 if self.batch_first else 1
        if not len(q) == len(k) == len(v) or k[:-1] != v[:-1] or (len(q) == 3 and q[samples] != k[samples]):
            fix = "With batch_first=True samples come first, else second."
            expected = "keys and values of one length, and of as many samples as queries"
            raise ShapeError(self, expected, f"{q}, {k} and {v}", fix)

    def extra_repr(self) -> str:
        text = f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
        text += f", dropout={self.dropout}" if self.dropout else ""
        return text + (", batch_first=True" if self.batch_first else "")


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": ops.relu, "gelu": ops.gelu}


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two linear layers, each with a residual connection and layer normalisation.

    Parameters
    ----------
    d_model, nhead : int
        The number of features, a multiple of the number of heads.
    dim_feedforward : int, optional
        The number of units between the two linear layers.
    dropout : float, optional
        The probability of dropout, of attention weights too.
    activation : {"relu", "gelu"} or callable, optional
        Between the two linear layers.
    layer_norm_eps : float, optional
    batch_first : bool, optional
        Whether arrays are (N, L, features) instead of (L, N, features).
    norm_first : bool, optional
        Whether to normalise before attention and feed-forward, not after them.
    bias : bool, optional
        Whether linear layers and normalisations have biases.
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values and the dropout.

    Examples
    --------
    >>> import numpy as np, nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(np.zeros((3, 5, 8)), is_causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = ops.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(f"activation should be 'relu', 'gelu' or a function, got {activation!r}")
            activation = _ACTIVATIONS[activation]
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype, generator=generator
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype, generator=generator)
        self.dropout = Dropout(dropout, generator=generator)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype, generator=generator)
        self.norm_first = norm_first
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2))
        self.dropout1, self.dropout2 = (Dropout(dropout, generator=generator) for _ in range(2))
        self.activation = activation

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Apply the layer; the masks are those of `MultiheadAttention`."""
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        x = graph.operand(src)
        if self.norm_first:
            x = x + self._attend(self.norm1(x), masks)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, masks))
        return self.norm2(x + self._feed(x))

    def _attend(self, x: Any, masks: dict[str, Any]) -> Any:
        return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

    def _feed(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
