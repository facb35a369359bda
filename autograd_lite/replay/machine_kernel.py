"""The machine: one function, compiled once, that runs any plan from an array of integers.

Three instructions: a group of elementwise operations over blocks of lanes, with reductions of what it makes; a matrix
product, by BLAS; and a tape of operations on single numbers. Arrays are given as addresses.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from autograd_lite.replay import machine_lanes, machine_math
from autograd_lite.replay.machine_lanes import (
    BARE,
    OPCODES,
    apply,
    float32_at,
    float64_at,
    int32_at,
    int64_at,
    like_at,
    uint8_at,
)

__all__ = ["BOOL", "DOUBLE", "GEMM", "GROUP", "INTEGER", "SINGLE", "TAPE", "allocate", "run", "run_doubles"]

GROUP, GEMM, TAPE, _DONE = range(4)
DOUBLE, SINGLE, BOOL, INTEGER = range(4)  # kinds of numbers in memory
ONCE, DIRECT, STRIDED = range(3)  # how a block meets memory: one number for all lanes, in place, gathered
_ROW = 20  # bytes of an operation in ``micro``
SUM, PRODUCT, LARGEST, SMALLEST = range(4)
_IDENTITIES = (0.0, 1.0, -math.inf, math.inf)
_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _NEGATIVE, _TANH, _EXP = (
    OPCODES[name] for name in "add subtract multiply divide negative tanh exp".split()
)

inner = njit(error_model="numpy", **BARE)


@intrinsic
def _gemm(typing: Any, function: Any, one: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any,
          a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any) -> Any:  # fmt: skip
    """Call BLAS's gemm (Fortran: everything by reference) at an address."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function, one, ta, tb, m, n, k, a, lda, b, ldb, beta, c, ldc = args
        byte, integer = ir.IntType(8), ir.IntType(32)
        pointer = byte.as_pointer()

        def reference(value: Any) -> Any:
            return builder.bitcast(cgutils.alloca_once_value(builder, value), pointer)

        def small(value: Any) -> Any:
            return reference(builder.trunc(value, integer))

        def letter(flag: Any) -> Any:
            return reference(builder.select(builder.trunc(flag, ir.IntType(1)), byte(ord("T")), byte(ord("N"))))

        def address(value: Any) -> Any:
            return builder.inttoptr(value, pointer)

        call = ir.FunctionType(ir.VoidType(), [pointer] * 13)
        given = [letter(ta), letter(tb), small(m), small(n), small(k), reference(one), address(a), small(lda)]
        given += [address(b), small(ldb), reference(beta), address(c), small(ldc)]
        builder.call(builder.inttoptr(function, call.as_pointer()), given)
        return context.get_dummy_value()

    integers = types.int64
    arguments = (integers, one, *(integers,) * 9, one, integers, integers)
    return types.none(*arguments), build


@njit(error_model="numpy", fastmath={"reassoc", "nsz"}, **BARE)
def _total(x: Any, n: int) -> Any:
    total = x[0] * 0
    for i in range(n):
        total += x[i]
    return total


@inner
def _reduced(kind: int, x: Any, y: Any) -> Any:
    if kind == SUM:
        return x + y
    if kind == PRODUCT:
        return x * y
    if kind == LARGEST:
        return x if x > y or x != x else y
    return x if x < y or x != x else y


@inner
def _load(d: Any, address: int, kind: int, stride: int, n: int) -> None:
    if kind == DOUBLE:
        p = float64_at(address)
        step = stride >> 3
        if step == 1:
            for i in range(n):
                d[i] = p[i]
        else:
            for i in range(n):
                d[i] = p[i * step]
    elif kind == SINGLE:
        q = float32_at(address)
        step = stride >> 2
        if step == 1:
            for i in range(n):
                d[i] = q[i]
        else:
            for i in range(n):
                d[i] = q[i * step]
    elif kind == BOOL:
        r = uint8_at(address)
        for i in range(n):
            d[i] = 1.0 if r[i * stride] else 0.0
    else:
        s = int64_at(address)
        step = stride >> 3
        for i in range(n):
            d[i] = s[i * step]


