"""The state dict of a module: what it holds, and loading it whole or not at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from autograd_lite import Tensor, graph
from nn.errors import StateDictError

if TYPE_CHECKING:
    from nn.module import Module

__all__ = ["LoadResult", "load", "pick", "tensors_of"]

T = TypeVar("T")


class LoadResult(NamedTuple):
    """What ``load_state_dict`` did not find, and what it did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def tensors_of(module: Module, optional_only: bool = False) -> dict[str, Tensor]:
    """Return the parameters and persistent buffers of a module by path, a tied one under each of its names."""
    found: dict[str, Tensor] = {}
    for path, inner in module.named_modules(remove_duplicate=False):
        own: dict[str, Tensor] = dict(inner.named_parameters(recurse=False, remove_duplicate=False))
        own.update((n, b) for n, b in inner.named_buffers(recurse=False, remove_duplicate=False) if inner._buffers[n])
        names = (n for n in own if not optional_only or n in inner._optional_keys)
        found.update((f"{path}.{n}" if path else n, own[n]) for n in names)
    return found


def load(module: Module, state_dict: Mapping[str, Any], strict: bool) -> LoadResult:
    """Do the work of ``Module.load_state_dict``: look for every problem first, copy then."""
    own = tensors_of(module)
    optional = tensors_of(module, optional_only=True)
    missing = [key for key in own if key not in state_dict and key not in optional]
    unexpected = [key for key in state_dict if key not in own]
    arrays = {key: np.asarray(graph.data_of(state_dict[key])) for key in own if key in state_dict}
    problems = []
    if strict and missing:
        problems.append("Missing key(s): " + ", ".join(map(repr, missing)))
    if strict and unexpected:
        problems.append("Unexpected key(s): " + ", ".join(f"{key!r}{did_you_mean(key, missing)}" for key in unexpected))
    for key, array in arrays.items():
        shape = own[key].shape
        if array.shape != shape:
            turned = " (transposed?)" if array.shape == shape[::-1] else ""
            problems.append(f"Size mismatch for {key!r}: the module has shape {shape}, got {array.shape}{turned}")
        elif array.dtype.kind not in "biuf":
            problems.append(f"Real numbers expected for {key!r}, got dtype {array.dtype}")
    if problems:
        raise StateDictError("\n\t".join([f"Error(s) in loading state_dict for {type(module).__name__}:", *problems]))
    for key, array in arrays.items():
        own[key]._data[...] = array
    graph.mark_written(own[key] for key in arrays)
    return LoadResult(missing, unexpected)


def pick(module: Module, target: str, found: Mapping[str, T]) -> T:
    """Return the entry at a path, or say that the module has none."""
    if target not in found:
        raise AttributeError(f"{type(module).__name__} has no {target!r}{did_you_mean(target, found)}")
    return found[target]


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known key, if any is near."""
    near = difflib.get_close_matches(key, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
