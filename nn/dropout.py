"""Dropout: noise in training, nothing in evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn import functional, functional_layers
from nn.errors import ShapeError
from nn.module import Module

__all__ = ["Dropout", "Dropout2d"]


class Dropout(Module):
    """Zero each entry with probability ``p`` while training, and scale the others so that the mean stays.

    Parameters
    ----------
    p : float, optional
    inplace : bool, optional
        Accepted and without effect: arrays are never written in place.
    generator : numpy.random.Generator, optional
        Default: `autograd_lite.default_generator`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> layer = nn.Dropout(0.5, generator=np.random.default_rng(0))
    >>> layer(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    >>> layer.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace, self.generator = p, inplace, generator

    def forward(self, x: Any) -> Any:
        return functional.dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout2d(Dropout):
    """Zero whole channels with probability ``p`` while training, and scale the others so that the mean stays.

    Neighbouring pixels say much the same, so that dropping single ones would take little away (Tompson et al. 2015).

    Parameters
    ----------
    p : float, optional
    inplace : bool, optional
        Accepted and without effect: arrays are never written in place.
    generator : numpy.random.Generator, optional
        Default: `autograd_lite.default_generator`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> layer = nn.Dropout2d(0.5, generator=np.random.default_rng(0))
    >>> layer(np.ones((1, 3, 1, 2))).reshape(3, 2)
    array([[2., 2.],
           [0., 0.],
           [0., 0.]])
    """

    def forward(self, x: Any) -> Any:
        if np.ndim(x) not in (3, 4):
            fix = "Use nn.Dropout for entries that are no images."
            raise ShapeError(self, "an input of shape (N, C, height, width) or (N, C, length)", str(np.shape(x)), fix)
        return functional_layers.dropout2d(x, self.p, self.training, self.generator)
