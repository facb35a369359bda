"""The text of the function that runs a plan: straight lines, one NumPy call (or two) a step."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_lite.ops.record import TABLE
from autograd_lite.replay.buffers import exports
from autograd_lite.replay.plan_parts import is_run
from autograd_lite.replay.plan_steps import store
from autograd_lite.replay.primitive import (
    Array,
    Call,
    Effect,
    Elementwise,
    Fill,
    Matmul,
    Plan,
    Reduce,
    Scalars,
    Step,
    reads_of,
    writes_of,
)

__all__ = ["Source", "part_of"]


def part_of(whole: Any, array: Any) -> Any:
    """Return a view of an array, whose entries lie in C order."""
    n = array.dtype.itemsize
    start = whole.reshape(-1)[array.offset :] if array.size else whole.reshape(-1)
    return as_strided(start, array.shape, tuple(s * n for s in array.strides))


_HELPERS: dict[str, Any] = {
    "copyto": np.copyto, "dot": np.dot, "matmul": np.matmul, "where_": np.where, "empty": np.empty, "full": np.full,
    "store": store, "asarray": np.asarray, "array": np.array, "contiguous": np.ascontiguousarray, "part": part_of,
    "minimum": np.minimum, "ceil": np.ceil, "errstate": functools.partial(np.errstate, all="ignore"),
}  # fmt: skip


class Source:
    """The text of a plan's function, and the objects that it names."""

    def __init__(self, plan: Plan, of_arrays: Sequence[bool]) -> None:
        self.plan, self.of_arrays = plan, of_arrays
        self.lines: list[str] = []
        self.bound: dict[str, Any] = dict(_HELPERS)
        self.state: list[str] = []  # names that live from run to run
        self.views: dict[int, list[int]] = {}
        exported = exports(plan)
        self.tables = [(s, exported[id(s)]) for s in plan.steps if isinstance(s, Scalars)]
        self.given = {n: (i, k) for i, (_, block) in enumerate(self.tables) for k, n in enumerate(block)}
        self.used = used = self._used()
        for number in used:
            array = plan.arrays[number]
            if array.owner == "view":
                self.views.setdefault(array.source, []).append(number)
        self.met = 0
        writes = Counter(plan.owner(w) for s in plan.steps if not isinstance(s, Scalars) for w in writes_of(s))
        rectified = [s for s in plan.steps if isinstance(s, Elementwise) and s.name == "maximum"]
        self.not_negative = {s.write for s in rectified if writes[s.write] == 1 and any(map(self._is_zero, s.reads))}

    def _used(self) -> dict[int, None]:
        """Return the arrays that the text names."""
        used = {n: None for n in self.plan.outputs if n not in self.given}
        for step in self.plan.steps:
            if isinstance(step, Scalars):
                used.update(dict.fromkeys(self._passed(step)))
            else:
                used.update(dict.fromkeys((*reads_of(step), *writes_of(step))))
        return used

    def _passed(self, table: Scalars) -> list[int]:
        """Return the arrays that a table gets from the text, in the order of its own list of them."""
        arrays = self.plan.arrays
        owners = dict.fromkeys(self.plan.owner(n) for n in sorted(reads_of(table)) if not _is_fetched(arrays[n]))
        return list(owners)

    def text(self) -> tuple[str, dict[str, Any]]:
        plan = self.plan
        renewed = {n for s in plan.steps if isinstance(s, Effect) for n in s.renews}
        owners = list(dict.fromkeys(plan.owner(n) for n in self.used))
        for n in owners:
            if n not in renewed:
                self._source(n)
        for step in plan.steps:
            self._step(step)
            for w in writes_of(step) if not isinstance(step, Scalars) else ():
                if w in plan.fresh:
                    self.lines += [f"a{v} = a{w}.reshape({plan.arrays[v].shape!r})" for v in self.views.get(w, ())]
            if isinstance(step, Effect):
                for n in step.renews:
                    if n in owners:
                        self._source(n)
        taken: set[int] = set()
        results = []
        for n, is_array in zip(plan.outputs, self.of_arrays, strict=True):
            if n in self.given:
                i, k = self.given[n]
                results.append(f"array(v{i}[{k}])" if is_array else f"v{i}[{k}]")
            elif not is_array:
                results.append(f"float(a{n})")
            elif n in plan.fresh and n not in taken:
                taken.add(n)
                results.append(f"a{n}")
            else:
                results.append(f"array(a{n})")
        body = "".join(f"        {line}\n" for line in self.lines)
        named = f"    global {', '.join(self.state)}\n" if self.state else ""
        source = f"def run(inputs):\n{named}    with errstate():\n{body}        return [{', '.join(results)}]\n"
        return source, self.bound

    def _source(self, n: int) -> None:
        """Write the lines that fetch an array which is not the plan's own, with the views of it."""
        array, views = self.plan.arrays[n], self.views.get(n, [])
        if array.owner == "temp" and not array.size:  # nothing is ever written to it
            self.bound.update((f"a{v}", np.empty(self.plan.arrays[v].shape, array.dtype)) for v in (n, *views))
        elif array.owner == "constant":
            self.bound[f"a{n}"] = array.source
            if array.frozen and views:
                whole = np.ascontiguousarray(array.source).reshape(array.shape)
                self.bound.update((f"a{v}", part_of(whole, self.plan.arrays[v])) for v in views)
            elif views:
                self._fetched(n, f"c{n}", views, array.source)
        elif array.owner == "input":
            self.lines.append(f"a{n} = inputs[{int(array.source)}]")
            if views:
                self.lines.append(f"w{n} = contiguous(a{n})")
                self._viewed(n, f"w{n}", views)
        elif array.owner == "leaf":
            self.bound[f"n{n}"] = array.source
            if views and array.source.is_array:
                self._fetched(n, f"n{n}._data", views, None)
            else:
                self.lines.append(f"a{n} = n{n}._data")
                if views:
                    self.lines.append(f"w{n} = asarray(a{n})")
                    self._viewed(n, f"w{n}", views)

    def _fetched(self, n: int, expression: str, views: list[int], source: Any) -> None:
        """Fetch an array whose views are made anew only where the array is another, or has to be copied for them."""
        if source is not None:
            self.bound[f"c{n}"] = source
        self.state += [f"a{n}", f"k{n}", *(f"a{v}" for v in views)]
        self.bound[f"k{n}"] = None
        self.lines.append(f"if {expression} is not k{n}:")
        before = len(self.lines)
        self.lines.append(f"a{n} = {expression}")
        self.lines.append(f"k{n} = a{n} if a{n}.flags.c_contiguous else None")
        self.lines.append(f"w{n} = contiguous(a{n})")
        self._viewed(n, f"w{n}", views)
        self.lines[before:] = ["    " + line for line in self.lines[before:]]

    def _viewed(self, n: int, whole: str, views: list[int]) -> None:
        for v in views:
            self.bound[f"d{v}"] = self.plan.arrays[v]
            self.lines.append(f"a{v} = part({whole}, d{v})")

    def _named(self, name: str, what: Any) -> str:
        self.bound.setdefault(name, what)
        return name

    def _step(self, step: Step) -> None:
        match step:
            case Elementwise():
                self._elementwise(step)
            case Reduce(name, read, write, axes):
                self._reduce(name, read, write, axes)
            case Matmul(a, b, write):
                flat = len(self.plan.arrays[write].shape) == 2 and self._is_run(write)
                call = f"{'dot' if flat else 'matmul'}(a{a}, a{b}"
                self.lines.append(f"a{write} = {call})" if write in self.plan.fresh else f"{call}, a{write})")
            case Fill(value, write):
                value = repr(float(value)) if np.isfinite(value) else f"float({str(float(value))!r})"
                self._allocated(write)
                self.lines.append(f"a{write}.fill({value})")
            case Call(function, reads, writes):
                i = len(self.bound)
                self.bound[f"f{i}"] = function
                call = f"f{i}({', '.join(f'a{r}' for r in reads)})"
                for w in writes:
                    if w >= 0:
                        self._allocated(w)
                if len(writes) == 1:
                    self.lines.append(f"store(a{writes[0]}, {call})" if writes[0] >= 0 else call)
                else:
                    self.lines.append(f"r = {call}")
                    self.lines += [f"store(a{w}, r[{k}])" for k, w in enumerate(writes) if w >= 0]
            case Effect(function, reads, borrows=borrows):
                i = len(self.bound)
                self.bound[f"f{i}"] = function
                self.lines.append(f"f{i}({', '.join(f'a{r}' if borrows else self._handed(r) for r in reads)})")
            case Scalars():
                passed = [f"a{n}" if n in self.plan.places else f"contiguous(a{n})" for n in self._passed(step)]
                self.lines.append(f"v{self.met} = s{self.met}(inputs, ({''.join(p + ', ' for p in passed)}))")
                self.met += 1
            case _:
                raise TypeError(f"{type(step).__name__} has no NumPy call")

    def _handed(self, n: int) -> str:
        """Return the expression that gives an array away."""
        mine = self.plan.arrays[self.plan.owner(n)].owner in ("temp", "input") and n not in self.plan.fresh
        return f"array(a{n})" if mine else f"a{n}"

    def _allocated(self, n: int) -> None:
        if n in self.plan.fresh:
            array = self.plan.arrays[n]
            self.lines.append(f"a{n} = empty({array.shape!r}, {self._named('t_' + array.dtype.name, array.dtype)})")

    def _elementwise(self, step: Elementwise) -> None:
        w, reads = step.write, [f"a{r}" for r in step.reads]
        array = self.plan.arrays[w]
        if step.name == "where":
            condition, x, y = reads
            if w in self.plan.fresh and array.shape:
                self.lines.append(f"a{w} = where_({condition}, {x}, {y})")
                return
            self._allocated(w)
            if y != f"a{w}":
                self.lines.append(f"copyto(a{w}, {y})")
            self.lines.append(f"copyto(a{w}, {x}, 'same_kind', {condition})")
        elif step.name in ("astype", "copy"):
            self._allocated(w)
            self.lines.append(f"copyto(a{w}, {reads[0]}{', ' + repr('unsafe') if step.name == 'astype' else ''})")
        elif step.name == "sign" and self.plan.owner(step.reads[0]) in self.not_negative:
            self._allocated(w)  # the same, and NaN stays NaN; NumPy's own sign takes four times as long
            one = self._named(f"one_{array.dtype.name}", np.ones((), array.dtype))
            self.lines += [f"minimum({reads[0]}, {one}, out=a{w})", f"ceil(a{w}, a{w})"]
        elif step.name in ("erf", "erfc"):
            self._allocated(w)
            self.lines.append(f"copyto(a{w}, {self._named(step.name, TABLE[step.name].forward)}({reads[0]}))")
        else:
            call = f"{self._named(step.name, getattr(np, step.name))}({', '.join(reads)}"
            if w in self.plan.fresh and array.shape:
                self.lines.append(f"a{w} = {call})")
            else:
                self._allocated(w)
                by_name = "out=" if step.name in ("maximum", "minimum") else ""  # where NumPy deprecates it by place
                self.lines.append(f"{call}, {by_name}a{w})")

    def _is_zero(self, n: int) -> bool:
        array = self.plan.arrays[self.plan.owner(n)]
        return array.frozen and not array.shape and array.source == 0

    def _is_run(self, n: int) -> bool:
        """Return whether an array of the plan lies in memory entry by entry."""
        array = self.plan.arrays[n]
        return array.owner == "temp" or (array.owner == "view" and is_run(array))

    def _reduce(self, name: str, read: int, write: int, axes: tuple[int, ...]) -> None:
        arrays = self.plan.arrays
        x = arrays[read]
        self._allocated(write)
        own = x.owner == "temp" and self._is_run(write) and x.dtype.kind == "f"
        if own and name == "add" and axes == (0,) and len(x.shape) == 2 and 0 < x.shape[0] <= _BLAS_ROWS:
            ones = self._named(f"ones_{x.dtype.name}_{x.shape[0]}", np.ones(x.shape[0], x.dtype))
            self.lines.append(f"dot({ones}, a{read}, a{write})")
            return
        reduce = self._named(f"{name}_reduce", getattr(np, name).reduce)
        axis = None if len(axes) == len(x.shape) else axes[0] if len(axes) == 1 else axes
        self.lines.append(f"{reduce}(a{read}, {axis}, None, a{write})")


def _is_fetched(array: Array) -> bool:
    """Return whether a table fetches a number by itself."""
    is_value = array.owner == "leaf" and not array.source.is_array
    return is_value or array.owner == "input" or (array.owner == "constant" and array.frozen)


_BLAS_ROWS = 4096  # so many rows are summed faster by a product with ones
