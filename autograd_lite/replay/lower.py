"""From a recorded program to primitive steps: the records' own functions run on arrays without entries.

So there is no second derivative table. What a function cannot do without entries stays a call of that function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Patch
from autograd_lite.ops.record import Op
from autograd_lite.replay import calls, plan_numpy, plan_rules
from autograd_lite.replay.plan_builder import Builder, UnfoldableError
from autograd_lite.replay.plan_effects import Unfolding
from autograd_lite.replay.plan_symbol import Symbol, is_basic, scaled, symbol_of
from autograd_lite.replay.plan_table import Table
from autograd_lite.replay.primitive import Array, Effect, Elementwise, Plan
from autograd_lite.replay.program import Instruction, Program, Spot
from autograd_lite.replay.run import _function as function_of

__all__ = ["lower"]

assert plan_numpy  # its import gives Symbols NumPy's functions


def lower(program: Program) -> Plan:
    """Write a program down in primitive steps.

    Returns
    -------
    Plan
        Its steps are in the program's order and nothing is left out or shared yet. What stayed a call because its
        function looks at entries is a `Call` whose name is that of the op.
    """
    return _Lowering(program).run()


class _Patched(NamedTuple):
    """A gradient that is zero but for a part, not written down yet."""

    index: Any
    value: Symbol
    spot: Spot


class _Lowering:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.builder = Builder()
        self.numbers: dict[int, int] = {}  # spot -> array
        self.patches: dict[int, _Patched] = {}
        self.owned: set[int] = set()  # spots whose memory nobody else holds, so that a patch may be added in place
        self.uses = [0] * len(program.spots)
        for step in program.instructions:
            for r in step.reads:
                self.uses[r] += 1
        for r in program.outputs:
            self.uses[r] += 2

    def run(self) -> Plan:
        with np.errstate(all="ignore"):
            for n, spot in enumerate(self.program.spots):
                if not spot.is_array and spot.role != "result":
                    self.number(n)
            table = Table(self.program, self.builder, self.numbers)
            table.prepare()
            for step in self.program.instructions:
                if not table.take(step):
                    table.flush()
                    getattr(self, "_" + step.kind)(step)
                    table.renewed(step.overwrites)
            table.flush()
            self.builder.plan.outputs = [self.number(r) for r in self.program.outputs]
        return self.builder.plan

    # Spots.

    def number(self, spot: int) -> int:
        """Return the array of a spot."""
        found = self.numbers.get(spot)
        if found is None:
            patch = self.patches.pop(spot, None)
            found = self.numbers[spot] = self._source(spot) if patch is None else self._zeros_with(patch)
        return found

    def _source(self, spot: int) -> int:
        s = self.program.spots[spot]
        if s.role == "constant":
            return self._constant(s)
        if s.role == "result":
            raise ValueError(f"the program reads spot {spot} before it is written")
        return self.builder.add(Array(s.shape, np.dtype(s.dtype), s.role, s.source))

    def _constant(self, s: Spot) -> int:
        x = graph.data_of(s.source)
        if not isinstance(x, np.ndarray):
            return self.builder.number(x, s.dtype)
        frozen = not x.flags.writeable and x.base is None
        if frozen and not x.ndim:
            return self.builder.number(x, x.dtype)
        return self.builder.add(Array(x.shape, x.dtype, "constant", x, frozen=frozen))

    def symbol(self, spot: int) -> Symbol:
        s = self.program.spots[spot]
        return Symbol(self.builder, self.number(spot), weak=not s.is_array, shared=True)

    def operand(self, spot: int, typed: Any = None) -> Any:
        """Return an operand as the op's functions take it: a Symbol, or the Python number that it is."""
        s = self.program.spots[spot]
        if s.role == "constant" and type(s.source) in (int, float, bool):
            return s.source if typed is None else typed(s.source)
        return self.symbol(spot)

    def _zeros_with(self, patch: _Patched) -> int:
        zeros = Symbol(self.builder, self.builder.filled(patch.spot.shape, patch.spot.dtype, 0))
        zeros[patch.index] = patch.value
        return zeros.number

    # Writing functions out.

    def attempt(self, function: Callable[[], Any]) -> Any:
        """Run a function on Symbols; None, and nothing written, if it asks for what they do not have."""
        plan = self.builder.plan
        before = len(plan.arrays), len(plan.steps)
        self.builder.mark = before[0]
        try:
            return function()
        except Exception:
            self.builder.undo(*before)
            return None
        finally:
            self.builder.mark = 0

    def fitted(self, x: Any, spot: Spot) -> int | None:
        """Return the array of a result, or None if it is not of the spot's shape and dtype."""
        made = symbol_of(self.builder, x, spot.dtype)
        if made.dtype != spot.dtype and (made.weak or not spot.is_array):
            made = made.astype(spot.dtype)
        return made.number if made.shape == spot.shape and made.dtype == spot.dtype else None

    def call(self, step: Instruction, function: Callable[..., Any], name: str) -> None:
        """Leave an instruction as a call."""
        spots = self.program.spots
        likes = [None if w < 0 else _Like(spots[w].shape, np.dtype(spots[w].dtype)) for w in step.writes]
        reads = [self.number(r) for r in step.reads]
        made = self.builder.called(function, reads, likes, step.pure, name)
        self.numbers.update((w, n) for w, n in zip(step.writes, made, strict=True) if w >= 0)

    # Kinds of instruction.

    def _forward(self, step: Instruction) -> None:
        op, (write,) = step.op, step.writes
        assert op is not None
        function = plan_rules.FORWARD.get(op.name, op.forward)
        spot = self.program.spots[write]
        for r in step.reads:
            self.number(r)

        def written() -> int | None:
            return self.fitted(function(*map(self.operand, step.reads), **step.params), spot)

        found = self.attempt(written)
        if found is None:
            self.call(step, _Plainly(op.forward, step.params, self._plain_numbers(step.reads)), op.name)
        else:
            self.numbers[write] = found

    def _plain_numbers(self, reads: Sequence[int]) -> dict[int, Any]:
        """Return the operands that are to be Python numbers."""
        spots = [self.program.spots[r] for r in reads]
        return {i: s.source if s.role == "constant" else None for i, s in enumerate(spots) if not s.is_array}

    def _vjp(self, step: Instruction) -> None:
        op = step.op
        assert op is not None
        for r in step.reads:
            self.number(r)
        spots = self.program.spots
        operands = step.reads[2:]
        wanted = (
            list(zip(step.writes, operands, strict=True)) if op.variadic else [(step.writes[0], operands[step.operand])]
        )
        function = functools.partial(self._variadic if op.variadic else self._single, step, op)
        found = self.attempt(lambda: self._shares(function(), [w for w, _ in wanted]))
        if found is None:
            plain = _Plainly(function_of(step, spots), {}, self._plain_numbers(step.reads))
            self.call(step, plain, f"{op.name} vjp")
            return
        for (w, _), share in zip(wanted, found, strict=True):
            if isinstance(share, _Patched):
                self.patches[w] = share
            elif share is not None:
                self.numbers[w] = share

    def _single(self, step: Instruction, op: Op) -> list[Any]:
        g, y = self.symbol(step.reads[0]), self.symbol(step.reads[1])
        typed = y.dtype.type if op.is_elementwise else None
        args = [self.operand(r, typed) for r in step.reads[2:]]
        rule = plan_rules.VJP.get((op.name, step.operand), op.rules[step.operand])
        if not op.is_elementwise:
            return [rule(g, y, *args, **step.params)]  # type: ignore[operator,misc]
        is_array = self.program.spots[step.reads[1]].is_array
        return [scaled(g, rule(y, *args) if callable(rule) else rule, op.singular, is_array)]

    def _variadic(self, step: Instruction, op: Op) -> list[Any]:
        rule: Any = plan_rules.VJP.get((op.name, 0), op.rules[0])
        g, y, *args = map(self.operand, step.reads)
        return list(rule(g, y, *args, **step.params))

    def _shares(self, shares: list[Any], writes: list[int]) -> list[Any] | None:
        """Bring gradients to the shapes and dtypes of their operands."""
        found: list[Any] = []
        for share, w in zip(shares, writes, strict=True):
            if w < 0:
                found.append(None)
                continue
            spot = self.program.spots[w]
            if type(share) is Patch:
                if share.repeats or not is_basic(share.index):
                    found.append(self._scattered(share, spot))
                else:
                    found.append(_Patched(share.index, symbol_of(self.builder, share.value, spot.dtype), spot))
                continue
            made = symbol_of(self.builder, share, spot.dtype)
            if made.shape != spot.shape:
                made = graph.unbroadcast(made, spot.shape)
            number = self.fitted(made.astype(spot.dtype, copy=False), spot)
            if number is None:
                return None
            found.append(number)
        return found

    def _scattered(self, patch: Patch, spot: Spot) -> int:
        _refuse_unknown(patch.index)
        value = symbol_of(self.builder, patch.value, spot.dtype)
        function = functools.partial(
            _dense, index=patch.index, repeats=patch.repeats, shape=spot.shape, dtype=spot.dtype
        )
        return int(value.called(function, (value,), _Like(spot.shape, np.dtype(spot.dtype)), "scatter_add").number)

    def _add(self, step: Instruction) -> None:
        old, new = step.reads
        (write,) = step.writes
        patch = self.patches.get(new)
        if patch is not None and self.uses[new] == self.uses[old] == 1:
            if old in self.patches:
                self.owned.add(old)
            number = self.number(old)
            if old in self.owned:
                del self.patches[new]
                whole = Symbol(self.builder, number)
                part = whole[patch.index]
                reads = (part.number, self.builder.broadcast(patch.value.number, part.shape))
                self.builder.plan.steps.append(Elementwise("add", reads, part.number))
                self.numbers[write] = number
                self.owned.add(write)
                return
        total = self.symbol(old) + self.symbol(new)
        fitted = self.fitted(total, self.program.spots[write])
        assert fitted is not None, "two gradients of one array differ in shape or dtype"
        self.numbers[write] = fitted
        if patch is not None:
            self.owned.add(write)

    def _call(self, step: Instruction) -> None:
        run = step.run
        assert run is not None
        if run is calls.same:
            self.numbers[step.writes[0]] = self.number(step.reads[0])
            return
        for n in step.reads:
            self.number(n)
        if step.pure and (found := self.attempt(lambda: self._expanded(run, step))) is not None:
            self.numbers.update((w, n) for w, n in zip(step.writes, found, strict=True) if w >= 0)
            return
        name = (
            getattr(run, "name", None) or getattr(run, "method", None) or getattr(run, "__name__", type(run).__name__)
        )
        self.call(step, _Plainly(run, {}, self._plain_numbers(step.reads)), str(name))

    def _expanded(self, run: Any, step: Instruction) -> list[int] | None:
        """Write a function without a derivative out in steps."""
        spots = [self.program.spots[w] if w >= 0 else None for w in step.writes]
        reads = [self.operand(n) for n in step.reads]
        if isinstance(run, calls.Gathered):
            return [self._gathered(run, reads)]
        if run is np.array or isinstance(run, calls.Cast):
            results: Any = [self.symbol(step.reads[0]).astype(spots[0].dtype if spots[0] else None)]
        elif isinstance(run, calls.Called):
            args, options = run.template.filled(reads)
            result = run.function(*args, **options)
            results = result if isinstance(result, (list, tuple)) else [result]
        else:
            return None
        found = [-1 if s is None else self.fitted(x, s) for x, s in zip(results, spots, strict=True)]
        return None if None in found else found  # type: ignore[return-value]

    def _gathered(self, run: calls.Gathered, reads: list[Any]) -> int:
        """Add up gradients that are zero but for some entries, in one array."""
        zeros = Symbol(self.builder, self.builder.filled(run.shape, run.dtype, 0))
        total = reads[0].copy() if run.has_base else zeros
        at = int(run.has_base)
        for op, operand, params, count in run.parts:
            rule: Any = op.rules[operand]
            patch = rule(*reads[at : at + count], **params)
            at += count
            value = symbol_of(self.builder, patch.value, total.dtype)
            if is_basic(patch.index) and not patch.repeats:
                part = total[patch.index]
                self.builder.written(
                    "add", (part.number, self.builder.broadcast(value.number, part.shape)), part.number
                )
            else:
                _refuse_unknown(patch.index)
                function = functools.partial(_with_patch, index=patch.index, repeats=patch.repeats)
                total = value.called(function, (total, value), total, "scatter_add")
        return int(total.number)

    def _effect(self, step: Instruction) -> None:
        assert step.run is not None
        plain = _Plainly(step.run, {}, self._plain_numbers(step.reads))
        reads = tuple(self.number(r) for r in step.reads)
        renewed = []
        for leaf in step.overwrites:
            renewed.append(self._source(leaf))
            self.numbers[leaf] = renewed[-1]
        if self._unfolded(step, reads, tuple(renewed)):
            return
        name = getattr(step.run, "__name__", type(step.run).__name__)
        self.builder.plan.steps.append(Effect(plain, reads, tuple(renewed), name))

    def _unfolded(self, step: Instruction, reads: tuple[int, ...], renewed: tuple[int, ...]) -> bool:
        """Let an effect that knows how write itself out; return whether it has."""
        unfold = getattr(step.run, "unfold", None)
        if unfold is None:
            return False
        plan = self.builder.plan
        before = len(plan.arrays), len(plan.steps)
        self.builder.mark = len(plan.arrays)
        try:
            if unfold(Unfolding(self.builder, reads, renewed)):
                return True
        except UnfoldableError:
            pass
        self.builder.undo(*before)
        return False


class _Like(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _refuse_unknown(index: Any) -> None:
    """Leave an index that is data itself to a call."""
    if any(isinstance(part, Symbol) for part in (index if isinstance(index, tuple) else (index,))):
        raise UnfoldableError("the entries of an index were asked for")


def _with_patch(total: Any, value: Any, index: Any, repeats: bool) -> Any:
    total = total.copy()
    Patch(index, value, repeats).add_to(total)
    return total


class _Plainly:
    """A function called with the Python numbers that it had: constants, and the floats of Values."""

    def __init__(self, function: Callable[..., Any], params: Any, numbers: dict[int, Any]) -> None:
        self.function, self.params, self.numbers = function, params, numbers

    def __call__(self, *arrays: Any) -> Any:
        if not self.numbers:
            return self.function(*arrays, **self.params)
        filled = list(arrays)
        for i, x in self.numbers.items():
            filled[i] = x if x is not None else float(arrays[i])
        return self.function(*filled, **self.params)


def _dense(value: Any, index: Any, repeats: bool, shape: tuple[int, ...], dtype: Any) -> Any:
    zeros = np.zeros(shape, dtype)
    Patch(index, value, repeats).add_to(zeros)
    return zeros
