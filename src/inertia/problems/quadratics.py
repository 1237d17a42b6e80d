"""Quadratics: 1/2 (w - w*)' A (w - w*) + f*, with A given as a matrix, an operator, an angle or its eigenvalues.

Where A is small its spectrum is exact; where it is only a product, ask `inertia.measure`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.spectrum import Spectrum, spectrum
from ..errors import BadInput
from .base import Array, Problem, Rows, spread_over
from .matrices import eigenbasis, solve, symmetric

__all__ = ["diagonal", "from_spectrum", "planar", "quadratic", "scalar", "valley"]


def quadratic(
    matrix: Any,
    *,
    linear: ArrayLike | None = None,
    optimum: ArrayLike | None = None,
    constant: float = 0.0,
    start: ArrayLike | None = None,
    definite: bool = True,
    **words: Any,
) -> Problem:
    """1/2 w'Aw - b'w + c for a symmetric A: an array, a scipy sparse matrix or a scipy LinearOperator.

    Give `linear` (b) or `optimum` (then b = A w*), or neither (both 0). Starts at 0 where the optimum is elsewhere, at ones
    otherwise. Up to 2000 dimensions definiteness is checked and the spectrum exact (eigenvectors in `facts`); beyond, and for
    operators, definiteness is checked where the optimum has to be solved for. `definite=False` allows saddles, without optimum.

    Raises:
        BadInput: A not square, not finite, not symmetric or not positive definite; b, w* or start of the wrong length.

    >>> quadratic([[2.0, 0.0], [0.0, 8.0]], linear=[2.0, 8.0]).optimum
    array([1., 1.])
    """
    a = symmetric(matrix)
    if linear is not None and optimum is not None:
        raise BadInput("linear and optimum both came: give one of them, the other follows")
    found = eigenbasis(a, definite)
    b = np.zeros(a.size) if linear is None else _vector("linear", linear, a.size)
    best = solve(a, b) if optimum is None and definite else None
    if optimum is not None:
        best = _vector("optimum", optimum, a.size)
        b = a.apply(best)
    minimum = None if best is None else float(constant - 0.5 * (b @ best))
    first = np.zeros(a.size) if np.any(b) else np.ones(a.size)
    first = first if start is None else _vector("start", start, a.size)
    centre = np.zeros(a.size) if best is None else best  # around the optimum no digits cancel
    slope, level = (b, constant) if best is None else (np.zeros(a.size), minimum)

    def value(params: Array, rows: Rows = None, /) -> Array:
        away = params - centre
        return np.sum((0.5 * a.apply(away) - slope) * away, axis=-1) + level

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        return a.apply(params - centre) - slope

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return spread_over(params, a.apply(vector))

    known: dict[str, Any] = {"name": "quadratic", "optimum": best, "minimum": minimum, "facts": {}}
    if found is not None:
        known["facts"] = {"eigenvalues": found[0], "eigenvectors": found[1]}
        if best is not None:
            known["spectrum"] = _exact(found[0], ((first - best) @ found[1]) ** 2)
    facts = known["facts"] | words.pop("facts", {})
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, **(known | words | {"facts": facts}))


def diagonal(curvatures: ArrayLike, *, start: ArrayLike = 1.0, optimum: ArrayLike = 0.0, **words: Any) -> Problem:
    """1/2 sum h_i (w_i - w*_i)^2: a quadratic in its own eigenbasis.

    Raises:
        BadInput: a curvature that is negative or not finite.

    >>> float(diagonal([1.0, 100.0]).value(np.ones(2)))
    50.5
    """
    h = np.atleast_1d(np.asarray(curvatures, dtype=float))
    if not np.all(np.isfinite(h)) or np.any(h < 0):
        raise BadInput(f"curvature {h[~(np.isfinite(h) & (h >= 0))][0]:g} has no minimum: give finite numbers >= 0")
    best = np.array(np.broadcast_to(np.asarray(optimum, dtype=float), h.shape))
    first = np.array(np.broadcast_to(np.asarray(start, dtype=float), h.shape))

    def value(params: Array, rows: Rows = None, /) -> Array:
        return 0.5 * np.square(params - best) @ h

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        return h * (params - best)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return spread_over(params, h * vector)

    known: dict[str, Any] = {"name": "diagonal", "optimum": best, "minimum": 0.0, "spectrum": _exact(h, (first - best) ** 2)}
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, **(known | words))


def from_spectrum(known: Spectrum, seed: int | None = None, **words: Any) -> Problem:
    """A quadratic with that spectrum and start distances; in its own eigenbasis, or turned at random by a seed.

    >>> from inertia.core.spectrum import spectrum
    >>> from_spectrum(spectrum([1.0, 4.0], weights=[9.0, 1.0])).start
    array([3., 1.])
    """
    first = np.sqrt(known.weights)
    if seed is None:
        return diagonal(known.curvatures, start=first, **({"name": "from spectrum"} | words))
    square = np.random.default_rng(seed).standard_normal((first.size, first.size))
    q, r = np.linalg.qr(square)
    q = q * np.sign(np.diag(r))  # makes the turn uniform over all turns (Stewart 1980)
    matrix = (q * known.curvatures) @ q.T
    return quadratic((matrix + matrix.T) / 2, start=q @ first, **({"name": "from spectrum"} | words))


def planar(
    curvatures: tuple[float, float] = (1.0, 100.0),
    angle: float = -math.pi / 4,
    *,
    start: ArrayLike = (-1.0606601717798214, 2.4748737341529163),
    optimum: ArrayLike = (0.0, 0.0),
    **words: Any,
) -> Problem:
    """A bowl in the plane: the first curvature along `angle` (radians from the first axis), the second across it.

    The default is the change-of-variables figure of Goh (2017): A = [[50.5, 49.5], [49.5, 50.5]].

    >>> planar().gradient(np.array([1.0, 1.0])).round(12)
    array([100., 100.])
    """
    c, s = math.cos(angle), math.sin(angle)
    q = np.array([[c, -s], [s, c]])  # columns are the eigenvectors
    matrix = (q * np.asarray(curvatures, dtype=float)) @ q.T
    known: dict[str, Any] = {"name": "planar", "domain": ((-3.0, 3.0), (-3.0, 3.0))}
    known["about"] = f"a bowl of curvatures {curvatures[0]:g} and {curvatures[1]:g} in the plane"
    known["source"] = "Goh 2017, Why Momentum Really Works, change of variables"
    return quadratic((matrix + matrix.T) / 2, optimum=optimum, start=start, **(known | words))


def scalar(curvature: float = 1.0, start: float = math.sqrt(3.0), **words: Any) -> Problem:
    """1/2 h x^2 in one variable; the default starts at loss 1.5.

    >>> round(float(scalar().value(scalar().start)), 12)
    1.5
    """
    return diagonal([curvature], start=[start], **({"name": "scalar", "about": f"{curvature / 2:g} x^2 in one variable"} | words))


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


def _exact(curvatures: Array, weights: Array) -> Spectrum:
    return spectrum(curvatures, weights, provenance={"method": "exact", "dimension": int(np.size(curvatures))})


def _vector(name: str, values: ArrayLike, size: int) -> Array:
    array = np.asarray(values, dtype=float)
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise BadInput(f"{name} has shape {array.shape}: ({size},) finite numbers are needed")
    return array
