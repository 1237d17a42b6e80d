"""What measuring costs on a job of a million example gradients, as a share of one run: the looks, the walk, the look at the end.

python benchmarks/tuner/looking.py
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import jax

import inertia
import inertia.jax
from inertia import tasks, tune
from inertia.jax.products import rows_in
from inertia.tuning import Tuning

sys.path.insert(0, str(Path(__file__).parent))
from jobs import JOBS
from newcomers import network
from scores import DATA

EXAMPLES, SEED = 1_000_000, 100
NETWORKS, CONVEX = ("mlp", "cnn", "autoencoder"), (("digits", 32), ("breast-cancer", 32), ("airfoil", 10))


def of_network(name: str) -> dict[str, float]:
    """The job, made so long that it sees a million examples, tuned with a single run: `in_runs` is the measurement alone."""
    job, net = JOBS[name], network(JOBS[name].task)
    size = job.batch_size or rows_in(net.data)
    found = inertia.jax.tune(net.loss, net.init, net.data, steps=-(-EXAMPLES // size), batch_size=size, seed=SEED, runs=1)
    return told(found)


def of_problem(name: str, size: int) -> dict[str, float]:
    return told(tune(tasks.load(name).problem, steps=EXAMPLES // size, batch_size=size, seed=SEED, runs=1))


def told(found: Tuning) -> dict[str, float]:
    return {"steps": found.steps, "batch_size": found.batch_size, "in_runs": found.measurement["in_runs"], "loss": found.verified_loss}


if __name__ == "__main__":
    versions = {"inertia": inertia.__version__, "jax": jax.__version__, "python": platform.python_version()}
    rows = {name: of_problem(name, size) for name, size in CONVEX} | {name: of_network(name) for name in NETWORKS}
    (DATA / "looking.json").write_text(json.dumps({"seed": SEED, "versions": versions, "jobs": rows}, indent=0) + "\n")
    print(json.dumps(rows, indent=1))
