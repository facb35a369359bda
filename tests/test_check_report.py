"""The report of a gradient check: as text, in colour, and as a page."""

import io
import math
import re
import shutil

import numpy as np
import pytest

from autograd_lite import GradientError, assert_gradients, custom_op, gradcheck
from autograd_lite.check import Diagnosis, Entry, Report
from autograd_lite.check.heat import heats, level, short
from autograd_lite.check.page import SHADES
from autograd_lite.check.text import as_text
from autograd_lite.paint import Paint

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
X, W = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(0.5, 2, 20).reshape(4, 5)


def product(factor):
    """x @ w, whose rule for w is off by a factor."""
    return custom_op(lambda x, w: x @ w, [lambda g, y, x, w: g @ w.T, lambda g, y, x, w: (x.T @ g) * factor])


@pytest.fixture(scope="module")
def wrong():
    return gradcheck(product(np.where(np.arange(5) > 2, -1, 1)), X, W)


def entry(index, analytic=1.0, numeric=1.0, ratio=0.0, name="0", order=1):
    return Entry(name, index, analytic, numeric, 1e-15, "complex-step", order, ratio)


def made(wrong_at, shape, error=0.5):
    """A report in which the given entries of input 0 are wrong."""
    entries = [
        entry(i, analytic=1.0, numeric=1 - error, ratio=100.0) if i in wrong_at else entry(i)
        for i in np.ndindex(*shape)
    ]
    return Report(entries=entries, errors={"0": np.array([e.rel for e in entries]).reshape(shape)})


