"""`graph_of`: walk a graph once, compute its adjoints, and write down what there is as a `GraphRecord`."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from autograd_lite import graph, modes
from autograd_lite.drawing.adjoints import Adjoints, local_derivatives
from autograd_lite.drawing.measure import idle_share, numbers_of
from autograd_lite.drawing.record import EdgeRecord, GraphRecord, NodeRecord
from autograd_lite.drawing.rules import param_text, rule_texts
from autograd_lite.drawing.trace import labels_of, trace
from autograd_lite.graph import Node
from autograd_lite.trees import flatten

__all__ = ["graph_of"]

_TRACED = 2000  # rules that are printed, at most
_CELL = re.compile(r".*[/\\]ipykernel_\d+[/\\]\d+\.py:(\d+)")
_NOTHING = (None, None)  # local derivative and share of an operand that gets no gradient


def graph_of(roots: Any, *, names: Any = None, gradient: Any = None) -> GraphRecord:
    """Take a snapshot of the graph that leads to one or several nodes.

    The adjoints are computed for it; no ``.grad`` is touched, no hook is run, and no array is kept alive.

    Parameters
    ----------
    roots : Value, Tensor, or a container of them
    names : optional
        A model (anything with ``named_parameters()``), a `trace`, or a mapping of names to nodes: the labels of nodes.
    gradient : array_like, optional
        The gradient of a single root; ones by default, which for an array gives the gradient of its sum.

    Returns
    -------
    GraphRecord

    Raises
    ------
    TypeError
        When the roots hold no Value and no Tensor.

    Examples
    --------
    >>> from autograd_lite import Tensor
    >>> w = Tensor([1.0, 2.0], requires_grad=True, label="w")
    >>> record = graph_of((w * w).sum())
    >>> [(n.id, n.label or n.op, n.shape) for n in record.nodes]
    [('n0', 'w', (2,)), ('n1', 'multiply', (2,)), ('n2', 'sum', ())]
    >>> record.nodes[0].grad.data
    (2.0, 4.0)
    """
    starts: list[Any] = [x for x in flatten(roots)[0] if isinstance(x, Node)]
    if not starts:
        raise TypeError(f"expected a Value, a Tensor or a container of them, got {type(roots).__name__}")
    seeds = {x: _seed(x, gradient if len(starts) == 1 else None) for x in starts if x.requires_grad}
    mode = modes.current.get()
    watch = names if isinstance(names, trace) else mode.watch if mode is not None else None
    with _no_collections():
        token = modes.current.set(None)
        try:
            order = graph.topological(seeds, leaves=False)
            adjoints = Adjoints()
            adjoints.carry(order, seeds)
        finally:
            modes.current.reset(token)
        return _Writer(names, watch, adjoints).write(order, starts, gradient)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Pause the search for reference cycles: a record has none, and its millions of parts would be searched often."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _seed(root: Any, gradient: Any) -> Any:
    if not root.is_array:
        return 1.0 if gradient is None else float(gradient)
    if gradient is None:
        return np.ones_like(root._data)
    return np.broadcast_to(np.asarray(graph.data_of(gradient), dtype=root._data.dtype), root._data.shape).copy()


class _Writer:
    """Gives the nodes their ids and writes their records; plain operands become constants just before their use."""

    def __init__(self, names: Any, watch: Any, adjoints: Adjoints) -> None:
        self.labels = labels_of(names)
        self.places: dict[Node, str] = getattr(watch, "places", None) or getattr(watch, "_places", None) or {}
        self.scopes: dict[Node, tuple[str, ...]] = getattr(watch, "scopes", {})
        self.modules: dict[str, str] = dict(getattr(watch, "modules", {}))
        self.guess_scopes = not self.scopes and hasattr(names, "named_parameters")
        if hasattr(names, "named_modules"):
            self.modules = {path: type(module).__name__ for path, module in names.named_modules() if path}
        self.adjoints = adjoints
        self.nodes: list[NodeRecord] = []
        self.edges: list[EdgeRecord] = []
        self.ids: dict[Node, str] = {}
        self.texts: dict[Any, dict[int, str]] = {}

    def write(self, order: list[Node], roots: list[Any], gradient: Any) -> GraphRecord:
        with np.errstate(all="ignore"):
            for node in order:
                self._write(node)
            for root in roots:  # those that are leaves themselves
                if root not in self.ids:
                    self._write(root)
        note = "gradients of the weighted sum of the root's entries" if gradient is not None else None
        if note is None and len(set(roots)) > 1:
            note = "gradients of the sum of the roots"
        elif note is None and np.size(roots[0]._data) != 1:
            note = "gradients of the sum of the root's entries"
        paths = tuple(sorted(self.modules.items()))
        ids = tuple(dict.fromkeys(self.ids[x] for x in roots))
        return GraphRecord(tuple(_with_scopes(self.nodes, self.edges)), tuple(self.edges), ids, paths, note)

    def _write(self, node: Any) -> None:
        op, data, is_array, found = node.op, node._data, node.is_array, self.adjoints
        operands = node.operands
        about: Any = {} if op is None else {"op": op.name, "symbol": op.symbol, "formula": op.formula}
        params = node.params
        if op is not None and op.name == "entry":
            operands, params = operands[:1], {**params, "i": str(operands[1])}
        if params:
            about["params"] = tuple((k, param_text(v)) for k, v in params.items())
        ids = self.ids
        sources = [ids.get(x) or self._leaf(x) if isinstance(x, Node) else self._plain(x) for x in operands]
        note = found.notes.get(node) if found.notes else None
        if node.extras is not None and node.extras.hooks:
            note = "has hooks, which a picture does not run" + (f"; {note}" if note else "")
        ids[node] = identity = f"n{len(self.nodes)}"
        scope = self.scopes.get(node, ()) if self.scopes else ()
        if self.guess_scopes and op is not None:
            scope = _shared([_scope_of(self.labels[x]) for x in operands if isinstance(x, Node) and x in self.labels])
        self.nodes.append(
            NodeRecord(
                identity,
                "result" if op is not None else "leaf" if node.requires_grad else "constant",
                "tensor" if is_array else "value",
                data.shape if is_array else (),
                str(data.dtype) if is_array else "float64",
                data.nbytes if is_array else 8,
                numbers_of(data),
                found.grads.pop(node, None),
                None if node.grad is None else numbers_of(graph.data_of(node.grad)),
                label=self.labels.get(node, node.label) if self.labels else node.label,
                scope=scope,
                source=_short_place(self.places.get(node)) if self.places else None,
                idle=idle_share(op.name, data) if op is not None else None,
                note=note,
                **about,
            )
        )
        if op is None:
            return
        flow = found.flows.pop(node, None)
        edges = tuple(x[0] for x in flow) if flow is not None and not is_array else tuple(node.edges)
        texts = self._texts(node, edges)
        if flow is None:
            flow = tuple((slot, local, None) for slot, local in local_derivatives(node).items())
        given = {slot: (local, share) for slot, local, share in flow}
        for slot, source in enumerate(sources):
            local, share = given.get(slot, _NOTHING)
            self.edges.append(EdgeRecord(source, identity, slot, local, texts.get(slot), share))

    def _leaf(self, node: Any) -> str:
        """Return the id of a leaf, which gets its own just before its first use."""
        self._write(node)
        return self.ids[node]

    def _plain(self, x: Any) -> str:
        identity = f"n{len(self.nodes)}"
        if type(x) is float:
            node = NodeRecord(identity, "constant", "number", (), "float64", 8, x)
        else:
            array = np.asarray(x)
            face = "array" if array.ndim else "number"
            about = (array.shape, str(array.dtype), array.nbytes)
            node = NodeRecord(identity, "constant", face, *about, numbers_of(array))
        self.nodes.append(node)
        return identity

    def _texts(self, node: Any, edges: tuple[int, ...]) -> dict[int, str]:
        """Return the rules as text; printed once for all nodes of one kind."""
        op = node.op
        key: Any = (op, edges)
        if node.is_array or not op.is_elementwise:
            shapes = tuple(np.shape(graph.data_of(x)) for x in (node, *node.operands))
            key += (shapes, tuple((k, _frozen(v)) for k, v in node.params.items()))
        texts = self.texts.get(key)
        if texts is None:
            texts = self.texts[key] = rule_texts(node) if len(self.texts) < _TRACED else {}
        return texts


def _frozen(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, x.tobytes()
    return tuple(map(_frozen, x)) if isinstance(x, tuple) else repr(x)


def _short_place(place: str | None) -> str | None:
    """Write a path under the working directory relative to it, and no path for the cell of a notebook."""
    if place is None:
        return None
    cell = _CELL.fullmatch(place)
    return f"line {cell[1]} of a cell" if cell else place.removeprefix(os.getcwd() + os.sep)


def _scope_of(path: str) -> tuple[str, ...]:
    """Return the modules around the parameter at a path: ``a.b.weight`` is in ``a`` and ``a.b``."""
    parts = path.split(".")[:-1]
    return tuple(".".join(parts[: i + 1]) for i in range(len(parts)))


def _shared(scopes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return what scopes have in common, from the outermost in."""
    common: tuple[str, ...] | None = None
    for scope in scopes:
        if common is None:
            common = scope
        elif common != scope:
            pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(common, scope, strict=False))
            common = tuple(a for a, _ in pairs)
    return common or ()


_INPUT = ("constant", "tensor")


def _with_scopes(nodes: list[NodeRecord], edges: list[EdgeRecord]) -> list[NodeRecord]:
    """Put leaves and plain constants into the innermost scope with all their uses; data that comes in stays out."""
    scopes = {n.id: n.scope for n in nodes if n.op is not None}
    if not any(scopes.values()):
        return nodes
    fixed = {n.id for n in nodes if n.op is not None or (n.kind, n.face) == _INPUT}
    uses: dict[str, tuple[str, ...]] = {}
    for edge in edges:
        if edge.source not in fixed:
            scope = scopes[edge.target]
            uses[edge.source] = _shared((uses[edge.source], scope)) if edge.source in uses else scope
    return [_moved(n, uses[n.id]) if n.id in uses else n for n in nodes]


def _moved(node: NodeRecord, scope: tuple[str, ...]) -> NodeRecord:
    return node._replace(scope=scope) if node.scope != scope else node
