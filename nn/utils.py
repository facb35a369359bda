"""Gradient clipping, and parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd_lite import Tensor, graph, no_grad
from autograd_lite.graph import Node
from autograd_lite.modes import tape
from autograd_lite.taped import plainly

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "get_total_norm", "parameters_to_vector", "vector_to_parameters",
]  # fmt: skip


def _listed(nodes: Any) -> list[Any]:
    return [nodes] if isinstance(nodes, Node) else list(nodes)


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> float:
    """Return the norm of arrays taken as one vector.

    Parameters
    ----------
    tensors : iterable of array_like
        Gradients, say; their shapes may differ.
    norm_type : float, optional
        2, 1, ``inf`` or any other order.
    error_if_nonfinite : bool, optional

    Returns
    -------
    float
        0.0 for no arrays at all.

    Raises
    ------
    RuntimeError
        When asked to, for a norm that is NaN or infinite.

    Examples
    --------
    >>> get_total_norm([[3.0], [[4.0]]])
    5.0
    """
    arrays = [np.asarray(graph.data_of(x)) for x in _listed(tensors)]
    total = float(np.linalg.norm(np.concatenate(arrays, axis=None), norm_type)) if arrays else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {float(norm_type)} for gradients is {total}, so it cannot be clipped.\n"
            "`with autograd_lite.detect_anomaly():` around the training step names the op that made it."
        )
    return total


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Scale all gradients down together, so that their norm is at most ``max_norm``.

    Parameters
    ----------
    parameters : Tensor or Value, or iterable of them
        What has no gradient is skipped.
    max_norm : float
    norm_type : float, optional
        2, 1, ``inf`` or any other order.
    error_if_nonfinite : bool, optional
        Otherwise gradients of which one is NaN all become NaN.

    Returns
    -------
    float
        The norm before.

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, 2.0])
    >>> (w * [30.0, 40.0]).sum().backward()
    >>> clip_grad_norm_([w], max_norm=5.0)
    50.0
    >>> w.grad.round(6)
    array([3., 4.])
    """
    moved = [p for p in _listed(parameters) if p.grad is not None]
    if tape() is not None:
        total, *scaled = plainly(_scaled, max_norm, norm_type, error_if_nonfinite, *[p.grad for p in moved])
        for p, g in zip(moved, scaled, strict=True):
            p.grad = g if p.is_array else g.to_values()[()]
        return total.to_values()[()]  # type: ignore[no-any-return]
    total = get_total_norm([p.grad for p in moved], norm_type, error_if_nonfinite)
    factor = float(max_norm) / (total + 1e-6)
    if not factor >= 1:
        with no_grad():
            for p in moved:
                p.grad = p.grad * factor  # not in place: somebody may hold the array
    return total


def _scaled(max_norm: float, norm_type: float, error_if_nonfinite: bool, *gradients: Any) -> Any:
    """Return the norm of gradients and what `clip_grad_norm_` makes of them."""
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    factor = float(max_norm) / (total + 1e-6)
    return (total, *(g if factor >= 1 else g * factor for g in gradients))


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Bring every entry of the gradients between ``-clip_value`` and ``clip_value``.

    Parameters
    ----------
    parameters : Tensor or Value, or iterable of them
        What has no gradient is skipped.
    clip_value : float

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, 2.0])
    >>> (w * [0.5, -40.0]).sum().backward()
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    array([ 0.5, -1. ])
    """
    limit = float(clip_value)
    with no_grad():
        for p in _listed(parameters):
            if tape() is not None and p.grad is not None:
                clipped = plainly(np.clip, p.grad, -limit, limit)
                p.grad = clipped if p.is_array else clipped.to_values()[()]
            elif isinstance(p.grad, float):
                p.grad = min(max(p.grad, -limit), limit)
            elif p.grad is not None:
                p.grad = np.clip(p.grad, -limit, limit)


def parameters_to_vector(parameters: Iterable[Any]) -> Tensor:
    """Return all parameters as one vector, differentiably.

    Parameters
    ----------
    parameters : iterable of Tensor or Value

    Returns
    -------
    Tensor
        Shape (n,).

    Examples
    --------
    >>> import numpy as np, nn
    >>> parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    (9,)
    """
    vector: Tensor = np.concatenate([np.reshape(p, -1) for p in parameters])  # type: ignore[assignment]
    return vector


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Write the entries of a vector into the parameters: the reverse of `parameters_to_vector`.

    Parameters
    ----------
    vec : array_like
        Shape (n,).
    parameters : iterable of Tensor or Value

    Raises
    ------
    ValueError
        When there are more or fewer numbers than the parameters hold; nothing is written.

    Examples
    --------
    >>> import nn
    >>> w, b = nn.Parameter([[0.0, 0.0]]), nn.Parameter([0.0])
    >>> vector_to_parameters([1.0, 2.0, 3.0], [w, b])
    >>> w.numpy(), b.numpy()
    (array([[1., 2.]]), array([3.]))
    """
    vector, leaves = np.asarray(graph.data_of(vec)), list(parameters)
    sizes = [np.size(p._data) for p in leaves]
    if vector.shape != (sum(sizes),):
        raise ValueError(f"expected a vector of {sum(sizes)} numbers, got shape {vector.shape}")
    start = 0
    for p, size in zip(leaves, sizes, strict=True):
        if p.is_array:
            p._data[...] = vector[start : start + size].reshape(p.shape)
        else:
            p._data = float(vector[start])
        start += size
    graph.mark_written(leaves)
