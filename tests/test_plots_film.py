"""Films of a decision boundary: as files, and the page with the slider in a real browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from nn import plots

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


class Trained:
    """A network on points in the plane, and the record of its training."""

    def __init__(self) -> None:
        ag.manual_seed(0)
        self.x = np.random.default_rng(0).normal(size=(60, 2))
        self.y = (self.x[:, 0] > self.x[:, 1] ** 2).astype(int)
        self.model = nn.MLP(2, [6], 1, activation=nn.Tanh)
        self.recorder = plots.Recorder(every=1)
        self.history = nn.train.fit(
            self.model, nn.BCEWithLogitsLoss(), nn.optim.Adam(self.model.parameters(), lr=0.05),
            (self.x, self.y[:, None].astype(float)), epochs=6, callbacks=[self.recorder], progress=False,
        )  # fmt: skip

    def film(self, path: Path, **options: Any) -> Path:
        return plots.boundary_film(self.recorder, self.model, self.x, self.y, path, steps=20, **options)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


@pytest.fixture(scope="module")
def page(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.html"
    return trained.film(path, history=trained.history, title="<b>A & B</b> </script> %FRAMES%")


def test_the_gif_has_a_frame_for_each_epoch(trained: Trained, tmp_path: Path) -> None:
    before = trained.model.state_dict()
    path = trained.film(tmp_path / "new" / "film.gif")
    with Image.open(path) as film:
        assert film.n_frames == 7
        durations, frames = [], []
        for i in range(7):
            film.seek(i)
            durations.append(film.info["duration"])
            frames.append(np.asarray(film.convert("RGB")))
    assert durations == [120] * 6 + [2000]
    assert all(np.any(a != b) for a, b in pairwise(frames))
    with Image.open(trained.film(tmp_path / "short.gif", frames=3)) as film:
        assert film.n_frames == 3
    for key, x in trained.model.state_dict().items():
        np.testing.assert_array_equal(x, before[key])


def test_the_page_is_whole_and_loads_nothing(trained: Trained, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?:", text)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|innerHTML|import)\s*[(.=]", text)
    assert set(re.findall(r"(?:src|href)=\"([a-z]+:)", text)) == {"data:"}
    frames = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)" data-epoch="(\d+)"( hidden)?>', text)
    assert [int(epoch) for _, _, epoch, _ in frames] == list(range(7))
    assert [bool(hidden) for *_, hidden in frames] == [True] * 6 + [False], "without scripts the last one is shown"
    other, accuracies = nn.MLP(2, [6], 1, activation=nn.Tanh), set()
    for (content, words, epoch, _), (_, state) in zip(frames, trained.recorder.states(), strict=True):
        other.load_state_dict(state)
        accuracy = np.mean((nn.train.predict(other, trained.x)[:, 0] > 0) == trained.y)
        assert words == f"epoch {epoch}: accuracy {accuracy:.3f}"
        accuracies.add(accuracy)
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert picture.format == "PNG"
    assert len(accuracies) > 1
    assert "<h1>&lt;b&gt;A &amp; B&lt;/b&gt; &lt;/script&gt;" in text
    assert text.count("</script>") == 1


def test_a_film_of_another_kind_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as one of \.gif, \.html, by its suffix; got 'film\.mp4'"):
        trained.film(tmp_path / "film.mp4")


def test_a_film_without_pillow_says_so(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        trained.film(tmp_path / "film.gif")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1000,800",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def wait(browser: Any, script: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < end, script
        time.sleep(0.02)


def shown(browser: Any) -> tuple[list[str], str, str, str]:
    """Return the epochs whose frames can be seen, and what slider, status line and play button say."""
    return tuple(  # type: ignore[return-value]
        browser.execute_script(
            "const all = [...document.querySelectorAll('#frames img')].filter((i) => i.offsetHeight > 0);"
            "const slider = document.getElementById('slider');"
            "return [all.map((i) => i.dataset.epoch), slider.value, document.getElementById('words').textContent,"
            " document.getElementById('play').textContent]"
        )
    )


def test_the_slider_moves_the_film(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get(page.as_uri())
    wait(browser, "return document.documentElement.dataset.ready === 'yes'")
    epochs, at, words, _ = shown(browser)
    assert (epochs, at) == (["6"], "6")
    assert words.startswith("epoch 6: accuracy")
    body, slider = browser.find_element(By.TAG_NAME, "body"), browser.find_element(By.ID, "slider")
    body.send_keys(Keys.ARROW_LEFT)
    assert shown(browser)[0] == ["5"]
    slider.send_keys(Keys.HOME)
    epochs, at, words, _ = shown(browser)
    assert (epochs, at) == (["0"], "0")
    assert words.startswith("epoch 0: accuracy")
    assert slider.get_attribute("aria-valuetext") == words
    slider.send_keys(Keys.ARROW_RIGHT)
    assert shown(browser)[0] == ["1"]
    browser.find_element(By.ID, "next").click()
    assert shown(browser)[0] == ["2"]
    browser.find_element(By.ID, "back").click()
    assert shown(browser)[0] == ["1"]
    play = browser.find_element(By.ID, "play")
    play.click()
    assert "Pause" in shown(browser)[3]
    wait(browser, "return document.getElementById('slider').value === '6'")
    wait(browser, "return document.getElementById('play').textContent.includes('Play')")
    play.click()  # at the end it begins anew
    wait(browser, "return document.getElementById('slider').value === '1'")
    play.click()
    assert "Play" in shown(browser)[3]
    assert [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
