"""Callbacks: what is told of the course of a training run, and may change it."""

from nn.callbacks.base import Callback as Callback
from nn.callbacks.logs import CSVLogger as CSVLogger, TensorBoard as TensorBoard
from nn.callbacks.saving import Checkpoint as Checkpoint, newest_checkpoint as newest_checkpoint
from nn.callbacks.steering import GradientClipping as GradientClipping, Schedule as Schedule
from nn.callbacks.stopping import EarlyStopping as EarlyStopping
