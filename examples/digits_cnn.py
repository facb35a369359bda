"""Handwritten digits: a convolutional network, and three ways to look inside it.

``python -m examples.digits_cnn`` trains on 80 % of scikit-learn's 1,797 images of 8 x 8 pixels and tests on the rest.
It draws the filters of the first layer; for each digit the image that the network finds most like it, by gradient
ascent on the pixels; and where the network looks (Grad-CAM, Selvaraju et al. 2017).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save, table
from nn import plots
from nn.callbacks import Schedule
from nn.schedule import OneCycleLR
from nn.train import fit, predict

CHANNELS = 16


class Net(nn.Module):
    """Two convolutions, batch normalised, that see 5 x 5 pixels; pooling; one linear layer."""

    def __init__(self) -> None:
        self.features = nn.Sequential(
            nn.Conv2d(1, CHANNELS, 3, padding=1, dtype=np.float32),
            nn.BatchNorm2d(CHANNELS, dtype=np.float32),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, padding=1, dtype=np.float32),
            nn.BatchNorm2d(2 * CHANNELS, dtype=np.float32),
            nn.ReLU(),
        )
        self.head = nn.Sequential(
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(32 * CHANNELS, 10, dtype=np.float32),
        )

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x))


class Shifted(nn.TensorDataset):
    """Augmentation: images moved by up to one pixel, anew each time they are drawn."""

    def __init__(self, x: Array, y: Array, generator: np.random.Generator) -> None:
        super().__init__(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), y)
        self.generator = generator

    def batch(self, indices: Any) -> tuple[ag.Tensor, ...]:
        x, y = super().batch(indices)
        down, right = self.generator.integers(0, 3, (2, len(y), 1)) + np.arange(8)
        samples = np.arange(len(y))[:, None, None]
        return ag.Tensor(x.numpy()[samples, 0, down[:, :, None], right[:, None, :]][:, None]), y


def train(
    model: Net, data: tuple[Array, Array], validation: tuple[Array, Array], epochs: int, generator: np.random.Generator
) -> nn.History:
    """Train by Adam; the rate rises to 0.01 and falls again, once (Smith and Topin 2018)."""
    loader = nn.DataLoader(Shifted(*data, generator), 64, shuffle=True)
    optimizer = nn.optim.Adam(model.parameters())
    schedule = OneCycleLR(optimizer, 0.01, total_steps=epochs * len(loader) + 1)  # one more than steps are taken
    return fit(
        model, nn.CrossEntropyLoss(), optimizer, loader,
        epochs=epochs, validation=validation, metrics=["accuracy"], callbacks=[Schedule(schedule, per="batch")],
    )  # fmt: skip


def ideal_images(model: Net, x: Array, steps: int = 150) -> tuple[Array, Array]:
    """Return for each digit the image that the network finds most like it, and with what probability.

    Gradient ascent on the log-probability. Free pixels would become noise that the network mistakes for digits; so the
    images are the mean digit plus a mix of the 20 principal components of all digits, and large mixes cost something.
    The images of all ten digits are one batch.

    Parameters
    ----------
    model : Net
    x : ndarray
        Digits of all classes, shape (N, 1, 8, 8).
    steps : int, optional

    Returns
    -------
    images : ndarray
        Shape (10, 8, 8).
    probabilities : ndarray
        Shape (10,).
    """
    pixels = x.reshape(len(x), 64)
    mean = pixels.mean(axis=0)
    _, lengths, directions = np.linalg.svd(pixels - mean, full_matrices=False)
    components = directions[:20] * (lengths[:20, None] / np.sqrt(len(x)).astype(x.dtype))
    mix = ag.Tensor(np.zeros((10, 20), x.dtype), requires_grad=True)
    optimizer = nn.optim.Adam([mix], lr=0.05)

    def images() -> Any:
        return np.reshape(mean + mix @ components, (10, 1, 8, 8))

    model.eval()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ag.cross_entropy(model(images()), np.arange(10)) + 0.001 * np.sum(mix**2)
        loss.backward()
        optimizer.step()
    probabilities = ag.softmax(model(images()), axis=1).numpy().diagonal()
    return images().numpy()[:, 0], probabilities


def grad_cam(model: Net, x: Array) -> tuple[Array, Array]:
    """Return where the network looks to recognise what it takes the images for.

    The channels of the last convolution are weighted by the mean gradient of the winning class's score with respect to
    them, summed, and cut at 0.

    Parameters
    ----------
    model : Net
    x : ndarray
        Shape (N, 1, 8, 8).

    Returns
    -------
    maps : ndarray
        Shape (N, 8, 8), each scaled to a greatest value of 1.
    classes : ndarray
        Shape (N,), what the images are taken for.
    """
    model.eval()
    features = ag.Tensor(predict(model.features, x), requires_grad=True)
    scores = model.head(features)
    np.sum(np.max(scores, axis=1)).backward()
    weights = features.grad.mean(axis=(2, 3), keepdims=True)
    maps = np.maximum((weights * features.numpy()).sum(axis=1), 0)
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12), scores.numpy().argmax(axis=1)


def cam_picture(model: Net, x: Array, y: Array) -> Any:
    """Draw test images, the first of each digit, and over them where the network looks; wrong answers bear a cross."""
    from matplotlib.colors import ListedColormap

    chosen = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    maps, classes = grad_cam(model, x[chosen])
    titles = [f"a {y[i]}" for i in chosen]
    titles += [f"seen as {a}{'' if a == y[i] else ' ✗'}" for a, i in zip(classes, chosen, strict=True)]
    tiles = np.concatenate([x[chosen, 0], x[chosen, 0] / 2])
    figure = plots.images(tiles, titles, columns=10, limits=(0, 1))
    for axes, seen in zip(figure.axes[10:], maps, strict=True):
        axes.imshow(np.ones((8, 8)), cmap=ListedColormap(["#d55e00"]), alpha=0.9 * seen)
    figure.suptitle("Grad-CAM: the more orange, the more a pixel speaks for the answer", fontsize=11)
    return figure


def confusion_table(truth: Array, guess: Array) -> str:
    """Return how often each digit was taken for which."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (truth, guess), 1)
    header = ["digit \\ seen as", *map(str, range(10))]
    return table([header, *([str(i), *(n or "." for n in row)] for i, row in enumerate(counts))])


