"""Lowering graphs of Values: each pattern of op and operands is written out once, and the rest is bookkeeping.

So a graph of a million Values takes a few seconds, and becomes columns of numbers (`Scalars`) instead of objects.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from autograd_lite.replay import calls
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan_builder import Builder, UnfoldableError
from autograd_lite.replay.plan_symbol import Symbol, scaled, symbol_of
from autograd_lite.replay.primitive import SCALAR_NAMES, Array, Elementwise, Plan, Scalars
from autograd_lite.replay.program import Instruction, Program

__all__ = ["Table"]

_CODES = {name: i for i, name in enumerate(SCALAR_NAMES)}
_NUMBER = Array((), np.dtype(np.float64))
_LEAST = 4  # rows that are worth a table


class _Template(NamedTuple):
    """What one pattern becomes; an operand is named by its place, a row by how many operands there are and its place.

    Attributes
    ----------
    codes : list of int
    operands : list of (int, int, int)
        -1 for one that there is not; constants follow the rows.
    constants : list of int
        Arrays.
    result : int
    """

    codes: list[int]
    operands: list[tuple[int, int, int]]
    constants: list[int]
    result: int


class Table:
    """Scalar instructions collected until something else comes.

    Parameters
    ----------
    program : Program
    builder : Builder
    numbers : dict of int to int
        Spot -> array; what is written here goes there.
    """

    def __init__(self, program: Program, builder: Builder, numbers: dict[int, int]) -> None:
        self.program, self.spots = program, program.spots
        self.builder = builder
        self.numbers = numbers
        self.known: list[int | None] = [None if s.is_array else numbers.get(n) for n, s in enumerate(program.spots)]
        self.templates: dict[Any, _Template | None] = {}
        self._count = self._start = 0
        self._filled: dict[int, tuple[_Template, list[int], list[int]]] = {}

    def prepare(self) -> None:
        """Write every pattern out that occurs: the constants that it needs get their numbers now."""
        is_array = [s.is_array for s in self.spots]
        for step in self.program.instructions:
            if step.kind in ("forward", "vjp", "add") and not is_array[step.writes[0]]:
                key = self._key(step)
                if key is not None and key not in self.templates:
                    self.templates[key] = self._written_out(step)

    def _key(self, step: Instruction) -> Any:
        """Return what instructions of the same pattern have in common; None for one that has no place in a table."""
        op: Any = step.op
        if op is None:
            return step.kind
        if not op.is_elementwise:
            return None
        if op.name == "power" and self.spots[step.reads[-1]].role == "constant":
            return op, step.kind, step.operand, float(self.spots[step.reads[-1]].source)
        return op, step.kind, step.operand

    def take(self, step: Instruction) -> bool:
        """Write an instruction down here if it is one of numbers only; return whether it is."""
        kind = step.kind
        if kind == "call":
            if step.run is not calls.same:
                return False
        elif kind == "effect":
            return False
        write = step.writes[0]
        known = self.known
        names = [known[r] for r in step.reads]
        if (None in names and not self._learned(step.reads, names)) or self.spots[write].is_array:
            return False
        if kind == "call":
            self.numbers[write] = known[write] = names[0]  # type: ignore[assignment]
            return True
        template = self.templates.get(self._key(step))
        if template is None:
            return False
        if not self._count:
            self._start = len(self.builder.plan.arrays)
        result = template.result
        base = self._start + self._count
        filled = self._filled.get(id(template))
        if filled is None:
            filled = self._filled[id(template)] = template, [], []
        filled[1].append(self._count)
        filled[2].extend(names)  # type: ignore[arg-type]
        self._count += len(template.codes)
        reads, rows = len(names), len(template.codes)
        if result < reads:
            found = names[result]
        else:
            found = base + result - reads if result < reads + rows else template.constants[result - reads - rows]
        self.numbers[write] = known[write] = found  # type: ignore[assignment]
        return True

    def _learned(self, reads: tuple[int, ...], names: list[int | None]) -> bool:
        """Look up the numbers that other steps made."""
        for i, r in enumerate(reads):
            if names[i] is None:
                found = None if self.spots[r].is_array else self.numbers.get(r)
                if found is None:
                    return False
                names[i] = self.known[r] = found
        return True

    def renewed(self, spots: tuple[int, ...]) -> None:
        """Forget where the numbers of leaves were that have been written since."""
        for n in spots:
            self.known[n] = None

    def flush(self) -> None:
        """Write the table down as a step."""
        count = self._count
        if not count:
            return
        plan = self.builder.plan
        assert len(plan.arrays) == self._start
        plan.arrays += [_NUMBER] * count
        codes, columns = np.empty(count, np.uint8), np.empty((3, count), np.int32)
        for template, bases, operands in self._filled.values():
            at = np.array(bases)
            reads = len(operands) // len(bases)
            given = np.array(operands, np.int32).reshape(len(bases), reads)
            rows = len(template.codes)
            for i, (code, places) in enumerate(zip(template.codes, template.operands, strict=True)):
                codes[at + i] = code
                for column, place in zip(columns, places, strict=True):
                    if place < reads:
                        column[at + i] = given[:, place]
                    elif place < reads + rows:
                        column[at + i] = self._start + at + (place - reads)
                    else:
                        column[at + i] = (*template.constants, -1)[place - reads - rows]
        writes = np.arange(self._start, self._start + count, dtype=np.int32)
        if count < _LEAST:
            for code, reads_, w in zip(codes.tolist(), columns.T.tolist(), writes.tolist(), strict=True):
                plan.steps += elementary(SCALAR_NAMES[code], tuple(r for r in reads_ if r >= 0), w, self.builder)
        else:
            a, b, c = columns.copy()
            plan.steps.append(Scalars(codes, a, b, c, writes))
        self._count = 0
        self._filled = {}

    def _written_out(self, step: Instruction) -> _Template | None:
        """Run an instruction on symbols once."""
        builder = Builder()
        symbols = []
        for r in range(len(step.reads)):
            number = builder.add(Array((), np.dtype(np.float64), "input", r))
            symbols.append(Symbol(builder, number, weak=True, shared=True))
        operands: list[Any] = list(symbols)
        if step.op is not None and step.op.name == "power" and self.spots[step.reads[-1]].role == "constant":
            operands[-1] = float(self.spots[step.reads[-1]].source)
        try:
            with np.errstate(all="ignore"):
                result = symbol_of(builder, _result(step, operands), np.float64)
                result = result.astype(np.float64, copy=False)
        except (UnfoldableError, TypeError, ValueError):
            return None
        builder.plan.outputs = [result.number]
        return self._template(optimise(builder.plan), len(symbols))

    def _template(self, plan: Plan, count: int) -> _Template | None:
        """Name the arrays of a small plan by place."""
        places: dict[int, int] = {n: a.source for n, a in enumerate(plan.arrays) if a.owner == "input"}
        steps = []
        for s in plan.steps:
            if not isinstance(s, Elementwise):
                return None
            steps.append(s)
        codes: list[int] = []
        pending: list[tuple[int, ...]] = []
        for s in steps:
            name, reads = s.name, s.reads
            if name == "astype":
                places[s.write] = places[reads[0]]  # a truth value is 1.0 or 0.0 here
                continue
            if name not in _CODES:
                return None
            pending.append(reads)
            places[s.write] = count + len(codes)
            codes.append(_CODES[name])
        constants: dict[int, int] = {}

        def place(n: int) -> int:
            if n in places:
                return places[n]
            constants.setdefault(n, self.builder.number(float(plan.arrays[n].source), np.float64))
            return count + len(codes) + list(constants).index(n)

        operands = [tuple(map(place, reads)) for reads in pending]
        result = place(plan.outputs[0])
        end = count + len(codes) + len(constants)
        padded = [(*reads, end, end)[:3] for reads in operands]
        filled = [(a, b, c) for a, b, c in padded]
        return _Template(codes, filled, list(constants.values()), result)


def _result(step: Instruction, operands: list[Any]) -> Any:
    """Return what an instruction writes, of Symbols."""
    if step.kind == "add":
        return operands[0] + operands[1]
    op: Any = step.op
    if step.kind == "forward":
        return op.forward(*operands, **step.params)
    g, y, *args = operands
    rule = op.rules[step.operand]
    return scaled(g, rule(y, *args) if callable(rule) else rule, op.singular, False)


def elementary(name: str, reads: tuple[int, ...], write: int, builder: Builder) -> list[Elementwise]:
    """Return a row of a table as steps on arrays, where truth values are no numbers."""
    made = builder.plan.arrays[write]
    if name == "where":
        condition = builder.temp((), np.bool_)
        return [Elementwise("astype", reads[:1], condition), Elementwise(name, (condition, *reads[1:]), write)]
    if name in _TRUTHS:
        truth = builder.temp((), np.bool_)
        return [Elementwise(name, reads, truth), Elementwise("astype", (truth,), write)]
    assert made.dtype == np.float64
    return [Elementwise(name, reads, write)]


_TRUTHS = frozenset(
    "equal not_equal less less_equal greater greater_equal isfinite isnan logical_and logical_or logical_not".split()
)
