"""What a reader sees of a figure: few controls, each beside what it changes, and no words on top of others."""

import pytest

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
  const texts = [...svg.querySelectorAll("text")].filter((one) => one.textContent.trim()).map((one) => [one.textContent, one.getBoundingClientRect()]);
  texts.forEach(([words, a], i) => {
    if (a.right > innerWidth + 1 || a.left < -1 || a.left < frame.left - 30 || a.right > frame.right + 30) out.push(`${panel}: "${words}" is outside`);
    for (const [other, b] of texts.slice(0, i)) {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left), down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 && down > 3) out.push(`${panel}: "${words}" lies on "${other}"`);
    }
  });
  return out;
})"""
CROWDED = (
    "hero?descent=1&heavy=1&nesterov=1&triple=1",
    "hero?alpha=0.006&beta=0.8",
    "polynomial?degree=8",
    "oscillator?explicit=1&curvature=0.1",
    "oscillator?curvature=10&alpha=0.09",
    "modes?curvatures=0.01,0.03,0.1,0.3,1,3",
    "noise?schedule=halves&alpha=0.003",
    "weights?beta=0.5&span=100",
    "colour?maze=room",
    "airfoil?rate=0.02&beta=0.5",
)


@pytest.fixture(scope="module", params=[1280, 390])
def drawn(request, browser, site):
    """The exported page with every figure drawn and every fold closed."""
    page = browser.new_page(viewport={"width": request.param, "height": SCREEN})
    page.goto(site)
    page.wait_for_selector("body[data-ready]", timeout=30_000)
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
        drawn.evaluate("([name, link]) => { inertia.mounted.get(name).store.reset(); location.hash = link; }", [name, link])
        drawn.wait_for_timeout(50)
        drawn.wait_for_selector(f"#{name}:not([data-busy])", state="attached", timeout=20_000)
        found[link] = drawn.evaluate(HITS, name)
    assert {name: words for name, words in found.items() if words} == {}
