"""Symbol: an array without entries, on which a rule written for NumPy writes down what it would compute."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from autograd_lite.replay.plan_builder import Builder, UnfoldableError
from autograd_lite.replay.primitive import Array

__all__ = ["Symbol", "as_number", "functions", "is_basic", "scaled", "symbol_of", "where"]

_REDUCTIONS = frozenset(("add", "multiply", "maximum", "minimum", "logical_or", "logical_and"))
_ON_TRUTH = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
    "bitwise_xor": "not_equal",
}
_BOOL = np.dtype(np.bool_)

# NumPy function -> what it does to Symbols; filled by `plan_numpy`.
functions: dict[Any, Callable[..., Any]] = {}


class Symbol(NDArrayOperatorsMixin):
    """An array of a plan that is being written.

    Attributes
    ----------
    builder : Builder
    number : int
        The array that it stands for now; another one after a write in place.
    weak : bool
        Whether it stands for a Python float (the number of a Value), which adopts the dtype of what it meets.
    shared : bool
        Whether another Symbol shows the same memory.
    """

    __slots__ = ("builder", "number", "shared", "weak")
    is_symbolic = True
    __hash__ = object.__hash__

    def __init__(self, builder: Builder, number: int, weak: bool = False, shared: bool = False) -> None:
        self.builder = builder
        self.number = number
        self.weak = weak
        self.shared = shared

    @property
    def array(self) -> Array:
        return self.builder.plan.arrays[self.number]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return len(self.array.shape)

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def T(self) -> Symbol:  # noqa: N802
        return self.transpose()

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Symbol]:
        return (self[i] for i in range(len(self)))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise UnfoldableError("the entries of an array were asked for")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __contains__ = _refuse
    item = tolist = tobytes = _refuse

    def seen(self, look: Callable[[Any], Any]) -> Any:
        """Return the views that a function makes of the array."""
        self.shared = True
        found = self.builder.seen(self.number, look)
        if isinstance(found, list):
            return [Symbol(self.builder, n, self.weak, True) for n in found]
        return Symbol(self.builder, found, self.weak, True)

    def fresh(self, number: int) -> Symbol:
        """Return another array of the same plan."""
        return Symbol(self.builder, number)

    def __getitem__(self, index: Any) -> Symbol:
        if is_basic(index):
            parts = index if isinstance(index, tuple) else (index,)
            parts = parts if Ellipsis in parts else (*parts, Ellipsis)  # a view even where one entry is left
            return self.seen(lambda x: x[parts])  # type: ignore[no-any-return]
        if _holds_symbols(index):
            raise UnfoldableError("an index that is computed")
        picked = np.broadcast_to(np.zeros((), self.dtype), self.shape)[index]
        return self.called(functools.partial(_gather, index=index), (self,), picked, "gather")  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        if is_basic(index):
            part = self[index]
            part._write(value)
        elif _holds_symbols(index):
            raise UnfoldableError("an index that is computed")
        else:
            value = symbol_of(self.builder, value, self.dtype)
            self._write(self.called(functools.partial(_scatter, index=index), (self, value), self, "scatter"))

    def _write(self, value: Any) -> None:
        value = symbol_of(self.builder, value, self.dtype).astype(self.dtype)
        self.builder.written("copy", (self.builder.broadcast(value.number, self.shape),), self.number)

    def called(self, function: Any, reads: Any, like: Any, name: str) -> Any:
        """Write down a call of Python code whose result is like a given array (or like several)."""
        several = isinstance(like, (list, tuple))
        numbers = self.builder.called(function, [r.number for r in reads], like if several else [like], True, name)
        made = [self.fresh(n) for n in numbers]
        return made if several else made[0]

    def applied(self, name: str) -> Symbol:
        """Write down a function of real numbers that is no ufunc: "erf" or "erfc"."""
        x = self.astype(np.result_type(self.dtype, np.float16), copy=False)
        return Symbol(self.builder, self.builder.elementwise(name, (x.number,), x.shape, x.dtype), self.weak)

    def fill(self, value: Any) -> None:
        self._write(value)

    def copy(self, order: str = "C") -> Symbol:
        return self.fresh(self.builder.elementwise("copy", (self.number,), self.shape, self.dtype))

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Symbol:
        dtype = np.dtype(dtype)
        if dtype != self.dtype:
            return self.fresh(self.builder.cast(self.number, dtype))
        return self.copy() if copy and not self.array.frozen else self

    def reshape(self, *shape: Any, order: str = "C") -> Symbol:
        if order != "C":
            raise UnfoldableError("a reshape in another order")
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        sizes = [operator.index(n) for n in wanted]
        if -1 in sizes:
            rest = -math.prod(sizes)
            sizes[sizes.index(-1)] = self.size // rest if rest else 0
        self.shared = True
        return Symbol(self.builder, self.builder.reshaped(self.number, tuple(sizes)), self.weak, True)

    def ravel(self, order: str = "C") -> Symbol:
        return self.reshape(-1)

    def flatten(self, order: str = "C") -> Symbol:
        return self.reshape(-1).copy()

    def transpose(self, *axes: Any) -> Symbol:
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
        order = range(self.ndim)[::-1] if order is None or order == () else [i % self.ndim for i in order]
        self.shared = True
        return Symbol(self.builder, self.builder.transposed(self.number, list(order)), self.weak, True)

    def swapaxes(self, axis1: int, axis2: int) -> Symbol:
        return self.seen(lambda x: x.swapaxes(axis1, axis2))  # type: ignore[no-any-return]

    def squeeze(self, axis: Any = None) -> Symbol:
        return self.seen(lambda x: x.squeeze(axis))  # type: ignore[no-any-return]

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Symbol:
        return self._reduce("add", axis, dtype, out, keepdims)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Symbol:
        if self.dtype.kind != "f" or self.dtype.itemsize < 4:
            raise UnfoldableError("a mean with another dtype for its sum")
        total = self._reduce("add", axis, dtype, out, keepdims)
        return total / (self.size // total.size if total.size else 0)  # type: ignore[no-any-return]

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Symbol:
        return self._reduce("maximum", axis, None, out, keepdims)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Symbol:
        return self._reduce("minimum", axis, None, out, keepdims)

    def _reduce(
        self, name: str, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None
    ) -> Symbol:
        if out is not None or initial is not None or name not in _REDUCTIONS or not isinstance(keepdims, bool):
            raise UnfoldableError(f"a reduction by {name} of a kind that has no step")
        x = self
        axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim) if x.ndim else ()
        if name.startswith("logical"):
            x = x.astype(_BOOL)
        elif name in ("add", "multiply"):
            narrow = x.dtype.kind in "bui" and x.dtype.itemsize < 8
            x = x.astype(dtype or ((np.uintp if x.dtype.kind == "u" else np.intp) if narrow else x.dtype), copy=False)
        elif 0 in x.shape:
            raise UnfoldableError("an extreme of nothing")
        number = x.builder.reduced(name, x.number, axes) if axes else x.number
        total = Symbol(x.builder, number, shared=not axes)
        if keepdims and axes:
            shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
            return total.reshape(shape)
        return total

    def __matmul__(self, other: Any) -> Any:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _matmul(other, self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        name = ufunc.__name__
        out = options.pop("out", None)
        target = out[0] if out else None
        if method == "reduce":
            if not isinstance(inputs[0], Symbol) or options.get("where", True) is not True:
                raise UnfoldableError("a reduction with a condition")
            options.pop("where", None)
            return inputs[0]._reduce(name, out=target, **options)
        if method == "accumulate" and target is None:
            like = getattr(ufunc, method)(np.zeros(self.shape, self.dtype), **options)
            function = functools.partial(getattr(ufunc, method), **options)
            return self.called(function, inputs, like, f"{name}.{method}")
        if method != "__call__" or (target is not None and not isinstance(target, Symbol)):
            raise UnfoldableError(f"np.{name}.{method}, or a result that belongs to somebody else")
        dtype = options.pop("dtype", None)
        if options.pop("where", True) is not True or options:
            raise UnfoldableError(f"np.{name} with options")
        if name == "matmul":
            result = _matmul(*inputs)
        elif ufunc.nout != 1 or ufunc.signature is not None:
            raise UnfoldableError(f"np.{name} has no elementwise step")
        else:
            in_place = target is not None and (target.shared or target.number < self.builder.mark)
            result = _elementwise(self.builder, ufunc, inputs, dtype, target if in_place else None)
        if target is None or result is target:
            return result
        if result.shape != target.shape or not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise UnfoldableError(f"np.{name} does not fit its out=")
        if target.shared or target.number < self.builder.mark:
            target._write(result)
        else:  # nobody else sees the old entries: the same name for the new ones
            target.number = result.astype(target.dtype, copy=False).number
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        ours = functions.get(function)
        if ours is None:
            raise UnfoldableError(f"np.{function.__name__} has no steps")
        try:
            return ours(*args, **options)
        except TypeError as error:
            raise UnfoldableError(str(error)) from error


def is_basic(index: Any) -> bool:
    """Return whether an index makes a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or (isinstance(p, (slice, int, np.integer)) and p is not True and p is not False)
        for p in parts
    )


