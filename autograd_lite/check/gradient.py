"""Gradient checks: the derivative rules against numeric derivatives, with the numbers' own error in the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite.check.numeric import Array, Slope, ridders, slope
from autograd_lite.check.report import Entry, Report
from autograd_lite.errors import GradientError
from autograd_lite.graph import Node, data_of
from autograd_lite.modes import no_grad
from autograd_lite.tensor import Tensor
from autograd_lite.transforms import vjp
from autograd_lite.trees import flatten
from autograd_lite.value import Value

__all__ = ["assert_gradients", "gradcheck"]

_DIRECTIONS = 3
_KINK_DIRECTIONS = 6
_SINGLE_RTOL, _SINGLE_ATOL = 1e-4, 1e-5


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    seed: int = 0,
    max_entries: int = 4096,
    raise_on_fail: bool = False,
) -> Report:
    """Compare the gradients of a function with numeric derivatives.

    The result is weighted by random normal numbers, never by ones (which hide transposed gradients). The numeric
    derivative is the complex step where Ridders' extrapolation confirms it, else that extrapolation, and its own error
    bound enters the verdict: ``|a - n| <= atol + rtol * max(|a|, |n|) + 4 * error``. At a kink, a gradient
    between the one-sided slopes passes, in every single entry and along random directions.

    Parameters
    ----------
    f : callable
        Of the inputs; returns a number, array, Value, Tensor or a nested container of them. It is run often, on
        Values and Tensors, and must always give the same result for the same input.
    *inputs : float, ndarray, Value, Tensor, or nested list, tuple or dict
        Where to check. Integers, booleans and anything else that is no floating-point number are handed on as they are.
    order : {1, 2}
        2 also checks the gradients of the gradients.
    rtol, atol : float
        The relative and absolute tolerance; raised to what single precision allows where a float32 takes part (the
        numeric derivative is taken in double precision all the same).
    seed : int
        Of the weights and directions.
    max_entries : int
        An input with more entries is checked along random directions of +-1, not entry by entry.
    raise_on_fail : bool
        Raise instead of returning a report that is false.

    Returns
    -------
    Report
        True or false; ``print`` it.

    Raises
    ------
    GradientError
        With ``raise_on_fail``, when a gradient is wrong; and always for one of the wrong shape or dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import gradcheck
    >>> report = gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.array([0.5, -1.0, 2.0]))
    >>> report.ok, report.method_counts
    (True, {'complex-step': 9})
    """
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
    rng = np.random.default_rng(seed)
    problem = Problem(f, inputs)
    report = Report()
    before = [np.array(x) for x in problem.primals]
    for k in range(1, order + 1):
        weights = problem.weights(rng)
        report.entries += compare(problem, weights, rng, k, rtol, atol, max_entries)
        if k < order:
            problem = Problem(problem.gradient_function(weights), problem.primals)
    for name, x, old in zip(problem.names, problem.primals, before, strict=True):
        if not np.array_equal(x, old, equal_nan=True):
            report.problems.append(f"the function changed its input {name}")
    if raise_on_fail and not report:
        raise GradientError(str(report))
    return report


def assert_gradients(f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """Raise GradientError, with the report as its text, unless the gradients are right; see `gradcheck`.

    Examples
    --------
    >>> from autograd_lite import assert_gradients
    >>> assert_gradients(lambda x, y: x * y + x.exp(), 2.0, 3.0, order=2)
    """
    gradcheck(f, *inputs, raise_on_fail=True, **options)


class Problem:
    """A function and a point, seen as a map from flat lists of numbers and arrays to one flat array.

    Attributes
    ----------
    primals : list of float or ndarray
        The inputs that can be differentiated.
    names : list of str
        What to call them.
    """

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any]) -> None:
        leaves, self._rebuild = flatten(tuple(inputs))
        self._f = f
        self._leaves = leaves
        self._places = [i for i, x in enumerate(leaves) if _is_real(x)]
        if not self._places:
            raise GradientError("gradcheck: none of the inputs is a floating-point number or array")
        self.primals = [_primal(leaves[i]) for i in self._places]
        names = [name for i, x in enumerate(inputs) for name in _names(x, str(i))]
        self.names = [names[i] for i in self._places]

    def __call__(self, *differentiable: Any) -> list[Any]:
        """Run the function with these in the places of the primals; return its outputs in a flat list."""
        leaves = list(self._leaves)
        for i, x in zip(self._places, differentiable, strict=True):
            leaves[i] = x
        outputs = flatten(self._f(*self._rebuild(leaves)))[0]
        return [y for y in outputs if np.asarray(data_of(y)).dtype.kind in "fc"]

    @property
    def single(self) -> bool:
        """Whether a float32 (or shorter) takes part."""
        kinds = [data_of(y) for y in (*self.primals, *self(*(_node(x) for x in self.primals)))]
        return any(isinstance(x, np.ndarray) and x.dtype.itemsize < 8 for x in kinds)

    def weights(self, rng: np.random.Generator) -> list[Any]:
        """Return random weights, one array an output, of its shape and dtype."""
        outputs = [data_of(y) for y in self(*(_node(x) for x in self.primals))]
        return [np.asarray(rng.standard_normal(np.shape(y)), dtype=np.asarray(y).dtype)[()] for y in outputs]

    def gradients(self, weights: list[Any]) -> list[Any]:
        """Return the gradient of the weighted sum of the outputs, by the rules, for each primal."""
        return list(vjp(self, *self.primals)[1](weights))

    def gradient_function(self, weights: list[Any]) -> Callable[..., Any]:
        """Return the gradient as a function of the primals, to be differentiated in turn."""
        return lambda *primals: vjp(self, *primals)[1](weights)

    def path(self, directions: Sequence[Any]) -> Callable[[Any], Array]:
        """Return the outputs, as one flat array, as a function of a step along the directions (None: no step)."""

        def at(t: Any) -> Array:
            inputs = []
            for x, d in zip(self.primals, directions, strict=True):
                wide = np.asarray(x, dtype=np.promote_types(np.asarray(x).dtype, np.float64))
                inputs.append(_node(x if d is None else wide + t * d, like=x))
            with no_grad():
                outputs = [np.ravel(data_of(y)) for y in self(*inputs)]
            flat = np.concatenate(outputs) if outputs else np.zeros(0)
            return flat.astype(np.result_type(flat.dtype, np.float64))

        return at


def _is_real(x: Any) -> bool:
    if isinstance(x, (Value, float)):
        return True
    return isinstance(x, (Tensor, np.ndarray, np.generic)) and x.dtype.kind == "f"


def _primal(x: Any) -> Any:
    x = data_of(x)
    return np.array(x) if isinstance(x, np.ndarray) else float(x)


def _node(x: Any, like: Any = None) -> Node:
    """Return what the function is handed: a Value for a float, an untracked Tensor for an array and for a complex step."""
    if isinstance(x if like is None else like, float) and not np.iscomplexobj(x):
        return Value(float(x))
    return Tensor.wrap(np.array(x))


def _names(tree: Any, name: str) -> Iterator[str]:
    """Give a name to every leaf of a container, in the order of `flatten`."""
    if isinstance(tree, dict):
        for key, branch in tree.items():
            yield from _names(branch, f"{name}[{key!r}]")
    elif isinstance(tree, (list, tuple)) or (isinstance(tree, np.ndarray) and tree.dtype == object):
        branches = tree.flat if isinstance(tree, np.ndarray) else tree
        for i, branch in enumerate(branches):
            yield from _names(branch, f"{name}[{i}]")
    elif tree is not None:
        yield name


def compare(
    problem: Problem, weights: list[Any], rng: np.random.Generator, order: int, rtol: float, atol: float, max_entries: int
) -> list[Entry]:
    """Compare the gradients of a problem's weighted outputs with numeric ones, along units or random directions."""
    gradients = problem.gradients(weights)
    for name, x, g in zip(problem.names, problem.primals, gradients, strict=True):
        if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
            raise GradientError(
                f"the gradient of input {name} has shape {np.shape(g)} and dtype {np.asarray(g).dtype}, "
                f"the input has {np.shape(x)} and {np.asarray(x).dtype}"
            )
    flat = np.concatenate([np.zeros(0), *(np.ravel(w) for w in weights)]).astype(np.float64)
    judge = _Judge(problem, flat, order, rtol, atol)
    entries = []
    for i, (x, g) in enumerate(zip(problem.primals, gradients, strict=True)):
        for index, direction in _directions(np.shape(x), max_entries, rng):
            along = [direction if j == i else None for j in range(len(gradients))]
            entries.append(judge(problem.names[i], index, along, g))
    if any(entry.method == "kink" for entry in entries):
        for k in range(_KINK_DIRECTIONS):  # each entry may look right at a kink where their sum is not: a tie that counts twice
            along = [np.ones(np.shape(x)) if k == 0 else rng.choice([-1.0, 1.0], np.shape(x)) for x in problem.primals]
            entries.append(judge("all" if len(along) > 1 else problem.names[0], None, along, gradients, kinked=True))
    return entries


