"""Fused ops: the affine map, and the losses.

A loss is an elementwise record and a second record that sums it up at once (``_summed``), so that a training step
costs one node. Cross-entropy works on a distribution over the classes, into which targets, weights, smoothing and
ignored samples all go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import data_of
from autograd_lite.ops.activation import sigmoid, softplus
from autograd_lite.ops.record import Case, Op, elementwise, structural
from autograd_lite.ops.scan import log_softmax, softmax

__all__ = ["bce", "bce_with_logits", "cross_entropy", "l1_loss", "linear", "mse_loss", "nll_loss"]

Reduction = Literal["mean", "sum", "none"]


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


def _linear_bias(g: Any, y: Any, x: Any, w: Any, b: Any) -> Any:
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
    # min(x, -x) is -|x| that is analytic too; every exponential is at most 1.
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


def _operand(x: Any) -> Any:
    return x if isinstance(x, graph.Node) else graph.plain(x)


def _data(what: str, x: Any, dtype: Any = None) -> Any:
    """Return plain data, in a loss's dtype where one is given; refuse a node that waits for a gradient."""
    if isinstance(x, graph.Node) and x.requires_grad:
        raise TypeError(f"{what} is data and gets no gradient; pass {what}.detach()")
    x = data_of(_operand(x))
    return x if dtype is None or type(x) is not np.ndarray else x.astype(dtype, copy=False)


def _dtype(x: Any) -> Any:
    return data_of(x).dtype if type(data_of(x)) is np.ndarray else np.dtype(np.float64)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _reduced(loss: Any, reduction: Reduction) -> Any:
    return loss if reduction == "none" else np.mean(loss) if reduction == "mean" else np.sum(loss)


def _pair(name: str, x: Any, t: Any) -> tuple[Any, Any]:
    """Return predictions and targets, of the same shape; plain targets in the dtype of the predictions."""
    x, t = _operand(x), _operand(t)
    inputs, targets = data_of(x), data_of(t)
    if np.shape(inputs) != np.shape(targets):
        raise ValueError(
            f"{name}: predictions of shape {np.shape(inputs)} and targets of shape {np.shape(targets)}; "
            "reshape one, as broadcasting would compare every prediction with every target"
        )
    if t is targets and type(inputs) is type(t) is np.ndarray and t.dtype != inputs.dtype and inputs.dtype.kind == "f":
        t = t.astype(inputs.dtype)
    return x, t


def _loss(each: Op, summed: Op, x: Any, t: Any, reduction: Reduction) -> Any:
    if reduction == "none" or type(data_of(x)) is not np.ndarray:
        _check_reduction(reduction)
        return each(x, t)
    if reduction != "mean":
        _check_reduction(reduction)
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
    _check_reduction(reduction)
    dtype = _dtype(x)
    if pos_weight is None:
        loss = _bce_with_logits_each(x, t)
    else:
        loss = (1 - t) * x + (1 + (_data("pos_weight", pos_weight, dtype) - 1) * t) * softplus(-x)
    return _reduced(loss if weight is None else loss * _data("weight", weight, dtype), reduction)


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
    _check_reduction(reduction)
    return _reduced(_bce_each(p, t) * _data("weight", weight, _dtype(p)), reduction)


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


def _class_axis(x: Any) -> int:
    return 1 if x.ndim > 1 else 0


def _along_classes(weight: Any, x: Any) -> Any:
    """Bring one weight a class, or one number for all, into a shape that broadcasts along the classes of ``x``."""
    axis = _class_axis(x)
    weights = np.broadcast_to(np.asarray(data_of(weight), dtype=x.dtype), x.shape[axis])
    return weights.reshape((-1,) + (1,) * (x.ndim - 1 - axis))


def _hard(x: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float = 0.0) -> tuple[Any, float]:
    """Return the weighted distribution over the classes that the labels stand for, and the sum of their weights."""
    x, target = data_of(x), data_of(target)
    axis = _class_axis(x)
    classes = x.shape[axis]
    counted = np.not_equal(target, ignore_index)
    labels = np.where(counted, target, 0)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"class {wrong} in the targets, but there are {classes} classes (0 to {classes - 1})")
    weights = np.broadcast_to(data_of(weight), classes)[labels] * counted
    q = np.zeros_like(x)
    shares = np.expand_dims(weights * (1 - label_smoothing), axis).astype(x.dtype)
    np.put_along_axis(q, np.expand_dims(labels, axis), shares, axis)
    if label_smoothing:
        share = label_smoothing / classes * _along_classes(weight, x)
        q += (share * np.expand_dims(counted, axis)).astype(x.dtype)
    return q, float(np.sum(weights))


def _soft(x: Any, target: Any, weight: Any, label_smoothing: float) -> tuple[Any, float]:
    """Return the same for targets that are distributions already; the count is that of the samples."""
    classes = x.shape[_class_axis(x)]
    q = (target * (1 - label_smoothing) + label_smoothing / classes) * _along_classes(weight, x)
    return q, x.size // classes