def _holds_symbols(index: Any) -> bool:
    return any(isinstance(p, Symbol) for p in (index if isinstance(index, tuple) else (index,)))


def _gather(x: Any, index: Any) -> Any:
    return x[index]


def _scatter(x: Any, value: Any, index: Any) -> Any:
    made = x.copy()
    made[index] = value
    return made


def symbol_of(builder: Builder, x: Any, dtype: Any = None) -> Symbol:
    """Return a number or an array as a Symbol; a Python number in the dtype given."""
    if isinstance(x, Symbol):
        return x
    if type(x) in (int, float, bool):
        return Symbol(builder, builder.number(x, dtype))
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biuf":
        if x.ndim == 0:
            return Symbol(builder, builder.number(x, x.dtype))
        array = np.ascontiguousarray(x)  # made by the rule itself, so it stays as it is
        return Symbol(builder, builder.add(Array(array.shape, array.dtype, "constant", array, frozen=True)))
    raise UnfoldableError(f"{type(x).__name__} among the operands")


def as_number(x: Any) -> Any:
    """Return the dtype of an operand; for what adopts the dtype of others, the Python type."""
    if isinstance(x, Symbol):
        return float if x.weak else x.dtype
    if type(x) in (int, float):
        return type(x)
    return np.asarray(x).dtype


