"""What a reader sees of a figure: few controls, each beside what it changes, and no words on top of others."""

from pathlib import Path

import pytest
from links import follow

from inertia.lab.views import discovered

pytestmark = pytest.mark.browser
FIGURES = list(discovered())
SCREEN = 844  # pixels of a telephone's height
# Of every figure: its unfolded sliders, its unfolded groups of controls, and how high a slider and the first panel are together.
SEEN = """() => Object.fromEntries([...document.querySelectorAll(".figure")].map((figure) => {
  const open = (one) => !one.closest("details") && one.getClientRects().length > 0;
  const groups = [...figure.querySelectorAll(".slider, .choice, .controls > .button, .filelabel")].filter(open);
  const sliders = groups.filter((one) => one.classList.contains("slider")), main = figure.querySelector(".stage").getBoundingClientRect();
  const together = groups.filter((one) => one.matches(".slider, .choice")).map((one) => one.getBoundingClientRect());
  const high = together.map((box) => Math.max(box.bottom, main.bottom) - Math.min(box.top, main.top));
  return [figure.id, { sliders: sliders.length, groups: groups.length, high: Math.max(0, ...high) }];
}))"""
# Words of one panel that lie on others, or outside of their panel.
HITS = """(id) => [...document.querySelectorAll(`#${id} .grid svg`)].flatMap((svg, panel) => {
  const frame = svg.getBoundingClientRect(), out = [];
  const written = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim());
  const texts = written.map((one) => [one.textContent, one.getBoundingClientRect()]);
  texts.forEach(([words, a], i) => {
    const [left, right] = [Math.max(-1, frame.left - 30), Math.min(innerWidth + 1, frame.right + 30)];
    if (a.left < left || a.right > right) out.push(`${panel}: "${words}" is outside`);
    for (const [other, b] of texts.slice(0, i)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 && down > 3) out.push(`${panel}: "${words}" lies on "${other}"`);
    }
  });
  return out;
})"""
CROWDED = (
    "hero?descent=true&heavy=true&nesterov=true&triple=true",
    "hero?alpha=0.006&beta=0.8",
    "hero?descent=true&heavy=true&nesterov=true&triple=true&adam=true&basin=true",
    "hero?surface=valley&family=any&alpha=0.69&beta=0.17&gamma=1.9&steps=19&descent=true&heavy=true",
    "limits?beyond=true",
    "limits?k=45&n=3&kappa=5.2&steps=157",
    "modes?descent=true&map=steps&alpha=3.3&beta=0.67",
    "polynomial?spread=true&degree=8&alpha=3.9",
    "oscillator?curvature=5&alpha=0.56&energy=true&field=true",
    "polynomial?degree=8",
    "oscillator?explicit=true&curvature=0.1",
    "oscillator?curvature=10&alpha=0.09",
    "modes?curvatures=0.01,0.03,0.1,0.3,1,3",
    "noise?schedule=halves&alpha=0.003",
    "weights?beta=0.5&span=100",
    "colour?maze=room",
    "airfoil?rate=0.02&beta=0.5",
)


@pytest.fixture(scope="module", params=[("light", 1280), ("dark", 390)], ids=["light-1280", "dark-390"])
def drawn(request, browser, site):
    """The exported page with every figure drawn and every fold closed."""
    scheme, width = request.param
    page = browser.new_page(viewport={"width": width, "height": SCREEN}, color_scheme=scheme)
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.evaluate("inertia.whole()")
    page.wait_for_function(
        "[...document.querySelectorAll('.figure')].every((one) => one.dataset.drawn !== '0' && !('busy' in one.dataset))", timeout=60_000
    )
    yield page
    page.close()


def test_a_few_controls_carry_the_idea_and_stand_beside_what_they_change(drawn):
    seen = drawn.evaluate(SEEN)
    assert list(seen) == FIGURES
    for name, found in seen.items():
        assert 1 <= found["groups"] <= 4, f"{name} shows {found['groups']} groups of controls"
        assert 1 <= found["sliders"] <= 3, f"{name} shows {found['sliders']} sliders"
        assert found["high"] <= SCREEN, f"a control of {name} and the first picture are {found['high']:.0f} pixels apart"


def test_no_words_lie_on_others(drawn):
    found = {name: drawn.evaluate(HITS, name) for name in FIGURES}
    for link in CROWDED:
        name = link.partition("?")[0]
        drawn.evaluate("(name) => inertia.mounted.get(name).store.reset()", name)
        follow(drawn, link)
        drawn.wait_for_selector(f"#{name}:not([data-busy])", state="attached", timeout=60_000)
        found[link] = drawn.evaluate(HITS, name)
    assert {name: words for name, words in found.items() if words} == {}


def test_nothing_stands_in_the_way_of_a_screen_reader(drawn):
    axe = pytest.importorskip("axe_core_python")
    drawn.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    drawn.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = drawn.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    wide = drawn.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    drawn.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = false")
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found] == []
    assert wide[0] <= wide[1]


def test_printed_every_figure_is_there(browser, site):
    """Of a page that was never scrolled."""
    page = browser.new_page()
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("[...document.querySelectorAll('.figure')].every((one) => one.dataset.drawn !== '0')", timeout=60_000)
    assert not page.locator(".controls").first.is_visible()
    assert page.locator(".now").first.is_visible()
    page.close()
