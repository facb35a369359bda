"""One model trained by many processes, on one machine or many, over MPI; needs mpi4py."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_lite import graph
from nn.callbacks import Callback
from nn.data import DataLoader
from nn.run import generators_of

if TYPE_CHECKING:
    from nn.module import Module
    from nn.run import Run

__all__ = ["DataParallel"]


class DataParallel(Callback):
    """Train on all processes that ``mpiexec -n 4 python program.py`` starts: each takes its part of every batch.

    The processes begin with the state of rank 0. In each step one flat Allreduce gives all of them the gradient of the
    whole batch, so that they stay equal bit for bit and are, up to rounding, where a single process would be. Rank 0
    writes checkpoints and logs, and shows the progress. A process that fails stops all of them with its error.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        By default all processes.

    Attributes
    ----------
    rank, size : int
        Which process this is, and of how many.

    Notes
    -----
    The loss is to be a mean over the samples, or, with ``reduction="sum"``, their sum. Batch normalisation
    normalises with each process's own part of a batch; the running statistics are averaged in the same Allreduce.
    Noise (dropout) is drawn from streams that differ between the processes.

    Examples
    --------
    In a program that ``mpiexec`` starts, or in one on its own::

        fit(model, loss, optimizer, data, epochs=10, callbacks=[nn.parallel.DataParallel()])
    """

    order = -1

    def __init__(self, comm: Any = None) -> None:
        try:
            from mpi4py import MPI
        except ImportError:
            raise ImportError("DataParallel needs mpi4py and an MPI library: pip install mpi4py mpich") from None
        self.comm = MPI.COMM_WORLD if comm is None else comm
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.leads = self.rank == 0
        self._in_place = MPI.IN_PLACE
        if self.size > 1:
            sys.excepthook = self._abort

    def _abort(self, kind: Any, error: BaseException, trace: Any) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        print(f"rank {self.rank} of {self.size} failed, so all stop:\n{text}", file=sys.stderr, flush=True)
        self.comm.Abort(1)

    def on_ready(self, run: Run) -> None:
        if not isinstance(run.loader, (DataLoader, _Shards)):
            raise TypeError(f"DataParallel divides the batches of an nn.DataLoader, got {type(run.loader).__name__}")
        state = self.comm.bcast(run.state_dict() if self.leads else None)
        if not self.leads:
            run.load_state_dict(state)
        run.together = self.size > 1
        if isinstance(run.loader, DataLoader):
            run.loader = _Shards(run.loader, self, run)

    def on_epoch_begin(self, run: Run) -> None:
        # From rank 0's generators at this moment follow all others', so that a resumed run draws what it would have.
        generators = generators_of(run)
        states = self.comm.bcast({name: g.bit_generator.state for name, g in generators.items()})
        if not self.leads:
            for name, generator in generators.items():
                generator.bit_generator.state = states[name]
                generator.bit_generator.state = generator.bit_generator.jumped(self.rank).state  # type: ignore[attr-defined]

    def on_gradients(self, run: Run) -> None:
        params = [p for group in run.optimizer.param_groups for p in group["params"]]
        run.halted = self.average(
            params,
            [b for b in run.model.buffers() if b.dtype.kind == "f"],
            run.samples or 0,
            getattr(run.loss, "reduction", "mean") == "sum",
            run.interrupted,
        )

    def on_epoch_end(self, run: Run) -> None:
        count, sums = self.comm.allreduce(_Sums(run.totals())).parts
        row = run.history[-1]
        row.update((name, total / count) for name, total in sums.items())
        row = self.comm.bcast(row)
        run.history.rows[-1] = run.figures = row

    def average(
        self, params: Sequence[Any], buffers: Sequence[Any], samples: int, summed: bool = False, stop: bool = False
    ) -> bool:
        """Replace gradients and buffers by those of the whole batch, in one Allreduce; for loops of your own.

        Parameters
        ----------
        params : sequence of Parameter
            Whose gradients; the same ones in every process.
        buffers : sequence of Tensor
            Statistics to be averaged.
        samples : int
            How many samples this process has had.
        summed : bool, optional
            Whether the loss is a sum over samples.
        stop : bool, optional
            Whether this process is to stop.

        Returns
        -------
        bool
            Whether any process is to stop.
        """
        shapes = [np.shape(x._data) for x in (*params, *buffers)]
        share = float(bool(samples)) if summed else samples
        arrays = [np.zeros(p.shape) if p.grad is None else graph.data_of(p.grad) * share for p in params]
        arrays += [b._data * samples for b in buffers]
        flat = np.concatenate([np.ravel(a) for a in (*arrays, float(samples), float(stop))]).astype(np.float64)
        self.comm.Allreduce(self._in_place, flat)
        total = flat[-2]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        whole = [part.reshape(shape) for part, shape in zip(np.split(flat[:-2], ends), shapes, strict=False)]
        for p, gradient in zip(params, whole, strict=False):
            if p.grad is not None:
                p.grad = (gradient if summed else gradient / total).astype(p.dtype)
        for buffer, mean in zip(buffers, whole[len(params) :], strict=True):
            buffer._data[...] = mean / total
        graph.mark_written(buffers)
        return bool(flat[-1])

    def share(self, model: Module) -> None:
        """Give every process the weights and buffers of rank 0; for loops of your own."""
        state = self.comm.bcast(model.state_dict() if self.leads else None)
        model.load_state_dict(state)


class _Sums:
    """The number of samples and the sums of figures over them, added up by MPI."""

    def __init__(self, parts: tuple[int, dict[str, float]]) -> None:
        self.parts = parts

    def __add__(self, other: _Sums) -> _Sums:
        (count, sums), (others, more) = self.parts, other.parts
        return _Sums((count + others, {name: sums.get(name, 0.0) + more.get(name, 0.0) for name in {**sums, **more}}))


class _Shards:
    """A loader whose batches are this process's parts of the batches that rank 0 draws."""

    def __init__(self, loader: DataLoader, parallel: DataParallel, run: Run) -> None:
        self._loader, self._parallel, self._run = loader, parallel, run
        self.generator, self.dataset = loader.generator, loader.dataset  # where the run looks for generators
        self.sampler, self.batch_sampler = loader.sampler, loader.batch_sampler

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        parallel = self._parallel
        for indices in parallel.comm.bcast(list(self._loader.batches()) if parallel.leads else None):
            mine = indices[parallel.rank :: parallel.size]
            self._run.samples = len(mine)
            # A batch smaller than the number of processes leaves some without a sample: they take one that counts 0.
            yield self._loader.collect(mine if len(mine) else indices[:1])
