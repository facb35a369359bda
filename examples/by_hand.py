"""Backpropagation by hand: forward and backward of every layer written out in NumPy, and checked against the engine.

``python -m examples.by_hand`` compares each hand-written gradient with the engine's, then trains a hand-written network
on XOR and on two moons, and draws both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from examples._common import Array, parser, save, table
from nn import plots

TOLERANCE = 1e-10


class Layer:
    """What a layer is: ``forward`` keeps what ``backward`` needs, ``backward`` turns dL/dy into dL/dx.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        The parameters, and dL/dp for each after ``backward``.
    """

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        """Return y for x."""
        raise NotImplementedError

    def backward(self, g: Array) -> Array:
        """Return dL/dx for g = dL/dy."""
        raise NotImplementedError


class Linear(Layer):
    """y = x wᵀ + b, so dL/dw = gᵀ x, dL/db = sum of g over the samples, dL/dx = g w."""

    def __init__(self, n: int, m: int, generator: np.random.Generator) -> None:
        super().__init__()
        bound = np.sqrt(6 / n)  # He et al. 2015
        self.params = {"weight": generator.uniform(-bound, bound, (m, n)), "bias": np.zeros(m)}

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, g: Array) -> Array:
        self.grads = {"weight": g.T @ self.x, "bias": g.sum(axis=0)}
        return g @ self.params["weight"]


class ReLU(Layer):
    """y = max(x, 0), so dy/dx is 1 where x > 0 and 0 elsewhere."""

    def forward(self, x: Array) -> Array:
        self.awake = x > 0
        return x * self.awake

    def backward(self, g: Array) -> Array:
        return g * self.awake


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)), so dy/dx = y (1 - y)."""

    def forward(self, x: Array) -> Array:
        self.y = 0.5 * (1 + np.tanh(0.5 * x))  # the same function, and it cannot overflow
        return self.y

    def backward(self, g: Array) -> Array:
        return g * self.y * (1 - self.y)


