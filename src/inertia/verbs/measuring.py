"""`inertia.measure`: curvature, gradient and noise of a Problem, a torch module or a JAX loss, exactly as `tune` uses them."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from ..errors import BadInput, nearest, require
from ..tuning.asking import shown
from ..tuning.budget import Budget
from ..tuning.given import check_call
from ..tuning.measurement import Measurement
from ..tuning.measuring import measure as measured
from ..tuning.preconditioned import Preconditioned
from ..tuning.trainable import Progress, Trainable
from .dispatch import understood

__all__ = ["measure", "prepared"]

_STEPS = 1000  # length of the run that pays for measuring, where none is given


def measure(
    job: Any,
    *given: Any,
    seed: int = 0,
    examples: int | None = None,
    full: bool = False,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Measurement | Preconditioned:
    """Curvature, gradient and gradient noise of a training job at its start, before anything is run.

    Args:
        job: a Problem, the name of a built-in task, a task, a torch module (or a function seed -> module), or a JAX loss(params, batch).
        given: for a module: loss_fn, data; for a JAX loss: params, data.
        seed: of the sample, the mini-batches and, for a function of the seed, initialisation.
        examples: how many of the data are measured on; default as many as a run pays for.
        full: measure on all of the data, with more products, whatever it costs.
        progress: True for a line on stderr, or progress(stage, done, total).
        options: the budget (steps, default 1000 or the task's; batch_size, schedule, weight_decay, clip) and what the door of the
            framework takes (validation, forward, size_of, mode, groups, ...). With optimizer=, the torch optimizer or optax
            transformation that trains the model (and its opt_state), what `inertia.torch.measure` or `inertia.jax.measure` take.

    Returns:
        A Measurement, the one that `inertia.tune` would use on this budget; with optimizer=, a Preconditioned: the spectrum in the metric
        of the optimizer's state, its edge, and the best step length along its update.

    Raises:
        BadInput: something that cannot be measured; a start without gradient or without positive curvature.
        Diverged: loss or gradient not finite at the start.
        MissingExtra: the framework is not installed.

    >>> from inertia.problems import valley
    >>> round(measure(valley()).largest, 6)
    4.0
    """
    if options.get("optimizer") is not None or options.get("opt_state") is not None:
        return _under(job, given, options | {"seed": seed, "examples": examples, "progress": progress if progress is not None else False})
    made, budget = prepared(job, *given, seed=seed, **options)
    with shown(progress) as tell:
        return measured(made, budget, seed=seed, examples=examples, full=full, progress=tell)


def prepared(job: Any, *given: Any, seed: int = 0, **options: Any) -> tuple[Trainable, Budget]:
    """A job behind its door, and its budget."""
    task, framework = understood("measure", job, given, options, _STEPS)
    if task is not None:
        from ..tasks.tuning import job_of

        return job_of(task, **options)
    _whole(given)
    require(framework, framework)
    room = import_module(f"inertia.{framework}.tuning")
    words = {"steps": _STEPS} | options
    check_call("measure", room.tune, given, words)
    return room.posed(job, *given, seed=seed, **words)  # type: ignore[no-any-return]


def _whole(given: tuple[Any, ...]) -> None:
    """Refuse a framework's job of which a part was not given."""
    if len(given) != 2:
        raise BadInput("measure needs a job with two things more: a torch module, its loss and data, or a JAX loss, params and data")


def _under(job: Any, given: tuple[Any, ...], options: dict[str, Any]) -> Preconditioned:
    """What the framework's own `measure` finds in the metric of an optimizer."""
    task, framework = understood("measure", job, given, options, _STEPS)
    if task is not None:
        raise BadInput(f"{task.name} is a task, which no optimizer of yours trains: check(..., optimizer='adamw') judges a setting on it")
    _whole(given)
    require(framework, framework)
    found = import_module(f"inertia.{framework}").measure
    allowed = signature(found).parameters
    for word in options:
        if word not in allowed:
            raise BadInput(f"measuring under an optimizer takes no {word}: {nearest(word, allowed)}; a run's budget is not part of it")
    return found(job, *given, **options)  # type: ignore[no-any-return]
