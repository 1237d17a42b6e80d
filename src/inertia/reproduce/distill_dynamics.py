"""Document 002, the dynamics of momentum: rates, regimes, critical damping and the best parameters."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..core.spectrum import spectrum
from ..problems import scalar
from ..problems.base import Array
from ..problems.simulation import run
from ..report.landscape import rates
from ..report.views import Curves, Mark, View, line
from ..theory.catalog import gradient_descent, heavy_ball
from ..theory.modes import critical_momentum, edge, iterate, rate, regime
from ..theory.physics import Particle, oscillator
from ..theory.quadratic import components, loss_at, loss_curve, milestones, steps_to, worst_rate
from .distill_descent import THREE
from .distill_portraits import portrait_rows, portraits
from .experiment import Experiment, Row, Session, claim, compare, formula

__all__ = ["EXPERIMENTS", "update_matrix"]

_FIVE = Method(np.array([0.0015, 0.0015, 0.01, 0.02, 0.025]), np.array([0.9, 0.125, 1e-5, 0.05, 0.235]))


def update_matrix(method: Method, h: float) -> Array:
    """R of the article, on (velocity, position)."""
    return np.array([[method.beta, h], [-method.alpha * method.beta, 1 - method.alpha * h]])


def regimes(session: Session) -> list[Row]:
    """Figure 7 and footnotes 3 to 5: the rate of one component and where it converges."""
    rng = np.random.default_rng(7)
    a, b = rng.uniform(0.01, 4, 500), rng.uniform(0, 0.99, 500)
    radius = np.array([np.abs(np.linalg.eigvals(update_matrix(Method(x, y), 1.0))).max() for x, y in zip(a, b, strict=True)])
    root = np.sqrt((1 - a + b) ** 2 - 4 * b + 0j)
    explicit = 0.5 * np.maximum(np.abs(1 - a + b + root), np.abs(1 - a + b - root))
    swinging = (1 - a + b) ** 2 < 4 * b
    power, printed = _power(Method(0.3, 0.5), 1.0, 12)
    double = Method(0.25, float(critical_momentum(0.25, 1.0)))
    repeated = float(run(scalar(1.0, 1.0), double, 12).final[0])
    start = np.array([0.4, 1.0])
    right, swapped = (np.linalg.matrix_power(update_matrix(Method(0.3, 0.5), 1.0), 5) @ order for order in (start, start[::-1]))
    walked = run(scalar(1.0, 1.0), Method(0.3, 0.5), 5, velocity=[0.4]).final[0]
    return [
        compare("002/fig7/rates", np.asarray(rate(_FIVE, 100.0)), "the five panels: ripples, monotone, one step, alternating, divergent"),
        claim(
            "002/fig7/regimes",
            [str(name) for name in np.atleast_1d(regime(_FIVE, 100.0))] == ["ripples", "monotone", "ripples", "alternating", "divergent"],
            rate(_FIVE, 100.0),
            "as titled; the third, beta = 1e-5, is 'one-step' up to ripples of size sqrt(beta)",
        ),
        formula("002/dynamics/rates", explicit, radius, "footnote 4 against the eigenvalues of R at 500 random (alpha lambda, beta)"),
        formula(
            "002/erratum/02-complex-rate",
            2 * np.sqrt(b[swinging]),
            radius[swinging],
            "the 1/2 of the quadratic formula was dropped: the rate is sqrt(beta)",
        ),
        formula("002/dynamics/power", printed, power, "R^12 by the two-root formula, against twelve products"),
        formula(
            "002/dynamics/power-repeated",
            _repeated(double, 12)[1, 1],
            repeated,
            "the repeated-root case, at critical damping, against the run",
        ),
        formula("002/dynamics/range", 2 + 2 * b, edge(Method(1.0, b)), "0 < alpha lambda < 2 + 2 beta"),
        formula(
            "002/erratum/07-order",
            swapped[1],
            walked,
            f"with (x0, y0) as written; (y0, x0) gives {right[1]:.6g}, which is what the run does",
        ),
    ]


def _power(method: Method, h: float, k: int) -> tuple[Array, Array]:
    """R^k by multiplication and by the article's formula for two different roots."""
    matrix = update_matrix(method, h)
    one, two = np.linalg.eigvals(matrix).astype(complex)
    parts = [(matrix - sigma * np.eye(2)) / (one - two) for sigma in (one, two)]
    return np.linalg.matrix_power(matrix, k), (one**k * parts[1] - two**k * parts[0]).real


def _repeated(method: Method, k: int) -> Array:
    """The article's formula for a double root."""
    matrix = update_matrix(method, 1.0)
    sigma = float(np.trace(matrix)) / 2
    return np.asarray(sigma**k * (k * matrix / sigma - (k - 1) * np.eye(2)))


