"""The default source of randomness: one NumPy generator, seeded in one place."""

from __future__ import annotations

import numpy as np

__all__ = ["default_generator", "manual_seed"]

_default = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the default generator; the same seed gives the same bits. Returns the generator.

    It is the same object as before: whoever holds it (a Dropout layer, say) is seeded too.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> ag.manual_seed(0).random() == ag.manual_seed(0).random()
    True
    """
    _default.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    return _default


def default_generator() -> np.random.Generator:
    """Return the generator that everything random uses unless it is given one of its own."""
    return _default
