"""The graph: its nodes, how an op makes one, their order, and whether what they saved is still fresh.

Nothing here recurses, and nothing is kept beside the nodes themselves: a graph lives as long as its root
and is freed by reference counting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np

from autograd_lite import modes
from autograd_lite.context import current
from autograd_lite.errors import StaleError
from autograd_lite.native import mypyc_attr
from autograd_lite.scattering import add_at

if TYPE_CHECKING:
    from autograd_lite.ops.record import Op

__all__ = ["Node", "Patch", "apply", "data_of", "mark_written", "operand", "topological"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Node:
    """What `Value` and `Tensor` share: a datum, the op that made it, and a gradient.

    Attributes
    ----------
    op : Op or None
        The record of the operation; None for a leaf.
    operands : tuple
        What the op was applied to, in order and with multiplicity: nodes, and plain numbers or arrays.
    params : dict
        The op's static parameters.
    args : sequence
        The operands' plain numbers and arrays, for the rules.
    edges : sequence of int
        Which operands are tracked nodes.
    """

    state: ClassVar[tuple[str, ...]] = ("_epoch", "label", "op")  # __slots__, which mypyc drops
    __slots__ = state
    _epoch: int
    label: str | None
    op: Op | None

    if TYPE_CHECKING:  # what each face has in its own way
        _data: Any
        grad: Any
        operands: tuple[Any, ...]
        params: dict[str, Any]
        args: Sequence[Any]
        edges: Sequence[int]
        requires_grad: bool
        is_array: bool
        extras: Any


class _Faces:
    """The two node classes, registered by their modules so that imports run one way."""

    value: Any
    tensor: Any
    entry: Any


faces: Final = _Faces()


class Patch(NamedTuple):
    """A gradient that is zero but for the entries at an index: added in place, so that many of them stay cheap."""

    index: Any
    value: Any
    repeats: bool = False

    def add_to(self, array: np.ndarray[Any, Any]) -> None:
        """Add the entries to a gradient of the operand's shape."""
        if self.repeats:
            add_at(array, self.index, self.value)
        else:
            array[self.index] += self.value


class _Writes:
    """Counts writes to leaves: a node remembers the count at which it was computed, a leaf that of its last write."""

    __slots__ = ("count",)
    count: int

    def __init__(self) -> None:
        self.count = 0


writes: Final = _Writes()
_writing: Final = threading.Lock()
committing: Final = threading.RLock()  # held while ``.grad`` changes
_REMEMBERED: Final = 1000
_writers: Final[list[tuple[int, Any]]] = [(0, None)] * _REMEMBERED  # the places of the latest writes, for error texts


def mark_written(leaves: Iterable[Node]) -> None:
    """Tell that the data of these leaves changed, so that graphs which saved them are stale."""
    leaves = tuple(leaves)
    mode = current.get()
    if leaves and mode is not None and mode.tape is not None:
        mode.tape.refuse_write(leaves)
    place = modes.calling_place()
    with _writing:
        count = writes.count + 1
        writes.count = count
        for leaf in leaves:
            leaf._epoch = count
        _writers[count % _REMEMBERED] = (count, place)


def data_of(x: Any) -> Any:
    """Return the plain float or ndarray behind a node; anything else as it is."""
    return x._data if isinstance(x, Node) else x


def plain(x: Any) -> Any:
    """Turn an operand that is no node into a number or an array that NumPy computes with, or refuse it.

    Lists (and object arrays) that hold nodes are stacked differentiably.
    """
    if type(x) in (float, int, bool, complex):
        return x
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("a masked array has no derivative rule; fill it first: array.filled(0.0)")
    if isinstance(x, (list, tuple)) and holds_nodes(x):
        return faces.tensor(x)
    if type(x) is np.ndarray or isinstance(x, np.generic) or getattr(x, "is_symbolic", False):
        array = x
    else:
        array = np.asarray(x)
    if array.dtype.kind not in "biufc":
        if array.dtype == object and any(isinstance(e, Node) for e in array.flat):
            return faces.tensor(array)
        raise TypeError(f"expected numbers, got {type(x).__name__} of dtype {array.dtype}")
    return array


def operand(x: Any) -> Any:
    """Return array_like data as what has a shape: a node, a number or an array; lists of nodes are stacked."""
    return x if isinstance(x, Node) else plain(x)


def holds_nodes(items: Any) -> bool:
    """Return whether a nested list holds a node anywhere."""
    return any(isinstance(e, Node) or (isinstance(e, (list, tuple)) and holds_nodes(e)) for e in items)


def _own(x: Any) -> Any:
    """Copy the arrays in a static parameter: the caller may write into his own later."""
    if type(x) is np.ndarray:
        return x.copy()
    return tuple(_own(e) for e in x) if type(x) is tuple else x