def _directions(
    shape: tuple[int, ...], max_entries: int, rng: np.random.Generator
) -> Iterator[tuple[tuple[int, ...] | None, Array]]:
    if math.prod(shape) > max_entries:
        for _ in range(_DIRECTIONS):
            yield None, rng.choice([-1.0, 1.0], shape)
    else:
        for index in np.ndindex(*shape):
            unit = np.zeros(shape)
            unit[index] = 1.0
            yield tuple(int(i) for i in index), unit


class _Judge:
    """Compares one directional derivative."""

    def __init__(self, problem: Problem, weights: Array, order: int, rtol: float, atol: float) -> None:
        self.problem, self.weights, self.order = problem, weights, order
        single = problem.single
        self.rtol = max(rtol, _SINGLE_RTOL) if single else rtol
        self.atol = max(atol, _SINGLE_ATOL) if single else atol

    def __call__(
        self, name: str, index: tuple[int, ...] | None, along: list[Any], gradient: Any, kinked: bool = False
    ) -> Entry:
        gradients = gradient if kinked else [gradient if d is not None else None for d in along]
        analytic, rounding = _dot(gradients, along)
        path = self.problem.path(along)
        scale = _scale(self.problem.primals, along)
        found = slope(path, scale)
        numeric, error = found.dot(self.weights)
        method = "complex-step" if np.all(found.exact | (self.weights == 0) | (found.error == 0)) else "ridders"
        lowest = highest = numeric
        if kinked or not self._ratio(analytic, numeric, error + rounding) <= 1:
            sides = ridders(path, scale, 1), ridders(path, scale, -1)
            if _trusted(sides, self.weights):
                low, high, kink_error = _between(sides, self.weights)
                if kinked or high - low > 8 * kink_error + 1e-7 * max(abs(low), abs(high)):
                    method, lowest, highest, error = "kink", low, high, kink_error
            elif not error <= 1e-3 * abs(numeric) + 1e-6:
                method = "undefined"
        nearest = min(max(analytic, lowest), highest) if method == "kink" else numeric
        ratio = 0.0 if method == "undefined" else self._ratio(analytic, nearest, error + rounding)
        return Entry(name, index, analytic, nearest, error, method, self.order, ratio)

    def _ratio(self, analytic: float, numeric: float, error: float) -> float:
        if not (math.isfinite(analytic) and math.isfinite(numeric)):
            return 0.0 if analytic == numeric else math.inf
        if error == math.inf:
            return math.inf
        allowed = self.atol + self.rtol * max(abs(analytic), abs(numeric)) + 4 * error
        return abs(analytic - numeric) / allowed if allowed else (math.inf if analytic != numeric else 0.0)


