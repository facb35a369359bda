"""The ops between the faces and between dtypes: Values to a Tensor, an entry of a Tensor to a Value, astype."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Node, Patch
from autograd_lite.ops.record import Case, structural

__all__ = ["astype"]


def _from_values_vjp(g: Any, y: Any, *values: Any, shape: tuple[int, ...]) -> Any:
    flat = np.reshape(g, (len(values),))
    if isinstance(g, Node):
        return [graph.faces.entry(flat, i) for i in range(len(values))]
    return flat.tolist()


from_values = structural(
    "from_values",
    "[ ]",
    "np.reshape([x, ...], shape)",
    lambda *values, shape: np.array(values, dtype=np.float64).reshape(shape),
    _from_values_vjp,
    variadic=True,
    linear=True,
    cases=(Case(shapes=((), (), (), ()), params={"shape": (2, 2)}),),
)


def _entry_vjp(g: Any, y: Any, flat: Any, i: int) -> Any:
    if isinstance(g, Node):
        zeros = np.zeros(np.shape(flat), dtype=flat.dtype)
        one = zeros.copy()
        one[i] = 1
        return g * one
    return Patch(i, g)


entry = structural(
    "entry",
    "[i]",
    "x[i]",
    lambda flat, i: flat[i],
    _entry_vjp,
    None,
    jvp=lambda tangents, y, flat, i: (
        graph.faces.entry(tangents[0], i) if isinstance(tangents[0], Node) else tangents[0][i]
    ),
    needs="nothing",
    cases=(Case(make=lambda rng: [rng.standard_normal(5), 3]),),
)

_astype = structural(
    "astype",
    "dtype",
    "np.asarray(x, dtype)",
    lambda x, dtype: np.asarray(x).astype(dtype),
    lambda g, y, x, dtype: astype(g, np.result_type(x)),
    jvp=lambda tangents, y, x, dtype: astype(tangents[0], dtype),
    needs="nothing",
    cases=tuple(Case(shapes=((2, 3),), params={"dtype": np.dtype(t)}) for t in (np.float32, np.float64)),
)


def astype(a: Any, dtype: Any) -> Any:
    """Return an array or Tensor in another dtype; the gradient comes back in the old one.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.astype(ag.Tensor([1.0, 2.0]), "float32").dtype
    dtype('float32')
    """
    return _astype(a, dtype=np.dtype(dtype))
