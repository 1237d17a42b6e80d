"""Parameter-free optimizers on the same budget, schedule and batches: what one untuned run of each reaches.

Prodigy (Mishchenko and Defazio 2023), schedule-free SGD (Defazio et al. 2024) and MoMo (Schaipp et al. 2023), from
optax.contrib with its defaults; the twin of `inertia.torch.compare`. Prodigy's `safeguard_warmup` is left off: it is meant for
a warm-up, and under a short decay it keeps Prodigy from ever leaving the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from ..tuning.batches import batch_order
from ..tuning.budget import Budget
from ..tuning.factors import budget_of
from .products import rows_in

__all__ = ["RIVALS", "compare", "run_rival"]

RIVALS: dict[str, Callable[[Any], Any]] = {
    "Prodigy": lambda rate: optax.contrib.prodigy(rate),
    "schedule-free SGD": lambda rate: optax.contrib.schedule_free_sgd(1.0),  # its averaging stands in for a schedule
    "MoMo": lambda rate: optax.contrib.momo(lambda step: 1.0 * rate(step)),
}


def compare(
    loss: Callable[[Any, Any], Any],
    params: Any,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Any = "linear",
    seed: int = 0,
    validation: Any = None,
    **added: Any,
) -> list[dict[str, Any]]:
    """Final loss of each rival in one untuned run, best first; None where it diverged.

    Arguments as in `inertia.jax.tune` (`added`: warmup, weight_decay, clip); the loss is that on `validation` where given.
    The runs see the batches that a tuning with this seed sees, so that they can stand beside it.

    Raises:
        BadInput: settings or data that no run can use.

    >>> x = jnp.linspace(-1.0, 1.0, 64)
    >>> rows = compare(lambda w, b: jnp.mean((b[0] * w - b[1]) ** 2), jnp.zeros(1), (x, 3 * x), steps=32, batch_size=16)
    >>> sorted(row["name"] for row in rows)
    ['MoMo', 'Prodigy', 'schedule-free SGD']
    """
    plan = budget_of(rows_in(data), steps=steps, batch_size=batch_size, schedule=schedule, **added)
    found = []
    for name, make in RIVALS.items():
        factors = jnp.asarray(plan.factors, jnp.float32)
        rival = make(lambda step, factors=factors: factors[jnp.minimum(step, len(factors) - 1)])
        final = run_rival(loss, params, data, plan, rival, seed=seed, validation=validation)
        found.append({"name": name, "loss": final if np.isfinite(final) else None})
    return sorted(found, key=lambda row: np.inf if row["loss"] is None else row["loss"])


def run_rival(
    loss: Callable[[Any, Any], Any], params: Any, data: Any, plan: Budget, rival: Any, *, seed: int = 0, validation: Any = None
) -> float:
    """Final loss of one optax transformation on the plan's batches."""
    order = jnp.asarray(batch_order(plan.examples, plan.batch_size, plan.steps, seed))
    start = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def trained(start: Any, data: Any, order: Any) -> Any:
        def body(carry: Any, rows: Any) -> Any:
            point, state = carry
            value, grad = jax.value_and_grad(loss)(point, jax.tree.map(lambda array: jnp.asarray(array)[rows], data))
            if plan.clip is not None:
                grad, _ = optax.clip_by_global_norm(plan.clip).update(grad, optax.EmptyState())
            if plan.weight_decay:
                grad = jax.tree.map(lambda g, p: g + plan.weight_decay * p, grad, point)
            updates, state = optax.with_extra_args_support(rival).update(grad, state, point, value=value, loss=value)
            return (optax.apply_updates(point, updates), state), None

        (point, state), _ = jax.lax.scan(body, (start, rival.init(start)), order)
        return optax.contrib.schedule_free_eval_params(state, point) if hasattr(state, "z") else point

    final = trained(start, data, order)
    return float(jax.jit(loss)(final, data if validation is None else validation))
