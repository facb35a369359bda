"""What networks as scikit-learn estimators share: making the network, and training it in full or by an epoch."""

# ruff: noqa: N803, N806 (X is scikit-learn's name)

from __future__ import annotations

import copy
import inspect
import math
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from autograd_lite import default_generator, manual_seed, ops
from nn import activation as activations, optim
from nn.callbacks import EarlyStopping
from nn.data import DataLoader, TensorDataset
from nn.history import History
from nn.mlp import MLP
from nn.module import Module
from nn.run import Run
from nn.settings import check_settings
from nn.train import predict

__all__ = ["FLOATS", "NeuralNet", "WeightedRun", "as_column"]

Array = np.ndarray[Any, Any]
FLOATS = (np.float64, np.float32)
_ACTIVATIONS: dict[str, type[Module]] = {name.lower(): getattr(activations, name) for name in activations.__all__}
_OPTIMIZERS: dict[str, Any] = {
    name.lower(): x
    for name, x in vars(optim).items()
    if isinstance(x, type) and issubclass(x, optim.Optimizer) and x is not optim.Optimizer
}
_initialising = threading.Lock()


class NeuralNet(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: making the network, training it in full or by an epoch, outputs."""

    def __init__(
        self,
        module: Any = None,
        *,
        hidden: int | Sequence[int] = (100,),
        activation: Any = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        criterion: Any = "auto",
        optimizer: Any = "adam",
        lr: float = 3e-3,
        weight_decay: float = 1e-3,
        max_epochs: int = 200,
        batch_size: int | str = "auto",
        tol: float | None = 1e-4,
        patience: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        callbacks: Any = None,
        compile: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.criterion = criterion
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.tol = tol
        self.patience = patience
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for at most ``max_epochs`` epochs, anew unless ``warm_start``.

        Parameters
        ----------
        X : array_like
            Shape (n_samples, n_features).
        y : array_like
            Shape (n_samples,) or (n_samples, n_outputs).
        sample_weight : array_like, optional
            Shape (n_samples,); a sample of weight 0 is as good as absent.
        """
        check_settings(self)
        resumed = self.warm_start and hasattr(self, "module_")
        X, y = self._validated(X, y, reset=not resumed)
        targets = self._targets(y, None, anew=not resumed)
        if not resumed:
            self._begin(X)
        return self._train(X, y, targets, self._weights(X, y, sample_weight), self.max_epochs, self.early_stopping)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        check_settings(self)
        anew = not hasattr(self, "module_")
        X, y = self._validated(X, y, reset=anew)
        targets = self._targets(y, classes, anew=anew)
        if anew:
            self._begin(X)
        return self._train(X, y, targets, self._weights(X, y, sample_weight), 1, early_stopping=False)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        raise NotImplementedError

    def _targets(self, y: Array, classes: Any, anew: bool) -> Array:
        """Return what the loss compares outputs with, and take note of the number of outputs."""
        raise NotImplementedError

    def _default_loss(self) -> Module:
        raise NotImplementedError

    def _stratification(self, y: Array) -> Array | None:
        return None

    def _weights(self, X: Array, y: Array, sample_weight: Any) -> Array | None:
        """Return the weights of the samples; None if there are none."""
        if sample_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if np.any(weights < 0):
            raise ValueError("Negative values in data passed to `sample_weight`")
        if not np.any(weights):
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return weights  # type: ignore[no-any-return]

    def _begin(self, X: Array) -> None:
        """Make the network, its optimiser and an empty history."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        self._generator = np.random.default_rng(seed)
        self.module_ = self._make_module(X.shape[1], self.n_outputs_, X.dtype)
        params = self.module_.parameters()
        if callable(self.optimizer):
            self.optimizer_ = self.optimizer(params, lr=self.lr)
        elif self.optimizer in _OPTIMIZERS:
            made = _OPTIMIZERS[self.optimizer]
            decays = "weight_decay" in inspect.signature(made).parameters
            options = {"weight_decay": self.weight_decay} if decays else {}
            self.optimizer_ = made(params, lr=self.lr, **options)
        else:
            raise ValueError(f"optimizer must be callable or one of {sorted(_OPTIMIZERS)}, got {self.optimizer!r}")
        self.history_ = History()

    def _make_module(self, inputs: int, outputs: int, dtype: Any) -> Module:
        if self.module is None:
            if not callable(self.activation) and self.activation not in _ACTIVATIONS:
                raise ValueError(
                    f"activation must be callable or one of {sorted(_ACTIVATIONS)}, got {self.activation!r}"
                )
            made: Callable[[], Module] = self.activation if callable(self.activation) else _ACTIVATIONS[self.activation]
            return MLP(
                inputs,
                (self.hidden,) if isinstance(self.hidden, (int, np.integer)) else self.hidden,
                outputs,
                activation=made,
                dropout=self.dropout,
                batch_norm=self.batch_norm,
                dtype=dtype,
                generator=self._generator,
            )
        module: Module
        if isinstance(self.module, Module):
            module = copy.deepcopy(self.module)
        else:
            with _initialising:  # what makes a module draws from the default generator, which is everybody's
                before = default_generator().bit_generator.state
                manual_seed(int(self._generator.integers(2**63)))
                try:
                    module = self.module(inputs, outputs)
                finally:
                    default_generator().bit_generator.state = before
        for layer in module.modules():
            if "generator" in vars(layer) and layer.generator is None:  # type: ignore[attr-defined]
                layer.generator = self._generator
        return module.to(dtype)

    def _train(
        self,
        X: Array,
        y: Array,
        targets: Array,
        weights: Array | None,
        epochs: int,
        early_stopping: bool,
    ) -> Self:
        columns: tuple[Array, ...] = (X, targets) if weights is None else (X, targets, weights)
        validation = None
        if early_stopping:
            rows, held_out = self._split(len(X), self._stratification(y))
            parts = [column[held_out] for column in columns]
            columns = tuple(column[rows] for column in columns)
            validation = self._loader(parts, shuffle=False)
        self.callbacks_ = copy.deepcopy(list(self.callbacks or ()))
        run = WeightedRun(
            self.module_,
            self._default_loss() if self.criterion == "auto" else self.criterion,
            self.optimizer_,
            callbacks=[*self._stopping(epochs, early_stopping), *self.callbacks_],
            progress=bool(self.verbose),
            history=self.history_,
            compile=self.compile,
        )
        run.train(self._loader(columns, shuffle=True), epochs, validation)
        self.module_.zero_grad()
        self.module_.eval()
        self.n_iter_ = len(self.history_)
        if run.halted:
            warnings.warn("Training interrupted by user.", ConvergenceWarning, stacklevel=3)
        return self

    def _split(self, n: int, classes: Array | None) -> list[Array]:
        """Return which samples train and which are held out: in the proportions of the classes if there are enough."""
        size = math.ceil(self.validation_fraction * n)
        if classes is not None:
            counts = np.unique(classes, return_counts=True)[1]
            size = max(size, len(counts))
            classes = classes if counts.min() > 1 and n - size >= len(counts) else None
        seed = int(self._generator.integers(2**31))
        parts: list[Array] = train_test_split(np.arange(n), test_size=size, random_state=seed, stratify=classes)
        return parts

    def _stopping(self, epochs: int, early_stopping: bool) -> list[EarlyStopping]:
        if early_stopping:
            return [EarlyStopping("val_loss", self.patience)]
        if self.tol is None or epochs <= self.patience:
            return []
        return [EarlyStopping("loss", self.patience, self.tol, restore_best=False)]

    def _loader(self, columns: Sequence[Array], shuffle: bool) -> DataLoader:
        if len(columns) == 3:
            counted = columns[2] > 0
            columns = columns if counted.all() else [column[counted] for column in columns]
            columns = (*columns[:2], columns[2] / columns[2].mean())
        n = len(columns[0])
        size = min(200, n) if self.batch_size == "auto" else min(int(self.batch_size), n)
        return DataLoader(TensorDataset(*columns), size, shuffle and size < n, generator=self._generator)

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        dtype = next((p.dtype for p in self.module_.parameters()), X.dtype)
        return predict(self.module_, X.astype(dtype, copy=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


class WeightedRun(Run):
    """A run on batches of inputs, targets and, perhaps, weights."""

    def forward(self, batch: Sequence[Any]) -> tuple[Any, Any, Any]:
        if len(batch) == 2:
            return super().forward(batch)
        x, target, weight = batch
        each = copy.copy(self.loss)
        if not hasattr(each, "reduction"):
            raise ValueError(
                f"sample_weight needs a criterion that gives a loss for each sample, got {self.loss!r}: "
                "one of nn's losses, or a callable with an attribute `reduction` to be set to 'none'."
            )
        each.reduction = "none"
        output = self.model(x)
        losses = each(output, target)
        weight = np.reshape(weight, (len(weight), *(1,) * (losses.ndim - 1)))
        return ops.mean(losses * weight), output, target


def as_column(y: Array) -> Array:
    """Return y flat if it has one column, with scikit-learn's warning."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
