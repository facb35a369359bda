"""Steps of a plan as the integers that the machine runs; what it cannot run is refused, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from autograd_lite.replay import machine_kernel as kernel
from autograd_lite.replay.machine_kernel import allocate
from autograd_lite.replay.machine_lanes import OPCODES
from autograd_lite.replay.primitive import (
    SCALAR_NAMES,
    Array,
    Elementwise,
    Fill,
    Group,
    Matmul,
    Plan,
    Reduce,
    Scalars,
    Step,
    contiguous,
    reads_of,
)

__all__ = ["CELLS", "POOL", "Numbers", "RefusedError", "Segment", "assemble"]

_KINDS = {"d": kernel.DOUBLE, "f": kernel.SINGLE, "?": kernel.BOOL, "l": kernel.INTEGER, "q": kernel.INTEGER}
_FOLDS = {"add": kernel.SUM, "multiply": kernel.PRODUCT, "maximum": kernel.LARGEST, "minimum": kernel.SMALLEST}
_SAME = {"positive": "copy", "astype": "copy", "fabs": "absolute", "conjugate": "copy", "true_divide": "divide"}
_CODES = {**OPCODES, **{name: OPCODES[same] for name, same in _SAME.items()}}
_ON_TRUTH = frozenset("logical_and logical_or logical_not where copy astype equal not_equal".split())
_EXACT_INTEGERS = frozenset("equal not_equal less less_equal greater greater_equal astype copy where".split())
_SCALAR_CODES = np.array([_CODES[name] for name in SCALAR_NAMES], np.int32)
_BLOCK = 1 << 15  # bytes of registers that stay in the nearest cache
_MAX_AXES = 8
POOL, CELLS = -1, -2  # owners of memory that are no arrays of the plan


class RefusedError(Exception):
    """The machine has no instruction for a step."""


@dataclass(slots=True)
class Segment:
    """A run of steps for the machine.

    Attributes
    ----------
    numbers : Numbers
        Of the whole plan.
    slots : dict of int to int
        Owner of memory -> its place in the table of addresses; for the whole plan, and growing.
    code : list of int
    micro : list of ndarray of int32, shape (n, 5)
    operations : int
        Rows in ``micro``.
    registers, scratch : int
        How many registers a group needs at most, and how many bytes.
    has_singles : bool
        Whether anything is computed in single precision.
    """

    numbers: Numbers
    slots: dict[int, int]
    code: list[int] = field(default_factory=list)
    micro: list[np.ndarray[Any, Any]] = field(default_factory=list)
    operations: int = 0
    registers: int = 1
    scratch: int = 64
    has_singles: bool = False

    def add(self, code: list[int]) -> None:
        code[1] = len(code)
        self.has_singles |= code[2] == kernel.SINGLE
        self.code += code

    def slot(self, owner: int) -> int:
        return self.slots.setdefault(owner, len(self.slots))

    def operate(self, rows: Any) -> int:
        """Add rows of operations; return the number of the first."""
        first = self.operations
        array = np.asarray(rows, np.int32).reshape(-1, 5)
        self.micro.append(array)
        self.operations += len(array)
        return first


def assemble(plan: Plan, step: Step, segment: Segment) -> None:
    """Add a step to a segment.

    Raises
    ------
    RefusedError
        Nothing has been added then.
    """
    match step:
        case Group(steps, shape, stores, sums):
            _group(plan, steps, shape, stores, sums, segment)
        case Elementwise(write=write):
            _group(plan, (step,), plan.arrays[write].shape, (write,), (), segment)
        case Reduce(read=read):
            _group(plan, (), plan.arrays[read].shape, (), (step,), segment)
        case Matmul():
            _matmul(plan, step, segment)
        case Fill():
            _fill(plan, step, segment)
        case Scalars():
            _scalars(plan, step, segment)
        case _:
            raise RefusedError(type(step).__name__)


def _place(plan: Plan, number: int) -> tuple[int, int, tuple[int, ...]]:
    """Return where an array lies: its owner's number, and offset and strides in bytes."""
    array = plan.arrays[number]
    width = array.dtype.itemsize
    strides = array.strides if array.owner == "view" else contiguous(array.shape)
    return plan.owner(number), array.offset * width, tuple(s * width for s in strides)


def _kind(array: Array) -> int:
    kind = _KINDS.get(array.dtype.char)
    if kind is None:
        raise RefusedError(f"dtype {array.dtype}")
    return kind


