"""The interactive page, as a file and in a real browser."""

import importlib.util
import json
import re
import shutil
import time

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, Value
from autograd_lite.drawing import LayoutError, graph_of, save_graph, trace
from autograd_lite.drawing.page import page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def expression():
    a, b, c, f = (Value(v, label=n) for n, v in (("a", 0.5), ("b", -0.3), ("c", 1.0), ("f", -2.0)))
    y = ((a * b + c) * f).tanh() * a / 3
    y.label = "L"
    return y, {n.label: n for n in (a, b, c, f)}


def data_of(page):
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_is_small_and_needs_no_network():
    x = y = Value(0.3, label="x")
    for _ in range(16):
        y = (y * x + 0.1).tanh()
    page = page_of(y)
    data = json.dumps(data_of(page), ensure_ascii=False)
    assert len(graph_of(y).nodes) >= 50
    assert len(page.encode()) < 150_000
    assert len(page.encode()) - len(data.encode()) < 100_000
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert set(re.findall(r"https?://[^\s'\"]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|eval|innerHTML|import)\s*[(.=]", page)


def test_no_text_of_the_data_is_markup():
    y = Value(1.0, label="</script><script>alert(1)</script><!-- %TITLE%") * Value(2.0, label="\u2028&<b>")
    page = page_of(y)
    assert page.count("</script>") == 2
    assert "<!--" not in page
    assert data_of(page)["nodes"]["n0"]["label"].startswith("</script><script>alert(1)")


def first_boxes(page):
    return data_of(page)["trees"][0]["levels"][0]["boxes"]


def test_a_large_graph_is_summarised_in_its_page():
    x = Value(1.0, label="x")
    for _ in range(3000):
        x = x * 1.0001
    page = page_of(x)
    assert len(first_boxes(page)) < 20
    assert data_of(page)["total"] == 6001
    assert len(page.encode()) < 1_500_000


def blocks(n):
    nn = pytest.importorskip("nn")
    ag.manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(n)])
    with trace(model) as seen:
        y = model(np.ones((2, 3))).sum()
    return y, seen


def test_equal_modules_start_folded_when_there_are_many():
    y, seen = blocks(40)
    page = page_of(y, names=seen)
    fold = next(b for b in first_boxes(page) if b["kind"] == "fold")
    assert fold["lines"][0] == ["", "+38 more like the first"]
    tree = data_of(page)["trees"][0]
    inside = next(level for level in tree["levels"] if level["owner"] == fold["id"])
    assert [b["title"] for b in inside["boxes"]] == [str(i) for i in range(2, 40)]
    assert len(data_of(page)["nodes"]) == 1 + 40 * 4 + 1


def test_what_is_collapsed_when_the_page_opens_can_be_chosen():
    y, seen = blocks(4)
    assert {b["kind"] for b in first_boxes(page_of(y, names=seen, depth=0))} == {"module", "fold", "result"}
    opened = first_boxes(page_of(y, names=seen, collapse="2"))
    assert [b["title"] for b in opened if b["kind"] == "module"] == ["2"]


needs_layout = pytest.mark.skipif(
    not (shutil.which("dot") or importlib.util.find_spec("pygraphviz")), reason="Graphviz is not installed"
)


