"""`inertia.tune`, `check` and `simulate` for a Problem, a torch module or a JAX loss: whichever they are given."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from ..core.method import Method
from ..core.record import Record
from ..core.schedule import Schedule
from ..errors import BadInput
from ..problems.base import Problem
from ..problems.simulation import run
from ..tuning.asking import Asked
from ..tuning.checking import Check
from ..tuning.given import check_call, unknown
from ..tuning.result import Tuning
from ..tuning.underway import setting_of

__all__ = ["check", "simulate", "tune", "understood"]

_SETTING = {"lr", "momentum", "nesterov", "optimizer", "betas", "eps"}


def tune(job: Any, *given: Any, **options: Any) -> Tuning:
    """Which learning rate and momentum a training job needs on its budget: measured, then verified by a few full runs.

    Args:
        job: a Problem, the name of a built-in task, a task, a torch module (or a function seed -> module), or a JAX loss(params, batch).
        given: for a module: loss_fn, data; for a JAX loss: params, data. See `inertia.torch.tune` and `inertia.jax.tune`.
        options: steps (required but for tasks), batch_size (examples a step; default all), schedule ("linear"), warmup, weight_decay, clip,
            validation; runs (3: full runs at most, 0 for advice), max_cost (in runs, measuring included), seed (0), prove (one more run,
            without momentum), optimizer ("sgd", "adamw", or "any": whichever ends lower), momentum and nesterov (fixed where given),
            experience (a folder), past (runs that you already have: a CSV file, an Optuna study, rows), journal (a folder) and resume,
            progress.

    Returns:
        A Tuning: print it, or call its `torch(params)`, `optax()`, `keras()`, `save(folder)`.

    Raises:
        BadInput: something that cannot be tuned, or settings that no run can use.
        Diverged: loss or gradient not finite at the start.
        MissingExtra: the framework is not installed.

    >>> from inertia.problems import valley
    >>> tune(valley(), steps=30).verified_loss < 0.1
    True
    """
    return _verb("tune", job, given, options)  # type: ignore[no-any-return]


def check(
    job: Any, *given: Any, lr: float, momentum: float | None = None, nesterov: bool = False, optimizer: str = "sgd",
    betas: tuple[float, float] | None = None, eps: float = 1e-8, **options: Any,
) -> Check:  # fmt: skip
    """A second opinion on a learning rate and momentum, without any training run.

    Args:
        job, given: as for `tune`.
        lr: the learning rate in use (its peak, under a schedule).
        momentum: momentum of SGD (default 0), beta1 of AdamW (default 0.9).
        nesterov: SGD in Nesterov's form.
        optimizer: "sgd" or "adamw".
        betas, eps: AdamW's (beta1, beta2) and eps.
        options: the budget and `seed`, as for `tune`.

    Raises:
        BadInput, Diverged, MissingExtra: as `tune`.

    >>> from inertia.problems import valley
    >>> check(valley(), lr=0.1, steps=30).stable
    True
    """
    setting = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "optimizer": optimizer, "betas": betas, "eps": eps}
    return _verb("check", job, given, options | setting)  # type: ignore[no-any-return]


def simulate(problem: Problem, method: Method | Schedule, steps: int, **options: Any) -> Record:
    """Run a Method on a Problem in numpy, step by step: the oracle that everything which steps is held against.

    Args:
        problem: what to minimise.
        method: a Method, or a schedule of Methods.
        steps: how many.
        options: see `inertia.problems.simulation.run`.

    Raises:
        BadInput: coefficients that no run can use, or a batch larger than the data.

    >>> from inertia.problems import valley
    >>> simulate(valley(), Method(0.6, 0.5), 60).loss < 1e-6
    True
    """
    return run(problem, method, steps, **options)


def _verb(name: str, job: Any, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The verb in the room that understands the job."""
    task, framework = understood(name, job, given, options, 0)
    if task is not None:
        return _on_task(name, task, options)
    found = getattr(import_module(f"inertia.{framework}"), name)
    check_call(name, found, given, options)
    return found(job, *given, **options)


