"""How the layers fare: norms of gradients, steps against weights, units that are stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.plots.look import GREY, axes_of, draw_line, explained, finished, plain, plain_ticks, style, whole_epochs
from nn.plots.recorder import Recorder

__all__ = ["dead_units", "drawn_parameters", "gradient_norms", "recorded", "update_ratios"]

Array = np.ndarray[Any, Any]
_LINES = 8  # with more layers than this a map is easier to read
_PACE = 1e-3


def recorded(recorder: Any, what: str = "") -> Recorder:
    """Return a Recorder that has something to draw, or say what is missing."""
    how = "record it with nn.train.fit(..., callbacks=[nn.plots.Recorder()])"
    if not isinstance(recorder, Recorder):
        raise TypeError(f"{what or 'this picture'} is drawn from a Recorder, got {type(recorder).__name__}: {how}")
    if not recorder.names:
        raise ValueError(f"this Recorder has seen no training, so there is nothing to draw {what}: {how}".rstrip())
    return recorder


def drawn_parameters(recorder: Recorder, names: Sequence[str] | None) -> list[str]:
    """Return the parameters asked for; by default the weights, biases and scales aside."""
    if names is None:
        matrices = [n for n, shape in zip(recorder.names, recorder.shapes, strict=True) if len(shape) > 1]
        return matrices or list(recorder.names)
    for name in names:
        if name not in recorder.names:
            raise ValueError(f"there is no parameter {name!r}; there are {', '.join(recorder.names)}")
    return list(names)


def gradient_norms(
    recorder: Recorder,
    names: Sequence[str] | None = None,
    *,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw the norm of each layer's gradient over the epochs: lines up to eight layers, a map for more.

    Norms that fall by powers of ten from the last layer to the first vanish; norms that climb explode.

    Parameters
    ----------
    recorder : Recorder
    names : sequence of str, optional
        Parameters; by default all with two axes or more.
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
    """
    return _over_epochs(
        recorder, names, lambda r: r.norms("gradient"), ax, path, title or "Gradient of each layer", "norm"
    )


def update_ratios(
    recorder: Recorder,
    names: Sequence[str] | None = None,
    *,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw the norm of a step against that of the weights it changes, for each layer over the epochs.

    About a thousandth is a good pace: far above it the steps tear down what was learned, far below it nothing moves.

    Parameters
    ----------
    recorder, names, ax, path, title
        As in `gradient_norms`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        When there is nothing to draw: says how to record it.
    """

    def ratios(r: Recorder) -> Array:
        steps, weights = r.norms("update"), r.norms("weight")
        return np.divide(steps, weights, out=np.full_like(steps, np.nan), where=weights > 0)

    axes = axes_of(ax)
    _over_epochs(recorder, names, ratios, axes, None, title or "Step against weights", "|step| / |weights|", _PACE)
    return finished(axes, path)


def _over_epochs(
    recorder: Recorder,
    names: Sequence[str] | None,
    measure: Any,
    ax: Any,
    path: Any,
    title: str,
    what: str,
    pace: float | None = None,
) -> Any:
    recorder = recorded(recorder, "of layers")
    if not recorder.epochs:
        raise ValueError("this Recorder has seen no whole epoch yet: train for at least one")
    chosen = drawn_parameters(recorder, names)
    values = measure(recorder)[:, [recorder.names.index(n) for n in chosen]]
    many = len(chosen) > _LINES
    axes = axes_of(ax, 6.2, 0.26 * len(chosen) + 1.6 if many else 3.8)
    if many:
        _map(axes, recorder.epochs, chosen, values, title, what)
        return finished(axes, path)
    for i, name in enumerate(chosen):
        draw_line(axes, recorder.epochs, values[:, i], f"{name}, {values[-1, i]:.2g} at the end", **style(i))
    if pace is not None:
        axes.axhline(pace, color=GREY, linewidth=1, linestyle=(0, (1, 2)), label=f"{pace:g}, a good pace", zorder=0)
    is_log = plain_ticks(axes, values.ravel())
    plain(axes, title, "epoch", f"{what}{' (log scale)' if is_log else ''}")
    whole_epochs(axes, recorder.epochs)
    low, high = axes.get_ylim()
    if is_log:  # room for the legend above the lines
        axes.set_ylim(low, high * (high / low) ** (0.09 * (len(chosen) + 1)))
    explained(axes, loc="upper right")
    return finished(axes, path)


def _map(
    axes: Any, epochs: Sequence[int], names: Sequence[str], values: Array, title: str, what: str, log: bool = True
) -> None:
    """Draw a row a layer and a column an epoch; beside each row stands its last number."""
    from matplotlib.colors import LogNorm, Normalize

    good = values[np.isfinite(values) & (values > 0)]
    shown = np.ma.masked_invalid(np.where(values > 0, values, np.nan) if log else values).T
    limits = (good.min(), good.max()) if len(good) and good.min() < good.max() else (0.1, 1.0)
    norm = LogNorm(*limits) if log else Normalize(0, 1)
    image = axes.imshow(shown, aspect="auto", interpolation="nearest", cmap="cividis", norm=norm)
    for i, j in zip(*np.nonzero(np.ma.getmaskarray(shown)), strict=True):
        axes.text(j, i, "×", ha="center", va="center", fontsize=7, color="#b02a05")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    steps = range(0, len(epochs), -(-len(epochs) // 8))
    axes.set_xticks(steps, [str(epochs[i]) for i in steps])
    for i, last in enumerate(values[-1]):
        axes.text(len(epochs) - 0.4, i, f"{last:.1e}" if log else f"{100 * last:.0f} %", va="center", fontsize=7)
    plain(axes, f"{title} (numbers: at the end)", "epoch", grid=False)
    axes.figure.colorbar(image, ax=axes, label=f"{what}{' (log scale; × none or 0)' if log else ''}", pad=0.1)


def dead_units(recorder: Recorder, *, ax: Any = None, path: Any = None, title: str | None = None) -> Any:
    """Draw the share of each activation's units that no sample moves: ReLUs that give 0, saturated tanhs and the like.

    A unit counts when its activation is flat for every one of the last 128 training samples or so of an epoch.

    Parameters
    ----------
    recorder : Recorder
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
    """
    recorder = recorded(recorder, "of units")
    if not any(total for counts in recorder.dead.values() for _, total in counts):
        raise ValueError(
            "no units were watched: the model has no activation module, such as nn.ReLU or nn.Tanh, whose units can "
            "be stuck, or no epoch was seen. Functions such as np.tanh cannot be watched."
        )
    names = {path: f"{path} {kind}".strip() for path, kind in recorder.activations.items()}
    shares = {
        path: [stuck / total if total else np.nan for stuck, total in counts] for path, counts in recorder.dead.items()
    }
    title = title or "Units that no sample moves"
    many = len(shares) > _LINES
    axes = axes_of(ax, 6.2 if many else 5.2, 0.26 * len(shares) + 1.6 if many else 3.8)
    if many:
        values = np.array(list(shares.values())).T
        _map(axes, recorder.epochs, [names[p] for p in shares], values, title, "share of the layer", log=False)
        return finished(axes, path)
    for i, (name, share) in enumerate(shares.items()):
        stuck, total = recorder.dead[name][-1]
        draw_line(axes, recorder.epochs, share, f"{names[name]}: {stuck} of {total} at the end", **style(i))
    plain(axes, title, "epoch", "share of the layer")
    axes.set_ylim(-0.03, 1.03 if max(map(np.nanmax, shares.values())) > 0.5 else 0.53)
    axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
    whole_epochs(axes, recorder.epochs)
    explained(axes)
    return finished(axes, path)
