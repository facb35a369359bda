"""What all pictures share: figures without global state, colours that everybody tells apart, lines, saving."""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "BLUE", "GREY", "ORANGE", "PALETTE", "axes_of", "bare", "draw_line", "explained", "finished", "lines", "panels",
    "plain", "plain_ticks", "style", "whole_epochs",
]  # fmt: skip

Array = np.ndarray[Any, Any]
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")  # Okabe and Ito 2008
BLUE, ORANGE, GREY = PALETTE[0], PALETTE[1], "#5f6870"
_DASHES, _MARKERS = ("-", "--", "-.", ":"), "os^Dv<P"
_SUBS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,)  # what is written within a decade, of 1, 2 or more
_FORMATS = (".png", ".svg", ".pdf")


def panels(rows: int, columns: int, width: float = 4.6, height: float = 3.7) -> tuple[Any, Array]:
    """Return a figure of equal panels that belongs to nobody: pyplot neither shows nor keeps it.

    Parameters
    ----------
    rows, columns : int
    width, height : float, optional
        Of a panel, in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Shown as it is at the end of a notebook's cell.
    axes : ndarray of matplotlib.axes.Axes
        Shape (rows, columns).

    Raises
    ------
    ImportError
        Without matplotlib: says how to install it.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("nn.plots needs matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(width * columns, height * rows), dpi=130, layout="constrained")
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure, figure.subplots(rows, columns, squeeze=False)


def _png(figure: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def axes_of(ax: Any, width: float = 5.2, height: float = 3.8) -> Any:
    """Return the given axes, or those of a new figure."""
    if ax is None:
        return panels(1, 1, width, height)[1][0, 0]
    if not hasattr(ax, "plot"):
        raise TypeError(f"ax must be matplotlib axes, got {type(ax).__name__}: pass one of a figure's, or leave it out")
    return ax


def finished(picture: Any, path: Any = None) -> Any:
    """Save a figure, or that of axes, if there is a path; return the figure."""
    figure = picture.figure
    figure = figure.figure  # of a subfigure, the figure that it lies in; of a figure, itself
    if path is not None:
        target = Path(path)
        if target.suffix.lower() not in _FORMATS:
            raise ValueError(f"a picture is saved as one of {', '.join(_FORMATS)}, by its suffix; got {target.name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target)
    return figure


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


def style(i: int) -> dict[str, Any]:
    """Return the look of the i-th of several lines: no two of 28 have colour, dashes and marker in common."""
    return {
        "color": PALETTE[i % 7],
        "linestyle": _DASHES[i % 4],
        "marker": _MARKERS[i % 7],
        "markersize": 4,
        "linewidth": 1.6,
    }


def draw_line(axes: Any, x: Any, y: Any, label: str, **look: Any) -> Any:
    """Draw a line with a gap, and a cross above it, wherever a number is not finite.

    Markers stand at the end, and wherever a number stands alone.

    Returns
    -------
    matplotlib.lines.Line2D
    """
    x, y = np.asarray(x, float), np.array([np.nan if v is None else v for v in y], float)
    bad = np.array([not np.isfinite(v) for v in y], bool)
    known = np.append(np.insert(~bad, 0, False), False)
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    marked = [i for i in range(len(x)) if alone[i] or (not bad[i] and i == len(x) - 1 - np.argmax(~bad[::-1]))]
    (line,) = axes.plot(x, np.where(bad, np.nan, y), label=label, markevery=marked, **{"marker": "o", **look})
    if bad.any():
        colour, top = line.get_color(), axes.get_xaxis_transform()
        height = 0.97 - 0.04 * sum(other.get_gid() == "not finite" for other in axes.lines)
        axes.plot(x[bad], np.full(bad.sum(), height), "x", color=colour, transform=top, clip_on=False, gid="not finite")
        kinds = " or ".join(sorted({"NaN" if np.isnan(v) else "infinite" for v in y[bad]}))
        where = f"at {x[bad][0]:g}" if bad.sum() == 1 else f"{bad.sum()} from {x[bad][0]:g} on"
        line.set_label(f"{label}\n× {kinds}: {where}")
    return line


def lines(
    series: Mapping[str, Any],
    *,
    ax: Any = None,
    path: Any = None,
    title: str = "",
    xlabel: str = "epoch",
    ylabel: str = "",
    log: bool = False,
    legend: bool = True,
) -> Any:
    """Draw several lines, which differ in colour, dashes and marker.

    Parameters
    ----------
    series : mapping of str to array_like, or to a pair (x, y) of them
        What is not finite becomes a gap with a cross at the top of the picture.
    ax : matplotlib.axes.Axes, optional
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title, xlabel, ylabel : str, optional
    log : bool, optional
        A logarithmic scale, if there is any positive number; others are not drawn on it.
    legend : bool, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is nothing to draw, or x and y differ in length.
    """
    pairs = {name: s if isinstance(s, tuple) else (np.arange(len(s)), s) for name, s in series.items()}
    if not any(len(y) for _, y in pairs.values()):
        raise ValueError("there is nothing to draw: pass at least one series with at least one number")
    for name, (x, y) in pairs.items():
        if len(x) != len(y):
            raise ValueError(f"{name!r} has {len(x)} x and {len(y)} y: they belong together")
    axes = plain(axes_of(ax), title, xlabel, ylabel)
    for i, (name, (x, y)) in enumerate(pairs.items()):
        draw_line(axes, x, y, name, **style(i))
    if log:
        plain_ticks(axes, [v for _, y in pairs.values() for v in y])
    axes.margins(x=0.02)
    if legend:
        explained(axes)
    return finished(axes, path)


def explained(axes: Any, **where: Any) -> None:
    """Add the legend, with a background that keeps it legible over lines."""
    axes.legend(**{"fontsize": 9, "framealpha": 0.8, "edgecolor": "none", **where})


def whole_epochs(axes: Any, epochs: Sequence[Any]) -> None:
    """Write whole numbers on the axis of epochs, also when there is only one."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.margins(x=0.02)
    if len(set(epochs)) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)


def plain_ticks(axes: Any, values: Sequence[Any]) -> bool:
    """Make the vertical scale logarithmic, with numbers that are read at once; return False if it cannot be."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    numbers = np.array([np.nan if v is None else v for v in values], float)
    positive = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not len(positive):
        return False
    axes.set_yscale("log", nonpositive="mask")
    low, high = axes.get_ylim()
    decades = np.log10(high / low)
    if decades < 0.5:
        axes.yaxis.set_major_locator(FixedLocator(MaxNLocator(5).tick_values(low, high)))
        axes.set_ylim(low, high)
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=_SUBS[int(decades > 1.2) + int(decades > 2.5)], numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if 1e-4 <= v < 1e5 else f"{v:.0e}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return True
