"""Training runs of a job: SGD by `inertia.jax.trials.run_trials`, AdamW by a program of its own; many cells at once.

A cell is a momentum (its name in MOMENTA) or a beta1, and a power of two: the learning rate. Everybody starts at init(seed) and
sees the batches of `batch_order(seed)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from inertia.core.method import Method
from inertia.jax.trials import run_trials
from inertia.tuning.batches import TAIL, batch_order

from .jobs import Job
from .layers import Built
from .problems import batch_size, built, dimension, examples

MOMENTA = {"0": (0.0, 0.0), "0.5": (0.5, 0.0), "0.8": (0.8, 0.0), "0.9": (0.9, 0.0), "0.95": (0.95, 0.0), "0.98": (0.98, 0.0),
           "0.99": (0.99, 0.0), "nesterov-0.9": (0.9, 0.9), "nesterov-0.98": (0.98, 0.98), "nesterov-0.99": (0.99, 0.99)}  # fmt: skip
BETA2, EPS, DECAY = 0.999, 1e-8, 0.01  # of AdamW; the decay is multiplied by the learning rate
CURVE = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)  # fractions of a run at which curves are read, before the tail
Cell = tuple[str, float]  # momentum's name or beta1, log2 of the learning rate


@dataclass(frozen=True)
class Ended:
    """One cell on one seed: mean of the last readings (inf where the run diverged), and the training loss along the way."""

    train: float
    validation: float  # nan where there are no validation examples
    curve: tuple[float, ...]


def factors(schedule: str, steps: int) -> Any:
    """What a schedule multiplies the learning rate by; "warmup-linear" rises over a tenth of the steps.

    >>> factors("warmup-linear", 20)[[0, 1, 2, 11]].tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    now = np.arange(steps)
    if schedule == "constant":
        return np.ones(steps)
    if schedule == "linear":
        return 1 - now / steps
    rise = max(1, round(0.1 * steps))
    return np.where(now < rise, (now + 1) / rise, 1 - (now - rise) / (steps - rise))


def marks(steps: int, curve: bool) -> tuple[list[int], int]:
    """Steps after which the whole loss is read, and how many of them belong to the curve: the tail is as the tuner reads it."""
    tail = sorted({round(steps * (1 - 0.03 * i)) for i in range(TAIL)})
    early = sorted({max(1, round(share * steps)) for share in CURVE} - set(tail)) if curve else []
    return [*early, *tail], len(early)


def lanes(job: Job) -> int:
    """How many runs are computed side by side: many small ones, few large ones."""
    return next(count for count, most in ((16, 8_000), (8, 40_000), (4, 300_000), (1, 10**12)) if dimension(job) <= most)


def run(
    job: Job, optimizer: str, schedule: str, cells: list[Cell], seed: int, *, steps: int | None = None, curve: bool = False
) -> list[Ended]:
    """Train every cell once on a seed; fewer steps compress the schedule."""
    steps = steps or job.steps
    read, early = marks(steps, curve)
    engine = _sgd if optimizer == "sgd" else _adamw
    losses, held = engine(job, built(job.name), cells, factors(schedule, steps), read, seed)
    return ended(losses, held, early)


def ended(losses: Any, held: Any, early: int) -> list[Ended]:
    """Runs from their losses at the read steps, (cells, reads), of which the `early` first are none of the tail."""
    with np.errstate(all="ignore"):
        return [
            Ended(float(np.mean(row[early:])), float(np.mean(other[early:])), tuple(map(float, (*row[:early], row[-1]))))
            for row, other in zip(losses, held, strict=True)
        ]


def starts(job: Job) -> dict[str, list[float]]:
    """Training and validation loss before the first step, per seed."""
    one = built(job.name)
    loss = jax.jit(one.loss)
    params = [one.init(seed) for seed in range(job.seeds)]
    held = [float(loss(p, one.validation)) for p in params] if one.validation else []
    return {"train": [float(loss(p, one.data)) for p in params], "validation": held}


