"""Figures of merit, as functions of outputs and targets and as objects that take them batch by batch.

Apart from the accuracy, scikit-learn computes them.
"""

from nn.metrics.figures import (
    accuracy as accuracy,
    confusion_matrix as confusion_matrix,
    f1 as f1,
    mae as mae,
    precision as precision,
    r2 as r2,
    recall as recall,
    roc_auc as roc_auc,
)
from nn.metrics.streaming import (
    F1 as F1,
    MAE as MAE,
    R2 as R2,
    ROCAUC as ROCAUC,
    Accuracy as Accuracy,
    ConfusionMatrix as ConfusionMatrix,
    Metric as Metric,
    Precision as Precision,
    Recall as Recall,
)
