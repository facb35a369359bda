"""Two moons, three ways side by side: by hand in NumPy, as a class, and as Sequential in one line.

``python -m examples.moons`` trains the same 2-16-16-1 network three times and compares lines of code, time and
accuracy: all three draw the same random numbers, so they end at the same weights. The rate falls to 0 along a cosine;
at a constant one the last steps would still be wandering. ``--torch`` puts PyTorch beside them; ``--folds 5``
cross-validates. The Sequential one is looked at while it learns: loss and accuracy, its decision boundary (a strip, a
GIF and a page with a slider), its weights and gradients, and the surface that it comes down.
"""

from __future__ import annotations

import argparse
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save, table
from nn import plots
from nn.train import fit, predict

EXTENT = (-1.7, 2.7, -1.3, 1.8)
RATE, MOMENTUM, BATCH = 0.05, 0.9, 32
Probability = Callable[[Array], Array]


class ByHand:
    """The network with its gradient written out."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.parameters: list[Array] = []
        for n, m in ((2, 16), (16, 16), (16, 1)):
            bound = 1 / np.sqrt(n)
            self.parameters += [generator.uniform(-bound, bound, (m, n)), generator.uniform(-bound, bound, m)]
        self.velocities = [np.zeros_like(p) for p in self.parameters]

    def forward(self, x: Array) -> tuple[Array, Array, Array]:
        w1, b1, w2, b2, w3, b3 = self.parameters
        h1 = np.tanh(x @ w1.T + b1)
        h2 = np.tanh(h1 @ w2.T + b2)
        return h1, h2, h2 @ w3.T + b3

    def step(self, x: Array, y: Array, rate: float) -> None:
        _, _, w2, _, w3, _ = self.parameters
        h1, h2, z = self.forward(x)
        dz = (1 / (1 + np.exp(-z)) - y) / len(x)
        da2 = dz @ w3 * (1 - h2 * h2)
        da1 = da2 @ w2 * (1 - h1 * h1)
        gradients = [da1.T @ x, da1.sum(0), da2.T @ h1, da2.sum(0), dz.T @ h2, dz.sum(0)]
        for p, v, g in zip(self.parameters, self.velocities, gradients, strict=True):
            v *= MOMENTUM
            v += g
            p -= rate * v


class Net(nn.Module):
    """The network as a class."""

    def __init__(self) -> None:
        self.hidden1 = nn.Linear(2, 16, nn.Tanh())
        self.hidden2 = nn.Linear(16, 16, nn.Tanh())
        self.output = nn.Linear(16, 1)

    def forward(self, x: Any) -> Any:
        return self.output(self.hidden2(self.hidden1(x)))


def sequential() -> nn.Sequential:
    """Return the network in one line."""
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


class Way(NamedTuple):
    """One way to write the network: how long the text is, how long training takes, and what comes of it."""

    name: str
    lines: int
    seconds: float
    probability: Probability


def sigmoid(z: Array) -> Array:
    """Return the logistic function."""
    return np.asarray(ag.sigmoid(z))


def by_hand(x: Array, y: Array, epochs: int, seed: int) -> Way:
    """Train the network that is written by hand."""
    generator = np.random.default_rng(seed)
    model, started = ByHand(generator), time.perf_counter()
    for epoch in range(epochs):
        rate, order = RATE * (1 + np.cos(np.pi * epoch / epochs)) / 2, generator.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            model.step(x[rows], y[rows], rate)
    seconds = time.perf_counter() - started
    return Way("by hand in NumPy", code_lines(ByHand), seconds, lambda points: sigmoid(model.forward(points)[2]))


def with_nn(name: str, make: Callable[[], nn.Module], x: Array, y: Array, epochs: int, seed: int) -> Way:
    """Train a network of nn."""
    ag.manual_seed(seed)
    model = make()
    optimizer, started = nn.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM), time.perf_counter()
    falling = nn.callbacks.Schedule(nn.schedule.CosineAnnealingLR(optimizer, epochs))
    fit(
        model, nn.BCEWithLogitsLoss(), optimizer, (x, y),
        epochs=epochs, batch_size=BATCH, callbacks=[falling], progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    return Way(name, code_lines(make), seconds, lambda points: sigmoid(predict(model, points)))


def with_torch(x: Array, y: Array, epochs: int, seed: int) -> Way:
    """Train the same network in PyTorch."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    layers = torch.nn
    model = layers.Sequential(
        layers.Linear(2, 16), layers.Tanh(), layers.Linear(16, 16), layers.Tanh(), layers.Linear(16, 1)
    ).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss, inputs, targets = layers.BCEWithLogitsLoss(), torch.tensor(x), torch.tensor(y)
    started = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - started
    return Way("PyTorch, Sequential", 1, seconds, lambda points: sigmoid(model(torch.tensor(points)).detach().numpy()))


