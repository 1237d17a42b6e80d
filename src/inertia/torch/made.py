"""The recommended recipe as a torch optimizer with its scheduler: the run that was verified."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import InertiaWarning
from ..tuning.budget import Budget
from ..tuning.recipe import Recipe

__all__ = ["optimizer_of"]


def optimizer_of(recipe: Recipe, budget: Budget, params: Any) -> tuple[Any, Any]:
    """(optimizer, scheduler): torch's own SGD or AdamW, and a LambdaLR with the budget's factors, 1 call of step() each batch.

    Args:
        params: what torch's optimizers take: an iterable of parameters, or of groups as dicts (their `lr` and `weight_decay` stay).
            A group may say `scale`, as in `tune(groups=)`: its rate is then that many times the recommended one. A module is accepted too.

    >>> import numpy as np
    >>> model = torch.nn.Linear(2, 1)
    >>> run = Budget(16, 4, 8, np.linspace(1, 0, 16, endpoint=False), "linear")
    >>> optimizer, scheduler = optimizer_of(Recipe(0.5, 0.9, nesterov=True), run, model.parameters())
    >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["nesterov"]
    (0.5, 0.9, True)
    """
    given = [
        _scaled(one, recipe.learning_rate) if isinstance(one, Mapping) else one
        for one in (params.parameters() if isinstance(params, torch.nn.Module) else params)
    ]
    if not budget.uniform and not any(isinstance(one, Mapping) for one in given):
        warnings.warn(
            "the runs had parameter groups, and this optimizer has one for all parameters: give it the groups, as to tune",
            InertiaWarning, stacklevel=3,
        )  # fmt: skip
    factors = budget.factors
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, 0.999)
        optimizer = torch.optim.AdamW(given, lr=recipe.learning_rate, betas=betas, weight_decay=budget.weight_decay)
    else:
        optimizer = torch.optim.SGD(
            given, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=budget.weight_decay
        )
    last = len(factors) - 1
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(factors[min(step, last)]))
    return optimizer, scheduler


def _scaled(group: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """A group as torch takes it."""
    made = dict(group)
    if "scale" in made:
        made["lr"] = rate * float(made.pop("scale"))
    return made
