"""What the tests of `compile` share: a function run by itself and compiled, on twins of everything, and compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
from autograd_lite.graph import Node, data_of
from autograd_lite.trees import flatten

State = Callable[[], Any]
Made = tuple[Callable[..., Any], State]


def plainly(tree: Any) -> list[Any]:
    """Return copies of the numbers in a nested result."""
    return [
        np.array(data_of(x)) if isinstance(x, (Node, np.ndarray, np.generic, float)) else x for x in flatten(tree)[0]
    ]


def assert_same(got: Any, wanted: Any, rtol: float = 0.0) -> None:
    """Compare nested results: the types and, to ``rtol``, the numbers."""
    ours, theirs = flatten(got)[0], flatten(wanted)[0]
    assert [type(x) for x in ours] == [type(x) for x in theirs]
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(b, str):
            assert a == b
            continue
        x, y = np.asarray(data_of(a)), np.asarray(data_of(b))
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol, equal_nan=True)


def parameters_of(*nodes: Any) -> State:
    """Return what shows the data and gradients of leaves."""
    return lambda: [(data_of(p).copy() if p.is_array else data_of(p), data_of(p.grad)) for p in nodes]


def compare(
    make: Callable[[], Made], calls: Sequence[Any], rtol: float = 0.0, backend: str = "plain", **options: Any
) -> Any:
    """Make a function twice, call one as it is and the other compiled, and compare results and state after each call.

    ``make`` returns the function and what shows its state; a call that is a function is called on both sides instead
    (with what ``make`` returned), to change something. Returns the compiled function.
    """
    outcomes = []
    for wrap in (lambda f: f, lambda f: ag.compile(f, backend=backend, **options)):
        ag.manual_seed(7)
        made = make()
        f, state = made[:2]
        step = wrap(f)
        seen = []
        for call in calls:
            if callable(call):
                call(*made)
            else:
                result = step(*copy.deepcopy(call))
                seen.append((plainly(result), [type(x) for x in flatten(result)[0]], plainly(state())))
        outcomes.append(seen)
    for (result, kinds, state_now), (wanted, wanted_kinds, wanted_state) in zip(outcomes[1], outcomes[0], strict=True):
        assert kinds == wanted_kinds
        for a, b in zip((*result, *state_now), (*wanted, *wanted_state), strict=True):
            if isinstance(b, np.ndarray):
                assert a.dtype == b.dtype
                assert a.shape == b.shape
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, equal_nan=True)
            else:
                assert a == b
    return step
