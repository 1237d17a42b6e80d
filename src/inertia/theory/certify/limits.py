"""What no first-order method can beat, class by class, and how far each method stays from it.

A limit is a curve over the number k of gradients: whatever the method, some function of the class (in enough dimensions)
leaves at least this much. All four are exact: a method attains each of them.

    quadratics        |x_k - x*|/R         2/(q^k + q^-k),  q = (sqrt kappa - 1)/(sqrt kappa + 1)     Chebyshev semi-iteration
    strongly convex   |x_k - x*|/R         1/sqrt(1 + (mu/L) A_k)                                     the information-theoretic exact method
    convex            (f - f*)/(L R^2/2)   1/theta_k^2                                                the optimized gradient method
    convex quadratics (f - f*)/(L R^2/2)   1/(2k + 1)^2                                               shifted Chebyshev polynomials
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.method import Method
from ...errors import BadInput, nearest
from ..catalog import CATALOG
from .frequency import quadratic_rate
from .search import certify, in_class

__all__ = ["FASTEST", "LIMITS", "Distance", "Limit", "distance", "distances", "fastest_for", "limit_curve"]

Array = NDArray[np.float64]


class Limit(NamedTuple):
    """The lower bound of one class of functions."""

    name: str
    quantity: str  # what the curve bounds
    curve: Callable[[float, float, Array], Array]  # (mu, L, k) -> bound
    rate: Callable[[float, float], float]  # factor per step it approaches; 1 where it falls slower than any power
    attained: str  # a method that meets it
    cite: str


def _quadratics(mu: float, L: float, k: Array) -> Array:
    q = _chebyshev_rate(mu, L)
    return 2 * q**k / (1 + q ** (2 * k))


def _chebyshev_rate(mu: float, L: float) -> float:
    low, high = math.sqrt(mu), math.sqrt(L)
    return (high - low) / (high + low)


def _strongly_convex(mu: float, L: float, k: Array) -> Array:
    """A_0 = 0, A' = ((1 + q) A + 2 (1 + sqrt((1 + A)(1 + q A))))/(1 - q)^2, written for B = 1 + q A so that nothing overflows."""
    q = mu / L
    if q == 1:
        return np.where(k == 0, 1.0, 0.0)
    logs = [0.0]  # log(1 + q A_k)
    A = 0.0
    for _ in range(int(np.max(k, initial=0))):
        if A > 1e200:  # from here on the growth is the limit's to every digit
            logs.append(logs[-1] - 2 * math.log1p(-math.sqrt(q)))
            continue
        A = ((1 + q) * A + 2 * (1 + math.sqrt((1 + A) * (1 + q * A)))) / (1 - q) ** 2
        logs.append(math.log1p(q * A))
    return np.asarray(np.exp(-0.5 * np.array(logs)[k.astype(int)]))


def _convex(mu: float, L: float, k: Array) -> Array:
    """theta_0 = 1, theta_i = (1 + sqrt(1 + 4 theta_{i-1}^2))/2, and the last one with 8 for 4; 1 at k = 0."""
    theta, last = [1.0], [1.0]
    for _ in range(int(np.max(k, initial=0))):
        last.append((1 + math.sqrt(1 + 8 * theta[-1] ** 2)) / 2)
        theta.append((1 + math.sqrt(1 + 4 * theta[-1] ** 2)) / 2)
    return 1 / np.array(last)[k.astype(int)] ** 2


def _convex_quadratics(mu: float, L: float, k: Array) -> Array:
    return 1 / (2 * k + 1) ** 2


def _accelerated(mu: float, L: float) -> float:
    return 1 - math.sqrt(mu / L)


LIMITS: dict[str, Limit] = {
    limit.name: limit
    for limit in (
        Limit("quadratic", "distance", _quadratics, _chebyshev_rate, "Chebyshev semi-iteration", "Nemirovski and Yudin 1983"),
        Limit("strongly-convex", "distance", _strongly_convex, _accelerated, "ITEM (Taylor and Drori 2023)", "Drori and Taylor 2022"),
        Limit("convex", "loss", _convex, lambda mu, L: 1.0, "OGM (Kim and Fessler 2016)", "Drori 2017"),
        Limit("convex-quadratic", "loss", _convex_quadratics, lambda mu, L: 1.0, "Chebyshev polynomials", "Nemirovski 1992"),
    )
}


