"""Tensor: construction, dtypes, gradients, and each of Python's protocols."""

import copy
import pickle

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, GradientError, Tensor, Value


def tracked(data=(1.0, 2.0, 3.0), dtype=None):
    return Tensor(np.array(data, dtype=dtype or np.float64), requires_grad=True)


class TestConstruction:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1, np.float64),
            ([1, 2], np.float64),
            ([[True, False]], np.bool_),
            (np.array([1, 2]), np.int64),
            (np.float32(1), np.float32),
            (np.ones(2, np.float16), np.float16),
            (np.ones(2, np.longdouble), np.longdouble),
            (np.ones(2, ">f8"), np.float64),
            (np.ones(2, ">f4"), np.float32),
            ([1j], np.complex128),
        ],
        ids=lambda x: type(x).__name__,
    )
    def test_dtype_of_the_copy(self, data, dtype):
        t = Tensor(data)
        assert t.dtype == dtype
        assert t.dtype.isnative
        assert t.shape == np.shape(data)

    def test_the_data_is_a_copy(self):
        a = np.ones(3)
        t = Tensor(a)
        a[0] = 7.0
        assert t.tolist() == [1.0, 1.0, 1.0]

    def test_an_explicit_dtype_wins(self):
        assert Tensor([1, 2], dtype=np.float32).dtype == np.float32
        assert Tensor(np.array([1, 2]), requires_grad=True, dtype=float).requires_grad

    @pytest.mark.parametrize(
        "data", [np.array([1, 2]), [True], np.array([1j]), np.int8(1)], ids=lambda x: type(x).__name__
    )
    def test_only_floats_can_require_a_gradient(self, data):
        with pytest.raises(TypeError, match="only floating-point"):
            Tensor(data, requires_grad=True)
        with pytest.raises(TypeError, match="only floating-point"):
            Tensor(data).requires_grad_()

    @pytest.mark.parametrize(
        "data",
        ["a", None, [object()], np.array(["2020"], dtype="M8[Y]"), np.zeros(2, dtype="f8,i4")],
        ids=lambda x: type(x).__name__,
    )
    def test_what_is_no_number_is_refused(self, data):
        with pytest.raises(TypeError, match="holds numbers"):
            Tensor(data)

    def test_masked_arrays_are_refused_not_unmasked(self):
        with pytest.raises(TypeError, match="filled"):
            Tensor(np.ma.array([1.0, 2.0], mask=[0, 1]))

    @pytest.mark.parametrize(
        "make",
        [
            lambda a: a[::-1],
            lambda a: a[:, ::2],
            lambda a: np.asfortranarray(a),
            lambda a: a.T.copy().T,
            lambda a: np.broadcast_to(a[0], a.shape),
            lambda a: a.view(type("Sub", (np.ndarray,), {})),
        ],
        ids=["negative stride", "strided", "fortran", "transposed", "broadcast", "subclass"],
    )
    def test_any_memory_layout(self, make):
        a = make(np.arange(12.0).reshape(3, 4))
        a.flags.writeable = False
        t = Tensor(a, requires_grad=True)
        np.sum(t * t).backward()
        np.testing.assert_array_equal(t.grad, 2 * np.asarray(a))
        assert type(t.grad) is np.ndarray

    def test_lists_of_nodes_are_stacked_differentiably(self):
        a, b, v = tracked([1.0, 2.0]), tracked([3.0, 4.0]), Value(5.0)
        for data, shape in (([a, b], (2, 2)), ([[a], [b]], (2, 1, 2)), ((a, [v, 6.0]), (2, 2)), ([v, 2.0], (2,))):
            t = Tensor(data)
            assert t.shape == shape
            assert t.requires_grad
            for leaf in (a, b, v):
                leaf.zero_grad()
            np.sum(t * t).backward()
            for leaf in (a, b):
                if leaf.grad is not None:
                    np.testing.assert_array_equal(leaf.grad, 2 * leaf.numpy())
            assert v.grad in (None, 10.0)
            assert any(leaf.grad is not None for leaf in (a, b, v))

    def test_a_tensor_of_a_tracked_node_stays_connected(self):
        a, v = tracked(), Value(2.0)
        (np.sum(Tensor(a) * 2) + Tensor(v)).backward()
        assert (a.grad.tolist(), v.grad) == ([2.0, 2.0, 2.0], 1.0)

    def test_unequal_shapes_do_not_stack(self):
        with pytest.raises(ValueError, match="shape"):
            Tensor([tracked([1.0]), tracked([1.0, 2.0])])


