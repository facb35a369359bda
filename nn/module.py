"""Module: the base of every layer and model, and Parameter, what it trains.

What a module owns is what its attributes hold. There is no second registry that could disagree with them, so a
subclass need not even call ``super().__init__()``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import Tensor, graph
from nn.errors import ShapeError
from nn.state import LoadResult, load, pick, tensors_of

__all__ = ["HookHandle", "Module", "Parameter"]


class Parameter(Tensor):
    """A Tensor that a module trains: an attribute holding one is found by ``parameters()``.

    Parameters
    ----------
    data : array_like
        Copied; numbers become float64, float32 stays float32.
    requires_grad : bool, optional
        False freezes it.

    Examples
    --------
    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self, data: Any, requires_grad: bool = True, dtype: DTypeLike | None = None, label: str | None = None
    ) -> None:
        super().__init__(graph.data_of(data), requires_grad, dtype, label)


class HookHandle:
    """Returned where a hook is registered; ``remove()`` takes the hook off."""

    def __init__(self, module: Module, hook: Callable[..., Any], before: bool) -> None:
        self._module, self.hook, self.before = module, hook, before

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        self._module._hooks = tuple(h for h in self._module._hooks if h is not self)


class Module:
    """The base of every layer and model.

    A subclass makes its parameters and inner modules attributes of itself, and defines ``forward``.

    Attributes
    ----------
    training : bool
        What ``train()`` and ``eval()`` switch; dropout and batch normalisation look at it.

    Examples
    --------
    >>> import nn
    >>> class Model(nn.Module):
    ...     def __init__(self):
    ...         self.inner = nn.Linear(2, 3, nn.Tanh())
    ...         self.outer = nn.Linear(3, 1)
    ...
    ...     def forward(self, x):
    ...         return self.outer(self.inner(x))
    >>> Model()
    Model(  # 13 parameters
      (inner): Linear(  # 9 parameters
        in_features=2, out_features=3, bias=True
        (activation): Tanh()
      )
      (outer): Linear(in_features=3, out_features=1, bias=True)  # 4 parameters
    )
    >>> list(Model().state_dict())
    ['inner.weight', 'inner.bias', 'outer.weight', 'outer.bias']
    """

    training: bool = True
    _buffers: Mapping[str, bool] = {}  # name -> persistent; replaced, never written
    _hooks: tuple[HookHandle, ...] = ()
    _optional_keys: frozenset[str] = frozenset()  # what a state dict of an old version may lack

    def _no_forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(): define it, it computes the output.")

    forward: Callable[..., Any] = _no_forward  # a declaration, so that each subclass may choose its own signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not self._hooks:
                return self.forward(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        except ShapeError as error:
            error.seen_from(self)
            raise

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hooks = self._hooks
        for handle in hooks:
            if handle.before:
                changed = handle.hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for handle in hooks:
            if not handle.before:
                changed = handle.hook(self, args, output)
                if changed is not None:
                    output = changed
        return output

    def register_forward_pre_hook(self, hook: Callable[[Any, tuple[Any, ...]], Any]) -> HookHandle:
        """Call ``hook(module, args)`` before each ``forward``; what it returns, if not None, replaces the arguments."""
        return self._add_hook(hook, before=True)

    def register_forward_hook(self, hook: Callable[[Any, tuple[Any, ...], Any], Any]) -> HookHandle:
        """Call ``hook(module, args, output)`` after each ``forward``; a result that is not None replaces the output."""
        return self._add_hook(hook, before=False)

    def _add_hook(self, hook: Callable[..., Any], before: bool) -> HookHandle:
        handle = HookHandle(self, hook, before)
        self._hooks = (*self._hooks, handle)
        return handle

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module) and any(inner is self for inner in value.modules()):
            raise ValueError(f"{type(self).__name__}.{name} would make the module contain itself")
        if isinstance(self.__dict__.get(name), Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"cannot assign {type(value).__name__} as parameter {name!r}: it would no longer be trained.\n"
                f"Write `module.{name}.data = array` to change its numbers, or assign an nn.Parameter."
            )
        if name in self._buffers and not (value is None or isinstance(value, Tensor)):
            raise TypeError(f"cannot assign {type(value).__name__} as buffer {name!r}: a Tensor or None is expected.")
        super().__setattr__(name, value)

    def _register(self, name: str, value: Any) -> None:
        if not name or "." in name:
            raise KeyError(f"the name of a parameter, buffer or module cannot be empty or contain a dot, got {name!r}")
        if hasattr(self, name) and name not in self.__dict__:
            raise KeyError(f"{type(self).__name__} has an attribute {name!r} of another kind")
        setattr(self, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make a parameter the attribute ``name``."""
        if not (param is None or isinstance(param, Parameter)):
            raise TypeError(f"parameter {name!r} must be an nn.Parameter or None, got {type(param).__name__}")
        self._register(name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Make an array the attribute ``name``: saved with the module unless not ``persistent``, never trained."""
        self._register(name, tensor if tensor is None or isinstance(tensor, Tensor) else Tensor(tensor))
        self._buffers = {**self._buffers, name: persistent}

    def add_module(self, name: str, module: Module | None) -> None:
        """Make a module the attribute ``name``."""
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"module {name!r} must be an nn.Module or None, got {type(module).__name__}")
        self._register(name, module)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly inside, each once, with their names."""
        seen: set[int] = set()
        for name, value in self.__dict__.items():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the modules directly inside, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside it with their paths, each before what it holds."""
        memo = set() if memo is None else memo
        if remove_duplicate and self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Module):
                yield from value.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """Return the module at a path such as ``"encoder.0"``."""
        return pick(self, target, dict(self.named_modules(remove_duplicate=False)))

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path such as ``"encoder.0.weight"``."""
        return pick(self, target, dict(self.named_parameters(remove_duplicate=False)))

    def _members(
        self, own: Callable[[Module], Iterable[tuple[str, Any]]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, x in list(own(module)):
                if not (remove_duplicate and id(x) in seen):
                    seen.add(id(x))
                    yield f"{path}.{name}" if path else name, x

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their paths; a tied one once, unless not ``remove_duplicate``."""
        return self._members(_own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, each once; warns of those in plain lists and dicts, which it cannot find."""
        found = [p for _, p in self.named_parameters(recurse=recurse)]
        if recurse:
            self._warn_of_hidden({id(p) for p in found})
        return iter(found)

    def _warn_of_hidden(self, found: set[int]) -> None:
        for module in self.modules():
            for name, value in module.__dict__.items():
                if isinstance(value, (list, tuple, dict)):
                    items = value.values() if isinstance(value, dict) else value
                    inside = [p for item in items for p in _parameters_of(item)]
                    hidden = {id(p) for p in inside} - found
                    if hidden:
                        warnings.warn(
                            f"{type(module).__name__}.{name} is a plain {type(value).__name__}: the {len(hidden)} "
                            "parameters in it are neither trained nor saved.\n"
                            "Make it an nn.ModuleList, nn.ModuleDict or nn.ParameterList.",
                            stacklevel=3,
                        )

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their paths."""
        return self._members(_own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training mode (or back); return the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all inside it to evaluation mode; return the module."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with each module inside, then with this one; return the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze or release every parameter; return the module."""
        for _, p in self.named_parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: None, or zeros if not ``set_to_none``."""
        for _, p in self.named_parameters():
            p.grad = None if set_to_none or p.grad is None else np.zeros(p.shape, p.dtype)

    def to(self, dtype: DTypeLike) -> Self:
        """Turn every floating-point parameter and buffer into another dtype; return the module."""
        tensors = [x for _, x in (*self.named_parameters(), *self.named_buffers()) if x.dtype.kind == "f"]
        for x in tensors:
            x._data, x.grad = x._data.astype(dtype), None
        graph.mark_written(tensors)
        return self

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Return a copy of every parameter and persistent buffer, by path.

        Parameters
        ----------
        prefix : str, optional
            Put before each key, as ``"model."``.
        keep_vars : bool, optional
            Return the Tensors themselves.

        Returns
        -------
        dict of str to ndarray
            With PyTorch's keys and layouts.
        """
        return {prefix + key: x if keep_vars else x._data.copy() for key, x in tensors_of(self).items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy arrays into the parameters and buffers of the same paths: all of them or, after an error, none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            As ``state_dict()`` makes, of any real dtype.
        strict : bool, optional
            Whether missing and unexpected keys are errors; shapes must fit in any case.

        Returns
        -------
        LoadResult
            ``(missing_keys, unexpected_keys)``.

        Raises
        ------
        StateDictError
            Names every problem at once.
        """
        return load(self, state_dict, strict)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses in ``repr``."""
        return ""

    def __repr__(self) -> str:
        params = [p for _, p in self.named_parameters()]
        total, frozen = sum(p.size for p in params), sum(p.size for p in params if not p.requires_grad)
        count = f"  # {total:,} parameters" + (f", {frozen:,} frozen" if frozen else "") if params else ""
        children = [f"({name}): {value!r}" for name, value in self.__dict__.items() if isinstance(value, Module)]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra}){count}"
        lines = "\n".join([extra, *children] if extra else children).replace("\n", "\n  ")
        return f"{type(self).__name__}({count}\n  {lines}\n)"

    def _repr_html_(self) -> str:
        from nn.notebook import module_html

        return module_html(self)


def _own_parameters(module: Module) -> Iterator[tuple[str, Parameter]]:
    return ((name, x) for name, x in module.__dict__.items() if isinstance(x, Parameter))


def _own_buffers(module: Module) -> Iterator[tuple[str, Tensor]]:
    return ((name, module.__dict__[name]) for name in module._buffers if module.__dict__.get(name) is not None)


def _parameters_of(item: Any) -> list[Parameter]:
    if isinstance(item, Module):
        return [p for _, p in item.named_parameters()]
    return [item] if isinstance(item, Parameter) else []
