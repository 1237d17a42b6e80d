"""A function of many variables, typed by the reader: the path in a plane, its loss, its curvatures. Needs Python behind the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...theory import modes
from ..expression import MOST
from ..fields import Choice, Flag, Number, Numbers, State, Text
from ..landscape import contoured
from ..plane import FAMILY, method, plane, reach, worst_rate
from ..twin import colours, halo, hot, shade
from ..valleys import Valley, runs, valley
from ..views import Costly, View, counted

ORDER = 150
TITLE = "A function of many variables"
NEEDS_PYTHON = True
FIELDS = {
    "formula": Text("sum(i=1..n-1, 5 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2)", 400, "f(x)"),
    "n": Number(10, 1, MOST, 1, "variables n", whole=True),
    "start": Numbers((-0.5, 0.6), -1000, 1000, 1, MOST, "start, repeated for all variables"),
    "alpha": Number(0.008, 1e-12, 1e6, 0.0, "learning rate α", log=True),
    "beta": Number(0.85, 0.0, 0.999, 0.001, "momentum β"),
    "family": Choice("heavy-ball", {name: words for name, words in FAMILY.options.items() if name != "any"}, "method"),
    "steps": Number(150, 10, 600, 1, "steps", whole=True),
    "descent": Flag(True, "gradient descent"),
    "view": Choice("curvature", {"curvature": "two curvatures", "path": "main plane of the path"}, "seen along"),
    "across": Number(1, 1, MOST, 1, "across: curvature number", whole=True),
    "up": Number(MOST, 1, MOST, 1, "up: curvature number", whole=True),
    "push_across": Number(0.0, -1000, 1000, 0.0, "start moved across"),
    "push_up": Number(0.0, -1000, 1000, 0.0, "start moved up"),
}
_GRID = (97, 65)  # points across and up
_ROOM = 0.45  # of the frame on every side beyond the start, the minimum and a careful descent
Array = NDArray[np.float64]
STEPS = """
import numpy as np
from inertia.core.method import readout, step
from inertia.lab.expression import expression
from inertia.lab.plane import method

f = expression($formula, $n)
one = method($family, $alpha, $beta)
params, velocity = np.array(shown["start"]), np.zeros(len(f.names))
for k in range($steps):
    params, velocity = step(one, params, velocity, f.gradient(params))
    if not np.all(np.abs(params) < 1e6):
        print("diverges at step", k + 1)
        break
