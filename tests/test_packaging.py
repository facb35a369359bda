"""The wheel: both packages, their type markers, and nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("build")
pytest.importorskip("hatchling")


def built(kind, folder):
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    plain = {**os.environ, "AUTOGRAD_LITE_MYPYC": "0"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_is_pure_python(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")


def test_every_module_of_both_packages_is_in_it(names):
    for package in ("autograd_lite", "nn"):
        sources = {str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*.py")}
        assert sources
        assert sources <= names
        assert f"{package}/py.typed" in names


def test_there_is_nothing_else_in_it(names):
    homes = {name.split("/")[0] for name in names}
    assert {h for h in homes if not h.endswith(".dist-info")} == {"autograd_lite", "nn"}
    assert not [name for name in names if "test" in name.lower() or "cache" in name or name.endswith(".pyc")]


def test_its_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    import autograd_lite

    assert metadata["Version"] == autograd_lite.__version__
    required = [r for r in metadata.get_all("Requires-Dist") if "extra" not in r]
    assert [r.split(">")[0] for r in required] == ["numpy"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"


def test_the_wheel_works_away_from_the_sources(wheel, tmp_path):
    code = (
        "import autograd_lite as ag, nn, numpy as np;"
        f"assert {str(ROOT)!r} not in ag.__file__, ag.__file__;"
        "print(ag.grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0])).tolist())"
    )
    environment = {"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[2.0, 4.0]", done.stderr


def test_the_source_distribution_holds_the_tests_and_no_debris(tmp_path):
    with tarfile.open(built("sdist", tmp_path)) as archive:
        files = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= files
    assert {"tests/test_graph.py", "autograd_lite/py.typed"} <= files
    assert not [f for f in files if "cache" in f or f.endswith((".pyc", ".lock"))]
