"""One door to tune any Task, whoever computes its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tuning as room
from ..core.record import Record
from ..errors import BadInput, require
from ..tuning.decide import Progress
from ..tuning.journal import Journal
from . import Task

__all__ = ["arguments", "compare_task", "rivals_of", "tune_task"]


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
    extra = task.extra
    given_by = (extra["loss"], extra["params"]) if task.kind == "jax" else (extra["model"], extra["loss_fn"])
    return _tuner(task.kind)(*given_by, extra["data"], name=task.name, **budget, **words)  # type: ignore[no-any-return]


def rivals_of(task: Task) -> Callable[..., list[dict[str, Any]]]:
    """The `compare` of the task's framework.

    Raises:
        BadInput: a problem with a formula.
        MissingExtra: the framework, or a package with a rival in it, is not installed.
    """
    if task.kind == "numpy":
        raise BadInput(f"parameter-free optimizers are those of JAX and torch, and {task.name} is computed with numpy: leave --compare out")
    require(task.kind, task.kind)
    if task.kind == "jax":
        from ..jax.rivals import compare

        return compare
    from ..torch.rivals import compare as torch_compare

    return torch_compare


def compare_task(task: Task, found: room.Tuning, schedule: Any = None, **settings: Any) -> list[dict[str, Any]]:
    """Final losses of the parameter-free optimizers on the budget of a tuning, best first; `settings` as given to `tune_task`."""
    words = task.extra["settings"] | {name: value for name, value in settings.items() if value is not None}
    added = {name: words[name] for name in ("warmup", "weight_decay", "clip", "forward") if name in words}
    if found.judged_by == "validation loss":
        added["validation"] = task.extra["validation"]
    return rivals_of(task)(
        *arguments(task, found.seed), steps=found.steps, batch_size=found.batch_size,
        schedule=task.schedule if schedule is None else schedule, seed=found.seed, **added,
    )  # fmt: skip


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
