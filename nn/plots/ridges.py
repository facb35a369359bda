"""How weights and gradients spread: a ridge for each of some epochs, the first one behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.plots.layers import drawn_parameters, recorded
from nn.plots.look import axes_of, finished, panels, plain
from nn.plots.recorder import Recorder

__all__ = ["density", "distributions"]

Array = np.ndarray[Any, Any]
_POINTS = 160
_LABELS = {"weight": "weight", "gradient": "|gradient|"}


def distributions(
    recorder: Recorder,
    of: str = "weight",
    names: Sequence[str] | None = None,
    *,
    ridges: int = 10,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw how the numbers of each parameter spread over the epochs: the ridges of a range of hills, the first behind.

    Weights are drawn as they are, gradients by their size on a logarithmic scale. Each ridge is a density (Gaussian
    kernels, Silverman's width), scaled to one height.

    Parameters
    ----------
    recorder : Recorder
    of : {"weight", "gradient"}, optional
    names : sequence of str, optional
        Parameters, a panel each; by default all with two axes or more, at most six: the first and the last three.
    ridges : int, optional
        How many epochs to draw at most; evenly spread.
    ax : matplotlib.axes.Axes, optional
        For one parameter.
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        When there is nothing to draw: says how to record it.
    """
    recorder = recorded(recorder, "of distributions")
    if ridges < 1:
        raise ValueError(f"ridges must be at least 1, got {ridges}")
    chosen = drawn_parameters(recorder, names)
    left_out = ""
    if names is None and len(chosen) > 6:
        left_out = f" ({len(chosen) - 6} in the middle left out)"
        chosen = [*chosen[:3], *chosen[-3:]]
    if ax is not None and len(chosen) != 1:
        raise ValueError(f"one axes can show one parameter, got {len(chosen)}: pass names=[...] with one name")
    if not recorder.distribution(of, chosen[0])[0]:
        raise ValueError(f"this Recorder has seen no {of} yet: train for at least one epoch")
    columns = min(len(chosen), 3)
    rows = -(-len(chosen) // columns)
    places = [axes_of(ax)] if ax is not None else list(panels(rows, columns, 3.9, 3.6)[1].flat)
    for axes, name in zip(places, chosen, strict=False):
        _panel(axes, recorder, of, name, ridges)
    for axes in places[len(chosen) :]:
        axes.remove()
    if ax is None:
        places[0].figure.suptitle((title or f"How the {of}s spread, epoch by epoch") + left_out, fontsize=12)
    return finished(places[0], path)


def _panel(axes: Any, recorder: Recorder, of: str, name: str, ridges: int) -> None:
    epochs, numbers = recorder.distribution(of, name)
    picked = np.unique(np.linspace(0, len(epochs) - 1, ridges).round().astype(int))
    rows = [_prepared(numbers[i], of) for i in picked]
    known = np.concatenate([values for values, _ in rows])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    least = 0.02 * (high - low) or 0.05
    pad = 2.5 * max(_width(values, least) for values, _ in rows)
    x = np.linspace(low - pad, high + pad, _POINTS)
    shades = _shades(len(picked))
    for k, ((values, note), i) in enumerate(zip(rows, picked, strict=True)):
        base = float(len(picked) - 1 - k)
        heights = density(values, x, least)
        heights = 1.7 * heights / heights.max() if heights.max() > 0 else heights
        axes.fill_between(x, base, base + heights, color=shades[k], alpha=0.85, linewidth=0, zorder=2 + k)
        axes.plot(x, base + heights, color="black", linewidth=0.8, zorder=2 + k, gid=f"epoch {epochs[i]}")
        if note:
            axes.text(x[-1], base, f" {note}", va="bottom", fontsize=7)
    shape = "×".join(map(str, recorder.shapes[recorder.names.index(name)]))
    first = axes.get_subplotspec() is None or axes.get_subplotspec().is_first_col()
    plain(axes, f"{name} ({shape})", _LABELS[of], "epoch" if first else "", grid=False)
    axes.set_yticks(range(len(picked)), [str(epochs[i]) for i in picked[::-1]], fontsize=8)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(-0.15, len(picked) + 0.85)
    if of == "gradient":
        axes.xaxis.set_major_formatter(lambda v, _: f"$10^{{{v:g}}}$")
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    elif low < 0 < high:
        axes.axvline(0, color="black", linewidth=0.6, linestyle=":", zorder=1)


def _prepared(values: Array, of: str) -> tuple[Array, str]:
    """Return what of a parameter's numbers can be drawn, and what to say of the others."""
    finite = values[np.isfinite(values)]
    lost = len(values) - len(finite)
    notes = [f"{lost} not finite"] if lost else []
    if of == "gradient":
        zeros = np.count_nonzero(finite == 0)
        if zeros:
            notes.append(f"{100 * zeros / len(values):.0f} % zeros")
        finite = np.log10(np.abs(finite[finite != 0]))
    return finite, ", ".join(notes)


def density(values: Array, x: Array, least: float) -> Array:
    """Return the density of numbers at some places: Gaussian kernels of Silverman's width, or of at least a given one.

    Parameters
    ----------
    values : ndarray
        Shape (n,).
    x : ndarray
        Shape (m,).
    least : float

    Returns
    -------
    ndarray
        Shape (m,); zeros for no numbers.

    Notes
    -----
    The width is ``0.9 min(deviation, interquartile range / 1.34) n^(-1/5)`` (Silverman 1986, eq. 3.31).
    """
    if not len(values):
        return np.zeros_like(x)
    width = _width(values, least)
    total = np.exp(-0.5 * ((x[:, None] - values) / width) ** 2).sum(axis=1)
    return np.asarray(total / (len(values) * width * np.sqrt(2 * np.pi)))


def _width(values: Array, least: float) -> float:
    if not len(values):
        return least
    low, high = np.quantile(values, (0.25, 0.75))
    return float(max(0.9 * min(np.std(values), (high - low) / 1.34) * len(values) ** -0.2, least))


def _shades(count: int) -> Array:
    """Return colours from light to dark blue, which is also from light to dark grey."""
    start, end = np.array([0.84, 0.90, 0.95]), np.array([0.0, 0.32, 0.55])
    return np.asarray(start + (end - start) * np.linspace(0, 1, count)[:, None])
