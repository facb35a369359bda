"""Which of the places where an entry is used are counted: broadcast axes, and entries that are used several times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from autograd_lite.check.evidence import Evidence, Finding, near
from autograd_lite.check.symptoms import Symptom

__all__ = ["USES", "broadcast_axes"]


def _slices(e: Evidence) -> Iterator[Finding]:
    """Only some of the outputs that an entry feeds are counted."""
    if e.jacobian is None or e.upstream is None or e.output is None or e.output.size < 2:
        return
    parts = np.ravel(e.upstream)[:, None] * e.jacobian
    whole = parts.reshape(*e.output.shape, *e.claim.shape)
    spread = broadcast_axes(e.claim.shape, e.output.shape)
    for axis, n in enumerate(e.output.shape):
        others = tuple(i for i in range(e.output.ndim - 1))
        for k in range(n) if n > 1 else ():
            if not e.explains(np.sum(np.take(whole, k, axis=axis), axis=others)):
                continue
            detail = f"only position {k} of the {n} along axis {axis} of the result is counted"
            last = k == n - 1
            yield Finding("broadcast", 0.93 if axis in spread else 0.75, detail)
            yield Finding("last-use", (0.8 if axis in spread else 0.9) if last else 0.6, detail)
            return
    if np.all(np.count_nonzero(parts, axis=1) <= 1):
        single = np.sum(whole, axis=tuple(range(e.output.ndim, whole.ndim)))
        for axes in _subsets(e.output.ndim):
            summed = np.sum(single, axis=axes)
            if summed.size in (1, e.claim.size) and e.explains(
                np.broadcast_to(summed.ravel(), e.claim.size).reshape(e.claim.shape)
            ):
                yield Finding(
                    "broadcast", 0.92, f"summed over the axes {axes} of the result, not over those that were broadcast"
                )
                return
    used = parts != 0
    if np.all(np.count_nonzero(used, axis=0) <= 1):
        return
    rows = np.arange(len(parts))[:, None]
    columns = np.arange(parts.shape[1])
    for place, likelihood, word in ((np.max(np.where(used, rows, 0), axis=0), 0.88, "last"),
                                    (np.min(np.where(used, rows, len(parts) - 1), axis=0), 0.7, "first")):  # fmt: skip
        if e.explains(parts[place, columns].reshape(e.claim.shape)):
            detail = f"of the places where an entry is used, only the {word} one is counted"
            yield Finding("last-use", likelihood, detail)
            yield Finding("broadcast", 0.6, detail)


def _subsets(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, count + 1):
        yield from itertools.combinations(range(count), size)


def _left_out(e: Evidence) -> Iterator[Finding]:
    """The rule's linear map is the true one with some of its entries left out."""
    if e.jacobian is None or e.claimed is None:
        return
    size = float(np.max(np.abs(e.jacobian), initial=0.0))
    missing = (np.abs(e.claimed) <= 1e-9 * size) & (np.abs(e.jacobian) > 1e-9 * size)
    if np.any(missing) and near(np.where(missing, 0, e.jacobian), e.claimed):
        used = np.count_nonzero(e.jacobian, axis=0) > 1
        likelihood = 0.82 if np.all(used[np.any(missing, axis=0)]) else 0.6
        yield Finding("last-use", likelihood, "of the places where an entry is used, some are not counted")


def broadcast_axes(shape: tuple[int, ...], result: tuple[int, ...]) -> set[int]:
    """Return the axes of a result along which an operand was broadcast, if that is how their shapes fit."""
    lead = len(result) - len(shape)
    if lead < 0:
        return set()
    padded = (1,) * lead + shape
    return {i for i, (m, n) in enumerate(zip(padded, result, strict=True)) if m == 1 and n > 1}


USES: tuple[Symptom, ...] = (_slices, _left_out)
