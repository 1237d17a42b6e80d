"""Document 001, last slide: per-parameter scaling. What a diagonal metric repairs (scaled axes) and what it cannot (turned ones).

The valley has curvatures 1 and 400 and is turned by an angle. Adam's metric is held still where gradients come from errors of the same
size in all directions: v = E g^2 = diag(H^2), so P = sqrt(v). The best of all diagonal metrics of a 2 x 2 matrix is the one that makes its
diagonal constant (Forsythe and Straus 1955, On best conditioned matrices), and at 45 degrees the diagonal is constant already.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core.method import Method, init, step
from ..core.spectrum import spectrum
from ..problems.base import Array
from ..report.views import Curves, View, line
from ..theory.catalog import best
from .experiment import Experiment, Row, Session, claim

__all__ = ["EXPERIMENTS", "best_diagonal", "condition", "held_metric", "turned", "walked"]

_KAPPA, _STEPS = 400.0, 200
_FACTOR = 1e-6  # of the loss at the start


def turned(degrees: ArrayLike) -> Array:
    """The Hessian with eigenvalues 1 and 400, turned: (..., 2, 2)."""
    angle = np.radians(np.asarray(degrees, dtype=float))
    axes = np.stack([np.stack([np.cos(angle), -np.sin(angle)], -1), np.stack([np.sin(angle), np.cos(angle)], -1)], -2)
    return np.asarray(axes * np.array([1.0, _KAPPA]) @ np.swapaxes(axes, -1, -2))


def held_metric(hessian: Array) -> Array:
    """Adam's denominator for errors of the same size in all directions: the root of diag(H^2), (..., 2)."""
    return np.asarray(np.sqrt(np.sum(hessian**2, axis=-1)))


def best_diagonal(hessian: Array) -> Array:
    """The diagonal metric with the lowest condition number: the diagonal itself, (..., 2)."""
    return np.diagonal(hessian, axis1=-2, axis2=-1).copy()


def condition(hessian: Array, metric: ArrayLike) -> Array:
    """Largest over smallest eigenvalue in a diagonal metric."""
    scale = 1 / np.sqrt(np.asarray(metric, dtype=float))
    found = np.linalg.eigvalsh(hessian * scale[..., :, None] * scale[..., None, :])
    return np.asarray(found[..., -1] / found[..., 0])


def walked(hessian: Array, metric: Array, method: Method, start: Array, steps: int = _STEPS) -> Array:
    """Points of a Method in a metric, in the parameters' own units: (steps + 1, 2)."""
    scale = np.sqrt(metric)
    z = start * scale
    velocity, path = init(z), [start]
    for _ in range(steps):
        z, velocity = step(method, z, velocity, (hessian @ (z / scale)) / scale)
        path.append(z / scale)
    return np.array(path)


def _losses(degrees: float, scaled: bool) -> Array:
    """Loss over that at the start, with the fastest heavy ball of the metric's own curvatures, from 1 along each eigenvector."""
    hessian = turned(degrees)
    metric = held_metric(hessian) if scaled else np.ones(2)
    seen = np.linalg.eigvalsh(hessian / np.sqrt(metric[:, None] * metric))
    start = np.linalg.eigh(hessian)[1] @ np.ones(2)
    path = walked(hessian, metric, best(spectrum(seen)).method, start)
    loss = 0.5 * np.einsum("ti,ij,tj->t", path, hessian, path)
    return np.asarray(loss / loss[0])


def _needed(degrees: float, scaled: bool) -> int:
    return int(np.flatnonzero(_losses(degrees, scaled) > _FACTOR)[-1]) + 1


def metrics(session: Session) -> list[Row]:
    """Condition numbers and steps in Adam's metric, of the valley along the axes and turned."""
    straight, slanted = turned(0.0), turned(45.0)
    ours = [float(condition(h, held_metric(h))) for h in (straight, slanted)]
    lowest = float(condition(slanted, best_diagonal(slanted)))
    counts = [[_needed(degrees, scaled) for scaled in (False, True)] for degrees in (0.0, 45.0)]
    return [
        claim("001/metric/scaled", abs(ours[0] - 1) < 1e-9, ours[0], "along the axes P = |h|, so P^-1 H is the identity"),
        claim("001/metric/turned", abs(ours[1] - _KAPPA) < 1e-6, ours[1], "both axes see the same gradients: P is a number, and 400 stays"),
        claim("001/metric/best", abs(lowest - _KAPPA) < 1e-6, lowest, "at 45 degrees the diagonal is constant already: none is better"),
        claim(
            "001/metric/steps",
            counts[0][1] < 5 and counts[1][0] == counts[1][1] > 100,
            np.array(counts).ravel(),
            "steps to a millionth of the loss, each with its fastest heavy ball: plain and in the metric, along the axes and turned",
        ),
    ]  # fmt: skip


def metric_views(session: Session) -> list[View]:
    """The condition number at every angle, and the loss along four runs."""
    degrees = np.linspace(0, 90, 181)
    hessians = turned(degrees)
    angles = (
        line(degrees, condition(hessians, np.ones((degrees.size, 2))), "no metric", "grey"),
        line(degrees, condition(hessians, held_metric(hessians)), "Adam's metric", "hot", width=2.0),
        line(degrees, condition(hessians, best_diagonal(hessians)), "best diagonal", "ink", dashed=True),
    )
    steps = np.arange(_STEPS + 1)
    runs = tuple(
        line(steps, np.maximum(_losses(angle, scaled), 1e-12), label, role, dashed=dashed, width=2.0 if scaled else 1.5)
        for angle, scaled, label, role, dashed in (
            (0.0, True, "along the axes, Adam's metric", "hot", False),
            (45.0, True, "turned, Adam's metric", "ink", False),
            (0.0, False, "no metric, either way", "grey", True),
        )
    )
    said = "Curvatures 1 and 400. "
    return [
        Curves(
            "metric-angle", "What a diagonal metric repairs", angles, "angle of the valley to the axes, degrees", "condition number",
            f"{said}Along the axes the metric makes both curvatures 1; turned by 45 degrees no diagonal metric changes anything.",
        ),
        Curves(
            "metric-runs", "Scaled axes are repaired, turned ones are not", runs, "step", "loss over that at the start",
            f"{said}Each run is the fastest heavy ball on the curvatures that its metric leaves. The turned run and those without a metric "
            "rise first and then fall alike.", limits=(1e-9, 1e3),
        ),
    ]  # fmt: skip


EXPERIMENTS = [Experiment("diagonal-metric", "001", "What a diagonal metric repairs, and what it cannot", metrics, metric_views)]
