"""Recurrent layers and their cells: RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import default_generator, graph, ops
from autograd_lite.ops import cells
from nn import functional
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

State = tuple[Any, ...]


class _Recurrent(Module):
    """What recurrent layers and cells share: parameters by PyTorch's names, and one scan over a sequence."""

    _gates: ClassVar[int] = 1
    _states: ClassVar[int] = 1
    nonlinearity: str = "tanh"

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        if hidden_size <= 0:
            raise ValueError(f"hidden_size must be greater than zero, got {hidden_size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _add_weights(
        self, suffix: str, inputs: int, outputs: int, dtype: DTypeLike, generator: np.random.Generator | None
    ) -> None:
        """Add one direction of one layer; ``outputs`` below the hidden size is that of a projection."""
        wide, bound = self._gates * self.hidden_size, 1 / math.sqrt(self.hidden_size)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (wide, inputs), "weight_hh": (wide, outputs)}
        if self.bias:
            shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
        if outputs != self.hidden_size:
            shapes["weight_hr"] = (outputs, self.hidden_size)
        for name, shape in shapes.items():
            numbers = (generator or default_generator()).uniform(-bound, bound, shape)
            setattr(self, name + suffix, Parameter(numbers, dtype=dtype))

    def _weights(self, suffix: str) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return [self.__dict__.get(name + suffix) for name in names]

    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        """Run over a sequence (T, N, inputs) of T steps; return the outputs and the final states."""
        raise NotImplementedError

    def _gates_of(self, x: Any, weight: Any, *biases: Any) -> Any:
        """Return what inputs and biases contribute to the gates of all steps, from one product."""
        bias = sum(biases[1:], biases[0]) if self.bias else None
        gates = ops.linear(np.reshape(x, (x.shape[0] * x.shape[1], x.shape[2])), weight, bias)
        return np.reshape(gates, (x.shape[0], x.shape[1], weight.shape[0]))


class _RnnScan(_Recurrent):
    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        w_ih, w_hh, b_ih, b_hh, _ = self._weights(suffix)
        y = cells.rnn_scan(self._gates_of(x, w_ih, b_ih, b_hh), w_hh, states[0], self.nonlinearity)
        return y, (y[-1],)


class _LstmScan(_Recurrent):
    _gates = 4
    _states = 2

    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        w_ih, w_hh, b_ih, b_hh, w_hr = self._weights(suffix)
        gates, n = self._gates_of(x, w_ih, b_ih, b_hh), self.hidden_size
        h, c = states
        if w_hr is not None:
            # w_hh @ projected = (w_hh @ w_hr) @ unprojected; only the first step starts from a projected state
            gates = np.concatenate([gates[:1] + h @ w_hh.T, gates[1:]])
            w_hh, h = w_hh @ w_hr, np.zeros(np.shape(c), dtype=c.dtype)
        steps = cells.lstm_scan(gates, w_hh, h, c)
        y = steps[..., :n] if w_hr is None else steps[..., :n] @ w_hr.T
        return y, (y[-1], steps[-1, :, n:])


class _GruScan(_Recurrent):
    _gates = 3

    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        w_ih, w_hh, b_ih, b_hh, _ = self._weights(suffix)
        bias = np.zeros(3 * self.hidden_size, dtype=w_hh.dtype) if b_hh is None else b_hh
        y = cells.gru_scan(self._gates_of(x, w_ih, b_ih), w_hh, bias, states[0])
        return y, (y[-1],)


class _Layers(_Recurrent):
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
        given = _states_of(self, hx)
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


def _states_of(layer: _Recurrent, hx: Any) -> State:
    """Return the given state or states as nodes and arrays."""
    given = tuple(hx) if layer._states > 1 and isinstance(hx, (tuple, list)) else (hx,)
    if len(given) != layer._states:
        raise TypeError(f"{type(layer).__name__} starts from a pair of states, (h_0, c_0), got {type(hx).__name__}")
    return tuple(graph.operand(x) for x in given)


class RNN(_RnnScan, _Layers):
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
        _check_nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype, generator=generator,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(_LstmScan, _Layers):
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


class GRU(_GruScan, _Layers):
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


def _check_nonlinearity(nonlinearity: str) -> None:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")


class _Cell(_Recurrent):
    """One step of one layer."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._add_weights("", input_size, hidden_size, dtype, generator)

    def forward(self, x: Any, hx: Any = None) -> Any:
        """Take one step; return the next state, or pair of states."""
        x = graph.operand(x)
        n, size = self.input_size, self.hidden_size
        if np.ndim(x) not in (1, 2) or np.shape(x)[-1] != n:
            got = np.shape(x)
            fix = (
                f"Make it {type(self).__name__}({got[-1]}, {size})."
                if len(got) in (1, 2)
                else "Pass one step at a time."
            )
            raise ShapeError(self, f"an input of shape (N, {n}) or ({n},)", str(got), fix)
        shape = (*np.shape(x)[:-1], size)
        if hx is None:
            dtype = np.result_type(graph.data_of(x), self._weights("")[0].dtype)
            states: State = tuple(np.zeros(shape, dtype) for _ in range(self._states))
        else:
            states = _states_of(self, hx)
        for state in states:
            if np.shape(state) != shape:
                fix = "Start from zeros by leaving it out, or use the result of the step before."
                raise ShapeError(self, f"a state of shape {shape}", str(np.shape(state)), fix)
        if len(shape) == 1:
            x, states = np.expand_dims(x, 0), tuple(np.expand_dims(state, 0) for state in states)
        _, states = self._scan(np.expand_dims(x, 0), states, "")
        states = states if len(shape) == 2 else tuple(state[0] for state in states)
        return states if self._states > 1 else states[0]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        return text + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class RNNCell(_RnnScan, _Cell):
    """One step of `RNN`: from x (N, input_size) and h (N, hidden_size) to the next h.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, optional
    nonlinearity : {"tanh", "relu"}, optional
    dtype, generator
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.RNNCell(3, 5)(np.zeros((2, 3))).shape
    (2, 5)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        _check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype=dtype, generator=generator)
        self.nonlinearity = nonlinearity


class LSTMCell(_LstmScan, _Cell):
    """One step of `LSTM`: from x (N, input_size) and the pair (h, c), each (N, hidden_size), to the next pair.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, optional
    dtype, generator
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> h, c = nn.LSTMCell(3, 5)(np.zeros((2, 3)))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """


class GRUCell(_GruScan, _Cell):
    """One step of `GRU`: from x (N, input_size) and h (N, hidden_size) to the next h.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool, optional
    dtype, generator
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, nn
    >>> nn.GRUCell(3, 5)(np.zeros(3)).shape
    (5,)
    """
