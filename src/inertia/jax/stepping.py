"""The compiled steps of JAX runs that train together under vmap: clip, decay, then SGD or AdamW."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.method import Method, step
from ..tuning.numpy_door import ADAM_BETA2, ADAM_EPSILON, CLIP_ROUNDING
from ..tuning.recipe import Recipe
from .feeding import Feed
from .losses import Loss

__all__ = ["Programs", "Stretch", "fields_of"]


class Programs:
    """Everything compiled of one loss: it lives as long as its job, and the loss with it."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

        def one(state: Any, fields: Any, batch: Any, factor: Any, key: Any, decay: Any, clip: Any) -> Any:
            params, first, second, count = state
            grad = jax.grad(lambda p: loss.raw(p, batch, key)[0])(params)
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(grad)))
            shrink = jnp.minimum(1.0, clip / (norm + CLIP_ROUNDING))
            grad = jax.tree.map(lambda g: (g * shrink).astype(g.dtype), grad)
            count = count + 1

            def moved(p: Any, m: Any, s: Any, g: Any) -> tuple[Any, Any, Any]:
                plain = step(Method(factor * fields[0], fields[1], fields[2], fields[2]), p, m, g + decay * p)
                mean = fields[1] * m + (1 - fields[1]) * g
                square = ADAM_BETA2 * s + (1 - ADAM_BETA2) * g * g
                seen, size = mean / (1 - fields[1] ** count), jnp.sqrt(square / (1 - ADAM_BETA2**count)) + ADAM_EPSILON
                rate = factor * fields[0]
                adam = p * (1 - rate * decay) - rate * seen / size, mean
                chosen = (jnp.where(fields[3] > 0, a, b) for a, b in zip(adam, plain, strict=True))
                return *(new.astype(p.dtype) for new in chosen), square.astype(p.dtype)

            triples = jax.tree.map(moved, params, first, second, grad)
            return *jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0, 0)), triples), count

        def stretch(state: Any, fields: Any, data: Any, order: Any, factors: Any, key: Any, extra: Any, first: Any, last: Any) -> Any:
            def body(now: Any, state: Any) -> Any:
                batch = jax.tree.map(lambda leaf: leaf[order[now]], data)
                return one(state, fields, batch, factors[now], jax.random.fold_in(key, now), *extra)

            return jax.lax.fori_loop(first, last, body, state)  # bounds are arguments: stretches of any length, compiled once

        alone = (None,) * 5
        self._advance = jax.jit(jax.vmap(one, in_axes=(0, 0, *alone)))
        self._stretch = jax.jit(jax.vmap(stretch, in_axes=(0, 0, *alone, None, None)))
        self._evaluate = jax.jit(lambda stacked, batch: jax.lax.map(lambda p: loss(p, batch), stacked))
        self.products: dict[str, Any] = {}

    def begin(self, stacked: Any) -> Any:
        """The state of runs at stacked points."""
        zero = jax.tree.map(jnp.zeros_like, stacked)
        return stacked, zero, zero, jnp.zeros(jax.tree.leaves(stacked)[0].shape[0])

    def steps(self, state: Any, fields: Any, feed: Feed, run: Stretch, first: int, last: int, batches: Iterator[Any]) -> Any:
        """The state after the steps first to last: of arrays in one compiled loop, of batches one by one."""
        extra = run.decay, np.inf if run.clip is None else run.clip
        if run.order is not None:
            return self._stretch(state, fields, feed.whole, run.order, run.factors, run.key, extra, first, last)
        for k in range(first, last):
            state = self._advance(state, fields, next(batches), run.factors[k], jax.random.fold_in(run.key, k), *extra)
        return state

    def evaluate(self, stacked: Any, batch: Any) -> Any:
        """Values and weights of a batch at stacked points."""
        return self._evaluate(stacked, batch)


class Stretch(NamedTuple):
    """What is the same for all steps of a run."""

    order: Any  # (steps, batch) rows of arrays; None for batches
    factors: Any  # (steps,)
    key: Any
    decay: float
    clip: float | None


def fields_of(recipes: Sequence[Recipe]) -> Any:
    """Learning rate, momentum, look-ahead and whether it is Adam, (T, 4)."""
    rows = [(r.learning_rate, r.momentum, r.momentum * r.nesterov, float(r.optimizer == "adamw")) for r in recipes]
    return jnp.asarray(np.array(rows))
