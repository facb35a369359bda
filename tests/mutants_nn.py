"""Break what `nn` computes with, a rule or a formula at a time, and see that nn's own tests notice.

``python -m tests.mutants --nn`` first runs those tests once and notes which rules of the op table, and which functions
of `nn`, each of them reaches. Then it breaks every rule in every way of `tests.mutants`, and every formula (a sign, a
factor, a term dropped, operands swapped, a mean for a sum), each in its own process, and runs the tests that reach it.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import os
import re
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import pytest

from tests.mutants import CORRUPTIONS, Mutant, installed, targets

__all__ = ["FORMULAS", "Breakage", "Fate", "run", "variants"]

# Modules of nn with formulas of their own: everything else only hands on to ops.
FORMULAS = (
    "nn.activation nn.attention nn.cells nn.conv nn.dropout nn.embedding nn.functional nn.functional_layers "
    "nn.functional_losses nn.linear nn.loss nn.loss_more nn.norm nn.pooling nn.recurrent nn.reshape"
).split()
TESTS = ("test_nn_layers test_nn_losses test_nn_attention test_nn_recurrent test_nn_module test_nn_references").split()
_KILLED, _SURVIVED, _EQUIVALENT = 1, 0, 2
_SECONDS = 60  # a mutant that loops for ever is noticed too
_LIST = Path(__file__).with_name("survivors.toml")
_SWAPPED_NAMES = {"mean": "sum", "sum": "mean", "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max"}
_COMMUTATIVE = ("equal", "not_equal", "result_type", "add", "multiply", "isinstance")
_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


class Breakage(NamedTuple):
    """One mutant: what is broken, how, and ``install()``, which breaks it for the rest of the process."""

    place: str
    change: str
    install: Callable[[], Any]


class Fate(NamedTuple):
    """What became of a mutant: killed, equivalent, survived, or unreached by any test."""

    place: str
    change: str
    fate: str


# Formulas: one changed expression at a time.


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the ways to write this expression wrong."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield from (ast.BinOp(left, ast.Sub(), right), left, right)
        case ast.BinOp(left, ast.Sub(), right):
            yield from (ast.BinOp(left, ast.Add(), right), ast.BinOp(right, ast.Sub(), left), left)
        case ast.BinOp(left, ast.Mult(), right):
            yield from (ast.BinOp(left, ast.Div(), right), left, right)
        case ast.BinOp(left, ast.Div(), right):
            yield from (ast.BinOp(left, ast.Mult(), right), ast.BinOp(right, ast.Div(), left), left)
        case ast.BinOp(left, ast.Pow(), right):
            yield from (ast.BinOp(left, ast.Mult(), right), left)
        case ast.BinOp(left, ast.MatMult() as times, right):
            yield ast.BinOp(right, times, left)
        case ast.BinOp(left, ast.FloorDiv(), right):
            yield from (ast.BinOp(left, ast.Mult(), right), left)
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.Compare(left, [relation], right) if type(relation) in _FLIPPED:
            yield ast.Compare(left, [_FLIPPED[type(relation)]()], right)
        case ast.Constant(float(x)):
            yield ast.Constant(2 * x if x else 1.0)
        case ast.Call(ast.Attribute(home, name, context) as f, args, keywords) if isinstance(home, ast.Name):
            if name in _SWAPPED_NAMES:
                yield ast.Call(ast.Attribute(home, _SWAPPED_NAMES[name], context), args, keywords)
            if (
                len(args) == 2
                and name not in (*_SWAPPED_NAMES, *_COMMUTATIVE)
                and not isinstance(args[1], ast.Constant)
            ):
                yield ast.Call(f, args[::-1], keywords)
            if name == "where" and len(args) == 3:
                yield ast.Call(f, [args[0], args[2], args[1]], keywords)


def _expressions(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Yield the place of every expression in a function's body: not in errors, defaults, or annotations."""
    stack: list[ast.AST] = [*function.body]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Raise, ast.JoinedStr)):
            continue
        for name, value in ast.iter_fields(node):
            if name == "annotation":
                continue
            for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.expr):
                    yield node, name, i, child
                if isinstance(child, ast.AST):
                    stack.append(child)


