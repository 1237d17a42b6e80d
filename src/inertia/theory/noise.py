"""What gradient noise does: it enters a mode once per step and is remembered like everything else.

With the iterate xi behind the params and u = alpha * velocity, every method is a heavy ball of momentum q = beta - alpha h gamma:

    u[k+1] = q u[k] + alpha (h xi[k] + noise),   xi[k+1] = xi[k] - u[k+1],   params = xi - gamma u.

So one formula serves the family: the mean decays (the transient phase), the variance climbs to a floor (the fine-tuning
phase), and the step where they cross divides a run in two. Noise is additive, independent from step to step, of a
variance s^2 per mode. (Polyak 1987, section 2.2; Goh 2017, "Momentum with Stochastic Gradients".)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known
from ..core.method import Method
from ..core.method import fields as numbers
from ..core.spectrum import Spectrum, given
from .modes import coefficients, iterate, stable

__all__ = ["Moments", "Split", "Stationary", "crossing", "floor", "moments", "split", "stationary"]

Array = NDArray[np.float64]
_CROSSING_LIMIT = 10**6  # steps looked at before a ringing transient is called endless


class Stationary(NamedTuple):
    """Variances once a mode has forgotten its start: infinite where it never does."""

    params: Any  # Var of params, where the gradient is taken and the loss is read
    velocity: Any  # Var of the velocity, in squared gradient units
    covariance: Any  # Cov(params, velocity)
    hidden: Any  # Var of the iterate xi behind the params (equal to params for gamma = 0)
    hidden_covariance: Any  # Cov(xi, velocity)


def stationary(method: Method, curvature: ArrayLike, variance: ArrayLike = 1.0) -> Stationary:
    """Stationary variances of one mode under gradient noise of the given variance s^2; methods and curvatures broadcast.

    With q = beta - alpha h gamma and D = 2 + 2 beta - alpha h (1 + 2 gamma):
    Var xi = alpha s^2 (1 + q)/(h (1 - q) D), Var v = 2 s^2/((1 - q) D), Cov(xi, v) = -alpha s^2/((1 - q) D),
    Var params = Var xi + 2 gamma (1 + gamma) alpha^2 s^2/((1 - q) D). Infinite at and beyond the edge; at h = 0 the
    params walk away (infinite) while the velocity settles at s^2/(1 - beta^2).

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.
        variance: variance s^2 of the gradient noise along this mode (default 1).

    >>> round(float(stationary(Method(0.1, beta=0.9), 1.0).hidden), 6)
    0.513514
    """
    h, s2 = known(curvature, "curvature"), known(variance, "variance")
    alpha, _, gamma, _ = numbers(method)
    q = np.asarray(coefficients(method, h)[1])
    distance = 2 * (1 + q) - alpha * h  # D: how far the edge is
    settles = np.asarray(stable(method, h))
    calm = settles | ((h == 0) & (np.abs(q) < 1))  # the velocity of a flat mode settles although its params do not
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        unit = s2 / ((1 - q) * distance)
        hidden = alpha * (1 + q) * unit / h
        params = hidden + 2 * gamma * (1 + gamma) * alpha * (alpha * unit)
        across = -alpha * unit - 2 * alpha * gamma * unit
    flat = s2 == 0

    def where(condition: Any, value: Any, otherwise: float) -> Any:
        return np.where(flat, 0.0, np.where(condition, value, otherwise))[()]

    return Stationary(
        params=where(settles, params, np.inf),
        velocity=where(calm, 2 * unit, np.inf),
        covariance=where(calm, across, -np.inf),
        hidden=where(settles, hidden, np.inf),
        hidden_covariance=where(calm, -alpha * unit, -np.inf),
    )


class Moments(NamedTuple):
    """Mean and covariance of (params, velocity) after k noisy steps."""

    mean: Any
    velocity_mean: Any
    variance: Any
    velocity_variance: Any
    covariance: Any


def moments(
    method: Method, curvature: ArrayLike, k: ArrayLike, params: ArrayLike = 1.0, velocity: ArrayLike = 0.0, variance: ArrayLike = 1.0
) -> Moments:
    """Exact mean and covariance of one mode after k steps from a known start; all arguments broadcast.

    The covariance obeys P[a+b] = P[b] + R^b P[a] (R^b)^T, so k is reached by doubling: 10^9 steps cost thirty. Sums of
    non-negative terms, hence exact at double roots, at rate 1 and beyond; overflow gives inf.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.
        k: number of steps, whole and not negative; a number or an array.
        params: coordinate at the start, measured from the minimum (default 1).
        velocity: velocity at the start, in units of the gradient (default 0).
        variance: variance s^2 of the gradient noise along this mode (default 1).

    Raises:
        BadInput: k negative or not whole.

    >>> round(float(moments(Method(0.1, beta=0.9), 1.0, 10**6).variance), 6)
    0.513514
    """
    mean = iterate(method, curvature, k, params, velocity)
    h, s2, steps = known(curvature, "curvature"), known(variance, "variance"), known(k, "k")
    alpha, beta, gamma, _ = numbers(method)
    h, s2, steps, alpha, beta, gamma = np.broadcast_arrays(h, s2, steps, alpha, beta, gamma)
    yy, yv, vv = (np.where(np.isnan(part), np.inf, part) for part in _doubled(h, alpha, beta, gamma, s2, steps))
    return Moments(mean.params, mean.velocity, yy[()], vv[()], yv[()])


def _doubled(h: Array, alpha: Array, beta: Array, gamma: Array, s2: Array, k: Array) -> tuple[Any, ...]:
    """The covariance of (params, velocity) after k steps, from the bits of k."""
    # in the unit of alpha times the velocity, so that no scale of curvature leaves floating point before the variance does
    step = (1 - alpha * (1 + gamma) * h, gamma - (1 + gamma) * beta, alpha * h, beta)
    push = alpha * np.sqrt(s2)
    kick = (((1 + gamma) * push) ** 2, -(1 + gamma) * push * push, push * push)
    one, zero = np.ones(k.shape), np.zeros(k.shape)
    power: tuple[Any, ...] = (one, zero, zero, one)
    spread: tuple[Any, ...] = (zero, zero, zero)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for bit in range(int(np.max(k, initial=0)).bit_length() - 1, -1, -1):
            spread = tuple(a + b for a, b in zip(spread, _carried(power, spread), strict=True))
            power = _product(power, power)
            odd = np.floor(k / 2.0**bit) % 2 == 1
            moved = tuple(a + b for a, b in zip(kick, _carried(step, spread), strict=True))
            spread = tuple(np.where(odd, a, b) for a, b in zip(moved, spread, strict=True))
            power = tuple(np.where(odd, a, b) for a, b in zip(_product(step, power), power, strict=True))
        return spread[0], spread[1] / alpha, spread[2] / alpha / alpha


def _carried(r: Any, p: Any) -> tuple[Any, Any, Any]:
    """R P R^T of a symmetric P = (yy, yv, vv)."""
    a, b, c, d = r
    yy, yv, vv = p
    return (
        a * a * yy + 2 * a * b * yv + b * b * vv,
        a * c * yy + (a * d + b * c) * yv + b * d * vv,
        c * c * yy + 2 * c * d * yv + d * d * vv,
    )


def _product(r: Any, s: Any) -> tuple[Any, Any, Any, Any]:
    return (r[0] * s[0] + r[1] * s[2], r[0] * s[1] + r[1] * s[3], r[2] * s[0] + r[3] * s[2], r[2] * s[1] + r[3] * s[3])


def floor(method: Method, spectrum: Spectrum) -> Any:
    """Excess loss that constant noise keeps up for ever, 1/2 sum h Var params: shape (*methods); inf beyond the edge.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.

    >>> from ..core.spectrum import spectrum
    >>> round(float(floor(Method(0.019801980198), spectrum(1.0, noise=9.0))), 4)
    0.045
    """
    given(spectrum)
    live = (spectrum.noise > 0) & (spectrum.curvatures != 0)
    h, s2 = spectrum.curvatures[live], spectrum.noise[live]
    return (0.5 * np.sum(h * stationary(_spread(method), h, s2).params, axis=-1))[()]


class Split(NamedTuple):
    """Expected excess loss after k steps: what is left of the start, and what the noise has brought."""

    bias: Any
    noise: Any


def split(method: Method, spectrum: Spectrum, k: ArrayLike) -> Split:
    """Bias and noise part of the expected excess loss after k steps, for any k: shapes (*broadcast of methods and k).

    bias = 1/2 sum h mean^2, noise = 1/2 sum h Var; their sum is `quadratic.loss_curve` at k.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        k: number of steps, whole and not negative; a number or an array.

    >>> from ..core.spectrum import spectrum
    >>> [float(part) for part in split(Method(0.5), spectrum([1.0, 2.0]), 1)]
    [0.125, 0.0]
    """
    given(spectrum)
    live = spectrum.curvatures != 0
    h, weights, s2 = spectrum.curvatures[live], spectrum.weights[live], spectrum.noise[live]
    steps = known(k, "k")[..., None]
    each = _spread(method)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        bias = 0.5 * np.sum(h * _squared(iterate(each, h, steps, np.sqrt(weights)).params), axis=-1)
        shape = np.broadcast_shapes(*(np.shape(field) for field in method), np.shape(k))
        noise = np.zeros(shape)
        loud = s2 > 0
        if np.any(loud):
            noise = 0.5 * np.sum(h[loud] * moments(each, h[loud], steps, variance=s2[loud]).variance, axis=-1)
    return Split(_whole(np.broadcast_to(bias, shape)), _whole(noise))


def crossing(method: Method, spectrum: Spectrum) -> Any:
    """First step whose bias is below its noise: left of it the transient phase, right of it fine-tuning. Shape (*methods).

    Infinite without noise, beyond the edge, and where the transient rings for more than 10^6 steps.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.

    >>> from ..core.spectrum import spectrum
    >>> int(crossing(Method(0.0330578512, beta=0.6694214876), spectrum(1.0, weights=3.0, noise=9.0)))
    11
    """
    given(spectrum)
    given_fields = numbers(method)
    shape = np.broadcast_shapes(*(np.shape(field) for field in given_fields))
    fields = [np.broadcast_to(field, shape).ravel() for field in given_fields]
    found = np.full(fields[0].shape, np.inf)
    live = (spectrum.curvatures != 0) & ((spectrum.weights > 0) | (spectrum.noise > 0))
    if not np.any(spectrum.noise[live] > 0):
        return found.reshape(shape)[()]
    h = spectrum.curvatures[live]
    settles = np.all(np.asarray(stable(_spread(Method(*fields)), h)), axis=-1)
    falls = settles & np.all(_falling(_spread(Method(*fields)), h), axis=-1)  # then bisection is exact
    for index in np.flatnonzero(falls):
        found[index] = _bisected(Method(*(field[index] for field in fields)), spectrum)
    rings = np.flatnonzero(settles & ~falls)
    if rings.size:
        parts = (spectrum.weights[live], spectrum.noise[live])
        found[rings] = _first_below(Method(*(field[rings] for field in fields)), h, *parts)
    return found.reshape(shape)[()]


def _falling(method: Method, h: Array) -> NDArray[np.bool_]:
    """Modes whose params go from the start to 0 and never back: positive roots with positive shares, or plain descent."""
    p, q = coefficients(method, h)
    disc = p * p - 4 * q
    larger = (p + np.sqrt(np.maximum(disc, 0))) / 2
    creeps = (disc >= 0) & (p >= 0) & (q >= 0) & (larger >= method.beta) & (method.alpha * h * (1 + method.gamma) >= 0)
    return np.asarray(creeps | ((np.asarray(method.beta) == 0) & (np.asarray(method.gamma) == 0)))


def _first_below(method: Method, h: Array, weights: Array, s2: Array) -> Array:
    """First step with bias < noise of stable methods (P,), by the plain recursion of all that have not crossed yet."""
    found, rows = np.full(method.alpha.shape, np.inf), np.arange(method.alpha.size)
    x, u = np.broadcast_to(np.sqrt(weights), (rows.size, h.size)), np.zeros((rows.size, h.size))
    kick = np.asarray(method.alpha)[:, None] * np.sqrt(s2)
    nx, nu, noise = -kick, kick, np.zeros(rows.size)
    ah, gamma = np.asarray(method.alpha)[:, None] * h, np.asarray(method.gamma)[:, None]
    q = np.asarray(method.beta)[:, None] - ah * gamma
    for k in range(_CROSSING_LIMIT):
        with np.errstate(under="ignore"):
            below = (x - gamma * u) ** 2 @ h * 0.5 < noise
            if np.any(below):
                found[rows[below]] = k
                rows, x, u, nx, nu, noise, ah, gamma, q = (part[~below] for part in (rows, x, u, nx, nu, noise, ah, gamma, q))
            if not rows.size:
                break
            noise = noise + (nx - gamma * nu) ** 2 @ h * 0.5  # what one unit of noise leaves after k + 1 steps
            u, nu = q * u + ah * x, q * nu + ah * nx
            x, nx = x - u, nx - nu
    return found


def _bisected(method: Method, spectrum: Spectrum) -> float:
    """First step with bias < noise where the bias only falls and the noise only climbs."""

    def crossed(k: int) -> bool:
        parts = split(method, spectrum, k)
        return bool(parts.bias < parts.noise)

    low, high = 0, 1
    while not crossed(high):
        low, high = high, 2 * high
        if high > 2**60:
            return float("inf")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if crossed(middle) else (middle + 1, high)
    return float(low)


def _spread(method: Method) -> Method:
    """The methods with an axis of modes behind them."""
    return Method(*(field[..., None] for field in numbers(method)))


def _squared(value: Any) -> Any:
    return value * value


def _whole(value: Any) -> Any:
    return np.where(np.isnan(value), np.inf, value)[()]
