"""Methods that change from step to step, and the yardstick that needs no tuning.

A sequence is a schedule: step -> Method, so that everything that runs or predicts a method runs and predicts it too. The
classical iterations keep two points; here they are written so that the plain velocity step reproduces them exactly
from rest, also while their coefficients change:

    increments b_k, gradient at x (Chebyshev):  alpha_k = a_k,  beta_k = b_k a_{k-1}/a_k,  gamma_k = 0
    look-ahead m_k, gradient at y (Nesterov):   beta_k = m_k,  alpha_k = a (1 + m_{k+1} - m_k),  gamma_k = a m_k/alpha_k
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, single, whole
from ..core.method import Method
from ..core.spectrum import Spectrum, given
from ..errors import BadInput, Diverged
from .catalog import heavy_ball

__all__ = [
    "Chebyshev",
    "NesterovConvex",
    "Solved",
    "chebyshev",
    "conjugate_gradient",
    "conjugate_gradient_curve",
    "nesterov_convex",
]

Array = NDArray[np.float64]


class Chebyshev(NamedTuple):
    """Chebyshev semi-iteration on [mu, L] as a schedule: build with `chebyshev`."""

    mu: float
    L: float

    def __call__(self, step: Any, /) -> Method:
        """The method of this step (from 0); arrays of steps give a Method of arrays."""
        limit = heavy_ball(self.mu, self.L)
        k = np.asarray(step, dtype=float)
        c2 = limit.beta  # c = (sqrt L - sqrt mu)/(sqrt L + sqrt mu)
        ratio = (1 + c2**k) / (1 + c2 ** (k + 1))
        before = (1 + c2 ** np.maximum(k - 1, 0)) / (1 + c2 ** np.maximum(k, 1))
        alpha = np.where(k == 0, 2 / (self.L + self.mu), limit.alpha * ratio)
        beta = np.where(k == 0, 0.0, c2 * before**2 * np.where(k == 1, 0.5, 1.0))
        return Method(alpha[()], beta[()], np.zeros(k.shape)[()], np.zeros(k.shape)[()])


def chebyshev(mu: float, L: float) -> Chebyshev:
    """The best polynomial of every degree on [mu, L]: after k steps the error is T_k((L + mu - 2h)/(L - mu))/T_k(sigma).

    sigma = (L + mu)/(L - mu), T_k the Chebyshev polynomial. With c = (sqrt kappa - 1)/(sqrt kappa + 1):
    alpha_k = (2/(sqrt L + sqrt mu))^2 (1 + c^2k)/(1 + c^(2k+2)), beta_k = c^2 ((1 + c^(2k-2))/(1 + c^2k))^2, and
    alpha_0 = 2/(L + mu), beta_1 half of that. It tends to Polyak's heavy ball (Golub and Varga 1961, section 1).

    Args:
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    Raises:
        BadInput: mu <= 0 or mu > L.

    >>> chebyshev(1.0, 3.0)(0).alpha.item()
    0.5
    """
    heavy_ball(mu, L)  # the same demands on mu and L
    return Chebyshev(float(mu), float(L))


class NesterovConvex(NamedTuple):
    """Nesterov's schedule for convex functions: build with `nesterov_convex`."""

    L: float

    def __call__(self, step: Any, /) -> Method:
        """The method of this step (from 0); arrays of steps give a Method of arrays."""
        k = np.asarray(step, dtype=int)
        ahead = _look_ahead(1 << (int(np.max(k, initial=0)) + 2).bit_length())
        now, then = ahead[k], ahead[k + 1]
        stretch = 1 + then - now
        return Method((stretch / self.L)[()], now[()], (now / stretch)[()], np.zeros(k.shape)[()])


@lru_cache(maxsize=32)
def _look_ahead(count: int) -> Array:
    """m_0, ..., m_{count-1}: m_0 = 0, m_k = (t_{k-1} - 1)/t_k, t_0 = 1, t_k = (1 + sqrt(1 + 4 t_{k-1}^2))/2."""
    t, found = 1.0, [0.0]
    for _ in range(count - 1):
        after = (1 + math.sqrt(1 + 4 * t * t)) / 2
        found.append((t - 1) / after)
        t = after
    return np.array(found)


def nesterov_convex(L: float) -> NesterovConvex:
    """Nesterov's 1983 schedule for convex functions, where no mu is known: loss below 2 L |x0 - x*|^2/(k + 1)^2 at the read-out.

    x[k+1] = y[k] - grad(y[k])/L, y[k+1] = x[k+1] + (t_k - 1)/t_{k+1} (x[k+1] - x[k]), t_{k+1} = (1 + sqrt(1 + 4 t_k^2))/2;
    params are y, read-out (delta = 0) is x (Nesterov 1983; Beck and Teboulle 2009, Theorem 4.4).

    Args:
        L: largest curvature, > 0.

    Raises:
        BadInput: L not positive.

    >>> nesterov_convex(2.0)(np.arange(4)).beta.round(4)
    array([0.    , 0.    , 0.2818, 0.434 ])
    """
    L = single(L, "L")
    if not (math.isfinite(L) and L > 0):
        raise BadInput(f"L = {L:g} is not positive: the largest curvature must be above 0, such as {abs(L) or 1.0:g}")
    return NesterovConvex(L)


