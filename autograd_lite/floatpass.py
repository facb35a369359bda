"""The backward pass of a graph that holds nothing but Values: the hot path of the scalar engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph, ops
from autograd_lite.ops.record import Op

__all__ = ["pull_floats"]


_ADD: Op = ops.add
_MULTIPLY: Op = ops.multiply
_OWN_RULES = _ADD.float_rules, _MULTIPLY.float_rules


def pull_floats(root: Any, seed: float) -> bool:
    """Fill the gradients of a graph of nothing but Values; False, with nothing to show, if it holds anything else.

    ``grad`` itself marks the nodes that were reached (it holds ``unset`` until the first share arrives), so a node
    costs no dictionary entry and no slot. The lock keeps two threads out of one graph.
    """
    Value = graph.faces.value  # noqa: N806
    unset = object()
    stack: list[Any] = [root]
    leaves: list[tuple[Any, Any]] = []
    order: list[Any] = []
    with graph.committing, np.errstate(all="ignore"):
        try:
            if not _order_floats(Value, stack, unset, leaves, order):
                _restore(stack, leaves, order)
                return False
            root.grad = seed
            clock = graph.clock
            # Most nodes are sums and products, whose rules are written out below unless the table's were replaced.
            plain_add = _ADD if _ADD.float_rules is _OWN_RULES[0] else None
            plain_multiply = _MULTIPLY if _MULTIPLY.float_rules is _OWN_RULES[1] else None
            for node in reversed(order):
                gradient = node.grad
                op = node.op
                a = node.a
                b = node.b
                if gradient is unset:
                    node.grad = None
                elif op is plain_add and isinstance(b, Value) and isinstance(a, Value):
                    a.grad = gradient if a.grad is unset else a.grad + gradient
                    b.grad = gradient if b.grad is unset else b.grad + gradient
                elif op is plain_multiply and node._epoch == clock and isinstance(b, Value) and isinstance(a, Value):
                    share = gradient * b._data
                    a.grad = share if a.grad is unset else a.grad + share
                    share = gradient * a._data
                    b.grad = share if b.grad is unset else b.grad + share
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
        except BaseException:
            _restore(stack, leaves, order)
            raise
        for leaf, before in leaves:
            if leaf.grad is unset:
                leaf.grad = before
            elif before is not None:
                leaf.grad = before + leaf.grad
    return True


def _order_floats(
    Value: Any,  # noqa: N803
    stack: list[Any],
    unset: object,
    leaves: list[tuple[Any, Any]],
    order: list[Any],
) -> bool:
    """Mark and collect what the root depends on, operands first; False if there is more than Values and table ops."""
    push, pop, emit = stack.append, stack.pop, order.append
    while stack:
        node = pop()
        if node is None:
            emit(pop())
            continue
        while node.grad is not unset:  # follows the first operand, and leaves the second on the stack
            op = node.op
            if op is None:
                leaves.append((node, node.grad))
                node.grad = unset
                break
            if not op.is_elementwise:
                return False
            node.grad = unset
            a = node.a
            b = node.b
            if b is not None and isinstance(b, Value) and b.grad is not unset:
                push(node)
                push(None)
                push(b)
                if not isinstance(a, Value):
                    break
                node = a
            elif isinstance(a, Value):
                if a.grad is unset:
                    emit(node)
                    break
                push(node)
                push(None)
                node = a
            else:
                push(node)
                push(None)
                if type(a) is tuple:
                    stack.extend(x for x in a if isinstance(x, Value))
                break
    return True


def _restore(stack: list[Any], leaves: list[tuple[Any, Any]], order: list[Any]) -> None:
    for node in (*order, *stack):
        if node is not None and node.op is not None:
            node.grad = None
    for leaf, before in leaves:
        leaf.grad = before
