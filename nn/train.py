"""Training in one call: `fit`, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor
from nn.callbacks import Callback
from nn.data import DataLoader, TensorDataset
from nn.history import History
from nn.module import Module
from nn.run import Callbacks, Metrics, Run, evaluating

__all__ = ["Callback", "Run", "evaluate", "evaluating", "fit", "predict"]


def fit(
    model: Module,
    loss: Callable[..., Any],
    optimizer: Any,
    data: Any,
    *,
    epochs: int,
    validation: Any = None,
    metrics: Metrics = None,
    callbacks: Callbacks = (),
    batch_size: int = 32,
    generator: np.random.Generator | None = None,
    progress: bool = True,
    compile: bool = False,
) -> History:
    """Train a model.

    Ctrl-C ends the run after the current batch, and what was learned is kept.

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
        Each ``metric(output, target)`` to a float; averaged over the samples of the epoch as training goes on. A
        `nn.metrics.Metric` is of all samples of the epoch together.
        ``"accuracy"`` knows logits (of `BCEWithLogitsLoss`) from probabilities.
    callbacks : iterable of Callback or callable, optional
        See `nn.callbacks`. A plain callable is called with the `Run` after each epoch.
    batch_size : int, optional
        For data that is no DataLoader.
    generator : numpy.random.Generator, optional
        For the shuffling of data that is no DataLoader.
    progress : bool, optional
        Show a bar with loss, metrics, learning rate and the time left (needs tqdm).
    compile : bool, optional
        Record the step of a batch once for each shape and replay it, much faster for small models; see
        `autograd_lite.compile` for what model and loss may do then.

    Returns
    -------
    History
        A row an epoch: ``epoch``, ``loss``, the metrics, their ``val_`` counterparts, ``lr`` and ``seconds``.

    Raises
    ------
    AnomalyError
        When a loss or a gradient is not finite: names the op that made it so. The weights are those before.

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
    run = Run(model, loss, optimizer, metrics=metrics, callbacks=callbacks, progress=progress, compile=compile)
    held_out = None if validation is None else _loader(validation, max(batch_size, 256), False, None)
    return run.train(_loader(data, batch_size, True, generator), epochs, held_out)


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
    return Run(model, loss, None, metrics=metrics).evaluate(_loader(data, batch_size, False, None))


def predict(model: Module, x: Any, batch_size: int = 1024) -> np.ndarray[Any, Any]:
    """Return the outputs for an array of samples, in evaluation mode and without recording."""
    array = Tensor(x)
    with evaluating(model):
        parts = [model(array[i : i + batch_size]).numpy() for i in range(0, max(len(array), 1), batch_size)]
    return np.concatenate(parts)


def _loader(data: Any, batch_size: int, shuffle: bool, generator: np.random.Generator | None) -> Any:
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (tuple, list)):
        data = TensorDataset(*data)
    return DataLoader(data, batch_size, shuffle, generator=generator)
