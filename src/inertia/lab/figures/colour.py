"""Colour spreading through a maze: four methods side by side, and the maze is the reader's to change."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...theory import catalog, modes
from ..fields import Choice, Number, Numbers, State, Text
from ..mazes import HUGE, PRESETS, Conjugate, Reduced, conjugate, decoded, encoded, preset, reduced
from ..twin import colours, hot, ramp
from ..vast import VAST, Long
from ..views import Costly, View, counted

ORDER = 90
TITLE = "Colour through a maze"
FIELDS = {
    "k": Number(150, 1, 1_000_000, 1, "steps", log=True, whole=True),
    "alpha": Number(0.50221, 1e-4, 1.0, 0.0, "momentum: learning rate α"),
    "beta": Number(0.9899, 0.0, 0.999, 0.0001, "momentum: β"),
    "maze": Choice("chambers", PRESETS, "maze"),
    "brush": Choice("wall", {"wall": "walls", "seed": "seeds"}, "tap to change"),
    "cells": Text("", 2600, "cells"),
    "seeds": Numbers((-1.0,), -1, 9999, 1, 40, "seeds"),
    "mode": Number(2, 1, 48, 1, "eigenvector", whole=True),
}
# With Python behind the page: mazes of more than 10,000 cells.
SERVED = {
    "maze": Choice("chambers", PRESETS | HUGE, "maze"),
    "cells": Text("", VAST // 4 + 20, "cells"),
    "seeds": Numbers((-1.0,), -1, VAST - 1, 1, 40, "seeds"),
}
NAMES = ("gradient descent", "momentum", "Chebyshev", "conjugate gradients")
_SHOWN = 48  # modes drawn as bars
_STEPS = np.unique(np.concatenate([[0], np.geomspace(1, 1e6, 100).astype(int)]))
_DONE = 1e-3  # a mode is done when its error is this share of its start
Array = NDArray[np.float64]
STEPS = """
import numpy as np
from inertia.core.method import Method
from inertia.lab.mazes import reduced
from inertia.theory import catalog
from inertia.theory.modes import iterate

found = reduced(shown["maze"]["text"], tuple(shown["maze"]["seeds"]))  # the maze in the basis that holds every iterate
plain = catalog.gradient_descent(found.values[0], found.values[-1])
for one in (plain, Method($alpha, beta=$beta)):
    left = np.clip(iterate(one, found.values, $k).params, -1e30, 1e30)
    print(f"{np.sqrt(np.sum(left**2 * found.shares)):.3g}")
"""


def view(state: State) -> View:
    """The four pictures after k steps, the error of each over k, the slow modes, and the mode in hand."""
    text, seeds = _maze(state)
    found = reduced(text, seeds)
    mask = decoded(text)
    low, high = float(found.values[0]), float(found.values[-1])
    one, k = Method(state["alpha"], state["beta"]), state["k"]
    others, ran = _others(text, seeds), conjugate(text, seeds)
    factors = _factors(found, one, k)
    pictures, here = np.full((4, mask.size), 0, dtype=np.uint8), min(k, len(ran.errors) - 1)
    pictures[:, found.cells] = _bytes(np.vstack([found.picture(factors), ran.at(here)]))
    errors = np.stack([others[0], _line(text, seeds, one), others[1], _followed(ran)])
    now = np.append(np.sqrt(np.square(factors) @ found.shares), ran.errors[here])
    if k > here and not ran.done:
        now[3] = np.nan
    shown = found.known[:_SHOWN]
    slow = _done(one, found.values[shown])
    hand = min(state["mode"] - 1, len(shown) - 1)
    shape = found.vectors[:, shown[hand]] * np.sign(found.signs[shown[hand]])
    mode = np.full(mask.size, 127, dtype=np.uint8)
    mode[found.cells] = np.round(127 + 127 * shape / np.max(np.abs(shape)))
    best = catalog.heavy_ball(low, high)
    values = {
        "k": k,
        "pictures": pictures,
        "steps": _STEPS,
        "errors": errors,
        "now": now,
        "values": found.values[shown],
        "done": slow,
        "shares": found.shares[shown],
        "mode": mode,
        "hand": hand,
        "kappa": high / low,
        "best": {"alpha": float(best.alpha), "beta": float(best.beta)},
        "alpha_high": 4.2 / high,
        "rate": float(np.max(modes.rate(one, found.values))),
        "reached": int(found.cells.size),
        "cells": int(mask.sum()),
    }
    size = f"{mask.shape[0]} by {mask.shape[1]}"
    alt = f"A maze of {size} cells after {k} {counted(k, 'step')} of four methods; condition number {high / low:.4g}."
    costly = {"maze": Costly(f"{text}|{seeds}", lambda: _plan(text, seeds)), "presets": Costly("presets", _presets)}
    return View(values, _words(values, mask), alt, costly)


def _maze(state: State) -> tuple[str, tuple[int, ...]]:
    mask, own = preset(state["maze"])
    text = state["cells"] or encoded(mask)
    seeds = tuple(int(seed) for seed in state["seeds"])
    return text, tuple(own) if seeds == (-1,) else seeds


def _plan(text: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    mask = decoded(text)
    live = np.zeros(mask.size, dtype=bool)
    live[reduced(text, seeds).cells] = True
    return {"mask": mask, "live": live.reshape(mask.shape), "seeds": [seed for seed in seeds if 0 <= seed < mask.size], "text": text}


def _presets() -> dict[str, Any]:
    return {name: {"cells": encoded(preset(name)[0]), "seeds": preset(name)[1]} for name in PRESETS}


@functools.lru_cache(maxsize=6)
def _others(text: str, seeds: tuple[int, ...]) -> tuple[Array, Array]:
    """Errors of gradient descent and Chebyshev over the steps drawn: they do not depend on the momentum in hand."""
    found = reduced(text, seeds)
    low, high = float(found.values[0]), float(found.values[-1])
    slow = catalog.gradient_descent(low, high)
    descent = _errors(found, lambda h, k: modes.iterate(slow, h, k).params)
    return descent, _errors(found, lambda h, k: _chebyshev(low, high, h, k))


def _followed(ran: Conjugate | Long) -> Array:
    """The error of conjugate gradients over the steps drawn, nan where they were not followed or nothing is left."""
    last = len(ran.errors) - 1
    line = ran.errors[np.minimum(_STEPS, last)]
    return np.where((last < _STEPS) | (line < 1e-13), np.nan, line)


@functools.lru_cache(maxsize=16)
def _line(text: str, seeds: tuple[int, ...], one: Method) -> Array:
    """Error of momentum over the steps drawn; kept while other things move."""
    return _errors(reduced(text, seeds), lambda h, k: _pushed(one, h, k))


def _errors(found: Reduced, factors: Callable[[Array, Any], Any]) -> Array:
    """Error over the steps drawn, over the error at the start, from the modes that hold any of it."""
    live = found.shares > 1e-22
    return np.asarray(np.sqrt(np.square(factors(found.values[live], _STEPS[:, None])) @ found.shares[live]))


def _factors(found: Reduced, one: Method, k: int) -> Array:
    """What each method's polynomial leaves of every mode after k steps: (3, modes)."""
    h, low, high = found.values, float(found.values[0]), float(found.values[-1])
    slow = modes.iterate(catalog.gradient_descent(low, high), h, k).params
    return np.stack([slow, _pushed(one, h, k), _chebyshev(low, high, h, k)])


