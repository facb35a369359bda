"""Synthetic data: a classification and a regression, and the choices that every small network asks for.

``python -m examples.synthetic`` trains two networks, one by softmax cross-entropy and one by the squared error, with
mini-batch SGD, momentum and a falling rate, and writes four pictures: loss and metric of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save
from nn import plots
from nn.callbacks import Schedule
from nn.schedule import CosineAnnealingLR, ExponentialLR, StepLR
from nn.train import Run, fit

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU,
}  # fmt: skip
SCHEDULES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda optimizer, epochs: StepLR(optimizer, epochs + 1),
    "step": lambda optimizer, epochs: StepLR(optimizer, max(epochs // 3, 1), gamma=0.3),
    "exponential": lambda optimizer, epochs: ExponentialLR(optimizer, 0.02 ** (1 / epochs)),
    "cosine": lambda optimizer, epochs: CosineAnnealingLR(optimizer, epochs),
}


class Task(NamedTuple):
    """Data split into a training and a validation part, and how an output is judged."""

    name: str
    data: tuple[Array, Array]
    validation: tuple[Array, Array]
    outputs: int
    loss: nn.Module
    metric: str
    measure: Callable[[Any, Any], float]


def r2(output: Any, target: Any) -> float:
    """Return the part of the targets' variance that is explained, within a batch."""
    y, t = output.numpy(), target.numpy()
    return float(1 - np.sum((y - t) ** 2) / np.sum((t - t.mean()) ** 2))


def classification(seed: int) -> Task:
    """Make four clouds of points in ten dimensions that overlap a little: 1,000 samples."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        1000, 10, n_informative=6, n_redundant=2, n_classes=4, class_sep=1.5, flip_y=0.02, random_state=seed
    )
    data, validation = split(x, y, seed)
    return Task(
        "classification", data, validation, 4, nn.CrossEntropyLoss(), "accuracy", nn.metrics.accuracy
    )  # fmt: skip


def regression(seed: int) -> Task:
    """Make Friedman's function of five of ten numbers, with noise: 1,000 samples (Friedman 1991)."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(1000, 10, noise=1.0, random_state=seed)
    data, validation = split(x, ((y - y.mean()) / y.std()).reshape(-1, 1), seed)
    return Task("regression", data, validation, 1, nn.MSELoss(), "R2", r2)


def split(x: Array, y: Array, seed: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return a training part of 80 % and a validation part, features scaled by the former's mean and deviation."""
    order = np.random.default_rng(seed).permutation(len(x))
    rows, held_out = order[: len(x) * 4 // 5], order[len(x) * 4 // 5 :]
    x = (x - x[rows].mean(axis=0)) / x[rows].std(axis=0)
    return (x[rows], y[rows]), (x[held_out], y[held_out])


def make(options: argparse.Namespace, inputs: int, outputs: int) -> nn.MLP:
    """Return a network, its weights drawn by He's or Xavier's rule and its biases 0."""
    activation = ACTIVATIONS[options.activation]
    model = nn.MLP(inputs, options.hidden, outputs, activation=activation, batch_norm=options.batch_norm)
    layers = [module for module in model if isinstance(module, nn.Linear)]
    for layer in layers:
        if options.init == "he":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.get_parameter("bias"))
    return model


def train(options: argparse.Namespace, task: Task) -> nn.History:
    """Train a network on a task, and say how well it does."""
    ag.manual_seed(options.seed)
    model = make(options, task.data[0].shape[1], task.outputs)
    print(f"\n{task.name}: {len(task.data[0])} samples to train, {len(task.validation[0])} to validate\n{model}")
    optimizer = nn.optim.SGD(model.parameters(), lr=options.lr, momentum=options.momentum)
    schedule = Schedule(SCHEDULES[options.schedule](optimizer, options.epochs))

    def report(run: Run) -> None:
        if run.epoch == 1 or run.epoch % max(run.epochs // 5, 1) == 0:
            row, name = run.figures, task.metric
            print(
                f"epoch {run.epoch:4d}   loss {row['loss']:.4f}   {name} {row[name]:.4f}   validation loss "
                f"{row['val_loss']:.4f}   validation {name} {row[f'val_{name}']:.4f}   rate {row['lr']:.4f}"
            )

    return fit(
        model, task.loss, optimizer, task.data,
        epochs=options.epochs, batch_size=options.batch_size, validation=task.validation,
        metrics={task.metric: task.measure}, callbacks=[report, schedule], progress=False,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> tuple[float, float]:
    """Run the example; return validation accuracy and R2."""
    options_of = parser("synthetic", __doc__)
    add = options_of.add_argument
    add("--hidden", type=int, nargs="+", default=[32, 16], metavar="N", help="hidden layers (default: 32 16)")
    add("--activation", choices=ACTIVATIONS, default="relu", help="(default: %(default)s)")
    add("--init", choices=("he", "xavier"), default="he", help="rule for the weights (default: %(default)s)")
    add("--batch-norm", action="store_true", help="batch normalisation in the hidden layers")
    add("--lr", type=float, default=0.02, help="learning rate at the start (default: %(default)s)")
    add("--momentum", type=float, default=0.9, help="(default: %(default)s)")
    add("--schedule", choices=SCHEDULES, default="cosine", help="of the learning rate (default: %(default)s)")
    add("--batch-size", type=int, default=32, help="samples a step (default: %(default)s)")
    add("--epochs", type=int, default=60, help="(default: %(default)s)")
    options = options_of.parse_args(arguments)
    results = []
    for task in (classification(0), regression(0)):
        history = train(options, task)
        for column in ("loss", task.metric):
            what = type(task.loss).__name__ if column == "loss" else column
            picture = plots.learning_curves(history, [column], title=f"Synthetic {task.name}: {what}")
            save(picture, options.out / f"{task.name}_{column.lower()}.png")
        results.append(float(history[f"val_{task.metric}"][-1]))
    return results[0], results[1]


if __name__ == "__main__":
    main()
