"""Small networks whose inputs have a structure: graphs, sets, sequences, trees, text and triples."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .layers import Built, apply, binary, block, cross_entropy, dense, feed, layer_norm, layers, norm, split, standard, through
from .text import letters, sources, topics, windows


def _normal(scale: float, *shapes: tuple[int, ...]) -> Callable[[int], Any]:
    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), len(shapes))
        return [scale * jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]

    return init


def _communities() -> Built:
    """The group of a person in a stochastic block model, by a graph convolution over noisy features (Kipf and Welling 2017); full batch."""
    rng = np.random.default_rng(41)
    kind = rng.integers(0, 4, 240)
    link = np.triu(rng.random((240, 240)) < np.where(kind[:, None] == kind, 0.1, 0.02), 1)
    link = link + link.T + np.eye(240)
    mean = (link / np.sqrt(link.sum(axis=0) * link.sum(axis=1)[:, None])).astype(np.float32)
    x = (mean @ (rng.standard_normal((4, 6))[kind] + 1.2 * rng.standard_normal((240, 6)))).astype(np.float32)
    said = np.where(rng.random(240) < 0.1, rng.integers(0, 4, 240), kind).astype(np.int32)

    def loss(params: Any, batch: Any) -> Any:
        hidden = jax.nn.relu(apply(params[0], jnp.asarray(x)))
        return cross_entropy(jnp.asarray(mean)[batch[0]] @ apply(params[1], hidden), batch[1])

    return Built(layers((6, 10, 4), 2.0), loss, *split((np.arange(240, dtype=np.int32), said), 50))


def _clouds() -> Built:
    """Which of four surfaces twelve points lie on, in noise: a network of every point, then the greatest (Zaheer et al. 2017)."""
    rng = np.random.default_rng(42)
    x, kind = rng.standard_normal((800, 12, 3)), rng.integers(0, 4, 800)
    radius = np.stack([np.linalg.norm(x, ord=p, axis=-1) for p in (1, 2, np.inf)] + [np.linalg.norm(x[..., :2], axis=-1)])
    x = x / radius[kind, np.arange(800)][..., None] + 0.05 * rng.standard_normal(x.shape)

    def loss(params: Any, batch: Any) -> Any:
        each = feed(params[:2], batch[0], jax.nn.elu)
        return cross_entropy(feed(params[2:], each.max(axis=1), jax.nn.elu), batch[1])

    return Built(layers((3, 20, 20, 20, 4), 2.0), loss, *split((x.clip(-4, 4).astype(np.float32), kind.astype(np.int32)), 160))


def _loudest() -> Built:
    """The number beside the greatest of eight keys, by one query that attends over the set: near a mean first, a choice later."""
    rng = np.random.default_rng(43)
    x = rng.standard_normal((1000, 8, 2)).astype(np.float32)
    y = np.take_along_axis(x[..., 1], x[..., 0].argmax(axis=1)[:, None], axis=1)[:, 0]

    def loss(params: Any, batch: Any) -> Any:
        share = jax.nn.softmax(feed(params["score"], batch[0], jnp.tanh), axis=1)
        pooled = jnp.sum(share * jnp.tanh(apply(params["value"], batch[0])), axis=1)
        return 0.5 * jnp.mean((apply(params["out"], pooled)[:, 0] - batch[1]) ** 2)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return {"score": layers((2, 16, 1), 0.5)(seed), "value": dense(keys[0], 2, 16, 0.5), "out": dense(keys[1], 16, 1, 1.0)}

    return Built(init, loss, *split((x, y), 200))


def _sorting() -> Built:
    """Six of eight symbols in order, by one transformer block that sees all of them."""
    seen = np.random.default_rng(44).integers(0, 8, (900, 6)).astype(np.int32)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 4)
        start = {"token": 0.3 * jax.random.normal(keys[0], (8, 24)), "place": 0.3 * jax.random.normal(keys[1], (6, 24))}
        return start | {"block": block(keys[2], 24, 1), "norm": norm(24), "out": dense(keys[3], 24, 8, 0.1)}

    def loss(params: Any, batch: Any) -> Any:
        x = through(params["block"], params["token"][batch[0]] + params["place"], 2, causal=False)
        return cross_entropy(apply(params["out"], layer_norm(params["norm"], x)), batch[1])

    return Built(init, loss, *split((seen, np.sort(seen, axis=1)), 150))


def _modular() -> Built:
    """The sum of two numbers modulo 23, by embeddings and a layer of squares (Gromov 2023)."""
    one, two = (part.ravel().astype(np.int32) for part in np.mgrid[:23, :23])

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"number": jax.random.normal(keys[0], (23, 10)), "dense": [dense(keys[1], 20, 40, 1.0), dense(keys[2], 40, 23, 0.3)]}

    def loss(params: Any, batch: Any) -> Any:
        x = jnp.concatenate([params["number"][batch[0]], params["number"][batch[1]]], axis=-1)
        return cross_entropy(feed(params["dense"], x, jnp.square), batch[2])

    return Built(init, loss, *split((one, two, (one + two) % 23), 79))


def _mackey_glass() -> Built:
    """The Mackey-Glass series two samples on, by a recurrent net of rectifiers that begins at the identity (Le et al. 2015)."""
    x = np.full(5000, 1.2)
    for t in range(18, 5000):
        x[t] = 0.9 * x[t - 1] + 0.2 * x[t - 18] / (1 + x[t - 18] ** 10)
    seen = windows(standard(x[200::4]), 14, 1000)

    def init(seed: int) -> Any:
        one, two = jax.random.split(jax.random.key(seed))
        return {"read": 0.3 * jax.random.normal(one, (16,)), "cell": {"w": jnp.eye(16), "b": jnp.zeros(16)}, "out": dense(two, 16, 1, 0.1)}

    def loss(params: Any, batch: Any) -> Any:
        def cell(state: Any, now: Any) -> Any:
            return jax.nn.relu(apply(params["cell"], state) + now[:, None] * params["read"]), None

        state, _ = jax.lax.scan(cell, jnp.zeros((batch[0].shape[0], 16)), batch[0].T)
        return 0.5 * jnp.mean((apply(params["out"], state)[:, 0] - batch[1]) ** 2)

    return Built(init, loss, *split((seen[:, :12], seen[:, 13]), 200))


def _signals() -> Built:
    """Sine, square, saw or chirp in noise, by gated convolutions that look 1, 2 and 4 samples back (van den Oord et al. 2016)."""
    rng = np.random.default_rng(46)
    kind = rng.integers(0, 4, 900)
    phase = rng.uniform(0, 2 * np.pi, (900, 1)) + rng.uniform(0.5, 1.2, (900, 1)) * np.arange(16)
    x = np.stack([np.sin(phase), np.sign(np.sin(phase)), phase / np.pi % 2 - 1, np.sin(phase + 0.06 * np.arange(16) ** 2)])
    x = x[kind, np.arange(900)] + 0.2 * rng.standard_normal((900, 16))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 5)
        return {"in": dense(keys[0], 1, 8, 1.0), "gated": [dense(key, 16, 16, 1.0) for key in keys[1:4]], "out": dense(keys[4], 8, 4, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = apply(params["in"], batch[0][..., None])
        for layer, back in zip(params["gated"], (1, 2, 4), strict=True):
            before = jnp.pad(x[:, :-back], ((0, 0), (back, 0), (0, 0)))
            fresh, gate = jnp.split(apply(layer, jnp.concatenate([before, x], axis=-1)), 2, axis=-1)
            x = x + jnp.tanh(fresh) * jax.nn.sigmoid(gate)
        return cross_entropy(apply(params["out"], x.mean(axis=1)), batch[1])

    return Built(init, loss, *split((x.astype(np.float32), kind.astype(np.int32)), 150))


def _boundaries() -> Built:
    """Where words end in text without spaces, by two recurrent nets, one from either side, with orthogonal matrices."""
    found = re.findall(r"[a-z]+", topics().lower())[:3000]
    codes = np.frombuffer("".join(found).encode(), dtype=np.uint8).astype(np.int32) - ord("a")
    ends = np.concatenate([[0] * (len(word) - 1) + [1] for word in found]).astype(np.float32)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 4)
        cells = [{"w": jnp.linalg.qr(jax.random.normal(key, (14, 14)))[0], "b": jnp.zeros(14)} for key in keys[:2]]
        return {"read": 0.5 * jax.random.normal(keys[2], (26, 14)), "cells": cells, "out": dense(keys[3], 28, 1, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        read = jnp.swapaxes(params["read"][batch[0]], 0, 1)

        def along(layer: Any, backwards: bool) -> Any:
            def cell(state: Any, now: Any) -> Any:
                state = jnp.tanh(now + apply(layer, state))
                return state, state

            return jax.lax.scan(cell, jnp.zeros(read.shape[1:]), read, reverse=backwards)[1]

        states = jnp.concatenate([along(params["cells"][0], False), along(params["cells"][1], True)], axis=-1)
        return binary(apply(params["out"], states)[..., 0], batch[1].T)

    return Built(init, loss, *split((windows(codes, 12, 800), windows(ends, 12, 800)), 150))


def _bags() -> Built:
    """Which part of the documentation sixteen words come from, by the mean of their embeddings, which begin small; rare classes."""
    parts = sorted(re.split(r"\n(?=[^\n]+\n\*{4,}\n)", topics()), key=len)[-8:]
    found = [re.findall(r"[a-z_]+", part.lower()) for part in parts]
    known = {word: code for code, word in enumerate(sorted({word for part in found for word in part if len(word) > 2}))}
    rows, labels = [], []
    for label, part in enumerate(found):
        codes = np.array([known[word] % 251 for word in part if word in known], dtype=np.int32)
        rows.append(codes[: len(codes) // 16 * 16].reshape(-1, 16)[: 30 * (label + 1)])
        labels += [label] * len(rows[-1])

    def loss(params: Any, batch: Any) -> Any:
        return cross_entropy(params[0][batch[0]].mean(axis=1) @ params[1], batch[1])

    return Built(_normal(0.1, (251, 12), (12, 8)), loss, *split((np.concatenate(rows), np.array(labels, dtype=np.int32)), 120))


def _bilinear() -> Built:
    """The next letter from the last four, by the log-bilinear model: the letters' vectors are read and written with (Mnih, Hinton 2007)."""
    codes, size = letters("topics", 20_000)
    seen = windows(codes, 5, 2000)

    def loss(params: Any, batch: Any) -> Any:
        letter, places, common = params
        return cross_entropy(jnp.einsum("bpi,pij->bj", letter[batch[0]], places) @ letter.T + common, batch[1])

    return Built(_normal(0.3, (size, 12), (4, 12, 12), (size,)), loss, *split((seen[:, :4], seen[:, 4]), 250))


