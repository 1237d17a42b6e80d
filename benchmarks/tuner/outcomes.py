"""Everything the benchmark knows, as outcomes: who, on which job and schedule, how near to the best cell of the grid, at what cost.

Needs numpy only, so that the documentation is built from the data without any framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jobs import CONVEX_HELD_OUT, JOBS, SCHEDULES, label
from scores import CONVEX, DATA, Grid, Losses, Scale, mean, read

TUNER, VALIDATED = "inertia tune", "inertia tune, by validation"
GROUPS = ("convex", "convex, held out", "networks", "networks, held out")
HELD_OUT = {label(*cell) for cell in CONVEX_HELD_OUT}


@dataclass(frozen=True)
class Outcome:
    """What one rival reached on one job and schedule, `count` times."""

    who: str
    group: str
    job: str
    schedule: str
    train: tuple[float, float]  # (logreg, frac) of the training loss
    held: tuple[float, float] | None  # the same of the validation loss, where there is one
    lost: bool  # not finite, or not below the start, on any of the grid's seeds
    cost: float  # in full runs, everything until there is a trained model
    count: int = 1


class Summary(NamedTuple):
    """One rival on many jobs; jobs and schedules weigh alike."""

    mean: float
    worst: float
    least: float  # frac
    lost: int
    total: int
    cost: float
    cells: int  # jobs x schedules


def group_of(name: str) -> str:
    if name in JOBS:
        return "networks, held out" if JOBS[name].held_out else "networks"
    return "convex, held out" if name in HELD_OUT else "convex"


def collect() -> list[Outcome]:
    """All outcomes for which there is data."""
    return [outcome for job, schedule in cells() for outcome in _of_cell(job, schedule)]


def cells() -> Iterator[tuple[str, str]]:
    """Jobs and schedules that have a grid, convex ones first."""
    if CONVEX.exists():
        yield from (tuple(name.rsplit(", ", 1)) for name in sorted(read(CONVEX)["cells"]))  # type: ignore[misc]
    for name, job in JOBS.items():
        path = DATA / f"grid-{name}.json"
        if job.kind == "network" and path.exists():
            ready = read(path)["runs"]
            yield from ((name, schedule) for schedule in SCHEDULES if ready.get(schedule))


def tunings(job: str, schedule: str, kind: str = "tuned") -> list[dict]:
    """The tuner's rows on one job and schedule, all in the words of the networks."""
    if job in JOBS:
        path = DATA / f"{kind}-{job}.json"
        rows = read(path)["tuner"] if path.exists() else {}
        return [row for key, row in rows.items() if key.startswith(f"{schedule}/")]
    if kind != "tuned":
        return []
    path = CONVEX.parent / "tuner_results.json"
    rows = read(path)["cells"].get(f"{job}, {schedule}", []) if path.exists() else []
    return [row | {"train": row["losses"], "validation": [], "branch": row["regime"], "runs": [None] * row["runs"]} for row in rows]


def rivals(job: str, schedule: str) -> dict:
    """What `rivals.py` keeps of one job and schedule."""
    path = DATA / f"rivals-{job if job in JOBS else 'convex'}.json"
    return read(path)["cells"].get(f"{job}, {schedule}", {}) if path.exists() else {}


def _of_cell(job: str, schedule: str) -> Iterator[Outcome]:
    grid, known = Grid(job, schedule), rivals(job, schedule)
    starts = known.get("start", {}).get("validation", [])
    ruler = grid.held_scale(mean(starts)) if starts and grid.held else None
    entries = {TUNER: tunings(job, schedule), VALIDATED: tunings(job, schedule, "validated"), **known.get("rivals", {})}
    for who, rows in entries.items():
        for row in rows:
            run = grid.runs[tuple(row["cell"].split("@"))] if "cell" in row else row  # type: ignore[index]
            held = run.get("validation") or []
            yield Outcome(
                who, group_of(job), job, schedule, grid.score(mean(run["train"])), ruler.score(mean(held)) if ruler and held else None,
                _lost(run["train"], grid.starts), row["cost_in_runs"] if who in (TUNER, VALIDATED) else row["cost"], row.get("count", 1),
            )  # fmt: skip


def _lost(losses: Losses, starts: list[float]) -> bool:
    return any(loss is None or not loss < start for loss, start in zip(losses, starts, strict=True))


def summary(outcomes: Iterable[Outcome], held: bool = False) -> Summary | None:
    """Means over jobs and schedules, extremes over everything; None where there is nothing."""
    kept = [outcome for outcome in outcomes if not held or outcome.held is not None]
    if not kept:
        return None
    scores = [outcome.held if held else outcome.train for outcome in kept]
    by_cell: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for outcome, score in zip(kept, scores, strict=True):
        by_cell.setdefault((outcome.job, outcome.schedule), []).append((score[0], outcome.cost, outcome.count))
    logregs, costs = (
        [float(np.average([row[which] for row in rows], weights=[row[2] for row in rows])) for rows in by_cell.values()] for which in (0, 1)
    )
    return Summary(
        float(np.mean(logregs)), max(score[0] for score in scores), min(score[1] for score in scores),
        sum(outcome.count for outcome in kept if outcome.lost), sum(outcome.count for outcome in kept), float(np.mean(costs)), len(by_cell),
    )  # fmt: skip


def ranked(outcomes: Iterable[Outcome], held: bool = False) -> dict[str, list[Outcome]]:
    """Outcomes by who, best mean first; those that lack jobs come after those that have them all."""
    mine: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        mine.setdefault(outcome.who, []).append(outcome)

    def place(who: str) -> tuple[int, float]:
        found = summary(mine[who], held)
        return (0, math.inf) if found is None else (-found.cells, found.mean)

    return {who: mine[who] for who in sorted(mine, key=place)}


class Fresh(NamedTuple):
    """The tuner's recommendations on one job and schedule against the grid's best cell, both on fresh seeds."""

    job: str
    schedule: str
    logregs: tuple[float, ...]  # one per recommendation
    lost: int  # runs of the recommendations that got lost
    runs: int
    cell_lost: int  # the same of the grid's best cell
    cell_runs: int


def fresh() -> dict[str, list[Fresh]]:
    """What `fresh.py` found, by group. A lost run counts as its start, on either side."""
    path, found = DATA / "fresh.json", {}
    for job, schedule in cells() if path.exists() else ():
        losses = read(path)["cells"].get(f"{job}, {schedule}", {}).get("losses")
        if losses:
            grid = Grid(job, schedule)
            lost = [sum(loss is None or not loss < grid.start for loss in row) for row in losses]
            oracle, *mine = [mean([grid.start if loss is None else min(loss, grid.start) for loss in row]) for row in losses]
            ruler = Scale(grid.start, min(oracle, 0.999 * grid.start), grid.train.reference)
            logregs = tuple(ruler.score(loss)[0] for loss in mine)
            row = Fresh(job, schedule, logregs, sum(lost[1:]), sum(map(len, losses[1:])), lost[0], len(losses[0]))
            found.setdefault(group_of(job), []).append(row)
    return found
