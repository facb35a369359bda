"""What must hold of every op of the derivative table, as plain functions of a record.

Both the tests and the mutation script call them; a check returns nothing or raises AssertionError.
"""

from __future__ import annotations

import functools
import math
import pickle
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor, Value, gradcheck, jvp, ops, vjp
from autograd_lite.check.numeric import slope
from autograd_lite.check.sample import Sample, draw, samples
from autograd_lite.graph import data_of
from autograd_lite.ops import Op
from tests.references import REFERENCES

__all__ = ["CHECKS", "DATA_OPERANDS", "check_op"]

# Operands that are data: they have no rule, and what calls the record refuses them or never makes a node of them.
DATA_OPERANDS = {
    ("where", 0): "the condition",
    ("entry", 1): "the position",
    ("window_sum", 1): "the weights of the window",
    ("window_spread", 1): "the weights of the window",
    ("cross_entropy", 1): "the labels",
    ("cross_entropy", 2): "the class weights",
    ("soft_cross_entropy", 2): "the class weights",
    ("nll_loss", 1): "the labels",
    ("nll_loss", 2): "the class weights",
    ("gather", 1): "the places",
    ("spread", 1): "the places",
}


def leaf(x: Any) -> Any:
    """Return a tracked node for a float or an array."""
    return Value(x) if isinstance(x, float) else Tensor(x, requires_grad=True)


def _is_float_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _weights(y: Any, seed: int = 1) -> Any:
    """Return random normal numbers of the shape and dtype of a result."""
    array = np.asarray(data_of(y))
    return np.asarray(np.random.default_rng(seed).standard_normal(array.shape), dtype=array.dtype)


def _close(got: Any, wanted: Any, rtol: float, atol: float, what: str) -> None:
    got, wanted = np.asarray(data_of(got)), np.asarray(data_of(wanted))
    assert got.shape == wanted.shape, f"{what}: shape {got.shape}, expected {wanted.shape}"
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=atol, err_msg=what)


# The record itself.


def check_complete(op: Op) -> None:
    """A record has a name, symbol, formula, what the tests need, a rule an operand, and survives pickling."""
    assert op.name.isidentifier(), f"{op.name!r} is no identifier"
    assert op.symbol, f"{op.name} has no symbol"
    assert op.formula, f"{op.name} has no formula"
    assert "\n" not in op.formula, f"the formula of {op.name} has more than one line"
    assert ops.TABLE[op.name] is op
    assert pickle.loads(pickle.dumps(op)) is op
    assert op.needs in ("operands", "output", "both", "nothing"), f"{op.name} needs {op.needs!r}"
    if op.is_elementwise:
        assert len(op.domain) == len(op.rules), f"{op.name} lacks a domain for an operand"
        assert all(low < high for low, high in op.domain), f"{op.name} has an empty domain"
        assert len(op.float_rules) == len(op.rules), f"{op.name} is not bound to floats"
    else:
        assert op.cases, f"{op.name} has no cases"
        for rule in op.rules:
            assert rule is None or callable(rule), f"a vjp of {op.name} is no function"
        if not (op.linear or op.multilinear):
            assert op.jvp is not None, f"{op.name} is not linear and has no jvp"
    for i, rule in enumerate(op.rules):
        if rule is None:
            assert (op.name, i) in DATA_OPERANDS, f"{op.name} has no rule for operand {i}"


def check_needs(op: Op) -> None:
    """A rule reads no more than ``needs`` says: what it may not read can be NaN."""
    for sample in samples(op):
        if not sample.active:
            continue
        y = sample.value
        if y.dtype.kind != "f":
            continue
        g = _weights(y)
        hidden = [
            np.full_like(x, np.nan) if op.needs in ("output", "nothing") and _is_float_array(x) else x
            for x in sample.operands
        ]
        hidden_y = np.full_like(y, np.nan) if op.needs in ("operands", "nothing") else y
        for i in range(1) if op.variadic else sample.active:
            rule = op.rules[i]
            if not callable(rule):
                continue
            with np.errstate(all="ignore"):
                if op.is_elementwise:
                    got, wanted = rule(hidden_y, *hidden), rule(y, *sample.operands)
                else:
                    got = rule(g, hidden_y, *hidden, **sample.params)
                    wanted = rule(g, y, *sample.operands, **sample.params)
            same = np.array_equal(_comparable(got), _comparable(wanted), equal_nan=False)
            assert same, f"rule {i} of {op.name} reads more than its {op.needs}"


