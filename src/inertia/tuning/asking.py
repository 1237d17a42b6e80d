"""What a person asks for, checked and turned into a Budget and a policy: the one place where all doors' `tune` come together."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..core.arrays import single
from ..errors import BadInput
from .budget import Budget
from .checking import Check, check
from .experience.cells import Cell
from .experience.either import EitherPolicy
from .experience.policy import ExperiencePolicy
from .experience.remembering import files_in, folder_of, keep, pinned, recalled
from .loop import Maker, estimate, tune
from .policy import Trial
from .recipe import searched
from .result import Tuning
from .store import Journal, Memory, Store
from .sweeps import Sweep, sweep_of
from .trainable import Limited, Progress, Trainable
from .underway import Setting

__all__ = ["Asked", "Line", "ask", "policy_of", "second_opinion", "shown"]

_FILES = "experience_from"  # of a journal: the names of the tunings that its tuning began with


@dataclass(frozen=True)
class Asked:
    """How to search: everything of a tuning that is not the job, its budget or its bookkeeping."""

    runs: int = 3  # full runs, at most; 0: advice from the measurement alone
    max_cost: float = math.inf  # in runs, measuring included
    seed: int = 0
    prove: bool = False  # one more run, without momentum
    optimizer: str = "sgd"  # or "adamw", or "any": whichever of the two ends lower
    momentum: float | None = None  # fixed, where given
    nesterov: bool | None = None  # its form, where momentum is fixed
    experience: str | os.PathLike[str] | None = None  # a folder of finished tunings that helps, and is added to
    past: Any = None  # runs of this job that were made elsewhere: see `sweeps.sweep_of`

    def __post_init__(self) -> None:
        """Refuse what no tuning can use."""
        for name in ("max_cost",) if self.momentum is None else ("max_cost", "momentum"):
            single(getattr(self, name), name)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise BadInput(f"seed = {self.seed!r} is no seed: give a whole number, 0 or larger")
        if len(searched(self.optimizer)) > 1 and self.momentum is not None:
            raise BadInput(
                f"momentum = {self.momentum:g} is fixed, but it is not the same thing in every optimizer that '{self.optimizer}' searches: "
                "leave momentum out, or say optimizer='sgd' or 'adamw'"
            )
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise BadInput(f"momentum = {self.momentum:g} is outside [0, 1): give one below 1, such as 0.9")
        if self.nesterov is not None and self.momentum is None:
            raise BadInput("nesterov is only used with a fixed momentum: give momentum as well, such as 0.9")
        if not self.max_cost > 0:
            raise BadInput(f"max_cost = {self.max_cost:g}: give the most that may be spent, in runs, such as 3.5")


def ask(
    job: Trainable,
    budget: Budget,
    asked: Asked,
    *,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress | bool | None = None,
    on_run: Callable[[Trial], None] | None = None,
    on_estimate: Callable[[float], None] | None = None,
) -> Tuning:
    """Tune a job behind a door: the estimate is told first, finished work is kept in the folder `journal`, where one is given.

    Raises:
        BadInput, Diverged: see `loop.tune`.
    """
    if isinstance(job, Limited):
        job.refuse(searched(asked.optimizer), budget)
    before = Sweep() if asked.past is None else sweep_of(asked.past, asked.optimizer, maximize=budget.objective.sign < 0)
    told = estimate(job, budget, asked.runs, prove=asked.prove, max_cost=asked.max_cost, optimizer=asked.optimizer)
    if on_estimate is not None:
        on_estimate(told)
    folder = folder_of(None if asked.experience is None else os.fspath(asked.experience))
    store: Store = Memory() if journal is None else Journal(journal, resume=resume)
    try:
        there = files_in(folder)
        # a tuning that is taken up rests on what was there when it began, whatever the folder has gained since, by itself or by others
        files = [name for name in there if store.asked is None or name in store.asked.get(_FILES, ())]
        own = recalled(folder, files)
        known = "+".join(part for part in (pinned(own), before.pin) if part)
        with shown(progress) as tell:
            found = tune(
                job, budget, policy_of(asked, own, before), runs=asked.runs, max_cost=asked.max_cost, seed=asked.seed, prove=asked.prove,
                store=store, progress=tell, on_run=on_run, asked=_searched(asked) | ({_FILES: files} if files else {}),
                experience=known, optimizer=asked.optimizer,
            )  # fmt: skip
    finally:
        if isinstance(store, Journal):
            store.close()
    if folder is not None:
        for each in searched(asked.optimizer):
            keep(folder, job.name, found.measurement, budget, found.history.of(each))
    return replace(found, notes=dict(found.notes) | {"resumed": store.resumed})


def second_opinion(job: Trainable, budget: Budget, setting: Setting, *, seed: int = 0, progress: Progress | bool | None = None) -> Check:
    """What is known of a setting on a job without any run; see `checking.check`."""
    with shown(progress) as tell:
        how = policy_of(Asked(optimizer=setting.recipe.optimizer), recalled(folder_of(None)))
        return check(job, budget, setting, how, seed=seed, progress=tell)


def policy_of(asked: Asked, own: tuple[Cell, ...] = (), past: Sweep | None = None) -> Maker:
    """How to search for what was asked."""
    if len(searched(asked.optimizer)) > 1:
        return partial(EitherPolicy, own=own)
    return partial(ExperiencePolicy, optimizer=asked.optimizer, own=own, past=past, momentum=asked.momentum, nesterov=asked.nesterov)


@contextmanager
def shown(progress: Progress | bool | None) -> Iterator[Progress | None]:
    """Who is told how far it is: True is a line on stderr with the time left."""
    if progress is not True:
        yield progress or None
        return
    line = Line()
    try:
        yield line
    finally:
        line.close()


class Line:
    """One line on stderr: what is being done, how far, and about how long it will take."""

    def __init__(self) -> None:
        self.stage, self.begun, self.said = "", 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Say so, at most ten times a second."""
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.begun, self.said = stage, now, 0.0
        if now - self.said < 0.1:
            return
        self.said = now
        left = (now - self.begun) * (total - done) / done if done else math.nan
        rest = f", {left:.0f} s left" if math.isfinite(left) and done < total else ""
        sys.stderr.write(f"\r{stage}: {done} of {total}{rest}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the line empty."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _searched(asked: Asked) -> dict[str, Any]:
    return {"optimizer": asked.optimizer, "momentum": asked.momentum, "nesterov": asked.nesterov}
