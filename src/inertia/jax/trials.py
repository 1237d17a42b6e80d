"""Many training runs as one array operation: trials that share their batches and differ in method run under `vmap`.

A trial that diverges is a result: its losses turn infinite from that step on, the others go on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, init, step
from ..tuning.batches import batch_order

__all__ = ["Trials", "batch_order", "run_trials"]


class Trials(NamedTuple):
    """What T runs did: full training and validation loss at the recorded steps, and their last parameters."""

    at: NDArray[np.int64]  # (E,) steps at which losses were recorded, 0 and the last among them
    losses: NDArray[np.float64]  # (T, E) mean loss over all training examples; inf once not finite
    validation: NDArray[np.float64]  # (T, E) the same over the validation examples; nan where there are none
    params: Any  # pytree of (T, ...) arrays


def run_trials(
    loss: Callable[[Any, Any], Any],
    params: Any,
    data: Any,
    methods: Method,
    factors: NDArray[np.float64],
    *,
    batch_size: int,
    seed: int = 0,
    validation: Any = None,
    records: int | Sequence[int] = 1,
    together: int = 16,
    weight_decay: float = 0.0,
    clip: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trials:
    """Run T methods (fields (T,)) from the same params on the same batches; alpha is scaled by factors (steps,).

    `records` is how many times the full loss is taken along the way (the last step always is), or the steps at which it
    is; `together` bounds how many trials run at once, and with it the memory. The batch size equal to the data means full
    batch. Gradients are first clipped to the norm `clip`, then `weight_decay` times the parameters is added (as in torch).
    """
    steps = len(factors)
    examples = jax.tree.leaves(data)[0].shape[0]
    order = batch_order(examples, batch_size, steps, seed)
    marks = np.unique(np.linspace(0, steps, records + 1).astype(int) if isinstance(records, int) else np.asarray([0, *records, steps]))
    fields = np.stack([np.broadcast_to(np.asarray(field, dtype=np.float32), np.shape(methods.alpha)) for field in methods], axis=1)
    stream = jnp.asarray(order), jnp.asarray(factors, dtype=jnp.float32)
    advance, evaluate = _programs(loss, weight_decay, clip)
    parts = []
    for first in range(0, len(fields), together):
        block = jnp.asarray(fields[first : first + together])
        state = _spread(params, len(block))
        state = (state, jax.tree.map(init, state))
        full, held = [evaluate(state[0], data)], [_held(evaluate, state[0], validation)]
        for a, b in itertools.pairwise(marks):
            state = advance(state, block, data, *stream, a, b)
            full.append(evaluate(state[0], data))
            held.append(_held(evaluate, state[0], validation))
            if progress is not None:
                progress(int(b), steps)
        parts.append((np.stack(full, axis=1), np.stack(held, axis=1), state[0]))
    losses, held_losses = (np.concatenate([part[i] for part in parts]).astype(float) for i in (0, 1))
    last = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *[part[2] for part in parts])
    return Trials(marks, _once_lost(losses, losses), _once_lost(held_losses, losses), last)


def _held(evaluate: Any, params: Any, validation: Any) -> Any:
    return np.full(jax.tree.leaves(params)[0].shape[0], np.nan) if validation is None else evaluate(params, validation)


def _spread(params: Any, trials: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (trials, *jnp.shape(leaf))), params)


def _once_lost(values: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.maximum.accumulate(~np.isfinite(losses), axis=1), np.inf, values)


_PROGRAMS: dict[Any, tuple[Any, Any]] = {}


def _programs(loss: Callable[[Any, Any], Any], decay: float, clip: float | None) -> tuple[Any, Any]:
    """The compiled stretch of steps and evaluation of one loss, kept so that a second call does not compile again."""
    key = (loss, decay, clip)
    if key not in _PROGRAMS:
        gradient = jax.grad(loss)

        def one(state: Any, fields: Any, data: Any, order: Any, factors: Any, first: Any, last: Any) -> Any:
            method = Method(*fields)

            def body(now: Any, state: Any) -> Any:
                params, velocity = state
                grad = gradient(params, jax.tree.map(lambda array: array[order[now]], data))
                if clip is not None:
                    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(grad)))
                    grad = jax.tree.map(lambda g, norm=norm: g * jnp.minimum(1.0, clip / (norm + 1e-6)), grad)
                if decay:
                    grad = jax.tree.map(lambda g, p: g + decay * p, grad, params)
                scaled = method._replace(alpha=method.alpha * factors[now])
                pairs = jax.tree.map(
                    lambda p, v, g: tuple(new.astype(p.dtype) for new in step(scaled, p, v, g)),  # half precision stays so
                    params, velocity, grad,
                )  # fmt: skip
                return jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), pairs)

            return jax.lax.fori_loop(first, last, body, state)  # bounds are arguments: stretches of any length, compiled once

        advance = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None, None, None, None)))
        evaluate = jax.jit(lambda params, data: jax.lax.map(lambda one: loss(one, data), params))
        _PROGRAMS[key] = (advance, evaluate)
    return _PROGRAMS[key]
