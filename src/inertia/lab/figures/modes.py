"""The error by eigencomponent: every curvature decays at its own rate, and the slowest decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method, step
from ...core.spectrum import spectrum
from ...theory import modes
from ...theory.catalog import gradient_descent, heavy_ball, nesterov_quadratic
from ...theory.milestones import milestones
from ..fields import Choice, Flag, Number, Numbers, State
from ..plane import FAMILY, GAMMA, best, method, plane, reach
from ..twin import hot, ramp
from ..views import Costly, View

ORDER = 40
TITLE = "The error, curvature by curvature"
FIELDS = {
    "alpha": Number(2 / 1.01, 0.0, 10_000.0, 0.0, "learning rate α"),
    "beta": Number(0.0, 0.0, 0.999, 0.001, "momentum β"),
    "family": FAMILY,
    "gamma": GAMMA,
    "curvatures": Numbers((0.01, 0.1, 1.0), 1e-4, 1000.0, 1, 8, "curvatures λ"),
    "steps": Number(150, 10, 1000, 1, "steps", whole=True),
    "tolerance": Number(0.01, 1e-9, 0.4, 0.0, "tolerance", log=True),
    "log": Flag(True, "logarithmic"),
    "descent": Flag(False, "best gradient descent"),
    "map": Choice("rate", {"rate": "rate in the long run", "steps": "steps to the tolerance"}, "the plane shows"),
}
STEPS = """
import numpy as np
from inertia import rate
from inertia.lab.plane import method, reach
from inertia.theory.modes import iterate

curvatures = np.sort($curvatures)
one = method($family, min($alpha, reach(list(curvatures), $family, $gamma)), $beta, $gamma)
losses = 0.5 * iterate(one, curvatures[:, None], np.arange($steps + 1)).params ** 2
print(f"{np.max(rate(one, curvatures)):.4f}", losses[:, -1])
"""


def view(state: State) -> View:
    """Losses per component (each starts at 1/2), rate curves, milestones, and the plane to move in."""
    family, gamma, curvatures = state["family"], state["gamma"], sorted(state["curvatures"])
    h, right = np.array(curvatures), reach(curvatures, family, gamma)
    alpha = min(state["alpha"], right)
    one = method(family, alpha, state["beta"], gamma)
    k = np.arange(state["steps"] + 1)
    with np.errstate(over="ignore"):
        losses = 0.5 * modes.iterate(one, h[:, None], k).params ** 2  # (n, steps + 1): lambda x0^2 = 1
    total = losses.sum(axis=0)
    across = np.linspace(0, right, 301)
    curves = modes.rate(method(family, across[:, None], np.full((301, 1), state["beta"]), gamma), h)  # (301, n)
    rates = np.atleast_1d(modes.rate(one, h))
    fastest = best(family, curvatures, gamma)
    peak = int(np.argmax(np.where(np.isfinite(total), total, np.inf)))
    values = {
        "alpha": alpha,
        "beta": one.beta,
        "right": right,
        "curvatures": h,
        "losses": losses,
        "total": total,
        "across": across,
        "curves": curves.T,
        "rates": rates,
        "milestones": _milestones(one, curvatures, state["tolerance"]),
        "peak": [peak, float(total[peak])],
        "fastest": {"alpha": float(fastest.alpha), "beta": float(fastest.beta)},
        "kappa": float(h[-1] / h[0]),
        "digits": _digits(h),
        "descent": _descent(h, k) if state["descent"] else None,
    }
    key = f"{family}|{gamma if family == 'any' else 0}|{curvatures}"
    alt = f"Loss of {len(h)} eigencomponents under {FAMILY.options[family]}; the slowest has rate {rates.max():.4f}."
    costly = {"plane": Costly(key, lambda: plane(family, curvatures, gamma, 121))}
    if state["map"] == "steps":
        asked = f"{key}|{state['steps']}|{state['tolerance']}"
        costly["until"] = Costly(asked, lambda: until(family, h, gamma, right, state["steps"], state["tolerance"]))
    return View(values, _words(state, rates, total, peak), alt, costly)


def _digits(h: NDArray[np.float64]) -> dict[str, float]:
    """Steps per decimal digit of the error of each method at its best numbers: the article's table; 0 where one step is all."""
    low, high = float(h[0]), float(h[-1])
    made = {"descent": gradient_descent, "momentum": heavy_ball, "nesterov": nesterov_quadratic}
    rates = {name: float(np.max(modes.rate(one(low, high), h[[0, -1]]))) for name, one in made.items()}
    return {name: -1 / float(np.log10(size)) if size > 1e-6 else 0.0 for name, size in rates.items()}


