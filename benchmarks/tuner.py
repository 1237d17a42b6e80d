"""How close the tuner comes to a dense grid: oracle, tuner, table. Everything is kept as data and taken up where it stopped.

    python benchmarks/tuner.py            oracle where it is missing, then the tuner, then the table
    python benchmarks/tuner.py --table    the table of what is there

Oracle: 33 learning rates (2^(k/2)/lambda_max, k = -24 ... 8) x (6 heavy-ball momenta + Nesterov .9 and .99), three seeds,
smallest mean final full loss. Tuner: three tuning seeds, at most three verification runs; its recommendation is then run
on the oracle's seeds and compared by mean final loss. (The oracle is chosen on the seeds it is scored on; the tuner is not.)

    logreg = ln((loss - ref + eps)/(oracle - ref + eps)),   eps = 1 % of (start - ref),   ref = least-squares minimum or 0
    frac   = (start - loss)/(start - oracle)
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

import inertia
from inertia import tasks
from inertia.measure import lanczos
from inertia.method import Method
from inertia.reference import run_many
from inertia.schedule import shaped
from inertia.tune import tune

DATA = Path(__file__).parent / "data"
CELLS = [
    ("digits", 112, 32), ("digits", 560, 32), ("diabetes", 90, 10), ("diabetes", 900, 10),
    ("breast-cancer", 90, 32), ("breast-cancer", 360, 32), ("airfoil", 300, 10), ("airfoil", 3000, 10),
]  # fmt: skip
# Cells that were not looked at while the tuner was designed (after the first look, the rule `search.settled` was added).
HELD_OUT = [
    ("airfoil", 1000, 50), ("breast-cancer", 200, 8), ("diabetes", 300, 50), ("digits", 200, 128), ("digits", 1000, 8),
    ("linear-regression", 300, 10),
]  # fmt: skip
SCHEDULES = ("constant", "linear")
FAMILIES = [(0.0, 0), (0.5, 0), (0.8, 0), (0.9, 0), (0.95, 0), (0.99, 0), (0.9, 1), (0.99, 1)]
EXPONENTS = np.arange(-12, 4.01, 0.5)
SEEDS, TUNING_SEEDS, HELD_OUT_SEEDS = (0, 1, 2), (100, 101, 102), (200, 201)


def kept(name):
    """What a data file holds so far."""
    path = DATA / name
    if path.exists():
        return json.loads(path.read_text())
    versions = {"python": platform.python_version(), "numpy": np.__version__, "inertia": inertia.__version__}
    return {"about": __doc__.splitlines()[0], "versions": versions, "seeds": list(SEEDS), "cells": {}}


def keep(name, data):
    DATA.mkdir(exist_ok=True)
    (DATA / name).write_text(json.dumps(data, indent=0, sort_keys=True) + "\n")


def label(task, steps, batch_size, schedule):
    return f"{task} {steps} steps, batch {batch_size}, {schedule}"


def finals(problem, method, schedule, steps, batch_size):
    """Final full losses (seeds, methods); inf where a run diverged."""
    plan = shaped(schedule, method, steps)
    words = {"batch_size": batch_size, "evaluate_every": steps}
    return np.array([[run.loss for run in run_many(problem, plan, steps, seed=seed, **words)] for seed in SEEDS])


def oracle(problem, steps, batch_size, schedule):
    """The whole grid, and its best cell by the mean over seeds."""
    unit = lanczos(lambda v: problem.hvp(problem.start, v), problem.dimension, rtol=1e-3, ends="largest").largest
    beta, nesterov = (np.array(column, dtype=float)[:, None] for column in zip(*FAMILIES, strict=True))
    alphas = 2.0**EXPONENTS / unit
    grid = Method(*(field.ravel() for field in np.broadcast_arrays(alphas, beta, beta * nesterov, 0.0)))
    losses = finals(problem, grid, schedule, steps, batch_size).reshape(len(SEEDS), len(FAMILIES), len(alphas))
    mean = losses.mean(axis=0)
    family, index = np.unravel_index(np.argmin(mean), mean.shape)
    start = float(np.mean([problem.value(problem.draw(seed) if problem.draw else problem.start) for seed in SEEDS]))
    return {
        "unit": unit, "start": start, "reference": problem.minimum or 0.0, "best": float(mean[family, index]),
        "best_family": FAMILIES[family], "best_exponent": float(EXPONENTS[index]),
        "mean": [[float(f"{x:.6g}") if np.isfinite(x) else None for x in row] for row in mean],
    }  # fmt: skip


def measures(loss, cell):
    """logreg and frac of a mean final loss."""
    start, ref, best = cell["start"], cell["reference"], cell["best"]
    eps = 0.01 * (start - ref)
    return float(np.log((loss - ref + eps) / (best - ref + eps))), float((start - loss) / (start - best))


def tuned(problem, steps, batch_size, schedule, cell, seeds):
    """The tuner on every tuning seed, scored on the oracle's seeds."""
    rows = []
    for seed in seeds:
        began = time.perf_counter()
        found = tune(problem, steps=steps, batch_size=batch_size, schedule=schedule, seed=seed)
        seconds = time.perf_counter() - began
        losses = finals(problem, found.method, schedule, steps, batch_size)[:, 0]
        first = finals(problem, found.runs[0].method, schedule, steps, batch_size)[:, 0]
        logreg, frac = measures(losses.mean(), cell)
        rows.append({
            "seed": seed, "alpha": found.method.alpha, "beta": found.method.beta, "gamma": found.method.gamma, "regime": found.regime,
            "predicted": found.predicted_loss, "verified": found.verified_loss, "losses": losses.tolist(), "logreg": logreg, "frac": frac,
            "unverified_logreg": measures(first.mean(), cell)[0], "diverged": bool(not np.all(losses < cell["start"])),
            "runs": len(found.runs), "cost_in_runs": found.cost_in_runs, "seconds": seconds,
        })  # fmt: skip
    return rows


