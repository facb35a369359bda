"""Static pictures: the DOT text, hostile labels, files of every kind, and what happens without Graphviz."""

import importlib
import os
import pathlib
import re
import shutil
import stat
import sys
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from autograd_lite import Tensor, Value
from autograd_lite.drawing import (
    LayoutError,
    draw,
    draw_dot,
    graph_of,
    layout,
    picture,
    save_graph,
    text_tree,
)
from autograd_lite.drawing.theme import with_dark_mode

HAS_DOT = shutil.which("dot") is not None
HAS_WHEEL = importlib.util.find_spec("pygraphviz") is not None
needs_layout = pytest.mark.skipif(not (HAS_DOT or HAS_WHEEL), reason="Graphviz is not installed")


def neuron():
    w, x, b = (Value(v, label=name) for name, v in (("w", 0.5), ("x", 2.0), ("b", -2.0)))
    y = (w * x + b).tanh()
    y.label = "y"
    return y


GOLDEN = """\
digraph {
	graph [rankdir=LR bgcolor="#ffffff" fontname="Helvetica,Arial,sans-serif" fontsize=10 fontcolor="#5b6570" color="#7a8590" nodesep=0.25 ranksep=0.45 labelloc=b label=<<table border="0" cellspacing="4" cellpadding="3"><tr><td colspan="9">2 nodes</td></tr></table>>]
	node [fontname="Helvetica,Arial,sans-serif" fontsize=11 margin="0.1,0.05" penwidth=1.2]
	edge [fontname="Helvetica,Arial,sans-serif" fontsize=10 color="#7a8590" fontcolor="#7a2a9c" arrowsize=0.7]
	n0 [shape=box style="filled" fillcolor="#dcecf8" color="#0068a3" fontcolor="#1b1f24" tooltip="n0: a" label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><font point-size="13"><b>a</b></font></td></tr><tr><td><font color="#5b6570">data</font>&#160;3</td></tr><tr><td><font color="#5b6570">grad</font>&#160;<font color="#7a2a9c">6</font></td></tr></table>>]
	n1 [shape=box style="filled,rounded" peripheries=2 fillcolor="#fdebc8" color="#a86400" fontcolor="#1b1f24" tooltip="n1: x * y" label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1"><tr><td><font point-size="13"><b>×</b></font></td></tr><tr><td><font color="#5b6570">data</font>&#160;9</td></tr><tr><td><font color="#5b6570">grad</font>&#160;<font color="#7a2a9c">1</font></td></tr></table>>]
	n0 -> n1 [label=<&#160;3&#160;> tooltip="n0 to operand 0 of n1: g * y; contributes 3" labeltooltip="n0 to operand 0 of n1: g * y; contributes 3"]
	n0 -> n1 [label=<&#160;3&#160;> tooltip="n0 to operand 1 of n1: g * x; contributes 3" labeltooltip="n0 to operand 1 of n1: g * x; contributes 3"]
}
"""  # noqa: E501


def test_the_source_of_a_square_is_as_it_was():
    a = Value(3.0, label="a")
    assert draw(a * a, legend=False).source == GOLDEN


def test_modules_are_clusters():
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    source = draw(model(np.ones((1, 2))).sum(), names=model).source
    assert re.search(r"subgraph cluster_0 \{.*<b>0</b>&#160;Linear", source)
    assert source.count("{") == source.count("}")
    assert source.index("subgraph cluster_0") < source.index("0.weight")


HOSTILE = [
    "<b>",
    "<b>bold</b>",
    "a->b",
    "{x|y}",
    '"]; evil [',
    "</script><script>alert(1)</script>",
    "&amp; &#60; <",
    r"\N \G \l \\ \n",
    "back\\",
    "two\nlines\tand a tab",
    "nul\x00 bell\x07 escape\x1b[31m",
    "lone \ud800 surrogate",
    "\u202egnp.exe",
    "emoji 🦊 and ümläut",
    "<",
    ">",
    "",
    " ",
    "]]>",
    "%DATA% ${x} {{y}}",
    "x" * 10_000,
]


