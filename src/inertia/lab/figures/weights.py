"""Weights of the past: how far back a velocity remembers, how fast it can get, and what happens when alpha drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...theory import averages
from ..fields import Number, State
from ..twin import halo, hot
from ..views import View, counted

ORDER = 80
TITLE = "Weights of the past"
FIELDS = {
    "beta": Number(0.9, 0.0, 0.995, 0.001, "momentum β"),
    "span": Number(40, 10, 400, 1, "steps shown", whole=True),
    "drop": Number(20, 1, 399, 1, "step where α drops", whole=True),
    "factor": Number(0.1, 0.01, 1.0, 0.01, "α is multiplied by"),
}
BETAS = (0.95, 0.9, 0.6, 0.0)  # the curves of document 001
STEPS = """
from inertia.theory.averages import effective_window, noise_to_signal, past_weights, steps_to_speed, velocity_on_slope

print(f"{effective_window($beta):.4g}", int(steps_to_speed($beta, 0.99)), f"{noise_to_signal($beta):.3f}")
print(past_weights($beta, 5), velocity_on_slope($beta, range(5)))
"""


def view(state: State) -> View:
    """Weights by age, velocity on a constant slope, and the step lengths when alpha drops, by both conventions."""
    beta, span = state["beta"], state["span"]
    drop = min(state["drop"], span - 1)
    k = np.arange(span + 1)
    outside, inside, moved = _lengths(beta, span, drop, state["factor"])
    window = float(averages.effective_window(beta))
    values = {
        "weights": averages.past_weights(beta, span),
        "others": averages.past_weights(np.array(BETAS), span),
        "betas": list(BETAS),
        "window": window,
        "velocity": averages.velocity_on_slope(beta, k),
        "terminal": float(averages.terminal_velocity(beta)),
        "reached": float(averages.steps_to_speed(beta, 0.99)),
        "drop": drop,
        "outside": outside,
        "inside": inside,
        "extra": moved,
    }
    noise = float(averages.velocity_noise(beta))
    caption = (
        f"The velocity remembers about *{window:.4g}* {counted(window, 'gradient')}."
        f" On a constant slope it ends *{window:.4g}* {counted(window, 'time')} as fast as one"
        f" gradient, and takes *{values['reached']:.0f}* {counted(values['reached'], 'step')} to come within 1% of that."
        f" Independent noise grows by √{noise:.4g},"
        f" so noise against speed falls to *{float(averages.noise_to_signal(beta)):.3f}*. With α inside the velocity the drop is felt late:"
        f" the extra way after it is worth *{moved:.3g}* {counted(moved, 'step')} of the old length without momentum."
    )
    alt = f"Weights of past gradients at momentum {beta:g}: an effective window of {window:.4g} {counted(window, 'step')}."
    return View(values, caption, alt)


def _lengths(beta: float, span: int, drop: int, factor: float) -> tuple[Any, Any, float]:
    """Length of step k on a slope of 1, alpha = 1 before the drop: alpha outside the velocity, inside it, and the way between them.

    Outside, the step is alpha_k (1 - beta^k)/(1 - beta): it drops at once. Inside, the velocity is a sum of alpha_j beta^(k - j):
    what was gathered before the drop fades with the memory, beta^age of it, and a fresh start times the factor grows.
    """
    k = np.arange(1, span + 1)
    whole = averages.velocity_on_slope(beta, k)
    outside = np.where(k > drop, factor, 1.0) * whole
    age = np.maximum(k - drop, 0)
    fresh = averages.velocity_on_slope(beta, age)
    inside = np.where(k > drop, factor * fresh + (whole - fresh), whole)
    extra = (1 - factor) * beta * averages.velocity_on_slope(beta, drop) / (1 - beta)  # the sum of inside - outside for ever
    return outside, inside, float(extra)


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Three panels: weights, velocity, step lengths."""
    weights, velocity, lengths = canvas.subplots(1, 3)
    for row, beta in zip(data["others"], data["betas"], strict=True):
        weights.plot(row, color="#7fa8c9", lw=1)
        place = min(int(4 / max(1 - beta, 0.3)), len(row) - 1)
        halo(weights.annotate(f"{beta:g}", (place, row[place]), fontsize=8))
    weights.plot(data["weights"], "o-", color=hot(), ms=2)
    weights.set(xlabel="age of the gradient", title="weight")
    velocity.plot(data["velocity"], color=hot())
    velocity.axhline(data["terminal"], color="#66727e", lw=0.8, ls=(0, (3, 3)))
    velocity.set(xlabel="step", title="velocity on a constant slope")
    steps = np.arange(1, len(data["outside"]) + 1)
    lengths.plot(steps, data["inside"], color="#1f4e79", label="α inside the velocity")
    lengths.plot(steps, data["outside"], color=hot(), label="α outside")
    lengths.set(xlabel="step", title="length of the step when α drops")
    lengths.legend(frameon=False)
