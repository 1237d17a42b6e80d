"""The velocity is a memory: a sum of past gradients, each weighted beta^age.

    velocity[k] = sum_{t < k} beta^t grad[k - 1 - t]

So it averages over about 1/(1 - beta) steps, climbs to gradient/(1 - beta) where the slope is constant, takes that many
steps to do so, and carries noise of variance s^2/(1 - beta^2): more noise than one gradient, but less per unit of speed.
(Qian 1999; Goodfellow, Bengio and Courville 2016, section 8.3.2.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, whole
from ..errors import BadInput

__all__ = [
    "effective_window",
    "noise_to_signal",
    "past_weights",
    "steps_to_speed",
    "terminal_velocity",
    "velocity_noise",
    "velocity_on_slope",
]


def _momentum(beta: ArrayLike) -> NDArray[np.float64]:
    value = known(beta, "beta")
    if not np.all((value >= 0) & (value <= 1)):
        worst = value.flat[np.argmax(~((value >= 0) & (value <= 1)))]
        raise BadInput(
            f"beta = {worst:g} is outside [0, 1]: an average needs weights that do not grow or change sign; try {0.9 if worst > 1 else 0:g}"
        )
    return value


def effective_window(beta: ArrayLike) -> Any:
    """Steps that the velocity remembers, 1/(1 - beta): the mean age of a gradient in it, plus one. Infinite at beta = 1.

    Args:
        beta: momentum, in [0, 1]; a number or an array.

    Raises:
        BadInput: beta outside [0, 1] (as for all of this module).

    >>> float(effective_window(0.75))
    4.0
    """
    value = _momentum(beta)
    with np.errstate(divide="ignore"):
        return (1 / (1 - value))[()]


def past_weights(beta: ArrayLike, count: int, *, normalised: bool = False) -> Any:
    """Weights beta^0, beta^1, ... of the `count` last gradients, newest first: (*betas, count); normalised to sum to 1 on request.

    Args:
        beta: momentum, in [0, 1]; a number or an array.
        count: number of gradients, at least 1.
        normalised: whether the weights are divided by their sum (default False).

    >>> past_weights(0.5, 3)
    array([1.  , 0.5 , 0.25])
    """
    weights = _momentum(beta)[..., None] ** np.arange(whole(count, "count", 1))
    return weights / weights.sum(axis=-1, keepdims=True) if normalised else weights


def velocity_on_slope(beta: ArrayLike, k: ArrayLike, gradient: ArrayLike = 1.0) -> Any:
    """Velocity after k steps of a constant gradient from rest: gradient (1 - beta^k)/(1 - beta), gradient k at beta = 1.

    Args:
        beta: momentum, in [0, 1]; a number or an array.
        k: number of steps, whole and not negative; a number or an array.
        gradient: the constant gradient (default 1).

    >>> float(velocity_on_slope(0.5, 2))
    1.5
    """
    value, steps = np.broadcast_arrays(_momentum(beta), known(k, "k"))
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = -np.expm1(steps * np.log(value)) / (1 - value)
    grown = np.where(value == 1, steps, np.where(value == 0, np.minimum(steps, 1.0), grown))
    return (grown * known(gradient, "gradient"))[()]


def terminal_velocity(beta: ArrayLike, gradient: ArrayLike = 1.0) -> Any:
    """Velocity that a constant gradient ends at, gradient/(1 - beta): with alpha, steps 1/(1 - beta) times as long.

    Args:
        beta: momentum, in [0, 1]; a number or an array.
        gradient: the constant gradient (default 1).

    >>> float(terminal_velocity(0.75, gradient=2.0))
    8.0
    """
    return effective_window(beta) * known(gradient, "gradient")


def steps_to_speed(beta: ArrayLike, fraction: ArrayLike = 0.99) -> Any:
    """First step whose velocity has reached a fraction of the terminal one: the least k with 1 - beta^k >= fraction.

    Args:
        beta: momentum, in [0, 1]; a number or an array.
        fraction: share of the terminal velocity, in (0, 1) (default 0.99).

    Raises:
        BadInput: a fraction outside (0, 1).

    >>> [float(steps_to_speed(beta)) for beta in (0.0, 0.9, 0.99)]
    [1.0, 44.0, 459.0]
    """
    share = known(fraction, "fraction")
    if not np.all((share > 0) & (share < 1)):
        came = share.flat[np.argmax(~((share > 0) & (share < 1)))]
        raise BadInput(f"fraction = {came:g} is outside (0, 1): the terminal velocity itself is never reached; try 0.99")
    value, share = np.broadcast_arrays(_momentum(beta), share)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.log1p(-share) / np.log(value)
        k = np.maximum(np.ceil(exact), 1.0)
        early = 1 - value ** np.maximum(k - 1, 1) >= share  # rounding may have put the quotient just above a whole number
    k = np.where(early & (k > 1), k - 1, k)
    return np.where(value == 1, np.inf, np.where(value == 0, 1.0, k))[()]


def velocity_noise(beta: ArrayLike, variance: ArrayLike = 1.0) -> Any:
    """Variance of the velocity under independent gradient noise s^2: s^2/(1 - beta^2), where the curvature is negligible.

    Args:
        beta: momentum, in [0, 1]; a number or an array.
        variance: variance s^2 of one gradient (default 1).

    >>> [round(float(velocity_noise(beta)), 3) for beta in (0.5, 0.9, 0.99)]
    [1.333, 5.263, 50.251]
    """
    value = _momentum(beta)
    with np.errstate(divide="ignore"):
        return (known(variance, "variance") / ((1 - value) * (1 + value)))[()]


def noise_to_signal(beta: ArrayLike) -> Any:
    """Noise of the velocity per unit of speed, against that of one gradient: sqrt((1 - beta)/(1 + beta)).

    Args:
        beta: momentum, in [0, 1]; a number or an array.

    >>> round(float(noise_to_signal(0.9)), 4)
    0.2294
    """
    value = _momentum(beta)
    return np.sqrt((1 - value) / (1 + value))[()]
