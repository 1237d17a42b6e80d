"""Document 002, "The Dynamics of Momentum": the range of stability, reached by a network that is trained on all of its data.

The text derives 0 < alpha lambda < 2 + 2 beta on a quadratic. On a network lambda is no constant: training at a constant learning rate
raises the largest curvature until it stands at the end of that range, and there it hovers while the loss goes on falling, not at every
step (Cohen, Kaur, Li, Kolter and Talwalkar, Gradient descent on neural networks typically occurs at the edge of stability, 2021).
The network here has one hidden layer of 16 tanh units and learns the Chebyshev polynomial T5 from 30 points, as in their appendix; its
Hessian has 48 rows and is computed whole, so that no estimate stands between the curve and the claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..core.method import Method, init, step
from ..problems.base import Array
from ..report.views import Curves, View, line
from ..theory.modes import edge
from .experiment import Experiment, Row, Session, claim

__all__ = ["EXPERIMENTS", "Run", "gradient", "hessian", "runs", "start"]

_UNITS, _POINTS, _DEGREE = 16, 30, 5
_STEPS, _EVERY = 3000, 10
_X = np.linspace(-1, 1, _POINTS)
_Y = np.cos(_DEGREE * np.arccos(_X))
_METHODS = {  # (where the edge is put, over the curvature at the start; momentum; Nesterov's share)
    "gradient descent": (1.3, 0.0, 0.0), "heavy ball, momentum 0.5": (1.5, 0.5, 0.0), "Nesterov, momentum 0.5": (1.7, 0.5, 0.5),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Run:
    """One run from the common start: the loss of every step, and the largest curvature at every tenth."""

    method: Method
    edge: float
    loss: Array  # (steps,)
    sharpness: Array  # (steps/10,)

    @property
    def reached(self) -> int:
        """The first step at which the largest curvature was beyond the edge."""
        return int(np.argmax(self.sharpness > self.edge)) * _EVERY

    @property
    def late(self) -> Array:
        """The largest curvature over the edge, in the second half of the run."""
        return np.asarray(self.sharpness[len(self.sharpness) // 2 :] / self.edge)


def start() -> Array:
    """Weights, biases and second layer, each (16,) in one vector: (48,)."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=2 * _UNITS), rng.normal(size=_UNITS) / np.sqrt(_UNITS)])


def gradient(p: Array) -> tuple[float, Array]:
    """Half the mean squared error, and its gradient."""
    w, b, a = np.split(p, 3)
    t = np.tanh(np.outer(_X, w) + b)
    r = t @ a - _Y
    s = (1 - t * t) * a
    return float(0.5 * np.mean(r * r)), np.concatenate([(r * _X) @ s, r @ s, r @ t]) / _POINTS


def hessian(p: Array) -> Array:
    """Its second derivative, whole: (48, 48)."""
    w, b, a = np.split(p, 3)
    t = np.tanh(np.outer(_X, w) + b)
    r, d = t @ a - _Y, 1 - t * t
    jacobian = np.concatenate([_X[:, None] * d * a, d * a, t], axis=1)
    found = jacobian.T @ jacobian
    bend = -2 * t * d * a  # second derivative of each unit's output by what it is given
    w_, b_, a_ = np.split(np.arange(p.size), 3)
    for rows, columns, share in (
        (w_, w_, (r * _X**2) @ bend), (b_, b_, r @ bend), (w_, b_, (r * _X) @ bend), (w_, a_, (r * _X) @ d), (b_, a_, r @ d),
    ):  # fmt: skip
        found[rows, columns] += share
        if rows is not columns:
            found[columns, rows] += share
    return np.asarray(found / _POINTS)


def _run(method: Method) -> Run:
    p = start()
    velocity, losses, sharpness = init(p), [], []
    for k in range(_STEPS):
        loss, g = gradient(p)
        losses.append(loss)
        if k % _EVERY == 0:
            sharpness.append(np.linalg.eigvalsh(hessian(p))[-1])
        p, velocity = step(method, p, velocity, g)
    return Run(method, float(edge(method)), np.array(losses), np.array(sharpness))


