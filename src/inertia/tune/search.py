"""Verify a choice by a few full runs, and recommend only what was seen to work.

    run the choice and four times its alpha (as far as the edge allows);  better there: go on upwards, else try half.

A run that diverges is a result. Every finished run is handed over before the next one starts, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import BadInput, Diverged
from ..method import Method
from ..record import Record
from ..reference import Interrupted
from .choose import rounded

__all__ = ["Search", "Trial", "diverged", "score", "verify"]

Trial: TypeAlias = Callable[[Sequence[Method]], list[Record]]  # full runs of some methods under the user's schedule
_STEP = 4.0  # factor of alpha between the first two runs
_WORTH = 1.4  # a step in alpha smaller than this is not worth a run
_TAIL = 0.05  # share of the readings at the end whose mean is compared: one mini-batch should not decide
_LAST = 8  # runs after which a search that only saw divergence gives up


@dataclass(frozen=True, eq=False)
class Search:
    """All runs in the order in which they were made, the one recommended, and what is known above it."""

    runs: list[Record]
    best: int  # index of the recommended run
    margin: float | None  # largest factor on its alpha that also ran to the end; None where none was tried
    broke: float | None  # smallest factor on its alpha at which a run diverged; None where none did

    @property
    def record(self) -> Record:
        """The recommended run."""
        return self.runs[self.best]


def verify(
    method: Method, trial: Trial, *, ceiling: float = np.inf, runs: int = 3, on_record: Callable[[Record], None] | None = None
) -> Search:
    """Run the method and its neighbours in alpha, at most `runs` times, and pick the best that did not diverge.

    `ceiling` is the largest alpha allowed for this beta and gamma. A method is never picked if it diverged, nor if a run at
    up to twice its alpha did. If nothing works, alpha is divided by 4 again and again (8 runs at most).

    Raises:
        BadInput: runs below 1.
        Diverged: no run stayed finite.
        Interrupted: Ctrl-C; what was finished has been handed to `on_record`.

    >>> from ..problems import valley
    >>> from ..reference import run_many
    >>> found = verify(Method(0.1, beta=0.5), lambda methods: run_many(valley(), methods, 20), ceiling=0.7)
    >>> [round(float(run.method.alpha), 3) for run in found.runs], round(float(found.record.method.alpha), 3)
    ([0.1, 0.4, 0.7], 0.7)
    """
    if runs < 1:
        raise BadInput(f"runs = {runs} is too few: a recommendation needs at least 1 run")
    done: list[Record] = []

    def go(alphas: Sequence[float]) -> None:
        try:
            done.extend(_handed(trial([rounded(method._replace(alpha=alpha)) for alpha in alphas]), on_record))
        except Interrupted as stopped:
            _handed(stopped.records, on_record)
            raise

    first = float(method.alpha)
    up = min(_STEP * first, ceiling)
    other = up if up > _WORTH * first else first / 2
    go([first, other][:runs])
    while len(done) < runs or (all(map(diverged, done)) and len(done) < _LAST):
        following = _next(done, ceiling)
        if following is None:
            break
        go([following])
    best = _pick(done)
    if best is None:
        tried = ", ".join(f"{run.method.alpha:.3g}" for run in done)
        raise Diverged(f"every verification run diverged (alpha = {tried}): the loss may be unbounded or not finite near the start", done)
    alpha = float(done[best].method.alpha)
    above = [(float(run.method.alpha) / alpha, diverged(run)) for run in done if float(run.method.alpha) > alpha * (1 + 1e-9)]
    fine, broke = [factor for factor, bad in above if not bad], [factor for factor, bad in above if bad]
    return Search(done, best, max(fine, default=None), min(broke, default=None))


def diverged(record: Record) -> bool:
    """Whether a run is lost: it stopped being finite, or ended above where it started.

    >>> diverged(Record(Method(0.1), np.array([1.0, 2.0]), np.zeros(1), steps=1))
    True
    """
    return record.diverged_at is not None or not record.losses[-1] <= record.losses[0]


def score(record: Record) -> float:
    """What runs are compared by: the mean loss over the last twentieth of the readings; inf for a lost run.

    >>> score(Record(Method(0.1), np.array([2.0, 1.0]), np.zeros(1), steps=1))
    1.0
    """
    return float("inf") if diverged(record) else float(np.mean(record.losses[-max(1, int(_TAIL * len(record.losses))) :]))


def _next(done: list[Record], ceiling: float) -> float | None:
    """The alpha of the next run: onwards on the side of the best, a quarter of the smallest if all is lost."""
    scores = [score(run) for run in done]
    alphas = [float(run.method.alpha) for run in done]
    if not np.any(np.isfinite(scores)):
        return min(alphas) / _STEP
    best = alphas[int(np.argmin(scores))]
    if best == max(alphas):
        up = min(_STEP * best, ceiling)
        return up if up > _WORTH * best else (best / 2 if min(alphas) > best / 2 else None)
    if best == min(alphas):
        return best / 2
    return None


def _pick(done: list[Record]) -> int | None:
    """Index of the best run above which, up to twice its alpha, nothing diverged."""
    lost = [float(run.method.alpha) for run in done if diverged(run)]
    order = np.argsort([score(run) for run in done], kind="stable")
    for index in order:
        alpha = float(done[index].method.alpha)
        if np.isfinite(score(done[index])) and not any(alpha < bad <= 2 * alpha * (1 + 1e-6) for bad in lost):
            return int(index)
    return None


def _handed(records: list[Record], on_record: Callable[[Record], None] | None) -> list[Record]:
    if on_record is not None:
        for record in records:
            on_record(record)
    return records
