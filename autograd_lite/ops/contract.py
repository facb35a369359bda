"""Products of vectors and matrices: matmul, and what is composed of it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import data_of, operand
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.subscripts import tensordot

__all__ = ["dot", "inner", "kron", "matmul", "matrix_transpose", "outer", "vdot"]


def swapped(x: Any) -> Any:
    """Transpose the matrices of the last two axes."""
    return np.swapaxes(x, -1, -2)


def summed(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which an operand of this shape was broadcast, if any."""
    return g if g.shape == shape else graph.unbroadcast(g, shape)


def _matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:
        return np.expand_dims(g, -1) * b
    if a.ndim == 1:
        g = np.expand_dims(g, -2)
    return summed(g @ swapped(b), a.shape)


def _matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:
        return np.expand_dims(a, -1) * np.expand_dims(g, -2) if b.ndim > 1 else g * a
    if b.ndim == 1:
        return summed(np.expand_dims(g, -2) @ a, b.shape)
    if b.ndim == 2:  # the leading axes of a are more rows: one product, no stack of matrices to sum
        rows = g.size // g.shape[-1] if g.size else 0
        if rows:
            return np.reshape(a, (rows, b.shape[0])).T @ np.reshape(g, (rows, b.shape[1]))
    return summed(swapped(a) @ g, b.shape)


_matmul = structural(
    "matmul",
    "@",
    "x @ y",
    np.matmul,
    _matmul_left,
    _matmul_right,
    multilinear=True,
    cases=tuple(
        Case(shapes=shapes)
        for shapes in [
            ((3, 4), (4, 2)),
            ((4,), (4,)),
            ((3, 4), (4,)),
            ((4,), (4, 2)),
            ((4,), (2, 3, 4, 2)),
            ((2, 3, 4), (4,)),
            ((2, 3, 4), (4, 5)),
            ((3, 4), (2, 4, 5)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((1, 3, 4), (2, 4, 1)),
            ((0, 3), (3, 2)),
            ((2, 3, 0), (0, 4)),
        ]
    ),
)


def matmul(x1: Any, x2: Any) -> Any:
    """Return the matrix product, stacks of matrices and 1-D operands as in NumPy.

    Parameters
    ----------
    x1, x2 : array_like
        Shapes (..., n, k) or (k,), and (..., k, m) or (k,).

    Returns
    -------
    ndarray or Tensor
        Shape (..., n, m), without n and m where the operand is 1-D.

    Raises
    ------
    ValueError
        When the inner sizes differ, the stacks do not broadcast, or an operand is 0-d.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as ag
    >>> w = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> ag.matmul(w, [1.0, 10.0]).numpy()
    array([21., 43.])
    """
    try:
        return _matmul(x1, x2)
    except ValueError as error:
        shapes = [np.shape(data_of(operand(x))) for x in (x1, x2)]
        raise ValueError(f"matmul: arrays of shape {shapes[0]} and {shapes[1]} do not fit") from error


def matrix_transpose(x: Any) -> Any:
    """Swap the last two axes of an array of at least two.

    Examples
    --------
    >>> matrix_transpose([[1, 2, 3], [4, 5, 6]]).shape
    (3, 2)
    """
    x = operand(x)
    if np.ndim(x) < 2:
        raise ValueError(f"matrix_transpose needs at least two axes, got an array of shape {np.shape(x)}")
    return swapped(x)


def dot(a: Any, b: Any) -> Any:
    """Return the dot product: over the last axis of ``a`` and the last but one (or only) axis of ``b``.

    Examples
    --------
    >>> float(dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = operand(a), operand(b)
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return _matmul(a, b)
    return tensordot(a, b, axes=(-1, max(-2, -np.ndim(b))))


def inner(a: Any, b: Any) -> Any:
    """Return the sum of products over the last axes of both.

    Examples
    --------
    >>> float(inner([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = operand(a), operand(b)
    return tensordot(a, b, axes=(-1, -1)) if np.ndim(a) and np.ndim(b) else np.multiply(a, b)


def vdot(a: Any, b: Any) -> Any:
    """Return the dot product of the flattened (real) operands.

    Examples
    --------
    >>> float(vdot([[1.0, 2.0]], [[3.0], [4.0]]))
    11.0
    """
    a, b = np.ravel(operand(a)), np.ravel(operand(b))
    if np.iscomplexobj(a):
        return np.vdot(a, b)
    return _matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """Return all products of an entry of ``a`` and one of ``b``: shape (a.size, b.size).

    Examples
    --------
    >>> outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    return np.multiply(np.expand_dims(np.ravel(operand(a)), 1), np.ravel(operand(b)))


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product: every entry of ``a`` times the whole of ``b``.

    Examples
    --------
    >>> kron([1.0, 10.0], [1.0, 2.0])
    array([ 1.,  2., 10., 20.])
    """
    a, b = operand(a), operand(b)
    rank = max(np.ndim(a), np.ndim(b))
    rows, columns = ((1,) * (rank - np.ndim(x)) + np.shape(x) for x in (a, b))
    left = np.reshape(a, tuple(n for size in rows for n in (size, 1)))
    right = np.reshape(b, tuple(n for size in columns for n in (1, size)))
    return np.reshape(np.multiply(left, right), tuple(map(operator.mul, rows, columns)))
