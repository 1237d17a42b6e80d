"""The convex cells of the tuner's benchmark: their jobs, their grid, and the tuner on them."""

from __future__ import annotations

import json
import platform
import time

import numpy as np
from jobs import CONVEX_CELLS, CONVEX_HELD_OUT, FAMILIES, SCHEDULES, SEEDS, label
from scores import CONVEX, Scale, finite

import inertia
from inertia import tasks, tune
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.measurement import lanczos
from inertia.problems import Problem
from inertia.problems.simulation import run_many

DATA = CONVEX.parent
EXPONENTS = np.arange(-12, 4.01, 0.5)
TUNING_SEEDS, HELD_OUT_SEEDS = (100, 101, 102), (200, 201, 202)


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), "numpy": np.__version__, "inertia": inertia.__version__}


def kept(name: str, about: str) -> dict:
    """What a data file holds so far."""
    path = DATA / name
    if path.exists():
        return json.loads(path.read_text())
    return {"about": about, "versions": versions(), "seeds": list(SEEDS), "cells": {}}


def keep(name: str, data: dict) -> None:
    DATA.mkdir(exist_ok=True)
    (DATA / name).write_text(json.dumps(data, indent=0, sort_keys=True) + "\n")


def finals(problem: Problem, method: Method, schedule: str, steps: int, batch_size: int, seeds=SEEDS) -> np.ndarray:
    """Final full losses (seeds, methods); inf where a run diverged."""
    plan = shaped(schedule, method, steps)
    words = {"batch_size": batch_size, "evaluate_every": steps}
    found = [[run.loss for run in run_many(problem, plan, steps, seed=seed, **words)] for seed in seeds]
    return np.array(found)


def grid_methods(unit: float) -> Method:
    """Every cell of the grid, families first."""
    beta, gamma = (np.array(column, dtype=float)[:, None] for column in zip(*FAMILIES.values(), strict=True))
    return Method(*(field.ravel() for field in np.broadcast_arrays(2.0**EXPONENTS / unit, beta, gamma, 0.0)))


def oracle(problem: Problem, steps: int, batch_size: int, schedule: str) -> dict:
    """The whole grid, seed by seed, and its best cell by the mean over seeds."""
    unit = lanczos(lambda v: problem.hvp(problem.start, v), problem.dimension, rtol=1e-3, ends="largest").largest
    losses = finals(problem, grid_methods(unit), schedule, steps, batch_size).reshape(len(SEEDS), len(FAMILIES), len(EXPONENTS))
    mean = losses.mean(axis=0)
    family, index = np.unravel_index(np.argmin(mean), mean.shape)
    start = float(np.mean([problem.value(problem.draw(seed) if problem.draw else problem.start) for seed in SEEDS]))
    return {
        "unit": unit, "start": start, "reference": problem.minimum or 0.0, "best": float(mean[family, index]),
        "best_family": list(FAMILIES.values())[family], "best_exponent": float(EXPONENTS[index]),
        "losses": [[[finite(x) for x in cell] for cell in row] for row in losses.transpose(1, 2, 0)],
    }  # fmt: skip


def tuned(problem: Problem, steps: int, batch_size: int, schedule: str, cell: dict, seeds) -> list[dict]:
    """The tuner on every tuning seed, scored on the oracle's seeds."""
    rows, scale = [], Scale(cell["start"], cell["best"], cell["reference"])
    for seed in seeds:
        began = time.perf_counter()
        found = tune(problem, steps=steps, batch_size=batch_size, schedule=schedule, seed=seed)
        seconds = time.perf_counter() - began
        losses = finals(problem, found.method, schedule, steps, batch_size)[:, 0]
        first = finals(problem, found.runs[0].method, schedule, steps, batch_size)[:, 0]
        logreg, frac = scale.score(losses.mean())
        rows.append({
            "seed": seed, "alpha": found.method.alpha, "beta": found.method.beta, "gamma": found.method.gamma, "regime": found.regime,
            "predicted": found.predicted_loss, "verified": found.verified_loss, "losses": losses.tolist(), "logreg": logreg, "frac": frac,
            "unverified_logreg": scale.score(first.mean())[0], "diverged": bool(not np.all(losses < cell["start"])),
            "runs": len(found.runs), "cost_in_runs": found.cost_in_runs, "seconds": seconds,
        })  # fmt: skip
    return rows


def fill(about: str, tell=lambda: None) -> None:
    """Oracle where it is missing, then the tuner."""
    grids, results = kept("tuner_oracle.json", about), kept("tuner_results.json", about)
    grids["exponents"] = EXPONENTS.tolist()
    problems: dict[str, Problem] = {}
    for task, steps, batch_size in CONVEX_CELLS + CONVEX_HELD_OUT:
        seeds = TUNING_SEEDS if (task, steps, batch_size) in CONVEX_CELLS else HELD_OUT_SEEDS
        problem = problems.setdefault(task, tasks.load(task).problem)
        for schedule in SCHEDULES:
            name = f"{label(task, steps, batch_size)}, {schedule}"
            if name not in grids["cells"]:
                grids["cells"][name] = oracle(problem, steps, batch_size, schedule)
                keep("tuner_oracle.json", grids)
            if name not in results["cells"]:
                results["cells"][name] = tuned(problem, steps, batch_size, schedule, grids["cells"][name], seeds)
                keep("tuner_results.json", results)
            tell()
