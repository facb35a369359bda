"""Where the boxes of an interactive page are: from Graphviz, or on a plain grid where that is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autograd_lite.drawing.layout import NEXT, run_graphviz
from autograd_lite.drawing.view import Box, View

__all__ = ["Placing", "Sheet", "on_grid", "place"]

Point = tuple[float, float]
Scope = tuple[str, ...]


@dataclass(frozen=True)
class Placing:
    """Coordinates in pixels, y downwards.

    Attributes
    ----------
    width, height : float
    boxes : dict
        Box id -> centre.
    paths : list
        For each link of the view the control points of its Bézier curves, empty where a straight line does.
    labels : list
        For each link the centre of its label, or None.
    clusters : dict
        Scope -> (left, top, right, bottom).
    problem : str or None
        Why it is a grid.
    """

    width: float
    height: float
    boxes: dict[str, Point]
    paths: list[list[Point]]
    labels: list[Point | None]
    clusters: dict[Scope, tuple[float, float, float, float]]
    problem: str | None = None


@dataclass(frozen=True)
class Sheet:
    """A view to be placed: the sizes of its boxes in pixels, and how long the labels of its links are."""

    view: View
    sizes: dict[str, Point]
    labels: list[int]


def place(sheets: Sequence[Sheet], rankdir: str, timeout: float) -> list[Placing]:
    """Place the boxes of several views by one run of Graphviz, those without any links in rows.

    Raises
    ------
    LayoutError
        Where Graphviz is missing, fails or takes too long.
    """
    linked = [sheet for sheet in sheets if sheet.view.links]
    scopes: list[list[Scope]] = [[] for _ in linked]
    sources = [_source(s.view, s.sizes, s.labels, rankdir, into) for s, into in zip(linked, scopes, strict=True)]
    text = run_graphviz(NEXT.join(sources), "json", timeout).decode() if sources else ""
    found = {}
    for sheet, inner in zip(linked, scopes, strict=True):
        content, end = json.JSONDecoder().raw_decode(text)
        text = text[end:].lstrip()
        found[id(sheet)] = _read(content, sheet.view, inner)
    return [found.get(id(sheet)) or on_grid(sheet, rankdir, None) for sheet in sheets]


def _source(view: View, sizes: dict[str, Point], labels: list[int], rankdir: str, scopes: list[Scope]) -> str:
    lines = [
        f"digraph {{ graph [rankdir={rankdir} nodesep=0.3 ranksep=0.5 {'newrank=true' if view.is_unrolled else ''}]",
        'node [shape=box fixedsize=true label=""] edge [fontname=Courier fontsize=11 arrowhead=none]',
    ]
    inside: dict[Scope, list[str]] = {(): []}
    for box in view.boxes:
        for depth in range(1, len(box.scope) + 1):
            inside.setdefault(box.scope[:depth], [])
        w, h = sizes[box.id]
        inside[box.scope].append(f"{box.id} [width={w / 72:.3f} height={h / 72:.3f}]")
    lines += inside[()]
    stack: list[Scope | None] = []
    stack += [s for s in inside if len(s) == 1][::-1]
    while stack:
        scope = stack.pop()
        if scope is None:
            lines.append("}")
            continue
        room = "M" * min(len(scope[-1]), 30)
        lines.append(f'subgraph cluster_{len(scopes)} {{ label="{room}" labeljust=l margin=10')
        scopes.append(scope)
        lines += inside[scope]
        stack.append(None)
        stack += [s for s in inside if len(s) == len(scope) + 1 and s[:-1] == scope][::-1]
    for i, (link, label) in enumerate(zip(view.links, labels, strict=True)):
        room = "0" * label
        lines.append(f'{link.source} -> {link.target} [id={i} label="{room}"]')
    return "\n".join([*lines, "}"])


def _read(layout: dict[str, Any], view: View, scopes: list[Scope]) -> Placing:
    _, _, width, height = map(float, layout["bb"].split(","))

    def point(text: str) -> Point:
        x, y = text.split(",")
        return round(float(x), 1), round(height - float(y), 1)

    boxes = {}
    clusters = {}
    for item in layout.get("objects", ()):
        name = item["name"]
        if name.startswith("cluster_") and "bb" in item:
            left, low, right, high = map(float, item["bb"].split(","))
            clusters[scopes[int(name[8:])]] = (left, height - high, right, height - low)
        elif "pos" in item:
            boxes[name] = point(item["pos"])
    paths: list[list[Point]] = [[] for _ in view.links]
    labels: list[Point | None] = [None for _ in view.links]
    for edge in layout.get("edges", ()):
        i = int(edge["id"])
        paths[i] = [point(p) for p in edge["pos"].split() if p[0] not in "es"]
        labels[i] = point(edge["lp"]) if "lp" in edge else None
    return Placing(width, height, boxes, paths, labels, clusters)


def on_grid(sheet: Sheet, rankdir: str, problem: str | None) -> Placing:
    """Put each box into the row after the last of its operands, and the rows below each other."""
    view, sizes = sheet.view, sheet.sizes
    row = _rows(view)
    rows: dict[int, list[Box]] = {}
    for box in view.boxes:
        rows.setdefault(row[box.id], []).append(box)
    across, along = (1, 0) if rankdir in ("LR", "RL") else (0, 1)
    boxes: dict[str, Point] = {}
    at, widest = 20.0, 0.0
    for _, inside in sorted(rows.items()):
        thick = max(sizes[b.id][along] for b in inside)
        left = 20.0
        for box in inside:
            size = sizes[box.id][across]
            centre = [0.0, 0.0]
            centre[across], centre[along] = left + size / 2, at + thick / 2
            boxes[box.id] = (centre[0], centre[1])
            left += size + 40
        widest = max(widest, left)
        at += thick + (70 if view.links else 24)
    extent = (widest, at) if across == 0 else (at, widest)
    nothing: list[list[Point]] = [[] for _ in view.links]
    return Placing(*extent, boxes, nothing, [None for _ in view.links], {}, problem)


def _rows(view: View) -> dict[str, int]:
    """Return the row of each box: after its operands; without any links, so that all together is about a square."""
    if not view.links:
        long = math.ceil(math.sqrt(len(view.boxes)))
        return {box.id: i // long for i, box in enumerate(view.boxes)}
    into: dict[str, list[str]] = {}
    uses: dict[str, list[str]] = {}
    for link in view.links:
        into.setdefault(link.target, []).append(link.source)
        uses.setdefault(link.source, []).append(link.target)
    row: dict[str, int] = {}
    for box in sorted(view.boxes, key=lambda b: b.members[-1]):
        row[box.id] = 1 + max((row[s] for s in into.get(box.id, ()) if s in row), default=-1)
    for link in reversed(view.links):  # leaves come down to their first use
        if link.source not in into:
            row[link.source] = min(row[target] for target in uses[link.source]) - 1
    return row
