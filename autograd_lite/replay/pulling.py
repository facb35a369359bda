"""The backward pass under a tape: the twin of `passes.pull`, on the same plain data and by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_lite import graph, passes
from autograd_lite.errors import AutogradError, GradientError
from autograd_lite.graph import Node, Patch, data_of
from autograd_lite.replay.calls import Gathered
from autograd_lite.replay.program import VALUE, Instruction

if TYPE_CHECKING:
    from autograd_lite.replay.tape import Tape

__all__ = ["backward", "pull"]

_NONE: dict[str, Any] = {}


class _Arrived:
    """What has arrived at a node: its plain value, its spot, and patches that no instruction has added up yet."""

    __slots__ = ("own", "patches", "reads", "spot", "value")

    def __init__(self, value: Any, spot: int) -> None:
        self.value, self.spot = value, spot
        self.patches: list[tuple[Any, int, Any, int]] = []
        self.reads: list[int] = []
        self.own = False  # whether the array is ours to write into


def pull(tape: Tape, seeds: dict[Node, Any], wanted: Any, order: list[Node] | None) -> dict[Node, Any]:
    """Return live nodes: the gradients of the wanted nodes, by default of every leaf and every Value."""
    stop = wanted if wanted is not None else ()
    if order is None:
        order = graph.topological(seeds, stop, leaves=False)
    alive = None if wanted is None else passes._between(order, wanted)
    found: dict[Node, Any] = {}
    line = tape.line()
    pending: dict[Node, _Arrived] = {}
    for node, seed in seeds.items():
        number = tape.spot(seed) if isinstance(seed, Node) else tape.constant(seed)
        pending[node] = _Arrived(data_of(seed), number)
    with np.errstate(all="ignore"):
        for node in reversed(order):
            if node.op is None or node in stop or (arrived := pending.pop(node, None)) is None:
                continue
            extras = node.extras
            _settle(tape, node, arrived, line)
            if alive is None and (not node.is_array or (extras is not None and extras.retain)):
                found[node] = tape.live(arrived.value, arrived.spot, node.is_array)
            if node.is_array or not node.op.is_elementwise:
                _hand_on(tape, node, arrived, alive, pending, line)
            else:
                _hand_on_number(tape, node, arrived, alive, pending, line)
    for leaf, arrived in pending.items():
        if wanted is not None and leaf not in wanted:
            continue
        _settle(tape, leaf, arrived, line)
        found[leaf] = tape.live(arrived.value, arrived.spot, leaf.is_array)
    return found


def _hand_on_number(
    tape: Tape, node: Any, arrived: _Arrived, alive: Any, pending: dict[Node, _Arrived], line: tuple[str, int]
) -> None:
    """`_hand_on` for an elementwise op on numbers: graphs of these are the long ones."""
    if node._epoch != graph.writes.count:
        graph.check_fresh(node)
    op, operands, y, g = node.op, node.operands, node._data, arrived.value
    args = [x._data if isinstance(x, Node) else float(x) for x in operands]
    fixed, spots, slope = tape.fixed, tape.spots, graph.faces.value.slope
    reads = [arrived.spot, spots[node] if node in spots else tape.spot(node)]
    for x, number in zip(operands, args, strict=True):
        if not isinstance(x, Node):
            reads.append(tape.constant(number))
        else:
            reads.append(spots[x] if x in spots else tape.spot(x))
    together, is_fixed = tuple(reads), all(map(fixed.__getitem__, reads))
    strong_zero = g == 0.0 and op.singular
    for i, x in enumerate(operands):
        if isinstance(x, Node) and op.rules[i] is not None and (alive is None or x in alive):
            share = 0.0 if strong_zero else g * slope(op, i, y, args)
            n = tape.new(VALUE, is_fixed)
            tape.write_down(Instruction("vjp", together, (n,), op, i, _NONE, line=line))
            _take(tape, x, share, n, pending, line)


def _hand_on(
    tape: Tape, node: Node, arrived: _Arrived, alive: Any, pending: dict[Node, _Arrived], line: tuple[str, int]
) -> None:
    """Give a node's gradient to its operands."""
    op: Any = node.op
    shares = passes.shares(node, arrived.value, False, alive)
    if not shares:
        return
    operands, args, rules = node.operands, node.args, op.rules
    numbers = [tape.spot(x) if isinstance(x, Node) else tape.constant(args[i]) for i, x in enumerate(operands)]
    reads = (arrived.spot, tape.spot(node), *numbers)
    fixed = all(tape.fixed[n] for n in reads)
    params = {k: graph._own(v) for k, v in node.params.items()} if node.params else _NONE
    places = [
        i for i in node.edges if (alive is None or operands[i] in alive) and (op.variadic or rules[i] is not None)
    ]
    if op.variadic:
        writes = [-1] * len(operands)
        for i in places:
            writes[i] = tape.new(tape.kind(operands[i]), fixed)
        tape.write_down(Instruction("vjp", reads, tuple(writes), op, -1, params, line=line))
        for i, (x, share) in zip(places, shares, strict=True):
            _take(tape, x, _dense(x, share), writes[i], pending, line)
        return
    for i, (x, share) in zip(places, shares, strict=True):
        if type(share) is Patch:
            _take_patch(tape, x, share, (op, i, params, len(reads)), reads, pending)
            continue
        number = tape.new(tape.kind(x), fixed)
        tape.write_down(Instruction("vjp", reads, (number,), op, i, params, line=line))
        _take(tape, x, share, number, pending, line)


