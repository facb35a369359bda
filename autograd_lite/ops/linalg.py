"""Linear algebra: inverses, linear systems, determinants, Cholesky.

The derivatives are those of M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); for Cholesky, of I. Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import operand
from autograd_lite.ops.contract import summed, swapped
from autograd_lite.ops.record import Case, structural
from autograd_lite.taped import decide, plainly

__all__ = ["SlogdetResult", "cholesky", "det", "inv", "slogdet", "solve"]


def _square(rng: np.random.Generator, *shape: int) -> Any:
    """Draw matrices that are far from singular."""
    return rng.normal(size=shape) + 3 * np.eye(shape[-1])


def _inv_jvp(tangents: Sequence[Any], y: Any, a: Any) -> Any:
    return -(y @ tangents[0] @ y)


_inv = structural(
    "inv",
    "inv",
    "np.linalg.inv(x)",
    np.linalg.inv,
    lambda g, y, a: -(swapped(y) @ g @ swapped(y)),
    jvp=_inv_jvp,
    needs="output",
    cases=tuple(
        Case(make=lambda rng, shape=shape: [_square(rng, *shape)])  # type: ignore[misc]
        for shape in [(3, 3), (1, 1), (2, 3, 3), (0, 2, 2)]
    ),
)


def inv(a: Any) -> Any:
    """Return the inverse of a matrix, or of each in a stack of shape (..., n, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        For a singular matrix, and for one that is not square.

    Examples
    --------
    >>> inv([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(a)


def _solve_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        share = np.linalg.solve(swapped(a), np.expand_dims(g, -1)) * np.expand_dims(y, -2)
    else:
        share = np.linalg.solve(swapped(a), g) @ swapped(y)
    return -summed(share, a.shape)


def _solve_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        g = np.squeeze(np.linalg.solve(swapped(a), np.expand_dims(g, -1)), -1)
        return summed(g, b.shape)
    return summed(np.linalg.solve(swapped(a), g), b.shape)


def _solve_jvp(tangents: Sequence[Any], y: Any, a: Any, b: Any) -> Any:
    da, db = tangents
    change = 0 if db is None else db
    if da is not None:
        change = change - da @ y if b.ndim > 1 else change - np.squeeze(da @ np.expand_dims(y, -1), -1)
    if b.ndim > 1:
        return np.linalg.solve(a, change)
    return np.squeeze(np.linalg.solve(a, np.expand_dims(change, -1)), -1)


_solve = structural(
    "solve",
    "solve",
    "np.linalg.solve(x, y)",
    np.linalg.solve,
    _solve_left,
    _solve_right,
    jvp=_solve_jvp,
    cases=tuple(
        Case(make=lambda rng, a=a, b=b: [_square(rng, *a), rng.normal(size=b)])  # type: ignore[misc]
        for a, b in [
            ((3, 3), (3,)),
            ((3, 3), (3, 2)),
            ((2, 3, 3), (3,)),
            ((2, 3, 3), (3, 4)),
            ((3, 3), (2, 3, 1)),
            ((2, 1, 2, 2), (3, 2, 2)),
        ]
    ),
)


def solve(a: Any, b: Any) -> Any:
    """Solve ``a @ x = b`` for x.

    Parameters
    ----------
    a : array_like
        Shape (..., n, n).
    b : array_like
        Shape (n,) for one right-hand side, (..., n, k) for k of them.

    Returns
    -------
    ndarray or Tensor
        Shape (..., n) or (..., n, k).

    Raises
    ------
    numpy.linalg.LinAlgError
        For a singular matrix, and for one that is not square.

    Examples
    --------
    >>> solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
    array([0.5 , 0.25])
    """
    return _solve(a, b)


def _over_matrices(x: Any) -> Any:
    return np.expand_dims(x, (-2, -1))


def _is_tame(a: Any, inverse: Any) -> bool:
    return bool(np.max(np.abs(a), initial=0) * np.max(np.abs(inverse), initial=0) < 1e6)


def _cofactors(a: Any, y: Any) -> Any:
    """Return the slope of the determinant ``y``: ``y * inv(a).T``, by minors where ``a`` is nearly singular.

    The determinant is a polynomial, so its slopes exist everywhere; the minors are polynomials too, and right to any
    order. They cost n**5 operations, so large matrices take them only where there is no inverse at all.
    """
    n = a.shape[-1]
    if decide(np.all, y):
        inverse = np.linalg.inv(a)
        if n > 12 or decide(_is_tame, a, inverse):
            return _over_matrices(y) * swapped(inverse)
    others = np.array([[j for j in range(n) if j != i] for i in range(n)], dtype=int).reshape(n, n - 1)
    minors = _det(a[..., others[:, None, :, None], others[None, :, None, :]])
    return minors * np.array((-1.0) ** np.add.outer(np.arange(n), np.arange(n)), dtype=a.dtype)


_det = structural(
    "det",
    "det",
    "np.linalg.det(x)",
    np.linalg.det,
    lambda g, y, a: _over_matrices(g) * _cofactors(a, y),
    jvp=lambda tangents, y, a: np.sum(_cofactors(a, y) * tangents[0], axis=(-2, -1)),
    kinks="none: at a singular matrix the slopes are its cofactors",
    cases=(
        *(Case(shapes=(shape,)) for shape in [(3, 3), (1, 1), (2, 3, 3), (0, 2, 2), (0, 0)]),
        Case(make=lambda rng: [np.outer(rng.normal(size=3), rng.normal(size=3))]),
        Case(make=lambda rng: [np.arange(9.0).reshape(3, 3)]),
        Case(make=lambda rng: [np.zeros((2, 2))]),
    ),
)


def det(a: Any) -> Any:
    """Return the determinant of a matrix, or of each in a stack of shape (..., n, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        For a matrix that is not square.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> a = ag.Tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    >>> ag.det(a).backward()
    >>> a.grad
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return _det(a)


def _logabsdet_forward(a: Any) -> Any:
    sign, logarithm = np.linalg.slogdet(a)
    # Of a complex matrix, the analytic function that log|det| is on the reals, which NumPy's is not.
    return logarithm + np.log(sign * np.sign(sign.real)) if np.iscomplexobj(sign) else logarithm


_logabsdet = structural(
    "logabsdet",
    "log|det|",
    "np.linalg.slogdet(x)[1]",
    _logabsdet_forward,
    lambda g, y, a: _over_matrices(g) * swapped(np.linalg.inv(a)),
    jvp=lambda tangents, y, a: np.sum(swapped(np.linalg.inv(a)) * tangents[0], axis=(-2, -1)),
    needs="operands",
    kinks="-inf at a singular matrix, where the gradient raises LinAlgError: there is none",
    cases=tuple(
        Case(make=lambda rng, shape=shape: [_square(rng, *shape)])  # type: ignore[misc]
        for shape in [(3, 3), (1, 1), (2, 3, 3), (0, 2, 2)]
    ),
)


class SlogdetResult(NamedTuple):
    """The sign of a determinant (plain data) and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


def slogdet(a: Any) -> SlogdetResult:
    """Return sign and logarithm of the absolute value of the determinant, where the determinant itself would overflow.

    Parameters
    ----------
    a : array_like
        Shape (..., n, n).

    Returns
    -------
    SlogdetResult
        ``(sign, logabsdet)``, each of shape (...). The sign is plain data: its slope is zero wherever it has one.

    Raises
    ------
    numpy.linalg.LinAlgError
        For a matrix that is not square; in the gradient, for a singular one.

    Examples
    --------
    >>> sign, logabsdet = slogdet([[0.0, 1.0], [1.0, 0.0]])
    >>> float(sign), float(logabsdet)
    (-1.0, 0.0)
    """
    a = operand(a)
    sign, logarithm = plainly(np.linalg.slogdet, a)
    return SlogdetResult(sign, _logabsdet(a) if isinstance(a, graph.Node) else logarithm)


def _half_lower(x: Any) -> Any:
    """Return the lower triangle with the diagonal halved, Murray's Φ."""
    n = x.shape[-1]
    return x * (np.tri(n, dtype=x.dtype) - np.eye(n, dtype=x.dtype) * 0.5)


def _symmetric(x: Any) -> Any:
    return (x + swapped(x)) * 0.5


def _cholesky_vjp(g: Any, y: Any, a: Any) -> Any:
    upper = swapped(y)
    share = np.linalg.solve(upper, _half_lower(upper @ g))
    return _symmetric(swapped(np.linalg.solve(upper, swapped(share))))


def _cholesky_jvp(tangents: Sequence[Any], y: Any, a: Any) -> Any:
    change = np.linalg.solve(y, _symmetric(tangents[0]))
    return y @ _half_lower(swapped(np.linalg.solve(y, swapped(change))))


def _positive_definite(rng: np.random.Generator, *shape: int) -> Any:
    root = rng.normal(size=shape)
    return root @ np.swapaxes(root, -1, -2) + np.eye(shape[-1])


_cholesky = structural(
    "cholesky",
    "chol",
    "np.linalg.cholesky((x + np.swapaxes(x, -1, -2)) / 2)",
    lambda a: np.linalg.cholesky(_symmetric(a)),
    _cholesky_vjp,
    jvp=_cholesky_jvp,
    needs="output",
    cases=tuple(
        Case(make=lambda rng, shape=shape: [_positive_definite(rng, *shape)])  # type: ignore[misc]
        for shape in [(3, 3), (1, 1), (2, 3, 3), (0, 2, 2)]
    ),
)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Return the Cholesky factor L of a symmetric positive definite matrix, ``L @ L.T == a``.

    Parameters
    ----------
    a : array_like
        Shape (..., n, n). Its symmetric part is what is factored, so its gradient is symmetric too.
    upper : bool, optional
        Return ``L.T`` instead.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    numpy.linalg.LinAlgError
        When the matrix is not positive definite.

    Examples
    --------
    >>> cholesky([[4.0, 2.0], [2.0, 10.0]])
    array([[2., 0.],
           [1., 3.]])
    """
    factor = _cholesky(a)
    return swapped(factor) if upper else factor
