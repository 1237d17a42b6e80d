"""One curvature at a time.

On a quadratic, momentum splits into independent two-step recursions, one per eigenvalue h of the Hessian:

    z^2 - p z + q = 0,   p = 1 + beta - alpha h (1 + gamma),   q = beta - alpha h gamma.

Everything in this module is a fact about those two roots: how fast (rate), in which way (regime), when it breaks (edge),
and where the k-th iterate is. Methods and curvatures broadcast against each other; k too.
(Polyak 1964; O'Donoghue and Candes 2015, section 4; Goh 2017.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, number
from ..core.method import Method, fields
from ..errors import BadInput

__all__ = [
    "REGIMES",
    "Iterate",
    "coefficients",
    "critical_momentum",
    "edge",
    "iterate",
    "one_step_power",
    "rate",
    "regime",
    "roots",
    "roots_of",
    "stable",
]

Array = NDArray[np.float64]

REGIMES = ("one-step", "monotone", "ripples", "alternating", "undamped", "divergent")
_MARGIN = 1e-12  # a rate this close to 1 is rounding, not growth
_DOUBLE = 16 * np.finfo(float).eps  # a discriminant this small beside p^2 is what rounding p and q leaves
_GIGANTIC = 2.0**500  # squares above overflow
_ONE_STEP = 1e-7  # roots below sqrt(eps) are zero up to rounding


def coefficients(method: Method, curvature: ArrayLike) -> tuple[Any, Any]:
    """Sum p and product q of the two roots: p = 1 + beta - alpha h (1 + gamma), q = beta - alpha h gamma.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.

    >>> [float(c) for c in coefficients(Method(0.5, beta=0.25), 2.0)]
    [0.25, 0.25]
    """
    alpha, beta, gamma, _ = fields(method)
    ah = alpha * known(curvature, "curvature")
    return (1 + beta - ah * (1 + gamma))[()], (beta - ah * gamma)[()]


def roots(method: Method, curvature: ArrayLike) -> NDArray[np.complex128]:
    """The two roots of z^2 - p z + q, larger modulus first: shape (*broadcast, 2).

    The real ones are taken as r1 = (|p| + sqrt(p^2 - 4q))/2 and q/r1, which loses no digits to cancellation.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.

    >>> roots(Method(0.6, beta=0.5), 4.0).round(4)
    array([-0.45+0.5454j, -0.45-0.5454j])
    """
    return roots_of(*coefficients(method, curvature))


def roots_of(total: ArrayLike, product: ArrayLike) -> NDArray[np.complex128]:
    """The two roots of z^2 - total z + product, larger modulus first: shape (*broadcast, 2).

    Args:
        total: sum p of the roots.
        product: product q of the roots; broadcasts with `total`.

    >>> roots_of(3.0, 2.0).real
    array([2., 1.])
    """
    unit, p, q = _within(*np.broadcast_arrays(number(total, "total"), number(product, "product")))
    disc = _split(p, q)
    big = (np.abs(p) + np.sqrt(np.maximum(disc, 0))) / 2 * np.where(p < 0, -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = np.where(big == 0, 0.0, q / np.where(big == 0, 1.0, big))
    half = np.sqrt(np.maximum(-disc, 0)) / 2
    first = np.where(disc < 0, p / 2 + 1j * half, big)
    second = np.where(disc < 0, p / 2 - 1j * half, small)
    return np.stack([first * unit, second * unit], axis=-1).astype(complex)


def rate(method: Method, curvature: ArrayLike) -> Any:
    """Factor by which one step eventually multiplies the error of this mode: the larger |root|.

    sqrt(q) where the roots are complex, (|p| + sqrt(p^2 - 4q))/2 where they are real. At a double root the error goes
    like k rate^k: for promises use the whole curve (`theory.quadratic.loss_curve`).

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.

    >>> float(rate(Method(1 / 9, beta=4 / 9), 9.0).round(12))
    0.666666666667
    """
    unit, p, q = _within(*coefficients(method, curvature))
    return (unit * _size(p, q, _split(p, q)))[()]


def _within(p: Any, q: Any) -> tuple[Any, Any, Any]:
    """A power of two, and sum and product of the roots divided by it: so that the squares of gigantic ones do not overflow."""
    largest = np.maximum(np.abs(p), np.sqrt(np.abs(q)))
    if not np.any(largest > _GIGANTIC):
        return 1.0, p, q
    unit = np.where((largest > _GIGANTIC) & np.isfinite(largest), np.ldexp(1.0, np.frexp(largest)[1] - 1), 1.0)
    return unit, p / unit, q / unit / unit


def _split(p: Any, q: Any) -> Any:
    """Discriminant of the two roots, 0 where it is rounding: its square root would make 1e-8 of an exact double root's 1e-16."""
    disc = p * p - 4 * q
    return np.where(np.abs(disc) <= _DOUBLE * p * p, 0.0, disc)


