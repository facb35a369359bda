"""The sentences of a verdict: what happened, where, and what to do instead, in words for a learner."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograd_lite.check.numeric import Array
from autograd_lite.learn.child import Case
from autograd_lite.learn.exercise import Exercise
from autograd_lite.learn.oracle import Oracle
from autograd_lite.learn.sandbox import Outcome

__all__ = [
    "TIED", "by_hand", "comparison", "of_conduct", "of_fault", "of_load", "of_outcome", "of_text", "of_value",
    "precision", "shape_of", "worst",
]  # fmt: skip

TIED = "WRONG  every entry could be right, but not all at once: raise all inputs together and the loss moves otherwise"
_STEP = 0.001
Told = tuple[str, str]


def of_outcome(outcome: Outcome) -> Told | None:
    """Return what to tell about a process that did not come to its end."""
    if outcome.trouble == "time":
        where = f" It was at line {outcome.line} when it was stopped." if outcome.line else ""
        return "error", f"Your code did not come back within the time limit: is there a loop that never ends?{where}"
    if outcome.trouble == "output":
        return "error", "Your code prints without end and was stopped. Print a little, or nothing."
    if outcome.trouble == "ended":
        how = f"signal {-outcome.code}" if outcome.code < 0 else f"exit code {outcome.code}"
        return "error", (
            f"Your code ended Python itself ({how}) before the check was done. Nothing is lost; "
            "take out calls such as os._exit(), and very large arrays."
        )
    return None


def of_load(outcome: Outcome, exercise: Exercise) -> Told | None:
    """Return what to tell about a file that could not be loaded, or that lacks the answer."""
    fault = (outcome.seen or {}).get("fault")
    if not fault:
        return None
    if fault["kind"] == "missing":
        others = ", ".join(fault["names"][:8]) or "nothing"
        return "error", f"There is no `{exercise.answer}` in your file, only: {others}. Keep the name of the stub."
    return of_fault(fault, exercise)


def of_fault(fault: dict[str, Any], exercise: Exercise, case: Case | None = None) -> Told:
    """Return what to tell about an exception, or about a wrong number of results."""
    kind = fault["kind"]
    where = f" (line {fault['line']}: {fault['source']})" if fault.get("line") else ""
    if kind == "unwritten":
        line = f" in line {fault['line']}" if fault.get("line") else ""
        return "unwritten", f"Not written yet: replace `raise NotImplementedError`{line} by your code."
    if kind == "count":
        names = ", ".join(fault["names"])
        if fault["type"] == "NoneType":
            return "failed", f"Your function returns None: is the `return` missing? It should return ({names})."
        got = f"a {fault['type']}" if fault["found"] is None else f"{fault['found']} values"
        return "failed", f"Your function returns {got} where {len(fault['names'])} values are needed: ({names})."
    sentences = {
        "exit": f"Your code leaves Python with exit(){where}. Return a result instead.",
        "input": f"Your code waits for the keyboard with input(){where}. A check has nobody to type.",
        "memory": f"Your code asks for more memory than an exercise may use (1 GB){where}.",
        "recursion": f"Your function calls itself too deeply{where}: Python stops at about 1,000 calls. Use a loop.",
        "syntax": f"Python cannot read your file{where}: {fault['text']}.",
        "refused": f"Your code wants to {fault['text']}{where}. An exercise needs none of that, so it was not done.",
        "import": f"{fault['text'].partition(' ')[0]} would do the exercise for you{where}. Write it with NumPy alone.",
    }
    if kind in sentences:
        return "error", sentences[kind]
    text = f": {fault['text']}" if fault["text"] else ""
    if not where and exercise.checker.forward is not None and case is not None:
        where = f" when it was called as {exercise.checker.describe_call(case)}"
    elif not where and fault["doing"]:
        where = f" where the check says: {fault['doing'].rstrip(',')}"
    return "error", f"Your code raised {fault['type']}{text}{where}."


def of_conduct(seen: Sequence[dict[str, Any]], imported: Sequence[str], measured: bool) -> str:
    """Return what is wrong with how an answer came to its numbers; empty when nothing is."""
    if imported:
        return f"Your code imports {imported[0]}, which would do the exercise for you. Write it with NumPy alone."
    changed = next((one["changed"] for one in seen if one["changed"]), None)
    if changed:
        names = " and ".join(changed)
        return (
            f"Your code changes its argument {names} in place. The caller still needs it: "
            "work on a copy, and write `a = a + b` where you wrote `a += b`."
        )
    if measured:
        return (
            "Your slopes are measured, by nudging the inputs (finite differences). That costs two calls a number, "
            "and is right to some ten digits at best. Write the rule that gives the slope from the inputs."
        )
    return ""


def of_value(name: str, found: dict[str, Any], truth: Array, number: bool, owner: str) -> str:
    """Return what is wrong with an output before its numbers are looked at."""
    kind = found["kind"]
    wanted = "a number" if number else f"an array of shape {shape_of(truth.shape)}"
    if kind == "none":
        return f"WRONG  is None; it should be {wanted}"
    if kind == "sequence":
        advice = "return the number itself" if number else "make it an array with np.array(...)"
        return f"WRONG  is a {found['type']} of {found['length']}; {advice}"
    if kind in ("text", "other"):
        return f"WRONG  is a {found['type']}; it should be {wanted}"
    if tuple(found["shape"]) != truth.shape:
        return f"WRONG  has shape {shape_of(found['shape'])}; {owner} shape {shape_of(truth.shape)}"
    if found["dtype"].startswith("complex") or found["data"] is None:
        return f"WRONG  holds {found['dtype']}; it should hold real numbers (float64)"
    if not number and kind == "number" and truth.ndim:
        return f"WRONG  is a number; it should be {wanted}"
    if not number and found["dtype"] != "float64":
        return f"WRONG  holds {found['dtype']}; it should hold float64, as the inputs do"
    return ""


def of_text(found: dict[str, Any], wanted: str) -> str:
    """Return what is wrong with an output that is a word."""
    if found.get("text") == wanted:
        return ""
    return f"WRONG  yours {found.get('text', 'a ' + found['type'])!r}   true {wanted!r}"


def worst(claim: Array, truth: Array, right: Array) -> tuple[int, ...]:
    """Return the index of the wrong entry that is farthest off."""
    off = np.where(right, -1.0, np.abs(claim - truth))
    off = np.where(np.isnan(off), np.inf, off)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))


def comparison(name: str, index: tuple[int, ...], claim: Array, truth: Array, right: Array) -> str:
    """Return the worst entry, yours and true, as a row of the table."""
    yours, true = float(claim[index]), float(truth[index])
    owner = name[1:] if name.isidentifier() and name[0] == "d" else "entry "
    entry = f"worst {owner}[{', '.join(map(str, index))}]:  " if index else ""
    count = "" if right.size == 1 else f"   {right.size - int(np.sum(right))} of {right.size} wrong"
    digits = "+.12g" if abs(yours - true) < 1e-5 * abs(true) else "+.6f"
    return f"WRONG  {entry}yours {yours:{digits}}   true {true:{digits}}{_ratio(yours, true)}{count}"


def _ratio(yours: float, true: float) -> str:
    if not (np.isfinite(yours) and np.isfinite(true)) or abs(true) < 1e-9:
        return ""
    ratio = yours / true
    nearest = Fraction(ratio).limit_denominator(64) if abs(ratio) < 1e6 else Fraction(0)
    return f"   ratio {nearest}" if abs(ratio - nearest) <= 1e-9 * abs(ratio) else ""


def precision(error: float, kinks: int) -> str:
    """Return how well the true gradient is known, for a row of the table."""
    known = f"known to {max(error, 1e-17):.0e}"
    return f"{known}, {kinks} at a kink" if kinks else known


def by_hand(oracle: Oracle, name: str, index: tuple[int, ...]) -> str:
    """Return a number that shows the true slope by a single nudge."""
    entry = name[1:] + (f"[{', '.join(map(str, index))}]" if index else "")
    rise = oracle.loss(name, index, _STEP) - oracle.loss()
    if rise == 0:
        return f"raise {entry} by {_STEP}, and the loss, sum(g * y), does not move: a slope of 0."
    verb = "rises" if rise > 0 else "falls"
    by = np.format_float_positional(abs(rise), 7, fractional=False, trim="-")
    return f"raise {entry} by {_STEP} and the loss, sum(g * y), {verb} by {by}: a slope near {rise / _STEP:.4g}."


def shape_of(shape: Sequence[int]) -> str:
    """Return a shape as people write it."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
