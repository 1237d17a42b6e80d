"""The best step length along an update, whatever optimizer made it.

Where a step moves the parameters by -eta u, the loss becomes, to second order, L - eta g'u + eta^2 u'H u/2. So eta* = g'u/(u'H u) is the
best learning rate along u, and 2 eta* the largest that does not raise the loss. Over several updates of one state (other mini-batches) the
expected loss is best at the ratio of the means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from .model import Plan, Source

__all__ = ["StepLength", "along", "pulls", "step_length"]


@dataclass(frozen=True)
class StepLength:
    """How far to go along an optimizer's own update: learning rates, in the units of the optimizer."""

    best: float  # eta*; 0 where the updates ascend on average, infinite where the loss curves downward along them
    error: float  # standard error of best over the updates (jackknife); nan for one update
    slope: float  # g'u: the fall of the loss per learning rate, mean over the updates
    curvature: float  # u'H u, mean over the updates
    updates: int  # how many were averaged

    @property
    def largest(self) -> float:
        """Twice `best`: beyond it the loss rises, to second order."""
        return 2 * self.best

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; what is infinite or not a number is None."""
        plain = {"best": self.best, "error": self.error, "slope": self.slope, "curvature": self.curvature}
        return {name: value if math.isfinite(value) else None for name, value in plain.items()} | {"updates": self.updates}


def step_length(slopes: ArrayLike, curvatures: ArrayLike) -> StepLength:
    """The best learning rate along one or several updates of the same state.

    Args:
        slopes: g'u of each update, shape (k,): gradient of the loss times the update for learning rate 1 (parameters move by -eta u).
        curvatures: u'H u of each update, shape (k,).

    Raises:
        BadInput: no updates, other shapes, numbers that are not finite.

    Source: the minimum of the quadratic above; the jackknife of a ratio is Efron and Stein 1981.

    >>> found = step_length([2.0, 4.0], [10.0, 20.0])
    >>> found.best, found.largest, found.updates
    (0.2, 0.4, 2)
    """
    g, h = (np.atleast_1d(np.asarray(values, dtype=float)) for values in (slopes, curvatures))
    if g.shape != h.shape or g.ndim != 1 or not g.size:
        raise BadInput(f"slopes of shape {g.shape} and curvatures of shape {h.shape}: give one of each for every update")
    if not (np.all(np.isfinite(g)) and np.all(np.isfinite(h))):
        raise BadInput("a slope or a curvature along an update is not finite: the loss or the update overflows there")
    count, error = len(g), math.nan
    if count > 1:
        left = np.array([_ratio(float(g.sum() - one), float(h.sum() - two)) for one, two in zip(g, h, strict=True)])
        if np.all(np.isfinite(left)):
            error = float(math.sqrt((count - 1) / count * np.sum((left - np.mean(left)) ** 2)))
    return StepLength(_ratio(float(g.mean()), float(h.mean())), error, float(g.mean()), float(h.mean()), count)


def pulls(source: Source, plan: Plan, gradient: Any, most: int | None = None) -> Iterator[Any]:
    """The gradients whose updates are looked along: of mini-batches (`plan.noise`, `most`), or the whole one where a batch is all data."""
    whole, asked = sum(source.sizes), plan.batch_size if plan.batch_size is not None else int(source.sizes[0])
    if asked >= whole or not plan.noise:
        yield gradient
        return
    drawn = source.mini_batches(np.random.default_rng([plan.seed, 4]), asked)
    yield from (pull for pull, _ in islice(drawn, plan.noise if most is None else min(plan.noise, most)))


def along(source: Source, gradient: Any, updates: Iterable[Any]) -> tuple[list[float], list[float]]:
    """g'u and u'H u of updates for learning rate 1: what `step_length` asks for."""
    made = list(updates)  # before any product: making one may move the source's parameters for a moment
    return [float(gradient @ update) for update in made], [float(update @ source.hvp(update)) for update in made]


def _ratio(slope: float, curvature: float) -> float:
    if slope <= 0:
        return 0.0
    return slope / curvature if curvature > 0 else math.inf
