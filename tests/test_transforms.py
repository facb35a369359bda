"""vjp, jvp, grad, value_and_grad, jacobian, hessian, hvp: values, nesting, containers, faces, errors."""

import array
import math
from collections import namedtuple

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import GradientError, Tensor, Value, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

X = np.array([0.3, -0.7, 1.2])
A = np.arange(12.0).reshape(4, 3) / 7


def smooth(x):
    return np.sum(np.tanh(A @ x) ** 2) + np.prod(x)


def vector(x):
    return np.sin(A @ x) * x[0]


def numeric(f, x, h=1e-5):
    """Central differences of an array function, result.shape + x.shape."""
    columns = []
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = h
        e = e.reshape(x.shape)
        columns.append((f(x + e) - f(x - e)) / (2 * h))
    return np.stack(columns, axis=-1).reshape(np.shape(f(x)) + x.shape)


class TestFirstOrder:
    def test_vjp_and_jvp_are_two_sides_of_one_jacobian(self):
        u, v = np.arange(1.0, 5.0), np.array([1.0, -2.0, 0.5])
        y, pull = vjp(vector, X)
        z, tangent = jvp(vector, (X,), (v,))
        np.testing.assert_array_equal(y, vector(X))
        np.testing.assert_array_equal(z, vector(X))
        assert u @ tangent == pytest.approx(pull(u)[0] @ v, rel=1e-13)
        np.testing.assert_allclose(tangent, numeric(vector, X) @ v, rtol=1e-8)

    def test_pull_can_be_called_again(self):
        _, pull = vjp(vector, X)
        first, second = pull(np.ones(4)), pull(np.ones(4))
        np.testing.assert_array_equal(first[0], second[0])
        first[0][0] = 99.0
        np.testing.assert_array_equal(pull(np.ones(4))[0], second[0])

    def test_grad_and_value_and_grad(self):
        value, gradient = value_and_grad(smooth)(X)
        assert value == smooth(X)
        np.testing.assert_array_equal(gradient, grad(smooth)(X))
        np.testing.assert_allclose(gradient, numeric(smooth, X), rtol=1e-8)

    @pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
    @pytest.mark.parametrize(
        ("f", "x"),
        [
            (vector, X),
            (lambda x: np.outer(x, x * x), X),
            (lambda x: x * np.ones((2, 3)), X),
            (lambda x: np.sum(x), X),
            (lambda x: x @ x.T, A),
            (lambda x: np.zeros(2), X),
            (lambda x: x[:0], X),
            (lambda x: x**2, np.array(3.0)),
        ],
        ids=["vector", "matrix", "broadcast", "scalar", "matrix to matrix", "constant", "empty", "0-d"],
    )
    def test_jacobian_in_both_modes(self, f, x, mode):
        expected = numeric(lambda x: np.asarray(f(x)), x)
        result = jacobian(f, mode=mode)(x)
        assert np.shape(result) == np.shape(f(x)) + x.shape
        np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-9)

    def test_hessian_and_hvp(self):
        h = hessian(smooth)(X)
        np.testing.assert_allclose(h, numeric(grad(smooth), X), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(h, h.T, rtol=1e-13)
        v = np.array([1.0, 2.0, 3.0])
        np.testing.assert_allclose(hvp(smooth, (X,), (v,)), h @ v, rtol=1e-12)

    def test_hvp_of_several_arguments(self):
        f = lambda x, s: s**2 * np.sum(x**3)  # noqa: E731
        by_x, by_s = hvp(f, (X, 2.0), (np.ones(3), 1.0))
        np.testing.assert_allclose(by_x, 4 * 6 * X + 4 * 3 * X**2, rtol=1e-13)
        assert by_s == pytest.approx(4 * np.sum(3 * X**2) + 2 * np.sum(X**3))


class TestNesting:
    @pytest.mark.parametrize("order", [1, 2, 3, 4])
    def test_any_order_on_floats(self, order):
        f = lambda x: x**6 + np.sin(x)  # noqa: E731
        g = f
        for _ in range(order):
            g = grad(g)
        expected = math.perm(6, order) * 0.7 ** (6 - order) + math.sin(0.7 + order * math.pi / 2)
        assert g(0.7) == pytest.approx(expected, rel=1e-12)
        assert type(g(0.7)) is float

    def test_third_order_on_arrays(self):
        f = lambda x: np.sum(x**4)  # noqa: E731
        third = jacobian(hessian(f))(X)
        expected = np.zeros((3, 3, 3))
        expected[range(3), range(3), range(3)] = 24 * X
        np.testing.assert_allclose(third, expected, rtol=1e-13)

    @pytest.mark.parametrize("inner", ["forward", "reverse"])
    @pytest.mark.parametrize("outer", ["forward", "reverse"])
    @pytest.mark.parametrize("last", ["forward", "reverse"])
    def test_every_order_of_the_modes_agrees(self, inner, outer, last):
        f = lambda x: jacobian(jacobian(smooth, mode=inner), mode=outer)(x)  # noqa: E731
        np.testing.assert_allclose(f(X), hessian(smooth)(X), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(jacobian(f, mode=last)(X), numeric(hessian(smooth), X), rtol=1e-6, atol=1e-7)

    def test_forward_over_reverse_is_reverse_over_forward(self):
        v = np.array([1.0, -1.0, 2.0])
        forward = jvp(grad(smooth), (X,), (v,))[1]
        reverse = grad(lambda x: jvp(smooth, (x,), (v,))[1])(X)
        both = grad(lambda x: np.sum(grad(smooth)(x) * v))(X)
        twice = jvp(lambda x: jvp(smooth, (x,), (v,))[1], (X,), (v,))[1]
        np.testing.assert_allclose(forward, reverse, rtol=1e-12)
        np.testing.assert_allclose(forward, both, rtol=1e-12)
        assert twice == pytest.approx(v @ forward, rel=1e-12)

    def test_no_perturbation_confusion(self):
        d = grad
        assert d(lambda x: x * d(lambda y: x + y)(1.0))(1.0) == 1.0
        assert d(lambda x: x * d(lambda y: x * y)(2.0))(3.0) == 6.0
        forward = lambda f: lambda x: jvp(f, (x,), (1.0,))[1]  # noqa: E731
        assert forward(lambda x: x * forward(lambda y: x + y)(1.0))(1.0) == 1.0
        assert forward(lambda x: x * d(lambda y: x + y)(1.0))(1.0) == 1.0
        assert d(lambda x: x * forward(lambda y: x * y)(2.0))(3.0) == 6.0
        assert d(lambda x: d(lambda x: x**3)(x) + x)(2.0) == 13.0

    def test_the_curried_perturbation_example(self):
        """The case of Manzyuk et al.: a function that returns a function of its traced argument."""
        shift = lambda u: lambda f: lambda x: f(x + u)  # noqa: E731
        d = grad
        assert d(lambda u: shift(u)(lambda x: d(lambda z: z**3)(x))(2.0))(0.0) == pytest.approx(12.0)

    def test_a_cotangent_that_is_traced(self):
        def f(s):
            _, pull = vjp(lambda x: x**2, 3.0)
            return pull(s)[0]

        assert grad(f)(2.0) == 6.0
        assert grad(lambda s: jvp(lambda x: x**2, (3.0,), (s,))[1])(2.0) == 6.0

    def test_an_inner_gradient_of_something_independent_is_zero(self):
        assert grad(lambda x: x * grad(lambda y: 3.0)(x) + x)(2.0) == 1.0
        assert grad(lambda x: grad(lambda y: x)(1.0) + x)(2.0) == 1.0


class TestClosures:
    def test_gradients_reach_a_tracked_tensor_that_the_function_closes_over(self):
        w = Tensor([2.0, 3.0], requires_grad=True)
        inner = grad(lambda x: np.sum(w * x**2))(np.array([1.0, 1.0]))
        np.sum(inner).backward()
        np.testing.assert_array_equal(w.grad, [2.0, 2.0])

    def test_a_leaf_closed_over_is_told_apart_from_an_argument_of_the_same_value(self):
        w = Value(2.0)
        inner = grad(lambda x: x**2 * w)(2.0)
        inner.backward()
        assert (float(inner), w.grad) == (8.0, 4.0)

    def test_a_constant_made_by_the_function_itself_is_no_closure(self):
        slope = grad(lambda x: x * Value(2.0) + Tensor([1.0], requires_grad=True)[0])(3.0)
        assert (slope, type(slope)) == (2.0, float)

    def test_results_are_plain_again_under_no_grad(self):
        w = Tensor([2.0, 3.0], requires_grad=True)
        with ag.no_grad():
            assert type(grad(lambda x: np.sum(w * x**2))(np.ones(2))) is np.ndarray

    def test_a_transform_leaves_no_gradient_on_what_it_closes_over(self):
        w, v = Tensor([2.0, 3.0], requires_grad=True), Value(5.0)
        f = lambda x: np.sum(w * x) * v  # noqa: E731
        grad(f)(np.ones(2))
        jacobian(f)(np.ones(2))
        hessian(f)(np.ones(2))
        assert (w.grad, v.grad) == (None, None)

    def test_a_transform_leaves_no_gradient_on_its_arguments(self):
        x = Tensor([1.0, 2.0], requires_grad=True)
        g = grad(lambda x: np.sum(x**2))(x)
        assert x.grad is None
        np.sum(g).backward()
        np.testing.assert_array_equal(x.grad, [2.0, 2.0])

    def test_a_gradient_penalty_trains(self):
        w = Tensor([0.5, -1.0], requires_grad=True)
        x = np.array([1.0, 2.0])
        slope = lambda x: np.tanh(np.sum(w * x))  # noqa: E731
        np.sum(grad(slope)(x) ** 2).backward()
        penalty = lambda w: np.sum(((1 - np.tanh(np.sum(w * x)) ** 2) * w) ** 2)  # noqa: E731
        np.testing.assert_allclose(w.grad, numeric(penalty, w.numpy().copy()), rtol=1e-7)

    def test_transforms_record_even_under_no_grad(self):
        with ag.no_grad():
            assert grad(lambda x: x**2)(3.0) == 6.0
            assert grad(grad(lambda x: x**3))(2.0) == 12.0

    def test_stop_gradient(self):
        slope = grad(lambda x: x * ag.stop_gradient(x))(3.0)
        assert (slope, type(slope)) == (3.0, float)
        assert ag.stop_gradient(2.0) == 2.0


Point = namedtuple("Point", "x y")


class TestContainers:
    def test_gradients_have_the_structure_of_the_argument(self):
        f = lambda p: np.sum(p["w"][0] * 2 + p["w"][1]) + p["b"].x * p["b"].y  # noqa: E731
        p = {"w": [np.ones(2), np.ones(2)], "b": Point(3.0, 4.0)}
        g = grad(f)(p)
        assert list(g) == ["w", "b"]
        np.testing.assert_array_equal(g["w"], [[2.0, 2.0], [1.0, 1.0]])
        assert g["b"] == Point(4.0, 3.0)

    def test_results_may_be_containers_too(self):
        f = lambda x: {"a": x**2, "b": [np.sum(x), 1.0]}  # noqa: E731
        y, tangent = jvp(f, (X,), (np.ones(3),))
        np.testing.assert_array_equal(y["a"], X**2)
        np.testing.assert_allclose(tangent["a"], 2 * X)
        assert tangent["b"] == [3.0, 0.0]
        _, pull = vjp(f, X)
        np.testing.assert_allclose(pull({"a": np.ones(3), "b": [2.0, 5.0]})[0], 2 * X + 2)
        jac = jacobian(f)(X)
        np.testing.assert_allclose(jac["a"], np.diag(2 * X))
        np.testing.assert_allclose(jac["b"][0], np.ones(3))

    def test_jacobian_of_a_container_gives_containers(self):
        j = jacobian(lambda p: p["s"] * p["v"])({"s": 2.0, "v": X})
        np.testing.assert_allclose(j["s"], X)
        np.testing.assert_allclose(j["v"], 2 * np.eye(3))

    def test_argnums_kwargs_and_aux(self):
        f = lambda a, b, *, scale=1.0: (scale * a * b**2, {"note": b})  # noqa: E731
        assert grad(f, argnums=1, has_aux=True)(3.0, 2.0, scale=10.0) == (120.0, {"note": 2.0})
        (value, aux), (by_a, by_b) = value_and_grad(f, argnums=(0, 1), has_aux=True)(3.0, 2.0)
        assert (value, aux, by_a, by_b) == (12.0, {"note": 2.0}, 4.0, 12.0)
        assert grad(lambda a, b: a - b, argnums=-1)(1.0, 2.0) == -1.0
        assert jacobian(lambda a, b: a * b, argnums=1)(3.0, 2.0) == 3.0
        assert hessian(lambda a, b: a * b**3, argnums=1)(3.0, 2.0) == 36.0

    def test_none_is_an_empty_container(self):
        assert grad(lambda p: p[0] ** 2)((3.0, None)) == (6.0, None)


class TestFaces:
    def test_plain_in_plain_out(self):
        value, gradient = value_and_grad(lambda x: np.sum(x**2))(X)
        assert type(gradient) is np.ndarray
        assert isinstance(value, float)
        assert type(grad(lambda x: x**2)(np.float64(3.0))) is float
        assert type(jacobian(vector)(X)) is np.ndarray
        assert gradient.flags.writeable

    def test_tensors_give_tensors_and_values_give_values(self):
        assert type(grad(lambda x: np.sum(x**2))(Tensor(X))) is Tensor
        assert type(grad(lambda x: x**2)(Value(3.0))) is Value
        value, gradient = value_and_grad(lambda x: x**2)(Value(3.0))
        assert (type(value), type(gradient), float(gradient)) == (Value, Value, 6.0)
        y, pull = vjp(vector, Tensor(X))
        assert type(y) is type(pull(np.ones(4))[0]) is Tensor
        y, tangent = jvp(vector, (Tensor(X),), (np.ones(3),))
        assert type(y) is type(tangent) is Tensor
        assert type(jacobian(vector)(Tensor(X))) is Tensor
        assert type(hessian(smooth)(Tensor(X))) is Tensor

    @pytest.mark.parametrize("transform", [grad, hessian, lambda f: jacobian(f, mode="forward")])
    def test_float32_stays_float32(self, transform):
        g = transform(lambda x: np.sum(np.tanh(x) ** 2))(X.astype(np.float32))
        assert g.dtype == np.float32

    def test_integers_are_taken_as_floats(self):
        assert grad(lambda x: x**2)(3) == 6.0
        assert grad(lambda p: p[0] ** 2 * p[1])([1, 2]) == [4.0, 1.0]


class TestErrors:
    @pytest.mark.parametrize("f", [lambda x: x * 2, lambda x: (np.sum(x), np.sum(x)), lambda x: [], lambda x: None])
    def test_grad_needs_one_number(self, f):
        with pytest.raises(GradientError, match="returns one number"):
            grad(f)(X)

    @pytest.mark.parametrize("x", ["a", 1j, True, np.array([1j]), object()], ids=lambda x: type(x).__name__)
    def test_what_cannot_be_differentiated(self, x):
        with pytest.raises(TypeError, match="cannot differentiate with respect to"):
            grad(lambda x: 1.0)(x)

    def test_shapes_of_tangents_and_cotangents_are_checked(self):
        with pytest.raises(GradientError, match=r"tangent has shape \(2,\)"):
            jvp(vector, (X,), (np.ones(2),))
        with pytest.raises(GradientError, match="one tangent for each"):
            jvp(vector, (X,), (np.ones(3), 1.0))
        with pytest.raises(GradientError, match=r"cotangent has shape \(\)"):
            vjp(vector, X)[1](1.0)
        with pytest.raises(GradientError, match="one cotangent for each of 2"):
            vjp(lambda x: (x, x), 1.0)[1]((1.0,))

    def test_an_unknown_mode(self):
        with pytest.raises(ValueError, match="mode must be"):
            jacobian(vector, mode="sideways")

    @pytest.mark.parametrize("argnums", [1, (0, 2), -2])
    def test_argnums_out_of_range(self, argnums):
        with pytest.raises((IndexError, TypeError)):
            grad(lambda x: x, argnums=argnums)(1.0)

    def test_an_exception_in_the_function_leaves_nothing_behind(self):
        def broken(x):
            raise KeyError("mine")

        for transform in (grad, jacobian, hessian, value_and_grad):
            with pytest.raises(KeyError, match="mine"):
                grad(lambda x, t=transform: t(broken)(x))(1.0)
        assert type(grad(lambda x: x**2)(3.0)) is float
        assert ag.is_recording()


class TestWhatTheFacesAllow:
    def test_a_result_that_is_returned_twice_is_pulled_twice(self):
        def f(x):
            y = x * x
            return [y, y]

        assert vjp(f, 3.0)[1]([1.0, 2.0]) == (18.0,)
        np.testing.assert_array_equal(vjp(f, X)[1]([np.ones(3), 2 * np.ones(3)])[0], 6 * X)

    @pytest.mark.parametrize("primal", [2.0, np.array(2.0)], ids=["float", "array"])
    @pytest.mark.parametrize("tangent", [1.5, np.array(1.5)], ids=["float", "array"])
    def test_tangents_of_the_other_face(self, primal, tangent):
        value, slope = value_and_grad(lambda t: jvp(lambda x: x**3, (primal,), (t,))[1])(tangent)
        assert (float(value), float(slope)) == (18.0, 12.0)
        assert np.shape(slope) == np.shape(tangent)

    def test_the_gradient_of_what_takes_no_part_is_a_plain_zero(self):
        unused, used = grad(lambda x, y: y * y, argnums=(0, 1))(2.0, 3.0)
        assert (type(unused), unused, type(used), used) == (float, 0.0, float, 6.0)
        unused, used = grad(lambda x, y: y * y, argnums=(0, 1))(X, 3.0)
        np.testing.assert_array_equal(unused, np.zeros(3))
        assert used == 6.0

    def test_numpy_numbers_come_back_as_floats(self):
        y, tangent = jvp(lambda x: np.sin(x), (np.float64(0.5),), (np.float64(1.0),))
        assert (type(y), type(tangent)) == (float, float)
        assert type(grad(np.sin)(0.5)) is float

    def test_jacobians_leave_the_other_arguments_alone(self):
        def f(a, x, b, *, k=1.0):
            return a * x * b * k

        np.testing.assert_array_equal(jacobian(f, argnums=1)(2.0, X, 3.0, k=5.0), 30 * np.eye(3))
        assert jacobian(f, argnums=2)(2.0, 4.0, 3.0, k=5.0) == 40.0

    @pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
    def test_jacobians_of_containers_are_cut_at_the_right_places(self, mode):
        trees = {"a": X[:2], "b": X, "c": np.ones((2, 2))}
        found = jacobian(lambda d: {"y": 2 * d["a"], "z": d["b"] ** 2, "w": 3 * d["c"]}, mode=mode)(trees)
        np.testing.assert_allclose(found["y"]["a"], 2 * np.eye(2))
        np.testing.assert_allclose(found["z"]["b"], np.diag(2 * X))
        np.testing.assert_allclose(found["w"]["c"], 3 * np.eye(4).reshape(2, 2, 2, 2))
        for one, other, shape in [("y", "b", (2, 3)), ("z", "a", (3, 2)), ("w", "b", (2, 2, 3)), ("y", "c", (2, 2, 2))]:
            np.testing.assert_array_equal(found[one][other], np.zeros(shape))

    @pytest.mark.parametrize("mode", ["forward", "reverse"])
    def test_jacobians_can_be_differentiated(self, mode):
        found = grad(lambda x: np.sum(jacobian(lambda z: z**3, mode=mode)(x) ** 2))(X)
        np.testing.assert_allclose(found, 36 * X**3)

    def test_jacobians_take_the_cheaper_way(self):
        calls = []

        def counted(way):
            def rule(*given):
                calls.append(way)
                return given[0] if way == "reverse" else given[0][0]

            return rule

        same = ag.custom_op(lambda x: x + 0.0, counted("reverse"), jvp=counted("forward"), name="same")
        jacobian(lambda x: same(x)[:1])(X)
        assert set(calls) == {"reverse"}
        calls.clear()
        jacobian(lambda x: np.concatenate([same(x), x]))(X)
        assert set(calls) == {"forward"}
        calls.clear()
        jacobian(lambda x: np.concatenate([same(x), x]), mode="reverse")(X)
        assert set(calls) == {"reverse"}


class TestFacesOfEachDerivative:
    """What goes in decides what comes out, derivatives that are zero included."""

    @pytest.mark.parametrize(
        ("make", "kind"),
        [(float, float), (np.array, np.ndarray), (Value, Value), (Tensor, Tensor)],
        ids=["float", "array", "Value", "Tensor"],
    )
    def test_gradients_have_the_face_of_their_argument(self, make, kind):
        used, unused = grad(lambda a, b: a * a * 2.0, (0, 1))(make(3.0), make(4.0))
        assert [type(used), type(unused)] == [kind, kind]
        assert [float(used), float(unused)] == [12.0, 0.0]
        value, tangent = jvp(lambda a: a * a, (make(3.0),), (2.0,))
        assert [float(value), float(tangent)] == [9.0, 12.0]

    @pytest.mark.parametrize(
        "x", [Tensor(2.0), array.array("d", [1.0, 2.0]), Tensor([1.0])], ids=["0-d", "array.array", "1-d"]
    )
    def test_what_is_no_float_is_entered_as_a_tensor(self, x):
        seen = []

        def f(t):
            seen.append(type(t))
            return np.sum(t * t)

        assert np.sum(np.asarray(grad(f)(x))) == 2 * np.sum(np.asarray(x))
        assert seen == [Tensor]

    def test_the_shapes_of_what_is_no_number_are_told(self):
        with pytest.raises(GradientError, match=r"returned 2 of shape \(3,\), \(\)"):
            grad(lambda x: (x * 2, np.sum(x)))(X)

    @pytest.mark.parametrize("cotangent", [Tensor(X), X.astype(np.float32), Tensor(X.astype(np.float32))])
    def test_untracked_cotangents_are_read_as_arrays(self, cotangent):
        _, pull = vjp(lambda x: x * 2.0, X)
        got = pull(cotangent)[0]
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, 2.0 * np.asarray(cotangent, dtype=np.float64))

    @pytest.mark.parametrize("x", [3.0, np.array(3.0)], ids=["float", "array"])
    @pytest.mark.parametrize("c", [2.0, np.array(2.0)], ids=["float", "array"])
    def test_cotangents_that_are_traced_may_have_the_other_face(self, c, x):
        seen = []

        def f(c):
            _, pull = vjp(lambda z: (seen.append(type(z)), z * z)[1], x)
            g = pull(c)[0]
            seen.append(type(g))
            return g * g

        assert float(grad(f)(c)) == 2 * 6.0 * 6.0 * 2.0
        assert seen[0] is seen[1]

    def test_a_constant_derivative_inside_another_is_no_part_of_its_graph(self):
        inner = []

        def f(z):
            inner.extend(grad(lambda a: a**3)(x) for x in (2.0, Tensor(2.0), Tensor(2.0, requires_grad=True)))
            return z * 2.0

        assert grad(f)(1.0) == 2.0
        assert [type(g) for g in inner] == [float, Tensor, Tensor]
        assert [float(g) for g in inner[:2]] == [12.0, 12.0]
        assert [g.requires_grad for g in inner[1:]] == [False, True]
        with ag.no_grad():
            g = grad(lambda a: a**3)(Tensor(2.0, requires_grad=True))
            assert (type(g), g.requires_grad) == (Tensor, False)

    def test_a_traced_cotangent_leaves_later_ones_plain(self):
        _, pull = vjp(lambda x: x * x, 3.0)
        assert [type(pull(c)[0]) for c in (2.0, Value(2.0), 2.0)] == [float, Value, float]

    @pytest.mark.parametrize("c", [2.0, np.array(2.0)], ids=["float", "array"])
    def test_a_direction_handed_through_to_an_array_is_a_tensor(self, c):
        x, seen = np.array(3.0), []

        def f(c):
            found = [vjp(lambda z: (seen.append(type(z)), z)[1], x)[1](c)[0], jvp(lambda z: z, (x,), (c,))[1]]
            seen.extend(map(type, found))
            return found[0] * found[1]

        assert float(grad(f)(c)) == 4.0
        assert seen == [Tensor] * 3
