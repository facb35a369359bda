"""The text of a gradient rule is true: computed as it stands, it gives what the rule gives."""

import math

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, Value, graph, ops, passes
from autograd_lite.drawing import graph_of
from autograd_lite.drawing.rules import rule_texts

RNG_SEED = 3


def results():
    """One result of every op in the table, with operands from its own domain or first cases."""
    rng = np.random.default_rng(RNG_SEED)
    for op in ops.TABLE.values():
        if op.is_elementwise:
            yield op.name, op(*(leaf(rng.uniform(low, high, (2, 3))) for low, high in op.domain))
            continue
        for case in op.cases[:3]:
            operands = case.make(rng) if case.make else [rng.normal(size=s) for s in case.shapes]
            y = op(*map(leaf, operands), **case.params)
            if y.requires_grad:
                yield op.name, y


def leaf(x):
    floats = np.asarray(x).dtype.kind == "f"
    return Tensor(x, requires_grad=True) if floats else x


def computed(text, node, g):
    operands = [graph.data_of(x) for x in node.operands]
    names = "xyz" if len(operands) <= 3 else [f"x{i}" for i in range(len(operands))]
    namespace = {
        **ops.TABLE,
        **ops.PUBLIC,
        **dict(zip(names, operands, strict=False)),
        "np": np,
        "g": g,
        "out": node._data,
    }
    namespace |= {"inf": np.inf, "nan": np.nan, "float64": np.float64, "float32": np.float32}
    return eval(text, namespace)


def test_the_text_of_every_rule_computes_what_the_rule_computes():
    rng = np.random.default_rng(RNG_SEED)
    checked = set()
    for name, node in results():
        g = np.asarray(rng.normal(size=node.shape))
        slots = [i for i in node.edges if node.op.variadic or node.op.rules[i] is not None]
        shares = {i: share for i, (_, share) in zip(slots, passes.shares(node, g, False), strict=True)}
        for slot, text in rule_texts(node).items():
            if "…" in text:
                continue
            share = shares[slot]
            if isinstance(share, graph.Patch):
                dense = np.zeros_like(node.operands[slot]._data)
                share.add_to(dense)
                share = dense
            what = f"{name}, operand {slot}: {text}"
            np.testing.assert_allclose(computed(text, node, g), share, rtol=1e-4, atol=1e-12, err_msg=what)
            checked.add(name)
    assert len(checked) > 0.75 * len(ops.TABLE), sorted(set(ops.TABLE) - checked)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda x, y: x + y, {0: "g", 1: "g"}),
        (lambda x, y: x - y, {0: "g", 1: "-g"}),
        (lambda x, y: x * y, {0: "g * y", 1: "g * x"}),
        (lambda x, y: x / y, {0: "g * (1 / y)", 1: "g * (-out / y)"}),
        (lambda x, y: np.tanh(x), {0: "g * (1 - out * out)"}),
        (lambda x, y: ag.relu(x), {0: "g * np.sign(out)"}),
        (lambda x, y: x @ y.T, {0: "g @ y.T", 1: "x.T @ g"}),
        (lambda x, y: x.sum(axis=0), None),
        (lambda x, y: x + y[0], {0: "g", 1: "np.sum(g, axis=0)"}),
        (lambda x, y: x * y[:, :1], {0: "g * y", 1: "np.sum(g * x, axis=1, keepdims=True)"}),
        (lambda x, y: ag.where(x.numpy() > 0, x, y), {1: "g * (x != 0)", 2: "g * (x == 0)"}),
    ],
)
def test_rules_read_as_one_would_write_them(make, texts):
    rng = np.random.default_rng(0)
    x, y = (Tensor(rng.normal(size=(2, 3)), requires_grad=True) for _ in range(2))
    found = rule_texts(make(x, y))
    assert found == texts if texts is not None else len(found) == 1


def test_a_rule_that_computes_with_data_of_its_own_says_so():
    x = Tensor([1.0, 3.0, 2.0], requires_grad=True)
    assert rule_texts(x.max()) == {0: "g * …"}


def test_a_rule_too_long_for_a_line_has_no_text():
    assert rule_texts(ag.sinc(Value(0.3))) == {}


def test_a_custom_rule_is_printed_or_left_out_and_never_raises():
    plain = ag.custom_op(lambda x: x**3, lambda g, y, x: 3 * g * x**2, name="cube")
    assert rule_texts(plain(Tensor([2.0], requires_grad=True))) == {0: "3 * g * x**2"}
    stubborn = ag.custom_op(lambda x: x**3, lambda g, y, x: np.array([float(v) for v in g]) * 3 * x**2, name="stubborn")
    y = stubborn(Tensor([2.0, 1.0], requires_grad=True))
    record = graph_of(y)
    assert record.edges[0].share.data == (12.0, 3.0)


def test_printing_a_rule_records_nothing_and_is_blind_to_modes():
    x = Tensor([1.0], requires_grad=True)
    y = np.exp(x)
    with ag.no_grad():
        assert rule_texts(y) == {0: "g * out"}
    with ag.detect_anomaly():
        assert rule_texts(np.log(x * 0 + 1)) == {0: "g * (1 / x)"}
    assert x.grad is None
    assert math.isclose(y.item(), math.e)