def conjugate_gradient_curve(spectrum: Spectrum, steps: int) -> Array:
    """Excess loss of conjugate gradients after 0..steps steps, the least of all linear first-order methods: (steps + 1,).

    min over polynomials p of degree k with p(0) = 1 of 1/2 sum h weights p(h)^2, by projecting on the Krylov space with
    full reorthogonalisation, so that it is the exact-arithmetic curve; it ends after as many steps as there are curvatures.

    Args:
        spectrum: curvatures, all > 0, and their weights at the start; noise is left out.
        steps: number of steps, at least 1.

    Raises:
        BadInput: steps < 1 or a curvature that is not positive.

    >>> from ..core.spectrum import spectrum
    >>> [round(float(x), 12) + 0.0 for x in conjugate_gradient_curve(spectrum([1.0, 3.0]), 2)]
    [2.0, 0.214285714286, 0.0]
    """
    given(spectrum)
    steps = whole(steps, "steps", 1)
    if spectrum.mu <= 0:
        raise BadInput(f"curvature {spectrum.mu:g} is not positive: conjugate gradients need a positive definite matrix; add a small ridge")
    h = spectrum.curvatures / spectrum.L
    left = np.sqrt(spectrum.curvatures * spectrum.weights)  # the error, measured in the norm of the loss
    basis = np.zeros((min(steps, h.size), h.size))
    losses = np.zeros(steps + 1)
    losses[0] = 0.5 * left @ left
    vector = h * left
    for k in range(min(steps, h.size)):
        scale = np.linalg.norm(vector)
        for _ in range(2):  # twice is enough (Kahan)
            vector = vector - basis[:k].T @ (basis[:k] @ vector)
        size = np.linalg.norm(vector)
        if size <= 1e-14 * scale or size == 0:
            break  # the Krylov space is exhausted: what is left is rounding
        basis[k] = vector / size
        left = left - basis[k] * (basis[k] @ left)
        losses[k + 1] = 0.5 * left @ left
        vector = h * basis[k]
    return losses


class Solved(NamedTuple):
    """What conjugate gradients found, the residual norm after every step, and how many products it took."""

    params: Array
    residuals: Array
    products: int


def conjugate_gradient(
    matvec: Callable[[Array], Array], target: ArrayLike, start: ArrayLike | None = None, *, steps: int = 1000, tolerance: float = 1e-10
) -> Solved:
    """Solve A x = target for a positive definite A given as a product; stops when |residual| <= tolerance |target|.

    Args:
        matvec: v -> A v for arrays of shape (n,).
        target: right-hand side, shape (n,).
        start: first guess, shape (n,) (default: zeros).
        steps: most steps that are made, at least 1 (default 1000).
        tolerance: residual norm to stop at, as a share of the norm of `target` (default 1e-10).

    Raises:
        BadInput: a direction of non-positive curvature (A is not positive definite), steps < 1.
        Diverged: a product that is not finite.

    >>> conjugate_gradient(lambda v: np.array([1.0, 3.0]) * v, [1.0, 3.0]).params.round(12)
    array([1., 1.])
    """
    steps = whole(steps, "steps", 1)
    b, tolerance = known(target, "target"), single(tolerance, "tolerance")
    if b.ndim != 1:
        raise BadInput(f"target has {b.ndim} dimensions: give the right-hand side as a vector")
    x = np.zeros_like(b) if start is None else known(start, "start").copy()
    residual = b - (matvec(x) if start is not None else 0.0)
    products = int(start is not None)
    direction, energy = residual, float(residual @ residual)
    norms = [math.sqrt(energy)]
    goal = tolerance * float(np.linalg.norm(b))
    while len(norms) <= steps and norms[-1] > goal:
        product = matvec(direction)
        products += 1
        bend = float(direction @ product)
        if not math.isfinite(bend):
            raise Diverged(f"the product at step {len(norms) - 1} is not finite: check the matrix", Solved(x, np.array(norms), products))
        if bend <= 0:
            found = bend / float(direction @ direction)
            raise BadInput(f"curvature {found:g} along a direction is not positive: the matrix must be positive definite; add a ridge")
        x = x + energy / bend * direction
        residual = residual - energy / bend * product
        energy, before = float(residual @ residual), energy
        direction = residual + energy / before * direction
        norms.append(math.sqrt(energy))
    return Solved(x, np.array(norms), products)
