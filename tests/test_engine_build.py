"""The compiled engine: when it is built, that the same tests pass on it, and what it says of itself."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import autograd_lite as ag

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("build")
pytest.importorskip("hatchling")
SWITCH = "AUTOGRAD_LITE_MYPYC"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "none").split()[0]


@pytest.fixture
def backend(monkeypatch):
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setenv("CC", sys.executable)  # something that is there
    return module


def build(folder, **variables):
    """Build a wheel, unpack it, and return the folder and what the build said."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
    done = subprocess.run(
        [*command, "--outdir", str(folder), str(ROOT)],
        env={**os.environ, SWITCH: "1", **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return wheel.name, folder / "site", done.stdout + done.stderr


def run(site, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=site.parent, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    pytest.importorskip("mypyc")
    pytest.importorskip("setuptools")
    if shutil.which(COMPILER) is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("no C compiler here")
    return build(tmp_path_factory.mktemp("compiled"))


def test_wheels_are_compiled_and_editable_installs_are_not(backend, monkeypatch):
    def tools(requires):
        return sorted({re.split(r"\W", r)[0] for r in requires()} & {"mypy", "setuptools"})

    wheel, editable = backend.get_requires_for_build_wheel, backend.get_requires_for_build_editable
    monkeypatch.chdir(ROOT)
    assert (tools(wheel), tools(editable)) == (["mypy", "setuptools"], [])
    monkeypatch.setenv(SWITCH, "1")
    assert (tools(wheel), tools(editable)) == (["mypy", "setuptools"], ["mypy", "setuptools"])
    monkeypatch.setenv(SWITCH, "0")
    assert (tools(wheel), tools(editable)) == ([], [])


@pytest.mark.skipif(os.name != "posix", reason="looks for the compiler as Unix does")
def test_without_a_compiler_nothing_is_asked_for(backend, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CC", "no-such-compiler")
    assert not [r for r in backend.get_requires_for_build_wheel() if r.startswith("mypy")]


def test_declarations_for_type_checkers_are_blanked_in_their_place(backend):
    source = "class A:\n    x: int\n    if TYPE_CHECKING:\n        y: int\n        z: int\n\n    def f(self): ...\n"
    kept = backend._without_declarations(source).splitlines()
    assert kept == ["class A:", "    x: int", "", "", "", "", "    def f(self): ..."]


def test_a_build_that_cannot_compile_gives_plain_python_and_one_line(tmp_path):
    broken = tmp_path / "broken" / "mypyc"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no mypyc today')")
    name, site, said = build(tmp_path, PYTHONPATH=str(broken.parent), CC=sys.executable)
    assert name.endswith("-py3-none-any.whl")
    assert not list(site.rglob("*.so"))
    assert [line for line in said.splitlines() if "plain Python" in line and "no mypyc today" in line]


def test_the_compiled_wheel_says_so_and_keeps_its_sources(compiled):
    name, site, _ = compiled
    assert "none-any" not in name
    assert (site / "autograd_lite" / "value.py").exists()
    said = run(site, "-c", "import autograd_lite as ag; print(*ag.engine_info().compiled)")
    assert said.split() == ["context", "face", "floatpass", "graph", "value"]
    run(site, "-c", "import sys, autograd_lite; assert 'mypy_extensions' not in sys.modules")


WAYS = {
    "a subclass with attributes": """
class V(Value): pass
v = V(2.0); v.note = "mine"; (v * v).backward()
assert (v.grad, v.note) == (4.0, "mine")
""",
    "a subclass with an operator": """
class V(Value):
    def __add__(self, other): return "ours"
assert V(1.0) + 1 == "ours" and V(1.0) + Value(1.0) == "ours"
""",
    "a subclass with an initialiser": """
class V(Value):
    def __init__(self, x): super().__init__(x, "named")
assert V(1).label == "named"
""",
    "a subclass, pickled and copied": """
import copy, sys, types
class V(Value): pass
home = sys.modules["home"] = types.ModuleType("home"); home.V = V; V.__module__ = "home"; V.__qualname__ = "V"
import pickle
v = V(2.0, "leaf"); v.note = "mine"; y = v.tanh() + 1
for twin in (pickle.loads(pickle.dumps(y)), copy.deepcopy(y)):
    twin.backward()
    leaf = twin.operands[0].operands[0]
    assert (twin.data, type(leaf), leaf.label, leaf.note) == (y.data, V, "leaf", "mine") and leaf.grad
assert copy.copy(v).note == "mine" and v.grad is None
""",
    "docstrings and signatures": """
import inspect
assert "Parameters" in Value.__doc__ and "StaleError" in Value.backward.__doc__
assert list(inspect.signature(Value).parameters) == ["data", "label"]
assert inspect.signature(Value.backward).parameters["create_graph"].default is False
""",
    "every float": """
for x in (-113.0, float("inf"), -0.0, 5e-324):
    v = Value(x); y = v * 1.0; y.backward(x)
    assert (repr(y.data), repr(v.grad)) == (repr(x), repr(x))
""",
    "a subclass that refers to itself is collected": """
import gc, weakref
class V(Value): pass
v = V(2.0); v.me = v; seen = weakref.ref(v)
del v; gc.collect()
assert seen() is None
""",
    "attributes are given back": """
import sys
v, note = Value(1.0), "a label of its own"
before = sys.getrefcount(note)
for _ in range(100):
    v.label = note; v.label = None; (v * 2.0).backward(); v.zero_grad()
assert sys.getrefcount(note) == before
""",
    "cycles of recorded gradients are collected": """
import gc
def count(): return sum(type(x) is Value for x in gc.get_objects())
gc.collect(); before = count()
x = Value(2.0); y = (x * x).exp(); y.backward(create_graph=True)
assert count() > before + 3
del x, y; gc.collect()
assert count() == before
import numpy as np
from autograd_lite import Tensor
x, t = Value(2.0), Tensor([1.0, 2.0], requires_grad=True)
(np.sum((x * x) * t * t) * x).backward(create_graph=True)
assert count() > before + 3
del x, t; gc.collect()
assert count() == before
""",
}


@pytest.mark.parametrize("code", WAYS.values(), ids=WAYS)
def test_python_s_ways_with_classes(compiled, code):
    _, site, _ = compiled
    run(site, "-c", f"from autograd_lite import Value\n{code}")
    exec(f"from autograd_lite import Value\n{code}", {"__name__": __name__})


def test_the_same_tests_pass_on_it(compiled):
    _, site, _ = compiled
    shutil.copytree(ROOT / "tests", site.parent / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    files = [f"tests/test_{name}.py" for name in ("value", "micrograd", "modes", "silent_failures")]
    options = ("-q", "-p", "no:cacheprovider", "-o", "filterwarnings=error", "-p", "no:xdist")
    said = run(site, "-m", "pytest", *options, *files)
    assert " passed" in said


def test_what_engine_info_tells():
    info = ag.engine_info()
    assert info.version == ag.__version__
    assert info.numpy in str(info)
    assert ("plain Python" in str(info)) == (not info.compiled)
    for name in info.compiled:
        assert importlib.util.find_spec(f"autograd_lite.{name}").origin.endswith((".so", ".pyd"))