@inner
def _store(d: Any, address: int, kind: int, stride: int, n: int) -> None:
    if kind == DOUBLE:
        p = float64_at(address)
        step = stride >> 3
        for i in range(n):
            p[i * step] = d[i]
    elif kind == SINGLE:
        q = float32_at(address)
        step = stride >> 2
        for i in range(n):
            q[i * step] = d[i]
    elif kind == BOOL:
        r = uint8_at(address)
        for i in range(n):
            r[i * stride] = 1 if d[i] != 0 else 0
    else:
        s = int64_at(address)
        step = stride >> 3
        for i in range(n):
            s[i * step] = int(d[i])


@inner
def _row(code: Any, dims: int, strides: int, nd: int, row: int) -> int:
    """Return how many bytes into an array its row lies, rows being numbered over all axes but the last."""
    offset = 0
    for axis in range(nd - 2, 0, -1):
        size = code[dims + axis]
        offset += (row % size) * code[strides + axis]
        row //= size
    return offset + row * code[strides] if nd > 1 else offset


@inner
def _begin(code: Any, at: int, dims: int, nd: int, base: int, zero: Any, identity: float) -> None:
    """Fill what a reduction writes with its identity."""
    total = 1
    for axis in range(nd):
        if code[at + axis] != 0:
            total *= code[dims + axis]
    for k in range(total):
        rest, offset = k, 0
        for axis in range(nd - 1, -1, -1):
            if code[at + axis] != 0:
                offset += (rest % code[dims + axis]) * code[at + axis]
                rest //= code[dims + axis]
        like_at(zero, base + offset)[0] = identity


@inner
def _fold(kind: int, target: Any, step: int, x: Any, n: int) -> None:
    """Reduce n lanes into ``target[0], target[step], ...``; all into one number where the step is 0."""
    if step == 0:
        if kind == SUM:
            target[0] = target[0] + _total(x, n)
        else:
            for i in range(n):
                target[0] = _reduced(kind, target[0], x[i])
    elif kind == SUM:
        if step == 1:
            for i in range(n):
                target[i] = target[i] + x[i]
        else:
            for i in range(n):
                target[i * step] = target[i * step] + x[i]
    else:
        for i in range(n):
            target[i * step] = _reduced(kind, target[i * step], x[i])


