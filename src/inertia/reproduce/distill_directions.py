"""Document 002, polynomial regression: eigenfeatures, the order in which they are learned, early stopping."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import polynomial
from ..problems.base import Array
from ..problems.polynomials import POINTS, TARGETS, early_stopping_filter, eigenfeatures, monomials, ridge_filter
from ..problems.simulation import run
from ..report.views import Curves, Mark, View, line
from ..theory.catalog import heavy_ball
from .experiment import Experiment, Row, Session, claim, compare, formula

__all__ = ["EXPERIMENTS"]


def _steps(alpha: float, h: Array) -> Array:
    """Steps until gradient descent has shrunk each component's error by 1000."""
    return np.asarray(np.log(1e-3) / np.log(np.abs(1 - alpha * h)))


def features(session: Session) -> list[Row]:
    """Figures 4 and 5: the least-squares fit in both bases."""
    found = eigenfeatures(POINTS, TARGETS)
    z = monomials(POINTS, 5)
    fit = np.linalg.lstsq(z, TARGETS, rcond=None)[0]
    gram = z.T @ z
    back = found.vectors @ found.coefficients
    rows = [
        compare("002/fig4/eigenvalues", found.eigenvalues, "of Z'Z, largest first"),
        compare("002/fig4/condition", found.eigenvalues[0] / found.eigenvalues[-1], "why gradient descent needs a million steps here"),
        compare("002/fig4/fit", fit, "least squares in monomials"),
        compare("002/fig4/residual", float(np.linalg.norm(z @ fit - TARGETS)), "norm of what no polynomial of degree 5 explains"),
        compare("002/fig5/coefficients", np.abs(found.coefficients), "the fit in the eigenbasis, up to sign"),
        compare("002/fig5/start", 1.5 / np.sqrt(found.eigenvalues), "weights that give every eigenfeature the same size on the data"),
        formula("002/polynomial/same-model", z @ back, z @ fit, "the model does not change with the basis", tolerance=1e-7),
        claim(
            "002/erratum/15-order",
            bool(np.all(np.diff(found.eigenvalues) > 0)),
            found.eigenvalues,
            "the text sorts eigenvalues ascending, figures 5 and 6 and their captions descending, largest in front",
        ),
    ]
    return [*rows, _transposes(gram, found.vectors)]


def _transposes(gram: Array, vectors: Array) -> Row:
    diagonal = vectors.T @ gram @ vectors
    printed = vectors @ gram @ vectors.T
    off = lambda a: float(np.abs(a - np.diag(np.diag(a))).max())  # noqa: E731
    return claim(
        "002/erratum/04-transpose",
        off(printed) < 1e-9,
        [off(printed), off(diagonal)],
        "with A = Q Lambda Q', the coordinates that decouple are Q'(w - w*), as its own gradient-descent section has it: largest "
        "off-diagonal entry of Q A Q' and of Q' A Q",
    )


def learning(session: Session) -> list[Row]:
    """Figure 6: what gradient descent has learned after k steps, and what momentum would need."""
    found = eigenfeatures(POINTS, TARGETS)
    h = found.eigenvalues
    alpha = 1.8 / h[0]
    learned = early_stopping_filter(h, alpha, np.array([[49], [100_000]]))
    best = heavy_ball(float(h[-1]), float(h[0]))
    walked = run(polynomial(start=np.zeros(6)), Method(alpha), 49).final @ found.vectors / found.coefficients
    noise = np.random.default_rng(5).standard_normal((4000, 10))
    spread = np.std(noise @ np.linalg.pinv(monomials(POINTS, 5)).T @ found.vectors, axis=0)
    return [
        compare(
            "002/fig6/steps",
            _steps(alpha, h),
            "steps until each error is 1000 times smaller: the sharpest is slower than the second, |1 - 1.8| = 0.8",
        ),
        compare("002/fig6/learned-49", learned[0], "share of each coefficient learned after 49 steps"),
        compare("002/fig6/learned-100000", learned[1], "and after 100,000: the robust ones are done, the fragile ones are not"),
        formula("002/polynomial/closed-form", learned[0], walked, "the same from the run itself", tolerance=1e-6),
        compare(
            "002/fig6/momentum", [best.beta, np.log(1e-3) / np.log(np.sqrt(best.beta))], "best momentum, and steps to 1e-3 at its rate"
        ),
        formula(
            "002/polynomial/noise",
            spread,
            1 / np.sqrt(h),
            "spread of each coefficient under unit noise in the data, 4000 draws",
            tolerance=0.05,
        ),
        *_regularisers(h, alpha),
    ]


def _regularisers(h: Array, alpha: float) -> list[Row]:
    """Footnote 2: Tikhonov and early stopping as filters."""
    eta, k = 1e-2, 1000
    z = monomials(POINTS, 5)
    found = eigenfeatures(POINTS, TARGETS)
    ridge = np.linalg.solve(z.T @ z + eta * np.eye(6), z.T @ TARGETS) @ found.vectors
    stopped = run(polynomial(start=np.zeros(6)), Method(alpha), k).final @ found.vectors
    return [
        formula(
            "002/footnote2/ridge",
            1 / h * (1 - 1 / (1 + h / eta)),
            ridge / (h * found.coefficients),
            "the ridge solution, coefficient by coefficient",
            tolerance=1e-6,
        ),
        formula(
            "002/footnote2/descent",
            (1 - (1 - alpha * h) ** k) / h,
            stopped / (h * found.coefficients),
            "gradient descent after 1000 steps",
            tolerance=1e-5,
        ),
        claim(
            "002/erratum/08-shape",
            z.shape[1] == len(TARGETS),
            [*z.shape, len(TARGETS)],
            "Z is 10 x 6 and d has 10 entries: Zd does not exist, Z'd is meant; and the ridge damps the smallest eigenvalues most",
        ),
    ]


def learning_views(session: Session) -> list[View]:
    """Filters of both regularisers, and the order of learning."""
    h = eigenfeatures(POINTS, TARGETS).eigenvalues
    alpha = 1.8 / h[0]
    k = np.unique(np.round(np.logspace(0, 6.2, 300)))
    lines = tuple(
        line(k, early_stopping_filter(np.array([value]), alpha, k[:, None])[:, 0], f"h = {value:.2g}", "ramp", shade=1 - i / 5)
        for i, value in enumerate(h)
    )
    caption = "Share of each eigenfeature's coefficient that gradient descent has learned after k steps (alpha = 1.8/L)."
    order = Curves("polynomial-learning", "Robust features first", lines, "step", "share learned", caption, log_x=True, log_y=False)
    grid = np.geomspace(1e-6, h[0], 300)
    both = (
        line(grid, early_stopping_filter(grid, alpha, 1000), "early stopping", "hot"),
        line(grid, ridge_filter(grid, 1 / (alpha * 1000)), "ridge", "ink"),
    )
    caption = "1000 steps against a ridge of 1/(1000 alpha): nearly the same filter; marks are the eigenvalues of the fit."
    marks = tuple(Mark(float(value), "") for value in h)
    return [
        order,
        Curves(
            "early-stopping",
            "Early stopping is a regulariser",
            both,
            "curvature",
            "share kept",
            caption,
            log_x=True,
            log_y=False,
            marks=marks,
        ),
    ]


EXPERIMENTS = [
    Experiment("eigenfeatures", "002", "Figures 4 and 5: a polynomial fit in its eigenbasis", features),
    Experiment("early-stopping", "002", "Figure 6: robust features are learned first", learning, learning_views),
]
