"""From what was measured to what is recommended: the one road that every kind of task takes.

    quadratic    what looks convex: choose on the noise-coupled quadratic, verify upwards first
    network      what does not: 1/curvature after a short walk is the unit, full runs around it decide

Which of the two is told by the measurement (negative curvature worth the name) unless the caller says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.method import Method
from ..core.record import Record
from ..errors import BadInput, nearest
from ..theory.modes import edge
from ..version import __version__
from .choose import FAMILIES, Choice, Family, Shape, at_scale, choose, rests, scheduled
from .network import Fork, Ladder
from .observe import Observation
from .predict import Forecast, forecast
from .report import Curves, Tuning, steps_of
from .search import Search, Trial, verify
from .verdict import margin, network_limit, network_shifts, notes, shifts

__all__ = ["BRANCHES", "Budget", "Progress", "decide"]

Progress = Callable[[str, int, int], None]  # (what is being done, done, of how many)
BRANCHES = ("auto", "quadratic", "network")
_DOUBT = 0.2  # a first run that misses a fifth of the promised decrease makes the search look below


@dataclass(frozen=True)
class Budget:
    """What is asked for: everything that changes the answer, but for the task itself."""

    task: str
    steps: int
    batch_size: int | None
    examples: int | None
    schedule: Shape
    seed: int = 0
    runs: int = 3
    branch: str = "auto"
    momentum: float | None = None  # fixed, where given
    nesterov: bool | None = None  # Nesterov's form or not, where momentum is fixed
    judged_by: str = "training loss"
    extras: dict[str, Any] = field(default_factory=dict)  # weight decay, clipping, warm-up: for the record

    def __post_init__(self) -> None:
        """Refuse what no tuning can use."""
        if self.branch not in BRANCHES:
            raise BadInput(f"unknown branch '{self.branch}': {nearest(self.branch, BRANCHES)}")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise BadInput(f"momentum = {self.momentum:g} is outside [0, 1): give one below 1, such as 0.9")
        if self.nesterov is not None and self.momentum is None:
            raise BadInput("nesterov is only used with a fixed momentum: give momentum as well, such as 0.9")

    @property
    def family(self) -> Family | None:
        """Momentum and Nesterov, where they are fixed."""
        return None if self.momentum is None else (self.momentum, bool(self.nesterov) and self.momentum > 0)

    @property
    def one_run(self) -> int:
        """Example gradients of one run."""
        return self.steps * min(self.batch_size or self.examples or 1, self.examples or 1)


def decide(
    budget: Budget,
    seen: Observation,
    trial: Trial,
    *,
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> Tuning:
    """Choose from what was seen, verify by at most `budget.runs` runs of `trial`, and put the evidence together.

    Raises:
        Diverged: every run diverged.
        Interrupted: Ctrl-C during a run.
    """
    tell = progress or (lambda stage, done, total: None)
    tell("predicting", 0, 1)
    network = budget.branch == "network" or (budget.branch == "auto" and not seen.convex)
    choice = choose(seen.model, budget.steps, budget.schedule, upper=seen.upper, family=budget.family)
    found = _climbed(budget, seen, trial, on_record) if network else _verified(budget, seen, choice, trial, on_record)
    tell("done", 1, 1)
    return _report(budget, seen, choice, found, network)


def _verified(budget: Budget, seen: Observation, choice: Choice, trial: Trial, on_record: Callable[[Record], None] | None) -> Search:
    """The quadratic's choice, and its neighbours in scale."""
    scale = float(choice.method.alpha / (1 - choice.method.beta))
    families = FAMILIES if budget.family is None else (budget.family,)
    tail = seen.model.bend > 0
    return verify(
        choice.method,
        trial,
        lambda factor: at_scale(seen.model, budget.steps, budget.schedule, factor * scale, seen.upper, families),
        runs=budget.runs,
        first=(1.0, 2.0 if tail else 4.0),  # with its tail known, the forecast errs on either side; else on the timid one
        disappointing=_sides(budget) if tail else choice.predicted_loss + _DOUBT * (seen.model.start - choice.predicted_loss),
        on_record=on_record,
    )


def _sides(budget: Budget) -> float:
    """Where a loss has a tail: below the choice where the run comes to rest; at full rate that is asked of the run's scatter."""
    return -np.inf if rests(budget.schedule, budget.steps) else np.inf


def _climbed(budget: Budget, seen: Observation, trial: Trial, on_record: Callable[[Record], None] | None) -> Search:
    """Runs around 1/curvature."""
    sharpest, still = float(seen.facts["largest"]), rests(budget.schedule, budget.steps)
    ladder = (
        Fork(sharpest, steps=budget.steps, rests=still, runs=budget.runs)
        if budget.momentum is None
        else Ladder(sharpest, momentum=budget.momentum, nesterov=budget.nesterov, rests=still)
    )
    wary = ladder.wary if isinstance(ladder, Fork) else None
    return verify(
        ladder.method(1.0), trial, ladder.method, runs=budget.runs, first=ladder.first, following=ladder.following, wary=wary,
        on_record=on_record,
    )  # fmt: skip


def _report(budget: Budget, seen: Observation, choice: Choice, found: Search, network: bool) -> Tuning:
    """Everything put together, with the forecasts of the runs that were made."""
    ahead = _ahead(budget, seen, found)
    spent = seen.gradients + sum(run.gradients for run in found.runs)
    shape = budget.schedule
    name = shape if isinstance(shape, str) else str(getattr(found.record, "schedule", "custom"))
    limit, verdict = network_limit(seen, choice, found) if network else (choice.limit, choice.verdict)
    evidence, room = choice.evidence, float(edge(found.record.method)) / seen.upper
    curves = Curves(
        alphas=evidence.alphas,
        families=evidence.families,
        loss_by_alpha=evidence.losses,
        betas=evidence.matched.beta,
        loss_by_beta=evidence.matched.loss,
        scale=evidence.matched.scale,
        predicted=[(ahead.steps, ahead.loss[:, index]) for index in range(len(found.runs))],
        actual=[(steps_of(run), run.losses) for run in found.runs],
    )
    return Tuning(
        task=budget.task,
        steps=budget.steps,
        batch_size=budget.batch_size,
        schedule=name,
        seed=budget.seed,
        regime=limit,
        verdict=verdict,
        method=found.record.method,
        predicted_loss=float(ahead.final[found.best]),
        verified_loss=found.record.loss,
        margin=margin(found, room),
        runs=found.runs,
        best=found.best,
        cost_in_runs=spent / budget.one_run,
        measurement=seen.facts | {"in_runs": seen.gradients / budget.one_run, "edge_over_upper": room},
        spectrum=seen.model.spectrum,
        curves=curves,
        notes=[*notes(seen, choice, network), *filter(None, [(network_shifts if network else shifts)(budget, seen, found.record.method)])],
        version=__version__,
        branch="network" if network else "quadratic",
        extras=budget.extras,
        judged_by=budget.judged_by,
    )


def _ahead(budget: Budget, seen: Observation, found: Search) -> Forecast:
    """The forecasts of the runs that were made."""
    made = Method(*(np.array([float(run.method[index]) for run in found.runs]) for index in range(4)))
    return forecast(seen.model, scheduled(budget.schedule, made, budget.steps), budget.steps)
