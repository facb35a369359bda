"""DOT source of a view. The same view gives the same text; every text in it is escaped."""

from __future__ import annotations

import html
from dataclasses import dataclass

from autograd_lite.drawing.record import finite
from autograd_lite.drawing.view import Box, Link, View
from autograd_lite.drawing.words import clean, node_lines, number, numbers, rule, size, title_of

__all__ = ["DARK", "LIGHT", "Palette", "dot_body"]

_FONT = "Helvetica,Arial,sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours that the colour-blind can tell apart (after Okabe and Ito); each kind has a shape of its own too."""

    paper: str
    ink: str
    faint: str
    line: str
    back: str  # what flows backward: gradients and derivatives
    alarm: str
    cluster: tuple[str, str]
    leaf: tuple[str, str]
    constant: tuple[str, str]
    result: tuple[str, str]
    root: tuple[str, str]
    module: tuple[str, str]
    fold: tuple[str, str]


LIGHT = Palette(
    paper="#ffffff",
    ink="#1b1f24",
    faint="#5b6570",
    line="#7a8590",
    back="#7a2a9c",
    alarm="#b02a05",
    cluster=("#f5f7f9", "#c3cad1"),
    leaf=("#dcecf8", "#0068a3"),
    constant=("#f0f1f2", "#83898f"),
    result=("#fdfdfd", "#69737d"),
    root=("#fdebc8", "#a86400"),
    module=("#d9f0e7", "#00755a"),
    fold=("#f3e3ee", "#a04d80"),
)
DARK = Palette(
    paper="#14181d",
    ink="#e9edf1",
    faint="#a3aeb9",
    line="#7b8794",
    back="#d3a6f5",
    alarm="#ff8a5c",
    cluster=("#1b2128", "#3c4651"),
    leaf=("#123a56", "#62b5ea"),
    constant=("#262b31", "#8d959e"),
    result=("#20262d", "#93a0ad"),
    root=("#4d3608", "#f0b03f"),
    module=("#0f3d31", "#3fc49b"),
    fold=("#42233a", "#d98dbd"),
)

# Kind -> Graphviz shape and style.
_SHAPES = {
    "leaf": ("box", "filled"),
    "constant": ("box", "filled,dashed"),
    "result": ("box", "filled,rounded"),
    "module": ("tab", "filled"),
    "fold": ("box3d", "filled"),
}
_LEGEND = {
    "leaf": "leaf",
    "constant": "constant (dashed)",
    "result": "result (rounded)",
    "root": "root (double)",
    "module": "module (tab)",
    "fold": "folded (3-d)",
}


def dot_body(view: View, palette: Palette, rankdir: str, derivatives: bool = True, legend: bool = True) -> list[str]:
    """Return the lines between the braces of a digraph."""
    lines = [_graph_line(view, palette, rankdir, legend)]
    lines += [
        f'\tnode [fontname="{_FONT}" fontsize=11 margin="0.1,0.05" penwidth=1.2]\n',
        f'\tedge [fontname="{_FONT}" fontsize=10 color="{palette.line}" fontcolor="{palette.back}" arrowsize=0.7]\n',
    ]
    lines += _boxes(view, palette)
    operands: dict[str, int] = {}
    for edge in view.record.edges:
        operands[edge.target] = operands.get(edge.target, 0) + 1
    lines += [_link_line(view, link, palette, operands, derivatives) for link in view.links]
    return lines


def text(x: str, longest: int = 60) -> str:
    """Escape a text for an HTML-like label, in which Graphviz still expands backslashes."""
    return html.escape(clean(x, longest)).replace("\\", "\\\\")


def _quoted(x: str, longest: int = 400) -> str:
    return '"' + clean(x, longest).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _graph_line(view: View, palette: Palette, rankdir: str, legend: bool) -> str:
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is 'LR', 'TB', 'RL' or 'BT', got {rankdir!r}")
    caption = f'<tr><td colspan="9">{text(view.caption, 300)}</td></tr>'
    cells = ""
    if legend:
        kinds = [kind for kind in _SHAPES if any(b.kind == kind for b in view.boxes)] + ["root"]
        for kind in kinds:
            fill, border = getattr(palette, kind)
            style = {"constant": "dashed", "result": "rounded"}.get(kind, "")
            wide = ' border="2"' if kind == "root" else ' border="1"'
            cells += _legend_cell(_LEGEND[kind], fill, border, wide, style)
        cells = f'<tr>{cells}<td><font color="{palette.back}">arrow: local derivative</font></td></tr>'
    label = f'<table border="0" cellspacing="4" cellpadding="3">{cells}{caption}</table>'
    return (
        f'\tgraph [rankdir={rankdir} bgcolor="{palette.paper}" fontname="{_FONT}" fontsize=10 '
        f'fontcolor="{palette.faint}" color="{palette.line}" nodesep=0.25 ranksep=0.45 '
        f"{'newrank=true ' if view.is_unrolled else ''}labelloc=b label=<{label}>]\n"
    )


