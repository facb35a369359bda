"""Figures of merit, from outputs and targets of any kind to a float."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph

__all__ = ["accuracy"]


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
    scores, labels = np.asarray(graph.data_of(output)), np.asarray(graph.data_of(target))
    if scores.ndim > 1 and scores.shape[1] > 1 and scores.shape[:1] + scores.shape[2:] == labels.shape:
        predicted = scores.argmax(axis=1)
    elif scores.shape == labels.shape or (len(scores.shape) and _flat(scores.shape) == _flat(labels.shape)):
        labels = labels.reshape(scores.shape)
        predicted = scores if scores.dtype.kind in "biu" else (scores > threshold).astype(np.intp)
    else:
        raise ValueError(
            f"accuracy: outputs of shape {scores.shape} do not fit labels of shape {labels.shape}.\n"
            "Pass scores (N, C) with labels (N,), or one output for each label."
        )
    return float(np.mean(predicted == labels))


def _flat(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