def regime_views(session: Session) -> list[View]:
    """The five panels of figure 7 as curves, and the map."""
    k = np.arange(41)
    names = ("ripples", "monotone", "one step", "alternating")
    lines = tuple(
        line(k, -np.asarray(iterate(Method(_FIVE.alpha[i], _FIVE.beta[i]), 100.0, k).params), name, "ramp" if i else "hot", shade=i / 3)
        for i, name in enumerate(names)
    )
    caption = "One component's error from -1, lambda = 100. The fifth panel (alpha lambda 2.5, beta 0.235) diverges."
    five = Curves("regimes", "Four ways to converge", lines, "step", "error", caption, log_y=False)
    return [
        five,
        rates(heavy_ball(1.0, 20.0), spectrum([1.0, 20.0]))._replace(
            name="rate-map", title="The rate over (alpha, beta), condition number 20"
        ),
    ]


def damping(session: Session) -> list[Row]:
    """Figures 8 to 10: the spring, and critical damping."""
    methods = Method(1e-4, np.array([0.05, 0.81, 0.97]))
    found = spectrum(100.0)
    betas = np.linspace(0, 0.99, 100_000)
    best = betas[np.argmin(np.asarray(rate(Method(1e-4, betas), 100.0)))]
    fig9 = Method(0.02, 0.9)
    walk = run(scalar(0.1, 0.92), fig9, 150, velocity=[1.0], keep_path=True)
    assert walk.path is not None
    dt = np.sqrt(0.02)
    ball = Particle(1.0, 0.1 / dt, dt)
    smooth = oscillator(ball, 0.1, dt * np.arange(151), 0.92, -1.0 * dt).position
    free = run(scalar(1e-12, 0.92), Method(0.02, 1.0), 150, velocity=[1.0], keep_path=True).path
    assert free is not None
    return [
        compare("002/fig10/critical", float(critical_momentum(1e-4, 100.0)), "beta = (1 - sqrt(alpha lambda))^2"),
        formula("002/dynamics/critical", (1 - np.sqrt(0.01)) ** 2, best, "the smallest rate on a grid of beta", tolerance=2e-5),
        formula("002/dynamics/critical-rate", 1 - np.sqrt(0.01), float(rate(Method(1e-4, 0.81), 100.0)), "1 - sqrt(alpha lambda)"),
        compare("002/fig10/radii", np.asarray(rate(methods, 100.0)), "factor per step at beta 0.05, 0.81, 0.97"),
        compare("002/fig10/last", np.asarray(steps_to(methods, found, 1e-4)) - 1, "last steps with an error above 1e-2"),
        claim(
            "002/fig9/oscillator",
            bool(np.abs(walk.path[:, 0] - smooth).max() < 0.2),
            np.abs(walk.path[:, 0] - smooth).max(),
            "lambda 0.1, beta 0.9: distance from m x'' + c x' + lambda x = 0 over 150 steps",
        ),
        claim(
            "002/fig9/free",
            bool(np.ptp(np.diff(free[:, 0])) < 1e-9),
            np.ptp(np.diff(free[:, 0])),
            "no force and no damping: constant speed",
        ),
        *portrait_rows(),
    ]


def damping_views(session: Session) -> list[View]:
    """The kink of the rate at critical damping, and the three motions."""
    betas = np.linspace(0, 0.999, 600)
    lines = tuple(line(betas, rate(Method(a, betas), 1.0), f"alpha h = {a:g}", "ramp", shade=i / 2) for i, a in enumerate((0.01, 0.1, 0.4)))
    caption = "Rate of one curvature against beta: best at the kink, beta = (1 - sqrt(alpha h))^2; to its right the rate is sqrt(beta)."
    sweep = Curves("damping-sweep", "How much momentum one curvature wants", lines, "beta", "rate per step", caption, log_y=False)
    k = np.arange(101)
    three = tuple(
        line(k, iterate(Method(1e-4, beta), 100.0, k).params, name, role)
        for beta, name, role in ((0.05, "overdamped 0.05", "grey"), (0.81, "critical 0.81", "hot"), (0.97, "underdamped 0.97", "ink"))
    )
    caption = "Figure 10 over time: alpha lambda = 0.01."
    return [sweep, Curves("damping-motion", "Over, under and critically damped", three, "step", "error", caption, log_y=False), portraits()]