def _dot(gradients: Sequence[Any], along: Sequence[Any]) -> tuple[float, float]:
    """Return the derivative along a direction that gradients give, and a bound on its rounding error."""
    terms = [np.asarray(g, dtype=np.float64)[d != 0] * d[d != 0] for g, d in zip(gradients, along, strict=True) if d is not None]
    total = float(sum(np.sum(t) for t in terms))
    size = sum(t.size for t in terms)
    return total, float(np.finfo(np.float64).eps * sum(np.sum(np.abs(t)) for t in terms)) if size > 1 else 0.0


def _scale(primals: Sequence[Any], along: Sequence[Any]) -> float:
    moved = [np.abs(np.asarray(x, dtype=np.float64)[d != 0]) for x, d in zip(primals, along, strict=True) if d is not None]
    sizes = np.concatenate(moved) if moved else np.zeros(0)
    return float(np.median(sizes)) if sizes.size else 1.0


def _trusted(sides: tuple[Slope, Slope], weights: Array) -> bool:
    """Return whether both one-sided slopes exist and are known well enough to judge by."""
    used = weights != 0
    return all(
        bool(np.all(side.error[used] <= 1e-4 * np.abs(side.value[used]) + 1e-6)) for side in sides
    )


def _between(sides: tuple[Slope, Slope], weights: Array) -> tuple[float, float, float]:
    """Return the lowest and highest derivative that a choice between the two sides, output by output, gives."""
    right, left = sides
    used = weights != 0
    ends = weights[used] * right.value[used], weights[used] * left.value[used]
    error = float(np.sum(np.abs(weights[used]) * (right.error[used] + left.error[used])))
    return float(np.sum(np.minimum(*ends))), float(np.sum(np.maximum(*ends))), error