class TestDtypes:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
    @pytest.mark.parametrize("number", [2, 2.0, True], ids=["int", "float", "bool"])
    @pytest.mark.parametrize("f", ["__add__", "__rsub__", "__mul__", "__rtruediv__", "__pow__", "__rpow__"])
    def test_python_numbers_are_weak(self, f, number, dtype):
        t = tracked(dtype=dtype)
        y = getattr(t, f)(number)
        assert y.dtype == dtype
        y.backward(np.ones(3, dtype))
        assert t.grad.dtype == dtype

    def test_values_are_weak_too(self):
        t, v = tracked(dtype=np.float32), Value(2.0)
        y = t * v
        assert y.dtype == np.float32
        np.sum(y).backward()
        assert t.grad.dtype == np.float32
        assert type(v.grad) is float

    @pytest.mark.parametrize(
        "other", [np.float64(2), np.ones(3), np.arange(3), Tensor(np.ones(3))], ids=["scalar", "f8", "i8", "tensor"]
    )
    def test_mixed_arithmetic_promotes_like_numpy_and_the_gradient_keeps_the_leaf_s_dtype(self, other):
        t = tracked(dtype=np.float32)
        y = t * other
        assert y.dtype == np.float64
        np.sum(y).backward()
        assert t.grad.dtype == np.float32

    @pytest.mark.parametrize(
        "f",
        [
            np.mean, np.std, np.var, np.max, np.prod, np.linalg.norm, ag.softmax, ag.gelu, ag.logsumexp, np.sinc,
            lambda t: np.where(t > 1, t, 0.0), lambda t: np.clip(t, 0.0, 2.0), lambda t: np.linalg.inv(np.diag(t)),
            lambda t: np.sort(t), lambda t: t[[0, 0]], lambda t: t @ t, lambda t: np.pad(t, 1), lambda t: np.cumsum(t),
            lambda t: t ** 2, lambda t: t ** 0.5, lambda t: np.arctan2(t, 1.0), lambda t: np.logaddexp(t, 0.0),
        ],
    )  # fmt: skip
    def test_float32_stays_float32_through(self, f):
        t = tracked(dtype=np.float32)
        y = f(t)
        assert y.dtype == np.float32
        np.sum(y).backward()
        assert t.grad.dtype == np.float32

    def test_astype_is_differentiable_between_floats(self):
        t = tracked(dtype=np.float32)
        np.sum(t.astype(np.float64) ** 2).backward()
        assert t.grad.dtype == np.float32
        np.testing.assert_array_equal(t.grad, [2.0, 4.0, 6.0])
        assert not t.astype(int).requires_grad


