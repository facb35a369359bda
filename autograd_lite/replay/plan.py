"""Running a plan with NumPy alone: one Python function, made of calls that write into memory laid out beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite.replay.buffers import aligned, lay_out
from autograd_lite.replay.lower import lower
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan_scalars import Levels, TableRun
from autograd_lite.replay.plan_source import Source, part_of
from autograd_lite.replay.primitive import (
    Plan,
)
from autograd_lite.replay.program import Program

__all__ = ["Run", "build", "memory_of", "planned"]


def planned(program: Program) -> Plan:
    """Return a program as a plan, optimised and with its memory laid out, one NumPy call (or two) a step."""
    plan = optimise(lower(program))
    lay_out(plan)
    return plan


def build(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """Make a program fast.

    Parameters
    ----------
    program : Program

    Returns
    -------
    callable
        ``run(inputs) -> outputs``: from the arrays (and floats) of the flattened arguments to those that the recorded
        function returned, in memory of their own.
    """
    return Run(planned(program), [program.spots[r].is_array for r in program.outputs])


class Run:
    """A plan that can be called; each thread that is inside it at the same time has memory of its own."""

    def __init__(self, plan: Plan, of_arrays: Sequence[bool]) -> None:
        self.plan = plan
        self.of_arrays = of_arrays
        source = Source(plan, of_arrays)
        self.source, self._bound = source.text()
        self._tables = [(wanted, Levels(t)) for t, wanted in source.tables]
        self._named = {*source.used, *(plan.owner(n) for n in source.used)}
        self._code = compile(self.source, "<plan>", "exec")
        self._idle = [self._instance()]

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        try:
            run = self._idle.pop()
        except IndexError:
            run = self._instance()
        try:
            return run(inputs)  # type: ignore[no-any-return]
        finally:
            self._idle.append(run)

    def _instance(self) -> Any:
        namespace = dict(self._bound)
        arena = aligned(self.plan.arena)
        for number, place in self.plan.places.items():
            if number in self._named:
                array = self.plan.arrays[number]
                namespace[f"a{number}"] = np.ndarray(array.shape, array.dtype, arena, place)
        for i, (wanted, levels) in enumerate(self._tables):
            start = self.plan.places[wanted[0]] if wanted else 0
            block = np.ndarray((len(wanted),), np.float64, arena, start)
            namespace[f"s{i}"] = TableRun(self.plan, wanted, block, levels)
        for number in self._named:
            array = self.plan.arrays[number]
            if array.owner == "view" and (whole := namespace.get(f"a{array.source}")) is not None:
                namespace[f"a{number}"] = part_of(whole, array)
        exec(self._code, namespace)  # our own text, of names and numbers that `_written` made
        return namespace["run"]


def memory_of(plan: Plan, inputs: Sequence[Any]) -> list[Any]:
    """Return the arrays of a plan by number, for a run step by step; None for registers of groups."""
    arrays: list[Any] = [None] * len(plan.arrays)
    arena = aligned(plan.arena)
    for n, array in enumerate(plan.arrays):
        if array.owner == "temp" and n in plan.places:
            arrays[n] = np.ndarray(array.shape, array.dtype, arena, plan.places[n])
        elif array.owner == "temp" and (n in plan.fresh or not array.size):
            arrays[n] = np.empty(array.shape, array.dtype)
        elif array.owner == "input":
            arrays[n] = np.asarray(inputs[array.source])
        elif array.owner == "leaf":
            arrays[n] = np.asarray(array.source._data)
        elif array.owner == "constant":
            arrays[n] = np.asarray(array.source)
    for n, array in enumerate(plan.arrays):
        if array.owner == "view" and arrays[array.source] is not None:
            arrays[n] = part_of(np.ascontiguousarray(arrays[array.source]).reshape(arrays[array.source].shape), array)
    return arrays
