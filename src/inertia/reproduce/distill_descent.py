"""Document 002, first half: the hero figure, gradient descent in the eigenbasis, and its best step size."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..core.spectrum import spectrum
from ..problems import Problem, banana, planar, quadratic, scalar
from ..problems.simulation import run, run_many
from ..report.landscape import path
from ..report.views import Curves, View, line
from ..theory.catalog import gradient_descent, heavy_ball
from ..theory.modes import edge
from ..theory.quadratic import components, loss_curve, milestones, rate_map, worst_rate
from .experiment import Experiment, Row, Session, claim, compare, formula
from .walks import optimum

__all__ = ["EXPERIMENTS", "THREE"]

THREE = spectrum([0.01, 0.1, 1.0], [100.0, 10.0, 1.0])  # figures 3 and 12: every component starts with loss 1/2


def hero(session: Session) -> list[Row]:
    """Figure 1: a stretched Rosenbrock function, 150 steps."""
    f = banana()
    assert f.optimum is not None
    hessian = np.stack([f.hvp(f.optimum, unit) for unit in np.eye(2)])
    h = np.linalg.eigvalsh(hessian)
    best = heavy_ball(float(h[0]), float(h[1]))
    settings = Method(np.array([0.003, 0.003, 0.003, 0.0045]), np.array([0.0, 0.74, 0.9, 0.8]))
    ends = [record.loss for record in run_many(f, settings, 150, evaluate_every=150)]
    wild = run_many(f, Method(np.array([0.006, 0.006, 0.02]), np.array([0.5, 0.8, 0.99])), 150)
    grid = np.stack(np.meshgrid(np.linspace(0.006, 0, 60, endpoint=False), np.linspace(0, 0.99, 60)), axis=-1).reshape(-1, 2)
    burst = run_many(f, Method(grid[:, 0], grid[:, 1]), 150, evaluate_every=150)
    return [
        compare("002/fig1/start", float(f.value(f.start)), "loss at (-1.21, 0.853)"),
        compare("002/fig1/curvatures", [*h, h[1] / h[0]], "Hessian at the optimum: smallest, largest, condition number"),
        compare(
            "002/fig1/limits",
            [2 / h[1], best.alpha, best.beta],
            "what the local quadratic says: gradient descent's limit, best alpha and beta",
        ),
        compare("002/fig1/outcomes", ends, "loss after 150 steps at (0.003, 0), (0.003, 0.74), (0.003, 0.9), (0.0045, 0.8)"),
        compare(
            "002/fig1/divergent",
            np.mean([r.diverged_at is not None for r in burst]),
            "share of the two sliders' rectangle that diverges within 150 steps",
        ),
        claim(
            "002/fig1/placeholder",
            wild[2].diverged_at is None,
            [float(r.diverged_at or np.inf) for r in wild],
            "(0.006, 0.5), (0.006, 0.8) and this placeholder, overwritten when the page loads, stop being finite at these steps",
        ),
    ]


def hero_views(session: Session) -> list[View]:
    """The hero figure at its default, and without momentum."""
    made = []
    for name, method in {"default": Method(0.003, 0.74), "plain": Method(0.003)}.items():
        view = path(banana(), run(banana(), method, 150, keep_path=True))
        made.append(view._replace(name=f"hero-{name}", title=f"Hero figure, alpha {method.alpha:g}, beta {method.beta:g}"))
    return list(made)


def eigenbasis(session: Session) -> list[Row]:
    """Figure 2: the same path in both bases, and gradient descent in closed form."""
    f = planar()
    matrix = np.stack([f.hvp(f.start, unit) for unit in np.eye(2)])
    h, q = np.linalg.eigh(matrix)
    record = run(f, Method(0.018), 300, keep_path=True)
    assert record.path is not None
    x = (record.path - optimum(f)) @ q
    k = np.arange(301)[:, None]
    decays = (1 - 0.018 * h) ** k * x[0]
    losses = 0.5 * np.sum(h * decays**2, axis=1)
    bowl = quadratic(np.diag([1.0, -1.0]), definite=False)
    beside = float(bowl.value(np.array([0.0, 1.0])) - bowl.value(np.zeros(2)))
    return [
        claim("002/erratum/16-definite", beside >= 0, beside, "diag(1, -1) is both, and A^-1 b is a saddle: this much lower one step away"),
        compare("002/fig2/matrix", matrix, "diag(1, 100) turned by 45 degrees"),
        compare(
            "002/fig2/start",
            np.sort(np.abs(record.path[0])),
            "the start (-2.5, 1) of the eigenbasis, turned back (up to signs of the eigenvectors)",
        ),
        formula("002/descent/closed-form", decays[-1], x[-1], "each eigencoordinate alone, after 300 steps of the run itself"),
        formula("002/descent/solution", np.linalg.solve(matrix, np.zeros(2)), optimum(f), "w* = A^-1 b"),
        formula(
            "002/erratum/01-loss",
            2 * losses[1],
            record.losses[1],
            "the factor 1/2 of the quadratic is missing; the figure's own code has it",
        ),
    ]


def step_sizes(session: Session) -> list[Row]:
    """Figure 3 and "Choosing a step-size": milestones, rate(alpha), its minimum and the range that works."""
    best = gradient_descent(THREE.mu, THREE.L)
    late = milestones(best, THREE, 0.01, relative=False) - 1
    alphas = np.linspace(0.01, 2.2, 2191)
    by_run = rate_map(alphas, [0.0], THREE)[0]
    kappa = THREE.kappa
    ends = run_many(_quadratic(), Method(np.array([0.5, 1.0])), 1)
    return [
        compare("002/fig3/milestones", late, "last steps at which each component is above 0.01: first and last coincide at the optimum"),
        compare("002/fig3/loss", loss_curve(best, THREE, 150)[-1], "total loss at step 150"),
        compare("002/fig3/optimum", [best.alpha, float(worst_rate(best, THREE))], "200/101 and 99/101"),
        formula(
            "002/descent/rate", np.max(np.abs(1 - alphas[:, None] * THREE.curvatures), axis=1), by_run, "at 2191 step sizes, from the roots"
        ),
        formula("002/descent/best-alpha", 2 / (THREE.mu + THREE.L), alphas[np.argmin(by_run)], "the grid's minimum", tolerance=6e-4),
        formula("002/descent/best-rate", (kappa - 1) / (kappa + 1), float(worst_rate(best, THREE)), "(kappa - 1)/(kappa + 1)"),
        formula("002/descent/range", 2.0, float(edge(Method(1.0))), "0 < alpha lambda < 2"),
        claim(
            "002/erratum/14-one-step",
            ends[0].losses[-1] < 1e-12,
            [r.losses[-1] for r in ends],
            "only with alpha = 1/lambda: losses after one step at alpha lambda = 0.5 and 1, condition number 1",
        ),
        claim(
            "002/erratum/13-monotone",
            run(_quadratic(), Method(2.5), 1).losses[1] < 0.5,
            run(_quadratic(), Method(2.5), 1).losses,
            "needs alpha < 2/L, and a function bounded below; where it ends may be a saddle (document 003 shows one)",
        ),
    ]


def _quadratic() -> Problem:
    return scalar(1.0, 1.0)


def step_views(session: Session) -> list[View]:
    """Figure 3 on a logarithmic axis, where every component is a straight line."""
    best = gradient_descent(THREE.mu, THREE.L)
    parts = components(best, THREE, 150).bias
    k = np.arange(151)
    lines = [line(k, parts.sum(axis=1), "total", width=3.0)]
    lines += [
        line(k, np.where(parts[:, i] > 1e-9, parts[:, i], np.nan), f"h = {h:g}", "ramp", shade=i / 2)
        for i, h in enumerate(THREE.curvatures)
    ]
    caption = "Loss by eigencomponent at alpha = 200/101. Each is a straight line; the flattest and the sharpest fall together."
    return [Curves("milestones-descent", "The loss is a sum of independent errors", tuple(lines), "step", "loss", caption)]


EXPERIMENTS = [
    Experiment("hero", "002", "Figure 1: alpha and beta on a curved valley", hero, hero_views),
    Experiment("eigenbasis", "002", "Figure 2: gradient descent in the eigenbasis", eigenbasis),
    Experiment("step-size", "002", "Figure 3: decomposing the error, choosing a step size", step_sizes, step_views),
]
