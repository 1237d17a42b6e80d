"""Parameter-free optimizers on the same budget, schedule and batches: what one untuned run of each reaches.

Prodigy (Mishchenko and Defazio 2023), schedule-free SGD (Defazio et al. 2024) and MoMo (Schaipp et al. 2023), from their
authors' own packages with their defaults (and Prodigy's bias correction, as in optax); the twin of `inertia.jax.compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from ..errors import require
from ..tuning.budget import Budget
from ..tuning.factors import budget_of
from ..tuning.recipe import Recipe
from ..tuning.trainable import Run
from .door import TorchJob
from .running import train
from .schedules import factored

__all__ = ["RIVALS", "compare", "run_rival"]

_PACKAGES = {name: require(name, "rivals") for name in ("prodigyopt", "schedulefree", "momo")}


def _prodigy(params: Sequence[Any]) -> Any:
    return _PACKAGES["prodigyopt"].Prodigy(params, lr=1.0, use_bias_correction=True)


def _schedule_free(params: Sequence[Any]) -> Any:
    return _PACKAGES["schedulefree"].SGDScheduleFree(params, lr=1.0)


def _momo(params: Sequence[Any]) -> Any:
    return _PACKAGES["momo"].Momo(params, lr=1.0)


RIVALS: dict[str, Callable[[Sequence[Any]], Any]] = {"Prodigy": _prodigy, "schedule-free SGD": _schedule_free, "MoMo": _momo}


def compare(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Any = "linear",
    seed: int = 0,
    validation: Any = None,
    forward: Callable[..., Any] | None = None,
    **added: Any,
) -> list[dict[str, Any]]:
    """Final loss of each rival in one untuned run, best first; None where it diverged, with `error` where it raised.

    Arguments as in `inertia.torch.tune` (`added`: warmup, weight_decay, clip); the loss is that on `validation`
    where given. Every run starts from a copy of the model and sees the batches that a tuning with this seed sees.

    Raises:
        BadInput: settings or data that no run can use.
        MissingExtra: prodigyopt, schedulefree or momo-opt is not installed.

    >>> import torch
    >>> x = torch.linspace(-1.0, 1.0, 64)[:, None]
    >>> rows = compare(nn.Linear(1, 1), nn.MSELoss(), (x, 3 * x), steps=32, batch_size=16)
    >>> sorted(row["name"] for row in rows)
    ['MoMo', 'Prodigy', 'schedule-free SGD']
    """
    job = TorchJob(model, loss_fn, data, validation=validation, batch_size=batch_size, forward=forward, steps=steps, seed=seed)
    budget = budget_of(job.examples, steps=steps, batch_size=job.batch_size, schedule=factored(schedule, steps), **added)
    found: list[dict[str, Any]] = []
    for name in RIVALS:
        run = run_rival(job, budget, name, seed)
        if run.error:
            found.append({"name": name, "loss": None, "error": run.error})
        else:
            judged = run.training if validation is None else run.validation
            found.append({"name": name, "loss": float(judged[-1]) if run.diverged_at is None else None})
    return sorted(found, key=lambda row: np.inf if row["loss"] is None else row["loss"])


def run_rival(job: TorchJob, budget: Budget, name: str, seed: int) -> Run:
    """One untuned run of a rival on the job's batches."""
    steps = int(budget.steps)
    factors = np.ones(steps) if name == "schedule-free SGD" else budget.factors  # its averaging stands in for a schedule
    task = job.task(job.start(seed), Recipe(1.0), factors, seed, (steps,), budget)  # read once: reading refreshes batch norms
    return train(task._replace(optimizer=RIVALS[name]))
