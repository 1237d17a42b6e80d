"""SGD with momentum, or AdamW: two policies side by side, and of every run the optimizer that it is worth most to.

The first run is that of the optimizer whose best setting is expected to end lower, the second that of the other, so that both have been
seen. Every further run goes where the loss of the better of both is expected to fall most. Losses are compared, not the logarithms of
what is left that each policy thinks in: the falls that are possible differ between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..budget import Budget
from ..measurement import Measurement
from ..policy import Choice, Evidence, Expectation, Gain, History, Pick, Proposal, Reason
from ..recipe import OPTIMIZERS, Recipe
from .cells import Cell
from .policy import ExperiencePolicy, settled
from .surfaces import EPSILON

__all__ = ["EitherPolicy", "ratios"]

Array = NDArray[np.float64]
_DRAWN = 4096  # pairs of what is believed of both: quantiles of their ratio to about 1 % of the spread
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
        self._split: tuple[History, dict[str, History]] | None = None

    def propose(self, history: History, left: int) -> Proposal | None:
        """What to run next: both optimizers once, then the one whose run is expected to lower the better of both most."""
        if left < 1:
            return None
        parts, order = self._parts(history), self._order(history)
        unseen = [name for name in order if not parts[name].trials]
        if unseen:
            first = self.each[unseen[0]].propose(parts[unseen[0]], left)
            return first if len(unseen) == len(order) or first is None else replace(first, why=Reason.OTHER_OPTIMIZER)
        best, *others = order
        loss = self._loss(best, history)
        found = [self.each[best].propose(parts[best], left)]
        found += [self.each[name].beyond(parts[name], self.each[name].start(parts[name]) - loss) for name in others]
        return max((each for each in found if each is not None), key=lambda each: each.gain, default=None)

    def pick(self, history: History) -> Pick:
        """The run with the smallest loss expected on a fresh seed, of both optimizers; without runs, the candidate with it."""
        name = self._order(history)[0]
        found = self.each[name].pick(self._parts(history)[name])
        if found.index is None:
            return found
        places = [index for index, trial in enumerate(history.trials) if trial.run.recipe.optimizer == name]
        return replace(found, index=places[found.index])

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
        parts, (best, other, *_) = self._parts(history), self._order(history)
        one, two = (settled(self.each[name].standing(parts[name]), 0) for name in (best, other))
        ahead = self.each[other].start(parts[other]) - self.each[best].start(parts[best])
        low, middle, high = np.exp(np.quantile(ratios(one, (two[0] - ahead, two[1] - ahead, two[2])), _TENTHS))
        evidence = Evidence.RUNS if all(parts[name].trials for name in (best, other)) else Evidence.EXPERIENCE
        return Choice(best, other, float(middle), float(low), float(high), evidence)

    def _parts(self, history: History) -> dict[str, History]:
        """The history of each optimizer; kept, because the same history is asked many things."""
        if self._split is None or self._split[0] is not history:
            self._split = history, {name: history.of(name) for name in self.each}
        return self._split[1]

    def _order(self, history: History) -> list[str]:
        """The optimizers, best first: those that ran before those that did not, where any did; then by the loss expected."""
        parts = self._parts(history)
        return sorted(self.each, key=lambda name: (not parts[name].trials, self._loss(name, history)))

    def _loss(self, name: str, history: History) -> float:
        """The loss expected of the best setting of an optimizer, as a score: smaller is better."""
        part, how = self._parts(history)[name], self.each[name]
        fell, _, weight = settled(how.standing(part), 0)
        return how.start(part) - float(np.average(fell, weights=weight))


def ratios(one: tuple[Array, Array, Array], two: tuple[Array, Array, Array]) -> Array:
    """ln of how many times as much of the fall is left by the second as by the first: pairs drawn by weight, (4096,).

    Each is (falls, falls possible, weights). What is possible for one is possible for the job, so the floor is the lower of both.

    >>> sure = np.array([0.9]), np.array([1.0]), np.array([1.0])
    >>> half = np.array([0.5]), np.array([0.7]), np.array([1.0])
    >>> round(float(np.exp(ratios(sure, half)[0])), 2)
    4.64
    """
    rng = np.random.default_rng(0)
    (fell, most), (other, other_most) = (
        (part[0][index], part[1][index])
        for part, index in ((part, rng.choice(part[2].size, _DRAWN, p=part[2] / part[2].sum())) for part in (one, two))
    )
    floor = np.maximum(most, other_most)
    rest, other_rest = (np.maximum(1 - each / floor, 0.0) + EPSILON for each in (fell, other))
    return np.asarray(np.log(other_rest / rest))