print(f"{f.value(readout(one, params, velocity)):.4g}")
"""


def view(state: State) -> View:
    """The runs, where they lie in the plane in hand, the losses, the curvatures and what they allow."""
    one = valley(state["formula"], state["n"], tuple(state["start"]))
    axes, named = _axes(one, state)  # (n, 2)
    start = one.start + axes @ [state["push_across"], state["push_up"]][: axes.shape[1]]
    chosen = method(state["family"], state["alpha"], state["beta"])
    ghost = state["descent"] and state["family"] != "descent"
    methods = [chosen, *([method("descent", state["alpha"], state["beta"])] if ghost else [])]
    points, losses, lost = runs(one.function, methods, start, state["steps"])
    floor = min([float(one.function.value(one.centre)) if one.found else np.inf, *losses[np.isfinite(losses)]], default=0.0)
    places = (points - one.centre) @ axes  # (M, steps + 1, 2)
    curved = one.curved
    values: dict[str, Any] = {
        "names": list(one.function.names),
        "start": start,
        "path": _flat(one, places[0]) if len(one.start) == 1 else places[0],
        "ghost": None if not ghost else _flat(one, places[1]) if len(one.start) == 1 else places[1],
        "base": (one.start - one.centre) @ axes,
        "excess": np.where(losses - floor > 0, losses - floor, np.nan),
        "losses": losses[0],
        "methods": [FAMILY.options[name] for name in (state["family"], "descent")][: len(methods)],
        "diverged_at": lost[0],
        "found": one.found,
        "domain": _frame(one, axes),
        "axes": named,
        "flat": len(one.start) == 1,
        "curvatures": one.curvatures,
        "edge": float(modes.edge(chosen)),
        "alpha": state["alpha"],
        "beta": state["beta"],
        "alpha_high": reach(list(curved), state["family"]) if len(curved) else 1.0,
        "minimum": one.centre if one.found else None,
        "rate": float(worst_rate(chosen, curved)) if len(curved) else None,
    }
    key = f"{state['formula']}|{one.function.names}|{state['start']}|{named}|{state['view']}"
    costly = {"contours": Costly(key, lambda: _ground(one, axes))}
    if len(curved):
        costly["plane"] = Costly(f"{state['family']}|{curved.tolist()}", lambda: plane(state["family"], curved.tolist(), size=81))
    caption, alt = _words(one, values, state)
    return View(values, caption, alt, costly)


def _axes(one: Valley, state: State) -> tuple[Array, list[str]]:
    """Two directions as columns, and what they are called: eigenvectors of the curvature, or those in which the path is long."""
    n = len(one.start)
    if n == 1:
        return np.ones((1, 1)), [one.function.names[0], "f"]
    if state["view"] == "path":
        _, _, rows = np.linalg.svd(one.path - one.path.mean(axis=0), full_matrices=True)
        found = rows[:2].T * np.where(rows[:2] @ (one.start - one.centre) < 0, -1.0, 1.0)
        return found, ["longest way of the path", "second longest"]
    first, second = min(state["across"], n) - 1, min(state["up"], n) - 1
    if first == second:
        second = first - 1 if first else first + 1
    return one.axes[:, [first, second]], [f"along curvature {one.curvatures[k]:.4g}" for k in (first, second)]


def _frame(one: Valley, axes: Array) -> list[list[float]]:
    """The part of the plane to draw: start, minimum and a careful descent, with room around them."""
    seen = (np.vstack([one.path, one.centre]) - one.centre) @ axes
    low, high = seen.min(axis=0), seen.max(axis=0)
    whole = max(float(np.max(high - low)), 1e-3 * (1 + float(np.abs(one.centre).max())))
    room = _ROOM * (high - low) + np.maximum(0.3 * whole - (high - low), 0.0) / 2
    sides = [[float(a), float(b)] for a, b in zip(low - room, high + room, strict=True)]
    if len(sides) == 2:
        return sides
    across = np.linspace(sides[0][0], sides[0][1], 321)
    heights = one.function.value(one.centre + across[:, None] * axes[:, 0])
    heights = heights[np.isfinite(heights)]
    bottom, top = (float(np.min(heights)), float(np.quantile(heights, 0.97))) if len(heights) else (0.0, 1.0)
    return [sides[0], [bottom - 0.08 * (top - bottom or 1.0), top + 0.05 * (top - bottom or 1.0)]]


def _flat(one: Valley, places: Array) -> Array:
    """A path on the curve of a function of one variable."""
    with np.errstate(all="ignore"):
        return np.column_stack([places[:, 0], one.function.value(one.centre + places)])


def _ground(one: Valley, axes: Array) -> dict[str, Any]:
    """The function over the plane through the minimum, or its curve."""
    sides = _frame(one, axes)
    if axes.shape[1] == 1:
        across = np.linspace(sides[0][0], sides[0][1], 321)
        return {"curve_x": across, "curve_y": one.function.value(one.centre + across[:, None] * axes[:, 0])}
    across, up = np.meshgrid(*(np.linspace(low, high, count) for (low, high), count in zip(sides, _GRID, strict=True)))
    return contoured(one.function.value(one.centre + np.stack([across, up], axis=-1) @ axes.T), sides)


def _words(one: Valley, values: Mapping[str, Any], state: State) -> tuple[str, str]:
    n, lost = len(one.start), values["diverged_at"]
    if lost is not None:
        said = f"*Diverges*: beyond all bounds at step *{lost}*."
    else:
        said = f"After *{state['steps']}* steps the loss is *{values['losses'][-1]:.4g}*"
        low, first = float(one.function.value(one.centre)), abs(float(one.function.value(one.start)))
        said += f", the minimum downhill from the start {0.0 if abs(low) < 1e-14 * first else low:.4g}." if one.found else "."
    where = "At the minimum" if one.bent else "The minimum is flat, or a kink, to rounding; at the start"
    where = where if one.found else "No minimum was found downhill from the start; at the start"
    curved = one.curved
    if not len(curved):
        return f"{n} {counted(n, 'variable')}. {said} {where} nothing is curved upwards: no learning rate is too large.", said.replace(
            "*", ""
        )
    safe = values["edge"] * state["alpha"] / one.steep
    said += f" {where} the curvature is" if n == 1 else f" {where} the curvatures run from {one.curvatures[0]:.4g} to"
    said += f" {one.steep:.4g}"
    said += f" (condition number {one.steep / curved[0]:.4g}" if n > 1 else ""
    said += f", {n - len(curved)} of {n} not above zero)" if len(curved) < n else ")" if n > 1 else ""
    said += f": α must stay below *{safe:.3g}*."
    text = f"{n} {counted(n, 'variable')}. {said}"
    return text, f"Path of {FAMILY.options[state['family']]} on a function of {n} {counted(n, 'variable')}. {said.replace('*', '')}"


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The plane with the path, the losses, the plane of learning rates, the curvatures."""
    shape = canvas.add_gridspec(2, 2, width_ratios=[1.4, 1])
    ground, loss = canvas.add_subplot(shape[0, 0]), canvas.add_subplot(shape[0, 1])
    rates, lines = canvas.add_subplot(shape[1, 1]), canvas.add_subplot(shape[1, 0])
    if data["flat"]:
        ground.plot(data["contours"]["curve_x"], data["contours"]["curve_y"], color="#7fa8c9")
    else:
        shade(ground, data["contours"])
        halo(ground.annotate("minimum" if data["found"] else "start", (0, 0), (6, -12), textcoords="offset points"))
    if data["ghost"] is not None:
        ground.plot(*data["ghost"].T, "-", lw=0.8, color="#1f4e79")
    ground.plot(*data["path"].T, "o-", color=hot(), ms=2.5, lw=1)
    ground.set(xlim=data["domain"][0], ylim=data["domain"][1], xlabel=data["axes"][0], ylabel=data["axes"][1])
    for row, name, color in zip(data["excess"], data["methods"], [hot(), "#1f4e79"], strict=False):
        loss.semilogy(row, color=color, lw=1.2, label=name)
    loss.set(xlabel="step", ylabel="loss above the lowest")
    loss.legend(frameon=False)
    if "plane" in data:
        over = data["plane"]
        rates.imshow(over["grid"], extent=(0, over["right"], 0, 1), origin="lower", aspect="auto", cmap=colours("map"), vmin=0, vmax=255)
        rates.plot(min(data["alpha"], over["right"]), data["beta"], "o", color=hot(), mec="white")
    rates.set(xlabel="learning rate α", ylabel="momentum β")
    live = data["curvatures"] > 0
    lines.bar(np.arange(1, len(live) + 1)[live], data["curvatures"][live], color="#7fa8c9")
    lines.set(yscale="log" if live.any() else "linear", xlabel="curvature number", ylabel="curvature")
