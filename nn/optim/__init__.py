"""Optimisers: PyTorch's names, signatures, defaults and formulas, on Tensors and on Values alike."""

from nn.optim.adam import Adam as Adam
from nn.optim.base import Optimizer as Optimizer
from nn.optim.sgd import SGD as SGD