@cache
def runs() -> dict[str, Run]:
    """Three methods, each with a learning rate that puts its edge above the curvature at the start."""
    sharp = float(np.linalg.eigvalsh(hessian(start()))[-1])
    made = {}
    for name, (factor, beta, gamma) in _METHODS.items():
        made[name] = _run(Method(float(edge(Method(1.0, beta, gamma))) / (factor * sharp), beta, gamma))
    return made


def _largest_root(method: Method, curvature: float) -> float:
    """Of the matrix that takes (w, v) to the next (w, v) on a quadratic of this curvature."""
    alpha, beta, gamma = method.alpha, method.beta, method.gamma
    steps = np.array([[1 - alpha * (1 + gamma) * curvature, -alpha * beta * (1 + gamma) + alpha * gamma], [curvature, beta]])
    return float(np.max(np.abs(np.linalg.eigvals(steps))))


def stability(session: Session) -> list[Row]:
    """Rises to the edge, hovers there, and learns on."""
    every = list(runs().values())
    first = [float(run.sharpness[0] / run.edge) for run in every]
    late = [float(run.late.mean()) for run in every]
    largest = [_largest_root(run.method, 2 * (1 + run.method.beta) / (run.method.alpha * (1 + 2 * run.method.gamma))) for run in every]
    fell = [float(run.loss[-1] / run.loss[run.reached]) for run in every]
    rose = [float(np.mean(np.diff(run.loss[run.reached :]) > 0)) for run in every]
    return [
        claim("002/edge/rises", max(first) < 0.8 and all(run.reached > 0 for run in every), first,
              "largest curvature over the edge at the start; each run crosses the edge later"),
        claim("002/edge/hovers", max(abs(value - 1) for value in late) < 0.05, late,
              "largest curvature over 2(1 + beta)/alpha, of Nesterov over 2(1 + beta)/(alpha (1 + 2 beta)): mean of the second half"),
        claim("002/edge/formula", np.allclose(largest, 1), largest, "largest eigenvalue of each method's step matrix at that curvature"),
        claim("002/edge/learns", max(fell) < 0.5 and min(rose) > 0, np.array([fell, rose]).ravel(),
              "loss at the end over that where the edge was reached, and the share of steps from there on at which it rose"),
    ]  # fmt: skip


def stability_views(session: Session) -> list[View]:
    """Sharpness against the edge, and the loss."""
    steps, roles = np.arange(0, _STEPS, _EVERY), ("grey", "ink", "hot")
    sharp, losses = [], []
    for (name, run), role in zip(runs().items(), roles, strict=True):
        sharp += [
            line(steps, run.sharpness, name, role),
            line([0, _STEPS], [run.edge, run.edge], "", role, dashed=True, width=1.0),
        ]
        losses.append(line(steps, run.loss[::_EVERY], name, role))
    return [
        Curves(
            "edge-of-stability", "Sharpness rises to the edge of stability and hovers there", tuple(sharp), "step", "largest curvature",
            "The largest eigenvalue of the whole Hessian, full batch, constant learning rate. Dashed: the edge of each method, 2(1 + beta)/"
            "alpha, of Nesterov's 2(1 + beta)/(alpha (1 + 2 beta)). Beyond it an oscillation grows until it drives the curvature down "
            "again; the swings become smaller as the loss does.", log_y=False,
        ),
        Curves(
            "edge-of-stability-loss", "At the edge the loss still falls, but not at every step", tuple(losses), "step", "loss",
            "The loss of the same three runs: once the edge is reached it goes up and down from step to step and still down over hundreds.",
        ),
    ]  # fmt: skip


EXPERIMENTS = [
    Experiment("edge-of-stability", "002", "A network trained full batch rises to the edge and stays there", stability, stability_views)
]