class TestText:
    def test_the_first_line_is_the_verdict(self, wrong):
        assert re.match(r"gradients are WRONG: \d+ comparisons \(.*\d+ by complex step.*\), \d+ failed\n", str(wrong))
        assert str(gradcheck(lambda x: x * x, 2.0)).startswith(
            "gradients are right: 1 comparison (1 by complex step), 0"
        )
        right = gradcheck(lambda x: x * x, X)
        assert str(right).startswith("gradients are right: ")
        assert "✗" not in str(right)

    def test_the_worst_entry_has_all_its_numbers(self, wrong):
        text, worst = str(wrong), wrong.worst
        assert f"worst: gradient of input 1 at index {worst.index}" in text
        assert re.search(rf"by the rules +{worst.analytic:.15g}\n", text)
        assert re.search(rf"by numbers +{worst.numeric:.15g} ± [0-9.e-]+ \(by complex step\)\n", text)
        assert "relative error   2\n" in text

    def test_it_says_how_many_entries_of_which_input_fail(self, wrong):
        text = str(wrong)
        assert re.search(r"✓ input 0 \(3, 4\) +0 of 12 failed", text)
        assert re.search(r"✗ input 1 \(4, 5\) +8 of 20 failed, worst 2", text)

    def test_a_matrix_has_a_map_of_its_errors(self, wrong):
        lines = str(wrong).splitlines()
        start = lines.index("relative error of the gradient of input 1, shape (4, 5): 8 of 20 entries wrong")
        assert lines[start + 1].split() == ["0", "1", "2", "3", "4"]
        for i, line in enumerate(lines[start + 2 : start + 6]):
            assert line.split()[0] == str(i)
            assert re.findall("[·░▒▓█]", line) == ["·", "·", "·", "█", "█"]
            assert line.endswith("█ 2       █ 2")
        assert not any("relative error of the gradient of input 0" in line for line in lines)
        assert any(line.split()[:2] == ["█", "from"] and line.endswith("blank: not compared") for line in lines)

    def test_a_large_matrix_is_folded_and_every_wrong_entry_shows(self):
        report = made({(3, 7), (99, 199)}, (100, 200))
        text = str(report)
        picture = [line for line in text.splitlines() if re.match(r" +\d+  ·", line)]
        assert "2 of 20000 entries wrong; a block is the worst of 5 × 3 entries" in text
        assert len(picture) == 20
        assert all(len(line) < 80 for line in picture)
        assert [(i, line.index("█")) for i, line in enumerate(picture) if "█" in line] == [(0, 9), (19, 73)]

    def test_every_note_problem_and_diagnosis_is_told_and_wrapped(self):
        report = Report(
            entries=[entry((0,), 2.0, 1.0, 9.0)],
            problems=["the function changed its input 0"],
            diagnoses=[
                Diagnosis("factor", "0", "The gradient of input 0 is twice what it should be. " * 4, "Divide by 2."),
                Diagnosis("sign", "0", "The sign is flipped.", "Multiply by -1."),
            ],
            notes=["2 entries lie at a kink", "first line\nsecond line"],
        )
        text = str(report)
        assert "most likely: The gradient of input 0 is twice what it should be." in text
        assert "\n   what to do: Divide by 2.\n" in text
        assert "\n   or: The sign is flipped.\n      what to do: Multiply by -1.\n" in text
        assert "the function changed its input 0\n" in text
        assert text.endswith("note: 2 entries lie at a kink\nnote: first line\n      second line")
        assert max(map(len, text.splitlines())) <= 100

    def test_many_inputs_are_summed_up(self):
        entries = [entry((0,), name=f"layers.{i}.weight") for i in range(40)]
        entries += [entry((0,), 2.0, 1.0, 9.0, name=f"layers.{i}.bias") for i in range(10)]
        text = str(Report(entries=entries))
        assert text.count("✗ input layers.") == 8
        assert "40 others are right, 2 more are wrong" in text
        assert "✓" not in text

    def test_control_characters_never_reach_a_terminal(self):
        name = "0['\x1b[2J\u202e\n']"
        report = Report(
            entries=[entry((0,), 2.0, 1.0, 9.0, name=name), entry((1,), name=name)], problems=["\x1b]0;x\x07"]
        )
        assert not set(str(report)) & set("\x1b\x07\u202e")

    def test_single_precision_is_told_once(self):
        report = gradcheck(lambda x: x * x, X.astype(np.float32))
        assert str(report).count("single precision") == report.html().count("single precision") == 1

    def test_nothing_compared(self):
        assert str(Report()) == "gradients are right: nothing was compared"
        assert str(Report(problems=["random"])).splitlines() == ["gradients are WRONG: nothing was compared", "random"]

    def test_a_gradient_that_is_not_a_number(self):
        report = Report(entries=[entry((0,), math.nan, 1.0, math.inf), entry((1,))])
        assert "by the rules     nan" in str(report)
        assert "█ inf" in str(report)

    def test_second_derivatives_are_named(self):
        report = Report(entries=[entry((0,)), entry((1,)), entry((0,), 2.0, 1.0, 9.0, order=2), entry((1,), order=2)])
        text = str(report)
        assert "✗ input 0  1 of 2 failed, worst 0.5, second derivatives" in text
        assert "worst: second derivative of input 0 at index (0,)" in text
        assert "relative error of the second derivative of input 0, shape (2,): 1 of 2 entries wrong" in text

    def test_what_is_undefined_is_never_the_worst_of_what_is_right(self):
        undefined = Entry("0", (0,), math.inf, math.nan, math.nan, "undefined", 1, 0.0)
        report = Report(entries=[undefined, entry((1,))])
        assert report.worst is report.entries[1]
        assert gradcheck(np.sqrt, np.array([0.0, 1.0])).method_counts == {"undefined": 1, "complex-step": 1}
        assert str(report).startswith("gradients are right: 2 comparisons (1 by complex step, 1 undefined), 0 failed\n")

    def test_under_pytest_the_text_is_the_error(self, wrong):
        with pytest.raises(GradientError) as raised:
            assert_gradients(product(np.where(np.arange(5) > 2, -1, 1)), X, W)
        assert str(raised.value) == str(wrong)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestColour:
    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")

    @staticmethod
    def shown(report, stream):
        report.show(stream)
        return stream.getvalue()

    def test_a_terminal_gets_colours_and_the_same_words(self, wrong):
        shown = self.shown(wrong, Terminal())
        assert "\x1b[31m" in shown
        assert re.sub(r"\x1b\[\d+m", "", shown) == f"{wrong}\n"
        assert "\x1b[32m" in self.shown(gradcheck(lambda x: x * 2, X), Terminal())

    def test_files_get_none(self, wrong, capsys):
        assert self.shown(wrong, io.StringIO()) == f"{wrong}\n"
        wrong.show()
        assert capsys.readouterr().out == f"{wrong}\n"

    @pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_who_wants_none_gets_none(self, wrong, name, value, monkeypatch):
        monkeypatch.setenv(name, value)
        assert "\x1b" not in self.shown(wrong, Terminal())

    def test_str_and_repr_have_none(self, wrong):
        assert "\x1b" not in str(wrong) + repr(wrong)
        assert "\x1b" in as_text(wrong, Paint(True))


