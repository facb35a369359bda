"""XOR: the smallest task that a network without a hidden layer cannot do.

``python -m examples.xor`` trains one network; ``--seeds 20`` trains one for each of 20 seeds and counts those that get
all four right.

The third input is always 1. With PyTorch's initial values 6 of 20 seeds fail: four ReLU units are few, and
one that is 0 for all four samples never learns again. Four choices let all of seeds 0 to 19 (and all of 500 others
tried) succeed:

* inputs of -1 and 1 in place of 0 and 1, so that no sample is the zero vector;
* a first layer of two orthogonal rows and their negatives: of each pair one unit is awake for every sample
  (after the "looks linear" initialisation of Balduzzi et al. 2017);
* a second layer of positive weights and small positive biases: its units are awake for every sample;
* Adam at a low rate of 0.01: at 0.1 a step can still put a unit to sleep.

``--plain`` takes PyTorch's initial values instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save, table
from nn import plots
from nn.train import Run, fit, predict

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
X = np.column_stack([2.0 * BITS - 1, np.ones(4)])
Y = (BITS[:, :1] ^ BITS[:, 1:]).astype(float)


class Model(nn.Module):
    """Two hidden layers of four ReLU units, and a probability."""

    def __init__(self) -> None:
        self.hidden1 = nn.Linear(3, 4, nn.ReLU())
        self.hidden2 = nn.Linear(4, 4, nn.ReLU())
        self.output = nn.Linear(4, 1, nn.Sigmoid())

    def forward(self, x: Any) -> Any:
        return self.output(self.hidden2(self.hidden1(x)))


class Result(NamedTuple):
    """A trained network, its course, and how many of the four it gets right."""

    model: Model
    history: nn.History
    right: int


def keep_awake(model: Model) -> None:
    """Choose initial values with which every ReLU unit of the second layer is positive for every sample."""
    half = nn.init.orthogonal_(nn.Parameter(np.empty((2, 3))), gain=np.sqrt(2)).numpy()
    second = nn.init.kaiming_uniform_(model.hidden2.weight).numpy().copy()
    model.hidden1.weight.data = np.concatenate([half, -half])
    model.hidden2.weight.data = np.abs(second)
    nn.init.orthogonal_(model.output.weight, gain=np.sqrt(2))
    for layer, bias in ((model.hidden1, 0.1), (model.hidden2, 0.1), (model.output, 0.0)):
        assert layer.bias is not None
        nn.init.constant_(layer.bias, bias)


def train(seed: int, epochs: int, careful: bool = True, talk: bool = True) -> Result:
    """Train a network on all four samples at once.

    Parameters
    ----------
    seed, epochs : int
    careful : bool, optional
        Initialise by `keep_awake`.
    talk : bool, optional
        Print loss and accuracy every 100 epochs.
    """
    ag.manual_seed(seed)
    model = Model()
    if careful:
        keep_awake(model)
    if talk:
        print(f"\n{model}\n")
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    listeners = [report] if talk else []
    history = fit(
        model, nn.BCELoss(), optimizer, (X, Y),
        epochs=epochs, batch_size=4, metrics=["accuracy"], callbacks=listeners, progress=False,
    )  # fmt: skip
    return Result(model, history, int(np.sum((predict(model, X) > 0.5) == Y)))


def report(run: Run) -> None:
    """Print loss and accuracy every 100 epochs."""
    if run.epoch == 1 or run.epoch % 100 == 0:
        print(f"epoch {run.epoch:4d}   loss {run.figures['loss']:.4f}   accuracy {run.figures['accuracy']:.2f}")


def predictions(model: Model) -> str:
    """Return a table of the four samples."""
    rows = [("x1  x2", "target", "probability", "prediction", "")]
    for (a, b), target, p in zip(BITS, Y[:, 0], predict(model, X)[:, 0], strict=True):
        rows.append(
            (f" {a}   {b}", f"{target:.0f}", f"{p:.4f}", str(int(p > 0.5)), "ok" if (p > 0.5) == target else "WRONG")
        )
    return table(rows)


def picture(result: Result) -> Any:
    """Draw the loss, and what the network answers between the four corners."""
    figure, ((curve, plane),) = plots.panels(1, 2)
    plots.learning_curves(result.history, ["loss"], ax=curve, title="Training on all four samples at once")

    def probability(bits: Array) -> Array:
        return predict(result.model, np.column_stack([2 * bits - 1, np.ones(len(bits))]))

    title, extent = "Answers; targets: circle 0, triangle 1", (-0.3, 1.3, -0.3, 1.3)
    corners = BITS.astype(float)
    plots.decision_boundary(probability, corners, Y, ax=plane, title=title, extent=extent, size=130, legend=False)
    plane.set(aspect="equal", xticks=[0, 1], yticks=[0, 1])
    return figure


def count(options: argparse.Namespace) -> int:
    """Train with many seeds; return with how many all four are right."""
    good = 0
    for seed in range(options.seed, options.seed + options.seeds):
        result = train(seed, options.epochs, not options.plain, talk=False)
        good += result.right == 4
        print(f"seed {seed:3d}   {result.right} of 4 right   loss {result.history['loss'][-1]:.5f}")
    print(f"all four right for {good} of {options.seeds} seeds")
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; return how many of the four are right, or for how many seeds all are."""
    options_of = parser("xor", __doc__)
    options_of.add_argument("--epochs", type=int, default=1000, help="(default: %(default)s)")
    options_of.add_argument("--seeds", type=int, default=0, metavar="N", help="train for each of N seeds, and count")
    options_of.add_argument("--plain", action="store_true", help="PyTorch's initial values")
    options = options_of.parse_args(arguments)
    if options.seeds:
        return count(options)
    result = train(options.seed, options.epochs, not options.plain)
    print(f"\n{predictions(result.model)}\n")
    save(picture(result), options.out / "xor.png")
    return result.right


if __name__ == "__main__":
    main()