def _sgd(job: Job, one: Built, cells: list[Cell], plan: Any, read: list[int], seed: int) -> tuple[Any, Any]:
    """Losses at the read steps, (cells, reads), training and validation."""
    together = lanes(job)
    padded = [*cells, *[cells[-1]] * (-len(cells) % together)]
    beta, gamma = (np.array([MOMENTA[name][i] for name, _ in padded]) for i in (0, 1))
    ran = run_trials(
        one.loss, one.init(seed), one.data, Method(np.array([2.0**k for _, k in padded]), beta, gamma), plan,
        batch_size=batch_size(job), seed=seed, validation=one.validation or None, records=read, together=together,
    )  # fmt: skip
    return ran.losses[: len(cells), 1:], ran.validation[: len(cells), 1:]


def _adamw(job: Job, one: Built, cells: list[Cell], plan: Any, read: list[int], seed: int) -> tuple[Any, Any]:
    flat, _ = ravel_pytree(one.init(seed))
    advance, evaluate = _adamw_programs(job.name)
    order = jnp.asarray(batch_order(examples(job), batch_size(job), len(plan), seed))
    stream, together = (order, jnp.asarray(plan, jnp.float32)), lanes(job)
    data, held = (jax.tree.map(jnp.asarray, part) for part in (one.data, one.validation))
    parts = []
    for first in range(0, len(cells), together):
        some = cells[first : first + together]
        some = [*some, *[some[-1]] * (together - len(some))]
        rates, betas = jnp.array([2.0**k for _, k in some]), jnp.array([float(beta) for beta, _ in some])
        point = jnp.broadcast_to(flat, (together, flat.size))
        state = (point, jnp.zeros_like(point), jnp.zeros_like(point))

        def step_on(state: Any, begin: int, end: int, rates: Any = rates, betas: Any = betas) -> Any:
            return advance(state, rates, betas, data, *stream, begin, end)

        parts.append(along(state, step_on, evaluate, data, held, read))
    losses, other = (np.concatenate([part[i] for part in parts])[: len(cells)] for i in (0, 1))
    return losses, other


def along(state: Any, step_on: Callable[..., Any], evaluate: Any, data: Any, held: Any, read: list[int]) -> tuple[Any, Any]:
    """Losses of states (their points first) at the read steps, (lanes, reads), training and validation; inf once one was not finite."""
    seen: list[tuple[Any, Any]] = []
    for begin, end in itertools.pairwise([0, *read]):
        state = step_on(state, begin, end)
        there = np.asarray(evaluate(state[0], data), float)
        seen.append((there, np.asarray(evaluate(state[0], held), float) if held else np.full(there.shape, np.nan)))
    losses, other = (np.stack(column, axis=1) for column in zip(*seen, strict=True))
    lost = np.maximum.accumulate(~np.isfinite(losses), axis=1)
    return np.where(lost, np.inf, losses), np.where(lost, np.inf, other)


@cache
def _adamw_programs(name: str) -> tuple[Any, Any]:
    one = built(name)
    _, unravel = ravel_pytree(one.init(0))
    gradient = jax.grad(lambda flat, batch: one.loss(unravel(flat), batch))
    advance = jax.jit(jax.vmap(adamw_stretch(gradient), in_axes=(0, 0, 0, None, None, None, None, None)))
    return advance, jax.jit(lambda points, data: jax.lax.map(lambda flat: one.loss(unravel(flat), data), points))


def adamw_stretch(gradient: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Steps first..last of AdamW on a vector, as optax.adamw makes them; the state is (point, first, second moment)."""

    def stretch(state: Any, rate: Any, beta: Any, data: Any, order: Any, plan: Any, first: Any, last: Any) -> Any:
        def body(now: Any, state: Any) -> Any:
            point, m, v = state
            grad = gradient(point, jax.tree.map(lambda array: array[order[now]], data))
            m, v = beta * m + (1 - beta) * grad, BETA2 * v + (1 - BETA2) * grad**2
            count = now + 1.0
            update = m / (1 - beta**count) / (jnp.sqrt(v / (1 - BETA2**count)) + EPS) + DECAY * point
            return point - rate * plan[now] * update, m, v

        return jax.lax.fori_loop(first, last, body, state)

    return stretch
