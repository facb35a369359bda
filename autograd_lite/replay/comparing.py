"""Whether two programs are the same, and if not, where they part."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.graph import Node
from autograd_lite.replay.program import Instruction, Program, Spot

__all__ = ["difference", "equal"]


def difference(a: Program, b: Program) -> str | None:
    """Return in what two recordings of one function differ, None if in nothing."""
    for one, other in zip(a.instructions, b.instructions, strict=False):
        if not _alike(one, other):
            return f"what they compute at {_place(one)} and {_place(other)}"
        for n, m in zip(one.reads, other.reads, strict=True):
            x, y = a.spots[n], b.spots[m]
            if not _same_source(x, y):
                name = one.op.name if one.op is not None else getattr(one.run, "name", one.kind)
                return f"a constant that {name!r} reads at {_place(one)}: {_short(x.source)} and {_short(y.source)}"
    longer = max(a, b, key=lambda p: len(p.instructions)).instructions
    shorter = min(len(a.instructions), len(b.instructions))
    if len(longer) > shorter:
        return f"how much they compute, from {_place(longer[shorter])} on"
    if a.outputs != b.outputs:
        return "which results they return"
    for n, m in zip(a.outputs, b.outputs, strict=True):
        if not _same_source(a.spots[n], b.spots[m]):
            return "a constant that they return"
    return None


def _alike(a: Instruction, b: Instruction) -> bool:
    return (
        (a.kind, a.op, a.operand, a.reads, a.writes, a.overwrites)
        == (b.kind, b.op, b.operand, b.reads, b.writes, b.overwrites)
        and a.params.keys() == b.params.keys()
        and all(equal(x, b.params[name]) for name, x in a.params.items())
        and type(a.run) is type(b.run)
    )


def _same_source(x: Spot, y: Spot) -> bool:
    if (x.role, x.shape, x.dtype) != (y.role, y.shape, y.dtype):
        return False
    return equal(x.source, y.source) if x.role == "constant" else x.source is y.source or x.source == y.source


def equal(x: Any, y: Any) -> bool:
    """Return whether plain data is the same, bit for bit."""
    if isinstance(x, Node) or isinstance(y, Node):
        return x is y
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        same = isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.shape == y.shape and x.dtype == y.dtype
        return bool(same and x.tobytes() == y.tobytes())
    if isinstance(x, (tuple, list)) and type(x) is type(y):
        return len(x) == len(y) and all(equal(a, b) for a, b in zip(x, y, strict=True))
    return type(x) is type(y) and bool(x == y or (x != x and y != y))


def _place(step: Instruction) -> str:
    return "{}:{}".format(*step.line)


def _short(x: Any) -> str:
    return np.array2string(np.asarray(x), threshold=6, precision=6) if isinstance(x, np.ndarray) else repr(x)
