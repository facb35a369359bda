"""The recorder notes what happened, costs little memory, changes nothing, and survives checkpoints."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.callbacks import Callback, Checkpoint
from nn.plots import Recorder
from nn.plots.recorder import loaded
from nn.plots.stuck import StuckUnits, watched
from nn.plots.thinning import Thinned
from nn.train import Run, fit

Array = np.ndarray[Any, Any]


def data(n: int = 96) -> tuple[Array, Array]:
    x = np.random.default_rng(1).normal(size=(n, 2))
    return x, (x[:, :1] * x[:, 1:] > 0).astype(float)


def network(seed: int = 0, activation: Any = nn.Tanh) -> nn.Module:
    ag.manual_seed(seed)
    return nn.MLP(2, [6, 5], 1, activation=activation, batch_norm=True)


def train(model: nn.Module, *callbacks: Any, epochs: int = 4, lr: float = 0.1, **options: Any) -> nn.History:
    optimizer = nn.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    generator = np.random.default_rng(3)
    return fit(
        model, nn.BCEWithLogitsLoss(), optimizer, options.pop("data", data()), epochs=epochs, callbacks=callbacks,
        progress=False, generator=generator, **options,
    )  # fmt: skip


class Witness(Callback):
    """Notes in its own way what a recorder is to note."""

    def __init__(self) -> None:
        self.states: list[dict[str, Array]] = []
        self.batches: list[dict[str, tuple[Array, Array, Array]]] = []
        self._before: dict[str, Array] = {}

    def on_train_begin(self, run: Run) -> None:
        self.states.append(run.model.state_dict())

    def on_gradients(self, run: Run) -> None:
        self._before = {n: p.numpy().copy() for n, p in run.model.named_parameters()}

    def on_batch_end(self, run: Run) -> None:
        seen = {n: (self._before[n], np.array(p.grad), p.numpy().copy()) for n, p in run.model.named_parameters()}
        self.batches.append(seen)

    def on_epoch_end(self, run: Run) -> None:
        self.states.append(run.model.state_dict())


def test_it_notes_what_happened() -> None:
    witness, recorder, model = Witness(), Recorder(every=1), network()
    train(model, witness, recorder)
    assert recorder.names == tuple(n for n, _ in model.named_parameters())
    assert recorder.shapes == tuple(p.shape for p in model.parameters())
    assert recorder.epochs == [1, 2, 3, 4]
    seen = witness.batches[1::3]  # of three batches an epoch, the last but one
    for i, name in enumerate(recorder.names):
        for column, norm in enumerate(("weight", "gradient", "update")):
            arrays = [moment[name] for moment in seen]
            what = [(before, g, after - before)[column] for before, g, after in arrays]
            expected = [np.linalg.norm(a) for a in what]
            np.testing.assert_allclose(recorder.norms(norm)[:, i], expected, rtol=1e-12)
        epochs, weights = recorder.distribution("weight", name)
        assert epochs == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(weights, [np.ravel(state[name]) for state in witness.states])
        epochs, gradients = recorder.distribution("gradient", name)
        assert epochs == [1, 2, 3, 4]
        np.testing.assert_array_equal(gradients, [np.ravel(moment[name][1]) for moment in seen])
    states = recorder.states()
    assert [epoch for epoch, _ in states] == [0, 1, 2, 3, 4]
    for (_, ours), theirs in zip(states, witness.states, strict=True):
        assert ours.keys() == theirs.keys()
        for key, x in theirs.items():
            np.testing.assert_array_equal(ours[key], x)


def test_reckoning_at_once_or_together_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    together, at_once = Recorder(every=1), Recorder(every=1)
    train(network(activation=nn.ReLU), together, epochs=10)
    monkeypatch.setattr("nn.plots.recorder._WAITING", (1, 0.0))
    train(network(activation=nn.ReLU), at_once, epochs=10)
    for of in ("weight", "gradient", "update"):
        np.testing.assert_allclose(at_once.norms(of), together.norms(of), rtol=1e-12)
    assert at_once.dead == together.dead


def test_it_changes_nothing() -> None:
    plain, watched_one = network(), network()
    histories = [train(plain), train(watched_one, Recorder(every=1))]
    assert histories[0]["loss"] == histories[1]["loss"]
    for a, b in zip(plain.parameters(), watched_one.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert not any(module._hooks for module in watched_one.modules())


def test_no_hook_and_no_reference_stays_behind() -> None:
    recorder, model = Recorder(), network()
    train(model, recorder)
    assert not recorder._params
    assert not recorder._tensors
    again = pickle.loads(pickle.dumps(recorder))
    np.testing.assert_array_equal(again.norms("weight"), recorder.norms("weight"))
    assert copy.deepcopy(recorder).dead == recorder.dead


def test_a_run_that_failed_leaves_the_model_whole_and_the_next_one_cleans_up() -> None:
    class Fails(Callback):
        def on_gradients(self, run: Run) -> None:
            if run.epoch == 2:
                raise RuntimeError("in the middle of a look")

    recorder, model = Recorder(every=1), network()
    with pytest.raises(RuntimeError, match="in the middle"):
        train(model, recorder, Fails())
    assert recorder.epochs == [1]
    assert recorder._units is not None
    assert any(module._hooks for module in model.modules())
    pickle.loads(pickle.dumps(model))
    for _ in range(300):
        model(ag.Tensor(data()[0]))
    assert all(len(kept) == 256 for kept in recorder._units._kept)
    train(model, recorder)
    assert recorder.epochs == [1, 2, 3, 4]
    assert not any(module._hooks for module in model.modules())


@pytest.mark.parametrize(
    ("epochs", "batches", "expected"),
    [
        (4, 80, [1, 2, 3, 4]),  # an epoch is long enough
        (100, 40, [1, *range(2, 101, 2)]),  # 80 batches
        (25, 1, [1, *range(2, 25, 2), 25]),  # at least ten looks
        (1, 1, [1]),
    ],
)
def test_how_often_it_looks(epochs: int, batches: int, expected: list[int]) -> None:
    recorder = Recorder()
    train(nn.Linear(2, 1), recorder, epochs=epochs, data=data(2 * batches), batch_size=2)
    assert recorder.epochs == expected


def test_distributions_of_large_parameters_are_samples() -> None:
    recorder, model = Recorder(every=1, samples=50), nn.Linear(2, 30)
    x = data()[0]
    fit(
        model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.1), (x, np.zeros((96, 30))), epochs=2,
        callbacks=[recorder], progress=False,
    )  # fmt: skip
    for of in ("weight", "gradient"):
        assert recorder.distribution(of, "weight")[1].shape[1] == 50
    last = recorder.distribution("weight", "weight")[1][-1]
    assert np.isin(last, model.weight.numpy()).all()
    assert len(set(last)) == 50
    positions = [np.flatnonzero(model.weight.numpy() == x)[0] for x in last]
    first = recorder.states()[0][1]["weight"].ravel()
    np.testing.assert_array_equal(recorder.distribution("weight", "weight")[1][0], first[positions])


def test_memory_is_bounded_and_epochs_stay_evenly_spread() -> None:
    record = Thinned(limit=8 * 10)
    for epoch in range(1000):
        record.add(epoch, np.array([float(epoch)]))
        assert len(record.arrays) <= 10
    gaps = np.diff(record.epochs)
    assert record.epochs[0] == 0
    assert record.epochs[-1] == 999
    assert len(set(gaps[:-1])) == 1
    assert [float(a[0]) for a in record.arrays] == record.epochs
    recorder = Recorder(every=1, memory=4000)
    train(network(), recorder, epochs=30)
    assert len(recorder.epochs) == 30
    assert 2 <= len(recorder.states()) < 30
    assert recorder.states()[-1][0] == 30


def test_without_snapshots() -> None:
    recorder = Recorder(every=1, snapshots=False)
    train(network(), recorder)
    assert recorder.states() == []
    assert recorder.distribution("weight", "0.weight")[0] == [0, 1, 2, 3, 4]


def test_a_resumed_run_has_the_record_of_one_that_never_stopped(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    whole, cut = Recorder(every=1), Recorder(every=1)
    train(network(), Checkpoint(tmp_path / "whole"), whole, epochs=6)
    train(network(), Checkpoint(tmp_path / "cut"), Recorder(every=1), epochs=3)
    train(network(), Checkpoint(tmp_path / "cut"), cut, epochs=6)
    assert cut.epochs == whole.epochs == [1, 2, 3, 4, 5, 6]
    assert cut.dead == whole.dead
    for of in ("weight", "gradient", "update"):
        np.testing.assert_array_equal(cut.norms(of), whole.norms(of))
    for of in ("weight", "gradient"):
        np.testing.assert_array_equal(cut.distribution(of, "0.weight")[1], whole.distribution(of, "0.weight")[1])
    for (epoch, ours), (other, theirs) in zip(cut.states(), whole.states(), strict=True):
        assert epoch == other
        for key in theirs:
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_a_record_of_another_model_is_refused() -> None:
    first, second = Recorder(), Recorder()
    train(network(), first)
    run = Run(nn.Linear(2, 1), nn.MSELoss(), nn.optim.SGD([nn.Parameter([1.0])], lr=0.1), callbacks=[second])
    second.on_train_begin(run)
    second.load_state_dict(first.state_dict())
    with pytest.raises(
        ValueError, match=r"the saved record is of the parameters 0\.weight \(6, 2\).*the model has weight \(1, 2\)"
    ):
        second.on_ready(run)
    with pytest.raises(ValueError, match="samples=500, this Recorder samples=3"):
        Recorder(samples=3).load_state_dict(first.state_dict())


def test_a_second_run_begins_anew_and_a_continued_one_goes_on() -> None:
    recorder = Recorder(every=1)
    train(network(), recorder)
    train(nn.Linear(2, 1), recorder, epochs=2)
    assert recorder.names == ("weight", "bias")
    assert recorder.epochs == [1, 2]
    model = nn.Linear(2, 1)
    run = Run(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.1), callbacks=[recorder])
    loader = nn.DataLoader(nn.TensorDataset(*data()), 32)
    run.train(loader, 2)
    run.train(loader, 1)
    assert recorder.epochs == [1, 2, 3]


def test_a_parameter_without_a_gradient_is_nan() -> None:
    recorder, model = Recorder(every=1), network()
    model.get_parameter("0.weight").requires_grad_(False)
    train(model, recorder)
    frozen = recorder.names.index("0.weight")
    assert np.isnan(recorder.norms("gradient")[:, frozen]).all()
    assert np.isfinite(np.delete(recorder.norms("gradient"), frozen, axis=1)).all()
    np.testing.assert_array_equal(recorder.norms("update")[:, frozen], 0)


def test_lbfgs_calls_its_closure_more_than_once() -> None:
    recorder, model = Recorder(every=1), nn.Linear(2, 1)
    fit(
        model, nn.MSELoss(), nn.optim.LBFGS(model.parameters(), lr=0.5), data(), epochs=2, callbacks=[recorder],
        progress=False,
    )  # fmt: skip
    assert recorder.epochs == [1, 2]
    assert (recorder.norms("update")[0] > 0).all()


DEAD = [
    (nn.ReLU, [[-1.0, 0.5, 0.0], [-2.0, -0.5, -3.0]], [1, 0, 1]),
    (nn.Tanh, [[9.0, 0.5, -9.0], [-8.0, 9.0, -7.0]], [1, 0, 1]),
    (nn.Sigmoid, [[9.0, 0.5, -9.0], [-8.0, 9.0, 4.0]], [1, 0, 0]),
    (nn.GELU, [[-9.0, 0.5, -7.0], [-8.0, -9.0, 1.0]], [1, 0, 0]),
    (nn.SiLU, [[-30.0, 0.5, -40.0], [-20.0, -9.0, -50.0]], [1, 0, 1]),
    (nn.Mish, [[-30.0, 0.5, -40.0], [-20.0, -9.0, -50.0]], [1, 0, 1]),
    (nn.ELU, [[-9.0, 0.5, -1.0], [-8.0, -9.0, -50.0]], [1, 0, 0]),
    (nn.CELU, [[-9.0, 0.5, -1.0], [-8.0, -9.0, -50.0]], [1, 0, 0]),
    (nn.Softplus, [[-9.0, 0.5, -8.0], [-8.0, -9.0, -7.0]], [1, 0, 1]),
    (nn.Softsign, [[500.0, 0.5, -900.0], [-800.0, -9.0, 2.0]], [1, 0, 0]),
    (nn.Hardtanh, [[2.0, 0.5, -1.0], [-8.0, -9.0, 2.0]], [1, 0, 1]),
]


@pytest.mark.parametrize(("kind", "x", "stuck"), DEAD, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("copies", [1, 2000], ids=["few", "many"])  # of many only witnesses are kept
def test_which_units_are_stuck(kind: Any, x: Any, stuck: list[int], copies: int) -> None:
    model = nn.Sequential(kind())
    units = StuckUnits(model)
    units.open()
    for batch in [[row] for row in x] if copies == 1 else [np.tile(x, (copies, 1))] * 2:
        model(ag.Tensor(batch))
    model.eval()
    model(ag.Tensor(np.ones((4, 3))))  # not looked at
    assert units.count([units.close()]) == {"0": [(sum(stuck), 3)]}


def test_stuck_units_of_images_sequences_and_flat_outputs() -> None:
    shapes = {(4, 3, 5, 5): 3, (4, 5, 3): 3, (4,): 1}
    for shape, units_there in shapes.items():
        model = nn.Sequential(nn.ReLU())
        units = StuckUnits(model)
        units.open()
        x = -np.ones(shape)
        model(ag.Tensor(x))
        first = units.close()
        units.open()
        x[-1, ...] = 1.0
        model(ag.Tensor(x))
        assert units.count([first, units.close()]) == {"0": [(units_there, units_there), (0, units_there)]}
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.ReLU())
    units = StuckUnits(model)
    units.open()
    model(ag.Tensor(np.ones((4, 1, 7))))
    assert units.count([units.close()])["1"][0][1] == 2


def test_a_dead_layer_is_seen_while_training() -> None:
    recorder, model = Recorder(every=1), nn.MLP(2, [6, 5], 1)
    model.get_parameter("2.bias").data = np.full(5, -100.0)
    train(model, recorder, epochs=20, lr=0.01)
    assert recorder.activations == {"1": "ReLU", "3": "ReLU"}
    assert recorder.dead["3"] == [(5, 5)] * 20
    assert [total for _, total in recorder.dead["1"]] == [6] * 20


def test_activations_inside_linear_layers_are_watched() -> None:
    model = nn.Linear(2, 3, nn.ReLU())
    assert list(watched(model)) == ["activation"]


def test_weights_are_given_back_even_after_an_error() -> None:
    model = network()
    before, other = model.state_dict(), network(1).state_dict()

    def fail() -> None:
        with loaded(model, other):
            np.testing.assert_array_equal(model.state_dict()["0.weight"], other["0.weight"])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    for key, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


@pytest.mark.parametrize("options", [{"every": 0}, {"samples": 0}])
def test_nonsense_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Recorder(**options)


def test_questions_that_have_no_answer() -> None:
    recorder = Recorder(every=1)
    train(network(), recorder)
    with pytest.raises(ValueError, match="not of 'bias'"):
        recorder.norms("bias")
    with pytest.raises(ValueError, match="not of 'update'"):
        recorder.distribution("update", "0.weight")
    with pytest.raises(ValueError, match=r"there is no parameter 'weights'; there are 0\.weight"):
        recorder.distribution("weight", "weights")
    assert repr(recorder) == "Recorder(4 epochs of 10 parameters, 5 snapshots)"
