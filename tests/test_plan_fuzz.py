"""Random functions: plans, in groups and not, give what the engine gives, on other data than those recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor
from autograd_lite.replay.plan import build
from autograd_lite.replay.plan_text import fused
from tests.plans import close, program_of
from tests.test_plan_groups import run_by_step

ROWS, COLUMNS = 4, 6
CONDITION = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 3 > 0
Step = Callable[[Any, Any, Any], Any]

# Each takes two arrays of shape (4, 6) and a number, and returns one of that shape.
STEPS: dict[str, Step] = {
    "add": lambda a, b, c: a + b * c,
    "subtract": lambda a, b, c: a - b,
    "multiply": lambda a, b, c: a * b,
    "divide": lambda a, b, c: a / (2.0 + b * b),
    "tanh": lambda a, b, c: np.tanh(a * c),
    "relu": lambda a, b, c: ag.relu(a) - ag.relu(-b),
    "sigmoid": lambda a, b, c: ag.sigmoid(a + b),
    "sqrt": lambda a, b, c: np.sqrt(np.abs(a) + 0.1),
    "maximum": lambda a, b, c: np.maximum(a, b) + np.minimum(a, c),
    "where": lambda a, b, c: np.where(CONDITION, a, b),
    "gelu": lambda a, b, c: ag.gelu(a),
    "softmax": lambda a, b, c: ag.softmax(a, axis=1) * b,
    "centred": lambda a, b, c: a - np.mean(a, axis=0, keepdims=True),
    "scaled": lambda a, b, c: a / np.sqrt(np.sum(b * b, axis=1, keepdims=True) + 1.0),
    "largest": lambda a, b, c: a - np.max(b, axis=1, keepdims=True),
    "matmul": lambda a, b, c: (a @ b.T) @ a * 0.1,
    "transposed": lambda a, b, c: np.tanh(a.T).T + b,
    "reshaped": lambda a, b, c: a.reshape(COLUMNS, ROWS).reshape(2, 2, 6).reshape(ROWS, COLUMNS) * b,
    "rows": lambda a, b, c: np.concatenate([a[2:], b[:2]]),
    "columns": lambda a, b, c: np.stack([a[:, i] * b[:, -i - 1] for i in range(COLUMNS)], axis=1),
    "reversed": lambda a, b, c: a[::-1] + b[:, ::-1],
    "picked": lambda a, b, c: a[[3, 0, 0, 1]] * c,
    "running": lambda a, b, c: np.cumsum(a, axis=1) * 0.3,
    "padded": lambda a, b, c: np.pad(a[1:, :4], ((1, 0), (1, 1))) + b,
    "flat": lambda a, b, c: a * np.sum(b) * 0.05,
}


def function(seed: int, depth: int) -> Callable[..., Any]:
    rng = np.random.default_rng(seed)
    choices = [
        (str(rng.choice(list(STEPS))), *rng.integers(0, 2 + i, size=2).tolist(), float(rng.uniform(0.5, 1.5)))
        for i in range(depth)
    ]

    def f(x: Any, w: Any) -> Any:
        made = [x, w]
        for name, i, j, number in choices:
            made.append(STEPS[name](made[-1 - i], made[-1 - j], number))
        return ag.sum(np.tanh(made[-1]) * made[-2] + made[-3])

    return f


def data(seed: int) -> list[Tensor]:
    rng = np.random.default_rng([seed, 1])
    return [Tensor(rng.normal(size=(ROWS, COLUMNS)), requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("seed", range(80))
def test_random_functions(seed: int) -> None:
    f = function(seed, 2 + seed % 13)
    program, _ = program_of(f, data(seed))
    others = data(seed + 1000)
    _, expected = program_of(f, others)
    inputs = [x._data for x in others]
    run = build(program)
    run([x._data for x in data(seed)])
    close(run(inputs), expected, 1e-11)
    close(run_by_step(fused(program), inputs), [np.asarray(x) for x in expected], 1e-11)