def _dense(x: Node, share: Any) -> Any:
    if type(share) is not Patch:
        return share
    array = np.zeros_like(x._data)
    share.add_to(array)
    return array


def _take(tape: Tape, x: Node, share: Any, number: int, pending: dict[Node, _Arrived], line: tuple[str, int]) -> None:
    old = pending.get(x)
    if old is None:
        pending[x] = _Arrived(share, number)
        return
    _settle(tape, x, old, line)
    total = tape.new(tape.kind(x), tape.fixed[old.spot] and tape.fixed[number])
    tape.write_down(Instruction("add", (old.spot, number), (total,), line=line))
    value = old.value + share
    pending[x] = _Arrived(np.asarray(value) if x.is_array else value, total)


def _take_patch(
    tape: Tape, x: Node, patch: Patch, part: Any, reads: tuple[int, ...], pending: dict[Node, _Arrived]
) -> None:
    old = pending.get(x)
    if old is None:
        old = pending[x] = _Arrived(np.zeros_like(x._data), -1)
        old.own = True
    elif not old.own:
        old.value, old.own = old.value.copy(), True
    patch.add_to(old.value)
    old.patches.append(part)
    old.reads += reads


def _settle(tape: Tape, x: Node, arrived: _Arrived, line: tuple[str, int]) -> None:
    """Write down how patches are added up."""
    if not arrived.patches:
        return
    reads, parts = tuple(arrived.reads), arrived.patches
    fixed = all(tape.fixed[n] for n in reads)
    number = tape.new(tape.kind(x), fixed)
    if arrived.spot < 0 and len(parts) == 1:
        op, i, params, _ = parts[0]
        tape.write_down(Instruction("vjp", reads, (number,), op, i, params, line=line))
    else:
        has_base = arrived.spot >= 0
        run = Gathered(parts, has_base, x._data.shape, x._data.dtype)
        tape.write_down(
            Instruction("call", (arrived.spot, *reads) if has_base else reads, (number,), run=run, line=line)
        )
    arrived.spot, arrived.patches, arrived.reads, arrived.own = number, [], [], False


def backward(tape: Tape, root: Any, gradient: Any, create_graph: bool) -> None:
    """Leave live gradients in ``.grad``; leaves accumulate."""
    if not root.requires_grad:
        with tape.aside():
            root.backward(gradient, create_graph)  # raises
    seed = _seed(tape, root, gradient)
    if create_graph and not isinstance(seed, Node):
        seed = graph.faces.tensor.wrap(np.array(seed)) if root.is_array else tape.bare(seed, False)
        tape.neutral(seed)
    found = passes.pull({root: seed}, True) if create_graph else pull(tape, {root: seed}, None, None)
    for node, share in found.items():
        if node in tape.leaves or (node in tape.arguments and node not in tape.plain):
            tape.meet(node)
        old = node.grad if node.op is None else None
        node.grad = share if old is None else _sum(tape, node, old, share)
        tape.graded[node] = None


def _sum(tape: Tape, leaf: Node, old: Any, share: Node) -> Any:
    if not isinstance(old, Node):
        live = tape.bare(old, leaf.is_array)
        tape.neutral(live)
        old = live
    if share not in tape.plain or old not in tape.plain:
        return old + share
    numbers = tape.spot(old), tape.spot(share)
    total = tape.new(tape.kind(leaf), all(tape.fixed[n] for n in numbers))
    tape.write_down(Instruction("add", numbers, (total,), line=tape.line()))
    return tape.live(old._data + share._data, total, leaf.is_array)


def _seed(tape: Tape, root: Any, gradient: Any) -> Any:
    if not root.is_array:
        if isinstance(gradient, Node):
            return gradient
        with tape.aside():
            return graph.faces.value(gradient)._data
    if gradient is None:
        if root._data.size != 1:
            raise AutogradError(
                f"backward() on a tensor of shape {root.shape} needs a gradient of that shape.\n"
                "Reduce it to one number first, as in loss.mean().backward(), or pass gradient=np.ones(shape)."
            )
        return np.array(1.0, root._data.dtype).reshape(root._data.shape)
    if isinstance(gradient, Node) and gradient.is_array:
        if gradient._data.shape != root.shape:
            raise GradientError(f"gradient has shape {gradient._data.shape}, but the tensor has shape {root.shape}")
        return gradient if gradient._data.dtype == root.dtype else gradient.astype(root.dtype)  # type: ignore[attr-defined]
    return root._seed(gradient)
