"""Programs written for micrograd's Value run unchanged; the expected numbers are those of exact arithmetic."""

import math
import random

import pytest

from autograd_lite import Value


def test_sanity_check():
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert (y.data, x.grad) == (-20.0, 46.0)


def test_more_ops():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, rel=1e-14)
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-14)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-14)


def test_a_neuron_with_tanh():
    x1, x2, w1, w2, b = (Value(v) for v in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.backward()
    assert o.data == pytest.approx(math.sqrt(0.5))
    assert (x1.grad, w1.grad, x2.grad, w2.grad) == pytest.approx((-1.5, 1.0, 0.5, 0.0))


def test_tanh_out_of_exp():
    n = Value(0.8813735870195432)
    e = (2 * n).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert n.grad == pytest.approx(0.5)


def test_a_training_loop_runs_unchanged():
    """Classes and loop in micrograd's own style, `p.grad = 0` and `p.data -=` included."""

    class Neuron:
        def __init__(self, nin, nonlin=True):
            self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
            self.b = Value(0)
            self.nonlin = nonlin

        def __call__(self, x):
            act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
            return act.relu() if self.nonlin else act

        def parameters(self):
            return [*self.w, self.b]

    random.seed(1337)
    hidden = [Neuron(2) for _ in range(6)]
    head = Neuron(6, nonlin=False)
    parameters = [p for n in (*hidden, head) for p in n.parameters()]
    xs = [[0, 0], [0, 1], [1, 0], [1, 1]]
    ys = [-1, 1, 1, -1]
    losses = []
    for _ in range(150):
        scores = [head([n(x) for n in hidden]) for x in xs]
        total = sum((1 + -yi * si).relu() for yi, si in zip(ys, scores, strict=True)) * (1.0 / len(ys))
        total = total + 1e-4 * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = 0
        total.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad
        losses.append(total.data)
    assert losses[-1] < 0.05 < losses[0]
    assert all((s.data > 0) == (y > 0) for s, y in zip(scores, ys, strict=True))


def test_a_graph_is_walked_as_micrograd_draws_it():
    a, b = Value(2.0), Value(3.0)
    c = a * b + a
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(c)
    assert len(nodes) == 4
    assert len(edges) == 4
    assert (c._op, a._op) == ("+", "")
