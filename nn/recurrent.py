"""Recurrent layers over whole sequences: RNN, LSTM, GRU."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import graph
from nn import functional
from nn.cells import GruScan, LstmScan, Recurrent, RnnScan, State, check_nonlinearity, states_of
from nn.errors import ShapeError

__all__ = ["GRU", "LSTM", "RNN"]


class _Layers(Recurrent):
    """Layers on top of each other, in one direction or both."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout should be a number in range [0, 1], got {dropout}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"proj_size must be 0 or below hidden_size={hidden_size}, got {proj_size}")
        if dropout and num_layers == 1:
            warnings.warn(
                "dropout acts between recurrent layers, so with num_layers=1 it does nothing.\n"
                "Put nn.Dropout behind the layer, or raise num_layers.",
                stacklevel=3,
            )
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, dropout
        self.bidirectional, self.proj_size, self.generator = bidirectional, proj_size, generator
        self._suffixes = tuple(
            tuple(f"_l{layer}{way}" for way in ("", "_reverse")[: 2 if bidirectional else 1])
            for layer in range(num_layers)
        )
        outputs = proj_size or hidden_size
        for layer, ways in enumerate(self._suffixes):
            for suffix in ways:
                inputs = input_size if layer == 0 else outputs * len(ways)
                self._add_weights(suffix, inputs, outputs, dtype, generator)

    def forward(self, x: Any, hx: Any = None) -> tuple[Any, Any]:
        """Apply the layers; return the outputs of all steps and the final state of every layer and direction."""
        x = graph.operand(x)
        batched = np.ndim(x) == 3
        self._check_input(np.shape(x))
        if not batched:
            x = np.expand_dims(x, 1)
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        states = self._start(hx, x.shape[1], batched, x)
        finals: list[State] = []
        for layer, ways in enumerate(self._suffixes):
            if layer and self.dropout:
                x = functional.dropout(x, self.dropout, self.training, self.generator)
            outputs = []
            for way, suffix in enumerate(ways):
                own = tuple(state[len(finals)] for state in states)
                y, final = self._scan(x[::-1] if way else x, own, suffix)
                outputs.append(y[::-1] if way else y)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)
        last = tuple(np.stack(state) for state in zip(*finals, strict=True))
        if not batched:
            x, last = np.squeeze(x, 1), tuple(np.squeeze(state, 1) for state in last)
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        return x, last if self._states > 1 else last[0]

    def _start(self, hx: Any, count: int, batched: bool, x: Any) -> State:
        """Return the states to start from, each of shape (layers * directions, N, size)."""
        total = sum(map(len, self._suffixes))
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: self._states]
        if hx is None:
            dtype = np.result_type(graph.data_of(x), self._weights(self._suffixes[0][0])[0].dtype)
            return tuple(np.zeros((total, count, size), dtype) for size in sizes)
        given = states_of(self, hx)
        shapes = [(total, count, size) if batched else (total, size) for size in sizes]
        for state, shape, name in zip(given, shapes, ("h_0", "c_0"), strict=False):
            if np.shape(state) != shape:
                fix = "Start from zeros by leaving it out, or use the second result of an earlier call."
                raise ShapeError(self, f"{name} of shape {shape}", str(np.shape(state)), fix)
        return given if batched else tuple(np.expand_dims(state, 1) for state in given)

    def _check_input(self, shape: tuple[int, ...]) -> None:
        n = self.input_size
        if len(shape) in (2, 3) and shape[-1] == n and shape[0 if len(shape) == 2 else int(self.batch_first)]:
            return
        if len(shape) not in (2, 3):
            fix = "Reshape it to three axes, the features of a step along the last."
        elif shape[-1] != n:
            hidden = self.hidden_size
            fix = f"Make it {type(self).__name__}({shape[-1]}, {hidden}), or give the layer before it {n} outputs."
            fix = f"Add the axis of the single feature: x[..., None]. {fix}" if n == 1 and len(shape) == 2 else fix
        else:
            fix = "A sequence needs at least one step."
        order = "N, T" if self.batch_first else "T, N"
        raise ShapeError(self, f"an input of shape ({order}, {n}) or (T, {n})", str(shape), fix)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += f", proj_size={self.proj_size}" if self.proj_size else ""
        text += f", num_layers={self.num_layers}" if self.num_layers != 1 else ""
        text += ", bias=False" if not self.bias else ""
        text += ", batch_first=True" if self.batch_first else ""
        text += f", dropout={self.dropout}" if self.dropout else ""
        return text + (", bidirectional=True" if self.bidirectional else "")


class RNN(RnnScan, _Layers):
    """Plain recurrent layers: ``h = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh)`` (Elman 1990).

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of an input, and of the state.
    num_layers : int, optional
        How many layers are stacked, each taking the outputs of the one below.
    nonlinearity : {"tanh", "relu"}, optional
    bias, batch_first, dropout, bidirectional, dtype, generator
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> output, h_n = nn.RNN(3, 5)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        check_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype, generator=generator,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(LstmScan, _Layers):
    """Long short-term memory layers (Hochreiter and Schmidhuber 1997).

    Of each step, with i, f, u, o being sigmoid, sigmoid, tanh and sigmoid of the four parts of
    ``x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh``: ``c = f * c + i * u`` and ``h = o * tanh(c)``.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of an input, and of the state.
    num_layers : int, optional
        How many layers are stacked, each taking the outputs of the one below.
    bias : bool, optional
        Whether there are biases.
    batch_first : bool, optional
        Whether inputs and outputs are (N, T, features) instead of (T, N, features); states never are.
    dropout : float, optional
        The probability with which outputs between layers are dropped in training.
    bidirectional : bool, optional
        Whether a second set of weights runs over the sequence backwards; outputs lie side by side.
    proj_size : int, optional
        If not 0, the hidden state is projected to this size: ``h = weight_hr @ (o * tanh(c))``.
    dtype : dtype, optional
        Of the parameters; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values, uniform between plus and minus 1/sqrt(hidden_size), and for the dropout.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, weight_ih_l1, ... : Parameter
        With 4 * hidden_size rows, in the order i, f, u, o: PyTorch's names and layouts.

    Raises
    ------
    ShapeError
        When called with an input or a state of the wrong shape.

    Examples
    --------
    >>> import numpy as np, nn
    >>> layer = nn.LSTM(3, 5, num_layers=2, batch_first=True)
    >>> output, (h_n, c_n) = layer(np.zeros((2, 7, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((2, 7, 5), (2, 2, 5), (2, 2, 5))
    """


class GRU(GruScan, _Layers):
    """Gated recurrent layers (Cho et al. 2014; the reset gate acts on ``h @ weight.T + bias``, as in PyTorch).

    Of each step, with ``a = x @ weight_ih.T + bias_ih`` and ``b = h @ weight_hh.T + bias_hh`` in three parts each:
    ``r = sigmoid(a_r + b_r)``, ``z = sigmoid(a_z + b_z)``, ``u = tanh(a_u + r * b_u)``, ``h = (1 - z) * u + z * h``.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of an input, and of the state.
    num_layers : int, optional
        How many layers are stacked, each taking the outputs of the one below.
    bias, batch_first, dropout, bidirectional, dtype, generator
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> output, h_n = nn.GRU(3, 5, bidirectional=True)(np.zeros((7, 2, 3)))
    >>> output.shape, h_n.shape
    ((7, 2, 10), (2, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype, generator=generator,
        )  # fmt: skip
