"""Tensor: the array face. Operators, NumPy's protocols and methods only; the calculus is in the op table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from autograd_lite import graph, modes, ops, passes, snapshot
from autograd_lite.errors import AutogradError, GradientError
from autograd_lite.face import NO_PARAMS, Face, add_methods
from autograd_lite.graph import Node
from autograd_lite.hooks import Extras, Handle
from autograd_lite.ops.record import Op

__all__ = ["Tensor"]


class Tensor(Face):
    """An ndarray that remembers how it was computed.

    Parameters
    ----------
    data : array_like
        Copied. Python numbers become float64; arrays keep their dtype. (Nested) lists of Tensors and Values are
        stacked differentiably.
    requires_grad : bool, optional
        Whether gradients are to reach this tensor.
    dtype : dtype, optional
        The dtype of the copy.
    label : str, optional
        A name for pictures and error texts.

    Attributes
    ----------
    data : ndarray
        A read-only view. Assign to it (``t.data = t.data - 0.1 * t.grad``) to write a leaf.
    grad : ndarray or None
        The gradient, of the tensor's shape and dtype; None until ``backward()`` has computed it. Leaves accumulate;
        of results it is kept only after ``retain_grad()``.
    requires_grad : bool
        Whether gradients reach this tensor.

    Raises
    ------
    TypeError
        For a dtype that is no number, and for ``requires_grad=True`` with integers or complex numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_lite import Tensor
    >>> w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = np.sum(w * w)
    >>> loss.backward()
    >>> w.grad
    array([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_data", "args", "edges", "extras", "grad", "operands", "params", "requires_grad")
    is_array = True
    _operands = (*Face._operands, list, tuple)

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: DTypeLike | None = None, label: str | None = None
    ) -> None:
        source = _stacked(data)
        self.op = None
        self.operands = self.edges = self.args = ()
        self.params = NO_PARAMS
        if isinstance(source, Tensor):
            if source.requires_grad and modes.is_recording():
                source = source if dtype is None else source.astype(dtype)
                self.op, self.operands, self.edges, self.args = ops.positive, (source,), (0,), (source._data,)
                requires_grad = True
            array = np.array(source._data, dtype=dtype)
        else:
            array = np.array(source, dtype=dtype)
            if dtype is None and array.dtype.kind in "iu" and not isinstance(data, (np.ndarray, np.generic)):
                array = array.astype(np.float64)
            if not array.dtype.isnative:
                array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype.kind not in "biufc":
            raise TypeError(f"a Tensor holds numbers, got {type(data).__name__} of dtype {array.dtype}")
        if requires_grad:
            _check_differentiable(array.dtype)
        self._data = array
        self._epoch = graph.writes.count
        self.requires_grad = requires_grad
        self.grad = self.extras = None
        self.label = label
        if (tape := modes.tape()) is not None:
            tape.made(self, source)

    @staticmethod
    def wrap(array: np.ndarray[Any, Any]) -> Tensor:
        """Return an untracked Tensor around an array that nobody else writes, without a copy."""
        t = _new(Tensor)
        t._data = array
        t.op = t.grad = t.extras = t.label = None
        t.operands = t.edges = t.args = ()
        t.params = NO_PARAMS
        t.requires_grad = False
        t._epoch = graph.writes.count
        return t

    @staticmethod
    def node(
        array: np.ndarray[Any, Any],
        op: Op,
        operands: tuple[Any, ...],
        params: dict[str, Any],
        edges: Sequence[int],
        args: Sequence[Any],
    ) -> Tensor:
        """Return the recorded result of an op."""
        t = _new(Tensor)
        t._data = array
        t.op = op
        t.operands = operands
        t.params = params
        t.edges = edges
        t.args = args
        t.requires_grad = True
        t.grad = t.extras = t.label = None
        t._epoch = graph.writes.count
        return t

    @classmethod
    def rebuilt(cls, op: Op, operands: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
        """Return a node whose state unpickling fills in."""
        args = [graph.data_of(x) for x in operands]
        return cls.node(np.zeros(()), op, operands, params, graph.tracked(operands), args)

    @property
    def data(self) -> np.ndarray[Any, Any]:
        if (tape := modes.tape()) is not None:
            return tape.data(self)  # type: ignore[no-any-return]
        return self.numpy()

    @data.setter
    def data(self, data: Any) -> None:
        if self.op is not None:
            raise AutogradError(
                f"the data of {graph.describe(self)} cannot be set: it is the result of an operation.\n"
                "Set the data of a leaf and compute again, or make a new Tensor."
            )
        if (tape := modes.tape()) is not None:
            tape.write(self, data)
            return
        array = np.array(graph.data_of(data), dtype=self._data.dtype)
        if self.requires_grad and array.shape != self._data.shape:
            raise ValueError(f"expected data of shape {self._data.shape}, got {array.shape}")
        self._data = array
        graph.mark_written((self,))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by its user and not by an operation."""
        return self.op is None

    @property
    def T(self) -> Tensor:  # noqa: N802
        return ops.transpose(self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:  # noqa: N802
        return ops.swapaxes(self, -1, -2)  # type: ignore[no-any-return]

    @property
    def at(self) -> _At:
        """``t.at[index].set(v)`` and ``t.at[index].add(v)``: differentiable copies with some entries replaced."""
        return _At(self)

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Fill in the ``grad`` of everything that this tensor was computed from.

        Parameters
        ----------
        gradient : array_like, optional
            The gradient of this tensor itself, of its shape; 1 for a tensor with a single entry.
        create_graph : bool, optional
            Make the gradients Tensors too, so that they can be differentiated again.

        Raises
        ------
        AutogradError
            When nothing here requires a gradient, or the tensor has several entries and no gradient is given.
        StaleError
            When a leaf was written after it was used.
        """
        if gradient is None and self._data.size != 1:
            raise AutogradError(
                f"backward() on a tensor of shape {self.shape} needs a gradient of that shape.\n"
                "Reduce it to one number first, as in loss.mean().backward(), or pass gradient=np.ones(shape)."
            )
        if (tape := modes.tape()) is not None:
            tape.backward(self, gradient, create_graph)
            return
        if gradient is not None:
            seed = self._seed(gradient)
        else:
            seed = np.array(1.0, self._data.dtype).reshape(self._data.shape)
        if create_graph and not isinstance(seed, Tensor):
            seed = Tensor.wrap(seed.copy())
        passes.backward(self, seed, create_graph)

    def _seed(self, gradient: Any) -> Any:
        array = graph.data_of(gradient)
        array = np.asarray(array)
        if array.shape != self.shape:
            raise GradientError(f"gradient has shape {array.shape}, but the tensor has shape {self.shape}")
        if array.dtype.kind not in "fiub" or not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise GradientError(f"gradient has dtype {array.dtype}, but the tensor has dtype {self.dtype}")
        if isinstance(gradient, Tensor) and gradient.requires_grad:
            return gradient
        return array.astype(self.dtype, copy=False)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch whether gradients reach this leaf; return the tensor itself."""
        if (tape := modes.tape()) is not None:
            tape.refuse_switch(self, "requires_grad_()")
        if self.op is not None:
            raise AutogradError("requires_grad can be switched on leaves only; use detach() to stop a gradient.")
        if requires_grad:
            _check_differentiable(self.dtype)
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keep ``grad`` of this result after ``backward()``, as leaves do."""
        self._extras().retain = True

    def register_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """Call ``hook(gradient)`` when the gradient of this tensor is complete; what it returns replaces it.

        The gradient is a read-only ndarray (a Tensor under ``create_graph``). Returns a handle with ``remove()``.
        """
        if not self.requires_grad:
            raise AutogradError("a hook on a tensor that requires no gradient would never be called")
        if (tape := modes.tape()) is not None:
            tape.refuse_switch(self, "register_hook()", always=True)
        extras = self._extras()
        extras.hooks.append(hook)
        return Handle(extras.hooks, hook)

    def _extras(self) -> Extras:
        if self.extras is None:
            self.extras = Extras()
        return self.extras  # type: ignore[no-any-return]

    def zero_grad(self) -> None:
        """Forget the gradient: ``grad`` is None again."""
        self.grad = None

    def detach(self) -> Tensor:
        """Return an untracked Tensor with the same data; later writes to this one do not show in it."""
        if (tape := modes.tape()) is not None:
            return tape.detached(self)  # type: ignore[no-any-return]
        return Tensor.wrap(self._data.copy() if self.op is None or self._data.base is not None else self._data)

    def clone(self) -> Tensor:
        """Return a differentiable copy."""
        return ops.positive(self)  # type: ignore[no-any-return]

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a read-only view of the data; ``t.numpy().copy()`` is yours to write."""
        modes.leave(self, "numpy()")
        view = self._data.view()
        view.flags.writeable = False
        return view  # type: ignore[no-any-return]

    def item(self) -> Any:
        """Return the only entry as a Python number."""
        modes.leave(self, "item()")
        return self._data.item()

    def tolist(self) -> Any:
        """Return the data as nested lists of Python numbers."""
        modes.leave(self, "tolist()")
        return self._data.tolist()

    def astype(self, dtype: DTypeLike) -> Tensor:
        """Return the tensor in another dtype; differentiable between floating dtypes."""
        return ops.astype(self, np.dtype(dtype))  # type: ignore[no-any-return]

    def to_values(self) -> np.ndarray[Any, Any]:
        """Return an object array of connected Values, one an entry, of this tensor's shape."""
        flat = ops.ravel(self)
        values = np.empty(self.size, dtype=object)
        for i in range(self.size):
            values[i] = _entry(flat, i)
        return values.reshape(self.shape)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the entries in another shape, given as one tuple or as several numbers; one may be -1."""
        return ops.reshape(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Tensor:
        """Return the tensor with its axes permuted; reversed when no order is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return ops.transpose(self, order or None)  # type: ignore[no-any-return]

    def flatten(self) -> Tensor:
        """Return the entries as one axis."""
        return ops.ravel(self)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise AutogradError(
            "a Tensor is not written in place: its old entries may be needed for gradients.\n"
            "Write `t = t.at[index].set(value)` (or .add), which is differentiable."
        )

    def __matmul__(self, other: Any) -> Any:
        return ops.matmul(self, other) if isinstance(other, (Node, np.ndarray)) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        return ops.matmul(other, self) if isinstance(other, (Node, np.ndarray)) else NotImplemented

    def __pow__(self, other: Any) -> Any:
        return ops.square(self) if type(other) in (int, float) and other == 2 else super().__pow__(other)

    def __iadd__(self, other: Any) -> Any:
        return self._rebound("+=", "add", other)

    def __isub__(self, other: Any) -> Any:
        return self._rebound("-=", "subtract", other)

    def __imul__(self, other: Any) -> Any:
        return self._rebound("*=", "multiply", other)

    def __itruediv__(self, other: Any) -> Any:
        return self._rebound("/=", "divide", other)

    def __ipow__(self, other: Any) -> Any:
        return self._rebound("**=", "power", other)

    def __imatmul__(self, other: Any) -> Any:
        return self._rebound("@=", "matmul", other)

    def _rebound(self, sign: str, name: str, other: Any) -> Any:
        if (tape := modes.tape()) is not None:
            tape.refuse_inplace(self, sign)
        if self.op is None and self.requires_grad and not modes.is_recording():
            raise AutogradError(
                f"`t {sign} ...` binds the name to a new tensor; the leaf itself would stay as it is.\n"
                f"Write `t.data = t.data {sign[:-1]} ...` to change the leaf."
            )
        return getattr(ops, name)(self, other)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, x: Any) -> bool:
        modes.leave(self, "`in`")
        return bool((self._data == graph.data_of(x)).any())

    def __bool__(self) -> bool:
        modes.leave(self, "bool()")
        return bool(self._data)

    def __float__(self) -> float:
        modes.leave(self, "float()")
        self._refuse_in_trace()
        return float(self._data.item())

    def __int__(self) -> int:
        modes.leave(self, "int()")
        return int(self._data.item())

    def __index__(self) -> int:
        modes.leave(self, "an index")
        return self._data.__index__()  # type: ignore[no-any-return]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise AutogradError(
                "turning a tracked Tensor into an ndarray would cut its gradient off silently.\n"
                "Use t.numpy() or t.detach() to cut it on purpose, or the functions of autograd_lite to keep it."
            )
        modes.leave(self, "np.asarray()")
        if copy or (dtype is not None and dtype != self._data.dtype):
            return self._data.astype(dtype or self._data.dtype)  # type: ignore[no-any-return]
        return self.numpy()

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", precision=4, threshold=50)
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        made = f", op={self.op.name}" if self.op is not None else ", requires_grad=True" if self.requires_grad else ""
        return f"{type(self).__name__}({body}{dtype}{made})"

    def __format__(self, spec: str) -> str:
        modes.leave(self, "format()")
        return format(self.item(), spec) if spec and self.size == 1 else format(str(self), spec)

    def __copy__(self) -> Tensor:
        return snapshot.shallow(self)  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return snapshot.reduce(self)