@functools.lru_cache(maxsize=4096)
def _loop(ufunc: np.ufunc, kinds: tuple[Any, ...], dtype: Any) -> tuple[np.dtype[Any], ...]:
    """Return the dtypes of the loop that NumPy would run."""
    given: Any = {} if dtype is None else {"signature": (None,) * len(kinds) + (np.dtype(dtype),)}
    return ufunc.resolve_dtypes((*kinds, None), **given)


def _elementwise(builder: Builder, ufunc: np.ufunc, inputs: Any, dtype: Any, target: Symbol | None = None) -> Symbol:
    """Write a ufunc down; into memory that exists, where it may be computed there at once."""
    kinds = tuple(map(as_number, inputs))
    weak = dtype is None and all(k is float or k is int for k in kinds)
    if weak:
        kinds = tuple(np.dtype(np.float64) if k is float else k for k in kinds)
    *needed, made = _loop(ufunc, kinds, dtype)
    symbols = [symbol_of(builder, x, k) for x, k in zip(inputs, needed, strict=True)]
    reads = [builder.cast(s.number, k) for s, k in zip(symbols, needed, strict=True)]
    shape = np.broadcast_shapes(*(s.shape for s in symbols))
    name = ufunc.__name__
    if needed[0] == _BOOL:
        name = _ON_TRUTH.get(name, name)
    if made.kind not in "biuf":
        raise UnfoldableError(f"dtype {made}")
    if target is not None and (shape, made) == (target.shape, target.dtype):
        owner = builder.plan.owner(target.number)
        if all(n == target.number or builder.plan.owner(n) != owner for n in reads):
            builder.written(name, reads, target.number)
            return target
    return Symbol(builder, builder.elementwise(name, reads, shape, made), weak and made.kind == "f")


def where(condition: Any, x: Any, y: Any) -> Symbol:
    """Write ``np.where`` down."""
    builder = next(s.builder for s in (condition, x, y) if isinstance(s, Symbol))
    kinds = [as_number(x), as_number(y)]
    weak = all(k is float or k is int for k in kinds)
    dtype = (
        np.dtype(np.float64)
        if weak and float in kinds
        else np.result_type(*(0.0 if k is float else 0 if k is int else k for k in kinds))
    )
    symbols = [symbol_of(builder, x, dtype), symbol_of(builder, y, dtype)]
    chosen = symbol_of(builder, condition, _BOOL)
    shape = np.broadcast_shapes(chosen.shape, *(s.shape for s in symbols))
    reads = [builder.cast(chosen.number, _BOOL), *(builder.cast(s.number, dtype) for s in symbols)]
    return Symbol(builder, builder.elementwise("where", reads, shape, dtype), weak and dtype.kind == "f")


def scaled(g: Symbol, slope: Any, singular: bool, is_array: bool) -> Any:
    """Multiply a gradient by a slope, an exact zero winning over an infinity; as the passes do."""
    if type(slope) is int or type(slope) is float:
        return g if slope == 1 else g * slope if slope else np.zeros_like(g)
    if not isinstance(slope, Symbol):
        slope = symbol_of(g.builder, slope, g.dtype)
    if slope.dtype == np.bool_:
        return where(slope, g, 0)
    if singular and not is_array:
        return where(g == 0, 0, g * slope)
    if singular:
        slope = where((g == 0) & ~np.isfinite(slope), 0, slope)
    return g * slope


def _matmul(x: Any, y: Any) -> Symbol:
    builder = x.builder if isinstance(x, Symbol) else y.builder
    a, b = symbol_of(builder, x), symbol_of(builder, y)
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.kind != "f" or not a.ndim or not b.ndim:
        raise UnfoldableError("a product of matrices that hold no floats")
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    left, right = a.ndim == 1, b.ndim == 1
    a = a.reshape((1, *a.shape)) if left else a
    b = b.reshape((*b.shape, 1)) if right else b
    made = a.fresh(builder.product(a.number, b.number))
    if left or right:
        shape = made.shape
        return made.reshape(shape[: -1 - left] + shape[-1:] if left and not right else shape[: len(shape) - 1 - left])
    return made
