"""The command: ``python -m benchmarks [family ...] [--rounds N] [--cpu] [--markdown FILE]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks import cnn, compiled, elementwise, memory, mlp, recording, scalar, scaling
from benchmarks.peers import MissingError, absent
from benchmarks.report import HEADER, environment, lines, markdown, verdicts
from benchmarks.row import Rows
from benchmarks.timing import measure

FAMILIES: dict[str, Rows] = {
    "scalar": scalar.rows,
    "memory": memory.rows,
    "mlp": mlp.rows,
    "cnn": cnn.rows,
    "elementwise": elementwise.rows,
    "scaling": scaling.rows,
    "recording": recording.rows,
    "compile": compiled.rows,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure the families asked for, print the table and the targets, and write the Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("families", nargs="*", metavar="family", help=f"which rows: {', '.join(FAMILIES)} (all)")
    parser.add_argument("--rounds", type=int, default=15, help="how often each contender takes its turn (15)")
    parser.add_argument("--cpu", action="store_true", help="CPU seconds, not the wall's: for a machine that is busy")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.families).difference(FAMILIES))
    if unknown or options.rounds < 1:
        parser.error(f"no such family: {', '.join(unknown)}" if unknown else "--rounds must be at least 1")

    print(environment())
    for name in absent():
        print(f"{name} is not installed and takes no part")
    print(f"\n{HEADER}")
    table = []
    for family in options.families or FAMILIES:
        try:
            for row in FAMILIES[family]():
                table.append(measure(row, options.rounds, time.process_time if options.cpu else time.perf_counter))
                print(*lines(table[-1]), sep="\n", flush=True)
        except MissingError as error:
            print(f"{family}: skipped, {error}")
    print()
    for title, target, found, met in verdicts(table):
        print(f"{'met   ' if met else 'MISSED'}  {title}: {target} (measured {found})")
    if options.markdown:
        options.markdown.write_text(markdown(table, options.cpu), encoding="utf-8")


if __name__ == "__main__":
    main()
