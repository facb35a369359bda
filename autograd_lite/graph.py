"""The graph: nodes, their order, and the two passes through them (back with gradients, forward with tangents).

Nothing here recurses, and nothing is kept beside the nodes themselves: a graph lives as long as its root
and is freed by reference counting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autograd_lite import modes
from autograd_lite.errors import AutogradError, GradientError, StaleError

if TYPE_CHECKING:
    from autograd_lite.ops.record import Op

__all__ = ["Node", "apply", "data_of", "pull", "push", "topological"]


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
    edges : sequence of int
        Which operands are tracked nodes.
    """

    __slots__ = ("_data", "_epoch", "grad", "label", "op")
    _data: Any
    _epoch: int
    grad: Any
    label: str | None
    op: Op | None
    operands: tuple[Any, ...]
    params: dict[str, Any]
    edges: Sequence[int]
    requires_grad: bool
    is_array: bool
    extras: Any

    __hash__ = object.__hash__


class _Faces:
    """The two node classes, registered by their modules so that imports run one way."""

    value: Any
    tensor: Any
    entry: Any


faces = _Faces()

class Patch(NamedTuple):
    """A gradient that is zero but for the entries at an index: added in place, so that many of them stay cheap."""

    index: Any
    value: Any
    repeats: bool = False

    def add_to(self, array: np.ndarray[Any, Any]) -> None:
        """Add the entries to a gradient of the operand's shape."""
        if self.repeats:
            np.add.at(array, self.index, self.value)
        else:
            array[self.index] += self.value


# Counts writes to leaves. A node remembers the count at which it was computed, a leaf the one at which it was written.
clock = 0
_writing = threading.Lock()
committing = threading.RLock()  # held while ``.grad`` changes
places: dict[int, str] = {}


def mark_written(leaves: Iterable[Node]) -> None:
    """Tell that the data of these leaves changed, so that graphs which saved them are stale."""
    global clock
    with _writing:
        clock += 1
        for leaf in leaves:
            leaf._epoch = clock


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
    if isinstance(x, (list, tuple)) and _holds_nodes(x):
        return faces.tensor(x)
    array = x if type(x) is np.ndarray or isinstance(x, np.generic) else np.asarray(x)
    if array.dtype.kind not in "biufc":
        if array.dtype == object and any(isinstance(e, Node) for e in array.flat):
            return faces.tensor(array)
        raise TypeError(f"expected numbers, got {type(x).__name__} of dtype {array.dtype}")
    return array


def _holds_nodes(items: Any) -> bool:
    return any(isinstance(e, Node) or (isinstance(e, (list, tuple)) and _holds_nodes(e)) for e in items)


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
                operands = [*operands[: len(values)], y, *operands[len(values) + 1 :]]
                x = y
        if isinstance(x, Node):
            nodes = True
            if x.is_array:
                arrays = True
            if x.requires_grad:
                edges.append(len(values))
            values.append(x._data)
        else:
            foreign = True
            if type(x) is np.ndarray and x.ndim:
                arrays = True
            values.append(x)
    if nodes and not arrays and op.is_elementwise:
        return faces.value.of(op, operands, values)
    result = op.forward(*values, **params) if params else op.forward(*values)
    if not nodes:
        return result
    if type(result) is not np.ndarray:
        result = np.asarray(result)
    mode = modes.current.get()
    if mode is not None:
        if not mode.recording:
            edges = []
        if mode.watch is not None:
            mode.watch.forward(op, operands, values, result)
    if not edges or result.dtype.kind != "f":
        return faces.tensor.wrap(result)
    if foreign:
        operands = _kept(op, operands, result.dtype.type)
    if params:
        params = {k: _own(v) for k, v in params.items()}
    node = faces.tensor.node(result, op, operands if type(operands) is tuple else tuple(operands), params, edges)
    if mode is not None and mode.watch is not None:
        mode.watch.made(node)
    return node


_READS_OPERANDS = ("both", "operands")


