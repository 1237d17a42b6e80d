"""Small networks of many kinds on generated points: boards, rings, stairs, gates, experts, planes, bells, trees, hashed words.

Here are also the jobs of `laws` and `losses`, and what each one is given: steps, and examples in a batch (None: all of them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia.tasks.data import airfoil_table

from . import laws, losses
from .layers import Built, apply, batch_norm, binary, cross_entropy, dense, feed, half_square, layers, norm, single, split, standard


def _checkerboard() -> Built:
    """The colour of a field of a board of nine, two hidden layers of tanh."""
    x = np.random.default_rng(31).uniform(-1.5, 1.5, (1500, 2))
    y = np.floor(x + 1.5).sum(axis=1) % 2

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params, batch[0], jnp.tanh)[:, 0], batch[1])

    return Built(layers((2, 24, 24, 1), 2.0), loss, *split(single(x, y), 300))


def _rings() -> Built:
    """Two rings, one label in seven turned, leaky units, full batch."""
    x, y = datasets.make_circles(500, noise=0.1, factor=0.5, random_state=32)
    y = np.where(np.random.default_rng(32).random(500) < 1 / 7, 1 - y, y)

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params, batch[0], jax.nn.leaky_relu)[:, 0], batch[1])

    return Built(layers((2, 16, 16, 1), 2.0), loss, *split(single(x, y), 100))


def _stairs() -> Built:
    """A flight of six steps under a narrow Huber loss, units of softplus."""
    rng = np.random.default_rng(33)
    x = rng.uniform(-1, 1, (700, 1))
    y = np.floor(3 * x[:, 0]) + 0.05 * rng.standard_normal(700)

    def loss(params: Any, batch: Any) -> Any:
        off = jnp.abs(feed(params, batch[0], jax.nn.softplus)[:, 0] - batch[1])
        return jnp.mean(jnp.where(off < 0.1, 0.5 * off**2, 0.1 * (off - 0.05)))

    return Built(layers((1, 24, 24, 1), 1.0), loss, *split(single(x, y), 140))


def _student() -> Built:
    """A network of twenty units learns one of five, from a start near 0; full batch, no noise."""
    rng = np.random.default_rng(34)
    x = rng.standard_normal((600, 8))
    y = np.maximum(x @ rng.standard_normal((8, 5)) / np.sqrt(8), 0) @ np.array([1, -1, 1, -1, 1])

    def loss(params: Any, batch: Any) -> Any:
        return half_square(feed(params, batch[0])[:, 0], batch[1])

    return Built(layers((8, 20, 1), 0.05), loss, *split(single(x, y), 120))


def _waves_of_points() -> Built:
    """Random Fourier features of the plane, and two trained layers on them, for targets near .01."""
    rng = np.random.default_rng(35)
    x = rng.uniform(-1, 1, (1200, 2))
    features = np.cos(x @ rng.normal(0, 4, (2, 48)) + rng.uniform(0, 2 * np.pi, 48))
    y = 0.01 * (np.sin(6 * x[:, 0]) * np.cos(4 * x[:, 1]) + 0.1 * rng.standard_normal(1200))

    def loss(params: Any, batch: Any) -> Any:
        return half_square(feed(params, batch[0], jnp.tanh)[:, 0], batch[1])

    return Built(layers((48, 16, 1), 0.2), loss, *split(single(features, y), 240))


def _experts() -> Built:
    """Six linear experts under a softmax gate, where four would do: each for another part of the inputs."""
    rng = np.random.default_rng(36)
    x, slopes = rng.standard_normal((1400, 5)), rng.standard_normal((4, 5))
    part = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    y = np.sum(x * slopes[part], axis=1) + 0.1 * rng.standard_normal(1400)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return {"gate": dense(keys[0], 5, 6, 0.1), "experts": dense(keys[1], 5, 6, 0.5)}

    def loss(params: Any, batch: Any) -> Any:
        shares = jax.nn.softmax(apply(params["gate"], batch[0]))
        return half_square(jnp.sum(shares * apply(params["experts"], batch[0]), axis=-1), batch[1])

    return Built(init, loss, *split(single(x, y), 280))


def _gated() -> Built:
    """Two layers of gated linear units (Shazeer 2020) for a sum of products of inputs."""
    rng = np.random.default_rng(37)
    x = rng.standard_normal((1200, 8))
    y = x[:, 0] * x[:, 1] + x[:, 2] * np.sin(2 * x[:, 3]) + 0.2 * rng.standard_normal(1200)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return [dense(keys[0], 8, 48, 1.0), dense(keys[1], 24, 48, 1.0), dense(keys[2], 24, 1, 1.0)]

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0]
        for layer in params[:-1]:
            value, gate = jnp.split(apply(layer, x), 2, axis=-1)
            x = value * jax.nn.silu(gate)
        return half_square(apply(params[-1], x)[:, 0], batch[1])

    return Built(init, loss, *split(single(x, y), 240))


def _maxout() -> Built:
    """The highest of seven planes by maxout units (Goodfellow et al. 2013), targets of about 40 as they are."""
    rng = np.random.default_rng(38)
    x = rng.uniform(-1, 1, (900, 6))
    y = 10 * np.max(x @ rng.standard_normal((6, 7)) + 2, axis=1) + rng.standard_normal(900)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return [dense(keys[0], 6, 30, 1.0), dense(keys[1], 10, 1, 1.0)]

    def loss(params: Any, batch: Any) -> Any:
        hidden = jnp.max(apply(params[0], batch[0]).reshape(-1, 10, 3), axis=-1)
        return half_square(apply(params[1], hidden)[:, 0], batch[1])

    return Built(init, loss, *split(single(x, y), 180))


def _centres() -> Built:
    """Bells whose centres, widths and heights are trained, for Franke's surface of hills."""
    rng = np.random.default_rng(39)
    x = rng.random((1000, 2))
    a, b = 9 * x.T
    y = 0.75 * np.exp(-((a - 2) ** 2 + (b - 2) ** 2) / 4) + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
    y += 0.5 * np.exp(-((a - 7) ** 2 + (b - 3) ** 2) / 4) - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return {"centres": jax.random.uniform(keys[0], (25, 2)), "sharpness": jnp.full(25, 2.0), "out": dense(keys[1], 25, 1, 0.1)}

    def loss(params: Any, batch: Any) -> Any:
        far = jnp.sum((batch[0][:, None] - params["centres"]) ** 2, axis=-1)
        return half_square(apply(params["out"], jnp.exp(-far * jnp.exp(params["sharpness"])))[:, 0], batch[1])

    return Built(init, loss, *split(single(x, y + 0.02 * rng.standard_normal(1000)), 200))


