"""Small networks on real data, as pure JAX functions: what the tuner meets beyond convex problems.

Each is an `init(seed) -> params` and a mean `loss(params, batch)`, where a batch is a tuple of arrays that share their
leading axis. Convolutions are patches times a matrix, so that a hundred trials under `vmap` stay batched matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import digits_split, topic_windows

__all__ = ["NETWORKS", "Network", "network"]

Batch = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A training job in JAX: init, mean loss, training and validation examples, and how long one usually trains."""

    name: str
    init: Callable[[int], Any]  # seed -> params (a pytree)
    loss: Callable[[Any, Batch], Any]  # (params, batch) -> mean loss
    data: Batch
    validation: Batch
    batch_size: int
    steps: int
    about: str


def _dense(key: Any, inputs: int, outputs: int, gain: float = 2.0) -> dict[str, Any]:
    return {"w": jax.random.normal(key, (inputs, outputs)) * jnp.sqrt(gain / inputs), "b": jnp.zeros(outputs)}


def _layers(sizes: tuple[int, ...], gain: float, seed: int) -> list[dict[str, Any]]:
    keys = jax.random.split(jax.random.key(seed), len(sizes) - 1)
    return [_dense(key, a, b, gain) for key, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def _feed(params: list[dict[str, Any]], x: Any, activation: Callable[[Any], Any]) -> Any:
    for layer in params[:-1]:
        x = activation(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean negative log-likelihood of integer labels under softmax(logits)."""
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)


def _mlp_loss(activation: Callable[[Any], Any], params: Any, batch: Batch) -> Any:
    images, labels = batch
    return cross_entropy(_feed(params, images.reshape(images.shape[0], -1), activation), labels)


def _autoencoder_loss(params: Any, batch: Batch) -> Any:
    flat = batch[0].reshape(batch[0].shape[0], -1)
    return 0.5 * jnp.mean(jnp.sum((_feed(params, flat, jnp.tanh) - flat) ** 2, axis=-1))


def _patches(x: Any) -> Any:
    """3x3 neighbourhoods with zero padding: (B, H, W, C) -> (B, H, W, 9 C)."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=-1)


def _convolve(layer: dict[str, Any], x: Any) -> Any:
    return _patches(x) @ layer["w"] + layer["b"]


def _halve(x: Any) -> Any:
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def _cnn_init(seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    return {"one": _dense(keys[0], 9, 12), "two": _dense(keys[1], 108, 24), "out": _dense(keys[2], 96, 10)}


def _cnn_loss(params: Any, batch: Batch) -> Any:
    images, labels = batch
    x = _halve(jax.nn.relu(_convolve(params["one"], images[..., None])))
    x = _halve(jax.nn.relu(_convolve(params["two"], x)))
    return cross_entropy(x.reshape(x.shape[0], -1) @ params["out"]["w"] + params["out"]["b"], labels)


def _norm(channels: int) -> dict[str, Any]:
    return {"scale": jnp.ones(channels), "shift": jnp.zeros(channels)}


def _normalise(layer: dict[str, Any], x: Any) -> Any:
    """Batch normalisation with the statistics of this batch, in training and evaluation alike."""
    mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * layer["scale"] + layer["shift"]


def _resnet_init(seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 6)
    blocks = [
        {"a": _dense(keys[2 * i + 1], 108, 12), "b": _dense(keys[2 * i + 2], 108, 12), "na": _norm(12), "nb": _norm(12)} for i in range(2)
    ]
    return {"stem": _dense(keys[0], 9, 12), "norm": _norm(12), "blocks": blocks, "out": _dense(keys[5], 12, 10)}


def _resnet_loss(params: Any, batch: Batch) -> Any:
    images, labels = batch
    x = jax.nn.relu(_normalise(params["norm"], _convolve(params["stem"], images[..., None])))
    for block in params["blocks"]:
        inner = jax.nn.relu(_normalise(block["na"], _convolve(block["a"], x)))
        x = jax.nn.relu(x + _normalise(block["nb"], _convolve(block["b"], inner)))
        x = _halve(x)
    return cross_entropy(x.mean(axis=(1, 2)) @ params["out"]["w"] + params["out"]["b"], labels)


def _transformer_init(letters: int, length: int, seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 7)
    width = 32
    return {
        "letter": 0.1 * jax.random.normal(keys[0], (letters, width)),
        "place": 0.1 * jax.random.normal(keys[1], (length, width)),
        "qkv": _dense(keys[2], width, 3 * width, 1.0),
        "mix": _dense(keys[3], width, width, 1.0),
        "up": _dense(keys[4], width, 4 * width),
        "down": _dense(keys[5], 4 * width, width, 1.0),
        "out": _dense(keys[6], width, letters, 1.0),
        "norms": [{"scale": jnp.ones(width), "shift": jnp.zeros(width)} for _ in range(3)],
    }


def _layer_norm(layer: dict[str, Any], x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * layer["scale"] + layer["shift"]


def _attend(params: Any, x: Any, heads: int = 2) -> Any:
    batch, length, width = x.shape
    queries, keys, values = jnp.split(x @ params["qkv"]["w"] + params["qkv"]["b"], 3, axis=-1)
    split = (batch, length, heads, width // heads)
    scores = jnp.einsum("blhd,bmhd->bhlm", queries.reshape(split), keys.reshape(split)) / np.sqrt(width // heads)
    scores = jnp.where(np.tril(np.ones((length, length), dtype=bool)), scores, -1e9)
    mixed = jnp.einsum("bhlm,bmhd->blhd", jax.nn.softmax(scores), values.reshape(split)).reshape(x.shape)
    return mixed @ params["mix"]["w"] + params["mix"]["b"]


def _transformer_loss(params: Any, batch: Batch) -> Any:
    letters = batch[0]
    x = params["letter"][letters[:, :-1]] + params["place"]
    x = x + _attend(params, _layer_norm(params["norms"][0], x))
    inner = jax.nn.relu(_layer_norm(params["norms"][1], x) @ params["up"]["w"] + params["up"]["b"])
    x = x + inner @ params["down"]["w"] + params["down"]["b"]
    logits = _layer_norm(params["norms"][2], x) @ params["out"]["w"] + params["out"]["b"]
    return cross_entropy(logits, letters[:, 1:])


def _digits_mlp() -> Network:
    train, held = digits_split()
    init, loss = partial(_layers, (64, 96, 96, 10), 2.0), partial(_mlp_loss, jax.nn.relu)
    return Network("digits-mlp", init, loss, train, held, 64, 220, "64-96-96-10 ReLU network on the 8x8 digits")


def _digits_mlp_tanh() -> Network:
    train, held = digits_split()
    few = tuple(array[:400] for array in train)
    init, loss = partial(_layers, (64, 96, 96, 10), 1.0), partial(_mlp_loss, jnp.tanh)
    return Network("digits-mlp-full", init, loss, few, held, 400, 200, "tanh network on 400 digits, full batch: the edge of stability")


def _digits_cnn() -> Network:
    train, held = digits_split()
    return Network("digits-cnn", _cnn_init, _cnn_loss, train, held, 32, 264, "two convolutions and a dense layer on the 8x8 digits")


def _digits_cnn_noisy() -> Network:
    train, held = digits_split(flipped=0.15)
    return Network("digits-cnn-noisy", _cnn_init, _cnn_loss, train, held, 32, 264, "the same network, 15 % of the labels wrong")


def _digits_resnet() -> Network:
    train, held = digits_split()
    return Network("digits-resnet", _resnet_init, _resnet_loss, train, held, 64, 88, "two residual blocks with batch normalisation")


def _digits_autoencoder() -> Network:
    train, held = digits_split()
    init = partial(_layers, (64, 48, 24, 8, 24, 48, 64), 1.0)
    return Network("digits-autoencoder", init, _autoencoder_loss, train, held, 64, 440, "64-48-24-8-24-48-64 tanh autoencoder")


def _char_transformer() -> Network:
    train, held, letters = topic_windows()
    init = partial(_transformer_init, letters, train[0].shape[1] - 1)
    return Network(
        "char-transformer", init, _transformer_loss, train, held, 32, 200, "one transformer block on Python's documentation topics"
    )


NETWORKS: dict[str, Callable[[], Network]] = {
    "digits-mlp": _digits_mlp,
    "digits-mlp-full": _digits_mlp_tanh,
    "digits-cnn": _digits_cnn,
    "digits-cnn-noisy": _digits_cnn_noisy,
    "digits-resnet": _digits_resnet,
    "digits-autoencoder": _digits_autoencoder,
    "char-transformer": _char_transformer,
}


@cache
def network(name: str) -> Network:
    """A built-in network by name (built once)."""
    return NETWORKS[name]()
