"""The exercises themselves: every solution passes, every stub and every known wrong answer fails with its own text."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

from autograd_lite.learn.audit import audit, run_here
from autograd_lite.learn.exercise import Track, TrackError, load_track
from autograd_lite.learn.judge import Judge
from autograd_lite.learn.text import render

TRACK = load_track()
each = pytest.mark.parametrize("exercise", TRACK.exercises, ids=lambda exercise: exercise.key)


@each
def test_what_a_track_must_hold(exercise):
    assert list(audit(Track(TRACK.folder, (exercise,)))) == [(exercise, [])]


@each
def test_solution_passes_on_many_inputs(exercise):
    verdict = Judge(exercise).verdict(run_here(exercise, exercise.solution.text, range(100, 120)))
    assert verdict.ok, render(exercise, verdict)


@each
def test_messages_are_sentences_of_their_own(exercise):
    messages = [wrong.message for wrong in exercise.wrong]
    assert len(set(messages)) == len(messages)
    assert len({wrong.name for wrong in exercise.wrong}) == len(messages)
    assert all(message.endswith((".", ".)")) and len(message) > 35 for message in messages)


@each
def test_file_is_short_and_begins_with_the_idea(exercise):
    module = ast.parse(exercise.stub.text)
    statement = ast.get_docstring(module)
    assert statement is not None
    assert 5 <= len(statement.splitlines()) <= 9
    assert len(exercise.stub.text.splitlines()) <= 50
    assert exercise.formula
    assert len(exercise.name) < 32
    assert max(map(len, exercise.stub.text.splitlines())) <= 120
    assert not any("autograd_lite" in line for line in exercise.stub.text.splitlines())


@each
def test_solution_explains_itself_where_it_is_long(exercise):
    assert "#" in exercise.solution.text or len(exercise.solution.text.splitlines()) <= 6


def test_chapters():
    assert [(name, len(found)) for name, found in TRACK.chapters().items()] == [
        ("1_numbers", 7),
        ("2_arrays", 5),
        ("3_layers", 12),
        ("4_training", 4),
        ("5_detective", 6),
        ("6_engine", 1),
    ]
    assert TRACK.find("13").key == TRACK.find("linear").key == TRACK.find("3_layers/1_linear.py").key == "linear"


def test_moons_are_learned():
    check = TRACK.find("moons").checker
    (case,) = (case for case in check.cases([]) if case.title == "120 epochs")
    judge = Judge(TRACK.find("moons"))
    loss = judge.observe_solution(case)["outputs"]["loss on all points"]["data"][0]
    assert loss < 0.1


def test_two_mistakes_at_once_are_both_named():
    linear = TRACK.find("linear")
    text = "def linear_backward(g, x, W, b):\n    return g @ W, g.T @ x / len(x), g.mean(axis=0)\n"
    verdict = Judge(linear).verdict(run_here(linear, text))
    assert [wrong.name for wrong in verdict.mistakes] == ["the batch divides dW", "the mean over the batch"]


def test_failure_text_names_the_mistake_and_a_number_to_verify():
    linear = TRACK.find("linear")
    text = "def linear_backward(g, x, W, b):\n    return g @ W, g.T @ x, g.mean(axis=0)\n"
    found = render(linear, Judge(linear).verdict(run_here(linear, text)))
    assert "13 linear   y = x @ W.T + b   x(5, 3)  W(2, 3)  b(2,)   2 of 3 gradients right" in found
    assert "db  WRONG  worst b[0]:  yours -0.714203   true -3.571015   ratio 1/5" in found
    assert "This is: the mean over the batch where a sum is needed." in found
    assert "By hand: raise b[0] by 0.001 and the loss, sum(g * y), falls by 0.003571015" in found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return g @ W, g.T @ x * 1.5, g.sum(axis=0)", "a constant factor: the numbers are 1.5 times"),
        ("return -(g @ W), g.T @ x, g.sum(axis=0)", "a wrong sign"),
        ("return g @ W, g.T @ x, 0 * b", "nothing at all arrives"),
        ("return (g * g) @ W, g.T @ x, g.sum(axis=0)", "it is used twice"),
        ("return np.ones_like(g) @ W, g.T @ x, g.sum(axis=0)", "it is not used"),
        ("return g @ W, (g.T @ x)[::-1], g.sum(axis=0)", "an index"),
        ("return (g @ W).astype(np.float32).astype(float), g.T @ x, g.sum(axis=0)", "float32 numbers"),
        ("return g @ W * 1.00001, g.T @ x, g.sum(axis=0)", "nearly right"),
        ("return g @ W / len(x), g.T @ x, g.sum(axis=0)", "a mean where a sum is needed"),
        ("return g @ W, g.T @ x + np.eye(2, 3), g.sum(axis=0)", "a term lacks it"),
        ("return g @ W, g.T @ x / 0 * 0, g.sum(axis=0)", "an overflow or a division by zero"),
    ],
)
def test_mistakes_that_nobody_foresaw_get_a_guess(body, said):
    linear = TRACK.find("linear")
    verdict = Judge(linear).verdict(
        run_here(linear, f"import numpy as np\ndef linear_backward(g, x, W, b):\n    {body}\n")
    )
    assert not verdict.mistakes
    assert said in verdict.likely


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("relu", "return g * (x >= 0)"),
        ("relu", "return g * np.where(x == 0, 0.5, x > 0)"),
        ("max", "d = np.zeros_like(x); d[np.arange(len(x)), x.argmax(axis=1)] = g; return d"),
        ("indexing", "d = np.zeros_like(x)\n    for i in np.ndindex(index.shape): d[index[i]] += g[i]\n    return d"),
        ("broadcast", "return _sum(g, shape)"),
    ],
)
def test_other_right_answers_pass(name, body):
    exercise = TRACK.find(name)
    stub = next(node for node in ast.parse(exercise.stub.text).body if getattr(node, "name", "") == exercise.answer)
    arguments = ", ".join(argument.arg for argument in stub.args.args)
    helper = inspect.getsource(_sum) if "_sum" in body else ""
    text = f"import numpy as np\n{helper}\ndef {exercise.answer}({arguments}):\n    {body}\n"
    verdict = Judge(exercise).verdict(run_here(exercise, text))
    assert verdict.ok, render(exercise, verdict)


def _sum(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for i, n in enumerate(shape):
        g = g.sum(axis=i, keepdims=True) if n == 1 else g
    return g


COURSE = '''# Double
Answer: `double_backward`
Formula: `y = 2 * x`

## Stub
```python
"""Double."""


def double_backward(g, x):
    raise NotImplementedError
```

## Check
```python
def inputs(rng):
    return {"x": float(rng.normal())}


def forward(x):
    return 2 * x
```

## Solution
```python
def double_backward(g, x):
    return 2 * g
```

## Hints
1. One.
2. Two.
3. Three.

## Wrong: one
It is one.
```python
def double_backward(g, x):
    return g
```

## Wrong: two
It is two.
```python
def double_backward(g, x):
    return 2.0
```

## Wrong: three
It is three.
```python
def double_backward(g, x):
    return 2 * x * g
```
'''


@pytest.fixture
def course(tmp_path):
    (tmp_path / "1_first").mkdir()
    (tmp_path / "1_first" / "1_double.md").write_text(COURSE)
    return tmp_path


def test_a_course_of_ones_own(course):
    assert [problems for _, problems in audit(load_track(course))] == [[]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Hints", "## Other", "it has 0 hints"),
        ("## Wrong: three", "## Unused: three", "it has 2 known wrong answers"),
        ("return 2 * g\n", "return 3 * g\n", "the solution fails"),
        ("return 2 * x * g", "return g * 1", "'one' and 'three' give the same"),
        ("return 2 * x * g", "return g * 2", "the wrong answer 'three' passes"),
        ("return 2 * x * g", "return undefined", "does not run"),
        ("    raise NotImplementedError", "    return 2 * g", "the stub is judged"),
        ("return 2 * x\n", "return nothing\n", "NameError"),
    ],
)
def test_a_course_with_a_fault_is_told(course, old, new, said):
    assert old in COURSE
    (course / "1_first" / "1_double.md").write_text(COURSE.replace(old, new))
    ((_, problems),) = audit(load_track(course))
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Stub", "## Other", "no section '## Stub'"),
        ("# Double\n", "", "the first lines must be"),
        ("Answer:", "Answers:", "the first lines must be"),
        ("It is one.\n", "", "has no message"),
        ("## Check\n```python", "## Check\n```", "holds no block of Python"),
    ],
)
def test_a_file_that_is_no_exercise_is_told(course, old, new, said):
    (course / "1_first" / "1_double.md").write_text(COURSE.replace(old, new))
    with pytest.raises(TrackError, match=said):
        load_track(course)


def test_the_example_of_the_documentation_holds(tmp_path):
    docs = (Path(__file__).parents[1] / "docs" / "learn.md").read_text(encoding="utf-8")
    example = docs.split("````markdown\n", 1)[1].split("\n````", 1)[0].removesuffix("## Wrong: ...")
    (tmp_path / "1_first").mkdir()
    (tmp_path / "1_first" / "1_softsign.md").write_text(example)
    assert [problems for _, problems in audit(load_track(tmp_path))] == [["it has 1 known wrong answers, not 3 to 8"]]


def test_a_folder_that_is_no_track_is_told(tmp_path):
    with pytest.raises(TrackError, match="holds no exercises"):
        load_track(tmp_path)
    with pytest.raises(TrackError, match="is no folder"):
        load_track(tmp_path / "nowhere")


def test_truth_of_a_gradient_exercise_does_not_come_from_its_solution(course):
    """The oracle measures the forward function: a wrong solution cannot make itself the truth."""
    exercise = load_track(course).exercises[0]
    case = exercise.checker.cases([0])[0]
    oracle = Judge(exercise).truth(case)
    assert oracle.truth["dx"] == pytest.approx(2 * case.upstream, rel=1e-12)
    assert np.all(oracle.error["dx"] < 1e-12)
