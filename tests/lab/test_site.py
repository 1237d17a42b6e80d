"""The exported page as readers get it: from disk, whole, light, with every reference in place and nothing asked of anyone."""

import gzip
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.lab.article import build, export, headings, page
from inertia.lab.bundle import STATIC, closure, defined, names, needs
from inertia.lab.twin import data
from inertia.lab.views import discovered

FIGURES = list(discovered())
TEXT = page()
IDS = set(re.findall(r'\bid="([^"]+)"', TEXT))


def test_the_first_thirty_kilobytes_hold_text_and_first_figure_and_all_is_light():
    made = {name: gzip.compress(content, 9) for name, content in build().items()}
    fonts = sum(len(content) for name, content in build().items() if name.endswith(".woff2"))
    assert len(made["index.html"]) + len(made["style.css"]) < 30_000
    assert TEXT.index('class="still"') < TEXT.index('id="algorithm"')
    assert sum(map(len, made.values())) < 900_000
    assert fonts < 250_000


def test_the_article_is_an_article():
    plain = re.sub(r"<(math|svg|nav)\b.*?</\1>", " ", TEXT, flags=re.DOTALL)
    count = len(re.sub(r"<[^>]+>", " ", plain).split())
    assert 4000 <= count <= 6000
    assert len(headings(TEXT)) >= 18


def test_every_figure_has_one_place_and_every_reference_a_target():
    assert sorted(re.findall(r'data-figure="(\w+)"', TEXT)) == sorted(FIGURES)
    every = re.findall(r'\bid="([^"]+)"', TEXT)
    assert len(every) == len(IDS)
    assert not IDS & set(FIGURES), "a figure's name is the id of its figure"
    for target in re.findall(r'href="#([^"]+)"', TEXT):
        assert target in IDS or target in FIGURES, f"#{target} leads nowhere"
    cited = set(re.findall(r'href="#(ref-\w+)"', TEXT))
    listed = set(re.findall(r'id="(ref-\w+)"', TEXT))
    assert listed - cited <= {"ref-brooks1989"}, "a reference that nothing cites"


def test_numbers_in_the_sentences_are_those_of_the_untouched_figures():
    shown = {name: data(name) for name in FIGURES}
    found = re.findall(r'<b data-value="([^"]+)"(?: data-form="([^"]+)")?>([^<]*)</b>', TEXT)
    assert {path.partition(":")[0] for path, _, _ in found} >= set(FIGURES) - {"hero"}
    for path, form, text in found:
        name, _, rest = path.partition(":")
        first, *deeper = rest.split(".")
        value = shown[name].get(first)
        if value is None or (not deeper and np.ndim(value)):
            value = discovered()[name].FIELDS[first].default
        for part in deeper:
            value = value[int(part)] if part.isdigit() else value[part]
        assert format(float(value), form or ".4g") == text, path


@pytest.mark.browser
def test_a_formula_lights_up_what_it_means_and_sentences_follow_the_hand(plain):
    for name in FIGURES:
        plain.figure(name)
    plain.page.evaluate("inertia.mounted.get('map').store.set({ alpha: 0.15, beta: 0.9 })")
    plain.settled("map")
    said = plain.page.locator("#two-by-two .now").inner_text()
    assert "α = 0.15, β = 0.9, and the larger root has size 0.9487" in said
    dark = plain.page.evaluate("""() => [...document.querySelectorAll("[data-term]")].filter((one) => {
      one.focus();
      const many = document.querySelectorAll(".figure .lit").length;
      one.blur();
      return !many;
    }).map((one) => one.dataset.term)""")
    assert dark == [], "terms that light up nothing"
    assert plain.page.locator("[data-term]").count() >= 25
    assert plain.page.locator(".lit").count() == 0
    texts = plain.page.evaluate("[...document.querySelectorAll('[data-value]')].map((one) => one.innerText)")
    assert len(texts) > 30
    assert not {"", "–", "nan"} & set(texts)


def test_every_module_is_short_says_what_it_is_and_knows_its_neighbours():
    for path in STATIC.rglob("*.js"):
        text = path.read_text()
        assert text.startswith("// "), f"{path} does not open with its idea"
        assert text.count("\n") <= 300, f"{path} has {text.count(chr(10))} lines"
    known = set(names())
    for name in names():
        assert set(needs(name)) <= known, name
        assert "\nimport " not in defined(name)
    assert closure(["lab"])[-1] == "lab"


def test_export_writes_whole_folders_and_spares_others(tmp_path):
    index = export(tmp_path / "lab")
    assert index.read_text() == TEXT
    export(tmp_path / "lab")  # again, over its own
    other = tmp_path / "papers"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export(other)
    with pytest.raises(BadInput, match="is a file"):
        export(other / "thesis.tex")
    assert [one.name for one in other.iterdir()] == ["thesis.tex"]
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


@pytest.mark.browser
def test_from_disk_every_figure_draws_and_nothing_is_asked_of_anyone(plain):
    for name in FIGURES:
        plain.figure(name)
        assert "NaN" not in plain.picture(name)
    assert plain.complaints == []
    assert plain.foreign == []


