"""A model trained for a few steps while its sharpness is measured, and put back afterwards."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from ..core.method import Method, step
from ..measurement.model import Plan

__all__ = ["walked"]


def walked(source: Any, plan: Plan, method: Method) -> Generator[None, None, None]:
    """Train a source by one step each time; closed, put the parameters back."""
    source.keep()
    here = source.position()
    velocity = torch.zeros_like(here)
    rng, examples = np.random.default_rng([plan.seed, 3]), sum(source.sizes)
    size = min(plan.batch_size or source.batch_size or examples, examples)
    try:
        while True:
            for gradient, _ in source.mini_batches(rng, size):
                before = here
                here, velocity = step(method, here, velocity, gradient)
                source.move(here - before)
                yield
    finally:
        source.back()
