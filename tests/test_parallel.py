"""Training on several processes: the weights of one, equal bits everywhere, and no process left waiting."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mpi4py")
pytest.importorskip("safetensors")

import autograd_lite as ag
import nn
from nn.callbacks import Callback, Checkpoint, CSVLogger, EarlyStopping, GradientClipping
from nn.parallel import DataParallel
from nn.train import Run, fit

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="needs mpiexec")


def train(folder: str, epochs: str, how: str) -> dict[str, Any]:
    """Train a small network; return what can be compared. This file as a program does it in every process."""
    callbacks: list[Any] = [GradientClipping(0.5), CSVLogger(f"{folder}/log.csv")] if "logs" in how else []
    parallel = DataParallel()
    ag.manual_seed(parallel.rank + (7 if parallel.size == 1 else 7 * (parallel.rank == 0)))  # only rank 0's is used
    rng = np.random.default_rng(1)
    x = rng.normal(size=(41, 3))  # in batches of 8: the last has one sample, fewer than there are processes
    y = (x.sum(axis=1, keepdims=True) > 0).astype(float)
    noisy = "noisy" in how
    model = nn.MLP(3, [5], 1, activation=nn.Tanh, dropout=0.2 * noisy, batch_norm=noisy)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    if noisy:
        x, y, callbacks = x[:40], y[:40], [EarlyStopping(patience=100), Checkpoint(folder)]
    if "fail" in how:
        callbacks = [Failing(parallel.rank)]
    if "stop" in how:
        callbacks = [Stopping(parallel.rank)]
    loss = nn.BCEWithLogitsLoss(reduction="sum" if "sum" in how else "mean")
    history = fit(
        model,
        loss,
        optimizer,
        (x, y),
        epochs=int(epochs),
        validation=(x, y),
        metrics=["accuracy"],
        callbacks=[*callbacks, parallel],
        batch_size=8,
        progress=False,
    )
    rows = [{name: figure for name, figure in row.items() if name != "seconds"} for row in history]
    return {"weights": {k: v.tolist() for k, v in model.state_dict().items()}, "rows": rows, "ended": history.ended}


class Failing(Callback):
    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_batch_end(self, run: Run) -> None:
        if self.rank == 1 and run.epoch == 2:
            raise ValueError("the disk of this machine is full")


class Stopping(Failing):
    def on_batch_end(self, run: Run) -> None:
        if self.rank == 1 and run.epoch == 2:
            run.interrupted = True


def launched(size: int, folder: Path, epochs: int, how: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(MPIEXEC),
        "-n",
        str(size),
        sys.executable,
        "-m",
        "tests.test_parallel",
        str(folder),
        str(epochs),
        how,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    root = Path(__file__).parents[1]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)


def results(size: int, folder: Path, epochs: int, how: str) -> list[dict[str, Any]]:
    done = launched(size, folder, epochs, how)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(size)]


@pytest.mark.parametrize(("size", "how"), [(2, "logs"), (4, "logs"), (2, "sum")])
def test_the_weights_of_a_single_process(size: int, how: str, tmp_path: Path) -> None:
    alone = train(str(tmp_path), "4", how)
    ranks = results(size, tmp_path, 4, how)
    assert all(rank == ranks[0] for rank in ranks)
    for name, x in alone["weights"].items():
        np.testing.assert_allclose(ranks[0]["weights"][name], x, rtol=1e-12, atol=1e-12)
    for row, other in zip(alone["rows"], ranks[0]["rows"], strict=True):
        assert row["val_loss"] == pytest.approx(other["val_loss"], rel=1e-12)
        if how == "logs":
            assert row == pytest.approx(other, rel=1e-12)
    if how == "logs":
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 5


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = results(2, tmp_path / "whole", 5, "noisy")
    assert whole[0] == whole[1]
    results(2, tmp_path / "parts", 3, "noisy")
    assert results(2, tmp_path / "parts", 5, "noisy") == whole


def test_one_process_that_fails_stops_all_with_its_error(tmp_path: Path) -> None:
    done = launched(2, tmp_path, 9, "fail")
    assert done.returncode != 0
    assert "rank 1 of 2 failed, so all stop" in done.stderr
    assert "ValueError: the disk of this machine is full" in done.stderr


def test_one_process_that_is_interrupted_stops_all_cleanly(tmp_path: Path) -> None:
    ranks = results(2, tmp_path, 9, "stop")
    assert ranks[0] == ranks[1]
    assert ranks[0]["ended"] == "interrupted in epoch 2"


def test_only_batches_can_be_divided() -> None:
    model = nn.Linear(1, 1)
    run = Run(model, nn.MSELoss(), nn.optim.SGD(model.parameters()), callbacks=[DataParallel()])
    with pytest.raises(TypeError, match=r"nn\.DataLoader, got list"):
        run.train([(np.ones((1, 1)), np.ones((1, 1)))], 1)


if __name__ == "__main__":
    result = train(*sys.argv[1:])
    place = Path(sys.argv[1]) / f"rank-{DataParallel().rank}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(result))
