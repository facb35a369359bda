"""Programs for the tests of plans: the forward and backward pass of a function, read from the graph that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Node
from autograd_lite.replay.program import Instruction, Program, Spot


def program_of(f: Callable[..., Any], inputs: Sequence[Any], leaves: Sequence[Node] = ()) -> tuple[Program, list[Any]]:
    """Record ``f(*inputs)`` and its gradient by inputs and leaves.

    Returns
    -------
    program : Program
        Its outputs: the value, then the gradients.
    results : list
        What the engine found.
    """
    root = f(*inputs)
    program = Program()
    numbers: dict[Any, int] = {}

    def spot(x: Any, role: str = "result", source: Any = None) -> int:
        data = graph.data_of(x)
        is_array = x.is_array if isinstance(x, Node) else isinstance(x, np.ndarray)
        program.spots.append(Spot(np.shape(data), np.asarray(data).dtype, role, source, is_array))
        return len(program.spots) - 1

    def read(x: Any) -> int:
        if not isinstance(x, Node):
            return spot(x, "constant", x)
        if x not in numbers:
            place = next((i for i, given in enumerate(inputs) if given is x), None)
            role = "leaf" if place is None else "input"
            numbers[x] = spot(x, role, x if place is None else place)
        return numbers[x]

    def say(kind: str, reads: Sequence[int], writes: Sequence[int], **more: Any) -> None:
        program.instructions.append(Instruction(kind, tuple(reads), tuple(writes), **more))

    order = graph.topological([root], leaves=False)
    for node in order:
        reads = [read(x) for x in node.operands]
        numbers[node] = spot(node)
        say("forward", reads, [numbers[node]], op=node.op, params=node.params)
    one = np.ones(np.shape(root._data))
    one.flags.writeable = False
    pending: dict[Node, int] = {root: spot(one if root.is_array else 1.0, "constant", one if root.is_array else 1.0)}
    for node in reversed(order):
        if node not in pending:
            continue
        op: Any = node.op
        reads = [pending[node], numbers[node], *(read(x) for x in node.operands)]
        edges = [i for i in node.edges if op.variadic or op.rules[i] is not None]
        made = {i: spot(node.operands[i]) for i in edges}
        if op.variadic:
            writes = [made.get(i, -1) for i in range(len(node.operands))]
            say("vjp", reads, writes, op=op, params=node.params)
        else:
            for i in edges:
                say("vjp", reads, [made[i]], op=op, operand=i, params=node.params)
        for i in edges:
            x = node.operands[i]
            if x in pending:
                total = spot(x)
                say("add", [pending[x], made[i]], [total])
                pending[x] = total
            else:
                pending[x] = made[i]
    wanted = [x for x in (*inputs, *leaves) if isinstance(x, Node) and x.requires_grad and x in pending]
    program.outputs = [numbers[root], *(pending[x] for x in wanted)]
    root.backward()
    results = [root._data, *(x.grad for x in wanted)]
    for x in wanted:
        x.grad = None
    return program, results


def close(found: Sequence[Any], expected: Sequence[Any], tolerance: float = 1e-12) -> None:
    """Compare results entry by entry, relative to the largest entry of each."""
    assert len(found) == len(expected)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert np.shape(a) == np.shape(b), f"result {i} has shape {np.shape(a)}, expected {np.shape(b)}"
        assert np.asarray(a).dtype == np.asarray(b).dtype, f"result {i} has dtype {np.asarray(a).dtype}"
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=f"result {i}")
