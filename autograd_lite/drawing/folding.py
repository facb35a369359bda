"""Folding: fewer boxes for a large graph, by steps that can be told in a word and are never wrong about structure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite.drawing.partition import Group, Partition, Parts, Scope
from autograd_lite.drawing.record import NodeRecord
from autograd_lite.drawing.words import sign_of

__all__ = ["cut", "fold_equal", "fold_repeats"]

_WORK = 2_000_000  # comparisons of items while looking for repetitions
_LONGEST_PERIOD = 64


class _Interner:
    """Gives equal things equal small numbers."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, thing: Any) -> int:
        return self._numbers.setdefault(thing, len(self._numbers))


def _kind(node: NodeRecord) -> tuple[Any, ...]:
    """What two nodes must have in common to look alike."""
    return node.kind, node.op, node.shape, node.dtype, node.face, node.params


@dataclass(slots=True)
class _Item:
    """A step of a sequence in which repetitions are looked for: the nodes of a module call, of a box, or a node."""

    nodes: list[int]
    title: str
    is_open: bool = False
    kind: int = -1
    refs: tuple[Any, ...] = ()  # the items that are its operands
    back: tuple[Any, ...] = ()  # how far back they are
    leaves: frozenset[int] = frozenset()


def fold_repeats(part: Partition, scoped: bool = True, collapsed_only: bool = False) -> None:
    """Leave the first of several equal steps in a row as it is, and put the others into one box.

    ``×N`` is said only where all N steps use the same parameters, ``+N more`` where each has its own.

    Parameters
    ----------
    part : Partition
    scoped : bool
        Whether steps are looked for inside each module, or among all the boxes.
    collapsed_only : bool
        Whether only steps with collapsed modules count.
    """
    if not scoped:
        _fold_level(part, (), scoped, collapsed_only)
        return
    scopes = {n.scope[:k] for n in part.record.nodes for k in range(len(n.scope) + 1)}
    for scope in sorted(scopes | {()}, key=lambda s: (len(s), s)):
        _fold_level(part, scope, scoped, collapsed_only)


