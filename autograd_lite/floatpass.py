"""The backward pass of a graph that holds nothing but Values: the hot path of the scalar engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_lite import graph, ops
from autograd_lite.graph import writes
from autograd_lite.ops.record import Op

if TYPE_CHECKING:
    from autograd_lite.value import Value

__all__ = ["pull_floats"]


_ADD: Final[Op] = ops.add
_MULTIPLY: Final[Op] = ops.multiply
_OWN_RULES: Final = (_ADD.float_rules, _MULTIPLY.float_rules)
Leaf = tuple["Value", Any, float]  # with its mark and gradient before the pass


def pull_floats(root: Value, seed: float) -> bool:
    """Fill the gradients of a graph of nothing but Values; False, with nothing to show, if it holds anything else.

    What marks the nodes that were reached is in their own slots, so a node costs no dictionary entry: ``_mark`` holds
    ``unset`` until the first share arrives. The lock keeps two threads out of one graph.
    """
    unset = object()
    stack: list[Value | None] = [root]
    leaves: list[Leaf] = []
    order: list[Value] = []
    with graph.committing, np.errstate(all="ignore"):
        try:
            if not _order_floats(stack, unset, leaves, order):
                _restore(stack, leaves, order)
                return False
            root._gradient = seed
            root._mark = True
            _pull(order, unset)
        except BaseException:
            _restore(stack, leaves, order)
            raise
        for leaf, mark, before in leaves:
            if leaf._mark is unset:
                leaf._mark = mark
            elif mark is True:
                leaf._gradient += before
            elif mark is not None:
                leaf.grad = mark + leaf.grad
    return True


def _pull(order: list[Value], unset: object) -> None:
    """Carry the gradient of the last node back to the first ones."""
    from autograd_lite.value import Value

    now = writes.count
    # Most nodes are sums and products, whose rules are written out below unless the table's were replaced.
    plain_add = _ADD if _ADD.float_rules is _OWN_RULES[0] else None
    plain_multiply = _MULTIPLY if _MULTIPLY.float_rules is _OWN_RULES[1] else None
    share: float
    factor: float
    for node in reversed(order):
        if node._mark is unset:
            node._mark = None
            continue
        gradient = node._gradient
        op: Any = node.op
        a = node.a
        b = node.b
        if op is plain_add and isinstance(b, Value) and isinstance(a, Value):
            if a._mark is unset:
                a._mark = True
                a._gradient = gradient
            else:
                a._gradient += gradient
            if b._mark is unset:
                b._mark = True
                b._gradient = gradient
            else:
                b._gradient += gradient
        elif op is plain_multiply and node._epoch == now and isinstance(b, Value) and isinstance(a, Value):
            share = gradient * b._data
            if a._mark is unset:
                a._mark = True
                a._gradient = share
            else:
                a._gradient += share
            share = gradient * a._data
            if b._mark is unset:
                b._mark = True
                b._gradient = share
            else:
                b._gradient += share
        elif (op is plain_add or op is plain_multiply) and node._epoch == now and isinstance(a, Value):
            factor = 1.0 if op is plain_add else b
            _give(a, gradient * factor, unset)
        elif b is None and isinstance(a, Value) and node._epoch == now and not op.singular:
            rule = op.float_rules[0]
            try:
                share = gradient * (rule(node._data, a._data) if callable(rule) else rule)
            except (ArithmeticError, ValueError):
                share = gradient * Value.slope(op, 0, node._data, (a._data,))
            _give(a, share, unset)
        else:
            if node._epoch != now:
                graph.check_fresh(node)
            for x, share in Value.shares(node, gradient):
                _give(x, share, unset)


def _give(node: Value, share: float, unset: object) -> None:
    if node._mark is unset:
        node._mark = True
        node._gradient = share
    else:
        node._gradient += share


def _order_floats(stack: list[Value | None], unset: object, leaves: list[Leaf], order: list[Value]) -> bool:
    """Mark and collect what the root depends on, operands first; False if there is more than Values and table ops."""
    from autograd_lite.value import Value

    while stack:
        node = stack.pop()
        if node is None:  # everything that the node below depends on is in the order by now
            done = stack[-1]
            if done is not None:
                order.append(done)
            stack.pop()
            continue
        while node._mark is not unset:  # follows the first operand, and leaves the second on the stack
            op = node.op
            if op is None:
                leaves.append((node, node._mark, node._gradient))
                node._mark = unset
                break
            a = node.a
            b = node.b
            if isinstance(b, Value) and b._mark is not unset:
                stack.append(node)
                node._mark = unset
                stack.append(None)
                stack.append(b)
                if isinstance(a, Value):
                    node = a
                    continue
            elif isinstance(a, Value):
                if a._mark is unset:
                    order.append(node)
                    node._mark = unset
                    break
                stack.append(node)
                node._mark = unset
                stack.append(None)
                node = a
                continue
            else:
                stack.append(node)
                node._mark = unset
                stack.append(None)
                if type(a) is tuple:
                    stack.extend([x for x in a if isinstance(x, Value)])
            if not op.is_elementwise:  # it has a Tensor for its operand
                return False
            break
    return True


def _restore(stack: list[Value | None], leaves: list[Leaf], order: list[Value]) -> None:
    for node in order + stack:
        if node is not None and node.op is not None:
            node._mark = None
    for leaf, mark, before in leaves:
        leaf._mark = mark
        leaf._gradient = before
