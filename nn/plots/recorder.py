"""Recorder: the callback that notes what the pictures of a training run are drawn from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_lite import Tensor, graph
from nn.callbacks.base import Callback
from nn.module import Module
from nn.plots.stuck import StuckUnits
from nn.plots.thinning import Thinned
from nn.state import tensors_of

if TYPE_CHECKING:
    from nn.run import Run

__all__ = ["Recorder", "loaded"]

Array = np.ndarray[Any, Any]
_NORMS = ("weight", "gradient", "update")
_PACE, _LEAST = 80, 10  # batches from one look to the next, looks a run
_WATCHED = 128  # samples at the end of an epoch that tell which units are stuck
_WAITING = 8, 1e6  # epochs and bytes that may wait to be reckoned together, which is much quicker


class Recorder(Callback):
    """Note how weights, gradients and units fare, for `nn.plots` to draw.

    At the end of an epoch it takes a snapshot of the weights; for the last batch but one (the last is often small) the
    norms of weights, gradients and steps, and some of the gradients, as the step used them; and for the last 128
    samples or so the units that none of them moves.

    Parameters
    ----------
    every : int, optional
        Every how many epochs to look. By default every 80 batches or so, which costs 2 to 4 % of the time that small
        networks take to train, but at least ten times a run; the first and the last epoch are always looked at.
    samples : int, optional
        Of how many numbers of a parameter, chosen once at random, distributions are drawn.
    snapshots : bool, optional
        Whether to keep whole weights, for boundaries that move and surfaces of the loss.
    memory : float, optional
        Bytes for the snapshots, for the samples of weights and for those of gradients, each. Beyond it every second
        one is dropped; norms and counts of units are kept for all epochs.

    Attributes
    ----------
    names : tuple of str
        The parameters, by path.
    shapes : tuple of tuple of int
        Theirs.
    activations : dict of str to str
        The kinds of those whose units are watched, by path.
    epochs : list of int
        Those that norms and units were noted for.

    Examples
    --------
    >>> import numpy as np, nn
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = nn.MLP(1, [8], 1)
    >>> recorder = Recorder(every=1)
    >>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    >>> _ = nn.train.fit(
    ...     model, nn.MSELoss(), optimizer, (x, x**2), epochs=3, callbacks=[recorder], progress=False
    ... )
    >>> recorder.names
    ('0.weight', '0.bias', '2.weight', '2.bias')
    >>> recorder.epochs, recorder.norms("gradient").shape
    ([1, 2, 3], (3, 4))
    >>> [epoch for epoch, state in recorder.states()]
    [0, 1, 2, 3]
    """

    def __init__(
        self, every: int | None = None, samples: int = 500, snapshots: bool = True, memory: float = 32e6
    ) -> None:
        if (every is not None and every < 1) or samples < 1:
            raise ValueError(f"every and samples must be at least 1, got {every} and {samples}")
        self.every, self.samples, self.snapshots, self.memory = every, samples, snapshots, memory
        self._forget()
        self._release()

    def _forget(self) -> None:
        self.names: tuple[str, ...] = ()
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.activations: dict[str, str] = {}
        self.epochs: list[int] = []
        self._norms: list[Array] = []
        self._dead: dict[str, list[tuple[int, int]]] = {}
        self._waiting: list[tuple[list[Array], list[list[Array]]]] = []
        self._keys: dict[str, tuple[int, ...]] = {}  # what a snapshot holds, in order
        self._states, self._weights, self._gradients = (Thinned(self.memory) for _ in range(3))

    def _release(self) -> None:
        """Let go of the model."""
        self._params: list[Any] = []
        self._tensors: list[Any] = []
        self._units: StuckUnits | None = None
        self._before = np.zeros(0)
        self._found: list[Array] = []
        self._batch, self._open, self._look, self._last = 0, -1, -1, -1

    def on_train_begin(self, run: Run) -> None:
        self._finish()  # what a run that failed left behind
        if run.epoch == 0:
            self._forget()
        params = [(name, p) for name, p in run.model.named_parameters() if p.size]
        tensors = tensors_of(run.model)
        sizes = [p.size for _, p in params]
        self._names = tuple(name for name, _ in params)
        self._params, self._tensors = [p for _, p in params], list(tensors.values())
        self._starts = np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0, int)
        place = dict(zip(tensors, np.cumsum([0, *(t.size for t in self._tensors)]).tolist(), strict=False))
        picks = [_picks(size, self.samples) for size in sizes]
        self._of_params = np.concatenate([start + x for start, x in zip(self._starts, picks, strict=True)] or [[]])
        self._of_state = np.concatenate([place[n] + x for n, x in zip(self._names, picks, strict=True)] or [[]])
        self._of_params, self._of_state = self._of_params.astype(np.intp), self._of_state.astype(np.intp)
        self._keys = {name: t.shape for name, t in tensors.items()}
        self._units = StuckUnits(run.model)
        self.activations = {path: type(module).__name__ for path, module in self._units.modules.items()}

    def on_ready(self, run: Run) -> None:
        if not (run.leads and self._params):
            return
        names, shapes = self._names, tuple(p.shape for p in self._params)
        if self.names and (self.names, self.shapes) != (names, shapes):
            saved, own = (
                ", ".join(f"{n} {s}" for n, s in zip(*both, strict=True))
                for both in ((self.names, self.shapes), (names, shapes))
            )
            raise ValueError(
                f"the saved record is of the parameters {saved}; the model has {own}.\n"
                "Set the run up as it was, or begin with a new Recorder."
            )
        self.names, self.shapes = names, shapes
        if not self._weights.epochs:
            self._snapshot(run.epoch)

    def on_epoch_begin(self, run: Run) -> None:
        self._last = -1
        batches = len(run.loader)
        every = self.every or max(min(-(-_PACE // max(batches, 1)), run.epochs // _LEAST), 1)
        if not (run.leads and self._params and (run.epoch % every == 0 or run.epoch in (1, run.epochs))):
            return
        self._batch, self._found = 0, []
        size = getattr(run.loader, "batch_size", None) or 32
        self._last, self._look = batches, max(batches - 1, 1)
        self._open = max(batches - max(_WATCHED // size, 1), 0)
        if self._open == 0 and self._units is not None:
            self._units.open()
        if self._look == 1:
            self._before = _flat(self._params)

    def on_batch_end(self, run: Run) -> None:
        if self._last < 0:
            return
        self._batch = batch = self._batch + 1
        if batch == self._look - 1:
            self._before = _flat(self._params)
        elif batch == self._look:
            gradient = np.concatenate([_gradient_of(p) for p in self._params])
            step = _flat(self._params)
            step -= self._before
            self._found = [self._before, gradient, step]
        if batch == self._open and self._units is not None:
            self._units.open()

    def on_epoch_end(self, run: Run) -> None:
        if self._last < 0:
            return
        if self._found:
            self._gradients.add(run.epoch, self._found[1].take(self._of_params))
            self._waiting.append((self._found, self._units.close() if self._units is not None else []))
            self.epochs.append(run.epoch)
            epochs, size = _WAITING
            if len(self._waiting) >= epochs or len(self._waiting) * 3 * self._before.nbytes > size:
                self._reckon()
        self._snapshot(run.epoch)

    def on_train_end(self, run: Run) -> None:
        self._finish()

    def _finish(self) -> None:
        if self._units is not None:
            self._units.close()
        self._reckon()
        self._release()

    def _reckon(self) -> None:
        """Turn what waits into norms and counts."""
        if not self._waiting:
            return
        if len(self._waiting) > 1:
            arrays = np.array([found for found, _ in self._waiting])
            self._norms += list(np.sqrt(np.add.reduceat(arrays * arrays, self._starts, axis=-1)))
        else:  # perhaps large, so without copies
            parts = [np.split(x, self._starts[1:]) for x in self._waiting[0][0]]
            self._norms.append(np.array([[np.sqrt(np.vdot(x, x)) for x in row] for row in parts], float))
        if self._units is not None:
            for path, counts in self._units.count([outputs for _, outputs in self._waiting]).items():
                self._dead.setdefault(path, []).extend(counts)
        self._waiting = []

    @property
    def dead(self) -> dict[str, list[tuple[int, int]]]:
        """For each activation, by path: how many units were stuck, and of how many, an entry an epoch."""
        self._reckon()
        return self._dead

    def _snapshot(self, epoch: int) -> None:
        state = _flat(self._tensors)
        self._weights.add(epoch, state.take(self._of_state))
        if self.snapshots:
            self._states.add(epoch, state)

    def norms(self, of: str) -> Array:
        """Return norms of every parameter in every epoch of ``epochs``.

        Parameters
        ----------
        of : {"weight", "gradient", "update"}
            An update is what one step adds to the weights. The gradient of a parameter that had none is NaN.

        Returns
        -------
        ndarray
            Shape (len(epochs), len(names)).
        """
        if of not in _NORMS:
            raise ValueError(f"there are norms of {', '.join(map(repr, _NORMS))}, not of {of!r}")
        self._reckon()
        norms = np.array(self._norms).reshape(-1, len(_NORMS), len(self.names))
        return norms[:, _NORMS.index(of)]

    def distribution(self, of: str, name: str) -> tuple[list[int], Array]:
        """Return numbers of one parameter over the epochs: all of a small one, a random choice of a large one.

        Parameters
        ----------
        of : {"weight", "gradient"}
        name : str
            One of ``names``.

        Returns
        -------
        epochs : list of int
            0 is before the first.
        numbers : ndarray
            Shape (len(epochs), k).
        """
        if of not in ("weight", "gradient"):
            raise ValueError(f"there are distributions of 'weight' and 'gradient', not of {of!r}")
        if name not in self.names:
            raise ValueError(f"there is no parameter {name!r}; there are {', '.join(self.names) or 'none'}")
        counts = [min(int(np.prod(shape)), self.samples) for shape in self.shapes]
        i = self.names.index(name)
        start = sum(counts[:i])
        record = self._weights if of == "weight" else self._gradients
        numbers = [array[start : start + counts[i]] for array in record.arrays]
        return record.epochs, np.array(numbers).reshape(len(numbers), counts[i])

    def states(self) -> list[tuple[int, dict[str, Array]]]:
        """Return the snapshots: epochs, and state dicts for ``model.load_state_dict``; epoch 0 is the beginning."""
        return [
            (epoch, self._shaped(flat)) for epoch, flat in zip(self._states.epochs, self._states.arrays, strict=True)
        ]

    def _shaped(self, flat: Array) -> dict[str, Array]:
        parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in self._keys.values()])[:-1])
        return {name: x.reshape(shape) for x, (name, shape) in zip(parts, self._keys.items(), strict=True)}

    def state_dict(self) -> dict[str, Any]:
        self._reckon()
        return {
            "names": list(self.names),
            "shapes": [list(shape) for shape in self.shapes],
            "keys": {name: list(shape) for name, shape in self._keys.items()},
            "samples": self.samples,
            "activations": dict(self.activations),
            "epochs": list(self.epochs),
            "dead": {path: [list(pair) for pair in counts] for path, counts in self.dead.items()},
            "norms": np.array(self._norms).reshape(-1, len(_NORMS), len(self.names)),
            "states": self._states.state_dict(),
            "weights": self._weights.state_dict(),
            "gradients": self._gradients.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state["samples"] != self.samples:
            raise ValueError(f"the saved record has samples={state['samples']}, this Recorder samples={self.samples}")
        self.names, self.shapes = tuple(state["names"]), tuple(map(tuple, state["shapes"]))
        self._keys = {name: tuple(shape) for name, shape in state["keys"].items()}
        self.activations, self.epochs = dict(state["activations"]), list(state["epochs"])
        self._dead = {path: [(a, b) for a, b in counts] for path, counts in state["dead"].items()}
        self._norms = list(state["norms"])
        for record, saved in ((self._states, "states"), (self._weights, "weights"), (self._gradients, "gradients")):
            record.load_state_dict(state[saved])

    def __repr__(self) -> str:
        return (
            f"Recorder({len(self.epochs)} epochs of {len(self.names)} parameters, {len(self._states.epochs)} snapshots)"
        )


@contextlib.contextmanager
def loaded(model: Module, state: Mapping[str, Array]) -> Iterator[Module]:
    """Give a model other weights for a while."""
    own = model.state_dict()
    model.load_state_dict(state)
    try:
        yield model
    finally:
        model.load_state_dict(own)


def _picks(size: int, samples: int) -> Array:
    """Return which entries of a parameter stand for all: always the same ones, in no order that a layout has."""
    return np.arange(size) if size <= samples else np.random.default_rng(0).choice(size, samples, replace=False)


def _flat(tensors: list[Tensor]) -> Array:
    return np.concatenate([t._data.ravel() for t in tensors])


def _gradient_of(p: Any) -> Array:
    g = p.grad
    return np.full(p.size, np.nan) if g is None else np.ravel(graph.data_of(g))
