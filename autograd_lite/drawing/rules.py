"""Gradient rules as text: a rule of the op table is run once on symbols, and the graph that it records is printed."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from autograd_lite import graph, modes
from autograd_lite.graph import Node
from autograd_lite.ops.record import Op
from autograd_lite.tensor import Tensor

__all__ = ["rule_texts"]

_LETTERS = "xyz"
_LONGEST = 160  # characters; what is longer explains nothing
_LARGEST = 1 << 22  # entries; running a rule costs as much as a backward pass through it

_ATOM, _UNARY, _PRODUCT, _SUM, _COMPARISON, _LOOSE = 5, 4, 3, 2, 1, 0  # how tightly an expression binds

_INFIX = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _PRODUCT),
    "divide": ("/", _PRODUCT),
    "matmul": ("@", _PRODUCT),
}


class _TooLongError(Exception):
    """A rule that cannot be said in a line."""


class _Symbol(Tensor):
    """A Tensor that knows how it is written."""

    __slots__ = ("binding", "text")
    text: str
    binding: int

    @staticmethod
    def named(text: str, array: Any, binding: int = _ATOM) -> _Symbol:
        array = np.asarray(array)
        symbol = _Symbol.__new__(_Symbol)
        symbol._data = array
        symbol.op = symbol.grad = symbol.extras = symbol.label = None
        symbol.operands = symbol.edges = ()
        symbol.params = {}
        symbol.requires_grad = array.dtype.kind == "f"
        symbol._epoch = graph.writes.count
        symbol.text, symbol.binding = text, binding
        return symbol


def _plain(sign: str, function: Any) -> Any:
    def combine(self: _Symbol, other: Any) -> Any:
        text = f"{_text(self, _SUM)} {sign} {_text(other, _SUM)}"
        return _Symbol.named(text, function(self._data, graph.data_of(other)), _COMPARISON)

    return combine


for _name, _sign, _function in (
    ("lt", "<", np.less), ("le", "<=", np.less_equal), ("gt", ">", np.greater), ("ge", ">=", np.greater_equal),
    ("eq", "==", np.equal), ("ne", "!=", np.not_equal), ("and", "&", np.logical_and), ("or", "|", np.logical_or),
):  # fmt: skip
    setattr(_Symbol, f"__{_name}__", _plain(_sign, _function))
_Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]


def rule_texts(node: Node) -> dict[int, str]:
    """Return, for each tracked operand of a node, how the gradient ``g`` of the node is carried over to it.

    The operands are called x, y, z (x0, x1, ... when there are more), the result ``out``. Operands whose rule cannot be
    said in a line are left out.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> rule_texts(Value(2.0) / Value(4.0))
    {0: 'g * (1 / y)', 1: 'g * (-out / y)'}
    """
    op = node.op
    assert op is not None
    operands = node.operands
    if sum(np.size(graph.data_of(x)) for x in operands) + np.size(node._data) > _LARGEST:
        return {}
    if op.variadic and len(operands) > 16:
        return {}
    letters = _LETTERS if len(operands) <= 3 else [f"x{i}" for i in range(len(operands))]
    args = [_Symbol.named(letters[i], graph.data_of(x)) for i, x in enumerate(operands)]
    out = _Symbol.named("out", node._data)
    g = _Symbol.named("g", np.ones_like(node._data))
    texts: dict[int, str] = {}
    everything: Any = None
    token = modes.current.set(None)
    try:
        with np.errstate(all="ignore"):
            for i in node.edges:
                rule = op.rules[0 if op.variadic else i]
                if rule is None:
                    continue
                try:
                    if op.is_elementwise:
                        text = _product(rule(out, *args) if callable(rule) else rule)
                        text = _summed(text, np.shape(node._data), np.shape(args[i]._data))
                    elif op.variadic:
                        everything = rule(g, out, *args, **node.params) if everything is None else everything  # type: ignore[operator]
                        text = _text(everything[i], _LOOSE)
                    else:
                        text = _text(rule(g, out, *args, **node.params), _LOOSE)  # type: ignore[operator]
                except Exception:  # whatever a rule makes of symbols: it is only not printed
                    continue
                if len(text) <= _LONGEST and text != "…":
                    texts[i] = text
    finally:
        modes.current.reset(token)
    return texts


def _product(slope: Any) -> str:
    if isinstance(slope, (int, float)):
        return "g" if slope == 1 else "-g" if slope == -1 else "0" if slope == 0 else f"g * {slope:.6g}"
    return f"g * {_text(slope, _UNARY)}"


def _summed(text: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Add the sum over broadcast axes to the text of an elementwise rule."""
    if shape == wanted:
        return text
    lead = len(shape) - len(wanted)
    axes = (*range(lead), *(lead + i for i, n in enumerate(wanted) if n == 1 and shape[lead + i] != 1))
    if not wanted:
        return f"np.sum({text})"
    keep = ", keepdims=True" if not lead else ""
    return f"np.sum({text}, axis={axes[0] if len(axes) == 1 else axes}{keep})"


