"""Document 003: x^4 - 3x^3 + 2 from -0.5, where momentum carries the ball over a flat inflection and nothing else does."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems import quartic
from ..problems.base import Array
from ..problems.simulation import run_many
from ..report.views import Curves, Mark, View, line
from ..theory.modes import edge, rate
from ..theory.physics import explicit_edge, explicit_step
from .experiment import Experiment, Row, Session, claim, compare
from .walks import last_beyond, walk

__all__ = ["EXPERIMENTS", "explicit_path"]

_PAGE = Method(0.1, 0.5)
_MINIMUM = 2.25


def explicit_path(method: Method, start: float, steps: int) -> Array:
    """The scheme that the page derives, x moved with the *old* velocity, until it leaves floating point."""
    x, v, seen = start, 0.0, [start]
    for _ in range(steps):
        x, v = explicit_step(method, x, v, x * x * (4 * x - 9))
        if not np.isfinite(x) or abs(x) > 1e100:
            break
        seen.append(x)
    return np.array(seen)


def path(session: Session) -> list[Row]:
    """The published curve, point by point, and the three things observed on it."""
    found = walk(quartic(), _PAGE, 100)[:, 0]
    late = last_beyond(found[:, None], _MINIMUM, [1e-1, 1e-2, 1e-3, 1e-6, 1e-9])
    speed = np.abs(np.diff(found))
    single = _single_precision()
    return [
        compare("003/quartic/path", found[:16], "the first 16 of 101 points of the published curve"),
        compare("003/quartic/final", found[-1], "9/4, where f' = x^2 (4x - 9) vanishes and f'' = 20.25"),
        compare("003/quartic/single", single, "the same in 32-bit floats, as the page ran it"),
        compare("003/quartic/settled", late, "last steps farther than 1e-1, 1e-2, 1e-3, 1e-6, 1e-9 from the minimum"),
        claim(
            "003/quartic/not-trapped",
            found[-1] > 1,
            found[-1],
            "it rolls through 0 with the speed it has; the next experiment takes that away",
        ),
        claim(
            "003/quartic/accelerates",
            bool(speed[3:13].argmax() == 9),
            speed[3:13],
            "the steps shrink from 0.27 to 0.035 at the flat place and then grow to 0.9 at the drop behind it",
        ),
        claim(
            "003/quartic/oscillates",
            bool(found.max() > _MINIMUM and abs(found[-1] - _MINIMUM) < 1e-9),
            [found.max(), found[-1]],
            f"it overshoots to 2.73, then each step multiplies the error by {float(rate(_PAGE, 20.25)):.4f}",
        ),
    ]


def _single_precision() -> float:
    x, v = np.float32(-0.5), np.float32(0)
    for _ in range(100):
        v = np.float32(0.5) * v - np.float32(0.1) * (np.float32(4) * x**3 - np.float32(9) * x**2)
        x = x + v
    return float(x)


def path_views(session: Session) -> list[View]:
    """The two figures of the page, with the runs that fail beside the one that works."""
    k = np.arange(101)
    runs = {"page's algorithm": (_PAGE, "hot"), "beta = 0": (Method(0.1), "grey"), "Nesterov": (Method(0.1, 0.5, 0.5), "ink")}
    lines = [line(k, walk(quartic(), method, 100)[:, 0], label, role) for label, (method, role) in runs.items()]
    euler = explicit_path(_PAGE, -0.5, 15)
    lines.append(line(np.arange(len(euler)), np.where(np.abs(euler) < 4, euler, np.nan), "explicit Euler", "pale", dashed=True))
    caption = "x after every step from -0.5, alpha 0.1, beta 0.5. Only the page's (semi-implicit) heavy ball reaches the minimum at 9/4."
    iterates = Curves("quartic-iterates", "Over the inflection and into the minimum", tuple(lines), "step", "x", caption, log_y=False)
    x = np.linspace(-0.8, 3.0, 300)
    found = walk(quartic(), _PAGE, 100)[:, 0]
    curve = (line(x, quartic().value(x[:, None]), "f(x)", "ink"), line(found, quartic().value(found[:, None]), "steps", "hot", dots=True))
    marks = (Mark(0.0, "inflection"), Mark(_MINIMUM, "minimum"))
    caption = "The 101 points on the function: long steps, a crawl past 0, then the drop and a swing that dies out."
    return [
        iterates,
        Curves("quartic-function", "x^4 - 3x^3 + 2 and the way across it", curve, "x", "f", caption, log_y=False, marks=marks),
    ]


def why_it_works(session: Session) -> list[Row]:
    """What the page leaves open: the stationary point's kind, the scheme that was derived, and how much momentum is needed."""
    f = quartic()
    zero = np.zeros(1)
    flat = [float(f.gradient(zero)[0]), float(f.hvp(zero, np.ones(1))[0])]
    euler = explicit_path(_PAGE, -0.5, 40)
    burst = int(np.argmax(np.abs(euler) > 1e6))
    betas = np.arange(0.0, 0.51, 0.01)
    ends = np.array([record.final[0] for record in run_many(f, Method(0.1, betas), 2000, evaluate_every=2000)])
    escapes = betas[ends > 1]
    typical = walk(f, Method(0.1, 0.9), 100)
    defaults = walk(f, Method(0.9, 0.9), 100)
    starts = np.linspace(-1.0, -0.01, 100)
    low, high = (_share_over(starts, beta) for beta in (0.3, 0.5))
    return [
        claim(
            "003/quartic/saddle",
            bool(flat[1] < 0),
            [*flat, -18.0],
            "f' = f'' = 0 and f''' = -18: in one dimension this is a flat inflection, attracting from the left and repelling to the right",
        ),
        claim(
            "003/quartic/near",
            bool(abs(f.gradient(f.start)[0]) < 0.1),
            f.gradient(f.start)[0],
            "at -0.5 the slope is -2.75: a running start",
        ),
        claim(
            "003/quartic/euler",
            bool(abs(euler[-1]) < 10),
            burst,
            "derived with x moved by the old velocity, coded with the new one. "
            f"The derived scheme survives curvature {explicit_edge(_PAGE):g}, the "
            f"coded one {float(edge(_PAGE)):g}; the minimum has 20.25, so the derived one is beyond 1e6 at this step",
        ),
        compare("003/quartic/threshold", escapes[0], "smallest beta on a grid of 0.01 that gets from -0.5 to the minimum at alpha 0.1"),
        claim(
            "003/quartic/probability",
            bool(high > 0.9),
            [low, high],
            "no chance is involved: a start always ends in the same place. Of 100 starts in [-1, 0), these shares cross at beta 0.3, 0.5",
        ),
        compare(
            "003/quartic/typical",
            _beyond(typical),
            "with beta 0.9 at the page's alpha the ball flies out of the well: first step beyond 1e6",
        ),
        claim(
            "003/quartic/defaults",
            len(defaults) > 100,
            len(defaults) - 1,
            "alpha 0.9 times curvature 20.25 is beyond every edge 2 + 2 beta",
        ),
    ]


