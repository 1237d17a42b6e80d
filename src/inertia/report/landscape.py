"""Views of one method on one spectrum or problem: the rate map, the loss by eigencomponent, the loss, the path."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.record import Record
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..problems.base import Problem
from ..theory.modes import edge
from ..theory.quadratic import components, rate_map, worst_rate
from .views import Array, Curves, Line, Path, RateMap, line
from .words import named, pace, remedy

__all__ = ["eigencomponents", "losses", "path", "rates", "thinned"]

_GROUPS = 6  # more eigencomponents than this are added up in bands of curvature
_POINTS = 2000  # most points drawn of a curve; records keep all
_OFF = 4.0  # a method further right than this many times the widest edge is drawn at the border of the map


def rates(method: Method, spectrum: Spectrum, size: int = 300) -> RateMap:
    """The rate over (alpha, beta), gamma tied as in the method: equal to beta (Nesterov) or held still.

    >>> from inertia.core.spectrum import spectrum
    >>> rates(Method(0.6, beta=0.5), spectrum([0.2, 4.0]), size=50).rate.shape
    (50, 50)
    """
    if spectrum.L <= 0:
        raise BadInput(f"the largest curvature {spectrum.L:g} is not positive: a rate map needs ground that curves upwards")
    tied = bool(method.gamma == method.beta and method.beta != 0)
    beta = np.linspace(-1.0 if method.beta < 0 else 0.0, 1.0, size)
    gamma = beta if tied else np.full(size, float(method.gamma))
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.asarray(edge(Method(1.0, beta, gamma))) / spectrum.L  # (B,) largest stable alpha
    widest = float(np.max(limit[np.isfinite(limit)], initial=2 / spectrum.L))
    right = max(1.12 * widest, min(1.15 * float(method.alpha), _OFF * widest))
    alpha = np.linspace(right / size / 4, right, size)
    rate = rate_map(alpha, beta, spectrum, gamma=0.0 if tied else float(method.gamma), nesterov=tied)
    row, column = np.unravel_index(int(np.argmin(rate)), rate.shape)
    slowest = float(worst_rate(method, spectrum))
    advice = remedy(method, spectrum, float(edge(method)))
    caption = (
        f"The rate of every (alpha, beta){', gamma = beta' if tied else ''} on curvatures from {spectrum.mu:.4g} to {spectrum.L:.4g}. "
        f"Dark is fast, white diverges. Orange: {named(method)}; {pace(slowest)}{'; ' + advice if advice else ''}. "
        f"Ring: the fastest point of this map, {rate[row, column]:.4g} per step."
    )
    return RateMap(
        "rate-map",
        "How fast each learning rate and momentum converges",
        alpha,
        beta,
        rate,
        np.minimum(limit, 1e300),
        (float(method.alpha), float(method.beta)),
        (float(alpha[column]), float(beta[row])),
        caption,
    )


def eigencomponents(method: Method, spectrum: Spectrum, steps: int) -> Curves:
    """The expected excess loss, whole and by eigencomponent; many components are added up in bands of curvature.

    >>> from inertia.core.spectrum import spectrum
    >>> [item.label for item in eigencomponents(Method(0.1), spectrum([1.0, 10.0]), 5).lines]
    ['total', 'h = 1', 'h = 10']
    """
    split = components(method, spectrum, steps)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = split.bias + split.noise  # (steps + 1, n)
        total = parts.sum(axis=-1)
    k = np.arange(steps + 1)
    lines = [line(k, total, "total", width=3.2)]  # first, so that no component hides beneath it
    bands = _bands(spectrum.curvatures, parts[0] + parts[-1])
    for index, chosen in enumerate(bands):
        shade = index / max(len(bands) - 1, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            lines.append(line(k, parts[:, chosen].sum(axis=-1), _band_name(spectrum.curvatures[chosen]), "ramp", shade=shade))
    caption = f"Expected excess loss of {named(method)}, whole (black) and by eigencomponent, flattest (pale) to sharpest (dark). "
    caption += f"On the slowest curvature {pace(float(worst_rate(method, spectrum)))}."
    return Curves("eigencomponents", "Where the loss is: one curve per curvature", tuple(lines), "step", "excess loss", caption)


def losses(record: Record, minimum: float | None = None, predicted: Array | None = None) -> Curves:
    """The loss of a run over its steps, above the minimum where it is known; the exact curve beside it where there is one.

    >>> run = Record(Method(0.1), np.array([2.0, 1.0]), np.zeros(1), steps=1)
    >>> losses(run, minimum=0.5).lines[0].y
    array([1.5, 0.5])
    """
    floor = minimum or 0.0
    k = np.asarray(record.notes.get("loss_steps", range(len(record.losses))), dtype=float)
    kept = thinned(len(k))
    drawn: list[Line] = []
    if predicted is not None:
        drawn.append(line(thinned(len(predicted)), predicted[thinned(len(predicted))], "closed form", "pale", width=6.0))
    drawn.append(line(k[kept], record.losses[kept] - floor, "run", "hot", width=1.8))
    end = f"ends at loss {record.losses[-1]:.6g}"
    if record.diverged_at is not None:
        end = f"stopped being finite at step {record.diverged_at}"
    positive = bool(np.all(drawn[-1].y > 0) or minimum is not None)
    return Curves(
        "loss",
        "Loss over the run",
        tuple(drawn),
        "step",
        "loss" if minimum is None else "loss above the minimum",
        f"{named(record.method)[0].upper()}{named(record.method)[1:]}, {record.schedule} schedule, {record.steps} steps: {end}.",
        log_y=positive,
    )


def path(problem: Problem, record: Record, size: int = 220) -> Path:
    """The path of a two-dimensional run over the level lines of its problem.

    Raises:
        BadInput: the problem has no plotting domain or the run kept no path.
    """
    if problem.domain is None or record.path is None or problem.dimension != 2:
        raise BadInput(f"{problem.name} cannot be drawn as a map: it needs two dimensions, a domain and a path")
    (left, right), (bottom, top) = (_widened(span, record.path[:, axis]) for axis, span in enumerate(problem.domain))
    x, y = np.linspace(left, right, size), np.linspace(bottom, top, size)
    grid = np.stack(np.meshgrid(x, y), axis=-1)  # (Y, X, 2)
    end = record.path[-1]
    caption = f"{len(record.path) - 1} steps of {named(record.method)} from ({record.path[0, 0]:.4g}, {record.path[0, 1]:.4g}) "
    caption += f"to ({end[0]:.6g}, {end[1]:.6g}), over level lines of {problem.about or problem.name}."
    if _leaves(record.path, (left, right), (bottom, top)):
        caption += " Part of the path lies outside the picture."
    return Path("path", "The path", x, y, problem.value(grid), record.path[thinned(len(record.path))], problem.optimum, caption)


def thinned(count: int) -> NDArray[np.intp]:
    """Indices of the points to draw of `count`: all of them, or 2000 from the first to the last.

    >>> thinned(3).tolist(), len(thinned(10**6))
    ([0, 1, 2], 2000)
    """
    return np.arange(count) if count <= _POINTS else np.linspace(0, count - 1, _POINTS).round().astype(np.intp)


def _bands(curvatures: Array, size: Array) -> list[Array]:
    """Indices of the components to draw: each that matters, or bands of equal width in log curvature."""
    live = np.flatnonzero((size > 0) & (curvatures > 0))
    if len(live) <= _GROUPS:
        return [np.array([index]) for index in live]
    logs = np.log(curvatures[live])
    place = np.minimum((_GROUPS * (logs - logs[0]) / max(logs[-1] - logs[0], 1e-12)).astype(int), _GROUPS - 1)
    return [live[place == band] for band in range(_GROUPS) if np.any(place == band)]


def _band_name(curvatures: Array) -> str:
    if len(curvatures) == 1:
        return f"h = {curvatures[0]:.3g}"
    return f"h {curvatures[0]:.2g} to {curvatures[-1]:.2g}"


def _widened(span: tuple[float, float], along: Array) -> tuple[float, float]:
    """The plotting span, stretched to hold the path, but to no more than twice its width."""
    low, high = span
    reach = (high - low) / 2
    fine = along[np.isfinite(along)]
    pad = 0.04 * (high - low)
    return (
        min(low, max(float(fine.min()) - pad, low - reach)) if fine.size else low,
        max(high, min(float(fine.max()) + pad, high + reach)) if fine.size else high,
    )


def _leaves(points: Array, *spans: tuple[float, float]) -> bool:
    return any(
        bool(np.any((points[:, axis] < low) | (points[:, axis] > high))) for axis, (low, high) in enumerate(spans)
    ) or not math.isfinite(float(points.sum()))