class TestBackward:
    def test_several_entries_need_a_gradient(self):
        with pytest.raises(AutogradError, match=r"shape \(3,\).*needs a gradient"):
            (tracked() * 2).backward()

    @pytest.mark.parametrize(
        "gradient", [np.ones(2), np.ones((3, 1)), 1.0, np.ones(3) * 1j, ["a", "b", "c"], np.ones(3, dtype=object)],
        ids=["length", "rank", "scalar", "complex", "text", "object"],
    )  # fmt: skip
    def test_a_gradient_that_does_not_fit_is_refused(self, gradient):
        t = tracked()
        with pytest.raises(GradientError, match="gradient has"):
            (t * 2).backward(gradient)
        assert t.grad is None

    @pytest.mark.parametrize("gradient", [[1, 2, 3], np.arange(1, 4), np.arange(1.0, 4.0), Tensor([1.0, 2.0, 3.0])])
    def test_a_gradient_that_fits(self, gradient):
        t = tracked()
        (t * 2).backward(gradient)
        assert t.grad.tolist() == [2.0, 4.0, 6.0]
        assert t.grad.dtype == np.float64

    def test_the_gradient_given_is_neither_kept_nor_written(self):
        t, seed = tracked(), np.ones(3)
        t.backward(seed)
        t.backward(seed)
        assert seed.tolist() == [1.0, 1.0, 1.0]
        t.grad[0] = 9.0
        assert seed[0] == 1.0

    def test_a_leaf_is_its_own_gradient(self):
        t = tracked()
        t.backward(np.ones(3))
        assert t.grad.tolist() == [1.0, 1.0, 1.0]

    @pytest.mark.parametrize(
        "make", [lambda t: Tensor(1.0), lambda t: t.detach(), lambda t: np.argmax(t) * Tensor(1.0)]
    )
    def test_what_depends_on_nothing_tracked_raises(self, make):
        with pytest.raises(AutogradError, match="depends on nothing"):
            make(tracked([1.0])).backward()

    def test_one_entry_of_any_rank_needs_no_gradient(self):
        t = tracked()
        np.sum(t, keepdims=True).backward()
        assert t.grad.tolist() == [1.0, 1.0, 1.0]

    def test_gradients_of_two_leaves_never_share_memory(self):
        a, b = tracked(), tracked()
        np.sum(a + b).backward()
        a.grad[0] = 100.0
        assert b.grad.tolist() == [1.0, 1.0, 1.0]
        a.grad += 1.0

    @pytest.mark.parametrize(
        ("a", "b"), [((3, 1), (1, 4)), ((), (2, 3)), ((0, 4), (1, 4)), ((1,), (5, 1, 1)), ((2, 0), (1,)), ((), ())]
    )
    def test_broadcasting_gives_each_operand_a_gradient_of_its_shape(self, a, b):
        x, y = (Tensor(np.ones(s), requires_grad=True) for s in (a, b))
        z = x * y
        z.backward(np.ones(z.shape))
        assert (x.grad.shape, y.grad.shape) == (a, b)
        assert np.sum(x.grad) == np.sum(y.grad) == z.size

    def test_create_graph_gives_tensors(self):
        t = tracked()
        np.sum(t**3).backward(create_graph=True)
        first = t.grad
        assert isinstance(first, Tensor)
        t.zero_grad()
        np.sum(first).backward()
        assert t.grad.tolist() == [6.0, 12.0, 18.0]


class TestPython:
    def test_sequence_protocol(self):
        t = tracked()
        assert len(t) == 3
        assert [float(x) for x in t] == [1.0, 2.0, 3.0]
        a, b, c = t
        (a * b * c).backward()
        assert t.grad.tolist() == [6.0, 3.0, 2.0]
        assert 2.0 in t
        assert 9.0 not in t
        for f in (len, list):
            with pytest.raises(TypeError, match="0-d"):
                f(Tensor(1.0))

    def test_conversions(self):
        assert float(tracked([2.5])) == float(Tensor(2.5)) == 2.5
        assert int(Tensor(2.7)) == 2
        assert "abc"[Tensor(np.array(1))] == "b"
        assert bool(Tensor(0.0)) is False
        assert Tensor([[1.0]]).item() == 1.0
        assert f"{Tensor(2.5):.2f} {Tensor([1.0])}" == "2.50 Tensor([1.])"
        for f in (bool, float, int):
            with pytest.raises(ValueError, match=r"ambiguous|size 1"):
                f(tracked())
        with pytest.raises(TypeError):
            "abc"[Tensor(1.0)]

    def test_comparisons_are_elementwise_and_plain(self):
        t = tracked()
        assert (t == tracked()).all()
        assert (t != 2).tolist() == [True, False, True]
        assert (t < np.array([2.0, 2.0, 2.0])).tolist() == [True, False, False]
        assert (np.ones(3) >= t).tolist() == [True, False, False]
        assert type(t > 1) is np.ndarray
        assert ((t == "a"), (t == None)) == (False, False)  # noqa: E711

    def test_identity_is_what_hashes(self):
        a, b = tracked(), tracked()
        assert len({a, b, a}) == 2
        assert {a: 1}[a] == 1

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
    def test_copies_of_a_graph_are_complete_and_apart(self, clone):
        t = tracked()
        y = np.sum(np.tanh(t[1:].reshape(2, 1) @ t[:1].reshape(1, 1)))
        twin = clone(y)
        twin.backward()
        assert t.grad is None
        y.backward()
        (copied,) = (n for n in ag.graph.topological([twin]) if n.op is None)
        np.testing.assert_array_equal(copied.grad, t.grad)

    def test_repr_shows_values_dtype_and_origin(self):
        t = tracked(dtype=np.float32)
        assert repr(t) == "Tensor([1., 2., 3.], dtype=float32, requires_grad=True)"
        assert repr(t * 2) == "Tensor([2., 4., 6.], dtype=float32, op=multiply)"
        assert len(repr(Tensor(np.zeros((1000, 1000))))) < 1000

    def test_retain_detach_clone_and_leaves(self):
        t = tracked()
        y = t.clone()
        assert (t.is_leaf, y.is_leaf) == (True, False)
        with pytest.raises(AutogradError, match="leaves only"):
            y.requires_grad_(False)
        t.requires_grad_(False)
        assert not (t * 2).requires_grad

    def test_to_values_and_back(self):
        t = tracked([[1.0, 2.0], [3.0, 4.0]])
        values = t.to_values()
        assert values.shape == (2, 2)
        Tensor(values * values).sum().backward()
        np.testing.assert_array_equal(t.grad, 2 * t.numpy())
        assert Tensor(3.0).to_values().shape == ()


