"""What a few Lanczos coefficients prove about the ends of a spectrum.

m products with a symmetric A leave a tridiagonal matrix (alphas on, betas beside the diagonal). Its eigenvalues are the
Ritz values; they lie inside the spectrum, so the largest is always an underestimate. How far can the truth be above it?
If the start vector has the share g^2 along the top eigenvector, then for every u from the largest Ritz value on,

    lambda_1 >= u   implies   g^2 <= 1 / K(u),   K(u) = pi_0(u)^2 + ... + pi_m(u)^2,

with pi_j the orthonormal polynomials of the run (K is the inverse Christoffel function). A random start has a share
that is tiny only with tiny probability; solving K(u) = 1/g^2 for that share is the bar. It needs no gap, and it is not
fooled by a residual that is small because it sits on the second eigenvalue. It is sharp: a measure with the weight 1/K(u)
at u has the same coefficients, so that one start proves no more; a second start, beside the first or in what it left, needs
more products than it saves (benchmarks/proof_products.py).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Lookout", "Ritz", "bar", "ritz", "smallest_share", "tridiagonal", "within"]

Array = NDArray[np.float64]


class Ritz(NamedTuple):
    """Eigenvalues of the tridiagonal matrix, ascending, with what the run knows about each."""

    values: Array  # (m,) Ritz values
    weights: Array  # (m,) share of the start vector at each; sums to 1 over the first block
    residuals: Array  # (m,) |A x - value x|: some eigenvalue lies this close
    vectors: Array  # (m, m) columns: coordinates in the Lanczos basis


def ritz(alphas: ArrayLike, betas: ArrayLike) -> Ritz:
    """Ritz values, weights and residuals of alphas (m,) and betas (m,), the last beta being the norm left over.

    Source: Golub and Welsch 1969 (weights); Paige 1971 (residuals).

    >>> ritz([1.0, 1.0], [0.5, 0.0]).values.round(9)
    array([0.5, 1.5])
    """
    values, vectors = np.linalg.eigh(_matrix(np.asarray(alphas, dtype=float), np.asarray(betas, dtype=float)), "L")
    return Ritz(values, vectors[0] ** 2, np.abs(np.asarray(betas, dtype=float)[-1] * vectors[-1]), vectors)


def tridiagonal(alphas: Sequence[float], betas: Sequence[float]) -> Array:
    """The Ritz values alone, ascending: a third of the work.

    >>> tridiagonal([1.0, 1.0], [0.5, 0.0]).round(9)
    array([0.5, 1.5])
    """
    return np.asarray(np.linalg.eigvalsh(_matrix(alphas, betas), "L"), dtype=float)


def _matrix(alphas: Sequence[float] | Array, betas: Sequence[float] | Array) -> Array:
    """The tridiagonal matrix of a run, up to its diagonal: what LAPACK reads. The last beta leads out of it."""
    size = len(alphas)
    made = np.zeros((size, size))
    made.flat[:: size + 1] = alphas
    made.flat[size :: size + 1] = betas[:-1]
    return made


def smallest_share(dimension: int, failure: float) -> float:
    """The share g^2 that a uniformly random unit vector exceeds along a fixed direction, except with probability `failure`.

    From the density of one coordinate on the sphere, which is largest at 0:
    P(|g| < c) <= 2 c Gamma(n/2) / (sqrt(pi) Gamma((n-1)/2)) for n >= 3.

    >>> round(smallest_share(100, 0.01) / (math.pi / 2 * 0.01**2 / 100), 2)
    1.02
    """
    if dimension == 1:
        return 1.0
    if dimension == 2:
        return math.sin(math.pi * failure / 2) ** 2
    ratio = math.exp(math.lgamma((dimension - 1) / 2) - math.lgamma(dimension / 2))
    return (failure * math.sqrt(math.pi) / 2 * ratio) ** 2


def bar(alphas: ArrayLike, betas: ArrayLike, top: float, share: float) -> float:
    """How far above `top`, the largest Ritz value, the largest eigenvalue can be while the start has at least `share` of it.

    The solution u - top of K(u) = 1/share; 0 after a happy breakdown. For the other end pass -alphas and minus the smallest
    Ritz value. Holds at every step of a run at once, so stopping when it is small costs no confidence.

    Source: van Dorsselaer, Hochstenbach and van der Vorst 2001, with the whole Christoffel sum in place of its last term.

    >>> bar([0.0], [1.0], top=0.0, share=0.5)       # pi_1(u) = u: 1 + u^2 = 2
    1.0
    """
    a, b = np.asarray(alphas, dtype=float), np.asarray(betas, dtype=float)
    if b[-1] == 0:
        return 0.0
    target, scalars = -math.log(share), (a.tolist(), b.tolist())
    unit = float(np.max(np.abs(a - top)) + np.max(b))
    high = unit
    while _log_kernel(*scalars, top + high) < target:
        high *= 8
    exponents = np.linspace(math.log(1e-17 * unit), math.log(high), 48)  # log of the distance: bars span many decades
    for _ in range(3):  # each pass narrows 47-fold; 3 digits of a bar are plenty
        points = (top + np.exp(exponents)).tolist()
        first = bisect_left(points, True, key=lambda point: _log_kernel(*scalars, point) >= target)  # K grows with u
        if first == 0:
            return float(np.exp(exponents[0]))
        first = min(first, len(points) - 1)
        exponents = np.linspace(exponents[first - 1], exponents[first], 48)
    return float(f"{np.exp(exponents[-1]):.6g}")


def within(alphas: Sequence[float], betas: Sequence[float], top: float, share: float, distance: float) -> bool:
    """Whether `bar` is at most `distance`: one look at K in place of a search.

    >>> within([0.0], [1.0], top=0.0, share=0.5, distance=1.1), within([0.0], [1.0], top=0.0, share=0.5, distance=0.9)
    (True, False)
    """
    if distance < 0:  # inside the Ritz values K says nothing
        return False
    if betas[-1] == 0:
        return True
    return _log_kernel(alphas, betas, top + distance) >= -math.log(share)


def _log_kernel(alphas: Sequence[float], betas: Sequence[float], point: float) -> float:
    """log K(u), rescaled on the way so that nothing overflows; one number at a time, as this is asked after every product."""
    before, now, beta, shift = 0.0, 1.0, 0.0, 0.0
    for alpha, following in zip(alphas, betas, strict=True):
        before, now, beta = now, ((point - alpha) * now - beta * before) / following, following
        total = 1.0 + now * now
        size = math.sqrt(total)
        before, now, shift = before / size, now / size, shift + math.log(total)
    return shift


class Lookout:
    """Says of a growing run that `within` is still false, at a few operations a row: `above` is a guess of where its values stay below.

    While all pivots of above - T are positive, every Ritz value is below `above` (Sturm); K grows with u, and so the bar cannot end below
    `point` = the largest value + distance before K(point) >= 1/share.

    >>> look = Lookout(above=0.5, point=1.1, share=0.2)
    >>> look.wide([0.0], [1.0]), look.wide([0.0, 0.0], [1.0, 1.0])  # K(1.1) is 1 + 1.1^2; then a Ritz value of 1 is above
    (True, False)
    """

    def __init__(self, above: float, point: float, share: float) -> None:
        self.above, self.point, self.target = above, point, -math.log(share)
        self.rows, self.pivot = 0, 1.0
        self.before, self.now, self.beta, self.shift = 0.0, 1.0, 0.0, 0.0

    def wide(self, alphas: Sequence[float], betas: Sequence[float]) -> bool:
        """Whether the bar is certainly wider; False: not known."""
        for alpha, following in zip(alphas[self.rows :], betas[self.rows :], strict=True):
            if self.pivot > 0:
                self.pivot = self.above - alpha - self.beta * self.beta / self.pivot
            if not (self.pivot > 0 and following > 0):
                return False  # and from now on
            now = ((self.point - alpha) * self.now - self.beta * self.before) / following
            total = 1.0 + now * now
            size = math.sqrt(total)
            self.before, self.now, self.shift = self.now / size, now / size, self.shift + math.log(total)
            self.beta, self.rows = following, self.rows + 1
        return self.shift < self.target
