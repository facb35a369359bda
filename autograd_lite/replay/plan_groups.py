"""Fusing: elementwise steps over one domain become groups, with the reductions of what they compute."""

from __future__ import annotations

from collections import Counter

from autograd_lite.replay.primitive import (
    Array,
    Effect,
    Elementwise,
    Group,
    Plan,
    Reduce,
    Step,
    contiguous,
    reads_of,
    writes_of,
)

__all__ = ["grouped"]

_OUTSIDE = frozenset(("erf", "erfc"))  # functions that only Python code computes
_OF_INTEGERS = frozenset("equal not_equal less less_equal greater greater_equal astype copy where".split())


class _Open:
    """A group that still takes in the steps before it; they are kept the last first."""

    def __init__(self, shape: tuple[int, ...], era: int, floats: set[str]) -> None:
        self.shape, self.era, self.floats = shape, era, floats
        self.steps: list[Elementwise] = []
        self.sums: list[Reduce] = []


def grouped(plan: Plan) -> Plan:
    """Return the plan with elementwise steps and reductions in groups; what a group alone reads is a register.

    From the last step to the first, a step moves down into the group that reads its result first. What it reads is
    there by then, and nobody needed its result before; so the order stays right. Nothing moves across an effect.
    """
    plan = Plan(list(plan.arrays), plan.steps, plan.outputs)
    plan.steps = [_apart(plan, step) for step in plan.steps]
    steps = _reductions_first(plan)
    written = Counter(w for s in steps for w in map(plan.owner, writes_of(s)))
    final = {plan.owner(w): i for i, s in enumerate(steps) for w in writes_of(s)}
    eras = _eras(steps)
    consumers: dict[int, set[int]] = {}  # array -> the positions that read it or a view of it
    first: dict[int, int] = {}  # array -> the first of them
    at: dict[int, _Open | Step] = {}

    viewed: dict[int, set[int]] = {}  # array -> the positions that read a view of it, from memory

    def read(number: int, position: int) -> None:
        owner = plan.owner(number)
        for n in {number, owner}:
            first[n] = min(first.get(n, position), position)
            consumers.setdefault(n, set()).add(position)
        if owner != number:
            viewed.setdefault(owner, set()).add(position)

    def later(step: Elementwise, i: int) -> int | None:
        """Return the position of the group into which a step may move: that of the first that reads its result."""
        write = step.write
        to = first.get(write)
        if to is None or plan.arrays[write].owner != "temp" or written[write] != 1 or to in viewed.get(write, ()):
            return None
        group = at.get(to)
        if not isinstance(group, _Open) or group.shape != plan.arrays[write].shape or group.era != eras[i]:
            return None
        if len(group.floats | _floats(plan, step)) > 1:
            return None
        if any(written[owner] > 1 and final[owner] > i for owner in map(plan.owner, step.reads)):
            return None  # something that it reads is written again on the way down
        return to

    for i in range(len(steps) - 1, -1, -1):
        step = steps[i]
        position = i
        shape = _domain(plan, step)
        if shape is None:
            at[i] = step
        else:
            if isinstance(step, Elementwise) and (to := later(step, i)) is not None:
                position = to
            group = at.get(position)
            if not isinstance(group, _Open):
                group = at[position] = _Open(shape, eras[i], set())
            group.floats |= _floats(plan, step)
            (group.steps if isinstance(step, Elementwise) else group.sums).append(step)  # type: ignore[arg-type]
        for number in reads_of(step):
            read(number, position)
    result = [_closed(plan, at[i], consumers, i) for i in sorted(at)]
    return Plan(plan.arrays, result, plan.outputs)


def _apart(plan: Plan, step: Step) -> Step:
    """Return a step that reads what it writes (``part += x``) with another number for what it reads."""
    if not isinstance(step, Elementwise) or step.write not in step.reads:
        return step
    array = plan.arrays[step.write]
    if array.owner != "view":
        array = Array(array.shape, array.dtype, "view", step.write, 0, contiguous(array.shape))
    plan.arrays.append(array)
    twin = len(plan.arrays) - 1
    return Elementwise(step.name, tuple(twin if n == step.write else n for n in step.reads), step.write)


def _reductions_first(plan: Plan) -> list[Step]:
    """Return the steps with each reduction right behind the step that makes what it reduces, so that both can fuse."""
    made = {w: i for i, s in enumerate(plan.steps) for w in writes_of(s)}
    eras = _eras(plan.steps)
    behind: dict[int, list[Step]] = {}
    rest: list[tuple[int, Step]] = []
    for i, step in enumerate(plan.steps):
        maker = made.get(step.read) if isinstance(step, Reduce) else None
        if maker is not None and maker < i and eras[maker] == eras[i] and isinstance(plan.steps[maker], Elementwise):
            behind.setdefault(maker, []).append(step)
        else:
            rest.append((i, step))
    return [s for i, step in rest for s in (step, *behind.get(i, ()))]


def _eras(steps: list[Step]) -> list[int]:
    """Return for each step how many effects come before it."""
    eras, era = [], 0
    for step in steps:
        eras.append(era)
        era += isinstance(step, Effect)
    return eras


def _floats(plan: Plan, step: Step) -> set[str]:
    """Return the floating-point types of a step: a group computes in one."""
    numbers = (*reads_of(step), *writes_of(step))
    return {plan.arrays[n].dtype.str for n in numbers if plan.arrays[n].dtype.kind == "f"}


def _domain(plan: Plan, step: Step) -> tuple[int, ...] | None:
    """Return the shape over which a step may be fused with others."""
    if isinstance(step, Elementwise) and step.name not in _OUTSIDE:
        kinds = {plan.arrays[n].dtype.kind for n in (*step.reads, step.write)}
        if len(_floats(plan, step)) > 1 or (kinds & {"i", "u"} and step.name not in _OF_INTEGERS):
            return None
        return plan.arrays[step.write].shape
    if isinstance(step, Reduce) and plan.arrays[step.read].owner != "view":
        return plan.arrays[step.read].shape
    return None


def _closed(plan: Plan, group: _Open | Step, consumers: dict[int, set[int]], position: int) -> Step:
    if not isinstance(group, _Open):
        return group
    steps = tuple(reversed(group.steps))
    sums = tuple(reversed(group.sums))
    if not steps:
        if len(sums) == 1:
            return sums[0]
        return Group((), group.shape, (), sums)
    if len(steps) == 1 and not sums:
        return steps[0]
    leaving = {plan.owner(n) for n in plan.outputs}
    stores = tuple(
        s.write
        for s in steps
        if plan.owner(s.write) in leaving
        or plan.arrays[s.write].owner == "view"
        or consumers.get(s.write, set()) - {position}
    )
    return Group(steps, group.shape, stores, sums)
