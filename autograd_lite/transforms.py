"""Transforms: functions that take a function and return one that computes its derivatives.

All of them rest on `_trace`, which runs the function once on fresh nodes, and on the two passes of `graph`.
A transform used inside another records what it computes, so any order of derivative comes by nesting. So does one of
a function that closes over tracked nodes: its results depend on them, and are nodes (plain ones under ``no_grad``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph, ops, passes
from autograd_lite.errors import GradientError
from autograd_lite.graph import Node, data_of
from autograd_lite.modes import enable_grad, is_recording, tape, tracing
from autograd_lite.tensor import Tensor
from autograd_lite.trees import flatten
from autograd_lite.value import Value

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp"]


class _Trace:
    """One run of a function on fresh nodes: its inputs, its outputs, and the graph between them."""

    def __init__(self, f: Callable[..., Any], primals: Sequence[Any]) -> None:
        self.primals, self.rebuild = flatten(tuple(primals))
        self.inputs = [_entered(x) for x in self.primals]
        graph.mark_written(())  # leaves made from here on are constants of the function's own
        start = graph.writes.count
        token = tracing.set(tracing.get() + 1)
        try:
            with enable_grad():
                self.result = f(*self.rebuild(self.inputs))
        finally:
            tracing.reset(token)
        self.outputs, self.rebuild_outputs = flatten(self.result)
        self.traced = self.outer = any(map(_tracked, self.primals))
        inputs = frozenset(self.inputs)
        self.order = graph.topological([y for y in self.outputs if _tracked(y)], inputs)
        outer = (n for n in self.order if n.op is None and n._epoch < start and n not in inputs)
        self.open = is_recording() and any(map(_tracked, outer))
        self.nested = tracing.get() > 0

    def pull(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return the gradient of each input."""
        if len(cotangents) != len(self.outputs):
            raise GradientError(f"one cotangent for each of {len(self.outputs)} results, got {len(cotangents)}")
        seeds: dict[Node, Any] = {}
        self._joined(cotangents)
        with enable_grad():
            for y, c in zip(self.outputs, cotangents, strict=True):
                if _tracked(y):
                    c = _like(c, y, "cotangent", self.recorded)
                    seeds[y] = seeds[y] + c if y in seeds else c
            found = passes.pull(seeds, self.recorded, frozenset(self.inputs), self.order)
        gradients = [self.left(found.get(x), x, primal) for x, primal in zip(self.inputs, self.primals, strict=True)]
        if (recorder := tape()) is not None:
            recorder.whole.update(g for g in gradients if isinstance(g, Node))
        return gradients

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Return the tangent of each output."""
        self._joined(tangents)
        recorded = self.recorded or tape() is not None
        seeds = {x: _like(t, x, "tangent", recorded) for x, t in zip(self.inputs, tangents, strict=True)}
        with enable_grad():
            found = passes.push(self.order, seeds, recorded)
        like = next((p for p in self.primals if isinstance(p, Node)), 0.0)
        return [
            _scalar(self.left(found.get(y), y, like)) if isinstance(y, Node) else np.zeros_like(y)[()]
            for y in self.outputs
        ]

    def _joined(self, directions: Sequence[Any]) -> None:
        """Record this pass, and not the next one too, if a direction is itself being traced."""
        self.outer = self.traced or any(map(_tracked, directions))
        self.recorded = self.outer or self.open or self.nested

    def left(self, x: Any, shaped: Node, primal: Any) -> Any:
        """Return a derivative as its receiver expects it: plain for plain input, a node for a node."""
        if x is None:
            x = np.zeros_like(shaped._data) if shaped.is_array else 0.0
        tracked = _tracked(x) and (self.outer or self.open)
        if not (isinstance(primal, Node) or tracked or (isinstance(x, Node) and tape() is not None)):
            x = data_of(x)
            if isinstance(x, np.ndarray):
                return np.array(x)
            return float(x) if isinstance(x, np.generic) else x
        if isinstance(x, Node):
            x = x if tracked or not _tracked(x) else stop_gradient(x)
            recorder = tape()
            if tracked or recorder is None or not isinstance(primal, Node) or primal in recorder.plain:
                return x
            return recorder.live(x._data, recorder.spot(x), x.is_array, plain=False)
        node = Tensor(x) if shaped.is_array else Value(x)
        if (recorder := tape()) is not None:
            recorder.like(node, primal)
        return node

    def values(self) -> Any:
        """Return the function's result, plain where the inputs were plain."""
        like = next((p for p in self.primals if isinstance(p, Node)), 0.0)
        left = [_scalar(self.left(y, y, like)) if isinstance(y, Node) else y for y in self.outputs]
        return self.rebuild_outputs(left)


