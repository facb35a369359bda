"""The training loop: epochs of batches, validation, metrics, callbacks, a progress bar, and a History of it all."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from autograd_lite import Tensor, no_grad
from nn.data import DataLoader, TensorDataset
from nn.history import History
from nn.loss import BCEWithLogitsLoss
from nn.metrics import accuracy
from nn.module import Module

__all__ = ["Callback", "Run", "evaluate", "evaluating", "fit", "predict"]

Metric = Callable[[Any, Any], float]
Metrics = Mapping[str, Metric] | Sequence[str | Metric] | None


@dataclass
class Run:
    """A training run as callbacks see it.

    Attributes
    ----------
    model, loss, optimizer
        As given to `fit`.
    epochs : int
        How many there are to be.
    epoch : int
        The number of the current one, from 1.
    figures : dict of str to float
        Those of the last batch, and at the end of an epoch its row in the history.
    history : History
    stop : bool
        Set it to end the run after this epoch.
    """

    model: Module
    loss: Callable[..., Any]
    optimizer: Any
    epochs: int
    epoch: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    stop: bool = False


class Callback:
    """What is told of the course of a run; override what you need."""

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_gradients(self, run: Run) -> None:
        """Between ``backward()`` and the optimiser's step."""

    def on_batch_end(self, run: Run) -> None:
        """After the optimiser's step."""

    def on_epoch_end(self, run: Run) -> None:
        """After validation, when the row of the history is complete."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch."""


def fit(
    model: Module,
    loss: Callable[..., Any],
    optimizer: Any,
    data: Any,
    *,
    epochs: int,
    validation: Any = None,
    metrics: Metrics = None,
    callbacks: Iterable[Callback | Callable[[Run], Any]] = (),
    batch_size: int = 32,
    generator: np.random.Generator | None = None,
    progress: bool = True,
) -> History:
    """Train a model.

    Parameters
    ----------
    model : Module
        Called with all entries of a batch but the last.
    loss : callable
        ``loss(output, target)`` to one number; the target is the last entry of a batch.
    optimizer : Optimizer
    data : DataLoader, Dataset or tuple of array_like
        What is no DataLoader is shuffled anew each epoch and cut into batches.
    epochs : int
    validation : DataLoader, Dataset or tuple of array_like, optional
        Judged after each epoch, in evaluation mode and without recording.
    metrics : sequence of callable or "accuracy", or mapping of name to callable, optional
        Each ``metric(output, target)`` to a float; averaged over the samples of the epoch as training goes on.
        ``"accuracy"`` knows logits (of `BCEWithLogitsLoss`) from probabilities.
    callbacks : iterable of Callback or callable, optional
        A plain callable is called with the `Run` after each epoch.
    batch_size : int, optional
        For data that is no DataLoader.
    generator : numpy.random.Generator, optional
        For the shuffling of data that is no DataLoader.
    progress : bool, optional
        Show a bar (needs tqdm).

    Returns
    -------
    History
        A row an epoch: ``epoch``, ``loss``, the metrics, their ``val_`` counterparts, ``lr`` and ``seconds``.

    Examples
    --------
    >>> import autograd_lite as ag, nn
    >>> _ = ag.manual_seed(0)
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = nn.Linear(1, 1)
    >>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    >>> history = fit(model, nn.MSELoss(), optimizer, (x, 3 * x + 1), epochs=100, progress=False)
    >>> round(model.weight.item(), 3), round(model.bias.item(), 3)
    (3.0, 1.0)
    """
    loader = _loader(data, batch_size, True, generator)
    held_out = None if validation is None else _loader(validation, max(batch_size, 256), False, None)
    judges = _named(metrics, loss)
    run = Run(model, loss, optimizer, epochs)
    listeners = [c if isinstance(c, Callback) else _AfterEpoch(c) for c in callbacks]
    with _bar(epochs * len(loader), progress) as bar:
        _tell(listeners, "on_train_begin", run)
        for run.epoch in range(1, epochs + 1):
            started = time.perf_counter()
            model.train()
            _tell(listeners, "on_epoch_begin", run)
            totals = _Totals()
            for *inputs, target in loader:
                optimizer.zero_grad()
                output = model(*inputs)
                error = loss(output, target)
                error.backward()
                _tell(listeners, "on_gradients", run)
                optimizer.step()
                run.figures = {"loss": float(error), **{name: f(output, target) for name, f in judges.items()}}
                totals.add(run.figures, len(target))
                _tell(listeners, "on_batch_end", run)
                bar.update()
            row: dict[str, Any] = {"epoch": run.epoch, **totals.means()}
            if held_out is not None:
                row.update((f"val_{name}", x) for name, x in evaluate(model, loss, held_out, judges).items())
            row["lr"] = optimizer.param_groups[0]["lr"]
            row["seconds"] = time.perf_counter() - started
            run.history.append(row)
            run.figures = row
            bar.show(run)
            _tell(listeners, "on_epoch_end", run)
            if run.stop:
                break
        _tell(listeners, "on_train_end", run)
    return run.history


