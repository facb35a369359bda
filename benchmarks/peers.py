"""The libraries that we are measured beside. Each is optional, and imported only where it takes part.

All run with the settings they come with, but for one thread and float64.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

__all__ = ["DISTRIBUTIONS", "MissingError", "absent", "jax", "load", "torch", "version"]

# Contender -> the distribution on PyPI.
DISTRIBUTIONS = {
    "PyTorch": "torch",
    "JAX (jit)": "jax",
    "HIPS autograd": "autograd",
    "MyGrad": "mygrad",
    "micrograd": "micrograd",
    "XAD": "xad",
    "CasADi (SX)": "casadi",
}


class MissingError(ImportError):
    """A library that takes part in a row is not installed."""


def load(name: str) -> Any:
    """Import a module of an optional library, or raise `MissingError`."""
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        raise MissingError(f"{package} is not installed")
    return importlib.import_module(name)


def torch() -> Any:
    """Import PyTorch and give it one thread."""
    module = load("torch")
    module.set_num_threads(1)
    return module


def jax() -> Any:
    """Import JAX with float64 switched on."""
    module = load("jax")
    module.config.update("jax_enable_x64", True)
    return module


def version(name: str) -> str:
    """Return a contender's version, or nothing for one that has none."""
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return ""


def absent() -> list[str]:
    """Name the contenders that are not installed."""
    return [name for name, package in DISTRIBUTIONS.items() if importlib.util.find_spec(package) is None]
