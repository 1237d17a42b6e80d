"""The budget of one training run: everything that is given, and what a recipe is chosen for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import single
from ..errors import BadInput

__all__ = ["FEWEST", "Budget", "Objective"]

FEWEST = 16  # steps below which there is nothing to tune


@dataclass(frozen=True)
class Objective:
    """What runs are compared by: the training loss, the validation loss, or a metric that is to rise.

    `sign` is +1 where smaller is better and -1 where larger is; scores are sign times the value, so smaller is always better.
    """

    name: str = "training loss"
    held_out: bool = False  # read on the validation data
    sign: float = 1.0

    @property
    def metric(self) -> bool:
        """Whether it is a metric and not the loss itself, on whichever data."""
        return self.name == "metric"

    @staticmethod
    def of(held_out: bool, metric: bool = False, maximize: bool = True) -> Objective:
        """A metric that is to rise (or fall), the validation loss, or the training loss.

        >>> Objective.of(True).name, Objective.of(False, metric=True).sign
        ('validation loss', -1.0)
        """
        if metric:
            return Objective("metric", held_out=True, sign=-1.0 if maximize else 1.0)
        return Objective("validation loss", held_out=True) if held_out else Objective()


@dataclass(frozen=True, eq=False)
class Budget:
    """Steps, batches and schedule of a run, and what is added to plain steps.

    Raises:
        BadInput: a batch outside the data, factors that no run can use, negative decay or clipping.

    >>> Budget(steps=100, batch_size=10, examples=50, factors=np.ones(100)).epochs
    20.0
    """

    steps: int
    batch_size: int  # examples of one step, all accumulated micro-batches together
    examples: int  # examples in the data
    factors: NDArray[np.float64]  # (steps,) multiply the peak learning rate
    schedule: str = "constant"  # its name, "custom" for a user's own
    weight_decay: float = 0.0  # coupled: added to the gradient as decay times the parameters
    clip: float | None = None  # largest norm of a gradient
    warmup: int = 0
    objective: Objective = field(default_factory=Objective)
    uniform: bool = True  # False where parameter groups differ in learning rate or decay: then no forecast is made

    def __post_init__(self) -> None:
        """Refuse what no run can use, in one sentence each."""
        if self.examples < 1:
            raise BadInput("the data hold no examples")
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int | np.integer):
            raise BadInput(f"batch_size = {self.batch_size!r} is not a whole number: give the examples of one step, such as 64")
        if not 1 <= self.batch_size <= self.examples:
            raise BadInput(
                f"batch_size = {self.batch_size} is outside 1 to {self.examples}, the number of examples: use at most {self.examples}"
            )
        for name in ("weight_decay",) if self.clip is None else ("weight_decay", "clip"):
            single(getattr(self, name), name)
        if not self.weight_decay >= 0 or not np.isfinite(self.weight_decay):
            raise BadInput(f"weight_decay = {self.weight_decay:g}: give 0 or more, such as 1e-4")
        if self.clip is not None and not self.clip > 0:
            raise BadInput(f"clip = {self.clip:g} is not a norm: give a positive one, such as 1.0")
        if not 0 <= self.warmup < self.steps:
            raise BadInput(f"warmup = {self.warmup} is outside 0 to {self.steps - 1}: the warm-up must be shorter than the run")
        factors = self.factors
        if np.shape(factors) != (self.steps,) or not np.all(np.isfinite(factors)) or np.any(factors < 0) or not np.any(factors > 0):
            raise BadInput("the schedule's factors must be finite, not negative and not all zero: they multiply the learning rate")

    @property
    def epochs(self) -> float:
        """Passes over the data."""
        return self.steps * self.batch_size / self.examples

    @property
    def full_batch(self) -> bool:
        """Whether every step takes all examples: then there is no gradient noise."""
        return self.batch_size >= self.examples

    @property
    def gradients(self) -> int:
        """Example gradients of one run: the unit in which costs are counted."""
        return self.steps * self.batch_size
