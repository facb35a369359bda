"""What a recording is: numbered arrays, and the instructions that fill them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_lite.ops.record import Op

__all__ = ["VALUE", "Instruction", "Program", "Spot"]


@dataclass(frozen=True, slots=True)
class Spot:
    """One array of a program, or one number of a Value.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    role : {"input", "leaf", "constant", "result"}
        Input: an argument of the compiled function. Leaf: a node whose data is read anew in each run. Constant: an
        array or number that never changes; a captured array is held by reference, so that writes to it show.
        Result: what an instruction writes.
    source : object
        Input: its position among the flattened arguments. Leaf: the node. Constant: the array or number.
    is_array : bool
        Whether it stands for a Tensor or ndarray, and not for a Value or float.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    role: str = "result"
    source: Any = None
    is_array: bool = True


VALUE = Spot((), np.dtype(np.float64), is_array=False)  # any result that is a number


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a program.

    Attributes
    ----------
    kind : {"forward", "vjp", "add", "call", "effect"}
        forward: ``writes[0] = op.forward(*reads, **params)``.
        vjp: the gradient that an operand of ``op`` receives, brought to the operand's shape and dtype;
        reads are ``(g, y, *operands)``, and a variadic op writes the gradients of all its operands.
        add: ``writes[0] = reads[0] + reads[1]`` (a gradient that arrives by two ways).
        call: ``writes = run(*reads)``, a function of arrays without a derivative, or a draw of random numbers. With
        several writes it returns a sequence. What it returns may be no ndarray yet (``np.asarray`` makes it one), or
        share memory with what it reads.
        effect: ``run(*reads)`` for what it does (writes to a leaf, an optimiser's step); in order, never left out.
    op : Op, optional
    operand : int
        vjp of an op that is not variadic: which operand.
    reads, writes : tuple of int
        Numbers of spots; -1 in ``writes`` for a result that nobody wants.
    params : mapping
        The op's static parameters.
    run : callable, optional
    pure : bool
        Whether equal reads give equal writes, so that it may be left out or shared.
    overwrites : tuple of int
        effect: the leaves (spots) whose data it changes.
    line : (str, int)
        The file and line of the user's code that asked for it.
    """

    kind: str
    reads: tuple[int, ...]
    writes: tuple[int, ...] = ()
    op: Op | None = None
    operand: int = -1
    params: Mapping[str, Any] = field(default_factory=dict)
    run: Callable[..., Any] | None = None
    pure: bool = True
    overwrites: tuple[int, ...] = ()
    line: tuple[str, int] = ("", 0)


@dataclass(slots=True)
class Program:
    """A recording of one call.

    An executor is made by ``build(program)``: a function of the list of its inputs (ndarrays; floats for Values), which
    returns the list of its outputs: arrays that share no memory with anything else, so that they may be kept, and
    floats for Values. Leaves are read from ``source._data`` at the start, and again after an effect that overwrites
    them. What it computes is computed under ``np.errstate(all="ignore")``.

    Attributes
    ----------
    spots : list of Spot
    instructions : list of Instruction
        In the order in which they ran.
    outputs : list of int
        The spots that the function returned.
    """

    spots: list[Spot] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
