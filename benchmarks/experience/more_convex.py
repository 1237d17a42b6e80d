"""More convex jobs: tags along a chain, rankings, heavy tails, an exponential loss, likelihoods below 0, kernels, smoothing, portfolios."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia.tasks.data import airfoil_table

from .layers import Built, binary, cross_entropy, split, standard
from .text import sources


def _start(width: int, scale: float, seed: int) -> Any:
    return scale * jax.random.normal(jax.random.key(seed), (width,))


def _chain() -> Built:
    """Three tags along chains of eight, by a conditional random field (Lafferty et al. 2001): scores of every place and of neighbours."""
    rng = np.random.default_rng(81)
    step = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.5, 0.1, 0.4]])
    tags = rng.integers(0, 3, (800, 8))
    for t in range(1, 8):
        tags[:, t] = (rng.random((800, 1)) > step.cumsum(axis=1)[tags[:, t - 1], :2]).sum(axis=1)
    x = (rng.standard_normal((3, 6))[tags] + 1.5 * rng.standard_normal((800, 8, 6))).astype(np.float32)

    def loss(w: Any, batch: Any) -> Any:
        each, pair, tags = batch[0] @ w[:18].reshape(6, 3), w[18:].reshape(3, 3), jax.nn.one_hot(batch[1], 3)
        total = each[:, 0]
        for t in range(1, 8):
            total = jax.nn.logsumexp(total[:, :, None] + pair, axis=1) + each[:, t]
        right = jnp.sum(each * tags, axis=(1, 2)) + jnp.einsum("bti,ij,btj->b", tags[:, :-1], pair, tags[:, 1:])
        return jnp.mean(jax.nn.logsumexp(total, axis=1) - right) / 8

    return Built(partial(_start, 27, 0.5), loss, *split((x, tags.astype(np.int32)), 160))


def _ranking() -> Built:
    """Strengths of sixty players from who beat whom (Bradley and Terry 1952); some play often, some hardly ever."""
    rng = np.random.default_rng(82)
    one = (60 * rng.random(1800) ** 2).astype(np.int32)
    two = ((one + rng.integers(1, 60, 1800)) % 60).astype(np.int32)
    strength = 1.5 * rng.standard_normal(60)
    won = (rng.random(1800) < 1 / (1 + np.exp(strength[two] - strength[one]))).astype(np.float32)

    def loss(w: Any, batch: Any) -> Any:
        return binary(w[batch[0]] - w[batch[1]], batch[2]) + 5e-4 * jnp.sum(w**2)

    return Built(partial(_start, 60, 1.0), loss, *split((one, two, won), 300))


def _exponential() -> Built:
    """The exponential loss of boosting (Freund and Schapire 1997) over 60 signs: whether a column of the cancer data is above a third."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    cuts = np.quantile(x, (1 / 3, 2 / 3), axis=0)
    signs = np.concatenate([np.sign(x - cut) for cut in cuts] + [np.ones((len(x), 1))], axis=1)

    def loss(w: Any, batch: Any) -> Any:
        return jnp.mean(jnp.exp(-batch[1] * (batch[0] @ w))) + 1e-3 * jnp.sum(w**2)

    return Built(partial(_start, 61, 0.1), loss, *split((signs.astype(np.float32) / 8, (2.0 * y - 1).astype(np.float32)), 113))


def _words() -> Built:
    """Which of eight modules twelve lines of source come from: a softmax over how often 150 names occur, most of them 0."""
    found = [text.splitlines() for text in sorted(sources().values(), key=len)[-8:]]
    parts = [[re.findall(r"[a-z]{2,}", " ".join(lines[i : i + 12])) for i in range(0, len(lines) - 12, 12)][:90] for lines in found]
    everything = [word for part in parts for rows in part for word in rows]
    known = {word: i for i, word in enumerate(sorted(set(everything), key=lambda word: (-everything.count(word), word))[:150])}
    x = np.array([[rows.count(word) for word in known] for part in parts for rows in part], dtype=np.float32)
    y = np.repeat(np.arange(8, dtype=np.int32), [len(part) for part in parts])

    def loss(w: Any, batch: Any) -> Any:
        return cross_entropy(batch[0] @ w.reshape(150, 8), batch[1]) + 1e-3 * jnp.sum(w**2)

    return Built(partial(_start, 1200, 0.05), loss, *split((np.sqrt(x), y), 120))


