"""Write the experience that the package ships: every grid that is not sealed, as one compressed file.

python benchmarks/experience/build.py             what has grids, and is not sealed
python benchmarks/experience/build.py --measure   measures the convex jobs anew, whose forecasts are kept with their grids
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "experience"

import inertia
from inertia.tuning.experience.cells import Cell, Facts, read, written
from inertia.tuning.experience.jobs import FAMILIES, foreseen
from inertia.tuning.experience.reading import FITTED
from inertia.tuning.experience.surfaces import EPSILON, reference, surface
from inertia.tuning.factors import budget_of
from inertia.tuning.measurement import Measurement
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.recipe import Recipe

from .jobs import below_zero
from .ladders import ladder_of
from .problems import batch_size, built, dimension, examples
from .reading import Grid, Record, records

TARGET = Path(inertia.__file__).parent / "tuning" / "experience" / "data" / "cells.json.gz"
SCHEDULES = ("constant", "linear")
DRAWN = ("adamw",)  # optimizers whose grids of drawn jobs are shipped: what each gains by them is printed by fit.py --drawn
WHOLE = 12  # recipes that ran on every seed, at least: fewer are the beginning of a grid


def recipes_of(grid: Grid, optimizer: str) -> list[tuple[str, int, Recipe]]:
    found = []
    for family in grid.families:
        momentum = float(family.removeprefix("nesterov-"))
        for row, rate in enumerate(grid.rates[family]):
            if not np.all(np.isnan(grid.train[family][row])):
                found.append((family, row, Recipe(float(f"{2.0**rate:.6g}"), momentum, family.startswith("nesterov"), optimizer)))
    return found


def facts_of(record: Record, seen: list[dict[str, Any]], schedule: str) -> Facts:
    """Facts of a job from what was measured seed by seed."""
    job, budget = record.job, budget_of(examples(record.job), steps=record.job.steps, batch_size=batch_size(record.job), schedule=schedule)

    def middle(key: str, other: str = "") -> float:
        return float(np.mean([max(each[key], each.get(other, 0.0)) if other else each[key] for each in seen]))

    start = float(np.mean(record.start["train"]))
    lead = [each["largest"] for each in seen]
    norms = [each["params_squared"] for each in seen if "params_squared" in each]
    return Facts(
        job.steps, batch_size(job), examples(job), dimension(job), float(budget.factors.mean() / budget.factors.max()),
        float(budget.factors[-1] / budget.factors.max()), start, bound_of(job.name, record), middle("gradient_norm"), middle("noise_trace"),
        middle("largest", "walked_largest"), float(np.mean(lead)), middle("smallest"), job.kind == "convex", 0.0,
        float(np.sqrt(np.mean(norms))) if norms else None,
    )  # fmt: skip


def tuned_features(name: str) -> list[dict[str, Any]]:
    """What the tuner measured of a job of benchmarks/tuner."""
    import json

    from .reading import TUNER

    rows = json.loads((TUNER / f"tuned-{name}.json").read_text())["tuner"]
    return [
        {key: row["measured"][key] for key in ("gradient_norm", "noise_trace", "smallest")}
        | {"largest": row["measured"]["largest_at_start"], "walked_largest": row["measured"]["largest"]}
        for row in rows.values()
    ]


def cells(record: Record, known: dict[tuple[str, str], Cell]) -> list[Cell]:
    """Every grid of a job as a cell; what was measured of convex jobs that are `known` is not measured again."""
    job, found = record.job, []
    seen: Any = None
    measured: Measurement | None = None
    for (optimizer, schedule), grid in record.grids.items():
        rows = recipes_of(grid, optimizer)
        whole = sum(not np.any(np.isnan(grid.train[family][row])) for family, row, _ in rows)
        ladder = ladder_of(job, optimizer)
        if schedule not in SCHEDULES or whole < WHOLE or ladder is None:
            continue  # not finished yet
        train = np.array([grid.train[family][row] for family, row, _ in rows])
        held = np.array([grid.validation[family][row] for family, row, _ in rows])
        if held.shape != train.shape:
            held = np.full(train.shape, np.nan)
        start = np.broadcast_to(np.asarray(record.start["train"], float), (train.shape[1],))
        first = record.start.get("validation") or []
        held_start = np.asarray(first, float) if len(first) == train.shape[1] else np.full(train.shape[1], np.nan)
        recipes = [recipe for _, _, recipe in rows]
        said, facts, bound = None, None, bound_of(job.name, record)
        if job.kind == "convex":
            old = known.get((job.name, schedule))
            if old is not None and old.recipes == tuple(recipes):
                facts, said = old.facts, old.forecast
            else:
                budget = budget_of(examples(job), steps=job.steps, batch_size=batch_size(job), schedule=schedule)
                measured = measured or measure(door(job), budget, seed=100)
                facts, said = Facts.of(measured, budget), foreseen(measured, budget, recipes, FITTED["sgd"].stays)
        else:
            seen = seen or record.features or tuned_features(job.name)
            facts = facts_of(record, seen, schedule)
        facts = facts.climbed(ladder)
        train, held = shortened(train, start, bound), shortened(held, held_start, None)
        found.append(
            Cell(job.name, job.family, schedule, optimizer, facts, start, held_start, tuple(recipes), train, held,
                 np.full(len(recipes), np.nan) if said is None else said, bound)
        )  # fmt: skip
    return found


def instructive(cell: Cell) -> bool:
    """Whether a drawn job learns enough for the five digits that are kept: a fall of 1 % of the start is a thousand of the last one."""
    known = surface(cell, FAMILIES[cell.optimizer], FITTED[cell.optimizer])
    return known is not None and known.fall >= 0.01 * abs(known.start)


def shortened(losses: Any, start: Any, bound: float | None) -> Any:
    """Losses (R, S) to three significant digits of what they lie above the reference: it is that whose logarithm is taken.

    >>> shortened(np.array([[0.500123, 1.234567], [0.512345, np.inf]]), np.array([2.0, 2.0]), 0.5).tolist()
    [[0.500123, 1.235], [0.5123, inf]]
    """
    known = np.isfinite(losses)
    if not known.any() or not np.all(np.isfinite(start)):
        return losses
    first, lowest = float(start.mean()), float(np.nanmin(np.nanmean(np.minimum(losses, start), axis=1)))
    ref = reference(first, lowest, bound)
    above = np.maximum(np.abs(losses - ref), 1e-4 * EPSILON * max(first - ref, 1e-12))
    unit = 10.0 ** (np.floor(np.log10(np.where(known, above, 1.0))) - 2)
    near = np.where(known, np.round(losses / unit) * unit, losses)
    return np.where((near < start) == (losses < start), near, losses)  # which side of the start a run ended on stays


def door(job: Any) -> Any:
    """A convex job as the tuner takes it."""
    from inertia import tasks

    if job.source == "tuner":
        return ProblemJob(tasks.load(job.built).problem)
    return jax_door(job, seed=100)


def jax_door(job: Any, seed: int) -> Any:
    """A job as the tuner takes a JAX loss."""
    from inertia.jax.door import JaxJob

    one = built(job.name)
    return JaxJob(one.loss, one.init, one.data, batch_size=batch_size(job), lowest=lowest_of(job.name), seed=seed)


def bound_of(name: str, record: Record) -> float | None:
    """What the loss cannot go below: an exact minimum, 0 of a loss that is never negative, nothing where it went below."""
    import json

    from .reading import ORACLE

    if record.job.source == "tuner" and record.job.kind == "convex":
        job = record.job
        return float(json.loads(ORACLE.read_text())["cells"][f"{job.built} {job.steps} steps, batch {job.batch_size}, linear"]["reference"])
    return lowest_of(name)


def lowest_of(name: str) -> float | None:
    """What a user would know that a job's loss cannot go below: 0, if anything."""
    return None if name in NEGATIVE or name in below_zero() else 0.0


