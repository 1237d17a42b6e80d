"""Do words of the laboratory's figures lie on others, or stand outside of their panel, in states that nobody looked at?

    python benchmarks/labels.py [--states 12] [--seed 1] [--figures map,limits] [--widths 1280,390,320]

Every figure of the exported page is put into random states, the ones that the golden tests use, at three widths of the screen; of every
drawing the boxes of all words are compared. What is found is printed with a link that shows it, and the exit status is then 1.
"""

import argparse
import shutil
import sys
import tempfile
import urllib.parse
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from inertia.lab.article import export
from inertia.lab.views import discovered

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lab"))
from golden import states
from golden_special import SPECIAL
from test_layout import CROWDED, HITS

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SET = """([name, state]) => new Promise((resolve) => {
  const kit = inertia.mounted.get(name);
  kit.store.reset();
  kit.store.set(state);
  const seen = () => setTimeout(() => resolve(kit.link().split("#")[1]));
  const wait = () => ("busy" in kit.root.dataset || !kit.fresh ? setTimeout(wait, 4) : requestAnimationFrame(seen));
  wait();
})"""


def opened(browser, address, width):
    """The page at that width, every figure drawn and every fold open."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    page.evaluate("inertia.whole()")
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    page.wait_for_function(
        "[...document.querySelectorAll('.figure')].every((one) => one.dataset.drawn !== '0' && !('busy' in one.dataset))", timeout=90_000
    )
    return page


def overlaid(name):
    """Every overlay and choice of a figure once, the rest as it opens: what random states seldom show together."""
    fields = discovered()[name].FIELDS
    flags = [key for key, field in fields.items() if type(field).__name__ == "Flag"]
    choices = [{key: one} for key, field in fields.items() if type(field).__name__ == "Choice" for one in field.options]
    return [{key: True for key in flags}, {key: False for key in flags}, *choices]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figures", default=",".join(discovered()))
    parser.add_argument("--widths", default="1280,390,320")
    asked = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    found = seen = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        address = export(Path(folder) / "lab").as_uri()
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        for width in map(int, asked.widths.split(",")):
            page = opened(browser, address, width)
            for name in asked.figures.split(","):
                fields = discovered()[name].FIELDS
                drawn = states(fields, asked.states, np.random.default_rng([asked.seed, len(name)]), SPECIAL.get(name))
                crowded = [dict(urllib.parse.parse_qsl(link.partition("?")[2])) for link in CROWDED if link.startswith(f"{name}?")]
                for state in [{}, *overlaid(name), *(read(fields, one) for one in crowded), *drawn]:
                    seen += 1
                    link = page.evaluate(SET, [name, state])
                    hits = page.evaluate(HITS, name)
                    found += len(hits)
                    if hits:
                        print(f"{width} #{link[:200]}\n    " + "\n    ".join(hits[:5]), flush=True)
            page.close()
        browser.close()
    print(f"{seen} drawings, {found} collisions")
    return 1 if found else 0


def read(fields, texts):
    """The values of a link's texts."""
    kinds = {"Number": float, "Flag": lambda text: text == "true", "Numbers": lambda text: [float(one) for one in text.split(",")]}
    return {name: kinds.get(type(fields[name]).__name__, str)(text) for name, text in texts.items()}


if __name__ == "__main__":
    sys.exit(main())
