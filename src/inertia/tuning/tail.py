"""How the curvature of a convex loss changes while the loss falls, from a short walk; a constant added to the loss changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.method import Method, step
from .measurement import Curvature, Tail
from .probe import Probe, curvature_at
from .trainable import Point

__all__ = ["along_the_way", "bent"]

_WALK = (8, 16)  # steps of the way after which the curvature is asked again
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


def along_the_way(probe: Probe, at: Point, curvature: Curvature, direction: Any, promised: float) -> tuple[Curvature | None, Tail | None]:
    """How the curvature changes on a short way down by whole gradients of the sample; (None, None) for a quadratic.

    The way is that of Nesterov's method at half of 1/curvature; the same vectors are asked at its start, middle and end.
    """
    used, decay = probe.work.examples, probe.budget.weight_decay
    few = min(used, _FEW)
    method = Method(0.5 / curvature.upper, 0.9, 0.9)
    moved, velocity, point = direction * 0.0, direction * 0.0, at
    marked: list[tuple[Point, Any, float]] = []  # point, displacement, loss without the penalty
    for k in range(_WALK[-1] + 1):
        with probe.open(point, used) as source:
            objective, gradient = source.gradient()
            probe.pay(source, used)
        if not math.isfinite(objective):
            return None, None
        if k in (0, *_WALK):
            marked.append((point, moved * 1.0, objective - 0.5 * decay * probe.job.norm(point) ** 2))
        if k == _WALK[-1]:
            break
        moved, velocity = step(method, moved, velocity, gradient)
        point = probe.job.shift(at, moved)
        if k == 0 and _constant([_quotients(probe, place, few, [direction])[0] for place in (at, point)], probe.rounding):
            return None, None
    probes = [direction, *(by for _, by, _ in marked[1:])]
    sizes = np.array([_quotients(probe, place, few, probes) for place, _, _ in marked])
    later = curvature_at(probe, point, "after a few steps", used)
    if not (np.all(np.isfinite(sizes)) and np.all(sizes > 0)):
        return later, None
    left = np.exp(np.mean(np.log(sizes[1:] / sizes[0]), axis=1))
    return later, bent(promised, [marked[0][2] - loss for _, _, loss in marked[1:]], left.tolist())


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
