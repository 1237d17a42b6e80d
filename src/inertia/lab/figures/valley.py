"""The valley of document 001: four runs on 0.1 x^2 + 2 y^2, the zigzag, and how far each method's step may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...theory import modes
from ..fields import Number, State
from ..landscape import SURFACES, paths, shaded
from ..plane import FAMILY, GAMMA, method
from ..twin import halo, hot, shade
from ..views import Costly, View, counted

ORDER = 20
TITLE = "A narrow valley"
FIELDS = {
    "alpha": Number(0.6, 0.0, 1.2, 0.005, "learning rate α"),
    "beta": Number(0.5, 0.0, 0.99, 0.005, "momentum β"),
    "family": FAMILY,
    "gamma": GAMMA,
    "x": Number(-5.0, -6.0, 3.0, 0.0, "start x"),
    "y": Number(-2.0, -3.0, 1.8, 0.0, "start y"),
    "steps": Number(20, 1, 200, 1, "steps", whole=True),
}
RUNS = ((0.4, 0.0), (0.6, 0.0), (0.6, 0.5), (0.6, 0.25))  # (alpha, beta) of the document, in its order
_LIMITS = ("heavy-ball", "nesterov", "triple")
_STEEP = 4.0  # curvature across the valley
_FLAT = 0.2
STEPS = """
import numpy as np
from inertia.core.method import readout, step
from inertia.lab.plane import method

one = method($family, $alpha, $beta, $gamma)
w, velocity = np.array([$x, $y]), np.zeros(2)
for k in range($steps):
    w, velocity = step(one, w, velocity, np.array([0.2, 4.0]) * w)  # the gradient of 0.1 x^2 + 2 y^2
print("after", $steps, "steps:", *(f"{part:.4g}" for part in readout(one, w, velocity)))
"""


def view(state: State) -> View:
    """The reader's run and the document's four from the same start, and the largest stable step of every method."""
    ground, start = SURFACES["valley"], (state["x"], state["y"])
    one = method(state["family"], state["alpha"], state["beta"], state["gamma"])
    ran = paths(ground, [one, *(method("heavy-ball", alpha, beta) for alpha, beta in RUNS)], start, state["steps"])
    b = np.linspace(0, 0.99, 100)
    limits = [modes.edge(method(family, np.ones_like(b), b)) / _STEEP for family in _LIMITS]
    path = ran.points[0]
    turns = int(np.sum(path[1:, 1] * path[:-1, 1] < 0))
    values = {
        "path": path,
        "runs": [{"alpha": alpha, "beta": beta, "path": ran.points[1 + index]} for index, (alpha, beta) in enumerate(RUNS)],
        "ends": [_end(ran.points[1 + index], state["steps"]) for index in range(len(RUNS))],
        "diverged_at": ran.diverged_at[0],
        "turns": turns,
        "beta": b,
        "limits": np.stack(limits),
        "limit": float(modes.edge(method(state["family"], 1.0, state["beta"], state["gamma"]))) / _STEEP,
        "names": [FAMILY.options[family] for family in _LIMITS],
        "domain": [list(side) for side in ground.domain],
        "curvatures": [_FLAT, _STEEP],
    }
    return View(
        values, _words(state, path, turns, values["limit"]), _alt(state, path), {"contours": Costly("valley", lambda: shaded(ground))}
    )


def _end(path: NDArray[np.float64], steps: int) -> str:
    last = path[np.isfinite(path[:, 0])][-1]
    return f"({_figure(last[0])}, {_figure(last[1])})" if len(last) and np.isfinite(path[-1, 0]) else f"gone before step {steps}"


def _figure(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _words(state: State, path: NDArray[np.float64], turns: int, limit: float) -> str:
    if state["alpha"] > limit * (1 + 1e-12):
        said = f"Beyond *{limit:.4g}*, the largest step that {FAMILY.options[state['family']]} survives here, it *diverges*."
    else:
        ended, word = (
            _end(path, state["steps"]).replace("(", "(*").replace(", ", "*, *").replace(")", "*)"),
            counted(state["steps"], "step"),
        )
        said = f"After {state['steps']} {word}: {ended}."
    said = f"{said} It crossed the floor *{turns}* {counted(turns, 'time')}."
    return f"{said} Along the floor one step alone is worth {state['alpha'] * _FLAT:.3g} of the way."


def _alt(state: State, path: NDArray[np.float64]) -> str:
    return f"Path in a narrow valley with step {state['alpha']:g} and momentum {state['beta']:g}; it ends at {_end(path, state['steps'])}."


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The four runs side by side, and the limits below."""
    shape = canvas.add_gridspec(2, 4, height_ratios=[1, 1.1])
    for index, run in enumerate(data["runs"]):
        small = canvas.add_subplot(shape[0, index])
        shade(small, data["contours"])
        small.plot(*run["path"].T, "o-", color=hot(), ms=2, lw=1)
        small.set(xlim=data["domain"][0], ylim=data["domain"][1], xticks=[], yticks=[], title=f"α = {run['alpha']:g}, β = {run['beta']:g}")
    own, limits = canvas.add_subplot(shape[1, :2]), canvas.add_subplot(shape[1, 2:])
    shade(own, data["contours"])
    own.plot(*data["path"].T, "o-", color=hot(), ms=3, lw=1)
    own.set(xlim=data["domain"][0], ylim=data["domain"][1])
    for row, name, color in zip(data["limits"], data["names"], ["#1f4e79", "#4a82ae", "#8fb4d1"], strict=True):
        limits.plot(data["beta"], row, color=color)
        halo(limits.annotate(name, (data["beta"][60], row[60]), (0, 5), textcoords="offset points", color=color))
    limits.set(xlabel="momentum β", ylabel="largest stable step α", ylim=(0, 1.05))
