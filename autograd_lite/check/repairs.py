"""Repairs: hand a wrong rule something else to read, one change at a time, and see which change makes it right.

A rule that used the input where the output belongs is right as soon as it is handed the output for the input. No
knowledge of the function is needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.check.evidence import Evidence, Finding, near
from autograd_lite.check.numeric import Array
from autograd_lite.check.symptoms import shifts

__all__ = ["repaired"]

Change = tuple[Any, Any, list[Any]]  # the incoming gradient, the output and the operands for a rule to read


class Reading(NamedTuple):
    """What a rule reads."""

    upstream: Array
    output: Array
    operands: Sequence[Any]


def repaired(e: Evidence) -> Iterator[Finding]:
    """Yield the kinds of change after which the rule is right."""
    if e.rule is None or e.output is None or e.upstream is None or not e.truth.size:
        return
    reading = Reading(e.upstream, e.output, e.operands)
    for kind, likelihood, detail, changes in _ATTEMPTS:
        if any(_right(e, change) for change in changes(reading)):
            yield Finding(kind, likelihood, detail)


def _right(e: Evidence, change: Change) -> bool:
    assert e.rule is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return near(e.rule(*change), e.truth)
    except Exception:  # the rule is somebody else's, and reads what it was not written for
        return False


def _floats(e: Reading) -> Iterator[tuple[int, Any]]:
    for i, x in enumerate(e.operands):
        if np.asarray(x).dtype.kind == "f":
            yield i, np.asarray(x)


def _with(e: Reading, number: int, x: Any) -> list[Any]:
    return [x if i == number else v for i, v in enumerate(e.operands)]


def _output_for_input(e: Reading) -> Iterator[Change]:
    for i, x in _floats(e):
        if x.shape == e.output.shape:
            yield e.upstream, e.output, _with(e, i, e.output)


def _input_for_output(e: Reading) -> Iterator[Change]:
    for i, x in _floats(e):
        if x.shape == e.output.shape:
            yield e.upstream, x, list(e.operands)
            yield e.upstream, x, _with(e, i, e.output)


def _other_operands(e: Reading) -> Iterator[Change]:
    count = len(e.operands)
    for i in range(count):
        for j in range(i + 1, count):
            swapped = list(e.operands)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield e.upstream, e.output, swapped
    for i, _ in _floats(e):
        for j, _ in _floats(e):
            if i != j:
                yield e.upstream, e.output, _with(e, i, e.operands[j])


def _exchanged_axes(e: Reading) -> Iterator[Change]:
    for i, x in _floats(e):
        if x.ndim >= 2:
            yield e.upstream, e.output, _with(e, i, np.swapaxes(x, -1, -2))
    for a in range(e.upstream.ndim):
        for b in range(a + 1, e.upstream.ndim):
            yield np.swapaxes(e.upstream, a, b), e.output, list(e.operands)
            yield e.upstream, np.swapaxes(e.output, a, b), list(e.operands)


def _shifted(e: Reading) -> Iterator[Change]:
    for i, x in enumerate(map(np.asarray, e.operands)):
        if x.dtype.kind in "iu":
            yield from ((e.upstream, e.output, _with(e, i, x + step)) for step in (1, -1))
        elif x.dtype.kind == "f":
            yield from ((e.upstream, e.output, _with(e, i, moved)) for moved in shifts(x))
    yield from ((moved, e.output, list(e.operands)) for moved in shifts(e.upstream))
    yield from ((e.upstream, moved, list(e.operands)) for moved in shifts(e.output))


_ATTEMPTS: tuple[tuple[str, float, str, Callable[[Reading], Iterator[Change]]], ...] = (
    ("input-output", 0.95, "the rule is right once it is handed the output for the input", _output_for_input),
    ("input-output", 0.94, "the rule is right once it is handed the input for the output", _input_for_output),
    ("wrong-operand", 0.92, "the rule is right once its operands are exchanged", _other_operands),
    ("transposed", 0.91, "the rule is right once what it reads is transposed", _exchanged_axes),
    ("off-by-one", 0.9, "the rule is right once what it reads is moved by one place", _shifted),
)
