"""Surfaces and paths on them: of a function of two numbers, and of the loss around trained weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nn.module import Module
from nn.plots.boundary import recorded_states
from nn.plots.look import GREY, PALETTE, axes_of, explained, finished, plain, style
from nn.plots.recorder import Recorder, loaded
from nn.run import evaluating

__all__ = ["loss_surface", "surface"]

Array = np.ndarray[Any, Any]
Direction = tuple[Array, str]


def surface(
    function: Callable[[Array, Array], Any],
    paths: Mapping[str, Any],
    extent: Sequence[float],
    *,
    goal: tuple[float, float] | None = None,
    steps: int = 200,
    ax: Any = None,
    path: Any = None,
    title: str = "",
    legend: bool = True,
) -> Any:
    """Draw the contours of a function of two numbers, and paths on it.

    Parameters
    ----------
    function : callable
        From two arrays of one shape, x and y, to the heights. Contours are logarithmic above the lowest place.
    paths : mapping of str to array_like
        Of shape (n, 2); they start at a square and end at their marker. What is not finite ends a path.
    extent : sequence of float
        Least and greatest x, least and greatest y.
    goal : tuple of float, optional
        Marked by a star.
    steps : int, optional
        Points along each axis.
    ax : matplotlib.axes.Axes, optional
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional
    legend : bool, optional

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = surface(lambda x, y: x**2 + 4 * y**2, {"down": [[1, 1], [0.5, 0.2]]}, (-1.5, 1.5, -1.5, 1.5))
    >>> figure.axes[0].get_legend_handles_labels()[1]
    ['down']
    """
    x, y = np.meshgrid(np.linspace(extent[0], extent[1], steps), np.linspace(extent[2], extent[3], steps))
    z = np.asarray(function(x, y), float)
    axes = plain(axes_of(ax), title, "x", "y", grid=False)
    low = np.nanmin(np.where(np.isfinite(z), z, np.nan))
    above = np.ma.masked_invalid(z - low)
    levels = np.geomspace(max(above.max() * 5e-4, 1e-300), max(above.max(), 2e-300), 12)
    axes.contour(x, y, above, levels=levels, colors=GREY, linewidths=0.7, alpha=0.6)
    for i, (name, points) in enumerate(paths.items()):
        way = np.asarray(points, float)
        if way.ndim != 2 or way.shape[1] != 2 or not len(way):
            raise ValueError(f"the path {name!r} must have shape (n, 2), got {way.shape}")
        bad = ~np.isfinite(way).all(axis=1)
        way = way[: int(np.argmax(bad))] if bad.any() else way
        look = {**style(i), "markersize": 6, "markeredgecolor": "white"}
        axes.plot(*way.T, label=name, markevery=[max(len(way) - 1, 0)] if len(way) else [], **look)
        if len(way):
            axes.plot(*way[0], "ks", markersize=5, zorder=4, gid="start")
    if goal is not None:
        axes.plot(*goal, "k*", markersize=13, zorder=4, gid="goal")
    axes.set(xlim=extent[:2], ylim=extent[2:])
    if legend:
        explained(axes)
    return finished(axes, path)


def loss_surface(
    recorder: Recorder,
    model: Module,
    loss: Callable[..., Any],
    data: Sequence[Any],
    *,
    steps: int = 25,
    margin: float = 0.3,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw the loss in the plane in which the weights moved most, and the way they took.

    The plane goes through the last weights; its directions are the two principal components of the way from each
    snapshot to them (Li et al. 2018, section 7).

    Parameters
    ----------
    recorder : Recorder
    model : Module
        The one that was trained; it keeps the weights it has.
    loss : callable
        ``loss(output, target)`` to one number.
    data : tuple of array_like
        The inputs, then the target: all that the loss is to be taken of. There are ``steps**2`` evaluations.
    steps : int, optional
        Points along each axis.
    margin : float, optional
        How far the picture goes beyond the path, relative to its width.
    ax : matplotlib.axes.Axes, optional
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

    Notes
    -----
    Buffers, such as the running statistics of batch normalisation, are those of the end everywhere.
    """
    states = recorded_states(recorder, "of a loss")
    if len(states) < 2:
        raise ValueError("this Recorder has seen no whole epoch yet: train for at least one")
    if not isinstance(data, (tuple, list)) or len(data) < 2:
        raise TypeError(f"data must be a tuple of the inputs and the target, got {type(data).__name__}")
    names = [n for n in recorder.names if n in states[-1][1]]
    way = np.array([np.concatenate([state[n].ravel() for n in names]) for _, state in states], float)
    finite = np.isfinite(way).all(axis=1)
    if finite.sum() < 2 or not finite[-1]:
        raise ValueError("the last weights are not finite, so there is no surface around them: see the learning curves")
    epochs = [epoch for (epoch, _), good in zip(states, finite, strict=True) if good]
    end, way = way[-1], way[finite]
    directions, shares = _directions(way - end)
    places = (way - end) @ directions.T
    x, y = (_stretch(places[:, k], places, margin, steps) for k in range(2))
    heights = _heights(model, loss, data, states[-1][1], names, end, directions, x, y)
    axes = axes_of(ax)
    _contours(axes, x, y, heights)
    axes.plot(*places.T, "-o", color=PALETTE[1], markersize=3, linewidth=1.5, label="way of the weights", zorder=3)
    axes.plot(*places[0], "ks", markersize=7, label=f"epoch {epochs[0]}", zorder=4)
    axes.plot(*places[-1], "k*", markersize=13, label=f"epoch {epochs[-1]}", zorder=4)
    said = [f"direction {k + 1} ({100 * share:.0f} % of the way)" for k, share in enumerate(shares)]
    plain(axes, title or "Loss around the way of the weights", said[0], said[1], grid=False)
    explained(axes)
    return finished(axes, path)


