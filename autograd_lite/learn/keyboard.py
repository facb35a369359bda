"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any

__all__ = ["Keyboard"]


class Keyboard:
    """A context manager; outside of a terminal it has no keys to give, and only waits."""

    def __init__(self) -> None:
        self.present = sys.stdin is not None and sys.stdin.isatty()
        self._settings: Any = None

    def __enter__(self) -> Keyboard:
        if self.present and os.name == "posix":
            import termios
            import tty

            self._settings = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        return self

    def __exit__(self, *error: object) -> None:
        if self._settings is not None:
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._settings)

    def wait(self, seconds: float) -> str:
        """Return the key that is pressed within this time, or nothing; ``"q"`` when the terminal is gone."""
        if not self.present:
            time.sleep(seconds)
            return ""
        if os.name == "posix":
            import select

            if not select.select([sys.stdin], [], [], seconds)[0]:
                return ""
            try:
                return os.read(sys.stdin.fileno(), 1).decode("ascii", "ignore").lower() or "q"
            except OSError:
                return "q"
        return _windows_key(seconds)


def _windows_key(seconds: float) -> str:
    import msvcrt  # only there is it found

    console: Any = msvcrt
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if console.kbhit():
            return str(console.getwch()).lower()
        time.sleep(0.02)
    return ""
