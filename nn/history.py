"""History: what a training run was like, an epoch a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["History"]


class History:
    """The figures of each epoch.

    ``history["loss"]`` is a column, ``history[-1]`` the last row, ``len(history)`` the number of epochs, and
    printing it gives a table.

    Attributes
    ----------
    rows : list of dict
    ended : str
        Why the run ended before its time, if it did.

    Examples
    --------
    >>> history = History()
    >>> history.append({"epoch": 1, "loss": 0.75})
    >>> history.append({"epoch": 2, "loss": 0.5})
    >>> history["loss"]
    [0.75, 0.5]
    >>> print(history)
     epoch     loss
         1   0.7500
         2   0.5000
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.ended = ""

    def append(self, row: dict[str, Any]) -> None:
        """Add the figures of one more epoch."""
        self.rows.append(dict(row))

    @property
    def columns(self) -> list[str]:
        """The names of the figures, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, str):
            if key not in self.columns:
                raise KeyError(f"no column {key!r}; there are {', '.join(self.columns) or 'none yet'}")
            return [row.get(key) for row in self.rows]
        return self.rows[key]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __str__(self) -> str:
        columns = self.columns
        lines = [columns, *([_shown(row.get(name)) for name in columns] for row in self.rows)]
        widths = [max(6, *(len(line[i]) for line in lines)) for i in range(len(columns))]
        return "\n".join("  ".join(x.rjust(w) for x, w in zip(line, widths, strict=True)) for line in lines)

    def __repr__(self) -> str:
        ended = f", {self.ended}" if self.ended else ""
        return f"History({len(self)} epochs of {', '.join(self.columns) or 'nothing'}{ended})"

    def _repr_html_(self) -> str:
        from nn.notebook import history_html

        return history_html(self)

    def plot(self, path: Any = None) -> Any:
        """Draw the curves, training and validation together; needs matplotlib.

        Parameters
        ----------
        path : path-like, optional
            Where to save the picture: PNG, SVG or PDF, by its suffix.

        Returns
        -------
        matplotlib.figure.Figure
            As `nn.plots.learning_curves` makes it.
        """
        from nn.plots.curves import learning_curves

        return learning_curves(self, path=path)


def _shown(x: Any) -> str:
    if isinstance(x, float):
        return f"{x:.3g}" if 0 < abs(x) < 5e-4 else f"{x:.4f}"
    return "" if x is None else str(x)
