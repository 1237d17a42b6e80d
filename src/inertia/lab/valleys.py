"""A function of many variables around its minimum: where that is, its curvatures, the plane to look at it in, the runs of methods."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, readout, step
from ..errors import BadInput, require
from .expression import expression
from .program import Program

__all__ = ["FAR", "Valley", "runs", "valley"]

Array = NDArray[np.float64]
FAR = 1e6  # a path that is this far away has left for good, as far as a drawing goes
_ALIKE = 1e-7  # curvatures closer than this share of the largest are one: any vector between theirs serves
_BENT = 1e-8  # a minimum whose curvature is below this share of that at the start has none, to rounding; the other way round, a kink
_FLAT = 1e-9  # a curvature below this share of the largest is no more than rounding


class Valley(NamedTuple):
    """What is known of a function before any learning rate is chosen."""

    function: Program
    start: Array  # (n,) as typed
    centre: Array  # (n,) the minimum, or the start where none was found
    found: bool  # whether it is a minimum
    bent: bool  # whether the curvatures are those of the minimum; else they are those of the start
    curvatures: Array  # (n,) eigenvalues of the Hessian there, ascending
    axes: Array  # (n, n) their eigenvectors, as columns; among equal curvatures the first points to the start
    path: Array  # (steps, n) a careful descent, for the size of the frame

    @property
    def steep(self) -> float:
        """The largest curvature."""
        return float(self.curvatures[-1])

    @property
    def curved(self) -> Array:
        """The curvatures that are positive beyond rounding."""
        return self.curvatures[self.curvatures > _FLAT * max(self.steep, 0.0)]


@functools.lru_cache(maxsize=16)
def valley(text: str, n: int, start: tuple[float, ...]) -> Valley:
    """The function, the minimum that is downhill from the start, and the curvatures there; a short start is repeated, a long one cut.

    Where the minimum is so flat that no curvature is left, or a kink, the curvatures are those at the start.

    Raises:
        BadInput: the formula cannot be read, or has no finite value at the start.

    >>> one = valley("(a - 1)^2 + 4 b^2", 10, (0.0,))
    >>> one.centre.round(9).tolist(), one.curvatures.round(9).tolist()
    ([1.0, 0.0], [2.0, 8.0])
    """
    made = expression(text, n)
    size = len(made.names)
    begin = np.resize(np.array(start, dtype=float), size)
    if not (np.isfinite(made.value(begin)) and np.all(np.isfinite(made.gradient(begin)))):
        raise BadInput("the formula has no finite value or slope at the start: begin elsewhere")
    low = _settled(made, begin)
    centre, hessian, first = begin if low is None else low, made.hessian(begin if low is None else low), made.hessian(begin)
    bent = low is not None and bool(_BENT * np.abs(first).max() < np.abs(hessian).max() < np.abs(first).max() / _BENT)
    hessian = hessian if bent else first
    if not np.all(np.isfinite(hessian)):
        raise BadInput("the formula has no finite curvature at its lowest point: begin elsewhere, or change it")
    curvatures, axes = np.linalg.eigh(hessian)
    axes = _turned(curvatures, axes, begin - centre)
    return Valley(made, begin, centre, low is not None, bent, curvatures, axes, _careful(made, begin, curvatures))


def _settled(made: Program, begin: Array) -> Array | None:
    """The minimum that is downhill from here: quasi-Newton steps, then Newton's; None where that ends in none.

    A minimum has a gradient that vanishes (a step of Newton's would leave the place as it is, to a millionth) and no negative curvature.
    """
    optimize = require("scipy.optimize", "lab")
    with np.errstate(all="ignore"):
        found = optimize.minimize(
            lambda w: float(np.nan_to_num(made.value(w), nan=1e300, posinf=1e300)),
            begin,
            jac=lambda w: np.nan_to_num(made.gradient(w)),
            method="L-BFGS-B",
            options={"maxiter": 600, "maxfun": 900, "ftol": 1e-15, "gtol": 1e-10},
        )
        place = np.asarray(found.x, dtype=float)
        for _ in range(30):
            move = _newton(made, place)
            if move is None or not made.value(place + move) <= made.value(place):
                break
            place = place + move
        move, hessian = _newton(made, place), made.hessian(place)
    if move is None or not np.all(np.isfinite(place)) or np.abs(place).max() > FAR:
        return None
    lowest, highest = np.linalg.eigvalsh(hessian)[[0, -1]]
    size = 1 + float(np.abs(place).max())
    slope, first = (float(np.abs(made.gradient(w)).max()) for w in (place, begin))
    still = np.abs(move).max() <= 1e-6 * size and slope <= 1e-6 * size * max(highest, 0.0)
    still &= slope <= 1e-4 * first or first <= 1e-9 * size * highest  # at a kink the slope stays as it was
    return place if still and highest > 0 and lowest >= -_FLAT * highest else None


def _newton(made: Program, place: Array) -> Array | None:
    """A step of Newton's along the directions that are curved, None where nothing is finite."""
    hessian, slope = made.hessian(place), made.gradient(place)
    if not (np.all(np.isfinite(hessian)) and np.all(np.isfinite(slope))):
        return None
    return np.asarray(-np.linalg.lstsq(hessian, slope, rcond=1e-12)[0])


def _turned(curvatures: Array, axes: Array, away: Array) -> Array:
    """The eigenvectors, among equal curvatures so that the first of them points to the start, each with the start on its positive side."""
    axes, n = axes.copy(), len(curvatures)
    close = np.diff(curvatures) > _ALIKE * max(float(np.abs(curvatures).max()), 1e-300)
    for group in np.split(np.arange(n), np.flatnonzero(close) + 1):
        share = axes[:, group].T @ away
        if len(group) > 1 and np.linalg.norm(share) > 1e-12 * np.linalg.norm(away):
            turn, _ = np.linalg.qr(np.column_stack([share, np.eye(len(group))]))
            axes[:, group] = axes[:, group] @ turn[:, : len(group)]
    return axes * np.where(axes.T @ away < 0, -1.0, 1.0)


def _careful(made: Program, begin: Array, curvatures: Array) -> Array:
    """Descent with a step that shrinks until the function falls: where a frame must reach."""
    size = 1 + float(np.abs(begin).max())
    far = 20 * size  # of a function without a minimum, the beginning is enough
    place, path = begin, [begin]
    rate = 1 / max(float(np.abs(curvatures).max()), 10 * float(np.abs(made.gradient(begin)).max()) / size, 1e-12)
    for _ in range(120):
        slope, value = made.gradient(place), made.value(place)
        while not made.value(place - rate * slope) <= value and rate > 1e-12:
            rate /= 2
        place = place - rate * slope
        if not np.all(np.abs(place) < far):
            break
        path.append(place)
    return np.array(path)


def runs(made: Program, methods: Sequence[Method], start: Array, steps: int) -> tuple[Array, Array, list[int | None]]:
    """Read-outs (methods, steps + 1, n), losses (methods, steps + 1) and the first step that is lost, all methods abreast.

    >>> seen, losses, lost = runs(expression("x^2 + 2 y^2"), [Method(0.1), Method(2.0)], np.ones(2), 30)
    >>> seen.shape, losses[0, -1] < 0.01, lost
    ((2, 31, 2), np.True_, [None, 8])
    """
    stacked = Method(*(np.array(column, dtype=float)[:, None] for column in zip(*methods, strict=True)))  # each (M, 1)
    params = np.repeat(start[None], len(methods), axis=0)
    velocity, seen = np.zeros_like(params), []
    with np.errstate(all="ignore"):
        for k in range(steps + 1):
            seen.append(readout(stacked, params, velocity))
            if k < steps:
                params, velocity = step(stacked, params, velocity, made.gradient(params))
        walked = np.stack(seen, axis=1)
        lost = np.maximum.accumulate(~np.all(np.abs(walked) < FAR, axis=-1), axis=1)
        losses = made.value(np.where(lost[..., None], np.nan, walked))
    first: list[Any] = [int(np.argmax(row)) if row.any() else None for row in lost]
    return np.where(lost[..., None], np.nan, walked), np.where(lost, np.nan, losses), first
