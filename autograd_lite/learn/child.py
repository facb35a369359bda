"""The process in which a learner's code runs: a program of its own, on the standard library and NumPy alone.

It reads a job (JSON) from standard input, runs the learner's file on the cases of the job, and writes what it saw to a
file. The judge uses `Check` as well, to run the solution and the known wrong answers in the very same way.
"""

from __future__ import annotations

import copy
import faulthandler
import importlib.abc
import inspect
import json
import linecache
import os
import sys
import traceback
import types
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Case", "Check", "main", "run_source"]

_LARGEST = 100_000  # entries of an array that are sent to the judge
_LONGEST = 400  # characters of a text that are sent to the judge


@dataclass(frozen=True)
class Case:
    """One set of inputs; for a gradient exercise also the output and the incoming gradient."""

    title: str
    inputs: dict[str, Any]
    output: Any = None
    upstream: Any = None


class Check:
    """The check of an exercise, which is code: ``inputs(rng)`` and either ``forward`` or ``drive``.

    With ``forward(**inputs)`` the learner writes its gradient, called as ``answer(g, *inputs)`` or as ``call`` says.
    With ``drive(answer, **inputs)``, a generator, whatever it yields as ``(name, value)`` is compared with what the
    solution makes it yield. ``special_cases()`` adds named inputs, ``constants`` names inputs that need no gradient.
    """

    def __init__(self, source: str, filename: str, answer: str, line: int = 0) -> None:
        space = run_source(source, filename, line).__dict__
        self.forward: Callable[..., Any] | None = space.get("forward")
        self.answer = answer
        self._inputs, self._special = space["inputs"], space.get("special_cases", dict)
        self._drive, self._call = space.get("drive"), space.get("call")
        self._constants = space.get("constants", ())

    def cases(self, seeds: Iterable[int]) -> list[Case]:
        """Return the random cases of these seeds, then the special ones."""
        drawn = [(f"random inputs {seed}", seed, self._inputs(np.random.default_rng(seed))) for seed in seeds]
        named = [(title, zlib.crc32(title.encode()), inputs) for title, inputs in self._special().items()]
        return [self._case(*row) for row in drawn + named]

    def _case(self, title: str, seed: int, inputs: dict[str, Any]) -> Case:
        if self.forward is None:
            return Case(title, inputs)
        output = self.forward(**inputs)
        rng = np.random.default_rng([seed, 1])
        parts = output if isinstance(output, tuple) else (output,)
        drawn = tuple(rng.standard_normal(np.shape(y)) if np.ndim(y) else float(rng.standard_normal()) for y in parts)
        return Case(title, inputs, output, drawn if isinstance(output, tuple) else drawn[0])

    def gradient_names(self, case: Case) -> list[str]:
        """Return the gradients that are asked for, named for their inputs: ``dx``."""
        return ["d" + name for name in case.inputs if name not in self._constants]

    def describe_call(self, case: Case) -> str:
        """Return how the answer of a gradient exercise is called, for people."""
        if self._call is not None:
            return inspect.getsource(self._call).split("return", 1)[1].strip().replace("answer(", f"{self.answer}(", 1)
        return f"{self.answer}({', '.join(['g', *case.inputs])})"

    def observe(self, answer: Callable[..., Any], case: Case, own: str = "", factor: float = 1.0) -> dict[str, Any]:
        """Run an answer on one case; return the outputs, the fault if there was one, and the inputs it changed.

        `own` is the file whose line a fault names; `factor` multiplies the incoming gradient.
        """
        inputs, output, upstream = copy.deepcopy((case.inputs, case.output, _times(case.upstream, factor)))
        outputs: dict[str, Any] = {}
        fault = None
        try:
            if self._drive is not None:
                for name, value in self._drive(answer, **inputs):
                    outputs[name] = _encode(value)
            else:
                if self._call is not None:
                    result = self._call(answer, upstream, output, **inputs)
                else:
                    result = answer(upstream, *inputs.values())
                outputs, fault = _split(result, self.gradient_names(case))
        except BaseException as error:
            fault = _fault(error, own)
        before = {**case.inputs, "y": case.output, "g": _times(case.upstream, factor)}
        after = {**inputs, "y": output, "g": upstream}
        changed = [name for name in before if not _same(before[name], after[name])]
        return {"outputs": outputs, "fault": fault, "changed": changed}


def run_source(source: str, filename: str, line: int = 0, name: str = "__exercise__") -> types.ModuleType:
    """Run a piece of code that begins after that line of a file; return its module."""
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    text = "\n" * line + source
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


def _times(x: Any, factor: float) -> Any:
    return tuple(factor * part for part in x) if isinstance(x, tuple) else None if x is None else factor * x


