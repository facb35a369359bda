"""Break every derivative rule of the table, in every way that people do, and see that its op's own checks notice.

``python -m tests.mutants`` wraps each (op, operand) in turn and each jvp, runs that op's checks alone, and prints a
table. A mutant that changed nothing in any call (a negated zero, a transposed vector) is no mistake and is listed as
such. Exits with 1 when a mutant survives.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import ops
from autograd_lite.check.sample import has_rule
from autograd_lite.graph import Node, Patch, data_of
from tests.opchecks import CHECKS

__all__ = ["CORRUPTIONS", "Mutant", "Outcome", "installed", "mutate", "targets"]

# The checks in which a wrong derivative can show.
_TELLING = ("faces", "first", "forward_mode", "second", "float32", "stable")


def _reversed(x: Any) -> Any:
    if np.ndim(x) == 2 and np.shape(x)[0] == np.shape(x)[1]:
        return np.swapaxes(x, 0, 1)
    return np.flip(x) if np.ndim(x) else x


def _single(x: Any) -> Any:
    if isinstance(x, Node) and x.is_array:
        return ops.astype(ops.astype(x, np.float32), x.dtype)  # type: ignore[attr-defined]
    if isinstance(x, Node):
        return x
    narrow = np.float32(x)
    return narrow.astype(np.asarray(x).dtype) if isinstance(x, (np.ndarray, np.generic)) else float(narrow)


def _one_entry(x: Any) -> Any:
    dtype = np.asarray(data_of(x)).dtype
    factor = np.ones(np.shape(x), dtype=dtype if dtype.kind == "f" else np.float64)
    factor.flat[-1:] = 1.25
    return x * factor if np.ndim(x) else x * 1.25


CORRUPTIONS: dict[str, Callable[[Any], Any]] = {
    "negate": lambda x: -1 * x,
    "double": lambda x: 2 * x,
    "zero": lambda x: 0 * x,
    "transpose": _reversed,
    "+0.1 %": lambda x: 1.001 * x,
    "+1e-6": lambda x: (1 + 1e-6) * x,
    "float32": _single,
    "one entry": _one_entry,
    "+0.1": lambda x: x + 0.1,
}


class Outcome(NamedTuple):
    """What became of a mutant: killed (by which check), equivalent, survived, or unreached."""

    op: str
    operand: int | str
    corruption: str
    fate: str
    detail: str


class Mutant:
    """A rule with a mistake, which remembers whether the mistake ever showed."""

    def __init__(self, rule: Any, corrupt: Callable[[Any], Any]) -> None:
        self.rule, self.corrupt = rule, corrupt
        self.called = self.changed = False

    def __call__(self, *args: Any, **params: Any) -> Any:
        self.called = True
        return self._corrupted(self.rule(*args, **params) if callable(self.rule) else self.rule)

    def _corrupted(self, result: Any) -> Any:
        if isinstance(result, Patch):
            return result._replace(value=self._corrupted(result.value))
        if isinstance(result, (list, tuple)):
            if self.corrupt is _reversed and len({np.shape(share) for share in result}) == 1:
                result = result[::-1]
            return [self._corrupted(share) for share in result]
        wrong = self.corrupt(result)
        before, after = data_of(result), data_of(wrong)
        self.changed = self.changed or not np.array_equal(before, after, equal_nan=np.asarray(after).dtype.kind == "f")
        return wrong


@contextlib.contextmanager
def installed(name: str, operand: int | str, mutant: Any) -> Iterator[None]:
    """Put another rule in the place of one of the table."""
    if isinstance(operand, int):
        with ops.overridden(name, operand, mutant):
            yield
        return
    op = ops.TABLE[name]
    kept = op.jvp
    object.__setattr__(op, "jvp", mutant)
    try:
        yield
    finally:
        object.__setattr__(op, "jvp", kept)


def targets(names: Iterable[str] = ()) -> Iterator[tuple[str, int | str, Any]]:
    """Yield (op, operand, rule) for every rule that a gradient can pass, and (op, "jvp", function)."""
    for name in names or ops.TABLE:
        op = ops.TABLE[name]
        for operand, rule in enumerate(op.rules):
            if has_rule(op, operand):
                yield name, operand, rule
        if op.jvp is not None:
            yield name, "jvp", op.jvp


def mutate(name: str, operand: int | str, corruption: str) -> Outcome:
    """Break one rule in one way and run the op's checks."""
    op = ops.TABLE[name]
    rule = op.jvp if isinstance(operand, str) else op.rules[operand]
    mutant = Mutant(rule, CORRUPTIONS[corruption])
    with installed(name, operand, mutant):
        for check in _TELLING:
            try:
                CHECKS[check](op)
            except Exception as error:
                kind = "" if isinstance(error, AssertionError) else f" ({type(error).__name__})"
                return Outcome(name, operand, corruption, "killed", check + kind)
    fate = "survived" if mutant.changed else "equivalent" if mutant.called else "unreached"
    return Outcome(name, operand, corruption, fate, "")


