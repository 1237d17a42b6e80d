"""What optax divides by: the moments that a state keeps, and the metric they make now and after the next step."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..errors import BadInput
from ..optimizers.conventions.nests import found_fields, merged
from ..optimizers.identification.metric import Metric, looks, rectification
from ..theory.adaptive import adagrad, adam, nadam, rmsprop

__all__ = ["after", "denominator", "factor", "flat_field", "method_in", "moments", "rectified", "summed"]

Array = NDArray[np.float64]
_SQUARES = {"": "nu", "centered": "nu", "infinity": "nu", "amsgrad hat": "nu_max", "sum": "sum_of_squares"}


def flat_field(state: Any, field: str, params: Any) -> Array | None:
    """What a state keeps under a name, flat in the order of the parameters; None where it keeps no such thing.

    Raises:
        BadInput: a state of other parameters.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> tx, x = optax.adam(0.1), {"w": jnp.ones(2), "b": jnp.ones(1)}
    >>> flat_field(tx.init(x), "nu", x), flat_field(tx.init(x), "trace", x)
    (array([0., 0., 0.]), None)
    """
    trees = list(found_fields(state, (field,)))
    if not trees:
        return None
    leaves = jax.tree.leaves(merged(trees))
    if [np.shape(leaf) for leaf in leaves] != [np.shape(leaf) for leaf in jax.tree.leaves(params)]:
        raise BadInput(f"opt_state was made for other parameters: its {field} has {len(leaves)} arrays of other shapes than params")
    return np.concatenate([np.asarray(leaf, float).ravel() for leaf in leaves])


def moments(metric: Metric, state: Any, params: Any) -> tuple[Array, Array | None]:
    """The second moment, and the mean of a centred one, flat in the order of the parameters.

    Raises:
        BadInput: a state that does not hold them, or of other parameters.
    """
    if metric.kind not in _SQUARES:
        raise BadInput(f"the denominator of this transformation (kind {metric.kind!r}) is not kept by any of optax's states")

    def flat(field: str) -> Array:
        found = flat_field(state, field, params)
        if found is None:
            raise BadInput(f"opt_state holds no {field}: it is not a state of this transformation; pass the one that its update returned")
        return found

    return flat(_SQUARES[metric.kind]), flat("mu") if metric.kind == "centered" else None


def _corrected(metric: Metric, steps: int) -> float:
    plain = not metric.bias2 or metric.kind in ("sum", "infinity", "amsgrad hat")
    return 1.0 if plain or steps < 1 else 1 - metric.beta2**steps


def denominator(metric: Metric, squares: Array, mean: Array | None, steps: int) -> Array:
    """P, as the transformation divides by it after so many steps."""
    if metric.kind == "infinity":
        return squares + metric.eps
    seen = squares if mean is None else np.maximum(squares - mean**2, 0.0)
    part = _corrected(metric, steps)
    if metric.place == "inside":
        return np.asarray(np.sqrt(seen / part + metric.eps))
    if metric.place == "plain":
        return np.asarray((np.sqrt(seen) + metric.eps) / np.sqrt(part))
    return np.asarray(np.sqrt(seen / part + metric.root) + metric.eps)


def after(metric: Metric, squares: Array, mean: Array | None, small: Array, steps: int, state: Any, params: Any) -> Array:
    """P after a step with a small gradient."""
    b2, age = metric.beta2, steps + 1
    if metric.kind == "sum":
        return denominator(metric, squares + small**2, None, age)
    if metric.kind == "infinity":
        return denominator(metric, np.maximum(b2 * squares, small), None, age)
    if metric.kind == "amsgrad hat":
        own = np.concatenate([np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(merged(list(found_fields(state, ("nu",)))))])
        fresh = (b2 * own + (1 - b2) * small**2) / (1 - b2**age)
        return denominator(metric, np.maximum(squares, fresh), None, age)
    centre = None if mean is None else b2 * mean + (1 - b2) * small
    return denominator(metric, b2 * squares + (1 - b2) * small**2, centre, age)


def summed(sums: Array, answer: Array, metric: Metric) -> float:
    """eps under the root of a sum of squares: what identify calls eps there holds the value at which the sum starts, too."""
    if metric.place != "inside" or np.ptp(sums) <= 1e-6 * np.max(sums):
        return 0.0 if metric.place == "inside" else metric.eps
    slope, level = np.polyfit(sums, answer**-2.0, 1)
    return max(float(level / slope), 0.0)


def factor(metric: Metric, steps: int) -> float:
    """What multiplies rate times gradient over P in the next step, from a first moment of 0."""
    if metric.before:
        return 1.0
    average, own = looks(metric, steps + 1)
    above = float(average[-1]) * (1 - metric.beta1) + float(own[-1])
    return above * (rectified(metric, steps) if metric.rectified else 1.0)


def rectified(metric: Metric, steps: int) -> float:
    """RAdam's factor of the next step.

    Raises:
        BadInput: before the variance of the second moment is tractable.
    """
    found = float(rectification(metric.beta2, steps + 1)[-1])
    if not np.isfinite(found):
        raise BadInput(
            f"after {steps} steps RAdam's variance is not tractable yet, so its steps are plain momentum without a metric: train on first"
        )
    return found


def method_in(metric: Metric, rate: float) -> Method:
    """The Method that it is in its metric, at a learning rate."""
    if metric.kind == "sum":
        return adagrad(rate) if not metric.beta1 else Method(rate * (1 - metric.beta1), metric.beta1)
    if metric.before or (not metric.beta1 and not metric.bias2):
        return rmsprop(rate, metric.beta1)
    return nadam(rate, metric.beta1) if metric.look else adam(rate, metric.beta1)
