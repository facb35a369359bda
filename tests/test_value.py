"""Value: operators with everything on either side, conversions, the edges of the domain, object arrays, size."""

import math
import operator
import pickle
import tracemalloc

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, Tensor, Value


def derivatives(f, *xs):
    values = [Value(x) for x in xs]
    with np.errstate(all="ignore"):
        y = f(*values)
    y.backward()
    return y.data, [v.grad for v in values]


SYMBOLS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow}
PLAIN = [3, 3.0, True, np.float64(3), np.float32(3), np.int64(3), np.uint8(3), np.array(3.0), np.bool_(True)]
binary = pytest.mark.parametrize("f", SYMBOLS.values(), ids=SYMBOLS)


@binary
@pytest.mark.parametrize("other", PLAIN, ids=lambda x: f"{type(x).__name__}")
def test_plain_numbers_on_either_side(f, other):
    number = float(other)
    h = 1e-6
    for g, plain in (
        (lambda v: f(v, other), lambda x: f(x, number)),
        (lambda v: f(other, v), lambda x: f(number, x)),
    ):
        v = Value(2.0)
        y = g(v)
        assert type(y) is Value
        assert type(y.data) is float
        assert y.data == plain(2.0)
        y.backward()
        assert type(v.grad) is float
        assert v.grad == pytest.approx((plain(2.0 + h) - plain(2.0 - h)) / (2 * h), rel=1e-8, abs=1e-8)


@binary
def test_ndarrays_on_either_side_give_tensors(f):
    a = np.array([[1.0, 2.0], [0.5, 3.0]])
    for g in (lambda v: f(v, a), lambda v: f(a, v)):
        v = Value(2.0)
        y = g(v)
        assert isinstance(y, Tensor)
        np.testing.assert_array_equal(y.numpy(), g(2.0))
        np.sum(y).backward()
        step = 1e-6
        slope = np.sum(g(2.0 + step) - g(2.0 - step)) / (2 * step)
        assert v.grad == pytest.approx(slope, rel=1e-7)
        assert type(v.grad) is float


@binary
def test_tensors_on_either_side_give_tensors(f):
    for swap in (False, True):
        v, t = Value(2.0), Tensor([1.0, 3.0], requires_grad=True)
        y = f(t, v) if swap else f(v, t)
        assert isinstance(y, Tensor)
        np.sum(y).backward()
        assert type(v.grad) is float
        assert t.grad.shape == (2,)


@binary
@pytest.mark.parametrize("other", ["3", None, [3.0], (3.0,), {}, 1j, object()], ids=lambda x: type(x).__name__)
def test_what_is_no_real_number_is_refused(f, other):
    with pytest.raises(TypeError):
        f(Value(2.0), other)
    with pytest.raises(TypeError):
        f(other, Value(2.0))


def test_in_place_operators_bind_a_new_value():
    v = Value(2.0)
    w = v
    w += 1
    w *= 3
    w -= 1
    w /= 2
    w **= 2
    assert v.data == 2.0
    w.backward()
    assert v.grad == 2 * 4.0 * 1.5


@pytest.mark.parametrize("x", [2, True, np.float32(2), np.int8(2), np.array(2.0)], ids=lambda x: type(x).__name__)
def test_data_is_a_python_float_always(x):
    v = Value(x)
    assert type(v.data) is float
    v.data = x
    assert type(v.data) is float
    v.data -= np.float64(0.5)
    assert type(v.data) is float


@pytest.mark.parametrize("x", ["2", None, [2.0], 1j, np.ones(2), np.ones(1), Value(1.0), object()], ids=range(8))
def test_what_a_value_cannot_hold(x):
    with pytest.raises(TypeError, match="one real number"):
        Value(x)
    with pytest.raises(TypeError, match="one real number"):
        Value(1.0).data = x


def test_comparisons_are_of_the_data():
    a, b = Value(1.0), Value(2.0)
    assert a < b <= Value(2.0)
    assert b > a >= 1
    assert 0.5 < a  # noqa: SIM300
    assert np.float64(0.5) < a
    assert a == 1
    assert a == Value(1.0)
    assert a != b
    assert (a == "1", a == None, a != None) == (False, False, True)  # noqa: E711
    assert max([a, b]) is b
    assert sorted([b, a]) == [a, b]
    assert (a < np.array([0.0, 3.0])).tolist() == [False, True]


