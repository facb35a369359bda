"""Every activation of the op table as a module: a row each, naming its function and its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from nn import functional
from nn.module import Module

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "ReLU", "SiLU",
    "Sigmoid", "Softmax", "Softplus", "Softsign", "Tanh",
]  # fmt: skip


class Activation(Module):
    """A function of one array as a module.

    A subclass names the function and the defaults of its settings as class arguments; the settings become
    parameters of the constructor, in that order, and attributes. All take ``inplace`` too, without effect: arrays
    are never written in place.
    """

    _function: ClassVar[Callable[..., Any]]
    _signature: ClassVar[inspect.Signature]

    def __init_subclass__(cls, function: Callable[..., Any], **defaults: Any) -> None:
        cls._function = staticmethod(function)
        settings = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for name, default in {**defaults, "inplace": False}.items()
        ]
        cls._signature = cls.__signature__ = inspect.Signature(settings)  # type: ignore[attr-defined]
        if not defaults:
            cls.forward = staticmethod(function)  # type: ignore[method-assign]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self._settings = {name: value for name, value in bound.arguments.items() if name != "inplace"}

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("_settings", {})
        if name in settings:
            return settings[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def forward(self, x: Any) -> Any:
        return self._function(x, **self._settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._settings.items())


class ReLU(Activation, function=functional.relu):
    """``max(x, 0)``; slope 0 at 0."""


class LeakyReLU(Activation, function=functional.leaky_relu, negative_slope=0.01):
    """``x`` where it is positive, ``negative_slope x`` elsewhere."""


class ELU(Activation, function=functional.elu, alpha=1.0):
    """``x`` where it is positive, ``alpha (exp(x) - 1)`` elsewhere (Clevert et al. 2016)."""


class CELU(Activation, function=functional.celu, alpha=1.0):
    """``x`` where it is positive, ``alpha (exp(x / alpha) - 1)`` elsewhere (Barron 2017)."""


class SELU(Activation, function=functional.selu):
    """The self-normalising multiple of ELU (Klambauer et al. 2017)."""


class GELU(Activation, function=functional.gelu, approximate="none"):
    """``x Φ(x)`` with the normal distribution function Φ; ``approximate="tanh"`` for the quicker form."""


class SiLU(Activation, function=functional.silu):
    """``x sigmoid(x)``, also known as swish."""


class Mish(Activation, function=functional.mish):
    """``x tanh(softplus(x))`` (Misra 2019)."""


class Softplus(Activation, function=functional.softplus, beta=1.0, threshold=20.0):
    """``log(1 + exp(beta x)) / beta``; ``x`` itself where ``beta x`` exceeds the threshold."""


class Softsign(Activation, function=functional.softsign):
    """``x / (1 + |x|)``."""


class Hardtanh(Activation, function=functional.hardtanh, min_val=-1.0, max_val=1.0):
    """``x`` limited to the interval from ``min_val`` to ``max_val``."""


class Sigmoid(Activation, function=functional.sigmoid):
    """``1 / (1 + exp(-x))``."""


class LogSigmoid(Activation, function=functional.logsigmoid):
    """``log(sigmoid(x))``, exact where sigmoid itself would underflow."""


class Tanh(Activation, function=functional.tanh):
    """The hyperbolic tangent."""


class Softmax(Activation, function=functional.softmax, dim=None):
    """``exp(x) / sum(exp(x))`` along ``dim``: the last axis by default, for at most two of them."""


class LogSoftmax(Activation, function=functional.log_softmax, dim=None):
    """``log(softmax(x))`` along ``dim``: the last axis by default, for at most two of them."""
