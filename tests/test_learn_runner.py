"""Running learners' code: whatever it does, it is told kindly and harms nothing. The commands, grading, progress."""

import json
import os
import subprocess
import sys

import pytest

from autograd_lite.learn.checker import Checker
from autograd_lite.learn.cli import main
from autograd_lite.learn.exercise import load_track
from autograd_lite.learn.folder import Folder, FolderError
from autograd_lite.learn.sandbox import Limits, _stuck_line
from autograd_lite.learn.text import render
from tests.test_learn_track import COURSE

TRACK = load_track()
LINEAR, TANH, TOPOLOGICAL = (TRACK.find(name) for name in ("linear", "tanh", "topological"))
RIGHT = "return g @ W, g.T @ x, g.sum(axis=0)"


def linear(body, before=""):
    return f"import numpy as np\n{before}\ndef linear_backward(g, x, W, b):\n    {body}\n"


@pytest.fixture(scope="module")
def checker():
    with Checker(Limits(seconds=3.0)) as checker:
        yield checker


def told(checker, text, exercise=LINEAR):
    verdict = checker.check_text(exercise, text, f"/somewhere/{exercise.name}.py")
    assert not verdict.ok
    return " ".join(render(exercise, verdict).split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (linear("while True: pass"), "is there a loop that never ends? It was at line 4"),
        ("while True:\n    pass\n", "It was at line"),
        (linear("print('x' * 100_000_000, flush=True); " + RIGHT), "prints without end"),
        (linear("while True: print('flood')"), "prints without end"),
        (linear("raise SystemExit(3)"), "leaves Python with exit() (line 4: raise SystemExit(3))"),
        (linear("import os; os._exit(7)"), "ended Python itself (exit code 7)"),
        (linear("input('?')"), "waits for the keyboard"),
        (linear("a = np.ones(10**10); " + RIGHT), "asks for more memory"),
        (linear("a = [0] * 10**10"), "asks for more memory"),
        (linear("return linear_backward(g, x, W, b)"), "calls itself too deeply"),
        (linear("return undefined"), "raised NameError: name 'undefined' is not defined (line 4: return undefined)"),
        ("def linear_backward(g, x, W, b)\n    pass\n", "Python cannot read your file (line 1"),
        ("import numpy as np\n", "There is no `linear_backward` in your file, only: np"),
        ("def linear_backward(g, x):\n    return 1\n", "when it was called as linear_backward(g, x, W, b)"),
        (linear(RIGHT, "import torch"), "torch would do the exercise for you (line 2: import torch)"),
        (linear("from autograd_lite import grad; " + RIGHT), "autograd_lite would do the exercise"),
        (linear(RIGHT, "try:\n    import jax\nexcept ImportError:\n    pass"), "Your code imports jax"),
        (linear(RIGHT, "import autograd.numpy"), "autograd would do the exercise"),
        (linear("open('notes.txt', 'w')"), "wants to write the file 'notes.txt'"),
        (linear("import os; os.remove(__file__)"), "wants to delete a file"),
        (linear("import shutil; shutil.rmtree('/nowhere')"), "wants to delete a folder"),
        (linear("import subprocess; subprocess.run(['true'])"), "wants to start another program"),
        (linear("import os; os.kill(os.getppid(), 9)"), "wants to end a process"),
        (linear("pass"), "Your function returns None: is the `return` missing?"),
        (linear("return g @ W, g.T @ x"), "returns 2 values where 3 values are needed: (dx, dW, db)"),
        (linear("return 1.0"), "returns a float where 3 values are needed"),
        (linear("return g @ W, g.T @ x, g.sum(axis=0).tolist()"), "is a list of 2; make it an array"),
        (linear("return g @ W, g.T @ x, None"), "is None; it should be an array of shape (2,)"),
        (linear("return g @ W, g.T @ x, 'b'"), "is a str"),
        (linear("return g @ W, g.T @ x, g.sum()"), "has shape (); b, whose gradient it is, has shape (2,)"),
        (linear("return g @ W, (g.T @ x).astype(np.float32), g.sum(axis=0)"), "holds float32; it should hold float64"),
        (linear("return g @ W, g.T @ x, g.sum(axis=0).astype(complex)"), "holds complex128"),
        (linear("return g @ W, g.T @ x, g.sum(axis=0).astype(object)"), "holds object"),
        (linear("d = g @ W * np.nan; return d, g.T @ x, g.sum(axis=0)"), "yours +nan"),
        (linear("x *= 1.0; b += 1; " + RIGHT), "changes its argument b in place"),
        (linear("g *= 2; return g @ W / 2, g.T @ x / 2, g.sum(axis=0) / 2"), "changes its argument g in place"),
        (linear("np.sum = np.mean = lambda *a, **k: 0.0; return g @ W, g.T @ x, np.sum(g)"), "has shape ()"),
        (linear("class E(Exception):\n        def __str__(self): raise ValueError\n    raise E"), "raised E"),
        (linear("warn = __import__('warnings').warn; warn('careful'); raise Warning('own')"), "raised Warning: own"),
    ],
)
def test_told_kindly(checker, text, said):
    assert said in told(checker, text)


