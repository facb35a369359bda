"""Cycles of nodes: ``x.grad``, when it is recorded, refers to the nodes that it was computed from, x among them.

Python's garbage collector finds them. The compiled engine hides its Values from it, for speed, and shows it those that
may be part of a cycle; in plain Python the collector sees every node by itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from autograd_lite.graph import Node, topological

__all__ = ["hide", "watch"]

_show: Callable[[Any], None] | None = None


def hide(face: type[Node]) -> None:
    """Make new nodes of this class invisible to the garbage collector, where that can be done."""
    global _show
    try:
        _nodes: Any = importlib.import_module("autograd_lite._nodes")
    except ImportError:
        return
    _nodes.hide(face)
    _show = _nodes.watch


def watch(roots: Iterable[Node]) -> None:
    """Show the garbage collector everything that these nodes depend on."""
    if _show is not None:
        for node in topological(roots):
            _show(node)
