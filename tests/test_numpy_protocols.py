"""NumPy's functions on Tensors and Values: what is differentiated, what gives plain data, what is refused and how."""

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import AutogradError, NoRuleError, Tensor, Value, ops

RNG = np.random.default_rng(7)


def tracked(*shape):
    return Tensor(RNG.uniform(0.2, 0.8, size=shape), requires_grad=True)


UFUNCS = sorted(
    name for name, op in ops.TABLE.items() if op.is_elementwise and isinstance(getattr(np, name, None), np.ufunc)
)


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("face", [Tensor, Value])
def test_every_ufunc_of_the_table_dispatches_to_it(name, face):
    ufunc, op = getattr(np, name), ops.TABLE[name]
    low, high = op.domain[0]
    numbers = [0.6 * low + 0.4 * high, 0.3 * low + 0.7 * high][: ufunc.nin]
    nodes = [Value(x) if face is Value else Tensor([x, x], requires_grad=True) for x in numbers]
    y = ufunc(*nodes)
    assert type(y) is face
    assert y.op is op
    np.testing.assert_allclose(y.data, ufunc(*[n.data for n in nodes]), rtol=1e-15)
    if ufunc.nin == 2:
        for mixed in ((nodes[0], numbers[1]), (numbers[0], nodes[1])):
            assert ufunc(*mixed).op is op


