"""What a notebook shows for a Value or a Tensor: its numbers, its gradient, and the graph that it came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.drawing.hinton import hinton
from autograd_lite.drawing.layout import LayoutError
from autograd_lite.drawing.markup import escaped, faint, panel, table
from autograd_lite.drawing.measure import SMALL, numbers_of
from autograd_lite.drawing.picture import draw
from autograd_lite.drawing.record import Summary
from autograd_lite.drawing.text import text_tree
from autograd_lite.drawing.words import number

__all__ = ["node_html"]

_LARGEST_GRAPH = 2000  # nodes; a larger graph is drawn when asked for, not whenever a cell ends
_BOXES = 40
_PATIENCE = 3.0


def node_html(node: Any) -> str:
    """Return a node as HTML.

    Examples
    --------
    >>> from autograd_lite import Tensor
    >>> "mean 2, from 1 to 3" in node_html(Tensor([1.0, 2.0, 3.0]))
    True
    """
    parts = [_array(node)] if node.is_array else [_scalar(node)]
    if node.op is not None:
        parts += _graph(node)
    return panel(f"{_kind(node)} {node.label or ''}".strip(), _head(node), *parts)


def _kind(node: Any) -> str:
    return type(node).__name__


def _head(node: Any) -> str:
    label = f" <b><code>{escaped(node.label)}</code></b>" if node.label else ""
    said = []
    if node.is_array:
        said.append(f"shape {node.shape}, {node.dtype}, {_bytes(node.nbytes)}")
    if node.op is not None:
        said.append(f"made by {node.op.name}: {node.op.formula}")
    elif node.is_array and node.requires_grad:
        said.append("a leaf that gradients reach")
    elif not node.is_array:
        said.append("a leaf")
    return f"<b>{_kind(node)}</b>{label} {faint(' · '.join(said))}"


def _scalar(node: Any) -> str:
    bad = "" if np.isfinite(node.data) else ' class="ag-bad"'
    grad = "not computed" if node.grad is None else f"{float(node.grad):.6g}"
    return (
        f'<code{bad}>data {escaped(f"{node.data:.6g}")}</code> <code class="ag-back">&nbsp;grad {escaped(grad)}</code>'
    )


def _array(node: Any) -> str:
    data = node.numpy()
    parts = [_statistics(data), _entries(data, node.label or "data")]
    if node.grad is not None:
        grad = graph.data_of(node.grad)
        parts += ['<b class="ag-back">gradient</b> ' + _statistics(grad), _entries(grad, "gradient")]
    elif node.requires_grad and node.op is None:
        parts.append('<span class="ag-back">gradient: not computed</span>')
    return "".join(f"<div>{part}</div>" for part in parts if part)


def _statistics(array: Any) -> str:
    found = numbers_of(array)
    if not isinstance(found, Summary):
        return ""
    if not array.size:
        return faint("no entries")
    said = []
    if found.min is not None and found.mean is not None and found.max is not None:
        said.append(f"mean {number(found.mean)}, from {number(found.min)} to {number(found.max)}")
    said.append(f"norm {number(found.norm)}")
    if found.zeros:
        said.append(f"{found.zeros:.3g} zeros" if array.size == 1 else f"{100 * found.zeros:.3g} % zeros")
    bad = [f"{found.nan:,} NaN"] if found.nan else []
    bad += [f"{found.inf:,} infinite"] if found.inf else []
    alarm = f' <span class="ag-bad">{", ".join(bad)}</span>' if bad else ""
    return faint(", ".join(said)) + alarm


def _entries(array: Any, name: str) -> str:
    """Return few numbers as a table, many as a picture."""
    if array.dtype.kind == "c" or not array.size:
        return ""
    if array.size <= SMALL and array.ndim <= 2 and array.shape[-1:] < (17,):
        rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
        cells = [[_cell(x) for x in row] for row in rows.tolist()]
        return table((), cells, numbers="r" * rows.shape[1])
    return hinton(array, name)


def _cell(x: Any) -> str:
    if isinstance(x, (bool, int)):
        return str(x)
    return number(x) if np.isfinite(x) else f'<span class="ag-bad">{number(x)}</span>'


def _graph(node: Any) -> list[str]:
    if not _is_small(node):
        name = "loss" if node.size == 1 else "y"
        calls = f"draw({name}) and save_graph({name}, ...) show it folded."
        return [faint(f"It came from a graph of more than {_LARGEST_GRAPH:,} nodes; {calls}")]
    picture = draw(node, theme="auto", max_boxes=_BOXES, legend=False, timeout=_PATIENCE)
    try:
        svg = picture.pipe("svg", encoding="utf-8")
    except LayoutError as error:
        tree = "\n".join(escaped(line, 300) for line in text_tree(picture.record, 60).splitlines())
        return [f"<pre>{tree}</pre>", faint(str(error).splitlines()[-1])]
    return [svg[svg.index("<svg") :]]


def _is_small(root: Any) -> bool:
    """Return whether few enough nodes lead to a root, without going through the others."""
    seen = {root}
    stack = [root]
    while stack and len(seen) <= _LARGEST_GRAPH:
        for x in stack.pop().operands:
            if isinstance(x, graph.Node) and x not in seen:
                seen.add(x)
                stack.append(x)
    return len(seen) <= _LARGEST_GRAPH


def _bytes(n: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
