"""Decision boundaries in the plane: of a model as it is, and at some epochs of its training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nn.module import Module
from nn.plots.answers import probabilities, samples_of
from nn.plots.layers import recorded
from nn.plots.look import axes_of, bare, explained, finished, panels, plain
from nn.plots.recorder import Recorder, loaded

__all__ = [
    "boundary_strip",
    "chosen_epochs",
    "decision_boundary",
    "draw_points",
    "extent_of",
    "frame",
    "recorded_states",
]

Array = np.ndarray[Any, Any]
# Of each class the shade of its region, the colour of its points, and their shape.
_LOOKS = (
    ("#7fa8bf", "#173f5f", "o"),
    ("#e3a08a", "#8f2d12", "^"),
    ("#8fcfb9", "#00543d", "s"),
    ("#e6c0d6", "#7a3560", "D"),
    ("#f3d28a", "#7a5200", "v"),
    ("#c9c9c9", "#222222", "P"),
    ("#b4dcf2", "#1f6f9c", "X"),
    ("#f6ee9f", "#6b6500", "*"),
)


def decision_boundary(
    model: Any,
    X: Any,  # noqa: N803
    y: Any,
    *,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
    names: Sequence[str] | None = None,
    extent: Sequence[float] | None = None,
    steps: int = 120,
    size: float = 14,
    legend: bool = True,
) -> Any:
    """Draw what a classifier answers in the plane, the line where it changes its mind, and the samples.

    Parameters
    ----------
    model : Module, estimator or callable
        A Module gives logits, or probabilities if it ends in a Sigmoid or Softmax; of an estimator
        ``predict_proba`` is asked; a callable goes from points of shape (N, 2) to probabilities. One number a point is
        that of class 1.
    X : array_like
        Shape (N, 2).
    y : array_like
        N classes: 0, 1, ..., or those of the estimator.
    ax : matplotlib.axes.Axes, optional
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional
    names : sequence of str, optional
        Of the classes; by default those of the estimator.
    extent : sequence of float, optional
        Least and greatest x1, least and greatest x2; by default what holds all samples, and a margin.
    steps : int, optional
        Points along each axis.
    size : float, optional
        Of the points, as in matplotlib's ``scatter``.
    legend : bool, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When X is not in the plane, or y does not fit.
    ImportError
        Without scikit-learn, whose display this is.

    Examples
    --------
    >>> import numpy as np, nn
    >>> X, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
    >>> figure = decision_boundary(nn.Linear(2, 1), X, y)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['class 0', 'class 1']
    """
    x, labels = samples_of(model, X, y)
    if names is None and hasattr(model, "classes_"):
        names = [str(c) for c in model.classes_]
    axes = axes_of(ax)
    extent = extent_of(x) if extent is None else extent
    _shade(axes, lambda points: probabilities(model, points), extent, steps)
    draw_points(axes, x, labels, names, size)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    plain(axes, title or "", "x1", "x2", grid=False)
    if legend:
        explained(axes, handletextpad=0.2, loc=_emptiest_corner(x, extent))
    return finished(axes, path)


def extent_of(x: Array) -> tuple[float, float, float, float]:
    low, high = x.min(axis=0), x.max(axis=0)
    margin = np.where(high > low, 0.12 * (high - low), 0.5)
    (x0, y0), (x1, y1) = low - margin, high + margin
    return float(x0), float(x1), float(y0), float(y1)


def _emptiest_corner(x: Array, extent: Sequence[float]) -> str:
    """Return where the legend hides the fewest samples; matplotlib's own search takes longer than the drawing."""
    place = (x - [extent[0], extent[2]]) / [extent[1] - extent[0], extent[3] - extent[2]]
    corners = {"upper right": (1, 1), "upper left": (0, 1), "lower right": (1, 0), "lower left": (0, 0)}
    hidden = {name: np.count_nonzero((np.abs(place - at) < 0.3).all(axis=1)) for name, at in corners.items()}
    return min(hidden, key=lambda name: hidden[name])


