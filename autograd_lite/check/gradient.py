"""Gradient checks: the derivative rules against numeric derivatives, with the numbers' own error in the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_lite.check.judge import Judge
from autograd_lite.check.numeric import Array
from autograd_lite.check.problem import Problem
from autograd_lite.check.report import Entry, Report
from autograd_lite.errors import GradientError

__all__ = ["assert_gradients", "gradcheck"]

_DIRECTIONS = 3
_KINK_DIRECTIONS = 6
_SINGLE_RTOL, _SINGLE_ATOL = 1e-4, 1e-5


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    max_entries: int = 4096,
    raise_on_fail: bool = False,
) -> Report:
    """Compare the gradients of a function with numeric derivatives.

    The result is weighted by random normal numbers, never by ones (which hide transposed gradients). The numeric
    derivative is the complex step where Ridders' extrapolation confirms it, else that extrapolation, and its own error
    bound enters the verdict: ``|a - n| <= atol + rtol * max(|a|, |n|) + 4 * error``. At a kink, a gradient
    between the one-sided slopes passes, in every single entry and along random directions.

    Parameters
    ----------
    f : callable
        Of the inputs; returns a number, array, Value, Tensor or a nested container of them. It is run often, on
        Values and Tensors, and must always give the same result for the same input.
    *inputs : float, ndarray, Value, Tensor, or nested list, tuple or dict
        Where to check. Integers, booleans and anything else that is no floating-point number are handed on as they are.
    order : {1, 2}
        2 also checks the gradients of the gradients.
    rtol, atol : float
        The relative and absolute tolerance; raised to what single precision allows where a float32 takes part (the
        numeric derivative is taken in double precision all the same).
    seed : int
        Of the weights and directions.
    max_entries : int
        An input with more entries is checked along random directions of +-1, not entry by entry.
    raise_on_fail : bool
        Raise instead of returning a report that is false.

    Returns
    -------
    Report
        True or false; ``print`` it.

    Raises
    ------
    GradientError
        With ``raise_on_fail``, when a gradient is wrong; and always for one of the wrong shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import gradcheck
    >>> report = gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.array([0.5, -1.0, 2.0]))
    >>> report.ok, report.method_counts
    (True, {'complex-step': 9})
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
    rng = np.random.default_rng(seed)
    problem = Problem(f, inputs)
    report = Report(problems=problem.misbehaviour(), single=problem.single)
    if report.single:
        rtol, atol = max(rtol, _SINGLE_RTOL), max(atol, _SINGLE_ATOL)
    for k in range(1, order + 1) if report.ok else ():
        weights = problem.weights(rng)
        report.entries += compare(problem, weights, rng, k, rtol, atol, max_entries)
        if k < order:
            problem = problem.gradient(weights)
    if raise_on_fail and not report:
        raise GradientError(str(report))
    return report


def assert_gradients(f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """Raise GradientError, with the report as its text, unless the gradients are right; see `gradcheck`.

    Examples
    --------
    >>> from autograd_lite import assert_gradients
    >>> assert_gradients(lambda x, y: x * y + x.exp(), 2.0, 3.0, order=2)
    """
    gradcheck(f, *inputs, raise_on_fail=True, **options)


def compare(
    problem: Problem,
    weights: list[Any],
    rng: np.random.Generator,
    order: int,
    rtol: float,
    atol: float,
    max_entries: int,
) -> list[Entry]:
    """Compare the gradients of a problem's weighted outputs with numeric ones, along units or random directions."""
    gradients = problem.gradients(weights)
    for name, x, g in zip(problem.names, problem.primals, gradients, strict=True):
        if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
            raise GradientError(
                f"the gradient of input {name} has shape {np.shape(g)} and dtype {np.asarray(g).dtype}, "
                f"the input has {np.shape(x)} and {np.asarray(x).dtype}"
            )
    flat = np.concatenate([np.zeros(0), *(np.ravel(w) for w in weights)]).astype(np.float64)
    judge = Judge(problem, flat, order, rtol, atol)
    entries = []
    for i, (x, g) in enumerate(zip(problem.primals, gradients, strict=True)):
        for index, direction in _directions(np.shape(x), max_entries, rng):
            along = [direction if j == i else None for j in range(len(gradients))]
            entries.append(judge(problem.names[i], index, along, g))
    if any(entry.method == "kink" for entry in entries):
        for k in range(
            _KINK_DIRECTIONS
        ):  # each entry may look right at a kink where their sum is not: a tie that counts twice
            along = [np.ones(np.shape(x)) if k == 0 else rng.choice([-1.0, 1.0], np.shape(x)) for x in problem.primals]
            entries.append(judge("all" if len(along) > 1 else problem.names[0], None, along, gradients, kinked=True))
    return entries


def _directions(
    shape: tuple[int, ...], max_entries: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[int, ...] | None, Array]]:
    if math.prod(shape) > max_entries:
        for _ in range(_DIRECTIONS):
            yield None, rng.choice([-1.0, 1.0], shape)
    else:
        for index in np.ndindex(*shape):
            unit = np.zeros(shape)
            unit[index] = 1.0
            yield tuple(int(i) for i in index), unit
