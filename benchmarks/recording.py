"""What it costs to record a training for its pictures: the same training with and without `nn.plots.Recorder`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from benchmarks.peers import load
from benchmarks.row import OURS, Array, Row, Target, Work

__all__ = ["rows"]

_EPOCHS = 50
_UNRECORDED = "not recorded"


def _training(x: Array, y: Array, hidden: Sequence[int], recorded: bool) -> Work:
    model: Any = None

    def run() -> None:
        nonlocal model
        ag.manual_seed(0)
        model = nn.MLP(x.shape[1], hidden, 1, activation=nn.Tanh)
        callbacks = [nn.plots.Recorder()] if recorded else []
        optimizer = nn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        nn.train.fit(
            model, nn.BCEWithLogitsLoss(), optimizer, (x, y[:, None]),
            epochs=_EPOCHS, metrics=["accuracy"], callbacks=callbacks, progress=False,
        )  # fmt: skip

    return Work(run, lambda: [p.numpy() for p in model.parameters()])


def rows() -> Iterator[Row]:
    """Yield a row for each of two small networks, on which recording weighs most."""
    data = load("sklearn.datasets")
    x, y = data.load_breast_cancer(return_X_y=True)
    tasks = {
        "30-16-1, breast cancer": ((x - x.mean(axis=0)) / x.std(axis=0), y.astype(float), [16]),
        "2-16-16-1, 1,000 moons": (*data.make_moons(1000, noise=0.2, random_state=0), [16, 16]),
    }
    for name, (samples, labels, hidden) in tasks.items():
        works = {
            OURS: _training(samples, labels.astype(np.float64), hidden, recorded=True),
            _UNRECORDED: _training(samples, labels.astype(np.float64), hidden, recorded=False),
        }
        yield Row(f"{_EPOCHS} epochs of {name}, recorded", works, (Target(1.05, _UNRECORDED),))
