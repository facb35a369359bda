"""The tour: the notebook holds what the Python file does, and runs from its first cell to its last."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from examples._notebook import HERE, read, run


def sources(path: Path) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in read(path).cells]


def test_the_notebook_and_the_python_file_hold_the_same_cells() -> None:
    assert sources(HERE / "tour.ipynb") == sources(HERE / "tour.py"), "write it anew: python -m examples._notebook"


def test_the_stored_notebook_has_its_outputs_and_nothing_of_the_machine_that_ran_it() -> None:
    text = (HERE / "tour.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells[1:])
    assert all(output["output_type"] != "error" for cell in cells for output in cell["outputs"])
    assert len(text) < 700_000
    assert str(HERE.parent) not in text
    assert "ipykernel_" not in text


@pytest.fixture(scope="module")
def cells() -> list[list[dict[str, str]]]:
    """What each code cell of the tour shows, by kind."""
    notebook = run(read())
    return [
        [
            {"stream": output.text} if output.output_type == "stream" else dict(output.data)
            for output in cell.outputs
            if output.output_type != "stream" or output.name == "stdout"
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_every_cell_but_the_imports_shows_something(cells: list[list[dict[str, str]]]) -> None:
    assert [len(shown) for shown in cells] == [0] + [1] * (len(cells) - 1)


def test_what_the_cells_show_is_what_the_text_says(cells: list[list[dict[str, str]]]) -> None:
    everything = [next(iter(shown), {}) for shown in cells]
    texts = [shown.get("stream") or shown.get("text/plain", "") for shown in everything]
    assert "and hands +0.9151 × +2.0000 = +1.8303 to w1" in texts[4]
    assert "'w1': 1.83027392365" in texts[5]
    assert float(texts[2]) == pytest.approx(1.8302739236532584, rel=1e-12)
    assert "grad 7" in texts[3]
    reports = [text for text in texts if text.startswith("gradients are")]
    assert [text.split()[2].rstrip(":") for text in reports] == ["right", "WRONG"]
    assert "constant factor (the numbers are 0.333333 times the true" in " ".join(reports[1].split())
    fall = next(text for text in texts if "the loss falls" in text)
    before, after = map(float, re.findall(r"\d+\.\d+", fall))
    assert after < before


def test_the_pictures_are_pictures(cells: list[list[dict[str, str]]]) -> None:
    kinds = [kind for shown in cells for output in shown for kind in output]
    assert kinds.count("image/png") == 3
    assert kinds.count("text/html") == 6
    page = next(o["text/html"] for shown in cells for o in shown if "<iframe" in o.get("text/html", ""))
    assert "default-src 'none'" in page.replace("&#x27;", "'")
