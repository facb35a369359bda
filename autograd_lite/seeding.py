"""The default source of randomness: one NumPy generator, seeded in one place."""

from __future__ import annotations

import os
import threading

import numpy as np

__all__ = ["default_generator", "manual_seed"]

_making = threading.Lock()
_default: list[np.random.Generator] = []  # empty until it is asked for: importing numpy.random takes a while
_forks = 0


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the default generator; the same seed gives the same bits. Returns the generator.

    It is the same object as before: whoever holds it (a Dropout layer, say) is seeded too. A forked process goes on
    with numbers of its own, which follow from the seed as well.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    generator = default_generator()
    generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    return generator


def default_generator() -> np.random.Generator:
    """Return the generator that everything random uses unless it is given one of its own."""
    with _making:
        if not _default:
            _default.append(np.random.default_rng())
    return _default[0]


def _before_fork() -> None:
    global _forks
    _making.acquire()
    _forks += 1


def _in_child() -> None:
    """Go on with another stream, which follows from the seed: workers that draw the same numbers are no workers."""
    _making.release()
    for generator in _default:
        bits = generator.bit_generator
        kept = bits.state["state"]
        bits.state = type(bits)(np.random.SeedSequence([kept["state"], kept["inc"], _forks])).state


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_making.release, after_in_child=_in_child)
