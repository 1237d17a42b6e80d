"""The policy that chooses by experience: other jobs say where to begin, the runs of this job say where to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..budget import Budget
from ..judging import score, values
from ..measurement import Measurement
from ..policy import Candidate, Caution, Evidence, Expectation, Gain, History, Pick, Proposal, Reason
from ..quadratic import bent
from ..recipe import Family, Recipe
from ..sweeps import Sweep
from .cells import Cell
from .jobs import TRIED, asked, experience, extended, schedule_apart
from .prior import Belief, Places, Seen, Weighed, places
from .reading import FITTED, Fitted, quantiles
from .surfaces import NET, left, remains

__all__ = ["ExperiencePolicy"]

Array = NDArray[np.float64]
_LOW, _HIGH = -12.0, 5.0  # log2 of the learning rate in the unit of the job, of what is proposed
_NODES = np.polynomial.hermite_e.hermegauss(5)
_TENTHS = (0.1, 0.5, 0.9)  # an 80 % interval and its middle


class ExperiencePolicy:
    """Search by expected improvement under what other jobs and the runs so far make likely.

    `momentum` and `nesterov` fix what is searched to one family; `optimizer` is "sgd" or "adamw"; `seed` is that of the first run,
    and every further run takes the next one, so that what is recommended has been seen on more than one; `own` are a user's own
    tunings (see `remembering.recalled`), `past` are runs of this very job that were made elsewhere.

    >>> import numpy as np
    >>> from inertia.problems import least_squares
    >>> from inertia.tuning.measuring import measure
    >>> from inertia.tuning.numpy_door import ProblemJob
    >>> budget = Budget(100, 3, 3, np.ones(100))
    >>> policy = ExperiencePolicy(measure(ProblemJob(least_squares(np.eye(3), [1.0, 2.0, 3.0])), budget), budget)
    >>> policy.pick(History()).why.name
    'ADVICE'
    """

    def __init__(
        self,
        measured: Measurement,
        budget: Budget,
        seed: int = 0,
        *,
        optimizer: str = "sgd",
        momentum: float | None = None,
        nesterov: bool | None = None,
        own: tuple[Cell, ...] = (),
        past: Sweep | None = None,
        fitted: Fitted | None = None,
    ) -> None:
        self.measured, self.budget, self.seed, self.optimizer = measured, budget, seed, optimizer
        self.past = past or Sweep()
        held_out = budget.objective.held_out
        fitted = fitted or FITTED[optimizer]
        self.known = extended(experience(optimizer, held_out, fitted), own, optimizer, held_out)
        self.job = replace(asked(measured, budget, optimizer, fitted), apart=schedule_apart(self.known, budget))
        self.cautions = tuple(self._cautions())
        tried = [f for f in TRIED[optimizer] if nesterov is None or f.nesterov == nesterov or f.momentum == 0]
        if momentum is not None:
            tried = [Family(momentum, bool(nesterov), optimizer)]
        self._lowest = -np.inf if measured.lowest is None or budget.objective.metric else measured.lowest  # on validation data, too
        self._asked: tuple[History, Weighed] | None = None
        self.recipes = [self._recipe(x, family) for family in tried for x in NET if _LOW <= x <= _HIGH]

    def propose(self, history: History, left: int) -> Proposal | None:
        """What to run next; the first run is where other jobs did best, later ones where most is to be gained."""
        if left < 1:
            return None
        if not history.trials:
            belief, gain = self._tried(history), float("nan")
            best = int(np.argmin(belief.expected))
            why = Reason.PAST_RUNS if self.past.recipes else Reason.EXPERIENCE_BEST if self.job.said is None else Reason.FORECAST_BEST
        else:
            best, worth, gain, belief = self._next(history)
            if worth < self.known.fitted.worth:
                return None
            why = Reason.IMPROVES if any(fell > 0 for fell in self._falls(history)) else Reason.NOTHING_TRAINED
        candidate = Candidate(self.recipes[best], self.seed + len(history.trials), self._expected(belief, best, history))
        return Proposal((candidate,), why, gain)

    def _next(self, history: History) -> tuple[int, float, float, Belief]:
        """The candidate that is expected to improve most, by how much in y and in loss, and what is believed."""
        belief, ran = self._tried(history), [trial.run.recipe for trial in history.trials]
        best_so_far = self.known.worth(self._weighed(history), self._places(ran))[0][:, self._best(history)]
        gains = improvement(belief.weight, (belief.mean, belief.variance), best_so_far)
        gains[[recipe in ran for recipe in self.recipes]] = 0.0
        best = int(np.argmax(gains))
        return best, float(gains[best]), saved(belief, best_so_far, best), belief

    def pick(self, history: History) -> Pick:
        """The run with the smallest loss expected on a fresh seed; without runs, the candidate with it."""
        if not history.trials:
            belief = self._tried(history)
            best = int(np.argmin(belief.expected))
            return Pick(self.recipes[best], None, Reason.ADVICE, self._expected(belief, best, history), cautions=self.cautions)
        index = self._best(history)
        recipe = history.trials[index].run.recipe
        expected, gain = self.expect([recipe], history)[0], self._next(history)[2]
        return Pick(recipe, index, Reason.BEST_EXPECTED, expected, gain=gain, cautions=self.cautions)

    def _cautions(self) -> Iterator[Caution]:
        """What makes answers about this job less sure than others."""
        if self.job.said is None and self.known.unlike(self.job):
            yield Caution.UNLIKE_OTHERS
        if self.job.apart > 0:
            yield Caution.UNKNOWN_SCHEDULE
        if self.measured.convex and self.optimizer == "sgd" and bent(self.budget):
            yield Caution.FORECAST_WITHHELD

    def expect(self, recipes: Sequence[Recipe], history: History) -> list[Expectation | None]:
        """Where a run of each recipe would end, on a fresh seed."""
        belief = self.known.belief(self._weighed(history), self._places(list(recipes)))
        return [self._expected(belief, index, history) for index in range(len(recipes))]

    def standing(self, history: History) -> Belief:
        """What is believed of the best run so far, or without runs of the best candidate, alone."""
        if history.trials:
            recipe = history.trials[self._best(history)].run.recipe
        else:
            recipe = self.recipes[int(np.argmin(self._tried(history).expected))]
        return self.known.belief(self._weighed(history), self._places([recipe]))

    def ended(self, history: History) -> float:
        """What the best run so far ended at, where smaller is better; inf where none has run or it was lost."""
        if not history.trials:
            return float("inf")
        ended = score(history.trials[self._best(history)].run, self.budget.objective)
        return float(ended) if np.isfinite(ended) else float("inf")

    def at_best(self, history: History) -> tuple[Array, Array, Array]:
        """How far this optimizer may fall at its best, as `reached`."""
        return reached(self._tried(history), self.known.fitted)

    def beyond(self, history: History, fell: float) -> Proposal | None:
        """The candidate that is expected to improve most on a fall reached otherwise; None where none is worth running."""
        belief, ran = self._tried(history), [trial.run.recipe for trial in history.trials]
        worth, gain = surpassed(belief, fell)
        worth[[recipe in ran for recipe in self.recipes]] = 0.0
        best = int(np.argmax(worth))
        if worth[best] < self.known.fitted.worth:
            return None
        candidate = Candidate(self.recipes[best], self.seed + len(history.trials), self._expected(belief, best, history))
        return Proposal((candidate,), Reason.IMPROVES, float(gain[best]))

    def momentum(self, history: History) -> Gain | None:
        """How much higher the loss would end without momentum."""
        values, weights = self.known.momentum(self._weighed(history))
        if not values.size:
            return None
        low, middle, high = np.exp(quantiles(values, weights, _TENTHS))
        return Gain(float(middle), float(low), float(high), Evidence.RUNS if self._ran(history) else Evidence.EXPERIENCE)

    def without_momentum(self, history: History) -> Recipe:
        """The learning rate with the smallest loss expected for momentum 0, of those that may be proposed and those that ran.

        Where what is recommended has momentum 0 itself, it is that.
        """
        best = self.pick(history).recipe
        if best.momentum == 0:
            return best
        plain = [self._recipe(x, Family(0.0, False, self.optimizer)) for x in NET if _LOW <= x <= _HIGH]
        plain += [trial.run.recipe for trial in history.trials if trial.run.recipe.momentum == 0]
        return plain[int(np.argmin(self.known.belief(self._weighed(history), self._places(plain)).expected))]

    def _recipe(self, x: float, family: Family) -> Recipe:
        return Recipe(float(f"{2.0 ** (x + self.job.unit):.3g}"), family.momentum, family.nesterov, family.optimizer)

    def _places(self, recipes: list[Recipe]) -> Places:
        x = np.log2([recipe.learning_rate for recipe in recipes]) - self.job.unit
        return places(x, [recipe.family for recipe in recipes], self.known.families, self.known.fitted.along)

    def _weighed(self, history: History) -> Weighed:
        """What the runs leave of the hypotheses; kept, because the same history is asked many things."""
        if self._asked is None or self._asked[0] is not history:
            ran = self._places([*self.past.recipes, *(trial.run.recipe for trial in history.trials)])
            most = self.job.most + self.start(history) - self.job.start  # falls are counted from the mean start of all seeds
            job = replace(self.job, most=most)
            self._asked = (history, self.known.weigh(job, ran, self._seen(history)))
        return self._asked[1]

    def _tried(self, history: History) -> Belief:
        """The belief about everything that may be proposed."""
        return self.known.belief(self._weighed(history), self._places(self.recipes))

    def start(self, history: History) -> float:
        """The loss at the start, mean over the seeds seen."""
        objective = self.budget.objective
        read = [values(trial.run, objective) for trial in history.trials]
        return float(np.mean([self.job.start, *(objective.sign * float(each[0]) for each in read if len(each))]))

    def _seen(self, history: History) -> Seen:
        """How far each run fell, and which ended no lower than they began."""
        objective, start = self.budget.objective, self.start(history)
        before = np.array([start - objective.sign * loss if np.isfinite(loss) else 0.0 for loss in self.past.losses])
        risen = [not fell > 0 for fell in before]
        for trial in history.trials:
            curve, ended = values(trial.run, objective), score(trial.run, objective)
            risen.append(not np.isfinite(ended) or not len(curve) or ended >= objective.sign * float(curve[0]))
        return Seen(np.concatenate([np.maximum(before, 0.0), self._falls(history)]), np.array(risen, dtype=bool))

    def _ran(self, history: History) -> bool:
        """Whether any run of this job is known."""
        return bool(history.trials or self.past.recipes)

    def _falls(self, history: History) -> Array:
        """How far each run fell below the start; 0 where it was lost."""
        start, found = self.start(history), []
        for trial in history.trials:
            ended = score(trial.run, self.budget.objective)
            found.append(max(start - ended, 0.0) if np.isfinite(ended) else 0.0)
        return np.array(found)

    def _best(self, history: History) -> int:
        """The run that is expected to be best on a fresh seed, of those that trained where any did."""
        fell = self._falls(history)
        expected = self.known.belief(self._weighed(history), self._places([trial.run.recipe for trial in history.trials])).expected
        return chosen(fell, expected)

    def _expected(self, belief: Belief, at: int, history: History) -> Expectation | None:
        """Median and 80 % interval of one run's loss, over hypotheses, falls and seeds; none of a metric before any run tells its scale."""
        if self.budget.objective.metric and not self._ran(history):
            return None
        falls = quantiles(*spread_of(belief, at, self.known.fitted.width(self._ran(history))), _TENTHS)
        sign = self.budget.objective.sign
        low, middle, high = np.maximum(sorted(sign * (self.start(history) - falls)), self._lowest)
        evidence = Evidence.RUNS if self._ran(history) else Evidence.FORECAST if self.job.said is not None else Evidence.EXPERIENCE
        return Expectation(float(middle), float(low), float(high), evidence)


