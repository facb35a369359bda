"""Linear algebra: products (matmul, einsum and what is composed of them), inverses, determinants, Cholesky.

The derivatives are those of M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); for Cholesky, of I. Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from string import ascii_letters
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import data_of
from autograd_lite.ops.record import Case, structural

__all__ = [
    "SlogdetResult", "cholesky", "det", "dot", "einsum", "inner", "inv", "kron", "matmul", "matrix_transpose", "outer",
    "slogdet", "solve", "tensordot", "vdot",
]  # fmt: skip


def _operand(x: Any) -> Any:
    """Return a node or a plain number or array, lists stacked, so that its shape can be asked for."""
    return x if isinstance(x, graph.Node) else graph.plain(x)


def _swapped(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _summed(g: Any, shape: tuple[int, ...]) -> Any:
    return g if g.shape == shape else graph.unbroadcast(g, shape)


def _matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:
        return np.expand_dims(g, -1) * b
    if a.ndim == 1:
        g = np.expand_dims(g, -2)
    return _summed(g @ _swapped(b), a.shape)


def _matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:
        return np.expand_dims(a, -1) * np.expand_dims(g, -2) if b.ndim > 1 else g * a
    if b.ndim == 1:
        return _summed(np.expand_dims(g, -2) @ a, b.shape)
    if b.ndim == 2:  # the leading axes of a are more rows: one product, no stack of matrices to sum
        rows = g.size // g.shape[-1] if g.size else 0
        if rows:
            return np.reshape(a, (rows, b.shape[0])).T @ np.reshape(g, (rows, b.shape[1]))
    return _summed(_swapped(a) @ g, b.shape)


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
        shapes = [np.shape(data_of(_operand(x))) for x in (x1, x2)]
        raise ValueError(f"matmul: arrays of shape {shapes[0]} and {shapes[1]} do not fit") from error


def matrix_transpose(x: Any) -> Any:
    """Swap the last two axes of an array of at least two.

    Examples
    --------
    >>> matrix_transpose([[1, 2, 3], [4, 5, 6]]).shape
    (3, 2)
    """
    x = _operand(x)
    if np.ndim(x) < 2:
        raise ValueError(f"matrix_transpose needs at least two axes, got an array of shape {np.shape(x)}")
    return _swapped(x)


@functools.lru_cache(maxsize=512)
def _written_out(subscripts: str, ndims: tuple[int, ...]) -> str:
    """Give einsum subscripts their output, and letters instead of ellipses."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} operands, but {len(ndims)} were given")
    widths = [n - len(term.replace("...", "")) for term, n in zip(terms, ndims, strict=True) if "..." in term]
    rank = max(widths, default=0)
    if min(widths, default=0) < 0:
        raise ValueError(f"einsum: {subscripts!r} names more axes than the operands, of {ndims} axes, have")
    if rank and arrow and "..." not in output:
        raise ValueError(f"einsum: the output of {subscripts!r} needs an ellipsis, as the operands have one")
    batch = "".join([c for c in ascii_letters if c not in subscripts][:rank])
    named = [c for c in inputs if c.isalpha()]
    if not arrow:
        output = "..." + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    own = iter(widths)
    terms = [term.replace("...", batch[rank - next(own) :]) if "..." in term else term for term in terms]
    return ",".join(terms) + "->" + output.replace("...", batch)


