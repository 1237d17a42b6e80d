"""What measuring costs before it is done, and the curvature where a run ended."""

from __future__ import annotations

import math

from ..errors import BadInput, Diverged
from .budget import Budget
from .effort import OTHERS, effort
from .ladder import RUNGS
from .measurement import Cost, Curvature
from .probe import Probe, curvature_at
from .recipe import searched
from .tail import LOST
from .trainable import Point, Trainable

__all__ = ["at_the_end", "ends_at", "estimated"]

_PRICE = 2.0  # of a product of the loss's Hessian, in gradients: Pearlmutter 1994; doors that pay more say so in their source
_WAY = LOST + 17 + 3 * (1 + 3 * _PRICE) + 2 * (1 + _PRICE)  # the way that shows how a convex loss bends: see `tail`


def estimated(job: Trainable, budget: Budget, optimizer: str = "sgd") -> float:
    """The most example gradients that `measure` will spend on a job, from what it will be asked to do."""
    others = OTHERS if job.reseeded else 0
    work = effort(budget, others)
    start = _PRICE * (work.ends + 1 + work.along + 2 * work.shaken * (not budget.full_batch)) + 3
    later = _PRICE * (work.later + 1) + 1
    drawn = work.batches * work.batch_size + work.walk * budget.batch_size
    short = len(searched(optimizer)) * (RUNGS * (work.short * budget.batch_size + work.read) + work.read)
    beyond = max(work.examples * (_WAY + later), work.after * (1 + others) * later)  # of a loss that looks convex, or of another
    held = job.examples / 3 if job.validated else 0.0  # a loss is a third of a gradient
    return float(work.examples * start + beyond + work.wide + drawn + short + held)


def at_the_end(budget: Budget) -> float:
    """The most example gradients that `ends_at` spends."""
    work = effort(budget)
    return work.after * (_PRICE * (work.later + 1) + 1)


def ends_at(
    job: Trainable, at: Point, budget: Budget, *, seed: int = 0, where: str = "end", most: float = math.inf
) -> tuple[Curvature, Cost] | None:
    """The ends of the spectrum at a point and what they cost.

    None where that is more than `most` example gradients, or nothing finite is there.
    """
    work = effort(budget)
    if at_the_end(budget) > most:
        return None
    probe = Probe(job, budget, work, seed, None)
    try:
        found = curvature_at(probe, at, where, work.after)
    except (BadInput, Diverged):  # a fit so good, or so far away, that nothing finite is left
        return None
    return (found, probe.spent) if math.isfinite(found.largest) and math.isfinite(found.upper) else None
