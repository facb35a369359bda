"""From a file to a verdict."""

from __future__ import annotations

from pathlib import Path

from autograd_lite.learn.exercise import Exercise
from autograd_lite.learn.judge import Judge, Verdict
from autograd_lite.learn.sandbox import Limits, Sandbox

__all__ = ["Checker"]

_LONGEST = 200_000  # bytes of a learner's file


class Checker:
    """Checks files; a context manager, because with `spare` it keeps a process waiting for the next check."""

    def __init__(self, limits: Limits | None = None, spare: bool = False) -> None:
        self._sandbox = Sandbox(limits or Limits(), spare)
        self._judges: dict[Exercise, Judge] = {}

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *error: object) -> None:
        self._sandbox.__exit__(*error)

    def check(self, exercise: Exercise, path: Path) -> Verdict:
        """Return the verdict on a file."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return _unreadable(f"There is no file {path.name} here: `learn reset {exercise.key}` brings it back.")
        except OSError as error:
            return _unreadable(f"The file {path} cannot be read: {error.strerror}.")
        if len(data) > _LONGEST:
            return _unreadable(f"The file has {len(data):,} bytes; an answer has less than {_LONGEST:,}.")
        try:
            source = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return _unreadable(f"The file is not text in UTF-8 (byte {error.start}): save it in that encoding.")
        return self.check_text(exercise, source, str(path))

    def check_text(self, exercise: Exercise, source: str, name: str) -> Verdict:
        """Return the verdict on a text; its tracebacks bear that name."""
        judge = self._judges.setdefault(exercise, Judge(exercise))
        return judge.verdict(self._sandbox.run(exercise, source, name))


def _unreadable(text: str) -> Verdict:
    return Verdict("error", trouble=text)
