"""Maps over (alpha, beta): where a rate is proved, how far it lies above the quadratic rate, and where the method cycles.

The frequency response gives the whole map at once; then every node gets its own proof, checked exactly, before its rate
is called certified. The gap between the two maps is the price of leaving quadratics.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.method import Method
from ...errors import BadInput
from .counterexample import cycling
from .frequency import quadratic_rate, sector_rate
from .search import attempt, in_class
from .solver import Program

__all__ = ["CertifiedMap", "certified_rate_map"]

Array = NDArray[np.float64]

_POINTS = 240  # angles, before the refinement around the deciding ones
_ABOVE = (1e-4, 1e-3, 1e-2)  # of 1 - rate: where the proof of a node is tried


class CertifiedMap(NamedTuple):
    """Rates of every (beta, alpha) node; nan where there is none."""

    alpha: Array  # (A,)
    beta: Array  # (B,)
    rate: Array  # (B, A) least rate with a proof of memory 1
    quadratic: Array  # (B, A) worst rate on quadratics, above 1 where it diverges
    cycle: NDArray[np.int64]  # (B, A) K of a cycle over K-th roots of unity, 0 where none was found
    checked: NDArray[np.bool_]  # (B, A) whether the rate's proof was re-checked exactly
    mu: float
    L: float

    @property
    def open(self) -> NDArray[np.bool_]:
        """Nodes that converge on quadratics but are neither proved nor known to cycle: (B, A)."""
        return (self.quadratic < 1) & np.isnan(self.rate) & (self.cycle == 0)


def certified_rate_map(
    alphas: ArrayLike, betas: ArrayLike, mu: float, L: float, gamma: ArrayLike | str = 0.0, check: bool = True
) -> CertifiedMap:
    """Certified and quadratic rate of every (alpha, beta); `gamma` is a number, an array over the betas, or "beta" (Nesterov).

    With `check=False` no solver runs: rates are those of the frequency response, good to 1e-4 (1 - rate) and marked as not
    checked; a 60 x 60 map then takes about a second.

    Args:
        alphas: learning rates, shape (A,), in units of 1/curvature.
        betas: momenta, shape (B,), in [-1, 1].
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        gamma: look-ahead: a number, an array of shape (B,), or "beta" (Nesterov) (default 0: heavy ball).
        check: prove every rate exactly (default True).

    Raises:
        BadInput: mu <= 0, mu > L, an alpha that is not positive or a beta outside [-1, 1].
        MissingExtra: clarabel is not installed and `check` is asked for.

    >>> made = certified_rate_map([1.0], [0.0, 0.3], 0.1, 1.0, check=False)
    >>> made.rate.round(3).tolist(), made.quadratic.round(3).tolist()
    ([[0.9], [0.845]], [[0.9], [0.845]])
    """
    mu, L = in_class(mu, L)
    alpha, beta = np.atleast_1d(np.asarray(alphas, dtype=float)), np.atleast_1d(np.asarray(betas, dtype=float))
    if not (np.all(alpha > 0) and np.all(np.isfinite(alpha))):
        raise BadInput(f"alphas from {np.min(alpha):g} to {np.max(alpha):g}: every one must be positive and finite")
    if not np.all(np.abs(beta) <= 1):
        raise BadInput(f"betas from {np.min(beta):g} to {np.max(beta):g}: every one must be in [-1, 1]")
    look = beta if isinstance(gamma, str) else np.asarray(gamma, dtype=float)
    if isinstance(gamma, str) and gamma != "beta":
        raise BadInput(f"gamma = '{gamma}' is not known: give a number, one per beta, or 'beta' for Nesterov")
    methods = Method(*np.broadcast_arrays(alpha[None, :], beta[:, None], look[..., None], 0.0))
    rate = np.asarray(sector_rate(methods, mu, L, _POINTS), dtype=float)
    rate = np.where(np.isfinite(rate), rate, np.nan)
    checked = np.zeros(rate.shape, dtype=bool)
    if check:
        rate, checked = _proved(methods, mu, L, rate)
    return CertifiedMap(alpha, beta, rate, np.asarray(quadratic_rate(methods, mu, L)), cycling(methods, mu, L)[..., 1], checked, mu, L)


def _proved(methods: Method, mu: float, L: float, guess: Array) -> tuple[Array, NDArray[np.bool_]]:
    """The rates that passed the exact check, nan where none did, and where that is."""
    rate = np.full(guess.shape, np.nan)
    for index in zip(*np.nonzero(np.isfinite(guess)), strict=True):
        method = Method(*(float(field[index]) for field in methods))
        rate[index] = _near(method, mu, L, float(guess[index]))
    return rate, np.isfinite(rate)


def _near(method: Method, mu: float, L: float, guess: float) -> Any:
    program = Program(method.alpha * L, method.beta, method.gamma, mu / L)
    for above in _ABOVE:
        found = attempt(program, method, mu, L, guess + above * (1 - guess))
        if found is not None:
            return found.rate
    return np.nan
