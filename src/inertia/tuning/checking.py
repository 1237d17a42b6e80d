"""A second opinion on a setting that is in use: its distance to the stability limit, what it is expected to end at, and what is better."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..theory.modes import edge
from .answer import gained, measured, number
from .budget import Budget
from .loop import Maker
from .measurement import Measurement
from .measuring import measure
from .policy import Expectation, Gain, History, Pick
from .preconditioned import Preconditioned
from .reasons import figure, interval, on_cautions, on_gain
from .recipe import Recipe
from .trainable import Progress, Trainable
from .underway import Setting, under_adamw

__all__ = ["Check", "check"]

_GRID = 2.0 ** np.arange(-8.0, 4.01, 0.25)  # learning rates asked about, times the recommended one


@dataclass(frozen=True, eq=False)
class Check:
    """What is known of a setting without any run. `print(check)` says it in words."""

    task: str
    budget: Budget
    recipe: Recipe  # the setting in use
    measurement: Measurement
    room: float  # how many times the learning rate may grow before the largest curvature's upper bar is unstable
    expected: Expectation | None  # of this setting; None: cannot be told
    best: Pick  # what would be recommended without a run
    usual: tuple[float, float] | None  # learning rates at this momentum that are expected to take off nine tenths of what its best does
    gain: Gain | None  # of momentum
    under: Preconditioned | None = None  # AdamW: the spectrum in its metric and the step along its update, after a short walk
    notes: tuple[str, ...] = ()  # what else must be said

    @property
    def stable(self) -> bool:
        """Whether the setting is below the stability limit of the curvature measured (AdamW: in its metric), error bar included."""
        return self.room > 1

    @property
    def place(self) -> str:
        """`below`, `inside` or `above` the usual range, or `unknown`."""
        if self.usual is None:
            return "unknown"
        low, high = self.usual
        return "below" if self.recipe.learning_rate < low else "above" if self.recipe.learning_rate > high else "inside"

    def __str__(self) -> str:
        """The opinion in a few sentences, the answer first."""
        said = [self.advice, *self._limits()]
        if self.expected is not None:
            said.append(f"Expected {self.budget.objective.name} at the end: {interval(self.expected)}.")
        return "\n".join([*said, f"{on_gain(self.gain, self.recipe.optimizer)}.", *self.notes])

    def _limits(self) -> list[str]:
        """How far the setting is from where it breaks."""
        seen, adaptive = self.measurement, self.recipe.optimizer == "adamw"
        if self.under is not None:
            where, along, *_ = str(self.under).splitlines()
            return [where, along, f"Measured after a walk of {self.under.optimizer.walked} steps at this setting."]
        if adaptive:
            return ["A short walk at this setting did not stay finite: it is beyond its stability limit."]
        largest = f"the largest curvature, {figure(seen.largest)} (at most {figure(seen.upper)})"
        if self.stable:
            return [f"The stability limit is {self.room:.3g} times this learning rate: it follows from {largest}."]
        return [f"This learning rate is {1 / self.room:.3g} times the stability limit, which follows from {largest}."]

    @property
    def advice(self) -> str:
        """What to do, in one sentence."""
        best, rate = self.best, self.recipe.learning_rate
        better = best.recipe.family.at(figure(best.recipe.learning_rate, 3))
        ends = "" if best.expected is None else f", expected to end at {interval(best.expected)}"
        if self.usual is None:
            return f"Whether {figure(rate)} is a good learning rate here cannot be told; {better} would be the first to try{ends}."
        low, high = (figure(value, 3) for value in self.usual)
        usual = f"learning rates from {low} to {high} are expected to be about as good as the best with {self.recipe.family}"
        if self.place == "inside":
            return f"The learning rate {figure(rate)} is in the range to be expected: {usual}; over all momenta {better}{ends}."
        side = "smaller than" if self.place == "below" else "larger than"
        return f"The learning rate {figure(rate)} is {side} what this job needs: {usual}; over all momenta {better}{ends}."

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        method, seen, expected, best = self.recipe.method, self.measurement, self.expected, self.best.expected
        signal = seen.gradient_norm**2
        return {
            "task": self.task, "steps": self.budget.steps, "batch_size": None if self.budget.full_batch else self.budget.batch_size,
            "schedule": self.budget.schedule, "method": {"alpha": float(method.alpha), "beta": float(method.beta),
            "gamma": float(method.gamma)}, "recipe": self.recipe.to_json(), "branch": "quadratic" if seen.convex else "network",
            "stable": self.stable, "edge_ratio": number(self.room), "alpha_in_curvature": float(method.alpha) * seen.largest,
            "largest": seen.largest, "largest_upper": seen.upper, "noise_to_signal": number(seen.noise.trace / signal) if signal else None,
            "predicted_loss": None if expected is None else number(expected.loss),
            "expected": None if expected is None else {"loss": expected.loss, "low": expected.low, "high": expected.high},
            "best_predicted_loss": None if best is None else number(best.loss), "recommended": self.best.recipe.to_json(),
            "usual": None if self.usual is None else list(self.usual), "place": self.place,
            "momentum": None if self.gain is None else gained(self.gain),
            "verdict": on_gain(self.gain, self.recipe.optimizer), "advice": self.advice, "measurement": measured(seen, self.budget),
            "under": None if self.under is None else self.under.to_json(), "notes": list(self.notes),
        }  # fmt: skip


def check(job: Trainable, budget: Budget, setting: Setting, policy: Maker, *, seed: int = 0, progress: Progress | None = None) -> Check:
    """Measure a job and say what is to be expected of a setting, without any run (AdamW: but for a short walk).

    Raises:
        BadInput, Diverged: what measuring raises.
    """
    seen = measure(job, budget, seed=seed, progress=progress)
    how, nothing = policy(seen, budget, seed), History()
    recipe, under = setting.recipe, None
    notes: tuple[str, ...] = ()
    if recipe.optimizer == "adamw":
        under = under_adamw(job, budget, setting, seed=seed)
        room, notes = 0.0 if under is None else under.room, _unlike(setting)
    else:
        room = float(edge(recipe.method)) / seen.upper if seen.upper > 0 else math.inf
    advised = how.pick(nothing)
    rates = advised.recipe.learning_rate * _GRID
    mine, *others = how.expect([recipe, *(replace(recipe, learning_rate=float(rate)) for rate in rates)], nothing)
    known = [(rate, each) for rate, each in zip(rates, others, strict=True) if each is not None and math.isfinite(each.loss)]
    usual = None
    if known:
        best = min((expected for _, expected in known), key=lambda expected: expected.loss)
        start = seen.validation if budget.objective.held_out else seen.loss
        near = [rate for rate, expected in known if start - expected.loss >= 0.9 * (start - best.loss)]
        usual = (float(min(near)), float(max(near))) if near else None
    return Check(
        job.name, budget, recipe, seen, room, mine, advised, usual, how.momentum(nothing), under, (*on_cautions(advised), *notes)
    )  # fmt: skip


def _unlike(setting: Setting) -> tuple[str, ...]:
    """What experience does not cover."""
    usual = Setting(setting.recipe)
    if setting == usual:
        return ()
    return (
        f"What is expected comes from runs with beta2 {usual.beta2:g} and eps {usual.eps:g}; the stability limit is that of beta2 "
        f"{setting.beta2:g} and eps {setting.eps:g}.",
    )
