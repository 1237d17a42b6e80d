"""One untuned run of each rival on every seed of a job, as data: the columns that a tuner is compared with.

Prodigy (Mishchenko and Defazio 2023), schedule-free AdamW (Defazio et al. 2024) at the learning rate of its package, D-adaptation
(Defazio and Mishchenko 2023), all from optax.contrib, and AdamW at 1e-3 and 3e-4. Rates follow the schedule, except where an
optimizer has its own. Read as the grids are: the mean of the last readings.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from jax.flatten_util import ravel_pytree

from inertia.tuning.batches import batch_order

from .jobs import Job
from .problems import batch_size, built, examples
from .runs import DECAY, factors, marks

Factor = Callable[[Any], Any]
SCHEDULES = ("constant", "linear")
RIVALS: dict[str, Callable[[Factor], Any]] = {
    "Prodigy": lambda factor: optax.contrib.prodigy(factor),
    "schedule-free AdamW": lambda factor: optax.contrib.schedule_free_adamw(),  # its averaging stands in for a schedule
    "D-adaptation (AdamW)": lambda factor: optax.contrib.dadapt_adamw(factor),
    "AdamW 1e-3": lambda factor: optax.adamw(lambda step: 1e-3 * factor(step), weight_decay=DECAY),
    "AdamW 3e-4": lambda factor: optax.adamw(lambda step: 3e-4 * factor(step), weight_decay=DECAY),
}


def rival(job: Job, name: str) -> dict[str, dict[str, list[float]]]:
    """Final losses per schedule: {"train": one per seed, "validation": the same}; inf where a run diverged."""
    one, steps, read = built(job.name), job.steps, marks(job.steps, False)[0]
    starts = [ravel_pytree(one.init(seed))[0] for seed in range(job.seeds)]
    unravel = ravel_pytree(one.init(0))[1]
    orders = jnp.asarray(np.stack([batch_order(examples(job), batch_size(job), steps, seed) for seed in range(job.seeds)]))
    data, held = (jax.tree.map(jnp.asarray, part) for part in (one.data, one.validation))

    def loss(flat: Any, batch: Any) -> Any:
        return one.loss(unravel(flat), batch)

    def ruled(plan: Any) -> Any:
        return optax.with_extra_args_support(RIVALS[name](lambda step: plan[jnp.minimum(step, steps - 1)]))

    def stretch(carry: Any, order: Any, plan: Any, data: Any, first: Any, last: Any) -> Any:
        def body(now: Any, carry: Any) -> Any:
            point, state = carry
            value, grad = jax.value_and_grad(loss)(point, jax.tree.map(lambda array: array[order[now]], data))
            change, state = ruled(plan).update(grad, state, point, value=value)
            return optax.apply_updates(point, change), state

        return jax.lax.fori_loop(first, last, body, carry)

    def standing(carry: Any) -> Any:
        """The point that an optimizer stands for: schedule-free methods evaluate at their average."""
        point, state = carry
        return optax.contrib.schedule_free_eval_params(state, point) if hasattr(state, "z") else point

    advance = jax.jit(jax.vmap(stretch, in_axes=(0, 0, None, None, None, None)))
    evaluate = jax.jit(lambda carry, part: jax.lax.map(lambda point: loss(point, part), jax.vmap(standing)(carry)))
    found = {}
    for schedule in SCHEDULES:
        plan = jnp.asarray(factors(schedule, steps), jnp.float32)
        points = jnp.stack(starts)
        carry = (points, jax.vmap(ruled(plan).init)(points))
        seen = []
        for begin, end in itertools.pairwise([0, *read]):
            carry = advance(carry, orders, plan, data, begin, end)
            seen.append([np.asarray(evaluate(carry, part), float) for part in (data, held) if part])
        with np.errstate(all="ignore"):
            train, *other = (np.mean(np.stack(rows), axis=0) for rows in zip(*seen, strict=True))
        lost = ~np.isfinite(train)
        found[schedule] = {
            "train": np.where(lost, np.inf, train).tolist(),
            "validation": [*map(float, np.where(lost, np.inf, other[0]))] if other else [],
        }
    return found
