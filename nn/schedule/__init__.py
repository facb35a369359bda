"""Learning-rate schedules: PyTorch's names, signatures, defaults and sequences.

Call ``optimizer.step()`` first and ``schedule.step()`` then. Most schedules make the next rate from the one that the
group has, so that several of them, and changes by hand, add up.
"""

from nn.schedule.base import LRScheduler as LRScheduler
from nn.schedule.combined import ChainedScheduler as ChainedScheduler, SequentialLR as SequentialLR
from nn.schedule.cosine import (
    CosineAnnealingLR as CosineAnnealingLR,
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from nn.schedule.cycle import CyclicLR as CyclicLR, OneCycleLR as OneCycleLR
from nn.schedule.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from nn.schedule.steps import (
    ConstantLR as ConstantLR,
    ExponentialLR as ExponentialLR,
    LambdaLR as LambdaLR,
    LinearLR as LinearLR,
    MultiplicativeLR as MultiplicativeLR,
    MultiStepLR as MultiStepLR,
    PolynomialLR as PolynomialLR,
    StepLR as StepLR,
)
