"""Leaving out of a plan what need not be computed: constants, copies, repetitions, and what nobody reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd_lite.replay.plan_dead import without_dead
from autograd_lite.replay.plan_parts import assigned, placed_at_once, written_parts
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

__all__ = ["optimise"]

_LARGEST = 1 << 16  # entries that are computed ahead of time


def optimise(plan: Plan) -> Plan:
    """Return a plan that computes the same with fewer steps.

    Constants are folded, steps that give what is there already are left out (a copy, ``x * 1``, the same step again),
    results that are copied into a part of an array are written there at once, and what nobody reads is not computed.
    No number changes but by the rounding of an equal step.
    """
    plan = _simplified(plan)
    plan = without_dead(plan)
    plan = placed_at_once(assigned(plan))
    return without_dead(plan)


class _Rewriting:
    """One pass over the steps, in which arrays may turn out to be other arrays."""

    def __init__(self, plan: Plan) -> None:
        self.plan = Plan(list(plan.arrays), [], list(plan.outputs))
        self.same: dict[int, int] = {}
        self.views: dict[tuple[Any, ...], int] = {}
        self.viewed = {a.source for a in plan.arrays if a.owner == "view"}
        self.written = written_parts(plan)
        self.versions: Counter[int] = Counter()
        self.known: dict[Any, int] = {}
        self.eras = [0]  # how many effects come before each step
        for s in plan.steps:
            self.eras.append(self.eras[-1] + isinstance(s, Effect))
        self.at = 0
        self.until = _last_eras(plan, self.eras)
        self.numbers: dict[tuple[str, bytes], int] = {}

    def array(self, number: int) -> Array:
        return self.plan.arrays[number]

    def add(self, array: Array) -> int:
        self.plan.arrays.append(array)
        return len(self.plan.arrays) - 1

    def resolved(self, number: int) -> int:
        """Return what an array turned out to be."""
        found = self.same.get(number)
        if found is not None:
            return found
        array = self.array(number)
        if array.owner == "view" and array.source in self.same:
            found = self._moved(array, self.same[array.source])
            self.same[number] = found
            return found
        return number

    def _moved(self, view: Array, owner: int) -> int:
        """Return a view of what the owner turned out to be: a whole array, or one number everywhere."""
        base = self.array(owner)
        if base.owner == "view":  # a number repeated
            return self.view(base.source, view.shape, 0, (0,) * len(view.shape))
        if view.shape == base.shape and view.offset == 0 and view.strides == contiguous(view.shape):
            return owner
        return self.view(owner, view.shape, view.offset, view.strides)

    def view(self, owner: int, shape: tuple[int, ...], offset: int, strides: tuple[int, ...]) -> int:
        if not shape and not self.array(owner).shape:
            return owner
        key = (owner, shape, offset, strides)
        if key not in self.views:
            self.views[key] = self.add(Array(shape, self.array(owner).dtype, "view", owner, offset, strides))
        return self.views[key]

    def version(self, number: int) -> tuple[int, int]:
        """Return an array as part of a key that is equal while the array's entries are."""
        return number, self.versions[self.plan.owner(number)]

    def alias(self, write: int, to: int) -> bool:
        """Let an array be another from now on, if its views can be views of that."""
        whole = self.array(to).owner != "view" or _is_number(self, to)
        if self.array(to).shape != self.array(write).shape or not (whole or write not in self.viewed):
            return False
        owner = self.plan.owner(to)
        if self.array(owner).owner == "temp" and self.written[owner] > 1:
            return False
        self.same[write] = to
        return True

    def constant(self, write: int, value: Any) -> bool:
        """Let an array be constant from now on."""
        value = np.ascontiguousarray(value).reshape(np.shape(value))
        array = self.array(write)
        if value.size > 1 and value.dtype.kind in "biuf" and (value == value.flat[0]).all() and value.flat[0] != 0:
            value = value.reshape(-1)[:1].reshape(())
        if not value.shape:
            number = self.number(value)
            repeated = number if not array.shape else self.view(number, array.shape, 0, (0,) * len(array.shape))
            return self.alias(write, repeated)
        value.flags.writeable = False
        return self.alias(write, self.add(Array(value.shape, value.dtype, "constant", value, frozen=True)))

    def number(self, value: Any) -> int:
        key = (value.dtype.str, value.tobytes())
        if key not in self.numbers:
            self.numbers[key] = self.add(Array((), value.dtype, "constant", value.copy(), frozen=True))
        return self.numbers[key]


