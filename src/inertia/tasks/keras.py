"""The recommended recipe as a Keras optimizer with its schedule inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput, require
from ..tuning.budget import Budget
from ..tuning.recipe import Recipe

__all__ = ["optimizer_of"]


def optimizer_of(recipe: Recipe, budget: Budget) -> Any:
    """keras.optimizers.SGD or AdamW under the budget's factors.

    Keras keeps the learning rate inside its velocity: under a schedule that is another algorithm than torch's and optax's, unless there is
    no momentum.

    Raises:
        BadInput: coupled weight decay, which Keras's SGD does not have: give the layers an L2 regulariser instead.
        MissingExtra: keras is not installed.
    """
    keras: Any = require("keras", "keras")
    factors = np.asarray(budget.factors * recipe.learning_rate, dtype=np.float32)

    class Factors(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """The learning rate of every step, as verified."""

        def __call__(self, step: Any) -> Any:
            """The learning rate of this step."""
            at = keras.ops.minimum(keras.ops.cast(step, "int32"), len(factors) - 1)
            return keras.ops.take(keras.ops.convert_to_tensor(factors), at)

        def get_config(self) -> dict[str, Any]:
            """The table, for saving."""
            return {"learning_rates": factors.tolist()}

    rate = recipe.learning_rate if budget.schedule == "constant" and not budget.warmup else Factors()
    clip = {"global_clipnorm": budget.clip} if budget.clip else {}
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, beta_1=recipe.momentum, epsilon=1e-8, weight_decay=budget.weight_decay, **clip)
    if budget.weight_decay:
        raise BadInput(
            "Keras's SGD has no coupled weight decay: give the layers "
            f"kernel_regularizer=keras.regularizers.L2({budget.weight_decay / 2:g}) and tune with the regulariser in the loss"
        )
    return keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=recipe.nesterov, **clip)
