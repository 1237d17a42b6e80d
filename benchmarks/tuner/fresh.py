"""The grid's best cell and the tuner's recommendations once more, on seeds that neither was chosen on.

    python benchmarks/tuner/fresh.py [JOB | convex ...]

The best of a hundred cells on three seeds owes some of its lead to those seeds, most of all at a constant rate, where a run's
last loss is one draw from its noise. Six other seeds (new starts, new batches) say what is left: both sides get the same ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from jobs import CONVEX_CELLS, CONVEX_HELD_OUT, FAMILIES, JOBS, SCHEDULES, label
from outcomes import tunings
from rivals import versions
from scores import CONVEX, DATA, Grid, finite
from training import ConvexTraining, NetworkTraining, Training

from inertia.core.method import Method

SEEDS = (10, 11, 12, 13, 14, 15)
PATH = DATA / "fresh.json"


def contest(training: Training, unit: float = 1.0) -> dict:
    """Final training losses on the fresh seeds: the grid's best cell first, then every recommendation."""
    family, k = Grid(training.name, training.schedule).best
    rows = tunings(training.name, training.schedule)
    best = (2.0 ** float(k) / unit, *FAMILIES[family])
    methods = [best, *((row["alpha"], row["beta"], row["gamma"]) for row in rows)]
    fields = Method(*np.array(methods, dtype=float).T, np.zeros(len(methods)))
    losses = np.array([training.methods(fields, seed)[0] for seed in SEEDS])
    return {"methods": methods, "losses": [[finite(loss) for loss in column] for column in losses.T]}


def fill(names: list[str]) -> None:
    kept = json.loads(PATH.read_text()) if PATH.exists() else {"cells": {}}
    kept |= {"seeds": list(SEEDS), "versions": versions()}
    units = json.loads(CONVEX.read_text())["cells"]
    for name in names:
        for schedule in SCHEDULES:
            cells = CONVEX_CELLS + CONVEX_HELD_OUT if name == "convex" else [None]
            for cell in cells:
                training = NetworkTraining(name, schedule) if cell is None else ConvexTraining(cell, schedule)
                unit = 1.0 if cell is None else units[f"{label(*cell)}, {schedule}"]["unit"]
                kept["cells"][f"{training.name}, {schedule}"] = contest(training, unit)
                PATH.write_text(json.dumps(kept, indent=0) + "\n")
                print(f"{training.name}, {schedule}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    fill(sys.argv[1:] or ["convex", *JOBS])
