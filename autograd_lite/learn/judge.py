"""The verdict on a learner's answer: right, or which mistake it is.

The numbers of a gradient exercise are compared with numeric derivatives (`oracle`), those of any other with the
solution's. Wrong ones are compared with the exercise's known wrong answers: whoever makes the numbers of one of them,
in whatever style, gets its message. Only then does the general diagnosis speak.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_lite.learn import wording
from autograd_lite.learn.child import Case, run_source
from autograd_lite.learn.exercise import Code, Exercise, Wrong
from autograd_lite.learn.look import Look, Row, Seen, array_of, close
from autograd_lite.learn.oracle import Oracle
from autograd_lite.learn.sandbox import PUBLISHED, Outcome

__all__ = ["Judge", "Verdict", "alike"]

_BLUR = 2e-12  # a rule is off by rounding, 1e-15; the best difference quotient by 1e-11, for the size of the gradient
_NUDGES = 2  # calls of the forward function with other inputs: one may be a helper's, two are a difference quotient


@dataclass(frozen=True)
class Verdict:
    """What to tell the learner.

    Attributes
    ----------
    status : {"passed", "failed", "unwritten", "error"}
        ``"error"``: the code did not come to give numbers.
    mistakes : tuple of Wrong
        The known wrong answers that give the same numbers.
    likely : str
        What the general diagnosis takes it for.
    trouble : str
        Why there are no numbers to judge, or what is wrong besides the numbers.
    rows : tuple of Row
        The outputs of the case that is shown.
    case, inputs : str, dict
        Which case that is.
    by_hand : str
        A number to verify by hand.
    prints : str
        What the learner's code printed.
    """

    status: str
    mistakes: tuple[Wrong, ...] = ()
    likely: str = ""
    trouble: str = ""
    rows: tuple[Row, ...] = ()
    case: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    by_hand: str = ""
    prints: str = ""

    @property
    def ok(self) -> bool:
        """Whether the exercise is done."""
        return self.status == "passed"


class Judge:
    """Judges the answers to one exercise; remembers the truth about inputs that it has seen."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self._oracles: dict[str, Oracle] = {}
        self._solved: dict[str, Seen] = {}
        self._wrong: dict[tuple[str, str], Seen] = {}

    def verdict(self, outcome: Outcome) -> Verdict:
        """Return the verdict on what a run showed."""
        told = wording.of_outcome(outcome) or wording.of_load(outcome, self.exercise)
        if told is not None:
            return Verdict(told[0], trouble=told[1], prints=_prints(outcome, 0))
        assert outcome.seen is not None
        seen: list[Seen] = outcome.seen["cases"]
        cases = self.exercise.checker.cases(outcome.seeds)
        looks = []
        for case, one in zip(cases, seen, strict=True):
            looks.append(Look(case, one, self.truth(case), outcome.seen["doubled"]))
            if not looks[-1].ok:
                return self._failed(looks[-1], len(looks) - 1, cases, outcome)
        trouble = self._conduct(outcome, looks)
        mistakes = self.known_wrong(cases[:PUBLISHED], seen[:PUBLISHED]) if trouble else []
        status = "failed" if trouble else "passed"
        return Verdict(status, tuple(mistakes), trouble=trouble, rows=looks[0].rows, prints=_prints(outcome, 0))

    def _failed(self, look: Look, bad: int, cases: list[Case], outcome: Outcome) -> Verdict:
        """Return the verdict on the first case that is wrong, the one with that index."""
        assert outcome.seen is not None
        seen: list[Seen] = outcome.seen["cases"]
        span = PUBLISHED if bad < PUBLISHED else len(cases)
        mistakes = self.known_wrong(cases[:span], seen[:span])
        fault = seen[bad]["fault"]
        status, trouble = wording.of_fault(fault, self.exercise, look.case) if fault else ("failed", "")
        if not (trouble or mistakes):
            trouble = self._conduct(outcome, [])
        return Verdict(
            "failed" if mistakes else status,
            mistakes=tuple(mistakes),
            likely="" if mistakes or trouble else look.likely,
            trouble=trouble,
            rows=look.rows,
            case=look.case.title,
            inputs=self._inputs(look.case),
            by_hand=self.exercise.by_hand or look.by_hand,
            prints=_prints(outcome, bad),
        )

    def _inputs(self, case: Case) -> dict[str, Any]:
        """Return what the learner's code was given, and the inputs that it comes from."""
        if case.upstream is None:
            return case.inputs
        with_output = re.search(r"\by\b", self.exercise.checker.describe_call(case))
        return {**case.inputs, **({"y": case.output} if with_output else {}), "g": case.upstream}

    def _conduct(self, outcome: Outcome, looks: list[Look]) -> str:
        """Return what is wrong with how an answer came to its numbers."""
        assert outcome.seen is not None
        seen: list[Seen] = outcome.seen["cases"]
        measured = outcome.seen["nudges"] >= _NUDGES
        measured |= sum(look.blur > _BLUR for look in looks[:PUBLISHED]) > PUBLISHED // 2
        return wording.of_conduct(seen, outcome.seen["imported"], measured)

    def known_wrong(self, cases: Sequence[Case], seen: Sequence[Seen]) -> list[Wrong]:
        """Return the known wrong answers that give what was seen.

        One that gives all of it, faults included, is the only one; else each wrong gradient may have one of its own,
        as of a learner who made two mistakes.
        """
        theirs = {wrong.name: [self.observe_wrong(wrong, case) for case in cases] for wrong in self.exercise.wrong}
        silent = not any(one["outputs"] for one in seen)  # nothing but exceptions: then their texts must agree
        for wrong in self.exercise.wrong:
            if all(alike(ours, other, silent) for ours, other in zip(seen, theirs[wrong.name], strict=True)):
                return [wrong]
        if self.exercise.checker.forward is None or any(one["fault"] for one in seen):
            return []
        solved = [self.observe_solution(case) for case in cases]
        found: list[Wrong] = []
        for name in seen[0]["outputs"]:
            ours = [one["outputs"].get(name) for one in seen]
            if not _all_equal(ours, solved, name):
                match = next((w for w in self.exercise.wrong if _all_equal(ours, theirs[w.name], name)), None)
                if match is None:
                    return []
                found += [match] if match not in found else []
        return found

    def observe_wrong(self, wrong: Wrong, case: Case) -> Seen:
        """Return what a known wrong answer gives for a case."""
        key = wrong.name, case.title
        if key not in self._wrong:
            self._wrong[key] = self._observe(wrong.code, case)
        return self._wrong[key]

    def observe_solution(self, case: Case) -> Seen:
        """Return what the solution gives for a case."""
        if case.title not in self._solved:
            self._solved[case.title] = self._observe(self.exercise.solution, case)
        return self._solved[case.title]

    def truth(self, case: Case) -> Oracle | Seen:
        """Return the numeric gradients of a case or, where there are none, what the solution gives."""
        check = self.exercise.checker
        if check.forward is None:
            return self.observe_solution(case)
        if case.title not in self._oracles:
            with np.errstate(all="ignore"):
                self._oracles[case.title] = Oracle(check.forward, case, check.gradient_names(case))
        return self._oracles[case.title]

    def _observe(self, code: Code, case: Case) -> Seen:
        path = str(self.exercise.path)
        with np.errstate(all="ignore"):
            answer = getattr(run_source(code.text, path, code.line), self.exercise.answer)
            return self.exercise.checker.observe(answer, case, path)


def _prints(outcome: Outcome, case: int) -> str:
    return outcome.prints[case] if case < len(outcome.prints) else ""


def alike(a: Seen, b: Seen, strictly: bool = False) -> bool:
    """Return whether two answers gave the same: the same outputs, the same kind of fault, the same inputs changed.

    Strictly, the texts of the faults are the same, too.
    """
    aspects = ("kind", "type", "text") if strictly else ("kind", "type")
    faults = [one["fault"] and [one["fault"].get(aspect) for aspect in aspects] for one in (a, b)]
    names = list(a["outputs"]) == list(b["outputs"])
    same = names and all(_equal(a["outputs"][name], b["outputs"][name]) for name in a["outputs"])
    return same and faults[0] == faults[1] and a["changed"] == b["changed"]


def _equal(a: Seen | None, b: Seen | None) -> bool:
    if a is None or b is None:
        return a is b
    x, y = array_of(a), array_of(b)
    if x is None or y is None:
        return a == b
    return x.shape == y.shape and bool(np.all(close(x, y)))


def _all_equal(ours: list[Seen | None], theirs: list[Seen], name: str) -> bool:
    return all(map(_equal, ours, [one["outputs"].get(name) for one in theirs]))
