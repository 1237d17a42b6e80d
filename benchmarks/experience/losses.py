"""Small networks under losses that are not the common two: rankings, survival, orders, angles, margins, likelihoods, teachers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from .layers import Built, apply, cross_entropy, feed, gaussian, layer_norm, layers, norm, single, split, standard


def _denoised() -> Built:
    """Columns of breast cancer found again after noise and gaps, drawn beforehand."""
    rng = np.random.default_rng(51)
    x = standard(datasets.load_breast_cancer(return_X_y=True)[0])
    spoilt = (x + 0.5 * rng.standard_normal(x.shape)) * (rng.random(x.shape) > 0.2)

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean((feed(params, batch[0], jax.nn.elu) - batch[1]) ** 2)

    return Built(layers((30, 20, 30), 1.0), loss, *split(single(spoilt, x), 113))


def _triplets() -> Built:
    """Digits in a plane of six axes: of three pictures, the two of one digit are to lie nearer (Schroff et al. 2015)."""
    rng = np.random.default_rng(52)
    x, y = datasets.load_digits(return_X_y=True)
    first = rng.integers(0, len(x), 1200)
    same, other = (np.array([rng.choice(np.flatnonzero((y == y[i]) == alike)) for i in first]) for alike in (True, False))

    def loss(params: Any, batch: Any) -> Any:
        here, near, far = (feed(params, pictures, jax.nn.relu) for pictures in batch)
        return jnp.mean(jax.nn.relu(1 + jnp.sum((here - near) ** 2, axis=-1) - jnp.sum((here - far) ** 2, axis=-1)))

    return Built(layers((64, 24, 6), 0.5), loss, *split(single(*(x[rows] / 16 for rows in (first, same, other))), 240))


def _ranked() -> Built:
    """Which of two patients has the worse diabetes: the difference of two scores (Burges et al. 2005)."""
    x, y = datasets.load_diabetes(return_X_y=True)
    pairs = np.random.default_rng(53).integers(0, len(x), (1500, 2))
    worse = np.where(y[pairs[:, 0]] > y[pairs[:, 1]], 1, -1)
    x = standard(x)

    def loss(params: Any, batch: Any) -> Any:
        ahead = (feed(params, batch[0], jnp.tanh) - feed(params, batch[1], jnp.tanh))[:, 0]
        return jnp.mean(jax.nn.softplus(-batch[2] * ahead))

    return Built(layers((10, 12, 1), 1.0), loss, *split(single(x[pairs[:, 0]], x[pairs[:, 1]], worse), 300))


def _labels() -> Built:
    """Several labels at once by counts of words as they are: one cross-entropy for each label, summed."""
    x, y = datasets.make_multilabel_classification(1200, 20, n_classes=8, n_labels=3, random_state=54)

    def loss(params: Any, batch: Any) -> Any:
        logits = feed(params, batch[0], jax.nn.relu)
        return jnp.mean(jnp.sum(jax.nn.softplus(logits) - batch[1] * logits, axis=-1))

    return Built(layers((20, 32, 8), 1.0), loss, *split(single(x, y), 240))


def _focal() -> Built:
    """One example in twenty is of the second kind: the focal loss with gamma 2 (Lin et al. 2017)."""
    x, y = datasets.make_classification(2000, 12, n_informative=6, weights=[0.96], flip_y=0.01, class_sep=1.5, random_state=55)

    def loss(params: Any, batch: Any) -> Any:
        right = (2 * batch[1] - 1) * feed(params, batch[0], jax.nn.silu)[:, 0]
        return jnp.mean(jax.nn.sigmoid(-right) ** 2 * jax.nn.softplus(-right))

    return Built(layers((12, 20, 1), 1.0), loss, *split((standard(x), y.astype(np.float32)), 400))


def _smoothed() -> Built:
    """The cultivar of a wine with smoothed labels, three layers of GELU behind layer normalisations."""
    x, y = datasets.load_wine(return_X_y=True)

    def init(seed: int) -> Any:
        return {"dense": layers((13, 24, 24, 24, 3), 1.0)(seed), "norms": [norm(24) for _ in range(3)]}

    def loss(params: Any, batch: Any) -> Any:
        x = batch[0]
        for layer, scale in zip(params["dense"][:-1], params["norms"], strict=True):
            x = jax.nn.gelu(layer_norm(scale, apply(layer, x)))
        logits = apply(params["dense"][-1], x)
        return 0.8 * cross_entropy(logits, batch[1]) - 0.2 * jnp.mean(jax.nn.log_softmax(logits))

    return Built(init, loss, *split((standard(x), y.astype(np.int32)), 38))


def _distilled() -> Built:
    """The divergence from a wide teacher's seven shares (Hinton et al. 2015), which has 0 as its floor."""
    rng = np.random.default_rng(56)
    x = rng.standard_normal((1000, 10))
    logits = np.tanh(x @ rng.standard_normal((10, 40)) / 2) @ rng.standard_normal((40, 7)) / 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def loss(params: Any, batch: Any) -> Any:
        own = jax.nn.log_softmax(feed(params, batch[0], jnp.tanh))
        return jnp.mean(jnp.sum(batch[1] * (jnp.log(batch[1]) - own), axis=-1))

    return Built(layers((10, 24, 7), 1.0), loss, *split(single(x, shares), 200))