def _comparable(share: Any) -> Any:
    if isinstance(share, (list, tuple)) and not hasattr(share, "_fields"):
        return np.concatenate([np.ravel(s) for s in share])
    return share.value if hasattr(share, "_fields") else share


# Values.


def check_value(op: Op) -> None:
    """The value is what the formula, or an independent reference, computes, and NumPy's function of that name."""
    for sample in samples(op):
        got = sample.value
        _close(got, reference(sample), 1e-9, 1e-11, f"{op.name}: value")
        if op.is_elementwise and hasattr(np, op.name):
            _close(got, getattr(np, op.name)(*sample.operands), 1e-14, 0, f"{op.name}: value against np.{op.name}")
        recorded = sample(*map(leaf, sample.primals))
        _close(recorded, got, 0, 0, f"{op.name}: recorded value")


def reference(sample: Sample) -> Any:
    """Compute a call by the op's formula, or by its entry among the references."""
    op, operands = sample.op, sample.operands
    if op.name in REFERENCES:
        return REFERENCES[op.name](*operands, **sample.params)
    formula = op.formula.replace("[x, ...]", "[*operands]").replace("x, ...", "*operands")
    scope: dict[str, Any] = {"np": np, "math": math, "operands": operands, **sample.params}
    scope.update(zip("xyz", operands, strict=False))
    scope["i"] = operands[-1]
    if op.is_elementwise and any(np.size(x) == 0 for x in operands):
        return np.zeros(np.broadcast_shapes(*map(np.shape, operands)))  # np.vectorize refuses empty arrays
    with np.errstate(all="ignore"):
        return eval(formula, scope)


def check_purity(op: Op) -> None:
    """Neither the forward nor the backward pass changes an operand or the incoming gradient."""
    for sample in samples(op):
        operands = [np.array(x) for x in sample.operands]
        y, pull = vjp(sample, *sample.primals) if sample.active else (sample(), None)
        g = _weights(y)
        kept = g.copy()
        if pull is not None:
            pull(g)
        for before, after in zip(operands, sample.operands, strict=True):
            np.testing.assert_array_equal(before, after, err_msg=f"{op.name} changed an operand")
        np.testing.assert_array_equal(g, kept, err_msg=f"{op.name} changed the incoming gradient")


# Derivatives.


def check_first(op: Op) -> None:
    """Reverse-mode gradients agree with numeric ones: each entry of small operands, random directions of others."""
    for k, sample in enumerate(samples(op)):
        if sample.is_differentiable:
            _passed(gradcheck(sample, *sample.primals, seed=k, max_entries=6), sample)


def check_second(op: Op) -> None:
    """Gradients of gradients agree with numeric ones along random directions."""
    for k, sample in enumerate(samples(op, seed=2)):
        if sample.is_differentiable:
            _passed(gradcheck(sample, *sample.primals, order=2, seed=k, max_entries=0), sample)


def _passed(report: Any, sample: Sample) -> None:
    shapes = [np.shape(x) for x in sample.operands]
    assert report.ok, f"{sample.op.name} at shapes {shapes}, {sample.params}:\n{report}"
    assert set(report.method_counts) <= {"complex-step", "ridders"}, f"{sample.op.name}: {report}"


