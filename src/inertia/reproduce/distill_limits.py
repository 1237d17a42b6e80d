"""Document 002, the limits of descent: unrolled methods, the dead zone, and a lower bound that is wrong at n = 25."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import convex_rosenbrock
from ..problems.base import Array
from ..problems.simulation import run
from ..report.views import Curves, View, line
from ..theory.bounds import asymptotic_bound, contraction, dead_zone, lower_bound, worst_function_condition
from ..theory.catalog import gradient_descent, heavy_ball, nesterov_quadratic
from ..theory.sequences import chebyshev
from .experiment import Experiment, Row, Session, claim, compare, formula
from .walks import optimum

__all__ = ["EXPERIMENTS", "adam_path"]

_N, _KAPPA = 25, 1000.0


def _errors(path: Array | None) -> Array:
    """Largest coordinate error of every iterate."""
    f = convex_rosenbrock(_N, _KAPPA)
    return np.asarray(np.abs(np.asarray(path) - f.optimum).max(axis=1))


def adam_path(steps: int, rate: float = 0.03) -> Array:
    """Adam's iterates on the chain: a diagonal preconditioner, so the dead zone binds it too."""
    f = convex_rosenbrock(_N, _KAPPA)
    w, m, v = f.start.copy(), np.zeros(_N), np.zeros(_N)
    seen = [w.copy()]
    for k in range(1, steps + 1):
        g = f.gradient(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - rate * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-300)
        seen.append(w.copy())
    return np.array(seen)


def unrolled(session: Session) -> list[Row]:
    """Both methods as sums of past gradients."""
    f = convex_rosenbrock(_N, _KAPPA)
    rows = []
    for name, method in {"descent": Method(1e-3), "momentum": Method(1e-3, 0.8)}.items():
        found = run(f, method, 30, keep_path=True).path
        assert found is not None
        gradients = np.array([f.gradient(w) for w in found[:-1]])
        weight = (1 - method.beta ** np.arange(30, 0, -1)) / (1 - method.beta)
        signed = 1 if name == "momentum" else -1  # as printed: plus for momentum, minus for gradient descent
        reads = found[0] + signed * method.alpha * np.sum(weight[:, None] * gradients, axis=0)
        names = {"descent": "002/limits/unrolled", "momentum": "002/erratum/03-sign"}
        why = "minus alpha times the sum, as for gradient descent" if name == "momentum" else "w0 minus alpha times all gradients so far"
        rows.append(formula(names[name], reads, found[-1], why))
    return rows


def worst(session: Session) -> list[Row]:
    """Figures 17 and 18: the convex Rosenbrock function with 25 nodes."""
    f = convex_rosenbrock(_N, _KAPPA)
    assert f.spectrum is not None
    low, high = f.spectrum.mu, f.spectrum.L
    best = heavy_ball(4.6, 996.35)  # the rounded ends of the slider
    found = run(f, best, 100, keep_path=True).path
    assert found is not None
    errors = _errors(found)
    reach = np.array([np.count_nonzero(w) for w in found[: _N + 1]])
    return [
        compare("002/fig18/eigenvalues", [low, high], "1 + (kappa - 1) sin^2(j pi/(2(n + 1)))"),
        compare(
            "002/fig18/condition",
            worst_function_condition(_N, _KAPPA),
            "named 1000, which is reached only as n grows: 513 at n = 50, 997.5 at 1000",
        ),
        compare(
            "002/fig18/optimum", [best.alpha, best.alpha * 996.35, best.beta], "from its rounded ends 4.6 and 996.35: alpha, alpha L, beta"
        ),
        compare("002/fig18/errors", errors[[5, 10, 20, 30, 50, 100]], "largest coordinate error after 5, 10, 20, 30, 50, 100 steps"),
        compare("002/fig18/reach", reach[[1, 5, 25]], "nonzero weights after 1, 5 and 25 steps: one more per step"),
        formula(
            "002/limits/dead-zone",
            (found[: _N + 1] == 0).astype(float),
            dead_zone(_N, _N).astype(float),
            "weights beyond the front are exactly 0",
        ),
        *_solution(errors),
    ]


