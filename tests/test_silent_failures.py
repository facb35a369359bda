"""One test for each way in which a published engine gives a wrong gradient without saying so, or fails obscurely.

The numbers after a project's name are its GitHub issues and pull requests.
"""

import copy
import math
import threading
import time

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, GradientError, NoRuleError, StaleError, Tensor, Value, grad, jvp


def leaf(face, x):
    return Value(x) if face is Value else Tensor(x, requires_grad=True)


both_faces = pytest.mark.parametrize("face", [Value, Tensor])


class TestTraversal:
    @both_faces
    def test_recursion_limit(self, face):
        """micrograd#90, tinygrad#8457, #8617: RecursionError after a thousand operations."""
        x = leaf(face, 1.0)
        y = x
        for _ in range(20_000):
            y = y + 1.0
        y.backward()
        assert x.grad == 1.0
        del y  # pytorch#5534: freeing a deep graph overflowed the stack

    @both_faces
    def test_a_pass_without_topological_order(self, face):
        """micrograd#64, #23, #68, #91, #96: simplifications that are wrong when a result is reused."""
        a = leaf(face, 1.0)
        b = a + a
        c = b + b
        c.backward()
        assert a.grad == 4.0

    @both_faces
    def test_a_reused_result(self, face):
        """micrograd#2."""
        a, b = leaf(face, -2.0), leaf(face, 3.0)
        d, e = a * b, a + b
        (d * e).backward()
        assert (a.grad, b.grad) == (-3.0, -8.0)

    @both_faces
    def test_operands_as_a_set(self, face):
        """micrograd keeps operands in a set: ``a + a`` has one edge, ``a - b`` no order."""
        a = leaf(face, 3.0)
        y = a * a
        assert y.operands == (a, a)
        y.backward()
        assert a.grad == 6.0


class TestRepeatedBackward:
    @both_faces
    def test_a_second_backward(self, face):
        """micrograd#53, #54, #63, #102: x**3 at 3 gave 27 and then 72; MyGrad ignores the second call."""
        x = leaf(face, 3.0)
        y = x * x * x
        y.backward()
        y.backward()
        assert x.grad == 54.0

    @both_faces
    def test_two_losses_on_one_trunk(self, face):
        """micrograd gives 24, teenygrad 6, MyGrad raises: it is 18."""
        x = leaf(face, 3.0)
        trunk = x * x
        (trunk * 1.0).backward()
        (trunk * 2.0).backward()
        assert x.grad == 18.0

    def test_branches_dropped_after_the_first_visit(self):
        """TrenTorch#182, MyGrad#93, #98: one tensor used twice in one operation."""
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = x.at[0].set(np.sum(x))
        np.sum(np.concatenate([y, y]) * np.concatenate([x, y])).backward()
        np.testing.assert_allclose(x.grad, grad(_twice)(np.array([1.0, 2.0])))
        assert ag.gradcheck(_twice, np.array([1.0, 2.0]))

    def test_a_gradient_that_depends_on_use(self):
        """MyGrad: using a tensor again forgets its gradient."""
        x = Tensor([1.0], requires_grad=True)
        np.sum(x * 2).backward()
        _ = x * 5
        assert x.grad.tolist() == [2.0]


def _twice(x):
    y = x.at[0].set(np.sum(x)) if isinstance(x, Tensor) else np.concatenate([[np.sum(x)], x[1:]])
    return np.sum(np.concatenate([y, y]) * np.concatenate([x, y]))


class TestIndexing:
    def test_repeated_indices(self):
        """pytorch#1528, #828, Tinytorch#2: only the last copy's gradient was kept."""
        x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        np.sum(x[[0, 0, 2, 0]] * np.array([1.0, 10.0, 100.0, 1000.0])).backward()
        assert x.grad.tolist() == [1011.0, 0.0, 100.0]

    def test_indexing_in_a_loop_is_quadratic(self):
        """HIPS/autograd#157, #341: a loop over entries slowed down 25 to 100 times."""

        def seconds(n):
            x = Tensor(np.ones(n), requires_grad=True)
            total = sum(x[i] * 2.0 for i in range(n))
            start = time.perf_counter()
            total.backward()
            assert x.grad.tolist() == [2.0] * n
            return time.perf_counter() - start

        assert min(seconds(8000) for _ in range(3)) < 8 * 4 * min(seconds(1000) for _ in range(3))

    @pytest.mark.parametrize("node", [lambda: Tensor([1.0, 2.0, 3.0], requires_grad=True)])
    def test_assignment_into_a_preallocated_array(self, node):
        """HIPS/autograd#58, #177, #515, #556, #559; mxnet#10844: the message said nothing of the cause."""
        with pytest.raises(AutogradError, match="detach"):
            np.zeros(3)[:] = node()
        with pytest.raises(AutogradError, match="detach"):
            np.zeros((2, 3))[0] = node()
        with pytest.raises(AutogradError, match=r"at\[index\]"):
            node()[0] = 1.0

    @both_faces
    def test_assignment_of_one_entry_while_differentiating(self, face):
        """The scalar form of the same: NumPy calls ``float()``, and the gradient would be a silent zero."""

        def f(x):
            buffer = np.zeros(2)
            buffer[0] = x * x if face is Value else np.sum(x * x)
            return np.sum(buffer) + 0.0 * np.sum(x)

        with pytest.raises((AutogradError, ValueError)) as caught:  # NumPy chains its own error for a sequence
            grad(f)(3.0 if face is Value else np.ones(2))
        assert "stop_gradient" in str(caught.value) + str(caught.value.__cause__)


