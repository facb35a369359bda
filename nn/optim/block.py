"""Blocks: parameters that an optimiser moves together, so that a step costs a handful of NumPy calls for them all.

The Tensors of a block share one flat array, of which the data of each is a reshaped view. Values have no memory to
share: their numbers are copied in and out.
"""

from __future__ import annotations

from operator import attrgetter, is_
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Node

__all__ = ["Block", "blocks_of"]

Array = np.ndarray[Any, Any]
_data = attrgetter("_data")


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
    steps : ndarray of int64
        How many steps each parameter has taken since its state was made.
    """

    def __init__(self, params: list[Node]) -> None:
        self.params = params
        self.sizes = [np.size(p._data) for p in params]
        ends = np.cumsum(self.sizes).tolist()
        self.places = [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]
        self.of_arrays = params[0].is_array
        self.data = np.empty(ends[-1], params[0]._data.dtype if self.of_arrays else np.float64)
        self.grad = np.empty_like(self.data)
        self.shapes = [np.shape(p._data) for p in params]
        self.views: list[Array] = []
        self.state: dict[str, Array] = {}
        self.steps = np.zeros(len(params), np.int64)

    def gather(self) -> list[int] | None:
        """Bring data and gradients into the flat arrays; say which parameters have one, None standing for all."""
        if self.of_arrays:
            self._adopt()
            return self._gather_gradients()
        return self._gather_values()

    def parts(self, present: list[int] | None) -> list[tuple[slice, int]]:
        """Return what is to be moved: parts of the flat arrays, each with the number of the step it takes.

        It is one part if everything moves, and has moved equally often.
        """
        taken = self.steps.tolist()
        if present is None and taken.count(taken[0]) == len(taken):
            return [(slice(None), taken[0] + 1)]
        return [(self.places[i], taken[i] + 1) for i in (range(len(taken)) if present is None else present)]

    def moved(self, present: list[int] | None) -> None:
        """Count the step, and write the numbers of Values back."""
        params = self.params
        if present is None:
            self.steps += 1
        else:
            self.steps[present] += 1
            params = [params[i] for i in present]
        if not self.of_arrays:
            for p, x in zip(self.params, self.data.tolist(), strict=True):
                p._data = x
        graph.mark_written(params)

    def load(self, states: list[dict[str, Array]], slots: tuple[str, ...]) -> None:
        """Take over the state of each parameter; arrays under other names are left out."""
        self.state = {name: np.zeros_like(self.data) for name in slots}
        for i, (own, place) in enumerate(zip(states, self.places, strict=True)):
            self.steps[i] = int(own["step"]) if "step" in own else bool(own)
            for name in own.keys() & self.state.keys():
                self.state[name][place] = own[name].ravel()

    def _adopt(self) -> None:
        """Make each parameter's data a view of the flat array, unless it is so since the last step."""
        if self.views and all(map(is_, map(_data, self.params), self.views)):
            return
        for p, size in zip(self.params, self.sizes, strict=True):
            if p._data.size != size or p._data.dtype != self.data.dtype:
                raise ValueError(
                    f"a parameter is now {graph.describe(p)}, which it was not when the optimizer was made.\n"
                    "Make the optimizer after the parameters have their final shape and dtype."
                )
        flat = np.concatenate([p._data for p in self.params], axis=None)
        self.data = flat
        self.views = [flat[place].reshape(p._data.shape) for p, place in zip(self.params, self.places, strict=True)]
        for p, view in zip(self.params, self.views, strict=True):
            p._data = view

    def _gather_gradients(self) -> list[int] | None:
        gradients = [p.grad for p in self.params]
        if all(type(g) is np.ndarray for g in gradients) and [g.shape for g in gradients] == self.shapes:
            np.concatenate(gradients, axis=None, out=self.grad)
            return None
        present = [i for i, g in enumerate(gradients) if g is not None]
        for i in present:
            g = np.asarray(graph.data_of(gradients[i]))
            if g.shape != self.shapes[i]:
                raise ValueError(
                    f"the gradient of {graph.describe(self.params[i])} has shape {g.shape}: it was set by hand"
                )
            self.grad[self.places[i]] = g.ravel()
        return None if len(present) == len(gradients) else present

    def _gather_values(self) -> list[int] | None:
        grads = [graph.data_of(p.grad) for p in self.params]
        self.data[:] = [p._data for p in self.params]
        self.grad[:] = [0.0 if g is None else g for g in grads]
        return [i for i, g in enumerate(grads) if g is not None] if None in grads else None


def blocks_of(params: list[Node]) -> list[Block]:
    """Sort parameters into blocks of one kind and dtype."""
    kinds: dict[Any, list[Node]] = {}
    for p in params:
        kinds.setdefault(p._data.dtype if p.is_array else float, []).append(p)
    return [Block(members) for members in kinds.values()]
