"""A graph as a tree of text, for terminals, logs and screen readers."""

from __future__ import annotations

from autograd_lite.drawing.record import EdgeRecord, GraphRecord
from autograd_lite.drawing.words import node_lines, rule, title_of

__all__ = ["text_tree"]

_DEEPEST = 30  # levels of indentation


def text_tree(record: GraphRecord, max_lines: int = 200) -> str:
    """Return the graph as a tree that grows from its roots; what was shown before is referred to by its id.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import graph_of
    >>> x = Value(3.0, label="x")
    >>> print(text_tree(graph_of(x * x + 1)))
    n3 +  data 10  grad 1
    ├─ n1 ×  data 9  grad 1  (d = 1)
    │  ├─ n0 x  data 3  grad 6  (d = 3)
    │  └─ n0 x, see above  (d = 3)
    └─ n2 1
    """
    into: dict[str, list[EdgeRecord]] = {}
    for use in record.edges:
        into.setdefault(use.target, []).append(use)
    lines: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, EdgeRecord | None, str, str]] = [(root, None, "", "") for root in reversed(record.roots)]
    while stack and len(lines) < max_lines:
        key, edge, lead, below = stack.pop()
        node = record.nodes[int(key[1:])]
        line = f"{lead}{key} {title_of(node)}"
        operands = into.get(key, [])
        if key in seen and (operands or edge is not None):
            line += ", see above"
            operands = []
        else:
            line += "".join(
                f"  {what} {said}" if what in ("data", "grad") else f"  {said}" for what, said in node_lines(node)
            )
        seen.add(key)
        if edge is not None:
            derivative = rule(edge, record.nodes[int(edge.target[1:])], len(into[edge.target]), 60)
            line += f"  (d = {derivative})" if derivative else ""
        lines.append(line)
        for i in reversed(range(len(operands))):
            last = i == len(operands) - 1
            deeper = below + ("   " if last else "│  ")
            if len(deeper) > 3 * _DEEPEST:
                deeper = f"[{len(deeper) // 3 + _depth(below)}] "
            stack.append((operands[i].source, operands[i], below + ("└─ " if last else "├─ "), deeper))
    left = len(record.nodes) - len(seen)
    if stack and left:
        lines.append(f"… and {left:,} nodes more")
    return "\n".join(lines)


def _depth(lead: str) -> int:
    return int(lead[1 : lead.index("]")]) if lead.startswith("[") else 0
