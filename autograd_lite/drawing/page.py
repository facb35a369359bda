"""The interactive page: one HTML file with the graph, its layout and a stepper through its backward pass."""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Any, Unpack

from autograd_lite.drawing.layout import TIMEOUT, LayoutError
from autograd_lite.drawing.picture import VIEW_OPTIONS, Options, direction_of, record_of
from autograd_lite.drawing.placing import Placing, on_grid, place
from autograd_lite.drawing.record import EdgeRecord, GraphRecord, NodeRecord, Numbers, Summary
from autograd_lite.drawing.view import MAX_BOXES, Box, View, view_of
from autograd_lite.drawing.words import clean, node_lines, rule, title_of

__all__ = ["page_of"]

_OPEN = 300  # boxes that are drawn without folding, though they are not read at one glance
_MODULES = 1000  # the same, where modules can be collapsed
_SCRIPTS = ("page_data.js", "page_graph.js", "page_details.js", "page.js")
_PATIENCE = 5.0  # seconds for a layout, after which less is shown
_FEW = 100  # nodes; with more, only the tiniest arrays are given whole
_RIM = {"leaf": 0, "constant": 0, "result": 0, "root": 8, "module": 14, "fold": 6}  # what stands out of a box
_CHARACTER, _LINE = 7.3, 15.0  # of the page's 12-pixel monospaced font


def page_of(y: Any, **options: Unpack[Options]) -> str:
    """Return an HTML page that shows a graph.

    Parameters
    ----------
    y : Value, Tensor, a container of them, or GraphRecord
    **options
        See `Options`; ``depth`` and ``collapse`` say what is collapsed when the page opens.
    """
    record = record_of(y, options.get("names"))
    timeout = options.get("timeout", TIMEOUT)
    for content in _views(record, options):
        view, closed = content
        measures = _Measures(view)
        rankdir = options.get("rankdir") or direction_of(view)
        try:
            placing = place(view, measures.sizes, measures.widths, rankdir, min(timeout, _PATIENCE))
            break
        except LayoutError as error:
            placing = on_grid(view, measures.sizes, rankdir, str(error).replace("\n", " "))
    data = _data(view, placing, measures, closed)
    data["theme"] = options.get("theme", "auto")
    return _filled(data)


def _views(record: GraphRecord, options: Options) -> Iterator[tuple[View, list[str]]]:
    """Yield what the page may hold, and the modules that are collapsed when it opens: the most first."""
    chosen: dict[str, Any] = {k: v for k, v in options.items() if k in VIEW_OPTIONS}
    folded = view_of(record, **chosen)
    limit = chosen.pop("max_boxes", MAX_BOXES)
    scopes = {n.scope[: k + 1] for n in record.nodes for k in range(len(n.scope))}
    if len(record.nodes) <= (_MODULES if scopes else max(limit, _OPEN)):
        inner: dict[str, Any] = {k: chosen.pop(k) for k in ("depth", "collapse") if k in chosen}
        everything = view_of(record, max_boxes=len(record.nodes), **chosen)
        depths = reversed(range(max(map(len, scopes), default=0)))
        levels: list[dict[str, Any]] = [inner] if inner else [{}, *({"depth": d} for d in depths)]
        for level in levels:
            part = view_of(record, max_boxes=len(record.nodes), **chosen, **level)
            if len(part.boxes) <= limit or level is inner or not scopes:
                shown = {b.scope[: k + 1] for b in part.boxes for k in range(len(b.scope))}
                yield everything, sorted(_key(s) for s in scopes - shown)
                break
    yield folded, []


class _Measures:
    """What is written on the boxes and the arrows of a view, and how much room it takes."""

    def __init__(self, view: View) -> None:
        record = view.record
        self.uses = Counter(edge.source for edge in record.edges)
        operands = Counter(edge.target for edge in record.edges)
        self.said: list[str] = []
        self.widths: list[int] = []  # in characters
        for link in view.links:
            edge = link.edge
            if edge is None:
                self.said.append(f"×{link.count}")
            else:
                self.said.append(rule(edge, record.nodes[int(edge.target[1:])], operands[edge.target], 24))
            # A local derivative makes room for the product that stands there during a step.
            least = 14 if edge is not None and edge.local is not None else 0
            self.widths.append(max(len(self.said[-1]) + 1, least))
        self.inner = {box.id: self._size(view, box) for box in view.boxes}
        rims = {box.id: _RIM["root" if box.is_root else box.kind] for box in view.boxes}
        self.sizes = {key: (w + rims[key], h + rims[key]) for key, (w, h) in self.inner.items()}

    def _size(self, view: View, box: Box) -> tuple[float, float]:
        node = view.node(box)
        title, lines = _texts(view, box)
        widest = max([len(title) * 1.09, *(len(f"{what} {said}") for what, said in lines)])
        if node is not None and node.kind != "constant" and self.uses[node.id] > 1:
            widest = max(widest, 15)  # a partial sum may be longer than the whole
        return math.ceil(widest * _CHARACTER) + 22.0, 16.0 + _LINE * (len(lines) + 1)


def _key(scope: tuple[str, ...]) -> str:
    return "\x1f".join(scope)


def _texts(view: View, box: Box) -> tuple[str, list[tuple[str, str]]]:
    node = view.node(box)
    if node is None:
        return clean(box.title, 40), [("", clean(x)) for x in box.lines]
    lines = [(what if what in ("data", "grad") else "", said) for what, said in node_lines(node)]
    return title_of(node), lines + [("", x) for x in box.lines]


def _data(view: View, placing: Placing, measures: _Measures, closed: list[str]) -> dict[str, Any]:
    record = view.record
    shown = {b.members[0] for b in view.boxes if view.node(b) is not None}
    edges = [e for e in record.edges if int(e.source[1:]) in shown or int(e.target[1:]) in shown]
    place_of = {(e.source, e.target, e.slot): i for i, e in enumerate(edges)}
    largest = 64 if len(shown) <= _FEW else 8
    bad = record.first_nonfinite()
    boxes = []
    for box in view.boxes:
        title, lines = _texts(view, box)
        x, y = placing.boxes[box.id]
        w, h = measures.inner[box.id]
        entry = {"id": box.id, "kind": box.kind, "x": x, "y": y, "w": w, "h": h, "title": title, "lines": lines}
        entry |= {"scope": _key(box.scope), "root": box.is_root, "count": len(box.members)}
        boxes.append(entry)
    links: list[dict[str, Any]] = []
    for link, label, path, at in zip(view.links, measures.said, placing.paths, placing.labels, strict=True):
        edge = link.edge
        number = place_of.get((edge.source, edge.target, edge.slot)) if edge is not None else None
        links.append({"s": link.source, "t": link.target, "n": link.count, "edge": number, "said": label})
        links[-1] |= {"path": path, "at": at}
    classes = dict(record.modules)
    return {
        "caption": view.caption,
        "problem": placing.problem,
        "width": placing.width,
        "height": placing.height,
        "total": len(record.nodes),
        "nodes": {record.nodes[i].id: _node(record.nodes[i], largest) for i in sorted(shown)},
        "edges": [_edge(e, largest) for e in edges],
        "boxes": boxes,
        "links": links,
        "clusters": [
            {"key": _key(s), "name": clean(s[-1]), "kind": clean(classes.get(s[-1].partition("#")[0], "")), "at": at}
            for s, at in placing.clusters.items()
        ],
        "closed": [key for key in closed if key in {_key(s) for s in placing.clusters}],
        "roots": list(record.roots),
        "bad": [bad[0].id, bad[1]] if bad is not None else None,
    }


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
