"""The table of all ops as text and as a page of the documentation."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence

from autograd_lite.check.heat import short
from autograd_lite.check.table import Row, domain_of, families
from autograd_lite.paint import PLAIN, Paint

__all__ = ["COMMAND", "as_line", "as_page", "conclusion", "heading", "median"]

COMMAND = "python -m autograd_lite check --all --write docs/ops.md"
_WIDTHS = (20, 52, 8, 8)
_HEAD = ("op", "formula", "1st", "2nd", "checked at")
_PAGE = """# The ops

Written by `{command}`.

Every op is one record of the derivative table: its value, and a derivative rule an operand. In a formula the operands
are called x, y, z in order. The rules are compared with numeric derivatives, the complex step or extrapolated
differences: the columns *1st* and *2nd* show the worst deviation of a gradient, and of a gradient of the gradient,
relative to the derivative where that is more than 1. An en dash stands where there is nothing to compare.
{conclusion}
"""


def median(rows: Sequence[Row]) -> float:
    """Return the median deviation of all calls from extrapolated differences."""
    return statistics.median(error for row in rows for error in row.extrapolated)


def conclusion(rows: Sequence[Row]) -> str:
    """Say in a sentence what was checked and how exact it is."""
    wrong = sum(bool(row.failures) for row in rows)
    verdict = f"{wrong} of them are WRONG" if wrong else "all of them are right"
    calls = sum(row.calls for row in rows)
    return (
        f"{len(rows)} ops in {calls} calls: {verdict}. The median deviation from extrapolated differences alone is "
        f"{short(median(rows)) if calls else 'unknown'}."
    )


def heading(paint: Paint = PLAIN) -> str:
    """Return the line above the table on a terminal."""
    return paint.bold("  " + "  ".join(f"{name:<{width}}" for name, width in zip(_HEAD, (*_WIDTHS, 0), strict=True)))


def as_line(row: Row, paint: Paint = PLAIN) -> str:
    """Return an op as a line of the table on a terminal, with a second one for its kinks."""
    mark = paint.red("✗") if row.failures else paint.green("✓")
    cells = (row.op.name, _cut(row.op.formula, _WIDTHS[1]), _error(row.first), _error(row.second))
    line = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    kinks = paint.dim(f"\n  {'':{_WIDTHS[0]}}  {row.op.kinks}") if row.op.kinks else ""
    return f"{mark} {line}  {domain_of(row.op)}".rstrip() + kinks


def as_page(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, by family."""
    known = {row.op.name: row for row in rows}
    parts = [_PAGE.format(command=COMMAND, conclusion=conclusion(rows))]
    for family, members in families().items():
        chosen = [known[op.name] for op in members if op.name in known]
        if not chosen:
            continue
        document = sys.modules[f"autograd_lite.ops.{family}"].__doc__ or ""
        lines = [f"## {family.replace('_', ' ').capitalize()}", "", document.splitlines()[0], ""]
        lines += ["| op | formula | kinks | 1st | 2nd | checked at |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [_markdown(row) for row in chosen]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown(row: Row) -> str:
    kinks = row.op.kinks.replace("*", "\\*")
    cells = (f"`{row.op.name}`", f"`{row.op.formula}`", kinks, _error(row.first), _error(row.second))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, domain_of(row.op))) + " |"


def _error(error: float) -> str:
    return "\u2013" if math.isnan(error) else short(error)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
