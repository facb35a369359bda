"""The gradient check of a whole model: its parameters by name, and its inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from autograd_lite.check.gradient import check
from autograd_lite.check.problem import Problem, names_of
from autograd_lite.check.report import Report
from autograd_lite.errors import GradientError
from autograd_lite.graph import Node

__all__ = ["gradcheck_module"]

Place = tuple[Any, Any]  # a list or dict (of attributes, perhaps), and a key of it


def gradcheck_module(
    model: Any,
    x: Any,
    loss: Callable[[Any], Any] | None = None,
    *,
    order: int = 1,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    max_entries: int = 4096,
    raise_on_fail: bool = False,
) -> Report:
    """Compare a model's gradients, by parameter and input, with numeric derivatives.

    Parameters
    ----------
    model : callable with ``named_parameters()``
        An ``nn.Module``, or anything that yields pairs of a name and a Tensor or Value. Parameters without
        ``requires_grad`` are not checked. The model is left as it was: parameters, gradients and buffers.
    x : float, ndarray, Tensor, or nested list or dict; a tuple for several arguments
        What the model is applied to. Floating-point inputs are checked, too, as ``x`` (``x[0]`` ... in containers).
    loss : callable, optional
        Of the model's output; by default the output itself is checked.
    order, rtol, atol, seed, max_entries, raise_on_fail
        As in `gradcheck`.

    Returns
    -------
    Report
        Its entries bear the parameters' names.

    Raises
    ------
    GradientError
        If the model has no ``named_parameters()``, or hides a parameter in something other than attributes, lists and
        dicts; and with ``raise_on_fail``, when a gradient is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import gradcheck_module
    >>> import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> report = gradcheck_module(model, np.ones((4, 2)), lambda y: (y * y).sum())
    >>> bool(report), sorted({entry.input for entry in report.entries})
    (True, ['0.bias', '0.weight', '2.bias', '2.weight', 'x'])
    """
    if not hasattr(model, "named_parameters"):
        raise GradientError(
            f"gradcheck_module: a {type(model).__name__} has no named_parameters(); use gradcheck for a function"
        )
    arguments = x if type(x) is tuple else (x,)
    parameters = {name: p for name, p in model.named_parameters() if getattr(p, "requires_grad", True)}
    places = _places(model, list(parameters.values()))
    for name, p in parameters.items():
        if not places[id(p)]:
            raise GradientError(f"gradcheck_module: parameter {name!r} is in no attribute, list or dict of the model")

    def function(values: Sequence[Any], inputs: tuple[Any, ...]) -> Any:
        with _replaced([places[id(p)] for p in parameters.values()], values):
            y = model(*inputs)
            return y if loss is None else loss(y)

    names = [*parameters, *names_of(x, "x")]
    with _kept(model):
        problem = Problem(function, (list(parameters.values()), arguments), names)
        report = check(problem, order, rtol, atol, seed, max_entries)
    if raise_on_fail and not report:
        raise GradientError(str(report))
    return report


def _places(model: Any, wanted: Sequence[Any]) -> dict[int, list[Place]]:
    """Return, by the id of each wanted object, where a model holds it: in all places if it is tied."""
    found: dict[int, list[Place]] = {id(x): [] for x in wanted}
    seen: set[int] = set()
    stack = [model]
    while stack:
        holder = stack.pop()
        if id(holder) in seen or isinstance(holder, (type, Node)):
            continue
        seen.add(id(holder))
        if isinstance(holder, tuple):
            stack.extend(holder)
            continue
        inside = holder if isinstance(holder, (dict, list)) else getattr(holder, "__dict__", None)
        if not isinstance(inside, (dict, list)):
            continue
        for key, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
            if id(value) in found:
                found[id(value)].append((inside, key))
            else:
                stack.append(value)
    return found


@contextlib.contextmanager
def _replaced(places: Sequence[Sequence[Place]], values: Sequence[Any]) -> Iterator[None]:
    """Put values in places for a while."""
    before = [(inside, key, inside[key]) for several in places for inside, key in several]
    try:
        for several, value in zip(places, values, strict=True):
            for inside, key in several:
                inside[key] = value
        yield
    finally:
        for inside, key, value in before:
            inside[key] = value


@contextlib.contextmanager
def _kept(model: Any) -> Iterator[None]:
    """Give a model its buffers back afterwards: batch normalisation writes its running figures in every run."""
    buffers = [b for _, b in model.named_buffers()] if hasattr(model, "named_buffers") else []
    places = _places(model, buffers)
    data = [(b, b._data, b._data.copy()) for b in buffers]
    with _replaced([places[id(b)] for b in buffers], buffers):
        try:
            yield
        finally:
            for b, array, copy in data:
                array[...] = copy
                b._data = array
