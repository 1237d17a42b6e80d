"""Small networks that stand for a function or a law: motion, heat, a picture, an operator, sets, a flow, scores of a density."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from .layers import Built, dense, feed, half_square, layers, single, split


def _picture() -> Built:
    """A picture of sixteen digits as a function of place, by sines (Sitzmann et al. 2020)."""
    images = datasets.load_digits().images[:16] / 16
    picture = images.reshape(4, 4, 8, 8).swapaxes(1, 2).reshape(-1)
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, 32)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)

    def init(seed: int) -> Any:
        keys = jax.random.split(jax.random.key(seed), 3)
        return [dense(keys[0], 2, 32, 0.5), dense(keys[1], 32, 32, 1 / 50), dense(keys[2], 32, 1, 1 / 50)]

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean((feed(params, batch[0], lambda z: jnp.sin(12 * z))[:, 0] - batch[1]) ** 2)

    return Built(init, loss, *split(single(places, picture), 200))


def _pendulum() -> Built:
    """Angle and speed of a damped pendulum .2 seconds on: what is added to the state, from a last layer of zeros."""
    rng = np.random.default_rng(41)
    x = rng.uniform([-3, -4], [3, 4], (1200, 2))
    later = x.copy()
    for _ in range(20):
        later[:, 1] -= 0.01 * (9.81 * np.sin(later[:, 0]) + 0.3 * later[:, 1])
        later[:, 0] += 0.01 * later[:, 1]

    def init(seed: int) -> Any:
        first, second, last = layers((2, 24, 24, 2), 1.0)(seed)
        return [first, second, {"w": jnp.zeros_like(last["w"]), "b": last["b"]}]

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean(jnp.sum((batch[0] + feed(params, batch[0], jnp.tanh) - batch[1]) ** 2, axis=-1))

    return Built(init, loss, *split(single(x, later), 240))


def _energy() -> Built:
    """An energy whose slopes are the motion of an oscillator that hardens (Greydanus et al. 2019): a gradient in the loss."""
    rng = np.random.default_rng(42)
    x = rng.uniform(-1.5, 1.5, (500, 2))
    motion = np.stack([x[:, 1], -x[:, 0] - x[:, 0] ** 3], axis=1) + 0.05 * rng.standard_normal((500, 2))

    def loss(params: Any, batch: Any) -> Any:
        slope = jax.grad(lambda x: jnp.sum(feed(params, x, jnp.tanh)))(batch[0])
        return 0.5 * jnp.mean((slope[:, 1] - batch[1][:, 0]) ** 2 + (slope[:, 0] + batch[1][:, 1]) ** 2)

    return Built(layers((2, 32, 16, 1), 1.0), loss, *split(single(x, motion), 100))


def _heat() -> Built:
    """A network that solves u_t = .2 u_xx between cold ends: residual, start and ends in one loss, full batch."""
    points = np.random.default_rng(43).random((150, 2))

    def loss(params: Any, batch: Any) -> Any:
        def u(x: Any, t: Any) -> Any:
            return feed(params, jnp.stack([x, t])[None], jnp.tanh)[0, 0]

        def one(point: Any) -> Any:
            x, t = point
            residual = jax.grad(u, 1)(x, t) - 0.2 * jax.grad(jax.grad(u))(x, t)
            return residual**2 + 4 * (u(x, 0.0) - jnp.sin(np.pi * x)) ** 2 + u(0.0, t) ** 2 + u(1.0, t) ** 2

        return jnp.mean(jax.vmap(one)(batch[0]))

    return Built(layers((2, 12, 12, 1), 1.0), loss, *split(single(points), 50))


def _flow() -> Built:
    """Four affine couplings (Dinh et al. 2017) for two moons of small size: a likelihood below 0."""
    x, _ = datasets.make_moons(1500, noise=0.08, random_state=44)

    def init(seed: int) -> Any:
        return [layers((1, 16, 2), 0.5)(4 * seed + step) for step in range(4)]

    def loss(params: Any, batch: Any) -> Any:
        kept, moved = batch[0][:, :1], batch[0][:, 1:]
        grown = jnp.zeros(len(kept))
        for step in params:
            scale, shift = jnp.split(feed(step, kept, jnp.tanh), 2, axis=-1)
            moved, grown = moved * jnp.exp(jnp.tanh(scale)) + shift, grown + jnp.tanh(scale)[:, 0]
            kept, moved = moved, kept
        return jnp.mean(0.5 * (kept**2 + moved**2)[:, 0] - grown)

    return Built(init, loss, *split(single(0.3 * (x - x.mean(axis=0))), 300))


def _scores() -> Built:
    """The noise in points of five clouds at widths from .1 to 1 (Song and Ermon 2019), drawn beforehand."""
    rng = np.random.default_rng(45)
    turn = 2 * np.pi * rng.integers(0, 5, 2000) / 5
    noise, width = rng.standard_normal((2000, 2)), 10 ** rng.uniform(-1, 0, (2000, 1))
    x = np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.1 * rng.standard_normal((2000, 2)) + width * noise

    def loss(params: Any, batch: Any) -> Any:
        return jnp.mean(jnp.sum((feed(params, batch[0], jax.nn.silu) - batch[1]) ** 2, axis=-1))

    return Built(layers((3, 32, 32, 32, 2), 2.0), loss, *split(single(np.hstack([x, np.log10(width)]), noise), 400))


def _sets() -> Built:
    """The logarithm of the width of a set of ten numbers: a network of each, their mean, a network of that (Zaheer et al. 2017)."""
    rng = np.random.default_rng(46)
    y = rng.uniform(-1.5, 1.5, 1000)
    x = rng.standard_normal((1000, 1)) + np.exp(y)[:, None] * rng.standard_normal((1000, 10))

    def loss(params: Any, batch: Any) -> Any:
        hidden = jax.nn.relu(feed(params[:2], batch[0][..., None])).mean(axis=1)
        return half_square(feed(params[2:], hidden)[:, 0], batch[1])

    return Built(layers((1, 16, 16, 16, 1), 2.0), loss, *split(single(x, y), 200))


def _operator() -> Built:
    """The integral of a curve seen at twelve points, up to any place: the product of two networks (Lu et al. 2021)."""
    rng = np.random.default_rng(47)
    factors, ends = rng.standard_normal((1600, 4)), rng.random((1600, 1))
    seen = factors @ np.cos(np.pi * np.arange(4)[:, None] * np.linspace(0, 1, 12))
    waves = np.pi * np.arange(1, 4)
    y = factors[:, 0] * ends[:, 0] + np.sum(factors[:, 1:] * np.sin(waves * ends) / waves, axis=1)

    def init(seed: int) -> Any:
        return {"curve": layers((12, 24, 10), 1.0)(2 * seed), "place": layers((1, 24, 10), 1.0)(2 * seed + 1)}

    def loss(params: Any, batch: Any) -> Any:
        product = feed(params["curve"], batch[0], jax.nn.gelu) * feed(params["place"], batch[1], jax.nn.gelu)
        return half_square(product.sum(axis=-1), batch[2])

    return Built(init, loss, *split(single(seen, ends, y), 320))


BUILDERS: dict[str, Callable[[], Built]] = {
    "picture-sines": _picture,
    "pendulum-step": _pendulum,
    "energy-slopes": _energy,
    "heat-residual": _heat,
    "flow-moons": _flow,
    "score-clouds": _scores,
    "sets-width": _sets,
    "operator-integral": _operator,
}
