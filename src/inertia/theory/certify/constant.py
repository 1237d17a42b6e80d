"""The constant of a proof: |xi_k - x*| <= constant rate^k |xi_0 - x*| from rest (xi_{-1} = xi_0), checked without rounding.

A Lyapunov function of its own, with memory N, contracts by the rate (`dissipation`) and lies above |xi_k - x*|^2. The first N
steps are bounded by the interpolation inequalities of the points they visit (Drori and Teboulle 2014; Taylor, Hendrickx and
Glineur 2017, Theorem 4): with weights >= 0 on them,

    |xi_k| <= constant rate^k |xi_0|  for 0 < k < N,     V_N <= (c rate^N)^2 |xi_0|^2,

and V_{k+1} <= rate^2 V_k carries the last one to every k >= N. What V lies above is |x_k|^2 of x_k = (xi_k - s xi_{k-1})/(1 - s),
a number s in [0, rate): then xi_k = s xi_{k-1} + (1 - s) x_k gives |xi_k| <= constant rate^k by induction wherever
c (1 - s) <= constant (1 - s/rate). With s = 0, x is xi; triple momentum's V speaks of its read-out, s = rate^2 (Van Scoy,
Freeman and Lynch 2018). Units L = 1, minimiser at 0.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from .dissipation import Array, Proof, Sides, Terms, balance, forms, pairs, sides, terms
from .exact import pivots

__all__ = ["Bound", "above", "carried", "folded", "from_rest", "unbounded"]


class Bound(NamedTuple):
    """A constant and what proves it: a Lyapunov function above |xi|^2, and weights for the steps before it can speak."""

    constant: float
    share: float  # s in [0, rate): V lies above |xi_k - s xi_{k-1}|^2/(1 - s)^2
    lyapunov: Proof
    start: Array  # (N^2,) weights on pairs(N - 1): V_N against the start
    early: tuple[Array, ...]  # for k = 1..N - 1: (k^2,) weights on pairs(k - 1), |xi_k|^2 against the start


def folded(matrix: Array) -> Array:
    """A quadratic form over (xi_0, xi_{-1}, s_0, ...) where the method starts at rest: over (xi_0, s_0, ...).

    Args:
        matrix: symmetric form (N + 2, N + 2) over (xi_0, xi_{-1}, s_0, ...).

    >>> folded(np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 5.0]]))
    array([[6., 0.],
           [0., 5.]])
    """
    rows = np.concatenate([matrix[..., :1, :] + matrix[..., 1:2, :], matrix[..., 2:, :]], axis=-2)
    return np.concatenate([rows[..., :1] + rows[..., 1:2], rows[..., 2:]], axis=-1)


def above(claims: Sides, rows: Terms, share: Any) -> Array:
    """The claim V_k - |xi_k - s xi_{k-1}|^2/(1 - s)^2 >= 0, doubled as all claims are: (N + 2, N + 2).

    Args:
        claims: the sides of a proof at its rate.
        rows: terms of the same memory N.
        share: the s of the distance that V stays above, in [0, 1).
    """
    seen = (rows.xi[1] - share * rows.xi[2])[:-1] / (1 - share)  # over the state z_k
    return claims.positive - 2 * np.multiply.outer(seen, seen)


def carried(constant: Any, share: Any, rate: Any) -> Any:
    """The c that V needs for this constant: constant (1 - s/rate)/(1 - s).

    Args:
        constant: what multiplies the distance of the start, as a float or a Fraction.
        share: the s of `above`.
        rate: the rate of the certificate, above s.

    >>> carried(3.0, 0.25, 0.5)
    2.0
    """
    return constant * (1 - share / rate) / (1 - share)


def from_rest(rows: Terms, form: Array, values: Array, weights: Array, most: Any) -> tuple[Array, Array]:
    """The claim form <= most |xi_0|^2 after as many steps from rest as the rows know slopes, as a matrix and a row >= 0.

    `rows` are terms of memory k - 1, `form` is a quadratic form over (xi_0, xi_{-1}, s_0, ..., s_{k-1}), `values` (k,) are the
    coefficients of q_{k-1}, ..., q_0 beside it.

    Args:
        rows: terms of memory k - 1.
        form: quadratic form over (xi_0, xi_{-1}, s_0, ..., s_{k-1}).
        values: coefficients (k,) of q_{k-1}, ..., q_0 beside it.
        weights: weights of the inequalities, >= 0, in the order of `pairs`.
        most: the claimed constant.
    """
    listed = pairs(len(values) - 1)
    unit = np.zeros((len(form) - 1, len(form) - 1), dtype=form.dtype)
    unit[0, 0] += 2 * most
    matrix = unit - 2 * folded(form) - np.tensordot(weights, folded(forms(rows, listed)), axes=1)
    return matrix, weights @ balance(listed, len(values) - 1) - values


def unbounded(numbers: tuple[Any, Any, Any, Any], rate: Fraction, bound: Bound) -> str:
    """The first claim of a constant that does not hold, in words; empty where all of them do. Exact.

    `numbers` are alpha L, beta, gamma and mu/L as fractions.

    Args:
        numbers: alpha L, beta, gamma and mu/L.
        rate: the rate of the certificate.
        bound: the constant and what proves it.
    """
    proof, size = bound.lyapunov, bound.lyapunov.memory
    if not 1 <= bound.constant < float("inf"):
        return f"constant = {bound.constant} is not a number >= 1"
    if not 0 <= bound.share < rate:
        return f"share = {bound.share} is not between 0 and the rate"
    square, shrink, share = Fraction(bound.constant) ** 2, rate**2, Fraction(bound.share)
    for name, weights in (("decrease", proof.decrease), ("positive", proof.positive), ("start", bound.start), *_named(bound.early)):
        if any(weight < 0 for weight in weights):
            return f"a weight of '{name}' is negative"
    if any(proof.P[i, j] != proof.P[j, i] for i in range(len(proof.P)) for j in range(i)):
        return "the Lyapunov matrix is not symmetric"
    rows = terms(*numbers, size)
    claims = sides(rows, proof, shrink)
    parts = [("decrease", claims.decrease, claims.decrease_values), ("lower bound", above(claims, rows, share), claims.positive_values)]
    most = carried(Fraction(bound.constant), share, rate) ** 2 * shrink**size
    parts.append(("start", *from_rest(terms(*numbers, size - 1), proof.P, proof.values, bound.start, most)))
    for k, weights in enumerate(bound.early, 1):
        rows = terms(*numbers, k - 1)
        newest = rows.xi[0]
        values = 0 * weights[:k]
        parts.append((f"step {k}", *from_rest(rows, np.multiply.outer(newest, newest), values, weights, square * shrink**k)))
    for name, matrix, values in parts:
        if any(value < 0 for value in values):
            return f"{name}: a coefficient of a function value is negative"
        if pivots(matrix)[-1] <= 0:
            return f"{name}: the matrix is not positive definite"
    return ""


def _named(early: tuple[Array, ...]) -> list[tuple[str, Array]]:
    return [(f"step {k}", weights) for k, weights in enumerate(early, 1)]
