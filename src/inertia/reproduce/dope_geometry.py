"""Document 000: its two drawings as real trajectories, curvature and its matrix, and how long a velocity takes to grow."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import Problem, least_squares, planar
from ..problems.base import Array
from ..problems.simulation import run
from ..report.landscape import path
from ..report.views import Curves, View, line
from ..theory.averages import noise_to_signal, steps_to_speed, terminal_velocity, velocity_noise, velocity_on_slope
from .experiment import Experiment, Row, Session, claim, compare, formula, not_replayable
from .walks import crossings

__all__ = ["EXPERIMENTS", "stretched"]


def stretched() -> Problem:
    """Least squares in two weights with curvatures near 0.05 and 4: a long valley whose mini-batches are noisy."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((1000, 2)) * np.sqrt([0.05, 4.0])
    return least_squares(
        features,
        0.5 * rng.standard_normal(1000),
        start=np.array([-4.0, 1.2]),
        name="stretched",
        domain=((-4.5, 1.0), (-1.8, 1.8)),
        about="a noisy valley",
    )


_PLAIN, _BALL = Method(0.42), Method(0.42, 0.6)


def drawn(session: Session) -> list[Row]:
    """What the hand drawings claim: the zig-zag, its cause, and what momentum does to it."""
    f = stretched()
    noisy, exact, ball = (_walk(f, method, batch) for method, batch in ((_PLAIN, 10), (_PLAIN, None), (_BALL, 10)))
    sides = [crossings(walked[:, 1]) for walked in (noisy, exact, ball)]
    ahead = [float(np.mean(np.abs(walked[9:13, 0] - walked[0, 0]))) for walked in (noisy, ball)]
    return [
        not_replayable("000/path/drawing", "two drawings by hand; here are runs, on a valley of condition number 80"),
        claim(
            "000/path/noise-zigzag",
            sides[1] < sides[0] / 2,
            sides[:2],
            "sign changes of x2 in 12 steps, noisy and exact: it swings without noise, for alpha h = 1.7: curvature does it",
        ),
        claim("000/path/farther", ahead[1] > ahead[0], ahead, "way along x1 after 9 to 12 steps, plain and with momentum 0.6"),
    ]


def _walk(f: Problem, method: Method, batch: int | None, steps: int = 12) -> Array:
    found = run(f, method, steps, batch_size=batch, seed=3, keep_path=True).path
    assert found is not None
    return found


def path_views(session: Session) -> list[View]:
    """The two figures of the chapter, run."""
    f = stretched()
    made = []
    for name, method, batch, title in (
        ("noisy", _PLAIN, 10, "SGD in a noisy valley"),
        ("exact", _PLAIN, None, "The same without noise"),
        ("momentum", _BALL, 10, "SGD with momentum"),
    ):
        view = path(f, run(f, method, 12, batch_size=batch, seed=3, keep_path=True), size=90)
        made.append(view._replace(name=f"valley-{name}", title=title))
    return list(made)


def curvature(session: Session) -> list[Row]:
    """Hessian, its eigenvectors, curvature along a direction, condition number."""
    f = planar()
    matrix = np.stack([f.hvp(f.start, unit) for unit in np.eye(2)])
    step = 1e-4
    by_differences = np.array([(f.gradient(f.start + step * unit) - f.gradient(f.start - step * unit)) / (2 * step) for unit in np.eye(2)])
    h, s = np.linalg.eigh(matrix)
    angles = np.linspace(0, np.pi, 50)
    directions = np.c_[np.cos(angles), np.sin(angles)]
    along = np.einsum("ai,ij,aj->a", directions, matrix, directions)
    mixed = (directions @ s) ** 2 @ h
    saddle = np.linalg.eigvalsh(np.diag([-1.0, 4.0]))
    return [
        formula(
            "000/hessian/entries", by_differences, matrix, "differences of the gradient against Hessian-vector products", tolerance=1e-6
        ),
        formula("000/hessian/spectral", s.T @ matrix @ s, np.diag(h), "S'HS = Lambda with orthonormal S", tolerance=1e-12),
        formula(
            "000/hessian/direction",
            along,
            mixed,
            "d'Hd is the eigenvalues' average with weights (S'd)^2, in 50 directions",
            tolerance=1e-12,
        ),
        claim(
            "000/hessian/bounds",
            bool(h[0] - 1e-9 <= along.min() and along.max() <= h[1] + 1e-9),
            [along.min(), along.max()],
            "between smallest and largest eigenvalue",
        ),
        claim(
            "000/hessian/condition",
            bool(saddle[-1] / saddle[0] >= 1),
            [h[1] / h[0], saddle[-1] / saddle[0]],
            "100 here; at a saddle the ratio is negative and says nothing: it needs positive eigenvalues",
        ),
    ]


def velocity(session: Session) -> list[Row]:
    """A constant gradient: the limit of the velocity, the steps it takes, and the noise it brings."""
    v, seen = 0.0, []
    for _ in range(500):
        v = 0.99 * v + 1.0
        seen.append(v)
    beta = np.array([0.9, 0.99])
    return [
        formula("000/velocity/third", 0.99**2 + 0.99 + 1, seen[2], "v3 for a gradient of 1 and eta = 1"),
        compare("000/velocity/limit", terminal_velocity(0.99), "1/(1 - gamma): true in the limit only"),
        compare("000/velocity/steps", steps_to_speed(beta), "steps to 99 % of it at gamma 0.9 and 0.99: the statement leaves these out"),
        compare("000/velocity/after-100", velocity_on_slope(0.99, 100), "what gamma 0.99 has reached after 100 steps"),
        claim(
            "000/velocity/final",
            seen[99] > 99,
            seen[99],
            f"not for a while, and not for free: noise in the velocity grows to a variance of {float(velocity_noise(0.99)):.1f}, "
            f"though per unit of speed it falls to {float(noise_to_signal(0.99)):.3f}",
        ),
    ]


def velocity_views(session: Session) -> list[View]:
    """How the velocity grows."""
    k = np.arange(501)
    lines = tuple(line(k, velocity_on_slope(b, k), f"gamma {b:g}", "ramp", shade=i / 2) for i, b in enumerate((0.5, 0.9, 0.99)))
    return [
        Curves(
            "velocity",
            "Speed on a constant slope",
            lines,
            "step",
            "velocity / gradient",
            "100 times, but only after 459 steps to 99 % of it.",
            log_y=False,
        )
    ]


EXPERIMENTS = [
    Experiment("noisy-path", "000", "The drawn paths, as real trajectories", drawn, path_views),
    Experiment("hessian", "000", "Curvature, the Hessian and its eigenvectors", curvature),
    Experiment("constant-gradient", "000", "Velocity on a constant gradient, and the time it takes", velocity, velocity_views),
]
