"""The interactive page: one HTML file with the graph, its layout and a stepper through its backward pass."""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Unpack

from autograd_lite.drawing.layout import TIMEOUT, LayoutError
from autograd_lite.drawing.levels import Level, levels_of
from autograd_lite.drawing.picture import VIEW_OPTIONS, Options, direction_of, record_of
from autograd_lite.drawing.placing import Placing, Sheet, on_grid, place
from autograd_lite.drawing.record import EdgeRecord, GraphRecord, NodeRecord, Numbers, Summary
from autograd_lite.drawing.view import Box, View, group_lines, view_of
from autograd_lite.drawing.words import clean, node_lines, rule, title_of

__all__ = ["Page", "page_of"]

_OPEN = 300  # boxes that are drawn without folding, though they are not read at one glance
_SCRIPTS = ("page_data.js", "page_graph.js", "page_details.js", "page.js")
_PATIENCE = 8.0  # seconds for a layout, after which less is shown
_FEW = 100  # nodes; with more, only the tiniest arrays are given whole
_RIM = {"leaf": 0, "constant": 0, "result": 0, "root": 8, "module": 14, "fold": 6}  # what stands out of a box
_SINGLE = frozenset(("leaf", "constant", "result"))
_CHARACTER, _LINE = 7.3, 15.0  # of the page's 12-pixel monospaced font


