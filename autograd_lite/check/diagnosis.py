"""Which mistake explains a wrong gradient.

Three witnesses are heard, on the operation whose rule is wrong if one can be found: what the numbers look like beside
the true ones (`symptoms`), what the rule must read to become right (`repairs`), and which mistake in the right backward
pass gives the same numbers (`reproduction`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd_lite.check.culprit import Culprit, culprits, misshapen
from autograd_lite.check.evidence import Evidence, Finding, near
from autograd_lite.check.problem import Problem, Run
from autograd_lite.check.repairs import repaired
from autograd_lite.check.report import Diagnosis, Entry
from autograd_lite.check.reproduction import reproduced
from autograd_lite.check.symptoms import SYMPTOMS
from autograd_lite.check.uses import USES

__all__ = ["diagnose", "diagnose_shapes", "explained", "findings"]

# kind -> what it is, and what to do
_WORDS = {
    "sign": ("a wrong sign", "look for a minus that is missing, or one too many."),
    "factor": ("a constant factor", "look for a 2, a 1/2 or a count that was forgotten, or counted twice."),
    "transposed": (
        "a transposition",
        "check which matrix must be transposed: the shapes fit either way when it is square.",
    ),
    "broadcast": (
        "a missing sum over a broadcast axis",
        "what was stretched over an axis gets the sum of the gradients along that axis.",
    ),
    "mean": (
        "a mean in the place of a sum, or a sum in the place of a mean",
        "a sum's gradient is 1 an entry, a mean's 1/N.",
    ),
    "upstream": (
        "the incoming gradient is not used as it should be",
        "every term is multiplied by it, exactly once.",
    ),
    "input-output": (
        "the input is used where the output belongs, or the reverse",
        "see whether the slope is written in terms of x or of y: tanh' is 1 - y*y, not 1 - x*x.",
    ),
    "last-use": (
        "not every use of a value is counted",
        "a value that is used several times gets the sum of the gradients of all its uses: add, do not assign.",
    ),
    "off-by-one": ("an index that is off by one", "check where the first entry of the incoming gradient goes."),
    "wrong-operand": ("the derivative of the wrong operand", "check which operand's slope goes to which operand."),
    "detached": (
        "a path is cut off",
        "look for a term that the rule leaves out, or for detach(), .numpy(), stop_gradient or no_grad().",
    ),
    "rounded": ("a loss of precision", "look for float32, a finite difference, or a rounded constant."),
    "reordered": ("an index", "the numbers belong in other places: look at the order of axes and entries."),
    "overflow": ("an overflow or a division by zero", "rewrite the rule so that no intermediate result overflows."),
    "unknown": (
        "a mistake without a name",
        "compare the rule with the formula, term by term, at the entry that is named.",
    ),
    "few-entries": ("a special case", "look at what sets these entries apart: a border, a mask, a repeated index."),
}
_KEPT = 4
_TELLING = 0.65  # how likely a finding must be to look no further
_NEARLY = 1e-4  # a relative error that no missing path leaves
_UNLOCATED = 0.9  # the weight of what the numbers of the whole function look like, when every rule in it is right


def findings(evidence: Evidence) -> list[Finding]:
    """Return the mistakes that would explain a wrong gradient, each kind once, the likeliest first."""
    best: dict[str, Finding] = {}
    with np.errstate(all="ignore"):
        for found in _heard(evidence):
            if found.kind not in best or found.likelihood > best[found.kind].likelihood:
                best[found.kind] = found
    return sorted(best.values(), key=lambda found: -found.likelihood)


def explained(evidence: Evidence) -> str:
    """Return the likeliest mistake in a sentence or two; nothing where none fits."""
    for found in findings(evidence):
        what, remedy = _WORDS[found.kind]
        return f"{what}: {found.detail}. {remedy[0].upper()}{remedy[1:]}"
    return ""


def _heard(evidence: Evidence) -> Iterable[Finding]:
    for symptom in (*SYMPTOMS, *USES):
        yield from symptom(evidence)
    yield from repaired(evidence)
    yield from reproduced(evidence)


def diagnose(problem: Problem, run: Run, weights: Sequence[Any], entries: Sequence[Entry]) -> list[Diagnosis]:
    """Return the mistakes that would explain the failed entries of a check, the likeliest first."""
    rng = np.random.default_rng(1)
    accused = [(culprit, _accusation(culprit, rng)) for culprit in culprits(run.order, rng)]
    names = [entry.input for entry in entries if not entry.ok]
    where = names[0] if names else problem.names[0]
    if accused:
        return _ranked([_worded(found, where, entries, f"{c.title}: ") for found in listed] for c, listed in accused)
    wholes = [_of_the_whole(problem, name, entries) for name in dict.fromkeys(names) if name in problem.names]
    return _ranked([_worded(found, name, entries) for found in listed] for name, listed in wholes)


def _accusation(culprit: Culprit, rng: np.random.Generator) -> list[Finding]:
    """Return what explains a wrong rule, looked at on fewer entries if there are many, and away from any kink."""
    at_hand = culprit if culprit.is_small else culprit.smaller()
    if at_hand is None:
        return [Finding("unknown", 0.3, "the arrays are too large to look into")]
    listed: list[Finding] = []
    wrong = False
    for variant in (at_hand, at_hand.nearby(rng)):
        evidence = None if variant is None else _collected(variant, rng)
        found = [] if evidence is None else findings(evidence)
        wrong = wrong or evidence is not None
        if not listed or (found and found[0].likelihood > listed[0].likelihood):
            listed = found or listed
        if listed and listed[0].likelihood >= _TELLING:
            break
    if listed:
        return listed
    why = "none of the usual mistakes gives these numbers" if wrong else "for fewer entries the same rule is right"
    return [Finding("unknown" if wrong else "few-entries", 0.3, why)]


def _collected(culprit: Culprit, rng: np.random.Generator) -> Evidence | None:
    with np.errstate(all="ignore"):
        try:
            return culprit.evidence(rng)
        except Exception:  # a rule that refuses other numbers than those of the check
            return None


def _of_the_whole(problem: Problem, name: str, entries: Sequence[Entry]) -> tuple[str, list[Finding]]:
    """Diagnose an input's gradient by its numbers, where no single rule was found wrong: then something is cut off."""
    single = [entry for entry in entries if entry.input == name and entry.index is not None]
    x = problem.primals[problem.names.index(name)]
    cut = Finding("detached", 0.85, "every rule on the way is right, so a part of the function is hidden from it")
    if len(single) < np.size(x) or not single:
        return name, [cut]
    claim, truth = (np.array([getattr(entry, side) for entry in single]).reshape(np.shape(x)) for side in _SIDES)
    if near(claim, truth, _NEARLY):
        return name, findings(Evidence(claim, truth))
    seen = [f._replace(likelihood=_UNLOCATED * f.likelihood) for f in findings(Evidence(claim, truth))]
    partial = [Finding("last-use", 0.8, "some uses of it are not counted")] if np.any(claim) else []
    return name, [cut, *seen, *partial]


