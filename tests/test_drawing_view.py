"""What is drawn of a large graph: honest folding, collapsing and cutting, and never a wrong arrow."""

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from autograd_lite import Tensor, Value
from autograd_lite.drawing import graph_of, trace
from autograd_lite.drawing.view import view_of


def chain(n):
    x = Value(1.0, label="x")
    for _ in range(n):
        x = x * 1.5
    return x


def check(view):
    """Every node is in one box at most, every arrow is one of the graph's, and there is no circle."""
    record = view.record
    home = {}
    for box in view.boxes:
        for i in box.members:
            assert i not in home
            home[i] = box.id
    expected = {}
    for e in record.edges:
        a, b = home.get(int(e.source[1:])), home.get(int(e.target[1:]))
        if a is not None and b is not None and a != b:
            expected[a, b] = expected.get((a, b), 0) + 1
    drawn = {}
    for link in view.links:
        drawn[link.source, link.target] = drawn.get((link.source, link.target), 0) + link.count
    assert drawn == expected
    after = {}
    for a, b in drawn:
        after.setdefault(a, set()).add(b)
    state = {}
    for start in home.values():
        stack = [(start, iter(after.get(start, ())))]
        if state.get(start):
            continue
        state[start] = "open"
        while stack:
            at, nexts = stack[-1]
            for b in nexts:
                assert state.get(b) != "open", "a circle"
                if b not in state:
                    state[b] = "open"
                    stack.append((b, iter(after.get(b, ()))))
                    break
            else:
                state[at] = "done"
                stack.pop()
    return view


def test_a_small_graph_is_drawn_as_it_is():
    record = graph_of(chain(3))
    view = check(view_of(record))
    assert [b.id for b in view.boxes] == [n.id for n in record.nodes]
    assert view.caption == "7 nodes"


def test_a_long_chain_folds_after_its_first_step():
    view = check(view_of(graph_of(chain(2000))))
    fold = next(b for b in view.boxes if b.kind == "fold")
    assert len(view.boxes) < 12
    assert fold.lines[0] == "+1,997 more like the first"
    assert "4,001 nodes" in view.caption


def test_steps_with_the_same_parameters_are_told_from_steps_with_their_own():
    w = Value(0.5, label="w")
    x = Value(1.0, label="x")
    for _ in range(300):
        x = (x * w).tanh()
    shared = next(b for b in check(view_of(graph_of(x))).boxes if b.kind == "fold")
    assert "the same parameters" in shared.lines[0]
    x = Value(1.0, label="x")
    for _ in range(300):
        x = (x * Value(0.5)).tanh()
    own = next(b for b in check(view_of(graph_of(x))).boxes if b.kind == "fold")
    assert own.lines[0].startswith("+")
    assert "more like the first" in own.lines[0]


def test_a_step_of_another_shape_or_kind_ends_the_row():
    x = Value(1.0)
    for i in range(300):
        x = (x * Value(0.5)).tanh() if i != 150 else (x * Value(0.5)).sin()
    view = check(view_of(graph_of(x)))
    assert any(b.title == "sin" for b in view.boxes)
    assert sum(b.kind == "fold" for b in view.boxes) >= 2


def test_equal_neurons_fold_into_layers():
    scalar = pytest.importorskip("nn.scalar")
    model = scalar.MLP(2, [16, 16, 1])
    view = check(view_of(graph_of(model([Value(0.3), Value(-0.2)]))))
    assert len(view.boxes) <= 30
    assert any(b.title == "×" and b.lines == ("256 of equal structure",) for b in view.boxes)


def layers(n):
    nn = pytest.importorskip("nn")
    model = nn.Sequential(*[nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(n)], nn.Linear(3, 1))
    with trace(model) as seen:
        y = (model(Tensor(np.ones((2, 3)), label="X")) ** 2).mean()
    return graph_of(y, names=seen)


def test_depth_collapses_modules_and_folds_equal_ones():
    record = layers(6)
    view = check(view_of(record, depth=0))
    titles = {b.title: b for b in view.boxes}
    assert set(titles) == {"X", "0", "1 … 5", "6", "square", "mean"}
    assert titles["0"].kind == "module"
    assert titles["0"].lines[0] == "Sequential"
    assert titles["1 … 5"].lines[0] == "+5 more like the first"
    assert "12 parameters" in titles["0"].lines
    one = check(view_of(record, depth=1))
    assert {b.scope for b in one.boxes} == {(), *((str(i),) for i in range(7))}