def chosen(fell: Array, expected: Array) -> int:
    """The run to recommend, from how far each fell and what y is expected of it: of those that trained, where any did, the smallest y.

    So of two runs that ended next to the reference the one is taken that is farther from where runs fail, not the one that ended lowest:
    on one seed both look alike, on the next the bolder one may be lost.

    >>> chosen(np.array([0.98, 0.9999, 0.999]), np.log([0.05, 0.0125, 0.0120])), chosen(np.array([0.01, 0.95]), np.log([0.1, 0.3]))
    (2, 1)
    """
    return int(np.argmin(np.where(fell >= 0.1 * fell.max(), expected, np.inf)))


def spread_of(belief: Belief, at: int, width: float = 1.0) -> tuple[Array, Array]:
    """How far one run may fall, as values and weights."""
    fall, _, chance = _fallen(belief, belief.run[:, at], width * np.sqrt(belief.variance[:, at] + belief.noise[:, at]))
    return fall, chance


def improvement(weight: Array, worth: tuple[Array, Array], best: Array) -> Array:
    """Expected fall of y below `best` (H,), hypothesis by hypothesis, at candidates of a worth (mean, variance): (C,)."""
    nodes, weights = _NODES
    deviation, gap = np.sqrt(worth[1]), best[:, None] - worth[0]
    gained = np.zeros_like(gap)
    for node, share in zip(nodes, weights / weights.sum(), strict=True):
        gained += share * np.maximum(gap + node * deviation, 0.0)
    return np.asarray(weight @ gained)


