"""SGD with momentum, or AdamW: two policies side by side, and of every run the optimizer that it is worth most to.

The first run is that of the optimizer whose advice without a run ended nearer to the better of both on other jobs (where a forecast
was made, of the one that is believed to end lower), the second that of the other, so that both have been seen. Nothing measured before
a run foretold which of two ends lower (benchmarks/experience/any.py). Every further run goes where the loss of the better of both is
expected to fall most. Which of two ends lower, each at its own best setting, is told by the ratio of what is left above the floor that
both share: each policy thinks in what is left above a floor of its own. The optimizer whose best run ended lower is recommended: what
is believed of both runs chooses no better (any.py), and nobody would understand it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..budget import Budget
from ..measurement import Measurement
from ..policy import Choice, Evidence, Expectation, Gain, History, Pick, Proposal, Reason
from ..recipe import OPTIMIZERS, Recipe
from .cells import Cell
from .densities import log_student
from .policy import ExperiencePolicy, settled
from .prior import Experience
from .reading import FITTED, quantiles
from .surfaces import EPSILON

__all__ = ["Apart", "EitherPolicy", "advised", "apart", "ratios", "told"]

Array = NDArray[np.float64]
_DRAWN = 16384  # pairs of what is believed of both: quantiles of their ratio to about 1 % of the spread
_TENTHS = (0.1, 0.5, 0.9)


class EitherPolicy:
    """Search SGD and AdamW together; arguments are those of ExperiencePolicy.

    >>> import numpy as np
    >>> from inertia.problems import least_squares
    >>> from inertia.tuning.measuring import measure
    >>> from inertia.tuning.numpy_door import ProblemJob
    >>> budget = Budget(100, 3, 3, np.ones(100))
    >>> job = ProblemJob(least_squares(np.eye(3), [1.0, 2.0, 3.0]))
    >>> policy = EitherPolicy(measure(job, budget, optimizer="any"), budget)
    >>> policy.pick(History()).recipe.optimizer == policy.chosen(History()).chosen
    True
    """

    def __init__(self, measured: Measurement, budget: Budget, seed: int = 0, *, own: tuple[Cell, ...] = ()) -> None:
        self.budget = budget
        self.each = {name: ExperiencePolicy(measured, budget, seed, optimizer=name, own=own) for name in OPTIMIZERS}
        self.apart = apart(*(self.each[name].known for name in OPTIMIZERS))
        self._split: tuple[History, dict[str, History], Array] | None = None

    def propose(self, history: History, left: int) -> Proposal | None:
        """What to run next: both optimizers once, then the one whose run is expected to lower the better of both most."""
        if left < 1:
            return None
        parts, order = self._parts(history), self._order(history)
        unseen = [name for name in order if not parts[name].trials]
        if unseen:
            first = self.each[unseen[0]].propose(parts[unseen[0]], left)
            return first if len(unseen) == len(order) or first is None else replace(first, why=Reason.OTHER_OPTIMIZER)
        best, other = order
        fell, _, weight = settled(self.each[best].standing(parts[best]), 0)
        ahead = self.each[other].start(parts[other]) - self.each[best].start(parts[best])
        found = [self.each[best].propose(parts[best], left)]
        found += [self.each[other].beyond(parts[other], float(np.average(fell, weights=weight)) + ahead)]
        return max((each for each in found if each is not None), key=lambda each: each.gain, default=None)

    def pick(self, history: History) -> Pick:
        """Of the optimizer whose best run ended lower, the run with the smallest loss expected; without runs, the candidate with it."""
        name, other = self._order(history)
        parts = self._parts(history)
        found = self.each[name].pick(parts[name])
        if found.index is None:
            return found
        places = [index for index, trial in enumerate(history.trials) if trial.run.recipe.optimizer == name]
        return replace(found, index=places[found.index], why=Reason.BEST_OPTIMIZER if parts[other].trials else found.why)

    def expect(self, recipes: Sequence[Recipe], history: History) -> list[Expectation | None]:
        """Where a run of each recipe would end, on a fresh seed."""
        found: list[Expectation | None] = [None] * len(recipes)
        for name, part in self._parts(history).items():
            mine = [index for index, recipe in enumerate(recipes) if recipe.optimizer == name]
            if mine:
                for index, expected in zip(mine, self.each[name].expect([recipes[k] for k in mine], part), strict=True):
                    found[index] = expected
        return found

    def momentum(self, history: History) -> Gain | None:
        """How much higher the loss of the chosen optimizer would end without momentum."""
        name = self._order(history)[0]
        return self.each[name].momentum(self._parts(history)[name])

    def without_momentum(self, history: History) -> Recipe:
        """The learning rate with the smallest loss expected for momentum 0, of the chosen optimizer."""
        name = self._order(history)[0]
        return self.each[name].without_momentum(self._parts(history)[name])

    def chosen(self, history: History) -> Choice:
        """Which optimizer ends lower, and by how much."""
        _, ratio = self._asked(history)
        parts, (best, other) = self._parts(history), self._order(history)
        low, middle, high = np.exp(ratio if best == OPTIMIZERS[0] else -ratio[::-1])
        evidence = Evidence.RUNS if all(parts[name].trials for name in (best, other)) else Evidence.EXPERIENCE
        return Choice(best, other, float(middle), float(low), float(high), evidence)

    def _parts(self, history: History) -> dict[str, History]:
        """The history of each optimizer; kept, because the same history is asked many things."""
        return self._asked(history)[0]

    def _asked(self, history: History) -> tuple[dict[str, History], Array]:
        """Each optimizer's history, and 10 %, median and 90 % of ln(second of OPTIMIZERS/first), each at its best."""
        if self._split is None or self._split[0] is not history:
            parts = {name: history.of(name) for name in self.each}
            one, two = (policy.at_best(parts[name]) for name, policy in self.each.items())
            self._split = history, parts, self._told(parts, one, two)
        return self._split[1:]

    def _told(self, parts: dict[str, History], one: tuple[Array, Array, Array], two: tuple[Array, Array, Array]) -> Array:
        """10 %, median and 90 % of the logarithm of the ratio, of falls that are counted from each optimizer's own start."""
        first, second = (policy.start(parts[name]) for name, policy in self.each.items())
        return told(one, _later(two, second - first), self.apart)

    def _order(self, history: History) -> list[str]:
        """The optimizers, best first: one that ran before one that did not; else the one whose best run ended lower.

        Where none trained, and before any run, it is the one that is believed to end lower; without runs and without a forecast the one
        whose advice was nearer to the better of both on other jobs.
        """
        parts = self._parts(history)
        one, two = (policy.ended(parts[name]) for name, policy in self.each.items())
        if not history.trials and all(policy.job.said is None for policy in self.each.values()):
            first = advised() == OPTIMIZERS[0]
        elif min(one, two) < np.inf:
            first = one <= two
        else:
            mine, theirs = (settled(policy.standing(parts[name]), 0) for name, policy in self.each.items())
            first = bool(self._told(parts, mine, theirs)[1] >= 0)
        return sorted(self.each, key=lambda name: (not parts[name].trials, (name == OPTIMIZERS[0]) != first))


