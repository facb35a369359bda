"""What is said of a plan, drawn of it, and told on the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite.__main__ import main
from autograd_lite.drawing.layout import LayoutError
from autograd_lite.replay.plan_picture import plan_dot, save_plan
from autograd_lite.replay.plan_text import Work, explained, fused, size_text, work_of
from autograd_lite.replay.primitive import Group, Matmul
from nn.scalar import MLP
from tests.plans import program_of
from tests.test_plan import LABELS, B, W, X, tensor

SCRIPT = """
import nn, autograd_lite as ag
model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

def step(x, t):
    optimizer.zero_grad()
    loss = ag.mse_loss(model(x), t)
    loss.backward()
    optimizer.step()
    return loss

def broken(x):
    raise RuntimeError("no such thing")
"""


def layer(x: Any) -> Any:
    return ag.sum(np.tanh(ag.linear(x, W, B)))


def test_the_work_of_a_step_is_counted() -> None:
    program, _ = program_of(layer, [X], [W, B])
    plan = fused(program)
    first = next(s for s in plan.steps if isinstance(s, Matmul))
    assert work_of(plan, first) == Work(2 * 8 * 4 * 5, 8 * (8 * 5 + 4 * 5 + 8 * 4))
    group = next(s for s in plan.steps if isinstance(s, Group))
    assert work_of(plan, group).operations == 32 * (len(group.steps) + len(group.sums))


def test_the_text_tells_fusions_memory_and_work() -> None:
    program, _ = program_of(layer, [X], [W, B])
    said = explained(program, "layer")
    assert said.startswith(f"plan of layer: {len(program.instructions)} instructions")
    assert "in0 @" in said
    assert "add, tanh" in said
    assert re.search(r"fusion: \d+ elementwise steps and reductions in [1-9]", said)
    assert re.search(r"memory: [\d.]+ \w+ for \d+ arrays", said)
    assert re.search(r"work: about [\d.]+k? operations", said)


def test_the_text_names_what_stays_a_call() -> None:
    program, _ = program_of(lambda x: ag.cross_entropy(x[[1, 0]], LABELS[:2]), [X])
    assert "calls of Python: gather, check_labels, getitem vjp" in explained(program)


def test_tables_of_numbers_are_told_by_operation() -> None:
    network = MLP(2, [4, 1])
    program, _ = program_of(lambda: network([0.3, -0.2]) ** 2, [], network.parameters())
    assert re.search(r"table +\d+ numbers: multiply \d+, add \d+", explained(program))


def test_sizes() -> None:
    assert [size_text(n) for n in (0, 1023, 1024, 5 << 30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]


def test_the_picture_has_a_box_a_step_and_its_results() -> None:
    program, _ = program_of(layer, [X], [W, B])
    plan = fused(program)
    source = plan_dot(plan, 'caption with "quotes" & <signs>')
    assert len(re.findall(r"^\ts\d+ \[", source, re.M)) == len(plan.steps)
    assert len(set(re.findall(r"^\to(\d+) \[", source, re.M))) == len(plan.outputs)
    assert "&lt;signs&gt;" in source
    assert plan_dot(plan, "x", most=2).count(" [shape=") < source.count(" [shape=")


def test_a_picture_is_saved_by_its_suffix(tmp_path: Path) -> None:
    program, _ = program_of(lambda x: ag.sum(x * x), [tensor(3)])
    plan = fused(program)
    assert save_plan(plan, str(tmp_path / "a.dot"), "p", "words").read_text().startswith("digraph")
    assert save_plan(plan, str(tmp_path / "a.txt"), "p", "words").read_text() == "words\n"
    try:
        page = save_plan(plan, str(tmp_path / "a.html"), "p <b>", "a < b").read_text()
    except LayoutError:
        pytest.skip("Graphviz is not here")
    assert "<svg" in page
    assert "a &lt; b" in page
    assert "<title>p &lt;b&gt;</title>" in page
    with pytest.raises(ValueError, match=r"saved as \.dot"):
        save_plan(plan, str(tmp_path / "a.gif"), "p", "words")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    picture = tmp_path / "plan.dot"
    arguments = ["plan", f"{script}:step", "--at", "x=randn(5, 3)", "t=zeros(5, 1)", "-o", str(picture)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("plan of step:")
    assert "SGD.step" in said
    assert picture.read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("at", "said"),
    [(["x"], "NAME=VALUE"), (["x=randn(5, 3)"], "missing 1 required"), (["x=__import__('os')", "t=1"], "x")],
)
def test_the_command_refuses_what_it_cannot_do(
    at: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    assert main(["plan", f"{script}:step", "--at", *at]) == 2
    assert said in capsys.readouterr().err


def test_an_error_of_the_function_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    assert main(["plan", f"{script}:broken", "--at", "x=1.0"]) == 2
    assert "RuntimeError: no such thing" in capsys.readouterr().err


def test_plans_need_numpy_alone() -> None:
    code = (
        "import sys, autograd_lite.replay.plan, autograd_lite.replay.plan_text\n"
        "heavy = {'numba', 'scipy', 'torch', 'sklearn', 'matplotlib', 'graphviz'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
