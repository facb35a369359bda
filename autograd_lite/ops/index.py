"""Ops that pick and place entries: indexing of every kind, take, and copies with some entries replaced."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from autograd_lite.graph import Node, Patch, data_of
from autograd_lite.modes import tape
from autograd_lite.ops.record import Case, Op, structural
from autograd_lite.ops.shape import along, line, sum_to
from autograd_lite.scattering import add_at
from autograd_lite.taped import plainly

__all__ = ["at_add", "at_set", "getitem", "scatter_add", "take", "take_along_axis"]


def _static(index: Any) -> Any:
    """Return an index with its lists as arrays and its Tensors as plain data, but for those that live on a tape."""
    if isinstance(index, tuple):
        return tuple(map(_static, index))
    if index is None or isinstance(index, (int, slice, np.integer, EllipsisType)):
        return index
    if isinstance(index, Node) and (recorder := tape()) is not None and recorder.is_live_index(index):
        return index
    index = data_of(index)
    return np.asarray(index, dtype=np.intp if isinstance(index, list) and not index else None)


def _may_repeat(index: Any) -> bool:
    """Return whether an index can name an entry twice: only one with an array of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray) and part.dtype != bool and part.size > 1 for part in parts)


def _scatter_add_forward(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    out = np.zeros(shape, dtype=np.result_type(g))
    if _may_repeat(index):
        add_at(out, index, g)
    else:
        out[index] = g
    return out


_ROWS, _COLUMNS = np.array([[0, 2], [2, 2]]), np.array([1, -1])
_INDICES: tuple[Any, ...] = (
    1,
    (slice(None, None, -2), None, 2),
    (Ellipsis, slice(1, 1)),
    np.array([0, 2, 2, -1]),
    (_ROWS, _COLUMNS),
    (slice(1, None), _ROWS),
    np.arange(12).reshape(3, 4) % 3 == 0,
    (np.array([True, False, True]), _COLUMNS),
)

_scatter_add = structural(
    "scatter_add",
    "scatter",
    "np.add.at(np.zeros(shape), index, x)",
    _scatter_add_forward,
    lambda h, y, g, shape, index: h[index],
    linear=True,
    cases=tuple(Case(shapes=(np.empty((3, 4))[i].shape,), params={"shape": (3, 4), "index": i}) for i in _INDICES),
)


def _getitem_vjp(g: Any, y: Any, a: Any, index: Any) -> Any:
    if isinstance(g, Node) or isinstance(y, Node):
        return _scatter_add(g, shape=np.shape(a), index=index)
    return Patch(index, g, _may_repeat(index))  # no dense zeros for each of many slices


_getitem = structural(
    "getitem",
    "[]",
    "x[index]",
    lambda a, index: a[index],
    _getitem_vjp,
    linear=True,
    cases=(
        *(Case(shapes=((3, 4),), params={"index": i}) for i in _INDICES),
        Case(shapes=((2, 3, 4),), params={"index": (np.array([1, 1]), slice(None), np.array([0, 0]))}),
        Case(shapes=((),), params={"index": Ellipsis}),
    ),
)


def getitem(a: Any, index: Any) -> Any:
    """Return ``a[index]`` for NumPy indices of every kind; entries that an index names twice get both gradients.

    Parameters
    ----------
    a : array_like
        Array, Tensor, or nested lists; any shape.
    index : int, slice, None, Ellipsis, integer or boolean array_like, or a tuple of those
        Where; copied, so that writing into it later changes no gradient.

    Raises
    ------
    IndexError
        When ``a`` has no such entries, and for an index that holds neither integers nor booleans.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> ag.sum(x[[0, 0, 2]]).backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    return _picked(a, _static(index))


def _picked(a: Any, index: Any) -> Any:
    """Return ``a[index]`` for an index from `_static`."""
    parts = index if isinstance(index, tuple) else (index,)
    places = [part for part in parts if isinstance(part, Node)]
    if not places:
        return _getitem(a, index=index)
    return _gather(a, *places, form=tuple("?" if isinstance(part, Node) else part for part in parts))


def _at(form: tuple[Any, ...], places: Any) -> tuple[Any, ...]:
    """Return an index: its form, with arrays where that has a question mark."""
    left = iter(places)
    return tuple(next(left) if type(part) is str else part for part in form)


def _gather_vjp(g: Any, y: Any, a: Any, *places: Any, form: tuple[Any, ...]) -> Any:
    if isinstance(g, Node) or isinstance(y, Node):
        return _spread(g, *places, shape=np.shape(a), form=form)
    return Patch(_at(form, places), g, True)


# The same for indices that are data: `compile` replays them with others.
_FORMS: tuple[Any, ...] = (("?",), (slice(1, None), "?"), (None, "?", 1), (Ellipsis, "?"))
_PLACES = np.array([[0, 2, 2], [1, 0, 1]])
_gather: Op = structural(
    "gather",
    "[i]",
    "x[(i,)]",
    lambda a, *places, form: a[_at(form, places)],
    _gather_vjp,
    None,
    jvp=lambda tangents, y, a, *places, form: _gather(tangents[0], *places, form=form),
    needs="operands",
    cases=tuple(Case(params={"form": f}, make=lambda rng: [rng.standard_normal((3, 3)), _PLACES]) for f in _FORMS),
)


def _spread_forward(g: Any, *places: Any, shape: tuple[int, ...], form: tuple[Any, ...]) -> Any:
    out = np.zeros(shape, dtype=np.result_type(g))
    add_at(out, _at(form, places), g)
    return out


_spread: Op = structural(
    "spread",
    "scatter",
    "np.add.at(np.zeros(shape), (i,), x)",
    _spread_forward,
    lambda h, y, g, *places, shape, form: _gather(h, *places, form=form),
    None,
    jvp=lambda tangents, y, g, *places, shape, form: _spread(tangents[0], *places, shape=shape, form=form),
    needs="operands",
    cases=tuple(
        Case(
            params={"shape": (3, 3), "form": f},
            make=lambda rng, f=f: [rng.standard_normal(np.empty((3, 3))[_at(f, [_PLACES])].shape), _PLACES],  # type: ignore[misc]
        )
        for f in _FORMS
    ),
)


def scatter_add(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Return zeros of this shape with ``g`` added at an index, once for every repetition: the transpose of `getitem`.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.scatter_add([1.0, 2.0, 4.0], (3,), [0, 2, 2])
    array([1., 0., 6.])
    """
    return _scatter_add(g, shape=tuple(shape), index=_static(index))


def _writable(a: Any, v: Any) -> Any:
    """Return a copy of ``a`` that ``v`` can be written into, wider only if ``v`` is of a higher kind of number."""
    dtype, other = np.result_type(a), np.result_type(v)
    return np.array(a, dtype=dtype if np.can_cast(other, dtype, "same_kind") else np.result_type(dtype, other))


def _at_set_forward(a: Any, v: Any, index: Any) -> Any:
    out = _writable(a, v)
    out[index] = v
    return out


def _at_add_forward(a: Any, v: Any, index: Any) -> Any:
    out = _writable(a, v)
    if _may_repeat(index):
        add_at(out, index, v)
    else:
        out[index] += v
    return out


def _last_writes(shape: tuple[int, ...], index: Any) -> Any:
    """Mark the places of an index whose write stays, where several places name one entry."""
    entries = np.zeros(shape, dtype=np.intp)
    places = np.arange(entries[index].size).reshape(entries[index].shape)
    entries[index] = places
    return entries[index] == places


def _at_set_vjp(g: Any, y: Any, a: Any, v: Any, index: Any) -> Any:
    picked = g[index]
    if _may_repeat(index):
        picked = np.where(_last_writes(np.shape(g), index), picked, 0)
    return sum_to(picked, np.shape(v))


_AT_CASES = (
    *(Case(shapes=((3, 4), ()), params={"index": i}) for i in _INDICES),
    Case(shapes=((3, 4), (4,)), params={"index": np.array([2, 0])}),
    Case(shapes=((3, 4), (2, 1)), params={"index": (slice(0, 2), slice(1, 4))}),
    Case(shapes=((3, 4), (4,)), params={"index": np.arange(12).reshape(3, 4) % 3 == 0}),
)

_at_set: Op = structural(
    "at_set",
    "at.set",
    "x.at[index].set(y)",
    _at_set_forward,
    lambda g, y, a, v, index: _at_set(g, 0.0, index=index),
    _at_set_vjp,
    linear=True,
    cases=_AT_CASES,
)
_at_add = structural(
    "at_add",
    "at.add",
    "x.at[index].add(y)",
    _at_add_forward,
    lambda g, y, a, v, index: g,
    lambda g, y, a, v, index: sum_to(g[index], np.shape(v)),
    linear=True,
    cases=_AT_CASES,
)


def at_set(a: Any, v: Any, index: Any) -> Any:
    """Return a copy of ``a`` with ``v``, broadcast, written at an index; gradients flow to both.

    What was overwritten gets no gradient, nor does an entry of ``v`` whose write was overwritten by a later one.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.at_set([1.0, 2.0, 3.0], 9.0, slice(1, None))
    array([1., 9., 9.])
    """
    return _at_set(a, v, index=_static(index))


def at_add(a: Any, v: Any, index: Any) -> Any:
    """Return a copy of ``a`` with ``v``, broadcast, added at an index, once for every repetition.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.at_add([1.0, 2.0, 3.0], 10.0, [0, 0])
    array([21.,  2.,  3.])
    """
    return _at_add(a, v, index=_static(index))


def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """Return the entries (or slices, along an axis) at these indices.

    Parameters
    ----------
    a : array_like
        Any shape.
    indices : array_like of int
        Any shape, which takes the place of the axis in the result.
    axis : int, optional
        The axis; by default ``a`` is flattened.
    mode : {"raise", "wrap", "clip"}, optional
        What happens to an index that is out of range: an error, counting on from the start, or the nearest index.

    Raises
    ------
    IndexError
        When an index is out of range and ``mode`` is "raise".

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.take([1.0, 2.0, 3.0], [2, 3, -1], mode="wrap")
    array([3., 1., 3.])
    """
    a, axis = line(a, axis)
    places, n = _places(indices), np.shape(a)[axis]
    if mode == "wrap" and n:
        places = plainly(np.remainder, places, n)
    elif mode == "clip" and n:
        places = plainly(np.clip, places, 0, n - 1)
    elif mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    return _picked(a, along(axis, places))


def _places(indices: Any) -> Any:
    places = _static(indices)
    return places if isinstance(places, Node) else np.asarray(places)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return, for each slice along an axis, the entries at its own indices, as `argsort` and `argmax` give them.

    Parameters
    ----------
    arr : array_like
        Any shape.
    indices : array_like of int
        With as many axes; apart from the given axis, both are broadcast against each other.
    axis : int or None, optional
        The axis; None flattens ``arr``.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.take_along_axis([[3.0, 1.0], [5.0, 7.0]], [[1], [0]], axis=1)
    array([[1.],
           [5.]])
    """
    a, axis = line(arr, axis)
    places = _places(indices)
    if places.ndim != np.ndim(a):
        raise ValueError(f"indices must have as many axes as the array, {np.ndim(a)}, not {places.ndim}")
    index = list(np.ogrid[tuple(slice(n) for n in np.shape(a))])
    index[axis] = places
    return _picked(a, tuple(index))
