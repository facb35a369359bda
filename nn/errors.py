"""The errors of nn: each says what happened, in which layer, and what to write instead."""

from __future__ import annotations

from typing import Any

__all__ = ["ShapeError", "StateDictError"]


class ShapeError(ValueError):
    """A layer or a loss was given an array of the wrong shape.

    Parameters
    ----------
    layer : Module or str
        What refused; a module's place in its model is added on the way out.
    expected, got : str
        In words and numbers.
    fix : str
        What to write instead, most likely.
    """

    def __init__(self, layer: Any, expected: str, got: str, fix: str) -> None:
        super().__init__(layer, expected, got, fix)
        self.layer = layer
        self.place = ""

    def seen_from(self, module: Any) -> None:
        """Note where the layer sits in a module that called it."""
        for path, inner in module.named_modules():
            if inner is self.layer and path:
                self.place = f" (the layer {path!r} of {type(module).__name__})"

    def __str__(self) -> str:
        layer, expected, got, fix = self.args
        name = layer if isinstance(layer, str) else f"{type(layer).__name__}({layer.extra_repr()})"
        return f"{name}{self.place} expected {expected}, got {got}.\n{fix}"


class StateDictError(RuntimeError):
    """A state dict does not fit the module; nothing of it was loaded."""
