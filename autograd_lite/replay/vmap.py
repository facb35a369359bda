"""`vmap`: a function of one sample made a function of many, by recording it once and applying each op to all lanes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import modes, ops
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node, data_of
from autograd_lite.ops.record import Op
from autograd_lite.replay.calls import Called, Drawn
from autograd_lite.replay.lanes import Lane, aligned, apply, spread
from autograd_lite.replay.program import Instruction
from autograd_lite.replay.tape import Tape
from autograd_lite.taped import decide, draw
from autograd_lite.tensor import Tensor
from autograd_lite.transforms import stop_gradient
from autograd_lite.trees import flatten
from autograd_lite.value import Value

__all__ = ["vmap"]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0) -> Callable[..., Any]:
    """Return a function that applies ``f`` to many samples at once.

    ``f`` is run once, on the first sample, and each operation that it did is then done for all samples together. So a
    function written for `Value` and plain numbers, one sample at a time, runs at array speed. The result can be
    differentiated, compiled and mapped again; and ``f`` may itself compute derivatives.

    Parameters
    ----------
    f : callable
        Of one sample: numbers arrive as Values, arrays as Tensors. It may close over parameters.
    in_axes : int, None, or sequence of them
        Along which axis of each argument the samples lie; None for an argument that all samples share. One entry
        an argument, or one for all. An argument may be a nested list, tuple or dict of arrays.
    out_axes : int
        Along which axis of the results the samples are to lie.

    Returns
    -------
    callable
        Its results are arrays where all arguments are, else Tensors.

    Raises
    ------
    ValueError
        When the arguments disagree on the number of samples, or there are none.
    CompileError
        When ``f`` turns data into Python objects (``float(x)``, ``if x > 0``), writes parameters, or calls
        ``backward()``.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import grad, vmap
    >>> def distance(x, y):
    ...     return (x * x + y * y).sqrt()
    >>> vmap(distance)(np.array([3.0, 5.0]), np.array([4.0, 12.0]))
    array([ 5., 13.])
    >>> vmap(grad(distance), in_axes=(0, None))(np.array([3.0, 0.0]), 4.0)
    array([0.6, 0. ])
    """

    @functools.wraps(f)
    def mapped(*args: Any) -> Any:
        axes = in_axes if isinstance(in_axes, (list, tuple)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"in_axes has {len(axes)} entries for {len(args)} arguments")
        leaves, rebuild = flatten(args)
        places = [axis for x, axis in zip(args, axes, strict=True) for _ in flatten(x)[0]]
        count = _counted(leaves, places)
        sample = _Sample(f, leaves, places, rebuild)
        outer = modes.tape()
        tracked = outer is not None or any(isinstance(x, Node) for x in leaves)
        results = [_moved(y, out_axes) for y in _Replay(sample, leaves, places, count).results()]
        return sample.rebuild([_left(y, tracked) for y in results])

    return mapped


def _counted(leaves: Sequence[Any], places: Sequence[int | None]) -> int:
    """Return how many samples there are."""
    counts: dict[int, int] = {}
    for i, (x, axis) in enumerate(zip(leaves, places, strict=True)):
        if axis is None:
            continue
        shape = np.shape(data_of(x))
        if not -len(shape) <= axis < len(shape):
            raise ValueError(
                f"vmap: argument {i} has shape {shape}, so its samples cannot lie along axis {axis}; "
                "give None in in_axes for what all samples share"
            )
        counts[i] = shape[axis]
    if not counts:
        raise ValueError("vmap: no argument has an axis of samples; in_axes are all None")
    if len(set(counts.values())) > 1:
        raise ValueError(f"vmap: the arguments have different numbers of samples: {list(counts.values())}")
    count = next(iter(counts.values()))
    if not count:
        raise ValueError("vmap: there are no samples, so the function cannot be run to see what it does")
    return count


class _SampleTape(Tape):
    """A tape that also writes down where gradients are cut off, as its program is to be differentiated.

    What changes something outside of the function is refused before it happens: it would happen for one sample only.
    """

    def forward(self, op: Op, operands: Sequence[Any], params: dict[str, Any], node: Any) -> None:
        super().forward(op, operands, params, node)
        if node.op is None and any(isinstance(x, Node) and x.requires_grad for x in operands):
            self._cut(node)

    def data(self, node: Any) -> Any:
        return self._cut(super().data(node))

    def detached(self, node: Any) -> Any:
        return self._cut(super().detached(node))

    def backward(self, root: Any, gradient: Any, create_graph: bool) -> None:
        raise self._refused("calls backward()", "Compute gradients with grad() inside of it.")

    def write(self, node: Any, data: Any) -> None:
        raise self._refused("writes a leaf", "Return the new value instead.")

    def effect(self, run: Callable[..., Any], reads: Sequence[Any], overwrites: Sequence[Any]) -> None:
        raise self._refused("changes something outside of it", "Return what is new, or call eval() first.")

    def _refused(self, what: str, instead: str) -> CompileError:
        return self.error(f"vmap cannot do this for each sample: the function {what}.", instead)

    def _cut(self, node: Any) -> Any:
        number = self.spots[node]
        self.spots[node] = self.new(self.kind(node), self.fixed[number])
        self.write_down(Instruction("call", (number,), (self.spots[node],), run=stop_gradient))
        return node


class _Sample:
    """One run of a function, on the first sample: its program, and the spots of what it returned."""

    def __init__(self, f: Callable[..., Any], leaves: list[Any], places: Sequence[Any], rebuild: Any) -> None:
        tape = _SampleTape(len(leaves))
        inputs = []
        mode = modes.current.get() or modes.Mode()
        outside = modes.current.set(mode._replace(tape=None))
        try:
            firsts = [_first(x, axis) for x, axis in zip(leaves, places, strict=True)]
        finally:
            modes.current.reset(outside)
        for position, (x, first) in enumerate(zip(leaves, firsts, strict=True)):
            if isinstance(first, Node):
                tape.enter(first, position, not isinstance(x, Node))
            inputs.append(first)
        token = modes.current.set(modes.Mode(tape=tape))
        nested = modes.tracing.set(modes.tracing.get() + 1)
        try:
            result = f(*rebuild(inputs))
            outputs, self.rebuild = flatten(result)
            self.outputs = [tape.spot(y) if isinstance(y, Node) else tape.constant(y) for y in outputs]
        finally:
            modes.tracing.reset(nested)
            modes.current.reset(token)
            for leaf, old in tape.before.items():
                leaf.grad = old
        self.program = tape.program


def _first(x: Any, axis: int | None) -> Any:
    """Return the first sample of an argument, as a node of its own; the whole where all samples share it."""
    data = data_of(x)
    if axis is None:
        if isinstance(x, Node) or not isinstance(data, (float, np.ndarray)):
            return x
        return Value(data) if isinstance(data, float) else Tensor.wrap(np.array(data))
    own = np.array(np.take(data, 0, axis=axis))
    if own.dtype == np.float64 and not own.ndim:
        return Value(float(own))
    return Tensor(own, requires_grad=own.dtype.kind == "f")


class _Replay:
    """A program done for all samples: each spot is a value and whether it has lanes."""

    def __init__(self, sample: _Sample, leaves: Sequence[Any], places: Sequence[int | None], count: int) -> None:
        self.count = count
        self.program = sample.program
        self.wanted = sample.outputs
        self.known: dict[int, Lane] = {}
        for number, spot in enumerate(self.program.spots):
            if spot.role == "input":
                x, axis = leaves[spot.source], places[spot.source]
                if axis is not None:
                    x = ops.moveaxis(x, axis, 0) if isinstance(x, Node) else np.moveaxis(np.array(x), axis, 0)
                self.known[number] = Lane(x, spot.shape, axis is not None)
            elif spot.role in ("leaf", "constant"):
                self.known[number] = Lane(spot.source, spot.shape, False)
        with modes.enable_grad() if modes.is_recording() else modes.no_grad():
            for instruction in self.program.instructions:
                self._run(instruction)

    def results(self) -> list[Any]:
        return [spread(self.known[n], self.count) for n in self.wanted]

    def _run(self, instruction: Instruction) -> None:
        lanes = [self.known[n] for n in instruction.reads]
        spots = [self.program.spots[n] for n in instruction.writes]
        many = any(lane.many for lane in lanes)
        if instruction.kind == "forward":
            op: Any = instruction.op
            params = dict(instruction.params)
            if many:
                results = [apply(op, lanes, params, self.count, spots[0].shape)]
            else:
                results = [op(*(lane.value for lane in lanes), **params)]
        elif instruction.kind == "call":
            many = many or isinstance(instruction.run, Drawn)
            results = self._called(instruction, lanes, many)
        else:
            self._decided(instruction.run, lanes)
            return
        for number, spot, result in zip(instruction.writes, spots, results, strict=True):
            self.known[number] = Lane(result, spot.shape, many)

    def _called(self, instruction: Instruction, lanes: list[Lane], many: bool) -> list[Any]:
        run: Any = instruction.run
        several = len(instruction.writes) > 1
        shapes = [self.program.spots[n].shape for n in instruction.writes]
        if run is stop_gradient or run is np.array:
            return [stop_gradient(lanes[0].value)]
        if not many:
            result = self._taped(run, lanes)
            return list(result) if several else [result]
        if isinstance(run, Called) and isinstance(getattr(run.function, "__self__", None), np.ufunc) and not several:
            return [stop_gradient(run(*aligned(lanes, len(shapes[0]))))]
        rows = [self._taped(run, _picked(lanes, i)) for i in range(self.count)]
        return [ops.stack([row[k] for row in rows]) for k in range(len(shapes))] if several else [ops.stack(rows)]

    def _taped(self, run: Any, lanes: Sequence[Lane]) -> Any:
        """Call a function of plain data on one sample, in the sight of a tape that may be recording us."""
        values = [lane.value for lane in lanes]
        tape = modes.tape()
        if isinstance(run, Drawn):
            return draw(run.generator, run.method, *run.args)
        if tape is not None:
            return tape.call(run, tuple(values), {})
        return run(*map(data_of, values))

    def _decided(self, decision: Any, lanes: list[Lane]) -> None:
        """See that all samples go the way of the first, at a question about data: the one effect that is recorded."""
        for i in range(self.count if any(lane.many for lane in lanes) else 1):
            values = [lane.value for lane in _picked(lanes, i)]
            if decide(decision.question, *decision.template.filled(values)[0]) != decision.answer:
                raise CompileError(
                    f"{decision.place}: sample {i} goes another way here than the first one.\n"
                    "Use where(condition, x, y), which computes both."
                )


def _picked(lanes: Sequence[Lane], i: int) -> list[Lane]:
    return [Lane(ops.getitem(x.value, i), x.shape, False) if x.many else x for x in lanes]


def _moved(y: Any, axis: int) -> Any:
    return ops.moveaxis(y, 0, axis) if axis else y


def _left(y: Any, tracked: bool) -> Any:
    """Return a result as an array where no argument was a node and nothing is tracked."""
    if isinstance(y, Node) and (tracked or y.requires_grad):
        return y
    return np.array(data_of(y))
