"""Real tunings of a third of the jobs, with everything removed that experience knows of their family, scored by real runs on fresh seeds.

    python benchmarks/experience/real.py             go on where it stopped; real/jobs.json
    python benchmarks/experience/real.py --table     what is there
    ... --sealed                                     the sealed jobs (real/sealed.json): once, when nothing more is changed

Every third job by name is taken, of those that a run of a minute is enough for; SGD, both schedules, tuning seed 7. A recommendation
after 0, 2 and 3 runs is scored on seeds 100 to 102 against the job's own grid (see scores.py); beside it stands the loss that was
expected of it.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "experience"

from inertia.tuning.experience.cells import Cell, shipped
from inertia.tuning.experience.jobs import FAMILIES
from inertia.tuning.experience.policy import ExperiencePolicy
from inertia.tuning.experience.prior import Experience
from inertia.tuning.experience.reading import FITTED, Fitted
from inertia.tuning.experience.surfaces import EPSILON, Surface, surface
from inertia.tuning.factors import budget_of
from inertia.tuning.loop import tune
from inertia.tuning.policy import History
from inertia.tuning.recipe import Recipe

from .build import SCHEDULES, cells, jax_door
from .jobs import JOBS, Job
from .problems import batch_size, built, dimension, examples
from .reading import HERE, record
from .runs import MOMENTA, run
from .trend import penalties, trends

SEED, FRESH, AFTER = 7, (100, 101, 102), (0, 2, 3)
LARGEST, LONGEST = 60_000, 40e9  # parameters, and parameters times examples seen in a run: what is left out takes minutes a run


@dataclass(frozen=True)
class Without:
    """The policy of the package, with one family of jobs taken from its experience."""

    family: str

    def __call__(self, measured: Any, budget: Any, seed: int) -> ExperiencePolicy:
        policy = ExperiencePolicy(measured, budget, seed, fitted=_without(self.family))
        left = [each for each in policy.known.surfaces if each.cell.family != self.family]
        policy.known = Experience(left, policy.known.families, policy.known.fitted)
        return policy


@cache
def _without(family: str) -> Fitted:
    """The numbers of the package, the line of learning rates from all other families."""
    fitted = FITTED["sgd"]
    return replace(fitted, trends=trends(shipped(), "sgd", fitted, _penalties(), family))


@cache
def _penalties() -> tuple[float, float]:
    return penalties(shipped(), "sgd", FITTED["sgd"])


def chosen(sealed: bool) -> list[Job]:
    """The jobs that are tuned."""
    if sealed:
        return [job for job in JOBS.values() if job.sealed]
    known = {cell.name for cell in shipped() if cell.optimizer == "sgd"}
    small = [
        JOBS[name]
        for name in sorted(known)
        if dimension(JOBS[name]) <= LARGEST and dimension(JOBS[name]) * JOBS[name].steps * batch_size(JOBS[name]) <= LONGEST
    ]
    return small[::3]


def made(job: Job, schedule: str) -> dict[str, Any]:
    """One tuning, and what its recommendations end at on fresh seeds."""
    one = built(job.name)
    budget = budget_of(examples(job), steps=job.steps, batch_size=batch_size(job), schedule=schedule)
    how = Without(job.family)
    found = tune(jax_door(job, SEED), budget, how, runs=max(AFTER), seed=SEED)
    policy = how(found.measurement, budget, SEED)
    picks = {str(n): policy.pick(History(found.history.trials[:n])) for n in AFTER}
    starts = [float(one.loss(one.init(seed), one.data)) for seed in FRESH]
    ended = {}
    for n, pick in picks.items():
        losses = scored(job, schedule, pick.recipe)
        expected = pick.expected
        ended[n] = {
            "recipe": [pick.recipe.learning_rate, pick.recipe.momentum, int(pick.recipe.nesterov)], "losses": losses,
            "expected": None if expected is None else [expected.low, expected.loss, expected.high],
        }  # fmt: skip
    return {"starts": starts, "after": ended, "cost": found.cost.spent, "measuring": found.cost.measuring}


def scored(job: Job, schedule: str, recipe: Recipe) -> list[float | None]:
    """Final losses of a recipe on the fresh seeds; None where it diverged."""
    name = next(key for key, (beta, gamma) in MOMENTA.items() if beta == recipe.momentum and (gamma > 0) == recipe.nesterov)
    found = [run(job, "sgd", schedule, [(name, float(np.log2(recipe.learning_rate)))], seed)[0].train for seed in FRESH]
    return [float(f"{loss:.6g}") if np.isfinite(loss) else None for loss in found]


def surface_of(job: Job, schedule: str) -> Surface:
    """The job's own grid, for the score."""
    known = [cell for cell in shipped() if (cell.name, cell.schedule, cell.optimizer) == (job.name, schedule, "sgd")]
    mine: list[Cell] = known or [cell for cell in cells(record(job.name), {}) if (cell.schedule, cell.optimizer) == (schedule, "sgd")]
    found = surface(mine[0], FAMILIES["sgd"], FITTED["sgd"])
    assert found is not None
    return found