@pytest.mark.browser
def test_the_state_of_every_figure_survives_a_reload_and_hovering_is_no_touch(browser, site, plain):
    page = browser.new_page()
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    for name, field, value in (("hero", "beta", 0.9), ("map", "alpha", 2.0), ("valley", "steps", 33)):
        page.evaluate(f"inertia.mounted.get('{name}').store.set({{ {field}: {value} }})")
    page.wait_for_timeout(500)
    page.evaluate("inertia.mounted.get('colour').store.set({ mode: 7 }, 'hover')")
    page.wait_for_timeout(500)
    assert "colour" not in page.url
    page.reload()
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    for name, field, value in (("hero", "beta", 0.9), ("map", "alpha", 2.0), ("valley", "steps", 33)):
        assert page.evaluate(f"inertia.mounted.get('{name}').store.state.{field}") == value
    page.close()


@pytest.mark.browser
def test_set_by_a_button_a_number_keeps_all_its_digits(plain):
    plain.figure("polynomial")
    plain.page.locator("#polynomial button", has_text="tuned momentum").click()
    plain.settled("polynomial")
    assert "diverges" not in plain.page.locator("#polynomial .caption").inner_text()
    plain.figure("map")
    plain.page.evaluate("inertia.mounted.get('map').store.set({ curvatures: [0.01, 1] })")
    plain.settled("map")
    plain.page.locator("#map button", has_text="fastest point").click()
    plain.settled("map")
    assert plain.page.evaluate("inertia.mounted.get('map').view.rate") == pytest.approx(9 / 11, rel=1e-7)
    plain.page.evaluate("inertia.mounted.get('map').store.reset()")


@pytest.mark.browser
def test_contours_lie_on_their_level(plain):
    off = plain.page.evaluate("""() => {
      const { rings } = inertia.need("contours"), land = inertia.need("numerics/landscape");
      const worst = [];
      const { rosenbrock, wells } = land.SURFACES, typed = land.typed("x^2 + 3y^2 + sin(3x) cos(3y)", 2);
      for (const ground of [rosenbrock, wells, land.quadratic(25, 1, 12), typed]) {
        const data = land.shaded(ground), [[left, right], [bottom, top]] = ground.domain, edge = (right - left) / 100;
        rings(data).forEach((level, i) => {
          if (!level.length) worst.push(1);
          for (const ring of level) for (let j = 0; j < ring.length; j += 2) {
            const [x, y] = [ring[j], ring[j + 1]];
            if (x < left + edge || x > right - edge || y < bottom + edge || y > top - edge) continue;
            worst.push(Math.abs(ground.value(x, y) - data.levels[i]) / (data.levels.at(-1) - data.levels[0]));
          }
        });
      }
      return Math.max(...worst);
    }""")
    assert off < 2e-3


@pytest.mark.browser
def test_the_page_writes_the_same_python_as_the_library(plain):
    import golden
    from golden_special import SPECIAL

    from inertia.lab.api import snippet

    for name in FIGURES:
        for state in golden.states(discovered()[name].FIELDS, 3, np.random.default_rng(4), SPECIAL.get(name)):
            ours = snippet(name, state)
            theirs = plain.page.evaluate("([name, state]) => inertia.need('python').snippet(name, state)", [name, state])
            assert theirs == ours


@pytest.mark.browser
def test_links_cannot_name_what_is_no_field(browser, site):
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site}#colour?maze=__proto__&toString=1;map?alpha=abc;__proto__?x=1")
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.wait_for_selector("#colour:not([data-drawn='0'])", timeout=60_000)
    assert page.evaluate("inertia.mounted.get('colour').store.state.maze") == "chambers"
    page.close()
    assert complaints == []


@pytest.mark.browser
def test_a_move_costs_the_main_thread_little(browser, site):
    """Processor time, not time by the clock: script, style and layout from one pointer event to the finished drawing."""
    spec = importlib.util.spec_from_file_location("bench_lab", Path(__file__).parents[2] / "benchmarks" / "lab.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    page = browser.new_page(viewport={"width": 1180, "height": 900})
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    main = bench.Main(page)
    for name in ("map", "limits"):  # one computed in the page, one in the worker
        row = bench.measured(page, main, name, 8)
        assert row["moves"] >= 6
        assert 0 < row["median_ms"] < 8, row
        assert row["p95_ms"] < 16, row
    page.close()


@pytest.mark.browser
def test_what_is_folded_away_begins_at_the_left(plain):
    for name in ("hero", "limits"):
        plain.figure(name)
    off = plain.page.evaluate("""() => [...document.querySelectorAll(".folded")].filter((fold) => {
      const first = [...fold.children].find((one) => one.offsetWidth);
      return first && Math.abs(first.getBoundingClientRect().left - fold.getBoundingClientRect().left) > 1;
    }).map((fold) => fold.closest("[id]").id)""")
    assert off == []
