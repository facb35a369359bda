"""``python -m autograd_lite check``: the gradients of a function, or of every op of the table."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite import ops
from autograd_lite.check.arguments import ArgumentsError, bound, function_of, origin, value_of
from autograd_lite.check.gradient import gradcheck
from autograd_lite.check.opspage import as_line, as_page, conclusion, heading
from autograd_lite.check.report import Report
from autograd_lite.check.table import check_ops
from autograd_lite.errors import GradientError
from autograd_lite.paint import Paint
from autograd_lite.trees import flatten

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m autograd_lite check mymodel:loss --at "w=[[1, 2], [3, 4]]" "x=randn(2)" axis="int(0)"
  python -m autograd_lite check layers/norm.py:layer_norm --at x=input.npy eps=1e-5 --order 2 --html report.html
  python -m autograd_lite check --all

values:
  numbers are floats and lists of them arrays; int(...) keeps integers, float32(...) makes single precision;
  randn, rand, ones and zeros take a shape; a name that ends in .npy is a file.

The exit status is 0 when the gradients are right, 1 when one is wrong, 2 when nothing could be checked.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a console that lacks a letter shows "?"
    if given.all and (given.at or given.html):
        parser.error("--all takes names of ops, no --at and no --html")
    if not given.all and (given.write or len(given.what) != 1):
        parser.error("--write goes with --all" if given.write else "name one function, as package.module:function")
    try:
        return _all(given) if given.all else _one(given)
    except BrokenPipeError:  # `check --all | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (else Python complains when it flushes at its end)
        return 0
    except (ArgumentsError, OSError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd_lite check",
        description="Compare the gradients of a function with numeric derivatives.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", nargs="*", help="package.module:function or file.py:function; with --all, names of ops")
    add("--at", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="the function's operands, by name")
    add("--order", type=int, choices=(1, 2), default=1, help="2 checks the gradients of the gradients too")
    add("--rtol", type=float, default=1e-9, help="the relative tolerance (1e-9)")
    add("--seed", type=int, default=0, help="of what is drawn: values, weights of the outputs, directions (0)")
    add("--html", metavar="FILE", help="write the report as a page, too")
    add("--all", action="store_true", help="check every op of the table, or those named, and print the table")
    add("--write", metavar="FILE", help="with --all: write the table as a page of documentation in Markdown")
    return parser


def _one(given: argparse.Namespace) -> int:
    at = _values(given.at, np.random.default_rng(given.seed))
    f = bound(function_of(given.what[0]), at)
    if not any(np.asarray(x).dtype.kind == "f" for x in flatten(at)[0]):
        raise ArgumentsError("none of the operands is a floating-point number; give one, as in --at x=0.5")
    try:
        report = _renamed(gradcheck(f, at, order=given.order, rtol=given.rtol, seed=given.seed))
    except GradientError as error:
        print(_by_name(str(error)))
        return 1
    except (Exception, SystemExit) as error:  # whatever a user's function raises
        raise ArgumentsError(f"{given.what[0]} raised {origin(error)}") from None
    report.show()
    if given.html:
        Path(given.html).write_text(report.html(), encoding="utf-8")
        print(given.html)
    return 0 if report.ok else 1


def _values(at: Sequence[str], rng: np.random.Generator) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in at:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise ArgumentsError(f"--at takes NAME=VALUE, got {text!r}")
        if name in values:
            raise ArgumentsError(f"--at has two values for {name}")
        values[name] = value_of(name, value, rng)
    return values


def _by_name(text: str) -> str:
    """Name an operand as the command line does: ``x`` is entry ``'x'`` of the only input."""
    return re.sub(r"\b0\['(\w+)'\]", r"\1", text)


def _renamed(report: Report) -> Report:
    def of(record: Any) -> Any:
        texts = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
        return dataclasses.replace(record, **{k: _by_name(v) for k, v in texts.items() if isinstance(v, str)})

    return dataclasses.replace(
        report,
        entries=list(map(of, report.entries)),
        diagnoses=list(map(of, report.diagnoses)),
        problems=list(map(_by_name, report.problems)),
        notes=list(map(_by_name, report.notes)),
        errors={_by_name(name): error for name, error in report.errors.items()},
    )


def _all(given: argparse.Namespace) -> int:
    unknown = [name for name in given.what if name not in ops.TABLE]
    if unknown:
        raise ArgumentsError(f"the table has no op {', '.join(unknown)}")
    if given.what and given.write:
        raise ArgumentsError("--write needs the whole table: name no ops")
    paint = Paint.for_stream()
    print(heading(paint))
    rows = check_ops(given.what, lambda row: print(as_line(row, paint), flush=True))
    failures = [failure for row in rows for failure in row.failures]
    print("\n" + "\n\n".join([*failures, conclusion(rows)]))
    if given.write:
        Path(given.write).write_text(as_page(rows), encoding="utf-8")
        print(given.write)
    return 1 if failures else 0