def main(arguments: Sequence[str] | None = None) -> float:
    """Run the example; return the test accuracy."""
    options_of = parser("digits_cnn", __doc__)
    options_of.add_argument("--epochs", type=int, default=20, help="(default: %(default)s)")
    options = options_of.parse_args(arguments)
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    started = time.perf_counter()
    digits = load_digits()
    x, y = (digits.images[:, None] / 16).astype(np.float32), digits.target
    rows, held_out = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=options.seed)
    print(f"digits: {len(y)} images of 8 x 8 pixels, {len(rows)} to train, {len(held_out)} to test")
    generator = ag.manual_seed(options.seed)
    model = Net()
    print(f"\n{model}\n")
    history = train(model, (x[rows], y[rows]), (x[held_out], y[held_out]), options.epochs, generator)
    guess = predict(model, x[held_out]).argmax(axis=1)
    accuracy = float(np.mean(guess == y[held_out]))
    print(f"\n{confusion_table(y[held_out], guess)}\n")
    print(f"train accuracy {np.mean(predict(model, x[rows]).argmax(axis=1) == y[rows]):.4f}")
    print(f"test accuracy  {accuracy:.4f}\n\n{time.perf_counter() - started:.1f} s from loading to the end of training")
    options.out.mkdir(parents=True, exist_ok=True)
    title = f"Digits: test accuracy {accuracy:.3f}"
    save(plots.learning_curves(history, title=title, validation="test"), options.out / "learning_curves.png")
    save(plots.confusion_matrix(guess, y[held_out]), options.out / "confusion.png")
    save(plots.filters(model, title="Filters of the first layer: 3 × 3 pixels each"), options.out / "filters.png")
    images, likely = ideal_images(model, x[rows])
    titles = [f"{digit} (p = {p:.3f})" for digit, p in enumerate(likely)]
    ideal = plots.images(images, titles, columns=5, limits=(0, 1), title="What the network takes for the ideal digit")
    save(ideal, options.out / "ideal_digits.png")
    save(cam_picture(model, x[held_out], y[held_out]), options.out / "grad_cam.png")
    return accuracy


if __name__ == "__main__":
    main()
