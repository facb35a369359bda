"""Robust, margin and focal losses as plain functions; `nn.functional` has them too."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph, ops
from autograd_lite.ops.class_losses import as_label
from autograd_lite.ops.losses import check_reduction, dtype_of, plain_data

__all__ = [
    "cosine_embedding_loss", "focal_loss", "hinge_embedding_loss", "hinge_loss", "huber_loss", "kl_div",
    "sigmoid_focal_loss", "smooth_l1_loss",
]  # fmt: skip


def _reduced(losses: Any, reduction: str) -> Any:
    check_reduction(reduction)
    return losses if reduction == "none" else np.mean(losses) if reduction == "mean" else np.sum(losses)


def _pair(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Return predictions and targets, of the same shape; plain targets in the dtype of the predictions."""
    x, t = graph.operand(input), graph.operand(target)
    if np.shape(x) != np.shape(t):
        raise ValueError(
            f"{name}: predictions of shape {np.shape(x)} and targets of shape {np.shape(t)}; "
            "reshape one, as broadcasting would compare every prediction with every target"
        )
    return x, t if isinstance(t, graph.Node) else plain_data("target", t, dtype_of(x))


def _signs(name: str, target: Any, x: Any) -> Any:
    """Return targets that are 1 or -1, as plain data of the dtype of ``x``."""
    t = plain_data("target", target, dtype_of(x))
    if not np.all(np.equal(t, 1) | np.equal(t, -1)):
        raise ValueError(f"{name}: targets must be 1 or -1; for labels 0 and 1 pass 2 * labels - 1")
    return t


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Return the Huber loss (1964): half the squared error, but growing straight from an error of ``delta`` on.

    Parameters
    ----------
    input, target : array_like
        Of the same shape.
    reduction : {"mean", "sum", "none"}, optional
    delta : float, optional
        Greater than 0.

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> huber_loss([0.0, 0.0], [1.0, 10.0], reduction="none")
    array([0.5, 9.5])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss does not support non-positive values for delta, got {delta}")
    x, t = _pair("huber_loss", input, target)
    error = x - t
    bounded = np.clip(error, -delta, delta)
    return _reduced(bounded * (error - 0.5 * bounded), reduction)  # no square of a large error: no overflow


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Return the absolute error, rounded off within ``beta``: `huber_loss` divided by ``beta`` (Girshick 2015).

    Parameters
    ----------
    input, target : array_like
        Of the same shape.
    reduction : {"mean", "sum", "none"}, optional
    beta : float, optional
        0 makes it `l1_loss`.

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> smooth_l1_loss([0.0, 0.0], [0.5, 10.0], reduction="none", beta=0.5)
    array([0.25, 9.75])
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return ops.l1_loss(input, target, reduction=reduction)
    x, t = _pair("smooth_l1_loss", input, target)
    return huber_loss(x, t, reduction, beta) / beta


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return the Kullback-Leibler divergence ``target * (log(target) - input)``, entry by entry.

    Parameters
    ----------
    input : array_like
        Logarithms of the predicted probabilities.
    target : array_like
        Probabilities of the same shape, or with ``log_target`` their logarithms. Where they are 0, so is the loss.
    reduction : {"mean", "batchmean", "sum", "none"}, optional
        ``"batchmean"`` divides the sum by the number of samples, which is the divergence; ``"mean"`` by that of all
        entries.
    log_target : bool, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> round(float(kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]], reduction="batchmean")), 4)
    0.6931
    """
    x, t = _pair("kl_div", input, target)
    if log_target:
        present = np.not_equal(graph.data_of(t), -np.inf)
        t = np.where(present, t, 0)
        share = np.exp(t)
    else:
        present = np.greater(graph.data_of(t), 0)
        share, t = t, np.log(np.where(present, t, 1))
    losses = share * (t - np.where(present, x, 0))
    if reduction == "batchmean":
        return np.sum(losses) / (np.shape(x) or (1,))[0]
    return _reduced(losses, reduction)


def hinge_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """Return ``max(0, margin - target * input)``, the loss of a support vector machine (Cortes and Vapnik 1995).

    Parameters
    ----------
    input : array_like
        Scores; positive ones stand for the class 1.
    target : array_like
        1 or -1, of the same shape.
    margin : float, optional
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When the shapes differ, or targets are neither 1 nor -1.

    Examples
    --------
    >>> hinge_loss([2.0, 0.5, 1.0], [1, 1, -1], reduction="none")
    array([0. , 0.5, 2. ])
    """
    x, t = _pair("hinge_loss", input, target)
    return _reduced(ops.relu(margin - _signs("hinge_loss", t, x) * x), reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    """Return ``input`` where the target is 1 and ``max(0, margin - input)`` where it is -1.

    Parameters
    ----------
    input : array_like
        Distances of pairs.
    target : array_like
        1 for what is alike, -1 for what is not; of the same shape.
    margin : float, optional
        How far apart the latter are to be.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When the shapes differ, or targets are neither 1 nor -1.

    Examples
    --------
    >>> hinge_embedding_loss([0.25, 0.25, 3.0], [1, -1, -1], reduction="none")
    array([0.25, 0.75, 0.  ])
    """
    x, t = _pair("hinge_embedding_loss", input, target)
    alike = np.equal(_signs("hinge_embedding_loss", t, x), 1)
    return _reduced(np.where(alike, x, np.clip(margin - x, 0.0, np.inf)), reduction)


def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """Return ``1 - cos`` of the angle between vectors that are alike, ``max(0, cos - margin)`` of those that are not.

    Parameters
    ----------
    input1, input2 : array_like
        Shape (N, D), or (D,).
    target : array_like
        1 for what is alike, -1 for what is not; shape (N,), or ``()``.
    margin : float, optional
        Between -1 and 1.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        When the shapes do not fit, or targets are neither 1 nor -1.

    Examples
    --------
    >>> cosine_embedding_loss([[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [3.0, 0.0]], [1, -1], reduction="none")
    array([1., 1.])
    """
    x, y = graph.operand(input1), graph.operand(input2)
    shape = np.shape(x)
    if len(shape) not in (1, 2) or np.shape(y) != shape or np.shape(target) != shape[:-1]:
        raise ValueError(
            "cosine_embedding_loss: expected inputs of shape (N, D) with targets of shape (N,), or (D,) with (), "
            f"got {shape}, {np.shape(y)} and {np.shape(target)}"
        )
    alike = np.equal(_signs("cosine_embedding_loss", target, x), 1)
    lengths = (np.sum(x * x, axis=-1) + 1e-12) * (np.sum(y * y, axis=-1) + 1e-12)
    cosine = np.sum(x * y, axis=-1) / np.sqrt(lengths)
    return _reduced(np.where(alike, 1 - cosine, np.clip(cosine - margin, 0.0, np.inf)), reduction)


def sigmoid_focal_loss(
    input: Any, target: Any, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean"
) -> Any:
    """Return the focal loss of ``sigmoid(input)``: cross-entropy times ``(1 - p)**gamma`` (Lin et al. 2017).

    ``p`` is the probability given to the truth: what is easy counts little.

    Parameters
    ----------
    input : array_like
        Logits.
    target : array_like
        0 or 1, or what lies between; of the same shape.
    alpha : float, optional
        The weight of the positive targets; that of the negative ones is ``1 - alpha``. A negative number weighs none.
    gamma : float, optional
        0 makes it the (weighted) cross-entropy.
    reduction : {"mean", "sum", "none"}, optional
        Lin et al. divide the sum by the number of positive targets.

    Returns
    -------
    float, ndarray, Value or Tensor

    Raises
    ------
    ValueError
        When input and target differ in shape.

    Examples
    --------
    >>> sigmoid_focal_loss([0.0, 4.0], [1.0, 1.0], reduction="none").round(6)
    array([4.3322e-02, 1.0000e-06])
    """
    x, t = _pair("sigmoid_focal_loss", input, target)
    wrong = ops.sigmoid(x) * (1 - t) + ops.sigmoid(-x) * t
    losses = ops.bce_with_logits(x, t, reduction="none") * wrong**gamma
    if alpha >= 0:
        losses = losses * (alpha * t + (1 - alpha) * (1 - t))
    return _reduced(losses, reduction)


def focal_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    gamma: float = 2.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """Return the focal loss of ``softmax(input)``: cross-entropy times ``(1 - p)**gamma`` (Lin et al. 2017).

    ``p`` is the probability given to the true class: what is easy counts little.

    Parameters
    ----------
    input : array_like
        Scores (logits) of shape (N, C, ...) or (C,).
    target : array_like
        Class indices, of shape (N, ...) or ``()``.
    weight : array_like, optional
        One for each class; the mean is divided by the sum of the picked weights.
    gamma : float, optional
        0 makes it `cross_entropy`.
    ignore_index : int, optional
        The class index that does not count.
    reduction : {"mean", "sum", "none"}, optional

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        For shapes that do not fit, and labels that name no class.

    Examples
    --------
    >>> scores = [[0.0, 0.0], [0.0, 4.0]]
    >>> focal_loss(scores, [0, 1], reduction="none").round(6)
    array([1.73287e-01, 6.00000e-06])
    """
    check_reduction(reduction)
    x: Any = graph.operand(input)
    labels = plain_data("target", as_label(target))
    if np.shape(labels) == np.shape(x):
        raise ValueError(f"focal_loss takes labels, of one axis less than the input of shape {np.shape(x)}")
    losses = ops.cross_entropy(x, labels, ignore_index=ignore_index, reduction="none")
    losses = losses * (-np.expm1(-losses)) ** gamma
    weights = np.not_equal(labels, ignore_index).astype(dtype_of(x))
    if weight is not None:
        picked, classes = plain_data("weight", weight, dtype_of(x)), np.shape(x)[min(1, np.ndim(x) - 1)]
        if np.shape(picked) != (classes,):
            raise ValueError(f"focal_loss: expected a weight for each of {classes} classes, got {np.shape(picked)}")
        weights = weights * picked[np.where(weights, labels, 0)]
        losses = losses * weights
    return np.sum(losses) / float(np.sum(weights)) if reduction == "mean" else _reduced(losses, reduction)
