"""What runs here: which modules are machine code, on which NumPy and BLAS."""

from __future__ import annotations

import sys
from importlib.machinery import ExtensionFileLoader
from typing import NamedTuple

import numpy as np

__all__ = ["EngineInfo", "engine_info"]


class EngineInfo(NamedTuple):
    """What `engine_info` found.

    Attributes
    ----------
    version : str
        The version of autograd_lite.
    compiled : tuple of str
        The modules that were compiled ahead of time; empty in plain Python.
    python, numpy, blas, machine : str
        Names and versions of what is below.
    """

    version: str
    compiled: tuple[str, ...]
    python: str
    numpy: str
    blas: str
    machine: str

    def __str__(self) -> str:
        engine = f"compiled: {', '.join(self.compiled)}" if self.compiled else "plain Python"
        return (
            f"autograd_lite {self.version} ({engine}), {self.python}, NumPy {self.numpy}, "
            f"BLAS {self.blas}, {self.machine}"
        )


def engine_info() -> EngineInfo:
    """Return which engine runs: compiled modules or plain Python, and the versions of what is below it.

    Examples
    --------
    >>> import autograd_lite as ag
    >>> print(ag.engine_info())
    autograd_lite ...
    """
    import platform

    package = sys.modules[__package__]
    modules = (name for name in sys.modules if name.startswith(f"{__package__}."))
    compiled = (name for name in modules if _is_compiled(name))
    return EngineInfo(
        version=package.__version__,
        compiled=tuple(sorted(name.rpartition(".")[2] for name in compiled)),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        numpy=np.__version__,
        blas=_blas(),
        machine=f"{platform.system()} {platform.machine()}",
    )


def _is_compiled(name: str) -> bool:
    spec = sys.modules[name].__spec__
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader) and "._" not in name


def _blas() -> str:
    built = np.show_config(mode="dicts")
    found = (built or {}).get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()
