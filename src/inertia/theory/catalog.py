"""The named methods: (mu, L) -> four numbers, each with what is proved about it, for which functions, and by whom.

mu is the smallest and L the largest curvature, kappa = L/mu. A rate is the factor by which the distance to the optimum
eventually shrinks per step. Sequences (Chebyshev, Nesterov's convex schedule) stand in `sequences`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import known, single
from ..core.method import Method
from ..core.spectrum import Spectrum, given
from ..errors import BadInput, nearest
from .modes import edge
from .quadratic import worst_rate

__all__ = [
    "CATALOG",
    "Best",
    "Entry",
    "best",
    "gradient_descent",
    "heavy_ball",
    "named",
    "nesterov",
    "nesterov_quadratic",
    "quasi_hyperbolic",
    "robust_momentum",
    "triple_momentum",
]

QUADRATICS = "quadratics with curvatures in [mu, L]"
STRONGLY_CONVEX = "mu-strongly convex functions with L-Lipschitz gradient"


def _checked(mu: float, L: float) -> tuple[float, float]:
    mu, L = single(mu, "mu"), single(L, "L")
    if not (math.isfinite(mu) and math.isfinite(L)):
        raise BadInput(f"mu = {mu:g}, L = {L:g}: both must be finite")
    if mu <= 0:
        raise BadInput(f"mu = {mu:g} is not positive: this method needs strong convexity; give a small mu > 0, such as {abs(L) / 1e4:g}")
    if mu > L:
        raise BadInput(f"mu = {mu:g} > L = {L:g}: mu is the smallest curvature and L the largest; did you mean mu = {L:g}, L = {mu:g}?")
    return mu, L


def gradient_descent(mu: float, L: float) -> Method:
    """Best constant step without momentum: alpha = 2/(L + mu), rate (kappa - 1)/(kappa + 1).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    Raises:
        BadInput: mu <= 0, mu > L or not finite (so do all of this module).

    >>> gradient_descent(1.0, 3.0)
    Method(alpha=0.5, beta=0.0, gamma=0.0, delta=0.0)
    """
    mu, L = _checked(mu, L)
    return Method(2 / (L + mu))


def heavy_ball(mu: float, L: float) -> Method:
    """Polyak's best on quadratics: alpha = (2/(sqrt L + sqrt mu))^2, beta = ((sqrt kappa - 1)/(sqrt kappa + 1))^2.

    Rate (sqrt kappa - 1)/(sqrt kappa + 1). Its edge is exactly L + mu, a margin of 1/kappa: never use it on a point estimate
    of L (see `best`). Beyond quadratics it may cycle for ever (Lessard, Recht and Packard 2016, section 4.6).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> heavy_ball(1.0, 9.0)
    Method(alpha=0.25, beta=0.25, gamma=0.0, delta=0.0)
    """
    mu, L = _checked(mu, L)
    low, high = math.sqrt(mu), math.sqrt(L)
    return Method((2 / (high + low)) ** 2, ((high - low) / (high + low)) ** 2)


def nesterov(mu: float, L: float) -> Method:
    """Nesterov's constant scheme for strongly convex functions: alpha = 1/L, beta = gamma = (sqrt kappa - 1)/(sqrt kappa + 1).

    Rate 1 - 1/sqrt kappa on quadratics, proved sqrt(1 - 1/sqrt kappa) beyond (Nesterov 2018, scheme 2.2.22).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> nesterov(1.0, 4.0).alpha
    0.25
    """
    mu, L = _checked(mu, L)
    low, high = math.sqrt(mu), math.sqrt(L)
    beta = (high - low) / (high + low)
    return Method(1 / L, beta, beta)


def nesterov_quadratic(mu: float, L: float) -> Method:
    """Nesterov's form tuned for quadratics: alpha = 4/(3L + mu), rate 1 - 2/sqrt(3 kappa + 1).

    beta = gamma = (sqrt(3 kappa + 1) - 2)/(sqrt(3 kappa + 1) + 2) (Lessard, Recht and Packard 2016, Proposition 1).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> round(nesterov_quadratic(1.0, 5.0).beta, 12)
    0.333333333333
    """
    mu, L = _checked(mu, L)
    root = math.sqrt(3 * L / mu + 1)
    beta = (root - 2) / (root + 2)
    return Method(4 / (3 * L + mu), beta, beta)


def triple_momentum(mu: float, L: float) -> Method:
    """Fastest known rate on every mu-strongly convex L-smooth function: rho = 1 - 1/sqrt kappa.

    alpha = (1 + rho)/L, beta = rho^2/(2 - rho), gamma = rho^2/((1 + rho)(2 - rho)), delta = rho^2/(1 - rho^2)
    (Van Scoy, Freeman and Lynch 2018, Theorem 1).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> triple_momentum(1.0, 4.0).alpha
    0.375
    """
    mu, L = _checked(mu, L)
    rho = 1 - math.sqrt(mu / L)
    return Method((1 + rho) / L, rho**2 / (2 - rho), rho**2 / ((1 + rho) * (2 - rho)), rho**2 / (1 - rho**2))


def robust_momentum(mu: float, L: float, rho: float | None = None) -> Method:
    """Speed traded for robustness to gradient error: rho from 1 - 1/sqrt kappa (fast) to 1 - 1/kappa (robust).

    alpha = kappa (1 - rho)^2 (1 + rho)/L, beta = kappa rho^3/(kappa - 1), gamma = rho^3/((kappa - 1)(1 - rho)^2 (1 + rho)), rate
    rho (Cyrus, Hu, Van Scoy and Lessard 2018, Theorem 1). At the robust end the zero cancels the pole: it is gradient descent with
    step 1/L. The default rho is the middle of the range.

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rho: rate per step, in [1 - 1/sqrt kappa, 1 - 1/kappa] (default: the middle of this range).

    Raises:
        BadInput: rho outside its range.

    >>> round(robust_momentum(1.0, 4.0, rho=0.75).alpha, 12)
    0.109375
    """
    mu, L = _checked(mu, L)
    kappa = L / mu
    fast, robust = 1 - 1 / math.sqrt(kappa), 1 - 1 / kappa
    rho = (fast + robust) / 2 if rho is None else single(rho, "rho")
    if not fast - 1e-12 <= rho <= robust + 1e-12:
        raise BadInput(f"rho = {rho:g} is outside [{fast:g}, {robust:g}] for kappa = {kappa:g}: use rho = {min(max(rho, fast), robust):g}")
    if kappa == 1:
        return Method(1 / L)
    gamma = rho**3 / ((kappa - 1) * (1 - rho) ** 2 * (1 + rho))
    return Method(kappa * (1 - rho) ** 2 * (1 + rho) / L, kappa * rho**3 / (kappa - 1), gamma)


def quasi_hyperbolic(learning_rate: Any, beta: Any, nu: Any) -> Method:
    """Quasi-hyperbolic momentum, params -= lr ((1 - nu) g + nu m) with m the exponential average, as four numbers.

    alpha = lr (1 - beta), gamma = beta (1 - nu)/(1 - beta); nu = 1 is the heavy ball, nu = beta Nesterov, nu = 0 gradient
    descent (Ma and Yarats 2019, section 4.1).

    Args:
        learning_rate: lr, in units of 1/curvature; a number or an array.
        beta: decay of the average, below 1; a number or an array.
        nu: weight of the average in the step, usually in [0, 1]; a number or an array.

    Raises:
        BadInput: beta = 1, where the average never moves.

    >>> quasi_hyperbolic(1.0, beta=0.5, nu=1.0)
    Method(alpha=0.5, beta=0.5, gamma=0.0, delta=0.0)
    """
    rate, beta, share = (known(value, name) for value, name in ((learning_rate, "learning_rate"), (beta, "beta"), (nu, "nu")))
    if np.any(beta == 1):
        raise BadInput("beta = 1 makes an exponential average that never moves: use beta < 1, such as 0.999")
    found = rate * (1 - beta), beta, beta * (1 - share) / (1 - beta)
    return Method(*(value if np.ndim(value) else float(value) for value in found))


def _quasi_hyperbolic_triple(mu: float, L: float) -> Method:
    """The triple momentum method written as learning rate, beta and nu (Ma and Yarats 2019, table 1)."""
    alpha, beta, gamma, delta = triple_momentum(mu, L)
    nu = 1.0 if beta == 0 else 1 - gamma * (1 - beta) / beta
    return quasi_hyperbolic(alpha / (1 - beta), beta, nu)._replace(delta=delta)


class Entry(NamedTuple):
    """A named method: how to make it from (mu, L), its proven rate, for which functions, and where the proof is."""

    name: str
    method: Callable[[float, float], Method]
    rate: Callable[[float, float], float]  # proven for every function of the class
    functions: str
    cite: str  # key of citations.SOURCES
    theorem: str


def _inverse_root(mu: float, L: float) -> float:
    return 1 - math.sqrt(mu / L)


def _gradient_rate(mu: float, L: float) -> float:
    return (L - mu) / (L + mu)


def _heavy_rate(mu: float, L: float) -> float:
    return (math.sqrt(L) - math.sqrt(mu)) / (math.sqrt(L) + math.sqrt(mu))


def _tuned_rate(mu: float, L: float) -> float:
    return 1 - 2 / math.sqrt(3 * L / mu + 1)


def _estimate_rate(mu: float, L: float) -> float:
    return math.sqrt(1 - math.sqrt(mu / L))


def _robust_rate(mu: float, L: float) -> float:
    return 1 - (math.sqrt(mu / L) + mu / L) / 2


CATALOG: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("gradient-descent", gradient_descent, _gradient_rate, STRONGLY_CONVEX, "nesterov2018", "Theorem 2.1.15"),
        Entry("heavy-ball", heavy_ball, _heavy_rate, QUADRATICS, "polyak1964", "Theorem 9"),
        Entry("nesterov", nesterov, _estimate_rate, STRONGLY_CONVEX, "nesterov2018", "Theorem 2.2.3"),
        Entry("nesterov-quadratic", nesterov_quadratic, _tuned_rate, QUADRATICS, "lessard2016", "Proposition 1"),
        Entry("triple-momentum", triple_momentum, _inverse_root, STRONGLY_CONVEX, "vanscoy2018", "Theorem 1"),
        Entry("robust-momentum", robust_momentum, _robust_rate, STRONGLY_CONVEX, "cyrus2018", "Theorem 1"),
        Entry("quasi-hyperbolic", _quasi_hyperbolic_triple, _inverse_root, STRONGLY_CONVEX, "ma2019", "Table 1"),
    )
}


def named(name: str) -> Entry:
    """The catalogue entry of a name.

    Args:
        name: a key of `CATALOG`, such as "heavy-ball".

    Raises:
        BadInput: an unknown name (the nearest one is suggested).

    >>> named("heavy-ball").cite
    'polyak1964'
    """
    if name not in CATALOG:
        raise BadInput(f"unknown method '{name}': {nearest(name, CATALOG)}")
    return CATALOG[name]


class Best(NamedTuple):
    """A method chosen for [mu, upper], what it promises there, and how far it is from breaking."""

    name: str
    method: Method
    rate: float  # worst over the curvatures [mu, upper], quadratics
    edge: float  # largest curvature survived
    margin: float  # edge/upper - 1: how much larger than the bar the true curvature may be
    kappa: float  # upper/mu: what the rate pays for
    cite: str


def best(spectrum: Spectrum, name: str = "heavy-ball") -> Best:
    """The named method tuned to [mu, upper bar] of a spectrum: by default the best (alpha, beta) on quadratics.

    The upper bar is used because the optimum has almost no margin: its edge is at L + mu, and measured L errs low.

    Args:
        spectrum: its mu and upper bar of L count.
        name: a key of `CATALOG` (default "heavy-ball").

    Raises:
        BadInput: an unknown name, or mu <= 0.

    >>> from ..core.spectrum import spectrum
    >>> best(spectrum([1.0, 8.0], upper=9.0)).method
    Method(alpha=0.25, beta=0.25, gamma=0.0, delta=0.0)
    """
    given(spectrum)
    entry = named(name)
    method = entry.method(spectrum.mu, spectrum.upper)
    limit = float(edge(method))
    reached = float(worst_rate(method, spectrum, upper=True))
    return Best(entry.name, method, reached, limit, limit / spectrum.upper - 1, spectrum.upper / spectrum.mu, entry.cite)
