"""What a block of code may switch: recording off and on, and the anomaly watch.

The switches live in a context variable, so threads and async tasks never see each other's.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import numpy as np

from autograd_lite.context import current
from autograd_lite.errors import AnomalyError, CompileError

__all__ = ["current", "detect_anomaly", "enable_grad", "is_recording", "no_grad"]

F = TypeVar("F", bound=Callable[..., Any])


class Mode(NamedTuple):
    """The switches of a context; ``None`` in their place stands for the defaults."""

    recording: bool = True
    watch: Watch | None = None
    tape: Any = None  # what `compile` records on, while it does


tracing: ContextVar[int] = ContextVar("autograd_lite nesting of transforms", default=0)


class _Switch(contextlib.ContextDecorator):
    """A context manager and decorator that changes the mode and restores what it found.

    As a decorator on a generator (or coroutine) function it is in force only while the function's own body runs.
    """

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def _changed(self, mode: Mode) -> Mode:
        raise NotImplementedError

    def __enter__(self) -> Any:
        mode = self._changed(current.get() or Mode())
        self._tokens.append(current.set(mode))
        return mode.watch

    def __exit__(self, *_: object) -> None:
        current.reset(self._tokens.pop())

    def __call__(self, func: F) -> F:
        wrapped: Any = _around_call(type(self), func)
        if inspect.isgeneratorfunction(func):
            wrapped = _around_steps(type(self), func)
        elif inspect.isasyncgenfunction(func):
            wrapped = _around_async_steps(type(self), func)
        elif inspect.iscoroutinefunction(func):
            wrapped = _around_await(type(self), func)
        return functools.wraps(func)(wrapped)  # type: ignore[return-value]


def _around_call(switch: type[_Switch], func: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        with switch():
            return func(*args, **kwargs)

    return called


def _around_await(switch: type[_Switch], func: Callable[..., Any]) -> Callable[..., Any]:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with switch():
            return await func(*args, **kwargs)

    return awaited


def _around_steps(switch: type[_Switch], func: Callable[..., Any]) -> Callable[..., Any]:
    def stepped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = func(*args, **kwargs)
        step, sent = generator.send, None
        while True:
            try:
                with switch():
                    item = step(sent)
            except StopIteration as stop:
                return stop.value
            try:
                step, sent = generator.send, (yield item)
            except GeneratorExit:
                with switch():
                    generator.close()
                raise
            except BaseException as error:
                step, sent = generator.throw, error

    return stepped


def _around_async_steps(switch: type[_Switch], func: Callable[..., Any]) -> Callable[..., Any]:
    async def stepped(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = func(*args, **kwargs)
        step, sent = generator.asend, None
        while True:
            try:
                with switch():
                    item = await step(sent)
            except StopAsyncIteration:
                return
            try:
                step, sent = generator.asend, (yield item)
            except GeneratorExit:
                with switch():
                    await generator.aclose()
                raise
            except BaseException as error:
                step, sent = generator.athrow, error

    return stepped


class no_grad(_Switch):  # noqa: N801
    """Compute without recording: results require no gradient. A context manager, and a decorator.

    In force in the current thread or task only. A ``with no_grad():`` inside the body of a generator stays in force
    for the caller while the generator is suspended; decorate the generator function instead.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> with ag.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def _changed(self, mode: Mode) -> Mode:
        return mode._replace(recording=False)


class enable_grad(_Switch):  # noqa: N801
    """Record again within a ``no_grad`` block. A context manager, and a decorator."""

    def _changed(self, mode: Mode) -> Mode:
        return mode._replace(recording=True)


class detect_anomaly(_Switch):  # noqa: N801
    """Stop at the first operation that makes a NaN or an infinity, in the forward or the backward pass.

    Slow: every result is searched, and every call site is remembered. A context manager, and a decorator.

    Raises
    ------
    AnomalyError
        Names the op, the file and line that called it, and its inputs.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> x = ag.Value(0.0)
    >>> with ag.detect_anomaly():
    ...     y = x.sqrt()
    ...     y.backward()
    Traceback (most recent call last):
        ...
    autograd_lite.errors.AnomalyError: the gradient of 'sqrt' is not finite...
    """

    def _changed(self, mode: Mode) -> Mode:
        if mode.tape is not None:
            raise CompileError(
                "detect_anomaly() looks at numbers, which a compiled function cannot do.\n"
                "Put it around the call: a compiled function runs as it is written there."
            )
        return mode._replace(watch=Watch())


