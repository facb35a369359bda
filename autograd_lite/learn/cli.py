"""The command ``python -m autograd_lite learn``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence

from autograd_lite.learn.audit import audit
from autograd_lite.learn.checker import Checker
from autograd_lite.learn.exercise import Exercise, TrackError, load_track
from autograd_lite.learn.folder import Folder, FolderError
from autograd_lite.learn.grade import grade
from autograd_lite.learn.text import hint, progress_bar, render, show_inputs
from autograd_lite.learn.watch import watch
from autograd_lite.paint import Paint

__all__ = ["main"]

_WELCOME = """\
Learn backpropagation by writing it: short exercises, from y = a + b to an engine of your own.

    python -m autograd_lite learn init NAME     makes a folder with the exercises; then go there: cd NAME
    python -m autograd_lite learn watch         checks the exercise that you are at, whenever you save it

Work in any editor. Nothing is sent anywhere.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when all is well, 1 when an answer is wrong, 2 when the command cannot be done."""
    options = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a console that lacks a letter shows "?"
    try:
        return int(options.run(options))
    except (FolderError, TrackError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 0
    except BrokenPipeError:  # `learn list | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (else Python complains when it flushes at its end)
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="autograd-lite learn", description="Learn backpropagation by writing it.")
    parser.add_argument("--track", metavar="FOLDER", help="the exercises of a course, in place of the built-in ones")
    parser.add_argument("--dir", default=".", metavar="DIR", help="the learner's folder, if it is not the current one")
    parser.set_defaults(run=_status)
    commands = parser.add_subparsers(metavar="command")

    def add(name: str, run: object, text: str, *aliases: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, aliases=aliases)
        command.set_defaults(run=run)
        return command

    add("init", _init, "make a folder with the exercises").add_argument("folder", metavar="DIR")
    add("status", _status, "say where you are (also without any command)")
    add("watch", _watch, "check the current exercise whenever it is saved")
    check = add("check", _check, "check one exercise, the current one by default", "run")
    check.add_argument("exercise", nargs="?", metavar="N", help="its number or name")
    check.add_argument("--show", action="store_true", help="print the inputs of the case that failed, as code")
    for name, run, text in (
        ("hint", _hint, "the next of three hints"),
        ("solution", _solution, "show a solution"),
        ("reset", _reset, "begin an exercise anew"),
    ):
        command = add(name, run, text)
        command.add_argument("exercise", nargs="?", metavar="N", help="its number or name; the current one by default")
        if name != "hint":
            command.add_argument("--yes", action="store_true", help="do not ask")
    add("list", _list, "list all exercises")
    verify = add("verify", _verify, "check again all that has passed; with --prove, prove a track")
    verify.add_argument("--prove", action="store_true", help="for teachers: prove the exercises themselves")
    scores = add("grade", _grade, "for teachers: score the folders of learners")
    scores.add_argument("folders", nargs="+", metavar="DIR")
    scores.add_argument("--json", action="store_true", help="as JSON, one object a folder (a list, if several)")
    for command in dict.fromkeys(commands.choices.values()):
        command.add_argument("--track", default=argparse.SUPPRESS, metavar="FOLDER", help=argparse.SUPPRESS)
        command.add_argument("--dir", default=argparse.SUPPRESS, metavar="DIR", help=argparse.SUPPRESS)
    return parser


def _open(options: argparse.Namespace) -> Folder:
    return Folder.find(options.dir, options.track)


def _chosen(options: argparse.Namespace, folder: Folder) -> Exercise:
    if options.exercise is not None:
        return folder.track.find(options.exercise)
    return folder.current() or folder.track.exercises[-1]


def _sure(options: argparse.Namespace, question: str) -> bool:
    if options.yes:
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def _init(options: argparse.Namespace) -> int:
    folder, written = Folder.create(options.folder, options.track)
    print(f"{len(written)} exercises are in {folder.path}." if written else f"Nothing is missing in {folder.path}.")
    print(f"\n    cd {options.folder}\n    python -m autograd_lite learn watch\n")
    print(f"Then open {folder.track.exercises[0].file} in your editor.")
    return 0


def _status(options: argparse.Namespace) -> int:
    try:
        folder = _open(options)
    except FolderError:
        print(_WELCOME)
        return 0
    for chapter, exercises in folder.track.chapters().items():
        print(f"{chapter:16} {progress_bar(sum(map(folder.passed, exercises)), len(exercises), 2 * len(exercises))}")
    current = folder.current()
    if current is None:
        print("\nAll exercises are done. You have built it all yourself.")
    else:
        print(f"\nYou are at {current.number}, {current.title}: {folder.file(current)}")
        print("`learn watch` checks it on each save, `learn hint` helps.")
    return 0


def _watch(options: argparse.Namespace) -> int:
    watch(_open(options), Paint.for_stream())
    return 0


def _check(options: argparse.Namespace) -> int:
    folder = _open(options)
    exercise = _chosen(options, folder)
    with Checker() as checker:
        verdict = checker.check(exercise, folder.file(exercise))
    folder.record(exercise, verdict.ok)
    print(render(exercise, verdict, Paint.for_stream()))
    if options.show and verdict.inputs:
        print("\n" + show_inputs(exercise, verdict))
    following = folder.current()
    if verdict.ok and following is not None:
        print(f"\nNext: {following.number}, {following.title}: {folder.file(following)}")
    return 0 if verdict.ok else 1


def _hint(options: argparse.Namespace) -> int:
    folder = _open(options)
    exercise = _chosen(options, folder)
    print(f"{exercise.number} {exercise.title}")
    print(hint(exercise, folder.next_hint(exercise)))
    return 0


def _solution(options: argparse.Namespace) -> int:
    folder = _open(options)
    exercise = _chosen(options, folder)
    if not folder.passed(exercise):
        left = len(exercise.hints) - folder.hints(exercise)
        more = f" There {'is 1 hint' if left == 1 else f'are {left} hints'} left." if left else ""
        if not _sure(options, f"You have not passed {exercise.number}, {exercise.title}.{more} Read the solution?"):
            return 1
    folder.record_solution(exercise)
    print(exercise.solution.text, end="")
    return 0


def _reset(options: argparse.Namespace) -> int:
    folder = _open(options)
    exercise = _chosen(options, folder)
    if not _sure(options, f"Begin {exercise.number}, {exercise.title}, anew? Your text is kept beside it."):
        return 1
    kept = folder.reset(exercise)
    print(f"{folder.file(exercise)} is as it was handed out." + (f" Your text is in {kept.name}." if kept else ""))
    return 0


def _list(options: argparse.Namespace) -> int:
    folder = _open(options)
    current = folder.current()
    paint = Paint.for_stream()
    for chapter, exercises in folder.track.chapters().items():
        print(paint.bold(chapter))
        for exercise in exercises:
            mark = paint.green("done") if folder.passed(exercise) else " -> " if exercise == current else "    "
            notes = [f"{folder.hints(exercise)} hints"] if folder.hints(exercise) else []
            notes += ["solution read"] if folder.helped(exercise) else []
            print(f"  {exercise.number:2} {mark} {exercise.key:16} {exercise.formula:60} {', '.join(notes)}".rstrip())
    return 0


def _verify(options: argparse.Namespace) -> int:
    if options.prove:
        return _prove(options)
    folder = _open(options)
    lost = 0
    with Checker() as checker:
        for exercise in folder.track.exercises:
            path = folder.file(exercise)
            untouched = path.is_file() and path.read_bytes() == exercise.stub.text.encode()
            ok = not untouched and checker.check(exercise, path).ok
            if ok != folder.passed(exercise):
                lost += not ok
                print(f"{exercise.number:2} {exercise.key}: {'passes now' if ok else 'does not pass any more'}")
                folder.record(exercise, ok)
    print(progress_bar(folder.count(), len(folder.track.exercises)))
    return 1 if lost else 0


def _prove(options: argparse.Namespace) -> int:
    bad = 0
    for exercise, problems in audit(load_track(options.track)):
        print(f"{exercise.number:2} {exercise.key}: {'; '.join(problems) or 'ok'}", flush=True)
        bad += bool(problems)
    return 1 if bad else 0


def _grade(options: argparse.Namespace) -> int:
    with Checker() as checker:
        found = [grade(folder, checker, options.track) for folder in options.folders]
    if options.json:
        print(json.dumps(found[0] if len(found) == 1 else found, indent=2))
        return 0
    for one in found:
        print(f"{one['folder']}: {one['done']} of {one['total']}")
        for row in one["exercises"]:
            if row["status"] not in ("passed", "unwritten"):
                what = "; ".join(row["mistakes"]) or row["message"]
                print(f"  {row['number']:2} {row['name']:16} {row['status']:10} {what}")
    return 0
