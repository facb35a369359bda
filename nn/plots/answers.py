"""What a classifier answers in the plane, whatever kind of classifier it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph
from nn import activation
from nn.module import Module
from nn.train import predict

__all__ = ["probabilities", "samples_of"]

Array = np.ndarray[Any, Any]


def samples_of(model: Any, x: Any, y: Any) -> tuple[Array, Array]:
    """Return samples and their classes as the numbers 0, 1, ..."""
    x, y = np.asarray(graph.data_of(x)), np.asarray(graph.data_of(y)).ravel()
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(
            f"a decision boundary is drawn in the plane, so X must have shape (N, 2), got {x.shape}.\n"
            "Train on two columns, or pass a function of two that fills in the others."
        )
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"X and y must hold the same number of samples, and at least one; got {len(x)} and {len(y)}")
    if not np.isfinite(x).all():
        raise ValueError("X holds NaN or infinity: leave those samples out")
    if hasattr(model, "classes_"):
        known = np.asarray(model.classes_)
        if not np.isin(y, known).all():
            raise ValueError(
                f"y holds {sorted(set(y.tolist()) - set(known.tolist()))}, of which the model knows nothing"
            )
        return x, np.searchsorted(known, y)
    if y.dtype.kind not in "biuf" or not np.all((y >= 0) & (y == np.floor(y))):
        raise ValueError(
            f"y must be classes numbered 0, 1, ..., got {y[:3]!r} and so on.\n"
            "Number them by np.unique(y, return_inverse=True)[1]."
        )
    return x, y.astype(int)


def probabilities(model: Any, points: Array) -> Array:
    """Return the probabilities of the classes at some points.

    Parameters
    ----------
    model : Module, estimator or callable
        As in `decision_boundary`.
    points : ndarray
        Shape (N, 2).

    Returns
    -------
    ndarray
        Shape (N,), of class 1, or (N, C) for more than two classes.
    """
    if isinstance(model, Module):
        p = _from_outputs(model, predict(model, points.astype(_dtype_of(model), copy=False)))
    elif hasattr(model, "predict_proba"):
        p = np.asarray(model.predict_proba(points))
    elif callable(model):
        p = np.asarray(graph.data_of(model(points)))
    else:
        raise TypeError(f"the model must be a Module, a fitted classifier or a callable, got {type(model).__name__}")
    if p.ndim == 2 and p.shape[1] <= 2:
        p = p[:, -1]
    if p.ndim not in (1, 2) or len(p) != len(points):
        raise ValueError(f"the model gave shape {p.shape} for {len(points)} points; (N,), (N, 1) or (N, C) is expected")
    return p


def _dtype_of(model: Module) -> Any:
    return next((p.dtype for p in model.parameters()), np.float64)


def _from_outputs(model: Module, outputs: Array) -> Array:
    last = list(model.modules())[-1]
    if isinstance(last, (activation.Sigmoid, activation.Softmax)):
        return outputs
    if isinstance(last, activation.LogSoftmax):
        return np.exp(outputs)
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        half: Array = 0.5 * outputs
        return 0.5 * (1 + np.tanh(half))
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
