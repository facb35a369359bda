"""What the command line names: a function by its module, and values as text that is read, never run."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import itertools
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograd_lite import errors

__all__ = ["ArgumentsError", "bound", "function_of", "origin", "value_of"]

_LARGEST = 10**8  # entries of a drawn array
_NAMES = {"true": True, "false": False, "null": None, "nan": math.nan, "inf": math.inf, "pi": math.pi, "e": math.e}
_FORMS = "a number, a list, a tuple, a dict, a text in quotes, a .npy file, randn(3, 4), rand(3), ones(2), zeros(2, 2)"
_FOREIGN = tuple(str(Path(home).resolve().parent) for home in (np.__file__, inspect.getfile(errors)))


class ArgumentsError(ValueError):
    """Something on the command line that cannot be understood."""


def value_of(name: str, text: str, rng: np.random.Generator) -> Any:
    """Read a value: Python's or JSON's literals, a ``.npy`` file, or a drawn array such as ``randn(3, 4)``.

    Numbers are floats, and lists of numbers arrays of them, so that they can be differentiated; ``int(...)`` around
    them keeps integers (an axis, labels), and ``float32(...)`` makes single precision.

    Parameters
    ----------
    name : str
        For errors.
    text : str
    rng : Generator
        Of the drawn arrays.

    Raises
    ------
    ArgumentsError

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> value_of("x", "2", rng), value_of("axis", "int(-1)", rng), value_of("x", "randn(3, 4)", rng).shape
    (2.0, -1, (3, 4))
    >>> value_of("w", '{"a": [[1, 2], [3, 4]], "b": true}', rng)
    {'a': array([[1., 2.],
           [3., 4.]]), 'b': True}
    """
    if text.strip().endswith(".npy"):
        return _loaded(name, text.strip())
    try:
        return _Reader(rng).read(ast.parse(text.strip(), mode="eval").body)
    except ArgumentsError as error:
        raise ArgumentsError(f"the value of {name}: {error}; it is {_FORMS}") from None
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        raise ArgumentsError(f"the value of {name} cannot be read: {text!r}; it is {_FORMS}") from None


def _loaded(name: str, path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArgumentsError(f"the value of {name} cannot be loaded: {error}") from None


class _Reader:
    """Goes through a syntax tree; every kind of node that is not named here is refused."""

    def __init__(self, rng: np.random.Generator) -> None:
        draws: dict[str, Callable[[tuple[int, ...]], Any]] = {
            "randn": rng.standard_normal,
            "rand": rng.random,
            "ones": np.ones,
            "zeros": np.zeros,
        }
        self.draws = draws

    def read(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and not isinstance(node.value, (bytes, complex)):
            x = node.value
            return float(x) if isinstance(x, int) and not isinstance(x, bool) else x
        if isinstance(node, ast.Name) and node.id in _NAMES:
            return _NAMES[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            x = self.read(node.operand)
            if isinstance(x, float):
                return -x if isinstance(node.op, ast.USub) else x
        if isinstance(node, ast.List):
            return self._list([self.read(x) for x in node.elts])
        if isinstance(node, ast.Tuple):
            return tuple(self.read(x) for x in node.elts)
        if isinstance(node, ast.Dict):
            return {_key(k): self.read(x) for k, x in zip(node.keys, node.values, strict=True)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node)
        raise ArgumentsError(f"{ast.unparse(node)!r} is not allowed")

    @staticmethod
    def _list(items: list[Any]) -> Any:
        for kind in (float, bool):
            if all(_made_of(x, kind) for x in items):
                shapes = {np.shape(x) for x in items}
                if len(shapes) > 1:
                    raise ArgumentsError(f"the rows of a list have different shapes: {sorted(shapes)}")
                return np.array(items, dtype=kind)
        return items

    def _call(self, name: str, node: ast.Call) -> Any:
        if name in self.draws:
            shape = tuple(_whole(self.read(x)) for x in node.args)
            if min(shape, default=0) < 0 or math.prod(shape) > _LARGEST:
                raise ArgumentsError(f"no array has the shape {shape}")
            return np.asarray(self.draws[name](shape))
        if name in ("int", "float32") and len(node.args) == 1:
            return _each(self.read(node.args[0]), _whole if name == "int" else _single)
        raise ArgumentsError(f"there is no {name}(...)")


def _key(node: ast.expr | None) -> Any:
    if not isinstance(node, ast.Constant):
        raise ArgumentsError("the keys of a dict are texts or numbers")
    return node.value


def _made_of(x: Any, kind: type) -> bool:
    return type(x) is kind or (isinstance(x, np.ndarray) and x.dtype == kind)


def _each(x: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert every number of a value."""
    if isinstance(x, tuple):
        return tuple(_each(part, convert) for part in x)
    return [_each(part, convert) for part in x] if isinstance(x, list) else convert(x)