def _survival() -> Built:
    """Times of Weibull's distribution, two in five of them cut off, by a network of scale and one shape."""
    rng = np.random.default_rng(57)
    x = rng.standard_normal((1000, 6))
    time = np.exp(0.8 * np.tanh(2 * x[:, 0]) - 0.5 * x[:, 1] * x[:, 2]) * rng.weibull(1.8, 1000)
    end = 2.5 * rng.random(1000)

    def init(seed: int) -> Any:
        return {"scale": layers((6, 20, 1), 1.0)(seed), "shape": jnp.zeros(())}

    def loss(params: Any, batch: Any) -> Any:
        x, log_time, seen = batch
        passed = jnp.exp(params["shape"]) * (log_time - feed(params["scale"], x, jnp.tanh)[:, 0])
        return jnp.mean(jnp.exp(jnp.minimum(passed, 10.0)) - seen * (params["shape"] + passed))

    return Built(init, loss, *split(single(x, np.log(np.minimum(time, end) + 1e-2), time < end), 200))


def _ordered() -> Built:
    """Five grades of diabetes in their order: one score and four thresholds (McCullagh 1980)."""
    x, y = datasets.load_diabetes(return_X_y=True)
    grade = np.digitize(y, np.quantile(y, [0.3, 0.6, 0.8, 0.95])).astype(np.int32)

    def init(seed: int) -> Any:
        return {"score": layers((10, 16, 1), 1.0)(seed), "first": -jnp.ones(()), "steps": jnp.zeros(3)}

    def loss(params: Any, batch: Any) -> Any:
        bounds = params["first"] + jnp.concatenate([jnp.zeros(1), jnp.cumsum(jax.nn.softplus(params["steps"]))])
        below = jax.nn.sigmoid(bounds - feed(params["score"], batch[0], jax.nn.relu))
        shares = jnp.diff(below, axis=1, prepend=0.0, append=1.0)
        return -jnp.mean(jnp.log(jnp.maximum(jnp.take_along_axis(shares, batch[1][:, None], axis=1), 1e-6)))

    return Built(init, loss, *split((standard(x), grade), 88))


def _costs() -> Built:
    """Costs of small amounts by the likelihood of the gamma distribution with a learned shape: below 0."""
    rng = np.random.default_rng(58)
    x = rng.standard_normal((1500, 6))
    cost = 0.1 * np.exp(np.abs(x[:, 0]) + 0.5 * np.sin(2 * x[:, 1])) * rng.gamma(3.0, 1 / 3, 1500) + 1e-3

    def init(seed: int) -> Any:
        return {"mean": layers((6, 24, 1), 1.0)(seed), "shape": jnp.zeros(())}

    def loss(params: Any, batch: Any) -> Any:
        x, cost = batch
        shape = jnp.exp(params["shape"])
        ratio = jnp.log(cost) - feed(params["mean"], x, jax.nn.relu)[:, 0]
        each = shape * (jnp.exp(jnp.minimum(ratio, 10.0)) - ratio) + jnp.log(cost)
        return jnp.mean(each) + jax.lax.lgamma(shape) - shape * params["shape"]

    return Built(init, loss, *split(single(x, cost), 300))


