"""How soon does the laboratory answer the hand: pointer move to changed frame, first paint, bytes per move, many pages at once.

    python benchmarks/lab.py [--json] [--rounds 3] [--moves 50] [--sockets 20]

A real Chromium without a window drags the first knob of every figure (or presses its first slider where it has none). A move
counts from the dispatch of the pointer event in the page to the first animation frame after the drawing has changed; every
move waits for the one before. The best round counts, by its median. The sockets ask for all figures in turn, one question
in flight each. Run it on a quiet machine.
"""

import argparse
import asyncio
import json
import math
import platform
import shutil
import statistics
import sys
import threading
import time

from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect

from inertia.lab.api import handle
from inertia.lab.fields import Number
from inertia.lab.server import application, listening, server
from inertia.lab.views import discovered
from inertia.lab.wire import pack

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"

# In the page: move what the hand holds a little, and resolve at the frame that shows the new drawing.
MOVE = """([name, index]) => new Promise((resolve) => {
  const root = document.getElementById(name), knob = root.querySelector(".knob");
  const range = root.querySelector(".slider:not(.gone) input[type=range]");
  const before = root.dataset.drawn, began = performance.now();
  const seen = new MutationObserver(() => {
    if (root.dataset.drawn === before) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));  // after that frame has been painted
  });
  seen.observe(root, { attributes: true, attributeFilter: ["data-drawn"] });
  if (!knob && !range) { resolve(NaN); return; }  // nothing to hold
  if (knob) {
    const box = knob.getBoundingClientRect(), way = index % 50 < 25 ? 1 : -1;
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const fire = (type, dx, dy) => {
      knob.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, button: 0, clientX: x + dx, clientY: y + dy }));
    };
    knob.setPointerCapture = () => {}; knob.hasPointerCapture = () => true;
    fire("pointerdown", 0, 0);
    fire("pointermove", 8 * way, 2 * way);
    fire("pointerup", 8 * way, 2 * way);
  } else {
    range.value = Number(range.value) + (index % 50 < 25 ? 1 : -1) * Number(range.step);
    range.dispatchEvent(new Event("input"));
  }
  setTimeout(() => { seen.disconnect(); resolve(NaN); }, 1000);  // the hand moved, and nothing had to change
})"""


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def started():
    bound, ready = listening(0), threading.Event()
    running = server(application(started=ready.set))
    threading.Thread(target=lambda: running.run(sockets=[bound]), daemon=True).start()
    ready.wait()
    return running, f"http://127.0.0.1:{bound.getsockname()[1]}"


def moves_of(page, name, rounds, moves):
    page.evaluate("(name) => document.getElementById(name).scrollIntoView()", name)
    page.wait_for_selector(f"#{name}:not([data-drawn='0']):not([data-busy])")
    found = []
    for _ in range(rounds):
        if math.isnan(page.evaluate(MOVE, [name, 0])):  # also the warm-up of the round
            continue
        times = [page.evaluate(MOVE, [name, index]) for index in range(moves)]
        times = [value for value in times if value == value]
        if times:
            found.append((statistics.median(times), percentile(times, 0.95), len(times)))
    return min(found, default=(math.nan, math.nan, 0))  # nothing to hold (the airfoil table may be missing)


def page_numbers(address, names, rounds, moves):
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        paints = []
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1180, "height": 900})
            page.goto(address)
            page.wait_for_selector("#hero:not([data-drawn='0'])")
            paints.append(page.evaluate("[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]"))
            page.close()
        page = browser.new_page(viewport={"width": 1180, "height": 900})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        figures = {}
        for name in names:
            median, late, counted = moves_of(page, name, rounds, moves)
            figures[name] = {"median_ms": median if counted else None, "p95_ms": late if counted else None, "moves": counted}
        browser.close()
    first = min(paints, key=lambda pair: pair[1])
    return figures, {"first_paint_ms": first[0], "first_figure_ms": first[1]}


async def crowd(address, names, sockets, questions):
    keys = {name: handle({"figure": name})["keys"] for name in names}
    first = {name: next((key, field) for key, field in discovered()[name].FIELDS.items() if isinstance(field, Number)) for name in names}
    times = []

    async def one(offset):
        async with connect(address.replace("http", "ws") + "/socket", origin=address, max_size=None) as talk:
            for index in range(questions):
                name = names[(offset + index) % len(names)]
                key, field = first[name]  # every question is another state, as of another hand
                state = {key: field.default if field.whole else field.default * (1 - 1e-3 * (offset + index))}
                began = time.perf_counter()
                await talk.send(json.dumps({"figure": name, "have": keys[name], "state": state}))
                await talk.recv()
                times.append(1000 * (time.perf_counter() - began))

    await asyncio.gather(*(one(offset) for offset in range(sockets)))
    return {"sockets": sockets, "median_ms": statistics.median(times), "p95_ms": percentile(times, 0.95)}


def main():
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--json", action="store_true")
    reader.add_argument("--rounds", type=int, default=3)
    reader.add_argument("--moves", type=int, default=50)
    reader.add_argument("--sockets", type=int, default=20)
    reader.add_argument("--figures", default="")
    asked = reader.parse_args()
    names = asked.figures.split(",") if asked.figures else list(discovered())
    running, address = started()
    figures, paint = page_numbers(address, names, asked.rounds, asked.moves)
    for name in names:
        figures[name]["bytes"] = len(pack(handle({"figure": name, "have": handle({"figure": name})["keys"]})))
    many = asyncio.run(crowd(address, names, asked.sockets, 20))
    running.should_exit = True
    result = {"figures": figures, **paint, "crowd": many, "python": platform.python_version(), "machine": platform.machine()}
    if asked.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{'figure':14}{'median ms':>11}{'p95 ms':>9}{'bytes':>9}")
    for name, row in figures.items():
        moved = f"{row['median_ms']:11.1f}{row['p95_ms']:9.1f}" if row["moves"] else f"{'–':>11}{'–':>9}"
        print(f"{name:14}{moved}{row['bytes']:9}")
    print(f"first paint {paint['first_paint_ms']:.0f} ms, first figure drawn {paint['first_figure_ms']:.0f} ms")
    print(f"{many['sockets']} sockets at once: median {many['median_ms']:.1f} ms, p95 {many['p95_ms']:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
