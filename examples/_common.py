"""What the examples share: options, saving pictures, tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every example: ``--out`` and ``--seed``."""
    made = argparse.ArgumentParser(prog=f"python -m examples.{name}", description=(doc or "").split("\n")[0])
    made.add_argument(
        "--out", type=Path, default=Path("runs") / name, help="folder for the pictures (default: %(default)s)"
    )
    made.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    return made


def save(figure: Any, path: Path) -> Path:
    """Write a picture, making its folder, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"saved {path}")
    return path


def table(rows: Sequence[Sequence[Any]], indent: str = "  ") -> str:
    """Return rows as aligned text; the first is the header, the first column is left-aligned."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    lines = []
    for row in texts:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append(indent + "   ".join(cells).rstrip())
    return "\n".join(lines)
