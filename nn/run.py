"""Run: the training loop, and the state of it that can be saved and taken up again."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import autograd_lite
from autograd_lite import default_generator, no_grad
from autograd_lite.taped import effect
from nn.callbacks.base import AfterEpoch, Callback
from nn.diagnosis import are_finite, explain_nonfinite
from nn.history import History
from nn.loss import BCEWithLogitsLoss
from nn.metrics import Metric as Streaming, accuracy
from nn.module import Module
from nn.optim import Optimizer
from nn.progress import progress_bar

__all__ = ["Callbacks", "Metrics", "Run", "evaluating", "generators_of"]

Metric = Callable[[Any, Any], float]
Metrics = Mapping[str, Metric] | Sequence[str | Metric] | None
Callbacks = Iterable[Callback | Callable[["Run"], Any]]


class Run:
    """A training run: what `fit` makes, and what callbacks see.

    Make one yourself to train in several calls of `train`, or subclass it to change what is done with a batch.

    Parameters
    ----------
    model : Module
    loss : callable
    optimizer : Optimizer
    metrics, callbacks, progress
        As in `fit`.
    history : History, optional
        To be continued.
    compile : bool, optional
        Record the step of a batch once for each shape and replay it (`autograd_lite.compile`).

    Attributes
    ----------
    epochs : int
        How many there are to be.
    epoch : int
        The number of the current one, from 1.
    loader : DataLoader
        What the batches are drawn from.
    figures : dict of str to float
        Those of the last batch, and at the end of an epoch its row in the history.
    history : History
    samples : int or None
        How many samples of the batch count; None stands for all.
    leads : bool
        Whether this process is the one that writes files and shows progress.
    stop : bool
        Set it to end the run after this epoch.
    interrupted : bool
        Set it to end the run after this batch; Ctrl-C does.
    halted : bool
        Whether the run ends after this batch. With several processes it waits until all know of it.
    together : bool
        Whether there are several processes.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Any],
        optimizer: Any,
        *,
        metrics: Metrics = None,
        callbacks: Callbacks = (),
        progress: bool = False,
        history: History | None = None,
        compile: bool = False,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = _named(metrics, loss)
        callbacks = list(callbacks)
        for c in callbacks:
            if not isinstance(c, Callback) and (not callable(c) or isinstance(c, type)):
                raise TypeError(f"a callback is a Callback or a function of the run, made already, got {c!r}")
        listeners = [c if isinstance(c, Callback) else AfterEpoch(c) for c in callbacks]
        self.callbacks = sorted(listeners, key=lambda c: c.order)
        self.leads = all(c.leads for c in self.callbacks)
        self.progress = progress and self.leads
        self.history = History() if history is None else history
        self.epoch = self.epochs = len(self.history)
        self.loader: Any = None
        self.samples: int | None = None
        self.figures: dict[str, Any] = {}
        self.stop = self.interrupted = self.halted = self.together = False
        self._totals = _Totals(self.metrics)
        self.compile = compile
        if compile:
            self._gradients, self._step = (autograd_lite.compile(f) for f in (self._gradients, self._step))  # type: ignore[method-assign]

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def forward(self, batch: Sequence[Any]) -> tuple[Any, Any, Any]:
        """Return the loss of a batch, the output and the target; override it for a loss of more than these two."""
        *inputs, target = batch
        output = self.model(*inputs)
        return self.loss(output, target), output, target

    def train(self, loader: Any, epochs: int, validation: Any = None) -> History:
        """Train for so many more epochs.

        Parameters
        ----------
        loader, validation : iterable of batches
        epochs : int

        Returns
        -------
        History

        Raises
        ------
        AnomalyError
            When a loss or a gradient is not finite: names the op that made it so. The weights are those before.
        ValueError
            When there is no batch.
        """
        if not len(loader):
            raise ValueError("there is no batch to train on: the data is empty, or drop_last leaves nothing of it")
        self.loader, self.epochs = loader, self.epoch + epochs
        self.stop = self.interrupted = self.halted = False
        self.tell("on_train_begin")
        self.tell("on_ready")
        batches = len(self.loader)
        with progress_bar(self.epochs * batches, self.progress, self.epoch * batches) as bar, _interruptible(self):
            while self.epoch < self.epochs and not self.stop:
                started = time.perf_counter()
                self.epoch += 1
                self._train_epoch(bar)
                if self.halted:
                    break
                row: dict[str, Any] = {"epoch": self.epoch, **self.so_far()}
                if validation is not None:
                    row.update((f"val_{name}", x) for name, x in self.evaluate(validation).items())
                row["lr"] = self.lr
                row["seconds"] = time.perf_counter() - started
                self.history.append(row)
                self.figures = row
                bar.show(self, row)
                self.tell("on_epoch_end")
        if self.halted:
            self.history.ended = f"interrupted in epoch {self.epoch}"
            self.epoch -= 1
        self.tell("on_train_end")
        return self.history

    def _train_epoch(self, bar: Any) -> None:
        self.model.train()
        self.tell("on_epoch_begin")
        self._totals = _Totals(self.metrics)
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        for number, batch in enumerate(self.loader, 1):
            self._train_batch(batch, number, params)
            bar.advance(self)
            self.halted = self.halted or (self.interrupted and not self.together)
            if self.halted:
                break

    def _train_batch(self, batch: Sequence[Any], number: int, params: list[Any]) -> None:
        where = f"epoch {self.epoch}, batch {number}"
        if self.compile and self._steps_alone():
            loss, output, target = self._explained(batch, where, lambda: self._step(*batch))
        else:
            first: list[Any] = []

            def closure() -> Any:  # some optimisers call it more than once a step
                loss, output, target = self._explained(batch, where, lambda: self._gradients(*batch))
                if not first:
                    first.extend((float(loss), output, target))
                self.tell("on_gradients")
                return loss

            self.optimizer.step(closure)
            loss, output, target = first
        self.figures = self._totals.add(float(loss), output, target, self.samples)
        self.tell("on_batch_end")

    def _gradients(self, *batch: Any) -> tuple[Any, Any, Any]:
        """Compute the gradients of a batch."""
        self.optimizer.zero_grad()
        loss, output, target = self.forward(batch)
        loss.backward()
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        effect(_check_finite, [loss, *(p.grad for p in params if p.grad is not None)])
        return loss, output, target

    def _step(self, *batch: Any) -> tuple[Any, Any, Any]:
        """Compute the gradients of a batch and move the parameters."""
        results = self._gradients(*batch)
        self.optimizer.step()
        return results

    def _steps_alone(self) -> bool:
        """Return whether nothing comes between the gradients and the step of the optimiser."""
        heard = any(type(c).on_gradients is not Callback.on_gradients for c in self.callbacks)
        return not heard and type(self.optimizer).step is Optimizer.step

    def _explained(self, batch: Sequence[Any], where: str, compute: Callable[[], Any]) -> Any:
        """Compute, and find out what made numbers that are not finite."""
        try:
            return compute()
        except _NonFiniteError as error:
            raise explain_nonfinite(self.model, lambda: self.forward(batch)[0], batch, error.loss, where) from None

    def _replay_reads(self) -> tuple[Any, ...]:
        """Return what a recording of the step depends on: not how far the run is."""
        return tuple(x for name, x in vars(self).items() if name not in _PROGRESS)

    def so_far(self) -> dict[str, float]:
        """Return the means of the figures over the samples of this epoch."""
        return self._totals.means()

    def totals(self) -> tuple[int, dict[str, float]]:
        """Return the number of samples of this epoch so far, and the sums of the figures over them."""
        return self._totals.count, self._totals.sums

    def evaluate(self, loader: Any) -> dict[str, float]:
        """Return loss and metrics over batches, in evaluation mode and without recording."""
        totals = _Totals(self.metrics)
        with evaluating(self.model):
            for batch in loader:
                loss, output, target = self.forward(batch)
                totals.add(float(loss), output, target)
        return totals.means()

    def state_dict(self) -> dict[str, Any]:
        """Return all that a run needs to go on elsewhere, as `nn.save_checkpoint` takes it."""
        return {
            "epoch": self.epoch,
            "stop": self.stop,
            "history": {"rows": self.history.rows, "ended": self.history.ended},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "generators": {name: generator.bit_generator.state for name, generator in generators_of(self).items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, from a run that was set up in the same way."""
        generators = generators_of(self)
        if len(state["callbacks"]) != len(self.callbacks) or state["generators"].keys() != generators.keys():
            raise ValueError(
                "the saved run was set up differently: "
                f"{len(state['callbacks'])} callbacks and generators of {', '.join(state['generators'])}; "
                f"here {len(self.callbacks)} callbacks and generators of {', '.join(generators)}.\n"
                "Set it up as it was, or take the weights alone: model.load_state_dict(state['model'])."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for callback, own in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(own)
        for name, generator in generators.items():
            generator.bit_generator.state = state["generators"][name]
        self.epoch, self.stop = state["epoch"], state["stop"]
        self.history.rows[:] = state["history"]["rows"]
        self.history.ended = state["history"]["ended"]

    def tell(self, event: str) -> None:
        """Call a method of each callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self)


# The attributes of a run that say how far it is, and do not matter to the step of a batch.
_PROGRESS = frozenset(
    "epoch epochs loader figures history samples leads stop interrupted halted together progress callbacks metrics "
    "compile _totals _gradients _step".split()
)


class _NonFiniteError(Exception):
    """A loss or a gradient is NaN or infinite."""

    def __init__(self, loss: float) -> None:
        super().__init__(loss)
        self.loss = loss


def _check_finite(loss: Any, *gradients: Any) -> None:
    if not math.isfinite(loss) or not are_finite(gradients):
        raise _NonFiniteError(float(loss))


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


def generators_of(run: Run) -> dict[str, np.random.Generator]:
    """Return every random generator that a run may draw from: the default one, and those it finds in its parts."""
    found = {"default": default_generator()}
    parts: dict[str, Any] = {"loader": run.loader, "optimizer": run.optimizer}
    for i, callback in enumerate(run.callbacks):
        parts[f"callback {i}"] = callback
    for path, module in run.model.named_modules():
        parts[f"model.{path}" if path else "model"] = module
    waiting = list(parts.items())
    while waiting:
        name, part = waiting.pop(0)
        for attribute, x in getattr(part, "__dict__", {}).items():
            if isinstance(x, np.random.Generator):
                found[f"{name}.{attribute}"] = x
            elif attribute in ("dataset", "sampler", "batch_sampler"):
                waiting.append((f"{name}.{attribute}", x))
    return found


@contextlib.contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    """Let the first Ctrl-C end the run after its batch, so that no step is cut in half; a second one at once."""

    def after_this_batch(number: int, frame: Any) -> None:
        if run.interrupted:
            raise KeyboardInterrupt
        run.interrupted = True

    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, after_this_batch)
    try:
        yield
    except KeyboardInterrupt:
        if run.together:  # the others would wait for this process
            raise
        run.interrupted = run.halted = True
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


class _Totals:
    """The figures of an epoch: means over its samples, and those metrics that take in batch by batch."""

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self.means_of: dict[str, Any] = {name: f for name, f in metrics.items() if not isinstance(f, Streaming)}
        self.streaming: dict[str, Any] = {name: f for name, f in metrics.items() if isinstance(f, Streaming)}
        for metric in self.streaming.values():
            metric.reset()
        self.count = 0
        self.sums: dict[str, float] = {}

    def add(self, loss: float, output: Any, target: Any, samples: int | None = None) -> dict[str, float]:
        """Take in a batch; return its figures, streaming ones aside."""
        figures = {"loss": loss, **{name: f(output, target) for name, f in self.means_of.items()}}
        for metric in self.streaming.values():
            metric.update(output, target)
        samples = len(target) if samples is None else samples
        self.count += samples
        for name, x in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + x * samples
        return figures

    def means(self) -> dict[str, float]:
        figures = {name: total / self.count for name, total in self.sums.items()}
        if self.count:
            figures.update((name, metric.compute()) for name, metric in self.streaming.items())
        return figures


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
