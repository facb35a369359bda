"""Saved operands and copies: leaves written after their use, deep copies, pickles."""

import copy
import pickle

import numpy as np
import pytest

from autograd_lite import AutogradError, StaleError, Tensor, Value, graph


def leaf(face, x):
    return Value(x) if face is Value else Tensor(x, requires_grad=True)


both_faces = pytest.mark.parametrize("face", [Value, Tensor])


STALE = {
    "product": lambda x: x * x,
    "power": lambda x: x**3,
    "sine": np.sin,
    "behind a sum": lambda x: (np.sin(x) + 1.0) * 2.0,
}
VIEWS = {
    "reshape": lambda x: np.sum(np.reshape(x, (3, 2)) ** 2),
    "transpose": lambda x: np.sum(x.T * x.T),
    "slice": lambda x: np.sum(np.cos(x[1:])),
    "two views deep": lambda x: np.sum(np.sin(x.T.reshape(-1))),
    "ravel": lambda x: np.sum(np.ravel(x) @ np.ravel(x)),
    "expand_dims": lambda x: np.sum(np.expand_dims(x, 0) * 3.0 * np.expand_dims(x, 0)),
}


@pytest.mark.parametrize("f", STALE.values(), ids=STALE)
@both_faces
def test_a_leaf_written_after_its_use_makes_backward_raise(face, f):
    x = leaf(face, 2.0)
    y = f(x)
    x.data = 100.0
    with pytest.raises(StaleError, match="overwritten"):
        y.backward()
    assert x.grad is None
    f(x).backward()
    assert x.grad is not None


@pytest.mark.parametrize("f", VIEWS.values(), ids=VIEWS)
def test_a_leaf_written_under_a_view_makes_backward_raise(f):
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = f(x)
    x._data[...] = -1.0  # as an optimiser does
    graph.mark_written([x])
    with pytest.raises(StaleError, match="overwritten"):
        y.backward()
    assert x.grad is None


@both_faces
def test_writing_a_leaf_whose_value_no_rule_reads_is_harmless(face):
    x, y = leaf(face, 2.0), leaf(face, 3.0)
    z = x + 2 * y
    x.data = 100.0
    z.backward()
    assert (x.grad, y.grad) == (1.0, 2.0)


@both_faces
def test_the_data_of_a_result_cannot_be_set(face):
    y = leaf(face, 2.0) * 3
    with pytest.raises(AutogradError, match="result of an operation"):
        y.data = 1.0


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
@both_faces
def test_deep_graphs_are_copied_without_recursion(face, clone):
    x = leaf(face, 1.5)
    y = x
    for _ in range(20_000):
        y = -y
    twin = clone(y * x)
    (y * x).backward()
    twin.backward()
    copied = [n for n in graph.topological([twin]) if n.op is None]
    assert len(copied) == 1
    assert copied[0] is not x
    assert copied[0].grad == x.grad == 3.0


@both_faces
def test_a_shallow_copy_of_a_leaf_is_a_leaf_of_its_own(face):
    x = leaf(face, 2.0)
    twin = copy.copy(x)
    twin.data = 7.0
    (twin * 3).backward()
    assert (float(x), x.grad, twin.grad) == (2.0, None, 3.0)


@both_faces
def test_a_shallow_copy_of_a_result_stays_connected(face):
    x = leaf(face, 2.0)
    copy.copy(x * 3).backward()
    assert x.grad == 3.0


def test_a_pickled_structure_keeps_what_is_shared():
    w = Tensor([1.0, 2.0], requires_grad=True, label="w")
    a, b = pickle.loads(pickle.dumps((w, w)))
    assert a is b
    assert a.label == "w"
    assert a.requires_grad