def limit_curve(name: str, mu: float, L: float, steps: ArrayLike) -> Any:
    """The lower bound of a class after so many gradients, as a factor of R (distance) or of L R^2/2 (loss).

    Classes: quadratic, strongly-convex (both need mu > 0), convex and convex-quadratic (mu is not used).

    Args:
        name: the class of functions, one of these four.
        mu: strong convexity: smallest curvature, in the unit of `L`.
        L: smoothness: largest curvature, > 0.
        steps: number of gradients, not negative; a number or an array.

    Raises:
        BadInput: an unknown class, steps negative, or mu and L that make no class.

    >>> limit_curve("quadratic", 1.0, 9.0, [0, 1, 2]).round(4)
    array([1.    , 0.8   , 0.4706])
    """
    if name not in LIMITS:
        raise BadInput(f"unknown class '{name}': {nearest(name, LIMITS)}")
    k = np.asarray(steps, dtype=float)
    if np.any(k < 0) or np.any(k != np.floor(k)):
        raise BadInput(f"steps = {np.min(k):g}: give whole numbers >= 0")
    if LIMITS[name].quantity == "distance":
        mu, L = in_class(mu, L)
    return np.asarray(LIMITS[name].curve(mu, L, k), dtype=float)[()]


class Distance(NamedTuple):
    """How far a method is from what is possible on a class."""

    name: str
    functions: str  # class, a key of LIMITS
    rate: float | None  # of the method on the class: attained on quadratics, certified beyond; None where it has none
    limit: float  # rate that no method beats
    times: float | None  # how many steps the method takes for one of the best possible, in the long run
    verdict: str  # proved, refuted or open (always proved on quadratics below rate 1)


def distance(method: Method, mu: float, L: float, functions: str = "strongly-convex", name: str = "") -> Distance:
    """The method's rate on a class beside the limit of the class; `times` = log limit/log rate.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        functions: class of functions, "quadratic" or "strongly-convex" (the default).
        name: what the method is called in the answer (default: empty).

    Raises:
        BadInput: an unknown class, one without a rate, or mu and L that make no class.

    >>> round(distance(Method(0.2), 1.0, 9.0, "quadratic").times, 3)
    3.106
    """
    mu, L = in_class(mu, L)
    if functions not in ("quadratic", "strongly-convex"):
        raise BadInput(f"class '{functions}' has no rate per step to compare: {nearest(functions, ['quadratic', 'strongly-convex'])}")
    limit = LIMITS[functions].rate(mu, L)
    if functions == "quadratic":
        attained = float(quadratic_rate(method, mu, L))
        rate, verdict = (attained, "proved") if attained < 1 else (None, "refuted")
    else:
        found = certify(method, mu, L)
        rate, verdict = found.rate, found.verdict
    times = None if rate is None else (1.0 if rate <= limit else math.log(limit) / math.log(rate)) if limit > 0 else math.inf
    return Distance(name, functions, rate, limit, times, verdict)


def distances(mu: float, L: float) -> list[Distance]:
    """Every method of the catalogue, each on quadratics and on all smooth strongly convex functions.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> table = distances(1.0, 25.0)
    >>> [(row.name, row.verdict) for row in table if row.verdict == "refuted"]
    [('heavy-ball', 'refuted')]
    """
    mu, L = in_class(mu, L)
    rows = []
    for entry in CATALOG.values():
        method = entry.method(mu, L)
        rows += [distance(method, mu, L, functions, entry.name) for functions in ("quadratic", "strongly-convex")]
    return rows


FASTEST = {"quadratic": "heavy-ball", "strongly-convex": "triple-momentum"}


def fastest_for(functions: str) -> str:
    """Name of the catalogue's constant method that meets the limit of a class in the long run.

    Args:
        functions: class of functions, "quadratic" or "strongly-convex".

    Raises:
        BadInput: another class than quadratic or strongly-convex.

    >>> fastest_for("strongly-convex")
    'triple-momentum'
    """
    if functions not in FASTEST:
        raise BadInput(f"unknown class '{functions}': {nearest(functions, FASTEST)}")
    return FASTEST[functions]
