"""``python -m autograd_lite plan``: what a compiled function does, in words and as a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite.check.arguments import ArgumentsError, function_of, origin, value_of
from autograd_lite.errors import AutogradError
from autograd_lite.replay import compiling

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m autograd_lite plan train.py:step --at "x=randn(32, 30)" "t=zeros(32, 1)"
  python -m autograd_lite plan mymodel:loss --at w=0.5 x=input.npy -o plan.svg

values:
  numbers are floats and lists of them arrays; int(...) keeps integers, float32(...) makes single precision;
  randn, rand, ones and zeros take a shape; a name that ends in .npy is a file.

The function is called once, with all that it does.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        words, plan, name = _planned(given)
        print(words)
        if given.output:
            from autograd_lite.replay.plan_picture import save_plan

            print(save_plan(plan, given.output, f"plan of {name}", words))
    except (ArgumentsError, AutogradError, ValueError, OSError) as error:
        print(f"plan: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd_lite plan",
        description="Compile a function for some arguments; print its steps, fusions, memory and work, or draw them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", help="package.module:function or file.py:function")
    add("--at", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="the function's arguments, by name")
    add("--seed", type=int, default=0, help="of the values that are drawn (0)")
    add("-o", "--output", metavar="FILE", help="draw it: .svg .png .pdf .html .dot, or .txt")
    return parser


def _planned(given: argparse.Namespace) -> tuple[str, Any, str]:
    from autograd_lite.replay.plan_text import explained, fused

    rng = np.random.default_rng(given.seed)
    at: dict[str, Any] = {}
    for item in given.at:
        name, equals, value = item.partition("=")
        if not (equals and name.isidentifier()):
            raise ArgumentsError(f"--at takes NAME=VALUE, got {item!r}")
        at[name] = value_of(name, value, rng)
    f = function_of(given.what)
    step = f if isinstance(f, compiling.Compiled) else compiling.compile(f)
    try:
        step(**at)
    except AutogradError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's function raises
        raise ArgumentsError(f"{given.what} raised {origin(error)}") from None
    program = step.programs[-1]
    name = given.what.rpartition(":")[2]
    return explained(program, name), fused(program), name
