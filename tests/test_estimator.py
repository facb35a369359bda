"""Networks as scikit-learn estimators: all of scikit-learn's checks, its tools, and what networks need besides."""

from __future__ import annotations

import pickle
import re
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    make_moons,
    make_multilabel_classification,
    make_regression,
)
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import autograd_lite as ag
import nn
from nn.callbacks import Callback
from nn.estimator import NeuralNetClassifier, NeuralNetRegressor
from nn.train import Run

Array = np.ndarray[Any, Any]
MOONS = make_moons(300, noise=0.2, random_state=0)
LINE = (np.linspace(-1, 1, 60).reshape(-1, 1), 3 * np.linspace(-1, 1, 60))


@pytest.mark.filterwarnings("default::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([NeuralNetClassifier(), NeuralNetRegressor()])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    ("load", "at_least"),
    [
        (partial(load_breast_cancer, return_X_y=True), 0.9736),
        (partial(make_moons, 1000, noise=0.2, random_state=0), 0.9620),
        (partial(load_digits, return_X_y=True), 0.9377),
    ],
    ids=["breast cancer", "moons", "digits"],
)
def test_no_worse_than_scikit_learns_network(load: Any, at_least: float) -> None:
    model = make_pipeline(StandardScaler(), NeuralNetClassifier(random_state=0))
    assert cross_val_score(model, *load(), cv=5).mean() >= at_least


def test_searches_calibration_and_bagging() -> None:
    x, y = MOONS
    pipeline = make_pipeline(StandardScaler(), NeuralNetClassifier(hidden=(8,), max_epochs=40, random_state=0))
    search = GridSearchCV(pipeline, {"neuralnetclassifier__lr": [1e-6, 0.05]}, cv=3, n_jobs=2).fit(x, y)
    assert search.best_params_ == {"neuralnetclassifier__lr": 0.05}
    assert search.best_score_ > 0.85
    probabilities = CalibratedClassifierCV(search.best_estimator_, cv=3).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    bags = BaggingRegressor(NeuralNetRegressor(hidden=(8,), lr=0.05, random_state=0), 3, random_state=0)
    assert bags.fit(*LINE).score(*LINE) > 0.9


def test_a_search_on_a_dask_cluster() -> None:
    distributed = pytest.importorskip("distributed")
    import joblib

    x, y = MOONS
    model = NeuralNetClassifier(hidden=(4,), max_epochs=20, random_state=0)
    grid = {"lr": [1e-6, 0.05]}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        search = GridSearchCV(model, grid, cv=3).fit(x, y)
    serial = GridSearchCV(model, grid, cv=3).fit(x, y)
    assert search.best_params_ == serial.best_params_
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"])


def test_clone_and_pickle() -> None:
    x, y = MOONS
    model = NeuralNetClassifier(
        hidden=(8,),
        dropout=0.1,
        batch_norm=True,
        max_epochs=5,
        callbacks=[nn.callbacks.GradientClipping(1.0)],
        random_state=1,
    )
    model.fit(x, y)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))
    model.partial_fit(x, y)
    twin.partial_fit(x, y)
    np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))
    anew = clone(model)
    assert not hasattr(anew, "module_")
    np.testing.assert_array_equal(anew.fit(x, y).partial_fit(x, y).predict_proba(x), model.predict_proba(x))
    assert all(p.grad is None for p in model.module_.parameters())


def test_partial_fit_is_one_epoch() -> None:
    x, y = MOONS
    model = NeuralNetClassifier(hidden=(8,), random_state=0)
    model.partial_fit(x[:50], y[:50], classes=[0, 1, 2])
    assert (model.n_iter_, model.predict_proba(x).shape) == (1, (300, 3))
    steps = len(model.history_)
    model.partial_fit(x, y)
    assert len(model.history_) == steps + 1
    with pytest.raises(ValueError, match=r"classes \[3\], but the network was made for classes_=\[0 1 2\]"):
        model.partial_fit(x[:2], [3, 3])
    whole = NeuralNetClassifier(hidden=(8,), max_epochs=3, random_state=0, batch_size=64).fit(x, y)
    parts = NeuralNetClassifier(hidden=(8,), random_state=0, batch_size=64)
    for _ in range(3):
        parts.partial_fit(x, y)
    np.testing.assert_array_equal(parts.predict_proba(x), whole.predict_proba(x))
    with pytest.raises(ValueError, match="balanced"):
        NeuralNetClassifier(class_weight="balanced").partial_fit(x, y)


