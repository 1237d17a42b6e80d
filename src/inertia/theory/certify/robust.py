"""What a method does with gradients that are not exact, over all mu-strongly convex L-smooth functions.

- Additive noise: every gradient carries independent zero-mean noise of variance sigma^2 per coordinate. Then, in n dimensions,
  lim sup (1/K) sum E |y_k - x*|^2 <= gain^2 n sigma^2 (a bound of H2 type; Van Scoy and Lessard 2021).
- Relative error: every gradient is off by at most `error` times its length, by an adversary. The rate that survives
  (Cyrus, Hu, Van Scoy and Lessard 2018; de Klerk, Glineur and Taylor 2020 for gradient descent).

Both are Lyapunov functions V = z'P z + t q_{k-1} of z = (xi_k, (xi_k - xi_{k-1})/c, w_{k-1}), in the notation of `dissipation`, with the
causal off-by-one inequality; noise enters z_{k+1} through xi_{k+1} alone, along a = alpha (1, 1/c, 0), so E V_{k+1} gains
a'P a sigma^2 and no more. Every number that is
returned was re-checked exactly.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method, checked
from ...errors import BadInput
from .dissipation import whole
from .exact import dyadic, exact, pivots
from .frequency import quadratic_rate
from .search import in_class
from .solver import maximise, stacked, symmetric

__all__ = ["NoiseGain", "error_rate", "error_tolerance", "noise_gain", "quadratic_noise_gain"]

Array = NDArray[Any]

_MARGINS = (1e-8, 1e-7, 1e-6, 1e-5)  # room left in the claims for rounding to fractions
_CLOSE = 1e-5


class NoiseGain(NamedTuple):
    """Root-mean-square distance of the gradient point from the optimum per unit of noise, and what quadratics attain."""

    gain: float  # proved for every function; infinite where no proof was found
    quadratic: float  # attained by the worst quadratic
    checked: bool


class _Rows(NamedTuple):
    """Rows over the basis (xi_k, v_k, w_{k-1}, s_k, e_k), units with L = 1; v = (xi_k - xi_{k-1})/c, e the gradient's error."""

    now: Array  # (3, 5) the state (xi_k, v_k, w_{k-1})
    then: Array  # (3, 5)
    s: Array  # (5,)
    w: Array
    before: Array  # w_{k-1}
    point: Array  # y_k
    gradient: Array  # the true one
    slip: Array  # e_k
    kick: Array  # (3,) how an error of the gradient enters the next state


def _rows(a: Any, beta: Any, gamma: Any, m: Any, c: float) -> _Rows:
    zero, one = 0 * a, 0 * a + 1
    c = type(one)(c)
    xi, velocity, before, s, slip = (np.array([one if i == j else zero for j in range(5)]) for i in range(5))
    point = xi + gamma * c * velocity
    gradient = s + m * point
    w = (1 - m) * point - s
    new = xi + beta * c * velocity - a * (gradient + slip)
    return _Rows(
        np.stack([xi, velocity, before]),
        np.stack([new, (new - xi) / c, w]),
        s,
        w,
        before,
        point,
        gradient,
        slip,
        np.array([a, a / c, zero]),
    )


def _paces(m: float) -> tuple[float, float]:
    """Units c of the velocity that are tried: 1, and a power of two near sqrt m, what a slow mode moves in a step of a fast method."""
    return 1.0, 2.0 ** round(np.log2(m) / 2)


def _twice(x: Array, y: Array) -> Array:
    outer = np.multiply.outer(x, y)
    return outer + outer.T


