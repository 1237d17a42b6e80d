"""The tuner on the networks: three tuning seeds (new initialisation, new batches), at most three full runs each.

Its recommendation is then trained on the grid's seeds. Rows are kept in `data/tuned-JOB.json`; those in
`data/validated-JOB.json` are of the same tuner with `validation=`, which chooses by the loss on the validation examples.
"""

from __future__ import annotations

import json
import platform
import sys
import time

import jax
import numpy as np
from jobs import SCHEDULES, SEEDS, Job
from newcomers import network
from scores import DATA, Losses, finite

import inertia
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.jax import tune
from inertia.jax.trials import run_trials

TUNING_SEEDS = (100, 101, 102)
MEASURED = ("largest", "largest_at_start", "smallest", "noise_trace", "gradient_norm", "in_runs")


def kept(path):
    versions = {"inertia": inertia.__version__, "jax": jax.__version__, "python": platform.python_version()}
    known = json.loads(path.read_text()) if path.exists() else {"tuner": {}}
    return known | {"tuning_seeds": list(TUNING_SEEDS), "seeds": list(SEEDS), "versions": versions}


def finals(job: Job, net, method: Method, factors) -> tuple[Losses, Losses]:
    """Final training and validation losses on the grid's seeds."""
    fields = Method(*(np.array([float(field)]) for field in method))
    train, held = [], []
    for seed in SEEDS:
        size = job.batch_size or len(jax.tree.leaves(net.data)[0])
        ran = run_trials(net.loss, net.init(seed), net.data, fields, factors, batch_size=size, seed=seed, validation=net.validation)
        train.append(finite(ran.losses[0, -1]))
        held.append(finite(ran.validation[0, -1]))
    return train, held


def tuned(job: Job, net, schedule: str, seed: int, validated: bool = False) -> dict:
    began = time.perf_counter()
    words = {"validation": net.validation} if validated else {}
    found = tune(net.loss, net.init, net.data, steps=job.steps, batch_size=job.batch_size, schedule=schedule, seed=seed, **words)
    seconds = time.perf_counter() - began
    factors = np.asarray(shaped(schedule, Method(1.0), job.steps)(np.arange(job.steps)).alpha)
    train, held = finals(job, net, found.method, factors)
    return {
        "alpha": found.method.alpha, "beta": found.method.beta, "gamma": found.method.gamma, "branch": found.branch, "train": train,
        "validation": held, "runs": [[float(r.method.alpha), float(r.method.beta), finite(r.loss)] for r in found.runs],
        "cost_in_runs": found.cost_in_runs, "seconds": round(seconds, 2), "measured": {name: found.measurement[name] for name in MEASURED},
    }  # fmt: skip


def fill(job: Job, *, again: bool = False, validated: bool = False) -> None:
    """What is missing of one job; with `again` all of it."""
    path = DATA / f"{'validated' if validated else 'tuned'}-{job.name}.json"
    found, net = kept(path), network(job.task)
    old = found["tuner"]
    found["tuner"] = {} if again else old
    for seed in TUNING_SEEDS:
        for schedule in SCHEDULES:
            if f"{schedule}/{seed}" not in found["tuner"]:
                found["tuner"][f"{schedule}/{seed}"] = tuned(job, net, schedule, seed, validated)
                path.write_text(json.dumps(found | {"tuner": old | found["tuner"]}, indent=0))
                print(path.stem, schedule, seed, file=sys.stderr, flush=True)