def _triples() -> Built:
    """Five ways to step on a board as translations of embeddings, margins over wrong ends (Bordes et al. 2013); one in twelve is false."""
    rng = np.random.default_rng(48)
    place, kind = rng.integers(0, 8, (4000, 2)), rng.integers(0, 5, 4000)
    end = place + np.array([(0, 1), (1, 0), (2, -1), (-3, 1), (3, 3)])[kind]
    on = ((end >= 0) & (end < 8)).all(axis=1)
    place, kind, end = (place[on] @ (8, 1))[:1500], kind[on][:1500], (end[on] @ (8, 1))[:1500]
    end = np.where(rng.random(1500) < 0.08, rng.integers(0, 64, 1500), end)
    wrong = (end + rng.integers(1, 64, 1500)) % 64

    def loss(params: Any, batch: Any) -> Any:
        there = params[0][batch[0]] + params[1][batch[1]]
        right, other = (jnp.sqrt(jnp.sum((there - params[0][ends]) ** 2, axis=-1) + 1e-4) for ends in batch[2:])
        return jnp.mean(jax.nn.relu(1 + right - other))

    rows = tuple(part.astype(np.int32) for part in (place, kind, end, wrong))
    return Built(_normal(0.3, (64, 6), (5, 6)), loss, *split(rows, 250))