def _last_eras(plan: Plan, eras: list[int]) -> dict[int, int]:
    """Return for each array in which era it, or a part of it, is read last; what leaves the plan is read in the end."""
    last: dict[int, int] = {}
    for step, era in zip(plan.steps, eras, strict=False):
        for n in reads_of(step):
            last[plan.owner(n)] = len(eras) if isinstance(step, Effect) else era
    last.update((plan.owner(n), len(eras)) for n in plan.outputs)
    return last


def value_of(plan: Plan, number: int) -> Any:
    """Return the entries of an array that nobody can change; None for the others."""
    array = plan.arrays[number]
    if array.owner == "constant":
        return array.source if array.frozen else None
    if array.owner != "view" or not plan.arrays[array.source].frozen:
        return None
    whole = np.ascontiguousarray(plan.arrays[array.source].source).reshape(-1)
    strides = tuple(s * array.dtype.itemsize for s in array.strides)
    return as_strided(whole[array.offset :] if array.size else whole, array.shape, strides, writeable=False)


def _is_number(state: _Rewriting, number: int) -> bool:
    array = state.array(number)
    return array.owner == "view" and state.array(array.source).frozen and not state.array(array.source).shape


def _simplified(plan: Plan) -> Plan:
    state = _Rewriting(plan)
    with np.errstate(all="ignore"):
        for state.at, step in enumerate(plan.steps):
            step = _renamed(step, state)
            if isinstance(step, Scalars):
                state.plan.steps.append(step)
                continue
            once = all(plan.arrays[w].owner == "temp" and state.written[w] == 1 for w in writes_of(step))
            if once and _is_there(step, state):
                continue
            state.plan.steps.append(step)
            if isinstance(step, Effect):
                state.known.clear()  # it may write what others hold too: nothing is shared across it
            for w in writes_of(step):
                state.versions[state.plan.owner(w)] += 1
    state.plan.outputs = [state.resolved(n) for n in state.plan.outputs]
    return state.plan


def _renamed(step: Step, state: _Rewriting) -> Step:
    at = state.resolved
    match step:
        case Elementwise(name, reads, write):
            return Elementwise(name, tuple(map(at, reads)), write)
        case Reduce(name, read, write, axes):
            return Reduce(name, at(read), write, axes)
        case Matmul(a, b, write, accumulate):
            return Matmul(at(a), at(b), write, accumulate)
        case Call(function, reads, writes, pure, name):
            return Call(function, tuple(map(at, reads)), writes, pure, name)
        case Effect(reads=reads):
            return replace(step, reads=tuple(map(at, reads)))
        case Scalars():
            moved = {n: to for n in reads_of(step) if (to := at(n)) != n}
            return _moved_columns(step, moved, len(state.plan.arrays)) if moved else step
    return step


def _moved_columns(table: Scalars, moved: dict[int, int], count: int) -> Scalars:
    numbers = np.arange(count + 1, dtype=np.int32)
    numbers[count] = -1  # that of an operand that there is not is at the end
    numbers[list(moved)] = list(moved.values())
    return Scalars(table.codes, numbers[table.a], numbers[table.b], numbers[table.c], table.writes)


