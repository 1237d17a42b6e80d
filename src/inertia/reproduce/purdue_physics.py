"""Document 003: gradient descent as a flow, momentum as a particle, and the numbers behind alpha and beta."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..core.method import Method
from ..problems import scalar
from ..problems.base import Array
from ..problems.simulation import run
from ..report.views import Curves, View, line
from ..theory.averages import terminal_velocity
from ..theory.modes import edge
from ..theory.physics import Particle, explicit_edge, explicit_roots, gradient_flow, method_of, oscillator, particle_of
from .experiment import Experiment, Row, Session, claim, compare, formula
from .walks import walk

__all__ = ["EXPERIMENTS"]

_PARTICLE = Particle(mass=1.0, drag=0.6, time_step=0.1)
_STEPS = np.array([0.2, 0.1, 0.05, 0.025])


def flow(session: Session) -> list[Row]:
    """Gradient descent at shorter and shorter steps, against x' = -x at time 2."""
    gaps = np.array([abs(run(scalar(1.0, 1.0), Method(dt), round(2 / dt)).final[0] - gradient_flow(1.0, 2.0)) for dt in _STEPS])
    order = np.log2(gaps[:-1] / gaps[1:])
    return [
        claim("003/ode/flow", bool(np.all(np.abs(order - 1) < 0.1)), order, "halving the step halves the distance to the flow: order 1")
    ]


def _gap(dt: float) -> float:
    """Distance of the heavy ball from the damped oscillator it discretises, at time 4."""
    particle = _PARTICLE._replace(time_step=dt)
    steps = round(4 / dt)
    # The ball holds v at half steps: at rest means a first step of half the force, which the kick puts right.
    ball = walk(scalar(1.0, 1.0), method_of(particle), steps, start=[1.0])[-1, 0]
    return float(abs(ball - oscillator(particle, 1.0, 4.0).position))


def particle(session: Session) -> list[Row]:
    """The heavy ball against the damped oscillator, the two discretisations, and the page's own mass and drag."""
    order = np.log2([_gap(a) / _gap(b) for a, b in pairwise(_STEPS)])
    page = particle_of(Method(0.1, 0.5))
    back = method_of(page)
    derived = np.abs(explicit_roots(Method(0.1, 0.5), 20.25)).max()
    free = walk(scalar(1.0, 1.0), Method(0.01, 1.0), 5000)[:, 0]
    pushed = _on_a_slope(0.9)
    return [
        claim(
            "003/ode/particle",
            bool(np.all(np.abs(order - 1) < 0.1)),
            order,
            "the ball follows m x'' = -c x' - f' with an error proportional to dt",
        ),
        formula("003/ode/alpha", page.time_step**2 / page.mass, back.alpha, "there and back: particle to method"),
        formula("003/ode/beta", 1 - page.time_step * page.drag / page.mass, back.beta, "there and back: particle to method"),
        compare(
            "003/ode/page-particle", [page.time_step, page.drag], "what alpha 0.1 and beta 0.5 mean for a mass of 1: time step and drag"
        ),
        claim(
            "003/ode/beta-range",
            bool(method_of(Particle(1.0, 1.5, 1.0)).beta >= 0),
            method_of(Particle(1.0, 1.5, 1.0)).beta,
            "only where dt c <= m: at drag 1.5 and time step 1 the same formula gives a negative beta",
        ),
        claim(
            "003/ode/euler",
            bool(np.isclose(derived, np.sqrt(0.5))),
            [derived, explicit_edge(Method(0.1, 0.5)), edge(Method(0.1, 0.5))],
            "the text discretises with x moved by the old velocity, the algorithm moves it by the new one: at curvature 20.25 the derived "
            "scheme multiplies the error by the first number; the largest curvature each survives are the other two",
        ),
        claim(
            "003/ode/conservative",
            bool(0.99 < np.abs(free[-700:]).max() < 1.01),
            np.abs(free[-700:]).max(),
            "beta = 1 on a quadratic: the same height after 5000 steps",
        ),
        formula(
            "003/ode/terminal",
            terminal_velocity(0.9, 2.0),
            pushed,
            "on a constant slope it accelerates to slope/(1 - beta), in gradient units",
        ),
    ]


def _on_a_slope(beta: float) -> float:
    velocity = 0.0
    for _ in range(500):
        velocity = beta * velocity + 2.0
    return velocity


def particle_views(session: Session) -> list[View]:
    """The oscillator and the steps that follow it, two ways."""
    time = np.linspace(0, 12, 400)
    lines = [line(time, oscillator(_PARTICLE, 1.0, time).position, "continuous", "pale", width=5.0)]
    for dt, role in ((0.8, "grey"), (0.2, "ink")):
        method = method_of(_PARTICLE._replace(time_step=dt))
        path = walk(scalar(1.0, 1.0), method, round(12 / dt))[:, 0]
        lines.append(line(dt * np.arange(len(path)), path, f"heavy ball, dt {dt:g}", role))
    euler = _explicit(0.8, 15)
    lines.append(line(0.8 * np.arange(len(euler)), euler, "explicit, dt 0.8", "hot", dashed=True))
    caption = "m = 1, drag 0.6, curvature 1. The heavy ball follows the oscillator; explicit Euler, which the page derives, swings up."
    return [Curves("particle", "A ball, a spring and a viscous fluid", tuple(lines), "time", "x", caption, log_y=False)]


def _explicit(dt: float, steps: int) -> Array:
    from ..theory.physics import explicit_step

    x, v, seen = 1.0, 0.0, [1.0]
    for _ in range(steps):
        x, v = explicit_step(method_of(_PARTICLE._replace(time_step=dt)), x, v, x)
        seen.append(x)
    return np.array(seen)


EXPERIMENTS = [
    Experiment("gradient-flow", "003", "Gradient descent as a differential equation", flow),
    Experiment("particle", "003", "Momentum as a particle with drag, and its discretisation", particle, particle_views),
]
