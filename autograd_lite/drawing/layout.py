"""Running Graphviz, the ``dot`` program or that in the ``pygraphviz`` wheel, in a process with a time limit."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys

from autograd_lite.errors import AutogradError

__all__ = ["HINT", "NEXT", "LayoutError", "run_graphviz"]

TIMEOUT = 20.0
HINT = "To draw it, install Graphviz (`apt install graphviz`, `brew install graphviz`) or `pip install pygraphviz`."

NEXT = "\n// next graph\n"  # between several graphs in one source; what is drawn of them follows each other, too

# pygraphviz holds the interpreter's lock while it draws, so it gets an interpreter of its own.
_WHEEL = (
    "import sys, pygraphviz\n"
    f"for source in sys.stdin.buffer.read().decode().split({NEXT!r}):\n"
    "    sys.stdout.buffer.write(pygraphviz.AGraph(source).draw(format=sys.argv[1], prog='dot'))\n"
)


class LayoutError(AutogradError):
    """Graphviz is missing, failed, or took too long."""


def run_graphviz(source: str, format: str, timeout: float = TIMEOUT) -> bytes:
    """Lay out DOT source.

    Parameters
    ----------
    source : str
    format : str
        As Graphviz names it: "svg", "png", "pdf", "json".
    timeout : float
        Seconds, for all attempts together.

    Raises
    ------
    LayoutError
    """
    commands = []
    dot = shutil.which("dot")
    if dot is not None:
        commands.append([dot, f"-T{format}", *(["-Gdpi=160"] if format == "png" else [])])
    if importlib.util.find_spec("pygraphviz") is not None:
        commands.append([sys.executable, "-c", _WHEEL, format])
    problems = []
    for command in commands:
        try:
            done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise LayoutError(
                f"Graphviz took longer than {timeout:g} seconds.\n"
                "Draw less of the graph (max_boxes=, depth=, focus=), or allow more with timeout=."
            ) from None
        except OSError as error:
            problems.append(str(error))
            continue
        if done.returncode == 0 and done.stdout:
            return done.stdout
        problems.append(done.stderr.decode(errors="replace").strip()[:300])
    raise LayoutError("Graphviz failed: " + "; ".join(problems) if problems else f"Graphviz is not here.\n{HINT}")
