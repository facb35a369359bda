"""nn: layers, losses, optimisers and training on autograd_lite, under PyTorch's names."""

from nn import (
    callbacks as callbacks,
    functional as functional,
    init as init,
    metrics as metrics,
    optim as optim,
    parallel as parallel,
    plots as plots,
    scalar as scalar,
    schedule as schedule,
    train as train,
    utils as utils,
)
from nn.activation import (
    CELU as CELU,
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Hardtanh as Hardtanh,
    LeakyReLU as LeakyReLU,
    LogSigmoid as LogSigmoid,
    LogSoftmax as LogSoftmax,
    Mish as Mish,
    ReLU as ReLU,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softmax as Softmax,
    Softplus as Softplus,
    Softsign as Softsign,
    Tanh as Tanh,
)
from nn.attention import MultiheadAttention as MultiheadAttention, TransformerEncoderLayer as TransformerEncoderLayer
from nn.cells import GRUCell as GRUCell, LSTMCell as LSTMCell, RNNCell as RNNCell
from nn.checkpoint import (
    CheckpointError as CheckpointError,
    load_checkpoint as load_checkpoint,
    load_weights as load_weights,
    save_checkpoint as save_checkpoint,
    save_weights as save_weights,
)
from nn.container import (
    ModuleDict as ModuleDict,
    ModuleList as ModuleList,
    ParameterList as ParameterList,
    Sequential as Sequential,
)
from nn.conv import Conv1d as Conv1d, Conv2d as Conv2d, ConvTranspose2d as ConvTranspose2d
from nn.data import (
    DataLoader as DataLoader,
    Dataset as Dataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
    random_split as random_split,
)
from nn.dropout import Dropout as Dropout, Dropout2d as Dropout2d
from nn.embedding import Embedding as Embedding
from nn.errors import ShapeError as ShapeError, StateDictError as StateDictError
from nn.history import History as History
from nn.linear import Flatten as Flatten, Identity as Identity, Linear as Linear
from nn.loss import (
    BCELoss as BCELoss,
    BCEWithLogitsLoss as BCEWithLogitsLoss,
    CrossEntropyLoss as CrossEntropyLoss,
    L1Loss as L1Loss,
    MSELoss as MSELoss,
    NLLLoss as NLLLoss,
)
from nn.loss_more import (
    CosineEmbeddingLoss as CosineEmbeddingLoss,
    FocalLoss as FocalLoss,
    HingeEmbeddingLoss as HingeEmbeddingLoss,
    HingeLoss as HingeLoss,
    HuberLoss as HuberLoss,
    KLDivLoss as KLDivLoss,
    SigmoidFocalLoss as SigmoidFocalLoss,
    SmoothL1Loss as SmoothL1Loss,
)
from nn.mlp import MLP as MLP
from nn.module import HookHandle as HookHandle, Module as Module, Parameter as Parameter
from nn.norm import (
    BatchNorm1d as BatchNorm1d,
    BatchNorm2d as BatchNorm2d,
    GroupNorm as GroupNorm,
    LayerNorm as LayerNorm,
    RMSNorm as RMSNorm,
)
from nn.pooling import AdaptiveAvgPool2d as AdaptiveAvgPool2d, AvgPool2d as AvgPool2d, MaxPool2d as MaxPool2d
from nn.recurrent import GRU as GRU, LSTM as LSTM, RNN as RNN
from nn.reshape import Unflatten as Unflatten, Upsample as Upsample