def _legend_cell(name: str, fill: str, border: str, wide: str, style: str) -> str:
    styled = f' style="{style}"' if style else ""
    return f'<td bgcolor="{fill}" color="{border}"{wide}{styled}>{name}</td>'


def _boxes(view: View, palette: Palette) -> list[str]:
    """Return the boxes, nested in a cluster for each open module."""
    lines: list[str] = []
    children: dict[tuple[str, ...], list[Box | tuple[str, ...]]] = {(): []}
    for box in view.boxes:
        for depth in range(1, len(box.scope) + 1):
            scope = box.scope[:depth]
            if scope not in children:
                children[scope] = []
                children[scope[:-1]].append(scope)
        children[box.scope].append(box)
    classes = dict(view.record.modules)
    clusters = 0
    stack: list[tuple[int, Box | tuple[str, ...] | None]] = [(1, x) for x in reversed(children[()])]
    while stack:
        depth, item = stack.pop()
        tab = "\t" * depth
        if item is None:
            lines.append(f"{tab}}}\n")
        elif isinstance(item, Box):
            lines.append(f"{tab}{_box_line(view, item, palette)}\n")
        else:
            name = text(item[-1])
            kind = text(classes.get(item[-1].partition("#")[0], ""))
            fill, border = palette.cluster
            lines.append(
                f"{tab}subgraph cluster_{clusters} {{ "
                f'graph [style="filled,rounded" fillcolor="{fill}" color="{border}" labelloc=t labeljust=l '
                f"label=<<b>{name}</b>&#160;{kind}>]\n"
            )
            clusters += 1
            stack.append((depth, None))
            stack += [(depth + 1, x) for x in reversed(children[item])]
    return lines


def _box_line(view: View, box: Box, palette: Palette) -> str:
    shape, style = _SHAPES[box.kind]
    fill, border = getattr(palette, "root" if box.is_root else box.kind)
    node = view.node(box)
    if node is None:
        rows = [_row(f"<b>{text(box.title)}</b>")]
        tip = f"{box.title}: {len(box.members)} nodes"
    else:
        rows = [_row(f'<font point-size="13"><b>{text(title_of(node))}</b></font>')]
        for what, said in node_lines(node):
            bad = what in ("data", "grad") and not finite(getattr(node, what))
            name = f'<font color="{palette.faint}">{what}</font>&#160;' if what in ("data", "grad") else ""
            said = text(said)
            if bad or what == "idle":
                said = f'<b><font color="{palette.alarm}">{said}</font></b>'
            elif what == "grad":
                said = f'<font color="{palette.back}">{said}</font>'
            rows.append(_row(name + said))
        tip = f"{node.id}: {node.formula or node.label or node.kind}"
        if node.source:
            tip += f" ({node.source})"
    rows += [_row(f'<font color="{palette.faint}">{text(x)}</font>') for x in box.lines]
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{"".join(rows)}</table>'
    double = " peripheries=2" if box.is_root and box.kind != "fold" else ""
    if box.kind == "fold":
        double = ' margin="0.16,0.11"'
    return (
        f'{box.id} [shape={shape} style="{style}"{double} fillcolor="{fill}" color="{border}" '
        f'fontcolor="{palette.ink}" tooltip={_quoted(tip)} label=<{table}>]'
    )


def _row(content: str) -> str:
    return f"<tr><td>{content}</td></tr>"


def _link_line(view: View, link: Link, palette: Palette, operands: dict[str, int], derivatives: bool) -> str:
    parts = []
    edge = link.edge
    if edge is not None and derivatives:
        target = view.record.nodes[int(edge.target[1:])]
        said = rule(edge, target, operands[edge.target])
        if said:
            rows = f"&#160;{text(said)}&#160;"
            if edge.local is None and edge.share is not None:
                rows += f'<br/><font color="{palette.faint}" point-size="9">{text(size(edge.share))}</font>'
            parts.append(f"label=<{rows}>")
        tip = f"{edge.source} to operand {edge.slot} of {edge.target}"
        if edge.rule:
            tip += f": {edge.rule}"
        if edge.share is not None:
            tip += f"; contributes {number(edge.share, 17) if isinstance(edge.share, float) else numbers(edge.share)}"
        parts.append(f"tooltip={_quoted(tip)} labeltooltip={_quoted(tip)}")
        if edge.share is None:
            parts.append("style=dashed")
    elif link.count > 1:
        parts.append(f'label="×{link.count}" fontcolor="{palette.faint}" penwidth=2')
    attributes = f" [{' '.join(parts)}]" if parts else ""
    return f"\t{link.source} -> {link.target}{attributes}\n"
