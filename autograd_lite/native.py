"""What a compiler has to know about the classes of the engine, and plain Python does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

__all__ = ["mypyc_attr"]

C = TypeVar("C")

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**attributes: bool) -> Callable[[C], C]:
        """Return a decorator that leaves a class as it is; mypyc reads its arguments in the source."""
        return lambda cls: cls
