"""The proof of a track: what must hold of every exercise before learners see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autograd_lite.learn.child import run_source
from autograd_lite.learn.exercise import Exercise, Track
from autograd_lite.learn.judge import Judge, alike
from autograd_lite.learn.sandbox import PUBLISHED, Outcome, seeds_for

__all__ = ["audit", "run_here"]


def audit(track: Track) -> Iterator[tuple[Exercise, list[str]]]:
    """Yield each exercise with what is wrong with it: nothing, if all of this holds.

    The stub fails with a text; the solution passes; there are three hints, and three to eight known wrong answers, each
    of which fails with its own message alone; no two of them give the same on the five published inputs.
    """
    for exercise in track.exercises:
        try:
            yield exercise, list(_problems(exercise))
        except Exception as error:  # whatever a teacher's code raises is a finding, not an end
            yield exercise, [f"{type(error).__name__}: {error}"]


def run_here(exercise: Exercise, source: str, seeds: Sequence[int] | None = None) -> Outcome:
    """Run a text on the cases of an exercise, as a sandbox would, in this process: for code that is trusted."""
    check = exercise.checker
    seeds = tuple(seeds if seeds is not None else seeds_for(source))
    cases = check.cases(seeds)
    answer = getattr(run_source(source, "answer.py"), exercise.answer)
    with np.errstate(all="ignore"):
        seen = [check.observe(answer, case, "answer.py") for case in cases]
        doubled = check.observe(answer, cases[0], "answer.py", factor=2.0) if check.forward is not None else None
    return Outcome({"fault": None, "cases": seen, "nudges": 0, "doubled": doubled, "imported": []}, seeds=seeds)


def _problems(exercise: Exercise) -> Iterator[str]:
    if len(exercise.hints) != 3:
        yield f"it has {len(exercise.hints)} hints, not 3"
    if not 3 <= len(exercise.wrong) <= 8:
        yield f"it has {len(exercise.wrong)} known wrong answers, not 3 to 8"
    judge = Judge(exercise)
    verdict = judge.verdict(run_here(exercise, exercise.stub.text))
    if verdict.ok or not (verdict.trouble or verdict.mistakes):
        yield f"the stub is judged {verdict.status!r}, with nothing to say about it"
    verdict = judge.verdict(run_here(exercise, exercise.solution.text))
    if not verdict.ok:
        wrong = "; ".join(f"{row.name} {row.problem}" for row in verdict.rows if not row.ok)
        yield f"the solution fails on {verdict.case}: {verdict.trouble} {wrong}"
    for wrong_answer in exercise.wrong:
        text = wrong_answer.code.text
        verdict = judge.verdict(run_here(exercise, text))
        if verdict.ok:
            yield f"the wrong answer {wrong_answer.name!r} passes"
        elif verdict.mistakes != (wrong_answer,):
            yield f"the wrong answer {wrong_answer.name!r} is taken for {[w.name for w in verdict.mistakes]}"
    cases = exercise.checker.cases(range(PUBLISHED))
    for i, one in enumerate(exercise.wrong):
        fault = judge.observe_wrong(one, cases[0])["fault"]
        if fault and fault.get("type") in ("NameError", "UnboundLocalError"):
            yield f"the wrong answer {one.name!r} does not run: {fault['text']}"
        for other in exercise.wrong[i + 1 :]:
            if all(alike(judge.observe_wrong(one, case), judge.observe_wrong(other, case)) for case in cases):
                yield f"the wrong answers {one.name!r} and {other.name!r} give the same"