def _whole(x: Any) -> Any:
    if not isinstance(x, (float, np.ndarray)) or not np.all(np.isfinite(x)) or np.any(np.asarray(x) % 1):
        raise ArgumentsError(f"{x} is not a whole number")
    return np.asarray(x, dtype=np.int64) if isinstance(x, np.ndarray) else int(x)


def _single(x: Any) -> Any:
    return np.asarray(x, dtype=np.float32)


def function_of(target: str) -> Callable[..., Any]:
    """Import what ``package.module:function`` or ``folder/file.py:function`` names, as seen from the current directory.

    Raises
    ------
    ArgumentsError
        Also when the import raises.
    """
    where, colon, path = target.rpartition(":")
    if not (colon and where and path):
        raise ArgumentsError(f"write package.module:function, or file.py:function; got {target!r}")
    module: Any = _imported(where)
    found = module
    for name in path.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, dir(found), 1)
            raise ArgumentsError(f"{where} has no {path}" + (f"; did you mean {near[0]}?" if near else ""))
        found = getattr(found, name)
    if inspect.isclass(found) or not callable(found):
        kind = "a class; name a function or an object made of it" if inspect.isclass(found) else "no function"
        raise ArgumentsError(f"{target} is {kind}")
    function: Callable[..., Any] = found
    return function


def _imported(where: str) -> ModuleType:
    file = Path(where)
    folder = str(file.resolve().parent if file.suffix == ".py" else Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _from_file(file) if file.suffix == ".py" else importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise ArgumentsError(f"there is no module {error.name} here, in {Path.cwd()}") from None
        raise ArgumentsError(f"importing {where} needs {error.name}, which is not installed") from None
    except (Exception, SystemExit) as error:  # whatever a user's module does when it is imported
        raise ArgumentsError(f"importing {where} raised {origin(error)}") from None


def _from_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise ArgumentsError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ArgumentsError(f"{file} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)
    spec.loader.exec_module(module)
    return module


def origin(error: BaseException) -> str:
    """Say what an error is, and the last line of the user's own that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith((*_FOREIGN, "<"))]
    place = f", at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}: {error}{place}"


def bound(f: Callable[..., Any], names: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return the function of the values by name.

    What has no signature, or takes any number of operands, gets them in the order in which they are named.

    Raises
    ------
    ArgumentsError
        For names that the function does not have, and for operands that it lacks.
    """
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return lambda at: f(*at.values())
    kinds = {p.kind for p in parameters.values()}
    unknown = [name for name in names if name not in parameters]
    if unknown and inspect.Parameter.VAR_POSITIONAL in kinds and len(unknown) == len(names):
        return lambda at: f(*at.values())
    taken = [n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise ArgumentsError(f"the function has no parameter {', '.join(unknown)}; it takes {', '.join(taken)}")
    missing = [n for n in taken if n not in names and parameters[n].default is inspect.Parameter.empty]
    if missing:
        raise ArgumentsError(
            f"the function takes {', '.join(missing)} too; give it, as in --at {missing[0]}='randn(3)'"
        )
    # By position as far as possible: what wraps another function has its signature, but not always its names.
    positional = [n for n in taken if parameters[n].kind is not inspect.Parameter.KEYWORD_ONLY]
    leading = list(itertools.takewhile(names.__contains__, positional))
    return lambda at: f(*(at[n] for n in leading), **{n: x for n, x in at.items() if n not in leading})
