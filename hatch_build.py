"""The build: hatchling's, with the scalar engine compiled by mypyc in wheels where a C compiler is there.

Without a compiler or mypy, or where compiling fails, the wheel is plain Python, and one line says so. The environment
variable ``AUTOGRAD_LITE_MYPYC`` decides: 0 never compiles; 1 compiles editable installs too (in place: edits of the
compiled modules then take effect after the next install only).
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling import build as hatchling
from hatchling.build import build_editable, build_sdist, build_wheel, get_requires_for_build_sdist
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

SWITCH = "AUTOGRAD_LITE_MYPYC"
MODULES = ("context", "graph", "face", "value", "floatpass")
_TOOLS = ["mypy>=2.4", "setuptools>=77"]
_CONFIG = """\
[mypy]
ignore_errors = True
ignore_missing_imports = True
follow_imports = skip
[mypy-autograd_lite.native]
follow_imports = silent
[mypy-numpy.*]
follow_imports = skip
follow_imports_for_stubs = True
"""


def _hindrance(editable: bool) -> str | None:
    """Return why nothing is to be compiled here, if so."""
    if os.environ.get(SWITCH, "0" if editable else "1") == "0":
        return "an editable install" if SWITCH not in os.environ else f"{SWITCH}=0"
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "mypyc is for CPython with its lock"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "").split()
    if os.name == "posix" and not (compiler and shutil.which(compiler[0])):
        return "no C compiler found"
    return None


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what pip installs before it builds a wheel: the tools that compile only where they are of use."""
    tools = [] if _hindrance(editable=False) else _TOOLS
    return [*hatchling.get_requires_for_build_wheel(config_settings), *tools]


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what pip installs before it makes an editable install."""
    tools = [] if _hindrance(editable=True) else _TOOLS
    return [*hatchling.get_requires_for_build_editable(config_settings), *tools]


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the compiled modules beside their sources in the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, if that is wanted and possible."""
        editable = version == "editable"
        hindrance = _hindrance(editable)
        if hindrance is None:
            self._work = Path(tempfile.mkdtemp(prefix="autograd_lite_"))
            command = [sys.executable, __file__, self.root, str(self._work)]
            done = subprocess.run(command, cwd=self._work, capture_output=True, text=True)
            if done.returncode:
                hindrance = (done.stderr or done.stdout or "compiling failed").strip().splitlines()[-1]
        if hindrance is not None:
            self.app.display_info(f"autograd_lite is built as plain Python: {hindrance}")
            return
        built = {str(path): str(path.relative_to(self._work / "out")) for path in self._work.glob("out/**/*.*")}
        if editable:
            for source, name in built.items():
                shutil.copy(source, Path(self.root, name))
        else:
            build_data["force_include"].update(built)
            build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the build directory."""
        shutil.rmtree(getattr(self, "_work", "-"), ignore_errors=True)


def _without_declarations(source: str) -> str:
    """Blank what a class declares ``if TYPE_CHECKING``, which mypyc does not take; lines keep their numbers."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for part in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(part, ast.If) and part.end_lineno is not None:
                lines[part.lineno - 1 : part.end_lineno] = [""] * (part.end_lineno - part.lineno + 1)
    return "\n".join(lines) + "\n"


def _with_docstrings(code: str, root: Path) -> str:
    """Put the docstrings into the generated C, beside the signatures: mypyc leaves them out."""
    for module in MODULES:
        for node in ast.parse((root / "autograd_lite" / f"{module}.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                code = _documented(code, rf"\(PyCFunction\)CPyPy_{module}___{node.name},[^\"]*", node)
            elif isinstance(node, ast.ClassDef):
                methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
                code = _documented(code, rf"CPyType_{module}___{node.name}_template_ = .*?tp_doc = ", node)
                for name, method in methods.items():
                    start = rf"\(PyCFunction\)CPyPy_{module}___{node.name}___{name},[^\"]*"
                    code = _documented(code, start, method)
    return code


def _signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """Return how a function or a class is called, as ``inspect`` reads it from a docstring."""
    inner = node.body if isinstance(node, ast.ClassDef) else [node]
    for function in inner:
        if isinstance(function, ast.FunctionDef) and (function is node or function.name == "__init__"):
            for argument in (*function.args.args, *function.args.kwonlyargs):
                argument.annotation = None
            arguments = ast.unparse(function.args)
            is_class = isinstance(node, ast.ClassDef)
            arguments = arguments.removeprefix("self, ") if is_class else arguments.replace("self", "$self", 1)
            return f"{node.name}({arguments})\\n--\\n\\n"
    return ""


def _documented(code: str, start: str, node: ast.FunctionDef | ast.ClassDef) -> str:
    """Write a docstring into the first PyDoc_STR after ``start``, and a signature where there is none."""
    text = ast.get_docstring(node)
    if text is None:
        return code
    quoted = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    signature = _signature(node)
    found = re.compile(rf'({start}PyDoc_STR\()(?:NULL|"([^"]*)")\)', re.DOTALL)
    return found.sub(lambda m: f'{m[1]}"{m[2] or signature}{quoted}")', code, count=1)


def compile_engine(root: Path, work: Path) -> None:
    """Compile the modules of ``root`` to ``work / "out"``; the current directory must be ``work``."""
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]

    shutil.copytree(root / "autograd_lite", work / "autograd_lite", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    paths = [work / "autograd_lite" / f"{name}.py" for name in MODULES]
    for path in paths:
        path.write_text(_without_declarations(path.read_text(encoding="utf-8")), encoding="utf-8")
    Path("mypy.ini").write_text(_CONFIG, encoding="utf-8")
    extensions = mypycify(
        ["--config-file=mypy.ini", *(str(path.relative_to(work)) for path in paths)],
        group_name="autograd_lite._native",
        debug_level="0",
    )
    for path in work.glob("build/**/__native_*.c"):
        path.write_text(_with_docstrings(path.read_text(encoding="utf-8"), root), encoding="utf-8")
    for extension in extensions:
        extension.extra_compile_args = [flag for flag in extension.extra_compile_args if flag != "-Werror"]
    build = Distribution({"name": "autograd_lite", "ext_modules": extensions}).get_command_obj("build_ext")
    build.build_lib, build.build_temp = str(work / "out"), str(work / "temp")
    build.ensure_finalized()
    build.run()


if __name__ == "__main__":
    compile_engine(Path(sys.argv[1]), Path(sys.argv[2]))
