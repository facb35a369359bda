"""What a row of the table is: a piece of work, those who do it, and what we promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from benchmarks.peers import MissingError

__all__ = ["NUMPY", "OURS", "Array", "Row", "Rows", "Target", "Work", "works"]

Array = NDArray[Any]
OURS = "autograd_lite"
NUMPY = "NumPy by hand"


class Work(NamedTuple):
    """One contender's way to do a row's work.

    ``run`` does it once; ``result`` then returns arrays that must be the same for every contender.
    """

    run: Callable[[], Any]
    result: Callable[[], Sequence[Array]]


@dataclass(frozen=True)
class Target:
    """Our figure is to be at most ``factor`` times that of a contender (or of ours in another row), or at most a limit.

    Parameters
    ----------
    factor : float
        Below 1 where we are to be faster; the limit itself where there is nobody to compare with.
    against : str, optional
        The contender.
    row : str, optional
        The title of the row whose figure is meant; by default the target's own.
    """

    factor: float
    against: str | None = None
    row: str | None = None


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    title : str
        What is done.
    works : mapping of str to Work
        Contender -> work. All must come to the same result.
    targets : tuple of Target, optional
    unit : {"s", "B"}, optional
        Seconds are measured from outside; bytes are what ``run`` returns.
    per : int, optional
        Figures are shown for one of so many (nodes).
    rtol : float, optional
        How far results may differ, relative to their largest entry.
    """

    title: str
    works: Mapping[str, Work]
    targets: tuple[Target, ...] = ()
    unit: Literal["s", "B"] = "s"
    per: int = 1
    rtol: float = 1e-9


Rows = Callable[[], Iterator[Row]]


def works(makers: Mapping[str, Callable[..., Work]], *problem: Any) -> dict[str, Work]:
    """Make the work of every contender whose library is installed."""
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make(*problem)
        except MissingError:
            continue
    return made