def _claims(rows: _Rows, P: Array, weights: Any, square: Any, error2: Any, output: Any) -> tuple[Array, Array]:
    """Twice the matrix rho^2 V - V_next - output |y|^2 - weights, and the rows of values; both must be >= 0.

    weights = (t, off-by-one, sector, error): all >= 0.
    """
    t, shift, sector, slip = weights
    matrix = 2 * (square * (rows.now.T @ P @ rows.now) - rows.then.T @ P @ rows.then)
    matrix = matrix - shift * _twice(rows.s, rows.w - rows.before) - sector * _twice(rows.s, rows.w)
    matrix = matrix - slip * (error2 * _twice(rows.gradient, rows.gradient) - _twice(rows.slip, rows.slip))
    return matrix - output * _twice(rows.point, rows.point), np.array([shift + sector - t, square * t - shift])


def _program(rows: _Rows, square: float, error2: float, output: float, noisy: bool) -> tuple[Array, list[Array]]:
    """Columns of the claims for the unknowns (P, t, off-by-one, sector, error, 1), and the matrices of the units of P."""
    units = list(symmetric(np.eye(6), 3))
    size = slice(0, 4) if noisy else slice(0, 5)  # noise that is averaged away leaves no error e
    columns = []
    for unknown in np.eye(11):
        P = sum(x * unit for x, unit in zip(unknown[:6], units, strict=True))
        matrix, values = _claims(rows, P, unknown[6:10], square, error2, output * unknown[10])
        columns.append(np.concatenate([stacked(matrix[size, size]), stacked(P), values, unknown[6:10]]))
    return np.stack(columns, axis=1), units


def noise_gain(method: Method, mu: float, L: float) -> NoiseGain:
    """Worst-case noise gain over all mu-strongly convex, L-smooth functions, with an exactly checked proof.

    gain = sqrt(a'P a), the least that the off-by-one inequality proves; never below what a quadratic attains.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    Raises:
        BadInput: a method that cannot be run, mu <= 0 or mu > L.
        MissingExtra: clarabel is not installed.

    >>> found = noise_gain(Method(1.0), 0.5, 1.0)
    >>> round(found.gain, 3), round(found.quadratic, 3)
    (1.155, 1.155)
    """
    method = checked(method)
    mu, L = in_class(mu, L)
    attained = quadratic_noise_gain(method, mu, L)
    if not np.isfinite(attained):
        return NoiseGain(np.inf, attained, False)
    gains = [_least_gain(method, mu, L, attained, c) for c in _paces(mu / L)]
    gain = max(min(gains), attained)  # floats: the proof may reach what is attained to the last digit
    return NoiseGain(gain, attained, bool(np.isfinite(gain)))


def _least_gain(method: Method, mu: float, L: float, attained: float, c: float) -> float:
    """The least gain whose proof passes the exact check, infinite where none does."""
    output = 1 / (attained * L) ** 2  # scales the program so that its answer is near 1
    loose = _rows(float(method.alpha * L), float(method.beta), float(method.gamma), mu / L, c)
    claims, units = _program(loose, 1.0, 0.0, output, noisy=True)
    goal = np.zeros(11)
    goal[:6] = [-(loose.kick @ unit @ loose.kick) for unit in units]
    floor = np.concatenate([stacked(np.eye(4)), stacked(np.eye(3)), np.zeros(6)])
    alpha, b, g, low, high = exact([*method[:3], mu, L])
    rows = _rows(alpha * high, b, g, low / high, c)
    for margin in _MARGINS:
        room = claims.copy()
        room[:, -1] -= margin * floor
        x = maximise(goal, room, (4, 3), np.eye(11)[-1])
        if x is None:
            continue
        P, weights = dyadic(symmetric(x[:6], 3)), dyadic(np.maximum(x[6:10], 0.0))
        if _holds(_claims(rows, P, weights, Fraction(1), Fraction(0), Fraction(output)), P, 4):
            return float(rows.kick @ P @ rows.kick / Fraction(output)) ** 0.5 / L  # in units with L = 1 the noise is sigma/L
    return np.inf