def _descent(h: NDArray[np.float64], k: NDArray[np.intp]) -> NDArray[np.float64]:
    """Total loss of gradient descent at its own best learning rate."""
    return np.asarray(0.5 * np.square(modes.iterate(gradient_descent(float(h[0]), float(h[-1])), h[:, None], k).params).sum(axis=0))


def until(family: str, h: NDArray[np.float64], gamma: float, right: float, steps: int, tolerance: float) -> dict[str, Any]:
    """First step from which the total loss stays at or below the tolerance within `steps`, over the plane of (alpha, beta).

    `grid` holds 0 (at once) to 254 (at the last step), 255 where it does not; `best` is where fewest are needed, None if nowhere.

    >>> until("descent", np.array([1.0]), 0.0, 2.1, 10, 0.01)["best"]["steps"]
    1
    """
    size = int(min(41, max(15, np.sqrt(1.2e6 / (steps * h.size)))))
    alpha, beta = np.linspace(0, right, size), np.linspace(0, 0.999, size)
    one = method(family, alpha[None, :], beta[:, None], gamma)
    params = [np.full((size, size), 1 / np.sqrt(v)) for v in h]
    velocity, last = [np.zeros((size, size)) for _ in h], np.full((size, size), -1)
    with np.errstate(all="ignore"):
        for k in range(steps + 1):
            total = np.zeros((size, size))
            for i, v in enumerate(h):
                total += 0.5 * v * params[i] * params[i]
                params[i], velocity[i] = step(one, params[i], velocity[i], v * params[i])
            last = np.where(total <= tolerance, last, k)  # also where it is not finite
    first = last + 1
    within = first <= steps
    place = np.unravel_index(np.argmin(np.where(within, first, steps + 1)), first.shape)
    found = {"alpha": float(alpha[place[1]]), "beta": float(beta[place[0]]), "steps": int(first[place])}
    grid = np.where(within, np.round(254 * first / steps), 255).astype(np.uint8)
    return {"grid": grid, "right": right, "best": found if within.any() else None}


def _milestones(one: Method, curvatures: list[float], tolerance: float) -> list[float]:
    """First step from which each component's loss stays at or below the tolerance; infinite where it never does."""
    h = np.array(curvatures)
    return milestones(one, spectrum(h, 1 / h), tolerance, relative=False).tolist()


def _words(state: State, rates: NDArray[np.float64], total: NDArray[np.float64], peak: int) -> str:
    worst = float(rates.max())
    if worst > 1 + 1e-9:
        return f"The steepest component has rate *{worst:.4f}*: it *diverges*. Lower α, or raise β: momentum widens the range of steps."
    slowest = state["curvatures"][0] if len(rates) == 1 else sorted(state["curvatures"])[int(np.argmax(rates))]
    said = f"The slowest component is λ = {slowest:g}, shrinking by *{worst:.4f}* a step, its loss by {worst**2:.4f}."
    if peak > 0 and total[peak] > 1.02 * total[0]:
        said += (
            f" Before it falls the loss rises to *{total[peak]:.3g}* at step {peak}: where two roots meet, the error goes"
            " like k·rateᵏ, and the fastest method in the long run is not the fastest at the start."
        )
    return said


def best_of(state: Mapping[str, Any]) -> Method:
    """The fastest method of the family on the state's curvatures.

    >>> round(float(best_of({"family": "descent", "curvatures": [0.01, 1.0], "gamma": 0.0}).alpha), 6)
    1.980198
    """
    return best(state["family"], sorted(state["curvatures"]), state["gamma"])


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Loss by component, and the rate of each against the learning rate."""
    left, right = canvas.subplots(1, 2, width_ratios=[1.6, 1])
    count = len(data["curvatures"])
    for index, row in enumerate(data["losses"]):
        left.semilogy(np.where(row > 0, row, np.nan), color=ramp(index, count), lw=1.2, label=f"λ = {data['curvatures'][index]:g}")
        right.plot(data["across"], data["curves"][index], color=ramp(index, count), lw=1.2)
    left.semilogy(np.where(data["total"] > 0, data["total"], np.nan), color=hot(), lw=1.6, label="total")
    if data["descent"] is not None:
        left.semilogy(data["descent"], color="#66727e", ls="--", lw=1, label="best gradient descent")
    left.set(xlabel="step", ylabel="loss", ylim=(max(1e-12, float(np.nanmin(data["total"])) / 10), None))
    left.legend(frameon=False)
    right.axvline(data["alpha"], color=hot(), lw=1)
    right.plot(np.full(count, data["alpha"]), data["rates"], "o", color=hot(), ms=5)
    right.set(xlabel="learning rate α", ylabel="rate", ylim=(0, 1.1), xlim=(0, data["right"]))
