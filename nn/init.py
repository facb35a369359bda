"""Initial values, written into parameters in place: PyTorch's names, formulas and defaults.

Every random one takes a ``generator``; without it `autograd_lite.default_generator` is used.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from autograd_lite import Tensor, default_generator, graph

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

Generator = np.random.Generator | None
_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
_GAINS |= {f"conv{way}{axes}d": 1.0 for way in ("", "_transpose") for axes in (1, 2, 3)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights before an activation are larger, so that variances stay.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"selu"``, ``"conv2d"``, ...
    param : float, optional
        The negative slope of ``"leaky_relu"``; 0.01 by default.

    Examples
    --------
    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2 / (1 + slope * slope))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def _fill(tensor: Tensor, values: Any) -> Tensor:
    if tensor.op is not None:
        raise ValueError(f"only leaves can be initialised, not {graph.describe(tensor)}")
    tensor._data[...] = values
    graph.mark_written((tensor,))
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with uniform numbers between ``a`` and ``b``; return the tensor."""
    return _fill(tensor, (generator or default_generator()).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with normal numbers; return the tensor."""
    return _fill(tensor, (generator or default_generator()).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator = None
) -> Tensor:
    """Fill with normal numbers, of those between ``a`` and ``b``; return the tensor.

    Examples
    --------
    >>> import numpy as np, nn
    >>> w = trunc_normal_(nn.Parameter(np.empty(1000)), std=0.5, a=-1.0, b=1.0)
    >>> bool(abs(w.numpy()).max() <= 1.0)
    True
    """
    if not a < b or not std > 0:
        raise ValueError(f"expected a < b and std > 0, got a={a}, b={b}, std={std}")
    source = generator or default_generator()
    mode = min(max(mean, a), b)
    reach = math.hypot(mode - mean, 9 * std)  # beyond, the density is below 1e-17 of its peak
    low, high = max(a, mean - reach), min(b, mean + reach)
    share = (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2)))) / 2
    values = np.empty(tensor.size)
    missing = np.arange(tensor.size)
    while missing.size:  # rejection: of normal numbers or, where those would rarely fit, uniform ones (Robert 1995)
        if share > 0.3:
            drawn = source.normal(mean, std, missing.size)
            fits = (low <= drawn) & (drawn <= high)
        else:
            drawn = source.uniform(low, high, missing.size)
            fits = source.random(missing.size) <= np.exp(((mode - mean) ** 2 - (drawn - mean) ** 2) / (2 * std * std))
        values[missing[fits]] = drawn[fits]
        missing = missing[~fits]
    return _fill(tensor, values.reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number; return the tensor.

    Examples
    --------
    >>> import nn
    >>> constant_(nn.Parameter([1.0, 2.0]), 3.0)
    Parameter([3., 3.], requires_grad=True)
    """
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros; return the tensor."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones; return the tensor."""
    return _fill(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere; return the tensor."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight, of 3 to 5 axes, so that it passes channels on unchanged; return the tensor.

    As many channels of each group as go in and come out; the others give zeros.

    Examples
    --------
    >>> import numpy as np, nn
    >>> dirac_(nn.Parameter(np.empty((2, 1, 3))))
    Parameter([[[0., 1., 0.]],
    <BLANKLINE>
           [[0., 0., 0.]]], requires_grad=True)
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    outputs, inputs, *window = tensor.shape
    if outputs % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tensor.shape)
    for first in range(0, outputs, outputs // groups):
        channels = np.arange(min(outputs // groups, inputs))
        middle: Any = (first + channels, channels, *(size // 2 for size in window))
        values[middle] = 1
    return _fill(tensor, values)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator = None) -> Tensor:
    """Fill a matrix with normal numbers and, in each column, that part of zeros (Martens 2010); return the tensor.

    Examples
    --------
    >>> import numpy as np, nn
    >>> w = sparse_(nn.Parameter(np.empty((10, 3))), sparsity=0.7)
    >>> (w.numpy() != 0).sum(axis=0)
    array([3, 3, 3])
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    source = generator or default_generator()
    values = source.normal(0.0, std, tensor.shape)
    order = source.permuted(np.broadcast_to(np.arange(tensor.shape[0])[:, None], tensor.shape), axis=0)
    values[order < math.ceil(sparsity * tensor.shape[0])] = 0
    return _fill(tensor, values)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs an output sees, and the reverse: a convolution sees its whole window."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(_fans(tensor)))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with uniform numbers of variance ``2 gain**2 / (fan_in + fan_out)`` (Glorot and Bengio 2010)."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with normal numbers of variance ``2 gain**2 / (fan_in + fan_out)`` (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill with uniform numbers of variance ``gain**2 / fan`` (He et al. 2015); ``a`` is the leaky slope."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill with normal numbers of variance ``gain**2 / fan`` (He et al. 2015); ``a`` is the leaky slope."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with ``gain`` times a random matrix of orthonormal rows or columns, whichever are fewer (Saxe et al. 2014).

    Axes behind the first count as one.

    Examples
    --------
    >>> import numpy as np, nn
    >>> q = orthogonal_(nn.Parameter(np.empty((2, 3)))).numpy()
    >>> np.allclose(q @ q.T, np.eye(2))
    True
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    normal = (generator or default_generator()).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diagonal(r))  # makes the distribution uniform over the orthogonal group (Mezzadri 2007)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))
