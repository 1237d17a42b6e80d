"""The dense grid of every network job: the oracle that a tuner is measured against.

Each family of momentum gets learning rates 2^k (k = -11..3; fewer for the slowest job), then half-powers of two around its
own best; every point is run for all seeds. Results are kept as data (`data/grid-JOB.json`) after every batch of runs, and a
second call goes on there.

    python benchmarks/tuner/network_grid.py [JOB ...]
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import jax
import numpy as np

import inertia
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.jax.trials import run_trials

sys.path.insert(0, str(Path(__file__).parent))
from jobs import FAMILIES, JOBS, SCHEDULES, SEEDS, Job
from newcomers import network

DATA = Path(__file__).parent / "data"


def run_points(job: Job, schedule: str, points: list[tuple[str, float]]) -> dict[str, dict[str, list[float]]]:
    net = network(job.task)
    alphas = np.array([2.0**k for _, k in points])
    betas, gammas = (np.array([FAMILIES[family][i] for family, _ in points]) for i in (0, 1))
    factors = np.asarray(shaped(schedule, Method(1.0), job.steps)(np.arange(job.steps)).alpha)
    batch = job.batch_size or jax.tree.leaves(net.data)[0].shape[0]
    found: dict[str, dict[str, list[float]]] = {f"{family}@{k}": {"train": [], "validation": []} for family, k in points}
    for seed in SEEDS:
        ran = run_trials(
            net.loss,
            net.init(seed),
            net.data,
            Method(alphas, betas, gammas),
            factors,
            batch_size=batch,
            seed=seed,
            validation=net.validation,
        )
        for (family, k), train, held in zip(points, ran.losses[:, -1], ran.validation[:, -1], strict=True):
            found[f"{family}@{k}"]["train"].append(_finite(train))
            found[f"{family}@{k}"]["validation"].append(_finite(held))
    return found


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def mean(losses: list[float | None]) -> float:
    return float(np.mean([np.inf if loss is None else loss for loss in losses]))


def start_losses(job: Job) -> list[float]:
    net = network(job.task)
    return [float(net.loss(net.init(seed), net.data)) for seed in SEEDS]


def fill(job: Job) -> None:
    path = DATA / f"grid-{job.name}.json"
    known = json.loads(path.read_text()) if path.exists() else {"job": job.name, "start": start_losses(job), "runs": {}}
    known["versions"] = {"inertia": inertia.__version__, "jax": jax.__version__, "python": platform.python_version()}
    for schedule in SCHEDULES:
        runs = known["runs"].setdefault(schedule, {})
        for stage in ("coarse", "fine"):
            coarse = [float(k) for k in range(job.coarse[0], job.coarse[1] + 1)]
            wanted = [(f, k) for f in FAMILIES for k in (coarse if stage == "coarse" else around(runs, f)) if f"{f}@{k}" not in runs]
            for first in range(0, len(wanted), 16):
                begun = time.perf_counter()
                runs |= run_points(job, schedule, wanted[first : first + 16])
                known["runs"][schedule] = runs
                path.write_text(json.dumps(known, indent=0))
                print(
                    f"{job.name} {schedule} {stage}: {len(runs)} points, {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True
                )


def around(runs: dict[str, dict[str, list[float]]], family: str) -> list[float]:
    mine = {float(key.split("@")[1]): mean(value["train"]) for key, value in runs.items() if key.split("@")[0] == family}
    best = min(mine, key=mine.__getitem__)
    return [best - 0.5, best + 0.5]


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name in sys.argv[1:] or JOBS:
        if JOBS[name].kind == "network":
            fill(JOBS[name])
