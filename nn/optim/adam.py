"""Adam, and its relatives AdamW and NAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nn.optim.base import Optimizer
from nn.optim.block import Array

__all__ = ["Adam", "AdamW", "NAdam"]


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

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        slots = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return {**slots, "max_exp_avg_sq": 0.0} if group["amsgrad"] else slots

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        shrink = _decay_weights(w, g, group)
        first, second = state["exp_avg"], state["exp_avg_sq"]
        first += (1 - beta1) * (g - first)
        second *= beta2
        g *= g
        g *= 1 - beta2
        second += g
        if group["amsgrad"]:
            second = np.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        root = np.sqrt(second, out=g)
        root /= (1 - beta2**step) ** 0.5
        root += group["eps"]
        move = np.divide(first, root, out=g)
        move *= lr / (1 - beta1**step)
        if shrink is not None:
            move += shrink * w
        w -= move


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): weights shrink by ``lr * weight_decay`` a step.

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr, betas, eps, amsgrad, maximize
        As for `Adam`.
    weight_decay : float, optional

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0])
    >>> optimizer = nn.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * 0).sum().backward()
    >>> optimizer.step()
    >>> w.item()
    0.95
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016).

    Parameters
    ----------
    params : iterable of Tensor or Value, or of dict
    lr, betas, eps, weight_decay, decoupled_weight_decay, maximize
        As for `Adam`.
    momentum_decay : float, optional
        The momentum of step t is ``betas[0] * (1 - 0.96**(t * momentum_decay) / 2)``.

    Examples
    --------
    >>> import nn
    >>> w = nn.Parameter([1.0, -2.0])
    >>> optimizer = nn.optim.NAdam([w], lr=0.5)
    >>> for _ in range(50):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> bool((abs(w.numpy()) < 0.1).all())
    True
    """

    _counts_steps = True
    _numbers: ClassVar[Mapping[str, float]] = {"mu_product": 1.0}

    def __init__(
        self,
        params: Any,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 0.004,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        options |= {"momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options)

    def _slots(self, group: dict[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _update(self, w: Array, g: Array, state: dict[str, Array], step: int, group: dict[str, Any]) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["momentum_decay"]
        shrink = _decay_weights(w, g, group)
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * decay)) for t in (step, step + 1))
        state["mu_product"] *= mu
        product = float(state["mu_product"])
        first, second = state["exp_avg"], state["exp_avg_sq"]
        first += (1 - beta1) * (g - first)
        second *= beta2
        second += (1 - beta2) * (g * g)
        root = np.sqrt(second / (1 - beta2**step))
        root += group["eps"]
        g *= lr * (1 - mu) / (1 - product)
        g += first * (lr * mu_next / (1 - product * mu_next))
        g /= root
        if shrink is not None:
            g += shrink * w
        w -= g


def _decay_weights(w: Array, g: Array, group: dict[str, Any]) -> float | None:
    """Turn the gradient round for a climb, add the L2 penalty's; return by what part weights shrink if decoupled."""
    if group["maximize"]:
        np.negative(g, out=g)
    if not group["weight_decay"]:
        return None
    if group["decoupled_weight_decay"]:
        return group["lr"] * group["weight_decay"]  # type: ignore[no-any-return]
    g += group["weight_decay"] * w
    return None
