"""What jobs are compared by: numbers without a unit that no shift of the loss and no scale of loss or parameters changes.

Learning rates are compared in a unit of each job's own. 1/curvature is one, and what short runs showed are others: the rate whose
loss is lowest after a few steps, and those above it from which on half, or all, of its fall is lost. The unit is a geometric
mean of them whose weights are fitted (benchmarks/experience/fit.py), moved by a straight line in all features that says how far
from there other jobs had their best rate (benchmarks/experience/trend.py). Adam's steps do not scale with the loss, so there 1 takes the
place of 1/curvature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cells import Facts

__all__ = ["FEATURES", "Short", "Trend", "Units", "features", "marks", "octaves_apart", "regressors", "scale_of", "unit"]

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
_APART = FEATURES.index("octaves between the best of the short runs and the unit without them")
_STILL = 2.0**-10  # noise over signal below this is no noise: such batches and the whole data behave alike


class Units(NamedTuple):
    """Weights of log2 of the learning rates that short runs show; what the first three lack to 1 goes to 1/curvature (Adam: to 1)."""

    best: float
    half: float
    edge: float
    grown: float  # of how much the curvature grew in the walk from the start; 0: the larger curvature counts, -1: that at the start


@dataclass(frozen=True)
class Trend:
    """A straight line in `regressors`: how many octaves from the mean of short runs and curvature the best learning rate lies.

    Beyond what the known jobs hold it goes on level, and what is not known counts as in the middle.

    >>> line = Trend(0.5, (2.0, 1.0), (0.0, 0.0), (-1.0, -1.0), (1.0, 1.0))
    >>> line.at(np.array([0.25, np.nan])), line.at(np.array([5.0, 0.0]))
    (1.0, 2.5)
    """

    shift: float  # in the middle of the known jobs
    weights: tuple[float, ...]  # for one of each regressor
    middle: tuple[float, ...]
    low: tuple[float, ...]  # the least and the largest among known jobs
    high: tuple[float, ...]

    def at(self, x: Array) -> float:
        """What the line says for one job's regressors."""
        inside = np.clip(np.where(np.isnan(x), self.middle, x), self.low, self.high)
        return float(self.shift + np.dot(self.weights, inside - np.array(self.middle)))


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


def unit(facts: Facts, optimizer: str, weights: Units, trend: Trend) -> float:
    """log2 of the learning rate that others are compared with.

    Where 1/curvature lies farther from what short runs show than on any known job, it counts as lying at the end of what is known:
    of exp(x), far from where it is lowest, the curvature says nothing.
    """
    if optimizer == "sgd" and facts.short_best is not None:
        off = facts.short_best + np.log2(facts.largest)
        beyond = 2.0 ** float(np.clip(off, trend.low[_APART], trend.high[_APART]) - off)
        facts = replace(facts, largest=facts.largest * beyond, largest_start=facts.largest_start * beyond)
    return shown(facts, optimizer, weights) + trend.at(regressors(facts, optimizer))


def shown(facts: Facts, optimizer: str, weights: Units) -> float:
    """The weighted mean of what short runs and the curvature show: log2 of a learning rate."""
    short = Short.of(facts, optimizer)
    found = weights.best * short.best + weights.half * short.half + weights.edge * short.edge
    if optimizer != "sgd":
        return found
    grown = np.log2(max(facts.largest / facts.largest_start, 1.0)) if facts.largest_start > 0 else 0.0
    return found - float((1 - sum(weights[:3])) * np.log2(facts.largest) + weights.grown * grown)


def marks(facts: Facts, optimizer: str) -> Array:
    """log2 of the learning rates that short runs show: the best, where half of its fall is lost, where all is; and 1/curvature.

    nan where there were no short runs; Adam's steps have no curvature of their own.
    """
    seen = (facts.short_best, facts.short_half, facts.short_edge)
    plain = -np.log2(facts.largest) if optimizer == "sgd" else np.nan
    return np.array([*(np.nan if x is None else x for x in seen), plain])


def regressors(facts: Facts, optimizer: str) -> Array:
    """The features, and log2 of how far the first step at the best rate of short runs goes, over the norm of the parameters.

    The step is the rate times the gradient's norm, for Adam the rate times the root of the number of parameters; nan where the
    parameters start at 0 or their norm is not known.
    """
    step = facts.gradient_norm if optimizer == "sgd" else np.sqrt(facts.dimension)
    norm = facts.parameter_norm or np.nan
    return np.append(features(facts, optimizer), Short.of(facts, optimizer).best + np.log2(step / norm) if step > 0 else np.nan)


def octaves_apart(factors: Array, others: Array) -> float:
    """How unlike two schedules are: octaves between their means over the whole run and between those over its second half, summed.

    >>> falling = 1 - np.arange(1000) / 1000
    >>> round(octaves_apart(np.ones(1000), falling), 2), octaves_apart(falling, 3 * falling)
    (3.0, 0.0)
    """
    one, two = (_levels(each) for each in (factors, others))
    return float(np.sum(np.abs(one - two)))


def _levels(factors: Array) -> Array:
    """log2 of the mean factor of a run and of its second half, over the largest."""
    part = np.asarray(factors, dtype=float) / np.max(factors)
    return np.log2(np.maximum([part.mean(), part[part.size // 2 :].mean()], 2.0**-20))


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
