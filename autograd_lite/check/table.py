"""Every op of the derivative table, judged by numbers: one row an op."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite import ops
from autograd_lite.check.gradient import gradcheck
from autograd_lite.check.numeric import ridders
from autograd_lite.check.report import Entry, Report
from autograd_lite.check.sample import Sample, samples
from autograd_lite.ops import Op
from autograd_lite.transforms import vjp

__all__ = ["Row", "check_ops", "deviation", "domain_of", "families", "judge_op"]

_ENTRIES = 6  # larger operands are checked along random directions
_SMOOTH = frozenset(("complex-step", "ridders"))  # the domains stay clear of kinks
_LISTED = 3


@dataclass(frozen=True)
class Row:
    """What the check of an op found.

    Attributes
    ----------
    op : Op
    calls : int
        How many calls had a gradient to check.
    first, second : float
        The worst deviation of a gradient, and of a gradient of the gradient, from the best numeric derivative; NaN
        where there is none. Relative to the derivative where that is more than 1.
    extrapolated : tuple of float
        The same of the gradients for each call, from extrapolated differences alone.
    failures : tuple of str
        The reports that failed.
    """

    op: Op
    calls: int
    first: float
    second: float
    extrapolated: tuple[float, ...]
    failures: tuple[str, ...]


def check_ops(names: Iterable[str] = (), seen: Callable[[Row], Any] = lambda row: None) -> list[Row]:
    """Check the ops of these names, all of them by default; ``seen`` is called with each row as it is known."""
    rows = []
    for name in names or ops.TABLE:
        rows.append(judge_op(ops.TABLE[name]))
        seen(rows[-1])
    return rows


def judge_op(op: Op) -> Row:
    """Check the first and second derivatives of an op in all of its calls."""
    calls = [sample for sample in samples(op) if sample.is_differentiable]
    reports = [gradcheck(call, *call.primals, order=2, seed=k, max_entries=_ENTRIES) for k, call in enumerate(calls)]
    entries = [entry for report in reports for entry in report.entries]
    return Row(
        op,
        len(calls),
        _worst(entry for entry in entries if entry.order == 1),
        _worst(entry for entry in entries if entry.order == 2),
        tuple(map(deviation, calls)),
        tuple(_described(c, r) for c, r in zip(calls, reports, strict=True) if not (r.ok and _smooth(r))),
    )


def _smooth(report: Report) -> bool:
    return set(report.method_counts) <= _SMOOTH


def _described(call: Sample, report: Report) -> str:
    shapes = ", ".join(str(np.shape(x)) for x in call.operands)
    return f"{call.op.name} of shapes {shapes}, {call.params}:\n{report}"


def _worst(entries: Iterable[Entry]) -> float:
    return max((_relative(entry.analytic, entry.numeric) for entry in entries), default=math.nan)


def _relative(a: float, b: float) -> float:
    return abs(a - b) / max(1.0, abs(a), abs(b))


def deviation(call: Sample) -> float:
    """Return how far the gradient of a call is from extrapolated differences, along a random direction."""
    rng = np.random.default_rng(zlib.crc32(call.op.name.encode()))
    y, pull = vjp(call, *call.primals)
    weights = np.asarray(rng.standard_normal(np.shape(y)), dtype=np.result_type(y))
    along = [rng.choice([-1.0, 1.0], np.shape(x)) for x in call.primals]
    gradients = pull(weights[()] if isinstance(y, float) else weights)
    analytic = sum(float(np.sum(g * d)) for g, d in zip(gradients, along, strict=True))

    def path(t: float) -> Any:
        moved = [x + t * d for x, d in zip(call.primals, along, strict=True)]
        return np.ravel(call(*moved)).astype(np.float64)

    return _relative(analytic, ridders(path).dot(np.ravel(weights))[0])


def families() -> dict[str, list[Op]]:
    """Return the ops by the module that they are defined in."""
    found: dict[str, list[Op]] = {}
    placed: set[str] = set()
    for module in ops.MODULES:
        mine = [x for x in vars(module).values() if isinstance(x, Op) and x.name not in placed]
        placed.update(op.name for op in mine)
        found[module.__name__.rpartition(".")[2]] = mine
    return found


def domain_of(op: Op) -> str:
    """Say at which operands an op is checked: the intervals, or the shapes of its cases.

    Examples
    --------
    >>> from autograd_lite import ops
    >>> domain_of(ops.TABLE["divide"]), domain_of(ops.TABLE["tril"])
    ('x in [-3, 3], y in [0.5, 3]', 'shapes (3, 4); (2, 3, 3); (3)')
    """
    if op.is_elementwise:
        intervals = zip("xyz", op.domain, op.rules, strict=False)
        return ", ".join(
            f"{name} in [{low:g}, {high:g}]" if rule is not None else f"{name} true or false"
            for name, (low, high), rule in intervals
        )
    shapes = [" ".join(_shape(x) for x in call.primals) for call in samples(op)]
    known = list(dict.fromkeys(shape for shape in shapes if shape))
    more = f"; and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"shapes {'; '.join(known[:_LISTED])}{more}" if known else ""


def _shape(x: Any) -> str:
    return f"({', '.join(map(str, np.shape(x)))})"
