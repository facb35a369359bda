"""The graph: order, multiplicity, accumulation, size, memory, exceptions, threads."""

import gc
import re
import sys
import threading
import time

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import GradientError, Tensor, Value, graph, ops

MILLION = 1_000_000


def leaf(face, x):
    return Value(x) if face is Value else Tensor(x, requires_grad=True)


both_faces = pytest.mark.parametrize("face", [Value, Tensor])


@both_faces
def test_operands_keep_their_order_and_multiplicity(face):
    a, b = leaf(face, 2.0), leaf(face, 5.0)
    assert (a - b).operands == (a, b)
    assert (a + a).operands == (a, a)
    assert a.operands == ()
    (a + a).backward()
    assert a.grad == 2.0


@both_faces
def test_topological_order_puts_operands_first_and_each_node_once(face):
    a = leaf(face, 2.0)
    b = a + a
    c = b * a
    d = c + b
    order = graph.topological([d])
    assert sorted(map(id, order)) == sorted(map(id, (a, b, c, d)))
    for node in order:
        assert all(order.index(x) < order.index(node) for x in node.operands)


@both_faces
def test_leaves_accumulate_and_zero_grad_forgets(face):
    x = leaf(face, 3.0)
    assert x.grad is None
    y = x * x
    y.backward()
    (x * 4).backward()
    assert x.grad == 10.0
    x.zero_grad()
    assert x.grad is None


@both_faces
def test_a_second_backward_adds_exactly_the_same_to_the_leaves(face):
    x = leaf(face, 3.0)
    y = x * x * x
    for n in (1, 2, 3):
        y.backward()
        assert x.grad == n * 27.0


def test_intermediates_show_the_last_pass_only():
    x = Value(3.0)
    y = x * x
    z = y * 2
    for _ in range(3):
        z.backward()
        assert (z.grad, y.grad) == (1.0, 2.0)


def test_a_tensor_result_keeps_no_gradient_unless_it_is_retained():
    x = Tensor([1.0, 2.0], requires_grad=True)
    kept, dropped = x * 2, x * 3
    kept.retain_grad()
    loss = np.sum(kept * dropped)
    for _ in range(2):
        loss.backward()
        np.testing.assert_array_equal(kept.grad, [3.0, 6.0])
        assert dropped.grad is None


@both_faces
def test_two_losses_on_one_trunk(face):
    x = leaf(face, 3.0)
    trunk = x * x
    (trunk * 2).backward()
    (trunk + x).backward()
    assert x.grad == 2 * 6.0 + 6.0 + 1.0


@both_faces
def test_a_loss_that_is_an_inner_node_of_another_loss(face):
    x = leaf(face, 3.0)
    inner = x * x
    outer = inner * inner
    outer.backward()
    inner.backward()
    assert x.grad == 4 * 27.0 + 6.0


def test_gradients_reach_every_operand_of_one_value_and_tensor_graph():
    v, t, w = Value(2.0), Tensor([1.0, 2.0], requires_grad=True), Value(5.0)
    loss = np.sum(v * t) * w
    assert isinstance(loss, Tensor)
    loss.backward()
    assert (v.grad, w.grad, t.grad.tolist()) == (15.0, 6.0, [10.0, 10.0])
    assert type(v.grad) is float


@both_faces
def test_a_million_operations_in_a_chain(face):
    x = leaf(face, 1.0)
    y = x
    for _ in range(MILLION):
        y = -y
    y.backward()
    assert x.grad == 1.0
    del y  # freeing a chain must not overflow the stack either


def test_a_long_chain_is_freed_without_a_backward_pass():
    for face in (Value, Tensor):
        y = leaf(face, 1.0)
        for _ in range(100_000):
            y = y * 1.0
        del y


def test_a_node_with_a_million_operands():
    xs = [Value(1.0)] * (MILLION - 1) + [Value(3.0)]
    total = ag.sum(xs)
    total.backward()
    assert float(total) == MILLION + 2.0
    assert xs[0].grad == MILLION - 1.0
    assert xs[-1].grad == 1.0


@both_faces
def test_a_node_with_many_users(face):
    x = leaf(face, 1.0)
    y = 0.0
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad == 100_000.0


@both_faces
def test_a_ladder_of_diamonds_is_linear_in_its_nodes_not_in_its_paths(face):
    x = leaf(face, 1.0)
    y = x
    for _ in range(60):
        y = y + y
    assert float(y) == 2.0**60
    best = min(_seconds(y.backward) for _ in range(5))
    assert x.grad == 5 * 2.0**60
    assert best / 60 < 1e-4


@both_faces
def test_cost_grows_linearly(face):
    small, large = (min(_seconds(lambda n=n: _chain(face, n).backward()) for _ in range(3)) for n in (8_000, 64_000))
    assert large < 8 * small * 3


