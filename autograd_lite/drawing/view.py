"""What of a graph record is drawn: boxes and links, with modules collapsed, repetitions folded and far nodes left out.

Every step is a partition of the nodes: ``key[i]`` is the box that node ``i`` is drawn in, None if it is not drawn.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from autograd_lite.drawing.folding import cut, fold_equal, fold_repeats
from autograd_lite.drawing.partition import Group, Partition, Parts
from autograd_lite.drawing.record import EdgeRecord, GraphRecord, NodeRecord
from autograd_lite.drawing.words import shape_text, title_of

__all__ = ["Box", "Link", "View", "built", "collapse_below", "fit", "group_lines", "view_of"]

MAX_BOXES = 150
Collapse = str | Iterable[str] | Callable[[str], bool] | None


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a picture: a node, or several.

    Attributes
    ----------
    id : str
        The node's id; ``g0``, ``g1``, ... for a group.
    members : tuple of int
        The indices of the nodes in it.
    kind : str
        "leaf", "constant" or "result" for a single node; "module" or "fold" for a group.
    title : str
    lines : tuple of str
        What is to be said of a group, and how many inputs are not drawn.
    scope : tuple of str
        The modules around it that are drawn open.
    is_root : bool
    parts : tuple of tuple of int
        Of a fold, the nodes of each of the equal things in it.
    """

    id: str
    members: tuple[int, ...]
    kind: str
    title: str
    lines: tuple[str, ...]
    scope: tuple[str, ...]
    is_root: bool
    parts: Parts = ()


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow: one edge of the graph, or the ``count`` edges between two boxes."""

    source: str
    target: str
    count: int
    edge: EdgeRecord | None


@dataclass(frozen=True, slots=True)
class View:
    """A record, and what is drawn of it."""

    record: GraphRecord
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    caption: str

    @property
    def is_unrolled(self) -> bool:
        """Whether a module is drawn open that was called more than twice: Graphviz must then rank across clusters."""
        calls = {call.partition("#")[2] for box in self.boxes for call in box.scope}
        return not calls <= {"", "2"}

    def node(self, box: Box) -> NodeRecord | None:
        """Return the node of a box that holds just one."""
        return self.record.nodes[box.members[0]] if box.kind in ("leaf", "constant", "result") else None


def view_of(
    record: GraphRecord,
    *,
    depth: int | None = None,
    collapse: Collapse = None,
    focus: str | None = None,
    radius: int = 2,
    max_boxes: int = MAX_BOXES,
    constants: bool = True,
) -> View:
    """Choose what is drawn.

    Parameters
    ----------
    record : GraphRecord
    depth : int, optional
        How many levels of modules are drawn open; by default as many as fit.
    collapse : str, list of str or callable, optional
        The modules to draw as one box: paths, with wildcards, or a function of the path.
    focus : str, optional
        The id or label of a node: only what is within ``radius`` edges of it is drawn.
    radius : int
    max_boxes : int
        At most so many boxes: modules are collapsed, repetitions folded, in the end far nodes left out, until it holds.
    constants : bool
        Whether constants are drawn.
    """
    if max_boxes < 1:
        raise ValueError(f"max_boxes is at least 1, got {max_boxes}")
    part = Partition(record)
    said = []
    if not constants:
        part.hide(i for i, n in enumerate(record.nodes) if n.kind == "constant" and n.id not in record.roots)
    if focus is not None:
        node = record.node(focus)
        part.keep(_around(part, node.index, radius))
        said.append(f"what is within {radius} edges of {node.label or node.id}")
    if collapse is not None:
        _collapse(part, _test_of(collapse))
    if depth is not None:
        collapse_below(part, depth)
    if part.collapsed:
        fold_repeats(part, collapsed_only=True)
    fit(part, max_boxes, said)
    return built(part, said)


def _around(part: Partition, start: int, radius: int) -> set[int]:
    reached = {start}
    front = [start]
    for _ in range(radius):
        near = {x for i in front for x in (*part.operands[i], *part.uses[i])} - reached
        reached |= near
        front = sorted(near)
    return reached


def _test_of(collapse: str | Iterable[str] | Callable[[str], bool]) -> Callable[[str], bool]:
    if callable(collapse):
        return collapse
    patterns = (collapse,) if isinstance(collapse, str) else tuple(collapse)
    return lambda path: any(fnmatch.fnmatchcase(path, p) for p in patterns)


def _path(call: str) -> str:
    """Return the path of a module from a call of it: ``cell#2`` is a call of ``cell``."""
    return call.partition("#")[0]


def _collapse(part: Partition, wanted: Callable[[str], bool]) -> None:
    for i, node in enumerate(part.record.nodes):
        for level, call in enumerate(node.scope):
            if wanted(_path(call)):
                part.collapse(i, node.scope[: level + 1])
                break


def collapse_below(part: Partition, depth: int) -> None:
    """Draw the modules that are deeper as one box each."""
    for i, node in enumerate(part.record.nodes):
        if len(node.scope) > depth:
            part.collapse(i, node.scope[: depth + 1])


