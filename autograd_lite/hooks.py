"""What few tensors have: hooks on their gradient, and the wish to retain it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.errors import GradientError
from autograd_lite.graph import Node

__all__ = ["Extras", "Handle"]


class Extras:
    """What few tensors have: hooks, and the wish to retain the gradient."""

    __slots__ = ("hooks", "retain")

    def __init__(self) -> None:
        self.hooks: list[Callable[[Any], Any]] = []
        self.retain = False

    def seen(self, node: Any, gradient: Any, recorded: bool) -> Any:
        """Show the complete gradient to the hooks and return what they make of it."""
        for hook in tuple(self.hooks):
            shown = gradient
            if not recorded:
                shown = gradient.view()
                shown.flags.writeable = False
            answer = hook(shown)
            if answer is None or answer is shown:
                continue
            if not isinstance(answer, Node):
                answer = np.array(answer)
            if np.shape(answer) != node.shape or answer.dtype != node.dtype:
                raise GradientError(
                    f"a hook returned a gradient of shape {np.shape(answer)}, {answer.dtype}, "
                    f"for {graph.describe(node)}; shape and dtype must stay."
                )
            gradient = answer if recorded else graph.data_of(answer)
        return gradient


class Handle:
    """Removes a hook."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
