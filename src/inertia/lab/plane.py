"""The plane of (alpha, beta): the rate everywhere, exact boundaries, the best point, and named families of methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.method import Method
from ..core.spectrum import spectrum
from ..theory import modes, quadratic
from .fields import Choice, Number

__all__ = ["FAMILY", "GAMMA", "best", "fringe", "look_ahead", "method", "plane", "reach", "worst_rate"]

Array = NDArray[np.float64]

FAMILY = Choice(
    "heavy-ball",
    {
        "descent": "gradient descent",
        "heavy-ball": "heavy ball",
        "nesterov": "Nesterov",
        "triple": "triple momentum",
        "any": "any (α, β, γ)",
    },
    "method",
)
GAMMA = Number(0.0, -0.5, 3.0, 0.01, "look-ahead γ")


def look_ahead(family: str, beta: ArrayLike, gamma: float = 0.0) -> Any:
    """gamma of a family at momentum beta: 0 heavy ball, beta Nesterov, beta/(1 + rho) triple momentum.

    Triple momentum ties beta = rho^2/(2 - rho), so rho = (sqrt(beta^2 + 8 beta) - beta)/2 (Van Scoy et al. 2018).

    >>> float(look_ahead("nesterov", 0.5)), round(float(look_ahead("triple", 0.5)), 6)
    (0.5, 0.280776)
    """
    b = np.asarray(beta, dtype=float)
    if family == "nesterov":
        return b[()]
    if family == "triple":
        rho = (np.sqrt(b * b + 8 * b) - b) / 2
        return (b / (1 + rho))[()]
    return np.full(b.shape, gamma if family == "any" else 0.0)[()]


def method(family: str, alpha: Any, beta: Any, gamma: float = 0.0) -> Method:
    """The method of a family at (alpha, beta); gradient descent ignores beta, triple momentum also sets its read-out.

    >>> float(method("nesterov", 0.1, 0.9).gamma)
    0.9
    """
    if family == "descent":
        return Method(alpha, 0.0 * beta)
    if family == "triple":
        b = np.asarray(beta, dtype=float)
        rho = (np.sqrt(b * b + 8 * b) - b) / 2
        return Method(alpha, beta, look_ahead(family, beta), (rho * rho / np.maximum(1 - rho * rho, 1e-9))[()])
    return Method(alpha, beta, look_ahead(family, beta, gamma))


def worst_rate(one: Method, curvatures: ArrayLike) -> Any:
    """Rate on the slowest of the curvatures; methods of any shape.

    >>> float(worst_rate(Method(0.1), [1.0, 10.0]))
    0.9
    """
    return quadratic.worst_rate(one, spectrum(curvatures))


def reach(curvatures: Sequence[float], family: str = "heavy-ball", gamma: float = 0.0) -> float:
    """The right end of the alpha axis: a little beyond the largest stable step at beta in [0, 1].

    >>> round(reach([1.0, 10.0]), 12)
    0.42
    """
    b = np.linspace(0, 1, 33)
    return 1.05 * float(np.max(_edge_alpha(family, b, gamma))) / max(curvatures)


def _edge_alpha(family: str, beta: Array, gamma: float) -> Array:
    """alpha h at the stability boundary for each beta."""
    one = method(family, np.ones_like(beta), beta, gamma)
    found = np.asarray(modes.edge(Method(*(np.broadcast_to(field, beta.shape) for field in one))))
    return np.where(np.isfinite(found), found, 0.0)


def plane(family: str, curvatures: Sequence[float], gamma: float = 0.0, size: int = 201) -> dict[str, Any]:
    """The speed over the rectangle [0, reach] x [0, 1] as bytes (0 fastest, 255 stands still), the stable region, the best point.

    Speed is digits per step, log(rate), as a share of the best point's (of one digit a step where the best is faster), so that
    the fast region stands out however ill-conditioned the curvatures are. The exact boundaries come as curves: where the method
    stops being stable, and, for the smallest and largest curvature, where the roots become complex (between them the error ripples).
    """
    right = reach(curvatures, family, gamma)
    alpha, beta = np.linspace(0, right, size), np.linspace(0, 1, size)
    grid = worst_rate(method(family, alpha[None, :], beta[:, None], gamma), curvatures)  # (size, size)
    place = best(family, curvatures, gamma)
    top = float(worst_rate(place, curvatures))
    with np.errstate(divide="ignore"):
        speed = np.log(np.clip(grid, 1e-12, 1)) / np.log(np.clip(top, 0.1, 1 - 1e-9))  # 1 at the best point, 0 at rate 1
    edge = np.minimum(_edge_alpha(family, beta, gamma) / max(curvatures), right)
    return {
        "grid": np.round(255 * (1 - np.clip(speed, 0, 1) ** 0.7)).astype(np.uint8),
        "right": right,
        "edge_alpha": edge,
        "edge_beta": beta,
        "fringes": [fringe(family, h, gamma, right) for h in sorted({min(curvatures), max(curvatures)})],
        "best": {"alpha": place.alpha, "beta": place.beta, "rate": top},
    }


def fringe(family: str, curvature: float, gamma: float, right: float) -> dict[str, Array]:
    """Where the roots of one curvature meet: two branches alpha(beta), nan beyond `right` or where there is none.

    p^2 = 4q is a quadratic in a = alpha h: (1+gamma)^2 a^2 - 2((1+beta)(1+gamma) - 2 gamma) a + (1-beta)^2 = 0.
    """
    b = np.linspace(0, 1, 161)
    b = np.unique(np.concatenate([b, b**3, 1 - (1 - b) ** 3]))
    g = np.asarray(look_ahead("heavy-ball" if family == "descent" else family, b, gamma))
    middle = (1 + b) * (1 + g) - 2 * g
    disc = middle * middle - ((1 + g) * (1 - b)) ** 2
    root = np.sqrt(np.where(disc >= 0, disc, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = [(middle + sign * root) / (1 + g) ** 2 / curvature for sign in (-1, 1)]
    return {"beta": b, "left": np.where(sides[0] <= right, sides[0], np.nan), "right": np.where(sides[1] <= right, sides[1], np.nan)}


def best(family: str, curvatures: Sequence[float], gamma: float = 0.0) -> Method:
    """The fastest method of the family on these curvatures: closed form where one is known, else a grid refined eight times.

    Heavy ball: alpha = (2/(sqrt L + sqrt mu))^2, beta = ((sqrt k - 1)/(sqrt k + 1))^2 (Polyak 1964). The optimum sits at a kink
    of the rate, where derivatives do not exist; so the search only compares values.

    >>> [round(float(value), 6) for value in best("heavy-ball", [1.0, 100.0])[:2]]
    [0.033058, 0.669421]
    """
    low, high = min(curvatures), max(curvatures)
    if family == "descent":
        return Method(2 / (low + high), 0.0)
    if family == "heavy-ball":
        root = math.sqrt(low / high)
        return Method((2 / (math.sqrt(low) + math.sqrt(high))) ** 2, ((1 - root) / (1 + root)) ** 2)
    return _searched(family, curvatures, gamma)


def _searched(family: str, curvatures: Sequence[float], gamma: float) -> Method:
    right = reach(curvatures, family, gamma)
    (left, end), (bottom, top) = (right / 400, right), (0.0, 0.9999)
    a, b = left, bottom
    for _ in range(8):
        alpha, beta = np.linspace(left, end, 41), np.linspace(bottom, top, 41)
        rates = worst_rate(method(family, alpha[None, :], beta[:, None], gamma), curvatures)
        row, column = np.unravel_index(np.argmin(rates), rates.shape)
        a, b = float(alpha[column]), float(beta[row])
        wide, tall = (end - left) / 8, (top - bottom) / 8
        left, end, bottom, top = max(a - wide, right * 1e-6), min(a + wide, right), max(b - tall, 0.0), min(b + tall, 0.9999)
    return method(family, a, b, gamma)
