"""Ops on drawn shapes and values: broadcasting, axes, indices and extremes that no list of cases thought of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from hypothesis.extra import numpy as hnp

import autograd_lite as ag
from autograd_lite import Tensor, gradcheck, jvp, ops, vjp
from autograd_lite.check.sample import Sample
from tests.strategies import arrays, axes, distinct, elementwise_samples, shapes

_ELEMENTWISE = [op.name for op in ops.TABLE.values() if op.is_elementwise]
_REDUCTIONS = ["sum", "mean", "var", "std", "max", "min", "prod", "logsumexp"]


def _right(f: Any, *primals: Any, seed: int, order: int = 1) -> None:
    report = gradcheck(f, *primals, seed=seed, order=order, max_entries=3)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", _ELEMENTWISE)
@given(data=st.data())
def test_elementwise(name: str, data: Any) -> None:
    sample = data.draw(elementwise_samples(ops.TABLE[name]))
    seed = data.draw(st.integers(0, 9))
    out = sample(*(Tensor(x, requires_grad=True) for x in sample.primals))
    assert out.shape == np.broadcast_shapes(*map(np.shape, sample.operands))
    _right(sample, *sample.primals, seed=seed, order=1 + seed % 2)
    _modes_agree(sample, seed)


def _modes_agree(sample: Sample, seed: int) -> None:
    """Check ``<u, J t> = <J' u, t>``."""
    rng = np.random.default_rng(seed)
    tangents = [rng.standard_normal(np.shape(x)) for x in sample.primals]
    y, pushed = jvp(sample, sample.primals, tangents)
    u = rng.standard_normal(np.shape(y))
    pulled = vjp(sample, *sample.primals)[1](u)
    terms = [np.ravel(g * t) for g, t in zip(pulled, tangents, strict=True)]
    size = sum(float(np.sum(np.abs(t))) for t in terms)
    if np.isfinite(size):
        across = sum(float(np.sum(t)) for t in terms)
        np.testing.assert_allclose(np.sum(u * pushed), across, rtol=1e-9, atol=1e-12 * (1 + size))


@pytest.mark.parametrize("name", _REDUCTIONS)
@given(data=st.data())
def test_reductions(name: str, data: Any) -> None:
    shape = data.draw(shapes(min_side=1))
    a = data.draw(distinct(shape) if name in ("max", "min", "std") else arrays(shape))
    axis, keepdims = data.draw(axes(a.ndim)), data.draw(st.booleans())
    function = getattr(ag, name)
    if name != "logsumexp":
        wanted = getattr(np, name)(a, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(function(a, axis=axis, keepdims=keepdims), wanted, rtol=1e-13, atol=1e-13)
        dispatched = getattr(np, name)(Tensor(a), axis=axis, keepdims=keepdims)
        assert dispatched.shape == wanted.shape
    _right(lambda x: function(x, axis=axis, keepdims=keepdims), a, seed=0, order=2)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "sort", "softmax", "log_softmax", "flip"])
@given(data=st.data())
def test_along_an_axis(name: str, data: Any) -> None:
    shape = data.draw(shapes(min_dims=1, min_side=0))
    a = data.draw(distinct(shape) if name == "sort" else arrays(shape))
    axis = data.draw(st.integers(-a.ndim, a.ndim - 1))
    if hasattr(np, name):
        np.testing.assert_allclose(getattr(ag, name)(a, axis=axis), getattr(np, name)(a, axis=axis), rtol=1e-14)
    if a.shape[axis] or name not in ("softmax", "log_softmax"):
        _right(lambda x: getattr(ag, name)(x, axis=axis), a, seed=1, order=2)


