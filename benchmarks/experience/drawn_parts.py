"""What drawn jobs are put together from: inputs, what is asked of them, networks, and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from .layers import apply, attend, batch_norm, binary, cross_entropy, gaussian, half_square, layer_norm, norm, standard
from .text import letters, windows

ACTS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu, "tanh": jnp.tanh, "silu": jax.nn.silu, "gelu": jax.nn.gelu, "sigmoid": jax.nn.sigmoid,
    "sine": jnp.sin, "leaky": jax.nn.leaky_relu, "softplus": jax.nn.softplus, "elu": jax.nn.elu, "square": jnp.square,
}  # fmt: skip
Loss = Callable[[Any, Any], Any]  # outputs (B, O) and what is wanted


def rows_of(rng: Any, kind: str, count: int, columns: int) -> Any:
    """A table of inputs, (count, columns)."""
    if kind == "normal":
        scales = np.arange(1, columns + 1.0) ** -rng.choice([0.0, 0.5, 1.0, 1.5])
        turn = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
        return (rng.standard_normal((count, columns)) * scales / np.sqrt(np.mean(scales**2))) @ turn
    if kind == "heavy":
        return np.clip(rng.standard_t(3, (count, columns)), -12, 12)
    if kind == "binary":
        return (rng.random((count, columns)) < rng.uniform(0.05, 0.6, columns)).astype(float)
    if kind == "kinds":  # columns of kinds, one 0/1 column a kind
        sizes = [int(rng.integers(3, 8)) for _ in range(max(2, columns // 5))]
        return np.hstack([np.eye(n)[rng.choice(n, count, p=rng.dirichlet(np.ones(n)))] for n in sizes])
    if kind == "clusters":
        centres = rng.standard_normal((int(rng.integers(3, 12)), columns)) * 2
        return centres[rng.integers(0, len(centres), count)] + rng.standard_normal((count, columns)) * rng.uniform(0.2, 1.0)
    if kind == "raw":  # columns in units of their own, not all about 0
        return (rng.standard_normal((count, columns)) + rng.uniform(-1, 1, columns)) * np.exp(rng.normal(0, 0.8, columns))
    if kind == "pixels":
        return datasets.load_digits().data[:count] @ rng.standard_normal((64, columns)) / 64
    if kind == "breast":
        return standard(datasets.load_breast_cancer().data)[:count, rng.permutation(30)[:columns]]
    return rng.uniform(-1, 1, (count, columns))


def asked(rng: Any, kind: str, x: Any, outputs: int) -> Any:
    """What is to be learned of a table, (rows, outputs), every column with mean 0 and variance 1."""
    count, columns = x.shape
    z = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    w = rng.standard_normal((columns, outputs)) / np.sqrt(columns)
    if kind == "network":
        hidden = np.tanh(z @ rng.standard_normal((columns, 8)) * rng.choice([0.5, 1.0, 2.0]) / np.sqrt(columns) + rng.standard_normal(8))
        y = hidden @ rng.standard_normal((8, outputs))
    elif kind == "waves":
        y = np.sin(rng.uniform(1, 3) * z @ w * 2 + rng.uniform(0, 6, outputs)) + 0.3 * z @ w
    elif kind == "products":
        pairs = rng.integers(0, columns, (2, 3, outputs))
        y = np.sum(z[:, pairs[0]] * z[:, pairs[1]], axis=1) + 0.5 * z @ w
    elif kind == "prototypes":
        centres = z[rng.integers(0, count, 3 * outputs)]
        gap = np.sum((z[:, None] - centres) ** 2, axis=2).reshape(count, 3, outputs)
        y = np.log(np.sum(np.exp(-gap / columns), axis=1) + 1e-6)
    elif kind == "steps":
        y = sum(np.sign(z[:, rng.integers(0, columns, outputs)] - rng.normal(0, 0.7, outputs)) * rng.uniform(0.3, 1) for _ in range(4))
    else:
        y = z @ w
    return (y - y.mean(axis=0)) / (y.std(axis=0) + 1e-9)


def chains(rng: Any, count: int, length: int, symbols: int) -> Any:
    """Sequences of one Markov chain, (count, length)."""
    table = rng.dirichlet(np.full(symbols, rng.choice([0.05, 0.2, 0.6])), symbols).cumsum(axis=1)
    found = np.empty((count, length), dtype=np.int32)
    found[:, 0] = rng.integers(0, symbols, count)
    for k in range(1, length):
        found[:, k] = np.minimum((rng.random((count, 1)) > table[found[:, k - 1]]).sum(axis=1), symbols - 1)
    return found


def written(rng: Any, kind: str, count: int, length: int, symbols: int) -> tuple[Any, int]:
    """Sequences of symbols, and how many symbols there are."""
    if kind == "letters":
        codes, found = letters("sources" if rng.random() < 0.5 else "topics", 20_000)
        return windows(codes, length, count), found
    if kind == "brackets":  # opening 0..k-1, closing k..2k-1, in order of a stack
        half = max(2, symbols // 4)
        found = np.zeros((count, length), dtype=np.int32)
        for row in found:
            stack: list[int] = []
            for k in range(length):
                if stack and (rng.random() < 0.45 or len(stack) >= length - k):
                    row[k] = stack.pop() + half
                else:
                    stack.append(int(rng.integers(0, half)))
                    row[k] = stack[-1]
        return found, 2 * half
    if kind == "steps":  # each goes on by its own step, modulo the number of symbols
        first, step = rng.integers(0, symbols, (2, count, 1))
        return ((first + step * np.arange(length)) % symbols).astype(np.int32), symbols
    return chains(rng, count, length, symbols), symbols


def series(rng: Any, kind: str, count: int, length: int) -> Any:
    """Series of numbers, (count, length)."""
    if kind == "logistic":
        x = rng.uniform(0.1, 0.9, count)
        rate, found = rng.uniform(3.5, 3.95), []
        for _ in range(length):
            found.append(x)
            x = rate * x * (1 - x)
        return 2 * np.stack(found, axis=1) - 1
    if kind == "moving":
        steps = rng.standard_normal((count, length + 3))
        return sum(a * steps[:, k : length + k] for k, a in enumerate(rng.uniform(-1, 1, 4)))
    at, phase = np.arange(length), rng.uniform(0, 6, (2, count, 1))
    pace = rng.uniform(0.2, 1.2, (2, count, 1))
    return np.sin(pace[0] * at + phase[0]) + 0.5 * np.sin(pace[1] * at + phase[1]) + 0.1 * rng.standard_normal((count, length))


def blobs(rng: Any, count: int, size: int, kinds: int) -> tuple[Any, Any]:
    """Noisy pictures of one of a few random patterns, moved about, and which."""
    patterns = rng.random((kinds, 5, 5)) < 0.4
    which, at = rng.integers(0, kinds, count), rng.integers(0, size - 5 + 1, (count, 2))
    found = rng.uniform(0.1, 0.6) * rng.standard_normal((count, size, size))
    for picture, kind, (i, j) in zip(found, which, at, strict=True):
        picture[i : i + 5, j : j + 5] += patterns[kind]
    return found.astype(np.float32), which.astype(np.int32)


@dataclass(frozen=True)
class Shape:
    """A network's form, as drawn."""

    depth: int
    width: int
    act: str
    normed: str  # "none", "layer" or "batch"
    skips: bool
    gated: bool
    gain: float  # of the hidden weights, times 1/sqrt(inputs)
    last: float  # of the last layer's weights, the same
    shift: bool  # whether biases are learned from random values instead of 0