class TestWhatATensorIsMadeOf:
    def test_a_leaf_has_no_past(self):
        for t in (Tensor([1.0]), Tensor.wrap(np.ones(2)), tracked().detach()):
            assert (t.op, t.operands, t.edges, t.args, t.params) == (None, (), (), (), {})
            assert t.requires_grad is False

    def test_a_label_is_kept(self):
        assert Tensor([1.0], label="w").label == "w"

    def test_a_copy_is_connected_only_to_what_is_tracked_and_recorded(self):
        x = tracked(dtype=np.float32)
        copied = Tensor(x)
        assert copied.dtype == np.float32
        assert copied.operands == (x,)
        with ag.no_grad():
            assert Tensor(x).op is None
        assert Tensor(Tensor([1.0])).op is None
        assert not Tensor(Tensor([1.0])).requires_grad

    def test_a_copy_in_another_dtype(self):
        x = tracked()
        narrow = Tensor(x, dtype=np.float32)
        assert (narrow.dtype, narrow.operands[0].dtype) == (np.float32, np.float32)
        np.sum(narrow * narrow).backward()
        assert x.grad.dtype == np.float64
        assert Tensor(Tensor([1.0]), dtype=np.float32).dtype == np.float32

    def test_object_arrays_keep_their_shape_and_that_of_their_tensors(self):
        a, b = tracked([1.0, 2.0]), tracked([3.0, 4.0])
        for nodes in ([[a], [b]], [[a, b]], [[a]]):
            data = np.empty(np.shape([[0 for _ in row] for row in nodes]), dtype=object)
            for i, row in enumerate(nodes):
                for j, node in enumerate(row):
                    data[i, j] = node
            t = Tensor(data)
            assert t.tolist() == [[node.tolist() for node in row] for row in nodes]
            assert t.requires_grad
        numbers = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]], dtype=object)
        assert Tensor(numbers).tolist() == [[1.0, 2.0], [3.0, 4.0]]
        assert Tensor([Value(1.0), 2.0]).operands[0].params == {"shape": (2,)}

    def test_the_entries_of_what_is_not_recorded_are_leaves(self):
        assert [(type(v), v.op, v.data) for v in Tensor([1.0, 2.0]).to_values()] == [
            (Value, None, 1.0),
            (Value, None, 2.0),
        ]
        x = tracked()
        with ag.no_grad():
            assert x.to_values()[1].op is None
        assert x.to_values()[1].op is not None


