"""`compile(..., verify=True)`: each call twice, by the function itself and by replay, from the same state."""

from __future__ import annotations

import collections
import functools
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_lite import seeding
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node, data_of
from autograd_lite.replay import run as plain
from autograd_lite.replay.program import Program
from autograd_lite.trees import flatten

__all__ = ["State", "close", "first_difference", "verified"]

_ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, range, slice)
_MISSING = object()


class State:
    """All that can be reached from a function and its arguments, as it is now: to go back to, and to compare.

    Parameters
    ----------
    *roots : object
    """

    def __init__(self, *roots: Any) -> None:
        self._seen: dict[int, Any] = {}
        self._arrays: list[tuple[Any, Any]] = []
        self._attributes: list[tuple[Any, str, Any]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self._generators: list[tuple[Any, Any]] = []
        self._waiting = [*roots, *seeding._default]
        while self._waiting:
            self._visit(self._waiting.pop())

    def restore(self) -> None:
        """Make everything as it was."""
        for array, content in self._arrays:
            if array.flags.writeable:
                array[...] = content
        for owner, name, value in self._attributes:
            if value is _MISSING:
                if hasattr(owner, name):
                    delattr(owner, name)
            elif getattr(owner, name, _MISSING) is not value:
                setattr(owner, name, value)
        for container, content in self._containers:
            if _unchanged(container, content):
                continue
            container.clear()
            if isinstance(container, (dict, set)):
                container.update(content)
            else:
                container.extend(content)
        for cell, content in self._cells:
            if content is not _MISSING:
                cell.cell_contents = content
        for generator, state in self._generators:
            generator.bit_generator.state = state

    def numbers(self) -> list[tuple[str, Any]]:
        """Return copies of all that `_different` compares."""
        found: list[tuple[str, Any]] = []
        for owner, name, _ in self._attributes:
            value = getattr(owner, name, None)
            if name in ("_data", "grad") and isinstance(owner, Node):
                what = "the gradient" if name == "grad" else "the data"
                number = data_of(value)
                found.append((f"{what} of {_called(owner)}", np.array(number) if number is not None else None))
            elif isinstance(value, float):
                found.append((f"{type(owner).__name__}.{name}", value))
            elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
                found.append((f"{type(owner).__name__}.{name}", value.copy()))
        for container, _ in self._containers:
            items = container.items() if isinstance(container, dict) else enumerate(container)
            for key, value in items if not isinstance(container, set) else ():
                if isinstance(value, (int, float, str)):
                    found.append((repr(key), value))
                elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
                    found.append((repr(key), value.copy()))
        found += [("a captured array", array.copy()) for array, _ in self._arrays]
        found += [("a random generator", str(g.bit_generator.state)) for g, _ in self._generators]
        return found

    def _visit(self, x: Any) -> None:
        if isinstance(x, (*_ATOMS, types.ModuleType, types.BuiltinFunctionType)) or id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if isinstance(x, np.ndarray):
            if x.dtype == object:
                self._waiting += list(x.flat)
            elif x.base is None or not isinstance(x.base, np.ndarray):
                self._arrays.append((x, x.copy()))
            else:
                self._arrays.append((x, x.copy()))
                self._waiting.append(x.base)
        elif isinstance(x, Node):
            for name in ("_data", "grad", "requires_grad") if x.is_array else ("_data", "grad"):
                self._hold(x, name)
            self._waiting += x.operands
        elif isinstance(x, np.random.Generator):
            self._generators.append((x, x.bit_generator.state))
        elif isinstance(x, types.FunctionType):
            self._visit_function(x)
        elif isinstance(x, types.MethodType):
            self._waiting += [x.__self__, x.__func__]
        elif isinstance(x, functools.partial):
            self._waiting += [x.func, x.args, x.keywords]
        elif isinstance(x, (dict, list, set, collections.deque)):
            self._containers.append((x, x.copy()))
            self._waiting += [*x.values()] if isinstance(x, dict) else [*x]
        elif isinstance(x, (tuple, frozenset)):
            self._waiting += [*x]
        elif not isinstance(x, type):
            self._visit_object(x)

    def _hold(self, owner: Any, name: str) -> None:
        value = getattr(owner, name, _MISSING)
        self._attributes.append((owner, name, value))
        self._waiting.append(value)

    def _visit_function(self, f: types.FunctionType) -> None:
        for cell in f.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:
                content = _MISSING
            self._cells.append((cell, content))
            self._waiting.append(content)
        top = (f.__module__ or "").partition(".")[0]
        if top in ("autograd_lite", "nn", "numpy") or top in sys.stdlib_module_names:
            return
        for name in f.__code__.co_names:
            if name in f.__globals__:
                self._waiting.append(f.__globals__[name])

    def _visit_object(self, x: Any) -> None:
        module = type(x).__module__.partition(".")[0]
        if module in sys.stdlib_module_names and module != "__main__" and not isinstance(x, types.SimpleNamespace):
            return
        attributes = getattr(x, "__dict__", None)
        if isinstance(attributes, dict):
            self._waiting.append(attributes)
        for base in type(x).__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__"):
                    self._hold(x, name)


def _unchanged(container: Any, content: Any) -> bool:
    if isinstance(container, set):
        return bool(container == content)
    pairs = (x.items() if isinstance(x, dict) else enumerate(x) for x in (container, content))
    return len(container) == len(content) and all(a == b and x is y for (a, x), (b, y) in zip(*pairs, strict=True))


def _called(node: Any) -> str:
    shape = f"Tensor of shape {node._data.shape}" if node.is_array else "Value"
    return f"{node.label!r}" if node.label else f"a {shape}"


def _different(got: Any, wanted: Any) -> str | None:
    """Return which of the results differs, by more than rounding explains, None if none does."""
    for i, (a, b) in enumerate(zip(flatten(got)[0], flatten(wanted)[0], strict=True)):
        if not close(data_of(a), data_of(b)):
            return f"result {i}: {_short(data_of(a))} instead of {_short(data_of(b))}"
    return None


def close(a: Any, b: Any) -> bool:
    """Return whether two numbers, arrays or objects are the same up to rounding."""
    if a is b:
        return True
    if isinstance(a, (np.ndarray, np.generic, float, int)) and isinstance(b, (np.ndarray, np.generic, float, int)):
        x, y = np.asarray(a), np.asarray(b)
        if x.shape != y.shape or x.dtype != y.dtype:
            return False
        if x.dtype.kind not in "fc":
            return bool(np.array_equal(x, y))
        finite = y[np.isfinite(y)]
        scale = float(np.max(np.abs(finite))) if finite.size else 0.0
        about = 1e6 * float(np.finfo(x.dtype).eps)
        return bool(np.allclose(x, y, rtol=about, atol=about * max(scale, 1e-3), equal_nan=True))
    return type(a) is type(b) and bool(a == b)


def first_difference(program: Program, build: Callable[[Program], Any], inputs: Sequence[Any]) -> str:
    """Return the first instruction whose results differ from those of the engine's own calls, in words."""
    steps = []
    for step in program.instructions:
        if step.kind == "effect" or not step.pure:
            break
        steps.append(step)
    spots = [n for step in steps for n in step.writes if n >= 0]
    part = replace(program, instructions=steps, outputs=spots)
    for n, a, b in zip(spots, build(part)(inputs), plain.build(part)(inputs), strict=True):
        if not close(a, b):
            step = next(s for s in steps if n in s.writes)
            name = step.op.name if step.op is not None else getattr(step.run, "name", step.kind)
            return f"the first is the {step.kind} of {name!r} at {step.line[0]}:{step.line[1]}"
    return "no instruction before the first effect does"


def _short(x: Any) -> str:
    return np.array2string(np.asarray(x), threshold=6, precision=8) if isinstance(x, np.ndarray) else repr(x)


def verified(recording: Any, old: Any, state: State, leaves: Sequence[Any], backend: str, build: Any) -> Any:
    """Replay what a fresh recording has just done, from the state before it, and compare.

    Parameters
    ----------
    recording : Recording
        Of this call.
    old : Recording
        What would be replayed.
    state : State
        Before the call.
    leaves : sequence
        The flattened arguments.
    backend : str
    build : callable

    Returns
    -------
    object
        What the replay returned.

    Raises
    ------
    CompileError
        Names what differs first.
    """
    wanted, after = recording.results(), state.numbers()
    state.restore()
    inputs = old.inputs(leaves)
    got = old.replay(list(leaves), backend)
    said = _different(got, wanted)
    if said is None:
        for (name, b), (_, a) in zip(after, state.numbers(), strict=True):
            if not close(a, b):
                said = f"{name}: {_short(a)} instead of {_short(b)}"
                break
    if said is None:
        return got
    state.restore()
    where = first_difference(old.program, lambda part: build(part, backend), inputs)
    raise CompileError(
        f"a replay (backend={backend!r}) differs from the function itself in {said}.\nOf its instructions, {where}."
    )