A, V, M = (lambda: tracked(3, 4)), (lambda: tracked(5)), (lambda: tracked(3, 3))
# A call of each of NumPy's functions that the package differentiates.
CALLS = {
    "sum": (A, lambda t: np.sum(t, axis=(0, -1), keepdims=True)),
    "mean": (A, lambda t: np.mean(t, axis=1)),
    "var": (A, lambda t: np.var(t, axis=0, ddof=1)),
    "std": (A, lambda t: np.std(t, ddof=1)),
    "max": (A, lambda t: np.max(t, axis=-1)),
    "amax": (A, lambda t: np.amax(t, 0)),
    "min": (A, lambda t: np.min(t)),
    "amin": (A, lambda t: np.amin(t)),
    "prod": (A, lambda t: np.prod(t, axis=1)),
    "astype": (A, lambda t: np.astype(t, np.longdouble) if hasattr(np, "astype") else t),
    "cumsum": (A, lambda t: np.cumsum(t, axis=1)),
    "cumprod": (A, lambda t: np.cumprod(t)),
    "diff": (A, lambda t: np.diff(t * t, 2, axis=0, prepend=t[:1], append=1.0)),
    "sort": (A, lambda t: np.sort(t, axis=0)),
    "clip": (A, lambda t: np.clip(t, 0.3, 0.6)),
    "where": (A, lambda t: np.where(t > 0.5, t, 0.0)),
    "sinc": (A, lambda t: np.sinc(t)),
    "abs": (A, lambda t: np.abs(t)),
    "round": (A, lambda t: np.round(t)),
    "reshape": (A, lambda t: np.reshape(t, (2, -1))),
    "ravel": (A, lambda t: np.ravel(t)),
    "transpose": (A, lambda t: np.transpose(t, (1, 0))),
    "permute_dims": (A, lambda t: np.permute_dims(t, (1, 0))),
    "matrix_transpose": (A, lambda t: np.matrix_transpose(t)),
    "swapaxes": (A, lambda t: np.swapaxes(t, 0, 1)),
    "moveaxis": (A, lambda t: np.moveaxis(t, 0, -1)),
    "expand_dims": (A, lambda t: np.expand_dims(t, (0, 2))),
    "squeeze": (lambda: tracked(1, 3, 1), lambda t: np.squeeze(t, axis=0)),
    "broadcast_to": (V, lambda t: np.broadcast_to(t, (2, 5))),
    "broadcast_arrays": (V, lambda t: np.broadcast_arrays(t, np.ones((2, 1)))[0]),
    "concatenate": (A, lambda t: np.concatenate([t, t * 2], axis=1)),
    "concat": (A, lambda t: np.concat([t, np.ones((1, 4))])),
    "stack": (A, lambda t: np.stack([t, np.ones((3, 4))], axis=1)),
    "unstack": (A, lambda t: np.stack(np.unstack(t)[::-1]) if hasattr(np, "unstack") else t),
    "hstack": (A, lambda t: np.hstack([t, t])),
    "vstack": (A, lambda t: np.vstack([t, t])),
    "dstack": (A, lambda t: np.dstack([t, t])),
    "column_stack": (V, lambda t: np.column_stack([t, t])),
    "split": (A, lambda t: np.split(t, 2, axis=1)[1]),
    "array_split": (V, lambda t: np.array_split(t, 3)[0]),
    "atleast_1d": (lambda: tracked(), lambda t: np.atleast_1d(t)),
    "atleast_2d": (V, lambda t: np.atleast_2d(t)),
    "atleast_3d": (A, lambda t: np.atleast_3d(t)),
    "meshgrid": (V, lambda t: np.meshgrid(t, t)[1]),
    "tile": (A, lambda t: np.tile(t, (2, 1))),
    "repeat": (A, lambda t: np.repeat(t, 2, axis=0)),
    "pad": (A, lambda t: np.pad(t, ((1, 0), (0, 2)))),
    "flip": (A, lambda t: np.flip(t, axis=1)),
    "roll": (A, lambda t: np.roll(t, 2, axis=1)),
    "tril": (A, lambda t: np.tril(t, -1)),
    "triu": (A, lambda t: np.triu(t)),
    "diag": (V, lambda t: np.diag(t)),
    "diagonal": (A, lambda t: np.diagonal(t, 1)),
    "trace": (A, lambda t: np.trace(t)),
    "take": (A, lambda t: np.take(t, [0, 0, 2], axis=0)),
    "take_along_axis": (A, lambda t: np.take_along_axis(t, np.zeros((3, 2), int), axis=1)),
    "dot": (M, lambda t: np.dot(t, np.ones(3))),
    "vdot": (V, lambda t: np.vdot(t, np.arange(5.0))),
    "inner": (A, lambda t: np.inner(t, t)),
    "outer": (V, lambda t: np.outer(t, t)),
    "matmul": (A, lambda t: np.matmul(t, t.T)),
    "tensordot": (A, lambda t: np.tensordot(t, t, axes=([0], [0]))),
    "einsum": (A, lambda t: np.einsum("ij,kj->ik", t, t)),
    "kron": (A, lambda t: np.kron(t, np.eye(2))),
    "norm": (A, lambda t: np.linalg.norm(t, axis=1)),
    "inv": (M, lambda t: np.linalg.inv(t + np.eye(3))),
    "det": (M, lambda t: np.linalg.det(t)),
    "slogdet": (M, lambda t: np.linalg.slogdet(t + np.eye(3)).logabsdet),
    "solve": (M, lambda t: np.linalg.solve(t + np.eye(3), np.ones(3))),
    "cholesky": (M, lambda t: np.linalg.cholesky(t @ t.T + np.eye(3))),
    "add.reduce": (A, lambda t: np.add.reduce(t)),
    "multiply.reduce": (A, lambda t: np.multiply.reduce(t, axis=1)),
    "maximum.reduce": (A, lambda t: np.maximum.reduce(t, axis=None)),
    "add.accumulate": (V, lambda t: np.add.accumulate(t)),
    "logaddexp.reduce": (A, lambda t: np.logaddexp.reduce(t, axis=1)),
}


@pytest.mark.parametrize(("make", "f"), CALLS.values(), ids=CALLS)
def test_numpy_functions_are_differentiated(make, f):
    t = make()
    y = f(t)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.numpy(), f(t.numpy()), rtol=1e-13, atol=1e-15)
    assert ag.gradcheck(f, t)


def test_every_numpy_function_with_a_rule_is_called_above():
    data = {"argmax", "argmin", "argsort", "all", "any", "count_nonzero", "zeros_like", "ones_like", "full_like"}
    named = {f.__name__ for f in ops.NUMPY_FUNCTIONS if not isinstance(f, np.ufunc)}
    assert named - data - set(CALLS) <= {"row_stack"}  # an old name of vstack, deprecated


