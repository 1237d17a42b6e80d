"""`tune` and `check` for a JAX loss: a door, a budget, and the road that all jobs take."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from ..tuning.asking import Asked, ask, second_opinion
from ..tuning.budget import Budget, Objective
from ..tuning.checking import Check
from ..tuning.factors import Shape, budget_of
from ..tuning.policy import Trial
from ..tuning.result import Tuning
from ..tuning.trainable import Progress
from ..tuning.underway import setting_of
from .door import JaxJob

__all__ = ["check", "posed", "tune"]


def tune(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    validation: Any = None,
    metric: Callable[[Any], float] | None = None,
    maximize: bool = True,
    size_of: Callable[[Any], int] | None = None,
    examples: int | None = None,
    lowest: float | None = None,
    together: int = 4,
    runs: int = 3,
    max_cost: float = math.inf,
    seed: int = 0,
    prove: bool = False,
    optimizer: str = "sgd",
    momentum: float | None = None,
    nesterov: bool | None = None,
    experience: str | os.PathLike[str] | None = None,
    past: Any = None,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = False,
    name: str = "task",
    progress: Progress | bool | None = None,
    on_run: Callable[[Trial], None] | None = None,
) -> Tuning:
    """Recommend learning rate and momentum for `loss` on `steps` steps: measured, then verified by a few full runs.

    A run that diverges, raises or dies is a result.

    Args:
        loss: loss(params, batch), the mean over a batch; with a third argument it is given a fresh key each step; it may return a pair
            (sum, weight).
        params: a pytree of real arrays, or a function seed -> pytree: then every seed has its own initialisation.
        data: an array, a tuple or a dict of arrays with the examples first, or an iterable of batches.
        steps: optimizer steps of one run; at least 16.
        batch_size: examples of one step; default that of the batches, else all of them.
        schedule: of the learning rate: "constant", "linear", "cosine", or a function step -> factor of the peak.
        warmup: steps of linear warm-up.
        weight_decay: added to the gradient as decay times the parameters (SGD), or decoupled and times the rate (AdamW).
        clip: gradients are clipped to this norm.
        validation: data in the same forms; with it runs are compared by the loss on them.
        metric: metric(params) is what runs are compared by; it is to rise if `maximize`.
        size_of: counts the examples of a batch that does not show them.
        examples: how many there are in data without a length.
        lowest: a number that the loss cannot go below, such as 0 for a cross-entropy or squared errors; expected losses keep to it.
        together: runs that train at once under vmap.
        runs: full runs, at most; 0 gives advice from the measurement alone.
        max_cost: the most that may be spent, in runs, measuring included.
        seed: of batches, dropout and, for a function of the seed, initialisation.
        prove: one run more, without momentum.
        optimizer: "sgd", "adamw", or "any": both are measured and run, and the one that ends lower is recommended (`choice` says by how
            much the other would end higher).
        momentum, nesterov: fixed, where given; then only the learning rate is tuned.
        experience: a folder of finished tunings, which help and to which this one is added.
        past: runs of this job on this budget that you already have (a CSV file with lr, momentum and loss, an Optuna study, a table, or
            rows): the search begins with what they show.
        journal, resume: a folder that keeps finished runs; with `resume` they are taken up.
        name: of the job, in reports.
        progress: True for a line on stderr, or progress(stage, done, total).
        on_run: called with every finished run.

    Raises:
        BadInput: settings or data that no run can use; a loss that is not finite, not deterministic, or does not depend on the
            parameters at the start.
        Diverged: the loss is not finite at the start.

    >>> import jax.numpy as jnp
    >>> x = jnp.linspace(-1.0, 1.0, 64)
    >>> found = tune(lambda w, batch: jnp.mean((batch[0] * w - batch[1]) ** 2), jnp.zeros(1), (x, 3 * x), steps=32, batch_size=16)
    >>> found.verified_loss < 0.1
    True
    """
    asked = Asked(runs, max_cost, seed, prove, optimizer, momentum, nesterov, experience, past)
    job, budget = posed(
        loss, params, data, steps=steps, batch_size=batch_size, schedule=schedule, warmup=warmup, weight_decay=weight_decay, clip=clip,
        validation=validation, metric=metric, maximize=maximize, size_of=size_of, examples=examples, lowest=lowest, together=together,
        name=name, seed=seed,
    )  # fmt: skip
    return ask(job, budget, asked, journal=journal, resume=resume, progress=progress, on_run=on_run)


def check(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    *,
    lr: float,
    momentum: float | None = None,
    nesterov: bool = False,
    optimizer: str = "sgd",
    betas: tuple[float, float] | None = None,
    eps: float = 1e-8,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    validation: Any = None,
    metric: Callable[[Any], float] | None = None,
    maximize: bool = True,
    size_of: Callable[[Any], int] | None = None,
    examples: int | None = None,
    lowest: float | None = None,
    together: int = 4,
    seed: int = 0,
    name: str = "task",
    progress: Progress | bool | None = None,
) -> Check:
    """A second opinion on a learning rate and momentum, without any training run: `print` what comes back.

    Args:
        lr: the (peak) learning rate in use.
        momentum: of SGD (default 0), or beta1 of AdamW (default 0.9).
        nesterov: SGD in Nesterov's form.
        optimizer: "sgd" or "adamw".
        betas, eps: AdamW's (beta1, beta2) and eps.

    The other arguments are those of `tune`.

    Raises:
        BadInput, Diverged: as `tune`.

    >>> import jax.numpy as jnp
    >>> x = jnp.linspace(-1.0, 1.0, 64)
    >>> check(lambda w, batch: jnp.mean((batch[0] * w - batch[1]) ** 2), jnp.zeros(1), (x, 3 * x), lr=0.01, steps=32, batch_size=16).stable
    True
    """
    setting = setting_of(lr, momentum, nesterov, optimizer, betas, eps)
    job, budget = posed(
        loss, params, data, steps=steps, batch_size=batch_size, schedule=schedule, warmup=warmup, weight_decay=weight_decay, clip=clip,
        validation=validation, metric=metric, maximize=maximize, size_of=size_of, examples=examples, lowest=lowest, together=together,
        name=name, seed=seed,
    )  # fmt: skip
    return second_opinion(job, budget, setting, seed=seed, progress=progress)


def posed(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    validation: Any = None,
    metric: Callable[..., float] | None = None,
    maximize: bool = True,
    **door: Any,
) -> tuple[JaxJob, Budget]:
    """The job behind its door and its budget: what `tune`, `check` and `inertia.measure` begin with; arguments as for `tune`."""
    job = JaxJob(loss, params, data, validation=validation, batch_size=batch_size, metric=metric, steps=steps, **door)
    budget = budget_of(
        job.examples, steps=steps, batch_size=job.batch_size, schedule=schedule, warmup=warmup, weight_decay=weight_decay, clip=clip,
        objective=Objective.of(validation is not None, metric is not None, maximize), uniform=job.uniform,
    )  # fmt: skip
    return job, budget
