"""The table: as lines on the terminal while it grows, and as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers import version
from benchmarks.row import NUMPY, OURS, Target
from benchmarks.timing import Measured

__all__ = ["HEADER", "environment", "lines", "markdown", "verdicts"]

_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LINE = "{:<58} {:<14} {:>9} {:>7} {:>8} {:>8}"
HEADER = _LINE.format("work", "contender", "median", "spread", "÷ ours", "÷ NumPy")


def environment() -> str:
    """Say in one line what the figures were measured on."""
    return (
        f"{_processor()} ({os.cpu_count()} cores, one thread used), {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _figure(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value:.0f} B"
    scale, name = next((s for s in _SCALES if value >= 0.9995 * s[0]), _SCALES[-1])
    value /= scale
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f} {name}"


def _times(ratio: float) -> str:
    if ratio < 0.095:
        return f"{ratio:.1g}x"
    return f"{ratio:.0f}x" if ratio >= 99.5 else f"{ratio:.1f}x" if ratio >= 9.95 else f"{ratio:.2f}x"


def _spread(measured: Measured, name: str) -> str:
    return f"±{measured.spread(name):.0%}" if measured.row.unit == "s" else ""


def lines(measured: Measured) -> Iterator[str]:
    """Return a row as lines of text, one a contender."""
    title = measured.row.title
    for name in measured.samples:
        ratios = [_times(measured.ratio(name, to)) if to in measured.samples else "" for to in (OURS, NUMPY)]
        yield _LINE.format(
            title, name, _figure(measured.median(name), measured.row.unit), _spread(measured, name), *ratios
        ).rstrip()
        title = ""


def markdown(table: Sequence[Measured], cpu: bool = False) -> str:
    """Return the whole table as Markdown, a column a contender, and the targets below it."""
    present = {name for measured in table for name in measured.samples}
    order = (OURS, NUMPY, "PyTorch", "JAX (jit)", "HIPS autograd", "MyGrad", "micrograd", "XAD")
    names = [name for name in order if name in present] + sorted(present.difference(order))
    text = [
        f"Measured on {environment()}. {'CPU' if cpu else 'Wall'} seconds: median ± half the distance between the "
        "quartiles, the contenders taking turns; in brackets the factor over ours.",
        "",
        "| work | " + " | ".join(f"{name} {version(name).partition('+')[0]}".strip() for name in names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for measured in table:
        text.append(f"| {measured.row.title} | " + " | ".join(_cell(measured, name) for name in names) + " |")
    judged = list(verdicts(table))
    if judged:
        text += ["", "| target | measured | |", "| --- | --- | --- |"]
        text += [
            f"| {title}: {target} | {found} | {'met' if met else '**missed**'} |"
            for title, target, found, met in judged
        ]
    return "\n".join(text) + "\n"


def _cell(measured: Measured, name: str) -> str:
    if name not in measured.samples:
        return ""
    figure = f"{_figure(measured.median(name), measured.row.unit)} {_spread(measured, name)}".rstrip()
    return figure if name == OURS else f"{figure} ({_times(measured.ratio(name, OURS))})"


def verdicts(table: Sequence[Measured]) -> Iterator[tuple[str, str, str, bool]]:
    """Judge the targets: (row, target, measured, met) for each whose contender took part."""
    rows = {measured.row.title: measured for measured in table}
    for measured in table:
        for target in measured.row.targets:
            ratio = _against(target, measured, rows)
            if ratio is not None:
                yield measured.row.title, *_worded(target, ratio, measured.row.unit), ratio <= target.factor


def _against(target: Target, measured: Measured, rows: dict[str, Measured]) -> float | None:
    if target.against is None:
        return measured.median(OURS)
    if target.row is None:
        return measured.ratio(OURS, target.against) if target.against in measured.samples else None
    return measured.median(OURS) / rows[target.row].median(target.against) if target.row in rows else None


def _worded(target: Target, ratio: float, unit: str) -> tuple[str, str]:
    name = f"“{target.row}”" if target.row else target.against
    if name is None:
        return f"at most {_figure(target.factor, unit)}", _figure(ratio, unit)
    if target.factor < 1:
        return f"at least {1 / target.factor:.3g}x faster than {name}", f"{_times(1 / ratio)} faster"
    if target.factor == 1:
        return f"no slower than {name}", f"{_times(ratio)} its time"
    return f"at most {target.factor:g}x {name}", _times(ratio)
