"""The built-in tasks: a problem together with the budget, batch size and schedule one would train it with.

A task is loaded by name and built when asked for, so that listing names costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import problems
from ..errors import BadInput, nearest
from ..problems import Problem
from .data import airfoil_table

if TYPE_CHECKING:
    from .models import jax_task, torch_task
    from .tuning import tune_task

__all__ = ["DEFAULT", "TASKS", "Task", "jax_task", "load", "names", "torch_task", "tune_task"]

DEFAULT = "digits"


@dataclass(frozen=True, eq=False)
class Task:
    """What to train and on which budget; the command line may override budget, batch size and schedule."""

    name: str
    problem: Problem
    steps: int
    batch_size: int | None = None  # None = the whole loss at every step
    schedule: str = "linear"  # a name of inertia.core.schedule.SHAPES
    about: str = ""
    kind: str = "numpy"  # numpy, jax or torch: who computes the gradients
    extra: dict[str, Any] = field(default_factory=dict)  # what only this task's framework needs


def _digits() -> Task:
    return Task("digits", problems.digits(), steps=560, batch_size=32, about="10 epochs of softmax regression on real digits")


def _diabetes() -> Task:
    return Task("diabetes", problems.diabetes(), steps=900, batch_size=10, about="20 epochs of linear regression, correlated features")


def _breast_cancer() -> Task:
    return Task("breast-cancer", problems.breast_cancer(), steps=360, batch_size=32, about="20 epochs of logistic regression")


def _airfoil() -> Task:
    return Task("airfoil", problems.airfoil(airfoil_table()), steps=300, batch_size=10, about="2 epochs of linear regression, wind tunnel")


def _linear_regression() -> Task:
    problem = problems.linear_regression()
    return Task("linear-regression", problem, steps=300, batch_size=10, about="3 epochs of linear regression on made-up data")


def _deterministic(name: str, steps: int) -> Callable[[], Task]:
    """A task without examples: the whole function at every step, a constant learning rate."""

    def make() -> Task:
        problem = problems.BUILT_IN[name]()
        return Task(name, problem, steps=steps, schedule="constant", about=problem.about)

    return make


# Steps of the functions are those of the figures they come from, or enough for a good setting to arrive.
_STEPS = {
    "convex-rosenbrock": 50,
    "double-well": 100,
    "expander": 100,
    "grid": 100,
    "heavy-ball-trap": 100,
    "maze": 2000,
    "path": 300,
    "planar": 300,
    "poly": 2000,
    "quartic": 100,
    "rosenbrock": 150,
    "scalar": 150,
    "valley": 20,
}

TASKS: dict[str, Callable[[], Task]] = {
    "airfoil": _airfoil,
    "breast-cancer": _breast_cancer,
    "diabetes": _diabetes,
    "digits": _digits,
    "linear-regression": _linear_regression,
} | {name: _deterministic(name, steps) for name, steps in _STEPS.items()}


def names() -> list[str]:
    """The names of the tasks with a formula; `load` also knows the networks (models.MODELS).

    >>> "digits" in names()
    True
    """
    return sorted(TASKS)


def load(name: str = DEFAULT) -> Task:
    """The built-in task of that name.

    Raises:
        BadInput: an unknown name (the nearest one is suggested).
        BadData, MissingExtra: its data cannot be had.

    >>> load("valley").problem.dimension
    2
    """
    if name in TASKS:
        return TASKS[name]()
    from .models import MODELS

    if name not in MODELS:
        raise BadInput(f"unknown task '{name}': {nearest(name, [*TASKS, *MODELS])}")
    return MODELS[name]()


def __getattr__(name: str) -> Any:
    """What needs the rooms of the frameworks' tuners, loaded when first asked for."""
    if name in {"jax_task", "torch_task"}:
        from . import models

        return getattr(models, name)
    if name == "tune_task":
        from .tuning import tune_task

        return tune_task
    raise AttributeError(f"module 'inertia.tasks' has no attribute '{name}'")
