"""no_grad, enable_grad and detect_anomaly: scope, threads, tasks, generators, exceptions, reports."""

import asyncio
import re
import threading

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AnomalyError, Tensor, Value, detect_anomaly, enable_grad, is_recording, no_grad


def leaf(face, x=2.0):
    return Value(x) if face is Value else Tensor(x, requires_grad=True)


both_faces = pytest.mark.parametrize("face", [Value, Tensor])


@pytest.fixture(autouse=True)
def _the_mode_is_restored():
    yield
    assert ag.modes.current.get() is None


class TestScope:
    @both_faces
    def test_nothing_is_recorded_inside(self, face):
        x = leaf(face)
        with no_grad():
            assert not is_recording()
            y = np.sin(x * 2 + x) / x
            assert y.op is None
            assert y.operands == ()
        assert is_recording()
        assert (x * 2).op is not None

    def test_blocks_nest_and_one_object_can_be_entered_twice(self):
        off, on = no_grad(), enable_grad()
        with off, on:
            assert is_recording()
            with off:
                assert not is_recording()
                with no_grad():
                    assert not is_recording()
                assert not is_recording()
            assert is_recording()

    def test_an_exception_restores_what_was_found(self):
        for switch in (no_grad, enable_grad, detect_anomaly):
            with pytest.raises(KeyError), switch():
                raise KeyError
        with no_grad(), pytest.raises(KeyboardInterrupt), enable_grad():
            raise KeyboardInterrupt
        assert is_recording()

    def test_as_a_decorator(self):
        @no_grad()
        def off(n):
            """Doc."""
            return [is_recording()] + (off(n - 1) if n else [])

        assert off(2) == [False, False, False]
        assert off.__doc__ == "Doc."
        assert is_recording()

        @no_grad()
        def broken():
            raise KeyError

        with pytest.raises(KeyError):
            broken()

    def test_anomaly_and_recording_are_separate_switches(self):
        with no_grad(), detect_anomaly():
            assert not is_recording()
            with pytest.raises(AnomalyError), np.errstate(all="ignore"):
                np.log(Tensor([0.0]))
            with enable_grad():
                assert is_recording()


class TestGenerators:
    def test_a_decorated_generator_does_not_leak_to_its_caller(self):
        @no_grad()
        def batches():
            got = yield is_recording()
            while True:
                got = yield (got, is_recording())

        generator = batches()
        assert is_recording()
        assert next(generator) is False
        assert is_recording()
        assert generator.send("sent") == ("sent", False)
        assert is_recording()
        generator.close()
        assert is_recording()

    def test_it_returns_throws_and_closes_as_without_the_decorator(self):
        closed = []

        @no_grad()
        def generator():
            try:
                yield 1
            except KeyError:
                yield (2, is_recording())
                return "result"
            finally:
                closed.append(is_recording())

        def outer():
            return (yield from generator())

        g = outer()
        assert next(g) == 1
        assert g.throw(KeyError()) == (2, False)
        with pytest.raises(StopIteration) as stop:
            next(g)
        assert stop.value.value == "result"
        g = generator()
        next(g)
        g.close()
        assert closed == [False, False]

    def test_a_generator_that_ends_on_a_thrown_exception(self):
        @no_grad()
        def generator():
            try:
                yield 1
            except KeyError:
                return "caught"

        g = generator()
        next(g)
        with pytest.raises(StopIteration) as stop:
            g.throw(KeyError())
        assert stop.value.value == "caught"

    def test_a_loop_over_a_decorated_generator_trains(self):
        @no_grad()
        def batches():
            for i in range(3):
                yield Tensor([float(i)])

        w = Tensor([1.0], requires_grad=True)
        for batch in batches():
            np.sum(w * batch).backward()
        assert w.grad.tolist() == [3.0]


class TestConcurrency:
    def test_threads_do_not_see_each_other(self):
        inside, done, seen = threading.Event(), threading.Event(), []

        def other():
            inside.wait()
            x = Tensor([2.0], requires_grad=True)
            np.sum(x * x).backward()
            seen.append((is_recording(), x.grad.tolist()))
            done.set()

        thread = threading.Thread(target=other)
        thread.start()
        with no_grad():
            inside.set()
            done.wait()
            assert not is_recording()
        thread.join()
        assert seen == [(True, [4.0])]

    def test_async_tasks_do_not_see_each_other(self):
        async def quiet():
            with no_grad():
                for _ in range(5):
                    assert not is_recording()
                    await asyncio.sleep(0)

        async def loud():
            for _ in range(5):
                assert is_recording()
                x = Value(3.0)
                (x * x).backward()
                assert x.grad == 6.0
                await asyncio.sleep(0)

        async def both():
            await asyncio.gather(quiet(), loud(), quiet())

        asyncio.run(both())

    def test_a_decorated_coroutine_is_off_while_it_is_awaited(self):
        @no_grad()
        async def quiet():
            first = is_recording()
            await asyncio.sleep(0)
            return first, is_recording()

        async def main():
            answer = await quiet()
            return answer, is_recording()

        assert asyncio.run(main()) == ((False, False), True)

    def test_a_decorated_async_generator_does_not_leak(self):
        @no_grad()
        async def stream():
            yield is_recording()
            await asyncio.sleep(0)
            yield is_recording()

        async def main():
            return [(item, is_recording()) async for item in stream()]

        assert asyncio.run(main()) == [(False, True), (False, True)]

    def test_transforms_in_threads(self):
        answers = []

        def work():
            answers.append(ag.grad(ag.grad(lambda x: x**3))(2.0))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [12.0] * 8


