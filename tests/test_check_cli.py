"""``python -m autograd_lite check``: what it takes, what it says, what it exits with; and the page of the ops."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_lite import __main__ as dispatcher, ops
from autograd_lite.check.arguments import ArgumentsError, origin, value_of
from autograd_lite.check.cli import main
from autograd_lite.check.opspage import COMMAND, as_line, as_page, median
from autograd_lite.check.sample import samples
from autograd_lite.check.table import check_ops, deviation, domain_of, families

PAGE = Path(__file__).parent.parent / "docs" / "ops.md"
MODULE = """
import numpy as np
from autograd_lite import custom_op

def loss(x, w, axis=0):
    return np.tanh(w @ x).sum(axis)

wrong = custom_op(lambda x, w: x * w, [lambda g, y, x, w: g * w, lambda g, y, x, w: -g * x])
wrong_shape = custom_op(lambda x: np.sum(x), lambda g, y, x: g)

def positional(a, /, *, b):
    return a * b

def nested(p, names):
    return np.sum(p[names[0]] @ p["b"])

def anything(*operands, **more):
    return operands[0] / operands[1]

def broken(x):
    raise RuntimeError("out of order")

def leaves(x):
    raise SystemExit(3)

class Model:
    def __call__(self, x):
        return x ** 3

