"""Bytes a scalar node takes, numbers included, in a graph of 100,000 nodes."""

from __future__ import annotations

import functools
import gc
import operator
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from autograd_lite import Value
from benchmarks.peers import load
from benchmarks.row import OURS, Row, Target, Work, works

__all__ = ["rows"]

_WIDTH, _LEVELS = 250, 200
_NODES = _WIDTH + 2 * _WIDTH * _LEVELS + _WIDTH - 1


def _graph(value: Callable[[float], Any]) -> Any:
    """Return the root of a graph that is half products and half sums, shallow enough for engines that recurse."""
    level = [value(1e-3 + 1e-6 * i) for i in range(_WIDTH)]
    for _ in range(_LEVELS):
        level = [a * b + a for a, b in zip(level, [*level[1:], level[0]], strict=True)]
    return functools.reduce(operator.add, level)


def _bytes_per_node(value: Callable[[float], Any], backward: bool) -> float:
    gc.collect()
    tracemalloc.start()
    root = _graph(value)
    if backward:
        root.backward()
    gc.collect()
    total, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return total / _NODES


def _ours(backward: bool) -> Work:
    return Work(lambda: _bytes_per_node(Value, backward), list)


def _micrograd(backward: bool) -> Work:
    value = load("micrograd.engine").Value
    return Work(lambda: _bytes_per_node(value, backward), list)


def rows() -> Iterator[Row]:
    """Yield the size of a node before and after the backward pass."""
    makers = {OURS: _ours, "micrograd": _micrograd}
    yield Row("memory of a scalar node, graph built", works(makers, False), targets=(Target(120.0),), unit="B")
    yield Row("memory of a scalar node, after backward", works(makers, True), unit="B")
