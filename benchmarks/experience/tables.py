"""Networks on tables and on generated points: regressions, likelihoods below 0, plateaus, bad scales, embeddings of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia.tasks.data import airfoil_table

from .layers import Built, apply, binary, cross_entropy, dense, dropped, feed, gaussian, layers, split, standard


def _half_square(activation: Callable[[Any], Any], params: Any, batch: Any) -> Any:
    return 0.5 * jnp.mean((feed(params, batch[0], activation)[:, 0] - batch[1]) ** 2)


def _iris() -> Built:
    x, y = datasets.load_iris(return_X_y=True)

    def loss(params: Any, batch: Any) -> Any:
        inputs, labels, rows = batch
        hidden = dropped(jax.nn.relu(apply(params[0], inputs)), rows, 0.2, 0)
        return cross_entropy(apply(params[1], hidden), labels)

    return Built(layers((4, 32, 3), 2.0), loss, *split((standard(x), y.astype(np.int32), np.arange(150, dtype=np.int32)), 30))


def _moons() -> Built:
    x, y = datasets.make_moons((1900, 100), noise=0.25, random_state=1)  # 5 % are of the second kind

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params, batch[0], jnp.tanh)[:, 0], batch[1])

    return Built(layers((2, 24, 24, 1), 1.0), loss, *split((standard(x), y.astype(np.float32)), 400))


def _mixture() -> Built:
    """Inverse of a function with several branches (Bishop 1994): a mixture of five normal distributions."""
    rng = np.random.default_rng(11)
    t = rng.random(1500)
    x = t + 0.3 * np.sin(2 * np.pi * t) + 0.02 * rng.standard_normal(1500)

    def loss(params: Any, batch: Any) -> Any:
        share, mean, log_scale = jnp.split(feed(params, batch[0], jnp.tanh), 3, axis=-1)
        log_scale = jnp.maximum(log_scale, -6.0)
        each = jax.nn.log_softmax(share) - log_scale - 0.5 * ((batch[1][:, None] - mean) * jnp.exp(-log_scale)) ** 2
        return -jnp.mean(jax.nn.logsumexp(each, axis=-1))

    return Built(layers((1, 24, 15), 1.0), loss, *split((standard(x)[:, None], t.astype(np.float32)), 300))


def _hetero() -> Built:
    table = airfoil_table()

    def loss(params: Any, batch: Any) -> Any:
        out = feed(params, batch[0], jnp.tanh)
        return gaussian(out[:, 0], out[:, 1], batch[1])

    return Built(layers((5, 32, 2), 1.0), loss, *split((standard(table[:, :-1]), standard(table[:, -1])), 300))


def _friedman() -> Built:
    x, y = datasets.make_friedman1(1200, 10, noise=1.0, random_state=2)
    loss = partial(_half_square, jax.nn.relu)
    return Built(layers((10, 32, 32, 1), 2.0), loss, *split((standard(x), standard(y)), 240))


def _deep_tanh() -> Built:
    rng = np.random.default_rng(12)
    x = rng.uniform(-1, 1, (1000, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1] + np.abs(x[:, 2])
    loss = partial(_half_square, jnp.tanh)
    return Built(layers((3, *(16,) * 8, 1), 1.0), loss, *split((standard(x), standard(y)), 200))


def _parity() -> Built:
    """The sign of three of ten signs: nothing to be seen by single inputs, so the loss keeps a plateau."""
    rng = np.random.default_rng(13)
    x = rng.choice([-1.0, 1.0], (900, 10)).astype(np.float32)
    y = (np.prod(x[:, :3], axis=1) > 0).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params, batch[0])[:, 0], batch[1])

    return Built(layers((10, 40, 1), 2.0), loss, *split((x, y), 150))


def _blobs_ring() -> Built:
    """XOR of four clouds, one wide hidden layer of sigmoids that begins nearly flat."""
    rng = np.random.default_rng(14)
    corner = rng.integers(0, 2, (800, 2))
    x = (2 * corner - 1 + 0.35 * rng.standard_normal((800, 2))).astype(np.float32)
    y = (corner[:, 0] ^ corner[:, 1]).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params, batch[0], jax.nn.sigmoid)[:, 0], batch[1])

    return Built(layers((2, 12, 1), 0.3), loss, *split((x, y), 200))


def _wine_squeezed() -> Built:
    x, _ = datasets.load_wine(return_X_y=True)

    def loss(params: Any, batch: Any) -> Any:
        return 0.5 * jnp.mean(jnp.sum((feed(params, batch[0], jnp.tanh) - batch[0]) ** 2, axis=-1))

    return Built(layers((13, 8, 2, 8, 13), 1.0), loss, *split((standard(x),), 38))


def _deep_linear() -> Built:
    """A product of four matrices learns one: saddles between the singular values (Saxe et al. 2014), full batch."""
    rng = np.random.default_rng(15)
    x = rng.standard_normal((300, 12)).astype(np.float32)
    left, right = (np.linalg.qr(rng.standard_normal((12, 12)))[0] for _ in range(2))
    y = (x @ (left * np.array([3, 2, 1, 0.5, 0.2, *(0.0,) * 7])) @ right).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        out = batch[0]
        for matrix in params:
            out = out @ matrix
        return 0.5 * jnp.mean(jnp.sum((out - batch[1]) ** 2, axis=-1))

    def init(seed: int) -> Any:
        return [0.4 * jax.random.normal(key, (12, 12)) / np.sqrt(12) for key in jax.random.split(jax.random.key(seed), 4)]

    return Built(init, loss, *split((x, y), 60))


def _equation() -> Built:
    """A network that solves u'' + 9 u = 9 x with u(0) = 1, u'(0) = 0 by its residual: badly conditioned, full batch."""
    x = np.linspace(0, 2, 80).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        def u(t: Any) -> Any:
            return feed(params, t[None, None], jnp.tanh)[0, 0]

        slope = jax.grad(u)
        residual = jax.vmap(lambda t: jax.grad(slope)(t) + 9 * u(t) - 9 * t)(batch[0])
        zero = jnp.zeros(())
        return 0.05 * jnp.mean(residual**2) + (u(zero) - 1) ** 2 + slope(zero) ** 2

    return Built(layers((1, 20, 20, 1), 1.0), loss, (x,), (x[:-1] + 0.0127,))


