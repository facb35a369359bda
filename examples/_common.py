"""What the examples share: options, colours, and the look of their pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BLUE, ORANGE, GREY = "#2a6f97", "#d1603d", "#6c757d"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")  # Okabe and Ito 2008


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every example: ``--out`` and ``--seed``."""
    made = argparse.ArgumentParser(prog=f"python -m examples.{name}", description=(doc or "").split("\n")[0])
    made.add_argument(
        "--out", type=Path, default=Path("runs") / name, help="folder for the pictures (default: %(default)s)"
    )
    made.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    return made


def panels(rows: int, columns: int, width: float = 4.6, height: float = 3.7) -> tuple[Any, Array]:
    """Return a figure and a two-dimensional array of its axes, each of so many inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), dpi=120, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def plain(axes: Any, title: str = "", x: str = "", y: str = "", grid: bool = True) -> Any:
    """Give axes a title on the left and labels, and take away what only fills space."""
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(alpha=0.25)
    return axes


def bare(axes: Any, title: str = "") -> Any:
    """Take away everything but the picture and its title."""
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def boundary(axes: Any, probability: Callable[[Array], Array], extent: Sequence[float], steps: int = 120) -> Any:
    """Shade a plane by the probability of class 1, blue to orange, and draw the line at 1/2.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    probability : callable
        From points (N, 2) to N probabilities.
    extent : sequence of float
        Least and greatest x, least and greatest y.
    steps : int, optional
        Points along each axis.

    Returns
    -------
    matplotlib.image.AxesImage
    """
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("blue_orange", ["#7fa8bf", "#f7f7f7", "#e3a08a"])
    x, y = np.meshgrid(np.linspace(extent[0], extent[1], steps), np.linspace(extent[2], extent[3], steps))
    z = np.asarray(probability(np.column_stack([x.ravel(), y.ravel()]))).reshape(x.shape)
    image = {"extent": extent, "origin": "lower", "interpolation": "bilinear", "aspect": "auto"}
    shades = axes.imshow(z, cmap=colours, vmin=0, vmax=1, **image)
    if z.min() < 0.5 < z.max():
        axes.contour(x, y, z, levels=[0.5], colors="black", linewidths=1.4)
    return shades


def points(axes: Any, x: Array, y: Array, size: float = 12, names: Sequence[str] = ("class 0", "class 1")) -> None:
    """Draw points of two classes, which differ in colour and in shape."""
    for k, (colour, marker) in enumerate([("#173f5f", "o"), ("#8f2d12", "^")]):
        rows = np.ravel(y) == k
        axes.scatter(
            *x[rows].T, s=size, c=colour, marker=marker, edgecolors="white", linewidths=0.4, label=names[k], zorder=3
        )


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