LEFT = {
    "scalar * t": lambda t: np.float64(2.0) * t,
    "0-d * t": lambda t: np.array(2.0) * t,
    "array + t": lambda t: np.ones((2, 3)) + t,
    "array - t": lambda t: np.ones(3) - t,
    "array / t": lambda t: np.ones(3) / t,
    "array ** t": lambda t: np.full(3, 2.0) ** t,
    "array @ t": lambda t: np.ones((2, 3)) @ t,
    "int array * t": lambda t: np.arange(3) * t,
}


@pytest.mark.parametrize("f", LEFT.values(), ids=LEFT)
def test_numpy_on_the_left(f):
    t = tracked(3)
    y = f(t)
    assert type(y) is Tensor
    assert ag.gradcheck(f, t)


PLAIN = {
    "isnan": lambda t: np.isnan(t),
    "isfinite": lambda t: np.isfinite(t),
    "greater": lambda t: np.greater(t, 0.5),
    "equal": lambda t: np.equal(t, t),
    "logical_and": lambda t: np.logical_and(t, t > 0.5),
    "argmax": lambda t: np.argmax(t, axis=0),
    "argsort": lambda t: np.argsort(t),
    "any": lambda t: np.any(t > 0.5),
    "all": lambda t: np.all(t),
    "count_nonzero": lambda t: np.count_nonzero(t),
    "nonzero": lambda t: np.nonzero(t)[0],
    "shape": lambda t: np.shape(t),
    "ndim": lambda t: np.ndim(t),
    "size": lambda t: np.size(t),
    "allclose": lambda t: np.allclose(t, t),
    "array_equal": lambda t: np.array_equal(t, t),
    "result_type": lambda t: np.result_type(t, np.float32),
}


@pytest.mark.parametrize("f", PLAIN.values(), ids=PLAIN)
def test_questions_are_answered_with_plain_data(f):
    t = tracked(2, 3)
    answer = f(t)
    assert not isinstance(answer, Tensor) or not answer.requires_grad
    np.testing.assert_array_equal(ag.graph.data_of(answer), f(t.numpy()))


@pytest.mark.parametrize("f", [np.zeros_like, np.ones_like, lambda t: np.full_like(t, 3.0)])
def test_like_functions_give_untracked_data_of_the_same_shape(f):
    y = f(tracked(2, 3))
    assert np.shape(y) == (2, 3)
    assert not getattr(y, "requires_grad", False)


NO_RULE = {
    "median": lambda t: np.median(t),
    "nansum": lambda t: np.nansum(t),
    "cross": lambda t: np.cross(t, t),
    "fft": lambda t: np.fft.fft(t),
    "interp": lambda t: np.interp(t, [0.0, 1.0], [0.0, 1.0]),
    "histogram": lambda t: np.histogram(t),
    "copyto": lambda t: np.copyto(np.zeros(3), t),
    "put": lambda t: np.put(t, 0, 1.0),
    "savetxt": lambda t: np.savetxt("never-written", t),
    "eigh": lambda t: np.linalg.eigh(np.outer(t, t)),
    "svd": lambda t: np.linalg.svd(np.outer(t, t)),
    "frexp": lambda t: np.frexp(t),
    "spacing": lambda t: np.spacing(t),
    "multiply.outer": lambda t: np.multiply.outer(t, t),
    "add.at": lambda t: np.add.at(np.zeros(3), [0, 1, 2], t),
    "add.reduceat": lambda t: np.add.reduceat(t, [0, 1]),
    "divide.reduce": lambda t: np.divide.reduce(t),
}
REFUSED_ARGUMENTS = {
    "exp(where=)": lambda t: np.exp(t, where=[True, False, True]),
    "add(dtype=)": lambda t: np.add(t, 1.0, dtype=np.float32),
    "sum(dtype=)": lambda t: np.sum(t, dtype=np.float32),
    "sum(where=)": lambda t: np.sum(t, where=[True, False, True]),
    "sum(initial=)": lambda t: np.sum(t, initial=1.0),
    "sum(out=)": lambda t: np.sum(t, out=np.zeros(())),
    "exp(out=)": lambda t: np.exp(t, out=np.zeros(3)),
    "exp(t, buffer)": lambda t: np.exp(t, np.zeros(3)),
    "matmul(out=)": lambda t: np.matmul(t, t, out=np.zeros(())),
    "concatenate(out=)": lambda t: np.concatenate([t, t], out=np.zeros(6)),
    "stack(out=)": lambda t: np.stack([t, t], out=np.zeros((2, 3))),
    "clip(out=)": lambda t: np.clip(t, 0.0, 1.0, out=np.zeros(3)),
    "cumsum(out=)": lambda t: np.cumsum(t, out=np.zeros(3)),
}