def _from_sublists(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """Turn ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` into subscripts and operands."""

    def term(axes: Sequence[Any]) -> str:
        return "".join("..." if i is Ellipsis else ascii_letters[i] for i in axes)

    pairs = len(args) // 2
    subscripts = ",".join(term(axes) for axes in args[1 : 2 * pairs : 2])
    return subscripts + ("->" + term(args[-1]) if len(args) % 2 else ""), list(args[0 : 2 * pairs : 2])


def _einsum_forward(*operands: Any, subscripts: str) -> Any:
    pays = len(operands) > 2 or (len(operands) == 2 and max(map(np.size, operands)) > 1000)  # to look for BLAS calls
    return np.einsum(subscripts, *operands, optimize=pays)


def _einsum_vjp(g: Any, y: Any, *operands: Any, subscripts: str) -> list[Any]:
    inputs, _, output = subscripts.partition("->")
    terms = inputs.split(",")
    return [_einsum_share(g, i, operands, terms, output) for i in range(len(operands))]


def _einsum_share(g: Any, i: int, operands: Sequence[Any], terms: list[str], output: str) -> Any:
    """Contract the gradient with all operands but one, to that one's axes."""
    shape = np.shape(data_of(operands[i]))
    factors = [g, *operands[:i], *operands[i + 1 :]]
    names = [output, *terms[:i], *terms[i + 1 :]]
    unused = (c for c in ascii_letters if not any(c in term for term in (output, *terms)))
    wanted = ""
    for letter, n in zip(terms[i], shape, strict=True):
        if letter in wanted:  # a repeated letter reads a diagonal: a unit matrix puts the gradient back there
            twin = next(unused)
            factors.append(np.eye(n, dtype=g.dtype))
            names.append(letter + twin)
            letter = twin
        wanted += letter
    present = "".join(names)
    sizes = [zip(name, np.shape(data_of(x)), strict=True) for name, x in zip(names, factors, strict=True)]
    full = {letter for axes in sizes for letter, n in axes if n != 1}
    # An axis that was broadcast from size 1 is summed; one that no other factor has comes back by broadcasting.
    kept = "".join(c for c, n in zip(wanted, shape, strict=True) if c in present and (n != 1 or c not in full))
    share = _einsum(*factors, subscripts=",".join(names) + "->" + kept)
    if kept == wanted and share.shape == shape:
        return share
    found = dict(zip(kept, share.shape, strict=True))
    return np.broadcast_to(np.reshape(share, tuple(found.get(c, 1) for c in wanted)), shape)


def _einsum_cases(*cases: tuple[str, tuple[tuple[int, ...], ...]]) -> tuple[Case, ...]:
    return tuple(Case(shapes=shapes, params={"subscripts": subscripts}) for subscripts, shapes in cases)


_einsum = structural(
    "einsum",
    "Σ",
    "np.einsum(subscripts, x, ...)",
    _einsum_forward,
    _einsum_vjp,
    variadic=True,
    multilinear=True,
    cases=_einsum_cases(
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("ab,bc,cd->ad", ((2, 3), (3, 2), (2, 4))),
        ("ii->", ((3, 3),)),
        ("iij,j->i", ((3, 3, 2), (2,))),
        ("iii->i", ((2, 2, 2),)),
        ("ijk->j", ((2, 3, 4),)),
        ("bij,bjk->bik", ((2, 3, 2), (1, 2, 4))),
        ("i,i->", ((3,), (1,))),
        (",i->i", ((), (3,))),
        ("i,j->", ((2,), (3,))),
    ),
)


def einsum(*operands: Any, optimize: Any = None) -> Any:
    """Sum products over named axes: ``einsum("ij,jk->ik", a, b)``.

    Parameters
    ----------
    *operands : str, array_like, ...
        NumPy's subscripts (repeated letters, ellipses and an implicit output included) and the operands; or
        operands and lists of axes in turn, as NumPy allows. Axes of size 1 broadcast.
    optimize : optional
        Accepted because NumPy has it, and ignored: the order of the products is chosen here.

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        When subscripts and operands do not fit each other.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> a = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> trace = ag.einsum("ii", a)
    >>> trace.backward()
    >>> a.grad
    array([[1., 0.],
           [0., 1.]])
    """
    if not operands:
        raise ValueError("einsum needs subscripts and operands")
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0], list(operands[1:])
    else:
        subscripts, arrays = _from_sublists(operands)
    arrays = [_operand(x) for x in arrays]
    explicit = _written_out(subscripts, tuple(map(np.ndim, arrays)))
    try:
        return _einsum(*arrays, subscripts=explicit)
    except ValueError as error:
        shapes = ", ".join(str(np.shape(data_of(x))) for x in arrays)
        raise ValueError(f"einsum: {subscripts!r} does not fit arrays of shape {shapes}") from error


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum products over pairs of axes.

    Parameters
    ----------
    a, b : array_like
    axes : int or (axes of a, axes of b)
        The axes to sum over; an integer n stands for the last n of ``a`` and the first n of ``b``.

    Returns
    -------
    ndarray or Tensor
        The remaining axes of ``a``, then those of ``b``.

    Raises
    ------
    ValueError
        When the paired axes differ in number or size.

    Examples
    --------
    >>> import numpy as np
    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    a, b = _operand(a), _operand(b)
    shape_a, shape_b = np.shape(a), np.shape(b)
    try:
        n = operator.index(axes)
        axes_a, axes_b = list(range(len(shape_a) - n, len(shape_a))), list(range(n))
    except TypeError:
        axes_a, axes_b = (list(np.atleast_1d(side)) for side in axes)
    try:
        paired = [(shape_a[i], shape_b[j]) for i, j in zip(axes_a, axes_b, strict=True)]
    except (IndexError, ValueError):
        paired = [(0, 1)]
    if any(n != m for n, m in paired):
        raise ValueError(f"tensordot: axes {axes} do not pair off in arrays of shape {shape_a} and {shape_b}")
    names_a = list(ascii_letters[: len(shape_a)])
    names_b = list(ascii_letters[len(shape_a) : len(shape_a) + len(shape_b)])
    for i, j in zip(axes_a, axes_b, strict=True):
        names_b[j] = names_a[i]
    summed = {names_a[i] for i in axes_a}
    output = "".join(c for c in names_a + names_b if c not in summed)
    return _einsum(a, b, subscripts=f"{''.join(names_a)},{''.join(names_b)}->{output}")