class BatchNorm(Layer):
    """y = scale x̂ + shift, with x̂ = (x - mean) / deviation over the batch (Ioffe and Szegedy 2015).

    Mean and deviation depend on every sample, so what g has of a constant and of x̂ itself does not reach x:
    dL/dx = scale / deviation (g - mean(g) - x̂ mean(g x̂)).
    """

    def __init__(self, n: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.params = {"weight": np.ones(n), "bias": np.zeros(n)}
        self.mean, self.variance = np.zeros(n), np.ones(n)
        self.momentum, self.training = momentum, True

    def forward(self, x: Array) -> Array:
        mean, variance = (x.mean(axis=0), x.var(axis=0)) if self.training else (self.mean, self.variance)
        if self.training:
            unbiased = variance * len(x) / (len(x) - 1)
            self.mean = self.mean + self.momentum * (mean - self.mean)
            self.variance = self.variance + self.momentum * (unbiased - self.variance)
        self.deviation = np.sqrt(variance + 1e-5)
        self.normal = (x - mean) / self.deviation
        return self.params["weight"] * self.normal + self.params["bias"]

    def backward(self, g: Array) -> Array:
        self.grads = {"weight": (g * self.normal).sum(axis=0), "bias": g.sum(axis=0)}
        if self.training:
            g = g - g.mean(axis=0) - self.normal * (g * self.normal).mean(axis=0)
        return g * self.params["weight"] / self.deviation


class Neuron(Layer):
    """One sigmoid unit, a sum a weight: y = s(w₁x₁ + ... + b)."""

    def __init__(self, n: int, generator: np.random.Generator) -> None:
        super().__init__()
        self.params = {"weight": generator.normal(size=n), "bias": np.zeros(())}

    def forward(self, x: Array) -> Array:
        self.x = x
        self.y = 0.5 * (1 + np.tanh(0.5 * (x @ self.params["weight"] + self.params["bias"])))
        return self.y

    def backward(self, g: Array) -> Array:
        delta = g * self.y * (1 - self.y)
        self.grads = {"weight": delta @ self.x, "bias": delta.sum()}
        return np.outer(delta, self.params["weight"])


def mse(y: Array, target: Array) -> tuple[float, Array]:
    """Return mean((y - t)²) and its gradient 2 (y - t) / n."""
    error = y - target
    return float(np.mean(error * error)), 2 * error / error.size


def bce(p: Array, target: Array) -> tuple[float, Array]:
    """Return the binary cross-entropy -mean(t log p + (1 - t) log(1 - p)) and its gradient."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    loss = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
    return float(loss), (p - target) / (p * (1 - p)) / p.size


def softmax_cross_entropy(z: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean of -log softmax(z)[label], and its gradient (softmax(z) - one-hot) / n."""
    rows, shifted = np.arange(len(z)), z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    return float(-log_p[rows, labels].mean()), gradient / len(z)


class NeuralNetwork:
    """Layers one after another, and gradient descent.

    Parameters
    ----------
    *layers : Layer
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    def forward(self, x: Array) -> Array:
        """Return the output for x."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g: Array) -> Array:
        """Go through the layers from the last to the first: the chain rule."""
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g

    def step(self, x: Array, target: Array, loss: Callable[[Array, Array], tuple[float, Array]], lr: float) -> float:
        """Go one step down the gradient; return the loss before it."""
        value, gradient = loss(self.forward(x), target)
        self.backward(gradient)
        for layer in self.layers:
            for name, p in layer.params.items():
                p -= lr * layer.grads[name]
        return value

    def predict(self, x: Array) -> Array:
        """Return the output for x with the running statistics of `BatchNorm`."""
        norms = [layer for layer in self.layers if isinstance(layer, BatchNorm)]
        for layer in norms:
            layer.training = False
        y = self.forward(x)
        for layer in norms:
            layer.training = True
        return y


def layer_error(layer: Layer, theirs: Callable[..., Any], x: Array, g: Array) -> float:
    """Return the greatest difference of a layer's output and gradients from the engine's.

    Parameters
    ----------
    layer : Layer
    theirs : callable
        From x and the layer's parameters, all Tensors, to the same output.
    x, g : ndarray
        The input, and the gradient of the loss with respect to the output.
    """
    y, dx = layer.forward(x), layer.backward(g)
    leaves = [ag.Tensor(a, requires_grad=True) for a in (x, *layer.params.values())]
    expected = theirs(*leaves)
    expected.backward(g)
    pairs = [(y, expected.numpy()), *zip((dx, *layer.grads.values()), (leaf.grad for leaf in leaves), strict=True)]
    return max(float(np.max(np.abs(ours - other))) for ours, other in pairs)


def loss_error(ours: Any, theirs: Callable[..., Any], output: Array, target: Array) -> float:
    """Return the greatest difference of a loss and its gradient from the engine's."""
    value, gradient = ours(output, target)
    leaf = ag.Tensor(output, requires_grad=True)
    expected = theirs(leaf, target)
    expected.backward()
    return max(float(abs(value - float(expected))), float(np.max(np.abs(gradient - np.asarray(leaf.grad)))))


def network_error(network: NeuralNetwork, theirs: nn.Module, x: Array, target: Array) -> float:
    """Return the greatest difference of any gradient of a network, after copying the weights to the engine's."""
    _, gradient = bce(network.forward(x), target)
    network.backward(gradient)
    ours: list[tuple[Array, Array]] = [
        (p, layer.grads[name]) for layer in network.layers for name, p in layer.params.items()
    ]
    for (p, _), other in zip(ours, theirs.parameters(), strict=True):
        other.data = p
    nn.BCELoss()(theirs(ag.Tensor(x)), target).backward()
    pairs = zip(ours, theirs.parameters(), strict=True)
    return max(float(np.max(np.abs(g - np.asarray(other.grad)))) for (_, g), other in pairs)


def errors(generator: np.random.Generator) -> dict[str, float]:
    """Return for everything written by hand its greatest difference from the engine."""
    draw = generator.normal
    x, g = draw(size=(8, 5)), draw(size=(8, 5))
    labels, binary = generator.integers(0, 5, 8), generator.integers(0, 2, (8, 5)).astype(float)
    norm = BatchNorm(5)
    norm.params = {"weight": draw(size=5), "bias": draw(size=5)}
    network = NeuralNetwork(Linear(5, 4, generator), BatchNorm(4), ReLU(), Linear(4, 5, generator), Sigmoid())
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 5), nn.Sigmoid())
    return {
        "Linear": layer_error(Linear(5, 3, generator), ag.linear, x, g[:, :3]),
        "ReLU": layer_error(ReLU(), ag.relu, x, g),
        "Sigmoid": layer_error(Sigmoid(), ag.sigmoid, x, g),
        "BatchNorm": layer_error(norm, lambda x, w, b: nn.functional.batch_norm(x, None, None, w, b, True), x, g),
        "Neuron": layer_error(Neuron(5, generator), lambda x, w, b: ag.sigmoid(x @ w + b), x, g[:, 0]),
        "MSE": loss_error(mse, nn.MSELoss(), x, g),
        "BCE": loss_error(bce, nn.BCELoss(), 1 / (1 + np.exp(-x)), binary),
        "softmax and cross-entropy": loss_error(softmax_cross_entropy, nn.CrossEntropyLoss(), x, labels),
        "NeuralNetwork": network_error(network, model, x, binary),
    }


