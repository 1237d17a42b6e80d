"""Gradient noise: a transient that momentum shortens, then a floor that momentum raises."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method, step
from ...core.schedule import Schedule, shaped, step_decay, tabulate
from ...core.spectrum import Spectrum, spectrum
from ...theory import noise, quadratic
from ..draws import normal
from ..fields import Choice, Flag, Number, Numbers, State
from ..plane import best, plane, reach
from ..twin import hot, ramp
from ..views import Costly, View, counted

ORDER = 120
TITLE = "Noise"
_SCHEDULES = {"constant": "constant", "linear": "linear", "cosine": "cosine", "halves": "tenfold drop at half"}
FIELDS = {
    "alpha": Number(0.033, 1e-6, 1000.0, 0.0, "learning rate α", log=True),
    "beta": Number(0.67, 0.0, 0.999, 0.001, "momentum β"),
    "sigma": Number(3.0, 0.0, 10.0, 0.05, "noise of a gradient σ"),
    "curvatures": Numbers((1.0,), 0.01, 100.0, 1, 5, "curvatures λ"),
    "schedule": Choice("constant", _SCHEDULES, "learning rate over time"),
    "steps": Number(150, 20, 600, 1, "steps", whole=True),
    "runs": Number(100, 1, 300, 1, "runs", whole=True),
    "seed": Number(0, 0, 9999, 1, "seed", whole=True),
    "log": Flag(False, "logarithmic"),
}  # fmt: skip
_START = 1.5  # expected loss at step 0, shared equally by the curvatures
_MATCHED = (0.0, 0.5, 0.9, 0.97)  # momenta compared at one alpha/(1 - beta)
_TRADED = (0.0, 0.5, 0.9, 0.99)  # momenta along which learning rate trades rate for floor
_SHOWN = 6  # single runs that are drawn
Array = NDArray[np.float64]
STEPS = """
import numpy as np
from inertia.core.method import Method
from inertia.core.schedule import shaped, step_decay
from inertia.core.spectrum import spectrum
from inertia.theory import noise, quadratic

