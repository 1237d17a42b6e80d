"""Look at a problem before training it: curvature along the gradient, curvature along the noise, an upper bar.

Three kinds of Lanczos runs on the Hessian: from a random vector (a bar that the largest curvature does not exceed), from
the gradient (how far the start is, along which curvatures), from mini-batch deviations (how noisy, along which).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, step
from ..errors import BadInput, Diverged
from ..measurement import Lanczos, Noise, lanczos, noise
from ..problems.base import Problem, Rows
from .predict import Model, grounded, joined, tailed

__all__ = ["Observation", "observe"]

Array: TypeAlias = NDArray[np.float64]
_SAMPLE = 512  # examples that the Hessian is measured on, at least; more where _SHARE of the run pays for more
_SHARE, _PRODUCTS = 0.03, 37  # share of the run's gradients to spend on about this many Hessian-vector products
_GRADIENT = 16  # times as many examples for the gradient, which is read once and must be free of sampling noise
_DEPTH = 12  # products along the gradient: the Gauss quadrature is exact for polynomials of degree 23 in the curvature
_STARTS, _SHORT = 1, 8  # mini-batch deviations followed, and products along each
_BENT = 256  # of them, those on which curvatures along the way are compared: ratios on the same examples scatter little
_WALK = 16  # steps down the way, at the end of which the curvature is asked again
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
    """Measure a problem at its start and a short walk from there, deterministic under `seed`.

    The walk tells a quadratic (after one step) from a loss whose curvature falls with it, as with logistic models; where
    the start is not convex, everything is measured again at its end.

    Cost: about 37 Hessian-vector products (16 for the bar, 12 along the gradient, 8 along the noise) and between 8 and 64
    mini-batch gradients (a sixteenth of the run's); without noise, an eighth of the run's steps along the gradient. With
    more than 512 examples the Hessian is that of a random sample, as many as 3 % of the run pay for, at least 512; two
    standard errors of the sampling are then added to the bar.

    Raises:
        BadInput: a start where loss or gradient is not finite, or where the gradient is zero; a batch larger than the data.

    >>> from ..problems import valley
    >>> round(observe(valley(), steps=20).upper, 9)
    4.0
    """
    start = problem.start if problem.draw is None else problem.draw(seed)
    found = _look(problem, start, steps, batch_size, seed)
    if found.convex:
        return _bent(problem, start, steps, batch_size, seed, found)
    # A short cautious walk: sharpness and slope at the start of a curved valley say little about the valley.
    later = _look(problem, _walked(problem, start, 1 / found.upper, max(1, steps // 16)), steps, batch_size, seed)
    upper = max(found.upper, later.upper)
    facts = later.facts | {"largest": max(found.facts["largest"], later.facts["largest"]), "largest_upper": upper, "convex": False}
    facts |= {"hvps": found.facts["hvps"] + later.facts["hvps"], "gradients": found.gradients + later.gradients}
    return Observation(later.model, upper, False, found.gradients + later.gradients, facts)


def _look(problem: Problem, params: Array, steps: int, batch_size: int | None, seed: int) -> Observation:
    """Everything at one point."""
    examples, size = problem.examples or 1, min(batch_size or problem.examples or 1, problem.examples or 1)
    rows = _sample(problem.examples, steps * size, seed)
    used = examples if rows is None else len(rows)
    many = _sample(problem.examples, _GRADIENT * steps * size, seed, _GRADIENT)
    loss, gradient = float(problem.value(params, many)), problem.gradient(params, many)
    if not (np.isfinite(loss) and np.all(np.isfinite(gradient))):
        raise Diverged(f"{problem.name}: loss or gradient is not finite at the start: check the data and the starting point")
    if not np.any(gradient):
        raise BadInput(f"{problem.name}: the gradient at the start is zero, so there is nothing to tune: start somewhere else")

    def matvec(vector: Array) -> Array:
        return problem.hvp(params, vector, rows)

    n, noisy = problem.dimension, size < examples
    ends = lanczos(matvec, n, rtol=0.02, ends="largest", depth=16 if noisy else 64, vectors=rows is not None, seed=seed)
    seen = lanczos(matvec, n, start=gradient, rtol=None, depth=min(n, _DEPTH if noisy else int(np.clip(steps // 8, 64, 512))))
    largest = max(ends.largest, seen.largest)
    spread = _sampling_error(problem, params, ends, rows)
    upper = max(ends.upper, seen.largest) + 2 * spread
    if not upper > 0:
        raise BadInput(f"{problem.name}: no positive curvature at the start, so a learning rate has no scale there: start somewhere else")
    shaken = _shaken(problem, params, matvec, steps, size, seed) if noisy else Noise(0.0, 0.0, np.empty(0), np.empty(0), size, 0, 0)
    hvps = ends.hvps + seen.hvps + shaken.hvps
    lowest = problem.minimum if problem.minimum is not None else min(0.0, loss)
    kept = seen.weights > 0  # directions added after a breakdown are not in the gradient
    distances = grounded(seen.values[kept], seen.norm**2 * seen.weights[kept], loss - lowest)
    passes = {"epoch": examples / size} if noisy else {}  # kept with the spectrum: with it the forecast can be made again
    pair = joined(
        distances, (np.maximum(shaken.curvatures, 0.0), shaken.variances), upper, source="lanczos", dimension=n, seed=seed, **passes
    )
    hvps += rows is not None  # the sampling error costs one more look at every example used
    gradients = (examples if many is None else len(many)) + 2 * hvps * used + shaken.gradients
    smallest = min(ends.smallest, seen.smallest)
    convex = bool(smallest >= -_CALM * largest)
    facts = {
        "largest": largest, "largest_upper": upper, "largest_sampling_error": spread, "smallest": smallest,
        "noise_trace": shaken.trace, "noise_trace_error": shaken.error,
        "gradient_norm": float(np.linalg.norm(gradient)), "loss": loss, "hvps": hvps, "gradients": gradients, "examples": used,
        "dimension": n, "convex": convex,
    }  # fmt: skip
    model = Model(pair, loss, epoch=examples / size if noisy else np.inf)
    return Observation(model, upper, convex, gradients, facts)


def _sample(examples: int | None, budget: int, seed: int, times: int = 1) -> Rows:
    """Rows to measure on, `times` the least sample at least; None for all of them, also where half would do."""
    if examples is None:
        return None
    wanted = max(times * _SAMPLE, int(_SHARE * budget / (2 * _PRODUCTS)))
    return None if 2 * wanted >= examples else np.sort(np.random.default_rng([seed, examples]).choice(examples, wanted, replace=False))


def _sampling_error(problem: Problem, params: Array, ends: Lanczos, rows: Rows) -> float:
    """Standard error of the largest curvature because only some examples were looked at: its vector asked of eight parts."""
    if rows is None or problem.examples is None or ends.vectors is None:
        return 0.0
    top = ends.vectors[0]
    parts = np.array_split(np.random.default_rng(len(rows)).permutation(rows), 8)
    quotients = [float(top @ problem.hvp(params, top, part)) for part in parts]
    return float(np.std(quotients, ddof=1) / np.sqrt(8) * np.sqrt(1 - len(rows) / problem.examples))


def _shaken(problem: Problem, params: Array, matvec: Callable[[Array], Array], steps: int, size: int, seed: int) -> Noise:
    """Noise of the run's mini-batches, which come from all examples, along the curvatures."""
    draws = int(np.clip(steps // 16, 8, 64))
    examples = problem.examples or 1
    return noise(
        lambda w, rows: problem.gradient(w, rows),
        params, examples, size, matvec=matvec, batches=draws, starts=_STARTS, depth=_SHORT, seed=seed,
    )  # fmt: skip


def _bent(problem: Problem, start: Array, steps: int, batch_size: int | None, seed: int, found: Observation) -> Observation:
    """The observation with how its curvature falls with its loss: the same vectors asked again further down the way."""
    examples = problem.examples or 1
    rows = _sample(problem.examples, steps * min(batch_size or examples, examples), seed)
    used = examples if rows is None else len(rows)
    few = (
        rows
        if used <= _BENT
        else np.sort(np.random.default_rng([seed, used]).choice(np.arange(examples) if rows is None else rows, _BENT, replace=False))
    )
    gradient = problem.gradient(start, rows)
    method, params, velocity = Method(0.5 / found.upper, 0.9, 0.9), start, np.zeros_like(start)
    points = [start]
    for k in range(1, _WALK + 1):
        params, velocity = step(method, params, velocity, problem.gradient(params, rows))
        if k in (1, _WALK // 2, _WALK):
            points.append(params)
        if k == 1 and _constant(*(float(gradient @ problem.hvp(w, gradient, few)) for w in (start, params))):
            return found  # a quadratic: the curvature is the same everywhere
    probes = [gradient, points[2] - start, points[3] - start]
    sizes = np.array([[float(v @ problem.hvp(w, v, few)) for v in probes] for w in (start, *points[2:])])
    losses = np.array([float(problem.value(w, rows)) for w in (start, *points[2:])])
    spent = found.gradients + used * (_WALK + 5) + min(used, _BENT) * 2 * (2 + sizes.size)
    model = found.model
    if np.all(np.isfinite(sizes)) and np.all(sizes > 0) and np.all(np.isfinite(losses)):
        lowest = problem.minimum if problem.minimum is not None else min(0.0, model.start)
        model = tailed(model, np.exp(np.mean(np.log(sizes / sizes[0]), axis=1)), losses / losses[0], lowest)
    facts = found.facts | {"gradients": spent, "bend": model.bend, "knee": model.knee}
    return replace(found, model=model, gradients=spent, facts=facts)


def _constant(before: float, after: float) -> bool:
    return bool(abs(after - before) <= 1e-9 * abs(before))


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