def learn(x: Array, y: Array, hidden: int, epochs: int, generator: np.random.Generator) -> tuple[NeuralNetwork, Array]:
    """Train a network with two hidden layers on all samples at once; return it and the losses."""
    network = NeuralNetwork(
        *(Linear(2, hidden, generator), BatchNorm(hidden), ReLU()),
        *(Linear(hidden, hidden, generator), BatchNorm(hidden), ReLU()),
        *(Linear(hidden, 1, generator), Sigmoid()),
    )
    return network, np.array([network.step(x, y, bce, lr=0.5) for _ in range(epochs)])


def main(arguments: Sequence[str] | None = None) -> float:
    """Run the example; return the greatest difference from the engine."""
    options_of = parser("by_hand", __doc__)
    options_of.add_argument("--epochs", type=int, default=600, help="(default: %(default)s)")
    options = options_of.parse_args(arguments)
    from sklearn.datasets import make_moons

    generator = np.random.default_rng(options.seed)
    found = errors(generator)
    rows = [(name, f"{error:.1e}", "ok" if error < TOLERANCE else "WRONG") for name, error in found.items()]
    print(table([("written by hand", "greatest difference from the engine", ""), *rows]) + "\n")
    if max(found.values()) >= TOLERANCE:
        raise SystemExit("a gradient written by hand is wrong")

    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    moons, labels = make_moons(1000, noise=0.2, random_state=0)
    x = np.repeat(corners, 25, axis=0) + generator.normal(0, 0.1, (100, 2))
    xor = np.repeat([0.0, 1.0, 1.0, 0.0], 25)
    figure, panes = plots.panels(1, 3)
    curves: dict[str, Array] = {}
    tasks = [("noisy XOR", x, xor, 8), ("two moons", moons, labels.astype(float), 16)]
    for axes, (name, samples, target, hidden) in zip(panes[0, 1:], tasks, strict=True):
        network, losses = learn(samples, target[:, None], hidden, options.epochs, generator)
        right = float(np.mean((network.predict(samples)[:, 0] > 0.5) == target))
        print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, accuracy {right:.4f} after {options.epochs} epochs")
        curves[name] = losses
        title = f"{name}: accuracy {right:.3f}"
        plots.decision_boundary(network.predict, samples, target, ax=axes, title=title)
    ylabel = "binary cross-entropy (log scale)"
    plots.lines(curves, ax=panes[0, 0], title="Gradient descent by hand", ylabel=ylabel, log=True)
    save(figure, options.out / "by_hand.png")
    return max(found.values())


if __name__ == "__main__":
    main()