def advised() -> str:
    """The optimizer whose advice without a run ended nearer to the better of both, over all known jobs.

    >>> advised()
    'adamw'
    """
    return min(OPTIMIZERS, key=lambda name: FITTED[name].advice)


def _later(falls: tuple[Array, Array, Array], ahead: float) -> tuple[Array, Array, Array]:
    """Falls counted from a start that is lower by `ahead`."""
    return falls[0] - ahead, falls[1] - ahead, falls[2]


@dataclass(frozen=True)
class Apart:
    """How far apart what is possible for the two optimizers lies on one job: Student's density of ln of the ratio of the falls."""

    spread: float
    tail: float  # degrees of freedom


def apart(one: Experience, two: Experience) -> Apart:
    """As it is on the jobs where both are known; the tail is the heavier of those that were fitted."""
    falls = [{(each.cell.name, each.cell.schedule): each.fall for each in known.surfaces} for known in (one, two)]
    off = [np.log(falls[1][job] / falls[0][job]) for job in falls[0].keys() & falls[1].keys()]
    return Apart(float(np.std(off)), min(one.fitted.tail, two.fitted.tail))


def ratios(one: tuple[Array, Array, Array], two: tuple[Array, Array, Array], likely: Apart) -> tuple[Array, Array]:
    """ln of how many times as much of the fall is left by the second as by the first: pairs drawn by weight, and how likely each is.

    Each is (falls, falls possible, weights). What is possible for one is possible for the job, so the floor is the lower of both, and a
    pair is as likely as it is to have what is possible for the one and for the other so far apart: both were run on one job.

    >>> sure = np.array([0.9]), np.array([1.0]), np.array([1.0])
    >>> half = np.array([0.5]), np.array([0.7]), np.array([1.0])
    >>> round(float(np.exp(ratios(sure, half, Apart(0.1, 3.0))[0][0])), 2)
    4.64
    """
    at = (np.arange(_DRAWN) + 0.5) / _DRAWN  # each by its weight to within one part in 16384, paired at random
    places = at, np.random.default_rng(0).permutation(at)
    (fell, most), (other, other_most) = (
        (part[0][index], part[1][index])
        for part, index in ((part, _inverse(part[2], place)) for part, place in zip((one, two), places, strict=True))
    )
    floor = np.maximum(most, other_most)
    rest, other_rest = (np.maximum(1 - each / floor, 0.0) + EPSILON for each in (fell, other))
    possible = np.maximum(other_most, np.finfo(float).tiny)  # counted from the first one's start, a fall can be less than nothing
    weight = log_student(np.log(possible / most) / likely.spread, likely.tail)
    return np.log(other_rest / rest), np.exp(weight - weight.max())


def told(one: tuple[Array, Array, Array], two: tuple[Array, Array, Array], likely: Apart) -> Array:
    """10 %, median and 90 % of that logarithm."""
    return quantiles(*ratios(one, two, likely), _TENTHS)


def _inverse(weight: Array, at: Array) -> NDArray[np.intp]:
    """Which entries of a weighted set lie at the given shares of its weight."""
    summed = np.cumsum(weight)
    return np.minimum(np.searchsorted(summed, at * summed[-1]), weight.size - 1)
