"""Ops made by users: custom rules, and checkpoints, which trade time for memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph, ops, passes
from autograd_lite.errors import AutogradError, GradientError
from autograd_lite.graph import Node
from autograd_lite.modes import enable_grad, is_recording, tape
from autograd_lite.ops.record import Op
from autograd_lite.seeding import default_generator
from autograd_lite.tensor import Tensor
from autograd_lite.trees import flatten
from autograd_lite.value import Value

__all__ = ["checkpoint", "custom_op"]


def custom_op(
    forward: Callable[..., Any],
    vjp: Callable[..., Any] | Sequence[Callable[..., Any] | None],
    jvp: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
) -> Callable[..., Any]:
    """Make a differentiable function out of a forward function and its gradient rules.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **params)`` returns an array; the keyword arguments are not differentiated.
    vjp : callable or sequence of callable
        One rule an operand: ``rule(g, y, *operands, **params)`` returns the gradient of that operand from the
        gradient ``g`` of the result ``y``, in the operand's shape and dtype. None for an operand that has none.
        Written in NumPy functions and operators, the rules are differentiable again.
    jvp : callable, optional
        ``jvp(tangents, y, *operands, **params)``, a tangent being None where it is zero.
        Without it forward mode is derived from the rules.
    name : str, optional
        For pictures and errors; by default the name of ``forward``.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import custom_op, grad
    >>> cube = custom_op(lambda x: x ** 3, lambda g, y, x: 3 * g * x ** 2, name="cube")
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (12.0, 12.0)
    """
    rules = (vjp,) if callable(vjp) else tuple(vjp)
    title = name or forward.__name__
    op = Op(title, title, title, _guarded(forward), tuple(_safe(r, title) for r in rules), jvp)

    @functools.wraps(forward)
    def function(*operands: Any, **params: Any) -> Any:
        if len(operands) != len(rules):
            raise TypeError(f"{title} has {len(rules)} gradient rules, but was called with {len(operands)} operands")
        result = op(*operands, **params)
        scalars = not any(isinstance(x, (Tensor, np.ndarray)) for x in operands)
        return _as_value(result) if scalars and isinstance(result, Tensor) and result.ndim == 0 else result

    function.op = op  # type: ignore[attr-defined]
    return function


def _guarded(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a user's forward function so that it can neither write into its operands nor give one of them back."""

    def wrapped(*operands: Any, **params: Any) -> Any:
        y = forward(*map(_shown, operands), **params)
        return np.array(y) if isinstance(y, np.ndarray) and y.base is not None else y

    return wrapped


def _safe(rule: Callable[..., Any] | None, title: str) -> Any:
    """Wrap a user's rule so that it can neither write into the engine's arrays nor keep hold of one."""
    if rule is None:
        return None

    def wrapped(g: Any, y: Any, *operands: Any, **params: Any) -> Any:
        share = rule(_shown(g), _shown(y), *map(_shown, operands), **params)
        if share is None:
            raise GradientError(f"a gradient rule of {title!r} returned None; return an array of the operand's shape.")
        return share if isinstance(share, Node) else np.array(share)

    return wrapped


def _shown(x: Any) -> Any:
    if type(x) is np.ndarray:
        x = x.view()
        x.flags.writeable = False
    return x


def _as_value(t: Tensor) -> Any:
    return graph.faces.entry(ops.reshape(t, (1,)), 0)


class _Rerun:
    """What a checkpoint keeps instead of its graph: the function, and how to call it again."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.f = f
        self.leaves, self.rebuild = flatten((args, kwargs))
        self.tracked = [i for i, x in enumerate(self.leaves) if isinstance(x, Node) and x.requires_grad]
        self.random_state = default_generator().bit_generator.state

    def run(self, inputs: Sequence[Node]) -> Any:
        leaves = list(self.leaves)
        for i, x in zip(self.tracked, inputs, strict=True):
            leaves[i] = x
        args, kwargs = self.rebuild(leaves)
        with enable_grad():
            result = self.f(*args, **kwargs)
        if not isinstance(result, (Node, np.ndarray, np.generic, float, int)):
            raise AutogradError(f"a checkpointed function must return one Tensor or Value, got {type(result).__name__}")
        return result

    def rerun(self, inputs: Sequence[Node]) -> Node:
        generator = default_generator().bit_generator
        state, generator.state = generator.state, self.random_state
        try:
            again = self.run(inputs)
            return again if isinstance(again, Tensor) else Tensor(again)
        finally:
            generator.state = state


def _input(x: Any) -> Node:
    """Return a fresh node to run a function on: connected to a node, a leaf for what is plain."""
    if isinstance(x, Node):
        return ops.positive(x)  # type: ignore[no-any-return]
    return Tensor(x, requires_grad=True) if isinstance(x, np.ndarray) else Value(x)


def _checkpoint_vjp(g: Any, y: Any, *operands: Any, rerun: _Rerun, captured: list[Node]) -> list[Any]:
    inputs = [_input(x) for x in operands[: len(rerun.tracked)]]
    again = rerun.rerun(inputs)
    if not np.array_equal(again._data, graph.data_of(y), equal_nan=True):
        raise AutogradError(
            "a checkpointed function gave another result when it was run again for its gradient.\n"
            "It must depend on its arguments (and the default generator) alone."
        )
    wanted = [*inputs, *captured]
    found = passes.pull({again: g}, isinstance(g, Node), frozenset(wanted))
    return [found.get(x, np.zeros_like(x._data)) for x in wanted]


_checkpoint = Op("checkpoint", "checkpoint", "f(x)", lambda *x: x, (_checkpoint_vjp,), variadic=True, needs="operands")


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f`` with memory traded for time: its inner results are not kept but computed again for the gradient.

    ``f`` takes nodes (nested containers too), returns one Tensor or Value, and must give the same result when it is
    run again; the default generator is rewound for the second run. What ``f`` closes over gets its gradient too.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as ag
    >>> w = ag.Tensor([0.5, 1.0], requires_grad=True)
    >>> ag.checkpoint(lambda x: np.sum(np.tanh(np.sin(x))))(w).backward()
    >>> bool(np.allclose(w.grad, ag.grad(lambda x: np.sum(np.tanh(np.sin(x))))(w.numpy())))
    True
    """

    @functools.wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not is_recording() or tape() is not None:
            return f(*args, **kwargs)
        rerun = _Rerun(f, args, kwargs)
        given = [rerun.leaves[i] for i in rerun.tracked]
        inputs = [_input(x) for x in given]
        result = rerun.run(inputs)
        if not (isinstance(result, Node) and result.requires_grad):
            return result
        order = graph.topological([result], frozenset(inputs))
        captured = [n for n in order if n.op is None]
        operands = (*given, *captured)
        params = {"rerun": rerun, "captured": captured}
        node = Tensor.node(
            np.array(result._data),
            _checkpoint,
            operands,
            params,
            range(len(operands)),
            [graph.data_of(x) for x in operands],
        )
        return node if result.is_array else _as_value(node)

    return function