def saved(belief: Belief, best: Array, at: int) -> float:
    """Expected decrease in loss from one more run at a candidate, for who then keeps the better of it and of what is worth `best` (H,)."""
    nodes, weights = _NODES
    y = np.minimum(belief.mean[:, [at]] + np.sqrt(belief.variance[:, [at]]) * nodes, best[:, None])
    share = np.minimum(remains(best), 1.0) - np.minimum(remains(y), 1.0) @ (weights / weights.sum())
    return float(belief.weight @ ((belief.chance @ belief.fall) * share))


def surpassed(belief: Belief, fell: float) -> tuple[Array, Array]:
    """Expected improvement at every candidate on a fall reached otherwise: in y, and in units of loss (C,) each."""
    nodes, weights = _NODES
    deviation = np.sqrt(belief.variance)
    reached = left(1 - fell / belief.fall)  # (G,) where that fall stands if so much is possible
    chance = belief.weight[:, None] * belief.chance  # (H, G)
    worth, gain = np.zeros(belief.mean.shape[1]), np.zeros(belief.mean.shape[1])
    for node, share in zip(nodes, weights / weights.sum(), strict=True):
        y = np.minimum(belief.mean + node * deviation, 0.0)
        rest = remains(y)
        for k, (fall, level) in enumerate(zip(belief.fall, reached, strict=True)):
            worth += share * (chance[:, k] @ np.maximum(level - y, 0.0))
            gain += share * (chance[:, k] @ np.maximum(fall * (1 - rest) - fell, 0.0))
    return worth, gain


