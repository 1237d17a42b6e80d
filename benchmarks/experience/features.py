"""What is known of a job before any run: measured once per seed with what `inertia.jax.measure` gives.

When `measure` changes, `python benchmarks/experience --features` measures everything anew.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import inertia.jax
from inertia.errors import BadInput

from .jobs import Job
from .problems import batch_size, built, dimension, examples

LOOKED_AT, PART = 1024, 16  # examples for the curvature; the walk is the run's steps over PART


def features(job: Job, seed: int) -> dict[str, Any]:
    """Curvature, gradient and noise at the start, and curvature after a careful walk of T/16 steps.

    The walk is the one that `measure` takes by itself: Nesterov .9 at a quarter of 1/curvature.
    """
    one, size, total = built(job.name), batch_size(job), examples(job)
    params, large = one.init(seed), dimension(job) > 300_000
    looked = min(total, max(256 if large else LOOKED_AT, 4 * size))
    settings: dict[str, Any] = {
        "ends": "both", "rtol": 0.1, "depth": 12 if large else 24, "weights": False, "sampling": False, "seed": seed,
        "examples": None if looked == total else looked, "batch_size": size, "noise": 0 if size >= looked else 8,
    }  # fmt: skip
    steps = max(4, job.steps // PART)
    try:
        start = inertia.jax.measure(one.loss, params, one.data, along=[steps], **settings)
    except BadInput:  # the walk leaves what is finite
        start = inertia.jax.measure(one.loss, params, one.data, **settings)
    seen, norm = start.provenance, sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(params))
    found = {
        "largest": start.L, "upper": start.upper, "smallest": seen.get("smallest", start.mu), "gradient_norm": seen["gradient_norm"],
        "noise_trace": seen.get("noise_trace", 0.0), "params_squared": float(norm),
        "walk_steps": steps,
    }  # fmt: skip
    if "along" in seen:
        walked = {"walk_loss": "loss", "walked_largest": "largest", "walked_upper": "upper"}
        found |= {name: seen["along"][column][-1] for name, column in walked.items()}
    return {name: value if isinstance(value, int) else float(f"{value:.5g}") for name, value in found.items()}


def sizes(job: Job) -> dict[str, int]:
    return {"dimension": dimension(job), "examples": examples(job), "batch_size": batch_size(job), "steps": job.steps}