@needs_layout
@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_labels_are_text(label):
    a, b = Value(1.0, label=label), Value(2.0)
    y = a * b
    y.label = label
    svg = draw(y).pipe("svg", encoding="utf-8")
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    groups = [g.get("class") for g in root.iter(f"{space}g")]
    assert groups.count("node") == 3
    assert groups.count("edge") == 2
    assert not list(root.iter(f"{space}script"))
    texts = [t.text or "" for t in root.iter(f"{space}text")]
    wanted = picture.text_tree(graph_of(a)).split("  data")[0].removeprefix("n0 ")
    joined = " ".join(texts).replace("\xa0", " ")
    for word in wanted.split():
        assert word in joined


def test_long_labels_are_cut_and_control_characters_dropped():
    source = draw(Value(1.0, label="x" * 10_000)).source
    assert len(source) < 3000
    assert "\x00" not in draw(Value(1.0, label="a\x00b")).source
    assert "…" in source


def test_micrograds_call_works():
    picture = draw_dot(neuron(), format="svg", rankdir="LR")
    assert "rankdir=LR" in picture.source
    assert picture.format == "svg"
    assert draw_dot(neuron(), "png").format == "png"


def test_the_result_is_a_digraph():
    graphviz = pytest.importorskip("graphviz")
    picture = draw(neuron())
    assert isinstance(picture, graphviz.Digraph)
    picture.node("extra", "my own node")
    with picture.subgraph(name="cluster_mine") as inside:
        inside.node("another")
    assert "my own node" in picture.source
    assert "cluster_mine" in picture.copy().source


def test_micrograds_notebook_code_runs_unchanged_on_values():
    graphviz = pytest.importorskip("graphviz")

    def trace(root):
        nodes, edges = set(), set()

        def build(v):
            if v not in nodes:
                nodes.add(v)
                for child in v._prev:
                    edges.add((child, v))
                    build(child)

        build(root)
        return nodes, edges

    def draw_dot(root, format="svg", rankdir="LR"):
        nodes, edges = trace(root)
        dot = graphviz.Digraph(format=format, graph_attr={"rankdir": rankdir})
        for n in nodes:
            dot.node(name=str(id(n)), label="{ data %.4f | grad %.4f }" % (n.data, n.grad), shape="record")  # noqa: UP031
            if n._op:
                dot.node(name=str(id(n)) + n._op, label=n._op)
                dot.edge(str(id(n)) + n._op, str(id(n)))
        for n1, n2 in edges:
            dot.edge(str(id(n1)), str(id(n2)) + n2._op)
        return dot

    y = neuron()
    y.backward()
    source = draw_dot(y).source
    assert "data 0.5000 | grad 0.8399" in source
    assert source.count("record") == 6


def test_local_derivatives_stand_on_the_arrows():
    source = draw(neuron()).source
    assert "&#160;0.42&#160;" in source  # 1 - tanh(-1)**2
    assert "&#160;0.42&#160;" not in draw(neuron(), derivatives=False).source
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    assert "g * (1 - out * out)" in draw(np.tanh(x).sum()).source


def test_themes_and_what_they_refuse():
    assert '"#14181d"' in draw(neuron(), theme="dark").source
    with pytest.raises(ValueError, match="theme"):
        draw(neuron(), theme="blue")
    with pytest.raises(ValueError, match="rankdir"):
        draw(neuron(), rankdir="up")


def test_a_nan_is_marked():
    with np.errstate(all="ignore"):
        source = draw(np.log(Tensor([-1.0, 1.0], requires_grad=True))).source
    assert '<b><font color="#b02a05">[NaN, 0]</font></b>' in source


@needs_layout
def test_every_kind_of_file(tmp_path):
    starts = {
        "svg": b"<?xml",
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "dot": b"digraph",
        "gv": b"digraph",
        "json": b"{",
        "txt": b"n5",
        "html": b"<!DOCTYPE html>",
    }
    for kind, start in starts.items():
        path = save_graph(neuron(), tmp_path / f"graph.{kind}")
        assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match=r"\.svg"):
        save_graph(neuron(), tmp_path / "graph.bmp")


@needs_layout
def test_a_record_is_drawn_like_the_graph_it_was_taken_of():
    y = neuron()
    assert draw(graph_of(y)).source == draw(y).source


@needs_layout
def test_svg_follows_the_reader_into_dark_mode(tmp_path):
    svg = save_graph(neuron(), tmp_path / "g.svg", theme="auto").read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in svg
    ElementTree.fromstring(svg)
    assert with_dark_mode('<svg width="1"><g fill="#ffffff"/></svg>').count('fill="#ffffff"') == 2


