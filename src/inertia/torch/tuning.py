"""`tune` and `check` for a torch module: a door, a budget, and the road that all jobs take."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

from torch import nn

from ..errors import BadInput
from ..tuning.asking import Asked, ask, second_opinion
from ..tuning.budget import Budget, Objective
from ..tuning.checking import Check
from ..tuning.factors import Shape, budget_of
from ..tuning.policy import Trial
from ..tuning.result import Tuning
from ..tuning.trainable import Progress
from ..tuning.underway import setting_of
from .door import TorchJob
from .led import decided
from .processes import assembled
from .schedules import factored

__all__ = ["check", "posed", "tune"]


def tune(
    model: nn.Module | Callable[[int], nn.Module],
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape = "linear",
    warmup: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    validation: Any = None,
    metric: Callable[[nn.Module], float] | None = None,
    maximize: bool = True,
    forward: Callable[..., Any] | None = None,
    size_of: Callable[[Any], int] | None = None,
    groups: Any = None,
    accumulate: int = 1,
    examples: int | None = None,
    lowest: float | None = None,
    executor: Any = None,
    mode: str | None = None,
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
    """Recommend learning rate and momentum for training `model` on `steps` steps: measured, then verified by a few full runs.

    A run that diverges, raises or dies is a result. The model you pass is never trained: every run
    starts from a copy.

    Args:
        model: a module, or a function seed -> module: then every seed has its own initialisation.
        loss_fn: loss_fn(model(inputs), targets) of a batch, or None where the model (or `forward`) returns the loss; it may return a
            pair (sum, weight).
        data: tensors (inputs, targets), a dict of tensors, a DataLoader, a Dataset, or an iterable of batches.
        steps: optimizer steps of one run; at least 16.
        batch_size: examples of one step; default the loader's own, else all of them.
        schedule: of the learning rate: "constant", "linear", "cosine", a function step -> factor of the peak, or a torch scheduler
            (of any optimizer, stepped once a step) or a function optimizer -> scheduler.
        warmup: steps of linear warm-up.
        weight_decay: added to the gradient as decay times the parameters (SGD), or decoupled and times the rate (AdamW).
        clip: gradients are clipped to this norm.
        validation: data in the same forms; with it runs are compared by the loss on them.
        metric: metric(model) is what runs are compared by, in evaluation mode; it is to rise if `maximize`.
        forward: forward(model, batch) in place of model(inputs); without `loss_fn` it returns the loss.
        size_of: counts the examples of a batch that does not show them.
        groups: parameter groups [{"params": ..., "scale": 0.1, "weight_decay": 0.0}, ...]; what is in none is trained at the plain rate.
        accumulate: micro-batches whose gradients are averaged in one step.
        examples: how many there are in data without a length.
        lowest: a number that the loss cannot go below, such as 0; expected losses keep to it. For torch's own losses it is known.
        executor: anything with `submit`, where runs are made as picklable jobs; default here, one after the other.
        mode: "train", "eval" or None (each module as it is): how the model is measured.
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
            parameters at the start; a model without trainable parameters.
        Diverged: the loss is not finite at the start.

    >>> import torch
    >>> x = torch.linspace(-1.0, 1.0, 64)[:, None]
    >>> found = tune(nn.Linear(1, 1), nn.MSELoss(), (x, 3 * x), steps=32, batch_size=16)
    >>> found.verified_loss < 0.1
    True
    """
    asked = Asked(runs, max_cost, seed, prove, optimizer, momentum, nesterov, experience, past)
    job, budget = posed(
        model, loss_fn, data, steps=steps, batch_size=batch_size, schedule=schedule, warmup=warmup, weight_decay=weight_decay, clip=clip,
        validation=validation, metric=metric, maximize=maximize, forward=forward, size_of=size_of, groups=groups,
        accumulate=accumulate, examples=examples, lowest=lowest, executor=executor, mode=mode, name=name, seed=seed, verb="tune",
    )  # fmt: skip
    return decided(job, lambda job: ask(job, budget, asked, journal=journal, resume=resume, progress=progress, on_run=on_run))


def check(
    model: nn.Module | Callable[[int], nn.Module],
    loss_fn: Callable[..., Any] | None,
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
    metric: Callable[[nn.Module], float] | None = None,
    maximize: bool = True,
    forward: Callable[..., Any] | None = None,
    size_of: Callable[[Any], int] | None = None,
    groups: Any = None,
    accumulate: int = 1,
    examples: int | None = None,
    lowest: float | None = None,
    executor: Any = None,
    mode: str | None = None,
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

    >>> import torch
    >>> x = torch.linspace(-1.0, 1.0, 64)[:, None]
    >>> check(nn.Linear(1, 1), nn.MSELoss(), (x, 3 * x), lr=0.01, steps=32, batch_size=16).stable
    True
    """
    setting = setting_of(lr, momentum, nesterov, optimizer, betas, eps)
    job, budget = posed(
        model, loss_fn, data, steps=steps, batch_size=batch_size, schedule=schedule, warmup=warmup, weight_decay=weight_decay, clip=clip,
        validation=validation, metric=metric, maximize=maximize, forward=forward, size_of=size_of, groups=groups,
        accumulate=accumulate, examples=examples, lowest=lowest, executor=executor, mode=mode, name=name, seed=seed, verb="check",
    )  # fmt: skip
    return decided(job, lambda job: second_opinion(job, budget, setting, seed=seed, progress=progress))


def posed(
    model: nn.Module | Callable[[int], nn.Module],
    loss_fn: Callable[..., Any] | None,
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
    verb: str = "measure",
    **door: Any,
) -> tuple[TorchJob, Budget]:
    """The job behind its door and its budget: what `tune`, `check` and `inertia.measure` begin with; arguments as for `tune`."""
    group = assembled(model, data, verb, loose=True)
    if group is not None and door.get("executor") is not None:
        raise BadInput("runs are made by all processes of the group together: leave executor out, or call it from one process only")

    def made() -> TorchJob:
        return TorchJob(model, loss_fn, data, validation=validation, batch_size=batch_size, metric=metric, steps=steps, group=group, **door)

    job = made() if group is None else group.guarded(made)
    budget = budget_of(
        job.examples, steps=steps, batch_size=job.batch_size, schedule=factored(schedule, steps), warmup=warmup,
        weight_decay=weight_decay, clip=clip, objective=Objective.of(validation is not None, metric is not None, maximize),
        uniform=job.uniform,
    )  # fmt: skip
    return job, budget
