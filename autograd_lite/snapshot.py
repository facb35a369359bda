"""Copies of nodes: pickling a whole graph without recursion, and shallow copies."""

from __future__ import annotations

from typing import Any

from autograd_lite import graph, modes
from autograd_lite.graph import Node

__all__ = ["reduce", "shallow"]

_NUMBERS = ("_data", "_epoch", "_gradient")


def _all_slots(cls: type) -> list[str]:
    names = (vars(base).get("state") or vars(base).get("__slots__", ()) for base in cls.__mro__)
    return [name for found in names for name in found if name != "__weakref__"]


def shallow(node: Any) -> Any:
    """Return a node with the same datum, op and operands; a leaf's array is shared until one of the two is written."""
    modes.leave(node, "copy()")
    cls: Any = type(node)
    twin = cls.__new__(cls)
    for name in _all_slots(cls):
        setattr(twin, name, getattr(node, name))
    for name, value in getattr(node, "__dict__", {}).items():
        setattr(twin, name, value)
    if node.op is None and node.is_array:
        twin._data = node._data.copy()
    return twin


def reduce(root: Node) -> Any:
    """Return what ``__reduce_ex__`` should: the graph as a flat list, so that depth is no matter."""
    modes.leave(root, "a deep copy or pickle")
    index: dict[Node, int] = {}
    rows: list[Any] = []
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if node is None:
            node = stack.pop()
            if node not in index:
                index[node] = len(rows)
                operands = [(True, index[x]) if isinstance(x, Node) else (False, x) for x in node.operands]
                rows.append((*_row(node), operands))
        elif node not in index:
            stack += (node, None)
            stack.extend(x for x in node.operands if isinstance(x, Node) and x not in index)
    return _rebuild, (rows,)


def _row(node: Any) -> tuple[Any, ...]:
    skipped = {"a", "b", "op", "operands", "params", "edges", "args", "_epoch", "extras"}
    state = {name: getattr(node, name) for name in _all_slots(type(node)) if name not in skipped}
    return type(node), state, getattr(node, "__dict__", {}), node.op, node.params


def _rebuild(rows: list[Any]) -> Any:
    nodes: list[Any] = []
    for cls, state, extra, op, params, operands in rows:
        if op is None:
            node = cls.__new__(cls)
            for name in _all_slots(cls):
                if name not in _NUMBERS:
                    setattr(node, name, None)
            if node.is_array:
                node.operands, node.edges, node.args, node.params = (), (), (), {}
        else:
            parents = tuple(nodes[x] if is_node else x for is_node, x in operands)
            node = cls.rebuilt(op, parents, params)
        for name, value in {**state, **extra}.items():
            setattr(node, name, value)
        node._epoch = graph.writes.count
        nodes.append(node)
    return nodes[-1]
