"""Recurrent cells, one step at a time: RNNCell, LSTMCell, GRUCell; and what they share with whole layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import default_generator, graph, ops
from autograd_lite.ops import cells
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]

State = tuple[Any, ...]


class Recurrent(Module):
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


class RnnScan(Recurrent):
    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        w_ih, w_hh, b_ih, b_hh, _ = self._weights(suffix)
        y = cells.rnn_scan(self._gates_of(x, w_ih, b_ih, b_hh), w_hh, states[0], self.nonlinearity)
        return y, (y[-1],)


class LstmScan(Recurrent):
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


class GruScan(Recurrent):
    _gates = 3

    def _scan(self, x: Any, states: State, suffix: str) -> tuple[Any, State]:
        w_ih, w_hh, b_ih, b_hh, _ = self._weights(suffix)
        bias = np.zeros(3 * self.hidden_size, dtype=w_hh.dtype) if b_hh is None else b_hh
        y = cells.gru_scan(self._gates_of(x, w_ih, b_ih), w_hh, bias, states[0])
        return y, (y[-1],)


def states_of(layer: Recurrent, hx: Any) -> State:
    """Return the given state or states as nodes and arrays."""
    given = tuple(hx) if layer._states > 1 and isinstance(hx, (tuple, list)) else (hx,)
    if len(given) != layer._states:
        raise TypeError(f"{type(layer).__name__} starts from a pair of states, (h_0, c_0), got {type(hx).__name__}")
    return tuple(graph.operand(x) for x in given)


def check_nonlinearity(nonlinearity: str) -> None:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")


class _Cell(Recurrent):
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
            states = states_of(self, hx)
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


class RNNCell(RnnScan, _Cell):
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
        check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype=dtype, generator=generator)
        self.nonlinearity = nonlinearity


class LSTMCell(LstmScan, _Cell):
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


class GRUCell(GruScan, _Cell):
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
