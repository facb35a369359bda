"""What the ``run`` of an instruction can be: functions of plain data, without a derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd_lite import graph
from autograd_lite.errors import CompileError
from autograd_lite.graph import Node, Patch
from autograd_lite.ops.record import Op

__all__ = ["Called", "Cast", "Decision", "Drawn", "Gathered", "Template", "Write", "same", "taken_apart"]


def same(x: Any) -> Any:
    """Return the very object: a name for what a leaf holds at this moment."""
    return x


class Template:
    """Arguments with holes where nodes were."""

    __slots__ = ("_tree", "holes")

    def __init__(self, tree: Any, holes: int) -> None:
        self._tree, self.holes = tree, holes

    def filled(self, data: Any) -> Any:
        """Return the arguments with data in the holes, in order."""
        return _filled(self._tree, iter(data))


class _Hole:
    __slots__ = ()


_HOLE = _Hole()


def taken_apart(tree: Any) -> tuple[list[Any], Template]:
    """Return the nodes in nested lists, tuples and dicts, and what is left."""
    nodes: list[Any] = []
    return nodes, Template(_emptied(tree, nodes), len(nodes))


def _emptied(tree: Any, nodes: list[Any]) -> Any:
    if isinstance(tree, Node):
        nodes.append(tree)
        return _HOLE
    if type(tree) in (list, tuple):
        return type(tree)(_emptied(branch, nodes) for branch in tree)
    if type(tree) is dict:
        return {key: _emptied(branch, nodes) for key, branch in tree.items()}
    return tree.copy(order="K") if type(tree) is np.ndarray else tree


def _filled(tree: Any, data: Iterator[Any]) -> Any:
    if tree is _HOLE:
        return next(data)
    if type(tree) in (list, tuple):
        return type(tree)(_filled(branch, data) for branch in tree)
    if type(tree) is dict:
        return {key: _filled(branch, data) for key, branch in tree.items()}
    return tree


class Called:
    """A function of arrays; ``template`` says where among its arguments the reads go."""

    __slots__ = ("function", "name", "template")

    def __init__(self, function: Callable[..., Any], template: Template) -> None:
        self.function, self.template = function, template
        self.name = getattr(function, "__name__", str(function))

    def __call__(self, *reads: Any) -> Any:
        args, kwargs = self.template.filled(reads)
        return self.function(*args, **kwargs)


class Drawn:
    """A draw from a random generator."""

    __slots__ = ("args", "generator", "method")

    def __init__(self, generator: Any, method: str, args: Any) -> None:
        self.generator, self.method, self.args = generator, method, args

    def __call__(self) -> Any:
        return getattr(self.generator, self.method)(*self.args)


class Cast:
    """A copy in a dtype; None stands for a Value's number."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, x: Any) -> Any:
        return float(x) if self.dtype is None else np.array(x, dtype=self.dtype)


class Write:
    """Gives a leaf new data, as ``leaf.data = x`` does."""

    __slots__ = ("leaf",)

    def __init__(self, leaf: Any) -> None:
        self.leaf = leaf

    def __call__(self, x: Any) -> None:
        self.leaf._data = np.array(x) if self.leaf.is_array else x
        graph.mark_written((self.leaf,))


class Decision:
    """Raises CompileError when a question about data has another answer than when it was recorded."""

    __slots__ = ("answer", "place", "question", "template")

    def __init__(self, question: Callable[..., Any], template: Template, answer: bool, place: str) -> None:
        self.question, self.template, self.answer, self.place = question, template, answer, place

    def __call__(self, *reads: Any) -> None:
        if bool(self.question(*self.template.filled(reads)[0])) != self.answer:
            raise CompileError(
                f"{self.place}: what is computed here depends on the data ({self.question.__name__}), and these data "
                "are of the other kind than those of the recording.\nRun the function itself for them, uncompiled."
            )


class Gathered:
    """Gradients that are zero but for some entries, added up: many getitems of one array.

    Attributes
    ----------
    parts : list of (Op, int, mapping, int)
        For each the op, the operand, the params, and how many of the reads are its ``(g, y, *operands)``.
    has_base : bool
        Whether the first read is a gradient that they are added to.
    shape, dtype
    """

    __slots__ = ("dtype", "has_base", "parts", "shape")

    def __init__(self, parts: list[tuple[Op, int, Any, int]], has_base: bool, shape: Any, dtype: Any) -> None:
        self.parts, self.has_base, self.shape, self.dtype = parts, has_base, shape, dtype

    def __call__(self, *reads: Any) -> Any:
        total = reads[0].copy() if self.has_base else np.zeros(self.shape, self.dtype)
        start = int(self.has_base)
        for op, operand, params, count in self.parts:
            patch: Patch = op.rules[operand](*reads[start : start + count], **params)  # type: ignore[operator,misc]
            patch.add_to(total)
            start += count
        return total
