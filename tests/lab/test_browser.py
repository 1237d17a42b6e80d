"""The page in a real browser: every figure draws what Python computed, and answers the hand."""

import json
import re

import numpy as np
import pytest

from inertia.lab.api import contents, handle
from inertia.lab.views import discovered
from inertia.lab.wire import pack, unpack

pytestmark = pytest.mark.browser
FIGURES = list(discovered())
SIZES = [(1180, 900), (390, 844), (320, 640), (1920, 1000)]
# Of every figure: what is wrong with it at this width, as words.
FAULTS = """() => [...document.querySelectorAll(".figure")].flatMap((figure) => {
  const out = [], svgs = [...figure.querySelectorAll(".grid svg")];
  if (figure.classList.contains("stale")) out.push("stale");
  if (svgs.some((svg) => svg.innerHTML.includes("NaN"))) out.push("NaN");
  if (figure.scrollWidth > figure.getBoundingClientRect().width + 1) out.push("wider than the page");
  return out.map((words) => `${figure.id}: ${words}`);
})"""


def test_every_figure_draws_at_every_width_in_light_and_dark(visit):
    made = visit(SIZES[0])
    for name in discovered(served=True):
        made.figure(name)
    for name in discovered(served=True):
        made.settled(name)
    drawn = "() => [...document.querySelectorAll('.figure')].map((one) => Number(one.dataset.drawn))"
    for size in SIZES:
        before = made.page.evaluate(drawn)
        made.page.set_viewport_size({"width": size[0], "height": size[1]})
        if size != SIZES[0]:
            made.page.wait_for_function(f"([before]) => ({drawn})().every((count, i) => count > before[i])", arg=[before], timeout=60_000)
        for scheme in ("dark", "light"):
            made.page.emulate_media(color_scheme=scheme)
            made.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            assert made.page.evaluate(FAULTS) == [], f"at {size}, {scheme}"
        assert made.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    made.page.close()
    assert made.complaints == []
    assert made.foreign == []


def on_screen(svg, key):
    """Vertices of a drawn line, in units of the data."""
    scale = json.loads(svg.get_attribute("data-domain"))
    path = svg.locator(f"[data-key='{key}']").get_attribute("d")
    points = np.array([[float(v) for v in re.findall(r"-?[\d.]+(?:e-?\d+)?", part)] for part in re.split("[ML]", path)[1:]])
    return points, scale


def placed(values, ends, log, start, size):
    low, high = ends
    share = (np.log(values / low) / np.log(high / low)) if log else (values - low) / (high - low)
    return start + share * size


DRAWN = [
    ("hero", 0, "path", "path"),
    ("modes", 0, "total", "total"),
    ("valley", 0, "path", "path"),
    ("views", 0, "path", "w"),
    ("views", 1, "path", "x"),
    ("oscillator", 1, "exact", ("fine_time", "fine_position")),
    ("oscillator", 2, "exact", ("fine_speed", "fine_position")),
    ("oscillator", 4, "rate", ("line_beta", "line_rate")),
    ("weights", 1, "velocity", "velocity"),
]


@pytest.mark.parametrize(("name", "panel", "key", "field"), DRAWN)
def test_a_drawn_path_is_pythons_within_a_tenth_of_a_pixel(page, name, panel, key, field):
    page.figure(name)
    page.settled(name)
    svg = page.page.locator(f"#{name} .stage svg").nth(panel)
    drawn, scale = on_screen(svg, key)
    reply = handle({"figure": name})["view"]
    truth = np.stack([reply[part] for part in field], axis=-1) if isinstance(field, tuple) else np.asarray(reply[field])
    xs, ys = (truth[:, 0], truth[:, 1]) if truth.ndim == 2 else (np.arange(len(truth)), truth)
    inner = scale["inner"]
    left = placed(xs, scale["x"], scale["xlog"], inner["left"], inner["width"])
    top = inner["top"] + inner["height"] - placed(ys, scale["y"], scale["ylog"], 0, inner["height"])
    assert drawn.shape == (len(xs), 2)
    np.testing.assert_allclose(drawn[:, 0], left, atol=0.1)
    np.testing.assert_allclose(drawn[:, 1], top, atol=0.1)


@pytest.mark.parametrize("name", FIGURES)
def test_every_slider_changes_the_drawing(page, name):
    page.figure(name)
    sliders = page.page.locator(f"#{name} .slider:not(.gone) input[type=range]")
    for index in range(sliders.count()):
        page.settled(name)
        before = page.picture(name)
        slider = sliders.nth(index)
        slider.focus()
        up = float(slider.input_value()) < float(slider.get_attribute("max"))
        for _ in range(3):
            slider.press("ArrowRight" if up else "ArrowLeft")
        page.settled(name)
        assert page.picture(name) != before, f"slider {index} of {name} changes nothing"


