"""Value: the scalar face. One Python float, with operators that record and a backward pass of its own.

A graph of Values has a node for every number, so this is the hot path of the package: the operators below make their
node in line, and a graph of nothing but Values is pulled by `_pull_floats`, which keeps its state in the nodes' own
slots. Everything else (Tensors in the graph, hooks, recorded gradients) goes through `graph.pull`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import graph, modes, ops, snapshot
from autograd_lite.errors import AutogradError
from autograd_lite.face import Face
from autograd_lite.graph import Node
from autograd_lite.ops.floats import evaluate
from autograd_lite.ops.record import Op

__all__ = ["Value"]

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _POWER = ops.add, ops.subtract, ops.multiply, ops.divide, ops.power
_NEGATIVE, _RELU, _TANH = ops.negative, ops.relu, ops.tanh
_mode = modes.current.get


class Value(Face):
    """A number that remembers how it was computed.

    Parameters
    ----------
    data : float
        The number; stored as a Python float.
    label : str, optional
        A name for pictures and error texts.

    Attributes
    ----------
    data : float
        The number. Writing it (``v.data -= 0.1 * v.grad``) is for leaves only.
    grad : float or None
        The gradient; None until ``backward()`` has computed it. Leaves accumulate, results are overwritten.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> x = Value(3.0)
    >>> y = x * x + 1
    >>> y.backward()
    >>> y.data, x.grad
    (10.0, 6.0)
    """

    __slots__ = ("a", "b")
    a: Any
    b: Any
    is_array = False
    requires_grad = True
    extras = None
    shape = ()
    ndim = 0
    size = 1
    dtype = np.dtype(np.float64)
    params: dict[str, Any] = {}

    def __init__(self, data: float, label: str | None = None) -> None:
        if type(data) is not float:
            data = _number(data)
        self._data = data
        self._epoch = graph.clock
        self.grad = self.label = self.op = self.a = self.b = None

    @property
    def data(self) -> float:
        return self._data  # type: ignore[no-any-return]

    @data.setter
    def data(self, data: float) -> None:
        if self.op is not None:
            raise AutogradError(
                f"the data of {graph.describe(self)} cannot be set: it is the result of an operation.\n"
                "Set the data of a leaf and compute again, or make a new Value."
            )
        self._data = _number(data)
        graph.mark_written((self,))

    @property
    def operands(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The operands, in order: Values, Tensors and plain numbers."""
        if self.op is None:
            return ()
        if type(self.a) is tuple:
            return self.a
        return (self.a,) if self.b is None else (self.a, self.b)

    @property
    def edges(self) -> list[int]:  # type: ignore[override]
        """Which operands are tracked."""
        return graph.tracked(self.operands)

    @property
    def _prev(self) -> tuple[Any, ...]:
        return tuple(x for x in self.operands if isinstance(x, Node))

    @property
    def _op(self) -> str:
        return self.op.symbol if self.op is not None else ""

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Value):
            y = self._data + other._data
        elif type(other) is float or type(other) is int:
            y = self._data + other
        else:
            return _rare(_ADD, self, other)
        if _mode() is not None:
            return _made(_ADD, y, self, other)
        node = _new(Value)
        node._data = y
        node.op = _ADD
        node.a = self
        node.b = other
        node.grad = node.label = None
        node._epoch = graph.clock
        return node

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Value):
            y = self._data * other._data
        elif type(other) is float or type(other) is int:
            y = self._data * other
        else:
            return _rare(_MULTIPLY, self, other)
        if _mode() is not None:
            return _made(_MULTIPLY, y, self, other)
        node = _new(Value)
        node._data = y
        node.op = _MULTIPLY
        node.a = self
        node.b = other
        node.grad = node.label = None
        node._epoch = graph.clock
        return node

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Value):
            return _made(_SUBTRACT, self._data - other._data, self, other)
        if type(other) is float or type(other) is int:
            return _made(_SUBTRACT, self._data - other, self, other)
        return _rare(_SUBTRACT, self, other)

    def __radd__(self, other: Any) -> Any:
        return self.__add__(other) if type(other) in _NUMBERS else _rare(_ADD, other, self)

    def __rmul__(self, other: Any) -> Any:
        return self.__mul__(other) if type(other) in _NUMBERS else _rare(_MULTIPLY, other, self)

    def __neg__(self) -> Value:
        return _made(_NEGATIVE, -self._data, self, None)

    def relu(self) -> Value:
        """Return ``max(self, 0)``; the slope at 0 is 0, and NaN stays NaN."""
        y = self._data
        return _made(_RELU, 0.0 if y < 0.0 else y, self, None)

    def tanh(self) -> Value:
        """Return the hyperbolic tangent."""
        return _made(_TANH, evaluate(_TANH, (self._data,)), self, None)

    def exp(self) -> Value:
        """Return e to the power of the value; infinite where a float overflows."""
        return _made(ops.exp, evaluate(ops.exp, (self._data,)), self, None)

    def backward(self, gradient: float = 1.0, create_graph: bool = False) -> None:
        """Fill in the ``grad`` of everything that this value was computed from.

        Parameters
        ----------
        gradient : float, optional
            The gradient of this value itself.
        create_graph : bool, optional
            Make the gradients Values too, so that they can be differentiated again.

        Raises
        ------
        StaleError
            When a leaf was written after it was used.
        """
        seed: Any = Value(gradient) if create_graph else _number(gradient)
        if create_graph or _mode() is not None or not _pull_floats(self, seed):
            graph.backward(self, seed, create_graph)

    def detach(self) -> Value:
        """Return a new leaf with the same number."""
        return Value(self._data)

    def item(self) -> float:
        """Return the number."""
        return self._data  # type: ignore[no-any-return]

    def zero_grad(self) -> None:
        """Forget the gradient: ``grad`` is None again."""
        self.grad = None

    def __float__(self) -> float:
        return self._data  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return int(self._data)

    def __bool__(self) -> bool:
        return self._data != 0.0  # type: ignore[no-any-return]

    def __lt__(self, other: Any) -> Any:
        return self._data < other._data if isinstance(other, Value) else super().__lt__(other)

    def __gt__(self, other: Any) -> Any:
        return self._data > other._data if isinstance(other, Value) else super().__gt__(other)

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self._data:.6g}, grad={'None' if self.grad is None else format(float(self.grad), '.6g')}{name})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec)

    def __copy__(self) -> Value:
        return snapshot.shallow(self)  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return snapshot.reduce(self)

    @classmethod
    def rebuilt(cls, op: Op, operands: tuple[Any, ...], params: dict[str, Any], data: float = 0.0) -> Value:
        """Return a node of any op; unpickling fills in its state."""
        node = _made(op, data, *(operands if len(operands) == 2 else (operands[0] if len(operands) == 1 else operands, None)))
        return node

    @staticmethod
    def of(op: Op, operands: Sequence[Any], values: Sequence[Any]) -> Any:
        """Apply an elementwise op to Values and plain numbers."""
        if any(isinstance(v, complex) for v in values):
            raise TypeError(f"{op.name}: a Value holds a real number; complex operands are refused.")
        y = evaluate(op, [float(v) if type(v) is not float else v for v in values])
        plain = [x if isinstance(x, Node) else float(v) for x, v in zip(operands, values, strict=True)]
        if len(plain) > 2:
            return _made(op, y, tuple(plain), None)
        return _made(op, y, plain[0], plain[1] if len(plain) > 1 else None)

    @staticmethod
    def slope(op: Op, i: int, y: float, args: Sequence[float]) -> float:
        """Return the partial derivative of an elementwise op for operand ``i`` at these floats; inf and NaN included."""
        rule = op.float_rules[i]
        if not callable(rule):
            return 0.0 if rule is None else rule
        try:
            return float(rule(y, *args))
        except (ArithmeticError, ValueError):
            with np.errstate(all="ignore"):
                return float(op.rules[i](np.float64(y), *map(np.float64, args)))  # type: ignore[operator,misc]

    @staticmethod
    def shares(node: Value, gradient: float, live: Any = None) -> list[tuple[Node, float]]:
        """`graph.shares` for an elementwise op on floats."""
        op: Any = node.op
        operands = node.operands
        args = [x._data if isinstance(x, Node) else x for x in operands]
        strong_zero = gradient == 0.0 and op.singular
        return [
            (x, 0.0 if strong_zero else gradient * Value.slope(op, i, node._data, args))
            for i, x in enumerate(operands)
            if isinstance(x, Node) and op.rules[i] is not None and (live is None or x in live)
        ]


