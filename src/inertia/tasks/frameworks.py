"""The frameworks' own momentum on a linear model, every seed at once, and a step that forgets its velocity by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import require
from ..problems.base import Array

__all__ = ["leaky_step", "optax_losses", "torch_losses"]

Orders = NDArray[np.integer[Any]]  # (steps, seeds, batch) rows of every mini-batch


def optax_losses(features: Array, targets: Array, orders: Orders, starts: Array, learning_rate: float, momentum: float) -> Array:
    """Half mean squared error after training by `optax.sgd`, one number per seed; gradients of half the square."""
    jax: Any = require("jax", "jax")
    optax: Any = require("optax", "jax")
    x, y = jax.numpy.asarray(features), jax.numpy.asarray(targets)
    transform = optax.sgd(learning_rate, momentum=momentum)

    def loss(w: Any, rows: Any) -> Any:
        return 0.5 * jax.numpy.mean((x[rows] @ w - y[rows]) ** 2)

    def one(w: Any, order: Any) -> Any:
        def body(carry: Any, rows: Any) -> Any:
            params, state = carry
            updates, state = transform.update(jax.grad(loss)(params, rows), state, params)
            return (optax.apply_updates(params, updates), state), None

        (final, _), _ = jax.lax.scan(body, (w, transform.init(w)), order)
        return 0.5 * jax.numpy.mean((x @ final - y) ** 2)

    start = jax.numpy.asarray(starts, dtype=x.dtype)
    return np.asarray(jax.jit(jax.vmap(one, in_axes=(0, 1)))(start, jax.numpy.asarray(orders)), dtype=float)


def torch_losses(features: Array, targets: Array, orders: Orders, starts: Array, learning_rate: float, momentum: float) -> Array:
    """Half mean squared error after training by `torch.optim.SGD` on `MSELoss` (no half: gradients are twice as large)."""
    torch: Any = require("torch", "torch")
    x, y = torch.as_tensor(features), torch.as_tensor(targets)
    w = torch.tensor(starts, dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=learning_rate, momentum=momentum)
    for rows in torch.as_tensor(np.ascontiguousarray(orders)):
        optimizer.zero_grad()
        error = torch.einsum("sbn,sn->sb", x[rows], w) - y[rows]
        (error**2).mean(dim=1).sum().backward()  # seeds do not touch each other
        optimizer.step()
    with torch.no_grad():
        return np.asarray((0.5 * ((x @ w.T - y[:, None]) ** 2).mean(dim=0)).numpy(), dtype=float)


def leaky_step(learning_rate: float, momentum: float, size: int = 8) -> Callable[[Any], Any]:
    """A step of the kind that the slides of document 001 compiled: jit sees the list once, so the velocity stays zero.

    `states` is changed while jax traces, never when the compiled step runs. Returns step(grad) -> change.
    """
    jax: Any = require("jax", "jax")
    states = [jax.numpy.zeros(size)]

    @jax.jit
    def compiled(grad: Any) -> Any:
        states[0] = momentum * states[0] + grad  # the mistake: a side effect inside jit
        return -learning_rate * states[0]

    return lambda grad: np.asarray(compiled(jax.numpy.asarray(grad)))
