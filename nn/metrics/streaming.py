"""Figures of merit over all the samples of a stream of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import graph
from nn.metrics.figures import (
    Array,
    accuracy,
    class_count,
    confusion_matrix,
    f1,
    mae,
    precision,
    predictions,
    r2,
    recall,
    roc_auc,
)

__all__ = ["F1", "MAE", "R2", "ROCAUC", "Accuracy", "ConfusionMatrix", "Metric", "Precision", "Recall"]


class Metric:
    """A metric over all the samples of a stream of batches, which in general is not the mean over the batches.

    Called, it gives the figure of one batch, and remembers nothing.

    Parameters
    ----------
    function : callable
        ``function(output, target, **settings)``: one of this module, or your own.
    **settings
        Passed on to the function.

    Examples
    --------
    >>> import nn
    >>> metric = Metric(nn.metrics.f1, threshold=0.0)
    >>> metric.update([1.0, -1.0], [1, 1])
    >>> metric.update([2.0], [0])
    >>> metric.compute()
    0.5
    """

    def __init__(self, function: Callable[..., Any], **settings: Any) -> None:
        self.function, self.settings = function, settings
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._outputs: list[Array] = []
        self._targets: list[Array] = []

    def __call__(self, output: Any, target: Any) -> Any:
        return self.function(output, target, **self.settings)

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        outputs, targets = self._kept(output, target)
        self._outputs.append(outputs)
        self._targets.append(targets)

    def _kept(self, output: Any, target: Any) -> tuple[Array, Array]:
        return np.array(graph.data_of(output)), np.array(graph.data_of(target))

    def compute(self) -> Any:
        """Return the figure of everything since the last `reset`.

        Raises
        ------
        ValueError
            When that is nothing.
        """
        if not self._outputs:
            raise ValueError(f"{self.__name__}: nothing to compute; call update(output, target) first")
        return self(np.concatenate(self._outputs), np.concatenate(self._targets))

    def reset(self) -> None:
        """Forget all batches."""
        self._outputs, self._targets = [], []

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={x!r}" for name, x in self.settings.items())
        return f"{type(self).__name__}({settings})"


class _OfPredictions(Metric):
    """A metric that needs to remember the predictions only, not the scores that they come from."""

    def _kept(self, output: Any, target: Any) -> tuple[Array, Array]:
        predicted, labels = predictions(self.__name__, output, target, self.settings["threshold"])
        return predicted.ravel(), labels.ravel()


class Accuracy(_OfPredictions):
    """`accuracy`, batch by batch."""

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__(accuracy, threshold=threshold)


class Precision(_OfPredictions):
    """`precision`, batch by batch."""

    def __init__(self, threshold: float = 0.5, average: str | None = "binary") -> None:
        super().__init__(precision, threshold=threshold, average=average)


class Recall(_OfPredictions):
    """`recall`, batch by batch."""

    def __init__(self, threshold: float = 0.5, average: str | None = "binary") -> None:
        super().__init__(recall, threshold=threshold, average=average)


class F1(_OfPredictions):
    """`f1`, batch by batch."""

    def __init__(self, threshold: float = 0.5, average: str | None = "binary") -> None:
        super().__init__(f1, threshold=threshold, average=average)


class ConfusionMatrix(_OfPredictions):
    """`confusion_matrix`, batch by batch."""

    def __init__(self, threshold: float = 0.5, classes: int | None = None) -> None:
        super().__init__(confusion_matrix, threshold=threshold, classes=classes)

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        if self.settings["classes"] is None:
            self.settings["classes"] = class_count(output)
        super().update(output, target)


class ROCAUC(Metric):
    """`roc_auc`, batch by batch."""

    def __init__(self, average: str = "macro", multi_class: str = "ovr") -> None:
        super().__init__(roc_auc, average=average, multi_class=multi_class)


class R2(Metric):
    """`r2`, batch by batch."""

    def __init__(self) -> None:
        super().__init__(r2)


class MAE(Metric):
    """`mae`, batch by batch."""

    def __init__(self) -> None:
        super().__init__(mae)