def _pixels() -> Built:
    """The middle rows of the digits in black and white, each pixel by those before it: masked layers (Germain et al. 2015)."""
    x = datasets.load_digits().images[:, 3:5].reshape(-1, 16) > 7
    degrees = np.arange(48) % 15
    masks = [np.arange(16)[:, None] <= degrees, degrees[:, None] < np.arange(16)]

    def loss(params: Any, batch: Any) -> Any:
        first, last = ({"w": layer["w"] * mask, "b": layer["b"]} for layer, mask in zip(params, masks, strict=True))
        logits = feed([first, last], batch[0], jax.nn.relu)
        return jnp.mean(jnp.sum(jax.nn.softplus(logits) - batch[0] * logits, axis=-1))

    return Built(layers((16, 48, 16), 2.0), loss, *split(single(x), 360))


def _two_tasks() -> Built:
    """Six columns of breast cancer tell the label and, as a normal likelihood, the area: one trunk, two heads."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    known, area = standard(x[:, 4:10]), standard(np.log(x[:, 3]))

    def loss(params: Any, batch: Any) -> Any:
        out = feed(params, batch[0], jax.nn.gelu)
        return cross_entropy(out[:, :2], batch[1]) + gaussian(out[:, 2], out[:, 3], batch[2])

    return Built(layers((6, 24, 24, 4), 1.0), loss, *split((known, y.astype(np.int32), area), 113))


def _raw() -> Built:
    """Diabetes with its targets as they are, about 150 with a deviation of 77: the squares begin in the thousands."""
    x, y = datasets.load_diabetes(return_X_y=True)

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean((feed(params, batch[0], jax.nn.sigmoid)[:, 0] - batch[1]) ** 2)

    return Built(layers((10, 8, 1), 1.0), loss, *split((standard(x), y.astype(np.float32)), 88))


def _heavy() -> Built:
    """Noise with heavy tails and far outliers under log-cosh, by three weight-normalised layers (Salimans and Kingma 2016)."""
    rng = np.random.default_rng(59)
    x = rng.uniform(-2, 2, (1200, 4))
    y = np.sin(2 * x[:, 0]) + np.abs(x[:, 1]) * x[:, 2] + 0.3 * rng.standard_t(1.5, 1200)

    def init(seed: int) -> Any:
        return [one | {"g": jnp.ones(one["b"].shape)} for one in layers((4, 32, 32, 1), 1.0)(seed)]

    def loss(params: Any, batch: Any) -> Any:
        parts = [{"w": p["w"] * p["g"] / jnp.linalg.norm(p["w"], axis=0), "b": p["b"]} for p in params]
        off = jnp.abs(feed(parts, batch[0], jax.nn.relu)[:, 0] - batch[1])
        return jnp.mean(off + jax.nn.softplus(-2 * off) - np.log(2))

    return Built(init, loss, *split(single(x, y), 240))


def _margins() -> Built:
    """Four classes by the squared multi-class margin, six narrow layers from orthogonal matrices."""
    x, y = datasets.make_classification(1200, 12, n_informative=8, n_classes=4, class_sep=1.5, random_state=60)

    def init(seed: int) -> Any:
        params = layers((12, *(12,) * 6, 4), 1.0)(seed)
        return [{"w": 1.3 * jnp.linalg.qr(one["w"])[0], "b": one["b"]} for one in params]

    def loss(params: Any, batch: Any) -> Any:
        scores = feed(params, batch[0], lambda z: jax.nn.leaky_relu(z, 0.2))
        wrong = 1 - jax.nn.one_hot(batch[1], 4)
        right = jnp.sum(scores * (1 - wrong), axis=-1, keepdims=True)
        return jnp.mean(jnp.sum(wrong * jax.nn.relu(1 + scores - right) ** 2, axis=-1))

    return Built(init, loss, *split((standard(x), y.astype(np.int32)), 240))


def _policy() -> Built:
    """Logged choices of five actions: minus the reward that a new policy would have had, with a small bonus on entropy."""
    rng = np.random.default_rng(61)
    x, action = rng.standard_normal((2000, 6)), rng.integers(0, 5, 2000).astype(np.int32)
    gain = np.tanh(x @ rng.standard_normal((6, 10))) @ rng.standard_normal((10, 5)) / 3
    reward = gain[np.arange(2000), action] + 0.3 * rng.standard_normal(2000)

    def loss(params: Any, batch: Any) -> Any:
        shares = jax.nn.log_softmax(feed(params, batch[0], jax.nn.relu))
        chosen = jnp.exp(jnp.take_along_axis(shares, batch[1][:, None], axis=1)[:, 0])
        return jnp.mean(-5 * chosen * batch[2] + 0.05 * jnp.sum(jnp.exp(shares) * shares, axis=-1))

    return Built(layers((6, 24, 5), 1.0), loss, *split((*single(x), action, *single(reward)), 400))


def _angles() -> Built:
    """A direction and how sure it is: the likelihood of von Mises' distribution on the circle."""
    rng = np.random.default_rng(62)
    x = rng.standard_normal((1200, 4))
    angle = 2 * np.arctan2(x[:, 0], x[:, 1]) + x[:, 2] + rng.vonmises(0, np.exp(1 + x[:, 3]))

    def loss(params: Any, batch: Any) -> Any:
        pull = feed(params, batch[0], jnp.tanh)
        sure = jnp.sqrt(jnp.sum(pull**2, axis=-1) + 1e-6)
        return jnp.mean(jnp.log(jax.scipy.special.i0e(sure)) + sure - jnp.sum(pull * batch[1], axis=-1))

    return Built(layers((4, 24, 24, 2), 2.0), loss, *split(single(x, np.stack([np.cos(angle), np.sin(angle)], axis=1)), 240))


