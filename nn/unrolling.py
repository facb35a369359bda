"""Unrolling: a network of arrays as the same network of single numbers, every one a Value.

The network is computed once on Tensors, and the graph that this leaves is computed again, op by op, on object arrays of
Values: elementwise ops entry by entry from the op table, others by their own NumPy code, which runs on objects too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from autograd_lite import NoRuleError, Tensor, Value, enable_grad, graph, modes
from autograd_lite.graph import Node
from autograd_lite.ops.record import TABLE, Op
from autograd_lite.ops.window import Window
from nn.module import Module

__all__ = ["Unrolled", "unroll"]

Objects = np.ndarray[Any, Any]
_ABOUT = 1e-9  # how far numbers may differ from the Tensor network's: rounding in another order, no more


class Unrolled:
    """A module on Values; made by `unroll`.

    Called with what the module takes, as numbers or as (object arrays of) Values, it gives an object array of Values
    wherever the module gives a Tensor, or a Value for a single number.
    """

    def __init__(self, module: Module) -> None:
        self._module = copy.deepcopy(module)
        self._values = {name: _values_of(p._data, name) for name, p in self._module.named_parameters()}

    def named_parameters(self) -> Iterator[tuple[str, Objects]]:
        """Yield the parameters with the paths that they have in the module: object arrays of Values."""
        yield from self._values.items()

    def parameters(self) -> list[Value]:
        """Return the Values of all parameters, for an optimiser or for pictures."""
        return [value for values in self._values.values() for value in values.flat]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters():
            p.grad = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        known: dict[Node, Objects] = {}
        for name, p in self._module.named_parameters():
            p._data[...] = _numbers(self._values[name])
            known[p] = self._values[name]
        graph.mark_written(known)
        given = [_tensors(x, known) for x in args]
        with enable_grad():
            output = self._module(*given, **{key: _tensors(x, known) for key, x in kwargs.items()})
        return _mapped(output, lambda y: _unrolled(y, known))

    def __repr__(self) -> str:
        return f"Unrolled({self._module!r})"


def unroll(model: Module) -> Unrolled:
    """Return the same network on Values: one node a number, to be looked at, drawn, and differentiated one by one.

    Parameters
    ----------
    model : Module
        It is copied, in the mode in which it is.

    Returns
    -------
    Unrolled
        A callable with ``parameters()``, ``named_parameters()`` and ``zero_grad()``. Its outputs and gradients are
        those of the model, up to rounding.

    Raises
    ------
    NoRuleError
        When called, for an op that has no scalar form (a matrix inverse, say).

    Examples
    --------
    >>> import nn
    >>> model = nn.Linear(2, 1)
    >>> nn.init.constant_(model.weight, 3.0)
    Parameter([[3., 3.]], requires_grad=True)
    >>> scalar = unroll(model)
    >>> y = scalar([[1.0, 2.0]])
    >>> y[0, 0].backward()
    >>> [p.grad for p in scalar.parameters()]
    [1.0, 2.0, 1.0]
    """
    return Unrolled(model)


def _values_of(array: Any, name: str) -> Objects:
    values = np.empty(np.shape(array), dtype=object)
    for place in np.ndindex(values.shape):
        values[place] = Value(float(array[place]), label=f"{name}{list(place)}" if place else name)
    return values


def _numbers(objects: Any) -> np.ndarray[Any, Any]:
    return np.array([graph.data_of(x) for x in np.ravel(objects)], dtype=np.float64).reshape(np.shape(objects))


def _tensors(x: Any, known: dict[Node, Objects]) -> Any:
    """Return an argument with Tensors in the place of arrays, and take note of those that stand for Values."""
    if isinstance(x, (tuple, dict)):
        return _mapped(x, lambda part: _tensors(part, known))
    if isinstance(x, Tensor) or not isinstance(x, (float, list, np.ndarray, Value)):
        return x
    objects = np.array(x, dtype=object)
    if not any(isinstance(entry, Node) for entry in objects.flat):
        return Tensor(x)
    tensor = Tensor(_numbers(objects), requires_grad=True)
    known[tensor] = objects
    return tensor


def _mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(tree, tuple):
        return tuple(_mapped(part, function) for part in tree)
    if isinstance(tree, dict):
        return {key: _mapped(part, function) for key, part in tree.items()}
    return function(tree)


def _unrolled(output: Any, known: dict[Node, Objects]) -> Any:
    if not isinstance(output, Node):
        return output
    for node in graph.topological([output], stop=known):
        if node not in known:
            known[node] = _computed(node, known)
    objects = known.get(output, output._data)
    return objects.item() if np.ndim(objects) == 0 else objects


def _computed(node: Node, known: Mapping[Node, Objects]) -> Objects:
    """Compute the op of a node on object arrays; make sure that the numbers are those of the node."""
    op = node.op
    if op is None:
        raise NoRuleError(
            f"{graph.describe(node)} is no parameter of the module, and its gradient would be lost.\n"
            "Pass arrays, or object arrays of Values, and make what is trained an nn.Parameter."
        )
    operands = [known.get(x, graph.data_of(x)) if isinstance(x, Node) else x for x in node.operands]
    tracing = modes.tracing.set(1)  # so that code which asks a Value for its float, and loses the gradient, fails
    try:
        made = np.empty(node._data.shape if node.is_array else (), dtype=object)
        made[...] = _scalar_form(op)(*operands, **node.params)
        agrees = np.allclose(_numbers(made), node._data, rtol=_ABOUT, atol=_ABOUT, equal_nan=True)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise NoRuleError(f"{op.name!r} has no scalar form: {type(error).__name__}: {error}") from None
    finally:
        modes.tracing.reset(tracing)
    if not agrees:
        raise NoRuleError(f"{op.name!r} has no scalar form: on single numbers its code computes something else")
    return made


def _scalar_form(op: Op) -> Callable[..., Any]:
    if op.is_elementwise:
        return np.frompyfunc(op, len(op.rules), 1)
    return _FORMS.get(op.name, op.forward)


def _selection(name: str) -> Callable[..., Any]:
    """Return the scalar form of a maximum: each entry a weighted sum of those that tie for it, nearly always one."""
    op = TABLE[name]
    rule: Any = op.rules[0]

    def form(x: Objects, **params: Any) -> Objects:
        numbers = _numbers(x)
        y = np.asarray(op.forward(numbers, **params))
        made = np.empty(y.shape, dtype=object)
        for place in np.ndindex(y.shape):
            g = np.zeros(y.shape)
            g[place] = 1.0
            weights = rule(g, y, numbers, **params)
            tied = np.nonzero(weights)
            made[place] = sum(w * v for w, v in zip(weights[tied].tolist(), x[tied], strict=True))
        return made

    return form


def _each_summed(name: str) -> Callable[..., Any]:
    each = np.frompyfunc(TABLE[name.removesuffix("_loss") + "_each"], 2, 1)

    def form(x: Any, t: Any, reduction: str) -> Any:
        losses = np.ravel(each(x, t))
        return sum(losses) / len(losses) if reduction == "mean" else sum(losses)

    return form


def _exponentials(x: Objects, axis: Any) -> tuple[Any, Any]:
    """Return the numbers of the maxima, and the exponentials of what is above them."""
    top = np.max(_numbers(x), axis=axis, keepdims=True)
    return top, np.frompyfunc(TABLE["exp"], 1, 1)(x - top)


def _logsumexp(x: Objects, axis: Any, keepdims: bool) -> Any:
    top, exponentials = _exponentials(x, axis)
    y = np.frompyfunc(TABLE["log"], 1, 1)(np.sum(exponentials, axis=axis, keepdims=True)) + top
    return y if keepdims else np.reshape(y, np.sum(top, axis=axis).shape)


def _softmax(x: Objects, axis: Any) -> Any:
    exponentials = _exponentials(x, axis)[1]
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)


def _convolution(x: Any, w: Any, b: Any = None, *, window: Window, groups: int) -> Objects:
    image = window.padded(np.asarray(x, dtype=object))
    total: Any = 0.0
    for i, j, part in window.entries():
        met = np.split(image[part], groups, axis=1)
        shares = (np.tensordot(w_, x_, axes=(1, 1)) for w_, x_ in zip(np.split(w[..., i, j], groups), met, strict=True))
        total = total + np.concatenate(list(shares))
    y: Objects = np.moveaxis(np.asarray(total), 0, 1)
    return y if b is None else y + np.reshape(b, (-1, 1, 1))


def _transposed_convolution(g: Any, w: Any, *, window: Window, groups: int) -> Objects:
    parts = np.split(np.asarray(g, dtype=object), groups, axis=1)
    image = window.blank(np.empty((len(g), groups * w.shape[1], 1, 1), dtype=object), object)
    for i, j, part in window.entries():
        filters = np.split(w[..., i, j], groups)
        shares = (np.tensordot(w_, g_, axes=(0, 1)) for w_, g_ in zip(filters, parts, strict=True))
        image[part] += np.moveaxis(np.concatenate(list(shares)), 0, 1)
    inside: Objects = image[window.inside]
    return inside


def _refused(*operands: Any, **params: Any) -> Any:
    raise NotImplementedError("it is the derivative of a convolution")


def _from_values(*values: Any, shape: tuple[int, ...]) -> Objects:
    objects = np.empty(len(values), dtype=object)
    objects[:] = [np.asarray(value, dtype=object).item() for value in values]
    return objects.reshape(shape)


_FORMS: dict[str, Callable[..., Any]] = {
    **{name: _selection(name) for name in ("max", "min", "max_pool")},
    **{name: _each_summed(name) for name in ("bce", "bce_with_logits", "l1_loss", "mse_loss")},
    "astype": lambda x, dtype: x,
    "conv": _convolution,
    "conv_bias": _convolution,
    "conv_input": _transposed_convolution,
    "conv_weight": _refused,
    "from_values": _from_values,
    "logsumexp": _logsumexp,
    "log_softmax": lambda x, axis: x - _logsumexp(x, axis, True),
    "softmax": _softmax,
}
