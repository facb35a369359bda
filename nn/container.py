"""Modules made of modules: Sequential, ModuleList, ModuleDict, ParameterList."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nn.module import Module, Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]


class _Numbered(Module):
    """A module whose entries are the attributes ``0``, ``1``, ...: the names that PyTorch gives them."""

    def __init__(self, entries: Iterable[Any] = ()) -> None:
        self.extend(entries)

    def _entries(self) -> list[Any]:
        return [x for x in self.__dict__.values() if isinstance(x, (Module, Parameter))]

    def append(self, entry: Any) -> Any:
        """Add an entry at the end; return the container."""
        number = len(self)
        while str(number) in self.__dict__:  # a slice keeps the names it had
            number += 1
        self._add(str(number), entry)
        return self

    def _add(self, name: str, entry: Any) -> None:
        self.add_module(name, entry)

    def extend(self, entries: Iterable[Any]) -> Any:
        """Add entries at the end; return the container."""
        for entry in entries:
            self.append(entry)
        return self

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries())

    def __getitem__(self, index: Any) -> Any:
        found = self._entries()[index]
        return type(self)(found) if isinstance(index, slice) else found

    def __setitem__(self, index: int, entry: Any) -> None:
        name = [name for name, x in self.__dict__.items() if isinstance(x, (Module, Parameter))][index]
        self._add(name, entry)


class Sequential(_Numbered):
    """Modules applied one after another.

    Parameters
    ----------
    *modules : Module, or one mapping of str to Module
        Named by position, or by the mapping's keys.

    Examples
    --------
    >>> import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> model([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 1)
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            super().__init__(modules)

    def forward(self, x: Any) -> Any:
        for module in self.__dict__.values():
            if isinstance(module, Module):
                x = module(x)
        return x

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self._entries()[index]
        return Sequential(dict([(name, x) for name, x in self.__dict__.items() if isinstance(x, Module)][index]))


class ModuleList(_Numbered):
    """A list of modules whose parameters are found; how they are applied is up to the ``forward`` around it.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> import nn
    >>> layers = nn.ModuleList(nn.Linear(n, n) for n in (1, 2, 3))
    >>> len(layers), layers[-1]
    (3, Linear(in_features=3, out_features=3, bias=True)  # 12 parameters)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(modules or ())


class ParameterList(_Numbered):
    """A list of parameters that a module trains.

    Parameters
    ----------
    values : iterable of array_like, optional
        What is no Parameter yet becomes one.

    Examples
    --------
    >>> import nn
    >>> [name for name, _ in nn.ParameterList([1.0, [2.0, 3.0]]).named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__(values or ())

    def _add(self, name: str, entry: Any) -> None:
        self.register_parameter(name, entry if isinstance(entry, Parameter) else Parameter(entry))


class ModuleDict(Module):
    """Modules by name, whose parameters are found.

    Parameters
    ----------
    modules : mapping of str to Module, optional

    Examples
    --------
    >>> import nn
    >>> heads = nn.ModuleDict({"size": nn.Linear(4, 1), "kind": nn.Linear(4, 3)})
    >>> list(heads), heads["kind"].out_features
    (['size', 'kind'], 3)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def _entries(self) -> dict[str, Module]:
        return {name: x for name, x in self.__dict__.items() if isinstance(x, Module)}

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add or replace modules."""
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, name: str) -> Any:
        return self._entries()[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._entries()[name], self.__dict__[name]

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, name: object) -> bool:
        return name in self._entries()

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._entries().keys()

    def values(self) -> Iterable[Module]:
        """Return the modules."""
        return self._entries().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Return the pairs of name and module."""
        return self._entries().items()