def test_collapse_names_modules_with_wildcards_or_a_function():
    record = layers(4)
    one = check(view_of(record, collapse="1"))
    assert [b.title for b in one.boxes if b.kind == "module"] == ["1"]
    linear = check(view_of(record, collapse=["*.0"]))
    assert sum(b.kind == "module" for b in linear.boxes) == 4
    called = check(view_of(record, collapse=lambda path: path.endswith(".1")))
    assert {b.title for b in called.boxes if b.kind == "module"} == {"0.1", "1.1", "2.1", "3.1"}


def test_a_repeated_block_stays_open_once_when_the_graph_is_too_large():
    record = layers(60)
    view = check(view_of(record))
    assert len(view.boxes) <= 150
    fold = next(b for b in view.boxes if b.kind == "fold")
    assert fold.title == "1 … 59"
    assert {b.scope for b in view.boxes} >= {("0", "0.0"), ("0", "0.1")}


def test_one_module_called_many_times_says_so():
    nn = pytest.importorskip("nn")
    cell = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    model = nn.Sequential(cell)
    h = Tensor(np.ones((2, 3)), label="h")
    with trace(model) as seen:
        for _ in range(8):
            h = model[0](h)
        y = h.sum()
    view = check(view_of(graph_of(y, names=seen), depth=0))
    fold = next(b for b in view.boxes if b.kind == "fold")
    assert fold.lines[0] == "×8 in all, the same parameters"
    assert {"0.0.weight", "0.0.bias"} <= {b.title for b in view.boxes}


def test_focus_draws_a_neighbourhood_and_says_what_is_missing():
    record = graph_of(chain(50))
    view = check(view_of(record, focus="n50", radius=2))
    assert {b.id for b in view.boxes} >= {"n50"}
    assert len(view.boxes) < 10
    assert view.caption.startswith(f"Showing {len(view.boxes)} of 101 nodes: what is within 2 edges of n50")
    assert any("input" in line for b in view.boxes for line in b.lines)
    assert view_of(record, focus="x", radius=0).boxes[0].title == "x"
    with pytest.raises(KeyError, match="nobody"):
        view_of(record, focus="nobody")


def test_constants_can_be_left_out():
    view = check(view_of(graph_of(chain(5)), constants=False))
    assert all(b.kind != "constant" for b in view.boxes)


def random_graph(n, seed):
    rng = np.random.default_rng(seed)
    nodes = [Value(x) for x in rng.normal(size=5)]
    for _ in range(n):
        a, b = nodes[-1], nodes[-int(rng.integers(1, min(9, len(nodes))))]
        nodes.append([a + b, a * b, a.tanh(), a * 0.5][int(rng.integers(4))])
    return nodes[-1]


@given(st.integers(1, 120), st.integers(0, 1000), st.integers(1, 40))
def test_any_graph_fits_any_limit(n, seed, limit):
    view = check(view_of(graph_of(random_graph(n, seed)), max_boxes=limit))
    assert 1 <= len(view.boxes) <= limit
    assert any(b.is_root for b in view.boxes)


def test_a_graph_that_does_not_fold_is_cut_at_the_root_and_says_so():
    view = check(view_of(graph_of(random_graph(3000, 1)), max_boxes=50))
    assert len(view.boxes) == 50
    assert "what is nearest to the root" in view.caption


def test_twenty_thousand_nodes_are_summarised_in_seconds():
    started = time.perf_counter()
    view = check(view_of(graph_of(random_graph(15_000, 2))))
    assert len(view.record.nodes) > 15_000
    assert len(view.boxes) <= 150
    assert time.perf_counter() - started < 30  # 3 seconds on an idle machine


def test_a_limit_of_no_boxes_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        view_of(graph_of(Value(1.0)), max_boxes=0)


def test_two_equal_pairs_of_modules_fold():
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh())
    with trace(model) as seen:
        y = model(Tensor(np.ones((2, 3)))).sum()
    view = check(view_of(graph_of(y, names=seen), depth=0))
    (fold,) = [b for b in view.boxes if b.kind == "fold"]
    assert (fold.title, fold.lines[0]) == ("2 … 3", "+1 more like the first")
    assert len(fold.parts) == 1
    assert [b.title for b in view.boxes if b.kind == "module"] == ["0", "1"]