def _solution(errors: Array) -> list[Row]:
    """The solution and the lower bound, as printed (n infinite) and as they are at n = 25."""
    f = convex_rosenbrock(_N, _KAPPA)
    k = np.arange(_N)
    q = float(contraction(_KAPPA))
    matrix = np.array([f.hvp(f.start, unit) for unit in np.eye(_N)])
    return [
        formula(
            "002/limits/optimum-finite",
            optimum(f),
            np.linalg.solve(matrix, -f.gradient(np.zeros(_N))),
            "sinh((n+1-i)t)/sinh((n+1)t), against a direct solve",
        ),
        formula(
            "002/erratum/10-solution",
            q ** (k + 1.0),
            optimum(f),
            "q^i solves the infinite chain; with 25 nodes the last weights are far smaller",
        ),
        claim(
            "002/erratum/10-bound",
            bool(np.all(errors[: _N - 1] >= asymptotic_bound(_KAPPA, np.arange(_N - 1)))),
            [errors[5], float(asymptotic_bound(_KAPPA, 5))],
            "at k = 5 the error is already below 'q^(k+1)': that bound needs n -> infinity. The finite one, w*_(k+1), holds and is reached",
        ),
        formula(
            "002/limits/bound-finite",
            lower_bound(_N, _KAPPA, [5, 10, 20]),
            errors[[5, 10, 20]],
            "w*_(k+1) bounds the error for every method of this kind, and momentum attains it",
        ),
        formula(
            "002/erratum/11-sum",
            float(np.sum(optimum(f)[6:])),
            lower_bound(_N, _KAPPA, 6),
            "'sum up the errors': the infinity norm takes their largest, not their sum",
        ),
    ]


def everyone(session: Session) -> list[Row]:
    """The bound binds everybody with a diagonal preconditioner, and nobody with a dense one."""
    f = convex_rosenbrock(_N, _KAPPA)
    assert f.spectrum is not None
    low, high = f.spectrum.mu, f.spectrum.L
    k = np.arange(_N)
    bound = lower_bound(_N, _KAPPA, k)
    ran = {
        "gradient descent": run(f, gradient_descent(low, high), _N, keep_path=True).path,
        "Nesterov": run(f, nesterov_quadratic(low, high), _N, keep_path=True).path,
        "Chebyshev": run(f, chebyshev(low, high), _N, keep_path=True).path,
        "Adam": adam_path(_N),
    }
    least = [float(np.min(_errors(path)[:_N] / bound)) for path in ran.values()]
    matrix = np.array([f.hvp(f.start, unit) for unit in np.eye(_N)])
    newton = f.start - np.linalg.solve(matrix, f.gradient(f.start))
    missed = float(np.abs(newton - optimum(f)).max())
    return [
        claim(
            "002/limits/all-methods",
            bool(np.min(least) > 1 - 1e-9),
            least,
            "smallest error over bound before step 25, for " + ", ".join(ran),
        ),
        claim(
            "002/limits/newton", missed < 1e-9, missed, "a dense preconditioner (Newton) breaks it in one step, as the article says it may"
        ),
    ]


def limit_views(session: Session) -> list[View]:
    """Errors of several methods above the bound."""
    f = convex_rosenbrock(_N, _KAPPA)
    assert f.spectrum is not None
    low, high = f.spectrum.mu, f.spectrum.L
    k = np.arange(61)
    bound = np.where(lower_bound(_N, _KAPPA, k) > 0, lower_bound(_N, _KAPPA, k), np.nan)
    lines = [
        line(k, asymptotic_bound(_KAPPA, k), "q^(k+1), as printed", "pale", dashed=True),
        line(k, bound, "true bound, n = 25", "ink", width=3.0),
        line(k, _errors(run(f, gradient_descent(low, high), 60, keep_path=True).path), "gradient descent", "grey"),
        line(k, _errors(run(f, nesterov_quadratic(low, high), 60, keep_path=True).path), "Nesterov", "ramp", shade=0.3),
        line(k, _errors(adam_path(60)), "Adam", "ramp", shade=0.9),
        line(k, _errors(run(f, heavy_ball(low, high), 60, keep_path=True).path), "momentum", "hot"),
    ]
    caption = (
        "Largest coordinate error, convex Rosenbrock function. Nobody is below the finite-n bound; the printed one is crossed at once."
    )
    return [Curves("limits", "What no first-order method can beat", tuple(lines), "step", "error", caption)]


EXPERIMENTS = [
    Experiment("unrolled", "002", "Methods as sums of past gradients", unrolled),
    Experiment("worst-function", "002", "Figures 17 and 18: the resisting oracle", worst, limit_views),
    Experiment("every-method", "002", "The lower bound binds Adam too, and not Newton", everyone),
]
