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
        self.spots = program.spots
        self.builder = builder
        self.numbers = numbers
        self.single = [not s.is_array for s in program.spots]
        self.templates: dict[Any, _Template | None] = {}
        self._start = 0
        self._clear()

    def _clear(self) -> None:
        self.codes: list[int] = []
        self.reads: list[tuple[int, int, int]] = []
        self.instructions: list[Instruction] = []

    def take(self, step: Instruction) -> bool:
        """Write an instruction down here if it is one of numbers only; return whether it is."""
        kind = step.kind
        single = self.single
        if kind == "forward" or kind == "vjp":
            op: Any = step.op
            if not op.is_elementwise:
                return False
            key: Any = (kind, op.name, step.operand)
            if op.name == "power" and self.spots[step.reads[-1]].role == "constant":
                key = (*key, float(self.spots[step.reads[-1]].source))
        elif kind == "add":
            key = kind
        elif kind == "call" and step.run is calls.same and single[step.reads[0]]:
            known = self.numbers.get(step.reads[0])
            if known is not None:
                self.numbers[step.writes[0]] = known
            return known is not None
        else:
            return False
        if not single[step.writes[0]]:
            return False
        for r in step.reads:
            if not single[r] or r not in self.numbers:
                return False
        template = self.templates.get(key, _MISSING)
        if template is _MISSING:
            self.flush()
            template = self.templates[key] = self._written_out(step)
        if template is None:
            return False
        codes, operands, constants, result = template
        if not self.codes:
            self._start = len(self.builder.plan.arrays)
        base = self._start + len(self.codes)
        names = [self.numbers[r] for r in step.reads]
        names += range(base, base + len(codes))
        names += constants
        names.append(-1)
        self.codes += codes
        self.reads += [(names[a], names[b], names[c]) for a, b, c in operands]
        self.numbers[step.writes[0]] = names[result]
        return True

    def flush(self) -> None:
        """Write the table down as a step."""
        count = len(self.codes)
        if not count:
            return
        plan = self.builder.plan
        assert len(plan.arrays) == self._start
        plan.arrays += [_NUMBER] * count
        if count < _LEAST:
            for i, (code, reads) in enumerate(zip(self.codes, self.reads, strict=True)):
                given = tuple(r for r in reads if r >= 0)
                plan.steps += elementary(SCALAR_NAMES[code], given, self._start + i, self.builder)
        else:
            a, b, c = np.array(self.reads, np.int32).reshape(count, 3).T.copy()
            writes = np.arange(self._start, self._start + count, dtype=np.int32)
            plan.steps.append(Scalars(np.array(self.codes, np.uint8), a, b, c, writes))
        self._clear()

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


_MISSING: Any = object()


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
