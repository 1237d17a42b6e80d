"""What limits a run now: curvature, noise, or neither (it is still descending)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from .history import PROMISED, History, Level, mean_of
from .quantities import Look

__all__ = ["NoiseLimit", "Regime", "noise_limit", "regime", "step_of_best"]

_ROUNDING = 2.0**-20  # relative, of a loss in float32


class Regime(Enum):
    """What keeps the loss from falling faster."""

    CURVATURE = "curvature-limited"  # twice this learning rate would be beyond the edge
    NOISE = "noise-limited"  # the loss is flat, and what a step gains its noise takes away
    DESCENDING = "still descending"
    UNKNOWN = "cannot be told yet"


@dataclass(frozen=True)
class NoiseLimit:
    """Where the loss stays at this learning rate, and how much of it noise costs (None where no average of the weights is kept)."""

    level: float
    excess: float | None
    since: int

    @property
    def halved(self) -> float | None:
        """The level at half the rate: the part due to noise is proportional to it."""
        return None if self.excess is None else self.level - self.excess / 2


def step_of_best(looks: list[Look]) -> float | None:
    """Length of the steps over the best along them, of the mean first and second order terms; None where that is lost in noise.

    Without noise it is the ratio of each step, from a probe's gradient and curvature. In a stationary noisy run it is 2: what the
    gradient term gains the curvature term takes away, E[-g.u] = E[u.Hu]/2.
    """
    taken = [look.taken for look in looks if look.taken is not None]
    slope, bend = mean_of([-one.slope for one in taken]), mean_of([one.bend for one in taken])
    if slope is None or bend is None or not slope.above(0):
        return None
    return 2 * bend.value / slope.value


def noise_limit(history: History) -> tuple[bool | None, NoiseLimit | None]:
    """Whether the run is noise-limited (None: cannot be told), and where it stays.

    It is where (a) the loss is flat: over as many steps again as were looked at it falls by less than is promised of its level; (b) noise
    is what holds it: the loss at the averaged weights is significantly lower, or the steps are significantly longer than the best along
    them, so that a longer one gains nothing (the mean of u.Hu + g.u is 0 at the best length, u.Hu/2 where the run is stationary); and (c)
    sharpness is below the edge, so that it is not curvature that turns it back. And the loss must scatter by more than the steps explain.
    """
    level, looks = history.level(), history.recent_looks()
    if level is None:
        return None, None
    if _falls(level):
        return False, None
    if not _flat(level):
        return None, None
    taken = [look.taken for look in looks if look.taken is not None]
    beyond = mean_of([2 * one.bend + one.slope for one in taken])
    edges = [look.of_edge for look in looks if look.of_edge is not None]
    excess = mean_of([look.excess for look in looks if look.excess is not None])
    if beyond is None:
        return None, None
    if not _noisy(history, level, [one.slope + one.bend for one in taken]):
        return False, None
    if beyond.below(0) or (edges and float(np.median(edges)) >= 1):
        return False, None
    if not (beyond.above(0) or (excess is not None and excess.above(0))):
        return None, None
    told = excess.value if excess is not None and excess.above(0) and excess.value < level.mean.value else None
    return True, NoiseLimit(level.mean.value, told, level.since)


def _noisy(history: History, level: Level, steps: list[float]) -> bool:
    """Whether more than half of the variance of the loss's changes from step to step is not the steps' own, which the looks saw.

    Without that, as in a full-batch run that has arrived, nothing is held up by noise.
    """
    changes = float(np.mean(np.diff(history.losses.since(level.since)) ** 2))
    return changes > max(2 * float(np.mean(np.square(steps))), (_ROUNDING * level.mean.value) ** 2)


def _falls(level: Level) -> bool:
    """Whether the loss goes on falling by more than is promised."""
    return level.change.below(-PROMISED * abs(level.mean.value))


def _flat(level: Level) -> bool:
    """Whether it is known to within what is promised, and falls by less over as many steps again (and does not rise by more)."""
    room = PROMISED * abs(level.mean.value)
    return level.mean.reach < room and level.change.above(-room) and not level.change.above(room)


def regime(history: History) -> Regime:
    """What limits the run now."""
    limited, _ = noise_limit(history)
    if limited:
        return Regime.NOISE
    last = [look.of_edge for look in history.looks[-3:] if look.of_edge is not None]
    if last and min(last) > 0.5:
        return Regime.CURVATURE
    level = history.level()
    if level is not None and level.change.below(0):
        return Regime.DESCENDING
    return Regime.UNKNOWN
