"""The numbers that benchmarks/experience/fit.py found, and how a weighted set of values is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cells import Facts
from .densities import squared
from .features import Trend, Units, unit

__all__ = ["FITTED", "Fitted", "quantiles"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """The numbers of the model for one optimizer, all fitted by benchmarks/experience/fit.py and trend.py."""

    scales: tuple[float, ...]  # of the features: a difference this large is a standard deviation
    network: tuple[float, ...]  # weights of the unit of learning rates: see features.Units
    convex: tuple[float, ...]  # the same for convex jobs
    floor: float  # weight of a job however unlike, relative to an equal one
    wander: float  # octaves: spread of the shift between jobs, beyond what the unit foretells
    sees: tuple[float, ...]  # octaves: spread of what short runs and the curvature show (features.marks) about where a known job had it
    shape: float  # octaves of that spread more, for every octave that a schedule is apart from the nearest known one
    own: float  # what is peculiar to a job at one candidate: standard deviation of y
    level: float  # the same for all candidates together
    reach: float  # octaves of the learning rate over which that is alike
    memory: float  # octaves of 1/(1 - momentum) over which it is alike
    ahead: float  # how unlike a momentum with and without Nesterov's form are, in the same measure
    along: float  # two momenta are alike at equal learning rate * (1 - momentum)^-along: 1 where noise rules, 0 where curvature does
    jitter: float  # noise of y at the least
    margin: float  # octaves of the learning rate by which a known job's cliff may lie elsewhere
    slip: float  # chance that a run ends above its start where a known job never did, or below where it always ended above
    tail: float  # degrees of freedom: smaller is searched wider
    trust: float  # of the forecast, where there is one
    fall: float  # spread of ln(fall/its scale) beyond what a known job had
    share: float  # the same of y of the share that stays of the most possible, where that is known and nothing was forecast
    promise: float  # the same of ln(fall/what the forecast promised), where there is one
    gain: float  # spread of the root of ln of the gain of momentum beyond what a known job had
    heed: float  # power of the weights there: that a known job foretells where losses lie says less of what momentum gains
    broad: float  # widens the distribution of what a run ends at, before the job has run
    narrow: float  # the same once runs of the job are known
    worth: float  # expected fall of y by one more run, below which the search ends
    stays: float  # noise at the bottom of a quadratic, over the noise of its fall
    advice: float  # mean logarithm of the excess of its advice over the best setting of both optimizers, by benchmarks/experience/any.py
    trends: tuple[Trend, Trend]  # of networks, and of convex jobs
    gains: Trend  # the root of ln of the gain of momentum

    def gained(self, roots: Array, weights: Array) -> tuple[Array, Array]:
        """ln of momentum's gain as values and weights, from what hypotheses say of its root and how likely they are."""
        return squared(roots, weights**self.heed, self.gain)

    def width(self, ran: bool) -> float:
        """How much wider than believed to tell what a run ends at, by whether the job has run."""
        return self.narrow if ran else self.broad

    def units(self, convex: bool) -> Units:
        """Weights of the unit of learning rates."""
        return Units(*(self.convex if convex else self.network))

    def unit(self, facts: Facts, optimizer: str) -> float:
        """log2 of the learning rate that those of a job are compared with."""
        return unit(facts, optimizer, self.units(facts.convex), self.trends[facts.convex])


def quantiles(values: Array, weights: Array, at: tuple[float, ...]) -> Array:
    """Quantiles of weighted values.

    >>> quantiles(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]), (0.5,))
    array([2.33333333])
    """
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    return np.interp(np.array(at) * summed[-1], summed - 0.5 * weights[order], values[order])


def _fitted() -> dict[str, Fitted]:
    found: dict[str, dict[str, Any]] = json.loads((Path(str(files(__package__))) / "data" / "fitted.json").read_text())
    return {optimizer: Fitted(**{name: _plain(name, value) for name, value in numbers.items()}) for optimizer, numbers in found.items()}


def _plain(name: str, value: Any) -> Any:
    """A number, a row of them, or lines."""
    if name == "trends":
        return tuple(map(_line, value))
    if name == "gains":
        return _line(value)
    return tuple(value) if isinstance(value, list) else value


def _line(numbers: dict[str, Any]) -> Trend:
    return Trend(numbers["shift"], *(tuple(numbers[row]) for row in ("weights", "middle", "low", "high")))


FITTED = _fitted()
"""What benchmarks/experience/fit.py found, for each optimizer."""
