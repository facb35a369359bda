"""Adam."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nn.optim.base import Optimizer
from nn.optim.block import Array

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): steps of about ``lr``, scaled by running moments of each gradient entry.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr : float, optional
    betas : tuple of float, optional
        How much of the first and of the second moment is kept at a step.
    eps : float, optional
        Added to the root of the second moment.
    weight_decay : float, optional
        The L2 penalty's factor; with ``decoupled_weight_decay`` the shrinking of Loshchilov and Hutter 2019.
    amsgrad : bool, optional
        Divide by the largest second moment so far (Reddi et al. 2018).
    maximize : bool, optional
        Climb instead.
    decoupled_weight_decay : bool, optional

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, -2.0])
    >>> optimizer = nn.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.5, -1.5])
    """

    _counts_steps = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {**options, "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if not group["eps"] >= 0.0:
            raise ValueError(f"Invalid epsilon value: {group['eps']}")
        for i, beta in enumerate(group["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")

    def _slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        if group["maximize"]:
            np.negative(g, out=g)
        shrink = 1.0
        if group["decoupled_weight_decay"]:
            shrink = 1 - lr * group["weight_decay"]
        elif group["weight_decay"]:
            g += group["weight_decay"] * w
        first, second = state["exp_avg"], state["exp_avg_sq"]
        first += (1 - beta1) * (g - first)
        second *= beta2
        g *= g
        g *= 1 - beta2
        second += g
        if group["amsgrad"]:
            second = np.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        root = np.sqrt(second, out=g)
        root /= math.sqrt(1 - beta2**step)
        root += group["eps"]
        move = np.divide(first, root, out=g)
        move *= lr / (1 - beta1**step)
        if shrink != 1.0:
            move += (1 - shrink) * w
        w -= move