@inner
def _group(code: Any, pc: int, micro: Any, addresses: Any, registers: Any, scratch: int, zero: Any) -> None:
    width = 4 if code[pc + 2] == SINGLE else 8
    nd, rows, inner, lanes = code[pc + 3], code[pc + 4], code[pc + 5], code[pc + 6]
    first, count = code[pc + 7], code[pc + 8]
    loads, stores, sums = code[pc + 9], code[pc + 10], code[pc + 11]
    dims = pc + 13
    load0 = dims + nd
    entry = 5 + nd
    store0 = load0 + loads * entry
    sum0 = store0 + stores * entry
    for r in range(code[pc + 12]):
        registers[r] = scratch + r * lanes * width
    for k in range(sums):
        at = sum0 + k * entry
        base = addresses[code[at + 2]] + code[at + 3]
        _begin(code, at + 5, dims, nd, base, zero, _IDENTITIES[code[at + 1]])
    for k in range(loads):
        at = load0 + k * entry
        if code[at + 1] == ONCE:
            d = like_at(zero, registers[code[at]])
            _load(d, addresses[code[at + 2]] + code[at + 3], code[at + 4], nd - nd, lanes)
    at_once = lanes // inner if inner <= lanes else 1
    side = code[dims + nd - 2] if nd > 1 else 1  # so many rows lie at equal distances
    row = 0
    while row < rows:
        block = min(at_once, rows - row)
        column = 0
        while column < inner:
            n = min(lanes, inner - column)
            total = n * block
            for k in range(loads):
                at = load0 + k * entry
                mode = code[at + 1]
                if mode == ONCE:
                    continue
                base = addresses[code[at + 2]] + code[at + 3]
                step = code[at + 5 + nd - 1]
                if mode == DIRECT:
                    registers[code[at]] = base + (row * inner + column) * width
                else:
                    r = 0
                    while r < block:
                        run = min(block - r, side - (row + r) % side)
                        place = base + _row(code, dims, at + 5, nd, row + r) + column * step
                        for _ in range(run):
                            d = like_at(zero, registers[code[at]] + r * n * width)
                            _load(d, place, code[at + 4], step, n)
                            place += code[at + 5 + nd - 2]
                            r += 1
            for k in range(stores):
                at = store0 + k * entry
                if code[at + 1] == DIRECT:
                    base = addresses[code[at + 2]] + code[at + 3]
                    registers[code[at]] = base + (row * inner + column) * width
            for m in range(first, first + count):
                apply(
                    micro[m, 0],
                    like_at(zero, registers[micro[m, 1]]),
                    like_at(zero, registers[micro[m, 2]]),
                    like_at(zero, registers[micro[m, 3]]),
                    like_at(zero, registers[micro[m, 4]]),
                    total,
                )
            for k in range(stores):
                at = store0 + k * entry
                if code[at + 1] != DIRECT:
                    base = addresses[code[at + 2]] + code[at + 3]
                    step = code[at + 5 + nd - 1]
                    r = 0
                    while r < block:
                        run = min(block - r, side - (row + r) % side)
                        place = base + _row(code, dims, at + 5, nd, row + r) + column * step
                        for _ in range(run):
                            d = like_at(zero, registers[code[at]] + r * n * width)
                            _store(d, place, code[at + 4], step, n)
                            place += code[at + 5 + nd - 2]
                            r += 1
            for k in range(sums):
                at = sum0 + k * entry
                base = addresses[code[at + 2]] + code[at + 3]
                step = code[at + 5 + nd - 1]
                x = registers[code[at]]
                if code[at + 4]:  # everything into one number
                    _fold(code[at + 1], like_at(zero, base), nd - nd, like_at(zero, x), total)
                else:
                    r = 0
                    while r < block:
                        run = min(block - r, side - (row + r) % side)
                        place = base + _row(code, dims, at + 5, nd, row + r) + column * step
                        for _ in range(run):
                            _fold(
                                code[at + 1], like_at(zero, place), step // width, like_at(zero, x + r * n * width), n
                            )
                            place += code[at + 5 + nd - 2]
                            r += 1
            column += n
        row += block


@inner
def _multiply(code: Any, pc: int, addresses: Any, function: int, zero: Any, one: Any) -> None:
    ta, tb, m, n, k = code[pc + 3], code[pc + 4], code[pc + 5], code[pc + 6], code[pc + 7]
    a = addresses[code[pc + 8]] + code[pc + 9]
    b = addresses[code[pc + 11]] + code[pc + 12]
    c = addresses[code[pc + 14]] + code[pc + 15]
    beta = one if code[pc + 17] else zero
    for i in range(code[pc + 18]):
        # BLAS counts along columns: it computes the transposed product of the transposed factors.
        _gemm(
            function, one, tb, ta, n, m, k, b + i * code[pc + 20], code[pc + 13], a + i * code[pc + 19], code[pc + 10],
            beta, c + i * code[pc + 21], code[pc + 16],
        )  # fmt: skip


@inner
def _tape(code: Any, pc: int, micro: Any, addresses: Any) -> None:
    base = addresses[code[pc + 7]]
    lane = min(code[pc + 4], 1)  # no literal: it would have everything compiled once more
    at = pc + 8
    for _ in range(code[pc + 5]):
        _load(float64_at(base + 8 * code[at]), addresses[code[at + 1]] + code[at + 2], code[at + 3], lane - lane, lane)
        at += 4
    cells = float64_at(base)
    place = np.int64(micro.ctypes.data) + _ROW * code[pc + 3]
    for _ in range(code[pc + 4]):
        row = int32_at(place)
        place += _ROW
        op, d = row[0], row[1]
        a, b = cells[row[2]], cells[row[3]]
        if op == _MULTIPLY:
            cells[d] = a * b
        elif op == _ADD:
            cells[d] = a + b
        elif op == _SUBTRACT:
            cells[d] = a - b
        elif op == _TANH:
            cells[d] = math.tanh(a)  # on one number, what has branches is faster
        elif op == _NEGATIVE:
            cells[d] = -a
        elif op == _DIVIDE:
            cells[d] = a / b
        elif op == _EXP:
            cells[d] = math.exp(a)
        else:
            c = float64_at(base + 8 * row[4])
            apply(op, float64_at(base + 8 * d), float64_at(base + 8 * row[2]), float64_at(base + 8 * row[3]), c, lane)
    for _ in range(code[pc + 6]):
        _store(float64_at(base + 8 * code[at]), addresses[code[at + 1]] + code[at + 2], code[at + 3], lane - lane, lane)
        at += 4