def _put(parent: ast.AST, name: str, i: int | None, child: ast.expr) -> None:
    if i is None:
        setattr(parent, name, child)
    else:
        getattr(parent, name)[i] = child


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _function_at(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = found.__dict__[name]
    return getattr(found, "__func__", getattr(found, "fget", found))


def _replaced(module: ModuleType, path: str, code: CodeType) -> Callable[[], None]:
    def install() -> None:
        _function_at(module, path).__code__ = code

    return install


def variants(module_name: str) -> Iterator[Breakage]:
    """Yield every formula of a module with one mistake; the functions keep their identity, only their code changes."""
    module = importlib.import_module(module_name)
    path = str(module.__file__)
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    homes: list[tuple[str, ast.AST]] = [("", tree)]
    homes += [(f"{node.name}.", node) for node in tree.body if isinstance(node, ast.ClassDef)]
    for prefix, home in homes:
        for function in [node for node in getattr(home, "body", ()) if isinstance(node, ast.FunctionDef)]:
            name = prefix + function.name
            if function.name in ("__init__", "__repr__", "extra_repr", "__init_subclass__"):
                continue
            for parent, field, i, expression in list(_expressions(function)):
                for wrong in _changed(expression):
                    _put(parent, field, i, ast.fix_missing_locations(ast.copy_location(wrong, expression)))
                    with contextlib.suppress(SyntaxError):
                        codes = _codes(compile(tree, path, "exec"))
                        code = next(c for c in codes if c.co_qualname == name)
                        change = f"{ast.unparse(expression)}  ->  {ast.unparse(wrong)}"
                        yield Breakage(f"{module_name}:{name}", change, _replaced(module, name, code))
                    _put(parent, field, i, expression)


def _rules() -> Iterator[tuple[str, str, Mutant, Callable[[], Any]]]:
    for name, operand, rule in targets():
        if operand == "jvp":
            continue  # nn takes no forward derivatives
        for corruption, corrupt in CORRUPTIONS.items():
            mutant = Mutant(rule, corrupt)
            yield f"{name}/{operand}", corruption, mutant, functools.partial(_keep, name, operand, mutant)


_installations = contextlib.ExitStack()


def _keep(name: str, operand: int | str, mutant: Mutant) -> None:
    _installations.enter_context(installed(name, operand, mutant))


# Running the tests that reach a mutant, each mutant in a fork of the process that collected them.


class _Runner:
    """A pytest plugin that takes the place of the usual run."""

    def __init__(self, jobs: int, only: str) -> None:
        self.jobs, self.only = jobs, only
        self.fates: list[Fate] = []
        self._failed = False
        self._reached: dict[str, dict[Any, float]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: Any) -> bool:
        """Record which test reaches what; then try every mutant."""
        self._record(session.items)
        if self._failed:
            raise pytest.UsageError("the tests of nn fail even before anything is broken")
        running: dict[int, tuple[str, str, float]] = {}
        for place, change, mutant, install in self._mutants():
            if not re.search(self.only, place):
                continue
            tests = sorted(self._reached[place], key=self._reached[place].__getitem__)
            if not tests and mutant is not None:
                continue  # an op that nn does not use
            if not tests:
                self.fates.append(Fate(place, change, "unreached"))
                continue
            while len(running) >= self.jobs:
                self._reap(running)
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                os._exit(self._try(install, mutant, tests))
            running[pid] = (place, change, time.monotonic())
        while running:
            self._reap(running)
        return True

    def _mutants(self) -> Iterator[tuple[str, str, Mutant | None, Callable[[], Any]]]:
        yield from _rules()
        for module in FORMULAS:
            for place, change, install in variants(module):
                yield place, change, None, install

    def _record(self, items: list[Any]) -> None:
        """Run every test once, noting the rules and the functions that it calls."""
        names: dict[CodeType, str] = {}
        for module in FORMULAS:
            tree = compile(Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8"), "", "exec")
            known = {code.co_qualname for code in _codes(tree)}
            names |= {
                getattr(_function_at(sys.modules[module], name), "__code__", None): f"{module}:{name}"  # type: ignore[misc]
                for name in known
                if ("<" not in name and "." not in name) or _is_method(sys.modules[module], name)
            }
        with contextlib.ExitStack() as stack:
            reached: set[str] = set()
            for name, operand, rule in targets():
                stack.enter_context(installed(name, operand, _Watched(rule, f"{name}/{operand}", reached)))
            for item in items:
                reached.clear()
                begun = time.perf_counter()

                def see(frame: Any, event: str, _: Any) -> None:
                    if event == "call" and frame.f_code in names:
                        reached.add(names[frame.f_code])

                sys.setprofile(see)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                sys.setprofile(None)
                seconds = time.perf_counter() - begun
                for place in reached:
                    self._reached[place][item] = seconds

    def _try(self, install: Callable[[], Any], mutant: Mutant | None, tests: list[Any]) -> int:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        self._failed = False
        install()
        for item in tests:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failed:
                return _KILLED
        return _EQUIVALENT if mutant is not None and not mutant.changed else _SURVIVED

    def _reap(self, running: dict[int, tuple[str, str, float]]) -> None:
        while True:
            for pid, (place, change, begun) in list(running.items()):
                done, status = os.waitpid(pid, os.WNOHANG)
                if not done and time.monotonic() - begun > _SECONDS:
                    os.kill(pid, 9)
                    done, status = os.waitpid(pid, 0)
                if done:
                    del running[pid]
                    code = os.waitstatus_to_exitcode(status)
                    self.fates.append(Fate(place, change, {0: "survived", 2: "equivalent"}.get(code, "killed")))
                    return
            time.sleep(0.002)


def _is_method(module: ModuleType, name: str) -> bool:
    home, _, method = name.partition(".")
    return isinstance(module.__dict__.get(home), type) and method in module.__dict__[home].__dict__


class _Watched:
    """A rule that notes that it was called."""

    def __init__(self, rule: Any, place: str, reached: set[str]) -> None:
        self.rule, self.place, self.reached = rule, place, reached

    def __call__(self, *args: Any, **params: Any) -> Any:
        self.reached.add(self.place)
        return self.rule(*args, **params) if callable(self.rule) else self.rule


def run(jobs: int = 2, only: str = "") -> list[Fate]:
    """Try every mutant of nn; with ``only``, those whose place matches this pattern."""
    runner = _Runner(jobs, only)
    files = [str(Path(__file__).with_name(f"{name}.py")) for name in TESTS]
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:terminal", "-o", "addopts="]
    code = pytest.main([*options, *files], plugins=[runner])
    if not runner.fates:
        raise SystemExit(f"nothing was tried (pytest ended with {code})")
    return runner.fates


def report(jobs: int, only: str) -> int:
    """Try every mutant, print what became of them, and return the number of the exit."""
    begun = time.perf_counter()
    fates = run(jobs, only)
    for kind in ("rules", "formulas"):
        counts = Counter(f.fate for f in fates if (":" in f.place) == (kind == "formulas"))
        print(
            f"{kind}: {sum(counts.values())} mutants, " + ", ".join(f"{n} {fate}" for fate, n in counts.most_common())
        )
    left = unexplained(fates)
    for f in left:
        print(f"{f.fate.upper()}: {f.place}: {f.change}")
    print(f"{len(fates)} mutants in {time.perf_counter() - begun:.0f} s, {len(left)} unexplained")
    return int(bool(left))


def unexplained(fates: list[Fate]) -> list[Fate]:
    """Return the mutants that survived, or that no test reaches, without being listed as harmless."""
    listed = {
        (row["place"], row["change"]) for row in tomllib.loads(_LIST.read_text(encoding="utf-8")).get("formula", [])
    }
    return [f for f in fates if f.fate in ("survived", "unreached") and (f.place, f.change) not in listed]
