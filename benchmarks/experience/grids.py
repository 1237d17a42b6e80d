"""Which cells of a job are computed: second octaves first, then octaves about each momentum's best, then half octaves.

A full grid: every momentum, all seeds within three octaves of its best, half octaves next to it. A thin one: three momenta, all
seeds within two octaves. A "few" one: a single momentum searched, two others at its best.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from .jobs import Job
from .store import Store

SGD = ("0", "0.5", "0.8", "0.9", "0.95", "0.98", "nesterov-0.9", "nesterov-0.98")
ADAMW = ("0", "0.5", "0.8", "0.9", "0.95", "0.98")
THIN = {"sgd": ("0", "0.9", "0.98"), "adamw": ("0", "0.9", "0.98")}
SCHEDULES = {"sgd": ("constant", "linear"), "adamw": ("constant", "linear", "warmup-linear")}
LOWEST, HIGHEST = -24.0, 8.0  # no learning rate outside these powers of two
Task = tuple[str, float, int]  # momentum or beta1, power of two, seed


@dataclass(frozen=True)
class Reach:
    """How far about the best: octaves with one seed and with all, and whether half octaves are added."""

    one: int
    all: int
    half: bool


# A full grid of slow runs is filled as a thin one is, in every momentum, before it is completed.
REACH = {"full": Reach(3, 3, True), "thin": Reach(2, 2, False), "few": Reach(1, 0, False)}


def families(job: Job, optimizer: str, schedule: str) -> tuple[str, ...]:
    """The momenta or beta1 of a job's grid on one schedule."""
    kind = job.sgd if optimizer == "sgd" else job.adamw
    if kind == "few":
        return ("0.9",) if schedule == "warmup-linear" else ("0.9", "0", "0.98")
    if kind == "thin" or schedule == "warmup-linear":
        return THIN[optimizer]
    return SGD if optimizer == "sgd" else ADAMW


def centre(store: Store) -> int:
    """log2 of 1/largest curvature, the larger of start and walk; of a job whose features were measured."""
    return round(-math.log2(statistics.median(max(seen["upper"], seen.get("walked_upper", 0.0)) for seen in store.head["features"])))


def reach_of(job: Job, store: Store) -> range:
    """Powers of two of SGD's coarse grid, about 1/largest curvature where it was measured."""
    if not store.head["features"]:
        return range(-13, 4, 2)
    low, high = (-5, 3) if job.sgd == "few" else (-8, 3) if job.kind == "network" else (-10, 3)
    return range(centre(store) + low, centre(store) + high, 2)


def coarse(job: Job, optimizer: str, schedule: str, store: Store) -> Iterator[Task]:
    """One seed of every second octave; on further schedules only about the best of the first, which `fine` goes on from."""
    kind = job.sgd if optimizer == "sgd" else job.adamw
    for number, family in enumerate(families(job, optimizer, schedule)):
        if kind == "few" and number:
            continue
        rates = reach_of(job, store) if optimizer == "sgd" else range(-11, -3, 2) if kind == "few" else range(-12, 1, 2)
        if not store.column((optimizer, schedule, family)):
            first = best(store.column((optimizer, "constant", family)), statistics.mean(store.head["start"]["train"]))
            chosen = rates if first is None else [math.floor(first) + k for k in (-2, 0, 2)]
            yield from ((family, float(k), 0) for k in chosen)


def fine(job: Job, optimizer: str, schedule: str, store: Store, thin: bool = False) -> Iterator[Task]:
    """What is missing about the best cells that are known now; to be asked again until nothing is."""
    kind = job.sgd if optimizer == "sgd" else job.adamw
    reach, start = REACH["thin" if thin and kind == "full" else kind], statistics.mean(store.head["start"]["train"])
    lead = best(store.column((optimizer, schedule, "0.9")), start)
    for family in families(job, optimizer, schedule):
        column = store.column((optimizer, schedule, family))
        top = lead if kind == "few" and not column else best(column, start)
        if top is None:
            continue
        near = math.floor(top + 0.5) if top % 1 else top
        broken = min((k for k, seeds in column.items() if k > top and math.isinf(seeds[0])), default=math.inf)
        wanted = [(near + k, job.seeds if abs(k) <= reach.all else 1) for k in range(-reach.one, reach.one + 1)]
        wanted += [(top + k, job.seeds) for k in ((-0.5, 0.5) if reach.half and top % 1 == 0 else ())]
        for rate, seeds in wanted:
            done = len(column.get(rate, []))
            if LOWEST <= rate <= HIGHEST and not (rate > broken and not done):
                yield from ((family, rate, seed) for seed in range(done, seeds))


def best(column: dict[float, list[float]], start: float) -> float | None:
    """The rate of the lowest mean loss, a lost run counting as the start; None where nothing trained."""
    means = {rate: statistics.mean(min(loss, start) for loss in seeds) for rate, seeds in column.items()}
    if not means:
        return None
    found = min(means, key=means.__getitem__)
    return found if means[found] < start else None
