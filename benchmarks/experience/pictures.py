"""Small networks on scikit-learn's 8x8 digits in other questions than which digit, and an adapter, pairs, a flow, cells, control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from .layers import Built, apply, batch_norm, binary, cross_entropy, dense, feed, layer_norm, layers, norm, split


def _digits(count: int) -> tuple[Any, Any]:
    """The first digits, (count, 8, 8) between 0 and 1, and what they are."""
    images, labels = datasets.load_digits(return_X_y=True)
    return (images[:count] / 16.0).astype(np.float32).reshape(-1, 8, 8), labels[:count].astype(np.int32)


def _patches(x: Any, size: int, stride: int) -> Any:
    """Squares of pixels (B, H, W, C) side by side in the last axis: a convolution is a dense layer over them."""
    high, wide = ((axis - size) // stride + 1 for axis in x.shape[1:3])
    corners = [(i, j) for i in range(size) for j in range(size)]
    return jnp.concatenate([x[:, i : i + stride * high : stride, j : j + stride * wide : stride] for i, j in corners], axis=-1)


def _turned() -> Built:
    """By how many right angles a digit is turned: two convolutions with stride 2 and group normalisation (Wu and He 2018)."""
    images, _ = _digits(1000)
    turn = np.random.default_rng(61).integers(0, 4, 1000)
    x = np.stack([np.rot90(image, k) for image, k in zip(images, turn, strict=True)])[..., None] - images.mean()

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        hidden = [dense(key, a, b) | {"norm": norm(b)} for key, a, b in zip(keys, (9, 32), (8, 16), strict=False)]
        return {"hidden": hidden, "out": dense(keys[2], 64, 4, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = jnp.pad(batch[0], ((0, 0), (1, 0), (1, 0), (0, 0)))
        for layer, size in zip(params["hidden"], (3, 2), strict=True):
            x = apply(layer, _patches(x, size, 2))
            grouped = x.reshape(*x.shape[:3], 4, -1)
            spread = grouped.var(axis=(1, 2, 4), keepdims=True)
            grouped = (grouped - grouped.mean(axis=(1, 2, 4), keepdims=True)) * jax.lax.rsqrt(spread + 1e-5)
            x = jax.nn.relu(grouped.reshape(x.shape) * layer["norm"]["scale"] + layer["norm"]["shift"])
        return cross_entropy(apply(params["out"], x.reshape(x.shape[0], -1)), batch[1])

    return Built(init, loss, *split((x.astype(np.float32), turn.astype(np.int32)), 200))


def _barred() -> Built:
    """Ground, digit or a bar across it, for every pixel in noise: convolutions with batch normalisation; the classes are uneven."""
    images, _ = _digits(500)
    rng = np.random.default_rng(62)
    place, upright = rng.integers(1, 7, 500), rng.integers(0, 2, 500)
    bar = np.arange(8) == place[:, None]
    bar = np.where(upright[:, None, None], bar[:, None, :], bar[:, :, None]) & np.ones((8, 8), dtype=bool)
    label = np.where(bar, 2, images > 0.4).astype(np.int32)
    x = np.where(bar, 0.7, images) + 0.15 * rng.standard_normal(images.shape)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"one": dense(keys[0], 9, 6), "norm": norm(6), "two": dense(keys[1], 54, 6), "out": dense(keys[2], 6, 3, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        frame = ((0, 0), (1, 1), (1, 1), (0, 0))
        x = apply(params["one"], _patches(jnp.pad(batch[0][..., None], frame), 3, 1))
        x = jax.nn.relu(batch_norm(params["norm"], x.reshape(-1, 6))).reshape(x.shape)
        x = jax.nn.relu(apply(params["two"], _patches(jnp.pad(x, frame), 3, 1)))
        return cross_entropy(apply(params["out"], x), batch[1])

    return Built(init, loss, *split((x.astype(np.float32), label), 100))


def _mixer() -> Built:
    """Whether a digit is even, from 16 squares of pixels mixed along the places, then along the channels (Tolstikhin et al. 2021)."""
    images, labels = _digits(1200)
    x = np.asarray(_patches(images[..., None] - images.mean(), 2, 2)).reshape(-1, 16, 4)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 6)
        mixed = {
            "places": [dense(keys[0], 16, 16), dense(keys[1], 16, 16, 1.0)],
            "channels": [dense(keys[2], 8, 16), dense(keys[3], 16, 8, 1.0)],
        }
        return mixed | {"norms": [norm(8) for _ in range(3)], "in": dense(keys[4], 4, 8, 1.0), "out": dense(keys[5], 8, 1, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = apply(params["in"], batch[0])
        turned = jnp.swapaxes(layer_norm(params["norms"][0], x), 1, 2)
        x = x + jnp.swapaxes(feed(params["places"], turned, jax.nn.gelu), 1, 2)
        x = x + feed(params["channels"], layer_norm(params["norms"][1], x), jax.nn.gelu)
        return binary(apply(params["out"], layer_norm(params["norms"][2], x).mean(axis=1))[:, 0], batch[1])

    return Built(init, loss, *split((x, (labels % 2 == 0).astype(np.float32)), 200))


def _depthwise() -> Built:
    """Whether a digit is above four: a filter for each channel, then a mixture of the channels, twice (Howard et al. 2017); weak start."""
    images, labels = _digits(1000)
    x = images[..., None] - images.mean()

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 5)
        filters = [0.2 * jax.random.normal(key, (9, width)) for key, width in zip(keys, (6, 12), strict=False)]
        return {"in": dense(keys[2], 4, 6, 1.0), "filters": filters, "mixed": [dense(keys[3], 6, 12), dense(keys[4], 12, 1, 1.0)]}

    def loss(params: Any, batch: Any) -> Any:
        x = apply(params["in"], _patches(batch[0], 2, 2))
        for filters, layer in zip(params["filters"], params["mixed"], strict=True):
            padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            beside = [padded[:, i : i + 4, j : j + 4] * filters[3 * i + j] for i in range(3) for j in range(3)]
            x = apply(layer, jax.nn.hard_swish(x + sum(beside)))
        return binary(x.mean(axis=(1, 2))[:, 0], batch[1])

    return Built(init, loss, *split((x, (labels > 4).astype(np.float32)), 200))


def _sums() -> Built:
    """Two digits of which only the sum is told: the network's shares of either one are folded together (Manhaeve et al. 2018)."""
    images, labels = _digits(1600)
    few = images.reshape(-1, 64)[labels < 5] - images.mean(), labels[labels < 5]
    rng = np.random.default_rng(63)
    one, two = rng.integers(0, len(few[1]), (2, 900))

    def loss(params: Any, batch: Any) -> Any:
        left, right = (jax.nn.softmax(feed(params, part, jax.nn.celu)) for part in batch[:2])
        fold = jnp.asarray((np.add.outer(np.arange(5), np.arange(5))[..., None] == np.arange(9)).astype(np.float32))
        return cross_entropy(jnp.log(jnp.einsum("bi,bj,ijs->bs", left, right, fold) + 1e-6), batch[2])

    return Built(layers((64, 20, 5), 1.0), loss, *split((few[0][one], few[0][two], few[1][one] + few[1][two]), 150))