def fit(part: Partition, max_boxes: int, said: list[str] | None) -> None:
    """Simplify step by step until there are at most ``max_boxes``, or, without ``said``, while nothing is left out."""
    if part.count() <= max_boxes:
        return
    levels = max((len(n.scope) for n in part.record.nodes), default=0)
    before = part.copy()
    fold_repeats(part)
    for depth in range(levels - 1, -1, -1):
        if part.count() <= max_boxes:
            break
        part.become(before)
        collapse_below(part, depth)
        fold_repeats(part)
    if part.count() > max_boxes or not levels:
        equal = before.copy()
        if levels:
            collapse_below(equal, 0)
        fold_equal(equal)
        fold_repeats(equal, scoped=False)
        if part.count() > max_boxes or equal.count() * 2 < part.count():
            part.become(equal)
    if part.count() > max_boxes and said is not None:
        cut(part, max_boxes)
        said.append("what is nearest to the root")


def built(part: Partition, said: list[str]) -> View:
    """Return the view that a partition makes."""
    record = part.record
    members: dict[Hashable, list[int]] = {}
    for i, key in enumerate(part.key):
        if key is not None:
            members.setdefault(key, []).append(i)
    roots = set(record.roots)
    names: dict[Hashable, str] = {}
    boxes = []
    groups = 0
    for key, inside in members.items():
        group = part.groups.get(key)
        is_root = any(record.nodes[i].id in roots for i in inside)
        if group is None:
            node = record.nodes[inside[0]]
            names[key] = node.id
            missing = sum(part.key[x] is None for x in part.operands[inside[0]])
            lines = (f"{missing} inputs not drawn" if missing > 1 else "1 input not drawn",) if missing else ()
            boxes.append(Box(node.id, (inside[0],), node.kind, title_of(node), lines, node.scope, is_root))
        else:
            names[key] = f"g{groups}"
            groups += 1
            boxes.append(_group_box(record, names[key], group, inside, is_root))
    return View(record, tuple(boxes), _links(part, names), _caption(part, boxes, said))


def _group_box(record: GraphRecord, name: str, group: Group, inside: list[int], is_root: bool) -> Box:
    lines = group_lines([record.nodes[i] for i in inside], group.kind, group.line)
    return Box(name, tuple(inside), group.kind, group.title, tuple(lines), group.scope, is_root, group.parts)


def group_lines(nodes: list[NodeRecord], kind: str, first: str = "") -> list[str]:
    """Return what is to be said of several nodes in one box, after its title."""
    ops = Counter(n.op for n in nodes if n.op is not None)
    lines = [first] if first else []
    if kind == "module":
        shapes = [n.shape for n in nodes if n.op is not None]
        if shapes and shapes[-1]:
            lines.append(f"out {shape_text(shapes[-1])}")
    if ops and (kind == "module" or len(ops) > 1):
        common = [f"{op} ×{k:,}" if k > 1 else op for op, k in ops.most_common(3)]
        lines.append(", ".join(common) + (f" and {len(ops) - 3} kinds more" if len(ops) > 3 else ""))
    size = sum(_size(n.shape) for n in nodes if n.kind == "leaf")
    if size and ops:
        lines.append(f"{size:,} leaf numbers" if kind == "fold" else f"{size:,} parameters")
    if any(n.op is not None for n in nodes) and f"{len(nodes):,}" != first.partition(" ")[0]:
        lines.append(f"{len(nodes):,} node{'s' if len(nodes) > 1 else ''}")
    return lines


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _links(part: Partition, names: dict[Hashable, str]) -> tuple[Link, ...]:
    found: dict[tuple[str, str], list[EdgeRecord]] = {}
    links: list[Link] = []
    single = set(names.values()) & {n.id for n in part.record.nodes}
    for edge in part.record.edges:
        source, target = (part.key[int(x[1:])] for x in (edge.source, edge.target))
        if source is None or target is None or source == target:
            continue
        a, b = names[source], names[target]
        if a in single and b in single:
            links.append(Link(a, b, 1, edge))
        else:
            found.setdefault((a, b), []).append(edge)
    links += [Link(a, b, len(edges), edges[0] if len(edges) == 1 else None) for (a, b), edges in found.items()]
    return tuple(links)


def _caption(part: Partition, boxes: list[Box], said: list[str]) -> str:
    total = len(part.key)
    drawn = sum(len(b.members) for b in boxes)
    single = sum(b.kind not in ("module", "fold") for b in boxes)
    if drawn < total:
        what = f": {', '.join(said)}" if said else ""
        text = f"Showing {drawn:,} of {total:,} nodes{what}"
    else:
        text = f"{total:,} node{'s' if total != 1 else ''}"
    groups = len(boxes) - single
    if groups:
        text += f", {drawn - single:,} of them in {groups:,} group{'s' if groups != 1 else ''}"
    if part.record.note:
        text += f"; {part.record.note}"
    return text
