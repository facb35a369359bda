"""What a check found: entry by entry, and as a text."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import IO

from autograd_lite.check.numeric import Array

__all__ = ["Diagnosis", "Entry", "Report"]


@dataclass(frozen=True)
class Entry:
    """One comparison: a derivative by the rules beside the same derivative by numbers.

    Attributes
    ----------
    input : str
        Which input: its position, with keys and indices inside containers (``"0"``, ``"1['bias']"``).
    index : tuple of int, or None
        Which entry of the input; None for a derivative along a random direction.
    analytic, numeric, numeric_error : float
        What the rules say, what the numbers say, and a bound on the error of the numbers.
    method : str
        ``"complex-step"``, ``"ridders"``, ``"kink"`` (a value between the one-sided slopes passes) or ``"undefined"``
        (there is no derivative to compare with: a jump, an infinite slope, a value that is not finite).
    order : int
        1 for the gradient, 2 for the gradient of the gradient.
    ratio : float
        The deviation as a multiple of what is allowed; more than 1 fails.
    """

    input: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    numeric_error: float
    method: str
    order: int
    ratio: float

    @property
    def ok(self) -> bool:
        """Whether the deviation is within what is allowed."""
        return self.ratio <= 1

    @property
    def rel(self) -> float:
        """The relative error."""
        largest = max(abs(self.analytic), abs(self.numeric))
        return abs(self.analytic - self.numeric) / largest if largest else 0.0

    def __str__(self) -> str:
        where = "along a random direction" if self.index is None else f"at index {self.index}" if self.index else ""
        what = "gradient" if self.order == 1 else "second derivative"
        return (
            f"{what} of input {self.input} {where}".rstrip() + f": by the rules {self.analytic:.12g}, "
            f"by numbers {self.numeric:.12g} ± {self.numeric_error:.1g} ({self.method}), relative error {self.rel:.2g}"
        )


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that explains wrong gradients.

    Attributes
    ----------
    kind : str
        One of "sign", "factor", "transposed", "broadcast" (no sum over a broadcast axis), "mean" (a mean for a sum, or
        the reverse), "upstream" (the incoming gradient not used, or used twice), "input-output" (one used for the
        other), "last-use" (only the last use of a reused node counted), "off-by-one", "wrong-operand", "detached",
        and the less specific "rounded", "reordered", "overflow", "few-entries" and
        "unknown".
    input : str
        The input whose gradient it explains.
    sentence : str
        What the gradient looks like.
    remedy : str
        What to do about it.
    likelihood : float
        Between 0 and 1.
    factor : float or None
        By what the gradient is too large, where that explains it.
    index : tuple of int or None
        An entry to look at.
    analytic, numeric : float
        That entry by the rules, and by numbers.
    """

    kind: str
    input: str
    sentence: str
    remedy: str = ""
    likelihood: float = 0.5
    factor: float | None = None
    index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan


@dataclass
class Report:
    """The outcome of a gradient check; true when every comparison passed.

    Attributes
    ----------
    entries : list of Entry
        Every comparison made.
    problems : list of str
        What is wrong beyond single numbers: an input that was changed, a result that is another one each time.
    single : bool
        Whether a float32 took part, so that only its accuracy could be asked for.
    diagnoses : list of Diagnosis
        The mistakes that would explain wrong gradients, the likeliest first.
    notes : list of str
        What is worth knowing but not wrong.
    errors : dict of str to ndarray
        The relative error of the gradient by input, entry by entry; NaN where no entry was compared.
    """

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    single: bool = False
    diagnoses: list[Diagnosis] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: dict[str, Array] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything passed."""
        return not self.problems and all(entry.ok for entry in self.entries)

    @property
    def failures(self) -> list[Entry]:
        """The comparisons that failed."""
        return [entry for entry in self.entries if not entry.ok]

    @property
    def worst(self) -> Entry | None:
        """The comparison with the largest deviation for what is allowed; None when nothing was compared."""
        return max(self.entries, key=lambda entry: (entry.ratio, entry.method != "undefined"), default=None)

    @property
    def method_counts(self) -> dict[str, int]:
        """How many comparisons each numeric method decided."""
        return dict(Counter(entry.method for entry in self.entries))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        from autograd_lite.check.text import as_text

        return as_text(self)

    __repr__ = __str__

    def show(self, file: IO[str] | None = None) -> None:
        """Print the report, in colour on a terminal.

        Parameters
        ----------
        file : text stream, optional
            Standard output by default. The environment variables ``NO_COLOR`` and ``TERM=dumb`` switch colours off.
        """
        from autograd_lite.check.text import as_text
        from autograd_lite.paint import Paint

        print(as_text(self, Paint.for_stream(file)), file=file)

    def html(self) -> str:
        """Return the report as a page of its own, which needs no network and follows its reader's light or dark."""
        from autograd_lite.check.page import page_of

        return page_of(self)

    def _repr_html_(self) -> str:
        from autograd_lite.check.page import fragment_of

        return fragment_of(self)
