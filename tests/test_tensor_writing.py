"""Tensor: hooks on its gradient, and every way of writing into it."""

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, GradientError, Tensor


def tracked(data=(1.0, 2.0, 3.0), dtype=None):
    return Tensor(np.array(data, dtype=dtype or np.float64), requires_grad=True)


class TestHooks:
    def test_hooks_see_and_replace_the_complete_gradient_once(self):
        t, seen = tracked(), []
        y = t * 1.0
        y.register_hook(lambda g: seen.append(g.copy()))
        y.register_hook(lambda g: g * 10)
        np.sum(y * 2 + y * 3).backward()
        assert [g.tolist() for g in seen] == [[5.0, 5.0, 5.0]]
        assert t.grad.tolist() == [50.0, 50.0, 50.0]

    def test_a_hook_can_be_removed_more_than_once(self):
        t = tracked()
        handle = t.register_hook(lambda g: g * 0)
        handle.remove()
        handle.remove()
        np.sum(t).backward()
        assert t.grad.tolist() == [1.0, 1.0, 1.0]

    def test_a_hook_cannot_write_into_the_gradient(self):
        t = tracked()

        def hook(g):
            g[0] = 100.0

        t.register_hook(hook)
        with pytest.raises(ValueError, match="read-only"):
            np.sum(t).backward()
        assert t.grad is None

    @pytest.mark.parametrize("answer", [np.ones(2), np.ones(3, np.float32), 1.0], ids=["shape", "dtype", "scalar"])
    def test_what_a_hook_returns_is_checked(self, answer):
        t = tracked()
        t.register_hook(lambda g: answer)
        with pytest.raises(GradientError, match="hook returned"):
            np.sum(t).backward()
        assert t.grad is None

    def test_a_hook_under_create_graph_is_differentiated(self):
        t = tracked()
        y = t * 1.0
        handle = y.register_hook(lambda g: g * y)
        np.sum(y * y).backward(create_graph=True)
        first = t.grad  # 2 t * t
        t.zero_grad()
        handle.remove()
        np.sum(first).backward()
        assert t.grad.tolist() == [4.0, 8.0, 12.0]

    def test_a_hook_on_what_is_not_tracked_raises(self):
        with pytest.raises(AutogradError, match="never be called"):
            Tensor([1.0]).register_hook(print)


class TestWriting:
    def test_no_write_in_place(self):
        t = tracked()
        with pytest.raises(AutogradError, match=r"t.at\[index\].set"):
            t[0] = 1.0
        for view in (t.data, t.numpy()):
            with pytest.raises(ValueError, match="read-only"):
                view[0] = 1.0

    def test_at_set_and_add(self):
        t, v = tracked(), tracked([10.0, 20.0])
        y = t.at[[0, 2]].set(v)
        assert y.tolist() == [10.0, 2.0, 20.0]
        z = t.at[[0, 0]].add(v)
        assert z.tolist() == [31.0, 2.0, 3.0]
        (np.sum(y * y) + np.sum(z * z)).backward()
        assert t.grad.tolist() == [62.0, 8.0, 6.0]
        assert v.grad.tolist() == [20.0 + 62.0, 40.0 + 62.0]
        assert t.tolist() == [1.0, 2.0, 3.0]
        assert t.at[1:].set(0.0).tolist() == [1.0, 0.0, 0.0]
        assert t.at[t > 1].add(1.0).tolist() == [1.0, 3.0, 4.0]

    IN_PLACE = ("t += u", "t -= u", "t *= u", "t /= u", "t **= u", "t @= u")

    @pytest.mark.parametrize("statement", IN_PLACE)
    def test_in_place_operators_rebind(self, statement):
        leaf = tracked()
        names = {"t": leaf, "u": tracked()}
        exec(statement, names)
        assert names["t"] is not leaf
        assert leaf.tolist() == [1.0, 2.0, 3.0]
        np.sum(names["t"]).backward()
        assert leaf.grad is not None

    @pytest.mark.parametrize("statement", IN_PLACE)
    def test_in_place_operators_on_a_leaf_are_refused_under_no_grad(self, statement):
        with ag.no_grad(), pytest.raises(AutogradError, match=r"t.data = t.data"):
            exec(statement, {"t": tracked(), "u": tracked()})

    def test_data_is_assigned_with_the_shape_and_dtype_of_the_leaf(self):
        t, source = tracked(dtype=np.float32), np.zeros(3)
        t.data = source
        source[0] = 5.0
        assert (t.dtype, t.tolist()) == (np.float32, [0.0, 0.0, 0.0])
        with pytest.raises(ValueError, match=r"expected data of shape \(3,\)"):
            t.data = np.zeros(2)

    def test_a_detached_tensor_never_shows_later_writes(self):
        t = tracked()
        for cut in (t.detach(), t.reshape(3, 1).detach(), ag.stop_gradient(t[1:])):
            before = cut.tolist()
            t._data += 1.0
            assert cut.tolist() == before
            assert not cut.requires_grad
