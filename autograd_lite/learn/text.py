"""Verdicts and lists as text for a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from autograd_lite.learn.exercise import Exercise
from autograd_lite.learn.judge import Verdict
from autograd_lite.learn.look import Row
from autograd_lite.learn.wording import shape_of
from autograd_lite.paint import PLAIN, Paint

__all__ = ["hint", "progress_bar", "render", "show_inputs", "wrapped"]

_WIDTH = 112
_SHOWN_ROWS = 8


def render(exercise: Exercise, verdict: Verdict, paint: Paint = PLAIN) -> str:
    """Return a verdict as a text: the table of the outputs, what the mistake is, and a number to verify by hand."""
    lines = [_heading(exercise, verdict, paint)]
    lines += _table(verdict.rows, paint)
    if verdict.case and not verdict.case.endswith(" 0"):
        lines.append(wrapped("On: ", f"{verdict.case}."))
    if verdict.trouble:
        lines.append(wrapped("", paint.red(verdict.trouble) if not verdict.mistakes else verdict.trouble))
    for i, wrong in enumerate(verdict.mistakes):
        lines.append(wrapped("This is: " if i == 0 else "And: ", wrong.message))
    if verdict.likely:
        lines.append(wrapped("Likely: ", verdict.likely))
    if verdict.by_hand and verdict.status == "failed":
        lines.append(wrapped("By hand: ", verdict.by_hand))
    if verdict.prints.strip():
        lines.append(paint.dim("   Your code printed:"))
        lines += [paint.dim("   | " + line) for line in verdict.prints.rstrip().splitlines()[:20]]
    return "\n".join(lines)


def _heading(exercise: Exercise, verdict: Verdict, paint: Paint) -> str:
    kind = "gradient" if exercise.checker.forward is not None else "number"
    right, total = sum(row.ok for row in verdict.rows), len(verdict.rows)
    if verdict.ok:
        summary = paint.green(f"done: {'it is' if total == 1 else f'all {total} {kind}s are'} right")
    elif verdict.status == "unwritten":
        summary = "not written yet"
    elif verdict.rows and right < total:
        summary = paint.red(f"{right} of {total} {kind}s right" if total > 1 else "wrong")
    else:
        summary = paint.red("not yet")
    shown = [_brief(name, x) for name, x in verdict.inputs.items() if name != "g" or isinstance(x, float)]
    shapes = "  ".join(shown) if kind == "gradient" else ""
    name = f"{exercise.number:02} {exercise.key}"
    parts = [part for part in (name, exercise.formula, shapes, summary) if part]
    if len("   ".join(parts)) > _WIDTH and shapes:
        parts = [name, exercise.formula, summary + "\n   " + paint.dim(shapes)]
    return "   ".join([paint.bold(name), *parts[1:]])


def _brief(name: str, x: Any) -> str:
    """Return an input in few letters: the shape of an array, a number itself."""
    if isinstance(x, float):
        return f"{name} = {x:.6g}"
    return f"{name}{shape_of(np.shape(x))}" if np.ndim(x) else f"{name} = {x}"


def _table(rows: tuple[Row, ...], paint: Paint) -> list[str]:
    if all(row.problem == "missing" for row in rows):
        return []
    chosen = [row for row in rows if not row.ok] if len(rows) > _SHOWN_ROWS else list(rows)
    width = max((len(row.name) for row in chosen), default=0)
    lines = []
    for row in chosen[:_SHOWN_ROWS]:
        if row.ok:
            count = f"{row.entries:3} {'entry' if row.entries == 1 else 'entries'}"
            note = f", {row.note}" if row.note else ""
            lines.append(f"   {row.name:{width}}  {paint.green('ok')} {count}{note}")
        else:
            lines.append(f"   {row.name:{width}}  {row.problem.replace('WRONG', paint.red('WRONG'), 1)}")
    if len(chosen) > _SHOWN_ROWS:
        lines.append(f"   ... and {len(chosen) - _SHOWN_ROWS} more")
    elif not chosen:
        lines.append(f"   {paint.green('ok')}  {len(rows)} numbers")
    return lines


def wrapped(label: str, text: str) -> str:
    """Return a paragraph that hangs from its label."""
    return textwrap.fill(text, _WIDTH, initial_indent="   " + label, subsequent_indent=" " * (3 + len(label)))


def hint(exercise: Exercise, number: int) -> str:
    """Return one of the hints of an exercise, counted from 1."""
    label, text = f"Hint {number} of {len(exercise.hints)}: ", exercise.hints[number - 1]
    if "```" not in text:
        return wrapped(label, " ".join(text.split()))
    lines = [line for line in text.splitlines() if not line.startswith("```")]
    return "\n      ".join([f"   {label.rstrip()}", *lines])


def show_inputs(exercise: Exercise, verdict: Verdict) -> str:
    """Return the inputs of the case that failed, as code to copy."""
    with np.printoptions(threshold=10_000, floatmode="unique", linewidth=_WIDTH):
        lines = [f"{name} = {_code(x)}" for name, x in verdict.inputs.items()]
    return "\n".join([f"# {exercise.key}, {verdict.case}", "import numpy as np", "", *lines])


def _code(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"np.{x!r}"
    if isinstance(x, tuple) and any(isinstance(part, np.ndarray) for part in x):
        return f"({', '.join(map(_code, x))},)"
    if isinstance(x, list) and any(isinstance(part, np.ndarray) for part in x):
        return f"[{', '.join(map(_code, x))}]"
    text = repr(x)
    return text if len(text) < 2000 else text[:2000] + " ..."


def progress_bar(done: int, total: int, width: int = 30) -> str:
    """Return a bar: ``[######----] 6/10``."""
    filled = width * done // max(total, 1)
    return f"[{'#' * filled}{'-' * (width - filled)}] {done}/{total}"