def _directions(moves: Array) -> tuple[Array, Array]:
    """Return two orthonormal directions, of shape (2, n), and the share of the squared way in each."""
    _, lengths, rows = np.linalg.svd(moves, full_matrices=False)
    shares = lengths**2 / max(float(np.sum(lengths**2)), 1e-300)
    found = [row for row, length in zip(rows, lengths, strict=True) if length > 1e-12 * max(lengths[0], 1e-300)][:2]
    shares = np.append(shares[: len(found)], [0.0, 0.0])[:2]
    draw = np.random.default_rng(0)
    while len(found) < 2:  # a way along one line, or none: another direction, at right angles to it
        other = draw.normal(size=moves.shape[1])
        for row in found:
            other -= (other @ row) * row
        norm = float(np.linalg.norm(other))
        found.append(other / norm if norm > 1e-9 else np.zeros_like(other))
    return np.array(found), shares


def _stretch(along: Array, places: Array, margin: float, steps: int) -> Array:
    """Return the coordinates of the grid along one direction, wide enough to see a surface."""
    low, high = float(along.min()), float(along.max())
    least = 0.4 * float(np.ptp(places, axis=0).max()) or 1.0
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    pad = margin * (high - low)
    return np.linspace(low - pad, high + pad, steps)


def _heights(
    model: Module,
    loss: Callable[..., Any],
    data: Sequence[Any],
    state: Mapping[str, Array],
    names: Sequence[str],
    end: Array,
    directions: Array,
    x: Array,
    y: Array,
) -> Array:
    *inputs, target = data
    cuts = np.cumsum([state[n].size for n in names])[:-1]
    heights = np.empty((len(y), len(x)))
    with loaded(model, state), evaluating(model), np.errstate(all="ignore"):
        for j, b in enumerate(y):
            for i, a in enumerate(x):
                parts = np.split(end + a * directions[0] + b * directions[1], cuts)
                model.load_state_dict(
                    {n: part.reshape(state[n].shape) for n, part in zip(names, parts, strict=True)}, strict=False
                )
                heights[j, i] = float(loss(model(*inputs), target))
    return heights


def _contours(axes: Any, x: Array, y: Array, heights: Array) -> None:
    """Shade and line the surface, logarithmically if it is positive; the lines bear their heights."""
    from matplotlib.colors import LogNorm, Normalize

    known = heights[np.isfinite(heights)]
    if not len(known) or known.min() == known.max():
        axes.text(0.5, 0.02, "the loss is the same everywhere here", ha="center", transform=axes.transAxes, fontsize=8)
        return
    low, high = known.min(), known.max()
    logarithmic = low > 0
    levels = np.geomspace(low, high, 13) if logarithmic else np.linspace(low, high, 13)
    norm = (LogNorm if logarithmic else Normalize)(low, high)
    shown = np.ma.masked_invalid(heights)
    axes.contourf(x, y, shown, levels=levels, norm=norm, cmap="cividis", alpha=0.55)
    marked = axes.contour(x, y, shown, levels=levels[1:-1:2], colors="black", linewidths=0.6)
    axes.clabel(marked, fontsize=7, fmt="%.2g")
