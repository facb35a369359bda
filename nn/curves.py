"""Learning curves as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nn.history import History

__all__ = ["plot_history"]

_TRAINING, _VALIDATION = "#2a6f97", "#d1603d"


def plot_history(history: History, path: Any = None, title: str | None = None, validation: str = "validation") -> Any:
    """Draw every figure of a history against the epoch, with its validation counterpart in the same panel.

    Parameters
    ----------
    history : History
    path : path-like, optional
        Where to save the picture.
    title : str, optional
    validation : str, optional
        What to call the validation data.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    numbers = {
        c: [(row["epoch"], row[c]) for row in history if isinstance(row.get(c), (int, float))] for c in history.columns
    }
    names = [c for c in numbers if numbers[c] and c not in ("epoch", "lr", "seconds") and not c.startswith("val_")]
    figure = Figure(figsize=(5.2 * len(names), 3.8), dpi=150, layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), i + 1)
        curves = [(name, "training", _TRAINING), (f"val_{name}", validation, _VALIDATION)]
        for column, label, colour in curves:
            if numbers.get(column):
                epochs, values = zip(*numbers[column], strict=True)
                axes.plot(epochs, values, color=colour, linewidth=1.6, label=f"{label}, {values[-1]:.3f} at the end")
                axes.plot(epochs[-1], values[-1], "o", color=colour, markersize=4, clip_on=False)
        axes.set_title(name.replace("_", " "), loc="left", fontsize=11)
        axes.set_xlabel("epoch")
        axes.margins(x=0.02)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    if title:
        figure.suptitle(title, fontsize=12)
    if path is not None:
        figure.savefig(path)
    return figure