def _halves() -> Built:
    """The lower half of a digit from the upper one, with a learned width for every pixel: the loss goes below 0."""
    images, _ = _digits(1200)
    x = images.reshape(-1, 64) + 0.05 * np.random.default_rng(65).standard_normal((1200, 64))
    x = x.astype(np.float32)

    def init(seed: int) -> Any:
        return {"dense": layers((32, 32, 24, 32), 1.0)(seed), "log_scale": jnp.zeros(32)}

    def loss(params: Any, batch: Any) -> Any:
        off = (feed(params["dense"], batch[0], jax.nn.swish) - batch[1]) * jnp.exp(-params["log_scale"])
        return jnp.mean(0.5 * off**2 + params["log_scale"])

    return Built(init, loss, *split((x[:, :32], x[:, 32:]), 200))


def _sparse() -> Built:
    """Digits from 24 sparse numbers that four soft-threshold steps find, unrolled with one matrix (Gregor and LeCun 2010)."""
    images, _ = _digits(1000)
    x = images.reshape(-1, 64) - images.mean(axis=0).ravel()

    def init(seed: int) -> Any:
        return {"atoms": 0.05 * jax.random.normal(jax.random.key(seed), (24, 64)), "step": jnp.ones(24), "edge": 0.02 * jnp.ones(24)}

    def loss(params: Any, batch: Any) -> Any:
        code, atoms = jnp.zeros((batch[0].shape[0], 24)), params["atoms"]
        for _ in range(4):
            code = code + params["step"] * ((batch[0] - code @ atoms) @ atoms.T)
            code = jax.nn.relu(code - params["edge"]) - jax.nn.relu(-code - params["edge"])
        return jnp.mean(0.5 * jnp.sum((batch[0] - code @ atoms) ** 2, axis=-1) + 0.05 * jnp.sum(jnp.abs(code), axis=-1))

    return Built(init, loss, *split((x,), 200))


def _adapter() -> Built:
    """A fixed network learns what another does by two thin products added to its matrices, one factor 0 at first (Hu et al. 2021)."""
    rng = np.random.default_rng(67)
    fixed = [np.float32(rng.standard_normal(size) * np.sqrt(2 / size[0])) for size in ((16, 32), (32, 32), (32, 3))]
    moves = [np.float32(rng.standard_normal((n, 2)) @ rng.standard_normal((2, 32)) * 0.6 / np.sqrt(n)) for n in (16, 32)]
    x = rng.standard_normal((800, 16)).astype(np.float32)

    def through(first: Any, second: Any, x: Any) -> Any:
        return jax.nn.relu(jax.nn.relu(x @ (fixed[0] + first)) @ (fixed[1] + second)) @ fixed[2]

    y = np.asarray(through(*moves, x) + 0.05 * rng.standard_normal((800, 3)), dtype=np.float32)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return [[jax.random.normal(key, (n, 3)) / np.sqrt(n), jnp.zeros((3, 32))] for key, n in zip(keys, (16, 32), strict=True)]

    def loss(params: Any, batch: Any) -> Any:
        first, second = (tall @ flat for tall, flat in params)
        return 0.5 * jnp.mean(jnp.sum((through(first, second, batch[0]) - batch[1]) ** 2, axis=-1))

    return Built(init, loss, *split((x, y), 160))


