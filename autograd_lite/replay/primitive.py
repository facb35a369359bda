"""What a plan is: numbered arrays with their memory, and primitive steps over them.

A plan says less than a `Program` and more than a list of NumPy calls: every derivative rule is written out in
elementwise steps, reductions and matrix products, each with its shapes, dtypes and strides known, so that an executor
needs to know a handful of kinds of step and no rule. Dtypes are settled: what a step reads has the dtype of the loop
that runs, and conversions are steps of their own (``astype``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "SCALAR_NAMES",
    "Array",
    "Call",
    "Effect",
    "Elementwise",
    "Fill",
    "Group",
    "Matmul",
    "Plan",
    "Reduce",
    "Scalars",
    "Step",
    "contiguous",
    "reads_of",
    "writes_of",
]


@dataclass(frozen=True, slots=True)
class Array:
    """One array of a plan.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    owner : {"temp", "view", "input", "leaf", "constant"}
        Temp: memory of the plan, C-contiguous. View: part of another array. Input: an argument of the run. Leaf: the
        data of a node, read anew in each run. Constant: an ndarray, held by reference, so that writes to it show.
    source : object
        View: the number of the array that owns the memory, never itself a view. Input: its position. Leaf: the node.
        Constant: the ndarray (a number is one of shape ``()``).
    offset : int
        View: its first entry, in entries from the start of the owner.
    strides : tuple of int
        View: steps along its axes, in entries of the owner laid out C-contiguously; 0 along broadcast axes. An input,
        leaf or constant that lies otherwise in memory is copied before views of it are taken.
    frozen : bool
        Constant: whether nobody can write it, so that it may be computed with ahead of time.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: str = "temp"
    source: Any = None
    offset: int = 0
    strides: tuple[int, ...] = ()
    frozen: bool = False

    @property
    def size(self) -> int:
        n = 1
        for length in self.shape:
            n *= length
        return n

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Elementwise:
    """``write = name(*reads)``, reads broadcasting to the shape of what is written.

    ``name`` is that of a NumPy ufunc, or "where", "astype", "copy", "erf", "erfc". What is written may be a view of a
    temp, and may be among the reads (``part += x``), entry for entry the same.
    """

    name: str
    reads: tuple[int, ...]
    write: int


@dataclass(frozen=True, slots=True)
class Reduce:
    """``write = name.reduce(read, axes)``; name: "add", "multiply", "maximum", "minimum", "logical_or", "logical_and".

    ``write`` has the axes of ``read`` without those reduced.
    """

    name: str
    read: int
    write: int
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matmul:
    """``write = a @ b`` (or ``write += a @ b``), both 2-D, or stacks of matrices with the same leading axes."""

    a: int
    b: int
    write: int
    accumulate: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """``write[...] = value``."""

    value: Any
    write: int


@dataclass(frozen=True, slots=True)
class Call:
    """``writes = function(*reads)``: Python code on ndarrays, which must not keep or write what it is given.

    One write: the function returns it; several: it returns a sequence. A write of -1 is wanted by nobody. Results are
    copied into the plan's memory.
    """

    function: Callable[..., Any]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    pure: bool = True
    name: str = "call"


