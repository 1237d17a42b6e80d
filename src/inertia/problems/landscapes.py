"""Curved landscapes in one and two variables: a banana, a quartic with an inflection, two wells, and a trap for heavy ball.

All derivatives are written out; curvature changes from place to place, so there is no spectrum but the local one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Array, Problem, Rows

__all__ = ["banana", "double_well", "heavy_ball_trap", "quartic"]


def banana() -> Problem:
    """Stretched Rosenbrock (1 - x)^2 + 20 (3y - x^2)^2 from (-1.21, 0.853): local curvatures 1.383 and 520.6 at (1, 1/3).

    >>> round(float(banana().value(banana().start)), 3)
    28.86
    """

    def value(params: Array, rows: Rows = None, /) -> Array:
        x, y = params[..., 0], params[..., 1]
        return (1 - x) ** 2 + 20 * (3 * y - x**2) ** 2

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        x, y = params[..., 0], params[..., 1]
        ridge = 3 * y - x**2
        return np.stack([-2 * (1 - x) - 80 * x * ridge, 120 * ridge], axis=-1)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        x, y = params[..., 0], params[..., 1]
        u, v = vector[..., 0], vector[..., 1]
        return np.stack([(2 - 240 * y + 240 * x**2) * u - 240 * x * v, -240 * x * u + 360 * v], axis=-1)

    return Problem(
        "rosenbrock",
        value,
        gradient,
        hvp,
        start=np.array([-1.21, 0.853]),
        optimum=np.array([1.0, 1 / 3]),
        minimum=0.0,
        domain=((-2.0, 2.0), (-4 / 15, 16 / 15)),
        about="a curved valley, (1 - x)^2 + 20 (3y - x^2)^2, not convex",
        source="Rosenbrock 1960, stretched as in Goh 2017, Why Momentum Really Works",
    )


def quartic() -> Problem:
    """x^4 - 3 x^3 + 2 from -0.5: a flat inflection at 0 on the way to the minimum at 9/4, where the curvature is 20.25.

    >>> quartic().minimum
    -6.54296875
    """
    return _one_variable(
        "quartic",
        lambda x: x**4 - 3 * x**3 + 2,
        lambda x: x**2 * (4 * x - 9),
        lambda x: x * (12 * x - 18),
        start=-0.5,
        optimum=2.25,
        minimum=-6.54296875,
        about="x^4 - 3x^3 + 2, with a flat inflection at 0 before the minimum at 9/4",
        source="Bilionis, Advanced Scientific Machine Learning (Purdue ME 697), momentum",
        facts={"interval": (-1.0, 3.2), "inflection": 0.0, "curvature": 20.25},
    )


def double_well() -> Problem:
    """x1^4 - 2 x1^2 + x2^2: minima (-1, 0) and (1, 0) with curvatures 8 and 2, a saddle at 0 between them.

    >>> double_well().value(np.array([[1.0, 0.0], [0.0, 0.0]])).tolist()
    [-1.0, 0.0]
    """

    def value(params: Array, rows: Rows = None, /) -> Array:
        x, y = params[..., 0], params[..., 1]
        return x**4 - 2 * x**2 + y**2

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        x, y = params[..., 0], params[..., 1]
        return np.stack([4 * x * (x**2 - 1), 2 * y], axis=-1)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        x = params[..., 0]
        return np.stack([(12 * x**2 - 4) * vector[..., 0], 2 * vector[..., 1] + 0 * x], axis=-1)

    return Problem(
        "double-well",
        value,
        gradient,
        hvp,
        start=np.array([-1.5, -1.5]),
        optimum=np.array([-1.0, 0.0]),
        minimum=-1.0,
        domain=((-2.0, 2.0), (-2.0, 2.0)),
        about="two wells, x1^4 - 2x1^2 + x2^2, and the saddle between them",
        source="Bilionis, Advanced Scientific Machine Learning (Purdue ME 697), momentum",
        facts={"minima": np.array([[-1.0, 0.0], [1.0, 0.0]]), "saddle": np.zeros(2)},
    )


def heavy_ball_trap() -> Problem:
    """A strongly convex function (mu = 1, L = 25) on which the best heavy ball for quadratics cycles for ever.

    f'(x) = 25 x below 1, x + 24 up to 2, 25 x - 24 beyond; with alpha = 1/9, beta = 4/9 from 3.3 the iterates settle on the
    cycle (792, -2208, 2592)/1225 instead of 0. (Lessard, Recht and Packard 2016, section 4.6.)

    >>> float(heavy_ball_trap().gradient(np.array([3.0]))[0])
    51.0
    """
    return _one_variable(
        "heavy-ball-trap",
        lambda x: np.where(x < 1, 12.5 * x**2, np.where(x < 2, 0.5 * x**2 + 24 * x - 12, 12.5 * x**2 - 24 * x + 36)),
        lambda x: np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24)),
        lambda x: np.where((x < 1) | (x >= 2), 25.0, 1.0),
        start=3.3,
        optimum=0.0,
        minimum=0.0,
        about="strongly convex, curvatures 1 and 25: heavy ball tuned for quadratics never arrives",
        source="Lessard, Recht and Packard 2016, section 4.6",
        facts={"interval": (-2.5, 3.5), "mu": 1.0, "L": 25.0, "cycle": np.array([792, -2208, 2592]) / 1225},
    )


Real = Callable[[Array], Array]


def _one_variable(name: str, f: Real, slope: Real, curvature: Real, *, start: float, optimum: float, **words: Any) -> Problem:
    def value(params: Array, rows: Rows = None, /) -> Array:
        return f(params[..., 0])

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        return slope(params)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        return curvature(params) * vector

    return Problem(name, value, gradient, hvp, start=np.array([start]), optimum=np.array([optimum]), **words)
