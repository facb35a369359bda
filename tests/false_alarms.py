"""Right gradients on very many random inputs: the checker must not cry wolf.

``python -m tests.false_alarms`` checks 10,000 of them, the nasty ones included (kinks hit and nearly hit, ties,
offsets, poles, slopes over many orders of magnitude), and prints which raised an alarm. Exits with 1 if any did.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_lite as ag
from autograd_lite import gradcheck, ops
from autograd_lite.check.sample import Sample, draw, samples

__all__ = ["FAMILIES", "alarm", "main"]

Rng = np.random.Generator
Call = tuple[Callable[..., Any], list[Any]]


def _near(rng: Rng, size: int = 4) -> Any:
    """Return 0, or numbers around 1e-7 of either sign."""
    return rng.choice([0.0, 1e-7, -1e-7, 1e-9, -1e-5], size)


def _spread(rng: Rng, low: float, high: float, size: int = 3) -> Any:
    """Return positive numbers over many orders of magnitude."""
    return 10.0 ** rng.uniform(low, high, size)


def _tied(rng: Rng) -> Any:
    return rng.choice([-1.0, 0.5, 2.0], (2, 3))


NASTY: dict[str, Callable[[Rng], Call]] = {
    "relu at its kink": lambda rng: (ag.relu, [np.zeros(2)]),
    "relu near its kink": lambda rng: (ag.relu, [_near(rng)]),
    "abs at its kink": lambda rng: (ag.absolute, [np.zeros(1)]),
    "abs near its kink": lambda rng: (ag.absolute, [_near(rng)]),
    "clip at its bounds": lambda rng: (lambda x: ag.clip(x, -1.0, 1.0), [rng.choice([-1.0, 1.0], 3)]),
    "clip near its bounds": lambda rng: (lambda x: ag.clip(x, -1.0, 1.0), [rng.choice([-1.0, 1.0], 4) + _near(rng)]),
    "max of ties": lambda rng: (lambda x: ag.max(x, axis=1), [_tied(rng)]),
    "maximum of ties": lambda rng: (ag.maximum, [_tied(rng), _tied(rng)]),
    "sort of ties": lambda rng: (lambda x: ag.sort(x, axis=1) * np.arange(3.0), [_tied(rng)]),
    "a large offset": lambda rng: (lambda x: 1e8 + ag.sin(x), [rng.standard_normal(3)]),
    "a quick sine": lambda rng: (lambda x: ag.sin(1000 * x), [rng.standard_normal(3)]),
    "a large cube": lambda rng: (lambda x: x**3, [_spread(rng, -4, 5)]),
    "log of little": lambda rng: (ag.log, [_spread(rng, -9, 6)]),
    "a pole": lambda rng: (lambda x: 1 / x, [_spread(rng, -5, 5) * rng.choice([-1.0, 1.0], 3)]),
    "sqrt of little": lambda rng: (ag.sqrt, [_spread(rng, -8, 8)]),
    "norm of little": lambda rng: (ag.norm, [rng.standard_normal(3) * _spread(rng, -6, 3, 1)]),
    "exp of much": lambda rng: (ag.exp, [rng.uniform(-30, 30, 3)]),
    "softplus of much": lambda rng: (ag.softplus, [rng.choice([-1, 1], 3) * rng.uniform(20, 40, 3)]),
    "tanh of much": lambda rng: (ag.tanh, [rng.uniform(-15, 15, 3)]),
    "norm at the origin": lambda rng: (ag.norm, [np.zeros(3)]),
    "kinks that cancel": lambda rng: (lambda x: np.sum(_signs(x) * ag.relu(x)), [_near(rng)]),
    "log of a sum of exponentials": lambda rng: (ag.logsumexp, [100 * rng.standard_normal(4)]),
    "a far logit": lambda rng: (lambda x: np.sum(ag.softplus(x) - 0.5 * x), [30 * rng.standard_normal(3)]),
}


def _signs(x: Any) -> Any:
    """Return weights of both signs."""
    return np.resize([1.0, -1.0, 2.0], np.shape(x))


_ELEMENTWISE = [op for op in ops.TABLE.values() if op.is_elementwise and any(op.rules)]
_OTHERS = [op for op in ops.TABLE.values() if not op.is_elementwise and op.cases]
_UNARY = ["tanh", "sin", "sigmoid", "softplus", "arctan", "square", "exp", "gelu", "relu", "absolute", "silu"]


def _elementwise(rng: Rng) -> Call:
    op = _ELEMENTWISE[rng.integers(len(_ELEMENTWISE))]
    shape = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 3)))
    shapes = [shape if rng.random() < 0.7 else shape[1:] for _ in op.rules]
    sample = Sample(op, [draw(op, i, s, rng) for i, s in enumerate(shapes)], {})
    return sample, sample.primals


def _structural(rng: Rng) -> Call:
    while True:
        op = _OTHERS[rng.integers(len(_OTHERS))]
        made = [s for s in samples(op, int(rng.integers(1 << 30))) if s.is_differentiable]
        if made:
            sample = made[rng.integers(len(made))]
            return sample, sample.primals


def _composed(rng: Rng) -> Call:
    names = list(rng.choice(_UNARY, rng.integers(1, 5)))

    def program(x: Any, w: Any) -> Any:
        total = x * w
        for name in names:
            x = ag.tanh(getattr(ag, name)(x) @ x + w)
            total = total + x * total
        return total

    return program, [rng.standard_normal((2, 2)), rng.standard_normal(2)]


def _nasty(rng: Rng) -> Call:
    return list(NASTY.values())[rng.integers(len(NASTY))](rng)


def _large(rng: Rng) -> Call:
    name = rng.choice(_UNARY)
    return getattr(ag, name), [rng.standard_normal((50, 100))]


FAMILIES: dict[str, tuple[int, Callable[[Rng], Call]]] = {  # how many of a hundred
    "nasty": (35, _nasty),
    "elementwise": (30, _elementwise),
    "structural": (19, _structural),
    "composed": (15, _composed),
    "large": (1, _large),
}
_ORDER = [name for name, (share, _) in FAMILIES.items() for _ in range(share)]


def alarm(number: int) -> tuple[str, str]:
    """Check one random input; return its family, and the report if it raised an alarm."""
    family = _ORDER[number % len(_ORDER)]
    rng = np.random.default_rng([number, 17])
    f, inputs = FAMILIES[family][1](rng)
    second = number // len(_ORDER) % 4 == 0 and family not in ("nasty", "large")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = gradcheck(f, *inputs, order=2 if second else 1, seed=number, max_entries=3 if second else 12)
    return family, "" if report else f"{getattr(f, 'op', f)} of {inputs}\n{report}"


def main() -> int:
    """Check as many as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()
    begun, checked, alarms = time.perf_counter(), Counter[str](), Counter[str]()
    for number in range(arguments.start, arguments.start + arguments.count):
        family, text = alarm(number)
        checked[family] += 1
        if text:
            alarms[family] += 1
            print(f"number {number}, {family}: {text}\n", flush=True)
    for family, count in checked.items():
        print(f"{family:12} {count:6} checked {alarms[family]:4} false alarms")
    print(
        f"{sum(checked.values())} checked in {time.perf_counter() - begun:.0f} s, {sum(alarms.values())} false alarms"
    )
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
