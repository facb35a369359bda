"""What an op is: one frozen record, and the table of all of them.

A record holds an operation's name, its value (``forward``), one derivative rule an operand, and what the
tests and the pictures need to know about it. Nodes store the record, never a closure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_lite import graph

__all__ = ["TABLE", "Case", "Op", "Rule", "elementwise", "overridden", "rules", "structural"]

# A number (a constant slope), a function, or None for an operand that is data (an index, a condition).
Rule = Callable[..., Any] | float | None
Interval = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """One way to call an op when it is checked.

    Parameters
    ----------
    shapes : tuple of tuple of int
        The shape of each differentiable or data operand.
    params : dict
        The static parameters of the call.
    make : callable, optional
        ``make(rng) -> list of operands`` where plain normal samples do not do (a positive definite matrix, say).
    """

    shapes: tuple[tuple[int, ...], ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    make: Callable[[np.random.Generator], list[Any]] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Op:
    """One operation with its derivative rules.

    Attributes
    ----------
    name, symbol, formula : str
        NumPy's own name, the sign that drawings use, and one line of NumPy that computes the value.
    forward : callable
        The value, from arrays (any inexact dtype, complex and long double included) and static parameters.
    rules : tuple of Rule
        One an operand. Elementwise: the partial derivative, a number or ``f(y, *operands)``.
        Structural: the vjp, ``f(g, y, *operands, **params)``; a variadic op has a single rule, which
        returns a sequence with one gradient an operand.
    jvp : callable, optional
        Structural and not linear only: ``f(tangents, y, *operands, **params)``, a tangent being None where it is zero.
    scalar : callable, optional
        The value from Python floats to a float, by the ``math`` module; may raise ArithmeticError or ValueError,
        after which ``forward`` decides.
    is_elementwise, linear, variadic, singular : bool
        Linear: linear in each operand (so that the jvp is the forward itself and, with one operand, nothing is saved).
        Singular: a slope may be inf or NaN, so a zero upstream gradient must win over it (the strong zero).
    needs : str
        Which values the rules read, and so what mutation would spoil: "operands", "output", "both" or "nothing".
    domain : tuple of (low, high)
        Elementwise only: for each operand the interval from which the tests draw.
    kinks : str
        In words and numbers: where the slope jumps or is singular, and which value is specified there.
    cases : tuple of Case
        The calls that a structural op is checked by; for an elementwise op beside those drawn from its domain.
    float_rules : tuple of Rule
        Elementwise only: the same rules with ``np`` standing for fast functions of floats (see ``ops.floats``).
    """

    name: str
    symbol: str
    formula: str
    forward: Callable[..., Any]
    rules: tuple[Rule, ...]
    jvp: Callable[..., Any] | None = None
    scalar: Callable[..., float] | None = None
    is_elementwise: bool = False
    linear: bool = False
    multilinear: bool = False
    variadic: bool = False
    singular: bool = False
    needs: str = "both"
    domain: tuple[Interval, ...] = ()
    kinks: str = ""
    cases: tuple[Case, ...] = ()
    float_rules: tuple[Rule, ...] = ()

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Apply the op: to plain numbers and arrays plainly, to Values and Tensors with recording."""
        return graph.apply(self, operands, params)

    def __repr__(self) -> str:
        return f"<op {self.name}: {self.formula}>"

    def __reduce__(self) -> Any:
        if TABLE.get(self.name) is self:
            return _by_name, (self.name,)
        return super(Op, self).__reduce_ex__(2)


TABLE: dict[str, Op] = {}


def _by_name(name: str) -> Op:
    return TABLE[name]


def _register(op: Op) -> Op:
    if op.name in TABLE:
        raise ValueError(f"the op table already has a record named {op.name!r}")
    TABLE[op.name] = op
    return op


def elementwise(name: str, symbol: str, formula: str, forward: Callable[..., Any], *partials: Rule, **more: Any) -> Op:
    """Make and register an elementwise record: one partial an operand, each ``f(y, *operands)`` or a number."""
    if "needs" not in more:
        more["needs"] = "both" if any(callable(p) for p in partials) else "nothing"
    return _register(Op(name, symbol, formula, forward, partials, is_elementwise=True, **more))


def structural(name: str, symbol: str, formula: str, forward: Callable[..., Any], *vjps: Rule, **more: Any) -> Op:
    """Make and register a structural record: one vjp an operand, each ``f(g, y, *operands, **params)``."""
    if "needs" not in more:
        more["needs"] = "nothing" if more.get("linear") else "operands" if more.get("multilinear") else "both"
    return _register(Op(name, symbol, formula, forward, vjps, **more))


def rules() -> dict[tuple[str, int], Rule]:
    """Return the derivative table: (op name, operand) -> rule."""
    return {(op.name, i): rule for op in TABLE.values() for i, rule in enumerate(op.rules)}


@contextlib.contextmanager
def overridden(name: str, operand: int, rule: Rule) -> Iterator[None]:
    """Replace one rule of the table within a ``with`` block: for tests that break a rule and want to see it noticed."""
    op = TABLE[name]
    before = op.rules, op.float_rules
    for field_name, kept in zip(("rules", "float_rules"), before, strict=True):
        object.__setattr__(op, field_name, (*kept[:operand], rule, *kept[operand + 1 :]))
    try:
        yield
    finally:
        for field_name, kept in zip(("rules", "float_rules"), before, strict=True):
            object.__setattr__(op, field_name, kept)
