"""What a tape writes down besides ops: calls of plain functions, random draws, decisions and effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.graph import Node, data_of
from autograd_lite.replay.calls import Called, Decision, Drawn, Write, taken_apart
from autograd_lite.replay.program import Instruction, Program, Spot
from autograd_lite.replay.refusing import Refusing

__all__ = ["PlainCalls"]

# Their results have as many entries as the data happen to say.
_SHAPED_BY_DATA = frozenset(
    "nonzero flatnonzero argwhere unique unique_values unique_counts unique_inverse unique_all extract compress "
    "trim_zeros union1d intersect1d setdiff1d setxor1d delete".split()
)
_TEXTS = frozenset("array_repr array_str array2string".split())


class PlainCalls(Refusing):
    """The part of a tape for what is no op."""

    program: Program
    spots: dict[Node, int]
    loose: set[Node]
    leaves: dict[Node, int]
    before: dict[Node, Any]
    dirty: dict[Node, int]
    drawn: set[int]
    generators: list[np.random.Generator]

    def new(self, spot: Spot, fixed: bool) -> int:
        """Return the number of a new spot."""
        raise NotImplementedError

    def kind(self, x: Node) -> Spot:
        """Return the spot of a result that is like a node."""
        raise NotImplementedError

    def constant(self, x: Any) -> int:
        """Return the spot of a plain number or array."""
        raise NotImplementedError

    def write_down(self, instruction: Instruction) -> None:
        """Add an instruction."""
        self.program.instructions.append(instruction)

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function without a derivative, and let its result live if an argument does."""
        nodes, template = taken_apart((args, kwargs))
        if not nodes:
            return function(*args, **kwargs)
        plain_args, plain_kwargs = template.filled([x._data for x in nodes])
        numbers = tuple(map(self.spot, nodes))
        fixed = all(self.fixed[n] for n in numbers)
        name = getattr(function, "__name__", str(function))
        if not fixed and name in _SHAPED_BY_DATA:
            raise self.error(
                f"the shape of {name}({graph.describe(nodes[0])}) depends on the data.",
                "Keep the shape: where(condition, x, 0) instead of picking entries out.",
            )
        if name in _TEXTS:
            self.leave(nodes[0], f"the text of {name}()")
        return self.results(Called(function, template), function(*plain_args, **plain_kwargs), numbers, fixed)

    def may_call(self, args: Any, kwargs: Any) -> bool:
        """Return whether a function without a rule may be called, as it may on plain arrays."""
        nodes, _ = taken_apart((args, kwargs))
        return bool(nodes) and all(x in self.loose or not x.requires_grad for x in nodes)

    def draw(self, generator: Any, method: str, args: Any) -> Any:
        """Draw random numbers, live."""
        self.drawn.add(id(generator))
        run = Drawn(generator, method, args)
        return self.results(run, run(), (), False, pure=False)

    def results(self, run: Any, result: Any, reads: tuple[int, ...], fixed: bool, pure: bool = True) -> Any:
        """Write a call down and return live nodes for what it returned."""
        parts = result if isinstance(result, (tuple, list)) else (result,)
        if not all(isinstance(part, (np.ndarray, np.generic, bool, int, float)) for part in parts):
            if fixed:
                return result
            raise self.error(
                f"{getattr(run, 'name', run)} of what changes from call to call returned a {type(result).__name__}.",
                "Return the data it needs, and call it outside.",
            )
        arrays = [np.array(part) if getattr(part, "base", None) is not None else np.asarray(part) for part in parts]
        nodes = [graph.faces.tensor.wrap(a) for a in arrays]
        for node in nodes:
            self.spots[node] = self.new(self.kind(node), fixed)
        self.plain.update(nodes)
        writes = tuple(self.spots[node] for node in nodes)
        self.write_down(Instruction("call", reads, writes, run=run, pure=pure, line=self.line()))
        return nodes[0] if parts is not result else type(result)(*nodes) if hasattr(result, "_fields") else tuple(nodes)

    def decide(self, question: Callable[..., Any], args: Any) -> bool:
        """Answer a question about data; a replay must get the same answer."""
        nodes, template = taken_apart((args, {}))
        if not nodes:
            return bool(question(*args))
        numbers = tuple(map(self.spot, nodes))
        answer = bool(question(*template.filled([x._data for x in nodes])[0]))
        if not all(self.fixed[n] for n in numbers):
            check = Decision(question, template, answer, self.place())
            self.write_down(Instruction("effect", numbers, run=check, line=self.line()))
        return answer

    def effect(self, run: Callable[..., Any], reads: Sequence[Any], overwrites: Sequence[Node]) -> None:
        """Run something for what it does, and in each replay again."""
        numbers = tuple(self.spot(x) if isinstance(x, Node) else self.constant(x) for x in reads)
        over = []
        for x in overwrites:
            self.spot(x)
            if x not in self.leaves:
                if x in self.arguments:
                    raise self.error(
                        f"{graph.describe(x)} is an argument, and would be written in place.",
                        "Let the function capture what it trains: def step(batch), not def step(model.weight, batch).",
                    )
                continue
            over.append(self.leaves[x])
        self.flush()
        states = [g.bit_generator.state for g in self.generators]
        hidden = {x: x.grad for x in self.before if isinstance(x.grad, Node) and x.grad in self.spots}
        for x, live in hidden.items():
            x.grad = data_of(live)
        with self.aside():
            run(*map(data_of, reads))
        for x, live in hidden.items():
            x.grad = live
        for g, state in zip(self.generators, states, strict=True):
            if g.bit_generator.state != state:
                self.drawn.add(id(g))
        for x in overwrites:
            if x in self.leaves:
                self.spots[x] = self.leaves[x]
        line = self.line()
        self.write_down(Instruction("effect", numbers, run=run, pure=False, overwrites=tuple(over), line=line))

    def flush(self) -> None:
        """Write the new data of captured leaves into them: what follows may read them there."""
        for x, number in list(self.dirty.items()):
            if x in self.leaves:
                leaf = self.leaves[x]
                self.write_down(Instruction("effect", (number,), run=Write(x), pure=False, overwrites=(leaf,)))
                self.spots[x] = leaf
                del self.dirty[x]
