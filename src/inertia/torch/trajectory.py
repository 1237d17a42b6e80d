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


def walked(source: TorchSource, plan: Plan, method: Method) -> Generator[None, None, None]:
    """Train by one step each time; closed, put the parameters back."""
    saved = [p.detach().clone() for p in source.params]
    velocity = [torch.zeros_like(p) for p in source.params]
    try:
        for number, batch in enumerate(forever(source, plan), start=1):
            source.release()
            _, grads, _ = source._differentiated(number, batch)
            with torch.no_grad():
                for at, (p, g) in enumerate(zip(source.params, grads, strict=True)):
                    moved, velocity[at] = step(method, p, velocity[at], torch.zeros_like(p) if g is None else g)
                    p.copy_(moved)
            yield
    finally:
        source.release()
        with torch.no_grad():
            for p, value in zip(source.params, saved, strict=True):
                p.copy_(value)


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
