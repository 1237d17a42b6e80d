"""The computation, stage by stage over all jobs, kept after every batch of runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from . import grids
from .features import features, sizes
from .jobs import JOBS, Job
from .rivals import FINDER, RIVALS, SCHEDULES, SWEEP, rival
from .runs import lanes, marks, run, starts
from .store import Store, rounded

CURVED = {"0", "0.9", "0.98"}  # momenta and beta1 whose curves are kept
SHORT = ("8", "4")  # parts of a run that short runs have
AT_ONCE = 64  # runs between two savings of a small job
SLOW = 0.08  # seconds of a run; a job with slower ones has its grid completed later
LATER = ("short", "seeds", "rivals")  # stages that wait until every grid is done


def opened(job: Job) -> Store:
    """The job's file, begun where there is none."""
    store = Store(job)
    if "start" not in store.head:
        store.head |= {"sizes": sizes(job), "start": starts(job), "curve_at": _curve_at(job), "features": []}
    return store


def stage_features(job: Job, seeds: int = 1, again: bool = False) -> None:
    """Measure the first `seeds` seeds; one comes first, the rest when the grids are done."""
    store = opened(job)
    if again:
        seeds, store.head["features"] = len(store.head["features"]), []
    for seed in range(len(store.head["features"]), min(seeds, job.seeds)):
        began = time.process_time()
        store.head["features"].append(features(job, seed))
        store.spent("features", time.process_time() - began)
        store.save()
        _tell(job, f"features seed {seed}", 1, began)


def stage_grid(optimizer: str, stage: str, job: Job) -> None:
    """Coarse, fine or (a first part of the fine ones) near cells of one optimizer on every schedule."""
    kind = job.sgd if optimizer == "sgd" else job.adamw
    if kind in ("none", "known"):
        return
    store = opened(job)
    for schedule in grids.SCHEDULES[optimizer]:
        for _ in range(1 if stage == "coarse" else 6):
            planned = grids.coarse if stage == "coarse" else partial(grids.fine, thin=stage == "near")
            wanted = list(planned(job, optimizer, schedule, store))
            if not wanted:
                break
            _compute(job, store, optimizer, schedule, wanted, f"{optimizer}-{stage}")


def stage_short(job: Job) -> None:
    """Seed 0 of every cell within two octaves of its best, in runs of an eighth and a quarter of the steps."""
    if not job.steps >= 80 or "thin" in (job.sgd, job.adamw) or "few" in (job.sgd, job.adamw):
        return
    store = Store(job)
    for part in SHORT:
        for optimizer in ("sgd", "adamw"):
            for schedule in ("constant", "linear"):
                wanted = list(_short_cells(job, store, part, optimizer, schedule))
                if wanted:
                    _compute(job, store, optimizer, schedule, wanted, "short", part)


def _short_cells(job: Job, store: Store, part: str, optimizer: str, schedule: str) -> Iterator[grids.Task]:
    for family in grids.THIN[optimizer] + (("nesterov-0.9",) if optimizer == "sgd" else ()):
        column = store.column((optimizer, schedule, family))
        top = grids.best(column, sum(store.head["start"]["train"]) / job.seeds)
        done = store.column((optimizer, schedule, family), part)
        yield from ((family, k, 0) for k in sorted(column) if top is not None and k % 1 == 0 and abs(k - top) <= 4 and k not in done)


