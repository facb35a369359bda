"""The zoo of broken rules: every mistake is caught, and nearly every one is called by its name."""

from __future__ import annotations

import functools
import zlib
from collections import Counter

import numpy as np
import pytest

from autograd_lite import GradientError, custom_op, gradcheck
from tests.zoo import KINDS, ZOO
from tests.zoo_layers import LAYERS


@functools.cache
def _verdicts() -> list[tuple[bool, list[str]]]:
    """Return for every mistake whether it was caught, and the first two kinds that the report names."""
    verdicts = []
    for broken in ZOO:
        f, inputs = broken.build()
        with broken.installed():
            try:
                report = gradcheck(f, *inputs)
                verdicts.append((not report, [d.kind for d in report.diagnoses][:2]))
            except GradientError as error:
                verdicts.append(("shape" in str(error), []))
    return verdicts


def test_catalogue_is_large_and_varied() -> None:
    assert len(ZOO) >= 200
    assert len({broken.name for broken in ZOO}) == len(ZOO)
    counts = Counter(broken.kind for broken in ZOO)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 20


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_right_before_they_are_broken(name: str) -> None:
    layer = LAYERS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    report = gradcheck(custom_op(layer.forward, layer.rules, name=name), *(sample(rng) for sample in layer.samples))
    assert report, str(report)
    assert not report.diagnoses


def test_every_mistake_is_caught() -> None:
    missed = [broken.name for broken, (caught, _) in zip(ZOO, _verdicts(), strict=True) if not caught]
    assert not missed


def test_diagnosis_names_the_mistake_among_its_first_two() -> None:
    wrong = {b.name: named for b, (_, named) in zip(ZOO, _verdicts(), strict=True) if b.kind not in named}
    assert len(wrong) <= 0.1 * len(ZOO), wrong


def test_no_kind_of_mistake_is_a_blind_spot() -> None:
    named: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for broken, (_, kinds) in zip(ZOO, _verdicts(), strict=True):
        named[broken.kind].append(broken.kind in kinds)
    assert min(np.mean(hits) for hits in named.values()) >= 0.7, named
