"""Sums of products over named axes: einsum and tensordot."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from autograd_lite.graph import data_of, operand
from autograd_lite.ops.record import Case, structural

__all__ = ["einsum", "tensordot"]


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
    arrays = [operand(x) for x in arrays]
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
    a, b = operand(a), operand(b)
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
