"""The recommended recipe as a torch optimizer with its scheduler: the run that was verified."""

from __future__ import annotations

from typing import Any

import torch

from ..tuning.budget import Budget
from ..tuning.recipe import Recipe

__all__ = ["optimizer_of"]


def optimizer_of(recipe: Recipe, budget: Budget, params: Any) -> tuple[Any, Any]:
    """(optimizer, scheduler): torch's own SGD or AdamW, and a LambdaLR with the budget's factors, 1 call of step() each batch.

    Args:
        params: what torch's optimizers take: an iterable of parameters, or of groups as dicts (their `lr` and `weight_decay` stay).
            A module is accepted too.

    >>> import numpy as np
    >>> model = torch.nn.Linear(2, 1)
    >>> run = Budget(16, 4, 8, np.linspace(1, 0, 16, endpoint=False), "linear")
    >>> optimizer, scheduler = optimizer_of(Recipe(0.5, 0.9, nesterov=True), run, model.parameters())
    >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["nesterov"]
    (0.5, 0.9, True)
    """
    given = params.parameters() if isinstance(params, torch.nn.Module) else params
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