def dot(a: Any, b: Any) -> Any:
    """Return the dot product: over the last axis of ``a`` and the last but one (or only) axis of ``b``.

    Examples
    --------
    >>> float(dot([1.0, 2.0], [3.0, 4.0]))
    11.0
    """
    a, b = _operand(a), _operand(b)
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
    a, b = _operand(a), _operand(b)
    return tensordot(a, b, axes=(-1, -1)) if np.ndim(a) and np.ndim(b) else np.multiply(a, b)


def vdot(a: Any, b: Any) -> Any:
    """Return the dot product of the flattened (real) operands.

    Examples
    --------
    >>> float(vdot([[1.0, 2.0]], [[3.0], [4.0]]))
    11.0
    """
    a, b = np.ravel(_operand(a)), np.ravel(_operand(b))
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
    return np.multiply(np.expand_dims(np.ravel(_operand(a)), 1), np.ravel(_operand(b)))


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product: every entry of ``a`` times the whole of ``b``.

    Examples
    --------
    >>> kron([1.0, 10.0], [1.0, 2.0])
    array([ 1.,  2., 10., 20.])
    """
    a, b = _operand(a), _operand(b)
    rank = max(np.ndim(a), np.ndim(b))
    rows, columns = ((1,) * (rank - np.ndim(x)) + np.shape(x) for x in (a, b))
    left = np.reshape(a, tuple(n for size in rows for n in (size, 1)))
    right = np.reshape(b, tuple(n for size in columns for n in (1, size)))
    return np.reshape(np.multiply(left, right), tuple(map(operator.mul, rows, columns)))


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
    lambda g, y, a: -(_swapped(y) @ g @ _swapped(y)),
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
        share = np.linalg.solve(_swapped(a), np.expand_dims(g, -1)) * np.expand_dims(y, -2)
    else:
        share = np.linalg.solve(_swapped(a), g) @ _swapped(y)
    return -_summed(share, a.shape)


def _solve_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        g = np.squeeze(np.linalg.solve(_swapped(a), np.expand_dims(g, -1)), -1)
        return _summed(g, b.shape)
    return _summed(np.linalg.solve(_swapped(a), g), b.shape)


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


def _cofactors(a: Any, y: Any) -> Any:
    """Return the slope of the determinant ``y``: ``y * inv(a).T``, by minors where ``a`` is nearly singular.

    The determinant is a polynomial, so its slopes exist everywhere; the minors are polynomials too, and right to any
    order. They cost n**5 operations, so large matrices take them only where there is no inverse at all.
    """
    n = a.shape[-1]
    if np.all(data_of(y) != 0):
        inverse = np.linalg.inv(a)
        spread = np.max(np.abs(data_of(a)), initial=0) * np.max(np.abs(data_of(inverse)), initial=0)
        if n > 12 or spread < 1e6:
            return _over_matrices(y) * _swapped(inverse)
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
    lambda g, y, a: _over_matrices(g) * _swapped(np.linalg.inv(a)),
    jvp=lambda tangents, y, a: np.sum(_swapped(np.linalg.inv(a)) * tangents[0], axis=(-2, -1)),
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
    a = _operand(a)
    sign, logarithm = np.linalg.slogdet(data_of(a))
    return SlogdetResult(sign, _logabsdet(a) if isinstance(a, graph.Node) else logarithm)


def _half_lower(x: Any) -> Any:
    """Return the lower triangle with the diagonal halved, Murray's Φ."""
    n = x.shape[-1]
    return x * (np.tri(n, dtype=x.dtype) - np.eye(n, dtype=x.dtype) * 0.5)


def _symmetric(x: Any) -> Any:
    return (x + _swapped(x)) * 0.5


def _cholesky_vjp(g: Any, y: Any, a: Any) -> Any:
    upper = _swapped(y)
    share = np.linalg.solve(upper, _half_lower(upper @ g))
    return _symmetric(_swapped(np.linalg.solve(upper, _swapped(share))))


def _cholesky_jvp(tangents: Sequence[Any], y: Any, a: Any) -> Any:
    change = np.linalg.solve(y, _symmetric(tangents[0]))
    return y @ _half_lower(_swapped(np.linalg.solve(y, _swapped(change))))


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
    return _swapped(factor) if upper else factor
