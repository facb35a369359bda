"""A look at what an answer gave for one case: each output right, or in what way wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite.check.diagnosis import explained
from autograd_lite.check.evidence import Evidence, jacobian
from autograd_lite.check.numeric import Array
from autograd_lite.learn import wording
from autograd_lite.learn.child import Case
from autograd_lite.learn.oracle import Oracle

__all__ = ["Look", "Row", "Seen", "array_of", "close"]

_RTOL, _ATOL = 1e-9, 1e-12
_LARGEST = 10_000  # entries of the matrix of all derivatives
Seen = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One output: its name, how many entries it has, and in what way it is wrong (empty: it is right)."""

    name: str
    entries: int
    problem: str = ""
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether this output is right."""
        return not self.problem


class Look:
    """What one case shows: a row an output, one number to verify by hand, and what the mistake looks like."""

    def __init__(self, case: Case, seen: Seen, truth: Oracle | Seen, doubled: Seen | None) -> None:
        self.case, self.seen = case, seen
        self.by_hand = self.likely = ""
        self.blur = 0.0
        self._doubled = doubled if case.title.endswith(" 0") else None
        with np.errstate(all="ignore"):
            self.rows = self._gradients(truth) if isinstance(truth, Oracle) else self._outputs(truth["outputs"])

    @property
    def ok(self) -> bool:
        return not self.seen["fault"] and all(row.ok for row in self.rows)

    def _outputs(self, expected: dict[str, Any]) -> tuple[Row, ...]:
        rows = []
        for name, wanted in expected.items():
            found = self.seen["outputs"].get(name)
            if found is None:
                rows.append(Row(name, 1, "missing"))
            elif wanted["kind"] == "text":
                rows.append(Row(name, 1, wording.of_text(found, wanted["text"])))
            else:
                truth = array_of(wanted)
                assert truth is not None
                problem = wording.of_value(name, found, truth, wanted["kind"] == "number", "it should have")
                claim = array_of(found)
                if not problem and claim is not None:
                    problem = self._compare(name, claim, truth, close(claim, truth))
                rows.append(Row(name, truth.size, problem))
        return tuple(rows)

    def _gradients(self, oracle: Oracle) -> tuple[Row, ...]:
        rows = []
        claims: dict[str, Array] = {}
        kinks = 0
        for name, truth in oracle.truth.items():
            found = self.seen["outputs"].get(name)
            x = self.case.inputs[name[1:]]
            if found is None:
                rows.append(Row(name, truth.size, "missing"))
                continue
            owner = f"{name[1:]}, whose gradient it is, has"
            problem = wording.of_value(name, found, truth, isinstance(x, float), owner)
            note = ""
            claim = array_of(found)
            if not problem and claim is not None:
                right, at_kink = oracle.right(name, claim)
                problem = self._compare(name, claim, truth, right, oracle)
                note = wording.precision(float(np.max(oracle.error[name], initial=0.0)), at_kink)
                claims[name], kinks = claim, kinks + at_kink
                self.blur = max(self.blur, _blur(claim, truth, oracle.error[name]))
            rows.append(Row(name, truth.size, problem, note))
        if kinks and all(row.ok for row in rows) and not oracle.together(claims):
            self.likely = "a tie of which every member gets the whole gradient: the shares of a tie must add up to 1."
            return tuple(Row(row.name, row.entries, wording.TIED, row.note) for row in rows)
        return tuple(rows)

    def _compare(self, name: str, claim: Array, truth: Array, right: Array, oracle: Oracle | None = None) -> str:
        """Return in what way numbers are wrong; say of the first ones that are how to verify them."""
        if np.all(right):
            return ""
        worst = wording.worst(claim, truth, right)
        if not self.likely:
            twice = array_of((self._doubled or {"outputs": {}})["outputs"].get(name))
            self.likely = explained(self._evidence(name, claim, truth, oracle, twice))
        if not self.by_hand and oracle is not None:
            self.by_hand = wording.by_hand(oracle, name, worst)
        return wording.comparison(name, worst, claim, truth, right)

    def _evidence(self, name: str, claim: Array, truth: Array, oracle: Oracle | None, twice: Array | None) -> Evidence:
        """Return what a diagnosis can look at; much of it only where one array comes out of arrays."""
        evidence = Evidence(claim, truth)
        if oracle is None:
            return evidence
        inputs, g, y = self.case.inputs, self.case.upstream, self.case.output
        evidence.names, evidence.operands = list(inputs), list(inputs.values())
        evidence.number, evidence.doubled = evidence.names.index(name[1:]), twice
        evidence.truths = {evidence.names.index(other[1:]): known for other, known in oracle.truth.items()}
        if isinstance(g, (float, np.ndarray)) and np.shape(g) == np.shape(y) and np.size(g) * claim.size <= _LARGEST:
            evidence.upstream, evidence.output = np.asarray(g, dtype=float), np.asarray(y, dtype=float)
            evidence.forward = lambda *operands: oracle.forward(**dict(zip(inputs, operands, strict=True)))
            evidence.jacobian = jacobian(evidence.forward, evidence.operands, evidence.number)
        return evidence


def _blur(claim: Array, truth: Array, error: Array) -> float:
    """Return how far a gradient that is nearly right is off, for its size and beyond what is known of the truth."""
    size = float(np.max(np.abs(truth), initial=0.0))
    off = np.abs(claim - truth) - 8 * error
    off = off[off <= 1e-6 * size]  # not at a kink, where another slope is right as well
    return float(np.max(off, initial=0.0)) / size if size else 0.0


def array_of(found: Seen | None) -> Array | None:
    """Return the numbers of an output, or None when it has none."""
    if found is None or found.get("data") is None:
        return None
    return np.array(found["data"], dtype=np.float64).reshape(found["shape"])


def close(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):  # inf - inf
        near = np.abs(a - b) <= _ATOL + _RTOL * np.maximum(np.abs(a), np.abs(b))
    return np.asarray(near | (a == b) | (np.isnan(a) & np.isnan(b)))
