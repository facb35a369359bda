"""The backward pass of a graph that holds nothing but Values: the hot path of the scalar engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_lite import graph, ops
from autograd_lite.ops.record import Op

if TYPE_CHECKING:
    from autograd_lite.value import Value

__all__ = ["pull_floats"]


_ADD: Final[Op] = ops.add
_MULTIPLY: Final[Op] = ops.multiply
_OWN_RULES: Final = (_ADD.float_rules, _MULTIPLY.float_rules)


def pull_floats(root: Value, seed: float) -> bool:
    """Fill the gradients of a graph of nothing but Values; False, with nothing to show, if it holds anything else.

    ``grad`` itself marks the nodes that were reached (it holds ``unset`` until the first share arrives), so a node
    costs no dictionary entry and no slot. The lock keeps two threads out of one graph.
    """
    unset = object()
    stack: list[Value] = [root]
    leaves: list[tuple[Value, Any]] = []
    order: list[Value] = []
    with graph.committing, np.errstate(all="ignore"):
        try:
            if not _order_floats(stack, object(), unset, leaves, order):
                _restore(stack, leaves, order)
                return False
            root.grad = seed
            _pull(order, unset)
        except BaseException:
            _restore(stack, leaves, order)
            raise
        for leaf, before in leaves:
            if leaf.grad is unset:
                leaf.grad = before
            elif before is not None:
                leaf.grad = before + leaf.grad
    return True


def _pull(order: list[Value], unset: object) -> None:
    """Carry the gradient of the last node back to the first ones."""
    from autograd_lite.value import Value

    clock = graph.writes.count
    # Most nodes are sums and products, whose rules are written out below unless the table's were replaced.
    plain_add = _ADD if _ADD.float_rules is _OWN_RULES[0] else None
    plain_multiply = _MULTIPLY if _MULTIPLY.float_rules is _OWN_RULES[1] else None
    gradient: float
    total: float
    for node in reversed(order):
        op: Any = node.op
        a = node.a
        b = node.b
        if node.grad is unset:
            node.grad = None
            continue
        gradient = node.grad
        if op is plain_add and isinstance(b, Value) and isinstance(a, Value):
            if a.grad is unset:
                a.grad = gradient
            else:
                total = a.grad
                a.grad = total + gradient
            if b.grad is unset:
                b.grad = gradient
            else:
                total = b.grad
                b.grad = total + gradient
        elif op is plain_multiply and node._epoch == clock and isinstance(b, Value) and isinstance(a, Value):
            share = gradient * b._data
            if a.grad is unset:
                a.grad = share
            else:
                total = a.grad
                a.grad = total + share
            share = gradient * a._data
            if b.grad is unset:
                b.grad = share
            else:
                total = b.grad
                b.grad = total + share
        elif b is None and isinstance(a, Value) and node._epoch == clock and not op.singular:
            rule = op.float_rules[0]
            try:
                share = gradient * (rule(node._data, a._data) if callable(rule) else rule)
            except (ArithmeticError, ValueError):
                share = gradient * Value.slope(op, 0, node._data, (a._data,))
            a.grad = share if a.grad is unset else a.grad + share
        else:
            if node._epoch != clock:
                graph.check_fresh(node)
            for o, share in Value.shares(node, gradient):
                o.grad = share if o.grad is unset else o.grad + share


def _order_floats(
    stack: list[Value], opened: object, unset: object, leaves: list[tuple[Value, Any]], order: list[Value]
) -> bool:
    """Collect what the root depends on, operands first; False if there is more than Values and table ops.

    ``grad`` holds ``opened`` from when a node was met until its operands are in the order, ``unset`` thereafter.
    """
    from autograd_lite.value import Value

    while stack:
        node = stack[-1]
        if node.grad is opened:
            order.append(node)
            node.grad = unset
        stack.pop()
        while node.grad is not unset:  # follows the first operand, and leaves the second on the stack
            op = node.op
            if op is None:
                leaves.append((node, node.grad))
                node.grad = unset
                break
            stack.append(node)
            node.grad = opened
            a = node.a
            b = node.b
            if isinstance(b, Value) and b.grad is not unset:
                stack.append(b)
            if not isinstance(a, Value):
                if not op.is_elementwise:
                    return False
                if type(a) is tuple:
                    stack.extend([x for x in a if isinstance(x, Value)])
                break
            node = a
    return True


def _restore(stack: list[Value], leaves: list[tuple[Value, Any]], order: list[Value]) -> None:
    for node in order + stack:
        if node.op is not None:
            node.grad = None
    for leaf, before in leaves:
        leaf.grad = before
