"""Weights and whole training states on disk, as safetensors: safe to read (no pickle), and all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite import graph
from nn.module import Module

__all__ = ["CheckpointError", "load_checkpoint", "load_weights", "save_checkpoint", "save_weights"]

Array = np.ndarray[Any, Any]
PathLike = str | os.PathLike[str]
_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
_FORMAT = "nn checkpoint 1"
_CHECKSUMS = "sha256 of tensors"  # in the metadata, which other readers pass over


class CheckpointError(ValueError):
    """A file is truncated, damaged, or not what it should be."""


def save_weights(model: Module | Mapping[str, Any], path: PathLike, metadata: Mapping[str, str] | None = None) -> None:
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
    arrays = {key: _in_order(graph.data_of(x)) for key, x in state.items()}
    write_atomically(path, save(arrays, metadata={**(metadata or {}), _CHECKSUMS: json.dumps(_checksums(arrays))}))


def load_weights(path: PathLike) -> dict[str, Array]:
    """Read a safetensors file; give the result to ``model.load_state_dict``. Needs safetensors.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray
        bfloat16, which NumPy lacks, becomes float32.

    Raises
    ------
    CheckpointError
        When the file is truncated, not a safetensors file, or, if `save_weights` wrote it, damaged in any tensor, which
        the error names.
    """
    return _read(path)[0]


def save_checkpoint(path: PathLike, state: Mapping[str, Any]) -> None:
    """Write a training state, whole or not at all; needs safetensors.

    Parameters
    ----------
    path : path-like
    state : mapping of str
        Numbers, texts, arrays, and lists, tuples and dicts of them: state dicts of models, optimisers and schedules,
        ``generator.bit_generator.state``, and whatever else is to go on.

    Raises
    ------
    TypeError
        For anything else; objects are not written, so that none is ever made by reading.

    Examples
    --------
    >>> import tempfile, nn
    >>> model = nn.Linear(2, 1)
    >>> optimizer = nn.optim.Adam(model.parameters())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/state.safetensors"
    ...     save_checkpoint(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3})
    ...     load_checkpoint(path)["epoch"]
    3
    """
    from safetensors.numpy import save

    arrays: dict[str, Array] = {}
    text = json.dumps(_encoded(dict(state), "", arrays))
    checksums = json.dumps(_checksums(arrays))
    metadata = {"format": _FORMAT, "state": text, _CHECKSUMS: checksums, "sha256": _digest(text, checksums)}
    write_atomically(path, save(arrays, metadata=metadata))


def load_checkpoint(path: PathLike) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, to the last bit.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    CheckpointError
        When the file is truncated, damaged in any bit, or not a checkpoint.
    """
    arrays, metadata = _read(path)
    written = str(metadata.get("format"))
    if written.startswith("nn checkpoint ") and written != _FORMAT:
        raise CheckpointError(f"{os.fspath(path)} is a {written!r}, this version of nn reads {_FORMAT!r}: update nn")
    if written != _FORMAT:
        raise CheckpointError(f"{os.fspath(path)} is a safetensors file, but not a checkpoint: load_weights reads it")
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(text, metadata.get(_CHECKSUMS, "")):
        raise CheckpointError(f"{os.fspath(path)} is damaged: its contents do not fit its checksum")
    try:
        state = _decoded(json.loads(text), arrays)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{os.fspath(path)} is not a checkpoint: {type(error).__name__}: {error}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{os.fspath(path)} is not a checkpoint: it holds no state")
    return state


def write_atomically(path: PathLike, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that no reader ever sees half of it."""
    target = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name[:50]}.{secrets.token_hex(8)}.tmp"  # as long as a name may be
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut too, where folders can be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: PathLike) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the metadata of a safetensors file."""
    from safetensors import SafetensorError, deserialize

    content = Path(path).read_bytes()
    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"{os.fspath(path)} is not a whole safetensors file: {error}") from None
    # The library has checked the header by now, but does not give the metadata of bytes.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    arrays = {name: _array_of(path, name, entry) for name, entry in entries}
    metadata = header.get("__metadata__", {})
    if _CHECKSUMS in metadata:
        found, written = _checksums(arrays), _checksums_of(metadata[_CHECKSUMS])
        damaged = [name for name in found.keys() | written.keys() if found.get(name) != written.get(name)]
        if damaged:
            names = ", ".join(map(repr, sorted(damaged)))
            raise CheckpointError(f"{os.fspath(path)} is damaged: {names} does not fit its checksum")
    return arrays, metadata


def _array_of(path: PathLike, name: str, entry: Mapping[str, Any]) -> Array:
    kind, shape = entry["dtype"], entry["shape"]
    if kind == "BF16":  # the upper half of a float32
        return (np.frombuffer(entry["data"], "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if kind not in _DTYPES:
        raise CheckpointError(f"{os.fspath(path)}: {name!r} is of dtype {kind}, which NumPy has not")
    dtype = np.dtype(_DTYPES[kind])
    return np.frombuffer(entry["data"], dtype.newbyteorder("<")).reshape(shape).astype(dtype)


def _in_order(x: Any) -> Array:
    # The library writes the memory as it lies: a transposed or strided array would come back scrambled.
    array = np.asarray(x)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _checksums(arrays: Mapping[str, Array]) -> dict[str, str]:
    return {
        name: hashlib.sha256(f"{array.dtype.name} {array.shape}".encode() + array.tobytes()).hexdigest()
        for name, array in sorted(arrays.items())
    }


def _checksums_of(text: str) -> dict[str, str]:
    try:
        checksums = json.loads(text)
    except (ValueError, RecursionError):
        checksums = None
    return checksums if isinstance(checksums, dict) else {"the list of checksums": ""}


def _digest(text: str, checksums: str) -> str:
    return hashlib.sha256(f"{text}{checksums}".encode()).hexdigest()


def _encoded(x: Any, path: str, arrays: dict[str, Array]) -> Any:
    """Return a state as JSON has it, lists aside as tagged dicts; its arrays go into ``arrays``."""
    x = graph.data_of(x)
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    if isinstance(x, np.ndarray) and x.dtype.newbyteorder("=") in map(np.dtype, _DTYPES.values()):
        arrays[path] = _in_order(x)
        return {"array": path}
    if isinstance(x, np.generic) and x.dtype.kind in "biuf":
        return x.item()
    if isinstance(x, Mapping) and all(type(key) in (str, int) for key in x):
        prefix = f"{path}." if path else ""
        return {"dict": [[key, _encoded(value, f"{prefix}{key}", arrays)] for key, value in x.items()]}
    if isinstance(x, (list, tuple)):
        items = [_encoded(value, f"{path}.{i}", arrays) for i, value in enumerate(x)]
        return items if isinstance(x, list) else {"tuple": items}
    raise TypeError(f"a checkpoint holds numbers, texts and arrays, got {type(x).__name__} at {path!r}")


def _decoded(x: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(x, list):
        return [_decoded(value, arrays) for value in x]
    if isinstance(x, dict):
        ((tag, content),) = x.items()
        if tag == "array":
            return arrays[content]
        if tag == "tuple":
            return tuple(_decoded(value, arrays) for value in content)
        if tag == "dict":
            return {key: _decoded(value, arrays) for key, value in content}
        raise ValueError(f"unknown tag {tag!r}")
    return x
