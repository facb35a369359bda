"""The training loop and its callbacks: stopping, schedules, clipping, logs, Ctrl-C, and losses that are not finite."""

from __future__ import annotations

import copy
import csv
import pickle
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.callbacks import Callback, CSVLogger, EarlyStopping, GradientClipping, Schedule, TensorBoard
from nn.train import Run, fit

Array = np.ndarray[Any, Any]


def line(n: int = 20) -> tuple[Array, Array]:
    x = np.linspace(-1, 1, n).reshape(-1, 1)
    return x, 2 * x + 1


def linear(lr: float = 0.1) -> tuple[nn.Linear, nn.optim.SGD]:
    model = nn.Linear(1, 1, generator=np.random.default_rng(0))
    return model, nn.optim.SGD(model.parameters(), lr=lr)


def quietly(model: nn.Module, optimizer: Any, *callbacks: Any, epochs: int = 5, **more: Any) -> nn.History:
    data = more.pop("data", line())
    return fit(model, nn.MSELoss(), optimizer, data, epochs=epochs, callbacks=callbacks, progress=False, **more)


class Script(Callback):
    """Makes a figure follow a script, and remembers the weights of each epoch."""

    def __init__(self, figures: list[float]) -> None:
        self.figures = figures
        self.weights: list[float] = []

    def on_epoch_end(self, run: Run) -> None:
        run.figures["val_loss"] = self.figures[run.epoch - 1]
        self.weights.append(run.model.weight.item())


def test_early_stopping_goes_back_to_the_best_weights() -> None:
    model, optimizer = linear()
    script, stopping = Script([3.0, 1.0, 2.0, float("nan"), 1.0, 0.0]), EarlyStopping(patience=3)
    history = quietly(model, optimizer, script, stopping, epochs=6)
    assert len(history) == 5
    assert (stopping.best, stopping.best_epoch) == (1.0, 2)
    assert model.weight.item() == script.weights[1] != script.weights[-1]
    assert history.ended == "stopped early: no better val_loss than in epoch 2"
    assert "stopped early" in repr(history)


def test_early_stopping_restores_also_when_it_did_not_stop() -> None:
    model, optimizer = linear()
    script = Script([3.0, 1.0, 2.0])
    quietly(model, optimizer, script, EarlyStopping(), epochs=3)
    assert model.weight.item() == script.weights[1]
    model, optimizer = linear()
    script = Script([3.0, 1.0, 2.0])
    quietly(model, optimizer, script, EarlyStopping(restore_best=False), epochs=3)
    assert model.weight.item() == script.weights[2]


def test_early_stopping_knows_what_is_better() -> None:
    assert (
        EarlyStopping("val_loss").sign == EarlyStopping("mean_error").sign == EarlyStopping("f", mode="min").sign == 1
    )
    assert EarlyStopping("val_accuracy").sign == EarlyStopping("loss", mode="max").sign == -1
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="best")  # type: ignore[arg-type]
    stopping = EarlyStopping(patience=2, min_delta=0.5)
    history = quietly(*linear(), Script([2.0, 1.9, 1.8, 0.0]), stopping, epochs=4)
    assert len(history) == 3


def test_a_figure_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match=r"no figure 'val_loss' to watch; there are loss, lr.*Pass validation"):
        quietly(*linear(), EarlyStopping())


