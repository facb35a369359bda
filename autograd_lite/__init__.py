"""autograd_lite: reverse-mode automatic differentiation on NumPy, with scalars and arrays in one graph.

`Value` is a number and `Tensor` an array that remember how they were computed. Every function below takes them,
plain numbers, arrays and lists alike; NumPy's own functions (``np.exp(t)``) work on them too.
"""

import typing as _typing

from autograd_lite.check import (
    assert_gradients as assert_gradients,
    gradcheck as gradcheck,
    gradcheck_module as gradcheck_module,
)
from autograd_lite.custom import checkpoint as checkpoint, custom_op as custom_op
from autograd_lite.engine import engine_info as engine_info
from autograd_lite.errors import (
    AnomalyError as AnomalyError,
    AutogradError as AutogradError,
    CompileError as CompileError,
    GradientError as GradientError,
    NoRuleError as NoRuleError,
    StaleError as StaleError,
)
from autograd_lite.modes import (
    detect_anomaly as detect_anomaly,
    enable_grad as enable_grad,
    is_recording as is_recording,
    no_grad as no_grad,
)
from autograd_lite.ops.activation import (
    celu as celu,
    elu as elu,
    erf as erf,
    erfc as erfc,
    gelu as gelu,
    gelu_tanh as gelu_tanh,
    hardtanh as hardtanh,
    leaky_relu as leaky_relu,
    logaddexp as logaddexp,
    logsigmoid as logsigmoid,
    mish as mish,
    relu as relu,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    softplus as softplus,
    softsign as softsign,
)
from autograd_lite.ops.affine import linear as linear
from autograd_lite.ops.bridge import astype as astype
from autograd_lite.ops.cells import (
    gru_scan as gru_scan,
    lstm_scan as lstm_scan,
    rnn_scan as rnn_scan,
)
from autograd_lite.ops.class_losses import (
    cross_entropy as cross_entropy,
    nll_loss as nll_loss,
)
from autograd_lite.ops.contract import (
    dot as dot,
    inner as inner,
    kron as kron,
    matmul as matmul,
    matrix_transpose as matrix_transpose,
    outer as outer,
    vdot as vdot,
)
from autograd_lite.ops.conv import (
    conv1d as conv1d,
    conv2d as conv2d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
)
from autograd_lite.ops.diagonals import (
    diag as diag,
    diagonal as diagonal,
    trace as trace,
    tril as tril,
    triu as triu,
)
from autograd_lite.ops.elementwise import (
    absolute as absolute,
    add as add,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    cbrt as cbrt,
    ceil as ceil,
    clip as clip,
    cos as cos,
    cosh as cosh,
    deg2rad as deg2rad,
    divide as divide,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    floor as floor,
    fmod as fmod,
    heaviside as heaviside,
    hypot as hypot,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    maximum as maximum,
    minimum as minimum,
    multiply as multiply,
    negative as negative,
    positive as positive,
    power as power,
    rad2deg as rad2deg,
    reciprocal as reciprocal,
    remainder as remainder,
    rint as rint,
    round as round,
    sign as sign,
    sin as sin,
    sinc as sinc,
    sinh as sinh,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    tan as tan,
    tanh as tanh,
    trunc as trunc,
    where as where,
)
from autograd_lite.ops.index import (
    at_add as at_add,
    at_set as at_set,
    getitem as getitem,
    scatter_add as scatter_add,
    take as take,
    take_along_axis as take_along_axis,
)
from autograd_lite.ops.joining import (
    array_split as array_split,
    column_stack as column_stack,
    concatenate as concatenate,
    diff as diff,
    dstack as dstack,
    hstack as hstack,
    split as split,
    stack as stack,
    unstack as unstack,
    vstack as vstack,
)
from autograd_lite.ops.layout import (
    flip as flip,
    pad as pad,
    repeat as repeat,
    roll as roll,
    tile as tile,
)
from autograd_lite.ops.linalg import (
    cholesky as cholesky,
    det as det,
    inv as inv,
    slogdet as slogdet,
    solve as solve,
)
from autograd_lite.ops.losses import (
    bce as bce,
    bce_with_logits as bce_with_logits,
    l1_loss as l1_loss,
    mse_loss as mse_loss,
)
from autograd_lite.ops.norms import norm as norm
from autograd_lite.ops.pool import (
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
)
from autograd_lite.ops.reduce import (
    all as all,
    any as any,
    count_nonzero as count_nonzero,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    std as std,
    sum as sum,
    var as var,
)
from autograd_lite.ops.scan import (
    argmax as argmax,
    argmin as argmin,
    argsort as argsort,
    cumprod as cumprod,
    cumsum as cumsum,
    log_softmax as log_softmax,
    logsumexp as logsumexp,
    softmax as softmax,
    sort as sort,
)
from autograd_lite.ops.shape import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    broadcast_arrays as broadcast_arrays,
    broadcast_to as broadcast_to,
    expand_dims as expand_dims,
    full_like as full_like,
    meshgrid as meshgrid,
    moveaxis as moveaxis,
    ones_like as ones_like,
    ravel as ravel,
    reshape as reshape,
    squeeze as squeeze,
    swapaxes as swapaxes,
    transpose as transpose,
    zeros_like as zeros_like,
)
from autograd_lite.ops.subscripts import (
    einsum as einsum,
    tensordot as tensordot,
)
from autograd_lite.replay.compiling import compile as compile
from autograd_lite.replay.vmap import vmap as vmap
from autograd_lite.seeding import default_generator as default_generator, manual_seed as manual_seed
from autograd_lite.tensor import Tensor as Tensor
from autograd_lite.transforms import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    stop_gradient as stop_gradient,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from autograd_lite.value import Value as Value

__version__ = "0.1.0"

if _typing.TYPE_CHECKING:
    from autograd_lite.drawing import (
        draw as draw,
        draw_dot as draw_dot,
        graph_of as graph_of,
        save_graph as save_graph,
    )

_PICTURES = ("draw", "draw_dot", "graph_of", "save_graph")  # imported when they are asked for


def __getattr__(name: str) -> _typing.Any:
    if name not in _PICTURES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from autograd_lite import drawing

    return getattr(drawing, name)