def _compute(job: Job, store: Store, optimizer: str, schedule: str, wanted: list[grids.Task], stage: str, part: str = "") -> None:
    many = AT_ONCE if lanes(job) > 4 else lanes(job)
    for seed in sorted({seed for _, _, seed in wanted}):
        cells = [(family, rate) for family, rate, wanted_seed in wanted if wanted_seed == seed]
        for first in range(0, len(cells), many):
            some, began = cells[first : first + many], time.process_time()
            steps = max(8, job.steps // int(part)) if part else None
            curve = seed == 0 and not part
            ended = run(job, optimizer, schedule, some, seed, steps=steps, curve=curve)
            for (family, rate), one in zip(some, ended, strict=True):
                store.add((optimizer, schedule, family), rate, one, curve and family in CURVED, part)
            store.spent(stage, time.process_time() - began)
            store.save()
            _tell(job, f"{stage} {schedule} {part} seed {seed}", len(some), began)


def stage_rivals(job: Job) -> None:
    """Rivals at one run each, on every seed of the job."""
    store = Store(job)
    for name in RIVALS if "start" in store.head else ():
        known = store.head.setdefault("rivals", {})
        if not all(name in known.get(schedule, {}) for schedule in SCHEDULES):
            began = time.process_time()
            for schedule, losses in rival(job, name).items():
                kept = {which: [rounded(value) for value in values] for which, values in losses.items()}
                known.setdefault(schedule, {})[name] = kept | {"cost": round(1 + (SWEEP.size / job.steps if name == FINDER else 0.0), 3)}
            store.spent("rivals", time.process_time() - began)
            store.save()
            _tell(job, name, job.seeds, began)


def _curve_at(job: Job) -> list[int]:
    read, early = marks(job.steps, True)
    return [*read[:early], read[-1]]


def _tell(job: Job, what: str, count: int, began: float) -> None:
    print(f"{time.strftime('%H:%M:%S')} {job.name} {what}: {count}, {time.process_time() - began:.1f} s", file=sys.stderr, flush=True)


STAGES: dict[str, Callable[[Job], None]] = {
    "sgd-coarse": partial(stage_grid, "sgd", "coarse"),
    "adamw-coarse": partial(stage_grid, "adamw", "coarse"),
    "features": stage_features,
    "sgd-near": partial(stage_grid, "sgd", "near"),
    "adamw-near": partial(stage_grid, "adamw", "near"),
    "sgd-fine": partial(stage_grid, "sgd", "fine"),
    "adamw-fine": partial(stage_grid, "adamw", "fine"),
    "short": stage_short,
    "rivals": stage_rivals,
    "seeds": partial(stage_features, seeds=99),
}


def waves(jobs: Iterable[Job]) -> list[tuple[list[Job], bool]]:
    """The order of the computation: convex jobs, networks with full grids, thin ones, the largest; True: only their features.

    The tuner's jobs have their SGD grids, so their features come early and AdamW's grids after those of the new small jobs.
    """
    levels: list[list[Job]] = [[] for _ in range(5)]
    for job in jobs:
        levels[_level(job)].append(job)
    convex, networks, thin, known, few = levels
    half = len(networks) // 2
    return [(convex, False), (networks[:half], False), (known, True), *((part, False) for part in (networks[half:], thin, known, few))]


def _level(job: Job) -> int:
    kinds = {job.sgd, job.adamw}
    if job.source == "tuner":
        return 3
    return 4 if "few" in kinds else 2 if "thin" in kinds else 0 if job.kind == "convex" else 1


def slow(job: Job) -> bool:
    """Whether one run takes longer than SLOW seconds, as far as that is known."""
    store = Store(job)
    runs = sum(len(cell["train"]) for rows in store.cells.get("", {}).values() for cell in rows.values())
    spent = sum(seconds for stage, seconds in store.head.get("seconds", {}).items() if stage.startswith(("sgd", "adamw")))
    return runs > 0 and spent / runs > SLOW


def compute(jobs: Iterable[Job], stages: Iterable[str]) -> None:
    """Each portion of jobs through the grids; then, over all of them, what can wait: the rest of slow jobs among it."""
    order, wanted = waves(jobs), list(stages)
    for portion, features_only in order:
        for stage in wanted:
            for job in portion:
                wait = stage in LATER or (features_only and stage != "features") or (stage.endswith("fine") and slow(job))
                if not wait:
                    STAGES[stage](job)
    for stage in wanted:
        for portion, features_only in order:
            for job in portion:
                if not features_only and (stage in LATER or stage.endswith("fine")):
                    STAGES[stage](job)


def status() -> str:
    """A table: per job, the cells and runs of each optimizer, never a loss."""
    lines = [f"{'job':28} {'kind':8} {'grid':5} {'seal':4} feat  sgd cells/runs  adamw cells/runs  short  seconds"]
    for job in JOBS.values():
        store = Store(job)
        counts = {
            optimizer: [cell for where, rows in store.cells.get("", {}).items() if where[0] == optimizer for cell in rows.values()]
            for optimizer in ("sgd", "adamw")
        }
        told = [f"{len(cells):5}/{sum(len(cell['train']) for cell in cells):5}" for cells in counts.values()]
        short = sum(len(rows) for part, tree in store.cells.items() if part for rows in tree.values())
        total = sum(store.head.get("seconds", {}).values())
        lines.append(
            f"{job.name:28} {job.kind:8} {job.sgd:5} {'yes' if job.sealed else '':4} {len(store.head.get('features', [])):4}"
            f"  {told[0]:>14}  {told[1]:>16}  {short:5}  {total:7.1f}"
        )
    return "\n".join(lines)