def test_identity_is_what_hashes():
    a, b = Value(1.0), Value(1.0)
    assert len({a, b}) == 2
    assert {a: "a"}[a] == "a"
    assert hash(a) == hash(a)


def test_conversions():
    v = Value(2.5)
    assert (float(v), int(v), bool(v), bool(Value(0.0)), v.item()) == (2.5, 2, True, False, 2.5)
    assert f"{v:.3f} {v:>6.1f}" == "2.500    2.5"
    assert math.isclose(v, 2.5)
    assert repr(v) == "Value(data=2.5, grad=None)"
    assert repr(Value(1.0, label="loss")) == "Value(data=1, grad=None, label='loss')"
    assert (v.shape, v.ndim, v.size) == ((), 0, 1)
    assert not isinstance(v, float)


@pytest.mark.parametrize("f", [len, iter, lambda v: v[0], lambda v: [1, 2, 3][v], lambda v: v @ v], ids=range(5))
def test_a_number_is_no_sequence(f):
    with pytest.raises(TypeError):
        f(Value(1.0))


EDGES = {
    "0 ** 0": (lambda x, y: x**y, (0.0, 0.0), 1.0, (0.0, 0.0)),
    "0 ** 2": (lambda x: x**2, (0.0,), 0.0, (0.0,)),
    "0 ** 1": (lambda x: x**1, (0.0,), 0.0, (1.0,)),
    "0 ** 0.5": (lambda x: x**0.5, (0.0,), 0.0, (math.inf,)),
    "0 ** -1": (lambda x: x**-1, (0.0,), math.inf, (-math.inf,)),
    "(-2) ** 3": (lambda x: x**3, (-2.0,), -8.0, (12.0,)),
    "(-2) ** Value(3)": (lambda x, y: x**y, (-2.0, 3.0), -8.0, (12.0, math.nan)),
    "(-2) ** 0.5": (lambda x: x**0.5, (-2.0,), math.nan, (math.nan,)),
    "10 ** 1000": (lambda x: x**1000, (10.0,), math.inf, (math.inf,)),
    "1e200 ** 1e200": (lambda x, y: x**y, (1e200, 1e200), math.inf, (math.inf, math.inf)),
    "0.1 ** 1000": (lambda x: x**1000, (0.1,), 0.0, (0.0,)),
    "1 / 0": (lambda x, y: x / y, (1.0, 0.0), math.inf, (math.inf, -math.inf)),
    "0 / 0": (lambda x, y: x / y, (0.0, 0.0), math.nan, (math.inf, math.nan)),
    "log(0)": (lambda x: x.log(), (0.0,), -math.inf, (math.inf,)),
    "log(-1)": (lambda x: x.log(), (-1.0,), math.nan, (-1.0,)),
    "sqrt(0)": (lambda x: x.sqrt(), (0.0,), 0.0, (math.inf,)),
    "sqrt(-1)": (lambda x: x.sqrt(), (-1.0,), math.nan, (math.nan,)),
    "exp(1000)": (lambda x: x.exp(), (1000.0,), math.inf, (math.inf,)),
    "exp(-1000)": (lambda x: x.exp(), (-1000.0,), 0.0, (0.0,)),
    "tanh(1000)": (lambda x: x.tanh(), (1000.0,), 1.0, (0.0,)),
    "sigmoid(-1000)": (lambda x: x.sigmoid(), (-1000.0,), 0.0, (0.0,)),
    "softplus(1000)": (lambda x: x.softplus(), (1000.0,), 1000.0, (1.0,)),
    "arccos(2)": (lambda x: x.arccos(), (2.0,), math.nan, (math.nan,)),
    "sin(inf)": (lambda x: x.sin(), (math.inf,), math.nan, (math.nan,)),
    "inf - inf": (lambda x, y: x - y, (math.inf, math.inf), math.nan, (1.0, -1.0)),
    "relu(nan)": (lambda x: x.relu(), (math.nan,), math.nan, (math.nan,)),
    "relu(0)": (lambda x: x.relu(), (0.0,), 0.0, (0.0,)),
    "abs(0)": (abs, (0.0,), 0.0, (0.0,)),
    "1e308 * 10": (lambda x: x * 10, (1e308,), math.inf, (10.0,)),
}


