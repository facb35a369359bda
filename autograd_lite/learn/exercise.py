"""Exercises as plain data: a track is a folder of chapters, a chapter a folder of Markdown files, a file an exercise.

::

    # Title
    Answer: `name`                 the function or class that the learner writes
    Formula: `y = a * b`
    By hand: ...                   a number to verify by hand (where there is no gradient to show it with)
    Seconds: 20                    the time limit, if not 10

    ## Stub                        a block of code: the learner's file, with the idea in its docstring
    ## Check                       a block of code: `inputs`, and `forward` or `drive` (see `child.Check`)
    ## Solution                    a block of code
    ## Hints                       a numbered list: three, each saying more than the last
    ## Wrong: short name           for each known wrong answer the message that names the mistake, and a block of code;
                                   it runs after the solution, so that it may change only a part of that
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograd_lite.learn.child import Check

__all__ = ["Code", "Exercise", "Track", "TrackError", "Wrong", "load_track"]

BUILT_IN = Path(__file__).with_name("track")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBERED = re.compile(r"(\d+)_(\w+)")


class TrackError(Exception):
    """A track that is not as it should be: which file, and what is missing."""


@dataclass(frozen=True)
class Code:
    """A block of code, and the number of lines before it in its file."""

    text: str
    line: int


@dataclass(frozen=True)
class Wrong:
    """A known wrong answer: a short name, the message for whoever gives it, and the code that gives it."""

    name: str
    message: str
    code: Code


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    path : Path
        Its Markdown file.
    number : int
        Its place in the track, from 1.
    chapter, name : str
        The folder and file that the learner has: ``<chapter>/<name>.py``.
    title, answer, formula, by_hand : str
        As in the head of the file.
    seconds : float
        The time limit; 0 for the usual one.
    stub, check, solution : Code
    hints : tuple of str
    wrong : tuple of Wrong
    """

    path: Path
    number: int
    chapter: str
    name: str
    title: str
    answer: str
    formula: str
    by_hand: str
    seconds: float
    stub: Code
    check: Code
    solution: Code
    hints: tuple[str, ...]
    wrong: tuple[Wrong, ...]

    @property
    def key(self) -> str:
        """The name without its number: ``linear``."""
        return self.name.partition("_")[2]

    @property
    def file(self) -> str:
        """The learner's file, inside of the learner's folder."""
        return f"{self.chapter}/{self.name}.py"

    @cached_property
    def checker(self) -> Check:
        """The check, ready to run."""
        return Check(self.check.text, str(self.path), self.answer, self.check.line)


@dataclass(frozen=True)
class Track:
    """Exercises in their order."""

    folder: Path
    exercises: tuple[Exercise, ...]

    def find(self, wanted: str) -> Exercise:
        """Return the exercise with this number (``13``), name (``linear``) or file name."""
        stem = Path(wanted).stem
        for exercise in self.exercises:
            if wanted == str(exercise.number) or stem in (exercise.name, exercise.key):
                return exercise
        raise TrackError(f"there is no exercise {wanted!r}: give a number from 1 to {len(self.exercises)}, or a name")

    def chapters(self) -> dict[str, list[Exercise]]:
        """Return the exercises by chapter."""
        found: dict[str, list[Exercise]] = {}
        for exercise in self.exercises:
            found.setdefault(exercise.chapter, []).append(exercise)
        return found


def load_track(folder: str | Path | None = None) -> Track:
    """Read a track: the built-in one, or a course's own.

    Raises
    ------
    TrackError
        Naming the file and what is wrong with it.
    """
    root = BUILT_IN if folder is None else Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise TrackError(f"{root} is no folder")
    chapters = [chapter for chapter in _ordered(root) if chapter.is_dir()]
    paths = [path for chapter in chapters for path in _ordered(chapter) if path.suffix == ".md"]
    if not paths:
        raise TrackError(f"{root} holds no exercises: they are files like 1_numbers/1_add.md")
    exercises = tuple(_parse(path, number) for number, path in enumerate(paths, 1))
    keys = [exercise.key for exercise in exercises]
    for exercise in exercises:
        if keys.count(exercise.key) > 1:
            raise TrackError(f"{exercise.path}: two exercises are called {exercise.key}")
    return Track(root, exercises)


def _ordered(folder: Path) -> list[Path]:
    """Return the numbered entries of a folder, by number."""
    numbered = [(match, path) for path in folder.iterdir() if (match := _NUMBERED.fullmatch(path.stem))]
    return [path for match, path in sorted(numbered, key=lambda pair: (int(pair[0][1]), pair[0][2]))]


def _parse(path: Path, number: int) -> Exercise:
    text = path.read_text(encoding="utf-8")
    sections = _sections(text)
    head = sections.pop("", (text, 0))[0]

    def code(section: str) -> Code:
        if section not in sections:
            raise TrackError(f"{path}: there is no section '## {section}'")
        body, line = sections[section]
        match = _BLOCK.search(body)
        if match is None:
            raise TrackError(f"{path}: the section '## {section}' holds no block of Python")
        return Code(match[1], line + body.count("\n", 0, match.start()) + 1)

    def field(name: str) -> str:
        match = re.search(rf"^{name}: *(.*(?:\n(?!\w[\w ]*:).+)*)", head, re.MULTILINE)
        return " ".join(match[1].split()).strip("`") if match else ""

    title = re.match(r"# (.+)", head)
    if title is None or not field("Answer"):
        raise TrackError(f"{path}: the first lines must be '# Title' and 'Answer: `name`'")
    solution = code("Solution")
    wrong = []
    for heading, (body, _) in sections.items():
        if heading.startswith("Wrong: "):
            message = " ".join(_BLOCK.sub("", body).split())
            if not message:
                raise TrackError(f"{path}: '## {heading}' has no message")
            wrong.append(Wrong(heading.removeprefix("Wrong: "), message, _after(solution, code(heading))))
    hints = re.findall(r"^\d\. (.*?)(?=^\d\. |\Z)", sections.get("Hints", ("", 0))[0], re.MULTILINE | re.DOTALL)
    return Exercise(
        path=path,
        number=number,
        chapter=path.parent.name,
        name=path.stem,
        title=title[1].strip(),
        answer=field("Answer"),
        formula=field("Formula"),
        by_hand=field("By hand"),
        seconds=float(field("Seconds") or 0),
        stub=code("Stub"),
        check=code("Check"),
        solution=solution,
        hints=tuple(re.sub(r"^   ", "", hint, flags=re.MULTILINE).rstrip() for hint in hints),
        wrong=tuple(wrong),
    )


def _after(solution: Code, change: Code) -> Code:
    """Return the solution with a change made to it: code that runs after it, at its place in the file."""
    before = solution.text + "\n"
    return Code(before + change.text, max(0, change.line - before.count("\n")))


def _sections(text: str) -> dict[str, tuple[str, int]]:
    """Return the body of every section, with the number of lines before it; headings inside of code do not count."""
    found: dict[str, tuple[str, int]] = {}
    body: list[str] = []
    heading, start, fenced = "", 0, False
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            found[heading] = "".join(body), start
            heading, body, start = line[3:].strip(), [], i + 1
        else:
            body.append(line)
    found[heading] = "".join(body), start
    return found