def _rate(p: Any, q: Any) -> Array:
    """The rate that belongs to the closed forms: there a discriminant of 1e-16 still counts after 1e8 steps."""
    unit, p, q = _within(p, q)
    return np.asarray(unit * _size(p, q, p * p - 4 * q))


def _size(p: Any, q: Any, disc: Any) -> Array:
    return np.where(disc < 0, np.sqrt(np.maximum(q, 0)), (np.abs(p) + np.sqrt(np.maximum(disc, 0))) / 2)


def stable(method: Method, curvature: ArrayLike) -> Any:
    """Whether the error of this mode goes to zero: |q| < 1 and |p| < 1 + q (Jury).

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.

    >>> bool(stable(Method(0.6), 4.0)), bool(stable(Method(0.6, beta=0.5), 4.0))
    (False, True)
    """
    p, q = coefficients(method, curvature)
    return ((np.abs(q) < 1) & (np.abs(p) < 1 + q))[()]


def edge(method: Method) -> Any:
    """Largest curvature the method survives, in units of curvature: 2 (1 + beta)/(alpha (1 + 2 gamma)).

    Above it the root at -1 leaves the unit circle. For gamma < 0 the product of the roots may reach 1 first, at
    (1 - beta)/(-alpha gamma); the smaller of the two is returned, 0 where no curvature is survived.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).

    >>> edge(Method(alpha=0.5)), edge(Method(alpha=0.5, beta=0.9))
    (4.0, 7.6)
    """
    alpha, beta, gamma, _ = fields(method)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        flip = np.where(1 + 2 * gamma > 0, 2 * (1 + beta) / (alpha * (1 + 2 * gamma)), np.inf)
        grow = np.where(gamma < 0, (1 - beta) / (-alpha * gamma), np.inf)
    found = np.where(np.abs(beta) <= 1, np.maximum(np.minimum(flip, grow), 0.0), 0.0)
    return float(found) if found.ndim == 0 else found


def regime(method: Method, curvature: ArrayLike) -> Any:
    """How the error of this mode moves, as one of REGIMES.

    one-step (both roots 0), monotone (real, the larger positive), ripples (complex), alternating (real, the larger
    negative), undamped (rate exactly 1: it never settles), divergent.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.

    Raises:
        BadInput: a curvature or a field of the method is nan.

    >>> [str(regime(Method(a, beta=b), 1.0)) for a, b in [(1, 0), (0.15, 0.125), (0.15, 0.9), (2.0, 0.05), (2.5, 0.235)]]
    ['one-step', 'monotone', 'ripples', 'alternating', 'divergent']
    """
    p, q = coefficients(method, curvature)
    size = _rate(p, q)
    named = np.where(_split(*_within(p, q)[1:]) < 0, "ripples", np.where(np.asarray(p) < 0, "alternating", "monotone"))
    named = np.where(size < _ONE_STEP, "one-step", named)
    named = np.where(size > 1 + _MARGIN, "divergent", np.where(size >= 1 - _MARGIN, "undamped", named))
    return named[()]


def critical_momentum(alpha: ArrayLike, curvature: ArrayLike, nesterov: bool = False) -> Any:
    """The momentum at which one mode stops creeping and is about to ring: the double root.

    Heavy ball (1 - sqrt(alpha h))^2 with rate 1 - sqrt(alpha h); Nesterov (1 - sqrt(alpha h))/(1 + sqrt(alpha h)).

    Args:
        alpha: learning rate, in units of 1/curvature.
        curvature: h > 0; broadcasts with `alpha`.
        nesterov: Nesterov's form (gamma = beta) in place of heavy ball (default False).

    Raises:
        BadInput: alpha h outside (0, 1], where no non-negative momentum gives a double positive root.

    >>> round(float(critical_momentum(1e-4, 100.0)), 12)
    0.81
    """
    ah = known(alpha, "alpha") * known(curvature, "curvature")
    if np.any(~((ah > 0) & (ah <= 1))):
        raise BadInput(f"alpha h = {np.asarray(ah).flat[np.argmax(~((ah > 0) & (ah <= 1)))]:g} is outside (0, 1]: use alpha <= 1/h")
    root = np.sqrt(ah)
    return (((1 - root) / (1 + root)) if nesterov else (1 - root) ** 2)[()]


class Iterate(NamedTuple):
    """The k-th state of one mode: params y, velocity v (sum of past gradients) and the iterate xi behind them."""

    params: Any
    velocity: Any
    hidden: Any


