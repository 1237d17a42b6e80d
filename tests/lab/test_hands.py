"""Whatever can be held is moved by mouse, finger and keyboard: the list is drawn from the sources and from the page."""

import re

import pytest

from inertia.lab.bundle import STATIC
from inertia.lab.views import discovered

pytestmark = pytest.mark.browser
FIGURES = list(discovered())
HELD = {"hero": {"basin": True}}  # what brings out the knobs that are not there at first
OUT = "([name, state]) => { const { store } = inertia.mounted.get(name); store.reset(); store.set(state); }"
LOOK = "(knob, name) => [knob.getAttribute('transform'), JSON.stringify(inertia.mounted.get(name).store.state), scrollY]"
# Of one slider: its number, its field of the state (none of a player's) and its rectangle, in the middle of the window.
SLIDER = """(range, [name, move]) => {
  if (move) range.scrollIntoView({ block: "center" });
  const box = range.getBoundingClientRect(), field = range.closest("[data-field]")?.dataset.field;
  const { left, top, width, height } = box, { value, min, max } = range, { state } = inertia.mounted.get(name).store;
  return { value, field, state: field && state[field], part: (value - min) / (max - min), left, top, width, height };
}"""


def settled(page, name):
    page.wait_for_selector(f"#{name}:not([data-drawn='0']):not([data-busy])", state="attached", timeout=60_000)


def held(page, name):
    """The figure's knobs as they are at first, all of them."""
    page.evaluate(f"inertia.mounted.get('{name}').wake()")
    settled(page, name)
    page.evaluate(OUT, [name, HELD.get(name, {})])
    settled(page, name)
    return page.locator(f"#{name} .knob")


def center(page, knob):
    knob.evaluate("(node) => node.scrollIntoView({ block: 'center' })")
    box = knob.locator(".core").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture(scope="module")
def phone(browser, site):
    """The exported page on a telephone, its folds open, and what sends it touches."""
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    yield page, page.context.new_cdp_session(page)
    page.close()


def stroke(touch, start, moves):
    """A finger put down, moved and lifted."""
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start[0], "y": start[1]}]})
    for across, down in moves:
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": start[0] + across, "y": start[1] + down}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("name", FIGURES)
def test_every_knob_of_the_sources_follows_mouse_and_keyboard(plain, name):
    source = (STATIC / "figures" / f"{name}.js").read_text()
    keys = re.findall(r'\.knob\("(\w+)"', source) + ["point"] * len(re.findall(r"\.plane\(", source))
    page, knobs = plain.page, held(plain.page, name)
    assert sorted(knobs.evaluate_all("(all) => all.map((knob) => knob.dataset.key)")) == sorted(keys)
    for index in range(len(keys)):
        held(page, name)
        knob = knobs.nth(index)
        x, y = center(page, knob)
        before = knob.evaluate(LOOK, name)[0], plain.picture(name)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 14, y + 3, steps=4)
        page.mouse.move(x - 18, y + 13, steps=3)
        page.mouse.up()
        settled(page, name)
        after = knob.evaluate(LOOK, name)[0], plain.picture(name)
        assert after[0] != before[0], f"knob {keys[index]} of {name} does not follow the mouse"
        assert after[1] != before[1]
        knob.focus()
        knob.press("ArrowRight")
        knob.press("ArrowUp")
        knob.press("Shift+ArrowRight")
        settled(page, name)
        assert knob.evaluate(LOOK, name)[0] != after[0], f"knob {keys[index]} of {name} does not hear the keyboard"


@pytest.mark.parametrize("name", FIGURES)
def test_a_finger_moves_every_knob_and_the_page_stays(phone, name):
    """Up and to the left: a browser that took this for scrolling would cancel the touch."""
    page, touch = phone
    knobs = held(page, name)
    for index in range(knobs.count()):
        held(page, name)
        knob = knobs.nth(index)
        start = center(page, knob)
        before = knob.evaluate(LOOK, name)
        stroke(touch, start, [(-3 * step, -9 * step) for step in range(1, 5)])
        settled(page, name)
        after = knob.evaluate(LOOK, name)
        assert after[:2] != before[:2], f"knob {index} of {name} does not follow the finger"
        assert abs(after[2] - before[2]) < 2, f"the page scrolls under knob {index} of {name}"


@pytest.mark.parametrize("name", FIGURES)
def test_every_slider_goes_where_the_mouse_presses_and_a_finger_taps(plain, phone, name):
    for page, press in ((plain.page, plain.page.mouse.click), (phone[0], phone[0].touchscreen.tap)):
        held(page, name)
        sliders = page.locator(f"#{name} input[type=range]:visible")
        assert sliders.count()
        for index in range(sliders.count()):
            before = sliders.nth(index).evaluate(SLIDER, [name, True])
            press(before["left"] + before["width"] * (0.75 if before["part"] < 0.5 else 0.25), before["top"] + before["height"] / 2)
            after = sliders.nth(index).evaluate(SLIDER, [name, False])
            assert after["value"] != before["value"], f"slider {before['field'] or index} of {name} does not follow"
            assert before["field"] is None or after["state"] != before["state"]
            assert before["height"] >= 24
        settled(page, name)
        page.evaluate(OUT, [name, {}])


def test_a_finger_moves_what_is_no_knob_yet_and_paints_walls(phone):
    """Any data point, any feature, cells of a maze: upwards, and the page stays."""
    page, touch = phone
    spot = """([name, panel, x, y]) => {
      const kit = inertia.mounted.get(name), svg = kit.root.querySelectorAll(".stage svg")[panel];
      svg.scrollIntoView({ block: "center" });
      const box = svg.getBoundingClientRect();
      return [box.left + kit.panels[panel].x(x), box.top + kit.panels[panel].y(y)];
    }"""
    moves = {
        "targets[7]": ("polynomial", 0, "[0.5, view.data[10 + 7]]"),
        "hand": ("polynomial", 3, "[1.5, view.coefficients[1] / view.unit[1]]"),
        "cells": ("colour", 0, "[60, 40]"),
    }
    for field, (name, panel, place) in moves.items():
        held(page, name)
        at = page.evaluate(f"(() => {{ const {{ view }} = inertia.mounted.get('{name}'); return {place}; }})()")
        look = f"[JSON.stringify(inertia.mounted.get('{name}').store.state.{field}), scrollY]"
        start = page.evaluate(spot, [name, panel, *at])
        before = page.evaluate(look)
        stroke(touch, start, [(0, -7 * step) for step in range(1, 6)])
        settled(page, name)
        after = page.evaluate(look)
        assert after[0] != before[0], f"{field} does not follow the finger"
        assert abs(after[1] - before[1]) < 2, f"the page scrolls under the finger on {field}"
