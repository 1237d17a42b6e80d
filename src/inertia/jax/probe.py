"""An optax transformation as a black box: which Method it really is."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from ..errors import BadInput
from ..optimizers.identification import Identified
from ..optimizers.identification import identify as probe

__all__ = ["identify"]


def identify(transform: Any, *, slower: Any = None, declared: float | None = None, seed: int = 0) -> Identified:
    """What an optax transformation really is: (alpha, beta, gamma), learning rate inside or outside the buffer, weight decay.

    Args:
        transform: a `GradientTransformation`.
        slower: the same transformation with a quarter of the learning rate; with it (or with a `learning_rate` held by
            `optax.inject_hyperparams`) the verdict says on which side of the buffer the learning rate sits.
        declared: the momentum you asked for; a warning says if it is not there.
        seed: of the probe gradients.

    Raises:
        BadInput: not a transformation.

    >>> identify(optax.sgd(0.1, momentum=0.9)).verdict
    'heavy ball'
    """
    if not (hasattr(transform, "init") and hasattr(transform, "update")):
        raise BadInput(f"{type(transform).__name__} is not an optax transformation: it needs init and update")
    start = np.random.default_rng(seed).standard_normal(8)
    held = {"transform": transform, "params": jnp.asarray(start)}
    held["state"] = transform.init(held["params"])

    def step(grad: Any) -> Any:
        gradient = jnp.asarray(grad, dtype=held["params"].dtype)
        updates, held["state"] = held["transform"].update(gradient, held["state"], held["params"])
        held["params"] = optax.apply_updates(held["params"], updates)
        return np.asarray(updates)

    def slow_down(factor: float) -> None:
        if slower is not None:
            held["transform"] = slower
        else:
            held["state"].hyperparams["learning_rate"] = held["state"].hyperparams["learning_rate"] * factor

    adjustable = slower is not None or "learning_rate" in getattr(held["state"], "hyperparams", {})
    where = np.asarray(held["params"], dtype=float)
    return probe(step, start=where, slower=slow_down if adjustable else None, declared=declared, seed=seed)
