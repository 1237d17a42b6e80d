"""The map of convergence: how fast a method is at every (alpha, beta), and why, from its two roots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...core.method import Method
from ...theory import modes
from ..fields import Flag, Number, Numbers, State
from ..plane import FAMILY, GAMMA, method, plane, reach, worst_rate
from ..twin import colours, halo, hot
from ..views import Costly, View, counted

ORDER = 60
TITLE = "The map of convergence"
FIELDS = {
    "alpha": Number(1.2, 0.0, 1000.0, 0.0, "learning rate α"),
    "beta": Number(0.55, 0.0, 1.0, 0.001, "momentum β"),
    "family": FAMILY,
    "gamma": GAMMA,
    "curvatures": Numbers((1.0,), 0.01, 1000.0, 1, 6, "curvatures λ"),
    "log": Flag(False, "logarithmic"),
}
_STEPS = 40
# alpha times lambda and beta of the five behaviours, as the reader may jump to them.
REGIMES = {
    "ripples": (0.15, 0.9),
    "monotone": (0.15, 0.125),
    "one step": (1.0, 0.0),
    "alternating": (2.0, 0.05),
    "divergent": (2.5, 0.235),
}
_SAID = {
    "one-step": "both roots are zero: the error is gone after a step or two",
    "monotone": "real positive roots: the error shrinks without ever changing sign",
    "ripples": "complex roots: the error swings around zero while it shrinks, at a rate that the momentum sets",
    "alternating": "a negative root dominates: the error jumps from side to side",
    "undamped": "a root on the unit circle: the error never settles",
    "divergent": "a root outside the unit circle: the error grows",
}
STEPS = """
import numpy as np
from inertia import rate
from inertia.lab.plane import method, reach
from inertia.theory.modes import roots

curvatures = np.sort($curvatures)
one = method($family, min($alpha, reach(list(curvatures), $family, $gamma)), $beta, $gamma)
print(f"{np.max(rate(one, curvatures)):.4f}", roots(one, curvatures))
"""


def view(state: State) -> View:
    """The plane for the family, the chosen point's roots per curvature, and the iterates it makes."""
    family, gamma, curvatures = state["family"], state["gamma"], sorted(state["curvatures"])
    right = reach(curvatures, family, gamma)
    alpha = min(state["alpha"], right)
    one = method(family, alpha, state["beta"], gamma)
    h = np.array(curvatures)
    found = modes.roots(one, h)  # (n, 2)
    k = np.arange(_STEPS + 1)
    errors = modes.iterate(one, h[:, None], k).params  # (n, steps + 1)
    slowest = int(np.argmax(np.abs(found[:, 0])))
    size, kind = float(np.abs(found[slowest, 0])), str(modes.regime(one, h[slowest]))
    across, up = np.linspace(0, right, 241), np.linspace(0, 1, 121)
    values = {
        "alpha": alpha,
        "beta": one.beta,
        "right": right,
        "rate": size,
        "regime": kind,
        "roots": np.stack([found.real, found.imag], axis=-1),
        "errors": errors,
        "slice_alpha": worst_rate(method(family, across, np.full_like(across, state["beta"]), gamma), h),
        "slice_beta": worst_rate(method(family, np.full_like(up, alpha), up, gamma), h),
        "regimes": {name: [a / max(curvatures), b] for name, (a, b) in REGIMES.items()},
    }
    key = f"{family}|{gamma if family == 'any' else 0}|{curvatures}"
    costly = {"plane": Costly(key, lambda: plane(family, curvatures, gamma)), "five": Costly("five", _five)}
    caption = f"{_speed(size)} {kind.capitalize()}: {_SAID[kind]}."
    alt = f"Rate of {FAMILY.options[family]} over learning rate and momentum; the chosen point has rate {size:.4f} and is {kind}."
    return View(values, caption, alt, costly)


def _five() -> dict[str, Any]:
    """The five behaviours of the heavy ball side by side: (5, steps + 1) errors of one curvature, in the order of REGIMES."""
    alpha, beta = np.array(list(REGIMES.values())).T
    return {"errors": modes.iterate(Method(alpha[:, None], beta[:, None]), 1.0, np.arange(_STEPS + 1)).params, "names": list(REGIMES)}


def _speed(size: float) -> str:
    if size > 1 + 1e-9:
        return f"Each step multiplies the error by *{size:.4f}*, eventually: it diverges."
    if size > 1 - 1e-9:
        return "Each step multiplies the error by *1*: it never settles."
    if size < 1e-6:
        return "The error is gone *at once*."
    digits = np.log(10) / -np.log(size)
    return f"Each step multiplies the error by *{size:.4f}*, eventually: about *{digits:.0f}* {counted(round(digits), 'step')} per digit."


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The plane with its boundaries, the roots on the unit circle, the iterates."""
    shape = canvas.add_gridspec(2, 2, width_ratios=[1.5, 1])
    big, circle, runs = canvas.add_subplot(shape[:, 0]), canvas.add_subplot(shape[0, 1]), canvas.add_subplot(shape[1, 1])
    rates = data["plane"]
    frame = (0, rates["right"], 0, 1)
    image = big.imshow(rates["grid"], extent=frame, origin="lower", aspect="auto", cmap=colours("map"), vmin=0, vmax=255)
    (region,) = big.fill(np.append(rates["edge_alpha"], [0, 0]), np.append(rates["edge_beta"], [1, 0]), fc="none", ec="none")
    image.set_clip_path(region)
    big.plot(rates["edge_alpha"], rates["edge_beta"], color="#22303c", lw=1)
    for fringe in rates["fringes"]:
        for side in ("left", "right"):
            big.plot(fringe[side], fringe["beta"], color="white", lw=0.8, ls=(0, (3, 3)))
    big.plot(data["alpha"], data["beta"], "o", color=hot(), mec="white", ms=9, zorder=5)
    place = rates["best"]
    halo(big.annotate("fastest", (place["alpha"], place["beta"]), (6, 6), textcoords="offset points", fontsize=9))
    big.plot(place["alpha"], place["beta"], "o", mfc="none", mec="#22303c", ms=6)
    big.set(xlabel="learning rate α", ylabel="momentum β", xlim=(0, rates["right"]), ylim=(0, 1))
    turn = np.linspace(0, 2 * np.pi, 200)
    circle.plot(np.cos(turn), np.sin(turn), color="#66727e", lw=0.8)
    circle.plot(data["roots"][..., 0].ravel(), data["roots"][..., 1].ravel(), "o", color=hot(), ms=5)
    circle.set(aspect="equal", title=f"roots, rate {data['rate']:.4f}")
    for row in data["errors"]:
        runs.plot(np.clip(row, -5, 5), "o-", ms=2.5, lw=0.8, color=hot())
    runs.set(xlabel="step", title="error")
