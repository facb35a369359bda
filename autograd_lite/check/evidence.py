"""What a diagnosis looks at: one wrong gradient, the truth, and as much as is known of where it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.check.numeric import Array, complex_step, ridders

__all__ = ["Evidence", "Finding", "jacobian", "near"]

_RTOL = 1e-6


class Finding(NamedTuple):
    """A mistake that would explain a wrong gradient: its kind, how likely it is, and what gave it away."""

    kind: str
    likelihood: float
    detail: str
    factor: float | None = None


@dataclass
class Evidence:
    """One wrong gradient beside the true one; the more of the rest is known, the more can be told.

    Attributes
    ----------
    claim, truth : ndarray
        The wrong gradient and the true one, of the same shape.
    operands : sequence of ndarray
        What the function was applied to, data included.
    number : int
        The operand whose gradient it is.
    names : sequence of str
        What to call the operands.
    output, upstream : ndarray or None
        The result, and the incoming gradient.
    doubled : ndarray or None
        The claim for twice the incoming gradient.
    jacobian : ndarray or None
        The true derivatives, of shape (entries of the output, entries of the operand).
    claimed : ndarray or None
        The derivatives as the rule has them, where it is linear; of the same shape.
    truths : dict of int to ndarray
        The true gradients of all operands.
    rule : callable or None
        ``rule(g, y, operands)`` is the claim for other values of what the rule reads.
    forward : callable or None
        ``forward(*operands)`` on nodes, to see what the function is composed of.
    """

    claim: Array
    truth: Array
    operands: Sequence[Any] = ()
    number: int = 0
    names: Sequence[str] = ()
    output: Array | None = None
    upstream: Array | None = None
    doubled: Array | None = None
    jacobian: Array | None = None
    claimed: Array | None = None
    truths: dict[int, Array] = field(default_factory=dict)
    rule: Callable[[Any, Any, list[Any]], Array] | None = None
    forward: Callable[..., Any] | None = None

    def explains(self, other: Any) -> bool:
        """Return whether an array is the claim."""
        return near(other, self.claim)

    def name(self, number: int) -> str:
        """Return what to call an operand."""
        return self.names[number] if number < len(self.names) else f"operand {number}"

    def lengths(self) -> dict[int, str]:
        """Return the lengths that explain factors, with the axis or array that has them."""
        found: dict[int, str] = {}
        arrays = [(self.name(i), np.shape(x)) for i, x in enumerate(self.operands)]
        if self.output is not None:
            arrays.append(("the result", np.shape(self.output)))
        for name, shape in arrays:
            for axis, n in enumerate(shape):
                found.setdefault(n, f"{name} has {n} entries along axis {axis}")
        for name, shape in arrays:
            for axis in range(len(shape)):
                for end in range(axis + 2, len(shape) + 1):
                    found.setdefault(int(np.prod(shape[axis:end])), f"{name} has shape {shape}")
        return {n: what for n, what in found.items() if n > 1}


def near(a: Any, b: Any, rtol: float = _RTOL) -> bool:
    """Return whether two arrays are equal, entry by entry, but for rounding in proportion to the largest."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return False
    size = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)))
    return bool(np.all(np.abs(a - b) <= rtol * np.maximum(np.abs(a), np.abs(b)) + 1e-2 * rtol * size))


def jacobian(forward: Callable[..., Any], operands: Sequence[Any], number: int) -> Array:
    """Return the numeric derivatives of a function's flat result by the entries of one operand.

    By complex steps where extrapolated differences confirm them along a random direction, else by those.
    """
    x = np.asarray(operands[number], dtype=np.float64)

    def path(direction: Array) -> Callable[[Any], Array]:
        def at(t: Any) -> Array:
            moved = [x + t * direction if i == number else v for i, v in enumerate(operands)]
            y = np.ravel(np.asarray(forward(*moved)))
            return y.astype(np.result_type(y.dtype, np.float64))

        return at

    scale = float(np.median(np.abs(x))) if x.size else 1.0
    units = np.eye(x.size).reshape(x.size, *x.shape)
    some = np.random.default_rng(0).choice([-1.0, 1.0], x.shape)
    stepped = complex_step(path(some))
    if stepped is not None:
        found = ridders(path(some), scale)
        if np.all(np.abs(stepped - found.value) <= 4 * found.error + 1e-7 * np.abs(stepped)):
            columns = [complex_step(path(unit)) for unit in units]
            if all(column is not None for column in columns):
                return np.stack([c for c in columns if c is not None] or [np.zeros_like(stepped)][:0], axis=-1)
    return np.stack([ridders(path(unit), scale).value for unit in units], axis=-1)
