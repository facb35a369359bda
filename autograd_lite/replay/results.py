"""What goes into a recording and what comes out of it: arguments as nodes, results and gradients as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph
from autograd_lite.errors import AutogradError
from autograd_lite.graph import Node
from autograd_lite.ops.record import Op

__all__ = ["Output", "Sink", "described", "finished", "given", "handed_out"]


class Output(NamedTuple):
    """How a result is handed out.

    Attributes
    ----------
    kind : {"static", "argument", "node", "float", "array", "scalar", "value", "tensor"}
    source : object
        static, node: the object itself. argument: its position. Else the position among the program's outputs.
    tracked : bool
        Whether the function itself would return a node with a history.
    """

    kind: str
    source: Any
    tracked: bool = False


class Sink(NamedTuple):
    """A leaf (or the position of the argument that it is), and what the program leaves in it."""

    leaf: Any
    what: str  # "data" or "grad"
    output: Output | None  # None: no gradient


def _refuse(g: Any, y: Any, x: Any) -> Any:
    raise AutogradError(
        "this came out of a compiled function, which keeps its graph to itself.\n"
        "Call backward() (or grad) inside the compiled function, or compute the result uncompiled."
    )


def _identity(x: Any) -> Any:
    return x


_CLOSED = Op("compiled", "compiled", "f(x)", _identity, (_refuse,), needs="nothing")


_anchors: dict[str, Any] = {}


def _anchor(kind: str) -> Any:
    """Return the leaf that results which should have a history seem to come from."""
    if kind not in _anchors:
        _anchors[kind] = graph.faces.value(0.0) if kind == "value" else graph.faces.tensor(0.0, requires_grad=True)
    return _anchors[kind]


def finished(kind: str, data: Any, tracked: bool) -> Any:
    """Return a result in the type that the function itself would have given it, around data that nobody else holds."""
    if kind == "float" or kind == "array":
        return data
    if kind == "scalar":
        return data[()]
    if kind == "value":
        value = graph.faces.value
        return value.rebuilt(_CLOSED, (_anchor(kind),), {}, data) if tracked else value(data)
    tensor = graph.faces.tensor
    return tensor.node(data, _CLOSED, (_anchor(kind),), {}, (0,), (data,)) if tracked else tensor.wrap(data)


def handed_out(output: Output, arguments: list[Any], outputs: list[Any]) -> Any:
    """Return a result of a replay."""
    if output.kind == "static":
        return output.source.copy() if isinstance(output.source, np.ndarray) else output.source
    if output.kind == "node":
        return output.source
    if output.kind == "argument":
        return arguments[output.source]
    return finished(output.kind, outputs[output.source], output.tracked)


def given(x: Any) -> tuple[Any, bool]:
    """Return the node that stands for an argument, and whether the argument was plain."""
    if isinstance(x, Node):
        return x, False
    if type(x) is float:
        return graph.faces.value(x), True
    return graph.faces.tensor.wrap(np.asarray(x)), True


def described(tree: Any, leaves: list[Any], known: Callable[[Any], Any]) -> Any:
    """Take arguments apart: append what varies to ``leaves`` and return the rest, to be compared with that of others.

    ``known`` names objects that are taken as they are.
    """
    kind = type(tree)
    if kind is float:
        leaves.append(tree)
        return float
    if kind is np.ndarray:
        if tree.dtype.kind not in "biufc":
            return _of_objects(tree, leaves, known)
        leaves.append(tree)
        return tree.shape, tree.dtype
    if isinstance(tree, Node):
        leaves.append(tree)
        data: Any = tree._data
        first = next(i for i, x in enumerate(leaves) if x is tree)
        if not tree.is_array:
            return kind, first, tree.grad is None
        return kind, data.shape, data.dtype, tree.requires_grad, tree.grad is None, first
    if kind is list or kind is tuple:
        return kind, tuple([described(branch, leaves, known) for branch in tree])
    if isinstance(tree, dict):
        return kind, tuple([(key, described(branch, leaves, known)) for key, branch in tree.items()])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, tuple([described(branch, leaves, known) for branch in tree])
    if isinstance(tree, np.floating):
        leaves.append(tree)
        return kind
    if tree is None or isinstance(tree, (bool, int, str, bytes, complex, np.generic, np.dtype)):
        return kind, tree
    return known(tree)


def _of_objects(tree: Any, leaves: list[Any], known: Callable[[Any], Any]) -> Any:
    return "objects", tree.shape, tuple([described(x, leaves, known) for x in tree.flat])