def evaluate(
    model: Module, loss: Callable[..., Any], data: Any, metrics: Metrics = None, batch_size: int = 256
) -> dict[str, float]:
    """Return loss and metrics over data, in evaluation mode and without recording.

    Parameters
    ----------
    model, loss, data, metrics, batch_size
        As in `fit`.

    Returns
    -------
    dict of str to float
    """
    judges = _named(metrics, loss)
    totals = _Totals()
    with evaluating(model):
        for *inputs, target in _loader(data, batch_size, False, None):
            output = model(*inputs)
            figures = {"loss": float(loss(output, target)), **{name: f(output, target) for name, f in judges.items()}}
            totals.add(figures, len(target))
    return totals.means()


def predict(model: Module, x: Any, batch_size: int = 1024) -> np.ndarray[Any, Any]:
    """Return the outputs for an array of samples, in evaluation mode and without recording."""
    array = Tensor(x)
    with evaluating(model):
        parts = [model(array[i : i + batch_size]).numpy() for i in range(0, max(len(array), 1), batch_size)]
    return np.concatenate(parts)


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Compute in evaluation mode and without recording; afterwards every layer is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, mode in before:
            module.training = mode


class _Totals:
    """Means over samples of figures that come as means over batches."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, float] = {}

    def add(self, figures: Mapping[str, float], samples: int) -> None:
        self.count += samples
        for name, x in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + x * samples

    def means(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self.sums.items()}


class _AfterEpoch(Callback):
    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


class _Bar:
    """The progress bar, or none."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def update(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def show(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.set_description(f"epoch {run.epoch}/{run.epochs}", refresh=False)
            shown = {name: f"{x:.4g}" for name, x in run.figures.items() if name not in ("epoch", "seconds")}
            self._bar.set_postfix(shown, refresh=False)


@contextlib.contextmanager
def _bar(total: int, progress: bool) -> Iterator[_Bar]:
    if not progress:
        yield _Bar(None)
        return
    try:
        from tqdm import tqdm
    except ImportError:
        raise ImportError("the progress bar needs tqdm: install it, or pass progress=False") from None
    with tqdm(total=total, unit="batch", dynamic_ncols=True) as bar:
        yield _Bar(bar)


def _tell(listeners: list[Callback], event: str, run: Run) -> None:
    for listener in listeners:
        getattr(listener, event)(run)


def _loader(data: Any, batch_size: int, shuffle: bool, generator: np.random.Generator | None) -> Any:
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (tuple, list)):
        data = TensorDataset(*data)
    return DataLoader(data, batch_size, shuffle, generator=generator)


def _named(metrics: Metrics, loss: Any) -> dict[str, Metric]:
    if isinstance(metrics, Mapping):
        return dict(metrics)
    found: dict[str, Metric] = {}
    for metric in metrics or ():
        if metric == "accuracy" or metric is accuracy:
            found["accuracy"] = partial(accuracy, threshold=0.0) if isinstance(loss, BCEWithLogitsLoss) else accuracy
        elif callable(metric):
            found[getattr(metric, "__name__", type(metric).__name__)] = metric
        else:
            raise ValueError(f"no metric is called {metric!r}; pass 'accuracy' or a function of output and target")
    return found
