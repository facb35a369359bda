"""graph_of: what the record says is what the engine computes, and taking it changes nothing."""

import gc
import json
import math
import subprocess
import sys
import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st

import autograd_lite as ag
from autograd_lite import Tensor, Value
from autograd_lite.drawing import GraphRecord, Summary, graph_of, save_graph, trace

BINARY = [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (1 + b * b), ag.maximum]
UNARY = [np.tanh, np.sin, ag.relu, np.square, lambda a: -a]


@st.composite
def scalar_graphs(draw):
    """A random graph of Values, with sharing, repeated operands, constants and diamonds."""
    numbers = draw(st.lists(st.floats(-2, 2), min_size=1, max_size=4))
    nodes = [Value(x, label=f"x{i}") for i, x in enumerate(numbers)]
    leaves = list(nodes)
    for _ in range(draw(st.integers(1, 12))):
        pick = st.integers(0, len(nodes) - 1)
        if draw(st.booleans()):
            nodes.append(draw(st.sampled_from(BINARY))(nodes[draw(pick)], nodes[draw(pick)]))
        elif draw(st.booleans()):
            nodes.append(draw(st.sampled_from(UNARY))(nodes[draw(pick)]))
        else:
            nodes.append(nodes[draw(pick)] * draw(st.floats(-2, 2)))
    return leaves, nodes[-1]


@given(scalar_graphs())
def test_gradients_are_those_of_backward(graph):
    leaves, root = graph
    record = graph_of(root)
    root.backward()
    by_label = {n.label: n for n in record.nodes if n.label}
    for leaf in leaves:
        if leaf.label in by_label:
            assert by_label[leaf.label].grad == leaf.grad
        else:
            assert leaf.grad is None


@given(scalar_graphs())
def test_the_record_is_consistent(graph):
    _, root = graph
    record = graph_of(root)
    assert [n.id for n in record.nodes] == [f"n{i}" for i in range(len(record.nodes))]
    into = {n.id: [] for n in record.nodes}
    shares = {n.id: [] for n in record.nodes}
    for e in record.edges:
        into[e.target].append(e)
        if e.share is not None:
            shares[e.source].append(e.share)
            assert e.share == pytest.approx(record.node(e.target).grad * e.local, rel=1e-14, abs=0)
    for n in record.nodes:
        assert [e.slot for e in into[n.id]] == list(range(len(into[n.id])))
        assert bool(into[n.id]) == (n.kind == "result")
        if n.grad is not None and n.id not in record.roots:
            assert math.fsum(shares[n.id]) == pytest.approx(n.grad, rel=1e-9, abs=1e-12)


@given(scalar_graphs())
def test_json_goes_both_ways_and_is_the_same_each_time(graph):
    _, root = graph
    text = graph_of(root).to_json()
    assert text == graph_of(root).to_json()
    assert GraphRecord.from_json(text) == graph_of(root)
    assert GraphRecord.from_json(text).to_json() == text


def test_every_use_of_an_operand_is_an_edge():
    a = Value(3.0, label="a")
    record = graph_of(a * a + a)
    assert [(e.source, e.slot, e.local) for e in record.edges] == [
        ("n0", 0, 3.0),
        ("n0", 1, 3.0),
        ("n1", 0, 1.0),
        ("n0", 1, 1.0),
    ]
    assert record.nodes[0].grad == 7.0


def test_leaves_are_numbered_in_the_order_of_their_use():
    a, b, c = (Value(1.0, label=name) for name in "abc")
    record = graph_of(a * b + c)
    assert [n.label or n.op for n in record.nodes] == ["a", "b", "multiply", "c", "add"]