def _pushed(one: Method, h: Array, k: Any) -> Array:
    return np.clip(np.nan_to_num(modes.iterate(one, h, k).params), -1e30, 1e30)


def _chebyshev(low: float, high: float, h: Array, k: Any) -> Array:
    """T_k((L + mu - 2h)/(L - mu))/T_k((L + mu)/(L - mu)) without overflow."""
    if high - low <= 1e-12 * high:
        return np.where(np.asarray(k) == 0, 1.0, 0.0) * np.ones_like(h)
    growth = k * np.arccosh((high + low) / (high - low))
    with np.errstate(under="ignore"):
        wave = np.cos(k * np.arccos(np.clip((high + low - 2 * h) / (high - low), -1, 1)))
        return np.asarray(wave * 2 * np.exp(-growth) / (1 + np.exp(-2 * growth)))


def _bytes(weights: Array) -> NDArray[np.uint8]:
    """0 is no colour, 127 full, 254 twice as much and beyond."""
    return np.asarray(np.round(127 * np.clip(np.nan_to_num(weights, nan=2.0), 0, 2)), dtype=np.uint8)


def _done(one: Method, h: Array) -> Array:
    """Steps until each mode's error is below a thousandth, to within its ripples: the envelope of its rate."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(_DONE) / np.log(np.minimum(modes.rate(one, h), 1.0)))


def _words(values: Mapping[str, Any], mask: NDArray[np.bool_]) -> str:
    now = values["now"]
    lost = int(mask.sum()) - values["reached"]
    said = f"Condition number *{values['kappa']:,.0f}*. After *{values['k']:,}* {counted(values['k'], 'step')} the error is "
    said += f"{now[0]:.3g} for gradient descent, "
    if values["rate"] >= 1:
        said += "momentum *diverges* here (its step is beyond 2(1 + β)/λ), "
    else:
        said += f"*{now[1]:.3g}* with momentum, "
    said += f"{now[2]:.3g} for Chebyshev"
    said += (
        f" and {now[3]:.3g} for conjugate gradients."
        if np.isfinite(now[3])
        else "; conjugate gradients are shown where they were followed."
    )
    if not lost:
        return said
    return f"{said} {lost} {counted(lost, 'cell is', 'cells are')} walled off: no colour ever reaches {counted(lost, 'it', 'them')}."


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Four mazes, their errors, the slow modes."""
    rows, columns = data["maze"]["mask"].shape
    flat = rows < columns / 2
    shape = canvas.add_gridspec(3 if flat else 2, 4, height_ratios=[1, 1, 2.4] if flat else [1, 1])
    walls = np.where(data["maze"]["live"], 1.0, np.nan)
    for index, name in enumerate(NAMES):
        place = shape[index // 2, 2 * (index % 2) : 2 * (index % 2) + 2] if flat else shape[0, index]
        axes = canvas.add_subplot(place)
        axes.set_facecolor("#d9e0e6")
        axes.imshow(data["pictures"][index].reshape(rows, columns) * walls, cmap=colours("wave"), vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[], title=f"{name}: error {data['now'][index]:.3g}")
    last = shape.nrows - 1
    errors, bars = canvas.add_subplot(shape[last, :2]), canvas.add_subplot(shape[last, 2:])
    for index, name in enumerate(NAMES):
        color = hot() if index == 1 else ramp(index, 4)
        line = np.where(data["errors"][index] > 1e-12, data["errors"][index], np.nan)
        errors.loglog(np.maximum(data["steps"], 0.8), line, color=color, label=name)
    errors.set(xlabel="steps", ylabel="error", ylim=(1e-8, 2))
    errors.legend(frameon=False, fontsize=7)
    bars.bar(np.arange(len(data["values"])), np.log10(data["values"]) + 6, bottom=-6, color="#7fa8c9")
    bars.set(xlabel="eigenvector", ylabel="log₁₀ λ")
