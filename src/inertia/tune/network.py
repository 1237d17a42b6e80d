"""The search for what is not convex: one over the largest curvature is the unit, and full runs around it decide.

A network's noise at the start says little about its noise later, and its curvature moves while it trains (it rises towards
the edge of stability and stays there). So nothing is forecast: curvature is measured at the start and after a short careful
walk, and runs at two multiples of one over the larger of the two say which way to go. What was learned on networks where
whole grids are known, and is kept here as a few numbers:

    the unit      ((1 - beta)/0.1)^0.6 / lambda     where momenta other than 0.9 have their best learning rate
    the pair      0.71 and 1.41 units               where the schedule comes to rest; at a constant rate 0.5 and 1
    the third     twice the better upper run; between the two where they are close; below a better lower one
    the cap       2.9 units                         above, some seeds diverge while others still look best
    long memory   1.2 units of momentum 0.98        the third run instead, where more is better and noise hardly counts
"""

from __future__ import annotations

import math

from ..method import Method
from ..record import Record
from .choose import rounded
from .search import score

__all__ = ["CALM_NOISE", "CAP", "Ladder"]

CAP = 2.9  # in units
_SPREAD = 0.6  # best alpha falls as (1 - beta)^0.6: between noise, where it is 1, and curvature, where it is 0
CALM_NOISE = 0.1  # noise of a batch over its signal at the start, below which memory is worth a run
_LONG, _BOLD = 0.98, 1.2  # the momentum of that run, and its alpha in units of momentum 0.9
_STARTS = {True: 0.5**0.5, False: 0.5}  # the lower of the pair, in units: does the schedule come to rest?
_PAIR = 2.0  # the upper over the lower
_CLOSE = 0.25  # relative difference of two losses below which the best may lie between them


class Ladder:
    """Which method runs at which multiple of the unit, and which multiple comes next.

    `noise_to_signal` is the scatter of a mini-batch gradient over the gradient's square; below 0.1 (and where momentum is
    free) the third run tries a longer memory. `rests` says that the schedule ends far below its peak.

    >>> Ladder(sharpest=2.0).method(1.0), Ladder(sharpest=2.0, rests=False).first
    (Method(alpha=0.5, beta=0.9, gamma=0.9, delta=0.0), (0.5, 1.0))
    """

    def __init__(
        self,
        sharpest: float,
        *,
        momentum: float | None = None,
        nesterov: bool | None = None,
        noise_to_signal: float = math.inf,
        rests: bool = True,
    ) -> None:
        self.beta = 0.9 if momentum is None else float(momentum)
        self.nesterov = (nesterov is None or nesterov) and self.beta > 0
        self.first = (_STARTS[rests], _PAIR * _STARTS[rests])
        self.unit = ((1 - self.beta) / 0.1) ** _SPREAD / sharpest
        self.calm = momentum is None and noise_to_signal < CALM_NOISE
        self.memory = _BOLD * 0.1 / (1 - _LONG)  # multiple of the scale alpha/(1 - beta) at which the long memory runs

    def method(self, factor: float) -> Method:
        """The method at a multiple of the unit's alpha/(1 - beta), alpha to three digits."""
        beta, alpha = self.beta, factor * self.unit
        if self.calm and math.isclose(factor, self.memory):
            beta, alpha = _LONG, _BOLD * self.unit
        return rounded(Method(alpha, beta, beta if self.nesterov else 0.0))

    def following(self, done: dict[float, Record]) -> float:
        """The multiple to run next, given what ran; one that is already there means there is nothing left to try."""
        scores = {factor: score(run) for factor, run in sorted(done.items()) if not (self.calm and math.isclose(factor, self.memory))}
        best = min(scores, key=lambda factor: scores[factor])
        above = [factor for factor in scores if factor > best]
        if not above:
            if self.calm and self.memory not in done:
                return self.memory
            return _PAIR * best if _PAIR * best <= CAP else best / math.sqrt(2)
        between = best * math.sqrt(2)
        if best > min(scores):
            return between if between < above[0] * 0.99 else best / math.sqrt(2)
        return between if scores[above[0]] <= scores[best] * (1 + _CLOSE) else best / math.sqrt(2)