model = Model()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a package, as the current one."""
    (tmp_path / "pack_for_check").mkdir()
    (tmp_path / "pack_for_check" / "functions.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "exits_for_check.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    (tmp_path / "needs_for_check.py").write_text("import a_package_that_is_not_there\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if "_for_check" in name or name == "functions":
            del sys.modules[name]


def check(function, *arguments):
    return main([f"pack_for_check.functions:{function}", *arguments])


class TestFunctions:
    def test_right_gradients_exit_with_0(self, here, capsys):
        assert check("loss", "--at", "x=randn(2)", "w=[[1,2],[3,4]]", "axis=int(0)") == 0
        out = capsys.readouterr().out
        assert out.startswith("gradients are right: ")
        assert "\x1b" not in out

    def test_wrong_ones_exit_with_1_and_name_the_operand(self, here, capsys):
        assert check("wrong", "--at", "x=0.5", "w=2") == 1
        out = capsys.readouterr().out
        assert out.startswith("gradients are WRONG: ")
        assert "worst: gradient of input w\n" in out
        assert "✓ input x" in out
        assert "0[" not in out

    def test_a_gradient_of_the_wrong_shape_exits_with_1(self, here, capsys):
        assert check("wrong_shape", "--at", "x=ones(3)") == 1
        assert "returned a gradient of shape ()" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("function", "at"),
        [
            ("positional", ["b=1", "a=2"]),
            ("nested", ["p={'w': randn(2, 3), 'b': [1, 2, 3]}", 'names=["w"]']),
            ("anything", ["first=[1, 2]", "second=4"]),
            ("model", ["x=randn(2, 2)"]),
            ("model.__call__", ["x=2"]),
            ("loss", ["x=float32(randn(2))", "w=float32([[1, 2], [3, 4]])"]),
        ],
    )
    def test_every_kind_of_function(self, here, function, at, capsys):
        assert check(function, "--order", "2", "--at", *at) == 0
        assert "right" in capsys.readouterr().out

    def test_files_and_functions_of_numpy(self, here, capsys):
        np.save("x.npy", np.array([0.5, 1.5]))
        assert main(["pack_for_check/functions.py:wrong", "--at", "x=x.npy", "w=[1, 2]"]) == 1
        assert main(["numpy:tanh", "--at", "x=x.npy"]) == 0
        assert main(["numpy:dot", "--at", "a=x.npy", "--at", "b=[1, 2]"]) == 0

    def test_the_options_reach_the_check(self, here, capsys):
        assert check("wrong", "--at", "x=0.5", "w=2", "--rtol", "10") == 0
        said = []
        for seed in ("0", "1", "1"):
            check("loss", "--at", "x=randn(2)", "w=randn(2, 2)", "--seed", seed)
            said.append(capsys.readouterr().out)
        assert said[1] == said[2] != said[0]
        check("model", "--at", "x=2", "--order", "2")
        assert "second derivative" in capsys.readouterr().out

    def test_the_report_as_a_page(self, here, capsys):
        assert check("wrong", "--at", "x=0.5", "w=2", "--html", "report.html") == 1
        page = Path("report.html").read_text(encoding="utf-8")
        assert "gradient of input w" in page
        assert capsys.readouterr().out.endswith("report.html\n")
        assert check("wrong", "--at", "x=0.5", "w=2", "--html", "no/where.html") == 2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["pack_for_check.functions"], "write package.module:function"),
            (["nowhere_for_check:f"], "there is no module nowhere_for_check here"),
            (["pack_for_check.nowhere:f"], "there is no module pack_for_check.nowhere here"),
            (["nowhere.py:f"], "there is no file nowhere.py"),
            (["needs_for_check:f"], "needs a_package_that_is_not_there, which is not installed"),
            (["exits_for_check:f"], "importing exits_for_check raised SystemExit: 3"),
            (["pack_for_check.functions:los"], "did you mean loss?"),
            (["pack_for_check.functions:Model"], "a class; name a function or an object"),
            (["pack_for_check.functions:np"], "is no function"),
            (["pack_for_check.functions:loss", "--at", "x=1"], "takes w too"),
            (["pack_for_check.functions:loss", "--at", "x=1", "w=1", "z=1"], "no parameter z; it takes x, w, axis"),
            (["pack_for_check.functions:model", "--at", "x=int(1)"], "none of the operands is a floating-point"),
            (["pack_for_check.functions:model", "--at", "x"], "--at takes NAME=VALUE"),
            (["pack_for_check.functions:model", "--at", "x=1", "x=2"], "two values for x"),
            (["pack_for_check.functions:broken", "--at", "x=1"], "RuntimeError: out of order, at "),
            (["pack_for_check.functions:leaves", "--at", "x=1"], "raised SystemExit: 3"),
            (["math:sin", "--at", "x=1"], "float() inside a function"),
            (["--all", "tanhh"], "the table has no op tanhh"),
            (["--all", "tanh", "--write", "page.md"], "needs the whole table"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_line_or_two(self, here, arguments, message, capsys):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("check: ")
        assert message in said
        assert "Traceback" not in said

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["a:b", "c:d"],
            ["a:b", "--order", "3"],
            ["a:b", "--write", "x"],
            ["--all", "--at", "x=1"],
            ["--all", "--html", "x"],
        ],
    )
    def test_a_wrong_call_exits_with_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert "usage:" in capsys.readouterr().err

    def test_from_the_shell(self, here):
        def run(*arguments):
            command = [sys.executable, "-m", "autograd_lite", "check", *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8")

        done = run("pack_for_check.functions:wrong", "--at", "x=0.5", "w=2")
        assert (done.returncode, done.stderr) == (1, "")
        assert "gradients are WRONG" in done.stdout
        assert "\x1b" not in done.stdout

    @pytest.mark.skipif(sys.platform == "win32", reason="there is no head")
    def test_output_that_nobody_reads_is_no_error(self):
        command = (
            f"{sys.executable} -m autograd_lite check --all add subtract multiply divide exp log sin cos | head -1"
        )
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.split()[:2] == ["op", "formula"]
        assert done.stderr == ""

    def test_the_dispatcher_knows_it(self, here, capsys):
        assert dispatcher.main(["check", "numpy:exp", "--at", "x=1"]) == 0
        assert dispatcher.main([]) == 0
        assert re.search(r"check +check the gradients", capsys.readouterr().out)


class TestValues:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("0.5", 0.5),
            ("-2", -2.0),
            ("1e-3", 1e-3),
            ("int(-3)", -3),
            ("int((3, 4))", (3, 4)),
            ("(1, int(2))", (1.0, 2)),
            ("'same'", "same"),
            ("true", True),
            ("None", None),
            ("null", None),
            ("-inf", -math.inf),
            ("[]", np.zeros(0)),
            ("[[1, 2], [3, 4]]", np.array([[1.0, 2.0], [3.0, 4.0]])),
            ("[true, False]", np.array([True, False])),
            ("int([0, 2])", np.array([0, 2])),
            ("[ones(2), 1]", None),
            ('["a", 1]', ["a", 1.0]),
            ('{"a": 1, "b": {"c": "d"}}', {"a": 1.0, "b": {"c": "d"}}),
            ("zeros(2, 0)", np.zeros((2, 0))),
            ("ones()", np.ones(())),
            ("float32(0.5)", np.float32(0.5)),
        ],
    )
    def test_read(self, text, value):
        if text == "[ones(2), 1]":
            with pytest.raises(ArgumentsError, match="different shapes"):
                value_of("x", text, np.random.default_rng(0))
            return
        found = value_of("x", text, np.random.default_rng(0))
        if isinstance(value, (np.ndarray, np.generic)):
            np.testing.assert_array_equal(found, value, strict=True)
        else:
            assert found == value
            assert type(found) is type(value)

    def test_drawn(self):
        found = value_of("x", "[randn(3), randn(3)]", np.random.default_rng(7))
        rng = np.random.default_rng(7)
        np.testing.assert_array_equal(found, [rng.standard_normal(3), rng.standard_normal(3)])
        assert np.all((value_of("x", "rand(100)", rng) >= 0) & (value_of("x", "rand(100)", rng) < 1))

    @pytest.mark.parametrize(
        "text",
        [
            "", "(", "x", "1 + 1", "1j", "b'a'", "__import__('os').system('true')", "().__class__", "[x for x in 'a']",
            "lambda: 1", "f'{1}'", "open('f')", "randn(-1)", "randn(1.5)", "randn(10**9)", "randn(100000, 100000)",
            "randn(size=3)", "int(1.5)", "int('a')", "int(nan)", "int(1, 2)", "-'a'", "-true", "{[1]: 2}",
            "{**{}}", "9" * 400, "[" * 10_000, "1\x00",
        ],
        ids=lambda text: text[:20],
    )  # fmt: skip
    def test_refused(self, text):
        with pytest.raises(ArgumentsError, match="the value of x"):
            value_of("x", text, np.random.default_rng(0))

    def test_arrays_that_no_memory_holds_are_not_drawn(self):
        with pytest.raises(ArgumentsError, match=r"no array has the shape \(10001, 10000\)"):
            value_of("x", "randn(10001, 10000)", np.random.default_rng(0))

    def test_files_of_objects_are_not_unpickled(self, tmp_path):
        path = tmp_path / "evil.npy"
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        for name in (path, tmp_path / "missing.npy", tmp_path):
            with pytest.raises(ArgumentsError, match="the value of x"):
                value_of("x", str(name) if name != tmp_path else f"{name}/.npy", np.random.default_rng(0))

    def test_an_error_is_placed_in_the_users_own_file(self):
        with pytest.raises(ValueError, match="cannot reshape") as raised:
            ops.TABLE["reshape"](np.ones(3), shape=(2,))
        assert re.fullmatch(r"ValueError: cannot reshape .*, at .*test_check_cli.py:\d+", origin(raised.value))


class TestTable:
    def test_named_ops(self, capsys):
        assert main(["--all", "tanh", "divide"]) == 0
        out = capsys.readouterr().out
        assert re.search(r"✓ tanh +np\.sinh\(x\) / np\.cosh\(x\) +\de-1\d +\de-1\d +x in \[-3, 3\]\n", out)
        assert "slopes inf or NaN where y = 0" in out
        assert "2 ops in 9 calls: all of them are right." in out

    def test_a_broken_rule_is_reported(self, capsys):
        with ops.overridden("tanh", 0, lambda y, x: 1 - x * y):
            assert main(["--all", "exp", "tanh"]) == 1
        out = capsys.readouterr().out
        assert "✗ tanh" in out
        assert "✓ exp" in out
        assert "gradients are WRONG" in out
        assert "2 ops in 8 calls: 1 of them are WRONG." in out

    def test_every_op_belongs_to_one_family(self):
        members = [op.name for family in families().values() for op in family]
        assert sorted(members) == sorted(ops.TABLE)

    def test_every_op_says_where_it_is_checked(self):
        assert all(domain_of(op) for op in ops.TABLE.values() if any(s.is_differentiable for s in samples(op)))
        assert domain_of(ops.TABLE["where"]).startswith("x true or false, y in [")

    def test_the_median_against_extrapolated_differences(self):
        errors = [deviation(next(s for s in samples(op) if s.is_differentiable)) for op in ops.TABLE.values()]
        assert len(errors) == len(ops.TABLE)
        assert np.median(errors) < 1e-10
        assert max(errors) < 1e-9

    def test_a_deviation_is_seen(self):
        call = next(iter(samples(ops.TABLE["exp"])))
        assert deviation(call) < 1e-12
        with ops.overridden("exp", 0, lambda y, x: y * (1 + 1e-6)):
            assert 1e-8 < deviation(call) < 1e-5


class TestPage:
    """The page in the documentation, beside what the table says now."""

    @staticmethod
    def rows():
        cells = [
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in PAGE.read_text(encoding="utf-8").splitlines()
            if line.startswith("| `")
        ]
        return {cell[0].strip("`"): cell for cell in cells}

    def test_it_has_every_op_with_its_formula_kinks_and_domain(self):
        rows = self.rows()
        assert list(rows) == [op.name for family in families().values() for op in family], f"run {COMMAND}"
        for name, (_, formula, kinks, _, _, domain) in rows.items():
            op = ops.TABLE[name]
            found = (formula, kinks.replace("\\*", "*"), domain)
            assert found == (f"`{op.formula}`", op.kinks, domain_of(op)), f"run {COMMAND}"

    def test_its_errors_are_small(self):
        rows = self.rows()
        errors = [float(cell) for row in rows.values() for cell in row[3:5] if cell != "\u2013"]
        assert len(errors) > 1.8 * len(rows)
        assert max(errors) < 1e-9
        text = PAGE.read_text(encoding="utf-8")
        assert re.search(rf"{len(rows)} ops in \d+ calls: all of them are right", text)

    def test_it_is_what_the_command_writes(self, tmp_path):
        rows = check_ops(["absolute", "power", "sum"])
        page = as_page(rows)
        assert COMMAND in page
        assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Elementwise", "## Reduce"]
        assert "| `absolute` | `np.sqrt(x * x)` | slope 0 at 0 | 0 | 0 | x in [-3, 3] |" in page
        assert "0\\*\\*0: slopes 0 and 0" in page
        assert median(rows) < 1e-12
        assert as_line(rows[2]).startswith("✓ sum")