def _computes_in(plan: Plan, numbers: Iterable[int]) -> int:
    """Return the kind of the registers of a group: the one floating-point type that takes part."""
    kinds = {_kind(plan.arrays[n]) for n in numbers}
    if kernel.DOUBLE in kinds and kernel.SINGLE in kinds:
        raise RefusedError("two floating-point types in one group")
    return kernel.SINGLE if kernel.SINGLE in kinds else kernel.DOUBLE


def _check(plan: Plan, step: Elementwise) -> None:
    if step.name not in _CODES:
        raise RefusedError(f"no operation {step.name!r}")
    reads = [plan.arrays[n].dtype.char for n in step.reads]
    made = plan.arrays[step.write].dtype.char
    if (made in "lq" or any(c in "lq" for c in reads)) and step.name not in _EXACT_INTEGERS:
        raise RefusedError(f"{step.name!r} of integers")
    if all(c == "?" for c in reads) and step.name not in _ON_TRUTH:
        raise RefusedError(f"{step.name!r} of truth values")
    if step.name == "astype" and made in "?lq" and reads[0] != made:
        raise RefusedError(f"astype to {plan.arrays[step.write].dtype}")


def _group(
    plan: Plan,
    steps: Sequence[Elementwise],
    shape: tuple[int, ...],
    stores: Sequence[int],
    sums: Sequence[Reduce],
    segment: Segment,
) -> None:
    for step in steps:
        _check(plan, step)
    if any(s.name not in _FOLDS for s in sums):
        raise RefusedError("reduction")
    if math.prod(shape) == 0:
        raise RefusedError("no entries")
    made = {s.write for s in steps}
    outside = dict.fromkeys(n for n in (*(r for s in steps for r in s.reads), *(s.read for s in sums)) if n not in made)
    converts = len(steps) == 1 and steps[0].name == "astype" and not sums
    kind = _computes_in(plan, made if converts else (*made, *outside, *(s.write for s in sums)))
    width = 4 if kind == kernel.SINGLE else 8

    rows: list[_Access] = []
    for number in outside:
        rows.append(_Access(number, *_broadcast(plan, number, shape)))
    for number in stores:
        rows.append(_Access(number, *_broadcast(plan, number, shape)))
    for s in sums:
        if _kind(plan.arrays[s.write]) != kind:
            raise RefusedError("a reduction of another type")
        owner, offset, strides = _place(plan, s.write)
        kept = iter(strides)
        rows.append(_Access(s.read, owner, offset, tuple(0 if a in s.axes else next(kept) for a in range(len(shape)))))
    dims, walked = _inner_longest(*_collapsed(shape, [r.strides for r in rows]))
    for row, steps_of_row in zip(rows, walked, strict=True):
        row.strides = steps_of_row

    whole = contiguous(tuple(dims))
    loads, written, folded = rows[: len(outside)], rows[len(outside) : len(outside) + len(stores)], rows[-len(sums) :]
    stored = [_memory(plan, access.owner) for access in written]
    modes = []
    for access in (*loads, *written):
        direct = (
            access.strides == tuple(width * s for s in whole)
            and _kind(plan.arrays[access.number]) == kind
            and (access in written or not any(map(_memory(plan, access.owner).overlaps, stored)))
        )
        once = not any(access.strides)
        modes.append(kernel.DIRECT if direct else kernel.ONCE if once and access in loads else kernel.STRIDED)
    for access, met in zip(written, modes[len(loads) :], strict=True):
        if met != kernel.DIRECT and _reads_itself(steps, access.number):
            raise RefusedError("an update in place of scattered memory")
    registers, rows_of_code, count = _allocated(steps, list(outside), stores, [s.read for s in sums])
    lanes = max(16, min(1024, _BLOCK // (count * width) // 16 * 16))
    inner = dims[-1]
    code = [kernel.GROUP, 0, kind, len(dims), math.prod(dims[:-1]), inner, lanes, 0, len(rows_of_code)]
    code += [len(loads), len(written), len(sums), count, *dims]
    for access, mode in zip((*loads, *written), modes, strict=True):
        array = plan.arrays[access.number]
        code += [
            registers[access.number],
            mode,
            segment.slot(access.owner),
            access.offset,
            _kind(array),
            *access.strides,
        ]
    for s, access in zip(sums, folded if sums else (), strict=True):
        everything = int(not any(access.strides))
        code += [
            registers[s.read],
            _FOLDS[s.name],
            segment.slot(access.owner),
            access.offset,
            everything,
            *access.strides,
        ]
    code[7] = segment.operate(rows_of_code)
    segment.registers = max(segment.registers, count)
    segment.scratch = max(segment.scratch, count * lanes * width)
    segment.add(code)


class _Memory(NamedTuple):
    """A stretch of memory: of the arena, or one that no other array lies in."""

    of: int
    start: int
    stop: int

    def overlaps(self, other: _Memory) -> bool:
        return self.of == other.of and self.start < other.stop and other.start < self.stop


def _memory(plan: Plan, owner: int) -> _Memory:
    start = plan.places.get(owner)
    return _Memory(owner, 0, 1) if start is None else _Memory(-1, start, start + max(plan.arrays[owner].nbytes, 1))


class _Access:
    """How a group meets the memory of an array."""

    __slots__ = ("number", "offset", "owner", "strides")

    def __init__(self, number: int, owner: int, offset: int, strides: tuple[int, ...]) -> None:
        self.number, self.owner, self.offset, self.strides = number, owner, offset, strides


def _broadcast(plan: Plan, number: int, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    owner, offset, strides = _place(plan, number)
    own = plan.arrays[number].shape
    lead = len(shape) - len(own)
    return owner, offset, (*(0,) * lead, *(0 if n == 1 else s for n, s in zip(own, strides, strict=True)))


def _collapsed(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Merge the axes that all arrays walk through as one."""
    dims: list[int] = []
    columns: list[list[int]] = []
    for axis, n in enumerate(shape):
        column = [s[axis] for s in strides]
        if n == 1:
            continue
        if dims and all(before == s * n for before, s in zip(columns[-1], column, strict=True)):
            dims[-1] *= n
            columns[-1] = column
        else:
            dims.append(n)
            columns.append(column)
    if not dims:
        dims, columns = [1], [[0] * len(strides)]
    if len(dims) > _MAX_AXES:
        raise RefusedError("too many axes")
    return dims, [tuple(column[i] for column in columns) for i in range(len(strides))]


def _reads_itself(steps: Sequence[Elementwise], number: int) -> bool:
    """Return whether an array is read before it is written."""
    first = next(s for s in steps if number in s.reads or s.write == number)
    return number in first.reads


_SHORT = 8


def _inner_longest(dims: list[int], strides: list[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Put the longest axis last where the last is short: a row has a cost of its own."""
    longest = max(range(len(dims)), key=lambda axis: dims[axis])
    if dims[-1] >= _SHORT or dims[longest] < 2 * dims[-1]:
        return dims, strides
    order = [*(axis for axis in range(len(dims)) if axis != longest), longest]
    return [dims[axis] for axis in order], [tuple(s[axis] for axis in order) for s in strides]


def _allocated(
    steps: Sequence[Elementwise], outside: list[int], stores: Sequence[int], folded: list[int]
) -> tuple[dict[int, int], list[tuple[int, int, int, int, int]], int]:
    """Give each array a register, never that of an operand of the same step; free ones are used again."""
    last = {n: i for i, step in enumerate(steps) for n in step.reads}
    kept = {*outside, *stores, *folded}
    registers = {n: i for i, n in enumerate(outside)}
    count = len(outside)
    free: list[int] = []
    rows = []
    for i, step in enumerate(steps):
        if free and step.write not in kept:
            registers[step.write] = free.pop()
        else:
            registers[step.write] = count
            count += 1
        reads = [registers[n] for n in step.reads]
        a, b, c = (*reads, *(reads[-1:] * (3 - len(reads))))
        rows.append((_CODES[step.name], registers[step.write], a, b, c))
        free += [registers[n] for n in dict.fromkeys(step.reads) if last[n] == i and n not in kept]
        if step.write not in last and step.write not in kept:
            free.append(registers[step.write])
    return registers, rows, max(count, 1)


def _matmul(plan: Plan, step: Matmul, segment: Segment) -> None:
    kinds = {_kind(plan.arrays[n]) for n in (step.a, step.b, step.write)}
    if kinds not in ({kernel.DOUBLE}, {kernel.SINGLE}):
        raise RefusedError("a matrix product of two types")
    kind = kinds.pop()
    width = 4 if kind == kernel.SINGLE else 8
    shapes = [plan.arrays[n].shape for n in (step.a, step.b, step.write)]
    m, n = shapes[2][-2:]
    k = shapes[0][-1]
    if 0 in (m, n, k) or any(len(s) < 2 or s[:-2] != shapes[0][:-2] for s in shapes):
        raise RefusedError("matrices")
    code = [kernel.GEMM, 0, kind, 0, 0, m, n, k]
    steps: list[int] = []
    for which, (number, shape) in enumerate(zip((step.a, step.b, step.write), shapes, strict=True)):
        owner, offset, strides = _place(plan, number)
        transposed, leading = _leading(shape[-2:], strides[-2:], width)
        if which < 2:
            code[3 + which] = transposed
        elif transposed:
            raise RefusedError("a transposed result")
        code += [segment.slot(owner), offset, leading]
        dims, merged = _collapsed(shape[:-2], [strides[:-2]])
        if len(dims) > 1:
            raise RefusedError("scattered matrices")
        steps.append(merged[0][0])
    segment.add([*code, int(step.accumulate), math.prod(shapes[0][:-2]), *steps])


def _leading(shape: tuple[int, ...], strides: tuple[int, ...], width: int) -> tuple[int, int]:
    """Return whether BLAS must transpose a matrix, and its leading dimension."""
    (rows, columns), (down, across) = shape, strides
    down = columns * width if rows == 1 and (across == width or columns == 1) else down
    if (across == width or columns == 1) and down >= columns * width and down % width == 0:
        return 0, down // width
    across = rows * width if columns == 1 and down == width else across
    if (down == width or rows == 1) and across >= rows * width and across % width == 0:
        return 1, across // width
    raise RefusedError("strides")


def _fill(plan: Plan, step: Fill, segment: Segment) -> None:
    array = plan.arrays[step.write]
    if array.size == 0:
        raise RefusedError("no entries")
    owner, offset, strides = _place(plan, step.write)
    dims, (steps,) = _collapsed(array.shape, [strides])
    kind = kernel.SINGLE if _kind(array) == kernel.SINGLE else kernel.DOUBLE
    width = 4 if kind == kernel.SINGLE else 8
    lanes = 1024
    code = [kernel.GROUP, 0, kind, len(dims), math.prod(dims[:-1]), dims[-1], lanes, 0, 1, 1, 1, 0, 2, *dims]
    code += [0, kernel.ONCE, segment.slot(POOL), 8 * len(segment.numbers.pool), kernel.DOUBLE, *(0 for _ in dims)]
    code += [1, kernel.STRIDED, segment.slot(owner), offset, _kind(array), *steps]
    segment.numbers.pool.append(float(step.value))
    code[7] = segment.operate([(_CODES["copy"], 1, 0, 0, 0)])
    segment.registers = max(segment.registers, 2)
    segment.scratch = max(segment.scratch, 2 * lanes * width)
    segment.add(code)


def _scalars(plan: Plan, step: Scalars, segment: Segment) -> None:
    cells = segment.numbers.cells
    a, b, c = (np.where(x < 0, step.a, x) for x in (step.a, step.b, step.c))
    columns = [_SCALAR_CODES[step.codes], *(cells(x) for x in (step.writes, a, b, c))]
    imported, exported = segment.numbers.outside(step)
    code = [kernel.TAPE, 0, kernel.DOUBLE, 0, len(step.codes), len(imported), len(exported), segment.slot(CELLS)]
    for number in (*imported, *exported):
        owner, offset, _ = _place(plan, number)
        code += [int(cells(number)), segment.slot(owner), offset, _kind(plan.arrays[number])]
    code[3] = segment.operate(np.stack(columns, axis=1))
    segment.add(code)


class Numbers:
    """Where the numbers of all tapes of a plan live: cells that are used again when what they held is not needed.

    Attributes
    ----------
    count : int
        How many cells there are.
    pool : list of float
        Constants that the code itself needs, in the memory called `POOL`.
    """

    def __init__(self, plan: Plan) -> None:
        tapes = [step for step in plan.steps if isinstance(step, Scalars)]
        self._written = np.concatenate([np.zeros(0, np.int64), *(t.writes for t in tapes)])
        others = {n for step in plan.steps if not isinstance(step, Scalars) for n in reads_of(step)}
        self._wanted = np.array(sorted(others | set(plan.outputs)), np.int64)
        self._cells = np.full(len(plan.arrays), -1, np.int32)
        self.pool: list[float] = []
        self.count = 0
        if tapes:
            columns = [
                np.concatenate([getattr(t, name) for t in tapes]).astype(np.int32) for name in "writes a b c".split()
            ]
            self.count = int(allocate(np.stack(columns, axis=1), self._cells, self._wanted))

    def cells(self, numbers: Any) -> Any:
        return self._cells[numbers]

    def outside(self, step: Scalars) -> tuple[list[int], list[int]]:
        """Return the arrays that a tape reads and no tape writes, and those that it writes and no tape reads."""
        read = np.unique(np.concatenate([step.a, step.b, step.c]))
        imported = read[(read >= 0) & ~np.isin(read, self._written)]
        return imported.tolist(), step.writes[np.isin(step.writes, self._wanted)].tolist()
