"""What is known of a job before any run: measured once per seed with what `inertia.jax.measure` gives.

When `measure` changes, `python benchmarks/experience --features` measures everything anew.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import inertia.jax
from inertia.core.method import Method
from inertia.jax.trials import run_trials

from .jobs import Job
from .problems import batch_size, built, dimension, examples

LOOKED_AT, PART = 1024, 16  # examples for the curvature; the walk is the run's steps over PART


def features(job: Job, seed: int) -> dict[str, Any]:
    """Curvature, gradient and noise at the start and after a careful walk of T/16 steps (Nesterov .9 at a quarter of 1/curvature)."""
    one, size = built(job.name), batch_size(job)
    params = one.init(seed)
    large = dimension(job) > 300_000
    total = examples(job)
    looked = min(total, max(256 if large else LOOKED_AT, min(4 * size, total)))
    common: dict[str, Any] = {"weights": False, "seed": seed, "examples": None if looked == total else looked, "sampling": False}
    noise: dict[str, Any] = {"noise": 0} if size >= looked else {"noise": 8, "batch_size": size}
    start = inertia.jax.measure(one.loss, params, one.data, ends="both", rtol=0.1, depth=12 if large else 24, **noise, **common)
    steps = max(4, job.steps // PART)
    walk = Method(np.array([0.25 / start.upper]), np.array([0.9]), np.array([0.9]))
    ran = run_trials(one.loss, params, one.data, walk, np.ones(steps), batch_size=size, seed=seed)
    found = {
        "largest": start.L, "upper": start.upper, "smallest": start.provenance.get("smallest", start.mu),
        "gradient_norm": start.provenance["gradient_norm"], "noise_trace": start.provenance.get("noise_trace", 0.0),
        "params_squared": float(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(params))),
        "walk_steps": steps, "walk_loss": float(ran.losses[0, -1]),
    }  # fmt: skip
    if np.isfinite(ran.losses[0, -1]):
        there = jax.tree.map(lambda leaf: leaf[0], ran.params)
        after = inertia.jax.measure(one.loss, there, one.data, rtol=0.1, depth=12 if large else 24, noise=0, **common)
        found |= {"walked_largest": after.L, "walked_upper": after.upper}
    return {name: value if isinstance(value, int) else float(f"{value:.5g}") for name, value in found.items()}


def sizes(job: Job) -> dict[str, int]:
    return {"dimension": dimension(job), "examples": examples(job), "batch_size": batch_size(job), "steps": job.steps}