def _student() -> Built:
    """Ridge regression on three common factors, with noise of Student's kind with 2.2 degrees of freedom: some gradients are huge."""
    rng = np.random.default_rng(84)
    x = rng.standard_normal((1300, 3)) @ rng.standard_normal((3, 25)) + 0.5 * rng.standard_normal((1300, 25))
    y = x @ rng.standard_normal(25) + rng.standard_t(2.2, 1300)

    def loss(w: Any, batch: Any) -> Any:
        return 0.5 * jnp.mean((batch[0] @ w - batch[1]) ** 2) + 0.01 * jnp.sum(w**2)

    return Built(partial(_start, 25, 1.0), loss, *split((x.astype(np.float32), y.astype(np.float32)), 250))


def _gamma() -> Built:
    """Waiting times of a Gamma distribution whose mean is exp(x'w), without its constants: the loss goes below 0."""
    rng = np.random.default_rng(85)
    x = np.column_stack([rng.uniform(-1, 1, (1200, 14)), np.ones(1200)])
    y = rng.gamma(2.0, 0.5 * np.exp(x @ np.append(0.6 * rng.standard_normal(14), -2.0)))

    def loss(w: Any, batch: Any) -> Any:
        eta = batch[0] @ w
        return jnp.mean(eta + batch[1] * jnp.exp(-eta))

    return Built(partial(_start, 15, 0.2), loss, *split((x.astype(np.float32), y.astype(np.float32)), 240))


def _kernel() -> Built:
    """Logistic regression in the Nystrom features of a Gaussian kernel (Williams and Seeger 2001) on two rings: curvatures fall fast."""
    x, y = datasets.make_circles(1200, noise=0.12, factor=0.6, random_state=6)
    basis = x[:40]

    def kernel(one: Any, two: Any) -> Any:
        return np.exp(-2 * np.sum((one[:, None] - two[None]) ** 2, axis=-1))

    values, vectors = np.linalg.eigh(kernel(basis, basis))
    features = kernel(x, basis) @ vectors[:, -24:] / np.sqrt(values[-24:])

    def loss(w: Any, batch: Any) -> Any:
        return binary(batch[0] @ w, batch[1]) + 1e-4 * jnp.sum(w**2)

    return Built(partial(_start, 24, 1.0), loss, *split((features.astype(np.float32), y.astype(np.float32)), 200))


