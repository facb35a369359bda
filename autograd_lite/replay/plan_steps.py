"""One step of a plan, run by NumPy: what another executor calls for the steps that it does not know."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence
from typing import Any, TypeAlias

import numpy as np

from autograd_lite.ops.record import TABLE
from autograd_lite.replay.plan_scalars import run_scalars
from autograd_lite.replay.primitive import Call, Effect, Elementwise, Fill, Group, Matmul, Reduce, Scalars, Step

__all__ = ["applied", "perform", "store"]

_Arrays: TypeAlias = MutableMapping[int, Any] | MutableSequence[Any]


def applied(name: str, values: Any) -> Any:
    """Return an elementwise function of arrays, by its name in a plan ("astype" is left to what stores the result)."""
    if name in ("copy", "astype"):
        return values[0]
    if name == "where":
        return np.where(*values)
    if name in ("erf", "erfc"):
        return TABLE[name].forward(values[0])
    return getattr(np, name)(*values)


def perform(step: Step, arrays: Any) -> None:
    """Run a step.

    Parameters
    ----------
    step : Step
    arrays : sequence or mapping
        Number -> array. Those that are written must be there; registers of a group need not.
    """
    match step:
        case Elementwise(name, reads, write):
            np.copyto(arrays[write], applied(name, [arrays[r] for r in reads]), casting="unsafe")
        case Reduce(name, read, write, axes):
            getattr(np, name).reduce(arrays[read], axis=axes, out=arrays[write])
        case Matmul(a, b, write, accumulate):
            product = np.matmul(arrays[a], arrays[b])
            np.copyto(arrays[write], arrays[write] + product if accumulate else product)
        case Fill(value, write):
            arrays[write].fill(value)
        case Call(function, reads, writes):
            result = function(*(arrays[r] for r in reads))
            for w, x in zip(writes, (result,) if len(writes) == 1 else result, strict=True):
                if w >= 0:
                    store(arrays[w], x)
        case Effect(function, reads):
            function(*(np.array(arrays[r]) for r in reads))
        case Group():
            _perform_group(step, arrays)
        case Scalars():
            run_scalars(step, arrays)


def _perform_group(group: Group, arrays: Any) -> None:
    made: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for step in group.steps:
            made[step.write] = applied(step.name, [made[r] if r in made else arrays[r] for r in step.reads])
        for w in group.stores:
            np.copyto(arrays[w], made[w], casting="unsafe")
        for total in group.sums:
            x = made.get(total.read)
            getattr(np, total.name).reduce(
                arrays[total.read] if x is None else x, axis=total.axes, out=arrays[total.write]
            )


def store(target: Any, result: Any) -> None:
    """Keep what Python code returned."""
    if np.shape(result) != target.shape:
        raise ValueError(
            f"a function that was recorded with a result of shape {target.shape} now gave one of shape "
            f"{np.shape(result)}: its shape depends on data, which a compiled step cannot follow"
        )
    np.copyto(target, result, casting="same_kind")