class Page(str):
    """The text of a page, which a notebook shows as the page itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<a page of {len(self):,} characters>"

    def _repr_html_(self) -> str:
        style = "width:100%;height:640px;border:1px solid #8884;border-radius:6px"
        return f'<iframe title="Computation graph" style="{style}" srcdoc="{html.escape(self)}"></iframe>'


def page_of(y: Any, **options: Unpack[Options]) -> Page:
    """Return an HTML page that shows a graph; its modules and folded groups open and close in the page.

    Parameters
    ----------
    y : Value, Tensor, a container of them, or GraphRecord
    **options
        See `Options`; ``depth`` and ``collapse`` say what is collapsed when the page opens.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import page_of
    >>> page_of(Value(1.0).exp())[:15]
    '<!DOCTYPE html>'
    """
    record = record_of(y, options.get("names"))
    chosen: dict[str, Any] = {k: v for k, v in options.items() if k in VIEW_OPTIONS}
    if not any(n.scope for n in record.nodes):
        chosen.setdefault("max_boxes", _OPEN)
    view = view_of(record, **chosen)
    rankdir = options.get("rankdir") or direction_of(view)
    views = [view]
    if any(box.scope for box in view.boxes):
        views.append(view_of(record, **{**chosen, "depth": 0, "collapse": None}))
    uses, operands = (Counter(getattr(edge, end) for edge in record.edges) for end in ("source", "target"))
    trees = [[_Part(x, _Measures(x.view, uses, operands)) for x in levels_of(v)] for v in views]
    parts = [part for tree in trees for part in tree]
    sheets = [Sheet(part.level.view, part.measures.sizes, part.measures.widths) for part in parts]
    placings = _placed(sheets, rankdir, min(options.get("timeout", TIMEOUT), _PATIENCE))
    for part, placing in zip(parts, placings, strict=True):
        part.placing = placing
    if parts[0].placing.problem is not None and not chosen.keys() & {"depth", "collapse"}:
        trees = trees[-1:]  # a grid draws no frames around modules that are open from the start
        trees[0][0].placing = replace(trees[0][0].placing, problem=parts[0].placing.problem)
    data = _data(record, trees)
    data |= {"theme": options.get("theme", "auto"), "rankdir": rankdir}
    return Page(_filled(data))


def _placed(sheets: list[Sheet], rankdir: str, timeout: float) -> list[Placing]:
    """Place all levels by Graphviz; else the first, with the others on grids; else all on grids."""
    grids = [on_grid(sheet, rankdir, None) for sheet in sheets]
    try:
        return place(sheets, rankdir, timeout)
    except LayoutError as error:
        problem = str(error).replace("\n", " ")
    try:
        return [*place(sheets[:1], rankdir, timeout), *grids[1:]]
    except LayoutError:
        return [replace(grids[0], problem=problem), *grids[1:]]


class _Measures:
    """What is written on the boxes and the arrows of a view, and how much room it takes."""

    def __init__(self, view: View, uses: Counter[str], operands: Counter[str]) -> None:
        self.uses, self.operands = uses, operands
        self.widths: list[int] = []  # in characters
        for link in view.links:
            edge = link.edge
            # A local derivative makes room for the product that stands there during a step.
            least = 14 if edge is not None and edge.local is not None else 0
            said = f"×{link.count}" if edge is None else self.said(view.record, edge)
            self.widths.append(max(len(said) + 1, least))
        self.inner = {box.id: self._size(view, box) for box in view.boxes}
        rims = {box.id: _RIM["root" if box.is_root else box.kind] for box in view.boxes}
        self.sizes = {key: (w + rims[key], h + rims[key]) for key, (w, h) in self.inner.items()}

    def said(self, record: GraphRecord, edge: EdgeRecord) -> str:
        """Return what is written on the arrow of an edge."""
        return rule(edge, record.nodes[int(edge.target[1:])], self.operands[edge.target], 24)

    def _size(self, view: View, box: Box) -> tuple[float, float]:
        node = view.node(box)
        title, lines = _texts(view, box)
        mark = 2 if node is None else 0  # before the title of what can be opened
        widest = max([(len(title) + mark) * 1.09, *(len(f"{what} {said}") for what, said in lines)])
        if node is not None and node.kind != "constant" and self.uses[node.id] > 1:
            widest = max(widest, 15)  # a partial sum may be longer than the whole
        return math.ceil(widest * _CHARACTER) + 22.0, 16.0 + _LINE * (len(lines) + 1)


def _key(scope: tuple[str, ...], level: int) -> str:
    """Return a name for a module that is drawn open in a level; those of the levels below differ."""
    return "\x1f".join((f"{level}:{scope[0]}", *scope[1:]) if level and scope else scope)


@dataclass
class _Part:
    """A level, what is written in it, and where its boxes are."""

    level: Level
    measures: _Measures
    placing: Placing = field(init=False)


def _texts(view: View, box: Box) -> tuple[str, list[tuple[str, str]]]:
    node = view.node(box)
    if node is None:
        return clean(box.title, 40), [("", clean(x)) for x in box.lines]
    lines = [(what if what in ("data", "grad") else "", said) for what, said in node_lines(node)]
    return title_of(node), lines + [("", x) for x in box.lines]


def _data(record: GraphRecord, trees: list[list[_Part]]) -> dict[str, Any]:
    homes = [{i: box for part in tree for box in part.level.view.boxes for i in box.members} for tree in trees]
    shown = {i for home in homes for i, box in home.items() if box.kind in _SINGLE}
    edges = [e for e in record.edges if int(e.source[1:]) in shown or int(e.target[1:]) in shown]
    largest = 64 if len(shown) <= _FEW else 8
    bad = record.first_nonfinite()
    first = trees[0][0]
    return {
        "caption": first.level.view.caption,
        "problem": first.placing.problem,
        "total": len(record.nodes),
        "nodes": {record.nodes[i].id: _node(record.nodes[i], largest) for i in sorted(shown)},
        "edges": [_edge(e, largest) for e in edges],
        "trees": [
            {
                "levels": [_level(k, part) for k, part in enumerate(tree)],
                "links": _links(record, home, edges, first.measures),
            }
            for tree, home in zip(trees, homes, strict=True)
        ],
        "roots": list(record.roots),
        "bad": [bad[0].id, bad[1]] if bad is not None else None,
    }


def _links(record: GraphRecord, home: dict[int, Box], edges: list[EdgeRecord], measures: _Measures) -> list[list[Any]]:
    """Return the arrows between innermost boxes as [source, target, count, place in ``edges`` or None, label]."""
    number = {(e.source, e.target, e.slot): k for k, e in enumerate(edges)}
    links: list[list[Any]] = []
    many: Counter[tuple[str, str]] = Counter()
    for edge in record.edges:
        a, b = home.get(int(edge.source[1:])), home.get(int(edge.target[1:]))
        if a is None or b is None or a is b:
            continue
        if a.kind in _SINGLE or b.kind in _SINGLE:
            said = measures.said(record, edge)
            links.append([a.id, b.id, 1, number[edge.source, edge.target, edge.slot], said])
        else:
            many[a.id, b.id] += 1
    return links + [[a, b, n, None, ""] for (a, b), n in many.items()]


def _level(number: int, part: _Part) -> dict[str, Any]:
    view, placing, measures = part.level.view, part.placing, part.measures
    boxes = []
    for box in view.boxes:
        title, lines = _texts(view, box)
        x, y = placing.boxes[box.id]
        w, h = measures.inner[box.id]
        entry = {"id": box.id, "kind": box.kind, "x": x, "y": y, "w": w, "h": h, "title": title, "lines": lines}
        entry |= {"scope": _key(box.scope, number), "root": box.is_root, "count": len(box.members)}
        boxes.append(entry)
    paths = [
        [link.source, link.target, path, at]
        for link, path, at in zip(view.links, placing.paths, placing.labels, strict=True)
        if path
    ]
    classes = dict(view.record.modules)
    clusters = []
    for scope, at in placing.clusters.items():
        kind = clean(classes.get(scope[-1].partition("#")[0], ""))
        lines = [("", said) for said in _about(view, scope)]
        clusters.append({"key": _key(scope, number), "name": clean(scope[-1]), "kind": kind, "at": at, "lines": lines})
    return {"owner": part.level.owner, "boxes": boxes, "paths": paths, "clusters": clusters}


def _about(view: View, scope: tuple[str, ...]) -> list[str]:
    """Return what is said of an open module when it is closed."""
    inside = [i for box in view.boxes if box.scope[: len(scope)] == scope for i in box.members]
    return group_lines([view.record.nodes[i] for i in inside], "module")


def _node(node: NodeRecord, largest: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": node.kind, "face": node.face, "dtype": node.dtype, "bytes": node.bytes}
    entry["shape"] = node.shape
    entry |= {name: _numbers(getattr(node, name), largest) for name in ("data", "grad", "stored")}
    for name in ("op", "symbol", "formula", "label", "source", "note"):
        text = getattr(node, name)
        if text is not None:
            entry[name] = clean(text, 400)
    if node.params:
        entry["params"] = [[clean(k), clean(v, 400)] for k, v in node.params]
    if node.scope:
        entry["scope"] = [clean(s) for s in node.scope]
    if node.idle is not None:
        entry["idle"] = node.idle
    return entry


def _edge(edge: EdgeRecord, largest: int) -> list[Any]:
    return [edge.source, edge.target, edge.slot, _number(edge.local), edge.rule, _numbers(edge.share, largest)]


def _number(x: float | None) -> float | str | None:
    """Return a number as JSON has it; what it has not as a word."""
    return x if x is None or math.isfinite(x) else "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"


def _short(x: float | None) -> float | str | None:
    return float(f"{x:.6g}") if x is not None and math.isfinite(x) else _number(x)


def _numbers(x: Numbers, largest: int) -> Any:
    if not isinstance(x, Summary):
        return _number(x)
    entry: dict[str, Any] = {"norm": _short(x.norm), "min": _short(x.min), "mean": _short(x.mean), "max": _short(x.max)}
    entry |= {"zeros": _short(x.zeros), "nan": x.nan, "inf": x.inf}
    if x.data is not None and len(x.data) <= largest:
        entry["data"] = [_short(v) for v in x.data]
    return entry


def _filled(data: dict[str, Any]) -> str:
    here = resources.files(__package__)

    def read(name: str) -> str:
        return here.joinpath(name).read_text(encoding="utf-8")

    # No text of the data can end the script element, or be read as markup.
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        content = content.replace(c, f"\\u{ord(c):04x}")
    script = "(() => {\n'use strict';\n" + "\n".join(read(name) for name in _SCRIPTS) + "\n})();"
    title = html.escape(f"Computation graph: {data['caption']}")
    parts = {"TITLE": title, "STYLE": read("page.css"), "SCRIPT": script, "DATA": content}
    return re.sub("%(TITLE|STYLE|SCRIPT|DATA)%", lambda match: parts[match[1]], read("page.html"))
