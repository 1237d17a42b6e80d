"""Surfaces over the plane: their contours, the paths that methods take on them, and what their curvature says."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, readout, step
from ..problems.base import Problem
from ..problems.landscapes import banana, double_well, quartic
from ..problems.quadratics import planar, valley
from .formula import Formula, formula

__all__ = ["FAR", "SURFACES", "Paths", "Surface", "contoured", "contours", "ellipses", "paths", "quadratic", "shaded", "surface", "typed"]

Array = NDArray[np.float64]
Domain = tuple[tuple[float, float], tuple[float, float]]
Slope = Callable[[float, float], tuple[float, float]]
FAR = 1e6  # a path that is this far away has left for good, as far as a drawing goes
_GRID = (193, 129)  # points across and up
_COUNT = 14  # contours


class Surface(NamedTuple):
    """A function to walk on: points (..., 2) -> (...), its gradient and Hessian, the part of it to draw, where to begin."""

    text: str
    value: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    hessian: Callable[[Array], Array]
    slope: Slope  # the gradient of one point, number by number: a path of hundreds of steps in a fraction of a millisecond
    domain: Domain
    start: tuple[float, float]
    optimum: tuple[float, float] | None
    alpha: float  # a learning rate that works
    alpha_high: float  # the end of the slider: somewhat beyond the stable ones
    beta: float = 0.8
    flat: bool = False  # a function of x alone, drawn as a curve
    bowl: bool = False  # a quadratic: its contours are ellipses


class Paths(NamedTuple):
    """Runs of several methods from one start."""

    points: Array  # (M, steps + 1, 2) where the method reads out; not finite after it has diverged
    losses: Array  # (M, steps + 1)
    diverged_at: list[int | None]  # first step that is not finite or far beyond every frame


def quadratic(angle: float, low: float, high: float, optimum: tuple[float, float] = (0.0, 0.0)) -> Surface:
    """1/2 (w - optimum)'H(w - optimum) with the flat eigenvector (curvature `low`) at `angle` degrees to the x axis.

    >>> quadratic(0.0, 1.0, 100.0).gradient(np.array([2.0, 1.0])).tolist()
    [2.0, 100.0]
    """
    bowl = planar((low, high), float(np.deg2rad(angle)), optimum=optimum)
    frame: Domain = ((-3.2, 3.2), (-2.0, 2.0))
    made = _of(bowl, _linear(bowl), "½ wᵀHw", domain=frame, start=(-2.4, 1.3), alpha=1.8 / high, alpha_high=4.2 / high, beta=0.5)
    return made._replace(bowl=True)


def _linear(bowl: Problem) -> Slope:
    """The gradient of a quadratic from its matrix and its value at the origin."""
    (a, b), (c, d) = bowl.hvp(np.zeros(2), np.eye(2)).tolist()
    u, v = bowl.gradient(np.zeros(2)).tolist()
    return lambda x, y: (a * x + b * y + u, c * x + d * y + v)


def _banana(x: float, y: float) -> tuple[float, float]:
    ridge = 3 * y - x * x
    return -2 * (1 - x) - 80 * x * ridge, 120 * ridge


def _of(problem: Problem, slope: Slope, text: str, **rest: Any) -> Surface:
    """A problem in one or two variables as a surface over the plane; one in x alone is `flat`."""
    flat = problem.dimension == 1
    best = None if problem.optimum is None else (*(float(value) for value in problem.optimum), 0.0)[:2]

    def value(points: Array) -> Array:
        return problem.value(points[..., :1] if flat else points)

    def gradient(points: Array) -> Array:
        if not flat:
            return problem.gradient(points)
        return np.concatenate([problem.gradient(points[..., :1]), np.zeros_like(points[..., 1:])], axis=-1)

    def hessian(points: Array) -> Array:
        if not flat:
            return np.stack([problem.hvp(points, np.broadcast_to(unit, points.shape)) for unit in np.eye(2)], axis=-2)
        bend = problem.hvp(points[..., :1], np.ones_like(points[..., :1]))
        return bend[..., None] * np.array([[1.0, 0.0], [0.0, 0.0]])

    return Surface(text, value, gradient, hessian, slope, optimum=best, flat=flat, **rest)  # type: ignore[arg-type]


SURFACES: dict[str, Surface] = {
    "rosenbrock": _of(
        banana(),
        _banana,
        "(1 - x)² + 20 (3y - x²)²",
        domain=((-2.0, 2.0), (-0.4, 1.2)),
        start=(-1.21, 0.853),
        alpha=0.003,
        alpha_high=0.006,
        beta=0.74,
    ),
    "valley": _of(
        valley(),
        _linear(valley()),
        "0.1 x² + 2 y²",
        domain=((-6.0, 3.0), (-3.0, 1.8)),
        start=(-5.0, -2.0),
        alpha=0.6,
        alpha_high=1.0,
        beta=0.5,
    )._replace(bowl=True),
    "wells": _of(
        double_well(),
        lambda x, y: (4 * x * (x * x - 1), 2 * y),
        "x⁴ - 2x² + y²",
        domain=((-1.9, 1.9), (-1.2, 1.2)),
        start=(0.0, 1.0),
        alpha=0.1,
        alpha_high=0.5,
        beta=0.5,
    ),
    "quartic": _of(
        quartic(),
        lambda x, _: (x * x * (4 * x - 9), 0.0),
        "x⁴ - 3x³ + 2",
        domain=((-0.8, 3.2), (-7.5, 4.0)),
        start=(-0.5, 0.0),
        alpha=0.05,
        alpha_high=0.25,
        beta=0.7,
    ),
}


@functools.lru_cache(maxsize=32)
def typed(text: str, half: float) -> Surface:
    """A surface from a reader's formula, drawn around the origin; Newton's steps from its lowest grid point find the optimum.

    Raises:
        BadInput: the formula cannot be read (see `formula`).

    >>> typed("(x - 1)^2 + y^2", 2.0).optimum
    (1.0, 0.0)
    """
    read: Formula = formula(text)
    domain = ((-half, half), (-half * 0.6, half * 0.6))
    points, values = _sampled(read.value, domain)
    finite = np.isfinite(values)
    lowest = points.reshape(-1, 2)[np.argmin(np.where(finite, values, np.inf))] if finite.any() else np.zeros(2)
    best = _settled(read, lowest, domain)
    with np.errstate(all="ignore"):
        sharp = np.abs(np.nan_to_num(read.hessian(points), nan=0.0, posinf=0.0, neginf=0.0)).sum(axis=-1).max(axis=-1)
    steep = float(np.clip(np.quantile(sharp, 0.9), 1e-3, 1e6))
    return Surface(
        read.text,
        read.value,
        read.gradient,
        read.hessian,
        read.slope,
        domain,
        (-0.7 * half, 0.4 * half),
        best,
        0.5 / steep,
        4.2 / steep,
        0.7,
    )


def surface(name: str, angle: float = 0.0, low: float = 1.0, high: float = 10.0, text: str = "0", half: float = 2.0) -> Surface:
    """A surface by name; `quadratic` and `formula` read the remaining arguments.

    >>> surface("valley").text
    '0.1 x² + 2 y²'
    """
    if name == "quadratic":
        return quadratic(angle, min(low, high), max(low, high))
    return typed(text, half) if name == "formula" else SURFACES[name]


def _settled(read: Formula, point: Array, domain: Domain) -> tuple[float, float] | None:
    """Newton's steps from the lowest grid point, kept while they lower the value; None where that ends in no minimum inside the frame.

    A minimum has a gradient that vanishes (a step of Newton's would not leave a millionth of the frame) and no negative curvature.
    """
    best = np.array(point, dtype=float)
    for _ in range(40):
        gradient, hessian = read.gradient(best), read.hessian(best)
        if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(gradient))) or abs(np.linalg.det(hessian)) < 1e-12:
            break
        trial = best - np.linalg.solve(hessian, gradient)
        if not read.value(trial) <= read.value(best):
            break
        best, still = trial, bool(np.all(trial == best))
        if still:
            break
    gradient, hessian = read.gradient(best), read.hessian(best)
    (left, right), (bottom, top) = domain
    scale = float(np.abs(hessian[np.triu_indices(2)]).sum())
    if not (scale > 0 and left < best[0] < right and bottom < best[1] < top):
        return None
    if not (np.hypot(*gradient) <= 1e-6 * scale * (right - left) and np.linalg.eigvalsh(hessian)[0] >= -1e-9 * scale):
        return None
    return (round(float(best[0]), 12) + 0.0, round(float(best[1]), 12) + 0.0)


def _sampled(value: Callable[[Array], Array], domain: Domain) -> tuple[Array, Array]:
    """Grid points (rows, columns, 2) and the values there."""
    (left, right), (bottom, top) = domain
    across, up = np.meshgrid(np.linspace(left, right, _GRID[0]), np.linspace(bottom, top, _GRID[1]))
    points = np.stack([across, up], axis=-1)
    with np.errstate(all="ignore"):
        return points, value(points)


def shaded(ground: Surface, domain: Domain | None = None) -> dict[str, Any]:
    """What contours are drawn from: the matrix of a bowl (its contours are ellipses), else heights on a grid; and the levels."""
    frame = ground.domain if domain is None else domain
    if ground.bowl and ground.optimum is not None:
        return ellipses(ground.hessian(np.zeros(2)), ground.optimum, frame)
    return contours(ground.value, frame)


def ellipses(matrix: Array, centre: tuple[float, float], domain: Domain) -> dict[str, Any]:
    """The levels of 1/2 (w - c)'H(w - c) over the frame, the highest at 0.72 of its highest corner."""
    corners = np.array([(x, y) for x in domain[0] for y in domain[1]]) - centre
    high = 0.72 * float(np.max(0.5 * np.sum(corners * (corners @ matrix), axis=-1)))
    return {"matrix": matrix, "centre": list(centre), "levels": _levels(0.0, high), "domain": [list(side) for side in domain]}


def contours(value: Callable[[Array], Array], domain: Domain) -> dict[str, Any]:
    """Heights on a grid, rows from the bottom up, and levels that are close together where the surface is low."""
    return contoured(_sampled(value, domain)[1], [list(side) for side in domain])


def contoured(values: Array, frame: list[list[float]]) -> dict[str, Any]:
    """Heights with the levels to draw them at, close together where the surface is low."""
    finite = np.isfinite(values)
    if not finite.any():
        return {"heights": values, "levels": np.zeros(0), "domain": frame}
    low, high = float(values[finite].min()), float(np.quantile(values[finite], 0.985))
    return {"heights": values, "levels": _levels(low, max(high - low, 1e-12)), "domain": frame}


def _levels(low: float, span: float) -> Array:
    return low + span * (np.arange(1, _COUNT + 1) / _COUNT) ** 2.2


def paths(ground: Surface, methods: Sequence[Method], start: tuple[float, float], steps: int) -> Paths:
    """Run every method from `start`; a path that leaves every frame is cut where it does."""
    with np.errstate(all="ignore"):
        walked = np.array([_walked(ground.slope, Method(*map(float, one)), start, steps) for one in methods])  # (M, steps + 1, 4)
        stacked = Method(*(np.array(column, dtype=float)[:, None, None] for column in zip(*methods, strict=True)))  # each (M, 1, 1)
        seen = readout(stacked, walked[..., :2], walked[..., 2:])  # (M, steps + 1, 2)
        lost = ~np.all(np.abs(seen) < FAR, axis=-1)  # also where nan
        losses = ground.value(seen)
    lost = np.maximum.accumulate(lost, axis=1)
    first = [int(np.argmax(row)) if row.any() else None for row in lost]
    return Paths(np.where(lost[..., None], np.nan, seen), np.where(lost, np.nan, losses), first)


def _walked(slope: Slope, one: Method, start: tuple[float, float], steps: int) -> list[tuple[float, float, float, float]]:
    """Place and velocity after 0, 1, ... steps, nan from where the place is not finite: inertia's own step on plain numbers."""
    (x, y), u, v = start, 0.0, 0.0
    path = [(x, y, u, v)]
    for _ in range(steps):
        if not math.isfinite(x + y):
            break
        across, up = slope(x, y)
        (x, u), (y, v) = step(one, x, u, across), step(one, y, v, up)
        path.append((x, y, u, v))
    return path + [(math.nan,) * 4] * (steps + 1 - len(path))
