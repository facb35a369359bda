"""Data, metrics, the training loop, weights on disk, and the network of single neurons."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.train import Callback, Run, evaluate, evaluating, fit, predict


def test_tensor_dataset_and_subset() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    data = nn.TensorDataset(x, y)
    assert len(data) == 6
    assert data[2][0].tolist() == [4.0, 5.0]
    part = nn.Subset(data, [5, 0])
    assert [int(label) for _, label in (part[0], part[1])] == [5, 0]
    assert part.batch([1, 0])[1].tolist() == [0, 5]
    assert len(part[1:]) == 1
    with pytest.raises(ValueError, match="Size mismatch"):
        nn.TensorDataset(x, y[:3])
    with pytest.raises(ValueError, match="first axis"):
        nn.TensorDataset(1.0)


def test_a_tracked_dataset_stays_connected() -> None:
    x = ag.Tensor(np.ones((4, 2)), requires_grad=True)
    for (batch,) in nn.DataLoader(nn.TensorDataset(x), batch_size=2):
        ag.sum(batch).backward()
    np.testing.assert_array_equal(x.grad, np.ones((4, 2)))


def test_loader_orders_and_sizes() -> None:
    data = nn.TensorDataset(np.arange(7))
    assert [len(x) for (x,) in nn.DataLoader(data, 3)] == [3, 3, 1]
    loader = nn.DataLoader(data, 3, drop_last=True)
    assert [len(x) for (x,) in loader] == [3, 3]
    assert len(loader) == 2
    shuffled = nn.DataLoader(data, 3, shuffle=True, generator=np.random.default_rng(0))
    epochs = [[int(i) for (x,) in shuffled for i in x.numpy()] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == list(range(7))
    assert [x.tolist() for (x,) in nn.DataLoader(data, 2, sampler=[6, 0, 3])] == [[6, 0], [3]]
    assert [x.tolist() for (x,) in nn.DataLoader(data, batch_sampler=[[1], [2, 3]])] == [[1], [2, 3]]
    assert [int(x) for (x,) in nn.DataLoader(data, None)] == list(range(7))
    assert list(nn.DataLoader(nn.TensorDataset(np.empty((0, 2))), 4)) == []
    with pytest.raises(ValueError, match="mutually exclusive"):
        nn.DataLoader(data, shuffle=True, sampler=[0])
    with pytest.raises(ValueError, match="mutually exclusive"):
        nn.DataLoader(data, 2, batch_sampler=[[0]])
    with pytest.raises(ValueError, match="positive"):
        nn.DataLoader(data, 0)


def test_loader_collects_samples_of_any_kind() -> None:
    samples = [{"x": np.ones(2) * i, "pair": (i, ag.Tensor([i])), "name": str(i)} for i in range(3)]
    (batch,) = nn.DataLoader(samples, 3)
    assert batch["x"].shape == (3, 2)
    assert batch["pair"][0].tolist() == [0, 1, 2]
    assert batch["pair"][1].shape == (3, 1)
    assert batch["name"] == ["0", "1", "2"]
    assert list(nn.DataLoader([1, 2, 3], 2, collate_fn=sum)) == [3, 3]


def test_random_split() -> None:
    data = nn.TensorDataset(np.arange(10))
    parts = nn.random_split(data, [7, 3], np.random.default_rng(0))
    assert sorted(int(x) for part in parts for (x,) in (part[i] for i in range(len(part)))) == list(range(10))
    with pytest.raises(ValueError, match="does not equal the length"):
        nn.random_split(data, [7, 2])
    with pytest.raises(ValueError, match="fractions"):
        nn.random_split(data, [1.5, -0.5])


def test_accuracy_of_every_kind_of_output() -> None:
    accuracy = nn.metrics.accuracy
    assert accuracy(ag.Tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 9.0]]), [1, 0, 0]) == pytest.approx(2 / 3)
    assert accuracy([0.2, 0.7], [0, 1]) == 1.0
    assert accuracy([[0.2], [0.7]], [0, 0]) == 0.5
    assert accuracy([0.2, 0.7], [[0], [1]]) == 1.0
    assert accuracy([-1.0, 0.2], [0.0, 1.0], threshold=0.0) == 1.0
    assert accuracy([2, 1, 0], [2, 1, 1]) == pytest.approx(2 / 3)
    assert accuracy(np.ones((2, 3, 4)), np.zeros((2, 4))) == 1.0
    with pytest.raises(ValueError, match="do not fit"):
        accuracy([[0.1, 0.9]], [0, 1])
    with pytest.raises(ValueError, match="do not fit"):
        accuracy(np.ones(4), np.ones((4, 4)))


def blobs(n: int = 120, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (n, 1)).astype(float)
    return rng.normal(size=(n, 2)) + 3 * y, y


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[str] = []

    def on_train_begin(self, run: Run) -> None:
        self.events.append("train")

    def on_epoch_begin(self, run: Run) -> None:
        assert run.model.training
        self.events.append("epoch")

    def on_gradients(self, run: Run) -> None:
        assert all(p.grad is not None for p in run.model.parameters())
        self.events.append("gradients")

    def on_batch_end(self, run: Run) -> None:
        assert run.figures["loss"] >= 0
        self.events.append("batch")

    def on_epoch_end(self, run: Run) -> None:
        assert run.history[-1]["epoch"] == run.epoch
        self.events.append("/epoch")
        run.stop = run.epoch == 2

    def on_train_end(self, run: Run) -> None:
        self.events.append("/train")


def test_fit_learns_and_tells() -> None:
    ag.manual_seed(0)
    model = nn.MLP(2, [8], 1, batch_norm=True)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    recorder, seen = Recorder(), []
    history = fit(
        model,
        nn.BCEWithLogitsLoss(),
        optimizer,
        blobs(),
        epochs=9,
        validation=blobs(seed=1),
        metrics=["accuracy"],
        callbacks=[recorder, lambda run: seen.append(run.epoch)],
        batch_size=60,
        progress=False,
    )
    epoch = ["epoch", "gradients", "batch", "gradients", "batch", "/epoch"]
    assert recorder.events == ["train", *epoch, *epoch, "/train"]
    assert seen == [1, 2]
    assert history.columns == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert history["val_accuracy"][-1] > 0.9
    assert history["lr"] == [0.1, 0.1]


def test_fit_averages_over_samples_not_batches() -> None:
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)  # type: ignore[arg-type]
    optimizer = nn.optim.SGD(model.parameters(), lr=0.0)
    loader = nn.DataLoader(nn.TensorDataset(np.ones((3, 1)), [[0.0], [0.0], [3.0]]), 2)
    history = fit(model, nn.MSELoss(), optimizer, loader, epochs=1, metrics={"twice": lambda o, t: 2.0}, progress=False)
    assert history[0]["loss"] == pytest.approx(3.0)
    assert history[0]["twice"] == 2.0


def test_metrics_by_name() -> None:
    def spread(output: Any, target: Any) -> float:
        return float(np.ptp(output.numpy()))

    model = nn.Linear(2, 1)
    figures = evaluate(model, nn.BCEWithLogitsLoss(), blobs(), ["accuracy", spread])
    assert figures.keys() == {"loss", "accuracy", "spread"}
    logits = predict(model, blobs()[0])
    assert figures["accuracy"] == np.mean((logits > 0) == blobs()[1])
    with pytest.raises(ValueError, match="no metric is called"):
        evaluate(model, nn.MSELoss(), blobs(), ["acuracy"])


def test_evaluating_restores_each_layer() -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    model[1].eval()
    with evaluating(model):
        assert not model[0].training
        assert not ag.is_recording()
    assert model[0].training
    assert not model[1].training


def test_the_same_seed_trains_the_same_bits() -> None:
    def run() -> Any:
        ag.manual_seed(5)
        model = nn.MLP(2, [4], 1, dropout=0.2, batch_norm=True)
        fit(model, nn.BCEWithLogitsLoss(), nn.optim.Adam(model.parameters()), blobs(), epochs=3, progress=False)
        return model.state_dict()

    a, b = run(), run()
    for key, x in a.items():
        np.testing.assert_array_equal(x, b[key])


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    model = nn.Linear(2, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    fit(model, nn.BCEWithLogitsLoss(), optimizer, blobs(), epochs=3, metrics=["accuracy"])
    bar = capsys.readouterr().err
    assert "epoch 3/3" in bar
    assert "accuracy=" in bar
    assert "lr=0.1" in bar
    assert "12/12" in bar


def test_history_is_a_table() -> None:
    history = nn.History()
    history.append({"epoch": 1, "loss": 0.5})
    history.append({"epoch": 2, "loss": 0.25, "val_loss": 1e-5})
    assert history["val_loss"] == [None, 1e-5]
    assert [row["epoch"] for row in history] == [1, 2]
    assert repr(history) == "History(2 epochs of epoch, loss, val_loss)"
    lines = str(history).splitlines()
    assert lines[0].split() == ["epoch", "loss", "val_loss"]
    assert lines[2].split() == ["2", "0.2500", "1e-05"]
    with pytest.raises(KeyError, match="no column 'los'; there are epoch, loss"):
        history["los"]


def test_history_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = nn.History()
    for i in range(3):
        history.append({"epoch": i + 1, "loss": 1 / (i + 1), "val_loss": 1 / (i + 2), "accuracy": i / 3, "lr": 0.1})
    figure = history.plot(tmp_path / "curves.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_weights_survive_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    path = tmp_path / "new" / "weights.safetensors"
    model = nn.MLP(3, [4], 2, batch_norm=True)
    nn.save_weights(model, path, metadata={"epoch": "3"})
    other = nn.MLP(3, [4], 2, batch_norm=True)
    assert other.load_state_dict(nn.load_weights(path)) == ([], [])
    for key, x in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], x)
    assert os.listdir(path.parent) == [path.name]


def test_weights_of_any_memory_layout_survive_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    a = np.arange(12.0).reshape(3, 4)
    views: dict[str, Any] = {
        "turned": a.T,
        "strided": a[:, ::2],
        "reversed": a[::-1],
        "broadcast": np.broadcast_to(a[0], (2, 4)),
        "fortran": np.asfortranarray(a),
        "number": np.array(3),
        "tensor": ag.Tensor(a.T),
    }
    nn.save_weights(views, tmp_path / "w")
    loaded = nn.load_weights(tmp_path / "w")
    for key, x in views.items():
        np.testing.assert_array_equal(loaded[key], x)
        assert loaded[key].shape == np.shape(x)


def test_a_broken_file_is_refused_and_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    path = tmp_path / "w"
    nn.save_weights(nn.Linear(2, 2), path)
    whole = path.read_bytes()
    with pytest.raises(TypeError):
        nn.save_weights(nn.Linear(2, 2), path, metadata={"epoch": 3})  # type: ignore[dict-item]
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        nn.load_weights(path)


def test_single_neurons() -> None:
    model = nn.scalar.MLP(3, [4, 4, 1], generator=np.random.default_rng(0))
    assert len(model.parameters()) == 41
    assert all(isinstance(p, ag.Value) for p in model.parameters())
    y = model([1.0, -2.0, ag.Value(0.5)])
    y.backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert repr(model.layers[2]) == "Layer of [LinearNeuron(4)]"
    assert isinstance(nn.scalar.MLP(2, [1, 1, 3])([1.0, 2.0]), list)
    with pytest.raises(nn.ShapeError, match=r"ReLUNeuron\(3\) expected 3 inputs, got 2"):
        model([1.0, 2.0])
    twins = [nn.scalar.MLP(2, [3, 1], np.random.default_rng(1)).parameters() for _ in range(2)]
    assert [p.data for p in twins[0]] == [p.data for p in twins[1]]


def test_single_neurons_learn() -> None:
    model = nn.scalar.MLP(2, [6, 1], generator=np.random.default_rng(0))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = blobs(30)
    rows, labels = x.tolist(), (2 * y[:, 0] - 1).tolist()
    for _ in range(20):
        optimizer.zero_grad()
        losses = [(1 + -label * model(row)).relu() for row, label in zip(rows, labels, strict=True)]
        total = sum(losses, ag.Value(0.0)) * (1 / len(rows))
        total.backward()
        optimizer.step()
    assert total.data < 0.1
