"""The levels of a page: opening a group shows exactly what it held, wherever it is."""

import time

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Value
from autograd_lite.drawing import graph_of, trace
from autograd_lite.drawing.levels import levels_of
from autograd_lite.drawing.view import view_of
from nn.scalar import MLP
from tests.test_drawing_view import chain


def blocks():
    ag.manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(40)])
    with trace(model) as seen:
        return graph_of(model(np.ones((2, 3))).sum(), names=seen)


def unrolled():
    ag.manual_seed(0)
    cell = nn.LSTMCell(2, 3)
    with trace(cell), trace(nn.Sequential(cell)) as seen:
        state = None
        for _ in range(9):
            state = cell(np.ones((1, 2)), state)
        return graph_of(state[0].sum(), names=seen)


def scalars():
    ag.manual_seed(0)
    model = MLP(2, [8, 8, 1])
    return graph_of(sum(model([Value(0.1 * k), Value(0.3)]) for k in range(6)))


RECORDS = {"chain": lambda: graph_of(chain(700)), "blocks": blocks, "unrolled": unrolled, "scalars": scalars}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("options", [{}, {"depth": 0}, {"max_boxes": 8}])
def test_a_level_holds_what_its_owner_holds(name, options):
    view = view_of(RECORDS[name](), **options)
    levels = levels_of(view)
    boxes = {}
    for level in levels:
        inside = sorted(i for box in level.view.boxes for i in box.members)
        assert len(inside) == len(set(inside))
        if level.owner is not None:
            assert inside == sorted(boxes[level.owner].members)
            assert len(level.view.boxes) <= 60
            assert not (len(level.view.boxes) == 1 and level.view.node(level.view.boxes[0]) is None)
        for box in level.view.boxes:
            assert box.id not in boxes
            boxes[box.id] = box
            node = level.view.node(box)
            assert node is None or node.id == box.id
    owners = [level.owner for level in levels[1:]]
    assert len(owners) == len(set(owners))


@pytest.mark.parametrize("name", RECORDS)
def test_links_in_a_level_are_the_graphs(name):
    record = RECORDS[name]()
    for level in levels_of(view_of(record, max_boxes=10)):
        home = {record.nodes[i].id: box.id for box in level.view.boxes for i in box.members}
        expected = {}
        for edge in record.edges:
            a, b = home.get(edge.source), home.get(edge.target)
            if a is not None and b is not None and a != b:
                expected[a, b] = expected.get((a, b), 0) + 1
        drawn = {}
        for link in level.view.links:
            drawn[link.source, link.target] = drawn.get((link.source, link.target), 0) + link.count
            assert link.edge is None or link.edge in record.edges
        assert drawn == expected


def test_every_node_of_a_middling_graph_can_be_reached():
    for name in ("blocks", "unrolled"):
        record = RECORDS[name]()
        view = view_of(record, max_boxes=10)
        found = {b.id for level in levels_of(view) for b in level.view.boxes if level.view.node(b) is not None}
        assert found == {n.id for n in record.nodes}


def test_a_large_graph_is_cut_into_levels_in_time_and_to_a_limit():
    record = graph_of(chain(10_000))
    started = time.perf_counter()
    levels = levels_of(view_of(record))
    assert time.perf_counter() - started < 30  # 0.5 seconds on an idle machine
    assert 1000 < sum(len(level.view.boxes) for level in levels) <= 2000
    assert any(level.view.node(b) is not None for level in levels[1:] for b in level.view.boxes)
