"""Recurrences over a whole sequence: the plain recurrent cell, LSTM and GRU, each one record.

All of a sequence is one node, whose value is all that was computed in each step: the state, and beside it the gates,
as everything the rules need. Rules are NumPy like all others, so gradients of gradients work as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import graph
from autograd_lite.ops.record import Case, structural
from autograd_lite.taped import plainly

__all__ = ["gru_scan", "lstm_scan", "rnn_scan"]


def _before(start: Any, states: Any) -> Any:
    """Return the state that each step started from."""
    return np.concatenate([start[None], states[:-1]])


def _rows(x: Any) -> Any:
    """Merge the axes of time and samples."""
    return np.reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))


def _through(states: Any, w: Any) -> Any:
    """Return ``states @ w.T`` of all steps in one product."""
    return np.reshape(_rows(states) @ np.swapaxes(w, 0, 1), (*states.shape[:2], w.shape[0]))


def _weight_gradient(across: Any, states: Any) -> Any:
    return np.swapaxes(_rows(across), 0, 1) @ _rows(states)


def _blank(gates: Any, wide: int, dtype: Any) -> Any:
    """Return memory for what all steps compute."""
    return np.empty_like(gates, dtype, order="C", shape=(*gates.shape[:2], wide))


def _total(*terms: Any) -> Any:
    """Add up what is not None; None if nothing is."""
    present = [term for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def _drive(states: Any, w_tangent: Any, *others: Any) -> Any:
    """Return the part of the tangents before the activations that waits for no earlier step."""
    return _total(None if w_tangent is None else _through(states, w_tangent), *others)


def _blocks(gates: Any) -> list[slice]:
    """Cut the steps, the last first, into blocks that stay in the cache."""
    steps, count, wide = gates.shape
    size = max(1, 4096 // max(count * wide, 1))
    return [slice(start, start + size) for start in reversed(range(0, steps, size))]


def _at(drive: Any, t: int) -> Any:
    return 0.0 if drive is None else drive[t]


def _start(tangent: Any, state: Any) -> Any:
    return np.zeros(np.shape(state), dtype=state.dtype) if tangent is None else tangent


def _calls(gates: int, *operands: str, **params: Any) -> tuple[Case, ...]:
    """Test cases for a few lengths, batches and sizes; ``operands`` names the shapes that follow the gates."""

    def case(steps: int, count: int, size: int) -> Case:
        shapes = {"weight": (gates * size, size), "bias": (gates * size,), "state": (count, size)}
        return Case(((steps, count, gates * size), *(shapes[name] for name in operands)), params)

    return case(3, 2, 2), case(1, 3, 1), case(2, 1, 3), case(2, 0, 2)


class _Nonlinearity(NamedTuple):
    apply: Callable[..., Any]
    slope: Callable[[Any], Any]  # from the value


def _step_slope(h: Any) -> Any:
    return plainly(lambda h: np.where(h > 0, 1, 0 * h), h)  # NaN stays NaN


_NONLINEARITIES = {
    "tanh": _Nonlinearity(np.tanh, lambda h: 1 - h * h),
    "relu": _Nonlinearity(lambda x: np.maximum(x, 0), _step_slope),
}


def _rnn_forward(gates: Any, w: Any, h: Any, nonlinearity: str) -> Any:
    apply, _ = _NONLINEARITIES[nonlinearity]
    y = _blank(gates, w.shape[1], np.result_type(gates, w, h))
    for t, gate in enumerate(gates):
        y[t] = h = apply(gate + h @ w.T)
    return y


def _rnn_vjp(g: Any, y: Any, gates: Any, w: Any, h: Any, nonlinearity: str) -> Any:
    slopes = _NONLINEARITIES[nonlinearity].slope(y)
    carried: Any = None
    backwards = []
    for t in reversed(range(len(gates))):
        inner = _total(g[t], carried) * slopes[t]
        carried = inner @ w
        backwards.append(inner)
    inner = np.stack(backwards[::-1])
    return inner, _weight_gradient(inner, _before(h, y)), carried


def _rnn_jvp(tangents: Sequence[Any], y: Any, gates: Any, w: Any, h: Any, nonlinearity: str) -> Any:
    slopes = _NONLINEARITIES[nonlinearity].slope(y)
    d_gates, d_w, d_h = tangents
    drive = _drive(_before(h, y), d_w, d_gates)
    moving = _start(d_h, h)
    steps = []
    for t in range(len(gates)):
        moving = slopes[t] * (_at(drive, t) + moving @ np.swapaxes(w, 0, 1))
        steps.append(moving)
    return np.stack(steps)


_rnn = structural(
    "rnn_scan",
    "RNN",
    "h = tanh(gates[t] + h @ w.T) for each t",
    _rnn_forward,
    _rnn_vjp,
    jvp=_rnn_jvp,
    variadic=True,
    kinks="relu: slope 0 at 0",
    cases=(
        *_calls(1, "weight", "state", nonlinearity="tanh"),
        *_calls(1, "weight", "state", nonlinearity="relu"),
    ),
)


def _halves(n: int, gates: str, dtype: Any) -> tuple[Any, Any]:
    """Return scale and shift with which one tanh serves all gates: ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``."""
    shift = np.repeat([0.5 if gate == "s" else 0.0 for gate in gates], n)
    return (1 - shift).astype(dtype), shift.astype(dtype)


def _slopes(a: Any, shift: Any) -> Any:
    """Return the slopes of gates from their values: ``a (1 - a)`` of a sigmoid, ``(1 + a) (1 - a)`` of a tanh."""
    return (a + (1 - 2 * shift)) * (1 - a)


def _split(x: Any, parts: int) -> list[Any]:
    """Cut the last axis into equal parts."""
    n = x.shape[-1] // parts
    return [x[..., k * n : (k + 1) * n] for k in range(parts)]


def _lstm_forward(gates: Any, w: Any, h: Any, c: Any) -> Any:
    n = w.shape[1]
    dtype = np.result_type(gates, w, h, c)
    scale, shift = _halves(n, "ssts", dtype)
    w = (w.T * scale).copy(order="C")  # a product by rows is twice as fast
    y = _blank(gates, 6 * n, dtype)
    for gate, out in zip(gates, y, strict=True):
        a = out[:, 2 * n :]
        np.tanh(gate * scale + h @ w, out=a)
        a *= scale
        a += shift
        i, f, u, o = _split(a, 4)
        c = f * c + i * u
        h = o * np.tanh(c)
        out[:, :n], out[:, n : 2 * n] = h, c
    return y


def _lstm_vjp(g: Any, y: Any, gates: Any, w: Any, h: Any, c: Any) -> Any:
    n = w.shape[1]
    shift, before = _halves(n, "ssts", w.dtype)[1], _before(c, y[..., n : 2 * n])
    carried_h: Any = None
    carried_c: Any = None
    backwards = []
    for block in _blocks(gates):  # what waits for no later step is computed of several steps at once
        _, tops, i, f, u, o = _split(y[block], 6)
        tops, slopes = np.tanh(tops), _slopes(y[block, :, 2 * n :], shift)
        through_tops = o * (1 - tops * tops)
        factors = np.concatenate([u, before[block], i, tops], axis=2) * slopes
        g_hs, g_cs, g_gates = g[block, :, :n], g[block, :, n : 2 * n], g[block, :, 2 * n :] * slopes
        for t in reversed(range(len(slopes))):
            g_h = _total(g_hs[t], carried_h)
            g_c = _total(g_cs[t] + g_h * through_tops[t], carried_c)
            inner = np.concatenate([g_c, g_c, g_c, g_h], axis=1) * factors[t] + g_gates[t]
            carried_h = inner @ w
            carried_c = g_c * f[t]
            backwards.append(inner)
    inner = np.stack(backwards[::-1])
    return inner, _weight_gradient(inner, _before(h, y[..., :n])), carried_h, carried_c


def _lstm_jvp(tangents: Sequence[Any], y: Any, gates: Any, w: Any, h: Any, c: Any) -> Any:
    n = w.shape[1]
    shift = _halves(n, "ssts", w.dtype)[1]
    before = _before(c, y[..., n : 2 * n])
    d_gates, d_w, d_h, d_c = tangents
    drive = _drive(_before(h, y[..., :n]), d_w, d_gates)
    d_h, d_c = _start(d_h, h), _start(d_c, c)
    steps = []
    for t in range(len(gates)):
        _, c_t, i, f, u, o = _split(y[t], 6)
        top = np.tanh(c_t)
        d_a = (_at(drive, t) + d_h @ np.swapaxes(w, 0, 1)) * _slopes(y[t, :, 2 * n :], shift)
        d_i, d_f, d_u, d_o = _split(d_a, 4)
        d_c = f * d_c + before[t] * d_f + u * d_i + i * d_u
        d_h = top * d_o + o * (1 - top * top) * d_c
        steps.append(np.concatenate([d_h, d_c, d_a], axis=1))
    return np.stack(steps)


_lstm = structural(
    "lstm_scan",
    "LSTM",
    "h, c, i, f, u, o for each t, with c = f * c + i * u, h = o * tanh(c) and the gates from gates[t] + h @ w.T",
    _lstm_forward,
    _lstm_vjp,
    jvp=_lstm_jvp,
    variadic=True,
    cases=_calls(4, "weight", "state", "state"),
)


def _gru_forward(gates: Any, w: Any, b: Any, h: Any) -> Any:
    n = w.shape[1]
    dtype = np.result_type(gates, w, b, h)
    scale, shift = _halves(n, "ss", dtype)
    y = _blank(gates, 5 * n, dtype)
    for gate, out in zip(gates, y, strict=True):
        inner = h @ w.T + b
        a = np.tanh((gate[:, : 2 * n] + inner[:, : 2 * n]) * scale)
        a *= scale
        a += shift
        r, z = _split(a, 2)
        v = inner[:, 2 * n :]
        u = np.tanh(gate[:, 2 * n :] + r * v)
        h = u + z * (h - u)
        out[:, :n], out[:, n : 3 * n], out[:, 3 * n : 4 * n], out[:, 4 * n :] = h, a, u, v
    return y


def _gru_vjp(g: Any, y: Any, gates: Any, w: Any, b: Any, h: Any) -> Any:
    n = w.shape[1]
    before = _before(h, y[..., :n])
    carried: Any = None
    by_gates, by_inner = [], []
    for t in reversed(range(len(gates))):
        _, r, z, u, v = _split(y[t], 5)
        g_h, g_r, g_z, g_u, g_v = _split(g[t], 5)
        g_h = _total(g_h, carried)
        in_u = (g_u + g_h * (1 - z)) * (1 - u * u)
        in_z = (g_z + g_h * (before[t] - u)) * (z * (1 - z))
        in_r = (g_r + in_u * v) * (r * (1 - r))
        by_gates.append(np.concatenate([in_r, in_z, in_u], axis=1))
        inner = np.concatenate([in_r, in_z, in_u * r + g_v], axis=1)
        by_inner.append(inner)
        carried = g_h * z + inner @ w
    inner = np.stack(by_inner[::-1])
    return np.stack(by_gates[::-1]), _weight_gradient(inner, before), np.sum(inner, axis=(0, 1)), carried


def _gru_jvp(tangents: Sequence[Any], y: Any, gates: Any, w: Any, b: Any, h: Any) -> Any:
    n = w.shape[1]
    before = _before(h, y[..., :n])
    d_gates, d_w, d_b, d_h = tangents
    drive, d_h = _drive(before, d_w), _start(d_h, h)
    steps = []
    for t in range(len(gates)):
        _, r, z, u, v = _split(y[t], 5)
        inner_r, inner_z, d_v = _split(_total(_at(drive, t) + d_h @ np.swapaxes(w, 0, 1), d_b), 3)
        in_r, in_z, in_u = _split(d_gates[t], 3) if d_gates is not None else (0.0, 0.0, 0.0)
        d_r = (in_r + inner_r) * (r * (1 - r))
        d_z = (in_z + inner_z) * (z * (1 - z))
        d_u = (in_u + d_r * v + r * d_v) * (1 - u * u)
        d_h = (1 - z) * d_u + (before[t] - u) * d_z + z * d_h
        steps.append(np.concatenate([d_h, d_r, d_z, d_u, d_v], axis=1))
    return np.stack(steps)


_gru = structural(
    "gru_scan",
    "GRU",
    "h, r, z, u, v for each t, with h = (1 - z) * u + z * h, v of h, and the gates from gates[t] and h",
    _gru_forward,
    _gru_vjp,
    jvp=_gru_jvp,
    variadic=True,
    cases=_calls(3, "weight", "bias", "state"),
)


def _checked(name: str, count: int, gates: Any, w: Any, bias: Any, *states: Any) -> list[Any]:
    """Return the operands as nodes or arrays, having made sure that their shapes fit; a bias of None is left out."""
    operands: list[Any] = [gates, w, *([] if bias is None else [bias]), *states]
    operands = [x if isinstance(x, graph.Node) else graph.plain(x) for x in operands]
    shapes = [np.shape(x) for x in operands]
    (steps, batch), size = (*shapes[0], 0, 0)[:2], (0, *shapes[1])[-1]
    wide = count * size
    wanted = [(steps, batch, wide), (wide, size), *([] if bias is None else [(wide,)]), *[(batch, size)] * len(states)]
    if shapes != wanted or 0 in (steps, size):
        biased = "" if bias is None else f"a bias of ({count} * H,), "
        raise ValueError(
            f"{name} takes gates of shape (T, N, {count} * H) with T > 0, a weight of ({count} * H, H), {biased}"
            f"and states of (N, H), got {', '.join(map(str, shapes))}"
        )
    return operands


def rnn_scan(gates: Any, weight_hh: Any, h0: Any, nonlinearity: str = "tanh") -> Any:
    """Run a plain recurrent cell over a sequence: ``h = tanh(gates[t] + h @ weight_hh.T)``.

    Parameters
    ----------
    gates : array_like
        Shape (T, N, H): what the inputs and biases contribute to each of T steps, for N sequences.
    weight_hh : array_like
        Shape (H, H).
    h0 : array_like
        Shape (N, H): the state to start from.
    nonlinearity : {"tanh", "relu"}, optional

    Returns
    -------
    ndarray or Tensor
        Shape (T, N, H): the state after each step.

    Raises
    ------
    ValueError
        When shapes do not fit, and for another nonlinearity.

    Examples
    --------
    >>> import numpy as np
    >>> rnn_scan(np.ones((3, 1, 1)), [[2.0]], [[0.0]], "relu").ravel()
    array([1., 3., 7.])
    """
    if nonlinearity not in _NONLINEARITIES:
        raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
    return _rnn(*_checked("rnn_scan", 1, gates, weight_hh, None, h0), nonlinearity=nonlinearity)


def lstm_scan(gates: Any, weight_hh: Any, h0: Any, c0: Any) -> Any:
    """Run a long short-term memory over a sequence (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    ``i, f, u, o = sigmoid, sigmoid, tanh, sigmoid of gates[t] + h @ weight_hh.T``, then ``c = f * c + i * u`` and
    ``h = o * tanh(c)``.

    Parameters
    ----------
    gates : array_like
        Shape (T, N, 4 * H), in the order i, f, u, o: what the inputs and biases contribute to each of T steps.
    weight_hh : array_like
        Shape (4 * H, H).
    h0, c0 : array_like
        Shape (N, H): the hidden and the cell state to start from.

    Returns
    -------
    ndarray or Tensor
        Shape (T, N, 2 * H): after each step, the hidden state and beside it the cell state.

    Raises
    ------
    ValueError
        When shapes do not fit; the message names them.

    Examples
    --------
    >>> import numpy as np
    >>> zeros = np.zeros((1, 1))
    >>> lstm_scan(np.full((2, 1, 4), 1e4), np.zeros((4, 1)), zeros, zeros).round(4)
    array([[[0.7616, 1.    ]],
    <BLANKLINE>
           [[0.964 , 2.    ]]])
    """
    steps = _lstm(*_checked("lstm_scan", 4, gates, weight_hh, None, h0, c0))
    return steps[..., : 2 * np.shape(h0)[1]]


def gru_scan(gates: Any, weight_hh: Any, bias_hh: Any, h0: Any) -> Any:
    """Run a gated recurrent unit over a sequence (Cho et al. 2014, with the reset gate behind the product).

    With ``inner = h @ weight_hh.T + bias_hh``: ``r, z = sigmoid(gates + inner)``, ``u = tanh(gates + r * inner)``, each
    of its own columns, and ``h = (1 - z) * u + z * h``.

    Parameters
    ----------
    gates : array_like
        Shape (T, N, 3 * H), in the order r, z, u: what the inputs and their biases contribute to each of T steps.
    weight_hh : array_like
        Shape (3 * H, H).
    bias_hh : array_like
        Shape (3 * H,).
    h0 : array_like
        Shape (N, H): the state to start from.

    Returns
    -------
    ndarray or Tensor
        Shape (T, N, H): the state after each step.

    Raises
    ------
    ValueError
        When shapes do not fit; the message names them.

    Examples
    --------
    >>> import numpy as np
    >>> gru_scan(np.zeros((2, 1, 3)), np.zeros((3, 1)), np.zeros(3), [[1.0]]).ravel()
    array([0.5 , 0.25])
    """
    return _gru(*_checked("gru_scan", 3, gates, weight_hh, bias_hh, h0))[..., : np.shape(h0)[1]]
