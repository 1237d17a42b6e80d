"""Adam, step by step on plain arrays: what the figures lay beside momentum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["adam_path"]

Array = NDArray[np.float64]
_SECOND, _EPS = 0.999, 1e-8  # beta2 and eps as every framework sets them


def adam_path(gradient: Callable[[Array], ArrayLike], start: ArrayLike, lr: float, beta1: float, steps: int) -> Array:
    """Parameters after 0, 1, ... steps of Adam (Kingma and Ba 2015, algorithm 1): (steps + 1, n), nan from where they are not finite.

        m <- beta1 m + (1 - beta1) g,   v <- 0.999 v + 0.001 g^2,   x <- x - lr m/(1 - beta1^t) / (sqrt(v/(1 - 0.999^t)) + 1e-8)

    Args:
        gradient: (n,) -> (n,).
        start: (n,) parameters.
        lr: learning rate: about the length of a step in every coordinate.
        beta1: momentum of the first moment, in [0, 1).
        steps: how many.

    >>> adam_path(lambda x: x, [1.0], 0.1, 0.9, 2).round(6).ravel().tolist()
    [1.0, 0.9, 0.800412]
    """
    params = np.array(start, dtype=float)
    first, second, left1, left2 = np.zeros_like(params), np.zeros_like(params), 1.0, 1.0
    path = np.full((steps + 1, params.size), np.nan)
    path[0] = params
    with np.errstate(all="ignore"):
        for k in range(1, steps + 1):
            slope = np.asarray(gradient(params), dtype=float)
            left1, left2 = left1 * beta1, left2 * _SECOND
            first = beta1 * first + (1 - beta1) * slope
            second = _SECOND * second + (1 - _SECOND) * (slope * slope)
            params = params - lr * (first / (1 - left1)) / (np.sqrt(second / (1 - left2)) + _EPS)
            if not np.isfinite(params).all():
                break
            path[k] = params
    return path