def _trees() -> Built:
    """Truth of a formula of four signs under and, or, equal: one cell per connective goes up the tree; one label in twenty is turned."""
    rng = np.random.default_rng(49)
    sign, kind = rng.integers(0, 2, (1000, 4)), rng.integers(0, 3, (1000, 3))

    def told(one: Any, two: Any, how: Any) -> Any:
        return np.choose(how, [one & two, one | two, 1 - (one ^ two)])

    truth = told(told(sign[:, 0], sign[:, 1], kind[:, 0]), told(sign[:, 2], sign[:, 3], kind[:, 1]), kind[:, 2])
    truth = np.where(rng.random(1000) < 0.05, 1 - truth, truth).astype(np.float32)

    def init(seed: int) -> Any:
        leaf, cells, out = _normal(0.35, (2, 8), (3, 16, 8), (8, 1))(seed)
        return {"leaf": leaf, "cells": cells, "out": {"w": out, "b": jnp.zeros(1)}}

    def loss(params: Any, batch: Any) -> Any:
        def join(pair: Any, how: Any) -> Any:
            return jnp.tanh(jnp.einsum("bi,bk,kij->bj", pair, jax.nn.one_hot(how, 3), params["cells"]))

        leaf = params["leaf"][batch[0]].reshape(-1, 2, 16)
        both = [join(leaf[:, side], batch[1][:, side]) for side in (0, 1)]
        return binary(apply(params["out"], join(jnp.concatenate(both, axis=-1), batch[1][:, 2]))[:, 0], batch[2])

    return Built(init, loss, *split((sign.astype(np.int32), kind.astype(np.int32), truth), 200))


