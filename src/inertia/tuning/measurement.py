"""What was measured of a job before any run: one typed value, raw, with errors and units; what `inertia measure` prints and `tune` uses.

Curvatures are eigenvalues of the Hessian of the objective that the optimizer minimises: the mean loss plus half the weight decay
times |x|^2. Gradient shares are kept as they were measured (squared length along each Ritz vector), never divided by a curvature.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ladder import Ladder

__all__ = ["Cost", "Curvature", "Measurement", "Noise", "Quadrature", "Tail"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curvature:
    """The ends of the spectrum at one point, in units of loss per squared parameter."""

    where: str  # "start", "after a few steps", "another start", "end"
    largest: float
    error: float  # half-width of the bar of `largest` from Lanczos (0: converged)
    sampling: float  # standard error of `largest` because only some examples were used
    upper: float  # what the largest curvature does not exceed, sampling included (two standard errors)
    smallest: float  # smallest Ritz value seen; negative: not convex there
    loss: float  # of the examples used


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Ritz values of a Krylov run from one vector, with the vector's squared length along each: sum(shares) = |vector|^2."""

    nodes: Array  # (m,) ascending
    shares: Array  # (m,) >= 0
    position: Array = field(default_factory=lambda: np.empty(0))  # (m,) the parameters' component along each Ritz vector, signed so
    # that the run's own vector has components +sqrt(shares); empty where it was not asked for (no weight decay)


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of one step's gradient at the start: E |g_batch - g|^2 and where it points."""

    trace: float  # for the budget's batch size, drawn without replacement
    error: float  # standard error of the trace
    along: Quadrature  # its variance along each curvature: sum(shares) = trace


@dataclass(frozen=True)
class Tail:
    """How the curvature changes while the loss falls: h is proportional to (loss - lowest)^bend below knee times the start's."""

    knee: float
    bend: float
    slack: float


@dataclass(frozen=True)
class Cost:
    """What measuring took."""

    products: float  # Hessian-vector products, of the examples used
    gradients: float  # gradients, of the examples used
    example_gradients: float  # everything in gradients of single examples, a product at its measured price
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(
            self.products + other.products,
            self.gradients + other.gradients,
            self.example_gradients + other.example_gradients,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, eq=False)
class Measurement:
    """Everything known of a job before it is run."""

    dimension: int
    examples: int  # in the data
    used: int  # examples measured on
    loss: float  # training loss at the start, all examples (or those used, where that is what was read)
    validation: float  # validation loss or metric at the start; nan where there is none
    lowest: float | None  # a number that the training loss cannot go below, where one is known (an exact minimum, 0 of a non-negative loss)
    gradient_norm: float  # of the objective, decay included
    parameter_norm: float  # |x| at the start
    gradient: Quadrature  # from the gradient
    noise: Noise
    at: tuple[Curvature, ...]  # the start first; then after a few careful steps, then at other starts
    convex: bool  # no negative curvature beyond rounding was seen, here or after a few steps
    tail: Tail | None  # where the loss is convex and its curvature falls with it
    decay: float  # weight decay that is part of the objective
    cost: Cost
    ladders: tuple[Ladder, ...] = ()  # short runs at constant learning rates, one ladder for an optimizer
    notes: dict[str, Any] = field(default_factory=dict)  # provenance: mode, frozen modules, how products were made, warnings

    def __str__(self) -> str:
        """What was measured, in a few lines."""
        lines = [f"largest curvature, {seen.where}: {seen.largest:.4g}, at most {seen.upper:.4g}" for seen in self.at]
        if self.upper > 0:
            lines.insert(
                0, f"Gradient descent is stable below learning rate {2 / self.upper:.4g}, 2 over the upper bar of the largest curvature."
            )
        lines += [
            f"smallest curvature seen: {min(seen.smallest for seen in self.at):.4g}",
            f"loss {self.loss:.4g}, gradient of length {self.gradient_norm:.4g}",
            f"gradient noise of a mini-batch (mean squared length): {self.noise.trace:.4g} +- {self.noise.error:.2g}",
            f"{self.dimension} parameters, measured on {self.used} of {self.examples} examples",
        ]
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def start(self) -> Curvature:
        """The ends of the spectrum at the start."""
        return self.at[0]

    @property
    def largest(self) -> float:
        """Largest curvature seen anywhere: the unit of a learning rate is its inverse."""
        return max(seen.largest for seen in self.at if seen.where != "end")

    @property
    def upper(self) -> float:
        """Upper bar of the largest curvature seen anywhere."""
        return max(seen.upper for seen in self.at if seen.where != "end")

    def ladder(self, optimizer: str) -> Ladder | None:
        """The short runs of an optimizer, where there were any and the loss fell in them."""
        return next((each for each in self.ladders if each.optimizer == optimizer), None)

    def also(self, seen: Curvature, cost: Cost) -> Measurement:
        """With the ends of the spectrum at one more point."""
        return replace(self, at=(*self.at, seen), cost=self.cost + cost)
