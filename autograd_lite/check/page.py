"""A report as HTML: a page of its own, or a fragment for notebooks. It holds no script and loads nothing."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np

from autograd_lite.check.heat import BOUNDS, Heat, heats, level, short
from autograd_lite.check.report import Diagnosis, Entry, Report
from autograd_lite.check.text import METHODS, shape_of, summary, tallies, where
from autograd_lite.drawing.dot import DARK, LIGHT, Palette
from autograd_lite.drawing.words import clean

__all__ = ["SHADES", "fragment_of", "page_of"]

_TABLES, _ROWS, _COLUMNS, _INPUTS = 12, 24, 16, 200  # the most that is shown

# What is behind a cell and what is written on it, by its level, in light and in dark.
SHADES = (
    (("#e3f2ec", "#1b1f24"), ("#17352c", "#e9edf1")),
    (("#fdf0e0", "#1b1f24"), ("#3a2a17", "#f5ebe0")),
    (("#f9d2a8", "#1b1f24"), ("#63401a", "#fff4e6")),
    (("#f0945a", "#1b1f24"), ("#a04a16", "#ffffff")),
    (("#a52a08", "#ffffff"), ("#ffb08a", "#1b1f24")),
)
_STYLE = """
.gradients{font:14px/1.5 system-ui,sans-serif;background:var(--paper);color:var(--ink);padding:1em 1.25em;
  color-scheme:light dark;max-width:70em;box-sizing:border-box}
.gradients h2{font-size:1.4em;margin:0 0 .3em}.gradients h3{font-size:1.05em;margin:1.2em 0 .3em}
.gradients .bad{color:var(--alarm)}.gradients .good{color:var(--good)}.gradients .faint{color:var(--faint)}
.gradients table{border-collapse:separate;border-spacing:2px;color:inherit;font-size:1em;margin:.3em 0}
.gradients caption{text-align:left;padding:.2em 0;caption-side:top;color:inherit;white-space:nowrap}
.gradients th,.gradients td{padding:.15em .6em;text-align:left;font-variant-numeric:tabular-nums;
  background:none;color:inherit;font-weight:400}
