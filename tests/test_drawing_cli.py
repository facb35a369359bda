"""The command line, and the expressions that it reads: what is right is drawn, everything else is refused."""

import subprocess
import sys

import numpy as np
import pytest

from autograd_lite import Value, __main__ as dispatcher
from autograd_lite.drawing import GraphRecord, graph_of
from autograd_lite.drawing.cli import main
from autograd_lite.drawing.expression import evaluate, leaf_of


def test_an_expression_is_drawn_as_text(capsys):
    assert main(["tanh(w*x + b)", "--at", "w=0.5", "x=2", "b=-1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "n5 tanh  data 0  grad 1"


@pytest.mark.parametrize("kind", ["json", "dot", "html", "txt"])
def test_an_expression_is_written_to_a_file(kind, tmp_path, capsys):
    path = tmp_path / f"g.{kind}"
    assert main(["sum(tanh(W @ x))", "--at", "W=[[1, 2], [3, 4]]", "x=[0.1, -0.2]", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert path.stat().st_size > 100


def test_a_saved_record_is_drawn_again(tmp_path, capsys):
    path = tmp_path / "g.json"
    path.write_text(graph_of(Value(2.0, label="x") ** 3).to_json(), encoding="utf-8")
    assert main([str(path), "-o", str(tmp_path / "h.dot"), "--theme", "dark", "--focus", "x", "--radius", "1"]) == 0
    assert "#14181d" in (tmp_path / "h.dot").read_text(encoding="utf-8")
    assert main([str(path), "-o", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
    assert GraphRecord.from_json((tmp_path / "again.json").read_bytes()).node("x").grad == 12.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tanh(w*x", "--at", "w=1"], "never closed"),
        (["w*x", "--at", "w=1"], "x has no value"),
        (["w*2", "--at", "w"], "NAME=NUMBER"),
        (["w*2", "--at", "w=one"], "a number or a list of numbers"),
        (["2 + 3"], "depends on no name"),
        (["nowhere.json"], "No such file"),
        (["x*2", "--at", "x=1", "-o", "g.bmp"], "saved as"),
        (["x*2", "--at", "x=1", "-o", "g.dot", "--focus", "z"], "no node"),
        (["foo(x)", "--at", "x=1"], "no function foo"),
        (["x @ x", "--at", "x=1"], "for @"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_or_two(arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "x._data",
        "().__class__.__bases__",
        "(lambda: 1)()",
        "[y for y in [x]]",
        "x if x else x",
        "x[0]",
        "f'{x}'",
        "'text'",
        "x and x",
        "x < 1",
        "{1: x}",
        "(x := 2)",
        "np.load('x')",
        "np.linalg.inv(x)",
        "open('x')",
        "exec('1')",
        "sum(*[x])",
        "sum(x, **{})",
        "sum(x, axis=x)",
        "True",
        "1j",
        "None",
        "x; x",
        "import os",
        "",
        "x ** ",
        "\x00",
        "9" * 5000,
        "(" * 500 + "x" + ")" * 500,
        "-" * 9000 + "x",
        "x" * 20_000,
    ],
)
def test_nothing_but_expressions_is_read(text):
    with pytest.raises(ValueError, match=r".") as error:
        evaluate(text, {"x": Value(2.0)})
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", 2.0),
        ("-x + +y", 1.0),
        ("x**y", 8.0),
        ("2*x/y - 1", 1 / 3),
        ("np.exp(x)", np.exp(2.0)),
        ("sin(pi/2) * x", 2.0),
        ("log(e) * y", 3.0),
        ("maximum(x, y)", 3.0),
        ("where(x, y, 1)", 3.0),
        ("sum([x, y*2, 1])", 9.0),
        ("sum([x, y], axis=0)", 5.0),
        ("relu(0 - x)", 0.0),
        ("x * 10**400000", np.inf),
    ],
)
def test_expressions_compute_what_they_say(text, value):
    assert float(evaluate(text, {"x": Value(2.0), "y": Value(3.0)})) == pytest.approx(value)


def test_leaves_are_numbers_or_arrays():
    assert leaf_of("w", "-0.5").data == -0.5
    assert leaf_of("W", "[[1, 2], [3, 4]]").shape == (2, 2)
    for text in ("'x'", "True", "None", "{}", "[[1], [2, 3]]", "1 +", "['a']", "x"):
        with pytest.raises(ValueError, match="value of w"):
            leaf_of("w", text)


def test_the_module_runs_and_knows_its_commands(capsys):
    assert dispatcher.main(["--help"]) == 0
    assert "draw" in capsys.readouterr().out
    assert dispatcher.main([]) == 0
    assert dispatcher.main(["paint"]) == 2
    assert "unknown command 'paint'" in capsys.readouterr().err
    done = subprocess.run(
        [sys.executable, "-m", "autograd_lite", "draw", "x*x", "--at", "x=3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "grad 6" in done.stdout
    assert done.stderr == ""
