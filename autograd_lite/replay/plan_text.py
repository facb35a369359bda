"""A plan in words: its steps, what is fused, the memory it takes, and an estimate of its work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.replay.buffers import lay_out
from autograd_lite.replay.lower import lower
from autograd_lite.replay.optimise import optimise
from autograd_lite.replay.plan_groups import grouped
from autograd_lite.replay.plan_parts import is_run
from autograd_lite.replay.primitive import (
    SCALAR_NAMES,
    Array,
    Call,
    Effect,
    Elementwise,
    Fill,
    Group,
    Matmul,
    Plan,
    Reduce,
    Scalars,
    Step,
    reads_of,
    writes_of,
)
from autograd_lite.replay.program import Program

__all__ = ["Work", "explained", "fused", "kind_of", "lines", "name_of", "size_text", "work_of"]


class Work(NamedTuple):
    """An estimate: arithmetic operations, every function of a number counting as one, and bytes read and written."""

    operations: int
    bytes: int


def fused(program: Program) -> Plan:
    """Return the plan of a program with its groups, laid out in memory."""
    plan = grouped(optimise(lower(program)))
    lay_out(plan)
    return plan


def explained(program: Program, name: str = "the program") -> str:
    """Return the plan of a program as text.

    Parameters
    ----------
    program : Program
    name : str, optional
        What was recorded.

    Returns
    -------
    str
        What it takes in all, then a line a step: what it computes from what, its shape, operations and bytes.
    """
    plan = fused(program)
    return "\n".join([*heading(program, plan, name), "", *lines(plan)])


def heading(program: Program, plan: Plan, name: str) -> list[str]:
    """Return what is to be said of a plan as a whole."""
    kinds = Counter(kind_of(s) for s in plan.steps)
    inside = sum(len(s.steps) + len(s.sums) for s in plan.steps if isinstance(s, Group))
    works = [work_of(plan, s) for s in plan.steps]
    operations, moved = sum(w.operations for w in works), sum(w.bytes for w in works)
    owned = [plan.arrays[n].nbytes for n in plan.places]
    made = {w for s in plan.steps if isinstance(s, Group) for w in (x.write for x in s.steps)}
    registers = sum(1 for n in made if plan.owner(n) not in plan.places and plan.owner(n) not in plan.fresh)
    counted = ", ".join(f"{n} {kind}{'' if n == 1 else 's' if kind[-1] != 's' else ''}" for kind, n in kinds.items())
    said = [
        f"plan of {name}: {len(program.instructions):,} instructions, in {len(plan.steps):,} steps ({counted})",
        f"fusion: {inside:,} elementwise steps and reductions in {kinds['group']} groups, "
        f"{registers:,} results in registers alone",
        f"memory: {size_text(plan.arena)} for {len(owned):,} arrays of {size_text(sum(owned))}; "
        f"{size_text(sum(plan.arrays[n].nbytes for n in plan.fresh))} anew in each run, for results",
        f"work: about {_count(operations)} operations and {size_text(moved)} read and written, "
        f"{operations / max(moved, 1):.2f} operations a byte",
    ]
    calls = Counter(s.name for s in plan.steps if isinstance(s, Call))
    if calls:
        said.append("calls of Python: " + ", ".join(k if n == 1 else f"{k} ({n})" for k, n in calls.items()))
    return said


def lines(plan: Plan) -> list[str]:
    """Return a line for each step."""
    rows = [(str(i), kind_of(s), _told(plan, s), work_of(plan, s)) for i, s in enumerate(plan.steps)]
    wide = min(max((len(r[2]) for r in rows), default=0), 100)
    number = len(str(len(rows)))
    return [
        f"{i:>{number}}  {kind:7}  {told:{wide}}  {_count(work.operations):>7} op  {size_text(work.bytes):>9}"
        for i, kind, told, work in rows
    ]


def kind_of(step: Step) -> str:
    """Return the kind of a step, in a word."""
    return {Elementwise: "map", Reduce: "sum", Matmul: "matmul", Fill: "fill", Call: "call", Effect: "effect",
            Group: "group", Scalars: "table"}[type(step)]  # fmt: skip


def work_of(plan: Plan, step: Step) -> Work:
    """Estimate what a step does and moves."""
    arrays = plan.arrays
    if isinstance(step, Scalars):
        return Work(len(step.codes), 8 * (len(reads_of(step)) + len(step.codes)))
    moved = sum(_touched(arrays[n]) for n in (*reads_of(step), *writes_of(step)))
    match step:
        case Matmul(a, _, write):
            return Work(2 * arrays[write].size * arrays[a].shape[-1], moved)
        case Elementwise(write=write):
            return Work(arrays[write].size, moved)
        case Reduce(read=read):
            return Work(arrays[read].size, moved)
        case Group(steps, shape, _, sums):
            return Work(math.prod(shape) * (len(steps) + len(sums)), moved)
    return Work(0, moved)


def _touched(array: Array) -> int:
    """Return the bytes of an array, those that are repeated counted once."""
    if array.owner != "view":
        return array.nbytes
    return array.dtype.itemsize * math.prod(n for n, s in zip(array.shape, array.strides, strict=True) if s)


def name_of(plan: Plan, number: int) -> str:
    """Return what an array is called in the text."""
    array = plan.arrays[number]
    if array.owner == "view":
        return name_of(plan, array.source) + _aspect(array, plan.arrays[array.source])
    if array.owner == "input":
        return f"in{array.source}"
    if array.owner == "leaf":
        return getattr(array.source, "label", None) or f"leaf{number}"
    if array.owner == "constant":
        return f"{array.source.item():.6g}" if not array.shape and array.frozen else f"const{number}"
    return f"t{number}"


def _aspect(view: Array, owner: Array) -> str:
    if 0 in view.strides and math.prod(n for n, s in zip(view.shape, view.strides, strict=True) if s) == owner.size:
        return ""  # broadcast
    if view.size == owner.size and view.shape == owner.shape[::-1] and not is_run(view):
        return ".T"
    if view.size == owner.size:
        return f".{'reshape' if is_run(view) else 'transposed'}{view.shape}"
    return f"[{view.offset}:]{view.shape}"


def _told(plan: Plan, step: Step) -> str:
    def named(n: int) -> str:
        return name_of(plan, n)

    def listed(numbers: Any) -> str:
        return _shortened(list(map(named, numbers)), 4) or "nothing"

    match step:
        case Elementwise(name, reads, write):
            return f"{named(write)} = {name}({listed(reads)})  {_shape(plan, write)}"
        case Reduce():
            return _summed(step, named) + f"  of {_shape(plan, step.read)}"
        case Matmul(a, b, write, accumulate):
            return f"{named(write)} {'+' if accumulate else ''}= {named(a)} @ {named(b)}  {_shape(plan, write)}"
        case Fill(value, write):
            return f"{named(write)} = {value}  {_shape(plan, write)}"
        case Call(_, reads, writes, _, name):
            return f"{listed(w for w in writes if w >= 0)} = {name}({listed(reads)})"
        case Effect(_, reads, _, name):
            return f"{name}({listed(reads)})"
        case Group(steps, shape, stores, sums):
            chain = _shortened([s.name for s in steps])
            results = [named(w) for w in stores] + [_summed(s, named) for s in sums]
            return f"{shape}: {chain}{' -> ' if chain else ''}{', '.join(results)}"
        case Scalars(codes):
            names = Counter(SCALAR_NAMES[c] for c in codes.tolist())
            return f"{len(codes):,} numbers: " + _shortened([f"{k} {n:,}" for k, n in names.most_common()])
    return ""


def _summed(step: Reduce, named: Callable[[int], str]) -> str:
    kind = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}.get(step.name, step.name)
    axes = ", ".join(map(str, step.axes))
    return f"{named(step.write)} = {kind}({named(step.read)}, axis {axes})"


def _shape(plan: Plan, number: int) -> str:
    array = plan.arrays[number]
    return f"{array.shape}" + ("" if array.dtype == np.float64 else f" {array.dtype}")


def _shortened(names: list[str], most: int = 8) -> str:
    shown = names[:most]
    return ", ".join(shown) + (f", … {len(names) - most} more" if len(names) > most else "")


def size_text(nbytes: float) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> size_text(512), size_text(20_480), size_text(3_500_000)
    ('512 B', '20.0 KiB', '3.3 MiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.0f} B" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return f"{nbytes:.1f} GiB"


def _count(n: float) -> str:
    for unit in ("", "k", "M"):
        if n < 1000:
            return f"{n:.0f}{unit}" if unit == "" or n >= 100 else f"{n:.3g}{unit}"
        n /= 1000
    return f"{n:.3g}G"
