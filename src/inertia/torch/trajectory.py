"""A model trained for a few steps while its sharpness is measured, and put back afterwards."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch

from ..core.method import Method, step
from ..measurement.model import Plan
from .batches import Everything, Indexed
from .products import TorchSource

__all__ = ["forever", "walked"]


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


def forever(source: TorchSource, plan: Plan) -> Any:
    """Mini-batches to train on, drawn from tensors at the batch size asked for, else the loader's own, over and over."""
    rng = np.random.default_rng([plan.seed, 3])
    batches = source.batches
    while True:
        if not isinstance(batches, Everything | Indexed):
            yield from batches
            continue
        size = min(plan.batch_size or batches.natural or batches.examples, batches.examples)
        yield batches.take(np.sort(rng.choice(batches.examples, size, replace=False)))
