"""The default source of randomness: one NumPy generator, seeded in one place."""

from __future__ import annotations

import threading

import numpy as np

__all__ = ["default_generator", "manual_seed"]

_making = threading.Lock()
_default: list[np.random.Generator] = []  # empty until it is asked for: importing numpy.random takes a while


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the default generator; the same seed gives the same bits. Returns the generator.

    It is the same object as before: whoever holds it (a Dropout layer, say) is seeded too.

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
