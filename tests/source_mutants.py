"""Change the source of the engine and of the optimisers line by line with mutmut, and see that tests notice.

``python -m tests.source_mutants [MODULE ...]`` copies the project to a temporary folder, lets mutmut (3.8 or later) run
there, and compares what survived with ``tests/survivors.toml``, where every survivor must be listed and explained.
Errors' words are not mutated. Exits with 1 for a survivor that is not listed, or a listed one that is killed now.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Collection
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
    "autograd_lite/transforms.py": "test_transforms test_custom test_compile_refusals test_compile_state "
    "test_engine_tells",
    "autograd_lite/graph.py": "test_graph test_value test_staleness test_silent_failures test_modes test_custom "
    "test_tensor test_transforms test_plan_scalars test_compile_refusals test_engine_tells",
    "autograd_lite/value.py": "test_value test_micrograd test_tensor test_silent_failures test_modes test_staleness "
    "test_transforms test_plan_scalars test_compile_refusals test_engine_tells",
    "autograd_lite/tensor.py": "test_tensor test_tensor_writing test_numpy_protocols test_silent_failures "
    "test_engine_tells",
}
# Tests that mutmut's own imports and frames would fail, and those that take seconds to tell what others tell too.
_SKIPPED = (
    # What they tell takes them seconds.
    "million grows_linearly quadratic many_users deep_graphs long_chain machine globals_and_closures "
    "TestAnomaly named_through with_the_line ways_out takes_at_most"  # mutmut's own frames would fail them
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


_GENERATE = """
from mutmut import __main__ as mutmut
mutmut.makedirs(mutmut.Path("mutants"), exist_ok=True)
mutmut.copy_src_dir()
mutmut.copy_also_copy_files()
mutmut.setup_source_paths()
mutmut.create_mutants(1)
"""


def _mutants(folder: Path, module: str) -> dict[str, Survivor]:
    """Return what each mutant of a module changes, by mutmut's name for it."""
    lines = (folder / "mutants" / module).read_text(encoding="utf-8").splitlines()
    spans = json.loads((folder / "mutants" / f"{module}.spans").read_text())["spans"]
    bodies = {name: [line.strip() for line in lines[first - 1 : last]] for name, (first, last) in spans.items()}
    dotted = module.removesuffix(".py").replace("/", ".")
    found = {}
    for name, body in bodies.items():
        mangled, _, number = name.rpartition("__mutmut_")
        if number == "orig":
            continue
        original = [line.replace(f"{mangled}__mutmut_orig", "") for line in bodies[f"{mangled}__mutmut_orig"]]
        changes = list(difflib.unified_diff(original, [line.replace(name, "") for line in body], n=0, lineterm=""))[2:]
        was, now = (" ".join(c[1:] for c in changes if c[0] == sign) for sign in "-+")
        function = re.sub(r"^xǁ(.+)ǁ(.+)$", r"\1.\2", mangled)
        found[f"{dotted}.{name}"] = Survivor(module, re.sub(r"^x_", "", function), was, now)
    return found


def _survivor(row: dict[str, str]) -> Survivor:
    return Survivor(**{key: row[key] for key in Survivor._fields})


def _survivors_in(path: Path) -> set[Survivor]:
    return {_survivor(row) for row in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])}


def explained(survivor: Survivor, listed: dict[str, list[dict[str, str]]]) -> bool:
    """Tell whether a survivor is in the list, alone or in a family of them."""
    alone = any(_survivor(row) == survivor for row in listed["survivor"])
    return alone or any(
        any(
            survivor.was[: m.start()] + m.expand(row["now"]) + survivor.was[m.end() :] == survivor.now
            for m in re.finditer(row["was"], survivor.was)
        )
        for row in listed["family"]
        if re.fullmatch(row.get("module", ".*"), survivor.module)
    )


def _run(
    module: str, children: int, folder: Path, again: Collection[Survivor] | None
) -> tuple[list[Survivor], Counter[str]]:
    """Run mutmut on one module, or some mutants of it; return what survived, and how many fared how."""
    _copied(folder, module)
    subprocess.run([sys.executable, "-c", _GENERATE], cwd=folder, check=True, capture_output=True)
    mutants = _mutants(folder, module)
    names = [] if again is None else [name for name, mutant in mutants.items() if mutant in again]
    if again is not None and not names:
        return [], Counter()
    _mutmut(folder, "run", "--max-children", str(children), *names)
    codes = json.loads((folder / "mutants" / f"{module}.meta").read_text())["exit_code_by_key"]
    fates = {n: "killed" if codes[n] in _KILLED else "survived" for n in names or codes}
    fates |= {n: "untested" for n in fates if codes[n] == 33}
    return [mutants[n] for n, fate in fates.items() if fate != "killed"], Counter(fates.values())


def _toml(survivor: Survivor) -> str:
    quoted = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in survivor._asdict().items()]
    return "\n".join(["[[survivor]]", *quoted, 'why = ""', ""])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the number of the exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.source_mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--children", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--again", type=Path, help="only the mutants in this file, the output of an earlier run")
    options = parser.parse_args(arguments)
    unknown = [module for module in options.modules if module not in MODULES]
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}")
    listed = {"survivor": [], "family": [], **tomllib.loads(_LIST.read_text(encoding="utf-8"))}
    again = None if options.again is None else _survivors_in(options.again)
    failed = False
    for module in options.modules or MODULES:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            survivors, counts = _run(module, options.children, Path(folder), again)
        fates = ", ".join(f"{n} {fate}" for fate, n in counts.most_common())
        print(
            f"# {module}: {sum(counts.values())} mutants, {fates}, in {time.perf_counter() - begun:.0f} s", flush=True
        )
        unlisted = [survivor for survivor in survivors if not explained(survivor, listed)]
        gone = [row for row in listed["survivor"] if row["module"] == module and again is None]
        gone = [row for row in gone if _survivor(row) not in survivors]
        failed = failed or bool(unlisted or gone)
        for survivor in unlisted:
            print(_toml(survivor))
        for row in gone:
            print(f"# no longer a survivor: {row['function']}: {row['now']}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