.gradients thead th,.gradients tbody th{color:var(--faint)}
.gradients .number,.gradients .heat td{text-align:right}
.gradients .heat td{min-width:3.2em;padding:.15em .4em;border-radius:3px;white-space:nowrap}
.gradients .heat td.none{border:1px dashed var(--line);color:var(--faint);text-align:center}
.gradients .wide{overflow-x:auto}.gradients .key{list-style:none;display:flex;flex-wrap:wrap;gap:.5em;padding:0}
.gradients .key li{padding:.1em .6em;border-radius:3px}
.gradients .diagnoses>li{margin:.3em 0}.gradients .diagnoses>li:first-child{font-size:1.1em}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body{{margin:0;background:{light.paper};color:{light.faint}}}
h1{{font:600 13px/1 system-ui,sans-serif;margin:0;padding:1.4em 1.6em 0}}
@media (prefers-color-scheme:dark){{body{{background:{dark.paper};color:{dark.faint}}}}}</style>
</head>
<body><main><h1>Gradient check</h1>{body}</main></body>
</html>
"""


def page_of(report: Report) -> str:
    """Return a report as a self-contained page."""
    return _PAGE.format(title=_safe(summary(report)), light=LIGHT, dark=DARK, body=fragment_of(report))


def fragment_of(report: Report) -> str:
    """Return a report as a part of a page, with its own style."""
    mark, kind, verdict = ("✓", "good", "right") if report.ok else ("✗", "bad", "wrong")
    counts = summary(report).partition(": ")[2]
    parts = [
        f'<h2 class="{kind}"><span aria-hidden="true">{mark}</span> Gradients are {verdict}</h2>',
        f"<p>{_safe(counts)}</p>",
        _list("Problems", report.problems),
        _diagnoses(report.diagnoses),
        _worst(report.worst) if report.worst is not None else "",
        _inputs(report),
        *_tables(report),
        _list("Notes", report.notes),
    ]
    return f'<style>{_style()}</style><div class="gradients">{"".join(parts)}</div>'


def _style() -> str:
    light, dark = _colours(LIGHT, 0), _colours(DARK, 1)
    return f".gradients{{{light}}}@media (prefers-color-scheme:dark){{.gradients{{{dark}}}}}{_STYLE}" + "".join(
        f".gradients .l{k}{{background:var(--l{k});color:var(--t{k})}}" for k in range(len(SHADES))
    )


def _colours(palette: Palette, mode: int) -> str:
    colours = {
        "paper": palette.paper,
        "ink": palette.ink,
        "faint": palette.faint,
        "line": palette.line,
        "alarm": palette.alarm,
        "good": palette.module[1],
    }
    for k, shade in enumerate(SHADES):
        colours[f"l{k}"], colours[f"t{k}"] = shade[mode]
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def _safe(text: str, longest: int = 2000) -> str:
    return html.escape(clean(text, longest))


def _list(title: str, items: Iterable[str]) -> str:
    lines = "".join(f"<li>{'<br>'.join(map(_safe, item.splitlines()))}</li>" for item in items)
    return f"<h3>{title}</h3><ul>{lines}</ul>" if lines else ""


def _diagnoses(diagnoses: list[Diagnosis]) -> str:
    if not diagnoses:
        return ""
    items = "".join(f"<li>{_safe(d.sentence)}{_remedy(d)}</li>" for d in diagnoses)
    return f'<h3>Most likely</h3><ol class="diagnoses">{items}</ol>'


def _remedy(diagnosis: Diagnosis) -> str:
    return f'<br><span class="faint">What to do:</span> {_safe(diagnosis.remedy)}' if diagnosis.remedy else ""


def _worst(entry: Entry) -> str:
    rows = (
        ("by the rules", f"{entry.analytic:.15g}"),
        ("by numbers", f"{entry.numeric:.15g} ± {entry.numeric_error:.1g} ({METHODS[entry.method]})"),
        ("relative error", f"{entry.rel:.2g}"),
    )
    lines = "".join(f'<tr><th scope="row">{name}</th><td>{_safe(text)}</td></tr>' for name, text in rows)
    verdict = "" if entry.ok else ' <span class="bad">(wrong)</span>'
    return f"<h3>Worst</h3><table><caption>{_safe(where(entry))}{verdict}</caption><tbody>{lines}</tbody></table>"


def _inputs(report: Report) -> str:
    lines = []
    rows = sorted(tallies(report), key=lambda row: not row[2])
    for name, count, bad, worst in rows[:_INPUTS]:
        verdict = '<span class="bad">✗ wrong</span>' if bad else '<span class="good">✓ right</span>'
        order = "gradient" if worst.order == 1 else "second derivative"
        cells = "".join(f'<td class="number">{text}</td>' for text in (f"{bad} of {count}", short(worst.rel)))
        lines.append(
            f'<tr><th scope="row">{_safe(name)}</th><td>{_safe(shape_of(report, name))}</td><td>{order}</td>'
            f"<td>{verdict}</td>{cells}</tr>"
        )
    head = "".join(
        f'<th scope="col">{text}</th>' for text in ("input", "shape", "derivative", "verdict", "failed", "worst error")
    )
    more = f"<p>and {len(rows) - _INPUTS} more that are right</p>" if len(rows) > _INPUTS else ""
    return (
        f'<h3>Inputs</h3><div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
        f"</div>{more}"
        if lines
        else ""
    )


def _tables(report: Report) -> list[str]:
    found = [heat for heat in heats(report) if heat.is_telling]
    if not found:
        return []
    bounds = [f"from {short(bound)}" if bound else "less, yet wrong" for bound in BOUNDS]
    names = ["✓ right", *(f"✗ {text}" for text in bounds)]
    key = "".join(f'<li class="l{k}">{name}</li>' for k, name in enumerate(names))
    return [
        "<h3>Relative error, entry by entry</h3>",
        f'<ul class="key" aria-label="Key to the colours">{key}</ul>',
        *map(_table, found[:_TABLES]),
        f"<p>{len(found) - _TABLES} more inputs are not shown.</p>" if len(found) > _TABLES else "",
    ]


def _table(heat: Heat) -> str:
    shown = heat.folded(_ROWS, _COLUMNS)
    what = "gradient" if heat.order == 1 else "second derivative"
    fold = "" if shown.block == (1, 1) else f"; a cell is the worst of {shown.block[0]} × {shown.block[1]} entries"
    count = f"{np.count_nonzero(heat.wrong)} of {np.count_nonzero(~np.isnan(heat.error))} entries wrong"
    caption = f"{what} of input {_safe(heat.input)}, shape {heat.shape}: {count}{fold}"
    head = "".join(f'<th scope="col" class="number">{label}</th>' for label in shown.columns)
    lines = []
    for label, errors, wrong in zip(shown.rows, shown.error, shown.wrong, strict=True):
        cells = "".join(_cell(float(e), bool(w)) for e, w in zip(errors, wrong, strict=True))
        lines.append(f'<tr><th scope="row" class="number">{label}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table class="heat"><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(error: float, wrong: bool) -> str:
    shade = level(error, wrong)
    if shade is None:
        return '<td class="none" title="not compared">&ndash;</td>'
    return f'<td class="l{shade}">{"✗ " if wrong else ""}{short(error)}</td>'
