"""Running a plan as machine code: stretches of steps by the machine, what it has no instruction for by NumPy.

Needs numba (and SciPy, for its BLAS): ``pip install autograd-lite[jit]``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address

from autograd_lite.replay import machine_kernel as kernel
from autograd_lite.replay.machine_code import CELLS, POOL, Numbers, RefusedError, Segment, assemble
from autograd_lite.replay.machine_memory import Memory
from autograd_lite.replay.primitive import Effect, Plan, Step, reads_of, writes_of

__all__ = ["Machine"]

_DGEMM, _SGEMM = (get_cython_function_address("scipy.linalg.cython_blas", name) for name in ("dgemm", "sgemm"))


class Machine:
    """A plan ready to run: ``machine(inputs) -> outputs``.

    Parameters
    ----------
    plan : Plan
        Laid out in memory.
    by_numpy : callable
        ``by_numpy(step, arrays)`` runs a step that the machine refuses, on the list of all arrays by number.

    Attributes
    ----------
    segments : list of Segment
        What runs as machine code.
    refused : list of (Step, str)
        What runs as Python calls, and why.
    """

    def __init__(self, plan: Plan, by_numpy: Callable[[Step, list[Any]], None]) -> None:
        self.segments: list[Segment] = []
        self.refused: list[tuple[Step, str]] = []
        self._by_numpy = by_numpy
        numbers, slots = Numbers(plan), dict[int, int]()
        parts: list[Segment | Step] = []
        for step in plan.steps:
            segment = parts[-1] if parts and isinstance(parts[-1], Segment) else Segment(numbers, slots)
            try:
                assemble(plan, step, segment)
            except RefusedError as why:
                self.refused.append((step, str(why)))
                parts.append(step)
            else:
                if not (parts and parts[-1] is segment):
                    parts.append(segment)
        self.segments = [part for part in parts if isinstance(part, Segment)]
        by_python = [part for part in parts if not isinstance(part, Segment)]
        wanted = {n for step in by_python for n in (*reads_of(step), *writes_of(step))} | set(plan.outputs)
        self._memory = memory = Memory(plan, slots, wanted)
        for segment in self.segments:
            memory.give(segment)
        memory.own(CELLS, np.zeros(numbers.count))
        memory.own(POOL, np.array(numbers.pool))
        memory.settle()
        self._parts = [self._prepared(part) for part in parts]
        self._outputs = [(n, plan.owner(n) in plan.fresh) for n in plan.outputs]

    def _prepared(self, part: Segment | Step) -> Callable[[], None]:
        memory = self._memory
        if isinstance(part, Segment):
            code = np.array(part.code, np.int64)
            micro = np.concatenate([np.zeros((0, 5), np.int32), *part.micro])
            registers, scratch = memory.registers, memory.scratch
            part.code, part.micro = [], []
            return functools.partial(kernel.run, code, micro, memory.addresses, registers, scratch, _DGEMM, _SGEMM)
        if isinstance(part, Effect):
            return functools.partial(self._effect, part)
        return functools.partial(self._by_numpy, part, memory.arrays)

    def _effect(self, step: Effect) -> None:
        arrays = self._memory.arrays
        step.function(*[arrays[n] for n in step.reads])
        self._memory.reread()

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        self._memory.begin(inputs)
        for part in self._parts:
            part()
        arrays = self._memory.arrays
        return [arrays[n] if fresh else arrays[n].copy() for n, fresh in self._outputs]