def _tree() -> Built:
    """A soft tree of seven forks (Frosst and Hinton 2017) for four classes of two clouds each."""
    x, y = datasets.make_classification(1500, 10, n_informative=5, n_classes=4, n_clusters_per_class=2, random_state=40)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed))
        return {"forks": dense(keys[0], 10, 7, 0.5), "leaves": 0.1 * jax.random.normal(keys[1], (8, 4))}

    def loss(params: Any, batch: Any) -> Any:
        forks = apply(params["forks"], batch[0])
        way = jnp.zeros((len(forks), 1))
        for first in (0, 1, 3):
            here = forks[:, first : 2 * first + 1]
            way = jnp.stack([way + jax.nn.log_sigmoid(here), way + jax.nn.log_sigmoid(-here)], axis=-1).reshape(len(forks), -1)
        chosen = jax.nn.log_softmax(params["leaves"])[:, batch[1]].T
        return -jnp.mean(jax.nn.logsumexp(way + chosen, axis=-1))

    return Built(init, loss, *split((standard(x), y.astype(np.int32)), 300))


def _additive() -> Built:
    """The sound of an airfoil as a sum of one curve for each column (Agarwal et al. 2021)."""
    table = standard(airfoil_table())

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        first, second = jax.random.normal(keys[0], (5, 12)), jax.random.normal(keys[1], (5, 12)) / 8
        return {"first": first, "turn": jax.random.uniform(keys[2], (5, 12), minval=-1.0), "second": second, "b": jnp.zeros(())}

    def loss(params: Any, batch: Any) -> Any:
        curves = jax.nn.elu(batch[0][:, :, None] * params["first"] + params["turn"]) * params["second"]
        return half_square(curves.sum(axis=(1, 2)) + params["b"], batch[1])

    return Built(init, loss, *split((table[:, :5], table[:, 5]), 300))