class TestAnomaly:
    """The report names the op, the file and line of the user's call, and the inputs."""

    @both_faces
    @pytest.mark.parametrize(
        ("f", "x", "op"),
        [
            (lambda x: np.log(x), 0.0, "log"),
            (lambda x: 1.0 / x, 0.0, "divide"),
            (lambda x: np.exp(x * 500), 2.0, "exp"),
            (lambda x: np.sqrt(x - 5.0), 2.0, "sqrt"),
            (lambda x: x ** (-1), 0.0, "power"),
        ],
        ids=["log", "divide", "exp", "sqrt", "power"],
    )
    def test_forward(self, face, f, x, op):
        node = leaf(face, x)
        with pytest.raises(AnomalyError) as caught, detect_anomaly(), np.errstate(all="ignore"):
            np.sin(f(node) * 2.0)
        text = str(caught.value)
        assert f"the result of '{op}' is not finite" in text
        line = f.__code__.co_firstlineno
        assert re.search(rf"called at {re.escape(__file__)}:{line}\b", text)
        assert "with inputs" in text

    @both_faces
    @pytest.mark.parametrize(
        ("f", "op"),
        [
            (lambda x: np.sqrt(x), "sqrt"),
            (lambda x: x**0.5, "power"),
            (lambda x: np.cbrt(x), "cbrt"),
        ],
        ids=["sqrt", "power", "cbrt"],
    )
    def test_backward(self, face, f, op):
        x = leaf(face, 0.0)
        with detect_anomaly():
            y = f(x) * 3.0
            with pytest.raises(AnomalyError) as caught:
                y.backward()
        text = str(caught.value)
        assert f"the gradient of '{op}' is not finite" in text
        assert f"{__file__}:{f.__code__.co_firstlineno}" in text
        assert "with input 0" in text
        assert "incoming gradient 3" in text
        assert x.grad is None

    def test_the_first_bad_entry_is_named(self):
        x = np.ones((3, 4))
        x[1, 2] = 0.0
        report = pytest.raises(AnomalyError, match=r"at index \(1, 2\), 1 of 12 entries")
        with report, detect_anomaly(), np.errstate(all="ignore"):
            np.log(Tensor(x, requires_grad=True))

    def test_the_first_op_is_named_not_a_later_one(self):
        x = Tensor([1.0, 0.0], requires_grad=True)
        with detect_anomaly():
            y = np.sum(np.exp(np.sqrt(x) * 2.0) + x)
            with pytest.raises(AnomalyError, match="gradient of 'sqrt'"):
                y.backward()

    def test_a_line_in_a_function_of_the_user_is_named_through_method_calls(self):
        x = Tensor([0.0], requires_grad=True)
        with np.errstate(all="ignore"), detect_anomaly():
            here = caller_line() + 2
            with pytest.raises(AnomalyError, match=re.escape(f"{__file__}:{here}")):
                x.log()

    def test_a_nan_that_came_in_with_the_data_is_named_where_it_comes_in(self):
        x = Tensor([np.nan, 1.0], requires_grad=True)
        with pytest.raises(AnomalyError, match="result of 'multiply' is not finite: nan at index"), detect_anomaly():
            np.sum(x * 2.0)

    def test_a_healthy_graph_passes_and_computes_the_same(self):
        a = np.random.default_rng(0).normal(size=(3, 3))
        x, y = Tensor(a, requires_grad=True), Tensor(a, requires_grad=True)
        with detect_anomaly():
            np.sum(np.tanh(x @ x)).backward()
        np.sum(np.tanh(y @ y)).backward()
        np.testing.assert_array_equal(x.grad, y.grad)
        v = Value(0.5)
        with detect_anomaly():
            (v.tanh() * v).backward()
        w = Value(0.5)
        (w.tanh() * w).backward()
        assert v.grad == w.grad

    def test_a_foreign_array_changed_after_its_capture_is_reported_or_harmless(self):
        a = np.array([1.0, 2.0])
        x = Tensor([3.0, 4.0], requires_grad=True)
        with detect_anomaly():
            y = np.sum(x * a)
            a[:] = 100.0
            y.backward()
        assert x.grad.tolist() == [1.0, 2.0]

    def test_a_dead_branch_is_no_anomaly(self):
        x = Tensor([0.0, 4.0], requires_grad=True)
        with detect_anomaly():
            np.sum(np.where(x > 0, np.sqrt(x), 0.0)).backward()
        assert x.grad.tolist() == [0.0, 0.25]

    def test_outside_of_the_block_nothing_is_watched(self):
        x = Tensor([0.0], requires_grad=True)
        with detect_anomaly():
            pass
        np.sum(np.sqrt(x)).backward()
        assert x.grad.tolist() == [np.inf]


def caller_line():
    """Return the line of the caller."""
    import sys

    return sys._getframe(1).f_lineno
