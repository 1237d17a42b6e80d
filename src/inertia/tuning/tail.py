"""How the curvature of a convex loss changes while the loss falls, from a short walk; a constant added to the loss changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.method import Method, step
from ..errors import BadInput, Diverged
from .measurement import Curvature, Tail
from .probe import Probe, curvature_at
from .trainable import Point

__all__ = ["LOST", "along_the_way", "bent"]

_WALK = (8, 16)  # steps of the way after which the curvature is asked again
_SLOWER = (1, 8, 64)  # how much slower a way is tried again, where the loss did not fall
LOST = 8  # gradients that ways may cost that led nowhere, before the last
_FEW = 256  # examples of those questions, at most: ratios on the same examples scatter little


def bent(promised: float, falls: Sequence[float], left: Sequence[float]) -> Tail | None:
    """The Tail through two later points of a way down; None where nothing fell, or no bottom fits.

    `promised` is the fall that the quadratic at the start promises, 1/2 sum s/h; `falls` how much the loss had fallen at
    the two points; `left` the shares of the curvature left there. In an exponential tail (logistic, softmax, exp) curvature is in
    proportion to the loss e above its bottom: h(e) = h0 min(1, e/(k e0)). So the two shares give the bottom, (e0 - d2)/(e0 - d1) =
    r2/r1, and the knee k. The promise of the start does not: flat directions, in which the curvature falls as well, make it too
    large by any factor. `slack` is promised/e0.

    >>> found = bent(0.5, [0.5, 0.75], [0.5, 0.25])           # exp(-x): e0 = 1, curvature = loss
    >>> [round(value, 3) for value in (found.knee, found.bend, found.slack)]
    [1.0, 1.0, 0.5]
    """
    (d1, d2), (r1, r2) = falls, (min(left[0], 1.0), left[1])
    if not (promised > 0 and 0 < d1 < d2 and 0 < r2 < r1):
        return None
    ratio = r2 / r1
    height = (d2 - ratio * d1) / (1 - ratio)
    return Tail(min(1.0, (height - d1) / (r1 * height)), 1.0, promised / height)


@dataclass(frozen=True, eq=False)
class Mark:
    """A point of the way: the displacement that led there, and the loss without the penalty."""

    at: Point
    moved: Any
    loss: float


def along_the_way(probe: Probe, at: Point, curvature: Curvature, direction: Any, promised: float) -> tuple[Curvature | None, Tail | None]:
    """How the curvature changes on a short way down by whole gradients of the sample; (None, None) for a quadratic.

    The way is that of Nesterov's method at half of 1/curvature, or at less where the loss ends no lower than it began: the curvature
    of exp(x) may outgrow that of the start within a step. The same vectors are asked at its start, middle and end.

    Raises:
        Diverged: the loss falls on no way tried.
    """
    few, before = min(probe.work.examples, _FEW), probe.spent.gradients
    for slower in _SLOWER:
        if probe.spent.gradients - before > LOST:
            break
        try:
            marked = _way(probe, at, Method(0.5 / curvature.upper / slower, 0.9, 0.9), direction, few)
            if not marked:
                return None, None
            probes = [direction, *(mark.moved for mark in marked[1:])]
            sizes = np.array([_quotients(probe, mark.at, few, probes) for mark in marked])
            later = curvature_at(probe, marked[-1].at, "after a few steps", probe.work.examples)
        except (BadInput, Diverged):  # the loss was finite at the start, so it is the way that led to where it is not
            continue
        if not (np.all(np.isfinite(sizes)) and np.all(sizes > 0)):
            return later, None
        left = np.exp(np.mean(np.log(sizes[1:] / sizes[0]), axis=1))
        return later, bent(promised, [marked[0].loss - mark.loss for mark in marked[1:]], left.tolist())
    raise Diverged("the loss does not fall on a short careful way from the start")


def _way(probe: Probe, at: Point, method: Method, direction: Any, few: int) -> list[Mark]:
    """Start, middle and end of a way; nothing where its first step shows a quadratic."""
    moved, velocity, point, marked, first = direction * 0.0, direction * 0.0, at, [], math.inf
    for k in range(_WALK[-1] + 1):
        with probe.open(point, probe.work.examples) as source:
            try:
                objective, gradient = source.gradient()
            finally:
                probe.pay(source, probe.work.examples)
        first = objective if k == 0 else first
        if not objective <= first:
            raise Diverged("the loss rises on the way, or is not finite there")
        if k in (0, *_WALK):
            marked.append(Mark(point, moved * 1.0, objective - 0.5 * probe.budget.weight_decay * probe.job.norm(point) ** 2))
        if k == _WALK[-1]:
            break
        moved, velocity = step(method, moved, velocity, gradient)
        point = probe.job.shift(at, moved)
        if k == 0 and _constant([_quotients(probe, place, few, [direction])[0] for place in (at, point)], probe.rounding):
            return []
    return marked


def _constant(pair: list[float], rounding: float) -> bool:
    """Whether two quotients agree to what rounding leaves of them."""
    return abs(pair[1] - pair[0]) <= 10 * math.sqrt(rounding) * abs(pair[0])


def _quotients(probe: Probe, at: Point, few: int, vectors: Sequence[Any]) -> list[float]:
    """v' H v of the loss alone at a point, on a few examples."""
    with probe.open(at, few, decay=0.0) as source:
        source.gradient()
        found = [float(vector @ source.hvp(vector)) for vector in vectors]
        probe.pay(source, few)
    return found
