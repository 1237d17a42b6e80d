"""The convex Rosenbrock, or worst function: a chain through which a signal moves one node per step.

    f(w) = (kappa - 1)/4 [ 1/2 (w_1 - 1)^2 + 1/2 sum_i (w_i - w_{i+1})^2 + 2/(kappa - 1) |w|^2 ],   w_{n+1} = 0

Hessian (kappa - 1)/4 tridiag(-1, 2, -1) + I. No method that moves within the span of its gradients can touch component k + 1
before step k + 1. (Nesterov 2004, section 2.1.4; finite n: hyperbolic sines instead of powers.)
"""

from __future__ import annotations

import numpy as np

from ..core.spectrum import spectrum
from ..errors import BadInput
from .base import Array, Problem, Rows, spread_over

__all__ = ["convex_rosenbrock"]


def convex_rosenbrock(n: int = 25, kappa: float = 1000.0) -> Problem:
    """The chain of n nodes, from 0; the default is Goh's figure (n = 25, kappa = 1000; true condition number 214.6).

    w*_i = sinh((n + 1 - i) t)/sinh((n + 1) t) with t = -ln q, q = (sqrt kappa - 1)/(sqrt kappa + 1); eigenvalues
    1 + (kappa - 1) sin^2(j pi/(2 (n + 1))). Time and memory grow like n log n, so n may be millions.

    Raises:
        BadInput: n < 1 or kappa <= 1.

    >>> convex_rosenbrock().optimum[:2].round(4)
    array([0.9338, 0.8713])
    """
    if n < 1 or not (np.isfinite(kappa) and kappa > 1):
        raise BadInput(f"n = {n}, kappa = {kappa:g}: a chain needs n >= 1 and kappa > 1")
    strength = (kappa - 1) / 4
    q = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
    i = np.arange(1, n + 1)
    # sinh((n+1-i)t)/sinh((n+1)t) without overflow: q^i (1 - q^(2(n+1-i)))/(1 - q^(2(n+1)))
    best = q**i * np.expm1(2 * (n + 1 - i) * np.log(q)) / np.expm1(2 * (n + 1) * np.log(q))
    minimum = float(0.5 * strength * (1 - best[0]))

    def product(vector: Array) -> Array:
        out = (2 * strength + 1) * vector
        out[..., 1:] -= strength * vector[..., :-1]
        out[..., :-1] -= strength * vector[..., 1:]
        return out

    def value(params: Array, rows: Rows = None, /) -> Array:
        away = np.asarray(params - best)
        return 0.5 * np.sum(product(away) * away, axis=-1) + minimum

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        # not A (w - w*): beyond the reach of the signal the gradient is exactly 0, and stays so
        out = product(np.asarray(params, dtype=float))
        out[..., 0] -= strength
        return out

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return spread_over(params, product(np.asarray(vector)))

    from scipy.fft import dst  # the orthonormal sine transform is the eigenbasis of the chain

    h = 1 + (kappa - 1) * np.sin(i * np.pi / (2 * (n + 1))) ** 2
    weights = dst(best, type=1, norm="ortho") ** 2
    return Problem(
        "convex-rosenbrock",
        value,
        gradient,
        hvp,
        start=np.zeros(n),
        optimum=best,
        minimum=minimum,
        spectrum=spectrum(h, weights, provenance={"method": "exact", "dimension": n}),
        about=f"a chain of {n} nodes through which a signal moves one node per step",
        source="Nesterov 2004, section 2.1.4; Goh 2017, the resisting oracle",
        facts={"kappa": kappa, "q": float(q), "strength": strength},
    )
