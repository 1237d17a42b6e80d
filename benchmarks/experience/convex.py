"""Convex jobs: linear models under eight losses, on generated and on embedded data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia.tasks.data import airfoil_table

from .layers import Built, binary, cross_entropy, split, standard
from .text import letters


def _correlated(rng: np.random.Generator, rows: int, width: int, rho: float) -> Any:
    """Gaussian features, neighbours correlated by rho."""
    x = rng.standard_normal((rows, width))
    for j in range(1, width):
        x[:, j] = rho * x[:, j - 1] + np.sqrt(1 - rho**2) * x[:, j]
    return x


def _start(width: int, scale: float, seed: int) -> Any:
    return scale * jax.random.normal(jax.random.key(seed), (width,))


def _with_one(x: Any) -> Any:
    return np.column_stack([x, np.ones(len(x))]).astype(np.float32)


def _ridge() -> Built:
    rng = np.random.default_rng(1)
    x = _correlated(rng, 1100, 30, 0.9)
    y = x @ rng.standard_normal(30) + 0.5 * rng.standard_normal(1100)

    def loss(w: Any, batch: Any) -> Any:
        return 0.5 * jnp.mean((batch[0] @ w - batch[1]) ** 2) + 0.05 * jnp.sum(w**2)  # weight decay .1

    return Built(partial(_start, 30, 0.3), loss, *split((x.astype(np.float32), y.astype(np.float32)), 200))


def _imbalance() -> Built:
    rng = np.random.default_rng(2)
    x = _correlated(rng, 2500, 20, 0.3)
    score = 1.2 * (x @ rng.standard_normal(20)) / np.sqrt(20) * 2
    y = (rng.random(2500) < 1 / (1 + np.exp(-(score - 5.0)))).astype(np.float32)  # a few positives in a hundred
    return Built(partial(_start, 21, 0.2), lambda w, b: binary(b[0] @ w, b[1]), *split((_with_one(x), y), 500))


def _wine() -> Built:
    x, y = datasets.load_wine(return_X_y=True)

    def loss(w: Any, batch: Any) -> Any:
        return cross_entropy(batch[0] @ w.reshape(14, 3), batch[1])

    return Built(partial(_start, 42, 0.25), loss, *split((_with_one(standard(x)), y.astype(np.int32)), 38))


def _poisson() -> Built:
    rng = np.random.default_rng(3)
    x = _correlated(rng, 1250, 15, 0.5)
    y = rng.poisson(np.exp(1.0 + 0.25 * x @ rng.standard_normal(15) / 2)).astype(np.float32)

    def loss(w: Any, batch: Any) -> Any:
        eta = batch[0] @ w
        return jnp.mean(jnp.exp(eta) - batch[1] * eta)  # without log y!, so it goes below 0

    return Built(partial(_start, 16, 0.1), loss, *split((_with_one(x), y), 250))


def _squares(x: Any) -> Any:
    """Standardised columns and all their products."""
    x = standard(x)
    upper = np.triu_indices(x.shape[1])
    return _with_one(standard(np.column_stack([x, (x[:, :, None] * x[:, None, :])[:, upper[0], upper[1]]]) + 1e-9))


def _huber() -> Built:
    table = airfoil_table()

    def loss(w: Any, batch: Any) -> Any:
        off = jnp.abs(batch[0] @ w - batch[1])
        return jnp.mean(jnp.where(off < 0.3, 0.5 * off**2, 0.3 * (off - 0.15)))

    return Built(partial(_start, 21, 0.2), loss, *split((_squares(table[:, :-1]), standard(table[:, -1])), 300))


def _ill(seed: int, rows: int, width: int, noise: float) -> tuple[Any, Any]:
    """Least squares whose curvatures fall evenly from 1 to 1e-4."""
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.standard_normal((rows, width)))
    right, _ = np.linalg.qr(rng.standard_normal((width, width)))
    x = left * np.sqrt(rows * np.logspace(0, -4, width)) @ right.T
    y = x @ (right @ rng.standard_normal(width) * 2) + noise * rng.standard_normal(rows)
    return x.astype(np.float32), y.astype(np.float32)


def _squared(w: Any, batch: Any) -> Any:
    return 0.5 * jnp.mean((batch[0] @ w - batch[1]) ** 2)


def _ill_full() -> Built:
    return Built(partial(_start, 40, 0.1), _squared, *split(_ill(4, 260, 40, 0.0), 60))


def _ill_noisy() -> Built:
    return Built(partial(_start, 30, 0.1), _squared, *split(_ill(5, 1200, 30, 0.3), 200))


def _logistic_full() -> Built:
    rng = np.random.default_rng(6)
    x = _correlated(rng, 750, 25, 0.6) + 2.0  # not centred: one large curvature
    y = (rng.random(750) < 1 / (1 + np.exp(-2 * (x - 2.0) @ rng.standard_normal(25)))).astype(np.float32)

    def loss(w: Any, batch: Any) -> Any:
        return binary(batch[0] @ w, batch[1]) + 5e-4 * jnp.sum(w**2)

    return Built(partial(_start, 26, 0.2), loss, *split((_with_one(x), y), 150))


def _location_scale() -> Built:
    """Normal likelihood in its convex form (Burridge 1981): -log s + (s y - x'v)^2 / 2 with s = 1/sigma."""
    rng = np.random.default_rng(7)
    x = _correlated(rng, 1000, 12, 0.4)
    y = 0.3 * x @ rng.standard_normal(12) + 0.15 * rng.standard_normal(1000)

    def init(seed: int) -> Any:
        return {"s": jnp.ones(()), "v": _start(13, 0.1, seed)}

    def loss(p: Any, batch: Any) -> Any:
        return jnp.mean(-jnp.log(p["s"]) + 0.5 * (p["s"] * batch[1] - batch[0] @ p["v"]) ** 2)

    return Built(init, loss, *split((_with_one(x), y.astype(np.float32)), 200))


def _bigram() -> Built:
    codes, size = letters("topics", 8_001)

    def init(seed: int) -> Any:
        return 0.01 * jax.random.normal(jax.random.key(seed), (size, size))

    return Built(init, lambda w, b: cross_entropy(w[b[0]], b[1]), *split((codes[:-1], codes[1:]), 1600))


def _hinge() -> Built:
    images, labels = datasets.load_digits(return_X_y=True)
    x = _with_one(images / 16.0 - (images / 16.0).mean())

    def loss(w: Any, batch: Any) -> Any:
        sign = 2 * jax.nn.one_hot(batch[1], 10) - 1
        return jnp.mean(jnp.sum(jax.nn.relu(1 - sign * (batch[0] @ w.reshape(65, 10))) ** 2, axis=-1)) + 1e-3 * jnp.sum(w**2)

    return Built(partial(_start, 650, 0.1), loss, *split((x, labels.astype(np.int32)), 360))


def _logcosh() -> Built:
    x, y = datasets.load_diabetes(return_X_y=True)

    def loss(w: Any, batch: Any) -> Any:
        off = batch[0] @ w - batch[1]
        return jnp.mean(jnp.logaddexp(off, -off) - np.log(2.0))

    return Built(partial(_start, 66, 0.1), loss, *split((_squares(x), standard(y)), 88))


BUILDERS: dict[str, Callable[[], Built]] = {
    "ridge": _ridge,
    "logistic-imbalance": _imbalance,
    "softmax-wine": _wine,
    "poisson": _poisson,
    "huber-airfoil": _huber,
    "squares-ill-full": _ill_full,
    "squares-ill-noisy": _ill_noisy,
    "logistic-full": _logistic_full,
    "location-scale": _location_scale,
    "bigram": _bigram,
    "hinge-digits": _hinge,
    "logcosh-diabetes": _logcosh,
}