def _beyond(path: Array) -> int:
    """First step beyond 1e6."""
    return int(np.argmax(np.abs(path[:, 0]) > 1e6))


def _arrives(path: Array) -> int:
    """First step within 1e-3 of the minimum."""
    return int(np.argmax(np.abs(path[:, 0] - _MINIMUM) <= 1e-3))


def _share_over(starts: Array, beta: float) -> float:
    ran = run_many(quartic(), Method(np.full(len(starts), 0.1), beta), 1000, start=starts[:, None], evaluate_every=1000)
    return float(np.mean([record.diverged_at is None and record.final[0] > 1 for record in ran]))


def try_it(session: Session) -> list[Row]:
    """The page's three questions (beta = 0, beta = 1, start on the stationary point) and its remedy, the kick."""
    f = quartic()
    creep = walk(f, Method(0.1), 100)[-1, 0]
    cycle = np.sort(walk(f, Method(0.1), 4001, start=[2.2])[-2:, 0])
    free = walk(f, Method(0.1, 1.0), 100)
    swing = walk(f, Method(0.001, 1.0), 20_000)[:, 0]
    still = walk(f, _PAGE, 100, start=[0.0])[-1, 0]
    times = [_arrives(walk(f, _PAGE, 7000, start=[0.0], kick=v)) for v in (0.1, 0.01, 1e-3, 1e-4)]
    back = [walk(f, _PAGE, 3000, start=[0.0], kick=-v)[-1, 0] for v in (0.1, 0.01, 1e-3, 1e-4)]
    ahead = walk(f, Method(0.1, 0.5, 0.5), 100)[-1, 0]
    return [
        compare("003/quartic/beta-0", creep, "without momentum it creeps to the inflection and never passes: x ~ -1/(9 alpha k)"),
        compare("003/quartic/beta-0-cycle", cycle, "started beyond it, alpha h = 2.025 > 2: two points for ever, around the minimum"),
        compare("003/quartic/beta-1", len(free) - 1, "nothing is lost, and at this alpha the swing even grows: last finite step"),
        compare(
            "003/quartic/beta-1-small", [swing.min(), swing.max()], "at alpha 0.001 it swings for ever between two points of equal height"
        ),
        compare("003/quartic/on-it", still, "no slope, no speed, no motion: the gradient there is exactly 0"),
        compare(
            "003/quartic/kicks",
            np.array(times, dtype=float),
            "first step within 1e-3 of the minimum after a kick of 0.1, 0.01, 0.001, 0.0001 to the right",
        ),
        claim(
            "003/quartic/kick-left",
            bool(np.min(back) > 1),
            back,
            "a kick to the left climbs, comes back and stops at 0 from below, where the inflection attracts: only kicks to the right work",
        ),
        compare("003/quartic/nesterov", ahead, "Nesterov at the same numbers looks ahead, brakes early and stays at the inflection"),
    ]


EXPERIMENTS = [
    Experiment("quartic-path", "003", "A quartic in one dimension: the published path", path, path_views),
    Experiment("quartic-why", "003", "A quartic in one dimension: what made it work", why_it_works),
    Experiment("quartic-questions", "003", "A quartic in one dimension: beta 0, beta 1, start at 0, kicks", try_it),
]
