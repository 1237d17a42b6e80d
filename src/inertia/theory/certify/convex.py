"""Without strong convexity: no rate per step holds for all functions, but sums and powers of the step count do.

R = |x_0 - x*|, f* the minimum, L the smoothness, k the number of gradients taken; every bound is a factor of L R^2/2 or of
f(x_0) - f*. They are theorems, not searches; the tests hold each against PEPit's exact worst case.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...core.method import Method, checked
from ...errors import BadInput

__all__ = ["ConvexBound", "convex_bound", "gradient_dominated_factor", "nesterov_convex_bound"]


class ConvexBound(NamedTuple):
    """(f(point) - f*)/(L R^2/2) is at most `factor`."""

    factor: Any  # one number per count of steps
    point: str  # which point the bound speaks of
    cite: str


def _limits(L: float, steps: ArrayLike) -> Any:
    if not (L > 0 and np.isfinite(L)):
        raise BadInput(f"L = {L:g} is not positive and finite: give the largest curvature")
    k = np.asarray(steps, dtype=float)
    if np.any(k < 1) or np.any(k != np.floor(k)):
        raise BadInput(f"steps = {np.min(k):g}: give whole numbers >= 1")
    return k


def convex_bound(method: Method, L: float, steps: ArrayLike) -> ConvexBound:
    """What a constant method guarantees on every convex L-smooth function after so many steps from rest.

    Gradient descent, alpha L in (0, 2): max(1/(2 k alpha L + 1), (1 - alpha L)^(2k)), tight, at the last point (Drori and
    Teboulle 2014; Rotaru, Glineur and Patrinos 2024). Heavy ball, 0 < alpha L < 2 (1 - beta): the mean of the points x_0..x_k
    (Ghadimi, Feyzmahdavian and Johansson 2015, Theorem 1).

    Args:
        method: gradient descent or a heavy ball (gamma = 0), fields as numbers.
        L: smoothness: largest curvature, > 0.
        steps: number of steps, at least 1; a number or an array.

    Raises:
        BadInput: a step that is too long for the theorem, gamma != 0 (no bound is known), steps < 1.

    >>> round(float(convex_bound(Method(1.0), 1.0, 10).factor), 6)
    0.047619
    """
    method = checked(method)
    k = _limits(L, steps)
    a, beta = float(method.alpha * L), float(method.beta)
    if method.gamma != 0 or beta < 0:
        raise BadInput(
            f"gamma = {method.gamma:g}, beta = {beta:g}: without strong convexity a bound is known for constant gradient descent "
            "(beta = gamma = 0) and the heavy ball (gamma = 0, 0 <= beta < 1); for Nesterov use its schedule, `nesterov_convex_bound`"
        )
    if not a < 2 * (1 - beta):
        raise BadInput(f"alpha L = {a:g} is too long: the theorem needs alpha L < 2 (1 - beta) = {2 * (1 - beta):g}")
    if beta == 0:
        factor = np.maximum(1 / (2 * k * a + 1), (1 - a) ** (2 * k))
        return ConvexBound(factor[()], "last", "Drori and Teboulle 2014, Theorem 3.1")
    short = a <= 1 - beta
    inner = beta + (1 - beta) ** 2 / a
    weight = beta / (1 - beta) + (1 - beta) / a if short else inner / (2 * (1 - beta) - a)
    return ConvexBound((weight / (k + 1))[()], "mean", "Ghadimi, Feyzmahdavian and Johansson 2015, Theorem 1")


def nesterov_convex_bound(L: float, steps: ArrayLike) -> ConvexBound:
    """Nesterov's schedule with step 1/L on every convex L-smooth function: 4/(k + 1)^2 at the iterate xi_k.

    (Nesterov 1983; Beck and Teboulle 2009, Theorem 4.4.)

    Args:
        L: smoothness: largest curvature, > 0.
        steps: number of steps, at least 1; a number or an array.

    Raises:
        BadInput: L not positive, steps < 1.

    >>> float(nesterov_convex_bound(1.0, 9).factor)
    0.04
    """
    k = _limits(L, steps)
    return ConvexBound((4 / (k + 1) ** 2)[()], "iterate", "Beck and Teboulle 2009, Theorem 4.4")


def gradient_dominated_factor(alpha: ArrayLike, mu: float, L: float) -> Any:
    """Factor of f - f* per step of gradient descent under the Polyak-Lojasiewicz inequality |grad f|^2 >= 2 mu (f - f*).

    1 - mu alpha (2 - alpha L) for 0 < alpha < 2/L, convex or not (Polyak 1963; Karimi, Nutini and Schmidt 2016, Theorem 1 at
    alpha = 1/L).

    Args:
        alpha: learning rate, in (0, 2/L); a number or an array.
        mu: constant of the inequality, in (0, L].
        L: smoothness: largest curvature.

    Raises:
        BadInput: alpha outside (0, 2/L), mu not in (0, L].

    >>> gradient_dominated_factor(1.0, 0.1, 1.0)
    0.9
    """
    if not 0 < mu <= L < np.inf:
        raise BadInput(f"mu = {mu:g}, L = {L:g} do not satisfy 0 < mu <= L")
    step = np.asarray(alpha, dtype=float)
    if np.any(step <= 0) or np.any(step * L >= 2):
        raise BadInput(f"alpha from {np.min(step):g} to {np.max(step):g} leaves (0, 2/L) = (0, {2 / L:g}): the loss may then rise")
    found = 1 - mu * step * (2 - step * L)
    return float(found) if found.ndim == 0 else found
