"""Figures of merit as functions of outputs and targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph

__all__ = [
    "accuracy", "class_count", "confusion_matrix", "f1", "mae", "precision", "predictions", "r2", "recall", "roc_auc",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def accuracy(output: Any, target: Any, threshold: float = 0.5) -> float:
    """Return the part of the predictions that is right.

    Parameters
    ----------
    output : array_like
        Scores or probabilities of shape (N, C, ...), whose largest one along axis 1 is the prediction; or one
        number a sample, which predicts 1 where it exceeds the threshold; or integers, the predictions themselves.
    target : array_like
        The labels, of shape (N, ...); for one number a sample (N, 1) and (N,) are the same.
    threshold : float, optional
        0.5 suits probabilities; for logits it is 0.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> accuracy([[2.0, -1.0], [0.0, 3.0]], [0, 0])
    0.5
    >>> accuracy([-2.0, 0.3], [0, 1], threshold=0.0)
    1.0
    """
    predicted, labels = predictions("accuracy", output, target, threshold)
    return float(np.mean(predicted == labels))


def precision(output: Any, target: Any, threshold: float = 0.5, average: str | None = "binary") -> Any:
    """Return the part of the predicted positives that are positive; 0 when there are none.

    Parameters
    ----------
    output, target, threshold
        As for `accuracy`.
    average : {"binary", "macro", "micro", "weighted", None}, optional
        For more than two classes how their figures become one; None gives an array of them.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> precision([0.9, 0.8, 0.2], [1, 0, 1])
    0.5
    """
    return _of_classes("precision", "precision_score", output, target, threshold, average)


def recall(output: Any, target: Any, threshold: float = 0.5, average: str | None = "binary") -> Any:
    """Return the part of the positives that are predicted; 0 when there are none.

    Parameters
    ----------
    output, target, threshold, average
        As for `precision`.

    Examples
    --------
    >>> recall([0.9, 0.8, 0.2, 0.7], [1, 0, 1, 1], threshold=0.85)
    0.3333333333333333
    """
    return _of_classes("recall", "recall_score", output, target, threshold, average)


def f1(output: Any, target: Any, threshold: float = 0.5, average: str | None = "binary") -> Any:
    """Return the harmonic mean of `precision` and `recall`.

    Parameters
    ----------
    output, target, threshold, average
        As for `precision`.

    Examples
    --------
    >>> f1([0.9, 0.8, 0.2], [1, 0, 1])
    0.5
    """
    return _of_classes("f1", "f1_score", output, target, threshold, average)


def confusion_matrix(output: Any, target: Any, threshold: float = 0.5, classes: int | None = None) -> Array:
    """Count the samples of each class (rows) by the class predicted for them (columns).

    Parameters
    ----------
    output, target, threshold
        As for `accuracy`.
    classes : int, optional
        How many there are; by default as many as the output has scores, or 2 for one score a sample. When the output
        holds integers, the classes are those that occur.

    Returns
    -------
    ndarray of int
        Shape (C, C).

    Examples
    --------
    >>> confusion_matrix([[2.0, -1.0, 0.0], [0.0, 3.0, 1.0]], [0, 0])
    array([[1, 1, 0],
           [0, 0, 0],
           [0, 0, 0]])
    """
    predicted, labels = predictions("confusion_matrix", output, target, threshold)
    count = class_count(output) if classes is None else classes
    names = None if count is None else np.arange(count)
    matrix: Array = _sklearn("confusion_matrix")(labels.ravel(), predicted.ravel(), labels=names)
    return matrix


def roc_auc(output: Any, target: Any, average: str = "macro", multi_class: str = "ovr") -> float:
    """Return the area under the ROC curve: how often a positive sample scores higher than a negative one.

    Parameters
    ----------
    output : array_like
        One score a sample; or scores of shape (N, C), of which `softmax` is taken unless they are probabilities.
    target : array_like
        The labels, of shape (N,), or like the output.
    average : {"macro", "weighted"}, optional
    multi_class : {"ovr", "ovo"}, optional
        For more than two classes: each against the rest, or each against each.

    Examples
    --------
    >>> roc_auc([-1.0, 0.5, 0.3, 2.0], [0, 0, 1, 1])
    0.75
    """
    scores, labels = _scores("roc_auc", output, target)
    score = _sklearn("roc_auc_score")
    if scores.ndim == 1:
        return float(score(labels, scores))
    if scores.shape[1] == 2:
        return float(score(labels, scores[:, 1] - scores[:, 0]))
    if (scores < 0).any() or not np.allclose(scores.sum(axis=1), 1):
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = exponentials / exponentials.sum(axis=1, keepdims=True)
    names = np.arange(scores.shape[1])
    return float(score(labels, scores, average=average, multi_class=multi_class, labels=names))


def r2(output: Any, target: Any) -> float:
    """Return the part of the targets' variance that is explained: 1 is perfect, 0 no better than their mean.

    Parameters
    ----------
    output, target : array_like
        Shape (N,) or (N, D), of which the mean is taken; (N, 1) and (N,) are the same.

    Examples
    --------
    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.7857142857142857
    """
    return float(_sklearn("r2_score")(*reversed(_numbers("r2", output, target))))


def mae(output: Any, target: Any) -> float:
    """Return the mean absolute error.

    Parameters
    ----------
    output, target : array_like
        As for `r2`.

    Examples
    --------
    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return float(_sklearn("mean_absolute_error")(*reversed(_numbers("mae", output, target))))


