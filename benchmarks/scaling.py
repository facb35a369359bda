"""Cost against graph size: a chain is built, pulled and freed; the figure is for one node, so a linear cost is flat.

Flat but for caches and garbage collector, which take more from a graph of a gigabyte than from one of a kilobyte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_lite import Tensor, Value
from benchmarks.row import OURS, Row, Target, Work

__all__ = ["rows"]

_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)


def _chain(make: Callable[[float], Any], nodes: int) -> Work:
    x, w, b = make(0.5), make(0.999), make(0.001)

    def run() -> None:
        for leaf in (x, w, b):
            leaf.grad = None
        y = x
        for _ in range(nodes // 2):
            y = y * w + b
        y.backward()

    return Work(run, lambda: [np.asarray(x.grad), np.asarray(w.grad), np.asarray(b.grad)])


def rows() -> Iterator[Row]:
    """Yield a row for each kind of node and size."""
    makers: dict[str, Callable[[float], Any]] = {
        "Value": Value,
        "Tensor": lambda x: Tensor([x], requires_grad=True),
    }
    for kind, make in makers.items():
        for nodes in _SIZES:
            title = "{} chain of {:,} nodes, a node"
            targets = (Target(2.0, OURS, title.format(kind, 1_000)),) if nodes == _SIZES[-1] else ()
            yield Row(title.format(kind, nodes), {OURS: _chain(make, nodes)}, targets, per=nodes)
