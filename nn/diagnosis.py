"""Why a loss or a gradient is not finite: the same batch once more, watched op by op."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_lite import AnomalyError, detect_anomaly, graph
from nn.module import Module

__all__ = ["are_finite", "explain_nonfinite"]


def are_finite(gradients: Iterable[Any]) -> bool:
    """Return whether all gradients are finite: one product each, looked at closely only where that overflows."""
    return all(np.vdot(g, g) < np.inf or bool(np.all(np.isfinite(g))) for g in gradients)


def explain_nonfinite(model: Module, compute: Callable[[], Any], batch: Any, loss: float, where: str) -> AnomalyError:
    """Find out what made a loss or its gradient NaN or infinite.

    Parameters
    ----------
    model : Module
    compute : callable
        Computes the loss of the batch once more.
    batch : sequence
        Its entries.
    loss : float
    where : str
        Epoch and batch, in words.

    Returns
    -------
    AnomalyError
        Names the input, the parameter, or the op and the layer that were the first not to be finite.
    """
    what = f"{where}: the loss is {loss}" if not np.isfinite(loss) else f"{where}: the gradient is not finite"
    bad = [i for i, entry in enumerate(batch) if not _is_finite(entry)]
    if bad:
        return AnomalyError(
            f"{what}.\nEntry {bad[0]} of the batch holds NaN or infinity: clean the data, or fill what is missing."
        )
    lost = [name for name, p in model.named_parameters() if not _is_finite(p)]
    if lost:
        return AnomalyError(
            f"{what}.\nThe parameter {lost[0]!r} is not finite since the step before: the step was too large.\n"
            "Lower the learning rate, or clip the gradient (nn.callbacks.GradientClipping)."
        )
    entered: list[str] = []
    handles = []
    for path, module in model.named_modules():
        name = f"{path!r} ({type(module).__name__})" if path else type(module).__name__
        handles.append(module.register_forward_pre_hook(lambda m, args, name=name: entered.append(name)))  # type: ignore[misc]
        handles.append(module.register_forward_hook(lambda m, args, output: entered.pop() and None))
    try:
        with detect_anomaly():
            compute().backward()
    except AnomalyError as error:
        layer = f" in the layer {entered[-1]}" if entered else ""
        return AnomalyError(f"{what}.\nThe first op to go wrong{layer}: {error}")
    finally:
        for handle in handles:
            handle.remove()
    return AnomalyError(
        f"{what}.\nThe same batch did not fail a second time: something random in the model made the difference."
    )


def _is_finite(x: Any) -> bool:
    array = np.asarray(graph.data_of(x))
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
