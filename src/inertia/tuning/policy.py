"""Choosing as a type: a policy proposes what to run next and picks what to recommend, and gives its reasons as data.

Every sentence about a reason stands in `reasons`; nothing here is prose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import numpy as np

from .budget import Budget
from .recipe import Recipe
from .trainable import Run

__all__ = [
    "Candidate",
    "Caution",
    "Choice",
    "Choosing",
    "Evidence",
    "Expectation",
    "Gain",
    "History",
    "Pick",
    "Policy",
    "Proposal",
    "Reason",
    "Trial",
]


class Evidence(Enum):
    """What a number rests on, from the weakest to the strongest."""

    FORECAST = "forecast"  # the quadratic at the start
    EXPERIENCE = "experience"  # other jobs
    RUNS = "runs"  # runs of this job


class Reason(Enum):
    """Why a candidate is proposed, or a run picked, or the search ended."""

    FORECAST_BEST = "the quadratic's forecast is best there"
    PAST_RUNS = "where the runs made elsewhere and other jobs make the lowest loss likely"
    EXPERIENCE_BEST = "other jobs like this one did best there"
    IMPROVES = "largest expected improvement"
    OTHER_OPTIMIZER = "the other optimizer where other jobs did best with it"
    NOTHING_TRAINED = "nothing trained so far: far smaller learning rate"
    REPLICATE = "the best run again with another seed"
    WITHOUT_MOMENTUM = "asked for: the run without momentum"
    BEST_EXPECTED = "smallest loss expected on a fresh seed among the runs made"
    BEST_OPTIMIZER = "the better of two optimizers by their best runs, and its smallest loss expected"
    ADVICE = "no run was made"
    NOTHING_TO_GAIN = "one more run is expected to gain less than it is worth"
    BUDGET_SPENT = "no run is left in the budget"
    CONVERGED = "the run reached the bottom"


class Caution(Enum):
    """What makes an answer less sure than others."""

    UNLIKE_OTHERS = "no known job is like this one"
    UNKNOWN_SCHEDULE = "no known job had a schedule like this one"
    FORECAST_WITHHELD = "what is done to the gradients is none of what the quadratic's forecast holds for"


@dataclass(frozen=True)
class Expectation:
    """A final loss before it is known: the median and an 80 % interval."""

    loss: float
    low: float  # 10 %
    high: float  # 90 %
    evidence: Evidence = Evidence.EXPERIENCE


@dataclass(frozen=True)
class Gain:
    """How many times higher the loss ends without momentum, each at its best learning rate: (L_0 - ref)/(L - ref), 80 % interval."""

    ratio: float
    low: float
    high: float
    evidence: Evidence


@dataclass(frozen=True)
class Choice:
    """Which of two optimizers ends lower, and how many times higher the other does, with an 80 % interval.

    The ratio is (L_other - ref + e)/(L - ref + e), each at its own best setting: L is the mean over seeds, ref the lower of the
    two floors, and e is 1 % of the largest fall, below which losses count as alike (so nothing is more than 101 times as high).
    """

    chosen: str
    other: str
    ratio: float
    low: float
    high: float
    evidence: Evidence  # RUNS where both have run


@dataclass(frozen=True)
class Candidate:
    """A recipe to run, with the seed to run it on and what is expected of it."""

    recipe: Recipe
    seed: int
    expected: Expectation | None  # None: withheld


@dataclass(frozen=True)
class Trial:
    """A candidate and what became of it."""

    candidate: Candidate
    run: Run
    score: float  # what runs are compared by, smaller is better; inf where the run diverged


@dataclass(frozen=True)
class History:
    """Everything that has been run so far, oldest first."""

    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> int | None:
        """Index of the smallest score; None before the first run that ended finite."""
        scores = [trial.score for trial in self.trials]
        return int(np.argmin(scores)) if scores and np.isfinite(min(scores)) else None

    def of(self, optimizer: str) -> History:
        """The trials of one optimizer alone."""
        return History(tuple(trial for trial in self.trials if trial.run.recipe.optimizer == optimizer))

    def more(self, trials: Sequence[Trial]) -> History:
        """The history with further trials."""
        return History((*self.trials, *trials))


@dataclass(frozen=True)
class Proposal:
    """What to run next (together, where there are several), why, and the gain in expected loss by doing so."""

    candidates: tuple[Candidate, ...]
    why: Reason
    gain: float = float("nan")  # expected decrease of the recommended run's loss


@dataclass(frozen=True)
class Pick:
    """What is recommended: a run that was made (or advice where `index` is None), why, and what is expected on a fresh seed."""

    recipe: Recipe
    index: int | None
    why: Reason
    expected: Expectation | None
    stopped: Reason = Reason.BUDGET_SPENT
    gain: float = float("nan")  # expected decrease of the recommended run's loss by one more run; nan where it cannot be told
    cautions: tuple[Caution, ...] = ()


class Policy(Protocol):
    """How to search. The measurement and the budget are given when it is made."""

    budget: Budget

    def propose(self, history: History, left: int) -> Proposal | None:
        """What to run next with at most `left` runs more; None: nothing is worth running."""
        ...

    def pick(self, history: History) -> Pick:
        """What to recommend after what was run."""
        ...

    def expect(self, recipes: Sequence[Recipe], history: History) -> list[Expectation | None]:
        """Where a run of each recipe would end, on a fresh seed; None where no honest number can be given."""
        ...

    def momentum(self, history: History) -> Gain | None:
        """How much higher the loss would end without momentum; None where no honest number can be given."""
        ...

    def without_momentum(self, history: History) -> Recipe:
        """The best learning rate for momentum 0, as far as known."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A policy that searches more than one optimizer."""

    def chosen(self, history: History) -> Choice:
        """Which ends lower, and by how much."""
        ...
