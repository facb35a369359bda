"""What a notebook shows for a module and for a training history."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autograd_lite.drawing.markup import escaped, faint, panel, table
from autograd_lite.drawing.trace import shapes_seen
from autograd_lite.drawing.words import number, shape_text

if TYPE_CHECKING:
    from nn.history import History
    from nn.module import Module

__all__ = ["history_html", "module_html"]

_ROWS = 60
_EPOCHS = 6  # at each end of a table of epochs
_WIDE, _HIGH = 300, 150


def module_html(module: Module) -> str:
    """Return the layers of a module as an HTML table, with the output shapes of the last forward under ``trace``.

    Examples
    --------
    >>> import nn
    >>> "13 parameters" in module_html(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
    True
    """
    layers = list(_layers(module))
    depth = max(level for level, *_ in layers)
    while depth and sum(level <= depth for level, *_ in layers) > _ROWS:
        depth -= 1
    shown = [layer for layer in layers if layer[0] <= depth][:_ROWS]
    shapes = shapes_seen(module)
    seen: set[int] = set()
    rows = []
    for level, path, name, inner in shown:
        again = id(inner) in seen
        seen.add(id(inner))
        closed = level == depth and any(True for _ in inner.children())
        rows.append(_row(module, level, path, name, inner, shapes, again, closed))
    params = list(dict(module.named_parameters()).values())
    total = sum(p.size for p in params)
    frozen = sum(p.size for p in params if not p.requires_grad)
    said = f"{total:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")
    said += f" · {sum(p.nbytes for p in params):,} bytes · {'training' if module.training else 'evaluation'} mode"
    left = len(layers) - len(shown)
    head = ["layer", "settings", *(["output"] if shapes else []), "parameters", ""]
    numbers = "lllrl" if shapes else "llrl"
    body = table(head, rows, numbers=numbers)
    more = faint(f"{left:,} more layers inside those shown") if left else ""
    title = type(module).__name__
    return panel(f"{title}, {said}", f"<b>{escaped(title)}</b> {faint(said)}", body, more)


def _layers(module: Module) -> Iterator[tuple[int, str, str, Module]]:
    """Yield (depth, path, name, module) for every place in which a module stands, a shared one in each."""
    stack: list[tuple[int, str, str, Module]] = [(0, "", "", module)]
    while stack:
        level, path, name, inner = stack.pop()
        yield level, path, name, inner
        lead = f"{path}." if path else ""
        children = [(n, m) for n, m in inner.__dict__.items() if _is_module(m)]
        stack += [(level + 1, lead + n, n, m) for n, m in reversed(children)]


def _is_module(x: Any) -> bool:
    from nn.module import Module

    return isinstance(x, Module)


def _row(
    root: Module,
    level: int,
    path: str,
    name: str,
    inner: Module,
    shapes: dict[str, tuple[int, ...]],
    again: bool,
    closed: bool,
) -> list[str]:
    params = list(dict(inner.named_parameters()).values())
    total = sum(p.size for p in params)
    frozen = sum(p.size for p in params if not p.requires_grad)
    marks = ["shared, counted once"] if again else []
    if frozen:
        marks.append("❄ frozen" if frozen == total else f"❄ {frozen:,} frozen")
    if inner.training != root.training:
        marks.append("training" if inner.training else "evaluation")
    if closed:
        marks.append(f"{sum(1 for _ in inner.modules()) - 1:,} layers inside")
    title = f"{'   ' * level}{f'{name}: ' if name else ''}"
    cells = [f"{escaped(title, 80)}<b>{escaped(type(inner).__name__)}</b>", escaped(inner.extra_repr(), 60)]
    if shapes:
        cells.append(escaped(shape_text(shapes[path]) or "number") if path in shapes else "")
    return [*cells, f"{total:,}" if total else "", f'<span class="ag-faint">{", ".join(marks)}</span>']


def history_html(history: History) -> str:
    """Return the curves and the table of a training run as HTML, without matplotlib.

    Examples
    --------
    >>> from nn.history import History
    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.75})
    >>> "0.7500" in history_html(history)
    True
    """
    from nn.history import _shown

    columns = history.columns
    rows = list(history)
    ended = f" · {history.ended}" if history.ended else ""
    title = f"History of {len(rows):,} epoch{'' if len(rows) == 1 else 's'}"
    if not rows:
        return panel(title, "<b>History</b> " + faint("no epoch yet" + ended))
    cut = rows if len(rows) <= 2 * _EPOCHS else [*rows[:_EPOCHS], None, *rows[-_EPOCHS:]]
    cells = [["…" for _ in columns] if row is None else [_cell(row.get(c), _shown) for c in columns] for row in cut]
    listing = table([escaped(c) for c in columns], cells, numbers="r" * len(columns))
    names = [c for c in columns if c not in ("epoch", "lr", "seconds") and not c.startswith("val_")]
    charts = [chart for name in names if (chart := _chart(rows, name))]
    drawn = f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(charts)}</div>' if charts else ""
    said = f"{len(rows):,} epochs{ended}"
    return panel(title, f"<b>History</b> {faint(said)}", drawn, listing)


def _cell(x: Any, shown: Any) -> str:
    bad = isinstance(x, float) and not math.isfinite(x)
    return f'<span class="ag-bad">{escaped(shown(x))}</span>' if bad else escaped(shown(x))


def _chart(rows: list[dict[str, Any]], name: str) -> str:
    """Draw a figure against the epoch: training full, validation dashed, the best epoch ringed, NaN crossed."""
    curves = {}
    for column in (name, f"val_{name}"):
        points = [(i, float(row[column])) for i, row in enumerate(rows) if isinstance(row.get(column), (int, float))]
        if points:
            curves[column] = points
    good = [y for points in curves.values() for _, y in points if math.isfinite(y)]
    if not good:
        return ""
    log = min(good) > 0 and max(good) > 50 * min(good)
    low, high = (math.log10(min(good)), math.log10(max(good))) if log else (min(good), max(good))
    if low == high:
        low, high = low - 0.5, high + 0.5

    def x_of(i: int) -> float:
        return 54 + (_WIDE - 68) * i / max(len(rows) - 1, 1)

    def y_of(y: float) -> float:
        return 22 + (_HIGH - 44) * (high - (math.log10(y) if log else y)) / (high - low)

    parts = []
    for column, points in curves.items():
        is_training = column == name
        colour = "var(--minus)" if is_training else "var(--plus)"
        dash = "" if is_training else ' stroke-dasharray="5 3"'
        for run in _runs(points):
            line = " ".join(f"{x_of(i):.1f},{y_of(y):.1f}" for i, y in run)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>')
            if len(run) == 1:
                parts.append(f'<circle cx="{x_of(run[0][0]):.1f}" cy="{y_of(run[0][1]):.1f}" r="2" fill="{colour}"/>')
        for i, y in points:
            if not math.isfinite(y):
                parts.append(
                    f'<path d="M{x_of(i) - 4:.1f} {_HIGH - 26}l8 8m0-8l-8 8" stroke="var(--bad)" stroke-width="2">'
                    f"<title>{escaped(column)} is {number(y)} in row {i + 1}</title></path>"
                )
    judged = f"val_{name}" if f"val_{name}" in curves else name
    best, at = _best(curves[judged], name)
    parts.append(
        f'<circle cx="{x_of(best):.1f}" cy="{y_of(at):.1f}" r="4" fill="none" stroke="var(--ink)" stroke-width="1.4"/>'
    )
    first, last = (rows[i].get("epoch", i + 1) for i in (0, -1))
    epoch = rows[best].get("epoch", best + 1)
    lines = {name: "—", f"val_{name}": "┄"}
    said = f"{' '.join(f'{lines[c]} {c}' for c in curves)}, ○ best {number(at)} at {epoch}"
    said += ", log scale" if log else ""
    text = [
        f'<text x="2" y="14">{escaped(said, 90)}</text>',
        f'<text x="49" y="26" text-anchor="end">{number(10**high if log else high, 3)}</text>',
        f'<text x="49" y="{_HIGH - 22}" text-anchor="end">{number(10**low if log else low, 3)}</text>',
        f'<text x="54" y="{_HIGH - 4}">{escaped(first)}</text>',
        f'<text x="{_WIDE - 14}" y="{_HIGH - 4}" text-anchor="end">epoch {escaped(last)}</text>',
        f'<path d="M54 22V{_HIGH - 18}H{_WIDE - 12}" fill="none" stroke="var(--rim)"/>',
    ]
    return (
        f'<svg class="ag-chart" role="img" aria-label="{escaped(said, 200)}" width="{_WIDE}" height="{_HIGH}" '
        f'viewBox="0 0 {_WIDE} {_HIGH}">{"".join([*text, *parts])}</svg>'
    )


def _runs(points: list[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    """Yield the stretches of a curve between values that are not finite."""
    run: list[tuple[int, float]] = []
    for i, y in points:
        if math.isfinite(y):
            run.append((i, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _best(points: list[tuple[int, float]], name: str) -> tuple[int, float]:
    good = [(i, y) for i, y in points if math.isfinite(y)] or [(0, math.nan)]
    larger = any(word in name for word in ("acc", "f1", "auc", "r2", "score", "precision", "recall"))
    return max(good, key=lambda p: p[1]) if larger else min(good, key=lambda p: p[1])