def _total(terms: Any, reduction: Reduction, count: float) -> Any:
    """Sum over the classes, and over the samples unless they are wanted one by one."""
    total = np.sum(terms, axis=_class_axis(terms) if reduction == "none" else None)
    return np.divide(total, count) if reduction == "mean" else total


def _share(g: Any, x: Any, reduction: Reduction, count: float) -> Any:
    """Return what the gradient is for the loss of one sample: the transpose of `_total`."""
    if reduction == "none":
        return np.expand_dims(g, _class_axis(x))
    return g / (count or 1) if reduction == "mean" else g  # nothing counts: the loss is 0 / 0, its slopes are 0


def _expected(logp: Any, q: Any) -> Any:
    return -q * np.where(q != 0, logp, 0)  # a class that does not occur may have the logarithm -inf


def _entropy_forward(x: Any, q: Any, count: float, reduction: Reduction) -> Any:
    axis = _class_axis(x)
    z = x - np.max(x, axis=axis, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))
    return _total(_expected(logp, q), reduction, count)


def _entropy_slope(x: Any, q: Any) -> Any:
    axis = _class_axis(x)
    return softmax(x, axis=axis) * np.sum(q, axis=axis, keepdims=True) - q


def _hard_forward(x: Any, target: Any, weight: Any, *, reduction: Reduction, **settings: Any) -> Any:
    q, count = _hard(x, target, weight, **settings)
    return _entropy_forward(x, q, count, reduction)


def _hard_vjp(g: Any, y: Any, x: Any, target: Any, weight: Any, *, reduction: Reduction, **settings: Any) -> Any:
    q, count = _hard(x, target, weight, **settings)
    return _entropy_slope(x, q) * _share(g, x, reduction, count)


def _hard_jvp(
    tangents: Sequence[Any], y: Any, x: Any, target: Any, weight: Any, *, reduction: Reduction, **settings: Any
) -> Any:
    q, count = _hard(x, target, weight, **settings)
    return _total(_entropy_slope(x, q) * tangents[0], reduction, count)


def _soft_forward(x: Any, target: Any, weight: Any, *, reduction: Reduction, label_smoothing: float) -> Any:
    q, count = _soft(x, target, weight, label_smoothing)
    return _entropy_forward(x, q, count, reduction)


def _soft_slopes(x: Any, target: Any, weight: Any, label_smoothing: float) -> tuple[Any, Any]:
    q, _ = _soft(x, target, weight, label_smoothing)
    costs = -log_softmax(x, axis=_class_axis(x)) * _along_classes(weight, x) * (1 - label_smoothing)
    return _entropy_slope(x, q), costs