def _kept(op: Op, operands: Sequence[Any], typed: Any) -> list[Any]:
    """Return operands as a node keeps them: foreign arrays copied if a rule will read them, numbers typed."""
    kept = list(operands)
    for i, x in enumerate(kept):
        if type(x) is np.ndarray:
            if op.needs in _READS_OPERANDS:
                kept[i] = x.copy()
        elif op.is_elementwise and (type(x) is float or type(x) is int):
            kept[i] = typed(x)  # a rule computes in the result's dtype, and NumPy numbers divide by zero quietly
    return kept


def topological(roots: Iterable[Node], stop: Any = ()) -> list[Node]:
    """Return the tracked nodes that the roots depend on, each after its operands.

    Parameters
    ----------
    roots : iterable of Node
    stop : container of Node
        Nodes to treat as leaves.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Any] = list(roots)
    while stack:
        node = stack.pop()
        if node is None:  # everything that the node below depends on is in the order by now
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            if node.op is None or node in stop:
                order.append(node)
            else:
                stack.append(node)
                stack.append(None)
                operands = node.operands
                for i in reversed(node.edges):
                    if operands[i] not in seen:
                        stack.append(operands[i])
    return order


def tracked(operands: Sequence[Any]) -> list[int]:
    """Return which of the operands are tracked nodes."""
    return [i for i, x in enumerate(operands) if isinstance(x, Node) and x.requires_grad]


def _between(order: list[Node], wanted: Any) -> set[Node]:
    """Return the nodes of ``order`` that depend on a wanted one."""
    live = set(wanted)
    for node in order:
        if node not in live and node.op is not None and any(node.operands[i] in live for i in node.edges):
            live.add(node)
    return live


def pull(
    seeds: dict[Node, Any], recorded: bool = False, wanted: Any = None, order: list[Node] | None = None
) -> dict[Node, Any]:
    """Reverse accumulation: carry gradients from the seeded nodes back to what they depend on.

    Parameters
    ----------
    seeds : dict
        Node -> gradient of the node's own shape and dtype.
    recorded : bool
        Whether the gradients are to be nodes themselves, so that they can be differentiated again.
    wanted : collection of Node, optional
        The nodes whose gradient is asked for; by default every leaf, and what asked to retain its gradient.
    order : list of Node, optional
        ``topological(seeds, wanted)``, when the caller has it already.

    Returns
    -------
    dict
        Node -> gradient: floats for Values, ndarrays for Tensors; nodes of either kind when recorded.
    """
    stop = wanted if wanted is not None else ()
    if order is None:
        order = topological(seeds, stop)
    live = None if wanted is None else _between(order, wanted)
    found: dict[Node, Any] = {}
    pending = dict(seeds)
    owned: set[Node] = set()  # whose pending gradient is an array that nobody else holds
    mode = modes.current.get()
    watch = mode.watch if mode is not None else None
    with np.errstate(all="ignore"):
        for node in reversed(order):
            gradient = pending.pop(node, None)
            if gradient is None or (live is not None and node not in live):
                continue
            extras = node.extras
            if extras is not None:
                gradient = extras.seen(node, gradient, recorded)
            if node.op is None or node in stop:
                found[node] = gradient
                continue
            if live is None and (not node.is_array or (extras is not None and extras.retain)):
                found[node] = gradient
            for x, share in shares(node, gradient, recorded, live, watch):
                old = pending.get(x)
                if type(share) is Patch:
                    if x not in owned:
                        pending[x] = np.zeros_like(x._data) if old is None else old.copy()
                        owned.add(x)
                    share.add_to(pending[x])
                elif old is None:
                    pending[x] = share
                elif x in owned:
                    np.add(old, share, out=old)
                else:
                    pending[x] = total = old + share
                    if type(total) is np.ndarray:
                        owned.add(x)
                    elif isinstance(total, np.generic) and x.is_array:
                        pending[x] = np.asarray(total)
    return found


def shares(node: Node, gradient: Any, recorded: bool, live: Any = None, watch: Any = None) -> list[tuple[Node, Any]]:
    """Return what a node's gradient gives to each of its tracked operands, as (operand, gradient) pairs."""
    op: Any = node.op
    operands = node.operands
    if node._epoch != clock and op.needs in _READS_OPERANDS:
        check_fresh(node)
    if not recorded and not node.is_array and op.is_elementwise:
        return faces.value.shares(node, gradient, live)  # type: ignore[no-any-return]
    y, args = (node, operands) if recorded else (node._data, _values(operands))
    params = node.params
    everything = None
    i = 0
    result = []
    try:
        if op.variadic:
            everything = op.rules[0](gradient, y, *args, **params)
        for i in node.edges:
            x = operands[i]
            if live is not None and x not in live:
                continue
            if everything is not None:
                share = everything[i]
            elif (rule := op.rules[i]) is None:
                continue
            elif op.is_elementwise:
                share = _scaled(gradient, rule(y, *args) if callable(rule) else rule, op.singular)
            else:
                share = rule(gradient, y, *args, **params)
            if not (
                type(share) is np.ndarray
                and type(x._data) is np.ndarray
                and share.shape == x._data.shape
                and share.dtype is x._data.dtype
            ):
                share = _fitted(node, i, x, share, recorded)
            result.append((x, share))
    except Exception as error:
        if not hasattr(error, "__notes__"):
            error.add_note(f"In the gradient rule of {op.name!r} for operand {i} of {describe(node)}.")
        raise
    if watch is not None:
        watch.backward(node, gradient, result)
    return result


