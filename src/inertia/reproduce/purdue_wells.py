"""Document 003: two wells and the saddle between them, from the page's four starts, by heavy ball and Nesterov."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import double_well
from ..problems.base import Array
from ..report.views import Path, Strips, View, line
from ..report.views import Row as Strip
from ..theory.modes import rate, roots
from .experiment import Experiment, Row, Session, claim, compare
from .walks import crossings, last_beyond, walk

__all__ = ["EXPERIMENTS"]

_STARTS = {"a": (-1.5, -1.5), "b": (0.0, 1.0), "c": (0.01, 1.0), "d": (1.5, 1.5)}
_METHODS = {"heavy-ball": Method(0.1, 0.5), "nesterov": Method(0.1, 0.5, 0.5)}


def paths(session: Session) -> list[Row]:
    """Where each of the eight runs ends and when it is there."""
    rows = []
    for name, method in _METHODS.items():
        for key, start in _STARTS.items():
            found = walk(double_well(), method, 100, start=start)
            end = found[-1].round(3) + 0.0
            why = f"from {start}: last steps farther than 1e-3 and 1e-6 from ({end[0]:g}, {end[1]:g})"
            rows.append(compare(f"003/wells/{name}/{key}/end", found[-1], f"the basin of its side; at step 100 ({end[0]:g}, {end[1]:g})"))
            rows.append(compare(f"003/wells/{name}/{key}/steps", last_beyond(found, end, [1e-3, 1e-6]), why))
    return rows


def path_views(session: Session) -> list[View]:
    """The two figures of the page."""
    f = double_well()
    x, y = np.linspace(-1.8, 1.8, 220), np.linspace(-1.8, 1.8, 220)
    ground = f.value(np.stack(np.meshgrid(x, y), axis=-1))
    made: list[View] = []
    for name, method in _METHODS.items():
        found = {key: walk(f, method, 100, start=start) for key, start in _STARTS.items()}
        named = {"b": "", "c": "(0, 1) and (0.01, 1)", "d": "(1.5, 1.5)"}
        roles = {"b": "ink", "c": "grey", "d": "ramp"}
        others = tuple(line(found[key][:, 0], found[key][:, 1], label=named[key], role=role) for key, role in roles.items())
        caption = "Four starts, 100 steps, alpha 0.1, beta 0.5. The run from (0, 1) stops on the saddle at the centre."
        title = f"Two wells and a saddle: {name.replace('-', ' ')}"
        made.append(Path(f"wells-{name}", title, x, y, ground, found["a"], np.array([-1.0, 0.0]), caption, others))
    return made


def stationary(session: Session) -> list[Row]:
    """What stands at (0, 0), and what the paths do around it and around the minima."""
    f = double_well()
    at = _curvatures(np.zeros(2))
    well = _curvatures(np.array([1.0, 0.0]))
    grow = [float(np.abs(roots(method, -4.0)).max()) for method in _METHODS.values()]
    settle = [[float(rate(method, h)) for h in well[::-1]] for method in _METHODS.values()]
    signs = [crossings(walk(f, method, 60, start=(-1.5, -1.5))[:, 1]) for method in _METHODS.values()]
    trapped = walk(f, _METHODS["heavy-ball"], 100, start=(0.0, 1.0))[-1]
    return [
        claim(
            "003/wells/minimum",
            bool(at[0] > 0),
            at,
            "curvatures -4 and 2 at (0, 0): a saddle with f = 0. The minima are (-1, 0) and (1, 0), f = -1",
        ),
        claim("003/wells/trapped", bool(np.linalg.norm(trapped) < 1e-9), trapped, "x1 = 0 is a line that the gradient never leaves"),
        compare("003/wells/curvatures", well[::-1], "Hessian diag(12 x1^2 - 4, 2) at the minima"),
        compare("003/wells/leaves", grow, "how fast heavy ball and Nesterov leave the saddle, factor per step"),
        compare("003/wells/rates", settle, "factor per step at curvatures 8 and 2: heavy ball, then Nesterov"),
        claim(
            "003/wells/ironed-out",
            signs[1] == 0,
            signs,
            "sign changes of x2 in 60 steps, heavy ball and Nesterov: still complex roots, so it is better damped, not free of oscillation",
        ),
    ]


def _curvatures(at: Array) -> Array:
    return np.sort(np.diag([double_well().hvp(at, unit)[i] for i, unit in enumerate(np.eye(2))]).diagonal())


def escape_times(size: float, seeds: int) -> Array:
    """Steps until |x1| > 0.9 from (0, 1), after a kick of this size in a random direction, one per seed."""
    turn = np.random.default_rng(3).uniform(0, 2 * np.pi, seeds)
    found = [walk(double_well(), _METHODS["heavy-ball"], 120, start=(0.0, 1.0), kick=size * np.array([np.cos(t), np.sin(t)])) for t in turn]
    return np.array([float(np.argmax(np.abs(path[:, 0]) > 0.9)) if np.any(np.abs(path[:, 0]) > 0.9) else np.nan for path in found])


def kicks(session: Session) -> list[Row]:
    """A small initial velocity: straight to the side, and in random directions; and the sign that the page's code flips."""
    f = double_well()
    straight = []
    for size in (1e-3, 1e-6):
        path = walk(f, _METHODS["heavy-ball"], 120, start=(0.0, 1.0), kick=(size, 0.0))
        straight.append(int(np.argmax(np.abs(path[:, 0]) > 0.9)))
    times = escape_times(1e-3, session.seeds)
    pushed = [_as_coded(name, 0.1) for name in _METHODS]
    return [
        compare(
            "003/wells/kick-steps",
            straight,
            "steps until |x1| > 0.9 after a kick of 1e-3 and 1e-6 along x1: ten times less costs a few steps",
        ),
        claim(
            "003/wells/kick-random",
            bool(np.all(np.isfinite(times))),
            [np.mean(np.isfinite(times)), np.nanmedian(times)],
            f"share of {session.seeds} random directions that escape, and the median step: a saddle has a falling side, any kick will do",
        ),
        claim(
            "003/wells/kick-sign",
            bool(pushed[0] * pushed[1] > 0),
            pushed,
            "x1 after one step of the page's functions with v0 = 0.1: `nesterov` stores -v and subtracts it: the same v0 kicks backwards",
        ),
    ]


def _as_coded(name: str, v: float) -> float:
    """x1 after one step from 0.01 of the page's function of that name, as it is written there."""
    slope = lambda x: 4 * x**3 - 4 * x  # noqa: E731  (the page's own one-liner)
    x = 0.01
    if name == "heavy-ball":
        return x + (0.5 * v - 0.1 * slope(x)) - x
    return x - (0.5 * v + 0.1 * slope(x - 0.5 * v)) - x


def kick_views(session: Session) -> list[View]:
    """How long the escape takes."""
    rows = tuple(Strip(f"kick {size:g}", escape_times(size, session.seeds)) for size in (1e-1, 1e-2, 1e-3, 1e-6))
    caption = "Steps until |x1| > 0.9 from (0, 1), one dot per random direction: the time grows with the logarithm of the kick."
    return [Strips("wells-kicks", "Leaving the saddle", rows, "step", caption)]


EXPERIMENTS = [
    Experiment("double-well", "003", "Two wells from four starts, heavy ball and Nesterov", paths, path_views),
    Experiment("double-well-saddle", "003", "Two wells: the 'minimum' is a saddle", stationary),
    Experiment("double-well-kicks", "003", "Two wells: kicked off the saddle", kicks, kick_views, stochastic=True),
]
