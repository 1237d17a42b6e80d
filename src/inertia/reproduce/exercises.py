"""The exercises of documents 001 and of its chapter's later editions, each with a runnable answer."""

from __future__ import annotations

import numpy as np

from ..core.method import Method, hidden
from ..core.spectrum import spectrum
from ..problems import diagonal, quadratic, scalar, valley
from ..problems.base import Array
from ..problems.simulation import run
from ..report.views import Curves, Mark, View, line
from ..theory.averages import noise_to_signal, velocity_noise
from ..theory.catalog import gradient_descent, heavy_ball, nesterov
from ..theory.modes import critical_momentum, rate
from ..theory.noise import floor
from ..theory.quadratic import steps_to
from .experiment import Experiment, Row, Session, claim, compare, formula
from .walks import optimum, walk

__all__ = ["EXPERIMENTS", "steps_until"]

_ALPHAS, _BETAS = np.array([0.1, 0.3, 0.6, 1.0]), np.array([0.0, 0.25, 0.5, 0.8])


def steps_until(path: Array, tolerance: float, relative: bool = False) -> float:
    """First step whose distance from 0 is within the tolerance; infinite where there is none."""
    away = np.linalg.norm(path, axis=1)
    within = away <= tolerance * (away[0] if relative else 1.0)
    return float(np.argmax(within)) if within.any() else np.inf


def grid(session: Session) -> list[Row]:
    """The valley over a grid of eta and beta: who reaches |x| <= 1e-3 within 100 steps."""
    found = {
        ahead: np.array([[steps_until(walk(valley(), Method(a, b, b * ahead), 100), 1e-3) for a in _ALPHAS] for b in _BETAS])
        for ahead in (0, 1)
    }
    known = [found[0][1, 1], found[0][1, 2], found[0][2, 1], found[0][2, 2], found[0][3, 0], found[0][3, 1], found[0][3, 2]]
    diverge = np.asarray(rate(Method(_ALPHAS, _BETAS[:, None], _BETAS[:, None]), 4.0)) > 1
    best, plain = heavy_ball(0.2, 4.0), gradient_descent(0.2, 4.0)
    return [
        compare(
            "001/exercise/grid",
            known,
            "beta .25: eta .3, .6; beta .5: eta .3, .6; beta .8: eta .1, .3, .6. All other stable cells need more than 100",
        ),
        compare("001/exercise/grid-nesterov", [found[1][3, 0], found[1][3, 1], found[1][2, 1]], "(.8, .1), (.8, .3), (.5, .3)"),
        claim(
            "001/exercise/nesterov-limit",
            bool(diverge[:, 2].all()),
            diverge[:, 2],
            "eta 0.6 diverges for every beta: 2.4 is beyond (2 + 2 beta)/(1 + 2 beta)",
        ),
        compare("001/exercise/heavy-ball", walk(valley(), Method(0.3, 0.8), 20)[-1], "printed by the chapter's later edition"),
        compare("001/exercise/nesterov", walk(valley(), Method(0.3, 0.8, 0.8), 20)[-1], "printed by the chapter's later edition"),
        compare(
            "001/exercise/nesterov-diverges",
            walk(valley(), Method(0.6, 0.5, 0.5), 20)[-1, 1],
            "Nesterov at the slides' own success setting",
        ),
        compare(
            "001/exercise/optimum",
            [best.alpha, best.beta, float(rate(best, 0.2))],
            "the best eta and beta at condition number 20, and their rate",
        ),
        compare(
            "001/exercise/optimum-steps",
            [steps_until(walk(valley(), m, 200), 1e-3) for m in (best, plain)],
            "24 on the grid is less than 26: the optimum is asymptotic",
        ),
    ]


def conditioning(session: Session) -> list[Row]:
    """1/2 sum 2^-i x_i^2, and iterations against the condition number."""
    h = 2.0 ** -np.arange(1, 11)
    low, high = float(h.min()), float(h.max())
    ends = [np.abs(walk(diagonal(h), m, 4000)).max(axis=1) for m in (gradient_descent(low, high), heavy_ball(low, high))]
    table = [
        [steps_until(walk(diagonal([1.0, k]), make(1.0, k), 8000), 1e-6, relative=True) for k in (10.0, 100.0, 1000.0)]
        for make in (gradient_descent, heavy_ball, nesterov)
    ]
    rng = np.random.default_rng(2)
    root = rng.standard_normal((4, 4))
    q, c, b = root @ root.T + np.eye(4), rng.standard_normal(4), 0.7
    f = quadratic(q, linear=-c, constant=b)
    ran = run(f, heavy_ball(*np.linalg.eigvalsh(q)[[0, -1]]), 300)
    return [
        compare(
            "001/exercise/many",
            [float(np.argmax(end <= 1e-6)) for end in ends],
            "steps to max|x| <= 1e-6 for curvatures 2^-i, i = 1..10: gradient descent, heavy ball",
        ),
        compare("001/exercise/kappa", table, "steps to 1e-6 at kappa 10, 100, 1000: gradient descent, heavy ball, Nesterov"),
        formula(
            "001/exercise/minimiser",
            -np.linalg.solve(q, c),
            ran.final,
            "a run on h(x) = x'Qx/2 + x'c + b",
            tolerance=1e-9,
        ),
        formula("001/exercise/minimum", b - 0.5 * c @ np.linalg.solve(q, c), ran.loss, "its value there", tolerance=1e-9),
        formula(
            "001/exercise/solution-sign",
            optimum(f) + 2 * np.linalg.solve(q, c),
            optimum(f),
            "the sign that older editions of the chapter print",
        ),
    ]


