"""How much of the page's main thread does a move of the hand take, and how much work does it give to the worker?

    python benchmarks/lab.py [--json] [--moves 40] [--figures map,noise]

The page is the exported folder, opened from disk; a real Chromium without a window drags the first knob of every figure (or moves
its first slider). All times are processor times of the page's main thread (Chromium's own metrics, in thread ticks), so that other
programs on the machine do not count. `move` is what our code and what it changes cost from one pointer event to the finished
drawing: script, style and layout. `frame` is all that the main thread did until that drawing had been painted, the browser's
painting and this measurement included (no graphics processor here). For figures that are computed in a worker, `worker` is the
processor time of one answer, found by asking for it in the page, and `age` how old the answer was when it was drawn, by the clock:
that number grows with whatever else the machine does.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from inertia.lab.article import export
from inertia.lab.views import discovered

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"

# In the page: take hold of the first knob, or of nothing where the figure has only sliders.
HOLD = """([name]) => {
  const root = document.getElementById(name), knob = root.querySelector(".knob");
  const range = root.querySelector(".slider:not(.gone) input[type=range]");
  const fire = (type, clientX, clientY) => knob.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, clientX, clientY }));
  let at = null;
  if (knob) {
    const box = knob.querySelector(".core").getBoundingClientRect();
    at = [box.left + box.width / 2, box.top + box.height / 2];
    knob.setPointerCapture = () => {}; knob.hasPointerCapture = () => true;
    fire("pointerdown", ...at);
  }
  window.moved = (index) => {
    const way = index % 20 < 10 ? 1 : -1;
    if (knob) { at = [at[0] + 7 * way, at[1] + 2 * way]; fire("pointermove", ...at); return; }
    range.value = Number(range.value) + way * 2 * Number(range.step);
    range.dispatchEvent(new Event("input"));
  };
  window.released = () => { if (knob) fire("pointerup", ...at); };
}"""
# Move what is held, as a task of the page, and resolve when its drawing has been painted: how old the answer was, by the clock.
MOVE = """([name, index]) => new Promise((resolve) => {
  const root = document.getElementById(name), before = root.dataset.drawn;
  let began = 0, seen = null, given = 0;
  const painted = (age) => requestAnimationFrame(() => setTimeout(() => resolve(age)));
  const done = (age) => { seen.disconnect(); clearTimeout(given); painted(age); };
  seen = new MutationObserver(() => { if (root.dataset.drawn !== before && !("busy" in root.dataset)) done(performance.now() - began); });
  seen.observe(root, { attributes: true, attributeFilter: ["data-drawn", "data-busy"] });
  given = setTimeout(() => done(NaN), 3000);  // at its end: nothing had to change
  setTimeout(() => { began = performance.now(); window.moved(index); });
})"""
ANSWER = """([name]) => {
  const { answer } = inertia.need("answer"), kit = inertia.mounted.get(name), view = inertia.need(`views/${name}`);
  const state = { ...kit.store.state }, free = ([, field]) => field.kind === "number" && !field.whole;
  const [first] = Object.entries(kit.fields).find(free) ?? [];
  if (first) state[first] *= 1 - 1e-3 * Math.random();
  answer(view, { state, have: kit.have });
}"""


class Main:
    """Processor times of a page's main thread, in milliseconds."""

    def __init__(self, page):
        self.page, self.session = page, page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self):
        """(script, style and layout; everything) so far."""
        found = {one["name"]: 1000 * one["value"] for one in self.session.send("Performance.getMetrics")["metrics"]}
        return found["ScriptDuration"] + found["LayoutDuration"] + found["RecalcStyleDuration"], found["TaskDuration"]

    def spent(self, code, words):
        """What running that took, both ways, and what it returned."""
        before = self.now()
        returned = self.page.evaluate(code, words)
        return *(late - early for early, late in zip(before, self.now(), strict=True)), returned


def percentile(values, share):
    """The value below which that share of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def opened(browser, folder):
    """The page from disk, with all figures drawn."""
    page = browser.new_page(viewport={"width": 1180, "height": 900})
    page.goto(export(Path(folder) / "lab").as_uri())
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    return page


def measured(page, main, name, moves):
    """One figure: main-thread time of its moves, the worker's time of an answer, how old answers were."""
    page.evaluate("(name) => { document.getElementById(name).scrollIntoView(); inertia.mounted.get(name).wake(); }", name)
    page.wait_for_selector(f"#{name}:not([data-drawn='0']):not([data-busy])", timeout=60_000)
    page.evaluate(HOLD, [name])
    for index in range(10):  # the compiler has its warm-up, too
        page.evaluate(MOVE, [name, index])
    rows = [main.spent(MOVE, [name, index]) for index in range(10, 10 + moves)]
    page.evaluate("window.released()")
    own, frame, age = zip(*(row for row in rows if row[2] == row[2]), strict=True)
    row = {"median_ms": statistics.median(own), "p95_ms": percentile(own, 0.95), "frame_ms": statistics.median(frame), "moves": len(own)}
    if page.evaluate("(name) => inertia.transport.slow(name)", name):
        row |= {"worker_ms": statistics.median(main.spent(ANSWER, [name])[1] for _ in range(5)), "age_ms": statistics.median(age)}
    return row


def figures(names, moves):
    """Every figure by its name."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        page = opened(browser, folder)
        main = Main(page)
        found = {name: measured(page, main, name, moves) for name in names}
        browser.close()
    return found


def command():
    """Print the table, or JSON."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--json", action="store_true")
    reader.add_argument("--moves", type=int, default=40)
    reader.add_argument("--figures", default="")
    asked = reader.parse_args()
    found = figures(asked.figures.split(",") if asked.figures else list(discovered()), asked.moves)
    if asked.json:
        print(json.dumps({"figures": found, "python": platform.python_version(), "machine": platform.machine()}, indent=2))
        return 0
    print(f"{'figure':14}{'move: median':>13}{'p95':>7}{'frame':>8}{'worker':>8}{'age':>7}   milliseconds")
    for name, row in found.items():
        worker = f"{row['worker_ms']:8.1f}{row['age_ms']:7.0f}" if "worker_ms" in row else ""
        print(f"{name:14}{row['median_ms']:13.1f}{row['p95_ms']:7.1f}{row['frame_ms']:8.1f}{worker}")
    return 0


if __name__ == "__main__":
    sys.exit(command())