def _soft_vjp(operand: int) -> Any:
    def rule(g: Any, y: Any, x: Any, target: Any, weight: Any, *, reduction: Reduction, label_smoothing: float) -> Any:
        slope = _soft_slopes(x, target, weight, label_smoothing)[operand]
        return slope * _share(g, x, reduction, x.size // x.shape[_class_axis(x)])

    return rule


def _soft_jvp(
    tangents: Sequence[Any],
    y: Any,
    x: Any,
    target: Any,
    weight: Any,
    *,
    reduction: Reduction,
    label_smoothing: float,
) -> Any:
    slopes = _soft_slopes(x, target, weight, label_smoothing)
    terms = [slope * t for slope, t in zip(slopes, tangents, strict=False) if t is not None]
    return _total(sum(terms[1:], terms[0]), reduction, x.size // x.shape[_class_axis(x)])


def _class_cases(soft: bool, **settings: Any) -> tuple[Case, ...]:
    """Test cases: scores, targets (labels or distributions), and weights."""

    def case(shape: tuple[int, ...], reduction: str, weighted: bool = False, smoothing: float = 0.0) -> Case:
        axis = min(1, len(shape) - 1)

        def make(rng: np.random.Generator) -> list[Any]:
            if soft:
                target = rng.uniform(0.1, 1, size=shape)
            else:
                target = np.asarray(rng.integers(0, shape[axis], size=shape[:axis] + shape[axis + 1 :]))
                target.flat[1:2] = -100
            return [rng.normal(size=shape), target, rng.uniform(0.5, 2, size=shape[axis]) if weighted else 1.0]

        smooth = {"label_smoothing": smoothing} if "label_smoothing" in settings else {}
        return Case(params={"reduction": reduction, **settings, **smooth}, make=make)

    return (
        case((4, 3), "mean"),
        case((4, 3), "sum", weighted=True),
        case((4, 3), "none", smoothing=0.1),
        case((3,), "mean"),
        case((2, 3, 2, 2), "mean", weighted=True, smoothing=0.2),
        case((0, 3), "sum"),
    )


_cross_entropy = structural(
    "cross_entropy",
    "CE",
    "-np.mean(np.log(softmax(x))[np.arange(len(x)), y])",
    _hard_forward,
    _hard_vjp,
    None,
    None,
    jvp=_hard_jvp,
    needs="operands",
    cases=_class_cases(soft=False, ignore_index=-100, label_smoothing=0.0),
)

_soft_cross_entropy = structural(
    "soft_cross_entropy",
    "CE",
    "-np.mean(np.sum(y * np.log(softmax(x)), axis=1))",
    _soft_forward,
    _soft_vjp(0),
    _soft_vjp(1),
    None,
    jvp=_soft_jvp,
    needs="operands",
    cases=_class_cases(soft=True, label_smoothing=0.0),
)


def _nll_forward(logp: Any, target: Any, weight: Any, *, reduction: Reduction, ignore_index: int) -> Any:
    q, count = _hard(logp, target, weight, ignore_index)
    return _total(_expected(logp, q), reduction, count)


def _nll_vjp(g: Any, y: Any, logp: Any, target: Any, weight: Any, *, reduction: Reduction, ignore_index: int) -> Any:
    q, count = _hard(logp, target, weight, ignore_index)
    return _share(g, logp, reduction, count) * -q


_nll = structural(
    "nll_loss",
    "NLL",
    "-np.mean(x[np.arange(len(x)), y])",
    _nll_forward,
    _nll_vjp,
    None,
    None,
    multilinear=True,
    cases=_class_cases(soft=False, ignore_index=-100),
)


def _scored(name: str, x: Any, target: Any, weight: Any, reduction: str) -> tuple[Any, Any, Any]:
    """Check and return scores, targets and class weights."""
    _check_reduction(reduction)
    x, target = _operand(x), _operand(target)
    shape = np.shape(data_of(x))
    if not shape:
        raise ValueError(f"{name} takes scores of shape (C,) or (N, C, ...), got a single number")
    axis = min(1, len(shape) - 1)
    samples, got = shape[:axis] + shape[axis + 1 :], np.shape(data_of(target))
    if got not in (samples, shape):
        raise ValueError(
            f"{name}: scores of shape {shape} need targets of shape {samples} (labels) or {shape} (probabilities), "
            f"got {got}"
        )
    weight = 1.0 if weight is None else _data("weight", weight, _dtype(x))
    if np.shape(weight) not in ((), (shape[axis],)):
        raise ValueError(f"{name}: expected a weight for each of {shape[axis]} classes, got shape {np.shape(weight)}")
    kind = np.asarray(data_of(target)).dtype.kind
    if got == samples and got != shape and kind not in "iu":
        raise TypeError(f"{name}: labels must be integers, got dtype kind {kind!r}; write target.astype(int)")
    return x, target, weight


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the cross-entropy of ``softmax(input)``, stably.

    Parameters
    ----------
    input : array_like
        Scores (logits) of shape (C,) or (N, C, ...): the classes are axis 1.
    target : array_like
        Labels: integers of the shape of the input without the classes. Or probabilities: floats of its whole shape,
        which get a gradient too.
    weight : array_like, optional
        One weight a class. The mean over labels is a weighted one, that over probabilities divides by N.
    ignore_index : int, optional
        A label that does not count.
    reduction : {"mean", "sum", "none"}, optional
    label_smoothing : float, optional
        The part of every target, between 0 and 1, that is spread evenly over the classes.

    Returns
    -------
    ndarray or Tensor
        One number, or with ``"none"`` one loss a sample.

    Raises
    ------
    ValueError
        For shapes that do not fit, and labels that name no class.
    TypeError
        For labels that are not integers, and probabilities that are no floats.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> scores = ag.Tensor([[0.0, 0.0], [0.0, 1e4]], requires_grad=True)
    >>> loss = ag.cross_entropy(scores, [0, 1])
    >>> round(loss.item(), 4)
    0.3466
    >>> loss.backward()
    >>> scores.grad
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]])
    """
    x, target, weight = _scored("cross_entropy", input, target, weight, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
    if np.shape(data_of(target)) != np.shape(data_of(x)):
        smoothing = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        return _cross_entropy(x, target, weight, reduction=reduction, **smoothing)
    kind = data_of(target).dtype.kind
    if kind != "f":
        raise TypeError(
            f"cross_entropy: probabilities must be floats, got dtype kind {kind!r}; write target.astype(float)"
        )
    if not isinstance(target, graph.Node):
        target = target.astype(np.result_type(_dtype(x), 0.0), copy=False)
    return _soft_cross_entropy(x, target, weight, reduction=reduction, label_smoothing=label_smoothing)


def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"
) -> Any:
    """Return the negative log-likelihood: `cross_entropy` of log-probabilities instead of scores.

    Parameters
    ----------
    input : array_like
        Logarithms of probabilities (`log_softmax`), of shape (C,) or (N, C, ...).
    target : array_like
        Labels: integers of the shape of the input without the classes.
    weight, ignore_index, reduction
        As in `cross_entropy`.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        For shapes that do not fit, and labels that name no class.

    Examples
    --------
    >>> float(nll_loss([[-0.5, -1.0], [-2.0, -0.1]], [0, 1]))
    0.3
    """
    x, target, weight = _scored("nll_loss", input, target, weight, reduction)
    if np.shape(data_of(target)) == np.shape(data_of(x)):
        raise ValueError(f"nll_loss takes labels, of one axis less than the input of shape {np.shape(data_of(x))}")
    return _nll(x, target, weight, reduction=reduction, ignore_index=ignore_index)
