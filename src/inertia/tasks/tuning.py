"""One door to tune any Task, whoever computes its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tune as room
from ..errors import BadInput, require
from ..record import Record
from ..tune.decide import Progress
from ..tune.journal import Journal
from . import Task

__all__ = ["arguments", "tune_task"]


def tune_task(
    task: Task,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    schedule: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
    journal: Journal | None = None,
    validate: bool | None = None,
    **settings: Any,
) -> room.Tuning:
    """Measure, choose and verify for a Task; what is None is the task's own.

    `validate` compares runs by the loss on the task's validation data (default: as the task says). `settings` (warmup, weight_decay, clip,
    momentum, nesterov, branch, runs) override the task's.

    Raises:
        BadInput: settings that this kind of task does not have, and what its `tune` raises.
        MissingExtra: its framework is not installed.

    >>> from . import load
    >>> tune_task(load("valley"), steps=20).verified_loss < 1e-3
    True
    """
    given = {name: value for name, value in settings.items() if value is not None}
    budget: dict[str, Any] = {
        "steps": task.steps if steps is None else steps,
        "batch_size": task.batch_size if batch_size is None else batch_size,
        "schedule": task.schedule if schedule is None else schedule,
        "seed": seed, "progress": progress, "on_record": on_record, "journal": journal,
    }  # fmt: skip
    if task.kind == "numpy":
        unknown = sorted(given.keys() & {"warmup", "weight_decay", "clip"}) + ["validation data"] * bool(validate)
        if unknown:
            raise BadInput(f"{task.name} is a problem with a formula, which has no {' or '.join(unknown)}: leave it out, or tune a model")
        return room.tune(task.problem, **budget, **given)
    words = task.extra["settings"] | given
    if validate and task.extra["validation"] is None:
        raise BadInput(f"{task.name} has no validation data: pass validation= where the task is made")
    if task.extra["judged"] if validate is None else validate:
        words["validation"] = task.extra["validation"]
    return _tuner(task.kind)(*arguments(task, seed), name=task.name, **budget, **words)  # type: ignore[no-any-return]


def arguments(task: Task, seed: int) -> tuple[Any, ...]:
    """What the framework's `tune` and `measure` are called with: a model or parameters made for the seed."""
    extra = task.extra
    if task.kind == "jax":
        return extra["loss"], _made(extra["params"], seed), extra["data"]
    return _made(extra["model"], seed), extra["loss_fn"], extra["data"]


def _made(thing: Any, seed: int) -> Any:
    """A model or parameters, or what a function of the seed makes of them (a module can be called too, but is no factory)."""
    return thing(seed) if callable(thing) and not hasattr(thing, "parameters") else thing


def _tuner(kind: str) -> Callable[..., Any]:
    require(kind, kind)
    if kind == "jax":
        from ..jax.tuning import tune as tuner

        return tuner
    from ..torch.tuning import tune as torch_tuner

    return torch_tuner
