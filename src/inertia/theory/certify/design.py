"""Methods designed for the worst case: search over (alpha, beta, gamma), no formula put in.

Three questions, each a search over the three numbers:

- `fastest`: the least certified rate. It re-finds the triple momentum method.
- `most_robust`: at a given rate, the largest least value of Re (1 - rho^2/z)(1 + D G(z)) on |z| = rho, the distance of the
  frequency response from where the proof ends. It re-finds the robust momentum method, whose response is a vertical line.
- `quietest` and `pareto`: at a given rate, the least noise that a worst quadratic attains; then rate and noise are certified.

(Van Scoy, Freeman and Lynch 2018; Cyrus, Hu, Van Scoy and Lessard 2018; Van Scoy and Lessard 2021.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...errors import BadInput
from ..modes import rate as mode_rate
from ..noise import stationary
from .frequency import sector_rate, sector_slack
from .robust import noise_gain
from .search import certify, in_class

__all__ = ["Design", "fastest", "most_robust", "pareto", "quietest", "response_margin"]

Array = NDArray[np.float64]

_CIRCLE = np.concatenate([np.linspace(0, np.pi, 400), np.geomspace(1e-5, 0.3, 100)])
_POINTS = 240  # angles of one rate in a search
_MODES = np.linspace(0, 1, 65)
_RESTARTS = 6
_LOOK = 80  # steps from every start where a step is dear
_OFFENCE = 100.0  # price of each unit that the asked rate's inequality is missed by


class Design(NamedTuple):
    """A designed method with what is certified about it."""

    method: Method
    rate: float  # certified
    gain: float  # certified noise gain, in units of distance per gradient noise
    quadratic_gain: float  # what the worst quadratic attains


def fastest(mu: float, L: float) -> Method:
    """The (alpha, beta, gamma) with the least rate that the off-by-one inequality proves; found by search from several starts.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    Raises:
        BadInput: mu <= 0 or mu > L.

    >>> round(float(sector_rate(fastest(1.0, 4.0), 1.0, 4.0)), 2)  # 1 - 1/sqrt kappa
    0.5
    """
    mu, L = in_class(mu, L)
    m = mu / L

    def cost(x: Array) -> float:
        found = float(sector_rate(Method(*x), m, 1.0, _POINTS)) if x[0] > 0 and abs(x[1]) < 1 else math.inf
        return math.log(found) if found < 1 else 1 + float(np.linalg.norm(x))

    return _scaled(_searched(cost, _starts(m)[::2], _LOOK), L)


def most_robust(mu: float, L: float, rho: float) -> Method:
    """The (alpha, beta, gamma) whose response keeps the largest margin at the rate rho: `response_margin` is its goal.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rho: rate per step that must be provable, below 1.

    Raises:
        BadInput: mu <= 0, mu > L, or a rho that no method reaches.

    >>> found = most_robust(0.1, 1.0, rho=0.8)
    >>> [round(float(value), 3) for value in found[:3]]
    [0.72, 0.569, 0.79]
    """
    mu, L = in_class(mu, L)
    m = mu / L
    _reachable(m, rho)
    return _scaled(_searched(lambda x: -response_margin(Method(*x), m, 1.0, rho), _starts(m)), L)


def response_margin(method: Method, mu: float, L: float, rho: float) -> float:
    """Least of Re (1 - rho^2/z)(1 + D G(z)) over |z| = rho; positive where the rate rho is provable with c = rho^2.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rho: radius of the circle: the rate per step, below 1.

    >>> round(response_margin(Method(1.0), 0.5, 1.0, rho=0.5), 6)  # robust momentum's robust end: a vertical line
    0.75
    """
    a, beta, gamma, m = float(method.alpha * L), float(method.beta), float(method.gamma), mu / L
    inner = float(mode_rate(Method(a, beta, gamma), m))
    if inner > rho * (1 + 1e-9) or a <= 0:
        return -10 * (1 + inner - rho) - max(-a, 0.0)
    p, q = 1 + beta - a * m * (1 + gamma), beta - a * m * gamma
    z = rho * (1 + 1e-9) * np.exp(1j * _CIRCLE)  # just outside, where a pole on the circle is still finite
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        response = ((1 - rho * rho / z) * (1 + (1 - m) * a * ((1 + gamma) * z - gamma) / (z * (z - p) + q))).real
    return float(np.min(np.where(np.isfinite(response), response, np.inf)))  # a pole on the circle itself pulls to one side only


def quietest(mu: float, L: float, rho: float) -> Method:
    """The (alpha, beta, gamma) with a provable rate of at most rho that lets the least gradient noise through on quadratics.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rho: rate per step that must be provable, below 1.

    Raises:
        BadInput: mu <= 0, mu > L, or a rho that no method reaches.

    >>> found = quietest(0.1, 1.0, rho=0.9)
    >>> float(sector_rate(found, 0.1, 1.0)) < 0.9001
    True
    """
    mu, L = in_class(mu, L)
    m = mu / L
    _reachable(m, rho)

    def cost(x: Array) -> float:
        if not (x[0] > 0 and abs(x[1]) < 1):
            return 1e3 + float(np.linalg.norm(x))
        method = Method(*x)
        with np.errstate(over="ignore"):
            noise = float(np.max(stationary(method, m + (1 - m) * _MODES).params))
        if not math.isfinite(noise):
            return 1e3 + float(np.linalg.norm(x))
        return math.log(noise) + _OFFENCE * max(-sector_slack(method, m, 1.0, rho), 0.0)

    robust = np.array(most_robust(m, 1.0, rho)[:3])
    return _scaled(_searched(cost, [robust, robust * [1, 0.95, 0.2], robust * [1.1, 0.9, 0.5]]), L)


def pareto(mu: float, L: float, count: int = 6) -> list[Design]:
    """Rate against noise: the quietest method for `count` rates from 1 - 1/sqrt kappa to 1 - 1/kappa, each certified exactly.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        count: number of rates, at least 2 (default 6).

    Raises:
        BadInput: mu <= 0, mu > L, or count < 2.
        MissingExtra: clarabel is not installed.
    """
    mu, L = in_class(mu, L)
    if count < 2:
        raise BadInput(f"count = {count} is too few: a trade-off has at least 2 points")
    kappa = L / mu
    designs = []
    for share in np.linspace(0.02, 1, count):  # the fast end itself leaves no room for a search
        method = quietest(mu, L, 1 - kappa ** -(0.5 + share / 2))
        found = certify(method, mu, L, memory=1)
        noise = noise_gain(method, mu, L)
        if found.rate is not None:
            designs.append(Design(method, found.rate, noise.gain, noise.quadratic))
    return designs


def _reachable(m: float, rho: float) -> None:
    if not 1 - math.sqrt(m) < rho < 1:
        raise BadInput(f"rho = {rho:g} is outside (1 - 1/sqrt kappa, 1) = ({1 - math.sqrt(m):g}, 1): no method is proved to be faster")


def _starts(m: float) -> list[Array]:
    """Places to begin, in units with L = 1: between plain descent and strong momentum, with and without look-ahead."""
    slow = (1 - math.sqrt(m)) / (1 + math.sqrt(m))
    return [np.array(start) for start in ([1.0, slow, slow], [1.0, 0.5 * slow, 0.2], [1.5, 0.6 * slow, 0.3 * slow], [0.8, slow**2, 0.5])]


def _searched(cost: Callable[[Array], float], starts: list[Array], short: int = 400) -> Array:
    """Nelder-Mead: a search of `short` steps from every start, then the best of them begun again until it stands still."""
    from scipy.optimize import minimize

    def descend(x: Array, steps: int) -> Any:
        return minimize(cost, x, method="Nelder-Mead", options={"maxiter": steps, "xatol": 1e-7, "fatol": 1e-10})

    best = min((descend(start, short) for start in starts), key=lambda found: float(found.fun))
    for _ in range(_RESTARTS):
        found = descend(best.x, 400)
        if not found.fun < best.fun - 1e-7:
            break
        best = found
    return np.asarray(best.x)


def _scaled(x: Array, L: float) -> Method:
    return Method(float(x[0]) / L, float(x[1]), float(x[2]))
