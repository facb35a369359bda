"""Optimizer: parameter groups, the step over their blocks, and the state dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from autograd_lite import Value, enable_grad, graph
from autograd_lite.graph import Node
from autograd_lite.modes import tape
from autograd_lite.taped import effect
from nn.optim.block import Array, Block, blocks_of
from nn.optim.move import Move

__all__ = ["Optimizer"]

_NOT_NEGATIVE = {"lr": "learning rate", "eps": "epsilon value"}
_NOT_NEGATIVE |= {
    name: f"{name} value"
    for name in ("momentum", "alpha", "weight_decay", "lr_decay", "initial_accumulator_value", "momentum_decay")
}


class Optimizer:
    """The base of the optimisers.

    A subclass passes its options as ``defaults``, names its state in ``_slots``, and defines ``_update``, which moves
    flat arrays.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
        Leaves to train; or groups of them, ``{"params": [...], "lr": 0.1}``, with options of their own.
    defaults : dict
        The options of a group that sets none.

    Attributes
    ----------
    param_groups : list of dict
        Each holds ``"params"`` and the options; those may be changed at any time, and schedules do.
    has_stepped : bool
        Whether `step` was ever called.

    Raises
    ------
    TypeError
        For something that is no Tensor or Value.
    ValueError
        For no parameters at all, results of operations, duplicates, and options out of range.

    Notes
    -----
    Parameters without a gradient are skipped. The data of all Tensors of a group and dtype come to lie in one flat
    array at the first step, and each parameter becomes a view of it, so that a step costs a handful of NumPy calls.
    """

    _counts_steps: ClassVar[bool] = False  # whether PyTorch keeps a "step" in the state of this optimiser
    _numbers: ClassVar[Mapping[str, float]] = {}  # state of a single number a parameter, with its initial value

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.has_stepped = False
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[list[Block]] = []
        if isinstance(params, Node) or not isinstance(params, Iterable):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        entries = list(params)
        if not entries:
            raise ValueError("optimizer got an empty parameter list")
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own, as when a frozen layer is released.

        Parameters
        ----------
        param_group : dict
            ``"params"``, and any options that are not to be the defaults.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        params: list[Any] = [given] if isinstance(given, Node) else list(given)
        for p in params:
            if not isinstance(p, Node):
                raise TypeError(f"optimizer can only optimize Tensors and Values, but one of the params is {type(p)}")
            if p.op is not None:
                raise ValueError(f"can't optimize a non-leaf {type(p).__name__}: {graph.describe(p)}")
        if len({id(p) for p in params}) < len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        if {id(p) for p in params} & {id(p) for group in self.param_groups for p in group["params"]}:
            raise ValueError("some parameters appear in more than one parameter group")
        unknown = sorted(param_group.keys() - self.defaults.keys() - {"params", "name", "initial_lr"})
        if unknown:
            raise ValueError(f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}")
        group = {**self.defaults, **param_group, "params": params}
        self._check(group)
        self.param_groups.append(group)
        self._blocks.append(blocks_of(params))

    def _check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""
        for name, said in _NOT_NEGATIVE.items():
            if name in group and not group[name] >= 0.0:
                raise ValueError(f"Invalid {said}: {group[name]}")
        for i, beta in enumerate(group.get("betas", ())):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        """Return the names of the state arrays that a group needs, and what they are filled with at first."""
        return {}

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        """Move ``w`` in place, in one NumPy call at the end; ``g`` may be overwritten, ``step`` counts from 1."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Clears the gradients, computes the loss, calls ``backward()`` and returns the loss.

        Returns
        -------
        object
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if tape() is None:
            self._move()
        else:
            move = Move(self)
            params = [p for group in self.param_groups for p in group["params"]]
            effect(move, [p.grad for p in move.present], params)
        return loss

    def _move(self) -> None:
        for group, blocks in zip(self.param_groups, self._blocks, strict=True):
            slots = self._slots(group)
            for block in blocks:
                if slots != block.slots and block.make_state(slots, self._numbers) and not self._counts_steps:
                    for part in block.parts:
                        part.steps = 0
                present = block.gather()
                try:
                    for part in block.parts if present is None else block.moving(present):
                        part.steps += 1
                        self._update(part.data, part.grad, part.state, part.steps, group)
                finally:  # a step that was interrupted may have written
                    if present is None and block.of_arrays:
                        graph.mark_written(block.params)
                    else:
                        block.moved(present)
        self.has_stepped = True

    def _replay_reads(self) -> Any:
        """Return what a recording depends on: not the rates and counters, which each step reads anew."""
        return [group["params"] for group in self.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: None, or zeros if not ``set_to_none``."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad = 0.0 if isinstance(p, Value) else np.zeros(p.shape, p.dtype)

    @property
    def state(self) -> dict[Any, dict[str, Array]]:
        """The state of each parameter that has moved, by name: arrays of its shape, views of what the steps use."""
        found: dict[Any, dict[str, Array]] = {}
        for block in (b for blocks in self._blocks for b in blocks):
            for p, (steps, own) in zip(block.params, block.states(), strict=True):
                if steps and (own or self._counts_steps):
                    found[p] = {"step": np.array(float(steps)), **own} if self._counts_steps else own
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of state and options, in PyTorch's layout: parameters are named by their position.

        Returns
        -------
        dict
            ``{"state": {0: {...}}, "param_groups": [{..., "params": [0, 1]}]}``.
        """
        number = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        return {
            "state": {number[id(p)]: {k: a.copy() for k, a in own.items()} for p, own in self.state.items()},
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and options: all or, after an error, nothing.

        Parameters
        ----------
        state_dict : mapping
            As ``state_dict()`` makes.
        """
        groups, params, states = self._matched(state_dict)
        loaded = {}
        for i, (p, own) in enumerate(zip(params, states, strict=True)):
            for name, array in own.items():
                expected = () if name == "step" or name in self._numbers else np.shape(p._data)
                if array.shape != expected:
                    raise ValueError(f"loaded {name!r} of parameter {i} has shape {array.shape}, expected {expected}")
            loaded[id(p)] = own
        for mine, theirs, blocks in zip(self.param_groups, groups, self._blocks, strict=True):
            mine.update({name: x for name, x in theirs.items() if name != "params"})
            for block in blocks:
                block.load([loaded[id(p)] for p in block.params], self._slots(mine), self._numbers)

    def _matched(
        self, state_dict: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[Node], list[dict[str, Array]]]:
        """Return the groups of a state dict, and its state of each parameter; refuse what does not fit ours."""
        groups = [dict(group) for group in state_dict["param_groups"]]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, self.param_groups, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        order = [i for group in groups for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        states = [state_dict["state"].get(i, {}) for i in order]
        return groups, params, [{k: _array(x) for k, x in own.items() if x is not None} for own in states]

    def __getstate__(self) -> dict[str, Any]:
        # Copies of views are no views any more: blocks are made anew from the state dict.
        state = {"groups": self.param_groups, "defaults": self.defaults, "has_stepped": self.has_stepped}
        return {**state, "saved": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.defaults, self.param_groups, self.has_stepped = state["defaults"], state["groups"], state["has_stepped"]
        self._blocks = [blocks_of(group["params"]) for group in self.param_groups]
        self.load_state_dict(state["saved"])

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _array(x: Any) -> Array:
    """Return an entry of a state dict as an array; lists of tensors are stacked."""
    return np.stack([_array(e) for e in x]) if isinstance(x, list) and x else np.asarray(graph.data_of(x))
