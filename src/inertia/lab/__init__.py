"""The laboratory: figures in the browser whose every number is computed live by inertia's own theory.

The page computes nothing. It draws what one pure function, `api.handle(request) -> reply`, answers; the same answer is
drawn by matplotlib for the static twin (`figure`) and by the notebook widget.

How to add a figure, say `tides` (nothing else has to be edited, both files are discovered by name):

1. `lab/figures/tides.py`, a view: arrays and words, no drawing but the twin.

       ORDER = 45                      place on the page (hero 10, valley 20, ... in steps of ten)
       TITLE = "Tides"
       FIELDS = {"alpha": Number(0.1, 0.0, 1.0, 0.001, "learning rate α"), "kind": Choice("a", {"a": "A", "b": "B"})}

       def view(state) -> View:        state holds exactly FIELDS' names, validated and clamped
           values = {"losses": array, "best": 0.3}             arrays travel as binary, None for what is not finite
           costly = {"plane": Costly("key of its inputs", lambda: {"grid": array})}   sent again only when the key changes
           return View(values, caption="reaches *0.01* after *12* steps", alt="one sentence for those who do not see it", costly=costly)

       def draw(canvas, data) -> None: the static twin: canvas is a matplotlib Figure, data what the page gets
       def snippet(state) -> str:      optional: Python that reproduces the numbers (a default exists)

2. `lab/static/figures/tides.js`, what the reader sees and touches.

       export const prose = `<p>A short text of our own words.</p>`;
       export function build(kit) {    kit: panel, slider, choice, flag, button, player, entry, row, store, ...  (static/kit.js)
         const chart = kit.panel({ span: 8, aspect: 0.5, label: "loss" });
         kit.slider("alpha");
         return {
           draw(view, state) { chart.domain({ x: [0, 10], y: [0, 1] }); chart.axes({}); chart.line("loss", xs, ys, "hot"); },
           echo(state) { }             optional: at once on input, before Python has answered
         };
       }

Knobs, keyboard, touch, read-outs, reset, copy-as-Python, PNG, SVG and sharing come with the kit; look at `map.js` for a
figure with a canvas and a knob, at `modes.js` for curves. Ranges are written once, in FIELDS. Line classes: hot (what the
hand holds), c1..c5 (one blue ramp, flat to steep), grey, faint, dash, edge; see static/style.css.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {"data": "twin", "figure": "twin", "handle": "api", "serve": "server", "widget": "notebook"}

__all__ = ["data", "figure", "handle", "serve", "widget"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'inertia.lab' has no attribute '{name}'")
