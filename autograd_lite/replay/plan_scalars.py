"""Runs of steps on single numbers, by NumPy: steps that wait for nothing of each other are computed together.

A graph of Values is a table of small steps. Sorted by how deep they lie and by operation, they become a few hundred
calls on arrays of numbers; a long chain, in which each waits for the one before, is computed step by step.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite.ops import TABLE
from autograd_lite.replay.primitive import SCALAR_NAMES, Plan, Scalars

__all__ = ["Levels", "TableRun", "run_scalars"]

Column = np.ndarray[Any, Any]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


_OWN: dict[str, Callable[..., Any]] = {
    "copy": np.positive,
    "where": lambda condition, x, y: np.where(condition != 0, x, y),
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0.0),
    "step": lambda x: np.heaviside(x, 0.0),
}


def _on_floats(name: str) -> Callable[..., float]:
    """Return a function of Python floats; what it refuses by an exception is left to NumPy's."""
    if name in _COMPARED:
        compare = getattr(operator, _COMPARED[name])
        return lambda x, y: 1.0 if compare(x, y) else 0.0
    if name == "where":
        return lambda condition, x, y: x if condition else y
    if name == "copy":
        return float
    op = TABLE.get(name)
    function = _FUNCTIONS[SCALAR_NAMES.index(name)]
    return op.scalar if op is not None and op.scalar is not None else lambda *args: float(function(*args))


_COMPARED = {
    "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
}  # fmt: skip
_WIDE = 4  # steps at a time from which calls on arrays pay
_FUNCTIONS = [_OWN.get(name) or getattr(np, name) for name in SCALAR_NAMES]
_ARITY = np.array([3 if n == "where" else 1 if n in _OWN else getattr(np, n).nin for n in SCALAR_NAMES])


class Levels:
    """A table of steps, put into an order in which they run many at a time.

    Attributes
    ----------
    sources : ndarray of int
        The arrays of the plan that are read, whose numbers are the first in memory.
    places : dict of int to int
        Array -> where in memory its number is.
    size : int
        How many numbers there are.
    """

    def __init__(self, table: Scalars) -> None:
        count = len(table.codes)
        columns = [table.a, table.b, table.c]
        arity = _ARITY[table.codes]
        top = int(max((int(c.max(initial=-1)) for c in (*columns, table.writes)), default=-1)) + 1
        row = np.full(top + 1, -1)
        row[table.writes] = np.arange(count)
        reads = [np.where(arity > k, row[c], -1) for k, c in enumerate(columns)]
        depth = _depths(reads, count)
        order = np.lexsort((table.codes, depth))
        outside = np.unique(np.concatenate([c[(arity > k) & (row[c] < 0)] for k, c in enumerate(columns)]))
        place = np.full(top + 1, -1)
        place[outside] = np.arange(len(outside))
        place[table.writes[order]] = len(outside) + np.arange(count)
        self.sources = outside
        self.place = place
        self.size = len(outside) + count
        self.batches: list[tuple[Callable[..., Any], int, int, list[Any]]] = []
        codes, depths = table.codes[order], depth[order]
        cuts = np.flatnonzero((np.diff(codes.astype(int)) != 0) | (np.diff(depths) != 0)) + 1
        for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), count], strict=True):
            if start == stop:
                continue
            rows = order[start:stop]
            operands = [_compact(place[columns[k][rows]]) for k in range(int(_ARITY[codes[start]]))]
            first = len(outside) + start
            self.batches.append((_FUNCTIONS[codes[start]], first, first + len(rows), operands))
        self.chain: list[tuple[int, Callable[..., float], int, list[int]]] = []
        if count < _WIDE * len(self.batches):
            functions = {c: _on_floats(SCALAR_NAMES[c]) for c in np.unique(table.codes).tolist()}
            rows_of = zip(
                table.codes.tolist(), place[table.writes].tolist(), *(c.tolist() for c in columns), strict=True
            )
            for code, w, *reads_ in rows_of:
                at = [int(place[r]) for r in reads_[: int(_ARITY[code])]]
                self.chain.append((w, functions[code], code, at))

    def run(self, memory: Column) -> None:
        """Compute all steps; the numbers of ``sources`` are in memory."""
        if self.chain:
            self._run_chain(memory)
            return
        for function, start, stop, operands in self.batches:
            memory[start:stop] = function(*[memory[o] for o in operands])

    def _run_chain(self, memory: Column) -> None:
        """Compute the steps one by one, on Python floats: faster where few could be computed together."""
        numbers = memory.tolist()
        for w, function, code, reads in self.chain:
            try:
                numbers[w] = function(*[numbers[r] for r in reads])
            except (ArithmeticError, ValueError):
                numbers[w] = float(_FUNCTIONS[code](*[np.float64(numbers[r]) for r in reads]))
        memory[:] = numbers


