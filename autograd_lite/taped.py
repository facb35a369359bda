"""What is no op and yet has to be replayed: functions without a derivative, random draws, writes, decisions.

Each of these does its work at once. While `compile` records, it also tells the tape, so that a replay does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from autograd_lite import modes
from autograd_lite.graph import Node, data_of

__all__ = ["decide", "draw", "effect", "plainly"]


def plainly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that has no derivative on the data behind nodes.

    Its result is plain data; while a function is recorded, untracked nodes, which stand for the results of replays.
    """
    mode = modes.current.get()
    if mode is not None and mode.tape is not None:
        return mode.tape.call(function, args, kwargs)
    return function(*map(data_of, args), **kwargs)


def draw(generator: Any, method: str, *args: Any) -> Any:
    """Draw random numbers: ``getattr(generator, method)(*args)``, anew in each replay."""
    mode = modes.current.get()
    if mode is not None and mode.tape is not None:
        return mode.tape.draw(generator, method, args)
    return getattr(generator, method)(*args)


def effect(run: Callable[..., Any], reads: Iterable[Any] = (), overwrites: Iterable[Node] = ()) -> None:
    """Call ``run`` with the plain data behind ``reads``, for what it does; each replay calls it again.

    Parameters
    ----------
    run : callable
        Reads whatever else it needs (counters, learning rates) when it is called.
    reads : iterable of array_like
    overwrites : iterable of Node
        The leaves whose data it changes.
    """
    mode = modes.current.get()
    if mode is not None and mode.tape is not None:
        mode.tape.effect(run, tuple(reads), tuple(overwrites))
    else:
        run(*map(data_of, reads))


def decide(question: Callable[..., Any], *args: Any) -> bool:
    """Return whether ``question`` is so of the data behind nodes; a replay in which it is otherwise raises."""
    mode = modes.current.get()
    if mode is not None and mode.tape is not None:
        return mode.tape.decide(question, args)  # type: ignore[no-any-return]
    return bool(question(*map(data_of, args)))
