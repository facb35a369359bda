"""What a recording refuses, and where in the user's code that is."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from autograd_lite import graph, modes
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node

__all__ = ["Refusing"]

_LIBRARY = os.path.dirname(os.__file__)


class Refusing:
    """The part of a tape that says no."""

    start: int
    fixed: list[bool]
    plain: set[Node]
    arguments: dict[Node, int]
    _lines: dict[tuple[str, int], tuple[str, int]]

    def spot(self, x: Node) -> int:
        """Return the number of a node's spot."""
        raise NotImplementedError

    def error(self, what: str, instead: str) -> CompileError:
        """Return the error for what cannot be replayed, with the user's line."""
        return CompileError(f"{self.place()}: {what}\n{instead}")

    def leave(self, node: Any, way: str) -> None:
        """Refuse to turn a live node into a plain object."""
        if not isinstance(node, Node) or self.fixed[self.spot(node)]:
            return
        raise self.error(
            f"{way} of {graph.describe(node)} in a compiled function: the answer would be frozen, and wrong in the "
            "next call.",
            "Choose between values with where(condition, x, y); return the number and look at it outside; or make "
            "the argument that it comes from static (static_argnums).",
        )

    def refuse_write(self, leaves: Sequence[Node]) -> None:
        raise self.error(
            f"{graph.describe(leaves[0])} is written in place, which is not recorded.",
            "Assign to its data (`p.data = ...`), or do it outside of the compiled function.",
        )

    def refuse_inplace(self, node: Node, sign: str) -> None:
        if node in self.arguments and node in self.plain:
            raise self.error(
                f"`x {sign} ...` on an argument writes into the caller's array, which a compiled function cannot do.",
                f"Write `x = x {sign[:-1]} ...`.",
            )

    def refuse_switch(self, node: Node, what: str, always: bool = False) -> None:
        if always or node._epoch < self.start or node in self.arguments:
            raise self.error(
                f"{what} of {graph.describe(node)} in a compiled function would happen in its first call only.",
                "Do it outside of the compiled function.",
            )

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Compute without being recorded."""
        mode = modes.current.get() or modes.Mode()
        token = modes.current.set(mode._replace(tape=None))
        try:
            yield
        finally:
            modes.current.reset(token)

    def line(self) -> tuple[str, int]:
        """Return the user's line that is being run."""
        line = modes.calling_line()
        return self._lines.setdefault(line, line)

    def place(self) -> str:
        """Return the user's line as a text."""
        name, line = modes.calling_line()
        frame: Any = sys._getframe(1)
        while frame is not None and name.startswith(_LIBRARY):  # as in copy.deepcopy(x)
            name, line = frame.f_code.co_filename, frame.f_lineno
            if name.startswith(modes.OWN):
                name = _LIBRARY
            frame = frame.f_back
        return f"{name}:{line}"