def quadratic_noise_gain(method: Method, mu: float, L: float) -> float:
    """Largest root-mean-square distance on a quadratic with curvature in [mu, L], per unit of noise: attained.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> round(quadratic_noise_gain(Method(1.0), 0.5, 1.0), 6)
    1.154701
    """
    from ..noise import stationary

    with np.errstate(over="ignore", invalid="ignore"):
        variance = np.asarray(stationary(method, np.linspace(mu, L, 2001)).params, dtype=float)
    return float(np.sqrt(np.max(variance)))


def error_rate(method: Method, mu: float, L: float, error: float) -> float:
    """Smallest exactly checked rate when every gradient may be off by `error` times its length; infinite where none < 1.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        error: largest error of a gradient as a share of its length, in [0, 1).

    Raises:
        BadInput: error outside [0, 1), a method that cannot be run, mu <= 0 or mu > L.
        MissingExtra: clarabel is not installed.

    >>> round(error_rate(Method(1.0), 0.5, 1.0, error=0.1), 4)  # 1 - alpha mu (1 - error)
    0.55
    """
    method = checked(method)
    mu, L = in_class(mu, L)
    if not 0 <= error < 1:
        raise BadInput(f"error = {error:g} is outside [0, 1): at 1 a gradient may be anything, even 0; try 0.1")
    low, high, best = float(quadratic_rate(method, mu, L)), 1 - 1e-6, np.inf
    if low >= 1 or not _survives(method, mu, L, error, high):
        return float(best)
    best = high
    while high - low > _CLOSE * (1 - low):
        middle = (low + high) / 2
        low, high = (low, middle) if _survives(method, mu, L, error, middle) else (middle, high)
    return float(high)


def error_tolerance(method: Method, mu: float, L: float) -> float:
    """Largest relative gradient error with which the method is proved to converge at all (0 where none is).

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    Raises:
        BadInput: a method that cannot be run, mu <= 0 or mu > L.
        MissingExtra: clarabel is not installed.

    >>> error_tolerance(Method(1.0), 0.5, 1.0) > 0.9
    True
    """
    method = checked(method)
    mu, L = in_class(mu, L)
    edge = 1 - 1e-6
    low, high = 0.0, 1.0
    if float(quadratic_rate(method, mu, L)) >= 1 or not _survives(method, mu, L, 0.0, edge):
        return 0.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if _survives(method, mu, L, middle, edge) else (low, middle)
    return low


def _survives(method: Method, mu: float, L: float, error: float, rate: float) -> bool:
    """Whether a proof of the rate under this relative error is found and passes the exact check."""
    return any(_survives_in(method, mu, L, error, rate, c) for c in _paces(mu / L))


def _survives_in(method: Method, mu: float, L: float, error: float, rate: float, c: float) -> bool:
    loose = _rows(float(method.alpha * L), float(method.beta), float(method.gamma), mu / L, c)
    claims, _ = _program(loose, rate * rate, error * error, 0.0, noisy=False)
    claims[:, -1] = -np.concatenate([stacked(np.eye(5)), stacked(np.eye(3)), np.zeros(6)])  # the last unknown is the margin
    level = np.concatenate([[1.0, 0, 1, 0, 0, 1], np.ones(4), [0.0]])
    x = maximise(np.eye(11)[-1], claims, (5, 3), level)
    if x is None or x[-1] <= 0:
        return False
    P, weights = dyadic(symmetric(x[:6], 3)), dyadic(np.maximum(x[6:10], 0.0))
    alpha, b, g, low, high = exact([*method[:3], mu, L])
    rows = _rows(alpha * high, b, g, low / high, c)
    return _holds(_claims(rows, P, weights, Fraction(rate) ** 2, Fraction(error) ** 2, Fraction(0)), P, 5)


def _holds(claims: tuple[Array, Array], P: Array, size: int) -> bool:
    matrix, values = claims
    return bool(all(value >= 0 for value in values)) and all(pivots(whole(block))[-1] > 0 for block in (matrix[:size, :size], P))
