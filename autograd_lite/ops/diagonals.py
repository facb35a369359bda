"""Ops on the diagonals of matrices: diagonal, trace and diag, and the triangles that diagonals bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.graph import operand
from autograd_lite.ops.index import getitem, scatter_add
from autograd_lite.ops.record import structural
from autograd_lite.ops.shape import calls, moveaxis, reshape, sum_to

__all__ = ["diag", "diagonal", "trace", "tril", "triu"]


_tril = structural(
    "tril",
    "tril",
    "np.tril(x, k)",
    lambda m, k: np.tril(m, k),
    lambda g, y, m, k: sum_to(np.tril(g, k), np.shape(m)),
    linear=True,
    cases=(*calls((3, 4), {"k": 0}, {"k": -1}), *calls((2, 3, 3), {"k": 1}), *calls((3,), {"k": 0})),
)
_triu = structural(
    "triu",
    "triu",
    "np.triu(x, k)",
    lambda m, k: np.triu(m, k),
    lambda g, y, m, k: sum_to(np.triu(g, k), np.shape(m)),
    linear=True,
    cases=(*calls((3, 4), {"k": 0}, {"k": -1}), *calls((2, 3, 3), {"k": 1}), *calls((3,), {"k": 0})),
)


def tril(m: Any, k: int = 0) -> Any:
    """Return the matrices (of the last two axes) with zeros above their k-th diagonal.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.tril([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 0.],
           [3., 4.]])
    """
    return _tril(m, k=k)


def triu(m: Any, k: int = 0) -> Any:
    """Return the matrices (of the last two axes) with zeros below their k-th diagonal."""
    return _triu(m, k=k)


def _diagonal_slice(m: int, n: int, offset: int) -> slice:
    """Return where the diagonal of an m by n matrix lies in its flattened entries."""
    start = offset if offset >= 0 else -offset * n
    length = max(min(m, n - offset) if offset >= 0 else min(m + offset, n), 0)
    return slice(start, start + length * (n + 1), n + 1) if length else slice(0, 0)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the diagonals of the matrices of two axes, as the last axis of the result.

    Parameters
    ----------
    a : array_like
        Of two axes or more.
    offset : int, optional
        How far right of the main diagonal (left, if negative).
    axis1, axis2 : int, optional
        The row and the column axis of the matrices.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.diagonal([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], offset=1)
    array([2., 6.])
    """
    moved = moveaxis(a, (axis1, axis2), (-2, -1))
    *lead, m, n = np.shape(moved)
    return getitem(reshape(moved, (*lead, m * n)), (Ellipsis, _diagonal_slice(m, n, offset)))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum along the diagonals; parameters as in `diagonal`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> float(ag.trace([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


def diag(v: Any, k: int = 0) -> Any:
    """Return the k-th diagonal of a matrix, or the matrix that has a vector for its k-th diagonal.

    Raises
    ------
    ValueError
        For anything but one or two axes.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.diag([1.0, 2.0])
    array([[1., 0.],
           [0., 2.]])
    """
    v = operand(v)
    if np.ndim(v) == 2:
        return diagonal(v, k)
    if np.ndim(v) != 1:
        raise ValueError(f"diag takes a vector or a matrix, not an array of {np.ndim(v)} axes")
    n = np.shape(v)[0] + abs(k)
    return reshape(scatter_add(v, (n * n,), _diagonal_slice(n, n, k)), (n, n))
