"""A hand that is faster than Python: whatever is pressed while an answer is on its way counts as if it had come later."""

import numpy as np
import pytest

from inertia.lab.views import discovered

pytestmark = pytest.mark.browser

# Answers of one figure come `wait` ms late; 0 makes them prompt again.
SLOW = """([name, wait]) => {
  const kit = inertia.mounted.get(name), late = (done) => (reply) => setTimeout(() => done(reply), wait);
  kit.transport = wait ? { ask: (request) => new Promise((done) => inertia.transport.ask(request).then(late(done))) } : inertia.transport;
}"""
KEYS = 3
FIGURES = list(discovered())


def slow(page, name, wait=80):
    page.page.evaluate(SLOW, [name, wait])


def state(page, name):
    return page.page.evaluate(f"inertia.mounted.get('{name}').store.state")


def place(knob):
    return np.array([float(part) for part in knob.get_attribute("transform")[10:-1].split()])


def keyed(page, name, index, key, hasty):
    """How far the knob goes when a key is pressed three times at once, or three times with rests."""
    page.figure(name)
    knob = page.page.locator(f"#{name} .knob").nth(index)
    before = place(knob)
    knob.focus()
    if hasty:
        slow(page, name)
        for _ in range(KEYS):
            page.page.keyboard.press(key)
        page.settled(name)
        slow(page, name, 0)
    else:
        for _ in range(KEYS):
            page.page.keyboard.press(key)
            page.settled(name)
    return place(knob) - before


@pytest.mark.parametrize("name", FIGURES)
def test_no_key_is_lost_while_an_answer_is_on_its_way(page, name):
    page.figure(name)
    knobs = page.page.locator(f"#{name} .knob").count()
    for index in range(knobs):
        for key in ("ArrowLeft", "ArrowUp" if name == "colour" else "ArrowDown"):  # the cell in hand stands near the lower wall
            rested, hasty = (keyed(page, name, index, key, hasty) for hasty in (False, True))
            # A key lost would be a third of the way; steps that are a share of the value add up a little differently.
            assert np.allclose(hasty, rested, rtol=0.2, atol=1.0), f"knob {index} of {name}, {key}: {hasty} in haste, {rested} at rest"


@pytest.mark.parametrize("name", FIGURES)
def test_one_key_moves_every_slider_from_its_end(page, name):
    page.figure(name)
    sliders = page.page.locator(f"#{name} .slider:not(.gone) input[type=range]")
    for index in range(sliders.count()):
        slider = sliders.nth(index)
        slider.focus()
        for key, back in (("Home", "ArrowRight"), ("End", "ArrowLeft")):
            slider.press(key)
            page.settled(name)
            before = state(page, name)
            slider.press(back)
            page.settled(name)
            assert state(page, name) != before, f"{back} does not move slider {index} of {name} away from its end"
        page.page.evaluate(f"inertia.mounted.get('{name}').store.reset()")
        page.settled(name)


def test_what_the_hand_holds_is_never_drawn_back(page):
    page.figure("map")
    knob = page.page.locator("#map .knob").first
    knob.scroll_into_view_if_needed()
    box = knob.locator(".core").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    slow(page, "map")
    page.page.evaluate(
        "() => { window.places = []; const knob = document.querySelector('#map .knob');"
        " new MutationObserver(() => places.push(Number(knob.getAttribute('transform').slice(10).split(' ')[0])))"
        ".observe(knob, { attributes: true, attributeFilter: ['transform'] }); }"
    )
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    for step in range(1, 5):
        page.page.mouse.move(x + 12 * step, y)
        page.page.wait_for_function("(count) => places.length >= count", arg=step)
    page.page.mouse.up()
    page.settled("map")
    slow(page, "map", 0)
    places = np.array(page.page.evaluate("places"))
    assert len(places) >= 4
    assert np.all(np.diff(places) >= -0.02)  # pixels; Python's float32 may differ in the last digit drawn


def test_a_button_pressed_twice_counts_twice(page):
    found = []
    for wait in (0, 120):
        page.figure("polynomial")
        slow(page, "polynomial", wait)
        for _ in range(2):
            page.page.locator("#polynomial .button", has_text="shake the data").click()
            if not wait:
                page.settled("polynomial")
        page.settled("polynomial")
        found.append(state(page, "polynomial"))
    slow(page, "polynomial", 0)
    assert found[0]["seed"] == found[1]["seed"] == 2
    assert found[0]["targets"] == found[1]["targets"]


def test_a_maze_chosen_while_an_older_answer_comes_gets_its_own_best_step(page):
    page.figure("colour")
    slow(page, "colour")
    slider = page.page.locator("#colour .slider input[type=range]").first
    slider.focus()
    slider.press("ArrowRight")
    page.page.locator("#colour .chip", has_text="room").first.click()
    page.settled("colour")
    slow(page, "colour", 0)
    best = page.page.evaluate("inertia.mounted.get('colour').view.best")
    assert state(page, "colour")["alpha"] == pytest.approx(best["alpha"], rel=1e-6)


def test_two_taps_at_once_join_the_nodes_that_were_tapped(page):
    page.figure("graphs")
    page.follow("graphs?graph=path&n=12")
    slow(page, "graphs")
    board = page.page.locator("#graphs .stage svg").first
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    for node in (3, 8):
        spot = page.page.evaluate(
            f"(() => {{ const kit = inertia.mounted.get('graphs'), at = kit.view.places.at, p = kit.panels[0];"
            f" return [p.x(at[{2 * node}]), p.y(at[{2 * node + 1}])]; }})()"
        )
        page.page.mouse.click(box["x"] + spot[0], box["y"] + spot[1])
    page.settled("graphs")
    slow(page, "graphs", 0)
    assert state(page, "graphs")["flips"] == [3, 8]


def test_a_link_means_the_same_whatever_stood_there_before(page):
    page.figure("map")
    page.page.evaluate("inertia.mounted.get('map').store.set({ beta: 0.2, alpha: 0.3 })")
    page.settled("map")
    page.follow("map?alpha=0.9")
    found = state(page, "map")
    assert found["alpha"] == pytest.approx(0.9)
    assert found["beta"] == page.page.evaluate("inertia.mounted.get('map').store.defaults.beta")


def test_the_arrow_keys_go_on_from_where_was_pressed(page):
    page.figure("map")
    board = page.page.locator("#map .stage svg").first
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 0.3 * box["height"])
    page.settled("map")
    before = state(page, "map")["beta"]
    page.page.keyboard.press("ArrowDown")
    page.settled("map")
    assert state(page, "map")["beta"] == pytest.approx(before - 0.005)
