"""Measure, predict, choose, verify: which learning rate and momentum a problem needs on a given budget, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import BadInput
from ..method import Method
from ..problems.base import Problem
from ..record import Record
from ..reference import run_many
from ..schedule import SHAPES, shaped
from ..theory.modes import edge
from ..version import __version__
from .choose import Choice, Shape, at_scale, choose, scheduled
from .observe import Observation, observe
from .predict import Forecast, Model, forecast
from .report import Curves, Tuning, steps_of
from .search import Search, Trial, verify

__all__ = [
    "Choice",
    "Curves",
    "Forecast",
    "Model",
    "Observation",
    "Search",
    "Trial",
    "Tuning",
    "choose",
    "forecast",
    "observe",
    "tune",
    "verify",
]

Progress = Callable[[str, int, int], None]  # (what is being done, done, of how many)
_DOUBT = 0.2  # a first run that misses a fifth of the promised decrease makes the search look below
_READINGS = 400  # losses kept of one run: more would cost more than the run itself


def tune(
    problem: Problem,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    seed: int = 0,
    runs: int = 3,
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> Tuning:
    """Recommend learning rate and momentum for `steps` steps of batches of `batch_size` (None: the whole loss).

    Measures curvature and gradient noise at the start, forecasts every candidate on a noise-coupled quadratic, and verifies
    the choice by at most `runs` full training runs. `progress(stage, done, total)` is called along the way;
    `on_record(record)` as soon as a run is finished. Deterministic under `seed`.

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
    tell("predicting", 0, 1)
    choice = choose(seen.model, steps, schedule, upper=seen.upper)
    scale = float(choice.method.alpha / (1 - choice.method.beta))
    trial = _trial(problem, steps, batch_size, schedule, seed, tell)
    found = verify(
        choice.method,
        trial,
        lambda factor: at_scale(seen.model, steps, schedule, factor * scale, seen.upper),
        runs=runs,
        disappointing=choice.predicted_loss + _DOUBT * (seen.model.start - choice.predicted_loss),
        on_record=on_record,
    )
    tell("done", 1, 1)
    return _report(problem, steps, batch_size, schedule, seed, seen, choice, found)


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


def _report(
    problem: Problem,
    steps: int,
    batch_size: int | None,
    schedule: Shape,
    seed: int,
    seen: Observation,
    choice: Choice,
    found: Search,
) -> Tuning:
    """Everything put together, with the forecasts of the runs that were made."""
    made = Method(*(np.array([float(run.method[index]) for run in found.runs]) for index in range(4)))
    ahead = forecast(seen.model, scheduled(schedule, made, steps), steps)
    one = steps * min(batch_size or problem.examples or 1, problem.examples or 1)
    spent = seen.gradients + sum(run.gradients for run in found.runs)
    name = schedule if isinstance(schedule, str) else str(getattr(found.record, "schedule", "custom"))
    evidence = choice.evidence
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
        task=problem.name,
        steps=steps,
        batch_size=batch_size,
        schedule=name,
        seed=seed,
        regime=choice.limit,
        verdict=choice.verdict,
        method=found.record.method,
        predicted_loss=float(ahead.final[found.best]),
        verified_loss=found.record.loss,
        margin=_margin(found, float(edge(found.record.method)) / seen.upper),
        runs=found.runs,
        best=found.best,
        cost_in_runs=spent / one,
        measurement=seen.facts | {"in_runs": seen.gradients / one, "edge_over_upper": float(edge(found.record.method)) / seen.upper},
        spectrum=seen.model.spectrum,
        curves=curves,
        notes=_notes(seen, choice),
        version=__version__,
    )


def _margin(found: Search, room: float) -> str:
    """What is known above the recommended alpha."""
    words = []
    if found.margin is not None:
        words.append(f"{found.margin:.3g} x its alpha/(1 - beta) also ran to the end")
    if found.broke is not None:
        words.append(f"{found.broke:.3g} x its alpha/(1 - beta) diverged")
    return "; ".join([*words, f"the edge of stability is {room:.3g} x away at the largest curvature measured, error bar included"])


def _notes(seen: Observation, choice: Choice) -> list[str]:
    """Sentences that a reader of the numbers should not miss."""
    notes = []
    if not seen.convex:
        notes.append("negative curvature was seen, so the quadratic forecast is only a guide here: trust the verified runs")
    spread, speedup = choice.evidence.spread, choice.evidence.speedup
    if np.isfinite(spread):
        notes.append(f"at equal alpha/(1 - beta), momenta 0 to 0.9 differ by {100 * (spread - 1):.1f} % in predicted excess loss")
    if choice.limit == "noise-limited":
        notes.append(
            f"with alpha chosen anew, momentum reaches what plain gradient descent reaches in {speedup:.2g} x fewer steps (predicted)"
        )
    return notes


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