def check_forward_mode(op: Op) -> None:
    """The jvp agrees with numeric slopes, and with the vjp: ``<u, J t> = <J' u, t>``; recorded or not."""
    for sample in samples(op, seed=3):
        primals = sample.primals
        if not sample.is_differentiable:
            continue
        tangents = [_weights(x, seed=5 + i) for i, x in enumerate(primals)]
        y, pushed = jvp(sample, primals, tangents)
        assert np.shape(pushed) == np.shape(y), f"{op.name}: a tangent of shape {np.shape(pushed)} for {np.shape(y)}"
        if np.asarray(y).dtype != np.float64:
            continue  # too coarse for what follows
        u = _weights(y)
        _, pull = vjp(sample, *primals)
        across = sum(float(np.sum(g * t)) for g, t in zip(pull(u), tangents, strict=True))
        _close(np.sum(u * pushed), across, 1e-10, 1e-11, f"{op.name}: jvp against vjp")
        for i, t in enumerate(tangents):
            alone = [t if j == i else np.zeros_like(p) for j, p in enumerate(primals)]
            numbers = slope(functools.partial(_moved, sample, alone))
            got = np.ravel(jvp(sample, primals, alone)[1])
            allowed = 1e-9 * np.abs(numbers.value) + 1e-11 + 8 * numbers.error
            assert np.all(np.abs(got - numbers.value) <= allowed), f"{op.name}: jvp {got}, numeric {numbers.value}"
        nodes = [leaf(x) for x in primals]
        recorded = jvp(sample, nodes, tangents)[1]
        _close(recorded, pushed, 1e-12, 1e-13, f"{op.name}: recorded jvp")


def _moved(sample: Sample, tangents: list[Any], step: Any) -> Any:
    """Return the result, flat, after a step along the tangents; operands that stay where they are stay real."""
    moved = [x + step * t if np.any(t) else x for x, t in zip(sample.primals, tangents, strict=True)]
    y = np.ravel(data_of(sample(*(Tensor.wrap(np.array(x)) for x in moved))))
    return y.astype(np.result_type(y.dtype, np.float64))


def check_float32(op: Op) -> None:
    """Single precision in, single precision out: values, tangents, first and second gradients."""
    if op.name in ("astype", "from_values"):
        return
    for wide in samples(op, seed=4):
        sample = wide.cast(np.float32)
        y = sample.value
        if not sample.active or y.dtype.kind != "f":
            continue
        assert y.dtype == np.float32, f"{op.name} computes {y.dtype} from float32"
        _close(y, wide.value, 2e-4, 2e-5, f"{op.name}: value in single precision")
        nodes = [Tensor(x, requires_grad=True) for x in sample.primals]
        u = _weights(y)
        first = vjp(sample, *nodes)[1](u)
        exact = vjp(wide, *wide.primals)[1](u.astype(np.float64))
        for g, wanted in zip(first, exact, strict=True):
            assert g.dtype == np.float32, f"{op.name} has a gradient of {g.dtype} for float32"
            _close(g, wanted, 2e-3, 2e-4, f"{op.name}: gradient in single precision")
        gradients = functools.partial(_gradients, sample, u)
        second = vjp(gradients, *sample.primals)[1](tuple(map(_weights, first)))
        assert all(g.dtype == np.float32 for g in second), f"{op.name} has second gradients {[g.dtype for g in second]}"
        tangent = jvp(sample, sample.primals, [_weights(x) for x in sample.primals])[1]
        assert np.asarray(tangent).dtype == np.float32, f"{op.name} has a tangent of {np.asarray(tangent).dtype}"


def _gradients(sample: Sample, upstream: Any, *primals: Any) -> Any:
    return vjp(sample, *primals)[1](upstream)


def check_faces(op: Op) -> None:
    """A Value and a 0-d Tensor agree: in the value, the gradients, the tangents and the second gradients."""
    if not op.is_elementwise:
        return
    rng = np.random.default_rng(zlib.crc32(op.name.encode()))
    conditions = [i for i, rule in enumerate(op.rules) if rule is None]
    for _ in range(6):
        point = [float(draw(op, i, (), rng)) for i in range(len(op.rules))]
        compare_faces(op, point, conditions)


