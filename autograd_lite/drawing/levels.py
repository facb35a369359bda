"""What an interactive page can show: the picture it opens with and, level below level, the insides of its groups."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograd_lite.drawing.partition import Group, Partition, Parts
from autograd_lite.drawing.record import EdgeRecord, GraphRecord
from autograd_lite.drawing.view import Box, View, built, collapse_below, fit

__all__ = ["Level", "levels_of"]

_BOXES = 2000  # in all levels together
_LEVELS = 200
_REFUSED = 10  # groups that do not fit any more, after which no smaller one is looked for
_INSIDE = 60  # boxes in one group, when it is opened


@dataclass(frozen=True)
class Level:
    """The inside of a box.

    Attributes
    ----------
    owner : str or None
        The id of the box; None for the picture that the page opens with.
    view : View
        Of the whole record: its boxes have the nodes' own ids, their scopes begin inside the owner.
    """

    owner: str | None
    view: View


def levels_of(view: View) -> list[Level]:
    """Return a view and the insides of its groups, of their groups and so on, the outer ones first, up to a limit."""
    index = _Index(view.record)
    levels = [Level(None, view)]
    total = len(view.boxes)
    groups = sum(view.node(b) is None for b in view.boxes)
    waiting = deque(b for b in view.boxes if view.node(b) is None)
    refused = 0
    while waiting and len(levels) < _LEVELS and refused < _REFUSED:
        box = waiting.popleft()
        inside = index.inside(box, groups)
        if total + len(inside.boxes) > _BOXES:
            refused += 1
            continue
        total += len(inside.boxes)
        levels.append(Level(box.id, inside))
        within = [b for b in inside.boxes if inside.node(b) is None]
        groups += len(within)
        waiting.extend(within)
    return levels


class _Index:
    """A record, and what finds parts of it quickly."""

    def __init__(self, record: GraphRecord) -> None:
        self.record = record
        self.into: dict[str, list[EdgeRecord]] = {}
        for edge in record.edges:
            self.into.setdefault(edge.target, []).append(edge)

    def inside(self, box: Box, groups: int) -> View:
        """Return the view of what a group holds; its own groups are numbered from ``groups`` on."""
        depth = len(box.scope) + (box.kind == "module")
        record, edges = self._part(box.members, depth)
        place = {i: j for j, i in enumerate(box.members)}
        parts = tuple(tuple(place[i] for i in part) for part in box.parts)
        return self._whole(_opened(record, box.title, parts), box.members, edges, groups)

    def _part(self, members: Sequence[int], depth: int) -> tuple[GraphRecord, dict[int, EdgeRecord]]:
        """Return some nodes as a record of their own, and its edges' counterparts in the whole, by identity."""
        nodes = [self.record.nodes[i] for i in members]
        ids = {node.id: f"n{j}" for j, node in enumerate(nodes)}
        edges = []
        whole = {}
        for node in nodes:
            for edge in self.into.get(node.id, ()):
                if edge.source in ids:
                    edges.append(edge._replace(source=ids[edge.source], target=ids[edge.target]))
                    whole[id(edges[-1])] = edge
        inner = tuple(node._replace(id=ids[node.id], scope=node.scope[depth:]) for node in nodes)
        roots = tuple(ids[r] for r in self.record.roots if r in ids)
        return GraphRecord(inner, tuple(edges), roots, self.record.modules), whole

    def _whole(self, view: View, members: Sequence[int], edges: dict[int, EdgeRecord], groups: int) -> View:
        """Return the view of a part as one of the whole record."""
        names: dict[str, str] = {}
        boxes = []
        for box in view.boxes:
            if view.node(box) is None:
                names[box.id] = f"g{groups}"
                groups += 1
            else:
                names[box.id] = self.record.nodes[members[box.members[0]]].id
            inside: Any = tuple(members[i] for i in box.members)
            parts = tuple(tuple(members[i] for i in part) for part in box.parts)
            boxes.append(replace(box, id=names[box.id], members=inside, parts=parts))
        links = tuple(
            replace(x, source=names[x.source], target=names[x.target], edge=edges[id(x.edge)] if x.edge else None)
            for x in view.links
        )
        return View(self.record, tuple(boxes), links, view.caption)


def _opened(record: GraphRecord, title: str, parts: Parts) -> View:
    """Choose what is drawn of an opened group: as much as fits, and nothing is left out."""
    part = Partition(record)
    deepest = max(len(n.scope) for n in record.nodes)
    closed = part.copy()
    for depth in range(deepest, -1, -1):
        part.become(closed)
        collapse_below(part, depth)
        if part.count() <= _INSIDE and not _is_one(part):
            return built(part, [])
    part.become(closed)
    if len(parts) > 1:
        _cut_into_runs(part, title, parts)
        return built(part, [])
    fit(part, _INSIDE, None)
    if part.count() > _INSIDE or _is_one(part):
        boxes = [tuple(nodes) for nodes in _boxes(part)]
        part.become(closed)
        _cut_into_runs(part, title, tuple(boxes) if len(boxes) > 1 else tuple((i,) for i in range(len(record.nodes))))
    return built(part, [])


def _is_one(part: Partition) -> bool:
    """Return whether all is in one group, which says no more than the one that is being opened."""
    return part.count() == 1 and part.key[0] in part.groups


def _boxes(part: Partition) -> Iterator[list[int]]:
    found: dict[Any, list[int]] = {}
    for i, key in enumerate(part.key):
        found.setdefault(key, []).append(i)
    yield from found.values()


def _cut_into_runs(part: Partition, title: str, parts: Parts) -> None:
    """Put parts that follow each other into groups, so large that each shows its nodes, or runs again, when opened."""
    count = len(parts)
    size = max(1, _INSIDE * count // len(part.key))
    runs = math.ceil(count / size)
    if runs > _INSIDE:
        size *= math.ceil(math.sqrt(runs))
    for start in range(0, count, size):
        run = parts[start : start + size]
        nodes = sorted(i for one in run for i in one)
        if len(nodes) > 1:
            end = start + len(run)
            line = f"{end:,} of {count:,}" if size == 1 else f"{start + 1:,} to {end:,} of {count:,}"
            part.group(nodes, Group("fold", title, line, (), run if len(run) > 1 else ()))
