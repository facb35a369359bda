"""Gradient checks: the derivative rules against numeric derivatives, with the numbers' own error in the verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite.check import conduct
from autograd_lite.check.judge import Judge
from autograd_lite.check.numeric import Array
from autograd_lite.check.problem import Problem, Run
from autograd_lite.check.report import Entry, Report
from autograd_lite.check.search import along_directions
from autograd_lite.errors import GradientError

__all__ = ["assert_gradients", "gradcheck"]

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

    What needs no numbers is told first: a result or a gradient that is another one the second time, an input or an
    incoming gradient that is written into, a gradient of the wrong shape or dtype, one that is not linear in the
    incoming gradient (twice of it and zero exactly), another value when a graph is recorded. Then come the values;
    last forward mode against reverse mode, the symmetry of second derivatives, and a run in single precision.

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
        An input with more entries is checked along random directions of +-1, not entry by entry; where such a
        direction deviates by more than rounding, bisection names the wrong entry.
    raise_on_fail : bool
        Raise instead of returning a report that is false.

    Returns
    -------
    Report
        True or false; ``print`` it. Where it is false, ``diagnoses`` names the likely mistakes, and the rule.

    Raises
    ------
    GradientError
        With ``raise_on_fail``, when a gradient is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import gradcheck
    >>> report = gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.array([0.5, -1.0, 2.0]))
    >>> report.ok, report.method_counts
    (True, {'complex-step': 9})
    """
    report = check(Problem(f, inputs), order, rtol, atol, seed, max_entries)
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


def check(problem: Problem, order: int, rtol: float, atol: float, seed: int, max_entries: int) -> Report:
    """Check a problem: how it behaves first, then its values; each further order only if those before are right."""
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
    rng = np.random.default_rng(seed)
    report = Report()
    for k in range(1, order + 1):
        run = problem.run()
        report.single = report.single or any(np.asarray(x).itemsize < 8 for x in (*problem.primals, *run.values()))
        if report.single:
            rtol, atol = max(rtol, _SINGLE_RTOL), max(atol, _SINGLE_ATOL)
        weights = problem.weights(rng)
        _check(report, problem, run, weights, rng, k, rtol, atol, max_entries)
        if not report:
            break
        if k < order:
            problem = problem.gradient(weights)
    if report.single:
        report.notes.append("a float32 takes part: compared in single precision")
    kinks = sum(entry.method == "kink" and entry.index is not None for entry in report.entries)
    if kinks:
        report.notes.append(f"{kinks} of the entries lie at a kink: any value between the slopes of its sides is right")
    return report


def _check(
    report: Report,
    problem: Problem,
    run: Run,
    weights: list[Any],
    rng: np.random.Generator,
    order: int,
    rtol: float,
    atol: float,
    max_entries: int,
) -> None:
    """Check one order, and add what is found to the report."""
    try:
        report.problems += conduct.purity(problem, run, weights) or conduct.determinism(problem, run, weights)
        if report.problems:
            return
        found = run.pull(weights)
        report.problems += conduct.recording(problem, run)
        report.problems += conduct.shapes(problem, found)
        if report.problems:
            return
        report.problems += conduct.linearity(problem, run, weights, rng)
    except GradientError as error:  # of the wrong shape or dtype inside of the graph
        report.problems.append(str(error))
        from autograd_lite.check.diagnosis import diagnose_shapes  # what a right gradient never needs

        report.diagnoses += diagnose_shapes(run, problem.names[0])
        return
    gradients = [np.zeros_like(x)[()] if g is None else g for x, g in zip(problem.primals, found, strict=True)]
    entries = compare(report, problem, weights, gradients, rng, order, rtol, atol, max_entries)
    for name, g in zip(problem.names, found, strict=True):
        if g is None:
            if any(not entry.ok for entry in entries if entry.input == name):
                report.problems.append(f"no gradient reaches input {name} (it is None), but the result depends on it")
            else:
                report.notes.append(f"no gradient reaches input {name} (it is None): the result does not depend on it")
    if report.problems or any(not entry.ok for entry in entries):
        from autograd_lite.check.diagnosis import diagnose

        report.diagnoses += diagnose(problem, run, weights, entries)
    if not report.problems:
        problems, notes = conduct.forward_mode(problem, gradients, weights, rng)
        report.problems += problems
        report.notes += notes
    if order == 2 and not any(entry.method in ("kink", "undefined") for entry in entries):
        report.problems += conduct.symmetry(problem, run, rng)
    if order == 1:
        report.notes += conduct.single_precision(problem, weights)


def compare(
    report: Report,
    problem: Problem,
    weights: list[Any],
    gradients: list[Any],
    rng: np.random.Generator,
    order: int,
    rtol: float,
    atol: float,
    max_entries: int,
) -> list[Entry]:
    """Compare gradients of the weighted outputs with numeric ones; add the comparisons to the report, and return them.

    Entry by entry, or along random directions where there are more than ``max_entries``.
    """
    flat = np.concatenate([np.zeros(0), *(np.ravel(w) for w in weights)]).astype(np.float64)
    judge = Judge(problem, flat, order, rtol, atol)
    entries: list[Entry] = []
    for i, (name, g) in enumerate(zip(problem.names, gradients, strict=True)):
        if np.size(g) > max_entries:
            found, notes = along_directions(judge, i, g, rng)
            report.notes += notes
        else:
            found = []
            for index in np.ndindex(*np.shape(g)):
                unit = np.zeros(np.shape(g))
                unit[index] = 1.0
                along = [unit if j == i else None for j in range(len(gradients))]
                found.append(judge(name, tuple(int(k) for k in index), along, g))
        entries += found
        if order == 1 and any(entry.index is not None for entry in found):
            report.errors[name] = _errors(np.shape(g), found)
    if any(entry.method == "kink" for entry in entries):
        for k in range(_KINK_DIRECTIONS):
            # Each entry may look right at a kink where their sum is not: a tie that counts twice.
            along = [np.ones(np.shape(x)) if k == 0 else rng.choice([-1.0, 1.0], np.shape(x)) for x in problem.primals]
            name = "all" if len(along) > 1 else problem.names[0]
            entries.append(judge(name, None, along, gradients, kinked=True))
    report.entries += entries
    return entries


def _errors(shape: tuple[int, ...], entries: list[Entry]) -> Array:
    """Return the relative errors in the places of their entries."""
    errors = np.full(shape, np.nan)
    for entry in entries:
        if entry.index is not None:
            errors[entry.index] = 0.0 if entry.method == "undefined" else entry.rel
    return errors
