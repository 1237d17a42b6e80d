"""What jobs are compared by: numbers without a unit that no shift of the loss and no scale of loss or parameters changes.

Learning rates are compared in a unit of each job's own. 1/curvature is one, and what short runs showed are others: the rate whose
loss is lowest after a few steps, and those above it from which on half, or all, of its fall is lost. The unit is a geometric
mean of them whose weights are fitted (benchmarks/experience/fit.py); Adam's steps do not scale with the loss, so there 1 takes the place
of 1/curvature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cells import Facts

__all__ = ["FEATURES", "Short", "Units", "features", "scale_of", "unit"]

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
    "octaves between the best of the short runs and where they no longer fall",
    "octaves between the best of the short runs and the unit without them",
    "log2 of the fall of the best short run over what its gradient promised",
)
_STILL = 2.0**-10  # noise over signal below this is no noise: such batches and the whole data behave alike


class Units(NamedTuple):
    """Weights of log2 of the learning rates that short runs show; what the first three lack to 1 goes to 1/curvature (Adam: to 1)."""

    best: float
    half: float
    edge: float
    grown: float  # of how much the curvature grew in the walk from the start; 0: the larger curvature counts, -1: that at the start


class Short(NamedTuple):
    """What short runs show where there were any, else what they usually show: in log2 of the learning rate."""

    best: float
    half: float
    edge: float
    fall: float

    @staticmethod
    def of(facts: Facts, optimizer: str) -> Short:
        """Those of a job; without short runs, the middle of where they are best in benchmarks/experience."""
        scale = facts.gradient_norm**2 / facts.largest
        if facts.short_best is None or facts.short_half is None or facts.short_edge is None or not facts.short_fall:
            usual = -np.log2(facts.largest) if optimizer == "sgd" else -6.0
            return Short(usual, usual + 1.0, usual + 2.0, 0.5 * scale)
        return Short(facts.short_best, facts.short_half, facts.short_edge, facts.short_fall)


def unit(facts: Facts, optimizer: str, weights: Units) -> float:
    """log2 of the learning rate that others are compared with."""
    short = Short.of(facts, optimizer)
    shown = weights.best * short.best + weights.half * short.half + weights.edge * short.edge
    if optimizer != "sgd":
        return shown
    grown = np.log2(max(facts.largest / facts.largest_start, 1.0)) if facts.largest_start > 0 else 0.0
    return shown - float((1 - sum(weights[:3])) * np.log2(facts.largest) + weights.grown * grown)


def scale_of(facts: Facts, optimizer: str) -> float:
    """The scale of a job's fall, in units of loss: how far short runs fell."""
    return Short.of(facts, optimizer).fall


def features(facts: Facts, optimizer: str = "sgd") -> Array:
    """The numbers of FEATURES for one job under one budget."""
    noise = facts.noise / facts.gradient_norm**2 if facts.gradient_norm > 0 else 0.0
    share, short = facts.batch_size / facts.examples, Short.of(facts, optimizer)
    plain = -np.log2(facts.largest) if optimizer == "sgd" else 0.0
    promised = facts.gradient_norm**2 * (2.0**short.best if optimizer == "sgd" else 1.0)
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
        short.edge - short.best,
        short.best - plain,
        np.log2(short.fall / promised) if optimizer == "sgd" and promised > 0 else 0.0,
    ])  # fmt: skip