def code_lines(thing: Any) -> int:
    """Return how many lines of code a class or function has, without header, docstring and blank lines."""
    lines = [line.strip() for line in inspect.getsource(thing).splitlines()[1:]]
    return sum(bool(line) and not line.startswith('"""') for line in lines)


def accuracy(probability: Probability, x: Array, y: Array) -> float:
    """Return the part of the points on the right side of the boundary."""
    return float(np.mean((probability(x) > 0.5) == y))


def cross_validate(x: Array, y: Array, options: argparse.Namespace) -> float:
    """Train the Sequential network on all folds but one, for each in turn; return the mean test accuracy."""
    from sklearn.model_selection import StratifiedKFold

    folds, accuracies = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed), []
    for k, (rows, held_out) in enumerate(folds.split(x, y[:, 0]), 1):
        way = with_nn("Sequential", sequential, x[rows], y[rows], options.epochs, options.seed + k)
        accuracies.append(accuracy(way.probability, x[held_out], y[held_out]))
        print(f"fold {k} of {options.folds}: test accuracy {accuracies[-1]:.4f}")
    print(f"mean test accuracy {np.mean(accuracies):.4f}, standard deviation {np.std(accuracies):.4f}")
    return float(np.mean(accuracies))


def watch(options: argparse.Namespace, x: Array, y: Array, rows: Array, held_out: Array) -> None:
    """Train the Sequential network once more, and draw how it learns."""
    ag.manual_seed(options.seed)
    model, loss, recorder = sequential(), nn.BCEWithLogitsLoss(), plots.Recorder(every=1)
    optimizer = nn.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    falling = nn.callbacks.Schedule(nn.schedule.CosineAnnealingLR(optimizer, options.epochs))
    history = fit(
        model, loss, optimizer, (x[rows], y[rows]),
        epochs=options.epochs, batch_size=BATCH, validation=(x[held_out], y[held_out]), metrics=["accuracy"],
        callbacks=[recorder, falling], progress=False,
    )  # fmt: skip
    title = "Two moons: 800 points to train, 200 to validate"
    save(plots.learning_curves(history, title=title), options.out / "learning_curves.png")
    shown = recorder, model, x[held_out], y[held_out]
    save(plots.boundary_strip(*shown, extent=EXTENT), options.out / "boundary_strip.png")
    for suffix in ("gif", "html"):
        path = options.out / f"boundary.{suffix}"
        print(f"saved {plots.boundary_film(*shown, path, history=history, title=title, extent=EXTENT)}")
    save(plots.distributions(recorder), options.out / "weights.png")
    save(plots.distributions(recorder, "gradient"), options.out / "gradients.png")
    figure, ((gradients, steps, units),) = plots.panels(1, 3)
    plots.gradient_norms(recorder, ax=gradients)
    plots.update_ratios(recorder, ax=steps)
    plots.dead_units(recorder, ax=units)
    save(figure, options.out / "layers.png")
    save(plots.loss_surface(recorder, model, loss, (x[rows], y[rows])), options.out / "loss_surface.png")


def main(arguments: Sequence[str] | None = None) -> float:
    """Run the example; return the test accuracy of the Sequential network, the mean over the folds if there are any."""
    options_of = parser("moons", __doc__)
    options_of.add_argument("--epochs", type=int, default=100, help="(default: %(default)s)")
    options_of.add_argument("--folds", type=int, default=0, metavar="K", help="cross-validate over K folds instead")
    options_of.add_argument("--torch", action="store_true", help="train the same network in PyTorch too")
    options = options_of.parse_args(arguments)
    from sklearn.datasets import make_moons
    from sklearn.model_selection import train_test_split

    x, labels = make_moons(1000, noise=0.2, random_state=0)
    y = labels.reshape(-1, 1).astype(float)
    if options.folds:
        return cross_validate(x, y, options)
    rows, held_out = train_test_split(np.arange(1000), test_size=0.2, stratify=labels, random_state=options.seed)
    training = x[rows], y[rows], options.epochs, options.seed
    ways = [by_hand(*training), with_nn("a class", Net, *training), with_nn("Sequential", sequential, *training)]
    if options.torch:
        ways.append(with_torch(*training))
    print(f"two moons: 800 points to train, 200 to test; a 2-16-16-1 network, {options.epochs} epochs\n")
    header = ("way", "lines for the model", "seconds", "train accuracy", "test accuracy")
    accuracies = [[accuracy(way.probability, x[part], y[part]) for part in (rows, held_out)] for way in ways]
    body = [
        (way.name, way.lines, f"{way.seconds:.2f}", f"{a:.4f}", f"{b:.4f}")
        for way, (a, b) in zip(ways, accuracies, strict=True)
    ]
    print(table([header, *body]) + "\n")
    options.out.mkdir(parents=True, exist_ok=True)
    watch(options, x, y, rows, held_out)
    return accuracies[2][1]


if __name__ == "__main__":
    main()
