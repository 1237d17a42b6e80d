"""The later figures under the hand: walls are painted, nodes joined, points dragged, records loaded."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden_special import record

from inertia.lab.given import known
from inertia.lab.loaded import loaded
from inertia.lab.mazes import decoded, preset
from inertia.report.report import Code, Table, Text, page
from inertia.watching.journal import Journal
from inertia.watching.quantities import Look

pytestmark = pytest.mark.browser


class Hand:
    """One figure on a page, in that state."""

    def __init__(self, opened, name):
        self.opened, self.page, self.name = opened, opened.page, name

    def put(self, hash_):
        """The figure as it is at first, then as the link has it."""
        self.opened.figure(self.name)
        if "?" in hash_:
            self.opened.follow(hash_)
        return self

    def settled(self):
        """Wait until no question of this figure is under way."""
        self.page.wait_for_selector(f"#{self.name}:not([data-busy])", state="attached", timeout=60_000)

    def state(self, field):
        return self.page.evaluate(f"inertia.mounted.get('{self.name}').store.state.{field}")

    def caption(self):
        return self.page.locator(f"#{self.name} .caption").inner_text()

    def spot(self, panel, x, y):
        """Client coordinates of a place in a panel, in units of its data."""
        svg = self.page.locator(f"#{self.name} .stage svg").nth(panel)
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        place = self.page.evaluate(
            f"(() => {{ const p = inertia.mounted.get('{self.name}').panels[{panel}]; return [p.x({x}), p.y({y})]; }})()"
        )
        return box["x"] + place[0], box["y"] + place[1]


@pytest.fixture
def hand(page):
    """Takes a figure of the page that the tests here share, as it is at first or as a link has it: hand("map?beta=0.9")."""
    return lambda hash_: Hand(page, hash_.partition("?")[0]).put(hash_)


def test_a_wall_is_painted_and_a_door_opened(hand):
    figure = hand("colour")
    kappa = figure.caption()
    box = figure.page.locator("#colour .stage svg").first.bounding_box()
    cell = figure.page.evaluate("inertia.mounted.get('colour').panels[0].inner.width") / 2 / 112 * 0.98
    x, y = box["x"] + 60.5 * cell, box["y"] + 20 + 3.5 * cell  # a cell of the wall over the second corridor
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    figure.page.mouse.move(x, y + 4 * cell, steps=5)
    figure.page.mouse.up()
    figure.page.wait_for_function("(words) => document.querySelector('#colour .caption').innerText !== words", arg=kappa)
    figure.settled()
    changed = decoded(figure.state("cells"))
    assert changed.sum() > preset("chambers")[0].sum()
    assert figure.page.evaluate("inertia.mounted.get('colour').store.text()").startswith("cells=16x112")


def test_a_cell_changes_by_keyboard_and_a_seed_is_set_by_tapping(hand):
    figure = hand("colour?maze=room&alpha=0.4&beta=0.9")
    knob = figure.page.locator("#colour .knob.cursor")
    knob.focus()
    knob.press("ArrowRight")
    knob.press("Enter")
    figure.settled()
    assert decoded(figure.state("cells")).sum() == preset("room")[0].sum() - 1
    figure.page.locator("#colour .chip", has_text="seeds").click()
    board = figure.page.locator("#colour .stage svg").first
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    figure.page.mouse.click(box["x"] + 120, box["y"] + 120)
    figure.settled()
    assert len(figure.state("seeds")) == 2


def test_an_eigenvector_is_shown_under_the_pointer(hand):
    figure = hand("colour")
    figure.page.mouse.move(*figure.spot(2, 3, 1e-4))
    figure.settled()
    assert figure.state("mode") == 4
    assert "eigenvector 4" in figure.page.locator("#colour .stage svg").nth(3).text_content()


def test_two_taps_cut_a_path_and_two_more_mend_it(hand):
    figure = hand("graphs?graph=path&n=12")
    places = figure.page.evaluate("Array.from(inertia.mounted.get('graphs').view.places.at)")
    for parts in (2, 1):
        for node in (5, 6):
            figure.page.mouse.click(*figure.spot(0, places[2 * node], places[2 * node + 1]))
            figure.settled()
        assert ("fallen into 2 parts" in figure.caption()) == (parts == 2)
    assert figure.state("flips") == [-1]


def test_news_plays_over_a_graph(hand):
    figure = hand("graphs?graph=grid&n=16")
    figure.page.locator("#graphs .player input").evaluate("(node) => { node.value = 3; node.dispatchEvent(new Event('input')); }")
    assert "news from node 0, step 3" in figure.page.locator("#graphs .stage svg").first.text_content()


def test_any_point_can_be_taken_and_a_feature_scrubbed(hand):
    figure = hand("polynomial")
    x, y = figure.spot(0, 0.5, 1.5)
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    figure.page.mouse.move(x, y + 40, steps=4)
    figure.page.mouse.up()
    figure.settled()
    assert figure.state("point") == 8
    assert figure.state("targets[7]") < 1.2
    x, y = figure.spot(3, 1.5, 0)
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    figure.page.mouse.move(x, y - 20, steps=4)
    figure.page.mouse.up()
    figure.settled()
    assert figure.state("by") == "hand"
    assert figure.state("feature") == 2


def test_three_portraits_follow_the_spring_and_are_taken_by_mouse_and_keyboard(hand):
    figure = hand("oscillator?curvature=4")
    critical = (1 - (0.01 * 4) ** 0.5) ** 2
    figure.page.mouse.click(*figure.spot(3, 1.5, 0.3))
    figure.settled()
    assert figure.state("beta") == pytest.approx(critical, rel=1e-12)
    figure.page.locator("#oscillator .stage svg").nth(3).focus()
    for key, beta in (("ArrowRight", (1 + critical) / 2), ("ArrowLeft", critical), ("ArrowLeft", critical / 4)):
        figure.page.keyboard.press(key)
        figure.settled()
        assert figure.state("beta") == pytest.approx(beta, rel=1e-12)
    assert "each step multiplies the error" in figure.caption()


def test_the_energy_of_the_spring_is_laid_over(hand):
    figure = hand("oscillator?energy=1")
    drawn = figure.page.locator("#oscillator [data-key=energy]").get_attribute("d")
    heights = [float(part.split()[1]) for part in drawn[1:].split("L")]
    energy = figure.page.evaluate("Array.from(inertia.mounted.get('oscillator').view.energy)")
    assert len(heights) == len(energy) == 121
    falls = (np.array(heights) - heights[0]) / (heights[-1] - heights[0])
    np.testing.assert_allclose(falls, (energy[0] - np.array(energy)) / (energy[0] - energy[-1]), atol=2e-3)


def test_the_maps_of_the_chain_follow_the_press(hand):
    figure = hand("limits")
    figure.page.mouse.click(*figure.spot(0, 10, 30))
    figure.settled()
    assert figure.state("k") == 30
    assert "After 30 steps" in figure.caption()


def test_a_record_is_loaded_from_a_file_and_a_wrong_file_is_said(hand, tmp_path):
    pytest.importorskip("sklearn")
    from inertia import tune
    from inertia.problems import diabetes

    record = json.loads(json.dumps(tune(diabetes(), steps=40, batch_size=32, seed=1).to_json()))
    good, bad, other = (tmp_path / name for name in ("record.json", "notes.json", "other.json"))
    good.write_text(json.dumps(record))
    report, bare = tmp_path / "report.html", tmp_path / "bare.html"
    report.write_text(page("A task </script>", "lede", [], record=record | {"verdict": "</script><b>no</b>"}))
    bare.write_text(page("A task", "lede", []))
    bad.write_text("# notes")
    other.write_text('{"steps": 3}')
    figure = hand("yours")
    chooser = figure.page.locator("#yours input[type=file]")
    chooser.set_input_files(bad)
    figure.page.wait_for_selector("#yours .hint:has-text('is not JSON')")
    chooser.set_input_files(other)
    figure.page.wait_for_selector("#yours.stale")
    assert "no record of `inertia tune`" in figure.caption()
    chooser.set_input_files(bare)
    figure.page.wait_for_selector("#yours .hint:has-text('carries no record')")
    chooser.set_input_files(report)
    figure.page.wait_for_selector("#yours:not(.stale)")
    figure.page.wait_for_selector("#yours .caption:has-text('verdict: </script><b>no</b>')")
    figure.settled()
    first = figure.state("key")
    chooser.set_input_files(good)
    figure.page.wait_for_selector("#yours .caption:not(:has-text('<b>no</b>'))")
    figure.page.wait_for_selector("#yours:not(.stale)")
    figure.settled()
    assert len(figure.state("key")) == len(first) == 16
    assert figure.state("key") != first
    assert figure.state("record") is None
    assert figure.state("alpha") == pytest.approx(record["recommendation"]["alpha"], rel=1e-5)
    assert "after 40 steps" in figure.caption() or "beyond the edge" in figure.caption()  # what was recommended may be, of a network
    runs = figure.page.locator("#yours [data-key^='run']").count()
    assert runs >= len(record["runs"])
    assert np.isfinite(loaded(record).model.floor)


def test_the_laboratory_opens_with_the_record_it_was_started_with(opened, served, tmp_path):
    record_ = record(np.random.default_rng(3))
    (tmp_path / "record.json").write_text(json.dumps(record_))
    with served(known(tmp_path)) as address:
        made = opened(address)
        figure = Hand(made, "yours")
        figure.page.locator("#yours").scroll_into_view_if_needed()
        figure.page.wait_for_selector("#yours .caption:has-text('Made up')")
        figure.settled()
        assert figure.state("alpha") == pytest.approx(record_["recommendation"]["alpha"], rel=1e-5)
        assert figure.page.locator("#yours [data-key^='run']").count() >= len(record_["runs"])
        made.page.close()
        assert made.complaints == []


def test_the_optimum_is_dragged_and_the_start_stays(hand):
    figure = hand("views")
    before = figure.page.evaluate("Array.from(inertia.mounted.get('views').view.w.slice(0, 2))")
    x, y = figure.spot(0, 0, 0)
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    figure.page.mouse.move(x + 40, y - 20, steps=4)
    figure.page.mouse.up()
    figure.settled()
    assert figure.state("wx") > 0.3
    assert figure.state("wy") > 0.15
    seen = figure.page.evaluate(
        "(() => { const v = inertia.mounted.get('views').view; return [[...v.w], [...v.x], v.optimum, [...v.q]]; })()"
    )
    w, x, optimum, q = (np.array(part) for part in seen)
    np.testing.assert_allclose(w[:2], before, atol=1e-3)
    np.testing.assert_allclose(w[-2:], optimum, atol=0.02)  # 0.982^300 of the way is left
    np.testing.assert_allclose(x.reshape(-1, 2), (w.reshape(-1, 2) - optimum) @ q.reshape(2, 2), atol=1e-5)


DROPPED = """(text) => {
  const label = document.querySelector("#map .filelabel"), files = new DataTransfer();
  label.closest("details").open = false;
  files.items.add(new File([text], "run.jsonl"));
  label.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def test_the_log_of_a_watched_run_walks_over_the_map(hand, tmp_path):
    """The operating point is the learning rate times the sharpness; what a resumed run left behind is not shown."""
    log, journal = tmp_path / "run.jsonl", Journal(tmp_path / "run.jsonl")
    journal.write("start", door="torch")

    def look(step, rate, sharpness):
        seen = Look(step, 1.0, rate, sharpness, 0.01, 2 * 1.8 / rate, 1.0, 0.1, 1.0, (rate, 0.8, 0.0), None, None)
        journal.write("look", **vars(seen))
        return rate * sharpness

    look(0, 0.1, 3.0)
    look(10, 0.1, 30.0)
    journal.write("losses", step=10, values=[1.0, None])
    journal.write("resume", step=10)
    wanted = [0.3, *(look(10 + 5 * i, 0.05, 4.0 + i) for i in range(6))]
    journal.close()
    figure = hand("map")
    chooser = figure.page.locator("#map input[type=file]")
    chooser.set_input_files(log)
    figure.page.wait_for_selector("#map .hint:has-text('Look ')")
    figure.settled()
    assert figure.state("alpha") == pytest.approx(wanted[-1], rel=1e-6)
    assert figure.state("beta") == pytest.approx(0.8)
    assert figure.page.locator("#map [data-key=looks]").get_attribute("d").count("M") == len(wanted)
    figure.page.locator("#map .player input").evaluate("(node) => { node.value = 0; node.dispatchEvent(new Event('input')); }")
    figure.settled()
    assert figure.state("alpha") == pytest.approx(wanted[0], rel=1e-6)
    bad = tmp_path / "notes.jsonl"
    bad.write_text("# notes\nmore\n")
    chooser.set_input_files(bad)
    figure.page.wait_for_selector("#map .hint:has-text('This is no log of a watched run')")
    figure.page.evaluate(DROPPED, log.read_text())  # on the map, while its controls are folded away: they open, and say what came
    figure.page.wait_for_selector("#map .hint:has-text('Look ')")


def test_the_code_of_a_report_is_copied_by_mouse_and_keyboard_without_a_server(browser, tmp_path):
    """From disk; where there is no clipboard to write to, the old way."""
    axe = pytest.importorskip("axe_core_python")
    lines = {"PyTorch": "torch.optim.SGD(params, lr=0.1, momentum=0.9)\nscheduler.step()  # a < b & c", "shell": "inertia tune 'a b'"}
    (tmp_path / "report.html").write_text(page("A task", "lede", [Code(lines), Text("words")], "stamp", "foot"))
    for old in (False, True):
        shown = browser.new_page(viewport={"width": 390, "height": 800})
        if old:
            shown.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        shown.goto((tmp_path / "report.html").as_uri())
        shown.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'paste' }))")
        buttons = shown.get_by_role("button", name="copy the line under")
        assert buttons.count() == 2
        for index, (label, text) in enumerate(lines.items()):
            if index:
                buttons.nth(index).focus()
                shown.keyboard.press("Enter")
            else:
                buttons.nth(index).click()
            shown.wait_for_selector(f"dl button:has-text('copied the line under {label}')")
            shown.locator("#paste").fill("")
            shown.locator("#paste").focus()
            shown.keyboard.press("Control+V")
            assert shown.locator("#paste").input_value() == text
        shown.evaluate("document.querySelector('#paste').remove()")
        shown.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
        found = shown.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found] == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        shown.close()


def test_the_tables_of_a_report_are_whole_on_a_phone(browser, tmp_path):
    runs = Table(
        ["learning rate", "momentum", "seed", "expected (80 %)", "final loss"],
        [["1.24", "Nesterov momentum 0.982", "2", "0.19 (0 to 0.861)", "0.1106"]] * 2,
    )
    setting = Table(["setting", "expected training loss"], [["learning rate 3.49, no momentum", "0.112 (80 % interval 0.0475 to 0.158)"]])
    (tmp_path / "report.html").write_text(page("A task", "lede", [setting, runs]))
    for width in (390, 1280):
        shown = browser.new_page(viewport={"width": width, "height": 800})
        shown.goto((tmp_path / "report.html").as_uri())
        hidden = "[...document.querySelectorAll('.table')].map(one => one.scrollWidth - one.clientWidth)"
        assert shown.evaluate(hidden) == [0, 0]
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        shown.close()
