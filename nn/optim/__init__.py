"""Optimisers: PyTorch's names, signatures, defaults and formulas, on Tensors and on Values alike."""

from nn.optim.adagrad import Adagrad as Adagrad, RMSprop as RMSprop
from nn.optim.adam import Adam as Adam, AdamW as AdamW, NAdam as NAdam
from nn.optim.base import Optimizer as Optimizer
from nn.optim.lbfgs import LBFGS as LBFGS
from nn.optim.sgd import SGD as SGD