def _shade(axes: Any, probability: Callable[[Array], Array], extent: Sequence[float], steps: int) -> Any:
    """Shade the plane by scikit-learn's display, and draw the lines between the classes."""
    try:
        from sklearn.inspection import DecisionBoundaryDisplay
    except ImportError:
        raise ImportError("decision boundaries need scikit-learn: pip install scikit-learn") from None
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap

    xs, ys = np.linspace(extent[0], extent[1], steps), np.linspace(extent[2], extent[3], steps)
    grid = np.meshgrid(xs, ys)
    p = probability(np.column_stack([grid[0].ravel(), grid[1].ravel()]))
    count = 2 if p.ndim == 1 else p.shape[1]
    look: dict[str, Any] = {"plot_method": "pcolormesh", "ax": axes, "rasterized": True, "zorder": -1}
    if count == 2:
        response = p.reshape(grid[0].shape)
        colours = LinearSegmentedColormap.from_list("two classes", [_LOOKS[0][0], "#f7f7f7", _LOOKS[1][0]])
        look |= {"cmap": colours, "vmin": 0, "vmax": 1, "shading": "gouraud"}
    else:
        response = p.argmax(axis=1).reshape(grid[0].shape)
        look |= {"cmap": ListedColormap([_LOOKS[k % 8][0] for k in range(count)]), "vmin": -0.5, "vmax": count - 0.5}
    # Newer versions ask for the number of classes; 2 stands for one surface in the colours that are given.
    asked = {"n_classes": 2} if "n_classes" in inspect.signature(DecisionBoundaryDisplay).parameters else {}
    display = DecisionBoundaryDisplay(xx0=grid[0], xx1=grid[1], response=response, **asked).plot(**look)
    for side in [response - 0.5] if count == 2 else _leads(p, grid[0].shape):
        if np.nanmin(side) < 0 < np.nanmax(side):
            axes.contour(*grid, side, levels=[0.0], colors="black", linewidths=1.3)
    return display.surface_


def _leads(p: Array, shape: tuple[int, ...]) -> list[Array]:
    """Return for each class by how much it is more likely than the next."""
    found = []
    for k in range(p.shape[1]):
        others = np.delete(p, k, axis=1).max(axis=1)
        found.append((p[:, k] - others).reshape(shape))
    return found


def draw_points(axes: Any, x: Array, y: Any, names: Sequence[str] | None = None, size: float = 14) -> None:
    """Draw points of several classes, which differ in colour and in shape.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x : ndarray
        Shape (N, 2).
    y : array_like
        N classes: 0, 1, ...
    names : sequence of str, optional
    size : float, optional
    """
    labels = np.ravel(y).astype(int)
    for k in np.unique(labels):
        name = names[k] if names is not None and k < len(names) else f"class {k}"
        look = {"c": _LOOKS[k % 8][1], "marker": _LOOKS[k % 8][2], "edgecolors": "white", "linewidths": 0.4}
        axes.scatter(*x[labels == k].T, s=size, label=name, zorder=3, **look)


def recorded_states(recorder: Any, what: str) -> list[tuple[int, dict[str, Array]]]:
    """Return the snapshots of a recorder, or say why there are none."""
    recorder = recorded(recorder, what)
    states: list[tuple[int, dict[str, Array]]] = recorder.states()
    if not states:
        raise ValueError(f"this Recorder kept no weights, so there is nothing to draw {what}: Recorder(snapshots=True)")
    return states


def chosen_epochs(count: int, wanted: int) -> list[int]:
    """Return which of some snapshots to look at, the early ones close together because most happens there."""
    if count <= wanted:
        return list(range(count))
    return [int(i) - 1 for i in np.unique(np.geomspace(1, count, wanted).round())]


def frame(
    axes: Any, model: Module, epoch: int, x: Array, labels: Array, names: Sequence[str] | None, **look: Any
) -> str:
    """Draw the boundary of one epoch; return its title."""
    p = probabilities(model, x)
    guess = (p > 0.5).astype(int) if p.ndim == 1 else p.argmax(axis=1)
    title = f"epoch {epoch}: accuracy {np.mean(guess == labels):.3f}"
    decision_boundary(model, x, labels, ax=axes, names=names, **look)
    axes.set_xlabel("")
    axes.set_ylabel("")
    axes.set_title("", loc="left")
    bare(axes, title)
    return title


def boundary_strip(
    recorder: Recorder,
    model: Module,
    X: Any,  # noqa: N803
    y: Any,
    *,
    frames: int = 6,
    path: Any = None,
    title: str | None = None,
    names: Sequence[str] | None = None,
    extent: Sequence[float] | None = None,
    steps: int = 90,
) -> Any:
    """Draw the decision boundary at some epochs of the training, side by side.

    Parameters
    ----------
    recorder : Recorder
    model : Module
        The one that was trained; it keeps the weights it has.
    X, y, names, extent, steps
        As in `decision_boundary`.
    frames : int, optional
        How many at most; the early epochs are close together, because most happens there.
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
    states = recorded_states(recorder, "of a boundary")
    x, labels = samples_of(model, X, y)
    picked = chosen_epochs(len(states), frames)
    extent = extent_of(x) if extent is None else extent
    figure, places = panels(1, len(picked), 2.3, 2.2)
    for axes, i in zip(places.flat, picked, strict=True):
        epoch, state = states[i]
        with loaded(model, state):
            frame(axes, model, epoch, x, labels, names, extent=extent, steps=steps, legend=False)
    handles = places[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=12)
    return finished(figure, path)