class Halving:
    """A schedule as small as one can be."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer, self.seen = optimizer, []

    def step(self, figure: float | None = None) -> None:
        self.seen.append(figure)
        self.optimizer.param_groups[0]["lr"] /= 2

    def state_dict(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_schedules_per_epoch_per_batch_and_by_a_figure() -> None:
    model, optimizer = linear(0.08)
    assert quietly(model, optimizer, Schedule(Halving(optimizer)), epochs=3)["lr"] == [0.08, 0.04, 0.02]
    model, optimizer = linear(0.08)
    history = quietly(model, optimizer, Schedule(Halving(optimizer), per="batch"), epochs=2, batch_size=10)
    assert history["lr"] == [0.02, 0.005]
    model, optimizer = linear(0.08)
    halving = Halving(optimizer)
    history = quietly(model, optimizer, Schedule(halving, monitor="loss"), epochs=2)
    assert halving.seen == history["loss"]
    with pytest.raises(ValueError, match="per"):
        Schedule(halving, per="step")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="per epoch"):
        Schedule(halving, per="batch", monitor="loss")
    callback = Schedule(halving)
    callback.load_state_dict({"seen": [1.0]})
    assert callback.state_dict() == {"seen": [1.0]}


def test_gradient_clipping() -> None:
    class Norms(Callback):
        def __init__(self) -> None:
            self.norms: list[float] = []
            self.largest: list[float] = []

        def on_gradients(self, run: Run) -> None:
            flat = np.concatenate([np.ravel(p.grad) for p in run.model.parameters()])
            self.norms.append(float(np.linalg.norm(flat)))
            self.largest.append(float(np.abs(flat).max()))

    norms = Norms()
    quietly(*linear(), GradientClipping(max_norm=0.25), norms)
    np.testing.assert_allclose(norms.norms, 0.25, rtol=1e-5)
    norms = Norms()
    quietly(*linear(), GradientClipping(value=0.1), norms)
    np.testing.assert_allclose(norms.largest, 0.1)
    for arguments in ({}, {"max_norm": 1.0, "value": 1.0}):
        with pytest.raises(ValueError, match="either"):
            GradientClipping(**arguments)


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.csv"
    seen = []

    def look(run: Run) -> None:
        seen.append(len(path.read_text().splitlines()))

    history = quietly(*linear(), CSVLogger(path), look, epochs=3, validation=line())
    assert seen == [2, 3, 4]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [history.columns] * 3
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]


def test_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensorboard = pytest.importorskip("tensorboardX")
    written: list[tuple[str, Any]] = []
    for kind in ("add_scalar", "add_histogram"):
        whole = getattr(tensorboard.SummaryWriter, kind)

        def spy(self: Any, tag: str, values: Any, step: int, whole: Any = whole) -> None:
            written.append((tag, step))
            whole(self, tag, values, step)

        monkeypatch.setattr(tensorboard.SummaryWriter, kind, spy)
    board = TensorBoard(tmp_path / "board", histograms=2)
    quietly(*linear(), board, epochs=2, validation=line())
    scalars = [(f"{name}/training", n) for n in (1, 2) for name in ("loss", "lr", "seconds")]
    assert {(t, n) for t, n in written if not t.startswith(("weights", "gradients"))} == {
        *scalars, ("loss/validation", 1), ("loss/validation", 2)
    }  # fmt: skip
    histograms = {(f"{what}/{name}", 2) for what in ("weights", "gradients") for name in ("weight", "bias")}
    assert {(t, n) for t, n in written if t.startswith(("weights", "gradients"))} == histograms
    assert [p.stat().st_size > 100 for p in (tmp_path / "board").iterdir()] == [True]


def test_callbacks_are_copied_and_pickled(tmp_path: Path) -> None:
    made = [
        EarlyStopping("loss"), GradientClipping(1.0), CSVLogger(tmp_path / "log"), TensorBoard(tmp_path),
        nn.callbacks.Checkpoint(tmp_path / "saved"),
    ]  # fmt: skip
    quietly(*linear(), made[0], made[2])
    for callback in made:
        for twin in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
            assert vars(twin).keys() == vars(callback).keys()


@pytest.mark.parametrize("raised", [False, True])
def test_ctrl_c_ends_cleanly_and_keeps_what_was_learned(raised: bool) -> None:
    class CtrlC(Callback):
        def __init__(self) -> None:
            self.batches, self.ended = 0, False

        def on_batch_end(self, run: Run) -> None:
            self.batches += 1
            if self.batches == 5:
                if raised:
                    raise KeyboardInterrupt
                signal.raise_signal(signal.SIGINT)

        def on_train_end(self, run: Run) -> None:
            self.ended = True

    before = signal.getsignal(signal.SIGINT)
    model, optimizer = linear()
    start, callback = model.weight.item(), CtrlC()
    history = quietly(model, optimizer, callback, epochs=9, batch_size=10)
    assert (callback.batches, callback.ended, len(history)) == (5, True, 2)
    assert history.ended == "interrupted in epoch 3"
    assert abs(model.weight.item() - 2) < abs(start - 2)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_ctrl_c_does_not_wait_for_the_batch() -> None:
    class Stuck(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(1, 1)

        def forward(self, x: Any) -> Any:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("not reached")

    model = Stuck()
    assert quietly(model, nn.optim.SGD(model.parameters())).ended == "interrupted in epoch 1"


def test_training_in_a_thread_leaves_signals_alone() -> None:
    histories: list[nn.History] = []
    thread = threading.Thread(target=lambda: histories.append(quietly(*linear())))
    thread.start()
    thread.join()
    assert len(histories[0]) == 5


class Root(nn.Module):
    def __init__(self) -> None:
        self.inner = nn.Linear(1, 1)
        nn.init.zeros_(self.inner.weight)
        nn.init.constant_(self.inner.bias, -1.0)  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        return np.sqrt(self.inner(x))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_loss_that_is_nan_names_the_op_the_layer_and_the_batch() -> None:
    model = nn.Sequential(nn.Linear(1, 1), Root())
    before = model.state_dict()
    with pytest.raises(ag.AnomalyError) as caught:
        quietly(model, nn.optim.SGD(model.parameters(), lr=0.1), epochs=3)
    text = str(caught.value)
    assert "epoch 1, batch 1: the loss is nan" in text
    assert "in the layer '1' (Root): the result of 'sqrt' is not finite" in text
    assert "test_training_callbacks.py" in text
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert not any(module._hooks for module in model.modules())


def test_a_gradient_that_is_infinite_is_found_before_the_step() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter([0.0])

        def forward(self, x: Any) -> Any:
            return x * np.sqrt(self.w)

    model = Norm()
    with pytest.raises(ag.AnomalyError, match=r"(?s)batch 1: the gradient is not finite.*the gradient of 'sqrt'"):
        quietly(model, nn.optim.SGD(model.parameters(), lr=0.1))
    assert model.w.item() == 0.0


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_other_causes_are_told_apart() -> None:
    x, y = line()
    x[3] = np.nan
    with pytest.raises(ag.AnomalyError, match=r"Entry 0 of the batch holds NaN or infinity: clean the data"):
        quietly(*linear(), data=(x, y))
    model, optimizer = linear(1e300)
    with pytest.raises(ag.AnomalyError, match=r"(?s)parameter 'weight' is not finite since.*Lower the learning rate"):
        quietly(model, optimizer, data=(1e10 * line()[0], line()[1]))
    calls = iter([float("nan")])

    def once(output: Any, target: Any) -> Any:
        return nn.functional.mse_loss(output, target) * next(calls, 1.0)

    model, optimizer = linear()
    with pytest.raises(ag.AnomalyError, match="did not fail a second time"):
        fit(model, once, optimizer, line(), epochs=1, progress=False)


def test_gradients_that_overflow_when_squared_are_no_anomaly() -> None:
    model, optimizer = linear(0.0)
    quietly(model, optimizer, data=(np.full((2, 1), 1e120), np.full((2, 1), 1e120)), epochs=1)
    assert np.isfinite(model.weight.item())


def test_an_optimiser_that_asks_again_gets_its_loss() -> None:
    class Backtracking(nn.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            closure()
            return super().step(closure)

    class Count(Callback):
        gradients = batches = 0

        def on_gradients(self, run: Run) -> None:
            self.gradients += 1

        def on_batch_end(self, run: Run) -> None:
            self.batches += 1

    model, _ = linear()
    count = Count()
    history = quietly(model, Backtracking(model.parameters(), lr=0.1), count, epochs=2, batch_size=10)
    assert (count.gradients, count.batches) == (8, 4)
    assert history["loss"][1] < history["loss"][0]


def test_streaming_metrics_are_of_the_whole_epoch() -> None:
    pytest.importorskip("sklearn")
    model, optimizer = linear(0.0)
    x, y = line(30)
    metrics = {"r2": nn.metrics.R2(), "mean": nn.metrics.r2}
    history = quietly(model, optimizer, epochs=2, metrics=metrics, batch_size=7, data=(x, y), validation=(x, y))
    whole = nn.metrics.r2(model(x), y)
    assert history["r2"] == pytest.approx([whole, whole])
    assert history["val_r2"] == pytest.approx([whole, whole])
    assert history["mean"][0] != pytest.approx(whole)


def test_figures_that_are_no_numbers_or_not_always_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    model, optimizer = linear()
    spread = nn.metrics.Metric(lambda output, target: np.array([np.min(output), np.max(output)]))
    run = Run(
        model,
        nn.MSELoss(),
        optimizer,
        metrics={"spread": spread},
        progress=True,
        callbacks=[CSVLogger(tmp_path / "log")],
    )
    loader = nn.DataLoader(nn.TensorDataset(*line()), 10)
    run.train(loader, 2)
    run.train(loader, 2, validation=loader)
    assert "loss=" in capsys.readouterr().err
    assert [axes.get_title(loc="left") for axes in run.history.plot().axes] == ["loss"]
    assert run.history["val_loss"][:2] == [None, None]
    assert len((tmp_path / "log").read_text().splitlines()) == 5


def test_a_run_can_go_on() -> None:
    model, optimizer = linear()
    run = Run(model, nn.MSELoss(), optimizer)
    loader = nn.DataLoader(nn.TensorDataset(*line()), 10)
    run.train(loader, 2)
    history = run.train(loader, 3)
    assert history["epoch"] == [1, 2, 3, 4, 5]


def test_the_bar_shows_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    model, optimizer = linear()
    fit(model, nn.MSELoss(), optimizer, line(), epochs=4, metrics={"twice": lambda o, t: 2.0})
    bar = capsys.readouterr().err
    for text in ("epoch 4/4", "loss=", "twice=2", "lr=0.1", "4/4 [", "<"):
        assert text in bar


@pytest.mark.parametrize("wrong", [3, nn.callbacks.EarlyStopping])
def test_what_is_no_callback_is_refused_at_once(wrong: Any) -> None:
    model, optimizer = linear()
    with pytest.raises(TypeError, match="a callback is a Callback or a function of the run, made already, got"):
        quietly(model, optimizer, wrong)


def test_training_without_a_batch_is_refused() -> None:
    model, optimizer = linear()
    x, y = line(3)
    for data in ((x[:0], y[:0]), nn.DataLoader(nn.TensorDataset(x, y), 4, drop_last=True)):
        with pytest.raises(ValueError, match="there is no batch to train on"):
            fit(model, nn.MSELoss(), optimizer, data, epochs=1, progress=False)
