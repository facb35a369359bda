"""NumPy's functions on Symbols: views, joins, reductions, and calls of what has no steps of its own."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from autograd_lite.replay.plan_builder import UnfoldableError
from autograd_lite.replay.plan_symbol import Symbol, functions, symbol_of, where

__all__: list[str] = []


def _view(function: Any) -> None:
    """Let a function that only makes views run on the stand-in of an array."""

    def viewed(x: Any, *args: Any, **options: Any) -> Any:
        return x.seen(lambda seen: function(seen, *args, **options))

    functions[function] = viewed


_function: Any
for _function in (
    np.swapaxes, np.moveaxis, np.rollaxis, np.expand_dims, np.squeeze, np.broadcast_to, np.flip, np.fliplr, np.flipud,
    np.diagonal, np.split, np.array_split, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.matrix_transpose,
):  # fmt: skip
    _view(_function)


def _on(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        functions[function] = ours
        return ours

    return register


functions[np.shape] = lambda x: x.shape
functions[np.ndim] = lambda x: x.ndim
functions[np.iscomplexobj] = lambda x: False
functions[np.isrealobj] = lambda x: True
functions[np.real] = lambda x: x
functions[np.transpose] = lambda x, axes=None: x.transpose(axes)
functions[np.reshape] = lambda x, shape, order="C": x.reshape(shape, order=order)
functions[np.ravel] = lambda x, order="C": x.ravel(order)
functions[np.copy] = lambda x, order="K", subok=False: x.copy()
functions[np.sum] = lambda x, axis=None, dtype=None, out=None, keepdims=False: x.sum(axis, dtype, out, bool(keepdims))
functions[np.mean] = lambda x, axis=None, dtype=None, out=None, keepdims=False: x.mean(axis, dtype, out, bool(keepdims))
functions[np.max] = functions[np.amax] = lambda x, axis=None, out=None, keepdims=False: x.max(axis, out, bool(keepdims))
functions[np.min] = functions[np.amin] = lambda x, axis=None, out=None, keepdims=False: x.min(axis, out, bool(keepdims))


@_on(np.size)
def _size(x: Any, axis: Any = None) -> int:
    return int(x.size if axis is None else x.shape[axis])


def _reduction(function: Any, ufunc: np.ufunc) -> None:
    def reduced(x: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=bool(keepdims))

    functions[function] = reduced


_reduction(np.prod, np.multiply)
_reduction(np.any, np.logical_or)
_reduction(np.all, np.logical_and)


@_on(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise UnfoldableError("np.where without its values")
    return where(condition, x, y)


@_on(np.clip)
def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@_on(np.result_type)
def _result_type(*args: Any) -> Any:
    return np.result_type(
        *(1.0 if isinstance(a, Symbol) and a.weak else a.dtype if isinstance(a, Symbol) else a for a in args)
    )


def _like(x: Any, dtype: Any, shape: Any, order: str) -> tuple[Any, Any, Any]:
    """Return the dtype and the shape of a new array, and the order of its axes in memory."""
    builder = x.builder
    shape = x.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    axes = None
    if order == "K" and len(shape) == x.ndim and x.array.owner == "view":
        steps = [abs(s) for s in x.array.strides]
        if all(s or n == 1 for s, n in zip(steps, x.shape, strict=True)):
            axes = sorted(range(x.ndim), key=lambda i: -steps[i] if x.shape[i] > 1 else -np.inf)
    return builder, (np.dtype(dtype) if dtype is not None else x.dtype, shape), axes


def _made(x: Any, value: Any, dtype: Any, shape: Any, order: str) -> Any:
    builder, (dtype, shape), axes = _like(x, dtype, shape, order)
    inner = shape if axes is None else tuple(shape[i] for i in axes)
    number = builder.temp(inner, dtype) if value is None else builder.filled(inner, dtype, value)
    made = x.fresh(number)
    return made if axes is None else made.transpose(np.argsort(axes).tolist())


@_on(np.empty_like)
def _empty_like(x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return _made(x, None, dtype, shape, order)


@_on(np.zeros_like)
def _zeros_like(x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return _made(x, 0, dtype, shape, order)


@_on(np.ones_like)
def _ones_like(x: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return _made(x, 1, dtype, shape, order)


@_on(np.full_like)
def _full_like(x: Any, value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    if not isinstance(value, (int, float, np.generic)):
        raise UnfoldableError("full_like with an array")
    return _made(x, value, dtype, shape, order)


@_on(np.copyto)
def _copyto(target: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    if where is not True or not isinstance(target, Symbol):
        raise UnfoldableError("copyto with a condition")
    target[...] = source


@_on(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    if out is not None:
        raise UnfoldableError("concatenate with out=")
    builder = next(a.builder for a in arrays if isinstance(a, Symbol))
    parts = [symbol_of(builder, a) for a in arrays]
    if axis is None:
        parts, axis = [p.ravel() for p in parts], 0
    axis = normalize_axis_index(axis, parts[0].ndim)
    made = np.dtype(dtype) if dtype is not None else np.result_type(*(p.dtype for p in parts))
    shape = list(parts[0].shape)
    if any(p.shape[:axis] + p.shape[axis + 1 :] != (*shape[:axis], *shape[axis + 1 :]) for p in parts):
        raise ValueError("the arrays to be joined differ in shape")
    shape[axis] = sum(p.shape[axis] for p in parts)
    result = _made(parts[0], None, made, shape, "K")  # laid out as NumPy would: as its first part
    start = 0
    for p in parts:
        if p.size:
            result[(slice(None),) * axis + (slice(start, start + p.shape[axis]),)] = p
        start += p.shape[axis]
    return result.fresh(result.number)  # of which nobody has views


@_on(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    builder = next(a.builder for a in arrays if isinstance(a, Symbol))
    parts = [symbol_of(builder, a) for a in arrays]
    axis = normalize_axis_index(axis, parts[0].ndim + 1)
    return _concatenate([np.expand_dims(p, axis) for p in parts], axis, out, dtype)


@_on(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if out is not None or np.ndim(a) > 2 or np.ndim(b) > 2 or not (np.ndim(a) and np.ndim(b)):
        raise UnfoldableError("a dot product that is no product of matrices")
    return a @ b if isinstance(a, Symbol) else b.__rmatmul__(a)


@_on(np.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    builder = a.builder if isinstance(a, Symbol) else b.builder
    return symbol_of(builder, a).reshape(-1, 1) * symbol_of(builder, b).reshape(-1)


@_on(np.pad)
def _pad(x: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    widths = np.broadcast_to(pad_width or 0, (x.ndim, 2)).tolist()
    if mode != "constant" or options:
        return _called(np.pad, x, pad_width, mode=mode, **options)
    made = _made(x, 0, None, [n + i + j for n, (i, j) in zip(x.shape, widths, strict=True)], "C")
    made[tuple(slice(i, i + n) for n, (i, _) in zip(x.shape, widths, strict=True))] = x
    return made


@_on(np.einsum)
def _einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
    """Write a contraction out as a product of matrices, or of broadcast arrays; a large or odd one stays a call."""
    steps = _as_product(subscripts, operands)
    if steps is None:
        steps = _by_broadcasting(subscripts, operands)
    return _called(functools.partial(np.einsum, subscripts), *operands, **options) if steps is None else steps


_LARGEST = 1 << 14  # entries of a product of broadcast arrays


def _by_broadcasting(subscripts: str, operands: Any) -> Any:
    terms, _, output = subscripts.partition("->")
    names = terms.split(",")
    letters = output + "".join(dict.fromkeys(c for c in terms if c not in output and c != ","))
    builder = next(x.builder for x in operands if isinstance(x, Symbol))
    arrays = [symbol_of(builder, x) for x in operands]
    sizes: dict[str, int] = {}
    for name, x in zip(names, arrays, strict=True):
        for c, n in zip(name, x.shape, strict=True):
            sizes[c] = max(n, sizes.get(c, 1))
    if any(len(set(t)) != len(t) for t in (*names, output)) or math.prod(sizes.values()) > _LARGEST:
        return None
    product: Any = None
    for name, x in zip(names, arrays, strict=True):
        held = [c for c in letters if c in name]
        shape = [x.shape[name.index(c)] if c in name else 1 for c in letters]
        factor = x.transpose([name.index(c) for c in held]).reshape(shape)
        product = factor if product is None else product * factor
    summed = tuple(range(len(output), len(letters)))
    return np.add.reduce(product, axis=summed) if summed else product


def _as_product(subscripts: str, operands: Any) -> Any:
    terms, _, output = subscripts.partition("->")
    names = terms.split(",")
    if len(names) != 2 or any(len(set(t)) != len(t) for t in (*names, output)):
        return None
    builder = next(x.builder for x in operands if isinstance(x, Symbol))
    a, b = (symbol_of(builder, x) for x in operands)
    sizes = dict(zip(names[0], a.shape, strict=True))
    if any(sizes.setdefault(c, n) != n for c, n in zip(names[1], b.shape, strict=True)):
        return None
    shared, summed = set(names[0]) & set(names[1]), [c for c in names[0] if c in names[1] and c not in output]
    if not summed or any(c not in output and c not in shared for c in names[0] + names[1]):
        return None
    lead = [c for c in output if c in shared]
    rows, columns = [c for c in output if c not in names[1]], [c for c in output if c not in names[0]]
    size = {
        key: int(np.prod([sizes[c] for c in letters])) for key, letters in (("r", rows), ("s", summed), ("c", columns))
    }
    batch = tuple(sizes[c] for c in lead)
    left = a.transpose([names[0].index(c) for c in (*lead, *rows, *summed)]).reshape(*batch, size["r"], size["s"])
    right = b.transpose([names[1].index(c) for c in (*lead, *summed, *columns)]).reshape(*batch, size["s"], size["c"])
    made = (left @ right).reshape(tuple(sizes[c] for c in (*lead, *rows, *columns)))
    return made.transpose([[*lead, *rows, *columns].index(c) for c in output])


def _called(function: Any, *args: Any, **options: Any) -> Any:
    """Write a function down as a call; the shape of its result is found by calling it on ones."""
    builder = next(a.builder for a in args if isinstance(a, Symbol))
    places = [i for i, a in enumerate(args) if isinstance(a, Symbol)]
    stand_ins = [_example(a) if isinstance(a, Symbol) else a for a in args]
    like = function(*stand_ins, **options)

    fixed = [None if isinstance(a, Symbol) else a for a in args]

    def run(*arrays: Any) -> Any:
        filled = list(fixed)
        for i, x in zip(places, arrays, strict=True):
            filled[i] = x
        return function(*filled, **options)

    name = getattr(getattr(function, "func", function), "__name__", "call")
    likes = list(like) if isinstance(like, tuple) else [np.asarray(like)]
    numbers = builder.called(run, [args[i].number for i in places], likes, True, name)
    made = [Symbol(builder, n) for n in numbers]
    return made if isinstance(like, tuple) else made[0]


def _example(x: Any) -> Any:
    """Return an array on which a function of the same shape can run: of ones, and matrices well conditioned."""
    ones = np.ones(x.shape, x.dtype)
    return ones + np.eye(*x.shape[-2:], dtype=x.dtype) if x.ndim > 1 and x.dtype.kind == "f" else ones


for _function in (
    np.cumsum, np.cumprod, np.sort, np.argsort, np.argmax, np.argmin, np.roll, np.repeat, np.tile, np.tril, np.triu,
    np.take_along_axis, np.tensordot, np.kron, np.cross, np.linalg.inv, np.linalg.det, np.linalg.slogdet,
    np.linalg.solve, np.linalg.cholesky, np.linalg.eigh, np.linalg.norm, np.trace, np.sinc, np.var, np.std, np.vdot,
    np.inner, np.nan_to_num,
):  # fmt: skip
    functions[_function] = functools.partial(_called, _function)