def settled(belief: Belief, at: int) -> tuple[Array, Array, Array]:
    """How far the mean loss over seeds may fall at a candidate, how far it could at most, and the weights: (H G 5,) each."""
    return _fallen(belief, belief.mean[:, at], np.sqrt(belief.variance[:, at]))


def reached(belief: Belief, fitted: Fitted) -> tuple[Array, Array, Array]:
    """How far the mean loss over seeds may fall at the best candidate, which every hypothesis has its own of: as `settled`, (H G 5,) each.

    Of the scatter about a hypothesis only what is common to all candidates is left: the rest was used up by taking the best of them.
    """
    at = np.argmin(belief.mean, axis=1)[:, None]
    mean, variance = (np.take_along_axis(part, at, axis=1)[:, 0] for part in (belief.mean, belief.variance))
    return _fallen(belief, mean, np.sqrt(variance * fitted.level**2 / (fitted.level**2 + fitted.own**2)))


def _fallen(belief: Belief, mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Falls at y of such a mean and deviation (H,) under every hypothesis, the falls possible, and the weights: (H G 5,) each."""
    nodes, weights = _NODES
    y = np.minimum(mean[:, None] + deviation[:, None] * nodes, 0.0)
    fall = belief.fall[None, :, None] * (1 - remains(y)[:, None, :])
    chance = belief.weight[:, None, None] * belief.chance[:, :, None] * (weights / weights.sum())
    return fall.ravel(), np.broadcast_to(belief.fall[None, :, None], fall.shape).ravel(), np.broadcast_to(chance, fall.shape).ravel()
