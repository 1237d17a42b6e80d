"""What jobs are compared by: numbers without a unit that no shift of the loss and no scale of loss or parameters changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cells import Facts

__all__ = ["FEATURES", "features"]

Array = NDArray[np.float64]

FEATURES = (
    "log2 of the steps",
    "log2 of the passes over the data",
    "log2 of a batch's share of the data",
    "log2 of a batch's noise over its signal",
    "log2 of the curvature after a walk over that at the start",
    "negative curvature over the largest",
    "last factor of the schedule",
    "convex",
    "log2 of the number of parameters",
)
_STILL = 2.0**-10  # noise over signal below this is no noise: such batches and the whole data behave alike


def features(facts: Facts) -> Array:
    """The numbers of FEATURES for one job under one budget."""
    noise = facts.noise / facts.gradient_norm**2 if facts.gradient_norm > 0 else 0.0
    share = facts.batch_size / facts.examples
    return np.array([
        np.log2(facts.steps),
        np.log2(facts.steps * share),
        np.log2(share),
        np.log2(max(noise, _STILL)),
        np.log2(max(facts.largest / facts.largest_start, 1.0)) if facts.largest_start > 0 else 0.0,
        min(max(-facts.smallest / facts.largest, 0.0), 1.0),
        facts.last_factor,
        float(facts.convex),
        np.log2(max(facts.dimension, 1)),
    ])  # fmt: skip
