"""What the two faces share: operators, NumPy's protocols and the methods named after ops, all from the op table."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from autograd_lite import modes, ops
from autograd_lite.errors import AutogradError, NoRuleError
from autograd_lite.graph import Node, apply, data_of
from autograd_lite.native import mypyc_attr
from autograd_lite.taped import plainly

__all__ = ["Face"]

NO_PARAMS: dict[str, Any] = {}
_KNOWN = (Node, float, int, np.ndarray, np.generic)

# Ufuncs that give plain data: their result has no gradient, or a zero one that nobody asks for.
_PLAIN_UFUNCS = frozenset(
    "equal not_equal less less_equal greater greater_equal isnan isfinite isinf signbit "
    "logical_and logical_or logical_not logical_xor".split()
)
# NumPy functions that give plain data.
_PLAIN_FUNCTIONS = frozenset(
    "shape ndim size argmax argmin nanargmax nanargmin argsort argpartition argwhere nonzero flatnonzero count_nonzero "
    "all any allclose isclose array_equal array_equiv array_repr array_str array2string result_type can_cast "
    "zeros_like ones_like full_like empty_like iscomplexobj isrealobj shares_memory may_share_memory searchsorted "
    "digitize isposinf isneginf unique isin lexsort".split()
)
# Of these, the ones whose result depends on shapes and dtypes alone.
_OF_SHAPES = frozenset(
    "shape ndim size result_type can_cast zeros_like ones_like empty_like iscomplexobj isrealobj "
    "shares_memory may_share_memory".split()
)
_SKIPPED = ("dtype", "out", "where")  # passed along at NumPy's defaults by generic code
_REDUCTIONS = {
    ("add", "reduce"): "sum",
    ("multiply", "reduce"): "prod",
    ("maximum", "reduce"): "max",
    ("minimum", "reduce"): "min",
    ("logaddexp", "reduce"): "logsumexp",
    ("add", "accumulate"): "cumsum",
    ("multiply", "accumulate"): "cumprod",
}


def _compared(function: Callable[..., Any], node: Node, other: object) -> Any:
    return plainly(function, node, other) if isinstance(other, _KNOWN) else NotImplemented


def _untracked(function: np.ufunc) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return an operator that plain data has, for the nodes that stand for plain data while `compile` records."""

    def forward(self: Any, other: Any) -> Any:
        tape = modes.tape()
        return (
            NotImplemented
            if tape is None or not tape.may_call((self, other), {})
            else tape.call(function, (self, other), {})
        )

    def reflected(self: Any, other: Any) -> Any:
        tape = modes.tape()
        return (
            NotImplemented
            if tape is None or not tape.may_call((self, other), {})
            else tape.call(function, (other, self), {})
        )

    return forward, reflected


