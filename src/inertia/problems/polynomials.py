"""Fitting a polynomial in monomials: why gradient descent learns robust features first.

    f(w) = 1/2 |Z w - d|^2,   Z_ij = xi_i^j,   Z'Z = Q diag(lambda) Q'

In the eigenbasis the model is a sum of eigenfeatures p_i(x) = sum_j Q_ji x^j, and every regulariser is a filter: the share
of each coefficient that has been learned. Eigenvalues come largest first, as in the source's figures. (Goh 2017.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.spectrum import spectrum
from ..errors import BadInput
from .base import Array, Problem, Rows, spread_over

__all__ = ["Eigenfeatures", "early_stopping_filter", "eigenfeatures", "monomials", "polynomial", "ridge_filter"]

POINTS = np.array([-0.6, -0.55, -0.5, -0.45, -0.4, 0.4, 0.45, 0.5, 0.55, 0.6])
TARGETS = np.array([-1.5, -2.0, -2.5, -1.5, -1.0, 0.5, 1.0, 1.5, 1.0, 0.5])


class Eigenfeatures(NamedTuple):
    """What the data can tell apart: eigenvalues (n,) largest first, vectors (n, n) in columns, coefficients (n,) of the fit."""

    eigenvalues: Array
    vectors: Array  # column i: the monomial weights of eigenfeature i
    coefficients: Array  # the least-squares fit in this basis

    def curves(self, x: ArrayLike) -> Array:
        """Every eigenfeature at x: (..., n)."""
        return monomials(x, len(self.eigenvalues) - 1) @ self.vectors


def monomials(x: ArrayLike, degree: int) -> Array:
    """1, x, ..., x^degree: (..., degree + 1).

    >>> monomials(2.0, 3)
    array([1., 2., 4., 8.])
    """
    return np.asarray(x, dtype=float)[..., None] ** np.arange(degree + 1)


def eigenfeatures(points: ArrayLike, targets: ArrayLike, degree: int = 5) -> Eigenfeatures:
    """Eigenvalues of Z'Z largest first, eigenfeatures, and the least-squares coefficients q_i'Z'd / lambda_i.

    The noise of the data reaches coefficient i multiplied by 1/sqrt(lambda_i). Taken from the singular values of Z, which
    lose half as many digits as those of Z'Z; each vector's largest entry is made positive.

    Raises:
        BadInput: fewer different points than coefficients.

    >>> eigenfeatures(POINTS, TARGETS).eigenvalues[:2].round(4)
    array([10.7033,  2.76  ])
    """
    z, d = _design(points, targets, degree)
    u, s, vt = np.linalg.svd(z, full_matrices=False)
    if s[-1] <= len(z) * np.finfo(float).eps * s[0]:
        raise BadInput(f"{len(np.unique(z[:, 1:], axis=0))} different points cannot fix {degree + 1} coefficients: lower degree")
    sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    return Eigenfeatures(s**2, vt.T * sign, (d @ u) / s * sign)


def early_stopping_filter(curvatures: ArrayLike, alpha: float, k: ArrayLike) -> Array:
    """Share of each coefficient learned after k steps of gradient descent from 0: 1 - (1 - alpha lambda)^k.

    `k` broadcasts against the curvatures. Exact also where alpha lambda is tiny and k huge.

    >>> early_stopping_filter([1.0, 1e-17], 0.5, 2)
    array([7.5e-01, 1.0e-17])
    """
    product = alpha * np.asarray(curvatures, dtype=float)
    k = np.asarray(k, dtype=float)
    small = product < 0.5
    near = -np.expm1(k * np.log1p(-np.where(small, product, 0.0)))
    gap = np.where(small, 0.0, 1 - product)
    with np.errstate(over="ignore"):
        far = 1 - np.where((gap < 0) & (k % 2 == 1), -1.0, 1.0) * np.abs(gap) ** k
    return np.where(small, near, far)[()]


def ridge_filter(curvatures: ArrayLike, eta: ArrayLike) -> Array:
    """Share of each coefficient that ridge regression 1/2 |Zw - d|^2 + eta/2 |w|^2 keeps: lambda/(lambda + eta).

    Looks like early stopping with eta = 1/(alpha k). (Tikhonov 1943.)

    >>> ridge_filter([1.0, 3.0], 1.0)
    array([0.5 , 0.75])
    """
    lam = np.asarray(curvatures, dtype=float)
    return lam / (lam + np.asarray(eta, dtype=float))


def polynomial(points: ArrayLike = POINTS, targets: ArrayLike = TARGETS, degree: int = 5, start: ArrayLike | None = None) -> Problem:
    """Least squares 1/2 |Z w - d|^2 in monomials, from 0; the default is Goh's ten points and degree 5, kappa 323561.

    The sum, not the mean, of squares, as in the source. `facts` holds points, targets, degree and the eigenfeatures.

    Raises:
        BadInput: points and targets that do not fit, or fewer different points than coefficients.

    >>> polynomial().optimum.round(3).tolist()
    [0.567, -8.082, -6.387, 90.62, 9.447, -177.259]
    """
    z, d = _design(points, targets, degree)
    found = eigenfeatures(points, targets, degree)
    best = found.vectors @ found.coefficients
    first = np.zeros(degree + 1) if start is None else np.asarray(start, dtype=float)
    left = z @ best - d  # residual of the fit
    floor = float(0.5 * left @ left)

    def value(params: Array, rows: Rows = None, /) -> Array:
        return floor + 0.5 * np.square((params - best) @ z.T).sum(axis=-1)  # at the fit Z'left = 0: no digits cancel

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        return ((params - best) @ z.T) @ z

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return spread_over(params, (vector @ z.T) @ z)

    weights = ((first - best) @ found.vectors) ** 2
    return Problem(
        "poly",
        value,
        gradient,
        hvp,
        start=first,
        optimum=best,
        minimum=floor,
        spectrum=spectrum(found.eigenvalues, weights, provenance={"method": "exact", "dimension": degree + 1}),
        about=f"a polynomial of degree {degree} fitted to {len(z)} points in monomials",
        source="Goh 2017, Why Momentum Really Works, example: polynomial regression",
        facts={"points": z[:, 1], "targets": d, "degree": degree, "eigenfeatures": found},
    )


def _design(points: ArrayLike, targets: ArrayLike, degree: int) -> tuple[Array, Array]:
    x, d = np.asarray(points, dtype=float), np.asarray(targets, dtype=float)
    if x.ndim != 1 or x.shape != d.shape or not (np.all(np.isfinite(x)) and np.all(np.isfinite(d))):
        raise BadInput(f"points {x.shape} and targets {d.shape} do not fit: give two equally long lists of finite numbers")
    if degree < 1 or len(x) <= degree:
        raise BadInput(f"degree = {degree} needs at least {degree + 1} points and at least degree 1; {len(x)} points came")
    return monomials(x, degree), d
