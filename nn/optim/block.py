"""Blocks: parameters that an optimiser moves together, so that a step costs a handful of NumPy calls for them all.

The Tensors of a block share one flat array, of which the data of each is a reshaped view. Values have no memory to
share: their numbers are copied in and out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import repeat
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Node

__all__ = ["Block", "Part", "blocks_of"]

Array = np.ndarray[Any, Any]


class Part:
    """A run of neighbours in a block that have always moved together; a whole block, unless gradients were missing.

    Attributes
    ----------
    start, stop : int
        Which parameters of the block.
    data, grad : ndarray
        Views of the block's flat arrays.
    state : dict of str to ndarray
        Views of the block's state arrays; and numbers, as arrays of shape ``()``, that the part has to itself.
    steps : int
        How often the parameters have moved since their state was made.
    """

    __slots__ = ("data", "grad", "start", "state", "steps", "stop")

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.data = self.grad = np.empty(0)
        self.state: dict[str, Array] = {}
        self.steps = 0


class Block:
    """Parameters of one kind and dtype, their numbers, gradients and optimiser state as flat arrays.

    Attributes
    ----------
    params : list of Node
    places : list of slice
        Where each parameter lies in the flat arrays.
    data, grad : ndarray
        Shape (n,).
    state : dict of str to ndarray
        Shape (n,) each, made at the first use.
    slots : mapping of str to float
        Those that were last asked for.
    parts : list of Part
        What moves together, in order.
    """

    def __init__(self, params: list[Node]) -> None:
        self.params = params
        self.sizes = [np.size(p._data) for p in params]
        ends = np.cumsum(self.sizes).tolist()
        self.places = [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]
        self.of_arrays = params[0].is_array
        self.data = np.empty(ends[-1], params[0]._data.dtype if self.of_arrays else np.float64)
        self.grad = np.zeros_like(self.data)
        self.shapes = [np.shape(p._data) for p in params]
        self._rows: list[tuple[Node, Array, tuple[int, ...]]] = []
        self.state: dict[str, Array] = {}
        self.slots: Mapping[str, float] = {}
        self.parts = [Part(0, len(params))]
        self._aim()

    def is_aimed(self) -> bool:
        """Return whether every parameter is a view of the flat array still."""
        return bool(self._rows) and all(p._data is view for p, view, _ in self._rows)

    def gather(self) -> list[bool] | None:
        """Bring data and gradients into the flat arrays; say which parameters have one, None standing for all."""
        if not self.of_arrays:
            return self._gather_values()
        flat = []
        for p, view, shape in self._rows:
            g = p.grad
            if p._data is not view or type(g) is not np.ndarray or g.shape != shape:
                return self._gather_anew()
            flat.append(g.ravel())
        if not flat:
            return self._gather_anew()
        np.concatenate(flat, out=self.grad)
        return None

    def moving(self, present: list[bool]) -> list[Part]:
        """Return the parts that are to move when some gradients are missing, cut so that none holds both kinds."""
        cut: list[Part] = []
        for part in self.parts:
            start = part.start
            for i in range(start + 1, part.stop + 1):
                if i == part.stop or present[i] != present[start]:
                    piece = Part(start, i)
                    piece.steps = part.steps
                    piece.state = {name: x.copy() for name, x in part.state.items() if name not in self.state}
                    cut.append(piece)
                    start = i
        if len(cut) > len(self.parts):
            self.parts = cut
            self._aim()
        return [part for part in self.parts if present[part.start]]

    def moved(self, present: list[bool] | None) -> None:
        """Write the numbers of Values back, and make graphs that saved the old ones stale."""
        moved = [p for p, here in zip(self.params, present or repeat(True), strict=False) if here]
        if not self.of_arrays:
            # Ctrl-C finds all of them written or none, and no graph that is stale without knowing it.
            graph.mark_written(moved)
            deque(map(setattr, self.params, repeat("_data"), self.data.tolist()), maxlen=0)
        graph.mark_written(moved)

    def make_state(self, slots: Mapping[str, float], numbers: Mapping[str, float]) -> bool:
        """Make the state arrays, and the numbers of each part, that are missing; return whether any was."""
        self.slots = slots
        if self.state.keys() >= slots.keys():
            return False
        self.state |= {k: np.full_like(self.data, x) for k, x in slots.items() if k not in self.state}
        for part in self.parts:
            part.state = {k: np.array(x) for k, x in numbers.items()} | part.state
        self._aim()
        return True

    def states(self) -> list[tuple[int, dict[str, Array]]]:
        """Return for each parameter how often it has moved, and its state: arrays of its shape, views of what is used.

        The numbers come as arrays too.
        """
        found = []
        for part in self.parts:
            own = {name: x for name, x in part.state.items() if name not in self.state}
            for i in range(part.start, part.stop):
                arrays = {k: array[self.places[i]].reshape(self.shapes[i]) for k, array in self.state.items()}
                found.append((part.steps, arrays | own))
        return found

    def load(self, states: list[dict[str, Array]], slots: Mapping[str, float], numbers: Mapping[str, float]) -> None:
        """Take over the state of each parameter; arrays under other names are left out."""
        self.slots = slots
        self.state = {name: np.full_like(self.data, x) for name, x in slots.items()}
        self.parts = []
        for i, (own, place) in enumerate(zip(states, self.places, strict=True)):
            for name in own.keys() & self.state.keys():
                self.state[name][place] = own[name].ravel()
            part = Part(i, i + 1)
            part.steps = int(own["step"]) if "step" in own else int(bool(own))
            part.state = {name: np.array(own.get(name, x), np.float64) for name, x in numbers.items()}
            last = self.parts[-1] if self.parts else None
            if last is not None and (last.steps, last.state) == (part.steps, part.state):
                last.stop = i + 1
            else:
                self.parts.append(part)
        self._aim()

    def _aim(self) -> None:
        """Point every part at its stretch of the flat arrays."""
        for part in self.parts:
            stretch = slice(self.places[part.start].start, self.places[part.stop - 1].stop)
            part.data, part.grad = self.data[stretch], self.grad[stretch]
            part.state |= {name: array[stretch] for name, array in self.state.items()}

    def _gather_anew(self) -> list[bool] | None:
        """Do the same when data were rebound since the last step, or gradients are missing or Tensors."""
        if not self._rows or any(p._data is not view for p, view, _ in self._rows):
            self._adopt()
        gradients = [p.grad for p in self.params]
        for p, gradient, place, shape in zip(self.params, gradients, self.places, self.shapes, strict=True):
            if gradient is not None:
                g = np.asarray(graph.data_of(gradient))
                if g.shape != shape:
                    raise ValueError(f"the gradient of {graph.describe(p)} has shape {g.shape}: it was set by hand")
                self.grad[place] = g.ravel()
        present = [g is not None for g in gradients]
        return None if all(present) else present

    def _adopt(self) -> None:
        """Make each parameter's data a view of the flat array."""
        for p, shape in zip(self.params, self.shapes, strict=True):
            if p._data.shape != shape or p._data.dtype != self.data.dtype:
                raise ValueError(
                    f"a parameter is now {graph.describe(p)}, which it was not when the optimizer was made.\n"
                    "Make the optimizer after the parameters have their final shape and dtype."
                )
        # A new array: somebody may still hold views of the old one.
        self.data = np.concatenate([p._data for p in self.params], axis=None)
        self._aim()
        places = zip(self.params, self.places, self.shapes, strict=True)
        self._rows = [(p, self.data[place].reshape(shape), shape) for p, place, shape in places]
        for p, view, _ in self._rows:
            p._data = view

    def _gather_values(self) -> list[bool] | None:
        gradients = [graph.data_of(p.grad) for p in self.params]
        self.data[:] = [p._data for p in self.params]
        self.grad[:] = [0.0 if g is None else g for g in gradients]
        return [g is not None for g in gradients] if None in gradients else None


def blocks_of(params: list[Node]) -> list[Block]:
    """Sort parameters into blocks of one kind and dtype."""
    kinds: dict[Any, list[Node]] = {}
    for p in params:
        kinds.setdefault(p._data.dtype if p.is_array else float, []).append(p)
    return [Block(members) for members in kinds.values()]
