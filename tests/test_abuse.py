"""What an engine must survive: graphs, aliasing, numbers and shapes pushed to where engines break.

Each test states the outcome. `tests.abuse` lists every situation with the tests that see to it, here and elsewhere.
"""

import gc
import multiprocessing
import signal
import sys
import threading
import tracemalloc
from typing import ClassVar

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, Tensor, Value, grad


def tracked(data=(1.0, 2.0, 3.0)):
    return Tensor(np.array(data), requires_grad=True)


class TestGraph:
    @pytest.mark.parametrize("n", [1_000, 100_000])
    @pytest.mark.parametrize("face", [Value, Tensor])
    def test_deep_and_wide(self, face, n):
        x = Value(1.0) if face is Value else Tensor(1.0, requires_grad=True)
        deep, wide = x, []
        for _ in range(n // 10 if face is Tensor else n):
            deep = -deep
            wide.append(x)
        (deep + (ag.sum(wide) if face is Value else ag.sum(ag.stack(wide[:1000])))).backward()
        assert np.isfinite(x.grad)

    def test_many_small_graphs_without_a_collector_keep_memory_flat(self):
        w = tracked()
        gc.disable()
        try:
            for _ in range(100):
                np.sum(np.tanh(w * w)).backward()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(2000):
                np.sum(np.tanh(w * w)).backward()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
        finally:
            gc.enable()
        assert grown < 50_000

    def test_an_exception_between_forward_and_backward_changes_nothing_later(self):
        x = tracked()
        with pytest.raises(ZeroDivisionError):
            np.sum(x * x) + 1 / 0
        np.sum(x * x).backward()
        assert x.grad.tolist() == [2.0, 4.0, 6.0]

    def test_a_hook_that_calls_backward_again(self):
        x, other = tracked(), tracked()
        x.register_hook(lambda g: np.sum(other * other).backward())
        np.sum(x * 3.0).backward()
        assert x.grad.tolist() == [3.0, 3.0, 3.0]
        assert other.grad.tolist() == [2.0, 4.0, 6.0]

    def test_grad_is_none_or_what_the_user_set(self):
        x = tracked()
        x.grad = np.ones(3)
        np.sum(x).backward()
        assert x.grad.tolist() == [2.0, 2.0, 2.0]

    def test_the_interrupt_key_in_the_middle_of_a_pass(self):
        x = Value(1.0)
        y = x
        for _ in range(200_000):
            y = y * 1.0

        def interrupt(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(KeyboardInterrupt):
                _for_ever(y.backward)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
        assert x.grad is None or x.grad == int(x.grad)
        x.zero_grad()
        y.backward()
        assert x.grad == 1.0


def _for_ever(function):
    while True:
        function()


class TestAliasing:
    @pytest.mark.parametrize(
        "make",
        [
            lambda a: a[::-1],
            lambda a: a[::2],
            lambda a: np.asfortranarray(a),
            lambda a: a.astype(">f8"),
            lambda a: np.lib.stride_tricks.as_strided(a, a.shape, (0, *a.strides[1:])),
        ],
        ids=["reversed", "strided", "fortran", "big-endian", "stride 0"],
    )
    def test_odd_memory_as_an_operand_is_right_and_never_written(self, make):
        base = np.arange(1.0, 13.0).reshape(4, 3)
        a = make(base)
        a.flags.writeable = False
        before = a.copy()
        x = Tensor(np.ones(3), requires_grad=True)
        np.sum(np.exp(x * a) @ np.ones(3)).backward()
        np.testing.assert_allclose(x.grad, np.sum(before * np.exp(before), axis=0))
        np.testing.assert_array_equal(a, before)
        assert x.grad.dtype == np.float64
        assert x.grad.dtype.isnative

    def test_memory_maps(self, tmp_path):
        a = np.memmap(tmp_path / "data", dtype=np.float64, mode="w+", shape=(3,))
        a[:] = [1.0, 2.0, 3.0]
        x = Tensor(a, requires_grad=True)
        np.sum(x * a).backward()
        assert type(x.grad) is np.ndarray
        assert x.grad.tolist() == [1.0, 2.0, 3.0]

    @pytest.mark.parametrize("data", [np.zeros(2, dtype="f8,i4"), np.array(["a"]), np.array([None])], ids=str)
    def test_arrays_that_hold_no_numbers_are_refused(self, data):
        with pytest.raises(TypeError):
            tracked() * data

    def test_matrices(self):
        with pytest.warns(PendingDeprecationWarning):
            m = np.matrix([[1.0, 2.0, 3.0]])
        x = tracked()
        y = m * x
        assert isinstance(y, Tensor)
        np.sum(y).backward()
        assert x.grad.tolist() == [1.0, 2.0, 3.0]


class TestNumbers:
    @pytest.mark.parametrize(
        "f",
        [
            ag.sigmoid, ag.softplus, ag.logsigmoid, np.tanh, ag.silu, ag.gelu, ag.gelu_tanh, ag.mish, ag.elu, ag.selu,
            ag.celu, ag.softsign, ag.hardtanh, ag.relu, ag.leaky_relu, np.arctan, np.arcsinh, ag.erf,
            lambda x: np.logaddexp(x, 0.0), lambda x: np.logaddexp(0.0, -x), lambda x: ag.softmax(x),
            lambda x: ag.log_softmax(x), lambda x: ag.logsumexp(x), lambda x: np.hypot(x, 1.0),
            lambda x: ag.bce_with_logits(x, np.array([0.0, 1.0, 0.0, 1.0, 1.0])),
            lambda x: ag.cross_entropy(x.reshape(1, 5), np.array([2])),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("scale", [1e4, 700.0, 40.0])
    def test_saturated_functions_are_finite_in_value_and_two_derivatives(self, f, scale):
        x = Tensor(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * scale, requires_grad=True)
        y = f(x)
        assert np.all(np.isfinite(y.numpy()))
        np.sum(y).backward(create_graph=True)
        first = x.grad
        assert np.all(np.isfinite(first.numpy()))
        x.zero_grad()
        if first.requires_grad:
            np.sum(first * np.arange(1.0, 6.0)).backward()
            assert np.all(np.isfinite(x.grad))

    def test_a_fully_masked_row(self):
        x = tracked([[1.0, 2.0], [3.0, 4.0]])
        keep = np.array([[True, False], [False, False]])
        masked = np.where(keep, x, -np.inf)
        with np.errstate(invalid="ignore"):
            y = ag.softmax(masked, axis=-1)
        np.sum(y * np.array([1.0, 5.0])).backward()
        np.testing.assert_array_equal(y.numpy(), [[1.0, 0.0], [0.0, 0.0]])
        np.testing.assert_array_equal(x.grad, np.zeros((2, 2)))

    @pytest.mark.parametrize(
        ("f", "x", "value", "slope"),
        [
            (np.log, 0.0, -np.inf, np.inf),
            (np.log, -2.0, np.nan, -0.5),
            (lambda x: 1 / x, 0.0, np.inf, -np.inf),
            (np.log1p, -1.0, -np.inf, np.inf),
        ],
        ids=["log 0", "log -2", "1/0", "log1p -1"],
    )
    def test_poles_follow_numpy_s_warning_state(self, f, x, value, slope):
        leaf = tracked([x])
        with pytest.warns(RuntimeWarning):
            f(leaf)
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            f(leaf)
        with np.errstate(all="ignore"):
            y = f(leaf)
            y.backward(np.ones(1))
        np.testing.assert_array_equal(y.numpy(), [value])
        np.testing.assert_array_equal(leaf.grad, [slope])

    def test_nan_propagates(self):
        x = tracked([np.nan, 1.0])
        np.sum(ag.relu(x) * 2.0).backward()
        np.testing.assert_array_equal(x.grad, [np.nan, 2.0])

    @pytest.mark.parametrize("f", [np.max, np.min, np.argmax, lambda t: np.max(t, axis=0)])
    def test_the_maximum_of_nothing_is_an_error(self, f):
        with pytest.raises(ValueError, match=r"empty|zero-size|identity"):
            f(tracked([]))

    def test_the_mean_of_nothing_is_nan_with_an_empty_gradient(self):
        x = tracked([])
        with pytest.warns(RuntimeWarning):
            y = np.mean(x)
        y.backward()
        assert np.isnan(y.item())
        assert x.grad.shape == (0,)

    @pytest.mark.parametrize("f", [np.sum, np.prod, lambda t: np.sum(np.exp(t)), lambda t: np.sum(t @ np.ones((3, 2)))])
    def test_empty_batches(self, f):
        x = tracked(np.ones((0, 3)))
        f(x).backward()
        assert x.grad.shape == (0, 3)

    def test_complex_tensors_cannot_require_a_gradient(self):
        with pytest.raises(TypeError, match="complex"):
            Tensor([1j], requires_grad=True)

    def test_a_complex_operand_of_a_tracked_tensor_is_refused(self):
        with pytest.raises(TypeError, match="complex"):
            tracked() * np.array([1j, 1.0, 1.0])
        with pytest.raises(TypeError, match="complex"):
            tracked() + 1j


class TestShapes:
    @pytest.mark.parametrize("axis", [0, -1])
    def test_reductions_over_the_axis_of_a_number(self, axis):
        x = Tensor(2.0, requires_grad=True)
        try:
            expected = np.sum(np.array(2.0), axis=axis)
        except np.exceptions.AxisError:
            with pytest.raises(np.exceptions.AxisError):
                np.sum(x, axis=axis)
        else:
            y = np.sum(x, axis=axis)
            y.backward()
            assert y.item() == expected
            assert x.grad == 1.0

    SAME_ERRORS: ClassVar = {
        "reshape": lambda t: np.reshape(t, (4,)),
        "two unknown axes": lambda t: np.reshape(t, (-1, -1)),
        "squeeze of a long axis": lambda t: np.squeeze(t, axis=0),
        "axis out of range": lambda t: np.sum(t, axis=3),
        "repeated axis": lambda t: np.sum(t, axis=(0, 0)),
        "transpose": lambda t: np.transpose(t, (0, 0)),
        "concatenate": lambda t: np.concatenate([t, np.ones((1, 5))]),
        "stack": lambda t: np.stack([t, np.ones(3)]),
        "matmul": lambda t: t @ np.ones((5, 2)),
        "broadcast": lambda t: t + np.ones(4),
        "index": lambda t: t[7],
        "too many indices": lambda t: t[0, 0, 0],
        "boolean index": lambda t: t[np.array([True])],
        "einsum": lambda t: np.einsum("ijk->i", t),
        "inv": lambda t: np.linalg.inv(t),
        "split": lambda t: np.split(t, 2, axis=1),
        "take": lambda t: np.take(t, 9),
        "empty concatenate": lambda t: np.concatenate([t[:0, :2], t]),
        "pad": lambda t: np.pad(t, ((1, 2), (3,))),
        "broadcast_to": lambda t: np.broadcast_to(t, (2,)),
    }

    @pytest.mark.parametrize("f", SAME_ERRORS.values(), ids=SAME_ERRORS)
    def test_wrong_shapes_raise_what_numpy_raises(self, f):
        a = np.ones((2, 3))
        with pytest.raises(Exception) as expected:  # noqa: PT011
            f(a)
        with pytest.raises(type(expected.value)):
            f(Tensor(a, requires_grad=True))

    @pytest.mark.parametrize(
        "index",
        [
            np.s_[...], np.s_[None, ::-2, None], np.s_[-1], np.s_[[0, 0, 1]], np.s_[:, [2, 2, 0]], np.s_[[], :],
            np.s_[[0, 1], [2, 2]], np.s_[np.array([[0], [1]]), [0, 0]], np.s_[[True, False]], np.s_[:0],
            np.s_[1, ..., None], np.s_[[-1, 1]], np.s_[np.array([True, False]), 1:], np.s_[np.eye(2, 3) > 0],
            np.s_[np.int64(1)], np.s_[True],
        ],
        ids=str,
    )  # fmt: skip
    def test_every_kind_of_index(self, index):
        a = np.arange(6.0).reshape(2, 3)
        x = Tensor(a, requires_grad=True)
        y = x[index]
        np.testing.assert_array_equal(y.numpy(), a[index])
        weights = np.arange(1.0, 1.0 + y.size).reshape(y.shape)
        y.backward(weights)
        expected = np.zeros_like(a)
        np.add.at(expected, index, weights)
        np.testing.assert_array_equal(x.grad, expected)

    @pytest.mark.parametrize("f", [np.sum, np.mean, np.array, np.max, lambda ts: np.exp(ts)])
    def test_a_list_of_tensors_in_a_numpy_function(self, f):
        x = tracked()
        with pytest.raises(AutogradError, match="cut its gradient off"):
            f([x, x])
        np.sum(np.stack([x, x])).backward()
        assert x.grad.tolist() == [2.0, 2.0, 2.0]

    def test_a_result_that_does_not_fit_into_memory(self):
        with pytest.raises(MemoryError, match=r"shape \(10000000, 10000000\)"):
            Tensor(np.ones((10_000_000, 1)), requires_grad=True) * np.ones((1, 10_000_000))


def _differentiate_in_a_child(queue):
    queue.put((grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0])).tolist(), ag.is_recording()))


def _draw_in_a_child(queue):
    queue.put(ag.default_generator().random(3).tolist())


class TestConcurrency:
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    @pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
    def test_forked_processes_draw_numbers_of_their_own(self):
        context = multiprocessing.get_context("fork")

        def drawn():
            generator, queue, found = ag.manual_seed(3), context.Queue(), []
            for _ in range(3):
                child = context.Process(target=_draw_in_a_child, args=(queue,))
                child.start()
                found.append(tuple(queue.get(timeout=60)))
                child.join(timeout=60)
            return [*found, tuple(generator.random(3))]

        alone = tuple(ag.manual_seed(3).random(3))
        found = drawn()
        assert found[-1] == alone
        assert len(set(found)) == 4

    def test_eight_threads_differentiate_a_shared_tensor(self):
        data = np.linspace(-1.0, 1.0, 50)
        data.flags.writeable = False
        shared, answers = Tensor(data), []

        def work():
            for _ in range(50):
                w = tracked(np.ones(50))
                np.sum(np.tanh(w * shared) * data).backward()
                answers.append(w.grad)

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
        expected = data * data / np.cosh(data) ** 2
        assert len(answers) == 400
        for answer in answers:
            np.testing.assert_allclose(answer, expected, rtol=1e-12, atol=1e-15)
        assert not data.flags.writeable

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_process_differentiates(self):
        context = multiprocessing.get_context("fork")
        x = tracked()
        y = np.sum(x * x)
        queue = context.Queue()
        with ag.no_grad():
            child = context.Process(target=_differentiate_in_a_child, args=(queue,))
            child.start()
        answer = queue.get(timeout=60)
        child.join(timeout=60)
        assert answer == ([3.0, 12.0], False)
        y.backward()
        assert x.grad.tolist() == [2.0, 4.0, 6.0]

    def test_one_graph_pulled_by_many_threads_adds_up(self):
        x, v = tracked(), Value(2.0)
        tensor_loss, value_loss = np.sum(x * x), v * v
        threads = [threading.Thread(target=lambda: (tensor_loss.backward(), value_loss.backward())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert x.grad.tolist() == [16.0, 32.0, 48.0]
        assert v.grad == 32.0

    def test_leaves_written_while_another_thread_differentiates_raise_or_are_right(self):
        x, stop, errors, answers = tracked([1.0]), threading.Event(), [], set()

        def write():
            while not stop.is_set():
                x.data = x.numpy() + 1.0

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(300):
            try:
                x.zero_grad()
                y = np.sum(x * x)
                y.backward()
                answers.add(round(float(x.grad[0]) / 2 - np.sqrt(y.item()), 6))
            except AutogradError as error:
                errors.append(error)
        stop.set()
        writer.join()
        assert answers <= {0.0}
