"""Linear, and the layers that only pass their input on: Flatten and Identity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import default_generator, ops
from nn import functional
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["Flatten", "Identity", "Linear"]


class Linear(Module):
    """An affine map of the last axis, ``x @ weight.T + bias``, and an activation if there is one.

    Parameters
    ----------
    in_features, out_features : int
    activation : Module, optional
        Applied to the result. (PyTorch's third parameter is ``bias``, here a keyword.)
    bias : bool, optional
        Whether to add a bias.
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values, uniform between -1/sqrt(in_features) and 1/sqrt(in_features), as PyTorch's are.

    Attributes
    ----------
    weight : Parameter
        Shape (out_features, in_features).
    bias : Parameter or None
        Shape (out_features,).

    Raises
    ------
    ShapeError
        When called with an array whose last axis is not of length ``in_features``.

    Examples
    --------
    >>> import nn
    >>> layer = nn.Linear(3, 4, nn.ReLU())
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: Module | None = None,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if not (activation is None or isinstance(activation, Module)):
            raise TypeError(
                f"the third argument of Linear is an activation module, got {activation!r}.\n"
                "Write nn.Linear(3, 4, nn.ReLU()), or bias=False for a layer without a bias."
            )
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / np.sqrt(in_features) if in_features else 0.0
        draw = (generator or default_generator()).uniform
        self.weight = Parameter(draw(-bound, bound, (out_features, in_features)), dtype=dtype)
        self.bias = Parameter(draw(-bound, bound, out_features), dtype=dtype) if bias else None
        self.activation = activation

    def forward(self, x: Any) -> Any:
        try:
            y = ops.linear(x, self.weight, self.bias)
        except ValueError:
            self._explain(np.shape(x))
            raise
        return y if self.activation is None else self.activation(y)

    def _explain(self, shape: tuple[int, ...]) -> None:
        n = self.in_features
        if shape[-1:] == (n,):
            return
        if len(shape) > 2 and int(np.prod(shape[1:])) == n:
            fix = "Put nn.Flatten() before it."
        elif len(shape) == 2 and shape[0] == n:
            fix = "The samples are along the first axis: pass x.T."
        elif shape:
            fix = f"Make it Linear({shape[-1]}, {self.out_features}), or give the layer before it {n} outputs."
        else:
            fix = f"Pass an array with {n} features, as in x.reshape(1, -1)."
        raise ShapeError(self, f"an input of shape (..., {n})", str(shape), fix) from None

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Merge the axes from ``start_dim`` to ``end_dim``, both included, into one: by default all but the first.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        n = len(np.shape(x)) or 1
        if not all(-n <= d < n for d in (self.start_dim, self.end_dim)):
            fix = "Pass a batch, samples first (x[None] is a batch of one), or change start_dim and end_dim."
            raise ShapeError(self, f"axes from {self.start_dim} to {self.end_dim}", str(np.shape(x)), fix)
        return functional.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Give the input back; takes and ignores any arguments.

    Examples
    --------
    >>> import nn
    >>> nn.Identity()(3.0)
    3.0
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x
