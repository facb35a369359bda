"""Pictures of arrays: images side by side, the filters of a layer, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import graph
from nn.module import Module
from nn.plots.look import axes_of, bare, finished, panels, plain

__all__ = ["confusion_matrix", "filters", "images"]

Array = np.ndarray[Any, Any]
_MOST = 64


def images(
    arrays: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    limits: tuple[float, float] | None = None,
    dark_is_high: bool = True,
    scale: str | None = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw images side by side, all on one scale of greys.

    Parameters
    ----------
    arrays : array_like
        Shape (N, height, width), or (N, height, width, 3) with colours from 0 to 1. What is not finite is hatched red.
    titles : sequence of str, optional
        One an image.
    columns : int, optional
        By default so that the picture is wider than high.
    limits : tuple of float, optional
        What white and black stand for (black and white, unless ``dark_is_high``); by default the extremes.
    dark_is_high : bool, optional
    scale : str, optional
        What the greys are, written beside a colour bar; by default there is none.
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When these are no images, or titles are missing.
    """
    tiles = np.asarray(graph.data_of(arrays), float)
    if tiles.ndim not in (3, 4) or (tiles.ndim == 4 and tiles.shape[3] != 3) or 0 in tiles.shape:
        raise ValueError(f"images have shape (N, height, width) or (N, height, width, 3), got {tiles.shape}")
    if titles is not None and len(titles) != len(tiles):
        raise ValueError(f"got {len(titles)} titles for {len(tiles)} images")
    columns = columns or _columns(len(tiles))
    rows = -(-len(tiles) // columns)
    good = tiles[np.isfinite(tiles)]
    low, high = limits or ((good.min(), good.max()) if len(good) else (0.0, 1.0))
    width = max(1.1, 0.085 * len(title or "") / columns)  # so that the title has room
    figure, places = panels(rows, columns, width, 1.1 if titles is None else 1.3)
    for axes, tile, said in zip(places.flat, tiles, titles or [""] * len(tiles), strict=False):
        shown = np.nan_to_num(tile) if tile.ndim == 3 else np.ma.masked_invalid(tile)
        grey = "gray_r" if dark_is_high else "gray"
        shades = bare(axes, said).imshow(shown, cmap=grey, vmin=low, vmax=high, interpolation="nearest")
        for i, j in np.argwhere(~np.isfinite(tile))[:, :2]:
            axes.text(j, i, "×", ha="center", va="center", color="#b02a05")
    for axes in list(places.flat)[len(tiles) :]:
        axes.remove()
    if scale is not None:
        figure.colorbar(shades, ax=figure.axes, label=scale, shrink=0.9)
    if title:
        figure.suptitle(title, fontsize=11)
    return finished(figure, path)


def _columns(count: int) -> int:
    """Return how many columns make a picture that is wider than high and leave the fewest places empty."""
    widths = range(max(1, round(np.sqrt(2.5 * count))), max(1, round(np.sqrt(5 * count))) + 1)
    return count if count < 6 else min(widths, key=lambda c: -count % c)


def filters(
    model: Any,
    name: str | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw the filters of a layer: black is the least weight, white the greatest, and 0 the grey in the middle.

    Parameters
    ----------
    model : Module or array_like
        Of a Module the first weight with two axes or more is drawn; an array has shape (out, in, height, width),
        (out, in, length) or (out, in).
    name : str, optional
        Of another parameter, by path.
    shape : tuple of int, optional
        That of an input, (height, width), for a linear layer. By default a square if ``in`` is one, or else the
        whole matrix is one picture.
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
        A tile a filter, at most 64; the channels of a filter are side by side in it, three as colours.

    Raises
    ------
    ValueError
        When there is no such parameter, or none that can be drawn.
    """
    weight, name = _weight(model, name)
    tiles, what = _tiles(weight, shape)
    said = title or f"Filters of {name}: {what}" + (f" (the first {_MOST})" if len(tiles) > _MOST else "")
    tiles = tiles[:_MOST]
    good = np.abs(tiles[np.isfinite(tiles)])
    bound = float(good.max()) if len(good) and good.max() > 0 else 1.0
    if tiles.ndim == 4:
        return images(tiles / (2 * bound) + 0.5, path=path, title=f"{said}, grey is 0")
    if len(tiles) == 1 and tiles.shape[2] > 3 * tiles.shape[1] / 2:
        figure, places = panels(1, 1, 7.0, min(1.6 + 5.0 * tiles.shape[1] / tiles.shape[2], 6.0))
        axes = plain(places[0, 0], said, "input", "unit", grid=False)
        shades = axes.imshow(tiles[0], cmap="gray", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
        figure.colorbar(shades, ax=axes, label="weight")
        return finished(figure, path)
    numbers = [str(i) for i in range(len(tiles))] if len(tiles) > 1 else None
    return images(tiles, numbers, limits=(-bound, bound), dark_is_high=False, scale="weight", path=path, title=said)


def _weight(model: Any, name: str | None) -> tuple[Array, str]:
    if not isinstance(model, Module):
        return np.asarray(graph.data_of(model), float), name or "an array"
    found = {n: p for n, p in model.named_parameters() if p.ndim > 1}
    if name is None and not found:
        raise ValueError(f"{type(model).__name__} has no weight with two axes or more, so no filters to draw")
    if name is not None and name not in found:
        raise ValueError(f"there are no filters called {name!r}; there are {', '.join(found) or 'none'}")
    name = name or next(iter(found))
    return np.asarray(found[name].numpy(), float), name


def _tiles(weight: Array, shape: tuple[int, ...] | None) -> tuple[Array, str]:
    """Return the filters as images, and what they are."""
    if weight.ndim not in (2, 3, 4) or 0 in weight.shape:
        raise ValueError(f"filters have two to four axes, (out, in, ...), got shape {weight.shape}")
    units, inputs = weight.shape[:2]
    if weight.ndim == 4:
        height, width = weight.shape[2:]
        if inputs == 3:
            return np.moveaxis(weight, 1, 3), f"{height} × {width} pixels, red, green and blue"
        beside = np.moveaxis(weight, 1, 2).reshape(units, height, inputs * width)
        return beside, f"{height} × {width} pixels" + (f", {inputs} channels side by side" if inputs > 1 else "")
    if weight.ndim == 3:
        return weight, f"channels from top to bottom, {weight.shape[2]} steps from left to right"
    side = int(np.sqrt(inputs))
    if shape is None and side * side == inputs and side > 2:
        shape = side, side
    if shape is None:
        return weight[None], f"{units} units, {inputs} inputs"
    if int(np.prod(shape)) != inputs or len(shape) != 2:
        raise ValueError(f"shape must be (height, width) with {inputs} pixels in all, got {shape}")
    return weight.reshape(units, *shape), f"{shape[0]} × {shape[1]} inputs"


def confusion_matrix(
    output: Any,
    target: Any,
    *,
    names: Sequence[str] | None = None,
    threshold: float = 0.5,
    ax: Any = None,
    path: Any = None,
    title: str | None = None,
) -> Any:
    """Draw how often samples of each class were taken for which.

    Parameters
    ----------
    output, target, threshold
        As for `nn.metrics.accuracy`: scores, or the predicted classes themselves; and the true classes.
    names : sequence of str, optional
        Of the classes 0, 1, ...; also those that do not occur.
    ax : matplotlib.axes.Axes, optional
    path : path-like, optional
        Where to save the picture: PNG, SVG or PDF, by its suffix.
    title : str, optional
        By default the accuracy.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        For no samples, or more classes than names.

    Examples
    --------
    >>> figure = confusion_matrix([0, 1, 1], [0, 1, 0], names=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '1', '0', '1']
    """
    from nn import metrics

    truth = np.asarray(graph.data_of(target))
    if truth.size == 0:
        raise ValueError("there are no samples to count: output and target are empty")
    classes = _classes(output, truth, names)
    # Of one class scikit-learn warns that there may be more.
    counts = metrics.confusion_matrix(output, target, threshold, classes) if classes > 1 else np.array([[truth.size]])
    from sklearn.metrics import ConfusionMatrixDisplay

    size = max(2.4 + 0.42 * classes, 3.4)
    axes = axes_of(ax, size + 0.1, size)
    labels = [str(k) for k in range(classes)] if names is None else list(names)
    small = {"fontsize": 8 if classes > 12 else 10}
    display = ConfusionMatrixDisplay(counts, display_labels=labels)
    display.plot(ax=axes, cmap="Blues", colorbar=False, text_kw=small, values_format="d")
    for text in axes.texts:
        if text.get_text() == "0" and classes > 4:
            text.set_text("·")
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="actual")
    if max(len(x) for x in labels) > 3 and classes > 4:
        axes.tick_params("x", rotation=60)
    axes.set_title(title or f"{np.trace(counts)} of {counts.sum()} right", loc="left", fontsize=11)
    return finished(axes, path)


def _classes(output: Any, truth: Array, names: Sequence[str] | None) -> int:
    """Return how many classes there are: as many as names, or as scores, or as the greatest number says."""
    guess = np.asarray(graph.data_of(output))
    if guess.dtype.kind in "biu":
        found = int(max(guess.max(), truth.max())) + 1
    else:
        found = guess.shape[1] if guess.ndim > 1 and guess.shape[1] > 1 else 2
    if names is not None and found > len(names):
        raise ValueError(f"there are {found} classes, but only {len(names)} names")
    return found if names is None else len(names)
