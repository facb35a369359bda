"""The graph record: a frozen snapshot of a computation graph, as plain data, and its JSON.

It holds no node and no array of the engine, so it can be kept, sent and drawn again elsewhere.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple, TypeVar

__all__ = ["SCHEMA", "EdgeRecord", "GraphRecord", "NodeRecord", "Numbers", "Summary"]

SCHEMA = "autograd_lite.graph/1"

T = TypeVar("T")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file can hold as it is


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of an array: all of it when it is small, else its statistics.

    Attributes
    ----------
    norm : float
        The Euclidean norm of all entries, NaN if there is one.
    min, mean, max : float or None
        Of the finite entries; None where there are none.
    zeros : float
        The share of entries that are exactly 0.
    nan, inf : int
        How many entries are NaN, and how many infinite.
    data : tuple of float or None
        The entries in C order, when they are few.
    """

    norm: float
    min: float | None = None
    mean: float | None = None
    max: float | None = None
    zeros: float = 0.0
    nan: int = 0
    inf: int = 0
    data: tuple[float, ...] | None = None


# A scalar is its number, an array its summary, and None says "not computed".
Numbers = float | Summary | None


class NodeRecord(NamedTuple):
    """One node.

    Attributes
    ----------
    id : str
        ``n0``, ``n1``, ... in topological order: operands first.
    kind : str
        "leaf" (a gradient reaches it), "constant" (none does) or "result".
    face : str
        "value", "tensor", or "number" and "array" for plain operands.
    shape, dtype, bytes : tuple of int, str, int
    data : float or Summary
        The number, or the array's summary.
    grad : float, Summary or None
        The derivative of the roots by this node, computed for the record; None where none flows.
    stored : float, Summary or None
        What the node's own ``.grad`` held; None: not computed.
    op, symbol, formula : str or None
        What made it; None for leaves and constants.
    params : tuple of (str, str)
        The static parameters of the op, as text.
    label : str or None
        The user's name for it, or its path in a model (``0.weight``).
    scope : tuple of str
        The calls of modules it was made in, outermost first; ``"cell#2"`` is the second call of ``cell``.
    source : str or None
        ``file:line`` of the call that made it, where that was watched.
    idle : float or None
        For activations the share of dead or saturated units.
    note : str or None
        Why something is missing.
    """

    id: str
    kind: str
    face: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    data: Numbers = None
    grad: Numbers = None
    stored: Numbers = None
    op: str | None = None
    symbol: str | None = None
    formula: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    label: str | None = None
    scope: tuple[str, ...] = ()
    source: str | None = None
    idle: float | None = None
    note: str | None = None

    @property
    def index(self) -> int:  # type: ignore[override]
        """The node's place in the topological order."""
        return int(self.id[1:])


class EdgeRecord(NamedTuple):
    """One use of one node as an operand: ``a + a`` has two.

    Attributes
    ----------
    source, target : str
        The ids of the operand and of the result.
    slot : int
        Which operand it is, from 0.
    local : float or None
        The local derivative, where both ends are single numbers.
    rule : str or None
        How the gradient ``g`` of the result is carried over, in NumPy, with operands x, y, z and the result ``out``.
    share : float, Summary or None
        What it contributes to the operand's gradient.
    """

    source: str
    target: str
    slot: int
    local: float | None = None
    rule: str | None = None
    share: Numbers = None