def linear(key: Any, inputs: int, outputs: int, gain: float, shifted: bool = False) -> dict[str, Any]:
    """A layer whose weights have deviation gain/sqrt(inputs)."""
    first, second = jax.random.split(key)
    shift = jax.random.normal(second, (outputs,)) * 0.3 if shifted else jnp.zeros(outputs)
    return {"w": jax.random.normal(first, (inputs, outputs)) * gain / np.sqrt(inputs), "b": shift}


def dense_net(shape: Shape, inputs: int, outputs: int) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """init(key) and the outputs of params at x (..., inputs)."""
    sizes = [inputs, *[shape.width] * shape.depth]
    act = ACTS[shape.act]

    def init(key: Any) -> Any:
        keys = jax.random.split(key, shape.depth + 1)
        wide = 2 if shape.gated else 1
        hidden = [linear(k, a, wide * b, shape.gain, shape.shift) for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=False)]
        norms = [norm(shape.width) for _ in hidden] if shape.normed != "none" else []
        return {"hidden": hidden, "norms": norms, "last": linear(keys[-1], sizes[-1], outputs, shape.last)}

    def out(params: Any, x: Any) -> Any:
        for k, layer in enumerate(params["hidden"]):
            y = apply(layer, x)
            if shape.gated:
                left, right = jnp.split(y, 2, axis=-1)
                y = act(left) * right
            if shape.normed != "none":
                y = (layer_norm if shape.normed == "layer" else batch_norm)(params["norms"][k], y)
            y = y if shape.gated else act(y)
            x = x + y if shape.skips and x.shape[-1] == y.shape[-1] else y
        return apply(params["last"], x)

    return init, out


