"""Running a plan as machine code: stretches of steps by the machine, what it has no instruction for by NumPy.

Needs numba (and SciPy, for its BLAS): ``pip install autograd-lite[jit]``.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address

from autograd_lite.replay import machine_kernel as kernel
from autograd_lite.replay.buffers import lay_out
from autograd_lite.replay.lower import lower
from autograd_lite.replay.machine_code import CELLS, POOL, Numbers, RefusedError, Segment, assemble
from autograd_lite.replay.machine_memory import Memory
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan_groups import grouped
from autograd_lite.replay.plan_steps import perform
from autograd_lite.replay.primitive import Effect, Plan, Step, contiguous, reads_of, writes_of
from autograd_lite.replay.program import Program

__all__ = ["Machine", "build"]

_LONG = 50_000  # arrays of a plan
_DGEMM, _SGEMM = (get_cython_function_address("scipy.linalg.cython_blas", name) for name in ("dgemm", "sgemm"))


def build(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """Return the function that runs a program on the arrays of its inputs and returns those of its outputs, copied."""
    plan = grouped(optimise(lower(program)))
    lay_out(plan)
    return Pool(plan, [program.spots[n].is_array for n in program.outputs])


class Pool:
    """Machines for one plan: each thread that is inside it at the same time has its own.

    Where the plan is long, all share one and take turns, and the plan itself, which takes far more memory, is dropped.

    Attributes
    ----------
    plan : Plan or None
    """

    def __init__(self, plan: Plan, of_arrays: Sequence[bool]) -> None:
        self._idle = [Machine(plan, of_arrays)]
        self._of_arrays = of_arrays
        self.plan = plan if len(plan.arrays) < _LONG else None
        self._turns = threading.Lock()

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        if self.plan is None:
            with self._turns:
                return self._idle[0](inputs)
        try:
            machine = self._idle.pop()
        except IndexError:
            machine = Machine(self.plan, self._of_arrays)
        try:
            return machine(inputs)
        finally:
            self._idle.append(machine)


class Machine:
    """A plan ready to run: ``machine(inputs) -> outputs``.

    Parameters
    ----------
    plan : Plan
        Laid out in memory.
    of_arrays : sequence of bool
        Which outputs are to be arrays; the others are floats.

    Attributes
    ----------
    segments : int
        How many stretches run as machine code.
    refused : list of (Step, str)
        What runs as Python calls, and why.
    """

    def __init__(self, plan: Plan, of_arrays: Sequence[bool]) -> None:
        self.refused: list[tuple[Step, str]] = []
        numbers, slots = Numbers(plan), dict[int, int]()
        parts = self._parted(plan, numbers, slots)
        segments = [part for part in parts if isinstance(part, Segment)]
        self.segments = len(segments)
        by_python = [part for part in parts if not isinstance(part, Segment)]
        touched = {n for step in by_python for n in (*reads_of(step), *writes_of(step))}
        arrays = [n for n, is_array in zip(plan.outputs, of_arrays, strict=True) if is_array]
        given = [*arrays, *(n for step in plan.steps if isinstance(step, Effect) for n in step.reads)]
        fresh = {n for n in map(plan.owner, given) if plan.arrays[n].owner == "temp"}
        floats = [n for n, is_array in zip(plan.outputs, of_arrays, strict=True) if not is_array]
        self._memory = memory = Memory(plan, slots, touched | set(plan.outputs), fresh, floats)
        self._kept = {n for n in given if plan.owner(n) not in fresh and plan.arrays[plan.owner(n)].owner != "leaf"}
        memory.own(CELLS, np.zeros(numbers.count))
        memory.own(POOL, np.array(numbers.pool))
        memory.settle(segments)
        self._parts = [self._prepared(part) for part in parts]
        self._outputs = [
            (n, is_array, is_array and not is_own)
            for n, is_array, is_own in zip(plan.outputs, of_arrays, _own_memory(plan, plan.outputs, fresh), strict=True)
        ]

    def _parted(self, plan: Plan, numbers: Numbers, slots: dict[int, int]) -> list[Segment | Step]:
        """Return the plan as segments and, between them, what the machine refuses."""
        parts: list[Segment | Step] = []
        for step in plan.steps:
            last = parts[-1] if parts else None
            segment = last if isinstance(last, Segment) else Segment(numbers, slots)
            try:
                assemble(plan, step, segment)
            except RefusedError as why:
                self.refused.append((step, str(why)))
                parts.append(step)
            else:
                if segment is not last:
                    parts.append(segment)
        return parts

    def _prepared(self, part: Segment | Step) -> Callable[[], None]:
        memory = self._memory
        if isinstance(part, Segment):
            code = np.array(part.code, np.int64)
            micro = np.concatenate([np.zeros((0, 5), np.int32), *part.micro])
            room = memory.registers, memory.scratch
            run = kernel.run if part.has_singles else kernel.run_doubles
            return functools.partial(run, code, micro, memory.addresses, *room, _DGEMM, _SGEMM)
        if isinstance(part, Effect):
            return functools.partial(self._effect, part)
        return functools.partial(_quietly, part, memory.arrays)

    def _effect(self, step: Effect) -> None:
        arrays = self._memory.arrays
        step.function(*[arrays[n].copy() if n in self._kept else arrays[n] for n in step.reads])
        self._memory.reread()

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        memory = self._memory
        memory.begin(inputs)
        for part in self._parts:
            part()
        arrays, numbers = memory.arrays, iter(memory.floats())
        return [
            (arrays[n].copy() if copy else arrays[n]) if is_array else next(numbers)
            for n, is_array, copy in self._outputs
        ]


def _quietly(step: Step, arrays: dict[int, Any]) -> None:
    with np.errstate(all="ignore"):
        perform(step, arrays)


def _own_memory(plan: Plan, numbers: Sequence[int], fresh: set[int]) -> list[bool]:
    """Return for each array whether it lies in new memory that no array before it shares."""
    taken: dict[int, list[tuple[int, int]]] = {}
    own = []
    for n in numbers:
        array, owner = plan.arrays[n], plan.owner(n)
        strides = array.strides if array.owner == "view" else contiguous(array.shape)
        reach = sum((length - 1) * stride for length, stride in zip(array.shape, strides, strict=True))
        start, stop = array.offset + min(reach, 0), array.offset + max(reach, 0) + 1
        others = taken.setdefault(owner, [])
        clear = all(stop <= a or b <= start for a, b in others) and all(s >= 0 for s in strides)
        own.append(owner in fresh and clear)
        others.append((start, stop))
    return own
