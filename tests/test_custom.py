"""custom_op and checkpoint: user's own rules, and memory for time."""

import pickle
import tracemalloc

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, GradientError, Tensor, Value, checkpoint, custom_op, grad, jvp

X = np.array([0.3, -0.7, 1.2])


def scaled_forward(x, w, *, power=1):
    return w * x**power


scaled = custom_op(
    scaled_forward,
    [
        lambda g, y, x, w, power: g * w * power * x ** (power - 1),
        lambda g, y, x, w, power: g * x**power,
    ],
    name="scaled",
)


class TestCustomOp:
    def test_value_gradients_and_higher_orders(self):
        w = np.array([2.0, 3.0, 5.0])
        np.testing.assert_array_equal(scaled(X, w, power=3), w * X**3)
        assert ag.gradcheck(lambda x, w: scaled(x, w, power=3), X, w)
        assert ag.gradcheck(lambda x: grad(lambda x: np.sum(scaled(x, w, power=4)))(x), X)

    def test_forward_mode_is_derived_from_the_rules(self):
        w, v = np.array([2.0, 3.0, 5.0]), np.ones(3)
        _, tangent = jvp(lambda x: scaled(x, w, power=2), (X,), (v,))
        np.testing.assert_allclose(tangent, 2 * w * X)
        _, tangent = jvp(lambda w: scaled(X, w, power=2), (w,), (v,))
        np.testing.assert_allclose(tangent, X**2)

    def test_a_jvp_of_its_own_is_used(self):
        calls = []

        def tangent(tangents, y, x):
            calls.append(1)
            return 2.0 * x * tangents[0]

        square = custom_op(lambda x: x * x, lambda g, y, x: 2.0 * g * x, tangent)
        assert jvp(square, (3.0,), (1.0,)) == (9.0, 6.0)
        assert calls == [1]

    def test_the_three_faces(self):
        cube = custom_op(lambda x: x**3, lambda g, y, x: 3 * g * x**2, name="cube")
        assert cube(2.0) == 8.0
        v, t = Value(2.0), Tensor([2.0, 1.0], requires_grad=True)
        y = cube(v)
        assert type(y) is Value
        y.backward()
        np.sum(cube(t)).backward()
        assert (v.grad, t.grad.tolist()) == (12.0, [12.0, 3.0])
        assert cube(t).op.name == "cube"

    def test_no_rule_for_an_operand_means_no_gradient(self):
        pick = custom_op(lambda x, i: x[i], [lambda g, y, x, i: ag.scatter_add(g, x.shape, i), None], name="pick")
        t = Tensor(X, requires_grad=True)
        np.sum(pick(t, np.array([0, 0, 2]))).backward()
        assert t.grad.tolist() == [2.0, 0.0, 1.0]

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            (lambda g, y, x: None, "returned None"),
            (lambda g, y, x: g[:2], r"shape \(2,\)"),
            (lambda g, y, x: np.sum(g), r"shape \(\)"),
            (lambda g, y, x: g.astype(np.float32), "dtype float32"),
            (lambda g, y, x: np.ones((1, 3)), r"shape \(1, 3\)"),
        ],
        ids=["None", "short", "scalar", "dtype", "rank"],
    )
    def test_what_a_rule_returns_is_checked(self, rule, message):
        t = Tensor(X, requires_grad=True)
        y = custom_op(lambda x: x * 2, rule, name="mine")(t)
        with pytest.raises(GradientError, match=message) as caught:
            np.sum(y).backward()
        assert "mine" in str(caught.value)
        assert t.grad is None

    @pytest.mark.parametrize("victim", [0, 1, 2], ids=["g", "y", "x"])
    def test_a_rule_cannot_write_into_what_it_is_shown(self, victim):
        def rule(*shown):
            shown[victim][...] = 0.0
            return shown[0]

        t = Tensor(X, requires_grad=True)
        with pytest.raises(ValueError, match="read-only"):
            np.sum(custom_op(lambda x: x * 2, rule)(t)).backward()
        assert t.tolist() == X.tolist()

    def test_a_rule_that_returns_the_upstream_array_itself_shares_nothing(self):
        keep = custom_op(lambda x: x + 0.0, lambda g, y, x: g)
        a, b = Tensor(X, requires_grad=True), Tensor(X, requires_grad=True)
        np.sum(keep(a) + keep(b)).backward()
        a.grad[:] = 100.0
        assert b.grad.tolist() == [1.0, 1.0, 1.0]

    def test_a_forward_cannot_write_into_its_input(self):
        def forward(x):
            x *= 2.0
            return x

        double = custom_op(forward, lambda g, y, x: 2.0 * g)
        t = Tensor(X, requires_grad=True)
        with pytest.raises(ValueError, match="read-only"):
            double(t)
        assert t.tolist() == X.tolist()

    def test_a_forward_that_returns_its_input_does_not_alias_it(self):
        same = custom_op(lambda x: x, lambda g, y, x: g)
        t = Tensor(X, requires_grad=True)
        y = same(t)
        t._data[0] = 99.0
        assert y.tolist() == X.tolist()

    def test_the_number_of_operands_is_checked(self):
        with pytest.raises(TypeError, match="2 gradient rules"):
            scaled(Tensor(X, requires_grad=True))

    def test_an_exception_in_a_rule_names_the_op(self):
        def rule(g, y, x):
            raise KeyError("mine")

        y = custom_op(lambda x: x * 2, rule, name="fragile")(Tensor(X, requires_grad=True))
        with pytest.raises(KeyError) as caught:
            np.sum(y).backward()
        assert any("fragile" in note for note in caught.value.__notes__)