def logreg(s: Surface, starts: list[float], losses: list[float | None]) -> tuple[float, bool]:
    """(logreg, whether it fails to train on some seed)."""
    ref = s.start - s.fall
    ended = np.array([np.inf if loss is None else loss for loss in losses])
    share = np.maximum((np.minimum(ended, starts) - ref) / s.fall, 0.0)
    best = np.min(np.exp(s.mean)) * (1 + EPSILON)
    return float(np.log((share.mean() + EPSILON) / best)), bool(np.any(share > 0.9))


def table(known: dict[str, Any]) -> None:
    """What is there, and its summary."""
    rows: dict[int, list[tuple[float, bool, float, float]]] = {n: [] for n in AFTER}
    for key, one in sorted(known.items()):
        name, schedule = key.rsplit(", ", 1)
        s = surface_of(JOBS[name], schedule)
        line = []
        for n in AFTER:
            after = one["after"][str(n)]
            value, fails = logreg(s, one["starts"], after["losses"])
            expected = np.array([np.nan] * 3 if after["expected"] is None else after["expected"], float)
            ended = np.array([np.inf if loss is None else loss for loss in after["losses"]])
            low, middle, high = np.maximum((expected - s.start + s.fall) / s.fall, 0.0)  # shares of the fall that are left
            rest = np.maximum((ended - s.start + s.fall) / s.fall, 0.0)
            near = np.abs(np.log((rest + EPSILON) / (middle + EPSILON))) < np.log(2)
            inside = (low <= rest + EPSILON / 10) & (rest - EPSILON / 10 <= high)
            rows[n].append((value, fails, near.mean(), inside.mean()))
            line.append(f"{value:6.2f}{'!' if fails else ' '}")
        print(f"{key:36}" + "".join(line) + f"   cost {one['cost']:.2f}, of which measuring {one['measuring']:.2f}")
    for n in AFTER:
        value, fails, near, inside = (np.array(column, float) for column in zip(*rows[n], strict=True))
        print(f"after {n} runs: mean {value.mean():.3f}, capped {np.minimum(value, 1.5).mean():.3f}, median {np.median(value):.3f}, "
              f"worst {value.max():.2f}, {int(fails.sum())} of {len(value)} fail on some seed; fresh losses within a factor 2 of "
              f"the expected one in {100 * near.mean():.0f} %, inside its 80 % interval in {100 * inside.mean():.0f} %")  # fmt: skip


def main() -> None:
    sealed = "--sealed" in sys.argv
    path = HERE / "real" / ("sealed.json" if sealed else "jobs.json")
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if "--table" not in sys.argv:
        for job in chosen(sealed):
            for schedule in SCHEDULES:
                key = f"{job.name}, {schedule}"
                if key not in known:
                    began = time.process_time()
                    known[key] = made(job, schedule)
                    path.write_text(json.dumps(known, indent=1) + "\n")
                    print(f"{time.strftime('%H:%M:%S')} {key}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
    table(known)


if __name__ == "__main__":
    main()
