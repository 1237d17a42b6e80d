"""The smallest provable rate from the frequency response: for whole arrays of methods at once, and no solver.

With L = 1, D = 1 - m and the method's response to the shifted gradient on the circle |z| = rho,

    G(z) = a ((1 + gamma) z - gamma)/(z^2 - p z + q),   p = 1 + beta - a m (1 + gamma),   q = beta - a m gamma,

the off-by-one inequality proves the rate rho where the roots at m lie inside the circle and some c in [0, rho^2] has

    Re (1 - c/z)(1 + D G(z)) >= 0   for every z = rho exp(i w)

(Lessard, Recht and Packard 2016, through the Kalman-Yakubovich-Popov lemma). For every w that bounds c from one side, so
one rho is decided by a maximum and a minimum, and the least rho by bisection. The answer is a float: it says where a
proof is to be found, and is never itself called one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.method import Method
from ..modes import rate as mode_rate

__all__ = ["quadratic_rate", "sector_rate", "sector_slack"]

Array = NDArray[np.float64]

_CHUNK = 256  # methods per block: the block stays in the cache
_HALVINGS = 24
_BETWEEN = np.linspace(0, 1, 17)
_SLACK = 1e-12  # rounding allowed in the inequality, relative to |1 + D G|; the exact check comes after


class _Responses(NamedTuple):
    """Coefficients of the responses of many methods, each (methods,)."""

    a: Array
    gamma: Array
    m: Array
    p: Array
    q: Array


def _angles(p: Array, q: Array, points: int) -> Array:
    """Angles (methods, points) in [0, pi], sorted: some even, the rest crowding to 0, to pi and to the ringing angle."""
    ringing = np.arccos(np.clip(p / (2 * np.sqrt(np.maximum(q, 1e-300))), -1, 1))[:, None]
    near = np.geomspace(1e-6, 1, points // 6) * np.pi
    fixed = np.concatenate([np.linspace(0, np.pi, points // 4), np.geomspace(1e-6, 1, points // 4) * np.pi, np.pi - near])
    spread = np.concatenate([np.tile(fixed, (len(p), 1)), ringing + near, ringing - near], axis=1)
    return np.sort(np.minimum(np.abs(spread), np.pi), axis=1)


def quadratic_rate(method: Method, mu: float, L: float) -> Any:
    """Worst rate on the quadratics with curvatures in [mu, L], attained there: what no certificate can be below.

    max of the mode's rate at mu and at L: along h the rate is the larger of two functions that each have no interior
    maximum above the ends (checked by brute force in the tests).

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> float(quadratic_rate(Method(2 / 1.1), 0.1, 1.0).round(6))
    0.818182
    """
    with np.errstate(over="ignore"):
        return np.maximum(mode_rate(method, mu), mode_rate(method, L))


def sector_rate(method: Method, mu: ArrayLike, L: ArrayLike, points: int = 800) -> Any:
    """Least rate that the off-by-one inequality proves on all mu-strongly convex L-smooth functions; inf where none < 1.

    Fields of the method, mu and L broadcast. Good to about 1e-5 of 1 - rate.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        points: frequencies on the half circle at which the condition is checked (default 800).

    >>> float(sector_rate(Method(2 / 1.1), 0.1, 1.0).round(5))
    0.81818
    """
    fields = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (*method[:3], mu, L)))
    shape = fields[0].shape
    alpha, beta, gamma, low, high = (field.ravel() for field in fields)
    table = np.stack([alpha * high, beta, gamma, low / high])  # (4, methods)
    found = [_least(table[:, start : start + _CHUNK], points) for start in range(0, table.shape[1], _CHUNK)]
    return np.concatenate(found).reshape(shape)[()] if found else np.empty(shape)


def _least(table: Array, points: int) -> Array:
    """Bisection over rho for each column (a, beta, gamma, m), between the quadratic rate and 1."""
    a, beta, gamma, m = table
    p, q = 1 + beta - a * m * (1 + gamma), beta - a * m * gamma
    floor = np.maximum(mode_rate(Method(a, beta, gamma), m), mode_rate(Method(a, beta, gamma), 1.0))
    answer = np.full_like(a, np.inf)
    left = np.flatnonzero(floor < 1)
    method, angles = _Responses(a, gamma, m, p, q), _angles(p, q, points)

    def works(rho: Array) -> Any:
        return _feasible(_Responses(*(value[left] for value in method)), rho, angles[left])

    left = left[works(np.ones(len(left)))]
    tight = np.minimum(floor[left] * (1 + 1e-9), 1.0)  # often nothing is lost beyond quadratics: look there first
    done = works(tight)
    answer[left[done]] = tight[done]
    left = left[~done]
    low, high = floor[left], np.ones(len(left))
    for _ in range(_HALVINGS if len(left) else 0):
        middle = (low + high) / 2
        good = works(middle)
        low, high = np.where(good, low, middle), np.where(good, middle, high)
    answer[left] = high
    return np.where(answer < 1, answer, np.inf)


def sector_slack(method: Method, mu: float, L: float, rho: float, points: int = 240) -> float:
    """Room for c/rho at the rate rho: not negative where the off-by-one inequality proves it, and continuous in the method.

    Where a root at mu leaves the circle it is minus the distance instead.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rho: rate per step, in (0, 1).
        points: frequencies on the half circle at which the condition is checked (default 240).

    >>> sector_slack(Method(1.0), 0.5, 1.0, 0.6) > 0, sector_slack(Method(1.0), 0.5, 1.0, 0.4) > 0
    (True, False)
    """
    a, beta, gamma, m = (np.array([float(value)]) for value in (method.alpha * L, method.beta, method.gamma, mu / L))
    p, q = 1 + beta - a * m * (1 + gamma), beta - a * m * gamma
    outside = float(mode_rate(Method(a, beta, gamma), m)[0]) - rho
    if outside > 0:
        return -1 - outside
    return float(_slack(_Responses(a, gamma, m, p, q), np.array([rho]), _angles(p, q, points))[0])


def _feasible(method: _Responses, rho: Array, angles: Array) -> Any:
    """Whether some c in [0, rho^2] satisfies the inequality at every angle: (methods,) booleans."""
    return _slack(method, rho, angles) >= 0


def _slack(method: _Responses, rho: Array, angles: Array) -> Any:
    """Length of the interval that is left for c/rho, c in [0, rho^2]; negative where it is empty."""
    least, most = _bounds(method, rho, angles)
    ends = []
    for bound, place in ((least, np.argmax(least, axis=1)), (most, np.argmin(most, axis=1))):
        left, right = np.maximum(place - 1, 0), np.minimum(place + 1, angles.shape[1] - 1)
        left, right = (np.take_along_axis(angles, index[:, None], axis=1) for index in (left, right))
        finer = _bounds(method, rho, left + (right - left) * _BETWEEN)  # the extremum lies between two angles: look there again
        ends.append(np.max(finer[0], axis=1) if bound is least else np.min(finer[1], axis=1))
    return np.minimum(ends[1], rho) - ends[0]


def _bounds(method: _Responses, rho: Array, angles: Array) -> tuple[Array, Array]:
    """What every angle asks of c/rho: at least (0 where it asks nothing), at most (infinity likewise)."""
    a, gamma, m, p, q = (value[:, None] for value in method)
    z = rho[:, None] * np.exp(1j * angles)  # (methods, points)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        turned = 1 + (1 - m) * a * ((1 + gamma) * z - gamma) / (z * (z - p) + q)
        turned = turned / np.abs(turned)
        shifted = (turned / z).real * rho[:, None]  # of size 1
        bound = (turned.real + _SLACK) / shifted
    return np.where(shifted < 0, bound, 0.0), np.where(shifted > 0, bound, np.inf)
