"""The recommended recipe as an optax transformation with its schedule inside: the run that was verified."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from ..tuning.budget import Budget
from ..tuning.recipe import Recipe

__all__ = ["transformation_of"]


def transformation_of(recipe: Recipe, budget: Budget) -> Any:
    """An optax chain: clipping, coupled decay, then sgd (or adamw with its own decoupled decay) under the budget's factors.

    >>> import numpy as np
    >>> tx = transformation_of(Recipe(0.5, 0.9), Budget(16, 4, 8, np.linspace(1, 0, 16, endpoint=False), "linear"))
    >>> state = tx.init(jnp.ones(2))
    >>> tx.update(jnp.ones(2), state, jnp.ones(2))[0].tolist()
    [-0.5, -0.5]
    """
    table = jnp.asarray(budget.factors, dtype=jnp.float32) * recipe.learning_rate

    def rate(step: Any) -> Any:
        return table[jnp.minimum(step, len(budget.factors) - 1)]

    parts = [optax.clip_by_global_norm(budget.clip)] if budget.clip else []
    if recipe.optimizer == "adamw":
        parts.append(optax.adamw(rate, b1=recipe.momentum, weight_decay=budget.weight_decay))
    else:
        parts += [optax.add_decayed_weights(budget.weight_decay)] if budget.weight_decay else []
        parts.append(optax.sgd(rate, momentum=recipe.momentum or None, nesterov=recipe.nesterov))
    return optax.chain(*parts)
