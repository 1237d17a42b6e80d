"""One job and schedule to train on, network or convex: full runs of methods and optimizers, short runs, and a sweep of rates.

Everybody starts where the grid starts on the same seed and sees the batches of the grid in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from convex import finals
from jax.flatten_util import ravel_pytree
from jobs import JOBS, SEEDS, label
from newcomers import network
from scores import Losses, finite

from inertia import tasks
from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.jax.trials import run_trials
from inertia.problems.simulation import batches
from inertia.tuning.batches import batch_order

Maker = Callable[[Callable[[Any], Any]], Any]  # factor of the step -> optax transformation
Ended = tuple[Losses, Losses]  # final training and validation losses, one per seed (validation empty where there is none)


def factors(schedule: str, steps: int) -> np.ndarray:
    """What a schedule multiplies the learning rate by at every step."""
    return np.asarray(shaped(schedule, Method(1.0), steps)(np.arange(steps)).alpha)


class NetworkTraining:
    """A network of `jobs.JOBS`, in float32 on the batches of `batch_order`."""

    def __init__(self, name: str, schedule: str) -> None:
        job, self.net = JOBS[name], network(JOBS[name].task)
        self.name, self.schedule, self.steps = name, schedule, job.steps
        self.examples = len(jax.tree.leaves(self.net.data)[0])
        self.batch_size = job.batch_size or self.examples

    def starts(self) -> Ended:
        """Training and validation loss at the start of each of the grid's seeds."""
        net = self.net
        return tuple([finite(net.loss(net.init(seed), data)) for seed in SEEDS] for data in (net.data, net.validation))

    def methods(self, methods: Method, seed: int, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Final training and validation losses of T methods, (T,) each; fewer steps compress the schedule."""
        net, plan = self.net, factors(self.schedule, steps or self.steps)
        words = {"batch_size": self.batch_size, "seed": seed, "validation": net.validation}
        ran = run_trials(net.loss, net.init(seed), net.data, methods, plan, **words)
        return ran.losses[:, -1], ran.validation[:, -1]

    def optimizer(self, make: Maker) -> Ended:
        """Final losses of an optimizer, all of the grid's seeds at once."""
        net, table = self.net, jnp.asarray(factors(self.schedule, self.steps), jnp.float32)
        orders = jnp.asarray(np.stack([batch_order(self.examples, self.batch_size, self.steps, seed) for seed in SEEDS]))
        starts = jnp.stack([ravel_pytree(net.init(seed))[0] for seed in SEEDS])
        data, held = (jax.tree.map(jnp.asarray, tree) for tree in (net.data, net.validation))
        ended = _program(self.name, make)(starts, orders, data, held, table)
        return tuple([finite(value) for value in values] for values in ended)

    def sweep(self, rates: np.ndarray, momentum: float, seed: int) -> np.ndarray:
        """The loss of every mini-batch while the learning rate goes through `rates`, (n,)."""
        order = jnp.asarray(batch_order(self.examples, self.batch_size, len(rates), seed))
        start, data = (jax.tree.map(jnp.asarray, tree) for tree in (self.net.init(seed), self.net.data))
        return np.asarray(_sweep(self.net.loss)(start, order, data, jnp.asarray(rates, jnp.float32), momentum), dtype=float)


@cache
def _program(name: str, make: Maker) -> Any:
    """The compiled run of an optimizer on one vector of all parameters (faster to compile), kept for the other schedule."""
    net = network(JOBS[name].task)
    _, whole = ravel_pytree(net.init(0))

    def loss(flat: Any, data: Any) -> Any:
        return net.loss(whole(flat), data)

    def one(start: Any, order: Any, data: Any, held: Any, table: Any) -> Any:
        rule = optax.with_extra_args_support(make(lambda step: table[jnp.minimum(step, len(table) - 1)]))

        def body(carry: Any, rows: Any) -> Any:
            params, state = carry
            value, grad = jax.value_and_grad(loss)(params, jax.tree.map(lambda array: array[rows], data))
            updates, state = rule.update(grad, state, params, value=value)
            return (optax.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(body, (start, rule.init(start)), order)
        params = _evaluated(params, state)
        return loss(params, data), loss(params, held)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None, None, None)))


