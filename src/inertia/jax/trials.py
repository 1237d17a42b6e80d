"""Many training runs as one array operation: trials that share their batches and differ in method run under `vmap`.

A trial that diverges is a result: its losses turn infinite from that step on, the others go on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..method import Method, init, step

__all__ = ["Trials", "batch_order", "run_trials"]


class Trials(NamedTuple):
    """What T runs did: full training and validation loss at the recorded steps, and their last parameters."""

    at: NDArray[np.int64]  # (E,) steps at which losses were recorded, 0 and the last among them
    losses: NDArray[np.float64]  # (T, E) mean loss over all training examples; inf once not finite
    validation: NDArray[np.float64]  # (T, E) the same over the validation examples; nan where there are none
    params: Any  # pytree of (T, ...) arrays


def batch_order(examples: int, batch_size: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Row numbers of every step: a stream of shuffled epochs cut into equal batches, (steps, batch_size).

    A batch may begin in one epoch and end in the next, so all have the same shape and every example is seen equally often.

    Raises:
        BadInput: steps < 1, batch_size < 1 or larger than the data.

    >>> np.bincount(batch_order(5, 2, 5, seed=0).ravel()).tolist()
    [2, 2, 2, 2, 2]
    """
    if steps < 1:
        raise BadInput(f"steps = {steps} is too few: a run needs at least 1 step")
    if not 1 <= batch_size <= examples:
        raise BadInput(f"batch size {batch_size} is outside 1..{examples}, the number of examples: use at most {examples}")
    chance = np.random.default_rng(seed)
    epochs = -(-steps * batch_size // examples)
    stream = np.concatenate([chance.permutation(examples) for _ in range(epochs)])
    return stream[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


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
    records: int = 1,
    together: int = 16,
) -> Trials:
    """Run T methods (fields (T,)) from the same params on the same batches; alpha is scaled by factors (steps,).

    `records` is how many times the full loss is taken along the way (the last step always is); `together` bounds how
    many trials run at once, and with it the memory. The batch size equal to the data means full batch.
    """
    steps = len(factors)
    examples = jax.tree.leaves(data)[0].shape[0]
    order = batch_order(examples, batch_size, steps, seed)
    marks = np.unique(np.linspace(0, steps, records + 1).astype(int))
    fields = np.stack([np.broadcast_to(np.asarray(field, dtype=np.float32), np.shape(methods.alpha)) for field in methods], axis=1)
    advance, evaluate = _programs(loss)
    parts = []
    for first in range(0, len(fields), together):
        block = jnp.asarray(fields[first : first + together])
        state = _spread(params, len(block))
        state = (state, jax.tree.map(init, state))
        full, held = [evaluate(state[0], data)], [_held(evaluate, state[0], validation)]
        for a, b in itertools.pairwise(marks):
            state = advance(state, block, data, jnp.asarray(order[a:b]), jnp.asarray(factors[a:b], dtype=jnp.float32))
            full.append(evaluate(state[0], data))
            held.append(_held(evaluate, state[0], validation))
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


def _programs(loss: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The compiled scan and evaluation of one loss, kept so that a second call does not compile again."""
    if loss not in _PROGRAMS:
        gradient = jax.grad(loss)

        def one(state: Any, fields: Any, data: Any, order: Any, factors: Any) -> Any:
            method = Method(*fields)

            def body(state: Any, now: Any) -> Any:
                rows, factor = now
                params, velocity = state
                grad = gradient(params, jax.tree.map(lambda array: array[rows], data))
                scaled = method._replace(alpha=method.alpha * factor)
                pairs = jax.tree.map(lambda p, v, g: step(scaled, p, v, g), params, velocity, grad)
                return jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), pairs), None

            return jax.lax.scan(body, state, (order, factors))[0]

        advance = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None, None)))
        evaluate = jax.jit(lambda params, data: jax.lax.map(lambda one: loss(one, data), params))
        _PROGRAMS[loss] = (advance, evaluate)
    return _PROGRAMS[loss]