def optimum(session: Session) -> list[Row]:
    """Figures 11 and 12 and footnote 6: the best alpha and beta, and what they cost on the way."""
    best = heavy_ball(THREE.mu, THREE.L)
    curve = loss_curve(best, THREE, 60)
    kappa = np.array([10.0, 100.0, 1000.0])
    found = np.array([_searched(value) for value in kappa])
    plain = gradient_descent(1.0, 1e4)
    tuned = heavy_ball(1.0, 1e4)
    early = [float(loss_at(Method(1.0), THREE, 10)), float(loss_at(best, THREE, 10))]
    return [
        formula("002/optimum/alpha", (2 / (0.1 + 1.0)) ** 2, best.alpha, "(2/(sqrt l1 + sqrt ln))^2 for l1 = 0.01, ln = 1"),
        compare("002/fig12/optimum", [best.alpha, best.beta, float(worst_rate(best, THREE))], "400/121, (9/11)^2 and 9/11"),
        formula(
            "002/fig11/rate",
            (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1),
            found,
            "a search over all (alpha, beta) finds nothing better",
            tolerance=1e-4,
        ),
        compare(
            "002/fig12/milestones", milestones(best, THREE, 0.01, relative=False) - 1, "last steps at which each component is above 0.01"
        ),
        compare("002/fig12/losses", curve[[10, 30, 60]], "total loss after 10, 30, 60 steps"),
        compare("002/fig12/peak", curve.max(), "the loss first rises: R is not normal, its powers grow like k sigma^k before they shrink"),
        claim(
            "002/fig12/asymptotic",
            early[0] < early[1],
            early,
            "loss after 10 steps of gradient descent and of the optimum: the best rate is not the best start",
        ),
        formula(
            "002/optimum/twice",
            tuned.alpha / plain.alpha,
            2.0,
            "for poor conditioning alpha is about twice gradient descent's (kappa = 10,000)",
            tolerance=0.02,
        ),
        claim(
            "002/optimum/knife-edge",
            float(worst_rate(Method(0.999 * 3.98, 0.99), spectrum([0.01, 1.0]))) < float(worst_rate(best, spectrum([0.01, 1.0]))),
            [float(worst_rate(Method(0.999 * 3.98, 0.99), spectrum([0.01, 1.0]))), float(worst_rate(best, spectrum([0.01, 1.0])))],
            "that gives the first rate at kappa = 100, the formula gives the second: too much "
            "momentum is slower, and at the edge one more per cent of curvature diverges",
        ),
        formula(
            "002/erratum/17-footnote6",
            max(float(rate(Method(1.0), h)) for h in (0.1, 1.0)),
            float(worst_rate(Method(1.0), THREE)),
            "as written, with lambda_i for a middle i, it misses the slowest end: the first matrix must carry lambda_1",
        ),
    ]


def _searched(kappa: float) -> float:
    """The best rate that a search over (alpha, beta) finds on curvatures 1 and kappa."""
    from scipy.optimize import minimize

    ends = spectrum([1.0, kappa])
    start = heavy_ball(1.0, kappa)

    def worst(x: Array) -> float:
        return float(worst_rate(Method(abs(x[0]) / kappa, min(abs(x[1]), 0.9999)), ends))

    tries = [
        minimize(
            worst, [start.alpha * kappa * s, start.beta * s], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000}
        ).fun
        for s in (0.9, 0.97, 1.0)
    ]
    return float(min(tries))


def optimum_views(session: Session) -> list[View]:
    """Figure 12 on a log axis, with gradient descent beside it, and the table of figure 11 as curves."""
    k = np.arange(151)
    best, plain = heavy_ball(THREE.mu, THREE.L), gradient_descent(THREE.mu, THREE.L)
    parts = components(best, THREE, 150).bias
    lines = [line(k, loss_curve(plain, THREE, 150), "gradient descent", "grey"), line(k, parts.sum(axis=1), "momentum", "hot", width=2.5)]
    lines += [line(k, parts[:, i], f"h = {h:g}", "ramp", shade=i / 2) for i, h in enumerate(THREE.curvatures)]
    caption = "Both at their best parameters, condition number 100. Momentum first rises to 7.2 and then falls 1.8 decades in ten steps."
    kappa = np.logspace(0.5, 6, 100)
    cost = (
        line(kappa, np.log(1e-6) / np.log((kappa - 1) / (kappa + 1)), "gradient descent", "grey"),
        line(kappa, np.log(1e-6) / np.log((np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)), "momentum", "hot"),
    )
    return [
        Curves("milestones-momentum", "The same three errors with momentum", tuple(lines), "step", "loss", caption),
        Curves(
            "condition",
            "What a condition number costs",
            cost,
            "condition number",
            "steps",
            "Steps to shrink the error by 1e-6 at the best rate.",
            log_x=True,
            marks=(Mark(100.0, "figure 12"),),
        ),
    ]


EXPERIMENTS = [
    Experiment("regimes", "002", "Figure 7: regimes of one component", regimes, regime_views),
    Experiment("critical-damping", "002", "Figures 8 to 10: a weight on a spring", damping, damping_views),
    Experiment("best-parameters", "002", "Figures 11 and 12: the best alpha and beta", optimum, optimum_views),
]
