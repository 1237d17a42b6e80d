"""The reader's own problem: what `inertia tune` measured of it, and what it predicts for every learning rate and momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...core.schedule import shaped
from ...theory.modes import edge
from ...tuning.predict import forecast
from ..fields import Choice, Document, Number, State, Text
from ..loaded import Loaded, example, kept, loaded
from ..twin import colours, hot, ramp
from ..views import Costly, View, counted

ORDER = 140
TITLE = "Your problem"
GIVEN = True
FIELDS = {
    "alpha": Number(0.5, 1e-6, 1e4, 0.0, "learning rate α", log=True),
    "beta": Number(0.9, 0.0, 0.99, 0.001, "momentum β"),
    "form": Choice("heavy-ball", {"heavy-ball": "heavy ball", "nesterov": "Nesterov"}, "momentum"),
    "key": Text("", 32, "record"),
    "record": Document(None, "record"),
}
_ACROSS, _UP = 37, 19  # learning rates and momenta that are forecast for the map
_DRAWN = 161
Array = NDArray[np.float64]
STEPS = """
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.lab.loaded import example, kept
from inertia.tuning.predict import forecast

mine = kept(shown["key"]) if shown["key"] else example()
one = Method($alpha, beta=$beta, gamma=$beta if $form == "nesterov" else 0.0)
print(f"{forecast(mine.model, shaped(mine.schedule, one, mine.steps), mine.steps).final:.4g}")
"""


def view(state: State) -> View:
    """Spectrum, forecast at the point in hand, the map of forecasts, and the runs of the record."""
    mine = _chosen(state)
    top, nesterov = mine.model.spectrum.upper, state["form"] == "nesterov"
    one = Method(state["alpha"], state["beta"], state["beta"] if nesterov else 0.0)
    ahead = forecast(mine.model, shaped(mine.schedule, one, mine.steps), mine.steps)
    picked = np.unique(np.linspace(0, len(ahead.steps) - 1, min(len(ahead.steps), _DRAWN)).astype(int))
    known = mine.model.spectrum
    values = {
        "key": "" if mine.key == "example" else mine.key,
        "task": mine.task,
        "steps": mine.steps,
        "at": ahead.steps[picked],
        "loss": ahead.loss[picked],
        "final": float(ahead.final),
        "floor": mine.model.floor,
        "start": mine.model.start,
        "curvatures": known.curvatures,
        "share": known.curvatures * known.weights / 2,
        "noise": known.noise,
        "upper": top,
        "edge": float(edge(one)) / top,
        "recommended": {"alpha": mine.recommended.alpha, "beta": mine.recommended.beta, "form": _form(mine.recommended)},
        "low": 2.0**-12 / top,
        "high": 8.0 / top,
        "runs": [_drawn(run) for run in mine.runs],
    }
    costly = {"map": Costly(f"{mine.key}|{nesterov}", lambda: _map(mine, nesterov))}
    alt = f"Predicted loss of {mine.task} after {mine.steps} steps over learning rate and momentum; {float(ahead.final):.4g} in hand."
    return View(values, _words(mine, values, state), alt, costly)


def _chosen(state: State) -> Loaded:
    """What the page sent, what it sent before, what the laboratory was started with, or the example."""
    given = state.get("given", {}).get("record")
    if state["record"] is not None:
        return loaded(state["record"])
    if state["key"]:
        return kept(state["key"])
    return loaded(given) if given is not None else example()


def _form(one: Method) -> str:
    return "nesterov" if one.gamma else "heavy-ball"


def _drawn(run: Any) -> dict[str, Any]:
    picked = [np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _DRAWN)).astype(int)) for steps in (run.steps, run.predicted_steps)]
    return {
        "alpha": run.method.alpha,
        "beta": run.method.beta,
        "steps": run.steps[picked[0]],
        "loss": run.loss[picked[0]],
        "predicted_steps": run.predicted_steps[picked[1]],
        "predicted": run.predicted[picked[1]],
    }


def _map(mine: Loaded, nesterov: bool) -> dict[str, Any]:
    """Predicted final loss over learning rate (logarithmic) and memory 1/(1 - beta) (logarithmic), and the edge of stability."""
    top = mine.model.spectrum.upper
    alphas, betas = np.geomspace(2.0**-12, 8.0, _ACROSS) / top, 1 - np.geomspace(1, 0.01, _UP)
    gammas = betas if nesterov else np.zeros_like(betas)
    grid = Method(alphas[None, :], betas[:, None], gammas[:, None], 0.0)
    grid = Method(*(np.array(part) for part in np.broadcast_arrays(*grid)))
    stays = np.asarray(edge(grid)) > top
    flat = Method(*(np.asarray(field)[stays] for field in grid))
    final = np.full(stays.shape, np.inf)
    if np.any(stays):
        final[stays] = forecast(mine.model, shaped(mine.schedule, flat, mine.steps), mine.steps).final
    lowest = float(np.min(final))
    row, column = np.unravel_index(int(np.argmin(final)), final.shape)
    base = max(lowest - mine.model.floor, 1e-6 * abs(mine.model.start - mine.model.floor), 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        height = np.log(np.maximum(final - mine.model.floor, base) / base)
    span = max(float(np.log(max(mine.model.start - mine.model.floor, 2 * base) / base)), 1e-9)
    steep = np.asarray(edge(Method(1.0, betas, gammas))) / top
    return {
        "grid": np.round(255 * np.clip(np.where(np.isfinite(height), height / span, 1.0), 0, 1)).astype(np.uint8),
        "alphas": alphas,
        "betas": betas,
        "final": np.where(np.isfinite(final), final, np.nan),
        "edge": steep,
        "best": {"alpha": float(alphas[column]), "beta": float(betas[row]), "loss": lowest},
    }


def _words(mine: Loaded, values: Mapping[str, Any], state: State) -> str:
    name = "An example, until you load a record of your own" if mine.key == "example" else mine.task.capitalize()
    if values["edge"] <= 1:
        safe = state["alpha"] * values["edge"]
        said = f"{name}: beyond the edge of stability, the run *diverges*. At this momentum α must stay below *{safe:.3g}*."
    else:
        said = f"{name}: after {mine.steps} {counted(mine.steps, 'step')} "
        said += f"the predicted loss is *{values['final']:.4g}*, from {mine.model.start:.4g} at the start"
        said += f"; α may grow *{values['edge']:.2g}* times before it breaks."
    if mine.verified is not None:
        said += f" The recommended run ended at *{mine.verified:.4g}*."
    return said + (f" The tuner's verdict: {mine.verdict.rstrip('.')}." if mine.verdict else "")


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The map of forecasts, the curve in hand with the runs, the spectrum."""
    shape = canvas.add_gridspec(2, 2, width_ratios=[1.2, 1])
    big, curve, lines = canvas.add_subplot(shape[:, 0]), canvas.add_subplot(shape[0, 1]), canvas.add_subplot(shape[1, 1])
    over = data["map"]
    memory = 1 / (1 - over["betas"])
    big.pcolormesh(over["alphas"], memory, over["grid"], cmap=colours("map"), vmin=0, vmax=255, shading="gouraud")
    big.fill_betweenx(memory, over["edge"], over["alphas"][-1], color="white")
    big.plot(over["edge"], memory, color="#22303c", lw=1)
    big.plot(over["best"]["alpha"], 1 / (1 - over["best"]["beta"]), "o", mfc="none", mec="#22303c")
    big.set(xscale="log", yscale="log", xlabel="learning rate α", ylabel="memory 1/(1 − β)", xlim=(over["alphas"][0], over["alphas"][-1]))
    for index, run in enumerate(data["runs"]):
        curve.plot(run["steps"], run["loss"], color=ramp(index, len(data["runs"])), lw=1)
    curve.plot(data["at"], data["loss"], color=hot())
    curve.set(xlabel="step", ylabel="loss", ylim=(min(0, data["floor"]), 1.2 * data["start"]))
    lines.vlines(data["curvatures"], 0, data["share"] / max(float(np.max(data["share"])), 1e-300), color="#1f4e79")
    if np.max(data["noise"]) > 0:
        lines.vlines(data["curvatures"] * 1.06, 0, data["noise"] / np.max(data["noise"]), color=hot(), lw=0.8)
    lines.set(xscale="log" if np.min(data["curvatures"]) > 0 else "linear", xlabel="curvature", title="share of the loss, and of the noise")
