"""Losses: derivatives of every order, edges, dtypes, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
import nn.functional as F  # noqa: N812

rng = np.random.default_rng(0)
X = rng.normal(size=(5, 3)) * 2
P = rng.uniform(0.1, 0.9, (5, 3))
SIGNS = np.where(X[::-1] > 0, 1, -1)
LABELS = rng.integers(0, 3, 5)

LOSSES: list[tuple[str, Any, list[Any]]] = [
    ("smooth_l1", lambda x, t: F.smooth_l1_loss(x, t, beta=0.5), [X, P]),
    ("huber", lambda x, t: F.huber_loss(x, t, delta=0.7), [X, P]),
    ("kl_div", F.kl_div, [X, P]),
    ("kl_div log", lambda x, t: F.kl_div(x, t, log_target=True), [X, np.log(P)]),
    ("hinge", lambda x: F.hinge_loss(x, SIGNS), [X]),
    ("hinge_embedding", lambda x: F.hinge_embedding_loss(x, SIGNS), [X]),
    ("cosine_embedding", lambda x, y: F.cosine_embedding_loss(x, y, SIGNS[:, 0], margin=-0.5), [X, P]),
    ("sigmoid_focal", lambda x: F.sigmoid_focal_loss(x, P, gamma=1.5), [X]),
    ("focal", lambda x: F.focal_loss(x, LABELS, weight=[0.5, 1.0, 2.0]), [X]),
]


@pytest.mark.parametrize(("name", "loss", "inputs"), LOSSES)
def test_gradients_of_first_and_second_order(name: str, loss: Any, inputs: list[Any]) -> None:
    assert ag.gradcheck(loss, *inputs, order=2)


@pytest.mark.parametrize(("name", "loss", "inputs"), LOSSES)
def test_float32_stays(name: str, loss: Any, inputs: list[Any]) -> None:
    tensors = [ag.Tensor(x.astype(np.float32), requires_grad=True) for x in inputs]
    y = loss(*tensors)
    y.backward()
    assert y.dtype == np.float32
    assert all(x.grad.dtype == np.float32 for x in tensors)


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss", "hinge_loss", "hinge_embedding_loss"])
def test_on_values(name: str) -> None:
    value, tensor = ag.Value(0.3), ag.Tensor([0.3], requires_grad=True)
    for x in (value, tensor):
        target: Any = -1.0 if x is value else [-1.0]
        y = getattr(F, name)(x, target)
        y.backward()
    assert isinstance(value.grad, float)
    np.testing.assert_allclose(value.grad, tensor.grad[0])


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss"])
def test_huge_errors_do_not_overflow(name: str) -> None:
    x = ag.Tensor([1e300, -1e300], requires_grad=True)
    y = getattr(F, name)(x, [0.0, 0.0], reduction="sum")
    y.backward()
    assert np.isfinite(y.item())
    np.testing.assert_array_equal(x.grad, [1.0, -1.0])


def test_kl_div_where_a_probability_is_zero() -> None:
    x = ag.Tensor([[0.0, -np.inf], [-1.0, -2.0]], requires_grad=True)
    y = nn.KLDivLoss(reduction="batchmean")(x, [[1.0, 0.0], [0.0, 1.0]])
    y.backward()
    assert y.item() == 1.0
    np.testing.assert_array_equal(x.grad, [[-0.5, 0.0], [0.0, -0.5]])
    z = nn.KLDivLoss(reduction="batchmean", log_target=True)(x, [[0.0, -np.inf], [-np.inf, 0.0]])
    assert z.item() == 1.0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_losses_at_certainty(gamma: float) -> None:
    x = ag.Tensor([1e4, -1e4], requires_grad=True)
    for targets, loss, slopes in (([1.0, 0.0], 0.0, [0.0, 0.0]), ([0.0, 1.0], 1e4, [0.5, -0.5])):
        x.zero_grad()
        y = nn.SigmoidFocalLoss(alpha=-1, gamma=gamma)(x, targets)
        y.backward()
        assert y.item() == loss
        np.testing.assert_array_equal(x.grad, slopes)
    scores = ag.Tensor([[1e4, 0.0], [1e4, 0.0]], requires_grad=True)
    y = nn.FocalLoss(gamma=gamma)(scores, [0, 1])
    y.backward()
    assert y.item() == 5e3
    np.testing.assert_array_equal(scores.grad, [[0.0, 0.0], [0.5, -0.5]])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4), (3,)])
def test_focal_loss_without_focus_is_cross_entropy(shape: tuple[int, ...], reduction: str) -> None:
    x, weight = rng.normal(size=shape), [0.5, 1.0, 2.0]
    labels = rng.integers(0, 3, shape[:1] + shape[2:] if len(shape) > 1 else ())
    settings: dict[str, Any] = {"weight": weight, "ignore_index": 1, "reduction": reduction}
    if shape == (3,) and labels == 1:
        labels = np.array(2)
    np.testing.assert_allclose(F.focal_loss(x, labels, gamma=0.0, **settings), F.cross_entropy(x, labels, **settings))
    binary = F.sigmoid_focal_loss(x, (x > 1) * 1.0, alpha=-1, gamma=0.0, reduction=reduction)
    np.testing.assert_allclose(binary, F.binary_cross_entropy_with_logits(x, (x > 1) * 1.0, reduction=reduction))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: F.huber_loss([1.0, 2.0], [[1.0], [2.0]]), r"huber_loss: predictions of shape \(2,\) and targets"),
        (lambda: F.huber_loss([1.0], [1.0], delta=0.0), "non-positive values for delta"),
        (lambda: F.smooth_l1_loss([1.0], [1.0], beta=-1.0), "negative values for beta"),
        (lambda: F.smooth_l1_loss([1.0], [[1.0]]), "smooth_l1_loss: predictions of shape"),
        (lambda: F.hinge_loss([1.0], [0]), "targets must be 1 or -1; for labels 0 and 1"),
        (lambda: F.hinge_embedding_loss([1.0], [2]), "targets must be 1 or -1"),
        (lambda: F.cosine_embedding_loss([[1.0]], [[1.0]], 1), "expected inputs of shape"),
        (lambda: F.kl_div([1.0], [1.0], reduction="avg"), "reduction must be"),
        (lambda: F.focal_loss([[1.0, 2.0]], [[0.0, 1.0]]), "takes labels"),
        (lambda: F.focal_loss([[1.0, 2.0]], [2]), "class 2 in the targets"),
        (lambda: F.focal_loss([[1.0, 2.0]], [1], weight=[1.0]), "a weight for each of 2 classes"),
        (lambda: nn.HuberLoss(reduction="avg"), "reduction must be"),
        (lambda: nn.KLDivLoss(reduction="avg"), "reduction must be"),
    ],
)
def test_errors(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def test_targets_that_wait_for_gradients_are_refused() -> None:
    with pytest.raises(TypeError, match="target is data and gets no gradient"):
        F.hinge_loss([1.0], ag.Tensor([1.0], requires_grad=True))


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (nn.SmoothL1Loss(beta=0.5), (X, P)), (nn.HuberLoss(delta=2.0), (X, P)), (nn.KLDivLoss(), (X, P)),
        (nn.HingeLoss(0.5), (X, SIGNS)), (nn.HingeEmbeddingLoss(0.5), (X, SIGNS)),
        (nn.CosineEmbeddingLoss(0.5), (X, P, SIGNS[:, 0])), (nn.SigmoidFocalLoss(0.5, 3.0), (X, P)),
        (nn.FocalLoss([1.0, 2.0, 3.0], 3.0), (X, LABELS)),
    ],
)  # fmt: skip
def test_modules_call_the_functions(module: nn.Module, arguments: tuple[Any, ...]) -> None:
    names = {"KLDivLoss": "kl_div", "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss"}
    name = type(module).__name__
    name = names.get(name) or "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    settings = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    np.testing.assert_array_equal(module(*arguments).data, getattr(F, name)(*arguments, **settings))


def test_weights_move_with_their_module() -> None:
    loss = nn.FocalLoss([1.0, 2.0, 3.0])
    assert list(loss.state_dict()) == ["weight"]
    assert repr(nn.HingeLoss(0.5, reduction="sum")) == "HingeLoss(margin=0.5, reduction='sum')"