MEASURED = """
import math

def tanh(x):
    return math.tanh(x)

def tanh_backward(g, y):
    x = math.atanh(y) if abs(y) < 1 else 30.0
    return g * ({slope})
"""


@pytest.mark.parametrize(
    "slope",
    [
        "(tanh(x + 1e-6) - tanh(x - 1e-6)) / 2e-6",
        "(math.tanh(x + 1e-4) - math.tanh(x - 1e-4)) / 2e-4",
        "(-tanh(x+2e-3) + 8*tanh(x+1e-3) - 8*tanh(x-1e-3) + tanh(x-2e-3)) / 12e-3",
    ],
)
def test_finite_differences_are_noticed(checker, slope):
    text = told(checker, MEASURED.format(slope=slope), TANH)
    assert "measured" in text


def test_finite_differences_in_a_linear_function_are_noticed(checker):
    body = """
    def loss(x, W, b): return np.sum(g * linear(x, W, b))
    found = []
    for k in range(3):
        d = np.zeros_like((x, W, b)[k])
        for i in np.ndindex(*d.shape):
            u = np.zeros_like(d)
            u[i] = 0.5
            up, down = [x, W, b], [x, W, b]
            up[k], down[k] = up[k] + u, down[k] - u
            d[i] = loss(*up) - loss(*down)
        found.append(d)
    return tuple(found)"""
    before = "def linear(x, W, b):\n    return x @ W.T + b\n"
    assert "Your slopes are measured" in told(checker, linear(body, before))


def test_the_forward_function_may_be_called_once_more(checker):
    before = "def linear(x, W, b):\n    return x @ W.T + b\n"
    verdict = checker.check_text(LINEAR, linear("y = linear(x, W, b); " + RIGHT, before), "/somewhere/x.py")
    assert verdict.ok


def test_visiting_every_path_ends_soon(checker):
    text = """
def topological(loss, operands):
    order = []
    def visit(n):
        for m in operands[n]:
            visit(m)
        if n not in order:
            order.append(n)
    visit(loss)
    return order
"""
    assert "it visits paths, not numbers" in told(checker, text, TOPOLOGICAL)


def test_prints_are_shown_once(checker):
    text = told(checker, linear("print('shape', x.shape); return g @ W, g.T @ x, g.mean(axis=0)"))
    assert text.count("| shape (5, 3)") == 1


def test_a_prints_escape_sequences_are_not_passed_on(checker):
    verdict = checker.check_text(LINEAR, linear("print('\\x1b[2Jhi'); return 1"), "/somewhere/x.py")
    assert verdict.prints == "[2Jhi\n"