def _triangles() -> Built:
    """How many triangles a graph of eight has, by two rounds of messages and a sum over the nodes (Xu et al. 2019)."""
    rng = np.random.default_rng(50)
    link = np.triu(rng.random((700, 8, 8)) < rng.uniform(0.2, 0.8, (700, 1, 1)), 1).astype(np.float32)
    link = link + np.swapaxes(link, 1, 2)
    count = np.trace(link @ link @ link, axis1=1, axis2=2) / 6

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0].sum(axis=-1, keepdims=True) / 4
        x = feed(params[:2], x, jax.nn.softplus)
        x = feed(params[2:4], x + batch[0] @ x / 4, jax.nn.softplus)
        return 0.5 * jnp.mean((apply(params[4], x.sum(axis=1) / 4)[:, 0] - batch[1]) ** 2)

    return Built(layers((1, 12, 12, 12, 12, 1), 1.0), loss, *split((link, standard(count)), 140))


def _keywords() -> Built:
    """Which keyword a line of source began with: three letters each, hashed to 128 numbers, a leaky layer; return and if are frequent."""
    kinds = ("if", "return", "def", "for", "raise", "import", "class", "elif")
    lines = [line.strip().partition(" ") for text in sources().values() for line in text.splitlines()]
    lines = [line for line in lines if line[0] in kinds and len(line[2]) > 6][::3][:1500]
    x = np.zeros((len(lines), 128), dtype=np.float32)
    for row, (_, _, rest) in zip(x, lines, strict=True):
        for i in range(len(rest) - 2):
            row[zlib.crc32(rest[i : i + 3].encode()) % 128] += 1
    x /= np.linalg.norm(x, axis=1, keepdims=True)

    def loss(params: Any, batch: Any) -> Any:
        return cross_entropy(feed(params, batch[0], jax.nn.leaky_relu), batch[1])

    return Built(layers((128, 20, 8), 2.0), loss, *split((x, np.array([kinds.index(line[0]) for line in lines], dtype=np.int32)), 200))


BUILDERS: dict[str, Callable[[], Built]] = {
    "graph-communities": _communities,
    "point-clouds": _clouds,
    "set-attention": _loudest,
    "sorting-transformer": _sorting,
    "modular-sum": _modular,
    "mackey-glass-identity": _mackey_glass,
    "signals-gated": _signals,
    "word-boundaries": _boundaries,
    "topics-bags": _bags,
    "letters-bilinear": _bilinear,
    "board-translations": _triples,
    "formula-trees": _trees,
    "graph-triangles": _triangles,
    "keywords-hashed": _keywords,
}