def _badly_scaled() -> Built:
    """Raw columns of the wine data, divided by one number only: scales from .1 to 1000 enter the network as they are."""
    x, y = datasets.load_wine(return_X_y=True)

    def loss(params: Any, batch: Any) -> Any:
        return cross_entropy(feed(params, batch[0], jnp.tanh), batch[1])

    return Built(layers((13, 24, 3), 1.0), loss, *split(((x / 100).astype(np.float32), y.astype(np.int32)), 38))


def _cancer_norm() -> Built:
    """Residual blocks with layer normalisation on breast cancer, one label in ten turned."""
    from .layers import layer_norm, norm

    x, y = datasets.load_breast_cancer(return_X_y=True)
    train, held = split((standard(x), y.astype(np.float32)), 113)
    turned = np.random.default_rng(16).random(len(train[1])) < 0.1
    train = (train[0], np.where(turned, 1 - train[1], train[1]))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 6)
        blocks = [{"norm": norm(24), "up": dense(keys[i], 24, 48), "down": dense(keys[i + 2], 48, 24, 1.0)} for i in range(2)]
        return {"in": dense(keys[4], 30, 24, 1.0), "blocks": blocks, "out": dense(keys[5], 24, 1, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = apply(params["in"], batch[0])
        for one in params["blocks"]:
            x = x + apply(one["down"], jax.nn.gelu(apply(one["up"], layer_norm(one["norm"], x))))
        return binary(apply(params["out"], x)[:, 0], batch[1])

    return Built(init, loss, train, held)


def _ratings(people: int, things: int, rank: int, count: int, start: float, seed: int) -> Built:
    """Ratings with noise by a product of embeddings: small ones begin at a saddle."""
    rng = np.random.default_rng(seed)
    true = [rng.standard_normal((n, 3)) / 3**0.25 for n in (people, things)]
    who, what = rng.integers(0, people, count).astype(np.int32), (things * rng.random(count) ** 2).astype(np.int32)
    y = (np.sum(true[0][who] * true[1][what], axis=1) + 0.3 * rng.standard_normal(count)).astype(np.float32)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return [start * jax.random.normal(key, (n, rank)) for key, n in zip(keys, (people, things), strict=True)]

    def loss(params: Any, batch: Any) -> Any:
        return 0.5 * jnp.mean((jnp.sum(params[0][batch[0]] * params[1][batch[1]], axis=-1) - batch[2]) ** 2)

    return Built(init, loss, *split((who, what, y), count // 6))


def _entities() -> Built:
    """Two categories and five numbers: embeddings beside a dense network, rare categories among them."""
    rng = np.random.default_rng(18)
    first, second = (60 * rng.random(2000) ** 3).astype(np.int32), rng.integers(0, 12, 2000).astype(np.int32)
    x = rng.standard_normal((2000, 5))
    y = rng.standard_normal(60)[first] + rng.standard_normal((12, 5))[second, 0] * x[:, 0] + np.maximum(x[:, 1], 0)
    y = standard(y + 0.3 * rng.standard_normal(2000))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 4)
        tables = [0.3 * jax.random.normal(keys[0], (60, 6)), 0.3 * jax.random.normal(keys[1], (12, 4))]
        return {"tables": tables, "dense": [dense(keys[2], 15, 32), dense(keys[3], 32, 1, 1.0)]}

    def loss(params: Any, batch: Any) -> Any:
        one, two, numbers, wanted = batch
        x = jnp.concatenate([params["tables"][0][one], params["tables"][1][two], numbers], axis=-1)
        return 0.5 * jnp.mean((feed(params["dense"], x)[:, 0] - wanted) ** 2)

    return Built(init, loss, *split((first, second, x.astype(np.float32), y), 400))


BUILDERS: dict[str, Callable[[], Built]] = {
    "iris-dropout": _iris,
    "moons-imbalance": _moons,
    "mixture-density": _mixture,
    "airfoil-scales": _hetero,
    "friedman": _friedman,
    "deep-tanh": _deep_tanh,
    "parity": _parity,
    "xor-sigmoid": _blobs_ring,
    "wine-autoencoder": _wine_squeezed,
    "deep-linear": _deep_linear,
    "equation": _equation,
    "wine-raw": _badly_scaled,
    "cancer-residual-noisy": _cancer_norm,
    "ratings": partial(_ratings, 200, 150, 6, 6000, 0.1, 17),
    "ratings-large": partial(_ratings, 2500, 1500, 28, 24_000, 0.2, 19),
    "entities": _entities,
}