def layer(x, w):
    return np.tanh(x @ w)


class TestCheckpoint:
    def test_same_value_and_gradients(self):
        rng = np.random.default_rng(0)
        data, weights = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))

        def run(wrap):
            x, w = Tensor(data, requires_grad=True), Tensor(weights, requires_grad=True)
            h = x
            for _ in range(3):
                h = wrap(layer)(h, w)
            loss = np.sum(h**2)
            loss.backward()
            return loss.item(), x.grad, w.grad

        for one, other in zip(run(lambda f: f), run(checkpoint), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)

    def test_what_the_function_closes_over_gets_its_gradient(self):
        w, v = Tensor([2.0, 3.0], requires_grad=True), Value(5.0)
        f = checkpoint(lambda x: np.sum(w * x) * v)
        f(Tensor([1.0, 1.0])).backward()
        assert (w.grad.tolist(), v.grad) == ([5.0, 5.0], 5.0)
        x = Tensor([1.0, 1.0], requires_grad=True)
        f(x).backward()
        assert x.grad.tolist() == [10.0, 15.0]
        assert w.grad.tolist() == [10.0, 10.0]

    def test_a_result_of_the_outside_that_is_closed_over(self):
        w = Tensor([2.0, 3.0], requires_grad=True)
        twice = w * 2
        x = Tensor([1.0, 1.0], requires_grad=True)
        checkpoint(lambda x: np.sum(twice * x * x))(x).backward()
        assert (w.grad.tolist(), x.grad.tolist()) == ([2.0, 2.0], [8.0, 12.0])

    @pytest.mark.parametrize("x", [Value(0.5), Tensor([0.5, 1.0], requires_grad=True)], ids=["Value", "Tensor"])
    def test_the_face_of_the_result_is_kept(self, x):
        x.zero_grad()
        plain = np.exp(np.sin(x)) if isinstance(x, Value) else np.sum(np.exp(np.sin(x)))
        f = (lambda x: np.exp(np.sin(x))) if isinstance(x, Value) else (lambda x: np.sum(np.exp(np.sin(x))))
        y = checkpoint(f)(x)
        assert type(y) is type(plain)
        plain.backward()
        expected = x.grad
        x.zero_grad()
        y.backward()
        np.testing.assert_allclose(x.grad, expected)

    def test_any_order_of_derivative(self):
        f = lambda x: np.sum(np.tanh(x) ** 3)  # noqa: E731
        np.testing.assert_allclose(grad(checkpoint(f))(X), grad(f)(X), rtol=1e-13)
        np.testing.assert_allclose(ag.hessian(checkpoint(f))(X), ag.hessian(f)(X), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(jvp(checkpoint(f), (X,), (X,))[1], jvp(f, (X,), (X,))[1], rtol=1e-13)

    def test_containers_go_in(self):
        f = checkpoint(lambda p, scale: np.sum(p["a"] * p["b"][0]) * scale)
        a, b = Tensor(X, requires_grad=True), Tensor(2 * X, requires_grad=True)
        f({"a": a, "b": [b]}, 3.0).backward()
        np.testing.assert_allclose(a.grad, 6 * X)
        np.testing.assert_allclose(b.grad, 3 * X)

    def test_random_numbers_are_drawn_again_from_the_same_state(self):
        def dropped(x):
            return x * (ag.default_generator().random(x.shape) < 0.5) * 2.0

        x = Tensor(np.ones(50), requires_grad=True)
        ag.manual_seed(3)
        y = checkpoint(dropped)(x)
        after = ag.default_generator().random()
        np.sum(y).backward()
        np.testing.assert_array_equal(x.grad, y.numpy())
        ag.manual_seed(3)
        dropped(x)
        assert ag.default_generator().random() == after

    def test_a_function_that_differs_when_run_again_is_refused(self):
        rng = np.random.default_rng(0)
        x = Tensor(np.ones(5), requires_grad=True)
        y = checkpoint(lambda x: x * rng.random(5))(x)
        with pytest.raises(AutogradError, match="another result"):
            np.sum(y).backward()
        assert x.grad is None

    def test_a_leaf_written_in_between_is_refused(self):
        w, x = Tensor([2.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        for leaf in (w, x):
            y = checkpoint(lambda x: np.tanh(w * x))(x)
            leaf.data = [7.0]
            with pytest.raises(AutogradError, match=r"overwritten|another result"):
                y.backward()
        assert (w.grad, x.grad) == (None, None)

    def test_it_keeps_less_memory(self):
        x = Tensor(np.ones(20_000), requires_grad=True)

        def deep(x):
            for _ in range(20):
                x = np.sin(x) * 1.5
            return x

        def peak(wrap):
            tracemalloc.start()
            h = x
            for _ in range(5):
                h = wrap(deep)(h)
            kept, _ = tracemalloc.get_traced_memory()
            np.sum(h).backward()
            _, top = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return kept, top

        plain, saving = peak(lambda f: f), peak(checkpoint)
        assert saving[0] < 0.1 * plain[0]
        assert saving[1] < 0.5 * plain[1]

    def test_the_result_must_be_one_node(self):
        with pytest.raises(AutogradError, match="must return one Tensor or Value"):
            checkpoint(lambda x: (x, x))(Tensor(X, requires_grad=True))

    def test_without_recording_it_is_the_function_itself(self):
        x = Tensor(X, requires_grad=True)
        with ag.no_grad():
            assert not checkpoint(np.sin)(x).requires_grad
        assert checkpoint(lambda x: np.sin(x))(Tensor(X)).requires_grad is False

    def test_keyword_arguments_are_taken(self):
        x = Tensor(X, requires_grad=True)
        np.sum(checkpoint(lambda x, *, scale: np.sin(x) * scale)(x, scale=2.0)).backward()
        np.testing.assert_allclose(x.grad, 2 * np.cos(X))


def test_seeding_gives_the_same_bits_and_keeps_the_generator():
    generator = ag.manual_seed(5)
    first = generator.random(3)
    assert ag.manual_seed(5) is generator is ag.default_generator()
    np.testing.assert_array_equal(ag.default_generator().random(3), first)
    assert pickle.loads(pickle.dumps(generator)).random() == generator.random()
