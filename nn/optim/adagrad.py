"""Steps scaled by the size of the gradients so far: Adagrad, and RMSprop, which forgets."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.optim.base import Optimizer
from nn.optim.block import Array

__all__ = ["Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011): each entry's gradient divided by the root of the sum of its squares so far.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr : float, optional
    lr_decay : float, optional
        Step t is taken with ``lr / (1 + (t - 1) * lr_decay)``.
    weight_decay : float, optional
        The L2 penalty's factor.
    initial_accumulator_value : float, optional
        What the sums of squares start from.
    eps : float, optional
        Added to the root.
    maximize : bool, optional
        Climb instead.

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, -2.0])
    >>> optimizer = nn.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.5, -1.5])
    """

    _counts_steps = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
        super().__init__(params, {**options, "initial_accumulator_value": initial_accumulator_value})

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        if group["maximize"]:
            np.negative(g, out=g)
        if group["weight_decay"]:
            g += group["weight_decay"] * w
        total = state["sum"]
        total += g * g
        root = np.sqrt(total)
        root += group["eps"]
        g /= root
        g *= group["lr"] / (1 + (step - 1) * group["lr_decay"])
        w -= g


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012): each entry's gradient divided by the root of a running mean of its squares.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr : float, optional
    alpha : float, optional
        How much of the running mean is kept at a step.
    eps : float, optional
        Added to the root.
    weight_decay : float, optional
        The L2 penalty's factor.
    momentum : float, optional
        What part of the last step's direction is kept.
    centered : bool, optional
        Divide by the running standard deviation instead (Graves 2013).
    maximize : bool, optional
        Climb instead.

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, -2.0])
    >>> optimizer = nn.optim.RMSprop([w], lr=0.05)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.5, -1.5])
    """

    _counts_steps = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize})

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        slots = {"square_avg": 0.0}
        if group["momentum"]:
            slots["momentum_buffer"] = 0.0
        if group["centered"]:
            slots["grad_avg"] = 0.0
        return slots

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        keep = group["alpha"]
        if group["maximize"]:
            np.negative(g, out=g)
        if group["weight_decay"]:
            g += group["weight_decay"] * w
        mean_square = state["square_avg"]
        mean_square *= keep
        mean_square += (1 - keep) * (g * g)
        if group["centered"]:
            mean = state["grad_avg"]
            mean += (1 - keep) * (g - mean)
            root = np.sqrt(mean_square - mean * mean)
        else:
            root = np.sqrt(mean_square)
        root += group["eps"]
        g /= root
        if group["momentum"]:
            buffer = state["momentum_buffer"]
            buffer *= group["momentum"]
            buffer += g
            np.multiply(buffer, group["lr"], out=g)
        else:
            g *= group["lr"]
        w -= g
