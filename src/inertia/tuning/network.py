"""The search for what is not convex: one over the largest curvature is the unit, and full runs around it decide.

A network's noise at the start says little about its noise later, and its curvature moves while it trains (it rises towards
the edge of stability and stays there). So nothing is forecast: curvature is measured at the start and after a short careful
walk, and two runs that differ in momentum are made. Where the schedule comes to rest they differ in kind: a small learning
rate with a long memory, and a large one with a shorter; both push equally far (alpha/(1 - beta)) where noise limits, and one
stands out where curvature or instability does. Where a run ends at full rate, both are careful. The third run follows the
better one.

    in units of 1/lambda    comes to rest               ends at full rate
    the pair                0.35, momentum 0.98         0.5,  momentum 0.9
                            1.4,  momentum 0.95         0.5,  momentum 0.95
    if the former is better 0.68, momentum 0.98         0.25, momentum 0.98
    if the latter is        1.2,  momentum 0.98         1.05, momentum 0.95

Where one of the better of the pair is stuck (it had fallen as far as it would in the first tenth of the run), both may have
been thrown onto a plateau, and the third run is made far below, at 0.1; so it is in a long run where the bold one got lost or
neither got far. Where the run beyond the bold one ends far above it, a cliff is near, and other seeds may fall: then the
patient one is recommended, unless it ended at twice the loss or more. A single run is made at 0.5, momentum 0.9.

What runs is Nesterov's form. The numbers were learned on networks where whole grids are known. With the momentum given, only
alpha is searched, in units of ((1 - beta)/0.1)^0.6 / lambda, never above 2.9 of them: there some seeds diverge while others
still look best.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.method import Method
from ..core.record import Record
from .choose import rounded
from .report import steps_of
from .search import diverged, score

__all__ = ["CALM_NOISE", "CAP", "Fork", "Ladder", "stuck"]

CAP = 2.9  # in units
CALM_NOISE = 0.1  # noise of a batch over its signal at the start, below which a network is not called noise-limited
_SPREAD = 0.6  # best alpha falls as (1 - beta)^0.6: between noise, where it is 1, and curvature, where it is 0
_STARTS = {True: 0.5**0.5, False: 0.5}  # the lower of the pair, in units: does the schedule come to rest?
_PAIR = 2.0  # the upper over the lower
_CLOSE = 0.25  # relative difference of two losses below which the best may lie between them
_CLIFF, _WORTH = 4.0, 2.0  # a loss so many times larger is a cliff; a loss so many times smaller is worth standing near it
_RISE = 0.2  # and so is a loss that gives up this part of the fall
_STUCK, _EARLY = 0.03, 0.1  # a run that wins less than this part of its whole fall after that part of its steps is stuck
_MANY = 2000  # steps from which on a bold run that got lost is a warning to the patient one too, and so is a pair that got not far
_LOST, _POOR = 0.5, 0.25  # losses, as parts of the start, above which a run got lost, and a pair not far
_SPAN = 1.6  # a memory 1/(1 - beta) as long as the run over this is the longest that is tried
_SHORT = 0.9  # momentum that any run is long enough for


class Rung(NamedTuple):
    """A learning rate in units of 1/curvature, with its momentum."""

    alpha: float
    beta: float

    @property
    def scale(self) -> float:
        """Its alpha/(1 - beta), in units of momentum 0.9."""
        return self.alpha * (1 - _SHORT) / (1 - self.beta)


class Plan(NamedTuple):
    """The rungs of a search: a pair, what follows the better one, and what follows where that one is stuck."""

    patient: Rung
    bold: Rung
    after_patient: Rung
    after_bold: Rung
    after_stuck: Rung


_PLANS = {  # does the schedule come to rest?
    True: Plan(Rung(0.35, 0.98), Rung(1.4, 0.95), Rung(0.68, 0.98), Rung(1.2, 0.98), Rung(0.1, 0.95)),
    False: Plan(Rung(0.5, 0.9), Rung(0.5, 0.95), Rung(0.25, 0.98), Rung(1.05, 0.95), Rung(0.1, 0.9)),
}


class Fork:
    """Which method runs at which multiple of the unit's alpha/(1 - beta), and which comes next, with momentum free.

    `rests` says that the schedule ends far below its peak; a run of few `steps` gets no memory longer than it can use.

    >>> fork = Fork(sharpest=2.0, steps=1000)
    >>> [fork.method(factor) for factor in fork.first]  # doctest: +NORMALIZE_WHITESPACE
    [Method(alpha=0.175, beta=0.98, gamma=0.98, delta=0.0), Method(alpha=0.7, beta=0.95, gamma=0.95, delta=0.0)]
    """

    def __init__(self, sharpest: float, *, steps: int, rests: bool = True, runs: int = 3) -> None:
        self.unit, self.rests, self.steps = 1 / sharpest, rests, steps
        self.plan = Plan(*(_fitting(rung, steps) for rung in _PLANS[rests]))
        self.rungs = {rung.scale: rung for rung in self.plan}
        self.first = (self.plan.patient.scale, self.plan.bold.scale) if runs > 1 else (_STARTS[False],)

    def method(self, factor: float) -> Method:
        """The rung of that scale; momentum 0.9 where there is none."""
        alpha, beta = self.rungs.get(factor, Rung(factor, _SHORT))
        return rounded(Method(alpha * self.unit, beta, beta))

    def following(self, done: dict[float, Record]) -> float:
        """The multiple to run next, given what ran; one that is already there means there is nothing left to try."""
        scores = {factor: score(run) for factor, run in done.items()}
        patient, bold = self.plan.patient.scale, self.plan.bold.scale
        if len(self.first) == 1:
            return self.first[0]
        third = (self.plan.after_bold if scores[bold] < scores[patient] else self.plan.after_patient).scale
        close = [done[factor] for factor in self.first if scores[factor] < (1 + _CLOSE) * min(scores.values())]
        start = float(done[bold].losses[0])
        lost = diverged(done[bold]) or not done[bold].losses[-1] < _LOST * start
        thrown = self.steps >= _MANY and (lost or min(scores.values()) > _POOR * start)
        if len(done) == len(self.first) and (thrown or any(map(stuck, close))):
            third = self.plan.after_stuck.scale
        if third not in done and (len(done) == len(self.first) or self.plan.after_stuck.scale not in done):
            return third
        best = min(scores, key=lambda factor: scores[factor])
        here = self.rungs.get(best, Rung(best, _SHORT))
        for step in (math.sqrt(2), 1 / math.sqrt(2)):  # with more runs than three: beside the best, at its momentum
            beside = Rung(here.alpha * step, here.beta)
            if beside.alpha <= CAP and not any(math.isclose(beside.scale, factor, rel_tol=0.1) for factor in done):
                self.rungs[beside.scale] = beside
                return beside.scale
        return best

    def wary(self, done: dict[float, Record]) -> float | None:
        """The patient run, where the bold one is best but stands near a cliff; None where it does not."""
        scores = {factor: score(run) for factor, run in done.items()}
        patient, bold = self.plan.patient.scale, self.plan.bold.scale
        beyond = scores.get(self.plan.after_bold.scale)
        if not self.rests or beyond is None or min(scores.values()) < scores[bold]:
            return None
        fall = float(done[bold].losses[0]) - scores[bold]
        near = beyond > _CLIFF * scores[bold] or beyond - scores[bold] > _RISE * fall
        return patient if near and scores[patient] < _WORTH * scores[bold] else None


def stuck(record: Record) -> bool:
    """Whether a run had fallen as far as it would, and not to nothing, in the first tenth of its steps.

    >>> import numpy as np
    >>> steps = np.arange(101)
    >>> [stuck(Record(Method(0.1), 3 + np.exp(-steps / time), np.empty(0), 100)) for time in (2, 50)]
    [True, False]
    """
    losses, steps = record.losses, steps_of(record)
    if len(losses) < 4 or not losses[-1] < losses[0]:
        return False
    early = losses[int(np.searchsorted(steps, _EARLY * record.steps))]
    return bool(early - losses[-1] < _STUCK * (losses[0] - losses[-1]) and early < 2 * losses[-1])


def _fitting(rung: Rung, steps: int) -> Rung:
    """The rung with no longer a memory than a run can use, its alpha grown as it would be chosen for that memory."""
    beta = min(rung.beta, max(_SHORT, 1 - _SPAN / steps))
    return Rung(min(rung.alpha * ((1 - beta) / (1 - rung.beta)) ** _SPREAD, max(rung.alpha, CAP / _PAIR)), beta)


class Ladder:
    """Which learning rate runs at which multiple of the unit, and which multiple comes next, with the momentum given.

    `rests` says that the schedule ends far below its peak.

    >>> Ladder(sharpest=2.0).method(1.0), Ladder(sharpest=2.0, rests=False).first
    (Method(alpha=0.5, beta=0.9, gamma=0.9, delta=0.0), (0.5, 1.0))
    """

    def __init__(self, sharpest: float, *, momentum: float = 0.9, nesterov: bool | None = None, rests: bool = True) -> None:
        self.beta = float(momentum)
        self.nesterov = (nesterov is None or nesterov) and self.beta > 0
        self.first = (_STARTS[rests], _PAIR * _STARTS[rests])
        self.unit = ((1 - self.beta) / 0.1) ** _SPREAD / sharpest

    def method(self, factor: float) -> Method:
        """The method at a multiple of the unit, alpha to three digits."""
        return rounded(Method(factor * self.unit, self.beta, self.beta if self.nesterov else 0.0))

    def following(self, done: dict[float, Record]) -> float:
        """The multiple to run next, given what ran; one that is already there means there is nothing left to try."""
        scores = {factor: score(run) for factor, run in sorted(done.items())}
        best = min(scores, key=lambda factor: scores[factor])
        above = [factor for factor in scores if factor > best]
        if not above:
            return _PAIR * best if _PAIR * best <= CAP else best / math.sqrt(2)
        between = best * math.sqrt(2)
        if best > min(scores):
            return between if between < above[0] * 0.99 else best / math.sqrt(2)
        return between if scores[above[0]] <= scores[best] * (1 + _CLOSE) else best / math.sqrt(2)