def recurrent(kind: str, shape: Shape, inputs: int) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """A recurrent layer: init(key), and its states at x (B, L, inputs)."""
    parts = {"plain": 1, "gru": 3, "lstm": 4}[kind]
    act = jax.nn.relu if shape.act == "relu" else jnp.tanh

    def init(key: Any) -> Any:
        first, second = jax.random.split(key)
        return {"in": linear(first, inputs, parts * shape.width, 1.0), "on": linear(second, shape.width, parts * shape.width, 0.8)}

    def step(params: Any, state: Any, x: Any) -> tuple[Any, Any]:
        hidden, cell = state
        a, b = apply(params["in"], x), apply(params["on"], hidden)
        if kind == "plain":
            hidden = act(a + b)
        elif kind == "gru":
            (r, z, n), (s, y, m) = jnp.split(a, 3, axis=-1), jnp.split(b, 3, axis=-1)
            keep = jax.nn.sigmoid(z + y)
            hidden = keep * hidden + (1 - keep) * jnp.tanh(n + jax.nn.sigmoid(r + s) * m)
        else:
            i, f, g, o = jnp.split(a + b, 4, axis=-1)
            cell = jax.nn.sigmoid(f + 1) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    def states(params: Any, x: Any) -> Any:
        zero = jnp.zeros((x.shape[0], shape.width))
        return jax.lax.scan(lambda s, now: step(params, s, now), (zero, zero), x.swapaxes(0, 1))[1].swapaxes(0, 1)

    return init, states


def causal(kind: str, shape: Shape) -> tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """A layer that sees what came before: attention with one head or a convolution over three; x (B, L, width) to the same."""

    def init(key: Any) -> Any:
        first, second = jax.random.split(key)
        if kind == "attention":
            found = {"qkv": linear(first, shape.width, 3 * shape.width, 1.0), "mix": linear(second, shape.width, shape.width, 1.0)}
        else:
            found = {"conv": linear(first, 3 * shape.width, shape.width, shape.gain)}
        return found | ({"norm": norm(shape.width)} if shape.normed == "layer" else {})

    def out(params: Any, x: Any) -> Any:
        y = layer_norm(params["norm"], x) if "norm" in params else x
        if kind == "attention":
            return x + attend(params, y, 1, True)
        padded = jnp.pad(y, ((0, 0), (2, 0), (0, 0)))
        return x + ACTS[shape.act](apply(params["conv"], jnp.concatenate([padded[:, k : k + x.shape[1]] for k in range(3)], axis=-1)))

    return init, out


def convolved(params: Any, x: Any, act: Callable[[Any], Any], stride: int) -> Any:
    """A convolution of pictures (B, H, W, C)."""
    y = jax.lax.conv_general_dilated(x, params["w"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return act(y + params["b"])


def bernoulli_focal(out: Any, y: Any) -> Any:
    """Focal loss (Lin et al. 2017) with exponent 2."""
    right = jax.nn.sigmoid(jnp.where(y > 0.5, out, -out))
    return -jnp.mean((1 - right) ** 2 * jnp.log(right + 1e-7))


LOSSES: dict[str, dict[str, Loss]] = {
    "number": {
        "squares": lambda out, y: jnp.mean((out - y) ** 2), "half squares": half_square,
        "summed squares": lambda out, y: jnp.mean(jnp.sum((out - y) ** 2, axis=-1)),
        "huber": lambda out, y: jnp.mean(jnp.where(jnp.abs(out - y) < 1, 0.5 * (out - y) ** 2, jnp.abs(out - y) - 0.5)),
        "log cosh": lambda out, y: jnp.mean(jax.nn.softplus(2 * (out - y)) - (out - y) - jnp.log(2.0)),
        "absolute": lambda out, y: jnp.mean(jnp.sqrt((out - y) ** 2 + 1e-4)),
        "normal": lambda out, y: gaussian(out[..., : y.shape[-1]], jnp.clip(out[..., y.shape[-1] :], -4, 4), y),
    },
    "yes or no": {
        "logistic": binary, "squared hinge": lambda out, y: jnp.mean(jax.nn.relu(1 - (2 * y - 1) * out) ** 2),
        "focal": bernoulli_focal, "squares": lambda out, y: jnp.mean((jax.nn.sigmoid(out) - y) ** 2),
    },
    "kind": {
        "cross entropy": cross_entropy,
        "smoothed": lambda out, y: 0.9 * cross_entropy(out, y) - 0.1 * jnp.mean(jax.nn.log_softmax(out)),
        "brier": lambda out, y: jnp.mean(jnp.sum((jax.nn.softmax(out) - jax.nn.one_hot(y, out.shape[-1])) ** 2, axis=-1)),
        "margins": lambda out, y: jnp.mean(jnp.sum(
            jax.nn.relu(1 + out - jnp.take_along_axis(out, y[..., None], axis=-1)) ** 2 * (1 - jax.nn.one_hot(y, out.shape[-1])), axis=-1)),
    },
}  # fmt: skip
CONVEX = {"squares", "half squares", "summed squares", "huber", "log cosh", "logistic", "squared hinge"}
