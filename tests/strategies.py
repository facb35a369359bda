"""What hypothesis draws: shapes that broadcast, arrays within an op's domain, axes, indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_lite.check.sample import Sample
from autograd_lite.ops import Op

__all__ = ["arrays", "axes", "elementwise_samples", "reals", "shapes"]


Shapes = st.SearchStrategy[tuple[int, ...]]


def reals(low: float = -4.0, high: float = 4.0) -> st.SearchStrategy[float]:
    """Draw plain numbers: simple ones (0, 1/2, the bounds) often, and no subnormals."""
    return st.floats(low, high, allow_subnormal=False, width=64).map(lambda x: x if abs(x) > 1e-100 else 0.0)


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> Shapes:
    """Draw small shapes, empty and 0-d ones included."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def arrays(shape: Any = None, low: float = -4.0, high: float = 4.0) -> st.SearchStrategy[Any]:
    """Draw arrays of float64."""
    return hnp.arrays(np.float64, shapes() if shape is None else shape, elements=reals(low, high))


def distinct(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Draw arrays without ties: a permutation, evenly spaced."""
    size = int(np.prod(shape))
    return st.permutations(range(size)).map(lambda p: np.reshape(np.array(p, dtype=np.float64) / 2 - size / 5, shape))


def axes(ndim: int) -> st.SearchStrategy[Any]:
    """Draw what reductions take for an axis: None, one axis, or several; negative ones too."""
    if ndim == 0:
        return st.none()
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(one, min_size=1, max_size=ndim, unique_by=lambda i: i % ndim).map(tuple)
    return st.none() | one | several


@st.composite
def elementwise_samples(draw: st.DrawFn, op: Op) -> Sample:
    """Draw a call of an elementwise op: shapes that broadcast, values in its domain."""
    count = len(op.rules)
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_side=3, max_dims=3))
    operands = []
    for rule, (low, high), shape in zip(op.rules, op.domain, drawn.input_shapes, strict=True):
        if rule is None:
            operands.append(draw(hnp.arrays(np.bool_, shape)))
        else:
            operands.append(draw(hnp.arrays(np.float64, shape, elements=reals(low, high))))
    return Sample(op, operands, {})