def test_what_is_not_computed_is_none_and_not_zero():
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    record = graph_of((x * np.array([1.0, 2.0]) * ag.sign(x)).sum())
    constant = next(n for n in record.nodes if n.kind == "constant")
    assert constant.grad is None
    assert all(n.stored is None for n in record.nodes)
    x.grad = np.array([5.0, 5.0])
    assert graph_of(x * 1.0).nodes[0].stored.data == (5.0, 5.0)
    dead = graph_of(ag.sign(Value(2.0)))
    assert dead.nodes[0].grad == 0.0


def test_a_condition_gets_no_gradient():
    x = Tensor([1.0, -2.0], requires_grad=True)
    record = graph_of(ag.where(x, x, 0.0).sum())
    slots = {e.slot: e.share for e in record.edges if record.node(e.target).op == "where"}
    assert slots[0] is None
    assert slots[1] is not None


def test_taking_a_record_touches_nothing():
    rng_state = ag.default_generator().bit_generator.state
    calls = []
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(calls.append)
    y.retain_grad()
    z = y.sum()
    record = graph_of(z)
    assert calls == []
    assert x.grad is y.grad is z.grad is None
    assert "hook" in record.nodes[2].note
    assert ag.default_generator().bit_generator.state == rng_state
    z.backward()
    assert len(calls) == 1


def test_a_record_keeps_no_array_alive():
    x = Tensor(np.ones((50, 50)), requires_grad=True)
    y = np.tanh(x @ x).sum()
    record = graph_of(y)
    alive = weakref.ref(x)
    del x, y
    gc.collect()
    assert alive() is None
    assert record.nodes[0].shape == (50, 50)
    assert record.nodes[0].data.data is None


def test_values_and_tensors_in_one_graph():
    w = Value(2.0, label="w")
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True, label="x")
    y = (w * x)[1] + w
    record = graph_of(y)
    y.backward()
    assert record.node("w").grad == w.grad == 3.0
    assert record.node("x").grad.data == tuple(x.grad)
    assert [n.face for n in record.nodes if n.label] == ["value", "tensor"]


def test_entries_of_a_tensor_as_values():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True, label="x")
    values = x.to_values()
    record = graph_of(values[0] * values[2])
    assert record.node("x").grad.data == (3.0, 0.0, 1.0)
    assert not [n for n in record.nodes if n.kind == "constant"]


def test_several_roots_and_containers():
    a, b = Value(2.0, label="a"), Value(3.0)
    record = graph_of({"first": a * b, "second": [a + b]})
    assert len(record.roots) == 2
    assert record.node("a").grad == 4.0
    assert "sum of the roots" in record.note


def test_an_array_as_root_and_a_given_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True, label="x")
    assert graph_of(x * x).node("x").grad.data == (2.0, 4.0)
    assert graph_of(x * x, gradient=[1.0, 10.0]).node("x").grad.data == (2.0, 40.0)


def test_a_lonely_node():
    assert [n.kind for n in graph_of(Value(1.0)).nodes] == ["leaf"]
    assert [n.kind for n in graph_of(Tensor([1.0])).nodes] == ["constant"]
    with pytest.raises(TypeError, match="expected a Value"):
        graph_of(3.0)


def test_under_create_graph_the_gradient_has_a_record_too():
    x = Value(2.0, label="x")
    (x * x * x).backward(create_graph=True)
    record = graph_of(x.grad)
    assert record.nodes[-1].data == 12.0
    assert record.node("x").grad == 12.0


def test_statistics_of_arrays():
    data = np.zeros((20, 20))
    data[0, :3] = [np.nan, np.inf, -4.0]
    summary = graph_of(Tensor(data)).nodes[0].data
    assert (summary.nan, summary.inf, summary.min, summary.max) == (1, 1, -4.0, 0.0)
    assert summary.zeros == 397 / 400
    assert math.isnan(summary.norm)
    assert summary.data is None
    for array in (np.zeros(0), np.full(3, np.nan), np.zeros(4), np.array([True, False])):
        assert isinstance(graph_of(Tensor(array)).nodes[0].data, Summary)


