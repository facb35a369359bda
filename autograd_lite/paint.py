"""Colours for terminals, and none for anything else."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import IO

__all__ = ["PLAIN", "Paint"]


@dataclass(frozen=True)
class Paint:
    """Colours, or none."""

    on: bool = False

    @classmethod
    def for_stream(cls, stream: IO[str] | None = None) -> Paint:
        """Return colours for a terminal, none for anything else."""
        stream = stream or sys.stdout
        on = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        if on and os.name == "nt":
            os.system("")  # switches the console of Windows to escape sequences
        return cls(on)

    def green(self, text: str) -> str:
        """Return a text that says that something is right."""
        return self._code("32", text)

    def red(self, text: str) -> str:
        """Return a text that says that something is wrong."""
        return self._code("31", text)

    def bold(self, text: str) -> str:
        """Return a text that stands out."""
        return self._code("1", text)

    def dim(self, text: str) -> str:
        """Return a text that stands back."""
        return self._code("2", text)

    def _code(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text


PLAIN = Paint()
