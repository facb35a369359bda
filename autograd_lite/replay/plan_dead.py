"""Leaving out of a plan what nobody reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autograd_lite.replay.primitive import Call, Effect, Plan, Scalars, Step, reads_of, writes_of

__all__ = ["without_dead"]


def without_dead(plan: Plan) -> Plan:
    """Return the plan without the steps whose results nobody reads."""
    wanted = {plan.owner(n) for n in plan.outputs}
    kept: list[Step] = []
    for step in reversed(plan.steps):
        if isinstance(step, Scalars):
            step = _needed_rows(step, wanted)
            if len(step.writes):
                wanted.update(map(plan.owner, reads_of(step)))
                kept.append(step)
            continue
        writes = [plan.owner(w) for w in writes_of(step)]
        if isinstance(step, Effect) or (isinstance(step, Call) and not step.pure):
            pass
        elif not any(w in wanted for w in writes):
            continue
        elif isinstance(step, Call) and len(writes) > 1:
            writes_wanted = tuple(w if w >= 0 and plan.owner(w) in wanted else -1 for w in step.writes)
            step = replace(step, writes=writes_wanted)
        wanted.update(map(plan.owner, reads_of(step)))
        kept.append(step)
    return Plan(plan.arrays, kept[::-1], plan.outputs)


def _needed_rows(table: Scalars, wanted: set[int]) -> Scalars:
    """Return the table without the rows whose numbers nobody reads."""
    needed = set(wanted)
    columns = [x.tolist() for x in (table.writes, table.a, table.b, table.c)]
    kept = []
    for i, (w, a, b, c) in enumerate(zip(*(column[::-1] for column in columns), strict=True)):
        if w in needed:
            needed.add(a)
            needed.add(b)
            needed.add(c)
            kept.append(i)
    if len(kept) == len(table.writes):
        return table
    rows = len(table.writes) - 1 - np.array(kept[::-1], np.int64)
    return Scalars(table.codes[rows], table.a[rows], table.b[rows], table.c[rows], table.writes[rows])