def _is_there(step: Step, state: _Rewriting) -> bool:
    """Return whether the result of a step is known or there already, and remember that."""
    match step:
        case Elementwise(name, reads, write):
            if (same := _unchanged(name, reads, write, state)) is not None and state.alias(write, same):
                return True
            if state.array(write).size <= _LARGEST and (values := _values(reads, state)) is not None:
                return state.constant(write, _computed(name, values, state.array(write)))
            key: Any = (name, tuple(map(state.version, reads)), state.array(write).shape, state.array(write).dtype)
        case Reduce(name, read, write, axes):
            if state.array(read).size <= _LARGEST and (values := _values((read,), state)) is not None:
                return state.constant(write, getattr(np, name).reduce(values[0], axis=axes))
            key = ("reduce", name, state.version(read), axes)
        case Matmul(a, b, write, False):
            key = ("matmul", state.version(a), state.version(b))
        case Fill(value, write):
            array = state.array(write)
            return array.size > 0 and state.constant(write, np.broadcast_to(np.array(value, array.dtype), array.shape))
        case _:
            return False
    known = state.known.setdefault(key, write)
    return known != write and state.alias(write, known)


def _values(reads: tuple[int, ...], state: _Rewriting) -> list[Any] | None:
    values = []
    for r in reads:
        value = value_of(state.plan, r)
        if value is None:
            return None
        values.append(value)
    return values


def _computed(name: str, values: list[Any], array: Array) -> Any:
    if name in ("copy", "astype"):
        result = values[0].astype(array.dtype)
    elif name == "where":
        result = np.where(*values)
    elif name in ("erf", "erfc"):
        from autograd_lite.ops.record import TABLE

        result = TABLE[name].forward(values[0])
    else:
        result = getattr(np, name)(*values)
    return np.broadcast_to(np.asarray(result, array.dtype), array.shape)


def _unchanged(name: str, reads: tuple[int, ...], write: int, state: _Rewriting) -> int | None:
    """Return the array that a step only copies, where it does so exactly, signs of zero and NaN included."""
    target = state.array(write)

    def fits(number: int) -> bool:
        array = state.array(number)
        return array.shape == target.shape and array.dtype == target.dtype

    def is_one(number: int) -> bool:
        return bool(_number(number, state) == 1)

    if name in ("copy", "positive") and fits(reads[0]):
        brief = state.until.get(write, 0) == state.eras[state.at]  # read by nothing that comes after a write to a leaf
        leaf = state.array(state.plan.owner(reads[0])).owner == "leaf"
        return reads[0] if _is_settled(reads[0], state) or (leaf and brief) else None
    if name == "multiply" and is_one(reads[0]) and fits(reads[1]) and _is_settled(reads[1], state):
        return reads[1]
    if name in ("multiply", "divide") and is_one(reads[1]) and fits(reads[0]) and _is_settled(reads[0], state):
        return reads[0]
    if name == "subtract" and _number(reads[1], state) == 0 and fits(reads[0]) and _is_settled(reads[0], state):
        zero = value_of(state.plan, reads[1])
        return None if np.signbit(zero).any() else reads[0]
    if name == "where" and reads[1] == reads[2] and fits(reads[1]) and _is_settled(reads[1], state):
        return reads[1]
    if name == "logical_and" and _number(reads[1], state) == 1 and fits(reads[0]) and _is_settled(reads[0], state):
        return reads[0]
    return None


def _number(number: int, state: _Rewriting) -> Any:
    """Return the number that an array holds everywhere, if it is known."""
    array = state.array(number)
    source = state.array(array.source) if array.owner == "view" else array
    return source.source.item() if source.frozen and not source.shape else None


def _is_settled(number: int, state: _Rewriting) -> bool:
    """Return whether nothing writes to an array any more: no leaf, which effects write, nor an array made in parts."""
    owner = state.plan.owner(number)
    array = state.array(owner)
    if array.owner == "temp":
        return state.written[owner] <= 1
    return bool(array.owner == "input" or array.frozen)