class TestSeeds:
    def test_a_single_entry_is_seeded_in_its_own_shape(self):
        x, seen = tracked([[2.0]]), []
        y = x * 3
        y.register_hook(lambda g: seen.append(np.shape(g)))
        y.backward()
        assert seen == [(1, 1)]
        assert x.grad.tolist() == [[3.0]]

    def test_recorded_gradients_are_tensors(self):
        x = tracked([[2.0]])
        (x * 3).backward(create_graph=True)
        assert type(x.grad) is Tensor
        x, seed = tracked([1.0, 2.0]), tracked([1.0, 1.0])
        (x * x).backward(seed, create_graph=True)
        np.sum(x.grad).backward()
        assert seed.grad.tolist() == [2.0, 4.0]

    def test_dtypes_of_a_given_gradient(self):
        x = tracked(dtype=np.float32)
        (x * 2).backward(np.ones(3))
        assert x.grad.dtype == np.float32
        with pytest.raises(GradientError, match="gradient has dtype float64, but the tensor has dtype int64"):
            Tensor(np.array([1, 2], dtype=np.int64)).backward(np.ones(2))
        with pytest.raises(GradientError, match="gradient has dtype complex128"):
            (x * 2).backward(np.ones(3) * 1j)

    def test_a_result_keeps_its_gradient_where_it_is_told_to(self):
        x = tracked()
        kept, forgotten = x * 2, x * 3
        kept.retain_grad()
        np.sum(kept * forgotten).backward()
        assert kept.grad.tolist() == [3.0, 6.0, 9.0]
        assert forgotten.grad is None

    def test_switching_gives_truth_values(self):
        t = Tensor([1.0])
        assert t.requires_grad_().requires_grad is True
        assert t.requires_grad_(False).requires_grad is False


class TestMethodsWithSeveralForms:
    A = np.arange(24.0).reshape(2, 3, 4)

    @pytest.mark.parametrize(
        "f",
        [
            lambda t: t.reshape((4, 6)),
            lambda t: t.reshape(4, 6),
            lambda t: t.reshape(-1),
            lambda t: t.transpose(),
            lambda t: t.transpose(2, 0, 1),
            lambda t: t.transpose((2, 0, 1)),
            lambda t: t.flatten(),
            lambda t: t.flatten().transpose(0) if isinstance(t, Tensor) else t.flatten(),
        ],
    )
    def test_shapes_are_given_as_numpy_takes_them(self, f):
        np.testing.assert_array_equal(f(Tensor(self.A)).numpy(), f(self.A))

    def test_a_square_is_not_a_power(self):
        x = tracked()
        assert [(x**n).op.name for n in (2, 2.0, 3, np.float64(2))] == ["square", "square", "power", "power"]

    def test_matmul_leaves_what_is_no_array_to_the_other_side(self):
        class Other:
            def __matmul__(self, x):
                return NotImplemented

            def __rmatmul__(self, x):
                return "other"

        x = tracked()
        assert x @ Other() == "other"
        for f in (lambda: Other() @ x, lambda: [1.0, 2.0, 3.0] @ x, lambda: x @ 2.0):
            with pytest.raises(TypeError, match="unsupported operand"):
                f()
        a = np.arange(6.0).reshape(2, 3)
        y = x.__rmatmul__(a)
        assert y.operands[1] is x
        assert y.tolist() == (a @ [1.0, 2.0, 3.0]).tolist()

    def test_an_array_of_it_is_a_view_unless_another_is_asked_for(self):
        for dtype in (np.float64, np.float32, np.int64):
            t = Tensor(np.array([1, 2], dtype=dtype))
            assert np.shares_memory(t.__array__(), t._data)
            assert np.shares_memory(t.__array__(dtype), t._data)
            copied = t.__array__(copy=True)
            assert copied.dtype == dtype
            assert not np.shares_memory(copied, t._data)
            assert t.__array__(np.float16).dtype == np.float16

    def test_a_copy_of_it_keeps_its_layout(self):
        assert Tensor(self.A).T._data.flags.f_contiguous

    def test_shallow_copies(self):
        x = tracked()
        other = copy.copy(x)
        assert other.tolist() == x.tolist()
        assert other is not x

    def test_repr_to_the_letter(self):
        assert repr(Tensor([0.123456])) == "Tensor([0.1235])"
        assert repr(Tensor([[1.0, 2.0], [3.0, 4.0]])) == "Tensor([[1., 2.],\n        [3., 4.]])"
        assert "..." not in repr(Tensor(np.zeros(50)))
        assert "..." in repr(Tensor(np.zeros(51)))

    def test_a_width_pads_what_has_several_entries(self):
        assert f"{Tensor([1.0, 2.0]):>20}" == "    Tensor([1., 2.])"
