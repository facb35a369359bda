"""A sample of the random programs of `tests.compile_fuzz`; ``-m`` there runs as many as one likes."""

from __future__ import annotations

import pytest

from tests import compile_fuzz


@pytest.mark.parametrize("first", range(0, 100, 10))
@pytest.mark.parametrize("backend", compile_fuzz.BACKENDS)
def test_random_programs(backend: str, first: int) -> None:
    checked = sum(compile_fuzz.check(seed, [backend]) for seed in range(first, first + 10))
    assert checked >= 5


def test_wrong_results_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograd_lite.ops import overridden
    from autograd_lite.replay import recording, run

    def wrong(program: object, backend: str) -> object:
        with overridden("arctan", 0, lambda y, x: 1 / (1 + x * x) + 1e-7):
            return run.build(program)  # type: ignore[arg-type]

    monkeypatch.setattr(recording, "built", wrong)
    with pytest.raises(AssertionError, match="seed"):
        sum(compile_fuzz.check(seed, ["plain"]) for seed in range(20))
