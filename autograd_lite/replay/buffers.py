"""Memory for a plan: one arena, in which arrays whose lives do not overlap lie in the same place."""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from autograd_lite.replay.plan_parts import is_run
from autograd_lite.replay.primitive import (
    Call,
    Effect,
    Elementwise,
    Group,
    Plan,
    Scalars,
    Step,
    reads_of,
    writes_of,
)

__all__ = ["ALIGNED", "aligned", "exports", "lay_out", "lives"]

ALIGNED = 64


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Return so many bytes of zeros, from the start of a cache line on."""
    memory = np.zeros(nbytes + ALIGNED, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNED
    return memory[start : start + nbytes]


def lay_out(plan: Plan) -> None:
    """Give every temp its place in the arena (``plan.places``, ``plan.arena``), or find that it is ``plan.fresh``."""
    first, last = lives(plan)
    plan.fresh = _leaving(plan)
    plan.places = {}
    arena = _Arena()
    exported = exports(plan)
    kept = {n for block in exported.values() for n in block}
    ending: dict[int, list[int]] = {}
    for number, position in last.items():
        ending.setdefault(position, []).append(number)
    for position, step in enumerate(plan.steps):
        if isinstance(step, Scalars):  # side by side, and for good
            block = exported[id(step)]
            start = arena.taken(8 * len(block))
            plan.places.update(zip(block, range(start, start + 8 * len(block), 8), strict=True))
            continue
        dying = {n for n in ending.get(position, ()) if n in plan.places and n not in kept}
        for w in dict.fromkeys(map(plan.owner, writes_of(step))):
            if w in plan.places or w in plan.fresh or plan.arrays[w].owner != "temp":
                continue
            heir = _in_place(plan, step, w, dying)
            if heir is not None:
                dying.discard(heir)
                plan.places[w] = plan.places[heir]
            else:
                plan.places[w] = arena.taken(plan.arrays[w].nbytes)
        if isinstance(step, Call):
            dying.update(w for w in step.writes if w >= 0 and last[w] == position and w in plan.places)
        for n in dying | {w for w in map(plan.owner, writes_of(step)) if last[w] == position and w in plan.places}:
            arena.given_back(plan.places[n], plan.arrays[n].nbytes)
    plan.arena = arena.size
    assert all(first[n] <= last[n] for n in last)


def exports(plan: Plan) -> dict[int, list[int]]:
    """Return for each table (by ``id``) the numbers that outputs and other steps want of it, in its order."""
    tables = [s for s in plan.steps if isinstance(s, Scalars)]
    if not tables:
        return {}
    wanted = np.array(sorted({n for s in plan.steps for n in reads_of(s)} | set(plan.outputs)), np.int64)
    return {id(t): t.writes[np.isin(t.writes, wanted)].tolist() for t in tables}


def lives(plan: Plan) -> tuple[dict[int, int], dict[int, int]]:
    """Return the positions of the steps that first write and last touch each temp; outputs live to the end."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, step in enumerate(plan.steps):
        for number in reads_of(step) if isinstance(step, Scalars) else (*reads_of(step), *writes_of(step)):
            owner = plan.owner(number)
            if plan.arrays[owner].owner == "temp":
                first.setdefault(owner, position)
                last[owner] = position
    for number in plan.outputs:
        owner = plan.owner(number)
        if owner in last:
            last[owner] = len(plan.steps)
    return first, last


def is_reshaped(plan: Plan, number: int) -> bool:
    """Return whether an array is the whole of another in another shape."""
    array = plan.arrays[number]
    return array.owner == "view" and array.size == plan.arrays[array.source].size and not array.offset and is_run(array)


def _leaving(plan: Plan) -> set[int]:
    """Return the temps that leave the plan and can be computed into memory of their own: written as a whole, once."""
    leaving = set(plan.outputs).union(*(s.reads for s in plan.steps if isinstance(s, Effect) and not s.borrows))
    leaving = {n for n in leaving if plan.arrays[n].owner == "temp"}
    leaving.difference_update(plan.owner(n) for n in plan.outputs if plan.arrays[n].owner == "view")
    writers: dict[int, int] = {}
    for step in plan.steps:
        if isinstance(step, (Group, Scalars)):
            leaving.difference_update(reads_of(step), writes_of(step) if leaving else ())
            continue
        read = [n for n in reads_of(step) if not is_reshaped(plan, n)]
        for number in (*read, *writes_of(step)):
            if plan.arrays[number].owner == "view":
                leaving.discard(plan.owner(number))
        for w in writes_of(step):
            writers[w] = writers.get(w, 0) + 1
    return {n for n in leaving if writers.get(n) == 1}


def _in_place(plan: Plan, step: Step, write: int, dying: set[int]) -> int | None:
    """Return an array whose memory the step may overwrite while it reads it, entry for entry."""
    target = plan.arrays[write]
    if isinstance(step, Elementwise) and step.write == write and step.name not in ("erf", "erfc"):
        reads, domain = (step.reads[2:] if step.name == "where" else step.reads), target.shape
        seen = step.reads[:2] if step.name == "where" else ()
    elif isinstance(step, Group) and target.shape == step.shape:
        reads, domain, seen = reads_of(step), step.shape, ()
    else:
        return None
    owners = [plan.owner(r) for r in reads_of(step)]
    for r in reads:
        array = plan.arrays[r]
        alone = owners.count(r) == reads_of(step).count(r) and r not in seen
        if r in dying and alone and array.shape == domain and array.dtype.itemsize == target.dtype.itemsize:
            return r
    return None


class _Arena:
    """Free stretches of a growing piece of memory, by position."""

    def __init__(self) -> None:
        self.size = 0
        self.free: list[tuple[int, int]] = []  # (start, bytes), sorted, no two of them adjacent

    def taken(self, nbytes: int) -> int:
        """Return the start of the smallest free stretch that suffices, or of new memory."""
        needed = _rounded(nbytes)
        fitting = [(n, start) for start, n in self.free if n >= needed]
        if not fitting:
            if self.free and sum(self.free[-1]) == self.size:  # the last stretch grows
                start, _ = self.free.pop()
            else:
                start = self.size
            self.size = start + needed
            return start
        n, start = min(fitting)
        self.free.remove((start, n))
        if n > needed:
            bisect.insort(self.free, (start + needed, n - needed))
        return start

    def given_back(self, start: int, nbytes: int) -> None:
        """Take a stretch back, joining it to its neighbours."""
        n = _rounded(nbytes)
        i = bisect.bisect(self.free, (start, 0))
        if i < len(self.free) and self.free[i][0] == start + n:
            n += self.free.pop(i)[1]
        if i and sum(self.free[i - 1]) == start:
            start, before = self.free.pop(i - 1)
            n += before
        bisect.insort(self.free, (start, n))


def _rounded(nbytes: int) -> int:
    return max(-(-nbytes // ALIGNED), 1) * ALIGNED
