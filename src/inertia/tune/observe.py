"""Look at a problem before training it: curvature along the gradient, curvature along the noise, an upper bar.

Three kinds of Lanczos runs on the Hessian: from a random vector (a bar that the largest curvature does not exceed), from
the gradient (how far the start is, along which curvatures), from mini-batch deviations (how noisy, along which).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, Diverged
from ..measure import lanczos, noise
from ..method import Method, step
from ..problems.base import Problem
from .predict import Model, grounded, joined

__all__ = ["Observation", "observe"]

Array: TypeAlias = NDArray[np.float64]
_DEPTH = 16  # products per start: the Gauss quadrature is exact for polynomials of degree 31 in the curvature
_CALM = 0.02  # negative curvature below this share of the largest is rounding and Lanczos error, not shape


@dataclass(frozen=True, eq=False)
class Observation:
    """What was measured, as a Model to forecast with, and what it cost in gradients of single examples."""

    model: Model
    upper: float  # the largest curvature does not exceed this (in probability)
    convex: bool  # no negative curvature worth the name was seen
    gradients: int  # example gradients, a Hessian-vector product counted as two
    facts: dict[str, Any]  # plain numbers for the report: largest, largest_upper, smallest, noise_trace, hvps, dimension


def observe(problem: Problem, steps: int, batch_size: int | None = None, *, seed: int = 0) -> Observation:
    """Measure a problem at its start (and, where it is not convex, also after a short walk), deterministic under `seed`.

    Cost: about 20 Hessian-vector products for the bar, up to 16 for the gradient and 4 x 16 for the noise, and between 8
    and 64 mini-batch gradients (a sixteenth of the run's).

    Raises:
        BadInput: a start where loss or gradient is not finite, or where the gradient is zero; a batch larger than the data.

    >>> from ..problems import valley
    >>> round(observe(valley(), steps=20).upper, 9)
    4.0
    """
    start = problem.start if problem.draw is None else problem.draw(seed)
    found = _look(problem, start, steps, batch_size, seed)
    if found.convex:
        return found
    # A short cautious walk: sharpness and slope at the start of a curved valley say little about the valley.
    later = _look(problem, _walked(problem, start, 1 / found.upper, max(1, steps // 16)), steps, batch_size, seed)
    upper = max(found.upper, later.upper)
    facts = later.facts | {"largest": max(found.facts["largest"], later.facts["largest"]), "largest_upper": upper, "convex": False}
    facts |= {"hvps": found.facts["hvps"] + later.facts["hvps"], "gradients": found.gradients + later.gradients}
    return Observation(later.model, upper, False, found.gradients + later.gradients, facts)


def _look(problem: Problem, params: Array, steps: int, batch_size: int | None, seed: int) -> Observation:
    """Everything at one point."""
    loss, gradient = float(problem.value(params)), problem.gradient(params)
    if not (np.isfinite(loss) and np.all(np.isfinite(gradient))):
        raise Diverged(f"{problem.name}: loss or gradient is not finite at the start: check the data and the starting point")
    if not np.any(gradient):
        raise BadInput(f"{problem.name}: the gradient at the start is zero, so there is nothing to tune: start somewhere else")
    n, size = problem.dimension, batch_size or problem.examples

    def matvec(vector: Array) -> Array:
        return problem.hvp(params, vector)

    ends = lanczos(matvec, n, rtol=0.02, ends="largest", depth=64, seed=seed)
    seen = lanczos(matvec, n, start=gradient, rtol=None, depth=_depth(problem, n))
    hvps, spent = ends.hvps + seen.hvps, 1
    shaken: tuple[Array, Array] = (np.empty(0), np.empty(0))
    trace = error = 0.0
    examples = problem.examples or 1
    if problem.examples is not None and size is not None and size < problem.examples:
        draws = int(np.clip(steps // 16, 8, 64))
        found = noise(_rows(problem), params, problem.examples, size, matvec=matvec, batches=draws, depth=_DEPTH, seed=seed)
        shaken, trace, error, hvps = (np.maximum(found.curvatures, 0.0), found.variances), found.trace, found.error, hvps + found.hvps
        spent_batches = found.gradients
    else:
        spent_batches = 0
    lowest = problem.minimum if problem.minimum is not None else min(0.0, loss)
    kept = seen.weights > 0  # directions added after a breakdown are not in the gradient
    distances = grounded(seen.values[kept], seen.norm**2 * seen.weights[kept], loss - lowest)
    largest = max(ends.largest, seen.largest)
    upper = max(ends.upper, seen.largest)
    if not upper > 0:
        raise BadInput(f"{problem.name}: no positive curvature at the start: a learning rate has no scale there; start somewhere else")
    smallest = min(ends.smallest, seen.smallest)
    gradients = (spent + 2 * hvps) * examples + spent_batches
    facts = {
        "largest": largest, "largest_upper": upper, "smallest": smallest, "noise_trace": trace, "noise_trace_error": error,
        "gradient_norm": float(np.linalg.norm(gradient)), "loss": loss, "hvps": hvps, "gradients": gradients, "dimension": n,
        "convex": bool(smallest >= -_CALM * largest),
    }  # fmt: skip
    model = Model(joined(distances, shaken, upper, source="lanczos", dimension=n, seed=seed, hvps=hvps), loss)
    return Observation(model, upper, bool(facts["convex"]), gradients, facts)


def _depth(problem: Problem, dimension: int) -> int:
    """Products along the gradient: few where there is noise to hide the tail, many where every digit counts."""
    return min(dimension, _DEPTH if problem.examples is not None else 4 * _DEPTH)


def _rows(problem: Problem) -> Callable[[Array, NDArray[np.intp]], Array]:
    return lambda params, rows: problem.gradient(params, rows)


def _walked(problem: Problem, params: Array, alpha: float, steps: int) -> Array:
    """Where gradient descent with halved steps (as often as the loss rises) gets."""
    velocity, loss = np.zeros_like(params), float(problem.value(params))
    for _ in range(steps):
        gradient = problem.gradient(params)
        for _ in range(30):
            tried, _ = step(Method(alpha), params, velocity, gradient)
            value = float(problem.value(tried))
            if value <= loss:
                params, loss = tried, value
                break
            alpha /= 2
    return params
