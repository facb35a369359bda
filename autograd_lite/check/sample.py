"""The calls by which an op of the table is judged: drawn from its domain, or its own cases."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd_lite.ops import Op

__all__ = ["Sample", "draw", "has_rule", "samples"]

# For elementwise ops, by the number of operands: equal and broadcast shapes, numbers, nothing at all.
_SHAPES: dict[int, list[tuple[tuple[int, ...], ...]]] = {
    1: [((2, 3),), ((2, 2),), ((),), ((1, 0),)],
    2: [((2, 3), (2, 3)), ((3,), (2, 1)), ((2, 2), (2, 2)), ((), (2, 2)), ((0, 2), (1, 2))],
    3: [((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), ()), *[((7,), (7,), (7,))] * 2, ((2, 0), (1, 1), (2, 1))],
}


@dataclass(frozen=True)
class Sample:
    """One call of an op.

    Attributes
    ----------
    op : Op
    operands : list
        Arrays of float64, and plain data where the operand has no rule.
    params : dict
    """

    op: Op
    operands: list[Any]
    params: dict[str, Any]

    @property
    def active(self) -> list[int]:
        """The operands to differentiate with respect to."""
        return [i for i, x in enumerate(self.operands) if has_rule(self.op, i) and np.asarray(x).dtype.kind == "f"]

    @property
    def primals(self) -> list[Any]:
        """The values of the active operands."""
        return [self.operands[i] for i in self.active]

    @property
    def value(self) -> Any:
        """The result, from plain arrays."""
        return np.asarray(self.op.forward(*self.operands, **self.params))

    @property
    def is_differentiable(self) -> bool:
        """Whether there is a gradient to check: real numbers in, real numbers out."""
        return bool(self.active) and self.value.dtype.kind == "f"

    def __call__(self, *active: Any) -> Any:
        """Apply the op with these in the places of the active operands."""
        operands = list(self.operands)
        for i, x in zip(self.active, active, strict=True):
            operands[i] = x
        return self.op(*operands, **self.params)

    def cast(self, dtype: Any) -> Sample:
        """Return the same call in another floating-point dtype."""
        floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in self.operands]
        operands = [x.astype(dtype) if is_float else x for x, is_float in zip(self.operands, floats, strict=True)]
        return replace(self, operands=operands)


def has_rule(op: Op, operand: int) -> bool:
    """Return whether a gradient can reach an operand."""
    return op.variadic or op.rules[operand] is not None


def draw(op: Op, operand: int, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Draw an operand of an elementwise op from its domain; a truth value where the operand is a condition."""
    low, high = op.domain[operand]
    x = rng.uniform(low, high, shape)
    return np.asarray(x > (low + high) / 2) if op.rules[operand] is None else np.asarray(x)


def samples(op: Op, seed: int = 0) -> Iterator[Sample]:
    """Yield the calls that an op is judged by: elementwise ops at shapes that broadcast, and the record's own cases."""
    rng = np.random.default_rng([seed, zlib.crc32(op.name.encode())])
    if op.is_elementwise:
        for shapes in _SHAPES[len(op.rules)]:
            yield Sample(op, [draw(op, i, shape, rng) for i, shape in enumerate(shapes)], {})
    for case in op.cases:
        operands = case.make(rng) if case.make is not None else [rng.standard_normal(shape) for shape in case.shapes]
        single = float if op.name == "from_values" else np.asarray  # takes Values only
        operands = [single(x) if np.ndim(x) == 0 and has_rule(op, i) else x for i, x in enumerate(operands)]
        yield Sample(op, operands, case.params)