@pytest.mark.parametrize("name", FIGURES)
def test_a_link_restores_the_state_and_reset_undoes_it(page, name):
    fields = next(entry["fields"] for entry in contents() if entry["name"] == name)
    field, spec = next((key, spec) for key, spec in fields.items() if spec["kind"] == "number")
    value = spec["low"] + 0.25 * (min(spec["high"], 4 * abs(spec["default"]) + 1) - spec["low"])
    page.figure(name)
    page.follow(f"{name}?{field}={round(value) if spec['whole'] else value}")
    state = page.page.evaluate(f"inertia.mounted.get('{name}').store.state")
    assert state[field] == pytest.approx(value, abs=max(spec["step"], 1e-3 * abs(value), 0.5 if spec["whole"] else 0))
    page.page.locator(f"#{name} .tools button", has_text="reset").click()
    page.settled(name)
    assert page.page.evaluate(f"inertia.mounted.get('{name}').store.text()") == ""


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_taken_away(page, name, tmp_path):
    page.figure(name)
    page.settled(name)
    for kind, magic in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.page.expect_download() as waiting:
            page.page.locator(f"#{name} .tools button", has_text=kind).click()
        target = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(target)
        assert target.name == f"{name}.{kind.lower()}"
        assert target.read_bytes().startswith(magic)
        assert target.stat().st_size > 4_000
    page.page.locator(f"#{name} .tools button", has_text="copy as Python").click()
    page.page.wait_for_selector(f"#{name}[data-python]")
    assert f'figure("{name}"' in page.page.locator(f"#{name}").get_attribute("data-python")


def test_a_number_can_be_typed(page):
    page.figure("map")
    box = page.page.locator("#map .read").nth(1)
    box.fill("0.9")
    box.press("Enter")
    page.settled("map")
    assert page.page.evaluate("inertia.mounted.get('map').store.state.beta") == 0.9
    box.fill("seven")
    box.press("Enter")
    assert page.page.evaluate("inertia.mounted.get('map').store.state.beta") == 0.9
    assert (
        unpack(pack(handle({"figure": "map", "state": {"beta": 0.9}})))["caption"].replace("*", "")
        == page.page.locator("#map .caption").inner_text()
    )


def test_divergence_is_said_and_an_error_leaves_no_stale_picture(page):
    page.figure("hero")
    page.follow("hero?alpha=0.006&beta=0.8")
    assert "Diverges: beyond all bounds at step" in page.page.locator("#hero .caption").inner_text()
    page.page.locator("#hero .chip", has_text="your formula").click()
    entry = page.page.locator("#hero .entry:visible")
    entry.fill("x^2 + foo(y)")
    page.page.wait_for_selector("#hero.stale")
    assert "Unknown name 'foo'" in page.page.locator("#hero .caption").inner_text()
    entry.fill("x^2 + 2y^2")
    page.page.wait_for_selector("#hero:not(.stale)")


def test_reduced_motion_is_honoured(visit):
    made = visit(reduced_motion="reduce")
    made.figure("hero")
    made.settled("hero")
    made.page.locator("#hero .play").click()
    made.page.wait_for_timeout(100)
    assert made.page.locator("#hero .count").inner_text() == "step 0"
    assert "less motion" in made.page.locator("#hero .play").get_attribute("title")
    made.page.locator("#hero .play").click()
    assert made.page.locator("#hero .count").inner_text() == "step 8"
    made.page.close()


def test_a_figure_plays_and_can_be_scrubbed(page):
    page.figure("hero")
    page.settled("hero")
    whole = page.picture("hero")
    page.page.locator("#hero .player input").evaluate("(node) => { node.value = 5; node.dispatchEvent(new Event('input')); }")
    assert page.page.locator("#hero .count").inner_text() == "step 5"
    assert page.picture("hero") != whole
    page.page.locator("#hero .play").click()
    page.page.wait_for_function("() => Number(document.querySelector('#hero .count').textContent.split(' ')[1]) > 20")


def test_a_finger_moves_the_point(browser, lab):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(lab)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.locator("#map").scroll_into_view_if_needed()
    page.wait_for_selector("#map:not([data-drawn='0']):not([data-busy])", timeout=60_000)
    page.locator("#map .stage svg").first.evaluate("(node) => node.scrollIntoView()")
    box = page.locator("#map .stage svg").first.bounding_box()
    page.touchscreen.tap(box["x"] + 0.4 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_selector("#map:not([data-busy])")
    state = page.evaluate("inertia.mounted.get('map').store.state")
    context.close()
    assert state["alpha"] != pytest.approx(1.2)
    assert 0.6 < state["beta"] < 0.85


def test_changing_the_colour_scheme_repaints(page):
    page.figure("map")
    shot = "document.querySelector('#map canvas').toDataURL()"
    light = page.page.evaluate(shot)
    for scheme, same in (("dark", "!=="), ("light", "===")):
        page.page.emulate_media(color_scheme=scheme)
        page.page.wait_for_function(f"(light) => {shot} {same} light", arg=light)


def test_everything_the_hand_can_hold_has_a_name(page):
    for name in FIGURES:
        page.figure(name)
        nameless = page.page.locator(f"#{name}").evaluate(
            "(root) => [...root.querySelectorAll('input, button, [tabindex], svg')].filter((node) => !node.getAttribute('aria-label')"
            " && !node.textContent.trim() && !node.labels?.length).map((node) => node.outerHTML)"
        )
        assert nameless == [], name
        assert len(page.page.locator(f"#{name} .grid").get_attribute("aria-label")) > 20
