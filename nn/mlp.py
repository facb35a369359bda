"""MLP: the fully connected network as one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from nn.activation import ReLU
from nn.container import Sequential
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.norm import BatchNorm1d

__all__ = ["MLP"]


class MLP(Sequential):
    """A fully connected network: hidden layers with an activation, and a last layer without one.

    Each hidden layer is Linear, BatchNorm1d (if asked for), activation, Dropout (if asked for).

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
        The sizes of the hidden layers; none makes the model linear.
    out_features : int
    activation : callable, optional
        Makes the activation of a hidden layer: ``nn.Tanh``, or ``lambda: nn.LeakyReLU(0.1)``.
    dropout : float, optional
        The probability with which a hidden unit is dropped while training.
    batch_norm : bool, optional
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values and the dropout.

    Examples
    --------
    >>> import nn
    >>> nn.MLP(30, [4, 3], 1, activation=nn.Tanh)
    MLP(  # 143 parameters
      (0): Linear(in_features=30, out_features=4, bias=True)  # 124 parameters
      (1): Tanh()
      (2): Linear(in_features=4, out_features=3, bias=True)  # 15 parameters
      (3): Tanh()
      (4): Linear(in_features=3, out_features=1, bias=True)  # 4 parameters
    )
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int,
        *,
        activation: Callable[[], Module] = ReLU,
        dropout: float = 0.0,
        batch_norm: bool = False,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        layers: list[Module] = []
        for size in hidden:
            layers.append(Linear(in_features, size, dtype=dtype, generator=generator))
            if batch_norm:
                layers.append(BatchNorm1d(size, dtype=dtype))
            layers.append(activation())
            if dropout:
                layers.append(Dropout(dropout, generator=generator))
            in_features = size
        layers.append(Linear(in_features, out_features, dtype=dtype, generator=generator))
        super().__init__(*layers)
