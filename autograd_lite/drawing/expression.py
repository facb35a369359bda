"""Expressions as text, such as ``tanh(w*x + b)``: read by Python's parser, computed from a short list."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_lite import ops
from autograd_lite.tensor import Tensor
from autograd_lite.value import Value

__all__ = ["evaluate", "leaf_of"]

_LONGEST = 10_000
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: ops.power,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_CONSTANTS = {"pi": math.pi, "e": math.e}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """Compute an expression of numbers, names, ``+ - * / ** @``, lists and the functions of autograd_lite.

    Nothing else is possible: no attributes (but ``np.`` before a function), no indexing, no calls of anything else.

    Parameters
    ----------
    text : str
    names : mapping of str to Value or Tensor

    Raises
    ------
    ValueError
        Says what is not allowed or not known, and where.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> evaluate("tanh(w*x + b)", {"w": Value(0.5), "x": Value(2.0), "b": Value(-1.0)})
    Value(data=0, grad=None)
    """
    if len(text) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST:,} characters, this one has {len(text):,}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        with np.errstate(all="ignore"):  # a picture marks what is not finite
            return _Reader(text.strip(), names).read(tree.body)
    except SyntaxError as error:
        raise ValueError(f"not an expression: {error.msg}\n{_pointed(text.strip(), (error.offset or 1) - 1)}") from None
    except (RecursionError, MemoryError):
        raise ValueError("the expression is nested too deeply") from None


def leaf_of(name: str, text: str) -> Any:
    """Return a labelled leaf from ``0.5`` (a Value) or ``[1, 2]`` (a Tensor)."""
    try:
        data = ast.literal_eval(text)
        if isinstance(data, (int, float)) and not isinstance(data, bool):
            return Value(float(data), label=name)
        if isinstance(data, (list, tuple)):
            return Tensor(data, requires_grad=True, dtype=float, label=name)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError):
        pass
    raise ValueError(f"the value of {name} is a number or a list of numbers, got {text!r}")


class _Reader:
    """Goes through a syntax tree; every kind of node that is not named here is refused."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self.text, self.names = text, names

    def read(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return self._safely(node, float, node.value)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return self._safely(node, _BINARY[type(node.op)], self.read(node.left), self.read(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            return self._safely(node, _UNARY[type(node.op)], self.read(node.operand))
        if isinstance(node, ast.List):
            return [self.read(x) for x in node.elts]
        if isinstance(node, ast.Call):
            return self._call(node)
        raise self._error(node, "this is not allowed in an expression")

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        raise self._error(node, f"{node.id} has no value; give it one, as in --at {node.id}=1.0")

    def _call(self, node: ast.Call) -> Any:
        name = node.func
        if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id in ("np", "ag"):
            known = name.attr
        elif isinstance(name, ast.Name):
            known = name.id
        else:
            raise self._error(node, "only functions of autograd_lite can be called")
        function = ops.PUBLIC.get(known)
        if function is None:
            raise self._error(node, f"autograd_lite has no function {known}")
        operands = [self.read(x) for x in node.args]
        params = dict(map(self._param, node.keywords))
        return self._safely(node, function, *operands, **params)

    def _param(self, keyword: ast.keyword) -> tuple[str, Any]:
        try:
            value = ast.literal_eval(keyword.value)
        except ValueError:
            value = ...
        if keyword.arg is None or not isinstance(value, (int, float, bool, tuple, type(None))):
            raise self._error(keyword.value, "a keyword argument is a plain number, None, True or False")
        return keyword.arg, value

    def _safely(self, node: ast.expr, function: Callable[..., Any], *operands: Any, **params: Any) -> Any:
        try:
            return function(*operands, **params)
        except (TypeError, ValueError, ArithmeticError, IndexError) as error:
            raise self._error(node, str(error).split("\n")[0]) from None

    def _error(self, node: ast.expr, problem: str) -> ValueError:
        return ValueError(f"{problem}\n{_pointed(self.text, node.col_offset)}")


def _pointed(text: str, column: int) -> str:
    """Show the place in a long text."""
    start = max(column - 60, 0)
    return f"  {text[start : start + 100]}\n  {' ' * (column - start)}^"
