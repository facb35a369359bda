"""Which box of a picture each node is drawn in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from autograd_lite.drawing.record import GraphRecord

__all__ = ["Group", "Partition", "Parts", "Scope"]

Scope = tuple[str, ...]
Parts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Several nodes in one box; ``parts`` are the equal things that were folded, where it is a fold of such."""

    kind: str
    title: str
    line: str
    scope: Scope
    parts: Parts = ()


class Partition:
    """Which box each node is in."""

    def __init__(self, record: GraphRecord) -> None:
        self.record = record
        self.key: list[Hashable] = list(range(len(record.nodes)))
        self.groups: dict[Hashable, Group] = {}
        self.collapsed = False
        self.operands: list[list[int]] = [[] for _ in record.nodes]
        self.uses: list[list[int]] = [[] for _ in record.nodes]
        for edge in record.edges:
            source, target = int(edge.source[1:]), int(edge.target[1:])
            self.operands[target].append(source)
            self.uses[source].append(target)

    def copy(self) -> Partition:
        twin = object.__new__(Partition)
        twin.__dict__.update(self.__dict__)
        twin.key, twin.groups = list(self.key), dict(self.groups)
        return twin

    def become(self, other: Partition) -> None:
        self.key, self.groups = list(other.key), dict(other.groups)

    def count(self) -> int:
        return len(set(self.key) - {None})

    def hide(self, nodes: Iterable[int]) -> None:
        for i in nodes:
            self.key[i] = None

    def keep(self, nodes: set[int]) -> None:
        self.hide(i for i in range(len(self.key)) if i not in nodes)

    def collapse(self, i: int, scope: Scope) -> None:
        """Draw node ``i`` in the box of the module call at ``scope``, unless it is in a larger one."""
        if type(self.key[i]) is not int:
            return
        self.key[i] = key = ("module", scope)
        if key not in self.groups:
            path = scope[-1].partition("#")[0]
            kind = dict(self.record.modules).get(path, "")
            self.groups[key] = Group("module", scope[-1], kind, scope[:-1])
        self.collapsed = True

    def group(self, nodes: Iterable[int], group: Group) -> None:
        key = ("fold", len(self.groups))
        self.groups[key] = group
        for i in nodes:
            self.key[i] = key

    def scope_of(self, i: int) -> Scope:
        """Return the modules drawn open around the box of node ``i``."""
        group = self.groups.get(self.key[i])
        return self.record.nodes[i].scope if group is None else group.scope