def iterate(method: Method, curvature: ArrayLike, k: ArrayLike, params: ArrayLike = 1.0, velocity: ArrayLike = 0.0) -> Iterate:
    """The state after k steps in closed form: k = 10^9 costs what k = 10 costs. All arguments broadcast.

    With S_k = (r1^k - r2^k)/(r1 - r2), started at (y0, v0):
    y_k = (S_{k+1} - beta S_k) y0 - alpha (beta + beta gamma - gamma) S_k v0,  v_k = h S_k y0 + (S_{k+1} - (p - beta) S_k) v0.
    Exact at repeated roots, where an eigendecomposition loses digits; overflow gives +-inf, never a warning.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        curvature: eigenvalue(s) h of the Hessian; broadcasts with the fields of `method`.
        k: number of steps, whole and not negative; a number or an array.
        params: coordinate y0 at the start, measured from the minimum (default 1).
        velocity: v0, in units of the gradient (default 0: from rest).

    Raises:
        BadInput: k negative or not whole.

    >>> iterate(Method(0.6, beta=0.5), 4.0, 2).params.round(12).item()
    0.76
    """
    steps = known(k, "k")
    if not np.all((steps >= 0) & (steps == np.floor(steps))):
        raise BadInput(f"k = {steps[~((steps >= 0) & (steps == np.floor(steps)))].flat[0]:g} is not a whole number >= 0")
    h, y0, v0 = known(curvature, "curvature"), known(params, "params"), known(velocity, "velocity")
    p, q = coefficients(method, h)
    alpha, beta, gamma, _ = fields(method)
    now, then = one_step_power(p, q, steps)  # S_k, S_{k+1} without their common factor
    scale = _power(p, q, steps)
    y = _times(scale, (then - beta * now) * y0 - alpha * (beta + beta * gamma - gamma) * now * v0)
    v = _times(scale, h * now * y0 + (then - (p - beta) * now) * v0)
    with np.errstate(invalid="ignore"):
        return Iterate(y[()], v[()], (y + alpha * gamma * v)[()])


def one_step_power(p: ArrayLike, q: ArrayLike, k: ArrayLike) -> tuple[Any, Any]:
    """S_k and S_{k+1} divided by rate^max(k-1, 0), S_k = (r1^k - r2^k)/(r1 - r2): bounded by k + 1, for any k.

    The Lucas sequence of the recursion e_{k+1} = p e_k - q e_{k-1}; the powers of its matrix are
    R^k = S_k R - q S_{k-1} I (Chebyshev polynomials of the second kind, rescaled).

    Args:
        p: sum of the roots.
        q: product of the roots.
        k: number of steps, whole and not negative; a number or an array.

    >>> [float(s) for s in one_step_power(2.0, 1.0, 10**9)]
    [1000000000.0, 1000000001.0]
    """
    p, q, k = np.broadcast_arrays(number(p, "p"), number(q, "q"), number(k, "k"))
    size = _rate(p, q)
    shift = np.where(k > 0, size, 1.0)  # S_{k+1} carries one more power of the rate than the common factor
    return _lucas(p, q, k), shift * _lucas(p, q, k + 1)


def _lucas(p: Array, q: Array, k: Array) -> Array:
    """S_k / rate^(k-1) for k >= 1 and 0 for k = 0, by the sine or the geometric form, signs by parity."""
    _, p, q = _within(p, q)  # ratios of the roots alone
    disc = p * p - 4 * q
    side = np.abs(p)
    with np.errstate(divide="ignore", invalid="ignore", under="ignore", over="ignore"):
        angle = np.arctan2(np.sqrt(np.maximum(-disc, 0)), side)
        wave = np.sin(k * angle) / np.sin(angle)
        big = (side + np.sqrt(np.maximum(disc, 0))) / 2
        ratio = np.where(big == 0, 0.0, q / (big * big))  # r2/r1 in [-1, 1]
        gap = np.sqrt(np.maximum(disc, 0)) / np.where(big == 0, 1.0, big)  # 1 - r2/r1 without cancellation
        slope = np.log1p(-np.minimum(gap, 1.0))
        positive = np.where(gap == 0, k, np.where(gap >= 1, 1.0, -np.expm1(k * slope) / gap))
        negative = (1 - np.abs(ratio) ** k * np.where(k % 2 == 0, 1.0, -1.0)) / (1 - ratio)
        geometric = np.where(ratio < 0, negative, positive)
    value = np.where(disc < 0, wave, geometric)
    return np.where(k == 0, 0.0, np.where((p < 0) & (k % 2 == 0), -value, value))


def _power(p: Any, q: Any, k: Any) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return np.power(_rate(p, q), np.maximum(np.asarray(k, dtype=float) - 1, 0.0))


def _times(scale: Array, value: Any) -> Array:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.where(np.asarray(value) == 0, 0.0, scale * value)
