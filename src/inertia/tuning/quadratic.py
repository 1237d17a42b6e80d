"""The quadratic that a Measurement stands for: losses are counted from its own bottom, so a shift of the loss changes nothing."""

from __future__ import annotations

import numpy as np

from .budget import Budget
from .measurement import Measurement
from .predict import Model, grounded, joined

__all__ = ["bent", "modelled", "promised"]


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
    if not seen.convex or bent(budget):
        return None
    nodes, shares = seen.gradient.nodes, seen.gradient.shares
    kept, tail = shares > 0, seen.tail
    positive = kept & (nodes > 0)
    promised = 0.5 * float(np.sum(shares[positive] / nodes[positive]))
    certain = 0.5 * float(shares[kept].sum()) / seen.upper  # what one step at 1/upper takes off
    fall = promised if tail is None else promised / tail.slack
    if seen.lowest is not None and not seen.decay:
        fall = min(fall, max(seen.loss - seen.lowest, certain))
    held = fall if tail is None else fall * (1 - tail.knee * tail.bend / (1 + tail.bend))  # by the curvatures of the start
    h, weights = grounded(nodes[kept], shares[kept], min(held, promised))
    if not np.any(weights > 0):
        return None
    slack = 1.0 if tail is None else 0.5 * float(h @ weights) / fall
    noise = (np.maximum(seen.noise.along.nodes, 0.0), seen.noise.along.shares)
    spectrum = joined((h, weights / slack), noise, seen.upper, source="lanczos", dimension=seen.dimension)
    epoch = budget.examples / budget.batch_size if not budget.full_batch else np.inf
    if tail is None:
        return Model(spectrum, spectrum.excess * (1 + stays), epoch=epoch)
    return Model(spectrum, spectrum.excess, epoch=epoch, knee=tail.knee, bend=tail.bend, slack=slack)


def bent(budget: Budget) -> bool:
    """Whether steps under a budget are other ones than the quadratic's: gradients are clipped, or groups have rates of their own."""
    return budget.clip is not None or not budget.uniform


def promised(seen: Measurement, budget: Budget) -> float | None:
    """How far the loss can fall according to the quadratic; None where it is withheld."""
    model = modelled(seen, budget)
    return None if model is None else float(f"{model.spectrum.excess:.6g}")
