"""What a graph itself does not know: in which call of which module, and on which line, each node was made."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from autograd_lite import modes
from autograd_lite.graph import Node

__all__ = ["shapes_seen", "trace"]

Shape = tuple[int, ...]
_shapes: weakref.WeakKeyDictionary[Any, dict[str, Shape]] = weakref.WeakKeyDictionary()


def shapes_seen(model: Any) -> dict[str, Shape]:
    """Return the output shape of each module of a model, by path, in its last forward under a `trace`."""
    return _shapes.get(model, {})


class trace:  # noqa: N801
    """Watch where nodes are made, for pictures of what is computed in the block. A context manager.

    Outside of such a block nothing is watched and nothing is paid.

    Parameters
    ----------
    model : optional
        Anything with ``named_modules()`` and forward hooks, as an ``nn.Module``: nodes then know the module that made
        them. Its ``named_parameters()`` become labels.

    Examples
    --------
    >>> from autograd_lite import Value
    >>> from autograd_lite.drawing import graph_of, trace
    >>> with trace() as seen:
    ...     with seen.scope("square"):
    ...         y = Value(3.0) ** 2
    >>> graph_of(y, names=seen).nodes[-1].scope
    ('square',)
    """

    def __init__(self, model: Any = None) -> None:
        self._model = model
        self.labels: dict[Node, str] = labels_of(model)
        self.modules: dict[str, str] = {}
        self.places: dict[Node, str] = {}
        self.scopes: dict[Node, tuple[str, ...]] = {}
        self._open: list[tuple[Any, str]] = []  # the frame that runs a call, and the call's name
        self._calls: dict[str, int] = {}
        self._outer: Any = None
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> trace:
        mode = modes.current.get() or modes.Mode()
        self._outer = mode.watch
        token = modes.current.set(mode._replace(watch=self))  # type: ignore[arg-type]
        self._restore.callback(modes.current.reset, token)
        if self._model is not None:
            for path, module in self._model.named_modules():
                if path:
                    self._hook(path, module)
        return self

    def __exit__(self, *_: object) -> None:
        self._open = []
        self._restore.close()

    def _hook(self, path: str, module: Any) -> None:
        self.modules[path] = type(module).__name__

        def enter(module: Any, args: Any) -> None:
            self._drop_abandoned()
            self._open.append((sys._getframe(1), self._named(path)))

        def leave(module: Any, args: Any, output: Any) -> None:
            self._drop_abandoned()
            self._open.pop()
            if isinstance(output, Node):
                _shapes.setdefault(self._model, {})[path] = output._data.shape if output.is_array else ()

        self._restore.callback(module.register_forward_pre_hook(enter).remove)
        self._restore.callback(module.register_forward_hook(leave).remove)

    def _drop_abandoned(self) -> None:
        """Close the calls that an exception has left: those whose frames are not running any more."""
        if self._open:
            running = set()
            frame: Any = sys._getframe(1)
            while frame is not None:
                running.add(frame)
                frame = frame.f_back
            while self._open and self._open[-1][0] not in running:
                self._open.pop()

    def _named(self, path: str) -> str:
        count = self._calls[path] = self._calls.get(path, 0) + 1
        return path if count == 1 else f"{path}#{count}"

    @contextlib.contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put what is computed in a ``with`` block into a group of this name."""
        before = list(self._open)
        self._open = [*before, (sys._getframe(2), self._named(name))]  # beyond contextlib's frame
        try:
            yield
        finally:
            self._open = before

    def forward(self, op: Any, operands: Any, values: Any, result: Any) -> None:
        if self._outer is not None:
            self._outer.forward(op, operands, values, result)

    def made(self, node: Node) -> None:
        self.places[node] = modes.caller()
        self._drop_abandoned()
        if self._open:
            self.scopes[node] = tuple(name for _, name in self._open)
        if self._outer is not None:
            self._outer.made(node)

    def backward(self, node: Any, gradient: Any, shares: Any) -> None:
        if self._outer is not None:
            self._outer.backward(node, gradient, shares)


def labels_of(names: Any) -> dict[Node, str]:
    """Return node -> name, from a model, a trace, or a mapping of names to nodes."""
    if names is None:
        return {}
    if isinstance(names, trace):
        return names.labels
    if hasattr(names, "named_parameters"):
        found = {node: path for path, node in names.named_parameters()}
        return {**{node: path for path, node in names.named_buffers()}, **found}
    if hasattr(names, "items"):
        wrong = [name for name, node in names.items() if not isinstance(node, Node)]
        if not wrong:
            return {node: str(name) for name, node in names.items()}
        raise TypeError(f"names maps names to Values and Tensors; {wrong[0]!r} is something else")
    raise TypeError(f"names is a model, a trace, or a mapping of names to nodes; got {type(names).__name__}")