def _seconds(function):
    """Return the processor's time, without the garbage collector's, which visits a growing graph again and again."""
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        function()
        return time.process_time() - start
    finally:
        gc.enable()


def _chain(face, n):
    y = leaf(face, 0.5)
    for _ in range(n):
        y = y * 1.0
    return y


def test_a_training_loop_leaves_nothing_to_the_garbage_collector():
    w = Tensor(np.ones((3, 2)), requires_grad=True)
    vs = [Value(0.5), Value(-0.25)]
    x = np.arange(6.0).reshape(2, 3)

    def step():
        w.zero_grad()
        loss = np.mean((np.tanh(x @ w) - 1.0) ** 2)
        loss.backward()
        w.data = w.data - 0.01 * w.grad
        scalar = (vs[0] * 3.0 + vs[1]).tanh() ** 2
        scalar.backward()
        for v in vs:
            v.data -= 0.01 * v.grad
            v.zero_grad()

    step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(1000):
            step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_recorded_gradients_make_no_reference_cycle_once_grad_is_forgotten():
    x = Tensor([1.0, 2.0], requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            np.sum(x**3).backward(create_graph=True)
            x.zero_grad()
            ag.hessian(lambda t: np.sum(np.tanh(t)))(np.ones(3))
        assert gc.collect() == 0
    finally:
        gc.enable()


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt, MemoryError])
@both_faces
def test_an_exception_in_a_rule_leaves_every_gradient_as_it_was(face, error):
    x, y = leaf(face, 2.0), leaf(face, 3.0)
    (x * y).backward()
    before = x.grad, y.grad
    mid = np.sin(x)
    loss = mid * y + x

    def broken(*_):
        raise error("stop")

    with ops.overridden("sin", 0, broken), pytest.raises(error):
        loss.backward()
    assert (x.grad, y.grad) == before
    assert (mid.grad, loss.grad) == (None, None)
    loss.backward()
    assert x.grad == pytest.approx(3.0 + 3.0 * np.cos(2.0) + 1.0)
    assert y.grad == pytest.approx(2.0 + np.sin(2.0))


def test_an_exception_in_a_rule_names_the_op_and_the_operand():
    x = Tensor([1.0], requires_grad=True)

    def broken(*_):
        raise BrokenError("stop")

    with ops.overridden("multiply", 1, broken), pytest.raises(BrokenError) as caught:
        (2.0 * x).backward()
    assert "'multiply'" in "".join(caught.value.__notes__)
    assert "operand 1" in "".join(caught.value.__notes__)


def test_an_exception_in_a_hook_leaves_every_gradient_as_it_was():
    x, y = Tensor([2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    mid = x * y

    def hook(_):
        raise BrokenError("stop")

    handle = mid.register_hook(hook)
    loss = np.sum(mid * y)
    with pytest.raises(BrokenError):
        loss.backward()
    assert (x.grad, y.grad) == (None, None)
    handle.remove()
    loss.backward()
    assert (x.grad.item(), y.grad.item()) == (9.0, 12.0)


@pytest.mark.parametrize(
    ("rule", "word"),
    [(lambda y, a, b: np.ones((7,)), "shape"), (lambda y, a, b: np.ones(3, np.float32), None)],
    ids=["shape", "narrower slope"],
)
def test_a_rule_that_gives_a_wrong_shape_raises_and_names_it(rule, word):
    x = Tensor(np.ones(3), requires_grad=True)
    loss = np.sum(x * 2.0)
    with ops.overridden("multiply", 0, rule):
        if word is None:
            loss.backward()
            assert x.grad.dtype == np.float64
        else:
            with pytest.raises((GradientError, ValueError)) as caught:
                loss.backward()
            assert "multiply" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
            assert x.grad is None


def test_eight_threads_that_share_their_leaves_add_up_exactly():
    v, t = Value(0.5), Tensor([1.0, 2.0], requires_grad=True)
    errors = []

    def work():
        try:
            for _ in range(100):
                (v * v * 4.0).backward()
                np.sum(t * t).backward()
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert v.grad == 800 * 4.0
    np.testing.assert_array_equal(t.grad, 800 * np.array([2.0, 4.0]))


# What becomes of operands that are no nodes, of gradients that are patches, and of errors' words.


def test_patches_of_one_array_add_up():
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    (2 * x[:3].sum() + (x[1:] ** 2).sum() + 5 * x[2]).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 6.0, 13.0, 8.0])


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ((1,), (2,)),
        ((), (2, 2)),
        ((1, 3), (2, 3)),
        ((2, 1), (4, 2, 3)),
        ((1, 2, 1), (5, 4, 2, 3)),
        ((3, 1, 1), (3, 2, 2)),
    ],
)
def test_gradients_are_summed_where_operands_were_stretched(narrow, wide):
    weights = np.random.default_rng(0).normal(size=wide)
    x = Tensor(np.ones(narrow), requires_grad=True)
    (x * weights).sum().backward()
    wanted = np.zeros(narrow)
    for place in np.ndindex(*wide):
        kept = place[len(wide) - len(narrow) :]
        wanted[tuple(i if n > 1 else 0 for i, n in zip(kept, narrow, strict=True))] += weights[place]
    np.testing.assert_allclose(x.grad, wanted)


