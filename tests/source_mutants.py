"""Change the source of the engine and of the optimisers line by line with mutmut, and see that tests notice.

``python -m tests.source_mutants [MODULE ...]`` copies the project to a temporary folder, lets mutmut (3.8 or later) run
there, and compares what survived with ``tests/survivors.toml``, where every survivor must be listed and explained.
Errors' words are not mutated. Exits with 1 for a survivor that is not listed, or a listed one that is killed now.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

__all__ = ["MODULES", "Survivor", "explained", "main"]

_ROOT = Path(__file__).parents[1]
_LIST = Path(__file__).with_name("survivors.toml")

# Each module with the tests that are about it: mutmut runs those of them that reach the changed function.
MODULES: dict[str, str] = {
    "nn/checkpoint.py": "test_checkpoint",
    "nn/optim/sgd.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/adam.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/adagrad.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/base.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/block.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/lbfgs.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "nn/optim/line_search.py": "test_nn_optim test_nn_optim_more test_optim_references",
    "autograd_lite/transforms.py": "test_transforms test_custom",
    "autograd_lite/graph.py": "test_graph test_value test_staleness test_silent_failures test_modes test_custom",
    "autograd_lite/value.py": "test_value test_micrograd test_tensor test_silent_failures",
    "autograd_lite/tensor.py": "test_tensor test_tensor_writing test_numpy_protocols test_silent_failures",
}
# Tests that mutmut's own imports and frames would fail, and those that take seconds to tell what others tell too.
_SKIPPED = (
    "million grows_linearly quadratic many_users deep_graphs long_chain "  # what they tell takes them seconds
    "TestAnomaly named_through"  # mutmut's own frames would fail them
).split()
_KILLED = (1, 3, -24, 24, 36, 152, 255, 37)
_PROJECT = """
[tool.mutmut]
source_paths = ["autograd_lite", "nn"]
only_mutate = ["{module}"]
do_not_mutate_patterns = ['^\\s*raise ', '^\\s*__all__']
also_copy = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not ({skipped})"]
pytest_add_cli_args_test_selection = {tests}

[tool.pytest.ini_options]
filterwarnings = ["error"]
"""


class Survivor(NamedTuple):
    """A mutant that no test noticed: the module, the function, and the lines before and after."""

    module: str
    function: str
    was: str
    now: str


def _copied(folder: Path, module: str) -> None:
    for name in ("autograd_lite", "nn", "tests", "examples", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    tests = [f"tests/{name}.py" for name in MODULES[module].split()]
    (folder / "pyproject.toml").write_text(
        _PROJECT.format(module=module, tests=json.dumps(tests), skipped=" or ".join(_SKIPPED))
    )


def _mutmut(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"mutmut {' '.join(arguments)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def _survivor(folder: Path, module: str, name: str) -> Survivor:
    """Read one mutant from the difference that mutmut shows."""
    lines = _mutmut(folder, "show", name).splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
    now = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
    function = re.sub(r"__mutmut_\d+$", "", name.rsplit(".", 1)[-1])
    function = re.sub(r"^x_?ǁ(.+)ǁ(.+)$", r"\1.\2", function)
    return Survivor(module, re.sub(r"^x_", "", function), " ".join(was), " ".join(now))


def explained(survivor: Survivor, listed: dict[str, list[dict[str, str]]]) -> bool:
    """Tell whether a survivor is in the list, alone or in a family of them."""
    alone = any(Survivor(**{key: row[key] for key in Survivor._fields}) == survivor for row in listed["survivor"])
    return alone or any(
        re.fullmatch(row.get("module", ".*"), survivor.module)
        and re.search(row["was"], survivor.was)
        and re.search(row["now"], survivor.now)
        for row in listed["family"]
    )


def _run(module: str, children: int, folder: Path) -> tuple[list[Survivor], Counter[str]]:
    """Run mutmut on one module; return what survived, and how many fared how."""
    _copied(folder, module)
    _mutmut(folder, "run", "--max-children", str(children))
    codes = json.loads((folder / "mutants" / f"{module}.meta").read_text())["exit_code_by_key"]
    fates = {
        name: "killed" if code in _KILLED else "untested" if code == 33 else "survived" for name, code in codes.items()
    }
    return [_survivor(folder, module, name) for name, fate in fates.items() if fate != "killed"], Counter(
        fates.values()
    )


def _toml(survivor: Survivor) -> str:
    quoted = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in survivor._asdict().items()]
    return "\n".join(["[[survivor]]", *quoted, 'why = ""', ""])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the number of the exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.source_mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--children", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args(arguments)
    unknown = [module for module in options.modules if module not in MODULES]
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}")
    listed = {"survivor": [], "family": [], **tomllib.loads(_LIST.read_text(encoding="utf-8"))}
    failed = False
    for module in options.modules or MODULES:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            survivors, counts = _run(module, options.children, Path(folder))
        fates = ", ".join(f"{n} {fate}" for fate, n in counts.most_common())
        print(f"{module}: {sum(counts.values())} mutants, {fates}, in {time.perf_counter() - begun:.0f} s", flush=True)
        unlisted = [survivor for survivor in survivors if not explained(survivor, listed)]
        gone = [row for row in listed["survivor"] if row["module"] == module]
        gone = [row for row in gone if Survivor(**{key: row[key] for key in Survivor._fields}) not in survivors]
        failed = failed or bool(unlisted or gone)
        for survivor in unlisted:
            print(_toml(survivor))
        for row in gone:
            print(f"no longer a survivor: {row['function']}: {row['now']}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