def test_early_stopping_keeps_both_losses_and_the_best_weights() -> None:
    x, y = make_moons(120, noise=0.4, random_state=0)
    options = {"hidden": (64, 64), "lr": 0.03, "weight_decay": 0.0, "patience": 8, "random_state": 0}
    stopping = {"early_stopping": True, "validation_fraction": 0.25}
    model = NeuralNetClassifier(**options, **stopping).fit(x, y)  # type: ignore[arg-type]
    losses = model.history_["val_loss"]
    assert model.history_.columns[:3] == ["epoch", "loss", "val_loss"]
    assert model.n_iter_ == len(losses) < 200
    assert int(np.argmin(losses)) == model.n_iter_ - 9
    again = NeuralNetClassifier(**options, **stopping, max_epochs=model.n_iter_ - 8).fit(x, y)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.predict_proba(x), again.predict_proba(x))
    assert "stopped early" in model.history_.ended


def test_training_ends_when_the_loss_does() -> None:
    model = NeuralNetRegressor(hidden=(8,), lr=0.05, tol=1e-3, patience=5, max_epochs=1000, random_state=0).fit(*LINE)
    assert model.n_iter_ < 500
    assert NeuralNetRegressor(hidden=(4,), tol=None, max_epochs=30).fit(*LINE).n_iter_ == 30


def test_warm_start_goes_on() -> None:
    x, y = MOONS
    model = NeuralNetClassifier(hidden=(8,), max_epochs=4, warm_start=True, random_state=0)
    module = model.fit(x, y).module_
    model.fit(x, y)
    assert (model.n_iter_, len(model.history_)) == (8, 8)
    assert model.module_ is module
    whole = NeuralNetClassifier(hidden=(8,), max_epochs=8, random_state=0).fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(x), whole.predict_proba(x))
    with pytest.raises(ValueError, match="features"):
        model.fit(x[:, :1], y)
    with pytest.raises(ValueError, match="classes"):
        model.fit(x, y + 1)
    cold = NeuralNetClassifier(hidden=(8,), max_epochs=4, random_state=0).fit(x, y)
    assert cold.fit(x, y).n_iter_ == 4


def test_sample_weights_count_samples() -> None:
    x, y = MOONS
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    model = NeuralNetClassifier(hidden=(8,), max_epochs=30, batch_size=1000, random_state=0)
    repeated = clone(model).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(model.fit(x, y, weights).predict_proba(x), repeated.predict_proba(x), rtol=1e-8)
    kept = weights > 0
    minibatches = NeuralNetRegressor(hidden=(8,), max_epochs=5, batch_size=16, random_state=0)
    rest = clone(minibatches).fit(x[kept], x[kept, 0])
    np.testing.assert_allclose(minibatches.fit(x, x[:, 0], kept).predict(x), rest.predict(x), rtol=1e-10)
    for wrong in (-weights, 0 * weights):
        with pytest.raises(ValueError, match=r"Negative|non-zero"):
            model.fit(x, y, wrong)
    with pytest.raises(ValueError, match="gives a loss for each sample"):
        NeuralNetRegressor(criterion=nn.functional.mse_loss).fit(x, x[:, 0], weights)


def test_class_weights() -> None:
    x, y = MOONS
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:15]]
    x, y = x[kept], y[kept]
    recalls = []
    for class_weight in (None, "balanced", {1: 100.0}):
        model = NeuralNetClassifier(hidden=(8,), lr=0.01, max_epochs=60, class_weight=class_weight, random_state=0)
        recalls.append(np.mean(model.fit(x, y).predict(x[y == 1])))
    assert recalls[0] < recalls[1] <= recalls[2]


def test_several_outputs_and_several_labels() -> None:
    x, y = make_regression(100, 4, n_targets=3, random_state=0)
    y = y / y.std(axis=0)
    model = NeuralNetRegressor(hidden=(32,), lr=0.02, random_state=0).fit(x, y, sample_weight=np.ones(100))
    assert model.predict(x).shape == (100, 3)
    assert model.score(x, y) > 0.9
    with pytest.raises(ValueError, match="2 outputs"):
        model.partial_fit(x, y[:, :2])
    x, y = make_multilabel_classification(150, 10, n_classes=4, random_state=0)
    labels = NeuralNetClassifier(hidden=(32,), lr=0.01, random_state=0, class_weight=None).fit(x, y)
    assert labels.predict(x).shape == labels.predict_proba(x).shape == (150, 4)
    assert labels.score(x, y) > 0.7