def _text(x: Any, around: int) -> str:
    """Write an expression, in parentheses if it binds less tightly than what is around it."""
    text, binding = _written(x)
    if len(text) > 2 * _LONGEST:
        raise _TooLongError
    return text if binding > around or binding == _ATOM else f"({text})"


def _written(x: Any) -> tuple[str, int]:
    if isinstance(x, _Symbol):
        return x.text, x.binding
    if isinstance(x, Node) and x.op is not None:
        return _applied(x.op, x.operands, x.params)
    data = graph.data_of(x)
    if isinstance(data, (int, float, np.integer, np.floating)):
        number = f"{data:.6g}"
        return number, _UNARY if number.startswith("-") else _ATOM
    return "…", _ATOM  # computed from the operands outside of the record


def _applied(op: Op, operands: Any, params: dict[str, Any]) -> tuple[str, int]:
    name = op.name
    if name in _INFIX:
        sign, binding = _INFIX[name]
        a, b = operands
        return f"{_text(a, binding - 1)} {sign} {_text(b, binding)}", binding
    first = operands[0]
    if name == "negative":
        return f"-{_text(first, _PRODUCT)}", _UNARY
    if name == "positive":
        return _written(first)
    if name == "square":
        return f"{_text(first, _UNARY)}**2", _UNARY
    if name == "power":
        return f"{_text(first, _UNARY)}**{_text(operands[1], _UNARY)}", _UNARY
    if name == "reciprocal":
        return f"1 / {_text(first, _PRODUCT)}", _PRODUCT
    if name == "transpose" and params.get("axes") in (None, (1, 0)):
        return f"{_text(first, _UNARY)}.T", _ATOM
    if name == "swapaxes" and set(params.values()) == {-1, -2}:
        return f"{_text(first, _UNARY)}.mT", _ATOM
    if name == "astype":
        return f"{_text(first, _UNARY)}.astype({params['dtype']})", _ATOM
    if name == "getitem":
        return f"{_text(first, _UNARY)}[{param_text(params['index'])}]", _ATOM
    if name in ("gather", "spread"):
        return _placed(name, operands, params), _ATOM
    parts = [_text(x, _LOOSE) for x in operands]
    if name in ("concatenate", "stack", "from_values"):
        parts = [f"[{', '.join(parts)}]"]
        name = "reshape" if name == "from_values" else name
    for key, value in params.items():
        text = param_text(value)
        if key == "subscripts":
            parts.insert(0, text)
        elif value is not None and value is not False:
            text = f"np.s_[{text}]" if key == "index" and (":" in text or "..." in text) else text
            parts.append(
                "…" if len(text) > 32 or not _is_simple(value) else text if key == "shape" else f"{key}={text}"
            )
    return f"{'np.' if hasattr(np, name) else ''}{name}({', '.join(parts)})", _ATOM


def _placed(name: str, operands: Any, params: dict[str, Any]) -> str:
    """Write an index whose places are operands."""
    places = iter(operands[1:])
    index = ", ".join(_text(next(places), _LOOSE) if e == "?" else param_text(e) for e in params["form"])
    first = _text(operands[0], _UNARY)
    return f"{first}[{index}]" if name == "gather" else f"scatter_add({first}, {params['shape']}, np.s_[{index}])"


def _is_simple(value: Any) -> bool:
    """Return whether a parameter's text is Python for the parameter."""
    if type(value) is tuple:
        return all(map(_is_simple, value))
    return isinstance(value, (int, float, str, slice, np.integer)) or value is None or value is Ellipsis


def param_text(value: Any) -> str:
    """Write a static parameter shortly."""
    if isinstance(value, slice):
        parts = ["" if p is None else str(p) for p in (value.start, value.stop)]
        return ":".join(parts if value.step is None else [*parts, str(value.step)])
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.ndarray):
        return "…" if value.size > 4 else str(value.tolist())
    if isinstance(value, tuple) and any(isinstance(v, (slice, np.ndarray)) or v is Ellipsis for v in value):
        return ", ".join(map(param_text, value))
    if isinstance(value, (np.dtype, np.integer, np.floating)):
        return str(value)
    return reprlib.repr(value)