def _fold_level(part: Partition, scope: Scope, scoped: bool, collapsed_only: bool) -> None:
    items = _sequence(part, scope, scoped)
    if items is None or len(items) < 3:
        return
    _describe(part, items)
    at = 0
    runs = _runs(items, collapsed_only)
    while at < len(items):
        period, length = max(
            ((p, run[at]) for p, run in runs.items()), key=lambda pr: (pr[0] * (pr[1] // pr[0]), -pr[0]), default=(1, 0)
        )
        repeats = length // period
        if period * repeats < 2:
            at += 1
            continue
        first = items[at : at + period]
        rest = items[at + period : at + period * (repeats + 1)]
        if collapsed_only and all(part.key[i] == i for item in first for i in item.nodes):
            at += 1
            continue
        _fold(part, scope, first, rest, repeats)
        at += period * (repeats + 1)


def _fold(part: Partition, scope: Scope, first: list[_Item], rest: list[_Item], repeats: int) -> None:
    period = len(first)
    periods = [first] + [rest[k : k + period] for k in range(0, len(rest), period)]
    leaves = [frozenset().union(*(item.leaves for item in items)) for items in periods]
    same = bool(leaves[0]) and all(other == leaves[0] for other in leaves)
    names = [item.title for item in rest]
    if len(names) == 1:
        title = names[0]
    elif period <= 3:
        kinds = [item.title for item in first]
        title = ", ".join(kinds) if set(names) <= set(kinds) else f"{names[0]} … {names[-1]}"
    else:
        title = f"{names[0]} … {names[-1]}"
    line = f"×{repeats + 1:,} in all, the same parameters" if same else f"+{repeats:,} more like the first"
    home = {i: k for k, items in enumerate(periods[1:]) for item in items for i in item.nodes}
    record = part.record
    inside = dict(home)
    for i, k in home.items():  # leaves that nothing else uses go along
        for x in part.operands[i]:
            if record.nodes[x].op is None and all(u in home for u in part.uses[x] if part.key[u] is not None):
                inside.setdefault(x, k)
    drawn = sorted(i for i in inside if part.key[i] is not None)
    part.group(drawn, Group("fold", title, line, scope, _split(drawn, inside)))


def _split(nodes: list[int], home: dict[int, int]) -> Parts:
    parts: dict[int, list[int]] = {}
    for i in nodes:
        parts.setdefault(home[i], []).append(i)
    return tuple(tuple(parts[k]) for k in sorted(parts))


def _sequence(part: Partition, scope: Scope, scoped: bool) -> list[_Item] | None:
    """Return the items directly inside a scope in topological order, or None if they are not ordered."""
    depth = len(scope)
    found: dict[Hashable, _Item] = {}
    nodes = part.record.nodes
    for i, key in enumerate(part.key):
        node = nodes[i]
        if key is None or node.op is None:
            continue
        around = part.scope_of(i)
        if scoped and around[:depth] != scope:
            continue
        group = part.groups.get(key)
        if scoped and len(around) > depth:
            name: Hashable = ("call", around[depth])
            title = around[depth]
        else:
            name = ("box", key)
            title = group.title if group is not None else sign_of(node)
        if name not in found:
            found[name] = _Item([], title, is_open=len(around) > depth)
        found[name].nodes.append(i)
    return _ordered(part, list(found.values()))


def _ordered(part: Partition, items: list[_Item]) -> list[_Item] | None:
    home = {i: k for k, item in enumerate(items) for i in item.nodes}
    before = [{home[x] for i in it.nodes for x in part.operands[i] if x in home} - {k} for k, it in enumerate(items)]
    order: list[int] = []
    done: set[int] = set()
    for start in range(len(items)):
        stack = [start]
        while stack:
            k = stack[-1]
            waiting = [b for b in before[k] if b not in done]
            if k in done:
                stack.pop()
            elif not waiting:
                done.add(k)
                order.append(k)
                stack.pop()
            elif len(stack) > len(items):
                return None  # a circle: items of which each needs the other
            else:
                stack.append(min(waiting))
    return [items[k] for k in order]


def _describe(part: Partition, items: list[_Item]) -> None:
    """Give every item its inner structure, what it refers to outside itself, and the leaves that it uses."""
    intern = _Interner()
    nodes = part.record.nodes
    home = {i: k for k, item in enumerate(items) for i in item.nodes}
    roots = {int(r[1:]) for r in part.record.roots}
    for k, item in enumerate(items):
        place = {i: at for at, i in enumerate(item.nodes)}
        inner: list[Any] = []
        refs: list[Any] = []
        leaves = set()
        for i in item.nodes:
            wires: list[Any] = []
            for x in part.operands[i]:
                if x in place:
                    wires.append(place[x])
                elif nodes[x].op is None and not _is_data(nodes[x]):
                    wires.append((nodes[x].kind, nodes[x].shape))
                    if nodes[x].kind == "leaf":
                        leaves.add(x)
                else:
                    wires.append(("outside", nodes[x].shape))
                    refs.append(home.get(x, (_DATA if nodes[x].op is None else "outside", x)))
            inner.append((_kind(nodes[i]), tuple(wires), i in roots))
        item.kind = intern(tuple(inner))
        item.leaves = frozenset(leaves)
        item.refs = tuple(refs)
        item.back = tuple(r - k if type(r) is int else r for r in refs)


_DATA = "data"


def _is_data(node: NodeRecord) -> bool:
    return node.kind == "constant" and node.face == "tensor"


def _alike(a: _Item, b: _Item) -> bool:
    """Return whether the operands of two items are alike: each as far back, the very same, or data to begin with."""
    return a.back == b.back or all(
        x == y or u == v or (type(x) is tuple and x[0] == _DATA)
        for x, y, u, v in zip(a.refs, b.refs, a.back, b.back, strict=True)
    )


def _runs(items: list[_Item], collapsed_only: bool) -> dict[int, list[int]]:
    """Return, for each period and place, how many items from there on are followed by their like after a period."""
    longest = min(_LONGEST_PERIOD, len(items) // 2, max(2, _WORK // len(items)))
    found = {}
    kinds = np.array([item.kind for item in items])
    for period in range(1, longest + 1):
        run = [0] * (len(items) + 1)
        for start, end in _stretches(kinds[:-period] == kinds[period:], period):
            for at in range(end - 1, start - 1, -1):
                a = items[at]
                if not (collapsed_only and a.is_open) and _alike(a, items[at + period]):
                    run[at] = run[at + 1] + 1
        if max(run) >= period:
            found[period] = run
        if 10 * max(run) > 9 * len(items):
            break
    return found


def _stretches(same: np.ndarray[Any, Any], least: int) -> list[tuple[int, int]]:
    """Return where an array is true at least so many times in a row, as (start, end)."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    found = turns.reshape(-1, 2)
    return [(a, b) for a, b in found[found[:, 1] - found[:, 0] >= least].tolist()]


def fold_equal(part: Partition) -> None:
    """Put boxes of equal structure, all the way down to the leaves, into one box."""
    record = part.record
    intern = _Interner()
    roots = {int(r[1:]) for r in record.roots}
    boxes: dict[Hashable, list[int]] = {}
    for i, key in enumerate(part.key):
        if key is not None:
            boxes.setdefault(key, []).append(i)
    kind: dict[Hashable, int] = {}
    for key, inside in boxes.items():
        wires = []
        for i in inside:
            wires += [kind.get(part.key[x], -1) for x in part.operands[i] if part.key[x] != key]
        own = tuple(_kind(record.nodes[i]) for i in inside)
        kind[key] = intern((own, tuple(wires), any(i in roots for i in inside)))
    used_by: dict[Hashable, set[int]] = {}
    for key, inside in boxes.items():
        for i in inside:
            for x in part.operands[i]:
                if record.nodes[x].op is None:
                    used_by.setdefault(part.key[x], set()).add(kind[key])
    alike: dict[Any, list[Hashable]] = {}
    for key in boxes:
        # Leaves are alike only if they are used alike: the weights of two layers stay apart.
        alike.setdefault((kind[key], frozenset(used_by.get(key, ()))), []).append(key)
    for keys in alike.values():
        if len(keys) > 1:
            inside = sorted(i for key in keys for i in boxes[key])
            node, group = record.nodes[inside[0]], part.groups.get(keys[0])
            title = group.title if group is not None else sign_of(node) if node.op else _PLURAL[node.kind]
            scope = part.scope_of(inside[0])
            if any(part.scope_of(i) != scope for i in inside):
                scope = ()
            parts = tuple(tuple(boxes[key]) for key in keys)
            part.group(inside, Group("fold", title, f"{len(keys):,} of equal structure", scope, parts))


_PLURAL = {"leaf": "leaves", "constant": "constants", "result": "results"}


def cut(part: Partition, max_boxes: int) -> None:
    """Draw only the boxes that are fewest links away from a root."""
    inside: dict[Hashable, list[int]] = {}
    for i, key in enumerate(part.key):
        if key is not None:
            inside.setdefault(key, []).append(i)
    reached = dict.fromkeys(key for r in part.record.roots if (key := part.key[int(r[1:])]) is not None)
    queue = list(reached)
    for key in queue:
        if len(reached) >= max_boxes:
            break
        for i in reversed(inside[key]):
            for x in part.operands[i]:
                near = part.key[x]
                if near is not None and near not in reached and len(reached) < max_boxes:
                    reached[near] = None
                    queue.append(near)
    if not reached:  # the roots themselves are not drawn: take the last boxes
        reached = dict.fromkeys(list(inside)[-max_boxes:])
    part.keep({i for i, key in enumerate(part.key) if key in reached})