def _liked() -> Built:
    """Who likes what, by a small network over two embeddings; three wrong pairs were drawn for every right one (He et al. 2017)."""
    rng = np.random.default_rng(68)
    person, thing = rng.standard_normal((80, 2)), rng.standard_normal((60, 2))
    who, what = rng.integers(0, 80, 40_000), rng.integers(0, 60, 40_000)
    near = rng.random(40_000) < np.exp(-3 * np.sum((person[who] - thing[what]) ** 2, axis=1))
    rows = np.concatenate([np.flatnonzero(near)[:500], np.flatnonzero(~near)[:1500]])

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 2)
        tables = [0.2 * jax.random.normal(key, (n, 8)) for key, n in zip(keys, (80, 60), strict=True)]
        return {"tables": tables, "dense": layers((16, 24, 12, 1), 2.0)(seed + 1000)}

    def loss(params: Any, batch: Any) -> Any:
        x = jnp.concatenate([table[part] for table, part in zip(params["tables"], batch[:2], strict=True)], axis=-1)
        return binary(feed(params["dense"], x)[:, 0], batch[2])

    return Built(init, loss, *split((who[rows].astype(np.int32), what[rows].astype(np.int32), near[rows].astype(np.float32)), 300))


def _transport() -> Built:
    """Three rings told apart after eight equal steps along a field that is learned (Chen et al. 2018): one layer, used again and again."""
    rng = np.random.default_rng(66)
    kind, angle = rng.integers(0, 3, 900), rng.uniform(0, 2 * np.pi, 900)
    radius = 0.5 + 0.5 * kind + 0.15 * rng.standard_normal(900)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0]
        for _ in range(8):
            x = x + 0.125 * feed(params["field"], x, jnp.tanh)
        return cross_entropy(apply(params["out"], x), batch[1])

    def init(seed: int) -> Any:
        return {"field": layers((3, 16, 3), 1.0)(seed), "out": dense(jax.random.key(seed + 1000), 3, 3, 1.0)}

    return Built(init, loss, *split((x, kind.astype(np.int32)), 180))


def _automaton() -> Built:
    """Two generations of rule 110 on a ring of twelve cells (Wolfram), by two layers over three neighbours; one bit in 30 is wrong."""
    rng = np.random.default_rng(69)
    start = rng.integers(0, 2, (900, 12))

    def beside(x: Any, roll: Callable[..., Any]) -> list[Any]:
        return [roll(x, 1, axis=1), x, roll(x, -1, axis=1)]

    now = start
    for _ in range(2):
        left, here, right = beside(now, np.roll)
        now = (110 >> (4 * left + 2 * here + right)) & 1
    later = np.where(rng.random(now.shape) < 1 / 30, 1 - now, now).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0][..., None]
        for layer in params[:2]:
            x = jax.nn.relu(apply(layer, jnp.concatenate(beside(x, jnp.roll), axis=-1)))
        return binary(apply(params[2], x)[..., 0], batch[1])

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return [dense(keys[0], 3, 12), dense(keys[1], 36, 16), dense(keys[2], 16, 1, 0.5)]

    return Built(init, loss, *split((2.0 * start.astype(np.float32) - 1, later), 150))


def _pendulum() -> Built:
    """A controller learns through ten simulated steps to hold a pendulum upright; the mean cost over the states it begins at."""
    rng = np.random.default_rng(51)
    start = np.column_stack([rng.uniform(-1.5, 1.5, 800), rng.uniform(-1, 1, 800)]).astype(np.float32)

    def loss(params: Any, batch: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            angle, speed = state
            push = 4 * jnp.tanh(feed(params, jnp.stack([jnp.sin(angle), jnp.cos(angle), speed], axis=-1), jnp.tanh)[:, 0])
            speed = speed + 0.2 * (3 * jnp.sin(angle) + push)
            angle = angle + 0.2 * speed
            return (angle, speed), 1 - jnp.cos(angle) + 0.02 * speed**2 + 0.005 * push**2

        return jnp.mean(jax.lax.scan(step, (batch[0][:, 0], batch[0][:, 1]), None, length=10)[1])

    return Built(layers((3, 14, 1), 0.3), loss, *split((start,), 160))


BUILDERS: dict[str, Callable[[], Built]] = {
    "digits-turned": _turned,
    "digits-barred": _barred,
    "digits-mixer": _mixer,
    "digits-depthwise": _depthwise,
    "digits-sums": _sums,
    "digits-halves": _halves,
    "digits-sparse": _sparse,
    "adapter": _adapter,
    "liked-pairs": _liked,
    "rings-transport": _transport,
    "cells-automaton": _automaton,
    "pendulum-control": _pendulum,
}
