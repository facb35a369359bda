"""Values and gradients, first and second, beside PyTorch's, for every op that it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, ops, vjp

torch = pytest.importorskip("torch")
F = torch.nn.functional


class Twin(NamedTuple):
    """The same computation in both libraries, and where to compare them."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    inputs: tuple[Any, ...]


def _normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def _spd(n: int, *lead: int) -> Any:
    a = _normal(*lead, n, n)
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


# Elementwise ops: in the record's own domain. Those of another name, and those that PyTorch has no function for.
_NAMES = {
    "absolute": "abs",
    "power": "pow",
    "rint": "round",
    "arccosh": "acosh",
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu": F.gelu,
    "softplus": lambda x, beta: torch.log1p(torch.exp(beta * x)) / beta,
    "leaky_relu": lambda x, slope: torch.where(x > 0, x, slope * x),
    "elu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x)),
    "celu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x / alpha)),
    "logsigmoid": F.logsigmoid,
    "bce_with_logits_each": lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"),
    "bce_each": lambda p, t: -(t * torch.log(p) + (1 - t) * torch.log(1 - p)),
    "mse_each": lambda x, t: F.mse_loss(x, t, reduction="none"),
    "l1_each": lambda x, t: F.l1_loss(x, t, reduction="none"),
    "cbrt": lambda x: x ** (1 / 3),
    "heaviside": lambda x, y: torch.where(x == 0, y, (x > 0).to(x.dtype)),
}


def _theirs(name: str) -> Any:
    known = _NAMES.get(name, name)
    if callable(known):
        return known
    return next((getattr(home, known) for home in (torch, F) if hasattr(home, known)), None)


def _elementwise(name: str) -> Twin:
    op = ops.TABLE[name]
    rng = np.random.default_rng(3)
    inputs = [rng.uniform(low, high, (3, 4)) for low, high in op.domain]
    if name == "where":
        inputs[0] = inputs[0] > 0.5
    return Twin(op, _theirs(name), tuple(inputs))


_X, _Y = _normal(3, 4), _normal(3, 4, seed=1)
_IMAGE = _normal(2, 4, 7, 6)
_LABELS = np.array([2, 0, 3, -100, 1])
_SHARES = np.random.default_rng(5).dirichlet(np.ones(4), 5)
_INDEX = np.array([[0, 2, 2, 1], [1, 1, 0, 3], [3, 0, 0, 0]])

