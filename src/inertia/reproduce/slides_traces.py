"""Document 001: the valley's four traces, printed to six decimals, and the weights of past gradients."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import Problem, valley
from ..problems import scalar as one_mode
from ..problems.base import Array
from ..problems.simulation import run
from ..report.landscape import path
from ..report.views import Curves, View, line
from ..theory.averages import effective_window, past_weights
from ..theory.modes import rate
from .experiment import Experiment, Row, Session, claim, compare, formula

__all__ = ["EXPERIMENTS"]

_SETTINGS = {
    "0.4-0": (0.4, 0.0, "both coordinates shrink: alpha h = 0.08 and 1.6, both below 2"),
    "0.6-0": (0.6, 0.0, "alpha h = 2.4 is beyond gradient descent's edge of 2: the steep coordinate grows by 1.4 a step"),
    "0.6-0.5": (0.6, 0.5, "momentum widens the edge to 2 + 2 beta = 3: the same step size now converges at sqrt(0.5) a step"),
    "0.6-0.25": (0.6, 0.25, "2.4 is just inside the edge of 2.5: it converges, ringing"),
}
_BETAS = np.array([0.95, 0.9, 0.6, 0.0])
_CURVATURES = np.array([0.1, 1.0, 10.0, 19.0])


def traces(session: Session) -> list[Row]:
    """The end of each of the four traces."""
    return [
        compare(f"001/trace/{name}", run(valley(), Method(alpha, beta), 20).final, why) for name, (alpha, beta, why) in _SETTINGS.items()
    ]


def said(session: Session) -> list[Row]:
    """What the slides say of the traces."""
    half, quarter = (run(valley(), Method(0.6, beta), 20, keep_path=True) for beta in (0.5, 0.25))
    sides = [_crossings(found.path) for found in (half, quarter)]
    why = f"0.25 is the smaller beta; at step 20 its loss is {quarter.loss:.3g} against {half.loss:.3g}, x2 changes sign {sides[1]} times"
    rows = [claim("001/trace/bigger-beta", quarter.loss < half.loss, [half.loss, quarter.loss], why)]
    why = "x2 changes sign all the way: roots -0.45 +- 0.55i, so it swings while it shrinks"
    rows.append(claim("001/trace/straight", sides[0] == 0, sides[0], why))
    slope = np.abs(valley().gradient(valley().start))
    why = "the *curvature* is 20 times larger; the gradient at the start is 8 times larger"
    rows.append(claim("001/trace/gradient-ratio", bool(np.isclose(slope[1] / slope[0], 20)), slope[1] / slope[0], why))
    return rows


def _crossings(walk: Array | None) -> int:
    """How often the steep coordinate changes sign."""
    assert walk is not None
    return int(np.sum(np.diff(np.sign(walk[:, 1])) != 0))


def trace_views(session: Session) -> list[View]:
    """The four real paths."""
    made = []
    for name, (alpha, beta, why) in _SETTINGS.items():
        view = path(valley(), run(valley(), Method(alpha, beta), 20, keep_path=True))
        title = f"alpha {alpha:g}, beta {beta:g}"
        made.append(view._replace(name=f"valley-{name}", title=title, caption=f"{view.caption} Here {why}."))
    return list(made)


def weights(session: Session) -> list[Row]:
    """beta^t at the last point of the plot, and what the sum is an average of."""
    last = past_weights(_BETAS, 40)[:, -1]
    total = past_weights(np.array([0.9, 0.99]), 5000).sum(axis=-1)
    grad = np.random.default_rng(0).standard_normal(30)
    velocity = 0.0
    for g in grad:
        velocity = 0.9 * velocity + g
    as_printed = np.sum(0.9 ** np.arange(30) * grad[::-1])
    return [
        compare("001/weights/t39", last, "beta^39; 0^0 = 1 stands at the other end of the last curve"),
        compare("001/weights/window", effective_window(np.array([0.9, 0.99])), "1/(1 - beta), the mean age of a gradient plus one"),
        formula(
            "001/weights/sum", as_printed, velocity, "the sum is right, with t counted from 0 and the first velocity already a gradient"
        ),
        claim(
            "001/weights/average",
            bool(np.allclose(total, 1)),
            total,
            "the weights sum to 1/(1 - beta), not to 1: a sum, not an average, and the step grows by that factor",
        ),
    ]


def weight_views(session: Session) -> list[View]:
    """The plot of the slides."""
    t = np.arange(40)
    lines = tuple(
        line(t, row, f"beta {beta:g}", "ramp", shade=index / 3)
        for index, (beta, row) in enumerate(zip(_BETAS, past_weights(_BETAS, 40), strict=True))
    )
    return [
        Curves(
            "past-weights",
            "How much a gradient still counts",
            lines,
            "steps ago",
            "weight",
            "Weights beta^t of past gradients in the velocity.",
            log_y=False,
        )
    ]


def scalar(session: Session) -> list[Row]:
    """The plotted curves (1 - eta lambda)^t, and what they are said to show."""
    plain = Method(0.1)
    factors = 1 - 0.1 * _CURVATURES
    rows = [compare("001/scalar/factors", factors, "gradient descent on one curvature each: geometric, with this factor")]
    reads = 0.1 * _CURVATURES
    walked = np.array([run(_mode(h), plain, 19).final[0] for h in _CURVATURES])
    rows.append(formula("001/scalar/curves", (1 - reads) ** 19, walked, "the run itself at t = 19; curvature 10 is solved in one step"))
    slow, fast = (float(np.max(rate(Method(0.1, beta), _CURVATURES))) for beta in (0.0, 0.9))
    why = (
        "the plotted curves have no momentum in them; with 0.9 added at the same step size the worst factor on these curvatures falls "
        f"from {slow:.4g} to {fast:.4g}, because that beta suits them: kappa becomes sqrt(kappa) when both are tuned"
    )
    rows.append(claim("001/scalar/condition", bool(np.allclose(factors, rate(Method(0.1, 0.9), _CURVATURES))), [slow, fast], why))
    return rows


def _mode(curvature: float) -> Problem:
    return one_mode(float(curvature), start=1.0)


def scalar_views(session: Session) -> list[View]:
    """The four curves of the slides, and the same with momentum."""
    t = np.arange(20)
    made: list[View] = []
    for beta in (0.0, 0.9):
        runs = [run(_mode(h), Method(0.1, beta), 19, keep_path=True).path for h in _CURVATURES]
        lines = tuple(
            line(t, x[:, 0], f"h = {h:g}", "ramp", shade=i / 3)
            for i, (h, x) in enumerate(zip(_CURVATURES, runs, strict=True))
            if x is not None
        )
        title = "One curvature at a time, " + ("gradient descent" if beta == 0 else "with momentum 0.9")
        made.append(
            Curves(
                f"scalar-beta-{beta:g}", title, lines, "step", "x", f"x after each step from 1, alpha = 0.1, beta = {beta:g}.", log_y=False
            )
        )
    return made


EXPERIMENTS = [
    Experiment("valley-traces", "001", "Four traces in the valley 0.1 x1^2 + 2 x2^2", traces, trace_views),
    Experiment("valley-claims", "001", "What the slides say of the four traces", said),
    Experiment("past-weights", "001", "How much past gradients count", weights, weight_views),
    Experiment("scalar-quadratic", "001", "One curvature at a time", scalar, scalar_views),
]
