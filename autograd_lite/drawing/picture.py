"""`draw`, `draw_dot` and `save_graph`: static pictures, as a graphviz.Digraph and as files."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypedDict, Unpack

from autograd_lite.drawing.capture import graph_of
from autograd_lite.drawing.dot import DARK, LIGHT, dot_body
from autograd_lite.drawing.layout import HINT, TIMEOUT, LayoutError, run_graphviz
from autograd_lite.drawing.record import GraphRecord
from autograd_lite.drawing.text import text_tree
from autograd_lite.drawing.theme import with_dark_mode
from autograd_lite.drawing.view import View, view_of

__all__ = ["Options", "draw", "draw_dot", "save_graph"]


class Options(TypedDict, total=False):
    """What `draw` and `save_graph` take by keyword; all have defaults.

    Attributes
    ----------
    names : model, trace or mapping
        Names for the nodes, see `graph_of`.
    rankdir : str or None
        "TB", from top to bottom, or "LR", from left to right; by default LR for small graphs of plain numbers.
    theme : str
        "light", "dark", or "auto" for SVG that follows the reader's setting; by default light, and auto in notebooks.
    depth, collapse, focus, radius, max_boxes, constants
        How much is drawn, see `autograd_lite.drawing.view.view_of`.
    derivatives, legend : bool
        Whether the arrows carry local derivatives; whether there is a legend.
    timeout : float
        Seconds that Graphviz may take.
    """

    names: Any
    rankdir: str | None
    theme: str
    depth: int | None
    collapse: str | Iterable[str] | Callable[[str], bool] | None
    focus: str | None
    radius: int
    max_boxes: int
    constants: bool
    derivatives: bool
    legend: bool
    timeout: float


VIEW_OPTIONS = ("depth", "collapse", "focus", "radius", "max_boxes", "constants")


def record_of(y: Any, names: Any = None) -> GraphRecord:
    """Return a graph record as it is, or take that of a node."""
    return y if isinstance(y, GraphRecord) else graph_of(y, names=names)


def draw(y: Any, *, format: str = "svg", **options: Unpack[Options]) -> Any:
    """Draw the graph that leads to a node, with the local derivative on every arrow.

    Parameters
    ----------
    y : Value, Tensor, a container of them, or GraphRecord
    format : str, optional
        What ``render()`` makes by default.
    **options
        See `Options`.

    Returns
    -------
    graphviz.Digraph
        A notebook shows it; ``.save()`` and ``.render()`` write it, ``.source`` is the DOT text. Where Graphviz is
        missing a notebook shows the graph as text. (Without the ``graphviz`` package an object with the same methods.)

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import draw
    >>> w, x = Value(2.0, label="w"), Value(3.0, label="x")
    >>> picture = draw((w * x).tanh(), rankdir="LR")
    >>> picture.source.startswith("digraph {")
    True
    """
    record = record_of(y, options.get("names"))
    theme = options.get("theme", "light")
    if theme not in ("light", "dark", "auto"):
        raise ValueError(f"theme is 'light', 'dark' or 'auto', got {theme!r}")
    view = view_of(record, **{k: v for k, v in options.items() if k in VIEW_OPTIONS})  # type: ignore[arg-type]
    body = dot_body(
        view,
        DARK if theme == "dark" else LIGHT,
        options.get("rankdir") or direction_of(view),
        options.get("derivatives", True),
        options.get("legend", True),
    )
    picture = _picture_class()(format=format, body=body)
    picture.record, picture.theme, picture.timeout = record, theme, options.get("timeout", TIMEOUT)
    picture.adapts = "theme" not in options
    return picture


def direction_of(view: View) -> str:
    """Return the direction in which a view is drawn by default."""
    return "LR" if len(view.boxes) <= 16 and not any(n.shape for n in view.record.nodes) else "TB"


def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Any:
    """Draw as micrograd's notebook does: `draw` from left to right.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import draw_dot
    >>> "rankdir=LR" in draw_dot(Value(1.0).relu()).source
    True
    """
    return draw(root, format=format, rankdir=rankdir)


def save_graph(y: Any, path: str | os.PathLike[str], **options: Unpack[Options]) -> Path:
    """Write a picture of a graph to a file, of the kind that its suffix names.

    Parameters
    ----------
    y : Value, Tensor, a container of them, or GraphRecord
    path : path
        ``.svg``, ``.png`` and ``.pdf`` need Graphviz; ``.html`` is an interactive page, ``.json`` the graph record,
        ``.dot`` the DOT source, ``.txt`` a tree of text.
    **options
        See `Options`.

    Returns
    -------
    Path
        What was written: where Graphviz is missing, the DOT source (and a tree of text beside it).

    Raises
    ------
    ValueError
        For another suffix.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise ValueError(f"a graph is saved as {', '.join(sorted(_KINDS))}; got {path.name!r}")
    record = record_of(y, options.get("names"))
    try:
        content = _KINDS[kind](record, options)
    except LayoutError as error:
        path.with_suffix(".txt").write_text(text_tree(record) + "\n", encoding="utf-8")
        instead = path.with_suffix(".dot")
        instead.write_text(draw(record, **options).source, encoding="utf-8")
        reason = str(error).replace("\n", " ")
        print(f"{path} was not drawn: {reason} Wrote {instead} and {instead.stem}.txt instead.", file=sys.stderr)
        return instead
    path.write_bytes(content)
    return path