@pytest.fixture(scope="module")
def browser():
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
        "--window-size=1300,900",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """A page in the browser."""

    def __init__(self, browser, folder, y, **options):
        self.browser = browser
        path = save_graph(y, folder / "page.html", **options)
        browser.get(path.as_uri())
        self.wait("return document.documentElement.dataset.ready === 'yes'")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, script, seconds=20):
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, script
            time.sleep(0.02)

    def keys(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def click(self, selector):
        self.run(
            "document.querySelector(arguments[0]).dispatchEvent(new MouseEvent('click', {bubbles: true}))", selector
        )

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def close(self):
        assert [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


@pytest.fixture
def open_page(browser, tmp_path):
    pages = []

    def opened(y, **options):
        pages.append(Page(browser, tmp_path, y, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def story(page):
    """What the stepper says to accumulate in this step: node id -> partial gradient."""
    rows = page.run(
        "return [...document.querySelectorAll('#story [data-grad]')].map((e) => [e.dataset.node, e.dataset.grad])"
    )
    return {key: float(value) for key, value in rows}


def test_the_steps_add_up_to_what_backward_computes(open_page):
    y, leaves = expression()
    page = open_page(y)
    record = graph_of(y)
    final = {}
    steps = int(page.run("return document.getElementById('slider').max")) + 1
    for _ in range(steps):
        page.click("#next")
        final.update(story(page))
    y.backward()
    for name, leaf in leaves.items():
        assert final[record.node(name).id] == leaf.grad
    assert steps == 1 + sum(n.kind == "result" for n in record.nodes)


def test_the_accumulation_is_written_out(open_page):
    a = Value(2.0, label="a")
    page = open_page(a * a + a)
    page.click("#last")
    assert "grad: 1 + 2 = 3" in page.text("#story")
    assert "grad: 3 + 2 = 5" in page.text("#story")
    shown = page.run("return document.querySelector('[data-id=n0] .grad').textContent")
    assert shown == "5"
    page.click("#first")
    assert page.run("return document.querySelector('[data-id=n0] .grad').textContent") == "\u2013"


def test_array_steps_add_up_too(open_page):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, label="x")
    y = (x * x[0] + np.tanh(x)).sum()
    page = open_page(y)
    page.click("#last")
    y.backward()
    key = graph_of(y).node("x").id
    shown = page.run("return document.querySelector(`[data-id=${arguments[0]}] .grad`).textContent", key)
    assert float(shown.strip("‖")) == pytest.approx(np.linalg.norm(x.grad), rel=1e-2)


def test_the_order_of_the_steps_is_the_engines(open_page):
    y, _ = expression()
    page = open_page(y)
    seen = []
    for _ in range(int(page.run("return document.getElementById('slider').max")) + 1):
        page.click("#next")
        seen += page.run("return [...document.querySelectorAll('.box.now')].map((e) => e.dataset.id)")
    order = [n.id for n in reversed(graph_of(y).nodes) if n.kind == "result"]
    assert seen == [order[0], *order]


def test_keys_step_select_search_and_clear(open_page):
    from selenium.webdriver.common.keys import Keys

    y, _ = expression()
    page = open_page(y)
    body = page.browser.find_element("tag name", "body")
    body.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.text("#count").startswith("3 /")
    body.send_keys(Keys.ARROW_LEFT)
    assert page.text("#count").startswith("2 /")
    body.send_keys(Keys.ESCAPE)
    assert "/" not in page.text("#count")
    body.send_keys(Keys.ARROW_DOWN)
    first = page.run("return document.activeElement.dataset.id")
    page.keys(Keys.ARROW_DOWN)
    assert page.run("return document.activeElement.dataset.id") not in (first, None)
    assert page.text("#details h2").startswith(page.run("return document.activeElement.dataset.id"))
    page.keys("/")
    assert page.run("return document.activeElement.id") == "search"
    page.keys("tanh", Keys.ENTER)
    assert page.text("#found") == "1 found"
    assert "tanh" in page.text("#details h2")
    page.keys(Keys.ESCAPE)
    assert page.text("#details h2") == "Legend"


def test_the_slider_and_playing(open_page):
    y, _ = expression()
    page = open_page(y)
    page.run("const s = document.getElementById('slider'); s.value = 4; s.dispatchEvent(new Event('input'))")
    assert page.text("#count").startswith("5 /")
    page.click("#play")
    assert page.text("#play") == "⏸ Pause"
    page.wait("return !document.getElementById('count').textContent.startsWith('5')")
    page.click("#play")
    assert page.text("#play") == "▶ Play"


def test_forward_steps_show_values(open_page):
    y, _ = expression()
    page = open_page(y)
    page.run("const m = document.getElementById('mode'); m.value = 'forward'; m.dispatchEvent(new Event('change'))")
    record = graph_of(y)
    for node in (n for n in record.nodes if n.kind == "result"):
        page.click("#next")
        shown = page.run(
            "const e = document.querySelector('#story [data-value]'); return [e.dataset.node, e.dataset.value]"
        )
        assert shown == [node.id, str(node.data)] or float(shown[1]) == node.data


def test_the_sum_over_paths_is_the_gradient(open_page):
    y, leaves = expression()
    page = open_page(y)
    record = graph_of(y)
    y.backward()
    for name, leaf in leaves.items():
        page.click(f"[data-id={record.node(name).id}]")
        page.run(
            "[...document.querySelectorAll('#details button')].find((b) => b.textContent === 'Sum over paths').click()"
        )
        assert float(page.run("return document.getElementById('path-total').dataset.total")) == pytest.approx(
            leaf.grad, rel=1e-12
        )
        assert "✓" in page.text("#path-total")


def test_too_many_paths_are_capped_and_the_page_says_so(open_page):
    x = Value(0.5, label="x")
    y = x
    for _ in range(12):
        y = y * y
    page = open_page(y)
    page.click("[data-id=n0]")
    page.run(
        "[...document.querySelectorAll('#details button')].find((b) => b.textContent === 'Sum over paths').click()"
    )
    assert "The first 200 of 4,096 paths" in page.text("#details")


def test_more_paths_than_can_be_counted_are_told_roughly(open_page):
    y = Value(0.999, label="x")
    for _ in range(100):
        y = y * y
    page = open_page(y)
    page.click("[data-id=n0]")
    page.run(
        "[...document.querySelectorAll('#details button')].find((b) => b.textContent === 'Sum over paths').click()"
    )
    assert "of about 1.3e+30 paths" in page.text("#details")


def test_choosing_a_node_lights_what_it_depends_on_and_paths(open_page):
    y, _ = expression()
    page = open_page(y)
    record = graph_of(y)
    page.click(f"[data-id={record.node('c').id}]")
    far = page.run("return [...document.querySelectorAll('.box.far')].map((e) => e.dataset.id)")
    assert record.node("b").id in far
    assert record.roots[0] not in far
    page.run(
        "[...document.querySelectorAll('#details button')].find((b) => b.textContent === 'Path from here').click()"
    )
    page.click(f"[data-id={record.roots[0]}]")
    lit = page.run("return [...document.querySelectorAll('.box:not(.far)')].map((e) => e.dataset.id)")
    assert set(lit) == {
        e for e in (record.node("c").id, *(n.id for n in record.nodes if n.kind == "result")) if e != "n2"
    }


def test_details_have_heat_maps_with_nan_and_infinity_marked(open_page):
    x = Tensor([[1.0, 0.0], [-1.0, 2.0]], requires_grad=True, label="x")
    with np.errstate(all="ignore"):
        page = open_page(np.log(x).sum())
    page.click("[data-id=n1]")
    assert page.run("return [...document.querySelectorAll('.heat text')].map((e) => e.textContent)")[:4] == [
        "0",
        "-∞",
        "NaN",
        "0.69",
    ]
    assert "1 NaN" in page.text("#details")
    assert "from 0 to 0.6931" in page.text("#details")


RECTANGLES = """
    return [...document.querySelectorAll(arguments[0])].map((e) => e.getBoundingClientRect())
        .map((r) => [r.left, r.top, r.right, r.bottom])"""
BOXES = "return [...document.querySelectorAll('.box')].map((e) => e.dataset.id)"


def mlp():
    nn = pytest.importorskip("nn")
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    with trace(model) as seen:
        return model(Tensor(np.ones((2, 2)), label="X")).sum(), seen


def test_modules_on_a_grid_open_and_close_too(open_page, monkeypatch):
    y, seen = mlp()
    with monkeypatch.context() as patch:
        patch.setattr("autograd_lite.drawing.placing.run_graphviz", failing)
        page = open_page(y, names=seen)
    assert "Drawn on a grid" in page.text("#problem")
    before = set(page.run(BOXES))
    page.run("document.querySelector('.box.module').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
    assert len(page.run(BOXES)) == len(before) + 2
    intact(page)
    page.click("#expand")
    assert set(page.run(BOXES)) == {n.id for n in graph_of(y, names=seen).nodes}
    intact(page)
    page.click("#collapse")
    assert set(page.run(BOXES)) == before


@needs_layout
def test_modules_collapse_and_expand_one_by_one(open_page):
    y, seen = mlp()
    page = open_page(y, names=seen)
    everything = set(page.run(BOXES))
    page.click(".cluster .handle")
    assert {k for k in page.run(BOXES) if k.startswith("m:")} == {"m:0"}
    assert page.run("return document.activeElement.dataset.id") == "m:0"
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "false"
    intact(page)
    page.run("document.activeElement.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
    assert set(page.run(BOXES)) == everything


def test_all_modules_collapse_and_expand(open_page):
    y, seen = mlp()
    page = open_page(y, names=seen)
    page.click("#expand")
    everything = set(page.run(BOXES))
    page.click("#collapse")
    titles = page.run("return [...document.querySelectorAll('.box .title')].map((e) => e.textContent)")
    assert [t for t in titles if t.startswith("▸")] == ["▸ 0", "▸ 1", "▸ 2"]
    assert len(titles) == 5
    intact(page)
    for _ in range(3):
        page.click("#next")
    assert page.run("return document.querySelector('.box.now .title').textContent") == "▸ 2"
    page.click("#expand")
    assert set(page.run(BOXES)) == everything
    assert page.run("return document.querySelector('.box.now .title').textContent") == "linear"


def intact(page):
    """No two boxes overlap, and every arrow begins and ends at a box."""
    boxes = page.run(RECTANGLES, ".box .body")
    for i, (a, b, c, d) in enumerate(boxes):
        assert not any(a < g and e < c and b < h and f < d for e, f, g, h in boxes[:i])
    ends = page.run(
        """return [...document.querySelectorAll('.link path')].flatMap((p) => [0, p.getTotalLength()].map((at) => {
            const q = p.getPointAtLength(at).matrixTransform(p.getScreenCTM());
            return [q.x, q.y];
        }))"""
    )
    scale = page.run("return document.querySelector('#world').getScreenCTM().a")
    assert ends
    for x, y in ends:
        away = min(max(a - x, x - c, b - y, y - d) for a, b, c, d in boxes)
        assert away < 12 * scale, (x, y)


def test_a_folded_group_opens_and_closes_by_keyboard(open_page):
    from selenium.webdriver.common.keys import Keys

    x = Value(1.0, label="x")
    for _ in range(200):
        x = x * 1.01
    page = open_page(x, max_boxes=20)
    before = page.run(BOXES)
    group = next(k for k in before if k.startswith("g"))
    page.run("document.querySelector(`[data-id=${arguments[0]}]`).focus()", group)
    page.keys(Keys.ENTER)
    assert page.run(BOXES) == before
    page.keys(Keys.ENTER)
    opened = page.run(BOXES)
    assert group not in opened
    assert len(opened) > len(before)
    assert page.run("return document.activeElement.dataset.key") == group
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    intact(page)
    inner = next(k for k in opened if k not in before and k.startswith("g"))
    double = "arguments[0].dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"
    page.run(double, page.browser.find_element("css selector", f"[data-id={inner}]"))
    assert any(k.startswith("n") for k in page.run(BOXES) if k not in opened)
    intact(page)
    page.run("[...document.querySelectorAll('.handle')].find((e) => e.dataset.key === arguments[0]).focus()", group)
    page.keys(Keys.ENTER)
    assert page.run(BOXES) == before
    assert page.run("return document.activeElement.dataset.id") == group


def test_arrows_follow_the_boxes_when_a_group_opens_beside_them(open_page):
    ag.manual_seed(0)
    model = pytest.importorskip("nn.scalar").MLP(2, [8, 8, 1])
    page = open_page(sum(model([Value(0.1 * k), Value(0.3)]) for k in range(4)), max_boxes=30)
    for _ in range(3):
        page.run("document.querySelector('.box.fold').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
        intact(page)


def test_steps_go_through_groups_that_are_closed_and_open(open_page):
    x = first = Value(0.5, label="x")
    for _ in range(40):
        x = x * 1.01
    page = open_page(x, max_boxes=12)
    final = {}
    for _ in range(int(page.run("return document.getElementById('slider').max")) + 1):
        page.click("#next")
        final.update(story(page))
        assert page.run("return document.querySelectorAll('.box.now').length") == 1
    x.backward()
    assert final["n0"] == first.grad
    shown = page.run(BOXES)
    page.click("#expand")
    assert len(page.run(BOXES)) == 81 > len(shown)
    intact(page)
    page.run("const s = document.getElementById('slider'); s.value = 20; s.dispatchEvent(new Event('input'))")
    assert page.run("return document.querySelector('.box.now').dataset.id").startswith("n")


def test_what_is_searched_is_revealed(open_page):
    x = Value(1.0, label="x")
    for _ in range(60):
        x = x * 1.01
    page = open_page(x, max_boxes=15)
    assert "n77" not in page.run(BOXES)
    page.run("const s = document.getElementById('search'); s.value = 'n77'; s.dispatchEvent(new Event('input'))")
    assert page.text("#found") == "1 found"
    page.run("document.getElementById('search').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))")
    assert "n77" in page.run(BOXES)
    assert page.text("#details h2").startswith("n77: ")


def test_a_page_that_cannot_hold_all_says_so(open_page):
    x = Value(1.0, label="x")
    for _ in range(4000):
        x = x * 1.0001
    page = open_page(x)
    assert re.search(r"The steps skip [\d,]+ nodes", page.text("#story"))
    page.click("[data-id=n0]")
    page.run(
        "[...document.querySelectorAll('#details button')].find((b) => b.textContent === 'Sum over paths').click()"
    )
    assert "this page does not hold" in page.text("#details")
    assert "≠" not in page.text("#details")


def emulate(page, **settings):
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", settings)


def test_printed_it_is_light_whole_and_without_controls(open_page):
    y, _ = expression()
    page = open_page(y, theme="dark")
    page.run("for (let i = 0; i < 6; i += 1) document.getElementById('zoom-in').click()")
    place = page.run("return document.getElementById('world').getAttribute('transform')")
    try:
        emulate(page, media="print")
        page.wait("return document.getElementById('graph').hasAttribute('viewBox')")
        assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        hidden = "return arguments[0].map((q) => getComputedStyle(document.querySelector(q)).display)"
        assert page.run(hidden, [".tools", ".buttons", ".keys"]) == ["none"] * 3
        ((left, top, right, bottom),) = page.run(RECTANGLES, "#graph")
        for a, b, c, d in page.run(RECTANGLES, ".box"):
            assert left <= a < c <= right
            assert top <= b < d <= bottom
    finally:
        emulate(page, media="")
    page.wait("return !document.getElementById('graph').hasAttribute('viewBox')")
    assert page.run("return document.getElementById('world').getAttribute('transform')") == place
    assert page.run("return document.documentElement.dataset.theme") == "dark"


def test_nothing_moves_where_motion_is_reduced(open_page):
    y, _ = expression()
    page = open_page(y)
    moving = """
        return [...document.querySelectorAll('*')].map((e) => getComputedStyle(e))
            .filter((s) => s.transitionDuration !== '0s' || s.animationName !== 'none').length"""
    try:
        emulate(page, features=[{"name": "prefers-reduced-motion", "value": "no-preference"}])
        assert page.run(moving) > 0
        emulate(page, features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        assert page.run(moving) == 0
        page.click("#next")
        assert page.text("#count").startswith("1 /")
    finally:
        emulate(page, features=[])


def test_the_page_follows_the_system_into_dark_mode(open_page):
    y, _ = expression()
    page = open_page(y)
    paper = "return getComputedStyle(document.body).backgroundColor"
    try:
        emulate(page, features=[{"name": "prefers-color-scheme", "value": "light"}])
        page.wait("return document.documentElement.dataset.theme === 'light'")
        light = page.run(paper)
        emulate(page, features=[{"name": "prefers-color-scheme", "value": "dark"}])
        page.wait("return document.documentElement.dataset.theme === 'dark'")
        assert page.run(paper) != light
    finally:
        emulate(page, features=[])


def test_health_shows_where_nan_begins_and_what_is_dead(open_page):
    x = Tensor([[-1.0, 2.0], [-3.0, -4.0]], requires_grad=True, label="x")
    with np.errstate(all="ignore"):
        page = open_page(np.log(ag.relu(x) - 1).sum())
    page.run("const o = document.getElementById('overlay'); o.value = 'health'; o.dispatchEvent(new Event('change'))")
    assert "50 % dead" in page.text("#details")
    assert "in its data" in page.text("#details")
    assert page.run("return document.querySelector('[data-id=n1] .body').style.fill") != ""


def test_hostile_labels_are_text_in_the_page(open_page):
    y = Value(1.0, label="</script><img src=x onerror=alert(1)>") * Value(2.0, label="<b>")
    page = open_page(y)
    titles = page.run("return [...document.querySelectorAll('.box .title')].map((e) => e.textContent)")
    assert titles[:2] == ["</script><img src=x onerror=alert(1)>", "<b>"]
    assert page.run("return document.querySelectorAll('img, main b').length") == 0


def test_names_for_screen_readers_and_the_table(open_page):
    y, _ = expression()
    page = open_page(y)
    labels = page.run("return [...document.querySelectorAll('.box')].map((e) => e.getAttribute('aria-label'))")
    assert "n0, a, leaf, data 0.5, grad -0.2993" in labels
    assert page.run("return document.querySelectorAll('.box[tabindex=\"0\"]').length") == 1
    nameless = """
        return [...document.querySelectorAll('button, input, select')]
            .filter((e) => !(e.textContent || e.ariaLabel || e.labels[0])).length"""
    assert page.run(nameless) == 0
    page.run("document.getElementById('outline').open = true")
    page.wait("return document.querySelectorAll('#table tbody tr').length > 0")
    assert page.run("return document.querySelectorAll('#table tbody tr').length") == len(graph_of(y).nodes)


def test_the_graph_fits_and_nothing_overlaps(open_page):
    y, _ = expression()
    page = open_page(y)
    boxes = page.run(RECTANGLES, ".box")
    ((left, top, right, bottom),) = page.run(RECTANGLES, "#graph")
    for i, (a, b, c, d) in enumerate(boxes):
        assert left <= a <= c <= right
        assert top <= b <= d <= bottom
        assert not any(a < g and e < c and b < h and f < d for e, f, g, h in boxes[:i])
    outside = """
        return [...document.querySelectorAll('.box')].filter((e) => {
            const r = e.querySelector('.body').getBoundingClientRect();
            return [...e.querySelectorAll('text')].map((t) => t.getBoundingClientRect())
                .some((t) => t.left < r.left - 1 || t.right > r.right + 1);
        }).length"""
    assert page.run(outside) == 0


def test_dark_mode_and_its_button(open_page):
    y, _ = expression()
    page = open_page(y, theme="dark")
    dark = page.run("return getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.run("return getComputedStyle(document.body).backgroundColor") != dark


def test_zooming_keeps_the_point_under_the_pointer(open_page):
    y, _ = expression()
    page = open_page(y)
    place = """
        const r = document.querySelector('[data-id=n0]').getBoundingClientRect();
        return [r.left + r.width / 2, r.top + r.height / 2]"""
    x, top = page.run(place)
    wheel = """
        const where = {deltaY: -300, clientX: arguments[0], clientY: arguments[1], cancelable: true};
        document.getElementById('graph').dispatchEvent(new WheelEvent('wheel', where))"""
    page.run(wheel, x, top)
    assert page.run(place) == pytest.approx([x, top], abs=1)


def test_a_page_on_a_grid_works_as_well(open_page, monkeypatch):
    y, leaves = expression()
    with monkeypatch.context() as patch:
        patch.setattr("autograd_lite.drawing.placing.run_graphviz", failing)
        page = open_page(y)
    assert "Drawn on a grid" in page.text("#problem")
    page.click("#last")
    assert page.text("#count") == "7 / 7"
    shown = page.run("return document.querySelector('[data-id=n0] .grad').textContent")
    y.backward()
    assert float(shown) == pytest.approx(leaves["a"].grad, rel=1e-3)


def failing(*_):
    raise LayoutError("no Graphviz today")