def _split(result: Any, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the gradients by name, or what is wrong with their number."""
    if len(names) == 1:
        return {names[0]: _encode(result)}, None
    if isinstance(result, (tuple, list)) and len(result) == len(names):
        return {name: _encode(item) for name, item in zip(names, result, strict=True)}, None
    count = len(result) if isinstance(result, (tuple, list)) else None
    return {}, {"kind": "count", "found": count, "type": type(result).__name__, "names": list(names)}


def _encode(x: Any) -> dict[str, Any]:
    """Return a value as plain data: what kind of thing it is, and its numbers."""
    kind = type(x).__name__
    if isinstance(x, (bool, int, float, np.number, np.bool_, np.ndarray)):
        array = np.asarray(x)
        shape = list(array.shape)
        numeric = array.dtype.kind in "fiub" and array.size <= _LARGEST
        data = array.astype(np.float64).ravel().tolist() if numeric else None
        what = "array" if isinstance(x, np.ndarray) else "number"
        return {"kind": what, "type": kind, "dtype": str(array.dtype), "shape": shape, "data": data}
    if isinstance(x, (list, tuple)):
        return {"kind": "sequence", "type": kind, "items": [_encode(item) for item in x[:100]], "length": len(x)}
    if isinstance(x, str):
        return {"kind": "text", "type": kind, "text": x[:_LONGEST]}
    return {"kind": "none" if x is None else "other", "type": kind}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, type(a)) and len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b or (a != a and b != b))


_KINDS = {
    NotImplementedError: "unwritten",
    SystemExit: "exit",
    EOFError: "input",
    MemoryError: "memory",
    RecursionError: "recursion",
    SyntaxError: "syntax",
}


def _fault(error: BaseException, own: str) -> dict[str, Any]:
    """Return an exception as plain data, with the learner's own line."""
    kind = (
        "refused"
        if isinstance(error, RefusedError)
        else "import"
        if isinstance(error, ForbiddenImportError)
        else "exception"
    )
    kind = next((name for cls, name in _KINDS.items() if isinstance(error, cls)), kind)
    try:
        text = str(error)[:_LONGEST]
    except BaseException:  # an exception of the learner's own whose text fails
        text = "?"
    line, source = None, ""
    if isinstance(error, SyntaxError) and error.filename == own:
        line, source, text = error.lineno, (error.text or "").strip(), error.msg
    doing = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name == own:
            line, source = number, linecache.getline(own, number).strip()
        elif name.endswith(".md"):
            doing = linecache.getline(name, number).strip()
    return {"kind": kind, "type": type(error).__name__, "text": text, "line": line, "source": source, "doing": doing}


class RefusedError(PermissionError):
    """What a learner's code gets when it reaches for files, processes or the network."""


class ForbiddenImportError(ImportError):
    """What a learner's code gets when it imports a package that would do the exercise."""


_REFUSED = {
    "os.remove": "delete a file",
    "os.rename": "rename a file",
    "os.rmdir": "delete a folder",
    "os.mkdir": "make a folder",
    "os.truncate": "shorten a file",
    "os.chmod": "change the rights of a file",
    "os.symlink": "make a link",
    "os.link": "make a link",
    "shutil.rmtree": "delete a folder",
    "shutil.move": "move a file",
    "subprocess.Popen": "start another program",
    "os.system": "start another program",
    "os.exec": "start another program",
    "os.posix_spawn": "start another program",
    "os.spawn": "start another program",
    "os.startfile": "start another program",
    "os.fork": "start another process",
    "os.forkpty": "start another process",
    "os.kill": "end a process",
    "os.killpg": "end processes",
    "socket.connect": "use the network",
    "socket.bind": "use the network",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard(importlib.abc.MetaPathFinder):
    """Stops accidents, not attacks: refuses to write files, start processes and import ready-made gradients."""

    def __init__(self, forbidden: Iterable[str]) -> None:
        self.forbidden = frozenset(forbidden)
        self.imported: list[str] = []
        self.active = False
        sys.addaudithook(self._audit)
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        name = fullname.partition(".")[0]
        if self.active and name in self.forbidden:
            self.imported.append(name)
            raise ForbiddenImportError(f"{name} is not for use in an exercise")

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            path, mode, flags = args
            if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & _WRITING):
                raise RefusedError(f"write the file {path!r}"[:_LONGEST])
        elif event in _REFUSED:
            raise RefusedError(_REFUSED[event])


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    for what, amount in ((resource.RLIMIT_AS, size), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(what, (amount, amount))
        except (ValueError, OSError):  # a system without this one, or with a lower limit
            continue


class _Counter:
    """The given forward function, counting the calls with inputs that are not the case's: a sign of nudging."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.inputs: list[Any] = []
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += not _same([*args, *kwargs.values()], self.inputs)
        return self.function(*args, **kwargs)


def _look(job: dict[str, Any], check: Check, cases: list[Case]) -> dict[str, Any]:
    """Load the learner's file and run it on the cases."""
    own = job["file"]
    try:
        module = run_source(job["source"], own)
    except BaseException as error:
        return {"fault": _fault(error, own)}
    answer = getattr(module, check.answer, None)
    if not callable(answer):
        return {"fault": {"kind": "missing", "names": [n for n in vars(module) if not n.startswith("_")]}}
    given = check.answer.removesuffix("_backward")
    counter = _Counter(getattr(module, given, None))
    if check.forward is not None and given != check.answer and callable(counter.function):
        setattr(module, given, counter)
    seen = []
    for case in cases:
        counter.inputs = list(case.inputs.values())
        seen.append(check.observe(answer, case, own))
        os.write(1, b"\x1e")  # so that the judge can tell the prints of the cases apart
    doubled = check.observe(answer, cases[0], own, factor=2.0) if check.forward is not None else None
    return {"fault": None, "cases": seen, "nudges": counter.calls, "doubled": doubled}


def main() -> None:
    """Do the job that comes on standard input."""
    job = json.load(sys.stdin)
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    check = Check(job["check"], job["title"], job["answer"])
    cases = check.cases(job["seeds"])
    trace = open(job["trace"], "w")  # noqa: SIM115 (it must stay open until the process ends)
    result = open(job["result"], "w", encoding="utf-8")  # noqa: SIM115
    _limit_memory(job["memory"])
    faulthandler.dump_traceback_later(job["seconds"], exit=True, file=trace)
    guard = Guard(job["forbidden"])
    guard.active = True
    seen = _look(job, check, cases)
    guard.active = False
    seen["imported"] = guard.imported
    json.dump(seen, result)
    result.close()
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers that the learner's code left behind do not matter


if __name__ == "__main__":
    main()