class Net(nn.Module):
    """A module of one's own, made from the numbers of inputs and outputs."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.hidden = nn.Linear(inputs, 16, nn.Tanh())
        self.noise = nn.Dropout(0.1)
        self.last = nn.Linear(16, outputs)

    def forward(self, x: Any) -> Any:
        return self.last(self.noise(self.hidden(x)))


def probable(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16, nn.ReLU()), nn.Linear(16, outputs, nn.Sigmoid()))


def test_a_module_of_ones_own() -> None:
    x, y = MOONS
    ag.manual_seed(7)
    state = ag.default_generator().bit_generator.state
    models = [NeuralNetClassifier(Net, lr=0.02, max_epochs=60, random_state=0).fit(x, y) for _ in range(2)]
    assert models[0].score(x, y) > 0.85
    np.testing.assert_array_equal(models[0].predict_proba(x), models[1].predict_proba(x))
    assert ag.default_generator().bit_generator.state == state
    pickle.loads(pickle.dumps(models[0])).predict(x)
    made = Net(2, 1)
    weights = made.state_dict()
    tuned = NeuralNetClassifier(made, lr=0.0, max_epochs=1).fit(x, y)
    np.testing.assert_array_equal(tuned.module_.state_dict()["last.weight"], weights["last.weight"])
    assert tuned.module_ is not made
    model = NeuralNetClassifier(probable, criterion=nn.BCELoss(), lr=0.02, max_epochs=60, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.85
    outputs = model.module_(x).numpy()[:, 0]
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], outputs, rtol=1e-9)


def test_optimisers_activations_and_float32() -> None:
    x, y = MOONS
    for optimizer in ("sgd", "adamw", partial(nn.optim.SGD, momentum=0.9)):
        model = NeuralNetClassifier(hidden=(8,), activation="tanh", optimizer=optimizer, lr=0.1, random_state=0)
        assert model.fit(x, y).score(x, y) > 0.8
    model = NeuralNetClassifier(hidden=(8,), activation=nn.ELU, max_epochs=5).fit(x.astype(np.float32), y)
    assert {p.dtype for p in model.module_.parameters()} == {np.dtype(np.float32)}
    assert model.predict_proba(x).dtype == np.float32
    for wrong, text in (({"optimizer": "adamm"}, r"one of \[.*'adam'"), ({"activation": "rely"}, r"one of \[.*'relu'")):
        with pytest.raises(ValueError, match=text):
            NeuralNetClassifier(**wrong).fit(x, y)


class CountEpochs(Callback):
    epochs = 0

    def on_epoch_end(self, run: Run) -> None:
        self.epochs += 1


class Interrupt(Callback):
    def on_batch_end(self, run: Run) -> None:
        run.interrupted = True


def test_callbacks_are_copied_and_ctrl_c_warns() -> None:
    counting = CountEpochs()
    model = NeuralNetRegressor(hidden=(4,), max_epochs=3, callbacks=[counting]).fit(*LINE)
    assert (model.callbacks_[0].epochs, counting.epochs) == (3, 0)
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        NeuralNetRegressor(hidden=(4,), callbacks=[Interrupt()]).fit(*LINE)


def test_progress_is_shown_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    NeuralNetRegressor(hidden=(4,), max_epochs=2, verbose=1).fit(*LINE)
    assert "epoch 2/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("module", "mlp"), ("criterion", "mse"), ("callbacks", "csv"), ("batch_size", 0), ("batch_size", "all")),
        *(("hidden", (8, 0)), ("hidden", "8"), ("hidden", -1), ("max_epochs", 0), ("max_epochs", 2.5)),
        *(("patience", 0), ("validation_fraction", 1.0), ("validation_fraction", "0.1")),
    ],
)
def test_settings_that_cannot_be_are_named(name: str, wrong: Any) -> None:
    x, y = make_moons(20, random_state=0)
    for made in (NeuralNetClassifier, NeuralNetRegressor):
        estimator = made().set_params(**{name: wrong})
        message = f"^{name} of {made.__name__} must be .*, got {re.escape(repr(wrong))}$"
        for train in (estimator.fit, estimator.partial_fit):
            with pytest.raises(ValueError, match=message):
                train(x, y)


def test_hidden_may_be_a_single_number() -> None:
    x, y = make_moons(40, random_state=0)
    single, sequence = (NeuralNetClassifier(hidden=h, max_epochs=2, random_state=0).fit(x, y) for h in (7, (7,)))
    np.testing.assert_array_equal(single.predict_proba(x), sequence.predict_proba(x))


@pytest.mark.parametrize("counts", [(7, 7, 7), (20, 1, 1), (3, 2, 2), (2, 2)])
def test_early_stopping_on_few_samples(counts: tuple[int, ...]) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).normal(size=(len(y), 3))
    model = NeuralNetClassifier(early_stopping=True, max_epochs=3, random_state=0).fit(x, y)
    assert np.isfinite(model.history_["val_loss"]).all()
