"""The plain executor: a program as a list of Python calls on ndarrays, the same calls that the engine makes.

It is what faster executors are compared with, and what runs where none of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.errors import GradientError
from autograd_lite.graph import Patch
from autograd_lite.ops.floats import evaluate
from autograd_lite.ops.record import Op
from autograd_lite.passes import _scaled as scaled
from autograd_lite.replay.program import Instruction, Program, Spot

__all__ = ["build"]

_Step = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def build(program: Program) -> Callable[[Sequence[Any]], list[Any]]:
    """Return the function that runs a program on the arrays of its inputs and returns those of its outputs, copied."""
    spots = program.spots
    start: list[Any] = [spot.source if spot.role == "constant" else None for spot in spots]
    inputs = [(n, spot.source) for n, spot in enumerate(spots) if spot.role == "input"]
    leaves = [(n, spot.source) for n, spot in enumerate(spots) if spot.role == "leaf"]
    steps = _steps(program)
    outputs = [(n, spots[n].is_array) for n in program.outputs]

    def run(arrays: Sequence[Any]) -> list[Any]:
        memory = start.copy()
        for n, position in inputs:
            memory[n] = arrays[position]
        for n, leaf in leaves:
            memory[n] = leaf._data
        with np.errstate(all="ignore"):
            for function, reads, writes, renewed, done in steps:
                result = function(*[memory[n] for n in reads])
                if len(writes) == 1:
                    memory[writes[0]] = result
                elif writes:
                    for n, x in zip(writes, result, strict=True):
                        if n >= 0:
                            memory[n] = x
                for n in renewed:
                    memory[n] = spots[n].source._data
                for n in done:
                    memory[n] = None
        return [np.array(memory[n]) if is_array else memory[n] for n, is_array in outputs]

    return run


def _steps(program: Program) -> list[_Step]:
    """Return for each instruction its function, reads, writes, leaves to read anew, and what nobody reads any more."""
    spots = program.spots
    last: dict[int, int] = {}
    for at, step in enumerate(program.instructions):
        for n in (*step.reads, *step.writes):
            last[n] = at
    kept = {*program.outputs, -1, *(n for n, spot in enumerate(spots) if spot.role != "result")}
    done: list[list[int]] = [[] for _ in program.instructions]
    for n, at in last.items():
        if n not in kept:
            done[at].append(n)
    return [
        (_function(step, spots), step.reads, step.writes, step.overwrites, tuple(ended))
        for step, ended in zip(program.instructions, done, strict=True)
    ]


def _function(step: Instruction, spots: list[Spot]) -> Callable[..., Any]:
    if step.kind == "forward":
        return _forward(step, spots[step.writes[0]])
    if step.kind == "vjp":
        return _vjp(step, spots)
    if step.kind == "add":
        return _add_arrays if spots[step.writes[0]].is_array else _add_numbers
    assert step.run is not None
    if step.kind == "call" and all(n < 0 or spots[n].is_array for n in step.writes):
        return _as_arrays(step.run, len(step.writes))
    return step.run


def _add_arrays(a: Any, b: Any) -> Any:
    return np.asarray(a + b)


def _add_numbers(a: float, b: float) -> float:
    return a + b


def _as_arrays(run: Callable[..., Any], count: int) -> Callable[..., Any]:
    if count == 1:
        return lambda *reads: np.asarray(run(*reads))
    return lambda *reads: tuple(map(np.asarray, run(*reads)))


def _forward(step: Instruction, written: Spot) -> Callable[..., Any]:
    op, params = step.op, step.params
    assert op is not None
    if not written.is_array:
        if op.is_elementwise:
            return lambda *args: evaluate(op, [float(x) for x in args])
        return lambda *args: float(op.forward(*args, **params))
    return lambda *args: np.asarray(op.forward(*args, **params))


def _vjp(step: Instruction, spots: list[Spot]) -> Callable[..., Any]:
    op, params = step.op, step.params
    assert op is not None
    y, operands = spots[step.reads[1]], [spots[n] for n in step.reads[2:]]
    if op.variadic:
        fits = [
            _fit(op, i, y, x) if n >= 0 else None for i, (n, x) in enumerate(zip(step.writes, operands, strict=True))
        ]
        rule: Any = op.rules[0]
        one = len(step.writes) == 1

        def everything(*reads: Any) -> Any:
            shares = rule(*reads, **params)
            fitted = [None if fit is None else fit(share) for fit, share in zip(fits, shares, strict=True)]
            return fitted[0] if one else fitted

        return everything
    i, rule = step.operand, op.rules[step.operand]
    if not y.is_array and op.is_elementwise:
        slope, singular = graph.faces.value.slope, op.singular

        def number(g: float, y: float, *args: float) -> float:
            return 0.0 if singular and g == 0.0 else g * slope(op, i, y, args)

        return number
    fit = _fit(op, i, y, operands[i])
    if not op.is_elementwise:
        return lambda *reads: fit(rule(*reads, **params))
    if callable(rule):
        return lambda g, *reads: fit(scaled(g, rule(*reads), op.singular))
    return lambda g, *reads: fit(scaled(g, rule, False))


def _fit(op: Op, i: int, y: Spot, x: Spot) -> Callable[[Any], Any]:
    """Return what brings a share to its operand's shape and dtype, as `passes` does."""
    shape, dtype, is_array = x.shape, x.dtype, x.is_array

    def fit(share: Any) -> Any:
        if type(share) is Patch:
            array = np.zeros(shape, dtype)
            share.add_to(array)
            return array
        if not is_array:
            return float(share if type(share) is float else np.sum(share))
        if type(share) is not np.ndarray:
            share = np.asarray(share, dtype=y.dtype if type(share) in (float, int, bool) else None)
        if share.shape != shape:
            if not op.is_elementwise:
                raise GradientError(f"the rule of {op.name!r} for operand {i} gave shape {share.shape}, not {shape}")
            share = graph.unbroadcast(share, shape)
        return share if share.dtype == dtype else share.astype(dtype)

    return fit
