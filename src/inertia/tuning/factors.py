"""A schedule in any form a person has it, as one factor of the peak learning rate for every step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import single
from ..core.method import Method
from ..core.schedule import SHAPES, Scaled, Schedule, shaped, tabulate, warmup
from ..errors import BadInput
from .budget import FEWEST, Budget, Objective

__all__ = ["Shape", "budget_of", "enough", "factors_of"]

Shape: TypeAlias = str | Callable[..., Any]  # a name of core.schedule.SHAPES; step -> factor; or (method, steps) -> Schedule


def factors_of(schedule: Shape, steps: int, warm: int = 0) -> tuple[str, NDArray[np.float64]]:
    """(name, factors): what multiplies the peak learning rate at each of `steps` steps, after `warm` steps of linear warm-up.

    A schedule is `constant`, `linear` or `cosine`, a function step -> factor, or a maker (method, steps) -> Schedule.

    Raises:
        BadInput: an unknown name, or something that is no schedule.

    >>> factors_of(lambda step: 0.5 ** step, 3)
    ('custom', array([1.  , 0.5 , 0.25]))
    >>> factors_of(lambda step: 1 - step / 4, 4)[0]  # a function that is one of the three is called by its name
    'linear'
    """
    made = _made(schedule, steps)
    if warm:
        made = warmup(made if isinstance(made, Scaled) else Scaled(Method(1.0), _own(made), "custom"), warm)
    name = getattr(made, "name", "custom")
    try:
        factors = np.asarray(tabulate(made, steps).alpha, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"the schedule gave no number for some step ({error}): it must give one factor for each step") from error
    return name if isinstance(schedule, str) else _named(factors, warm) or name, factors


def _named(factors: NDArray[np.float64], warm: int) -> str | None:
    """The name of the shape whose factors these are, up to rounding."""
    steps, close = len(factors), float(np.finfo(float).eps) ** 0.5
    for shape in SHAPES:
        name, usual = factors_of(shape, steps, warm)
        if np.allclose(factors, usual, rtol=0.0, atol=close):
            return name
    return None


def _made(schedule: Any, steps: int) -> Schedule:
    if isinstance(schedule, str):
        return shaped(schedule, Method(1.0), steps)
    allowed = f"give {', '.join(SHAPES)}, or a function step -> factor of the peak learning rate"
    if not callable(schedule) or isinstance(schedule, type):
        kind = schedule.__name__ if isinstance(schedule, type) else type(schedule).__name__
        raise BadInput(f"schedule is {'the class' if isinstance(schedule, type) else 'an object of the class'} {kind}: {allowed}")
    if _takes_two(schedule):
        try:
            made = schedule(Method(1.0), steps)
        except Exception as error:  # a function of something else, as one that makes a framework's scheduler
            raise BadInput(f"the schedule raised {type(error).__name__} ({error}): {allowed}") from error
        return made  # type: ignore[no-any-return]
    factor = np.vectorize(lambda k: float(schedule(int(k))), otypes=[float])
    return Scaled(Method(1.0), lambda step: factor(step) if np.ndim(step) else float(factor(step)), "custom")


def _own(made: Schedule) -> Callable[[Any], Any]:
    return lambda step: made(step).alpha


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether it makes a schedule from (method, steps), rather than being a factor of the step."""
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def enough(steps: Any) -> None:
    """Refuse a number of steps that no tuning can use.

    Raises:
        BadInput: not a whole number, or fewer than 16.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer):
        raise BadInput(f"steps = {steps!r} is not a whole number: give the length of a training run, such as 1000")
    if steps < FEWEST:
        raise BadInput(f"steps = {steps} is too few: tuning needs a run of at least {FEWEST} steps")


def budget_of(
    examples: int,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    objective: Objective | None = None,
    uniform: bool = True,
) -> Budget:
    """A checked Budget; `batch_size` None is the whole data set.

    Raises:
        BadInput: see Budget and `factors_of`.

    >>> budget_of(100, steps=16, batch_size=10).factors[:2]
    array([1.    , 0.9375])
    """
    enough(steps)
    if single(warmup, "warmup") % 1 != 0:
        raise BadInput(f"warmup = {warmup} is not a whole number: give the steps of the warm-up, such as {max(1, int(steps) // 20)}")
    name, factors = factors_of(schedule, int(steps), warmup if 0 <= warmup < steps else 0)
    size = examples if batch_size is None else batch_size
    return Budget(int(steps), size, examples, factors, name, weight_decay, clip, warmup, objective or Objective(), uniform)
