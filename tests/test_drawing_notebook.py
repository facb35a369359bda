"""What a notebook shows: right numbers, harmless labels, small pages, and nothing that only colour tells."""

import importlib.util
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value
from autograd_lite.drawing import trace
from autograd_lite.drawing.hinton import hinton
from nn.history import History

HOSTILE = "</script><img src=x onerror=alert(1)>\x00\u202e"
VOID = {"rect", "path", "polyline", "circle", "img", "br", "ellipse", "polygon"}


class Reader(HTMLParser):
    """The text of a piece of HTML, which must be well formed; its elements and attributes are counted."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.cells, self.words = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes)
        self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if "td" in self.open:
            self.cells[-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def shown(x):
    page = x._repr_html_()
    assert "<script" not in page
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    return Reader(page)


@pytest.fixture
def no_graphviz(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pygraphviz" else found(name, *a))


def test_a_leaf_tells_a_gradient_that_is_zero_from_one_that_is_not_computed():
    x = Value(3.0, label="x")
    assert "data 3 grad not computed" in shown(x).text.replace("\xa0", "")
    (x * 0).backward()
    assert "grad 0" in shown(x).text
    assert "not computed" not in shown(x).text


def test_a_result_shows_its_graph_and_changes_nothing():
    w, x = Value(0.5, label="w"), Value(2.0, label="x")
    y = (w * x).tanh()
    text = shown(y).text
    assert "made by tanh" in text
    for word in ("w", "×", "tanh"):
        assert word in text.split()
    assert (w.grad, x.grad, y.grad) == (None, None, None)


def test_without_graphviz_the_graph_is_text_with_a_hint(no_graphviz):
    y = Value(2.0, label=HOSTILE) * 3
    text = shown(y).text
    assert "└─" in text
    assert "install Graphviz" in text


def test_labels_are_text(no_graphviz):
    for node in (Value(1.0, label=HOSTILE), Tensor([1.0, 2.0], label=HOSTILE), Value(1.0, label=HOSTILE).exp()):
        read = shown(node)
        assert "img" not in read.tags
        assert "</script><img" in read.text
        assert "\x00" not in node._repr_html_()
        assert "\u202e" not in node._repr_html_()


def test_a_small_tensor_is_a_table_of_its_numbers():
    x = Tensor([[1.0, -2.0, math.nan], [math.inf, 0.0, 0.25]])
    read = shown(x)
    assert read.cells == ["1", "-2", "NaN", "∞", "0", "0.25"]
    assert "shape (2, 3), float64, 48 bytes" in read.text
    assert "1 NaN, 1 infinite" in read.text
    assert shown(Tensor([1, 2, 3], dtype=np.int64)).cells == ["1", "2", "3"]


def test_a_large_tensor_is_summarised_and_small():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(1000, 1000))
    data[0, 0], data[500, 7] = math.nan, -math.inf
    x = Tensor(data, requires_grad=True, label="W")
    page = x._repr_html_()
    assert len(page) < 40_000
    read = shown(x)
    assert f"from {data[np.isfinite(data)].min():.4g} to {data[np.isfinite(data)].max():.4g}" in read.text
    assert "1 NaN, 1 infinite" in read.text
    assert "a square is the mean of 63×25 entries" in read.text
    assert "gradient: not computed" in read.text
    assert page.count('class="ag-nan"') == page.count('class="ag-inf"') == 1


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (17,), (3, 1, 2), (9, 4, 5), (2, 0, 3), (100, 2, 40, 41)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_every_shape_and_dtype_can_be_shown(shape, dtype):
    x = Tensor(np.ones(shape, dtype=dtype))
    read = shown(x)
    assert str(shape) in read.text
    assert len(x._repr_html_()) < 40_000


def test_complex_tensors_and_gradients_can_be_shown():
    assert "complex128" in shown(Tensor([1 + 2j])).text
    x = Tensor([[3.0, -4.0]], requires_grad=True)
    (x * x).sum().backward()
    read = shown(x)
    assert read.cells == ["3", "-4", "6", "-8"]
    assert "gradient" in read.text


def test_squares_tell_sign_by_shape_and_size_by_area():
    picture = hinton(np.array([[4.0, -4.0, 1.0, 0.0]]))
    full = re.search(r'class="ag-plus" fill="var\(--plus\)" d="([^"]*)"', picture)[1]
    sides = [float(x) for x in re.findall(r"h([\d.]+)v", full)]
    assert sides[0] == pytest.approx(2 * sides[1], rel=1e-2)
    assert 'class="ag-minus" fill="none"' in picture
    assert hinton(np.zeros((3, 0))) == ""


def test_a_graph_of_a_million_nodes_is_not_drawn_by_accident():
    y = Value(1.0)
    for _ in range(3000):
        y = y * 1.0001
    read = shown(y)
    assert "more than 2,000 nodes" in read.text
    assert "svg" not in read.tags


def model():
    ag.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), nn.Linear(3, 1))


def rows(read, width):
    return [[c.strip() for c in read.cells[i : i + width]] for i in range(0, len(read.cells), width)]


def test_a_module_is_a_table_of_its_layers_with_counts():
    net = model()
    net[0].weight.requires_grad = False
    net[2].eval()
    read = shown(net)
    found = rows(read, 4)
    assert found[0] == ["Sequential", "", "25", "❄ 6 frozen"]
    assert found[1] == ["0: Linear", "in_features=2, out_features=3, bias=True", "9", "❄ 6 frozen"]
    assert found[3][0] == "2: Sequential"
    assert found[3][3] == "evaluation"
    assert len(found) == 7
    assert "25 parameters, 6 of them frozen · 200 bytes · training mode" in read.text


def test_a_traced_forward_gives_the_shapes():
    net = model()
    with trace(net):
        net(np.ones((5, 2)))
    found = rows(shown(net), 5)
    assert [row[2] for row in found] == ["", "5×3", "5×3", "5×3", "5×3", "5×3", "5×1"]
    assert "output" not in shown(model()).text


def test_shared_and_many_layers_are_told():
    layer = nn.Linear(2, 2)
    read = shown(nn.Sequential(layer, layer))
    assert rows(read, 4)[2][3] == "shared, counted once"
    assert rows(read, 4)[0][2] == "6"
    deep = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(40)))
    read = shown(deep)
    assert len(rows(read, 4)) == 41
    assert "80 more layers inside those shown" in read.text
    assert rows(read, 4)[1][3] == "2 layers inside"


def test_a_history_has_curves_and_a_table():
    history = History()
    for i in range(20):
        loss = math.nan if i == 7 else 2.0 * 0.7**i
        history.append({"epoch": i + 1, "loss": loss, "val_loss": 1 + (i - 9) ** 2, "accuracy": i / 20, "note": "<b>"})
    history.ended = "patience is over"
    read = shown(history)
    page = history._repr_html_()
    assert read.tags.count("svg") == 2
    assert "○ best 1 at 10" in read.text
    assert "○ best 0.95 at 20" in read.text
    assert "patience is over" in read.text
    assert page.count("stroke-dasharray") == 1
    assert page.count("<polyline") == 2 + 1 + 1
    assert "loss is NaN in row 8" in read.text
    assert len([c for c in read.cells if c == "…"]) == 5
    assert "b" not in [t for t in read.tags if t == "b"][1:]


def test_odd_histories_can_be_shown():
    history = History()
    assert "no epoch yet" in shown(history).text
    history.append({"epoch": 1, "loss": math.nan})
    assert "svg" not in shown(history).tags
    history.append({"epoch": 2, "loss": 0.5, "val_loss": None})
    assert "○ best 0.5 at 2" in shown(history).text
    history.append({"other": math.inf})
    assert "∞" in shown(history).text or "inf" in shown(history).text


def test_light_and_dark_follow_the_notebook_before_the_system():
    page = Value(1.0)._repr_html_()
    media = page.index("prefers-color-scheme:dark")
    for outer in ("[data-jp-theme-light=true] .ag-panel", "[data-jp-theme-light=false] .ag-panel", ".vscode-dark"):
        assert page.index(outer) > media