def _values(operands: Sequence[Any]) -> list[Any]:
    return [x._data if isinstance(x, Node) else x for x in operands]


def _scaled(direction: Any, slope: Any, singular: bool) -> Any:
    """Multiply a gradient or tangent by a slope, where an exact zero wins over an infinity on the other side."""
    if type(slope) in (int, float):
        return direction if slope == 1 else direction * slope if slope else np.zeros_like(data_of(direction))
    if getattr(slope, "dtype", None) == bool:
        return np.where(slope, direction, 0)
    if singular:
        slope = np.where(data_of(direction) == 0, 0, slope)
    return direction * slope


def check_fresh(node: Node) -> None:
    """Raise StaleError when an operand of the node was overwritten after the node was computed."""
    for i, x in enumerate(node.operands):
        if isinstance(x, Node) and _written(x) > node._epoch:
            where = f" ({places[id(x)]})" if id(x) in places else ""
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


def _fitted(node: Node, i: int, x: Node, share: Any, recorded: bool) -> Any:
    """Bring a share to its operand's shape and dtype where broadcasting and promotion explain the difference."""
    op = node.op
    assert op is not None
    if type(share) is Patch:
        return share
    if not x.is_array:
        if not recorded:
            return float(share if type(share) is float else np.sum(share))
        return faces.entry(np.reshape(np.sum(share), (1,)), 0) if isinstance(share, Node) and share.is_array else share
    if not isinstance(share, Node) and type(share) is not np.ndarray:
        share = np.asarray(share, dtype=node._data.dtype if type(share) in (float, int, bool) else None)
    shape, dtype = x._data.shape, x._data.dtype
    if share.shape != shape:
        if not op.is_elementwise or len(shape) > share.ndim:
            raise GradientError(
                f"the rule of {op.name!r} for operand {i} returned a gradient of shape {share.shape}, "
                f"but the operand has shape {shape}; a rule must return its operand's shape."
            )
        share = unbroadcast(share, shape)
    if share.dtype != dtype:
        if share.dtype != node._data.dtype:
            raise GradientError(
                f"the rule of {op.name!r} for operand {i} returned a gradient of dtype {share.dtype}, "
                f"but the operand has dtype {dtype}; a rule must keep its operand's dtype."
            )
        share = share.astype(dtype)
    return share


def unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which an operand of this shape was broadcast."""
    lead = gradient.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and gradient.shape[lead + i] != 1
    )
    return np.reshape(np.sum(gradient, axis=axes), shape)


def push(order: list[Node], tangents: dict[Node, Any], recorded: bool = False) -> dict[Node, Any]:
    """Forward accumulation: carry tangents along ``order`` (as ``topological`` gives it).

    Returns
    -------
    dict
        Node -> tangent, for every node that depends on one of the given; the others have none.
    """
    found = dict(tangents)
    with np.errstate(all="ignore"):
        for node in order:
            if node in found or node.op is None:
                continue
            arriving = [found.get(x) if isinstance(x, Node) else None for x in node.operands]
            if any(t is not None for t in arriving):
                if node._epoch != clock and node.op.needs in _READS_OPERANDS:
                    check_fresh(node)
                found[node] = _tangent(node, arriving, recorded)
    return found


def _tangent(node: Node, arriving: list[Any], recorded: bool) -> Any:
    op, params = node.op, node.params
    assert op is not None
    y, args = (node, node.operands) if recorded else (node._data, _values(node.operands))
    if op.jvp is not None:
        result = op.jvp(arriving, y, *args, **params)
    elif op.is_elementwise:
        result = None
        for i, t in enumerate(arriving):
            if t is None or op.rules[i] is None:
                continue
            slope = faces.value.slope(op, i, y, args) if not (recorded or node.is_array) else op.rules[i]
            term = _scaled(t, slope(y, *args) if callable(slope) else slope, op.singular)
            result = term if result is None else result + term
    elif op.linear:
        filled = [np.zeros_like(data_of(x)) if t is None else t for x, t in zip(args, arriving, strict=True)]
        result = op(*filled, **params)
    elif op.multilinear:
        result = None
        for i, t in enumerate(arriving):
            if t is not None:
                term = op(*args[:i], t, *args[i + 1 :], **params)
                result = term if result is None else result + term
    else:
        result = _transposed_twice(node, arriving, y, args, recorded)
    if not node.is_array:
        return result if recorded else float(result)
    if np.shape(result) != node._data.shape:
        result = np.broadcast_to(result, node._data.shape)
    if not isinstance(result, Node):
        return np.asarray(result, dtype=node._data.dtype)
    return result


def _transposed_twice(node: Node, arriving: list[Any], y: Any, args: Sequence[Any], recorded: bool) -> Any:
    """Derive a tangent from gradient rules alone: a vjp is linear in ``u``, and its own transpose is the jvp."""
    op = node.op
    assert op is not None
    u = faces.tensor(np.zeros_like(node._data), requires_grad=True)
    with modes.enable_grad():
        everything = op.rules[0](u, y, *args, **node.params) if op.variadic else None  # type: ignore[operator,misc]
        seeds: dict[Node, Any] = {}
        for i, t in enumerate(arriving):
            if t is not None:
                share = everything[i] if everything is not None else op.rules[i](u, y, *args, **node.params)  # type: ignore[operator,misc]
                if isinstance(share, Node):
                    seeds[share] = seeds[share] + t if share in seeds else t
        return pull(seeds, recorded, frozenset((u,))).get(u, np.zeros_like(node._data))


def describe(node: Node) -> str:
    """Name a node for an error text: its label, what made it, and its shape."""
    name = f"{node.label!r} " if node.label else ""
    made = f"made by {node.op.name!r}" if node.op is not None else "a leaf"
    if not node.is_array:
        return f"{name}Value({node._data:.6g}) ({made})"
    return f"{name}Tensor of shape {node._data.shape}, {node._data.dtype} ({made})"


def backward(root: Node, gradient: Any, create_graph: bool) -> None:
    """Fill the ``.grad`` of everything that ``root`` depends on; all of it or, after an exception, nothing.

    Leaves accumulate, intermediate results are overwritten.
    """
    if not root.requires_grad:
        raise AutogradError(
            f"backward() on {describe(root)}: it depends on nothing that requires a gradient.\n"
            "Make an input with requires_grad=True, and compute outside no_grad()."
        )
    found = pull({root: gradient}, recorded=create_graph)
    taken = {id(gradient)}
    for node, share in found.items():
        if type(share) is np.ndarray:
            if share.base is not None or id(share) in taken:
                share = found[node] = share.copy()  # no gradient shares memory with another, or with a view
            taken.add(id(share))
    with committing:
        for node, share in found.items():
            node.grad = share if node.op is not None or node.grad is None else node.grad + share