@pytest.mark.parametrize(("f", "xs", "value", "slopes"), EDGES.values(), ids=EDGES)
def test_the_edges_of_the_domain_give_numbers_never_exceptions(f, xs, value, slopes):
    y, grads = derivatives(f, *xs)
    np.testing.assert_array_equal(y, value)
    np.testing.assert_array_equal(grads, slopes)


@pytest.mark.parametrize("f", [lambda x: x.log(), lambda x: 1 / x, lambda x: x**-1], ids=["log", "divide", "power"])
def test_numpy_s_warning_state_is_respected(f):
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        f(Value(0.0))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        f(Value(0.0))
    with np.errstate(all="ignore"):
        f(Value(0.0)).backward()


class TestObjectArrays:
    """NumPy code on object arrays of Values."""

    def make(self):
        rng = np.random.default_rng(0)
        x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
        return x, w, Tensor(w, requires_grad=True).to_values()

    def test_matmul_and_ufuncs_stay_object_arrays_of_values(self):
        x, w, values = self.make()
        y = np.tanh(x @ values)
        assert y.dtype == object
        assert y.shape == (4, 2)
        np.testing.assert_allclose(y.astype(float), np.tanh(x @ w))

    @pytest.mark.parametrize(
        "f",
        [lambda y: y.sum(), lambda y: np.sum(y), lambda y: y.mean(), lambda y: np.mean(y), lambda y: np.max(y * y)],
        ids=["sum", "np.sum", "mean", "np.mean", "max"],
    )
    def test_reductions_stay_connected(self, f):
        x, w, _ = self.make()
        t = Tensor(w, requires_grad=True)
        loss = f(np.exp(x @ t.to_values()))
        assert isinstance(loss, Value)
        loss.backward()
        u = Tensor(w, requires_grad=True)
        f(np.exp(x @ u)).backward()
        np.testing.assert_allclose(t.grad, u.grad, rtol=1e-13)

    @pytest.mark.parametrize("swap", [False, True])
    def test_a_value_beside_an_object_array(self, swap):
        values, v = Tensor([1.0, 2.0]).to_values(), Value(3.0)
        y = values * v if swap else v * values
        np.sum(y).backward()
        assert v.grad == 3.0

    def test_a_tensor_beside_an_object_array(self):
        v, t = np.array([Value(1.0), Value(2.0)]), Tensor([3.0, 4.0], requires_grad=True)
        for y in (v * t, t * v):
            t.zero_grad()
            v[0].zero_grad()
            np.sum(y).backward()
            assert (v[0].grad, t.grad.tolist()) == (3.0, [1.0, 2.0])


def test_numpy_functions_of_values_give_values_and_lists_of_them_stay_connected():
    v, w = Value(0.5), Value(2.0)
    assert type(np.sin(v)) is Value
    assert type(np.maximum(v, w)) is Value
    assert type(np.where(v > 0, v, 0.0)) is Value
    loss = np.dot([v, w], [3.0, 4.0]) + ag.sum(ag.stack([v, w, v])) + np.sum(np.array([v, w]))
    loss.backward()
    assert (v.grad, w.grad) == (3.0 + 2.0 + 1.0, 4.0 + 1.0 + 1.0)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_higher_orders_through_create_graph(order):
    x = Value(1.5)
    y = x**5 + x.tanh() * 0.0
    for _ in range(order):
        x.zero_grad()
        y.backward(create_graph=True)
        y = x.grad
        assert isinstance(y, Value)
    assert float(y) == pytest.approx(math.perm(5, order) * 1.5 ** (5 - order))