@dataclass(frozen=True, slots=True)
class GraphRecord:
    """A whole graph.

    Attributes
    ----------
    nodes : tuple of NodeRecord
        In topological order; backward goes through them in the reverse.
    edges : tuple of EdgeRecord
        Ordered by target and slot.
    roots : tuple of str
    modules : tuple of (str, str)
        Module paths and their classes, where they are known.
    note : str or None
        What the gradients are of, where that is not one number.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import graph_of
    >>> a = Value(3.0, label="a")
    >>> record = graph_of(a * a)
    >>> [(n.id, n.op, n.data, n.grad) for n in record.nodes]
    [('n0', None, 3.0, 6.0), ('n1', 'multiply', 9.0, 1.0)]
    >>> [(e.source, e.target, e.slot, e.local, e.rule) for e in record.edges]
    [('n0', 'n1', 0, 3.0, 'g * y'), ('n0', 'n1', 1, 3.0, 'g * x')]
    >>> GraphRecord.from_json(record.to_json()) == record
    True
    """

    nodes: tuple[NodeRecord, ...]
    edges: tuple[EdgeRecord, ...]
    roots: tuple[str, ...]
    modules: tuple[tuple[str, str], ...] = ()
    note: str | None = None

    def to_json(self, indent: int | None = None) -> str:
        """Return strict JSON (NaN and infinities as strings); the same record gives the same bytes."""
        content = {
            "schema": SCHEMA,
            **_plain(self, skip=("nodes", "edges")),
            "nodes": [_plain(n) for n in self.nodes],
            "edges": [_plain(e) for e in self.edges],
        }
        separators = None if indent else (",", ":")
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    @classmethod
    def from_json(cls, text: str | bytes) -> GraphRecord:
        """Read what ``to_json`` wrote.

        Raises
        ------
        ValueError
            When the text is no JSON, of another schema, or inconsistent.
        """
        try:
            content = json.loads(text)
        except RecursionError:
            raise ValueError("not a graph record: nested too deeply") from None
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA:
            raise ValueError(f"expected a graph record of schema {SCHEMA!r}, got {schema!r}")
        try:
            nodes = tuple(_read(NodeRecord, item) for item in content.pop("nodes"))
            edges = tuple(_read(EdgeRecord, item) for item in content.pop("edges"))
            record = _read(cls, {**content, "nodes": (), "edges": ()}, ignored=("schema",))
            record = cls(nodes, edges, record.roots, record.modules, record.note)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a graph record: {error}") from None
        _check(record)
        return record

    def node(self, key: str) -> NodeRecord:
        """Return a node by id or, failing that, by label."""
        for node in self.nodes:
            if node.id == key:
                return node
        for node in self.nodes:
            if node.label == key:
                return node
        raise KeyError(f"no node has the id or label {key!r}")

    def first_nonfinite(self) -> tuple[NodeRecord, str] | None:
        """Return the node where NaN or infinity begins and "data" or "grad", or None if all is finite."""
        for node in self.nodes:
            if not finite(node.data):
                return node, "data"
        for node in reversed(self.nodes):
            if not finite(node.grad):
                return node, "grad"
        return None


def finite(numbers: Numbers) -> bool:
    """Return whether nothing here is known to be NaN or infinite."""
    if isinstance(numbers, Summary):
        return not (numbers.nan or numbers.inf)
    return numbers is None or math.isfinite(numbers)


_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _plain(item: Any, skip: Iterable[str] = ()) -> dict[str, Any]:
    """Return a record as JSON data, without what is at its default."""
    content = {}
    for name, default in _fields(item.__class__).items():
        value = getattr(item, name)
        if name not in skip and (default is MISSING or value != default):
            content[name] = _encoded(value)
    return content


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Return the names of a record's fields, with their defaults."""
    if issubclass(kind, tuple):
        return {name: kind._field_defaults.get(name, MISSING) for name in kind._fields}
    return {field.name: field.default for field in fields(kind)}


def _encoded(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Summary):
        return _plain(value)
    return [_encoded(v) for v in value] if isinstance(value, tuple) else value


_FLOATS = frozenset("local idle norm min mean max zeros".split())
_NUMBERS = frozenset(("data", "grad", "stored", "share"))
_COUNTS = frozenset(("bytes", "slot", "nan", "inf"))


def _read(cls: type[T], content: Mapping[str, Any], ignored: Iterable[str] = ()) -> T:
    return cls(**{k: _decoded(k, v) for k, v in content.items() if k not in ignored})


def _decoded(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _NUMBERS:
        if isinstance(value, dict):
            return _read(Summary, value)
        return tuple(map(_number, value)) if isinstance(value, list) else _number(value)
    if name in _FLOATS:
        return _number(value)
    if name in _COUNTS:
        return int(value)
    if isinstance(value, (list, tuple)):
        return tuple(tuple(v) if isinstance(v, list) else v for v in value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    return _WORDS[value]


def _check(record: GraphRecord) -> None:
    ids = [n.id for n in record.nodes]
    if ids != [f"n{i}" for i in range(len(ids))]:
        raise ValueError("not a graph record: the nodes are not n0, n1, n2, ... in order")
    known = set(ids)
    for edge in record.edges:
        if not (edge.source in known and edge.target in known and int(edge.source[1:]) < int(edge.target[1:])):
            raise ValueError(f"not a graph record: there is no edge {edge.source} -> {edge.target}")
    if not record.roots or not known.issuperset(record.roots):
        raise ValueError("not a graph record: its roots are not among its nodes")
    for node in record.nodes:
        texts = [node.kind, node.face, node.dtype, *node.scope, *(t for pair in node.params for t in pair)]
        if not all(isinstance(t, str) for t in texts) or not all(type(n) is int for n in node.shape):
            raise ValueError(f"not a graph record: node {node.id} is malformed")
