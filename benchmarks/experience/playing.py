"""The policy played on known grids, leave one family out: it asks for runs, and the grid answers with what they ended at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inertia.tuning.experience.cells import Cell
from inertia.tuning.experience.features import Trend, marks, regressors, scale_of
from inertia.tuning.experience.policy import chosen, improvement, spread_of
from inertia.tuning.experience.prior import Belief, Experience, Job, Places, Seen, places
from inertia.tuning.experience.reading import Fitted, quantiles
from inertia.tuning.experience.surfaces import EPSILON, Surface, surface
from inertia.tuning.recipe import Family

TENTHS = (0.1, 0.5, 0.9)


@dataclass(frozen=True, eq=False)
class Told:
    """What was believed of one candidate, and how far its runs fell."""

    belief: Belief
    fell: tuple[float, ...]
    possible: float

    def rows(self, width: float) -> list[tuple[float, ...]]:
        """10 %, median and 90 % of the fall, widened, beside what every run fell and what was possible."""
        low, middle, high = quantiles(*spread_of(self.belief, 0, width), TENTHS)
        return [(low, middle, high, fell, self.possible) for fell in self.fell]


@dataclass(frozen=True, eq=False)
class Gained:
    """What was believed of momentum's gain, as roots of its logarithm and weights, and what it is."""

    roots: NDArray[np.float64]
    weights: NDArray[np.float64]
    gain: float

    def row(self, fitted: Fitted) -> tuple[float, ...]:
        """10 %, median and 90 % of ln of the gain beside what it is."""
        return (*quantiles(*fitted.gained(self.roots, self.weights), TENTHS), self.gain)


@dataclass(frozen=True, eq=False)
class Played:
    """One cell and tuning seed: logreg of what is recommended after 0, 1, ... runs, and whether any seed fails to train there."""

    name: str
    schedule: str
    seed: int
    logreg: tuple[float, ...]
    failed: tuple[bool, ...]
    foreseen: list[Told]  # of every run
    made: int  # runs, of those allowed: the search ends where one more is not worth it
    again: list[Told]  # after 0, 1, ... runs, of what is recommended, on seeds on which it did not run
    gains: list[Gained]  # after 0, 1, ... runs; none where that is not known


def laid(cells: list[Cell], families: tuple[Family, ...], fitted: Fitted, held_out: bool = False) -> list[Surface]:
    return [s for s in (surface(cell, families, fitted, held_out) for cell in cells) if s is not None]


class LeftOut(Experience):
    """What is known without one family: the trend of learning rates is fitted without it, too, and every known surface moved by that."""

    def __init__(self, surfaces: list[Surface], families: tuple[Family, ...], without: Fitted, family: str) -> None:
        super().__init__(surfaces, families, without, skip=family)
        self.moved = np.array([s.unit - without.unit(s.cell.facts, s.cell.optimizer) for s in self.surfaces])
        self.marks = self.marks + self.moved[:, None]

    def prior(self, job: Job) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Hypotheses, moved."""
        source, shift, weight, corrects = super().prior(job)
        return source, shift + self.moved[source], weight, corrects


def job_of(s: Surface, gains: Trend) -> Job:
    facts = s.cell.facts
    said = s.said if np.all(np.isfinite(s.said)) else None
    most = np.inf if np.isnan(s.most) else s.most
    told = 0.0 if np.isnan(s.promised) else s.promised
    gain = gains.at(regressors(facts, s.cell.optimizer))
    seen = marks(facts, s.cell.optimizer) - s.unit
    return Job(s.features, s.unit, s.start, scale_of(facts, s.cell.optimizer), most, said, told, gain, seen)


class Answers:
    """The answers of one cell: candidates are the recipes that ran on every seed."""

    def __init__(self, s: Surface, families: tuple[Family, ...], along: float, held_out: bool = False) -> None:
        cell = s.cell
        losses, starts = (cell.held, cell.held_start) if held_out else (cell.training, cell.start)
        full = np.all(~np.isnan(losses), axis=1)
        self.recipes = [r for r, ok in zip(cell.recipes, full, strict=True) if ok]
        self.risen = losses[full] >= starts
        self.starts, self.possible = starts, s.fall
        self.fell = self.falls(losses[full])
        share = self.left(losses[full])
        y = np.log(share.mean(axis=1) + EPSILON)
        self.best = float(y.min())
        self.logreg = y - self.best
        self.failed = (share > 0.9).any(axis=1)
        x = np.log2([r.learning_rate for r in self.recipes]) - s.unit
        self.where = places(x, [r.family for r in self.recipes], families, along)

    def falls(self, losses: np.ndarray) -> np.ndarray:
        """How far losses (..., S) of every seed lie below the mean start."""
        return np.maximum(self.starts.mean() - np.minimum(losses, self.starts), 0.0)

    def left(self, losses: np.ndarray) -> np.ndarray:
        """The share of the fall that they leave."""
        return np.maximum(1 - self.falls(losses) / self.possible, 0.0)

    def at(self, index: list[int]) -> Places:
        w = self.where
        return Places(*(getattr(w, name)[index] for name in ("x", "rows", "shifts", "weights", "memory", "ahead")))


def play(s: Surface, cell: Answers, experience: Experience, runs: int = 3, seeds: tuple[int, ...] = (0, 1, 2)) -> list[Played]:
    job, found = job_of(s, experience.fitted.gains), []
    for seed in seeds:
        ended_early = False
        picks, done, fell, risen, foreseen, again, gains = [], [], [], [], [], [], []
        for n in range(runs + 1):
            weighed = experience.weigh(job, cell.at(done), Seen(np.array(fell), np.array(risen, dtype=bool)))
            worth = experience.worth(weighed, cell.where)
            expected = weighed.weight @ worth[0]
            if np.isfinite(s.gain):
                gains.append(Gained(*experience.gain_roots(weighed), s.gain))
            if n == 0:
                picks.append(int(np.argmin(expected)))
                ask = picks[0]
            else:
                picks.append(done[chosen(np.array(fell), expected[done])])
                improved = improvement(weighed.weight, worth, worth[0][:, picks[-1]])
                improved[done] = 0
                ask = int(np.argmax(improved))
                ended_early = ended_early or improved[ask] < experience.fitted.worth
            ran = {(seed + at) % cell.fell.shape[1] for at, each in enumerate(done) if each == picks[-1]}
            fresh = [k for k in range(cell.fell.shape[1]) if k not in ran]
            again.append(Told(experience.belief(weighed, cell.at(picks[-1:])), tuple(cell.fell[picks[-1], fresh]), s.fall))
            if n < runs and not ended_early:
                ended = cell.fell[ask, (seed + n) % cell.fell.shape[1]]
                foreseen.append(Told(experience.belief(weighed, cell.at([ask])), (ended,), s.fall))
                done.append(ask)
                fell.append(ended)
                risen.append(cell.risen[ask, (seed + n) % cell.fell.shape[1]])
        scores = tuple(cell.logreg[picks]), tuple(cell.failed[picks])
        found.append(Played(s.cell.name, s.cell.schedule, seed, *scores, foreseen, len(done), again, gains))
    return found
