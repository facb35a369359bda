"""Losses that compare entry by entry: squared and absolute error, binary cross-entropy.

Each is an elementwise record and a second record that sums it up at once (``_summed``), so that a training step costs
one node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from autograd_lite.graph import Node, data_of, operand
from autograd_lite.modes import tape
from autograd_lite.ops.activation import sigmoid, softplus
from autograd_lite.ops.record import Case, Op, elementwise, structural

__all__ = ["bce", "bce_with_logits", "l1_loss", "mse_loss"]

Reduction = Literal["mean", "sum", "none"]


def _summed(each: Op, name: str) -> Op:
    """Register the sum or mean of an elementwise loss, whose slopes do not read its value."""

    def forward(x: Any, t: Any, reduction: Reduction) -> Any:
        total = np.add.reduce(each.forward(x, t), axis=None)
        return total / x.size if reduction == "mean" else total

    def scaled(slope: Any) -> Any:
        def rule(g: Any, y: Any, x: Any, t: Any, reduction: Reduction) -> Any:
            return slope(None, x, t) * (g / x.size if reduction == "mean" else g)

        return rule

    def jvp(tangents: Sequence[Any], y: Any, x: Any, t: Any, reduction: Reduction) -> Any:
        terms = (slope(None, x, t) * dx for slope, dx in zip(slopes, tangents, strict=True) if dx is not None)
        total = sum(np.sum(term) for term in terms)
        return total / x.size if reduction == "mean" else total

    slopes: Sequence[Any] = each.rules

    def operands(shape: tuple[int, ...]) -> Any:
        return lambda rng: [rng.uniform(low, high, size=shape) for low, high in each.domain]

    return structural(
        name,
        name,
        f"np.sum({each.formula})",
        forward,
        *map(scaled, slopes),
        jvp=jvp,
        needs="operands",
        kinks=each.kinks,
        cases=(
            Case(params={"reduction": "mean"}, make=operands((5, 2))),
            Case(params={"reduction": "sum"}, make=operands((2, 1, 3))),
            Case(params={"reduction": "mean"}, make=operands(())),
            Case(params={"reduction": "sum"}, make=operands((0, 2))),
        ),
    )


def _logistic(x: Any) -> Any:
    # Rules run with warnings off, so for arrays the bare formula does: half the time of the op.
    return 1 / (1 + np.exp(-x)) if type(x) is np.ndarray else sigmoid(x)


def _bce_with_logits_forward(x: Any, t: Any) -> Any:
    if not np.iscomplexobj(x):
        return np.logaddexp(0, x) - x * t
    # NumPy's logaddexp takes no complex numbers. min(x, -x) is -|x| that is analytic; every exponential is at most 1.
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(np.minimum(x, -1.0 * x)))


_bce_with_logits_each = elementwise(
    "bce_with_logits_each",
    "bce",
    "np.log(1 + np.exp(x)) - x * y",
    _bce_with_logits_forward,
    lambda y, x, t: _logistic(x) - t,
    lambda y, x, t: -x,
    scalar=lambda x, t: max(x, 0.0) - x * t + math.log1p(math.exp(-abs(x))),
    needs="operands",
    domain=((-3.0, 3.0), (0.0, 1.0)),
)
_bce_with_logits = _summed(_bce_with_logits_each, "bce_with_logits")

_LEAST_LOG = -100.0
_LEAST_P = 1e-12


def _log(p: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), _LEAST_LOG)


def _bce_forward(p: Any, t: Any) -> Any:
    if np.any(np.real(p) < 0) or np.any(np.real(p) > 1):
        raise ValueError("bce takes probabilities between 0 and 1; for logits there is bce_with_logits")
    return -(t * _log(p) + (1 - t) * _log(1 - p))


_bce_each = elementwise(
    "bce_each",
    "bce",
    "-(y * np.log(x) + (1 - y) * np.log(1 - x))",
    _bce_forward,
    lambda y, p, t: (1 - t) / np.maximum(1 - p, _LEAST_P) - t / np.maximum(p, _LEAST_P),
    lambda y, p, t: _log(1 - p) - _log(p),
    needs="operands",
    domain=((0.05, 0.95), (0.0, 1.0)),
    kinks="logarithms are at least -100, divisors at least 1e-12: at p = 0 with t = 1 the slope is -1e12",
)
_bce = _summed(_bce_each, "bce")

_mse_each = elementwise(
    "mse_each",
    "(x-y)²",
    "(x - y) ** 2",
    lambda x, t: (x - t) * (x - t),
    lambda y, x, t: 2 * (x - t),
    lambda y, x, t: 2 * (t - x),
    scalar=lambda x, t: (x - t) * (x - t),
    needs="operands",
    domain=((-3.0, 3.0), (-3.0, 3.0)),
)
_mse = _summed(_mse_each, "mse_loss")

_l1_each = elementwise(
    "l1_each",
    "|x-y|",
    "np.abs(x - y)",
    lambda x, t: np.maximum(x - t, t - x),
    lambda y, x, t: np.sign(x - t),
    lambda y, x, t: np.sign(t - x),
    scalar=lambda x, t: abs(x - t),
    needs="operands",
    domain=((-3.0, 3.0), (-3.0, 3.0)),
    kinks="slope 0 where x = y",
)
_l1 = _summed(_l1_each, "l1_loss")


def plain_data(what: str, x: Any, dtype: Any = None) -> Any:
    """Return plain data, in a loss's dtype where one is given; refuse a node that waits for a gradient."""
    if isinstance(x, Node) and x.requires_grad:
        raise TypeError(f"{what} is data and gets no gradient; pass {what}.detach()")
    x = operand(x)
    if isinstance(x, Node) and tape() is not None:
        return x if dtype is None or not x.is_array or x.dtype == dtype else x.astype(dtype)  # type: ignore[attr-defined]
    x = data_of(x)
    return x if dtype is None or type(x) is not np.ndarray else x.astype(dtype, copy=False)