def _mutate_all(job: tuple[str, int | str]) -> list[Outcome]:
    name, operand = job
    return [mutate(name, operand, corruption) for corruption in CORRUPTIONS]


def _table(outcomes: list[Outcome]) -> str:
    lines = [f"{'mutant':<12}{'killed':>8}{'equivalent':>12}{'survived':>10}{'unreached':>11}"]
    for corruption in CORRUPTIONS:
        fates = Counter(o.fate for o in outcomes if o.corruption == corruption)
        columns = [fates[fate] for fate in ("killed", "equivalent", "survived", "unreached")]
        lines.append(f"{corruption:<12}{columns[0]:>8}{columns[1]:>12}{columns[2]:>10}{columns[3]:>11}")
    by_check = Counter(o.detail.split(" ")[0] for o in outcomes if o.fate == "killed")
    lines.append("killed by: " + ", ".join(f"{check} {n}" for check, n in by_check.most_common()))
    return "\n".join(lines)


def _reason(o: Outcome) -> str:
    rule = ops.TABLE[o.op].rules[o.operand] if isinstance(o.operand, int) else None
    if isinstance(rule, (int, float)):
        return f" (the constant {rule})"
    return " (exact in single precision)" if o.corruption == "float32" else " (one number, or symmetric)"


def _details(outcomes: list[Outcome]) -> str:
    lines = []
    equivalent: dict[str, list[str]] = {}
    for o in outcomes:
        if o.fate == "equivalent":
            equivalent.setdefault(f"{o.op}/{o.operand}{_reason(o)}", []).append(o.corruption)
        elif o.fate in ("survived", "unreached"):
            lines.append(f"{o.fate.upper()}: {o.op}/{o.operand}, {o.corruption}")
    lines.append("equivalent, the mutant gives the same numbers in every call:")
    lines += [f"  {rule}: {', '.join(corruptions)}" for rule, corruptions in equivalent.items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the number of the exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--op", action="append", default=[], help="this op only; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument(
        "--nn", action="store_true", help="break the rules and formulas of nn; nn's own tests must notice"
    )
    parser.add_argument("--only", default="", help="with --nn: the places that match this pattern")
    options = parser.parse_args(arguments)
    if options.nn:
        from tests import mutants_nn

        return mutants_nn.report(options.jobs, options.only)
    begun = time.perf_counter()
    jobs = [(name, operand) for name, operand, _ in targets(options.op)]
    with multiprocessing.Pool(options.jobs) as pool:
        outcomes = [o for group in pool.imap(_mutate_all, jobs, chunksize=4) for o in group]
    print(_details(outcomes))
    print(_table(outcomes))
    print(f"{len(outcomes)} mutants of {len(jobs)} rules in {time.perf_counter() - begun:.0f} s")
    return int(any(o.fate in ("survived", "unreached") for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
