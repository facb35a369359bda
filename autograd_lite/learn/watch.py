"""Watch mode: check the current exercise whenever its file is saved, and answer single keys in between."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from autograd_lite.learn.checker import Checker
from autograd_lite.learn.exercise import Exercise
from autograd_lite.learn.folder import Folder
from autograd_lite.learn.judge import Verdict
from autograd_lite.learn.keyboard import Keyboard
from autograd_lite.learn.text import hint, progress_bar, render, show_inputs, wrapped
from autograd_lite.paint import Paint

__all__ = ["watch"]

_POLL = 0.1  # seconds between two looks at the files
_CLEAR = "\x1b[2J\x1b[H"
Stamp = tuple[int, int] | None


class _Watch:
    def __init__(self, folder: Folder, checker: Checker, keyboard: Keyboard, paint: Paint) -> None:
        self.folder, self.checker, self.keyboard, self.paint = folder, checker, keyboard, paint
        self.exercise = folder.current() or folder.track.exercises[-1]
        self.verdict: Verdict | None = None
        self.stamps = {exercise.key: _stamp(folder.file(exercise)) for exercise in folder.track.exercises}
        self.keys: dict[str, Callable[[], None]] = {
            "n": self.next,
            "h": self.hint,
            "t": self.inputs,
            "s": self.solution,
            "x": self.reset,
            "l": self.list,
            "r": self.check,
        }

    def run(self) -> None:
        self.check()
        while True:
            key = self.keyboard.wait(_POLL)
            if key == "q":
                return
            if key in self.keys:
                self.keys[key]()
            changed = self.changed()
            if changed is not None:
                self.exercise = changed
                self.check()
            if not self.keyboard.present and self.verdict is not None and self.verdict.ok:
                if self.folder.current() is None:
                    return
                self.next()

    def changed(self) -> Exercise | None:
        """Return an exercise whose file was saved since the last look; the current one first."""
        found = None
        for exercise in sorted(self.folder.track.exercises, key=lambda e: e != self.exercise):
            stamp = _stamp(self.folder.file(exercise))
            if stamp != self.stamps[exercise.key]:
                self.stamps[exercise.key] = stamp
                found = found or (exercise if stamp is not None else None)
        return found

    def check(self) -> None:
        path = self.folder.file(self.exercise)
        self.stamps[self.exercise.key] = _stamp(path)
        self.verdict = self.checker.check(self.exercise, path)
        if self.verdict.ok != self.folder.passed(self.exercise):
            self.folder.record(self.exercise, self.verdict.ok)
        self.show(render(self.exercise, self.verdict, self.paint), fresh=True)

    def next(self) -> None:
        following = self.folder.current()
        if following is None:
            self.show("   All exercises are done. You have built it all yourself.")
        elif following != self.exercise:
            self.exercise = following
            self.check()
        else:
            self.show(wrapped("", f"This one first: {self.exercise.title}. [h] helps."))

    def hint(self) -> None:
        self.show(hint(self.exercise, self.folder.next_hint(self.exercise)))

    def inputs(self) -> None:
        if self.verdict is not None and self.verdict.inputs:
            self.show(show_inputs(self.exercise, self.verdict))

    def solution(self) -> None:
        if self.folder.passed(self.exercise) or self.sure("Read the solution? You have not passed yet."):
            self.folder.record_solution(self.exercise)
            self.show(self.exercise.solution.text)

    def reset(self) -> None:
        if self.sure("Begin this exercise anew? Your text is kept beside it."):
            self.folder.reset(self.exercise)
            self.check()

    def list(self) -> None:
        lines = []
        for exercise in self.folder.track.exercises:
            mark = self.paint.green("done") if self.folder.passed(exercise) else "    "
            here = ">" if exercise == self.exercise else " "
            lines.append(f" {here} {exercise.number:2} {mark} {exercise.chapter}/{exercise.name}")
        self.show("\n".join(lines))

    def sure(self, question: str) -> bool:
        print(f"\n   {question} [y/N] ", end="", flush=True)
        answer = ""
        while not answer:
            answer = self.keyboard.wait(60.0)
        print(answer)
        return answer == "y"

    def show(self, text: str, fresh: bool = False) -> None:
        if fresh and self.paint.on:
            print(_CLEAR, end="")
        bar = progress_bar(self.folder.count(), len(self.folder.track.exercises))
        print(f"\n{text}\n\n{self.paint.dim(bar)}  {self.folder.file(self.exercise)}")
        if self.keyboard.present:
            asked = f"[h] hint {min(self.folder.hints(self.exercise) + 1, 3)}/{len(self.exercise.hints)}"
            forward = "[n] next   " if self.verdict is not None and self.verdict.ok else ""
            shown = "[t] show the inputs   " if self.verdict is not None and self.verdict.inputs else ""
            print(self.paint.dim(f"{forward}{shown}{asked}   [s] solution   [x] reset   [l] list   [r] run   [q] quit"))
        sys.stdout.flush()


def watch(folder: Folder, paint: Paint) -> None:
    """Watch a learner's folder until the learner leaves."""
    with Checker(spare=True) as checker, Keyboard() as keyboard:
        _Watch(folder, checker, keyboard, paint).run()


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file is saved; None while there is no file, or an empty one, as in mid-save."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status.st_size else None