def apply(op: Op, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Compute ``op`` and record a node when an operand is tracked; plain operands give a plain result."""
    values: list[Any] = []
    edges: list[int] = []
    arrays = nodes = foreign = False
    for x in operands:
        if not isinstance(x, Node):
            y = plain(x)
            if y is not x:
                operands = (*operands[: len(values)], y, *operands[len(values) + 1 :])
                x = y
            if not isinstance(x, Node):
                foreign = True
                if type(x) is np.ndarray and x.ndim:
                    arrays = True
                values.append(x)
                continue
        nodes = True
        if x.is_array:
            arrays = True
        if x.requires_grad:
            edges.append(len(values))
        values.append(x._data)
    if nodes and not arrays and op.is_elementwise:
        return faces.value.of(op, operands, values)
    result = op.forward(*values, **params) if params else op.forward(*values)
    if not nodes:
        return result
    given = operands
    if type(result) is not np.ndarray:
        result = np.asarray(result)
    mode = current.get()
    if mode is not None:
        if not mode.recording:
            edges = []
        if mode.watch is not None:
            mode.watch.forward(op, operands, values, result)
    if edges and result.dtype.kind == "c":
        raise TypeError(f"{op.name!r} of a tracked Tensor gave complex numbers; gradients are of real numbers only.")
    if not edges or result.dtype.kind != "f":
        if result.base is not None:
            result = result.copy(order="K")  # not a view of a leaf's memory
        untracked = faces.tensor.wrap(result)
        if mode is not None and mode.tape is not None:
            mode.tape.forward(op, given, params, untracked)
        return untracked
    if foreign:
        operands = _kept(op, operands, result.dtype.type)
        values = [data_of(x) for x in operands]
    if params:
        params = {k: _own(v) for k, v in params.items()}
    node = faces.tensor.node(result, op, operands, params, edges, values)
    if mode is not None:
        if mode.watch is not None:
            mode.watch.made(node)
        if mode.tape is not None:
            mode.tape.forward(op, given, params, node)
    return node


READS_OPERANDS: Final = ("both", "operands")


def _kept(op: Op, operands: Sequence[Any], typed: Any) -> tuple[Any, ...]:
    """Return operands as a node keeps them: foreign arrays copied if a rule will read them, numbers typed."""
    kept = list(operands)
    for i, x in enumerate(kept):
        if type(x) is np.ndarray:
            if op.needs in READS_OPERANDS:
                kept[i] = x.copy()
        elif op.is_elementwise and (type(x) is float or type(x) is int):
            kept[i] = typed(x)  # a rule computes in the result's dtype, and NumPy numbers divide by zero quietly
    return tuple(kept)


def topological(roots: Iterable[Node], stop: Any = (), leaves: bool = True) -> list[Node]:
    """Return the tracked nodes that the roots depend on, each after its operands.

    Parameters
    ----------
    roots : iterable of Node
    stop : container of Node
        Nodes to treat as leaves.
    leaves : bool
        Whether the leaves are to be in the list.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Any] = list(roots)
    while stack:
        node = stack.pop()
        if node is None:  # everything that the node below depends on is in the order by now
            order.append(stack.pop())
            continue
        while node not in seen:  # follows the first operand, and leaves the others on the stack
            seen.add(node)
            if node.op is None or node in stop:
                if leaves:
                    order.append(node)
                break
            stack.append(node)
            stack.append(None)
            first = None
            operands = node.operands
            for i in reversed(node.edges):
                x = operands[i]
                if x.op is None:
                    if leaves and x not in seen:
                        seen.add(x)
                        order.append(x)
                elif x not in seen:
                    if first is not None:
                        stack.append(first)
                    first = x
            if first is None:
                break
            node = first
    return order


def tracked(operands: Sequence[Any]) -> list[int]:
    """Return which of the operands are tracked nodes."""
    return [i for i, x in enumerate(operands) if isinstance(x, Node) and x.requires_grad]


def check_fresh(node: Node) -> None:
    """Raise StaleError when an operand that the node's rules read was overwritten after the node was computed."""
    if node.op.needs not in READS_OPERANDS:  # type: ignore[union-attr]
        return
    for i, x in enumerate(node.operands):
        if isinstance(x, Node) and (written := _written(x)) > node._epoch:
            count, place = _writers[written % _REMEMBERED]
            where = " at {}:{}".format(*modes.line_of(place)) if count == written else ""
            raise StaleError(
                f"operand {i} of {node.op.name!r}, {describe(x)}, was overwritten{where} after {describe(node)} "  # type: ignore[union-attr]
                "was computed from it, so the gradient would be wrong.\n"
                "Call backward() before the data is written (before optimizer.step()), or compute the result again."
            )


def _written(node: Node) -> int:
    """Return when the memory of a node was last written: that of a view when the leaf under it was."""
    while node.is_array and node.op is not None and node._data.base is not None and isinstance(node.operands[0], Node):
        node = node.operands[0]
    return node._epoch


def unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which an operand of this shape was broadcast."""
    lead = gradient.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and gradient.shape[lead + i] != 1)
    return np.reshape(np.sum(gradient, axis=axes), shape)


def describe(node: Node) -> str:
    """Name a node for an error text: its label, what made it, and its shape."""
    name = f"{node.label!r} " if node.label else ""
    made = f"made by {node.op.name!r}" if node.op is not None else "a leaf"
    if not node.is_array:
        return f"{name}Value({node._data:.6g}) ({made})"
    return f"{name}Tensor of shape {node._data.shape}, {node._data.dtype} ({made})"
