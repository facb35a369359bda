"""A learner's folder: the files of a track, and what has been done, in one small JSON file."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from autograd_lite.learn.exercise import Exercise, Track, load_track

__all__ = ["Folder", "FolderError"]

_NAME = "progress.json"
_SCHEMA = 1


class FolderError(Exception):
    """A folder that cannot be used as asked."""


class Folder:
    """A learner's folder.

    Parameters
    ----------
    path : Path
        Where it is.
    track : Track
        What is to be learned in it.
    state : dict
        What `progress.json` holds: ``passed`` (name to the hash of the file that passed), ``hints`` (name to how many
        were read), ``solutions`` (names whose solution was read before they passed), ``track`` (a course's folder).
    """

    def __init__(self, path: Path, track: Track, state: dict[str, Any]) -> None:
        self.path, self.track = path, track
        self._state = state

    @classmethod
    def create(cls, path: str | Path, track_folder: str | None = None) -> tuple[Folder, list[str]]:
        """Copy a track's files into a folder; return it with the names of what was written. Overwrites nothing."""
        root = Path(path).expanduser()
        if root.exists() and not root.is_dir():
            raise FolderError(f"{root} is a file; give the name of a folder")
        if (root / _NAME).exists():
            folder = cls.find(root)
        else:
            track = load_track(track_folder)
            there = [e.file for e in track.exercises if (root / e.file).exists()]
            if there:
                raise FolderError(f"{root} holds {there[0]} already, and no {_NAME}: give the name of a new folder")
            folder = cls(root, track, _fresh(str(track.folder) if track_folder else None))
        written = [exercise.file for exercise in folder.track.exercises if not (root / exercise.file).exists()]
        for exercise in folder.track.exercises:
            if exercise.file in written:
                folder._write_stub(exercise)
        folder.save()
        return folder, written

    @classmethod
    def find(cls, start: str | Path = ".", track_folder: str | None = None) -> Folder:
        """Return the learner's folder that this path is, or is in."""
        here = Path(start).expanduser().resolve()
        for path in (here, *here.parents):
            if (path / _NAME).is_file():
                state = _load(path / _NAME)
                return cls(path, load_track(track_folder or state["track"]), state)
        raise FolderError(
            f"{here} is no folder of exercises, nor in one.\n"
            "Make one with `python -m autograd_lite learn init NAME`, then `cd NAME`."
        )

    def file(self, exercise: Exercise) -> Path:
        """Return the path of a learner's file."""
        return self.path / exercise.chapter / f"{exercise.name}.py"

    def current(self) -> Exercise | None:
        """Return the first exercise that has not passed; None when all have."""
        return next((exercise for exercise in self.track.exercises if not self.passed(exercise)), None)

    def passed(self, exercise: Exercise) -> bool:
        """Return whether an exercise has passed."""
        return exercise.key in self._state["passed"]

    def count(self) -> int:
        """Return how many exercises have passed."""
        return sum(map(self.passed, self.track.exercises))

    def hints(self, exercise: Exercise) -> int:
        """Return how many hints were read."""
        return int(self._state["hints"].get(exercise.key, 0))

    def helped(self, exercise: Exercise) -> bool:
        """Return whether the solution was read before the exercise had passed."""
        return exercise.key in self._state["solutions"]

    def record(self, exercise: Exercise, passed: bool) -> None:
        """Remember that an exercise has passed, or that it no longer does."""
        if passed:
            self._state["passed"][exercise.key] = hashlib.sha256(self.file(exercise).read_bytes()).hexdigest()[:16]
        else:
            self._state["passed"].pop(exercise.key, None)
        self.save()

    def next_hint(self, exercise: Exercise) -> int:
        """Count one more hint as read; return its number, the last one when all have been read."""
        number = min(self.hints(exercise) + 1, len(exercise.hints))
        self._state["hints"][exercise.key] = number
        self.save()
        return number

    def record_solution(self, exercise: Exercise) -> None:
        """Remember that a solution was read."""
        if not (self.passed(exercise) or self.helped(exercise)):
            self._state["solutions"].append(exercise.key)
            self.save()

    def reset(self, exercise: Exercise) -> Path | None:
        """Put the stub back; return where the learner's text was kept, if it was another."""
        file = self.file(exercise)
        kept = None
        if file.exists() and file.read_bytes() != exercise.stub.text.encode():
            names = (file.with_suffix(f".{number}.old") for number in itertools.count(1))
            kept = next(name for name in names if not name.exists())
            os.replace(file, kept)
        self._write_stub(exercise)
        self.record(exercise, False)
        return kept

    def save(self) -> None:
        """Write `progress.json`, all of it or nothing."""
        _replace(self.path / _NAME, json.dumps(self._state, indent=2, sort_keys=True) + "\n")

    def _write_stub(self, exercise: Exercise) -> None:
        _replace(self.file(exercise), exercise.stub.text)


def _fresh(track: str | None) -> dict[str, Any]:
    return {"schema": _SCHEMA, "track": track, "passed": {}, "hints": {}, "solutions": []}


def _load(path: Path) -> dict[str, Any]:
    """Read the progress; set a broken file aside and begin anew, since `verify` brings it all back."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        kinds: dict[str, Any] = {"track": str | None, "passed": dict, "hints": dict, "solutions": list}
        if not (isinstance(state, dict) and all(isinstance(state.get(key), kind) for key, kind in kinds.items())):
            raise ValueError("not a progress file")
    except ValueError:
        os.replace(path, path.with_suffix(".broken"))
        state = _fresh(None)
        _replace(path, json.dumps(state, indent=2, sort_keys=True) + "\n")
        return state
    if state.get("schema") != _SCHEMA:
        raise FolderError(f"{path} was written by another version of this program (schema {state.get('schema')})")
    return state


def _replace(path: Path, text: str) -> None:
    """Write a file so that whoever reads it, and whenever the power fails, there is the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        for attempt in range(5):
            try:
                os.replace(name, path)
                return
            except PermissionError:  # Windows: an editor or a virus scanner has the file open for a moment
                if attempt == 4:
                    raise
                time.sleep(0.1)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
