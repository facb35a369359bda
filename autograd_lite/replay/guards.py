"""Guards: what a function reads that is no argument, and whether it is still as it was.

The walk starts from the function: its closure, its defaults, the globals that it names, and so on through the
functions, objects and containers that it finds there. Plain data is compared by value, arrays entry by entry, and
everything else by identity. What belongs to a library is taken as it is.
"""

from __future__ import annotations

import collections
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_lite.graph import Node

__all__ = ["Guards"]

_ATOMS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, range, slice, type(Ellipsis))
_MISSING = object()
_OURS = frozenset(("autograd_lite", "nn", "numpy"))


class Guards:
    """What was found at the start of a recording.

    Parameters
    ----------
    roots : iterable of object
        The function, and the arguments that are no arrays.

    Attributes
    ----------
    nodes : list of Node
        The Values and Tensors that can be reached.
    generators : list of Generator
    """

    def __init__(self, *roots: Any) -> None:
        self.nodes: list[Any] = []
        self.generators: list[np.random.Generator] = []
        self._items: list[tuple[Any, Any, Any, str]] = []  # container, key, what was there, its name
        self._sizes: list[tuple[Any, int, str]] = []
        self._cells: list[tuple[Any, Any, str]] = []
        self._arrays: list[tuple[Any, bytes, str]] = []
        self._readers: list[tuple[Any, Any, tuple[Any, ...], str]] = []
        self._lists: list[tuple[Any, tuple[Any, ...], str]] = []
        self._tensors: list[list[Any]] = []  # a Tensor, its data, shape, dtype, requires_grad, whether it has no grad
        self._values: list[Any] = []
        self._empty: list[bool] = []
        self._seen: dict[int, Any] = {}
        self._waiting: list[tuple[Any, str]] = [(root, "") for root in roots]
        while self._waiting:
            self._visit(*self._waiting.pop())
        for x in self.nodes:
            self._watch(x)

    def add_leaf(self, x: Any) -> None:
        """Watch a leaf that the walk did not find."""
        if id(x) not in self._seen:
            self._seen[id(x)] = x
            self._watch(x)

    def _watch(self, x: Any) -> None:
        empty = x.grad is None
        if x.is_array:
            self._tensors.append([x, x._data, x._data.shape, x._data.dtype, x.requires_grad, empty])
        else:
            self._values.append(x)
            self._empty.append(empty)

    def changed(self) -> str | None:
        """Return what is no longer as it was, None if all is."""
        for row in self._tensors:
            x, seen, shape, dtype, requires, empty = row
            data = x._data
            if data is not seen:
                if data.shape != shape or data.dtype != dtype:
                    return "the shape or dtype of a captured Tensor"
                row[1] = data
            if x.requires_grad is not requires:
                return "requires_grad of a captured Tensor"
            if (x.grad is None) is not empty:
                return "whether a captured Tensor has a gradient"
            if x.extras is not None and x.extras.hooks:
                return "a hook on a captured Tensor"
        if [x.grad is None for x in self._values] != self._empty:
            return "whether a captured Value has a gradient"
        for mapping, key, was, name in self._items:
            now = mapping.get(key, _MISSING)
            if now is not was and not _equal(now, was):
                return name
        for container, content, name in self._lists:
            if len(container) != len(content):
                return name
            if not all(map(operator.is_, container, content)) and not all(map(_same, container, content)):
                return name
        for cell, was, name in self._cells:
            now = _content(cell)
            if now is not was and not _equal(now, was):
                return name
        for container, size, name in self._sizes:
            if len(container) != size:
                return name
        for reads, x, parts, name in self._readers:
            found = tuple(reads(x))
            if len(found) != len(parts) or not all(map(_same, found, parts)):
                return f"what {name} consists of"
        for array, held, name in self._arrays:
            if array.tobytes() != held:
                return name
        return None

    def _visit(self, x: Any, name: str) -> None:
        if isinstance(x, _ATOMS) or id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if isinstance(x, Node):
            self.nodes.append(x)
        elif isinstance(x, np.ndarray):
            self._visit_array(x, name)
        elif isinstance(x, types.FunctionType):
            self._visit_function(x, name)
        elif isinstance(x, types.MethodType):
            self._waiting += [(x.__self__, name), (x.__func__, name)]
        elif isinstance(x, (functools.partial, functools.partialmethod)):
            self._waiting += [(x.func, name), (x.args, name), (x.keywords, name)]
        elif isinstance(x, np.random.Generator):
            self.generators.append(x)
        elif isinstance(x, (list, tuple, dict, collections.deque)):
            self._visit_container(x, name)
        elif isinstance(x, (set, frozenset)):
            self._sizes.append((x, len(x), name))
            self._waiting += [(e, name) for e in x]
        elif isinstance(x, type):
            self._visit_class(x, name)
        elif not isinstance(x, (types.ModuleType, types.BuiltinFunctionType)):
            self._visit_object(x, name)

    def _hold(self, mapping: Any, key: Any, x: Any, name: str) -> None:
        self._items.append((mapping, key, x, name))
        self._waiting.append((x, name))

    def _visit_array(self, x: np.ndarray[Any, Any], name: str) -> None:
        if x.dtype == object:
            self._waiting += [(e, name) for e in x.flat]
        else:
            self._arrays.append((x, x.tobytes(), name or "an array"))

    def _visit_container(self, x: Any, name: str) -> None:
        if isinstance(x, dict):
            self._sizes.append((x, len(x), f"the entries of {name}"))
            for key, value in list(x.items()):
                self._hold(x, key, value, f"{name}[{key!r}]")
        else:
            if not isinstance(x, tuple):
                self._lists.append((x, tuple(x), name or "a list"))
            self._waiting += [(value, f"{name}[{i}]") for i, value in enumerate(x)]

    def _visit_function(self, f: types.FunctionType, name: str) -> None:
        inner = getattr(f, "__wrapped__", None)
        if inner is not None:
            self._waiting.append((inner, name))
        if _is_library(f.__module__) and inner is None and name != "":
            return
        for variable, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self._cells.append((cell, _content(cell), variable))
            self._waiting.append((_content(cell), variable))
        for default in (f.__defaults__ or (), f.__kwdefaults__ or {}):
            self._waiting.append((default, f"a default of {f.__name__}"))
        self._cells.append((_Attribute(f, "__code__"), f.__code__, f"the code of {f.__name__}"))
        self._cells.append((_Attribute(f, "__defaults__"), f.__defaults__, f"the defaults of {f.__name__}"))
        used = set(_names(f.__code__))
        for variable in used & f.__globals__.keys():
            value = f.__globals__[variable]
            self._hold(f.__globals__, variable, value, variable)
            if isinstance(value, types.ModuleType) and not _is_library(value.__name__):
                for attribute in used & vars(value).keys():
                    self._hold(vars(value), attribute, vars(value)[attribute], f"{variable}.{attribute}")

    def _visit_class(self, cls: type, name: str) -> None:
        if _is_library(cls.__module__):
            return
        for base in cls.__mro__:
            if _is_library(base.__module__):
                break
            for key, value in list(vars(base).items()):
                if key in ("__dict__", "__weakref__", "__doc__", "__module__"):
                    continue
                self._hold(vars(base), key, value, f"{base.__name__}.{key}")
                for part in _functions(value):
                    self._waiting.append((part, f"{base.__name__}.{key}"))

    def _visit_object(self, x: Any, name: str) -> None:
        """Look into an object: what it says it reads, or else all of its attributes."""
        self._waiting.append((type(x), name))
        reads = getattr(type(x), "_replay_reads", None)
        if reads is not None:
            parts = tuple(reads(x))
            self._readers.append((reads, x, parts, name or type(x).__name__))
            self._waiting += [(part, name) for part in parts]
            return
        attributes = getattr(x, "__dict__", None)
        if isinstance(attributes, dict):
            self._sizes.append((attributes, len(attributes), f"the attributes of {name or type(x).__name__}"))
            for key, value in list(attributes.items()):
                self._hold(attributes, key, value, f"{name or type(x).__name__}.{key}")
        if not _is_library(type(x).__module__):
            for slot in _slots(type(x)):
                value = getattr(x, slot, _MISSING)
                self._cells.append((_Attribute(x, slot), value, f"{name}.{slot}"))
                self._waiting.append((value, f"{name}.{slot}"))


