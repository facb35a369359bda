"""Weights on disk, as safetensors: readable by PyTorch and others, and safe to read (no pickle)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite import graph
from nn.module import Module

__all__ = ["load_weights", "save_weights"]


def save_weights(
    model: Module | Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write the weights of a model, or a state dict, to a safetensors file; needs safetensors.

    The file appears whole or not at all: an older one of that name stays until the new one is on the disk.

    Parameters
    ----------
    model : Module or mapping of str to array_like
    path : path-like
    metadata : mapping of str to str, optional

    Examples
    --------
    >>> import tempfile, nn
    >>> model = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(model, f"{folder}/weights.safetensors")
    ...     sorted(load_weights(f"{folder}/weights.safetensors"))
    ['bias', 'weight']
    """
    from safetensors.numpy import save

    state = model.state_dict() if isinstance(model, Module) else model
    # The library writes the memory as it lies: a transposed or strided array would come back scrambled.
    arrays = {key: np.array(graph.data_of(x), order="C") for key, x in state.items()}
    write_atomically(path, save(arrays, metadata=None if metadata is None else dict(metadata)))


def load_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Read a safetensors file; give the result to ``model.load_state_dict``. Needs safetensors.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        When the file is truncated or not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, np.ndarray[Any, Any]] = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} is not a whole safetensors file: {error}") from None
    return arrays


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one beside it, so that no reader ever sees half of it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
