"""The pieces that the jobs are made of, kept here so that a job stays what it was when its grid was computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Batch = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Built:
    """A training job in JAX: init(seed) -> params, mean loss(params, batch), training and validation examples."""

    init: Callable[[int], Any]
    loss: Callable[[Any, Batch], Any]
    data: Batch
    validation: Batch


def split(arrays: tuple[Any, ...], held: int, seed: int = 0) -> tuple[Batch, Batch]:
    """Rows shuffled once: the training part and `held` rows for validation."""
    order = np.random.default_rng([seed, 77]).permutation(len(arrays[0]))
    return tuple(tuple(array[rows] for array in arrays) for rows in (order[held:], order[:held]))  # type: ignore[return-value]


def standard(values: Any) -> Any:
    """Columns with mean 0 and variance 1, in single precision."""
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)


def single(*arrays: Any) -> Batch:
    """Numbers in single precision, as a job's examples are."""
    return tuple(np.asarray(array, dtype=np.float32) for array in arrays)


def dense(key: Any, inputs: int, outputs: int, gain: float = 2.0) -> dict[str, Any]:
    return {"w": jax.random.normal(key, (inputs, outputs)) * jnp.sqrt(gain / inputs), "b": jnp.zeros(outputs)}


def apply(layer: dict[str, Any], x: Any) -> Any:
    return x @ layer["w"] + layer["b"]


def layers(sizes: tuple[int, ...], gain: float) -> Callable[[int], Any]:
    def init(seed: int) -> list[dict[str, Any]]:
        keys = jax.random.split(jax.random.key(seed), len(sizes) - 1)
        return [dense(key, a, b, gain) for key, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)]

    return init


def feed(params: list[dict[str, Any]], x: Any, activation: Callable[[Any], Any] = jax.nn.relu) -> Any:
    for layer in params[:-1]:
        x = activation(apply(layer, x))
    return apply(params[-1], x)


def half_square(out: Any, wanted: Any) -> Any:
    return 0.5 * jnp.mean((out - wanted) ** 2)


def cross_entropy(logits: Any, labels: Any) -> Any:
    chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)


def binary(logits: Any, labels: Any) -> Any:
    """Mean cross-entropy of labels 0 and 1 under a sigmoid."""
    return jnp.mean(jax.nn.softplus(logits) - labels * logits)


def gaussian(mean: Any, log_scale: Any, values: Any) -> Any:
    """Mean negative log-likelihood of a normal distribution without its constant: below 0 where the fit is sharp."""
    return jnp.mean(log_scale + 0.5 * ((values - mean) * jnp.exp(-log_scale)) ** 2)


def norm(width: int) -> dict[str, Any]:
    return {"scale": jnp.ones(width), "shift": jnp.zeros(width)}


def layer_norm(layer: dict[str, Any], x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * layer["scale"] + layer["shift"]


def batch_norm(layer: dict[str, Any], x: Any) -> Any:
    """Normalised by the statistics of the batch, in training and evaluation alike."""
    return (x - x.mean(axis=0)) * jax.lax.rsqrt(x.var(axis=0) + 1e-5) * layer["scale"] + layer["shift"]


def dropped(x: Any, rows: Any, rate: float, layer: int) -> Any:
    """Dropout whose mask is drawn from the row numbers of the batch: another one in every batch, and still a pure loss."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(11), jnp.sum(rows.astype(jnp.uint32))), layer)
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)


def attend(params: dict[str, Any], x: Any, heads: int, causal: bool) -> Any:
    batch, length, width = x.shape
    queries, keys, values = jnp.split(apply(params["qkv"], x), 3, axis=-1)
    shape = (batch, length, heads, width // heads)
    scores = jnp.einsum("blhd,bmhd->bhlm", queries.reshape(shape), keys.reshape(shape)) / np.sqrt(width // heads)
    if causal:
        scores = jnp.where(np.tril(np.ones((length, length), dtype=bool)), scores, -1e9)
    mixed = jnp.einsum("bhlm,bmhd->blhd", jax.nn.softmax(scores), values.reshape(shape)).reshape(x.shape)
    return apply(params["mix"], mixed)


def block(key: Any, width: int, wide: int = 4) -> dict[str, Any]:
    """One transformer block, normalised before each half."""
    keys = jax.random.split(key, 4)
    halves = {"qkv": dense(keys[0], width, 3 * width, 1.0), "mix": dense(keys[1], width, width, 1.0)}
    halves |= {"up": dense(keys[2], width, wide * width), "down": dense(keys[3], wide * width, width, 1.0)}
    return halves | {"norms": [norm(width), norm(width)]}


def through(params: dict[str, Any], x: Any, heads: int, causal: bool) -> Any:
    x = x + attend(params, layer_norm(params["norms"][0], x), heads, causal)
    return x + apply(params["down"], jax.nn.gelu(apply(params["up"], layer_norm(params["norms"][1], x))))
