"""What the settings of the scikit-learn estimators may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["check_settings"]


def _whole(x: Any) -> bool:
    return isinstance(x, (int, np.integer)) and bool(x > 0)


def _in_row(x: Any) -> bool:
    return not isinstance(x, str) and np.ndim(x) == 1 and all(map(_whole, x))


# What a setting is to be, in words, and whether it is.
_SETTINGS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "module": ("None, a Module or callable", lambda x: x is None or callable(x)),
    "hidden": ("a positive integer or a sequence of them", lambda x: _whole(x) or _in_row(x)),
    "criterion": ("'auto' or callable", lambda x: callable(x) or (isinstance(x, str) and x == "auto")),
    "max_epochs": ("a positive integer", _whole),
    "batch_size": ("'auto' or a positive integer", lambda x: _whole(x) or (isinstance(x, str) and x == "auto")),
    "patience": ("a positive integer", _whole),
    "validation_fraction": (
        "a number between 0 and 1",
        lambda x: isinstance(x, (float, np.floating)) and 0 < float(x) < 1,
    ),
    "callbacks": (
        "None or a sequence of callbacks",
        lambda x: x is None or (np.iterable(x) and not isinstance(x, str)),
    ),
}


def check_settings(estimator: Any) -> None:
    """Refuse settings that could only fail later, and less clearly."""
    for name, (expected, fits) in _SETTINGS.items():
        x = getattr(estimator, name)
        if not fits(x):
            raise ValueError(f"{name} of {type(estimator).__name__} must be {expected}, got {x!r}")
