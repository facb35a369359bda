"""A record that is bounded: when it is full, every second entry goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Thinned"]

Array = np.ndarray[Any, Any]


class Thinned:
    """Arrays of evenly spread epochs, within a limit of memory.

    The first and the newest are always there. When there would be too much, every second one goes, and from then on
    only every second one stays.

    Parameters
    ----------
    limit : float
        Bytes.

    Examples
    --------
    >>> record = Thinned(limit=5 * 8)
    >>> for epoch in range(12):
    ...     record.add(epoch, np.array([float(epoch)]))
    >>> record.epochs
    [0, 4, 8, 11]
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._items: list[tuple[int, int, Array]] = []  # number, epoch, array
        self._count, self._step = 0, 1

    @property
    def epochs(self) -> list[int]:
        """The epochs of the entries."""
        return [epoch for _, epoch, _ in self._items]

    @property
    def arrays(self) -> list[Array]:
        """The entries."""
        return [array for _, _, array in self._items]

    def add(self, epoch: int, array: Array) -> None:
        """Add the entry of one more epoch; it is kept as it is, not copied."""
        if self._items and self._items[-1][0] % self._step:
            self._items.pop()
        self._items.append((self._count, epoch, array))
        self._count += 1
        while len(self._items) > 2 and len(self._items) * array.nbytes > self.limit:
            self._step *= 2
            last = self._items[-1]
            self._items = [item for item in self._items if item[0] % self._step == 0 or item is last]

    def state_dict(self) -> dict[str, Any]:
        """Return everything as numbers and arrays."""
        return {
            "numbers": [number for number, _, _ in self._items],
            "epochs": self.epochs,
            "arrays": np.stack(self.arrays) if self._items else np.zeros((0, 0)),
            "count": self._count,
            "step": self._step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state_dict()`` returned."""
        self._items = list(zip(state["numbers"], state["epochs"], list(state["arrays"]), strict=True))
        self._count, self._step = state["count"], state["step"]