def test_lists_are_operands_and_stay_connected():
    x, v = Tensor([1.0, 2.0], requires_grad=True), Value(3.0)
    assert ag.sum([1.0, [2.0][0]]) == 3.0
    for made in (x * [3.0, v], x * (3.0, v), x * np.array([3.0, v], dtype=object)):
        x.zero_grad()
        v.zero_grad()
        ag.sum(made).backward()
        np.testing.assert_array_equal(x.grad, [3.0, 3.0])
        assert v.grad == 2.0
    assert ag.graph.plain(np.float32(2.0)).dtype == np.float32
    np.testing.assert_array_equal(ag.graph.operand([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    assert ag.graph.operand(x) is x
    stacked = ag.stack([x, [v, 1.0]])
    assert stacked.requires_grad
    nested = ag.sum([[v, 1.0], [2.0, v]])
    v.zero_grad()
    nested.backward()
    assert v.grad == 2.0


@pytest.mark.parametrize("wrong", ["text", None, ["a", "b"], np.array([None]), object(), np.array(["2020"], "M8[Y]")])
def test_operands_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(TypeError, match=r"expected numbers|unsupported operand"):
        ag.sum(ag.multiply(Tensor([1.0], requires_grad=True), wrong))


def test_complex_results_that_wait_for_a_gradient_are_refused():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="gave complex numbers"):
        ag.multiply(x, 1j)


def test_stale_operands_are_described():
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.label = "w"
    y = ag.sum(x * x)
    x._data[...] = 3.0
    graph.mark_written((x,))
    with pytest.raises(ag.StaleError) as caught:
        y.backward()
    text = str(caught.value)
    leaf, result = "'w' Tensor of shape (2,), float64 (a leaf)", "Tensor of shape (2,), float64 (made by 'multiply')"
    words = (
        re.escape(f"operand 0 of 'multiply', {leaf}, was overwritten at ")
        + r"\S+\.py:\d+"
        + re.escape(f" after {result} was")
    )
    assert re.match(words, text), text
    for _ in range(1001):
        graph.mark_written(())
    with pytest.raises(ag.StaleError, match=r"\(a leaf\), was overwritten after Tensor"):
        y.backward()
    assert graph.describe(Value(2.0)) == "Value(2) (a leaf)"
    assert graph.describe(Value(2.0) * 3) == "Value(6) (made by 'multiply')"


def test_each_write_counts_once():
    x, before = Tensor([1.0], requires_grad=True), graph.writes.count
    graph.mark_written((x,))
    assert graph.writes.count == x._epoch == before + 1


class TestWhatANodeKeeps:
    @pytest.mark.parametrize("number", [2, 2.0])
    def test_a_number_is_kept_in_the_dtype_of_the_result(self, number):
        t = Tensor(np.ones(2, np.float32), requires_grad=True)
        assert type((t * number).operands[1]) is np.float32

    def test_indices_within_a_tuple_are_copied(self):
        x, rows = leaf(Tensor, np.zeros((3, 2))), np.array([0, 1])
        y = x[rows, 1]
        rows[:] = 2
        np.sum(y).backward()
        assert x.grad.tolist() == [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]

    def test_leaves_may_be_written_without_recording(self):
        v, t = Value(1.0), leaf(Tensor, [1.0])
        with ag.no_grad():
            v.data = 2.0
            t.data = [3.0]
        assert (v.data, t.data.tolist()) == (2.0, [3.0])

    def test_operands_that_are_no_nodes(self):
        class Symbol:
            is_symbolic = True
            dtype = np.dtype(np.float64)

        symbol, array = Symbol(), np.ones(2)
        assert graph.plain(symbol) is symbol
        assert graph.plain(array) is array
        assert type(graph.plain(np.float32(2.0))) is np.float32
        assert type(graph.operand([1.0, 2.0])) is np.ndarray

    def test_unbroadcasting_looks_at_the_axis_itself(self):
        np.testing.assert_array_equal(graph.unbroadcast(np.ones((1, 3, 5)), (3, 1)), np.full((3, 1), 5.0))
        np.testing.assert_array_equal(graph.unbroadcast(np.ones((2, 3, 1)), (3, 1)), np.full((3, 1), 2.0))
