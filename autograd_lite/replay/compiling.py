"""`compile`: a function that is run once for each kind of arguments, and from then on replayed."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import modes
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node
from autograd_lite.replay import recording as recorded
from autograd_lite.replay.program import Program
from autograd_lite.replay.recording import BACKENDS, Recording, record
from autograd_lite.replay.results import described
from autograd_lite.replay.verifying import State, verified

__all__ = ["Compiled", "compile"]

_KEPT = 32  # kinds of arguments a function
_MANY = 50  # recordings, after which a function that is hardly ever replayed is worth a word


class Compiled:
    """A compiled function; see `compile`."""

    def __init__(self, f: Callable[..., Any], static_argnums: int | Sequence[int], backend: str, verify: bool) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(map(repr, BACKENDS))}, got {backend!r}")
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
        return verified(new, old, state, leaves, self._backend, recorded.built)

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
