"""Rows added at numbers that repeat: NumPy's `add.at`, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lite.scattering import add_at

NUMBERS = np.random.default_rng(0).integers(-5, 5, (6, 7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, object])
@pytest.mark.parametrize("index", [NUMBERS, (NUMBERS.astype(np.int8),), np.zeros((0,), np.intp), np.array(3)])
@pytest.mark.parametrize("shape", [(5, 40), (5, 2, 3), (5,), (5, 0)])
def test_to_the_bit(shape: tuple[int, ...], index: Any, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    start = (100 * rng.normal(size=shape)).astype(dtype)
    value = (100 * rng.normal(size=np.shape(start[index]))).astype(dtype)
    ours, expected = start.copy(), start.copy()
    add_at(ours, index, value)
    np.add.at(expected, index, value)
    np.testing.assert_array_equal(ours, expected)


def test_strided_arrays_and_broadcast_values() -> None:
    for strided in (np.zeros((4, 10))[:, ::2], np.zeros((5, 4)).T, np.zeros((4, 5))):
        ours, expected = strided, strided.copy()
        add_at(ours, np.array([1, 1, 3]), np.arange(5.0))
        np.add.at(expected, np.array([1, 1, 3]), np.arange(5.0))
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("wrong", [4, -5])
def test_a_row_that_is_not_there(wrong: int) -> None:
    with pytest.raises(IndexError):
        add_at(np.zeros((4, 3)), np.array([0, wrong]), np.ones((2, 3)))