class TestHeat:
    def test_levels(self):
        assert [level(e, True) for e in (1e-8, 1e-6, 1e-3, 0.1, math.inf)] == [1, 2, 3, 4, 4]
        assert level(2.0, False) == 0
        assert level(math.nan, False) is None

    def test_short_numbers(self):
        assert list(map(short, (0.0, 2.4, 1e-16, 3e200, math.inf, 0.5))) == ["0", "2", "1e-16", "3e+200", "inf", "0.5"]

    def test_a_right_entry_near_zero_is_not_marked(self):
        report = Report(entries=[entry((0,), 1e-30, 0.0, 0.0), entry((1,), 2.0, 1.0, 9.0)])
        (heat,) = heats(report)
        assert heat.error.tolist() == [[1.0, 0.5]]
        assert heat.wrong.tolist() == [[False, True]]

    def test_more_axes_than_two_are_rows(self):
        (heat,) = heats(made({(1, 0, 2)}, (2, 2, 3)))
        assert heat.rows == ["0, 0", "0, 1", "1, 0", "1, 1"]
        assert heat.columns == ["0", "1", "2"]
        assert np.argwhere(heat.wrong).tolist() == [[2, 2]]

    def test_an_almost_empty_map_is_left_out(self):
        errors = np.full((100, 100), np.nan)
        errors[3, 4] = 0.5
        report = Report(entries=[entry((3, 4), 2.0, 1.0, 9.0)], errors={"0": errors})
        assert "worst: gradient of input 0 at index (3, 4)" in str(report)
        assert "relative error of" not in str(report)
        assert "entry by entry" not in report.html()

    def test_entries_that_were_not_compared_stay_blank(self):
        errors = np.full((2, 3), np.nan)
        errors[1, 2] = 0.5
        (heat,) = heats(Report(entries=[entry(None, ratio=9.0)], errors={"0": errors}))
        assert heat.wrong.tolist() == [[False, False, False], [False, False, True]]
        assert [level(float(e), False) for e in heat.error[0]] == [None] * 3

    @pytest.mark.parametrize("shape", [(7, 5), (1, 1), (30, 2), (2, 30), (13, 17)])
    @pytest.mark.parametrize("most", [(3, 4), (1, 1), (100, 100)])
    def test_folding_keeps_the_worst_of_every_block(self, shape, most):
        rng = np.random.default_rng(0)
        bad = {tuple(map(int, rng.integers(0, shape))) for _ in range(3)}
        (heat,) = heats(made(bad, shape))
        folded = heat.folded(*most)
        assert all(a <= b for a, b in zip(folded.error.shape, most, strict=True))
        down, across = folded.block
        assert {tuple(map(int, i)) for i in np.argwhere(folded.wrong)} == {(i // down, j // across) for i, j in bad}
        assert np.all(folded.error[folded.wrong] == 0.5)
        assert len(folded.rows) == len(folded.error)
        assert len(folded.columns) == folded.error.shape[1]

    def test_a_wrong_entry_is_never_hidden_by_a_right_one_near_zero(self):
        report = Report(entries=[entry((0,), 1e-30, 0.0, 0.0), entry((1,), 1.0 + 1e-5, 1.0, 9.0)])
        (heat,) = heats(report)
        folded = heat.folded(1, 1)
        assert folded.wrong.tolist() == [[True]]
        assert short(float(folded.error[0, 0])) == "1e-5"


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestPage:
    def test_it_is_self_contained(self, wrong):
        page = wrong.html()
        assert page.startswith("<!DOCTYPE html>")
        assert "default-src 'none'" in page
        assert not re.search(r"<script|https?://|\bsrc=|\bhref=|url\(|@import", page)
        assert "prefers-color-scheme:dark" in page
        assert len(page) < 20_000
        assert re.findall(r"<h(\d)", page) == ["1", "2", *"3" * page.count("<h3")]

    def test_it_says_what_the_text_says(self, wrong):
        page = re.sub(r"<[^>]+>", " ", wrong.html())
        for words in (
            "Gradients are wrong",
            "gradient of input 1",
            f"{wrong.worst.analytic:.15g}",
            f"{wrong.worst.numeric:.15g}",
            "8 of 20",
        ):
            assert words in page
        assert "Gradients are right" in gradcheck(lambda x: x, X).html()

    def test_nothing_in_it_is_markup_of_others(self):
        evil = "</style><script>alert(1)</script>&\"'\x1b"
        report = Report(
            entries=[entry((i,), 2.0, 1.0, 9.0, name=f"0[{evil!r}]") for i in range(2)],
            problems=[evil],
            notes=[evil],
            diagnoses=[Diagnosis("sign", evil, evil, evil)],
            errors={f"0[{evil!r}]": np.ones(2)},
        )
        for page in (report.html(), report._repr_html_()):
            assert "<script" not in page
            assert page.count("</style>") == page.count("<style>")
            assert "\x1b" not in page
            assert page.count("&lt;/style&gt;&lt;script&gt;") >= 5

    def test_colour_is_never_all_that_says_it(self, wrong):
        cells = re.findall(r'<td class="(l\d|none)"[^>]*>([^<]*)</td>', wrong.html())
        assert len(cells) == 12 + 20
        for kind, text in cells:
            assert text.startswith("✗ ") == (kind in ("l1", "l2", "l3", "l4"))

    def test_tables_have_captions_and_headers(self, wrong):
        for table in re.findall(r"<table.*?</table>", wrong.html()):
            assert '<th scope="row"' in table
            assert "<caption>" in table or '<th scope="col"' in table

    @pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
    def test_the_shades_can_be_read(self, mode):
        for shade in SHADES:
            low, high = sorted(map(luminance, shade[mode]))
            assert (high + 0.05) / (low + 0.05) >= 4.5

    def test_the_part_for_notebooks_brings_its_own_style(self, wrong):
        part = wrong._repr_html_()
        assert part.startswith("<style>")
        assert "<html" not in part
        style = re.search(r"<style>(.*?)</style>", part, re.DOTALL)[1]
        for rule in re.findall(r"([^{}]+)\{", style):
            assert all(s.strip().startswith((".gradients", "@media")) for s in rule.split(",")), rule

    def test_large_reports_stay_readable(self):
        page = made({(0, 0)}, (500, 500)).html()
        assert len(page) < 60_000
        assert "a cell is the worst of 21 × 32 entries" in page

    @pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_browser_shows_it_in_light_and_dark(self, wrong, scheme, tmp_path):
        webdriver = pytest.importorskip("selenium.webdriver")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=800,900"):
            options.add_argument(argument)
        path = tmp_path / "report.html"
        path.write_text(wrong.html(), encoding="utf-8")
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        try:
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            )
            driver.get(path.as_uri())
            ask = (
                "const s = getComputedStyle(document.querySelector(arguments[0])); return [s.backgroundColor, s.color]"
            )
            paper, ink = driver.execute_script(ask, ".gradients")
            assert (paper, ink) == {
                "light": ("rgb(255, 255, 255)", "rgb(27, 31, 36)"),
                "dark": ("rgb(20, 24, 29)", "rgb(233, 237, 241)"),
            }[scheme]
            background = driver.execute_script(ask, ".gradients .heat td.l4")[0]
            shade = SHADES[4][scheme == "dark"][0]
            assert background == f"rgb({', '.join(str(int(shade[i : i + 2], 16)) for i in (1, 3, 5))})"
            assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
            assert not driver.get_log("browser")
        finally:
            driver.quit()