def _hashed() -> Built:
    """Clicks, one in seven, by five words of a long tail put into 200 places: sums of their rows, and a hidden layer."""
    rng = np.random.default_rng(48)
    words = (200 * rng.random((2000, 5)) ** 2.5).astype(np.int32)
    y = rng.random(2000) < 1 / (1 + np.exp(3 - 1.2 * rng.standard_normal(200)[words].sum(axis=1)))

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return {"rows": 0.2 * jax.random.normal(keys[0], (200, 8)), "dense": [dense(keys[1], 8, 16), dense(keys[2], 16, 1)]}

    def loss(params: Any, batch: Any) -> Any:
        return binary(feed(params["dense"], params["rows"][batch[0]].sum(axis=1))[:, 0], batch[1])

    return Built(init, loss, *split((words, y.astype(np.float32)), 400))


def _prototypes() -> Built:
    """Classes of crossed clouds by the distance to three prototypes each in a learned plane."""
    x, y = datasets.make_classification(1000, 12, n_informative=6, n_classes=3, n_clusters_per_class=3, random_state=49)

    def init(seed: int) -> Any:
        return {"map": layers((12, 16, 4), 1.0)(2 * seed), "places": jax.random.normal(jax.random.key(2 * seed + 1), (3, 3, 4))}

    def loss(params: Any, batch: Any) -> Any:
        where = feed(params["map"], batch[0], jnp.tanh)
        far = jnp.sum((where[:, None, None] - params["places"]) ** 2, axis=-1)
        return cross_entropy(jax.nn.logsumexp(-far, axis=-1), batch[1])

    return Built(init, loss, *split((standard(x), y.astype(np.int32)), 200))


def _tents() -> Built:
    """A tent folded twice, by eight residual layers of ten units behind root-mean-square normalisations."""
    x = np.random.default_rng(50).random((800, 1))
    y = 1 - np.abs(2 * (1 - np.abs(2 * x[:, 0] - 1)) - 1)

    def loss(params: Any, batch: Any) -> Any:
        x = apply(params[0], batch[0] - 0.5)
        for layer in params[1:-1]:
            x = x + jax.nn.silu(apply(layer, x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-5)))
        return jnp.mean(jnp.abs(apply(params[-1], x)[:, 0] - batch[1]))

    return Built(layers((1, *(10,) * 9, 1), 0.5), loss, *split(single(x, y), 160))


def _roll() -> Built:
    """How far along a Swiss roll a point lies, its places as they are, up to 20: two layers behind batch normalisations."""
    x, y = datasets.make_swiss_roll(1000, noise=0.3, random_state=30)

    def init(seed: int) -> Any:
        return {"dense": layers((3, 20, 20, 1), 1.0)(seed), "norms": [norm(20), norm(20)]}

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0]
        for layer, scale in zip(params["dense"], params["norms"], strict=False):  # the last layer is not normalised
            x = jax.nn.softplus(batch_norm(scale, apply(layer, x)))
        return half_square(apply(params["dense"][-1], x)[:, 0], batch[1])

    return Built(init, loss, *split(single(x, y), 200))


BUILDERS: dict[str, Callable[[], Built]] = (
    losses.BUILDERS
    | laws.BUILDERS
    | {
        "checkerboard": _checkerboard,
        "rings-turned": _rings,
        "stairs-huber": _stairs,
        "student-teacher": _student,
        "fourier-tiny": _waves_of_points,
        "experts": _experts,
        "gated-products": _gated,
        "maxout-planes": _maxout,
        "bells-franke": _centres,
        "soft-tree": _tree,
        "airfoil-additive": _additive,
        "clicks-hashed": _hashed,
        "prototypes": _prototypes,
        "tents-residual": _tents,
        "roll-batchnorm": _roll,
    }
)
