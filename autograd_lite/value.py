"""Value: the scalar face. One Python float, with operators that record and a backward pass of its own.

A graph of Values has a node for every number, so this is the hot path of the package: the operators below make their
node in line, and a graph of nothing but Values is pulled by `floatpass`, which keeps its state in the nodes' own
slots. Everything else (Tensors in the graph, recorded gradients) goes through `passes.pull`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import Any, ClassVar, Final

import numpy as np

from autograd_lite import graph, modes, ops, passes, snapshot
from autograd_lite.context import current
from autograd_lite.errors import AutogradError
from autograd_lite.face import NO_PARAMS, Face
from autograd_lite.floatpass import pull_floats
from autograd_lite.graph import Node, writes
from autograd_lite.native import mypyc_attr
from autograd_lite.ops.floats import evaluate
from autograd_lite.ops.record import Op

__all__ = ["Value"]

_ADD: Final[Op] = ops.add
_SUBTRACT: Final[Op] = ops.subtract
_MULTIPLY: Final[Op] = ops.multiply
_NEGATIVE: Final[Op] = ops.negative
_RELU: Final[Op] = ops.relu
_TANH: Final[Op] = ops.tanh
_BLANK: Final[Any] = object()
_NUMBERS: Final = frozenset((float, int))
Number = float | np.generic | np.ndarray[Any, Any]


@mypyc_attr(allow_interpreted_subclasses=True)
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

    state: ClassVar[tuple[str, ...]] = ("_data", "_gradient", "_mark", "a", "b")
    __slots__ = state
    _data: float
    _gradient: float
    _mark: Any  # True: `_gradient` is the gradient; None: there is none; a node: a recorded one; else see `floatpass`
    a: Any  # the operands: two, or one and None, or a tuple of them and None
    b: Any
    is_array: ClassVar[bool] = False  # type: ignore[misc]
    requires_grad: ClassVar[bool] = True  # type: ignore[misc]
    extras: ClassVar[Any] = None  # type: ignore[misc]
    shape: ClassVar[tuple[int, ...]] = ()
    ndim: ClassVar[int] = 0
    size: ClassVar[int] = 1
    params: ClassVar[dict[str, Any]] = NO_PARAMS  # type: ignore[misc]

    def __init__(self, data: Number, label: str | None = None) -> None:
        if data is _BLANK:
            return
        self._data = data if type(data) is float else _number(data)
        self._epoch = writes.count
        self.label = label
        self._gradient = 0.0
        self._mark = self.op = self.a = self.b = None
        mode = current.get() if current.used else None
        if mode is not None and mode.tape is not None:
            mode.tape.made(self)

    @property
    def data(self) -> float:
        mode = current.get() if current.used else None
        if mode is not None and mode.tape is not None:
            return mode.tape.data(self)  # type: ignore[no-any-return]
        return self._data

    @data.setter
    def data(self, data: Number) -> None:
        if self.op is not None:
            raise AutogradError(
                f"the data of {graph.describe(self)} cannot be set: it is the result of an operation.\n"
                "Set the data of a leaf and compute again, or make a new Value."
            )
        mode = current.get() if current.used else None
        if mode is not None and mode.tape is not None:
            mode.tape.write(self, data)
            return
        self._data = data if type(data) is float else _number(data)
        graph.mark_written((self,))

    @property
    def grad(self) -> Any:
        return self._gradient if self._mark is True else self._mark

    @grad.setter
    def grad(self, gradient: Any) -> None:
        if type(gradient) is float:
            self._gradient = gradient
            self._mark = True
        else:
            self._mark = gradient

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
    def args(self) -> list[Any]:  # type: ignore[override]
        """The operands' plain numbers and arrays."""
        return [graph.data_of(x) for x in self.operands]

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
            number: float = other
            y = self._data + number
        else:
            return _rare(_ADD, self, other)
        if current.used and current.get() is not None:
            return _made(_ADD, y, self, other)
        node = _new(Value)
        node._data = y
        node.op = _ADD
        node.a = self
        node.b = other
        node._gradient = 0.0
        node._mark = node.label = None
        node._epoch = writes.count
        return node

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Value):
            y = self._data * other._data
        elif type(other) is float or type(other) is int:
            number: float = other
            y = self._data * number
        else:
            return _rare(_MULTIPLY, self, other)
        if current.used and current.get() is not None:
            return _made(_MULTIPLY, y, self, other)
        node = _new(Value)
        node._data = y
        node.op = _MULTIPLY
        node.a = self
        node.b = other
        node._gradient = 0.0
        node._mark = node.label = None
        node._epoch = writes.count
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

    def backward(self, gradient: Number = 1.0, create_graph: bool = False) -> None:
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
        if (tape := modes.tape()) is not None:
            tape.backward(self, gradient, create_graph)
            return
        seed: Any = Value(gradient) if create_graph else _number(gradient)
        if create_graph or current.get() is not None or not pull_floats(self, seed):
            passes.backward(self, seed, create_graph)

    def detach(self) -> Value:
        """Return a new leaf with the same number."""
        if (tape := modes.tape()) is not None:
            return tape.detached(self)  # type: ignore[no-any-return]
        return Value(self._data)

    def item(self) -> float:
        """Return the number."""
        modes.leave(self, "item()")
        return self._data

    def zero_grad(self) -> None:
        """Forget the gradient: ``grad`` is None again."""
        self._mark = None

    def __float__(self) -> float:
        modes.leave(self, "float()")
        self._refuse_in_trace()
        return self._data

    def __int__(self) -> int:
        modes.leave(self, "int()")
        return int(self._data)

    def __bool__(self) -> bool:
        modes.leave(self, "bool()")
        return self._data != 0.0

    def __lt__(self, other: Any) -> Any:
        return self._data < other._data if isinstance(other, Value) and current.get() is None else super().__lt__(other)

    def __gt__(self, other: Any) -> Any:
        return self._data > other._data if isinstance(other, Value) and current.get() is None else super().__gt__(other)

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        grad = "None" if self.grad is None else format(graph.data_of(self.grad), ".6g")
        return f"Value(data={self._data:.6g}, grad={grad}{name})"

    def __format__(self, spec: str) -> str:
        modes.leave(self, "format()")
        return format(self._data, spec)

    def __copy__(self) -> Value:
        return snapshot.shallow(self)  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return snapshot.reduce(self)

    @classmethod
    def rebuilt(cls, op: Op, operands: tuple[Any, ...], params: dict[str, Any], data: float = 0.0) -> Value:
        """Return a node of any op; unpickling fills in its state."""
        a, b = operands if len(operands) == 2 else (operands[0] if len(operands) == 1 else operands, None)
        return _made(op, data, a, b)

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
        """Return the partial derivative of an elementwise op by operand ``i`` at these floats; inf and NaN included."""
        rule = op.float_rules[i]
        if not callable(rule):
            return 0.0 if rule is None else rule
        try:
            return float(rule(y, *args))
        except (ArithmeticError, ValueError):
            with np.errstate(all="ignore"):
                return float(op.rules[i](np.float64(y), *map(np.float64, args)))  # type: ignore[operator,misc]

    @staticmethod
    def shares(node: Value, gradient: float, live: Any = None) -> list[tuple[Any, float]]:
        """`passes.shares` for an elementwise op on floats."""
        op: Any = node.op
        operands = node.operands
        args = node.args
        strong_zero = gradient == 0.0 and op.singular
        return [
            (x, 0.0 if strong_zero else gradient * Value.slope(op, i, node._data, args))
            for i, x in enumerate(operands)
            if isinstance(x, Node) and op.rules[i] is not None and (live is None or x in live)
        ]


Value.__hash__ = object.__hash__  # type: ignore[method-assign]
graph.faces.value = Value


def _new(cls: type[Value]) -> Value:
    """Return a node whose slots are empty: compiled, a call of C; plain Python has a faster way."""
    return Value(_BLANK)


if isinstance(_new, FunctionType):
    globals()["_new"] = Value.__new__


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
    mode = current.get() if current.used else None
    if mode is not None:
        if mode.watch is not None:
            operands = a if type(a) is tuple else (a,) if b is None else (a, b)
            mode.watch.forward(op, operands, [graph.data_of(x) for x in operands], y)
        if not mode.recording:
            leaf = Value(y)
            if mode.tape is not None:
                mode.tape.forward(op, a if type(a) is tuple else (a,) if b is None else (a, b), NO_PARAMS, leaf)
            return leaf
    node = _new(Value)
    node._data = y
    node.op = op
    node.a = a
    node.b = b
    node._gradient = 0.0
    node._mark = node.label = None
    node._epoch = writes.count
    if mode is not None:
        if mode.watch is not None:
            mode.watch.made(node)
        if mode.tape is not None:
            mode.tape.forward(op, a if type(a) is tuple else (a,) if b is None else (a, b), NO_PARAMS, node)
    return node