@dataclass(frozen=True, slots=True)
class Effect:
    """``function(*reads)`` for what it does, in order; never left out, and nothing moves across it.

    What it reads is handed over for good (copied, or computed into memory of its own), but for a function that
    ``borrows``: it keeps nothing. ``renews`` are the numbers under which the leaves that it overwrites are read from
    then on.
    """

    function: Callable[..., Any]
    reads: tuple[int, ...]
    renews: tuple[int, ...] = ()
    name: str = "effect"
    borrows: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Elementwise steps over one domain, run entry by entry (or block by block) with their results in registers.

    Attributes
    ----------
    steps : tuple of Elementwise
        Each writes an array of exactly the domain's shape; reads from outside broadcast to it.
    shape : tuple of int
        The domain.
    stores : tuple of int
        Which of the written arrays have memory; the others exist in the group only.
    sums : tuple of Reduce
        Reductions of arrays that the steps write or read (of the domain's shape), done on the way.
    """

    steps: tuple[Elementwise, ...]
    shape: tuple[int, ...]
    stores: tuple[int, ...]
    sums: tuple[Reduce, ...] = ()


# What `Scalars` can run, by code; "constant", "leaf" and so on are arrays and need none.
SCALAR_NAMES = (
    "add", "subtract", "multiply", "divide", "negative", "positive", "reciprocal", "absolute", "power", "square",
    "sqrt", "cbrt", "sign", "heaviside", "floor", "ceil", "trunc", "rint", "remainder", "fmod", "exp", "exp2", "expm1",
    "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "hypot", "sinh",
    "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "maximum", "minimum", "logaddexp", "where", "copy",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isnan", "logical_and",
    "logical_or", "logical_not", "sigmoid", "relu", "step",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Scalars:
    """A run of elementwise steps on float64 numbers (Values), as columns: one row a step, in order.

    Attributes
    ----------
    codes : ndarray of uint8
        Positions in `SCALAR_NAMES`. Truth values are the numbers 1.0 and 0.0 here; "step" is ``x > 0``.
    a, b, c : ndarray of int32
        The numbers of the arrays read (of shape ``()``); -1 for an operand that there is not.
    writes : ndarray of int32
    """

    codes: np.ndarray[Any, Any]
    a: np.ndarray[Any, Any]
    b: np.ndarray[Any, Any]
    c: np.ndarray[Any, Any]
    writes: np.ndarray[Any, Any]


Step: TypeAlias = Elementwise | Reduce | Matmul | Fill | Call | Effect | Group | Scalars


@dataclass(slots=True)
class Plan:
    """A program in primitive steps.

    Attributes
    ----------
    arrays : list of Array
    steps : list of Step
    outputs : list of int
        The arrays that a run returns, as copies.
    places : dict of int to int
        Temp -> its first byte in the arena; arrays whose lives do not overlap share bytes. Empty until memory is laid
        out. A temp that is missing there has no memory: it is a register of a group, or ``fresh``.
    arena : int
        Bytes.
    fresh : set of int
        Temps that leave the plan (outputs, what effects read): each run allocates them anew.
    """

    arrays: list[Array] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    arena: int = 0
    fresh: set[int] = field(default_factory=set)

    def owner(self, number: int) -> int:
        """Return the number of the array that owns the memory of another."""
        array = self.arrays[number]
        return int(array.source) if array.owner == "view" else number


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in entries, of a C-contiguous array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def reads_of(step: Step) -> tuple[int, ...]:
    """Return the numbers of the arrays that a step reads from outside itself."""
    match step:
        case Elementwise(_, reads, _) | Call(_, reads, _) | Effect(_, reads):
            return reads
        case Reduce(_, read, _, _):
            return (read,)
        case Matmul(a, b, write, accumulate):
            return (a, b, write) if accumulate else (a, b)
        case Group(steps, _, _, sums):
            made = {s.write for s in steps}
            wanted = [r for s in steps for r in s.reads] + [s.read for s in sums]
            return tuple(r for r in dict.fromkeys(wanted) if r not in made)
        case Scalars():
            seen = np.zeros(max(int(x.max(initial=0)) for x in (step.a, step.b, step.c, step.writes)) + 2, np.bool_)
            for column in (step.a, step.b, step.c):
                seen[column] = True  # -1 is the last
            seen[step.writes] = seen[-1] = False
            return tuple(np.flatnonzero(seen).tolist())
    return ()


def writes_of(step: Step) -> tuple[int, ...]:
    """Return the numbers of the arrays with memory that a step writes."""
    match step:
        case Elementwise(write=write) | Reduce(write=write) | Matmul(write=write) | Fill(write=write):
            return (write,)
        case Call(writes=writes):
            return tuple(w for w in writes if w >= 0)
        case Group(stores=stores, sums=sums):
            return (*stores, *(s.write for s in sums))
        case Scalars(writes=written):
            return tuple(written.tolist())
    return ()
