"""The examples run, shortened, and do what they promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nn

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")
pytest.importorskip("safetensors")

from examples import breast_cancer


def test_breast_cancer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert breast_cancer.main(["--epochs", "20", "--out", str(tmp_path / "new")]) > 0.93
    printed = capsys.readouterr()
    for text in ("455 to train, 114 to test", "epoch   20", "train accuracy", "actual malignant", "end of training"):
        assert text in printed.out
    assert "epoch 20/20" in printed.err
    for name in ("learning_curves.png", "confusion.png"):
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")
    weights = nn.load_weights(tmp_path / "new" / "weights.safetensors")
    assert nn.MLP(30, [16], 1, activation=nn.Tanh).load_state_dict(weights) == ([], [])


def test_breast_cancer_takes_every_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--hidden 8 4 --activation leaky_relu --lr 0.02 --momentum 0.8 --weight-decay 0.001 --dropout 0.1"
    more = "--batch-norm --noise 0.1 --batch-size 64 --epochs 5 --seed 3 --out"
    accuracies = {breast_cancer.main([*options.split(), *more.split(), str(tmp_path)]) for _ in range(2)}
    assert len(accuracies) == 1
    assert accuracies.pop() > 0.85
    assert "BatchNorm1d(8" in capsys.readouterr().out
    file = (tmp_path / "weights.safetensors").read_bytes()
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    assert json.loads(header["__metadata__"]["settings"])["hidden"] == [8, 4]


def test_breast_cancer_scales_on_the_training_part_alone() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (10, 4)), rng.integers(0, 2, 10)
    split = breast_cancer.scaled(x, y, np.arange(6), np.arange(6, 10))
    np.testing.assert_allclose(split.x_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(split.x_test, (x[6:] - x[:6].mean(axis=0)) / x[:6].std(axis=0))


@pytest.mark.parametrize(("hidden", "at_least"), [(["16"], 0.974), (["4", "3", "2"], 0.95)])
def test_breast_cancer_over_five_folds(hidden: list[str], at_least: float, capsys: pytest.CaptureFixture[str]) -> None:
    assert breast_cancer.main(["--folds", "5", "--hidden", *hidden]) >= at_least
    assert "mean test accuracy" in capsys.readouterr().out
