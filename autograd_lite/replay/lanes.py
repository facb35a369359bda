"""How each op applies to many samples at once: by the same op with one more axis, in front.

A sample's operand that differs from sample to sample arrives here with its samples along a first axis, the *lanes*;
one that is the same for all of them arrives as it is. Ops without an entry below are applied sample by sample.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph, ops
from autograd_lite.ops.record import Op

__all__ = ["Lane", "aligned", "apply"]

Shape = tuple[int, ...]


class Lane(NamedTuple):
    """An operand.

    Attributes
    ----------
    value : node, array or number
    shape : tuple of int
        Of one sample.
    many : bool
        Whether ``value`` has an axis of samples in front.
    """

    value: Any
    shape: Shape
    many: bool


class _Call(NamedTuple):
    """An op on lanes: what it is applied to, how many samples there are, and the shape of one sample's result."""

    op: Op
    lanes: Sequence[Lane]
    params: dict[str, Any]
    samples: int
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.lanes[0].shape)

    def on(self, *values: Any, **params: Any) -> Any:
        return self.op(*values, **params)


def apply(op: Op, lanes: Sequence[Lane], params: dict[str, Any], count: int, shape: Shape) -> Any:
    """Return the results of an op for all samples, along a first axis."""
    call = _Call(op, lanes, params, count, shape)
    if op.is_elementwise:
        return op(*aligned(lanes, len(shape)))
    rule = _RULES.get(op.name)
    result = rule(call) if rule is not None else None
    return _one_by_one(call) if result is None else result


def aligned(lanes: Sequence[Lane], ndim: int) -> list[Any]:
    """Return operands that broadcast against each other sample by sample, to results of so many axes."""
    return [_padded(lane, ndim) if lane.many else lane.value for lane in lanes]


def _padded(lane: Lane, ndim: int) -> Any:
    missing = ndim - len(lane.shape)
    if not missing:
        return lane.value
    shape = np.shape(graph.data_of(lane.value))
    return ops.reshape(lane.value, (shape[0], *(1,) * missing, *shape[1:]))


def _one_by_one(call: _Call) -> Any:
    results = []
    for i in range(call.samples):
        own = [ops.getitem(lane.value, i) if lane.many else lane.value for lane in call.lanes]
        results.append(call.on(*own, **call.params))
    return ops.stack(results)


def spread(lane: Lane, count: int) -> Any:
    """Return an operand with its samples along a first axis, though they may all be the same."""
    if lane.many:
        return lane.value
    array = lane.value
    if not (isinstance(array, np.ndarray) or getattr(array, "is_array", False)):
        array = graph.faces.tensor(array)
    return ops.broadcast_to(array, (count, *lane.shape))


def _shifted(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _axes(axis: Any, ndim: int) -> Any:
    if axis is None:
        return tuple(range(1, ndim + 1))
    return tuple(map(_shifted, axis)) if isinstance(axis, tuple) else _shifted(axis)


def _over_axes(call: _Call) -> Any:
    """Sum, softmax and the like: along the same axes, or along all but the lanes."""
    if not call.ndim:
        return None
    return call.on(call.lanes[0].value, **{**call.params, "axis": _axes(call.params["axis"], call.ndim)})


def _same_shape_out(call: _Call) -> Any:
    """Reshape and the like: to the known shape of a sample's result."""
    return ops.reshape(call.lanes[0].value, (call.samples, *call.shape))


def _broadcast(call: _Call) -> Any:
    return ops.broadcast_to(_padded(call.lanes[0], len(call.shape)), (call.samples, *call.shape))


def _transpose(call: _Call) -> Any:
    axes = call.params["axes"]
    order = range(call.ndim)[::-1] if axes is None else [a % call.ndim for a in axes]
    return ops.transpose(call.lanes[0].value, (0, *(a + 1 for a in order)))


def _swapaxes(call: _Call) -> Any:
    return call.on(call.lanes[0].value, **{name: _shifted(axis) for name, axis in call.params.items()})


def _moveaxis(call: _Call) -> Any:
    return call.on(call.lanes[0].value, **{name: _axes(axis, call.ndim) for name, axis in call.params.items()})


def _roll(call: _Call) -> Any:
    return None if call.params["axis"] is None else _over_axes(call)


def _pad(call: _Call) -> Any:
    return call.on(call.lanes[0].value, **{**call.params, "pad_width": ((0, 0), *call.params["pad_width"])})


def _direct(call: _Call) -> Any:
    """What works on the last two axes, whatever comes before them."""
    return call.on(call.lanes[0].value, **call.params) if call.ndim > 1 or call.op.name == "astype" else None


def _getitem(call: _Call) -> Any:
    index = call.params["index"]
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, (np.ndarray, list)) for i in index) and len(index) > 1:
        return None  # NumPy moves the axes of separated arrays to the front
    return ops.getitem(call.lanes[0].value, (slice(None), *index))


