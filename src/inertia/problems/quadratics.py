"""Quadratics: 1/2 (w - w*)' A (w - w*) + f*, with A given as a matrix, an operator or its eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spectrum import spectrum
from .base import Array, Problem, Rows

__all__ = ["diagonal", "valley"]


def diagonal(curvatures: Any, *, start: Any = 1.0, optimum: Any = 0.0, **words: Any) -> Problem:
    """1/2 sum h_i (w_i - w*_i)^2: a quadratic in its own eigenbasis.

    >>> float(diagonal([1.0, 100.0]).value(np.ones(2)))
    50.5
    """
    h = np.atleast_1d(np.asarray(curvatures, dtype=float))
    best = np.array(np.broadcast_to(np.asarray(optimum, dtype=float), h.shape))
    first = np.array(np.broadcast_to(np.asarray(start, dtype=float), h.shape))

    def value(params: Array, rows: Rows = None, /) -> Array:
        return 0.5 * np.square(params - best) @ h

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        return h * (params - best)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return h * vector

    exact = spectrum(h, (first - best) ** 2, provenance={"method": "exact", "dimension": h.size})
    known: dict[str, Any] = {"name": "diagonal quadratic", "spectrum": exact, "optimum": best, "minimum": 0.0}
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, **(known | words))


def valley() -> Problem:
    """The ill-conditioned valley 0.1 x1^2 + 2 x2^2 from (-5, -2): curvatures 0.2 and 4, condition number 20.

    >>> float(valley().value(valley().start))
    10.5
    """
    return diagonal(
        [0.2, 4.0],
        start=[-5.0, -2.0],
        name="valley",
        domain=((-5.5, 1.0), (-3.0, 1.0)),
        about="the ill-conditioned valley 0.1 x1^2 + 2 x2^2",
        source="Zhang, Lipton, Li and Smola, Dive into Deep Learning, chapter on momentum",
    )