def test_files_stay_as_they_are(checker, tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    target = str(tmp_path / "kept.txt")
    for body in (
        f"open({target!r}, 'a')",
        f"import os; os.truncate({target!r}, 0)",
        f"import os; os.rename({target!r}, 'x')",
    ):
        assert "Your code wants to" in told(checker, linear(body))
    assert (tmp_path / "kept.txt").read_text() == "kept"
    assert os.listdir(tmp_path) == ["kept.txt"]


def test_a_file_may_have_any_name(checker, tmp_path):
    path = tmp_path / "Übung 13 (Kopie).py"
    path.write_text(linear(RIGHT), encoding="utf-8-sig")
    assert checker.check(LINEAR, path).ok
    path.write_text(linear("while True: pass"))
    assert "It was at line 4" in checker.check(LINEAR, path).trouble


def test_paths_of_windows():
    trace = 'Timeout!\n  File "C:\\Me\\1_add.py", line 7 in f\n  File "child.py", line 9 in main\n'
    assert _stuck_line(trace, "C:\\Me\\1_add.py") == 7
    names = [part for exercise in TRACK.exercises for part in exercise.file.split("/")]
    assert not [
        name
        for name in names
        if set(name) & set('<>:"\\|?*') or name.partition(".")[0].upper() in ("CON", "AUX", "NUL")
    ]


def test_a_file_that_is_no_text_is_told(checker, tmp_path):
    path = tmp_path / "answer.py"
    assert "learn reset linear" in checker.check(LINEAR, path).trouble
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in checker.check(LINEAR, path).trouble
    path.write_bytes(b"#" * 300_000)
    assert "300,000 bytes" in checker.check(LINEAR, path).trouble
    path.write_bytes(b"x = '\x00'")
    assert "Python cannot read" in checker.check(LINEAR, path).trouble


# ---- commands


@pytest.fixture
def home(tmp_path, monkeypatch, capsys):
    assert main(["init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    capsys.readouterr()
    return tmp_path / "mine"


def solve(home, key):
    exercise = TRACK.find(key)
    (home / exercise.file).write_text(exercise.solution.text)


def test_without_a_folder_there_is_a_welcome(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert "learn init NAME" in capsys.readouterr().out
    assert main(["check"]) == 2
    assert "learn init NAME" in capsys.readouterr().err


def test_a_course_of_exercises_from_start_to_reset(home, capsys):
    assert main([]) == 0
    assert "You are at 1, Add" in capsys.readouterr().out
    assert main(["check"]) == 1
    assert "Not written yet" in capsys.readouterr().out
    solve(home, "add")
    assert main(["run", "1"]) == 0
    out = capsys.readouterr().out
    assert "all 2 gradients are right" in out
    assert "Next: 2, Multiply" in out
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "1 done add" in out
    assert "2  ->  multiply" in out
    for number in (1, 2, 3, 3):
        assert main(["hint"]) == 0
        assert f"Hint {number} of 3" in capsys.readouterr().out
    assert main(["reset", "add", "--yes"]) == 0
    assert "Your text is in 1_add.1.old" in capsys.readouterr().out
    assert (home / "1_numbers" / "1_add.1.old").read_text() == TRACK.find("add").solution.text
    assert (home / "1_numbers" / "1_add.py").read_text() == TRACK.find("add").stub.text
    assert Folder.find(home).current().key == "add"


def test_solution_asks_first(home, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert main(["solution", "adam"]) == 1
    assert "def adam_step" not in capsys.readouterr().out
    assert not Folder.find(home).helped(TRACK.find("adam"))
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert main(["solution", "adam"]) == 0
    assert "def adam_step" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "solution read" in capsys.readouterr().out


def test_check_can_show_the_inputs_as_code(home, capsys):
    (home / LINEAR.file).write_text(linear("return g @ W, g.T @ x, g.mean(axis=0)"))
    assert main(["check", "linear", "--show"]) == 1
    code = capsys.readouterr().out.split("# linear", 1)[1]
    space = {}
    exec("#" + code, space)
    assert space["x"].shape == (5, 3)
    assert space["g"].shape == (5, 2)


def test_an_unknown_exercise_is_told(home, capsys):
    assert main(["check", "99"]) == 2
    assert "a number from 1 to 35" in capsys.readouterr().err


def test_verify_finds_out_what_is_true(home, capsys):
    solve(home, "multiply")
    folder = Folder.find(home)
    (home / TANH.file).write_text("broken")
    folder.record(TANH, True)
    assert main(["verify"]) == 1
    out = capsys.readouterr().out
    assert "2 multiply: passes now" in out
    assert "4 tanh: does not pass any more" in out
    assert main(["verify"]) == 0


def test_init_overwrites_nothing(home, tmp_path, capsys):
    (home / "1_numbers" / "1_add.py").write_text("mine")
    (home / "1_numbers" / "2_multiply.py").unlink()
    assert main(["init", str(home)]) == 0
    assert "1 exercises are in" in capsys.readouterr().out
    assert (home / "1_numbers" / "1_add.py").read_text() == "mine"
    (home / "progress.json").unlink()
    assert main(["init", str(home)]) == 2
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file")]) == 2


def test_progress_survives_a_broken_file(home):
    solve(home, "add")
    main(["check", "add"])
    (home / "progress.json").write_text('{"passed": {"add"')
    folder = Folder.find(home)
    assert folder.count() == 0
    assert (home / "progress.broken").exists()
    assert main(["verify"]) == 0
    assert Folder.find(home).count() == 1
    (home / "progress.json").write_text(json.dumps({**json.loads((home / "progress.json").read_text()), "schema": 99}))
    with pytest.raises(FolderError, match="another version"):
        Folder.find(home)


def test_progress_is_replaced_whole(home, monkeypatch):
    before = (home / "progress.json").read_text()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        Folder.find(home).next_hint(LINEAR)
    assert (home / "progress.json").read_text() == before
    assert sorted(os.listdir(home)) == [
        "1_numbers",
        "2_arrays",
        "3_layers",
        "4_training",
        "5_detective",
        "6_engine",
        "progress.json",
    ]


def test_grade_as_json(home, capsys):
    solve(home, "add")
    (home / LINEAR.file).write_text(linear("return g @ W, g.T @ x, g.mean(axis=0)"))
    (home / TRACK.find("relu").file).write_text("def relu_backward(g, x):\n    raise ValueError('no')\n")
    (home / TRACK.find("adam").file).unlink()
    main(["hint", "linear"])
    capsys.readouterr()
    assert main(["grade", str(home), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["done"], found["total"], found["score"]) == (1, 35, round(1 / 35, 4))
    rows = {row["name"]: row for row in found["exercises"]}
    assert rows["add"]["status"] == "passed"
    assert rows["linear"]["status"] == "failed"
    assert rows["linear"]["mistakes"] == ["the mean over the batch"]
    assert rows["linear"]["hints"] == 1
    assert rows["relu"]["status"] == "error"
    assert "ValueError: no" in rows["relu"]["message"]
    assert rows["adam"]["status"] == "missing"
    assert rows["gate"]["status"] == "unwritten"
    assert main(["grade", str(home)]) == 0
    assert "1 of 35" in capsys.readouterr().out


def test_grade_reads_no_track_that_a_learner_names(home, tmp_path, capsys):
    (tmp_path / "evil" / "1_x").mkdir(parents=True)
    (tmp_path / "evil" / "1_x" / "1_double.md").write_text(COURSE)
    state = json.loads((home / "progress.json").read_text())
    (home / "progress.json").write_text(json.dumps({**state, "track": str(tmp_path / "evil"), "hints": 7}))
    assert main(["grade", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 35


def test_a_course_is_learned_and_graded(tmp_path, monkeypatch, capsys):
    (tmp_path / "course" / "1_first").mkdir(parents=True)
    (tmp_path / "course" / "1_first" / "1_double.md").write_text(COURSE)
    assert main(["--track", str(tmp_path / "course"), "init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine" / "1_first")
    (tmp_path / "mine" / "1_first" / "1_double.py").write_text("def double_backward(g, x):\n    return g\n")
    assert main(["check"]) == 1
    assert "This is: It is one." in capsys.readouterr().out
    (tmp_path / "mine" / "1_first" / "1_double.py").write_text("def double_backward(g, x):\n    return g + g\n")
    assert main(["check"]) == 0
    assert main([]) == 0
    assert "All exercises are done" in capsys.readouterr().out
    assert main(["grade", str(tmp_path / "mine"), "--track", str(tmp_path / "course"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["score"] == 1.0
    assert main(["verify", "--prove", "--track", str(tmp_path / "course")]) == 0
    assert "1 double: ok" in capsys.readouterr().out


def test_output_that_nobody_reads_is_no_error(home):
    code = "import sys; from autograd_lite.learn.cli import main; sys.exit(main(['list']))"
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in (os.path.dirname(os.path.dirname(__file__)), *sys.path) if path),
    }
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
