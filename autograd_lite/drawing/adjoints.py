"""The backward pass of a picture: every gradient, local derivative and share on its way, written down as it goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph, passes
from autograd_lite.drawing.measure import SMALL, norm, numbers_of
from autograd_lite.drawing.record import Numbers, Summary
from autograd_lite.graph import Node, Patch
from autograd_lite.value import Value

__all__ = ["Adjoints", "Flow", "local_derivatives"]

Flow = tuple[int, float | None, Numbers]  # operand slot, local derivative between single numbers, share

_LOST = object()  # in place of a gradient that some operation failed to pass on


class Adjoints:
    """The backward pass of `passes.pull`, which touches no node.

    Attributes
    ----------
    grads : dict
        Node -> gradient.
    flows : dict
        Node -> what it gives to each of its operands.
    notes : dict
        Node -> why it gives nothing.
    """

    def __init__(self) -> None:
        self.grads: dict[Node, Numbers] = {}
        self.flows: dict[Node, tuple[Flow, ...]] = {}
        self.notes: dict[Node, str] = {}

    def carry(self, order: list[Node], seeds: dict[Node, Any]) -> None:
        pending: dict[Node, Any] = dict(seeds)
        owned: set[Node] = set()
        with np.errstate(all="ignore"):
            for node in reversed(order):
                gradient = pending.pop(node, None)
                if gradient is None:
                    continue
                if type(gradient) is float:
                    self.grads[node] = gradient
                elif gradient is not _LOST:
                    self.grads[node] = numbers_of(gradient)
                flow: list[Flow] = []
                for slot, x, local, share in self._passed_on(node, gradient):
                    old = pending.get(x)
                    if share is _LOST or old is _LOST:
                        pending[x] = _LOST
                    elif type(share) is float:
                        flow.append((slot, local, share))
                        pending[x] = share if old is None else old + share
                    else:
                        flow.append((slot, local, _share_of(x, share)))
                        _add(pending, owned, x, share)
                if flow:
                    self.flows[node] = tuple(flow)
        self.grads.update((leaf, numbers_of(gradient)) for leaf, gradient in pending.items() if gradient is not _LOST)

    def _passed_on(self, node: Any, gradient: Any) -> list[tuple[int, Any, float | None, Any]]:
        """Return (slot, operand, local derivative, share) for the operands that a node's gradient goes to."""
        op = node.op
        if gradient is not _LOST:
            try:
                if not node.is_array and op.is_elementwise:
                    return _between_numbers(node, gradient)
                slots = [i for i in node.edges if op.variadic or op.rules[i] is not None]
                shares = passes.shares(node, gradient, False)
                slopes = local_derivatives(node)
                return [(i, x, slopes.get(i), share) for i, (x, share) in zip(slots, shares, strict=True)]
            except Exception as error:  # a stale operand or a faulty rule: the picture says so and stays honest
                self.notes[node] = str(error).split("\n")[0]
        return [(i, node.operands[i], None, _LOST) for i in node.edges if op.variadic or op.rules[i] is not None]


def _between_numbers(node: Any, gradient: float) -> list[tuple[int, Any, float | None, float]]:
    if node._epoch != graph.writes.count:
        graph.check_fresh(node)
    op, y, operands = node.op, node._data, node.operands
    args = [x._data if isinstance(x, Node) else x for x in operands]
    found: list[tuple[int, Any, float | None, float]] = []
    for i, x in enumerate(operands):
        if isinstance(x, Node) and op.rules[i] is not None:
            slope = float(Value.slope(op, i, y, args))
            found.append((i, x, slope, 0.0 if op.singular and gradient == 0.0 else gradient * slope))
    return found


def local_derivatives(node: Any) -> dict[int, float]:
    """Return the local derivative by each tracked operand, between single numbers."""
    op, data = node.op, node._data
    if not op.is_elementwise or (node.is_array and data.size != 1):
        return {}
    args = node.args
    if node.is_array:
        data, args = data.item(), [np.asarray(graph.data_of(x)).item() for x in node.operands]
    return {i: float(Value.slope(op, i, data, args)) for i in node.edges if op.rules[i] is not None}


def _add(pending: dict[Node, Any], owned: set[Node], x: Any, share: Any) -> None:
    old = pending.get(x)
    if type(share) is Patch:
        if x not in owned:
            pending[x] = np.zeros_like(x._data) if old is None else old.copy()
            owned.add(x)
        share.add_to(pending[x])
    elif old is None:
        pending[x] = share
    elif x in owned:
        pending[x] += share
    else:
        pending[x] = np.asarray(old + share) if x.is_array else old + share
        if x.is_array:
            owned.add(x)


def _share_of(x: Any, share: Any) -> Numbers:
    if type(share) is not Patch:
        return numbers_of(share)
    if share.repeats or x._data.size <= SMALL:
        dense = np.zeros_like(x._data)
        share.add_to(dense)
        return numbers_of(dense)
    return Summary(norm(np.asarray(share.value, dtype=np.float64)))
