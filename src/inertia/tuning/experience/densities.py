"""Densities of what is believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_student", "squared"]

Array = NDArray[np.float64]


def squared(roots: Array, weights: Array, spread: float) -> tuple[Array, Array]:
    """Squares of normal densities of that spread about the roots, cut off at 0: values and weights.

    >>> values, weights = squared(np.array([0.5]), np.array([1.0]), 0.1)
    >>> round(float(np.average(values, weights=weights)), 4)
    0.26
    """
    nodes, share = np.polynomial.hermite_e.hermegauss(9)
    values = np.maximum(roots[:, None] + spread * nodes, 0.0) ** 2
    return values.ravel(), (weights[:, None] * (share / share.sum())).ravel()


def log_student(off: Array, tail: float) -> Array:
    """Logarithm of Student's density, up to a constant."""
    return -0.5 * (tail + 1) * np.log1p(off**2 / tail)
