"""Document 002, stochastic gradients: bias and noise, their crossing, and what momentum does to the floor."""

from __future__ import annotations

import numpy as np

from ..core.method import Method, step
from ..core.spectrum import spectrum
from ..problems.base import Array
from ..report.views import Curves, Mark, View, line
from ..theory.noise import crossing, floor, split, stationary
from ..theory.quadratic import components
from .distill_dynamics import update_matrix
from .experiment import Experiment, Row, Session, claim, compare, formula

__all__ = ["EXPERIMENTS", "noisy_runs"]

# figure 21: one curvature 1, start sqrt(3), gradient noise of variance 9; its sliders show 100 alpha
ONE = spectrum(1.0, weights=3.0, noise=9.0)
_SETTINGS = {
    "marker": Method(0.03305785, 0.669421),
    "descent": Method(0.019801980198),
    "slow": Method(0.005, 0.9),
    "fast": Method(0.03, 0.9),
}


def noisy_runs(method: Method, steps: int, runs: int, seed: int = 21) -> Array:
    """Losses (steps + 1, runs) of seeded runs on 1/2 x^2 from sqrt(3), with independent gradient noise N(0, 9)."""
    rng = np.random.default_rng(seed)
    x, v = np.full(runs, np.sqrt(3.0)), np.zeros(runs)
    losses = [0.5 * x**2]
    for _ in range(steps):
        x, v = step(method, x, v, x + 3.0 * rng.standard_normal(runs))
        losses.append(0.5 * x**2)
    return np.array(losses)


def split_rows(session: Session) -> list[Row]:
    """Figure 21: levels and crossings, and the formulas of footnote 11."""
    floors = [float(floor(method, ONE)) for method in _SETTINGS.values()]
    cross = [int(crossing(method, ONE)) - 1 for method in _SETTINGS.values()]
    method, h, s2, k = _SETTINGS["marker"], 1.0, 9.0, 12
    alpha, beta = method.alpha, method.beta
    matrix = update_matrix(method, h)
    push = np.array([1.0, -alpha])
    powers = [np.linalg.matrix_power(matrix, j) for j in range(k)]
    carried = [float((power @ push)[1]) for power in powers]
    deterministic = float((np.linalg.matrix_power(matrix, k) @ [0.0, np.sqrt(3.0)])[1])
    correct = split(method, ONE, k)
    as_printed = 0.5 * h * deterministic + 0.5 * h * 0.0 * float(np.sum(carried)) ** 2  # not squared, and E[eps] = 0
    known = stationary(method, h, s2)
    distance = 2 * (1 + beta) - alpha * h
    rates = np.array([0.1, 0.5, 0.9, 0.99])
    lower, higher = (float(floor(Method(0.02, beta), ONE)) for beta in (0.5, 0.9))
    return [
        compare(
            "002/fig21/floors", floors, "stationary loss at (3.3, 0.67), (1.98, 0), (0.5, 0.9), (3, 0.9), alpha in the slider's hundredths"
        ),
        compare("002/fig21/crossings", cross, "last step at which the bias is above the noise"),
        formula(
            "002/erratum/06-noise",
            as_printed,
            correct.bias + correct.noise,
            "the deterministic part must be squared, E[eps] is E[eps^2], and the noise belongs inside the sum, one per step",
        ),
        formula(
            "002/noise/footnote11",
            0.5 * deterministic**2 + 0.5 * s2 * np.sum(np.square(carried)),
            correct.bias + correct.noise,
            "with those put right",
        ),
        formula(
            "002/noise/variance",
            [
                s2 * alpha * (1 + beta) / (h * (1 - beta) * distance),
                2 * s2 / ((1 - beta) * distance),
                -s2 * alpha / ((1 - beta) * distance),
            ],
            [known.params, known.velocity, known.covariance],
            "Var x, Var y, Cov: the limit that the article does not give",
        ),
        claim(
            "002/noise/lower-step",
            bool(np.all(np.diff(np.asarray(floor(Method(np.array([0.01, 0.02, 0.04])), ONE))) > 0)),
            floor(Method(np.array([0.01, 0.02, 0.04])), ONE),
            "the floor falls with alpha, and so does the rate",
        ),
        claim("002/noise/compound", lower < higher, [lower, higher], "at equal alpha, beta 0.9 has a higher floor than 0.5"),
        claim(
            "002/noise/matched",
            bool(np.ptp(np.asarray(floor(Method(0.002 * (1 - rates), rates), ONE))) < 0.01 * float(floor(Method(0.002), ONE))),
            floor(Method(0.002 * (1 - rates), rates), ONE),
            "but at equal alpha/(1 - beta) and small steps the floor does not depend on beta: then momentum is only a learning rate",
        ),
    ]


def by_chance(session: Session) -> list[Row]:
    """The figure's single unseeded run, replaced by many: their mean against the formula."""
    rows = []
    count = max(session.seeds * 20, 400)
    for index, (name, method) in enumerate(_SETTINGS.items()):
        losses = noisy_runs(method, 150, count)
        tail = losses[-1]
        theory = split(method, ONE, 150)
        error = float(np.std(tail) / np.sqrt(count))
        why = f"mean loss after 150 steps of {count} runs, +- {error:.2g}, against bias + noise = {theory.bias + theory.noise:.5f}"
        near = bool(abs(tail.mean() - theory.bias - theory.noise) < 4.5 * error)
        rows.append(claim(f"002/fig21/runs-{name}", near, [tail.mean(), theory.bias + theory.noise], why))
        session.progress(index + 1, len(_SETTINGS))
    return rows


def noise_views(session: Session) -> list[View]:
    """Figure 21 with a band of many runs instead of one, and the trade-off it shows."""
    method = _SETTINGS["marker"]
    k = np.arange(151)
    losses = noisy_runs(method, 150, max(session.seeds * 20, 400))
    parts = components(method, ONE, 150)
    lines = (
        line(k, np.quantile(losses, 0.9, axis=1), "90 % of runs", "pale"),
        line(k, losses.mean(axis=1), "mean of runs", "pale", width=6.0),
        line(k, np.where(parts.bias[:, 0] > 1e-4, parts.bias[:, 0], np.nan), "bias", "ramp", shade=1.0),
        line(k, np.where(parts.noise[:, 0] > 0, parts.noise[:, 0], np.nan), "noise", "hot"),
        line(k, (parts.bias + parts.noise)[:, 0], "expected", "ink"),
    )
    caption = "One curvature, noisy gradients. Left of the mark the start still matters, right of it only noise does."
    made: list[View] = [
        Curves(
            "bias-noise",
            "Transient phase and fine-tuning phase",
            lines,
            "step",
            "loss",
            caption,
            marks=(Mark(float(crossing(method, ONE)), "crossing"),),
        )
    ]
    alpha = np.logspace(-4, 0.2, 120)
    curves = tuple(
        line(alpha / (1 - beta), floor(Method(alpha, beta), ONE), f"beta {beta:g}", "ramp", shade=i / 2)
        for i, beta in enumerate((0.0, 0.5, 0.9))
    )
    caption = "Noise floor against alpha/(1 - beta): one line until the steps get long. Momentum is a learning rate there."
    made.append(Curves("noise-floor", "What the noise keeps up", curves, "alpha / (1 - beta)", "excess loss", caption, log_x=True))
    return made


EXPERIMENTS = [
    Experiment("bias-and-noise", "002", "Figures 19 to 21: bias, noise and their crossing", split_rows),
    Experiment("noisy-runs", "002", "Figure 21: many seeded runs against the formula", by_chance, noise_views, stochastic=True),
]
