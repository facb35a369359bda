"""The derivative table, by family. Every public name here is a differentiable function (or gives plain data)."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite.ops import (
    activation,
    affine,
    bridge,
    cells,
    class_losses,
    contract,
    conv,
    diagonals,
    elementwise,
    floats,
    index,
    joining,
    layout,
    linalg,
    losses,
    norms,
    pool,
    reduce,
    scan,
    shape,
    subscripts,
)
from autograd_lite.ops.record import TABLE, Case, Op, overridden, rules

MODULES = (
    elementwise, activation, reduce, norms, scan, shape, joining, index, layout, diagonals,
    subscripts, contract, linalg, affine, losses, class_losses, conv, pool, bridge, cells,
)  # fmt: skip
PUBLIC: dict[str, Any] = {name: getattr(module, name) for module in MODULES for name in module.__all__}
globals().update(PUBLIC)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# NumPy's functions that dispatch through __array_function__, and ours for each.
_ALIASES = {
    "amax": "max", "amin": "min", "abs": "absolute", "permute_dims": "transpose", "concat": "concatenate",
    "clip": "clip", "row_stack": "vstack",
}  # fmt: skip
NUMPY_FUNCTIONS: dict[Any, Any] = {
    getattr(home, name): PUBLIC[_ALIASES.get(name, name)]
    for home in (np, np.linalg)
    for name in (*PUBLIC, *_ALIASES)
    if hasattr(home, name) and _ALIASES.get(name, name) in PUBLIC
}
floats.bind_rules()

__all__ = ["MODULES", "NUMPY_FUNCTIONS", "PUBLIC", "TABLE", "Case", "Op", "overridden", "rules"]