@cache
def _sweep(loss: Any) -> Any:
    def swept(start: Any, order: Any, data: Any, rates: Any, momentum: Any) -> Any:
        def body(carry: Any, now: Any) -> Any:
            params, velocity = carry
            rows, rate = now
            value, grad = jax.value_and_grad(loss)(params, jax.tree.map(lambda array: array[rows], data))
            velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, grad)
            return (jax.tree.map(lambda p, v: p - rate * v, params, velocity), velocity), value

        return jax.lax.scan(body, (start, jax.tree.map(jnp.zeros_like, start)), (order, rates))[1]

    return jax.jit(swept)


class ConvexTraining:
    """A convex cell: the numpy problem itself computes losses and gradients, in float64 on the batches of `reference.batches`."""

    def __init__(self, cell: tuple[str, int, int], schedule: str) -> None:
        task, self.steps, self.batch_size = cell
        self.name, self.schedule, self.problem = label(*cell), schedule, tasks.load(task).problem

    def start(self, seed: int) -> np.ndarray:
        return self.problem.draw(seed) if self.problem.draw else self.problem.start

    def starts(self) -> Ended:
        return [finite(self.problem.value(self.start(seed))) for seed in SEEDS], []

    def methods(self, methods: Method, seed: int, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        losses = finals(self.problem, methods, self.schedule, steps or self.steps, self.batch_size, seeds=[seed])[0]
        return losses, np.full_like(losses, np.nan)

    def optimizer(self, make: Maker) -> Ended:
        """The optimizer's update is jax, the gradient is numpy's; diverged seeds stay what they are: not finite."""
        with jax.enable_x64(True), np.errstate(all="ignore"):
            table = jnp.asarray(factors(self.schedule, self.steps))
            rule = optax.with_extra_args_support(make(lambda step: table[jnp.minimum(step, self.steps - 1)]))

            def one(params: Any, state: Any, grad: Any, value: Any) -> Any:
                updates, state = rule.update(grad, state, params, value=value)
                return optax.apply_updates(params, updates), state

            update = jax.jit(jax.vmap(one))
            params = jnp.asarray(np.stack([self.start(seed) for seed in SEEDS]))
            state = jax.vmap(rule.init)(params)
            streams = [batches(self.problem.examples, self.batch_size, seed) for seed in SEEDS]
            for _ in range(self.steps):
                pairs = [(point, next(stream)) for point, stream in zip(np.asarray(params), streams, strict=True)]
                grads = np.stack([self.problem.gradient(point, rows) for point, rows in pairs])
                values = np.array([self.problem.value(point, rows) for point, rows in pairs])
                params, state = update(params, state, grads, values)
            final = np.asarray(jax.vmap(_evaluated)(params, state))
            return [finite(self.problem.value(point)) for point in final], []

    def sweep(self, rates: np.ndarray, momentum: float, seed: int) -> np.ndarray:
        point, stream = self.start(seed), batches(self.problem.examples, self.batch_size, seed)
        velocity, seen = np.zeros_like(point), []
        with np.errstate(all="ignore"):
            for rate in rates:
                rows = next(stream)
                seen.append(float(self.problem.value(point, rows)))
                velocity = momentum * velocity + self.problem.gradient(point, rows)
                point = point - rate * velocity
        return np.array(seen)


Training = NetworkTraining | ConvexTraining


def _evaluated(params: Any, state: Any) -> Any:
    """The point that an optimizer stands for: schedule-free methods evaluate at their average."""
    return optax.contrib.schedule_free_eval_params(state, params) if hasattr(state, "z") else params