def _smooth() -> Built:
    """A signal of 80 places with three jumps from 600 noisy readings, its differences held small by a soft absolute value; full batch."""
    rng = np.random.default_rng(87)
    place = rng.integers(0, 80, 800)
    y = np.array([0.0, 2.0, -1.0, 1.0])[place // 20] + 0.5 * rng.standard_normal(800)

    def loss(w: Any, batch: Any) -> Any:
        return 0.5 * jnp.mean((w[batch[0]] - batch[1]) ** 2) + 0.005 * jnp.sum(jnp.sqrt(jnp.diff(w) ** 2 + 0.01))

    return Built(partial(_start, 80, 1.0), loss, *split((place.astype(np.int32), y.astype(np.float32)), 200))


def _portfolio() -> Built:
    """Mean and variance of a portfolio of 30 returns with two common factors (Markowitz 1952), no limits: the least loss is below 0."""
    rng = np.random.default_rng(88)
    common = rng.standard_normal((1500, 2)) @ rng.standard_normal((2, 30))
    returns = 0.25 * rng.standard_normal(30) + 0.6 * common + rng.uniform(0.3, 1.2, 30) * rng.standard_normal((1500, 30))

    def loss(w: Any, batch: Any) -> Any:
        won = batch[0] @ w
        return jnp.mean(0.5 * won**2 - won)

    return Built(partial(_start, 30, 0.3), loss, *split((returns.astype(np.float32),), 300))


def _graded() -> Built:
    """Five grades of an airfoil's sound: a sign for each of four limits, one slope for all (McCullagh 1980, the limits free)."""
    table = airfoil_table()
    above = (table[:, -1:] > np.quantile(table[:, -1], (0.05, 0.3, 0.7, 0.95))).astype(np.float32)

    def loss(w: Any, batch: Any) -> Any:
        return binary((batch[0] @ w[:5])[:, None] - w[5:], batch[1])

    return Built(partial(_start, 9, 0.5), loss, *split((standard(table[:, :-1]), above), 300))


def _fourth() -> Built:
    """Fourth powers of what is left by a trigonometric polynomial of degree ten: the curvature vanishes with the error."""
    rng = np.random.default_rng(90)
    t, degree = rng.uniform(0, 2 * np.pi, 1000), np.arange(1, 11)
    x = np.concatenate([np.cos(t[:, None] * degree), np.sin(t[:, None] * degree), np.ones((1000, 1))], axis=1)
    y = np.abs(t - np.pi) - np.pi / 2 + rng.uniform(-0.5, 0.5, 1000)

    def loss(w: Any, batch: Any) -> Any:
        return jnp.mean((batch[0] @ w - batch[1]) ** 4) / 4

    return Built(partial(_start, 21, 0.1), loss, *split((x.astype(np.float32), y.astype(np.float32)), 200))


def _ising() -> Built:
    """Twelve spins, each told by the others with the same couplings both ways: pseudo-likelihood (Besag 1975) of a sampled chain."""
    rng = np.random.default_rng(91)
    upper = np.triu_indices(12, 1)
    coupling = np.zeros((12, 12))
    coupling[upper] = 0.45 * rng.standard_normal(66) * (rng.random(66) < 0.5)
    coupling += coupling.T
    spin = rng.choice([-1.0, 1.0], (1200, 12))
    for turn in range(360):
        at = turn % 12
        spin[:, at] = np.where(rng.random(1200) < 1 / (1 + np.exp(-2 * spin @ coupling[at])), 1.0, -1.0)

    def loss(w: Any, batch: Any) -> Any:
        matrix = jnp.zeros((12, 12)).at[upper].set(w[:66])
        return binary(2 * (batch[0] @ (matrix + matrix.T) + w[66:]), (1 + batch[0]) / 2)

    return Built(partial(_start, 78, 0.3), loss, *split((spin.astype(np.float32),), 200))


def _precision() -> Built:
    """The triangular root L of a precision: half the squares of L'x less the logarithms of its diagonal, per column; it goes below 0."""
    rng = np.random.default_rng(92)
    x = 0.2 * rng.standard_normal((1000, 4)) @ rng.standard_normal((4, 8)) + 0.15 * rng.standard_normal((1000, 8))
    lower = np.tril_indices(8, -1)

    def init(seed: int) -> Any:
        return {"below": _start(28, 0.3, seed), "diagonal": jnp.ones(8)}

    def loss(p: Any, batch: Any) -> Any:
        root = jnp.diag(p["diagonal"]).at[lower].set(p["below"])
        return jnp.mean(jnp.sum(0.5 * (batch[0] @ root) ** 2, axis=-1)) / 8 - jnp.mean(jnp.log(p["diagonal"]))

    return Built(init, loss, *split((x.astype(np.float32),), 200))


def _transport() -> Built:
    """Prices of forty places that split a cloud evenly, by the smoothed dual of optimal transport (Genevay et al. 2016): below 0."""
    rng = np.random.default_rng(93)
    x = rng.standard_normal((1200, 2)) @ np.array([[1.0, 0.6], [0.0, 0.5]])
    places = rng.uniform(-1, 2, (40, 2))
    cost = 0.5 * np.sum((x[:, None] - places) ** 2, axis=-1)

    def loss(w: Any, batch: Any) -> Any:
        return jnp.mean(0.1 * jax.nn.logsumexp((w - batch[0]) / 0.1, axis=-1)) - 0.1 * np.log(40) - jnp.mean(w)

    return Built(partial(_start, 40, 0.5), loss, *split((cost.astype(np.float32),), 200))


BUILDERS: dict[str, Callable[[], Built]] = {
    "chain-tags": _chain,
    "ranking": _ranking,
    "exponential-cancer": _exponential,
    "softmax-words": _words,
    "ridge-student": _student,
    "gamma-times": _gamma,
    "kernel-rings": _kernel,
    "smooth-signal": _smooth,
    "portfolio": _portfolio,
    "graded-airfoil": _graded,
    "fourth-powers": _fourth,
    "spins": _ising,
    "precision-root": _precision,
    "transport-prices": _transport,
}
