"""Document 000: linear regression by momentum with the learning rate inside the velocity, and the comparison it leaves out.

Three epochs of 1000 made-up examples in batches of 10; eta = 0.2, falling to 0.02 before the third epoch. The data and the
shuffles of the original cannot be replayed (its random generator is MXNet's), so every number is a distribution over seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..method import Method
from ..problems import linear_regression
from ..record import Record
from ..reference import run
from .experiment import Experiment, Row, Session, compare

__all__ = ["EXPERIMENTS", "three_epochs"]

Array = NDArray[np.float64]
_EPOCH = 100  # steps


def three_epochs(learning_rate: float, momentum: float, seed: int) -> tuple[list[float], Array]:
    """Full losses after each epoch and the final (w1, w2, b) of one seeded run, on data drawn from that seed.

    The velocity holds the learning rate (v <- gamma v + eta g). When eta falls by 10 the speed survives; a velocity in
    gradient units must therefore be multiplied by 10 there ("momentum correction", the other way round).
    """
    problem = linear_regression(seed)
    method = Method(learning_rate, momentum)
    first: Record = run(problem, method, 2 * _EPOCH, batch_size=10, seed=seed, evaluate_every=_EPOCH)
    if first.diverged_at is not None:
        return [np.inf] * 3, first.final
    slow = method._replace(alpha=learning_rate / 10)
    kept = 10 * first.notes["velocity"]
    last = run(problem, slow, _EPOCH, start=first.final, velocity=kept, batch_size=10, seed=seed + 10**6, evaluate_every=_EPOCH)
    return [float(first.losses[1]), float(first.losses[2]), float(last.losses[-1])], last.final


def _many(learning_rate: float, momentum: float, session: Session) -> tuple[Array, Array]:
    losses, finals = [], []
    for seed in range(session.seeds):
        loss, final = three_epochs(learning_rate, momentum, seed)
        losses.append(loss)
        finals.append(final)
        session.progress(seed + 1, session.seeds)
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
    why = "plain SGD at the same learning rate is at the noise floor after one epoch, so momentum had nothing to win here"
    return [compare(f"000/plain/epoch-{k + 1}", 0.0, why, runs=losses[:, k]) for k in range(3)]


def _experiment(name: str, title: str, body: Callable[[Session], list[Row]]) -> Experiment:
    return Experiment(name, "000", title, body, stochastic=True)


EXPERIMENTS = [
    _experiment("linear-regression", "Momentum on linear regression, three epochs", regression),
    _experiment("plain-comparison", "The same data by plain SGD: the comparison the chapter leaves out", plain),
]
