"""Running a learner's code in a process of its own, with limits on time, memory and output."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograd_lite.learn.exercise import Exercise

__all__ = ["FORBIDDEN", "PUBLISHED", "Limits", "Outcome", "Sandbox", "seeds_for"]

FORBIDDEN = (
    "autograd_lite", "nn", "autograd", "casadi", "jax", "jaxlib", "keras", "micrograd", "minitorch", "mygrad",
    "tensorflow", "tinygrad", "torch", "xad",
)  # fmt: skip
PUBLISHED = 5  # inputs that are the same for every text
_STARTUP = 30.0  # seconds that a busy machine may need to start Python and NumPy
_SINGLE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}


@dataclass(frozen=True)
class Limits:
    """What a learner's code may use: seconds, bytes of memory, characters of output."""

    seconds: float = 10.0
    memory: int = 2**30
    output: int = 1_000_000
    shown: int = 2_000


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    seen : dict or None
        What the child saw; None when it did not come to its end.
    trouble : str
        Why it did not: ``"time"``, ``"output"``, ``"ended"``; else empty.
    line : int or None
        The learner's line at which the time ran out.
    prints : tuple of str
        The beginning of what the learner's code printed, case by case.
    code : int
        The exit code.
    seeds : tuple of int
        The seeds of the random inputs.
    """

    seen: dict[str, Any] | None
    trouble: str = ""
    line: int | None = None
    prints: tuple[str, ...] = ()
    code: int = 0
    seeds: tuple[int, ...] = ()


def seeds_for(source: str) -> tuple[int, ...]:
    """Return the seeds of the five published inputs, and of two hidden ones that depend on the learner's text alone."""
    hidden = sum(source.encode("utf-8", "replace"))
    return (*range(PUBLISHED), 1000 + hidden % 9973, 20000 + hidden % 7919)


class Sandbox:
    """Runs files; with `spare`, keeps the next process waiting, so that a check need not wait for Python and NumPy.

    Use it as a context manager: leaving it ends the waiting process.
    """

    def __init__(self, limits: Limits = Limits(), spare: bool = False) -> None:
        self._limits, self._keep = limits, spare
        self._spare: _Process | None = _Process() if spare else None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def run(self, exercise: Exercise, source: str, file: str) -> Outcome:
        """Run a learner's text on the cases of an exercise; `file` is the name that its tracebacks bear."""
        limits = replace(self._limits, seconds=exercise.seconds or self._limits.seconds)
        process, self._spare = self._spare or _Process(), None
        try:
            return process.finish(exercise, source, file, limits)
        finally:
            process.close()
            if self._keep:
                self._spare = _Process()


class _Process:
    """A child that has started, in an empty folder, and waits for its job."""

    def __init__(self) -> None:
        self._ended = False
        self._folder = tempfile.TemporaryDirectory(prefix="exercise-", ignore_cleanup_errors=True)
        child = Path(__file__).with_name("child.py")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-B", str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder.name,
            env={**os.environ, **_SINGLE_THREAD, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    def finish(self, exercise: Exercise, source: str, file: str, limits: Limits) -> Outcome:
        """Hand over the job and wait for its end."""
        folder = Path(self._folder.name)
        result, trace = folder / "result.json", folder / "trace.txt"
        seeds = seeds_for(source)
        job = {
            "check": exercise.check.text,
            "title": str(exercise.path),
            "answer": exercise.answer,
            "source": source,
            "file": file,
            "seeds": seeds,
            "seconds": limits.seconds,
            "memory": limits.memory,
            "forbidden": FORBIDDEN,
            "result": str(result),
            "trace": str(trace),
        }
        reader = _Reader(self._process, limits)
        reader.start()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as pipe:
            pipe.write(json.dumps(job).encode())
        late = False
        try:
            self._process.wait(limits.seconds + _STARTUP)
        except subprocess.TimeoutExpired:
            late = True
        self._kill()
        reader.join(1.0)
        prints = reader.texts()
        code = self._process.returncode
        if reader.flooded:
            return Outcome(None, "output", None, prints, code)
        stuck = _read(trace)
        if late or stuck:
            return Outcome(None, "time", _stuck_line(stuck, file), prints, code)
        try:
            return Outcome(json.loads(_read(result)), "", None, prints, code, seeds)
        except ValueError:
            return Outcome(None, "ended", None, prints, code)

    def close(self) -> None:
        """End the process, with whatever it started, and remove its folder."""
        self._kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        self._folder.cleanup()

    def _kill(self) -> None:
        if self._ended:
            return
        self._ended = True
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        elif self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class _Reader(threading.Thread):
    """Reads what the child prints, keeps the beginning, and ends the child when it prints without end."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        super().__init__(daemon=True)
        self._process, self._limits = process, limits
        self._kept = b""
        self._total = 0
        self.flooded = False

    def run(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._process.stdout.fileno(), 65536):
                self._total += len(chunk)
                self._kept = (self._kept + chunk)[: 20 * self._limits.shown]
                if self._total > self._limits.output:
                    self.flooded = True
                    self._process.kill()
                    break

    def texts(self) -> tuple[str, ...]:
        """Return the beginning of the output of each case, without control characters."""
        found = []
        for part in self._kept.decode("utf-8", "replace").replace("\r\n", "\n").split("\x1e"):
            text = re.sub(r"[^\n\t -~\u00a0-\U0010ffff]", "", part)
            found.append(text if len(text) <= self._limits.shown else text[: self._limits.shown] + " ...")
        return tuple(found)


def _read(path: Path) -> str:
    for _ in range(5):
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError:  # Windows: the process that held the file is not quite gone
            time.sleep(0.1)
    return ""


def _stuck_line(trace: str, file: str) -> int | None:
    """Return the innermost line of the learner's file in a dump of faulthandler."""
    escaped = file.encode("ascii", "backslashreplace").decode()
    for name, line in re.findall(r'File "(.*)", line (\d+)', trace):
        if name == escaped:
            return int(line)
    return None
