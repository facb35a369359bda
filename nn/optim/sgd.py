"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.optim.base import Optimizer
from nn.optim.block import Array

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent: ``w -= lr * (g + weight_decay * w)``, with momentum if asked for.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr : float, optional
    momentum : float, optional
        What part of the last step's direction is kept (Polyak 1964; as in Sutskever et al. 2013, lr comes outside).
    dampening : float, optional
        What part of the gradient does not enter the momentum.
    weight_decay : float, optional
        The L2 penalty's factor.
    nesterov : bool, optional
        Look ahead along the momentum.
    maximize : bool, optional
        Climb instead.

    Examples
    --------
    >>> import autograd_lite as ag, nn
    >>> x = ag.Value(1.0)
    >>> optimizer = nn.optim.SGD([x], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     optimizer.step()
    >>> x.data
    0.125
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        if group["maximize"]:
            np.negative(g, out=g)
        if group["weight_decay"]:
            g += group["weight_decay"] * w
        if not momentum:
            np.multiply(g, group["lr"], g)
            np.subtract(w, g, w)
            return
        buffer = state["momentum_buffer"]
        if step == 1:
            buffer[:] = g
        else:
            buffer *= momentum
            buffer += (1 - group["dampening"]) * g if group["dampening"] else g
        if group["nesterov"]:
            g += momentum * buffer
            g *= group["lr"]
        else:
            np.multiply(buffer, group["lr"], out=g)
        w -= g
