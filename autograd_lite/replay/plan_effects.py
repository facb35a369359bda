"""Effects written out in primitive steps, all but a last piece of Python that puts results in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite.replay.plan_builder import Builder
from autograd_lite.replay.plan_symbol import Symbol
from autograd_lite.replay.primitive import Array, Effect

__all__ = ["Held", "Option", "Unfolding"]


class Held:
    """What stands outside of a plan and is read anew in each run, as a leaf is."""

    __slots__ = ("_get", "is_array")

    def __init__(self, get: Callable[[], Any], is_array: bool) -> None:
        self._get, self.is_array = get, is_array

    @property
    def _data(self) -> Any:
        return self._get()


class Option(Symbol):
    """A number that is read anew in each run, and may be asked what it was when the plan was made.

    Whoever asks has to see to it that the answer still holds.
    """

    __slots__ = ("_was",)
    __hash__ = Symbol.__hash__

    def __init__(self, builder: Builder, number: int, was: float) -> None:
        super().__init__(builder, number, weak=True, shared=True)
        self._was = was

    def __bool__(self) -> bool:
        return bool(self._was)

    def __eq__(self, other: object) -> bool:
        return self._was == other


class Unfolding:
    """What an effect writes its steps on.

    An effect whose function has a method ``unfold`` is asked to write itself out: ``unfold(unfolding)`` computes with
    Symbols and ends with `finish`; it returns False, or raises UnfoldableError, where it cannot.

    Attributes
    ----------
    reads : list of Symbol
        What the effect was given.
    """

    def __init__(self, builder: Builder, reads: Sequence[int], renews: tuple[int, ...]) -> None:
        self.builder, self._renews = builder, renews
        self.reads = [Symbol(builder, n, shared=True) for n in reads]
        if any(isinstance(step, Effect) for step in builder.plan.steps):
            self._renewed: list[int] | None = []  # an effect before this one may have written what we read
            builder.plan.steps.append(Effect(_look, (), (), "look"))
            self._look = len(builder.plan.steps) - 1
        else:
            self._renewed = None

    def _leaf(self, get: Callable[[], Any], is_array: bool) -> int:
        now = np.asarray(get())
        number = self.builder.add(Array(now.shape, now.dtype, "leaf", Held(get, is_array)))
        if self._renewed is not None:
            self._renewed.append(number)
            self.builder.plan.steps[self._look] = Effect(_look, (), tuple(self._renewed), "look")
        return number

    def held(self, get: Callable[[], Any]) -> Symbol:
        """Return the array that ``get()`` returns in each run; copy it before writing to it."""
        return Symbol(self.builder, self._leaf(get, True), shared=True)

    def number(self, get: Callable[[], float]) -> Option:
        """Return the number that ``get()`` returns in each run."""
        return Option(self.builder, self._leaf(lambda: float(get()), False), get())

    def finish(self, run: Callable[..., None], arrays: Sequence[Symbol], name: str) -> None:
        """End with ``run(*arrays)``, which keeps nothing of them."""
        self.builder.plan.steps.append(Effect(run, tuple(x.number for x in arrays), self._renews, name, True))


def _look() -> None:
    """Stand where what is held outside has to be read anew."""
