"""Is a loss spike coming? The oscillation along the sharpest direction, continued to the edge of what was seen.

Beyond the edge the distance x along the sharpest direction grows by the factor rate(method, lambda) each step. What turns it back is that
an oscillation of size x pushes the parameters towards smaller curvature: its mean gradient is (x^2/2) grad lambda, so lambda falls by
alpha |grad lambda|^2 x^2/2 a step, with momentum after its delay (self-stabilisation; Damian, Nichani and Lee 2023, section 4); and in an
adaptive optimizer its gradient renews the metric, which lowers lambda too. Against it stand the trends: curvature that goes on rising,
and a learning rate that is raised. Full-batch runs at the edge of stability are this system's small oscillations; a spike is one that is
turned back too late. The curvature along the gradient rises with x (Bai et al. 2026).

So the system is stepped ahead from what the last looks saw. A rise of curvature goes on for as many steps as it was seen to last, and fades
as it was seen to fade; one that ended beyond the edge was turned back by the oscillation, and goes on as soon as that has died away: this
is how bursts follow each other. A raise of the learning rate goes on. How far the loss came from where it was expected is measured on the
same run: each forecast is compared with the highest loss that followed, and a spike is told where the forecast times its own typical error
(root mean square of the logarithms) leaves three times the running median, for two looks in a row. It is taken back by the first look
after the steps that were forecast, unless that one foretells a spike itself. Curvature beyond the edge is no sign of a spike by itself.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ..core.method import Method
from ..theory.modes import rate
from .history import Expected, History
from .quantities import Look

__all__ = ["SPIKE", "Forecast", "forecast"]

SPIKE = 3.0  # times the running median of the loss: what is called a spike
_LEAD = 10  # steps of warning that are wanted
_LAG = 3  # looks by which a warning comes late: until the next one, for a second one, and half each for the two that a rise is taken from
_CLOSED = 4  # forecasts whose outcome is known, from which on their typical error is used
_REMEMBERED = 20  # of the newest such forecasts


@dataclass(frozen=True)
class Forecast:
    """Whether the loss leaves three times its median, after how many steps, and which share of the rate would be stable."""

    coming: bool
    steps: float
    since: int
    stable: float
    peak: float  # the largest loss on the way


@dataclass(frozen=True)
class _Path:
    """The loss in the steps after a look, up to the first one beyond a bound, and the largest share of the edge on the way."""

    heights: list[float]
    ratio: float

    def beyond(self, bound: float) -> float:
        """Steps until the loss is above a bound; infinite where it never is."""
        return next((float(step) for step, height in enumerate(self.heights, 1) if not height <= bound), math.inf)


def forecast(history: History) -> Forecast | None:
    """Step the oscillation ahead; None where it cannot be told."""
    looks = _whole(history.looks)
    if len(looks) < 3 or any(look.edge is None or look.method is None for look in looks[-3:]):
        return None
    last = looks[-1]
    ratio = last.of_edge or 0.0
    if last.turning is None and ratio > 1:
        return None
    since = last.step
    for look in reversed(looks):
        if (look.of_edge or 0.0) <= 1:
            break
        since = look.step
    before, now = _expected(history, looks[:-1]), _expected(history, looks)
    if now is None or now.path is None:
        foretold, steps, stable, peak = False, math.inf, min(1 / ratio, 1.0) if ratio > 0 else 1.0, last.loss
    else:
        foretold, steps, peak = now.foretold, now.path.beyond(now.bound / now.error), max([last.loss, *now.path.heights])
        stable = min(1 / now.path.ratio, 1.0)
        standing = looks[-2].step <= history.foretold  # when it was last looked; only a look can take a warning back
        if foretold and (standing or (before is not None and before.foretold)):
            history.foretold = last.step + now.ahead
    return Forecast(last.step <= history.foretold, steps, since, stable, peak)


def _whole(looks: list[Look]) -> list[Look]:
    """The newest looks at the whole probe, oldest first: of a part of it curvature and loss are others."""
    found: list[Look] = []
    for look in reversed(looks):
        if look.part < 1 or len(found) > _REMEMBERED:
            break
        found.append(look)
    return found[::-1]


def _expected(history: History, looks: list[Look]) -> Expected | None:
    """What the last of these looks let expect; kept, so that it can be compared with what followed."""
    last = looks[-1]
    if last.step in history.expected:
        return history.expected[last.step]
    if len(looks) < 3:
        return None
    ahead = _LEAD + _LAG * max(last.step - looks[-2].step, 1)
    bound, path = SPIKE * history.median(), None
    if last.turning is not None:
        path = _ahead(looks, ahead, bound)
    error = _typical_error(history)
    made = Expected(last.step, ahead, bound, error, path, path is not None and math.isfinite(path.beyond(bound / error)))
    history.expected[last.step] = made
    return made


def _typical_error(history: History) -> float:
    """Factor by which the highest loss differs from the forecast, which counts up to its bound: root mean square of the logarithms."""
    errors = list[float]()
    for one in list(history.expected.values())[::-1]:
        if one.path is None or one.step + one.ahead > history.step or len(errors) == _REMEMBERED:
            continue
        seen = history.losses.between(one.step, one.step + one.ahead)
        seen = seen[np.isfinite(seen)]
        told = min(max(one.path.heights), one.bound)
        if seen.size and seen.max() > 0 and told > 0:
            errors.append(math.log(float(seen.max()) / told))
    return math.exp(math.sqrt(float(np.mean(np.square(errors))))) if len(errors) >= _CLOSED else 1.0


def _rise(looks: list[Look]) -> tuple[float, float, float]:
    """By how much curvature has risen in each of the last steps, by which factor that fades in a step, and for how long it was seen.

    A fall after a look beyond the edge may be the oscillation's doing, and then the rise before it goes on; one from below the edge is not.
    """
    rises = [(b.sharpness - a.sharpness) / max(b.step - a.step, 1) for a, b in itertools.pairwise(looks)]
    new, old = rises[-1], rises[-2]
    if new <= 0:
        rise, top = next(((rise, b) for rise, b in zip(rises[::-1], looks[::-1], strict=False) if rise > 0), (0.0, looks[-1]))
        return (rise, 1.0, math.inf) if (top.upper_of_edge or 0.0) > 1 else (0.0, 1.0, 0)
    lasted = 0
    for a, b, rise in zip(looks[-2::-1], looks[:0:-1], rises[::-1], strict=True):
        if rise <= 0:
            break
        lasted += b.step - a.step
    apart = max(looks[-1].step - looks[-2].step, 1)
    return new, min((new / old) ** (1 / apart), 1.0) if old > 0 else 1.0, lasted


def _ahead(looks: list[Look], ahead: int, bound: float) -> _Path:
    """The loss in the next steps."""
    before, last = looks[-2:]
    alpha, beta, gamma = last.method or (0.0, 0.0, 0.0)
    turning, apart = last.turning or 0.0, max(last.step - before.step, 1)
    faster = ((before.edge or 1.0) / (last.edge or 1.0)) ** (1 / apart)  # by which the rate is raised each step
    rising, fading, lasts = _rise(looks)
    curvature, square, velocity = last.sharpness, 2 * last.in_top / last.sharpness, 0.0
    heights, share, worst = list[float](), (last.of_edge or 0.0) / (last.sharpness * alpha), last.of_edge or 0.0
    for step in range(1, ahead + 1):
        alpha *= faster
        grows = float(rate(Method(alpha, beta, gamma), curvature))
        velocity = beta * velocity + turning**2 * square / 2
        renewed = last.renewing * curvature**3 * square
        square *= grows**2
        rising = rising * fading if step <= lasts else 0.0
        curvature = max(curvature + rising - alpha * velocity - renewed, 0.0)
        worst = max(worst, share * curvature * alpha)
        heights.append(last.loss + curvature * square / 2)
        if not heights[-1] <= bound:
            break
    return _Path(heights, worst)
