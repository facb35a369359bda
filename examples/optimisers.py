"""Seven ways down: optimisers and cyclic learning rates on one surface and on two moons.

``python -m examples.optimisers`` follows SGD, momentum, Nesterov, RMSprop, Adam, cyclic rates (Smith 2017) and warm
restarts (SGDR; Loshchilov and Hutter 2017) down a curved valley, trains a small network with each, and draws paths and
curves in one figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save, table
from nn import optim, plots
from nn.callbacks import Schedule
from nn.schedule import CosineAnnealingWarmRestarts, CyclicLR
from nn.train import fit

START, GOAL = (-1.2, 1.4), (1.0, 1.0)
Maker = Callable[[Any, float], Any]


class Way(NamedTuple):
    """An optimiser, a schedule if it has one, and the rates for the surface and for the moons."""

    name: str
    optimizer: Maker
    rates: tuple[float, float]
    schedule: Callable[[Any, float, int], Any] | None = None


def sgd(**options: Any) -> Maker:
    """Return a maker of SGD with these options."""
    return lambda params, lr: optim.SGD(params, lr=lr, **options)


def cyclic(optimizer: Any, lr: float, steps: int) -> Any:
    """Let the rate swing between a tenth and the whole of itself, four times in all."""
    return CyclicLR(optimizer, lr / 10, lr, step_size_up=max(steps // 8, 1), cycle_momentum=False)


def restarts(optimizer: Any, lr: float, steps: int) -> Any:
    """Let the rate fall along a cosine and restart, each time twice as long: thrice in all."""
    return CosineAnnealingWarmRestarts(optimizer, T_0=max(steps // 7, 1), T_mult=2)


# For each task the best of the rates tried, 1, 2 and 5 times powers of ten: the least height or loss at the end.
WAYS = (
    Way("SGD", sgd(), (0.02, 0.2)),
    Way("momentum", sgd(momentum=0.9), (0.01, 0.1)),
    Way("Nesterov", sgd(momentum=0.9, nesterov=True), (0.01, 0.05)),
    Way("RMSprop", lambda params, lr: optim.RMSprop(params, lr=lr), (0.02, 0.005)),
    Way("Adam", lambda params, lr: optim.Adam(params, lr=lr), (0.1, 0.01)),
    Way("cyclic rate, momentum", sgd(momentum=0.9), (0.02, 0.2), cyclic),
    Way("SGDR, momentum", sgd(momentum=0.9), (0.01, 0.5), restarts),
)


def surface(x: Any, y: Any) -> Any:
    """Return the height of a curved valley: Rosenbrock's function (1960) with slopes 10 in place of 100."""
    return (1 - x) ** 2 + 10 * (y - x * x) ** 2


def descend(way: Way, steps: int) -> tuple[Array, Array]:
    """Follow an optimiser down the surface, on scalars.

    Parameters
    ----------
    way : Way
    steps : int

    Returns
    -------
    path : ndarray
        Shape (steps + 1, 2).
    heights : ndarray
        Shape (steps + 1,).
    """
    point = [ag.Value(c) for c in START]
    optimizer = way.optimizer(point, way.rates[0])
    schedule = way.schedule(optimizer, way.rates[0], steps) if way.schedule else None
    path = [START]
    for _ in range(steps):
        optimizer.zero_grad()
        surface(*point).backward()
        optimizer.step()
        if schedule:
            schedule.step()
        path.append((point[0].data, point[1].data))
    places = np.array(path)
    return places, np.asarray(surface(places[:, 0], places[:, 1]))


def learn(way: Way, epochs: int, seed: int) -> nn.History:
    """Train a 2-16-16-1 network on two moons; all ways begin with the same weights and see the same batches."""
    from sklearn.datasets import make_moons

    x, y = make_moons(500, noise=0.2, random_state=0)
    ag.manual_seed(seed)
    model = nn.MLP(2, [16, 16], 1, activation=nn.Tanh)
    optimizer = way.optimizer(model.parameters(), way.rates[1])
    steps = epochs * -(-len(x) // 32)
    callbacks = [Schedule(way.schedule(optimizer, way.rates[1], steps), per="batch")] if way.schedule else []
    data = x, y.reshape(-1, 1).astype(float)
    return fit(
        model, nn.BCEWithLogitsLoss(), optimizer, data,
        epochs=epochs, metrics=["accuracy"], callbacks=callbacks, progress=False,
    )  # fmt: skip


def picture(paths: Sequence[tuple[Array, Array]], histories: Sequence[nn.History]) -> Any:
    """Draw the surface with the paths, the height along them, the loss on the moons, and the rates."""
    figure, ((valley, height), (moons, rates)) = plots.panels(2, 2, 6.2, 4.4)
    names = [way.name for way in WAYS]
    ways = {name: path for name, (path, _) in zip(names, paths, strict=True)}
    heights = {name: np.maximum(z, 1e-16) for name, (_, z) in zip(names, paths, strict=True)}
    runs = dict(zip(names, histories, strict=True))
    plots.surface(surface, ways, (-1.6, 1.6, -0.5, 1.9), goal=GOAL, ax=valley, legend=False)
    valley.set_title("Paths on one surface, from the square to the star", loc="left", fontsize=11)
    plots.lines(
        heights, ax=height, title="Height above the bottom", xlabel="step", ylabel="height (log scale)", log=True,
        legend=False,
    )  # fmt: skip
    height.set_ylim(1e-12, 30)
    plots.compare_runs(runs, "loss", ax=moons, title="Two moons: training loss", legend=False)
    plots.compare_runs(runs, "lr", ax=rates, title="Two moons: learning rate", legend=False)
    figure.legend(*valley.get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False)
    return figure


def main(arguments: Sequence[str] | None = None) -> dict[str, tuple[float, float]]:
    """Run the example; return for each way the final height and the final loss."""
    options_of = parser("optimisers", __doc__)
    options_of.add_argument("--steps", type=int, default=300, help="on the surface (default: %(default)s)")
    options_of.add_argument("--epochs", type=int, default=40, help="on the moons (default: %(default)s)")
    options = options_of.parse_args(arguments)
    paths = [descend(way, options.steps) for way in WAYS]
    histories = [learn(way, options.epochs, options.seed) for way in WAYS]
    rows: list[tuple[Any, ...]] = [
        ("optimiser", "rate", f"height after {options.steps} steps", "rate", "moons: loss", "accuracy")
    ]
    for way, (_, heights), history in zip(WAYS, paths, histories, strict=True):
        last = history[-1]
        figures = f"{heights[-1]:.1e}", way.rates[1], f"{last['loss']:.4f}", f"{last['accuracy']:.4f}"
        rows.append((way.name, way.rates[0], *figures))
    print(table(rows) + "\n")
    save(picture(paths, histories), options.out / "optimisers.png")
    results = zip(WAYS, paths, histories, strict=True)
    return {way.name: (float(path[1][-1]), float(history["loss"][-1])) for way, path, history in results}


if __name__ == "__main__":
    main()
