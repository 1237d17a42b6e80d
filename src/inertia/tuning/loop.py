"""Measure, propose, run, pick: the one road from a job to an answer, whatever framework the job is written in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadInput, Diverged
from ..version import __version__
from .batches import readings
from .budget import Budget
from .ending import at_the_end, ends_at, estimated
from .judging import score
from .measurement import Cost, Curvature, Measurement
from .measuring import measure
from .policy import Candidate, Choosing, Expectation, History, Policy, Proposal, Reason, Trial
from .recipe import Family, Recipe
from .result import Landscape, Spending, Tuning
from .store import LARGEST, Memory, Store
from .stored import from_plain
from .trainable import Progress, Run, Trainable

__all__ = ["Maker", "estimate", "tune"]

Maker = Callable[[Measurement, Budget, int], Policy]  # (what was measured, the budget, the seed) -> how to search


def estimate(
    job: Trainable, budget: Budget, runs: int = 3, *, prove: bool = False, max_cost: float = math.inf, optimizer: str = "sgd"
) -> float:
    """What a tuning will cost at most, in runs of the budget's length: said before anything starts.

    Raises:
        BadInput: fewer than 0 runs; `max_cost` below the price of measuring.
    """
    if isinstance(runs, bool) or not isinstance(runs, int | np.integer) or runs < 0:
        raise BadInput(f"runs = {runs!r}: give a whole number, 0 for advice without a run")
    look = estimated(job, budget, optimizer) / budget.gradients
    if not max_cost >= look:
        raise BadInput(
            f"max_cost = {max_cost:g} runs is below what measuring costs, {look:.3g} runs ({round(look * budget.gradients)} example "
            f"gradients): allow at least {math.ceil(look * 1000) / 1000:g}"
        )
    end = at_the_end(budget) / budget.gradients if runs else 0.0
    return float(min(look + runs + prove + end, max_cost))


def tune(
    job: Trainable,
    budget: Budget,
    policy: Maker,
    *,
    runs: int = 3,
    max_cost: float = math.inf,
    seed: int = 0,
    prove: bool = False,
    store: Store | None = None,
    progress: Progress | None = None,
    on_run: Callable[[Trial], None] | None = None,
    asked: dict[str, Any] | None = None,
    experience: str = "",
    optimizer: str = "sgd",
) -> Tuning:
    """Recommend a recipe for `job` on `budget`: measured, then verified by at most `runs` runs that `policy` proposes.

    `max_cost` bounds everything spent, measuring included, in runs counted by gradients of single examples. `prove` adds one run at
    momentum 0. `store` keeps finished work; `asked` describes the tuning to it. Short runs are those of `optimizer` ("any": of each).

    Raises:
        BadInput: settings that no tuning can use.
        Diverged: loss or gradient not finite at the start.
    """
    tell, kept = progress or (lambda stage, done, total: None), store or Memory()
    expected = estimate(job, budget, runs, prove=prove, max_cost=max_cost, optimizer=optimizer)
    at = job.start(seed)
    first = job.read(at)
    if not math.isfinite(first.training):
        raise Diverged(f"{job.name}: the training loss is {first.training} at the start: check the data and the starting point")
    if budget.objective.held_out and not math.isfinite(first.validation):
        raise BadInput(f"the {budget.objective.name} is {first.validation} at the start: look at the validation data")
    kept.open(_asked(job, budget, seed, first.training, experience) | (asked or {}))
    tell("measuring", 0, 1)
    seen: Measurement = from_plain(
        Measurement, kept.fact("measured", lambda: measure(job, budget, seed=seed, progress=progress, optimizer=optimizer))
    )
    how = policy(seen, budget, seed)
    allowed = max_cost * budget.gradients - seen.cost.example_gradients - prove * budget.gradients
    history, stopped = History(), Reason.BUDGET_SPENT
    while (left := min(runs - len(history.trials), _affordable(allowed, history, budget))) > 0:
        asked_for = _proposed(kept, how, history, left)
        if asked_for is None:
            stopped = Reason.NOTHING_TO_GAIN
            break
        history = history.more(_made(job, budget, asked_for.candidates, kept, tell, on_run))
    _some_trained(history)
    proof = _proof(job, budget, how, history, seed, kept, tell) if prove else None
    pick = how.pick(history)
    made = _spent(history, proof)
    left_over = max_cost * budget.gradients - seen.cost.example_gradients - made
    seen, unknown = _ended(job, budget, seen, pick.index, kept, seed, left_over, tell)
    return Tuning(
        task=job.name,
        budget=budget,
        seed=seed,
        measurement=seen,
        history=history,
        pick=replace(pick, stopped=stopped),
        gain=how.momentum(history),
        choice=how.chosen(history) if isinstance(how, Choosing) else None,
        cost=Spending(expected, seen.cost.example_gradients / budget.gradients, made / budget.gradients),
        landscape=_landscape(how, history, pick.recipe),
        references=_references(how, history, pick.recipe),
        proof=proof,
        end_unknown=unknown,
        experience=experience,
        version=__version__,
    )


def _some_trained(history: History) -> None:
    """Refuse to recommend where every run was lost."""
    runs = [trial.run for trial in history.trials]
    if not runs or any(np.isfinite(trial.score) for trial in history.trials):
        return
    errors = [run.error for run in runs if run.error]
    if len(errors) == len(runs):
        raise Diverged(f"every run ended with an exception: {errors[0]}")
    least = min(run.recipe.learning_rate for run in runs)
    raise Diverged(f"every run diverged, down to learning rate {least:.3g}: look at the loss and the data, or allow more runs")


def _asked(job: Trainable, budget: Budget, seed: int, loss: float, experience: str) -> dict[str, Any]:
    """Everything that changes what is run or recommended, as plain numbers and words."""
    return {
        "task": job.name, "parameters": job.dimension, "examples": budget.examples, "steps": int(budget.steps),
        "batch_size": int(budget.batch_size), "schedule": budget.schedule, "factors": [float(f"{x:.12g}") for x in budget.factors[:: max(
            1, budget.steps // 16)]], "weight_decay": budget.weight_decay, "clip": budget.clip, "warmup": budget.warmup,
        "judged_by": budget.objective.name, "seed": seed, "loss_at_the_start": float(f"{loss:.4g}"), "experience": experience,
        "version": __version__,
    }  # fmt: skip


def _affordable(allowed: float, history: History, budget: Budget) -> int:
    """How many more runs the price allows."""
    rest = allowed - _spent(history, None)
    return 2**31 if math.isinf(rest) else max(0, int(rest // budget.gradients))


def _proposed(store: Store, policy: Policy, history: History, left: int) -> Proposal | None:
    """The policy's proposal, written down with its forecasts before the runs begin."""
    found = store.fact("proposed", lambda: policy.propose(history, left))
    return None if found is None else from_plain(Proposal, found)


