"""Scores of a learner's folder, for teachers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograd_lite.learn.checker import Checker
from autograd_lite.learn.exercise import Exercise, Track, load_track

__all__ = ["grade"]


def grade(folder: str | Path, checker: Checker, track_folder: str | None = None) -> dict[str, Any]:
    """Check every file of a learner's folder.

    The exercises are those of the built-in track or of the one that is given, never of one that the learner's folder
    names. The record of hints and solutions is the learner's own word.

    Returns
    -------
    dict
        ``folder``, ``track``, ``done``, ``total``, ``score`` (0 to 1) and ``exercises``, a list of dicts with
        ``number``, ``chapter``, ``name``, ``status`` (``passed``, ``failed``, ``error``, ``unwritten``, ``missing``),
        ``mistakes`` (the short names of known wrong answers), ``message``, ``hints``, ``solution_read``.
    """
    root = Path(folder).expanduser()
    track = load_track(track_folder)
    said = _said(root)
    rows = [{**_row(root, exercise, checker), **_help(said, exercise)} for exercise in track.exercises]
    done = sum(row["status"] == "passed" for row in rows)
    return {
        "schema": 1,
        "folder": str(root),
        "track": _name(track),
        "done": done,
        "total": len(rows),
        "score": round(done / len(rows), 4),
        "exercises": rows,
    }


def _name(track: Track) -> str:
    return track.folder.name


def _row(root: Path, exercise: Exercise, checker: Checker) -> dict[str, Any]:
    path = root / exercise.chapter / f"{exercise.name}.py"
    row = {"number": exercise.number, "chapter": exercise.chapter, "name": exercise.key, "mistakes": [], "message": ""}
    if not path.is_file():
        return {**row, "status": "missing", "message": "there is no such file"}
    if path.stat().st_size == len(exercise.stub.text.encode()) and path.read_bytes() == exercise.stub.text.encode():
        return {**row, "status": "unwritten", "message": "the file is as it was handed out"}
    verdict = checker.check(exercise, path)
    said = [wrong.message for wrong in verdict.mistakes] or [verdict.trouble or verdict.likely]
    mistakes = [wrong.name for wrong in verdict.mistakes]
    return {**row, "status": verdict.status, "mistakes": mistakes, "message": " ".join(said)}


def _said(root: Path) -> dict[str, Any]:
    try:
        state = json.loads((root / "progress.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _help(said: dict[str, Any], exercise: Exercise) -> dict[str, Any]:
    hints, solutions = said.get("hints"), said.get("solutions")
    count = hints.get(exercise.key, 0) if isinstance(hints, dict) else 0
    return {
        "hints": count if isinstance(count, int) else 0,
        "solution_read": isinstance(solutions, list) and exercise.key in solutions,
    }
