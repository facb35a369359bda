"""What a check looks at: a function and a point, as a map from flat lists of arrays to one flat array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite import passes
from autograd_lite.check.numeric import Array
from autograd_lite.errors import GradientError
from autograd_lite.graph import Node, Patch, data_of
from autograd_lite.modes import no_grad
from autograd_lite.tensor import Tensor
from autograd_lite.transforms import _Trace, jvp, vjp
from autograd_lite.trees import flatten
from autograd_lite.value import Value

__all__ = ["Problem", "Run", "dense", "names_of"]


class Problem:
    """A function and a point, seen as a map from flat lists of numbers and arrays to one flat array.

    Attributes
    ----------
    primals : list of float or ndarray
        The inputs that can be differentiated.
    names : list of str
        What to call them.
    """

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], names: list[str] | None = None) -> None:
        leaves, self._rebuild = flatten(tuple(inputs))
        self._f = f
        self._leaves = leaves
        self._places = [i for i, x in enumerate(leaves) if _is_real(x)]
        if not self._places:
            raise GradientError("gradcheck: none of the inputs is a floating-point number or array")
        self.primals = [_primal(leaves[i]) for i in self._places]
        if names is None:
            names = [name for i, x in enumerate(inputs) for name in names_of(x, str(i))]
        self.names = [names[i] for i in self._places]

    def __call__(self, *differentiable: Any) -> list[Any]:
        """Run the function with these in the places of the primals; return its outputs in a flat list."""
        leaves = list(self._leaves)
        for i, x in zip(self._places, differentiable, strict=True):
            leaves[i] = x
        outputs = flatten(self._f(*self._rebuild(leaves)))[0]
        return [y for y in outputs if np.asarray(data_of(y)).dtype.kind in "fc"]

    def values(self) -> list[Any]:
        """Return the outputs as plain numbers and arrays, with nothing recorded."""
        with no_grad():
            return [data_of(y) for y in self(*map(_node, self.primals))]

    def run(self) -> Run:
        """Run the function once, recorded."""
        return Run(self)

    def weights(self, rng: np.random.Generator) -> list[Any]:
        """Return random weights, one array an output, of its shape and dtype."""
        return [np.asarray(rng.standard_normal(np.shape(y)), dtype=np.asarray(y).dtype)[()] for y in self.values()]

    def gradient(self, weights: list[Any]) -> Problem:
        """Return the problem whose function is the gradient of this one."""
        return Problem(lambda *primals: vjp(self, *primals)[1](weights), self.primals, self.names)

    def tangents(self, directions: Sequence[Any]) -> list[Any]:
        """Return the derivative of each output along directions, by forward mode."""
        return [data_of(t) for t in jvp(self, self.primals, directions)[1]]

    def cast(self, dtype: Any) -> Problem:
        """Return the same problem with its arrays in another dtype."""
        primals = [x.astype(dtype) if isinstance(x, np.ndarray) else x for x in self.primals]
        return Problem(self, primals, self.names)

    def path(self, directions: Sequence[Any]) -> Callable[[Any], Array]:
        """Return the outputs, as one flat array, as a function of a step along the directions (None: no step)."""

        def at(t: Any) -> Array:
            inputs = []
            for x, d in zip(self.primals, directions, strict=True):
                wide = np.asarray(x, dtype=np.promote_types(np.asarray(x).dtype, np.float64))
                inputs.append(_node(wide if d is None else wide + t * d, like=x))
            with no_grad():
                outputs = [np.ravel(data_of(y)) for y in self(*inputs)]
            flat = np.concatenate(outputs) if outputs else np.zeros(0)
            return flat.astype(np.result_type(flat.dtype, np.float64))

        return at


class Run:
    """One recorded run of a problem's function.

    Attributes
    ----------
    inputs, outputs : list
        The nodes it was handed, and what came out of it.
    order : list of Node
        The graph between them, each node after its operands.
    """

    def __init__(self, problem: Problem) -> None:
        trace = _Trace(problem, problem.primals)
        self.inputs, self.outputs, self.order = trace.inputs, trace.outputs, trace.order

    def values(self) -> list[Any]:
        """Return the outputs as plain numbers and arrays."""
        return [data_of(y) for y in self.outputs]

    def seeds(self, weights: Sequence[Any]) -> dict[Node, Any]:
        """Return weights of the outputs as what a backward pass starts with."""
        seeds: dict[Node, Any] = {}
        for y, w in zip(self.outputs, weights, strict=True):
            if isinstance(y, Node) and y.requires_grad:
                w = np.array(w, dtype=y._data.dtype) if y.is_array else float(w)
                seeds[y] = seeds[y] + w if y in seeds else w
        return seeds

    def pull(self, weights: Sequence[Any]) -> list[Any]:
        """Return the gradient of the weighted sum of the outputs for each input; None where none arrives."""
        found = passes.pull(self.seeds(weights), False, frozenset(self.inputs), self.order)
        return [found.get(x) for x in self.inputs]


def dense(x: Any, share: Any) -> Array:
    """Return what a rule gives as a plain array of its operand's shape."""
    if type(share) is Patch:
        full: Array = np.zeros_like(data_of(x))
        share.add_to(full)
        return full
    return np.asarray(share)


def _is_real(x: Any) -> bool:
    if isinstance(x, (Value, float)):
        return True
    return isinstance(x, (Tensor, np.ndarray, np.generic)) and x.dtype.kind == "f"


def _primal(x: Any) -> Any:
    x = data_of(x)
    return np.array(x) if isinstance(x, np.ndarray) else float(x)


def _node(x: Any, like: Any = None) -> Node:
    """Return what the function is handed: a Value for a float, an untracked Tensor for an array or a complex step."""
    if isinstance(x if like is None else like, float) and not np.iscomplexobj(x):
        return Value(float(x))
    return Tensor.wrap(np.array(x))


def names_of(tree: Any, name: str) -> Iterator[str]:
    """Give a name to every leaf of a container, in the order of `flatten`."""
    if isinstance(tree, dict):
        for key, branch in tree.items():
            yield from names_of(branch, f"{name}[{key!r}]")
    elif isinstance(tree, (list, tuple)) or (isinstance(tree, np.ndarray) and tree.dtype == object):
        branches = tree.flat if isinstance(tree, np.ndarray) else tree
        for i, branch in enumerate(branches):
            yield from names_of(branch, f"{name}[{i}]")
    elif tree is not None:
        yield name