def _joined(call: _Call) -> Any:
    return call.on(*(spread(lane, call.samples) for lane in call.lanes), axis=_shifted(call.params["axis"]))


def _from_values(call: _Call) -> Any:
    columns = ops.stack([spread(lane, call.samples) for lane in call.lanes], axis=-1)
    return ops.reshape(columns, (call.samples, *call.shape))


def _entry(call: _Call) -> Any:
    return ops.getitem(call.lanes[0].value, (slice(None), call.lanes[1].value)) if call.lanes[0].many else None


def _matmul(call: _Call) -> Any:
    a, b = call.lanes
    left = Lane(_expanded(a, -2), (1, *a.shape), a.many) if len(a.shape) == 1 else a
    right = Lane(_expanded(b, -1), (*b.shape, 1), b.many) if len(b.shape) == 1 else b
    ndim = max(len(left.shape), len(right.shape))
    return ops.reshape(ops.matmul(*aligned((left, right), ndim)), (call.samples, *call.shape))


def _expanded(lane: Lane, axis: int) -> Any:
    return ops.expand_dims(lane.value, axis)


def _linear(call: _Call) -> Any:
    x, w, *bias = call.lanes
    if not any(lane.many for lane in (w, *bias)):
        return call.on(*(lane.value for lane in call.lanes))
    turned = Lane(ops.swapaxes(w.value, -1, -2), w.shape[::-1], w.many)
    result = Lane(_matmul(call._replace(lanes=(x, turned))), call.shape, True)
    return ops.add(*aligned((result, *bias), len(call.shape))) if bias else result.value


def _einsum(call: _Call) -> Any:
    inputs, arrow, output = call.params["subscripts"].partition("->")
    free = next((c for c in string.ascii_letters if c not in call.params["subscripts"]), None)
    if not arrow or "." in inputs or free is None:
        return None
    terms = [free + t if lane.many else t for t, lane in zip(inputs.split(","), call.lanes, strict=True)]
    return call.on(*(lane.value for lane in call.lanes), subscripts=f"{','.join(terms)}->{free}{output}")


def _loss(entry: Callable[[Any], Any]) -> Callable[[_Call], Any]:
    """Make the rule of a mean or sum over a sample of what is computed entry by entry from a difference."""

    def rule(call: _Call) -> Any:
        shape = np.broadcast_shapes(*(lane.shape for lane in call.lanes))
        entries = entry(ops.subtract(*(_whole(lane, shape, call.samples) for lane in call.lanes)))
        reduce = ops.mean if call.params["reduction"] == "mean" else ops.sum
        return reduce(entries, axis=tuple(range(1, len(shape) + 1))) if shape else entries

    return rule


def _whole(lane: Lane, shape: Shape, count: int) -> Any:
    return ops.broadcast_to(_padded(Lane(spread(lane, count), lane.shape, True), len(shape)), (count, *shape))


def _images(call: _Call) -> Any:
    """Convolutions and pools: samples join the batch that there is already."""
    x, *others = call.lanes
    if not x.many or any(lane.many for lane in others):
        return None
    merged = ops.reshape(x.value, (call.samples * x.shape[0], *x.shape[1:]))
    result = call.on(merged, *(lane.value for lane in others), **call.params)
    return ops.reshape(result, (call.samples, *call.shape))


_RULES: dict[str, Callable[[_Call], Any]] = {
    **dict.fromkeys("sum mean var std max min prod logsumexp norm p_norm".split(), _over_axes),
    **dict.fromkeys("cumsum cumprod sort softmax log_softmax flip".split(), _over_axes),
    **dict.fromkeys("reshape expand_dims squeeze".split(), _same_shape_out),
    **dict.fromkeys("tril triu inv det cholesky astype".split(), _direct),
    **dict.fromkeys("concatenate stack".split(), _joined),
    **dict.fromkeys("linear linear_map".split(), _linear),
    **dict.fromkeys("conv conv_bias max_pool".split(), _images),
    "broadcast_to": _broadcast,
    "transpose": _transpose,
    "swapaxes": _swapaxes,
    "moveaxis": _moveaxis,
    "roll": _roll,
    "pad": _pad,
    "getitem": _getitem,
    "from_values": _from_values,
    "entry": _entry,
    "l1_loss": _loss(ops.absolute),
    "matmul": _matmul,
    "mse_loss": _loss(ops.square),
    "einsum": _einsum,
}