curvatures = np.sort($curvatures)
known = spectrum(curvatures, weights=3.0 / curvatures.size / curvatures, noise=$sigma**2)
one = Method(shown["alpha"], beta=$beta)
plan = step_decay(one, max(1, $steps // 2)) if $schedule == "halves" else shaped($schedule, one, $steps)
print(f"{quadratic.worst_rate(one, known) ** 2:.4f}", f"{noise.floor(one, known):.3g}")
print(f"{quadratic.loss_curve(plan, known, $steps)[-1]:.3g}")
"""


def view(state: State) -> View:
    """Bias, noise and their sum in closed form; the runs that must agree; matched momenta; rate against floor."""
    curvatures = sorted(state["curvatures"])
    known = _spectrum(curvatures, state["sigma"])
    right = reach(curvatures)
    alpha = min(state["alpha"], right)
    one = Method(alpha, state["beta"])
    planned = _planned(state["schedule"], one, state["steps"])
    constant = state["schedule"] == "constant"
    scale = alpha / (1 - state["beta"])
    # a method that never changes has a shorter road than a schedule of equal methods, and goes with those it is compared to
    betas = np.array([state["beta"], *_MATCHED])
    parts = quadratic.components(Method(scale * (1 - betas), betas), known, state["steps"])
    alike = (parts.bias + parts.noise)[1:].sum(axis=-1)
    own = parts if constant else quadratic.components(planned, known, state["steps"])
    bias, floor_part = ((part[0] if constant else part).sum(axis=-1) for part in own)
    losses = _runs(planned, known, state["steps"], state["runs"], state["seed"])  # (steps + 1, runs)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = losses.mean(axis=1)
        low, high = _quantiles(losses, 0.1, 0.9)
    level, size = float(noise.floor(one, known)), float(quadratic.worst_rate(one, known))
    fastest = best("heavy-ball", curvatures)
    below = np.flatnonzero((bias < floor_part) & (size < 1) & constant)
    values = {
        "alpha": alpha,
        "beta": one.beta,
        "right": right,
        "bias": bias,
        "noise": floor_part,
        "total": bias + floor_part,
        "mean": mean,
        "low": low,
        "high": high,
        "single": losses[:, :_SHOWN].T,
        "crossing": int(below[0]) if len(below) else None,
        "floor": level,
        "rate": size,
        "scale": scale,
        "matched": alike,
        "matched_betas": list(_MATCHED),
        "fastest": {"alpha": float(fastest.alpha), "beta": float(fastest.beta)},
    }  # fmt: skip
    key = f"{curvatures}"
    costly = {
        "plane": Costly(key, lambda: plane("heavy-ball", curvatures, size=121)),
        "traded": Costly(f"{key}|{state['sigma']}", lambda: _traded(curvatures, state["sigma"])),
    }
    alt = f"Expected loss split into bias and noise over {state['steps']} steps, with {state['runs']} seeded runs; floor {level:.3g}."
    return View(values, _words(state, values), alt, costly)


def _spectrum(curvatures: list[float], sigma: float) -> Spectrum:
    h = np.array(curvatures)
    return spectrum(h, weights=2 * _START / h.size / h, noise=sigma**2)


def _planned(name: str, one: Method, steps: int) -> Schedule:
    return step_decay(one, max(1, steps // 2)) if name == "halves" else shaped(name, one, steps)


def _runs(planned: Schedule, known: Spectrum, steps: int, runs: int, seed: int) -> Array:
    """The loss of every run after every step, inertia's own step with gradient h x + noise: (steps + 1, runs)."""
    h, table = known.curvatures, zip(*(field.tolist() for field in tabulate(planned, steps)), strict=True)
    kicks = _kicks(steps, runs, h.size, seed) * np.sqrt(known.noise)
    params = np.broadcast_to(np.sqrt(known.weights), (runs, h.size))
    velocity, path = np.zeros((runs, h.size)), np.empty((steps + 1, runs, h.size))
    path[0] = params
    with np.errstate(over="ignore", invalid="ignore"):
        for k, (now, kick) in enumerate(zip(table, kicks, strict=True)):
            params, velocity = step(Method(*now), params, velocity, h * params + kick)
            path[k + 1] = params
        return np.asarray(0.5 * np.square(path) @ h)


def _quantiles(values: Array, *shares: float) -> Array:
    """np.quantile(values, shares, axis=1), linear between neighbours, in a quarter of its time."""
    ordered = np.sort(values, axis=1)
    places = np.array(shares) * (values.shape[1] - 1)
    low = places.astype(int)
    here, there = ordered[:, low], ordered[:, np.minimum(low + 1, values.shape[1] - 1)]
    return np.asarray(np.where(here == there, here, here + (places - low) * (there - here)).T)


@functools.lru_cache(maxsize=4)
def _kicks(steps: int, runs: int, modes: int, seed: int) -> Array:
    return normal(seed, steps, runs, modes)


def _traded(curvatures: list[float], sigma: float) -> dict[str, Any]:
    """For each momentum, steps per digit and floor along the stable learning rates up to the fastest."""
    known, betas = _spectrum(curvatures, sigma), np.array(_TRADED)[:, None]
    fastest = np.array([_fastest(curvatures, beta) for beta in _TRADED])[:, None]
    one = Method(fastest * np.geomspace(1e-3, 1, 61), np.broadcast_to(betas, (len(_TRADED), 61)))
    with np.errstate(divide="ignore"):
        slow = np.log(10) / -np.log(np.minimum(quadratic.worst_rate(one, known), 1.0))
    return {"betas": list(_TRADED), "slow": slow, "floor": noise.floor(one, known)}


def _fastest(curvatures: list[float], beta: float) -> float:
    """The learning rate of least rate at this momentum: where both ends of the spectrum are equally slow."""
    if beta == 0:
        return float(best("descent", curvatures).alpha)
    grid = np.geomspace(1e-7, 1, 600) * 2 * (1 + beta) / max(curvatures)
    rates = quadratic.worst_rate(Method(grid, np.full_like(grid, beta)), spectrum(curvatures))
    return float(grid[int(np.argmin(np.round(rates, 12)))])


def _words(state: State, values: Mapping[str, Any]) -> str:
    if values["rate"] >= 1 - 1e-12:
        return f"The rate is *{values['rate']:.4f}*: the loss never settles, with noise or without. Lower α or raise β."
    if state["sigma"] == 0:
        return f"No noise: each step multiplies the loss by *{values['rate'] ** 2:.4f}* in the end, for as long as you like."
    said = f"The noise keeps up a loss of *{values['floor']:.3g}*, whatever the start"
    if state["schedule"] != "constant":
        ends = f"the schedule ends at *{values['total'][-1]:.3g}*, bias and noise together"
        return f"At a constant step the floor would be *{values['floor']:.3g}*; {ends}."
    if values["crossing"] is not None:
        said += f"; the start is forgotten after *{values['crossing']}* {counted(values['crossing'], 'step')}"
    gap = float(np.max(np.abs(values["mean"] - values["total"])) / max(float(np.max(values["total"])), 1e-300))
    many = "The one run" if state["runs"] == 1 else f"The mean of {state['runs']} runs"
    return f"{said}. {many} stays within {100 * gap:.2g} % of the formula, measured on its largest value."


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Bias, noise, runs and formula; matched momenta; rate against floor."""
    shape = canvas.add_gridspec(2, 2, width_ratios=[1.7, 1])
    main, traded, alike = canvas.add_subplot(shape[:, 0]), canvas.add_subplot(shape[0, 1]), canvas.add_subplot(shape[1, 1])
    k = np.arange(len(data["total"]))
    main.fill_between(k, data["low"], data["high"], color=hot(), alpha=0.12, lw=0)
    main.plot(k, data["bias"], color="#7fa8c9", label="bias")
    main.plot(k, data["noise"], color="#1f4e79", label="noise")
    main.plot(k, data["total"], color="#22303c", lw=1.2, label="expected")
    main.plot(k, data["mean"], color=hot(), lw=1.2, label="mean of the runs")
    main.set(xlabel="step", ylabel="loss", ylim=(0, 1.2 * min(float(np.nanmax(data["total"])), 50.0)))
    main.legend(frameon=False)
    for index, beta in enumerate(data["traded"]["betas"]):
        traded.loglog(data["traded"]["slow"][index], data["traded"]["floor"][index], color=ramp(index, len(_TRADED)), label=f"β = {beta:g}")
    traded.set(xlabel="steps per digit", ylabel="floor")
    traded.legend(frameon=False)
    for index, beta in enumerate(data["matched_betas"]):
        alike.plot(k, data["matched"][index], color=ramp(index, len(_MATCHED)), label=f"β = {beta:g}")
    alike.set(xlabel="step", title="the same α/(1 − β)", ylim=(0, 1.2 * _START))
