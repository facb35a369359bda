"""The tape: what the engine tells of one run of a function, written down as a program.

Everything that a node can hold has a spot on the tape. What comes from arguments, captured leaves and random draws is
*live*: it may differ in each replay, so it can never become a plain Python object. What is computed from constants
alone is *fixed*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node, data_of
from autograd_lite.ops.record import Op
from autograd_lite.replay import pulling
from autograd_lite.replay.calls import Cast, same
from autograd_lite.replay.plain_calls import PlainCalls
from autograd_lite.replay.program import VALUE, Instruction, Program, Spot

__all__ = ["Tape"]

_FLOAT = np.dtype(np.float64)
_NONE: dict[str, Any] = {}


class Tape(PlainCalls):
    """A recording in progress.

    Parameters
    ----------
    count : int
        The number of flattened arguments: gradients that leaves have at the start become further inputs.

    Attributes
    ----------
    program : Program
    before : dict of Node to object
        The leaves that were met, with the gradients that they had.
    gradients_in : list of Node
        The leaves whose gradients are inputs, in the order of those inputs.
    dirty : dict of Node to int
        The leaves that were given new data which no instruction has written to them yet.
    """

    def __init__(self, count: int) -> None:
        graph.mark_written(())  # what is made from here on is the function's own
        self.start = graph.writes.count
        self._count = count
        self.program = Program()
        self.spots: dict[Node, int] = {}
        self.fixed: list[bool] = []
        self.plain: set[Node] = set()  # what would be a plain number or array if the function ran by itself
        self.loose: set[Node] = set()  # the Values that stand for floats, so that nothing is tracked through them
        self.whole: set[Node] = set()  # the plain ones without axes that would be arrays all the same, not numbers
        self.arguments: dict[Node, int] = {}
        self.leaves: dict[Node, int] = {}
        self.before: dict[Node, Any] = {}
        self.graded: dict[Node, None] = {}
        self.gradients_in: list[Node] = []
        self.dirty: dict[Node, int] = {}
        self.drawn: set[int] = set()
        self.generators: list[np.random.Generator] = []
        self._entries: dict[Node, Node] = {}
        self._constants: dict[Any, int] = {}
        self._arrays: dict[int, tuple[Any, Any, int]] = {}
        self._kinds: dict[Any, Spot] = {}
        self._lines: dict[tuple[str, int], tuple[str, int]] = {}

    # What has a spot

    def new(self, spot: Spot, fixed: bool) -> int:
        """Return the number of a new spot."""
        self.program.spots.append(spot)
        self.fixed.append(fixed)
        return len(self.fixed) - 1

    def kind(self, x: Node) -> Spot:
        """Return the spot of a result that is like a node."""
        if not x.is_array:
            return VALUE
        key = x._data.shape, x._data.dtype
        if key not in self._kinds:
            self._kinds[key] = Spot(*key)
        return self._kinds[key]

    def spot(self, x: Node) -> int:
        """Return the number of a node's spot; an unknown node is a leaf that the function captured."""
        number = self.spots.get(x)
        if number is not None:
            return number
        if x in self._entries:
            return self._gradient_in(x)
        if x._epoch >= self.start:
            raise CompileError(
                f"{graph.describe(x)} was made in a way that cannot be recorded (unpickled, or in another thread), "
                f"before {self.place()}.\nMake it outside of the compiled function, or of what it is given."
            )
        shape, dtype = (x._data.shape, x._data.dtype) if x.is_array else ((), _FLOAT)
        self.spots[x] = self.leaves[x] = number = self.new(Spot(shape, dtype, "leaf", x, x.is_array), False)
        self.meet(x)
        return number

    def meet(self, x: Node) -> None:
        """Make the gradient that a leaf has already live."""
        if x in self.before:
            return
        if x.extras is not None and x.extras.hooks:
            raise CompileError(
                f"{graph.describe(x)} has a hook on its gradient, which a replay would not call.\n"
                "Take the hook off, and do what it does with the gradients after backward()."
            )
        old = self.before[x] = x.grad
        if old is not None:
            x.grad = live = self.bare(data_of(old), x.is_array)
            if not isinstance(old, Node):
                self.plain.add(live)
            self._entries[live] = x

    def _gradient_in(self, live: Node) -> int:
        spot = self.kind(live)
        source = self._count + len(self.gradients_in)
        self.gradients_in.append(self._entries[live])
        self.spots[live] = number = self.new(Spot(spot.shape, spot.dtype, "input", source, spot.is_array), False)
        return number

    def enter(self, x: Node, position: int, plain: bool) -> None:
        """Take a node as an argument."""
        shape, dtype = (x._data.shape, x._data.dtype) if x.is_array else ((), _FLOAT)
        self.spots[x] = self.new(Spot(shape, dtype, "input", position, x.is_array), False)
        self.arguments[x] = position
        if plain:
            self.plain.add(x)
            self.loose.add(x)
        else:
            self.meet(x)

    def constant(self, x: Any) -> int:
        """Return the spot of a plain number or array; an array is copied, as its owner may write into it later."""
        if type(x) is np.ndarray:
            known = self._arrays.get(id(x))
            if known is not None and known[0] is x and _equal(known[1], x):
                return known[2]
            kept = x.copy(order="K")
            kept.flags.writeable = False  # so that a plan may compute with it ahead of time
            number = self.new(Spot(x.shape, x.dtype, "constant", kept), True)
            self._arrays[id(x)] = x, kept, number
            return number
        key = (type(x), x) if x == x and x != 0 else (type(x), repr(x))
        number_known = self._constants.get(key)
        if number_known is None:
            dtype = x.dtype if isinstance(x, np.generic) else np.asarray(x).dtype
            number_known = self.new(Spot((), dtype, "constant", x, isinstance(x, np.generic)), True)
            self._constants[key] = number_known
        return number_known

    def bare(self, data: Any, is_array: bool) -> Any:
        """Return a leaf around data, of which the tape knows nothing yet."""
        if is_array:
            return graph.faces.tensor.wrap(np.asarray(data))
        with self.aside():
            return graph.faces.value(data)

    def live(self, data: Any, number: int, is_array: bool = True, plain: bool = True) -> Any:
        """Return an untracked node for a spot."""
        node = self.bare(data, is_array)
        self.spots[node] = number
        if plain:
            self.plain.add(node)
            self.loose.add(node)
            self.whole.add(node)
        return node

    # What the engine tells

    def forward(self, op: Op, operands: Sequence[Any], params: dict[str, Any], node: Node) -> None:
        """Write down that an op made a node."""
        reads = []
        fixed = plain = loose = True
        arrays = node.is_array or not op.is_elementwise
        for x in operands:
            if isinstance(x, Node):
                number = self.spots.get(x)
                if number is None:
                    number = self.spot(x)
                if plain and x not in self.plain:
                    plain = False
                if loose and x not in self.loose and x.requires_grad:
                    loose = False
            else:
                number = self.constant(x if arrays else float(x))
            if not self.fixed[number]:
                fixed = False
            reads.append(number)
        for name, value in params.items():
            if _has_nodes(value):
                raise self.error(
                    f"{name}= of {op.name!r} is taken from {graph.describe(_first_node(value))}, but must be known "
                    "when the function is recorded.",
                    "Pass it as a static argument (static_argnums), or build the array with where() instead.",
                )
        owned = {k: graph._own(v) for k, v in params.items()} if params else _NONE
        number = self.new(self.kind(node), fixed)
        copied = node.op is None and node.is_array and any(self.program.spots[r].role == "leaf" for r in reads)
        line = self.line()
        if copied:  # the engine gave no view of the leaf's memory either
            view = self.new(self.kind(node), fixed)
            self.write_down(Instruction("forward", tuple(reads), (view,), op, params=owned, line=line))
            self.write_down(Instruction("call", (view,), (number,), run=np.array, line=line))
        else:
            self.write_down(Instruction("forward", tuple(reads), (number,), op, -1, owned, line=line))
        self.spots[node] = number
        if plain:
            self.plain.add(node)
        if loose and not node.is_array:
            self.loose.add(node)

    def made(self, node: Node, source: Any = None) -> None:
        """Take note of a leaf that the function made: a constant, or a copy of a node."""
        if not isinstance(source, Node):
            number = self.constant(node._data)
            if self.program.spots[number].is_array != node.is_array:
                number = self.new(Spot((), _FLOAT, "constant", node._data, node.is_array), True)
            self.spots[node] = number
        elif node.op is not None:
            self.forward(node.op, node.operands, _NONE, node)
            self.plain.discard(node)
        else:
            number = self.spot(source)
            copy = Cast(node._data.dtype)
            self.spots[node] = self.new(self.kind(node), self.fixed[number])
            self.write_down(Instruction("call", (number,), (self.spots[node],), run=copy, line=self.line()))

    def like(self, node: Node, model: Any) -> None:
        """Let a node that is being traced be as plain as what it was made from."""
        self.loose.discard(node)
        if not isinstance(model, Node) or model in self.plain:
            self.plain.add(node)

    def neutral(self, node: Node) -> None:
        """Take note of a constant of the engine's own."""
        self.made(node)
        self.plain.add(node)

    def is_plain(self, node: Any) -> bool:
        """Return whether a node stands for a plain number or array, and is not being traced."""
        return isinstance(node, Node) and (not node.requires_grad if node.is_array else node in self.loose)

    def is_live_index(self, node: Any) -> bool:
        """Return whether an index may be another in a replay; refuse truth values, which would change the shape."""
        if self.fixed[self.spot(node)]:
            return False
        if node.is_array and node._data.dtype.kind == "b":
            raise self.error(
                "picking entries by a condition gives as many as the data happen to say.",
                "Keep the shape: where(condition, x, 0) instead of x[condition].",
            )
        if not node.is_array or node._data.dtype.kind not in "iu":
            raise IndexError(f"an index holds integers, not {graph.describe(node)}")
        return True

    def data(self, node: Node) -> Any:
        """Return what ``node.data`` is: a plain live node."""
        number = self.spot(node)
        if self.program.spots[number].role == "leaf":  # the memory that it has now
            alias = self.new(self.kind(node), False)
            self.write_down(Instruction("call", (number,), (alias,), run=same, line=self.line()))
            number = alias
        return self.live(node._data, number, node.is_array)

    def detached(self, node: Node) -> Any:
        """Return what ``node.detach()`` is."""
        number = self.spot(node)
        if self.program.spots[number].role == "leaf" and node.is_array:
            copy = self.new(self.kind(node), False)
            self.write_down(Instruction("call", (number,), (copy,), run=np.array, line=self.line()))
            number = copy
        data = node._data.copy() if node.is_array else node._data
        return self.live(data, number, node.is_array, node in self.plain)

    def write(self, node: Any, data: Any) -> None:
        """Give a leaf new data."""
        self.spot(node)
        if isinstance(data, Node):
            number = self.spot(data)
            if data.is_array != node.is_array or (node.is_array and data._data.dtype != node._data.dtype):
                kept = self.new(self.kind(node), self.fixed[number])
                cast = Cast(node._data.dtype if node.is_array else None)
                self.write_down(Instruction("call", (number,), (kept,), run=cast, line=self.line()))
                number = kept
        with self.aside():
            node.data = data_of(data)
        if not isinstance(data, Node):
            number = self.constant(node._data)
        elif self.program.spots[number].role == "leaf":
            copy = self.new(self.kind(node), False)
            self.write_down(Instruction("call", (number,), (copy,), run=np.array if node.is_array else same))
            number = copy
        if node in self.leaves or node in self.arguments:
            self.dirty[node] = number
        self.spots[node] = number

    # Backward

    def pull(self, seeds: dict[Node, Any], wanted: Any, order: list[Node] | None) -> dict[Node, Any]:
        """`passes.pull` on plain data, with live nodes for the gradients."""
        return pulling.pull(self, seeds, wanted, order)

    def backward(self, root: Any, gradient: Any, create_graph: bool) -> None:
        """`backward` of a Value or Tensor; the gradients are live nodes until the recording ends."""
        pulling.backward(self, root, gradient, create_graph)


def _equal(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _has_nodes(x: Any) -> bool:
    if isinstance(x, (tuple, list)):
        return any(map(_has_nodes, x))
    return isinstance(x, Node)


def _first_node(x: Any) -> Any:
    return x if isinstance(x, Node) else next(_first_node(e) for e in x if _has_nodes(e))
