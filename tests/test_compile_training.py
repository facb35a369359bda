"""`compile=True` of `fit`, `Run` and the estimators: the same training, by replayed steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn.callbacks import GradientClipping
from nn.train import Run, fit

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(70, 3)), RNG.integers(0, 4, size=70)


def trained(compile: bool, optimizer: Any = nn.optim.Adam, **options: Any) -> Any:
    ag.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
    moves = optimizer(model.parameters(), lr=0.02)
    options = {"metrics": ["accuracy"], "validation": (X[:20], T[:20]), "epochs": 4, "progress": False, **options}
    history = fit(model, nn.CrossEntropyLoss(), moves, (X, T), compile=compile, **options)
    return model, history


def assert_same_training(ours: Any, theirs: Any) -> None:
    (model, history), (other, expected) = ours, theirs
    for key, x in model.state_dict().items():
        np.testing.assert_allclose(x, other.state_dict()[key], rtol=1e-6, atol=1e-8)
    for row, wanted in zip(history.rows, expected.rows, strict=True):
        assert row.keys() == wanted.keys()
        for name in row.keys() - {"seconds"}:
            assert row[name] == pytest.approx(wanted[name], rel=1e-6)


@pytest.mark.parametrize("optimizer", [nn.optim.Adam, nn.optim.SGD], ids=["adam", "sgd"])
def test_fit(optimizer: Any) -> None:
    assert_same_training(trained(True, optimizer), trained(False, optimizer))


def test_callbacks_between_gradients_and_step() -> None:
    clipped = [trained(c, callbacks=[GradientClipping(0.05)]) for c in (True, False)]
    assert_same_training(*clipped)


def test_rates_that_a_schedule_changes() -> None:
    def halve(run: Run) -> None:
        run.optimizer.param_groups[0]["lr"] *= 0.5

    assert_same_training(*(trained(c, callbacks=[halve]) for c in (True, False)))


def test_an_optimiser_that_calls_its_closure_often() -> None:
    def fitted(compile: bool) -> Any:
        ag.manual_seed(0)
        model = nn.Linear(3, 1)
        optimizer = nn.optim.LBFGS(model.parameters(), lr=0.5)
        y = X @ np.array([[1.0], [2.0], [-1.0]])
        loader = nn.data.DataLoader(nn.data.TensorDataset(X, y), 70)
        return model, fit(model, nn.MSELoss(), optimizer, loader, epochs=3, progress=False, compile=compile)

    assert_same_training(fitted(True), fitted(False))


def test_losses_that_are_not_finite_are_explained() -> None:
    ag.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    run = Run(model, nn.MSELoss(), optimizer, compile=True)
    loader = nn.data.DataLoader(nn.data.TensorDataset(X[:64], X[:64, :1]), 16)
    run.train(loader, 2)
    before = model.state_dict()["weight"].copy()
    bad = X[:16].copy()
    bad[3, 1] = np.nan
    with pytest.raises(ag.AnomalyError, match="Entry 0 of the batch holds NaN"):
        run.train(nn.data.DataLoader(nn.data.TensorDataset(bad, bad[:, :1]), 16, shuffle=False), 1)
    np.testing.assert_array_equal(model.state_dict()["weight"], before)


def test_a_run_that_is_subclassed() -> None:
    class Weighted(Run):
        factor = 2.0

        def forward(self, batch: Any) -> Any:
            loss, output, target = super().forward(batch)
            return loss * self.factor, output, target

    ag.manual_seed(0)
    models = [nn.Linear(3, 4) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, compile in zip(models, (True, False), strict=True):
        run = Weighted(model, nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1), compile=compile)
        for factor in (2.0, 3.0):
            run.factor = factor
            run.train(nn.data.DataLoader(nn.data.TensorDataset(X[:64], T[:64]), 16), 2)
    np.testing.assert_allclose(models[0].weight.numpy(), models[1].weight.numpy(), rtol=1e-9)


def test_estimators() -> None:
    pytest.importorskip("sklearn")
    from nn.estimator import NeuralNetClassifier, NeuralNetRegressor

    for kind, y in ((NeuralNetClassifier, T), (NeuralNetRegressor, X[:, 0] * 2)):
        weights = RNG.uniform(0.5, 2, size=70)
        options = {"hidden": (6,), "max_epochs": 5, "random_state": 0, "batch_size": 16, "dropout": 0.1}
        plain, compiled = (kind(compile=c, **options).fit(X, y, weights) for c in (False, True))
        np.testing.assert_allclose(compiled.predict(X), plain.predict(X), rtol=1e-7)
        assert compiled.get_params()["compile"] is True


def _checked_estimators() -> Any:
    from nn.estimator import NeuralNetClassifier, NeuralNetRegressor

    options = {"compile": True, "max_epochs": 60}
    return [NeuralNetClassifier(**options), NeuralNetRegressor(**options)]


sklearn_checks = pytest.importorskip("sklearn.utils.estimator_checks")


@pytest.mark.filterwarnings("default::sklearn.exceptions.SkipTestWarning")
@sklearn_checks.parametrize_with_checks(_checked_estimators())  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
