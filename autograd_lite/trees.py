"""Nested lists, tuples, dicts and object arrays as one list of leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["flatten"]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the leaves of a nested container, and a function that puts others in their places.

    Examples
    --------
    >>> leaves, rebuild = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild([10, 20, 30])
    {'w': [10, 20], 'b': 30}
    """
    leaves: list[Any] = []
    shape = _walk(tree, leaves)
    return leaves, lambda others: shape(iter(others))


def _walk(tree: Any, leaves: list[Any]) -> Callable[[Any], Any]:
    if isinstance(tree, dict):
        parts = {key: _walk(branch, leaves) for key, branch in tree.items()}
        return lambda others: {key: part(others) for key, part in parts.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        branches = [_walk(branch, leaves) for branch in tree]
        return lambda others: type(tree)(*(part(others) for part in branches))
    if isinstance(tree, (list, tuple)):
        branches = [_walk(branch, leaves) for branch in tree]
        return lambda others: type(tree)(part(others) for part in branches)
    if isinstance(tree, np.ndarray) and tree.dtype == object:
        leaves.extend(tree.flat)
        return lambda others: _object_array(tree.shape, [next(others) for _ in range(tree.size)])
    if tree is None:
        return lambda others: None
    leaves.append(tree)
    return next


def _object_array(shape: tuple[int, ...], items: list[Any]) -> Any:
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array.reshape(shape)