def _sklearn(name: str) -> Any:
    try:
        import sklearn.metrics
    except ImportError:
        raise ImportError("this metric needs scikit-learn: pip install scikit-learn") from None
    return getattr(sklearn.metrics, name)


def _of_classes(name: str, score: str, output: Any, target: Any, threshold: float, average: str | None) -> Any:
    predicted, labels = predictions(name, output, target, threshold)
    figure = _sklearn(score)(labels.ravel(), predicted.ravel(), average=average, zero_division=0.0)
    return figure if average is None else float(figure)


def predictions(name: str, output: Any, target: Any, threshold: float) -> tuple[Array, Array]:
    """Return the predicted classes, and the labels in the same shape."""
    scores, labels = np.asarray(graph.data_of(output)), np.asarray(graph.data_of(target))
    if _has_classes(scores) and scores.shape[:1] + scores.shape[2:] == labels.shape:
        predicted = scores.argmax(axis=1)
    elif scores.shape == labels.shape or (len(scores.shape) and _flat(scores.shape) == _flat(labels.shape)):
        labels = labels.reshape(scores.shape)
        predicted = scores if scores.dtype.kind in "biu" else (scores > threshold).astype(np.intp)
    else:
        raise ValueError(
            f"{name}: outputs of shape {scores.shape} do not fit labels of shape {labels.shape}.\n"
            "Pass scores (N, C) with labels (N,), or one output for each label."
        )
    return predicted, labels


def _scores(name: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Return scores of shape (N,) or (N, C), and labels of shape (N,)."""
    scores, labels = np.asarray(graph.data_of(output)), np.asarray(graph.data_of(target))
    if _flat(scores.shape) == _flat(labels.shape) and len(_flat(scores.shape)) == 1:
        return scores.ravel(), labels.ravel()
    if scores.ndim != 2 or _flat(labels.shape) != scores.shape[:1]:
        raise ValueError(
            f"{name}: outputs of shape {scores.shape} do not fit labels of shape {labels.shape}.\n"
            "Pass scores (N,) or (N, C) with labels (N,)."
        )
    return scores, labels.ravel()


def _numbers(name: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Return predictions and targets of the same shape."""
    x, t = np.asarray(graph.data_of(output)), np.asarray(graph.data_of(target))
    if _flat(x.shape) != _flat(t.shape):
        raise ValueError(f"{name}: outputs of shape {x.shape} do not fit targets of shape {t.shape}")
    return x.reshape(_flat(x.shape)), t.reshape(_flat(t.shape))


def _has_classes(scores: Array) -> bool:
    return scores.ndim > 1 and scores.shape[1] > 1


def class_count(output: Any) -> int | None:
    """Return how many classes the scores stand for; integers do not tell."""
    scores = np.asarray(graph.data_of(output))
    if scores.dtype.kind != "f":
        return None
    return scores.shape[1] if _has_classes(scores) else 2


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
