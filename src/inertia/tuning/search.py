"""Verify a choice by a few full runs, and recommend only what was seen to work.

Runs move along the scale alpha/(1 - beta), the distance that one gradient finally pushes:

    the choice, and 4 times its scale;  better there: 8 times;  worse: in between, at sqrt 2;
    worse, and the choice disappoints or only noise holds it up: half its scale.

A forecast on a quadratic errs on the timid side where the curvature falls along the way, so the search looks upwards first.
A run that diverges is a result. Every finished run is handed over before the next one starts, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..core.method import Method
from ..core.record import Record
from ..errors import BadInput, Diverged
from ..problems.simulation import Interrupted
from .choose import rounded

__all__ = ["Search", "Trial", "Variant", "diverged", "score", "settled", "verify"]

Trial: TypeAlias = Callable[[Sequence[Method]], list[Record]]  # full runs of some methods under the user's schedule
Variant: TypeAlias = Callable[[float], Method | None]  # the best method at a multiple of the choice's scale; None: none is stable
_UP, _BETWEEN, _DOWN = 4.0, 2**0.5, 0.5  # multiples of the scale
_TAIL = 0.1  # share of the readings at the end that are compared: one mini-batch should not decide
_SHAKEN = 0.15  # scatter over loss at the end above which a lower rate is likely to end lower
_SETTLED = 0.4  # fall over scatter below which a run is held up by its noise
_LAST = 8  # runs after which a search that only saw divergence gives up


@dataclass(frozen=True, eq=False)
class Search:
    """All runs in the order in which they were made, the one recommended, and what is known above it."""

    runs: list[Record]
    best: int  # index of the recommended run
    margin: float | None  # largest multiple of its alpha/(1 - beta) that also ran to the end; None where none was tried
    broke: float | None  # smallest multiple at which a run diverged; None where none did

    @property
    def record(self) -> Record:
        """The recommended run."""
        return self.runs[self.best]


def verify(
    method: Method,
    trial: Trial,
    variant: Variant | None = None,
    *,
    runs: int = 3,
    disappointing: float = np.inf,
    first: Sequence[float] = (1.0, _UP),
    following: Callable[[dict[float, Record]], float] | None = None,
    wary: Callable[[dict[float, Record]], float | None] | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> Search:
    """Run the method and its neighbours in scale, at most `runs` times, and pick the best that did not diverge.

    `variant(factor)` names the method to try at that multiple of the scale (default: the same with factor * alpha). A
    method is never picked if it diverged, nor if a run at up to twice its alpha and twice its scale did. A first run that ends above
    `disappointing`, or that noise alone holds up (`settled`), makes the search look below. `first` are the multiples that run
    together at the start; `following(done)` names the next one (default: the rule above), and `wary(done)` may name one to
    recommend instead of the best. If nothing works, the scale is divided by 4 again and again (8 runs at most).

    Raises:
        BadInput: runs below 1.
        Diverged: no run stayed finite.
        Interrupted: Ctrl-C; what was finished has been handed to `on_record`.

    >>> from ..problems import valley
    >>> from ..problems.simulation import run_many
    >>> found = verify(Method(0.05, beta=0.5), lambda methods: run_many(valley(), methods, 20))
    >>> [round(float(run.method.alpha), 3) for run in found.runs], round(float(found.record.method.alpha), 3)
    ([0.05, 0.2, 0.4], 0.4)
    """
    if runs < 1:
        raise BadInput(f"runs = {runs} is too few: a recommendation needs at least 1 run")
    make: Variant = variant or (lambda factor: rounded(method._replace(alpha=method.alpha * factor)))
    done: dict[float, Record] = {}  # multiple of the scale -> run

    def go(factors: Sequence[float]) -> bool:
        named = {factor: method if factor == 1 else make(factor) for factor in factors}
        stable = {factor: one for factor, one in named.items() if one is not None}
        if not stable:
            return False
        try:
            done.update(zip(stable, _handed(trial(list(stable.values())), on_record), strict=True))
        except Interrupted as stopped:
            _handed(stopped.records, on_record)
            raise
        return True

    go(list(first)[:runs])
    while len(done) < runs or (_pick(done) is None and len(done) < _LAST):
        if all(map(diverged, done.values())):
            wanted = min(done) / _UP
        elif len(done) >= runs:  # what worked has a divergence just above it
            wanted = min(done) / 2
        else:
            wanted = following(done) if following is not None else _next(done, disappointing)
        if wanted in done or not go([wanted]):
            break
    best = _pick(done)
    if best is not None and wary is not None:
        best = wary(done) or best
    if best is None:
        tried = ", ".join(f"{run.method.alpha:.3g}" for run in done.values())
        raised = {str(run.notes["error"]) for run in done.values() if "error" in run.notes}
        if raised:
            raise Diverged(f"every run ended with an exception: {'; '.join(sorted(raised))}", list(done.values()))
        raise Diverged(
            f"no verification run can be recommended (alpha = {tried}): the loss may be unbounded below or not finite near the start",
            list(done.values()),
        )
    above = {factor / best: diverged(run) for factor, run in done.items() if factor > best}
    fine, broke = [factor for factor, bad in above.items() if not bad], [factor for factor, bad in above.items() if bad]
    return Search(list(done.values()), list(done).index(best), max(fine, default=None), min(broke, default=None))


def diverged(record: Record) -> bool:
    """Whether a run is lost: it stopped being finite, or ended above where it started.

    >>> diverged(Record(Method(0.1), np.array([1.0, 2.0]), np.zeros(1), steps=1))
    True
    """
    return record.diverged_at is not None or not record.losses[-1] <= record.losses[0]


def score(record: Record) -> float:
    """What runs are compared by: mean plus scatter (about its trend) of the last tenth of the readings; inf for a lost run.

    The scatter is what another order of the same mini-batches may cost; without it one lucky last batch would win.

    >>> score(Record(Method(0.1), np.array([2.0, 1.0]), np.zeros(1), steps=1))
    1.0
    """
    if diverged(record):
        return float("inf")
    return float(sum(_ending(record)))


def _ending(record: Record) -> tuple[float, float]:
    """Mean of the last tenth of the readings, and their scatter about its trend."""
    count = max(int(_TAIL * len(record.losses)), int(record.notes.get("tail", 0)))  # where readings are few, the run says how many
    if count < 3:
        return float(record.losses[-1]), 0.0
    tail, clock = record.losses[-count:], np.linspace(-1, 1, count)
    trend = clock * (clock @ tail) / (clock @ clock)
    return float(tail.mean()), float(np.std(tail - trend))


def settled(record: Record) -> bool:
    """Whether noise holds a run up: over its last third the loss falls by less than it scatters, or it ends in much scatter.

    >>> shaken, falling = 5 + np.sin(np.arange(300)), np.linspace(9, 0, 300)
    >>> [settled(Record(Method(0.1), np.append(9.0, losses), np.zeros(1), 300)) for losses in (shaken, shaken + falling)]
    [True, False]
    """
    tail = record.losses[-(len(record.losses) // 3) :]
    if len(tail) < 10 or diverged(record):
        return False
    mean, scatter = _ending(record)
    if scatter > _SHAKEN * mean:
        return True
    clock = np.linspace(-1, 1, len(tail))
    slope = float(clock @ tail / (clock @ clock))
    return -2 * slope < _SETTLED * float(np.std(tail - slope * clock))


def _next(done: dict[float, Record], disappointing: float) -> float:
    """The multiple of the scale to run next."""
    scores = {factor: score(run) for factor, run in done.items()}
    best = min(scores, key=lambda factor: scores[factor])
    if best == max(done):
        return best * 2 if len(done) > 1 else _UP
    if best == min(done) and (best < 1 or done[1.0].loss > disappointing or settled(done[1.0])):
        return best * _DOWN
    return best * _BETWEEN


def _pick(done: dict[float, Record]) -> float | None:
    """The best multiple beside which nothing diverged: nothing up to twice as bold in alpha and in scale."""
    lost = [run.method for run in done.values() if diverged(run)]
    for factor in sorted(done, key=lambda each: score(done[each])):
        if not diverged(done[factor]) and not any(_beside(done[factor].method, bad) for bad in lost):
            return factor
    return None


def _beside(mine: Method, bad: Method) -> bool:
    """Whether a method is at most twice as bold as another, whichever way boldness is counted."""
    reach = 2 * (1 + 1e-9)
    return bool(bad.alpha <= reach * mine.alpha and bad.alpha / (1 - bad.beta) <= reach * mine.alpha / (1 - mine.beta))


def _handed(records: list[Record], on_record: Callable[[Record], None] | None) -> list[Record]:
    if on_record is not None:
        for record in records:
            on_record(record)
    return records
