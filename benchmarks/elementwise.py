"""Single elementwise ops, forward and backward, from one entry (overhead) to a million (arithmetic)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autograd_lite
from benchmarks.peers import jax, load, torch
from benchmarks.row import NUMPY, OURS, Array, Row, Work, works

__all__ = ["rows"]

# Op -> number of operands, and its gradients written out.
_OPS: dict[str, tuple[int, Callable[..., tuple[Array, ...]]]] = {
    "multiply": (2, lambda g, y, x, z: (g * z, g * x)),
    "tanh": (1, lambda g, y, x: (g * (1.0 - y * y),)),
    "exp": (1, lambda g, y, x: (g * y,)),
}


def _on_tensors(function: Any, tensors: list[Any], g: Any) -> Work:
    def run() -> None:
        for t in tensors:
            t.grad = None
        function(*tensors).backward(g)

    return Work(run, lambda: [np.asarray(t.grad) for t in tensors])


def _ours(name: str, g: Array, operands: list[Array]) -> Work:
    tensors = [autograd_lite.Tensor(x, requires_grad=True) for x in operands]
    return _on_tensors(getattr(autograd_lite, name), tensors, g)


def _torch(name: str, g: Array, operands: list[Array]) -> Work:
    library = torch()
    tensors = [library.tensor(x, requires_grad=True) for x in operands]
    return _on_tensors(getattr(library, name), tensors, library.tensor(g))


def _mygrad(name: str, g: Array, operands: list[Array]) -> Work:
    library = load("mygrad")
    function, tensors = getattr(library, name), [library.tensor(x) for x in operands]
    return Work(lambda: function(*tensors).backward(g), lambda: [t.grad for t in tensors])


class _Kept:
    """Work whose gradients are what a function returns."""

    def __init__(self, gradients: Callable[[], Any]) -> None:
        self._gradients = gradients
        self._last: Any = ()

    def run(self) -> None:
        self._last = ()  # freed first, as the other contenders' gradients are
        self._last = self._gradients()

    def result(self) -> list[Array]:
        return [np.asarray(x) for x in self._last]


def _kept(gradients: Callable[[], Any]) -> Work:
    kept = _Kept(gradients)
    return Work(kept.run, kept.result)


def _by_hand(name: str, g: Array, operands: list[Array]) -> Work:
    function, rule = getattr(np, name), _OPS[name][1]
    return _kept(lambda: rule(g, function(*operands), *operands))


def _hips(name: str, g: Array, operands: list[Array]) -> Work:
    make_vjp = load("autograd").make_vjp(getattr(load("autograd.numpy"), name), tuple(range(len(operands))))
    return _kept(lambda: make_vjp(*operands)[0](g))


def _jax(name: str, g: Array, operands: list[Array]) -> Work:
    library = jax()
    function = getattr(library.numpy, name)

    def both(g: Any, *operands: Any) -> Any:
        y, pull = library.vjp(function, *operands)
        return y, pull(g)

    compiled = library.jit(both)
    given = [library.numpy.asarray(x) for x in (g, *operands)]
    return _kept(lambda: library.block_until_ready(compiled(*given))[1])


def rows() -> Iterator[Row]:
    """Yield a row for each op and size."""
    rng = np.random.default_rng(0)
    makers = {
        OURS: _ours,
        NUMPY: _by_hand,
        "PyTorch": _torch,
        "JAX (jit)": _jax,
        "HIPS autograd": _hips,
        "MyGrad": _mygrad,
    }
    for name, (count, _) in _OPS.items():
        for size in (1, 1_000, 1_000_000):
            g, *operands = (rng.uniform(-2.0, 2.0, size) for _ in range(count + 1))
            yield Row(f"{name}, forward and backward, size {size:,}", works(makers, name, g, operands))
