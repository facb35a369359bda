"""Pictures of computation graphs: a record of the graph, and what draws it."""

from autograd_lite.drawing.capture import graph_of
from autograd_lite.drawing.layout import LayoutError
from autograd_lite.drawing.page import page_of
from autograd_lite.drawing.picture import Options, draw, draw_dot, save_graph
from autograd_lite.drawing.record import EdgeRecord, GraphRecord, NodeRecord, Summary
from autograd_lite.drawing.text import text_tree
from autograd_lite.drawing.trace import trace

__all__ = [
    "EdgeRecord",
    "GraphRecord",
    "LayoutError",
    "NodeRecord",
    "Options",
    "Summary",
    "draw",
    "draw_dot",
    "graph_of",
    "page_of",
    "save_graph",
    "text_tree",
    "trace",
]