@needs_layout
def test_fifty_nodes_are_drawn_at_once():
    x = y = Value(0.3, label="x")
    for _ in range(16):
        y = (y * x + 0.1).tanh()
    started = time.perf_counter()
    draw(y).pipe("svg")
    assert time.perf_counter() - started < 3  # 0.15 seconds on an idle machine


@needs_layout
def test_notebooks_get_a_picture_and_a_text():
    bundle = draw(neuron())._repr_mimebundle_()
    assert bundle["image/svg+xml"].lstrip().startswith("<?xml")
    assert "tanh" in bundle["text/plain"]
    assert "prefers-color-scheme:dark" in bundle["image/svg+xml"]
    assert "prefers-color-scheme" not in draw(neuron(), theme="light")._repr_mimebundle_()["image/svg+xml"]


@needs_layout
def test_render_and_save_write_files(tmp_path):
    picture = draw(neuron())
    path = picture.render(tmp_path / "a" / "graph", format="png")
    assert path.endswith("graph.png")
    assert (tmp_path / "a" / "graph.png").read_bytes().startswith(b"\x89PNG")
    path = picture.save("graph.dot", directory=str(tmp_path))
    assert pathlib.Path(path).read_text(encoding="utf-8") == picture.source


@pytest.fixture
def no_graphviz(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pygraphviz" else found(name, *a))
    return tmp_path


def test_without_graphviz_there_is_text_and_a_hint_and_no_exception(no_graphviz, capsys):
    y = neuron()
    picture = draw(y)
    shown = picture._repr_mimebundle_()["text/plain"]
    assert "└─" in shown
    assert "apt install graphviz" in shown
    assert "digraph {" in shown
    assert "└─" in y._repr_html_()
    path = save_graph(y, no_graphviz / "g.svg")
    assert path.name == "g.dot"
    assert path.read_text(encoding="utf-8").startswith("digraph")
    assert "tanh" in (no_graphviz / "g.txt").read_text(encoding="utf-8")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install pygraphviz" in said
    assert picture.render(no_graphviz / "r").endswith("r.dot")
    with pytest.raises(LayoutError, match="install"):
        picture.pipe("svg")


def test_a_page_without_graphviz_is_laid_out_on_a_grid(no_graphviz):
    page = save_graph(neuron(), no_graphviz / "g.html").read_text(encoding="utf-8")
    assert "Graphviz is not here" in page


def fake_dot(folder, script):
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_slow_layout_is_stopped(no_graphviz, monkeypatch):
    fake_dot(no_graphviz, "exec /bin/sleep 60")
    started = time.perf_counter()
    with pytest.raises(LayoutError, match="took longer than"):
        draw(neuron(), timeout=0.5).pipe("svg")
    assert time.perf_counter() - started < 20


def test_a_broken_layout_program_is_not_trusted(no_graphviz):
    fake_dot(no_graphviz, "echo 'There is no layout engine support' >&2; exit 1")
    with pytest.raises(LayoutError, match="no layout engine support"):
        layout.run_graphviz("digraph {}", "svg")
    fake_dot(no_graphviz, "exit 0")
    with pytest.raises(LayoutError):
        layout.run_graphviz("digraph {}", "svg")


@pytest.mark.skipif(not HAS_WHEEL, reason="pygraphviz is not installed")
@pytest.mark.parametrize("kind", ["svg", "png", "json"])
def test_the_wheel_draws_where_the_program_is_missing(kind, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(layout.run_graphviz(draw(neuron()).source, kind)) > 500


def test_without_the_graphviz_package_the_picture_has_the_same_methods(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    picture._picture_class.cache_clear()
    try:
        plain = draw(neuron())
        assert type(plain).__name__ == "_PlainPicture"
        assert plain.source.startswith("digraph {")
        assert str(plain) == plain.source
        assert os.path.exists(plain.save(tmp_path / "x.dot"))
        assert "text/plain" in plain._repr_mimebundle_()
        source = plain.source
    finally:
        monkeypatch.undo()
        picture._picture_class.cache_clear()
    assert draw(neuron()).source == source


def test_the_text_tree_is_short_however_large_the_graph():
    x = Value(1.0, label="x")
    for _ in range(3000):
        x = x + x * 0.5
    lines = text_tree(graph_of(x)).splitlines()
    assert len(lines) == 201
    assert lines[-1].startswith("… and ")
    assert max(map(len, lines)) < 250