def is_recording() -> bool:
    """Return whether operations are being recorded here."""
    mode = current.get()
    return mode is None or mode.recording


def tape() -> Any:
    """Return what `compile` is recording on here, if it is."""
    mode = current.get()
    return None if mode is None else mode.tape


def leave(node: Any, way: str) -> None:
    """Refuse to turn a node into a plain Python object while a function is recorded: it would be frozen there."""
    mode = current.get()
    if mode is not None and mode.tape is not None:
        mode.tape.leave(node, way)


class Watch:
    """The anomaly watch of one ``detect_anomaly`` block: where each node was made."""

    def __init__(self) -> None:
        self._places: dict[Any, str] = {}

    def forward(self, op: Any, operands: Any, values: Any, result: Any) -> None:
        if np.all(np.isfinite(result)):
            return
        if np.any(np.isnan(result)) or all(np.all(np.isfinite(v)) for v in values if _is_float(v)):
            raise AnomalyError(
                f"the result of {op.name!r} is not finite: {_first_bad(result)}\n"
                f"called at {caller()}\nwith inputs {', '.join(_short(v) for v in values)}\n"
                f"Look at the inputs: {op.name} computes {op.formula}."
            )

    def made(self, node: Any) -> None:
        self._places[node] = caller()

    def backward(self, node: Any, gradient: Any, shares: Any) -> None:
        from autograd_lite.graph import Patch, data_of  # the graph imports this module

        if not np.all(np.isfinite(data_of(gradient))):
            return
        for x, share in shares:
            value = share.value if isinstance(share, Patch) else data_of(share)
            if not np.all(np.isfinite(value)):
                raise AnomalyError(
                    f"the gradient of {node.op.name!r} is not finite: {_first_bad(value)}\n"
                    f"the op was called at {self._places.get(node, 'an unknown place (outside this block)')}\n"
                    f"with input {_short(x._data)}, output {_short(node._data)}, "
                    f"incoming gradient {_short(data_of(gradient))}\n"
                    f"Keep its input away from the singular point: {node.op.kinks or node.op.formula}."
                )


def _is_float(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")


def _first_bad(x: Any) -> str:
    array = np.asarray(x)
    bad = np.argwhere(~np.isfinite(array))
    where = f" at index {tuple(int(i) for i in bad[0])}, {len(bad)} of {array.size} entries" if array.ndim else ""
    return f"{array[tuple(bad[0])]}{where}"


def _short(x: Any) -> str:
    if np.ndim(x) == 0:
        return f"{x:.6g}" if isinstance(x, (float, np.generic, np.ndarray)) else repr(x)
    array = np.asarray(x)
    if array.size <= 6:
        return np.array2string(array, precision=6, separator=", ")
    return f"array of shape {array.shape} between {np.nanmin(array):.6g} and {np.nanmax(array):.6g}"


OWN = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name) + os.sep
    for name in ("autograd_lite", "nn")
)


def calling_line() -> tuple[str, int]:
    """Return the file and line of the innermost frame outside of the two packages."""
    return line_of(calling_place())


_foreign: set[str] = set()  # names of files outside


def calling_place() -> Any:
    """Return what `line_of` makes the calling line of: a frame's code and instruction, which cost little to look up."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if name in _foreign:
            return code, frame.f_lasti
        if not name.startswith(OWN):
            _foreign.add(name)
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def line_of(place: Any) -> tuple[str, int]:
    """Return the file and line of what `calling_place` returned."""
    if place is None:
        return "an unknown place", 0
    code, instruction = place
    found = (line for start, end, line in code.co_lines() if start <= instruction < end)
    return code.co_filename, next(found, None) or 0


def caller() -> str:
    """Return ``file:line`` of the innermost frame outside of the two packages."""
    return "{}:{}".format(*calling_line())