def _shares() -> Built:
    """Shares between 0 and 1 by the likelihood of the beta distribution, mean and sureness by a network: below 0."""
    rng = np.random.default_rng(63)
    x = rng.standard_normal((1000, 5))
    middle = 1 / (1 + np.exp(-2 * np.sin(x[:, 0]) - x[:, 1] * x[:, 2]))
    y = np.clip(rng.beta(20 * middle, 20 * (1 - middle)), 1e-3, 1 - 1e-3)

    def loss(params: Any, batch: Any) -> Any:
        out = feed(params, batch[0], jax.nn.softplus)
        sure = jnp.exp(jnp.clip(out[:, 1], -4.0, 8.0))
        a, b = sure * jax.nn.sigmoid(out[:, 0]) + 1e-3, sure * jax.nn.sigmoid(-out[:, 0]) + 1e-3
        each = jax.lax.lgamma(a) + jax.lax.lgamma(b) - jax.lax.lgamma(a + b)
        return jnp.mean(each - (a - 1) * jnp.log(batch[1]) - (b - 1) * jnp.log1p(-batch[1]))

    return Built(layers((5, 24, 2), 1.0), loss, *split(single(x, y), 200))


BUILDERS: dict[str, Callable[[], Built]] = {
    "cancer-denoised": _denoised,
    "digits-triplets": _triplets,
    "diabetes-ranked": _ranked,
    "labels-many": _labels,
    "focal-rare": _focal,
    "wine-smoothed": _smoothed,
    "distilled": _distilled,
    "survival-weibull": _survival,
    "diabetes-ordered": _ordered,
    "costs-gamma": _costs,
    "pixels-masked": _pixels,
    "cancer-two-heads": _two_tasks,
    "diabetes-raw": _raw,
    "logcosh-heavy": _heavy,
    "margins-deep": _margins,
    "policy-logged": _policy,
    "angles-mises": _angles,
    "shares-beta": _shares,
}
