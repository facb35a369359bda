"""Data sets, and batches drawn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator, graph, ops

__all__ = ["DataLoader", "Dataset", "Subset", "TensorDataset", "random_split"]

Indices = Sequence[int] | np.ndarray[Any, Any]


class Dataset:
    """What has ``len(dataset)`` and ``dataset[i]``; a base for your own, though nothing requires it.

    A data set that can take many samples at once says so by a method ``batch(indices)``, which the `DataLoader`
    prefers to collecting single ones.
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")


class TensorDataset(Dataset):
    """Samples along the first axis of arrays of the same length.

    Parameters
    ----------
    *tensors : array_like
        Kept as Tensors; what is no Tensor is copied.

    Examples
    --------
    >>> dataset = TensorDataset([[1.0], [2.0], [3.0]], [0, 1, 1])
    >>> len(dataset), dataset[1]
    (3, (Tensor([2.]), Tensor(1.)))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        if not self.tensors or any(not t.ndim for t in self.tensors):
            raise ValueError("a TensorDataset needs arrays with samples along their first axis")
        if len({len(t) for t in self.tensors}) > 1:
            raise ValueError(f"Size mismatch between tensors: {', '.join(str(len(t)) for t in self.tensors)} samples")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def batch(self, indices: Indices) -> tuple[Tensor, ...]:
        """Return many samples at once."""
        return tuple(
            ops.take(t, indices, axis=0) if t.requires_grad else Tensor.wrap(t._data.take(indices, axis=0))
            for t in self.tensors
        )


class Subset(Dataset):
    """Some samples of a data set, by their indices.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
    """

    def __init__(self, dataset: Any, indices: Indices) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, dtype=np.intp)
        if hasattr(dataset, "batch"):
            self.batch = self._batch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self.dataset[int(self.indices[index])]
        return Subset(self.dataset, self.indices[index])

    def _batch(self, indices: Indices) -> Any:
        return self.dataset.batch(self.indices[indices])


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: np.random.Generator | None = None
) -> list[Subset]:
    """Split a data set at random into parts without overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int or float
        The sizes of the parts; or fractions that sum to 1, what rounding leaves over going to the first parts.
    generator : numpy.random.Generator, optional

    Examples
    --------
    >>> dataset = TensorDataset(np.arange(10.0))
    >>> [len(part) for part in random_split(dataset, [0.5, 0.25, 0.25])]
    [6, 2, 2]
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1 + 1e-9 and any(isinstance(n, float) for n in lengths):
        if any(not 0 <= fraction <= 1 for fraction in lengths):
            raise ValueError(f"fractions must lie between 0 and 1, got {list(lengths)}")
        sizes = [math.floor(total * fraction) for fraction in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(n) for n in lengths]
        if sum(lengths) != total:
            raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = (generator or default_generator()).permutation(total)
    ends = np.cumsum(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


class DataLoader:
    """Batches of a data set; each iteration is one epoch.

    Parameters
    ----------
    dataset : Dataset
        A `TensorDataset`, or a `Subset` of one, costs one indexing an array and a batch.
    batch_size : int or None, optional
        None gives single samples.
    shuffle : bool, optional
        Draw a new order each epoch.
    sampler : iterable of int, optional
        The order of the samples.
    batch_sampler : iterable of sequence of int, optional
        The batches themselves.
    collate_fn : callable, optional
        Makes a batch of a list of samples; by default it stacks numbers, arrays, tuples and dicts of them.
    drop_last : bool, optional
        Leave out the last batch if it is smaller.
    generator : numpy.random.Generator, optional
        For the shuffling. Default: `autograd_lite.default_generator`.

    Examples
    --------
    >>> loader = DataLoader(TensorDataset(np.arange(5.0)), batch_size=2)
    >>> [x.tolist() for (x,) in loader]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Indices] | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
            )
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, bool(shuffle), drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.collate_fn, self.generator = collate_fn, generator

    def __len__(self) -> int:
        """Return the number of batches."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        samples = len(self.dataset) if self.sampler is None else len(self.sampler)  # type: ignore[arg-type]
        size = self.batch_size or 1
        return samples // size if self.drop_last else -(-samples // size)

    def __iter__(self) -> Iterator[Any]:
        if self.batch_size is None:
            return (self.dataset[int(i)] for i in self._order())
        return map(self.collect, self.batches())

    def collect(self, indices: Indices) -> Any:
        """Return the batch of these samples."""
        take = getattr(self.dataset, "batch", None) if self.collate_fn is None else None
        if take is not None:
            return take(indices)
        return (self.collate_fn or _collate)([self.dataset[int(i)] for i in indices])

    def _order(self) -> Indices:
        if self.sampler is not None:
            return np.fromiter(self.sampler, np.intp)
        if self.shuffle:
            return (self.generator or default_generator()).permutation(len(self.dataset))
        return np.arange(len(self.dataset))

    def batches(self) -> Iterator[Indices]:
        """Yield the indices of each batch of an epoch."""
        if self.batch_sampler is not None:
            yield from self.batch_sampler
            return
        order, size = self._order(), self.batch_size or 1
        stop = len(order) - len(order) % size if self.drop_last else len(order)
        for start in range(0, stop, size):
            yield order[start : start + size]


def _collate(samples: list[Any]) -> Any:
    """Stack samples: arrays and numbers along a new first axis, tuples and dicts entry by entry."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {key: _collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return tuple(_collate(list(entries)) for entries in zip(*samples, strict=True))
    if isinstance(first, graph.Node):
        return ops.stack(samples)
    if isinstance(first, (str, bytes)):
        return samples
    return Tensor(np.asarray(samples))
