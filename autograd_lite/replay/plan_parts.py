"""Results computed where they are wanted: in a part of an array into which they would be copied."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_lite.replay.plan_builder import restrided
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
    contiguous,
    reads_of,
    writes_of,
)

__all__ = ["assigned", "is_run", "placed_at_once", "written_parts"]


def written_parts(plan: Plan) -> Counter[int]:
    """Return how often each array, or a part of it, is written; the numbers of tables, written once, are left out."""
    return Counter(plan.owner(w) for s in plan.steps if not isinstance(s, Scalars) for w in writes_of(s))


def placed_at_once(plan: Plan) -> Plan:
    """Return the plan with results computed where they are copied to, if that is their one place.

    So the states of a recurrent network, collected in one array, are computed there, and gradients where an optimiser
    wants them.
    """
    arrays = list(plan.arrays)
    written = written_parts(plan)
    parts = _collected(plan)
    makers = {s.write: s for s in plan.steps if isinstance(s, (Elementwise, Reduce, Matmul))}
    handed = (s.reads for s in plan.steps if isinstance(s, Effect) and not s.borrows)
    given = {plan.owner(n) for reads in handed for n in reads}
    views: dict[int, list[int]] = {}
    used = {n for s in plan.steps if not isinstance(s, Scalars) for n in (*reads_of(s), *writes_of(s))}
    used.update(plan.outputs, *(reads_of(s) for s in plan.steps if isinstance(s, Scalars)))
    for n in used:
        if arrays[n].owner == "view":
            views.setdefault(arrays[n].source, []).append(n)
    same: dict[int, int] = {}
    gone: set[int] = set()
    for position, step in enumerate(plan.steps):
        if not (isinstance(step, Elementwise) and step.name == "copy" and step.write in parts):
            continue
        (read,) = step.reads
        source = plan.owner(read)
        maker = makers.get(source)
        if maker is None or arrays[source].owner != "temp" or source in same or source in given or written[source] != 1:
            continue
        target = _as_part(arrays[read], arrays[source], arrays[step.write])
        if target is None or (isinstance(maker, Matmul) and target.strides != contiguous(target.shape)):
            continue
        moved = [_composed(arrays[v], target.shape, target) for v in views.get(source, [])]
        if any(m is None for m in moved):
            continue
        for n, m in zip((source, *views.get(source, ())), (target, *moved), strict=True):
            assert m is not None
            arrays.append(m)
            same[n] = len(arrays) - 1
        gone.add(position)
    steps = [_with(step, same) for i, step in enumerate(plan.steps) if i not in gone]
    return Plan(arrays, steps, [same.get(n, n) for n in plan.outputs])


def _as_part(read: Array, source: Array, part: Array) -> Array | None:
    """Return an array as a view of the part to which it, or the whole of it in another shape, is copied."""
    if read.shape != part.shape or read.dtype != part.dtype:
        return None
    strides: tuple[int, ...] | None = part.strides
    if read is not source:
        if read.offset or read.size != source.size or not is_run(read):
            return None
        strides = restrided(part.shape, part.strides, source.shape)
        if strides is None:
            return None
        own = contiguous(source.shape)
        strides = tuple(t if n == 1 else s for n, s, t in zip(source.shape, strides, own, strict=True))
    return Array(source.shape, source.dtype, "view", part.source, part.offset, strides or ())


def is_run(view: Array) -> bool:
    """Return whether the entries of a view lie side by side, in order."""
    own = contiguous(view.shape)
    return all(n == 1 or s == t for n, s, t in zip(view.shape, view.strides, own, strict=True))


def assigned(plan: Plan) -> Plan:
    """Return the plan with parts that are added to zeros, each entry once, simply put there.

    As where the gradients of slices come together; the zeros are left out where nothing of them remains.
    """
    writers: dict[int, list[int]] = {}
    first_read: dict[int, int] = {}
    for i, step in enumerate(plan.steps):
        if isinstance(step, Scalars):
            continue
        for owner in dict.fromkeys(map(plan.owner, writes_of(step))):
            writers.setdefault(owner, []).append(i)
        for n in reads_of(step):
            if not _adds_to(step, n):
                first_read.setdefault(plan.owner(n), i)
    steps: list[Step | None] = list(plan.steps)
    for owner, (start, *others) in writers.items():
        fill = plan.steps[start]
        if not (others and isinstance(fill, Fill) and fill.value == 0 and fill.write == owner):
            continue
        if first_read.get(owner, len(steps)) < others[-1]:
            continue
        put = [s for i in others if (s := _as_copy(plan.steps[i])) is not None]
        paint = _painted(plan, owner, [s.write for s in put]) if len(put) == len(others) else None
        if paint is None or paint.max(initial=0) > 1:
            continue
        for i, s in zip(others, put, strict=True):
            steps[i] = s
        if paint.all():
            steps[start] = None
    return Plan(plan.arrays, [s for s in steps if s is not None], plan.outputs)


def _adds_to(step: Step, number: int) -> bool:
    """Return whether a step is ``part += x``, and reads this array only for that."""
    if not isinstance(step, Elementwise) or step.name != "add":
        return False
    return step.reads[0] == step.write == number != step.reads[1]


def _as_copy(step: Step) -> Elementwise | None:
    """Return ``part = x`` for ``part += x``, and for itself."""
    if not isinstance(step, Elementwise):
        return None
    if _adds_to(step, step.write):
        return Elementwise("copy", step.reads[1:], step.write)
    return step if step.name == "copy" and step.write not in step.reads else None


def _painted(plan: Plan, owner: int, views: list[int]) -> np.ndarray[Any, Any] | None:
    """Return how many of the views show each entry of an array; None if it is too large to be worth it."""
    size = plan.arrays[owner].size
    if size > 1 << 24:
        return None
    paint = np.zeros(size, np.uint8)
    for v in views:
        array = plan.arrays[v]
        if array.owner != "view":
            paint += 1
        elif array.size:
            as_strided(paint[array.offset :], array.shape, array.strides)[...] += 1
    return paint


def _collected(plan: Plan) -> set[int]:
    """Return the parts of temps that are written once each, by copies, so that it does not matter when."""
    parts: dict[int, list[int]] = {}
    other: set[int] = set()
    updated: set[int] = set()  # parts that are computed on where they are
    for step in plan.steps:
        for w in () if isinstance(step, Scalars) else writes_of(step):
            owner = plan.owner(w)
            if not isinstance(step, Elementwise) or w == owner:
                other.add(owner)
            elif w in step.reads:
                updated.add(w)
            else:
                parts.setdefault(owner, []).append(w)
    found: set[int] = set()
    for owner, views in parts.items():
        paint = None if owner in other else _painted(plan, owner, views)
        if paint is not None and paint.max(initial=0) <= 1:
            found.update(v for v in views if v not in updated)
    return found


def _composed(view: Array, shape: tuple[int, ...], target: Array) -> Array | None:
    """Return a view of an array of this shape as one of the part that the array has become."""
    if is_run(target):
        return replace(view, source=target.source, offset=target.offset + view.offset)
    own = contiguous(shape)
    start = list(np.unravel_index(view.offset, shape)) if view.size else [0] * len(shape)
    at = [int(i) for i in start]
    reach = list(at)
    strides = []
    for n, s in zip(view.shape, view.strides, strict=True):
        if n == 1 or s == 0:
            strides.append(0)
            continue
        axis = next((i for i, (t, m) in enumerate(zip(own, shape, strict=True)) if m > 1 and t <= abs(s)), None)
        if axis is None or s % own[axis] or s < 0:
            return None
        step = s // own[axis]
        reach[axis] += step * (n - 1)
        if reach[axis] >= shape[axis]:
            return None
        strides.append(step * target.strides[axis])
    offset = target.offset + sum(i * t for i, t in zip(at, target.strides, strict=True))
    return Array(view.shape, view.dtype, "view", target.source, offset, tuple(strides))


def _with(step: Step, same: dict[int, int]) -> Step:
    def at(n: int) -> int:
        return same.get(n, n)

    match step:
        case Elementwise(name, reads, write):
            return Elementwise(name, tuple(map(at, reads)), at(write))
        case Reduce(name, read, write, axes):
            return Reduce(name, at(read), at(write), axes)
        case Matmul(a, b, write, accumulate):
            return Matmul(at(a), at(b), at(write), accumulate)
        case Call(function, reads, writes, pure, name):
            return Call(function, tuple(map(at, reads)), tuple(map(at, writes)), pure, name)
        case Effect(reads=reads):
            return replace(step, reads=tuple(map(at, reads)))
        case Fill(value, write):
            return Fill(value, at(write))
        case Scalars():
            return step
    return step
