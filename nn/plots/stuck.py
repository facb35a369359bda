"""Units that do not react: those whose activation has no slope for any sample that comes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from autograd_lite import graph
from nn import activation
from nn.conv import Conv1d
from nn.module import HookHandle, Module

__all__ = ["StuckUnits", "watched"]

Array = np.ndarray[Any, Any]
_FLAT = 0.01  # how near a bound an output counts as there, for activations that only come near it
_LARGE = 20_000  # bytes
_MOST = 256  # outputs that are kept, should nobody close

# For each activation, from its outputs: at most 0 where its slope is (about) 0.
_ROOM: Mapping[type[Module], Callable[[Any, Array], Array]] = {
    activation.ReLU: lambda module, y: y,
    activation.GELU: lambda module, y: np.abs(y) - _FLAT / 10,
    activation.SiLU: lambda module, y: np.abs(y) - _FLAT / 10,
    activation.Mish: lambda module, y: np.abs(y) - _FLAT / 10,
    activation.Softplus: lambda module, y: y - _FLAT,
    activation.ELU: lambda module, y: y + (1 - _FLAT) * module.alpha,
    activation.CELU: lambda module, y: y + (1 - _FLAT) * module.alpha,
    activation.Sigmoid: lambda module, y: 0.5 - _FLAT - np.abs(y - 0.5),
    activation.Tanh: lambda module, y: 1 - _FLAT - np.abs(y),
    activation.Softsign: lambda module, y: 1 - _FLAT - np.abs(y),
    activation.Hardtanh: lambda module, y: np.minimum(y - module.min_val, module.max_val - y),
}


def watched(model: Module) -> dict[str, Module]:
    """Return the activations of a model whose units can be stuck, by path."""
    return {path: module for path, module in model.named_modules() if isinstance(module, tuple(_ROOM))}


class StuckUnits:
    """Watches activations for a while, by hooks.

    A unit is an entry of the last axis of the outputs, or a channel where there are axes of space behind it.

    Parameters
    ----------
    model : Module
    """

    def __init__(self, model: Module) -> None:
        self.modules = watched(model)
        self._unit_of_three = 1 if any(isinstance(m, Conv1d) for m in model.modules()) else 2
        self._kept: list[list[Array]] = [[] for _ in self.modules]
        hooks = [partial(_see, self, kept) for kept in self._kept]
        self._hooks = list(zip(self.modules.values(), hooks, strict=True))
        self._handles: list[HookHandle] = []

    def open(self) -> None:
        """Begin to watch."""
        if not self._handles:
            self._handles = [module.register_forward_hook(hook) for module, hook in self._hooks]

    def witnesses(self, module: Module, y: Array) -> Array:
        """Return outputs as rows of units; of many rows only one, of each unit the output with the most room."""
        unit = y.ndim - 1 if y.ndim < 3 else self._unit_of_three if y.ndim == 3 else 1
        rows = np.moveaxis(y, unit, -1).reshape(-1, y.shape[unit]) if y.ndim > 1 else y.reshape(-1, 1)
        if rows.nbytes < _LARGE:
            return rows
        return np.take_along_axis(rows, _room(module, rows).argmax(axis=0)[None], axis=0)

    def close(self) -> list[list[Array]]:
        """Stop watching; return the outputs of each activation as rows of units, for `count`."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        outputs = [list(kept) for kept in self._kept]
        for kept in self._kept:
            kept.clear()
        return outputs

    def count(self, moments: list[list[list[Array]]]) -> dict[str, list[tuple[int, int]]]:
        """Return for each activation how many units were stuck, and of how many, for each result of `close`."""
        found: dict[str, list[tuple[int, int]]] = {}
        for i, (path, module) in enumerate(self.modules.items()):
            series = [outputs[i] for outputs in moments]
            if len({tuple(y.shape for y in ys) for ys in series}) == 1 and len({y.shape[1] for y in series[0]}) == 1:
                # All moments at once, which is much quicker.
                most = _room(module, np.stack([np.concatenate(ys) for ys in series])).max(axis=1)
                found[path] = [(n, most.shape[1]) for n in np.count_nonzero(most <= 0, axis=1).tolist()]
            else:
                found[path] = [_count(module, ys) for ys in series]
        return found


def _see(units: StuckUnits, kept: list[Array], module: Module, inputs: Any, output: Any) -> None:
    """Keep an output: what costs time waits until there is more to do at once."""
    if module.training and len(kept) < _MOST:
        y = graph.data_of(output)
        kept.append(y if y.ndim == 2 and y.nbytes < _LARGE else units.witnesses(module, y))


def _room(module: Module, y: Array) -> Array:
    return next(room for kind, room in _ROOM.items() if isinstance(module, kind))(module, y)


def _count(module: Module, outputs: list[Array]) -> tuple[int, int]:
    same = [y for y in outputs if y.shape[1] == outputs[0].shape[1]]  # else the module is in two places
    if not same:
        return 0, 0
    most = _room(module, np.concatenate(same)).max(axis=0)
    return int(np.count_nonzero(most <= 0)), most.size