@mypyc_attr(allow_interpreted_subclasses=True)
class Face(Node):
    """A node that behaves as a number or an array in Python and NumPy code."""

    __slots__ = ()
    _operands: ClassVar[tuple[type, ...]] = _KNOWN

    def __add__(self, other: Any) -> Any:
        return apply(ops.add, (self, other), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return apply(ops.add, (other, self), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return apply(ops.subtract, (self, other), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return apply(ops.subtract, (other, self), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        return apply(ops.multiply, (self, other), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __rmul__(self, other: Any) -> Any:
        return apply(ops.multiply, (other, self), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __truediv__(self, other: Any) -> Any:
        return apply(ops.divide, (self, other), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return apply(ops.divide, (other, self), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __pow__(self, other: Any) -> Any:
        return apply(ops.power, (self, other), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    def __rpow__(self, other: Any) -> Any:
        return apply(ops.power, (other, self), NO_PARAMS) if isinstance(other, self._operands) else NotImplemented

    if TYPE_CHECKING:  # the methods that `add_methods` gives

        def __getattr__(self, name: str) -> Any: ...

    def __invert__(self) -> Any:
        if (tape := modes.tape()) is not None and tape.may_call((self,), {}):
            return tape.call(np.invert, (self,), {})
        raise TypeError(f"bad operand type for unary ~: {type(self).__name__!r}")

    def __neg__(self) -> Self:
        return ops.negative(self)  # type: ignore[no-any-return]

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return ops.absolute(self)  # type: ignore[no-any-return]

    def __lt__(self, other: Any) -> Any:
        return _compared(np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return _compared(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compared(np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compared(np.greater_equal, self, other)

    def __eq__(self, other: object) -> Any:
        return _compared(np.equal, self, other)

    def __ne__(self, other: object) -> Any:
        return _compared(np.not_equal, self, other)

    @property
    def _mask(self) -> Any:  # numpy.ma looks for it, and would compute on the bare data
        raise TypeError("a masked array has no derivative rule; fill it first: array.filled(0.0)")

    def _repr_html_(self) -> str:
        from autograd_lite.drawing.notebook import node_html

        return node_html(self)

    def _refuse_in_trace(self) -> None:
        if self.requires_grad and modes.tracing.get():
            raise AutogradError(
                "float() inside a function that is being differentiated would cut the gradient off silently "
                "(writing a node into an ndarray calls it).\n"
                "Collect results in a list and stack them, or use stop_gradient(x) or x.item() to cut it on purpose."
            )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if kwargs.pop("out", None) is not None:
            raise NoRuleError(
                f"np.{name} cannot write a tracked result into an ndarray (out=, or `array += tensor`).\n"
                "Write `result = array + tensor` instead."
            )
        if any(isinstance(x, np.ndarray) and x.dtype == object for x in inputs):
            return getattr(ufunc, method)(*(_boxed(x) for x in inputs), **kwargs)
        if method == "__call__" and not kwargs:
            op = ops.TABLE.get(name)
            if (op is not None and op.is_elementwise) or name == "matmul":
                return getattr(ops, name)(*inputs)
            if name in _PLAIN_UFUNCS:
                return plainly(ufunc, *inputs)
        reduction = _REDUCTIONS.get((name, method))
        if reduction is not None:
            if method == "reduce" and "axis" not in kwargs:
                kwargs["axis"] = 0
            return getattr(ops, reduction)(*inputs, **kwargs)
        if (tape := modes.tape()) is not None and tape.may_call(inputs, kwargs):
            return tape.call(getattr(ufunc, method), inputs, kwargs)
        call = f"np.{name}" if method == "__call__" else f"np.{name}.{method}"
        raise NoRuleError(_no_rule(call, name, kwargs))

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        name = func.__name__
        if name in _PLAIN_FUNCTIONS:
            if name not in _OF_SHAPES and (tape := modes.tape()) is not None:
                return tape.call(func, args, kwargs)
            return func(*(_plain_deep(a) for a in args), **{k: _plain_deep(v) for k, v in kwargs.items()})
        ours = ops.NUMPY_FUNCTIONS.get(func)
        if ours is None:
            if (tape := modes.tape()) is not None and tape.may_call(args, kwargs):
                return tape.call(func, args, kwargs)
            raise NoRuleError(_no_rule(f"np.{name}", name, {}))
        kwargs = {k: v for k, v in kwargs.items() if k not in _SKIPPED or not (v is None or v is True)}
        try:
            return ours(*args, **kwargs)
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise NoRuleError(f"{error}: autograd_lite.{name} does not take that argument of np.{name}.") from None


for _name, _function in (
    ("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor), ("mod", np.remainder),
    ("floordiv", np.floor_divide),
):  # fmt: skip
    for _prefix, _operator in zip(("", "r"), _untracked(_function), strict=True):
        setattr(Face, f"__{_prefix}{_name}__", _operator)
Face.__hash__ = object.__hash__  # type: ignore[method-assign]  # a class that defines __eq__ has none


def _boxed(x: Any) -> Any:
    """Put a node into a 0-d object array, so that NumPy loops over it with Python's operators."""
    if not isinstance(x, Node):
        return x
    if x.is_array:
        return x.to_values()  # type: ignore[attr-defined]
    box = np.empty((), dtype=object)
    box[()] = x
    return box


def _plain_deep(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(_plain_deep(e) for e in x)
    return data_of(x)


def _no_rule(call: str, name: str, kwargs: dict[str, Any]) -> str:
    if kwargs:
        return f"{call} with {', '.join(kwargs)} has no gradient rule.\nUse autograd_lite.where for a condition."
    near = difflib.get_close_matches(name, ops.PUBLIC, n=3)
    hint = f" Near names that have one: {', '.join(near)}." if near else ""
    return (
        f"{call} has no gradient rule.{hint}\n"
        f"Use {call}(t.detach().numpy()) if no gradient is to flow, or autograd_lite.custom_op to give it a rule."
    )


def add_methods(face: type[Face], names: str) -> None:
    """Give a face methods, each the function of the same name with the node as its first argument."""
    for name in names.split():
        function = getattr(ops, name)

        def method(self: Any, *args: Any, _function: Any = function, **kwargs: Any) -> Any:
            return _function(self, *args, **kwargs)

        method.__name__ = name
        method.__qualname__ = f"{face.__name__}.{name}"
        method.__doc__ = f"Return ``autograd_lite.{name}(self, ...)``."
        setattr(face, name, method)


add_methods(
    Face,
    "reciprocal square sqrt cbrt absolute sign exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan "
    "sinh cosh tanh arcsinh arccosh arctanh sinc rint floor ceil trunc deg2rad rad2deg clip "
    "sigmoid logsigmoid relu leaky_relu elu selu celu gelu gelu_tanh silu mish softplus softsign hardtanh "
    "arctan2 hypot logaddexp maximum minimum",
)