def understood(name: str, job: Any, given: tuple[Any, ...], options: dict[str, Any], steps: int) -> tuple[Any, str]:
    """A task (of a name or a Problem too; `steps` where none are given), or else the framework that the job is written in.

    Raises:
        BadInput: a job of no kind that is known, or something given beside a task, which has its own loss and data.
    """
    from .. import tasks

    if not given and (room := _trained_by(job)):
        raise BadInput(f"{name} was given a {type(job).__name__}, which holds its own loss: call {room}")
    if isinstance(job, str):
        job = tasks.load(job)
    if isinstance(job, Problem):
        job = tasks.Task(job.name, job, options.pop("steps", steps))
    if isinstance(job, tasks.Task):
        if given:
            raise BadInput(f"{name} was given a {type(given[0]).__name__} after {job.name}, which has its own loss and data: leave it out")
        return job, ""
    if _is_torch(job) or any(_is_torch(each) for each in (*given, *options.values())):
        return None, "torch"
    if callable(job):
        return None, "jax"
    raise BadInput(
        f"{name} was given a {type(job).__name__}: pass a Problem, the name of a task, a torch module with its loss and data, or a JAX "
        "loss(params, batch) with params and data"
    )


def _trained_by(job: Any) -> str:
    """What to call for an object of a library that trains, told by where its classes come from, as none of them may be installed."""
    homes = {kind.__module__.split(".")[0] for kind in type(job).__mro__}
    calls = {
        "transformers": "inertia.hf.tune(trainer)" if hasattr(job, "compute_loss") else "",
        "lightning": "inertia.lightning.tune(module, datamodule, trainer=trainer)",
        "pytorch_lightning": "inertia.lightning.tune(module, datamodule, trainer=trainer)",
        "keras": "inertia.keras.tune(model, x, y, epochs=...)",
    }
    return next((call for home, call in calls.items() if home in homes and call), "")


def _on_task(name: str, task: Any, options: dict[str, Any]) -> Any:
    """The verb for a task, whose data are its own."""
    from ..tasks.tuning import check_task, tune_task

    _of_task(name, options)
    if "validation" in options:
        options["validate"] = options.pop("validation") is not None
    if name == "check":
        setting = setting_of(*(options.pop(word) for word in ("lr", "momentum", "nesterov", "optimizer", "betas", "eps")))
        return check_task(task, setting, options.pop("seed", 0), **options)
    asked = {word: options.pop(word) for word in (f.name for f in fields(Asked)) if word in options}
    return tune_task(task, Asked(**asked), **options)


def _of_task(name: str, options: dict[str, Any]) -> None:
    """Refuse words that a task does not take: what it is made of was said where it was made."""
    words = {"steps", "batch_size", "schedule", "warmup", "weight_decay", "clip", "validation", "validate", "executor", "seed", "progress"}
    words |= _SETTING if name == "check" else {f.name for f in fields(Asked)} | {"journal", "resume", "on_run", "on_estimate"}
    for word in options:
        if word not in words:
            raise unknown(name, word, words, " beside a task")


def _is_torch(thing: Any, depth: int = 2) -> bool:
    """Whether something is torch's: a module, a tensor, a loader, or a tuple or dict of them; torch is only looked at if it is loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    if isinstance(thing, torch.nn.Module | torch.Tensor) or type(thing).__module__.split(".")[0] == "torch":
        return True
    inner = thing.values() if isinstance(thing, Mapping) else thing if isinstance(thing, tuple | list) else ()
    return depth > 0 and any(_is_torch(each, depth - 1) for each in _few(inner))


def _few(items: Iterable[Any]) -> list[Any]:
    return [item for item, _ in zip(items, range(4), strict=False)]
