"""The seed networks run, shortened, and do what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")

from examples import by_hand, char_lstm, digits_cnn, moons, optimisers, synthetic, xor

Output = pytest.CaptureFixture[str]


def written(folder: Path) -> set[str]:
    """Return the names of the pictures in a folder, after a look at how they begin."""
    for path in folder.iterdir():
        start = {".png": b"\x89PNG", ".gif": b"GIF89a", ".html": b"<!DOCTYPE html>"}[path.suffix]
        assert path.read_bytes().startswith(start)
    return {path.name for path in folder.iterdir()}


def test_xor(tmp_path: Path, capsys: Output) -> None:
    assert xor.main(["--out", str(tmp_path)]) == 4
    printed = capsys.readouterr().out
    assert [f"epoch {n:4d}" in printed for n in range(100, 1001, 100)] == [True] * 10
    assert printed.count("ok") == 4
    assert "WRONG" not in printed
    assert written(tmp_path) == {"xor.png"}


def test_xor_is_learned_with_every_seed(capsys: Output) -> None:
    assert xor.main(["--seeds", "20", "--epochs", "200"]) == 20
    assert "all four right for 20 of 20 seeds" in capsys.readouterr().out


def test_moons(tmp_path: Path, capsys: Output) -> None:
    assert moons.main(["--epochs", "20", "--out", str(tmp_path)]) > 0.9
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(rows) == 4
    assert len({row[-1] for row in rows[1:]}) == 1, "three ways to write one network end at one accuracy"
    assert written(tmp_path) == {
        "learning_curves.png", "boundary_strip.png", "boundary.gif", "boundary.html", "weights.png", "gradients.png",
        "layers.png", "loss_surface.png",
    }  # fmt: skip


def test_moons_by_hand_and_by_nn_are_the_same_network() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(100, 2)), rng.integers(0, 2, (100, 1)).astype(float)
    hand, net = moons.by_hand(x, y, 3, 0), moons.with_nn("Sequential", moons.sequential, x, y, 3, 0)
    np.testing.assert_allclose(hand.probability(x), net.probability(x), rtol=0, atol=1e-12)


def test_moons_over_five_folds(capsys: Output) -> None:
    assert moons.main(["--folds", "5"]) >= 0.965
    assert "mean test accuracy" in capsys.readouterr().out


def test_moons_beside_torch(capsys: Output) -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 2))
    way = moons.with_torch(x, (x[:, :1] > 0).astype(float), 20, 0)
    assert moons.accuracy(way.probability, x, x[:, :1] > 0) > 0.9


def test_by_hand(tmp_path: Path, capsys: Output) -> None:
    assert by_hand.main(["--epochs", "60", "--out", str(tmp_path)]) < 1e-10
    printed = capsys.readouterr().out
    assert printed.count("ok") == 9
    assert written(tmp_path) == {"by_hand.png"}


def test_by_hand_finds_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(by_hand.Sigmoid, "backward", lambda self, g: g * self.y)
    with pytest.raises(SystemExit, match="wrong"):
        by_hand.main(["--out", str(tmp_path)])


def test_digits_cnn(tmp_path: Path, capsys: Output) -> None:
    assert digits_cnn.main(["--epochs", "4", "--out", str(tmp_path)]) > 0.95
    assert "1437 to train, 360 to test" in capsys.readouterr().out
    assert written(tmp_path) == {
        "learning_curves.png", "confusion.png", "filters.png", "ideal_digits.png", "grad_cam.png",
    }  # fmt: skip


def test_shifted_moves_images_by_at_most_a_pixel() -> None:
    x = np.zeros((40, 1, 8, 8), np.float32)
    x[:, 0, 4, 4] = 1
    moved, y = digits_cnn.Shifted(x, np.arange(40), np.random.default_rng(0)).batch(np.arange(40))
    _, channel, rows, columns = np.nonzero(moved.numpy())
    assert moved.dtype == np.float32
    assert y.tolist() == list(range(40))
    assert set(channel) == {0}
    assert set(rows) == set(columns) == {3, 4, 5}


def test_synthetic(tmp_path: Path) -> None:
    accuracy, r2 = synthetic.main(["--epochs", "15", "--out", str(tmp_path)])
    assert accuracy > 0.75
    assert r2 > 0.75
    assert written(tmp_path) == {
        "classification_loss.png", "classification_accuracy.png", "regression_loss.png", "regression_r2.png",
    }  # fmt: skip


@pytest.mark.parametrize("schedule", synthetic.SCHEDULES)
def test_synthetic_takes_every_option(schedule: str, tmp_path: Path, capsys: Output) -> None:
    activation = dict(zip(synthetic.SCHEDULES, synthetic.ACTIVATIONS, strict=True))[schedule]
    options = f"--schedule {schedule} --activation {activation} --init xavier --batch-norm --hidden 16 --epochs 4"
    accuracy, r2 = synthetic.main([*options.split(), "--out", str(tmp_path)])
    assert accuracy > 0.4
    assert r2 > 0.3
    assert "BatchNorm1d(16" in capsys.readouterr().out


def test_optimisers(tmp_path: Path) -> None:
    results = optimisers.main(["--steps", "150", "--epochs", "10", "--out", str(tmp_path)])
    assert len(results) == 7
    start = optimisers.surface(*optimisers.START)
    assert all(height < start / 2 and loss < 0.35 for height, loss in results.values())
    assert results["Adam"][0] < results["SGD"][0]
    assert written(tmp_path) == {"optimisers.png"}


def test_char_lstm(tmp_path: Path, capsys: Output) -> None:
    options = "--sentences 400 --hidden 48 --epochs 6 --out"
    loss, entropy = char_lstm.main([*options.split(), str(tmp_path)])
    assert loss < entropy
    printed = capsys.readouterr().out
    assert "below the bigram entropy" in printed
    assert printed.count("at temperature") == 2
    assert written(tmp_path) == {"char_lstm.png"}


def test_entropies_of_known_texts() -> None:
    coin = np.random.default_rng(0).integers(0, 2, 20000)
    np.testing.assert_allclose(
        [f(coin) for f in (char_lstm.unigram_entropy, char_lstm.bigram_entropy)], np.log(2), 1e-3
    )
    assert char_lstm.bigram_entropy(np.arange(1000) % 3) == 0.0
