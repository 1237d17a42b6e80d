"""The quadratic that a Measurement stands for: losses are counted from its own bottom, so a shift of the loss changes nothing."""

from __future__ import annotations

import numpy as np

from .budget import Budget
from .measurement import Measurement
from .predict import Model, grounded, joined

__all__ = ["modelled"]


def modelled(seen: Measurement, budget: Budget, stays: float = 0.3) -> Model | None:
    """A model whose loss is the fall that is left; None where no honest one exists.

    Withheld: clipped gradients, groups with rates of their own, a start that is not convex. `stays` is the noise at the bottom over
    the noise of the fall itself (fitted: a start cannot tell what noise is left at the end).

    >>> from inertia.problems import least_squares
    >>> from inertia.tuning.measuring import measure
    >>> from inertia.tuning.numpy_door import ProblemJob
    >>> budget = Budget(100, 3, 3, np.ones(100))
    >>> found = modelled(measure(ProblemJob(least_squares(np.eye(3), [1.0, 2.0, 3.0])), budget), budget)
    >>> round(found.spectrum.excess, 9)
    2.333333333
    """
    if not seen.convex or budget.clip is not None or not budget.uniform:
        return None
    nodes, shares = seen.gradient.nodes, seen.gradient.shares
    kept = shares > 0
    certain = 0.5 * float(shares[kept].sum()) / seen.upper
    drop = np.inf if seen.lowest is None or seen.decay else max(seen.loss - seen.lowest, certain)
    positive = nodes[kept] > 0
    promised = 0.5 * float(np.sum(shares[kept][positive] / nodes[kept][positive]))
    h, weights = grounded(nodes[kept], shares[kept], min(drop, promised) if promised > 0 else drop)
    noise = (np.maximum(seen.noise.along.nodes, 0.0), seen.noise.along.shares)
    spectrum = joined((h, weights), noise, seen.upper, source="lanczos", dimension=seen.dimension)
    fall = spectrum.excess
    if not fall > 0:
        return None
    epoch = budget.examples / budget.batch_size if not budget.full_batch else np.inf
    if seen.tail is None:
        return Model(spectrum, fall * (1 + stays), epoch=epoch)
    tail = seen.tail
    stretched = joined((h, weights / tail.slack), noise, seen.upper, source="lanczos", dimension=seen.dimension)
    return Model(stretched, fall / tail.slack, epoch=epoch, knee=tail.knee, bend=tail.bend, slack=tail.slack)
