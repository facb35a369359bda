"""A report as text: the verdict, the worst entry, what is most likely wrong, and where."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from autograd_lite.check.heat import Heat, heats, level, short
from autograd_lite.check.report import Diagnosis, Entry, Report
from autograd_lite.drawing.words import clean
from autograd_lite.paint import PLAIN, Paint

__all__ = ["METHODS", "as_text", "shape_of", "summary", "tallies", "where"]

METHODS = {
    "complex-step": "by complex step",
    "ridders": "by extrapolation",
    "kink": "at a kink",
    "undefined": "undefined",
}
_WIDTH = 100
_DIAGNOSES, _TABLES, _INPUTS = 3, 2, 8  # how many are shown
_NUMBERED = (12, 9)  # the largest table, in rows and columns, whose cells show a number
_PICTURED = (24, 80)  # the largest one of blocks alone
_BLOCKS = ("·", "░", "▒", "▓", "█")
_LEGEND = "█ from 0.1   ▓ from 0.001   ▒ from 1e-6   ░ less, yet wrong   · right   blank: not compared"


def as_text(report: Report, paint: Paint = PLAIN) -> str:
    """Return a report as text, in colour where the paint is on."""
    lines = [_verdict(report, paint)]
    lines += [line for problem in report.problems for line in _hanging("", problem)]
    if report.ok:
        lines += [] if report.worst is None else [f"worst: {report.worst}"]
    else:
        lines += _inputs(report, paint)
        if report.worst is not None and not report.worst.ok:
            lines += _worst(report.worst, paint)
        lines += _diagnoses(report.diagnoses[:_DIAGNOSES], paint)
        wrong = [heat for heat in heats(report) if heat.is_telling and np.any(heat.wrong)]
        for heat in wrong[:_TABLES]:
            lines += _table(heat, paint)
        if wrong:
            lines.append(paint.dim(f"   {_LEGEND}"))
        if len(wrong) > _TABLES:
            lines.append(f"   and {len(wrong) - _TABLES} more with wrong entries")
    for note in report.notes:
        lines += _hanging("note: ", note)
    return "\n".join(lines)


def summary(report: Report) -> str:
    """Return the verdict in a line."""
    verdict = "gradients are right" if report.ok else "gradients are WRONG"
    if not report.entries:
        return f"{verdict}: nothing was compared"
    counts = [f"{n} {METHODS[method]}" for method, n in sorted(report.method_counts.items())]
    count = f"{len(report.entries)} comparison{'' if len(report.entries) == 1 else 's'}"
    return f"{verdict}: {count} ({', '.join(counts)}), {len(report.failures)} failed"


def tallies(report: Report) -> Iterator[tuple[str, int, int, Entry]]:
    """Yield, input by input and order by order: how many comparisons, how many of them failed, and the worst."""
    groups: dict[tuple[int, str], list[Entry]] = {}
    for entry in report.entries:
        groups.setdefault((entry.order, entry.input), []).append(entry)
    for (_, name), entries in groups.items():
        yield name, len(entries), sum(not entry.ok for entry in entries), Report(entries).worst or entries[0]


def where(entry: Entry) -> str:
    """Say which derivative an entry is about."""
    place = "along a random direction" if entry.index is None else f"at index {entry.index}" if entry.index else ""
    what = "gradient" if entry.order == 1 else "second derivative"
    return f"{what} of input {clean(entry.input)} {place}".rstrip()


def shape_of(report: Report, name: str) -> str:
    """Return the shape of an input as text; empty where it is not known."""
    return str(np.shape(report.errors[name])) if name in report.errors else ""


def _verdict(report: Report, paint: Paint) -> str:
    head, colon, rest = summary(report).partition(":")
    return paint.bold((paint.green if report.ok else paint.red)(head)) + colon + rest


def _hanging(label: str, text: str, indent: str = "") -> list[str]:
    """Return a paragraph that hangs from its label; lines of its own stay lines."""
    lines = []
    for k, line in enumerate(text.splitlines() or [""]):
        first = indent + (label if k == 0 else " " * len(label))
        lines += textwrap.wrap(
            clean(line, 2000), _WIDTH, initial_indent=first, subsequent_indent=indent + " " * len(label)
        )
    return lines


def _inputs(report: Report, paint: Paint) -> list[str]:
    rows = list(tallies(report))
    failed = [row for row in rows if row[2]]
    if len(rows) < 2 or not failed:
        return []
    chosen = rows if len(rows) <= _INPUTS else failed[:_INPUTS]
    titles = [clean(f"input {name} {shape_of(report, name)}".rstrip(), 50) for name, *_ in chosen]
    width = max(map(len, titles))
    lines = []
    for title, (_, count, bad, worst) in zip(titles, chosen, strict=True):
        order = "" if worst.order == 1 else ", second derivatives"
        mark = paint.red("✗") if bad else paint.green("✓")
        lines.append(f"   {mark} {title:{width}}  {bad} of {count} failed, worst {short(worst.rel)}{order}")
    if len(chosen) < len(rows):
        rest = len(failed) - len(chosen)
        lines.append(f"   {len(rows) - len(failed)} others are right{f', {rest} more are wrong' if rest else ''}")
    return lines


def _worst(entry: Entry, paint: Paint) -> list[str]:
    error = f"{entry.numeric_error:.1g}"
    return [
        f"{paint.bold('worst')}: {where(entry)}",
        f"   by the rules    {paint.red(f'{entry.analytic: .15g}')}",
        f"   by numbers      {entry.numeric: .15g} ± {error} ({METHODS[entry.method]})",
        f"   relative error  {entry.rel: .2g}",
    ]


def _diagnoses(diagnoses: Sequence[Diagnosis], paint: Paint) -> list[str]:
    lines = []
    for k, diagnosis in enumerate(diagnoses):
        label, indent = ("most likely: ", "") if k == 0 else ("or: ", "   ")
        said = _hanging(label, diagnosis.sentence, indent)
        lines += [said[0].replace(label, paint.bold(label), 1), *said[1:]]
        if diagnosis.remedy:
            lines += _hanging("what to do: ", diagnosis.remedy, f"{indent}   ")
    return lines


def _table(heat: Heat, paint: Paint) -> list[str]:
    """Return a heat map: with numbers where they have room, of blocks alone where not."""
    numbered = heat.error.shape[0] <= _NUMBERED[0] and heat.error.shape[1] <= _NUMBERED[1]
    shown = heat.folded(*(_NUMBERED if numbered else _PICTURED))
    what = "gradient" if heat.order == 1 else "second derivative"
    fold = "" if shown.block == (1, 1) else f"; a block is the worst of {shown.block[0]} × {shown.block[1]} entries"
    count = f"{np.count_nonzero(heat.wrong)} of {np.count_nonzero(~np.isnan(heat.error))} entries wrong"
    lines = [f"relative error of the {what} of input {clean(heat.input)}, shape {heat.shape}: {count}{fold}"]
    labels = shown.rows
    width = max(map(len, labels))
    if numbered:
        lines.append("   " + " " * width + "".join(f"  {label:<8}" for label in shown.columns).rstrip())
    for label, errors, wrong in zip(labels, shown.error, shown.wrong, strict=True):
        cells = [_cell(float(e), bool(w), numbered, paint) for e, w in zip(errors, wrong, strict=True)]
        lines.append(f"   {label:>{width}}  " + "".join(cells).rstrip())
    return lines


def _cell(error: float, wrong: bool, numbered: bool, paint: Paint) -> str:
    shade = level(error, wrong)
    if shade is None:
        return " " * (10 if numbered else 1)
    text = f"{_BLOCKS[shade]} {short(error)}" if numbered else _BLOCKS[shade]
    return (paint.red(text) if wrong else paint.dim(text)) + " " * (10 - len(text) if numbered else 0)
