"""The budget of a training run as the adapters of the frameworks need it: sizes, the factor of every step, what is added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.schedule import SHAPES, Scaled, Schedule, shaped, tabulate, warmup
from ..errors import BadInput
from .choose import Shape

__all__ = ["FEWEST", "Plan", "comparable", "enough", "planned"]

FEWEST = 16  # steps below which there is nothing to tune: the walk alone takes a sixteenth


@dataclass(frozen=True)
class Plan:
    """Sizes and additions of a run; `factors` multiply alpha, one per step."""

    examples: int
    steps: int
    batch_size: int
    shape: Shape
    name: str
    factors: NDArray[np.float64]  # (steps,)
    weight_decay: float = 0.0
    clip: float | None = None
    warmup: int = 0

    @property
    def budgeted(self) -> int | None:
        """The batch size for the report: None where it is the whole loss."""
        return self.batch_size if self.batch_size < self.examples else None

    @property
    def extras(self) -> dict[str, Any]:
        """What is added to plain steps, for the record."""
        found = {"weight_decay": self.weight_decay, "clip": self.clip, "warmup": self.warmup}
        return {name: value for name, value in found.items() if value}


def planned(
    examples: int,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape | Callable[[int], float] = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
) -> Plan:
    """A checked Plan; a schedule is a name, a function step -> factor, or a maker (method, steps) -> Schedule.

    Raises:
        BadInput: fewer than 16 steps, a batch outside the data, an unknown schedule, a factor that is not finite, a
            warm-up as long as the run, negative decay or clipping.

    >>> planned(100, steps=16, batch_size=10, schedule=lambda step: 0.5 ** step).factors[:3]
    array([1.  , 0.5 , 0.25])
    """
    enough(steps)
    if examples < 1:
        raise BadInput("the data hold no examples")
    size = examples if batch_size is None else batch_size
    if not 1 <= size <= examples:
        raise BadInput(f"batch_size = {size} is outside 1 to {examples}, the number of examples: use at most {examples}")
    if weight_decay < 0:
        raise BadInput(f"weight_decay = {weight_decay:g} is negative: give 0 or more, such as 1e-4")
    if clip is not None and not clip > 0:
        raise BadInput(f"clip = {clip:g} is not a norm: give a positive one, such as 1.0")
    if not 0 <= warmup < steps:
        raise BadInput(f"warmup = {warmup} is outside 0 to {steps - 1}: the warm-up must be shorter than the run")
    shape = _shape(schedule, warmup)
    made = shape(Method(1.0), steps) if callable(shape) else shaped(shape, Method(1.0), steps)
    factors = np.asarray(tabulate(made, steps).alpha, dtype=float)
    if not np.all(np.isfinite(factors)) or np.any(factors < 0) or not np.any(factors > 0):
        raise BadInput("the schedule's factors must be finite, not negative and not all zero: they multiply the learning rate")
    return Plan(examples, int(steps), int(size), shape, getattr(made, "name", "custom"), factors, weight_decay, clip, warmup)


def enough(steps: Any) -> None:
    """Refuse a number of steps that no tuning of a model can use.

    Raises:
        BadInput: not a whole number, or fewer than 16.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer):
        raise BadInput(f"steps = {steps!r} is not a whole number: give the length of a training run, such as 1000")
    if steps < FEWEST:
        raise BadInput(f"steps = {steps} is too few: tuning a model needs a budget of at least {FEWEST} steps")


def comparable(held: float) -> None:
    """Refuse validation data by which no run can be compared.

    Raises:
        BadInput: the loss on them at the start is not finite.
    """
    if not np.isfinite(held):
        raise BadInput(f"the loss on the validation data is {held} at the start: look at their inputs and targets")


def _shape(schedule: Any, warm: int) -> Shape:
    """How to make the schedule for a method."""
    if isinstance(schedule, str):
        if schedule not in SHAPES:
            shaped(schedule, Method(1.0), 1)  # says which names there are
        return schedule if not warm else lambda method, steps: warmup(shaped(schedule, method, steps), warm)
    if not callable(schedule):
        raise BadInput(f"schedule of type {type(schedule).__name__}: give constant, linear, cosine or a function step -> factor")
    if _takes_two(schedule):
        return schedule  # type: ignore[no-any-return]

    def own(method: Method, steps: int) -> Schedule:
        def factor(step: Any) -> Any:
            found = np.vectorize(lambda k: float(schedule(int(k))), otypes=[float])(step)
            return float(found) if np.ndim(found) == 0 else found

        scaled = Scaled(method, factor, "custom")
        return warmup(scaled, warm) if warm else scaled

    return own


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether it makes a schedule from (method, steps), rather than being a factor of the step."""
    import inspect

    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return False
    return True
