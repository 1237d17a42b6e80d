"""What measuring costs on a job of a million example gradients, as a share of that run: only the looks and the walk are run.

python benchmarks/tuner/looking.py
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import jax

import inertia
from inertia.jax.products import rows_in
from inertia.jax.tuning import observe
from inertia.tune.plan import planned

sys.path.insert(0, str(Path(__file__).parent))
from jobs import JOBS
from newcomers import network
from scores import DATA

EXAMPLES, NAMES, SEED = 1_000_000, ("mlp", "cnn", "resnet", "char"), 100


def measured(name: str) -> dict[str, float]:
    """The job, made so long that it sees a million examples."""
    job, net = JOBS[name], network(JOBS[name].task)
    size = job.batch_size or rows_in(net.data)
    steps = -(-EXAMPLES // size)
    plan = planned(rows_in(net.data), steps=steps, batch_size=size, schedule="linear")
    seen = observe(net.loss, net.init(SEED), net.data, plan, seed=SEED)
    return {"steps": steps, "batch_size": size, "gradients": seen.gradients, "in_runs": seen.gradients / (steps * size)}


if __name__ == "__main__":
    versions = {"inertia": inertia.__version__, "jax": jax.__version__, "python": platform.python_version()}
    found = {"seed": SEED, "versions": versions, "jobs": {name: measured(name) for name in NAMES}}
    (DATA / "looking.json").write_text(json.dumps(found, indent=0) + "\n")
    print(json.dumps(found["jobs"], indent=1))
