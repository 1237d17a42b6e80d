"""The grids of benchmarks/tuner in the form of experience: twenty networks and twenty convex cells."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tuner"))
from jobs import CONVEX_CELLS, CONVEX_HELD_OUT, FAMILIES, JOBS, SCHEDULES, label
from scores import CONVEX, DATA

from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.tuning.experience.cells import Cell, Facts
from inertia.tuning.experience.jobs import foreseen
from inertia.tuning.experience.reading import FITTED
from inertia.tuning.recipe import Recipe

# Networks that share data and architecture.
KIN = {"mlp": "digits-mlp", "mlp-big": "digits-mlp", "mlp-full": "digits-mlp", "digits-deep": "digits-mlp", "cnn": "digits-cnn",
       "cnn-noisy": "digits-cnn", "char": "topics-transformer"}  # fmt: skip


def factors_of(schedule: str, steps: int) -> np.ndarray:
    return np.asarray(shaped(schedule, Method(1.0), steps)(np.arange(steps)).alpha) * np.ones(steps)


def _losses(rows) -> np.ndarray:
    return np.array([[np.inf if x is None else x for x in row] for row in rows], dtype=float)


def networks():
    """Cells of the networks; facts are means over the tuning seeds."""
    from jax import tree
    from newcomers import network

    for name, job in JOBS.items():
        data = json.loads((DATA / f"grid-{name}.json").read_text())
        net = network(job.task)
        examples = len(tree.leaves(net.data)[0])
        params = net.init(0)
        dimension = int(sum(np.size(leaf) for leaf in tree.leaves(params)))
        norm = float(np.sqrt(sum(float(np.sum(np.square(leaf))) for leaf in tree.leaves(params))))
        held = [float(net.loss(net.init(seed), net.validation)) for seed in range(len(data["start"]))]
        tuned = json.loads((DATA / f"tuned-{name}.json").read_text())["tuner"]
        for schedule in SCHEDULES:
            seen = [row["measured"] for key, row in tuned.items() if key.startswith(schedule)]

            def middle(key, seen=seen):
                return float(np.mean([row[key] for row in seen]))

            factors = factors_of(schedule, job.steps)
            facts = Facts(
                job.steps, job.batch_size or examples, examples, dimension, float(factors.mean() / factors.max()),
                float(factors[-1] / factors.max()), float(np.mean(data["start"])), None, middle("gradient_norm"),
                middle("noise_trace"), middle("largest"), middle("largest_at_start"), middle("smallest"), False, 0.0, norm,
            )  # fmt: skip
            keys = [key.split("@") for key in data["runs"][schedule]]
            recipes = tuple(Recipe(2.0 ** float(k), FAMILIES[f][0], FAMILIES[f][1] > 0) for f, k in keys)
            rows = list(data["runs"][schedule].values())
            yield Cell(
                name, KIN.get(name, name), schedule, "sgd", facts, np.array(data["start"]), np.array(held), recipes,
                _losses([row["train"] for row in rows]), _losses([row["validation"] for row in rows]), np.full(len(rows), np.nan), 0.0,
            )  # fmt: skip


def convex():
    """Cells of the convex tasks, with the quadratic's forecast of every recipe."""
    from inertia import tasks
    from inertia.tuning.factors import budget_of
    from inertia.tuning.measuring import measure
    from inertia.tuning.numpy_door import ProblemJob

    data = json.loads(CONVEX.read_text())
    for task, steps, batch in CONVEX_CELLS + CONVEX_HELD_OUT:
        job = ProblemJob(tasks.load(task).problem)
        for schedule in SCHEDULES:
            cell = data["cells"][f"{label(task, steps, batch)}, {schedule}"]
            budget = budget_of(job.examples, steps=steps, batch_size=batch, schedule=schedule)
            seen = measure(job, budget, seed=100)
            recipes = [Recipe(2.0**k / cell["unit"], beta, gamma > 0) for beta, gamma in FAMILIES.values() for k in data["exponents"]]
            said = foreseen(seen, budget, recipes, FITTED.stays)
            losses = _losses([row for rows in cell["losses"] for row in rows])
            nan = np.full(losses.shape[1], np.nan)
            foretold = np.full(len(recipes), np.nan) if said is None else said
            yield Cell(
                f"{task}-{steps}-b{batch}", f"{task}-linear", schedule, "sgd", Facts.of(seen, budget),
                np.full(losses.shape[1], cell["start"]), nan, tuple(recipes), losses, np.full(losses.shape, np.nan), foretold,
                float(cell["reference"]),
            )  # fmt: skip
