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

import functools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...method import Method
from ..modes import rate as mode_rate

__all__ = ["quadratic_rate", "sector_rate"]

Array = NDArray[np.float64]

_CHUNK = 256  # methods per block: the block stays in the cache
_HALVINGS = 30
_SLACK = 1e-12  # rounding allowed in the inequality, relative to |1 + D G|; the exact check comes after


@functools.cache
def _circle(points: int) -> NDArray[np.complex128]:
    """Angles on the upper half circle, half of them even and half crowding towards 0, where slow modes live."""
    even = np.linspace(0, np.pi, points // 2)
    low = np.geomspace(1e-6, 0.3, points - points // 2)
    return np.exp(1j * np.unique(np.concatenate([even, low])))


def quadratic_rate(method: Method, mu: float, L: float) -> Any:
    """Worst rate on the quadratics with curvatures in [mu, L], attained there: what no certificate can be below.

    max of the mode's rate at mu and at L: along h the rate is the larger of two functions that each have no interior
    maximum above the ends (checked by brute force in the tests).

    >>> float(quadratic_rate(Method(2 / 1.1), 0.1, 1.0).round(6))
    0.818182
    """
    return np.maximum(mode_rate(method, mu), mode_rate(method, L))


def sector_rate(method: Method, mu: ArrayLike, L: ArrayLike, points: int = 1200) -> Any:
    """Least rate that the off-by-one inequality proves on all mu-strongly convex L-smooth functions; inf where none < 1.

    Fields of the method, mu and L broadcast. Accurate to about 1/points^2 of 1 - rate.

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
    """Bisection over rho for each column (a, beta, gamma, m)."""
    a, beta, gamma, m = table
    p, q = 1 + beta - a * m * (1 + gamma), beta - a * m * gamma
    alone = mode_rate(Method(a, beta, gamma), m)  # the roots at m, which the circle must enclose
    low = np.maximum(alone, mode_rate(Method(a, beta, gamma), 1.0))
    high = np.full_like(a, 1.0)
    provable = (low < 1) & _feasible(a, gamma, m, p, q, high, points)
    answer = np.full_like(a, np.inf)
    pick = np.flatnonzero(provable)
    a, gamma, m, p, q, low, high = (value[pick] for value in (a, gamma, m, p, q, low, high))
    low = low * (1 - 1e-12)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        works = _feasible(a, gamma, m, p, q, middle, points)
        low, high = np.where(works, low, middle), np.where(works, middle, high)
    answer[pick] = np.where(high < 1, high, np.inf)
    return answer


def _feasible(a: Array, gamma: Array, m: Array, p: Array, q: Array, rho: Array, points: int) -> Any:
    """Whether some c in [0, rho^2] satisfies the inequality at every angle: (methods,) booleans."""
    a, gamma, m, p, q, rho = (value[:, None] for value in (a, gamma, m, p, q, rho))
    z = rho * _circle(points)  # (methods, points)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        turned = 1 + (1 - m) * a * ((1 + gamma) * z - gamma) / (z * (z - p) + q)
        turned = turned / np.abs(turned)
        shifted = (turned / z).real * rho  # of size 1
        bound = (turned.real + _SLACK) / shifted
    least = np.max(np.where(shifted < 0, bound, 0.0), axis=1)
    most = np.min(np.where(shifted > 0, bound, np.inf), axis=1)
    return least <= np.minimum(most, rho[:, 0])  # c = rho * bound, c <= rho^2
