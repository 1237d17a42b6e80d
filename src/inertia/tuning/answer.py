"""The answer as JSON: every number of a tuning under the names that the command line promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .budget import Budget
from .code import keras_note, lines, settings
from .drawn import curves, spectrum_of
from .judging import final
from .measurement import Measurement
from .policy import Choice, Expectation, Gain
from .reasons import on_choice, on_margin, remarks
from .trainable import Run

if TYPE_CHECKING:
    from .result import Tuning

__all__ = ["answer", "gained", "measured", "number"]


def answer(found: Tuning) -> dict[str, Any]:
    """The answer as plain numbers, lists and words; what is not finite is null."""
    method, budget = found.method, found.budget
    gain, expected = found.gain, found.expected
    return {
        "task": found.task,
        "steps": budget.steps,
        "batch_size": None if budget.full_batch else budget.batch_size,
        "schedule": budget.schedule,
        "regime": found.regime,
        "verdict": found.verdict,
        "recommendation": {"alpha": float(method.alpha), "beta": float(method.beta), "gamma": float(method.gamma)}
        | found.recipe.to_json()
        | settings(found.recipe)
        | {"lines": lines(found.recipe, budget), "keras_note": keras_note(found.recipe, budget), "trained": found.trained}
        | {"why": found.pick.why.name, "stopped": found.pick.stopped.name, "verified": found.best is not None},
        "optimizer": None if found.choice is None else _chosen(found.choice, found.budget.objective.sign < 0),
        "momentum": None if gain is None else gained(gain),
        "expected": None if expected is None else _expected(expected),
        "expected_gain": number(found.pick.gain),
        "predicted_loss": number(found.predicted_loss),
        "verified_loss": number(found.verified_loss),
        "margin": on_margin(found),
        "runs": [_run(trial.run, trial.candidate.expected, budget) for trial in found.history.trials],
        "best_run": found.best,
        "references": [recipe.to_json() | {"expected": _expected(expected)} for recipe, expected in found.references],
        "proof": None if found.proof is None else _run(found.proof, None, budget),
        "cost": {
            "estimated": found.cost.estimated,
            "spent": found.cost.spent,
            "measuring": found.cost.measuring,
            "runs": found.cost.running,
            "example_gradients": round(found.cost.spent * budget.gradients),
        },
        "cost_in_runs": found.cost.spent,
        "measurement": measured(found.measurement, budget),
        "spectrum": spectrum_of(found).to_json(),
        "curves": curves(found),
        "seed": found.seed,
        "notes": remarks(found),
        "version": found.version,
        "experience": found.experience,
        "branch": "quadratic" if found.measurement.convex else "network",
        "extras": {name: value for name, value in _added(budget).items() if value},
        "judged_by": budget.objective.name,
        "command": found.command,
    }


def measured(seen: Measurement, budget: Budget) -> dict[str, Any]:
    """A measurement as plain numbers under the names that `inertia measure --json` uses."""
    found: dict[str, Any] = {
        "largest": seen.largest, "largest_upper": seen.upper, "largest_at_start": seen.start.largest, "smallest": seen.start.smallest,
        "noise_trace": seen.noise.trace, "noise_trace_error": number(seen.noise.error), "gradient_norm": seen.gradient_norm,
        "parameter_norm": seen.parameter_norm, "loss": seen.loss, "validation": number(seen.validation), "dimension": seen.dimension,
        "examples": seen.used, "convex": seen.convex, "weight_decay": seen.decay, "hvps": seen.cost.products,
        "gradients": seen.cost.example_gradients, "in_runs": seen.cost.example_gradients / budget.gradients,
    }  # fmt: skip
    found["curvature"] = [
        {
            "where": at.where, "largest": at.largest, "error": at.error, "sampling": at.sampling, "upper": at.upper,
            "smallest": at.smallest, "loss": number(at.loss),
        }
        for at in seen.at
    ]  # fmt: skip
    for at in seen.at:
        if at.where == "end":
            found["largest_at_end"] = at.largest
    return found


def number(value: float | None) -> float | None:
    """A float that JSON can hold: null where it is not finite."""
    return None if value is None or not np.isfinite(value) else float(value)


def gained(gain: Gain) -> dict[str, Any]:
    """What momentum is worth, as plain numbers."""
    return {"gain": number(gain.ratio), "low": number(gain.low), "high": number(gain.high), "evidence": gain.evidence.value}


def _chosen(choice: Choice, rising: bool) -> dict[str, Any]:
    return {
        "chosen": choice.chosen, "other": choice.other, "ratio": number(choice.ratio), "low": number(choice.low),
        "high": number(choice.high), "evidence": choice.evidence.value, "verdict": on_choice(choice, rising),
    }  # fmt: skip


def _expected(expected: Expectation) -> dict[str, Any]:
    return {
        "loss": number(expected.loss),
        "low": number(expected.low),
        "high": number(expected.high),
        "evidence": expected.evidence.value,
    }


def _run(run: Run, expected: Expectation | None, budget: Budget) -> dict[str, Any]:
    method = run.recipe.method
    return {
        "alpha": float(method.alpha), "beta": float(method.beta), "gamma": float(method.gamma), **run.recipe.to_json(), "steps": run.steps,
        "loss": number(final(run, budget.objective)), "diverged": run.diverged_at is not None or bool(run.error),
        "diverged_at": run.diverged_at, "error": run.error or None, "gradients": run.gradients, "seed": run.seed,
        "predicted": None if expected is None else _expected(expected), "marks": run.marks.tolist(),
        "training": [number(value) for value in run.training], "validation": [number(value) for value in run.validation],
    }  # fmt: skip


def _added(budget: Budget) -> dict[str, Any]:
    return {"weight_decay": budget.weight_decay, "clip": budget.clip, "warmup": budget.warmup}