def fill():
    grids, results = kept("tuner_oracle.json"), kept("tuner_results.json")
    problems = {}
    for task, steps, batch_size in CELLS + HELD_OUT:
        seeds = TUNING_SEEDS if (task, steps, batch_size) in CELLS else HELD_OUT_SEEDS
        problem = problems.setdefault(task, tasks.load(task).problem)
        for schedule in SCHEDULES:
            name = label(task, steps, batch_size, schedule)
            if name not in grids["cells"]:
                grids["cells"][name] = oracle(problem, steps, batch_size, schedule)
                keep("tuner_oracle.json", grids)
            if name not in results["cells"]:
                results["cells"][name] = tuned(problem, steps, batch_size, schedule, grids["cells"][name], seeds)
                keep("tuner_results.json", results)
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)


def table():
    grids, results = kept("tuner_oracle.json")["cells"], kept("tuner_results.json")["cells"]
    print(f"{'task':44} {'oracle':>9} {'at':>9} {'logreg by seed':>22} {'unver.':>7} {'frac':>6} {'runs':>5} {'cost':>5} {'s':>4} chosen")
    for name, rows in results.items():
        cell = grids[name]
        beta, nesterov = cell["best_family"]
        at = f"{'N' if nesterov else 'H'}{beta:g} {cell['best_exponent']:g}"
        scores = " ".join(f"{row['logreg']:6.3f}" for row in rows)
        chosen = ", ".join(f"{'N' if row['gamma'] else 'H'}{row['beta']:g} {np.log2(row['alpha'] * cell['unit']):.1f}" for row in rows)
        means = {key: np.mean([row[key] for row in rows]) for key in ("unverified_logreg", "runs", "cost_in_runs", "seconds")}
        print(
            f"{name:44} {cell['best']:9.5f} {at:>9} {scores:>22} {means['unverified_logreg']:7.3f} {min(r['frac'] for r in rows):6.3f} "
            f"{means['runs']:5.2f} {means['cost_in_runs']:5.1f} {means['seconds']:4.1f}  {chosen}"
        )
    for title, cells in {"designed on": CELLS, "held out": HELD_OUT}.items():
        for schedule in SCHEDULES:
            names = [label(*cell, schedule) for cell in cells]
            summary(f"{title}, {schedule}", [row for name in names for row in results.get(name, [])])


def summary(title, group):
    if not group:
        return
    mean = {key: np.mean([row[key] for row in group]) for key in ("logreg", "unverified_logreg", "frac", "runs")}
    lost, worst, least = sum(r["diverged"] for r in group), max(r["logreg"] for r in group), min(r["frac"] for r in group)
    print(
        f"{title:22} mean logreg {mean['logreg']:.3f} (worst {worst:.3f}), unverified {mean['unverified_logreg']:.3f}, "
        f"frac {mean['frac']:.4f} (min {least:.3f}), runs {mean['runs']:.2f}, diverged {lost} of {len(group)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    if not parser.parse_args().table:
        fill()
    table()