@given(data=st.data())
def test_indexing(data: Any) -> None:
    a = data.draw(arrays(shapes(min_dims=1)))
    index = data.draw(
        hnp.basic_indices(a.shape, allow_newaxis=True)
        | hnp.arrays(np.bool_, a.shape)
        | (hnp.integer_array_indices(a.shape, result_shape=shapes(max_dims=2)) if a.size else st.just(Ellipsis))
    )
    np.testing.assert_array_equal(Tensor(a)[index].numpy(), a[index])
    _right(lambda x: x[index], a, seed=2)
    value = np.random.default_rng(0).standard_normal(np.shape(a[index]))
    _right(lambda x, v: x.at[index].add(v), a, value, seed=3)
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, np.ndarray) and part.dtype.kind == "i" for part in parts):
        _right(lambda x, v: x.at[index].set(v), a, value, seed=4)  # with repeated indices the last of them wins


@given(data=st.data())
def test_matmul(data: Any) -> None:
    drawn = data.draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_side=3, max_dims=2))
    a, b = (data.draw(arrays(shape)) for shape in drawn.input_shapes)
    np.testing.assert_allclose(ag.matmul(a, b), a @ b, rtol=1e-12, atol=1e-13)
    _right(lambda x, y: x @ y, a, b, seed=5)


@given(data=st.data())
def test_einsum(data: Any) -> None:
    sizes = {letter: data.draw(st.integers(1, 3)) for letter in "abc"}
    terms = data.draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    result = "".join(data.draw(st.permutations(used)))[: data.draw(st.integers(0, len(used)))]
    operands = [data.draw(arrays(tuple(sizes[c] for c in term))) for term in terms]
    subscripts = ",".join(terms) + "->" + result
    np.testing.assert_allclose(
        ag.einsum(subscripts, *operands), np.einsum(subscripts, *operands), rtol=1e-12, atol=1e-12, err_msg=subscripts
    )
    _right(lambda *xs: ag.einsum(subscripts, *xs), *operands, seed=6)


@given(data=st.data())
def test_joining(data: Any) -> None:
    shape = list(data.draw(shapes(min_dims=1)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for length in data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)):
        shape[axis] = length
        parts.append(data.draw(arrays(tuple(shape))))
    np.testing.assert_array_equal(ag.concatenate(parts, axis=axis), np.concatenate(parts, axis=axis))
    _right(lambda *xs: ag.concatenate(xs, axis=axis), *parts, seed=7)
    same = [parts[0]] * len(parts)
    _right(lambda *xs: ag.stack(xs, axis=axis), *same, seed=8)


@given(data=st.data())
def test_reshaping(data: Any) -> None:
    a = data.draw(arrays())
    order = data.draw(st.permutations(range(a.ndim)))
    wider = (*data.draw(shapes(max_dims=1)), *a.shape)
    _right(lambda x: ag.transpose(x, order) * ag.transpose(x, order), a, seed=9)
    _right(lambda x: ag.broadcast_to(x, wider), a, seed=10)
    _right(lambda x: ag.reshape(x, (-1,) if a.size else (0,)), a, seed=11)


@given(data=st.data())
def test_where_takes_no_gradient_from_the_branch_not_taken(data: Any) -> None:
    a = data.draw(arrays(low=-2.0, high=2.0))
    x = Tensor(a, requires_grad=True)
    with np.errstate(all="ignore"):
        y = ag.where(a > 0, ag.sqrt(x), 0.0)
    y.backward(np.ones(y.shape))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(x.grad, np.where(a > 0, 0.5 / np.sqrt(a), 0.0), rtol=1e-14)


@given(data=st.data())
def test_composed_programs(data: Any) -> None:
    """A random chain of ops, with every intermediate result used again."""
    unary = ["tanh", "sin", "sigmoid", "softplus", "arctan", "square", "exp", "gelu"]
    names = data.draw(st.lists(st.sampled_from(unary), min_size=1, max_size=5))
    a, b = data.draw(arrays((2, 2), -1.0, 1.0)), data.draw(arrays((2,), -1.0, 1.0))

    def program(x: Any, w: Any) -> Any:
        total = x * w
        for name in names:
            x = ag.tanh(getattr(ag, name)(x) @ x + w)
            total = total + x * total
        return total

    assume(np.all(np.isfinite(a)))
    _right(program, a, b, seed=12, order=2)
