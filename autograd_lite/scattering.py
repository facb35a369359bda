"""Adding into an array at places that may repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["add_at"]


def add_at(array: np.ndarray[Any, Any], index: Any, value: Any) -> None:
    """Do ``np.add.at(array, index, value)``; rows picked by numbers are added several times as fast, to the same bits.

    Examples
    --------
    >>> table = np.zeros((2, 2))
    >>> add_at(table, np.array([1, 1, -2]), np.ones((3, 2)))
    >>> table
    array([[1., 1.],
           [2., 2.]])
    """
    rows = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    by_number = isinstance(rows, np.ndarray) and rows.dtype.kind in "iu"
    if not by_number or array.ndim < 2 or not array.size or not array.flags.c_contiguous:
        np.add.at(array, index, value)
        return
    wide = array.size // len(array)  # NumPy is quick at single entries only, in the same order; -1 still is the last
    places = rows.astype(np.intp).reshape(-1, 1) * wide + np.arange(wide)
    entries = np.broadcast_to(value, rows.shape + array.shape[1:])
    np.add.at(array.reshape(-1), places.reshape(-1), entries.reshape(-1))
