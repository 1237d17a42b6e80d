"""One untuned run of each rival on every seed of a job, as data: the columns that a tuner is compared with.

Prodigy (Mishchenko and Defazio 2023), schedule-free AdamW (Defazio et al. 2024) at the learning rate of its package, D-adaptation
(Defazio and Mishchenko 2023), all from optax.contrib, AdamW at 1e-3 and 3e-4, and AdamW at the rate that the learning-rate finder
(Smith 2017) suggests with Lightning's defaults. Rates follow the schedule, except where an optimizer has its own. Read as the grids
are: the mean of the last readings.
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
FINDER = "LR finder (AdamW)"
SWEEP = 2.0 ** np.linspace(np.log2(1e-8), 0.0, 100)  # as Lightning: 100 mini-batches, from 1e-8 to 1
SMOOTH = 0.98
SCHEDULES = ("constant", "linear")
RIVALS: dict[str, Callable[[Factor], Any]] = {
    "Prodigy": lambda factor: optax.contrib.prodigy(factor),
    "schedule-free AdamW": lambda factor: optax.contrib.schedule_free_adamw(),  # its averaging stands in for a schedule
    "D-adaptation (AdamW)": lambda factor: optax.contrib.dadapt_adamw(factor),
    "AdamW 1e-3": lambda factor: optax.adamw(lambda step: 1e-3 * factor(step), weight_decay=DECAY),
    "AdamW 3e-4": lambda factor: optax.adamw(lambda step: 3e-4 * factor(step), weight_decay=DECAY),
    FINDER: lambda factor: optax.adamw(factor, weight_decay=DECAY),  # the factor holds the rate, each seed its own
}


def suggested(losses: np.ndarray) -> float:
    """What Lightning's finder suggests: the rate where the smoothed loss falls fastest from one mini-batch to the next.

    The sweep is cut off where the smoothed loss exceeds four times its least; the first ten readings and the last are dropped.
    """
    weight = 1 - SMOOTH ** np.arange(1, losses.size + 1)
    smooth, now = np.empty(losses.size), 0.0
    for at, loss in enumerate(losses):
        now = SMOOTH * now + (1 - SMOOTH) * loss
        smooth[at] = now / weight[at]
    over = np.flatnonzero(~(smooth[1:] <= 4 * np.minimum.accumulate(smooth)[1:]))  # it is not asked of the first
    end = int(over[0]) + 1 if over.size else smooth.size
    kept = slice(10, max(end - 1, 12))
    return float(SWEEP[kept][np.argmin(np.gradient(smooth[kept]))])


def rival(job: Job, name: str) -> dict[str, dict[str, list[float]]]:
    """Final losses per schedule: {"train": one per seed, "validation": the same}; inf where a run diverged."""
    one, steps, read = built(job.name), job.steps, marks(job.steps, False)[0]
    starts = jnp.stack([ravel_pytree(one.init(seed))[0] for seed in range(job.seeds)])
    unravel = ravel_pytree(one.init(0))[1]
    orders = jnp.asarray(np.stack([batch_order(examples(job), batch_size(job), max(steps, SWEEP.size), seed) for seed in range(job.seeds)]))
    data, held = (jax.tree.map(jnp.asarray, part) for part in (one.data, one.validation))

    def loss(flat: Any, batch: Any) -> Any:
        return one.loss(unravel(flat), batch)

    def ruled(plan: Any) -> Any:
        return optax.with_extra_args_support(RIVALS[name](lambda step: plan[jnp.minimum(step, plan.size - 1)]))

    def stepped(now: Any, carry: Any, order: Any, plan: Any, data: Any) -> Any:
        point, state = carry
        value, grad = jax.value_and_grad(loss)(point, jax.tree.map(lambda array: array[order[now]], data))
        change, state = ruled(plan).update(grad, state, point, value=value)
        return (optax.apply_updates(point, change), state), value

    def stretch(carry: Any, order: Any, plan: Any, data: Any, first: Any, last: Any) -> Any:
        return jax.lax.fori_loop(first, last, lambda now, carry: stepped(now, carry, order, plan, data)[0], carry)

    def swept(point: Any, order: Any) -> Any:
        plan = jnp.asarray(SWEEP, jnp.float32)
        start = point, ruled(plan).init(point)
        return jax.lax.scan(lambda carry, now: stepped(now, carry, order, plan, data), start, jnp.arange(SWEEP.size))[1]

    def standing(carry: Any) -> Any:
        """The point that an optimizer stands for: schedule-free methods evaluate at their average."""
        point, state = carry
        return optax.contrib.schedule_free_eval_params(state, point) if hasattr(state, "z") else point

    advance = jax.jit(jax.vmap(stretch, in_axes=(0, 0, 0, None, None, None)))
    evaluate = jax.jit(lambda carry, part: jax.lax.map(lambda point: loss(point, part), jax.vmap(standing)(carry)))
    rates = np.ones(job.seeds)
    if name == FINDER:
        rates = np.array([suggested(losses) for losses in np.asarray(jax.jit(jax.vmap(swept))(starts, orders), float)])
    found = {}
    for schedule in SCHEDULES:
        plans = jnp.asarray(rates[:, None] * factors(schedule, steps), jnp.float32)
        carry = (starts, jax.vmap(lambda plan, point: ruled(plan).init(point))(plans, starts))
        seen = []
        for begin, end in itertools.pairwise([0, *read]):
            carry = advance(carry, orders, plans, data, begin, end)
            seen.append([np.asarray(evaluate(carry, part), float) for part in (data, held) if part])
        with np.errstate(all="ignore"):
            train, *other = (np.mean(np.stack(rows), axis=0) for rows in zip(*seen, strict=True))
        lost = ~np.isfinite(train)
        found[schedule] = {
            "train": np.where(lost, np.inf, train).tolist(),
            "validation": [*map(float, np.where(lost, np.inf, other[0]))] if other else [],
        }
    return found