def compare_faces(op: Op, point: list[float], conditions: list[int], rtol: float = 1e-13) -> None:
    """Compare a Value with a 0-d Tensor at one point."""
    chosen = [i for i in range(len(point)) if i not in conditions]

    def function(*active: Any) -> Any:
        operands: list[Any] = list(point)
        for i, x in zip(chosen, active, strict=True):
            operands[i] = x
        return op(*operands)

    def gradients(*active: Any) -> Any:
        return vjp(function, *active)[1](0.75)

    floats = [point[i] for i in chosen]
    arrays = [np.array(point[i]) for i in chosen]
    ones = [1.0 + 0.5 * i for i in range(len(chosen))]
    what = f"{op.name} at {point}: Value against Tensor"
    as_value, as_tensor = function(*map(Value, floats)), function(*(Tensor(a, requires_grad=True) for a in arrays))
    assert type(as_value) is Value, f"{op.name} of Values gives {type(as_value).__name__}"
    assert type(as_value.data) is float, f"{op.name} of Values holds {type(as_value.data).__name__}"
    _close(as_value.data, as_tensor.numpy(), rtol, 1e-15, what)
    for g, h in zip(gradients(*floats), gradients(*arrays), strict=True):
        assert type(g) is float, f"{what}: the gradient is a {type(g).__name__}"
        _close(g, h, rtol, 1e-14, f"{what}, gradient")
    with np.errstate(all="ignore"):
        tangent, wanted = jvp(function, floats, ones)[1], jvp(function, arrays, list(map(np.array, ones)))[1]
    _close(tangent, wanted, rtol, 1e-14, f"{what}, jvp")
    leaves = [Value(x) for x in floats]
    function(*leaves).backward(0.75)  # the pass for nothing but Values
    for leaf, h in zip(leaves, gradients(*arrays), strict=True):
        _close(leaf.grad, h, rtol, 1e-14, f"{what}, backward()")
    second = vjp(gradients, *floats)[1](tuple(ones)), vjp(gradients, *arrays)[1](tuple(ones))
    for g, h in zip(*second, strict=True):
        _close(g, h, 1e-11, 1e-12, f"{what}, second gradient")


# Extremes.


def check_stable(op: Op) -> None:
    """Where the result is finite, an elementwise op neither warns nor has a gradient that is not finite."""
    if not op.is_elementwise:
        return
    for x in (-1e4, -800.0, -40.0, -1.0, 1.0, 40.0, 800.0, 1e4):
        others = [(low + high) / 2 for low, high in op.domain[1:]]
        operands = [np.full(2, x), *(np.full(2, v) for v in others)]
        try:
            with np.errstate(all="ignore"):
                y = op.forward(*operands)
        except ValueError:  # refused, with a reason
            continue
        if not np.all(np.isfinite(y)):
            continue
        with warnings.catch_warnings(), np.errstate(divide="warn", over="warn", invalid="warn"):
            warnings.simplefilter("error")
            nodes = [Tensor(v, requires_grad=True) for v in operands]
            out = op(*nodes)
            if op.rules[0] is not None and not op.singular and out.requires_grad:
                out.backward(np.ones(2))
                for node in nodes:
                    finite = node.grad is None or np.all(np.isfinite(node.grad))
                    assert finite, f"{op.name}: gradient {node.grad} at {x}"
            conditions = [i for i, rule in enumerate(op.rules) if rule is None]
            compare_faces(op, [v[0].item() for v in operands], conditions, 1e-12)


CHECKS: dict[str, Callable[[Op], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_complete,
        check_needs,
        check_value,
        check_purity,
        check_first,
        check_second,
        check_forward_mode,
        check_float32,
        check_faces,
        check_stable,
    )
}


def check_op(name: str) -> None:
    """Run every check on one op, the quick ones first."""
    for check in CHECKS.values():
        check(ops.TABLE[name])
