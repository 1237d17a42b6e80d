"""A tuning as data: what was measured, run and recommended, what is expected of it, and what it cost. No prose: see `reasons`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..errors import require
from .budget import Budget
from .judging import final, trained
from .measurement import Measurement
from .policy import Choice, Expectation, Gain, History, Pick
from .recipe import Family, Recipe
from .trainable import Run

__all__ = ["Landscape", "Spending", "Tuning"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spending:
    """Costs in runs of the budget's length, counted in gradients of single examples, a product at its price."""

    estimated: float  # said before anything started
    measuring: float
    running: float

    @property
    def spent(self) -> float:
        """Everything."""
        return self.measuring + self.running


@dataclass(frozen=True, eq=False)
class Landscape:
    """What is expected at the end of a run, over learning rates, for each family: median and 80 % interval, and the runs' own seeds."""

    families: tuple[Family, ...]  # (F)
    learning_rates: Array  # (A,)
    loss: Array  # (F, A) median; nan where no honest number can be given
    low: Array  # (F, A) 10 %
    high: Array  # (F, A) 90 %


@dataclass(frozen=True, eq=False)
class Tuning:
    """The answer for one job on one budget, with everything it rests on.

    `recipe` is what is recommended, `torch(params)` and `optax()` make it, `save(folder)` writes the report; `print(tuning)` is the
    answer in a few lines.
    """

    task: str
    budget: Budget
    seed: int
    measurement: Measurement
    history: History
    pick: Pick
    gain: Gain | None  # of momentum; None: cannot be told
    cost: Spending
    choice: Choice | None = None  # of the optimizer, where more than one was searched
    landscape: Landscape | None = None
    references: tuple[tuple[Recipe, Expectation], ...] = ()  # what is expected of settings that people copy, and without momentum
    proof: Run | None = None  # the run at momentum 0, where it was asked for
    end_unknown: str = ""  # why the curvature at the end is not known, where it is not
    experience: str = ""  # which experience the policy rests on
    version: str = ""
    rivals: tuple[Mapping[str, Any], ...] = ()
    command: str = ""  # that made it, where it came from the command line
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """What is recommended."""
        return self.pick.recipe

    @property
    def method(self) -> Method:
        """The recommended recipe as a Method."""
        return self.recipe.method

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order in which they were made."""
        return [trial.run for trial in self.history.trials]

    @property
    def best(self) -> int | None:
        """Index of the recommended run; None for advice without a run."""
        return self.pick.index

    @property
    def verified_loss(self) -> float | None:
        """What the recommended run ended at; None where nothing was run."""
        return None if self.best is None else final(self.runs[self.best], self.budget.objective)

    @property
    def predicted_loss(self) -> float | None:
        """What was expected of the recommended run before it was made; None where no forecast was made."""
        if self.best is None:
            return None if self.pick.expected is None else self.pick.expected.loss
        expected = self.history.trials[self.best].candidate.expected
        return None if expected is None else expected.loss

    @property
    def expected(self) -> Expectation | None:
        """What a fresh run of the recommended recipe ends at, with another seed."""
        return self.pick.expected

    @property
    def trained(self) -> bool:
        """Whether the recommended run trained at all (advice counts as if it did)."""
        return self.best is None or trained(self.runs[self.best], self.measurement, tuple(self.runs))

    @property
    def regime(self) -> str:
        """`curvature-limited` where momentum pays for certain, `noise-limited` where it may not and there is noise, else `undecided`."""
        if self.gain is not None and self.gain.low > 1:
            return "curvature-limited"
        return "noise-limited" if self.gain is not None and self.measurement.noise.trace > 0 else "undecided"

    @property
    def verdict(self) -> str:
        """Whether momentum matters, as a sentence with numbers."""
        from .reasons import on_momentum

        return on_momentum(self)

    def __str__(self) -> str:
        """The answer in at most 15 lines."""
        from .reasons import summary

        return "\n".join(summary(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The answer for a notebook."""
        from html import escape

        from .reasons import summary

        first, *rest = summary(self)
        return f"<div><strong>{escape(first)}</strong><pre>{escape(chr(10).join(rest))}</pre></div>"

    def torch(self, params: Any) -> tuple[Any, Any]:
        """A torch optimizer and its learning-rate scheduler, as verified: call `scheduler.step()` after every `optimizer.step()`.

        Where `tune` was given parameter groups, pass them here, too.

        Raises:
            MissingExtra: torch is not installed.
        """
        return _room("torch", "torch.made").optimizer_of(self.recipe, self.budget, params)  # type: ignore[no-any-return]

    def optax(self) -> Any:
        """An optax transformation, as verified: its schedule counts the updates.

        Raises:
            MissingExtra: jax and optax are not installed.
        """
        return _room("jax", "jax.made").transformation_of(self.recipe, self.budget)

    def keras(self) -> Any:
        """A Keras optimizer with its schedule inside.

        Raises:
            MissingExtra: keras is not installed.
        """
        return _room("keras", "tasks.keras").optimizer_of(self.recipe, self.budget)

    def save(self, folder: Any) -> None:
        """Write report.html, the figures and record.json into a folder.

        Raises:
            BadInput: the folder cannot be written.
        """
        _room("matplotlib", "report.tuning").save(self, folder)

    def to_json(self) -> dict[str, Any]:
        """The answer as plain numbers, lists and words; what is not finite is null."""
        from .answer import answer

        return answer(self)

    def compared(self, rivals: tuple[Mapping[str, Any], ...]) -> Tuning:
        """With what other optimizers reached."""
        return replace(self, rivals=rivals)


def _room(package: str, module: str) -> Any:
    """A room above this one, loaded when a result is asked for what only that room can make."""
    require(package, package)
    return importlib.import_module(f"inertia.{module}")