def test_backward_takes_a_gradient():
    x = Value(3.0)
    (x * x).backward(gradient=0.5)
    assert x.grad == 3.0
    with pytest.raises(TypeError):
        (x * x).backward(gradient=np.ones(2))
    assert x.grad == 3.0


def test_a_value_made_without_recording_is_a_leaf():
    x = Value(3.0)
    with ag.no_grad():
        y = x * x
    assert y.op is None
    (y * x).backward()
    assert x.grad == 9.0
    assert (x * x).detach().operands == ()


def test_writing_the_data_of_a_result_raises():
    y = Value(2.0) * 3
    with pytest.raises(AutogradError, match="result of an operation"):
        y.data += 1


def test_a_node_takes_at_most_120_bytes():
    x, y = Value(1.0), Value(0.0)
    count = 20_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        y = y + x
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / count <= 120


def test_representation_shows_data_and_gradient():
    x = Value(2.0)
    y = x * 3
    assert repr(x) == "Value(data=2, grad=None)"
    y.backward()
    assert (repr(x), repr(y)) == ("Value(data=2, grad=3)", "Value(data=6, grad=1)")
    x.grad = 1234567.0
    assert repr(x) == "Value(data=2, grad=1.23457e+06)"


def test_equal_values_are_neither_less_nor_greater():
    for other in (Value(1.0), 1.0, Tensor(1.0)):
        assert not Value(1.0) < other
        assert not Value(1.0) > other
        assert Value(1.0) <= other
        assert Value(1.0) >= other
    assert Value(1.0) < Value(2.0)
    assert Value(2.0) > Value(1.0)


@pytest.mark.parametrize("f", [lambda x: x + 1, lambda x: x * x, lambda x: x.exp(), lambda x: 2 - x, lambda x: -x])
def test_fresh_results_have_neither_gradient_nor_label(f):
    y = f(Value(0.5))
    assert y.grad is None
    assert y.label is None


def test_a_zero_gradient_wins_over_an_infinite_slope_in_recorded_passes_too():
    x = Value(0.0)
    y = x.sqrt() * 0.0
    y.backward(create_graph=True)
    assert ag.graph.data_of(x.grad) == 0.0


def test_sums_with_the_number_on_the_left():
    x, y = Value(2.0), Value(3.0)
    for z in (1 + x, 1.0 + x, np.float64(1) + x, 3 * x - 3, np.int64(3) - (x - x) * y):
        assert type(z) is Value
        assert z.data == 3.0


class TestOperandsAsKept:
    def test_numbers_are_floats_whatever_they_came_as(self):
        v, a = Value(2.0), np.array(3.0)
        for other in (np.float32(3.0), np.float64(3.0), np.int64(3), a):
            y = v * other
            assert type(y.operands[1]) is float
        y = v * a
        a[...] = 7.0
        y.backward()
        assert v.grad == 3.0

    def test_every_count_of_operands_survives_pickling(self):
        x, y = Value(2.0), Value(3.0)
        for z, operands in ((x.exp(), [2.0]), (x - y, [2.0, 3.0]), (ag.where(1.0, x, y), [1.0, 2.0, 3.0])):
            again = pickle.loads(pickle.dumps(z))
            assert again.op is z.op
            assert again.args == operands
            again.backward()
            assert again._prev[0].grad is not None


class TestSlopesAndSeeds:
    def test_a_recorded_gradient_is_a_value_even_where_the_slope_is_a_number(self):
        x = Value(2.0)
        (x * 3.0).backward(create_graph=True)
        assert type(x.grad) is Value

    def test_slopes_at_the_edges_are_quiet(self):
        assert Value.slope(ag.ops.TABLE["divide"], 0, math.inf, (1.0, 0.0)) == math.inf
        assert Value.slope(ag.ops.TABLE["where"], 0, 2.0, (1.0, 2.0, 3.0)) == 0.0

    @pytest.mark.parametrize("x", [1j, np.complex64(1.0), np.array(1.0 + 0j)], ids=lambda x: type(x).__name__)
    def test_complex_numbers_are_refused_not_cut(self, x):
        with pytest.raises(TypeError, match="one real number"):
            Value(x)
