"""Right gradients raise no alarm: a sample of what ``python -m tests.false_alarms`` checks by the thousand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lite import custom_op, gradcheck
from tests.false_alarms import FAMILIES, NASTY, alarm


@pytest.mark.parametrize("name", NASTY)
def test_nasty_cases(name: str) -> None:
    for seed in range(3):
        f, inputs = NASTY[name](np.random.default_rng(seed))
        report = gradcheck(f, *inputs, seed=seed)
        assert report.ok, str(report)


@pytest.mark.parametrize("block", range(8))
def test_random_inputs(block: int) -> None:
    numbers = [7 * k + block for k in range(0, 100, 5)]
    found = [alarm(number) for number in numbers]
    assert len({family for family, _ in found}) >= 3
    assert not [text for _, text in found if text]


@pytest.mark.parametrize("number", [3185, 3289, 3989, 6889, 9784, 22097])
def test_programs_whose_inner_rounding_misleads_fine_differences(number: int) -> None:
    _, text = alarm(number)
    assert not text


def test_all_families_are_drawn_from() -> None:
    assert sum(share for share, _ in FAMILIES.values()) == 100
    assert len(NASTY) >= 17


def _sort_with(weight_of_middle: float) -> Any:
    """Return a weighted sort whose gradient gives the second of three tied entries a chosen weight."""

    def rule(g: Any, y: Any, x: Any) -> Any:
        share = g * np.array([1.0, 3.0, 2.0])
        share[1] = g[1] * weight_of_middle
        return share

    return custom_op(lambda x: np.sort(x) * np.array([1.0, 3.0, 2.0]), rule, name="mine")


def test_the_middle_of_a_tie_may_have_its_own_weight_and_no_other() -> None:
    x = np.ones(3)
    assert gradcheck(_sort_with(3.0), x)
    report = gradcheck(_sort_with(30.0), x)
    assert {entry.index for entry in report.failures} >= {(1,)}