_SIDES = ("analytic", "numeric")


def diagnose_shapes(run: Run, name: str) -> list[Diagnosis]:
    """Return what explains that a rule gives a gradient of the wrong shape."""
    found = []
    for culprit, share in misshapen(run.order):
        shape = np.shape(culprit.operands[culprit.number])
        told = f"{culprit.title} gives shape {share.shape} for an operand of shape {shape}"
        if share.shape == shape[::-1] and share.ndim > 1:
            found.append(Finding("transposed", 0.95, told))
        elif _stretched(shape, share.shape):
            found.append(Finding("broadcast", 0.97, told))
        else:
            found.append(Finding("broadcast", 0.5, told))
    return _ranked([[_worded(f, name, ()) for f in found]]) if found else []


def _stretched(shape: tuple[int, ...], share: tuple[int, ...]) -> bool:
    """Return whether an array of one shape can be summed to the other one."""
    return len(share) >= len(shape) and all(n in (1, m) for n, m in zip(shape[::-1], share[::-1], strict=False))


def _worded(found: Finding, name: str, entries: Sequence[Entry], where: str = "") -> Diagnosis:
    what, remedy = _WORDS[found.kind]
    failed = [entry for entry in entries if not entry.ok and entry.input == name and entry.index is not None]
    worst = max(failed, key=lambda entry: entry.ratio, default=None)
    example = {} if worst is None else {"index": worst.index, "analytic": worst.analytic, "numeric": worst.numeric}
    sentence = f"{where}{what} ({found.detail})"
    return Diagnosis(found.kind, name, sentence, remedy, found.likelihood, found.factor, **example)  # type: ignore[arg-type]


def _ranked(groups: Iterable[list[Diagnosis]]) -> list[Diagnosis]:
    """Merge the diagnoses of several wrong gradients: what explains all of them comes first."""
    listed = list(groups)
    best: dict[str, Diagnosis] = {}
    total: dict[str, float] = {}
    for group in listed:
        for one in group:
            total[one.kind] = total.get(one.kind, 0.0) + one.likelihood / len(listed)
            if one.kind not in best or one.likelihood > best[one.kind].likelihood:
                best[one.kind] = one
    ranked = sorted(best.values(), key=lambda one: -total[one.kind])
    return ranked[:_KEPT]
