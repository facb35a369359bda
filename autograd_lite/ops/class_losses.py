"""Losses over classes: cross-entropy and the negative log-likelihood.

They work on a distribution over the classes, into which targets, weights, smoothing and ignored samples all go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.graph import Node, data_of, operand
from autograd_lite.ops.losses import Reduction, check_reduction, dtype_of, plain_data
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.scan import log_softmax, softmax
from autograd_lite.taped import plainly

__all__ = ["cross_entropy", "nll_loss"]


def _class_axis(x: Any) -> int:
    return 1 if x.ndim > 1 else 0


def _along_classes(weight: Any, x: Any) -> Any:
    """Bring one weight a class, or one number for all, into a shape that broadcasts along the classes of ``x``."""
    axis = _class_axis(x)
    return plainly(_spread, weight, x.dtype, x.shape[axis], (-1,) + (1,) * (x.ndim - 1 - axis))


def _spread(weight: Any, dtype: Any, classes: int, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(np.asarray(weight, dtype=dtype), classes).reshape(shape)


def _labelled(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[tuple[Any, ...], Any, float]:
    """Return where the scores of the labels are, how much each sample counts, and the sum of that."""
    axis = _class_axis(x)
    counted = np.not_equal(target, ignore_index)
    labels = np.where(counted, target, 0)
    samples = np.indices(labels.shape, sparse=True)
    weights = counted * (weight[labels] if np.ndim(weight) else weight)
    return (*samples[:axis], labels, *samples[axis:]), weights, float(np.add.reduce(weights, axis=None))


def _hard(x: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float = 0.0) -> tuple[Any, float]:
    """Return the weighted distribution over the classes that the labels stand for, and the sum of their weights."""
    q, count = plainly(_hard_of, x, target, weight, ignore_index, label_smoothing)
    return q, count.astype(x.dtype) if isinstance(count, Node) else count  # type: ignore[attr-defined]


def _hard_of(x: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float) -> tuple[Any, float]:
    index, weights, count = _labelled(x, target, weight, ignore_index)
    q = np.zeros_like(x)
    q[index] = weights * (1 - label_smoothing)
    if label_smoothing:
        counted = np.expand_dims(np.not_equal(target, ignore_index), _class_axis(x))
        q += (label_smoothing / x.shape[_class_axis(x)] * _along_classes(weight, x) * counted).astype(x.dtype)
    return q, count


def _soft(x: Any, target: Any, weight: Any, label_smoothing: float) -> tuple[Any, float]:
    """Return the same for targets that are distributions already; the count is that of the samples."""
    classes = x.shape[_class_axis(x)]
    q = (target * (1 - label_smoothing) + label_smoothing / classes) * _along_classes(weight, x)
    return q, x.size // classes


def _over_samples(terms: Any, reduction: Reduction, count: float) -> Any:
    """Sum over the samples unless they are wanted one by one."""
    if reduction == "none":
        return terms
    total = np.add.reduce(terms, axis=None)
    return np.divide(total, count) if reduction == "mean" else total


def _total(terms: Any, reduction: Reduction, count: float) -> Any:
    """Sum over the classes, and over the samples unless they are wanted one by one."""
    return _over_samples(np.add.reduce(terms, axis=_class_axis(terms)), reduction, count)


def _share(g: Any, x: Any, reduction: Reduction, count: float) -> Any:
    """Return what the gradient is for the loss of one sample: the transpose of `_total`."""
    if reduction == "none":
        return np.expand_dims(g, _class_axis(x))
    if reduction != "mean":
        return g
    return g / plainly(_or_one, count)  # nothing counts: the loss is 0 / 0, its slopes are 0


def _or_one(count: Any) -> Any:
    return count or 1


def _expected(logp: Any, q: Any) -> Any:
    return -q * np.where(q != 0, logp, 0)  # a class that does not occur may have the logarithm -inf


def _hard_cost(
    logp: Any, target: Any, weight: Any, *, reduction: Reduction, ignore_index: int, label_smoothing: float = 0.0
) -> Any:
    axis = _class_axis(logp)
    index, weights, count = _labelled(logp, target, weight, ignore_index)
    labels, classes = index[axis], logp.shape[axis]
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"class {wrong} in the targets, but there are {classes} classes (0 to {classes - 1})")
    if label_smoothing:
        q, _ = _hard(logp, target, weight, ignore_index, label_smoothing)
        return _total(_expected(logp, q), reduction, count)
    return _over_samples(_expected(logp[index], weights.astype(logp.dtype)), reduction, count)


def _log_probabilities(x: Any) -> Any:
    axis = _class_axis(x)
    z = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return z - np.log(np.add.reduce(np.exp(z), axis=axis, keepdims=True))


def _entropy_slope(x: Any, q: Any) -> Any:
    axis = _class_axis(x)
    return softmax(x, axis=axis) * np.add.reduce(q, axis=axis, keepdims=True) - q


def _hard_forward(x: Any, target: Any, weight: Any, **settings: Any) -> Any:
    return _hard_cost(_log_probabilities(x), target, weight, **settings)


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
    return _total(_expected(_log_probabilities(x), q), reduction, count)


def _soft_slopes(x: Any, target: Any, weight: Any, label_smoothing: float) -> tuple[Any, Any]:
    q, _ = _soft(x, target, weight, label_smoothing)
    costs = -log_softmax(x, axis=_class_axis(x)) * _along_classes(weight, x) * (1 - label_smoothing)
    return _entropy_slope(x, q), costs


def _soft_vjp(which: int) -> Any:
    def rule(g: Any, y: Any, x: Any, target: Any, weight: Any, *, reduction: Reduction, label_smoothing: float) -> Any:
        slope = _soft_slopes(x, target, weight, label_smoothing)[which]
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


def _nll_vjp(g: Any, y: Any, logp: Any, target: Any, weight: Any, *, reduction: Reduction, ignore_index: int) -> Any:
    q, count = _hard(logp, target, weight, ignore_index)
    return _share(g, logp, reduction, count) * -q


_nll = structural(
    "nll_loss",
    "NLL",
    "-np.mean(x[np.arange(len(x)), y])",
    _hard_cost,
    _nll_vjp,
    None,
    None,
    multilinear=True,
    cases=_class_cases(soft=False, ignore_index=-100),
)


def as_label(target: Any) -> Any:
    """Return a target; a plain integer, the label of a single sample, as an array, so that it stays an integer."""
    return np.asarray(target) if isinstance(target, (int, np.integer)) else target


def _scored(name: str, x: Any, target: Any, weight: Any, reduction: str) -> tuple[Any, Any, Any]:
    """Check and return scores, targets and class weights."""
    check_reduction(reduction)
    x, target = operand(x), operand(as_label(target))
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
    weight = 1.0 if weight is None else plain_data("weight", weight, dtype_of(x))
    if np.shape(weight) not in ((), (shape[axis],)):
        raise ValueError(f"{name}: expected a weight for each of {shape[axis]} classes, got shape {np.shape(weight)}")
    kind = dtype_of(target).kind
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
    if not isinstance(target, Node):
        target = target.astype(np.result_type(dtype_of(x), 0.0), copy=False)
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
