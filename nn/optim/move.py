"""An optimiser's step while a training step is recorded: as an effect, and written out for faster replays."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph
from nn.optim.block import Block

__all__ = ["Move"]


class Move:
    """The effect of ``optimizer.step()``: takes the gradients, moves the parameters.

    Parameters
    ----------
    optimizer : Optimizer
    """

    def __init__(self, optimizer: Any) -> None:
        params = [p for group in optimizer.param_groups for p in group["params"]]
        self.optimizer = optimizer
        self.present = [p for p in params if p.grad is not None]
        self.absent = [p for p in params if p.grad is None]
        self.__name__ = f"{type(optimizer).__name__}.step"

    def __call__(self, *gradients: Any) -> None:
        for p, g in zip(self.present, gradients, strict=True):
            p.grad = g
        for p in self.absent:
            p.grad = None
        self.optimizer._move()

    def unfold(self, unfolding: Any) -> bool:
        """Write the step out on symbols; see `autograd_lite.replay.plan_effects.Unfolding`."""
        blocks = self._blocks()
        if self.absent or any(not block.of_arrays or len(block.parts) > 1 for _, block in blocks):
            return False
        if self.optimizer._numbers:
            return False  # Python floats are made of them
        gradients = dict(zip(self.present, unfolding.reads, strict=True))
        results: list[Any] = []
        for group, block in blocks:
            if not self.optimizer._slots(group).keys() <= block.state.keys():
                return False  # the first step makes the state
            results += self._updated(unfolding, group, block, gradients)
        known = [_Known(group, block) for group, block in blocks]
        count = len(results)

        def settle(*arrays: Any) -> None:
            if not all(k.holds() for k in known):
                self(*(g.copy() for g in arrays[count:]))  # from scratch: what was computed took something for granted
                return
            made = iter(arrays)
            for k in known:
                block = k.block
                for target in (block.data, *block.state.values()):
                    np.copyto(target, next(made))
                block.parts[0].steps += 1
                graph.mark_written(block.params)
            self.optimizer.has_stepped = True

        unfolding.finish(settle, [*results, *unfolding.reads], self.__name__)
        return True

    def _updated(self, unfolding: Any, group: dict[str, Any], block: Block, gradients: dict[Any, Any]) -> list[Any]:
        """Return what the data and the state of a block are after the step."""
        options = {name: _option(unfolding, group, name) for name in group if name != "params"}
        step = unfolding.number(lambda: block.parts[0].steps + 1)
        data = unfolding.held(lambda: block.data)
        state = {name: unfolding.held(lambda name=name: block.state[name]) for name in block.state}
        w, own = data.copy(), {name: array.copy() for name, array in state.items()}
        g = np.concatenate([gradients[p].ravel() for p in block.params])
        self.optimizer._update(w, g, own, step, options)
        return [w, *own.values()]

    def _blocks(self) -> list[tuple[dict[str, Any], Block]]:
        optimizer = self.optimizer
        pairs = zip(optimizer.param_groups, optimizer._blocks, strict=True)
        return [(group, block) for group, blocks in pairs for block in blocks]


class _Known:
    """All that decides which way the update of a block goes: not the rates, but whether they are zero."""

    def __init__(self, group: dict[str, Any], block: Block) -> None:
        self.group, self.block = group, block
        self._options = [(name, x, _truth(x)) for name, x in group.items() if name != "params"]
        self._is_first = not block.parts[0].steps
        self._state = list(block.state)

    def holds(self) -> bool:
        """Return whether it is all as it was."""
        block, group = self.block, self.group
        if len(block.parts) > 1 or self._is_first is not (not block.parts[0].steps) or not block.is_aimed():
            return False
        for name, was, truth in self._options:
            x = group[name]
            if x is not was and _truth(x) != truth:
                return False
        return list(block.state) == self._state


def _truth(x: Any) -> Any:
    return [bool(e) for e in x] if isinstance(x, tuple) else bool(x) if isinstance(x, float) else x


def _option(unfolding: Any, group: dict[str, Any], name: str) -> Any:
    """Return an option as an update takes it: floats by Symbol, whatever else as it is."""
    x = group[name]
    if isinstance(x, tuple):
        return tuple(unfolding.number(lambda i=i: group[name][i]) for i in range(len(x)))
    return unfolding.number(lambda: group[name]) if isinstance(x, float) else x
