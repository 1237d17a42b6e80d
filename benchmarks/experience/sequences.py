"""Networks on sequences: text of Python's documentation and sources, recurrent nets, attention, word embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .layers import Built, apply, block, cross_entropy, dense, feed, layer_norm, norm, split, through
from .text import letters, sources, topics, windows, words


def _elman() -> Built:
    codes, size = letters("sources", 60_000)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {
            "read": 0.3 * jax.random.normal(keys[0], (size, 32)),
            "cell": dense(keys[1], 32, 32, 1.0),
            "out": dense(keys[2], 32, size, 1.0),
        }

    def loss(params: Any, batch: Any) -> Any:
        seen = batch[0]
        read = jnp.swapaxes(params["read"][seen[:, :-1]], 0, 1)

        def cell(state: Any, x: Any) -> Any:
            state = jnp.tanh(x + apply(params["cell"], state))
            return state, state

        _, states = jax.lax.scan(cell, jnp.zeros(read.shape[1:]), read)
        return cross_entropy(apply(params["out"], jnp.swapaxes(states, 0, 1)), seen[:, 1:])

    return Built(init, loss, *split((windows(codes, 17, 900),), 150))


def _adding() -> Built:
    """The sum of two marked numbers among twelve (Hochreiter and Schmidhuber 1997), by a gated recurrent unit: a plateau first."""
    rng = np.random.default_rng(31)
    x = np.zeros((1000, 12, 2))
    x[:, :, 0] = rng.random((1000, 12))
    marks = np.stack([rng.integers(0, 6, 1000), rng.integers(6, 12, 1000)], axis=1)
    x[np.arange(1000)[:, None], marks, 1] = 1
    y = np.sum(x[:, :, 0] * x[:, :, 1], axis=1) - 1

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"gates": dense(keys[0], 18, 32, 1.0), "state": dense(keys[1], 18, 16, 1.0), "out": dense(keys[2], 16, 1, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        def cell(state: Any, now: Any) -> Any:
            update, reset = jnp.split(jax.nn.sigmoid(apply(params["gates"], jnp.concatenate([now, state], -1))), 2, axis=-1)
            fresh = jnp.tanh(apply(params["state"], jnp.concatenate([now, reset * state], -1)))
            return update * state + (1 - update) * fresh, None

        state, _ = jax.lax.scan(cell, jnp.zeros((batch[0].shape[0], 16)), jnp.swapaxes(batch[0], 0, 1))
        return 0.5 * jnp.mean((apply(params["out"], state)[:, 0] - batch[1]) ** 2)

    return Built(init, loss, *split((x.astype(np.float32), y.astype(np.float32)), 200))


def _waves() -> Built:
    """The next value of a sum of two sines in noise, by a long short-term memory."""
    rng = np.random.default_rng(32)
    t, n = np.arange(17), 800
    speed, phase = rng.uniform(0.2, 1.2, (n, 2, 1)), rng.uniform(0, 2 * np.pi, (n, 2, 1))
    x = np.sin(speed * t + phase).sum(axis=1) + 0.05 * rng.standard_normal((n, 17))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return {"gates": dense(keys[0], 17, 64, 1.0), "out": dense(keys[1], 16, 1, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        series = jnp.swapaxes(batch[0], 0, 1)[..., None]

        def cell(carry: Any, now: Any) -> Any:
            state, memory = carry
            let, keep, show, fresh = jnp.split(apply(params["gates"], jnp.concatenate([now, state], -1)), 4, axis=-1)
            memory = jax.nn.sigmoid(keep + 1) * memory + jax.nn.sigmoid(let) * jnp.tanh(fresh)
            state = jax.nn.sigmoid(show) * jnp.tanh(memory)
            return (state, memory), state

        zero = jnp.zeros((series.shape[1], 16))
        _, states = jax.lax.scan(cell, (zero, zero), series[:-1])
        return 0.5 * jnp.mean((apply(params["out"], states) - series[1:]) ** 2)

    return Built(init, loss, *split((x.astype(np.float32),), 160))


def _recall() -> Built:
    """Eight pairs' answer: after letters and their partners, one letter again, and its partner is asked for. Attention alone."""
    rng = np.random.default_rng(33)
    asked = np.stack([rng.permutation(12)[:4] for _ in range(1200)])
    partner = rng.integers(12, 24, (1200, 4))
    which = rng.integers(0, 4, 1200)
    tokens = np.stack([asked, partner], axis=2).reshape(1200, 8)
    tokens = np.column_stack([tokens, asked[np.arange(1200), which]]).astype(np.int32)
    answer = (partner[np.arange(1200), which] - 12).astype(np.int32)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 5)
        start = {"token": 0.5 * jax.random.normal(keys[0], (24, 16)), "place": 0.5 * jax.random.normal(keys[1], (9, 16))}
        return start | {"blocks": [block(key, 16, 2) for key in keys[2:4]], "norm": norm(16), "out": dense(keys[4], 16, 12, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = params["token"][batch[0]] + params["place"]
        for one in params["blocks"]:
            x = through(one, x, 2, causal=True)
        return cross_entropy(apply(params["out"], layer_norm(params["norm"], x[:, -1])), batch[1])

    return Built(init, loss, *split((tokens, answer), 200))


def _skipgram() -> Built:
    """Word vectors by negative sampling (Mikolov et al. 2013); the negatives are drawn once and are part of the data."""
    codes = words(500, 8000)
    middle = np.arange(2, len(codes) - 2)
    pairs = np.concatenate([np.stack([codes[middle], codes[middle + step]], axis=1) for step in (-2, -1, 1, 2)])
    rng = np.random.default_rng(34)
    pairs = pairs[rng.permutation(len(pairs))[:4800]]
    wrong = codes[rng.integers(0, len(codes), (len(pairs), 4))]

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return [0.2 * jax.random.normal(key, (500, 16)) for key in keys]

    def loss(params: Any, batch: Any) -> Any:
        word, near, others = params[0][batch[0]], params[1][batch[1]], params[1][batch[2]]
        right = jax.nn.softplus(-jnp.sum(word * near, axis=-1))
        return jnp.mean(right + jnp.sum(jax.nn.softplus(jnp.einsum("bd,bkd->bk", word, others)), axis=-1))

    return Built(init, loss, *split((pairs[:, 0], pairs[:, 1], wrong), 800))


def _next_word(vocabulary: int, width: int, count: int) -> Built:
    """The next word from the last two: embeddings, no hidden layer, a full softmax."""
    codes = words(vocabulary, count)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        sizes = ((vocabulary, width), (vocabulary, width), (width, vocabulary))
        return [0.2 * jax.random.normal(key, size) for key, size in zip(keys, sizes, strict=True)]

    def loss(params: Any, batch: Any) -> Any:
        return cross_entropy((params[0][batch[0]] + params[1][batch[1]]) @ params[2], batch[2])

    return Built(init, loss, *split((codes[:-2], codes[1:-1], codes[2:]), count // 8))


def _gram(context: int, width: int, hidden: int, count: int) -> Built:
    """The next letter of a source from the last ones, by one hidden layer."""
    codes, size = letters("sources", 80_000)
    seen = windows(codes, context + 1, count)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        letter = 0.5 * jax.random.normal(keys[0], (size, width))
        return {"letter": letter, "dense": [dense(keys[1], context * width, hidden), dense(keys[2], hidden, size, 1.0)]}

    def loss(params: Any, batch: Any) -> Any:
        x = params["letter"][batch[0]].reshape(batch[0].shape[0], -1)
        return cross_entropy(feed(params["dense"], x), batch[1])

    return Built(init, loss, *split((seen[:, :-1], seen[:, -1]), count // 6))


def _lines() -> Built:
    """Which module a line comes from: letters, a convolution along the line, the largest answer; some modules are rare."""
    rows, labels = [], []
    for label, text in enumerate(list(sources().values())[:8]):
        lines = [line.strip()[:32].ljust(32) for line in text.splitlines() if len(line.strip()) > 12][: 300 // (1 + label)]
        rows += [[min(max(ord(letter), 32), 126) - 32 for letter in line] for line in lines]
        labels += [label] * len(lines)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"letter": 0.5 * jax.random.normal(keys[0], (95, 6)), "along": dense(keys[1], 24, 24), "out": dense(keys[2], 24, 8, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        x = params["letter"][batch[0]]
        x = jax.nn.relu(apply(params["along"], jnp.concatenate([x[:, i : 29 + i] for i in range(4)], axis=-1))).max(axis=1)
        return cross_entropy(apply(params["out"], x), batch[1])

    return Built(init, loss, *split((np.array(rows, dtype=np.int32), np.array(labels, dtype=np.int32)), 120))


def _transformer(which: str, width: int, blocks: int, heads: int, length: int, count: int) -> Built:
    """Letters of the documentation or of the sources by a causal transformer."""
    text = {"topics": len(topics()), "sources": sum(map(len, sources().values()))}[which]
    codes, size = letters(which, min(text, 4 * count * length))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), blocks + 3)
        start = {"letter": 0.1 * jax.random.normal(keys[0], (size, width)), "place": 0.1 * jax.random.normal(keys[1], (length, width))}
        return start | {"blocks": [block(key, width) for key in keys[3:]], "norm": norm(width), "out": dense(keys[2], width, size, 1.0)}

    def loss(params: Any, batch: Any) -> Any:
        seen = batch[0]
        x = params["letter"][seen[:, :-1]] + params["place"]
        for one in params["blocks"]:
            x = through(one, x, heads, causal=True)
        return cross_entropy(apply(params["out"], layer_norm(params["norm"], x)), seen[:, 1:])

    return Built(init, loss, *split((windows(codes, length + 1, count),), count // 8))


BUILDERS: dict[str, Callable[[], Built]] = {
    "sources-elman": _elman,
    "adding-gru": _adding,
    "waves-lstm": _waves,
    "recall-attention": _recall,
    "skipgram": _skipgram,
    "next-word": partial(_next_word, 300, 12, 6000),
    "next-word-large": partial(_next_word, 1500, 24, 16_000),
    "sources-ngram": partial(_gram, 5, 8, 48, 3600),
    "sources-ngram-large": partial(_gram, 8, 24, 384, 9600),
    "source-lines": _lines,
    "sources-transformer": partial(_transformer, "sources", 24, 1, 2, 16, 800),
    "sources-transformer-large": partial(_transformer, "sources", 64, 2, 4, 32, 720),
    "topics-transformer-million": partial(_transformer, "topics", 144, 4, 4, 24, 640),
}
