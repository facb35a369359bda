"""A decision boundary that moves while the network learns: as a GIF, and as a page with a slider."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn.module import Module
from nn.plots.answers import samples_of
from nn.plots.boundary import chosen_epochs, extent_of, frame, recorded_states
from nn.plots.curves import learning_curves
from nn.plots.look import GREY, panels
from nn.plots.recorder import Recorder, loaded

if TYPE_CHECKING:
    from nn.history import History

__all__ = ["boundary_film"]

Array = np.ndarray[Any, Any]
_PAUSE, _END = 120, 2000  # milliseconds that a frame stays, and the last one


class Frame(NamedTuple):
    """A picture, the epoch it is of, and what it shows in words."""

    epoch: int
    words: str
    image: Any


def boundary_film(
    recorder: Recorder,
    model: Module,
    X: Any,  # noqa: N803
    y: Any,
    path: Any,
    *,
    frames: int = 40,
    history: History | None = None,
    title: str = "How the boundary moves",
    names: Sequence[str] | None = None,
    extent: Sequence[float] | None = None,
    steps: int = 90,
) -> Path:
    """Write the decision boundary over the epochs as a GIF, or as an HTML page with a slider.

    The page is one file that loads nothing from a network: it is moved by slider, arrow keys or a play button, does
    not move by itself, and says in words what a frame shows.

    Parameters
    ----------
    recorder : Recorder
    model : Module
        The one that was trained; it keeps the weights it has.
    X, y, names, extent, steps
        As in `decision_boundary`.
    path : path-like
        Ends in ``.gif`` (needs Pillow) or ``.html`` (needs Pillow too).
    frames : int, optional
        How many at most; the early epochs are close together, because most happens there.
    history : History, optional
        Draws the loss beside the boundary, with a line at the epoch.
    title : str, optional
        Of the page.

    Returns
    -------
    pathlib.Path
        Where it is.

    Raises
    ------
    TypeError, ValueError
        When there is nothing to draw: says how to record it. For another suffix.
    """
    target = Path(path)
    writers = {".gif": _write_gif, ".html": _write_page}
    if target.suffix.lower() not in writers:
        raise ValueError(f"a film is saved as one of {', '.join(writers)}, by its suffix; got {target.name!r}")
    states = recorded_states(recorder, "of a boundary")
    x, labels = samples_of(model, X, y)
    picked = [states[i] for i in chosen_epochs(len(states), frames)]
    look = {"extent": extent_of(x) if extent is None else extent, "steps": steps}
    stage = _Stage(model, x, labels, names, history, look)
    made = []
    for epoch, state in picked:
        with loaded(model, state):
            made.append(stage.frame(epoch))
    target.parent.mkdir(parents=True, exist_ok=True)
    writers[target.suffix.lower()](target, made, title)
    return target


class _Stage:
    """The figure that every frame is drawn in: what stays is drawn and laid out once, which takes most of the time."""

    def __init__(
        self,
        model: Module,
        x: Array,
        labels: Array,
        names: Sequence[str] | None,
        history: History | None,
        look: dict[str, Any],
    ) -> None:
        try:
            from PIL import Image
        except ImportError:
            raise ImportError("films need Pillow: pip install pillow") from None
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.model, self.x, self.labels, self.names, self.look = model, x, labels, names, look
        figure, places = panels(1, 1 if history is None else 2, 4.4, 3.4)
        self.canvas, self.as_image = FigureCanvasAgg(figure), Image.fromarray
        self.plane, self.line = places[0, 0], None
        if history is not None:
            learning_curves(history, ["loss"], ax=places[0, 1])
            self.line = places[0, 1].axvline(0, color=GREY, linewidth=2.5, alpha=0.7, visible=False)
        frame(self.plane, model, 0, x, labels, names, **look)
        self.canvas.draw()
        figure.set_layout_engine("none")
        self.plane.set_visible(False)
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(figure.bbox)
        self.plane.set_visible(True)

    def frame(self, epoch: int) -> Frame:
        """Draw the model as it is now."""
        self.plane.clear()
        words = frame(self.plane, self.model, epoch, self.x, self.labels, self.names, **self.look)
        self.canvas.restore_region(self.background)
        self.plane.draw(self.canvas.get_renderer())
        if self.line is not None:
            self.line.set(xdata=[epoch, epoch], visible=True)
            self.line.axes.draw_artist(self.line)
        return Frame(epoch, words, self.as_image(np.array(self.canvas.buffer_rgba())).convert("RGB"))


def _in_few_colours(frames: Sequence[Frame]) -> list[Any]:
    """Return the images in 256 colours, the same for all, so that no frame loses the colours of its few points."""
    from PIL import Image

    palette = frames[-1].image.quantize(256, Image.Quantize.MAXCOVERAGE)
    return [f.image.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]


def _write_gif(path: Path, frames: Sequence[Frame], title: str) -> None:
    images = _in_few_colours(frames)
    durations = [_PAUSE] * (len(images) - 1) + [_END]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0)


def _write_page(path: Path, frames: Sequence[Frame], title: str) -> None:
    entries = []
    for i, (f, image) in enumerate(zip(frames, _in_few_colours(frames), strict=True)):
        content = io.BytesIO()
        image.save(content, "png", optimize=True)
        source = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
        hidden = "" if i == len(frames) - 1 else " hidden"
        entries.append(f'<img src="{source}" alt="{html.escape(f.words)}" data-epoch="{f.epoch}"{hidden}>')
    page = resources.files(__package__).joinpath("film.html").read_text(encoding="utf-8")
    parts = {"TITLE": html.escape(title), "LAST": str(len(frames) - 1), "FRAMES": "\n".join(entries)}
    path.write_text(re.sub("%(TITLE|LAST|FRAMES)%", lambda match: parts[match[1]], page), encoding="utf-8")