NEGATIVE = {
    "location-scale", "poisson", "poisson-steps4", "poisson-batch4", "airfoil-scales", "airfoil-scales-steps4", "airfoil-scales-batch4",
    "mixture-density", "digits-variational", "gamma-times", "portfolio", "precision-root", "transport-prices", "digits-halves",
    "costs-gamma", "cancer-two-heads", "policy-logged", "shares-beta", "flow-moons", "survival-weibull", "angles-mises",
}  # fmt: skip
"""Likelihoods of densities, which go below 0, and what is not a mean of terms that do not."""


def main() -> None:
    known = {} if "--measure" in sys.argv else {(c.name, c.schedule): c for c in read(TARGET) if c.facts.convex}
    found = []
    for record in records():
        die = record.job.source == "drawn"
        if record.start.get("train") and (record.features or record.job.source == "tuner") and not (die and record.job.kind == "convex"):
            more = cells(record, known)
            if die:  # what momentum gains on them does not speak for jobs that somebody thought of: intervals were worse with it
                more = [replace(cell, full=False) for cell in more if cell.optimizer in DRAWN and instructive(cell)]
            found += more
            print(record.job.name, len(found), file=sys.stderr, flush=True)
    TARGET.parent.mkdir(exist_ok=True)
    written(found, TARGET)
    print(f"{len(found)} cells of {len({cell.family for cell in found})} families, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
