"""Random programs from the op table, compiled and compared with what they do by themselves.

``python -m tests.compile_fuzz --count 2000`` runs that many of them on every executor that is there.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
from autograd_lite import Tensor, Value, ops
from autograd_lite.check.sample import Sample, samples
from autograd_lite.graph import Node, data_of
from autograd_lite.trees import flatten

__all__ = ["BACKENDS", "check", "main"]

BACKENDS = ("plain", "numpy", "machine") if importlib.util.find_spec("numba") else ("plain", "numpy")
_SHAPES: tuple[tuple[int, ...], ...] = ((2, 3), (3,), (1, 3), (2, 1), (), (3, 3), (4,))

_LEFT_OUT = frozenset(("from_values",))  # takes Values alone
_NAMES = tuple(name for name in ops.TABLE if name not in _LEFT_OUT)
_ELEMENTWISE = tuple(name for name in _NAMES if ops.TABLE[name].is_elementwise)
_CALLS = 4  # the first two are recorded

Steps = list[Callable[[list[Any]], Any]]


@functools.cache
def _samples(name: str) -> list[Sample]:
    return [s for s in samples(ops.TABLE[name]) if s.is_differentiable and s.value.size and s.value.dtype == np.float64]


def _into(x: Any, domain: tuple[float, float]) -> Any:
    low, high = domain
    return low + (high - low) * ag.sigmoid(x)


def _elementwise(rng: np.random.Generator, count: int, scalar: bool) -> Callable[[list[Any]], Any]:
    """Return a step that applies an elementwise op to some of what there is."""
    op = ops.TABLE[rng.choice(_ELEMENTWISE)]
    picks = rng.integers(0, count, len(op.rules))
    fixed = float(rng.uniform(*op.domain[-1])) if len(op.rules) > 1 and rng.random() < 0.2 else None
    if scalar and any(rule is None for rule in op.rules):
        op, picks, fixed = ops.TABLE["multiply"], picks[:2], None

    def step(pool: list[Any]) -> Any:
        operands = [_alike(pool[p], pool[picks[0]]) for p in picks]
        placed: list[Any] = []
        for x, domain, rule in zip(operands, op.domain, op.rules, strict=True):
            placed.append(_into(x, domain) if rule is not None else np.greater(x, 0.1))
        if fixed is not None and op.rules[-1] is not None:
            placed[-1] = fixed
        return np.arctan(op(*placed))

    return step


def _alike(x: Any, model: Any) -> Any:
    """Return ``x`` in a shape that broadcasts against a model's."""
    try:
        np.broadcast_shapes(np.shape(x), np.shape(model))
    except ValueError:
        return np.sum(x, axis=None)
    return x


def _structural(rng: np.random.Generator, count: int) -> Callable[[list[Any]], Any]:
    """Return a step that calls an op as one of its samples does, on operands that what there is moves a little."""
    found: list[Sample] = []
    while not found:
        found = _samples(rng.choice(_NAMES))
    sample = found[rng.integers(len(found))]
    picks = rng.integers(0, count, len(sample.active))
    places = [rng.integers(0, 1000, np.shape(x)) for x in sample.primals]

    def step(pool: list[Any]) -> Any:
        operands = []
        for base, pick, at in zip(sample.primals, picks, places, strict=True):
            flat = np.reshape(pool[pick], -1)
            moved = ag.take(flat, at % np.size(flat))
            operands.append(base + 0.05 * np.sin(moved))
        return np.arctan(sample(*operands))

    return step


def _program(rng: np.random.Generator, inputs: int, scalar: bool) -> Callable[..., Any]:
    """Return a random function of some arrays (or numbers) to one number."""
    steps: Steps = []
    for k in range(int(rng.integers(2, 9))):
        make = _elementwise if scalar or rng.random() < 0.5 else None
        steps.append(make(rng, inputs + k, scalar) if make else _structural(rng, inputs + k))
    kept = [int(i) for i in rng.permutation(inputs + len(steps))[: rng.integers(1, 4)]]

    def f(*xs: Any) -> Any:
        pool = list(xs)
        for step in steps:
            pool.append(step(pool))
        return sum((np.mean(np.sin(pool[i])) if not scalar else np.sin(pool[i]) for i in [*kept, -1]), 0.0)

    return f


