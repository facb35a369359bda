"""Learning curves: of one run, and of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nn.plots.look import (
    BLUE,
    GREY,
    ORANGE,
    axes_of,
    draw_line,
    explained,
    finished,
    lines,
    panels,
    plain,
    plain_ticks,
    whole_epochs,
)

if TYPE_CHECKING:
    from nn.history import History

__all__ = ["best_epoch", "compare_runs", "learning_curves"]

_ASIDE = ("epoch", "lr", "seconds")
_LESS_IS_BETTER = ("loss", "error", "mae", "mse", "perplexity")
_TRAINING = {"color": BLUE, "linestyle": "-", "marker": "o", "markersize": 4, "linewidth": 1.6}
_VALIDATION = {"color": ORANGE, "linestyle": "--", "marker": "s", "markersize": 4, "linewidth": 1.6}


def learning_curves(
    history: History,
    columns: Sequence[str] | None = None,
    *,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
    training: str = "training",
    validation: str = "validation",
) -> Any:
    """Draw figures of a training run against the epoch, training and validation together.

    A loss has a logarithmic scale unless it touches 0. The best epoch of the validation is marked by a star. What is
    not finite is a gap with a cross at the top.

    Parameters
    ----------
    history : History
    columns : sequence of str, optional
        Those to draw, a panel each, without ``val_``; by default all but learning rate and time.
    ax : matplotlib.axes.Axes, optional
        For one column: the loss, unless ``columns`` names another.
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional
    training, validation : str, optional
        What to call the data.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        For a history without an epoch, a column that it has not, and more columns than axes.

    Examples
    --------
    >>> import nn
    >>> history = nn.History()
    >>> for epoch, loss in enumerate([0.9, 0.5, 0.3], 1):
    ...     history.append({"epoch": epoch, "loss": loss, "val_loss": loss + 0.1})
    >>> figure = learning_curves(history)
    >>> figure.axes[0].get_title(loc="left")
    'loss'
    """
    numbers = _numbers(history)
    names = [c for c in numbers if c not in _ASIDE and not c.startswith("val_")]
    if columns is not None:
        for c in columns:
            if c not in numbers:
                raise ValueError(f"the history has no numbers called {c!r}; it has {', '.join(names) or 'none'}")
        names = list(columns)
    if ax is not None:
        names = names if columns is not None else names[:1]
        if len(names) != 1:
            raise ValueError(f"one axes can show one column, got {len(names)}: pass columns=[...] with one name")
        places = [axes_of(ax)]
    elif not names:
        raise ValueError("the history holds no figure to draw: no column of numbers beside epoch, lr and seconds")
    else:
        places = list(panels(1, len(names), 5.2, 3.8)[1].flat)
    for axes, name in zip(places, names, strict=True):
        _panel(axes, name, numbers, training, validation)
    if title and len(places) > 1:
        places[0].figure.suptitle(title, fontsize=12)
    elif title:
        places[0].set_title(title, loc="left", fontsize=11)
    return finished(places[0], path)


def _numbers(history: History) -> dict[str, list[tuple[float, float]]]:
    """Return for each column its epochs and numbers, where it has any."""
    if not hasattr(history, "rows"):
        raise TypeError(f"learning curves are drawn of a History, which fit() returns; got {type(history).__name__}")
    if not len(history):
        raise ValueError("the history has no epoch yet: train first, nn.train.fit(...) returns it filled")
    found: dict[str, list[tuple[float, float]]] = {}
    for i, row in enumerate(history, 1):
        for name, x in row.items():
            if isinstance(x, (int, float, np.number)) and not isinstance(x, bool):
                found.setdefault(name, []).append((row.get("epoch", i), float(x)))
    return found


def best_epoch(name: str, pairs: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the epoch and the number of the best one of a figure: the least of a loss or an error, or the greatest."""
    finite = [pair for pair in pairs if np.isfinite(pair[1])]
    sign = 1 if any(word in name.lower() for word in _LESS_IS_BETTER) else -1
    return min(finite, key=lambda pair: sign * pair[1]) if finite else None


def _panel(axes: Any, name: str, numbers: Mapping[str, list[tuple[float, float]]], *labels: str) -> None:
    everything: list[float] = []
    for column, label, look in zip((name, f"val_{name}"), labels, (_TRAINING, _VALIDATION), strict=True):
        pairs = numbers.get(column, [])
        if pairs:
            epochs, values = zip(*pairs, strict=True)
            draw_line(axes, epochs, values, f"{label}, {_said(values[-1])} at the end", **look)
            everything += values
    best = best_epoch(name, numbers.get(f"val_{name}", []))
    if best is not None:
        axes.axvline(best[0], color=GREY, linewidth=1, linestyle=":", zorder=0)
        said = f"best: epoch {best[0]:g}, {best[1]:.3g}"
        axes.plot(*best, "*", color=_VALIDATION["color"], markeredgecolor="black", markersize=11, label=said, zorder=4)
    is_log = "loss" in name.lower() and min((v for v in everything if np.isfinite(v)), default=0) > 0
    is_log = is_log and plain_ticks(axes, everything)
    plain(axes, name.replace("_", " "), "epoch", f"{name.replace('_', ' ')} (log scale)" if is_log else "")
    whole_epochs(axes, [epoch for column in (name, f"val_{name}") for epoch, _ in numbers.get(column, [])])
    explained(axes)


def _said(x: float) -> str:
    return f"{x:.3g}" if np.isfinite(x) else "NaN" if np.isnan(x) else "infinity"


def compare_runs(
    histories: Mapping[str, History],
    column: str = "loss",
    *,
    ax: Any = None,
    path: Any = None,
    title: str = "",
    legend: bool = True,
) -> Any:
    """Draw one figure of several training runs.

    Parameters
    ----------
    histories : mapping of str to History
        By what to call the run.
    column : str, optional
        On a logarithmic scale if it is a loss or the learning rate.
    ax : matplotlib.axes.Axes, optional
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional
    legend : bool, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        For no history at all, one without an epoch, or without the column.
    """
    series = {}
    for run, history in histories.items():
        numbers = _numbers(history)
        if column not in numbers:
            raise ValueError(f"the history of {run!r} has no numbers called {column!r}; it has {', '.join(numbers)}")
        epochs, values = zip(*numbers[column], strict=True)
        series[run] = (epochs, values)
    log = "loss" in column or column == "lr"
    what = "learning rate" if column == "lr" else column.replace("_", " ")
    ylabel = f"{what}{' (log scale)' if log else ''}"
    return lines(series, ax=ax, path=path, title=title, ylabel=ylabel, log=log, legend=legend)
