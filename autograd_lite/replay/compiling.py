"""`compile`: a function that is run once for each kind of arguments, and from then on replayed."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import warnings
from collections import OrderedDict
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
from autograd_lite.replay.verifying import State, verified
from autograd_lite.trees import flatten

__all__ = ["Compiled", "compile"]

_KEPT = 32  # kinds of arguments a function
_LARGE = 50_000  # instructions: longer programs are dropped when their executor has been made
_MANY = 50  # recordings, after which a function that is hardly ever replayed is worth a word
_BACKENDS = ("auto", "machine", "numpy", "plain")
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
            if x in tape.leaves or (x not in tape.spots and x._epoch < tape._start):
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
            self.executor = _built(self.program, backend)
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


def _built(program: Program, backend: str) -> Executor:
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


class Compiled:
    """A compiled function; see `compile`."""

    def __init__(self, f: Callable[..., Any], static_argnums: int | Sequence[int], backend: str, verify: bool) -> None:
        if backend not in _BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(map(repr, _BACKENDS))}, got {backend!r}")
        functools.update_wrapper(self, f)
        self._f, self._backend, self._verify = f, backend, verify
        self._static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
        self._recordings: OrderedDict[Any, list[Recording]] = OrderedDict()
        self._objects: dict[int, Any] = {}
        self._lock = threading.RLock()
        self.recordings = self._replays = 0
        self._warned = False

    def _replay_reads(self) -> Any:
        return (self._f,)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def programs(self) -> list[Program]:
        """The programs recorded so far, the one used last in the end; not those too long to be kept."""
        programs = [recording.program for found in self._recordings.values() for recording in found]
        return [program for program in programs if program.spots]

    def explain(self) -> str:
        """Return the programs recorded so far as text: their steps, what is fused, memory and work.

        Examples
        --------
        >>> import numpy as np
        >>> import autograd_lite as ag
        >>> step = ag.compile(lambda x: np.tanh(x * 2.0).sum())
        >>> _ = step(np.ones(3))
        >>> print(step.explain())
        plan of <lambda>: 3 instructions, in 1 steps (1 group)
        ...
        """
        from autograd_lite.replay.plan_text import explained

        name = getattr(self._f, "__name__", "the function")
        return "\n\n".join(explained(program, name) for program in self.programs)

    def cache_clear(self) -> None:
        """Forget all programs."""
        with self._lock:
            self._recordings.clear()
            self._objects.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = modes.current.get()
        if modes.tracing.get() or (mode is not None and (mode.tape is not None or mode.watch is not None)):
            return self._f(*args, **kwargs)
        leaves: list[Any] = []
        key: Any = [described(x, leaves, self._known) for x in args] if not self._static else self._parted(args, leaves)
        if kwargs:
            key.append(described(kwargs, leaves, self._known))
        recording_mode = mode is None or mode.recording
        key = (recording_mode, *key)
        for x in leaves:
            if isinstance(x, Node) and x.op is not None and x.requires_grad and recording_mode:
                return self._f(*args, **kwargs)  # part of a larger graph
        if self._verify:
            return self._verified(args, kwargs, key, leaves)
        found = self._recordings.get(key)
        if found is not None:
            changed: str | None = None
            for recording in found:
                changed = recording.guards.changed()
                if changed is None:
                    if recording.confirmed:
                        self._replays += 1
                        return recording.replay(leaves, self._backend)
                    return self._confirm(recording, args, kwargs, key)
            self._warn_of(changed)
        return self._record(args, kwargs, key).results()

    def _warn_of(self, changed: str | None) -> None:
        """Tell when nearly every call is recorded anew."""
        if self.recordings >= _MANY and self.recordings > self._replays and not self._warned:
            self._warned = True
            warnings.warn(
                f"{getattr(self._f, '__name__', 'a function')} was recorded {self.recordings} times and replayed "
                f"{self._replays} times, as what it reads changes from call to call: {changed}.\n"
                "Pass what changes as an argument (numbers as floats), or do without compile().",
                stacklevel=3,
            )

    def _known(self, x: Any) -> Any:
        self._objects[id(x)] = x
        return "object", id(x)

    def _parted(self, args: Any, leaves: list[Any]) -> list[Any]:
        key: list[Any] = []
        for i, x in enumerate(args):
            static = i in self._static or i - len(args) in self._static
            key.append(_static_key(x, self._known) if static else described(x, leaves, self._known))
        return key

    def _confirm(self, old: Recording, args: Any, kwargs: Any, key: Any) -> Any:
        """Record a second time: what differs now comes from something that the recording cannot know."""
        new = self._record(args, kwargs, key, replaces=old)
        self._refuse_difference(old, new, key)
        new.confirmed = True
        return new.results()

    def _refuse_difference(self, old: Recording, new: Recording, key: Any) -> None:
        said = old.differs_from(new)
        if said is not None:
            self._recordings.pop(key, None)
            raise CompileError(
                f"two calls of {getattr(self._f, '__name__', 'the function')} with arguments of the same kind differ "
                f"in {said}.\nWhat changes has to be an argument, or be computed in the function from arguments by "
                "autograd_lite's or NumPy's functions; random numbers come from autograd_lite.taped.draw."
            )

    def _verified(self, args: Any, kwargs: Any, key: Any, leaves: list[Any]) -> Any:
        """Call the function itself, replay it from the same state, and compare."""
        old = next((r for r in self._recordings.get(key, ()) if r.guards.changed() is None), None)
        state = State(self._f, args, kwargs)
        if old is None:
            old = new = self._record(args, kwargs, key)
        else:
            new = record(self._f, args, kwargs, self._static)
            self._refuse_difference(old, new, key)
        return verified(new, old, state, leaves, self._backend, _built)

    def _record(self, args: Any, kwargs: Any, key: Any, replaces: Recording | None = None) -> Recording:
        with self._lock:
            self.recordings += 1
            recording = record(self._f, args, kwargs, self._static)
            found = self._recordings.setdefault(key, [])
            if replaces in found:
                found.remove(replaces)
            found.insert(0, recording)
            del found[8:]
            self._recordings.move_to_end(key)
            while len(self._recordings) > _KEPT:
                self._recordings.popitem(last=False)
            return recording


def _static_key(x: Any, known: Callable[[Any], Any]) -> Any:
    try:
        hash(x)
    except TypeError:
        if isinstance(x, np.ndarray):
            return x.shape, x.dtype, x.tobytes()
        return known(x)
    return type(x), x


def record(f: Callable[..., Any], args: Any, kwargs: Any, static: Sequence[int] = ()) -> Recording:
    """Run a function on these arguments, with all that it does, and write it down."""
    count = len(args)
    fixed = [i in static or i - count in static for i in range(count)]
    varying = [x for x, is_fixed in zip(args, fixed, strict=True) if not is_fixed]
    tree: list[Any] = []
    described((tuple(varying), kwargs), tree, lambda x: 0)
    leaves, rebuild = _flatten(tuple(varying), kwargs)
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


def _flatten(args: Any, kwargs: Any) -> Any:
    return flatten((args, kwargs))


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


def compile(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    verify: bool = False,
    backend: str = "auto",
) -> Any:
    """Return a function that does what ``f`` does, by recording it once and replaying the recording.

    The first call runs ``f`` as it is and records what the engine computes: the forward pass, ``backward()`` or
    `grad`, writes to parameters, steps of ``nn``'s optimisers, running statistics, random draws. Later calls replay
    that, without running the Python code of ``f``. What ``f`` does besides (printing, appending to a list) happens
    while it is recorded only. Also a decorator.

    Parameters
    ----------
    f : callable
        Of arrays, floats, Tensors, Values, nested lists, tuples and dicts of them, which may differ from call to call;
        of strings, integers, truth values and None, each of which has a recording of its own; and of objects (modules,
        optimisers). It may close over all of these.
    static_argnums : int or sequence of int, optional
        Positional arguments that are passed on as they are, floats and arrays included; each value is recorded.
    verify : bool, optional
        Make each call twice, by ``f`` and by a replay that starts from the same state, and compare all results,
        gradients, parameters and other state: to find out whether ``f`` may be compiled. Slow.
    backend : {"auto", "machine", "numpy", "plain"}, optional
        What replays: machine code (needs numba), NumPy calls on memory of their own, or the very calls of the engine,
        whose results are those of ``f`` bit for bit. The others are the same to 1e-12 or so in float64. "auto" takes
        the first that is there.

    Returns
    -------
    callable
        Its results are of the types that ``f`` returns. They have no history: ``backward()`` of one raises. It has
        ``programs``, a list of what was recorded, and ``cache_clear()``.

    Raises
    ------
    CompileError
        When ``f`` looks at numbers that may differ from call to call (``if x > 0``, ``float(x)``, ``x[x > 0]``),
        draws random numbers that a replay would repeat, or in another way cannot be replayed. Names the line.

    Warns
    -----
    UserWarning
        When nearly every call has to be recorded anew.

    Notes
    -----
    Each set of shapes, dtypes and static arguments is recorded; so is each state of what ``f`` reads elsewhere: its
    closure, the globals and defaults of the functions it calls, the attributes of objects (``training`` of a module),
    whether gradients are there yet. Captured arrays are compared entry by entry before each call, so large ones are
    better arguments. The second call of a kind is recorded too and compared with the first, in order to notice what
    else differs. While an enclosing function is differentiated or recorded, or under `detect_anomaly`, ``f`` itself
    runs.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as ag
    >>> w = ag.Tensor([0.0, 0.0], requires_grad=True)
    >>> @ag.compile
    ... def step(x, t):
    ...     w.zero_grad()
    ...     loss = np.mean((x @ w - t) ** 2)
    ...     loss.backward()
    ...     w.data -= 0.5 * w.grad
    ...     return loss
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> for _ in range(50):
    ...     loss = step(x, np.array([1.0, 2.0]))
    >>> w.numpy().round(6)
    array([1., 2.])
    """
    if f is None:
        return functools.partial(compile, static_argnums=static_argnums, verify=verify, backend=backend)
    return Compiled(f, static_argnums, backend, verify)
