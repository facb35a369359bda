"""``python -m autograd_lite draw``: pictures of expressions and of saved graph records."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograd_lite.drawing.capture import graph_of
from autograd_lite.drawing.expression import evaluate, leaf_of
from autograd_lite.drawing.picture import save_graph
from autograd_lite.drawing.record import GraphRecord
from autograd_lite.drawing.text import text_tree
from autograd_lite.graph import Node

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m autograd_lite draw "tanh(w*x + b)" --at w=0.5 x=2 b=-1 -o g.svg
  python -m autograd_lite draw "sum(tanh(W @ x))" --at "W=[[1, 2], [3, 4]]" "x=[0.1, -0.2]" -o g.html
  python -m autograd_lite draw graph.json --depth 1 --theme dark -o g.png
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        record = _record(given.what, given.at)
        if given.output == "-":
            print(text_tree(record))
            return 0
        keys = ("theme", "rankdir", "depth", "collapse", "focus", "radius", "max_boxes", "timeout")
        options = {k: v for k in keys if (v := getattr(given, k)) is not None}
        path = save_graph(record, given.output, **options)
    except (ValueError, TypeError, KeyError, OSError) as error:
        print(f"draw: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 2
    print(path)
    return 0 if path == Path(given.output) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd_lite draw",
        description="Draw the computation graph of an expression, or of a graph record saved as JSON.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", help='an expression such as "tanh(w*x + b)", or a .json file')
    add("--at", nargs="+", default=[], metavar="NAME=NUMBER", help="what the names stand for; lists make arrays")
    add("-o", "--output", default="-", help="a file: .svg .png .pdf .html .dot .json .txt; - for text (the default)")
    add("--theme", choices=("light", "dark", "auto"))
    add("--rankdir", choices=("LR", "TB"), help="from left to right, or from top to bottom")
    add("--depth", type=int, help="how many levels of modules are open")
    add("--collapse", action="append", metavar="PATH", help="draw this module as one box (wildcards allowed)")
    add("--focus", metavar="NODE", help="draw only what is near this node (an id or a label)")
    add("--radius", type=int, help="how near: so many edges (2)")
    add("--max-boxes", type=int, help="fold the picture to at most so many boxes (150)")
    add("--timeout", type=float, help="seconds that Graphviz may take (20)")
    return parser


def _record(what: str, at: Sequence[str]) -> GraphRecord:
    if what.endswith(".json"):
        return GraphRecord.from_json(Path(what).read_bytes())
    leaves: dict[str, Any] = {}
    for text in at:
        name, equals, number = text.partition("=")
        if not (equals and name.isidentifier()):
            raise ValueError(f"--at takes NAME=NUMBER, got {text!r}")
        leaves[name] = leaf_of(name, number)
    y = evaluate(what, leaves)
    if not isinstance(y, Node):
        raise ValueError(f"{what!r} depends on no name, so there is no graph; write the numbers as names, with --at")
    return graph_of(y)
