"""Document 000: linear regression by momentum with the learning rate inside the velocity, and the comparison it leaves out.

Three epochs of 1000 made-up examples in batches of 10; eta = 0.2, falling to 0.02 before the third epoch. The data and the
shuffles of the original cannot be replayed (its random generator is MXNet's), so every number is a distribution over seeds.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.record import Record
from ..problems import linear_regression
from ..problems.simulation import run
from ..report.views import Curves, Mark, Strips, View, line
from ..report.views import Row as Strip
from .experiment import Experiment, Row, Session, claim, compare, printed

__all__ = ["EXPERIMENTS", "three_epochs"]

Array = NDArray[np.float64]
_EPOCH = 100  # steps


def three_epochs(learning_rate: float, momentum: float, seed: int, every: int = _EPOCH) -> tuple[list[float], Array]:
    """Full losses after each epoch (or every `every` steps) and the final (w1, w2, b) of one seeded run, on data drawn from that seed.

    The velocity holds the learning rate (v <- gamma v + eta g). When eta falls by 10 the speed survives; a velocity in
    gradient units must therefore be multiplied by 10 there ("momentum correction", the other way round).
    """
    problem = linear_regression(seed)
    method = Method(learning_rate, momentum)
    first: Record = run(problem, method, 2 * _EPOCH, batch_size=10, seed=seed, evaluate_every=every)
    if first.diverged_at is not None:
        return [np.inf] * (3 * _EPOCH // every), first.final
    slow = method._replace(alpha=learning_rate / 10)
    kept = 10 * first.notes["velocity"]
    last = run(problem, slow, _EPOCH, start=first.params, velocity=kept, batch_size=10, seed=seed + 10**6, evaluate_every=every)
    return [float(loss) for loss in (*first.losses[1:], *last.losses[1:])], last.final


def _many(learning_rate: float, momentum: float, session: Session) -> tuple[Array, Array]:
    return _runs(learning_rate, momentum, session.seeds)


@lru_cache(maxsize=8)
def _runs(learning_rate: float, momentum: float, seeds: int) -> tuple[Array, Array]:
    losses, finals = zip(*(three_epochs(learning_rate, momentum, seed) for seed in range(seeds)), strict=True)
    return np.array(losses), np.array(finals)


def regression(session: Session) -> list[Row]:
    """The printed losses and weights, as places in the distribution over seeds."""
    losses, finals = _many(0.2, 0.9, session)
    plain, _ = _many(0.2, 0.0, session)
    matched, _ = _many(0.02, 0.9, session)
    middle = np.median(losses, axis=0)
    ratio = middle[0] / np.median(plain[:, 0])
    whys = (
        f"after one epoch plain SGD at the same 0.2 is already at {np.median(plain[:, 0]):.3g}, {ratio:.0f} times lower: momentum 0.9 "
        "multiplies the effective step by 10, which this well-conditioned problem does not need",
        f"still settling; at the matched effective step (0.02) the median here is {np.median(matched[:, 1]):.3g}",
        "near the floor sigma^2/2 = 5e-5 of the noise in the targets: every method ends here",
    )
    rows = [compare(f"000/regression/epoch-{k + 1}", 0.0, whys[k], runs=losses[:, k]) for k in range(3)]
    for k, name in enumerate(("w1", "w2", "b")):
        why = "scatters about the truth by the noise of 1000 targets and of the last steps"
        rows.append(compare(f"000/regression/{name}", 0.0, why, runs=finals[:, k]))
    return rows


def plain(session: Session) -> list[Row]:
    """The run that the chapter leaves out: the chapter before it trained the same data by plain SGD."""
    losses, _ = _many(0.2, 0.0, session)
    heavy, _ = _many(0.2, 0.9, session)
    matched, _ = _many(0.02, 0.9, session)
    first = [float(np.median(runs[:, 0])) for runs in (losses, heavy, matched)]
    last = [float(np.median(runs[:, 2])) for runs in (losses, heavy, matched)]
    why = "plain SGD at the same learning rate is at the noise floor after one epoch, so momentum had nothing to win here"
    rows = [compare(f"000/plain/epoch-{k + 1}", 0.0, why, runs=losses[:, k]) for k in range(3)]
    why = f"at equal learning rate momentum is {first[1] / first[0]:.0f} times behind after an epoch: its effective step is 2.0, not 0.2"
    rows.append(claim("000/comparison/equal", first[1] > first[0], first[:2], why))
    why = "medians after three epochs of plain 0.2, momentum at 0.2 and at the matched 0.02: all at the floor, plain SGD first"
    rows.append(claim("000/comparison/matched", abs(last[2] / last[0] - 1) < 0.1, last, why))
    return rows


def regression_views(session: Session) -> list[View]:
    """Losses after each epoch, one dot per seed, and the printed ones."""
    heavy, plain_runs, matched = (_many(rate, beta, session)[0] for rate, beta in ((0.2, 0.9), (0.2, 0.0), (0.02, 0.9)))
    rows = [Strip(f"momentum, epoch {k + 1}", heavy[:, k], float(printed(f"000/regression/epoch-{k + 1}").value)) for k in range(3)]
    rows += [Strip(f"plain 0.2, epoch {k + 1}", plain_runs[:, k], float(printed(f"000/plain/epoch-{k + 1}").value)) for k in range(3)]
    rows += [Strip("momentum 0.02, epoch 1", matched[:, 0])]
    caption = "Full loss, one dot per seed, bars from 5 to 95 %, printed values as diamonds. Plain SGD is at the floor after one epoch."
    k = np.arange(1, 3 * _EPOCH + 1)
    settings = (("momentum, 0.2", 0.2, 0.9, "hot"), ("momentum, 0.02", 0.02, 0.9, "ramp"), ("plain, 0.2", 0.2, 0.0, "ink"))
    lines = tuple(line(k, three_epochs(rate, beta, 0, every=1)[0], label, role) for label, rate, beta, role in settings)
    told = "The loss figure of the chapter, one seed, and the runs beside it; the rate falls to a tenth before the third epoch."
    curves = Curves("regression-loss", "The loss over three epochs", lines, "step", "loss", told, marks=(Mark(2.0 * _EPOCH, "rate / 10"),))
    return [curves, Strips("regression", "Three epochs of linear regression", tuple(rows), "loss", caption, log_x=True)]


EXPERIMENTS = [
    Experiment("linear-regression", "000", "Momentum on linear regression, three epochs", regression, regression_views, stochastic=True),
    Experiment("plain-comparison", "000", "The same data by plain SGD: the comparison the chapter leaves out", plain, stochastic=True),
]