def _scalar(y: Any) -> Any:
    """Return a result as NumPy would: a number instead of an array without axes."""
    if isinstance(y, Node) and (recorder := tape()) is not None:
        recorder.whole.discard(y)
    return y[()] if isinstance(y, np.ndarray) else y


def _tracked(x: Any) -> bool:
    if not (isinstance(x, Node) and x.requires_grad):
        return False
    recorder = tape()
    return recorder is None or x.is_array or not recorder.is_plain(x)  # a float that compile() made a Value


def _entered(x: Any) -> Node:
    """Return a fresh node for an input: a leaf, or an identity on top of a node that is being traced already."""
    if _tracked(x):
        return ops.positive(x)  # type: ignore[no-any-return]
    if isinstance(x, bool) or np.asarray(data_of(x)).dtype.kind not in "fiu":
        raise TypeError(f"cannot differentiate with respect to a {type(x).__name__}; pass floats or arrays of floats")
    node: Any
    if isinstance(x, Tensor) or np.ndim(x) > 0 or isinstance(x, np.ndarray):
        node = Tensor(x, requires_grad=True)
    else:
        node = x.detach() if isinstance(x, Value) else Value(float(x))
    if (recorder := tape()) is not None:
        recorder.like(node, x)
    return node  # type: ignore[no-any-return]