def test_norms_do_not_overflow_or_vanish():
    assert graph_of(Tensor([3e200, 4e200])).nodes[0].data.norm == pytest.approx(5e200)
    assert graph_of(Tensor([3e-200, 4e-200])).nodes[0].data.norm == pytest.approx(5e-200)
    x = Tensor(np.full(100, 1e30, dtype=np.float32))
    assert graph_of(x).nodes[0].data.norm == pytest.approx(1e31)


def test_nonfinite_numbers_survive_json():
    x = Tensor([1.0, 0.0, -1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        record = graph_of(np.log(x).sum() * Value(math.inf))
    text = record.to_json()
    json.loads(text, parse_constant=pytest.fail)
    assert GraphRecord.from_json(text).to_json() == text
    assert record.first_nonfinite()[0].op == "log"
    assert graph_of(Value(1.0) * 2).first_nonfinite() is None


def test_a_stale_graph_is_drawn_and_says_so():
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    y = np.tanh(w * x) + x
    w.data = 5.0
    record = graph_of(y)
    product = next(n for n in record.nodes if n.op == "multiply")
    assert "overwritten" in product.note
    assert record.node("w").grad is None
    assert record.node("x").grad is None  # a part of it would be wrong


def test_a_rule_that_fails_leaves_its_operands_without_gradient():
    def broken(g, y, x):
        raise ZeroDivisionError("this rule is broken")

    f = ag.custom_op(lambda x: x, broken, name="f")
    x = Tensor([1.0], requires_grad=True, label="x")
    record = graph_of(f(x) * 2 + x)
    assert record.node("x").grad is None
    assert "this rule is broken" in next(n for n in record.nodes if n.op == "f").note


def test_labels_of_a_model_a_mapping_and_a_trace():
    w = Value(1.0)
    assert graph_of(w * 2, names={"weight": w}).nodes[0].label == "weight"
    with pytest.raises(TypeError, match="maps names"):
        graph_of(w, names={"weight": 3.0})
    with pytest.raises(TypeError, match="a model, a trace"):
        graph_of(w, names=3)


def test_a_trace_knows_modules_calls_and_lines():
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    x = Tensor([[1.0, 2.0]], label="x")
    with trace(model) as seen:
        y = model[0](model[0](x)).sum() + model(x).sum()
    record = graph_of(y, names=seen)
    scopes = [n.scope for n in record.nodes if n.op is not None]
    assert scopes == [("0",), ("0#2",), (), ("0#3",), ("1",), ("2",), (), ()]
    assert record.node("2.weight").scope == ("2",)
    assert record.node("0.weight").scope == ()  # shared by three calls
    assert record.node("x").scope == ()
    assert dict(record.modules) == {"0": "Linear", "1": "ReLU", "2": "Linear"}
    assert all("test_drawing_record.py:" in n.source for n in record.nodes if n.op is not None)
    assert not any(m._hooks for m in model.modules())


def test_without_a_trace_modules_are_read_off_the_parameters():
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    record = graph_of(model(np.ones((3, 2))).sum(), names=model)
    assert [n.scope for n in record.nodes if n.op == "linear"] == [("0",), ("1",)]
    assert record.node("1.bias").scope == ("1",)


def test_a_trace_goes_on_when_a_module_fails():
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with trace(model) as seen:
        with pytest.raises(ValueError, match=r"Linear|linear"):
            model[0](np.ones((3, 5)))
        y = model(np.ones((3, 2))).sum()
    scopes = [n.scope for n in graph_of(y, names=seen).nodes if n.op is not None]
    assert scopes[-1] == ()
    assert scopes[0] in (("0",), ("0#2",))


def test_lines_are_known_inside_detect_anomaly():
    with ag.detect_anomaly():
        record = graph_of(Value(1.0) * 2)
    assert "test_drawing_record.py:" in record.nodes[-1].source
    assert graph_of(Value(1.0) * 2).nodes[-1].source is None


def test_a_trace_and_detect_anomaly_work_together():
    with ag.detect_anomaly(), trace(), pytest.raises(ag.AnomalyError), np.errstate(all="ignore"):
        np.log(Value(0.0))
    with trace() as seen, ag.detect_anomaly():
        pass
    assert seen.places == {}


def test_dead_and_saturated_units():
    x = Tensor([[-1.0, 2.0], [-3.0, -4.0]], requires_grad=True)
    assert graph_of(ag.relu(x)).nodes[-1].idle == 0.5  # the first column is dead in all samples
    assert graph_of(np.tanh(Value(9.0))).nodes[-1].idle == 1.0
    assert graph_of(np.tanh(Value(0.1))).nodes[-1].idle == 0.0
    assert graph_of(np.exp(x)).nodes[-1].idle is None


def test_dtypes_and_bytes():
    x = Tensor(np.ones((3, 4), dtype=np.float32), requires_grad=True)
    node = graph_of(x * 2).nodes[-1]
    assert (node.shape, node.dtype, node.bytes) == ((3, 4), "float32", 48)


@pytest.mark.parametrize("face", [Value, Tensor])
def test_a_deep_graph_needs_no_recursion(face):
    x = y = face(1.0) if face is Value else Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y * 1.0001
    record = graph_of(y)
    assert len(record.nodes) == 40_001
    assert record.nodes[0].grad == pytest.approx(1.0001**20_000)
    assert GraphRecord.from_json(record.to_json()) == record
    assert x.grad is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "null",
        "not json",
        '{"schema": "autograd_lite.graph/2", "nodes": [], "edges": [], "roots": []}',
        '{"schema": "autograd_lite.graph/1", "nodes": [], "edges": [], "roots": []}',
        '{"schema": "autograd_lite.graph/1", "nodes": 3, "edges": [], "roots": []}',
        '{"schema": "autograd_lite.graph/1", "nodes": [{"id": "n1"}], "edges": [], "roots": ["n1"]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError, match=r"record|Expecting"):
        GraphRecord.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"label": 3},
        {"shape": "x"},
        {"shape": [1.5]},
        {"bytes": "many"},
        {"data": "word"},
        {"data": {"norm": 1.0, "extra": 1}},
        {"id": "n7"},
        {"kind": None},
        {"unknown": 1},
        {"scope": [3]},
    ],
)
def test_a_changed_record_is_refused(change):
    content = json.loads(graph_of(Value(1.0) * 2).to_json())
    content["nodes"][0].update(change)
    with pytest.raises(ValueError, match=r"record|invalid literal"):
        GraphRecord.from_json(json.dumps(content))


