"""L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograd_lite import enable_grad
from nn.optim.base import Optimizer
from nn.optim.block import Array
from nn.optim.line_search import Point, strong_wolfe

__all__ = ["LBFGS"]

_NUMBERS = ("n_iter", "func_evals", "t", "H_diag", "prev_loss")
_VECTORS = ("d", "prev_flat_grad")
_HISTORIES = ("old_dirs", "old_stps")


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal 1989): quasi-Newton steps for losses without noise, over the whole data at once.

    Parameters
    ----------
    params : iterable of Tensor or Value
        One group only.
    lr : float, optional
        The length of a step, and where the line search begins.
    max_iter : int, optional
        How many iterations a call of `step` makes at most.
    max_eval : int, optional
        How often it calls the closure at most; 1.25 times ``max_iter`` by default.
    tolerance_grad : float, optional
        Stop when no entry of the gradient is larger.
    tolerance_change : float, optional
        Stop when loss or parameters change by less.
    history_size : int, optional
        How many steps the estimate of the curvature is made from.
    line_search_fn : {"strong_wolfe"}, optional
        Without it every step has the length ``lr``.

    Examples
    --------
    >>> import autograd_lite as ag, nn
    >>> x = nn.Parameter([-1.0, 2.0])
    >>> optimizer = nn.optim.LBFGS([x], line_search_fn="strong_wolfe", max_iter=100)
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> start = optimizer.step(closure)
    >>> x.numpy().round(4)
    array([1., 1.])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"only 'strong_wolfe' is supported, got {line_search_fn!r}")
        options = {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        options |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {**options, "history_size": history_size, "line_search_fn": line_search_fn})
        self._memory: dict[str, Any] = {"n_iter": 0, "func_evals": 0}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the only group there can be."""
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to ``max_iter`` iterations.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss, calls ``backward()`` and returns the loss.

        Returns
        -------
        object
            What the closure returned first. If it raises, the parameters are back where the iteration began.
        """
        if closure is None:
            raise TypeError("LBFGS.step needs a closure that computes the loss anew: optimizer.step(closure)")
        self.has_stepped = True
        group, memory = self.param_groups[0], self._memory
        smallest = group["tolerance_change"]
        first, gradient = self._evaluate(closure)
        loss, calls = float(first), 1
        for iteration in range(1, group["max_iter"] + 1):
            if np.abs(gradient).max(initial=0.0) <= group["tolerance_grad"]:
                break
            direction = self._direction(gradient, group["history_size"])
            at_first = memory["n_iter"] == 1
            step = group["lr"] * (min(1.0, 1 / float(np.abs(gradient).sum())) if at_first else 1)
            memory.update(d=direction, t=step, prev_flat_grad=gradient, prev_loss=loss)
            start = Point(0.0, loss, gradient, float(gradient @ direction))
            if start.slope > -smallest:
                break
            here = self._flat("data")
            if group["line_search_fn"] is None:
                self._place(here + step * direction)
                if iteration < group["max_iter"]:
                    value, gradient = self._evaluate(closure)
                    loss, calls = float(value), calls + 1
            else:
                found, tried = self._search(closure, here, start, step, direction, group["max_eval"] - calls)
                loss, gradient, step, calls = found.loss, found.gradient, found.step, calls + tried
                memory["t"] = step
            if calls >= group["max_eval"] or abs(loss - memory["prev_loss"]) < smallest:
                break
            if np.abs(step * direction).max() <= smallest:
                break
        memory["func_evals"] += calls
        return first

    def _direction(self, gradient: Array, history_size: int) -> Array:
        """Take the last step into the history; return minus the inverse Hessian's estimate times the gradient."""
        memory = self._memory
        memory["n_iter"] += 1
        if memory["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], H_diag=1.0)
            return -gradient
        changes, steps = memory["old_dirs"], memory["old_stps"]
        change, moved = gradient - memory["prev_flat_grad"], memory["t"] * memory["d"]
        curvature = float(change @ moved)
        if curvature > 1e-10:
            if len(changes) == history_size:
                del changes[0], steps[0]
            changes.append(change)
            steps.append(moved)
            memory["H_diag"] = curvature / float(change @ change)
        direction = -gradient  # the two loops of Nocedal and Wright 2006, algorithm 7.4
        shares = []
        for y, s in zip(reversed(changes), reversed(steps), strict=True):
            share = float(s @ direction) / float(y @ s)
            direction -= share * y
            shares.append(share)
        direction *= memory["H_diag"]
        for y, s, share in zip(changes, steps, reversed(shares), strict=True):
            direction += (share - float(y @ direction) / float(y @ s)) * s
        return direction

    def _search(
        self, closure: Callable[[], Any], here: Array, start: Point, step: float, direction: Array, most: int
    ) -> tuple[Point, int]:
        """Move to where the line search along a direction ends."""

        def evaluate(step: float) -> Point:
            self._place(here + step * direction)
            value, gradient = self._evaluate(closure)
            loss = float(value)
            return Point(step, math.inf if math.isnan(loss) else loss, gradient, float(gradient @ direction))

        try:
            found, tried = strong_wolfe(evaluate, start, step, float(np.abs(direction).max()), most)
        except BaseException:
            self._place(here)
            raise
        self._place(here + found.step * direction)
        return found, tried

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, Array]:
        """Return the loss and the gradient as one flat array; what has none counts as zero."""
        with enable_grad():
            loss = closure()
        for block in self._blocks[0]:
            for place, here in zip(block.places, block.gather() or (), strict=False):
                if not here:
                    block.grad[place] = 0.0
        return loss, self._flat("grad")

    def _flat(self, name: str) -> Array:
        return np.concatenate([getattr(block, name) for block in self._blocks[0]])

    def _place(self, flat: Array) -> None:
        """Move the parameters to a point given as one flat array."""
        start = 0
        for block in self._blocks[0]:
            block.data[:] = flat[start : start + block.data.size]
            start += block.data.size
            block.moved(None)

    @property
    def state(self) -> dict[Any, dict[str, Array]]:
        """What is remembered of the steps so far, as the state of the first parameter; histories are matrices."""
        memory = self._memory
        if not memory["n_iter"]:
            return {}
        return {self.param_groups[0]["params"][0]: {name: np.array(x) for name, x in memory.items()}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and options: all or, after an error, nothing.

        Parameters
        ----------
        state_dict : mapping
            As ``state_dict()`` makes; PyTorch's, with lists for the histories, will do.
        """
        (group,), _, states = self._matched(state_dict)
        own = states[0]
        n = sum(block.data.size for block in self._blocks[0])
        memory: dict[str, Any] = {"n_iter": 0, "func_evals": 0}
        memory.update((name, own[name].item()) for name in _NUMBERS if name in own)
        for name in (*_VECTORS, *_HISTORIES):
            if name in own:
                expected = (n,) if name in _VECTORS else (own[name].size // max(n, 1), n)
                if own[name].shape != expected and own[name].size:
                    raise ValueError(f"loaded {name!r} has shape {own[name].shape}, expected {expected}")
                memory[name] = own[name].copy() if name in _VECTORS else list(own[name].reshape(expected).copy())
        self._memory = memory
        self.param_groups[0].update({name: x for name, x in group.items() if name != "params"})