def dtype_of(x: Any) -> Any:
    """Return the dtype of an operand; that of plain numbers is float64."""
    return data_of(x).dtype if type(data_of(x)) is np.ndarray else np.dtype(np.float64)


def check_reduction(reduction: str) -> None:
    """Refuse a reduction that is none."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _reduced(loss: Any, reduction: Reduction) -> Any:
    return loss if reduction == "none" else np.mean(loss) if reduction == "mean" else np.sum(loss)


def _pair(name: str, x: Any, t: Any) -> tuple[Any, Any]:
    """Return predictions and targets, of the same shape; plain targets in the dtype of the predictions."""
    x, t = operand(x), operand(t)
    inputs, targets = data_of(x), data_of(t)
    if np.shape(inputs) != np.shape(targets):
        raise ValueError(
            f"{name}: predictions of shape {np.shape(inputs)} and targets of shape {np.shape(targets)}; "
            "reshape one, as broadcasting would compare every prediction with every target"
        )
    is_data = t is targets or ((recorder := tape()) is not None and recorder.is_plain(t))
    if is_data and type(inputs) is type(targets) is np.ndarray and t.dtype != inputs.dtype and inputs.dtype.kind == "f":
        t = t.astype(inputs.dtype)
    return x, t


def _loss(each: Op, summed: Op, x: Any, t: Any, reduction: Reduction) -> Any:
    if reduction == "none" or type(data_of(x)) is not np.ndarray:
        check_reduction(reduction)
        return each(x, t)
    if reduction != "mean":
        check_reduction(reduction)
    return summed(x, t, reduction=reduction)


def bce_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
) -> Any:
    """Return the binary cross-entropy of ``sigmoid(input)``, stably: ``log(1 + exp(x)) - x * t``.

    Parameters
    ----------
    input : array_like
        Logits, of any shape.
    target : array_like
        Probabilities of the positive class, of the same shape.
    weight : array_like, optional
        Multiplies each loss; broadcasts.
    reduction : {"mean", "sum", "none"}, optional
    pos_weight : array_like, optional
        Multiplies the losses of positive targets; broadcasts. To balance classes: negatives / positives.

    Returns
    -------
    float, ndarray, Value or Tensor
        One number, or with ``"none"`` one loss an entry.

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> logits = ag.Tensor([0.0, 1e4], requires_grad=True)
    >>> loss = ag.bce_with_logits(logits, [1.0, 0.0])
    >>> round(loss.item(), 4)
    5000.3466
    >>> loss.backward()
    >>> logits.grad
    array([-0.25,  0.5 ])
    """
    x, t = _pair("bce_with_logits", input, target)
    if weight is None and pos_weight is None:
        return _loss(_bce_with_logits_each, _bce_with_logits, x, t, reduction)
    check_reduction(reduction)
    dtype = dtype_of(x)
    if pos_weight is None:
        loss = _bce_with_logits_each(x, t)
    else:
        loss = (1 - t) * x + (1 + (plain_data("pos_weight", pos_weight, dtype) - 1) * t) * softplus(-x)
    return _reduced(loss if weight is None else loss * plain_data("weight", weight, dtype), reduction)


def bce(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    """Return the binary cross-entropy of probabilities: ``-(t * log(p) + (1 - t) * log(1 - p))``.

    Logarithms are clamped at -100, so that a wrong certainty costs 100 and not infinity. `bce_with_logits` is more
    accurate.

    Parameters
    ----------
    input : array_like
        Probabilities, between 0 and 1.
    target : array_like
        Probabilities of the positive class, of the same shape.
    weight : array_like, optional
        Multiplies each loss; broadcasts.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape, or the input holds no probabilities.

    Examples
    --------
    >>> bce([0.5, 1.0], [1.0, 0.0], reduction="none").round(4)
    array([  0.6931, 100.    ])
    """
    p, t = _pair("bce", input, target)
    if weight is None:
        return _loss(_bce_each, _bce, p, t, reduction)
    check_reduction(reduction)
    return _reduced(_bce_each(p, t) * plain_data("weight", weight, dtype_of(p)), reduction)


def mse_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the squared error, by default its mean.

    Parameters
    ----------
    input, target : array_like
        Of the same shape.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> float(mse_loss([1.0, 2.0], [0.0, 0.0]))
    2.5
    """
    return _loss(_mse_each, _mse, *_pair("mse_loss", input, target), reduction)


def l1_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Return the absolute error, by default its mean; slope 0 where input and target are equal.

    Parameters
    ----------
    input, target : array_like
        Of the same shape.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> float(l1_loss([1.0, -2.0], [0.0, 0.0]))
    1.5
    """
    return _loss(_l1_each, _l1, *_pair("l1_loss", input, target), reduction)