def _made(
    job: Trainable,
    budget: Budget,
    candidates: Sequence[Candidate],
    store: Store,
    tell: Progress,
    on_run: Callable[[Trial], None] | None,
) -> list[Trial]:
    """The runs of the candidates; those that the store holds are not made again."""
    marks, keep = readings(budget.steps, budget.batch_size, budget.examples), job.dimension * 4 <= LARGEST
    marks = np.unique(np.concatenate([[0], marks]))

    def make(lacking: int) -> list[Run]:
        rest = candidates[len(candidates) - lacking :]
        recipes, seeds = [one.recipe for one in rest], [one.seed for one in rest]
        return job.run(recipes, budget, seeds, marks=marks, keep=keep, progress=tell)

    found = []
    for one, run in zip(candidates, store.runs(make, len(candidates)), strict=True):
        found.append(Trial(one, run, score(run, budget.objective)))
        if on_run is not None:
            on_run(found[-1])
    return found


def _proof(job: Trainable, budget: Budget, policy: Policy, history: History, seed: int, store: Store, tell: Progress) -> Run:
    """The run without momentum, at the learning rate that is expected to be best for it."""
    tell("running without momentum", 0, budget.steps)
    recipe: Recipe = from_plain(Recipe, store.fact("without momentum", lambda: policy.without_momentum(history)))
    if any((trial.run.recipe, trial.run.seed) == (recipe, seed) for trial in history.trials):
        seed += len(history.trials)  # the same run again would tell nothing
    return _made(job, budget, [Candidate(recipe, seed, policy.expect([recipe], history)[0])], store, tell, None)[0].run


def _spent(history: History, proof: Run | None) -> float:
    return float(sum(trial.run.gradients for trial in history.trials) + (0 if proof is None else proof.gradients))


def _ended(
    job: Trainable,
    budget: Budget,
    seen: Measurement,
    index: int | None,
    store: Store,
    seed: int,
    left: float,
    tell: Progress,
) -> tuple[Measurement, str]:
    """The measurement with the curvature where the recommended run ended, or why that is not known."""
    if index is None:
        return seen, "nothing was run"
    data = store.end(index)
    at = None if data is None else job.unpack(data)
    if at is None:
        return seen, "the parameters at the end of that run were not kept"
    tell("measuring where the run ended", 0, 1)

    def look() -> tuple[Curvature, Cost] | None:
        return ends_at(job, at, budget, seed=seed, where="end", most=left)

    found = store.fact("end", look)
    if found is None:
        return seen, "it would cost more than was allowed, or nothing finite can be measured there"
    return seen.also(from_plain(Curvature, found[0]), from_plain(Cost, found[1])), ""


_SHOWN = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)  # momenta whose expected loss is drawn
_OCTAVES = np.arange(-7.0, 3.01, 0.5)  # learning rates drawn, around the recommended step length


def _landscape(policy: Policy, history: History, recipe: Recipe) -> Landscape | None:
    """What is expected over learning rate and momentum, for the pictures."""
    families = sorted({*(Family(beta, optimizer=recipe.optimizer) for beta in _SHOWN), recipe.family})
    loss, low, high = (np.full((len(families), len(_OCTAVES)), np.nan) for _ in range(3))
    rates = recipe.learning_rate * 2.0**_OCTAVES
    for row, family in enumerate(families):
        asked = [Recipe(float(rate), family.momentum, family.nesterov, family.optimizer) for rate in rates]
        for column, expected in enumerate(policy.expect(asked, history)):
            if expected is not None:
                loss[row, column], low[row, column], high[row, column] = expected.loss, expected.low, expected.high
    return Landscape(tuple(families), rates, loss, low, high) if np.isfinite(loss).any() else None


_COPIED = {"sgd": Recipe(0.1, 0.9), "adamw": Recipe(1e-3, 0.9, optimizer="adamw")}  # what most people start from


def _references(policy: Policy, history: History, recipe: Recipe) -> tuple[tuple[Recipe, Expectation], ...]:
    """What is expected of the setting that most people copy, and of the best learning rate without momentum."""
    asked = [_COPIED[recipe.optimizer], policy.without_momentum(history)]
    found = zip(asked, policy.expect(asked, history), strict=True)
    return tuple((one, expected) for one, expected in found if expected is not None)
