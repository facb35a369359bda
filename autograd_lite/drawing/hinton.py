"""A small picture of an array: squares whose size is the magnitude, full for positive and hollow for negative entries.

After G. E. Hinton's diagrams of weights: the sign is read without colour, and in print.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite.drawing.markup import escaped
from autograd_lite.drawing.words import number

__all__ = ["hinton"]

_ROWS, _COLUMNS, _PANELS = 16, 40, 8
_SQUARES = 700
_CELL = 9.0


def hinton(array: Any, name: str = "array") -> str:
    """Return an array as SVG, with NaN marked by a cross and infinities by an arrow up or down.

    Parameters
    ----------
    array : ndarray
        Real numbers of any shape; leading axes become panels side by side, and what is too large is averaged in blocks.
    name : str

    Examples
    --------
    >>> picture = hinton(np.array([[1.0, -0.5], [np.nan, np.inf]]))
    >>> [mark in picture for mark in ("ag-plus", "ag-minus", "ag-nan", "ag-inf")]
    [True, True, True, True]
    """
    array = np.asarray(array, dtype=np.float64)
    if not array.size:
        return ""
    array = array.reshape((-1, *array.shape[-2:])) if array.ndim > 1 else array.reshape(1, 1, -1)
    rows, columns = _blocks(array[0]).shape
    blocks = [_blocks(x) for x in array[: max(1, min(_PANELS, _SQUARES // (rows * columns)))]]
    finite = np.abs(np.concatenate([b[np.isfinite(b)] for b in blocks]))
    largest = float(finite.max()) if finite.size else 0.0
    paths: dict[str, list[str]] = {"plus": [], "minus": [], "nan": [], "inf": []}
    for k, block in enumerate(blocks):
        left = k * (columns * _CELL + 6)
        for (i, j), x in np.ndenumerate(block):
            kind, path = _mark(float(x), largest, left + j * _CELL, i * _CELL)
            paths[kind].append(path)
    wide, high = len(blocks) * (columns * _CELL + 6) - 6, rows * _CELL
    styles = {
        "plus": 'fill="var(--plus)"',
        "minus": 'fill="none" stroke="var(--minus)" stroke-width="1.3"',
        "nan": 'fill="none" stroke="var(--bad)" stroke-width="1.8"',
        "inf": 'fill="none" stroke="var(--bad)" stroke-width="1.8"',
    }
    drawn = "".join(f'<path class="ag-{k}" {styles[k]} d="{"".join(v)}"/>' for k, v in paths.items() if any(v))
    frames = "".join(
        f'<rect x="{k * (columns * _CELL + 6):g}" width="{columns * _CELL:g}" height="{high:g}" fill="none" '
        'stroke="var(--rim)"/>'
        for k in range(len(blocks))
    )
    said = f"{escaped(name)} as squares, the largest is {number(largest)}"
    return (
        f'<svg role="img" aria-label="{said}" width="{wide + 2:g}" height="{high + 2:g}" '
        f'viewBox="-1 -1 {wide + 2:g} {high + 2:g}">{frames}{drawn}</svg>' + _key(array.shape, blocks, largest)
    )


def _blocks(x: Any) -> Any:
    """Average blocks of a matrix until it is small; a block with an entry that is not finite keeps the first such."""
    high, wide = (max(1, math.ceil(n / most)) for n, most in zip(x.shape, (_ROWS, _COLUMNS), strict=True))
    if high == wide == 1:
        return x
    found = np.empty((math.ceil(x.shape[0] / high), math.ceil(x.shape[1] / wide)))
    with np.errstate(all="ignore"):
        for i, j in np.ndindex(found.shape):
            block = x[i * high : (i + 1) * high, j * wide : (j + 1) * wide]
            bad = block[~np.isfinite(block)]
            found[i, j] = bad[0] if bad.size else block.mean()
    return found


def _mark(x: float, largest: float, left: float, top: float) -> tuple[str, str]:
    cx, cy = left + _CELL / 2, top + _CELL / 2
    if x != x:
        return "nan", f"M{cx - 3:g} {cy - 3:g}l6 6m0-6l-6 6"
    if math.isinf(x):
        way = -1 if x > 0 else 1
        return "inf", f"M{cx:g} {cy - 3.5 * way:g}v{7 * way}m-3 {-3 * way}l3 {3 * way}l3 {-3 * way}"
    side = (_CELL - 1.6) * math.sqrt(abs(x) / largest) if largest else 0.0
    if side < 0.4:
        return ("plus", "") if x >= 0 else ("minus", "")
    if x < 0:
        side = max(side - 1.3, 0.6)  # the outline adds to it
    return "plus" if x > 0 else "minus", f"M{cx - side / 2:.4g} {cy - side / 2:.4g}h{side:.3g}v{side:.3g}h-{side:.3g}z"


def _key(shape: tuple[int, ...], blocks: list[Any], largest: float) -> str:
    parts = ["■ positive, □ negative", f"largest {number(largest, 3)}"]
    if any(np.isnan(b).any() for b in blocks):
        parts.append("× NaN")
    if any(np.isinf(b).any() for b in blocks):
        parts.append("↑↓ ∞")
    if blocks[0].shape != shape[1:]:
        high, wide = (max(1, math.ceil(n / most)) for n, most in zip(shape[1:], (_ROWS, _COLUMNS), strict=True))
        parts.append(f"a square is the mean of {high}×{wide} entries")
    if shape[0] > len(blocks):
        parts.append(f"the first {len(blocks)} of {shape[0]:,} slices")
    return f'<span class="ag-faint">{"; ".join(parts)}</span>'
