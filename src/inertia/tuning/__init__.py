"""Measure, predict, choose, verify: which learning rate and momentum a problem needs on a given budget, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..core.method import Method
from ..core.record import Record
from ..core.schedule import SHAPES, shaped
from ..errors import BadInput
from ..problems.base import Problem
from ..problems.simulation import run_many
from .choose import Choice, Shape, choose, scheduled
from .decide import Budget, Progress, decide
from .journal import Journal
from .observe import Observation, observe
from .predict import Forecast, Model, forecast
from .report import Curves, Tuning
from .search import Search, Trial, verify

__all__ = [
    "Budget",
    "Choice",
    "Curves",
    "Forecast",
    "Journal",
    "Model",
    "Observation",
    "Search",
    "Trial",
    "Tuning",
    "choose",
    "decide",
    "forecast",
    "observe",
    "tune",
    "verify",
]

_READINGS = 400  # losses kept of one run: more would cost more than the run itself


def tune(
    problem: Problem,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    seed: int = 0,
    runs: int = 3,
    branch: str = "auto",
    momentum: float | None = None,
    nesterov: bool | None = None,
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
    journal: Journal | None = None,
) -> Tuning:
    """Recommend learning rate and momentum for `steps` steps of batches of `batch_size` (None: the whole loss).

    Measures curvature and gradient noise at the start, forecasts every candidate on a noise-coupled quadratic, and verifies
    the choice by at most `runs` full training runs. `progress(stage, done, total)` is called along the way;
    `on_record(record)` as soon as a run is finished. Deterministic under `seed`. `branch` "quadratic" forecasts, "network"
    probes around 1/curvature; `momentum` and `nesterov` are fixed where given. `journal` keeps finished runs on disk.

    Raises:
        BadInput: steps below 1, a batch larger than the data, a batch size for a problem without examples, an unknown
            schedule, a start that cannot be tuned from.
        Diverged: loss or gradient not finite at the start, or every run diverged.
        Interrupted: Ctrl-C during a run.

    >>> from inertia.problems import valley
    >>> found = tune(valley(), steps=20, schedule="constant")
    >>> found.regime, found.verified_loss < 1e-4
    ('curvature-limited', True)
    """
    _check(problem, steps, batch_size, schedule)
    tell = progress or (lambda stage, done, total: None)
    tell("measuring", 0, 1)
    seen = observe(problem, steps, batch_size, seed=seed)
    budget = Budget(problem.name, steps, batch_size, problem.examples, schedule, seed, runs, "quadratic" if branch == "auto" else branch)
    budget = replace(budget, momentum=momentum, nesterov=nesterov)
    trial = _trial(problem, steps, batch_size, schedule, seed, tell)
    return decide(budget, seen, trial if journal is None else journal.trial(budget, trial, seen), progress=tell, on_record=on_record)


def _trial(problem: Problem, steps: int, batch_size: int | None, schedule: Shape, seed: int, tell: Progress) -> Trial:
    """Full runs of several methods at once, on the same mini-batches."""

    def trial(methods: Sequence[Method]) -> list[Record]:
        every = max(1, steps // _READINGS)
        plans = [scheduled(schedule, method, steps) for method in methods]
        stage = f"running {len(methods)} at once" if len(methods) > 1 else "running"
        return run_many(
            problem, plans, steps, batch_size=batch_size, seed=seed, evaluate_every=every, progress=lambda done, of: tell(stage, done, of)
        )

    return trial


def _check(problem: Problem, steps: int, batch_size: int | None, schedule: Shape) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise BadInput(f"steps = {steps} is too few: tuning needs a budget of at least 1 step")
    if isinstance(schedule, str) and schedule not in SHAPES:
        shaped(schedule, Method(1.0), steps)  # says which names there are
    if batch_size is None:
        return
    if problem.examples is None:
        raise BadInput(f"batch_size = {batch_size}, but {problem.name} is one function without examples: leave batch_size out")
    if not 1 <= batch_size <= problem.examples:
        raise BadInput(f"batch_size = {batch_size} is outside 1 to {problem.examples}, the number of examples of {problem.name}")
