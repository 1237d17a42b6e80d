"""One road from any Task to an answer: its door, its budget, and what else it was made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BadInput, require
from ..tuning.asking import Asked, ask, second_opinion
from ..tuning.budget import Budget, Objective
from ..tuning.checking import Check
from ..tuning.factors import budget_of
from ..tuning.result import Tuning
from ..tuning.trainable import Progress, Trainable
from ..tuning.underway import Setting
from . import Task

__all__ = ["arguments", "check_task", "compare_task", "job_of", "rivals_of", "tune_task"]

_BUDGET = ("steps", "batch_size", "schedule", "warmup", "weight_decay", "clip")


def job_of(task: Task, *, validate: bool | None = None, executor: Any = None, **given: Any) -> tuple[Trainable, Budget]:
    """A task behind the door of its framework, with its budget; what is None is the task's own.

    Args:
        validate: compare runs by the loss on the task's validation data (default: as the task says).
        executor: where runs are made (torch only).
        given: steps, batch_size, schedule, warmup, weight_decay, clip: override the task's.

    Raises:
        BadInput: settings that this kind of task does not have, or that no run can use.
        MissingExtra: its framework is not installed.
    """
    words = _words(task, given)
    held = _held_out(task, validate)
    objective = Objective("validation loss", held_out=True) if held else Objective()
    job: Trainable
    if task.kind == "numpy":
        from ..tuning.numpy_door import ProblemJob

        job = ProblemJob(task.problem)
        if words["batch_size"] is not None and task.problem.examples is None:
            raise BadInput(f"batch_size = {words['batch_size']}, but {task.name} is one function without examples: leave batch_size out")
    elif task.kind == "jax":
        require("jax", "jax")
        from ..jax.door import JaxJob

        job = JaxJob(
            task.extra["loss"], task.extra["params"], task.extra["data"], validation=task.extra["validation"],
            batch_size=words["batch_size"], steps=words["steps"], name=task.name, lowest=task.extra["settings"].get("lowest"),
        )  # fmt: skip
    else:
        require("torch", "torch")
        from ..torch.door import TorchJob
        from ..torch.schedules import factored

        extra, settings = task.extra, task.extra["settings"]
        words["schedule"] = factored(words["schedule"], words["steps"])
        job = TorchJob(
            extra["model"], extra["loss_fn"], extra["data"], validation=extra["validation"], batch_size=words["batch_size"],
            steps=words["steps"], lowest=settings.get("lowest"),
            forward=settings.get("forward"), executor=executor or settings.get("executor"), name=task.name,
        )  # fmt: skip
    return job, budget_of(job.examples, objective=objective, **words)


def _words(task: Task, given: dict[str, Any]) -> dict[str, Any]:
    """The budget's words: those given, else the task's settings, else its own."""
    own = {"steps": task.steps, "batch_size": task.batch_size, "schedule": task.schedule}
    own |= {name: value for name, value in task.extra.get("settings", {}).items() if name in _BUDGET}
    return own | {name: value for name, value in given.items() if value is not None and name in _BUDGET}


def _held_out(task: Task, validate: bool | None) -> bool:
    if task.kind == "numpy":
        if validate:
            raise BadInput(f"{task.name} is a problem with a formula, which has no validation data: leave --validation out")
        return False
    if validate and task.extra["validation"] is None:
        raise BadInput(f"{task.name} has no validation data: pass validation= where the task is made")
    judged = task.extra["judged"] if validate is None else validate
    return bool(judged and task.extra["validation"] is not None)


def tune_task(task: Task, asked: Asked | None = None, **given: Any) -> Tuning:
    """Measure, choose and verify for a Task.

    Args:
        asked: how to search (default: three runs).
        given: what `job_of` and `tuning.asking.ask` take.

    Raises:
        BadInput, MissingExtra: see `job_of`.

    >>> from . import load
    >>> found = tune_task(load("valley"), steps=20)
    >>> found.verified_loss < 1e-2
    True
    """
    kept = {name: given.pop(name) for name in ("journal", "resume", "progress", "on_run", "on_estimate") if name in given}
    job, budget = job_of(task, **given)
    return ask(job, budget, asked or Asked(), **kept)


def check_task(task: Task, setting: Setting, seed: int = 0, *, progress: Progress | None = None, **given: Any) -> Check:
    """A second opinion on a setting for a task, without any run.

    Args:
        given: what `job_of` takes.

    Raises:
        BadInput, Diverged: what `job_of` and measuring raise.

    >>> from inertia.tuning.underway import setting_of
    >>> from . import load
    >>> said = check_task(load("valley"), setting_of(0.1))
    >>> said.stable, round(said.room, 2)
    (True, 5.0)
    """
    job, budget = job_of(task, **given)
    return second_opinion(job, budget, setting, seed=seed, progress=progress)


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


def compare_task(task: Task, found: Tuning, *, validate: bool | None = None, **given: Any) -> list[dict[str, Any]]:
    """Final losses of the parameter-free optimizers on the budget of a tuning, best first; settings as given to `tune_task`."""
    words = _words(task, given)
    added: dict[str, Any] = {name: words[name] for name in ("warmup", "weight_decay", "clip") if words.get(name)}
    if "forward" in task.extra.get("settings", {}):
        added["forward"] = task.extra["settings"]["forward"]
    if found.budget.objective.held_out:
        added["validation"] = task.extra["validation"]
    return rivals_of(task)(
        *arguments(task, found.seed), steps=found.budget.steps, batch_size=None if found.budget.full_batch else found.budget.batch_size,
        schedule=words["schedule"], seed=found.seed, **added,
    )  # fmt: skip


def arguments(task: Task, seed: int) -> tuple[Any, ...]:
    """What the framework's `measure` and `compare` are called with: a model or parameters made for the seed."""
    extra = task.extra
    if task.kind == "jax":
        return extra["loss"], _made(extra["params"], seed), extra["data"]
    return _made(extra["model"], seed), extra["loss_fn"], extra["data"]


def _made(thing: Any, seed: int) -> Any:
    """A model or parameters, or what a function of the seed makes of them (a module can be called too, but is no factory)."""
    return thing(seed) if callable(thing) and not hasattr(thing, "parameters") else thing