def damping(session: Session) -> list[Row]:
    """One mode at eta lambda = 0.1: which beta is fastest, and what 'fastest' means."""
    betas = np.round(np.arange(0, 1.0, 0.02), 2)
    paths = [np.abs(walk(scalar(1.0, 1.0), Method(0.1, b), 1500)[:, 0]) for b in betas]
    first = np.array([np.argmax(p < 1e-6) if (p < 1e-6).any() else 9999 for p in paths])
    stays = np.array([np.flatnonzero(p >= 1e-6)[-1] + 1 for p in paths])
    critical = [float(critical_momentum(a, 0.2)) for a in (0.1, 0.3, 0.6)]
    return [
        compare("001/exercise/critical", float(critical_momentum(0.1, 1.0)), "(1 - sqrt(eta lambda))^2"),
        compare(
            "001/exercise/critical-slow",
            critical,
            "of the valley's flat direction at eta 0.1, 0.3, 0.6; the joint optimum 0.403 has its own eta",
        ),
        compare(
            "001/exercise/first",
            [betas[first.argmin()], first.min()],
            "first time below 1e-6 is earliest here, because it counts a zero crossing",
        ),
        compare("001/exercise/stays", [betas[stays.argmin()], stays.min()], "staying below 1e-6 is earliest here"),
    ]


def damping_views(session: Session) -> list[View]:
    """Steps against beta, both meanings."""
    betas = np.linspace(0, 0.98, 197)
    stays = steps_to(Method(0.1, betas), spectrum(1.0), 1e-12)
    lines = (line(betas, stays, "stays below 1e-6", "hot"),)
    caption = (
        "Steps until the error stays below 1e-6, alpha h = 0.1: fastest just beside the critical beta, whose double root costs a factor k."
    )
    return [
        Curves(
            "exercise-damping",
            "How much momentum is fastest for one curvature",
            lines,
            "beta",
            "steps",
            caption,
            marks=(Mark(float(critical_momentum(0.1, 1.0)), "critical"),),
        )
    ]


def library_form(session: Session) -> list[Row]:
    """Which point do the parameters of a Nesterov optimizer denote, and what a falling learning rate does."""
    method = Method(0.3, 0.8, 0.8)
    ran = run(valley(), method, 20, keep_path=True)
    xi = hidden(method, ran.params, ran.notes["velocity"])
    gap = float(np.abs(ran.params - xi).max())
    ends = [_dropped(inside) for inside in (True, False)]
    return [
        formula("001/exercise/library-form", walk(valley(), method, 20)[-1], xi, "params + alpha gamma velocity is the textbook iterate"),
        claim(
            "001/exercise/look-ahead",
            gap > 1e-3,
            gap,
            "this far from the textbook's x after 20 steps",
        ),
        compare(
            "001/exercise/lr-drop",
            ends,
            "x 20 steps after 0.2 -> 0.02, learning rate inside and outside the velocity: inside, the old speed survives",
        ),
    ]


def _dropped(inside: bool) -> float:
    """x on 0.025 x^2 from 10, momentum 0.9, learning rate 0.2 for ten steps and 0.02 for twenty."""
    x, v = 10.0, 0.0
    for k in range(30):
        eta = 0.2 if k < 10 else 0.02
        v = 0.9 * v + (eta if inside else 1.0) * 0.05 * x
        x -= v if inside else eta * v
    return x


def noise(session: Session) -> list[Row]:
    """Mean and variance of the velocity, and the batch size at a fixed effective step."""
    rows = []
    steps = 20_000
    for index, beta in enumerate((0.5, 0.9, 0.99)):
        rng = np.random.default_rng(index)
        v, kept = np.zeros(session.seeds), []
        for k in range(2000 + steps // 10):
            v = beta * v + 1.0 + rng.standard_normal(session.seeds)
            if k >= 2000:
                kept.append(v)
        seen, known = float(np.var(kept)), float(velocity_noise(beta))
        ratio = float(np.std(kept) / np.mean(kept))
        why = (
            f"over {session.seeds} runs of {steps // 10} steps; noise per speed {ratio:.4f}, by formula {float(noise_to_signal(beta)):.4f}"
        )
        rows.append(
            claim(
                f"001/exercise/velocity-{beta:g}", abs(seen / known - 1) < _tolerance(beta, session.seeds, steps // 10), [seen, known], why
            )
        )
        session.progress(index + 1, 3)
    floors = [[float(floor(Method(0.05 * (1 - b), b), spectrum(1.0, noise=1.0 / size))) for b in (0.0, 0.5, 0.9)] for size in (1, 10, 100)]
    rows.append(
        claim(
            "001/exercise/batch",
            bool(np.allclose(np.divide(floors[0], floors[2]), 100)) and bool(np.ptp(floors[0]) < 0.05 * floors[0][0]),
            floors,
            "floors at batch 1, 10, 100 and beta 0, 0.5, 0.9, all at eta/(1 - beta) = 0.05: the batch divides them, beta hardly matters",
        )
    )
    return rows


def _tolerance(beta: float, runs: int, steps: int) -> float:
    """Five standard errors of a variance whose samples are alike for about (1 + beta^2)/(1 - beta^2) steps."""
    alike = (1 + beta**2) / (1 - beta**2)
    return float(5 * np.sqrt(2 * alike / (runs * steps)))


EXPERIMENTS = [
    Experiment("exercise-grid", "001", "Exercise: eta and beta on the valley", grid),
    Experiment("exercise-conditioning", "001", "Exercise: many curvatures, and steps against condition number", conditioning),
    Experiment("exercise-damping", "001", "Exercise: the fastest beta for one curvature", damping, damping_views),
    Experiment("exercise-library-form", "001", "Exercise: what a library's parameters denote", library_form),
    Experiment("exercise-noise", "001", "Exercise: mean and variance of the velocity", noise, stochastic=True),
]