_OTHERS: dict[str, Twin] = {
    "sum": Twin(lambda x: ag.sum(x, axis=1), lambda x: torch.sum(x, dim=1), (_X,)),
    "sum keepdims": Twin(
        lambda x: ag.sum(x, axis=(0, 2), keepdims=True),
        lambda x: torch.sum(x, dim=(0, 2), keepdim=True),
        (_normal(2, 3, 4),),
    ),
    "mean": Twin(lambda x: ag.mean(x, axis=-1), lambda x: torch.mean(x, dim=-1), (_X,)),
    "var": Twin(lambda x: ag.var(x, axis=0, ddof=1), lambda x: torch.var(x, dim=0), (_X,)),
    "std": Twin(lambda x: ag.std(x, ddof=1), torch.std, (_X,)),
    "max": Twin(lambda x: ag.max(x, axis=1), lambda x: torch.amax(x, dim=1), (_X,)),
    "max, a tie": Twin(ag.max, torch.amax, (np.array([1.0, 3.0, 3.0]),)),
    "min": Twin(ag.min, torch.amin, (_X,)),
    "prod": Twin(lambda x: ag.prod(x, axis=1), lambda x: torch.prod(x, dim=1), (_X,)),
    "prod with zeros": Twin(ag.prod, torch.prod, (np.array([0.0, 2.0, 0.0, 3.0]),)),
    "norm": Twin(ag.norm, torch.linalg.norm, (_X,)),
    "norm 1": Twin(lambda x: ag.norm(x, 1, axis=1), lambda x: torch.linalg.vector_norm(x, 1, dim=1), (_X,)),
    "norm 3": Twin(lambda x: ag.norm(x, 3, axis=0), lambda x: torch.linalg.vector_norm(x, 3, dim=0), (_X,)),
    "norm inf": Twin(
        lambda x: ag.norm(x, np.inf, axis=0), lambda x: torch.linalg.vector_norm(x, math.inf, dim=0), (_X,)
    ),
    "logsumexp": Twin(lambda x: ag.logsumexp(x, axis=1), lambda x: torch.logsumexp(x, dim=1), (_X,)),
    "softmax": Twin(lambda x: ag.softmax(x, axis=1), lambda x: torch.softmax(x, dim=1), (_X,)),
    "log_softmax": Twin(lambda x: ag.log_softmax(x, axis=0), lambda x: torch.log_softmax(x, dim=0), (_X,)),
    "cumsum": Twin(lambda x: ag.cumsum(x, axis=1), lambda x: torch.cumsum(x, dim=1), (_X,)),
    "cumprod": Twin(lambda x: ag.cumprod(x, axis=1), lambda x: torch.cumprod(x, dim=1), (_X,)),
    "cumprod with zeros": Twin(ag.cumprod, lambda x: torch.cumprod(x, dim=0), (np.array([2.0, 0.0, 3.0, 0.0]),)),
    "sort": Twin(lambda x: ag.sort(x, axis=0), lambda x: torch.sort(x, dim=0).values, (_X,)),
    "reshape": Twin(lambda x: ag.reshape(x, (2, -1)), lambda x: torch.reshape(x, (2, -1)), (_X,)),
    "transpose": Twin(lambda x: ag.transpose(x, (2, 0, 1)), lambda x: torch.permute(x, (2, 0, 1)), (_normal(2, 3, 4),)),
    "swapaxes": Twin(lambda x: ag.swapaxes(x, 0, 1), lambda x: torch.swapaxes(x, 0, 1), (_X,)),
    "moveaxis": Twin(lambda x: ag.moveaxis(x, 0, -1), lambda x: torch.moveaxis(x, 0, -1), (_normal(2, 3, 4),)),
    "expand_dims": Twin(lambda x: ag.expand_dims(x, 1), lambda x: torch.unsqueeze(x, 1), (_X,)),
    "squeeze": Twin(lambda x: ag.squeeze(x, 1), lambda x: torch.squeeze(x, 1), (_normal(3, 1, 2),)),
    "broadcast_to": Twin(
        lambda x: ag.broadcast_to(x, (2, 3, 4)), lambda x: torch.broadcast_to(x, (2, 3, 4)), (_normal(3, 1),)
    ),
    "concatenate": Twin(
        lambda x, y: ag.concatenate([x, y], axis=1), lambda x, y: torch.cat([x, y], dim=1), (_X, _normal(3, 2))
    ),
    "stack": Twin(lambda x, y: ag.stack([x, y], axis=1), lambda x, y: torch.stack([x, y], dim=1), (_X, _Y)),
    "hstack": Twin(lambda x, y: ag.hstack([x, y]), lambda x, y: torch.hstack([x, y]), (_X, _Y)),
    "vstack": Twin(lambda x, y: ag.vstack([x, y]), lambda x, y: torch.vstack([x, y]), (_X, _Y)),
    "split": Twin(lambda x: ag.split(x, 2, axis=1)[1], lambda x: torch.tensor_split(x, 2, dim=1)[1], (_X,)),
    "tile": Twin(lambda x: ag.tile(x, (2, 3)), lambda x: torch.tile(x, (2, 3)), (_X,)),
    "repeat": Twin(lambda x: ag.repeat(x, 3, axis=1), lambda x: torch.repeat_interleave(x, 3, dim=1), (_X,)),
    "pad": Twin(lambda x: ag.pad(x, ((1, 2), (0, 3))), lambda x: F.pad(x, (0, 3, 1, 2)), (_X,)),
    "pad reflect": Twin(
        lambda x: ag.pad(x, ((0, 0), (0, 0), (1, 2), (2, 1)), mode="reflect"),
        lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"),
        (_IMAGE,),
    ),
    "pad wrap": Twin(
        lambda x: ag.pad(x, ((0, 0), (0, 0), (1, 2), (2, 1)), mode="wrap"),
        lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"),
        (_IMAGE,),
    ),
    "pad edge": Twin(
        lambda x: ag.pad(x, ((0, 0), (0, 0), (1, 2), (2, 1)), mode="edge"),
        lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"),
        (_IMAGE,),
    ),
    "flip": Twin(lambda x: ag.flip(x, 1), lambda x: torch.flip(x, (1,)), (_X,)),
    "roll": Twin(lambda x: ag.roll(x, 2, axis=1), lambda x: torch.roll(x, 2, 1), (_X,)),
    "tril": Twin(lambda x: ag.tril(x, 1), lambda x: torch.tril(x, 1), (_X,)),
    "triu": Twin(lambda x: ag.triu(x, -1), lambda x: torch.triu(x, -1), (_X,)),
    "diagonal": Twin(lambda x: ag.diagonal(x, 1), lambda x: torch.diagonal(x, 1), (_X,)),
    "diag": Twin(ag.diag, torch.diag, (_normal(3),)),
    "trace": Twin(ag.trace, torch.trace, (_X,)),
    "meshgrid": Twin(
        lambda x, y: ag.meshgrid(x, y, indexing="ij")[1],
        lambda x, y: torch.meshgrid(x, y, indexing="ij")[1],
        (_normal(3), _normal(2)),
    ),
    "getitem": Twin(lambda x: x[1:, ::2], lambda x: x[1:, ::2], (_X,)),
    "getitem, repeated": Twin(lambda x: x[[0, 0, 2]], lambda x: x[[0, 0, 2]], (_X,)),
    "getitem, boolean": Twin(lambda x: x[_X > 0], lambda x: x[torch.tensor(_X > 0)], (_X,)),
    "take_along_axis": Twin(
        lambda x: ag.take_along_axis(x, _INDEX, axis=1), lambda x: torch.gather(x, 1, torch.tensor(_INDEX)), (_X,)
    ),
    "take": Twin(
        lambda x: ag.take(x, [2, 0, 2], axis=0), lambda x: torch.index_select(x, 0, torch.tensor([2, 0, 2])), (_X,)
    ),
    "at_add": Twin(
        lambda x, v: x.at[np.array([0, 2, 0])].add(v),
        lambda x, v: torch.index_add(x, 0, torch.tensor([0, 2, 0]), v),
        (_X, _normal(3, 4, seed=2)),
    ),
    "at_set": Twin(lambda x, v: x.at[1:3].set(v), lambda x, v: torch.slice_scatter(x, v, 0, 1, 3), (_X, _normal(2, 4))),
    "matmul": Twin(ag.matmul, torch.matmul, (_normal(2, 1, 3, 4), _normal(5, 4, 2))),
    "matmul, vector": Twin(ag.matmul, torch.matmul, (_normal(4), _normal(5, 4, 2))),
    "dot": Twin(ag.dot, torch.dot, (_normal(4), _normal(4, seed=1))),
    "inner": Twin(ag.inner, torch.inner, (_X, _Y)),
    "outer": Twin(ag.outer, torch.outer, (_normal(3), _normal(4))),
    "kron": Twin(ag.kron, torch.kron, (_X, _normal(2, 3))),
    "tensordot": Twin(
        lambda x, y: ag.tensordot(x, y, axes=([2, 0], [0, 1])),
        lambda x, y: torch.tensordot(x, y, dims=([2, 0], [0, 1])),
        (_normal(2, 3, 4), _normal(4, 2, 5)),
    ),
    "einsum": Twin(
        lambda x, y, z: ag.einsum("bij,jk,k->bi", x, y, z),
        lambda x, y, z: torch.einsum("bij,jk,k->bi", x, y, z),
        (_normal(2, 3, 4), _normal(4, 2), _normal(2)),
    ),
    "inv": Twin(ag.inv, torch.linalg.inv, (_spd(3, 2),)),
    "solve": Twin(ag.solve, torch.linalg.solve, (_spd(3), _normal(3, 2))),
    "det": Twin(ag.det, torch.linalg.det, (_normal(2, 3, 3),)),
    "det, singular": Twin(ag.det, torch.linalg.det, (np.outer(_normal(3), _normal(3, seed=1)) + np.diag([1.0, 0, 0]),)),
    "slogdet": Twin(lambda x: ag.slogdet(x)[1], lambda x: torch.linalg.slogdet(x)[1], (_normal(2, 3, 3),)),
    "cholesky": Twin(
        lambda x: ag.cholesky(x + ag.matrix_transpose(x)), lambda x: torch.linalg.cholesky(x + x.mT), (_spd(3, 2),)
    ),
    "linear": Twin(ag.linear, F.linear, (_normal(5, 3), _normal(4, 3), _normal(4))),
    "conv1d": Twin(
        lambda x, w, b: ag.conv1d(x, w, b, stride=2, padding=1, dilation=2),
        lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1, dilation=2),
        (_normal(2, 3, 9), _normal(4, 3, 3), _normal(4)),
    ),
    "conv2d": Twin(
        lambda x, w, b: ag.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        (_IMAGE, _normal(6, 2, 3, 2), _normal(6)),
    ),
    "conv2d, same": Twin(
        lambda x, w: ag.conv2d(x, w, padding="same"),
        lambda x, w: F.conv2d(x, w, padding="same"),
        (_IMAGE, _normal(3, 4, 3, 2)),
    ),
    "conv_transpose1d": Twin(
        lambda x, w: ag.conv_transpose1d(x, w, stride=2, padding=1, output_padding=1),
        lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1, output_padding=1),
        (_normal(2, 3, 5), _normal(3, 4, 3)),
    ),
    "conv_transpose2d": Twin(
        lambda x, w, b: ag.conv_transpose2d(x, w, b, stride=2, padding=1, groups=2, dilation=2),
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, groups=2, dilation=2),
        (_IMAGE, _normal(4, 3, 2, 3), _normal(6)),
    ),
    "max_pool1d": Twin(lambda x: ag.max_pool1d(x, 3, 2), lambda x: F.max_pool1d(x, 3, 2), (_normal(2, 3, 9),)),
    "max_pool2d": Twin(
        lambda x: ag.max_pool2d(x, (3, 2), stride=2, padding=1),
        lambda x: F.max_pool2d(x, (3, 2), stride=2, padding=1),
        (_IMAGE,),
    ),
    "avg_pool1d": Twin(lambda x: ag.avg_pool1d(x, 2), lambda x: F.avg_pool1d(x, 2), (_normal(2, 3, 9),)),
    "avg_pool2d": Twin(
        lambda x: ag.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False),
        (_IMAGE,),
    ),
    "cross_entropy": Twin(
        lambda x: ag.cross_entropy(x, _LABELS, weight=np.arange(1.0, 5.0), label_smoothing=0.1),
        lambda x: F.cross_entropy(
            x, torch.tensor(_LABELS), weight=torch.arange(1.0, 5.0, dtype=torch.float64), label_smoothing=0.1
        ),
        (_normal(5, 4),),
    ),
    "cross_entropy of shares": Twin(ag.cross_entropy, F.cross_entropy, (_normal(5, 4), _SHARES)),
    "nll_loss": Twin(
        lambda x: ag.nll_loss(x, _LABELS, reduction="sum"),
        lambda x: F.nll_loss(x, torch.tensor(_LABELS), reduction="sum"),
        (_normal(5, 4),),
    ),
    "bce_with_logits": Twin(
        lambda x, t: ag.bce_with_logits(x, t, pos_weight=3.0),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor(3.0, dtype=torch.float64)),
        (_X, np.random.default_rng(0).uniform(size=(3, 4))),
    ),
    "bce": Twin(
        lambda p: ag.bce(p, _SHARES),
        lambda p: F.binary_cross_entropy(p, torch.tensor(_SHARES)),
        (np.random.default_rng(0).uniform(0.05, 0.95, size=(5, 4)),),
    ),
    "mse_loss": Twin(ag.mse_loss, F.mse_loss, (_X, _Y)),
    "l1_loss": Twin(ag.l1_loss, F.l1_loss, (_X, _Y)),
    "astype": Twin(lambda x: ag.astype(x, np.float32), lambda x: x.to(torch.float32), (_X,)),
}