def _drawn(format: str) -> Callable[[GraphRecord, Options], bytes]:
    return lambda record, options: draw(record, **options).pipe(format)


def _page(record: GraphRecord, options: Options) -> bytes:
    from autograd_lite.drawing.page import page_of

    return page_of(record, **options).encode()


_KINDS: dict[str, Callable[[GraphRecord, Options], bytes]] = {
    ".svg": _drawn("svg"),
    ".png": _drawn("png"),
    ".pdf": _drawn("pdf"),
    ".dot": lambda record, options: draw(record, **options).source.encode(),
    ".gv": lambda record, options: draw(record, **options).source.encode(),
    ".json": lambda record, options: record.to_json().encode(),
    ".txt": lambda record, options: text_tree(record, 10_000).encode() + b"\n",
    ".html": _page,
}


class _Picture:
    """What is ours in the Digraph that `draw` returns: it runs Graphviz with a time limit and can do without it."""

    record: GraphRecord
    theme: str = "light"
    adapts: bool = True
    timeout: float = TIMEOUT
    format: str
    source: str

    def pipe(self, format: str | None = None, *_: Any, encoding: str | None = None, **__: Any) -> Any:
        """Return the picture as bytes, or as text if an encoding is given.

        Raises
        ------
        LayoutError
            Where Graphviz is missing or takes too long.
        """
        format = format or self.format
        content = run_graphviz(self.source, format, self.timeout)
        if format == "svg" and self.theme == "auto":
            content = with_dark_mode(content.decode()).encode()
        return content if encoding is None else content.decode(encoding)

    def render(
        self,
        filename: Any = None,
        directory: Any = None,
        view: bool = False,
        cleanup: bool = False,
        format: Any = None,
        **__: Any,
    ) -> str:
        """Write the picture to ``filename`` with the format's suffix and return its path."""
        kind = f".{format or self.format}"
        path = Path(directory or "", str(filename or "graph"))
        if path.suffix != kind:
            path = path.with_name(path.name + kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(self.pipe(kind[1:]))
        except LayoutError as error:
            path = path.with_suffix(".dot")
            path.write_text(self.source, encoding="utf-8")
            print(f"not drawn: {error} Wrote {path} instead.", file=sys.stderr)
        return str(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> dict[str, Any]:
        try:
            svg = self.pipe("svg", encoding="utf-8")
            svg = with_dark_mode(svg) if self.adapts else svg
            return {"image/svg+xml": svg, "text/plain": text_tree(self.record)}
        except LayoutError as error:
            return {"text/plain": f"{text_tree(self.record)}\n\n{str(error).splitlines()[0]} {HINT}\n\n{self.source}"}


class _PlainPicture(_Picture):
    """A picture without the graphviz package: the same source and methods."""

    def __init__(self, format: str, body: list[str]) -> None:
        self.format = format
        self.source = f"digraph {{\n{''.join(body)}}}\n"

    def save(self, filename: Any = "graph.dot", *, directory: Any = None) -> str:
        """Write the DOT source and return its path."""
        path = Path(directory or "", str(filename))
        path.write_text(self.source, encoding="utf-8")
        return str(path)

    def __str__(self) -> str:
        return self.source


@functools.cache
def _picture_class() -> Any:
    try:
        import graphviz
    except ImportError:
        return _PlainPicture
    return type("Picture", (_Picture, graphviz.Digraph), {"__doc__": "A graphviz.Digraph of a computation graph."})
