"""Where the mode of the running thread or task is kept (`modes` says what a mode is)."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from autograd_lite.modes import Mode

__all__ = ["current"]

_variable: Final[ContextVar[Any]] = ContextVar("autograd_lite mode", default=None)


class _Current:
    """A context variable that also knows whether it was ever set: until then, hot loops need not look it up."""

    __slots__ = ("used",)
    used: bool

    def __init__(self) -> None:
        self.used = False

    def get(self) -> Mode | None:
        """Return the mode of this context; None stands for the defaults."""
        return _variable.get()  # type: ignore[no-any-return]

    def set(self, mode: Mode | None) -> Token[Any]:
        """Change the mode of this context; `reset` takes what this returns."""
        if mode is not None:
            self.used = True
        return _variable.set(mode)

    def reset(self, token: Token[Any]) -> None:
        """Bring back the mode from before `set`."""
        _variable.reset(token)


current: Final = _Current()