add_methods(
    Tensor,
    "sum mean var std max min prod norm any all cumsum cumprod sort argsort argmax argmin "
    "softmax log_softmax logsumexp "
    "ravel swapaxes moveaxis squeeze expand_dims broadcast_to flip roll tril triu repeat take diagonal trace "
    "dot matmul inv det split",
)

_new = Tensor.__new__


class _At:
    """The target of ``t.at[index]``."""

    def __init__(self, tensor: Tensor, index: Any = None) -> None:
        self._tensor = tensor
        self._index = index

    def __getitem__(self, index: Any) -> _At:
        return _At(self._tensor, index)

    def set(self, value: Any) -> Tensor:
        """Return a copy with the entries at the index replaced; gradients flow to both."""
        return ops.at_set(self._tensor, value, self._index)  # type: ignore[no-any-return]

    def add(self, value: Any) -> Tensor:
        """Return a copy with the value added at the index, once for each repetition of an entry."""
        return ops.at_add(self._tensor, value, self._index)  # type: ignore[no-any-return]


def _check_differentiable(dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise TypeError(
            f"only floating-point tensors can require a gradient, this one has dtype {dtype}.\n"
            "Write Tensor(data, dtype=float, requires_grad=True)."
        )


def _stacked(data: Any) -> Any:
    """Return array_like data with every list (or object array) that holds nodes stacked to a Tensor."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, Node):
        return _from_values(data, shape=())
    if isinstance(data, np.ndarray) and data.dtype == object:
        if any(isinstance(x, Tensor) for x in data.flat):
            return ops.reshape(ops.stack([Tensor(x) for x in data.flat]), (*data.shape, *Tensor(data.flat[0]).shape))
        return _from_values(*data.flat, shape=data.shape)
    if isinstance(data, (list, tuple)) and graph.holds_nodes(data):
        if all(not isinstance(x, Tensor | list | tuple | np.ndarray) for x in data):
            return _from_values(*data, shape=(len(data),))
        return ops.stack([_stacked(x) for x in data])
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError("a masked array has no derivative rule; fill it first: Tensor(array.filled(0.0))")
    return data


_from_values = ops.TABLE["from_values"]
_entry_op = ops.TABLE["entry"]


def _entry(flat: Tensor, i: int) -> Any:
    """Return entry ``i`` of a 1-D tensor as a connected Value."""
    value = float(flat._data[i])
    if not flat.requires_grad or not modes.is_recording():
        leaf = graph.faces.value(value)
        if (tape := modes.tape()) is not None:
            tape.forward(_entry_op, (flat, i), NO_PARAMS, leaf)
        return leaf
    return graph.faces.value.rebuilt(_entry_op, (flat, i), NO_PARAMS, value)


graph.faces.tensor = Tensor
graph.faces.entry = _entry
