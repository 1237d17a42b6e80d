"""A schedule is a map from step to Method: the coefficients that belong to one step travel together.

Built-in schedules scale alpha by a factor of the step and leave beta, gamma and delta alone; a user's own is any
function `step -> Method`. They take an integer or an array of steps alike, so a whole run is one call; an array of another
framework (a step traced by jax) is computed with in that framework.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, nearest
from .method import Method

__all__ = ["SHAPES", "Scaled", "Schedule", "coming", "constant", "cosine", "linear", "shaped", "step_decay", "tabulate", "warmup"]


class Schedule(Protocol):
    """Anything that says which Method belongs to which step."""

    def __call__(self, step: Any, /) -> Method:
        """The method of the given step (from 0)."""
        ...


class Scaled(NamedTuple):
    """A method whose alpha is multiplied by factor(step).

    >>> linear(Method(1.0, beta=0.9), 4)(np.arange(5)).alpha
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    method: Method
    factor: Callable[[Any], Any]
    name: str

    def __call__(self, step: Any, /) -> Method:
        """The method with alpha scaled for this step."""
        return self.method._replace(alpha=self.method.alpha * self.factor(step))

    def __repr__(self) -> str:
        """The name and the method, without the closure's address."""
        return f"{self.name}({self.method})"


def constant(method: Method, steps: int | None = None) -> Scaled:
    """The same method for ever; `steps` is accepted so that all shapes are called alike.

    >>> constant(Method(0.1))(7).alpha
    0.1
    """
    return Scaled(method, lambda step: _plain(_library(step).ones(np.shape(step))), "constant")


def linear(method: Method, steps: int) -> Scaled:
    """alpha (1 - step/steps): a straight line to zero at `steps`, zero after.

    >>> linear(Method(0.1), 10)(5).alpha
    0.05
    """
    _positive(steps)
    return Scaled(method, lambda step: _plain(_library(step).maximum(0.0, 1 - _array(step) / steps)), "linear")


def cosine(method: Method, steps: int) -> Scaled:
    """alpha (1 + cos(pi step/steps))/2 down to zero at `steps` (Loshchilov and Hutter 2017, without restarts).

    >>> round(cosine(Method(1.0), 10)(5).alpha, 12)
    0.5
    """
    _positive(steps)

    def factor(step: Any) -> Any:
        xp = _library(step)
        return _plain(0.5 + 0.5 * xp.cos(np.pi * xp.minimum(_array(step) / steps, 1.0)))

    return Scaled(method, factor, "cosine")


def step_decay(method: Method, every: int, factor: float = 0.1) -> Scaled:
    """alpha factor^floor(step/every).

    >>> step_decay(Method(1.0), every=2, factor=0.5)(np.arange(5)).alpha
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """
    _positive(every)
    if not 0 < factor <= 1:
        raise BadInput(f"factor = {factor:g} is outside (0, 1]: a decay multiplies alpha by at most 1; try 0.1")
    return Scaled(method, lambda step: _plain(float(factor) ** (_array(step) // every)), "step-decay")


def warmup(schedule: Scaled, steps: int) -> Scaled:
    """The schedule with its first `steps` steps scaled by (step + 1)/steps; its own clock is not shifted.

    >>> warmup(constant(Method(1.0)), 4)(np.arange(5)).alpha
    array([0.25, 0.5 , 0.75, 1.  , 1.  ])
    """
    _positive(steps)

    def factor(step: Any) -> Any:
        return _plain(schedule.factor(step) * _library(step).minimum(1.0, (_array(step) + 1) / steps))

    return Scaled(schedule.method, factor, f"warmup-{schedule.name}")


SHAPES: dict[str, Callable[[Method, int], Scaled]] = {"constant": constant, "linear": linear, "cosine": cosine}


def shaped(name: str, method: Method, steps: int) -> Scaled:
    """A schedule by name: constant, linear or cosine.

    Raises:
        BadInput: an unknown name (the nearest one is suggested) or steps < 1.

    >>> shaped("linear", Method(0.1), 10)
    linear(Method(alpha=0.1, beta=0.0, gamma=0.0, delta=0.0))
    """
    if name not in SHAPES:
        raise BadInput(f"unknown schedule '{name}': {nearest(name, SHAPES)}")
    return SHAPES[name](method, steps)


def tabulate(schedule: Schedule | Method, steps: int) -> Method:
    """The coefficients of every step as a Method of arrays, time first: each field (steps, *methods).

    A schedule that cannot take an array of steps is asked one step at a time.

    >>> tabulate(Method(0.1, beta=0.9), 2).beta
    array([0.9, 0.9])
    """
    if isinstance(schedule, Method):
        rows = [schedule] * steps
    elif isinstance(schedule, Scaled):
        shape = np.broadcast_shapes(*(np.shape(field) for field in schedule.method))
        factor = np.asarray(schedule.factor(np.arange(steps)), dtype=float).reshape((steps,) + (1,) * len(shape))
        fields = [np.broadcast_to(np.asarray(field, dtype=float), (steps, *shape)) for field in schedule.method]
        return Method(fields[0] * factor, *fields[1:])
    else:
        rows = [schedule(step) for step in range(steps)]
    return Method(*(_stack([row[index] for row in rows]) for index in range(4)))


def coming(schedule: Any, table: Method, steps: int) -> Method:
    """The method of the step after the last, as torch's and optax's states hold it then; the last one where none is to be had.

    >>> coming(Method(0.5), Method(np.array([0.5]), np.zeros(1), np.zeros(1), np.zeros(1)), 1).alpha.item()
    0.5
    """
    last = Method(*(column[-1] for column in table))
    if isinstance(schedule, Method):
        return last
    try:
        after = Method(
            *(np.broadcast_to(np.asarray(value, dtype=float), then.shape) for value, then in zip(schedule(steps), last, strict=True))
        )
    except Exception:  # a user's own schedule need not know more steps than it has
        return last
    return after if all(np.all(np.isfinite(value)) for value in after) else last


def _library(step: Any) -> Any:
    """numpy, or the framework that the step belongs to."""
    return step.__array_namespace__() if hasattr(step, "__array_namespace__") else np


def _array(step: Any) -> Any:
    return step if hasattr(step, "__array_namespace__") else np.asarray(step)


def _plain(value: Any) -> Any:
    return value.item() if np.ndim(value) == 0 and isinstance(value, np.ndarray | np.generic) else value


def _stack(values: list[Any]) -> NDArray[np.float64]:
    return np.stack(np.broadcast_arrays(*values)).astype(float)


def _positive(steps: int) -> None:
    if steps < 1:
        raise BadInput(f"steps = {steps} is too few: a schedule needs at least 1 step")