@pytest.mark.parametrize("f", NO_RULE.values(), ids=NO_RULE)
def test_a_function_without_a_rule_raises_and_says_what_to_use(f):
    with pytest.raises(NoRuleError, match=r"no gradient rule(?s:.*)detach|no gradient rule(?s:.*)custom_op"):
        f(tracked(3))


@pytest.mark.parametrize("f", REFUSED_ARGUMENTS.values(), ids=REFUSED_ARGUMENTS)
def test_an_argument_that_the_rule_does_not_know_is_refused_not_ignored(f):
    with pytest.raises(NoRuleError, match=r"np\."):
        f(tracked(3))


def test_near_names_are_suggested():
    with pytest.raises(NoRuleError, match=r"Near names that have one: .*sum"):
        np.nansum(tracked(3))


@pytest.mark.parametrize("node", [lambda: tracked(3), lambda: Value(2.0)], ids=["Tensor", "Value"])
@pytest.mark.parametrize("statement", ["a += t", "a -= t", "a *= t", "a /= t", "a **= t"])
def test_an_ndarray_is_not_written_in_place(statement, node):
    a = np.ones(3)
    with pytest.raises(NoRuleError, match="cannot write a tracked result"):
        exec(statement, {"a": a, "t": node()})
    assert a.tolist() == [1.0, 1.0, 1.0]


DETACHING = {
    "np.asarray": lambda t: np.asarray(t),
    "np.array": lambda t: np.array(t),
    "np.array of a list": lambda t: np.array([t, t]),
    "np.float64": lambda t: np.float64(t),
    "array[:] =": lambda t: np.zeros(3).__setitem__(slice(None), t),
    "array.dot": lambda t: np.eye(3).dot(t),
    "np.ascontiguousarray": lambda t: np.ascontiguousarray(t),
    "np.linspace": lambda t: np.linspace(0.0, t, 5),
}


@pytest.mark.parametrize("f", DETACHING.values(), ids=DETACHING)
def test_what_would_cut_the_gradient_off_raises(f):
    with pytest.raises(AutogradError, match=r"detach\(\)"):
        f(tracked(3))


def test_an_untracked_tensor_is_an_array_to_numpy():
    t = Tensor([1.0, 2.0])
    assert np.asarray(t).tolist() == [1.0, 2.0]
    assert np.array(t, dtype=np.float32).dtype == np.float32
    assert np.array(t, copy=True).flags.writeable
    assert np.eye(2).dot(t).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(t)[0] = 5.0


@pytest.mark.parametrize("node", [lambda: tracked(3), lambda: Value(2.0)], ids=["Tensor", "Value"])
@pytest.mark.parametrize("f", [lambda m, x: m * x, lambda m, x: x + m, lambda m, x: np.ma.multiply(m, x)], ids=range(3))
def test_masked_arrays_are_refused_on_either_side(f, node):
    with pytest.raises(TypeError, match="masked array"):
        f(np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), node())


def test_nodes_of_both_kinds_and_numbers_mix_in_one_call():
    t, v = tracked(2), Value(0.5)
    y = np.concatenate([t, np.stack([v, 2.0]), [3.0]])
    np.sum(y * np.arange(1.0, 6.0)).backward()
    assert t.grad.tolist() == [1.0, 2.0]
    assert v.grad == 3.0


def test_the_same_tensor_twice_in_one_call():
    t = tracked(3, 3)
    for f in (lambda t: t @ t, lambda t: np.concatenate([t, t]), lambda t: np.einsum("ij,jk,ki->", t, t, t)):
        assert ag.gradcheck(f, t)
