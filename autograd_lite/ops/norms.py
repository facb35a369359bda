"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.graph import data_of, operand
from autograd_lite.ops import reduce
from autograd_lite.ops.record import Case, structural
from autograd_lite.ops.reduce import EMPTY, inverse, kept, reduction_cases, total
from autograd_lite.ops.shape import Axis
from autograd_lite.taped import plainly

__all__ = ["norm"]


def _norm_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool) -> Any:
    return np.sum(tangents[0] * a, axis=axis, keepdims=keepdims) * inverse(y)


_norm = structural(
    "norm",
    "‖·‖",
    "np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))",
    lambda a, axis, keepdims: np.sqrt(total(a * a, axis=axis, keepdims=keepdims)),
    lambda g, y, a, axis, keepdims: kept(g * inverse(y), a, axis, keepdims) * a,
    jvp=_norm_jvp,
    kinks="the entries all 0: 0",
    cases=reduction_cases(EMPTY),
)


def _p_norm_forward(a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    size = np.where(a < 0, -a, a) if np.iscomplexobj(a) else np.abs(a)  # complex: continued from the real axis
    return total(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def _p_norm_slope(y: Any, a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    y = kept(y, a, axis, keepdims)
    ratio = np.where(a == 0, 1, np.abs(a)) / np.where(y == 0, 1, y)
    return np.where(y == 0, 0, np.sign(a) * ratio ** (ord - 1))


def _p_norm_jvp(tangents: Any, y: Any, a: Any, axis: Axis, keepdims: bool, ord: float) -> Any:
    return np.sum(tangents[0] * _p_norm_slope(y, a, axis, keepdims, ord), axis=axis, keepdims=keepdims)


_p_norm = structural(
    "p_norm",
    "‖·‖ₚ",
    "np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)",
    _p_norm_forward,
    lambda g, y, a, axis, keepdims, ord: kept(g, a, axis, keepdims) * _p_norm_slope(y, a, axis, keepdims, ord),
    jvp=_p_norm_jvp,
    kinks="an entry that is 0: 0 for it",
    cases=reduction_cases(Case(shapes=((2, 3),), params={"axis": 1, "keepdims": True, "ord": 1.5}), ord=3.0),
)


def norm(x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return a norm of vectors or matrices, as `numpy.linalg.norm` does.

    Parameters
    ----------
    x : array_like
        Of any shape if ``axis`` and ``ord`` are None, else one or two axes are reduced.
    ord : number, inf, -inf or "fro", optional
        Of vectors: 2 by default; p stands for ``sum(abs(x) ** p) ** (1 / p)``, 0 counts the nonzero entries (plain
        data), inf and -inf take the largest and the smallest magnitude. Of matrices: "fro" (Frobenius) by default,
        1 and -1 (column sums), inf and -inf (row sums).
    axis : int or pair of int, optional
        The axis of the vectors, or the axes of the matrices.
    keepdims : bool, optional
        Whether reduced axes stay, with length one.

    Raises
    ------
    ValueError
        For more than two axes, and for an order without a derivative rule (those that need singular values).

    Notes
    -----
    At the zero vector the gradient is 0; for p-norms it is 0 for every entry that is 0.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> ag.norm(x).backward()
    >>> x.grad
    array([0.6, 0.8])
    """
    x = operand(x)
    if axis is None and ord is None:
        return _norm(x, axis=None, keepdims=keepdims)
    axes = tuple(range(np.ndim(x))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) not in (1, 2):
        raise ValueError(f"a norm of order {ord!r} reduces one axis or two, not {len(axes)}; give axis=.")
    if ord is None or (ord == 2 and len(axes) == 1) or (ord in ("fro", "f") and len(axes) == 2):
        return _norm(x, axis=axes, keepdims=keepdims)
    if isinstance(ord, str) or (len(axes) == 2 and abs(ord) not in (1, np.inf)):
        raise ValueError(f"a norm of order {ord!r} over {len(axes)} axes is unknown, or has no derivative rule.")
    if ord == 0:
        dtype = np.result_type(data_of(x), np.float16)
        return plainly(lambda a: np.sum(a != 0, axis=axes, keepdims=keepdims, dtype=dtype), x)
    if len(axes) == 2:
        sums = reduce.sum(np.abs(x), axis=axes[0] if abs(ord) == 1 else axes[1], keepdims=True)
        return (reduce.max if ord > 0 else reduce.min)(sums, axis=axes, keepdims=keepdims)
    if ord == 1:
        return reduce.sum(np.abs(x), axis=axes, keepdims=keepdims)
    if abs(ord) == np.inf:
        return (reduce.max if ord > 0 else reduce.min)(np.abs(x), axis=axes, keepdims=keepdims)
    return _p_norm(x, axis=axes, keepdims=keepdims, ord=float(ord))