def _like(x: Any, node: Node, what: str, recorded: bool) -> Any:
    """Check a tangent or cotangent against the node that it belongs to."""
    if np.shape(data_of(x)) != node.shape:  # type: ignore[attr-defined]
        raise GradientError(f"the {what} has shape {np.shape(data_of(x))}, its value has {node.shape}")  # type: ignore[attr-defined]
    recorder = tape()
    if isinstance(x, Node):
        if recorded or recorder is not None:
            return x if x.is_array == node.is_array else Tensor(x) if node.is_array else ops.reshape(x, (1,))[0]
        x = data_of(x)
    if not recorded:
        return np.array(x, dtype=node._data.dtype) if node.is_array else float(x)
    made = Tensor.wrap(np.array(x, dtype=node._data.dtype)) if node.is_array else Value(float(x))
    if recorder is not None:
        recorder.neutral(made)
    return made


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return ``f(*primals)`` and the function that pulls a gradient of the result back to the primals.

    Parameters
    ----------
    f : callable
        Of floats, arrays, or nested lists, tuples and dicts of them; it is run on nodes.
    *primals : float, ndarray, Value, Tensor or nested container
        Where to differentiate.

    Returns
    -------
    result
        ``f(*primals)``; plain numbers and arrays for plain ones.
    pull : callable
        ``pull(gradient)`` returns a tuple with one gradient a primal.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import vjp
    >>> y, pull = vjp(lambda x, s: s * np.sin(x), np.array([0.0, 1.0]), 2.0)
    >>> pull(np.array([1.0, 0.0]))
    (array([2., 0.]), 0.0)
    """
    trace = _Trace(f, primals)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        return trace.rebuild(trace.pull(flatten(cotangent)[0]))  # type: ignore[no-any-return]

    return trace.values(), pull


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return ``f(*primals)`` and its directional derivative along the tangents.

    Parameters
    ----------
    f : callable
    primals, tangents : sequence
        One tangent a primal, of the primal's shape.

    Examples
    --------
    >>> from autograd_lite import jvp
    >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (12.0, 4.0)
    """
    trace = _Trace(f, primals)
    flat = flatten(tuple(tangents))[0]
    if len(flat) != len(trace.inputs):
        raise GradientError(f"jvp needs one tangent for each of {len(trace.inputs)} primals, got {len(flat)}")
    return trace.values(), trace.rebuild_outputs(trace.push(flat))


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes ``f`` and its gradient.

    Parameters
    ----------
    f : callable
        Must return one number (and, with ``has_aux``, something else that is passed through).
    argnums : int or sequence of int
        The positional arguments to differentiate with respect to.
    has_aux : bool
        Whether ``f`` returns ``(number, aux)``; the function then returns ``((number, aux), gradient)``.

    Examples
    --------
    >>> from autograd_lite import value_and_grad
    >>> value_and_grad(lambda x: x ** 2)(3.0)
    (9.0, 6.0)
    """

    def function(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        aux: list[Any] = []

        def of_chosen(*primals: Any) -> Any:
            merged = list(args)
            for i, x in zip(chosen, primals, strict=True):
                merged[i] = x
            result = f(*merged, **kwargs)
            if has_aux:
                result, extra = result
                aux.append(extra)
            return result

        trace = _Trace(of_chosen, [args[i] for i in chosen])
        if len(trace.outputs) != 1 or np.size(data_of(trace.outputs[0])) != 1:
            got = [np.shape(data_of(y)) for y in trace.outputs]
            raise GradientError(
                f"grad needs a function that returns one number, this one returned {len(got)} of shape "
                f"{', '.join(map(str, got))}.\nReduce it (np.sum, np.mean), or use jacobian."
            )
        gradients = trace.rebuild(trace.pull([np.ones(np.shape(data_of(trace.outputs[0])))]))
        value = (trace.values(), aux[0]) if has_aux else trace.values()
        return value, gradients[0] if isinstance(argnums, int) else gradients

    return function


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that computes the gradient of ``f``; see `value_and_grad` for the arguments.

    Examples
    --------
    >>> from autograd_lite import grad
    >>> grad(grad(lambda x: x ** 3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    def function(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return function


def jacobian(f: Callable[..., Any], argnums: int = 0, mode: str = "auto") -> Callable[..., Any]:
    """Return a function that computes all partial derivatives: an array of shape ``result.shape + argument.shape``.

    Parameters
    ----------
    f : callable
    argnums : int
        The positional argument to differentiate with respect to; containers give containers.
    mode : {"auto", "forward", "reverse"}
        One pass an entry of the argument, or one an entry of the result; by default whichever are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import jacobian
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ValueError(f"mode must be 'auto', 'forward' or 'reverse', got {mode!r}")

    def function(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(lambda x: f(*args[:argnums], x, *args[argnums + 1 :], **kwargs), (args[argnums],))
        ins = [x._data for x in trace.inputs]
        outs = [data_of(y) for y in trace.outputs]
        reverse = mode == "reverse" or (mode == "auto" and sum(map(np.size, outs)) <= sum(map(np.size, ins)))
        rows = [trace.pull(e) for e in _basis(outs)] if reverse else [trace.push(e) for e in _basis(ins)]
        blocks = []
        for i, y in enumerate(outs):
            of_y = []
            for j, x in enumerate(ins):
                if reverse:
                    start = sum(np.size(o) for o in outs[:i])
                    of_y.append(_block([r[j] for r in rows[start : start + np.size(y)]], np.shape(y) + np.shape(x)))
                else:
                    start = sum(np.size(o) for o in ins[:j])
                    columns = [r[i] for r in rows[start : start + np.size(x)]]
                    of_y.append(_block(columns, np.shape(y) + np.shape(x), last=True))
            blocks.append(trace.rebuild(of_y)[0])
        return trace.rebuild_outputs(blocks)

    return function


def _basis(arrays: list[Any]) -> Any:
    for i, x in enumerate(arrays):
        for k in range(np.size(x)):
            unit = [np.zeros(np.shape(a)) for a in arrays]
            unit[i].flat[k] = 1.0
            yield unit


def _block(parts: list[Any], shape: tuple[int, ...], last: bool = False) -> Any:
    if not shape:
        return parts[0]
    if not parts:
        return np.zeros(shape)
    stack = ops.stack if any(isinstance(p, Node) for p in parts) else np.stack
    return ops.reshape(stack(parts, axis=-1 if last else 0), shape)


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return a function that computes the second derivatives of a number, of shape ``x.shape + x.shape``.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import hessian
    >>> hessian(lambda x: x[0] * x[1])(np.array([2.0, 3.0]))
    array([[0., 1.],
           [1., 0.]])
    """
    return jacobian(grad(f, argnums), argnums, mode="forward")


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the product of the Hessian of a number with the tangents, without forming the Hessian.

    Returns one array for a single primal, a tuple for several.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import hvp
    >>> hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    array([6., 0.])
    """
    gradient = grad(f, 0 if len(primals) == 1 else tuple(range(len(primals))))
    return jvp(gradient, primals, tangents)[1]


def stop_gradient(x: Any) -> Any:
    """Return ``x`` with its gradient cut off: a detached node for a node, anything else as it is."""
    return x.detach() if isinstance(x, Node) else x  # type: ignore[attr-defined]
