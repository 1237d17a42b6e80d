"""Two views of one path: as the parameters see it, and in the basis of the eigenvectors, where everything is separate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...theory import modes
from ..fields import Number, State
from ..landscape import Domain, ellipses, paths, quadratic
from ..plane import FAMILY, GAMMA, method
from ..twin import hot, ramp, shade
from ..views import Costly, View, counted

ORDER = 30
TITLE = "Two views of the same path"
FIELDS = {
    "alpha": Number(0.018, 0.0, 50.0, 0.0, "learning rate α"),
    "beta": Number(0.0, 0.0, 0.999, 0.001, "momentum β"),
    "family": FAMILY,
    "gamma": GAMMA,
    "angle": Number(-45.0, -180.0, 180.0, 1.0, "angle of q₁"),
    "flat": Number(1.0, 0.1, 100.0, 0.0, "curvature λ₁", log=True),
    "steep": Number(100.0, 0.1, 100.0, 0.0, "curvature λ₂", log=True),
    "x": Number(-2.5, -3.0, 3.0, 0.0, "start x₁"),
    "y": Number(1.0, -3.0, 3.0, 0.0, "start x₂"),
    "wx": Number(0.0, -1.5, 1.5, 0.0, "optimum w₁"),
    "wy": Number(0.0, -1.5, 1.5, 0.0, "optimum w₂"),
    "steps": Number(300, 1, 600, 1, "steps", whole=True),
}
_DOMAIN: Domain = ((-3.2, 3.2), (-3.2, 3.2))
STEPS = """
import numpy as np
from inertia.lab.plane import method
from inertia.theory.modes import iterate, rate

one, curvatures = method($family, $alpha, $beta, $gamma), np.array([$flat, $steep])
k = np.arange($steps + 1)
moved = iterate(one, curvatures[:, None], k, np.array([[$x], [$y]]))
print(rate(one, curvatures).round(4), (moved.params - one.alpha * (one.delta - one.gamma) * moved.velocity)[:, -1])
"""


def view(state: State) -> View:
    """The path in w-space (run there), in eigenspace (turned), and each coordinate in closed form (never run)."""
    angle, flat, steep = state["angle"], state["flat"], state["steep"]
    turn = np.deg2rad(angle)
    q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])  # columns q1, q2
    one = method(state["family"], state["alpha"], state["beta"], state["gamma"])
    begin = np.array([state["x"], state["y"]])  # in eigen coordinates
    centre = (state["wx"], state["wy"])
    first = q @ begin + centre
    ran = paths(quadratic(angle, flat, steep, centre), [one], (float(first[0]), float(first[1])), state["steps"])
    path = ran.points[0]
    seen = (path - centre) @ q  # Q'(w - w*)
    h = np.array([flat, steep])
    formula = modes.iterate(one, h[:, None], np.arange(state["steps"] + 1), begin[:, None])
    with np.errstate(invalid="ignore"):  # a divergent run ends in inf - inf
        closed = formula.params - one.alpha * (one.delta - one.gamma) * formula.velocity  # what is read out
    matrix = q @ np.diag(h) @ q.T
    finite = np.isfinite(seen).all(axis=1)
    gap = float(np.max(np.abs(closed.T[finite] - seen[finite]))) if finite.any() else float("nan")
    values = {
        "w": path,
        "x": seen,
        "sizes": np.abs(closed),
        "rates": np.atleast_1d(modes.rate(one, h)),
        "q": q,
        "optimum": list(centre),
        "alpha_high": 1.05 * float(modes.edge(method(state["family"], 1.0, 0.9, state["gamma"]))) / max(flat, steep),
        "diverged_at": ran.diverged_at[0],
        "matrix": matrix,
        "domain": _DOMAIN[0],
    }
    rates = values["rates"]
    lost = ran.diverged_at[0]
    said = f"*Diverges* at step {lost}. " if lost is not None else ""
    caption = (
        f"{said}Along q₁ each step multiplies the error by *{rates[0]:.4f}*, along q₂ by *{rates[1]:.4f}*."
        f" The path, run with the matrix and then turned, differs from the two closed forms by at most {gap:.1e}."
    )
    turned = f"eigenvectors turned by {angle:g} {counted(angle, 'degree')}"
    alt = f"The same path in two coordinate systems; eigenvalues {flat:g} and {steep:g}, {turned}."
    costly = {
        "left": Costly(f"{angle}|{flat}|{steep}|{centre}", lambda: ellipses(matrix, centre, _DOMAIN)),
        "right": Costly(f"{flat}|{steep}", lambda: ellipses(np.diag(h), (0.0, 0.0), _DOMAIN)),
    }
    return View(values, caption, alt, costly)


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Both squares and the decay of each coordinate."""
    left, right, sizes = canvas.subplots(1, 3)
    for axes, rings, path, title in ((left, data["left"], data["w"], "w"), (right, data["right"], data["x"], "x = Qᵀw")):
        shade(axes, rings)
        axes.plot(*path.T, "o-", color=hot(), ms=2, lw=1)
        axes.set(xlim=data["domain"], ylim=data["domain"], aspect="equal", xticks=[], yticks=[], title=title)
    for index, row in enumerate(data["sizes"]):
        sizes.semilogy(np.where(row > 1e-300, row, np.nan), color=ramp(index, 2), label=f"|x{'₁₂'[index]}|")
    sizes.set(xlabel="step", ylim=(1e-12, 10))
    sizes.legend(frameon=False)
