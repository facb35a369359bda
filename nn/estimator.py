"""Networks as scikit-learn estimators: for pipelines, searches, cross-validation; needs scikit-learn."""

# ruff: noqa: N803 (X is scikit-learn's name)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from autograd_lite import ops
from nn.fitting import FLOATS, NeuralNet, as_column
from nn.loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from nn.module import Module

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]

Array = np.ndarray[Any, Any]


class NeuralNetClassifier(ClassifierMixin, NeuralNet):  # type: ignore[misc]
    """A network that tells classes apart, binary, multi-class or multi-label.

    Parameters
    ----------
    module : callable or Module, optional
        Makes the network: ``module(n_features, n_outputs)`` returns a Module that gives a logit an output: one for
        two classes, otherwise one a class. A Module itself is copied and its weights are where training begins. By
        default `nn.MLP` of the next four parameters.
    hidden : int or sequence of int, optional
        The sizes of the hidden layers; an int is a single one.
    activation : str or callable, optional
        ``"relu"``, ``"tanh"`` ... (`nn.activation` in lower case), or what makes a Module.
    dropout : float, optional
        The probability with which a hidden unit is dropped while training.
    batch_norm : bool, optional
    criterion : "auto" or callable, optional
        The loss of output and target. By default the cross-entropy: `nn.BCEWithLogitsLoss` for two classes (targets
        are a column of 0 and 1) and for labels, `nn.CrossEntropyLoss` for more (class numbers). With `nn.BCELoss` the
        outputs of the module are taken for probabilities.
    optimizer : str or callable, optional
        ``"adam"``, ``"sgd"`` ... (`nn.optim` in lower case), or ``optimizer(params, lr=lr)``, such as
        ``functools.partial(nn.optim.SGD, momentum=0.9)``.
    lr : float, optional
    weight_decay : float, optional
        The L2 penalty's factor, for an optimiser given by its name.
    max_epochs : int, optional
    batch_size : int or "auto", optional
        ``"auto"`` is 200, or all samples if they are fewer.
    tol : float or None, optional
        Training ends when the loss has not fallen by so much for ``patience`` epochs; None trains on. With
        ``early_stopping`` it has no effect.
    patience : int, optional
    early_stopping : bool, optional
        Hold out a part of the samples, end when the loss on it has not improved for ``patience`` epochs, and go back
        to the weights with which it was best.
    validation_fraction : float, optional
        How much of the samples ``early_stopping`` holds out.
    class_weight : dict, "balanced" or None, optional
        Weights of the classes; "balanced" takes the inverse of their frequencies.
    warm_start : bool, optional
        Whether ``fit`` goes on where the last one ended.
    callbacks : list of Callback, optional
        See `nn.callbacks`; they are copied.
    compile : bool, optional
        Whether to record the step of a batch and replay it, which is faster for small networks; see
        `autograd_lite.compile`.
    random_state : int, RandomState or None, optional
        For the initial weights, the order of the samples and the dropout: an int gives the same network every time.
    verbose : int, optional
        Whether to show a progress bar.

    Attributes
    ----------
    module_ : Module
    optimizer_ : Optimizer
    history_ : History
        ``loss`` and, with ``early_stopping``, ``val_loss`` of each epoch.
    classes_ : ndarray
    n_iter_ : int
        The number of epochs so far.
    n_features_in_, n_outputs_ : int
    callbacks_ : list of Callback
        The copies that saw the last training.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> x, y = make_moons(200, noise=0.1, random_state=0)
    >>> model = make_pipeline(StandardScaler(), NeuralNetClassifier(hidden=(32,), lr=0.01, random_state=0))
    >>> float(model.fit(x, y).score(x, y)) > 0.95
    True
    """

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
        class_weight: Any = None,
        warm_start: bool = False,
        callbacks: Any = None,
        compile: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            module,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
            batch_norm=batch_norm,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            max_epochs=max_epochs,
            batch_size=batch_size,
            tol=tol,
            patience=patience,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            callbacks=callbacks,
            compile=compile,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X : array_like
            Shape (n_samples, n_features).
        y : array_like
            Shape (n_samples,), or (n_samples, n_labels).
        classes : array_like, optional
            All classes that there are; needed at the first call, unless all are in ``y``.
        sample_weight : array_like, optional
            Shape (n_samples,).
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight 'balanced' is not supported for partial_fit: pass a dict of weights")
        return self._partial_fit(X, y, sample_weight, classes)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        x, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, reset=reset)
        return x, as_column(y)

    def _targets(self, y: Array, classes: Any, anew: bool) -> Array:
        check_classification_targets(y)
        present = unique_labels(y)
        if anew:
            self.classes_ = present if classes is None else unique_labels(classes)
            self._labelled = y.ndim == 2 and type_of_target(y) == "multilabel-indicator"
            self.n_outputs_ = 1 if len(self.classes_) <= 2 and not self._labelled else len(self.classes_)
        unknown = np.setdiff1d(present, self.classes_)
        if len(unknown) or (y.ndim == 2) != self._labelled:
            raise ValueError(f"y holds the classes {present}, but the network was made for classes_={self.classes_}")
        if self._labelled:
            return y.astype(np.float64)
        numbers = np.searchsorted(self.classes_, y)
        return numbers if self.n_outputs_ > 1 else numbers[:, None].astype(np.float64)

    def _weights(self, X: Array, y: Array, sample_weight: Any) -> Array | None:
        weights = super()._weights(X, y, sample_weight)
        if self.class_weight is None:
            return weights
        of_classes = compute_sample_weight(self.class_weight, y)
        return super()._weights(X, y, of_classes if weights is None else weights * of_classes)

    def _default_loss(self) -> Module:
        return BCEWithLogitsLoss() if self._labelled or self.n_outputs_ == 1 else CrossEntropyLoss()

    def _stratification(self, y: Array) -> Array | None:
        return None if self._labelled else y

    def decision_function(self, X: Any) -> Array:
        """Return the logits: shape (n_samples,) for two classes, otherwise (n_samples, n_outputs)."""
        outputs = self._outputs(X)
        if isinstance(self.criterion, BCELoss):
            tiny = np.finfo(outputs.dtype).tiny
            outputs = np.log(np.maximum(outputs, tiny)) - np.log(np.maximum(1 - outputs, tiny))
        return outputs[:, 0] if self.n_outputs_ == 1 and not self._labelled else outputs

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, or of each label: shape (n_samples, n_classes)."""
        logits = self.decision_function(X)
        if self._labelled:
            return ops.sigmoid(logits)  # type: ignore[no-any-return]
        if self.n_outputs_ > 1:
            return ops.softmax(logits, axis=1)  # type: ignore[no-any-return]
        if len(self.classes_) == 1:
            return np.ones((len(logits), 1))
        return np.column_stack([ops.sigmoid(-logits), ops.sigmoid(logits)])

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each sample, or its labels: shape (n_samples,) or (n_samples, n_labels)."""
        scores = self.decision_function(X)
        if self._labelled:
            return (scores > 0).astype(np.int64)
        if self.n_outputs_ > 1:
            return self.classes_[np.argmax(scores, axis=1)]  # type: ignore[no-any-return]
        numbers = (scores > 0).astype(np.intp) if len(self.classes_) > 1 else np.zeros(len(scores), np.intp)
        return self.classes_[numbers]  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NeuralNetRegressor(RegressorMixin, NeuralNet):  # type: ignore[misc]
    """A network that predicts numbers, one or several a sample.

    Parameters
    ----------
    module : callable or Module, optional
        As in `NeuralNetClassifier`; its outputs are the predictions.
    criterion : "auto" or callable, optional
        The loss of output and target, both of shape (n, n_outputs). By default `nn.MSELoss`.
    hidden, activation, dropout, batch_norm, optimizer, lr, weight_decay, max_epochs, batch_size
        As in `NeuralNetClassifier`.
    tol, patience, early_stopping, validation_fraction, warm_start, callbacks, compile, random_state, verbose
        As in `NeuralNetClassifier`.

    Attributes
    ----------
    module_ : Module
    optimizer_ : Optimizer
    history_ : History
        ``loss`` and, with ``early_stopping``, ``val_loss`` of each epoch.
    n_iter_ : int
        The number of epochs so far.
    n_features_in_, n_outputs_ : int
    callbacks_ : list of Callback
        The copies that saw the last training.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> model = NeuralNetRegressor(hidden=(32,), lr=0.02, random_state=0).fit(x, x[:, 0] ** 2)
    >>> round(model.score(x, x[:, 0] ** 2), 1)
    1.0
    """

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X : array_like
            Shape (n_samples, n_features).
        y : array_like
            Shape (n_samples,) or (n_samples, n_outputs).
        sample_weight : array_like, optional
            Shape (n_samples,).
        """
        return self._partial_fit(X, y, sample_weight)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        x, y = validate_data(self, X, y, dtype=FLOATS, multi_output=True, y_numeric=True, reset=reset)
        return x, as_column(y)

    def _targets(self, y: Array, classes: Any, anew: bool) -> Array:
        targets = y.reshape(len(y), -1)
        if anew:
            self.n_outputs_ = targets.shape[1]
            self._flat = y.ndim == 1
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {targets.shape[1]} outputs, but the network was made for {self.n_outputs_}")
        return targets

    def _default_loss(self) -> Module:
        return MSELoss()

    def predict(self, X: Any) -> Array:
        """Return the predictions: shape (n_samples,) or (n_samples, n_outputs), as ``y`` was."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
