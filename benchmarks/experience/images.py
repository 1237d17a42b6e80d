"""Networks on scikit-learn's 8x8 digits: label noise, bad initialisations, batch norm, dropout, a variational one, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn import datasets

from inertia.tuning.batches import batch_order

from .layers import Built, apply, batch_norm, cross_entropy, dense, dropped, feed, layers, norm, split


@cache
def _digits() -> tuple[Any, Any]:
    images, labels = datasets.load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32)
    return split((images - images.mean(), labels.astype(np.int32), np.arange(len(labels), dtype=np.int32)), 360, seed=1)


def _classified(params: Any, batch: Any) -> Any:
    return cross_entropy(feed(params, batch[0]), batch[1])


def _plain(init: Callable[[int], Any], loss: Callable[[Any, Any], Any] = _classified) -> Built:
    train, held = _digits()
    return Built(init, loss, train[:2], held[:2])


def _noisy() -> Built:
    train, held = _digits()
    rng = np.random.default_rng(21)
    labels = np.where(rng.random(len(train[1])) < 0.3, rng.integers(0, 10, len(train[1])), train[1]).astype(np.int32)
    return Built(layers((64, 40, 10), 2.0), _classified, (train[0], labels), held[:2])


def _scaled(gain: float, sizes: tuple[int, ...]) -> Callable[[], Built]:
    return lambda: _plain(layers(sizes, gain))


def _normed() -> Built:
    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 4)
        hidden = [dense(key, a, 32) | {"norm": norm(32)} for key, a in zip(keys[:3], (64, 32, 32), strict=True)]
        return {"hidden": hidden, "out": dense(keys[3], 32, 10, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0]
        for layer in params["hidden"]:
            x = jax.nn.relu(batch_norm(layer["norm"], apply(layer, x)))
        return cross_entropy(apply(params["out"], x), batch[1])

    return _plain(init, loss)


def _dropout() -> Built:
    train, held = _digits()

    def loss(params: Any, batch: Any) -> Any:
        images, labels, rows = batch
        x = dropped(jax.nn.relu(apply(params[0], images)), rows, 0.3, 0)
        x = dropped(jax.nn.relu(apply(params[1], x)), rows, 0.3, 1)
        return cross_entropy(apply(params[2], x), labels)

    return Built(layers((64, 48, 48, 10), 2.0), loss, train, held)


def _variational() -> Built:
    """A variational autoencoder with a normal likelihood of learned width: its loss goes below 0. The noise is part of the data."""
    images, labels = datasets.load_digits(return_X_y=True)
    few = (images / 16.0)[labels < 5].astype(np.float32)
    chance = np.random.default_rng(22).standard_normal((len(few), 4)).astype(np.float32)

    def init(seed: int) -> Any:
        one, two = jax.random.split(jax.random.key(seed))
        return {"in": layers((64, 40, 8), 1.0)(seed), "out": [dense(one, 4, 40), dense(two, 40, 64, 1.0)], "log_scale": jnp.zeros(())}

    def loss(params: Any, batch: Any) -> Any:
        mean, log_scale = jnp.split(feed(params["in"], batch[0], jnp.tanh), 2, axis=-1)
        code = mean + jnp.exp(log_scale) * batch[1]
        off = (feed(params["out"], code, jnp.tanh) - batch[0]) * jnp.exp(-params["log_scale"])
        paid = jnp.sum(0.5 * (mean**2 + jnp.exp(2 * log_scale) - 1) - log_scale, axis=-1)
        return jnp.mean(jnp.sum(0.5 * off**2 + params["log_scale"], axis=-1) + paid) / 64

    return Built(init, loss, *split((few, chance), 180))


@cache
def _pretrained(seed: int) -> Any:
    """A short training on the digits 0 to 4: the checkpoint that the fine-tuning starts from."""
    train, _ = _digits()
    low = train[1] < 5
    images, labels = jnp.asarray(train[0][low]), jnp.asarray(train[1][low])
    order = jnp.asarray(batch_order(len(labels), 32, 200, 1000 + seed))
    params, adam = layers((64, 64, 32, 10), 2.0)(1000 + seed), optax.adam(3e-3)

    @jax.jit
    def trained(params: Any) -> Any:
        def body(carry: Any, rows: Any) -> Any:
            point, state = carry
            updates, state = adam.update(jax.grad(_classified)(point, (images[rows], labels[rows])), state)
            return (optax.apply_updates(point, updates), state), None

        return jax.lax.scan(body, (params, adam.init(params)), order)[0][0]

    return trained(params)


def _tuned_on() -> Built:
    """The digits 5 to 9 from a checkpoint that knows 0 to 4, with a new last layer of small weights."""
    train, held = _digits()
    parts = [(part[0][part[1] >= 5], part[1][part[1] >= 5] - 5) for part in (train, held)]

    def init(seed: int) -> Any:
        return [*_pretrained(seed)[:-1], dense(jax.random.key(seed), 32, 5, 0.1)]

    return Built(init, _classified, *parts)


def _convolved() -> Built:
    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"one": dense(keys[0], 9, 8), "two": dense(keys[1], 72, 12), "out": dense(keys[2], 48, 10, 1.0)}

    def convolve(layer: Any, x: Any) -> Any:
        padded, (high, wide) = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), x.shape[1:3]
        return apply(layer, jnp.concatenate([padded[:, i : i + high, j : j + wide] for i in range(3) for j in range(3)], axis=-1))

    def pooled(x: Any) -> Any:
        return x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).max(axis=(2, 4))

    def loss(params: Any, batch: Any) -> Any:
        x = pooled(jax.nn.silu(convolve(params["one"], batch[0].reshape(-1, 8, 8, 1))))
        x = pooled(jax.nn.silu(convolve(params["two"], x)))
        return cross_entropy(apply(params["out"], x.reshape(x.shape[0], -1)), batch[1])

    return _plain(init, loss)


BUILDERS: dict[str, Callable[[], Built]] = {
    "digits-noisy": _noisy,
    "digits-loud-start": _scaled(12.0, (64, 32, 32, 10)),
    "digits-faint-start": _scaled(0.15, (64, 32, 32, 32, 10)),
    "digits-batchnorm": _normed,
    "digits-dropout": _dropout,
    "digits-variational": _variational,
    "digits-finetune": _tuned_on,
    "digits-maxpool": _convolved,
    "digits-wide": _scaled(2.0, (64, 560, 128, 10)),
}
