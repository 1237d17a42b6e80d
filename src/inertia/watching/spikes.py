"""Is a loss spike coming? The oscillation along the sharpest direction, continued to the edge of what was seen.

Beyond the edge the distance x along the sharpest direction grows by the factor rate(method, lambda) each step. What turns it back is that
an oscillation of size x pushes the parameters towards smaller curvature: its mean gradient is (x^2/2) grad lambda, so lambda falls by
alpha |grad lambda|^2 x^2/2 a step, with momentum after its delay (self-stabilisation; Damian, Nichani and Lee 2023, section 4). Against
it stand the trends: curvature that goes on rising, and a learning rate that is raised. Full-batch runs at the edge of stability are this
system's small oscillations; a spike is one that is turned back too late. The curvature along the gradient rises with x (Bai et al. 2026).

So the system is stepped ahead from what the last looks saw, for as many steps as its trends were seen, and a spike is told where its loss
leaves three times the running median.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.method import Method
from ..theory.modes import rate
from .history import History
from .quantities import Look

__all__ = ["SPIKE", "Forecast", "forecast"]

SPIKE = 3.0  # times the running median of the loss: what is called a spike
_LEAD = 10  # steps of warning that are wanted, beside the steps to the next look


@dataclass(frozen=True)
class Forecast:
    """Whether the loss leaves three times its median, after how many steps, and which share of the rate would be stable."""

    coming: bool
    steps: float
    since: int
    stable: float
    peak: float  # the largest loss on the way


def forecast(history: History) -> Forecast | None:
    """Step the oscillation ahead; None where it cannot be told."""
    looks = history.looks[-3:]
    if len(looks) < 2 or any(look.edge is None or look.method is None for look in looks[-2:]):
        return None
    last, before = looks[-1], looks[-2]
    ratio = last.of_edge or 0.0
    if last.upper_of_edge is not None and last.upper_of_edge <= 1:
        return Forecast(False, math.inf, last.step, 1.0, last.loss)
    if ratio <= 1 or last.turning is None:
        return None
    since = last.step
    for look in reversed(history.looks):
        if (look.of_edge or 0.0) <= 1:
            break
        since = look.step
    apart = last.step - before.step
    ahead = 2 * max(apart, _LEAD)
    steps, peak = _ahead(last, before, apart, ahead, SPIKE * history.median())
    return Forecast(steps <= ahead, steps, since, 1 / ratio, peak)


def _ahead(last: Look, before: Look, apart: int, ahead: int, bound: float) -> tuple[float, float]:
    """Steps until the loss is above a bound (infinite: not within `ahead`), and its largest value on the way."""
    assert last.method is not None and last.edge is not None and before.edge is not None and last.turning is not None
    alpha, beta, gamma = last.method
    faster = (before.edge / last.edge) ** (1 / apart)  # by which the rate is raised each step
    rising = max((last.sharpness - before.sharpness) / apart, 0.0)
    curvature, square, velocity, peak = last.sharpness, 2 * last.in_top / last.sharpness, 0.0, last.loss
    for step in range(1, ahead + 1):
        alpha *= faster
        grows = float(rate(Method(alpha, beta, gamma), curvature))
        velocity = beta * velocity + last.turning**2 * square / 2
        square *= grows**2
        curvature = max(curvature + rising - alpha * velocity, 0.0)
        height = last.loss + curvature * square / 2
        peak = max(peak, height)
        if not height <= bound:
            return float(step), peak
    return math.inf, peak