class TestMutation:
    @both_faces
    def test_data_changed_between_the_passes(self, face):
        """micrograd gives 20 instead of 6."""
        x = leaf(face, 3.0)
        y = x * x
        x.data = 10.0
        with pytest.raises(StaleError, match="overwritten"):
            y.backward()
        assert x.grad is None

    @pytest.mark.parametrize(
        "f", [lambda x, a: x * a, lambda x, a: a @ x, lambda x, a: x**a, lambda x, a: np.where(a > 1.5, x, 0.0)]
    )
    def test_a_captured_array_changed_between_the_passes(self, f):
        """HIPS/autograd gives [100, 100] instead of [1, 2]; torch does after ``from_numpy``."""
        a, x = np.array([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
        y = np.sum(f(x, a))
        expected = grad(lambda x: np.sum(f(x, np.array([1.0, 2.0]))))(x.numpy())
        a[:] = 100.0
        y.backward()
        np.testing.assert_array_equal(x.grad, expected)

    def test_an_index_array_changed_between_the_passes(self):
        """The same through an index."""
        i, x = np.array([0, 0]), Tensor([3.0, 4.0], requires_grad=True)
        y = np.sum(x[i])
        i[:] = 1
        y.backward()
        assert x.grad.tolist() == [2.0, 0.0]

    def test_the_caller_s_array_is_not_the_tensor_s(self):
        """torch.from_numpy aliases the caller's memory."""
        a = np.array([3.0])
        x = Tensor(a, requires_grad=True)
        y = np.sum(x * x)
        a[0] = 100.0
        y.backward()
        assert x.grad.tolist() == [6.0]

    def test_memory_locked_for_good(self):
        """MyGrad leaves shared arrays read-only behind threads."""
        a = np.ones(3)
        threads = [
            threading.Thread(target=lambda: np.sum(Tensor(a, requires_grad=True) * a).backward()) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        a[0] = 5.0

    def test_an_unfrozen_view_of_a_frozen_weight(self):
        """A detached view that shares its leaf's memory changes under a loss that captured it."""
        w, x = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 1.0], requires_grad=True)
        with ag.no_grad():
            views = [w.reshape(-1), w.T]
        for frozen in (w.reshape(-1).detach(), *views):
            x.zero_grad()
            y = np.sum(frozen * x)
            w._data += 100.0
            ag.graph.mark_written([w])
            y.backward()
            w._data -= 100.0
            assert x.grad.tolist() == [1.0, 2.0]

    def test_in_place_arithmetic_that_loses_the_leaf(self):
        """micrograd and MyGrad silently lose the leaf after ``x *= 2``."""
        x = Tensor([1.0, 2.0], requires_grad=True)
        original = x
        x *= 2
        np.sum(x).backward()
        assert original.grad.tolist() == [2.0, 2.0]
        with ag.no_grad(), pytest.raises(AutogradError, match=r"\.data"):
            original -= 0.1


class TestDetachment:
    def test_an_ndarray_s_dot_method(self):
        """HIPS/autograd#8 returned zeros; MyGrad a bare array."""
        with pytest.raises(AutogradError, match="detach"):
            np.eye(2).dot(Tensor([1.0, 2.0], requires_grad=True))

    @pytest.mark.parametrize("left", [np.float64(2.0), np.array(2.0), np.array([2.0, 3.0]), np.int64(2)], ids=repr)
    @both_faces
    def test_numpy_on_the_left(self, left, face):
        """micrograd, tinygrad: an object array; pytorch#9468: TypeError."""
        x = leaf(face, 3.0)
        for y in (left * x, left + x, left - x, left / x, left**x):
            assert isinstance(y, (Value, Tensor))
            x.zero_grad()
            np.sum(y).backward()
            assert x.grad != 0

    def test_an_array_made_of_tensors(self):
        """``torch.tensor([a, b])`` and ``mg.tensor([a, b])`` detach."""
        a, b = Tensor(1.0, requires_grad=True), Value(2.0)
        np.sum(Tensor([a, b]) ** 2).backward()
        assert (a.grad, b.grad) == (2.0, 4.0)
        with pytest.raises(AutogradError, match="detach"):
            np.array([a, a])

    def test_the_mean_of_an_object_array(self):
        """NumPy turns the mean of objects that have a dtype into a float."""
        values = Tensor([1.0, 3.0], requires_grad=True).to_values()
        assert isinstance(values.mean(), Value)

    @both_faces
    def test_masked_arrays_take_the_data_off(self, face):
        """numpy.ma reads an operand's ``_data``, and forgets the graph."""
        with pytest.raises(TypeError, match="masked"):
            np.ma.array([1.0, 2.0], mask=[False, True]) * leaf(face, 3.0)

    def test_a_penalty_on_an_inner_gradient(self):
        """The parameters that a differentiated function closes over must see the penalty on its gradient."""
        w = Tensor([1.0, 2.0], requires_grad=True)
        inner = grad(lambda x: np.sum(w * x) ** 2)(np.array([1.0, 1.0]))  # 2 (w . x) w
        (np.sum(inner) + np.sum(w * 0.0)).backward()
        assert w.grad.tolist() == [12.0, 12.0]

    def test_an_out_argument(self):
        """A result written into the caller's array is no node."""
        x = Tensor([1.0], requires_grad=True)
        for call in (lambda: np.exp(x, out=np.zeros(1)), lambda: np.add(x, 1.0, np.zeros(1))):
            with pytest.raises(NoRuleError, match="ndarray"):
                call()

    def test_a_function_without_a_rule(self):
        """HIPS/autograd#257, #529: a missing rule is found when differentiating, far from the call."""
        with pytest.raises(NoRuleError, match="no gradient rule"):
            np.median(Tensor([1.0, 2.0], requires_grad=True))

    @pytest.mark.parametrize("data", [np.array([1, 2]), np.array([True, False]), np.array([1j])], ids=str)
    def test_integers_as_silent_constants(self, data):
        """MyGrad: integers become constants, their gradient stays None."""
        with pytest.raises(TypeError, match="floating-point"):
            Tensor(data, requires_grad=True)

    def test_isinstance_checks(self):
        """HIPS/autograd#304: a node that poses as a float takes the wrong branch."""
        assert not isinstance(Value(1.0), float)
        assert not isinstance(Tensor([1.0]), np.ndarray)


class TestShapesAndDtypes:
    def test_a_non_scalar_loss(self):
        """MyGrad sums it silently."""
        with pytest.raises(AutogradError, match="gradient"):
            (Tensor([1.0, 2.0], requires_grad=True) * 2).backward()

    def test_a_gradient_of_another_shape_after_broadcasting(self):
        """minitorch Module-2#14, pytorch#610, #913, #1787."""
        x, y = Tensor(np.ones((3, 1)), requires_grad=True), Tensor(2.0, requires_grad=True)
        np.sum(x * np.ones((2, 3, 4)) * y).backward()
        assert (x.grad.shape, y.grad.shape) == ((3, 1), ())

    @pytest.mark.parametrize(
        "wrong", [lambda g: np.sum(g), lambda g: g[:, None], lambda g: np.ones((4, 3)) * g], ids=range(3)
    )
    def test_a_custom_rule_of_the_wrong_shape(self, wrong):
        """pytorch#65244 sums it into place, minitorch broadcasts it up."""
        op = ag.custom_op(lambda x: x * 2, lambda g, y, x: wrong(g), name="mine")
        x = Tensor(np.ones(3), requires_grad=True)
        with pytest.raises(GradientError, match="mine"):
            np.sum(op(x)).backward()

    @pytest.mark.parametrize(
        "f", [np.mean, lambda x: np.where(x > 0, x, 0.0), lambda x: x * 2.0, lambda x: x * 2, np.var]
    )
    def test_float32_turns_into_float64(self, f):
        """HIPS/autograd#163, #199, #671 (mean, where); MyGrad (a Python number)."""
        x = Tensor(np.ones(3, np.float32), requires_grad=True)
        y = np.sum(f(x))
        y.backward()
        assert (y.dtype, x.grad.dtype) == (np.float32, np.float32)

    def test_gradients_that_share_memory(self):
        """Editing one leaf's gradient must not edit another's."""
        a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        np.sum(a + b).backward()
        a.grad *= 100.0
        assert b.grad.tolist() == [1.0]


PI2 = math.pi**2
# failure: function, point, gradient
KINKS = {
    "abs(0): JAX 1": (np.abs, [0.0], [0.0]),
    "maximum tie: MyGrad 0 and 0": (lambda x: np.maximum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    "minimum tie": (lambda x: np.minimum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    "max tie: MyGrad [1, 0, 0]": (np.max, [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    "norm of 0: NaN in three engines": (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
    "std of a constant: NaN in three engines": (np.std, [2.0, 2.0], [0.0, 0.0]),
    "hypot(0, 0): NaN, or a half": (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    "arctan2(0, 0): NaN in three engines": (lambda x: np.arctan2(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    "prod with a zero: HIPS NaN": (np.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    "prod with two zeros": (np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    "cumprod with a zero": (lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    "sinc(0)": (np.sinc, [0.0], [0.0]),
    "0 ** 0: JAX NaN": (lambda x: x**0.0, [0.0], [0.0]),
    "logaddexp(-inf, -inf): NaN everywhere": (lambda x: np.logaddexp(x[0], x[1]), [-np.inf, -np.inf], [0.5, 0.5]),
    "where(x > 0, sqrt(x), 0): NaN everywhere": (
        lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), [0.0, -1.0, 4.0], [0.0, 0.0, 0.25]
    ),
    "clip at its bounds": (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [0.0, 1.0, -1.0, 2.0], [1.0, 1.0, 0.0, 0.0]),
    "relu(0) and relu(nan)": (lambda x: np.sum(ag.relu(x)), [0.0, np.nan], [0.0, np.nan]),
    "x / x at 0 behind where": (lambda x: np.sum(np.where(x == 0, 1.0, x / x)), [0.0], [0.0]),
}  # fmt: skip


@pytest.mark.parametrize(("f", "x", "expected"), KINKS.values(), ids=KINKS)
def test_kinks_and_singular_points(f, x, expected):
    with np.errstate(all="ignore"):
        gradient = grad(lambda x: np.sum(f(x)))(np.array(x))
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)


HIGHER = {
    "sinc'' at 0: torch, HIPS NaN": (np.sinc, 0.0, 2, -PI2 / 3),
    "third derivative of x ** 2.0 at 0: JAX NaN": (lambda x: x**2.0, 0.0, 3, 0.0),
    "softplus'' at -1000: torch NaN": (lambda x: np.logaddexp(x, 0.0), -1000.0, 2, 0.0),
    "softplus'' at 1000": (ag.softplus, 1000.0, 2, 0.0),
    "log(x) ** 2 at its minimum": (lambda x: np.log(x) ** 2, 1.0, 2, 2.0),
    "(sqrt(x) - 1) ** 2 at its minimum": (lambda x: (np.sqrt(x) - 1.0) ** 2, 1.0, 2, 0.5),
    "(1 / x - 1) ** 2 at its minimum": (lambda x: (1.0 / x - 1.0) ** 2, 1.0, 2, 2.0),
    "tanh at 1000: micrograd#29 overflows": (np.tanh, 1000.0, 1, 0.0),
    "(-2) ** 3: micrograd#35, #36, #41, #122": (lambda x: x**3, -2.0, 1, 12.0),
    "x ** 4 to the fourth order: MyGrad#442 has no second": (lambda x: x**4, 2.0, 4, 24.0),
}


@pytest.mark.parametrize("wrap", [float, np.array], ids=["Value", "Tensor"])
@pytest.mark.parametrize(("f", "x", "order", "expected"), HIGHER.values(), ids=HIGHER)
def test_higher_derivatives_at_singular_points(f, x, order, expected, wrap):
    reverse = forward = f
    for _ in range(order):
        reverse = grad(reverse)
        forward = lambda x, g=forward: jvp(g, (x,), (np.ones_like(x),))[1]  # noqa: E731
    assert float(reverse(wrap(x))) == pytest.approx(expected, rel=1e-12)
    assert float(forward(wrap(x))) == pytest.approx(expected, rel=1e-12)


class TestState:
    def test_no_grad_in_another_thread(self):
        """MyGrad: a thread inside no_autodiff makes another's gradient None."""
        entered, leave = threading.Event(), threading.Event()

        def inside():
            with ag.no_grad():
                entered.set()
                leave.wait()

        thread = threading.Thread(target=inside)
        thread.start()
        entered.wait()
        x = Value(3.0)
        (x * x).backward()
        leave.set()
        thread.join()
        assert x.grad == 6.0

    def test_an_exception_that_raises_the_trace_counter(self):
        """HIPS/autograd leaves its trace stack raised."""
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                grad(grad(lambda x: x / 0 if isinstance(x, float) else 1 / 0))(1.0)
        assert type(grad(lambda x: x**2)(3.0)) is float

    def test_copies_of_a_graph(self):
        """micrograd and MyGrad cannot pickle; deep copies recurse."""
        x = Value(2.0)
        twin = copy.deepcopy(x * x)
        twin.backward()
        assert x.grad is None
        assert twin.operands[0].grad == 4.0

    def test_bool_and_hash(self):
        """MyGrad: ``bool`` of a 0-d tensor raises, and tensors are unhashable."""
        assert bool(Tensor(1.0))
        assert len({Tensor(1.0), Tensor(1.0)}) == 2
