"""Metrics, at once and batch by batch, beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from nn import metrics

sk = pytest.importorskip("sklearn.metrics")
rng = np.random.default_rng(0)
N = 97
LABELS = rng.integers(0, 2, N)
PROBABILITIES = np.clip(LABELS * 0.3 + rng.random(N) * 0.7, 0, 1)
LOGITS = np.log(PROBABILITIES / (1 - PROBABILITIES))
CLASSES = rng.integers(0, 4, N)
SCORES = rng.normal(size=(N, 4)) + 1.5 * np.eye(4)[CLASSES]
VALUES = rng.normal(size=(N, 2))
GUESSES = VALUES + rng.normal(size=(N, 2)) * [0.1, 2.0]
SOFTMAX = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)

PREDICTED = PROBABILITIES > 0.5
CASES: list[tuple[Any, Any, Any, Any]] = [
    (metrics.Accuracy(), PROBABILITIES, LABELS, sk.accuracy_score(LABELS, PREDICTED)),
    (metrics.Accuracy(0.0), LOGITS, LABELS, sk.accuracy_score(LABELS, PREDICTED)),
    (metrics.Accuracy(), SCORES, CLASSES, sk.accuracy_score(CLASSES, SCORES.argmax(1))),
    (metrics.Precision(), PROBABILITIES, LABELS, sk.precision_score(LABELS, PREDICTED)),
    (metrics.Precision(average="macro"), SCORES, CLASSES,
     sk.precision_score(CLASSES, SCORES.argmax(1), average="macro")),
    (metrics.Recall(), PROBABILITIES[:, None], LABELS, sk.recall_score(LABELS, PREDICTED)),
    (metrics.Recall(average=None), SCORES, CLASSES, sk.recall_score(CLASSES, SCORES.argmax(1), average=None)),
    (metrics.F1(0.0), LOGITS, LABELS[:, None], sk.f1_score(LABELS, PREDICTED)),
    (metrics.F1(average="weighted"), SCORES, CLASSES, sk.f1_score(CLASSES, SCORES.argmax(1), average="weighted")),
    (metrics.F1(average="micro"), SCORES.argmax(1), CLASSES, sk.f1_score(CLASSES, SCORES.argmax(1), average="micro")),
    (metrics.ConfusionMatrix(), PROBABILITIES, LABELS, sk.confusion_matrix(LABELS, PREDICTED)),
    (metrics.ConfusionMatrix(), SCORES, CLASSES, sk.confusion_matrix(CLASSES, SCORES.argmax(1))),
    (metrics.ROCAUC(), LOGITS, LABELS, sk.roc_auc_score(LABELS, PROBABILITIES)),
    (metrics.ROCAUC(), np.stack([-LOGITS, LOGITS], 1), LABELS, sk.roc_auc_score(LABELS, PROBABILITIES)),
    (metrics.ROCAUC(), SCORES, CLASSES, sk.roc_auc_score(CLASSES, SOFTMAX, multi_class="ovr")),
    (metrics.ROCAUC("weighted", "ovo"), SOFTMAX, CLASSES,
     sk.roc_auc_score(CLASSES, SOFTMAX, multi_class="ovo", average="weighted")),
    (metrics.R2(), GUESSES, VALUES, sk.r2_score(VALUES, GUESSES)),
    (metrics.R2(), GUESSES[:, :1], VALUES[:, 0], sk.r2_score(VALUES[:, 0], GUESSES[:, 0])),
    (metrics.MAE(), GUESSES, VALUES, sk.mean_absolute_error(VALUES, GUESSES)),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "output", "target", "expected"), CASES)
def test_beside_sklearn(metric: Any, output: Any, target: Any, expected: Any) -> None:
    np.testing.assert_allclose(metric(output, target), expected, rtol=1e-12)
    np.testing.assert_allclose(metric(ag.Tensor(output), ag.Tensor(target)), expected, rtol=1e-12)
    for _ in range(2):
        metric.reset()
        for i in range(0, N, 10):
            metric.update(ag.Tensor(output[i : i + 10]), target[i : i + 10])
        np.testing.assert_allclose(metric.compute(), expected, rtol=1e-12)
    assert isinstance(metric.compute(), (float, np.ndarray))


def test_updates_copy_their_batches() -> None:
    metric = metrics.Metric(metrics.mae)
    batch = np.ones(3)
    metric.update(batch, np.zeros(3))
    batch[:] = 100
    assert metric.compute() == 1.0


def test_your_own_function() -> None:
    def largest(output: Any, target: Any, scale: float) -> float:
        return float(np.max(np.abs(output - target))) * scale

    metric = metrics.Metric(largest, scale=2.0)
    metric.update([1.0, 2.0], [0.0, 0.0])
    metric.update([-5.0], [0.0])
    assert metric.compute() == 10.0
    assert metric.__name__ == "largest"
    assert repr(metric) == "Metric(scale=2.0)"


def test_confusion_of_labels() -> None:
    assert metrics.confusion_matrix([2, 0], [0, 0]).shape == (2, 2)
    assert metrics.confusion_matrix([2, 0], [0, 0], classes=4).shape == (4, 4)


def test_nothing_predicted_is_no_warning() -> None:
    assert metrics.precision([0.0, 0.0], [1, 0]) == 0.0
    assert metrics.recall([0.0, 0.0], [0, 0]) == 0.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: metrics.Accuracy().compute(), "accuracy: nothing to compute"),
        (lambda: metrics.f1([0.1, 0.2], [0, 1, 1]), r"f1: outputs of shape \(2,\) do not fit labels of shape \(3,\)"),
        (lambda: metrics.roc_auc(np.ones((2, 3, 4)), [0, 1]), "roc_auc: outputs of shape"),
        (lambda: metrics.r2([1.0, 2.0], [1.0]), "r2: outputs of shape"),
        (lambda: metrics.mae(np.ones((3, 2)), np.ones(3)), "mae: outputs of shape"),
        (lambda: metrics.precision(SCORES, CLASSES), "Target is multiclass"),
    ],
)
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()
