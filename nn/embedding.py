"""Embedding: a table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import Tensor, default_generator, graph
from autograd_lite.modes import tape
from autograd_lite.taped import effect
from nn.errors import ShapeError
from nn.module import Module, Parameter

__all__ = ["Embedding", "embedding"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Return the rows of a table at these numbers.

    Parameters
    ----------
    input : array_like of int
        Any shape.
    weight : array_like
        Shape (number of rows, dimension).
    padding_idx : int, optional
        A row that gets no gradient.
    max_norm : float, optional
        Rows that are looked up and longer than this are first shortened to it, in place.
    norm_type : float, optional
        Which p-norm measures their length.
    scale_grad_by_freq : bool, optional
        Whether to divide the gradient of a row by how often it is looked up.
    sparse : bool, optional
        Accepted and without effect: gradients are dense.

    Returns
    -------
    ndarray or Tensor
        Shape (*input.shape, dimension).

    Raises
    ------
    IndexError
        For a number without a row, negative ones included.
    TypeError
        For numbers that are not integers.

    Examples
    --------
    >>> embedding([[2, 0]], [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    array([[[4., 5.],
            [0., 1.]]])
    """
    table = graph.operand(weight)
    places, rows = _numbers(input, table.shape[0]), table.shape[0]
    if max_norm is not None:
        _shorten(table, places, max_norm, norm_type)
    found = table[places]
    if padding_idx is not None:
        padding = range(rows)[padding_idx]
        found = np.where((places == padding)[..., None], _still(found), found)
    if scale_grad_by_freq:
        share = (1 / np.bincount(places.ravel(), minlength=rows)[places])[..., None].astype(found.dtype)
        found = _still(found) * (1 - share) + found * share
    return found


def _still(x: Any) -> Any:
    return x.detach() if tape() is not None and isinstance(x, graph.Node) else graph.data_of(x)  # type: ignore[attr-defined]


def _numbers(input: Any, rows: int) -> Any:
    if isinstance(input, Tensor) and tape() is not None:
        if input.dtype.kind not in "iu":
            raise TypeError(f"embedding looks up integers, got dtype {input.dtype}; write x.astype(int)")
        effect(lambda places: _check_range(places, rows), (input,))
        return input
    places = np.asarray(graph.data_of(input))
    if places.size == 0:
        places = places.astype(np.intp)
    if places.dtype.kind not in "iu":
        raise TypeError(f"embedding looks up integers, got dtype {places.dtype}; write x.astype(int)")
    _check_range(places, rows)
    return places


def _check_range(places: Any, rows: int) -> None:
    if places.size and not 0 <= places.min() <= places.max() < rows:
        wrong = places.min() if places.min() < 0 else places.max()
        raise IndexError(f"embedding: number {wrong} is out of range for a table of {rows} rows (0 to {rows - 1})")


def _shorten(table: Any, places: Any, max_norm: float, norm_type: float) -> None:
    if not isinstance(table, Tensor) or table.op is not None:
        raise TypeError("embedding with max_norm writes the table in place, so it must be a Tensor and a leaf")

    def shorten(places: Any) -> None:
        used = np.unique(places)
        norms = np.linalg.norm(table._data[used], norm_type, axis=1)
        long = norms > max_norm
        if np.any(long):
            table._data[used[long]] *= (max_norm / (norms[long, None] + 1e-7)).astype(table.dtype)
            graph.mark_written((table,))

    effect(shorten, (places,), (table,))


class Embedding(Module):
    """A table of trained vectors, looked up by number.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        The number of vectors and their length.
    padding_idx : int, optional
        A vector that starts at 0 and is not trained.
    max_norm : float, optional
        Vectors that are looked up and longer than this are first shortened to it, in place.
    norm_type : float, optional
        Which p-norm measures their length.
    scale_grad_by_freq : bool, optional
        Whether to divide the gradient of a vector by how often it is looked up.
    sparse : bool, optional
        Accepted and without effect: gradients are dense.
    dtype : dtype, optional
        Of the vectors; float64 by default.
    generator : numpy.random.Generator, optional
        For the initial values, standard normal numbers.

    Attributes
    ----------
    weight : Parameter
        Shape (num_embeddings, embedding_dim).

    Raises
    ------
    IndexError
        When called with a number that has no vector.

    Examples
    --------
    >>> import nn
    >>> nn.Embedding(100, 8)([[1, 5, 99], [0, 0, 7]]).shape
    (2, 3, 8)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"padding_idx must be within num_embeddings={num_embeddings}, got {padding_idx}")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        table = (generator or default_generator()).normal(size=(num_embeddings, embedding_dim))
        if padding_idx is not None:
            table[padding_idx] = 0
        self.weight = Parameter(table, dtype=dtype)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **settings: Any) -> Embedding:
        """Return a layer with a copy of these vectors, shape (number, length), trained only if not ``freeze``."""
        table = np.asarray(graph.data_of(embeddings))
        if table.ndim != 2:
            expected = "vectors of shape (number, length)"
            raise ShapeError("Embedding.from_pretrained", expected, str(table.shape), "Stack them.")
        layer = cls(*table.shape, dtype=table.dtype if table.dtype.kind == "f" else np.float64, **settings)
        layer.weight.data = table
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, x: Any) -> Any:
        return embedding(
            x, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        text += f", padding_idx={self.padding_idx}" if self.padding_idx is not None else ""
        text += f", max_norm={self.max_norm}" if self.max_norm is not None else ""
        return text + (f", norm_type={self.norm_type}" if self.norm_type != 2 else "")