class _Attribute:
    """An attribute that is looked at as a cell is."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    @property
    def cell_contents(self) -> Any:
        return getattr(self.owner, self.name, _MISSING)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return _MISSING


def _same(now: Any, was: Any) -> bool:
    return now is was or _equal(now, was)


def _equal(now: Any, was: Any) -> bool:
    """Return whether plain data is the same; what is no plain data is not, unless it is the same object."""
    if type(now) is not type(was):
        return False
    if isinstance(was, _ATOMS):
        return bool(now == was) and str(now) == str(was) if was == was else now != now
    if type(was) is tuple:
        return len(now) == len(was) and all(a is b or _equal(a, b) for a, b in zip(now, was, strict=True))
    if isinstance(was, types.MethodType):
        return now.__self__ is was.__self__ and now.__func__ is was.__func__
    return False


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _functions(x: Any) -> list[Callable[..., Any]]:
    found = [getattr(x, name, None) for name in ("__func__", "fget", "fset", "func")]
    return [f for f in found if isinstance(f, types.FunctionType)]


def _slots(cls: type) -> list[str]:
    names: list[str] = []
    for base in cls.__mro__:
        own = vars(base).get("__slots__", ())
        names += [own] if isinstance(own, str) else own
    return [n for n in names if n not in ("__dict__", "__weakref__")]


def _is_library(module: str | None) -> bool:
    top = (module or "").partition(".")[0]
    return top in _OURS or (top in sys.stdlib_module_names and top != "__main__")