def _second(f: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return the gradient of the squared gradient."""
    everything = tuple(range(count))

    def squared(*xs: Any) -> Any:
        return sum(np.sum(g * g) for g in ag.grad(f, everything)(*xs))

    return ag.grad(squared, everything)


def _made(seed: int) -> tuple[Callable[[], tuple[Callable[..., Any], Callable[[], Any]]], list[Any], float]:
    """Return what makes a function and shows its state, the arguments of its calls, and how wild the numbers are."""
    rng = np.random.default_rng(seed)
    scalar = rng.random() < 0.25
    dtype = np.float64 if scalar or rng.random() < 0.85 else np.float32
    count = int(rng.integers(1, 4))
    shapes = [() if scalar else _SHAPES[rng.integers(len(_SHAPES))] for _ in range(count)]
    f = _program(rng, count, scalar)
    kind = rng.choice(["first", "second", "step", "leaves"])

    def draw() -> list[Any]:
        drawn = [rng.normal(size=s).astype(dtype) for s in shapes]
        return [float(x) for x in drawn] if scalar else drawn

    start = draw()
    calls = [draw() for _ in range(_CALLS)]

    def make() -> tuple[Callable[..., Any], Callable[[], Any]]:
        if kind == "first":
            return ag.value_and_grad(f, tuple(range(count))), list
        if kind == "second":
            return _second(f, count), list
        leaves: list[Any] = [Value(x) if scalar else Tensor(x, requires_grad=True) for x in start]

        def step(*xs: Any) -> Any:
            for p in leaves:
                p.grad = None
            loss = f(*(p * x for p, x in zip(leaves, xs, strict=True)))
            loss.backward(create_graph=kind == "leaves")
            gradients = [p.grad for p in leaves]
            if kind == "leaves":
                for p in leaves:
                    p.grad = None
                present = [g for g in gradients if isinstance(g, Node)]
                sum(np.sum(g * g) for g in present).backward()
            for p in leaves:
                if p.grad is not None:
                    p.data = p.data - 0.01 * data_of_plain(p.grad)
            return loss

        return step, lambda: [(p._data, data_of(p.grad)) for p in leaves]

    return make, calls, 1e-9 if dtype == np.float64 else 2e-2


def data_of_plain(x: Any) -> Any:
    """Return a gradient as what is written into a leaf."""
    return x.detach() if isinstance(x, Node) and x.op is not None else x


def _numbers(tree: Any) -> list[Any]:
    return [np.array(data_of(x)) for x in flatten(tree)[0]]


def _outcomes(make: Any, calls: Sequence[Any], compiled: str | None) -> Any:
    f, state = make()
    step = f if compiled is None else ag.compile(f, backend=compiled)
    seen = []
    with np.errstate(all="ignore"):
        for call in calls:
            result = step(*call)
            seen.append(([type(x) for x in flatten(result)[0]], _numbers(result), _numbers(state())))
    return seen


def check(seed: int, backends: Sequence[str] = BACKENDS) -> bool:
    """Compare a random program with itself compiled; False for one that is no program (its eager run fails)."""
    make, calls, about = _made(seed)
    try:
        wanted = _outcomes(make, calls, None)
    except (ag.AutogradError, TypeError, ValueError, IndexError, np.linalg.LinAlgError):
        return False
    for backend in backends:
        got = _outcomes(make, calls, backend)
        for k, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
            where = f"seed {seed}, {backend}, call {k}"
            assert ours[0] == theirs[0], f"{where}: {ours[0]} instead of {theirs[0]}"
            for a, b in zip((*ours[1], *ours[2]), (*theirs[1], *theirs[2]), strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape), (
                    f"{where}: {a.dtype}, {a.shape} for {b.dtype}, {b.shape}"
                )
                finite = np.abs(b[np.isfinite(b)])
                scale = max(float(finite.max()), 1e-3) if finite.size else 1.0
                tolerance = 1e-12 if backend == "plain" else about
                if about > 1e-6 and backend == "plain":
                    tolerance = 1e-5
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=where)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Check many programs; report those that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--backends", nargs="*", default=list(BACKENDS))
    options = parser.parse_args(arguments)
    checked = failed = 0
    seed = options.first
    while checked < options.count:
        try:
            checked += check(seed, options.backends)
        except Exception:
            checked, failed = checked + 1, failed + 1
            print(f"seed {seed}:", traceback.format_exc(limit=-3), sep="\n")
        seed += 1
    print(f"{checked} programs (seeds {options.first} to {seed - 1}) on {', '.join(options.backends)}: {failed} differ")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