_new = Value.__new__
_NUMBERS = frozenset((float, int))
graph.faces.value = Value


def _number(x: Any) -> float:
    if isinstance(x, (float, int, np.generic, np.ndarray)) and np.ndim(x) == 0 and not np.iscomplexobj(x):
        return float(x)
    raise TypeError(f"a Value holds one real number, got {type(x).__name__}; for arrays there is Tensor.")


def _rare(op: Op, a: Any, b: Any) -> Any:
    """Apply a binary op to operands that are not both Values or plain Python numbers."""
    known = (Value, float, int, np.generic)
    if isinstance(a, known) and isinstance(b, known):
        return op(a, b)
    if isinstance(a, Value) and isinstance(b, Node):
        return NotImplemented
    return op(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else NotImplemented


def _made(op: Op, y: float, a: Any, b: Any) -> Value:
    """Make the node of a result; a leaf where nothing is being recorded."""
    mode = _mode()
    if mode is not None:
        if mode.watch is not None:
            operands = a if type(a) is tuple else (a,) if b is None else (a, b)
            mode.watch.forward(op, operands, [graph.data_of(x) for x in operands], y)
        if not mode.recording:
            return Value(y)
    node = _new(Value)
    node._data = y
    node.op = op
    node.a = a
    node.b = b
    node.grad = node.label = None
    node._epoch = graph.clock
    if mode is not None and mode.watch is not None:
        mode.watch.made(node)
    return node


def _pull_floats(root: Value, seed: float) -> bool:
    """Fill the gradients of a graph of nothing but Values; False, with nothing to show, if it holds anything else.

    ``grad`` itself marks the nodes that were reached (it holds ``unset`` until the first share arrives), so a node
    costs no dictionary entry and no slot. The lock keeps two threads out of one graph.
    """
    unset = object()
    stack: list[Any] = [root]
    leaves: list[tuple[Value, Any]] = []
    order: list[Value] = []
    with graph.committing:
        try:
            if not _order_floats(stack, unset, leaves, order):
                _restore(stack, leaves, order)
                return False
            root.grad = seed
            clock = graph.clock
            plain_add = _ADD if _ADD.float_rules == (1, 1) else None
            slope_a, slope_b = _MULTIPLY.float_rules
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
                elif op is _MULTIPLY and node._epoch == clock and isinstance(b, Value) and isinstance(a, Value):
                    x = a._data
                    z = b._data
                    y = node._data
                    share = gradient * slope_a(y, x, z)  # type: ignore[operator,misc]
                    a.grad = share if a.grad is unset else a.grad + share
                    share = gradient * slope_b(y, x, z)  # type: ignore[operator,misc]
                    b.grad = share if b.grad is unset else b.grad + share
                elif b is None and isinstance(a, Value) and node._epoch == clock and not op.singular:  # type: ignore[union-attr]
                    rule = op.float_rules[0]  # type: ignore[union-attr]
                    share = gradient * (rule(node._data, a._data) if callable(rule) else rule)  # type: ignore[operator]
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


def _order_floats(stack: list[Any], unset: object, leaves: list[tuple[Value, Any]], order: list[Value]) -> bool:
    """Mark and collect what the root depends on, operands first; False if there is more than Values and table ops."""
    push, pop, emit = stack.append, stack.pop, order.append
    while stack:
        node = pop()
        if node is None:
            emit(pop())
        elif node.grad is not unset:
            op = node.op
            if op is None:
                leaves.append((node, node.grad))
                node.grad = unset
                continue
            if not op.is_elementwise:
                return False
            node.grad = unset
            push(node)
            push(None)
            b = node.b
            if b is not None and isinstance(b, Value) and b.grad is not unset:
                push(b)
            a = node.a
            if isinstance(a, Value):
                if a.grad is not unset:
                    push(a)
            elif type(a) is tuple:
                stack.extend(x for x in a if isinstance(x, Value))
    return True


def _restore(stack: list[Any], leaves: list[tuple[Value, Any]], order: list[Value]) -> None:
    for node in (*order, *stack):
        if node is not None and node.op is not None:
            node.grad = None
    for leaf, before in leaves:
        leaf.grad = before
