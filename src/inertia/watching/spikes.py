"""Is a loss spike coming? The oscillation along the sharpest direction, continued to the edge of what was seen.

Beyond the edge the distance x along the sharpest direction grows by the factor rate(method, lambda) each step. What turns it back is that
an oscillation of size x pushes the parameters towards smaller curvature: its mean gradient is (x^2/2) grad lambda, so lambda falls by
alpha |grad lambda|^2 x^2/2 a step, with momentum after its delay (self-stabilisation; Damian, Nichani and Lee 2023, section 4); and in an
adaptive optimizer its gradient renews the metric, which lowers lambda too. Against it stand the trends: curvature that goes on rising,
and a learning rate that is raised. Full-batch runs at the edge of stability are this system's small oscillations; a spike is one that is
turned back too late. The curvature along the gradient rises with x (Bai et al. 2026).

So the system is stepped ahead from what the last looks saw, for as many steps as its trends were seen, and a spike is told where its loss
leaves three times the running median; or where the rate is raised beyond the edge faster than curvature falls, for then nothing turns
the oscillation back for long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

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
    if len(looks) < 3 or any(look.edge is None or look.method is None for look in looks):
        return None
    first, before, last = looks
    ratio = last.of_edge or 0.0
    if last.turning is None:  # below half of the edge
        return Forecast(False, math.inf, last.step, 1.0, last.loss) if ratio <= 1 else None
    since = last.step
    for look in reversed(history.looks):
        if (look.of_edge or 0.0) <= 1:
            break
        since = look.step
    apart = last.step - before.step
    ahead = 2 * max(apart, _LEAD)
    steps, peak = _ahead(last, before, _rise(first, before, last), ahead, SPIKE * history.median())
    return Forecast(steps <= ahead or _driven(looks), steps, since, min(1 / ratio, 1.0), peak)


def _driven(looks: list[Look]) -> bool:
    """Whether the rate is raised while the run is beyond the edge already, and curvature does not fall as fast: no oscillation lasts."""
    ratios, edges = [look.of_edge or 0.0 for look in looks], [look.edge or 0.0 for look in looks]
    return min(ratios) > 1 and all(b < a for a, b in pairwise(edges)) and all(b > a for a, b in pairwise(ratios))


def _rise(first: Look, before: Look, last: Look) -> float:
    """By how much curvature goes on rising in a step: by the lesser of the last two rises, for what rises fast soon rises slower."""
    rises = [(b.sharpness - a.sharpness) / max(b.step - a.step, 1) for a, b in ((first, before), (before, last))]
    return max(min(rises), 0.0)


def _ahead(last: Look, before: Look, rising: float, ahead: int, bound: float) -> tuple[float, float]:
    """Steps until the loss is above a bound (infinite: not within `ahead`), and its largest value on the way."""
    alpha, beta, gamma = last.method or (0.0, 0.0, 0.0)
    turning, apart = last.turning or 0.0, max(last.step - before.step, 1)
    faster = ((before.edge or 1.0) / (last.edge or 1.0)) ** (1 / apart)  # by which the rate is raised each step
    fading = min((last.gradient_norm / before.gradient_norm) ** (1 / apart), 1.0) if before.gradient_norm > 0 else 1.0
    curvature, square, velocity, peak = last.sharpness, 2 * last.in_top / last.sharpness, 0.0, last.loss
    for step in range(1, ahead + 1):
        alpha *= faster
        grows = float(rate(Method(alpha, beta, gamma), curvature))
        velocity = beta * velocity + turning**2 * square / 2
        before_step, square = square, square * grows**2
        renewed = last.renewing * curvature**3 * before_step
        rising *= fading  # curvature rises as the parameters descend: as fast as the gradient is long
        curvature = max(curvature + rising - alpha * velocity - renewed, 0.0)
        height = last.loss + curvature * square / 2
        peak = max(peak, height)
        if not height <= bound:
            return float(step), peak
    return math.inf, peak