@njit(cache=True)
def allocate(used: Any, cells: Any, kept: Any) -> int:
    """Give every number of a tape a cell; one whose last reader has run is free again, but not for that reader.

    Parameters
    ----------
    used : ndarray of int32, shape (n, 4)
        For each operation what it writes and its operands, -1 for none.
    cells : ndarray of int32
        Cell of each number; -1 at first. Numbers that are only read keep theirs for good.
    kept : ndarray of int64
        Numbers that are to stay, too.

    Returns
    -------
    int
        How many cells there are.
    """
    last = np.full(len(cells), -1, np.int32)
    for i in range(len(used)):
        for j in range(1, 4):
            if used[i, j] >= 0:
                last[used[i, j]] = i
    written = np.zeros(len(cells), np.bool_)
    for i in range(len(used)):
        written[used[i, 0]] = True
    for x in kept:
        last[x] = len(used)
    count = 0
    for i in range(len(used)):
        for j in range(1, 4):
            x = used[i, j]
            if x >= 0 and not written[x] and cells[x] < 0:
                cells[x] = count
                count += 1
                last[x] = len(used)
    free = np.empty(len(used), np.int32)
    n = 0
    for i in range(len(used)):
        d = used[i, 0]
        if n > 0:
            n -= 1
            cells[d] = free[n]
        else:
            cells[d] = count
            count += 1
        for j in range(1, 4):
            x = used[i, j]
            if x >= 0 and last[x] == i:
                free[n] = cells[x]
                n += 1
                last[x] = len(used)
        if last[d] < 0:  # nobody reads it
            free[n] = cells[d]
            n += 1
    return count


def _fingerprint() -> str:
    """Return a digest of what ``run`` is compiled from: numba's own cache looks at one file alone."""
    files = (__file__, machine_lanes.__file__, machine_math.__file__)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def _compiled(fingerprint: str, singles: bool) -> Any:
    """Return the machine; one without single precision takes half the time to compile."""

    @njit(cache=True, nogil=True, error_model="numpy")
    def run(code: Any, micro: Any, addresses: Any, registers: Any, scratch: int, dgemm: int, sgemm: int) -> None:
        """Run a plan.

        Parameters
        ----------
        code : ndarray of int64
            The instructions one after another; the second number of each is its length.
        micro : ndarray of int32, shape (n, 5)
            The operations of groups and tapes: (opcode, destination, operands).
        addresses : ndarray of int64
            Where each array lies.
        registers : ndarray of int64
            Room for the addresses of a group's registers.
        scratch, dgemm, sgemm : int
            The addresses of memory for blocks of lanes, and of BLAS's matrix products.
        """
        fingerprint  # noqa: B018  (what a function closes over is part of its key in the cache)
        pc = len(code) - len(code)  # no literal: it would have everything compiled once more
        while pc < len(code):
            kind = code[pc]
            if singles:  # noqa: SIM102  (numba leaves out a branch on a constant, but not on a conjunction)
                if code[pc + 2] == SINGLE:
                    if kind == GROUP:
                        _group(code, pc, micro, addresses, registers, scratch, np.float32(0.0))
                    else:
                        _multiply(code, pc, addresses, sgemm, np.float32(0.0), np.float32(1.0))
                    kind = _DONE
            if kind == GROUP:
                _group(code, pc, micro, addresses, registers, scratch, 0.0)
            elif kind == GEMM:
                _multiply(code, pc, addresses, dgemm, 0.0, 1.0)
            elif kind == TAPE:
                _tape(code, pc, micro, addresses)
            pc += code[pc + 1]

    return run


run, run_doubles = (_compiled(_fingerprint(), singles) for singles in (True, False))