def test_edges_that_run_backward_are_refused():
    content = json.loads(graph_of(Value(1.0) * 2).to_json())
    content["edges"][0]["source"] = "n2"
    with pytest.raises(ValueError, match="no edge"):
        GraphRecord.from_json(json.dumps(content))


PROGRAM = """
import numpy as np
from autograd_lite import Tensor
from autograd_lite.drawing import draw, graph_of
x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, label="x")
y = (np.tanh(x @ x.T) * x[:, :2]).sum()
print(graph_of(y).to_json())
print(draw(y).source)
"""


def test_two_processes_write_the_same_bytes():
    def run(seed):
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout

    assert run("1") == run("2")


def test_half_a_character_in_a_label_survives_its_file(tmp_path):
    record = graph_of(Value(1.0, label="\ud800 \u00e9").exp())
    path = save_graph(record, tmp_path / "g.json")
    assert GraphRecord.from_json(path.read_bytes()) == record


def test_a_line_of_a_notebook_is_told_without_a_path():
    code = compile("y = Value(1.0).exp()", "/somewhere/ipykernel_123/456.py", "exec")
    names = {"Value": Value}
    with trace() as seen:
        exec(code, names)
    assert graph_of(names["y"], names=seen).nodes[-1].source == "line 1 of a cell"
