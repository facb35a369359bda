"""A catalogue of seeded mistakes, as people make them in hand-written backward passes, each with its kind.

A mistake replaces one rule of a right layer of `tests.zoo_layers`, or one rule of the engine's own table inside a
network, or cuts a path of a function. Nothing here knows how the gradient checker finds its diagnosis.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import Tensor, custom_op, ops
from tests.zoo_layers import (
    LABELS,
    LAYERS,
    MASK,
    ONE_HOT,
    ROWS,
    Sample,
    layer_norm,
    normal,
    positive,
    pulled_softmax,
    recurrent_states,
    scattered,
    sigmoid,
    softmax,
    unit,
)

__all__ = ["KINDS", "ZOO", "Broken"]

KINDS = (
    "sign", "factor", "transposed", "broadcast", "mean", "upstream",
    "input-output", "last-use", "off-by-one", "wrong-operand", "detached",
)  # fmt: skip
Rule = Callable[..., Any]


class Broken(NamedTuple):
    """One mistake: its name and kind, ``build() -> (function, inputs)``, and where it is in force."""

    name: str
    kind: str
    build: Callable[[], tuple[Callable[..., Any], list[Any]]]
    installed: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext


def _drawn(name: str, samples: tuple[Sample, ...], dtype: str = "f8") -> list[Any]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    inputs = [sample(rng) for sample in samples]
    return [x.astype(dtype) if isinstance(x, np.ndarray) else x for x in inputs]


def _in_layer(kind: str, place: str, rule: Rule, note: str, dtype: str = "f8", samples: Any = None) -> Broken:
    """Break the rule at ``place``, as in "matmul/1", of a hand-written layer."""
    title, operand = place.split("/")
    layer, i, name = LAYERS[title], int(operand), f"{kind}: {place} {note}".rstrip()

    def build() -> tuple[Callable[..., Any], list[Any]]:
        wrong = (*layer.rules[:i], rule, *layer.rules[i + 1 :])
        return custom_op(layer.forward, wrong, name=title.replace(" ", "_")), _drawn(
            name, samples or layer.samples, dtype
        )

    return Broken(name, kind, build)


def _right(place: str) -> Rule:
    title, operand = place.split("/")
    return LAYERS[title].rules[int(operand)]


def _times(place: str, factor: float) -> Rule:
    rule = _right(place)
    return lambda g, *rest: factor * rule(g, *rest)


def _without_upstream(place: str) -> Rule:
    rule = _right(place)
    return lambda g, *rest: rule(np.ones_like(g), *rest)


def _nothing(place: str) -> Rule:
    i = int(place.split("/")[1])
    return lambda g, y, *operands: np.zeros_like(operands[i])


_NEGATED = (
    "cos/0 subtract/1 reciprocal/0 divide/1 arctan2/1 arccos/0 centre/1 mse/0 mse/1 cross_entropy/0 nll/0 bce/0 "
    "logistic_loss/0 hinge/0 kl/1 entropy/0 inverse/0 solve/0 rsqrt/0 gaussian/0 cross/0 mae/1 diff/0 scale/0"
)
_SCALED: tuple[tuple[str, float, str], ...] = (
    ("square/0", 0.5, "x: the 2 forgotten"),
    ("square/0", 2, "4 x"),
    ("sqrt/0", 2, "1 / y: the half forgotten"),
    ("rsqrt/0", 2, "the half forgotten"),
    ("mse/0", 0.5, "the 2 forgotten"),
    ("mse/1", 2, "the 2 twice"),
    ("squared error/0", 0.5, "the 2 forgotten"),
    ("sum of squares/0", 0.5, "x: the 2 forgotten"),
    ("energy/0", 2, "2 x where the half cancels it"),
    ("norm/0", 2, "2 x / norm"),
    ("variance/0", 0.5, "the 2 forgotten"),
    ("gaussian/0", 0.5, "the 2 forgotten"),
    ("tanh/0", 2, "accumulated twice"),
    ("linear/0", 2, "accumulated twice"),
    ("scores/0", 2, "the scale of the scores forgotten"),
    ("scores/1", 2, "the scale of the scores forgotten"),
    ("attention/0", 2, "the scale of the scores forgotten"),
    ("conv2d/1", 2, "accumulated twice"),
    ("softmax/0", 2, "accumulated twice"),
    ("bce/0", 0.5, "averaged over two classes"),
    ("linear/1", 1 / 5, "divided by the batch"),
    ("linear/1", 5, "multiplied by the batch"),
    ("matmul/1", 1 / 2, "divided by the batch"),
    ("square linear/1", 1 / 4, "divided by the batch"),
    ("conv1d/1", 1 / 5, "divided by the positions"),
    ("attention/2", 1 / 3, "divided by the positions"),
    ("recurrent/1", 1 / 4, "divided by the steps"),
    ("outer/1", 3, "multiplied by the length"),
)
_IGNORING = (
    "exp/0 tanh/0 sigmoid/0 relu/0 log/0 multiply/0 divide/1 linear/0 linear/1 matmul/1 cross_entropy/0 mse/0 bce/0 "
    "sum/0 mean/0 max/0 cumsum/0 conv1d/1 conv2d/1 scale/1 affine_layer_norm/1 attention/2 slice/0 norm/0 "
    "logsumexp/0 rows/0 bilinear/1 dropout/0"
)
_FORGOTTEN = (
    "linear/0 linear/1 attention/1 kl/1 mse/1 lerp/2 scale/1 power/1 divide/1 recurrent/1 conv2d/0 gate/1 solve/0 "
    "cosine/1 exp/0"
)

# (kind, layer/operand, note, rule)
_WRITTEN: list[tuple[str, str, str, Rule]] = [
    ("transposed", "matvec/0", "outer(v, g)", lambda g, y, a, v: np.outer(v, g)),
    ("transposed", "matvec/1", "A g", lambda g, y, a, v: a @ g),
    ("transposed", "square matmul/0", "g B", lambda g, y, a, b: g @ b),
    ("transposed", "square matmul/1", "A g", lambda g, y, a, b: a @ g),
    ("transposed", "square matmul/0", "(g Bᵀ)ᵀ", lambda g, y, a, b: b @ g.T),
    ("transposed", "square matmul/1", "gᵀ A", lambda g, y, a, b: g.T @ a),
    ("transposed", "square linear/1", "xᵀ g", lambda g, y, x, w, b: x.T @ g),
    ("transposed", "square linear/0", "g Wᵀ", lambda g, y, x, w, b: g @ w.T),
    ("transposed", "bilinear/1", "outer(b, a)", lambda g, y, a, m, b: g * np.outer(b, a)),
    ("transposed", "bilinear/0", "Mᵀ b", lambda g, y, a, m, b: g * (m.T @ b)),
    ("transposed", "bilinear/2", "M a", lambda g, y, a, m, b: g * (m @ a)),
    ("transposed", "transpose/0", "g", lambda g, y, x: g),
    ("transposed", "inverse/0", "-Y g Y", lambda g, y, a: -y @ g @ y),
    ("transposed", "inverse/0", "of the result", lambda g, y, a: -(y.T @ g @ y.T).T),
    ("transposed", "solve/0", "outer(y, g)", lambda g, y, a, b: -np.outer(y, np.linalg.solve(a.T, g))),
    ("transposed", "solve/1", "A in place of Aᵀ", lambda g, y, a, b: np.linalg.solve(a, g)),
    ("transposed", "swap axes/0", "kept", lambda g, y, x: g),
    ("transposed", "fold/0", "in Fortran's order", lambda g, y, x: g.reshape(3, 3, order="F")),
    ("transposed", "attention/2", "P g", lambda g, y, q, k, v: softmax(q @ k.T / 2.0) @ g),
    ("transposed", "scores/0", "gᵀ K", lambda g, y, q, k: g.T @ k / 2),
    ("transposed", "batched matmul/1", "gᵀ A", lambda g, y, a, b: np.sum(np.swapaxes(g, 1, 2) @ a, axis=0)),
    ("transposed", "recurrent/1", "of the result", lambda *given: _right("recurrent/1")(*given).T),
    ("broadcast", "shift/1", "first row", lambda g, y, x, b: g[0]),
    ("broadcast", "shift/1", "last row", lambda g, y, x, b: g[-1]),
    ("broadcast", "shift/1", "sum of everything", lambda g, y, x, b: np.sum(g) * np.ones_like(b)),
    ("broadcast", "shift/1", "not summed", lambda g, y, x, b: g),
    ("broadcast", "square shift/1", "wrong axis", lambda g, y, x, b: np.sum(g, axis=1)),
    ("broadcast", "scale/1", "first row", lambda g, y, x, s: g[0] * x[0]),
    ("broadcast", "scale/1", "last row", lambda g, y, x, s: (g * x)[-1]),
    ("broadcast", "column shift/1", "first column", lambda g, y, x, b: g[:, :1]),
    ("broadcast", "column shift/1", "last column", lambda g, y, x, b: g[:, -1:]),
    ("broadcast", "column shift/1", "not summed", lambda g, y, x, b: g),
    ("broadcast", "table/0", "first column", lambda g, y, r, c: (g * c)[:, :1]),
    ("broadcast", "table/1", "first row", lambda g, y, r, c: (g * r)[:1]),
    ("broadcast", "table/0", "wrong axis", lambda g, y, r, c: np.sum(g * c, axis=0)[:, None]),
    ("broadcast", "stretch/0", "first row", lambda g, y, x: g[:1]),
    ("broadcast", "temperature/1", "first entry", lambda g, y, x, t: (g * x)[0, :1]),
    ("broadcast", "temperature/1", "first row only", lambda g, y, x, t: np.sum(g * x, axis=1)[:1]),
    ("broadcast", "centre/1", "first row", lambda g, y, x, c: -g[0]),
    ("broadcast", "channel shift/1", "corner", lambda g, y, x, b: g[:, 0, 0]),
    ("broadcast", "channel shift/1", "one axis of two", lambda g, y, x, b: np.sum(g, axis=2)[:, 0]),
    ("broadcast", "batched shift/1", "first of the batch", lambda g, y, x, b: g[0]),
    ("broadcast", "batched matmul/1", "first of the batch", lambda g, y, a, b: a[0].T @ g[0]),
    ("broadcast", "linear/2", "first row", lambda g, y, x, w, b: g[0]),
    ("broadcast", "linear/2", "last row", lambda g, y, x, w, b: g[-1]),
    ("broadcast", "conv2d/2", "corner", lambda g, y, x, w, b: g[:, 0, 0]),
    ("broadcast", "affine layer norm/1", "first row", lambda g, y, x, s, b: (g * layer_norm(x))[0]),
    ("broadcast", "affine layer norm/2", "last row", lambda g, y, x, s, b: g[-1]),
    ("mean", "shift/1", "", lambda g, y, x, b: np.mean(g, axis=0)),
    ("mean", "scale/1", "", lambda g, y, x, s: np.mean(g * x, axis=0)),
    ("mean", "centre/1", "", lambda g, y, x, c: -np.mean(g, axis=0)),
    ("mean", "table/0", "", lambda g, y, r, c: np.mean(g * c, axis=1, keepdims=True)),
    ("mean", "stretch/0", "", lambda g, y, x: np.mean(g, axis=0, keepdims=True)),
    ("mean", "temperature/1", "", lambda g, y, x, t: np.reshape(np.mean(g * x), (1,))),
    ("mean", "linear/2", "", lambda g, y, x, w, b: np.mean(g, axis=0)),
    ("mean", "channel shift/1", "", lambda g, y, x, b: np.mean(g, axis=(1, 2))),
    ("mean", "channel shift/1", "of one axis", lambda g, y, x, b: np.sum(np.mean(g, axis=2), axis=1)),
    ("mean", "conv2d/2", "", lambda g, y, x, w, b: np.mean(g, axis=(1, 2))),
    ("mean", "affine layer norm/1", "", lambda g, y, x, s, b: np.mean(g * layer_norm(x), axis=0)),
    ("mean", "affine layer norm/2", "", lambda g, y, x, s, b: np.mean(g, axis=0)),
    ("mean", "batched matmul/1", "", lambda g, y, a, b: np.mean(np.swapaxes(a, 1, 2) @ g, axis=0)),
    ("mean", "sum/0", "", lambda g, y, x: np.broadcast_to(g / x.size, x.shape)),
    ("mean", "row sum/0", "", lambda g, y, x: np.broadcast_to(g[:, None] / x.shape[1], x.shape)),
    ("mean", "mean/0", "not divided", lambda g, y, x: np.broadcast_to(g, x.shape)),
    ("mean", "column mean/0", "not divided", lambda g, y, x: np.broadcast_to(g, x.shape)),
    ("mean", "square mean/0", "not divided", lambda g, y, x: np.broadcast_to(g, x.shape)),
    ("mean", "pooling/0", "not divided", lambda g, y, x: np.broadcast_to(g[:, None, None], x.shape)),
    ("mean", "mse/0", "not divided", lambda g, y, p, t: 2 * g * (p - t)),
    ("mean", "bce/0", "not divided", lambda g, y, p, t: g * (p - t) / (p * (1 - p))),
    ("mean", "cross entropy/0", "not divided", lambda g, y, x: g * (softmax(x) - ONE_HOT)),
    ("mean", "logistic loss/0", "not divided", lambda g, y, x, t: g * (sigmoid(x) - t)),
    ("mean", "mae/0", "not divided", lambda g, y, p, t: g * np.sign(p - t)),
    ("mean", "variance/0", "not divided", lambda g, y, x: 2 * g * (x - np.mean(x))),
    ("mean", "squared error/0", "divided", lambda g, y, p, t: 2 * g * (p - t) / p.size),
    ("mean", "nll/0", "divided", lambda g, y, x: -g * ONE_HOT / len(x)),
    ("input-output", "exp/0", "x", lambda g, y, x: g * x),
    ("input-output", "exp2/0", "x log 2", lambda g, y, x: g * x * np.log(2.0)),
    ("input-output", "expm1/0", "x + 1", lambda g, y, x: g * (x + 1)),
    ("input-output", "log/0", "1 / y", lambda g, y, x: g / y),
    ("input-output", "log1p/0", "1 / (1 + y)", lambda g, y, x: g / (1 + y)),
    ("input-output", "sqrt/0", "1 / 2x", lambda g, y, x: g / (2 * x)),
    ("input-output", "rsqrt/0", "-x³ / 2", lambda g, y, x: -g * x**3 / 2),
    ("input-output", "cbrt/0", "1 / 3x²", lambda g, y, x: g / (3 * x * x)),
    ("input-output", "square/0", "2 y", lambda g, y, x: 2 * g * y),
    ("input-output", "cube/0", "3 y²", lambda g, y, x: 3 * g * y * y),
    ("input-output", "reciprocal/0", "-x²", lambda g, y, x: -g * x * x),
    ("input-output", "sin/0", "cos y", lambda g, y, x: g * np.cos(y)),
    ("input-output", "cos/0", "-sin y", lambda g, y, x: -g * np.sin(y)),
    ("input-output", "tan/0", "1 + x²", lambda g, y, x: g * (1 + x * x)),
    ("input-output", "arctan/0", "1 / (1 + y²)", lambda g, y, x: g / (1 + y * y)),
    ("input-output", "tanh/0", "1 - x²", lambda g, y, x: g * (1 - x * x)),
    ("input-output", "sigmoid/0", "x (1 - x)", lambda g, y, x: g * x * (1 - x)),
    ("input-output", "logsigmoid/0", "sigmoid(-y)", lambda g, y, x: g * sigmoid(-y)),
    ("input-output", "softplus/0", "sigmoid(y)", lambda g, y, x: g * sigmoid(y)),
    ("input-output", "gaussian/0", "x² for y", lambda g, y, x: -2 * g * x * x),
    ("input-output", "power/1", "log y", lambda g, y, a, b: g * y * np.log(y)),
    ("input-output", "softmax/0", "x for y", lambda g, y, x: pulled_softmax(g, x)),
    ("input-output", "log softmax/0", "exp x", lambda g, y, x: g - np.exp(x) * np.sum(g, axis=-1, keepdims=True)),
    ("input-output", "logsumexp/0", "exp x alone", lambda g, y, x: g[:, None] * np.exp(x)),
    ("input-output", "scaled tanh/1", "1 - x²", lambda g, y, x, w: g * x * (1 - x * x)),
    ("last-use", "residual/0", "branch alone", lambda g, y, x: g / np.cosh(x) ** 2),
    ("last-use", "x tanh x/0", "x tanh' alone", lambda g, y, x: g * x / np.cosh(x) ** 2),
    ("last-use", "x tanh x/0", "tanh alone", lambda g, y, x: g * np.tanh(x)),
    ("last-use", "x log x/0", "x / x alone", lambda g, y, x: g * np.ones_like(x)),
    ("last-use", "silu/0", "x sigmoid' alone", lambda g, y, x: g * x * sigmoid(x) * (1 - sigmoid(x))),
    ("last-use", "horner/0", "last product alone", lambda g, y, x: g * (2 * x + 3)),
    ("last-use", "square/0", "one x of two", lambda g, y, x: g * x),
    ("last-use", "quadratic form/0", "right x alone", lambda g, y, x, a: g * (a.T @ x)),
    ("last-use", "quadratic form/0", "left x alone", lambda g, y, x, a: g * (a @ x)),
    ("last-use", "gram/0", "left x alone", lambda g, y, x: g @ x),
    ("last-use", "gram/0", "right x alone", lambda g, y, x: g.T @ x),
    ("last-use", "matrix square/0", "right factor alone", lambda g, y, a: a.T @ g),
    ("last-use", "matrix square/0", "left factor alone", lambda g, y, a: g @ a.T),
    ("last-use", "tied autoencoder/1", "decoder alone", lambda g, y, x, w: g.T @ (x @ w)),
    ("last-use", "tied autoencoder/1", "encoder alone", lambda g, y, x, w: x.T @ (g @ w)),
    ("last-use", "recurrent/1", "last step alone", lambda g, y, x, w: _last_step(g, x, w)),
    ("last-use", "proportions/0", "total alone", lambda g, y, x: -np.sum(g * y) / np.sum(x) * np.ones_like(x)),
    ("last-use", "proportions/0", "parts alone", lambda g, y, x: g / np.sum(x)),
    ("last-use", "centring/0", "mean alone", lambda g, y, x: -np.mean(g) * np.ones_like(x)),
    ("last-use", "normalise/0", "numerator alone", lambda g, y, x: g / np.sqrt(np.sum(x * x, axis=-1, keepdims=True))),
    ("last-use", "rows/0", "assigned, not added", lambda g, y, w: _assigned(g, w)),
    ("last-use", "moving sum/0", "right windows alone", lambda g, y, x: np.pad(g, (1, 0))),
    ("last-use", "diff/0", "minuend alone", lambda g, y, x: np.pad(g, (1, 0))),
    ("last-use", "softmax/0", "numerator alone", lambda g, y, x: g * y),
    ("last-use", "entropy/0", "log alone", lambda g, y, p: -g * np.ones_like(p)),
    ("last-use", "kl/0", "factor alone", lambda g, y, p, q: g * (np.log(p) - np.log(q))),
    ("last-use", "conv1d/1", "last window alone", lambda g, y, x, w: g[-1] * x[-len(w) :]),
    ("off-by-one", "cumsum/0", "without itself", lambda g, y, x: np.cumsum(g[::-1])[::-1] - g),
    ("off-by-one", "cumsum/0", "rolled", lambda g, y, x: np.roll(np.cumsum(g[::-1])[::-1], 1)),
    ("off-by-one", "diff/0", "rolled", lambda g, y, x: np.roll(np.pad(g, (1, 0)) - np.pad(g, (0, 1)), 1)),
    ("off-by-one", "roll/0", "by 1", lambda g, y, x: np.roll(g, -1)),
    ("off-by-one", "roll/0", "by 3", lambda g, y, x: np.roll(g, -3)),
    ("off-by-one", "slice/0", "too early", lambda g, y, x: np.pad(g, (0, 3))),
    ("off-by-one", "slice/0", "too late", lambda g, y, x: np.pad(g, (2, 1))),
    ("off-by-one", "strided/0", "odd places", lambda g, y, x: np.stack([0 * g, g], 1).ravel()),
    ("off-by-one", "pad/0", "from 0", lambda g, y, x: g[:-2]),
    ("off-by-one", "pad/0", "from 2", lambda g, y, x: g[2:]),
    ("off-by-one", "pad matrix/0", "from 0", lambda g, y, x: g[:-2]),
    ("off-by-one", "flip/0", "n - i", lambda g, y, x: np.roll(g[::-1], 1)),
    ("off-by-one", "rows/0", "from 1", lambda g, y, w: scattered(g, ROWS - 1, w.shape)),
    ("off-by-one", "rows/0", "the next row", lambda g, y, w: scattered(g, (ROWS + 1) % len(w), w.shape)),
    ("off-by-one", "join/0", "from 1", lambda g, y, a, b: g[1 : len(a) + 1]),
    ("off-by-one", "join/1", "one early", lambda g, y, a, b: g[len(a) - 1 : -1]),
    ("off-by-one", "sort/0", "next rank", lambda g, y, x: g[(np.argsort(np.argsort(x)) + 1) % len(x)]),
    ("off-by-one", "conv1d/0", "rolled", lambda g, y, x, w: np.roll(np.convolve(g, w), 1)),
    ("off-by-one", "conv1d/1", "rolled", lambda g, y, x, w: np.roll(np.correlate(x, g, mode="valid"), 1)),
    ("off-by-one", "conv2d/0", "one row down", lambda *given: np.roll(_right("conv2d/0")(*given), 1, axis=1)),
    ("off-by-one", "moving sum/0", "rolled", lambda g, y, x: np.roll(np.pad(g, (0, 1)) + np.pad(g, (1, 0)), -1)),
    ("off-by-one", "max/0", "after the greatest", lambda *given: np.roll(_right("max/0")(*given), 1, axis=1)),
    ("off-by-one", "max pool/0", "after the greatest", lambda *given: np.roll(_right("max pool/0")(*given), 1)),
    ("off-by-one", "nll/0", "labels from 1", lambda g, y, x: -g * np.roll(ONE_HOT, 1, axis=1)),
    ("off-by-one", "cross entropy/0", "labels from 1", lambda g, y, x: _cross_entropy(g, x, (LABELS + 1) % 3)),
    ("off-by-one", "recurrent/0", "next step", lambda *given: np.roll(_right("recurrent/0")(*given), 1, axis=0)),
    ("wrong-operand", "multiply/0", "a", lambda g, y, a, b: g * a),
    ("wrong-operand", "multiply/1", "b", lambda g, y, a, b: g * b),
    ("wrong-operand", "divide/0", "1 / a", lambda g, y, a, b: g / a),
    ("wrong-operand", "power/0", "a bᵃ⁻¹", lambda g, y, a, b: g * a * b ** (a - 1)),
    ("wrong-operand", "power/1", "log b", lambda g, y, a, b: g * y * np.log(b)),
    ("wrong-operand", "hypot/0", "b / y", lambda g, y, a, b: g * b / y),
    ("wrong-operand", "hypot/1", "a / y", lambda g, y, a, b: g * a / y),
    ("wrong-operand", "arctan2/0", "a / r²", lambda g, y, a, b: g * a / (a * a + b * b)),
    ("wrong-operand", "maximum/0", "where b is greater", lambda g, y, a, b: g * (b > a)),
    ("wrong-operand", "where/0", "mask inverted", lambda g, y, a, b: np.where(MASK, 0, g)),
    ("wrong-operand", "where/1", "mask as it is", lambda g, y, a, b: np.where(MASK, g, 0)),
    ("wrong-operand", "logaddexp/0", "b - y", lambda g, y, a, b: g * np.exp(b - y)),
    ("wrong-operand", "lerp/0", "t", lambda g, y, a, b, t: g * t),
    ("wrong-operand", "lerp/1", "1 - t", lambda g, y, a, b, t: g * (1 - t)),
    ("wrong-operand", "gate/0", "of o", lambda *given: _right("gate/1")(*given)),
    ("wrong-operand", "gate/1", "of c", lambda *given: _right("gate/0")(*given)),
    ("wrong-operand", "scale/0", "x", lambda g, y, x, s: g * x),
    ("wrong-operand", "square matmul/0", "g Aᵀ", lambda g, y, a, b: g @ a.T),
    ("wrong-operand", "square matmul/1", "Bᵀ g", lambda g, y, a, b: b.T @ g),
    ("wrong-operand", "dot/0", "a", lambda g, y, a, b: g * a),
    ("wrong-operand", "outer/0", "a", lambda g, y, a, b: g @ a),
    ("wrong-operand", "bilinear/0", "M a", lambda g, y, a, m, b: g * (m @ a)),
    ("wrong-operand", "scores/0", "g Q", lambda g, y, q, k: g @ q / 2),
    ("wrong-operand", "attention/0", "of K", lambda *given: _right("attention/1")(*given)),
    ("wrong-operand", "stack/0", "the second", lambda g, y, a, b: g[1]),
    ("wrong-operand", "join/1", "the first", lambda g, y, a, b: g[: len(a)]),
    ("wrong-operand", "cross/0", "of b", lambda *given: _right("cross/1")(*given)),
    ("wrong-operand", "cosine/0", "of b", lambda *given: _right("cosine/1")(*given)),
]


def _last_step(g: Any, x: Any, w: Any) -> Any:
    h = recurrent_states(x, w)
    return np.outer(g * (1 - h[-1] ** 2), h[-2])


def _assigned(g: Any, w: Any) -> Any:
    out = np.zeros_like(w)
    out[ROWS] = g
    return out


def _cross_entropy(g: Any, x: Any, labels: Any) -> Any:
    return g * (softmax(x) - np.eye(x.shape[1])[labels]) / len(x)


def _normalised_with_held_spread(x: Any) -> Any:
    centred = x - x.mean()
    return centred / (centred * centred).mean().sqrt().detach()


# Paths of a function cut by mistake, without any hand-written rule.
_CUT: list[tuple[str, Callable[..., Any], tuple[Sample, ...]]] = [
    ("input of a layer", lambda x, w: np.tanh(x.detach() @ w), (normal(3, 2), normal(2))),
    ("weights of a layer", lambda x, w: np.tanh(x @ w.detach()), (normal(3, 2), normal(2))),
    ("loss of a rewrapped score", lambda x: np.mean(Tensor(x.numpy()) ** 2), (normal(4),)),
    ("squares by plain numbers", lambda x, b: Tensor(np.square(x.numpy())) + b, (normal(4), normal(4))),
    ("hidden layer", lambda x, w, v: np.tanh(x @ w).detach() @ v, (normal(3, 2), normal(2, 2), normal(2))),
    ("normaliser of a softmax", lambda x: np.exp(x) / np.exp(x).sum().detach(), (normal(4),)),
    ("mean", lambda x: x - x.mean().detach(), (normal(4),)),
    ("spread", _normalised_with_held_spread, (normal(5),)),
    ("target network", lambda x, w: np.mean((x @ w - np.tanh(x @ w).detach()) ** 2), (normal(3, 2), normal(2))),
    ("gate", lambda x, z: x * np.exp(z).detach(), (normal(4), normal(4))),
    ("recurrent state", lambda x, w: np.tanh(w @ np.tanh(w @ x).detach()), (normal(3), normal(3, 3))),
]


def _network(x: Any, w: Any, v: Any) -> Any:
    return np.tanh(x @ w) @ v


# (kind, note, op and operand of the table, rule, function, samples)
_Patched = tuple[str, str, tuple[str, int], Any, Callable[..., Any], tuple[Sample, ...]]
_PATCHED: list[_Patched] = [
    ("sign", "subtract", ("subtract", 1), 1.0, lambda x, y: x - y, (normal(2, 3), normal(3))),
    ("sign", "reciprocal", ("reciprocal", 0), lambda y, x: y * y, np.reciprocal, (positive(4),)),
    ("sign", "hidden layer", ("tanh", 0), lambda y, x: y * y - 1, _network, (normal(3, 2), normal(2, 2), normal(2))),
    ("factor", "square", ("square", 0), lambda y, x: x, lambda x: np.square(x), (normal(2, 2),)),
    ("factor", "sqrt", ("sqrt", 0), lambda y, x: 1 / y, np.sqrt, (positive(4),)),
    ("upstream", "cumsum", ("cumsum", 0), lambda g, y, x, **k: np.arange(4.0, 0.0, -1.0), np.cumsum, (normal(4),)),
    ("input-output", "tanh", ("tanh", 0), lambda y, x: 1 - x * x, np.tanh, (normal(2, 3),)),
    ("input-output", "exp", ("exp", 0), lambda y, x: x, np.exp, (normal(3),)),
    ("input-output", "network", ("tanh", 0), lambda y, x: 1 - x * x, _network, (normal(3, 2), normal(2, 2), normal(2))),
    ("wrong-operand", "multiply", ("multiply", 0), lambda y, a, b: a, lambda a, b: a * b, (normal(4), normal(4))),
    ("wrong-operand", "hypot", ("hypot", 1), lambda y, a, b: a / y, np.hypot, (positive(4), positive(4))),
    ("transposed", "matmul", ("matmul", 1), lambda g, y, a, b: g.T @ a, np.matmul, (normal(3, 3), normal(3, 3))),
    ("detached", "minimum", ("minimum", 0), 0.0, np.minimum, (normal(5), normal(5))),
    ("off-by-one", "flip", ("flip", 0), lambda g, y, x, **k: np.roll(g[::-1], 1), np.flip, (normal(5),)),
]


def _in_engine(kind: str, note: str, place: tuple[str, int], rule: Any, f: Any, samples: tuple[Sample, ...]) -> Broken:
    name = f"{kind}: engine's {note}"

    @contextlib.contextmanager
    def installed() -> Iterator[None]:
        with ops.overridden(*place, rule):
            yield

    return Broken(name, kind, lambda: (f, _drawn(name, samples)), installed)


def _places(text: str) -> list[str]:
    return [place.replace("_", " ") for place in text.split()]


_SINGLE = (
    ("sign", "mse/0", _times("mse/0", -1)),
    ("sign", "cos/0", _times("cos/0", -1)),
    ("factor", "square/0", _times("square/0", 0.5)),
    ("factor", "linear/1", _times("linear/1", 0.2)),
    ("upstream", "tanh/0", _without_upstream("tanh/0")),
    ("upstream", "matmul/0", _without_upstream("matmul/0")),
    ("mean", "shift/1", lambda g, y, x, b: np.mean(g, axis=0)),
    ("broadcast", "scale/1", lambda g, y, x, s: g[0] * x[0]),
    ("input-output", "sigmoid/0", lambda g, y, x: g * x * (1 - x)),
    ("wrong-operand", "multiply/1", lambda g, y, a, b: g * b),
    ("transposed", "square matmul/1", lambda g, y, a, b: g.T @ a),
    ("off-by-one", "slice/0", lambda g, y, x: np.pad(g, (0, 3))),
    ("last-use", "gram/0", lambda g, y, x: g @ x),
    ("detached", "matmul/0", _nothing("matmul/0")),
)
_NUMBERS = (
    ("sign", "cos/0", _times("cos/0", -1), (normal(),)),
    ("sign", "subtract/1", _times("subtract/1", -1), (normal(), normal())),
    ("factor", "square/0", _times("square/0", 0.5), (normal(),)),
    ("upstream", "exp/0", _without_upstream("exp/0"), (normal(),)),
    ("input-output", "tanh/0", lambda g, y, x: g * (1 - x * x), (normal(),)),
    ("input-output", "sqrt/0", lambda g, y, x: g / (2 * x), (positive(),)),
    ("wrong-operand", "multiply/0", lambda g, y, a, b: g * a, (normal(), normal())),
    ("last-use", "x tanh x/0", lambda g, y, x: g * np.tanh(x), (normal(),)),
    ("detached", "power/1", _nothing("power/1"), (positive(), positive())),
)
# The same mistakes at other shapes: one row, one column, a cube, a long vector.
_ELSEWHERE = (
    ("sign", "subtract/1", _times("subtract/1", -1), (normal(1, 5), normal(1, 5))),
    ("input-output", "tanh/0", lambda g, y, x: g * (1 - x * x), (normal(2, 2, 2),)),
    ("input-output", "exp/0", lambda g, y, x: g * x, (normal(5, 1),)),
    ("upstream", "sigmoid/0", _without_upstream("sigmoid/0"), (normal(2, 1, 3),)),
    ("mean", "shift/1", lambda g, y, x, b: np.mean(g, axis=0), (normal(7, 2), normal(2))),
    ("broadcast", "scale/1", lambda g, y, x, s: g[-1] * x[-1], (normal(2, 6), normal(6))),
    ("factor", "linear/1", _times("linear/1", 1 / 8), (normal(8, 2), normal(3, 2), normal(3))),
    ("wrong-operand", "multiply/1", lambda g, y, a, b: g * b, (normal(2, 2, 2), normal(2, 2, 2))),
    ("off-by-one", "cumsum/0", lambda g, y, x: np.cumsum(g[::-1])[::-1] - g, (normal(12),)),
    ("transposed", "matvec/0", lambda g, y, a, v: np.outer(v, g), (normal(5, 5), normal(5))),
    ("last-use", "matrix square/0", lambda g, y, a: a.T @ g, (normal(2, 2),)),
    ("detached", "bce/1", _nothing("bce/1"), (unit(3, 2), unit(3, 2))),
)

ZOO: list[Broken] = [
    *(_in_layer("sign", place, _times(place, -1), "") for place in _places(_NEGATED)),
    *(_in_layer("factor", place, _times(place, factor), note) for place, factor, note in _SCALED),
    *(_in_layer("upstream", place, _without_upstream(place), "") for place in _places(_IGNORING)),
    *(_in_layer("detached", place, _nothing(place), "") for place in _places(_FORGOTTEN)),
    *(_in_layer(kind, place, rule, note) for kind, place, note, rule in _WRITTEN),
    *(
        Broken(f"detached: {note}", "detached", lambda f=f, note=note, s=s: (f, _drawn(note, s)))  # type: ignore[misc]
        for note, f, s in _CUT
    ),
    *(_in_engine(*row) for row in _PATCHED),
    *(_in_layer(kind, place, rule, "in float32", "f4") for kind, place, rule in _SINGLE),
    *(_in_layer(kind, place, rule, "of numbers", samples=s) for kind, place, rule, s in _NUMBERS),
    *(_in_layer(kind, place, rule, "elsewhere", samples=s) for kind, place, rule, s in _ELSEWHERE),
]
