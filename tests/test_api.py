"""The house rules: names, docstrings, imports that run one way, and an import that stays light."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, Value, errors, ops

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "autograd_lite"
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(PACKAGE)], "autograd_lite."))
PUBLIC = {n: getattr(ag, n) for n in dir(ag) if not n.startswith("_") and not inspect.ismodule(getattr(ag, n))}


def imports_of(path):
    """Yield (module, is at import time) for each import statement of a file."""
    tree = ast.parse(path.read_text())
    lazy = {
        id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)
    }
    typing = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for n in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = [base, *(f"{base}.{a.name}" for a in node.names)]
        else:
            continue
        for name in names:
            yield name, id(node) not in lazy | typing


def sources(package=PACKAGE):
    return sorted(package.rglob("*.py"))


def by_path(path):
    return str(path.relative_to(ROOT))


def test_importing_needs_numpy_alone():
    code = (
        "import sys; import numpy; with_numpy = set(sys.modules); import autograd_lite;"
        "new = {m.split('.')[0] for m in set(sys.modules) - with_numpy};"
        "print(*sorted(m for m in new - set(sys.stdlib_module_names) if 'cython' not in m))"
    )
    assert set(python(code).split()) <= {"autograd_lite", "numpy"}


def test_importing_takes_under_150_ms_beyond_numpy():
    code = "import time, numpy; start = time.process_time(); import autograd_lite; print(time.process_time() - start)"
    assert min(float(python(code)) for _ in range(7)) < 0.15


def python(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("path", sources(), ids=by_path)
def test_nothing_in_the_engine_imports_nn(path):
    assert not [name for name, _ in imports_of(path) if name.split(".")[0] in ("nn", "examples", "tests", "benchmarks")]


@pytest.mark.parametrize("path", sources(), ids=by_path)
def test_third_parties_are_imported_where_they_are_used(path):
    known = {"autograd_lite", "numpy", "__future__"} | set(sys.stdlib_module_names)
    if path.name.startswith("machine"):  # what is compiled by numba is written in it; imported where numba is asked for
        known |= {"numba", "llvmlite"}
    assert not [name for name, eager in imports_of(path) if eager and name.split(".")[0] not in known]


# Each layer may import the ones before it, at import time and for types alike; a function may import upwards.
LAYERS = [
    ["errors"],
    ["modes"],
    ["graph"],
    ["ops"],
    ["value", "tensor", "face"],
    ["transforms", "custom"],
    ["check", "drawing", "replay", "learn"],
]


@pytest.mark.parametrize("path", sources(), ids=by_path)
def test_arrows_run_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    level = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    if part not in level:
        return
    for name, eager in imports_of(path):
        target = name.split(".")[1] if name.startswith("autograd_lite.") else ""
        if eager and target in level:
            assert level[target] <= level[part], f"{by_path(path)} imports {name}"


@pytest.mark.parametrize("package", [ag, ops, nn], ids=lambda p: p.__name__)
def test_no_module_bears_the_name_of_a_public_function(package):
    for module in pkgutil.iter_modules(package.__path__):
        thing = getattr(package, module.name, None)
        assert thing is None or inspect.ismodule(thing), f"{package.__name__}.{module.name} is two things"
        assert package is nn or module.name not in PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    thing = PUBLIC[name]
    assert callable(thing)
    if isinstance(thing, ops.Op):
        assert thing.formula
        return
    doc = inspect.getdoc(thing)
    assert doc, f"{name} has no docstring"
    first = doc.splitlines()[0]
    assert first[0].isupper()
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("face", [Value, Tensor], ids=["Value", "Tensor"])
def test_every_method_is_documented(face):
    data = {"data", "grad", "label", "op", "operands", "params", "edges", "args", "requires_grad", "extras", "a", "b"}
    bare = []
    for name, thing in inspect.getmembers(face):
        if name.startswith("_") or name in data:
            continue
        if (callable(thing) or isinstance(thing, property)) and not inspect.getdoc(thing):
            bare.append(name)
    assert set(bare) <= {"shape", "dtype", "ndim", "size", "nbytes", "T", "mT"}


def test_every_op_is_reachable_under_its_name():
    assert {n for n in ops.PUBLIC if not hasattr(ag, n)} <= {"SlogdetResult"}
    for name, op in ops.TABLE.items():
        assert op.name == name
        assert op.symbol
        assert op.formula
        assert op.is_elementwise == bool(op.domain)


def test_the_names_are_numpy_s():
    """A name that NumPy has too must mean the same."""
    rng = np.random.default_rng(0)
    a = rng.uniform(0.1, 0.9, size=(3, 3))
    for name in ("sum", "mean", "std", "var", "prod", "cumsum", "sort", "exp", "sinc", "ravel", "transpose", "trace"):
        np.testing.assert_allclose(getattr(ag, name)(a), getattr(np, name)(a), rtol=1e-15)


def test_plain_arguments_give_plain_results():
    assert type(ag.exp(np.ones(2))) is np.ndarray
    assert isinstance(ag.tanh(0.5), float)
    assert isinstance(ag.sum([1.0, 2.0]), float)
    assert type(ag.stack([[1.0], [2.0]])) is np.ndarray


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_a_docstring_and_honest_exports(name):
    if name.endswith("__main__"):
        return
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{name}.__all__ names {exported}"


def test_every_error_can_be_caught_as_one():
    for name in errors.__all__:
        error = getattr(ag, name)
        assert issubclass(error, ag.AutogradError)
        assert issubclass(error, RuntimeError)
    assert issubclass(ag.NoRuleError, TypeError)


def test_an_unknown_name_is_an_attribute_error():
    for thing in (ag, ag.ops, Tensor([1.0]), Value(1.0)):
        with pytest.raises(AttributeError):
            thing.no_such_name  # noqa: B018


@pytest.mark.parametrize("path", [*sources(), *sources(ROOT / "nn")], ids=by_path)
def test_the_sources_keep_to_the_house_style(path):
    text = path.read_text()
    assert not [mark for mark in ("TODO", "FIXME", "XXX", "HACK") if mark in text]
    assert "from __future__ import annotations" in text or path.name == "__init__.py" or "def " not in text
