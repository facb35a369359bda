"""The memory that a machine works in, and where in the table of addresses each array lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.replay.buffers import ALIGNED, aligned
from autograd_lite.replay.machine_code import Segment
from autograd_lite.replay.primitive import Array, Plan

__all__ = ["Memory"]

_LARGE = 1 << 15  # bytes from which reading an argument where it lies is cheaper than copying it
_Array = np.ndarray[Any, Any]
# What a view is made of: its number, its owner's, shape, dtype, offset and strides in bytes.
_View = tuple[int, int, tuple[int, ...], np.dtype[Any], int, tuple[int, ...] | None]


def _address(array: _Array) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


class Memory:
    """The arrays of a plan in memory.

    Parameters
    ----------
    plan : Plan
    slots : dict of int to int
        Owner -> place in the table of addresses.
    wanted : set of int
        The arrays that Python code reads or writes.
    given : set of int
        Temps that leave the plan: each run has new memory for them.
    floats : sequence of int
        Arrays of shape ``()`` that leave it as floats.

    Attributes
    ----------
    addresses, registers : ndarray of int64
    scratch : int
        Address of room for registers.
    arrays : dict of int to ndarray
        By number: the owners of memory, and what is wanted.
    """

    def __init__(
        self, plan: Plan, slots: dict[int, int], wanted: set[int], given: set[int], floats: Sequence[int]
    ) -> None:
        self._slots = slots
        self._arena = aligned(plan.arena)
        self.arrays: dict[int, Any] = {}
        self.addresses = np.zeros(len(slots), np.int64)
        self._kept: list[Any] = []  # memory that the table points to
        owners = [n for n in slots if n >= 0]
        needed = dict.fromkeys([*owners, *(plan.owner(n) for n in wanted)])
        views = [(n, plan.arrays[n]) for n in sorted(wanted) if plan.arrays[n].owner == "view"]
        self._views = [_view(n, a) for n, a in views if plan.arrays[a.source].owner != "leaf"]
        self._leaf_views = [_view(n, a) for n, a in views if plan.arrays[a.source].owner == "leaf"]
        self._small: list[tuple[int, _Array]] = []
        self._large: list[tuple[int, int, Array]] = []
        self._leaves: list[list[Any]] = []
        self._values: list[Any] = []
        self._moving: list[tuple[int, _Array]] = []
        fresh: list[int] = []
        value_numbers: list[int] = []
        for number in needed:
            array = plan.arrays[number]
            if array.owner == "input":
                self._input(number, array)
            elif array.owner == "constant":
                self._constant(number, array)
            elif array.owner == "leaf" and not array.source.is_array:
                self._values.append(array.source)
                value_numbers.append(number)
            elif array.owner == "leaf":
                self._leaves.append([number, array.source, None, None])
            elif number in given:
                fresh.append(number)
            elif number in plan.places:
                start = plan.places[number]
                self._fix(number, self._arena[start : start + array.nbytes].view(array.dtype).reshape(array.shape))
            else:  # leaves as a float; `_place_floats` may have a better place for it
                memory = np.zeros(array.shape, array.dtype)
                self._fix(number, memory)
                self._kept.append(memory)
        self._floats = floats
        self._results = np.zeros(len(floats))
        self._placed = self._place_floats(plan.arrays)
        self._numbers = np.zeros(len(self._values))
        for i, number in enumerate(value_numbers):
            self._fix(number, self._numbers[i : i + 1].reshape(()))
        self._lay_out(plan, fresh)

    def _fix(self, number: int, array: _Array) -> None:
        """Let a number stand for memory that never moves."""
        self.arrays[number] = array
        if number in self._slots:
            self.addresses[self._slots[number]] = _address(array)

    def _input(self, number: int, array: Array) -> None:
        if array.nbytes < _LARGE:
            staging = np.zeros(array.shape, array.dtype)
            self._small.append((array.source, staging))
            self._fix(number, staging)
        else:
            self._large.append((number, array.source, array))

    def _constant(self, number: int, array: Array) -> None:
        data = np.asarray(array.source)
        if data.flags.c_contiguous and data.dtype == array.dtype:
            self._fix(number, data)
            self._kept.append(data)
            return
        staging = np.array(data, array.dtype, order="C")
        self._fix(number, staging)
        if not array.frozen:
            self._moving.append((number, data))

    def _lay_out(self, plan: Plan, fresh: list[int]) -> None:
        """Plan one block for all that a run hands over for good."""
        self._fresh: list[tuple[int, tuple[int, ...], Any, int]] = []
        offset = 0
        for number in fresh:
            array = plan.arrays[number]
            self._fresh.append((number, array.shape, array.dtype, offset))
            offset += -(-array.nbytes // ALIGNED) * ALIGNED
        self._block = offset
        placed = [(self._slots[n], o) for n, _, _, o in self._fresh if n in self._slots]
        self._fresh_slots = np.array([slot for slot, _ in placed], np.intp)
        self._fresh_offsets = np.array([o for _, o in placed], np.int64)

    def _place_floats(self, arrays: Sequence[Array]) -> bool:
        """Let what leaves as floats lie together, if each is a number of the plan's own and leaves once."""
        if len(set(self._floats)) < len(self._floats) or any(arrays[n].owner != "temp" for n in self._floats):
            return False
        if any(arrays[n].dtype != np.float64 for n in self._floats):
            return False
        for i, number in enumerate(self._floats):
            self._fix(number, self._results[i : i + 1].reshape(()))
        return True

    def floats(self) -> list[float]:
        """Return what leaves as floats."""
        return self._results.tolist() if self._placed else [float(self.arrays[n]) for n in self._floats]

    def own(self, owner: int, array: _Array) -> None:
        """Let memory that is no array of the plan be found under this number."""
        if owner in self._slots:
            self.addresses[self._slots[owner]] = _address(array)
            self._kept.append(array)

    def settle(self, segments: Sequence[Segment]) -> None:
        """Allocate what all segments share."""
        self.registers = np.zeros(max((s.registers for s in segments), default=1), np.int64)
        self._lanes = aligned(max((s.scratch for s in segments), default=ALIGNED))
        self.scratch = _address(self._lanes)

    def begin(self, inputs: Sequence[Any]) -> None:
        """Take the arguments of a run, and make room for its results."""
        for position, staging in self._small:
            staging[...] = inputs[position]
        for number, position, array in self._large:
            data = np.ascontiguousarray(inputs[position], array.dtype)
            self._fix(number, data)
        for number, data in self._moving:
            self.arrays[number][...] = data
        if self._fresh:
            block = np.empty(self._block, np.uint8)
            for number, shape, dtype, offset in self._fresh:
                self.arrays[number] = np.ndarray(shape, dtype, block, offset)
            self.addresses[self._fresh_slots] = self._fresh_offsets + _address(block)
        self._view_all(self._views)
        self.reread()

    def reread(self) -> None:
        """Look where the data of the leaves lies now."""
        if self._values:
            self._numbers[:] = [node._data for node in self._values]
        for leaf in self._leaves:
            number, node, seen, staging = leaf
            data = node._data
            if data is seen:
                if staging is not None:
                    staging[...] = data
                continue
            leaf[2] = data
            leaf[3] = None if data.flags.c_contiguous else np.array(data, order="C")
            found = data if data.flags.c_contiguous else leaf[3]
            self._fix(number, found)
        self._view_all(self._leaf_views)

    def _view_all(self, views: list[_View]) -> None:
        arrays = self.arrays
        for number, source, shape, dtype, offset, strides in views:
            arrays[number] = np.ndarray(shape, dtype, arrays[source], offset, strides)


def _view(number: int, array: Array) -> _View:
    if not array.size:
        return number, array.source, array.shape, array.dtype, 0, None
    width = array.dtype.itemsize
    return number, array.source, array.shape, array.dtype, array.offset * width, tuple(s * width for s in array.strides)
