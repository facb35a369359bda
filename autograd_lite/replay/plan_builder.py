"""Writing a plan down: arrays, their views, and steps that make new arrays, with nothing computed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_lite.replay.primitive import (
    Array,
    Call,
    Elementwise,
    Fill,
    Matmul,
    Plan,
    Reduce,
    contiguous,
)

__all__ = ["Builder", "UnfoldableError", "restrided"]

Shape = tuple[int, ...]


class UnfoldableError(TypeError):
    """A function asks for the entries of an array that has none yet, so it must be called as it is."""


class Builder:
    """A plan that grows, with views and numbers shared.

    Attributes
    ----------
    plan : Plan
    mark : int
        Temps from this number on were made by the function that is being written out, which may write to them.
    """

    def __init__(self) -> None:
        self.plan = Plan()
        self.mark = 0
        self._views: dict[tuple[int, Shape, int, Shape], int] = {}
        self._numbers: dict[tuple[str, bytes], int] = {}

    def add(self, array: Array) -> int:
        """Give an array its number."""
        self.plan.arrays.append(array)
        return len(self.plan.arrays) - 1

    def undo(self, arrays: int, steps: int) -> None:
        """Take back everything beyond so many arrays and steps."""
        del self.plan.arrays[arrays:]
        del self.plan.steps[steps:]
        for made in (self._views, self._numbers):
            while made and next(reversed(made.values())) >= arrays:
                made.popitem()

    def temp(self, shape: Shape, dtype: Any) -> int:
        return self.add(Array(shape, np.dtype(dtype)))

    def number(self, value: Any, dtype: Any) -> int:
        """Return the constant of shape ``()``."""
        array = np.array(value, dtype)
        key = (array.dtype.str, array.tobytes())
        if key not in self._numbers:
            array.flags.writeable = False
            self._numbers[key] = self.add(Array((), array.dtype, "constant", array, frozen=True))
        return self._numbers[key]

    def layout(self, number: int) -> tuple[int, int, Shape]:
        """Return the owner, the offset and the strides of an array."""
        array = self.plan.arrays[number]
        if array.owner == "view":
            return array.source, array.offset, array.strides
        return number, 0, contiguous(array.shape)

    def view(self, owner: int, shape: Shape, offset: int, strides: Shape) -> int:
        """Return a view of the memory of ``owner``, in its entries; itself where it is the whole."""
        whole = self.plan.arrays[owner]
        if 0 in shape:
            offset, strides = 0, (0,) * len(shape)
        elif shape == whole.shape and offset == 0:
            own = contiguous(shape)
            if all(n == 1 or s == t for n, s, t in zip(shape, strides, own, strict=True)):
                return owner
        strides = tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True))
        key = (owner, shape, offset, strides)
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = self.add(Array(shape, whole.dtype, "view", owner, offset, strides))
        return found

    def seen(self, number: int, look: Callable[[Any], Any]) -> Any:
        """Apply a function that only makes views, through a stand-in whose entries nobody reads."""
        owner, offset, strides = self.layout(number)
        looked = look(as_strided(_GROUND, self.plan.arrays[number].shape, strides))

        def found(x: Any) -> int:
            start = x.__array_interface__["data"][0] - _ORIGIN
            return self.view(owner, x.shape, offset + start, x.strides)

        return [found(x) for x in looked] if isinstance(looked, (list, tuple)) else found(looked)

    def transposed(self, number: int, axes: Sequence[int]) -> int:
        owner, offset, strides = self.layout(number)
        shape = self.plan.arrays[number].shape
        return self.view(owner, tuple(shape[i] for i in axes), offset, tuple(strides[i] for i in axes))

    def broadcast(self, number: int, shape: Shape) -> int:
        array = self.plan.arrays[number]
        if array.shape == shape:
            return number
        if np.broadcast_shapes(array.shape, shape) != shape:
            raise ValueError(f"an array of shape {array.shape} does not broadcast to {shape}")
        owner, offset, strides = self.layout(number)
        lead = len(shape) - len(array.shape)
        kept = tuple(0 if n == 1 else s for n, s in zip(array.shape, strides, strict=True))
        return self.view(owner, shape, offset, (0,) * lead + kept)

    def reshaped(self, number: int, shape: Shape) -> int:
        """Return the entries in another shape: a view where there is one, else of a copy."""
        array = self.plan.arrays[number]
        if shape == array.shape:
            return number
        if math.prod(shape) != array.size:
            raise ValueError(f"cannot reshape an array of shape {array.shape} to {shape}")
        owner, offset, strides = self.layout(number)
        found = restrided(array.shape, strides, shape)
        if found is None:
            owner, offset, found = self.copied(number), 0, contiguous(shape)
        return self.view(owner, shape, offset, found)

    def copied(self, number: int) -> int:
        """Return a copy in a temp of its own, C-contiguous."""
        array = self.plan.arrays[number]
        write = self.temp(array.shape, array.dtype)
        self.plan.steps.append(Elementwise("copy", (number,), write))
        return write

    def filled(self, shape: Shape, dtype: Any, value: Any) -> int:
        write = self.temp(shape, dtype)
        self.plan.steps.append(Fill(value, write))
        return write

    def cast(self, number: int, dtype: Any) -> int:
        array = self.plan.arrays[number]
        if array.dtype == dtype:
            return number
        if array.frozen and not array.shape:
            return self.number(array.source, dtype)
        return self.elementwise("astype", (number,), array.shape, dtype)

    def elementwise(self, name: str, reads: Sequence[int], shape: Shape, dtype: Any) -> int:
        """Write an elementwise step down; its result lies in memory as its first whole operand does."""
        arrays = self.plan.arrays
        order = None
        for r in reads if len(shape) > 1 else ():
            array = arrays[r]
            if array.shape == shape:
                if array.owner == "view":
                    order = _order(shape, array.strides)
                break
        if order is not None:
            reads = [self.transposed(self._padded(r, len(shape)), order) for r in reads]
            write = self.temp(tuple(shape[i] for i in order), dtype)
            self.plan.steps.append(Elementwise(name, tuple(reads), write))
            return self.transposed(write, np.argsort(order).tolist())
        write = self.temp(shape, dtype)
        self.plan.steps.append(Elementwise(name, tuple(reads), write))
        return write

    def written(self, name: str, reads: Sequence[int], write: int) -> None:
        """Write down an elementwise step into memory that exists: of a temp that the running function made."""
        owner = self.plan.owner(write)
        if owner < self.mark or self.plan.arrays[owner].owner != "temp":
            raise UnfoldableError("a write to an array that belongs to somebody else")
        self.plan.steps.append(Elementwise(name, tuple(reads), write))

    def reduced(self, name: str, number: int, axes: Sequence[int]) -> int:
        """Write a reduction down; its result has lost the axes."""
        array = self.plan.arrays[number]
        kept = [i for i in range(len(array.shape)) if i not in axes]
        order = _order(array.shape, array.strides) if array.owner == "view" and len(array.shape) > 1 else None
        if order is not None:
            number = self.transposed(number, order)
            axes = [order.index(i) for i in axes]
            kept_in_order = [i for i in order if i in kept]
        else:
            kept_in_order = kept
        write = self.temp(tuple(array.shape[i] for i in kept_in_order), array.dtype)
        self.plan.steps.append(Reduce(name, number, write, tuple(sorted(axes))))
        return self.transposed(write, [kept_in_order.index(i) for i in kept]) if kept_in_order != kept else write

    def product(self, a: int, b: int) -> int:
        """Write a matrix product down, as ``np.matmul`` has it for operands of two axes and more."""
        x, y = self.plan.arrays[a], self.plan.arrays[b]
        (n, k), m = x.shape[-2:], y.shape[-1]
        if y.shape[-2] != k:
            raise ValueError(f"matrices of shape {x.shape} and {y.shape} do not fit")
        lead = x.shape[:-2]
        if len(y.shape) == 2 and lead:
            owner, offset, strides = self.layout(a)
            rows = (math.prod(lead) * n, k)
            merged = restrided(x.shape, strides, rows)
            if merged is not None:  # one product instead of a stack of them
                return self.reshaped(self.product(self.view(owner, rows, offset, merged), b), (*lead, n, m))
        if lead or len(y.shape) > 2:
            lead = np.broadcast_shapes(lead, y.shape[:-2])
            a, b = self.broadcast(a, (*lead, n, k)), self.broadcast(b, (*lead, k, m))
        if k == 0:
            return self.filled((*lead, n, m), x.dtype, 0)
        write = self.temp((*lead, n, m), x.dtype)
        self.plan.steps.append(Matmul(a, b, write))
        return write

    def called(self, function: Any, reads: Sequence[int], like: Sequence[Any], pure: bool, name: str) -> list[int]:
        """Write down a call of Python code, which returns arrays of the shape and dtype of those in ``like``."""
        writes = [-1 if x is None else self.temp(tuple(x.shape), x.dtype) for x in like]
        self.plan.steps.append(Call(function, tuple(reads), tuple(writes), pure, name))
        return writes

    def _padded(self, number: int, ndim: int) -> int:
        """Give an array leading axes of length one."""
        array = self.plan.arrays[number]
        lead = ndim - len(array.shape)
        if not lead:
            return number
        owner, offset, strides = self.layout(number)
        return self.view(owner, (1,) * lead + array.shape, offset, (0,) * lead + tuple(strides))


_GROUND = np.zeros(1, np.int8)
_ORIGIN = _GROUND.__array_interface__["data"][0]


def _order(shape: Shape, strides: Shape) -> list[int] | None:
    """Return the axes as they lie in memory, the outermost first; None where that is their own order."""
    moving = [i for i, n in enumerate(shape) if n > 1]
    steps = [abs(strides[i]) for i in moving]
    if 0 in steps or all(s >= t for s, t in itertools.pairwise(steps)):
        return None
    ordered = iter(sorted(moving, key=lambda i: -abs(strides[i])))
    return [next(ordered) if n > 1 else i for i, n in enumerate(shape)]


def restrided(old: Shape, strides: Shape, new: Shape) -> Shape | None:
    """Return the strides with which the entries appear in a new shape, if any do."""
    if 0 in old:
        return (0,) * len(new)
    runs: list[list[int]] = []  # [entries, stride] of each stretch of axes that is evenly spaced
    for n, s in zip(old, strides, strict=True):
        if n == 1:
            continue
        if runs and runs[-1][1] == n * s:
            runs[-1] = [runs[-1][0] * n, s]
        else:
            runs.append([n, s])
    found: list[int] = []
    rest = list(reversed(new))
    for entries, step in reversed(runs):
        covered, stride = 1, step
        while covered < entries:
            n = rest.pop(0)
            covered *= n
            found.append(stride)
            stride *= n
        if covered != entries:
            return None
    found += [0] * len(rest)
    return tuple(reversed(found))
