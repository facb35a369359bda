"""A recorded call: how it is made, what it depends on, and how it is replayed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph, modes, seeding
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node, data_of
from autograd_lite.replay import run as plain
from autograd_lite.replay.comparing import difference, equal
from autograd_lite.replay.guards import Guards
from autograd_lite.replay.program import Program
from autograd_lite.replay.results import Output, Sink, described, finished, given, handed_out
from autograd_lite.replay.tape import Tape
from autograd_lite.trees import flatten

__all__ = ["BACKENDS", "Recording", "built", "record"]

BACKENDS = ("auto", "machine", "numpy", "plain")
_LARGE = 50_000  # instructions: longer programs are dropped when their executor has been made
Executor = Callable[[Sequence[Any]], list[Any]]


class Recording:
    """One recorded call: its program, what it depends on, and where its results go."""

    def __init__(self, tape: Tape, guards: Guards, result: Any, place: str) -> None:
        self.program = tape.program
        self.guards = guards
        self.gradients_in = [tape.arguments.get(x, x) for x in tape.gradients_in]
        self.sinks: list[Sink] = []
        self.outputs: list[Output] = []
        self._tape: Tape | None = tape
        leaves, self.rebuild = flatten(result)
        self.outputs = [self._output(tape, x, place) for x in leaves]
        self._collect_sinks(tape)
        usual = [type(s.leaf) is not int and s.what == "grad" and _is_plain(s.output) for s in self.sinks]
        pairs = list(zip(self.sinks, usual, strict=True))
        self._gradients_out = [(s.leaf, s.output.source) for s, is_usual in pairs if is_usual and s.output is not None]
        self.sinks = [s for s, is_usual in pairs if not is_usual]
        self.held = leaves
        self.confirmed = False
        self.executor: Executor | None = None

    def _output(self, tape: Tape, x: Any, place: str) -> Output:
        if isinstance(x, Node):
            if x in tape.arguments and x not in tape.plain:
                return Output("argument", tape.arguments[x])
            if x in tape.leaves or (x not in tape.spots and x._epoch < tape.start):
                return Output("node", x)
            return self._computed(tape, x)
        if isinstance(x, np.ndarray):
            return Output("static", x.copy())
        if x is None or isinstance(x, (bool, int, float, complex, str, bytes, np.generic, np.dtype, type)):
            return Output("static", x)
        raise CompileError(
            f"{place}: a compiled function cannot return a {type(x).__name__}.\n"
            "Return numbers, arrays, Tensors and Values, in lists, tuples and dicts if there are many."
        )

    def _computed(self, tape: Tape, x: Node) -> Output:
        self.program.outputs.append(tape.spot(x))
        position = len(self.program.outputs) - 1
        if x in tape.plain:
            is_whole = x.is_array and (x._data.ndim > 0 or x in tape.whole)
            return Output("array" if is_whole else "scalar" if x.is_array else "float", position)
        return Output("tensor" if x.is_array else "value", position, x.op is not None and x.requires_grad)

    def _collect_sinks(self, tape: Tape) -> None:
        for leaf, number in tape.dirty.items():
            self.program.outputs.append(number)
            output = Output("array" if leaf.is_array else "float", len(self.program.outputs) - 1)
            self.sinks.append(Sink(tape.arguments.get(leaf, leaf), "data", output))
        for leaf, old in tape.before.items():
            now, target = leaf.grad, tape.arguments.get(leaf, leaf)
            if isinstance(now, Node):
                if tape._entries.get(now) is leaf:
                    leaf.grad = old
                    continue
                output = self._computed(tape, now)
                if output.kind == "scalar":
                    output = output._replace(kind="array")
                self.sinks.append(Sink(target, "grad", output))
            elif now is not None:
                self.sinks.append(Sink(target, "grad", Output("static", now)))
            elif old is not None:
                self.sinks.append(Sink(target, "grad", None))
        for node in (*tape.before, *tape.graded):
            if isinstance(node.grad, Node) and node.grad in tape.spots:
                node.grad = _own(node.grad, node.grad in tape.plain)

    def results(self) -> Any:
        """Return what the recorded call itself returns."""
        tape, self._tape = self._tape, None
        assert tape is not None
        left = []
        for x, output in zip(self.held, self.outputs, strict=True):
            if output.kind in ("static", "node", "argument"):
                left.append(x)
            else:
                data = x._data.copy() if x.is_array else x._data
                left.append(finished(output.kind, data, output.tracked))
        self.held = []
        return self.rebuild(left)

    def inputs(self, leaves: Sequence[Any]) -> list[Any]:
        """Return what the program takes: the data of the arguments, and gradients that are there already."""
        inputs = [x._data if isinstance(x, Node) else x for x in leaves]
        for source in self.gradients_in:
            leaf: Any = leaves[source] if type(source) is int else source
            inputs.append(data_of(leaf.grad))
        return inputs

    def differs_from(self, other: Recording) -> str | None:
        """Return in what another recording of a call of the same kind differs."""
        said = difference(self.program, other.program)
        ours, theirs = ([o.source for o in r.outputs if o.kind == "static"] for r in (self, other))
        if said is None and not equal(ours, theirs):
            return "what the function returned besides numbers"
        return said

    def replay(self, leaves: list[Any], backend: str) -> Any:
        """Run the program on the flattened arguments."""
        if self.executor is None:
            self.executor = built(self.program, backend)
            if self.confirmed and len(self.program.instructions) > _LARGE:
                self.program = Program()
        outputs = self.executor(self.inputs(leaves))
        for leaf, position in self._gradients_out:
            leaf.grad = outputs[position]
        for target, what, output in self.sinks:
            leaf = leaves[target] if type(target) is int else target
            if output is None:
                leaf.grad = None
            elif what == "grad":
                leaf.grad = handed_out(output, leaves, outputs)
            else:
                leaf._data = outputs[output.source]
                graph.mark_written((leaf,))
        return self.rebuild([handed_out(output, leaves, outputs) for output in self.outputs])


def _is_plain(output: Output | None) -> bool:
    return output is not None and output.kind in ("array", "float")


def _own(x: Any, plain: bool) -> Any:
    """Return the gradient of a recorded call: plain data, or a node without a history."""
    data = x._data.copy() if x.is_array else x._data
    if plain:
        return data
    return finished("tensor" if x.is_array else "value", data, x.op is not None and x.requires_grad)


def built(program: Program, backend: str) -> Executor:
    """Return an executor of the kind that was asked for; "auto" takes the fastest that there is."""
    if backend in ("auto", "machine"):
        try:
            from autograd_lite.replay import machine
        except ImportError as error:
            if backend == "machine":
                raise CompileError(f"backend='machine' needs numba: {error}\npip install autograd-lite[jit]") from error
        else:
            return machine.build(program)
    if backend in ("auto", "numpy"):
        from autograd_lite.replay import plan

        return plan.build(program)
    return plain.build(program)


def record(f: Callable[..., Any], args: Any, kwargs: Any, static: Sequence[int] = ()) -> Recording:
    """Run a function on these arguments, with all that it does, and write it down."""
    count = len(args)
    fixed = [i in static or i - count in static for i in range(count)]
    varying = [x for x, is_fixed in zip(args, fixed, strict=True) if not is_fixed]
    tree: list[Any] = []
    described((tuple(varying), kwargs), tree, lambda x: 0)
    leaves, rebuild = flatten((tuple(varying), kwargs))
    guards = Guards(f, *[x for x in leaves if not _varies(x)])
    place = modes.caller()
    tape = Tape(len(tree))
    tape.generators = [*guards.generators, *seeding._default]
    captured = set(guards.nodes)
    for node in guards.nodes:
        tape.meet(node)
    entered = []
    position = 0
    for x in leaves:
        if not _varies(x):
            entered.append(x)
            continue
        node, is_plain = given(x)
        if node in captured:
            raise CompileError(
                f"{place}: {graph.describe(node)} is an argument, and the function also captures it.\n"
                "Leave it to one of the two."
            )
        if node not in tape.arguments:
            tape.enter(node, position, is_plain)
        entered.append(node)
        position += 1
    new_args, new_kwargs = rebuild(entered)
    remaining = iter(new_args)
    all_args = [x if is_fixed else next(remaining) for x, is_fixed in zip(args, fixed, strict=True)]
    random = _random_states(tape)
    mode = modes.current.get() or modes.Mode()
    token = modes.current.set(mode._replace(tape=tape))
    collecting = gc.isenabled()
    gc.disable()  # a long recording makes millions of objects, and no garbage
    try:
        result = f(*all_args, **new_kwargs)
        with tape.aside():
            recording = Recording(tape, guards, result, place)
    except BaseException as error:
        _restore(tape)
        if isinstance(error.__cause__, CompileError):  # NumPy puts an error of its own around it
            raise error.__cause__ from None
        raise
    finally:
        modes.current.reset(token)
        if collecting:
            gc.enable()
    for leaf in tape.leaves:
        guards.add_leaf(leaf)
    _check_random(tape, random, place)
    return recording


def _varies(x: Any) -> bool:
    return isinstance(x, (float, Node, np.floating)) or (isinstance(x, np.ndarray) and x.dtype.kind in "biufc")


def _restore(tape: Tape) -> None:
    """Take what is live off the leaves again after an error."""
    for node in (*tape.before, *tape.graded):
        live = node.grad
        if isinstance(live, Node) and tape._entries.get(live) is node:
            node.grad = tape.before[node]
        elif isinstance(live, Node) and live in tape.spots:
            node.grad = _own(live, live in tape.plain)


def _random_states(tape: Tape) -> Any:
    legacy = sys.modules["numpy.random"].get_state()[1:3] if "numpy.random" in sys.modules else None
    python = sys.modules["random"].getstate() if "random" in sys.modules else None
    return legacy, python, [g.bit_generator.state for g in tape.generators]


def _check_random(tape: Tape, before: Any, place: str) -> None:
    legacy, python, states = _random_states(tape)
    changed = None
    if legacy is not None and before[0] is not None and not _same_legacy(legacy, before[0]):
        changed = "np.random's global functions"
    if python != before[1]:
        changed = "Python's random"
    for g, state, was in zip(tape.generators, states, before[2], strict=False):
        if id(g) not in tape.drawn and state != was:
            changed = "a NumPy generator directly"
    if changed:
        raise CompileError(
            f"{place}: the function draws random numbers from {changed}; a replay would repeat them.\n"
            "Draw them by autograd_lite.taped.draw(generator, 'normal', 0.0, 1.0, shape), or pass them as an argument."
        )


def _same_legacy(a: Any, b: Any) -> bool:
    return bool(a[1] == b[1] and np.array_equal(a[0], b[0]))
