"""Neurons one by one, on Values: the network of micrograd, where every number is a node that can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import Value, default_generator
from nn.errors import ShapeError
from nn.unrolling import Unrolled, unroll

__all__ = ["MLP", "Layer", "Module", "Neuron", "Unrolled", "unroll"]


class Module:
    """The base: parameters, and forgetting their gradients."""

    def parameters(self) -> list[Value]:
        """Return the weights and biases."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients: each is None until the next ``backward()``."""
        for p in self.parameters():
            p.grad = None


class Neuron(Module):
    """A weighted sum of its inputs and a bias, rectified unless not ``nonlin``.

    Parameters
    ----------
    nin : int
        The number of inputs.
    nonlin : bool, optional
    generator : numpy.random.Generator, optional
        For the weights, uniform between -1 and 1; the bias is 0.

    Examples
    --------
    >>> import numpy as np
    >>> neuron = Neuron(2, nonlin=False, generator=np.random.default_rng(0))
    >>> neuron
    LinearNeuron(2)
    >>> y = neuron([1.0, 2.0])
    >>> y.backward()
    >>> [p.grad for p in neuron.parameters()]
    [1.0, 2.0, 1.0]
    """

    def __init__(self, nin: int, nonlin: bool = True, generator: np.random.Generator | None = None) -> None:
        self.w = [Value(x) for x in (generator or default_generator()).uniform(-1, 1, nin).tolist()]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Value:
        if len(x) != len(self.w):
            raise ShapeError(repr(self), f"{len(self.w)} inputs", str(len(x)), "Pass one number for each weight.")
        act = self.b
        for w, xi in zip(self.w, x, strict=True):
            act = act + w * xi
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Neurons side by side; a single one gives its Value itself and not a list.

    Parameters
    ----------
    nin, nout : int
        The numbers of inputs and of neurons.
    nonlin : bool, optional
    generator : numpy.random.Generator, optional
    """

    def __init__(self, nin: int, nout: int, nonlin: bool = True, generator: np.random.Generator | None = None) -> None:
        self.neurons = [Neuron(nin, nonlin, generator) for _ in range(nout)]

    def __call__(self, x: Sequence[Any]) -> Any:
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after another, all but the last rectified.

    Parameters
    ----------
    nin : int
        The number of inputs.
    nouts : list of int
        The numbers of neurons of the layers.
    generator : numpy.random.Generator, optional

    Examples
    --------
    >>> model = MLP(2, [4, 1])
    >>> model
    MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(4)]]
    >>> len(model.parameters())
    17
    """

    def __init__(self, nin: int, nouts: Sequence[int], generator: np.random.Generator | None = None) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], i != last, generator) for i in range(len(nouts))]

    def __call__(self, x: Sequence[Any]) -> Any:
        for i, layer in enumerate(self.layers):
            x = layer(x if i == 0 or isinstance(x, list) else [x])
        return x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
