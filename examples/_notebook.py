"""The tour as a notebook: ``python -m examples._notebook`` runs ``tour.py`` and writes ``tour.ipynb``, outputs too."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

__all__ = ["read", "run"]

HERE = Path(__file__).parent


def read(path: Path = HERE / "tour.py") -> Any:
    """Return a notebook, from cells in a Python file or as it is stored, without outputs run anew."""
    import jupytext

    notebook = jupytext.read(path)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # the same each time
    return notebook


def run(notebook: Any, timeout: float = 300) -> Any:
    """Run all cells of a notebook in a new kernel, in place, and return it; an error in a cell is raised."""
    from nbclient import NotebookClient

    where = {"metadata": {"path": str(HERE.parent)}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=where, record_timing=False)
    return client.execute()


def _smaller(notebook: Any) -> None:
    """Store pictures in 128 colours, which nobody sees and which is a third of the size."""
    from PIL import Image

    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
                content = io.BytesIO()
                picture.quantize(128).save(content, "PNG", optimize=True)
                data["image/png"] = base64.b64encode(content.getvalue()).decode()


def main() -> None:
    """Write the notebook."""
    import nbformat

    notebook = run(read())
    _smaller(notebook)
    notebook.metadata.pop("language_info", None)  # it names the version of Python
    nbformat.write(notebook, HERE / "tour.ipynb")


if __name__ == "__main__":
    main()