_ALL = {name: _elementwise(name) for name, op in ops.TABLE.items() if op.is_elementwise and _theirs(name)} | _OTHERS
# PyTorch's own second derivative is missing or, at the singular matrix, wrong.
_FIRST_ONLY = {"det, singular"}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", _ALL)
def test_parity(name: str) -> None:
    ours, theirs, inputs = _ALL[name]
    data = [np.asarray(x).dtype.kind != "f" for x in inputs]
    primals = [x for x, fixed in zip(inputs, data, strict=True) if not fixed]

    def function(*active: Any) -> Any:
        rest = iter(active)
        return ours(*(x if fixed else next(rest) for x, fixed in zip(inputs, data, strict=True)))

    leaves = [torch.tensor(x, requires_grad=not fixed) for x, fixed in zip(inputs, data, strict=True)]
    active = [leaf for leaf in leaves if leaf.requires_grad]
    y, wanted = function(*(Tensor(x, requires_grad=True) for x in primals)), theirs(*leaves)
    coarse = y.dtype == np.float32
    rtol = 1e-6 if coarse else 1e-9
    np.testing.assert_allclose(y.numpy(), wanted.detach().numpy(), rtol=rtol, atol=1e-12, err_msg="value")

    u = np.asarray(_normal(*y.shape, seed=7), dtype=y.dtype)
    got = vjp(function, *primals)[1](u)
    if not wanted.requires_grad:
        assert all(not np.any(g) for g in got)
        return
    first = torch.autograd.grad(wanted, active, torch.tensor(u), create_graph=True, allow_unused=True)
    for i, (g, h) in enumerate(zip(got, first, strict=True)):
        np.testing.assert_allclose(g, _plain(h, g), rtol=rtol, atol=1e-12, err_msg=f"gradient {i}")

    moving = [h for h in first if h is not None and h.requires_grad]
    if name in _FIRST_ONLY or not moving:
        return
    v = [_normal(*np.shape(g), seed=8) for g in got]
    second = vjp(lambda *p: vjp(function, *p)[1](u), *primals)[1](tuple(v))
    total = sum(
        torch.sum(h * torch.tensor(w)) for h, w in zip(first, v, strict=True) if h is not None and h.requires_grad
    )
    curvature = torch.autograd.grad(total, active, allow_unused=True)
    for i, (g, h) in enumerate(zip(second, curvature, strict=True)):
        np.testing.assert_allclose(g, _plain(h, g), rtol=1e-8, atol=1e-11, err_msg=f"second gradient {i}")


def _plain(h: Any, like: Any) -> Any:
    return np.zeros(np.shape(like)) if h is None else h.detach().numpy(force=True)


def test_every_op_has_its_parity_or_no_counterpart() -> None:
    without = {name for name, op in ops.TABLE.items() if op.is_elementwise and not _theirs(name)}
    assert without <= {"positive", "sinc", "trunc"}
