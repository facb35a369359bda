"""The two passes through a graph: back with gradients (`pull`), forward with tangents (`push`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import graph, modes
from autograd_lite.errors import AutogradError, GradientError
from autograd_lite.graph import (
    Node,
    Patch,
    check_fresh,
    committing,
    data_of,
    describe,
    faces,
    topological,
    unbroadcast,
)

__all__ = ["backward", "pull", "push", "shares"]


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
    complete = []
    for node, share in found.items():
        if type(share) is np.ndarray and (share.base is not None or node.op is not None or node is root):
            share = share.copy()  # no gradient shares memory with a view or another gradient
        complete.append((node, share))
    with committing:
        for node, share in complete:
            node.grad = share if node.grad is None or node.op is not None else node.grad + share


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
    mode = modes.current.get()
    if mode is not None and mode.tape is not None and not recorded:
        return mode.tape.pull(seeds, wanted, order)  # type: ignore[no-any-return]
    stop = wanted if wanted is not None else ()
    if order is None:
        order = topological(seeds, stop, leaves=False)
    live = None if wanted is None else _between(order, wanted)
    found: dict[Node, Any] = {}
    pending = dict(seeds)
    owned: set[Node] = set()  # whose pending gradient is an array that nobody else holds
    watch = mode.watch if mode is not None else None
    with np.errstate(all="ignore"):
        for node in reversed(order):
            if node.op is None or node in stop or (gradient := pending.pop(node, None)) is None:
                continue
            extras = node.extras
            if extras is not None:
                gradient = extras.seen(node, gradient, recorded)
            if live is None and (not node.is_array or (extras is not None and extras.retain)):
                found[node] = gradient
            for x, share in shares(node, gradient, recorded, live, watch):
                old: Any = pending.get(x)
                if old is None and type(share) is not Patch:
                    pending[x] = share if share is not gradient or x.op is not None or recorded else _copied(share)
                elif type(share) is Patch:
                    if x not in owned:
                        pending[x] = np.zeros_like(x._data) if old is None else old.copy()
                        owned.add(x)
                    share.add_to(pending[x])
                elif x in owned:
                    np.add(old, share, out=old)
                else:
                    pending[x] = total = old + share
                    if type(total) is np.ndarray:
                        owned.add(x)
                    elif isinstance(total, np.generic) and x.is_array:
                        pending[x] = np.asarray(total)
        for leaf, gradient in pending.items():
            found[leaf] = gradient if leaf.extras is None else leaf.extras.seen(leaf, gradient, recorded)
    return found


def _between(order: list[Node], wanted: Any) -> set[Node]:
    """Return the nodes of ``order`` that depend on a wanted one."""
    live = set(wanted)
    for node in order:
        if node not in live and node.op is not None and any(node.operands[i] in live for i in node.edges):
            live.add(node)
    return live


def _copied(share: Any) -> Any:
    return share.copy() if type(share) is np.ndarray else share


def shares(node: Node, gradient: Any, recorded: bool, live: Any = None, watch: Any = None) -> list[tuple[Node, Any]]:
    """Return what a node's gradient gives to each of its tracked operands, as (operand, gradient) pairs."""
    op: Any = node.op
    operands = node.operands
    if node._epoch != graph.writes.count:
        check_fresh(node)
    if not recorded and not node.is_array and op.is_elementwise:
        result = faces.value.shares(node, gradient, live)
        if watch is not None:
            watch.backward(node, gradient, result)
        return result  # type: ignore[no-any-return]
    y, args = (node, operands) if recorded else (node._data, node.args)
    params = node.params
    rules, is_elementwise = op.rules, op.is_elementwise
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
            elif (rule := rules[i]) is None:
                continue
            elif is_elementwise:
                share = _scaled(gradient, rule(y, *args) if callable(rule) else rule, op.singular)
            else:
                share = rule(gradient, y, *args, **params) if params else rule(gradient, y, *args)
            data = x._data
            if (
                type(share) is not np.ndarray
                or type(data) is not np.ndarray
                or share.shape != data.shape
                or share.dtype is not data.dtype
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


_BOOL = np.dtype(np.bool_)


def _scaled(direction: Any, slope: Any, singular: bool) -> Any:
    """Multiply a gradient or tangent by a slope, where an exact zero wins over an infinity on the other side."""
    if type(slope) is int or type(slope) is float:
        return direction if slope == 1 else direction * slope if slope else np.zeros_like(data_of(direction))
    if getattr(slope, "dtype", None) is _BOOL:
        return np.where(slope, direction, 0)
    if singular and isinstance(slope, Node) and modes.tape() is not None:  # without a look at the numbers
        unbounded: Any = np.logical_not(np.isfinite(slope))  # type: ignore[call-overload]
        hidden: Any = np.logical_and(np.equal(direction, 0), unbounded)
        slope = np.where(hidden, 0, slope)  # type: ignore[call-overload]
    elif singular:
        finite = np.isfinite(data_of(slope))
        if not np.all(finite):
            slope = np.where((data_of(direction) == 0) & ~finite, 0, slope)
    return direction * slope


def _fitted(node: Node, i: int, x: Node, share: Any, recorded: bool) -> Any:
    """Bring a share to its operand's shape and dtype where broadcasting and promotion explain the difference."""
    op = node.op
    assert op is not None
    if type(share) is Patch:
        return share
    if not x.is_array:
        if not recorded:
            return float(share if type(share) is float else np.sum(share))
        if isinstance(share, Node) and share.is_array:
            return faces.entry(np.reshape(np.sum(share), (1,)), 0)  # type: ignore[call-overload]
        return share
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
                if node._epoch != graph.writes.count:
                    check_fresh(node)
                found[node] = _tangent(node, arriving, recorded)
    return found


def _tangent(node: Node, arriving: list[Any], recorded: bool) -> Any:
    op, params = node.op, node.params
    assert op is not None
    y, args = (node, node.operands) if recorded else (node._data, node.args)
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