def _depths(reads: list[Column], count: int) -> Column:
    """Return for each row one more than the depth of the deepest that it reads."""
    depth = [0] * (count + 1)
    depth[count] = -1  # what comes from outside, as row -1
    a, b, c = (column.tolist() for column in reads)
    for i in range(count):
        deepest = depth[a[i]]
        if b[i] >= 0 and depth[b[i]] > deepest:
            deepest = depth[b[i]]
        if c[i] >= 0 and depth[c[i]] > deepest:
            deepest = depth[c[i]]
        depth[i] = deepest + 1
    return np.array(depth[:count], dtype=np.int64)


def _compact(index: Column) -> Any:
    """Return an index as a slice where it is one: a view is free, and picking entries is not."""
    if len(index) and (len(index) == 1 or (np.diff(index) == 1).all()):
        return slice(int(index[0]), int(index[-1]) + 1)
    return index.astype(np.intp)


class TableRun:
    """A table bound to its memory: ``run(inputs, arrays) -> list of float``, the numbers that are wanted elsewhere.

    Parameters
    ----------
    plan : Plan
    wanted : list of int
        The numbers to be given out.
    block : ndarray
        Their place in the arena, side by side.
    levels : Levels
    """

    def __init__(self, plan: Plan, wanted: list[int], block: Column, levels: Levels) -> None:
        self.levels, self.block = levels, block
        self.memory = np.empty(levels.size)
        self.given = _compact(levels.place[wanted]) if wanted else slice(0, 0)
        leaves: list[tuple[int, Any]] = []
        inputs: list[tuple[int, Any]] = []
        owners: dict[int, tuple[list[int], list[int]]] = {}
        for place, n in enumerate(levels.sources.tolist()):
            array = plan.arrays[n]
            if array.owner == "constant" and array.frozen:
                self.memory[place] = array.source
            elif array.owner == "leaf" and not array.source.is_array:
                leaves.append((place, array.source))
            elif array.owner == "input":
                inputs.append((place, array.source))
            else:
                places, entries = owners.setdefault(plan.owner(n), ([], []))
                places.append(place)
                entries.append(array.offset)
        self.leaves, self.leaf_places = [x for _, x in leaves], _compact(np.array([p for p, _ in leaves], int))
        self.inputs, self.input_places = [x for _, x in inputs], _compact(np.array([p for p, _ in inputs], int))
        self.owners = list(owners)
        self.parts = [(_compact(np.array(p)), _compact(np.array(e))) for p, e in owners.values()]

    def __call__(self, inputs: Sequence[Any], arrays: Sequence[Any]) -> list[float]:
        memory = self.memory
        if self.leaves:
            memory[self.leaf_places] = [x._data for x in self.leaves]
        if self.inputs:
            memory[self.input_places] = [inputs[i] for i in self.inputs]
        for (places, entries), array in zip(self.parts, arrays, strict=True):
            memory[places] = array.reshape(-1)[entries]
        self.levels.run(memory)
        self.block[:] = memory[self.given]
        return self.block.tolist()  # type: ignore[no-any-return]


def run_scalars(table: Scalars, arrays: Any) -> None:
    """Run a table of steps on the arrays of a plan, by number."""
    levels = Levels(table)
    memory = np.empty(levels.size)
    memory[: len(levels.sources)] = [float(arrays[n]) for n in levels.sources]
    with np.errstate(all="ignore"):
        levels.run(memory)
    for n in table.writes.tolist():
        if arrays[n] is not None:
            arrays[n][...] = memory[levels.place[n]]
